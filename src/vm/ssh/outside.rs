//! Dialling the machine from outside: from labrun's own process, to the address at which the machine is seen from here.

use russh::keys::PublicKey;

use crate::vm::connect::{Pace, connect_to};
use crate::vm::ssh::client::key_shown_by;
use crate::vm::ssh::reached::Reached;
use crate::vm::ssh::trouble;
use crate::vm::{DialError, Dialled};

/// The port that SSH listens at where nobody says otherwise.
const SSH: u16 = 22;

/// Connects to `port` of the machine, which is seen at `host`. Its SSH is where labrun itself came in, whatever port
/// leads there from outside; at any other place it is its own only if it shows the same key.
pub async fn dial(reached: &Reached, host: &str, port: u16, pace: &Pace) -> Result<Dialled, DialError> {
    let arrived_at = reached.shell().await.ok().and_then(|shell| Some(shell.hello.arrived_at.clone()?.1));
    let hop = &reached.hop;
    if !leads_to_ssh(port, arrived_at, hop.port) {
        return connect_to(host, port, pace).await;
    }
    if host == hop.host || host == reached.host {
        return connect_to(&hop.host, hop.port, pace).await;
    }
    let dialled = connect_to(host, port, pace).await?;
    let own: &PublicKey = &reached.session.key;
    match key_shown_by(host, port, own.algorithm(), pace).await {
        Some(key) if key.key_data() == own.key_data() => Ok(dialled),
        _ => Err(DialError::Unobserved(trouble::another_machine(host, port, &reached.host))),
    }
}

/// Whether `port` is where the machine's SSH listens. Where that is, the machine itself says (`arrived_at`): its word
/// counts for the usual port and for the one that labrun came to (`own`) alone. At any other it could pass its SSH off as
/// what a lab looks for there, a database say.
fn leads_to_ssh(port: u16, arrived_at: Option<u16>, own: u16) -> bool {
    port == arrived_at.unwrap_or(SSH) && (port == SSH || port == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_passes_its_ssh_off_as_nothing_else() {
        for (port, arrived_at, own, leads) in [
            (22, Some(22), 22, true),
            (22, None, 22, true),
            // At a port of its own, there and from outside.
            (2204, Some(2204), 2204, true),
            (22, Some(2204), 2204, false),
            // Another port leads to the usual one.
            (22, Some(22), 2222, true),
            (2222, Some(22), 2222, false),
            (5432, Some(22), 22, false),
            // A lie, or SSH that is elsewhere both from outside and inside: labrun looks for itself.
            (5432, Some(5432), 22, false),
            (22, Some(5432), 22, false),
            (5432, Some(5432), 2222, false),
        ] {
            assert_eq!(leads_to_ssh(port, arrived_at, own), leads, "{port} {arrived_at:?} {own}");
        }
    }
}
