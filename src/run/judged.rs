//! Evidence from a file, judged again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::class::grade::{HandedIn, handed_in};
use crate::cli::Judge;
use crate::error::{Error, exit_code};
use crate::evidence::chain::{Broken, verify};
use crate::evidence::{self, CreditSource, Evidence, Subject};
use crate::judge::judge;
use crate::library::{Library, read_source};
use crate::plan::{Plan, Settings};
use crate::reference::written;
use crate::render::tame;
use crate::run::class::{begun, rubric};
use crate::run::targets::{Target, check_ids, check_settings, check_steps, course, plans, targets};
use crate::run::{Environment, say, write_report};
use crate::source::Source;
use crate::text::Text;
use crate::vm::reckoned;

/// Evidence larger than this is not read: it is no honest run of a lab. `observe` keeps half as much.
pub const MAX_EVIDENCE: u64 = 32 << 20;

/// How much work judging evidence may be: the looks at whatever was looked at most often, times the bytes of the largest
/// of each. A run of a lab comes to a few MB; what is above would keep a grader busy for minutes.
const MAX_WORK: u64 = 256 << 20;

/// How much parsing evidence may take, in bytes, as it is reckoned of an engine's answers.
const MAX_PARSED: u64 = 512 << 20;

/// `labrun judge`
pub fn judge_again(args: Judge, environment: &Environment) -> Result<ExitCode, Error> {
    let evidence = match args.even_if_changed {
        true => read_as_changed(&args.evidence)?,
        false => read_evidence(&args.evidence)?,
    };
    let library = environment.labs_to_judge_by(args.report.labs.as_deref())?;
    let (mut plans, evidence) = match args.targets.is_empty() {
        true => as_recorded(&args, evidence, &library, environment)?,
        false => as_asked(&args, evidence, &library)?,
    };
    if args.reveal {
        plans.iter_mut().for_each(Plan::reveal);
    }
    let report = judge(&plans, &evidence);
    write_report(&report, &args.report, environment)?;
    Ok(exit_code(report.outcome))
}

/// The labs, steps and parameters that `evidence` was recorded for, or the lab files given for them.
fn as_recorded(
    args: &Judge,
    evidence: Evidence,
    library: &Library,
    environment: &Environment,
) -> Result<(Vec<Plan>, Evidence), Error> {
    let evidence = in_the_course_of(library, evidence)?;
    let given = given_labs(&args.lab_files, library)?;
    for (file, (id, _)) in args.lab_files.iter().zip(&given) {
        if evidence.labs.iter().all(|subject| subject.lab != *id) {
            let why = format!("it is lab `{id}`, of which the evidence holds nothing");
            return Err(Error::Format { path: file.display().to_string(), why });
        }
    }
    let planned = plans_for(&evidence, &args.evidence, library, &given)?;
    if evidence.chain.is_none() {
        // What an older labrun wrote is judged as ever.
        let said = Broken::Absent.said();
        say(&format!(
            "labrun: {}: {}",
            args.evidence.display(),
            said.get(args.report.lang.unwrap_or(environment.lang))
        ));
    }
    for (plan, subject) in planned.iter().zip(&evidence.labs) {
        if plan.digest != subject.digest {
            let what = "is judged by another version of the lab than it was recorded for";
            say(&format!("labrun: `{}` {what}", subject.lab));
        }
    }
    Ok((planned, evidence))
}

/// The labs, steps and parameters that whoever judges asks for, whatever `evidence` was recorded for: a student may have
/// left out what does not hold, or chosen what is easier.
fn as_asked(args: &Judge, evidence: Evidence, library: &Library) -> Result<(Vec<Plan>, Evidence), Error> {
    let settings: Settings = args.settings.iter().cloned().collect();
    let course = course(library)?;
    let subjects = targets(&args.targets, library, course.as_ref())?;
    check_settings(&settings, &subjects)?;
    let student = evidence.student.clone().unwrap_or_default();
    let personal = !student.is_empty() && course.is_some_and(|course| course.personal);
    let (begun, files) = begun(library, &subjects, settings, personal)?;
    let rubric = rubric(&begun, &files)?;
    check_ids(&rubric.plans)?;
    check_steps(&rubric.plans, &subjects, library)?;
    let sealed = evidence.chain.is_some();
    let HandedIn { plans, mut evidence, doubts } = handed_in(&rubric, &student, evidence, sealed);
    evidence.remarks.extend(doubts.into_iter().map(|flag| flag.why));
    Ok((plans, evidence))
}

/// `evidence` in which its writer's record counts only if the course of `library` says so, too.
pub fn in_the_course_of(library: &Library, evidence: Evidence) -> Result<Evidence, Error> {
    let counts = course(library)?.is_some_and(|course| course.self_reported_counts);
    Ok(Evidence { self_reported_counts: evidence.self_reported_counts && counts, ..evidence })
}

/// Lab files to judge by whatever the evidence was recorded for, each by the id of its lab.
pub fn given_labs(files: &[PathBuf], library: &Library) -> Result<Vec<(String, Arc<Source>)>, Error> {
    let given = files.iter().map(|file| {
        let source = read_source(file)?;
        let id = plans([(&source, &Settings::new(), [].as_slice())], library)?.remove(0).id;
        Ok((id, source))
    });
    given.collect()
}

/// The plans to judge `evidence` by, which was read from `path`: one for each of its labs, with the parameters it was
/// recorded with. A lab of `given` counts whatever its digest; one of the library only if it is the very same.
pub fn plans_for(
    evidence: &Evidence,
    path: &Path,
    library: &Library,
    given: &[(String, Arc<Source>)],
) -> Result<Vec<Plan>, Error> {
    let mut planned = Vec::new();
    let mut subjects: Vec<Target> = Vec::new();
    for subject in &evidence.labs {
        let settings = subject.params.iter().map(|(name, value)| (name.clone(), written(value))).collect();
        // Of two files of one lab the later one counts, as with every option given twice.
        let chosen = given.iter().rfind(|(id, _)| *id == subject.lab).map(|(_, source)| source);
        let source = match chosen {
            Some(source) => source,
            None => library.lab(&subject.lab).map_err(|error| not_at_hand(&error, subject))?,
        };
        let mut plan = plans([(source, &settings, subject.steps.as_slice())], library)?.remove(0);
        if plan.digest == subject.digest {
            // The same lab: where a copy of it lies today is no part of the report.
            plan.source.clone_from(&subject.source);
        } else if chosen.is_none() {
            let why = format!(
                "it was recorded for another version of `{}` than {}; to judge it by a version of your choice, \
                 give that with `--lab FILE`",
                subject.lab, plan.source
            );
            return Err(Error::Format { path: path.display().to_string(), why });
        }
        planned.push(plan);
        subjects.push((source.clone(), subject.steps.clone()));
    }
    check_ids(&planned)?;
    check_steps(&planned, &subjects, library)?;
    Ok(planned)
}

/// What every version of evidence says of itself.
#[derive(serde::Deserialize)]
struct Version {
    format: String,
}

/// Reads evidence, which may come from anybody. What was changed after a run wrote it is refused; what has no chain
/// is not.
pub fn read_evidence(path: &Path) -> Result<Evidence, Error> {
    match read_with_chain(path)? {
        (evidence, Ok(()) | Err(Broken::Absent)) => Ok(evidence),
        (_, Err(broken)) => Err(refused(path, &broken)),
    }
}

/// Reads evidence also if it was changed; what is made of it then says so.
fn read_as_changed(path: &Path) -> Result<Evidence, Error> {
    let (mut evidence, chain) = read_with_chain(path)?;
    if let Some(broken) = chain.err().filter(|broken| *broken != Broken::Absent) {
        let Text { es, en } = broken.said();
        let said =
            Text::new(format!("la evidencia no es de fiar: {es}"), format!("the evidence cannot be trusted: {en}"));
        evidence.remarks.insert(0, said);
    }
    Ok(evidence)
}

fn refused(path: &Path, broken: &Broken) -> Error {
    Error::Format { path: path.display().to_string(), why: tame(&broken.said().en, 400) }
}

/// Reads evidence, whatever has become of its chain.
pub fn read_with_chain(path: &Path) -> Result<(Evidence, Result<(), Broken>), Error> {
    let name = path.display().to_string();
    let failed = |error| Error::File { path: name.clone(), error };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_EVIDENCE {
        return Err(Error::Format { path: name, why: "larger than 32 MiB".to_owned() });
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    parse_handed_in(&name, &text)
}

/// Reads evidence that somebody hands in, unless judging it would take a grader's time: whoever writes evidence by hand
/// can have few bytes looked at often.
pub fn parse_handed_in(name: &str, text: &str) -> Result<(Evidence, Result<(), Broken>), Error> {
    let (evidence, chain) = parse_evidence(name, text)?;
    let size = |sample| serde_json::to_string(sample).map_or(0, |text| text.len() as u64);
    let observations = &evidence.observations;
    let looks = observations.iter().map(|observation| observation.samples.len() as u64).max().unwrap_or_default();
    let largest = observations.iter().filter_map(|observation| observation.samples.iter().map(size).max());
    let bytes: u64 = largest.sum();
    if looks.saturating_mul(bytes) > MAX_WORK {
        let why = format!("it would take too long to judge: {looks} looks at one thing, and {bytes} bytes of facts");
        return Err(Error::Format { path: name.to_owned(), why });
    }
    Ok((evidence, chain))
}

/// Reads evidence from `text`, which may come from anybody, and of which `name` says where it lies.
pub fn parse_evidence(name: &str, text: &str) -> Result<(Evidence, Result<(), Broken>), Error> {
    let name = name.to_owned();
    let refused =
        |error: serde_json::Error| Error::Format { path: name.clone(), why: format!("not evidence: {error}") };
    // A newer format may have other fields, so the version is read by itself.
    if reckoned(text.as_bytes()) > MAX_PARSED {
        return Err(Error::Format { path: name, why: "it would take too much memory to read".to_owned() });
    }
    let version: Version = serde_json::from_str(text).map_err(refused)?;
    if version.format != evidence::FORMAT {
        let why = format!("this labrun reads `{}`, not `{}`", evidence::FORMAT, version.format);
        return Err(Error::Format { path: name, why });
    }
    let mut evidence: Evidence = serde_json::from_str(text).map_err(refused)?;
    if evidence.labs.is_empty() {
        return Err(Error::Format { path: name, why: "evidence of no lab".to_owned() });
    }
    let chain = verify(&evidence);
    // Whoever writes a file has no other word than their own.
    evidence.credit.iter_mut().for_each(|credit| credit.source = CreditSource::SelfReported);
    // labrun writes them in order; whoever judges relies on it.
    for observation in &mut evidence.observations {
        observation.samples.sort_by_key(|sample| sample.round);
    }
    Ok((evidence, chain))
}

/// Says of a lab that is not at hand how to judge by it all the same.
fn not_at_hand(error: &Error, subject: &Subject) -> Error {
    let from = tame(&subject.source, 200);
    Error::Usage(format!("{error}. It was recorded from {from}: give its file with `--lab FILE`"))
}
