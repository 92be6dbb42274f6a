//! Inventory + what the checks rest on → a picture of the student's world. Pure: what is there, what a check names and
//! is not there, and who was seen to reach whom. What a kind of probe is about, its row in the table says.

mod spots;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::engine::is_generated_name;
use crate::evidence::Facts;
use crate::evidence::inventory::{End, Inventory, LONG, More, Mount, MountKind};
use crate::picture::spots::Spots;
use crate::probe::{Kind, Thing};
use crate::vantage::Vantage;
use crate::verdict::Outcome;
use crate::verdict::picture::{Container, Inside, Network, Picture, Port, Reach, Spot, Store};

/// How much of anything is drawn.
const MANY: usize = 24;
/// How many reaches are drawn; of more, those that are not as they should be come first.
const MANY_REACHES: usize = 40;
/// How many checks one thing is tied to.
const MANY_CHECKS: usize = 12;

/// The networks that every engine has.
const GIVEN: [&str; 3] = ["bridge", "host", "none"];

/// One look that a check made, as far as the picture is concerned.
#[derive(Debug, Clone)]
pub struct Glance<'e> {
    /// The kind of probe.
    pub probe: &'e str,
    /// Its arguments.
    pub args: &'e Value,
    /// Where it stood.
    pub from: &'e Vantage,
    /// What it saw, if it saw anything.
    pub facts: Option<&'e Facts>,
    /// Whether a student's answer is compared with what it saw, so that nobody is shown that.
    pub withheld: bool,
    /// The check that rests on it, by address, and what became of that; none for a look that a check only leans on.
    pub decides: Option<(&'e str, Outcome)>,
}

impl Glance<'_> {
    /// Whether a check rests on it that has not been seen to hold, so that what it names is asked for.
    fn is_wanting(&self) -> bool {
        self.decides.is_some_and(|(_, outcome)| !matches!(outcome, Outcome::Pass | Outcome::Deferred))
    }
}

/// Whether the picture tells addresses, and which networks are internal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Details {
    /// It does.
    Told,
    /// It does not: a lab asks the student for such things, who has not told all of them yet.
    Withheld,
}

/// Makes the picture.
pub fn picture(inventory: &Inventory, glances: &[Glance], details: Details) -> Picture {
    // Evidence may come from anybody.
    let inventory = &inventory.clone().bounded();
    let spots = Spots::of(inventory, glances);
    let mut world = World::of(inventory, details);
    for glance in glances {
        for thing in things(glance) {
            match thing {
                Thing::Endpoint(_) if glance.withheld => {}
                Thing::Endpoint(to) => match spots.to(&to, glance) {
                    Spot::Elsewhere(name) if details == Details::Withheld && is_address(&name) => {}
                    spot => world.reach(spots.from(glance.from), spot, to.port, glance),
                },
                Thing::Container(name) => spots.containers(&name).iter().for_each(|spot| world.touch(spot, glance)),
                Thing::Network(name) => spots.networks(&name).iter().for_each(|spot| world.touch(spot, glance)),
                Thing::Volume(name) => spots.volumes(&name).iter().for_each(|name| world.touch_volume(name, glance)),
                Thing::Port(number, protocol) => world.touch_port(number, &protocol, glance),
            }
        }
    }
    world.drawn(inventory.more)
}

/// What a look was about. What was never asked may still refer to what nobody knew; that is nothing by name, and nor is
/// what is longer than any name.
fn things(glance: &Glance) -> Vec<Thing> {
    let all = Kind::named(glance.probe).map(|kind| kind.things(glance.args)).unwrap_or_default();
    all.into_iter().filter(|thing| is_name(&thing.to_string())).collect()
}

/// From where whom at which port, and what came of it.
type Tried = (Spot, Spot, u16, Option<String>);

fn is_name(name: &str) -> bool {
    !name.contains("${") && name.chars().nth(LONG).is_none()
}

/// The picture in the making.
struct World {
    containers: BTreeMap<String, Container>,
    networks: BTreeMap<String, Network>,
    /// By kind and name.
    stores: BTreeMap<(MountKind, String), Store>,
    /// By number and protocol.
    ports: BTreeMap<(u16, String), Port>,
    /// What checks rest on each, and whether one of those is wanting.
    reaches: BTreeMap<Tried, (Vec<String>, bool)>,
    /// What checks name, or somebody was reached from or at: it is drawn before anything else.
    touched: BTreeSet<Spot>,
}

impl World {
    fn of(inventory: &Inventory, details: Details) -> World {
        let told = details == Details::Told;
        let mut world = World {
            containers: BTreeMap::new(),
            networks: BTreeMap::new(),
            stores: BTreeMap::new(),
            ports: BTreeMap::new(),
            reaches: BTreeMap::new(),
            touched: BTreeSet::new(),
        };
        for one in &inventory.containers {
            for port in &one.ports {
                let entry = world.port(port.host_port, &port.protocol);
                let inside = Inside { container: one.name.clone(), port: port.container_port };
                let loopback = !port.host_ips.is_empty() && port.host_ips.iter().all(|ip| is_loopback(ip));
                entry.loopback = loopback && (entry.loopback || entry.leads_to.is_empty());
                entry.leads_to.push(inside);
            }
            let networks = one.networks.iter().cloned();
            let networks = networks.map(|end| End { address: end.address.filter(|_| told), ..end }).collect();
            let mounts: Vec<Mount> = one.mounts.iter().filter(|mount| is_drawn(mount)).cloned().collect();
            let container = Container {
                name: one.name.clone(),
                service: one.service.clone(),
                image: one.image.clone(),
                state: Some(one.state.clone()),
                up: one.is_up(),
                networks,
                mounts,
                checks: Vec::new(),
            };
            world.containers.insert(one.name.clone(), container);
        }
        for one in &inventory.networks {
            let network = Network {
                name: one.name.clone(),
                driver: one.driver.clone(),
                internal: told && one.internal,
                subnets: if told { one.subnets.clone() } else { Vec::new() },
                ..Network::default()
            };
            world.networks.insert(one.name.clone(), network);
        }
        let volumes = inventory.volumes.iter().map(|one| one.name.as_str()).filter(|name| !is_generated_name(name));
        for name in volumes {
            world.store(MountKind::Volume, name);
        }
        world
    }

    fn port(&mut self, number: u16, protocol: &str) -> &mut Port {
        let new = || Port { number, protocol: protocol.to_owned(), ..Port::default() };
        self.ports.entry((number, protocol.to_owned())).or_insert_with(new)
    }

    fn store(&mut self, kind: MountKind, name: &str) -> &mut Store {
        let new = || Store { name: name.to_owned(), kind, ..Store::default() };
        self.stores.entry((kind, name.to_owned())).or_insert_with(new)
    }

    /// Notes that a look was about something; what is not there is drawn only where it is asked for.
    fn touch(&mut self, spot: &Spot, glance: &Glance) {
        let wanting = glance.is_wanting();
        match spot {
            Spot::Container(name) => {
                if !self.containers.contains_key(name) && !wanting {
                    return;
                }
                let new = || Container { name: name.clone(), ..Container::default() };
                note(&mut self.containers.entry(name.clone()).or_insert_with(new).checks, glance);
            }
            Spot::Network(name) => {
                if !self.networks.contains_key(name) && !wanting {
                    return;
                }
                let new = || Network { name: name.clone(), missing: true, ..Network::default() };
                note(&mut self.networks.entry(name.clone()).or_insert_with(new).checks, glance);
            }
            Spot::Port(number) => return self.touch_port(*number, "tcp", glance),
            Spot::Outside | Spot::Vm | Spot::Elsewhere(_) => return,
        }
        self.touched.insert(spot.clone());
    }

    fn touch_port(&mut self, number: u16, protocol: &str, glance: &Glance) {
        if self.ports.contains_key(&(number, protocol.to_owned())) || glance.is_wanting() {
            note(&mut self.port(number, protocol).checks, glance);
        }
    }

    fn touch_volume(&mut self, name: &str, glance: &Glance) {
        let key = (MountKind::Volume, name.to_owned());
        let there = self.stores.contains_key(&key) || is_generated_name(name);
        if there || glance.is_wanting() {
            let store = self.store(MountKind::Volume, name);
            store.missing |= !there;
            note(&mut store.checks, glance);
        }
    }

    /// Notes that somebody tried to reach something.
    fn reach(&mut self, from: Spot, to: Spot, port: u16, glance: &Glance) {
        let connection = glance.facts.and_then(|facts| facts.get("connection")).and_then(Value::as_str);
        let connection = connection.filter(|word| is_name(word));
        if from == to || (connection.is_none() && !glance.is_wanting()) {
            return;
        }
        // Whoever is not there and not asked for either is nobody to draw an arrow to.
        let aside = Glance { decides: glance.decides.filter(|_| glance.is_wanting()), ..glance.clone() };
        for spot in [&from, &to] {
            match spot {
                Spot::Container(name) if !self.containers.contains_key(name) => self.touch(spot, &aside),
                Spot::Network(name) if !self.networks.contains_key(name) => self.touch(spot, &aside),
                Spot::Port(number) => drop(self.port(*number, "tcp")),
                _ => {}
            }
            let is_there = match spot {
                Spot::Container(name) => self.containers.contains_key(name),
                Spot::Network(name) => self.networks.contains_key(name),
                _ => true,
            };
            if !is_there {
                return;
            }
        }
        self.touched.extend([from.clone(), to.clone()]);
        let (checks, wanting) = self.reaches.entry((from, to, port, connection.map(str::to_owned))).or_default();
        note(checks, glance);
        *wanting |= glance.is_wanting();
    }

    /// What there is room for, and how much there is not.
    fn drawn(self, mut more: More) -> Picture {
        let World { containers, networks, mut stores, ports, reaches, touched } = self;
        let is_touched = |spot: Spot| touched.contains(&spot);
        let all: Vec<Container> = containers.into_values().collect();
        let rank = |one: &Container| (!is_touched(Spot::Container(one.name.clone())), !one.up);
        let (containers, left) = chosen(all, rank);
        more.containers = more.containers.saturating_add(left);

        let ends = || containers.iter().flat_map(|one| one.networks.iter().map(|end| end.network.as_str()));
        let used: BTreeSet<&str> = ends().collect();
        let is_worth_it = |one: &Network| {
            let touched = is_touched(Spot::Network(one.name.clone()));
            touched || used.contains(one.name.as_str()) || !GIVEN.contains(&one.name.as_str())
        };
        let all: Vec<Network> = networks.into_values().filter(is_worth_it).collect();
        let rank = |one: &Network| (!is_touched(Spot::Network(one.name.clone())), !used.contains(one.name.as_str()));
        let (networks, left) = chosen(all, rank);
        more.networks = more.networks.saturating_add(left);

        let mut mounted: BTreeSet<(MountKind, String)> = BTreeSet::new();
        for mount in containers.iter().flat_map(|one| &one.mounts) {
            let key = (mount.kind, mount.source.clone().unwrap_or_default());
            let new = || Store { name: key.1.clone(), kind: key.0, ..Store::default() };
            stores.entry(key.clone()).or_insert_with(new);
            mounted.insert(key);
        }
        let rank = |one: &Store| (one.checks.is_empty(), !mounted.contains(&(one.kind, one.name.clone())));
        let (stores, left) = chosen(stores.into_values().collect(), rank);
        more.volumes = more.volumes.saturating_add(left);

        let is_there = |spot: &Spot| match spot {
            Spot::Container(name) => containers.iter().any(|one| one.name == *name),
            Spot::Network(name) => networks.iter().any(|one| one.name == *name),
            _ => true,
        };
        let is_dialled = |number: u16| reaches.keys().any(|(_, to, ..)| *to == Spot::Port(number));
        let rank = |one: &Port| (!is_dialled(one.number), one.checks.is_empty());
        let (ports, _) = chosen(ports.into_values().collect(), rank);
        let is_there = |spot: &Spot| match spot {
            Spot::Port(number) => ports.iter().any(|one| one.number == *number && one.protocol == "tcp"),
            spot => is_there(spot),
        };
        let mut all: Vec<_> =
            reaches.into_iter().filter(|((from, to, ..), _)| is_there(from) && is_there(to)).collect();
        all.sort_by_key(|(_, (_, wanting))| !wanting);
        all.truncate(MANY_REACHES);
        all.sort();
        let reach = |((from, to, port, connection), (checks, _))| Reach { from, to, port, connection, checks };
        Picture { reaches: all.into_iter().map(reach).collect(), containers, networks, stores, ports, more }
    }
}

/// Ties a thing to the check that decides by it.
fn note(checks: &mut Vec<String>, glance: &Glance) {
    let Some((check, _)) = glance.decides else { return };
    if checks.len() < MANY_CHECKS && !checks.iter().any(|known| known == check) {
        checks.push(check.to_owned());
    }
}

/// As many of `all` as are drawn, the lowest ranks first, in the order that they had; and how many are left.
fn chosen<T, R: Ord>(all: Vec<T>, rank: impl Fn(&T) -> R) -> (Vec<T>, usize) {
    let left = all.len().saturating_sub(MANY);
    let mut ranked: Vec<(R, usize, T)> = all.into_iter().enumerate().map(|(at, one)| (rank(&one), at, one)).collect();
    ranked.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    ranked.truncate(MANY);
    ranked.sort_by_key(|(_, at, _)| *at);
    (ranked.into_iter().map(|(.., one)| one).collect(), left)
}

/// Whether a mount leads anywhere: a file system in memory does not.
fn is_drawn(mount: &Mount) -> bool {
    mount.source.is_some() && mount.kind != MountKind::Other
}

/// Whether something that was dialled is an address, and not a name.
fn is_address(host: &str) -> bool {
    host.contains(':') || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn is_loopback(ip: &str) -> bool {
    let ip = ip.trim_start_matches("::ffff:");
    ip == "::1" || ip.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;
    use crate::evidence::inventory::{self, End};

    /// lab3's world: `ams` on `internal`, `pgadm` on two networks and published, `web` stopped.
    fn world() -> Inventory {
        let container = |name: &str, state: &str, networks: &[(&str, &str)]| inventory::Container {
            name: name.into(),
            image: Some(format!("{name}:latest")),
            state: state.into(),
            networks: networks
                .iter()
                .map(|(network, address)| End { network: (*network).into(), address: Some((*address).into()) })
                .collect(),
            ..Default::default()
        };
        let network = |name: &str| inventory::Network { name: name.into(), ..Default::default() };
        let volume = |source: &str| Mount {
            destination: "/data".into(),
            kind: MountKind::Volume,
            source: Some(source.into()),
            read_only: false,
        };
        Inventory {
            containers: vec![
                inventory::Container {
                    service: Some("db".into()),
                    mounts: vec![volume("ams-vol")],
                    ..container("ams", "running", &[("internal", "172.19.0.2")])
                },
                inventory::Container {
                    ports: vec![inventory::Port {
                        host_port: 8088,
                        protocol: "tcp".into(),
                        container_port: 80,
                        host_ips: vec!["127.0.0.1".into()],
                    }],
                    mounts: vec![volume(&"f".repeat(64)), Mount { kind: MountKind::Other, source: None, ..volume("") }],
                    ..container("pgadm", "running", &[("bridge", "172.17.0.2"), ("internal", "172.19.0.3")])
                },
                container("web", "exited", &[("bridge", "")]),
            ],
            networks: ["bridge", "host", "internal", "none"].map(network).into(),
            volumes: vec![
                inventory::Volume { name: "ams-vol".into(), label: None },
                inventory::Volume { name: "0".repeat(64), label: None },
            ],
            ..Inventory::default()
        }
    }

    /// A look as a test writes it.
    #[derive(Debug)]
    struct Looked {
        probe: &'static str,
        args: Value,
        from: Vantage,
        facts: Option<Facts>,
        withheld: bool,
        decides: Option<(&'static str, Outcome)>,
    }

    fn looked(probe: &'static str, args: Value, decides: Option<(&'static str, Outcome)>) -> Looked {
        Looked { probe, args, from: Vantage::Vm, facts: None, withheld: false, decides }
    }

    /// Somebody who tried to reach something, and what came of it.
    fn reached(from: Vantage, to: &str, facts: Value, decides: Option<(&'static str, Outcome)>) -> Looked {
        let Value::Object(facts) = facts else { panic!("{facts}") };
        Looked { from, facts: Some(facts), ..looked("reach", json!({ "to": to }), decides) }
    }

    fn drawn(inventory: &Inventory, all: &[Looked]) -> Picture {
        drawn_with(inventory, all, Details::Told)
    }

    fn drawn_with(inventory: &Inventory, all: &[Looked], details: Details) -> Picture {
        let glances: Vec<Glance> = all
            .iter()
            .map(|one| Glance {
                probe: one.probe,
                args: &one.args,
                from: &one.from,
                facts: one.facts.as_ref(),
                withheld: one.withheld,
                decides: one.decides,
            })
            .collect();
        picture(inventory, &glances, details)
    }

    const PASS: Option<(&str, Outcome)> = Some(("lab/step/pass", Outcome::Pass));
    const FAIL: Option<(&str, Outcome)> = Some(("lab/step/fail", Outcome::Fail));

    fn names<T>(all: &[T], name: impl Fn(&T) -> &String) -> Vec<&str> {
        all.iter().map(|one| name(one).as_str()).collect()
    }

    #[test]
    fn what_is_there_is_drawn_without_what_every_machine_has() {
        let picture = drawn(&world(), &[]);
        assert_eq!(names(&picture.containers, |one| &one.name), ["ams", "pgadm", "web"]);
        assert_eq!(names(&picture.networks, |one| &one.name), ["bridge", "internal"]);
        assert_eq!(names(&picture.stores, |one| &one.name), ["ams-vol", &"f".repeat(64)]);
        let port = &picture.ports[0];
        assert_eq!((port.number, port.loopback, port.leads_to[0].container.as_str()), (8088, true, "pgadm"));
        assert_eq!((picture.containers[1].mounts.len(), picture.containers[2].up), (1, false));
        assert_eq!((picture.reaches, picture.more), (Vec::new(), More::default()));
    }

    #[test]
    fn addresses_are_withheld_where_a_lab_asks_for_one() {
        let dialled = json!({"connection": "connected", "address": "172.19.0.1:22"});
        let looks = [reached(Vantage::Vm, "172.19.0.1:22", dialled, PASS)];
        let written = serde_json::to_string(&drawn_with(&world(), &looks, Details::Withheld)).unwrap();
        assert!(!written.contains("172."), "{written}");
        assert!(serde_json::to_string(&drawn(&world(), &looks)).unwrap().contains("172.19.0.1"));
        assert!(serde_json::to_string(&drawn(&world(), &[])).unwrap().contains("172.19.0.2"));
    }

    #[test]
    fn an_arrow_goes_from_where_the_probe_stood_to_what_the_name_or_the_address_stands_for() {
        let connected = |address: &str| json!({"connection": "connected", "address": address});
        let pgadm = || Vantage::Container("pgadm".into());
        let looks = [
            reached(Vantage::Vm, "container/db:5432", connected("172.19.0.2:5432"), PASS),
            reached(Vantage::Vm, "172.19.0.2:5432", connected("172.19.0.2:5432"), FAIL),
            reached(pgadm(), "ams:5432", connected("ams:5432"), PASS),
            reached(Vantage::Network("bridge".into()), "container/ams:5432", json!({"connection": "timed_out"}), PASS),
            reached(
                Vantage::Grader,
                "outward:8088",
                json!({"connection": "refused", "address": "10.0.0.7:8088"}),
                PASS,
            ),
            reached(Vantage::Vm, "localhost:8088", connected("127.0.0.1:8088"), None),
            reached(pgadm(), "10.0.0.7:22", connected("10.0.0.7:22"), None),
            reached(pgadm(), "192.0.2.1:53", json!({"connection": "unreachable"}), None),
            // Whoever tries itself draws no arrow, and nor does who is not there and not asked for.
            reached(pgadm(), "localhost:80", connected("127.0.0.1:80"), None),
            reached(Vantage::Vm, "container/nobody:80", json!({"connection": "no_container"}), PASS),
            // What an answer is compared with is nobody's to see.
            Looked { withheld: true, ..reached(pgadm(), "container/web:80", connected("172.17.0.4:80"), PASS) },
        ];
        let picture = drawn(&world(), &looks);
        let arrows: Vec<_> =
            picture.reaches.iter().map(|one| (&one.from, &one.to, one.port, one.checks.len())).collect();
        let (container, at) = (|name: &str| Spot::Container(name.into()), Spot::Port);
        assert_eq!(
            arrows,
            [
                (&Spot::Outside, &at(8088), 8088, 1),
                // The same by name and by address: one arrow, and both checks.
                (&Spot::Vm, &container("ams"), 5432, 2),
                (&Spot::Vm, &at(8088), 8088, 0),
                (&container("pgadm"), &container("ams"), 5432, 1),
                (&container("pgadm"), &at(22), 22, 0),
                (&container("pgadm"), &Spot::Elsewhere("192.0.2.1".into()), 53, 0),
                (&Spot::Network("bridge".into()), &container("ams"), 5432, 1),
            ]
        );
        assert!(!picture.containers.iter().any(|one| one.name == "nobody"));
        assert!(picture.ports.iter().any(|port| port.number == 22 && port.leads_to.is_empty()));
    }

    #[test]
    fn what_a_lab_asks_for_and_is_not_there_is_drawn_as_missing() {
        let looks = [
            looked("container", json!({"name": "proxy"}), FAIL),
            looked("network", json!({"name": "front"}), FAIL),
            looked("volume", json!({"name": "shared"}), FAIL),
            looked("port", json!({"number": 8080}), FAIL),
            looked("container", json!({"name": ":8081"}), FAIL),
            // Rightly away, merely leaned on, or not known by name.
            looked("container", json!({"name": "old"}), PASS),
            looked("container", json!({"name": "aside"}), None),
            looked("container", json!({"name": "${box.name}"}), FAIL),
            looked("volume", json!({"name": "ams-vol"}), PASS),
        ];
        let picture = drawn(&world(), &looks);
        let missing: Vec<&str> =
            picture.containers.iter().filter(|one| one.state.is_none()).map(|one| one.name.as_str()).collect();
        assert_eq!(missing, ["proxy"]);
        assert_eq!(picture.containers.iter().find(|one| one.name == "proxy").unwrap().checks, ["lab/step/fail"]);
        let networks: Vec<_> = picture.networks.iter().filter(|one| one.missing).map(|one| one.name.as_str()).collect();
        assert_eq!(networks, ["front"]);
        let stores: Vec<_> = picture.stores.iter().map(|one| (one.name.len(), one.missing, one.checks.len())).collect();
        assert_eq!(stores, [(7, false, 1), (64, false, 0), (6, true, 1)]);
        let ports: Vec<_> = picture.ports.iter().map(|one| (one.number, one.leads_to.len())).collect();
        assert_eq!(ports, [(8080, 0), (8081, 0), (8088, 1)]);
    }

    #[test]
    fn of_too_many_those_that_checks_name_are_drawn_and_the_rest_is_counted() {
        let containers =
            (0..60).map(|n| inventory::Container { name: format!("c{n:02}"), ..Default::default() }).collect();
        let inventory =
            Inventory { containers, more: More { containers: 3, ..More::default() }, ..Inventory::default() };
        let picture = drawn(&inventory, &[looked("container", json!({"name": "c59"}), PASS)]);
        assert_eq!((picture.containers.len(), picture.more.containers), (MANY, 60 - MANY + 3));
        assert_eq!((picture.containers[0].name.as_str(), picture.containers[MANY - 1].name.as_str()), ("c00", "c59"));
    }

    #[test]
    fn evidence_of_anybody_makes_no_larger_a_picture_than_labrun_s_own() {
        let long = "x".repeat(1 << 20);
        let mut inventory = world();
        inventory.containers = vec![inventory.containers[1].clone(); 100];
        for (n, one) in inventory.containers.iter_mut().enumerate() {
            one.name = format!("{n}{long}");
            one.networks = vec![End { network: long.clone(), address: Some(long.clone()) }; 20];
            one.mounts = vec![Mount { source: Some(long.clone()), ..one.mounts[0].clone() }; 20];
        }
        let looks = [
            looked("container", json!({ "name": long }), FAIL),
            reached(Vantage::Vm, "10.0.0.1:1", json!({ "connection": long, "address": long }), FAIL),
        ];
        let written = serde_json::to_string(&drawn(&inventory, &looks)).unwrap();
        assert!(written.len() < 400_000, "{}", written.len());
    }

    /// Names of things, some of which are those of others.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof!["[a-d]", any::<String>(), Just(":80".to_owned()), Just("x".repeat(64))]
    }

    prop_compose! {
        fn container()(
            name in name(),
            service in prop::option::of(name()),
            state in prop_oneof![Just("running".to_owned()), any::<String>()],
            networks in prop::collection::vec((name(), prop::option::of(name())), 0..4),
            ports in prop::collection::vec((any::<u16>(), any::<u16>(), prop::collection::vec(name(), 0..3)), 0..4),
            mounts in prop::collection::vec((name(), prop::option::of(name()), 0..3_usize), 0..4),
        ) -> inventory::Container {
            inventory::Container {
                name,
                service,
                image: None,
                state,
                networks: networks.into_iter().map(|(network, address)| End { network, address }).collect(),
                ports: ports
                    .into_iter()
                    .map(|(host_port, container_port, host_ips)| {
                        inventory::Port { host_port, protocol: "tcp".into(), container_port, host_ips }
                    })
                    .collect(),
                mounts: mounts
                    .into_iter()
                    .map(|(destination, source, kind)| Mount {
                        destination,
                        kind: [MountKind::Volume, MountKind::Bind, MountKind::Other][kind],
                        source,
                        read_only: false,
                    })
                    .collect(),
            }
        }
    }

    prop_compose! {
        fn look()(
            probe in prop::sample::select(vec!["container", "network", "volume", "port", "reach", "balance", "nothing"]),
            name in name(),
            port in 0..100_u16,
            from in prop::sample::select(vec![Vantage::Vm, Vantage::Grader, Vantage::Container("a".into()), Vantage::Network("b".into())]),
            connection in prop::option::of(prop::sample::select(vec!["connected", "refused"])),
            outcome in prop::option::of(prop::sample::select(Outcome::ALL.to_vec())),
        ) -> Looked {
            let args = match probe {
                "port" => json!({"number": port}),
                "reach" => json!({"to": format!("{name}:{port}")}),
                "balance" => json!({"to": format!("container/{name}:{port}"), "backends": [name]}),
                _ => json!({"name": name}),
            };
            let facts = connection.map(|word| Map::from_iter([("connection".to_owned(), json!(word)), ("address".to_owned(), json!(name))]));
            Looked { probe, args, from, facts, withheld: false, decides: outcome.map(|outcome| ("lab/step/check", outcome)) }
        }
    }

    proptest! {
        /// Whatever a machine has and whatever was looked at: every arrow has its two ends, and nothing is there twice.
        #[test]
        fn any_world_makes_a_picture_that_holds_together(
            containers in prop::collection::vec(container(), 0..30),
            networks in prop::collection::vec(name(), 0..5),
            volumes in prop::collection::vec(name(), 0..5),
            looks in prop::collection::vec(look(), 0..60),
        ) {
            let inventory = Inventory {
                containers,
                networks: networks.into_iter().map(|name| inventory::Network { name, ..Default::default() }).collect(),
                volumes: volumes.into_iter().map(|name| inventory::Volume { name, label: None }).collect(),
                more: More::default(),
            };
            let picture = drawn(&inventory, &looks);
            let is_there = |spot: &Spot| match spot {
                Spot::Container(name) => picture.containers.iter().filter(|one| one.name == *name).count() == 1,
                Spot::Network(name) => picture.networks.iter().filter(|one| one.name == *name).count() == 1,
                Spot::Port(number) => picture.ports.iter().filter(|one| one.number == *number && one.protocol == "tcp").count() == 1,
                Spot::Outside | Spot::Vm | Spot::Elsewhere(_) => true,
            };
            for reach in &picture.reaches {
                prop_assert!(is_there(&reach.from) && is_there(&reach.to) && reach.from != reach.to, "{reach:?}");
            }
            prop_assert!(picture.containers.len() <= MANY && picture.reaches.len() <= MANY_REACHES);
        }
    }
}
