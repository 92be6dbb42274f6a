//! Evidence held against the machine again: which of its claims are looked at once more, and where that differs from
//! what it says. Pure: whoever calls this looks.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::evidence::Machine;
use crate::plan::{Plan, PlannedCheck};
use crate::text::Text;
use crate::verdict::{Mismatch, Outcome, Report};

/// One claim, as the evidence has it and as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// `lab1/port/bound`.
    pub address: String,
    /// What it claims.
    pub claim: Text,
    /// What the evidence came to.
    pub then: Outcome,
    /// What it comes to now.
    pub now: Outcome,
    /// The first thing that does not hold now.
    pub mismatch: Option<Mismatch>,
    /// Why it could not be determined now.
    pub doubt: Option<Text>,
}

impl Claim {
    /// Whether the machine contradicts the evidence.
    pub fn differs(&self) -> bool {
        self.then != self.now && self.now != Outcome::Unknown
    }
}

/// Which claims can be looked at again at any time: those that labrun judged by itself on what it saw.
pub fn candidates<'p>(plans: &'p [Plan], then: &Report, has_outside: bool) -> Vec<&'p PlannedCheck> {
    let is_judged = |check: &&PlannedCheck| {
        let result = then.checks().find(|result| result.address == check.address);
        result.is_some_and(|of| of.credit.is_none() && matches!(of.outcome, Outcome::Pass | Outcome::Fail))
    };
    let repeats = |check: &&PlannedCheck| {
        check.opt_in().is_none()
            && check.word.is_none()
            && check.judged_by.is_none()
            && check.hidden_until.is_none()
            && (has_outside || !check.asks_from_outside())
    };
    plans.iter().flat_map(Plan::checks).filter(repeats).filter(is_judged).collect()
}

/// The `most` candidates whose SHA-256 over `seed`, a line end and their address is smallest, in the labs' order: as
/// good as drawn by lot, and the same for everybody who knows the seed.
pub fn drawn(mut candidates: Vec<&PlannedCheck>, seed: u64, most: usize) -> Vec<&PlannedCheck> {
    let lot = |check: &PlannedCheck| Sha256::digest(format!("{seed}\n{}", check.address));
    let mut lots: Vec<_> = candidates.iter().map(|check| lot(check)).collect();
    lots.sort();
    if let Some(last) = most.checked_sub(1).and_then(|last| lots.get(last)) {
        candidates.retain(|check| lot(check) <= *last);
    } else if most == 0 {
        candidates.clear();
    }
    candidates
}

/// `plans` without what neither is `chosen` nor needed by what is.
pub fn narrowed(plans: &[Plan], chosen: &[&PlannedCheck]) -> Vec<Plan> {
    let mut kept: BTreeSet<&str> = chosen.iter().map(|check| check.address.as_str()).collect();
    // What is needed stands before what needs it.
    let all: Vec<&PlannedCheck> = plans.iter().flat_map(Plan::checks).collect();
    for check in all.iter().rev().filter(|check| check.opt_in().is_none()) {
        if kept.contains(check.address.as_str()) {
            kept.extend(check.needs.iter().map(String::as_str));
        }
    }
    let narrow = |plan: &Plan| {
        let mut plan = plan.clone();
        plan.steps.iter_mut().for_each(|step| step.checks.retain(|check| kept.contains(check.address.as_str())));
        plan.steps.retain(|step| !step.checks.is_empty());
        plan
    };
    plans.iter().map(narrow).filter(|plan| !plan.steps.is_empty()).collect()
}

/// The chosen claims, by both reports.
pub fn compared(chosen: &[&PlannedCheck], then: &Report, now: &Report) -> Vec<Claim> {
    let of = |check: &PlannedCheck| {
        let before = then.checks().find(|result| result.address == check.address)?;
        let after = now.checks().find(|result| result.address == check.address)?;
        Some(Claim {
            address: check.address.clone(),
            claim: before.claim.clone(),
            then: before.outcome,
            now: after.outcome,
            mismatch: after.mismatches.first().cloned(),
            doubt: after.unknown.as_ref().map(|doubt| doubt.why.clone()),
        })
    };
    chosen.iter().filter_map(|check| of(check)).collect()
}

/// Whether both are one machine, as far as both say: what tells them apart, if anything; none when nothing can be said.
pub fn same_machine(then: &Machine, now: &Machine) -> Option<Result<(), String>> {
    let (then, now) = (then.identity.as_ref()?, now.identity.as_ref()?);
    let pairs = [
        ("engine", &then.engine, &now.engine),
        ("machine-id", &then.machine, &now.machine),
        ("SSH host key", &then.ssh_host_key, &now.ssh_host_key),
    ];
    let known: Vec<_> = pairs.into_iter().filter_map(|(what, a, b)| Some((what, a.as_ref()?, b.as_ref()?))).collect();
    let other = known.iter().find(|(_, then, now)| then != now);
    let told = other.map(|(what, then, now)| format!("{what} {then}, now {now}"));
    (!known.is_empty()).then(|| told.map_or(Ok(()), Err))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::evidence::{Evidence, Identity};
    use crate::judge::judge;
    use crate::plan::{Settings, plan};
    use crate::source::Source;

    fn plans() -> Vec<Plan> {
        let mut lab =
            "labrun: lab/v1\nid: web\ntitle: {es: x, en: x}\nsteps:\n  - id: s\n    title: {es: x, en: x}\n    \
                       checks:\n"
                .to_owned();
        for n in 0..8 {
            let needs = if n == 5 { ", needs: [c1, c4]" } else { "" };
            let from = if n == 6 { ", from: grader" } else { "" };
            lab += &format!(
                "      - {{id: c{n}, points: 1, claim: {{es: x, en: x}}, probe: {{reach: {{to: \"x:{}\"}}}}{needs}{from}, \
                 expect: {{connection: connected}}, hints: [{{id: h, say: [{{es: x, en: x}}]}}]}}\n",
                n + 1
            );
        }
        vec![plan(&Source::new("web.yaml", &lab), &BTreeMap::new(), &Settings::new(), &[]).unwrap()]
    }

    /// A report in which everything came to `outcome`.
    fn all(plans: &[Plan], outcome: Outcome) -> Report {
        let mut report = judge(plans, &Evidence::default());
        report.labs[0].steps[0].checks.iter_mut().for_each(|check| check.outcome = outcome);
        report
    }

    fn addresses(checks: &[&PlannedCheck]) -> Vec<String> {
        checks.iter().map(|check| check.address.clone()).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_draws_others() {
        let plans = plans();
        let then = all(&plans, Outcome::Pass);
        let drawn = |seed, most| addresses(&drawn(candidates(&plans, &then, false), seed, most));
        assert_eq!(drawn(7, 3), drawn(7, 3));
        assert_eq!((drawn(7, 3).len(), drawn(7, 0).len(), drawn(7, 99).len()), (3, 0, 7));
        // Over some seeds every claim has its turn, and none but those that can be looked at from here.
        let seen: BTreeSet<String> = (0..40).flat_map(|seed| drawn(seed, 2)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), addresses(&candidates(&plans, &then, false)));
        assert_eq!(candidates(&plans, &then, true).len(), 8);
    }

    #[test]
    fn what_was_not_judged_is_not_drawn() {
        let plans = plans();
        assert_eq!(candidates(&plans, &all(&plans, Outcome::Fail), true).len(), 8);
        for outcome in [Outcome::Unknown, Outcome::Blocked, Outcome::Deferred] {
            assert!(candidates(&plans, &all(&plans, outcome), true).is_empty());
        }
    }

    #[test]
    fn what_a_claim_needs_is_looked_at_too() {
        let plans = plans();
        let all: Vec<&PlannedCheck> = plans[0].checks().collect();
        let kept = narrowed(&plans, &[all[5]]);
        assert_eq!(addresses(&kept[0].checks().collect::<Vec<_>>()), ["web/s/c1", "web/s/c4", "web/s/c5"]);
        assert!(narrowed(&plans, &[]).is_empty());
    }

    #[test]
    fn a_difference_is_one_that_was_seen() {
        let plans = plans();
        let chosen: Vec<&PlannedCheck> = plans[0].checks().take(2).collect();
        for (then, now, differs) in [
            (Outcome::Pass, Outcome::Pass, false),
            (Outcome::Pass, Outcome::Fail, true),
            (Outcome::Pass, Outcome::Blocked, true),
            (Outcome::Fail, Outcome::Pass, true),
            (Outcome::Pass, Outcome::Unknown, false),
        ] {
            let claims = compared(&chosen, &all(&plans, then), &all(&plans, now));
            assert_eq!(claims.iter().map(Claim::differs).collect::<Vec<_>>(), [differs; 2]);
        }
    }

    #[test]
    fn machines_are_told_apart_by_what_both_say_of_themselves() {
        let with = |engine: Option<&str>, machine: Option<&str>| Machine {
            identity: Some(Identity {
                engine: engine.map(str::to_owned),
                machine: machine.map(str::to_owned),
                ssh_host_key: None,
            }),
            ..Machine::default()
        };
        let same = |a: &Machine, b: &Machine| same_machine(a, b).map(|same| same.is_ok());
        assert_eq!(same(&with(Some("a"), Some("b")), &with(Some("a"), None)), Some(true));
        assert_eq!(same(&with(Some("a"), Some("b")), &with(Some("a"), Some("c"))), Some(false));
        assert_eq!(same(&with(Some("a"), None), &with(None, Some("c"))), None);
        assert_eq!(same(&Machine::default(), &with(Some("a"), None)), None);
    }
}
