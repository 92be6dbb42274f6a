//! Signatures of evidence, as `ssh-keygen -Y sign` makes and `ssh-keygen -Y verify` checks them. Pure.

use russh::keys::ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

/// What a signature is for, so that one made for something else counts for nothing here.
pub const NAMESPACE: &str = "labrun-evidence";

/// A signature that is right: whose key made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The key's fingerprint, `SHA256:…`.
    pub fingerprint: String,
    /// Whom the allowed signers name for that key.
    pub principals: Vec<String>,
}

/// How a signature is not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It is no signature of SSH's.
    Garbled,
    /// It was made for something else than evidence.
    Namespace,
    /// The file is not the one that was signed.
    Mismatch,
}

/// Signs `message`; the text is what `ssh-keygen -Y sign -n labrun-evidence` writes.
pub fn sign(key: &PrivateKey, message: &[u8]) -> Result<String, String> {
    let signature = key.sign(NAMESPACE, HashAlg::Sha512, message);
    signature.and_then(|signature| signature.to_pem(LineEnding::LF)).map_err(|error| error.to_string())
}

/// Checks a signature of `message`. `allowed` is a file of allowed signers, as ssh-keygen(1) describes it.
pub fn check(signature: &str, message: &[u8], allowed: &str) -> Result<Signed, Wrong> {
    let signature = SshSig::from_pem(signature).map_err(|_| Wrong::Garbled)?;
    if signature.namespace() != NAMESPACE {
        return Err(Wrong::Namespace);
    }
    let key = PublicKey::from(signature.public_key().clone());
    key.verify(NAMESPACE, message, &signature).map_err(|_| Wrong::Mismatch)?;
    let principals = allowed.lines().filter_map(|line| principals(line, &key)).flatten().collect();
    Ok(Signed { fingerprint: key.fingerprint(HashAlg::Sha256).to_string(), principals })
}

/// The fingerprint of a public key as its file says it, `ssh-ed25519 AAAA…`; none if that is no key.
pub fn fingerprint(key: &str) -> Option<String> {
    Some(PublicKey::from_openssh(key.trim()).ok()?.fingerprint(HashAlg::Sha256).to_string())
}

/// Whom a line of allowed signers names for `key`. A line with a condition that labrun does not weigh (a time, a
/// certificate authority) names nobody.
fn principals(line: &str, key: &PublicKey) -> Option<Vec<String>> {
    let fields = fields(line.trim());
    let is_type = |field: &&str| ["ssh-", "ecdsa-", "sk-"].iter().any(|start| field.starts_with(start));
    let at = fields.iter().position(|field| is_type(&field.as_str())).filter(|at| *at > 0)?;
    let (names, options) = fields[..at].split_first().filter(|(names, _)| !names.starts_with('#'))?;
    let fits = |option: &String| {
        let meant = option.strip_prefix("namespaces=").map(|list| list.trim_matches('"'));
        meant.is_some_and(|list| list.split(',').any(|one| one == NAMESPACE || one == "*"))
    };
    let known = PublicKey::from_openssh(&format!("{} {}", fields[at], fields.get(at + 1)?)).ok()?;
    let is_it = known.key_data() == key.key_data() && options.iter().flat_map(|all| split(all)).all(|one| fits(&one));
    is_it.then(|| names.trim_matches('"').split(',').map(str::to_owned).collect())
}

/// The words of a line, blanks in quotes being part of one.
fn fields(line: &str) -> Vec<String> {
    let mut quoted = false;
    let apart = |c: char| {
        quoted ^= c == '"';
        c.is_whitespace() && !quoted
    };
    line.split(apart).filter(|field| !field.is_empty()).map(str::to_owned).collect()
}

/// Options of one field, told apart at commas outside of quotes.
fn split(options: &str) -> Vec<String> {
    let mut quoted = false;
    let apart = |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    options.split(apart).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use russh::keys::ssh_key::private::Ed25519Keypair;

    use super::*;

    fn key_of(seed: u8) -> PrivateKey {
        PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
    }

    fn key() -> PrivateKey {
        key_of(7)
    }

    fn public(key: &PrivateKey) -> String {
        key.public_key().to_openssh().unwrap()
    }

    #[test]
    fn what_is_signed_is_right_until_a_byte_changes() {
        let signature = sign(&key(), b"evidence").unwrap();
        let signed = check(&signature, b"evidence", "").unwrap();
        assert!(signed.fingerprint.starts_with("SHA256:") && signed.principals.is_empty());
        assert_eq!(check(&signature, b"evidencf", ""), Err(Wrong::Mismatch));
        assert_eq!(check("garbage", b"evidence", ""), Err(Wrong::Garbled));
        let elsewhere = key().sign("file", HashAlg::Sha512, b"evidence").unwrap().to_pem(LineEnding::LF).unwrap();
        assert_eq!(check(&elsewhere, b"evidence", ""), Err(Wrong::Namespace));
    }

    #[test]
    fn allowed_signers_name_whose_key_it_is() {
        let signature = sign(&key(), b"x").unwrap();
        let named = |line: &str| check(&signature, b"x", line).unwrap().principals;
        let (public, other) = (public(&key()), public(&key_of(8)));
        assert_eq!(named(&format!("# people\n\nana@x {public}\n")), ["ana@x"]);
        assert_eq!(
            named(&format!("ana@x,eva@x namespaces=\"git,labrun-evidence\" {public} a comment")),
            ["ana@x", "eva@x"]
        );
        assert_eq!(named(&format!("eva@x {other}\nana@x {public}")), ["ana@x"]);
        for nobody in [
            format!("ana@x namespaces=\"git\" {public}"),
            format!("ana@x valid-before=\"20200101\" {public}"),
            format!("ana@x namespaces=\"labrun-evidence\",valid-before=\"20200101\" {public}"),
            format!("* cert-authority {public}"),
            format!("#ana@x {public}"),
            format!("ana@x {other}"),
            public.clone(),
            "ana@x ssh-ed25519".to_owned(),
            "\"".to_owned(),
        ] {
            assert_eq!(named(&nobody), [""; 0], "{nobody}");
        }
    }
}
