//! What a path in a container lies on, and with it whether what is written there outlives the container.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::{Change, ContainerState, Mounted, Resolution, VolumeState, clean_path};
use crate::evidence::{Facts, Unobserved};
use crate::probe::{Again, Context, FOUND_WORDS, Probe, Sheet, Thing, quote, quote_container};

/// How many mounts elsewhere are reported.
const MANY: usize = 100;

/// How much of the machine's table of mounts is read, in bytes.
const MOUNTINFO: usize = 1 << 20;

/// Looks at what a path in a container lies on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// A compose service (while it runs) or the exact name of a container.
    pub container: String,
    /// An absolute path in the container, e.g. what PostgreSQL calls its data directory.
    pub path: String,
}

#[async_trait]
impl Probe for Mount {
    const NAME: &'static str = "mount";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("found", "`one`, `none`, or `several` when more than one container answers to the name"),
        ("names", "the exact names of those that answer to the name"),
        ("kind", "`volume`, `bind`, `tmpfs`, `image`, or `layer` when the path is the container's own"),
        ("volume", "the exact name of the volume, or null"),
        ("volume_as", "the name its users know (compose's, without the project), or null"),
        ("anonymous", "whether it is a volume that nobody named: a new container will not find it again"),
        ("source", "the path on the machine, or null"),
        ("destination", "where in the container the mount begins, or null"),
        ("writable", "whether the container may write there; null for its own layer"),
        ("volatile", "whether it lives in memory"),
        ("outlives_container", "whether a new container made in the same way finds what was written there"),
        (
            "named_elsewhere",
            "volumes mounted elsewhere in the same container that have a name, or a destination that looks like one \
             (`-v ams-vol`; their name is null): a list of {name, destination}",
        ),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[FOUND_WORDS, ("kind", &["volume", "bind", "tmpfs", "image", "layer"])];
    const MOVED_BY: &'static [Change] = Change::OUTSIDE;
    const AGAIN: Again = Again::Seldom;

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Container(self.container.clone())]
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let found = cx.engine.container(&self.container).await?;
        let has_volume = matches!(&found, Resolution::One(state) if state.mounts.iter().any(is_volume));
        let volumes = if has_volume { cx.engine.volumes().await? } else { &[] };
        let mut facts = facts(&found, &self.path, volumes);
        // Docker says where on the machine it is; only the machine's kernel knows what that lies on.
        if let Some(source) = facts.get("source").and_then(Value::as_str) {
            let table = cx.vm.read_file("/proc/self/mountinfo", MOUNTINFO).await;
            let disks = cx.vm.disks_in_memory();
            if table.is_ok_and(|table| lies_in_memory(&String::from_utf8_lossy(&table.bytes), source, disks)) {
                facts.insert("volatile".to_owned(), json!(true));
                facts.insert("outlives_container".to_owned(), json!(false));
            }
        }
        Ok(facts)
    }

    fn command(&self) -> String {
        let path = clean_path(&self.path);
        format!(
            "docker inspect -f '{{{{json .Mounts}}}} {{{{json .HostConfig.Tmpfs}}}}' {name}; \
             docker exec {name} df {}",
            quote(&path),
            name = quote_container(&self.container),
        )
    }
}

fn is_volume(mount: &Mounted) -> bool {
    mount.kind == "volume"
}

fn facts(found: &Resolution<Arc<ContainerState>>, path: &str, volumes: &[VolumeState]) -> Facts {
    let mut sheet = Sheet::default();
    sheet.found(found, |state| &state.name, MANY);
    let Resolution::One(state) = found else { return sheet.done() };

    let known = |mount: &Mounted| volumes.iter().find(|volume| Some(&volume.name) == mount.name.as_ref());
    let known_as = |mount: &Mounted| known(mount).map(|volume| volume.known_as().to_owned()).or(mount.name.clone());
    let anonymous = |mount: &Mounted| mount.anonymous && is_volume(mount);

    let under = covering(&state.mounts, path);
    let volume = under.filter(|mount| is_volume(mount));
    let volatile = under.is_some_and(|mount| match mount.kind.as_str() {
        "tmpfs" => true,
        "volume" => known(mount).is_some_and(VolumeState::is_volatile),
        _ => false,
    });
    let keeps = |mount: &Mounted| matches!(mount.kind.as_str(), "volume" | "bind") && !anonymous(mount);
    sheet.fact("kind", under.map_or("layer", |mount| &mount.kind));
    sheet.text("volume", volume.and_then(|mount| mount.name.as_deref()), 500);
    sheet.text("volume_as", volume.and_then(known_as).as_deref(), 500);
    sheet.fact("anonymous", under.is_some_and(anonymous));
    sheet.text("source", under.and_then(|mount| mount.source.as_deref()), 4096);
    sheet.text("destination", under.map(|mount| mount.destination.as_str()), 4096);
    sheet.fact("writable", under.map(|mount| mount.writable));
    sheet.fact("volatile", volatile);
    sheet.fact("outlives_container", under.is_some_and(|mount| keeps(mount) && mount.writable) && !volatile);
    let elsewhere = state.mounts.iter().filter(|mount| {
        let meant = !anonymous(mount) || mount.misplaced;
        is_volume(mount) && meant && under.is_none_or(|under| under.destination != mount.destination)
    });
    let elsewhere = elsewhere.map(|mount| {
        let name = known_as(mount).filter(|_| !anonymous(mount));
        json!({"name": name, "destination": mount.destination})
    });
    sheet.list("named_elsewhere", elsewhere, MANY);
    sheet.done()
}

/// The mount that `path` lies on: of those at the path or above it, the deepest. A mount further up is shadowed by
/// it, however right that one may look.
pub fn covering<'m>(mounts: &'m [Mounted], path: &str) -> Option<&'m Mounted> {
    let path = clean_path(path);
    let covers = |mount: &&Mounted| match path.strip_prefix(mount.destination.trim_end_matches('/')) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    };
    mounts.iter().filter(covers).max_by_key(|mount| mount.destination.trim_end_matches('/').len())
}

/// Whether a path of the machine lies on a file system in memory, by the text of `/proc/self/mountinfo` (proc(5)):
/// the fifth field is where something is mounted, the first after ` - ` is its type. Of mounts that cover the path
/// the deepest counts, of several at one place the last. What is mounted at one of `disks` stands for a disk.
fn lies_in_memory(mountinfo: &str, path: &str, disks: &[&str]) -> bool {
    let path = clean_path(path);
    let mounts = mountinfo.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?.replace("\\040", " ");
        Some((clean_path(&point), kind.split(' ').next()?.to_owned()))
    });
    let covers = |point: &str| {
        point == "/" || path.strip_prefix(point).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let deepest = mounts.filter(|(point, _)| covers(point)).max_by_key(|(point, _)| point.len());
    deepest.is_some_and(|(point, kind)| matches!(kind.as_str(), "tmpfs" | "ramfs") && !disks.contains(&point.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = "/var/lib/postgresql/data";
    const HEX: &str = "d5abf53a2ba0a2b670a832adc5cd2e78f16d3daf17c86eee403281ce539a7990";
    const HEX2: &str = "ea4008a0bdbd2cf6311a62c5ceaa874534599fcd291db99f8615d152594ccaa3";

    /// A container whose inspect answer says this of its mounts, as engines 20.10 and 26.1 both do.
    fn container(mounts: Value, host: Value, labels: Value) -> Resolution<Arc<ContainerState>> {
        let inspect = json!({
            "Id": HEX, "Name": "/ams", "Mounts": mounts, "HostConfig": host, "Config": {"Labels": labels},
        });
        Resolution::One(Arc::new(ContainerState::of(serde_json::from_value(inspect).unwrap())))
    }

    fn volume(name: &str, destination: &str) -> Value {
        let source = format!("/var/lib/docker/volumes/{name}/_data");
        json!({
            "Type": "volume", "Name": name, "Source": source, "Destination": destination, "Driver": "local",
            "Mode": "z", "RW": true, "Propagation": "",
        })
    }

    fn known(name: &str, options: &[(&str, &str)], labels: &[(&str, &str)]) -> VolumeState {
        let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        VolumeState { name: name.into(), options: owned(options), labels: owned(labels), ..Default::default() }
    }

    fn seen(mounts: Value, host: Value, path: &str) -> Facts {
        facts(&container(mounts, host, json!({})), path, &[known("ams-vol", &[], &[])])
    }

    #[test]
    fn the_nine_ways_to_keep_or_lose_a_database_are_told_apart() {
        let bound = |at: &str| json!({"Binds": [format!("ams-vol:{at}")], "Tmpfs": null, "Mounts": null});
        let unbound = json!({"Binds": null, "Tmpfs": null});
        let bind = json!([{"Type": "bind", "Source": "/home/me/db", "Destination": DATA, "Mode": "", "RW": true}]);
        let named = json!([volume("ams-vol", DATA)]);
        let at = |destination: &str| json!([{"name": "ams-vol", "destination": destination}]);
        let pgdata = format!("{DATA}/pgdata");
        let ways = [
            ("no -v", json!([volume(HEX, DATA)]), unbound.clone(), DATA, "volume", true, false, json!([])),
            (
                "-v ams-vol",
                json!([volume(HEX2, "ams-vol"), volume(HEX, DATA)]),
                unbound.clone(),
                DATA,
                "volume",
                true,
                false,
                json!([{"name": null, "destination": "/ams-vol"}]),
            ),
            (
                "beside",
                json!([volume("ams-vol", "/ams-vol"), volume(HEX, DATA)]),
                bound("/ams-vol"),
                DATA,
                "volume",
                true,
                false,
                at("/ams-vol"),
            ),
            (
                "the parent",
                json!([volume("ams-vol", "/var/lib/postgresql"), volume(HEX, DATA)]),
                bound("/var/lib/postgresql"),
                DATA,
                "volume",
                true,
                false,
                at("/var/lib/postgresql"),
            ),
            ("right", named.clone(), bound(DATA), DATA, "volume", false, true, json!([])),
            ("bind", bind, json!({"Binds": [format!("/home/me/db:{DATA}")]}), DATA, "bind", false, true, json!([])),
            ("PGDATA below", named.clone(), bound(DATA), &pgdata, "volume", false, true, json!([])),
            ("PGDATA elsewhere", named, bound(DATA), "/pgdata", "layer", false, false, at(DATA)),
            ("tmpfs", json!([]), json!({"Binds": null, "Tmpfs": {DATA: ""}}), DATA, "tmpfs", false, false, json!([])),
        ];
        for (way, mounts, host, path, kind, anonymous, outlives, elsewhere) in ways {
            let facts = seen(mounts, host, path);
            assert_eq!(facts["kind"], kind, "{way}");
            assert_eq!(facts["anonymous"], anonymous, "{way}");
            assert_eq!(facts["outlives_container"], outlives, "{way}");
            assert_eq!(facts["named_elsewhere"], elsewhere, "{way}");
        }
    }

    #[test]
    fn what_is_in_memory_or_read_only_does_not_keep_anything() {
        let host = json!({"Binds": [format!("ams-vol:{DATA}")]});
        let mounts = json!([volume("ams-vol", DATA)]);
        let found = container(mounts.clone(), host.clone(), json!({}));
        let facts = facts(&found, DATA, &[known("ams-vol", &[("type", "tmpfs"), ("device", "tmpfs")], &[])]);
        assert_eq!((&facts["volatile"], &facts["outlives_container"]), (&json!(true), &json!(false)));
        let mut read_only = mounts;
        read_only[0]["RW"] = json!(false);
        let facts = seen(read_only, host, DATA);
        assert_eq!((&facts["writable"], &facts["outlives_container"]), (&json!(false), &json!(false)));
        let tmpfs = json!([{"Type": "tmpfs", "Source": "", "Destination": DATA, "Mode": "", "RW": true}]);
        assert_eq!(seen(tmpfs, json!({}), DATA)["kind"], "tmpfs");
    }

    #[test]
    fn the_kernel_knows_what_lies_in_memory() {
        let table = "22 1 8:1 / / rw - ext4 /dev/vda rw\n\
                     30 22 0:25 / /mnt/my\\040ram rw,nosuid - tmpfs tmpfs rw\n\
                     31 22 0:26 / /run rw shared:5 - tmpfs tmpfs rw\n\
                     32 31 8:2 / /run/disk rw - ext4 /dev/vdb rw\nnonsense\n - \n";
        for (path, volatile) in [
            ("/srv/data", false),
            ("/mnt/my ram/pg", true),
            ("/run/x", true),
            ("/runner/x", false),
            ("/run/disk/x", false),
            ("/srv/../run", true),
        ] {
            assert_eq!(lies_in_memory(table, path, &[]), volatile, "{path}");
        }
        assert!(!lies_in_memory("", "/x", &[]));
        // A sandbox's disk is memory, and no student's doing; what lies in memory on it is.
        assert!(
            !lies_in_memory(table, "/run/x", &["/run"]) && lies_in_memory(table, "/mnt/my ram/x", &["/run", "/mnt"])
        );
    }

    #[test]
    fn compose_volumes_have_the_name_users_know_and_its_anonymous_ones_stay_anonymous() {
        let labels = json!({"com.docker.compose.project": "p", "com.docker.compose.service": "ams"});
        let volumes = [known("p_ams-vol", &[], &[("com.docker.compose.volume", "ams-vol")])];
        let found = container(json!([volume("p_ams-vol", DATA)]), json!({"Binds": ["p_ams-vol:/x"]}), labels.clone());
        let kept = facts(&found, DATA, &volumes);
        assert_eq!((&kept["volume"], &kept["volume_as"]), (&json!("p_ams-vol"), &json!("ams-vol")));
        // `up --force-recreate` names the old anonymous volume to the new container.
        let host = json!({"Binds": [format!("{HEX}:{DATA}:rw")]});
        let found = container(json!([volume(HEX, DATA)]), host.clone(), labels);
        assert_eq!(facts(&found, DATA, &volumes)["anonymous"], true);
        // By hand, a name is a choice, however it looks.
        let found = container(json!([volume(HEX, DATA)]), host, json!({}));
        assert_eq!(facts(&found, DATA, &volumes)["anonymous"], false);
    }

    #[test]
    fn the_deepest_mount_by_whole_parts_of_the_path_covers_it() {
        let mounts: Vec<Mounted> = ["/", "/var/lib", "/var/lib/post", "/data"]
            .map(|destination| Mounted { destination: destination.into(), kind: "bind".into(), ..Default::default() })
            .into();
        for (path, at) in [
            ("/var/lib/postgresql", "/var/lib"),
            ("/var/lib/post/", "/var/lib/post"),
            ("//var//lib/./post/x", "/var/lib/post"),
            ("/var/lib/post/../x", "/var/lib"),
            ("/database", "/"),
            ("data/x", "/data"),
            ("/../../data", "/data"),
        ] {
            assert_eq!(covering(&mounts, path).map(|mount| mount.destination.as_str()), Some(at), "{path}");
        }
        assert_eq!(covering(&mounts[1..], "/home"), None);
    }

    #[test]
    fn without_one_container_there_is_only_who_answers() {
        let facts = facts(&Resolution::Several(vec!["a".into(), "b".into()]), DATA, &[]);
        assert_eq!(Value::Object(facts), json!({"found": "several", "names": ["a", "b"], "truncated": []}));
    }

    #[test]
    fn every_fact_of_the_contract_is_there() {
        let facts = seen(json!([volume("ams-vol", DATA)]), json!({}), DATA);
        let mut names: Vec<&str> = Mount::FACTS.iter().map(|(name, _)| *name).collect();
        names.sort();
        assert_eq!(facts.keys().collect::<Vec<_>>(), names);
    }
}
