//! Addresses and networks as people write them: `172.18.0.2`, `172.18.0.2/16`, `172.18.0.0/255.255.0.0`.

use ipnet::{IpNet, ipv4_mask_to_prefix};

/// Whether `text` names an address or a network within the network `outer`.
pub(crate) fn is_within(text: &str, outer: &str) -> bool {
    read(text).zip(read(outer)).is_some_and(|(inner, outer)| outer.trunc().contains(&inner.trunc()))
}

/// Whether `text` names the network `other`, or an address together with it: `172.18.0.2/16` is in `172.18.0.0/16`.
pub(crate) fn is_same(text: &str, other: &str) -> bool {
    text.contains('/') && read(text).zip(read(other)).is_some_and(|(one, other)| one.trunc() == other.trunc())
}

/// A network, or an address as the network of nobody else.
fn read(text: &str) -> Option<IpNet> {
    let text = text.trim();
    match text.split_once('/') {
        None if text.contains(':') => format!("{text}/128").parse().ok(),
        None => format!("{text}/32").parse().ok(),
        Some((address, mask)) if mask.contains('.') => {
            let prefix = ipv4_mask_to_prefix(mask.trim().parse().ok()?).ok()?;
            format!("{}/{prefix}", address.trim()).parse().ok()
        }
        Some((address, prefix)) => format!("{}/{}", address.trim(), prefix.trim()).parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_smaller_network_lies_within_a_network() {
        for text in ["172.18.0.2", "172.18.255.255", "172.18.0.2/16", "172.18.0.0/24", " 172.18.3.0 / 255.255.255.0 "] {
            assert!(is_within(text, "172.18.0.0/16"), "{text}");
        }
        for text in
            ["172.19.0.2", "172.18.0.0/8", "0.0.0.0/0", "", "172.18", "172.18.0.2/99", "172.18.0.2/", "x", "::1"]
        {
            assert!(!is_within(text, "172.18.0.0/16"), "{text}");
        }
        assert!(is_within("fd00::2/64", "fd00::/64") && !is_within("172.18.0.2", "no network"));
    }

    #[test]
    fn a_network_is_known_by_any_address_in_it_that_carries_its_mask() {
        for text in ["172.18.0.0/16", "172.18.0.2/16", "172.18.0.0/255.255.0.0"] {
            assert!(is_same(text, "172.18.0.0/16"), "{text}");
        }
        for text in ["172.18.0.2", "172.18.0.0/24", "172.18.0.0/0", "172.18.0.0/255.0.255.0", "172.18.0.0/-1", "/16"] {
            assert!(!is_same(text, "172.18.0.0/16"), "{text}");
        }
    }
}
