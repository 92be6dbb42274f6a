//! `labrun regrade`: a class graded again from its evidence, into another folder, and what that changed.

use std::process::ExitCode;

use crate::class::diff::{Change, CheckChange, changes};
use crate::class::record::{Asked, Line};
use crate::class::summary::Class;
use crate::cli::Regrade;
use crate::error::{Error, counted};
use crate::points::Points;
use crate::run::class::folder::{EVIDENCE, Folder, SIGNATURE};
use crate::run::class::publish::{CLASS, OVERRIDES, publish};
use crate::run::class::{earlier, keep, read_rubric, replaced, rubric};
use crate::run::{Environment, write_stdout};
use crate::text::{Lang, Text};
use crate::verdict::{Outcome, Score};

/// `labrun regrade`
pub async fn regrade(args: Regrade, environment: &Environment) -> Result<ExitCode, Error> {
    let old = open_class(&args.marks)?;
    let Some(begun) = &old.state.begun else { return Err(no_class(&args.marks)) };
    let before = old.read(CLASS)?.and_then(|bytes| serde_json::from_slice::<Class>(&bytes).ok());
    let before = before.ok_or_else(|| {
        let what = "no class was graded to its end in it: first `labrun class` goes on with it";
        Error::Usage(format!("{}: {what}", args.marks.display()))
    })?;
    let (_, mut files) = read_rubric(&old, begun)?;
    let new_begun = replaced(begun, &args.lab_files, &mut files)?;
    let new_rubric = rubric(&new_begun, &files)?;

    let mut new = Folder::open(&args.out)?;
    if new.state.begun.is_some() {
        let what = "there is a class in it already: name a folder that is not there yet";
        return Err(Error::Usage(format!("{}: {what}", args.out.display())));
    }
    keep(&new, &files)?;
    new.append(Line::Begun(new_begun))?;
    let lang = args.lang.map_or_else(|| old.state.asked.lang.clone(), |lang| lang.tag().to_owned());
    new.append(Line::Asked(Asked { lang, roster: old.state.asked.roster.clone() }))?;
    for entry in &old.state.asked.roster.students {
        let Some(looked) = old.state.looked.get(&entry.id) else { continue };
        let name = format!("{}/{EVIDENCE}", entry.id);
        if let Some(bytes) = old.read(&name)?.filter(|_| looked.evidence.is_some()) {
            new.write_lasting(&name, &bytes)?;
        }
        for (name, _) in earlier::kept(looked) {
            let name = format!("{}/{name}", entry.id);
            new.write_lasting(&name, &old.read(&name)?.unwrap_or_default())?;
        }
        let name = format!("{}/{SIGNATURE}", entry.id);
        if let Some(bytes) = old.read(&name)? {
            new.write_lasting(&name, &bytes)?;
        }
        new.append(Line::Looked(looked.clone()))?;
    }
    if let Some(bytes) = old.read(OVERRIDES)? {
        new.write_lasting(OVERRIDES, &bytes)?;
    }
    let after = publish(&new, &new_rubric).await?;
    let lang = args.lang.unwrap_or(environment.lang);
    write_stdout(&told(&changes(&before, &after), after.students.len(), lang))?;
    Ok(ExitCode::SUCCESS)
}

fn open_class(path: &std::path::Path) -> Result<Folder, Error> {
    // Opening would make the folder.
    if !path.is_dir() {
        return Err(no_class(path));
    }
    Folder::open(path)
}

fn no_class(path: &std::path::Path) -> Error {
    Error::Usage(format!("{}: there is no class in it", path.display()))
}

/// `ana: 17/20 → 18.5/20` and the checks that came out otherwise.
fn told(changes: &[Change], all: usize, lang: Lang) -> String {
    let mut text = String::new();
    for change in changes {
        let before = change.before.as_ref().map_or("—".to_owned(), sum);
        text += &format!("{}: {before} → {}\n", change.student, sum(&change.after));
        for check in &change.checks {
            text += &format!("    {}: {}\n", check.address, one_check(check, lang));
        }
    }
    let same = all - changes.len();
    let last = match lang {
        Lang::Es => format!("{} cambiaron, {same} quedaron como estaban\n", changes.len()),
        Lang::En => format!("{} changed, {same} as before\n", counted(changes.len(), "student")),
    };
    text + &last
}

fn sum(score: &Score) -> String {
    let open = score.undetermined + score.deferred;
    let open = if open == Points::ZERO { String::new() } else { format!(" (?{open})") };
    let bonus = if score.bonus == Points::ZERO { String::new() } else { format!(" +{}", score.bonus) };
    format!("{}/{}{bonus}{open}", score.earned, score.possible)
}

fn one_check(check: &CheckChange, lang: Lang) -> String {
    let missing = Text::new("no estaba", "was not there");
    let gone = Text::new("ya no está", "is no more there");
    let said = |what: &Option<(Outcome, Points)>, nothing: &Text| match what {
        Some((outcome, points)) => format!("{} ({points})", outcome.word()),
        None => nothing.get(lang).to_owned(),
    };
    format!("{} → {}", said(&check.before, &missing), said(&check.after, &gone))
}
