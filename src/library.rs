//! Where labs and library checks come from: a folder, or what is built into the binary.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rust_embed::RustEmbed;

use crate::error::{Error, suggestion};
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

/// A larger file is no lab.
const MAX_BYTES: u64 = 1 << 20;

/// The labs and library checks at hand.
#[derive(Debug)]
pub struct Library {
    labs: BTreeMap<String, Arc<Source>>,
    checks: BTreeMap<String, Arc<Source>>,
}

impl Library {
    /// What the binary carries.
    pub fn built_in() -> Library {
        Library { labs: embedded::<BuiltInLabs>("labs"), checks: embedded::<BuiltInChecks>("checks") }
    }

    /// The labs of `folder`, with the checks of the folder `checks` beside it on top of the built-in ones.
    pub fn of_folder(folder: &Path) -> Result<Library, Error> {
        let mut library = Library { labs: read_folder(folder)?, checks: embedded::<BuiltInChecks>("checks") };
        let beside = match folder.file_name() {
            Some(_) => folder.with_file_name("checks"),
            None => folder.join("../checks"),
        };
        if beside.is_dir() {
            library.checks.extend(read_folder(&beside)?);
        }
        Ok(library)
    }

    /// The library of `--labs`, else of `./labs`, else what is built in.
    pub fn open(labs: Option<&Path>) -> Result<Library, Error> {
        match labs {
            Some(folder) => Library::of_folder(folder),
            None if Path::new("labs").is_dir() => Library::of_folder(Path::new("labs")),
            None => Ok(Library::built_in()),
        }
    }

    /// All labs, by id.
    pub fn labs(&self) -> &BTreeMap<String, Arc<Source>> {
        &self.labs
    }

    /// The lab called `id`.
    pub fn lab(&self, id: &str) -> Result<&Arc<Source>, Error> {
        self.labs.get(id).ok_or_else(|| {
            let help = suggestion(id, self.labs.keys().map(String::as_str));
            Error::Usage(format!("there is no lab `{id}`{}", help.map(|h| format!("; {h}")).unwrap_or_default()))
        })
    }

    /// The library checks, by name.
    pub fn checks(&self) -> &BTreeMap<String, Arc<Source>> {
        &self.checks
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
