//! Who listens in the network namespace of the VM, or of a container, as the kernel's own tables say: a proxy of the
//! engine on the VM says nothing about the container, and no tool inside the container is relied upon.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use async_trait::async_trait;
use futures_util::future::{BoxFuture, join_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::evidence::{Facts, Unobserved};
use crate::probe::inside::{self, At, Lost};
use crate::probe::{Context, FOUND_WORDS, Probe, Sheet, Thing, quote_container};
use crate::vm::FileError;

/// How many sockets are reported.
const MANY: usize = 500;

/// How much of one table is read; the kernel lists those that listen first.
const TABLE: usize = 1 << 20;

/// Where Docker's own name server listens, at a port of its choice, in containers on networks that somebody made.
const DOCKER_DNS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));

/// Looks at the listening sockets of a network namespace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sockets {
    /// A compose service (while it runs) or the exact name of a container; the VM itself where none is named.
    pub container: Option<String>,
}

#[async_trait]
impl Probe for Sockets {
    const NAME: &'static str = "sockets";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("found", "`one`, `none`, `several`, or null when no container was asked for"),
        ("names", "the exact names of those that answer to the name"),
        ("running", "whether it runs, or is paused; the VM does"),
        ("listening", "who listens: a list of {protocol, address, port, family, dual}, absent unless it runs"),
        ("docker_dns", "Docker's own name server at 127.0.0.11, in the same form, set apart"),
        ("namespace", "the namespace read, `net:[4026532491]`; null where only root may know it"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[FOUND_WORDS];

    fn things(&self) -> Vec<Thing> {
        self.container.iter().cloned().map(Thing::Container).collect()
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let (mut sheet, seen) = inside::look(cx, self.container.as_deref(), tables).await?;
        if let Some(tables) = seen {
            tables.report(&mut sheet);
        }
        Ok(sheet.done())
    }

    fn command(&self) -> String {
        match &self.container {
            None => "ss -lntu".to_owned(),
            Some(name) => {
                format!(
                    "sudo nsenter -n -t $(docker inspect -f '{{{{.State.Pid}}}}' {}) ss -lntu",
                    quote_container(name)
                )
            }
        }
    }
}

/// A socket that waits for whoever comes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Socket {
    protocol: &'static str,
    port: u16,
    address: IpAddr,
    family: &'static str,
    dual: bool,
    #[serde(skip)]
    uid: u32,
}

/// What the tables of one namespace say.
#[derive(Debug, Default)]
struct Tables {
    sockets: Vec<Socket>,
    namespace: Option<String>,
    cut: bool,
}

fn tables<'c>(cx: &'c Context<'c>, at: At) -> BoxFuture<'c, Result<Tables, Lost>> {
    Box::pin(async move {
        let mut all = Tables::default();
        // All read at once: the machine may be far away.
        let tables = [("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp")].map(|(table, protocol)| {
            let path = format!("/proc/{}/net/{table}", at.pid);
            async move { (table, protocol, inside::text(cx, &path, TABLE).await, path) }
        });
        let namespace = format!("/proc/{}/ns/net", at.pid);
        let link = cx.patiently(cx.vm.read_link(&namespace));
        let (tables, link) = futures_util::join!(join_all(tables), link);
        for (table, protocol, text, path) in tables {
            let text = match text {
                // A kernel without IPv6 has no such table.
                Err(Lost::Gone) if table.ends_with('6') => continue,
                text => text?,
            };
            all.cut |= text.cut;
            let text = String::from_utf8_lossy(&text.bytes).into_owned();
            let whole = if all.cut { text.rsplit_once('\n').map_or("", |(whole, _)| whole) } else { &text };
            all.sockets.extend(parse(whole, protocol).ok_or_else(|| inside::malformed(&path))?);
        }
        all.namespace = match link? {
            Some(Ok(namespace)) => Some(namespace),
            Some(Err(FileError::Denied)) => None,
            Some(Err(error)) => return Err(inside::lost(&namespace, &error)),
            None => None,
        };
        Ok(all)
    })
}

impl Tables {
    fn report(mut self, sheet: &mut Sheet) {
        self.sockets.sort();
        self.sockets.dedup();
        let taken: Vec<(&str, u16)> = self
            .sockets
            .iter()
            .filter(|socket| socket.address == IpAddr::V4(Ipv4Addr::UNSPECIFIED))
            .map(|socket| (socket.protocol, socket.port))
            .collect();
        for socket in &mut self.sockets {
            socket.dual &= !taken.contains(&(socket.protocol, socket.port));
        }
        let (docker, own): (Vec<&Socket>, Vec<&Socket>) =
            self.sockets.iter().partition(|socket| socket.is_docker_dns());
        sheet.list("listening", own.iter().map(|socket| json!(socket)), MANY);
        sheet.list("docker_dns", docker.iter().map(|socket| json!(socket)), MANY);
        if self.cut {
            sheet.is_cut("listening");
            sheet.is_cut("docker_dns");
        }
        sheet.fact("namespace", self.namespace);
    }
}

impl Socket {
    /// The engine opens it as root and lets the kernel choose the port.
    fn is_docker_dns(&self) -> bool {
        self.address == DOCKER_DNS && self.uid == 0 && self.port >= 1024
    }
}

/// Those that listen, of the text of `/proc/net/tcp` and its kin; none when it is not such a text.
fn parse(text: &str, protocol: &'static str) -> Option<Vec<Socket>> {
    let mut lines = text.lines();
    if !lines.next()?.trim_start().starts_with("sl ") {
        return None;
    }
    let mut all = Vec::new();
    for line in lines {
        let mut words = line.split_whitespace().skip(1);
        let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
        let uid = words.nth(3)?.parse().ok()?;
        let (address, port) = end(local)?;
        let (peer, _) = end(remote)?;
        // TCP: LISTEN. UDP knows no such state: bound, and not connected to anyone.
        let listens = match protocol {
            "tcp" => state == "0A",
            _ => state == "07" && peer.is_unspecified(),
        };
        if listens {
            let dual = address == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            let address = address.to_canonical();
            let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            all.push(Socket { protocol, port, address, family, dual, uid });
        }
    }
    Some(all)
}

/// `0100007F:1F90`, an address in words of the machine's (little) endianness and a port in plain hexadecimal.
fn end(word: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = word.split_once(':')?;
    let port = hexadecimal(port, 4).and_then(|port| u16::try_from(port).ok())?;
    if address.len() == 8 {
        return Some((Ipv4Addr::from(hexadecimal(address, 8)?.to_le_bytes()).into(), port));
    }
    let mut bytes = [0; 16];
    if address.len() != 32 {
        return None;
    }
    for (i, four) in bytes.chunks_exact_mut(4).enumerate() {
        four.copy_from_slice(&hexadecimal(address.get(8 * i..8 * i + 8)?, 8)?.to_le_bytes());
    }
    Some((Ipv6Addr::from(bytes).into(), port))
}

fn hexadecimal(word: &str, digits: usize) -> Option<u32> {
    let plain = word.len() == digits && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(word, 16).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::probe::testing::look;

    // nginx in a container on a network of its own, engine 26.1.
    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:9A6F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1562046 1 00000000b7a6c00a 100
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1562104 1 00000000385dc69f 100
   2: 0100007F:0050 0100007F:8123 01 00000000:00000000 00:00000000 00000000     0        0 1562104 1 00000000385dc69f 100
   3: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1562104 1 00000000385dc69f 100
";
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1562105 1 000000003c9f3b3f 100
   1: 00000000000000000000000000000000:1538 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000    70        0 1562105 1 000000003c9f3b3f 100
   2: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000    70        0 1562105 1 000000003c9f3b3f 100
   3: 000080FE00000000FF005EFE0100A8C0:0052 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000    70        0 1562105 1 000000003c9f3b3f 100
";
    const UDP: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 2335: 0B00007F:D718 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1562045 2 00000000a73ea989 0
 2336: 020012AC:D719 01020304:0035 01 00000000:00000000 00:00000000 00000000     0        0 1562045 2 00000000a73ea989 0
 2337: 0B00007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1562045 2 00000000a73ea989 0
";

    fn seen(texts: &[(&str, &'static str)]) -> Facts {
        let sockets = texts.iter().flat_map(|(text, protocol)| parse(text, protocol).unwrap()).collect();
        let mut sheet = Sheet::default();
        Tables { sockets, ..Default::default() }.report(&mut sheet);
        sheet.done()
    }

    #[test]
    fn those_that_listen_are_told_and_docker_s_own_name_server_is_set_apart() {
        let facts = seen(&[(TCP, "tcp"), (TCP6, "tcp"), (UDP, "udp")]);
        let socket = |protocol: &str, address: &str, port: u16, dual: bool| {
            let family = if address.contains(':') { "ipv6" } else { "ipv4" };
            json!({"protocol": protocol, "address": address, "port": port, "family": family, "dual": dual})
        };
        let listening = json!([
            socket("tcp", "0.0.0.0", 80, false),
            // Not dual: IPv4 has a listener of its own.
            socket("tcp", "::", 80, false),
            socket("tcp", "127.0.0.1", 81, false),
            socket("tcp", "fe80::fe5e:ff:c0a8:1", 82, false),
            socket("tcp", "::", 5432, true),
            socket("tcp", "127.0.0.1", 8080, false),
            // Not the port of the kernel's choice that the engine gets.
            socket("udp", "127.0.0.11", 53, false),
        ]);
        assert_eq!(facts["listening"], listening);
        let docker = json!([socket("tcp", "127.0.0.11", 39535, false), socket("udp", "127.0.0.11", 55064, false)]);
        assert_eq!(facts["docker_dns"], docker);
    }

    #[test]
    fn many_workers_on_one_port_are_one_listener_and_a_flood_is_cut() {
        let line = |port: u16| {
            let head = "0: 00000000:";
            format!("{head}{port:04X} 00000000:0000 0A 0:0 00:0 0 0 0 1\n")
        };
        let text = |lines: String| format!("  sl  local_address\n{lines}");
        let same = text(line(80).repeat(9));
        assert_eq!(seen(&[(&same, "tcp")])["listening"].as_array().unwrap().len(), 1);
        let flood = text((1..=MANY as u16 + 1).map(line).collect());
        let facts = seen(&[(&flood, "tcp")]);
        assert_eq!((facts["listening"].as_array().unwrap().len(), &facts["truncated"]), (MANY, &json!(["listening"])));
    }

    #[test]
    fn what_is_no_table_is_not_an_empty_one() {
        for text in [
            "",
            "x",
            "Iface Destination\n",
            "  sl  x\n0:\n",
            "  sl  x\n0: 0:0 0:0 0A\n",
            "  sl  x\n0: 0100007F:1F90 00000000:0000 0A 0 0 0 -1 0\n",
            "  sl  x\n0: +100007F:1F90 00000000:0000 0A 0 0 0 0 0\n",
            "  sl  x\n0: 0100007F:11F90 00000000:0000 0A 0 0 0 0 0\n",
            "  sl  x\n0: ñ00000000000000000000000000000ñ:0050 00000000:0000 0A 0 0 0 0 0\n",
        ] {
            assert_eq!(parse(text, "tcp"), None, "{text:?}");
        }
        assert_eq!(parse("  sl  local_address\n", "udp"), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(  sl  x\n)?[ -~ñ\n]{0,300}", words in "  sl  x\n([0-9A-Fñ:]{1,40} ?){0,20}") {
            for text in [text, words] {
                parse(&text, "tcp");
                parse(&text, "udp");
            }
        }

        #[test]
        fn every_address_the_kernel_writes_is_read_back(bytes in any::<[u8; 16]>(), port: u16) {
            let four = |i: usize| u32::from_le_bytes(bytes[4 * i..4 * i + 4].try_into().unwrap());
            let v4 = format!("{:08X}:{port:04X}", four(0));
            prop_assert_eq!(end(&v4), Some((Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into(), port)));
            let v6 = format!("{:08X}{:08X}{:08X}{:08X}:{port:04X}", four(0), four(1), four(2), four(3));
            prop_assert_eq!(end(&v6), Some((Ipv6Addr::from(bytes).into(), port)));
        }
    }

    #[tokio::test]
    async fn this_machine_s_listeners_are_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let facts = look("sockets", json!({})).await.unwrap();
        assert_eq!((&facts["found"], &facts["running"]), (&Value::Null, &json!(true)));
        let port = listener.local_addr().unwrap().port();
        assert!(facts["listening"].as_array().unwrap().iter().any(|socket| socket["port"] == port), "{facts:?}");
    }

    #[tokio::test]
    async fn every_fact_of_the_contract_is_there() {
        let facts = look("sockets", json!({})).await.unwrap();
        let mut names: Vec<&str> = Sockets::FACTS.iter().map(|(name, _)| *name).collect();
        names.sort();
        assert_eq!(facts.keys().collect::<Vec<_>>(), names);
    }
}
