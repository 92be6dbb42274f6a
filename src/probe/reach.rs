//! Whether a TCP connection comes about. Nothing is sent and nothing is read, so it says nothing of who answers:
//! Docker's own proxy accepts for a service that is not there yet.

use std::net::SocketAddr;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::evidence::{Facts, Unobserved};
use crate::probe::{
    ADDRESS_FACT, CONNECTION_FACT, CONNECTION_WORDS, Context, Dialled, NAMESPACE_FACT, Probe, Thing, shell_host,
};
use crate::vantage::Endpoint;

/// Tries to connect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// Whom: `localhost:PORT`, `outward:PORT`, `container/NAME:PORT` or `HOST:PORT`.
    pub to: Endpoint,
}

#[async_trait]
impl Probe for Reach {
    const NAME: &'static str = "reach";
    const FACTS: &'static [(&'static str, &'static str)] =
        &[CONNECTION_FACT, ADDRESS_FACT, ("ip", "the IP address in it, without the port, or null"), NAMESPACE_FACT];
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[CONNECTION_WORDS];
    const NOTHING_REACHED: Option<&'static str> = Some(r#"{"connection":"timed_out","address":null,"ip":null}"#);

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Endpoint(self.to.clone())]
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let (Dialled::Connected { mut facts, .. } | Dialled::Not(mut facts)) = cx.dial(&self.to).await?;
        let address = facts.get("address").and_then(Value::as_str);
        let ip = address.and_then(|address| address.parse::<SocketAddr>().ok()).map(|address| address.ip().to_string());
        facts.insert("ip".to_owned(), json!(ip));
        Ok(facts)
    }

    fn command(&self) -> String {
        // Not every machine has `nc`; a bash is everywhere.
        let host = shell_host(&self.to.host);
        format!("timeout 5 bash -c ': </dev/tcp/$0/$1' {host} {} && echo connected", self.to.port)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::probe::testing::{look, server};

    #[tokio::test]
    async fn a_connection_is_a_fact_and_so_is_its_refusal() {
        let port = server(|_| async {}).await;
        let facts = look("reach", json!({"to": format!("localhost:{port}")})).await.unwrap();
        assert_eq!(
            (&facts["connection"], &facts["address"]),
            (&json!("connected"), &json!(format!("127.0.0.1:{port}")))
        );
        let facts = look("reach", json!({"to": "localhost:1"})).await.unwrap();
        assert_eq!((&facts["connection"], &facts["address"]), (&json!("refused"), &json!("127.0.0.1:1")));
        assert_eq!(facts["ip"], "127.0.0.1");
        assert!(look("reach", json!({"to": "localhost"})).await.is_err());
    }

    #[test]
    fn the_command_is_one_a_student_can_paste() {
        let probe: super::Reach = serde_json::from_value(json!({"to": "localhost:5432"})).unwrap();
        assert_eq!(
            crate::probe::Probe::command(&probe),
            "timeout 5 bash -c ': </dev/tcp/$0/$1' localhost 5432 && echo connected"
        );
    }
}
