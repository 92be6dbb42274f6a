//! What an expectation compares a fact with must be something that the fact can be: one of the options, where a probe
//! offers a choice, or one of its few words. Else it holds for nobody, or for everybody.

use crate::decode::Decode;
use crate::error::suggestion;
use crate::node::{Node, Tree};
use crate::plan::Ask;
use crate::probe::Kind;
use crate::reference::{Path, Piece, pieces, written};

/// Notes every value in `expect` that is none of the options of `ask`.
pub fn check_options(expect: &Node, ask: &Ask, decode: &mut Decode) {
    let Some(kind) = Kind::named(ask.probe) else { return };
    each_fact(expect, &mut |fact, matcher| {
        let Some(options) = kind.options(&ask.args, fact) else { return };
        compared(matcher, &mut |wanted| {
            let text = written(&wanted.to_json());
            let is_option = |word: &str| options.iter().any(|option| option == word);
            // Several options together are one text.
            if !has_reference(&text) && !is_option(&text) && !text.split(", ").all(is_option) {
                let help = suggestion(&text, options.iter().map(String::as_str));
                decode.mistake(wanted.span, format!("`{text}` is none of the options"), help);
            }
        });
    });
}

/// Notes every value in `expect` that is none of the words that the fact may be, as `words_of` has them.
pub fn check_words(expect: &Node, words_of: &dyn Fn(&Path) -> Option<&'static [&'static str]>, decode: &mut Decode) {
    each_fact(expect, &mut |fact, matcher| {
        let Some(words) = fact.parse().ok().and_then(|path| words_of(&path)) else { return };
        if let Tree::Seq(_) = matcher.value {
            let help = Some("write `{one_of: […]}`, if one of these is meant".to_owned());
            decode.mistake(matcher.span, format!("`{fact}` is never a list"), help);
        }
        compared(matcher, &mut |wanted| {
            let text = written(&wanted.to_json());
            if !has_reference(&text) && !words.contains(&text.as_str()) {
                let help = suggestion(&text, words.iter().copied());
                decode.mistake(wanted.span, format!("`{fact}` is never `{text}`"), help);
            }
        });
    });
}

/// Every fact that an expectation names, with its matcher.
fn each_fact<'n>(expect: &'n Node, found: &mut dyn FnMut(&'n str, &'n Node)) {
    for (key, value) in expect.entries() {
        match (key.name.as_str(), &value.value) {
            ("any_of", Tree::Seq(ways)) => ways.iter().for_each(|way| each_fact(way, found)),
            ("not", _) => each_fact(value, found),
            (fact, _) => found(fact, value),
        }
    }
}

/// Every whole value that a matcher compares with.
fn compared<'n>(matcher: &'n Node, found: &mut dyn FnMut(&'n Node)) {
    match &matcher.value {
        Tree::Map(entries) => {
            for (key, operand) in entries {
                match (key.name.as_str(), &operand.value) {
                    ("one_of" | "same_set", Tree::Seq(items)) => items.iter().for_each(&mut *found),
                    ("equals" | "not" | "any" | "every" | "none", _) => compared(operand, found),
                    _ => {}
                }
            }
        }
        Tree::Null | Tree::Seq(_) => {}
        _ => found(matcher),
    }
}

fn has_reference(text: &str) -> bool {
    pieces(text).iter().any(|piece| matches!(piece, Piece::Reference(_)))
}
