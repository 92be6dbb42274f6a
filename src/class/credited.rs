//! What earlier classes saw to hold, as credit in this one: labs undo each other's work, and what was right when a teacher
//! looked was done. It is judged anew from the evidence of then, by the labs of now.

use std::collections::BTreeMap;

use crate::class::due::Recorded;
use crate::class::grade::{Rubric, recorded_params};
use crate::class::roster::Entry;
use crate::evidence::{Credit, CreditSource, Evidence};
use crate::judge::judge;
use crate::plan::Plan;
use crate::verdict::Outcome;

/// What an earlier class was graded on.
#[derive(Debug)]
pub struct Earlier {
    /// The evidence, which it heeded.
    pub evidence: Evidence,
    /// Who recorded it.
    pub by: Recorded,
}

/// What is credited to the checks of `plans`: each that was seen to hold, with the same parameters, and when that was
/// first. What a grader saw goes before what a student recorded.
pub fn credited(rubric: &Rubric, entry: &Entry, plans: &[Plan], earlier: &[Earlier]) -> Vec<Credit> {
    let mut all: BTreeMap<String, (Recorded, Credit)> = BTreeMap::new();
    for Earlier { evidence, by } in earlier {
        let source = match by {
            Recorded::ByGrader => CreditSource::Grader,
            Recorded::ByStudent => CreditSource::SelfReported,
        };
        let then = rubric.plans_for(&entry.id, |lab| recorded_params(evidence, lab));
        let is_asked = |plan: &&Plan| plans.iter().any(|now| now.id == plan.id && now.params == plan.params);
        let then: Vec<Plan> = then.iter().filter(is_asked).cloned().collect();
        let live = Evidence { credit: Vec::new(), ..evidence.clone() };
        for check in judge(&then, &live).checks().filter(|check| check.outcome == Outcome::Pass) {
            let new = Credit { check: check.address.clone(), at: evidence.finished.clone(), source };
            let goes_before = |(known, credit): &(Recorded, Credit)| (*by, &new.at) < (*known, &credit.at);
            if all.get(&check.address).is_none_or(goes_before) {
                all.insert(check.address.clone(), (*by, new));
            }
        }
    }
    all.into_values().map(|(_, credit)| credit).collect()
}
