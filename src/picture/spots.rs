//! What a name or an address stands for in the picture, by the rules that probes go by. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::engine::{Candidate, Listed, Published, Resolution, choose, pick, published_port};
use crate::evidence::inventory::{Container, Inventory};
use crate::picture::{Glance, things};
use crate::probe::Thing;
use crate::vantage::{Endpoint, Host, Vantage};
use crate::verdict::picture::Spot;

/// Who and what there is, by name and address.
pub struct Spots<'e> {
    inventory: &'e Inventory,
    /// The containers as the rules of names take them.
    listed: Vec<Listed>,
    /// Containers by address.
    by_address: BTreeMap<&'e str, &'e str>,
    /// The machine's own addresses, as far as the engine or a look told them.
    own: BTreeSet<String>,
}

impl<'e> Spots<'e> {
    /// Everything that the inventory has, and the addresses of the machine that were dialled.
    pub fn of(inventory: &'e Inventory, glances: &[Glance]) -> Spots<'e> {
        let ends = inventory.containers.iter().flat_map(|one| one.networks.iter().map(move |end| (one, end)));
        let by_address = ends.filter_map(|(one, end)| Some((end.address.as_deref()?, one.name.as_str()))).collect();
        let listed = inventory.containers.iter().map(listed).collect();
        let mut own: BTreeSet<String> = inventory.networks.iter().flat_map(|one| &one.gateways).cloned().collect();
        for glance in glances {
            for thing in things(glance) {
                match thing {
                    Thing::Endpoint(Endpoint { host: Host::Outward, .. }) => own.extend(dialled(glance)),
                    Thing::Port(..) => {
                        let told = |name: &str| Some(glance.facts?.get(name)?.as_str()?.to_owned());
                        own.extend(["address", "local"].into_iter().filter_map(told));
                    }
                    _ => {}
                }
            }
        }
        Spots { inventory, listed, by_address, own }
    }

    /// Where a look stood.
    pub fn from(&self, from: &Vantage) -> Spot {
        let first = |all: Vec<Spot>| all.into_iter().next();
        match from {
            Vantage::Vm => Spot::Vm,
            Vantage::Grader => Spot::Outside,
            Vantage::Container(name) => first(self.containers(name)).unwrap_or(Spot::Vm),
            Vantage::Network(name) => first(self.networks(name)).unwrap_or(Spot::Vm),
        }
    }

    /// Whom a look dialled.
    pub fn to(&self, to: &Endpoint, glance: &Glance) -> Spot {
        match &to.host {
            Host::Container(name) => {
                self.containers(name).into_iter().next().unwrap_or_else(|| Spot::Elsewhere(name.clone()))
            }
            Host::Outward => Spot::Port(to.port),
            Host::Loopback => match glance.from {
                Vantage::Vm | Vantage::Grader => Spot::Port(to.port),
                Vantage::Container(_) => self.from(glance.from),
                Vantage::Network(_) => Spot::Elsewhere("localhost".to_owned()),
            },
            Host::Named(name) => self.named(name, to.port, glance),
        }
    }

    fn named(&self, name: &str, port: u16, glance: &Glance) -> Spot {
        let dialled = dialled(glance);
        let addresses = || std::iter::once(name).chain(dialled.as_deref());
        if let Some(container) = addresses().find_map(|address| self.by_address.get(address)) {
            return Spot::Container((*container).to_owned());
        }
        let on_machine = matches!(glance.from, Vantage::Vm | Vantage::Grader);
        if addresses().any(|address| self.own.contains(address) || (on_machine && address.starts_with("127."))) {
            return Spot::Port(port);
        }
        match choose(&self.listed, name) {
            Resolution::One(found) if !on_machine => Spot::Container(found.name.clone()),
            _ => Spot::Elsewhere(name.to_owned()),
        }
    }

    /// The containers that answer to a name, or the one that is missing under it.
    pub fn containers(&self, name: &str) -> Vec<Spot> {
        match (choose(&self.listed, name), published_port(name)) {
            (Resolution::None, Some(port)) => vec![Spot::Port(port)],
            (Resolution::None, None) => vec![Spot::Container(name.to_owned())],
            (Resolution::One(found), _) => vec![Spot::Container(found.name.clone())],
            (Resolution::Several(names), _) => names.into_iter().map(Spot::Container).collect(),
        }
    }

    /// The networks that answer to a name, or the one that is missing under it.
    pub fn networks(&self, name: &str) -> Vec<Spot> {
        let uses = |one: &Container, exact: &str| one.networks.iter().any(|end| end.network == exact);
        let all = self.inventory.networks.iter().map(|one| self.candidate(&one.name, one.label.as_ref(), uses));
        named_so(pick(all, name), name).into_iter().map(Spot::Network).collect()
    }

    /// The volumes that answer to a name, or the one that is missing under it.
    pub fn volumes(&self, name: &str) -> Vec<String> {
        let uses = |one: &Container, exact: &str| one.mounts.iter().any(|mount| mount.source.as_deref() == Some(exact));
        let all = self.inventory.volumes.iter().map(|one| self.candidate(&one.name, one.label.as_ref(), uses));
        named_so(pick(all, name), name)
    }

    fn candidate(
        &self,
        exact: &str,
        label: Option<&String>,
        uses: impl Fn(&Container, &str) -> bool,
    ) -> Candidate<String> {
        let used = self.inventory.containers.iter().any(|one| one.is_up() && uses(one, exact));
        Candidate { exact: exact.to_owned(), label: label.cloned(), used, item: exact.to_owned() }
    }
}

fn named_so(found: Resolution<String>, name: &str) -> Vec<String> {
    match found {
        Resolution::None => vec![name.to_owned()],
        Resolution::One(exact) => vec![exact],
        Resolution::Several(names) => names,
    }
}

fn listed(container: &Container) -> Listed {
    let port = |port: &crate::evidence::inventory::Port| Published {
        container_port: port.container_port,
        protocol: port.protocol.clone(),
        host_ip: port.host_ips.first().cloned(),
        host_port: Some(port.host_port),
    };
    Listed {
        name: container.name.clone(),
        service: container.service.clone(),
        up: container.is_up(),
        ports: container.ports.iter().map(port).collect(),
        ..Listed::default()
    }
}

/// The address that a look dialled, without its port.
fn dialled(glance: &Glance) -> Option<String> {
    let address = glance.facts?.get("address").and_then(Value::as_str)?;
    let (host, _) = address.rsplit_once(':')?;
    Some(host.trim_matches(['[', ']']).to_owned())
}
