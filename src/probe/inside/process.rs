//! One process by its files in `/proc`: what it is called and as whom it runs, on the VM and inside a user namespace.

use serde::Serialize;

use crate::probe::Context;
use crate::probe::inside::{self, Lost};

/// How much of a file is read.
const FILE: usize = 16 << 10;

/// A process that is neither the kernel's own nor ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// The kernel's name for its program.
    pub name: String,
    /// The user it runs as, by the VM's number.
    pub uid_host: u32,
    /// That user's number in the user namespace of the process; none where it has none there.
    pub uid_inside: Option<u32>,
    /// Whether that namespace is another than the VM's.
    pub user_namespace: bool,
}

/// As whom the process `pid` runs; none when it is the kernel's own, or ended and only its parent has not noticed.
pub async fn runs(cx: &Context<'_>, pid: u32) -> Result<Option<Runs>, Lost> {
    let path = |file: &str| format!("/proc/{pid}/{file}");
    let (status_path, map_path) = (path("status"), path("uid_map"));
    let (status, map) = futures_util::join!(inside::text(cx, &status_path, FILE), inside::text(cx, &map_path, FILE));
    let status = String::from_utf8_lossy(&status?.bytes).into_owned();
    let status = Status::parse(&status).ok_or_else(|| inside::malformed(&path("status")))?;
    if status.is_zombie || status.is_kernel {
        return Ok(None);
    }
    let map = String::from_utf8_lossy(&map?.bytes).into_owned();
    let mut map = uid_map(&map).ok_or_else(|| inside::malformed(&path("uid_map")))?;
    // In a namespace of users of its own, the machine's map tells of what is around it (user_namespaces(7)): who has
    // the same one is in no other.
    if map != [Range::ALL] {
        let own = inside::text(cx, "/proc/self/uid_map", FILE).await?;
        if uid_map(&String::from_utf8_lossy(&own.bytes)).as_ref() == Some(&map) {
            map = vec![Range::ALL];
        }
    }
    Ok(Some(Runs {
        name: status.name,
        uid_host: status.uid,
        uid_inside: map.iter().find_map(|range| range.inside(status.uid)),
        user_namespace: map != [Range::ALL],
    }))
}

/// What the text of `/proc/PID/status` says.
#[derive(Debug, PartialEq)]
struct Status {
    name: String,
    uid: u32,
    is_zombie: bool,
    is_kernel: bool,
}

impl Status {
    fn parse(text: &str) -> Option<Status> {
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let name = field("Name")?;
        let parent = field("PPid")?;
        // Real, effective, saved, of the file system: the effective one is what it may do.
        let uid = field("Uid")?.split_whitespace().nth(1)?.parse().ok()?;
        let state = field("State")?;
        // Only the kernel's own have no memory, but those that ended have none either.
        let has_memory = field("VmSize").is_some();
        Some(Status {
            name: name.to_owned(),
            uid,
            is_zombie: state.starts_with(['Z', 'X']),
            is_kernel: !has_memory && (parent == "2" || parent == "0"),
        })
    }
}

/// `count` users, from `inside` in a user namespace, and from `outside` where labrun looks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    inside: u32,
    outside: u32,
    count: u32,
}

impl Range {
    /// The one of a process that is in no user namespace but the first.
    const ALL: Range = Range { inside: 0, outside: 0, count: u32::MAX };

    fn inside(&self, uid: u32) -> Option<u32> {
        let offset = uid.checked_sub(self.outside).filter(|offset| *offset < self.count)?;
        self.inside.checked_add(offset)
    }
}

/// The text of `/proc/PID/uid_map`.
fn uid_map(text: &str) -> Option<Vec<Range>> {
    text.lines()
        .map(|line| {
            let mut numbers = line.split_whitespace().map(|word| word.parse().ok());
            let range = Range { inside: numbers.next()??, outside: numbers.next()??, count: numbers.next()?? };
            numbers.next().is_none().then_some(range)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STATUS: &str = "Name:\tsleep\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t331\nPid:\t331\nPPid:\t308\n\
                          TracerPid:\t0\nUid:\t1000\t1234\t1234\t1234\nGid:\t0\t0\t0\t0\nVmSize:\t 4 kB\n";

    #[test]
    fn the_effective_user_is_the_one_it_runs_as() {
        let status = Status::parse(STATUS).unwrap();
        assert_eq!(status, Status { name: "sleep".into(), uid: 1234, is_zombie: false, is_kernel: false });
        let zombie = Status::parse(&STATUS.replace("S (sleeping)", "Z (zombie)")).unwrap();
        assert!(zombie.is_zombie);
        let kernel = STATUS.replace("PPid:\t308", "PPid:\t2").replace("VmSize:\t 4 kB\n", "");
        assert!(Status::parse(&kernel).unwrap().is_kernel);
        for broken in ["", "Name:\tx\n", &STATUS.replace("1234", "-1"), &STATUS.replace("Uid", "uid")] {
            assert_eq!(Status::parse(broken), None, "{broken}");
        }
        // A process chooses its name; the kernel writes a line break in it as `\\n`.
        let hostile = STATUS.replace("Name:\tsleep", "Name:\tx\\nUid:\\t0");
        assert_eq!(Status::parse(&hostile).unwrap().uid, 1234);
    }

    #[test]
    fn users_are_mapped_through_a_user_namespace() {
        let map = uid_map("         0     100000      65536\n     70000          5          1\n").unwrap();
        let inside = |uid| map.iter().find_map(|range| range.inside(uid));
        assert_eq!([inside(100000), inside(101234), inside(165535)], [Some(0), Some(1234), Some(65535)]);
        assert_eq!([inside(165536), inside(0), inside(5)], [None, None, Some(70000)]);
        assert_eq!(uid_map("         0          0 4294967295\n"), Some(vec![Range::ALL]));
        // A user namespace that nobody mapped yet: there is no user inside.
        assert_eq!(uid_map(""), Some(vec![]));
        for broken in ["x", "0 0", "0 0 1 1", "-1 0 1", "0 0 4294967296"] {
            assert_eq!(uid_map(broken), None, "{broken}");
        }
        let far = Range { inside: u32::MAX, outside: 0, count: 9 };
        assert_eq!(far.inside(1), None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parsers(bytes: Vec<u8>, text in "((Name|Uid|PPid|State|VmSize):?[ -~ñ\t]{0,20}\n?){0,9}") {
            Status::parse(&text);
            uid_map(&text);
            uid_map(&String::from_utf8_lossy(&bytes));
        }
    }
}
