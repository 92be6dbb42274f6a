//! `labrun progress`

use std::process::ExitCode;

use crate::cli::Progress;
use crate::error::Error;
use crate::guide;
use crate::run::known::known;
use crate::run::{Environment, look, write_stdout};
use crate::terminal::Page;

/// Shows how far a student is.
pub fn progress(args: Progress, environment: &Environment) -> Result<ExitCode, Error> {
    let known = known(&args.targets, &args.reading, environment)?;
    let mut page = Page::new(look(environment));
    guide::progress(&mut page, &known.labs, !args.targets.is_empty(), known.reader);
    write_stdout(&page.finish())?;
    Ok(ExitCode::SUCCESS)
}
