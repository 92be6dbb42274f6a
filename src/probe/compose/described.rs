//! What a resolved compose file says, in one form for both of compose's own: v1 writes ports and volumes as it
//! pleases, and names what no service uses. Pure. Values of environment variables are left behind here.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::probe::{Sheet, text_fact};

/// How many services, networks and volumes are described, and how many things each of them lists.
const MANY: usize = 100;

/// How long a text may be, in characters.
const LONG: usize = 500;

/// Notes the services, networks and volumes of a resolved file.
pub fn describe(config: &Value, sheet: &mut Sheet) {
    let services: Vec<(&String, &Value)> = services(config).collect();
    let [used, stored] = used(config);
    sheet.list("services", services.iter().map(|(name, service)| described(name, service)), MANY);
    let network = |(name, network): &(String, &Value)| {
        let internal = network["internal"] == json!(true);
        json!({"name": text(name), "external": is_external(network), "internal": internal})
    };
    sheet.list("networks", used.iter().map(network), MANY);
    let volume = |(name, volume): &(String, &Value)| {
        let kind = volume["driver_opts"]["type"].as_str().unwrap_or_default();
        json!({
            "name": text(name),
            "external": is_external(volume),
            "volatile": matches!(kind, "tmpfs" | "ramfs"),
        })
    };
    sheet.list("volumes", stored.iter().map(volume), MANY);
    sheet.list("external", external(config), MANY);
}

/// What a file wants to be there already: a list of {kind, name}.
pub fn external(config: &Value) -> Vec<Value> {
    let [networks, volumes] = used(config);
    let both = [("network", networks), ("volume", volumes)].into_iter();
    let of = |(kind, all): (&'static str, Vec<(String, &Value)>)| -> Vec<Value> {
        let external = all.into_iter().filter(|(_, part)| is_external(part));
        let named = external.map(|(key, part)| text(part["name"].as_str().unwrap_or(&key)));
        named.map(|name| json!({"kind": kind, "name": name})).collect()
    };
    both.flat_map(of).collect()
}

/// The paths of the machine that services mount.
pub fn bind_sources(config: &Value) -> BTreeSet<String> {
    let mounts = services(config).flat_map(|(_, service)| mounts(service));
    mounts.filter(|mount| mount.kind == "bind").filter_map(|mount| mount.source).collect()
}

/// The networks and the volumes that services use, with what the file says of each.
fn used(config: &Value) -> [Vec<(String, &Value)>; 2] {
    let networks: BTreeSet<String> = services(config).flat_map(|(_, service)| networks(service)).collect();
    let mounts = services(config).flat_map(|(_, service)| mounts(service));
    let volumes: BTreeSet<String> =
        mounts.filter(|mount| mount.kind == "volume").filter_map(|mount| mount.source).collect();
    [parts(config, "networks", networks), parts(config, "volumes", volumes)]
}

/// The services that one command brings up: those of no profile.
pub fn services(config: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let all = config["services"].as_object().into_iter().flatten();
    all.filter(|(_, service)| service["profiles"].as_array().is_none_or(Vec::is_empty))
}

/// What v1 notices only when it brings the file up, in the words of v2.
pub fn undefined_network(config: &Value) -> Option<String> {
    let defined = |name: &str| name == "default" || config["networks"].get(name).is_some();
    services(config).find_map(|(service, body)| {
        let name = networks(body).into_iter().find(|name| !defined(name))?;
        Some(format!("service \"{service}\" refers to undefined network {name}"))
    })
}

/// Whether a network or volume is not the project's own.
pub fn is_external(part: &Value) -> bool {
    part["external"] == json!(true) || part["external"].is_object()
}

/// The networks or volumes called `used`, with what the file says of each.
fn parts<'c>(config: &'c Value, kind: &str, used: BTreeSet<String>) -> Vec<(String, &'c Value)> {
    let part = |name: String| {
        let said = config[kind].get(&name).unwrap_or(&Value::Null);
        (name, said)
    };
    used.into_iter().map(part).collect()
}

fn described(name: &str, service: &Value) -> Value {
    let names = |names: Vec<String>| names.iter().take(MANY).map(|name| text(name)).collect::<Vec<_>>();
    let ports: Vec<Value> = ports(service).iter().take(MANY).map(Port::fact).collect();
    let mounts: Vec<Value> = mounts(service).iter().take(MANY).map(Mount::fact).collect();
    json!({
        "name": text(name),
        "image": service["image"].as_str().map(text),
        "build": !service["build"].is_null(),
        "container_name": service["container_name"].as_str().map(text),
        "ports": ports,
        "networks": names(networks(service)),
        "network_mode": service["network_mode"].as_str().map(text),
        "volumes": mounts,
        "depends_on": names(keys_or_items(&service["depends_on"])),
        "env_names": names(env_names(&service["environment"])),
        "restart": text(service["restart"].as_str().unwrap_or("no")),
    })
}

fn text(text: &str) -> Value {
    text_fact(text.as_bytes(), LONG)
}

/// The networks a service is on: without a word about it, the default one.
pub fn networks(service: &Value) -> Vec<String> {
    let named = keys_or_items(&service["networks"]);
    if named.is_empty() && service["network_mode"].is_null() { vec!["default".to_owned()] } else { named }
}

fn env_names(environment: &Value) -> Vec<String> {
    let mut names = keys_or_items(environment);
    for name in &mut names {
        name.truncate(name.find('=').unwrap_or(name.len()));
    }
    names.sort();
    names
}

fn keys_or_items(value: &Value) -> Vec<String> {
    match value {
        Value::Object(entries) => entries.keys().cloned().collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The port of the machine; none when the engine is to choose. A range stays as it is written.
    pub published: Option<String>,
    /// The port in the container.
    pub target: String,
    /// The address of the machine it is bound to; none when any.
    pub host_ip: Option<String>,
    /// `tcp` or `udp`.
    pub protocol: String,
}

impl Port {
    fn fact(&self) -> Value {
        let number = |port: &String| port.parse::<u16>().map_or_else(|_| text(port), Value::from);
        json!({
            "published": self.published.as_ref().map(number),
            "target": number(&self.target),
            "host_ip": self.host_ip.as_deref().map(text),
            "protocol": text(&self.protocol),
        })
    }
}

/// The ports of a service that are published.
pub fn ports(service: &Value) -> Vec<Port> {
    let of = |port: &Value| {
        let Value::Object(port) = port else { return short_port(&written(port)?) };
        Some(Port {
            published: port.get("published").and_then(written).filter(|port| !port.is_empty() && port != "0"),
            target: port.get("target").and_then(written)?,
            host_ip: port.get("host_ip").and_then(written).filter(|ip| !ip.is_empty()),
            protocol: port.get("protocol").and_then(written).unwrap_or_else(|| "tcp".to_owned()),
        })
    };
    service["ports"].as_array().into_iter().flatten().filter_map(of).collect()
}

/// `[[ADDRESS:]PORT:]TARGET[/PROTOCOL]`
fn short_port(port: &str) -> Option<Port> {
    let (rest, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let mut parts = rest.rsplitn(3, ':');
    let target = parts.next()?.to_owned();
    let mut more = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
    Some(Port { published: more(), host_ip: more(), target, protocol: protocol.to_owned() })
}

fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Something mounted in a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `volume`, `bind`, `tmpfs`, …
    pub kind: String,
    /// The volume's name in the file, or the path on the machine; none for an anonymous volume.
    pub source: Option<String>,
    /// Where in the container.
    pub target: String,
    /// Whether the container may not write there.
    pub read_only: bool,
}

impl Mount {
    fn fact(&self) -> Value {
        json!({
            "type": text(&self.kind),
            "source": self.source.as_deref().map(text),
            "target": text(&self.target),
            "named": self.kind == "volume" && self.source.is_some(),
        })
    }
}

/// What is mounted in a service.
pub fn mounts(service: &Value) -> Vec<Mount> {
    let of = |mount: &Value| {
        let Value::Object(mount) = mount else { return Some(short_mount(mount.as_str()?)) };
        let word = |name: &str| mount.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Mount {
            kind: word("type").unwrap_or_else(|| "volume".to_owned()),
            source: word("source").filter(|source| !source.is_empty()),
            target: word("target")?,
            read_only: mount.get("read_only") == Some(&json!(true)),
        })
    };
    service["volumes"].as_array().into_iter().flatten().filter_map(of).collect()
}

/// `[SOURCE:]TARGET[:MODE]`
fn short_mount(mount: &str) -> Mount {
    let mut parts = mount.splitn(3, ':');
    let (first, second, mode) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let (source, target) = second.map_or((None, first), |target| (Some(first.to_owned()), target));
    let is_path = source.as_deref().is_some_and(|source| source.starts_with(['/', '.', '~']));
    let kind = if is_path { "bind" } else { "volume" };
    let read_only = mode.is_some_and(|mode| mode.split(',').any(|word| word == "ro"));
    Mount { kind: kind.to_owned(), source, target: target.to_owned(), read_only }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node;

    /// What compose 2.26 says of a file, less what nobody asks for.
    const V2: &str = r#"{
        "name": "lab4",
        "networks": {
            "default": {"name": "lab4_default", "ipam": {}},
            "ext": {"name": "myext", "ipam": {}, "external": true},
            "internal": {"name": "lab4_internal", "ipam": {}, "internal": true}
        },
        "services": {
            "ams": {
                "container_name": "ams", "environment": {"POSTGRES_PASSWORD": "password", "A": null},
                "image": "postgres:14.1-alpine", "networks": {"internal": null}, "restart": "always",
                "volumes": [
                    {"type": "volume", "source": "ams-vol", "target": "/var/lib/postgresql/data", "volume": {}},
                    {"type": "volume", "target": "/scratch", "volume": {}}
                ]
            },
            "drp1": {
                "build": {"context": "/home/linux-user/lab4", "dockerfile": "Dockerfile"},
                "depends_on": {"ams": {"condition": "service_started", "required": true}},
                "networks": {"default": null, "ext": {"aliases": ["foo"]}},
                "ports": [
                    {"mode": "ingress", "target": 80, "published": "8081", "protocol": "tcp"},
                    {"mode": "ingress", "host_ip": "127.0.0.1", "target": 90, "published": "9000", "protocol": "udp"},
                    {"mode": "ingress", "target": 91, "protocol": "tcp"}
                ],
                "volumes": [
                    {"type": "bind", "source": "/home/linux-user/lab4/x", "target": "/x", "read_only": true},
                    {"type": "tmpfs", "target": "/t"}
                ]
            }
        },
        "volumes": {"ams-vol": {"name": "lab4_ams-vol", "driver_opts": {"type": "tmpfs", "device": "tmpfs"}}}
    }"#;

    /// What compose 1.29 says of the same file.
    const V1: &str = "
networks:
  ext: {external: true, name: myext}
  internal: {internal: true}
  unused: {external: true, name: unused}
services:
  ams:
    container_name: ams
    environment: {A: null, POSTGRES_PASSWORD: password}
    image: postgres:14.1-alpine
    networks: {internal: null}
    restart: always
    volumes: ['ams-vol:/var/lib/postgresql/data:rw', /scratch]
  b:
    build: {context: /home/linux-user/lab4}
    network_mode: bridge
    profiles: [x]
  drp1:
    build: {context: /home/linux-user/lab4}
    depends_on: {ams: {condition: service_started}}
    networks: {default: null, ext: {aliases: [foo]}}
    ports:
    - published: 8081
      target: 80
    - 127.0.0.1:9000:90/udp
    - target: 91
    volumes:
    - /home/linux-user/lab4/x:/x:ro
    - target: /t
      type: tmpfs
version: '3.8'
volumes:
  ams-vol: {driver_opts: {device: tmpfs, type: tmpfs}}
  unused: {name: fixed-vol}
";

    fn facts(config: &Value) -> Value {
        let mut sheet = Sheet::default();
        describe(config, &mut sheet);
        Value::Object(sheet.done())
    }

    #[test]
    fn both_composes_say_the_same_of_the_same_file() {
        let (v1, v2) = (facts(&node::plain(V1).unwrap()), facts(&serde_json::from_str(V2).unwrap()));
        assert_eq!(v1, v2);
        let [ams, drp1] = [0, 1].map(|n| &v2["services"][n]);
        assert_eq!((&ams["image"], &ams["build"]), (&json!("postgres:14.1-alpine"), &json!(false)));
        assert_eq!(ams["env_names"], json!(["A", "POSTGRES_PASSWORD"]));
        assert_eq!(
            ams["volumes"],
            json!([
                {"type": "volume", "source": "ams-vol", "target": "/var/lib/postgresql/data", "named": true},
                {"type": "volume", "source": null, "target": "/scratch", "named": false},
            ])
        );
        assert_eq!((&drp1["depends_on"], &drp1["restart"]), (&json!(["ams"]), &json!("no")));
        assert_eq!(
            drp1["ports"],
            json!([
                {"published": 8081, "target": 80, "host_ip": null, "protocol": "tcp"},
                {"published": 9000, "target": 90, "host_ip": "127.0.0.1", "protocol": "udp"},
                {"published": null, "target": 91, "host_ip": null, "protocol": "tcp"},
            ])
        );
        assert_eq!(drp1["networks"], json!(["default", "ext"]));
        assert_eq!(v2["networks"][2], json!({"name": "internal", "external": false, "internal": true}));
        assert_eq!(v2["volumes"], json!([{"name": "ams-vol", "external": false, "volatile": true}]));
        assert_eq!(v2["external"], json!([{"kind": "network", "name": "myext"}]));
        assert!(!v2.to_string().contains("password"), "the value of an environment variable");
    }

    #[test]
    fn ports_written_in_short_are_understood() {
        for (written, published, target, host_ip, protocol) in [
            ("80", None, "80", None, "tcp"),
            ("8081:80", Some("8081"), "80", None, "tcp"),
            ("::1:80:80/tcp", Some("80"), "80", Some("::1"), "tcp"),
            ("127.0.0.1::80/udp", None, "80", Some("127.0.0.1"), "udp"),
            ("8000-8010:80", Some("8000-8010"), "80", None, "tcp"),
        ] {
            let port = &ports(&json!({"ports": [written]}))[0];
            let seen = (port.published.as_deref(), port.target.as_str(), port.host_ip.as_deref());
            assert_eq!((seen, port.protocol.as_str()), ((published, target, host_ip), protocol), "{written}");
        }
        assert_eq!(ports(&json!({"ports": [80]}))[0].target, "80");
        assert_eq!(ports(&json!({"ports": [null, {}, {"published": 1}]})), []);
    }

    #[test]
    fn a_network_that_is_not_defined_is_noticed() {
        let file = |networks: Value| json!({"services": {"a": {"networks": networks}}, "networks": {"x": null}});
        assert_eq!(undefined_network(&file(json!(["default", "x"]))), None);
        let said = undefined_network(&file(json!({"nope": null}))).unwrap();
        assert_eq!(said, "service \"a\" refers to undefined network nope");
    }

    #[test]
    fn nonsense_and_floods_are_bounded() {
        for config in [json!(null), json!([]), json!({"services": []}), json!({"services": {"a": 1, "b": null}})] {
            assert!(facts(&config)["services"].is_array());
        }
        let long = "x".repeat(10_000);
        let service = json!({
            "image": long, "environment": vec![long.as_str(); 1000], "ports": vec![long.as_str(); 1000],
            "volumes": vec![long.as_str(); 1000], "networks": [long],
        });
        let small = (1..300).map(|n| (format!("{n}{long}"), json!({})));
        let services: serde_json::Map<String, Value> = small.chain([("0".to_owned(), service)]).collect();
        let facts = facts(&json!({ "services": services }));
        assert_eq!(facts["services"].as_array().unwrap().len(), MANY);
        assert_eq!(facts["truncated"], json!(["services"]));
        assert!(facts["services"][0].to_string().len() < 4 * MANY * (LONG + 100));
    }
}
