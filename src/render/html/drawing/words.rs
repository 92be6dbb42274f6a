//! The drawing in words: what stands on its cards, and the same again as lists and tables.

use serde::Serialize;

use crate::evidence::inventory::{MoreOfOne, MountKind};
use crate::render::{NAME, tame};
use crate::text::Text;
use crate::verdict::picture::{More, Network, Picture, Port, Spot, Store};

/// A table of everything of one kind.
#[derive(Serialize)]
pub struct Table {
    title: Text,
    columns: Vec<Text>,
    rows: Vec<Row>,
    /// What there is beyond the rows.
    more: Option<Text>,
}

/// One row of it.
#[derive(Serialize)]
pub struct Row {
    name: String,
    cells: Vec<Text>,
}

/// One end of an arrow in words, with its port.
pub fn spot(spot: &Spot, port: Option<u16>) -> Text {
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    match spot {
        Spot::Outside => Text::new("afuera de la VM", "outside the VM"),
        Spot::Vm => Text::new("la VM misma", "the VM itself"),
        Spot::Container(name) => Text::same(format!("`{}{port}`", tame(name, NAME))),
        Spot::Network(name) => {
            let name = tame(name, NAME);
            Text::new(format!("un lugar propio en la red `{name}`"), format!("a place of its own on network `{name}`"))
        }
        Spot::Port(number) => Text::new(format!("puerto `{number}` de la VM"), format!("port `{number}` of the VM")),
        Spot::Elsewhere(name) => Text::same(format!("`{}{port}`", tame(name, NAME))),
    }
}

/// What became of dialling, in words.
pub fn connection(word: Option<&str>) -> Text {
    match word {
        Some("connected") => Text::new("llegó", "got there"),
        Some("refused") => Text::new("rechazada", "refused"),
        Some("timed_out") => Text::new("sin respuesta", "no answer"),
        Some("unreachable") => Text::new("sin camino", "no way there"),
        Some("name_not_found") => Text::new("nombre desconocido", "unknown name"),
        Some("no_container") => Text::new("no hay tal contenedor", "no such container"),
        Some("not_running") => Text::new("no está corriendo", "not running"),
        Some("no_address") => Text::new("no tiene dirección", "has no address"),
        Some("not_its_own") => Text::new("lo publica otro", "another one publishes it"),
        Some("no_vantage") => Text::new("no había desde dónde", "there was nowhere to stand"),
        Some(other) => Text::same(tame(other, 40)),
        None => Text::new("no se pudo ver", "could not be seen"),
    }
}

/// What is said of something that a lab asks for and that is not there.
pub fn missing() -> Text {
    Text::new("falta", "missing")
}

/// A container's state.
pub fn state(word: &str) -> Text {
    match word {
        "running" => Text::new("corriendo", "running"),
        "exited" => Text::new("detenido", "exited"),
        "created" => Text::new("creado, sin arrancar", "created, not started"),
        "paused" => Text::new("en pausa", "paused"),
        "restarting" => Text::new("reiniciándose", "restarting"),
        "dead" => Text::new("muerto", "dead"),
        other => Text::same(tame(other, 20)),
    }
}

/// What a port of the machine is, and whether anything answers there.
pub fn port(port: &Port, connected: bool) -> (Text, bool) {
    match (port.leads_to.is_empty(), port.loopback) {
        (false, true) => (Text::new("sólo desde la VM", "from the VM only"), true),
        (false, false) => (Text::new("publicado", "published"), true),
        (true, _) if port.unsure => (Text::new("no se sabe de quién", "unknown whose"), connected),
        (true, _) if connected => (Text::new("de la VM misma", "the VM's own"), true),
        (true, _) => (Text::new("nadie lo publica", "nobody publishes it"), false),
    }
}

/// What a network is.
pub fn network(network: &Network) -> Text {
    if network.missing {
        return Text::new("red · falta", "network · missing");
    }
    match network.internal {
        true => Text::new("red interna", "internal network"),
        false => Text::new("red", "network"),
    }
}

/// What is written as the name of a store.
pub fn store_name(store: &Store) -> &str {
    let is_made_up =
        store.kind == MountKind::Volume && store.name.len() == 64 && store.name.bytes().all(|b| b.is_ascii_hexdigit());
    if is_made_up { &store.name[..12] } else { &store.name }
}

/// What a store is.
pub fn store(store: &Store) -> Text {
    match (store.missing, store.kind) {
        (true, _) => Text::new("volumen · falta", "volume · missing"),
        (_, MountKind::Bind) => Text::new("ruta de la VM", "path on the VM"),
        _ if store_name(store) != store.name => Text::new("volumen sin nombre", "unnamed volume"),
        _ => Text::new("volumen", "volume"),
    }
}

/// One thing and several, in both languages.
type Noun = [[&'static str; 2]; 2];
pub const CONTAINERS: Noun = [["contenedor", "contenedores"], ["container", "containers"]];
pub const NETWORKS: Noun = [["red", "redes"], ["network", "networks"]];
pub const STORES: Noun = [["volumen o carpeta", "volúmenes o carpetas"], ["volume or folder", "volumes or folders"]];
pub const MOUNTS: Noun = [["montaje", "montajes"], ["mount", "mounts"]];
pub const SUBNETS: Noun = [["subred", "subredes"], ["subnet", "subnets"]];
pub const PLACES: Noun = [["lugar", "lugares"], ["place", "places"]];
pub const PORTS: Noun = [["puerto", "puertos"], ["port", "ports"]];
/// What stands in a column of its own kind needs no name.
pub const SUCH: Noun = [["", ""], ["", ""]];
pub const ARROWS: Noun = [["flecha", "flechas"], ["arrow", "arrows"]];

/// `3 containers, 1 port`, of what there is at all.
fn counted(counts: &[(usize, Noun)]) -> Option<Text> {
    let said = |lang: usize| {
        let some = counts.iter().filter(|(n, _)| *n > 0);
        some.map(|(n, noun)| format!("{n} {}", noun[lang][usize::from(*n != 1)])).collect::<Vec<_>>().join(", ")
    };
    counts.iter().any(|(n, _)| *n > 0).then(|| Text::new(said(0), said(1)))
}

/// What is there and not drawn.
pub fn more(more: &More) -> Option<Text> {
    let counts = [
        (more.containers, CONTAINERS),
        (more.networks, NETWORKS),
        (more.volumes, STORES),
        (more.ports, PORTS),
        (more.reaches, ARROWS),
    ];
    counted(&counts).map(|what| Text::new(format!("Sin dibujar: {}.", what.es), format!("Not drawn: {}.", what.en)))
}

/// What there is beside what is drawn, where that stands.
pub fn and_more(n: usize, noun: Noun) -> Option<Text> {
    let [es, en] = noun.map(|forms| forms[usize::from(n != 1)]);
    let said = || Text::new(format!("y {n} {es} más").replace("  ", " "), format!("and {n} more {en}").trim_end());
    (n > 0).then(said)
}

/// What a container has of which nothing is known.
pub fn of_one(more: &MoreOfOne) -> [(usize, Noun); 3] {
    [(more.networks, NETWORKS), (more.ports, PORTS), (more.mounts, MOUNTS)]
}

/// Everything in the picture but its arrows.
pub fn tables(picture: &Picture) -> Vec<Table> {
    let list = |all: Vec<String>| Text::same(if all.is_empty() { "—".to_owned() } else { all.join(", ") });
    let list_of_some = |all: Vec<String>, more: usize, noun: Noun| match and_more(more, noun) {
        None => list(all),
        Some(more) => Text::new(format!("{} {}", all.join(", "), more.es), format!("{} {}", all.join(", "), more.en)),
    };
    let containers = picture.containers.iter().map(|one| {
        let ports = picture.ports.iter().flat_map(|port| {
            let to = port.leads_to.iter().filter(|inside| inside.container == one.name);
            to.map(|inside| format!("{} → {}/{}", port.number, inside.port, tame(&port.protocol, 8)))
        });
        let networks = one.networks.iter().map(|end| match &end.address {
            Some(address) => format!("{} ({})", tame(&end.network, NAME), tame(address, 60)),
            None => tame(&end.network, NAME),
        });
        let mounts = one.mounts.iter().map(|mount| {
            let source = tame(mount.source.as_deref().unwrap_or_default(), NAME);
            format!("{source} → {}", tame(&mount.destination, NAME))
        });
        Row {
            name: tame(&one.name, NAME),
            cells: vec![
                one.state.as_ref().map_or_else(missing, |word| state(word)),
                Text::same(one.image.as_ref().map_or_else(|| "—".to_owned(), |image| tame(image, NAME))),
                list_of_some(networks.collect(), one.more.networks, NETWORKS),
                list_of_some(ports.collect(), one.more.ports, PORTS),
                list_of_some(mounts.collect(), one.more.mounts, MOUNTS),
            ],
        }
    });
    let networks = picture.networks.iter().map(|one| Row {
        name: tame(&one.name, NAME),
        cells: vec![
            network(one),
            Text::same(one.driver.as_ref().map_or_else(|| "—".to_owned(), |driver| tame(driver, 60))),
            list(one.subnets.iter().map(|subnet| tame(subnet, 60)).collect()),
        ],
    });
    let ports = picture.ports.iter().map(|one| {
        let connected = picture.reaches.iter().any(|reach| reach.to == Spot::Port(one.number) && reach.connected());
        let to = one.leads_to.iter().map(|inside| format!("{}:{}", tame(&inside.container, NAME), inside.port));
        Row {
            name: format!("{}/{}", one.number, tame(&one.protocol, 8)),
            cells: vec![port(one, connected).0, list(to.collect())],
        }
    });
    let stores = picture.stores.iter().map(|one| Row { name: tame(&one.name, NAME), cells: vec![store(one)] });
    let tables = [
        Table {
            title: Text::new("Contenedores", "Containers"),
            columns: vec![
                Text::new("estado", "state"),
                Text::new("imagen", "image"),
                Text::new("redes", "networks"),
                Text::new("puertos", "ports"),
                Text::new("volúmenes y carpetas", "volumes and folders"),
            ],
            rows: containers.collect(),
            more: and_more(picture.more.containers, CONTAINERS),
        },
        Table {
            title: Text::new("Redes", "Networks"),
            columns: vec![
                Text::new("qué es", "what it is"),
                Text::new("driver", "driver"),
                Text::new("subredes", "subnets"),
            ],
            rows: networks.collect(),
            more: and_more(picture.more.networks, NETWORKS),
        },
        Table {
            title: Text::new("Puertos de la VM", "Ports of the VM"),
            columns: vec![Text::new("qué es", "what it is"), Text::new("lleva a", "leads to")],
            rows: ports.collect(),
            more: and_more(picture.more.ports, PORTS),
        },
        Table {
            title: Text::new("Volúmenes y carpetas", "Volumes and folders"),
            columns: vec![Text::new("qué es", "what it is")],
            rows: stores.collect(),
            more: and_more(picture.more.volumes, STORES),
        },
    ];
    tables.into_iter().filter(|table| !table.rows.is_empty() || table.more.is_some()).collect()
}
