//! `labrun class`: goes to every student of a roster, keeps what was seen in a folder, and writes what it comes to.

mod collect;
pub mod earlier;
pub mod folder;
mod labs;
mod live;
mod machine;
mod progress;
pub mod publish;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use crate::class::record::{Asked, Begun, Line};
use crate::class::roster::{self, Around, Origin, Roster};
use crate::class::summary::Class;
use crate::cli;
use crate::error::{Error, counted};
use crate::library::{Library, read_source};
use crate::plan::Settings;
use crate::probe::Stop;
use crate::run::machine::ssh_options;
use crate::run::signals::unless_interrupted;
use crate::run::targets::{check_ids, check_settings, check_steps, course, targets};
use crate::run::{Environment, folder_of, say};
use crate::text::Lang;

use collect::{Collector, newer_uploads};
use earlier::EarlierClass;
use folder::Folder;
use live::Live;

pub use labs::{begun, keep, read_rubric, replaced, rubric};

/// `labrun class`
pub async fn class(args: cli::Class, environment: &Environment) -> Result<ExitCode, Error> {
    // Labs come from where the teacher says, or from the binary: a folder `labs` here may be a student's.
    let library = match &args.labs {
        Some(folder) => Library::of_folder(folder)?,
        None => Library::built_in(),
    };
    let settings: Settings = args.settings.iter().cloned().collect();
    let course = course(&library)?;
    let subjects = targets(&args.targets, &library, course.as_ref())?;
    check_settings(&settings, &subjects)?;
    let personal = args.personal || course.as_ref().is_some_and(|course| course.personal);
    let (begun, files) = labs::begun(&library, &subjects, settings, personal)?;
    let earlier: Vec<EarlierClass> =
        args.credit_from.iter().map(|path| EarlierClass::open(path)).collect::<Result<_, _>>()?;
    let credit_from = args.credit_from.iter().map(|path| path.display().to_string()).collect();
    let begun = Begun { challenge: args.challenge.clone(), credit_from, ..begun };
    let rubric = labs::rubric(&begun, &files)?;
    check_ids(&rubric.plans)?;
    check_steps(&rubric.plans, &subjects, &library)?;

    let roster = read_roster(&args, &begun, &library)?;
    let lang = args.lang.unwrap_or(environment.lang);
    let again: BTreeSet<String> = args.again.iter().cloned().collect();
    let mut folder = Folder::open(&args.out)?;
    check_again(&again, &roster, &folder)?;
    begin(&mut folder, begun, &files, Asked { lang: lang.tag().to_owned(), roster }, &again)?;
    let overrides = publish::read_overrides(&folder, &rubric)?;

    let roster = folder.state.asked.roster.clone();
    for student in newer_uploads(&folder, folder_of(&args.roster), &again) {
        say(&format!("labrun: `{student}` has handed in another file since: `--again {student}` takes it"));
    }
    let stop = Stop::default();
    let all = roster.students.len();
    let open = folder.state.open(&roster, &again);
    let live = Live::new(&folder, &rubric, overrides, &open);
    let work = async {
        let ssh = ssh_options(&args.ssh, environment);
        let beside = folder_of(&args.roster);
        let collector = Collector { args: &args, rubric: &rubric, earlier, ssh, environment, beside };
        collector.collect(&mut folder, &open, &live).await?;
        let class = publish::publish(&folder, &rubric).await?;
        report(&class, &args.out, lang)?;
        Ok(ExitCode::from(if class.students.iter().any(|student| student.trouble.is_some()) { 4 } else { 0 }))
    };
    let outcome = unless_interrupted(&stop, work).await;
    if outcome.is_err() {
        live.write(&folder, true)?;
    }
    match outcome {
        Err(Error::Interrupted) => {
            let done = folder.state.looked.values().filter(|looked| looked.trouble.is_none()).count();
            let what =
                format!("{done} of {} are done; the same command goes on with the others", counted(all, "student"));
            Err(Error::Paused(what))
        }
        other => other,
    }
}

fn read_roster(args: &cli::Class, begun: &Begun, library: &Library) -> Result<Roster, Error> {
    let of_run = begun.labs.iter().map(|lab| lab.lab.clone());
    let known: Vec<String> = of_run.chain(library.labs().keys().cloned()).collect();
    // What the roster names lies beside it; what is said on the command line, here.
    let uploads = args.uploads.as_deref().map(|folder| std::path::absolute(folder).unwrap_or_else(|_| folder.into()));
    let uploads = uploads.as_ref().map(|folder| folder.to_string_lossy());
    let around = Around { labs: &known, uploads: uploads.as_deref(), refuses_address: collect::refuses_address };
    let mut roster = roster::read(&read_source(&args.roster)?, &around).map_err(Error::Authoring)?;
    let has_repositories = roster.students.iter().any(|entry| matches!(entry.origin, Origin::Repository(_)));
    if has_repositories && args.sandbox.sandbox == cli::Where::ThisMachine {
        let what =
            "the repositories of a class are brought up in sandboxes only: on this machine one could touch another";
        return Err(Error::Usage(what.to_owned()));
    }
    let of_course = begun.course.iter().flat_map(|course| &course.due);
    let of_course = of_course.filter(|(lab, _)| begun.labs.iter().any(|known| known.lab == **lab));
    let before = std::mem::take(&mut roster.due);
    roster.due.extend(of_course.map(|(lab, time)| (lab.clone(), time.clone())));
    roster.due.extend(before);
    for (lab, time) in &args.due {
        if let Some(lab) = lab.as_ref().filter(|lab| begun.labs.iter().all(|known| known.lab != **lab)) {
            return Err(Error::Usage(format!("--due {lab}=…: `{lab}` is no lab of this class")));
        }
        let of = begun.labs.iter().map(|known| &known.lab).filter(|known| lab.as_ref().is_none_or(|lab| lab == *known));
        roster.due.extend(of.map(|lab| (lab.clone(), time.clone())));
    }
    Ok(roster)
}

fn check_again(again: &BTreeSet<String>, roster: &Roster, folder: &Folder) -> Result<(), Error> {
    let known = |id: &&String| {
        let all = roster.students.iter().chain(&folder.state.asked.roster.students);
        all.map(|entry| &entry.id).any(|known| known == *id)
    };
    match again.iter().find(|id| !known(id)) {
        None => Ok(()),
        Some(id) => Err(Error::Usage(format!("--again {id}: no such student in the roster"))),
    }
}

/// Begins in an empty folder, or goes on in one that was begun for the very same.
fn begin(
    folder: &mut Folder,
    begun: Begun,
    files: &labs::Files,
    asked: Asked,
    again: &BTreeSet<String>,
) -> Result<(), Error> {
    let place = folder.path.display().to_string();
    match &folder.state.begun {
        None => {
            labs::keep(folder, files)?;
            folder.append(Line::Begun(begun))?;
        }
        Some(before) => {
            let mut differences = begun.differs_from(before);
            differences.extend(asked.roster.differs_from(&folder.state.asked.roster, again));
            if !differences.is_empty() {
                let all = differences.join("\n  ");
                let what = format!("{place} was begun for something else; grade that into another folder:\n  {all}");
                return Err(Error::Usage(what));
            }
        }
    }
    if folder.state.asked != asked {
        folder.append(Line::Asked(asked))?;
    }
    Ok(())
}

/// Says on standard output where everything is, and what to look at first.
fn report(class: &Class, out: &Path, lang: Lang) -> Result<(), Error> {
    crate::run::write_stdout(&publish::closing(class, out, lang))
}
