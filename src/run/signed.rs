//! The key that evidence is signed with, and the file that the signature goes to.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use console::Term;
use russh::keys::{Error as KeyError, PrivateKey, decode_secret_key};

use crate::error::Error;
use crate::run::{say_part, write_file};
use crate::signature;

/// A key of more bytes than this is none.
const MAX_KEY: u64 = 64 << 10;

/// Reads a private key; the passphrase of one that has one is asked for at the terminal.
pub fn read_key(path: &Path) -> Result<PrivateKey, Error> {
    let name = path.display().to_string();
    let failed = |error| Error::File { path: name.clone(), error };
    let refused = |why: String| Error::Format { path: name.clone(), why };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_KEY {
        return Err(refused("too large for a private key".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let encrypted = match decode_secret_key(&text, None) {
        Ok(key) if !key.is_encrypted() => return Ok(key),
        Ok(_) | Err(KeyError::KeyIsEncrypted) => true,
        Err(_) => false,
    };
    if !encrypted {
        return Err(refused("no private key that labrun can read; `ssh-keygen -t ed25519` makes one".to_owned()));
    }
    if !std::io::stdin().is_terminal() {
        return Err(refused("it has a passphrase, and there is no terminal to type that at".to_owned()));
    }
    say_part(&format!("labrun: passphrase of {name}: "));
    let passphrase = Term::stderr().read_secure_line().map_err(failed)?;
    decode_secret_key(&text, Some(&passphrase)).map_err(|_| refused("that is not its passphrase".to_owned()))
}

/// Where the signature of `evidence` goes: `e.json.sig`, as `ssh-keygen -Y sign` names it.
pub fn beside(evidence: &Path) -> PathBuf {
    let mut name = evidence.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// Signs `text`, which was written into the file `evidence`.
pub fn sign(key: &PrivateKey, evidence: &Path, text: &str) -> Result<(), Error> {
    let refused = |why| Error::Format { path: evidence.display().to_string(), why: format!("cannot be signed: {why}") };
    let signature = signature::sign(key, text.as_bytes()).map_err(refused)?;
    write_file(&beside(evidence), &signature)
}
