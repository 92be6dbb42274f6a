//! The report as Gradescope's `results.json`. A test without a score and a status is shown as neither right nor wrong:
//! that is how what nobody has judged stands in it.

use serde::Serialize;
use serde_json::{Value, json};

use crate::points::Points;
use crate::render::json::write;
use crate::render::markdown::total;
use crate::render::told::{details, name};
use crate::render::{NAME, Options, tame, tame_prose, word};
use crate::text::Text;
use crate::verdict::{CheckResult, Outcome, Report};

#[derive(Serialize)]
struct Results {
    score: Points,
    output: String,
    output_format: &'static str,
    test_output_format: &'static str,
    test_name_format: &'static str,
    extra_data: Value,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    number: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<Points>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_score: Option<Points>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    output: String,
    tags: Vec<&'static str>,
    extra_data: Value,
}

/// Writes the report.
pub fn render(report: &Report, options: &Options) -> String {
    let mut tests = Vec::new();
    for (lab_at, lab) in report.labs.iter().enumerate() {
        let before = if report.labs.len() > 1 { format!("{}.", lab_at + 1) } else { String::new() };
        for (step_at, step) in lab.steps.iter().enumerate() {
            let checks = step.checks.iter().enumerate();
            tests.extend(
                checks.map(|(at, check)| test(format!("{before}{}.{}", step_at + 1, at + 1), report, check, options)),
            );
        }
    }
    let results = Results {
        // It is there even if no test has one, and counts for more than their sum, which it is.
        score: report.points.earned + report.points.bonus,
        output: output(report, options),
        output_format: "text",
        test_output_format: "text",
        test_name_format: "text",
        extra_data: json!({"labrun": report.labrun, "outcome": report.outcome, "points": report.points}),
        tests,
    };
    write(&results)
}

fn output(report: &Report, options: &Options) -> String {
    let mut lines = vec![total(&report.points).get(options.lang).to_owned()];
    let open = report.points.undetermined;
    if open > Points::ZERO {
        let warning = Text::new(
            format!("No es una nota: {open} de estos puntos no se pudieron determinar, y el total los deja afuera."),
            format!("This is no mark: {open} of these points could not be determined, and the total leaves them out."),
        );
        lines.push(warning.get(options.lang).to_owned());
    }
    lines.extend(report.remarks.iter().map(|remark| tame_prose(remark.get(options.lang))));
    lines.join("\n")
}

fn test(number: String, report: &Report, check: &CheckResult, options: &Options) -> Test {
    let earned = check.earns();
    let score = earned.filter(|earned| !check.bonus || *earned > Points::ZERO);
    let outcome = word(check.outcome);
    let lines = [outcome.get(options.lang).to_owned()].into_iter().chain(details(report, check, options));
    Test {
        number,
        name: name(check, options),
        score,
        // A bonus comes on top of the maximum.
        max_score: score.filter(|_| !check.bonus).map(|_| check.points),
        status: score.map(|_| if check.outcome == Outcome::Pass { "passed" } else { "failed" }),
        output: lines.collect::<Vec<_>>().join("\n"),
        tags: [Some(check.outcome.word()), check.bonus.then_some("bonus")].into_iter().flatten().collect(),
        extra_data: json!({"check": tame(&check.address, NAME), "points": check.points}),
    }
}
