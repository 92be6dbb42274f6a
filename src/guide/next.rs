//! `labrun next`: the step to work on, what it asks and what was last seen of it.

use crate::guide::{Lab, NAME, Reader, day, instructions, next_step};
use crate::render::seen;
use crate::tame::{tame, tame_prose};
use crate::terminal::Page;
use crate::text::Text;
use crate::verdict::{CheckResult, Outcome};

/// Where what is said of a check begins, and how wide the words before it are.
const DETAIL: usize = 4;
const LABEL: usize = 12;

/// Writes the step that comes next.
pub fn next(page: &mut Page, labs: &[Lab], reader: Reader) {
    let Some((lab, step)) = next_step(labs) else {
        let done = Text::new(
            "No queda ningún paso: todo lo que labrun puede juzgar acá se vio bien.",
            "No step is left: all that labrun can judge here was seen to hold.",
        );
        return page.prose(0, "", reader.say(&done));
    };
    instructions(page, lab, step, reader);
    let last = lab.looks.get(&step.address);
    if let Some((at, last)) = last {
        let open = last.checks.iter().filter(|check| matches!(check.outcome, Outcome::Fail | Outcome::Unknown));
        let open = open.filter(|check| !lab.held.contains_key(&check.address));
        for (n, check) in open.enumerate() {
            if n == 0 {
                page.line(0, "");
                let when = Text::new(
                    format!("Visto por última vez el {} UTC:", day(at)),
                    format!("Last seen on {} UTC:", day(at)),
                );
                page.line(2, reader.say(&when));
            }
            trouble(page, check, reader);
        }
    }
    page.line(0, "");
    let then = format!("`labrun check {}`", tame(&step.address, NAME));
    let failed = last.is_some_and(|(_, last)| last.outcome == Outcome::Fail);
    let then = match failed {
        true => Text::new(
            format!("`labrun hint` da otra pista; luego {then}"),
            format!("`labrun hint` gives another hint; then {then}"),
        ),
        false => Text::new(format!("cuando esté hecho: {then}"), format!("when it is done: {then}")),
    };
    page.prose(0, &reader.label("Ahora", "Next", 7), reader.say(&then));
}

/// What was last seen of a check that does not hold.
pub fn trouble(page: &mut Page, check: &CheckResult, reader: Reader) {
    page.line(0, "");
    page.lines(
        DETAIL,
        &format!("{} · {}", tame(&check.address, NAME), tame(reader.say(&check.claim), NAME)),
        &page.style().bold(),
    );
    if let Some(mismatch) = check.mismatches.first() {
        detail(page, reader, ("esperado", "expected"), &tame_prose(reader.say(&mismatch.expected)));
        let value = seen(&mismatch.seen);
        let fact = if mismatch.fact.is_empty() { String::new() } else { format!("{}: ", tame(&mismatch.fact, NAME)) };
        detail(page, reader, ("visto", "seen"), &format!("{fact}{}", reader.say(&value)));
    }
    if let Some(doubt) = &check.unknown {
        detail(page, reader, ("porque", "because"), &tame_prose(reader.say(&doubt.why)));
    }
    page.command(DETAIL, &reader.label("para verlo", "see it", LABEL), &tame_prose(&check.command));
    if let (Outcome::Fail, Some(first)) = (check.outcome, check.hint.as_ref().and_then(|hint| hint.say.first())) {
        detail(page, reader, ("pista", "hint"), &tame_prose(reader.say(first)));
    }
}

fn detail(page: &mut Page, reader: Reader, (es, en): (&str, &str), text: &str) {
    page.prose(DETAIL, &reader.label(es, en, LABEL), text);
}
