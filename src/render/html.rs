//! The report as one self-contained page: no network, both languages, no script needed to read it.
//! Here the report becomes what the template shows, word for word; the template only places it.

mod drawing;
mod sights;
mod timeline;

use std::sync::LazyLock;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tera::{Context, Tera};

use crate::points::Points;
use crate::render::html::drawing::{Drawing, drawing};
use crate::render::html::sights::{Sight, sight};
use crate::render::html::timeline::{Timeline, timeline};
use crate::render::{
    NAME, Options, advice, credited, json, moment, name_of, place, seen, settled, share, symbol, tallied, tame,
    tame_answer, tame_prose, word, worth,
};
use crate::text::{Lang, Text};
use crate::verdict::{CheckResult, Hint, LabResult, Outcome, Report, Score, StepResult};

/// Escaping goes by the template's name: it must end in `.html`.
const NAME_OF_TEMPLATE: &str = "report.html";
const STYLE: &str = concat!(include_str!("../../templates/report.css"), include_str!("../../templates/drawing.css"));
const SCRIPT: &str = concat!(include_str!("../../templates/page.js"), include_str!("../../templates/report.js"));

/// What all pages are made of.
pub const PIECES: [(&str, &str); 2] = [
    ("page.html", include_str!("../../templates/page.html")),
    ("words.html", include_str!("../../templates/words.html")),
];

static TEMPLATES: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::new();
    tera.add_raw_templates(PIECES.into_iter().chain([
        ("drawing.html", include_str!("../../templates/drawing.html")),
        (NAME_OF_TEMPLATE, include_str!("../../templates/report.html")),
    ]))
    .expect("the built-in templates are parsed by every test of this format");
    tera
});

/// Writes the report. Every language is in the page; the options pick the one that shows first.
pub fn render(report: &Report, options: &Options) -> String {
    let mut context = context(options.lang, headline(report).get(options.lang), STYLE, SCRIPT);
    context.insert("report", &page(report));
    context.insert("data", &json::escape(&serde_json::to_string(report).expect("a report is plain data"), &['<']));
    TEMPLATES.render(NAME_OF_TEMPLATE, &context).expect("the template names only what a page has")
}

/// What every page is given: in which language it is shown first, what it is called, how it looks and what it can do.
pub fn context(lang: Lang, title: &str, style: &str, script: &str) -> Context {
    let mut context = Context::new();
    context.insert("lang", lang.tag());
    context.insert("title", title);
    context.insert("style", style);
    context.insert("script", script);
    context.insert("policy", &policy(style, script));
    context
}

/// What a page may do: apply its own style and run its own script, both named by their hash, and nothing else.
fn policy(style: &str, script: &str) -> String {
    let hash = |text: &str| format!("'sha256-{}'", base64(&Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(style),
        hash(script)
    )
}

#[derive(Serialize)]
struct Page {
    headline: Text,
    labrun: String,
    started: String,
    finished: String,
    machine: Vec<String>,
    student: Option<String>,
    remarks: Vec<Text>,
    outcome: Mark,
    score: Tally,
    counts: Vec<(Mark, usize)>,
    n_checks: usize,
    missing: Vec<Link>,
    course: Option<Course>,
    advice: Text,
    drawing: Option<Drawing>,
    labs: Vec<Lab>,
    timeline: Option<Timeline>,
}

#[derive(Serialize)]
struct Course {
    title: Text,
    score: Tally,
}

#[derive(Serialize)]
struct Lab {
    id: String,
    title: Text,
    source: String,
    digest: String,
    outcome: Mark,
    score: Tally,
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    address: String,
    title: Text,
    outcome: Mark,
    score: Tally,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    address: String,
    claim: Text,
    outcome: Mark,
    worth: String,
    expected: Vec<Text>,
    mismatches: Vec<Mismatch>,
    blocked_by: Vec<Link>,
    unknown: Option<Text>,
    deferred: Option<Text>,
    credit: Option<Text>,
    settled: Option<Text>,
    answer: Option<String>,
    hints: Vec<Text>,
    notes: Vec<Text>,
    from: Text,
    command: String,
    took: String,
    sights: Vec<Sight>,
}

#[derive(Serialize)]
struct Mismatch {
    fact: String,
    expected: Text,
    seen: Text,
}

/// An outcome as sign, words, and the word that styles go by.
#[derive(Serialize)]
struct Mark {
    outcome: &'static str,
    symbol: &'static str,
    word: Text,
}

#[derive(Serialize)]
struct Link {
    address: String,
    name: Text,
    worth: String,
    outcome: Mark,
}

#[derive(Serialize)]
struct Tally {
    earned: String,
    possible: String,
    /// Points on top, if any were earned.
    bonus: Option<String>,
    share: Option<Text>,
    segments: Vec<Segment>,
}

/// One stretch of the bar of points; `x` and `width` in percent of all points.
#[derive(Serialize)]
struct Segment {
    outcome: Mark,
    what: Text,
    points: String,
    x: String,
    width: String,
}

fn page(report: &Report) -> Page {
    let system = report.machine.system.clone();
    let engine = report.machine.engine.as_ref().map(|engine| format!("Docker {engine}"));
    let machine = [Some(report.machine.reached.clone()), system, engine];
    let counted = Outcome::ALL.map(|o| (mark(o), report.checks().filter(|check| check.outcome == o).count()));
    let missing = |outcome| report.checks().filter(move |check| check.outcome == outcome && !check.bonus);
    Page {
        headline: headline(report),
        labrun: tame(&report.labrun, NAME),
        started: tame(&moment(&report.started), NAME),
        finished: tame(&moment(&report.finished), NAME),
        machine: machine.iter().flatten().map(|part| tame(part, NAME)).collect(),
        student: report.student.as_ref().map(|student| tame(student, NAME)),
        remarks: report.remarks.iter().map(prose).collect(),
        outcome: mark(report.outcome),
        score: tally(&report.points),
        n_checks: report.checks().count(),
        counts: counted.into_iter().filter(|(_, n)| *n > 0).collect(),
        missing: missing(Outcome::Fail).chain(missing(Outcome::Unknown)).map(link).collect(),
        course: report
            .course
            .as_ref()
            .map(|course| Course { title: name(&course.title), score: tally(&course.points) }),
        advice: prose(&advice(report)),
        drawing: drawing(report),
        labs: report.labs.iter().map(|lab| self::lab(report, lab)).collect(),
        timeline: timeline(report),
    }
}

fn lab(report: &Report, lab: &LabResult) -> Lab {
    Lab {
        id: tame(&lab.id, NAME),
        title: name(&lab.title),
        source: tame(&lab.source, NAME),
        digest: tame(&lab.digest, NAME),
        outcome: mark(lab.outcome),
        score: tally(&lab.points),
        steps: lab.steps.iter().map(|step| self::step(report, step)).collect(),
    }
}

fn step(report: &Report, step: &StepResult) -> Step {
    Step {
        address: tame(&step.address, NAME),
        title: name(&step.title),
        outcome: mark(step.outcome),
        score: tally(&step.points),
        checks: step.checks.iter().map(|check| self::check(report, check)).collect(),
    }
}

fn check(report: &Report, check: &CheckResult) -> Check {
    let said = |hint: &Option<Hint>| -> Vec<Text> { hint.iter().flat_map(|hint| &hint.say).map(prose).collect() };
    let blocker = |address: &String| Link {
        address: tame(address, NAME),
        name: name_of(report, address).map_or_else(|| Text::same(tame(address, NAME)), name),
        worth: String::new(),
        outcome: mark(Outcome::Fail),
    };
    Check {
        address: tame(&check.address, NAME),
        claim: name(&check.claim),
        outcome: mark(check.outcome),
        worth: worth(check),
        expected: check.expected.iter().map(prose).collect(),
        mismatches: check.mismatches.iter().map(mismatch).collect(),
        blocked_by: check.blocked_by.iter().map(blocker).collect(),
        unknown: check.unknown.as_ref().map(|doubt| prose(&doubt.why)),
        deferred: check.deferred.as_ref().map(prose),
        credit: check.credit.as_ref().map(credited),
        settled: check.settled.as_ref().map(settled),
        answer: check.answer.as_deref().map(tame_answer),
        // A hint for what is right already would only confuse.
        hints: if check.outcome == Outcome::Fail { said(&check.hint) } else { Vec::new() },
        notes: said(&check.note),
        from: place(check),
        command: tame_prose(&check.command),
        took: span(check.took_ms),
        sights: check.sights.iter().map(sight).collect(),
    }
}

fn mismatch(mismatch: &crate::verdict::Mismatch) -> Mismatch {
    Mismatch { fact: tame(&mismatch.fact, NAME), expected: prose(&mismatch.expected), seen: seen(&mismatch.seen) }
}

fn mark(outcome: Outcome) -> Mark {
    Mark { outcome: outcome.word(), symbol: symbol(outcome), word: word(outcome) }
}

fn link(check: &CheckResult) -> Link {
    Link {
        address: tame(&check.address, NAME),
        name: name(&check.claim),
        worth: worth(check),
        outcome: mark(check.outcome),
    }
}

fn tally(score: &Score) -> Tally {
    let parts = [
        (Outcome::Pass, score.earned),
        (Outcome::Fail, score.lost),
        (Outcome::Unknown, score.undetermined),
        (Outcome::Deferred, score.deferred),
    ];
    let mut before = Points::ZERO;
    let segments = parts.into_iter().filter(|(_, points)| *points > Points::ZERO).map(|(outcome, points)| {
        let what = tallied(outcome, points);
        let x = percent(before, score.possible);
        before += points;
        Segment { outcome: mark(outcome), what, points: points.to_string(), x, width: percent(points, score.possible) }
    });
    Tally {
        segments: segments.collect(),
        earned: score.earned.to_string(),
        possible: score.possible.to_string(),
        bonus: (score.bonus > Points::ZERO).then(|| score.bonus.to_string()),
        share: share(score),
    }
}

/// `part` of `whole` as a percentage with three decimals, for drawing.
fn percent(part: Points, whole: Points) -> String {
    let thousandths = u64::from(part.hundredths()) * 100_000 / u64::from(whole.hundredths().max(1));
    format!("{}.{:03}%", thousandths / 1000, thousandths % 1000)
}

/// Milliseconds, in the unit that reads best.
fn span(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// The title of the only lab, or the names of all.
fn headline(report: &Report) -> Text {
    match &report.labs[..] {
        [lab] => name(&lab.title),
        labs => Text::same(labs.iter().map(|lab| tame(&lab.id, NAME)).collect::<Vec<_>>().join(" · ")),
    }
}

fn name(text: &Text) -> Text {
    Text::new(tame(&text.es, NAME), tame(&text.en, NAME))
}

fn prose(text: &Text) -> Text {
    Text::new(tame_prose(&text.es), tame_prose(&text.en))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let quad = |three: &[u8]| {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        let digit = |at: usize| if at <= three.len() { DIGITS[bits >> (18 - 6 * at) & 63] } else { b'=' };
        [0, 1, 2, 3].map(|at| char::from(digit(at)))
    };
    bytes.chunks(3).flat_map(quad).collect()
}
