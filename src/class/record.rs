//! The journal of a class: what was begun, who was to be looked at, and what came of each look, one JSON line each, only
//! ever appended to. Here are its lines and what they add up to; `run` writes and reads the file.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::class::roster::{Entry, Origin, Roster};
use crate::course::Course;
use crate::plan::Settings;
use crate::text::Text;

/// The value of [`Begun::format`].
pub const JOURNAL_FORMAT: &str = "labrun/class-journal/v1";

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first: what the class is graded by.
    Begun(Begun),
    /// What is asked for from here on, as far as it may change.
    Asked(Asked),
    /// A student was looked at.
    Looked(Looked),
}

/// What a class is graded by. Its files lie beside the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// `labrun/class-journal/v1`.
    pub format: String,
    /// The labs, in the order asked for.
    pub labs: Vec<LabFile>,
    /// The course that the labs belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<Course>,
    /// What `--set` set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: Settings,
    /// The code that evidence must carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// Whether parameters are made of students' ids.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
    /// The folders of earlier classes that are credited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credit_from: Vec<String>,
}

/// What may change while a class is graded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The language of what is written.
    pub lang: String,
    /// The students, and when their work is due.
    pub roster: Roster,
}

/// A lab of the class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabFile {
    /// Its id.
    pub lab: String,
    /// Its file.
    pub file: Copy,
    /// The steps asked for; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// Whether it is one of the course's folder, for which the course settles parameters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_library: bool,
    /// The library checks that it may use, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, Copy>,
}

/// A file, copied to `labs/DIGEST.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// Where it came from.
    pub source: String,
    /// SHA-256 (hex) of its text.
    pub sha256: String,
}

/// What came of looking at a student.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Looked {
    /// Their id.
    pub student: String,
    /// Where was looked.
    pub origin: Origin,
    /// When that ended, RFC 3339, UTC.
    pub at: String,
    /// SHA-256 (hex) of `STUDENT/evidence.json`, if there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// Why their work could not be seen, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Text>,
    /// Milliseconds it took.
    pub took_ms: u64,
    /// What earlier classes had of them then, in the order of `STUDENT/earlier-N.json`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierLook>,
}

/// Evidence that an earlier class was graded on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierLook {
    /// Where was looked.
    pub origin: Origin,
    /// SHA-256 (hex) of it.
    pub evidence: String,
}

/// What the lines of a journal add up to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// What the class is graded by.
    pub begun: Option<Begun>,
    /// What is asked for.
    pub asked: Asked,
    /// The last look at each student.
    pub looked: BTreeMap<String, Looked>,
}

impl State {
    /// Takes in one line more.
    pub fn take(&mut self, line: Line) {
        match line {
            Line::Begun(begun) => self.begun = Some(begun),
            Line::Asked(asked) => self.asked = asked,
            Line::Looked(looked) => drop(self.looked.insert(looked.student.clone(), looked)),
        }
    }

    /// What a journal says, and how many bytes of it are whole lines: a run that was killed may have left half of one,
    /// which says nothing.
    ///
    /// # Errors
    /// The number of the line that is none.
    pub fn read(text: &[u8]) -> Result<(State, usize), usize> {
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut state = State::default();
        for (n, line) in text[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
            state.take(serde_json::from_slice(line).map_err(|_| n + 1)?);
            let known = state.begun.as_ref().is_some_and(|begun| begun.format == JOURNAL_FORMAT);
            if !known {
                return Err(n + 1);
            }
        }
        Ok((state, whole))
    }

    /// Who is still to be looked at: those that never were, those that could not be seen, and those in `again`.
    pub fn open<'r>(&self, roster: &'r Roster, again: &BTreeSet<String>) -> Vec<&'r Entry> {
        let is_open = |entry: &&Entry| match self.looked.get(&entry.id) {
            None => true,
            Some(looked) => looked.trouble.is_some() || again.contains(&entry.id),
        };
        roster.students.iter().filter(is_open).collect()
    }
}

impl Begun {
    /// What of `self` is not as it was in `before`.
    pub fn differs_from(&self, before: &Begun) -> Vec<String> {
        let mut all = Vec::new();
        let sums = |checks: &BTreeMap<String, Copy>| -> Vec<(String, String)> {
            checks.iter().map(|(name, copy)| (name.clone(), copy.sha256.clone())).collect()
        };
        let ids = |begun: &Begun| begun.labs.iter().map(|lab| lab.lab.clone()).collect::<Vec<_>>().join(" ");
        if ids(self) != ids(before) {
            all.push(format!("the labs are {}, not {}", ids(self), ids(before)));
        }
        for lab in &self.labs {
            let Some(old) = before.labs.iter().find(|old| old.lab == lab.lab) else { continue };
            if lab.file.sha256 != old.file.sha256 || sums(&lab.checks) != sums(&old.checks) {
                all.push(format!("`{}` is another version of the lab", lab.lab));
            } else if lab.file.source != old.file.source {
                all.push(format!("`{}` comes from {}, not {}", lab.lab, lab.file.source, old.file.source));
            }
            if lab.steps != old.steps {
                all.push(format!("other steps of `{}` are asked for", lab.lab));
            }
        }
        let others = [
            (self.course != before.course, "the course is another"),
            (self.set != before.set, "other parameters are set (`--set`)"),
            (self.credit_from != before.credit_from, "other classes are credited (`--credit-from`)"),
            (self.challenge != before.challenge, "another code is asked for (`--challenge`)"),
            (
                self.personal != before.personal,
                "parameters are made of students' ids in one, not in the other (`--personal`)",
            ),
        ];
        all.extend(others.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what.to_owned()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Begun {
        let file = Copy { source: "labs/lab1.yaml".to_owned(), sha256: "aa".to_owned() };
        Begun {
            format: JOURNAL_FORMAT.to_owned(),
            labs: vec![LabFile {
                lab: "lab1".to_owned(),
                file,
                steps: Vec::new(),
                of_library: true,
                checks: BTreeMap::new(),
            }],
            course: None,
            set: Settings::new(),
            challenge: None,
            personal: false,
            credit_from: Vec::new(),
        }
    }

    fn looked(student: &str, trouble: bool) -> Line {
        let trouble = trouble.then(|| Text::same("x"));
        let origin = Origin::Evidence("a.json".to_owned());
        Line::Looked(Looked {
            student: student.to_owned(),
            origin,
            at: "t".to_owned(),
            evidence: None,
            trouble,
            took_ms: 1,
            earlier: Vec::new(),
        })
    }

    fn text(lines: &[Line]) -> Vec<u8> {
        lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect::<String>().into_bytes()
    }

    #[test]
    fn half_a_line_at_the_end_says_nothing_and_one_in_the_middle_is_no_journal() {
        let whole = text(&[Line::Begun(begun()), looked("ana", false), looked("bea", true)]);
        let (state, length) = State::read(&whole).unwrap();
        assert_eq!((state.looked.len(), length), (2, whole.len()));
        // Cut at any byte, what is left is the lines before.
        for cut in 0..whole.len() {
            let (state, length) = State::read(&whole[..cut]).unwrap();
            assert_eq!(
                state.looked.len(),
                whole[..cut].iter().filter(|byte| **byte == b'\n').count().saturating_sub(1)
            );
            assert!(length <= cut);
        }
        let broken =
            [text(&[Line::Begun(begun())]), b"{\"looked\":\n".to_vec(), text(&[looked("ana", false)])].concat();
        assert_eq!(State::read(&broken), Err(2));
        assert_eq!(State::read(&text(&[looked("ana", false)])), Err(1));
    }

    #[test]
    fn the_last_look_counts_and_trouble_is_tried_again() {
        let lines = [
            Line::Begun(begun()),
            looked("ana", true),
            looked("ana", false),
            looked("bea", true),
            looked("leo", false),
        ];
        let (state, _) = State::read(&text(&lines)).unwrap();
        let entry = |id: &str| Entry {
            id: id.to_owned(),
            name: None,
            email: None,
            moodle: None,
            canvas: None,
            key: None,
            origin: Origin::Evidence(String::new()),
            due: BTreeMap::new(),
        };
        let roster = Roster { students: ["ana", "bea", "leo", "zoe"].map(entry).into(), due: BTreeMap::new() };
        let open = |again: &[&str]| -> Vec<String> {
            let again = again.iter().map(|id| (*id).to_owned()).collect();
            state.open(&roster, &again).iter().map(|entry| entry.id.clone()).collect()
        };
        assert_eq!(open(&[]), ["bea", "zoe"]);
        assert_eq!(open(&["leo"]), ["bea", "leo", "zoe"]);
    }

    #[test]
    fn what_differs_is_said() {
        assert_eq!(begun().differs_from(&begun()), [""; 0]);
        let mut other = begun();
        other.labs[0].file.sha256 = "bb".to_owned();
        other.set.insert("port".to_owned(), "1".to_owned());
        let said = other.differs_from(&begun());
        assert_eq!(said, ["`lab1` is another version of the lab", "other parameters are set (`--set`)"]);
        other.labs[0].lab = "lab2".to_owned();
        assert_eq!(other.differs_from(&begun())[0], "the labs are lab2, not lab1");
    }
}
