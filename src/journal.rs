//! What earlier runs on this machine saw passing, the looks that must not be repeated, and the hints that were asked for:
//! one file of JSON lines, only ever appended to. Whoever owns the machine can write it, so everything read from it is bounded, and what passed is
//! credit that the report calls self-reported.

pub mod last;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::evidence::{Credit, CreditSource, Facts};
use crate::memory::Memory;
use crate::plan::Plan;
use crate::private;
use crate::verdict::{Outcome, Report};

/// How much of a journal is read, in bytes; an honest one holds a line for each check ever passed.
const MAX_BYTES: u64 = 4 << 20;

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// A check was seen to hold.
    Pass(Pass),
    /// A look was made that must not be made again.
    Look {
        /// What it was.
        key: String,
        /// What it saw.
        facts: Facts,
    },
    /// A stage of a hint was asked for.
    Hint(Asked),
}

/// A journal, as it was when it was opened.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    passes: Mutex<Vec<Pass>>,
    looks: Mutex<HashMap<String, Facts>>,
    asked: Vec<Asked>,
}

/// A stage of a hint that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    /// The check's address.
    check: String,
    /// What tells this claim from that of the same check with other parameters.
    params: String,
    /// The hint's name in the lab.
    hint: String,
    /// How many of its stages were shown then.
    stages: usize,
}

/// A check that was seen to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pass {
    /// Its address.
    check: String,
    /// What tells this claim from that of the same check with other parameters.
    params: String,
    /// When, RFC 3339 in UTC.
    at: String,
}

impl Journal {
    /// The journal at `path`; an empty one where nothing is there yet.
    ///
    /// # Errors
    /// When something is there that cannot be read. Lines that make no sense are passed over.
    pub fn open(path: &Path) -> io::Result<Journal> {
        let mut text = Vec::new();
        match File::open(path) {
            Ok(file) => drop(file.take(MAX_BYTES).read_to_end(&mut text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let (mut passes, mut looks, mut asked) = (Vec::new(), HashMap::new(), Vec::new());
        for line in text.split(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(Line::Pass(pass)) if pass.at.parse::<Timestamp>().is_ok() => passes.push(pass),
                Ok(Line::Look { key, facts }) => drop(looks.insert(key, facts)),
                Ok(Line::Hint(stage)) => asked.push(stage),
                _ => {}
            }
        }
        Ok(Journal { path: path.to_owned(), passes: Mutex::new(passes), looks: Mutex::new(looks), asked })
    }

    /// What is credited to the checks of `plans`: each that was seen to hold, with the same parameters, and when
    /// that was first.
    pub fn credit(&self, plans: &[Plan]) -> Vec<Credit> {
        let mut credited = BTreeSet::new();
        let mut credit = Vec::new();
        let passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        for plan in plans {
            let own = fingerprint(plan);
            for Pass { check, params, at } in passes.iter() {
                let is_of_it = *params == own && plan.checks().any(|planned| planned.address == *check);
                if is_of_it && credited.insert(check.clone()) {
                    let source = CreditSource::SelfReported;
                    credit.push(Credit { check: check.clone(), at: at.clone(), source });
                }
            }
        }
        credit
    }

    /// Notes every check that `report` saw to hold and that is not in the journal yet.
    ///
    /// # Errors
    /// When the file or its folder cannot be written.
    pub fn note(&self, report: &Report, plans: &[Plan]) -> io::Result<()> {
        let known = self.credit(plans);
        let mut new = Vec::new();
        for (lab, plan) in report.labs.iter().zip(plans) {
            let checks = lab.steps.iter().flat_map(|step| &step.checks);
            let seen = checks.filter(|check| check.outcome == Outcome::Pass && check.credit.is_none());
            for check in seen.filter(|check| known.iter().all(|credit| credit.check != check.address)) {
                let (check, at) = (check.address.clone(), report.finished.clone());
                new.push(Pass { check, params: fingerprint(plan), at });
            }
        }
        self.append(&new.iter().cloned().map(Line::Pass).collect::<Vec<_>>())?;
        self.passes.lock().unwrap_or_else(PoisonError::into_inner).append(&mut new);
        Ok(())
    }

    /// How many stages of a hint were shown before to whoever asked for it.
    pub fn stages(&self, plan: &Plan, check: &str, hint: &str) -> usize {
        let own = fingerprint(plan);
        let of_it = |asked: &&Asked| asked.check == check && asked.hint == hint && asked.params == own;
        self.asked.iter().filter(of_it).map(|asked| asked.stages).max().unwrap_or_default()
    }

    /// Notes that so many stages of a hint are shown.
    ///
    /// # Errors
    /// When the file or its folder cannot be written.
    pub fn note_stages(&self, plan: &Plan, check: &str, hint: &str, stages: usize) -> io::Result<()> {
        let (check, hint) = (check.to_owned(), hint.to_owned());
        self.append(&[Line::Hint(Asked { check, params: fingerprint(plan), hint, stages })])
    }

    fn append(&self, lines: &[Line]) -> io::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        if text.is_empty() {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            private::folder(folder)?;
        }
        let mut file = private::file(&self.path)?;
        // In one piece, so that two runs at once do not mix their lines.
        file.write_all(&text)
    }
}

impl Memory for Journal {
    fn recall(&self, key: &str) -> Option<Facts> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Where the file cannot be written, it is remembered for as long as this run lasts.
    fn remember(&self, key: &str, facts: &Facts) {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), facts.clone());
        let _ = self.append(&[Line::Look { key: key.to_owned(), facts: facts.clone() }]);
    }
}

/// One short text for the parameters of a plan, equal exactly for equal parameters.
fn fingerprint(plan: &Plan) -> String {
    let params = serde_json::to_vec(&plan.params).unwrap_or_default();
    Sha256::digest(params)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::evidence::Evidence;
    use crate::judge::judge;
    use crate::plan::{Settings, plan};
    use crate::source::Source;

    const LAB: &str = r#"{labrun: lab/v1, id: web, title: {es: x, en: x}, params: {name: web}, steps: [
        {id: server, title: {es: x, en: x}, checks: [
        {id: runs, points: 1, claim: {es: x, en: x}, probe: {container: {name: "${name}"}}, expect: {status: running},
         hints: [{id: h, say: [{es: x, en: x}]}]}]}]}"#;

    fn plan_with(name: &str) -> Vec<Plan> {
        let settings = Settings::from([("name".to_owned(), name.to_owned())]);
        vec![plan(&Source::new("web.yaml", LAB), &BTreeMap::new(), &settings, &[]).unwrap()]
    }

    /// A report in which the check came to `outcome`.
    fn report(outcome: Outcome) -> Report {
        let mut report = judge(&plan_with("web"), &Evidence::default());
        report.finished = "2026-03-02T14:05:09.180Z".to_owned();
        report.labs[0].steps[0].checks[0].outcome = outcome;
        report
    }

    #[test]
    fn what_passed_once_is_credited_once_with_its_first_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/journal.jsonl");
        let plans = plan_with("web");
        Journal::open(&path).unwrap().note(&report(Outcome::Fail), &plans).unwrap();
        assert!(!path.exists());
        Journal::open(&path).unwrap().note(&report(Outcome::Pass), &plans).unwrap();
        let later = Report { finished: "2026-04-01T00:00:00Z".to_owned(), ..report(Outcome::Pass) };
        Journal::open(&path).unwrap().note(&later, &plans).unwrap();
        let journal = Journal::open(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
        let [credit] = &journal.credit(&plans)[..] else { panic!("{journal:?}") };
        assert_eq!((credit.check.as_str(), credit.at.as_str()), ("web/server/runs", "2026-03-02T14:05:09.180Z"));
        // A journal knows what it noted itself.
        let long = Journal::open(&folder.path().join("other.jsonl")).unwrap();
        (0..2).for_each(|_| long.note(&report(Outcome::Pass), &plans).unwrap());
        assert_eq!(std::fs::read_to_string(folder.path().join("other.jsonl")).unwrap().lines().count(), 1);
        assert_eq!(long.credit(&plans).len(), 1);
        // Another name is another claim.
        assert_eq!(journal.credit(&plan_with("other")), []);
    }

    #[test]
    fn a_look_that_must_not_be_repeated_is_remembered_by_later_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let facts = |status: u32| Facts::from_iter([("status".to_owned(), status.into())]);
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.recall("login"), None);
        journal.remember("login", &facts(302));
        journal.remember("login", &facts(200));
        assert_eq!(journal.recall("login"), Some(facts(200)));
        assert_eq!(Journal::open(&path).unwrap().recall("login"), Some(facts(200)));
        // Nowhere to write: this run remembers all the same.
        let nowhere = Journal::open(Path::new("/proc/nonexistent/journal.jsonl")).unwrap();
        nowhere.remember("login", &facts(302));
        assert_eq!(nowhere.recall("login"), Some(facts(302)));
    }

    #[test]
    fn the_stages_of_a_hint_are_counted_for_each_cause_and_choice_of_parameters() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let (web, other) = (&plan_with("web")[0], &plan_with("other")[0]);
        let asked = |plan: &Plan, hint: &str| Journal::open(&path).unwrap().stages(plan, "web/server/runs", hint);
        assert_eq!(asked(web, "h"), 0);
        for stages in [2, 3] {
            Journal::open(&path).unwrap().note_stages(web, "web/server/runs", "h", stages).unwrap();
        }
        assert_eq!((asked(web, "h"), asked(web, "g"), asked(other, "h")), (3, 0, 0));
        assert_eq!(Journal::open(&path).unwrap().credit(&plan_with("web")), []);
    }

    #[test]
    fn a_journal_full_of_rubbish_credits_nothing_and_breaks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let params = fingerprint(&plan_with("web")[0]);
        let line = |check: &str, at: &str| {
            format!("{{\"pass\":{{\"check\":\"{check}\",\"params\":\"{params}\",\"at\":\"{at}\"}}}}")
        };
        let good = line("web/server/runs", "2026-03-02T14:05:09Z");
        let bad = [
            "\u{0}\u{1b}[31m",
            "{",
            "[]",
            "{\"pass\":{}}",
            &line("web/server/runs", "yesterday"),
            &line("web/server/runs", "<script>"),
            &line("lab9/x/y", "2026-03-02T14:05:09Z"),
        ];
        std::fs::write(&path, [bad.join("\n").as_bytes(), b"\n\xff\xfe\n"].concat()).unwrap();
        assert_eq!(Journal::open(&path).unwrap().credit(&plan_with("web")), []);
        std::fs::write(&path, format!("{}\n{good}", bad.join("\n"))).unwrap();
        assert_eq!(Journal::open(&path).unwrap().credit(&plan_with("web")).len(), 1);
        // What is beyond the bound is not read.
        std::fs::write(&path, format!("{}\n{good}", "x".repeat(MAX_BYTES as usize))).unwrap();
        assert_eq!(Journal::open(&path).unwrap().credit(&plan_with("web")), []);
        assert!(Journal::open(folder.path()).is_err());
    }
}
