//! A machine that could not be had: every question is answered by saying why.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;

use crate::evidence::{Machine, Unobserved};
use crate::vm::connect::Pace;
use crate::vm::{Command, Dial, DialError, FileError, FileStat, FileText, Output, Place, Vm};

/// The machine that there is not.
pub struct Unreached {
    /// How it was to be reached.
    pub reached: String,
    /// Why there is none.
    pub why: Unobserved,
}

impl Unreached {
    fn file<T>(&self) -> Result<T, FileError> {
        Err(FileError::Broken(self.why.why.en.clone()))
    }
}

#[async_trait]
impl Vm for Unreached {
    async fn stand(&self, _: &Place) -> Result<bool, Unobserved> {
        Err(self.why.clone())
    }

    async fn dial(&self, _: &Place, _: &str, _: u16, _: &Pace) -> Dial {
        Dial { namespace: None, outcome: Err(DialError::Unobserved(self.why.clone())) }
    }

    async fn leave(&self) {}

    async fn docker(&self) -> Result<Docker, Unobserved> {
        Err(self.why.clone())
    }

    async fn run(&self, _: &Command, _: Duration) -> Result<Output, Unobserved> {
        Err(self.why.clone())
    }

    async fn read_file(&self, _: &str, _: usize) -> Result<FileText, FileError> {
        self.file()
    }

    async fn list_directory(&self, _: &str, _: usize) -> Result<Vec<String>, FileError> {
        self.file()
    }

    async fn read_link(&self, _: &str) -> Result<String, FileError> {
        self.file()
    }

    async fn stat(&self, _: &str) -> Result<FileStat, FileError> {
        self.file()
    }

    async fn outward(&self) -> Result<IpAddr, Unobserved> {
        Err(self.why.clone())
    }

    async fn home(&self) -> Result<Option<String>, Unobserved> {
        Err(self.why.clone())
    }

    fn own_pid(&self) -> Option<u32> {
        None
    }

    fn machine(&self) -> Machine {
        Machine { reached: self.reached.clone(), ..Machine::default() }
    }
}
