//! One SSH connection: made through every machine on the way, its machine's key verified, and channels opened on it.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, Config, Handle, Msg};
use russh::keys::PublicKey;
use russh::{Channel, ChannelOpenFailure, Disconnect, Preferred};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::evidence::Unobserved;
use crate::vm::ByteStream;
use crate::vm::ssh::SshOptions;
use crate::vm::ssh::channel::{Guarded, Stream, Watch};
use crate::vm::ssh::client::{Client, Met, NotMet, Words};
use crate::vm::ssh::config::Hop;
use crate::vm::ssh::known::Known;
use crate::vm::ssh::login::{Secrets, login};
use crate::vm::ssh::trouble;

/// How many commands run at once on one connection: servers allow ten sessions where nobody says otherwise.
const MAX_SESSIONS: usize = 8;

/// How long a machine may keep silent on the connection, asked whether it is there.
const STILL_THERE: Duration = Duration::from_secs(4);

/// A connection to a machine, somebody logged in on it.
pub struct Session {
    handle: Handle<Client>,
    words: Words,
    /// The number of the channel that was opened last, which is how the words of a refusal are found.
    last: Mutex<u32>,
    sessions: Arc<Semaphore>,
    watch: Arc<Watch>,
    /// The machine's key.
    pub key: PublicKey,
    /// The machine that it leads through.
    _through: Option<Arc<Session>>,
}

/// What a channel is to lead to.
#[derive(Debug, Clone)]
pub enum Door {
    /// A command.
    Session,
    /// A TCP port, as the machine itself reaches it.
    Tcp(String, u16),
    /// A socket in the machine's file system.
    Socket(String),
}

/// Why a channel was not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotOpened {
    /// The server refused, for this reason and in these words.
    Refused(ChannelOpenFailure, String),
    /// The connection is lost.
    Lost,
}

impl Session {
    /// A connection to the last of `way`, through all others.
    pub async fn along(way: &[Hop], options: &SshOptions, secrets: &Secrets) -> Result<Arc<Session>, Unobserved> {
        let mut through: Option<Arc<Session>> = None;
        for (n, hop) in way.iter().enumerate() {
            let stream: Box<dyn ByteStream> = match &through {
                None => Box::new(connected(hop, options.connect_timeout).await?),
                Some(session) => {
                    let opened = timeout(options.connect_timeout, session.open(Door::Tcp(hop.host.clone(), hop.port)));
                    let opened = opened.await.map_err(|_| trouble::unreachable(hop, &"no answer in time"))?;
                    let channel = opened.map_err(|why| trouble::not_through(&way[n - 1], hop, &why))?;
                    Box::new(Stream::of(channel, session.clone()))
                }
            };
            let is_last = n + 1 == way.len();
            through = Some(Arc::new(begin(hop, stream, through, options, secrets, is_last).await?));
        }
        through.ok_or_else(|| trouble::lost("?"))
    }

    /// Opens a channel. Whoever stops waiting for it leaves nothing open.
    pub async fn open(self: &Arc<Self>, door: Door) -> Result<Channel<Msg>, NotOpened> {
        let session = self.clone();
        let (done, opened) = oneshot::channel();
        tokio::spawn(async move {
            if let Err(Ok(channel)) = done.send(session.open_to_the_end(door).await) {
                let _ = channel.close().await;
            }
        });
        opened.await.unwrap_or(Err(NotOpened::Lost))
    }

    async fn open_to_the_end(&self, door: Door) -> Result<Channel<Msg>, NotOpened> {
        let handle = &self.handle;
        let mut opening = Box::pin(tokio::task::unconstrained(async move {
            match door {
                Door::Session => handle.channel_open_session().await,
                Door::Tcp(host, port) => handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0).await,
                Door::Socket(path) => handle.channel_open_direct_streamlocal(path).await,
            }
        }));
        // Channels are numbered in the order in which they are asked for, which is that of first polls.
        let mut number = None;
        let opened = poll_fn(|cx| {
            if number.is_some() {
                return opening.as_mut().poll(cx);
            }
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = last.wrapping_add(1);
            number = Some(*last);
            opening.as_mut().poll(cx)
        })
        .await;
        match opened {
            Ok(channel) => {
                let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
                // A server that opens channels of its own takes numbers, too.
                *last = last.wrapping_add(channel.id().number().wrapping_sub(number.unwrap_or_default()));
                Ok(channel)
            }
            Err(russh::Error::ChannelOpenFailure(reason)) => {
                Err(NotOpened::Refused(reason, self.words_of(number.unwrap_or_default()).await))
            }
            Err(_) => Err(NotOpened::Lost),
        }
    }

    /// What the server said of the channel `number`, which comes a moment after that it was refused.
    async fn words_of(&self, number: u32) -> String {
        for _ in 0..20 {
            if let Some(words) = self.words.lock().unwrap_or_else(PoisonError::into_inner).remove(&number) {
                return words;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        String::new()
    }

    /// Starts a command, as the user's own shell on the machine reads it, and whatever has to be held while it runs.
    pub async fn start(
        self: &Arc<Self>,
        command: impl Into<Vec<u8>>,
    ) -> Result<(Channel<Msg>, OwnedSemaphorePermit), NotOpened> {
        let permit = self.sessions.clone().acquire_owned().await.map_err(|_| NotOpened::Lost)?;
        let channel = self.open(Door::Session).await?;
        channel.exec(false, command).await.map_err(|_| NotOpened::Lost)?;
        Ok((channel, permit))
    }

    /// Whether the connection is lost.
    pub fn is_lost(&self) -> bool {
        self.handle.is_closed()
    }

    /// Whether the machine still answers on the connection.
    pub async fn is_there(&self) -> bool {
        if self.is_lost() {
            return false;
        }
        if self.watch.silent_for() < Duration::from_millis(500) {
            return true;
        }
        timeout(STILL_THERE, self.handle.send_ping()).await.is_ok_and(|sent| sent.is_ok()) && !self.is_lost()
    }

    /// Says good-bye.
    pub async fn end(&self) {
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }
}

/// Connects to the first machine of the way.
async fn connected(hop: &Hop, patience: Duration) -> Result<TcpStream, Unobserved> {
    let connecting = async {
        let addresses =
            lookup_host((hop.host.as_str(), hop.port)).await.map_err(|error| trouble::no_name(hop, &error))?;
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses.take(4) {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(trouble::unreachable(hop, &last))
    };
    timeout(patience, connecting).await.unwrap_or_else(|_| Err(trouble::unreachable(hop, &"no answer in time")))
}

/// Speaks SSH over `stream`, verifies the machine's key and logs in.
async fn begin(
    hop: &Hop,
    stream: Box<dyn ByteStream>,
    through: Option<Arc<Session>>,
    options: &SshOptions,
    secrets: &Secrets,
    is_last: bool,
) -> Result<Session, Unobserved> {
    let known = Known::read(&hop.known_hosts, &hop.known_as, hop.port).map_err(|why| trouble::known_hosts(&why))?;
    let (words, met) = (Words::default(), Met::default());
    let preferred = Preferred::DEFAULT;
    let shows = known.algorithms(&preferred.key).into();
    let config = Config {
        preferred: Preferred { key: shows, ..preferred },
        nodelay: true,
        keepalive_interval: Some(Duration::from_secs(10)),
        keepalive_max: 2,
        ..Config::default()
    };
    let (stream, watch) = Guarded::new(stream);
    let client = Client { known, accepts_new: options.accept_new_host_key, met: met.clone(), words: words.clone() };
    let connecting = client::connect_stream(Arc::new(config), stream, client);
    let connected = timeout(options.connect_timeout, connecting).await;
    let met = || met.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut handle = match connected {
        Ok(Ok(handle)) => handle,
        Ok(Err(NotMet::Opinion(opinion))) => {
            return Err(trouble::stranger(hop, &opinion, met().as_ref().map(|(key, _)| key)));
        }
        Ok(Err(NotMet::NotNoted(why))) => return Err(trouble::known_hosts(&why)),
        Ok(Err(NotMet::Ssh(error))) => return Err(trouble::no_ssh(hop, &error)),
        Err(_) => return Err(trouble::no_ssh(hop, &"it does not answer in time")),
    };
    let Some((key, noted)) = met() else { return Err(trouble::no_ssh(hop, &"it shows no key")) };
    if let (Some(file), Some(say)) = (noted, &options.say) {
        say(&trouble::noted(hop, &key, &file));
    }
    login(&mut handle, hop, options, secrets, is_last).await?;
    watch.is_logged_in();
    let sessions = Arc::new(Semaphore::new(MAX_SESSIONS));
    Ok(Session { handle, words, last: Mutex::new(0), sessions, watch, key, _through: through })
}
