//! Makes everything that a class comes to from what lies in its folder: reports, tables, `class.json`.

use std::path::Path;

use crate::class::grade::{Graded, Kept, Rubric, Seen, grade};
use crate::class::roster::Entry;
use crate::class::settled::{self, Override};
use crate::class::summary::{Class, Part, StudentOfClass, summarize};
use crate::class::{marks, page};
use crate::error::Error;
use crate::render::{FORMATS, Options};
use crate::run::class::collect::checked;
use crate::run::class::earlier;
use crate::run::class::folder::{EVIDENCE, Folder, SIGNATURE, sha256};
use crate::run::judged::parse_evidence;
use crate::run::say;
use crate::source::Source;
use crate::text::{Lang, Text};

/// The teacher's decisions.
pub const OVERRIDES: &str = "overrides.csv";
/// The class as a page.
pub const CLASS_PAGE: &str = "class.html";
/// What the class comes to, for programs.
pub const CLASS: &str = "class.json";

/// Writes everything anew from evidence, labs and decisions.
pub async fn publish(folder: &Folder, rubric: &Rubric) -> Result<Class, Error> {
    let asked = &folder.state.asked;
    let lang = Lang::of_locale(&asked.lang);
    let overrides = read_overrides(folder, rubric)?;
    check_evidence(folder)?;
    let mut parts = Vec::new();
    for entry in &asked.roster.students {
        let Some(graded) = graded(folder, rubric, entry, &overrides)? else { continue };
        write_reports(folder, entry, &graded)?;
        parts.push(Part::of(entry, graded, rubric));
        // So that a signal is heeded between two students.
        tokio::task::yield_now().await;
    }
    let class = summarize(rubric, &asked.roster.due, parts);
    folder.write("marks.csv", &marks::marks(&class))?;
    folder.write("marks.moodle.csv", &marks::moodle(&class, &asked.roster, lang))?;
    folder.write("marks.canvas.csv", &marks::canvas(&class, &asked.roster))?;
    folder.write("queue.csv", &marks::queue(&class, lang))?;
    folder.write(CLASS_PAGE, &page::render(&class, lang, None))?;
    folder.write(CLASS, &(serde_json::to_string_pretty(&class).expect("a class is plain data") + "\n"))?;
    Ok(class)
}

/// What `entry` comes to by what the folder holds of them; nothing, if they were not looked at yet.
pub fn graded(
    folder: &Folder,
    rubric: &Rubric,
    entry: &Entry,
    overrides: &[Override],
) -> Result<Option<Graded>, Error> {
    let Some(looked) = folder.state.looked.get(&entry.id) else { return Ok(None) };
    let evidence = match &looked.evidence {
        Some(_) => {
            let bytes = folder.read(&evidence_of(entry))?.unwrap_or_default();
            let (evidence, chain) = parse_evidence(&evidence_of(entry), &String::from_utf8_lossy(&bytes))?;
            let signature = folder.read(&format!("{}/{SIGNATURE}", entry.id))?;
            let signature = signature.map(|signature| checked(&signature, &bytes));
            Some(Kept { evidence, chain, signature })
        }
        None => None,
    };
    let seen = Seen { evidence, earlier: earlier::read(folder, looked)? };
    Ok(Some(grade(rubric, &folder.state.asked.roster.due, entry, looked, seen, overrides)))
}

/// Writes the report of one student, in the formats for people and programs alike.
pub fn write_reports(folder: &Folder, entry: &Entry, graded: &Graded) -> Result<(), Error> {
    let options = Options { lang: Lang::of_locale(&folder.state.asked.lang), ..Options::default() };
    for format in FORMATS.iter().filter(|format| format.is_general) {
        let name = format!("{}/report.{}", entry.id, format.extension);
        folder.write(&name, &(format.render)(&graded.report, &options))?;
    }
    Ok(())
}

fn evidence_of(entry: &Entry) -> String {
    format!("{}/{EVIDENCE}", entry.id)
}

/// Marks are made of the evidence that the journal speaks of, or not at all: if some of it was deleted or changed, the
/// marks that are there stay as they are.
fn check_evidence(folder: &Folder) -> Result<(), Error> {
    let mut others = Vec::new();
    for entry in &folder.state.asked.roster.students {
        let Some(looked) = folder.state.looked.get(&entry.id) else { continue };
        let own = looked.evidence.iter().map(|noted| (EVIDENCE.to_owned(), noted));
        for (name, noted) in own.chain(earlier::kept(looked).map(|(name, look)| (name, &look.evidence))) {
            if folder.read(&format!("{}/{name}", entry.id))?.is_none_or(|bytes| sha256(&bytes) != *noted) {
                others.push(format!("`{}`", entry.id));
                break;
            }
        }
    }
    if others.is_empty() {
        return Ok(());
    }
    let what = "the evidence is missing or is not what was recorded, so no marks are written; `labrun class … --again ID` \
                records it anew";
    Err(Error::Usage(format!("{}: {what}", others.join(", "))))
}

/// What the teacher decided; every mistake in it is told before anything is written.
pub fn read_overrides(folder: &Folder, rubric: &Rubric) -> Result<Vec<Override>, Error> {
    let path = folder.path.join(OVERRIDES);
    let Some(bytes) = folder.read(OVERRIDES)? else { return Ok(Vec::new()) };
    let name = path.display().to_string();
    let text = String::from_utf8(bytes).map_err(|_| {
        let why = "no UTF-8 text: save it as `CSV UTF-8`".to_owned();
        Error::Format { path: name.clone(), why }
    })?;
    let students: Vec<&str> = folder.state.asked.roster.students.iter().map(|entry| entry.id.as_str()).collect();
    let source = Source::new(name.clone(), text);
    let (overrides, empty) = settled::read(&source, &students, &rubric.open()).map_err(Error::Authoring)?;
    if empty > 0 {
        say(&format!("labrun: {name}: {empty} rows are not filled in yet"));
    }
    Ok(overrides)
}

/// What is said at the end: how it came out, and what to look at first.
pub fn closing(class: &Class, out: &Path, lang: Lang) -> String {
    let count = |what: &dyn Fn(&StudentOfClass) -> bool| class.students.iter().filter(|student| what(student)).count();
    let all = class.students.len();
    let lines = [
        (all, Text::new("estudiantes", "students")),
        (count(&|student| student.mark.is_some()), Text::new("con nota", "with a mark")),
        (count(&|student| student.trouble.is_some()), Text::new("que no se pudieron mirar", "could not be seen")),
        (
            count(&|student| student.trouble.is_none() && student.points.undetermined.hundredths() > 0),
            Text::new("con algo incierto", "with something unknown"),
        ),
        (
            count(&|student| !student.deferred.is_empty()),
            Text::new("esperan a su docente (queue.csv)", "wait for their teacher (queue.csv)"),
        ),
        (class.copies.len(), Text::new("posibles copias", "possible copies")),
    ];
    let lines = lines.iter().enumerate().filter(|(n, (count, _))| *n < 2 || *count > 0);
    let mut text: String = lines.map(|(_, (count, what))| format!("{count:>5} {}\n", what.get(lang))).collect();
    text += &format!("{}\n", out.join(CLASS_PAGE).display());
    text
}
