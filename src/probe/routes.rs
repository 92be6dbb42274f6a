//! The routing table of the VM, or of a container: where it can go from there, and through whom. IPv4.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::evidence::{Facts, Unobserved};
use crate::probe::inside::{self, At, Lost};
use crate::probe::{Context, FOUND_WORDS, Probe, Sheet, Thing, quote_container};

/// How many routes are reported.
const MANY: usize = 500;

/// How much of the table is read.
const TABLE: usize = 1 << 20;

/// Flags of a route in the kernel's table: it is in use, it goes through a gateway, it leads nowhere on purpose.
const UP: u16 = 0x1;
const GATEWAY: u16 = 0x2;
const REJECT: u16 = 0x200;

/// Looks at the routes of a network namespace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Routes {
    /// A compose service (while it runs) or the exact name of a container; the VM itself where none is named.
    pub container: Option<String>,
}

#[async_trait]
impl Probe for Routes {
    const NAME: &'static str = "routes";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("found", "`one`, `none`, `several`, or null when no container was asked for"),
        ("names", "the exact names of those that answer to the name"),
        ("running", "whether it runs, or is paused; the VM does"),
        ("routes", "a list of {destination, gateway, interface}; the default is 0.0.0.0/0; absent unless it runs"),
        ("default_gateway", "the gateway of the default route, or null; absent unless it runs"),
        ("subnets", "the networks it is on, without a gateway between: `172.18.0.0/16`; absent unless it runs"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[FOUND_WORDS];

    fn things(&self) -> Vec<Thing> {
        self.container.iter().cloned().map(Thing::Container).collect()
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let (mut sheet, seen) = inside::look(cx, self.container.as_deref(), table).await?;
        if let Some((routes, cut)) = seen {
            report(routes, cut, &mut sheet);
        }
        Ok(sheet.done())
    }

    fn command(&self) -> String {
        match &self.container {
            None => "ip route".to_owned(),
            Some(name) => {
                format!(
                    "sudo nsenter -n -t $(docker inspect -f '{{{{.State.Pid}}}}' {}) ip route",
                    quote_container(name)
                )
            }
        }
    }
}

/// One line of the table, in the order in which the kernel prefers: the narrowest first, then by metric.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    network: Ipv4Addr,
    bits: u32,
    gateway: Option<Ipv4Addr>,
    interface: String,
    metric: u32,
}

fn table<'c>(cx: &'c Context<'c>, at: At) -> BoxFuture<'c, Result<(Vec<Route>, bool), Lost>> {
    Box::pin(async move {
        let path = format!("/proc/{}/net/route", at.pid);
        let text = inside::text(cx, &path, TABLE).await?;
        let whole = String::from_utf8_lossy(&text.bytes).into_owned();
        let whole = if text.cut { whole.rsplit_once('\n').map_or("", |(whole, _)| whole) } else { &whole };
        Ok((parse(whole).ok_or_else(|| inside::malformed(&path))?, text.cut))
    })
}

fn report(mut routes: Vec<Route>, cut: bool, sheet: &mut Sheet) {
    routes.sort_by_key(|route| (std::cmp::Reverse(route.bits), route.network, route.metric, route.interface.clone()));
    let destination = |route: &Route| format!("{}/{}", route.network, route.bits);
    let default = routes.iter().find(|route| route.bits == 0);
    let near: Vec<&Route> = routes.iter().filter(|route| route.gateway.is_none() && route.bits > 0).collect();
    let subnets: BTreeSet<String> = near.into_iter().map(destination).collect();
    let listed = routes.iter().map(
        |route| json!({"destination": destination(route), "gateway": route.gateway, "interface": route.interface}),
    );
    sheet.list("routes", listed, MANY);
    sheet.fact("default_gateway", default.and_then(|route| route.gateway));
    sheet.list("subnets", subnets.into_iter().map(|subnet| json!(subnet)), MANY);
    if cut {
        for name in ["routes", "default_gateway", "subnets"] {
            sheet.is_cut(name);
        }
    }
}

/// Those in use, of the text of `/proc/net/route`; none when it is not such a text.
fn parse(text: &str) -> Option<Vec<Route>> {
    let mut lines = text.lines();
    if !lines.next()?.starts_with("Iface\tDestination") {
        return None;
    }
    let mut all = Vec::new();
    for line in lines {
        // The flags, of an interface whose name ends in a blank, would be its destination.
        let words: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [interface, network, gateway, flags, _, _, metric, mask, ..] = words[..] else { return None };
        let (network, gateway, mask) = (address(network)?, address(gateway)?, u32::from(address(mask)?));
        let flags = u16::from_str_radix(flags, 16).ok()?;
        if flags & UP == 0 || flags & REJECT != 0 {
            continue;
        }
        let bits = mask.leading_ones();
        if mask.count_ones() != bits {
            return None;
        }
        let gateway = Some(gateway).filter(|_| flags & GATEWAY != 0);
        all.push(Route { network, bits, gateway, interface: interface.to_owned(), metric: metric.parse().ok()? });
    }
    Some(all)
}

/// `010012AC`, an address as one word of the machine's (little) endianness.
fn address(word: &str) -> Option<Ipv4Addr> {
    let plain = word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(word, 16).ok().filter(|_| plain).map(|word| Ipv4Addr::from(word.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::probe::testing::look;

    const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT   \n";

    fn seen(lines: &[&str]) -> Facts {
        let mut sheet = Sheet::default();
        report(parse(&format!("{HEAD}{}\n", lines.join("\n"))).unwrap(), false, &mut sheet);
        sheet.done()
    }

    #[test]
    fn a_container_on_a_network_of_its_own_has_one_subnet_and_a_gateway() {
        // Engine 26.1 and 20.10 alike.
        let facts = seen(&[
            "eth0\t00000000\t010013AC\t0003\t0\t0\t0\t00000000\t0\t0\t0   ",
            "eth0\t000013AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0   ",
        ]);
        let routes = json!([
            {"destination": "172.19.0.0/16", "gateway": null, "interface": "eth0"},
            {"destination": "0.0.0.0/0", "gateway": "172.19.0.1", "interface": "eth0"},
        ]);
        assert_eq!(facts["routes"], routes);
        assert_eq!((&facts["default_gateway"], &facts["subnets"]), (&json!("172.19.0.1"), &json!(["172.19.0.0/16"])));
    }

    #[test]
    fn without_a_default_there_is_no_gateway_and_without_a_network_nothing() {
        let facts = seen(&["eth0\t000014AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0"]);
        assert_eq!((&facts["default_gateway"], &facts["subnets"]), (&Value::Null, &json!(["172.20.0.0/16"])));
        let mut sheet = Sheet::default();
        report(parse(HEAD).unwrap(), false, &mut sheet);
        assert_eq!(sheet.done()["routes"], json!([]));
    }

    #[test]
    fn of_two_defaults_the_lower_metric_counts_and_what_leads_nowhere_does_not() {
        let facts = seen(&[
            "wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0",
            "eth0\t00000000\t0200000A\t0003\t0\t0\t100\t00000000\t0\t0\t0",
            "*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0",
            "down0\t000014AC\t00000000\t0000\t0\t0\t0\t0000FFFF\t0\t0\t0",
        ]);
        assert_eq!(facts["default_gateway"], "10.0.0.2");
        assert_eq!((facts["routes"].as_array().unwrap().len(), &facts["subnets"]), (2, &json!([])));
    }

    #[test]
    fn what_is_no_table_is_not_an_empty_one() {
        let line = |line: &str| format!("{HEAD}{line}\n");
        for text in [
            "".to_owned(),
            "  sl  local_address\n".to_owned(),
            line("eth0"),
            line("eth0\t0000\t00000000\t0001\t0\t0\t0\t0000FFFF"),
            line("eth0\t+0000000\t00000000\t0001\t0\t0\t0\t0000FFFF"),
            line("eth0\t00000000\t00000000\tzzzz\t0\t0\t0\t0000FFFF"),
            line("eth0\t00000000\t00000000\t0001\t0\t0\t-1\t0000FFFF"),
            // Not a prefix.
            line("eth0\t00000000\t00000000\t0001\t0\t0\t0\t00FF00FF"),
        ] {
            assert_eq!(parse(&text), None, "{text:?}");
        }
    }

    #[test]
    fn a_flood_is_cut() {
        let lines: Vec<String> =
            (0..MANY + 1).map(|i| format!("eth0\t{i:08X}\t00000000\t0001\t0\t0\t0\tFFFFFFFF\t0\t0\t0")).collect();
        let facts = seen(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(
            (facts["routes"].as_array().unwrap().len(), &facts["truncated"]),
            (MANY, &json!(["routes", "subnets"]))
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(Iface\tDestination\n)?[ -~ñ\t\n]{0,200}", words in "([0-9A-F]{4,8}\t?){0,12}") {
            parse(&text);
            parse(&format!("{HEAD}{words}"));
        }
    }

    #[tokio::test]
    async fn this_machine_s_table_can_be_read() {
        let facts = look("routes", json!({})).await.unwrap();
        let mut names: Vec<&str> = Routes::FACTS.iter().map(|(name, _)| *name).collect();
        names.sort();
        assert_eq!(facts.keys().collect::<Vec<_>>(), names);
    }
}
