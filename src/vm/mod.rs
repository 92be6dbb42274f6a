//! Ways to reach a machine. A vm is a way to dial, a way to its Docker engine, a way to run a command and a way to
//! read a file; no probe knows which of them it stands on.

pub mod address;
mod addresses;
pub mod connect;
mod docker;
pub mod helper;
mod inside;
#[cfg_attr(not(target_os = "linux"), path = "elsewhere.rs")]
pub mod local;
#[cfg(target_os = "linux")]
mod names;
pub mod process;
pub mod sandbox;
pub mod ssh;
pub mod unreached;

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bollard::Docker;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::evidence::{Machine, Unobserved};
use crate::vm::connect::Pace;

pub use docker::reckoned;

/// A connection to a service on, or seen from, the machine.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A stream that ends in an error once more than a fixed number of bytes came out of it, whatever reads it: a
/// parser behind it can neither be fed for ever nor be made to keep more than that.
pub struct Bounded<S> {
    inner: S,
    max: u64,
    meter: Arc<Meter>,
    surcharge: fn(&[u8]) -> u64,
}

/// What came out of a [`Bounded`] stream.
#[derive(Debug, Default)]
pub struct Meter {
    read: AtomicU64,
    charged: AtomicU64,
    first: Mutex<Vec<u8>>,
}

impl Meter {
    const FIRST: usize = 16;

    /// How many bytes came out so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Begins to count anew: what was read before was another answer.
    pub fn renew(&self) {
        self.read.store(0, Ordering::Relaxed);
        self.charged.store(0, Ordering::Relaxed);
        self.first.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The first few of them.
    pub fn first(&self) -> Vec<u8> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, bytes: &[u8]) {
        let before = self.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if let Some(room @ 1..) = Meter::FIRST.checked_sub(usize::try_from(before).unwrap_or(usize::MAX)) {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            first.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }
}

impl<S> Bounded<S> {
    /// `inner`, as far as `max` bytes.
    pub fn new(inner: S, max: u64) -> Bounded<S> {
        Bounded { inner, max, meter: Arc::default(), surcharge: |_| 0 }
    }

    /// Counts `surcharge` of what is read on top of its bytes: for a parser that makes much of little.
    pub fn with_surcharge(self, surcharge: fn(&[u8]) -> u64) -> Bounded<S> {
        Bounded { surcharge, ..self }
    }

    /// What tells how much came out; outlives the stream.
    pub fn meter(&self) -> Arc<Meter> {
        self.meter.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.meter.read() + self.meter.charged.load(Ordering::Relaxed) > self.max {
            return Poll::Ready(Err(io::Error::other("more data than labrun reads")));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let bytes = &buf.filled()[before..];
        self.meter.count(bytes);
        self.meter.charged.fetch_add((self.surcharge)(bytes), Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Where a connection begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// The machine itself.
    Machine,
    /// Somewhere else, from where the machine is seen.
    Outside,
    /// The network namespace of a running container.
    Inside {
        /// The engine's id of it.
        container: String,
        /// Its first process, by the number the machine gives it.
        pid: u32,
    },
    /// An endpoint of labrun's own on a docker network.
    On {
        /// The engine's id of it.
        network: String,
    },
}

/// A student's machine.
#[async_trait]
pub trait Vm: Send + Sync {
    /// Connects to the machine, as far as that takes something. Whether it worked, the first question tells.
    async fn arrive(&self) {}

    /// Whether the way to the machine held since `start`: a look during which it broke has seen nothing.
    async fn unbroken_since(&self, _start: Instant) -> Result<(), Unobserved> {
        Ok(())
    }

    /// Makes ready to dial from `place`; `false` when there is no such place any more.
    async fn stand(&self, place: &Place) -> Result<bool, Unobserved>;

    /// Opens a TCP connection from `from`, where labrun [stands](Vm::stand), to port `port` of `host`, an IP address
    /// or a name as it is known there. Tries at `pace`, and takes a few seconds more for the name at most.
    async fn dial(&self, from: &Place, host: &str, port: u16, pace: &Pace) -> Dial;

    /// Gives up the places that are in somebody's way, between two looks of a run that goes on.
    async fn step_back(&self) {}

    /// Gives up every place, when the run is over.
    async fn leave(&self);

    /// A client of the machine's Docker engine, its API version negotiated.
    async fn docker(&self) -> Result<Docker, Unobserved>;

    /// Runs `command` on the machine to its end or for at most `patience`; kills what is left of it then.
    async fn run(&self, command: &Command, patience: Duration) -> Result<Output, Unobserved>;

    /// The first `max_bytes` bytes of the regular file at `path`, which is absolute; symbolic links are followed.
    async fn read_file(&self, path: &str, max_bytes: usize) -> Result<FileText, FileError>;

    /// The names in the directory at `path`, at most `max` of them, in no particular order.
    async fn list_directory(&self, path: &str, max: usize) -> Result<Vec<String>, FileError>;

    /// What a symbolic link says, unresolved.
    async fn read_link(&self, path: &str) -> Result<String, FileError>;

    /// What lies at `path`, which is absolute: of the path itself, be it a symbolic link, and where that leads.
    async fn stat(&self, path: &str) -> Result<FileStat, FileError>;

    /// The address by which the machine is known beyond its own loopback.
    async fn outward(&self) -> Result<IpAddr, Unobserved>;

    /// The home that labrun's user has on the machine, where that is another machine than labrun's own.
    async fn home(&self) -> Result<Option<String>, Unobserved> {
        Ok(None)
    }

    /// The process that stands for this run on the machine, and lives as long: labrun's own, or one that it keeps there.
    fn own_pid(&self) -> Option<u32>;

    /// The address at which the machine is seen from outside, where there is an outside to look from: the vantage
    /// `grader`.
    fn outside(&self) -> Option<String> {
        None
    }

    /// Whether the vantage `grader` is a place outside the machine.
    fn has_outside(&self) -> bool {
        self.outside().is_some()
    }

    /// Whether the vantage `vm` is in the engine's own network, also where that is not the machine's.
    fn is_beside_engine(&self) -> bool {
        false
    }

    /// Where file systems in memory are mounted that stand for the machine's disks.
    fn disks_in_memory(&self) -> &'static [&'static str] {
        &[]
    }

    /// What can be told of the machine without asking its engine.
    fn machine(&self) -> Machine;
}

/// What became of dialling.
pub struct Dial {
    /// The network namespace it was dialled from, `net:[4026532491]`, where that is another than labrun's own.
    pub namespace: Option<String>,
    /// The connection, or why there is none.
    pub outcome: Result<Dialled, DialError>,
}

/// A connection that came about.
pub struct Dialled {
    /// The connection.
    pub stream: Box<dyn ByteStream>,
    /// The time from the attempt that succeeded to its success.
    pub round_trip: Duration,
}

/// Why a connection did not come about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum DialError {
    /// Somebody answered that nobody listens there.
    #[error("connection refused")]
    Refused,
    /// Nobody answered in time.
    #[error("no answer in time")]
    TimedOut,
    /// There is no route to that address, or a router said so.
    #[error("unreachable")]
    Unreachable,
    /// The machine's own rules forbid the dial.
    #[error("not permitted")]
    Denied,
    /// The name has no address.
    #[error("name not found")]
    NameNotFound,
    /// The place to dial from is no more: its container ended, its network was removed.
    #[error("the place to dial from is gone")]
    Gone,
    /// The way to the place the probe stands is broken; says nothing about the target.
    #[error("the path to the machine is lost: {0}")]
    PathLost(String),
    /// The way to the place the probe stands is broken, and how to mend it is known.
    #[error("{}", .0.why.en)]
    Unobserved(Unobserved),
    /// labrun's own limit, such as its number of open files.
    #[error("labrun's own limit: {0}")]
    Limit(String),
}

/// What a file of the machine says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileText {
    /// Its beginning.
    pub bytes: Vec<u8>,
    /// Whether there is more.
    pub cut: bool,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    /// Type and permissions, as the kernel's `st_mode`.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its size in bytes.
    pub size: u64,
    /// What it says, if it is a symbolic link.
    pub target: Option<String>,
    /// Where the path leads in the end; none when there is nothing.
    pub resolved: Option<Resolved>,
}

/// Where a path leads in the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The path without any symbolic link in it.
    pub path: String,
    /// The device and the number there by which a file is itself, whatever it is called.
    pub identity: (u64, u64),
}

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum FileError {
    /// It is not there, or ceased to be while it was read, as files of a process do with it.
    #[error("not found")]
    NotFound,
    /// labrun's user may not read it.
    #[error("permission denied")]
    Denied,
    /// It is there, and is not what was asked for: a directory, a pipe, a device.
    #[error("not a file of that kind")]
    WrongKind,
    /// The machine, or the way to it, failed.
    #[error("{0}")]
    Broken(String),
}

/// A program to run on the machine, never through a shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Environment variables on top of a small fixed environment (PATH, HOME, USER, LANG=C.UTF-8, PAGER=cat).
    pub env: Vec<(String, String)>,
    /// How many bytes of each of standard output and standard error are kept.
    pub max_bytes: usize,
}

/// What became of a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub end: End,
    /// Standard output, cut at the command's limit.
    pub stdout: Vec<u8>,
    /// Standard error, cut at the command's limit.
    pub stderr: Vec<u8>,
    /// Whether standard output was cut.
    pub stdout_cut: bool,
    /// Whether standard error was cut.
    pub stderr_cut: bool,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal, not labrun's.
    Killed(i32),
    /// By labrun, at the end of its patience.
    TimedOut,
    /// There is no such program.
    NotFound,
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_bounded_stream_ends_past_its_bound_and_remembers_how_it_began() {
        let mut stream = Bounded::new(tokio::io::repeat(b'x'), 1000);
        let meter = stream.meter();
        let mut buf = [0; 10];
        stream.read_exact(&mut buf).await.unwrap();
        assert_eq!((meter.read(), meter.first().len()), (10, 10));
        assert!(stream.read_to_end(&mut Vec::new()).await.is_err());
        assert_eq!(meter.first(), [b'x'; 16]);
        drop(stream);
        assert!(meter.read() > 1000);
    }

    #[tokio::test]
    async fn what_a_parser_makes_much_of_counts_for_more() {
        let mut stream = Bounded::new(tokio::io::repeat(b'x'), 1000).with_surcharge(|bytes| 99 * bytes.len() as u64);
        let mut all = Vec::new();
        while stream.read_exact(&mut [0]).await.is_ok() {
            all.push(());
        }
        assert_eq!(all.len(), 11);
    }
}
