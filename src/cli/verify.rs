//! `labrun verify` on the command line.

use std::path::PathBuf;

use clap::Args;

use crate::cli::MachineArgs;
use crate::plan::parse_duration;
use crate::text::Lang;

/// `labrun verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// The evidence, as `labrun check --evidence` or `labrun submit` wrote it.
    pub evidence: PathBuf,
    /// The code that it must carry.
    #[arg(long, value_name = "CODE")]
    pub challenge: Option<String>,
    /// Whose signatures count: a file as ssh-keygen(1) describes it. The evidence must then be signed.
    #[arg(long, value_name = "FILE")]
    pub allowed_signers: Option<PathBuf>,
    /// The signature; by default the file of the evidence's name with `.sig`, if there is one.
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// Look at so many of its claims again, now; 5 if only `--vm` is given.
    #[arg(long, value_name = "K")]
    pub claims: Option<usize>,
    /// What decides which claims those are; by default drawn by lot, and shown.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The time for looking again.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub timeout: std::time::Duration,
    /// Hold it against this lab file, even if it is not the one the evidence was recorded for.
    #[arg(long = "lab", value_name = "FILE")]
    pub lab_files: Vec<PathBuf>,
    /// The folder with the labs; by default `./labs` if it holds any, else those built in.
    #[arg(long, value_name = "DIR")]
    pub labs: Option<PathBuf>,
    /// The language; by default that of the locale, Spanish if it has none.
    #[arg(long)]
    pub lang: Option<Lang>,
    /// Which machine to look at again.
    #[command(flatten)]
    pub machine: MachineArgs,
}
