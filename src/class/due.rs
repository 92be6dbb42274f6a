//! Whether work was done in time. What decides is when it was seen to hold, never when it was graded: evidence says
//! when it was recorded, and credit when an earlier run saw a check hold.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::class::roster::Origin;
use crate::evidence::{CreditSource, Evidence};
use crate::points::Points;
use crate::text::Text;
use crate::verdict::{CheckResult, LabResult, Outcome};

/// How the work on a lab stands to its due time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timeliness {
    /// Until when it was to be done, RFC 3339, UTC.
    pub due: String,
    /// When the last of what earns points was seen to hold, RFC 3339, UTC; when was looked, if nothing earns any.
    pub seen: String,
    /// What that means.
    pub standing: Punctuality,
    /// The points, bonus apart, of what was seen to hold by the due time.
    pub by_due: Points,
}

/// Whether work was done in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Punctuality {
    /// All of it was seen by the due time.
    OnTime,
    /// Some of it was seen only after it, in evidence that the student recorded then.
    Late,
    /// Some of it was seen only after it, when the grader looked: it may have been there before.
    SeenAfter,
}

/// Whether whoever recorded the evidence chose when. The more trusted one is the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recorded {
    /// The grader, who looks when they like.
    ByGrader,
    /// The student, who could have done so in time.
    ByStudent,
}

impl Recorded {
    /// Who records the evidence of work that is looked for there.
    pub fn of(origin: &Origin) -> Recorded {
        match origin {
            Origin::Evidence(_) => Recorded::ByStudent,
            Origin::Vm(_) | Origin::Repository(_) => Recorded::ByGrader,
        }
    }
}

/// How the work on `lab` stands to `due`; none where the times make no sense.
pub fn timeliness(due: &str, lab: &LabResult, evidence: &Evidence, recorded: Recorded) -> Option<Timeliness> {
    let due_at: Timestamp = due.parse().ok()?;
    let finished: Timestamp = evidence.finished.parse().ok()?;
    let seen_at = |check: &CheckResult| {
        let counts = |source: CreditSource| source == CreditSource::Grader || evidence.self_reported_counts;
        let credit = evidence.credit.iter().filter(|credit| credit.check == check.address && counts(credit.source));
        credit.filter_map(|credit| credit.at.parse::<Timestamp>().ok()).chain([finished]).min().unwrap_or(finished)
    };
    let checks = lab.steps.iter().flat_map(|step| &step.checks);
    // What a teacher decided has no time.
    let earned: Vec<&CheckResult> =
        checks.filter(|check| check.outcome == Outcome::Pass && check.settled.is_none()).collect();
    let seen = earned.iter().map(|check| seen_at(check)).max().unwrap_or(finished);
    let by_due = earned.iter().filter(|check| !check.bonus && seen_at(check) <= due_at).map(|check| check.points).sum();
    let standing = match recorded {
        _ if seen <= due_at => Punctuality::OnTime,
        Recorded::ByStudent => Punctuality::Late,
        Recorded::ByGrader => Punctuality::SeenAfter,
    };
    Some(Timeliness { due: due.to_owned(), seen: seen.to_string(), standing, by_due })
}

impl Timeliness {
    /// What is to be said of it, if anything.
    pub fn remark(&self, lab: &str) -> Option<Text> {
        let (due, seen): (Timestamp, Timestamp) = (self.due.parse().ok()?, self.seen.parse().ok()?);
        let after = in_words(seen.duration_since(due).unsigned_abs());
        match self.standing {
            Punctuality::OnTime => None,
            Punctuality::Late => Some(Text::new(
                format!("`{lab}` se vio hecho {after} después del plazo ({due}); se marca, y no resta puntos"),
                format!("`{lab}` was seen done {after} after it was due ({due}); that is flagged, and costs no points"),
            )),
            Punctuality::SeenAfter => Some(Text::new(
                format!(
                    "`{lab}` se miró {after} después del plazo ({due}), cuando miró el docente: no se sabe si estaba a tiempo"
                ),
                format!(
                    "`{lab}` was looked at {after} after it was due ({due}), when the teacher looked: whether it was \
                     there in time is not known"
                ),
            )),
        }
    }
}

/// `2 d 3 h`, `3 h 20 min`, `5 min`, `10 s`.
pub fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, 0) => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, 0, _) => format!("{days} d"),
        _ => format!("{days} d {hours} h"),
    }
}
