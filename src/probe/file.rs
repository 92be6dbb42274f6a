//! What lies at a path of the VM, or in a container: its owner, its mode, where it leads and what it lies on.
//! In a container the engine is asked, who sees it without root and whether it runs or not.

mod archive;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::engine::{ContainerState, Mounted, PathStat, Resolution, VolumeState, clean_path};
use crate::evidence::{Cause, Facts, Unobserved};
use crate::probe::inside::{self, Lost};
use crate::probe::mount::covering;
use crate::probe::{Context, FOUND_WORDS, Probe, Sheet, Thing, quote, quote_container};
use crate::vm::{FileError, Resolved};

/// How many names of those that answer to a name are reported.
const MANY: usize = 200;

/// How long a path may be, in bytes, and how many parts it may have: each is one question to the engine.
const LONG: usize = 4096;
const PARTS: usize = 40;

/// How large a file may be for its content to be compared.
const CONTENT: usize = 1 << 20;

/// What the engine does not see of a container, beside every tmpfs: the kernel's own file systems.
const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];

/// Looks at what lies at a path.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The path, absolute.
    pub path: String,
    /// A compose service (while it runs) or the exact name of a container; the VM itself where none is named.
    pub container: Option<String>,
}

#[async_trait]
impl Probe for File {
    const NAME: &'static str = "file";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("found", "`one`, `none`, `several`, or null when no container was asked for"),
        ("names", "the exact names of those that answer to the name"),
        ("kind", "`file`, `directory`, `symlink`, `other`, or `absent`: the rest is null then"),
        ("mode", "its permissions in octal, four digits: `0750`"),
        ("uid", "its owner; in a container, as the container numbers them"),
        ("gid", "its group, likewise"),
        ("size", "the size of a file in bytes, else null"),
        ("target", "what a symbolic link says, else null"),
        ("resolved", "the path it leads to in the end, without symbolic links; null when nothing is there"),
        (
            "mount",
            "what the resolved path lies on, in a container: {type, name, source, destination, writable, anonymous}; \
             null for its own layer",
        ),
        ("host_path", "the same file by a path of the VM, where it lies on a volume or a bind mount, else null"),
        (
            "device",
            "with `inode` the identity of what the path leads to, a decimal text; null where only root may know it",
        ),
        ("inode", "see `device`"),
        (
            "identity",
            "where what the path leads to lies, a text that is equal for the same place, whatever it is called and \
             whoever looks; null when nothing is there",
        ),
        (
            "sha256",
            "SHA-256 (hex) of the content of the file that the path leads to; null when it is no file, larger than \
             1 MiB, or closed to labrun's user",
        ),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[FOUND_WORDS, ("kind", &["file", "directory", "symlink", "other", "absent"])];

    fn things(&self) -> Vec<Thing> {
        self.container.iter().cloned().map(Thing::Container).collect()
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let path = clean_path(&self.path);
        if path.len() > LONG || path.split('/').count() > PARTS + 1 {
            return Err(unsupported("la ruta es demasiado larga", "the path is too long"));
        }
        let mut sheet = Sheet::default();
        let seen = match &self.container {
            None => {
                sheet.fact("found", json!(null));
                sheet.fact("names", json!([]));
                on_vm(cx, &path).await?
            }
            Some(name) => {
                let found = cx.engine.container(name).await?;
                sheet.found(&found, |state| &state.name, MANY);
                let Resolution::One(state) = found else { return Ok(sheet.done()) };
                in_container(cx, &state, &path).await?
            }
        };
        seen.report(&mut sheet);
        Ok(sheet.done())
    }

    fn command(&self) -> String {
        let path = quote(&clean_path(&self.path));
        match &self.container {
            None => format!("stat {path}; readlink -f {path}"),
            Some(name) => {
                format!(
                    "docker exec {name} stat {path}; docker exec {name} readlink -f {path}",
                    name = quote_container(name)
                )
            }
        }
    }
}

fn unsupported(es: &str, en: &str) -> Unobserved {
    Unobserved::new(Cause::Unsupported, es, en)
}

/// What lies at a path; by default nothing does.
#[derive(Debug, Default)]
struct Seen {
    kind: Option<&'static str>,
    mode: Option<u32>,
    owner: Option<(u64, u64)>,
    size: Option<u64>,
    target: Option<String>,
    resolved: Option<String>,
    mount: Option<Mounted>,
    host_path: Option<String>,
    inode: Option<(u64, u64)>,
    identity: Option<String>,
    sha256: Option<String>,
}

impl Seen {
    fn report(self, sheet: &mut Sheet) {
        sheet.fact("kind", self.kind.unwrap_or("absent"));
        sheet.fact("mode", self.mode.map(|mode| format!("{mode:04o}")));
        sheet.fact("uid", self.owner.map(|(uid, _)| uid));
        sheet.fact("gid", self.owner.map(|(_, gid)| gid));
        sheet.fact("size", self.size.filter(|_| self.kind == Some("file")));
        sheet.text("target", self.target.as_deref(), LONG);
        sheet.text("resolved", self.resolved.as_deref(), LONG);
        sheet.fact("mount", self.mount);
        sheet.text("host_path", self.host_path.as_deref(), 2 * LONG);
        // Numbers of 64 bits are no numbers to every reader of JSON.
        sheet.fact("device", self.inode.map(|(device, _)| device.to_string()));
        sheet.fact("inode", self.inode.map(|(_, inode)| inode.to_string()));
        sheet.text("identity", self.identity.as_deref(), 3 * LONG);
        sheet.fact("sha256", self.sha256);
    }
}

async fn on_vm(cx: &Context<'_>, path: &str) -> Result<Seen, Unobserved> {
    let stat = match cx.patiently(cx.vm.stat(path)).await? {
        Some(Ok(stat)) => stat,
        Some(Err(FileError::NotFound)) => return Ok(Seen::default()),
        Some(Err(error)) => return Err(unreadable(path, &error)),
        None => return Err(unreadable(path, &FileError::Broken("no answer in time".to_owned()))),
    };
    Ok(Seen {
        kind: Some(match stat.mode & 0o170_000 {
            0o100_000 => "file",
            0o040_000 => "directory",
            0o120_000 => "symlink",
            _ => "other",
        }),
        mode: Some(stat.mode & 0o7777),
        owner: Some((stat.uid.into(), stat.gid.into())),
        size: Some(stat.size),
        target: stat.target,
        inode: stat.resolved.as_ref().map(|resolved| resolved.identity),
        identity: stat.resolved.as_ref().map(|resolved| on_host(&resolved.path)),
        sha256: match &stat.resolved {
            Some(resolved) => content_on_vm(cx, &resolved.path).await?,
            None => None,
        },
        resolved: stat.resolved.map(|resolved| resolved.path),
        ..Seen::default()
    })
}

/// The digest of what is in a file of the VM, where it is one and this user may read it.
async fn content_on_vm(cx: &Context<'_>, path: &str) -> Result<Option<String>, Unobserved> {
    match cx.patiently(cx.vm.read_file(path, CONTENT)).await? {
        Some(Ok(text)) if !text.cut => Ok(Some(digest(&text.bytes))),
        _ => Ok(None),
    }
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unreadable(path: &str, error: &FileError) -> Unobserved {
    match inside::lost(path, error) {
        Lost::Unobserved(unobserved) => unobserved,
        Lost::Gone => unsupported("no está", "it is not there"),
    }
}

/// The mounts of a container with their destinations as they are without symbolic links, in the same order: what is
/// mounted at `/var/www/html/sites` lies at `/opt/drupal/web/sites` where `/var/www/html` is a link.
async fn without_links(cx: &Context<'_>, state: &ContainerState) -> Result<Vec<Mounted>, Unobserved> {
    let mut mounts = state.mounts.clone();
    for mount in &mut mounts {
        let is_short = mount.destination.split('/').count() <= PARTS + 1;
        if is_short && let Walked::To { real, .. } = walk(cx, state, &state.mounts, &mount.destination).await? {
            mount.destination = real;
        }
    }
    Ok(mounts)
}

/// What became of following a path in a container from the top.
enum Walked {
    /// It leads to `real`, without symbolic links; `here` is its last part, and `stat` what the engine says of that.
    To { real: String, here: String, stat: Arc<PathStat> },
    /// Nothing is there.
    Nothing,
    /// It leads to where the engine does not see: there.
    Unseen(String),
}

/// Follows a path from the top, because the engine tells of a link where it leads, and only when asked about that very
/// link.
async fn walk(cx: &Context<'_>, state: &ContainerState, mounts: &[Mounted], path: &str) -> Result<Walked, Unobserved> {
    let mut real = String::new();
    let Some(mut stat) = cx.engine.stat(&state.id, "/").await? else { return Ok(Walked::Nothing) };
    let mut here = "/".to_owned();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        here = format!("{real}/{part}");
        if !is_visible(mounts, &here) {
            return Ok(Walked::Unseen(here));
        }
        stat = match cx.engine.stat(&state.id, &here).await? {
            Some(stat) => stat,
            None => return Ok(Walked::Nothing),
        };
        real.clone_from(&here);
        if stat.file_mode & go::SYMLINK != 0 {
            real = clean_path(&stat.link_target).trim_end_matches('/').to_owned();
            if !is_visible(mounts, &real) {
                return Ok(Walked::Unseen(real));
            }
        }
    }
    let real = if real.is_empty() { "/".to_owned() } else { real };
    Ok(Walked::To { real, here, stat })
}

async fn in_container(cx: &Context<'_>, state: &Arc<ContainerState>, path: &str) -> Result<Seen, Unobserved> {
    let mounts = without_links(cx, state).await?;
    let (real, here, stat) = match walk(cx, state, &mounts, path).await? {
        Walked::To { real, here, stat } => (real, here, stat),
        Walked::Nothing => return Ok(Seen::default()),
        Walked::Unseen(path) => return Err(unseen(&path)),
    };
    let kind = go::kind(stat.file_mode);
    let size = usize::try_from(stat.size).ok().filter(|size| kind == "file" && *size <= CONTENT).unwrap_or(0);
    let packed = cx.engine.archive(&state.id, &here, size + archive::AROUND).await?;
    let entry = archive::first(&packed);
    // A socket is in no archive.
    if entry.is_none() && kind != "other" {
        return Err(Unobserved::new(
            Cause::Malformed,
            "no se entiende lo que el motor de Docker dice de la ruta",
            "what the Docker engine says of the path makes no sense",
        ));
    }
    let (leads, sha256) = match kind {
        "symlink" => match cx.engine.stat(&state.id, &real).await? {
            Some(led) => (true, content_in_container(cx, state, &real, &led).await?),
            None => (false, None),
        },
        _ => (true, entry.as_ref().and_then(content)),
    };
    let mount = covering(&mounts, &real).filter(|_| leads);
    let host_path = mount.and_then(|mount| by_host(mount, &real));
    let there = match &host_path {
        Some(path) => on_vm_by(cx, path).await?,
        None => None,
    };
    let identity = match leads {
        true => Some(place(cx, state, mount, &real, there.as_ref()).await?),
        false => None,
    };
    Ok(Seen {
        kind: Some(kind),
        mode: Some(go::permissions(stat.file_mode)),
        owner: entry.as_ref().map(|entry| entry.owner),
        size: u64::try_from(stat.size).ok(),
        target: entry.and_then(|entry| entry.target).filter(|_| kind == "symlink"),
        resolved: leads.then_some(real),
        // As it was asked for, which is how its user knows it.
        mount: mount.and_then(|mount| mounts.iter().position(|it| it == mount)).map(|i| state.mounts[i].clone()),
        host_path,
        inode: there.map(|there| there.identity),
        identity,
        sha256,
    })
}

/// The digest of what is in the file at `path`, which `stat` tells of.
async fn content_in_container(
    cx: &Context<'_>,
    state: &ContainerState,
    path: &str,
    stat: &PathStat,
) -> Result<Option<String>, Unobserved> {
    let size = usize::try_from(stat.size).ok().filter(|size| *size <= CONTENT);
    let Some(size) = size.filter(|_| go::kind(stat.file_mode) == "file") else { return Ok(None) };
    let packed = cx.engine.archive(&state.id, path, size + archive::AROUND).await?;
    Ok(archive::first(&packed).as_ref().and_then(content))
}

/// The digest of what is in the file that an archive holds.
fn content(entry: &archive::Entry) -> Option<String> {
    entry.content.filter(|content| content.len() <= CONTENT).map(digest)
}

/// Where what a container has at `path` lies, in one text that is equal for the same place: on a volume, by its name
/// and the path in it, because only root could tell it by device and inode; else on the VM; else in the container.
/// A volume that is another name for a path of the VM, and a bind mount of a volume's own folder, are what they are.
async fn place(
    cx: &Context<'_>,
    state: &ContainerState,
    mount: Option<&Mounted>,
    path: &str,
    there: Option<&Resolved>,
) -> Result<String, Unobserved> {
    let Some(mount) = mount else { return Ok(format!("container:{}{path}", state.id)) };
    let rest = path.strip_prefix(mount.destination.trim_end_matches('/')).unwrap_or_default();
    let volumes = cx.engine.volumes().await?;
    if mount.kind == "volume"
        && let Some(name) = &mount.name
    {
        let within = clean_path(&format!("{}/{rest}", mount.subpath.as_deref().unwrap_or_default()));
        let volume = volumes.iter().find(|volume| volume.name == *name);
        return Ok(match volume.and_then(VolumeState::bound_to) {
            Some(bound) => by_host_or_volume(&format!("{bound}/{within}"), volumes),
            None => format!("volume:{name}{within}"),
        });
    }
    Ok(match (there, &mount.source) {
        (Some(there), _) => by_host_or_volume(&there.path, volumes),
        (None, Some(source)) => by_host_or_volume(&format!("{source}/{rest}"), volumes),
        (None, None) => format!("{}:{}{rest}", mount.kind, mount.name.as_deref().unwrap_or_default()),
    })
}

/// A place on the VM; one below a volume's own folder is a place on that volume.
fn by_host_or_volume(path: &str, volumes: &[VolumeState]) -> String {
    let path = clean_path(path);
    let within = |volume: &VolumeState| {
        let rest = path.strip_prefix(volume.mountpoint.as_str()).filter(|_| !volume.mountpoint.is_empty())?;
        let whole = rest.is_empty() || rest.starts_with('/');
        whole.then(|| format!("volume:{}{}", volume.name, clean_path(rest)))
    };
    volumes.iter().find_map(within).unwrap_or_else(|| on_host(&path))
}

fn on_host(path: &str) -> String {
    format!("host:{path}")
}

/// Whether the engine sees what a container has at `path`. What is mounted over its files while it runs it does not see,
/// and would tell of what is below.
fn is_visible(mounts: &[Mounted], path: &str) -> bool {
    let below = |top: &str| path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let mount = covering(mounts, path);
    let tmpfs = mount.is_some_and(|mount| mount.kind == "tmpfs");
    !tmpfs && (mount.is_some() || !KERNEL.into_iter().any(below))
}

fn unseen(path: &str) -> Unobserved {
    Unobserved::new(
        Cause::Unsupported,
        format!("{path} está en la memoria del contenedor (tmpfs, /proc, /sys o /dev), donde el motor de Docker no ve"),
        format!("{path} is in the container's memory (tmpfs, /proc, /sys or /dev), where the Docker engine cannot see"),
    )
}

/// The path on the VM of what a container has at `path`, below `mount`.
fn by_host(mount: &Mounted, path: &str) -> Option<String> {
    let source = mount.source.as_deref().filter(|source| source.starts_with('/'))?;
    let rest = path.strip_prefix(mount.destination.trim_end_matches('/'))?;
    Some(clean_path(&format!("{source}/{rest}")))
}

/// Where a path of the VM leads, if this user may know it.
async fn on_vm_by(cx: &Context<'_>, path: &str) -> Result<Option<Resolved>, Unobserved> {
    let stat = cx.patiently(cx.vm.stat(path)).await?;
    Ok(stat.and_then(Result::ok).and_then(|stat| stat.resolved))
}

mod go {
    //! Modes as the engine writes them, in the bits of the Go language.

    pub const SYMLINK: u32 = 1 << 27;

    pub fn kind(mode: u32) -> &'static str {
        const OTHER: u32 = (1 << 26) | (1 << 25) | (1 << 24) | (1 << 21) | (1 << 19);
        match mode {
            mode if mode & (1 << 31) != 0 => "directory",
            mode if mode & SYMLINK != 0 => "symlink",
            mode if mode & OTHER != 0 => "other",
            _ => "file",
        }
    }

    /// As `chmod` writes them.
    pub fn permissions(mode: u32) -> u32 {
        let bit = |go: u32, unix: u32| if mode & (1 << go) != 0 { unix } else { 0 };
        mode & 0o777 | bit(23, 0o4000) | bit(22, 0o2000) | bit(20, 0o1000)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::Value;

    use super::*;
    use crate::probe::testing::look;

    #[test]
    fn the_engine_s_modes_are_read_as_chmod_writes_them() {
        // Of /etc, /var/run, /etc/hosts and a directory of mode 2750, as the engine told them.
        for (mode, kind, permissions) in [
            (2_147_484_141, "directory", 0o755),
            (134_218_239, "symlink", 0o777),
            (420, "file", 0o644),
            (2_151_678_440, "directory", 0o2750),
            ((1 << 24) | 0o600, "other", 0o600),
            ((1 << 23) | 0o755, "file", 0o4755),
            ((1 << 31) | (1 << 20) | 0o777, "directory", 0o1777),
        ] {
            assert_eq!((go::kind(mode), go::permissions(mode)), (kind, permissions), "{mode}");
        }
    }

    fn mount(kind: &str, source: Option<&str>, destination: &str) -> Mounted {
        let source = source.map(str::to_owned);
        Mounted { kind: kind.into(), source, destination: destination.into(), ..Default::default() }
    }

    #[test]
    fn a_path_below_a_mount_has_a_path_on_the_vm() {
        let bind = mount("bind", Some("/home/me/sites"), "/opt/sites");
        assert_eq!(by_host(&bind, "/opt/sites/default").as_deref(), Some("/home/me/sites/default"));
        assert_eq!(by_host(&bind, "/opt/sites").as_deref(), Some("/home/me/sites"));
        assert_eq!(by_host(&mount("bind", Some("/x"), "/"), "/a").as_deref(), Some("/x/a"));
        assert_eq!(by_host(&mount("tmpfs", None, "/t"), "/t/x"), None);
    }

    #[test]
    fn what_the_engine_does_not_see_is_not_taken_for_absent() {
        let mounts = [mount("tmpfs", None, "/scratch"), mount("bind", Some("/x"), "/dev/kept")];
        for (path, seen) in [
            ("/scratch", false),
            ("/scratch/x", false),
            ("/scratching", true),
            ("/proc/1/status", false),
            ("/dev/shm", false),
            ("/dev/kept/x", true),
            ("/devices", true),
            ("/etc", true),
            ("", true),
        ] {
            assert_eq!(is_visible(&mounts, path), seen, "{path}");
        }
    }

    #[test]
    fn a_place_has_one_name_whoever_looks() {
        let volume = |name: &str, options: &[(&str, &str)]| VolumeState {
            name: name.into(),
            mountpoint: format!("/var/lib/docker/volumes/{name}/_data"),
            options: options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            ..Default::default()
        };
        let bound = volume("ww", &[("type", "none"), ("o", "bind"), ("device", "/home/me")]);
        assert_eq!(bound.bound_to(), Some("/home/me"));
        assert_eq!(volume("vv", &[("type", "tmpfs"), ("device", "tmpfs")]).bound_to(), None);
        let volumes = [volume("v", &[]), volume("vv", &[]), bound];
        for (path, name) in [
            ("/var/lib/docker/volumes/vv/_data", "volume:vv/"),
            ("/var/lib/docker/volumes/vv/_data/a//b/", "volume:vv/a/b"),
            ("/var/lib/docker/volumes/vv/_database", "host:/var/lib/docker/volumes/vv/_database"),
            ("/home/me/", "host:/home/me"),
        ] {
            assert_eq!(by_host_or_volume(path, &volumes), name);
        }
    }

    #[tokio::test]
    async fn files_of_the_vm_are_seen_with_where_they_lead() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "12345").unwrap();
        std::fs::set_permissions(at("file"), std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        std::os::unix::fs::symlink("loop", at("loop")).unwrap();
        let seen = async |name: &str| look("file", json!({"path": at(name)})).await.unwrap();
        let file = seen("file").await;
        assert_eq!((&file["kind"], &file["mode"], &file["size"]), (&json!("file"), &json!("0640"), &json!(5)));
        assert_eq!(file["uid"], rustix::process::getuid().as_raw());
        let five = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5";
        assert_eq!(file["sha256"], five);
        assert_eq!(file["identity"], format!("host:{}", file["resolved"].as_str().unwrap()));
        let link = seen("link").await;
        assert_eq!((&link["sha256"], &link["identity"]), (&file["sha256"], &file["identity"]));
        std::fs::write(at("large"), vec![b'x'; CONTENT + 1]).unwrap();
        assert_eq!(seen("large").await["sha256"], Value::Null);
        assert_eq!((&link["kind"], &link["target"], &link["size"]), (&json!("symlink"), &json!("file"), &Value::Null));
        assert_eq!((&link["resolved"], &link["inode"]), (&file["resolved"], &file["inode"]));
        for name in ["dangling", "loop"] {
            let facts = seen(name).await;
            assert_eq!((&facts["kind"], &facts["resolved"]), (&json!("symlink"), &Value::Null), "{name}");
        }
        let none = seen("nothing").await;
        assert_eq!((&none["kind"], &none["mode"]), (&json!("absent"), &Value::Null));
        assert_eq!(seen("file/x").await["kind"], "absent");
        let mut names: Vec<&str> = File::FACTS.iter().map(|(name, _)| *name).collect();
        names.sort();
        assert_eq!(none.keys().collect::<Vec<_>>(), names);
        let long = json!({"path": format!("/{}", "x/".repeat(99))});
        assert_eq!(look("file", long).await.unwrap_err().cause, Cause::Unsupported);
    }
}
