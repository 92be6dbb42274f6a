//! A compose file rewritten so that it comes up beside whatever runs already and shares nothing with it: no name, no
//! published port, no volume, no folder of the student's. Everything else stays as it is. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::probe::compose::{Mount, Port, mounts, networks, ports, services};

/// Folders of the machine itself, which stay what they are.
const SYSTEM: [&str; 9] = ["/etc", "/proc", "/sys", "/usr", "/run", "/var/run", "/lib", "/dev", "/boot"];

/// What is brought up in the place of the student's file.
#[derive(Debug, Clone, PartialEq)]
pub struct Separate {
    /// The rewritten file.
    pub config: Value,
    /// The folders that became volumes: the student's own files in them are to be copied.
    pub folders: Vec<Folder>,
    /// Whom the file publishes at each port of the machine.
    pub published: BTreeMap<u16, Published>,
    /// Whether a service uses the machine's own network, where it cannot be apart.
    pub on_host: bool,
}

/// A folder of the machine that became a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    /// Its path.
    pub source: String,
    /// A service that has it.
    pub service: String,
    /// Where in that service.
    pub target: String,
}

/// A port that the file publishes.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The service.
    pub service: String,
    /// The port in its container.
    pub target: u16,
}

/// Rewrites `config`. `is_kept` tells of a bind mount's source whether it is something other than a folder, or nothing
/// yet: a single file or a socket stays where it is.
pub fn separate(config: &Value, project: &str, is_kept: impl Fn(&str) -> bool, writable: bool) -> Separate {
    let mut result = Separate { config: json!({}), folders: Vec::new(), published: BTreeMap::new(), on_host: false };
    let images = own_images(config, project);
    let mut rewritten = Map::new();
    for (name, service) in services(config) {
        let Value::Object(service) = service else { continue };
        let mut service = service.clone();
        let whole = Value::Object(service.clone());
        result.on_host |= whole["network_mode"] == json!("host");
        for port in ports(&whole) {
            if let (Some(Ok(published)), Ok(target)) =
                (port.published.as_ref().map(|port| port.parse()), port.target.parse())
                && port.protocol == "tcp"
            {
                result.published.entry(published).or_insert(Published { service: name.clone(), target });
            }
        }
        rewrite_ports(&mut service, &whole);
        rewrite_mounts(&mut service, &whole, name, &is_kept, writable, &mut result.folders);
        rewrite_networks(&mut service, &whole);
        if let Some(own) = whole["image"].as_str().and_then(|image| images.get(image)) {
            service.insert("image".to_owned(), json!(own));
        }
        service.remove("container_name");
        service.remove("profiles");
        rewritten.insert(name.clone(), Value::Object(service));
    }
    let mut all = config.as_object().cloned().unwrap_or_default();
    all.remove("name");
    all.insert("services".to_owned(), Value::Object(rewritten));
    all.insert("networks".to_owned(), unnamed(&config["networks"]));
    let mut volumes = unnamed(&config["volumes"]);
    for (n, _) in distinct(&result.folders).iter().enumerate() {
        volumes[folder_volume(n)] = json!({});
    }
    all.insert("volumes".to_owned(), volumes);
    result.config = Value::Object(all);
    result
}

/// Images that the file builds get names of the project's own, so that they are built anew, and are gone with it.
fn own_images<'c>(config: &'c Value, project: &str) -> BTreeMap<&'c str, String> {
    let built = services(config).filter(|(_, service)| !service["build"].is_null());
    let images = built.filter_map(|(name, service)| Some((service["image"].as_str()?, format!("{project}-{name}"))));
    images.collect()
}

/// The engine chooses the ports of the machine.
fn rewrite_ports(service: &mut Map<String, Value>, whole: &Value) {
    let short = |port: Port| match port.host_ip {
        Some(ip) if ip.contains(':') => json!(format!("[{ip}]::{}/{}", port.target, port.protocol)),
        Some(ip) => json!(format!("{ip}::{}/{}", port.target, port.protocol)),
        None => json!(format!("{}/{}", port.target, port.protocol)),
    };
    if service.contains_key("ports") {
        service.insert("ports".to_owned(), ports(whole).into_iter().map(short).collect());
    }
}

/// Folders become volumes of the project's own; like folders, they are not filled from the image.
fn rewrite_mounts(
    service: &mut Map<String, Value>,
    whole: &Value,
    name: &str,
    is_kept: &impl Fn(&str) -> bool,
    writable: bool,
    folders: &mut Vec<Folder>,
) {
    let Some(written) = service.get("volumes").and_then(Value::as_array).cloned() else { return };
    let mut rewritten = Vec::new();
    for (written, Mount { kind, source, target, read_only }) in written.into_iter().zip(mounts(whole)) {
        match source.filter(|_| kind == "bind") {
            Some(source) if !is_system(&source) && !is_kept(&source) => {
                folders.push(Folder { source: source.clone(), service: name.to_owned(), target: target.clone() });
                let n = distinct(folders).iter().position(|known| **known == source).unwrap_or_default();
                let mode = if read_only && !writable { "nocopy,ro" } else { "nocopy" };
                rewritten.push(json!(format!("{}:{target}:{mode}", folder_volume(n))));
            }
            _ => rewritten.push(written),
        }
    }
    service.insert("volumes".to_owned(), Value::Array(rewritten));
}

fn is_system(path: &str) -> bool {
    path == "/"
        || SYSTEM
            .iter()
            .any(|system| path.strip_prefix(system).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The folders, each once, in the order of first mention.
fn distinct(folders: &[Folder]) -> Vec<&String> {
    let mut all: Vec<&String> = Vec::new();
    for folder in folders {
        if !all.contains(&&folder.source) {
            all.push(&folder.source);
        }
    }
    all
}

fn folder_volume(n: usize) -> String {
    format!("labrun-folder-{n}")
}

/// A fixed name of a container becomes one more name on each of its networks.
fn rewrite_networks(service: &mut Map<String, Value>, whole: &Value) {
    if !whole["network_mode"].is_null() {
        return;
    }
    let mut ends = Map::new();
    for network in networks(whole) {
        let mut end = whole["networks"][&network].as_object().cloned().unwrap_or_default();
        if let Some(name) = whole["container_name"].as_str() {
            let aliases = end.entry("aliases").or_insert_with(|| json!([]));
            if let Some(aliases) = aliases.as_array_mut() {
                aliases.push(json!(name));
            }
        }
        ends.insert(network, Value::Object(end));
    }
    service.insert("networks".to_owned(), Value::Object(ends));
}

/// Networks or volumes without fixed names, and without a place on the machine that they are made of.
fn unnamed(parts: &Value) -> Value {
    let parts = parts.as_object().into_iter().flatten().map(|(key, part)| {
        let mut part = part.as_object().cloned().unwrap_or_default();
        part.remove("name");
        let options = &part.get("driver_opts").cloned().unwrap_or_default();
        if options["device"].is_string() && !matches!(options["type"].as_str(), Some("tmpfs" | "ramfs")) {
            part.remove("driver_opts");
        }
        (key.clone(), Value::Object(part))
    });
    Value::Object(parts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Value {
        json!({
            "name": "lab4",
            "services": {
                "db": {
                    "image": "postgres:14.1-alpine", "container_name": "ams",
                    "volumes": [
                        {"type": "volume", "source": "data", "target": "/var/lib/postgresql/data"},
                        "/home/u/lab4/init:/docker-entrypoint-initdb.d:ro",
                    ],
                    "networks": {"internal": {"aliases": ["d"]}},
                    "ports": [{"target": 5432, "published": "5432", "protocol": "tcp"}],
                },
                "drp1": {
                    "build": {"context": "."}, "image": "mine", "ports": ["127.0.0.1:8081:80", "9:9/udp"],
                    "volumes": [
                        {"type": "bind", "source": "/home/u/lab4/sites", "target": "/sites"},
                        {"type": "bind", "source": "/home/u/lab4/nginx.conf", "target": "/x.conf"},
                        {"type": "bind", "source": "/var/run/docker.sock", "target": "/s"},
                    ],
                },
                "drp2": {"image": "mine", "volumes": ["/home/u/lab4/sites:/sites:rw"], "network_mode": "host"},
                "idle": {"image": "x", "profiles": ["p"]},
            },
            "networks": {"internal": {"name": "internal", "internal": true}},
            "volumes": {
                "data": {"name": "ams-vol"},
                "here": {"driver_opts": {"type": "none", "o": "bind", "device": "/home/u/data"}},
            },
        })
    }

    fn rewritten(writable: bool) -> Separate {
        separate(&file(), "labrun-zero-1-2", |path| path.ends_with(".conf"), writable)
    }

    #[test]
    fn nothing_is_shared_with_what_runs_already() {
        let Separate { config, folders, published, on_host } = rewritten(false);
        let service = |name: &str| config["services"][name].clone();
        assert_eq!(config.get("name"), None);
        assert_eq!(service("db").get("container_name"), None);
        assert_eq!(service("db")["networks"], json!({"internal": {"aliases": ["d", "ams"]}}));
        assert_eq!(service("db")["ports"], json!(["5432/tcp"]));
        assert_eq!(service("db")["volumes"][1], "labrun-folder-0:/docker-entrypoint-initdb.d:nocopy,ro");
        assert_eq!(service("drp1")["ports"], json!(["127.0.0.1::80/tcp", "9/udp"]));
        assert_eq!(service("drp1")["networks"], json!({"default": {}}));
        assert_eq!(service("drp1")["volumes"][0], "labrun-folder-1:/sites:nocopy");
        for (n, source) in [(1, "/home/u/lab4/nginx.conf"), (2, "/var/run/docker.sock")] {
            assert_eq!(service("drp1")["volumes"][n]["source"], source);
        }
        assert_eq!(service("drp2")["volumes"][0], "labrun-folder-1:/sites:nocopy");
        assert_eq!(
            (&service("drp1")["image"], &service("drp2")["image"]),
            (&json!("labrun-zero-1-2-drp1"), &json!("labrun-zero-1-2-drp1"))
        );
        assert_eq!(service("idle"), Value::Null);
        assert_eq!(config["networks"], json!({"internal": {"internal": true}}));
        assert_eq!(config["volumes"], json!({"data": {}, "here": {}, "labrun-folder-0": {}, "labrun-folder-1": {}}));
        assert_eq!(folders.len(), 3);
        assert_eq!(published.keys().collect::<Vec<_>>(), [&5432, &8081]);
        assert_eq!(published[&8081], Published { service: "drp1".to_owned(), target: 80 });
        assert!(on_host);
    }

    #[test]
    fn a_folder_that_is_to_be_filled_can_be_written_to_until_then() {
        let config = rewritten(true).config;
        assert_eq!(config["services"]["db"]["volumes"][1], "labrun-folder-0:/docker-entrypoint-initdb.d:nocopy");
    }

    #[test]
    fn nonsense_is_left_alone() {
        for config in [json!(null), json!({"services": {"a": null, "b": {"volumes": [1], "ports": [null]}}})] {
            separate(&config, "p", |_| false, false);
        }
    }
}
