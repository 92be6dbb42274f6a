//! `labrun selftest`: finds the worlds, puts together what goes into the machines, and writes what came out.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::{Selftest, SelftestFormat, refuses_check};
use crate::error::{Error, suggestion};
use crate::library::{COURSE, Library, read_source};
use crate::run::{Environment, check_folders, folder_of, real_folder, say, write_file, write_stdout};
use crate::selftest::machine::{Kit, Maker};
use crate::selftest::result::Play;
use crate::selftest::{Limits, Subject, acquaint, matrix};
use crate::worlds;

/// The folder beside labs that holds their worlds.
const WORLDS: &str = "worlds";

pub async fn selftest(args: Selftest, environment: &Environment) -> Result<ExitCode, Error> {
    check_folders([&args.output, &None])?;
    let folder = labs_folder(&args)?;
    let library = Library::of_folder(&folder)?;
    let subjects = subjects(&args, &folder, &library)?;
    check_worlds(&args.only, &subjects)?;
    let kit = kit(&args, &folder, &library, environment)?;
    let images = args.makers.images.iter().map(|image| Maker::image(image));
    let makers: Vec<Maker> = images.chain(args.makers.commands.iter().map(|line| Maker::command(line))).collect();

    let sorts = acquaint(&makers, &kit).await.map_err(Error::NoMachine)?;
    let limits = Limits { jobs: args.jobs.get(), patience: args.timeout, retries: args.retries, only: args.only };
    let bar = bar();
    let n_played = Cell::new(0);
    let progress = |file: &str, play: &Play, all: usize| {
        n_played.set(n_played.get() + 1);
        bar.set_length(all as u64);
        bar.inc(1);
        let line = line(file, play, n_played.get(), all);
        match bar.is_hidden() {
            true => say(&line),
            false if !play.is_sound() || play.is_flaky() => bar.println(line),
            false => bar.set_message(format!("{file} {}", play.world)),
        }
    };
    let result = crate::selftest::selftest(&subjects, (&makers, sorts), &kit, &limits, &progress).await;
    bar.finish_and_clear();

    let text = match args.format {
        SelftestFormat::Text => matrix::render(&result, args.lang.unwrap_or(environment.lang)),
        SelftestFormat::Json => serde_json::to_string_pretty(&result).expect("a result is plain data") + "\n",
    };
    match &args.output {
        None => write_stdout(&text)?,
        Some(path) => write_file(path, &text)?,
    }
    Ok(if result.sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The one folder that all labs of the run lie in.
fn labs_folder(args: &Selftest) -> Result<PathBuf, Error> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for target in &args.targets {
        folders.push(match as_path(target) {
            Some(path) if is_worlds(path) => match folder_of(path).parent() {
                Some(labs) if labs != Path::new("") => labs.to_path_buf(),
                Some(_) => PathBuf::from("."),
                None => folder_of(path).join(".."),
            },
            Some(path) => folder_of(path).to_path_buf(),
            None => args.labs.clone().unwrap_or_else(|| PathBuf::from("labs")),
        });
    }
    let folder = folders.first().or(args.labs.as_ref()).cloned().unwrap_or_else(|| PathBuf::from("labs"));
    let real = |folder: &Path| folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    if folders.iter().any(|other| real(other) != real(&folder)) {
        return Err(Error::Usage("the labs of one self-test lie in one folder".to_owned()));
    }
    if !folder.join(WORLDS).is_dir() {
        return Err(Error::Usage(format!(
            "there is no folder `{}`: worlds lie beside the labs, and those built in have none; say where the labs \
             are with `--labs DIR`",
            folder.join(WORLDS).display()
        )));
    }
    Ok(folder)
}

fn as_path(target: &str) -> Option<&Path> {
    (target.ends_with(".yaml") || target.ends_with(".yml")).then(|| Path::new(target))
}

fn is_worlds(path: &Path) -> bool {
    real_folder(path).ends_with(WORLDS)
}

/// The world files asked for, with the labs they are about.
fn subjects(args: &Selftest, folder: &Path, library: &Library) -> Result<Vec<Subject>, Error> {
    let known = names(&folder.join(WORLDS))?;
    let mut asked: Vec<String> = Vec::new();
    for target in &args.targets {
        let name = match as_path(target) {
            Some(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            None => target.clone(),
        };
        if !known.contains(&name) {
            let help = suggestion(&name, known.iter().map(String::as_str));
            let help = help.map(|help| format!("; {help}")).unwrap_or_default();
            let place = folder.join(WORLDS).display().to_string();
            return Err(Error::Usage(format!("there are no worlds `{name}` in {place}{help}")));
        }
        if !asked.contains(&name) {
            asked.push(name);
        }
    }
    let names = if asked.is_empty() { known } else { asked };
    let mut subjects = Vec::new();
    let mut mistakes = Vec::new();
    for name in names {
        let source = read_source(&folder.join(WORLDS).join(format!("{name}.yaml")))?;
        match worlds::load(&source, library.labs(), library.checks()) {
            Ok((plans, worlds)) => subjects.push(Subject { name, plans, worlds }),
            Err(more) => mistakes.extend(more),
        }
    }
    if !mistakes.is_empty() {
        return Err(Error::Authoring(mistakes));
    }
    subjects.iter().try_for_each(check_options)?;
    Ok(subjects)
}

/// Options of `labrun check` that it does not have would be found only after minutes of playing.
fn check_options(subject: &Subject) -> Result<(), Error> {
    for world in &subject.worlds.worlds {
        for act in &world.acts {
            let words: Vec<&str> = subject.worlds.labs.iter().chain(&act.options).map(String::as_str).collect();
            if let Some(why) = refuses_check(&words) {
                let what = format!("world `{}` of `{}` cannot be looked at: {why}", world.id, subject.name);
                return Err(Error::Usage(what));
            }
        }
    }
    Ok(())
}

/// The YAML files of a folder, by name.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let failed = |error| Error::File { path: folder.display().to_string(), error };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        names.extend(name.filter(|_| path.extension().is_some_and(|ext| ext == "yaml")).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// A world asked for that no file has is a typo.
fn check_worlds(only: &[String], subjects: &[Subject]) -> Result<(), Error> {
    let known = || subjects.iter().flat_map(|subject| &subject.worlds.worlds).map(|world| world.id.as_str());
    match only.iter().find(|id| known().all(|known| known != id.as_str())) {
        None => Ok(()),
        Some(id) => {
            let help = suggestion(id, known().collect::<Vec<_>>());
            let help = help.map(|help| format!("; {help}")).unwrap_or_default();
            Err(Error::Usage(format!("--only {id}: no such world{help}")))
        }
    }
}

/// Lays out what is put into the machines.
fn kit(args: &Selftest, folder: &Path, library: &Library, environment: &Environment) -> Result<Kit, Error> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error| Error::File { path, error }
    };
    let here = std::env::current_exe().map_err(failed(Path::new("this program")))?;
    let labrun = args.labrun.clone().unwrap_or_else(|| here.clone());
    std::fs::metadata(&labrun).map_err(failed(&labrun))?;
    let share =
        tempfile::Builder::new().prefix("labrun-").tempdir().map_err(failed(&PathBuf::from("a temporary folder")))?;
    let (labs, checks) = (share.path().join("labs"), share.path().join("checks"));
    for folder in [&labs, &checks] {
        std::fs::create_dir(folder).map_err(failed(folder))?;
    }
    // All that lies beside the labs, whatever it is: it is theirs.
    for name in names(folder)? {
        let file = format!("{name}.yaml");
        write_file(&labs.join(&file), &read_source(&folder.join(&file))?.text)?;
    }
    for (name, source) in library.checks() {
        write_file(&checks.join(format!("{name}.yaml")), &source.text)?;
    }
    if let Some(course) = library.course() {
        write_file(&share.path().join("labs").join(format!("{COURSE}.yaml")), &course.text)?;
    }
    Ok(Kit { labrun, here, share, env: environment.everything.clone() })
}

/// What is said of a play as it ends.
fn line(file: &str, play: &Play, n: usize, all: usize) -> String {
    let word = match (play.skipped.is_some(), play.is_sound()) {
        (true, _) => "skipped",
        (_, true) if play.is_flaky() => "as expected when played again",
        (_, true) => "as expected",
        (_, false) => "NOT AS EXPECTED",
    };
    let took = play.took_ms as f64 / 1000.0;
    format!("{n:>3}/{all} {file} {} (Docker {}): {word}, {took:.1} s", play.world, play.machine)
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(
        ProgressStyle::with_template("{spinner} {pos}/{len} worlds  {elapsed}  {msg}").expect("a constant template"),
    );
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}
