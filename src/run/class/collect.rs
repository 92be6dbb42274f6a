//! Goes to the students, several at once, and notes of each what was seen or why nothing could be. Whoever could not be
//! reached is tried once more at the end.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use crate::class::grade::{Kept, Rubric, Seen, grade, refuses};
use crate::class::record::{Line, Looked};
use crate::class::roster::{Entry, Origin};
use crate::cli;
use crate::error::Error;
use crate::evidence::Evidence;
use crate::run::Environment;
use crate::run::class::earlier::{self, EarlierClass};
use crate::run::class::folder::{EVIDENCE, Folder, SIGNATURE, sha256};
use crate::run::class::live::Live;
use crate::run::class::machine::{Sight, Way};
use crate::run::class::progress::Progress;
use crate::run::judged::{MAX_EVIDENCE, parse_handed_in};
use crate::run::signed::beside;
use crate::signature::{self, Signed, Wrong};
use crate::text::Text;
use crate::vm::address::Address;
use crate::vm::ssh::SshOptions;

/// How much of a signature is read: more is none.
const MAX_SIGNATURE: u64 = 64 << 10;

/// What is wrong with the address of a machine.
pub fn refuses_address(text: &str) -> Option<String> {
    text.parse::<Address>().err()
}

/// What all looks have in common.
pub struct Collector<'a> {
    /// What is asked for.
    pub args: &'a cli::Class,
    /// What students are graded by.
    pub rubric: &'a Rubric,
    /// The classes that are credited.
    pub earlier: Vec<EarlierClass>,
    /// How machines are reached.
    pub ssh: SshOptions,
    /// What labrun was started in.
    pub environment: &'a Environment,
    /// The folder of the roster, beside which paths in it lie.
    pub beside: &'a Path,
}

/// What came of looking at a student.
struct Found {
    /// The bytes of the evidence, and what they say.
    evidence: Option<(Vec<u8>, Kept)>,
    /// The bytes of the signature beside it, if there is one.
    signature: Option<Vec<u8>>,
    /// Why their work could not be seen.
    trouble: Option<Text>,
}

impl Found {
    fn nothing(es: impl Into<String>, en: impl Into<String>) -> Found {
        Found { evidence: None, signature: None, trouble: Some(Text::new(es, en)) }
    }
}

impl Collector<'_> {
    /// Looks at `open`, and keeps the page of the class up to date meanwhile.
    pub async fn collect(&self, folder: &mut Folder, open: &[&Entry], live: &Live<'_>) -> Result<(), Error> {
        let roster = &folder.state.asked.roster;
        let (all, lang) = (roster.students.len(), self.args.lang.unwrap_or(self.environment.lang));
        let progress = Progress::new(all, all - open.len(), lang);
        // A file that somebody made may take long to judge, and whoever looks at a machine meanwhile would miss its answer.
        let (files, others): (Vec<&Entry>, Vec<&Entry>) =
            open.iter().partition(|entry| matches!(entry.origin, Origin::Evidence(_)));
        self.round(folder, &files, &progress, live).await?;
        let to_retry = self.round(folder, &others, &progress, live).await?;
        if !to_retry.is_empty() {
            progress.retries(to_retry.len());
            self.round(folder, &to_retry, &progress, live).await?;
        }
        Ok(())
    }

    /// Looks at `entries`, and gives back who could not be reached.
    async fn round<'r>(
        &self,
        folder: &mut Folder,
        entries: &[&'r Entry],
        progress: &Progress,
        live: &Live<'_>,
    ) -> Result<Vec<&'r Entry>, Error> {
        let looks = entries.iter().map(|entry| async move {
            progress.begins(&entry.id);
            live.begins(&entry.id);
            let start = Instant::now();
            (*entry, self.look(entry).await, start.elapsed())
        });
        let mut looks = stream::iter(looks).buffer_unordered(self.args.jobs.get());
        let mut unreached = Vec::new();
        loop {
            let next = tokio::select! {
                biased;
                next = looks.next() => next,
                () = live.due() => {
                    live.write(folder, false)?;
                    continue;
                }
            };
            let Some((entry, found, took)) = next else { break };
            let sum = found.evidence.as_ref().map(|(bytes, _)| sha256(bytes));
            if let Some((bytes, _)) = &found.evidence {
                folder.write_lasting(&format!("{}/{EVIDENCE}", entry.id), bytes)?;
                // What an earlier upload was signed with says nothing of this one.
                match &found.signature {
                    Some(signature) => folder.write_lasting(&format!("{}/{SIGNATURE}", entry.id), signature)?,
                    None => folder.remove(&format!("{}/{SIGNATURE}", entry.id))?,
                }
            }
            let looked = Looked {
                student: entry.id.clone(),
                origin: entry.origin.clone(),
                at: format!("{:.3}", Timestamp::now()),
                evidence: sum,
                trouble: found.trouble.clone(),
                took_ms: took.as_millis() as u64,
                earlier: earlier::take(&self.earlier, folder, &entry.id)?,
            };
            folder.append(Line::Looked(looked.clone()))?;
            let retry = found.trouble.is_some() && matches!(entry.origin, Origin::Vm(_));
            let evidence = found.evidence.map(|(_, evidence)| evidence);
            let seen = Seen { evidence, earlier: earlier::read(folder, &looked)? };
            let graded = grade(self.rubric, &folder.state.asked.roster.due, entry, &looked, seen, &live.overrides);
            progress.ends(entry, &graded, took);
            live.ends(folder, entry, graded)?;
            live.keep_up(folder)?;
            if retry {
                unreached.push(entry);
            }
            // Reading files never waits, and a signal is to be heeded between two of them.
            tokio::task::yield_now().await;
        }
        Ok(unreached)
    }

    fn way(&self) -> Way<'_> {
        let Collector { args, rubric, ssh, environment, .. } = self;
        Way { rubric, ssh, sandbox: &args.sandbox, timeout: args.timeout, environment }
    }

    async fn look(&self, entry: &Entry) -> Found {
        match &entry.origin {
            Origin::Evidence(place) => self.handed_in(entry, &self.beside.join(place)),
            Origin::Vm(place) => {
                let Ok(address) = place.parse::<Address>() else {
                    return Found::nothing(
                        format!("`{place}` no es una dirección"),
                        format!("`{place}` is no address"),
                    );
                };
                seen_as(self.way().machine(entry, &address).await)
            }
            Origin::Repository(place) => seen_as(self.way().repository(entry, &self.beside.join(place)).await),
        }
    }

    /// A file that anybody may have made.
    fn handed_in(&self, entry: &Entry, path: &Path) -> Found {
        let bytes = match read_upload(path) {
            Ok(bytes) => bytes,
            Err(why) => return Found { evidence: None, signature: None, trouble: Some(why) },
        };
        let text = String::from_utf8_lossy(&bytes);
        match parse_handed_in(&path.display().to_string(), &text) {
            Ok((evidence, chain)) => {
                let signature = read_signature(&beside(path));
                let checked = signature.as_ref().map(|signature| checked(signature, &bytes));
                let kept = Kept { evidence, chain, signature: checked };
                let trouble = refuses(&kept, entry, self.rubric);
                Found { evidence: Some((bytes, kept)), signature, trouble }
            }
            Err(Error::Format { why, .. }) => Found::nothing(
                format!("la evidencia entregada no se puede leer ({why})"),
                format!("the evidence that was handed in cannot be read ({why})"),
            ),
            Err(error) => Found::nothing(error.to_string(), error.to_string()),
        }
    }
}

/// What was seen, as it is kept.
fn seen_as((evidence, trouble): Sight) -> Found {
    let as_file = |evidence: &Evidence| serde_json::to_string_pretty(evidence).expect("evidence is plain data") + "\n";
    let kept = |evidence| Kept { evidence, chain: Ok(()), signature: None };
    Found { evidence: evidence.map(|seen| (as_file(&seen).into_bytes(), kept(seen))), signature: None, trouble }
}

/// The bytes of what a student has handed in, or why there are none.
fn read_upload(path: &Path) -> Result<Vec<u8>, Text> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Text::new("no entregó evidencia todavía", "no evidence was handed in yet"),
        _ => Text::new(
            format!("la evidencia entregada no se puede leer ({error})"),
            format!("the evidence that was handed in cannot be read ({error})"),
        ),
    };
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(Text::new("lo entregado no es un archivo", "what was handed in is no file"));
    }
    if about.len() > MAX_EVIDENCE {
        let mib = MAX_EVIDENCE >> 20;
        return Err(Text::new(
            format!("la evidencia entregada pesa más de {mib} MiB"),
            format!("the evidence that was handed in is larger than {mib} MiB"),
        ));
    }
    std::fs::read(path).map_err(failed)
}

/// The beginning of what lies where a signature would; none where no file does.
fn read_signature(path: &Path) -> Option<Vec<u8>> {
    let is_file = std::fs::metadata(path).is_ok_and(|about| about.is_file());
    let mut bytes = Vec::new();
    // What cannot be read is no signature, and is shown as that.
    let _ = std::fs::File::open(path).ok().filter(|_| is_file)?.take(MAX_SIGNATURE).read_to_end(&mut bytes);
    Some(bytes)
}

/// What `signature` came to beside `evidence`.
pub fn checked(signature: &[u8], evidence: &[u8]) -> Result<Signed, Wrong> {
    signature::check(&String::from_utf8_lossy(signature), evidence, "")
}

/// Those who were graded by a file that is another one now.
pub fn newer_uploads(folder: &Folder, beside: &Path, again: &BTreeSet<String>) -> Vec<String> {
    let looked =
        folder.state.looked.values().filter(|looked| looked.trouble.is_none() && !again.contains(&looked.student));
    let changed = looked.filter_map(|looked| {
        let Origin::Evidence(place) = &looked.origin else { return None };
        let path: PathBuf = beside.join(place);
        let now = sha256(&read_upload(&path).ok()?);
        (looked.evidence.as_ref() != Some(&now)).then(|| looked.student.clone())
    });
    changed.collect()
}
