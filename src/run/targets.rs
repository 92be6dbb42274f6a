//! What the words of a command line ask for: labs of a library and their steps, planned; every mistake in them.

use std::path::Path;
use std::sync::Arc;

use crate::course::{self, Course};
use crate::error::{Error, suggestion};
use crate::library::{COURSE, Library, read_source};
use crate::lint;
use crate::plan::{Plan, Settings, parameters, plan, refuses_setting};
use crate::source::Source;

/// A lab file and the steps asked for of it; none means all.
pub type Target = (Arc<Source>, Vec<String>);

/// What is asked for, in the order of first mention.
pub fn targets(targets: &[String], library: &Library, course: Option<&Course>) -> Result<Vec<Target>, Error> {
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
pub fn check_settings(settings: &Settings, subjects: &[Target]) -> Result<(), Error> {
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
pub fn check_ids(plans: &[Plan]) -> Result<(), Error> {
    for (n, plan) in plans.iter().enumerate() {
        if let Some(other) = plans[..n].iter().find(|other| other.id == plan.id) {
            let (one, two) = (&other.source, &plan.source);
            return Err(Error::Usage(format!("two labs of this run are called `{}`: {one} and {two}", plan.id)));
        }
    }
    Ok(())
}

/// A step asked for that its lab does not have is a typo.
pub fn check_steps(plans: &[Plan], subjects: &[Target], library: &Library) -> Result<(), Error> {
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

/// Plans each lab with its own settings; the mistakes of all of them at once.
pub fn plans<'a>(
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

/// The course that the labs of a library belong to, if there is one.
pub fn course(library: &Library) -> Result<Option<Course>, Error> {
    let read = |source| course::read(source, library.labs()).map_err(Error::Authoring);
    library.course().map(read).transpose()
}
