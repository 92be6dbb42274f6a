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
    if port != arrived_at.unwrap_or(SSH) {
        return connect_to(host, port, pace).await;
    }
    let hop = &reached.hop;
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
