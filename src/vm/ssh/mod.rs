//! A machine that is reached over SSH. Reaching it never fails: what cannot be looked at says why and how to mend it.

mod options;

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;

use crate::evidence::{Cause, Machine, Unobserved};
use crate::vm::address::Address;
use crate::vm::connect::Pace;
use crate::vm::{Command, Dial, DialError, FileError, FileStat, FileText, Output, Place, Vm};

pub use options::{Prompt, Say, SshOptions};

/// A machine that is reached over SSH.
pub struct Ssh {
    address: Address,
}

impl Ssh {
    /// The machine at `address`, which nobody connects to before the first question.
    pub fn new(address: Address, _options: SshOptions) -> Ssh {
        Ssh { address }
    }

    fn refused(&self) -> Unobserved {
        let address = &self.address;
        Unobserved::new(
            Cause::Unsupported,
            format!("esta versión de labrun todavía no llega a {address}: corré labrun adentro de esa máquina"),
            format!("this version of labrun does not reach {address} yet: run labrun inside that machine"),
        )
    }

    fn unread<T>(&self) -> Result<T, FileError> {
        Err(FileError::Broken(self.refused().why.en))
    }
}

#[async_trait]
impl Vm for Ssh {
    async fn stand(&self, _: &Place) -> Result<bool, Unobserved> {
        Err(self.refused())
    }

    async fn dial(&self, _: &Place, _: &str, _: u16, _: &Pace) -> Dial {
        Dial { namespace: None, outcome: Err(DialError::PathLost(self.refused().why.en)) }
    }

    async fn leave(&self) {}

    async fn docker(&self) -> Result<Docker, Unobserved> {
        Err(self.refused())
    }

    async fn run(&self, _: &Command, _: Duration) -> Result<Output, Unobserved> {
        Err(self.refused())
    }

    async fn read_file(&self, _: &str, _: usize) -> Result<FileText, FileError> {
        self.unread()
    }

    async fn list_directory(&self, _: &str, _: usize) -> Result<Vec<String>, FileError> {
        self.unread()
    }

    async fn read_link(&self, _: &str) -> Result<String, FileError> {
        self.unread()
    }

    async fn stat(&self, _: &str) -> Result<FileStat, FileError> {
        self.unread()
    }

    async fn outward(&self) -> Result<IpAddr, Unobserved> {
        Err(self.refused())
    }

    fn own_pid(&self) -> Option<u32> {
        None
    }

    fn has_outside(&self) -> bool {
        true
    }

    fn machine(&self) -> Machine {
        Machine { reached: self.address.to_string(), outside: true, system: None, engine: None, identity: None }
    }
}
