//! Labs and library checks exactly as authored, places kept. The words of the file format are the field names here.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use crate::decode::{Sp, each, lenient};
use crate::node::Node;
use crate::points::Points;
use crate::text::Text;
use crate::vantage::Vantage;

/// The value of `labrun:` in a lab file.
pub const LAB_FORMAT: &str = "lab/v1";
/// The value of `labrun:` in a library check.
pub const CHECK_FORMAT: &str = "check/v1";

/// A lab file: `labs/lab1.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lab {
    /// The file format, `lab/v1`.
    pub labrun: Sp<String>,
    /// The name users type.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]*$"))]
    pub id: Sp<String>,
    /// Its title.
    pub title: Text,
    /// Parameters and their defaults, which `--set` replaces.
    #[serde(default)]
    #[schemars(schema_with = "params")]
    pub params: Node,
    /// The parameters that a student may choose in their `labrun.yaml`.
    #[serde(default)]
    pub choices: Vec<Sp<String>>,
    /// The parameters that are made of a student's id, where the course wants that, and their ranges.
    #[serde(default)]
    #[schemars(schema_with = "personal")]
    pub personal: Node,
    /// What its checks come to, without those that are a bonus.
    #[serde(default, deserialize_with = "lenient")]
    pub points: Option<Points>,
    /// What the hand-out asks for and this lab does not claim, each with the reason.
    #[serde(default, deserialize_with = "each")]
    pub leaves_out: Vec<LeftOut>,
    /// The steps, in the order in which students do them.
    #[serde(deserialize_with = "each")]
    #[schemars(length(min = 1))]
    pub steps: Vec<Step>,
}

/// A task of the hand-out that a lab claims nothing of.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The task: some of its own words.
    pub task: String,
    /// Why nothing is claimed of it.
    pub because: String,
}

/// One step of a lab.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The name users type after the lab's: `lab1/port`.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]*$"))]
    pub id: Sp<String>,
    /// Its title.
    pub title: Text,
    /// What the student is asked to do, in Markdown.
    #[serde(default, deserialize_with = "lenient")]
    pub text: Option<Text>,
    /// Where the hand-out asks for it: some of its own words, or a heading for all that is under it.
    #[serde(default)]
    pub ground: Vec<String>,
    /// Earlier steps (`port`) or checks (`port/bound`) without which nothing here can be right.
    #[serde(default)]
    pub needs: Vec<Sp<String>>,
    /// What is claimed of the student's work.
    #[serde(deserialize_with = "each")]
    #[schemars(with = "Vec<Check>", length(min = 1))]
    pub checks: Vec<Node>,
}

/// One claim: one probe, its expectations, its hints. In a lab it may `use` a check of the library instead.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its name within the step.
    #[serde(default, deserialize_with = "lenient")]
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]*$"))]
    pub id: Option<Sp<String>>,
    /// What it is worth.
    #[serde(default, deserialize_with = "lenient")]
    pub points: Option<Points>,
    /// Whether its points come on top.
    #[serde(default)]
    pub bonus: bool,
    /// Earlier checks without which this one cannot be right.
    #[serde(default)]
    pub needs: Vec<Sp<String>>,
    /// A check of the library, by the name of its file.
    #[serde(rename = "use", default, deserialize_with = "lenient")]
    pub uses: Option<Sp<String>>,
    /// The parameters of the library check.
    #[serde(default)]
    #[schemars(schema_with = "arguments")]
    pub with: Option<Node>,
    /// What it claims, for a person.
    #[serde(default, deserialize_with = "lenient")]
    pub claim: Option<Text>,
    /// Where its probes stand.
    #[serde(default, deserialize_with = "lenient")]
    pub from: Option<Sp<Vantage>>,
    /// Other observations it leans on, by name: `box: {container: {name: ams}}`, each with a `from` of its own if
    /// that is another.
    #[serde(default)]
    #[schemars(schema_with = "given")]
    pub given: Option<Node>,
    /// What must be observable for a negative claim to count.
    #[serde(default)]
    pub control: Option<Control>,
    /// What is observed: `{postgres: {to: …}}`.
    #[serde(default)]
    #[schemars(schema_with = "probe")]
    pub probe: Option<Node>,
    /// What must hold of it.
    #[serde(default)]
    #[schemars(schema_with = "expectation")]
    pub expect: Option<Node>,
    /// Who judges it, if labrun cannot.
    #[serde(default, deserialize_with = "lenient")]
    pub judged_by: Option<JudgedBy>,
    /// Whether it takes what nobody does when a repository comes up by itself: SQL typed, an installer clicked through.
    #[serde(default)]
    pub by_hand: bool,
    /// Until when nobody is shown what it is about.
    #[serde(default, deserialize_with = "lenient")]
    pub hidden_until: Option<Sp<String>>,
    /// How long to go on looking until it holds, e.g. `20s`.
    #[serde(default, deserialize_with = "lenient")]
    pub within: Option<Sp<String>>,
    /// What makes it worth looking again before `within` is over.
    #[serde(rename = "while", default)]
    #[schemars(schema_with = "expectation")]
    pub worth: Option<Node>,
    /// What to tell a student whose work fails it; the first one whose `when` holds.
    #[serde(default, deserialize_with = "each")]
    pub hints: Vec<Advice>,
    /// What to remark on a pass; the first one whose `when` holds.
    #[serde(default, deserialize_with = "each")]
    pub notes: Vec<Advice>,
    /// When not holding is nothing that a student answers for: the check is then unknown instead of failed.
    #[serde(default, deserialize_with = "each")]
    pub doubts: Vec<Doubt>,
}

/// Who judges what labrun only collects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JudgedBy {
    /// The teacher, who reads the student's answer in the report.
    Teacher,
}

/// The positive twin of a negative claim.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// What is observed.
    #[schemars(schema_with = "probe")]
    pub probe: Node,
    /// Where that probe stands, if not where the check's does.
    #[serde(default, deserialize_with = "lenient")]
    pub from: Option<Sp<Vantage>>,
    /// What must hold of it.
    #[schemars(schema_with = "expectation")]
    pub expect: Node,
}

/// Something the author has to say about a result.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Advice {
    /// Its name, by which worlds demand it.
    pub id: Sp<String>,
    /// When it is to be said; always, without one.
    #[serde(default)]
    #[schemars(schema_with = "expectation")]
    pub when: Option<Node>,
    /// Its stages, each saying a little more.
    #[schemars(length(min = 1))]
    pub say: Vec<Text>,
}

/// What was seen and does not suffice to blame anybody.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Doubt {
    /// When it is so.
    #[schemars(schema_with = "expectation")]
    pub when: Node,
    /// What cannot be told, and how to have it told.
    pub say: Text,
}

/// A file of the library: `checks/container-runs.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LibraryCheck {
    /// The file format, `check/v1`.
    pub labrun: Sp<String>,
    /// What it is good for.
    pub about: Text,
    /// Parameters and their defaults; one without a default must be given.
    #[serde(default)]
    #[schemars(schema_with = "params")]
    pub params: Node,
    /// The check.
    pub check: Check,
}

/// Parts of the format that are decoded only when it is known what they are about; `schema` describes them.
fn part(name: &str) -> Schema {
    Schema::new_ref(format!("#/$defs/{name}"))
}

fn params(_: &mut SchemaGenerator) -> Schema {
    part("Params")
}

fn personal(_: &mut SchemaGenerator) -> Schema {
    part("PersonalParams")
}

fn arguments(_: &mut SchemaGenerator) -> Schema {
    part("Arguments")
}

fn given(_: &mut SchemaGenerator) -> Schema {
    part("Given")
}

fn probe(_: &mut SchemaGenerator) -> Schema {
    part("Probe")
}

fn expectation(_: &mut SchemaGenerator) -> Schema {
    part("Expectation")
}
