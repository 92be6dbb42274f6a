//! Parameters that each student has a value of their own for, so that a copied machine or answer shows.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::decode::{Decode, Sp};
use crate::error::suggestion;
use crate::node::{Node, Tree};
use crate::plan::Settings;
use crate::source::Source;

use crate::plan::settings::part;

/// How a parameter is made of a student's id: a number of a range, behind a prefix if there is one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Personal {
    /// What stands before the number.
    #[serde(default)]
    prefix: Option<String>,
    /// The least number.
    from: u32,
    /// The largest.
    to: u32,
}

impl Personal {
    /// The value for `student`: the same in every lab that has a parameter of this name and range, hard to guess from
    /// that of another, and the same for ever.
    fn value(&self, student: &str, name: &str) -> String {
        let digest = Sha256::digest(format!("{}\0{name}", student.trim().to_lowercase()));
        let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let range = u64::from(self.to.saturating_sub(self.from)) + 1;
        format!("{}{}", self.prefix.as_deref().unwrap_or_default(), u64::from(self.from) + number % range)
    }
}

/// The values that a lab's own parameters have for `student`. What the lab has wrong planning tells.
pub fn personal(source: &Arc<Source>, student: &str) -> Settings {
    let of_each = part(source, "personal");
    let mut decode = Decode::new(source);
    let values = of_each
        .entries()
        .iter()
        .filter_map(|(key, node)| Some((key.name.clone(), decode.decode::<Personal>(node)?.value(student, &key.name))));
    values.collect()
}

/// Notes every mistake in the personal parameters of a lab whose parameters are `declared`, and whose students may
/// choose `choices`.
pub(crate) fn check_personal(node: &Node, declared: &Node, choices: &[Sp<String>], decode: &mut Decode) {
    if !matches!(node.value, Tree::Map(_) | Tree::Null) {
        decode.mistake(node.span, "a mapping of parameters to their ranges: `{uid: {from: 2000, to: 59999}}`", None);
    }
    for (position, (key, value)) in node.entries().iter().enumerate() {
        let name = &key.name;
        if node.entries()[..position].iter().any(|(before, _)| before.name == *name) {
            decode.mistake(key.span, format!("duplicate key `{name}`"), None);
        }
        if choices.iter().any(|choice| choice.value == *name) {
            let message = format!("`{name}` cannot be both the student's choice and of the student's id");
            decode.mistake(key.span, message, None);
        }
        let Some(default) = declared.get(name) else {
            let help = suggestion(name, declared.entries().iter().map(|(key, _)| key.name.as_str()));
            decode.mistake(key.span, format!("there is no parameter `{name}`"), help);
            continue;
        };
        let Some(own) = decode.decode::<Personal>(value) else { continue };
        if own.from >= own.to {
            decode.mistake(value.span, "`from` is less than `to`", None);
        }
        match (&default.value, &own.prefix) {
            (Tree::Int(_), Some(_)) => {
                decode.mistake(value.span, format!("`{name}` is a number, which has no `prefix`"), None);
            }
            (Tree::Int(_), None) | (Tree::Str(_), _) => {}
            _ => decode.mistake(value.span, format!("`{name}` is neither a text nor a whole number"), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn lab(personal: &str) -> Arc<Source> {
        Source::new("x.yaml", format!("params: {{uid: 1234, table: test}}\npersonal: {personal}\n"))
    }

    #[test]
    fn a_student_has_the_same_value_for_ever_and_in_every_lab() {
        let one = lab("{uid: {from: 2000, to: 59999}, table: {prefix: test_, from: 1000, to: 9999}}");
        let other = lab("{table: {prefix: test_, from: 1000, to: 9999}}");
        let values = personal(&one, "ana.perez");
        // Written down: another version of labrun must not give another value.
        assert_eq!((values["uid"].as_str(), values["table"].as_str()), ("46709", "test_8352"));
        assert_eq!(personal(&other, "ana.perez")["table"], values["table"]);
        assert_eq!(personal(&one, " Ana.Perez"), values);
        assert_ne!(personal(&one, "ana.peres"), values);
    }

    #[test]
    fn values_keep_to_their_range_and_students_seldom_share_one() {
        let lab = lab("{uid: {from: 2000, to: 59999}}");
        let all: BTreeSet<u32> =
            (0..300).map(|n| personal(&lab, &format!("s{n:05}"))["uid"].parse().unwrap()).collect();
        assert!(all.iter().all(|uid| (2000..=59999).contains(uid)));
        assert!(all.len() > 290, "{}", all.len());
        let whole = personal(&self::lab("{uid: {from: 0, to: 4294967295}}"), "x");
        assert!(whole["uid"].parse::<u32>().is_ok());
        // What is wrong gives no value and does no harm.
        for bad in ["[uid]", "{uid: 7}", "{uid: {from: -1, to: 3}}", "x"] {
            assert!(personal(&self::lab(bad), "x").is_empty(), "{bad}");
        }
        assert_eq!(personal(&self::lab("{uid: {from: 9, to: 3}}"), "x")["uid"], "9");
    }
}
