//! What answers a server: who it is decided by its key, and nothing opened on its behalf.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{self, ChannelOpenHandle, Config, Msg};
use russh::keys::{Algorithm, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelId, ChannelOpenFailure, Preferred};
use tokio::time::timeout;

use crate::vm::connect::{Pace, connect_to};
use crate::vm::ssh::channel::Guarded;
use crate::vm::ssh::known::{Known, Opinion};

/// What the server says of channels that it refuses, by their numbers.
pub type Words = Arc<Mutex<HashMap<u32, String>>>;

/// The key that a server has shown, and where it was noted if it is new.
pub type Met = Arc<Mutex<Option<(PublicKey, Option<PathBuf>)>>>;

/// What answers a server.
pub struct Client {
    /// What is known of the machine.
    pub known: Known,
    /// Whether a machine that nobody knows is trusted.
    pub accepts_new: bool,
    /// Where its key is told.
    pub met: Met,
    /// Where its words are told.
    pub words: Words,
}

/// Why a machine was not spoken to.
#[derive(Debug)]
pub enum NotMet {
    /// Its key is not the one it is known by.
    Opinion(Opinion),
    /// Its key could not be noted.
    NotNoted(String),
    /// What it says makes no sense, or it closed the connection.
    Ssh(russh::Error),
}

impl From<russh::Error> for NotMet {
    fn from(error: russh::Error) -> NotMet {
        NotMet::Ssh(error)
    }
}

impl client::Handler for Client {
    type Error = NotMet;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, NotMet> {
        let key = shown.public_key();
        let met = |noted: Option<PathBuf>| {
            *self.met.lock().unwrap_or_else(PoisonError::into_inner) = Some((key.clone(), noted));
        };
        met(None);
        match self.known.opinion(&key) {
            Opinion::Same => Ok(true),
            Opinion::New if self.accepts_new => {
                met(Some(self.known.learn(&key).map_err(NotMet::NotNoted)?.to_owned()));
                Ok(true)
            }
            opinion => Err(NotMet::Opinion(opinion)),
        }
    }

    async fn channel_open_failure(
        &mut self,
        channel: ChannelId,
        _: ChannelOpenFailure,
        description: &str,
        _: &str,
        _: &mut client::Session,
    ) -> Result<(), NotMet> {
        let words = description.chars().take(200).collect();
        self.words.lock().unwrap_or_else(PoisonError::into_inner).insert(channel.number(), words);
        Ok(())
    }

    // A server has no business of its own here: what it wants to open is refused by being dropped.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), NotMet> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), NotMet> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), NotMet> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), NotMet> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), NotMet> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), NotMet> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut client::Session,
    ) -> Result<(), NotMet> {
        Ok(())
    }
}

/// The key of kind `algorithm` that whoever listens at `port` of `host` shows; nobody logs in there.
pub async fn key_shown_by(host: &str, port: u16, algorithm: Algorithm, pace: &Pace) -> Option<PublicKey> {
    let looking = async {
        let (stream, _) = Guarded::new(connect_to(host, port, pace).await.ok()?.stream);
        let key: Vec<Algorithm> =
            Preferred::DEFAULT.key.iter().filter(|one| kind(one) == kind(&algorithm)).cloned().collect();
        let preferred = Preferred { key: Cow::Owned(key), ..Preferred::DEFAULT };
        let shown = Met::default();
        let config = Arc::new(Config { preferred, ..Config::default() });
        // Whatever it shows is refused, which ends the connection.
        let _ = client::connect_stream(config, stream, Passer { shown: shown.clone() }).await;
        let shown = shown.lock().unwrap_or_else(PoisonError::into_inner).take();
        shown.map(|(key, _)| key)
    };
    timeout(pace.whole, looking).await.ok().flatten()
}

fn kind(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::Rsa { .. } => "rsa".to_owned(),
        other => other.to_string(),
    }
}

/// Somebody who only looks at a server's key.
struct Passer {
    shown: Met,
}

impl client::Handler for Passer {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some((shown.public_key(), None));
        Ok(false)
    }
}
