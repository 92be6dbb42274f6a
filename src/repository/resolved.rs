//! The policy on a compose file as compose itself has resolved it: every path absolute, every variable replaced.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::repository::{Refusal, Why, is_remote};

/// What a service may say freely, since it concerns nobody but its containers.
const FREE: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "cap_drop",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_shares",
    "cpus",
    "cpuset",
    "depends_on",
    "develop",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "external_links",
    "extra_hosts",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "labels",
    "links",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "networks",
    "pids_limit",
    "platform",
    "profiles",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "restart",
    "secrets",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "working_dir",
];

/// What hands a container power over the machine, whatever it says.
const POWER: &[&str] = &[
    "cap_add",
    "cgroup_parent",
    "credential_spec",
    "device_cgroup_rules",
    "devices",
    "gpus",
    "oom_kill_disable",
    "oom_score_adj",
    "runtime",
    "security_opt",
    "storage_opt",
    "sysctls",
    "use_api_socket",
];

/// Namespaces that a container may share with the machine.
const NAMESPACES: &[&str] = &["cgroup", "ipc", "network_mode", "pid", "userns_mode", "uts"];

/// Where logs may go.
const LOGGING: &[&str] = &["json-file", "local", "none"];

/// What a build may say freely.
const FREE_IN_BUILD: &[&str] = &[
    "args",
    "dockerfile_inline",
    "extra_hosts",
    "labels",
    "no_cache",
    "platforms",
    "pull",
    "secrets",
    "shm_size",
    "tags",
    "target",
    "ulimits",
];

/// How much of a thing a lab may need.
const SERVICES: usize = 30;
const PORTS: u64 = 100;
const REPLICAS: u64 = 10;

/// Refuses what `config`, as compose resolved it from `file` with the repository at `root`, asks for and no lab needs.
pub fn resolved(config: &Value, file: &str, root: &str) -> Vec<Refusal> {
    let mut policy = Policy { file, root, part: String::new(), refusals: BTreeSet::new() };
    let services = entries(&config["services"]);
    if services.clone().count() > SERVICES {
        policy.refuse("services", Why::TooMuch(SERVICES.to_string()));
    }
    let ports: u64 = services.clone().map(|(_, service)| published(service)).sum();
    if ports > PORTS {
        policy.refuse("ports", Why::TooMuch(PORTS.to_string()));
    }
    for (name, service) in services {
        policy.part = name.clone();
        if let Value::Object(service) = service {
            policy.service(service);
        }
    }
    for (name, volume) in entries(&config["volumes"]) {
        policy.part = format!("volumes.{name}");
        policy.volume(volume);
    }
    for (name, network) in entries(&config["networks"]) {
        policy.part = format!("networks.{name}");
        policy.network(network);
    }
    for kind in ["configs", "secrets"] {
        for (name, part) in entries(&config[kind]) {
            policy.part = format!("{kind}.{name}");
            policy.path("file", &part["file"]);
        }
    }
    let known = ["name", "version", "services", "volumes", "networks", "configs", "secrets"];
    policy.part.clear();
    for (key, _) in entries(config).filter(|(key, _)| !known.contains(&key.as_str()) && !key.starts_with("x-")) {
        policy.refuse(key, Why::Unknown);
    }
    policy.refusals.into_iter().collect()
}

struct Policy<'a> {
    file: &'a str,
    root: &'a str,
    part: String,
    refusals: BTreeSet<Refusal>,
}

impl Policy<'_> {
    fn refuse(&mut self, key: &str, why: Why) {
        let short = |text: &str| text.chars().take(100).collect();
        self.refusals.insert(Refusal { file: self.file.to_owned(), part: short(&self.part), key: short(key), why });
    }

    fn service(&mut self, service: &Map<String, Value>) {
        for (key, value) in service.iter().filter(|(_, value)| says_something(value)) {
            match key.as_str() {
                "privileged" => self.refuse(key, Why::Power),
                "security_opt" if is_only_less(value) => {}
                "build" => self.build(value),
                "volumes" => self.mounts(value),
                "volumes_from" => self.volumes_from(value),
                "ports" | "scale" => self.how_many(key, value),
                "deploy" => self.deploy(value),
                "logging" => self.logging(value),
                "post_start" | "pre_stop" => {
                    if value.as_array().into_iter().flatten().any(|hook| says_something(&hook["privileged"])) {
                        self.refuse(key, Why::Power);
                    }
                }
                key if NAMESPACES.contains(&key) => {
                    let mode = value.as_str().unwrap_or_default();
                    if mode == "host" || mode.starts_with("container:") {
                        self.refuse(key, Why::Shared(short(mode)));
                    }
                }
                key if POWER.contains(&key) => self.refuse(key, Why::Power),
                key if FREE.contains(&key) || key.starts_with("x-") => {}
                key => self.refuse(key, Why::Unknown),
            }
        }
    }

    fn mounts(&mut self, mounts: &Value) {
        for mount in mounts.as_array().into_iter().flatten() {
            match mount["type"].as_str() {
                Some("volume" | "tmpfs") => {}
                Some("bind") => self.host_path("volumes", &mount["source"]),
                _ => self.refuse("volumes", Why::Unknown),
            }
        }
    }

    /// Those of another service are its own; those of a container by its name are somebody else's.
    fn volumes_from(&mut self, whose: &Value) {
        for whose in whose.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if whose.starts_with("container:") {
                self.refuse("volumes_from", Why::Shared(short(whose)));
            }
        }
    }

    fn volume(&mut self, volume: &Value) {
        if !matches!(volume["driver"].as_str(), None | Some("local")) {
            self.refuse("driver", Why::Unknown);
        }
        let options = &volume["driver_opts"];
        let is_of_memory = matches!(options["type"].as_str(), Some("tmpfs" | "ramfs"));
        if says_something(&options["device"]) && !is_of_memory {
            self.host_path("driver_opts.device", &options["device"]);
        }
    }

    fn network(&mut self, network: &Value) {
        let name = network["name"].as_str().unwrap_or_default();
        if network["driver"] == json!("host") || (network["external"] == json!(true) && name == "host") {
            self.refuse("driver", Why::Shared("host".to_owned()));
        } else if !matches!(network["driver"].as_str(), None | Some("bridge" | "" | "default")) {
            self.refuse("driver", Why::Unknown);
        }
    }

    fn build(&mut self, build: &Value) {
        let Value::Object(parts) = build else { return self.path("build", build) };
        let context = parts.get("context").and_then(Value::as_str).unwrap_or(self.root);
        for (key, value) in parts.iter().filter(|(_, value)| says_something(value)) {
            let named = format!("build.{key}");
            match key.as_str() {
                "context" => self.path(&named, value),
                "dockerfile" => {
                    let file = value.as_str().unwrap_or_default();
                    let absolute = if file.starts_with('/') { file.to_owned() } else { format!("{context}/{file}") };
                    self.path(&named, &json!(absolute));
                }
                "additional_contexts" => {
                    for (_, context) in entries(value) {
                        let text = context.as_str().unwrap_or_default();
                        if !["service:", "target:", "docker-image://"].iter().any(|kind| text.starts_with(kind)) {
                            self.path(&named, context);
                        }
                    }
                }
                "network" if value == &json!("none") || value == &json!("default") => {}
                "network" => self.refuse(&named, Why::Shared(short(value.as_str().unwrap_or_default()))),
                "privileged" | "entitlements" | "ssh" => self.refuse(&named, Why::Power),
                key if FREE_IN_BUILD.contains(&key) || key.starts_with("x-") => {}
                _ => self.refuse(&named, Why::Unknown),
            }
        }
    }

    fn how_many(&mut self, key: &str, value: &Value) {
        if key == "scale" && value.as_u64().is_none_or(|scale| scale > REPLICAS) {
            self.refuse(key, Why::TooMuch(REPLICAS.to_string()));
        }
    }

    fn deploy(&mut self, deploy: &Value) {
        if deploy["replicas"].as_u64().is_some_and(|replicas| replicas > REPLICAS) {
            self.refuse("deploy.replicas", Why::TooMuch(REPLICAS.to_string()));
        }
        for part in ["reservations", "limits"] {
            if says_something(&deploy["resources"][part]["devices"]) {
                self.refuse("deploy.resources.devices", Why::Power);
            }
        }
    }

    fn logging(&mut self, logging: &Value) {
        if logging["driver"].as_str().is_some_and(|driver| !driver.is_empty() && !LOGGING.contains(&driver)) {
            self.refuse("logging.driver", Why::Unknown);
        }
    }

    /// A path of the machine that a container is given: it has to lie in the repository.
    fn host_path(&mut self, key: &str, path: &Value) {
        let path = path.as_str().unwrap_or_default();
        if !self.is_inside(path) {
            self.refuse(key, Why::Shared(short(path)));
        }
    }

    /// A path that is read: it has to lie in the repository.
    fn path(&mut self, key: &str, path: &Value) {
        let Some(path) = path.as_str() else { return };
        if is_remote(path) {
            self.refuse(key, Why::Fetches(short(path)));
        } else if !self.is_inside(path) {
            self.refuse(key, Why::LeavesRepository(short(path)));
        }
    }

    fn is_inside(&self, path: &str) -> bool {
        let mut parts = Vec::new();
        for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part == ".." {
                parts.pop();
            } else {
                parts.push(part);
            }
        }
        let root: Vec<&str> = self.root.split('/').filter(|part| !part.is_empty()).collect();
        path.starts_with('/') && parts.starts_with(&root)
    }
}

/// Options that take something away from a container.
fn is_only_less(options: &Value) -> bool {
    let less = |option: &Value| {
        option.as_str().is_some_and(|option| matches!(option, "no-new-privileges" | "no-new-privileges:true"))
    };
    options.as_array().is_some_and(|options| options.iter().all(less))
}

/// How many ports of the machine a service takes.
fn published(service: &Value) -> u64 {
    let ports = service["ports"].as_array().into_iter().flatten();
    ports.map(|port| range(&port["published"]).max(range(&port["target"]))).sum()
}

fn range(port: &Value) -> u64 {
    let text = port.as_str().unwrap_or_default();
    match text.split_once('-').map(|(from, to)| (from.parse::<u64>(), to.parse::<u64>())) {
        Some((Ok(from), Ok(to))) => to.saturating_sub(from) + 1,
        _ => 1,
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> + Clone {
    value.as_object().into_iter().flatten()
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "/home/student/repo";

    fn refused(config: Value) -> Vec<String> {
        let refusals = resolved(&config, "compose.yaml", ROOT);
        refusals.into_iter().map(|one| format!("{} {}", one.part, one.key).trim().to_owned()).collect()
    }

    fn service(service: Value) -> Vec<String> {
        refused(json!({"services": {"web": service}}))
    }

    #[test]
    fn what_labs_are_made_of_is_not_refused() {
        let config = json!({
            "name": "repo",
            "services": {
                "ams": {
                    "image": "postgres:14.1-alpine", "command": null, "entrypoint": null, "container_name": "ams",
                    "environment": {"POSTGRES_PASSWORD": "password"}, "restart": "always", "privileged": false,
                    "volumes": [
                        {"type": "volume", "source": "ams-vol", "target": "/var/lib/postgresql/data", "volume": {}},
                        {"type": "bind", "source": format!("{ROOT}/init"), "target": "/docker-entrypoint-initdb.d"},
                        {"type": "tmpfs", "target": "/t"},
                    ],
                    "networks": {"internal": {"ipv4_address": "10.1.0.2"}},
                    "ports": [{"mode": "ingress", "target": 5432, "published": "5432", "protocol": "tcp"}],
                    "healthcheck": {"test": ["CMD", "true"]}, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"],
                },
                "web": {
                    "build": {"context": format!("{ROOT}/web"), "dockerfile": "Dockerfile", "args": {"A": "b"}},
                    "depends_on": {"ams": {"condition": "service_started", "required": true}},
                    "network_mode": "service:ams", "pid": "service:ams", "logging": {"driver": "none"},
                    "volumes_from": ["ams:ro"],
                    "deploy": {"replicas": 2, "resources": {"limits": {"memory": "1"}}}, "x-note": 1, "scale": 2,
                },
            },
            "networks": {"internal": {"name": "repo_internal", "internal": true}, "e": {"external": true, "name": "e"}},
            "volumes": {"ams-vol": {"name": "ams-vol"}, "t": {"driver_opts": {"type": "tmpfs", "device": "tmpfs"}}},
            "configs": {"c": {"file": format!("{ROOT}/c.conf")}, "d": {"content": "x"}},
            "x-more": {"a": 1},
        });
        assert_eq!(refused(config), [""; 0]);
    }

    #[test]
    fn power_over_the_machine_is_refused() {
        for (key, value) in [
            ("privileged", json!(true)),
            ("cap_add", json!(["SYS_ADMIN"])),
            ("devices", json!([{"source": "/dev/sda", "target": "/dev/sda"}])),
            ("device_cgroup_rules", json!(["a *:* rwm"])),
            ("security_opt", json!(["seccomp=unconfined"])),
            ("security_opt", json!(["no-new-privileges", "apparmor=unconfined"])),
            ("cgroup_parent", json!("/")),
            ("sysctls", json!({"net.ipv4.ip_forward": "1"})),
            ("runtime", json!("x")),
            ("gpus", json!("all")),
            ("use_api_socket", json!(true)),
            ("provider", json!({"type": "rm"})),
            ("post_start", json!([{"command": "x", "privileged": true}])),
            ("something_new", json!(1)),
            ("pid", json!("host")),
            ("ipc", json!("host")),
            ("uts", json!("host")),
            ("userns_mode", json!("host")),
            ("cgroup", json!("host")),
            ("network_mode", json!("host")),
            ("network_mode", json!("container:labrun")),
            ("volumes_from", json!(["ams", "container:labrun:ro"])),
        ] {
            let mut one = json!({"image": "x"});
            one[key] = value;
            assert_eq!(service(one), [format!("web {key}")]);
        }
        let devices = json!({"deploy": {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}}});
        assert_eq!(service(devices), ["web deploy.resources.devices"]);
        assert_eq!(service(json!({"logging": {"driver": "syslog"}})), ["web logging.driver"]);
    }

    #[test]
    fn paths_that_leave_the_repository_are_refused() {
        for source in
            ["/", "/var/run/docker.sock", "/home/student", "/home/student/repo/../x", "/home/student/repository"]
        {
            let mount = json!({"volumes": [{"type": "bind", "source": source, "target": "/x"}]});
            assert_eq!(service(mount), ["web volumes"], "{source}");
        }
        for (build, key) in [
            (json!({"context": "/home/student"}), "build.context"),
            (json!({"context": "https://example.org/x.git"}), "build.context"),
            (json!({"context": ROOT, "dockerfile": "../Dockerfile"}), "build.dockerfile"),
            (json!({"context": ROOT, "additional_contexts": {"a": "/etc"}}), "build.additional_contexts"),
            (json!({"context": ROOT, "network": "host"}), "build.network"),
            (json!({"context": ROOT, "entitlements": ["security.insecure"]}), "build.entitlements"),
            (json!({"context": ROOT, "cache_to": ["type=local,dest=/"]}), "build.cache_to"),
        ] {
            assert_eq!(service(json!({ "build": build })), [format!("web {key}")]);
        }
        let parts = json!({
            "volumes": {"v": {"driver_opts": {"type": "none", "o": "bind", "device": "/etc"}}, "w": {"driver": "sshfs"}},
            "secrets": {"s": {"file": "/etc/shadow"}},
            "networks": {"n": {"driver": "macvlan"}, "h": {"external": true, "name": "host"}},
            "models": {},
        });
        let seen = refused(parts);
        let expected = [
            "models",
            "networks.h driver",
            "networks.n driver",
            "secrets.s file",
            "volumes.v driver_opts.device",
            "volumes.w driver",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn more_than_a_lab_needs_is_refused() {
        let ports = json!([{"target": 80, "published": "1-101"}]);
        assert_eq!(refused(json!({"services": {"web": {"ports": ports}}})), ["ports"]);
        assert_eq!(service(json!({"deploy": {"replicas": 11}})), ["web deploy.replicas"]);
        let many: Map<String, Value> = (0..31).map(|n| (n.to_string(), json!({}))).collect();
        assert_eq!(refused(json!({ "services": many })), ["services"]);
        assert_eq!(refused(json!(null)), [""; 0]);
    }
}
