//! The report for GitHub Actions: workflow commands that become annotations, and beside them what goes into the files
//! that GitHub names in the environment (the step summary, the outputs). Whatever comes from the machine is data of a
//! command, never a command.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::render::markdown::{self, total};
use crate::render::told::details;
use crate::render::{Also, NAME, Options, tame, tame_prose};
use crate::text::Text;
use crate::verdict::{CheckResult, Outcome, Report};

/// How many annotations of one kind GitHub shows of a step.
const SHOWN: usize = 10;

/// The longest message, in characters.
const MESSAGE: usize = 8000;

/// What GitHub keeps of a step's summary, in bytes.
const SUMMARY: usize = 1 << 20;

/// What goes into files.
pub const ALSO: &[Also] =
    &[Also { variable: "GITHUB_STEP_SUMMARY", write: summary }, Also { variable: "GITHUB_OUTPUT", write: outputs }];

/// Writes the commands: one error for each claim that lost points, the most points first; warnings for what is
/// unknown; notices for what waits for others, and for the total.
pub fn render(report: &Report, options: &Options) -> String {
    let of = |outcome: Outcome| {
        let mut checks: Vec<&CheckResult> = report.checks().filter(|check| check.outcome == outcome).collect();
        checks.sort_by_key(|check| (check.bonus, std::cmp::Reverse(check.points)));
        checks
    };
    let message = |check: &&CheckResult| (tame(&check.address, NAME), said(report, check, options));
    let lost = of(Outcome::Fail).into_iter().chain(of(Outcome::Blocked));
    let errors: Vec<_> = lost.filter(|check| !check.bonus).map(|check| message(&check)).collect();
    let remarks = report.remarks.iter().map(|remark| ("labrun".to_owned(), tame_prose(remark.get(options.lang))));
    let warnings: Vec<_> = remarks.chain(of(Outcome::Unknown).iter().map(message)).collect();
    let missed = of(Outcome::Fail).into_iter().filter(|check| check.bonus);
    let mut notices: Vec<_> = of(Outcome::Deferred).into_iter().chain(missed).map(|check| message(&check)).collect();
    let who = report.student.as_deref().map(|who| format!(" · {}", tame(who, NAME))).unwrap_or_default();
    notices.insert(0, ("labrun".to_owned(), format!("{}{who}", total(&report.points).get(options.lang))));
    let mut out = String::new();
    for (command, all) in [("error", errors), ("warning", warnings), ("notice", notices)] {
        let room = if all.len() > SHOWN { SHOWN - 1 } else { SHOWN };
        for (title, message) in all.iter().take(room) {
            out += &format!("::{command} title={}::{}\n", property(title), data(message));
        }
        if let more @ 1.. = all.len().saturating_sub(room) {
            let more =
                Text::new(format!("y {more} más: están en el resumen"), format!("and {more} more: see the summary"));
            out += &format!("::{command} title=labrun::{}\n", data(more.get(options.lang)));
        }
    }
    out
}

/// What is said of one check, in lines.
fn said(report: &Report, check: &CheckResult, options: &Options) -> String {
    let claim = tame(check.claim.get(options.lang), NAME);
    [claim].into_iter().chain(details(report, check, options)).collect::<Vec<_>>().join("\n")
}

/// The message of a command. GitHub ends it at the end of the line, and an older form of commands, which it still
/// reads anywhere in a line, begins with `##[`.
fn data(text: &str) -> String {
    let cut: String = text.chars().take(MESSAGE).collect();
    cut.replace("##[", "# #[").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command, which ends at a comma or a colon as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The report as Markdown, as much of it as GitHub keeps.
fn summary(report: &Report, options: &Options) -> String {
    let whole = markdown::render(report, options) + "\n";
    if whole.len() <= SUMMARY {
        return whole;
    }
    let mut brief = markdown::brief(report, options);
    let mut end = brief.len().min(SUMMARY);
    while !brief.is_char_boundary(end) {
        end -= 1;
    }
    brief.truncate(end);
    brief
}

/// The step's outputs, one a line. `result` is what GitHub Classroom's autograding reporter reads.
fn outputs(report: &Report, options: &Options) -> String {
    let points = &report.points;
    let result = STANDARD.encode(result(report, options).to_string());
    format!(
        "outcome={}\nearned={}\npossible={}\nundetermined={}\ndeferred={}\nresult={result}\n",
        report.outcome.word(),
        points.earned,
        points.possible,
        points.undetermined,
        points.deferred,
    )
}

/// The result of an autograding runner, version 1: a test for each check that this run judges. What is deferred is
/// not in it, nor in its maximum; what is unknown is an error, with its reason.
fn result(report: &Report, options: &Options) -> Value {
    let judged: Vec<&CheckResult> =
        report.checks().filter(|check| check.outcome != Outcome::Deferred && !check.bonus).collect();
    let number = |points| serde_json::to_value(points).expect("points are a number");
    let tests: Vec<Value> = judged
        .iter()
        .map(|check| {
            let status = match check.outcome {
                Outcome::Pass => "pass",
                Outcome::Unknown => "error",
                _ => "fail",
            };
            json!({
                "name": tame(check.claim.get(options.lang), NAME),
                "status": status,
                "score": number(check.earns().unwrap_or_default()),
                "message": if check.outcome == Outcome::Pass { String::new() } else { said(report, check, options) },
                "test_code": tame_prose(&check.command),
                "filename": "",
                "line_no": 0,
                "duration": check.took_ms,
            })
        })
        .collect();
    let has = |outcomes: &[Outcome]| judged.iter().any(|check| outcomes.contains(&check.outcome));
    let status = match () {
        () if has(&[Outcome::Fail, Outcome::Blocked]) => "fail",
        () if has(&[Outcome::Unknown]) => "error",
        () => "pass",
    };
    let most = judged.iter().map(|check| check.points).sum::<crate::points::Points>();
    json!({"version": 1, "status": status, "max_score": number(most), "tests": tests})
}
