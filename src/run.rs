//! One function per command: the only place where the stages meet, and where files and the environment are touched.

mod bar;
mod capture;
mod check;
mod class;
mod demo;
mod doctor;
mod handed_in;
mod handout;
mod hint;
mod installed;
mod judged;
mod known;
mod machine;
mod new;
mod next;
mod progress;
mod regrade;
mod repository;
mod selftest;
mod show;
mod signals;
mod signed;
mod submit;
mod targets;
mod verify;
mod watch;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::{Cli, Command, Lint, List, ReportArgs, Schema};
use crate::error::{Diagnostic, Error, counted};
use crate::library::{Library, read_source};
use crate::lint;
use crate::plan::{Settings, personal};
use crate::points::Points;
use crate::probe::Stop;
use crate::render::{FORMATS, Format, Options, Taken};
use crate::schema::Authored;
use crate::source::Source;
use crate::terminal::Look;
use crate::text::{Lang, Text};
use crate::verdict::{Report, Score};
use crate::vm::helper::serve;
use crate::vm::local::Local;
use crate::vm::sandbox;

use signals::unless_interrupted;
use targets::{course, plans};

/// What labrun takes from its environment, read once.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    lang: Lang,
    color_stdout: bool,
    color_stderr: bool,
    /// Whether the terminal that is written to knows links.
    links: bool,
    /// Whether the terminal on standard error can go back and write over what it shows.
    redraws: bool,
    /// Whether standard output is a terminal that can be drawn on.
    draws: bool,
    width: usize,
    docker_host: Option<String>,
    /// Where earlier runs noted what they saw.
    journal: Option<PathBuf>,
    home: Option<String>,
    /// Whether this is a step of somebody's pipeline, in a folder that holds somebody's repository.
    in_ci: bool,
    user: Option<String>,
    /// The socket of the user's SSH agent.
    agent: Option<PathBuf>,
    /// What commands run on this machine are given.
    for_commands: Vec<(&'static str, String)>,
    /// All of it, for what a self-test runs.
    everything: Vec<(String, String)>,
}

impl Environment {
    /// Reads `LC_ALL`, `LC_MESSAGES`, `LANG`, `NO_COLOR`, `DOCKER_HOST`, `SSH_AUTH_SOCK`, who the user is and what the
    /// terminal is like.
    pub fn read() -> Environment {
        #[expect(clippy::disallowed_methods, reason = "this is the edge")]
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(var).unwrap_or_default();
        let kind = var("TERM").unwrap_or_default();
        let color = var("NO_COLOR").is_none() && kind != "dumb";
        let to_terminal = std::io::stdout().is_terminal();
        Environment {
            lang: Lang::of_locale(&locale),
            color_stdout: color && to_terminal,
            draws: kind != "dumb" && to_terminal,
            color_stderr: color && std::io::stderr().is_terminal(),
            // The kernel's own console would print what it does not know.
            links: color && to_terminal && kind != "linux",
            redraws: kind != "dumb" && std::io::stderr().is_terminal(),
            width: usize::from(console::Term::stdout().size_checked().map_or(80, |(_, columns)| columns)),
            docker_host: var("DOCKER_HOST"),
            journal: var("XDG_STATE_HOME")
                .map(PathBuf::from)
                .or_else(|| Some(Path::new(&var("HOME")?).join(".local/state")))
                .map(|state| state.join("labrun/journal.jsonl")),
            everything: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            home: var("HOME"),
            in_ci: var("CI").is_some_and(|value| !matches!(value.as_str(), "false" | "0")),
            user: var("USER"),
            agent: var("SSH_AUTH_SOCK").map(PathBuf::from),
            for_commands: ["PATH", "HOME", "USER"].into_iter().filter_map(|name| Some((name, var(name)?))).collect(),
        }
    }
}

impl Environment {
    /// The labs by which work is judged: those of `folder`, else those that are here. In CI only labrun's own, since
    /// a folder of labs there may be the student's.
    fn labs_to_judge_by(&self, folder: Option<&Path>) -> Result<Library, Error> {
        match folder {
            None if self.in_ci => Ok(Library::built_in()),
            folder => Library::open(folder),
        }
    }

    /// The machine labrun runs on.
    fn local(&self) -> Local {
        let local = Local::new(self.docker_host.clone());
        self.for_commands.iter().fold(local, |vm, (name, value)| vm.with_env(name, value))
    }
}

/// Does what the command line asks for.
pub async fn run(cli: Cli, environment: &Environment) -> Result<ExitCode, Error> {
    match cli.command {
        // These have processes under way, which must not outlive them.
        Command::Check(args) => {
            let stop = Stop::default();
            unless_interrupted(&stop, check::check(*args, environment, &stop)).await
        }
        Command::Selftest(args) => unless_interrupted(&Stop::default(), selftest::selftest(args, environment)).await,
        Command::Class(args) => class::class(*args, environment).await,
        Command::Regrade(args) => regrade::regrade(args, environment).await,
        Command::Submit(args) => {
            let stop = Stop::default();
            unless_interrupted(&stop, submit::submit(*args, environment, &stop)).await
        }
        Command::Verify(args) => {
            let stop = Stop::default();
            unless_interrupted(&stop, verify::verify(*args, environment, &stop)).await
        }
        // It ends by a signal, and then still has something to say.
        Command::Watch(args) => watch::watch(*args, environment).await,
        Command::Judge(args) => judged::judge_again(args, environment),
        Command::Show(args) => show::show(args, environment),
        Command::Next(args) => next::next(args, environment),
        Command::Hint(args) => hint::hint(args, environment),
        Command::Progress(args) => progress::progress(args, environment),
        Command::Doctor(args) => unless_interrupted(&Stop::default(), doctor::doctor(*args, environment)).await,
        Command::Capture(args) => unless_interrupted(&Stop::default(), capture::capture(*args, environment)).await,
        Command::Demo(args) => demo::demo(args, environment),
        Command::Completions(args) => installed::write_completions(args),
        Command::Manual(args) => installed::write_manual(args),
        Command::List(args) => list(args, environment),
        Command::Lint(args) => lint_files(args),
        Command::New(args) => new::new(args),
        Command::Handout(args) => handout::handout(args, environment),
        Command::Schema(args) => schema(&args),
        Command::Helper(args) => {
            match args.machine {
                Some(home) => sandbox::serve(&home).await,
                None => serve().await,
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Says on standard error why a command could not do its work.
pub fn report_error(error: &Error, environment: &Environment) -> ExitCode {
    if let Error::Authoring(mistakes) = error {
        say_mistakes(mistakes, environment);
    }
    say(&format!("labrun: {error}"));
    ExitCode::from(error.exit_code())
}

fn say_mistakes(mistakes: &[Diagnostic], environment: &Environment) {
    for mistake in mistakes {
        say(&format!("{}\n", mistake.render(environment.color_stderr)));
    }
}

fn list(args: List, environment: &Environment) -> Result<ExitCode, Error> {
    let lang = args.lang.unwrap_or(environment.lang);
    let library = Library::open(args.labs.as_deref())?;
    let settings = Settings::new();
    let sources = in_order(&library)?;
    let plans = plans(sources.iter().map(|source| (source, &settings, [].as_slice())), &library)?;
    let mut text = String::new();
    for (plan, source) in plans.iter().zip(&sources) {
        let points = |checks: &mut dyn Iterator<Item = Points>| checks.sum::<Points>();
        let all = points(&mut plan.checks().filter(|check| !check.bonus).map(|check| check.points));
        text += &format!("{:<24} {:>5}  {}\n", plan.id, all, plan.title.get(lang));
        for step in &plan.steps {
            let worth = points(&mut step.checks.iter().filter(|check| !check.bonus).map(|check| check.points));
            text += &format!("  {:<22} {worth:>5}  {}\n", step.address, step.title.get(lang));
        }
        for (name, value) in args.student.iter().flat_map(|student| personal(source, student)) {
            text += &format!("  {name}={value}\n");
        }
    }
    write_stdout(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn schema(args: &Schema) -> Result<ExitCode, Error> {
    let authored = Authored::named(&args.format).expect("the command line knows the same names");
    write_stdout(&authored.text())?;
    Ok(ExitCode::SUCCESS)
}

/// The labs of a library, those of its course first.
fn in_order(library: &Library) -> Result<Vec<Arc<Source>>, Error> {
    let course = course(library)?;
    let of_course = course.iter().flat_map(|course| &course.facts.labs).filter_map(|of| library.labs().get(&of.lab));
    let mut sources: Vec<Arc<Source>> = of_course.cloned().collect();
    let rest = library.labs().values().filter(|source| !sources.iter().any(|known| Arc::ptr_eq(known, source)));
    let rest: Vec<Arc<Source>> = rest.cloned().collect();
    sources.extend(rest);
    Ok(sources)
}

fn lint_files(args: Lint) -> Result<ExitCode, Error> {
    let sources: Vec<Arc<Source>> = args.files.iter().map(|file| read_source(file)).collect::<Result<_, _>>()?;
    let mut mistakes = Vec::new();
    for (file, source) in args.files.iter().zip(&sources) {
        mistakes.extend(lint::lint(source, &library_beside(file)?, name_in_library(file)));
    }
    if let Some(handout) = &args.against {
        mistakes.extend(lint::against(&read_source(handout)?, &sources));
    }
    if mistakes.is_empty() {
        write_stdout(&format!("{}: no mistakes\n", counted(args.files.len(), "YAML file")))?;
        return Ok(ExitCode::SUCCESS);
    }
    Err(Error::Authoring(mistakes))
}

/// What the name of a file says that it holds: that of one in a folder `labs` is what users type.
fn name_in_library(file: &Path) -> Option<&str> {
    real_folder(file).ends_with("labs").then_some(file.file_stem()?.to_str()?)
}

/// The folder a file lies in. Of `x.yaml` only the file system knows which that is.
fn real_folder(file: &Path) -> PathBuf {
    let folder = folder_of(file);
    folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf())
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// The labs and checks that a file of the folder `labs`, `labs/worlds` or `checks` belongs to.
fn library_beside(file: &Path) -> Result<Library, Error> {
    let (folder, real) = (folder_of(file), real_folder(file));
    if real.ends_with("labs/worlds") {
        return match folder.parent().filter(|_| folder.file_name().is_some()) {
            Some(labs) if labs == Path::new("") => Library::of_folder(Path::new(".")),
            Some(labs) => Library::of_folder(labs),
            None => Library::of_folder(&folder.join("..")),
        };
    }
    let beside = match folder.file_name() {
        Some(_) => folder.with_file_name("labs"),
        None => folder.join("../labs"),
    };
    let is_of_checks = real.ends_with("checks") && beside.is_dir();
    Library::of_folder(if is_of_checks { &beside } else { folder })
}

/// That a result cannot be written is better known before a run than after it.
fn check_folders(files: [&Option<PathBuf>; 2]) -> Result<(), Error> {
    for path in files.into_iter().flatten() {
        std::fs::read_dir(folder_of(path)).map_err(|error| Error::File { path: path.display().to_string(), error })?;
    }
    Ok(())
}

/// The same of what a report is to be made of.
fn check_format(args: &ReportArgs, environment: &Environment) -> Result<(), Error> {
    given(report_format(args), environment).map(drop)
}

/// How what is written on standard output may look.
fn look(environment: &Environment) -> Look {
    Look { width: environment.width, color: environment.color_stdout, links: environment.links }
}

fn write_report(report: &Report, args: &ReportArgs, environment: &Environment) -> Result<(), Error> {
    let format = report_format(args);
    let to_screen = args.output.is_none();
    let options = Options {
        lang: args.lang.unwrap_or(environment.lang),
        color: to_screen && environment.color_stdout,
        links: to_screen && environment.links,
        width: if to_screen { environment.width } else { 80 },
        verbose: args.verbose,
        given: given(format, environment)?,
    };
    let text = (format.render)(report, &options);
    match &args.output {
        None => write_stdout(&text)?,
        Some(path) => {
            write_file(path, &text)?;
            say_written(path, report, &options, environment);
        }
    }
    for also in format.also {
        let named = environment.everything.iter().find(|(name, path)| name == also.variable && !path.is_empty());
        if let Some((_, path)) = named {
            append(Path::new(path), &(also.write)(report, &options))?;
        }
    }
    Ok(())
}

/// What a format takes from the environment.
fn given(format: &Format, environment: &Environment) -> Result<BTreeMap<&'static str, String>, Error> {
    let value = |name: &str| environment.everything.iter().find(|(known, value)| known == name && !value.is_empty());
    let mut given = BTreeMap::new();
    for Taken { variable, required } in format.takes {
        match value(variable) {
            Some((_, value)) => drop(given.insert(*variable, value.clone())),
            None if *required => {
                let what = "is not in the environment, which whoever asks for this format sets";
                return Err(Error::Usage(format!("--format {}: {variable} {what} (docs/formats.md)", format.name)));
            }
            None => {}
        }
    }
    Ok(given)
}

/// Somebody who sits there sees where the report went, and what it comes to.
fn say_written(path: &Path, report: &Report, options: &Options, environment: &Environment) {
    if environment.redraws {
        let Score { earned, possible, .. } = report.points;
        let points = Text::new(format!("{earned}/{possible} puntos"), format!("{earned}/{possible} points"));
        say(&format!("labrun: {} · {}", path.display(), points.get(options.lang)));
    }
}

fn report_format(args: &ReportArgs) -> &'static Format {
    let by_name = args.format.as_deref().and_then(Format::named);
    let ending = args.output.as_deref().and_then(Path::extension).and_then(|ending| ending.to_str());
    by_name.or_else(|| ending.and_then(Format::of_extension)).unwrap_or(&FORMATS[0])
}

fn write_file(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|error| Error::File { path: path.display().to_string(), error })
}

/// Writes at the end of a file that others write into as well.
fn append(path: &Path, text: &str) -> Result<(), Error> {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Error::File { path: path.display().to_string(), error })
}

/// Reads a text of at most `max` bytes.
fn read_bounded(path: &Path, max: u64) -> Result<String, Error> {
    let failed = |error| Error::File { path: path.display().to_string(), error };
    if std::fs::metadata(path).map_err(failed)?.len() > max {
        let why = format!("larger than {} KiB", max >> 10);
        return Err(Error::Format { path: path.display().to_string(), why });
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// Writes the report. Whoever closes the pipe early has read enough.
fn write_stdout(text: &str) -> Result<(), Error> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::File { path: "standard output".to_owned(), error })
        }
        _ => Ok(()),
    }
}

/// Writes the beginning of a line that a person is to end.
fn say_part(text: &str) {
    let _ = write!(std::io::stderr(), "{text}");
}

/// Writes a line for people on standard error. If nobody listens there, that is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
