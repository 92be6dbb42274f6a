//! The command line of what comes before a lab: what is missing, and a demonstration.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{MachineArgs, Reading};
use crate::text::Lang;

/// `labrun doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// How it is read, and where the labs are.
    #[command(flatten)]
    pub reading: Reading,
    /// Which machine is to be looked at.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// `labrun demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Write the page into this file; by default `demo.html`.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The language; by default that of the locale, Spanish if it has none.
    #[arg(long)]
    pub lang: Option<Lang>,
}
