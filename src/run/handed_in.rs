//! What a student has handed in, found on the disk and compared with the labs of a run: what fits none of them is
//! remarked on and not heeded.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::evidence::{Cause, Unobserved};
use crate::library::Library;
use crate::plan::{Plan, Settings, choices, parameters, personal, plan, refuses_setting};
use crate::source::Source;
use crate::student::{File, MAX_BYTES, Student, meant, short};
use crate::text::Text;
use crate::vm::{FileError, Vm};

/// The file that students hand in, in the folder labrun runs in or in their home.
pub const NAME: &str = "labrun.yaml";

/// Reads the file `named`, else the one in this folder, else the one in `home`. That the one named is not there is a
/// mistake of whoever named it; anything else that is wrong is the student's.
pub fn read(named: Option<&Path>, home: Option<&str>) -> Result<Student, Error> {
    let candidates: Vec<PathBuf> = match named {
        Some(path) => vec![path.to_owned()],
        None => {
            [Some(PathBuf::from(NAME)), home.map(|home| Path::new(home).join(NAME))].into_iter().flatten().collect()
        }
    };
    for path in candidates {
        let name = path.display().to_string();
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(Refused::Missing(_)) if named.is_none() => continue,
            Err(Refused::Missing(error)) => return Err(Error::File { path: name, error }),
            Err(Refused::Because(es, en)) => return Ok(Student::unreadable(&name, &es, &en)),
        };
        return Ok(Student::read(&name, &text));
    }
    Ok(Student::default())
}

/// Reads the file in the home that the student has on `vm`, a machine that is not this one.
pub async fn read_on(vm: &dyn Vm) -> Student {
    let home = match vm.home().await {
        Ok(Some(home)) => home,
        Ok(None) => return Student::default(),
        Err(why) => return Student::unseen(why),
    };
    let path = format!("{}/{NAME}", home.trim_end_matches('/'));
    match vm.read_file(&path, MAX_BYTES as usize).await {
        Ok(text) if text.cut => {
            let kib = MAX_BYTES >> 10;
            Student::unreadable(&path, &format!("pesa más de {kib} KiB"), &format!("it is larger than {kib} KiB"))
        }
        Ok(text) => match String::from_utf8(text.bytes) {
            Ok(text) => Student::read(&path, &text),
            Err(_) => Student::unreadable(&path, "no es texto UTF-8", "it is no UTF-8 text"),
        },
        Err(FileError::NotFound) => Student::default(),
        Err(FileError::Broken(why)) => Student::unseen(Unobserved::new(
            Cause::Path,
            format!("no se pudo leer `{path}` en la máquina ({why}): no se sabe qué respondiste ni qué elegiste"),
            format!("`{path}` could not be read on the machine ({why}): what you answered and chose is not known"),
        )),
        Err(error @ (FileError::Denied | FileError::WrongKind)) => {
            let (es, en) = (format!("no se puede leer ({error})"), format!("it cannot be read ({error})"));
            Student::unreadable(&path, &es, &en)
        }
    }
}

enum Refused {
    Missing(std::io::Error),
    Because(String, String),
}

/// Reads a file that may be anything, without waiting for a pipe and without reading more than there may be.
fn read_text(path: &Path) -> Result<String, Refused> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Refused::Missing(error),
        _ => Refused::Because(format!("no se puede leer ({error})"), format!("it cannot be read ({error})")),
    };
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Refused::Because("no es un archivo".to_owned(), "it is no file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        let kib = MAX_BYTES >> 10;
        return Err(Refused::Because(format!("pesa más de {kib} KiB"), format!("it is larger than {kib} KiB")));
    }
    String::from_utf8(bytes)
        .map_err(|_| Refused::Because("no es texto UTF-8".to_owned(), "it is no UTF-8 text".to_owned()))
}

/// Who has a say in the parameters of a lab beside the student, the least first.
pub struct Setters<'a> {
    /// What the course settles.
    pub course: Settings,
    /// Whether parameters are made of the student's id.
    pub wants_personal: bool,
    /// What whoever grades has set.
    pub set: &'a Settings,
}

/// The settings of one lab: those of the course, of the student where the lab lets them choose, those made of their id,
/// and what whoever grades has set.
pub fn settings(source: &Arc<Source>, library: &Library, setters: &Setters, student: &mut Student) -> Settings {
    let own = match (&student.id, setters.wants_personal) {
        (Some(id), true) => personal(source, id),
        (None, true) if !personal(source, "somebody").is_empty() => {
            student.remarks.push(Text::new(
                "en este curso cada estudiante tiene sus propios valores, y no se dijo quién sos: falta `student:` en \
                 `labrun.yaml`",
                "in this course each student has values of their own, and nobody said who you are: `student:` is missing \
                 in `labrun.yaml`",
            ));
            Settings::new()
        }
        _ => Settings::new(),
    };
    let without: Settings = joined([&setters.course, &own, setters.set]);
    let may_choose = |name: &&String| choices(source).contains(*name) && !setters.set.contains_key(*name);
    let mut chosen = Settings::new();
    for name in student.choices.keys().filter(may_choose).cloned().collect::<Vec<_>>() {
        let value = student.choices[&name].clone();
        let planned = |settings: &Settings| plan(source, library.checks(), settings, &[]).is_ok();
        // A lab with mistakes of its own says so by itself.
        let alone = Settings::from_iter([(name.clone(), value.clone())]);
        let makes_sense = planned(&joined([&without, &alone])) || !planned(&without);
        match refuses_setting(source, &name, &value) {
            Some(wanted) => student.remarks.push(Text::new(
                format!("elegiste `{name}: {value}`, y tiene que ser {}", in_spanish(wanted)),
                format!("you chose `{name}: {value}`, and it must be {wanted}"),
            )),
            None if !makes_sense => student.remarks.push(Text::new(
                format!("elegiste `{name}: {value}`, que ahí no tiene sentido"),
                format!("you chose `{name}: {value}`, which makes no sense there"),
            )),
            None => drop(chosen.insert(name, value)),
        }
    }
    joined([&setters.course, &chosen, &own, setters.set])
}

/// All settings, the later ones over the earlier ones.
fn joined<const N: usize>(all: [&Settings; N]) -> Settings {
    all.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn in_spanish(wanted: &str) -> &str {
    match wanted {
        "a whole number" => "un número entero",
        "a number" => "un número",
        "`true` or `false`" => "`true` o `false`",
        other => other,
    }
}

/// Remarks on every choice that no lab lets a student make, and every answer that nobody asked for.
pub fn compare(student: &mut Student, subjects: &[(Arc<Source>, Vec<String>)], library: &Library) -> Result<(), Error> {
    if student.file == File::Missing {
        return Ok(());
    }
    // All of each lab, even where only a step of it is asked for.
    let whole = |(source, _): &(Arc<Source>, _)| plan(source, library.checks(), &Settings::new(), &[]);
    let plans: Vec<Plan> = subjects.iter().map(whole).collect::<Result<_, _>>().map_err(Error::Authoring)?;
    let mut remarks = Vec::new();
    let labs: Vec<&Arc<Source>> = subjects.iter().map(|(source, _)| source).chain(library.labs().values()).collect();
    let free: Vec<String> = labs.iter().flat_map(|source| choices(source)).collect();
    for name in student.choices.keys().filter(|name| !free.contains(name)) {
        let quoted = short(name);
        remarks.push(match labs.iter().any(|source| parameters(source).contains(name)) {
            true => Text::new(format!("`{quoted}` no se puede elegir"), format!("`{quoted}` is not for you to choose")),
            false => {
                let meant = meant(name, free.iter().map(String::as_str));
                Text::new(
                    format!("elegiste `{quoted}`, y no hay nada que elegir con ese nombre{}", meant.es),
                    format!("you chose `{quoted}`, and there is nothing of that name to choose{}", meant.en),
                )
            }
        });
    }
    let of_run = plans.iter().map(|plan| plan.id.as_str());
    let known: Vec<&str> = library.labs().keys().map(String::as_str).chain(of_run).collect();
    for (lab, answers) in &student.answers {
        if !known.contains(&lab.as_str()) {
            let (lab, meant) = (short(lab), meant(lab, known.iter().copied()));
            remarks.push(Text::new(
                format!("respondiste a `{lab}`, y no hay tal laboratorio{}", meant.es),
                format!("you answered `{lab}`, and there is no such lab{}", meant.en),
            ));
            continue;
        }
        if plans.iter().all(|plan| plan.id != *lab) {
            continue;
        }
        let questions = plans.iter().flat_map(Plan::questions).filter(|(of, _)| of == lab);
        let asked: Vec<&str> = questions.map(|(_, question)| question).collect();
        for question in answers.keys().filter(|question| !asked.contains(&question.as_str())) {
            let (question, meant) = (short(question), meant(question, asked.iter().copied()));
            remarks.push(Text::new(
                format!("respondiste a `{question}` de `{lab}`, y nadie pregunta eso{}", meant.es),
                format!("you answered `{question}` of `{lab}`, and nobody asks that{}", meant.en),
            ));
        }
    }
    student.remarks.extend(remarks);
    Ok(())
}
