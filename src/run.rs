//! One function per command: the only place where the stages meet, and where files and the environment are touched.

mod handed_in;
mod selftest;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{Check, Cli, Command, Judge, Lint, List, ReportArgs};
use crate::course::{self, Course};
use crate::error::{Diagnostic, Error, counted, exit_code, suggestion};
use crate::evidence::{self, Evidence, OptIn, Subject};
use crate::journal::Journal;
use crate::judge::judge;
use crate::library::{COURSE, Library, read_source};
use crate::lint;
use crate::memory::{Memory, OfThisRun};
use crate::observe::{Brief, Limits, observe};
use crate::plan::{Plan, Settings, parameters, personal, plan, refuses_setting};
use crate::points::Points;
use crate::probe::{Consent, Stop, repair};
use crate::reference::written;
use crate::render::{FORMATS, Format, Options, tame};
use crate::source::Source;
use crate::text::{Lang, Text};
use crate::verdict::Report;
use crate::vm::helper::serve;
use crate::vm::local::Local;

/// Evidence larger than this is not read: it is no honest run of a lab. `observe` keeps half as much.
const MAX_EVIDENCE: u64 = 32 << 20;

/// What labrun takes from its environment, read once.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    lang: Lang,
    color_stdout: bool,
    color_stderr: bool,
    width: usize,
    docker_host: Option<String>,
    /// Where earlier runs noted what they saw.
    journal: Option<PathBuf>,
    home: Option<String>,
    /// What commands run on this machine are given.
    for_commands: Vec<(&'static str, String)>,
    /// All of it, for what a self-test runs.
    everything: Vec<(String, String)>,
}

impl Environment {
    /// Reads `LC_ALL`, `LC_MESSAGES`, `LANG`, `NO_COLOR`, `DOCKER_HOST` and what the terminal is like.
    pub fn read() -> Environment {
        #[expect(clippy::disallowed_methods, reason = "this is the edge")]
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(var).unwrap_or_default();
        let color = var("NO_COLOR").is_none() && var("TERM").as_deref() != Some("dumb");
        Environment {
            lang: Lang::of_locale(&locale),
            color_stdout: color && std::io::stdout().is_terminal(),
            color_stderr: color && std::io::stderr().is_terminal(),
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
            for_commands: ["PATH", "HOME", "USER"].into_iter().filter_map(|name| Some((name, var(name)?))).collect(),
        }
    }
}

/// Does what the command line asks for.
pub async fn run(cli: Cli, environment: &Environment) -> Result<ExitCode, Error> {
    match cli.command {
        // These have processes under way, which must not outlive them.
        Command::Check(args) => {
            let stop = Stop::default();
            unless_interrupted(&stop, check(args, environment, &stop)).await
        }
        Command::Selftest(args) => unless_interrupted(&Stop::default(), selftest::selftest(args, environment)).await,
        Command::Judge(args) => judge_again(args, environment),
        Command::List(args) => list(args, environment),
        Command::Lint(args) => lint_files(args),
        Command::Helper => {
            serve().await;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn unless_interrupted(
    stop: &Stop,
    work: impl Future<Output = Result<ExitCode, Error>>,
) -> Result<ExitCode, Error> {
    tokio::select! {
        biased;
        () = interrupted(stop) => Err(Error::Interrupted),
        result = work => result,
    }
}

/// How long a run that is interrupted may take to put things back.
const TO_PUT_BACK: Duration = Duration::from_secs(30);

/// Waits for a signal that asks the process to end, and then until everything on the machine is in its place again; a
/// second signal does not wait.
async fn interrupted(stop: &Stop) {
    let mut signals = Signals::heeded();
    signals.next().await;
    if stop.is_awaited() {
        say("labrun: interrupted; putting everything back first (once more to leave that to the next `labrun check`)");
        stop.ask();
        tokio::select! {
            () = stop.at_rest() => {}
            () = signals.next() => {}
            () = tokio::time::sleep(TO_PUT_BACK) => {}
        }
    }
}

/// The signals that ask the process to end.
struct Signals(Vec<Signal>);

impl Signals {
    fn heeded() -> Signals {
        let mut heeded = vec![SignalKind::interrupt(), SignalKind::terminate()];
        // What `nohup` made it ignore goes on being ignored.
        if !hangup_is_ignored() {
            heeded.push(SignalKind::hangup());
        }
        Signals(heeded.into_iter().filter_map(|kind| signal(kind).ok()).collect())
    }

    async fn next(&mut self) {
        if self.0.is_empty() {
            std::future::pending::<()>().await;
        }
        let waits = self.0.iter_mut().map(|signal| {
            Box::pin(async move {
                if signal.recv().await.is_none() {
                    std::future::pending::<()>().await;
                }
            })
        });
        select_all(waits).await;
    }
}

/// Whether whoever started this process made it ignore that its terminal goes away (`SigIgn` of proc(5)).
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (SignalKind::hangup().as_raw_value() - 1) & 1 == 1
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

async fn check(args: Check, environment: &Environment, stop: &Stop) -> Result<ExitCode, Error> {
    let library = Library::open(args.report.labs.as_deref())?;
    let settings: Settings = args.settings.into_iter().collect();
    let course = course(&library)?;
    let subjects = targets(&args.targets, &library, course.as_ref())?;
    check_settings(&settings, &subjects)?;
    let mut student = handed_in::read(args.answers.as_deref(), environment.home.as_deref())?;
    student.id = args.student.or(student.id);
    if args.personal && student.id.is_none() {
        let help = "say who it is with `--student ID`, or `student:` in labrun.yaml";
        return Err(Error::Usage(format!("--personal makes parameters of a student's id: {help}")));
    }
    let wants_personal = args.personal || course.as_ref().is_some_and(|course| course.personal);
    let personal = wants_personal && student.id.is_some();
    let of_each: Vec<Settings> = subjects
        .iter()
        .map(|(source, _)| {
            let of_library = library.name_of(source).is_some();
            let settled = course.as_ref().filter(|_| of_library).map(|course| course.settings(source));
            let setters = handed_in::Setters { course: settled.unwrap_or_default(), wants_personal, set: &settings };
            handed_in::settings(source, &library, &setters, &mut student)
        })
        .collect();
    let with_settings = subjects.iter().zip(&of_each);
    let plans = plans(with_settings.map(|((source, steps), own)| (source, own, steps.as_slice())), &library)?;
    check_ids(&plans)?;
    check_steps(&plans, &subjects, &library)?;
    handed_in::compare(&mut student, &subjects, &library)?;
    let lang = args.report.lang.unwrap_or(environment.lang);
    for remark in &student.remarks {
        say(&format!("labrun: {}", tame(remark.get(lang), 400)));
    }
    check_folders([&args.evidence, &args.report.output])?;

    let journal = open_journal(environment);
    let bar = progress_bar(environment);
    let vm = environment
        .for_commands
        .iter()
        .fold(Local::new(environment.docker_host.clone()), |vm, (name, value)| vm.with_env(name, value));
    let of_this_run = OfThisRun::default();
    let memory: &dyn Memory = journal.as_ref().map_or(&of_this_run, |journal| journal);
    let lang = args.report.lang.unwrap_or(environment.lang);
    let say_text = |text: &Text| bar.suspend(|| say(&format!("labrun: {}", tame(text.get(lang), 4000))));
    let repaired_in = repair(&vm, &say_text).await.map_err(|process| {
        let what = "has set something of this machine aside, and will put it back: wait until it has ended";
        Error::Usage(format!("another labrun (process {process}) {what}"))
    })?;
    let flags = [(args.disruptive, OptIn::Disruptive), (args.from_zero, OptIn::FromZero)];
    let allowed: Vec<OptIn> = flags.into_iter().filter_map(|(given, what)| given.then_some(what)).collect();
    let consent = Consent { to: &allowed, stop, say: &say_text };
    let limits = Limits { run: args.timeout.saturating_sub(repaired_in), ..Limits::default() };
    let brief = Brief { student, personal, course };
    let mut evidence = observe(&plans, &vm, memory, consent, limits, &brief, &|settled, all| {
        bar.set_length(all as u64);
        bar.set_position(settled as u64);
    })
    .await;
    bar.finish_and_clear();
    evidence.credit = journal.as_ref().filter(|_| !args.fresh).map_or_else(Vec::new, |journal| journal.credit(&plans));

    let report = judge(&plans, &evidence);
    if let Some(Err(error)) = journal.map(|journal| journal.note(&report, &plans)) {
        say(&format!("labrun: what was seen to hold could not be noted for later runs: {error}"));
    }
    // That one of them cannot be written does not take the other away.
    let reported = write_report(&report, &args.report, environment);
    if let Some(path) = &args.evidence {
        let json = serde_json::to_string_pretty(&evidence).expect("evidence is plain data");
        write_file(path, &(json + "\n"))?;
    }
    reported?;
    Ok(exit_code(report.outcome))
}

/// The record of earlier runs. One that cannot be read credits nothing, and is no reason not to look.
fn open_journal(environment: &Environment) -> Option<Journal> {
    let path = environment.journal.as_ref()?;
    match Journal::open(path) {
        Ok(journal) => Some(journal),
        Err(error) => {
            say(&format!("labrun: {} credits nothing: {error}", path.display()));
            None
        }
    }
}

fn judge_again(args: Judge, environment: &Environment) -> Result<ExitCode, Error> {
    let evidence = read_evidence(&args.evidence)?;
    let library = Library::open(args.report.labs.as_deref())?;
    let mut given: BTreeMap<String, Arc<Source>> = BTreeMap::new();
    for file in &args.lab_files {
        let source = read_source(file)?;
        let id = plans([(&source, &Settings::new(), [].as_slice())], &library)?[0].id.clone();
        if evidence.labs.iter().all(|subject| subject.lab != id) {
            let why = format!("it is lab `{id}`, of which the evidence holds nothing");
            return Err(Error::Format { path: file.display().to_string(), why });
        }
        given.insert(id, source);
    }
    let mut planned = Vec::new();
    let mut subjects: Vec<Target> = Vec::new();
    for subject in &evidence.labs {
        let settings = subject.params.iter().map(|(name, value)| (name.clone(), written(value))).collect();
        let source = match given.get(&subject.lab) {
            Some(source) => source,
            None => library.lab(&subject.lab).map_err(|error| not_at_hand(&error, subject))?,
        };
        let mut plan = plans([(source, &settings, subject.steps.as_slice())], &library)?.remove(0);
        if plan.digest == subject.digest {
            // The same lab: where a copy of it lies today is no part of the report.
            plan.source.clone_from(&subject.source);
        } else {
            if !given.contains_key(&subject.lab) {
                let why = format!(
                    "it was recorded for another version of `{}` than {}; to judge it by a version of your choice, \
                     give that with `--lab FILE`",
                    subject.lab, plan.source
                );
                return Err(Error::Format { path: args.evidence.display().to_string(), why });
            }
            let what = "is judged by another version of the lab than it was recorded for";
            say(&format!("labrun: `{}` {what}", subject.lab));
        }
        planned.push(plan);
        subjects.push((source.clone(), subject.steps.clone()));
    }
    check_ids(&planned)?;
    check_steps(&planned, &subjects, &library)?;
    if args.reveal {
        planned.iter_mut().for_each(Plan::reveal);
    }
    let report = judge(&planned, &evidence);
    write_report(&report, &args.report, environment)?;
    Ok(exit_code(report.outcome))
}

fn list(args: List, environment: &Environment) -> Result<ExitCode, Error> {
    let lang = args.lang.unwrap_or(environment.lang);
    let library = Library::open(args.labs.as_deref())?;
    let settings = Settings::new();
    let course = course(&library)?;
    let in_order = course.iter().flat_map(|course| &course.facts.labs).filter_map(|of| library.labs().get(&of.lab));
    let in_order: Vec<&Arc<Source>> = in_order.collect();
    let rest = library.labs().values().filter(|source| !in_order.iter().any(|known| Arc::ptr_eq(known, source)));
    let sources: Vec<&Arc<Source>> = in_order.iter().copied().chain(rest).collect();
    let plans = plans(sources.iter().map(|source| (*source, &settings, [].as_slice())), &library)?;
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

/// The course that the labs of a library belong to, if there is one.
fn course(library: &Library) -> Result<Option<Course>, Error> {
    let read = |source| course::read(source, library.labs()).map_err(Error::Authoring);
    library.course().map(read).transpose()
}

fn lint_files(args: Lint) -> Result<ExitCode, Error> {
    let mut mistakes = Vec::new();
    for file in &args.files {
        mistakes.extend(lint::lint(&read_source(file)?, &library_beside(file)?, name_in_library(file)));
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

/// A lab file and the steps asked for of it; none means all.
type Target = (Arc<Source>, Vec<String>);

/// What is asked for, in the order of first mention.
fn targets(targets: &[String], library: &Library, course: Option<&Course>) -> Result<Vec<Target>, Error> {
    let mut subjects: Vec<(Arc<Source>, Vec<String>, bool)> = Vec::new();
    let all_of = |target: &String| match course.filter(|_| target == COURSE) {
        Some(course) => course.facts.labs.iter().map(|of| of.lab.clone()).collect(),
        None => vec![target.clone()],
    };
    for target in &targets.iter().flat_map(all_of).collect::<Vec<_>>() {
        let is_file = |path: &str| path.ends_with(".yaml") || path.ends_with(".yml");
        let (source, step) = if is_file(target) {
            (read_source(Path::new(target))?, None)
        } else if let Some((file, step)) = target.rsplit_once('/').filter(|(file, _)| is_file(file)) {
            (read_source(Path::new(file))?, Some(step))
        } else {
            let (lab, step) = target.split_once('/').map_or((target.as_str(), None), |(lab, step)| (lab, Some(step)));
            (library.lab(lab)?.clone(), step)
        };
        let known = subjects.iter_mut().find(|(before, ..)| before.name == source.name);
        match (known, step) {
            (Some((_, steps, _)), Some(step)) => steps.push(step.to_owned()),
            (Some((_, _, whole)), None) => *whole = true,
            (None, step) => subjects.push((source, step.map(str::to_owned).into_iter().collect(), step.is_none())),
        }
    }
    let chosen = |(source, steps, whole)| (source, if whole { Vec::new() } else { steps });
    Ok(subjects.into_iter().map(chosen).collect())
}

/// A setting that no lab of the run knows is a typo.
fn check_settings(settings: &Settings, subjects: &[Target]) -> Result<(), Error> {
    let known: Vec<String> = subjects.iter().flat_map(|(source, _)| parameters(source)).collect();
    for (name, value) in settings {
        if !known.contains(name) {
            let help = suggestion(name, known.iter().map(String::as_str));
            let help = help.map(|help| format!("; {help}")).unwrap_or_default();
            return Err(Error::Usage(format!("--set {name}: no lab of this run has such a parameter{help}")));
        }
        if let Some(wanted) = subjects.iter().find_map(|(source, _)| refuses_setting(source, name, value)) {
            return Err(Error::Usage(format!("--set {name}={value}: `{name}` must be {wanted}")));
        }
    }
    Ok(())
}

/// Two labs of one name could not be told apart in a report.
fn check_ids(plans: &[Plan]) -> Result<(), Error> {
    for (n, plan) in plans.iter().enumerate() {
        if let Some(other) = plans[..n].iter().find(|other| other.id == plan.id) {
            let (one, two) = (&other.source, &plan.source);
            return Err(Error::Usage(format!("two labs of this run are called `{}`: {one} and {two}", plan.id)));
        }
    }
    Ok(())
}

/// A step asked for that its lab does not have is a typo.
fn check_steps(plans: &[Plan], subjects: &[Target], library: &Library) -> Result<(), Error> {
    for (planned, (source, selected)) in plans.iter().zip(subjects) {
        let is_there = |step: &&String| {
            let address = format!("{}/{step}", planned.id);
            planned.steps.iter().any(|known| known.address == address)
        };
        if let Some(step) = selected.iter().find(|step| !is_there(step)) {
            let whole = plan(source, library.checks(), &Settings::new(), &[]).map_err(Error::Authoring)?;
            let names = whole.steps.iter().map(|step| &step.address[whole.id.len() + 1..]);
            let help = suggestion(step, names).map(|help| format!("; {help}")).unwrap_or_default();
            return Err(Error::Usage(format!("lab `{}` has no step `{step}`{help}", planned.id)));
        }
    }
    Ok(())
}

/// That a result cannot be written is better known before a run than after it.
fn check_folders(files: [&Option<PathBuf>; 2]) -> Result<(), Error> {
    for path in files.into_iter().flatten() {
        std::fs::read_dir(folder_of(path)).map_err(|error| Error::File { path: path.display().to_string(), error })?;
    }
    Ok(())
}

fn plans<'a>(
    subjects: impl IntoIterator<Item = (&'a Arc<Source>, &'a Settings, &'a [String])>,
    library: &Library,
) -> Result<Vec<Plan>, Error> {
    let mut planned = Vec::new();
    let mut mistakes = Vec::new();
    for (source, settings, steps) in subjects {
        match plan(source, library.checks(), settings, steps) {
            Ok(plan) => planned.push(plan),
            Err(more) => mistakes.extend(more),
        }
        mistakes.extend(library.name_of(source).and_then(|name| lint::misnamed(source, name)));
    }
    if mistakes.is_empty() { Ok(planned) } else { Err(Error::Authoring(mistakes)) }
}

/// What every version of evidence says of itself.
#[derive(serde::Deserialize)]
struct Version {
    format: String,
}

fn read_evidence(path: &Path) -> Result<Evidence, Error> {
    let name = path.display().to_string();
    let failed = |error| Error::File { path: name.clone(), error };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_EVIDENCE {
        return Err(Error::Format { path: name, why: "larger than 32 MiB".to_owned() });
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let refused =
        |error: serde_json::Error| Error::Format { path: name.clone(), why: format!("not evidence: {error}") };
    // A newer format may have other fields, so the version is read by itself.
    let version: Version = serde_json::from_str(&text).map_err(refused)?;
    if version.format != evidence::FORMAT {
        let why = format!("this labrun reads `{}`, not `{}`", evidence::FORMAT, version.format);
        return Err(Error::Format { path: name, why });
    }
    let mut evidence: Evidence = serde_json::from_str(&text).map_err(refused)?;
    if evidence.labs.is_empty() {
        return Err(Error::Format { path: name, why: "evidence of no lab".to_owned() });
    }
    // labrun writes them in order; whoever judges relies on it.
    for observation in &mut evidence.observations {
        observation.samples.sort_by_key(|sample| sample.round);
    }
    Ok(evidence)
}

/// Says of a lab that is not at hand how to judge by it all the same.
fn not_at_hand(error: &Error, subject: &Subject) -> Error {
    let from = tame(&subject.source, 200);
    Error::Usage(format!("{error}. It was recorded from {from}: give its file with `--lab FILE`"))
}

fn write_report(report: &Report, args: &ReportArgs, environment: &Environment) -> Result<(), Error> {
    let format = report_format(args);
    let to_screen = args.output.is_none();
    let options = Options {
        lang: args.lang.unwrap_or(environment.lang),
        color: to_screen && environment.color_stdout,
        width: if to_screen { environment.width } else { 80 },
        verbose: args.verbose,
    };
    let text = (format.render)(report, &options);
    match &args.output {
        None => write_stdout(&text),
        Some(path) => write_file(path, &text),
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

/// Writes a line for people on standard error. If nobody listens there, that is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn progress_bar(environment: &Environment) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = match environment.lang {
        Lang::Es => "{spinner} {pos}/{len} controles  {elapsed}",
        Lang::En => "{spinner} {pos}/{len} checks  {elapsed}",
    };
    bar.set_style(ProgressStyle::with_template(template).expect("a constant template"));
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}
