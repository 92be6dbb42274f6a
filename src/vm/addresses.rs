//! The address by which a machine is known beyond its own loopback, from what the kernel says of its networks:
//! `/proc/net/route` (which network lies on which interface) and `/proc/net/fib_trie` (which addresses are its own).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::evidence::{Cause, Unobserved};

/// The address of the machine by the texts of those files: that which its default route is used with, else the first.
pub fn own_address(routes: &str, tries: &str) -> Option<Ipv4Addr> {
    default_address(routes, tries).or_else(|| first_own_address(routes, tries))
}

/// The address that the default route is used with; none without such a route.
fn default_address(routes: &str, tries: &str) -> Option<Ipv4Addr> {
    let lines: Vec<Route> = routes.lines().skip(1).filter_map(Route::parse).collect();
    let default = lines.iter().filter(|route| route.mask == 0 && route.is_up()).min_by_key(|route| route.metric)?;
    let own = own_addresses(tries);
    let near = lines.iter().filter(|route| route.interface == default.interface && route.mask != 0);
    // The network that the gateway is in comes first, where an interface has several.
    let (of_gateway, others): (Vec<&Route>, Vec<&Route>) = near.partition(|route| route.holds(default.gateway));
    of_gateway.into_iter().chain(others).find_map(|route| own.iter().copied().find(|own| route.holds((*own).into())))
}

/// The first address of the machine, by interface order, on a network that is not a container's.
fn first_own_address(routes: &str, tries: &str) -> Option<Ipv4Addr> {
    let own = own_addresses(tries);
    routes.lines().skip(1).filter_map(Route::parse).find_map(|route| {
        let made = ["lo", "docker", "br-", "veth"].iter().any(|made| route.interface.starts_with(made));
        let candidates = own.iter().copied().filter(|_| !made && route.mask != 0);
        candidates.into_iter().find(|own| route.holds((*own).into()))
    })
}

/// That the machine has no such address.
pub fn no_address() -> Unobserved {
    Unobserved::new(
        Cause::Path,
        "esta máquina no tiene ninguna dirección de red además de la propia (127.0.0.1)",
        "this machine has no network address beyond its own loopback (127.0.0.1)",
    )
}

/// One line of `/proc/net/route`.
struct Route<'t> {
    interface: &'t str,
    network: u32,
    gateway: u32,
    flags: u32,
    metric: u32,
    mask: u32,
}

impl<'t> Route<'t> {
    fn parse(line: &'t str) -> Option<Route<'t>> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let hex = |n: usize| u32::from_str_radix(words.get(n)?, 16).ok();
        Some(Route {
            interface: words.first()?,
            network: hex(1)?.swap_bytes(),
            gateway: hex(2)?.swap_bytes(),
            flags: hex(3)?,
            metric: words.get(6)?.parse().ok()?,
            mask: hex(7)?.swap_bytes(),
        })
    }

    fn is_up(&self) -> bool {
        self.flags & 1 == 1
    }

    fn holds(&self, address: u32) -> bool {
        address & self.mask == self.network
    }
}

fn own_addresses(tries: &str) -> BTreeSet<Ipv4Addr> {
    let mut own = BTreeSet::new();
    let mut leaf = None;
    for line in tries.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line.starts_with("/32 host LOCAL") {
            own.extend(leaf.filter(|address| !address.is_loopback()));
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUTES: &str = "\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
eth0	0002000A	00000000	0001	0	0	100	00FFFFFF	0	0	0
";
    const TRIES: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.0.2.15
        /32 host LOCAL
     |-- 10.0.2.255
        /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 172.17.0.1
        /32 host LOCAL
";

    #[test]
    fn without_a_default_route_the_first_network_that_is_not_docker_s_names_the_machine() {
        assert_eq!(first_own_address(ROUTES, TRIES), Some(Ipv4Addr::new(10, 0, 2, 15)));
        let without = ROUTES.lines().filter(|line| !line.starts_with("eth0")).collect::<Vec<_>>().join("\n");
        assert_eq!(first_own_address(&without, TRIES), None);
        assert_eq!(first_own_address("", ""), None);
        assert_eq!(first_own_address("x\neth0 zz", "|-- \n|-- 1.2.3\n/32 host LOCAL"), None);
    }

    #[test]
    fn the_default_route_names_the_address_that_it_is_used_with() {
        let default = "eth1\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        let second = "eth1\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(default_address(&format!("{ROUTES}{default}{second}"), TRIES), Some(Ipv4Addr::new(10, 0, 2, 15)));
        assert_eq!(default_address(ROUTES, TRIES), None);
        assert_eq!(default_address(&format!("{ROUTES}{default}"), TRIES), None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parsers(routes in "([a-z0-9]{0,5}[ \t0-9A-F]{0,40}\n){0,5}", tries in "[ |+/0-9.LOCA\n-]{0,200}") {
            default_address(&routes, &tries);
            first_own_address(&routes, &tries);
        }
    }
}
