//! The machine labrun runs on. Knows no environment but what it is given.

mod files;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use futures_util::FutureExt;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UdpSocket, UnixStream};
use tokio::time::timeout;

use crate::evidence::{Cause, Machine, Unobserved};
use crate::vm::addresses::{no_address, own_address};
use crate::vm::connect::{Pace, connect_to};
use crate::vm::docker::{self, SOCKET};
use crate::vm::helper::{self, Helpers, Role};
use crate::vm::inside::{self, Attempt, NotEntered, Target};
use crate::vm::{
    ByteStream, Command, Dial, DialError, Dialled, FileError, FileStat, FileText, Output, Place, Vm, process,
};

/// The machine labrun runs on.
pub struct Local {
    docker_host: Option<String>,
    env: Vec<(String, String)>,
    helpers: Helpers,
}

impl Local {
    /// This machine, its Docker engine where `docker_host` (the variable `DOCKER_HOST`) says.
    pub fn new(docker_host: Option<String>) -> Local {
        let docker_host = docker_host.filter(|host| !host.is_empty());
        let env = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/"),
            ("USER", "nobody"),
            ("LANG", "C.UTF-8"),
            ("PAGER", "cat"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        // A command that speaks to the engine is to mean the same one.
        let engine = docker_host.iter().map(|host| ("DOCKER_HOST".to_owned(), host.clone()));
        Local { env: env.into_iter().chain(engine).collect(), docker_host, helpers: Helpers::default() }
    }

    /// Gives commands this value of a variable, e.g. the user's own `PATH`, `HOME` and `USER`.
    pub fn with_env(mut self, name: &str, value: impl Into<String>) -> Local {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// The path of the engine's socket.
    fn socket(&self) -> Result<PathBuf, Unobserved> {
        let Some(host) = &self.docker_host else {
            let user = rustix::process::getuid().as_raw();
            let rootless = PathBuf::from(format!("/run/user/{user}/docker.sock"));
            let usual = PathBuf::from(SOCKET);
            return Ok(if !usual.exists() && rootless.exists() { rootless } else { usual });
        };
        match host.strip_prefix("unix://") {
            Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
            _ => Err(Unobserved::new(
                Cause::Unsupported,
                format!(
                    "DOCKER_HOST es `{host}`, y labrun mira el motor de esta máquina: \
                     corré `unset DOCKER_HOST`, o usá unix:///ruta/al/socket"
                ),
                format!(
                    "DOCKER_HOST is `{host}`, while labrun looks at this machine's own engine: \
                     run `unset DOCKER_HOST`, or use unix:///path/to/socket"
                ),
            )),
        }
    }
}

#[async_trait]
impl Vm for Local {
    async fn stand(&self, place: &Place) -> Result<bool, Unobserved> {
        let role = match place {
            Place::Machine | Place::Outside => return Ok(true),
            Place::Inside { container, pid } => {
                match inside::can_enter(Target { pid: *pid, container: container.clone() }).await {
                    Ok(()) => return Ok(true),
                    Err(NotEntered::Gone) => return Ok(false),
                    Err(_) => Role::Enters,
                }
            }
            Place::On { network } => Role::On(network.clone()),
        };
        Ok(self.helpers.get(&role, &self.docker().await?).await?.is_some())
    }

    async fn dial(&self, from: &Place, host: &str, port: u16, pace: &Pace) -> Dial {
        let not = |error| Dial { namespace: None, outcome: Err(error) };
        let (role, inside) = match from {
            Place::Machine => return Dial { namespace: None, outcome: connect_to(host, port, pace).await },
            Place::Outside => {
                return not(DialError::PathLost("labrun runs on the machine itself: there is no outside".to_owned()));
            }
            Place::Inside { container, pid } => {
                let target = Target { pid: *pid, container: container.clone() };
                match inside::dial(Some(target.clone()), host.to_owned(), port, *pace).await {
                    Ok(attempt) => return here(attempt),
                    Err(NotEntered::Gone) => return not(DialError::Gone),
                    Err(_) => (Role::Enters, Some(target)),
                }
            }
            Place::On { network } => (Role::On(network.clone()), None),
        };
        let docker = match self.docker().await {
            Ok(docker) => docker,
            Err(unobserved) => return not(DialError::Unobserved(unobserved)),
        };
        match self.helpers.get(&role, &docker).await {
            Ok(Some(helper)) => helper::dial(&helper, inside, host, port, *pace).await,
            Ok(None) => not(DialError::Gone),
            Err(unobserved) => not(DialError::Unobserved(unobserved)),
        }
    }

    async fn step_back(&self) {
        self.helpers.step_back().await;
    }

    async fn leave(&self) {
        self.helpers.leave().await;
    }

    async fn docker(&self) -> Result<Docker, Unobserved> {
        let path = self.socket()?;
        let place = path.display().to_string();
        // Asked for its own sake: a client's error would not tell a missing engine from a forbidden one.
        timeout(docker::PATIENCE, UnixStream::connect(&path))
            .await
            .map_err(|_| docker::silent(&place))?
            .map_err(|error| no_engine(&path, &error))?;
        let connect = move || {
            let path = path.clone();
            async move { Ok(Box::new(UnixStream::connect(path).await?) as Box<dyn ByteStream>) }.boxed()
        };
        docker::client(&place, Arc::new(connect)).await
    }

    async fn run(&self, command: &Command, patience: Duration) -> Result<Output, Unobserved> {
        process::run(command, &self.env, patience).await
    }

    async fn read_file(&self, path: &str, max_bytes: usize) -> Result<FileText, FileError> {
        files::aside(path, move |path| files::read(path, max_bytes)).await
    }

    async fn list_directory(&self, path: &str, max: usize) -> Result<Vec<String>, FileError> {
        files::aside(path, move |path| files::list(path, max)).await
    }

    async fn read_link(&self, path: &str) -> Result<String, FileError> {
        files::aside(path, files::link).await
    }

    async fn stat(&self, path: &str) -> Result<FileStat, FileError> {
        files::aside(path, files::stat).await
    }

    async fn outward(&self) -> Result<IpAddr, Unobserved> {
        // Connecting a datagram socket sends nothing; it makes the kernel choose the source address that the
        // default route uses. The target is set aside for documentation and belongs to nobody.
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await
            && socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).await.is_ok()
            && let Ok(address) = socket.local_addr()
            && !address.ip().is_loopback()
            && !address.ip().is_unspecified()
        {
            return Ok(address.ip());
        }
        let read = |path: &'static str| async move {
            let mut text = String::new();
            let file = tokio::fs::File::open(path).await?;
            file.take(1 << 20).read_to_string(&mut text).await?;
            io::Result::Ok(text)
        };
        let routes = read("/proc/net/route").await.unwrap_or_default();
        let tries = read("/proc/net/fib_trie").await.unwrap_or_default();
        own_address(&routes, &tries).map(IpAddr::V4).ok_or_else(no_address)
    }

    fn own_pid(&self) -> Option<u32> {
        Some(std::process::id())
    }

    fn machine(&self) -> Machine {
        let uname = rustix::system::uname();
        let words = [uname.sysname(), uname.release(), uname.machine()];
        Machine {
            reached: "local".to_owned(),
            outside: false,
            system: Some(words.map(|word| word.to_string_lossy().into_owned()).join(" ")),
            engine: None,
            identity: None,
        }
    }
}

/// What a dial from another namespace came to, its connection made this thread's.
fn here(attempt: Attempt) -> Dial {
    let outcome = attempt.outcome.and_then(|(stream, round_trip)| {
        let stream = TcpStream::from_std(stream).map_err(|error| DialError::PathLost(error.to_string()))?;
        Ok(Dialled { stream: Box::new(stream), round_trip })
    });
    Dial { namespace: attempt.namespace, outcome }
}

fn no_engine(path: &Path, error: &io::Error) -> Unobserved {
    let place = path.display();
    match error.kind() {
        ErrorKind::PermissionDenied => Unobserved::new(
            Cause::Permission,
            format!(
                "tu usuario no puede usar el motor de Docker ({place}): agregalo al grupo docker con \
                 `sudo usermod -aG docker $USER` y volvé a iniciar sesión"
            ),
            format!(
                "your user may not use the Docker engine ({place}): add it to the group docker with \
                 `sudo usermod -aG docker $USER` and log in again"
            ),
        ),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Unobserved::new(
            Cause::Engine,
            format!("ningún motor de Docker responde en {place}; arrancalo con `sudo systemctl start docker`"),
            format!("no Docker engine answers at {place}; start it: `sudo systemctl start docker`"),
        ),
        _ => Unobserved::new(
            Cause::Engine,
            format!("no se pudo hablar con el motor de Docker en {place}: {error}"),
            format!("the Docker engine at {place} could not be spoken to: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_machine_has_an_address_or_says_why_not() {
        match Local::new(None).outward().await {
            Ok(address) => assert!(!address.is_loopback() && !address.is_unspecified()),
            Err(unobserved) => assert_eq!(unobserved.cause, Cause::Path),
        }
    }

    #[tokio::test]
    async fn there_is_no_outside_to_dial_from() {
        let pace = Pace::patient(Duration::from_secs(1));
        let dial = Local::new(None).dial(&Place::Outside, "127.0.0.1", 1, &pace).await;
        assert!(matches!(dial.outcome.err(), Some(DialError::PathLost(_))));
    }

    #[tokio::test]
    async fn a_missing_a_remote_and_a_false_engine_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let missing = format!("unix://{}", folder.path().join("docker.sock").display());
        for (host, cause) in [
            (missing.as_str(), Cause::Engine),
            ("tcp://10.0.0.1:2375", Cause::Unsupported),
            ("ssh://x", Cause::Unsupported),
        ] {
            assert_eq!(Local::new(Some(host.to_owned())).docker().await.unwrap_err().cause, cause, "{host}");
        }
        let path = folder.path().join("false.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"hello\r\n").await;
            }
        });
        let host = format!("unix://{}", path.display());
        assert_eq!(Local::new(Some(host)).docker().await.unwrap_err().cause, Cause::Engine);
        assert_eq!(no_engine(&path, &io::Error::from(ErrorKind::PermissionDenied)).cause, Cause::Permission);
    }

    #[test]
    fn an_empty_docker_host_is_as_good_as_none() {
        assert_eq!(Local::new(Some(String::new())).docker_host, None);
        let machine = Local::new(None).machine();
        assert!(machine.system.is_some_and(|system| system.starts_with("Linux ")));
    }
}
