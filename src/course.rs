//! A course: which labs it has, in which order, what each weighs, and what the teacher settles for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decode::{Decode, Sp, each, lenient};
use crate::error::{Diagnostic, suggestion};
use crate::evidence::{CourseFacts, Weight};
use crate::node::{self, Node, Scalar, Tree};
use crate::plan::{Settings, check_format, parameters, refuses_setting};
use crate::points::Points;
use crate::reference::written;
use crate::source::Source;
use crate::text::Text;

/// The value of `labrun:` in a course file.
pub const COURSE_FORMAT: &str = "course/v1";

/// A course, ready to be followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// What every report of all its labs says of it.
    pub facts: CourseFacts,
    /// Values for parameters, for the labs that have them.
    pub params: Settings,
    /// Until when each lab is to be done, by its id: RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub due: BTreeMap<String, String>,
    /// Whether each student has parameters of their own.
    pub personal: bool,
    /// Whether what the student's own machine says of earlier runs counts.
    pub self_reported_counts: bool,
}

/// Which labs a course has, what each weighs, and what holds for all of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    /// The file format, `course/v1`.
    labrun: Sp<String>,
    /// Its name.
    id: Sp<String>,
    /// Its title.
    title: Text,
    /// Its labs, in their order.
    #[serde(deserialize_with = "each")]
    labs: Vec<Entry>,
    /// Values for parameters, for every lab that has them.
    #[serde(default)]
    #[schemars(with = "Option<BTreeMap<String, Scalar>>")]
    params: Node,
    /// Whether each student has parameters of their own.
    #[serde(default)]
    personal: bool,
    /// What becomes of credit for what earlier runs saw.
    #[serde(default, deserialize_with = "lenient")]
    credit: Option<Credit>,
}

/// One lab of the course.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "LabOfCourse")]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The lab's id.
    lab: Sp<String>,
    /// What all its points together are worth in the course.
    weight: Points,
    /// Until when it is to be done: `2026-12-01T23:59:00-03:00`.
    #[serde(default, deserialize_with = "lenient")]
    due: Option<Sp<String>>,
}

/// What becomes of credit for what earlier runs saw.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Credit {
    /// Whether what only the student's own machine says counts, or is shown to the teacher.
    self_reported: SelfReported,
}

/// The file as a JSON Schema.
pub fn schema(generator: SchemaGenerator) -> Schema {
    generator.into_root_schema_for::<File>()
}

/// What becomes of credit that only the student's own machine speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum SelfReported {
    /// Its points are earned.
    Counts,
    /// It is shown to the teacher.
    Shown,
}

impl Course {
    /// What the course settles of the parameters of a lab.
    pub fn settings(&self, source: &Arc<Source>) -> Settings {
        let own = parameters(source);
        let settled = self.params.iter().filter(|(name, _)| own.contains(name));
        settled.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// Reads a course of `labs`, or says everything that is wrong with it.
pub fn read(source: &Arc<Source>, labs: &BTreeMap<String, Arc<Source>>) -> Result<Course, Vec<Diagnostic>> {
    let node = node::parse(source).map_err(|mistake| vec![mistake])?;
    let mut decode = Decode::new(source);
    let Some(file) = decode.decode::<File>(&node) else { return Err(decode.mistakes) };
    check_format(&file.labrun, COURSE_FORMAT, &mut decode);
    if file.labs.is_empty() && decode.mistakes.is_empty() {
        decode.mistake(file.id.span, "a course without a lab", None);
    }
    for (position, entry) in file.labs.iter().enumerate() {
        let id = &entry.lab;
        if !labs.contains_key(&id.value) {
            let help = suggestion(&id.value, labs.keys().map(String::as_str));
            decode.mistake(id.span, format!("there is no lab `{}`", id.value), help);
        }
        if let Some(due) = entry.due.as_ref().filter(|due| due.value.parse::<Timestamp>().is_err()) {
            let help = "a time has its zone: `2026-12-01T23:59:00-03:00`".to_owned();
            decode.mistake(due.span, "not a time", Some(help));
        }
        if file.labs[..position].iter().any(|before| before.lab.value == id.value) {
            decode.mistake(id.span, format!("lab `{}` is there twice", id.value), None);
        }
    }
    let of_course: Vec<&Arc<Source>> = file.labs.iter().filter_map(|entry| labs.get(&entry.lab.value)).collect();
    let params = params(&file.params, &of_course, &mut decode);
    if !decode.mistakes.is_empty() {
        return Err(decode.mistakes);
    }
    let due = file.labs.iter().filter_map(|entry| {
        let due: Timestamp = entry.due.as_ref()?.value.parse().ok()?;
        Some((entry.lab.value.clone(), due.to_string()))
    });
    let due = due.collect();
    let weights = file.labs.into_iter().map(|entry| Weight { lab: entry.lab.value, weight: entry.weight });
    Ok(Course {
        facts: CourseFacts { id: file.id.value, title: file.title, labs: weights.collect() },
        params,
        due,
        personal: file.personal,
        self_reported_counts: file.credit.is_some_and(|credit| credit.self_reported == SelfReported::Counts),
    })
}

/// The parameters that a course settles: each must be one of a lab, and fit every lab that has it.
fn params(node: &Node, labs: &[&Arc<Source>], decode: &mut Decode) -> Settings {
    if !matches!(node.value, Tree::Map(_) | Tree::Null) {
        decode.mistake(node.span, "parameters are a mapping of names to values", None);
    }
    let known: BTreeSet<String> = labs.iter().flat_map(|source| parameters(source)).collect();
    let mut settings = Settings::new();
    for (key, value) in node.entries() {
        let single = !matches!(value.value, Tree::Seq(_) | Tree::Map(_) | Tree::Null);
        let text = if let Value::String(text) = value.to_json() { text } else { written(&value.to_json()) };
        if !known.contains(&key.name) {
            let help = suggestion(&key.name, known.iter().map(String::as_str));
            decode.mistake(key.span, format!("no lab of the course has a parameter `{}`", key.name), help);
        } else if !single {
            decode.mistake(value.span, "a parameter is a single value", None);
        } else if let Some(wanted) = labs.iter().find_map(|source| refuses_setting(source, &key.name, &text)) {
            decode.mistake(value.span, format!("`{}` must be {wanted}", key.name), None);
        }
        if settings.insert(key.name.clone(), text).is_some() {
            decode.mistake(key.span, format!("duplicate key `{}`", key.name), None);
        }
    }
    settings
}
