//! What a world says its checks come to: `{otherwise: pass, port: blocked, port/bound: {fail: no-port}}`.

use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator, json_schema};

use crate::decode::Decode;
use crate::error::suggestion;
use crate::node::{Key, Node, Tree};
use crate::plan::{Plan, PlannedCheck};
use crate::verdict::Outcome;
use crate::worlds::Expected;

/// The word for everything that no other key speaks of.
const OTHERWISE: &str = "otherwise";

/// The names by which a world file calls checks, steps and labs.
pub struct Names<'p> {
    /// The labs it is about.
    pub plans: &'p [Plan],
    /// Whether it is about several, so that names begin with the lab's.
    pub several: bool,
}

impl Names<'_> {
    /// What the file calls something of this address.
    fn of<'a>(&self, address: &'a str) -> &'a str {
        match address.split_once('/') {
            Some((_, within)) if !self.several => within,
            _ => address,
        }
    }

    fn checks(&self) -> impl Iterator<Item = &PlannedCheck> {
        self.plans.iter().flat_map(Plan::checks)
    }

    /// What goes by `name`: all checks, those of a lab or of a step, or one.
    fn meant(&self, name: &str) -> Option<Meant<'_>> {
        if name == OTHERWISE {
            return Some(Meant::Several(Width::All, self.checks().collect()));
        }
        if let Some(check) = self.checks().find(|check| self.of(&check.address) == name) {
            return Some(Meant::One(check));
        }
        let step = self.plans.iter().flat_map(|plan| &plan.steps).find(|step| self.of(&step.address) == name);
        if let Some(step) = step {
            return Some(Meant::Several(Width::Step, step.checks.iter().collect()));
        }
        let lab = self.plans.iter().find(|plan| self.several && plan.id == name)?;
        Some(Meant::Several(Width::Lab, lab.checks().collect()))
    }
}

/// What a key speaks of.
enum Meant<'p> {
    One(&'p PlannedCheck),
    Several(Width, Vec<&'p PlannedCheck>),
}

/// How much a key speaks of; what speaks of less has the last word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    All,
    Lab,
    Step,
    One,
}

/// What was said so far of each check, and by how wide a key.
type Said<'p> = BTreeMap<&'p str, (Width, Option<Expected>)>;

/// Reads what is expected, in `node` and, where that says nothing of its own, in what the file says of `every` world;
/// something must be said of every check.
pub fn expected(node: &Node, every: Option<&Node>, names: &Names, decode: &mut Decode) -> BTreeMap<String, Expected> {
    let mut said = Said::new();
    let mut all_read = true;
    for node in every.into_iter().chain([node]) {
        all_read &= read(node, names, &mut said, decode);
    }
    for check in names.checks().filter(|check| all_read && !said.contains_key(check.address.as_str())) {
        decode.mistake(node.span, format!("nothing is said about `{}`", names.of(&check.address)), None);
    }
    let said = said.into_iter().filter_map(|(address, (_, wanted))| Some((address.to_owned(), wanted?)));
    said.collect()
}

/// Notes what `node` says in `said`; false when something in it is no outcome.
fn read<'p>(node: &Node, names: &'p Names, said: &mut Said<'p>, decode: &mut Decode) -> bool {
    let mut keys: Vec<&str> = Vec::new();
    let mut all_read = true;
    for (key, value) in node.entries() {
        if keys.contains(&key.name.as_str()) {
            decode.mistake(key.span, format!("duplicate key `{}`", key.name), None);
        }
        keys.push(&key.name);
        let Some(wanted) = one(value, names, decode) else {
            all_read = false;
            continue;
        };
        let (width, checks) = match names.meant(&key.name) {
            None => {
                unknown(key, names, decode);
                continue;
            }
            Some(Meant::One(check)) => {
                if let Some(wanted) = &wanted {
                    check_advice(wanted, check, key, value, decode);
                }
                (Width::One, vec![check])
            }
            Some(Meant::Several(width, checks)) => {
                let needs_advice = |wanted: &Expected| wanted.advice.is_some() || wanted.outcome == Outcome::Fail;
                if wanted.as_ref().is_some_and(needs_advice) {
                    let help = "name the checks, each with its own".to_owned();
                    decode.mistake(
                        value.span,
                        "a fail with its hint, or a pass with its note, is said of one check",
                        Some(help),
                    );
                }
                (width, checks)
            }
        };
        for check in checks {
            let before = said.get(check.address.as_str()).map(|(width, _)| *width);
            if before.is_none_or(|before| before <= width) {
                said.insert(&check.address, (width, wanted.clone()));
            }
        }
    }
    all_read
}

fn unknown(key: &Key, names: &Names, decode: &mut Decode) {
    let help = suggestion(&key.name, names.checks().map(|check| names.of(&check.address)).collect::<Vec<_>>());
    let message = match names.plans {
        [plan] if !names.several => format!("lab `{}` has no check `{}`", plan.id, key.name),
        _ => format!("none of these labs has a check `{}`", key.name),
    };
    decode.mistake(key.span, message, help);
}

/// A fail must say its hint, and hints and notes must be there.
fn check_advice(wanted: &Expected, check: &PlannedCheck, key: &Key, value: &Node, decode: &mut Decode) {
    let Some(advice) = &wanted.advice else {
        if wanted.outcome == Outcome::Fail {
            decode.mistake(value.span, "say which hint must be shown", Some("`{fail: HINT}`".to_owned()));
        }
        return;
    };
    let (word, all) = if wanted.outcome == Outcome::Fail { ("hint", &check.hints) } else { ("note", &check.notes) };
    if all.iter().all(|known| known.id != *advice) {
        let help = suggestion(advice, all.iter().map(|known| known.id.as_str()));
        decode.mistake(value.span, format!("check `{}` has no {word} `{advice}`", key.name), help);
    }
}

/// Reads `pass`, `blocked`, `{fail: HINT}`, `{pass: NOTE}`, or `any` (`Some(None)`) where there are several labs.
fn one(node: &Node, names: &Names, decode: &mut Decode) -> Option<Option<Expected>> {
    let (word, advice) = match &node.value {
        Tree::Str(word) => (word.as_str(), None),
        Tree::Map(entries) => match entries.as_slice() {
            [(key, Node { value: Tree::Str(advice), .. })] => (key.name.as_str(), Some(advice.clone())),
            _ => ("", None),
        },
        _ => ("", None),
    };
    if word == "any" && names.several {
        return Some(None);
    }
    let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.word() == word);
    if outcome.is_none() {
        let help = "write `pass`, `blocked`, `unknown`, `deferred`, `{fail: HINT}` or `{pass: NOTE}`".to_owned();
        decode.mistake(node.span, "not an outcome", Some(help));
    }
    Some(Some(Expected { outcome: outcome?, advice }))
}

/// What checks come to, as a JSON Schema.
pub fn outcomes(_: &mut SchemaGenerator) -> Schema {
    let words = Outcome::ALL.map(Outcome::word);
    let bare: Vec<&str> = words.into_iter().filter(|word| *word != Outcome::Fail.word()).chain(["any"]).collect();
    json_schema!({
        "type": ["object", "null"],
        "properties": {OTHERWISE: {"description": "everything that no other key speaks of"}},
        "additionalProperties": {
            "anyOf": [
                {"enum": bare},
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "propertyNames": {"enum": words},
                    "properties": {
                        "fail": {"description": "the hint that must be shown"},
                        "pass": {"description": "the note that must be shown"},
                    },
                    "additionalProperties": {"type": "string"},
                },
            ],
        },
    })
}
