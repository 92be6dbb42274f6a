//! The report as Classroom 50's `result.json`. It knows integers only, so points are counted in the largest unit that
//! leaves none of them broken, and it knows no word for what could not be determined: then nothing is graded, which is
//! an empty result, and an error in the file where Classroom 50 looks for the status.

use jiff::Timestamp;
use serde::Serialize;

use crate::points::Points;
use crate::render::json::write;
use crate::render::markdown::total;
use crate::render::told::{details, name, remarks};
use crate::render::{Also, NAME, Options, Taken, tame};
use crate::text::Text;
use crate::verdict::{CheckResult, Outcome, Report};

/// What goes into files.
pub const ALSO: &[Also] = &[Also { variable: "GITHUB_OUTPUT", write: outputs }];

/// Who is graded for what: Classroom 50 takes no result that does not repeat it.
pub const TAKES: &[Taken] = &[
    Taken { variable: "CLASSROOM", required: true },
    Taken { variable: "ASSIGNMENT", required: true },
    Taken { variable: "SUBMISSION_TAG", required: true },
    Taken { variable: "OWNER", required: true },
    Taken { variable: "COMMIT_URL", required: true },
    Taken { variable: "RELEASE_URL", required: true },
    Taken { variable: "REVIEW_URL", required: false },
    Taken { variable: "ASSIGNMENT_TYPE", required: false },
];

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct GradingResult<'a> {
    schema: &'static str,
    classroom: &'a str,
    assignment: &'a str,
    #[serde(rename = "assignment_type")]
    assignment_type: &'a str,
    owner: &'a str,
    submission: &'a str,
    commit: &'a str,
    release: &'a str,
    review: &'a str,
    datetime: String,
    score: u32,
    max_score: u32,
    tests: Vec<Test>,
}

/// One claim; beside what is asked for, what happened in words.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Test {
    test_name: String,
    passed: bool,
    score: u32,
    max_score: u32,
    check: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bonus: Option<Points>,
    message: String,
    /// What is said of the whole, for which the format has no other place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<String>,
}

/// Writes the report.
pub fn render(report: &Report, options: &Options) -> String {
    let given = |variable: &str| options.given.get(variable).map_or("", String::as_str);
    let commit = given("COMMIT_URL");
    let review = Some(given("REVIEW_URL")).filter(|url| !url.is_empty()).unwrap_or(commit);
    let kind = Some(given("ASSIGNMENT_TYPE")).filter(|kind| !kind.is_empty()).unwrap_or("individual");
    let tests = tests(report, options);
    let at = report.started.parse::<Timestamp>().unwrap_or_default();
    write(&GradingResult {
        schema: "classroom50/result/v1",
        classroom: given("CLASSROOM"),
        assignment: given("ASSIGNMENT"),
        assignment_type: kind,
        owner: given("OWNER"),
        submission: given("SUBMISSION_TAG"),
        commit,
        release: given("RELEASE_URL"),
        review,
        datetime: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        score: tests.iter().map(|test| test.score).sum(),
        max_score: tests.iter().map(|test| test.max_score).sum(),
        tests,
    })
}

/// What was judged, if all that was to be judged was. What is deferred is no part of it, nor is a bonus that was missed.
fn tests(report: &Report, options: &Options) -> Vec<Test> {
    if report.points.undetermined > Points::ZERO {
        return Vec::new();
    }
    // By all checks, whatever became of them, so that every student's points are counted in the same unit.
    let decided = report.checks().filter_map(|check| check.earns());
    let unit = Points::common_unit(report.checks().map(|check| check.points).chain(decided));
    let judged = report.checks().filter_map(|check| Some((check, check.earns()?)));
    let counted = judged.filter(|(check, earned)| !check.bonus || *earned > Points::ZERO);
    counted.map(|(check, earned)| test(earned, unit, report, check, options)).collect()
}

/// A bonus would be more than the maximum, which is not allowed: it is named with its points, and gives none.
fn test(earned: Points, unit: Points, report: &Report, check: &CheckResult, options: &Options) -> Test {
    let count = |points: Points| if check.bonus { 0 } else { points.count(unit) };
    let name = name(check, options);
    Test {
        test_name: if check.bonus { format!("{name} (bonus +{earned})") } else { name },
        passed: check.outcome == Outcome::Pass,
        score: count(earned),
        max_score: count(check.points),
        check: tame(&check.address, NAME),
        outcome: check.outcome.word(),
        bonus: check.bonus.then_some(earned),
        message: details(report, check, options).join("\n"),
        remarks: remarks(report, options),
    }
}

/// The step's outputs that Classroom 50 makes a commit's status of.
fn outputs(report: &Report, options: &Options) -> String {
    let total = total(&report.points);
    let open = Text::new(
        format!("sin nota: no todo se pudo determinar ({})", total.es),
        format!("not graded: not all could be determined ({})", total.en),
    );
    let (status, summary) = match report.outcome {
        _ if report.points.undetermined > Points::ZERO => ("error", open),
        Outcome::Fail | Outcome::Blocked => ("failure", total),
        // What is unknown then gives no points.
        Outcome::Unknown | Outcome::Deferred | Outcome::Pass => ("success", total),
    };
    format!("status={status}\nsummary=labrun: {}\n", summary.get(options.lang))
}
