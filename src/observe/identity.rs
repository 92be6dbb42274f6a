//! What tells the machine from others: asked for once, beside everything else, and done without where it is not had
//! soon. No verdict ever rests on it.

use std::time::Duration;

use futures_util::future::join;
use sha2::{Digest, Sha256};

use crate::engine::Engine;
use crate::evidence::Identity;
use crate::vm::Vm;

/// Where Linux keeps what it calls itself, made when it was installed.
const MACHINE_ID: &str = "/etc/machine-id";

/// Completes what is `known` of the machine already; none where nothing is.
pub async fn of(vm: &dyn Vm, engine: &Engine<'_>, known: Identity, patience: Duration) -> Option<Identity> {
    let own_id = async { tokio::time::timeout(patience, engine.own_id()).await.ok()?.ok()? };
    let file = async { tokio::time::timeout(patience, vm.read_file(MACHINE_ID, 64)).await.ok()?.ok() };
    let (engine, file) = join(own_id, file).await;
    let found = Identity { engine, machine: file.and_then(|file| hashed(&file.bytes)), ..known };
    (found != Identity::default()).then_some(found)
}

/// A number of our own made of a machine's, from which nobody learns that: machine-id(5) asks for it.
fn hashed(file: &[u8]) -> Option<String> {
    let id = str::from_utf8(file).ok()?.trim();
    let is_one = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = Sha256::digest(format!("labrun machine-id\n{id}"));
    is_one.then(|| hash[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_id_is_told_apart_and_not_told() {
        let id = "7f1c0c9a4f7e4c0f9e0b6a2d3c4b5a69";
        let hash = hashed(format!("{id}\n").as_bytes()).unwrap();
        assert!(hash.len() == 32 && hash != id);
        assert_ne!(Some(hash), hashed(id.replace('7', "8").as_bytes()));
    }

    #[test]
    fn what_is_no_machine_id_is_none() {
        for odd in [&b""[..], b"uninitialized\n", b"\xff\xfe", b"7f1c", &[b'0'; 64]] {
            assert_eq!(hashed(odd), None, "{odd:?}");
        }
    }
}
