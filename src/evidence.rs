//! What was observed: plain data, written to one file, judged for ever. Knows neither labs nor verdicts.

pub mod chain;
pub mod inventory;
pub mod secrets;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::evidence::chain::Chain;
use crate::evidence::inventory::Inventory;
use crate::points::Points;
use crate::text::Text;
use crate::vantage::Vantage;

/// The value of [`Evidence::format`] that this version writes and reads.
pub const FORMAT: &str = "labrun/evidence/v1";

/// What a probe saw: facts by name. Which facts a kind of probe reports is its documented contract.
pub type Facts = Map<String, Value>;

/// All that one run observed, and what is needed to judge it again.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// `labrun/evidence/v1`.
    pub format: String,
    /// The version of labrun that observed.
    pub labrun: String,
    /// When the first probe started, RFC 3339, UTC.
    pub started: String,
    /// When the last probe ended, RFC 3339, UTC.
    pub finished: String,
    /// The machine that was looked at.
    pub machine: Machine,
    /// What marks this run: new for each, and what its questions call `${run.nonce}`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub nonce: String,
    /// The code that the teacher published and this run was given: it was made after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// Who is graded, by the id that the teacher gave or that the student did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student: Option<String>,
    /// Whether the parameters that a lab makes of a student's id are this student's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
    /// The course that the labs belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<CourseFacts>,
    /// What is wrong with what the student handed in, and was not heeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Text>,
    /// The labs (and steps of them) the run was asked to look at.
    pub labs: Vec<Subject>,
    /// The last round in which each check was looked at, by its address. What was seen after that belongs to other
    /// checks that ask the same, and decides nothing for this one. A check that is not named here is judged on all
    /// rounds.
    #[serde(default)]
    pub looked: BTreeMap<String, u32>,
    /// What the run was allowed to do to the machine; checks that need more are deferred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<OptIn>,
    /// Whether the teacher's course counts what the student's own machine says of earlier runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_reported_counts: bool,
    /// What earlier runs saw to hold, each check at most once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credit: Vec<Credit>,
    /// The repository that the machine was brought up from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Repository>,
    /// What the Docker engine had when the looking ended, if it could be asked. No verdict rests on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker: Option<Inventory>,
    /// The answers, one per distinct question.
    pub observations: Vec<Observation>,
    /// What tells that nothing of it was changed after the run (`docs/evidence.md`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
}

/// A student's repository that was brought up from nothing, where nobody had typed or clicked anything.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// The exit code of `docker compose up`; none if it was not tried, or did not end in time.
    pub exit_code: Option<i32>,
    /// Why it was not brought up: what it asks for and no lab needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Text>,
}

/// What a run does to the machine only when it is asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OptIn {
    /// Stopping containers for a moment, and putting them back (`--disruptive`).
    Disruptive,
    /// Bringing something up from nothing, and removing it (`--from-zero`).
    FromZero,
}

impl OptIn {
    /// The option of `labrun check` that asks for it.
    pub fn option(self) -> &'static str {
        match self {
            OptIn::Disruptive => "--disruptive",
            OptIn::FromZero => "--from-zero",
        }
    }
}

/// A check that an earlier run saw to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credit {
    /// Its address.
    pub check: String,
    /// When that was, RFC 3339, UTC.
    pub at: String,
    /// Whose word it is.
    pub source: CreditSource,
}

/// Whose word a credit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CreditSource {
    /// A record on the student's own machine, which its owner can write.
    SelfReported,
    /// A run of the grader's.
    Grader,
}

impl Evidence {
    /// What every question may refer to as `run`. See [`run_facts`].
    pub fn run_facts(&self) -> Facts {
        run_facts(&self.nonce)
    }
}

/// The facts of a run itself, by the names in [`RUN_FACTS`].
pub fn run_facts(nonce: &str) -> Facts {
    Facts::from_iter([("nonce".to_owned(), Value::from(nonce))])
}

/// What may be referred to as `${run.…}`, each with one line on what it is.
pub const RUN_FACTS: &[(&str, &str)] =
    &[("nonce", "16 hexadecimal digits, new in every run: a mark to be found again")];

/// The name under which every question may refer to [`RUN_FACTS`].
pub const RUN: &str = "run";

/// The machine that was looked at, as far as it could be asked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// How it was reached: `local`, or over SSH by its address.
    pub reached: String,
    /// Whether this run could look at the machine from outside (the vantage `grader`).
    pub outside: bool,
    /// Operating system and architecture, e.g. `Linux 6.1.0 x86_64`.
    pub system: Option<String>,
    /// Docker Engine version, e.g. `26.1.5`, when it answered.
    pub engine: Option<String>,
    /// What tells it from other machines, as far as it could be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// What tells a machine from others, and stays the same from run to run. A copy of a machine has the same, and whoever
/// owns one can change it: it helps to see that two runs looked at one machine, and proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// What its Docker engine calls itself: made when the engine first started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// A hash of its `/etc/machine-id`, which is itself nobody's business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The fingerprint of the key by which its SSH server was known, `SHA256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_host_key: Option<String>,
}

/// A course, as far as reports speak of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CourseFacts {
    /// The course's id.
    pub id: String,
    /// Its title.
    pub title: Text,
    /// Its labs, in order.
    pub labs: Vec<Weight>,
}

/// One lab of a course.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// The lab's id.
    pub lab: String,
    /// What all its points together are worth in the course.
    pub weight: Points,
}

/// One lab a run looked at, by what binds it to the lab's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The lab's id.
    pub lab: String,
    /// Where its file came from: a path, or `built-in`.
    pub source: String,
    /// SHA-256 (hex) over the lab's file and the library checks it uses.
    pub digest: String,
    /// The steps asked for; empty means all.
    pub steps: Vec<String>,
    /// The parameters in force, by name.
    pub params: BTreeMap<String, Value>,
}

/// The one question an observation answers; two checks that ask the same share the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The kind of probe, e.g. `postgres`.
    pub probe: String,
    /// Its arguments, every parameter and reference resolved.
    pub args: Value,
    /// Where it stood.
    pub from: Vantage,
}

impl Question {
    /// A text that is equal exactly for equal questions (object keys are sorted).
    pub fn key(&self) -> String {
        format!("{} {} {}", self.probe, self.from, self.args)
    }
}

/// A question and what was seen each time it was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// What was asked.
    pub question: Question,
    /// A shell command with which the student sees the same.
    pub command: String,
    /// What was seen, oldest first; looks of successive rounds that saw the same are one sample.
    pub samples: Vec<Sample>,
    /// Its link of the chain: a hash (hex) over it and the link before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

impl Observation {
    /// What was seen in `round`, if it was asked then.
    pub fn at(&self, round: u32) -> Option<&Sample> {
        let begun = self.samples.partition_point(|sample| sample.round <= round);
        self.samples[..begun].last().filter(|sample| round <= sample.last_round())
    }

    /// Milliseconds that all looks took together.
    pub fn took_ms(&self) -> u64 {
        self.samples.iter().fold(0, |sum, sample| sum.saturating_add(sample.took_ms))
    }
}

/// One look, or several in successive rounds that all saw the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The round of polling it belongs to; everything seen in one round is judged together.
    pub round: u32,
    /// The last round it stands for, if it stands for more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u32>,
    /// Milliseconds from the start of the run to the start of the first look.
    pub at_ms: u64,
    /// Milliseconds it took, all looks together.
    pub took_ms: u64,
    /// What was seen, or why nothing could be.
    pub seen: Seen,
}

impl Sample {
    /// The last round it stands for.
    pub fn last_round(&self) -> u32 {
        self.until.unwrap_or(self.round).max(self.round)
    }
}

/// The outcome of one look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Seen {
    /// Facts about the student's machine.
    Facts(Facts),
    /// No fact: the way to look was broken, which says nothing about the student's work.
    Unobserved(Unobserved),
}

/// Why a look gave no fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unobserved {
    /// What broke.
    pub cause: Cause,
    /// What exactly, and how to mend it, for a person.
    pub why: Text,
}

impl Unobserved {
    /// `cause`, said in both languages.
    pub fn new(cause: Cause, es: impl Into<String>, en: impl Into<String>) -> Unobserved {
        Unobserved { cause, why: Text::new(es, en) }
    }

    /// The observation that labrun's own time for the run prevented.
    pub fn out_of_time() -> Unobserved {
        Unobserved::new(
            Cause::Limit,
            "se acabó el tiempo de la corrida antes de poder saberlo; probá con un --timeout mayor",
            "the run's time was over before this could be known; try a larger --timeout",
        )
    }
}

/// The ways in which looking itself can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The Docker engine did not answer, or not in time.
    Engine,
    /// labrun may not look there.
    Permission,
    /// The machine, or the place the probe stands, cannot be reached.
    Path,
    /// labrun ran into a limit of its own: its time for the run, its open files, its memory.
    Limit,
    /// What came back cannot be read as what it should be.
    Malformed,
    /// This kind of machine or engine is not supported for this question.
    Unsupported,
    /// Nothing broke: a run of this kind does not look there, and whoever does judges it.
    LeftOut,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_questions_have_equal_keys_whatever_the_order_of_their_arguments() {
        let ask = |args: &str| Question {
            probe: "postgres".into(),
            args: serde_json::from_str(args).unwrap(),
            from: Vantage::Vm,
        };
        assert_eq!(ask(r#"{"a":1,"b":2}"#).key(), ask(r#"{"b":2,"a":1}"#).key());
        assert_ne!(ask(r#"{"a":1}"#).key(), ask(r#"{"a":"1"}"#).key());
    }
}
