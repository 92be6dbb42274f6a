//! Which step comes next, and which check of a lab a student means.

use crate::guide::Lab;
use crate::plan::{PlannedCheck, PlannedStep};
use crate::verdict::Outcome;

/// The step to work on: the first that is not seen to hold, of the lab that was looked at last, then of the others.
pub fn next_step(labs: &[Lab]) -> Option<(&Lab, &PlannedStep)> {
    let latest = |lab: &&Lab| lab.looks.values().map(|(at, _)| at.clone()).max();
    let current = labs.iter().filter(|lab| !lab.looks.is_empty()).max_by_key(latest);
    current.into_iter().chain(labs).find_map(|lab| {
        // What is wrong can be put right now; what nobody has looked at can be done now.
        let first = |wanted: &dyn Fn(Option<Outcome>) -> bool| {
            lab.plan.steps.iter().find(|step| wanted(lab.step_standing(step)))
        };
        let step = first(&|standing| standing == Some(Outcome::Fail))
            .or_else(|| first(&|standing| matches!(standing, None | Some(Outcome::Blocked))))
            .or_else(|| first(&|standing| standing == Some(Outcome::Unknown)))?;
        Some((lab, step))
    })
}

/// The check that a word means: its own address, or the first that does not hold of a step or a lab.
pub fn check_for<'l>(labs: &'l [Lab], word: &str) -> Option<(&'l Lab, &'l PlannedCheck)> {
    let all = || labs.iter().flat_map(|lab| lab.plan.checks().map(move |check| (lab, check)));
    if let Some(found) = all().find(|(_, check)| check.address == word) {
        return Some(found);
    }
    let within = || {
        let below = format!("{word}/");
        all().filter(move |(_, check)| check.address.starts_with(&below))
    };
    let failing = within().find(|(lab, check)| lab.standing(check) == Some(Outcome::Fail));
    failing
        .or_else(|| {
            within().find(|(lab, check)| !matches!(lab.standing(check), Some(Outcome::Pass | Outcome::Deferred)))
        })
        .or_else(|| within().next())
}
