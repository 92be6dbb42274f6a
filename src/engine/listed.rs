//! A container as the engine's list shows it, boiled down. Pure.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerSummary, MountPoint};

use crate::engine::{Published, clean_path};

/// A container as the engine's list shows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listed {
    /// The engine's id.
    pub id: String,
    /// Its name, without the leading slash.
    pub name: String,
    /// The compose service it runs; none for one-off containers (`compose run`).
    pub service: Option<String>,
    /// What compose says it was made from.
    pub compose: Option<ComposeLabels>,
    /// Its image, as the engine names it.
    pub image: String,
    /// `running`, `exited`, …
    pub state: String,
    /// Whether it is up: running, paused or being restarted.
    pub up: bool,
    /// The networks it is attached to, each with its IPv4 address there.
    pub networks: BTreeMap<String, Option<String>>,
    /// Everything mounted in it, as the engine lists it.
    pub mounts: Vec<MountPoint>,
    /// The volumes mounted in it: name, destination, writable.
    pub volumes: Vec<(String, String, bool)>,
    /// The ports it publishes now.
    pub ports: Vec<Published>,
}

/// What a container made by compose says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComposeLabels {
    /// The project's name.
    pub project: String,
    /// The project's folder.
    pub working_dir: String,
    /// Its files, separated by commas: v2 writes absolute paths, v1 what it was called with.
    pub config_files: String,
}

/// Boils one entry of the engine's list down.
pub fn listed(summary: ContainerSummary) -> Listed {
    let labels = summary.labels.unwrap_or_default();
    let oneoff = labels.get("com.docker.compose.oneoff").is_some_and(|value| value == "True");
    let state = summary.state.map(|state| state.to_string()).unwrap_or_default();
    // Names of old-style links hold a second slash; the container's own does not.
    let names = summary.names.unwrap_or_default();
    let own = names.iter().map(|name| name.trim_start_matches('/')).find(|name| !name.contains('/'));
    let mut ports: Vec<Published> = summary
        .ports
        .unwrap_or_default()
        .into_iter()
        .filter(|port| port.public_port.is_some())
        .map(|port| Published {
            container_port: port.private_port,
            protocol: port.typ.map(|kind| kind.to_string()).filter(|kind| !kind.is_empty()).unwrap_or("tcp".into()),
            host_ip: port.ip.filter(|ip| !ip.is_empty()),
            host_port: port.public_port,
        })
        .collect();
    ports.sort();
    let mounts = summary.mounts.unwrap_or_default();
    let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let address = |address: Option<String>| address.filter(|address| !address.is_empty());
    Listed {
        name: own.unwrap_or_default().to_owned(),
        service: labels.get("com.docker.compose.service").filter(|_| !oneoff).cloned(),
        compose: compose_labels(&labels),
        up: matches!(state.as_str(), "running" | "paused" | "restarting"),
        image: summary.image.unwrap_or_default(),
        networks: networks.into_iter().map(|(name, end)| (name, address(end.ip_address))).collect(),
        volumes: mounts
            .iter()
            .filter_map(|mount| {
                let destination = clean_path(mount.destination.as_deref().unwrap_or_default());
                Some((mount.name.clone().filter(|name| !name.is_empty())?, destination, mount.rw.unwrap_or(true)))
            })
            .collect(),
        mounts,
        ports,
        state,
        id: summary.id.unwrap_or_default(),
    }
}

fn compose_labels(labels: &HashMap<String, String>) -> Option<ComposeLabels> {
    let label = |name: &str| labels.get(&format!("com.docker.compose.project{name}")).cloned();
    Some(ComposeLabels {
        project: label("")?,
        working_dir: label(".working_dir")?,
        config_files: label(".config_files").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_one_off_container_is_not_the_service_it_was_made_from() {
        let summary = json!({
            "Id": "x", "Names": ["/other/alias", "/p-ams-run-1"], "State": "running",
            "Labels": {"com.docker.compose.service": "ams", "com.docker.compose.oneoff": "True"},
        });
        let listed = listed(serde_json::from_value(summary).unwrap());
        assert_eq!((listed.name.as_str(), &listed.service), ("p-ams-run-1", &None));
    }
}
