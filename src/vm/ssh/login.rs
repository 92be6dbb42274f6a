//! Logging in: with the agent's keys, with keys from files, each by its certificate first, with a password; whatever the
//! machine takes and the user has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::{Certificate, Error, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, load_secret_key};
use russh::{MethodKind, MethodSet};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::evidence::Unobserved;
use crate::text::Text;
use crate::vm::ssh::SshOptions;
use crate::vm::ssh::certificates::{Certificates, SignedBy};
use crate::vm::ssh::client::Client;
use crate::vm::ssh::config::Hop;
use crate::vm::ssh::trouble;

/// How many keys are tried: a server hangs up after six attempts where nobody says otherwise.
const MAX_KEYS: usize = 5;

/// How long one answer of the server, or of the agent, may take. A server is slow on purpose after a wrong password.
const ANSWER: Duration = Duration::from_secs(10);

/// How much of a file is taken for a key or a password.
const MAX_FILE: u64 = 64 << 10;

/// How often a server may ask back.
const MAX_QUESTIONS: usize = 5;

/// What was asked for, so that nobody is asked twice when a connection has to be made anew.
#[derive(Default)]
pub struct Secrets(Mutex<HashMap<String, String>>);

impl Secrets {
    /// The secret that `what` asks for; none where nobody can be asked. Waits for a person on a thread of its own.
    async fn get(&self, key: &str, what: Text, options: &SshOptions) -> Option<String> {
        let known = |secrets: &Secrets| secrets.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some(secret) = known(self) {
            return Some(secret);
        }
        let prompt = options.prompt.clone()?;
        let secret = tokio::task::spawn_blocking(move || prompt(&what)).await.ok().flatten()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), secret.clone());
        Some(secret)
    }

    fn forget(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// What is shown to the server for what an agent holds.
enum Offer {
    /// A certificate, and what of the agent's signs for it.
    Certificate(Box<(Certificate, AgentIdentity)>),
    Key(PublicKey),
}

impl Offer {
    fn is_rsa(&self) -> bool {
        match self {
            Offer::Certificate(shown) => shown.0.algorithm().is_rsa(),
            Offer::Key(key) => key.algorithm().is_rsa(),
        }
    }
}

/// What was tried, and what the server still takes.
struct Attempts<'a> {
    handle: &'a mut Handle<Client>,
    hop: &'a Hop,
    options: &'a SshOptions,
    secrets: &'a Secrets,
    certificates: Certificates,
    takes: Option<MethodSet>,
    n_keys: usize,
    /// What could not be tried, for whoever has to mend it.
    notes: Vec<Text>,
}

/// Logs in on `hop`. Passwords from a file are for the machine itself, not for those on the way to it.
pub async fn login(
    handle: &mut Handle<Client>,
    hop: &Hop,
    options: &SshOptions,
    secrets: &Secrets,
    is_last: bool,
) -> Result<(), Unobserved> {
    let certificates = Certificates::read(hop);
    let mut attempts =
        Attempts { handle, hop, options, secrets, certificates, takes: None, n_keys: 0, notes: Vec::new() };
    let password = match options.password_file.as_deref().filter(|_| is_last) {
        Some(file) => Some(first_line(file).map_err(|why| trouble::password_file(file, &why))?),
        None => None,
    };
    let is_in = attempts.agent().await? || attempts.files().await? || attempts.password(password).await?;
    if is_in { Ok(()) } else { Err(trouble::not_let_in(hop, attempts.takes.as_ref(), &attempts.notes)) }
}

impl Attempts<'_> {
    fn takes(&self, method: MethodKind) -> bool {
        self.takes.as_ref().is_none_or(|takes| takes.contains(&method))
    }

    /// What the server made of an attempt: whether it lets in.
    fn noted(&mut self, result: AuthResult) -> Result<bool, Unobserved> {
        match result {
            AuthResult::Success => Ok(true),
            // What a connection that was closed comes to.
            AuthResult::Failure { remaining_methods, .. } if remaining_methods.is_empty() => {
                Err(trouble::not_let_in(self.hop, self.takes.as_ref(), &self.notes))
            }
            AuthResult::Failure { remaining_methods, .. } => {
                self.takes = Some(remaining_methods);
                Ok(false)
            }
        }
    }

    /// What became of an attempt that the server had time to answer: whether it lets in.
    fn answered(&mut self, tried: Result<Result<AuthResult, russh::Error>, Elapsed>) -> Result<bool, Unobserved> {
        match tried {
            Ok(Ok(result)) => self.noted(result),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(self.slow()),
        }
    }

    fn slow(&self) -> Unobserved {
        trouble::no_ssh(self.hop, &"it does not answer in time to somebody who logs in")
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> Unobserved {
        trouble::no_ssh(self.hop, error)
    }

    /// The hash for an RSA key that the server takes.
    async fn hash(&self, is_rsa: bool) -> Option<HashAlg> {
        if !is_rsa {
            return None;
        }
        let best = timeout(ANSWER, self.handle.best_supported_rsa_hash()).await;
        best.ok().and_then(Result::ok).flatten().unwrap_or(Some(HashAlg::Sha256))
    }

    async fn agent(&mut self) -> Result<bool, Unobserved> {
        let Some(socket) = self.hop.agent.clone().filter(|_| self.takes(MethodKind::PublicKey)) else {
            return Ok(false);
        };
        let Ok(mut agent) = agent_at(&socket).await else { return Ok(false) };
        let Ok(Ok(identities)) = timeout(ANSWER, agent.request_identities()).await else { return Ok(false) };
        let offers: Vec<Offer> = identities.into_iter().flat_map(|identity| self.offers(identity)).collect();
        for offer in offers {
            if self.n_keys >= MAX_KEYS || !self.takes(MethodKind::PublicKey) {
                break;
            }
            self.n_keys += 1;
            let hash = self.hash(offer.is_rsa()).await;
            let (user, handle) = (self.hop.user.clone(), &mut *self.handle);
            let tried = async {
                match offer {
                    Offer::Certificate(shown) => {
                        let (certificate, identity) = *shown;
                        let mut signer = SignedBy { agent: &mut agent, identity };
                        handle.authenticate_certificate_with(user, certificate, hash, &mut signer).await
                    }
                    Offer::Key(key) => handle.authenticate_publickey_with(user, key, hash, &mut agent).await,
                }
            };
            // A key that the agent does not want to use after all is not the last one.
            let result = match timeout(ANSWER, tried).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => continue,
                Err(_) => return Err(self.slow()),
            };
            if self.noted(result)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What can be shown for an identity of the agent's.
    fn offers(&self, identity: AgentIdentity) -> Vec<Offer> {
        let (certificate, key) = match &identity {
            AgentIdentity::Certificate { certificate, .. } => (Some(certificate.clone()), None),
            AgentIdentity::PublicKey { key, .. } => (self.certificates.of(key), Some(key.clone())),
        };
        let certificate = certificate.map(|certificate| Offer::Certificate(Box::new((certificate, identity))));
        certificate.into_iter().chain(key.map(Offer::Key)).collect()
    }

    async fn files(&mut self) -> Result<bool, Unobserved> {
        for file in self.hop.identities.clone() {
            if self.n_keys >= MAX_KEYS || !self.takes(MethodKind::PublicKey) {
                break;
            }
            let Some(key) = self.key(&file).await else { continue };
            let key = Arc::new(key);
            if let Some(certificate) = self.certificates.of(key.public_key())
                && self.certificate(&file, key.clone(), certificate).await?
            {
                return Ok(true);
            }
            self.n_keys += 1;
            let hash = self.hash(key.algorithm().is_rsa()).await;
            let user = self.hop.user.clone();
            let tried = self.handle.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key, hash));
            let tried = timeout(ANSWER, tried).await;
            if self.answered(tried)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Shows the certificate of a key from a file.
    async fn certificate(
        &mut self,
        file: &Path,
        key: Arc<PrivateKey>,
        certificate: Certificate,
    ) -> Result<bool, Unobserved> {
        if key.algorithm().is_rsa() {
            // russh signs for it with SHA-1, which servers do not take; an agent does better.
            let name = file.display();
            self.notes.push(Text::new(
                format!("el certificado de la clave RSA {name} sólo sirve desde el agente: `ssh-add {name}`"),
                format!("the certificate of the RSA key {name} is of use from the agent only: `ssh-add {name}`"),
            ));
            return Ok(false);
        }
        self.n_keys += 1;
        let tried = self.handle.authenticate_openssh_cert(self.hop.user.clone(), key, certificate);
        let tried = timeout(ANSWER, tried).await;
        self.answered(tried)
    }

    /// The key in a file, its passphrase asked for where it has one; none where there is none to be had.
    async fn key(&mut self, file: &Path) -> Option<PrivateKey> {
        let asked_for = self.options.identities.iter().any(|named| named == file);
        let mut say = |es: String, en: String| self.notes.push(Text::new(es, en));
        let name = file.display();
        match std::fs::metadata(file) {
            Ok(about) if about.is_file() && about.len() <= MAX_FILE => {}
            Ok(_) => return None,
            Err(error) => {
                if asked_for {
                    say(format!("{name} no se puede leer ({error})"), format!("{name} cannot be read ({error})"));
                }
                return None;
            }
        }
        match load_secret_key(file, None) {
            Ok(key) => return Some(key),
            Err(Error::KeyIsEncrypted) => {}
            Err(error) => {
                say(format!("{name} no sirve como clave ({error})"), format!("{name} is no usable key ({error})"));
                return None;
            }
        }
        let what = Text::new(format!("frase de la clave {name}"), format!("passphrase of the key {name}"));
        let (which, secrets, options) = (file.display().to_string(), self.secrets, self.options);
        let Some(phrase) = secrets.get(&which, what, options).await else {
            say(
                format!("{name} tiene una frase y no hay a quién pedírsela: agregala al agente con `ssh-add {name}`"),
                format!(
                    "{name} has a passphrase and nobody can be asked for it: add it to the agent, `ssh-add {name}`"
                ),
            );
            return None;
        };
        let path = PathBuf::from(file);
        let unlocked = tokio::task::spawn_blocking(move || load_secret_key(path, Some(&phrase))).await;
        match unlocked {
            Ok(Ok(key)) => Some(key),
            _ => {
                secrets.forget(&which);
                say(format!("la frase de {name} no es ésa"), format!("that is not the passphrase of {name}"));
                None
            }
        }
    }

    async fn password(&mut self, given: Option<String>) -> Result<bool, Unobserved> {
        if self.takes.is_none() {
            // Nothing was tried yet: this tells what is taken.
            let tried = timeout(ANSWER, self.handle.authenticate_none(self.hop.user.clone())).await;
            if self.answered(tried)? {
                return Ok(true);
            }
        }
        let (plain, asks) = (self.takes(MethodKind::Password), self.takes(MethodKind::KeyboardInteractive));
        if !plain && !asks {
            return Ok(false);
        }
        let (user, host) = (&self.hop.user, &self.hop.host);
        let which = format!("{user}@{host}:{}", self.hop.port);
        let is_given = given.is_some();
        let password = match given {
            Some(password) => password,
            None => {
                let what = Text::new(format!("contraseña de {user}@{host}"), format!("password of {user}@{host}"));
                match self.secrets.get(&which, what, self.options).await {
                    Some(password) => password,
                    None => return Ok(false),
                }
            }
        };
        let is_in = if plain { self.plain(&password).await? } else { self.interactive(&password).await? };
        if !is_in {
            self.secrets.forget(&which);
            self.notes.push(match is_given {
                true => {
                    Text::new("la contraseña del archivo no es ésa", "the password in the file is not the right one")
                }
                false => Text::new("la contraseña no es ésa", "the password is not the right one"),
            });
        }
        Ok(is_in)
    }

    async fn plain(&mut self, password: &str) -> Result<bool, Unobserved> {
        let tried = self.handle.authenticate_password(self.hop.user.clone(), password);
        let tried = timeout(ANSWER, tried).await;
        self.answered(tried)
    }

    /// A server that asks in words of its own: every question whose answer would not be shown is one for the password.
    async fn interactive(&mut self, password: &str) -> Result<bool, Unobserved> {
        let user = self.hop.user.clone();
        let mut answer =
            timeout(ANSWER, self.handle.authenticate_keyboard_interactive_start(user, None::<String>)).await;
        for _ in 0..MAX_QUESTIONS {
            let prompts = match answer {
                Err(_) => return Err(self.slow()),
                Ok(Err(error)) => return Err(self.failed(&error)),
                Ok(Ok(KeyboardInteractiveAuthResponse::Success)) => return Ok(true),
                Ok(Ok(KeyboardInteractiveAuthResponse::Failure { remaining_methods, .. })) => {
                    self.takes = Some(remaining_methods);
                    return Ok(false);
                }
                Ok(Ok(KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. })) => prompts,
            };
            let answers = prompts.iter().map(|prompt| if prompt.echo { String::new() } else { password.to_owned() });
            let answers = answers.collect();
            answer = timeout(ANSWER, self.handle.authenticate_keyboard_interactive_respond(answers)).await;
        }
        Ok(false)
    }
}

/// The agent at `socket`.
#[cfg(unix)]
async fn agent_at(socket: &Path) -> Result<AgentClient<Box<dyn AgentStream + Send + Unpin>>, Error> {
    Ok(AgentClient::connect_uds(socket).await?.dynamic())
}

/// The agent at the named pipe `socket`.
#[cfg(windows)]
async fn agent_at(socket: &Path) -> Result<AgentClient<Box<dyn AgentStream + Send + Unpin>>, Error> {
    Ok(AgentClient::connect_named_pipe(socket).await?.dynamic())
}

/// The first line of a file that holds a password.
fn first_line(file: &Path) -> std::io::Result<String> {
    use std::io::Read;
    if !std::fs::metadata(file)?.is_file() {
        return Err(std::io::Error::other("no file"));
    }
    let mut text = String::new();
    std::fs::File::open(file)?.take(MAX_FILE).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.is_empty() { Err(std::io::Error::other("its first line is empty")) } else { Ok(line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        for (text, line) in [("linux\n", Some("linux")), ("a b \r\nx\n", Some("a b ")), ("", None), ("\nx", None)] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(first_line(&file).ok().as_deref(), line, "{text:?}");
        }
        assert!(first_line(folder.path()).is_err());
        assert!(first_line(&folder.path().join("missing")).is_err());
    }

    #[tokio::test]
    async fn nobody_is_asked_twice_for_what_they_said() {
        let asked = Arc::new(Mutex::new(0));
        let counts = asked.clone();
        let prompt = move |_: &Text| {
            *counts.lock().unwrap() += 1;
            Some("x".to_owned())
        };
        let options = SshOptions { prompt: Some(Arc::new(prompt)), ..SshOptions::default() };
        let secrets = Secrets::default();
        for _ in 0..2 {
            assert_eq!(secrets.get("k", Text::new("", ""), &options).await.as_deref(), Some("x"));
        }
        assert_eq!(*asked.lock().unwrap(), 1);
        secrets.forget("k");
        assert_eq!(secrets.get("k", Text::new("", ""), &SshOptions::default()).await, None);
    }
}
