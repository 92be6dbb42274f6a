//! What the machine's Docker engine had when the looking ended: containers, networks, published ports, volumes. It is
//! there to be drawn; no verdict rests on it. Plain data, bounded in every direction, without a single value of an
//! environment variable.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many containers are kept; of more, those that are up come first.
pub const MANY_CONTAINERS: usize = 60;
/// How many networks are kept.
pub const MANY_NETWORKS: usize = 40;
/// How many volumes are kept; of more, those that are mounted come first.
pub const MANY_VOLUMES: usize = 60;
/// How many networks, ports and mounts of one container are kept, each.
pub const MANY_OF_ONE: usize = 12;
/// How many characters of a text are kept.
pub const LONG: usize = 200;

/// What a Docker engine had.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// Its containers, by name; labrun's own are none of them.
    pub containers: Vec<Container>,
    /// Its networks, by name.
    pub networks: Vec<Network>,
    /// Its volumes, by name.
    pub volumes: Vec<Volume>,
    /// How many more there were of each, which were not kept.
    #[serde(default, skip_serializing_if = "More::is_none")]
    pub more: More,
}

impl Inventory {
    /// The same within the bounds that labrun keeps, whoever wrote it.
    pub fn bounded(mut self) -> Inventory {
        let over = cut(&mut self.containers, MANY_CONTAINERS);
        self.more.containers = self.more.containers.saturating_add(over);
        let over = cut(&mut self.networks, MANY_NETWORKS);
        self.more.networks = self.more.networks.saturating_add(over);
        let over = cut(&mut self.volumes, MANY_VOLUMES);
        self.more.volumes = self.more.volumes.saturating_add(over);
        let optional = |text: &mut Option<String>| text.iter_mut().for_each(shorten);
        for one in &mut self.containers {
            [&mut one.name, &mut one.state].into_iter().for_each(shorten);
            [&mut one.service, &mut one.image].into_iter().for_each(optional);
            let over = cut(&mut one.networks, MANY_OF_ONE);
            one.more.networks = one.more.networks.saturating_add(over);
            let over = cut(&mut one.ports, MANY_OF_ONE);
            one.more.ports = one.more.ports.saturating_add(over);
            let over = cut(&mut one.mounts, MANY_OF_ONE);
            one.more.mounts = one.more.mounts.saturating_add(over);
            for end in &mut one.networks {
                shorten(&mut end.network);
                optional(&mut end.address);
            }
            for port in &mut one.ports {
                cut(&mut port.host_ips, MANY_OF_ONE);
                port.host_ips.iter_mut().chain([&mut port.protocol]).for_each(shorten);
            }
            for mount in &mut one.mounts {
                shorten(&mut mount.destination);
                optional(&mut mount.source);
            }
        }
        for one in &mut self.networks {
            cut(&mut one.subnets, MANY_OF_ONE);
            cut(&mut one.gateways, MANY_OF_ONE);
            one.subnets.iter_mut().chain(&mut one.gateways).chain([&mut one.name]).for_each(shorten);
            [&mut one.label, &mut one.driver].into_iter().for_each(optional);
        }
        for one in &mut self.volumes {
            shorten(&mut one.name);
            optional(&mut one.label);
        }
        self
    }
}

/// Whether only the machine itself can reach an address.
pub fn is_loopback(ip: &str) -> bool {
    let ip = ip.trim_start_matches("::ffff:");
    ip == "::1" || ip.starts_with("127.")
}

/// Cuts a list, and says by how much.
fn cut<T>(list: &mut Vec<T>, most: usize) -> usize {
    let over = list.len().saturating_sub(most);
    list.truncate(most);
    over
}

fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(LONG) {
        text.truncate(end);
    }
}

/// How many things there were beyond those that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct More {
    /// Containers.
    pub containers: usize,
    /// Networks.
    pub networks: usize,
    /// Volumes.
    pub volumes: usize,
}

impl More {
    /// Whether everything was kept.
    pub fn is_none(&self) -> bool {
        *self == More::default()
    }
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Its exact name.
    pub name: String,
    /// The compose service it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The image as its creator named it, e.g. `postgres:14.1-alpine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub state: String,
    /// The networks it is attached to, by name; `host` is the machine's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<End>,
    /// The ports it publishes now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// What is mounted in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// How many more there were of each, which were not kept.
    #[serde(default, skip_serializing_if = "MoreOfOne::is_none")]
    pub more: MoreOfOne,
}

impl Container {
    /// Whether it is up: running, paused or being restarted.
    pub fn is_up(&self) -> bool {
        matches!(self.state.as_str(), "running" | "paused" | "restarting")
    }
}

/// How many things of one container there were beyond those that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoreOfOne {
    /// Networks it is attached to.
    pub networks: usize,
    /// Ports it publishes.
    pub ports: usize,
    /// What is mounted in it.
    pub mounts: usize,
}

impl MoreOfOne {
    /// Whether everything was kept.
    pub fn is_none(&self) -> bool {
        *self == MoreOfOne::default()
    }
}

/// A container's end of a network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The network's exact name.
    pub network: String,
    /// The container's IPv4 address there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// The port of the machine.
    pub host_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The port inside the container.
    pub container_port: u16,
    /// The addresses of the machine it is bound to; none where the engine names none, which means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_ips: Vec<String>,
}

/// Something mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where, as a clean absolute path.
    pub destination: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: MountKind,
    /// The volume's name, or the path on the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether the container may only read there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A volume.
    #[default]
    Volume,
    /// A file or folder of the machine.
    Bind,
    /// A file system in memory, or what else an engine has.
    Other,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its exact name.
    pub name: String,
    /// Compose's own name for it, without the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `bridge`, `host`, `overlay`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Whether it is cut off from everything outside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub internal: bool,
    /// Its subnets, as configured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
    /// The machine's own IPv4 addresses on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Its exact name.
    pub name: String,
    /// Compose's own name for it, without the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}
