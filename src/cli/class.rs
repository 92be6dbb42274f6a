//! The command line of what grades many students.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::class::roster::due_time;
use crate::cli::{SandboxArgs, SshArgs, id_of_student, setting};
use crate::plan::parse_duration;
use crate::text::Lang;

/// `labrun class`
#[derive(Debug, Args)]
pub struct Class {
    /// Labs or steps of them, as for `check`; `course` for all of them. They come from the binary, from `--labs`, or
    /// are paths to lab files; `./labs` is not looked into.
    #[arg(required = true, value_name = "LAB[/STEP]")]
    pub targets: Vec<String>,
    /// The students, `roster/v1` in YAML or a CSV file with a header.
    #[arg(long, value_name = "FILE")]
    pub roster: PathBuf,
    /// The folder for evidence, reports and marks. A run that was stopped goes on there.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The folder in which students have handed in `ID.json`, for those whom the roster gives no other place.
    #[arg(long, value_name = "DIR")]
    pub uploads: Option<PathBuf>,
    /// Set a parameter of the labs.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// Heed only evidence that carries this code, published when the work was due (docs/evidence.md).
    #[arg(long, value_name = "CODE")]
    pub challenge: Option<String>,
    /// Credit what an earlier class saw to hold: the folder that `labrun class` wrote it into.
    #[arg(long, value_name = "MARKS")]
    pub credit_from: Vec<PathBuf>,
    /// Make parameters of each student's id, where a lab has such and whatever the course says.
    #[arg(long)]
    pub personal: bool,
    /// Until when all labs, or one, are to be done; what is seen later is flagged. Goes before the roster's.
    #[arg(long, value_name = "[LAB=]TIME", value_parser = due)]
    pub due: Vec<(Option<String>, String)>,
    /// Look at this student once more, and as the roster has them now.
    #[arg(long, value_name = "ID", value_parser = id_of_student)]
    pub again: Vec<String>,
    /// How many students are looked at at once.
    #[arg(short, long, value_name = "N", default_value = "8")]
    pub jobs: NonZeroUsize,
    /// The time for each student.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// The language of reports and tables; by default that of the locale, Spanish if it has none.
    #[arg(long)]
    pub lang: Option<Lang>,
    /// The folder with the labs; by default those built in.
    #[arg(long, value_name = "DIR")]
    pub labs: Option<PathBuf>,
    /// How machines are reached over SSH.
    #[command(flatten)]
    pub ssh: SshArgs,
    /// Where repositories are brought up.
    #[command(flatten)]
    pub sandbox: SandboxArgs,
}

/// `labrun regrade`
#[derive(Debug, Args)]
pub struct Regrade {
    /// The folder that `labrun class` wrote.
    pub marks: PathBuf,
    /// Judge by this lab file instead of the one that the class was graded by.
    #[arg(long = "lab", value_name = "FILE")]
    pub lab_files: Vec<PathBuf>,
    /// The folder for the new reports and marks.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The language of reports and tables; by default that of the first grading.
    #[arg(long)]
    pub lang: Option<Lang>,
}

fn due(text: &str) -> Result<(Option<String>, String), String> {
    match text.split_once('=') {
        Some((lab, time)) => Ok((Some(lab.trim().to_owned()), due_time(time.trim())?)),
        None => Ok((None, due_time(text.trim())?)),
    }
}
