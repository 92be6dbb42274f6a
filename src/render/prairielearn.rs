//! The report as PrairieLearn's `results.json`. It knows one number from 0 to 1, so that of a run in which something
//! could not be determined it can only say that it is not gradable: that costs the student no attempt.

use serde::Serialize;

use crate::points::Points;
use crate::render::json::write;
use crate::render::markdown::total;
use crate::render::told::{details, name};
use crate::render::{NAME, Options, tame, tame_prose, word};
use crate::text::Text;
use crate::verdict::{CheckResult, Report, Score};

/// What PrairieLearn takes, in bytes.
const MOST: usize = 1_000_000;

#[derive(Serialize)]
struct Results {
    gradable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    format_errors: Vec<String>,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    name: String,
    description: String,
    points: Points,
    max_points: Points,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Writes the report; where it would be too large, without what is said of each check.
pub fn render(report: &Report, options: &Options) -> String {
    let mut results = results(report, options);
    let whole = write(&results);
    if whole.len() <= MOST {
        return whole;
    }
    results.tests.iter_mut().for_each(|test| test.message = None);
    write(&results)
}

fn results(report: &Report, options: &Options) -> Results {
    let score = score(&report.points);
    let total = total(&report.points).get(options.lang).to_owned();
    let why_not = match report.points.undetermined {
        Points::ZERO => Text::new("No se juzgó nada que dé puntos.", "Nothing was judged that gives points."),
        open => Text::new(
            format!("No se pudieron determinar {open} puntos: {total}."),
            format!("{open} points could not be determined: {total}."),
        ),
    };
    let remarks = report.remarks.iter().map(|remark| tame_prose(remark.get(options.lang)));
    Results {
        gradable: score.is_some(),
        score,
        message: [total].into_iter().chain(remarks).collect::<Vec<_>>().join("\n"),
        format_errors: if score.is_none() { vec![why_not.get(options.lang).to_owned()] } else { Vec::new() },
        tests: report.checks().map(|check| test(report, check, options)).collect(),
    }
}

/// The share of what was judged; none while something is undetermined. Bonus makes up for what is lost, no more.
fn score(points: &Score) -> Option<f64> {
    let judged = points.earned + points.lost;
    if points.undetermined > Points::ZERO || judged == Points::ZERO {
        return None;
    }
    let earned = (points.earned + points.bonus).min(judged);
    Some(f64::from(earned.hundredths()) / f64::from(judged.hundredths()))
}

/// A check of which nobody knows what it earns is worth 0 of 0, which PrairieLearn shows as a remark; without any
/// points it would show no test's.
fn test(report: &Report, check: &CheckResult, options: &Options) -> Test {
    let earned = check.earns();
    let most = if check.bonus || earned.is_none() { Points::ZERO } else { check.points };
    let outcome = word(check.outcome);
    let lines = [outcome.get(options.lang).to_owned()].into_iter().chain(details(report, check, options));
    Test {
        name: name(check, options),
        description: tame(&check.address, NAME),
        points: earned.unwrap_or_default(),
        max_points: most,
        message: Some(lines.collect::<Vec<_>>().join("\n")),
    }
}
