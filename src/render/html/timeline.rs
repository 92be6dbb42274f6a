//! When each check was looked at, for the drawing of a run: bars from the first look to the one that decided.

use serde::Serialize;

use crate::render::html::{Link, link, span};
use crate::verdict::{CheckResult, Report, Sight};

/// A run from its start to its last deciding look.
#[derive(Serialize)]
pub struct Timeline {
    took: String,
    rows: Vec<Row>,
}

/// One check; places in percent of the whole run.
#[derive(Serialize)]
struct Row {
    check: Link,
    at: String,
    took: String,
    /// From when on it was waited for, if it was.
    waited: Option<Stretch>,
    bar: Stretch,
}

#[derive(Serialize)]
struct Stretch {
    x: String,
    width: String,
}

/// When a check was looked at, in milliseconds since the start of the run.
struct Looked<'r> {
    check: &'r CheckResult,
    first: u64,
    at: u64,
    until: u64,
}

/// The run that `report` tells of; none where it does not say when anything was seen.
pub fn timeline(report: &Report) -> Option<Timeline> {
    let mut all: Vec<Looked> = report.checks().filter_map(looked).collect();
    let whole = all.iter().map(|looked| looked.until).max()?.max(1);
    all.sort_by_key(|looked| (looked.first, looked.at));
    let rows = all.iter().map(|Looked { check, first, at, until }| Row {
        check: link(check),
        at: span(*at),
        took: span(until.saturating_sub(*at)),
        waited: (first < at).then(|| stretch(*first, *at, whole)),
        bar: stretch(*at, *until, whole),
    });
    Some(Timeline { took: span(whole), rows: rows.collect() })
}

fn looked(check: &CheckResult) -> Option<Looked<'_>> {
    let begun = check.sights.iter().map(|sight| sight.at_ms).min()?;
    // What was waited for was decided by what came to be seen last.
    let waited = |sight: &Sight| Some((sight.waited_from_ms?, sight.at_ms));
    let waited = check.sights.iter().filter_map(waited).max_by_key(|(_, at)| *at);
    let (first, at) = waited.unwrap_or((begun, begun));
    let until = check.sights.iter().map(|sight| sight.at_ms.saturating_add(sight.took_ms)).max()?;
    Some(Looked { check, first, at, until })
}

/// A stretch of the whole; one that took no time at all can still be seen.
fn stretch(from: u64, to: u64, whole: u64) -> Stretch {
    let percent = |ms: u64| ms as f64 * 100.0 / whole as f64;
    let width = percent(to.saturating_sub(from)).max(0.6);
    Stretch { x: format!("{:.2}%", percent(from).min(100.0 - width)), width: format!("{width:.2}%") }
}
