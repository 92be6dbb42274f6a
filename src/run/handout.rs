//! Labs prepared for nobody in particular, or for one student, and handed out.

use std::process::ExitCode;

use crate::cli::Handout;
use crate::error::Error;
use crate::handout::{markdown, page};
use crate::library::Library;
use crate::run::check::{Asked, prepare};
use crate::run::{Environment, write_file, write_stdout};
use crate::student::Student;

/// `labrun handout`
pub fn handout(args: Handout, environment: &Environment) -> Result<ExitCode, Error> {
    let library = Library::open(args.labs.as_deref())?;
    let personal = args.student.is_some();
    let student = Student { id: args.student, ..Student::default() };
    let settings = args.settings.into_iter().collect();
    let asked = Asked { targets: &args.targets, settings: &settings, personal };
    let plans = prepare(&library, &asked, student)?.plans;
    let lang = args.lang.unwrap_or(environment.lang);
    let text = if args.html { page(&plans, lang) } else { markdown(&plans, lang) };
    match &args.output {
        Some(path) => write_file(path, &text)?,
        None => write_stdout(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}
