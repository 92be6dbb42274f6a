//! The drawing in words: what stands on its cards, and the same again as lists and tables.

use serde::Serialize;

use crate::evidence::inventory::{More, MountKind};
use crate::render::{NAME, tame};
use crate::text::Text;
use crate::verdict::picture::{Network, Picture, Port, Spot, Store};

/// A table of everything of one kind.
#[derive(Serialize)]
pub struct Table {
    title: Text,
    columns: Vec<Text>,
    rows: Vec<Row>,
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

/// What is there and not drawn.
pub fn more(more: &More) -> Option<Text> {
    if more.is_none() {
        return None;
    }
    let parts = [
        (more.containers, ["contenedor", "contenedores"], ["container", "containers"]),
        (more.networks, ["red", "redes"], ["network", "networks"]),
        (more.volumes, ["volumen", "volúmenes"], ["volume", "volumes"]),
    ];
    let parts = parts.iter().filter(|(n, ..)| *n > 0);
    let (es, en): (Vec<String>, Vec<String>) = parts
        .map(|(n, es, en)| {
            let plural = usize::from(*n != 1);
            (format!("{n} {}", es[plural]), format!("{n} {}", en[plural]))
        })
        .unzip();
    Some(Text::new(format!("Sin dibujar: {}.", es.join(", ")), format!("Not drawn: {}.", en.join(", "))))
}

/// Everything in the picture but its arrows.
pub fn tables(picture: &Picture) -> Vec<Table> {
    let list = |all: Vec<String>| Text::same(if all.is_empty() { "—".to_owned() } else { all.join(", ") });
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
                list(networks.collect()),
                list(ports.collect()),
                list(mounts.collect()),
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
        },
        Table {
            title: Text::new("Redes", "Networks"),
            columns: vec![
                Text::new("qué es", "what it is"),
                Text::new("driver", "driver"),
                Text::new("subredes", "subnets"),
            ],
            rows: networks.collect(),
        },
        Table {
            title: Text::new("Puertos de la VM", "Ports of the VM"),
            columns: vec![Text::new("qué es", "what it is"), Text::new("lleva a", "leads to")],
            rows: ports.collect(),
        },
        Table {
            title: Text::new("Volúmenes y carpetas", "Volumes and folders"),
            columns: vec![Text::new("qué es", "what it is")],
            rows: stores.collect(),
        },
    ];
    tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
}
