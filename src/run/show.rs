//! `labrun show`

use std::process::ExitCode;

use crate::cli::Show;
use crate::error::Error;
use crate::guide;
use crate::run::known::known;
use crate::run::{Environment, look, write_stdout};
use crate::terminal::Page;

/// Shows what a lab or a step of it asks.
pub fn show(args: Show, environment: &Environment) -> Result<ExitCode, Error> {
    let target = match &args.step {
        Some(step) => format!("{}/{step}", args.target),
        None => args.target,
    };
    let known = known(&[target], &args.reading, environment)?;
    let mut page = Page::new(look(environment));
    for (n, lab) in known.labs.iter().enumerate() {
        if n > 0 {
            page.line(0, "");
        }
        // Steps that are needed come along to be looked at, not to be read.
        guide::show(&mut page, lab, &lab.plan.selected, known.reader);
    }
    write_stdout(&page.finish())?;
    Ok(ExitCode::SUCCESS)
}
