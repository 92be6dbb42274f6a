//! Parameters: bound on the parsed tree, so that places survive and no value can become syntax.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::decode::Decode;
use crate::error::suggestion;
use crate::node::{Key, Node, Tree};
use crate::reference::{Piece, pieces, written};

/// The parameters in force and which of them were used.
#[derive(Debug, Default)]
pub struct Params {
    values: BTreeMap<String, Tree>,
    used: BTreeSet<String>,
}

impl Params {
    /// Reads `declared`, a mapping of names to defaults (or, where there is none, `{example: …}`), and replaces them
    /// by what is `given`.
    pub fn read(declared: &Node, given: &BTreeMap<String, Tree>, decode: &mut Decode) -> Params {
        let mut values = BTreeMap::new();
        if !matches!(declared.value, Tree::Map(_) | Tree::Null) {
            decode.mistake(declared.span, "parameters are a mapping of names to defaults", None);
        }
        for (key, default) in declared.entries() {
            if !key.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                let help = Some("letters, digits and `_`".to_owned());
                decode.mistake(key.span, format!("`{}` is no name for a parameter", key.name), help);
            }
            let default = default.get("example").unwrap_or(default);
            if matches!(default.value, Tree::Seq(_) | Tree::Map(_) | Tree::Null) {
                let help = Some("write a default, or `{example: …}` for a parameter that must be given".to_owned());
                decode.mistake(default.span, "a parameter is a single value", help);
            }
            let value = given.get(&key.name).unwrap_or(&default.value).clone();
            if values.insert(key.name.clone(), value).is_some() {
                decode.mistake(key.span, format!("duplicate key `{}`", key.name), None);
            }
        }
        Params { values, used: BTreeSet::new() }
    }

    /// The parameters as plain data.
    pub fn to_json(&self) -> BTreeMap<String, Value> {
        self.values.iter().map(|(name, tree)| (name.clone(), json(tree))).collect()
    }

    /// Replaces every `${name}` in `node`. References to facts (`${box.address}`) are left for later.
    pub fn bind(&mut self, node: &Node, decode: &mut Decode) -> Node {
        let value = match &node.value {
            Tree::Str(text) => self.bind_text(text, node, decode),
            Tree::Seq(items) => Tree::Seq(items.iter().map(|item| self.bind(item, decode)).collect()),
            Tree::Map(entries) => {
                let entries = entries.iter().map(|(key, item)| {
                    let name = match self.bind_text(&key.name, node, decode) {
                        Tree::Str(name) => name,
                        other => written(&json(&other)),
                    };
                    (Key { name, span: key.span }, self.bind(item, decode))
                });
                Tree::Map(entries.collect())
            }
            plain => plain.clone(),
        };
        Node { value, span: node.span }
    }

    fn bind_text(&mut self, text: &str, node: &Node, decode: &mut Decode) -> Tree {
        let pieces = pieces(text);
        if let [Piece::Reference(name)] = pieces.as_slice() {
            return match name.contains('.') {
                true => Tree::Str(text.to_owned()),
                false => self.value(name, node, decode),
            };
        }
        let mut bound = String::new();
        for piece in pieces {
            match piece {
                // An escaped `$${` stays escaped: references to facts are still to come.
                Piece::Plain("${") => bound.push_str("$${"),
                Piece::Plain(plain) => bound.push_str(plain),
                Piece::Reference(name) if name.contains('.') => bound.push_str(&format!("${{{name}}}")),
                Piece::Reference(name) => bound.push_str(&written(&json(&self.value(name, node, decode)))),
            }
        }
        Tree::Str(bound)
    }

    fn value(&mut self, name: &str, node: &Node, decode: &mut Decode) -> Tree {
        self.used.insert(name.to_owned());
        match self.values.get(name) {
            // What a value holds is never a reference.
            Some(Tree::Str(text)) => return Tree::Str(text.replace("${", "$${")),
            Some(value) => return value.clone(),
            None => {}
        }
        let help = suggestion(name, self.values.keys().map(String::as_str));
        decode.mistake(node.span, format!("unknown parameter `{name}`"), help);
        Tree::Str(name.to_owned())
    }

    /// Notes every declared parameter that nothing uses.
    pub fn check_all_used(&self, declared: &Node, decode: &mut Decode) {
        for (key, _) in declared.entries().iter().filter(|(key, _)| !self.used.contains(&key.name)) {
            decode.mistake(key.span, format!("parameter `{}` is never used", key.name), None);
        }
    }
}

fn json(tree: &Tree) -> Value {
    Node { value: tree.clone(), ..Node::default() }.to_json()
}

/// Reads the value of `--set name=value` as the type of the default it replaces.
pub fn read_setting(text: &str, default: &Tree) -> Result<Tree, &'static str> {
    match default {
        Tree::Int(_) => text.parse().map(Tree::Int).map_err(|_| "a whole number"),
        Tree::Float(_) => text.parse().map(Tree::Float).map_err(|_| "a number"),
        Tree::Bool(_) => text.parse().map(Tree::Bool).map_err(|_| "`true` or `false`"),
        _ => Ok(Tree::Str(text.to_owned())),
    }
}
