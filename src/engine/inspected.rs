//! What the engine says of one container, boiled down to what probes report. Pure: an inspect answer in,
//! plain data out, whatever the engine's version; nothing here asks anything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use bollard::models::{
    ContainerConfig, ContainerInspectResponse, ContainerState as State, HostConfig, MountPoint, PortMap,
};
use jiff::Timestamp;
use serde::Serialize;

/// A container, as one inspect describes it. Values of environment variables are left behind here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ContainerState {
    /// The engine's id, 64 hex digits.
    pub id: String,
    /// Its name, without the leading slash.
    pub name: String,
    /// The compose service it runs.
    pub service: Option<String>,
    /// The image as its creator named it, e.g. `postgres:14.1-alpine`.
    pub image: Option<String>,
    /// What its first process is told to be: the program and its arguments, entrypoint and command together.
    pub command: Vec<String>,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub status: String,
    /// Whether its process is alive: running, or paused and therefore silent.
    pub running: bool,
    /// Its first process, by the number the machine gives it; none while it does not run.
    pub pid: Option<u32>,
    /// The exit code of its last end.
    pub exit_code: Option<i64>,
    /// Why the engine could not start it.
    pub error: Option<String>,
    /// Whether the kernel ended it for want of memory.
    pub oom_killed: Option<bool>,
    /// When it was created, RFC 3339 to the second.
    pub created: Option<String>,
    /// When it was last started.
    pub started_at: Option<String>,
    /// When it last ended.
    pub finished_at: Option<String>,
    /// [`ContainerState::started_at`] as a point in time, to the nanosecond.
    pub started: Option<Timestamp>,
    /// [`ContainerState::finished_at`] likewise.
    pub finished: Option<Timestamp>,
    /// How often its restart policy restarted it.
    pub restart_count: Option<i64>,
    /// `no`, `always`, `unless-stopped` or `on-failure`.
    pub restart_policy: Option<String>,
    /// The user it was asked to run as, as configured; none when nothing was said.
    pub user: Option<String>,
    /// The names of its environment variables, sorted.
    pub env_names: Vec<String>,
    /// `bridge`, `host`, `none`, `container:ID` or the name of a network.
    pub network_mode: String,
    /// The networks it is attached to.
    pub networks: BTreeMap<String, Attachment>,
    /// Ports published now, while it runs.
    pub ports: Vec<Published>,
    /// Ports it is configured to publish whenever it runs.
    pub configured_ports: Vec<Published>,
    /// Whether it publishes every exposed port (`-P`).
    pub publish_all: bool,
    /// What is mounted in it, in-memory file systems included.
    pub mounts: Vec<Mounted>,
    /// Whether it is removed when it ends (`--rm`).
    pub auto_remove: Option<bool>,
}

/// A container's place on one network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Attachment {
    /// Its IPv4 address there.
    pub address: Option<String>,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Published {
    /// The port inside the container.
    pub container_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The address of the machine it is bound to; none when any.
    pub host_ip: Option<String>,
    /// The port of the machine; none when the engine is to choose.
    pub host_port: Option<u16>,
}

/// Something mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct Mounted {
    /// Where, as a clean absolute path.
    pub destination: String,
    /// `volume`, `bind`, `tmpfs`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The volume's name.
    pub name: Option<String>,
    /// The path on the machine.
    pub source: Option<String>,
    /// Whether the container may write there.
    pub writable: bool,
    /// Whether it is a volume that nobody named, which a new container will not find again.
    pub anonymous: bool,
    /// Whether its destination was written without a leading slash, as a volume's name put in its place is.
    #[serde(skip)]
    pub misplaced: bool,
    /// The path within the volume that is mounted, where it is not the whole: clean, and absolute there.
    #[serde(skip)]
    pub subpath: Option<String>,
}

impl ContainerState {
    /// Boils an inspect answer down.
    pub fn of(inspect: ContainerInspectResponse) -> ContainerState {
        let state = inspect.state.unwrap_or_default();
        let config = inspect.config.unwrap_or_default();
        let host = inspect.host_config.unwrap_or_default();
        let settings = inspect.network_settings.unwrap_or_default();
        let label = |name: &str| config.labels.as_ref().and_then(|labels| labels.get(name)).cloned();
        let of_compose = label("com.docker.compose.project").is_some();
        let mounts = mounts(inspect.mounts.unwrap_or_default(), &host, of_compose);
        let status = status(&state);
        let networks = settings.networks.unwrap_or_default().into_iter();
        ContainerState {
            id: inspect.id.unwrap_or_default(),
            name: inspect.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            service: label("com.docker.compose.service"),
            command: filled(inspect.path).into_iter().chain(inspect.args.unwrap_or_default()).collect(),
            running: matches!(status.as_str(), "running" | "paused"),
            status,
            pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
            exit_code: state.exit_code,
            error: filled(state.error),
            oom_killed: state.oom_killed,
            created: inspect.created.as_deref().and_then(to_the_second),
            started_at: state.started_at.as_deref().and_then(to_the_second),
            finished_at: state.finished_at.as_deref().and_then(to_the_second),
            started: state.started_at.as_deref().and_then(moment),
            finished: state.finished_at.as_deref().and_then(moment),
            restart_count: inspect.restart_count,
            restart_policy: restart_policy(&host),
            user: filled(config.user.clone()),
            env_names: env_names(&config),
            network_mode: match host.network_mode.as_deref().unwrap_or_default() {
                // 20.10 repeats `--network default` as written, later engines say what it means.
                "default" | "" => "bridge".to_owned(),
                mode => mode.to_owned(),
            },
            networks: networks.map(|(name, end)| (name, Attachment { address: filled(end.ip_address) })).collect(),
            ports: published(settings.ports.unwrap_or_default()),
            configured_ports: published(host.port_bindings.unwrap_or_default()),
            publish_all: host.publish_all_ports.unwrap_or_default(),
            mounts,
            auto_remove: host.auto_remove,
            image: filled(config.image),
        }
    }

    /// The IPv4 address to dial it at: the default bridge's if it has one, else that of the first network by name.
    pub fn address(&self) -> Option<String> {
        self.address_near(&[])
    }

    /// The IPv4 address to dial it at from where `near`, networks by name, are at hand: that on the first of them it
    /// shares, else its usual one.
    pub fn address_near(&self, near: &[&str]) -> Option<String> {
        let shared = near.iter().copied().chain(["bridge"]).filter_map(|name| self.networks.get(name));
        let mut ends = shared.chain(self.networks.values());
        ends.find_map(|end| end.address.clone().filter(|address| address.parse::<Ipv4Addr>().is_ok()))
    }
}

/// The state's word; derived from the flags where an engine leaves the word out.
fn status(state: &State) -> String {
    let word = state.status.map(|status| status.to_string()).unwrap_or_default();
    match (word.is_empty(), state.running) {
        (false, _) => word,
        (true, Some(true)) => "running".to_owned(),
        (true, _) => "exited".to_owned(),
    }
}

fn restart_policy(host: &HostConfig) -> Option<String> {
    let name = host.restart_policy.as_ref()?.name?.to_string();
    Some(if name.is_empty() { "no".to_owned() } else { name })
}

fn env_names(config: &ContainerConfig) -> Vec<String> {
    let pairs = config.env.iter().flatten();
    let names: BTreeSet<&str> = pairs.map(|pair| pair.split('=').next().unwrap_or_default()).collect();
    names.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn published(ports: PortMap) -> Vec<Published> {
    let mut all = Vec::new();
    for (port, bindings) in ports {
        let (number, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
        let Ok(container_port) = number.parse() else { continue };
        for binding in bindings.into_iter().flatten() {
            all.push(Published {
                container_port,
                protocol: protocol.to_owned(),
                host_ip: filled(binding.host_ip),
                host_port: binding.host_port.and_then(|port| port.parse().ok()).filter(|port| *port > 0),
            });
        }
    }
    all.sort();
    all.dedup();
    all
}

/// `--tmpfs` shows in the host configuration only, `--mount type=tmpfs` among the mounts: both are one list here.
fn mounts(points: Vec<MountPoint>, host: &HostConfig, by_compose: bool) -> Vec<Mounted> {
    let named = named_volumes(host);
    let mut all: Vec<Mounted> = points
        .into_iter()
        .map(|point| {
            let kind = point.typ.map(|kind| kind.to_string()).filter(|kind| !kind.is_empty());
            let name = filled(point.name);
            let written = point.destination.unwrap_or_default();
            let kind = kind.unwrap_or_else(|| if name.is_some() { "volume" } else { "bind" }.to_owned());
            let destination = clean_path(&written);
            let subpath = subpath(host, &destination).filter(|_| kind == "volume");
            // The engine names the whole volume as the source of a part of it.
            let source = filled(point.source).map(|source| match &subpath {
                Some(part) => clean_path(&format!("{source}/{part}")),
                None => source,
            });
            Mounted {
                destination,
                misplaced: !written.starts_with('/'),
                // Compose hands a service's old anonymous volumes to its new container by name, so there a name
                // in the configuration is nobody's choice.
                anonymous: kind == "volume"
                    && name
                        .as_deref()
                        .is_some_and(|name| is_generated_name(name) && (by_compose || !named.contains(name))),
                kind,
                name,
                source,
                writable: point.rw.unwrap_or(true),
                subpath,
            }
        })
        .collect();
    for (path, options) in host.tmpfs.iter().flatten() {
        let destination = clean_path(path);
        if all.iter().any(|mount| mount.kind == "tmpfs" && mount.destination == destination) {
            continue;
        }
        all.push(Mounted {
            destination,
            kind: "tmpfs".to_owned(),
            name: None,
            source: None,
            writable: !options.split(',').any(|option| option.trim() == "ro"),
            anonymous: false,
            misplaced: false,
            subpath: None,
        });
    }
    all.sort();
    all
}

/// The volumes that whoever made the container called by name.
fn named_volumes(host: &HostConfig) -> BTreeSet<&str> {
    let binds = host.binds.iter().flatten().filter_map(|bind| bind.split_once(':')).map(|(source, _)| source);
    let mounts = host.mounts.iter().flatten().filter_map(|mount| mount.source.as_deref());
    binds.chain(mounts).filter(|source| !source.is_empty()).collect()
}

/// The part of a volume that is asked to be mounted at `destination`, if not all of it.
fn subpath(host: &HostConfig, destination: &str) -> Option<String> {
    let at = |target: &str| clean_path(target) == destination;
    let mount = host.mounts.iter().flatten().find(|mount| mount.target.as_deref().is_some_and(at))?;
    let part = clean_path(mount.volume_options.as_ref()?.subpath.as_deref()?);
    Some(part).filter(|part| part != "/")
}

/// Whether a volume's name is one the engine makes up: 64 hex digits. Engine 20.10 marks its anonymous volumes in
/// no other way.
pub fn is_generated_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// An absolute path with neither empty nor `.` nor `..` parts. The engine keeps a destination as it was written
/// (`-v ams-vol` gives `ams-vol`) and mounts it below the root.
pub fn clean_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// An RFC 3339 time cut to its second, in UTC; none for the engine's zero time.
pub fn to_the_second(time: &str) -> Option<String> {
    Timestamp::from_second(moment(time)?.as_second()).ok().map(|time| time.to_string())
}

fn moment(time: &str) -> Option<Timestamp> {
    time.parse::<Timestamp>().ok().filter(|time| time.as_second() > 0)
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(inspect: Value) -> ContainerState {
        ContainerState::of(serde_json::from_value(inspect).unwrap())
    }

    /// What engine 26.1.5 says of the course's database, less what nobody asks for.
    fn ams() -> Value {
        json!({
            "Id": "3dcf1d14af7153d9b70a959b1cd3c46c2de2e2ba3d0a4f7316cf6e553edea32e",
            "Created": "2026-11-23T03:17:10.066310178Z",
            "State": {
                "Status": "running", "Running": true, "Paused": false, "Restarting": false, "OOMKilled": false,
                "Dead": false, "Pid": 1674, "ExitCode": 0, "Error": "",
                "StartedAt": "2026-11-23T03:17:10.350346335Z", "FinishedAt": "0001-01-01T00:00:00Z",
            },
            "Path": "docker-entrypoint.sh", "Args": ["postgres"],
            "Image": "sha256:8cfae34faa9ca49538719ce8da4b9e76b9fe4c6111743b91dff4235d4de610f4",
            "Name": "/ams",
            "RestartCount": 0,
            "HostConfig": {
                "Binds": ["ams-vol:/var/lib/postgresql/data"],
                "NetworkMode": "internal",
                "PortBindings": {
                    "5432/tcp": [{"HostIp": "", "HostPort": "5432"}, {"HostIp": "127.0.0.1", "HostPort": "5433"}],
                },
                "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
                "AutoRemove": false, "PublishAllPorts": false, "ConsoleSize": [0, 0], "Dns": [], "CapAdd": null,
            },
            "Mounts": [{
                "Type": "volume", "Name": "ams-vol", "Source": "/var/lib/docker/volumes/ams-vol/_data",
                "Destination": "/var/lib/postgresql/data", "Driver": "local", "Mode": "z", "RW": true,
                "Propagation": "",
            }],
            "Config": {
                "User": "", "ExposedPorts": {"5432/tcp": {}}, "Tty": false,
                "Env": ["POSTGRES_PASSWORD=pass=word", "PATH=/bin", "PATH=/sbin", "EMPTY=", "=odd"],
                "Cmd": ["postgres"], "Image": "postgres:14.1-alpine", "Volumes": {"/var/lib/postgresql/data": {}},
                "Labels": {"com.docker.compose.project": "p", "com.docker.compose.service": "db"},
            },
            "NetworkSettings": {
                "Ports": {
                    "5432/tcp": [
                        {"HostIp": "127.0.0.1", "HostPort": "5433"}, {"HostIp": "0.0.0.0", "HostPort": "5432"},
                    ],
                    "8080/tcp": null,
                },
                "Networks": {
                    "internal": {"IPAMConfig": null, "Gateway": "172.19.0.1", "IPAddress": "172.19.0.2", "DNSNames": ["ams"]},
                    "bridge": {"IPAMConfig": {}, "Gateway": "172.18.0.1", "IPAddress": "172.18.0.2", "DNSNames": null},
                },
            },
        })
    }

    #[test]
    fn a_container_on_several_networks_is_dialled_on_one_that_is_at_hand() {
        let end = |address: &str| Attachment { address: Some(address.to_owned()) };
        let networks = [("a", "10.1.0.2"), ("b", "10.2.0.2"), ("bridge", "172.17.0.2")];
        let networks = networks.map(|(name, address)| (name.to_owned(), end(address)));
        let state = ContainerState { networks: networks.into(), ..ContainerState::default() };
        for (near, address) in [(&["x", "b"][..], "10.2.0.2"), (&["x"], "172.17.0.2"), (&[], "172.17.0.2")] {
            assert_eq!(state.address_near(near).as_deref(), Some(address), "{near:?}");
        }
    }

    #[test]
    fn an_inspect_answer_is_boiled_down() {
        let state = of(ams());
        assert_eq!((state.name.as_str(), state.service.as_deref()), ("ams", Some("db")));
        assert_eq!((state.status.as_str(), state.running), ("running", true));
        assert_eq!(state.command, ["docker-entrypoint.sh", "postgres"]);
        assert_eq!(state.created.as_deref(), Some("2026-11-23T03:17:10Z"));
        assert_eq!((state.finished_at.as_deref(), state.user.as_deref(), state.error.as_deref()), (None, None, None));
        assert_eq!(state.started.map(|time| time.subsec_nanosecond()), Some(350346335));
        assert_eq!(state.restart_policy.as_deref(), Some("unless-stopped"));
        let published = |ip: Option<&str>, port| Published {
            container_port: 5432,
            protocol: "tcp".into(),
            host_ip: ip.map(str::to_owned),
            host_port: Some(port),
        };
        assert_eq!(state.ports, [published(Some("0.0.0.0"), 5432), published(Some("127.0.0.1"), 5433)]);
        assert_eq!(state.configured_ports, [published(None, 5432), published(Some("127.0.0.1"), 5433)]);
        assert_eq!(state.address().as_deref(), Some("172.18.0.2"));
        assert!(!state.mounts[0].anonymous && !state.mounts[0].misplaced);
    }

    /// What an engine of API 1.52 (29.0) says otherwise, as its version history tells: no engine of that age could be
    /// had to record it from.
    #[test]
    fn an_engine_that_leaves_out_what_is_deprecated_says_the_same() {
        let mut older = ams();
        let outdated = json!({"Bridge": "", "HairpinMode": false, "EndpointID": "5a3c", "Gateway": "172.18.0.1",
            "GlobalIPv6Address": "", "IPAddress": "172.18.0.9", "IPPrefixLen": 16, "IPv6Gateway": "", "MacAddress": "",
            "SecondaryIPAddresses": null, "LinkLocalIPv6PrefixLen": 0});
        older["NetworkSettings"].as_object_mut().unwrap().extend(outdated.as_object().unwrap().clone());
        older["Config"]["OnBuild"] = Value::Null;
        older["HostConfig"]["KernelMemoryTCP"] = json!(0);
        let mut newer = ams();
        newer["ImageManifestDescriptor"] = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": "sha256:8cfae34faa9ca49538719ce8da4b9e76b9fe4c6111743b91dff4235d4de610f4", "size": 1234,
            "platform": {"architecture": "amd64", "os": "linux"}});
        assert_eq!(of(newer), of(older));
    }

    #[test]
    fn of_the_environment_only_names_are_kept() {
        let state = of(ams());
        assert_eq!(state.env_names, ["EMPTY", "PATH", "POSTGRES_PASSWORD"]);
        assert!(!format!("{state:?}").contains("pass=word"));
    }

    #[test]
    fn a_stopped_container_keeps_what_it_is_configured_to_publish() {
        let mut inspect = ams();
        inspect["State"]["Status"] = json!("exited");
        inspect["NetworkSettings"] = json!({"Ports": {}, "Networks": {"bridge": {"IPAddress": ""}}});
        let state = of(inspect);
        assert!(!state.running && state.ports.is_empty() && state.configured_ports.len() == 2);
        assert_eq!(state.address(), None);
    }

    #[test]
    fn a_paused_container_lives_and_a_restarting_one_does_not() {
        for (status, running) in [("paused", true), ("restarting", false), ("created", false), ("dead", false)] {
            let mut inspect = ams();
            inspect["State"]["Status"] = json!(status);
            assert_eq!(of(inspect).running, running, "{status}");
        }
        assert_eq!(of(json!({"State": {"Running": true}})).status, "running");
    }

    #[test]
    fn the_default_network_has_one_name_on_every_engine() {
        for (said, meant) in [("default", "bridge"), ("bridge", "bridge"), ("host", "host"), ("p_net", "p_net")] {
            assert_eq!(of(json!({"HostConfig": {"NetworkMode": said}})).network_mode, meant);
        }
    }

    #[test]
    fn a_part_of_a_volume_is_not_the_whole() {
        // As engine 26.1.5 says it of `--mount type=volume,src=vv,dst=/y,volume-subpath=sub`.
        let state = of(json!({
            "Mounts": [{"Type": "volume", "Name": "vv", "Source": "/var/lib/docker/volumes/vv/_data",
                "Destination": "/y", "Driver": "local", "Mode": "z", "RW": true, "Propagation": ""}],
            "HostConfig": {"Mounts": [{"Type": "volume", "Source": "vv", "Target": "/y",
                "VolumeOptions": {"Subpath": "sub", "DriverConfig": {}}}]},
        }));
        let mount = &state.mounts[0];
        assert_eq!(mount.subpath.as_deref(), Some("/sub"));
        assert_eq!(mount.source.as_deref(), Some("/var/lib/docker/volumes/vv/_data/sub"));
        assert_eq!(of(ams()).mounts[0].subpath, None);
    }

    #[test]
    fn an_empty_or_odd_answer_is_no_reason_to_panic() {
        assert_eq!(of(json!({})).mounts, []);
        let state = of(json!({
            "Created": "yesterday",
            "State": {"StartedAt": "9999-99-99", "FinishedAt": ""},
            "Config": {"Env": null, "Labels": null},
            "HostConfig": {"PortBindings": {"x/tcp": [{}], "80": null, "99999/tcp": [{}], "53/udp": [{"HostPort": "8000-8010"}]}},
            "Mounts": [{}, {"Type": "volume", "Name": "\u{0}", "Destination": "../../x"}],
        }));
        assert_eq!((state.created, state.started_at), (None, None));
        assert_eq!(state.configured_ports.len(), 1);
        assert_eq!(state.configured_ports[0].host_port, None);
        assert_eq!(state.mounts.iter().map(|mount| mount.destination.as_str()).collect::<Vec<_>>(), ["/", "/x"]);
    }

    #[test]
    fn times_are_cut_to_the_second_in_utc() {
        assert_eq!(to_the_second("2026-11-23T05:17:10.9+02:00").as_deref(), Some("2026-11-23T03:17:10Z"));
        assert_eq!(to_the_second("0001-01-01T00:00:00Z"), None);
        assert_eq!(to_the_second("garbage"), None);
    }
}
