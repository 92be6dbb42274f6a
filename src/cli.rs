//! The command line, nothing else.

mod authoring;
mod class;
mod doctor;
mod guide;
mod installed;
mod machine;
mod repository;
mod verify;
mod watch;
mod work;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::library::built_in_digest;
use crate::plan::parse_duration;
use crate::render::FORMATS;
use crate::student::student_id;
use crate::text::Lang;

pub use authoring::{Capture, Handout, New, Schema};
pub use class::{Class, Regrade};
pub use doctor::{Demo, Doctor};
pub use guide::{Hint, Next, Progress, Reading, Show};
pub use installed::{Completions, Manual, Shell, completions, manual};
pub use machine::{MachineArgs, SshArgs};
pub use repository::{Policy, SandboxArgs, Where};
pub use verify::Verify;
pub use watch::Watch;
pub use work::WorkArgs;

/// Runs hands-on infrastructure labs and grades them: facts in, verdict out.
#[derive(Debug, Parser)]
#[command(name = "labrun", version = version(), max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// `0.1.0 (labs sha256:3f2a9c41b7d0)`: with which labs it comes matters as much as which labrun it is.
fn version() -> &'static str {
    static VERSION: LazyLock<String> =
        LazyLock::new(|| format!("{} (labs sha256:{})", env!("CARGO_PKG_VERSION"), built_in_digest()));
    &VERSION
}

const EXIT_CODES: &str = "\
Exit codes: 0 all passed (or deferred), 1 something failed or is blocked, 4 nothing failed but something could \
not be determined, 2 wrong usage, 3 a lab with mistakes, 130 interrupted.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look at a machine, by default this one, and grade labs on it.
    Check(Box<Check>),
    /// Check again and again while somebody works on the machine: whatever changes is seen at once.
    Watch(Box<Watch>),
    /// Check, and record evidence that carries the code a teacher has published; says what to hand in.
    Submit(Box<Check>),
    /// Hold evidence against all it can be held against, and some of its claims against the machine again.
    Verify(Box<Verify>),
    /// Grade again from recorded evidence; needs no machine.
    Judge(Judge),
    /// Show what a lab or one of its steps asks, and what is checked of it.
    Show(Show),
    /// Show the step to work on now, by what was seen so far, and what is wrong with it.
    Next(Next),
    /// Give a hint for a check that fails; each time it is asked for, one stage more.
    Hint(Hint),
    /// Show how far each lab is, by what this machine has seen.
    Progress(Progress),
    /// Say what is missing for labs to run, on this machine or another, and how to get it.
    Doctor(Box<Doctor>),
    /// Show the report of what was recorded on a student's machine; needs nothing.
    Demo(Demo),
    /// Look at many students, and write their reports and marks.
    Class(Box<Class>),
    /// Grade a class again from its evidence, and say what changed; needs no machine.
    Regrade(Regrade),
    /// List the labs, their steps and points.
    List(List),
    /// Find every mistake in lab, check, world and course files.
    Lint(Lint),
    /// Begin a lab: a file that is one, with worlds that prove it.
    New(New),
    /// Propose a lab from a machine on which it is done: what runs there, as checks that its author edits.
    Capture(Box<Capture>),
    /// Print the JSON Schema of a format that people write, for editors.
    Schema(Schema),
    /// Write what students are asked to do in labs, for them to read.
    Handout(Handout),
    /// Play the worlds of labs on disposable machines, and say where a check comes out otherwise than they say.
    Selftest(Selftest),
    /// Write the completions of a shell, with the names of labs and steps.
    Completions(Completions),
    /// Write the pages of the manual into a folder.
    #[command(name = "man")]
    Manual(Manual),
    /// Dial where labrun itself cannot, as it says on standard input. labrun starts this, nobody else.
    #[command(hide = true)]
    Helper(Helper),
}

/// `labrun check`
#[derive(Debug, Args)]
pub struct Check {
    /// What is looked at, and whose work it is.
    #[command(flatten)]
    pub work: WorkArgs,
    /// Also record everything that was observed in this file; `submit` always does, in `submission.json` unless told.
    #[arg(long, visible_alias = "out", value_name = "FILE")]
    pub evidence: Option<PathBuf>,
    /// Sign the evidence with this SSH key, into the file of its name with `.sig` (docs/evidence.md).
    #[arg(long, value_name = "KEYFILE")]
    pub sign: Option<PathBuf>,
    /// A code that the evidence carries, so that it was made after the code was published.
    #[arg(long, value_name = "CODE", value_parser = code)]
    pub challenge: Option<String>,
    /// Judge by what is seen now alone: credit nothing that earlier runs on this machine saw to hold.
    #[arg(long)]
    pub fresh: bool,
    /// Also judge what can only be seen by stopping containers for a moment; they are left as they were.
    #[arg(long)]
    pub disruptive: bool,
    /// Also judge what can only be seen by bringing it up from nothing; it is removed afterwards.
    #[arg(long)]
    pub from_zero: bool,
    /// The time for the whole run; that for `--disruptive` and `--from-zero` comes on top.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub timeout: std::time::Duration,
    /// Bring up the student's repository in this folder from nothing, look at that, and throw it away.
    #[arg(long, value_name = "DIR")]
    pub repo: Option<PathBuf>,
    /// How the report is written, and where the labs are.
    #[command(flatten)]
    pub report: ReportArgs,
    /// Which machine to look at, and how to reach it.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Where a repository is brought up.
    #[command(flatten)]
    pub sandbox: SandboxArgs,
}

/// `labrun helper`
#[derive(Debug, Args)]
pub struct Helper {
    /// Answer for the whole machine that it stands on, whose student has this home.
    #[arg(long, value_name = "HOME")]
    pub machine: Option<String>,
}

/// `labrun judge`
#[derive(Debug, Args)]
pub struct Judge {
    /// The evidence, as `labrun check --evidence` wrote it.
    pub evidence: PathBuf,
    /// What to judge, as for `check`: these labs or steps, with the course's parameters, whatever it was recorded for.
    /// By default what the evidence says.
    #[arg(value_name = "LAB[/STEP]")]
    pub targets: Vec<String>,
    /// Set a parameter of these labs.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting, requires = "targets")]
    pub settings: Vec<(String, String)>,
    /// Judge by this lab file, even if it is not the one the evidence was recorded for.
    #[arg(long = "lab", value_name = "FILE", conflicts_with = "targets")]
    pub lab_files: Vec<PathBuf>,
    /// Show hidden checks too, and judge them.
    #[arg(long)]
    pub reveal: bool,
    /// Judge it even if it was changed after it was written; the report then says so.
    #[arg(long)]
    pub even_if_changed: bool,
    /// How the report is written, and where the labs are.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// How the report is written, and where the labs are.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The report's format; by default that of the output file's ending, else text.
    #[arg(long, value_name = "FORMAT", value_parser = FORMATS.iter().map(|format| format.name).collect::<Vec<_>>())]
    pub format: Option<String>,
    /// Write the report into this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The report's language; by default that of the locale, Spanish if it has none.
    #[arg(long)]
    pub lang: Option<Lang>,
    /// Show all stages of each hint, and what was expected of each check.
    #[arg(short, long)]
    pub verbose: bool,
    /// The folder with the labs, or `built-in`; by default `./labs` if it holds any (never in CI), else those built in.
    #[arg(long, value_name = "DIR")]
    pub labs: Option<PathBuf>,
}

/// `labrun list`
#[derive(Debug, Args)]
pub struct List {
    /// Show the parameters that the labs make of this student's id.
    #[arg(long, value_name = "ID", value_parser = id_of_student)]
    pub student: Option<String>,
    /// The language; by default that of the locale, Spanish if it has none.
    #[arg(long)]
    pub lang: Option<Lang>,
    /// The folder with the labs; by default `./labs` if it holds any, else those built in.
    #[arg(long, value_name = "DIR")]
    pub labs: Option<PathBuf>,
}

/// `labrun lint`
#[derive(Debug, Args)]
pub struct Lint {
    /// Lab, check, world or course files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Also hold the labs against this hand-out: tasks without a claim, claims without ground.
    #[arg(long, value_name = "HANDOUT.md")]
    pub against: Option<PathBuf>,
}

/// `labrun selftest`
#[derive(Debug, Args)]
pub struct Selftest {
    /// Labs, or other world files such as `journey`; by default all that lie beside the labs.
    #[arg(value_name = "LAB")]
    pub targets: Vec<String>,
    /// How machines are made.
    #[command(flatten)]
    pub makers: Makers,
    /// How many machines there are at once.
    #[arg(short, long, value_name = "N", default_value = "2")]
    pub jobs: NonZeroUsize,
    /// Play a world up to N times more whose machine failed, or whose checks came to `unknown` where they should not.
    #[arg(long, value_name = "N", default_value = "0")]
    pub retries: usize,
    /// Play only these worlds.
    #[arg(long, value_name = "WORLD", value_delimiter = ',')]
    pub only: Vec<String>,
    /// The time for a script of a world, and for looking, where the world does not say otherwise.
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = parse_duration)]
    pub timeout: std::time::Duration,
    /// The labrun that looks, a program for Linux; by default this one.
    #[arg(long, value_name = "FILE")]
    pub labrun: Option<PathBuf>,
    /// How the result is written.
    #[arg(long, value_name = "FORMAT", default_value_t, value_enum)]
    pub format: SelftestFormat,
    /// Write the result into this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The language of what authors wrote; by default that of the locale, Spanish if it has none.
    #[arg(long)]
    pub lang: Option<Lang>,
    /// The folder with the labs; by default `./labs`.
    #[arg(long, value_name = "DIR")]
    pub labs: Option<PathBuf>,
}

/// How the machines of a self-test are made. With several ways every world is played on each.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Makers {
    /// From an image (docs/selftest.md says what must be in it).
    #[arg(long = "vm-image", value_name = "IMAGE")]
    pub images: Vec<String>,
    /// By a shell command that prints `ready NAME ID` and holds the container ID until its standard input closes.
    #[arg(long = "vm-command", value_name = "COMMAND")]
    pub commands: Vec<String>,
}

/// How the result of a self-test is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SelftestFormat {
    /// A matrix for people.
    #[default]
    Text,
    /// `labrun/selftest/v1`.
    Json,
}

/// What is wrong with `words` as the arguments of `labrun check`, in a line.
pub fn refuses_check(words: &[&str]) -> Option<String> {
    let refused = Cli::try_parse_from(["labrun", "check"].iter().chain(words)).err()?.to_string();
    Some(refused.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned())
}

fn id_of_student(text: &str) -> Result<String, &'static str> {
    student_id(text).ok_or("an id is one word of at most 100 characters")
}

fn code(text: &str) -> Result<String, &'static str> {
    let code = text.trim();
    let is_one = !code.is_empty() && code.chars().count() <= 200 && !code.chars().any(char::is_control);
    is_one.then(|| code.to_owned()).ok_or("a code is one line of at most 200 characters")
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}
