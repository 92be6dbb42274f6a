//! Connections that begin in another network namespace: whose, and what becomes of them. How one is entered,
//! `namespace` says, where the system has such.

#[cfg_attr(not(target_os = "linux"), path = "inside/nowhere.rs")]
mod namespace;

use std::net::TcpStream;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::vm::DialError;

#[cfg(target_os = "linux")]
pub use namespace::can_enter;
pub use namespace::dial;

/// A running container, by what the engine says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its first process.
    pub pid: u32,
    /// Its id.
    pub container: String,
}

/// Why a namespace could not be entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NotEntered {
    /// The process is no more, or is another's by now.
    #[error("the container is gone")]
    Gone,
    /// That takes a privilege that is not there.
    #[error("entering a network namespace is not permitted here")]
    Denied,
    /// The number is not that of a process of the container on this machine.
    #[error("the container's processes are not of this machine")]
    Elsewhere,
    /// Something else failed.
    #[error("{0}")]
    Broken(String),
}

/// What became of dialling from a namespace.
pub struct Attempt {
    /// The namespace, `net:[4026532491]`.
    pub namespace: Option<String>,
    /// The connection, and how long it took to come about.
    pub outcome: Result<(TcpStream, Duration), DialError>,
}
