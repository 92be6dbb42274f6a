//! The checks as the page of a class shows them: the columns of the table, how each came out, and which were hard.

use serde::Serialize;

use crate::class::page::{MANY, Mark, NAME, lab_of, mark, name, prose};
use crate::class::summary::{CheckOfClass, Class};
use crate::render::tame;
use crate::text::Text;
use crate::verdict::Outcome;

/// A check: a column of the table, and a row of its own further down.
#[derive(Serialize)]
pub struct Column {
    /// Its number within its lab.
    pub n: usize,
    pub address: String,
    pub claim: Text,
    pub worth: String,
    /// Whether a lab begins here.
    pub first: bool,
    counts: Vec<(Mark, usize)>,
    segments: Vec<Segment>,
    hints: Vec<(Text, usize)>,
}

/// A part of a bar; places in percent.
#[derive(Serialize)]
struct Segment {
    outcome: &'static str,
    x: String,
    width: String,
}

/// A check that many do not pass.
#[derive(Serialize)]
pub struct Hard {
    address: String,
    claim: Text,
    n: usize,
    of: usize,
    segments: Vec<Segment>,
}

/// All checks, in order.
pub fn columns(class: &Class) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    let mut before = "";
    for check in &class.checks {
        let lab = lab_of(&check.address);
        let first = lab != before;
        let counts = Outcome::ALL.map(|outcome| (mark(outcome), count(check, outcome)));
        columns.push(Column {
            n: columns.last().filter(|_| !first).map_or(1, |column| column.n + 1),
            address: tame(&check.address, NAME),
            claim: name(&check.claim),
            worth: if check.bonus { format!("+{}", check.points) } else { check.points.to_string() },
            first,
            counts: counts.into_iter().filter(|(_, n)| *n > 0).collect(),
            segments: segments(check),
            hints: check.hints.iter().take(MANY).map(|hint| (prose(&hint.say), hint.students.len())).collect(),
        });
        before = lab;
    }
    columns
}

/// The checks that most students do not pass.
pub fn hardest(class: &Class) -> Vec<Hard> {
    let missed = |check: &CheckOfClass| count(check, Outcome::Fail) + count(check, Outcome::Blocked);
    let mut checks: Vec<&CheckOfClass> = class.checks.iter().filter(|check| missed(check) > 0).collect();
    checks.sort_by_key(|check| std::cmp::Reverse((missed(check), count(check, Outcome::Fail))));
    let hard = |check: &&CheckOfClass| Hard {
        address: tame(&check.address, NAME),
        claim: name(&check.claim),
        n: missed(check),
        of: check.outcomes.values().sum(),
        segments: segments(check),
    };
    checks.iter().take(MANY).map(hard).collect()
}

fn count(check: &CheckOfClass, outcome: Outcome) -> usize {
    check.outcomes.get(&outcome).copied().unwrap_or_default()
}

fn segments(check: &CheckOfClass) -> Vec<Segment> {
    let all: usize = check.outcomes.values().sum();
    let percent = |n: usize| format!("{:.2}%", n as f64 * 100.0 / all.max(1) as f64);
    let mut before = 0;
    let there = Outcome::ALL.into_iter().filter(|outcome| count(check, *outcome) > 0);
    let segment = |outcome: Outcome| {
        let (n, x) = (count(check, outcome), percent(before));
        before += n;
        Segment { outcome: outcome.word(), x, width: percent(n) }
    };
    there.map(segment).collect()
}
