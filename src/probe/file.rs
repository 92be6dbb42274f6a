//! What lies at a path of the VM, or in a container: its owner, its mode, where it leads and what it lies on.
//! In a container the engine is asked, who sees it without root and whether it runs or not.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use crate::engine::{ContainerState, Mounted, Resolution, clean_path};
use crate::evidence::{Cause, Facts, Unobserved};
use crate::probe::inside::{self, Lost};
use crate::probe::mount::covering;
use crate::probe::{Context, Probe, Sheet, quote};
use crate::vantage::Vantage;
use crate::vm::{FileError, Resolved};

/// How many names of those that answer to a name are reported.
const MANY: usize = 200;

/// How long a path may be, in bytes, and how many parts it may have: each is one question to the engine.
const LONG: usize = 4096;
const PARTS: usize = 40;

/// How much of an archive is read: its first entry's header, with what may come before it.
const HEADER: usize = 8 << 10;

/// What the engine does not see of a container, beside every tmpfs: the kernel's own file systems.
const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];

/// Looks at what lies at a path.
#[derive(Debug, Deserialize)]
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
        ("truncated", "the names of facts that are cut because there was too much"),
    ];

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        if cx.from != Vantage::Vm {
            return Err(unsupported(
                "los archivos sólo se miran en la VM (from: vm)",
                "files are seen only in the VM (from: vm)",
            ));
        }
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
                format!("docker exec {name} stat {path}; docker exec {name} readlink -f {path}", name = quote(name))
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
    identity: Option<(u64, u64)>,
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
        sheet.fact("device", self.identity.map(|(device, _)| device.to_string()));
        sheet.fact("inode", self.identity.map(|(_, inode)| inode.to_string()));
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
        identity: stat.resolved.as_ref().map(|resolved| resolved.identity),
        resolved: stat.resolved.map(|resolved| resolved.path),
        ..Seen::default()
    })
}

fn unreadable(path: &str, error: &FileError) -> Unobserved {
    match inside::lost(path, error) {
        Lost::Unobserved(unobserved) => unobserved,
        Lost::Gone => unsupported("no está", "it is not there"),
    }
}

async fn in_container(cx: &Context<'_>, state: &Arc<ContainerState>, path: &str) -> Result<Seen, Unobserved> {
    // From the top, because the engine tells of a link where it leads, and only when asked about that very link.
    let mut real = String::new();
    let mut last = None;
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    for (i, part) in parts.iter().enumerate() {
        let here = format!("{real}/{part}");
        visible(state, &here)?;
        let Some(stat) = cx.engine.stat(&state.id, &here).await? else { return Ok(Seen::default()) };
        real = here.clone();
        if stat.file_mode & go::SYMLINK != 0 {
            real = clean_path(&stat.link_target).trim_end_matches('/').to_owned();
            visible(state, &real)?;
        }
        if i + 1 == parts.len() {
            last = Some((here, stat));
        }
    }
    let (here, stat) = match last {
        Some(last) => last,
        None => match cx.engine.stat(&state.id, "/").await? {
            Some(stat) => ("/".to_owned(), stat),
            None => return Ok(Seen::default()),
        },
    };
    let kind = go::kind(stat.file_mode);
    let header = header(&cx.engine.archive(&state.id, &here, HEADER).await?);
    // A socket is in no archive.
    if header.is_none() && kind != "other" {
        return Err(Unobserved::new(
            Cause::Malformed,
            "no se entiende lo que el motor de Docker dice de la ruta",
            "what the Docker engine says of the path makes no sense",
        ));
    }
    let real = if real.is_empty() { "/".to_owned() } else { real };
    let leads = kind != "symlink" || cx.engine.stat(&state.id, &real).await?.is_some();
    let mount = covering(&state.mounts, &real).filter(|_| leads).cloned();
    let host_path = mount.as_ref().and_then(|mount| by_host(mount, &real));
    let identity = match &host_path {
        Some(path) => identity(cx, path).await?,
        None => None,
    };
    Ok(Seen {
        kind: Some(kind),
        mode: Some(go::permissions(stat.file_mode)),
        owner: header.as_ref().map(|header| header.owner),
        size: u64::try_from(stat.size).ok(),
        target: header.and_then(|header| header.target).filter(|_| kind == "symlink"),
        resolved: leads.then_some(real),
        mount,
        host_path,
        identity,
    })
}

/// What is mounted over a container's files while it runs, the engine does not see, and would tell of what is below.
fn visible(state: &ContainerState, path: &str) -> Result<(), Unobserved> {
    let below = |top: &str| path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let mount = covering(&state.mounts, path);
    let tmpfs = mount.is_some_and(|mount| mount.kind == "tmpfs");
    if !tmpfs && (mount.is_some() || !KERNEL.into_iter().any(below)) {
        return Ok(());
    }
    Err(Unobserved::new(
        Cause::Unsupported,
        format!("{path} está en la memoria del contenedor (tmpfs, /proc, /sys o /dev), donde el motor de Docker no ve"),
        format!("{path} is in the container's memory (tmpfs, /proc, /sys or /dev), where the Docker engine cannot see"),
    ))
}

/// The path on the VM of what a container has at `path`, below `mount`.
fn by_host(mount: &Mounted, path: &str) -> Option<String> {
    let source = mount.source.as_deref().filter(|source| source.starts_with('/'))?;
    let rest = path.strip_prefix(mount.destination.trim_end_matches('/'))?;
    Some(clean_path(&format!("{source}/{rest}")))
}

/// Of a path of the VM, if this user may know it.
async fn identity(cx: &Context<'_>, path: &str) -> Result<Option<(u64, u64)>, Unobserved> {
    let stat = cx.patiently(cx.vm.stat(path)).await?;
    Ok(stat.and_then(Result::ok).and_then(|stat| stat.resolved).map(|Resolved { identity, .. }| identity))
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

/// What the first entry of an archive says.
#[derive(Debug, PartialEq)]
struct Header {
    owner: (u64, u64),
    target: Option<String>,
}

/// The first entry's header of a tar archive, with what an extended header before it says instead; none when it is no
/// such archive.
fn header(archive: &[u8]) -> Option<Header> {
    let block = archive.get(..512)?;
    let mut said = Header { owner: (0, 0), target: None };
    let (mut uid, mut gid) = (None, None);
    let block = if block[156] == b'x' {
        let size = usize::try_from(number(&block[124..136])?).ok().filter(|size| *size <= HEADER)?;
        for (key, value) in records(archive.get(512..512 + size)?)? {
            match key {
                "uid" => uid = Some(value.parse().ok()?),
                "gid" => gid = Some(value.parse().ok()?),
                "linkpath" => said.target = Some(value.to_owned()),
                _ => {}
            }
        }
        let next = 512 + size.next_multiple_of(512);
        archive.get(next..next + 512)?
    } else {
        block
    };
    if &block[257..262] != b"ustar" {
        return None;
    }
    let owner = |field: &[u8], said: Option<u64>| said.or_else(|| number(field));
    said.owner = (owner(&block[108..116], uid)?, owner(&block[116..124], gid)?);
    let link = block[157..257].split(|byte| *byte == 0).next().unwrap_or_default();
    said.target = said.target.or((!link.is_empty()).then(|| String::from_utf8_lossy(link).into_owned()));
    Some(said)
}

/// An octal number between blanks and zeros.
fn number(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    u64::from_str_radix(text, 8).ok().filter(|_| plain)
}

/// The records of an extended header, each `LENGTH KEY=VALUE\n`.
fn records(mut bytes: &[u8]) -> Option<Vec<(&str, &str)>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let blank = bytes.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
        let record = bytes.get(blank + 1..length)?.strip_suffix(b"\n")?;
        // The value of another key may be no text.
        if let Ok(record) = std::str::from_utf8(record) {
            all.push(record.split_once('=')?);
        }
        bytes = &bytes[length..];
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::probe::testing::look;

    fn block(kind: u8, uid: &str, gid: &str, size: &str, link: &str) -> Vec<u8> {
        let mut block = vec![0; 512];
        let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
        put(108, uid.as_bytes());
        put(116, gid.as_bytes());
        put(124, size.as_bytes());
        put(156, &[kind]);
        put(157, link.as_bytes());
        put(257, b"ustar\x0000");
        block
    }

    #[test]
    fn an_archive_s_first_header_tells_the_owner_and_what_a_link_says() {
        // Engine 26.1 on PostgreSQL's data directory, and on /var/run.
        let data = block(b'5', "0000106\0", "0000106\0", "00000000000\0", "");
        assert_eq!(header(&data), Some(Header { owner: (70, 70), target: None }));
        let link = block(b'2', "0000000\0", "0000000\0", "00000000000\0", "/run");
        assert_eq!(header(&link), Some(Header { owner: (0, 0), target: Some("/run".into()) }));
        // What does not fit comes in an extended header before it.
        let long = format!("/{}", "x".repeat(200));
        let said = format!("215 linkpath={long}\n22 uid=12345678901234\n7 X=\u{f1}\n");
        let mut extended = block(b'x', "", "", &format!("{:011o}\0", said.len()), "");
        extended.extend(said.as_bytes());
        extended.resize(1024, 0);
        extended.extend(block(b'2', "0000000\0", "0000001\0", "00000000000\0", "/xxx"));
        assert_eq!(header(&extended), Some(Header { owner: (12_345_678_901_234, 1), target: Some(long) }));
        assert_eq!(header(&extended[..1500]), None);
    }

    #[test]
    fn what_is_no_archive_tells_nothing() {
        assert_eq!(header(b""), None);
        assert_eq!(header(&[0; 1024]), None);
        assert_eq!(header(&block(b'0', "-000001\0", "0000000\0", "0", "")), None);
        assert_eq!(header(&block(b'0', "zzz", "0000000\0", "0", "")), None);
        assert_eq!(header(&block(b'x', "", "", "77777777777\0", "")), None);
        for records_of in ["x", "9", "0 a=b\n", "1 a=b\n", "5 ab\n", "99 a=b\n", "6 a=bb", "18446744073709551615 a=b\n"]
        {
            assert_eq!(records(records_of.as_bytes()), None, "{records_of}");
        }
        assert_eq!(records(b"6 a=b\n6 c=d\n"), Some(vec![("a", "b"), ("c", "d")]));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(mut bytes in proptest::collection::vec(any::<u8>(), 0..2048), x: bool) {
            if x && bytes.len() > 262 {
                bytes[156] = b'x';
                bytes[257..262].copy_from_slice(b"ustar");
                bytes[124..136].copy_from_slice(b"00000000400\0");
            }
            header(&bytes);
            records(&bytes);
        }
    }

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
        let mounts = vec![mount("tmpfs", None, "/scratch"), mount("bind", Some("/x"), "/dev/kept")];
        let state = ContainerState { mounts, ..Default::default() };
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
            assert_eq!(visible(&state, path).is_ok(), seen, "{path}");
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
        let link = seen("link").await;
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
