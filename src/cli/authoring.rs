//! The commands of whoever writes labs, but for those that find mistakes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::{MachineArgs, id_of_student, setting};
use crate::plan::parse_duration;
use crate::schema::AUTHORED;
use crate::text::Lang;

/// `labrun new`
#[derive(Debug, Args)]
pub struct New {
    /// The lab's id, which is what users will type.
    pub id: String,
    /// The folder in which `labs/` is, or is made.
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
}

/// `labrun capture`
#[derive(Debug, Args)]
pub struct Capture {
    /// The lab's id, which is what users will type.
    pub id: String,
    /// Write it into this file, which must not be there yet, instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The time for looking, and for looking again whether what was seen still holds, each.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// The language of what is said on standard error; the lab has both.
    #[arg(long)]
    pub lang: Option<Lang>,
    /// The machine on which the lab is done, and how to reach it.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// `labrun schema`
#[derive(Debug, Args)]
pub struct Schema {
    /// The format that it describes.
    #[arg(value_name = "FORMAT", default_value = "lab", value_parser = AUTHORED.map(|authored| authored.name))]
    pub format: String,
}

/// `labrun handout`
#[derive(Debug, Args)]
pub struct Handout {
    /// Labs, such as `lab1`; `course` for all of them; a path to a lab file works too.
    #[arg(required = true, value_name = "LAB")]
    pub targets: Vec<String>,
    /// Write one HTML page, which needs nothing else, instead of Markdown.
    #[arg(long)]
    pub html: bool,
    /// Write it into this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Set a parameter of the labs.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// Make it for this student: with the parameters that the labs make of their id.
    #[arg(long, value_name = "ID", value_parser = id_of_student)]
    pub student: Option<String>,
    /// The language; by default that of the locale, Spanish if it has none.
    #[arg(long)]
    pub lang: Option<Lang>,
    /// The folder with the labs, or `built-in`; by default `./labs` if it holds any, else those built in.
    #[arg(long, value_name = "DIR")]
    pub labs: Option<PathBuf>,
}
