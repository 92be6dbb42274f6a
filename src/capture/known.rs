//! What is known of a machine: what its engine lists, and what was seen on asking. From that follows what is asked next.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::capture::told;
use crate::evidence::inventory::{Container, Inventory, Network};
use crate::evidence::{Facts, Question, Seen};
use crate::vantage::Vantage;

/// How many ports of one container are asked about.
const MANY_PORTS: usize = 12;
/// From here on up a port is usually the system's choice.
const EPHEMERAL: u64 = 32_768;
/// The port that PostgreSQL listens on unless it is told otherwise; no other server is spoken to in its language.
pub const POSTGRES: u64 = 5432;
/// A password that nobody has: whether it is right is not asked.
pub const NO_PASSWORD: &str = "labrun";

/// What is known of a machine.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// What its Docker engine lists.
    pub there: Inventory,
    seen: BTreeMap<String, Option<Facts>>,
}

/// A container that runs, by the name that labs give it.
pub struct Running<'k> {
    /// The compose service it runs, or its exact name.
    pub name: &'k str,
    /// Its exact name.
    pub exact: &'k str,
    /// What was seen of it.
    pub facts: &'k Facts,
}

impl Known {
    /// Notes what there is, and what was seen on asking.
    pub fn learn(&mut self, there: &Inventory, seen: impl IntoIterator<Item = (Question, Seen)>) {
        self.there.clone_from(there);
        self.seen.extend(seen.into_iter().map(|(question, seen)| match seen {
            Seen::Facts(facts) => (question.key(), Some(facts)),
            Seen::Unobserved(_) => (question.key(), None),
        }));
    }

    /// What was seen by a probe of this kind with these arguments.
    pub fn facts(&self, probe: &str, args: Value) -> Option<&Facts> {
        self.seen.get(&question(probe, args).key())?.as_ref()
    }

    /// The running containers that something is known of.
    pub fn running(&self) -> impl Iterator<Item = Running<'_>> {
        self.there.containers.iter().filter_map(|container| {
            let name = self.name_of(container)?;
            let facts = self.facts("container", json!({"name": name}))?;
            // What the name means to a probe is what counts.
            let is_it = text(facts, "name") == Some(&container.name) && text(facts, "status") == Some("running");
            is_it.then_some(Running { name, exact: &container.name, facts })
        })
    }

    /// The name by which labs mean a container: that of its compose service, if no other runs that too, else its own.
    /// None where that means another.
    pub fn name_of<'k>(&self, container: &'k Container) -> Option<&'k str> {
        let runs = |service: &str| {
            let all = self.there.containers.iter().filter(|one| is_up(one) && one.service.as_deref() == Some(service));
            all.count()
        };
        let service = container.service.as_deref().filter(|service| is_up(container) && runs(service) == 1);
        service.and_then(told::name).or_else(|| told::name(&container.name).filter(|name| runs(name) == 0))
    }

    /// The networks that somebody made, each with the name by which labs mean it.
    pub fn networks(&self) -> impl Iterator<Item = (&str, &Network)> {
        let networks = self.there.networks.iter().filter(|network| is_made(network));
        networks.filter_map(|network| Some((self.name_of_network(network)?, network)))
    }

    /// The name by which labs mean a network: compose's own for it, without the project, if no other is called so.
    pub fn name_of_network<'k>(&self, network: &'k Network) -> Option<&'k str> {
        let answers = |one: &Network, name: &str| one.name == name || one.label.as_deref() == Some(name);
        let is_free = |name: &&str| self.there.networks.iter().filter(|one| answers(one, name)).count() == 1;
        let label = network.label.as_deref().and_then(told::name).filter(is_free);
        label.or_else(|| told::name(&network.name).filter(is_free))
    }

    /// What is to be asked next; nothing, once all is known that a lab could claim.
    pub fn questions(&self) -> Vec<Question> {
        let mut all = Vec::new();
        for name in self.there.containers.iter().filter(|one| is_up(one)).filter_map(|one| self.name_of(one)) {
            all.push(question("container", json!({"name": name})));
            all.push(question("sockets", json!({"container": name})));
        }
        all.extend(self.networks().map(|(name, _)| question("network", json!({"name": name}))));
        if self.there.containers.iter().any(|container| container.service.is_some()) {
            all.push(question("compose", json!({})));
        }
        for container in self.running() {
            let paths = list(container.facts, "mounts").filter_map(|mount| told::told(mount["destination"].as_str()?));
            all.extend(paths.map(|path| question("mount", json!({"container": container.name, "path": path}))));
            for (host_port, port) in published_tcp(container.facts) {
                if port != POSTGRES {
                    all.push(question("http", json!({"to": format!("localhost:{host_port}")})));
                }
            }
            for port in self.listens(&container) {
                let to = format!("container/{}:{port}", container.name);
                match port {
                    POSTGRES => all.push(question("postgres", json!({"to": to, "password": NO_PASSWORD}))),
                    _ => all.push(question("reach", json!({"to": to}))),
                }
            }
        }
        all.retain(|question| !self.seen.contains_key(&question.key()));
        all
    }

    /// The TCP ports at which a container on networks of its own listens to others: by its sockets, where those could
    /// be seen, else by what it publishes.
    pub fn listens(&self, container: &Running) -> Vec<u64> {
        if text(container.facts, "network_mode").is_none_or(|mode| matches!(mode, "host" | "none")) {
            return Vec::new();
        }
        let sockets = self.facts("sockets", json!({"container": container.name}));
        let sockets = sockets.filter(|facts| facts.contains_key("listening"));
        let mut ports: Vec<u64> = match sockets {
            Some(facts) => {
                let is_open = |socket: &&Value| {
                    socket["protocol"] == "tcp" && (socket["address"] == "0.0.0.0" || socket["address"] == "::")
                };
                list(facts, "listening").filter(is_open).filter_map(|socket| socket["port"].as_u64()).collect()
            }
            None => published_tcp(container.facts).into_iter().map(|(_, port)| port).collect(),
        };
        ports.retain(|port| (1..EPHEMERAL).contains(port));
        ports.sort_unstable();
        ports.dedup();
        ports.truncate(MANY_PORTS);
        ports
    }
}

/// The question that a lab's probe asks.
pub fn question(probe: &str, args: Value) -> Question {
    Question { probe: probe.to_owned(), args, from: Vantage::Vm }
}

/// A fact that is a text.
pub fn text<'f>(facts: &'f Facts, name: &str) -> Option<&'f str> {
    facts.get(name)?.as_str()
}

/// The elements of a fact that is a list.
pub fn list<'f>(facts: &'f Facts, name: &str) -> impl Iterator<Item = &'f Value> {
    facts.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The TCP ports of the machine that somebody chose to lead into a container, each with the container's.
fn published_tcp(facts: &Facts) -> Vec<(u64, u64)> {
    let tcp =
        |(host_port, port, protocol): (Option<u64>, u64, &str)| Some((host_port?, port)).filter(|_| protocol == "tcp");
    published(facts).into_iter().filter_map(tcp).collect()
}

/// The ports that a container publishes, as far as anybody chose them: the machine's, none where that is the engine's
/// choice, the container's, the protocol.
pub fn published(facts: &Facts) -> Vec<(Option<u64>, u64, &'static str)> {
    let is_chosen = |host_port: u64| list(facts, "configured_ports").any(|port| port["host_port"] == host_port);
    let mut all: Vec<_> = list(facts, "ports")
        .filter_map(|port| {
            let protocol = ["tcp", "udp", "sctp"].into_iter().find(|word| port["protocol"] == *word)?;
            let host_port = port["host_port"].as_u64().filter(|port| is_chosen(*port));
            Some((host_port, port["container_port"].as_u64()?, protocol))
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all.truncate(MANY_PORTS);
    all
}

fn is_up(container: &Container) -> bool {
    matches!(container.state.as_str(), "running" | "paused" | "restarting")
}

/// Whether somebody made a network: not the engine for itself, nor compose because nobody named any.
pub fn is_made(network: &Network) -> bool {
    let is_the_engines = matches!(network.name.as_str(), "bridge" | "host" | "none" | "ingress" | "docker_gwbridge");
    !is_the_engines && network.label.as_deref() != Some("default")
}
