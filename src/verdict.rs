//! The result shape: `labrun/report/v1`. Plain data that every renderer reads; texts stay in both languages.

pub mod picture;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evidence::{Cause, CourseFacts, CreditSource, Facts, Machine};
use crate::points::Points;
use crate::text::Text;
use crate::vantage::Vantage;
use crate::verdict::picture::Picture;

/// The value of [`Report::format`].
pub const FORMAT: &str = "labrun/report/v1";

/// What became of the labs of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `labrun/report/v1`.
    pub format: String,
    /// The version of labrun that judged.
    pub labrun: String,
    /// When the machine was looked at, RFC 3339, UTC.
    pub started: String,
    /// When the looking ended, RFC 3339, UTC.
    pub finished: String,
    /// The machine that was looked at.
    pub machine: Machine,
    /// Who is graded, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student: Option<String>,
    /// What is wrong with what the student handed in, and was not heeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Text>,
    /// The worst outcome in it, in the order of the exit codes.
    pub outcome: Outcome,
    /// The sums over all labs.
    pub points: Score,
    /// What the labs come to together, if all of the course are there as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<CourseResult>,
    /// What there was on the machine, and who reached whom, to be drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
    /// One entry per lab, in the order asked for.
    pub labs: Vec<LabResult>,
}

/// What became of a whole course.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CourseResult {
    /// The course's id.
    pub id: String,
    /// Its title.
    pub title: Text,
    /// The sums over its labs, each scaled to its weight.
    pub points: Score,
}

/// What became of one lab.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LabResult {
    /// The lab's id, e.g. `lab1`.
    pub id: String,
    /// Its title.
    pub title: Text,
    /// Where its file came from: a path, or `built-in`.
    pub source: String,
    /// SHA-256 (hex) over its file and the library checks it uses.
    pub digest: String,
    /// The worst outcome in it.
    pub outcome: Outcome,
    /// The sums over its steps.
    pub points: Score,
    /// Its steps, in order.
    pub steps: Vec<StepResult>,
}

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepResult {
    /// `lab1/port`.
    pub address: String,
    /// The step's title.
    pub title: Text,
    /// The worst outcome in it.
    pub outcome: Outcome,
    /// The sums over its checks.
    pub points: Score,
    /// Its checks, in order.
    pub checks: Vec<CheckResult>,
}

/// What became of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// `lab1/port/bound`.
    pub address: String,
    /// What the check claims, in the words of a person.
    pub claim: Text,
    /// What it is worth.
    pub points: Points,
    /// Whether its points come on top and are never missed.
    pub bonus: bool,
    /// What became of it.
    pub outcome: Outcome,
    /// What was expected, one entry per expectation.
    pub expected: Vec<Text>,
    /// What did not hold: present for a fail, and for what a blocked check saw.
    pub mismatches: Vec<Mismatch>,
    /// The checks and steps that block this one.
    pub blocked_by: Vec<String>,
    /// Why it could not be determined.
    pub unknown: Option<Doubt>,
    /// To whom or what it is deferred, and how to have it judged.
    pub deferred: Option<Text>,
    /// What an earlier run saw of it, where that decides or is left to the teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit: Option<Credited>,
    /// What a teacher decided on it, which then is what counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// What the student answered, where a teacher is to judge it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The author's hint, in stages: read the first, and go on only if it did not help.
    pub hint: Option<Hint>,
    /// The author's remark on a way of passing that deserves one.
    pub note: Option<Hint>,
    /// Where the probe stood.
    pub from: Vantage,
    /// The network namespace that was looked from, `net:[4026532491]`, where it is a container's and known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A shell command with which the student sees the same.
    pub command: String,
    /// Milliseconds the looking took.
    pub took_ms: u64,
    /// What was looked at for it, and seen there when it was decided: each `given` by its name, then the check's own
    /// observation, then its control. Empty where it would give the answer to a question away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sights: Vec<Sight>,
}

/// One observation that a verdict rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sight {
    /// The name under which the check refers to it; none for the check's own, `control` for its control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kind of probe, e.g. `postgres`.
    pub probe: String,
    /// Where it stood.
    pub from: Vantage,
    /// A shell command with which the student sees the same (bounded).
    pub command: String,
    /// Milliseconds from the start of the run to the first look, if what was seen then did not decide yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_from_ms: Option<u64>,
    /// Milliseconds from the start of the run to the look that decided.
    pub at_ms: u64,
    /// Milliseconds that took.
    pub took_ms: u64,
    /// What was seen, cut to some thousand characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
    /// Why nothing could be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Text>,
}

/// That an earlier run saw a claim hold which this one does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Credited {
    /// When it was seen to hold, RFC 3339, UTC.
    pub at: String,
    /// Whose word that is.
    pub source: CreditSource,
    /// What this run saw.
    pub now: Outcome,
}

/// What a teacher decided, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Settled {
    /// What the check earns.
    pub points: Points,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub by: String,
    /// What labrun found.
    pub was: Outcome,
}

/// What became of a claim. The order is the order of severity, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Seen to hold.
    Pass,
    /// Not judged in this run, by design.
    Deferred,
    /// It could not be determined.
    Unknown,
    /// Something it needs failed.
    Blocked,
    /// The work was seen to be wrong.
    Fail,
}

impl Outcome {
    /// The word in reports and world files.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Deferred => "deferred",
            Outcome::Unknown => "unknown",
            Outcome::Blocked => "blocked",
            Outcome::Fail => "fail",
        }
    }

    /// All of them, most severe first.
    pub const ALL: [Outcome; 5] = [Outcome::Fail, Outcome::Blocked, Outcome::Unknown, Outcome::Deferred, Outcome::Pass];
}

/// One expectation that did not hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mismatch {
    /// The fact it is about, as a path: `bindings`, `box.status`.
    pub fact: String,
    /// What was expected of it.
    pub expected: Text,
    /// The value seen (bounded); null when there was none.
    pub seen: Value,
}

/// Why something could not be determined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Doubt {
    /// What broke; none when what was read is incomplete or a control did not hold.
    pub cause: Option<Cause>,
    /// In words, with the remedy where there is one.
    pub why: Text,
}

/// What the author says about a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hint {
    /// The hint's name in the lab file.
    pub id: String,
    /// Its stages, each saying a little more.
    pub say: Vec<Text>,
}

/// Where the points are. `earned + lost + undetermined + deferred = possible`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// Of claims seen to hold.
    pub earned: Points,
    /// Of claims that failed or are blocked.
    pub lost: Points,
    /// Of claims that could not be determined.
    pub undetermined: Points,
    /// Of claims this run is not meant to judge.
    pub deferred: Points,
    /// All of them together.
    pub possible: Points,
    /// Earned on top.
    pub bonus: Points,
}

impl Score {
    /// Counts one check.
    pub fn count(&mut self, outcome: Outcome, points: Points, bonus: bool) {
        if bonus {
            if outcome == Outcome::Pass {
                self.bonus += points;
            }
            return;
        }
        self.possible += points;
        *match outcome {
            Outcome::Pass => &mut self.earned,
            Outcome::Fail | Outcome::Blocked => &mut self.lost,
            Outcome::Unknown => &mut self.undetermined,
            Outcome::Deferred => &mut self.deferred,
        } += points;
    }

    /// Counts a check on which a teacher has decided.
    fn count_settled(&mut self, settled: &Settled, points: Points, bonus: bool) {
        if bonus {
            self.bonus += settled.points;
            return;
        }
        self.possible += points;
        self.earned += settled.points;
        self.lost += points.less(settled.points);
    }

    /// Whether nothing of it is still open, so that it is a mark.
    pub fn is_final(&self) -> bool {
        self.undetermined == Points::ZERO && self.deferred == Points::ZERO
    }

    /// The same as if all points together were `weight`; every hundredth of it stays somewhere.
    pub fn scaled(&self, weight: Points) -> Score {
        let whole = u64::from(self.possible.hundredths());
        let share =
            |points: Points| (u64::from(points.hundredths()) * u64::from(weight.hundredths())).checked_div(whole);
        let parts = [self.earned, self.lost, self.undetermined, self.deferred];
        let mut scaled = parts.map(|part| share(part).unwrap_or_default() as u32);
        // What rounding down leaves over goes to the largest rests, of equal ones to the first.
        let rest = |part: Points| {
            (u64::from(part.hundredths()) * u64::from(weight.hundredths())).checked_rem(whole).unwrap_or_default()
        };
        let mut order = [0, 1, 2, 3];
        order.sort_by_key(|at| std::cmp::Reverse(rest(parts[*at])));
        let sum: u32 = scaled.iter().sum();
        let left = if whole == 0 { 0 } else { weight.hundredths().saturating_sub(sum) };
        order.iter().take(left as usize).for_each(|at| scaled[*at] += 1);
        let [earned, lost, undetermined, deferred] = scaled.map(Points::from_hundredths);
        let possible = if whole == 0 { Points::ZERO } else { weight };
        let bonus = Points::from_hundredths(share(self.bonus).unwrap_or_default() as u32);
        Score { earned, lost, undetermined, deferred, possible, bonus }
    }

    /// Adds up the parts of something larger.
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Score>) -> Score {
        parts.into_iter().fold(Score::default(), |a, b| Score {
            earned: a.earned + b.earned,
            lost: a.lost + b.lost,
            undetermined: a.undetermined + b.undetermined,
            deferred: a.deferred + b.deferred,
            possible: a.possible + b.possible,
            bonus: a.bonus + b.bonus,
        })
    }
}

impl Report {
    /// Every check of every lab, in order.
    pub fn checks(&self) -> impl Iterator<Item = &CheckResult> {
        self.labs.iter().flat_map(|lab| &lab.steps).flat_map(|step| &step.checks)
    }

    /// Makes every sum and every outcome anew of those of the checks; `course` is the course that the report speaks of.
    pub fn sum_up(&mut self, course: Option<&CourseFacts>) {
        for lab in &mut self.labs {
            for step in &mut lab.steps {
                step.points = Score::default();
                for check in &step.checks {
                    match &check.settled {
                        Some(settled) => step.points.count_settled(settled, check.points, check.bonus),
                        None => step.points.count(check.outcome, check.points, check.bonus),
                    }
                }
                let counted = step.checks.iter().filter(|check| !check.is_missed_bonus());
                step.outcome = worst(counted.map(|check| check.outcome));
            }
            lab.points = Score::sum(lab.steps.iter().map(|step| &step.points));
            lab.outcome = worst(lab.steps.iter().map(|step| step.outcome));
        }
        self.points = Score::sum(self.labs.iter().map(|lab| &lab.points));
        self.outcome = worst(self.labs.iter().map(|lab| lab.outcome));
        if let (Some(result), Some(course)) = (&mut self.course, course) {
            let weight = |lab: &LabResult| course.labs.iter().find(|of| of.lab == lab.id).map(|of| of.weight);
            let scaled: Vec<Score> = self.labs.iter().filter_map(|lab| Some(lab.points.scaled(weight(lab)?))).collect();
            result.points = Score::sum(&scaled);
        }
    }
}

impl CheckResult {
    /// What it earns; nobody knows as long as it is unknown or deferred.
    pub fn earns(&self) -> Option<Points> {
        match (&self.settled, self.outcome) {
            (Some(settled), _) => Some(settled.points),
            (None, Outcome::Pass) => Some(self.points),
            (None, Outcome::Fail | Outcome::Blocked) => Some(Points::ZERO),
            (None, Outcome::Unknown | Outcome::Deferred) => None,
        }
    }

    /// Whether it is a bonus that was not earned: that takes nothing away, not a point, and not the colour of its step.
    pub fn is_missed_bonus(&self) -> bool {
        self.bonus && matches!(self.outcome, Outcome::Fail | Outcome::Blocked)
    }
}

/// The most severe of `outcomes`; of none, nothing is wrong.
pub fn worst(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    outcomes.max().unwrap_or(Outcome::Pass)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn score(parts: [u32; 4]) -> Score {
        let mut score = Score::default();
        for (outcome, part) in
            [Outcome::Pass, Outcome::Fail, Outcome::Unknown, Outcome::Deferred].into_iter().zip(parts)
        {
            score.count(outcome, Points::from_hundredths(part), false);
        }
        score
    }

    #[test]
    fn a_scaled_score_keeps_its_shares() {
        let weight = Points::from_hundredths(1000);
        assert_eq!(score([100, 200, 0, 0]).scaled(weight), score([333, 667, 0, 0]));
        assert_eq!(score([50, 50, 50, 0]).scaled(weight), score([334, 333, 333, 0]));
        assert_eq!(score([700, 0, 0, 0]).scaled(weight), score([1000, 0, 0, 0]));
        assert_eq!(score([0; 4]).scaled(weight), Score::default(), "a lab without points weighs nothing");
        assert_eq!(score([1, 2, 3, 4]).scaled(Points::ZERO), Score::default());
    }

    proptest! {
        #[test]
        fn not_a_hundredth_gets_lost_and_nothing_comes_of_nothing(parts in any::<[u16; 4]>(), weight in 0..1_000_000_u32) {
            let parts = parts.map(u32::from);
            prop_assume!(parts.iter().any(|part| *part > 0));
            let scaled = score(parts).scaled(Points::from_hundredths(weight));
            let whole = scaled.earned + scaled.lost + scaled.undetermined + scaled.deferred;
            prop_assert_eq!(whole, scaled.possible);
            prop_assert_eq!(scaled.possible.hundredths(), weight);
            for (before, after) in parts.into_iter().zip([scaled.earned, scaled.lost, scaled.undetermined, scaled.deferred]) {
                prop_assert!(before > 0 || after == Points::ZERO);
            }
        }
    }
}
