//! `labrun watch` on the command line.

use clap::Args;

use crate::cli::{MachineArgs, ReportArgs, WorkArgs};

/// `labrun watch`
#[derive(Debug, Args)]
pub struct Watch {
    /// What is looked at, and whose work it is; their file is read again when it changes.
    #[command(flatten)]
    pub work: WorkArgs,
    /// How the last report is written, and where the labs are.
    #[command(flatten)]
    pub report: ReportArgs,
    /// Which machine to look at, and how to reach it.
    #[command(flatten)]
    pub machine: MachineArgs,
}
