//! A machine that was reached: the connection, and what is kept open on it for a whole run.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use futures_util::FutureExt;
use futures_util::future::join_all;
use russh::ChannelOpenFailure;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::evidence::Unobserved;
use crate::vm::connect::{Pace, connect_by};
use crate::vm::docker::{self, SOCKET};
use crate::vm::ssh::channel::Stream;
use crate::vm::ssh::command;
use crate::vm::ssh::config::Hop;
use crate::vm::ssh::session::{Door, NotOpened, Session};
use crate::vm::ssh::shell::{self, Shell};
use crate::vm::ssh::trouble;
use crate::vm::{ByteStream, Command, DialError, Dialled, End};

/// How many connections to the engine are opened ahead: one that is there saves a question a round trip.
const SPARE: usize = 8;

/// How long the machine's shell may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// How often the shell is started in one run.
const MAX_SHELLS: u32 = 3;

/// How long finding the addresses of a name may take.
const NAME: Duration = Duration::from_secs(5);

/// A machine that was reached.
pub struct Reached {
    /// How people know it.
    pub host: String,
    /// Where its SSH was found.
    pub hop: Hop,
    /// The connection.
    pub session: Arc<Session>,
    shell: tokio::sync::Mutex<Shells>,
    docker: OnceCell<Result<Docker, Unobserved>>,
    spare: Arc<Mutex<VecDeque<Stream>>>,
    /// Whether the server lets nobody through to TCP ports, as far as that is known.
    forwards_nothing: AtomicBool,
    tried_to_forward: OnceCell<()>,
}

/// The machine's shell, which is started again should somebody end it.
#[derive(Default)]
struct Shells {
    begun: u32,
    now: Option<Result<Arc<Shell>, Unobserved>>,
}

/// How the engine is come to.
#[derive(Clone)]
enum Way {
    /// Its socket, at this path.
    Socket(String),
    /// A command that passes on what it is told, where the server forwards no sockets.
    Command,
}

impl Reached {
    /// The machine `host`, by its connection. What every run needs is begun at once.
    pub fn over(session: Arc<Session>, host: String, hop: Hop) -> Arc<Reached> {
        let reached = Arc::new(Reached {
            host,
            hop,
            session,
            shell: tokio::sync::Mutex::default(),
            docker: OnceCell::new(),
            spare: Arc::default(),
            forwards_nothing: false.into(),
            tried_to_forward: OnceCell::new(),
        });
        let begun = reached.clone();
        tokio::spawn(async move { begun.shell().await.map(drop) });
        let begun = reached.clone();
        tokio::spawn(async move { begun.docker().await.map(drop) });
        let begun = reached.clone();
        tokio::spawn(async move { begun.forwards_nothing().await });
        reached
    }

    /// Whether the server lets nobody through to TCP ports: tried once, with one at which nobody listens.
    pub async fn forwards_nothing(&self) -> bool {
        let attempt = || async {
            let opened = timeout(docker::PATIENCE, self.session.open(Door::Tcp("127.0.0.1".to_owned(), 1))).await;
            if let Ok(Err(NotOpened::Refused(ChannelOpenFailure::AdministrativelyProhibited, _))) = opened {
                self.forwards_nothing.store(true, Ordering::Relaxed);
            }
        };
        self.tried_to_forward.get_or_init(attempt).await;
        self.forwards_nothing.load(Ordering::Relaxed)
    }

    /// The machine's shell.
    pub async fn shell(&self) -> Result<Arc<Shell>, Unobserved> {
        let mut shells = self.shell.lock().await;
        let is_over = matches!(&shells.now, Some(Ok(shell)) if shell.is_over());
        match &shells.now {
            Some(shell) if !is_over || shells.begun >= MAX_SHELLS => shell.clone(),
            _ => {
                shells.begun += 1;
                shells.now.insert(self.start_shell().await).clone()
            }
        }
    }

    async fn start_shell(&self) -> Result<Arc<Shell>, Unobserved> {
        let command = format!("exec sh -c '{}'", shell::PROGRAM);
        let (channel, permit) =
            self.session.start(command).await.map_err(|why| trouble::no_command(&self.host, &why))?;
        match timeout(HELLO, Shell::over(Stream::of(channel, permit))).await {
            Ok(Ok(shell)) => Ok(Arc::new(shell)),
            Ok(Err(error)) => Err(trouble::no_shell(&self.host, &error)),
            Err(_) => Err(trouble::no_shell(&self.host, &"it does not answer")),
        }
    }

    /// The shell, if it has answered by now.
    pub fn shell_by_now(&self) -> Option<Arc<Shell>> {
        self.shell.try_lock().ok()?.now.as_ref()?.as_ref().ok().cloned()
    }

    /// A client of the machine's engine.
    pub async fn docker(&self) -> Result<Docker, Unobserved> {
        self.docker.get_or_init(|| self.find_docker()).await.clone()
    }

    async fn find_docker(&self) -> Result<Docker, Unobserved> {
        let way = match timeout(docker::PATIENCE, self.first_spare(SOCKET)).await {
            Ok(Ok(())) => Way::Socket(SOCKET.to_owned()),
            Ok(Err(NotOpened::Lost)) => return Err(trouble::lost(&self.host)),
            Ok(Err(NotOpened::Refused(..))) => self.other_way().await?,
            Err(_) => return Err(docker::silent(&self.place(SOCKET))),
        };
        let place = match &way {
            Way::Socket(path) => self.place(path),
            Way::Command => self.place("docker system dial-stdio"),
        };
        let (session, spare) = (self.session.clone(), self.spare.clone());
        let leads = way.clone();
        let connect = move || {
            let (session, spare, way) = (session.clone(), spare.clone(), leads.clone());
            async move { connected(&session, &spare, &way).await }.boxed()
        };
        match way {
            Way::Socket(_) => docker::client(&place, Arc::new(connect)).await,
            Way::Command => docker::client_that_keeps(&place, Arc::new(connect)).await,
        }
    }

    fn place(&self, what: &str) -> String {
        format!("{} ({what})", self.host)
    }

    /// Opens the connections that are kept ahead; the first decides whether the server forwards this socket.
    async fn first_spare(&self, path: &str) -> Result<(), NotOpened> {
        let opened = join_all((0..SPARE).map(|_| self.session.open(Door::Socket(path.to_owned())))).await;
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let mut refused = None;
        for one in opened {
            match one {
                Ok(channel) => spare.push_back(Stream::of(channel, ())),
                Err(why) => refused = Some(why),
            }
        }
        if spare.is_empty() { Err(refused.unwrap_or(NotOpened::Lost)) } else { Ok(()) }
    }

    /// Why the usual socket does not do, by what lies there, and what does instead.
    async fn other_way(&self) -> Result<Way, Unobserved> {
        let shell = self.shell().await?;
        let said = async |path: &str| {
            let fields = shell.ask('d', 0, path, 64).await.map_err(|_| trouble::lost(&self.host))?;
            Ok(fields.first().map(|said| String::from_utf8_lossy(said).trim().to_owned()).unwrap_or_default())
        };
        match said(SOCKET).await?.as_str() {
            "closed" => return Err(trouble::engine_denied(&self.host)),
            "open" => {}
            _ => {
                let user = self.output(&["id", "-u"]).await?;
                let rootless = format!("/run/user/{}/docker.sock", user.trim());
                if said(&rootless).await? != "open" {
                    return Err(trouble::no_engine(&self.host));
                }
                if self.first_spare(&rootless).await.is_ok() {
                    return Ok(Way::Socket(rootless));
                }
            }
        }
        // The socket is there and may be used, and the server does not lead to it.
        match self.output(&["docker", "version", "--format", "{{.Server.Version}}"]).await {
            Ok(version) if !version.trim().is_empty() => Ok(Way::Command),
            _ => Err(trouble::engine_not_forwarded(&self.host)),
        }
    }

    /// What a small command prints; nothing where there is none such, or it failed.
    async fn output(&self, words: &[&str]) -> Result<String, Unobserved> {
        let argv = words.iter().map(|word| (*word).to_owned()).collect();
        let command = Command { argv, env: Vec::new(), max_bytes: 64 << 10 };
        let output = command::run(&self.session, &*self.shell().await?, &command, docker::PATIENCE).await;
        let output = output.map_err(|why| trouble::no_command(&self.host, &why))?;
        let printed = output.stdout.get(..).filter(|_| output.end == End::Exited(0)).unwrap_or_default();
        Ok(String::from_utf8_lossy(printed).into_owned())
    }

    /// Connects to a port as the machine itself reaches it. `None` when the server lets nobody through.
    pub async fn dial(&self, host: &str, port: u16, pace: &Pace) -> Option<Result<Dialled, DialError>> {
        let targets = match host.parse::<IpAddr>() {
            Ok(address) => vec![address.to_string()],
            Err(_) => self.addresses(host).await,
        };
        let attempt = |target: String| {
            let session = self.session.clone();
            async move { session.open(Door::Tcp(target, port)).await.map_err(Not::of) }
        };
        // Attempts end in what a dial ends in, but for a server that forwards nothing, which is found out here.
        let forbidden = AtomicBool::new(false);
        let attempt = |target: String| {
            let (attempt, forbidden) = (attempt(target), &forbidden);
            async move {
                attempt.await.map_err(|not| match not {
                    Not::Forbidden => {
                        forbidden.store(true, Ordering::Relaxed);
                        DialError::Denied
                    }
                    Not::Dialled(error) => error,
                })
            }
        };
        let connected = connect_by(attempt, &targets, pace).await;
        if forbidden.load(Ordering::Relaxed) {
            self.forwards_nothing.store(true, Ordering::Relaxed);
            return None;
        }
        Some(connected.map(|(channel, round_trip)| Dialled {
            stream: Box::new(Stream::of(channel, self.session.clone())),
            round_trip,
        }))
    }

    /// The addresses of a name as the machine knows it. The server would look it up itself, and nothing else on the
    /// connection would move meanwhile; so it is asked only for a name that the machine's own tools do not know.
    async fn addresses(&self, name: &str) -> Vec<String> {
        let found = timeout(NAME, self.output(&["getent", "ahosts", name])).await;
        let found = found.ok().and_then(Result::ok).unwrap_or_default();
        let mut addresses: Vec<String> = Vec::new();
        for address in found.lines().filter_map(|line| line.split_whitespace().next()) {
            if address.parse::<IpAddr>().is_ok()
                && !addresses.iter().any(|known| known == address)
                && addresses.len() < 4
            {
                addresses.push(address.to_owned());
            }
        }
        if addresses.is_empty() { vec![name.to_owned()] } else { addresses }
    }
}

/// Why a TCP channel was not opened.
enum Not {
    /// The server lets nobody through.
    Forbidden,
    /// What a dial says.
    Dialled(DialError),
}

impl Not {
    /// By the server's words: those of the system's C library in the case of OpenSSH.
    fn of(why: NotOpened) -> Not {
        let (reason, words) = match why {
            NotOpened::Lost => return Not::Dialled(DialError::PathLost("the SSH connection is lost".to_owned())),
            NotOpened::Refused(reason, words) => (reason, words),
        };
        let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        Not::Dialled(match reason {
            ChannelOpenFailure::AdministrativelyProhibited => return Not::Forbidden,
            _ if says(&["Connection refused", "Connection reset"]) => DialError::Refused,
            _ if says(&["timed out"]) => DialError::TimedOut,
            _ if says(&["No route to host", "unreachable"]) => DialError::Unreachable,
            _ if says(&["Permission denied", "not permitted"]) => DialError::Denied,
            _ if says(&["Name or service not known", "No address associated", "does not resolve", "nodename nor"]) => {
                DialError::NameNotFound
            }
            ChannelOpenFailure::ResourceShortage => DialError::Limit(format!("the SSH server: {words}")),
            _ => DialError::PathLost(format!("the SSH server: {words}")),
        })
    }
}

/// A connection to the engine: one that was opened ahead, with another in its place from then on, or a new one.
async fn connected(
    session: &Arc<Session>,
    spare: &Arc<Mutex<VecDeque<Stream>>>,
    way: &Way,
) -> io::Result<Box<dyn ByteStream>> {
    let failed = |why: NotOpened| match why {
        NotOpened::Lost => io::Error::from(io::ErrorKind::ConnectionAborted),
        NotOpened::Refused(reason, words) => io::Error::other(format!("{}: {words}", reason.description())),
    };
    let path = match way {
        Way::Command => {
            let (channel, permit) = session.start("exec docker system dial-stdio").await.map_err(failed)?;
            return Ok(Box::new(Stream::of(channel, permit)));
        }
        Way::Socket(path) => path.clone(),
    };
    let ahead = {
        let mut spare = spare.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| spare.pop_front()).find(|stream| !stream.is_over())
    };
    if let Some(stream) = ahead {
        let (session, spare) = (session.clone(), spare.clone());
        tokio::spawn(async move {
            if let Ok(channel) = session.open(Door::Socket(path)).await {
                spare.lock().unwrap_or_else(PoisonError::into_inner).push_back(Stream::of(channel, ()));
            }
        });
        return Ok(Box::new(stream));
    }
    Ok(Box::new(Stream::of(session.open(Door::Socket(path)).await.map_err(failed)?, ())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_a_dial_has_one_meaning() {
        let said = |words: &str| match Not::of(NotOpened::Refused(ChannelOpenFailure::ConnectFailed, words.to_owned()))
        {
            Not::Dialled(error) => error,
            Not::Forbidden => panic!("{words}"),
        };
        assert_eq!(said("Connection refused"), DialError::Refused);
        assert_eq!(said("Connection timed out"), DialError::TimedOut);
        assert_eq!(said("No route to host"), DialError::Unreachable);
        assert_eq!(said("Network is unreachable"), DialError::Unreachable);
        assert_eq!(said("Name or service not known"), DialError::NameNotFound);
        assert!(matches!(said("Temporary failure in name resolution"), DialError::PathLost(_)));
        assert!(matches!(said(""), DialError::PathLost(_)));
        assert!(matches!(
            Not::of(NotOpened::Refused(ChannelOpenFailure::AdministrativelyProhibited, String::new())),
            Not::Forbidden
        ));
    }
}
