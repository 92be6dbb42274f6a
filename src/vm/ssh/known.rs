//! Whether the key that a machine shows is the one it is known by: by the files `known_hosts` of whoever runs labrun.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use russh::keys::known_hosts::{known_host_keys_path, learn_known_hosts_path};
use russh::keys::ssh_key::HashAlg;
use russh::keys::{Algorithm, PublicKey, PublicKeyBase64};

/// How much of a file of known hosts is read.
const MAX_FILE: u64 = 16 << 20;

/// What the files say of one machine.
pub struct Known {
    /// By what name and port it is known.
    name: String,
    port: u16,
    keys: Vec<(PathBuf, usize, PublicKey)>,
    revoked: Vec<(PathBuf, String)>,
    learn_into: PathBuf,
}

/// What to think of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opinion {
    /// It is the machine's.
    Same,
    /// Nobody knows the machine.
    New,
    /// The machine is known by another one, in this file at this line.
    Changed(PathBuf, usize),
    /// It was revoked, in this file.
    Revoked(PathBuf),
}

impl Known {
    /// What `files` say of the machine `name` at `port`. A key that is learned goes into the first of them. An error is
    /// a file that is there and cannot be read: what it says must not be overlooked.
    pub fn read(files: &[PathBuf], name: &str, port: u16) -> Result<Known, String> {
        let name = name.to_lowercase();
        let mut known = Known {
            name,
            port,
            keys: Vec::new(),
            revoked: Vec::new(),
            learn_into: files.first().cloned().unwrap_or_default(),
        };
        for file in files {
            let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
            match std::fs::metadata(file) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&error)),
                Ok(about) if about.len() > MAX_FILE || !about.is_file() => {
                    return Err(failed(&"no file of known hosts"));
                }
                Ok(_) => {}
            }
            let keys = known_host_keys_path(&known.name, port, file).map_err(|error| failed(&error))?;
            known.keys.extend(keys.into_iter().map(|(line, key)| (file.clone(), line, key)));
            known.revoked.extend(revoked(file).map_err(|error| failed(&error))?.map(|key| (file.clone(), key)));
        }
        Ok(known)
    }

    /// The kinds of key that the machine may show: those it is known by, else any of `all`.
    pub fn algorithms(&self, all: &[Algorithm]) -> Vec<Algorithm> {
        let fits = |algorithm: &Algorithm| {
            self.keys.iter().any(|(_, _, key)| match (algorithm, key.algorithm()) {
                (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
                (one, other) => *one == other,
            })
        };
        let known: Vec<Algorithm> = all.iter().filter(|one| fits(one)).cloned().collect();
        if known.is_empty() { all.to_vec() } else { known }
    }

    /// What to think of `key`.
    pub fn opinion(&self, key: &PublicKey) -> Opinion {
        let encoded = key.public_key_base64();
        if let Some((file, _)) = self.revoked.iter().find(|(_, revoked)| *revoked == encoded) {
            return Opinion::Revoked(file.clone());
        }
        if self.keys.iter().any(|(_, _, known)| known.key_data() == key.key_data()) {
            return Opinion::Same;
        }
        match self.keys.first() {
            Some((file, line, _)) => Opinion::Changed(file.clone(), *line),
            None => Opinion::New,
        }
    }

    /// Notes `key` as the machine's, and tells where.
    pub fn learn(&self, key: &PublicKey) -> Result<&Path, String> {
        let failed = |error: russh::keys::Error| format!("{}: {error}", self.learn_into.display());
        learn_known_hosts_path(&self.name, self.port, key, &self.learn_into).map_err(failed)?;
        Ok(&self.learn_into)
    }
}

/// The fingerprint of a key, as people compare it: `SHA256:…`.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// The keys that a file revokes, whichever machine they are for.
fn revoked(file: &Path) -> std::io::Result<impl Iterator<Item = String>> {
    let lines = BufReader::new(std::fs::File::open(file)?.take(MAX_FILE)).split(b'\n').map_while(Result::ok);
    Ok(lines.filter_map(|line| {
        let line = String::from_utf8(line).ok()?;
        let mut words = line.split_whitespace();
        (words.next()? == "@revoked").then(|| words.nth(2).map(str::to_owned))?
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G2sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    fn known(text: &str, name: &str, port: u16) -> (tempfile::TempDir, Known) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        std::fs::write(&file, text).unwrap();
        let known = Known::read(&[file, folder.path().join("missing")], name, port).unwrap();
        (folder, known)
    }

    #[test]
    fn a_machine_is_known_by_its_name_and_port_and_a_key_that_changed_is_noticed() {
        let (_folder, at_port) = known(&format!("[vm]:2222 {ONE}\nother {OTHER}\n"), "VM", 2222);
        assert_eq!(at_port.opinion(&key(ONE)), Opinion::Same);
        assert!(matches!(at_port.opinion(&key(OTHER)), Opinion::Changed(_, 1)));
        let (_folder, elsewhere) = known(&format!("[vm]:2222 {ONE}\n"), "vm", 22);
        assert_eq!(elsewhere.opinion(&key(ONE)), Opinion::New);
        // Of several keys of one machine each will do.
        let (_folder, two) = known(&format!("vm {OTHER}\nvm {ONE}\n"), "vm", 22);
        assert_eq!(two.opinion(&key(ONE)), Opinion::Same);
        let hashed = "|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak= ssh-ed25519 \
                      AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";
        let (_folder, hashed) = known(hashed, "example.com", 22);
        assert!(matches!(hashed.opinion(&key(ONE)), Opinion::Changed(..)));
    }

    #[test]
    fn a_known_machine_may_not_show_another_kind_of_key() {
        let all = [Algorithm::Ed25519, Algorithm::Rsa { hash: Some(HashAlg::Sha512) }];
        let (_folder, ed25519) = known(&format!("vm {ONE}\n"), "vm", 22);
        assert_eq!(ed25519.algorithms(&all), [Algorithm::Ed25519]);
        let (_folder, nobody) = known("", "vm", 22);
        assert_eq!(nobody.algorithms(&all), all);
    }

    #[test]
    fn a_revoked_key_is_nobody_s() {
        let (_folder, revoked) = known(&format!("vm {ONE}\n@revoked * {ONE}\n"), "vm", 22);
        assert!(matches!(revoked.opinion(&key(ONE)), Opinion::Revoked(_)));
    }

    #[test]
    fn what_is_learned_is_known_from_then_on() {
        let (folder, new) = known("", "vm", 2222);
        assert_eq!(new.opinion(&key(ONE)), Opinion::New);
        let file = new.learn(&key(ONE)).unwrap().to_owned();
        let again = Known::read(&[file], "vm", 2222).unwrap();
        assert_eq!(again.opinion(&key(ONE)), Opinion::Same);
        assert!(matches!(again.opinion(&key(OTHER)), Opinion::Changed(..)));
        drop(folder);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_file_that_knows_nobody() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Known::read(&[folder.path().to_owned()], "vm", 22).is_err());
        let (_folder, _) = known("# nothing\n", "vm", 22);
        let file = folder.path().join("broken");
        std::fs::write(&file, "vm ssh-ed25519 AAAAnonsense\n").unwrap();
        assert!(Known::read(&[file], "vm", 22).is_err());
    }
}
