//! The student's Docker world as a picture: what is there, what a lab asks for and is not, and who was seen to reach
//! whom. Plain data without a place on the paper: where things are drawn is the renderer's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evidence::inventory::{End, MoreOfOne, Mount, MountKind};

/// What there is to draw.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Picture {
    /// Containers, by name.
    pub containers: Vec<Container>,
    /// Networks, by name.
    pub networks: Vec<Network>,
    /// Volumes and folders of the machine that are mounted, by name.
    pub stores: Vec<Store>,
    /// Ports of the machine, by number.
    pub ports: Vec<Port>,
    /// Who was seen to reach whom, or not to.
    pub reaches: Vec<Reach>,
    /// How many more there are of each that are not drawn.
    #[serde(default, skip_serializing_if = "More::is_none")]
    pub more: More,
}

/// How many things there are beyond those that are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct More {
    /// Containers.
    pub containers: usize,
    /// Networks.
    pub networks: usize,
    /// Volumes and folders of the machine.
    pub volumes: usize,
    /// Ports of the machine.
    pub ports: usize,
    /// Reaches.
    pub reaches: usize,
}

impl More {
    /// Whether everything is drawn.
    pub fn is_none(&self) -> bool {
        *self == More::default()
    }
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Container {
    /// Its exact name, or the one it is asked for by.
    pub name: String,
    /// The compose service it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The image as its creator named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `running`, `exited`, …; none when a lab asks for it and it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Whether it is up: running, paused or being restarted.
    pub up: bool,
    /// The networks it is attached to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<End>,
    /// What is mounted in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// How many more networks, ports and mounts it has, of which nothing is known.
    #[serde(default, skip_serializing_if = "MoreOfOne::is_none")]
    pub more: MoreOfOne,
    /// The checks that are about it, by address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Network {
    /// Its exact name, or the one it is asked for by.
    pub name: String,
    /// Whether a lab asks for it and it is not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// `bridge`, `host`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Whether it is cut off from everything outside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub internal: bool,
    /// Its subnets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
    /// The checks that are about it, by address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
}

/// A place where data stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Store {
    /// The volume's exact name, or the one it is asked for by; the folder's path.
    pub name: String,
    /// Whether it is a volume or a folder of the machine.
    pub kind: MountKind,
    /// Whether a lab asks for it and it is not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// The checks that are about it, by address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
}

/// A port of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The containers that publish it, and which port of theirs it is; none when nobody does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leads_to: Vec<Inside>,
    /// Whether it is bound to the machine's loopback only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub loopback: bool,
    /// Whether a container may publish it that is none of those that are known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
    /// The checks that are about it, by address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Inside {
    /// The container, by its exact name.
    pub container: String,
    /// Its own port.
    pub port: u16,
}

/// That somebody tried to reach something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reach {
    /// From where.
    pub from: Spot,
    /// Whom.
    pub to: Spot,
    /// At which TCP port of theirs.
    pub port: u16,
    /// `connected`, `refused`, `timed_out`, …; none when it could not be observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// The checks that rest on it, by address; none where it is only what another one leans on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
}

impl Reach {
    /// Whether it came about.
    pub fn connected(&self) -> bool {
        self.connection.as_deref() == Some("connected")
    }
}

/// One end of a [`Reach`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Spot {
    /// Outside of the machine.
    Outside,
    /// The machine itself.
    Vm,
    /// A container of the picture, by name.
    Container(String),
    /// A network of the picture, by name.
    Network(String),
    /// A TCP port of the machine.
    Port(u16),
    /// Something that is not in the picture, by its address.
    Elsewhere(String),
}
