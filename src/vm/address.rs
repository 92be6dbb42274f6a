//! How a student's machine is addressed: the word after `--vm`.

use std::fmt;
use std::str::FromStr;

/// Which machine to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Address {
    /// The one labrun runs on.
    #[default]
    Local,
    /// One that is reached over SSH.
    Ssh {
        /// The user to log in as; by default whom the user's own SSH configuration names.
        user: Option<String>,
        /// A host name, an alias of the user's own SSH configuration, or an IP address.
        host: String,
        /// The TCP port; by default what the user's own SSH configuration says.
        port: Option<u16>,
    },
}

const FORM: &str = "an address is `local` or `ssh://[USER@]HOST[:PORT]`";

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        if text == "local" {
            return Ok(Address::Local);
        }
        let Some(rest) = text.strip_prefix("ssh://") else { return Err(FORM.to_owned()) };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
        if user.is_some_and(|user| user.contains(':')) {
            return Err("no password belongs into an address, where everybody on this machine could read it: \
                        leave it out and labrun asks for it, or use `--password-file FILE`"
                .to_owned());
        }
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']').ok_or(FORM)?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(FORM)?) })
            }
            None => match place.split_once(':') {
                Some((_, port)) if port.contains(':') => return Err(format!("{FORM}, an IPv6 HOST in brackets")),
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        if !is_word(host) || user.is_some_and(|user| !is_word(user)) {
            return Err(FORM.to_owned());
        }
        let number = |port: &str| port.parse().ok().filter(|port| *port > 0);
        let port = port.map(|port| number(port).ok_or("a port is a number from 1 to 65535")).transpose()?;
        Ok(Address::Ssh { user: user.map(str::to_owned), host: host.to_owned(), port })
    }
}

/// Whether `word` can be that of a host or a user. One that begins with a hyphen would be an option to other programs.
fn is_word(word: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "/@?#%[]".contains(c);
    !word.is_empty() && !word.starts_with('-') && !word.contains(odd)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Address::Ssh { user, host, port } = self else { return f.write_str("local") };
        f.write_str("ssh://")?;
        if let Some(user) = user {
            write!(f, "{user}@")?;
        }
        if host.contains(':') { write!(f, "[{host}]") } else { f.write_str(host) }?;
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_survives_being_written() {
        for text in ["local", "ssh://vm", "ssh://linux-user@127.0.0.1:2222", "ssh://a@[fe80::1]:22", "ssh://[::1]"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let slash = "ssh://ana@vm.example:2222/".parse::<Address>().unwrap();
        assert_eq!(slash, Address::Ssh { user: Some("ana".into()), host: "vm.example".into(), port: Some(2222) });
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "vm",
            "Local",
            "ssh://",
            "ssh://@vm",
            "ssh://a@",
            "ssh://vm:",
            "ssh://vm:0",
            "ssh://vm:70000",
            "ssh://vm:x",
            "ssh://::1",
            "ssh://[::1",
            "ssh://[::1]22",
            "ssh://-oProxyCommand=x",
            "ssh://-l@vm",
            "ssh://a b",
            "ssh://vm/x",
            "ssh://vm?x",
            "http://vm",
            "ssh:vm",
            "ssh://a\n",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
        let refused = "ssh://ana:secret@vm".parse::<Address>().unwrap_err();
        assert!(refused.contains("--password-file") && !refused.contains("secret"));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_written_so_that_it_is_taken_again(text in "(ssh://)?[a-z@:\\[\\]0-9./-]{0,20}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
