//! Turns a [`Report`] into bytes for people and programs: one format per file, one row per format.
//! Pure: it looks at nothing but the report and the options. It never judges, and knows no lab and no probe.

mod classroom50;
mod github;
mod gradescope;
mod html;
mod json;
mod junit;
mod markdown;
mod prairielearn;
mod tap;
mod text;
mod told;

pub use crate::tame::{tame, tame_answer};
pub use html::{PIECES, context};

use std::collections::BTreeMap;
use std::sync::LazyLock;

use console::Style;
use regex::Regex;
use serde_json::Value;

use crate::evidence::CreditSource;
use crate::points::Points;
use crate::tame::{PROSE, is_treacherous, tame_prose};
use crate::text::{Lang, Text};
use crate::vantage::Vantage;
use crate::verdict::{CheckResult, Credited, Outcome, Report, Score, Settled};

/// How a report is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The language shown.
    pub lang: Lang,
    /// Whether the text format may use ANSI colours.
    pub color: bool,
    /// Whether addresses in the text format may become links (OSC 8).
    pub links: bool,
    /// The width of the text format in columns; anything outside 60 to 100 is brought to the nearer end.
    pub width: usize,
    /// Whether passing checks are shown in full, and every stage of every hint.
    pub verbose: bool,
    /// The variables of the environment that the format takes, by name.
    pub given: BTreeMap<&'static str, String>,
}

impl Default for Options {
    fn default() -> Options {
        Options { lang: Lang::default(), color: false, links: false, width: 80, verbose: false, given: BTreeMap::new() }
    }
}

/// A way of writing a report.
#[derive(Debug)]
pub struct Format {
    /// The word of `--format`, and the name of its file in `src/render/`.
    pub name: &'static str,
    /// What the name of an output file in this format ends with.
    pub extension: &'static str,
    /// Writes a report; the same report and options always give the same bytes.
    pub render: fn(&Report, &Options) -> String,
    /// What goes into other files beside it.
    pub also: &'static [Also],
    /// What it takes from the environment.
    pub takes: &'static [Taken],
    /// Whether it is for whoever reads or keeps reports, and not for one service that asks for it.
    pub is_general: bool,
}

/// A variable of the environment whose value a format writes into the report.
#[derive(Debug)]
pub struct Taken {
    /// Its name.
    pub variable: &'static str,
    /// Whether there is no report in this format without it.
    pub required: bool,
}

/// What a format appends to a file that the environment names, where it names one.
#[derive(Debug)]
pub struct Also {
    /// The environment variable that holds the file's path.
    pub variable: &'static str,
    /// Writes what is appended.
    pub write: fn(&Report, &Options) -> String,
}

/// All formats.
pub static FORMATS: &[Format] = &[
    Format { is_general: true, ..Format::new("text", "txt", text::render) },
    Format { is_general: true, ..Format::new("json", "json", json::render) },
    Format { is_general: true, ..Format::new("html", "html", html::render) },
    Format { is_general: true, ..Format::new("markdown", "md", markdown::render) },
    Format { also: github::ALSO, ..Format::new("github", "github", github::render) },
    Format::new("junit", "xml", junit::render),
    Format::new("tap", "tap", tap::render),
    Format::new("gradescope", "gradescope", gradescope::render),
    Format {
        also: classroom50::ALSO,
        takes: classroom50::TAKES,
        ..Format::new("classroom50", "classroom50", classroom50::render)
    },
    Format::new("prairielearn", "prairielearn", prairielearn::render),
];

impl Format {
    /// A format of one service, that takes nothing but the report and gives nothing but itself.
    const fn new(name: &'static str, extension: &'static str, render: fn(&Report, &Options) -> String) -> Format {
        Format { name, extension, render, also: &[], takes: &[], is_general: false }
    }

    /// The format called `name`.
    pub fn named(name: &str) -> Option<&'static Format> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// The format of files that end in `extension` (without its dot).
    pub fn of_extension(extension: &str) -> Option<&'static Format> {
        FORMATS.iter().find(|format| format.extension.eq_ignore_ascii_case(extension))
    }
}

/// The longest title, claim or address shown, in characters.
const NAME: usize = 240;
/// The longest seen value shown.
const VALUE: usize = 400;

/// Writes a seen fact for a person: text without quotes where that is clear, lists and objects compactly,
/// nothing as `—`.
///
/// ```
/// use labrun::render::show_value;
/// use serde_json::json;
/// assert_eq!(show_value(&json!({"image": "postgres:14", "ports": [5432, "5432"]}), 80),
///     r#"{image: postgres:14, ports: [5432, "5432"]}"#);
/// ```
pub fn show_value(value: &Value, max: usize) -> String {
    let mut shown = String::new();
    write_value(&mut shown, value, Place::Alone);
    tame(&shown, max)
}

/// The ids Docker gives; nobody reads more than their beginning.
static LONG_ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b([0-9a-f]{12})[0-9a-f]{52}\b").expect("a constant pattern"));

/// Where a value stands: inside a list, a comma would look like the next entry.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Alone,
    Inside,
}

fn write_value(out: &mut String, value: &Value, place: Place) {
    match value {
        Value::Null => out.push('—'),
        Value::String(text) if is_clear(text, place) => *out += &LONG_ID.replace_all(text, "$1…"),
        Value::Array(all) => {
            out.push('[');
            for (at, one) in all.iter().enumerate() {
                *out += if at > 0 { ", " } else { "" };
                write_value(out, one, Place::Inside);
            }
            out.push(']');
        }
        Value::Object(all) => {
            out.push('{');
            for (at, (name, one)) in all.iter().enumerate() {
                *out += if at > 0 { ", " } else { "" };
                *out += name;
                *out += ": ";
                write_value(out, one, Place::Inside);
            }
            out.push('}');
        }
        Value::String(_) | Value::Bool(_) | Value::Number(_) => *out += &value.to_string(),
    }
}

/// Whether text can be shown without quotes and still be told from a number, from nothing and from its neighbours.
fn is_clear(text: &str, place: Place) -> bool {
    let delimiters: &[char] = if place == Place::Inside { &[',', '[', ']', '{', '}', '"'] } else { &[] };
    !text.is_empty()
        && text.trim() == text
        && !text.contains(delimiters)
        && text != "—"
        && serde_json::from_str::<Value>(text).is_err()
}

/// A seen fact in words: like [`show_value`], but an absence is said in the reader's language.
pub fn seen(value: &Value) -> Text {
    match value {
        Value::Null => Text::new("nada", "nothing"),
        Value::Array(all) if all.is_empty() => Text::new("ninguno (lista vacía)", "none (an empty list)"),
        Value::String(text) if text.is_empty() => Text::new("un texto vacío", "an empty text"),
        value => Text::same(show_value(value, VALUE)),
    }
}

/// The sign of an outcome, which always stands beside its word or its key.
pub fn symbol(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "✔",
        Outcome::Deferred => "→",
        Outcome::Unknown => "?",
        Outcome::Blocked => "⊘",
        Outcome::Fail => "✘",
    }
}

/// The word of an outcome, for people; programs read [`Outcome::word`].
pub fn word(outcome: Outcome) -> Text {
    let spanish = match outcome {
        Outcome::Pass => "bien",
        Outcome::Deferred => "diferido",
        Outcome::Unknown => "incierto",
        Outcome::Blocked => "bloqueado",
        Outcome::Fail => "mal",
    };
    Text::new(spanish, outcome.word())
}

/// Where the probe of a check stood, in words.
/// `style` in the colour of an outcome, which only repeats what its sign and its word say.
pub fn coloured(style: Style, outcome: Outcome) -> Style {
    match outcome {
        Outcome::Pass => style.green(),
        Outcome::Deferred => style.cyan(),
        Outcome::Unknown => style.magenta(),
        Outcome::Blocked => style.yellow(),
        Outcome::Fail => style.red().bold(),
    }
}

/// Where the probe stood, in words.
fn place(check: &CheckResult) -> Text {
    standing_at(&check.from, check.namespace.as_deref())
}

/// A vantage in words.
fn standing_at(from: &Vantage, namespace: Option<&str>) -> Text {
    // Which namespace that was tells two containers of one name apart, and a network that is shared.
    let namespace = namespace.map(|namespace| format!(" ({})", tame(namespace, NAME)));
    let namespace = namespace.unwrap_or_default();
    let named = |name: &str| format!("`{}`{namespace}", tame(name, NAME));
    match from {
        Vantage::Vm => Text::new("la VM", "the VM"),
        Vantage::Grader => Text::new("fuera de la VM", "outside the VM"),
        Vantage::Container(name) => {
            let name = named(name);
            Text::new(format!("adentro del contenedor {name}"), format!("inside container {name}"))
        }
        Vantage::Network(name) => {
            let name = named(name);
            Text::new(format!("un lugar propio en la red {name}"), format!("a place of its own on network {name}"))
        }
    }
}

/// That an earlier run saw a check hold, in words.
fn credited(credit: &Credited) -> Text {
    let at = tame(&moment(&credit.at), NAME);
    let now = word(credit.now);
    let (es, en) = match credit.source {
        CreditSource::SelfReported => ("según el registro de su propia máquina", "by the record of its own machine"),
        CreditSource::Grader => ("en una corrida del docente", "in a run of the teacher's"),
    };
    Text::new(
        format!("visto bien el {at}, {es}; ahora: {}", now.es),
        format!("seen to hold on {at}, {en}; now: {}", now.en),
    )
}

/// That a teacher decided, in words.
fn settled(settled: &Settled) -> Text {
    let (by, reason, was) = (tame(&settled.by, NAME), tame(&settled.reason, PROSE), word(settled.was));
    Text::new(format!("{by}: {reason} (antes: {})", was.es), format!("{by}: {reason} (before: {})", was.en))
}

/// `2026-11-23T10:00:00.120Z` as `2026-11-23 10:00:00 UTC`.
fn moment(time: &str) -> String {
    let (whole, rest) = time.split_once('.').unwrap_or((time.trim_end_matches('Z'), "Z"));
    let zone = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{}{}", whole.replacen('T', " ", 1), zone.replacen('Z', " UTC", 1))
}

/// A check's points as `2/2`, `0/3`, `?/2`, `–/1`, or `+1` for a bonus; nothing where there are none to be had.
pub fn worth(check: &CheckResult) -> String {
    let points = check.points;
    if let Some(settled) = check.settled.as_ref().filter(|_| points.hundredths() > 0) {
        return if check.bonus { format!("+{}", settled.points) } else { format!("{}/{points}", settled.points) };
    }
    match check.outcome {
        _ if points.hundredths() == 0 => String::new(),
        Outcome::Pass if check.bonus => format!("+{points}"),
        _ if check.bonus => format!("(+{points})"),
        Outcome::Pass => format!("{points}/{points}"),
        Outcome::Fail | Outcome::Blocked => format!("0/{points}"),
        Outcome::Unknown => format!("?/{points}"),
        Outcome::Deferred => format!("–/{points}"),
    }
}

/// The percentage, rounded down; none while a point is undetermined. Where points are deferred it says
/// that it speaks of the rest.
fn share(score: &Score) -> Option<Text> {
    let judged = score.earned + score.lost;
    if score.undetermined.hundredths() > 0 || judged.hundredths() == 0 {
        return None;
    }
    let percent = u64::from(score.earned.hundredths()) * 100 / u64::from(judged.hundredths());
    Some(match score.deferred.hundredths() {
        0 => Text::same(format!("{percent} %")),
        _ => Text::new(format!("{percent} % de lo juzgado"), format!("{percent} % of what was judged")),
    })
}

/// What is called `address`: the claim of a check, or the title of a step.
fn name_of<'a>(report: &'a Report, address: &str) -> Option<&'a Text> {
    let steps = || report.labs.iter().flat_map(|lab| &lab.steps);
    let check = report.checks().find(|check| check.address == address).map(|check| &check.claim);
    check.or_else(|| steps().find(|step| step.address == address).map(|step| &step.title))
}

/// The step of a check: `lab1/port` of `lab1/port/bound`.
fn step_of(address: &str) -> &str {
    address.rsplit_once('/').map_or(address, |(step, _)| step)
}

/// The one thing to do next, on one line.
pub fn advice(report: &Report) -> Text {
    let advice = advise(report);
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    Text::new(one_line(&advice.es), one_line(&advice.en))
}

/// What became of points: `perdido` of one, `perdidos` of any other number.
fn tallied(outcome: Outcome, points: Points) -> Text {
    let (es, en) = match outcome {
        Outcome::Pass => ("conseguido", "earned"),
        Outcome::Fail | Outcome::Blocked => ("perdido", "lost"),
        Outcome::Unknown => ("incierto", "undetermined"),
        Outcome::Deferred => ("diferido", "deferred"),
    };
    let plural = if points == Points::from_hundredths(100) { "" } else { "s" };
    Text::new(format!("{es}{plural}"), en)
}

fn advise(report: &Report) -> Text {
    if report.checks().next().is_none() {
        return Text::new("No se comprobó nada.", "Nothing was checked.");
    }
    let first = |outcome| report.checks().find(|check| check.outcome == outcome && !check.bonus);
    let count = |outcome| report.checks().filter(|check| check.outcome == outcome && !check.bonus).count();
    if let Some(check) = first(Outcome::Fail).or_else(|| first(Outcome::Blocked)) {
        let then = format!("`labrun check {}`", step_of(&check.address));
        let look = format!("`{}`", check.command);
        let look = Text::new(format!("Miralo con {look}"), format!("Look at it with {look}"));
        let hint = check.hint.as_ref().and_then(|hint| hint.say.first()).unwrap_or(&look);
        return Text::new(
            format!("{} Luego: {then}", sentence(&hint.es)),
            format!("{} Then: {then}", sentence(&hint.en)),
        );
    }
    if let Some(why) = first(Outcome::Unknown).and_then(|check| check.unknown.as_ref()) {
        let n = count(Outcome::Unknown);
        return Text::new(
            format!("No se perdió ningún punto, pero queda algo incierto ({n}): {}", why.why.es),
            format!("No point is lost, but something is unknown ({n}): {}", why.why.en),
        );
    }
    if let Some(how) = first(Outcome::Deferred).and_then(|check| check.deferred.as_ref()) {
        let n = count(Outcome::Deferred);
        return Text::new(
            format!("Todo lo que se juzga acá está bien. Queda para otro momento ({n}): {}", how.es),
            format!("All that is judged here is right. Left for another time ({n}): {}", how.en),
        );
    }
    if report.checks().any(|check| check.outcome != Outcome::Pass) {
        return Text::new(
            "Están todos los puntos; sólo falta algo de bonus.",
            "All points are there; only a bonus is missing.",
        );
    }
    Text::new("Todo está bien. No queda nada por hacer.", "All is right. There is nothing left to do.")
}

/// `text` closed with a full stop where it has none.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let stop = if text.ends_with(['.', '?', '!', ':', '…']) { "" } else { "." };
    format!("{text}{stop}")
}
