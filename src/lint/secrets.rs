//! Secrets in a file that students may read.

use std::sync::{Arc, LazyLock};

use regex::Regex;

use crate::decode::Decode;
use crate::error::Diagnostic;
use crate::evidence::secrets::is_secret;
use crate::lint::content::items;
use crate::node::{Node, Tree};
use crate::source::{Source, Span};

/// What is a secret by its looks, whoever wrote it: keys, and tokens that their issuers mark.
static BY_LOOKS: LazyLock<Regex> = LazyLock::new(|| {
    let looks = [
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"\bgh[pousr]_[A-Za-z0-9]{36,}",
        r"\bgithub_pat_\w{22,}",
        r"\bglpat-[\w-]{20,}",
        r"\bdckr_pat_[\w-]{20,}",
        r"\bxox[abprs]-[\w-]{10,}",
        r"\bAKIA[0-9A-Z]{16}\b",
        r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}",
    ];
    Regex::new(&looks.join("|")).expect("a constant pattern")
});

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
