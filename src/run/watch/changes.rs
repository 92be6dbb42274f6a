//! What is another way than before, in a line. Pure.

use std::collections::BTreeMap;

use crate::render::{symbol, tame, word};
use crate::text::Lang;
use crate::verdict::{Outcome, Report};

/// The longest address shown.
const ADDRESS: usize = 120;

/// A check that came to something else than before, or for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its address.
    pub address: String,
    /// What it came to before, if anybody looked.
    pub before: Option<Outcome>,
    /// What it comes to now.
    pub now: Outcome,
}

impl Changed {
    /// `✔ lab1/database/runs: fail → pass`
    pub fn line(&self, lang: Lang) -> String {
        let said = |outcome: Outcome| word(outcome).get(lang).to_owned();
        let before = self.before.map(|before| format!("{} → ", said(before))).unwrap_or_default();
        format!("{} {}: {before}{}", symbol(self.now), tame(&self.address, ADDRESS), said(self.now))
    }
}

/// The outcomes of a report, by address.
pub type Outcomes = BTreeMap<String, Outcome>;

/// What each check of `report` comes to.
pub fn outcomes(report: &Report) -> Outcomes {
    report.checks().map(|check| (check.address.clone(), check.outcome)).collect()
}

/// What is another way in `report` than `before`, in the report's order.
pub fn changes(before: &Outcomes, report: &Report) -> Vec<Changed> {
    let all = report.checks().map(|check| Changed {
        address: check.address.clone(),
        before: before.get(&check.address).copied(),
        now: check.outcome,
    });
    all.filter(|changed| changed.before != Some(changed.now)).collect()
}

/// Whether somebody has looked at every check that anybody looks at; `looked` are those.
pub fn is_whole(report: &Report, looked: &BTreeMap<String, u32>) -> bool {
    report.checks().all(|check| !is_to_come(check.outcome, &check.address, looked))
}

/// Whether what is said of a check is only that nobody has looked yet.
pub fn is_to_come(outcome: Outcome, address: &str, looked: &BTreeMap<String, u32>) -> bool {
    matches!(outcome, Outcome::Unknown | Outcome::Blocked) && !looked.contains_key(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::watch::testing::report;

    #[test]
    fn a_line_tells_what_became_of_what() {
        let before = report(&[("a", Outcome::Fail), ("b", Outcome::Pass)]);
        let now = report(&[("a", Outcome::Pass), ("b", Outcome::Pass), ("c", Outcome::Unknown)]);
        let told = changes(&outcomes(&before), &now);
        let lines = |lang| told.iter().map(|changed| changed.line(lang)).collect::<Vec<_>>();
        assert_eq!(lines(Lang::En), ["✔ lab1/step/a: fail → pass", "? lab1/step/c: unknown"]);
        assert_eq!(lines(Lang::Es), ["✔ lab1/step/a: mal → bien", "? lab1/step/c: incierto"]);
        assert_eq!(changes(&outcomes(&now), &now), []);
    }

    #[test]
    fn what_nobody_looked_at_yet_is_not_unknown_but_to_come() {
        let now = report(&[("a", Outcome::Unknown), ("b", Outcome::Deferred)]);
        assert!(!is_whole(&now, &BTreeMap::new()));
        assert!(is_whole(&now, &BTreeMap::from([("lab1/step/a".to_owned(), 0)])));
    }
}
