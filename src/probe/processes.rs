//! Processes as the VM sees them, with the users they run as: on the VM, and inside when a user namespace is between.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::evidence::secrets::masked_words;
use crate::evidence::{Facts, Unobserved};
use crate::probe::inside::process::{Runs, runs};
use crate::probe::inside::{self, At, Lost};
use crate::probe::{Context, FOUND_WORDS, Probe, Sheet, Thing, quote, quote_container};

/// How many processes are looked at, and how many are reported.
const MANY: usize = 1000;

/// How many names in `/proc` are looked through for processes.
const ENTRIES: usize = 16_000;

/// How much of a process' arguments is read, in bytes, and how many of them are reported.
const ARGS: usize = 4096;
const WORDS: usize = 100;

/// How many letters of a name the kernel keeps.
const KEPT: usize = 15;

/// Looks at processes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Processes {
    /// A compose service (while it runs) or the exact name of a container; all of the VM where none is named.
    pub container: Option<String>,
    /// Only those of exactly this name: the program's, not a word of somebody's command line.
    pub name: Option<String>,
}

#[async_trait]
impl Probe for Processes {
    const NAME: &'static str = "processes";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("found", "`one`, `none`, `several`, or null when no container was asked for"),
        ("names", "the exact names of those that answer to the name"),
        ("running", "whether it runs, or is paused; the VM does"),
        ("processes", "a list of {pid, main, name, args, uid_host, uid_inside, user_namespace}, absent unless it runs"),
        ("uids", "the users of the VM they run as: numbers, sorted, each once; absent unless it runs"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[FOUND_WORDS];

    fn things(&self) -> Vec<Thing> {
        self.container.iter().cloned().map(Thing::Container).collect()
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let (mut sheet, seen) = inside::look(cx, self.container.as_deref(), processes).await?;
        if let Some(seen) = seen {
            seen.report(self.name.as_deref(), &mut sheet);
        }
        Ok(sheet.done())
    }

    fn command(&self) -> String {
        match (&self.container, &self.name) {
            (Some(container), _) => format!("docker top {} -eo pid,uid,comm,args", quote_container(container)),
            (None, Some(name)) => format!("ps -o pid,uid,comm,args -C {}", quote(name)),
            (None, None) => "ps -eo pid,uid,comm,args".to_owned(),
        }
    }
}

/// How many are looked at at once: the machine may be far away.
const AT_ONCE: usize = 32;

#[derive(Debug, Default)]
struct Seen {
    processes: Vec<Process>,
    cut: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Process {
    pid: u32,
    main: bool,
    args: Vec<String>,
    #[serde(flatten)]
    runs: Runs,
}

fn processes<'c>(cx: &'c Context<'c>, at: At) -> BoxFuture<'c, Result<Seen, Lost>> {
    Box::pin(async move {
        let mut seen = Seen::default();
        let mut pids = match &at.container {
            // An engine without root keeps no groups of processes and cannot tell.
            Some(_) if cx.vm.is_beside_engine() => beside(cx, at.pid, &mut seen).await?,
            // Of the engine, who knows which are the container's; not from what `ps` says of them.
            Some(id) => cx.engine.pids(id).await?.ok_or(Lost::Gone)?,
            None => all(cx, &mut seen).await?,
        };
        // Where /proc hides others' processes, what it shows is not all there is.
        if !pids.contains(&at.pid) {
            return Err(Lost::Gone);
        }
        pids.sort();
        pids.dedup();
        let looks = pids.into_iter().map(|pid| async move { (pid, process(cx, pid, pid == at.pid).await) });
        let mut looks = std::pin::pin!(futures_util::stream::iter(looks).buffered(AT_ONCE));
        while let Some((pid, process)) = looks.next().await {
            if seen.processes.len() == MANY {
                seen.cut = true;
                break;
            }
            match process {
                Ok(process) => seen.processes.extend(process),
                // It ended since it was listed. Where it was the container's first, the container did.
                Err(Lost::Gone) if pid != at.pid => {}
                Err(lost) => return Err(lost),
            }
        }
        Ok(seen)
    })
}

/// The numbers of all processes.
async fn all(cx: &Context<'_>, seen: &mut Seen) -> Result<Vec<u32>, Lost> {
    let listed = cx.patiently(cx.vm.list_directory("/proc", ENTRIES)).await?;
    let names = listed.transpose().map_err(|error| inside::lost("/proc", &error))?.unwrap_or_default();
    seen.cut = names.len() == ENTRIES;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// The numbers of those that are in one namespace of processes with `first`.
async fn beside(cx: &Context<'_>, first: u32, seen: &mut Seen) -> Result<Vec<u32>, Lost> {
    let namespace = |pid: u32| async move { cx.vm.read_link(&format!("/proc/{pid}/ns/pid")).await };
    let own = namespace(first).await.map_err(|error| inside::lost("/proc", &error))?;
    let mut pids = Vec::new();
    for pid in all(cx, seen).await? {
        if namespace(pid).await.is_ok_and(|other| other == own) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

/// One process; none when it is the kernel's own, or ended and only its parent has not noticed.
async fn process(cx: &Context<'_>, pid: u32, main: bool) -> Result<Option<Process>, Lost> {
    let path = format!("/proc/{pid}/cmdline");
    let (runs, line) = futures_util::join!(runs(cx, pid), inside::text(cx, &path, ARGS));
    let Some(runs) = runs? else { return Ok(None) };
    Ok(Some(Process { pid, main, runs, args: masked_words(&words(&line?.bytes)) }))
}

impl Seen {
    fn report(self, name: Option<&str>, sheet: &mut Sheet) {
        let chosen: Vec<Process> =
            self.processes.into_iter().filter(|process| name.is_none_or(|name| process.is_called(name))).collect();
        let uids: BTreeSet<u32> = chosen.iter().map(|process| process.runs.uid_host).collect();
        sheet.list("processes", chosen.iter().map(|process| json!(process)), MANY);
        sheet.fact("uids", uids);
        if self.cut {
            sheet.is_cut("processes");
            sheet.is_cut("uids");
        }
    }
}

impl Process {
    /// By the kernel's name for it, or by the file that it was started from. A shell that was told to run `sleep 500`
    /// is called `sh`.
    fn is_called(&self, name: &str) -> bool {
        let program = self.args.first().map_or("", |word| word.rsplit('/').next().unwrap_or_default());
        self.runs.name == name
            || program == name
            || (name.len() > KEPT && self.runs.name.as_bytes() == &name.as_bytes()[..KEPT])
    }
}

/// The text of `/proc/PID/cmdline`. A process that wrote over its own leaves nothing but zeros behind it.
fn words(bytes: &[u8]) -> Vec<String> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if end == 0 {
        return Vec::new();
    }
    let words = bytes[..end].split(|byte| *byte == 0).take(WORDS);
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::probe::testing::look;

    fn process(name: &str, args: &[&str]) -> Process {
        let args = args.iter().map(|word| word.to_string()).collect();
        let runs = Runs { name: name.into(), uid_host: 7, uid_inside: Some(7), user_namespace: false };
        Process { pid: 9, main: false, args, runs }
    }

    #[test]
    fn a_process_is_called_by_its_program_and_not_by_words_it_was_given() {
        assert!(process("sleep", &["sleep", "500"]).is_called("sleep"));
        assert!(process("nginx", &["nginx: master process nginx"]).is_called("nginx"));
        assert!(process("busybox", &["/bin/sleep", "500"]).is_called("sleep"));
        assert!(process("docker-entrypoi", &["/bin/sh", "/docker-entrypoint.sh"]).is_called("docker-entrypoint.sh"));
        for (name, args) in [
            ("sh", &["sh", "-c", "sleep 500"][..]),
            ("pgrep", &["pgrep", "-f", "sleep"]),
            ("sleeper", &["./sleeper"]),
            ("sudo", &["sudo", "sleep"]),
            ("x", &[]),
        ] {
            assert!(!process(name, args).is_called("sleep"), "{name}");
        }
    }

    #[test]
    fn arguments_are_words_and_what_was_written_over_is_none() {
        assert_eq!(words(b"sleep\x00500\0"), ["sleep", "500"]);
        assert_eq!(words(b"sh\0-c\0\0x y\0"), ["sh", "-c", "", "x y"]);
        assert_eq!(words(b"nginx: master process nginx\0\0\0\0\0"), ["nginx: master process nginx"]);
        assert_eq!(words(b""), [""; 0]);
        assert_eq!(words(b"\0\0"), [""; 0]);
        assert_eq!(words(b"\xff\0"), ["\u{fffd}"]);
        assert_eq!(words(&b"x\0".repeat(ARGS)).len(), WORDS);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(bytes: Vec<u8>) {
            words(&bytes);
        }
    }

    #[tokio::test]
    async fn a_process_of_this_machine_is_seen_with_its_user() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let facts = look("processes", json!({"name": "sleep"})).await.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let all = facts["processes"].as_array().unwrap();
        let own = all.iter().find(|process| process["pid"] == child.id()).unwrap_or_else(|| panic!("{facts:?}"));
        assert_eq!((&own["args"], &own["main"]), (&json!(["sleep", "100"]), &json!(false)));
        assert_eq!(own["uid_host"], rustix::process::getuid().as_raw());
        assert!(all.iter().all(|process| process["name"] == "sleep"));
        let mut names: Vec<&str> = Processes::FACTS.iter().map(|(name, _)| *name).collect();
        names.sort();
        assert_eq!(facts.keys().collect::<Vec<_>>(), names);
        assert_eq!(look("processes", json!({"name": "no such"})).await.unwrap()["processes"], Value::Array(vec![]));
    }
}
