//! `labrun next`

use std::process::ExitCode;

use crate::cli::Next;
use crate::error::Error;
use crate::guide;
use crate::run::known::known;
use crate::run::{Environment, look, write_stdout};
use crate::terminal::Page;

/// Shows the step to work on.
pub fn next(args: Next, environment: &Environment) -> Result<ExitCode, Error> {
    let known = known(args.lab.as_slice(), &args.reading, environment)?;
    let mut page = Page::new(look(environment));
    guide::next(&mut page, &known.labs, known.reader);
    write_stdout(&page.finish())?;
    Ok(ExitCode::SUCCESS)
}
