//! Secrets in a file that students may read.

use std::sync::Arc;

use crate::decode::Decode;
use crate::error::Diagnostic;
use crate::evidence::secrets::{BY_LOOKS, is_secret};
use crate::lint::content::items;
use crate::node::{Node, Tree};
use crate::source::{Source, Span};

/// Every secret in a file, comments and scripts included.
pub fn by_looks(source: &Arc<Source>) -> Vec<Diagnostic> {
    let mut decode = Decode::new(source);
    for found in BY_LOOKS.find_iter(&source.text) {
        let help = "whoever has the lab has it: take it out, and have it revoked where it is from".to_owned();
        decode.mistake(Span::new(found.start(), found.len()), "a secret", Some(help));
    }
    decode.mistakes
}

/// Every value of a lab that is named like a secret and is written out where it is used. What the course tells its
/// students is a parameter, so that it is said once and another course can say otherwise.
pub fn by_name(source: &Arc<Source>, lab: &Node) -> Vec<Diagnostic> {
    let mut decode = Decode::new(source);
    look(lab, &mut decode);
    decode.mistakes
}

fn look(node: &Node, decode: &mut Decode) {
    for (key, value) in node.entries() {
        match &value.value {
            // A probe may put in what it finds (`@{csrf}`).
            Tree::Str(text) if is_secret(&key.name) && !text.contains("${") && !text.starts_with("@{") => {
                let help = "what students are told is a parameter, `${…}`; anything else is in no lab".to_owned();
                decode.mistake(value.span, format!("`{}` is written out here", key.name), Some(help));
            }
            // There it is told. What is expected or answered by that name is no secret yet.
            _ if matches!(key.name.as_str(), "params" | "expect" | "when" | "while") => {}
            _ => look(value, decode),
        }
    }
    items(Some(node)).iter().for_each(|item| look(item, decode));
}
