//! The way to a machine as the user's own `ssh` would go it: `ssh -G` says, where there is an `ssh`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::evidence::{Cause, Unobserved};
use crate::vm::ssh::SshOptions;

/// How long `ssh -G` may take, and how much it may say.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_TEXT: u64 = 1 << 20;

/// How many machines one may have to go through.
const MAX_HOPS: usize = 6;

/// One machine on the way, the last being the one to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The name or address to connect to.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// As whom to log in.
    pub user: String,
    /// By what name its key is known.
    pub known_as: String,
    /// Where keys of machines are known from; a new one goes into the first.
    pub known_hosts: Vec<PathBuf>,
    /// Private keys to try.
    pub identities: Vec<PathBuf>,
    /// Certificates of keys, beside those that lie beside the keys.
    pub certificates: Vec<PathBuf>,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
}

/// The machines on the way to `host`, in order.
pub async fn route(
    user: Option<&str>,
    host: &str,
    port: Option<u16>,
    options: &SshOptions,
) -> Result<Vec<Hop>, Unobserved> {
    let mut way = Vec::new();
    let mut open = vec![(user.map(str::to_owned), host.to_owned(), port)];
    while let Some((user, host, port)) = open.pop() {
        if way.len() >= MAX_HOPS {
            return Err(too_many_hops(&host));
        }
        let said = said(user.as_deref(), &host, port).await;
        let said = Said::parse(&said);
        if let Some(command) = said.one("proxycommand") {
            return Err(no_proxy_command(&host, command));
        }
        way.push(said.hop(user, &host, port, options));
        // Going back from the machine, the last of its jumps comes next. Only the first has a way of its own.
        if !open.is_empty() {
            continue;
        }
        let jumps = said.one("proxyjump").map(jumps).transpose().map_err(|jump| bad_jump(&host, &jump))?;
        open.extend(jumps.into_iter().flatten());
    }
    way.reverse();
    if let Some(last) = way.last_mut() {
        if !options.identities.is_empty() {
            last.identities.clone_from(&options.identities);
            last.certificates.clear();
            last.agent = None;
        }
        if options.password_file.is_some() && options.identities.is_empty() {
            // Asked for; a machine that has seen many keys refused does not listen to a password any more.
            last.identities.clear();
            last.agent = None;
        }
    }
    if let Some(file) = &options.known_hosts {
        way.iter_mut().for_each(|hop| hop.known_hosts = vec![file.clone()]);
    }
    Ok(way)
}

/// What `ssh -G` says; nothing where there is no `ssh`, or it has nothing to say.
async fn said(user: Option<&str>, host: &str, port: Option<u16>) -> String {
    let mut command = Command::new("ssh");
    command.arg("-G");
    if let Some(user) = user {
        command.args(["-l", user]);
    }
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    command.args(["--", host]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let Ok(mut child) = command.spawn() else { return String::new() };
    let Some(out) = child.stdout.take() else { return String::new() };
    let mut bytes = Vec::new();
    match timeout(PATIENCE, out.take(MAX_TEXT).read_to_end(&mut bytes)).await {
        Ok(Ok(_)) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => String::new(),
    }
}

/// The words of `ssh -G`, by their names.
struct Said<'t>(BTreeMap<&'t str, Vec<&'t str>>);

impl<'t> Said<'t> {
    fn parse(text: &'t str) -> Said<'t> {
        let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            said.entry(name).or_default().push(value.trim());
        }
        Said(said)
    }

    fn all(&self, name: &str) -> &[&'t str] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    fn one(&self, name: &str) -> Option<&'t str> {
        self.all(name).first().copied().filter(|value| !value.is_empty() && *value != "none")
    }

    fn hop(&self, user: Option<String>, host: &str, port: Option<u16>, options: &SshOptions) -> Hop {
        let name = self.one("hostname").unwrap_or(host);
        let home = |path: &str| match (path.strip_prefix("~/"), &options.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        };
        let hosts = ["userknownhostsfile", "globalknownhostsfile"].into_iter().flat_map(|name| self.all(name));
        let hosts =
            hosts.flat_map(|files| files.split_whitespace()).filter(|file| *file != "none" && *file != "/dev/null");
        let mut known_hosts: Vec<PathBuf> = hosts.map(home).collect();
        if self.all("userknownhostsfile").iter().all(|files| ["none", "/dev/null"].contains(files)) {
            // A file that keeps nothing would let every key pass as new.
            known_hosts.insert(0, home("~/.ssh/known_hosts"));
        }
        let identities = match self.all("identityfile") {
            [] => ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| home(&format!("~/.ssh/{name}"))).to_vec(),
            files => files.iter().map(|file| home(file)).collect(),
        };
        let certificates = self.all("certificatefile").iter().map(|file| home(file)).collect();
        // A path of the configuration's own; `SSH_AUTH_SOCK` and `$NAME` speak of the environment.
        let own = self.one("identityagent").filter(|agent| agent.starts_with(['/', '~']));
        let refused = self.all("identityagent").first() == Some(&"none") || self.one("identitiesonly") == Some("yes");
        Hop {
            host: name.to_owned(),
            port: port.or_else(|| self.one("port")?.parse().ok()).unwrap_or(22),
            user: user
                .or_else(|| self.one("user").map(str::to_owned))
                .or_else(|| options.user.clone())
                .unwrap_or_else(|| "root".to_owned()),
            known_as: self.one("hostkeyalias").unwrap_or(name).to_owned(),
            known_hosts,
            identities,
            certificates,
            agent: own.map(home).or_else(|| options.agent.clone()).filter(|_| !refused),
        }
    }
}

/// A place to go through: whom as, where, at which port.
type Jump = (Option<String>, String, Option<u16>);

/// The words of `ProxyJump`: `[user@]host[:port]`, or the same as an URI, separated by commas.
fn jumps(words: &str) -> Result<Vec<Jump>, String> {
    let one = |word: &str| {
        let address = if word.starts_with("ssh://") { word.to_owned() } else { format!("ssh://{word}") };
        match address.parse() {
            Ok(crate::vm::address::Address::Ssh { user, host, port }) => Ok((user, host, port)),
            _ => Err(word.to_owned()),
        }
    };
    words.split(',').map(str::trim).filter(|word| !word.is_empty()).map(one).collect()
}

fn too_many_hops(host: &str) -> Unobserved {
    Unobserved::new(
        Cause::Path,
        format!("el camino hasta {host} pasa por más de {MAX_HOPS} máquinas: revisá ProxyJump en ~/.ssh/config"),
        format!("the way to {host} leads through more than {MAX_HOPS} machines: see ProxyJump in ~/.ssh/config"),
    )
}

fn bad_jump(host: &str, jump: &str) -> Unobserved {
    Unobserved::new(
        Cause::Unsupported,
        format!("no se entiende `ProxyJump {jump}` de ~/.ssh/config para {host}"),
        format!("`ProxyJump {jump}` in ~/.ssh/config for {host} makes no sense"),
    )
}

fn no_proxy_command(host: &str, command: &str) -> Unobserved {
    Unobserved::new(
        Cause::Unsupported,
        format!(
            "~/.ssh/config llega a {host} con `ProxyCommand {command}`, y labrun sólo conoce ProxyJump: usalo, o \
             abrí un túnel con `ssh -L` y apuntá `--vm` ahí"
        ),
        format!(
            "~/.ssh/config reaches {host} by `ProxyCommand {command}`, and labrun only knows ProxyJump: use that, or \
             open a tunnel with `ssh -L` and point `--vm` at it"
        ),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SAID: &str = "\
user linux-user
hostname 10.0.0.7
port 2222
identitiesonly no
identityfile ~/.ssh/id_ed25519
identityfile /keys/course
certificatefile ~/.ssh/course-cert.pub
userknownhostsfile ~/.ssh/known_hosts ~/.ssh/known_hosts2
globalknownhostsfile /etc/ssh/ssh_known_hosts
proxyjump gw,ana@[::1]:2200
identityagent SSH_AUTH_SOCK
";

    fn options() -> SshOptions {
        SshOptions { home: Some("/home/t".into()), agent: Some("/run/agent".into()), ..SshOptions::default() }
    }

    #[test]
    fn what_ssh_would_do_is_done() {
        let hop = Said::parse(SAID).hop(None, "vm", None, &options());
        assert_eq!((hop.host.as_str(), hop.port, hop.user.as_str()), ("10.0.0.7", 2222, "linux-user"));
        assert_eq!(hop.identities, ["/home/t/.ssh/id_ed25519", "/keys/course"].map(PathBuf::from));
        assert_eq!(hop.certificates, [PathBuf::from("/home/t/.ssh/course-cert.pub")]);
        assert_eq!(hop.known_hosts[0], PathBuf::from("/home/t/.ssh/known_hosts"));
        assert_eq!(hop.known_hosts.len(), 3);
        assert_eq!(hop.agent, Some("/run/agent".into()));
        let hop = Said::parse(SAID).hop(Some("eva".into()), "vm", Some(23), &options());
        assert_eq!((hop.port, hop.user.as_str()), (23, "eva"));
        assert_eq!(
            jumps("gw, ana@[::1]:2200").unwrap(),
            [(None, "gw".into(), None), (Some("ana".into()), "::1".into(), Some(2200))]
        );
        assert_eq!(jumps("a b"), Err("a b".into()));
    }

    #[test]
    fn without_ssh_there_are_its_defaults() {
        let hop = Said::parse("").hop(None, "vm", None, &SshOptions { user: Some("eva".into()), ..options() });
        assert_eq!((hop.host.as_str(), hop.port, hop.user.as_str(), hop.known_as.as_str()), ("vm", 22, "eva", "vm"));
        assert_eq!(hop.known_hosts, [PathBuf::from("/home/t/.ssh/known_hosts")]);
        assert_eq!(hop.identities.len(), 3);
    }

    #[test]
    fn a_file_that_keeps_nothing_is_no_file_of_known_hosts() {
        let hop = Said::parse("userknownhostsfile /dev/null\nidentityagent none\n").hop(None, "vm", None, &options());
        assert_eq!(hop.known_hosts, [PathBuf::from("/home/t/.ssh/known_hosts")]);
        assert_eq!(hop.agent, None);
    }

    proptest! {
        #[test]
        fn whatever_it_says_is_survived(text in ".{0,300}", jump in "[a-z@:,\\[\\]0-9 -]{0,40}") {
            Said::parse(&text).hop(None, "vm", None, &options());
            let _ = jumps(&jump);
        }
    }
}
