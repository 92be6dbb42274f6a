//! Whether a database's data outlives its container: a mark is written, the container is made anew from what the
//! engine knows of it (never through compose, which hands anonymous volumes on), the mark is looked for, and the
//! original is put back. Opt-in: for a few seconds the database is not there.

use std::pin::pin;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use crate::engine::{Engine, Hands, Resolution};
use crate::evidence::{Cause, Facts, OptIn, Unobserved};
use crate::probe::consent::AtWork;
use crate::probe::{Context, Dialled, FOUND_WORDS, Probe, Sheet, Thing, quote};
use crate::text::Text;
use crate::vantage::{Endpoint, Host};
use crate::vm::Bounded;

/// How much is read of one connection.
const MAX_READ: u64 = 1 << 20;

/// How long the new container may take until it answers: it may have to make its database first.
const TO_ANSWER: Duration = Duration::from_secs(30);

/// How long the container that was put back may take until it lets the mark be wiped.
const TO_WIPE: Duration = Duration::from_secs(20);

/// How often a database that is not there yet is asked.
const PAUSE: Duration = Duration::from_millis(200);

/// How many characters of an error are kept.
const ERROR: usize = 1000;

/// Makes a database's container anew, and looks whether its data is still there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recreate {
    /// The container, by compose service or exact name.
    pub container: String,
    /// The port its server listens on; 5432 unless said otherwise.
    #[serde(default = "port")]
    pub port: u16,
    /// The role to log in as, which may create tables; `postgres` unless said otherwise.
    #[serde(default = "postgres")]
    pub user: String,
    /// Its password, as the course tells it.
    pub password: String,
    /// The database; `postgres` unless said otherwise.
    #[serde(default = "postgres")]
    pub database: String,
}

fn postgres() -> String {
    "postgres".to_owned()
}

fn port() -> u16 {
    5432
}

#[async_trait]
impl Probe for Recreate {
    const NAME: &'static str = "recreate";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("found", "`one`, `none`, or `several` when more than one container answers to the name"),
        ("names", "the exact names of those that answer to the name"),
        ("recreated", "whether a new container came up in its place and let labrun in"),
        ("kept", "whether what was written before was there; null unless it was recreated"),
        ("restored", "whether the original is in its place again; null if it never left it"),
        ("answered_ms", "milliseconds until the new container answered, or null"),
        ("error", "what kept it from being recreated, or null"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[FOUND_WORDS];
    const OPT_IN: Option<OptIn> = Some(OptIn::Disruptive);
    const LIMIT: Duration = Duration::from_secs(90);

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Container(self.container.clone())]
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let mut sheet = Sheet::default();
        let found = cx.engine.container(&self.container).await?;
        sheet.found(&found, |container| &container.name, 20);
        let mut outcome = Outcome::default();
        match &found {
            Resolution::One(container) if container.status == "running" => {
                if container.auto_remove == Some(true) {
                    return Err(gone_when_stopped(&container.name));
                }
                self.look(cx, &container.id, &container.name, &mut outcome).await?;
            }
            Resolution::One(container) => outcome.error = Some(format!("its status is `{}`", container.status)),
            Resolution::None | Resolution::Several(_) => {}
        }
        sheet.fact("recreated", outcome.recreated);
        sheet.fact("kept", outcome.kept);
        sheet.fact("restored", outcome.restored);
        sheet.fact("answered_ms", outcome.answered_ms);
        sheet.text("error", outcome.error.as_deref(), ERROR);
        Ok(sheet.done())
    }

    fn command(&self) -> String {
        let name = quote(&self.container);
        format!("docker inspect -f '{{{{json .Mounts}}}}' {name}")
    }
}

/// A container that cannot be stopped without being lost.
pub fn gone_when_stopped(name: &str) -> Unobserved {
    Unobserved::new(
        Cause::Unsupported,
        format!("`{name}` se creó con --rm: si se detiene, desaparece, y no podría volver; crealo sin --rm"),
        format!(
            "`{name}` was created with --rm: once stopped it is gone and could not come back; create it without --rm"
        ),
    )
}

#[derive(Default)]
struct Outcome {
    recreated: bool,
    kept: Option<bool>,
    restored: Option<bool>,
    answered_ms: Option<u64>,
    error: Option<String>,
}

/// What a database made of a question.
enum Answer {
    /// The first column of each row.
    Rows(Vec<String>),
    /// An error of its own, which asking again does not change.
    Refused(String),
    /// Nobody answered, or not yet.
    NotThere(String),
}

impl Recreate {
    async fn look(&self, cx: &Context<'_>, id: &str, name: &str, outcome: &mut Outcome) -> Result<(), Unobserved> {
        // What a run that was killed left behind goes as well.
        let marks = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'labrun\\_%'";
        let mut marks: Vec<String> = match self.ask(cx, marks).await? {
            Answer::Rows(rows) => rows.into_iter().filter(|table| is_mark(table)).collect(),
            Answer::Refused(why) | Answer::NotThere(why) => {
                outcome.error = Some(why);
                return Ok(());
            }
        };
        let at_work = AtWork::begin(cx, will(name)).await?;
        let mark = format!("labrun_{}", at_work.hands.owner().hex());
        marks.push(mark.clone());
        let work = self.have_it_recreated(cx, &at_work.hands, id, &mark, outcome);
        let restored = at_work.undo_after(cx, work, self.wipe(cx, &marks)).await?.1;
        outcome.restored = outcome.restored.map(|_| restored);
        Ok(())
    }

    async fn have_it_recreated(
        &self,
        cx: &Context<'_>,
        hands: &Hands,
        id: &str,
        mark: &str,
        outcome: &mut Outcome,
    ) -> Result<(), Unobserved> {
        if let Answer::Refused(why) | Answer::NotThere(why) =
            self.ask(cx, &format!("CREATE TABLE public.{mark} ()")).await?
        {
            outcome.error = Some(why);
            return Ok(());
        }
        outcome.restored = Some(false);
        let anew = async {
            hands.set_aside(id).await?;
            hands.make_anew(id).await
        };
        if let Err(why) = anew.await {
            outcome.error = Some(why);
            return Ok(());
        }
        let started = Instant::now();
        let question = format!("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename = '{mark}'");
        match self.ask_until(cx, &question, started + TO_ANSWER).await? {
            Answer::Rows(rows) => {
                outcome.recreated = true;
                outcome.kept = Some(rows.iter().any(|table| table == mark));
                outcome.answered_ms = Some(started.elapsed().as_millis() as u64);
            }
            Answer::Refused(why) | Answer::NotThere(why) => outcome.error = Some(why),
        }
        Ok(())
    }

    /// Takes the marks out of the database that was put back.
    async fn wipe(&self, cx: &Context<'_>, marks: &[String]) {
        let deadline = Instant::now() + TO_WIPE;
        let engine = Engine::new(cx.vm, deadline);
        let drop = format!("DROP TABLE IF EXISTS public.{}", marks.join(", public."));
        match self.ask_until(&cx.with(&engine, deadline), &drop, deadline).await {
            Ok(Answer::Rows(_)) => {}
            Ok(Answer::Refused(why) | Answer::NotThere(why)) => (cx.consent.say)(&Text::new(
                format!("quedaron tablas de labrun en la base ({why}): {}", marks.join(", ")),
                format!("tables of labrun's are left in the database ({why}): {}", marks.join(", ")),
            )),
            Err(unobserved) => (cx.consent.say)(&unobserved.why),
        }
    }

    /// Asks until the database answers, or until `end`.
    async fn ask_until(&self, cx: &Context<'_>, sql: &str, end: Instant) -> Result<Answer, Unobserved> {
        loop {
            match self.ask(cx, sql).await? {
                Answer::NotThere(_) if Instant::now() + PAUSE < end => tokio::time::sleep(PAUSE).await,
                answer => return Ok(answer),
            }
        }
    }

    /// Asks the container that answers to the name by now, over the network.
    async fn ask(&self, cx: &Context<'_>, sql: &str) -> Result<Answer, Unobserved> {
        let engine = Engine::new(cx.vm, cx.deadline);
        let now = cx.with(&engine, cx.deadline);
        let to = Endpoint { host: Host::Container(self.container.clone()), port: self.port };
        let stream = match now.dial(&to).await? {
            Dialled::Connected { stream, .. } => Bounded::new(stream, MAX_READ),
            Dialled::Not(facts) => return Ok(Answer::NotThere(format!("the connection: {}", facts["connection"]))),
        };
        let mut config = Config::new();
        config.user(&self.user).password(&self.password).dbname(&self.database).ssl_mode(SslMode::Disable);
        let asking = async {
            let (client, connection) = config.connect_raw(stream, NoTls).await?;
            // The connection is driven here and not in a task of its own, so that it ends with the probe.
            let mut asking = pin!(client.simple_query(sql));
            tokio::select! {
                biased;
                answer = &mut asking => return answer,
                _ = connection => {}
            }
            asking.await
        };
        Ok(match now.patiently(asking).await? {
            None => Answer::NotThere("the database keeps silent".to_owned()),
            Some(Ok(messages)) => Answer::Rows(messages.iter().filter_map(first_column).collect()),
            Some(Err(error)) => match error.as_db_error() {
                // A server that is still starting, or on its way out.
                Some(said) if !said.code().code().starts_with("57P") => Answer::Refused(said.message().to_owned()),
                Some(said) => Answer::NotThere(said.message().to_owned()),
                None => Answer::NotThere(error.to_string()),
            },
        })
    }
}

fn first_column(message: &SimpleQueryMessage) -> Option<String> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    row.try_get(0).ok().flatten().map(str::to_owned)
}

/// Whether a table is one that labrun made. What a database says goes into no statement as it is.
fn is_mark(table: &str) -> bool {
    let hex = |digits: &str| digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    table.strip_prefix("labrun_").is_some_and(hex)
}

fn will(name: &str) -> Text {
    Text::new(
        format!(
            "se escribe una marca en la base de `{name}`, se lo detiene y se lo aparta, se crea otro igual, se busca la \
             marca y se vuelve a poner el original: la base no responde por unos segundos"
        ),
        format!(
            "a mark is written into the database of `{name}`, which is stopped and set aside; another one like it is \
             created, the mark is looked for, and the original is put back: for a few seconds the database is away"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_of_labrun_s_are_wiped() {
        assert!(is_mark("labrun_0123456789abcdef"));
        for table in ["labrun_", "labrun_0123456789abcdeF", "labrun_0123456789abcdef0", "x", "labrun_; DROP TABLE a; -"]
        {
            assert!(!is_mark(table), "{table}");
        }
    }

    #[test]
    fn the_port_and_the_names_have_defaults() {
        let probe: Recreate = serde_json::from_str(r#"{"container": "ams", "password": "x"}"#).unwrap();
        assert_eq!((probe.port, probe.user.as_str(), probe.database.as_str()), (5432, "postgres", "postgres"));
    }
}
