//! A lab to begin with, its worlds, and the schemas by which an editor helps to write both.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::New;
use crate::error::Error;
use crate::library::COURSE;
use crate::plan::{ID_FORM, is_id};
use crate::run::write_stdout;
use crate::schema::Authored;

const LAB: &str = include_str!("../../templates/new/lab.yaml");
const WORLDS: &str = include_str!("../../templates/new/worlds.yaml");

/// `labrun new`
pub fn new(args: New) -> Result<ExitCode, Error> {
    let New { id, folder } = args;
    if !is_id(&id) || id == COURSE {
        return Err(Error::Usage(format!("`{id}` cannot be the id of a lab: {ID_FORM}, and not `{COURSE}`")));
    }
    let is_here = folder == Path::new(".");
    let labs = if is_here { "labs".into() } else { folder.join("labs") };
    let named = |template: &str| template.replace("ID", &id);
    let written =
        [(labs.join(format!("{id}.yaml")), named(LAB)), (labs.join(format!("worlds/{id}.yaml")), named(WORLDS))];
    // What somebody wrote is never written over.
    if let Some((path, _)) = written.iter().find(|(path, _)| path.exists()) {
        return Err(Error::Usage(format!("{} is there already: nothing was written", path.display())));
    }
    let mut said = String::new();
    for schema in ["lab", "worlds"].into_iter().filter_map(Authored::named) {
        write(&labs.join(format!(".schema/{}.json", schema.name)), &schema.text())?;
    }
    for (path, text) in &written {
        write(path, text)?;
        let _ = writeln!(said, "{}", path.display());
    }
    let cd = if is_here { String::new() } else { format!("cd {}\n", folder.display()) };
    let _ = write!(
        said,
        "\nWhat to do next:\n\n{cd}labrun lint labs/{id}.yaml labs/worlds/{id}.yaml\n\
         labrun selftest {id} --vm-image IMAGE\n"
    );
    write_stdout(&said)?;
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |error| Error::File { path: path.display().to_string(), error };
    path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, text)).map_err(failed)
}
