//! The folder of a class on the disk: one run in it at a time, a journal that is only ever appended to, and files that
//! are there as a whole or not at all, whenever the process or the machine ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::class::record::{Line, State};
use crate::error::Error;
use crate::private;

/// The journal's name.
pub const JOURNAL: &str = "journal.jsonl";
/// The file that a run holds a lock on. The lock ends with the process, however that ends.
const LOCK: &str = "lock";
/// A student's evidence, in their folder.
pub const EVIDENCE: &str = "evidence.json";
/// The signature that was handed in with it, named as `ssh-keygen` looks for it.
pub const SIGNATURE: &str = "evidence.json.sig";

/// A folder of a class, held by this process.
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// What its journal adds up to.
    pub state: State,
    journal: File,
    _lock: File,
}

impl Folder {
    /// Takes hold of the folder `path`, which is made if it is not there: for nobody's eyes but its owner's.
    pub fn open(path: &Path) -> Result<Folder, Error> {
        private::folder(path).map_err(failed(path))?;
        let lock =
            OpenOptions::new().create(true).append(true).open(path.join(LOCK)).map_err(failed(&path.join(LOCK)))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = "another labrun is at work in it: wait until that has ended";
                return Err(Error::Usage(format!("{}: {what}", path.display())));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&path.join(LOCK))(error)),
        }
        let at = path.join(JOURNAL);
        let is_new = !at.exists();
        if is_new {
            refuse_others(path)?;
        }
        let mut journal = OpenOptions::new().create(true).read(true).append(true).open(&at).map_err(failed(&at))?;
        if is_new {
            sync_folder(path);
        }
        let mut text = Vec::new();
        journal.read_to_end(&mut text).map_err(failed(&at))?;
        let (state, whole) = State::read(&text).map_err(|line| Error::Format {
            path: at.display().to_string(),
            why: format!("line {line} is none of a journal of this version of labrun"),
        })?;
        // Half a line that a run left when it was killed.
        if whole < text.len() {
            journal.set_len(whole as u64).map_err(failed(&at))?;
            journal.sync_all().map_err(failed(&at))?;
        }
        Ok(Folder { path: path.to_owned(), state, journal, _lock: lock })
    }

    /// Notes a line, so that it is there even if the machine loses its power now.
    pub fn append(&mut self, line: Line) -> Result<(), Error> {
        let at = self.path.join(JOURNAL);
        let text = serde_json::to_string(&line).expect("a line is plain data") + "\n";
        self.journal.write_all(text.as_bytes()).map_err(failed(&at))?;
        self.journal.sync_data().map_err(failed(&at))?;
        self.state.take(line);
        Ok(())
    }

    /// Writes a file of the folder, lastingly: whoever notes in the journal that it is there can rely on it.
    pub fn write_lasting(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.replace(name, bytes, true)
    }

    /// Writes a file of the folder that can be made again.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        self.replace(name, text.as_bytes(), false)
    }

    fn replace(&self, name: &str, bytes: &[u8], lasting: bool) -> Result<(), Error> {
        let path = self.path.join(name);
        let beside = path.parent().unwrap_or(&self.path).to_owned();
        if !beside.is_dir() {
            private::folder(&beside).map_err(failed(&beside))?;
            sync_folder(&self.path);
        }
        // One run at a time holds the folder, so the name of what is not whole yet needs no chance in it.
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".part");
        let unfinished = PathBuf::from(unfinished);
        let mut file = File::create(&unfinished).map_err(failed(&unfinished))?;
        file.write_all(bytes).map_err(failed(&unfinished))?;
        if lasting {
            file.sync_all().map_err(failed(&unfinished))?;
        }
        std::fs::rename(&unfinished, &path).map_err(failed(&path))?;
        if lasting {
            sync_folder(&beside);
        }
        Ok(())
    }

    /// Removes a file of the folder, if it is there.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&path)(error)),
            _ => Ok(()),
        }
    }

    /// The bytes of a file of the folder, if it is there.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path)(error)),
        }
    }
}

/// A folder that holds something else is none to put a class into.
fn refuse_others(path: &Path) -> Result<(), Error> {
    let mut entries = std::fs::read_dir(path).map_err(failed(path))?.filter_map(Result::ok);
    let known = [LOCK, JOURNAL, "overrides.csv"];
    // A run may have been killed between the lab copies and the first line of the journal.
    let is_other = |name: &str| !known.contains(&name) && name != "labs";
    match entries.find(|entry| is_other(&entry.file_name().to_string_lossy())) {
        None => Ok(()),
        Some(entry) => {
            let name = entry.file_name().to_string_lossy().into_owned();
            let what = format!("{} holds `{name}`, and no journal of a class: name an empty folder", path.display());
            Err(Error::Usage(what))
        }
    }
}

/// What a rename or a new file in it needs to be there after a loss of power. Not every file system can.
fn sync_folder(path: &Path) {
    let _ = File::open(path).and_then(|folder| folder.sync_all());
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::File { path, error }
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
