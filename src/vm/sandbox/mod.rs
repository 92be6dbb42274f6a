//! A disposable machine for a student's repository: a container without privileges, in it a Docker engine without
//! root, and no network but its own. labrun's own binary stands inside and is spoken to over its standard input and
//! output, so that the machine ends with this process however that ends.

mod container;
mod images;
pub mod packed;
mod serve;
mod wire;

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use futures_util::FutureExt;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::evidence::{Cause, Machine, Unobserved};
use crate::vm::connect::Pace;
use crate::vm::helper::{Link, Talk};
use crate::vm::{
    ByteStream, Command, Dial, DialError, Dialled, FileError, FileStat, FileText, Output, Place, Vm, docker,
};

pub use container::{Limits, start};
pub use images::hand_over;
pub use serve::serve;

use wire::{Ask, Reply, receive, send};

/// The home of the student there.
pub const HOME: &str = "/home/student";
/// The folder in it with the repository.
pub const REPOSITORY: &str = "/home/student/repo";

/// Where its engine keeps everything.
const ENGINE_DATA: &str = "/var/lib/docker";

/// How long to wait for it to be gone.
const FAREWELL: Duration = Duration::from_secs(15);

/// How long an answer may take beyond what the question itself takes.
const GRACE: Duration = Duration::from_secs(20);

/// A machine that is spoken to through a link.
pub struct Sandbox {
    link: Mutex<Option<Arc<Link>>>,
    system: Option<String>,
    /// Where it is a container, for whoever waits until it is gone.
    container: Option<(Docker, String)>,
}

impl Sandbox {
    /// The machine at the other end of `link`.
    pub fn over(link: Link) -> Sandbox {
        Sandbox { link: Mutex::new(Some(Arc::new(link))), system: None, container: None }
    }

    fn link(&self) -> Option<Arc<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has it say a first word.
    async fn greet(&mut self) -> io::Result<()> {
        if let (Reply::Machine(system, _), _) = self.ask(&Ask::Machine, Duration::ZERO, 0).await? {
            self.system = system.map(|system| system.chars().take(200).collect());
        }
        Ok(())
    }

    /// Puts the files of a tar archive into a folder of it.
    pub async fn unpack(&self, into: &str, archive: &[u8]) -> Result<(), Unobserved> {
        let work = async {
            let mut stream = self.link().ok_or_else(late)?.open().await?;
            send(&mut stream, &Ask::Unpack(into.to_owned(), archive.len() as u64), &[]).await?;
            stream.write_all(archive).await?;
            stream.flush().await?;
            match receive(&mut stream, 0).await? {
                (Reply::Done, _) => io::Result::Ok(()),
                (Reply::Refused(error), _) => Err(io::Error::other(error)),
                (other, _) => Err(strange(&other)),
            }
        };
        timeout(3 * GRACE, work).await.unwrap_or_else(|_| Err(late())).map_err(|error| not_answered(Err(error)))
    }

    async fn ask(&self, ask: &Ask, takes: Duration, max: usize) -> io::Result<(Reply, Vec<u8>)> {
        let work = async {
            let mut stream = self.link().ok_or_else(late)?.open().await?;
            send(&mut stream, ask, &[]).await?;
            receive(&mut stream, max).await
        };
        timeout(takes + GRACE, work).await.unwrap_or_else(|_| Err(late()))
    }

    async fn about_a_file(&self, ask: Ask, max: usize) -> Result<(Reply, Vec<u8>), FileError> {
        match self.ask(&ask, Duration::ZERO, max).await {
            Ok((Reply::Refused(error), _)) => Err(error),
            Ok(answered) => Ok(answered),
            Err(error) => Err(FileError::Broken(error.to_string())),
        }
    }
}

#[async_trait]
impl Vm for Sandbox {
    async fn stand(&self, place: &Place) -> Result<bool, Unobserved> {
        match self.ask(&Ask::Stand(place.clone()), GRACE, 0).await {
            Ok((Reply::Stood(stands), _)) => Ok(stands),
            answered => Err(not_answered(answered)),
        }
    }

    async fn dial(&self, from: &Place, host: &str, port: u16, pace: &Pace) -> Dial {
        let ask = Ask::Dial { from: from.clone(), host: host.to_owned(), port, pace: *pace };
        let not = |namespace, error| Dial { namespace, outcome: Err(error) };
        match connection(self.link(), &ask, pace.whole).await {
            Ok((Reply::Dialled(namespace, round_trip), stream)) => {
                Dial { namespace, outcome: Ok(Dialled { stream: Box::new(stream), round_trip }) }
            }
            Ok((Reply::NotDialled(namespace, error), _)) => not(namespace, error),
            Ok((other, _)) => not(None, DialError::PathLost(strange(&other).to_string())),
            Err(error) => not(None, DialError::PathLost(error.to_string())),
        }
    }

    async fn leave(&self) {
        drop(self.link.lock().unwrap_or_else(PoisonError::into_inner).take());
        let Some((docker, id)) = &self.container else { return };
        let gone = async {
            while docker.inspect_container(id, None).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = timeout(FAREWELL, gone).await;
    }

    async fn docker(&self) -> Result<Docker, Unobserved> {
        let link = self.link();
        let connect = move || {
            let link = link.clone();
            async move {
                match connection(link, &Ask::Engine, Duration::ZERO).await? {
                    (Reply::Done, stream) => Ok(Box::new(stream) as Box<dyn ByteStream>),
                    (other, _) => Err(strange(&other)),
                }
            }
            .boxed()
        };
        docker::client("sandbox", Arc::new(connect)).await
    }

    async fn run(&self, command: &Command, patience: Duration) -> Result<Output, Unobserved> {
        let max = 2 * command.max_bytes + 1024;
        match self.ask(&Ask::Run(command.clone(), patience), patience, max).await {
            Ok((Reply::Ran { end, stdout, stdout_cut, stderr_cut }, mut bytes)) if stdout <= bytes.len() => {
                let stderr = bytes.split_off(stdout);
                Ok(Output { end, stdout: bytes, stderr, stdout_cut, stderr_cut })
            }
            answered => Err(not_answered(answered)),
        }
    }

    async fn read_file(&self, path: &str, max_bytes: usize) -> Result<FileText, FileError> {
        match self.about_a_file(Ask::Read(path.to_owned(), max_bytes), max_bytes).await? {
            (Reply::Text(cut), bytes) => Ok(FileText { bytes, cut }),
            (other, _) => Err(FileError::Broken(strange(&other).to_string())),
        }
    }

    async fn list_directory(&self, path: &str, max: usize) -> Result<Vec<String>, FileError> {
        match self.about_a_file(Ask::List(path.to_owned(), max), 0).await? {
            (Reply::Names(names), _) => Ok(names.into_iter().take(max).collect()),
            (other, _) => Err(FileError::Broken(strange(&other).to_string())),
        }
    }

    async fn read_link(&self, path: &str) -> Result<String, FileError> {
        match self.about_a_file(Ask::Link(path.to_owned()), 0).await? {
            (Reply::Says(target), _) => Ok(target),
            (other, _) => Err(FileError::Broken(strange(&other).to_string())),
        }
    }

    async fn stat(&self, path: &str) -> Result<FileStat, FileError> {
        match self.about_a_file(Ask::Stat(path.to_owned()), 0).await? {
            (Reply::Lies(stat), _) => Ok(stat),
            (other, _) => Err(FileError::Broken(strange(&other).to_string())),
        }
    }

    async fn outward(&self) -> Result<IpAddr, Unobserved> {
        match self.ask(&Ask::Outward, Duration::ZERO, 0).await {
            Ok((Reply::Address(address), _)) => Ok(address),
            answered => Err(not_answered(answered)),
        }
    }

    fn own_pid(&self) -> Option<u32> {
        None
    }

    fn is_beside_engine(&self) -> bool {
        true
    }

    fn disks_in_memory(&self) -> &'static [&'static str] {
        &[ENGINE_DATA, HOME]
    }

    fn machine(&self) -> Machine {
        Machine { reached: "sandbox".to_owned(), system: self.system.clone(), ..Machine::default() }
    }
}

/// What remains a connection once it is asked for.
async fn connection(link: Option<Arc<Link>>, ask: &Ask, takes: Duration) -> io::Result<(Reply, Talk)> {
    let work = async {
        let mut stream = link.ok_or_else(late)?.open().await?;
        send(&mut stream, ask, &[]).await?;
        let (reply, _) = receive(&mut stream, 0).await?;
        Ok((reply, stream))
    };
    timeout(takes + GRACE, work).await.unwrap_or_else(|_| Err(late()))
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the sandbox does not answer in time")
}

fn strange(reply: &Reply) -> io::Error {
    io::Error::other(match reply {
        Reply::Unobserved(unobserved) => unobserved.why.en.chars().take(500).collect(),
        _ => "the sandbox says something else than it was asked".to_owned(),
    })
}

fn not_answered(answered: io::Result<(Reply, Vec<u8>)>) -> Unobserved {
    let why = match answered {
        Ok((Reply::Unobserved(unobserved), _)) => return unobserved,
        Ok((other, _)) => strange(&other),
        Err(error) => error,
    };
    Unobserved::new(
        Cause::Path,
        format!("el entorno aislado donde se levantó el repositorio no responde: {why}"),
        format!("the sandbox in which the repository was brought up does not answer: {why}"),
    )
}
