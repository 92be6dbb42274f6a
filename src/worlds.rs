//! Worlds: what a student may have done, as a script, and what each check must then come to. Data beside the lab.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::decode::{Decode, Sp, each};
use crate::error::{Diagnostic, suggestion};
use crate::node::{self, Node, Tree};
use crate::plan::{Plan, check_format};
use crate::source::Source;
use crate::text::Text;
use crate::verdict::Outcome;

/// The value of `labrun:` in a world file.
pub const WORLDS_FORMAT: &str = "worlds/v1";

/// The worlds of one lab, ready to be played.
#[derive(Debug, Clone)]
pub struct Worlds {
    /// The lab's id.
    pub lab: String,
    /// The worlds, in order.
    pub worlds: Vec<World>,
}

/// One world, ready to be played.
#[derive(Debug, Clone)]
pub struct World {
    /// Its name.
    pub id: String,
    /// What the student did.
    pub about: Text,
    /// A script for bash, run in a fresh student VM as the student.
    pub script: String,
    /// What each check must come to, by `step/check`.
    pub expect: BTreeMap<String, Expected>,
}

/// What a check must come to, and what the student must be told with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The outcome.
    pub outcome: Outcome,
    /// The hint of a fail or the note of a pass.
    pub advice: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    labrun: Sp<String>,
    lab: Sp<String>,
    #[serde(default)]
    prelude: String,
    #[serde(deserialize_with = "each")]
    worlds: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Sp<String>,
    about: Text,
    #[serde(default)]
    after: Option<Sp<String>>,
    #[serde(rename = "do", default)]
    script: String,
    expect: Node,
}

/// Reads a world file for the lab of `plan`, or says everything that is wrong with it.
pub fn read(source: &Arc<Source>, plan: &Plan) -> Result<Worlds, Vec<Diagnostic>> {
    let node = node::parse(source).map_err(|mistake| vec![mistake])?;
    let mut decode = Decode::new(source);
    let Some(file) = decode.decode::<File>(&node) else { return Err(decode.mistakes) };
    check_format(&file.labrun, WORLDS_FORMAT, &mut decode);
    if file.lab.value != plan.id {
        decode.mistake(file.lab.span, format!("these are worlds of `{}`, not of `{}`", file.lab.value, plan.id), None);
    }
    let mut scripts: BTreeMap<&str, String> = BTreeMap::new();
    let mut worlds = Vec::new();
    for entry in &file.worlds {
        let before = match &entry.after {
            None => file.prelude.clone(),
            Some(after) => scripts.get(after.value.as_str()).cloned().unwrap_or_else(|| {
                let help = suggestion(&after.value, scripts.keys().copied());
                decode.mistake(after.span, format!("no earlier world `{}`", after.value), help);
                String::new()
            }),
        };
        let script = before + "\n" + &entry.script;
        if scripts.insert(&entry.id.value, script.clone()).is_some() {
            decode.mistake(entry.id.span, format!("a second world `{}`", entry.id.value), None);
        }
        let expect = expected(&entry.expect, plan, &mut decode);
        worlds.push(World { id: entry.id.value.clone(), about: entry.about.clone(), script, expect });
    }
    match decode.mistakes.is_empty() {
        true => Ok(Worlds { lab: file.lab.value, worlds }),
        false => Err(decode.mistakes),
    }
}

/// Reads `{otherwise: pass, port/bound: {fail: no-port}}`; every check of the lab must come out of it.
fn expected(node: &Node, plan: &Plan, decode: &mut Decode) -> BTreeMap<String, Expected> {
    let known: Vec<&str> = plan.checks().map(|check| &check.address[plan.id.len() + 1..]).collect();
    let mut expect = BTreeMap::new();
    let mut otherwise = None;
    let mut unreadable = false;
    for (key, value) in node.entries() {
        let Some(wanted) = one(value, decode) else {
            unreadable = true;
            continue;
        };
        if key.name == "otherwise" {
            otherwise = Some(wanted);
            continue;
        }
        if !known.contains(&key.name.as_str()) {
            let help = suggestion(&key.name, known.iter().copied());
            decode.mistake(key.span, format!("lab `{}` has no check `{}`", plan.id, key.name), help);
        }
        if let Some(advice) = &wanted.advice {
            check_advice(advice, wanted.outcome, &key.name, value, plan, decode);
        }
        if wanted.outcome == Outcome::Fail && wanted.advice.is_none() {
            decode.mistake(value.span, "say which hint must be shown", Some("`{fail: HINT}`".to_owned()));
        }
        if expect.insert(key.name.clone(), wanted).is_some() {
            decode.mistake(key.span, format!("duplicate key `{}`", key.name), None);
        }
    }
    for name in known {
        match (&otherwise, expect.contains_key(name)) {
            (_, true) => {}
            (Some(wanted), false) => drop(expect.insert(name.to_owned(), wanted.clone())),
            (None, false) if unreadable => {}
            (None, false) => decode.mistake(node.span, format!("nothing is said about `{name}`"), None),
        }
    }
    expect
}

fn check_advice(advice: &str, outcome: Outcome, name: &str, value: &Node, plan: &Plan, decode: &mut Decode) {
    let Some(check) = plan.checks().find(|check| check.address[plan.id.len() + 1..] == *name) else { return };
    let (word, all) = if outcome == Outcome::Fail { ("hint", &check.hints) } else { ("note", &check.notes) };
    if all.iter().all(|known| known.id != advice) {
        let help = suggestion(advice, all.iter().map(|known| known.id.as_str()));
        decode.mistake(value.span, format!("check `{name}` has no {word} `{advice}`"), help);
    }
}

/// Reads `pass`, `blocked`, `{fail: HINT}` or `{pass: NOTE}`.
fn one(node: &Node, decode: &mut Decode) -> Option<Expected> {
    let (word, advice) = match &node.value {
        Tree::Str(word) => (word.as_str(), None),
        Tree::Map(entries) => match entries.as_slice() {
            [(key, Node { value: Tree::Str(advice), .. })] => (key.name.as_str(), Some(advice.clone())),
            _ => ("", None),
        },
        _ => ("", None),
    };
    let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.word() == word);
    if outcome.is_none() {
        let help = "write `pass`, `blocked`, `unknown`, `deferred`, `{fail: HINT}` or `{pass: NOTE}`".to_owned();
        decode.mistake(node.span, "not an outcome", Some(help));
    }
    Some(Expected { outcome: outcome?, advice })
}
