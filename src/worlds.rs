//! Worlds: what students may have done, as scripts, and what each check must then come to. Data beside the labs.

mod expected;
mod gaps;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::decode::{Decode, Sp, each};
use crate::error::{Diagnostic, suggestion};
use crate::node::{self, Node, Tree};
use crate::plan::{Plan, Settings, check_format, parse_duration, plan};
use crate::source::{Source, Span};
use crate::text::Text;
use crate::verdict::Outcome;

pub use gaps::gaps;

use expected::{Names, expected, outcomes};

/// The value of `labrun:` in a world file.
pub const WORLDS_FORMAT: &str = "worlds/v1";

/// The worlds of one file, ready to be played.
#[derive(Debug, Clone)]
pub struct Worlds {
    /// The ids of the labs they are worlds of, mostly one.
    pub labs: Vec<String>,
    /// Shell functions for every script.
    pub prelude: String,
    /// The worlds, in order.
    pub worlds: Vec<World>,
    /// Where the file names its labs.
    span: Span,
}

/// One world, ready to be played.
#[derive(Debug, Clone)]
pub struct World {
    /// Its name.
    pub id: String,
    /// What the student did.
    pub about: Text,
    /// The engines it is limited to.
    pub engines: Option<Engines>,
    /// What is done and looked at, one after the other on one machine.
    pub acts: Vec<Act>,
    /// Where it says its name.
    span: Span,
}

/// The engines a world is limited to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Engines {
    /// Their major versions.
    pub only: Vec<u32>,
    /// Why the others have no such world.
    pub because: Text,
}

/// A part of a world: something is done, and then looked at.
#[derive(Debug, Clone)]
pub struct Act {
    /// What the student did, where it is not what the world says.
    pub about: Option<Text>,
    /// A script for bash, run as the student.
    pub script: String,
    /// How long the script may take, and the looking; the player's own limit without one.
    pub timeout: Option<Duration>,
    /// Who looks.
    pub user: User,
    /// Options of `labrun check`.
    pub options: Vec<String>,
    /// What checks must come to, by `lab/step/check`; none when nobody looks.
    pub expect: Option<BTreeMap<String, Expected>>,
}

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum User {
    /// The student.
    #[default]
    Student,
    /// The superuser.
    Root,
    /// A grader outside the machine, who logs into it over SSH.
    Outside,
}

/// What a check comes to, and what the student is told with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expected {
    /// The outcome.
    pub outcome: Outcome,
    /// The hint of a fail or the note of a pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// What students may have done, and what each check must then come to.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("oneOf" = [{"required": ["lab"]}, {"required": ["labs"]}]))]
#[serde(deny_unknown_fields)]
struct File {
    /// The file format, `worlds/v1`.
    labrun: Sp<String>,
    /// The lab they are worlds of.
    #[serde(default)]
    lab: Option<Sp<String>>,
    /// Instead of `lab`: several labs, all looked at every time.
    #[serde(default)]
    labs: Option<Sp<Vec<Sp<String>>>>,
    /// Shell functions for every script.
    #[serde(default)]
    prelude: String,
    /// What checks come to in every world that does not say so itself.
    #[serde(default)]
    #[schemars(schema_with = "outcomes")]
    expect: Option<Node>,
    /// The worlds.
    #[serde(deserialize_with = "each")]
    worlds: Vec<Entry>,
}

/// One world.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "World", extend("anyOf" = [{"required": ["expect"]}, {"required": ["then"]}]))]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Its name.
    id: Sp<String>,
    /// What the student did.
    about: Text,
    /// The engines it is limited to.
    #[serde(default)]
    engines: Option<Engines>,
    /// An earlier world whose scripts come first, in the same shell.
    #[serde(default)]
    after: Option<Sp<String>>,
    /// A script for bash, run as the student at home; it must succeed.
    #[serde(rename = "do", default)]
    script: String,
    /// How long the script may take, and the look: `5m`.
    #[serde(default)]
    timeout: Option<Sp<String>>,
    /// Who looks.
    #[serde(rename = "as", default)]
    user: User,
    /// Further options of the command that looks.
    #[serde(default)]
    check: Vec<String>,
    /// What the checks come to.
    #[serde(default)]
    #[schemars(schema_with = "outcomes")]
    expect: Option<Node>,
    /// What is done and looked at next, on the same machine.
    #[serde(default, deserialize_with = "each")]
    then: Vec<Then>,
}

/// What is done and looked at next, on the same machine.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Then {
    /// What the student did.
    #[serde(default)]
    about: Option<Text>,
    /// A script for bash, run as the student at home; it must succeed.
    #[serde(rename = "do", default)]
    script: String,
    /// How long the script may take, and the look: `5m`.
    #[serde(default)]
    timeout: Option<Sp<String>>,
    /// Who looks.
    #[serde(rename = "as", default)]
    user: User,
    /// Further options of the command that looks.
    #[serde(default)]
    check: Vec<String>,
    /// What the checks come to.
    #[schemars(schema_with = "outcomes")]
    expect: Node,
}

/// The file as a JSON Schema.
pub fn schema(generator: SchemaGenerator) -> Schema {
    generator.into_root_schema_for::<File>()
}

/// Reads a world file and plans the labs it names, or says everything that is wrong with one or the other.
pub fn load(
    source: &Arc<Source>,
    labs: &BTreeMap<String, Arc<Source>>,
    checks: &BTreeMap<String, Arc<Source>>,
) -> Result<(Vec<Plan>, Worlds), Vec<Diagnostic>> {
    let node = node::parse(source).map_err(|mistake| vec![mistake])?;
    let mut decode = Decode::new(source);
    let named = labs_of(&node);
    if named.is_empty() {
        let format = node.get("labrun").map(|format| format.span).unwrap_or_default();
        decode.mistake(format, "worlds of no lab", Some("name the lab, e.g. `lab: lab1`".to_owned()));
    }
    let mut plans = Vec::new();
    for (id, span) in named {
        match labs.get(id).map(|lab| plan(lab, checks, &Settings::new(), &[])) {
            Some(Ok(plan)) => plans.push(plan),
            Some(Err(mistakes)) => decode.mistakes.extend(mistakes),
            None => {
                let help = suggestion(id, labs.keys().map(String::as_str));
                decode.mistake(span, format!("there is no lab `{id}`"), help);
            }
        }
    }
    if !decode.mistakes.is_empty() {
        return Err(decode.mistakes);
    }
    let worlds = read(source, &node, &plans)?;
    Ok((plans, worlds))
}

/// The labs that a world file says it belongs to, with their places.
fn labs_of(node: &Node) -> Vec<(&str, Span)> {
    let several = node.get("labs").map(|labs| match &labs.value {
        Tree::Seq(labs) => labs.as_slice(),
        _ => &[],
    });
    let named = node.get("lab").into_iter().chain(several.unwrap_or_default());
    let named = named.filter_map(|node| match &node.value {
        Tree::Str(id) => Some((id.as_str(), node.span)),
        _ => None,
    });
    named.collect()
}

fn read(source: &Arc<Source>, node: &Node, plans: &[Plan]) -> Result<Worlds, Vec<Diagnostic>> {
    let mut decode = Decode::new(source);
    let Some(file) = decode.decode::<File>(node) else { return Err(decode.mistakes) };
    check_format(&file.labrun, WORLDS_FORMAT, &mut decode);
    let (several, labs, span) = match (file.lab, file.labs) {
        (Some(lab), None) => (false, vec![lab.value.clone()], lab.span),
        (None, Some(labs)) => (true, labs.value.into_iter().map(|lab| lab.value).collect(), labs.span),
        (_, labs) => {
            let place = labs.map_or(file.labrun.span, |labs| labs.span);
            decode.mistake(place, "write either `lab` or `labs`", None);
            return Err(decode.mistakes);
        }
    };
    let names = Names { plans, several };
    let mut scripts: BTreeMap<&str, String> = BTreeMap::new();
    let mut worlds = Vec::new();
    for entry in &file.worlds {
        let before = entry.after.as_ref().map(|after| {
            scripts.get(after.value.as_str()).cloned().unwrap_or_else(|| {
                let help = suggestion(&after.value, scripts.keys().copied());
                decode.mistake(after.span, format!("no earlier world `{}`", after.value), help);
                String::new()
            })
        });
        if entry.expect.is_none() && entry.then.is_empty() {
            decode.mistake(entry.id.span, "missing key `expect`", None);
        }
        let acts = acts(entry, before.as_deref().unwrap_or_default(), file.expect.as_ref(), &names, &mut decode);
        let script = acts.iter().map(|act| format!("{}\n", act.script)).collect();
        if scripts.insert(&entry.id.value, script).is_some() {
            decode.mistake(entry.id.span, format!("a second world `{}`", entry.id.value), None);
        }
        let (id, about, engines) = (entry.id.value.clone(), entry.about.clone(), entry.engines.clone());
        worlds.push(World { id, about, engines, acts, span: entry.id.span });
    }
    // What the file says of every world is read for each.
    decode.mistakes.sort_by_key(|mistake| mistake.span.start);
    decode.mistakes.dedup();
    match decode.mistakes.is_empty() {
        true => Ok(Worlds { labs, prelude: file.prelude, worlds, span }),
        false => Err(decode.mistakes),
    }
}

fn acts(entry: &Entry, before: &str, every: Option<&Node>, names: &Names, decode: &mut Decode) -> Vec<Act> {
    let first = Act {
        about: None,
        script: format!("{before}{}", entry.script),
        timeout: limit(&entry.timeout, decode),
        user: entry.user,
        options: entry.check.clone(),
        expect: entry.expect.as_ref().map(|node| expected(node, every, names, decode)),
    };
    let mut acts = vec![first];
    for then in &entry.then {
        acts.push(Act {
            about: then.about.clone(),
            script: then.script.clone(),
            timeout: limit(&then.timeout, decode),
            user: then.user,
            options: then.check.clone(),
            expect: Some(expected(&then.expect, every, names, decode)),
        });
    }
    acts
}

fn limit(text: &Option<Sp<String>>, decode: &mut Decode) -> Option<Duration> {
    let text = text.as_ref()?;
    parse_duration(&text.value).map_err(|why| decode.mistake(text.span, why, None)).ok()
}
