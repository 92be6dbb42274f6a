//! What is told of one check, in lines of plain text, where a program shows a text beside each result.

use crate::render::{NAME, Options, credited, name_of, seen, settled, tame, tame_answer, tame_prose};
use crate::text::Text;
use crate::verdict::{CheckResult, Outcome, Report};

/// A sign before every further line of what has several, so that nothing passes for a line of labrun's own.
const CONTINUED: &str = "\n│ ";

/// All there is to say of a check beside its claim and its outcome, one thing a line; of one that passed, little.
pub fn details(report: &Report, check: &CheckResult, options: &Options) -> Vec<String> {
    let say = |text: &Text| tame_prose(text.get(options.lang)).replace('\n', CONTINUED);
    let label = |es: &str, en: &str, text: String| format!("{}: {text}", Text::new(es, en).get(options.lang));
    let shown = if options.verbose { usize::MAX } else { 1 };
    let mut lines = Vec::new();
    match check.outcome {
        Outcome::Fail => {
            for mismatch in check.mismatches.iter().take(shown) {
                lines.push(label("esperado", "expected", say(&mismatch.expected)));
                let (fact, seen) = (tame(&mismatch.fact, NAME), seen(&mismatch.seen));
                lines.push(label("visto", "seen", format!("{fact} {}", seen.get(options.lang)).trim().to_owned()));
            }
            let hints = check.hint.iter().flat_map(|hint| &hint.say).take(shown);
            lines.extend(hints.map(|hint| label("pista", "hint", say(hint))));
        }
        Outcome::Blocked => {
            for address in check.blocked_by.iter().take(MOST) {
                let name = name_of(report, address).map(|name| tame(name.get(options.lang), NAME)).unwrap_or_default();
                lines.push(label("por", "by", format!("{name} ({})", tame(address, NAME))));
            }
        }
        _ => {}
    }
    lines.extend(check.unknown.iter().map(|doubt| say(&doubt.why)));
    if matches!(check.outcome, Outcome::Fail | Outcome::Unknown) && !check.command.is_empty() {
        lines.push(label("para verlo", "see it", tame_prose(&check.command).replace('\n', CONTINUED)));
    }
    lines.extend(check.deferred.iter().map(say));
    lines.extend(check.credit.iter().map(|credit| label("acreditado", "credited", say(&credited(credit)))));
    lines.extend(check.settled.iter().map(|decided| label("decidido", "decided", say(&settled(decided)))));
    let answer = |answer: &String| tame_answer(answer).replace('\n', CONTINUED);
    lines.extend(check.answer.iter().map(|given| label("respuesta", "answer", answer(given))));
    lines.extend(check.note.iter().flat_map(|note| &note.say).map(|note| label("nota", "note", say(note))));
    lines
}

/// What is said of what was handed in, and of the evidence, a line each.
pub fn remarks(report: &Report, options: &Options) -> Vec<String> {
    report.remarks.iter().map(|remark| tame_prose(remark.get(options.lang)).replace('\n', CONTINUED)).collect()
}

/// The most needs that are named of a blocked check.
const MOST: usize = 10;

/// The claim of a check, or where there is none its address: a name that is never empty, on one line.
pub fn name(check: &CheckResult, options: &Options) -> String {
    let claim = tame(check.claim.get(options.lang).trim(), NAME);
    if claim.is_empty() { tame(&check.address, NAME) } else { claim }
}
