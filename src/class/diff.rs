//! What changed from one grading of a class to another, student by student, and by which checks.

use crate::class::summary::{Class, StudentOfClass};
use crate::points::Points;
use crate::verdict::{Outcome, Score};

/// What changed for one student.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Whose.
    pub student: String,
    /// The sums before; none for somebody who was not there.
    pub before: Option<Score>,
    /// The sums now.
    pub after: Score,
    /// The checks that came out otherwise.
    pub checks: Vec<CheckChange>,
}

/// A check that came out otherwise, or is worth something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckChange {
    /// Its address.
    pub address: String,
    /// What it came to before, and was worth; none for one that was not there.
    pub before: Option<(Outcome, Points)>,
    /// What it comes to now; none for one that is no more there.
    pub after: Option<(Outcome, Points)>,
}

/// What changed from `before` to `after`; students for whom nothing did are left out.
pub fn changes(before: &Class, after: &Class) -> Vec<Change> {
    let changes = after.students.iter().map(|now| {
        let was = before.students.iter().find(|was| was.id == now.id);
        let checks = of_checks(before, after, was, now);
        Change { student: now.id.clone(), before: was.map(|was| was.points), after: now.points, checks }
    });
    changes.filter(|change| change.before != Some(change.after) || !change.checks.is_empty()).collect()
}

fn of_checks(before: &Class, after: &Class, was: Option<&StudentOfClass>, now: &StudentOfClass) -> Vec<CheckChange> {
    let Some(was) = was else { return Vec::new() };
    let worth = |class: &Class, student: &StudentOfClass, address: &str| {
        let outcome = *student.checks.get(address)?;
        let settled = student.settled.get(address).map(|settled| settled.points);
        let points = class.checks.iter().find(|check| check.address == address)?.points;
        let earned = if outcome == Outcome::Pass { points } else { Points::ZERO };
        Some((outcome, settled.unwrap_or(earned), points))
    };
    let gone = before.checks.iter().filter(|old| after.checks.iter().all(|new| new.address != old.address));
    let all = after.checks.iter().chain(gone).map(|check| &check.address);
    let changed = all.filter_map(|address| {
        let (old, new) = (worth(before, was, address), worth(after, now, address));
        let told = |(outcome, _, points): (Outcome, Points, Points)| (outcome, points);
        (old != new).then(|| CheckChange { address: address.clone(), before: old.map(told), after: new.map(told) })
    });
    changed.collect()
}
