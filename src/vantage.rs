//! Where a probe stands and what it addresses: the words of `from:` and `to:`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Where a probe stands: `vm`, `grader`, `{container: NAME}` or `{network: NAME}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Vantage {
    /// In the student's machine.
    #[default]
    Vm,
    /// On the machine labrun runs on, looking at the student's machine from outside.
    /// When labrun runs inside the VM there is no such place, and what needs it is deferred.
    Grader,
    /// In the network namespace of a container (compose service or exact name): what it reaches, the probe reaches.
    Container(String),
    /// At an endpoint of its own on a docker network: what a new container there reaches, the probe reaches.
    Network(String),
}

impl Vantage {
    /// The name of the container or network it stands on.
    pub fn name(&self) -> Option<&str> {
        match self {
            Vantage::Vm | Vantage::Grader => None,
            Vantage::Container(name) | Vantage::Network(name) => Some(name),
        }
    }
}

impl fmt::Display for Vantage {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Vantage::Vm => f.write_str("vm"),
            Vantage::Grader => f.write_str("grader"),
            Vantage::Container(name) => write!(f, "container/{name}"),
            Vantage::Network(name) => write!(f, "network/{name}"),
        }
    }
}

/// Whether `name` can be that of a container or a network.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '/')
}

/// The host part of an [`Endpoint`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// `localhost`: the loopback of the machine the probe stands on.
    Loopback,
    /// `outward`: the address by which the VM is known beyond its own loopback.
    Outward,
    /// `container/NAME`: the address of a container (compose service or exact name).
    Container(String),
    /// An IP address or a host name.
    Named(String),
}

/// What a network probe addresses: `localhost:5432`, `outward:5432`, `container/ams:5432`, `10.0.0.7:80`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Whom.
    pub host: Host,
    /// At which TCP port.
    pub port: u16,
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Endpoint, Self::Err> {
        const FORM: &str = "an address is `localhost:PORT`, `outward:PORT`, `container/NAME:PORT` or `HOST:PORT`";
        let (host, port) = text.rsplit_once(':').ok_or(FORM)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or("a port is a number from 1 to 65535")?;
        let host = match host {
            "localhost" => Host::Loopback,
            "outward" => Host::Outward,
            _ => match host.strip_prefix("container/") {
                Some(name) if is_name(name) => Host::Container(name.to_owned()),
                None if is_name(host) => Host::Named(host.trim_matches(['[', ']']).to_owned()),
                _ => return Err(FORM),
            },
        };
        Ok(Endpoint { host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.host {
            Host::Loopback => write!(f, "localhost:{}", self.port),
            Host::Outward => write!(f, "outward:{}", self.port),
            Host::Container(name) => write!(f, "container/{name}:{}", self.port),
            Host::Named(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Host::Named(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl Serialize for Endpoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Endpoint {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Endpoint".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": r"^\S+:[0-9]+$"})
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Endpoint, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_survive_being_written() {
        for text in ["localhost:5432", "outward:80", "container/ams:5432", "10.0.0.7:80", "[fe80::1]:22", "db:1"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn vantages_are_words_or_a_word_with_a_name() {
        for (text, vantage) in [
            (r#""vm""#, Vantage::Vm),
            (r#""grader""#, Vantage::Grader),
            (r#"{"container":"ams"}"#, Vantage::Container("ams".into())),
            (r#"{"network":"front"}"#, Vantage::Network("front".into())),
        ] {
            assert_eq!(serde_json::from_str::<Vantage>(text).unwrap(), vantage);
            assert_eq!(serde_json::to_string(&vantage).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in ["5432", "ams:", ":80", "ams:0", "ams:70000", "container/:80", "a b:80", "x/ams:80"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
