//! Where requests arrived: by their texts in what each instance printed, and, for instances whose words cannot be read,
//! by how many connections each has taken (`Tcp: PassiveOpens`).

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use regex::bytes::Regex;

use crate::engine::{Listed, Printed, Resolution};
use crate::evidence::Unobserved;
use crate::probe::Context;
use crate::probe::inside::{self, At, Lost};
use crate::vantage::Vantage;

/// How much of what an instance printed is read.
const PRINTED: usize = 4 << 20;

/// How many containers that nobody named are looked at.
const STRANGERS: usize = 30;

/// How many seconds before the first request an instance's words are read from: its clock may be another's.
const BEFORE: i64 = 60;

/// One instance, and what is known of what it got.
#[derive(Debug, Default)]
pub struct Instance {
    /// The name by which the lab calls it.
    pub name: String,
    /// `one`, `none`, `several`, or `same` when it is one that another name meant before.
    pub found: &'static str,
    /// Whether it runs, where there is one.
    pub running: Option<bool>,
    /// In how many lines each request shows; none when the engine keeps no words of it.
    pub lines: Option<BTreeMap<u16, u32>>,
    /// Whether there are more words than were read.
    pub cut: bool,
    /// The engine's id of it, where there is one.
    pub id: Option<String>,
    /// Whether nobody named it: it is an instance only if it gets requests.
    pub is_stranger: bool,
}

impl Instance {
    /// The instances that answer to `names`, in this order, unread.
    pub async fn find(cx: &Context<'_>, names: &[String]) -> Result<Vec<Instance>, Unobserved> {
        let mut all: Vec<Instance> = Vec::new();
        for name in names {
            let found = cx.engine.container(name).await?;
            let mut instance = Instance { name: name.clone(), found: found.word(), ..Instance::default() };
            if let Resolution::One(state) = found {
                instance.running = Some(state.running);
                match all.iter().any(|before| before.id.as_ref() == Some(&state.id)) {
                    true => instance.found = "same",
                    false => instance.id = Some(state.id.clone()),
                }
            }
            all.push(instance);
        }
        Ok(all)
    }

    /// The running containers that nobody named and that may be instances all the same: not whoever publishes `port`,
    /// the door itself, nor what is on the machine's own network, which may be a door as well.
    pub async fn strangers(cx: &Context<'_>, known: &[Instance], port: u16) -> Result<Vec<Instance>, Unobserved> {
        let is_door =
            |one: &Listed| one.ports.iter().any(|it| it.host_port == Some(port)) || one.networks.contains_key("host");
        let is_known = |one: &Listed| known.iter().any(|known| known.id.as_ref() == Some(&one.id));
        let others = cx.engine.containers().await?.iter().filter(|one| one.up && !is_door(one) && !is_known(one));
        let stranger = |one: &Listed| Instance {
            name: one.name.clone(),
            found: "one",
            running: Some(true),
            id: Some(one.id.clone()),
            is_stranger: true,
            ..Instance::default()
        };
        Ok(others.take(STRANGERS).map(stranger).collect())
    }

    /// Reads what it printed from a little before `since` on, and notes which requests show there.
    pub async fn read(&mut self, cx: &Context<'_>, mark: &str, since: i64) -> Result<(), Unobserved> {
        let Some(id) = &self.id else { return Ok(()) };
        let printed = cx.engine.printed(id, since - BEFORE, PRINTED).await?;
        self.cut = printed.as_ref().is_some_and(|printed| printed.cut);
        self.lines = printed.map(|printed| numbers(&printed, mark));
        Ok(())
    }

    /// How many connections it has taken so far; none when it does not run, or does not tell.
    pub async fn opens(&self, cx: &Context<'_>) -> Option<u64> {
        if self.running != Some(true) || self.id.is_none() || self.is_stranger {
            return None;
        }
        // Its counters are read where its processes are, wherever the requests come from.
        let here = Context { from: &Vantage::Vm, ..*cx };
        inside::look(&here, Some(&self.name), passive_opens).await.ok().and_then(|(_, opens)| opens)
    }

    /// Whether request `number` shows in what it printed.
    pub fn got(&self, number: u16) -> bool {
        self.lines.as_ref().is_some_and(|lines| lines.contains_key(&number))
    }

    /// How often the request `number`, sent several times, arrived: by how many lines one arrival of others makes.
    pub fn arrivals(&self, number: u16) -> u32 {
        let Some(lines) = &self.lines else { return 0 };
        let mut others: Vec<u32> = lines.iter().filter(|(other, _)| **other != number).map(|(_, n)| *n).collect();
        others.sort_unstable();
        let each = others.get(others.len() / 2).copied().unwrap_or(1).max(1);
        lines.get(&number).copied().unwrap_or_default().div_ceil(each)
    }
}

fn passive_opens<'c>(cx: &'c Context<'c>, at: At) -> BoxFuture<'c, Result<u64, Lost>> {
    async move {
        let text = inside::text(cx, &format!("/proc/{}/net/snmp", at.pid), 64 << 10).await?;
        counted(&String::from_utf8_lossy(&text.bytes)).ok_or_else(|| inside::malformed("/proc/net/snmp"))
    }
    .boxed()
}

/// `PassiveOpens` in the text of `/proc/net/snmp`: a line of names and one of numbers for each protocol.
fn counted(snmp: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    let column = lines.next()?.split_whitespace().position(|name| name == "PassiveOpens")?;
    lines.next()?.split_whitespace().nth(column)?.parse().ok()
}

/// In how many lines each request shows, whatever else is in them.
fn numbers(printed: &Printed, mark: &str) -> BTreeMap<u16, u32> {
    let mut all = BTreeMap::new();
    let Ok(nonce) = Regex::new(&format!(r"{mark}-(\d{{3}})-")) else { return all };
    for line in printed.out.split(|byte| *byte == b'\n').chain(printed.err.split(|byte| *byte == b'\n')) {
        let mut here: Vec<u16> = nonce
            .captures_iter(line)
            .filter_map(|found| std::str::from_utf8(found.get(1)?.as_bytes()).ok()?.parse::<u16>().ok())
            .collect();
        here.sort_unstable();
        here.dedup();
        for number in here {
            *all.entry(number).or_insert(0) += 1;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARK: &str = "00112233445566aa";

    fn of(out: impl Into<Vec<u8>>, err: impl Into<Vec<u8>>) -> BTreeMap<u16, u32> {
        numbers(&Printed { out: out.into(), err: err.into(), cut: false }, MARK)
    }

    #[test]
    fn requests_are_found_in_access_logs_of_any_form() {
        let apache = format!(
            "172.19.0.1 - - [22/Nov/2026] \"GET /labrun-{MARK}-007-0a.txt HTTP/1.1\" 404 8964 \"-\" \"labrun\"\n"
        );
        let nginx = format!(
            "2026/11/22 [error] open() \"/usr/share/nginx/html/labrun-{MARK}-007-0a.txt\" failed, request: \"GET /labrun-{MARK}-007-0a.txt HTTP/1.1\"\n"
        );
        assert_eq!(of(apache.as_str(), ""), BTreeMap::from([(7, 1)]));
        // A line is one, however often it says it; an error is another line of the same request.
        assert_eq!(of(apache, nginx), BTreeMap::from([(7, 2)]));
        assert_eq!(of(format!("{MARK}-1234- {MARK}-12- x{MARK}-123x {MARK}-123_"), ""), BTreeMap::new());
        assert_eq!(of("0011223344556600-001-", ""), BTreeMap::new());
    }

    #[test]
    fn what_an_instance_prints_to_deceive_is_read_in_bounded_memory() {
        let huge = format!("{}{MARK}-001{}", "x".repeat(2 << 20), "y".repeat(2 << 20));
        assert_eq!(of(huge, ""), BTreeMap::new());
        let huge = format!("{}{MARK}-001-{}", "x".repeat(2 << 20), "y".repeat(2 << 20));
        assert_eq!(of(huge, ""), BTreeMap::from([(1, 1)]));
        let all: String = (0..1000).map(|n| format!("{MARK}-{n:03}- ")).collect();
        assert_eq!(of(all.repeat(50), "").len(), 1000);
        let binary = [&[0xff, 0, 0xfe][..], MARK.as_bytes(), b"-042-\xff\0"].concat();
        assert_eq!(of(binary, [0x80; 1000]), BTreeMap::from([(42, 1)]));
    }

    #[test]
    fn arrivals_are_counted_by_what_one_arrival_prints() {
        let instance =
            |lines: &[(u16, u32)]| Instance { lines: Some(lines.iter().copied().collect()), ..Default::default() };
        assert_eq!(instance(&[(1, 1), (2, 1), (400, 5)]).arrivals(400), 5);
        assert_eq!(instance(&[(1, 2), (2, 2), (400, 10)]).arrivals(400), 5);
        assert_eq!(instance(&[(1, 2), (2, 2)]).arrivals(400), 0);
        assert_eq!(instance(&[(400, 1)]).arrivals(400), 1);
        assert_eq!(Instance::default().arrivals(400), 0);
    }

    #[test]
    fn connections_are_counted_by_the_name_of_the_column() {
        let snmp = "Ip: Forwarding\nIp: 1\nTcp: RtoAlgorithm ActiveOpens PassiveOpens\nTcp: 1 3 42\nUdp: x\n";
        assert_eq!(counted(snmp), Some(42));
        for broken in
            ["", "Tcp: PassiveOpens", "Tcp: PassiveOpens\nTcp: x", "Tcp: a\nTcp: 1", "Tcp: a PassiveOpens\nTcp: 1"]
        {
            assert_eq!(counted(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reading(bytes in proptest::collection::vec(any::<u8>(), 0..500), at in 0usize..500) {
            let mut bytes = bytes;
            let at = at.min(bytes.len());
            bytes.splice(at..at, format!("{MARK}-123-").into_bytes());
            prop_assert!(of(bytes, "").contains_key(&123));
        }
    }
}
