//! A machine looked at from outside: through an SSH server of labrun's own in it, so that whatever a world did to the
//! machine's can be seen.

use std::time::Duration;

use tempfile::TempDir;

use crate::selftest::machine::{Kit, MAX_PRINTED, Machine, printed};
use crate::vm::{Command, End};
use crate::worlds::User;

/// How long opening a door may take.
const OPENING: Duration = Duration::from_secs(60);

/// The port of the server: one that no lab is about.
const PORT: u16 = 2022;

/// Starts the server, and prints its key and the one that it lets in. It heeds no configuration but its own.
fn opening() -> String {
    format!(
        "set -eu; umask 022; mkdir -p /run/sshd /run/labrun-door; cd /run/labrun-door; \
         ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f key; \
         /usr/sbin/sshd -f /dev/null -p {PORT} -h \"$PWD/host\" -o PidFile=none -o UsePAM=yes \
           -o AuthorizedKeysFile=\"$PWD/key.pub\"; \
         cut -d' ' -f1,2 host.pub; cat key"
    )
}

/// The way in, and what opens it.
pub struct Door {
    /// Where the machine is seen from here.
    address: String,
    /// The key, and that of the server.
    keys: TempDir,
}

impl Door {
    /// Opens the way into `machine`.
    pub async fn open(machine: &Machine<'_>) -> Result<Door, String> {
        let each = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
        let seen = machine.docker(&["inspect", "--format", each, &machine.id], MAX_PRINTED, OPENING).await?;
        let addresses = String::from_utf8_lossy(&seen.stdout).into_owned();
        let address = addresses.split_whitespace().next().filter(|_| seen.end == End::Exited(0));
        let address = address.ok_or_else(|| format!("it has no address to be seen at: {}", printed(&seen)))?.to_owned();
        let opened = machine.bash(User::Root, &opening(), MAX_PRINTED, OPENING).await?;
        let said = String::from_utf8_lossy(&opened.stdout).into_owned();
        let (server, key) = match (opened.end, said.split_once('\n')) {
            (End::Exited(0), Some(keys)) => keys,
            _ => return Err(format!("no SSH server can be started in it: {}", printed(&opened))),
        };
        let keys = tempfile::Builder::new().prefix("labrun-").tempdir();
        let keys = keys.and_then(|keys| {
            std::fs::write(keys.path().join("key"), key)?;
            std::fs::write(keys.path().join("known_hosts"), format!("[{address}]:{PORT} {server}\n"))?;
            Ok(keys)
        });
        Ok(Door { address, keys: keys.map_err(|error| format!("the key to it cannot be kept: {error}"))? })
    }

    /// The command that looks at `labs` from here, with these options of `labrun check`.
    pub fn check(&self, kit: &Kit, labs: &[String], options: &[String], max_bytes: usize) -> Command {
        let text = |path: &std::path::Path| path.display().to_string();
        let mut argv =
            vec![text(&kit.here), "check".to_owned(), format!("--labs={}", text(&kit.share.path().join("labs")))];
        argv.extend(["--format=json", "--lang=en"].map(str::to_owned));
        argv.push(format!("--vm=ssh://linux-user@{}:{PORT}", self.address));
        argv.push(format!("--identity={}", text(&self.keys.path().join("key"))));
        argv.push(format!("--known-hosts={}", text(&self.keys.path().join("known_hosts"))));
        if kit.here != kit.labrun {
            // Made for machines, which may be of another kind than this one.
            argv.push(format!("--helper={}", text(&kit.labrun)));
        }
        argv.extend(labs.iter().chain(options).cloned());
        // What is noted of a look is nobody's here.
        let env = ["HOME", "XDG_STATE_HOME"].map(|name| (name.to_owned(), text(self.keys.path())));
        Command { argv, env: env.to_vec(), max_bytes }
    }
}
