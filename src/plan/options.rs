//! Where a probe offers a choice, what is expected must be one of the options: else nobody can be right.

use crate::decode::Decode;
use crate::error::suggestion;
use crate::node::{Node, Tree};
use crate::plan::Ask;
use crate::probe::Kind;
use crate::reference::{Piece, pieces, written};

/// Notes every value in `expect` that is none of the options of `ask`.
pub fn check_options(expect: &Node, ask: &Ask, decode: &mut Decode) {
    let Some(kind) = Kind::named(ask.probe) else { return };
    for (key, value) in expect.entries() {
        match (key.name.as_str(), &value.value) {
            ("any_of", Tree::Seq(ways)) => ways.iter().for_each(|way| check_options(way, ask, decode)),
            ("not", _) => check_options(value, ask, decode),
            (fact, _) => {
                let Some(options) = kind.options(&ask.args, fact) else { continue };
                compared(value, &mut |wanted| {
                    let text = written(&wanted.to_json());
                    let is_option = |word: &str| options.iter().any(|option| option == word);
                    let is_reference = pieces(&text).iter().any(|piece| matches!(piece, Piece::Reference(_)));
                    // Several options together are one text.
                    if !is_reference && !is_option(&text) && !text.split(", ").all(is_option) {
                        let help = suggestion(&text, options.iter().map(String::as_str));
                        decode.mistake(wanted.span, format!("`{text}` is none of the options"), help);
                    }
                });
            }
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
