//! Containers that nobody named: all that look like what is asked for, whether they run or have ended, with the user
//! that each runs or ran as.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::ContainerState;
use crate::evidence::secrets::{masked, masked_words};
use crate::evidence::{Facts, Unobserved};
use crate::probe::inside::process::{Runs, runs};
use crate::probe::inside::{At, Lost, look_into, users};
use crate::probe::{Again, Context, Probe, Sheet, quote, text_fact};

/// How many containers are reported, the newest first.
const MANY: usize = 200;

/// How many are looked at at once.
const AT_ONCE: usize = 8;

/// How long a text may be, in letters, and how many words of a command are reported.
const LONG: usize = 500;
const WORDS: usize = 20;

/// Looks at containers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Containers {
    /// Those of the image of this name, whatever its registry and tag.
    pub image: Option<String>,
    /// Those told to run the program of this name.
    pub runs: Option<String>,
    /// Of these, those whose user has this number.
    pub uid: Option<u32>,
}

#[async_trait]
impl Probe for Containers {
    const NAME: &'static str = "containers";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        (
            "containers",
            "a list, the newest first, of {id, name, service, image, command, status, error, exit_code, user, uid, \
             uid_host, user_namespace, created_at, started_at, finished_at, ran_s}",
        ),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const AGAIN: Again = Again::Seldom;

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let asks: Vec<_> = cx.engine.containers().await?.iter().map(|one| cx.engine.inspected(&one.id)).collect();
        let inspected: Vec<_> = stream::iter(asks).buffered(AT_ONCE).collect().await;
        let mut meant = Vec::new();
        for state in inspected {
            meant.extend(state?.filter(|state| self.means(state)));
        }
        meant.sort_by(|a, b| (&b.created, &a.name).cmp(&(&a.created, &b.name)));
        let mut sheet = Sheet::default();
        if meant.len() > MANY {
            sheet.is_cut("containers");
            meant.truncate(MANY);
        }
        let now = Timestamp::now();
        let looks: Vec<_> = meant.into_iter().map(|state| seen(cx, state, now)).collect();
        let seen: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        let seen: Vec<Option<Value>> = seen.into_iter().collect::<Result<_, _>>()?;
        let of_user = |one: &Value| self.uid.is_none_or(|uid| one["uid"] == uid);
        sheet.list("containers", seen.into_iter().flatten().filter(of_user), MANY);
        Ok(sheet.done())
    }

    fn command(&self) -> String {
        let form = r#"{{.Name}} {{.Config.Image}} {{.State.Status}} user="{{.Config.User}}""#;
        let inspect = format!("docker inspect -f '{form}' $(docker ps -aq)");
        match &self.runs {
            Some(program) => format!("{inspect}; ps -o uid,pid,args -C {}", quote(program)),
            None => inspect,
        }
    }
}

impl Containers {
    fn means(&self, state: &ContainerState) -> bool {
        let image = self.image.as_deref().map(|image| is_of(state.image.as_deref().unwrap_or_default(), image));
        let runs = self.runs.as_deref().map(|program| is_told_to_run(&state.command, program));
        image == Some(true) || runs == Some(true) || (image.is_none() && runs.is_none())
    }
}

/// Whether `image`, as whoever made a container wrote it, is one of `name`, in whatever registry and version.
fn is_of(image: &str, name: &str) -> bool {
    let repository = |image: &str| -> String {
        let image = image.split('@').next().unwrap_or_default();
        let (path, last) = image.rsplit_once('/').map_or(("", image), |(path, last)| (path, last));
        format!("{path}/{}", last.split(':').next().unwrap_or_default())
    };
    let name = repository(name);
    let image = format!("/{}", repository(image).trim_start_matches('/'));
    image.ends_with(&format!("/{}", name.trim_start_matches('/'))) && name != "/"
}

/// Whether a command is `program`, be it started by an entrypoint, or by a shell that does nothing else.
fn is_told_to_run(command: &[String], program: &str) -> bool {
    let is_it = |word: &str| word.rsplit('/').next() == Some(program);
    command.iter().any(|word| {
        let only = word.strip_prefix("exec ").unwrap_or(word).trim();
        is_it(word) || (!only.contains([';', '&', '|', '\n']) && only.split(' ').next().is_some_and(is_it))
    })
}

/// One container with the user it runs as; none when it was removed meanwhile.
async fn seen(cx: &Context<'_>, state: Arc<ContainerState>, now: Timestamp) -> Result<Option<Value>, Unobserved> {
    if !state.running {
        let uid = users::configured(cx, &state).await?;
        return Ok(Some(describe(&state, uid, None, now)));
    }
    if let Some(runs) = look_into(cx, &state, main).await? {
        return Ok(Some(describe(&state, runs.uid_inside, Some(&runs), now)));
    }
    let Some(ended) = cx.engine.afresh(&state.id).await? else { return Ok(None) };
    let uid = users::configured(cx, &ended).await?;
    Ok(Some(describe(&ended, uid, None, now)))
}

/// The first process of a container.
fn main<'c>(cx: &'c Context<'c>, at: At) -> BoxFuture<'c, Result<Runs, Lost>> {
    Box::pin(async move { runs(cx, at.pid).await?.ok_or(Lost::Gone) })
}

fn describe(state: &ContainerState, uid: Option<u32>, runs: Option<&Runs>, now: Timestamp) -> Value {
    let text = |text: &str| text_fact(text.as_bytes(), LONG);
    let command = masked_words(&state.command[..state.command.len().min(WORDS)]);
    let command: Vec<Value> = command.iter().map(|word| text(word)).collect();
    let until = if state.running { Some(now) } else { state.finished };
    let ran = state.started.zip(until).map(|(from, until)| until.duration_since(from).as_secs().max(0));
    json!({
        "id": state.id.chars().take(12).collect::<String>(),
        "name": text(&state.name),
        "service": state.service.as_deref().map(text),
        "image": state.image.as_deref().map(text),
        "command": command,
        "status": state.status,
        "error": state.error.as_deref().map(|error| text(&masked(error))),
        "exit_code": state.exit_code,
        "user": state.user.as_deref().map(text),
        "uid": uid,
        "uid_host": runs.map(|runs| runs.uid_host),
        "user_namespace": runs.map(|runs| runs.user_namespace),
        "created_at": state.created,
        "started_at": state.started_at,
        "finished_at": state.finished_at,
        "ran_s": ran,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| word.to_string()).collect()
    }

    #[test]
    fn an_image_is_known_by_its_name_in_any_registry_and_version() {
        for image in [
            "ubuntu",
            "ubuntu:22.04",
            "docker.io/library/ubuntu:latest",
            "localhost:5000/ubuntu",
            "ubuntu@sha256:8cfae34faa9ca49538719ce8da4b9e76",
        ] {
            assert!(is_of(image, "ubuntu:latest") && is_of(image, "ubuntu"), "{image}");
        }
        for image in ["", "ubuntux", "xubuntu", "ubuntu/nginx", "sha256:8cfae34faa9c", "localhost:5000/nginx"] {
            assert!(!is_of(image, "ubuntu:latest"), "{image}");
        }
        assert!(is_of("docker.io/dpage/pgadmin4:9", "dpage/pgadmin4") && !is_of("pgadmin4", "dpage/pgadmin4"));
        assert!(!is_of("ubuntu", ""));
    }

    #[test]
    fn a_command_runs_a_program_that_it_names_and_not_one_that_it_only_waits_with() {
        for words in [
            &["sleep", "500"][..],
            &["/bin/sleep", "infinity"],
            &["/docker-entrypoint.sh", "sleep", "500"],
            &["sh", "-c", "sleep 500"],
            &["bash", "-c", "exec /bin/sleep 500"],
        ] {
            assert!(is_told_to_run(&command(words), "sleep"), "{words:?}");
        }
        for words in [
            &[][..],
            &["bash"],
            &["sleeper"],
            &["sh", "-c", "sleep 5; nginx"],
            &["sh", "-c", "sleep 5 && nginx"],
            &["sh", "-c", "echo sleep"],
            &["nginx", "-g", "daemon off;"],
        ] {
            assert!(!is_told_to_run(&command(words), "sleep"), "{words:?}");
        }
    }

    #[test]
    fn one_is_meant_by_its_image_or_by_its_command_and_each_where_nothing_is_asked() {
        let state = |image: &str, words: &[&str]| ContainerState {
            image: Some(image.into()),
            command: command(words),
            ..Default::default()
        };
        let probe: Containers = serde_json::from_value(json!({"image": "ubuntu", "runs": "sleep"})).unwrap();
        assert!(probe.means(&state("ubuntu", &["bash"])) && probe.means(&state("alpine", &["sleep", "9"])));
        assert!(!probe.means(&state("nginx", &["nginx"])));
        let only: Containers = serde_json::from_value(json!({"runs": "sleep"})).unwrap();
        assert!(!only.means(&state("ubuntu", &["bash"])));
        let all: Containers = serde_json::from_value(json!({})).unwrap();
        assert!(all.means(&state("nginx", &["nginx"])) && all.means(&ContainerState::default()));
        assert!(serde_json::from_value::<Containers>(json!({"name": "x"})).is_err());
    }

    #[test]
    fn how_long_one_ran_is_counted_until_its_end_or_until_now() {
        let at = |time: &str| Some(time.parse::<Timestamp>().unwrap());
        let now = at("2026-11-23T03:20:00Z").unwrap();
        let started = at("2026-11-23T03:10:00.5Z");
        let ran = |state: ContainerState| describe(&state, Some(0), None, now)["ran_s"].clone();
        let running = ContainerState { running: true, started, ..Default::default() };
        assert_eq!(ran(running), 599);
        let finished = at("2026-11-23T03:10:02.4Z");
        assert_eq!(ran(ContainerState { started, finished, ..Default::default() }), 1);
        // A clock that was set back is not a negative time.
        let early = ContainerState { started, finished: at("2026-11-23T03:00:00Z"), ..Default::default() };
        assert_eq!(ran(early), 0);
        assert_eq!(ran(ContainerState::default()), Value::Null);
    }

    #[test]
    fn every_field_of_the_contract_is_there_and_bounded() {
        let long = "x".repeat(9000);
        let state = ContainerState {
            id: "3dcf1d14af7153d9b70a959b1cd3c46c".into(),
            image: Some(long.clone()),
            command: vec![long.clone(); 100],
            error: Some(long.clone()),
            user: Some(long),
            ..Default::default()
        };
        let runs = Runs { name: "sleep".into(), uid_host: 101_234, uid_inside: Some(1234), user_namespace: true };
        let one = describe(&state, runs.uid_inside, Some(&runs), Timestamp::UNIX_EPOCH);
        assert_eq!(
            (&one["uid"], &one["uid_host"], &one["id"]),
            (&json!(1234), &json!(101_234), &json!("3dcf1d14af71"))
        );
        assert!(one.to_string().len() < (WORDS + 3) * (LONG + 3) + 500);
        let fields = Containers::FACTS[0].1.split(['{', '}']).nth(1).unwrap();
        let mut fields: Vec<&str> = fields.split(',').map(str::trim).collect();
        fields.sort();
        assert_eq!(one.as_object().unwrap().keys().collect::<Vec<_>>(), fields);
    }

    proptest! {
        #[test]
        fn no_name_breaks_the_comparison(image: String, name: String, word: String) {
            is_of(&image, &name);
            is_told_to_run(&[word], &name);
        }
    }
}
