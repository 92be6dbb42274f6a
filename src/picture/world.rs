//! The picture in the making: everything that the inventory has, what looks were about beside that, and in the end what
//! there is room for. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::engine::is_generated_name;
use crate::evidence::inventory::{self, End, Inventory, Mount, MountKind, is_loopback};
use crate::picture::{Details, Glance, is_name};
use crate::verdict::picture::{Container, Inside, More, Network, Picture, Port, Reach, Spot, Store};

/// How much of anything is drawn.
pub const MANY: usize = 24;
/// How many reaches are drawn; of more, those that are not as they should be come first.
pub const MANY_REACHES: usize = 40;

/// The networks that every engine has.
const GIVEN: [&str; 3] = ["bridge", "host", "none"];

/// From where whom at which port, and what came of it.
type Tried = (Spot, Spot, u16, Option<String>);

/// The picture in the making.
pub struct World {
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
    /// What there was beyond the inventory: whatever is not in it may be among that.
    beyond: inventory::More,
    /// Ports that containers publish beyond those in the inventory.
    ports_beyond: usize,
}

impl World {
    /// What the inventory has.
    pub fn of(inventory: &Inventory, details: Details) -> World {
        let told = details == Details::Told;
        let mut world = World {
            containers: BTreeMap::new(),
            networks: BTreeMap::new(),
            stores: BTreeMap::new(),
            ports: BTreeMap::new(),
            reaches: BTreeMap::new(),
            touched: BTreeSet::new(),
            beyond: inventory.more,
            ports_beyond: inventory.containers.iter().map(|one| one.more.ports).fold(0, usize::saturating_add),
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
                more: one.more,
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

    /// Whether something is known not to be there. What was too many to be kept may be.
    fn is_away(&self, spot: &Spot) -> bool {
        match spot {
            Spot::Container(name) => !self.containers.contains_key(name) && self.beyond.containers == 0,
            Spot::Network(name) => !self.networks.contains_key(name) && self.beyond.networks == 0,
            _ => false,
        }
    }

    /// Notes that a look was about something; what is not there is drawn only where it is asked for.
    pub fn touch(&mut self, spot: &Spot, glance: &Glance) {
        let wanting = glance.is_wanting();
        match spot {
            Spot::Container(name) => {
                let is_drawn = self.containers.contains_key(name) || (wanting && self.is_away(spot));
                if !is_drawn {
                    return;
                }
                let new = || Container { name: name.clone(), ..Container::default() };
                note(&mut self.containers.entry(name.clone()).or_insert_with(new).checks, glance);
            }
            Spot::Network(name) => {
                let is_drawn = self.networks.contains_key(name) || (wanting && self.is_away(spot));
                if !is_drawn {
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

    pub fn touch_port(&mut self, number: u16, protocol: &str, glance: &Glance) {
        if self.ports.contains_key(&(number, protocol.to_owned())) || glance.is_wanting() {
            note(&mut self.port(number, protocol).checks, glance);
        }
    }

    pub fn touch_volume(&mut self, name: &str, glance: &Glance) {
        let key = (MountKind::Volume, name.to_owned());
        let there = self.stores.contains_key(&key) || is_generated_name(name);
        if there || (glance.is_wanting() && self.beyond.volumes == 0) {
            let store = self.store(MountKind::Volume, name);
            store.missing |= !there;
            note(&mut store.checks, glance);
        }
    }

    /// Notes that somebody tried to reach something.
    pub fn reach(&mut self, from: Spot, to: Spot, port: u16, glance: &Glance) {
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
            if self.is_away(spot) {
                return;
            }
        }
        self.touched.extend([from.clone(), to.clone()]);
        let (checks, wanting) = self.reaches.entry((from, to, port, connection.map(str::to_owned))).or_default();
        note(checks, glance);
        *wanting |= glance.is_wanting();
    }

    /// What there is room for, and how much there is not.
    pub fn drawn(self) -> Picture {
        let World { containers, networks, mut stores, ports, reaches, touched, beyond, ports_beyond } = self;
        let is_touched = |spot: Spot| touched.contains(&spot);
        let all: Vec<Container> = containers.into_values().collect();
        let rank = |one: &Container| (!is_touched(Spot::Container(one.name.clone())), !one.up);
        let (containers, left) = chosen(all, rank);
        let mut more = More { containers: beyond.containers.saturating_add(left), ..More::default() };

        let ends = || containers.iter().flat_map(|one| one.networks.iter().map(|end| end.network.as_str()));
        let used: BTreeSet<&str> = ends().collect();
        let is_worth_it = |one: &Network| {
            let touched = is_touched(Spot::Network(one.name.clone()));
            touched || used.contains(one.name.as_str()) || !GIVEN.contains(&one.name.as_str())
        };
        let all: Vec<Network> = networks.into_values().filter(is_worth_it).collect();
        let rank = |one: &Network| (!is_touched(Spot::Network(one.name.clone())), !used.contains(one.name.as_str()));
        let (networks, left) = chosen(all, rank);
        more.networks = beyond.networks.saturating_add(left);

        let mut mounted: BTreeSet<(MountKind, String)> = BTreeSet::new();
        for mount in containers.iter().flat_map(|one| &one.mounts) {
            let key = (mount.kind, mount.source.clone().unwrap_or_default());
            let new = || Store { name: key.1.clone(), kind: key.0, ..Store::default() };
            stores.entry(key.clone()).or_insert_with(new);
            mounted.insert(key);
        }
        let rank = |one: &Store| (one.checks.is_empty(), !mounted.contains(&(one.kind, one.name.clone())));
        let (stores, left) = chosen(stores.into_values().collect(), rank);
        more.volumes = beyond.volumes.saturating_add(left);

        let is_there = |spot: &Spot| match spot {
            Spot::Container(name) => containers.iter().any(|one| one.name == *name),
            Spot::Network(name) => networks.iter().any(|one| one.name == *name),
            _ => true,
        };
        let is_dialled = |number: u16| reaches.keys().any(|(_, to, ..)| *to == Spot::Port(number));
        let rank = |one: &Port| (!is_dialled(one.number), one.checks.is_empty());
        let (mut ports, left) = chosen(ports.into_values().collect(), rank);
        more.ports = ports_beyond.saturating_add(left);
        for port in &mut ports {
            port.unsure = port.leads_to.is_empty() && (ports_beyond > 0 || beyond.containers > 0);
        }
        let is_there = |spot: &Spot| match spot {
            Spot::Port(number) => ports.iter().any(|one| one.number == *number && one.protocol == "tcp"),
            spot => is_there(spot),
        };
        let n_reaches = reaches.len();
        let mut all: Vec<_> =
            reaches.into_iter().filter(|((from, to, ..), _)| is_there(from) && is_there(to)).collect();
        all.sort_by_key(|(_, (_, wanting))| !wanting);
        all.truncate(MANY_REACHES);
        more.reaches = n_reaches - all.len();
        all.sort();
        let reach = |((from, to, port, connection), (checks, _))| Reach { from, to, port, connection, checks };
        Picture { reaches: all.into_iter().map(reach).collect(), containers, networks, stores, ports, more }
    }
}

/// Ties a thing to the check that decides by it.
fn note(checks: &mut Vec<String>, glance: &Glance) {
    let Some((check, _)) = glance.decides else { return };
    if !checks.iter().any(|known| known == check) {
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
