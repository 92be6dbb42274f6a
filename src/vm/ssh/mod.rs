//! A machine that is reached over SSH: one connection, and everything else channels on it. Reaching it never fails:
//! what cannot be looked at says why and how to mend it.

mod certificates;
mod channel;
mod client;
mod command;
mod config;
mod files;
mod known;
mod login;
mod options;
mod outside;
mod reached;
mod session;
mod shell;
mod trouble;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bollard::Docker;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use crate::evidence::{Identity, Machine, Unobserved};
use crate::vm::address::Address;
use crate::vm::addresses::{no_address, own_address};
use crate::vm::connect::Pace;
use crate::vm::helper::{self, Helpers, Role};
use crate::vm::inside::Target;
use crate::vm::{Command, Dial, DialError, FileError, FileStat, FileText, Output, Place, Vm};

pub use options::{Prompt, Say, SshOptions};

use known::fingerprint;
use login::Secrets;
use reached::Reached;
use session::Session;
use shell::Shell;

/// How often a machine is connected to in one run: a connection that is lost is made anew, but not for ever.
const MAX_CONNECTIONS: u32 = 3;

/// The docker network that is the machine's own.
const OF_THE_MACHINE: &str = "host";

/// How much is read of what the kernel says of the machine's addresses.
const MAX_TABLE: usize = 1 << 20;

/// A connection, or why there is none.
type Connected = Result<Arc<Reached>, Unobserved>;

/// A machine that is reached over SSH.
pub struct Ssh {
    way: Arc<Way>,
    connection: Mutex<Option<Connection>>,
    helpers: Helpers,
}

/// How it is come to.
struct Way {
    address: Address,
    options: SshOptions,
    secrets: Secrets,
    /// Whether it leads through other machines, once that is known.
    is_through_others: OnceLock<bool>,
}

struct Connection {
    begun: u32,
    /// When its loss was noticed.
    lost: Option<Instant>,
    /// Goes on whether or not anybody still waits: somebody may be typing a password.
    connected: Shared<BoxFuture<'static, Connected>>,
}

impl Way {
    fn host(&self) -> &str {
        match &self.address {
            Address::Ssh { host, .. } => host,
            Address::Local => "localhost",
        }
    }

    async fn connect(&self) -> Connected {
        let Address::Ssh { user, host, port } = &self.address else { return Err(trouble::lost("localhost")) };
        let route = config::route(user.as_deref(), host, *port, &self.options).await?;
        let _ = self.is_through_others.set(route.len() > 1);
        let session = Session::along(&route, &self.options, &self.secrets).await?;
        let last = route.into_iter().next_back().ok_or_else(|| trouble::lost(host))?;
        Ok(Reached::over(session, host.clone(), last))
    }
}

impl Ssh {
    /// The machine at `address`, which nobody connects to before the first question.
    pub fn new(address: Address, options: SshOptions) -> Ssh {
        let helpers = Helpers::of(options.helper.clone());
        let way = Way { address, options, secrets: Secrets::default(), is_through_others: OnceLock::new() };
        Ssh { way: Arc::new(way), connection: Mutex::default(), helpers }
    }

    /// The connection, made if there is none yet.
    async fn reach(&self) -> Connected {
        let connected = {
            let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = connection.get_or_insert_with(|| self.begin(1));
            let is_lost = matches!(connection.connected.peek(), Some(Ok(reached)) if reached.session.is_lost());
            if is_lost && connection.begun < MAX_CONNECTIONS {
                let lost = connection.lost.or_else(|| Some(Instant::now()));
                *connection = Connection { lost, ..self.begin(connection.begun + 1) };
            } else if is_lost {
                connection.lost.get_or_insert_with(Instant::now);
                return Err(trouble::lost(self.way.host()));
            }
            connection.connected.clone()
        };
        connected.await
    }

    fn begin(&self, begun: u32) -> Connection {
        let way = self.way.clone();
        let connecting = tokio::spawn(async move { way.connect().await });
        let host = self.way.host().to_owned();
        let connected = connecting.map(move |ended| ended.unwrap_or_else(|_| Err(trouble::lost(&host))));
        Connection { begun, lost: None, connected: connected.boxed().shared() }
    }

    /// The connection, if there is one by now.
    fn reached(&self) -> Option<Arc<Reached>> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.as_ref()?.connected.peek()?.as_ref().ok().cloned()
    }

    async fn shell(&self) -> Result<Arc<Shell>, FileError> {
        let broken = |unobserved: Unobserved| FileError::Broken(unobserved.why.en);
        let reached = self.reach().await.map_err(broken)?;
        reached.shell().await.map_err(broken)
    }

    /// Who dials from the machine itself where the server does not let through.
    fn stand_in() -> Role {
        Role::On(OF_THE_MACHINE.to_owned())
    }

    async fn dial_by(
        &self,
        reached: &Reached,
        role: &Role,
        inside: Option<Target>,
        to: (&str, u16),
        pace: &Pace,
    ) -> Dial {
        let not = |error| Dial { namespace: None, outcome: Err(error) };
        let docker = match reached.docker().await {
            Ok(docker) => docker,
            Err(unobserved) => return not(DialError::Unobserved(unobserved)),
        };
        match self.helpers.get(role, &docker).await {
            Ok(Some(helper)) => helper::dial(&helper, inside, to.0, to.1, *pace).await,
            Ok(None) => not(DialError::Gone),
            Err(unobserved) => not(DialError::Unobserved(unobserved)),
        }
    }
}

#[async_trait]
impl Vm for Ssh {
    async fn arrive(&self) {
        if let Ok(reached) = self.reach().await {
            // It tells what is known of the machine, and which process stands for this run there.
            let _ = reached.shell().await;
        }
    }

    async fn unbroken_since(&self, start: Instant) -> Result<(), Unobserved> {
        let (lost, connected) = match &*self.connection.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(connection) => (connection.lost, connection.connected.peek().cloned()),
            None => (None, None),
        };
        // What was never reached, such as what the student handed in there, was not seen either.
        let Some(reached) = connected.transpose()? else { return Ok(()) };
        if lost.is_some_and(|when| when >= start) || !reached.session.is_there().await {
            return Err(trouble::lost(self.way.host()));
        }
        Ok(())
    }

    async fn stand(&self, place: &Place) -> Result<bool, Unobserved> {
        let reached = self.reach().await?;
        let role = match place {
            Place::Outside => return Ok(true),
            Place::Machine if !reached.forwards_nothing().await => return Ok(true),
            Place::Machine => Ssh::stand_in(),
            Place::Inside { .. } => Role::Enters,
            Place::On { network } => Role::On(network.clone()),
        };
        let helper = self.helpers.get(&role, &reached.docker().await?).await;
        match place {
            Place::Machine => helper.map(|_| true).map_err(|why| trouble::nothing_forwarded(&reached.host, &why)),
            _ => Ok(helper?.is_some()),
        }
    }

    async fn dial(&self, from: &Place, host: &str, port: u16, pace: &Pace) -> Dial {
        let not = |error| Dial { namespace: None, outcome: Err(error) };
        let reached = match self.reach().await {
            Ok(reached) => reached,
            Err(unobserved) => return not(DialError::Unobserved(unobserved)),
        };
        let (role, inside) = match from {
            Place::Outside => {
                let outcome = outside::dial(&reached, host, port, pace).await;
                return Dial { namespace: None, outcome };
            }
            Place::Machine => {
                if !reached.forwards_nothing().await
                    && let Some(outcome) = reached.dial(host, port, pace).await
                {
                    return Dial { namespace: None, outcome };
                }
                let dial = self.dial_by(&reached, &Ssh::stand_in(), None, (host, port), pace).await;
                let outcome = dial.outcome.map_err(|error| match error {
                    DialError::Unobserved(why) => {
                        DialError::Unobserved(trouble::nothing_forwarded(&reached.host, &why))
                    }
                    error => error,
                });
                return Dial { namespace: None, outcome };
            }
            Place::Inside { container, pid } => {
                (Role::Enters, Some(Target { pid: *pid, container: container.clone() }))
            }
            Place::On { network } => (Role::On(network.clone()), None),
        };
        self.dial_by(&reached, &role, inside, (host, port), pace).await
    }

    async fn step_back(&self) {
        self.helpers.step_back().await;
    }

    async fn leave(&self) {
        self.helpers.leave().await;
        if let Some(reached) = self.reached() {
            reached.session.end().await;
        }
    }

    async fn docker(&self) -> Result<Docker, Unobserved> {
        self.reach().await?.docker().await
    }

    async fn run(&self, command: &Command, patience: Duration) -> Result<Output, Unobserved> {
        let reached = self.reach().await?;
        let shell = reached.shell().await?;
        let ran = command::run(&reached.session, &shell, command, patience).await;
        ran.map_err(|why| trouble::no_command(&reached.host, &why))
    }

    async fn read_file(&self, path: &str, max_bytes: usize) -> Result<FileText, FileError> {
        files::read(&*self.shell().await?, path, max_bytes).await
    }

    async fn list_directory(&self, path: &str, max: usize) -> Result<Vec<String>, FileError> {
        files::list(&*self.shell().await?, path, max).await
    }

    async fn read_link(&self, path: &str) -> Result<String, FileError> {
        files::link(&*self.shell().await?, path).await
    }

    async fn stat(&self, path: &str) -> Result<FileStat, FileError> {
        files::stat(&*self.shell().await?, path).await
    }

    async fn outward(&self) -> Result<IpAddr, Unobserved> {
        let shell = self.reach().await?.shell().await?;
        let text = async |path: &str| {
            let read = files::read(&shell, path, MAX_TABLE).await;
            read.map(|text| String::from_utf8_lossy(&text.bytes).into_owned()).unwrap_or_default()
        };
        let (routes, tries) = futures_util::join!(text("/proc/net/route"), text("/proc/net/fib_trie"));
        own_address(&routes, &tries).map(IpAddr::V4).ok_or_else(no_address)
    }

    async fn home(&self) -> Result<Option<String>, Unobserved> {
        let shell = self.reach().await?.shell().await?;
        Ok(Some(shell.hello.home.clone()).filter(|home| home.starts_with('/')))
    }

    fn own_pid(&self) -> Option<u32> {
        self.reached()?.shell_by_now()?.hello.pid
    }

    fn outside(&self) -> Option<String> {
        let named = self.way.options.outside.clone();
        // What is come to through others is not to be seen from here.
        let through = self.way.is_through_others.get().copied().unwrap_or(false);
        named.or_else(|| (!through).then(|| self.way.host().to_owned()))
    }

    fn machine(&self) -> Machine {
        let shell = self.reached().and_then(|reached| reached.shell_by_now());
        let key = self.reached().map(|reached| fingerprint(&reached.session.key));
        Machine {
            reached: self.way.address.to_string(),
            outside: self.has_outside(),
            system: shell.map(|shell| shell.hello.system.clone()),
            engine: None,
            identity: key.map(|key| Identity { ssh_host_key: Some(key), ..Identity::default() }),
        }
    }
}
