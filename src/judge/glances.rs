//! What the picture needs to know of a check: what it looked at, and by which of its looks it was decided.

use std::collections::BTreeSet;

use crate::evidence::Seen;
use crate::judge::sights::Leaning;
use crate::picture::Glance;
use crate::plan::PlannedCheck;
use crate::verdict::{CheckResult, Outcome};

/// The name of the positive twin of a negative claim among what a check leaned on.
pub const CONTROL: &str = "control";

/// The looks of `check`, which came to `result`; what answers the questions in `withheld` is shown to nobody. What a
/// student is asked is none of the picture's business.
pub fn glances<'e>(
    check: &'e PlannedCheck,
    leaned_on: &[Leaning<'e>],
    withheld: &BTreeSet<String>,
    result: &CheckResult,
) -> Vec<Glance<'e>> {
    if check.word.is_some() {
        return Vec::new();
    }
    let verdict = Some((check.address.as_str(), result.outcome));
    let is_given = |name: &str| check.given.iter().any(|(given, _)| given == name);
    let heads: Vec<&str> = result.mismatches.iter().filter_map(|mismatch| mismatch.fact.split('.').next()).collect();
    // Where something else than its own look did not hold, that is what it was decided by.
    let own_decides = result.outcome != Outcome::Fail || heads.is_empty() || !heads.iter().all(|head| is_given(head));
    let decides = |name: Option<&str>| match name {
        None => own_decides,
        Some(name) => result.outcome == Outcome::Fail && name != CONTROL && heads.contains(&name),
    };
    let mut all: Vec<Glance> = leaned_on
        .iter()
        .map(|(name, observation, sample)| Glance {
            probe: &observation.question.probe,
            args: &observation.question.args,
            from: &observation.question.from,
            facts: match &sample.seen {
                Seen::Facts(facts) => Some(facts),
                Seen::Unobserved(_) => None,
            },
            withheld: withheld.contains(&observation.question.key()),
            decides: verdict.filter(|_| decides(*name)),
        })
        .collect();
    if !leaned_on.iter().any(|(name, ..)| name.is_none()) {
        let ask = &check.ask;
        all.push(Glance {
            probe: ask.probe,
            args: &ask.args,
            from: &ask.from,
            facts: None,
            withheld: false,
            decides: verdict,
        });
    }
    all
}
