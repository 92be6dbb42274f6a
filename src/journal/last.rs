//! What the last look at each lab came to, a file for each beside the journal: enough to say without the machine what
//! comes next. Whoever owns the machine can write it, so it is read within bounds and is the base of no mark.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::Plan;
use crate::private;
use crate::verdict::{CheckResult, LabResult, Report, StepResult};

/// The value of [`Last::format`]; a file of any other is passed over.
const FORMAT: &str = "labrun/last/v1";
/// A larger file is neither written nor read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The folder of these files.
#[derive(Debug)]
pub struct Lasts(PathBuf);

/// What the last look at each step of one lab came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Last {
    format: String,
    /// Which version of the lab that was.
    pub digest: String,
    /// With which parameters.
    pub params: BTreeMap<String, Value>,
    /// The steps that were looked at, by address.
    pub steps: BTreeMap<String, Seen>,
}

/// What one look at a step came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// When that was, RFC 3339 in UTC.
    pub at: String,
    /// The step, as the report had it.
    pub step: StepResult,
}

impl Last {
    /// When the latest of its looks was.
    pub fn at(&self) -> &str {
        self.steps.values().map(|seen| seen.at.as_str()).max().unwrap_or_default()
    }
}

impl Lasts {
    /// Those beside the journal at `path`.
    pub fn beside(journal: &Path) -> Lasts {
        Lasts(journal.with_file_name("last"))
    }

    fn path(&self, lab: &str) -> PathBuf {
        self.0.join(format!("{lab}.json"))
    }

    /// What is kept of a lab, if that can be made sense of.
    pub fn of(&self, lab: &str) -> Option<Last> {
        let mut text = Vec::new();
        let file = File::open(self.path(lab)).ok()?;
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut text).ok()?;
        if text.len() > MAX_BYTES {
            return None;
        }
        let last: Last = serde_json::from_slice(&text).ok()?;
        (last.format == FORMAT).then_some(last)
    }

    /// Keeps what `report` says of each of its labs. Steps that it says nothing of stay as they were, unless that was
    /// another version of the lab or another choice of its parameters.
    ///
    /// # Errors
    /// When a file or the folder cannot be written.
    pub fn keep(&self, report: &Report, plans: &[Plan]) -> io::Result<()> {
        report.labs.iter().zip(plans).try_for_each(|(lab, plan)| self.keep_lab(lab, plan, &report.finished))
    }

    fn keep_lab(&self, lab: &LabResult, plan: &Plan, at: &str) -> io::Result<()> {
        let of_the_same = |last: &Last| last.digest == plan.digest && last.params == plan.params;
        let before = self.of(&lab.id).filter(of_the_same);
        let mut last = before.unwrap_or_else(|| Last {
            format: FORMAT.to_owned(),
            digest: plan.digest.clone(),
            params: plan.params.clone(),
            steps: BTreeMap::new(),
        });
        for step in &lab.steps {
            let mut step = step.clone();
            step.checks.iter_mut().for_each(shorten);
            last.steps.insert(step.address.clone(), Seen { at: at.to_owned(), step });
        }
        let text = serde_json::to_vec(&last)?;
        if text.len() > MAX_BYTES {
            return Err(io::Error::other("more than 1 MiB"));
        }
        private::folder(&self.0)?;
        // Whole or not at all, and for nobody else to read.
        let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
        file.write_all(&text)?;
        file.persist(self.path(&lab.id))?;
        Ok(())
    }
}

/// Leaves of a check what is shown again.
fn shorten(check: &mut CheckResult) {
    check.expected.clear();
    check.mismatches.truncate(1);
    check.answer = None;
    check.note = None;
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::evidence::Evidence;
    use crate::judge::judge;
    use crate::plan::{Settings, plan};
    use crate::source::Source;

    const LAB: &str = r#"{labrun: lab/v1, id: web, title: {es: x, en: x}, params: {name: web}, steps: [
        {id: one, title: {es: x, en: x}, checks: [
        {id: runs, points: 1, claim: {es: x, en: x}, probe: {container: {name: "${name}"}}, expect: {status: running},
         hints: [{id: h, say: [{es: x, en: x}]}]}]},
        {id: two, title: {es: x, en: x}, checks: [
        {id: runs, points: 1, claim: {es: x, en: x}, probe: {container: {name: other}}, expect: {status: running},
         hints: [{id: h, say: [{es: x, en: x}]}]}]}]}"#;

    fn planned(name: &str, steps: &[&str]) -> Vec<Plan> {
        let settings = Settings::from([("name".to_owned(), name.to_owned())]);
        let steps: Vec<String> = steps.iter().map(|step| (*step).to_owned()).collect();
        vec![plan(&Source::new("web.yaml", LAB), &BTreeMap::new(), &settings, &steps).unwrap()]
    }

    fn keep(lasts: &Lasts, plans: &[Plan], at: &str) {
        let mut report = judge(plans, &Evidence::default());
        report.finished = at.to_owned();
        lasts.keep(&report, plans).unwrap();
    }

    #[test]
    fn a_look_at_one_step_leaves_the_others_as_they_were_seen() {
        let folder = tempfile::tempdir().unwrap();
        let lasts = Lasts::beside(&folder.path().join("deep/journal.jsonl"));
        assert_eq!(lasts.of("web"), None);
        keep(&lasts, &planned("web", &[]), "2026-03-02T10:00:00Z");
        keep(&lasts, &planned("web", &["two"]), "2026-03-02T11:00:00Z");
        let last = lasts.of("web").unwrap();
        let at: Vec<&str> = last.steps.values().map(|seen| &seen.at[11..13]).collect();
        assert_eq!((at, last.at()), (vec!["10", "11"], "2026-03-02T11:00:00Z"));
        // What was seen with other parameters says nothing of these.
        keep(&lasts, &planned("other", &["two"]), "2026-03-02T12:00:00Z");
        assert_eq!(lasts.of("web").unwrap().steps.len(), 1);
        let mode = std::fs::metadata(lasts.path("web")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let lasts = Lasts::beside(&folder.path().join("journal.jsonl"));
        keep(&lasts, &planned("web", &[]), "2026-03-02T10:00:00Z");
        let good = std::fs::read_to_string(lasts.path("web")).unwrap();
        for bad in [
            "",
            "[]",
            "{}",
            &good.replace("last/v1", "last/v2"),
            &good[1..],
            &format!("{good}{}", " ".repeat(MAX_BYTES)),
        ] {
            std::fs::write(lasts.path("web"), bad).unwrap();
            assert_eq!(lasts.of("web"), None, "{}", &bad[..bad.len().min(40)]);
        }
    }
}
