//! What is known of a student's work without looking at the machine: the labs as they are planned for them, what the
//! last look at each came to, and what was ever seen to hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cli::Reading;
use crate::error::Error;
use crate::guide::{Lab, Reader};
use crate::journal::Journal;
use crate::journal::last::{Last, Lasts};
use crate::library::Library;
use crate::plan::{Plan, Settings};
use crate::reference::written;
use crate::run::check::{Asked, open_journal, prepare};
use crate::run::targets::plans;
use crate::run::{Environment, handed_in, in_order};
use crate::source::Source;

/// What is known, and to whom it is told.
pub struct Known {
    /// The labs asked for, in their order.
    pub labs: Vec<Lab>,
    /// Who reads.
    pub reader: Reader,
    /// What earlier runs noted, if there is anything.
    pub journal: Option<Journal>,
}

/// What is known of the labs that `targets` names; of all where it names none.
pub fn known(targets: &[String], reading: &Reading, environment: &Environment) -> Result<Known, Error> {
    let library = Library::open(reading.labs.as_deref())?;
    let settings = Settings::new();
    let student = handed_in::read(None, environment.home.as_deref())?;
    let all: Vec<String> = match targets {
        [] => in_order(&library)?.iter().filter_map(|source| library.name_of(source).map(str::to_owned)).collect(),
        named => named.to_vec(),
    };
    let planned = prepare(&library, &Asked { targets: &all, settings: &settings, personal: false }, student)?.plans;
    let journal = open_journal(environment);
    let lasts = environment.journal.as_deref().map(Lasts::beside);
    let labs = planned.into_iter().map(|plan| {
        let last = lasts.as_ref().and_then(|lasts| lasts.of(&plan.id));
        lab(plan, last, journal.as_ref(), &library)
    });
    let reader = Reader { lang: reading.lang.unwrap_or(environment.lang), now: Timestamp::now() };
    Ok(Known { labs: labs.collect(), reader, journal })
}

/// One lab with what is known of it. What was seen with other parameters than those now in force was a choice of the
/// student's on the command line, so the lab is shown as it was looked at.
fn lab(plan: Plan, last: Option<Last>, journal: Option<&Journal>, library: &Library) -> Lab {
    let last = last.filter(|last| last.digest == plan.digest);
    let plan = match &last {
        Some(last) if last.params != plan.params => as_looked_at(&plan, last, library).unwrap_or(plan),
        _ => plan,
    };
    let last = last.filter(|last| last.params == plan.params);
    let looks = last.map(|last| last.steps).unwrap_or_default().into_iter();
    let looks = looks.map(|(address, seen)| (address, (seen.at, seen.step))).collect();
    let credit = journal.map(|journal| journal.credit(std::slice::from_ref(&plan))).unwrap_or_default();
    let held: BTreeMap<String, String> = credit.into_iter().map(|credit| (credit.check, credit.at)).collect();
    Lab { plan, looks, held }
}

fn as_looked_at(plan: &Plan, last: &Last, library: &Library) -> Option<Plan> {
    let source: &Arc<Source> = library.labs().values().find(|source| source.name == plan.source)?;
    let settings: Settings = last.params.iter().map(|(name, value)| (name.clone(), written(value))).collect();
    let mut planned = plans([(source, &settings, plan.selected.as_slice())], library).ok()?;
    planned.pop()
}
