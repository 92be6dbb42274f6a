//! Inventory + what the checks rest on → a picture of the student's world. Pure: what is there, what a check names and
//! is not there, and who was seen to reach whom. What a kind of probe is about, its row in the table says.

mod spots;
mod world;

use serde_json::Value;

use crate::evidence::Facts;
use crate::evidence::inventory::{Inventory, LONG};
use crate::picture::spots::Spots;
use crate::picture::world::World;
use crate::probe::{Kind, Thing};
use crate::vantage::Vantage;
use crate::verdict::Outcome;
use crate::verdict::picture::{Picture, Spot};

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
    world.drawn()
}

/// What a look was about. What was never asked may still refer to what nobody knew; that is nothing by name, and nor is
/// what is longer than any name.
fn things(glance: &Glance) -> Vec<Thing> {
    let all = Kind::named(glance.probe).map(|kind| kind.things(glance.args)).unwrap_or_default();
    all.into_iter().filter(|thing| is_name(&thing.to_string())).collect()
}

fn is_name(name: &str) -> bool {
    !name.contains("${") && name.chars().nth(LONG).is_none()
}

/// Whether something that was dialled is an address, and not a name.
fn is_address(host: &str) -> bool {
    host.contains(':') || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;
    use crate::evidence::inventory::{self, End, MANY_OF_ONE, Mount, MountKind};
    use crate::picture::world::{MANY, MANY_REACHES};
    use crate::verdict::picture::More;

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
        let inventory = Inventory {
            containers,
            more: inventory::More { containers: 3, ..Default::default() },
            ..Inventory::default()
        };
        let picture = drawn(&inventory, &[looked("container", json!({"name": "c59"}), PASS)]);
        assert_eq!((picture.containers.len(), picture.more.containers), (MANY, 60 - MANY + 3));
        assert_eq!((picture.containers[0].name.as_str(), picture.containers[MANY - 1].name.as_str()), ("c00", "c59"));
    }

    #[test]
    fn ports_and_reaches_that_there_is_no_room_for_are_counted_and_those_that_are_wrong_stay() {
        let published = |n: u16| inventory::Port { host_port: n, container_port: 80, ..Default::default() };
        let mut all = world();
        for (n, one) in all.containers.iter_mut().enumerate() {
            one.ports = (0..MANY_OF_ONE as u16).map(|port| published(n as u16 * 100 + port)).collect();
            one.more.ports = 2;
        }
        let dialled = |n: u16, decides| {
            reached(Vantage::Grader, &format!("container/ams:{n}"), json!({"connection": "connected"}), decides)
        };
        let looks: Vec<Looked> = (0..50).map(|n| dialled(1000 + n, if n == 49 { FAIL } else { PASS })).collect();
        let picture = drawn(&all, &looks);
        assert_eq!((picture.ports.len(), picture.more.ports), (MANY, 3 * MANY_OF_ONE - MANY + 3 * 2));
        assert_eq!((picture.reaches.len(), picture.more.reaches), (MANY_REACHES, 50 - MANY_REACHES));
        assert!(picture.reaches.iter().any(|reach| reach.port == 1049 && reach.checks == ["lab/step/fail"]));
        assert_eq!(picture.containers[0].more.ports, 2);
    }

    #[test]
    fn what_may_be_among_that_which_was_not_kept_is_not_said_to_be_missing() {
        let looks = [
            looked("container", json!({"name": "proxy"}), FAIL),
            looked("network", json!({"name": "front"}), FAIL),
            looked("volume", json!({"name": "shared"}), FAIL),
            looked("port", json!({"number": 8080}), FAIL),
            reached(Vantage::Vm, "container/proxy:80", json!({"connection": "connected"}), PASS),
        ];
        let beyond = inventory::More { containers: 1, networks: 1, volumes: 1 };
        let picture = drawn(&Inventory { more: beyond, ..world() }, &looks);
        assert!(picture.containers.iter().all(|one| one.state.is_some()));
        assert!(picture.networks.iter().all(|one| !one.missing) && picture.stores.iter().all(|one| !one.missing));
        let unsure: Vec<_> = picture.ports.iter().map(|port| (port.number, port.unsure)).collect();
        assert_eq!(unsure, [(8080, true), (8088, false)]);
        // Nor is whoever was reached drawn without a place; that there is more to be told is.
        assert_eq!((picture.reaches.len(), picture.more.reaches), (0, 1));
        assert!(drawn(&world(), &looks).ports.iter().all(|port| !port.unsure));
    }

    #[test]
    fn however_many_checks_rest_on_a_thing_none_that_fails_is_left_out() {
        let names: Vec<String> = (0..40).map(|n| format!("lab/step/c{n}")).collect();
        let args = json!({"name": "ams"});
        let glance = |name: &'static str, n: usize| Glance {
            probe: "container",
            args: &args,
            from: &Vantage::Vm,
            facts: None,
            withheld: false,
            decides: Some((name, if n == 39 { Outcome::Fail } else { Outcome::Pass })),
        };
        let names: Vec<&'static str> = names.into_iter().map(|name| &*name.leak()).collect();
        let glances: Vec<Glance> = names.iter().enumerate().map(|(n, name)| glance(name, n)).collect();
        assert_eq!(picture(&world(), &glances, Details::Told).containers[0].checks, names);
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
                more: inventory::MoreOfOne::default(),
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
                more: inventory::More::default(),
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
            // What is there is drawn or counted.
            let there: BTreeSet<&str> = inventory.containers.iter().map(|one| one.name.as_str()).collect();
            prop_assert!(picture.containers.len() + picture.more.containers >= there.len());
            let published: BTreeSet<u16> =
                inventory.containers.iter().flat_map(|one| &one.ports).map(|port| port.host_port).collect();
            prop_assert!(picture.ports.len() + picture.more.ports >= published.len());
        }
    }
}
