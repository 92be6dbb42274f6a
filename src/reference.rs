//! Facts by path, and `${name.path}`: how an argument or an expectation takes over what another observation saw.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::evidence::Facts;

/// A path to a fact: `status`, `mounts[0].name`, `headers["content-type"]`, `box.created_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
}

impl Path {
    /// The first segment: a fact, or the name of a `given`.
    pub fn head(&self) -> &str {
        match &self.segments[0] {
            Segment::Key(key) => key,
            Segment::Index(_) => "",
        }
    }

    /// The second segment, when it is a key.
    pub fn second(&self) -> Option<&str> {
        match self.segments.get(1)? {
            Segment::Key(key) => Some(key),
            Segment::Index(_) => None,
        }
    }

    /// Whether there is nothing but the head.
    pub fn is_plain(&self) -> bool {
        self.segments.len() == 1
    }

    fn walk<'v>(&self, from: usize, start: &'v Value) -> Option<&'v Value> {
        self.segments[from..].iter().try_fold(start, |value, segment| match segment {
            Segment::Key(key) => value.get(key),
            Segment::Index(index) => value.get(index),
        })
    }

    /// The value at this path in `object`.
    pub fn find<'v>(&self, object: &'v Facts) -> Option<&'v Value> {
        self.walk(1, object.get(self.head())?)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Path {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Path, Self::Err> {
        const FORM: &str = "a path is written like `status`, `mounts[0].name` or `headers[\"content-type\"]`";
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(quoted) = rest.strip_prefix("[\"") {
                let (key, after) = quoted.split_once("\"]").ok_or(FORM)?;
                segments.push(Segment::Key(key.to_owned()));
                rest = after;
            } else if let Some(index) = rest.strip_prefix('[') {
                let (index, after) = index.split_once(']').ok_or(FORM)?;
                segments.push(Segment::Index(index.parse().map_err(|_| FORM)?));
                rest = after;
            } else {
                let key = match segments.is_empty() {
                    true => rest,
                    false => rest.strip_prefix('.').ok_or(FORM)?,
                };
                let end = key.find(['.', '[']).unwrap_or(key.len());
                if end == 0 || key[..end].contains(|c: char| c.is_whitespace() || "]\"{}$".contains(c)) {
                    return Err(FORM);
                }
                segments.push(Segment::Key(key[..end].to_owned()));
                rest = &key[end..];
            }
        }
        match segments.first() {
            Some(Segment::Key(_)) => Ok(Path { text: text.to_owned(), segments }),
            _ => Err(FORM),
        }
    }
}

/// The facts a check is judged on: those of its own probe, and those of each `given` under its name.
#[derive(Debug, Clone, Default)]
pub struct Scope<'e> {
    /// The facts of the check's own probe.
    pub own: Option<&'e Facts>,
    /// The facts of what it leans on.
    pub given: BTreeMap<&'e str, &'e Facts>,
    /// The names of what it leans on that could not be seen: nothing is known of their facts, not even their absence.
    pub unseen: BTreeSet<&'e str>,
    /// Whether `own` is one element of a list.
    pub of_element: bool,
}

impl<'e> Scope<'e> {
    /// The value at `path`, if there is one that is not null.
    pub fn find(&self, path: &Path) -> Option<&'e Value> {
        let found = match self.given.get(path.head()) {
            None if self.unseen.contains(path.head()) => None,
            Some(facts) => {
                let second = path.second()?;
                path.walk(2, facts.get(second)?)
            }
            None => path.find(self.own?),
        };
        found.filter(|value| !value.is_null())
    }

    /// What a reference by the text of its path leads to.
    pub fn lookup(&self, name: &str) -> Option<Value> {
        self.find(&name.parse().ok()?).cloned()
    }

    /// Whether a reference by the text of its path leads to what could not be seen.
    pub fn is_unseen(&self, name: &str) -> bool {
        name.parse::<Path>().is_ok_and(|path| self.unseen.contains(path.head()))
    }

    /// Whether the fact at `path` was cut or not seen, so that what is missing in it may exist all the same.
    pub fn is_partial(&self, path: &Path) -> bool {
        if self.unseen.contains(path.head()) {
            return true;
        }
        let (facts, fact) = match self.given.get(path.head()) {
            Some(facts) => (Some(*facts), path.second().unwrap_or_default()),
            None => (self.own, path.head()),
        };
        let cut = facts.and_then(|facts| facts.get("truncated")).and_then(Value::as_array);
        cut.is_some_and(|cut| cut.iter().any(|name| name == fact))
    }
}

/// One piece of a string that may hold references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'t> {
    /// As it stands; `$${` has become `${`.
    Plain(&'t str),
    /// What stands between `${` and `}`.
    Reference(&'t str),
}

/// Cuts `text` into plain pieces and references.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(dollar) = rest.find("${") {
        let escaped = rest[..dollar].ends_with('$');
        match rest[dollar + 2..].find('}') {
            Some(length) if !escaped => {
                pieces.push(Piece::Plain(&rest[..dollar]));
                pieces.push(Piece::Reference(&rest[dollar + 2..dollar + 2 + length]));
                rest = &rest[dollar + 3 + length..];
            }
            _ => {
                let plain_end = if escaped { dollar - 1 } else { dollar };
                pieces.push(Piece::Plain(&rest[..plain_end]));
                pieces.push(Piece::Plain("${"));
                rest = &rest[dollar + 2..];
            }
        }
    }
    pieces.push(Piece::Plain(rest));
    pieces.retain(|piece| *piece != Piece::Plain(""));
    pieces
}

/// Replaces every reference in `value` by what `lookup` finds. A string that is one reference becomes that very
/// value; within a longer string it is written out. `Err` names the reference that leads nowhere.
pub fn resolve(value: &Value, lookup: &impl Fn(&str) -> Option<Value>) -> Result<Value, String> {
    match value {
        Value::String(text) => match pieces(text).as_slice() {
            [Piece::Reference(name)] => lookup(name).ok_or_else(|| (*name).to_owned()),
            pieces => {
                let written = pieces.iter().map(|piece| match piece {
                    Piece::Plain(plain) => Ok((*plain).to_owned()),
                    Piece::Reference(name) => lookup(name).map(|v| written(&v)).ok_or_else(|| (*name).to_owned()),
                });
                written.collect::<Result<String, String>>().map(Value::String)
            }
        },
        Value::Array(items) => items.iter().map(|item| resolve(item, lookup)).collect(),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, item)| Ok((key.clone(), resolve(item, lookup)?)));
            entries.collect::<Result<_, String>>().map(Value::Object)
        }
        plain => Ok(plain.clone()),
    }
}

/// A value within a string: strings bare, the rest as JSON.
pub fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_lead_to_facts() {
        let facts = json!({"a": {"b": [1, {"c.d": 2}]}, "n": null});
        let facts = facts.as_object().unwrap();
        let find = |path: &str| path.parse::<Path>().unwrap().find(facts).cloned();
        assert_eq!(find("a.b[0]"), Some(json!(1)));
        assert_eq!(find("a.b[1][\"c.d\"]"), Some(json!(2)));
        assert_eq!(find("a.x"), None);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in ["", "a..b", "[0]", "a[x]", "a b", "a[\"b", ".a"] {
            assert!(bad.parse::<Path>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_whole_reference_keeps_its_type_and_others_are_written_out() {
        let lookup = |name: &str| (name == "port").then(|| json!(5432));
        assert_eq!(resolve(&json!({"p": "${port}"}), &lookup), Ok(json!({"p": 5432})));
        assert_eq!(resolve(&json!(["ams:${port}"]), &lookup), Ok(json!(["ams:5432"])));
        assert_eq!(resolve(&json!("$${port} $ {x} ${port"), &lookup), Ok(json!("${port} $ {x} ${port")));
        assert_eq!(resolve(&json!("${nowhere}"), &lookup), Err("nowhere".to_owned()));
    }
}
