//! A self-test for people: per lab a matrix of worlds and checks and what the worlds leave untested, then of all labs
//! what came out otherwise than expected.

use std::fmt::Write;

use crate::render::{symbol, tame};
use crate::selftest::result::{Cell, Look, Play, Selftest, Tested, TestedCheck};
use crate::text::Lang;
use crate::verdict::Outcome;
use crate::worlds::Expected;

/// The longest text of somebody else's shown on a line.
const LINE: usize = 300;
/// How many lines of what a script printed are shown, the last ones.
const PRINTED: usize = 15;

/// Writes a self-test; the texts that authors wrote are in `lang`.
pub fn render(selftest: &Selftest, lang: Lang) -> String {
    let mut out = String::new();
    for sort in &selftest.machines {
        let _ = writeln!(out, "Docker {:<8} {} by `{}`", sort.name, sort.engine, tame(&sort.made_by, LINE));
    }
    for file in &selftest.files {
        for lab in &file.labs {
            matrix(&mut out, file, lab, selftest.machines.len());
        }
        untested(&mut out, file);
        skipped(&mut out, file, lang);
    }
    // Last, where whoever has only the end of a long log still sees them.
    for file in &selftest.files {
        differences(&mut out, file, lang);
    }
    let plays = || selftest.files.iter().flat_map(|file| &file.plays).filter(|play| play.skipped.is_none());
    let (all, wrong) = (plays().count(), plays().filter(|play| !play.is_sound()).count());
    let untested = selftest.files.iter().flat_map(Tested::never_tripped).count();
    let key = Outcome::ALL.map(|outcome| format!("{} {}", symbol(outcome), outcome.word())).join("  ");
    let _ = writeln!(out, "\n{key}  ° by credit of an earlier look  ! not as expected");
    let (took, jobs) = (duration(selftest.took_ms), selftest.jobs);
    let _ = write!(out, "played: {all} in {took}, {jobs} at a time; not as expected: {wrong}");
    if selftest.files.iter().all(|file| file.whole) {
        let _ = write!(out, "; checks never tripped: {untested}");
    }
    let flaky = plays().filter(|play| play.is_flaky()).count();
    if flaky > 0 {
        let _ = write!(out, "; flaky: {flaky}");
    }
    out.push('\n');
    out
}

/// One row per world, machine and look; one numbered column per check of `lab`.
fn matrix(out: &mut String, file: &Tested, lab: &str, n_machines: usize) {
    let checks: Vec<&TestedCheck> = file.checks.iter().filter(|check| lab_of(&check.address) == lab).collect();
    out.push('\n');
    for (n, check) in checks.iter().enumerate() {
        let _ = writeln!(out, "{:>4} {}", n + 1, check.address);
    }
    let title = if file.labs.len() == 1 { file.name.clone() } else { format!("{}: {lab}", file.name) };
    let rows: Vec<(String, &Play, Option<&Look>)> = file.plays.iter().flat_map(rows).collect();
    let width = rows.iter().map(|(name, ..)| name.chars().count()).chain([title.chars().count()]).max();
    let width = width.unwrap_or_default();
    let machine = rows.iter().map(|(_, play, _)| play.machine.len()).max().unwrap_or_default();
    let _ = write!(out, "{title:<width$}");
    if n_machines > 1 {
        let _ = write!(out, "  {:<machine$}", "");
    }
    out.push_str("  ");
    for n in 1..=checks.len() {
        let _ = write!(out, "{n:>2} ");
    }
    out.push_str("  script   check\n");
    for (name, play, look) in rows {
        let _ = write!(out, "{name:<width$}");
        if n_machines > 1 {
            let _ = write!(out, "  {:<machine$}", play.machine);
        }
        out.push_str("  ");
        let cell = |check: &&TestedCheck| look?.cells.iter().find(|cell| cell.address == check.address);
        for cell in checks.iter().map(cell) {
            out.push_str(&cell.map_or(" - ".to_owned(), |cell| {
                let mark = match (cell.is_sound(), cell.credited) {
                    (false, _) => '!',
                    (true, true) => '°',
                    (true, false) => ' ',
                };
                format!(" {}{mark}", symbol(cell.got.outcome))
            }));
        }
        match look {
            Some(look) => {
                let _ = writeln!(out, "{:>8} {:>7}", seconds(look.script_ms), seconds(look.check_ms));
            }
            None => out.push_str(if play.skipped.is_some() { "  skipped\n" } else { "  not looked at!\n" }),
        }
    }
}

/// The rows of a play: one per look, numbered if there are several; one with nothing in it if there is none.
fn rows(play: &Play) -> Vec<(String, &Play, Option<&Look>)> {
    match play.looks.as_slice() {
        [] => vec![(play.world.clone(), play, None)],
        [look] => vec![(play.world.clone(), play, Some(look))],
        looks => {
            let numbered = looks.iter().enumerate().map(|(n, look)| (look_name(play, n), play, Some(look)));
            numbered.collect()
        }
    }
}

fn look_name(play: &Play, n: usize) -> String {
    if play.looks.len() > 1 { format!("{} {}", play.world, n + 1) } else { play.world.clone() }
}

/// What came out otherwise than expected, at last or before it was played again.
fn differences(out: &mut String, file: &Tested, lang: Lang) {
    for play in file.plays.iter().filter(|play| !play.is_sound() || play.is_flaky()) {
        let (mark, of) = if play.is_sound() { ('~', &play.retried[..]) } else { ('!', std::slice::from_ref(play)) };
        let about = tame(play.about.get(lang), LINE);
        let _ = writeln!(out, "\n{mark} {} {} on Docker {}: {about}", file.name, play.world, play.machine);
        if !play.retried.is_empty() {
            let n = play.retried.len() + 1;
            let how = if play.is_sound() { "as expected the last time; before" } else { "the last time" };
            let _ = writeln!(out, "    played {n} times; {how}:");
        }
        of.iter().for_each(|play| difference_of(out, play));
    }
}

fn difference_of(out: &mut String, play: &Play) {
    for (n, look) in play.looks.iter().enumerate() {
        for cell in look.cells.iter().filter(|cell| !cell.is_sound()) {
            let name = (play.looks.len() > 1).then(|| look_name(play, n));
            difference(out, name.as_deref(), cell);
        }
    }
    for (n, line) in play.trouble.iter().flat_map(|trouble| last_lines(trouble)).enumerate() {
        let _ = writeln!(out, "{}{}", if n == 0 { "    " } else { "      " }, tame(line, LINE));
    }
}

fn difference(out: &mut String, name: Option<&str>, cell: &Cell) {
    let wanted = cell.expected.as_ref().map(written).unwrap_or_default();
    let place = name.map(|name| format!(" ({name})")).unwrap_or_default();
    let _ = writeln!(out, "    {}{place}: expected {wanted}, got {}", cell.address, written(&cell.got));
    for why in &cell.why {
        let _ = writeln!(out, "      {}", tame(why, LINE));
    }
}

/// The first line of `text`, which says what is the matter, and the last ones.
fn last_lines(text: &str) -> impl Iterator<Item = &str> {
    let skipped = text.lines().count().saturating_sub(PRINTED + 1);
    text.lines().take(1).chain(text.lines().skip(1 + skipped))
}

fn untested(out: &mut String, file: &Tested) {
    for check in file.never_tripped() {
        let _ = writeln!(out, "\n! {}: no wrong world ever trips it", check.address);
    }
    let tells = file.whole && file.labs.len() == 1;
    let names =
        |checks: Vec<&TestedCheck>| checks.iter().map(|check| check.address.as_str()).collect::<Vec<_>>().join(", ");
    let left: Vec<&TestedCheck> = file.checks.iter().filter(|check| tells && check.is_never_judged()).collect();
    if !left.is_empty() {
        let _ = writeln!(out, "never judged here: {}", names(left));
    }
    let shown: usize = file.checks.iter().map(|check| check.advice_shown.len()).sum();
    let hidden: usize = file.checks.iter().map(|check| check.advice_never_shown.len()).sum();
    if tells {
        let _ = writeln!(out, "hints and notes: {shown} of {} shown", shown + hidden);
        for check in file.checks.iter().filter(|check| !check.advice_never_shown.is_empty()) {
            let _ = writeln!(out, "    never: {} {}", check.address, check.advice_never_shown.join(", "));
        }
    }
}

fn skipped(out: &mut String, file: &Tested, lang: Lang) {
    for play in &file.plays {
        if let Some(why) = &play.skipped {
            let _ = writeln!(out, "skipped: {} on Docker {}: {}", play.world, play.machine, tame(why.get(lang), LINE));
        }
    }
}

/// `pass`, or `fail (no-port)` with its hint.
fn written(expected: &Expected) -> String {
    match &expected.advice {
        Some(advice) => format!("{} ({advice})", expected.outcome.word()),
        None => expected.outcome.word().to_owned(),
    }
}

fn lab_of(address: &str) -> &str {
    address.split('/').next().unwrap_or_default()
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

fn duration(ms: u64) -> String {
    match ms / 1000 {
        s @ 0..60 => format!("{s} s"),
        s => format!("{} min {} s", s / 60, s % 60),
    }
}
