//! A user's certificates: keys of theirs, signed by an authority that machines trust. OpenSSH's PROTOCOL.certkeys says
//! what is in one, ssh_config(5) where they lie: `CertificateFile`, and `FILE-cert.pub` beside the key in `FILE`.

use std::io::Read;
use std::path::Path;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::{Certificate, HashAlg, PublicKey};
use russh::{AgentAuthError, Signer};

use crate::vm::ssh::config::Hop;

/// How much of a file is taken for a certificate.
const MAX_FILE: u64 = 64 << 10;

/// The certificates of whoever goes to a machine.
pub struct Certificates(Vec<Certificate>);

impl Certificates {
    /// Those that the way to `hop` names, and those beside its keys. What is none is left out, as `ssh` does.
    pub fn read(hop: &Hop) -> Certificates {
        let beside = hop.identities.iter().map(|key| {
            let mut name = key.clone().into_os_string();
            name.push("-cert.pub");
            name.into()
        });
        Certificates(hop.certificates.iter().cloned().chain(beside).filter_map(|file| certificate(&file)).collect())
    }

    /// That of `key`.
    pub fn of(&self, key: &PublicKey) -> Option<Certificate> {
        self.0.iter().find(|certificate| certificate.public_key() == key.key_data()).cloned()
    }
}

/// Has an agent sign for a certificate with what it knows itself: it may hold the key alone.
pub struct SignedBy<'a> {
    /// The agent.
    pub agent: &'a mut AgentClient<Box<dyn AgentStream + Send + Unpin>>,
    /// What it signs with.
    pub identity: AgentIdentity,
}

impl Signer for SignedBy<'_> {
    type Error = AgentAuthError;

    async fn auth_sign(
        &mut self,
        _shown: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, AgentAuthError> {
        Ok(self.agent.sign_request(&self.identity, hash, to_sign).await?)
    }
}

fn certificate(file: &Path) -> Option<Certificate> {
    if !std::fs::metadata(file).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    std::fs::File::open(file).ok()?.take(MAX_FILE).read_to_string(&mut text).ok()?;
    Certificate::from_openssh(&text).ok()
}
