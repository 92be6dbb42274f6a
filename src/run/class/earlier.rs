//! Evidence of classes graded before, which this one credits: copied from their folders into its own, so that it is graded
//! again without them.

use std::path::{Path, PathBuf};

use crate::class::credited::Earlier;
use crate::class::due::Recorded;
use crate::class::record::{EarlierLook, Looked, State};
use crate::error::Error;
use crate::run::class::folder::{EVIDENCE, Folder, JOURNAL, sha256};
use crate::run::judged::parse_evidence;

/// A class graded before.
pub struct EarlierClass {
    path: PathBuf,
    state: State,
}

impl EarlierClass {
    /// The class in the folder `path`, as it is now.
    pub fn open(path: &Path) -> Result<EarlierClass, Error> {
        let none = |why| Error::Usage(format!("--credit-from {}: {why}", path.display()));
        let text = std::fs::read(path.join(JOURNAL)).map_err(|_| none("there is no class in it"))?;
        let (state, _) = State::read(&text).map_err(|_| none("its journal is none of this version of labrun"))?;
        Ok(EarlierClass { path: path.to_owned(), state })
    }

    /// The evidence it was graded on for `student`, and that which it credited itself. Whom it could not see has none.
    fn of(&self, student: &str) -> Result<Vec<(EarlierLook, Vec<u8>)>, Error> {
        let Some(looked) = self.state.looked.get(student) else { return Ok(Vec::new()) };
        let own = looked
            .evidence
            .iter()
            .filter(|_| looked.trouble.is_none())
            .map(|sum| (EVIDENCE.to_owned(), EarlierLook { origin: looked.origin.clone(), evidence: sum.clone() }));
        own.chain(kept(looked).map(|(name, look)| (name, look.clone())))
            .map(|(name, look)| {
                let path = self.path.join(student).join(name);
                let bytes =
                    std::fs::read(&path).map_err(|error| Error::File { path: path.display().to_string(), error })?;
                if sha256(&bytes) != look.evidence {
                    let what =
                        "it is not what was recorded, so it credits nobody: take `--credit-from` away, or mend it";
                    return Err(Error::Usage(format!("{}: {what}", path.display())));
                }
                Ok((look, bytes))
            })
            .collect()
    }
}

/// Copies what `classes` have of `student` into `folder`, and says what that is.
pub fn take(classes: &[EarlierClass], folder: &Folder, student: &str) -> Result<Vec<EarlierLook>, Error> {
    let mut all = Vec::new();
    for class in classes {
        for (look, bytes) in class.of(student)? {
            folder.write_lasting(&format!("{student}/{}", name(all.len())), &bytes)?;
            all.push(look);
        }
    }
    Ok(all)
}

/// What was copied for a student.
pub fn read(folder: &Folder, looked: &Looked) -> Result<Vec<Earlier>, Error> {
    let one = |(name, look): (String, &EarlierLook)| {
        let name = format!("{}/{name}", looked.student);
        let bytes = folder.read(&name)?.unwrap_or_default();
        let (evidence, _) = parse_evidence(&name, &String::from_utf8_lossy(&bytes))?;
        Ok(Earlier { evidence, by: Recorded::of(&look.origin) })
    };
    kept(looked).map(one).collect()
}

/// The copies of a student's folder, by their names in it.
pub fn kept(looked: &Looked) -> impl Iterator<Item = (String, &EarlierLook)> {
    looked.earlier.iter().enumerate().map(|(n, look)| (name(n), look))
}

fn name(n: usize) -> String {
    format!("earlier-{}.json", n + 1)
}
