//! What a lab says to people and what it is worth: nothing that a run depends on, and still mistakes.

use std::sync::Arc;

use crate::decode::Decode;
use crate::error::Diagnostic;
use crate::node::{Node, Tree};
use crate::points::Points;
use crate::reference::{Piece, pieces};
use crate::source::Source;

/// What is wrong with the content of a lab.
pub fn of_lab(source: &Arc<Source>, lab: &Node) -> Vec<Diagnostic> {
    let mut decode = Decode::new(source);
    texts(lab, &mut decode);
    checks(lab).for_each(|check| hints(check, &mut decode));
    points(lab, &mut decode);
    decode.mistakes
}

/// What is wrong with the content of a library check.
pub fn of_check(source: &Arc<Source>, file: &Node) -> Vec<Diagnostic> {
    let mut decode = Decode::new(source);
    texts(file, &mut decode);
    file.get("check").into_iter().for_each(|check| hints(check, &mut decode));
    decode.mistakes
}

/// What is wrong with the texts of any other file.
pub fn of_texts(source: &Arc<Source>, file: &Node) -> Vec<Diagnostic> {
    let mut decode = Decode::new(source);
    texts(file, &mut decode);
    decode.mistakes
}

/// The items of a list; none of anything else.
pub fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(Tree::Seq(items)) => items,
        _ => &[],
    }
}

/// The checks of a lab, as written.
pub fn checks(lab: &Node) -> impl Iterator<Item = &Node> {
    items(lab.get("steps")).iter().flat_map(|step| items(step.get("checks")))
}

/// Both languages must say something, and not the same where it is words.
fn texts(node: &Node, decode: &mut Decode) {
    if let Tree::Map(entries) = &node.value
        && let [(first, es), (second, en)] = entries.as_slice()
        && (first.name.as_str(), second.name.as_str()) == ("es", "en")
        && let (Tree::Str(spanish), Tree::Str(english)) = (&es.value, &en.value)
    {
        for (text, place) in [(spanish, es), (english, en)] {
            if text.trim().is_empty() {
                decode.mistake(place.span, "a text that says nothing", None);
            }
        }
        if spanish.trim() == english.trim() && n_words(spanish) >= SENTENCE {
            let help = "translate it: whoever reads the report chooses the language".to_owned();
            decode.mistake(en.span, "the same text in both languages", Some(help));
        }
        return;
    }
    for (key, value) in node.entries() {
        if key.name != "params" {
            texts(value, decode);
        }
    }
    items(Some(node)).iter().for_each(|item| texts(item, decode));
}

/// So many words are no name that reads the same in every language.
const SENTENCE: usize = 3;

/// How many words there are outside of code and parameters.
fn n_words(text: &str) -> usize {
    let prose = text.split('`').step_by(2);
    let plain = prose.flat_map(pieces).filter_map(|piece| match piece {
        Piece::Plain(plain) => Some(plain),
        Piece::Reference(_) => None,
    });
    plain.flat_map(str::split_whitespace).filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() > 1).count()
}

/// Whatever way a check fails, there must be something to tell the student.
fn hints(check: &Node, decode: &mut Decode) {
    let Some(hints) = check.get("hints") else { return };
    // What a check of the library has to say comes after these.
    let has_more = check.get("use").is_some();
    match items(Some(hints)) {
        [] if matches!(hints.value, Tree::Seq(_)) && !has_more => {
            let help = "say what is likely wrong, not the solution".to_owned();
            decode.mistake(hints.span, "a check without a hint", Some(help));
        }
        [.., last] if last.get("when").is_some() && !has_more => {
            let place = last.get("id").unwrap_or(last).span;
            let help = "let the last one have no `when`".to_owned();
            decode.mistake(place, "a fail that fits none of these hints is told nothing", Some(help));
        }
        _ => {}
    }
}

/// Every check is worth something, and all together what the lab says it is worth.
fn points(lab: &Node, decode: &mut Decode) {
    let mut sum = Points::ZERO;
    let mut n_counted = 0;
    let mut all_read = true;
    for check in checks(lab) {
        let Some(node) = check.get("points") else { continue };
        // What is no amount of points has been noted.
        let Some(points) = read(node, decode) else {
            all_read = false;
            continue;
        };
        if points == Points::ZERO {
            let help = "give it points, or make it a `note` of another check".to_owned();
            decode.mistake(node.span, "a check that is worth nothing", Some(help));
        }
        if check.get("bonus").is_none_or(|bonus| bonus.value != Tree::Bool(true)) {
            sum += points;
            n_counted += 1;
        }
    }
    let place = lab.get("id").unwrap_or(lab).span;
    if all_read && n_counted == 0 && checks(lab).next().is_some() {
        decode.mistake(
            place,
            "every check of this lab is a bonus",
            Some("a bonus comes on top of something".to_owned()),
        );
    }
    if let Some(node) = lab.get("points")
        && let Some(said) = read(node, decode).filter(|said| all_read && *said != sum)
    {
        decode.mistake(node.span, format!("the checks of this lab come to {sum} points, not {said}"), None);
    }
}

fn read(node: &Node, decode: &Decode) -> Option<Points> {
    Decode::new(decode.source()).decode(node)
}
