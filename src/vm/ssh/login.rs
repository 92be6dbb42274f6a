//! Logging in: with the agent's keys, with keys from files, with a password; whatever the machine takes and the user has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::{Error, HashAlg, PrivateKey, PrivateKeyWithHashAlg, load_secret_key};
use russh::{MethodKind, MethodSet};
use tokio::time::timeout;

use crate::evidence::Unobserved;
use crate::text::Text;
use crate::vm::ssh::SshOptions;
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

/// What was tried, and what the server still takes.
struct Attempts<'a> {
    handle: &'a mut Handle<Client>,
    hop: &'a Hop,
    options: &'a SshOptions,
    secrets: &'a Secrets,
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
    let mut attempts = Attempts { handle, hop, options, secrets, takes: None, n_keys: 0, notes: Vec::new() };
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
        for identity in identities {
            let AgentIdentity::PublicKey { key, .. } = identity else { continue };
            if self.n_keys >= MAX_KEYS || !self.takes(MethodKind::PublicKey) {
                break;
            }
            self.n_keys += 1;
            let hash = self.hash(key.algorithm().is_rsa()).await;
            let user = self.hop.user.clone();
            let tried = self.handle.authenticate_publickey_with(user, key, hash, &mut agent);
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

    async fn files(&mut self) -> Result<bool, Unobserved> {
        for file in self.hop.identities.clone() {
            if self.n_keys >= MAX_KEYS || !self.takes(MethodKind::PublicKey) {
                break;
            }
            let Some(key) = self.key(&file).await else { continue };
            self.n_keys += 1;
            let hash = self.hash(key.algorithm().is_rsa()).await;
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
            let user = self.hop.user.clone();
            let result = match timeout(ANSWER, self.handle.authenticate_publickey(user, key)).await {
                Ok(result) => result.map_err(|error| self.failed(&error))?,
                Err(_) => return Err(self.slow()),
            };
            if self.noted(result)? {
                return Ok(true);
            }
        }
        Ok(false)
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
            let result = match timeout(ANSWER, self.handle.authenticate_none(self.hop.user.clone())).await {
                Ok(result) => result.map_err(|error| self.failed(&error))?,
                Err(_) => return Err(self.slow()),
            };
            if self.noted(result)? {
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
        match timeout(ANSWER, tried).await {
            Ok(result) => {
                let result = result.map_err(|error| self.failed(&error))?;
                self.noted(result)
            }
            Err(_) => Err(self.slow()),
        }
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
