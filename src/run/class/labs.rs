//! The labs of a class: copied beside its journal by their digests, and read from there, so that grading again needs
//! nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::class::grade::{Lab, Rubric};
use crate::class::record::{Begun, Copy, JOURNAL_FORMAT, LabFile};
use crate::error::Error;
use crate::library::{Library, read_source};
use crate::plan::{Plan, Settings};
use crate::run::class::folder::{Folder, sha256};
use crate::run::targets::{Target, course, plans};
use crate::run::{folder_of, library_beside};
use crate::source::Source;

/// The text of every file that a class is graded by, by its digest.
pub type Files = BTreeMap<String, String>;

/// What a class of `subjects` is begun with.
pub fn begun(library: &Library, subjects: &[Target], set: Settings, personal: bool) -> Result<(Begun, Files), Error> {
    let mut files = Files::new();
    let mut labs = Vec::new();
    for (source, steps) in subjects {
        let none = Settings::new();
        let plan = plans([(source, &none, steps.as_slice())], library)?.remove(0);
        let of_library = library.name_of(source).is_some();
        labs.push(lab_file(&plan, source, library, steps, of_library, &mut files));
    }
    let course = course(library)?;
    Ok((
        Begun {
            format: JOURNAL_FORMAT.to_owned(),
            labs,
            course,
            set,
            challenge: None,
            personal,
            credit_from: Vec::new(),
        },
        files,
    ))
}

fn lab_file(
    plan: &Plan,
    source: &Arc<Source>,
    library: &Library,
    steps: &[String],
    of_library: bool,
    files: &mut Files,
) -> LabFile {
    let used = library.checks().iter().filter(|(name, _)| source.text.contains(name.as_str()));
    let checks = used.map(|(name, check)| (name.clone(), copy(check, files))).collect();
    LabFile { lab: plan.id.clone(), file: copy(source, files), steps: steps.to_vec(), of_library, checks }
}

fn copy(source: &Source, files: &mut Files) -> Copy {
    let sha256 = sha256(source.text.as_bytes());
    files.insert(sha256.clone(), source.text.clone());
    Copy { source: source.name.clone(), sha256 }
}

/// Puts the copies into the folder.
pub fn keep(folder: &Folder, files: &Files) -> Result<(), Error> {
    files.iter().try_for_each(|(sha256, text)| folder.write_lasting(&name(sha256), text.as_bytes()))
}

fn name(sha256: &str) -> String {
    format!("labs/{sha256}.yaml")
}

/// The rubric of what was begun, from the text of its files.
pub fn rubric(begun: &Begun, files: &Files) -> Result<Rubric, Error> {
    let source = |copy: &Copy| {
        let text = files.get(&copy.sha256).cloned().unwrap_or_default();
        Source::new(copy.source.clone(), text)
    };
    let lab = |lab: &LabFile| Lab {
        source: source(&lab.file),
        steps: lab.steps.clone(),
        of_library: lab.of_library,
        checks: lab.checks.iter().map(|(name, copy)| (name.clone(), source(copy))).collect(),
    };
    let labs: Vec<Lab> = begun.labs.iter().map(lab).collect();
    let rubric = Rubric::new(labs, begun.course.clone(), begun.set.clone(), begun.personal);
    let mut rubric = rubric.map_err(Error::Authoring)?;
    rubric.challenge.clone_from(&begun.challenge);
    Ok(rubric)
}

/// The rubric of a class that is in `folder`, with the text of its files.
pub fn read_rubric(folder: &Folder, begun: &Begun) -> Result<(Rubric, Files), Error> {
    let of_labs = begun.labs.iter().flat_map(|lab| [&lab.file].into_iter().chain(lab.checks.values()));
    let mut files = Files::new();
    for copy in of_labs {
        let path = folder.path.join(name(&copy.sha256)).display().to_string();
        let bytes = folder.read(&name(&copy.sha256))?;
        let text = bytes.filter(|bytes| sha256(bytes) == copy.sha256).and_then(|bytes| String::from_utf8(bytes).ok());
        let why = || format!("the copy of {} that the class was graded by is missing or was changed", copy.source);
        files.insert(copy.sha256.clone(), text.ok_or_else(|| Error::Format { path, why: why() })?);
    }
    Ok((rubric(begun, &files)?, files))
}

/// What was begun, with other files for some of its labs.
pub fn replaced(begun: &Begun, given: &[PathBuf], files: &mut Files) -> Result<Begun, Error> {
    let mut begun = begun.clone();
    for path in given {
        let (source, library) = (read_source(path)?, library_of(path)?);
        let none = Settings::new();
        let plan = plans([(&source, &none, [].as_slice())], &library)?.remove(0);
        let Some(lab) = begun.labs.iter_mut().find(|lab| lab.lab == plan.id) else {
            let why = format!("it is lab `{}`, which this class was not graded by", plan.id);
            return Err(Error::Format { path: path.display().to_string(), why });
        };
        let (steps, of_library) = (lab.steps.clone(), lab.of_library);
        let new = lab_file(&plan, &source, &library, &steps, of_library, files);
        // The very same lab: where this copy of it lies is of no interest.
        let same = new.file.sha256 == lab.file.sha256
            && new.checks.values().map(|copy| &copy.sha256).eq(lab.checks.values().map(|copy| &copy.sha256));
        if !same {
            *lab = new;
        }
    }
    Ok(begun)
}

/// The library checks that a lab file may use: those beside its folder, on top of the built-in ones.
fn library_of(path: &std::path::Path) -> Result<Library, Error> {
    if folder_of(path).is_dir() { library_beside(path) } else { Ok(Library::built_in()) }
}
