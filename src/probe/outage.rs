//! Whether a service outlives the loss of one of the containers behind it: each is stopped in its turn, the service is
//! asked, and the container is started again. Opt-in: the service may be away for a while.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::engine::{Engine, Hands, Resolution};
use crate::evidence::{Facts, OptIn, Unobserved};
use crate::probe::consent::AtWork;
use crate::probe::http::{Http, host};
use crate::probe::recreate::gone_when_stopped;
use crate::probe::{Context, Probe, Sheet, Thing, quote, shell_host};
use crate::text::Text;
use crate::vantage::Endpoint;

/// How often a service is asked without a container, and how many answers in a row say that it goes on.
const REQUESTS: usize = 12;
const IN_A_ROW: usize = 4;

/// How many containers may be named.
const MANY: usize = 4;

/// How long one answer may take: a balancer finds out by waiting that a container is gone, and forgets it again if
/// whoever asked does not wait that long.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long asking may go on without one container.
const WITHOUT: Duration = Duration::from_secs(60);

/// How long a balancer may shun a container that is back; nginx does so for 10 s.
const SHUNNED: Duration = Duration::from_secs(12);

/// Stops containers one at a time, and asks the service that they make up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// The containers, by compose service or exact name.
    #[serde(deserialize_with = "some")]
    pub containers: Vec<String>,
    /// The service: `localhost:PORT`, `outward:PORT` or `HOST:PORT`.
    pub to: Endpoint,
    /// What is asked for; `/` unless said otherwise.
    #[serde(default = "root", deserialize_with = "path")]
    pub path: String,
    /// What the requests say in `Host`: where they are sent, unless said otherwise.
    #[serde(default, deserialize_with = "host")]
    pub host: Option<String>,
}

fn root() -> String {
    "/".to_owned()
}

fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.is_empty() || names.len() > MANY {
        return Err(serde::de::Error::custom(format!("name from 1 to {MANY} containers")));
    }
    Ok(names)
}

fn path<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let path = String::deserialize(deserializer)?;
    // What the request would refuse is better refused when the lab is read.
    let request = Http::deserialize(json!({"to": "localhost:80", "path": path}));
    request.map(|_| path).map_err(serde::de::Error::custom)
}

#[async_trait]
impl Probe for Outage {
    const NAME: &'static str = "outage";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("status_before", "the status of an answer while all of them run, or null"),
        ("missing", "those of the containers that do not run (or are several), and kept it from being tried"),
        (
            "without",
            "what became of it without each container: a list of {container, statuses, serves, error}, null unless it \
             was tried",
        ),
        ("restored", "whether every container is in its place again; null if none ever left it"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const OPT_IN: Option<OptIn> = Some(OptIn::Disruptive);
    const LIMIT: Duration = Duration::from_secs(420);

    fn things(&self) -> Vec<Thing> {
        let stopped = self.containers.iter().cloned().map(Thing::Container);
        stopped.chain([Thing::Endpoint(self.to.clone())]).collect()
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let mut sheet = Sheet::default();
        let mut ids = Vec::new();
        let mut missing = Vec::new();
        for name in &self.containers {
            match cx.engine.container(name).await? {
                Resolution::One(container) if container.status == "running" => {
                    if container.auto_remove == Some(true) {
                        return Err(gone_when_stopped(&container.name));
                    }
                    ids.push((name.as_str(), container.id.clone()));
                }
                _ => missing.push(json!(name)),
            }
        }
        let before = self.ask(cx).await?;
        sheet.fact("status_before", &before);
        let can_try = missing.is_empty() && is_served(&before);
        sheet.list("missing", missing, MANY);
        let (mut without, mut restored) = (Value::Null, None);
        if can_try {
            let at_work = AtWork::begin(cx, self.will()).await?;
            let work = self.without_each(cx, &at_work.hands, &ids);
            let (seen, back) = at_work.undo_after(cx, work, async {}).await?;
            (without, restored) = (Value::Array(seen), Some(back));
        }
        sheet.fact("without", without);
        sheet.fact("restored", restored);
        Ok(sheet.done())
    }

    fn command(&self) -> String {
        let name = quote(self.containers.first().map_or("", String::as_str));
        let place = format!("{}:{}", shell_host(&self.to.host), self.to.port);
        let host = self.host.iter().map(|host| format!("-H {} ", quote(&format!("Host: {host}"))));
        let ask = format!("curl -i --max-time 10 {}http://{place}{}", host.collect::<String>(), quote(&self.path));
        format!("docker stop {name}; {ask}; docker start {name}")
    }
}

impl Outage {
    async fn without_each(
        &self,
        cx: &Context<'_>,
        hands: &Hands,
        ids: &[(&str, String)],
    ) -> Result<Vec<Value>, Unobserved> {
        let mut seen = Vec::new();
        for (n, (name, id)) in ids.iter().enumerate() {
            if n > 0 {
                // The next loss is to find the service whole.
                tokio::time::sleep(SHUNNED).await;
            }
            let mut statuses: Vec<Value> = Vec::new();
            let error = hands.set_aside(id).await.err();
            let start = Instant::now();
            let in_a_row = |statuses: &[Value]| statuses.iter().rev().take_while(|status| is_served(status)).count();
            while error.is_none()
                && statuses.len() < REQUESTS
                && in_a_row(&statuses) < IN_A_ROW
                && start.elapsed() < WITHOUT
            {
                statuses.push(self.ask(cx).await?);
            }
            let serves = in_a_row(&statuses) >= IN_A_ROW;
            seen.push(json!({"container": name, "statuses": statuses, "serves": serves, "error": error}));
            if !hands.undo().await.is_empty() {
                break;
            }
        }
        Ok(seen)
    }

    /// The status of one answer, or null.
    async fn ask(&self, cx: &Context<'_>) -> Result<Value, Unobserved> {
        let Ok(request) = Http::deserialize(self.request()) else { return Ok(Value::Null) };
        let engine = Engine::new(cx.vm, cx.deadline);
        let patient = Context { patience: PATIENCE, ..cx.with(&engine, cx.deadline) };
        let facts = request.observe(&patient).await?;
        Ok(facts.get("status").cloned().unwrap_or_default())
    }

    /// What is asked, as `http` takes it.
    fn request(&self) -> Value {
        let headers: Map<String, Value> = self.host.iter().map(|host| ("host".to_owned(), json!(host))).collect();
        json!({"to": self.to.to_string(), "path": self.path, "headers": headers})
    }

    fn will(&self) -> Text {
        let names = self.containers.join("`, `");
        Text::new(
            format!("se detienen de a uno `{names}`, se le pregunta a {} y se los vuelve a arrancar", self.to),
            format!("`{names}` are stopped one at a time, {} is asked, and they are started again", self.to),
        )
    }
}

/// Whether a status is that of a service that works.
fn is_served(status: &Value) -> bool {
    status.as_u64().is_some_and(|status| status < 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: Value) -> Result<Outage, String> {
        let mut args = json!({"containers": ["drp1"], "to": "10.0.2.15:80"});
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(args).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_sent_is_refused_when_the_lab_is_read() {
        for (args, said) in [
            (json!({"containers": []}), "from 1 to 4 containers"),
            (json!({"path": "no-slash"}), "a path starts with `/`"),
            (json!({"host": "a\r\nb: c"}), "one line of text"),
            (json!({"host": "@{a}"}), "captured by no step"),
        ] {
            let refused = read(args.clone()).unwrap_err();
            assert!(refused.contains(said), "{args}: {refused}");
        }
    }

    #[test]
    fn the_service_is_asked_by_the_host_it_is_told() {
        let host = |outage: &Outage| {
            let request = Http::deserialize(outage.request()).unwrap();
            request.steps[0].headers.values().map(|line| line.0.clone()).collect::<Vec<_>>()
        };
        assert!(host(&read(json!({})).unwrap()).is_empty());
        assert_eq!(host(&read(json!({"host": "localhost:80"})).unwrap()), ["localhost:80"]);
    }

    #[test]
    fn the_command_is_one_a_student_can_paste() {
        assert_eq!(
            read(json!({})).unwrap().command(),
            "docker stop drp1; curl -i --max-time 10 http://10.0.2.15:80/; docker start drp1"
        );
        assert_eq!(
            read(json!({"host": "localhost:80"})).unwrap().command(),
            "docker stop drp1; curl -i --max-time 10 -H 'Host: localhost:80' http://10.0.2.15:80/; docker start drp1"
        );
    }
}
