//! `labrun completions` and `labrun man`: what whoever installs labrun puts beside it.

use std::process::ExitCode;

use crate::cli::{Completions, Manual, completions, manual};
use crate::error::Error;
use crate::library::{COURSE, Library};
use crate::plan::Settings;
use crate::run::targets::plans;
use crate::run::{in_order, write_stdout};

/// Writes the completions of a shell, with the labs and steps that there are now.
pub fn write_completions(args: Completions) -> Result<ExitCode, Error> {
    let library = Library::open(args.labs.as_deref())?;
    let (sources, settings) = (in_order(&library)?, Settings::new());
    let planned = plans(sources.iter().map(|source| (source, &settings, [].as_slice())), &library)?;
    let mut names: Vec<String> = library.course().map(|_| COURSE.to_owned()).into_iter().collect();
    for plan in &planned {
        names.push(plan.id.clone());
        names.extend(plan.steps.iter().map(|step| step.address.clone()));
    }
    write_stdout(&completions(args.shell, &names))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the pages of the manual into a folder, which is made.
pub fn write_manual(args: Manual) -> Result<ExitCode, Error> {
    let folder = &args.folder;
    let written = std::fs::create_dir_all(folder).and_then(|()| manual(folder));
    written.map_err(|error| Error::File { path: folder.display().to_string(), error })?;
    Ok(ExitCode::SUCCESS)
}
