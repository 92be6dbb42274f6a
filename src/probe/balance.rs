//! How requests to one place are shared among several instances: each carries a text of its own, which is looked for
//! in what every instance printed. What a balancer is called, or how it is made, is of no matter.

mod arrived;
mod ask;
mod policy;
mod seen;

use std::time::Duration;

use async_trait::async_trait;
use hyper::Uri;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::evidence::{Facts, Unobserved};
use crate::probe::balance::arrived::Instance;
use crate::probe::balance::ask::{Answers, Asking};
use crate::probe::balance::seen::Seen;
use crate::probe::http::host;
use crate::probe::{
    ADDRESS_FACT, Again, CONNECTION_FACT, CONNECTION_WORDS, Context, NAMESPACE_FACT, Probe, Thing, quote,
    quote_container, shell_host,
};
use crate::vantage::Endpoint;

/// How many instances are told apart: the digits of an order.
const INSTANCES: usize = 9;

/// How long the separate requests may take, those on one connection, and those for the same path: with what the logs
/// take it is less than the time of one probe.
const SEPARATE: Duration = Duration::from_secs(8);
const KEPT_ALIVE: Duration = Duration::from_millis(1500);
const REPEATED: Duration = Duration::from_secs(1);

/// The numbers of the requests on one connection, and of the one that is sent several times.
const ON_ONE: std::ops::Range<u16> = 300..320;
const SAME: u16 = 400;
const TIMES: usize = 5;

/// Logs are written a moment after the answer: how long is waited for what is missing in them, one time after another.
const SETTLE: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(300), Duration::from_millis(500)];

/// Sends requests, and looks where they arrive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// Whom: the place that shares the requests out.
    pub to: Endpoint,
    /// The containers (compose services or exact names) that may get them, 9 at the most.
    pub backends: Backends,
    /// How many separate requests are sent: 100 unless said otherwise, from 20 to 200.
    #[serde(default)]
    pub requests: Requests,
    /// The path, in which `@{nonce}` stands for the text that tells a request from all others.
    #[serde(default)]
    pub path: Path,
    /// What the requests say in `Host`: where they are sent, unless said otherwise.
    #[serde(default, deserialize_with = "host")]
    pub host: Option<String>,
}

/// The instances' names.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>")]
pub struct Backends(Vec<String>);

impl TryFrom<Vec<String>> for Backends {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Backends, String> {
        let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
        match twice {
            Some((_, name)) => Err(format!("`{name}` is named twice")),
            None if names.is_empty() || names.len() > INSTANCES => {
                Err(format!("from one to {INSTANCES} instances are told apart"))
            }
            None => Ok(Backends(names)),
        }
    }
}

/// How many separate requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "u16")]
pub struct Requests(u16);

impl Default for Requests {
    fn default() -> Requests {
        Requests(100)
    }
}

impl TryFrom<u16> for Requests {
    type Error = &'static str;

    fn try_from(n: u16) -> Result<Requests, Self::Error> {
        (20..=200).contains(&n).then_some(Requests(n)).ok_or("from 20 to 200 requests are sent")
    }
}

/// A path with a place for the text that tells requests apart.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Path(String);

impl Path {
    const NONCE: &'static str = "@{nonce}";

    fn with(&self, nonce: &str) -> String {
        self.0.replace(Path::NONCE, nonce)
    }
}

impl Default for Path {
    fn default() -> Path {
        // Drupal answers a text file that is not there at once, without a look into its database.
        Path("/labrun-@{nonce}.txt".to_owned())
    }
}

impl TryFrom<String> for Path {
    type Error = &'static str;

    fn try_from(path: String) -> Result<Path, Self::Error> {
        let path = Path(path);
        let may_be_sent = path.0.starts_with('/') && path.with("x").parse::<Uri>().is_ok();
        match may_be_sent && path.0.matches(Path::NONCE).count() == 1 {
            true => Ok(path),
            false => {
                Err("a path starts with `/`, holds `@{nonce}` once, and no blanks or other bytes a URL must escape")
            }
        }
    }
}

#[async_trait]
impl Probe for Balance {
    const NAME: &'static str = "balance";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        CONNECTION_FACT,
        ADDRESS_FACT,
        NAMESPACE_FACT,
        (
            "answer",
            "how the answers were: `complete`, or how the first was that was not, in the words of `http`; or null",
        ),
        ("sent", "how many separate requests were sent: fewer than asked for when the answers took too long"),
        ("answered", "how many of them were answered in full"),
        ("statuses", "how often each status was answered: `{\"404\": 100}`"),
        ("redirected", "how many answers sent the client elsewhere (301 to 308)"),
        (
            "method",
            "how it is known who got a request: `log`, by what the instances printed; `counter`, by the connections \
             they took, to within a tenth; null when neither tells",
        ),
        (
            "backends",
            "of each instance, in the order of the lab: {container, found, running, log, hits, share, connections}; \
             `found` as of `container`, or `same` when an earlier name means the same container; `log` `read`, `cut` or \
             null",
        ),
        ("least_share", "the smallest share, in percent of the separate requests; null when none was sent"),
        ("most_share", "the largest share"),
        ("unseen", "how many answered requests no instance got"),
        ("doubled", "how many requests more than one instance got"),
        (
            "order",
            "who got each request: `1212…`, `-` for nobody, `*` for more than one; null when it is known by `counter`",
        ),
        (
            "policy",
            "what the order looks like: `round-robin` (least connections as well), `weighted`, `one-only`, `random-like` \
             (a hash of the path as well), `uneven`, `mirror`, `none`; or null. A guess, to be shown and not graded",
        ),
        (
            "keep_alive",
            "the same for 20 requests on one connection, as far as it was kept: {sent, backends, shared}; `shared` is \
             null when too few were answered",
        ),
        ("cached", "whether a request that is repeated arrived fewer times than it was answered; null when unknown"),
        ("truncated", "the names of facts that are cut because there was too much, or that could not be known"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[
        CONNECTION_WORDS,
        ("method", &["log", "counter"]),
        ("policy", &["round-robin", "weighted", "one-only", "random-like", "uneven", "mirror", "none"]),
    ];
    const NOTHING_REACHED: Option<&'static str> = Some(
        r#"{"connection":"timed_out","address":null,"answer":null,"sent":0,"answered":0,"statuses":{},"redirected":0,
            "method":"log","backends":[],"least_share":0,"most_share":0,"unseen":0,"doubled":0,"order":"","policy":null,
            "keep_alive":{"sent":0,"backends":[],"shared":null},"cached":null,"truncated":[]}"#,
    );
    const AGAIN: Again = Again::Rarely;

    fn things(&self) -> Vec<Thing> {
        let backends = self.backends.0.iter().cloned().map(Thing::Container);
        backends.chain([Thing::Endpoint(self.to.clone())]).collect()
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let mut instances = Instance::find(cx, &self.backends.0).await?;
        if instances.iter().any(|instance| instance.found == "none") {
            let strangers = Instance::strangers(cx, &instances, self.to.port).await?;
            instances.extend(strangers);
        }
        cx.take_place().await?;
        let since = Timestamp::now().as_second();
        let asking = Asking::new(cx, &self.to, &self.path, self.host.as_deref());
        let mut taken = vec![opens(cx, &instances).await];
        let separate = asking.separately(0..self.requests.0, SEPARATE).await?;
        taken.push(opens(cx, &instances).await);
        let (mut on_one, mut same) = (0, Answers::default());
        if separate.answered() > 0 {
            let numbers: Vec<u16> = ON_ONE.collect();
            on_one = asking.on_one_connection(&numbers, KEPT_ALIVE).await?;
            taken.push(opens(cx, &instances).await);
            same = asking.separately([SAME; TIMES], REPEATED).await?;
        }
        let answered: Vec<u16> = separate.sent.iter().filter(|(_, answered)| *answered).map(|(n, _)| *n).collect();
        let expected: Vec<u16> = answered.iter().copied().chain(ON_ONE.take(on_one)).collect();
        for pause in SETTLE.iter().take(if expected.is_empty() { 0 } else { SETTLE.len() }) {
            tokio::time::sleep(*pause).await;
            for instance in &mut instances {
                instance.read(cx, &asking.mark, since).await?;
            }
            let readable = instances.iter().any(|instance| instance.lines.is_some());
            if !readable || expected.iter().all(|number| instances.iter().any(|instance| instance.got(*number))) {
                break;
            }
        }
        let seen = Seen { instances, taken, separate, on_one, same: same.answered() };
        Ok(seen.with_those_that_are_instances().facts())
    }

    fn command(&self) -> String {
        let place = format!("{}:{}", shell_host(&self.to.host), self.to.port);
        let path = self.path.with("$i");
        let host = self.host.iter().map(|host| format!("-H {} ", quote(&format!("Host: {host}"))));
        let asks = format!(
            "for i in $(seq {}); do curl -s -o /dev/null {}http://{place}\"{path}\"; done",
            self.requests.0,
            host.collect::<String>(),
        );
        let logs =
            self.backends.0.iter().map(|name| format!("docker logs --since 1m {} | tail", quote_container(name)));
        [asks].into_iter().chain(logs).collect::<Vec<_>>().join("; ")
    }
}

/// How many connections each instance has taken so far.
async fn opens(cx: &Context<'_>, instances: &[Instance]) -> Vec<Option<u64>> {
    let mut all = Vec::new();
    for instance in instances {
        all.push(instance.opens(cx).await);
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::probe::testing::look;

    #[test]
    fn what_makes_no_sense_is_refused_when_the_lab_is_read() {
        for (args, said) in [
            (json!({"backends": []}), "from one to 9"),
            (json!({"backends": vec!["a"; 2]}), "named twice"),
            (json!({"backends": ["a"], "requests": 1000}), "from 20 to 200"),
            (json!({"backends": ["a"], "path": "/x"}), "holds `@{nonce}` once"),
            (json!({"backends": ["a"], "path": "/@{nonce}@{nonce}"}), "holds `@{nonce}` once"),
            (json!({"backends": ["a"], "path": "/ @{nonce}"}), "holds `@{nonce}` once"),
            (json!({"backends": ["a"], "host": "a\r\nb: c"}), "one line of text"),
            (json!({"backends": ["a"], "host": "@{nonce}"}), "captured by no step"),
        ] {
            let mut whole = json!({"to": "localhost:80"});
            whole.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
            let refused = serde_json::from_value::<Balance>(whole).unwrap_err().to_string();
            assert!(refused.contains(said), "{args}: {refused}");
        }
    }

    #[tokio::test]
    async fn without_an_engine_nobody_knows_the_instances() {
        assert!(look("balance", json!({"to": "localhost:1", "backends": ["a"]})).await.is_err());
    }

    #[test]
    fn the_command_is_one_a_student_can_paste() {
        let probe: Balance =
            serde_json::from_value(json!({"to": "localhost:80", "backends": ["drp1", ":8082"]})).unwrap();
        assert_eq!(
            Probe::command(&probe),
            "for i in $(seq 100); do curl -s -o /dev/null http://localhost:80\"/labrun-$i.txt\"; done; \
             docker logs --since 1m drp1 | tail; docker logs --since 1m $(docker ps -q --filter publish=8082/tcp) | tail"
        );
        let args = json!({"to": "10.0.2.15:80", "backends": ["drp1"], "host": "localhost:80"});
        let probe: Balance = serde_json::from_value(args).unwrap();
        let asks = "curl -s -o /dev/null -H 'Host: localhost:80' http://10.0.2.15:80\"/labrun-$i.txt\";";
        assert!(Probe::command(&probe).contains(asks), "{}", Probe::command(&probe));
    }
}
