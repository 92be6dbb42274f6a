//! Who publishes a port of the machine: read from the engine, whether or not anybody answers there.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::{Change, Listed};
use crate::evidence::{Facts, Unobserved};
use crate::probe::{Again, Context, Probe, Sheet, Thing};

/// How many containers are reported.
const MANY: usize = 200;

/// Looks at who publishes a port.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// The port of the machine.
    pub number: u16,
    /// `tcp` (unless said otherwise), `udp` or `sctp`.
    #[serde(default)]
    pub protocol: Protocol,
}

/// A transport protocol that Docker publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }
}

#[async_trait]
impl Probe for Port {
    const NAME: &'static str = "port";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("published", "what publishes it: a list of {container, service, container_port, host_ip, beyond_loopback}"),
        ("containers", "the names of the containers that publish it, sorted, each once"),
        (
            "address",
            "where it is to be dialled from beyond the machine: the address it is published on, or the machine's own \
             outward one; null when it is published on the loopback only",
        ),
        ("local", "where it is to be dialled on the machine itself: `address`, or the loopback it is published on"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const MOVED_BY: &'static [Change] = Change::OUTSIDE;
    const AGAIN: Again = Again::Seldom;

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Port(self.number, self.protocol.word().to_owned())]
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let mut facts = facts(cx.engine.containers().await?, self.number, self.protocol);
        let (address, local) = match address(&facts) {
            Address::Outward => {
                let outward = json!(cx.vm.outward().await?.to_string());
                (outward.clone(), outward)
            }
            Address::Own(address) => (json!(address), json!(address)),
            Address::Loopback(address) => (json!(null), json!(address)),
        };
        facts.insert("address".to_owned(), address);
        facts.insert("local".to_owned(), local);
        Ok(facts)
    }

    fn command(&self) -> String {
        let protocol = self.protocol.word();
        format!("docker ps --filter publish={}/{protocol}", self.number)
    }
}

/// Where a port is to be dialled.
#[derive(Debug, PartialEq)]
enum Address {
    /// At the machine's outward address: published on all addresses, or not by a container at all.
    Outward,
    /// At the one address it is published on.
    Own(String),
    /// On the machine itself only.
    Loopback(String),
}

fn address(facts: &Facts) -> Address {
    let published: Vec<&Value> = facts.get("published").and_then(Value::as_array).into_iter().flatten().collect();
    let ips_of = |beyond: bool| {
        let of = published.iter().filter(move |one| one["beyond_loopback"] == beyond);
        of.filter_map(|one| one["host_ip"].as_str()?.parse().ok()).collect::<Vec<Ipv4Addr>>()
    };
    let open = || published.iter().filter(|one| one["beyond_loopback"] == true);
    let ips = ips_of(true);
    match ips.iter().find(|ip| !ip.is_unspecified()) {
        Some(ip) if ips.iter().all(|ip| !ip.is_unspecified()) => Address::Own(ip.to_string()),
        _ if published.is_empty() || open().next().is_some() => Address::Outward,
        _ => Address::Loopback(ips_of(false).first().unwrap_or(&Ipv4Addr::LOCALHOST).to_string()),
    }
}

fn facts(containers: &[Listed], number: u16, protocol: Protocol) -> Facts {
    let published: Vec<_> = containers
        .iter()
        .filter(|container| container.up)
        .flat_map(|container| container.ports.iter().map(move |port| (container, port)))
        .filter(|(_, port)| port.host_port == Some(number) && port.protocol == protocol.word())
        .collect();
    let names: BTreeSet<&str> = published.iter().map(|(container, _)| container.name.as_str()).collect();
    let mut sheet = Sheet::default();
    sheet.list("containers", names.into_iter().map(|name| json!(name)), MANY);
    let published = published.into_iter().map(|(container, port)| {
        json!({
            "container": container.name,
            "service": container.service,
            "container_port": port.container_port,
            "host_ip": port.host_ip,
            "beyond_loopback": is_beyond_loopback(port.host_ip.as_deref()),
        })
    });
    sheet.list("published", published, MANY);
    sheet.done()
}

/// An engine that names no address means all of them.
fn is_beyond_loopback(host_ip: Option<&str>) -> bool {
    host_ip.and_then(|ip| ip.parse::<IpAddr>().ok()).is_none_or(|ip| !ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Published;

    fn publishes(name: &str, up: bool, host_ip: Option<&str>, protocol: &str) -> Listed {
        let port = Published {
            container_port: 5432,
            protocol: protocol.into(),
            host_ip: host_ip.map(str::to_owned),
            host_port: Some(15432),
        };
        Listed { name: name.into(), up, ports: vec![port], ..Default::default() }
    }

    #[test]
    fn those_that_run_and_publish_the_port_are_named() {
        let all = [
            publishes("a", true, Some("0.0.0.0"), "tcp"),
            publishes("a", true, Some("::"), "tcp"),
            publishes("b", true, Some("127.0.0.1"), "tcp"),
            publishes("stopped", false, None, "tcp"),
            publishes("udp", true, None, "udp"),
        ];
        let seen = facts(&all, 15432, Protocol::Tcp);
        assert_eq!(seen["containers"], json!(["a", "b"]));
        let beyond: Vec<_> = seen["published"].as_array().unwrap().iter().map(|one| &one["beyond_loopback"]).collect();
        assert_eq!(beyond, [true, true, false]);
        assert_eq!(facts(&all, 15432, Protocol::Udp)["containers"], json!(["udp"]));
        // The container's own port is not the machine's.
        assert_eq!(facts(&all, 5432, Protocol::Tcp)["published"], json!([]));
    }

    #[test]
    fn it_is_dialled_where_it_is_published() {
        let at = |ips: &[Option<&str>]| {
            let all: Vec<Listed> = ips.iter().map(|ip| publishes("a", true, *ip, "tcp")).collect();
            address(&facts(&all, 15432, Protocol::Tcp))
        };
        assert_eq!(at(&[]), Address::Outward);
        assert_eq!(at(&[Some("0.0.0.0"), Some("::")]), Address::Outward);
        assert_eq!(at(&[None]), Address::Outward);
        assert_eq!(at(&[Some("127.0.0.1"), Some("10.0.2.15")]), Address::Own("10.0.2.15".into()));
        assert_eq!(at(&[Some("127.0.0.2")]), Address::Loopback("127.0.0.2".into()));
    }

    #[test]
    fn only_loopback_addresses_are_the_machines_own() {
        for (ip, beyond) in [
            (None, true),
            (Some("0.0.0.0"), true),
            (Some("::"), true),
            (Some("10.0.2.15"), true),
            (Some("127.0.0.1"), false),
            (Some("127.1.2.3"), false),
            (Some("::1"), false),
            (Some("::ffff:127.0.0.1"), false),
        ] {
            assert_eq!(is_beyond_loopback(ip), beyond, "{ip:?}");
        }
    }

    #[test]
    fn a_port_is_one_and_its_protocol_one_that_docker_knows() {
        assert!(serde_json::from_value::<Port>(json!({"number": 70000})).is_err());
        assert!(serde_json::from_value::<Port>(json!({"number": 80, "protocol": "icmp"})).is_err());
    }
}
