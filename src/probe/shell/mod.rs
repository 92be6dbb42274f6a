//! What a student types in a shell of the VM to see the same.

use crate::engine::published_port;
use crate::vantage::Host;

/// `word` as a POSIX shell takes it for one word, quoted only where it must be.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The name of a container as a word of a shell in the VM that stands for the same one.
pub fn quote_container(name: &str) -> String {
    match published_port(name) {
        Some(port) => format!("$(docker ps -q --filter publish={port}/tcp)"),
        None => quote(name),
    }
}

/// `host` as a word of a shell in the VM that stands for the same address.
pub fn shell_host(host: &Host) -> String {
    match host {
        Host::Loopback => "localhost".to_owned(),
        // Not `hostname -I`, whose first address may be a Docker bridge's.
        Host::Outward => r"$(ip route get 192.0.2.1 | grep -oP 'src \K\S+')".to_owned(),
        Host::Named(name) => quote(name),
        Host::Container(name) => format!(
            "$(docker inspect -f '{{{{range .NetworkSettings.Networks}}}}{{{{println .IPAddress}}}}{{{{end}}}}' {} | head -n1)",
            quote_container(name)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_where_a_shell_would_read_them() {
        for (word, quoted) in [
            ("ams", "ams"),
            ("/var/lib/x", "/var/lib/x"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(x)", "'$(x)'"),
            ("it's", r"'it'\''s'"),
            ("ñ", "'ñ'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
        assert_eq!(quote_container("my ams"), "'my ams'");
        assert_eq!(quote_container(":8081"), "$(docker ps -q --filter publish=8081/tcp)");
    }
}
