//! The engine's lists as what is recorded of them: sorted, bounded, without what nobody draws. Pure, but for asking for
//! the lists that this round has not asked for yet.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::{MountPoint, Network as ListedNetwork};
use futures_util::future::try_join3;

use crate::engine::{Engine, Listed, Published, VolumeState, clean_path, gateway};
use crate::evidence::Unobserved;
use crate::evidence::inventory::{
    Container, End, Inventory, LONG, MANY_CONTAINERS, MANY_NETWORKS, MANY_OF_ONE, MANY_VOLUMES, More, MoreOfOne, Mount,
    MountKind, Network, Port, Volume, is_loopback,
};
use crate::evidence::secrets::masked;

impl Engine<'_> {
    /// What there is, as this round sees it.
    pub async fn inventory(&self) -> Result<Inventory, Unobserved> {
        let (containers, networks, volumes) = try_join3(self.containers(), self.networks(), self.volumes()).await?;
        Ok(inventory(containers, networks, volumes))
    }
}

fn inventory(containers: &[Listed], networks: &[ListedNetwork], volumes: &[VolumeState]) -> Inventory {
    let mounted: BTreeSet<&str> =
        containers.iter().flat_map(|one| &one.volumes).map(|(name, ..)| name.as_str()).collect();
    let (containers, more_containers) = first(containers, MANY_CONTAINERS, |one| (!one.up, one.name.clone()));
    let (networks, more_networks) = first(networks, MANY_NETWORKS, |one| one.name.clone());
    let (volumes, more_volumes) =
        first(volumes, MANY_VOLUMES, |one| (!mounted.contains(one.name.as_str()), one.name.clone()));
    let mut inventory = Inventory {
        containers: containers.into_iter().map(container).collect(),
        networks: networks.into_iter().map(network).collect(),
        volumes: volumes.into_iter().map(volume).collect(),
        more: More { containers: more_containers, networks: more_networks, volumes: more_volumes },
    };
    inventory.containers.sort_by(|a, b| a.name.cmp(&b.name));
    inventory.volumes.sort_by(|a, b| a.name.cmp(&b.name));
    inventory
}

/// The first `most` of `all` in the order of `key`, and how many there are beyond them.
fn first<T, K: Ord>(all: &[T], most: usize, key: impl Fn(&T) -> K) -> (Vec<&T>, usize) {
    let mut sorted: Vec<&T> = all.iter().collect();
    sorted.sort_by_cached_key(|one| key(one));
    sorted.truncate(most);
    (sorted, all.len().saturating_sub(most))
}

fn container(listed: &Listed) -> Container {
    let ends = listed.networks.iter().take(MANY_OF_ONE);
    let (ports, more_ports) = ports(&listed.ports);
    let beyond = |n: usize| n.saturating_sub(MANY_OF_ONE);
    let mut mounts: Vec<&MountPoint> = listed.mounts.iter().collect();
    mounts.sort_by(|a, b| (&a.destination, &a.source).cmp(&(&b.destination, &b.source)));
    Container {
        name: short(&listed.name),
        service: listed.service.as_deref().map(short),
        image: Some(short(&listed.image)).filter(|image| !image.is_empty()),
        state: short(&listed.state),
        networks: ends
            .map(|(name, address)| End { network: short(name), address: address.as_deref().map(short) })
            .collect(),
        ports,
        more: MoreOfOne { networks: beyond(listed.networks.len()), ports: more_ports, mounts: beyond(mounts.len()) },
        mounts: mounts.into_iter().take(MANY_OF_ONE).map(mount).collect(),
    }
}

/// One entry for each port, whatever addresses it is bound to: an engine lists IPv4 and IPv6 apart. And how many there are
/// beyond those.
fn ports(published: &[Published]) -> (Vec<Port>, usize) {
    let mut ips: BTreeMap<(u16, &str, u16), BTreeSet<&str>> = BTreeMap::new();
    for one in published {
        let Some(host_port) = one.host_port else { continue };
        let of_this = ips.entry((host_port, &one.protocol, one.container_port)).or_default();
        of_this.extend(one.host_ip.as_deref());
    }
    let port = |((host_port, protocol, container_port), ips): ((u16, &str, u16), BTreeSet<&str>)| {
        let mut ips: Vec<&str> = ips.into_iter().collect();
        // Those that somebody outside could reach are kept first.
        ips.sort_by_key(|ip| is_loopback(ip));
        let host_ips = ips.into_iter().take(MANY_OF_ONE).map(short).collect();
        Port { host_port, protocol: short(protocol), container_port, host_ips }
    };
    let more = ips.len().saturating_sub(MANY_OF_ONE);
    (ips.into_iter().take(MANY_OF_ONE).map(port).collect(), more)
}

fn mount(point: &MountPoint) -> Mount {
    let name = point.name.as_deref().filter(|name| !name.is_empty());
    let path = point.source.as_deref().filter(|path| !path.is_empty());
    let kind = point.typ.as_deref().filter(|kind| !kind.is_empty());
    Mount {
        destination: short(&clean_path(point.destination.as_deref().unwrap_or_default())),
        kind: match kind {
            Some("volume") => MountKind::Volume,
            Some("bind") => MountKind::Bind,
            Some(_) => MountKind::Other,
            None if name.is_some() => MountKind::Volume,
            None => MountKind::Bind,
        },
        source: name.or(path).map(short),
        read_only: !point.rw.unwrap_or(true),
    }
}

fn network(listed: &ListedNetwork) -> Network {
    let ranges = || listed.ipam.iter().flat_map(|ipam| &ipam.config).flatten().take(MANY_OF_ONE);
    Network {
        name: short(listed.name.as_deref().unwrap_or_default()),
        label: listed
            .labels
            .as_ref()
            .and_then(|labels| labels.get("com.docker.compose.network"))
            .map(|name| short(name)),
        driver: listed.driver.as_deref().map(short),
        internal: listed.internal.unwrap_or_default(),
        subnets: ranges().filter_map(|range| range.subnet.as_deref()).map(short).collect(),
        gateways: ranges().filter_map(gateway).collect(),
    }
}

fn volume(listed: &VolumeState) -> Volume {
    let label = Some(listed.known_as()).filter(|name| *name != listed.name);
    Volume { name: short(&listed.name), label: label.map(short) }
}

/// The beginning of a text, without what looks like a secret.
fn short(text: &str) -> String {
    // Looking for secrets in a megabyte takes its time, and nearly all of it is cut anyway.
    let beginning: String = text.chars().take(4 * LONG).collect();
    masked(&beginning).chars().take(LONG).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::listed::listed;

    fn list(containers: serde_json::Value) -> Vec<Listed> {
        let summaries: Vec<_> = serde_json::from_value(containers).unwrap();
        summaries.into_iter().map(listed).collect()
    }

    /// What engine 26.1.5 lists of lab3's reference, less what nobody asks for.
    fn ams() -> serde_json::Value {
        json!({
            "Id": "3dcf", "Names": ["/ams"], "Image": "postgres:14.1-alpine", "State": "running",
            "Labels": {"com.docker.compose.service": "db"},
            "Ports": [
                {"IP": "::", "PrivatePort": 5432, "PublicPort": 5432, "Type": "tcp"},
                {"IP": "0.0.0.0", "PrivatePort": 5432, "PublicPort": 5432, "Type": "tcp"},
                {"PrivatePort": 8080, "Type": "tcp"},
            ],
            "HostConfig": {"NetworkMode": "internal"},
            "NetworkSettings": {"Networks": {
                "internal": {"IPAddress": "172.19.0.2"}, "bridge": {"IPAddress": ""},
            }},
            "Mounts": [
                {"Type": "bind", "Source": "/home/linux-user/web", "Destination": "/web/", "RW": false},
                {"Type": "volume", "Name": "ams-vol", "Source": "/var/lib/docker/volumes/ams-vol/_data",
                    "Destination": "/var/lib/postgresql/data", "RW": true},
            ],
        })
    }

    #[test]
    fn the_lists_are_boiled_down_to_what_is_drawn() {
        let networks: Vec<ListedNetwork> = serde_json::from_value(json!([{
            "Name": "p_internal", "Id": "x", "Driver": "bridge", "Internal": true,
            "IPAM": {"Config": [{"Subnet": "172.19.0.0/16", "Gateway": "172.19.0.1"}]},
            "Labels": {"com.docker.compose.network": "internal"},
        }]))
        .unwrap();
        let volumes = [VolumeState {
            name: "p_ams-vol".into(),
            labels: [("com.docker.compose.volume".to_owned(), "ams-vol".to_owned())].into(),
            options: [("device".to_owned(), "//server/share".to_owned())].into(),
            ..Default::default()
        }];
        let inventory = inventory(&list(json!([ams()])), &networks, &volumes);
        assert_eq!(
            serde_json::to_value(&inventory).unwrap(),
            json!({
                "containers": [{
                    "name": "ams", "service": "db", "image": "postgres:14.1-alpine", "state": "running",
                    "networks": [{"network": "bridge"}, {"network": "internal", "address": "172.19.0.2"}],
                    "ports": [{"host_port": 5432, "protocol": "tcp", "container_port": 5432,
                        "host_ips": ["0.0.0.0", "::"]}],
                    "mounts": [
                        {"destination": "/var/lib/postgresql/data", "type": "volume", "source": "ams-vol"},
                        {"destination": "/web", "type": "bind", "source": "/home/linux-user/web", "read_only": true},
                    ],
                }],
                "networks": [{"name": "p_internal", "label": "internal", "driver": "bridge", "internal": true,
                    "subnets": ["172.19.0.0/16"], "gateways": ["172.19.0.1"]}],
                "volumes": [{"name": "p_ams-vol", "label": "ams-vol"}],
            })
        );
    }

    #[test]
    fn of_many_addresses_of_one_port_those_that_are_not_the_loopback_are_kept_first() {
        let published = |ip: String| Published {
            container_port: 80,
            protocol: "tcp".into(),
            host_ip: Some(ip),
            host_port: Some(8080),
        };
        let own = (1..20).map(|n| published(format!("127.0.0.{n}")));
        let all: Vec<Published> = own.chain([published("192.168.0.7".into())]).collect();
        let (ports, more) = ports(&all);
        assert_eq!((ports.len(), ports[0].host_ips.len(), more), (1, MANY_OF_ONE, 0));
        assert_eq!(ports[0].host_ips[0], "192.168.0.7");
    }

    #[test]
    fn of_many_those_that_run_are_kept_in_order_and_the_rest_is_counted() {
        let one =
            |n: usize| json!({"Names": [format!("/c{n:03}")], "State": if n < 50 { "exited" } else { "running" }});
        let listed = list((0..100).rev().map(one).collect());
        let inventory = inventory(&listed, &[], &[]);
        let names: Vec<&str> = inventory.containers.iter().map(|one| one.name.as_str()).collect();
        assert_eq!((names.len(), names[0], names[9], names[10], names[59]), (60, "c000", "c009", "c050", "c099"));
        assert!(names.is_sorted());
        assert_eq!(inventory.more, More { containers: 40, networks: 0, volumes: 0 });
    }

    #[test]
    fn nothing_is_longer_than_it_may_be_and_no_secret_is_kept() {
        let long = "x".repeat(1 << 20);
        let many: serde_json::Map<String, serde_json::Value> =
            (0..20).map(|n| (format!("{n}{long}"), json!({"IPAddress": long}))).collect();
        let mut container = ams();
        container["Names"] = json!([format!("/{long}")]);
        container["Image"] = json!("registry://ana:hunter2@host/postgres");
        container["State"] = json!(null);
        container["NetworkSettings"]["Networks"] = json!(many);
        container["Mounts"] = json!(vec![json!({"Type": long, "Source": long, "Destination": long}); 20]);
        container["Ports"] =
            json!((1..1000).map(|n| json!({"PrivatePort": 1, "PublicPort": n, "Type": "tcp"})).collect::<Vec<_>>());
        let inventory = inventory(&list(json!([container])), &[], &[]);
        let more = inventory.containers[0].more;
        assert_eq!(more, MoreOfOne { networks: 8, ports: 987, mounts: 8 }, "what was left out is counted");
        let written = serde_json::to_string(&inventory).unwrap();
        assert!(written.len() < 20_000, "{}", written.len());
        assert!(!written.contains("hunter2"));
    }
}
