//! Where labs and library checks come from: a folder, or what is built into the binary.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::error::{Error, suggestion};
use crate::lab::LAB_FORMAT;
use crate::source::Source;

#[derive(RustEmbed)]
#[folder = "labs/"]
#[include = "*.yaml"]
#[exclude = "worlds/*"]
struct BuiltInLabs;

#[derive(RustEmbed)]
#[folder = "checks/"]
#[include = "*.yaml"]
struct BuiltInChecks;

/// The name of a course among labs, as users type it for all of them.
pub const COURSE: &str = "course";

/// A larger file is no lab.
const MAX_BYTES: u64 = 1 << 20;

/// The labs and library checks at hand.
#[derive(Debug)]
pub struct Library {
    /// Where the labs come from, in words.
    place: String,
    labs: BTreeMap<String, Arc<Source>>,
    /// The course that the labs belong to.
    course: Option<Arc<Source>>,
    checks: BTreeMap<String, Arc<Source>>,
}

/// What stands for the labs of the binary where a folder could.
pub const BUILT_IN: &str = "built-in";

impl Library {
    /// What the binary carries.
    pub fn built_in() -> Library {
        let mut labs = embedded::<BuiltInLabs>("labs");
        Library {
            place: "among those built in".to_owned(),
            course: labs.remove(COURSE),
            labs,
            checks: embedded::<BuiltInChecks>("checks"),
        }
    }

    /// The labs of `folder`, with the checks of the folder `checks` beside it on top of the built-in ones.
    pub fn of_folder(folder: &Path) -> Result<Library, Error> {
        let mut labs = read_folder(folder)?;
        let mut library = Library {
            place: format!("in {}", folder.display()),
            course: labs.remove(COURSE),
            labs,
            checks: embedded::<BuiltInChecks>("checks"),
        };
        let beside = match folder.file_name() {
            Some(_) => folder.with_file_name("checks"),
            None => folder.join("../checks"),
        };
        if beside.is_dir() {
            library.checks.extend(read_folder(&beside)?);
        }
        Ok(library)
    }

    /// The library of `--labs`, which may be the word [`BUILT_IN`], else of `./labs` if there are labs in it, else what is built in.
    pub fn open(labs: Option<&Path>) -> Result<Library, Error> {
        if labs == Some(Path::new(BUILT_IN)) {
            return Ok(Library::built_in());
        }
        if let Some(folder) = labs {
            return Library::of_folder(folder);
        }
        let here = Path::new("labs");
        if here.is_dir() {
            let library = Library::of_folder(here)?;
            if library.labs.values().any(|source| says_it_is_a_lab(&source.text)) {
                return Ok(library);
            }
        }
        Ok(Library::built_in())
    }

    /// All labs, by id.
    pub fn labs(&self) -> &BTreeMap<String, Arc<Source>> {
        &self.labs
    }

    /// The course that the labs belong to, if there is one.
    pub fn course(&self) -> Option<&Arc<Source>> {
        self.course.as_ref()
    }

    /// The lab called `id`.
    pub fn lab(&self, id: &str) -> Result<&Arc<Source>, Error> {
        self.labs.get(id).ok_or_else(|| {
            let help = suggestion(id, self.labs.keys().map(String::as_str));
            let help = help.map(|help| format!("; {help}")).unwrap_or_default();
            Error::Usage(format!("there is no lab `{id}` {}{help}", self.place))
        })
    }

    /// The name under which this library has a lab, if it is one of its own and not one given by its path.
    pub fn name_of(&self, source: &Arc<Source>) -> Option<&str> {
        let (name, _) = self.labs.iter().find(|(_, known)| Arc::ptr_eq(known, source))?;
        Some(name)
    }

    /// The library checks, by name.
    pub fn checks(&self) -> &BTreeMap<String, Arc<Source>> {
        &self.checks
    }
}

/// Whether a file that may have any mistakes means to be a lab, of this version or another.
fn says_it_is_a_lab(text: &str) -> bool {
    let kind = LAB_FORMAT.split_inclusive('/').next().unwrap_or_default();
    let formats = text.lines().filter_map(|line| line.trim_start_matches('\u{feff}').strip_prefix("labrun:"));
    formats.map(|format| format.trim_start_matches([' ', '"', '\''])).any(|format| format.starts_with(kind))
}

/// What tells the labs, the course and the library checks of this binary from those of another: the beginning of a
/// SHA-256 over their names and what they say.
pub fn built_in_digest() -> String {
    let mut all = Sha256::new();
    digest::<BuiltInLabs>("labs", &mut all);
    digest::<BuiltInChecks>("checks", &mut all);
    HEXLOWER.encode(&all.finalize()[..6])
}

fn digest<E: RustEmbed>(folder: &str, all: &mut Sha256) {
    let mut files: Vec<_> = E::iter().collect();
    files.sort();
    for name in files {
        let file = E::get(&name).expect("it was just named");
        all.update(format!("{folder}/{name}\0"));
        all.update(file.metadata.sha256_hash());
    }
}

fn embedded<E: RustEmbed>(folder: &str) -> BTreeMap<String, Arc<Source>> {
    let sources = E::iter().filter_map(|file| {
        let text = String::from_utf8(E::get(&file)?.data.into_owned()).ok()?;
        let name = file.strip_suffix(".yaml")?.to_owned();
        Some((name, Source::new(format!("built-in/{folder}/{file}"), text)))
    });
    sources.collect()
}

fn read_folder(folder: &Path) -> Result<BTreeMap<String, Arc<Source>>, Error> {
    let failed = |error| Error::File { path: folder.display().to_string(), error };
    let mut sources = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ext| ext == "yaml") && path.is_file() {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            sources.insert(name, read_source(&path)?);
        }
    }
    Ok(sources)
}

/// Reads one YAML file.
pub fn read_source(path: &Path) -> Result<Arc<Source>, Error> {
    let failed = |error| Error::File { path: path.display().to_string(), error };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(Error::Format { path: path.display().to_string(), why: "larger than 1 MiB".to_owned() });
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    Ok(Source::new(path.display().to_string(), text))
}
