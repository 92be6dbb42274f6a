//! `labrun hint`: which stage it is, and that it was shown.

use std::process::ExitCode;

use crate::cli::Hint;
use crate::error::{Error, suggestion};
use crate::guide::{self, Hinted, Lab, check_for, next_step};
use crate::run::known::{Known, known};
use crate::run::{Environment, look, say, write_stdout};
use crate::terminal::Page;
use crate::text::Text;

/// The stages that the report has shown to whoever asks for the first time.
const IN_THE_REPORT: usize = 1;

/// Gives a hint, and notes how far that went.
pub fn hint(args: Hint, environment: &Environment) -> Result<ExitCode, Error> {
    // Of one lab nothing else needs to be sound.
    let lab = args.check.as_deref().and_then(|check| check.split('/').next()).map(str::to_owned);
    let Known { labs, reader, journal } = known(lab.as_slice(), &args.reading, environment)?;
    let word = match (args.check, next_step(&labs)) {
        (Some(check), _) => check,
        (None, Some((_, step))) => step.address.clone(),
        (None, None) => {
            let done =
                Text::new("No hay nada en que ayudar: no queda ningún paso.", "Nothing to help with: no step is left.");
            write_stdout(&format!("{}\n", done.get(reader.lang)))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let (lab, check) = check_for(&labs, &word).ok_or_else(|| unknown(&word, &labs))?;
    let hinted = Hinted::of(lab, check, reader);
    let stages = match (&hinted.hint, &journal) {
        (Some((id, all)), Some(journal)) => {
            let before = journal.stages(&lab.plan, &check.address, id).max(IN_THE_REPORT).min(all.len());
            let now = (before + 1).min(all.len());
            let noted = (now > before).then(|| journal.note_stages(&lab.plan, &check.address, id, now));
            if let Some(Err(error)) = noted {
                say(&format!("labrun: that this hint was shown could not be noted: {error}"));
            }
            now
        }
        _ => IN_THE_REPORT + 1,
    };
    let mut page = Page::new(look(environment));
    guide::hint(&mut page, &hinted, stages, reader);
    write_stdout(&page.finish())?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(word: &str, labs: &[Lab]) -> Error {
    let addresses: Vec<&str> =
        labs.iter().flat_map(|lab| lab.plan.checks()).map(|check| check.address.as_str()).collect();
    let help = suggestion(word, addresses).map(|help| format!("; {help}")).unwrap_or_default();
    Error::Usage(format!("there is no check `{word}`{help}"))
}
