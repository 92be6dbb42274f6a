//! The class as one self-contained page: who has what, what was hard, and what a teacher has to look into. Made of
//! [`Class`] alone; like the report it needs no network, no script, and shows nothing of a machine that is not tame.

mod checks;
mod running;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Serialize;
use tera::Tera;

use crate::class::copies::Copies;
use crate::class::page::checks::{Column, Hard, columns, hardest};
use crate::class::page::running::shown;
use crate::class::summary::{Class, FlagKind, LabOfClass, Stuck, StudentOfClass};
use crate::points::Points;
use crate::render::{PIECES, context, symbol, tame, tame_answer, word};
use crate::text::{Lang, Text};
use crate::verdict::Outcome;

pub use running::Running;

const NAME_OF_TEMPLATE: &str = "class.html";
const STYLE: &str = concat!(include_str!("../../templates/report.css"), include_str!("../../templates/class.css"));
const SCRIPT: &str = concat!(include_str!("../../templates/page.js"), include_str!("../../templates/class.js"));

static TEMPLATES: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::new();
    let own = (NAME_OF_TEMPLATE, include_str!("../../templates/class.html"));
    tera.add_raw_templates(PIECES.into_iter().chain([own]))
        .expect("the built-in templates are parsed by every test of this page");
    tera
});

/// The longest name shown, and the longest text, in characters.
const NAME: usize = 240;
const LONG: usize = 600;
/// How many of the hardest checks and of the most common hints are shown.
const MANY: usize = 10;

/// Writes the page. Both languages are in it; `lang` shows first. While the class still runs, `running` says how far it is.
pub fn render(class: &Class, lang: Lang, running: Option<&Running>) -> String {
    let mut context = context(lang, title(class).get(lang), STYLE, SCRIPT);
    context.insert("class", &page(class));
    context.insert("running", &running.map(shown));
    TEMPLATES.render(NAME_OF_TEMPLATE, &context).expect("the template names only what a page has")
}

#[derive(Serialize)]
struct Page {
    title: Text,
    labrun: String,
    counts: Vec<Count>,
    legend: Vec<Mark>,
    labs: Vec<Lab>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    median: Option<String>,
    bins: Vec<Bin>,
    hardest: Vec<Hard>,
    stuck: Vec<StuckHere>,
    hints: Vec<Hint>,
    unseen: Vec<Cause>,
    unknown: Vec<Unknown>,
    queue: Vec<Queued>,
    settled: Vec<Decided>,
    late: Vec<Cause>,
    flags: Vec<Cause>,
    copies: Vec<Shared>,
}

/// A number at the top, and the section that says more.
#[derive(Serialize)]
struct Count {
    n: usize,
    what: Text,
    section: &'static str,
    /// Whether somebody should look.
    calls: bool,
}

#[derive(Serialize)]
struct Mark {
    outcome: &'static str,
    symbol: &'static str,
    word: Text,
}

#[derive(Serialize)]
struct Lab {
    id: String,
    title: Text,
    source: String,
    digest: String,
    due: Option<String>,
    n_checks: usize,
}

/// Somebody, as they are named and linked everywhere.
#[derive(Serialize, Clone)]
struct Who {
    id: String,
    name: Option<String>,
    link: String,
}

#[derive(Serialize)]
struct Row {
    who: Who,
    cells: Vec<Cell>,
    earned: String,
    possible: String,
    bonus: Option<String>,
    /// Whether the sum is a mark.
    complete: bool,
    flagged: bool,
    /// Hundredths of points, for sorting.
    sum: u32,
    /// What the row can be filtered by: the outcomes in it, `open`, `flagged`, `unseen`.
    has: String,
}

#[derive(Serialize)]
struct Cell {
    outcome: &'static str,
    symbol: &'static str,
    settled: bool,
    first: bool,
}

#[derive(Serialize)]
struct Bin {
    range: String,
    complete: usize,
    open: usize,
    complete_width: String,
    open_width: String,
}

#[derive(Serialize)]
struct Hint {
    claim: Text,
    say: Text,
    students: Vec<Who>,
}

/// A step at which some of them are stuck.
#[derive(Serialize)]
struct StuckHere {
    step: String,
    title: Text,
    students: Vec<Who>,
    /// In percent of all that were seen.
    width: String,
}

/// Something about some of them.
#[derive(Serialize)]
struct Cause {
    why: Text,
    students: Vec<Who>,
}

#[derive(Serialize)]
struct Unknown {
    claim: Text,
    why: Text,
    students: Vec<Who>,
}

/// What waits for a teacher: one answer to read, or all that have none.
#[derive(Serialize)]
struct Queued {
    students: Vec<Who>,
    claim: Text,
    worth: String,
    to: Text,
    answer: Option<String>,
}

#[derive(Serialize)]
struct Decided {
    who: Who,
    address: String,
    points: String,
    was: Mark,
    reason: String,
    by: String,
}

#[derive(Serialize)]
struct Shared {
    what: Text,
    students: Vec<Who>,
    values: Vec<String>,
}

fn page(class: &Class) -> Page {
    let apart = |kind| matches!(kind, FlagKind::NotSeen | FlagKind::Late | FlagKind::Copy);
    let columns = columns(class);
    let unseen = causes(class, &|kind| kind == FlagKind::NotSeen);
    let queue = queue(class);
    let unknown = unknown(class);
    let late = causes(class, &|kind| kind == FlagKind::Late);
    let copies: Vec<Shared> = class.copies.iter().map(|copies| shared(class, copies)).collect();
    let of_all = |causes: &[Cause]| causes.iter().map(|cause| cause.students.len()).sum::<usize>();
    let waiting = class.students.iter().map(|student| student.deferred.len()).sum();
    let marked = class.students.iter().filter(|student| student.mark.is_some()).count();
    let counts = [
        (class.students.len(), Text::new("estudiantes", "students"), "map", false),
        (marked, Text::new("con nota", "with a mark"), "spread", false),
        (of_all(&unseen), Text::new("que no se pudieron mirar", "could not be seen"), "unseen", true),
        (unknown.len(), Text::new("cosas inciertas", "things unknown"), "unknown", true),
        (waiting, Text::new("notas por poner", "marks to be given"), "queue", true),
        (of_all(&late), Text::new("fuera de plazo", "after the due time"), "late", true),
        (copies.len(), Text::new("posibles copias", "possible copies"), "copies", true),
    ];
    let counts = counts.into_iter().enumerate().filter(|(at, (n, ..))| *at < 2 || *n > 0);
    Page {
        title: title(class),
        labrun: tame(&class.labrun, NAME),
        counts: counts.map(|(_, (n, what, section, calls))| Count { n, what, section, calls }).collect(),
        legend: Outcome::ALL.map(mark).into_iter().rev().collect(),
        labs: class.labs.iter().map(|lab| self::lab(class, lab)).collect(),
        rows: class.students.iter().map(|student| row(student, &columns)).collect(),
        columns,
        median: median(class).map(|points| points.to_string()),
        bins: bins(class),
        hardest: hardest(class),
        stuck: class.stuck.iter().map(|stuck| stuck_here(class, stuck)).collect(),
        hints: hints(class),
        unseen,
        unknown,
        queue,
        settled: class.students.iter().flat_map(decided).collect(),
        late,
        flags: causes(class, &|kind| !apart(kind)),
        copies,
    }
}

fn title(class: &Class) -> Text {
    let labs: Vec<String> = class.labs.iter().map(|lab| tame(&lab.id, NAME)).collect();
    match &class.course {
        Some(course) => name(&course.title),
        None => Text::same(labs.join(" · ")),
    }
}

fn lab(class: &Class, lab: &LabOfClass) -> Lab {
    Lab {
        id: tame(&lab.id, NAME),
        title: name(&lab.title),
        source: tame(&lab.source, NAME),
        digest: tame(&lab.digest, NAME),
        due: lab.due.as_ref().map(|due| tame(due, NAME)),
        n_checks: class.checks.iter().filter(|check| lab_of(&check.address) == lab.id).count(),
    }
}

fn lab_of(address: &str) -> &str {
    address.split('/').next().unwrap_or_default()
}

fn who(student: &StudentOfClass) -> Who {
    let name = student.name.as_ref().map(|name| tame(name, NAME));
    Who { id: tame(&student.id, NAME), name, link: link(&student.report) }
}

fn whose(class: &Class, id: &str) -> Option<Who> {
    class.students.iter().find(|student| student.id == id).map(who)
}

/// A path as an address: whatever a letter is, it is escaped.
fn link(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn mark(outcome: Outcome) -> Mark {
    Mark { outcome: outcome.word(), symbol: symbol(outcome), word: word(outcome) }
}

fn row(student: &StudentOfClass, columns: &[Column]) -> Row {
    let cell = |column: &Column| match student.checks.get(&column.address) {
        Some(outcome) => Cell {
            outcome: outcome.word(),
            symbol: symbol(*outcome),
            settled: student.settled.contains_key(&column.address),
            first: column.first,
        },
        None => Cell { outcome: "none", symbol: "", settled: false, first: column.first },
    };
    let flagged = student.flags.iter().any(|flag| flag.kind != FlagKind::NotSeen);
    let outcomes = Outcome::ALL.into_iter().filter(|outcome| student.checks.values().any(|other| other == outcome));
    let also = [(student.mark.is_none(), "open"), (flagged, "flagged"), (student.trouble.is_some(), "unseen")];
    let also = also.into_iter().filter(|(is, _)| *is).map(|(_, word)| word);
    let has: Vec<&str> = outcomes.map(Outcome::word).chain(also).collect();
    Row {
        sum: (student.points.earned + student.points.bonus).hundredths(),
        has: has.join(" "),
        who: who(student),
        cells: columns.iter().map(cell).collect(),
        earned: student.points.earned.to_string(),
        possible: student.points.possible.to_string(),
        bonus: (student.points.bonus > Points::ZERO).then(|| student.points.bonus.to_string()),
        complete: student.mark.is_some(),
        flagged,
    }
}

/// The points in the middle, of those whose work was seen.
fn median(class: &Class) -> Option<Points> {
    let seen = class.students.iter().filter(|student| student.trouble.is_none());
    let mut earned: Vec<Points> = seen.map(|student| student.points.earned).collect();
    earned.sort();
    earned.get(earned.len().checked_sub(1)? / 2).copied()
}

/// How many students earned how large a part of all points, the best first.
fn bins(class: &Class) -> Vec<Bin> {
    let mut bins = [(0_usize, 0_usize); 10];
    for student in class.students.iter().filter(|student| student.trouble.is_none()) {
        let (earned, possible) = (student.points.earned.hundredths(), student.points.possible.hundredths());
        let tenth = (u64::from(earned) * 10).checked_div(u64::from(possible)).unwrap_or_default().min(9) as usize;
        let (complete, open) = &mut bins[tenth];
        *(if student.mark.is_some() { complete } else { open }) += 1;
    }
    let most = bins.iter().map(|(complete, open)| complete + open).max().unwrap_or_default().max(1);
    let width = |n: usize| format!("{:.2}%", n as f64 * 100.0 / most as f64);
    let bin = |(tenth, (complete, open)): (usize, &(usize, usize))| Bin {
        range: format!("{}–{} %", tenth * 10, if tenth == 9 { 100 } else { tenth * 10 + 9 }),
        complete: *complete,
        open: *open,
        complete_width: width(*complete),
        open_width: width(*open),
    };
    bins.iter().enumerate().map(bin).rev().collect()
}

fn hints(class: &Class) -> Vec<Hint> {
    let mut all: Vec<_> =
        class.checks.iter().flat_map(|check| check.hints.iter().map(move |hint| (check, hint))).collect();
    all.sort_by_key(|(_, hint)| std::cmp::Reverse(hint.students.len()));
    let shown = all.into_iter().take(MANY).map(|(check, hint)| Hint {
        claim: name(&check.claim),
        say: prose(&hint.say),
        students: hint.students.iter().filter_map(|id| whose(class, id)).collect(),
    });
    shown.collect()
}

/// What could not be determined, whoever it was for: one cause is one thing to look into.
fn unknown(class: &Class) -> Vec<Unknown> {
    let mut causes: BTreeMap<(&str, &str), (&Text, Vec<Who>)> = BTreeMap::new();
    for student in &class.students {
        for (address, why) in &student.unknown {
            causes.entry((address.as_str(), why.es.as_str())).or_insert((why, Vec::new())).1.push(who(student));
        }
    }
    let claim = |address: &str| {
        let check = class.checks.iter().find(|check| check.address == address);
        check.map_or_else(|| Text::same(tame(address, NAME)), |check| name(&check.claim))
    };
    let causes = causes.into_iter();
    causes.map(|((address, _), (why, students))| Unknown { claim: claim(address), why: prose(why), students }).collect()
}

/// The flags of a kind, each with those who have it, in the order of the roster.
fn causes(class: &Class, kind: &dyn Fn(FlagKind) -> bool) -> Vec<Cause> {
    let mut causes: Vec<(&Text, Vec<Who>)> = Vec::new();
    for student in &class.students {
        for flag in student.flags.iter().filter(|flag| kind(flag.kind)) {
            match causes.iter_mut().find(|(why, _)| **why == flag.why) {
                Some((_, students)) => students.push(who(student)),
                None => causes.push((&flag.why, vec![who(student)])),
            }
        }
    }
    causes.into_iter().map(|(why, students)| Cause { why: prose(why), students }).collect()
}

fn queue(class: &Class) -> Vec<Queued> {
    let mut queue = Vec::new();
    for check in &class.checks {
        let mut silent: Vec<Who> = Vec::new();
        let mut to = Text::default();
        let queued = |students, to, answer| {
            let (claim, worth) = (name(&check.claim), check.points.to_string());
            Queued { students, claim, worth, to, answer }
        };
        for student in &class.students {
            let Some(left) = student.deferred.get(&check.address) else { continue };
            match &left.answer {
                Some(answer) => queue.push(queued(vec![who(student)], prose(&left.to), Some(tame_answer(answer)))),
                None => {
                    to = prose(&left.to);
                    silent.push(who(student));
                }
            }
        }
        if !silent.is_empty() {
            queue.push(queued(silent, to, None));
        }
    }
    queue
}

fn decided(student: &StudentOfClass) -> impl Iterator<Item = Decided> + '_ {
    student.settled.iter().map(|(address, settled)| Decided {
        who: who(student),
        address: tame(address, NAME),
        points: settled.points.to_string(),
        was: mark(settled.was),
        reason: tame(&settled.reason, LONG),
        by: tame(&settled.by, NAME),
    })
}

fn stuck_here(class: &Class, stuck: &Stuck) -> StuckHere {
    let seen = class.students.iter().filter(|student| student.trouble.is_none()).count();
    StuckHere {
        step: tame(&stuck.step, NAME),
        title: name(&stuck.title),
        students: stuck.students.iter().filter_map(|id| whose(class, id)).collect(),
        width: format!("{:.2}%", stuck.students.len() as f64 * 100.0 / seen.max(1) as f64),
    }
}

fn shared(class: &Class, copies: &Copies) -> Shared {
    Shared {
        what: copies.what.words(),
        students: copies.students.iter().filter_map(|id| whose(class, id)).collect(),
        values: copies.values.iter().map(|value| tame(value, 80)).collect(),
    }
}

fn name(text: &Text) -> Text {
    Text::new(tame(&text.es, NAME), tame(&text.en, NAME))
}

fn prose(text: &Text) -> Text {
    Text::new(tame(&text.es, LONG), tame(&text.en, LONG))
}
