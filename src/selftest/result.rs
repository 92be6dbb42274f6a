//! What became of a self-test, as plain data: `labrun/selftest/v1`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::Text;
use crate::verdict::Outcome;
use crate::worlds::Expected;

/// The value of [`Selftest::format`].
pub const FORMAT: &str = "labrun/selftest/v1";

/// What became of the worlds of some labs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Selftest {
    /// `labrun/selftest/v1`.
    pub format: String,
    /// The version of labrun that played.
    pub labrun: String,
    /// Whether everything came out as the worlds say and no check went untested.
    pub sound: bool,
    /// How many machines there were at once.
    pub jobs: usize,
    /// Milliseconds it took.
    pub took_ms: u64,
    /// The sorts of machine that were played on.
    pub machines: Vec<Sort>,
    /// One entry per world file.
    pub files: Vec<Tested>,
}

/// A sort of machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sort {
    /// What it is called below: its engine's version, short, unless two are equal in that.
    pub name: String,
    /// The version of its engine.
    pub engine: String,
    /// The image or the command that machines of this sort are made by.
    pub made_by: String,
}

/// What became of the worlds of one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tested {
    /// The name of the file: mostly that of a lab.
    pub name: String,
    /// The labs looked at.
    pub labs: Vec<String>,
    /// All checks of these labs, in order.
    pub checks: Vec<TestedCheck>,
    /// Whether all worlds of the file were played.
    pub whole: bool,
    /// What became of each world on each sort of machine.
    pub plays: Vec<Play>,
}

/// What all the plays of a file together say of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestedCheck {
    /// `lab1/port/bound`.
    pub address: String,
    /// The outcomes it came to in any play, most severe first.
    pub outcomes: Vec<Outcome>,
    /// Its hints and notes that were shown.
    pub advice_shown: Vec<String>,
    /// Its hints and notes that no play showed.
    pub advice_never_shown: Vec<String>,
}

impl TestedCheck {
    /// Whether nothing that a student did wrong, of all that was played, ever failed it, though it was judged.
    pub fn is_never_tripped(&self) -> bool {
        !self.outcomes.contains(&Outcome::Fail) && !self.is_never_judged()
    }

    /// Whether it is left to somebody or something else wherever it is not blocked or unknown.
    pub fn is_never_judged(&self) -> bool {
        let left = [Outcome::Deferred, Outcome::Blocked, Outcome::Unknown];
        self.outcomes.contains(&Outcome::Deferred) && self.outcomes.iter().all(|outcome| left.contains(outcome))
    }
}

/// One world on one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Play {
    /// The world's name.
    pub world: String,
    /// What the student did.
    pub about: Text,
    /// The sort of machine.
    pub machine: String,
    /// Why it was not played on this sort of machine, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Text>,
    /// Milliseconds from asking for the machine to its end.
    pub took_ms: u64,
    /// Each time somebody looked.
    pub looks: Vec<Look>,
    /// What kept it from being played to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// The plays of it before this one, which did not come to anything that could be judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retried: Vec<Play>,
}

impl Play {
    /// Whether it came out otherwise than expected, and yet nothing in it was judged wrongly: it was not played to its end,
    /// or checks came to `unknown`. Another play may tell more. A wrong mark is none of these.
    pub fn is_undetermined(&self) -> bool {
        let mut wrong = self.looks.iter().flat_map(|look| &look.cells).filter(|cell| !cell.is_sound());
        !self.is_sound() && wrong.all(|cell| cell.got.outcome == Outcome::Unknown)
    }

    /// Whether it came out as the world says, but not at the first play.
    pub fn is_flaky(&self) -> bool {
        self.is_sound() && !self.retried.is_empty()
    }

    /// Whether everything came out as the world says.
    pub fn is_sound(&self) -> bool {
        self.trouble.is_none() && self.looks.iter().flat_map(|look| &look.cells).all(Cell::is_sound)
    }
}

/// One time that somebody looked at a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Look {
    /// What the student did since the last time, where the world says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Text>,
    /// Milliseconds that the scripts before it took.
    pub script_ms: u64,
    /// Milliseconds that looking and judging took.
    pub check_ms: u64,
    /// What each check came to.
    pub cells: Vec<Cell>,
}

/// What one check came to, and what the world says it must.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// `lab1/port/bound`.
    pub address: String,
    /// What the world says; null where it leaves that open.
    pub expected: Option<Expected>,
    /// What it came to.
    pub got: Expected,
    /// Whether it holds no longer, and came to this by the credit of an earlier look.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credited: bool,
    /// Why it came to that, where that is not what the world says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

impl Cell {
    /// Whether it came out as the world says. A world need not say which note a check shows.
    pub fn is_sound(&self) -> bool {
        let Some(expected) = &self.expected else { return true };
        expected.outcome == self.got.outcome && (expected.advice.is_none() || expected.advice == self.got.advice)
    }
}

impl Tested {
    /// Puts together what the plays say of each check; `advice` are all hints and notes of the checks, in order.
    pub fn new(
        name: String,
        labs: Vec<String>,
        advice: &[(String, Vec<String>)],
        whole: bool,
        plays: Vec<Play>,
    ) -> Tested {
        let cells = || plays.iter().flat_map(|play| &play.looks).flat_map(|look| &look.cells);
        let mut seen: BTreeMap<&str, (BTreeSet<Outcome>, BTreeSet<&str>)> = BTreeMap::new();
        for cell in cells() {
            let (outcomes, shown) = seen.entry(&cell.address).or_default();
            outcomes.insert(cell.got.outcome);
            shown.extend(cell.got.advice.as_deref());
        }
        let checks = advice.iter().map(|(address, all)| {
            let (outcomes, shown) = seen.remove(address.as_str()).unwrap_or_default();
            let (advice_shown, advice_never_shown) = all.iter().cloned().partition(|id| shown.contains(id.as_str()));
            let outcomes = outcomes.into_iter().rev().collect();
            TestedCheck { address: address.clone(), outcomes, advice_shown, advice_never_shown }
        });
        let checks = checks.collect();
        Tested { name, labs, checks, whole, plays }
    }

    /// The checks that nothing ever failed, if that says anything: all worlds were played, and are of one lab.
    pub fn never_tripped(&self) -> impl Iterator<Item = &TestedCheck> {
        let tells = self.whole && self.labs.len() == 1;
        self.checks.iter().filter(move |check| tells && check.is_never_tripped())
    }

    /// Whether everything came out as the worlds say and no check went untested.
    pub fn is_sound(&self) -> bool {
        self.plays.iter().all(Play::is_sound) && self.never_tripped().next().is_none()
    }
}
