//! The machine labrun runs on, where that is no Linux: no student's machine, so every question is answered by saying so.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;

use crate::evidence::{Cause, Machine, Unobserved};
use crate::vm::connect::Pace;
use crate::vm::unreached::Unreached;
use crate::vm::{Command, Dial, FileError, FileStat, FileText, Output, Place, Vm};

/// The machine labrun runs on.
pub struct Local(Unreached);

impl Local {
    /// This machine, whatever its Docker engine is.
    pub fn new(_docker_host: Option<String>) -> Local {
        let why = Unobserved::new(
            Cause::Unsupported,
            "esta computadora no es un Linux, y labrun mira por dentro sólo máquinas con Linux: decí dónde está la VM \
             con `--vm ssh://usuario@máquina:puerto`, o corré labrun adentro de ella",
            "this computer is no Linux, and labrun looks into machines with Linux only: say where the VM is with \
             `--vm ssh://user@host:port`, or run labrun inside it",
        );
        Local(Unreached { reached: "local".to_owned(), why })
    }

    /// There are no commands to give variables to.
    pub fn with_env(self, _name: &str, _value: impl Into<String>) -> Local {
        self
    }
}

#[async_trait]
impl Vm for Local {
    async fn stand(&self, place: &Place) -> Result<bool, Unobserved> {
        self.0.stand(place).await
    }

    async fn dial(&self, from: &Place, host: &str, port: u16, pace: &Pace) -> Dial {
        self.0.dial(from, host, port, pace).await
    }

    async fn leave(&self) {}

    async fn docker(&self) -> Result<Docker, Unobserved> {
        self.0.docker().await
    }

    async fn run(&self, command: &Command, patience: Duration) -> Result<Output, Unobserved> {
        self.0.run(command, patience).await
    }

    async fn read_file(&self, path: &str, max_bytes: usize) -> Result<FileText, FileError> {
        self.0.read_file(path, max_bytes).await
    }

    async fn list_directory(&self, path: &str, max: usize) -> Result<Vec<String>, FileError> {
        self.0.list_directory(path, max).await
    }

    async fn read_link(&self, path: &str) -> Result<String, FileError> {
        self.0.read_link(path).await
    }

    async fn stat(&self, path: &str) -> Result<FileStat, FileError> {
        self.0.stat(path).await
    }

    async fn outward(&self) -> Result<IpAddr, Unobserved> {
        self.0.outward().await
    }

    fn own_pid(&self) -> Option<u32> {
        None
    }

    fn machine(&self) -> Machine {
        self.0.machine()
    }
}
