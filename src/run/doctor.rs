//! `labrun doctor`: what is missing for labs to be looked at, on the machine and beside it.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::Doctor;
use crate::doctor::{Finding, State, examine};
use crate::error::Error;
use crate::library::Library;
use crate::plan::Settings;
use crate::render::{coloured, symbol};
use crate::run::machine::{at_terminal, open, ssh_options};
use crate::run::targets::plans;
use crate::run::{Environment, bar, handed_in, in_order, look, write_stdout};
use crate::student::File;
use crate::tame::tame_prose;
use crate::terminal::Page;
use crate::text::Text;
use crate::verdict::Outcome;
use crate::vm::address::Address;

/// With this it ends where no lab can be looked at, as a check there would.
const NOTHING_TO_SEE: u8 = 4;
/// The width of the words before what is said.
const LABEL: usize = 17;

/// Says what is missing, and ends well only where nothing is that a lab cannot do without.
pub async fn doctor(args: Doctor, environment: &Environment) -> Result<ExitCode, Error> {
    let lang = args.reading.lang.unwrap_or(environment.lang);
    let bar = bar::line(lang);
    let ssh = at_terminal(ssh_options(&args.machine.ssh, environment), &bar, lang);
    let vm = open(&args.machine.vm, &ssh, environment);
    let is_here = args.machine.vm == Address::Local;
    let mut found = bar::during(&bar, environment, examine(&*vm, is_here)).await;
    found.push(labs(args.reading.labs.as_deref()));
    if is_here {
        found.extend(student(environment));
        found.push(record(environment));
    }

    let mut page = Page::new(look(environment));
    for finding in &found {
        let outcome = match finding.state {
            State::Good => Outcome::Pass,
            State::Mind => Outcome::Unknown,
            State::Missing => Outcome::Fail,
        };
        let sign = coloured(page.style(), outcome).apply_to(symbol(outcome)).to_string();
        let label = format!("{sign} {:LABEL$}", finding.what.get(lang));
        page.prose(0, &label, &tame_prose(finding.said.get(lang)));
    }
    page.line(0, "");
    let count = |state| found.iter().filter(|finding| finding.state == state).count();
    let said = match (count(State::Missing), count(State::Mind)) {
        (0, 0) => Text::new("No falta nada: los laboratorios pueden correr.", "Nothing is missing: labs can run."),
        (0, n) => Text::new(
            format!("Los laboratorios pueden correr; {n} por mirar (?): una parte de alguno quedaría incierta."),
            format!("Labs can run; {n} to mind (?): a part of some would be unknown."),
        ),
        (n, _) => Text::new(
            format!("Así no se puede juzgar un laboratorio: {n} por arreglar (✘)."),
            format!("No lab can be judged like this: {n} to put right (✘)."),
        ),
    };
    page.prose(0, "", said.get(lang));
    write_stdout(&page.finish())?;
    let is_well = count(State::Missing) == 0;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(NOTHING_TO_SEE) })
}

/// Whether there are labs, all of them sound.
fn labs(folder: Option<&Path>) -> Finding {
    const WHAT: (&str, &str) = ("laboratorios", "labs");
    let planned = Library::open(folder).and_then(|library| {
        let (sources, settings) = (in_order(&library)?, Settings::new());
        plans(sources.iter().map(|source| (source, &settings, [].as_slice())), &library)
    });
    match planned {
        Ok(planned) if planned.is_empty() => {
            Finding::new(WHAT, State::Missing, Text::new("no hay ninguno", "there are none"))
        }
        Ok(planned) => {
            let ids: Vec<&str> = planned.iter().map(|plan| plan.id.as_str()).collect();
            Finding::new(WHAT, State::Good, Text::same(ids.join(", ")))
        }
        Err(error) => {
            let said = Text::new(
                format!("no sirven: {error}; `labrun lint` dice dónde"),
                format!("they are of no use: {error}; `labrun lint` says where"),
            );
            Finding::new(WHAT, State::Missing, said)
        }
    }
}

/// What the student hands in, where there is anything.
fn student(environment: &Environment) -> Vec<Finding> {
    let Ok(student) = handed_in::read(None, environment.home.as_deref()) else { return Vec::new() };
    let mut found = Vec::new();
    match student.file.clone() {
        File::Missing => found.push((
            State::Good,
            Text::new(
                "no hay; hace falta recién cuando un laboratorio pregunta",
                "there is none; it is needed only once a lab asks",
            ),
        )),
        File::Read => {
            let who = student.id.clone().unwrap_or_default();
            found.push((State::Good, Text::new(format!("se lee {who}"), format!("can be read {who}"))));
        }
        File::Broken => {}
        File::Unseen(why) => found.push((State::Mind, why.why)),
    }
    found.extend(student.remarks.into_iter().map(|remark| (State::Mind, remark)));
    found.into_iter().map(|(state, said)| Finding::new((handed_in::NAME, handed_in::NAME), state, said)).collect()
}

/// Whether what a run sees can be kept for the next.
fn record(environment: &Environment) -> Finding {
    const WHAT: (&str, &str) = ("registro", "record");
    let Some(folder) = environment.journal.as_deref().and_then(Path::parent) else {
        let said = Text::new(
            "no se sabe dónde: falta `HOME`; sin él no hay crédito ni `labrun next`",
            "nobody knows where: `HOME` is not set; without it there is neither credit nor `labrun next`",
        );
        return Finding::new(WHAT, State::Mind, said);
    };
    let tried = std::fs::create_dir_all(folder).and_then(|()| tempfile::NamedTempFile::new_in(folder));
    let place = folder.display();
    match tried {
        Ok(_) => Finding::new(WHAT, State::Good, Text::same(place.to_string())),
        Err(error) => {
            let said = Text::new(
                format!("no se puede escribir en {place} ({error}): sin él no hay crédito ni `labrun next`"),
                format!("{place} cannot be written to ({error}): without it there is neither credit nor `labrun next`"),
            );
            Finding::new(WHAT, State::Mind, said)
        }
    }
}
