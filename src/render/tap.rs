//! The report as TAP, version 14: a test point for each check, with what is known of it in a YAML block. Every text in
//! such a block is a JSON string, which is YAML on one line.

use serde_json::Value;

use crate::points::Points;
use crate::render::json::escape;
use crate::render::markdown::total;
use crate::render::told::{details, name};
use crate::render::{NAME, Options, tame, tame_prose};
use crate::verdict::{CheckResult, Outcome, Report};

/// Writes the report.
pub fn render(report: &Report, options: &Options) -> String {
    let n = report.checks().count();
    let mut out = format!("TAP version 14\n1..{n}\n");
    for remark in &report.remarks {
        comment(&mut out, &tame_prose(remark.get(options.lang)));
    }
    for (at, check) in report.checks().enumerate() {
        point(&mut out, at + 1, report, check, options);
    }
    comment(&mut out, total(&report.points).get(options.lang));
    out
}

/// A line that no harness reads; of several, each is one.
fn comment(out: &mut String, text: &str) {
    for line in text.lines() {
        *out += &format!("# {line}\n");
    }
}

fn point(out: &mut String, number: usize, report: &Report, check: &CheckResult, options: &Options) {
    let lines = details(report, check, options);
    let first = lines.first().map_or("", String::as_str).lines().next().unwrap_or_default();
    let (ok, directive) = match check.outcome {
        Outcome::Pass => ("ok", String::new()),
        Outcome::Deferred => ("ok", format!(" # skip {}", plain(first))),
        // A failure that is none: nothing is wrong with work that lacks an extra.
        _ if check.bonus => ("not ok", " # todo bonus".to_owned()),
        Outcome::Fail | Outcome::Blocked | Outcome::Unknown => ("not ok", String::new()),
    };
    *out += &format!("{ok} {number} - {}{}\n  ---\n", plain(&name(check, options)), directive.trim_end());
    let mut field = |name: &str, value: &str| *out += &format!("  {name}: {value}\n");
    field("check", &text(&tame(&check.address, NAME)));
    field("severity", &text(check.outcome.word()));
    // `~` is YAML's word for nothing: not zero.
    field("points", &check.earns().map_or("~".to_owned(), |points| points.to_string()));
    // A bonus is no part of the maximum.
    let most = if check.bonus { Points::ZERO } else { check.points };
    field("max_points", &most.to_string());
    if !lines.is_empty() {
        field("message", &text(&lines.join("\n")));
    }
    *out += "  ...\n";
}

/// Text in which nothing is a directive.
fn plain(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#")
}

fn text(text: &str) -> String {
    escape(&Value::from(text).to_string(), &[])
}
