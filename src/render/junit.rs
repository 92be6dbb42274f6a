//! The report as JUnit XML, which CI systems show as test results: a suite for each step, a case for each check. The
//! student's mistake is a `failure`, what could not be determined an `error`, what is blocked or deferred `skipped`.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use crate::points::Points;
use crate::render::markdown::total;
use crate::render::told::{details, name, remarks};
use crate::render::{NAME, Options, tame, word};
use crate::verdict::{CheckResult, Outcome, Report, Score, StepResult};

/// Writes the report.
pub fn render(report: &Report, options: &Options) -> String {
    let mut document = quick_junit::Report::new(format!("labrun {}", total(&report.points).get(options.lang)));
    for step in report.labs.iter().flat_map(|lab| &lab.steps) {
        document.add_test_suite(suite(report, step, options));
    }
    document.to_string().expect("nothing fails that writes into memory")
}

fn suite(report: &Report, step: &StepResult, options: &Options) -> TestSuite {
    let mut suite = TestSuite::new(tame(&step.address, NAME));
    suite.extra.insert("timestamp".into(), tame(&report.started, NAME).into());
    suite.add_property(Property::new("title", tame(step.title.get(options.lang), NAME)));
    suite.add_properties(report.student.as_deref().map(|id| Property::new("student", tame(id, NAME))));
    let Score { earned, lost, undetermined, deferred, possible, bonus } = step.points;
    for (name, points) in [
        ("earned", earned),
        ("lost", lost),
        ("undetermined", undetermined),
        ("deferred", deferred),
        ("possible", possible),
        ("bonus", bonus),
    ] {
        suite.add_property(Property::new(name, points.to_string()));
    }
    // The format has no place for what is said of the whole; each suite may be shown alone.
    if !report.remarks.is_empty() {
        suite.set_system_out(remarks(report, options).join("\n"));
    }
    suite.add_test_cases(step.checks.iter().map(|check| case(report, check, options)));
    suite
}

fn case(report: &Report, check: &CheckResult, options: &Options) -> TestCase {
    let mut lines = details(report, check, options);
    let mut status = match check.outcome {
        Outcome::Pass => TestCaseStatus::success(),
        // Nothing is wrong with work that lacks an extra.
        _ if check.bonus => TestCaseStatus::skipped(),
        Outcome::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Outcome::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
        Outcome::Blocked | Outcome::Deferred => TestCaseStatus::skipped(),
    };
    let outcome = word(check.outcome);
    let first = lines.first().and_then(|line| line.lines().next()).unwrap_or_default();
    status.set_message(format!("{}: {first}", outcome.get(options.lang))).set_type(check.outcome.word());
    if !lines.is_empty() {
        lines.push(String::new());
        status.set_description(lines.join("\n"));
    }
    let mut case = TestCase::new(name(check, options), status);
    let (step, _) = check.address.rsplit_once('/').unwrap_or((&check.address, ""));
    case.set_classname(tame(step, NAME).replace('/', "."));
    case.set_time(Duration::from_millis(check.took_ms));
    case.add_property(Property::new("check", tame(&check.address, NAME)));
    case.add_property(Property::new("outcome", check.outcome.word()));
    // Without this property nobody knows what it earns.
    let earned = check.earns().map(|points| Property::new("points", points.to_string()));
    case.add_properties(earned);
    // A bonus is no part of the maximum.
    let most = if check.bonus { Points::ZERO } else { check.points };
    case.add_property(Property::new("max_points", most.to_string()));
    case
}
