//! What became of a class: `labrun/class/v1`. Plain data that `class.json` is, and the page and the tables are made of.
//! It says nothing of when it was graded, so that the same evidence gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::class::copies::{Compared, Copies, Sign, copies};
use crate::class::due::Timeliness;
use crate::class::grade::{Graded, Rubric};
use crate::class::roster::{Dues, Entry};
use crate::class::vouched::Vouched;
use crate::judge::hidden_claim;
use crate::plan::{Plan, PlannedCheck, PlannedStep, Settings};
use crate::points::Points;
use crate::text::Text;
use crate::verdict::{CheckResult, Outcome, Score, Settled};

/// The value of [`Class::format`].
pub const FORMAT: &str = "labrun/class/v1";

/// What became of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Class {
    /// `labrun/class/v1`.
    pub format: String,
    /// The version of labrun that graded.
    pub labrun: String,
    /// The course, if all of its labs were graded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<CourseOfClass>,
    /// The labs, in order.
    pub labs: Vec<LabOfClass>,
    /// What became of each check in the whole class, in order.
    pub checks: Vec<CheckOfClass>,
    /// Where students are stuck, the most common step first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stuck: Vec<Stuck>,
    /// The students, in the order of the roster.
    pub students: Vec<StudentOfClass>,
    /// Who shares what only copies share.
    pub copies: Vec<Copies>,
}

/// A step, and those who have done what comes before it and not the step itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stuck {
    /// The step's address.
    pub step: String,
    /// Its title.
    pub title: Text,
    /// The students, in the order of the roster.
    pub students: Vec<String>,
}

/// A course of which all labs were graded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CourseOfClass {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: Text,
    /// What all of it is worth.
    pub possible: Points,
}

/// One lab of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LabOfClass {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: Text,
    /// Where its file came from.
    pub source: String,
    /// SHA-256 (hex) over its file and the library checks it uses.
    pub digest: String,
    /// What its checks are worth together, bonus apart.
    pub possible: Points,
    /// Until when it was to be done, for those who have no time of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
}

/// What became of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckOfClass {
    /// Its address.
    pub address: String,
    /// What it claims; of a hidden check nothing.
    pub claim: Text,
    /// What it is worth.
    pub points: Points,
    /// Whether its points come on top.
    pub bonus: bool,
    /// How many students it came to each outcome for.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// The hints that were shown, the most common first.
    pub hints: Vec<HintOfClass>,
}

/// A hint, and for whom it was meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HintOfClass {
    /// Its name in the lab file.
    pub id: String,
    /// What it says first.
    pub say: Text,
    /// The students, in the order of the roster.
    pub students: Vec<String>,
}

/// What became of one student.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StudentOfClass {
    /// Their id.
    pub id: String,
    /// Their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where their work is seen: `vm`, `evidence` or `repository`.
    pub origin: String,
    /// When it was looked at, RFC 3339, UTC.
    pub seen: String,
    /// Why it could not be seen, if it could not: then nothing is earned and nothing lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Text>,
    /// The worst outcome of all.
    pub outcome: Outcome,
    /// The sums over all labs.
    pub points: Score,
    /// Earned and bonus together, once nothing is undetermined or deferred.
    pub mark: Option<Points>,
    /// What that comes to by the weights of the course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<Score>,
    /// Each lab, in order.
    pub labs: Vec<LabOfStudent>,
    /// The outcome of each check, by address.
    pub checks: BTreeMap<String, Outcome>,
    /// Why what is unknown is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, Text>,
    /// What is left to somebody, and the student's answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deferred: BTreeMap<String, Left>,
    /// What a teacher decided.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settled: BTreeMap<String, Settled>,
    /// What a teacher should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// Who vouches for the evidence that they handed in, where there is a signature or one is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Vouched>,
    /// The report, beside this file.
    pub report: String,
}

/// What became of one lab of a student.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LabOfStudent {
    /// Its id.
    pub lab: String,
    /// The sums over its checks.
    pub points: Score,
    /// Earned and bonus together, once nothing is undetermined or deferred.
    pub mark: Option<Points>,
    /// How it stands to its due time, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timeliness>,
}

/// What labrun leaves to somebody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Left {
    /// To whom, and how to have it judged.
    pub to: Text,
    /// What the student answered, where a teacher is to read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// Something a teacher should know of a student's work; it changes no mark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Flag {
    /// What kind of thing it is.
    pub kind: FlagKind,
    /// What exactly.
    pub why: Text,
}

/// The kinds of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlagKind {
    /// The work could not be seen.
    NotSeen,
    /// Nothing tells whether the evidence was changed after it was written.
    Unsealed,
    /// The evidence does not say whose it is.
    Unnamed,
    /// The evidence holds nothing of a lab.
    NotRecorded,
    /// It was recorded with other parameters than the course's.
    OtherParameters,
    /// It was recorded for another version of a lab.
    OtherVersion,
    /// It is not signed with the key that the roster names.
    Signature,
    /// It was seen only after it was due.
    Late,
    /// It shares with somebody what only copies share.
    Copy,
}

impl FlagKind {
    /// The word in `class.json` and `marks.csv`.
    pub fn word(self) -> &'static str {
        match self {
            FlagKind::NotSeen => "not_seen",
            FlagKind::Unsealed => "unsealed",
            FlagKind::Unnamed => "unnamed",
            FlagKind::NotRecorded => "not_recorded",
            FlagKind::OtherParameters => "other_parameters",
            FlagKind::OtherVersion => "other_version",
            FlagKind::Signature => "signature",
            FlagKind::Late => "late",
            FlagKind::Copy => "copy",
        }
    }
}

/// A student's part of the summary, with what the class is compared by.
#[derive(Debug, Clone)]
pub struct Part {
    student: StudentOfClass,
    hints: BTreeMap<String, String>,
    compared: Likeness,
}

/// What is kept of a graded student until all of them are there.
#[derive(Debug, Clone)]
struct Likeness {
    signs: BTreeSet<Sign>,
    own: Settings,
    foreign: Settings,
}

impl Part {
    /// What the class shows of one student.
    pub fn of(entry: &Entry, graded: Graded, rubric: &Rubric) -> Part {
        let Graded { report, trouble, flags, vouched, mut timeliness, signs, foreign } = graded;
        let mark = |points: &Score| points.is_final().then(|| points.earned + points.bonus);
        let labs = report.labs.iter().map(|lab| LabOfStudent {
            lab: lab.id.clone(),
            points: lab.points,
            mark: mark(&lab.points),
            due: timeliness.remove(&lab.id),
        });
        let labs = labs.collect();
        let seen_at_all = trouble.is_none();
        let doubts = report.checks().filter(|_| seen_at_all);
        let doubts = doubts.filter_map(|check| Some((check.address.clone(), check.unknown.as_ref()?.why.clone())));
        // A bonus keeps no mark open; what a teacher is to read is shown to them all the same.
        let is_open = |check: &&CheckResult| seen_at_all && (!check.bonus || check.answer.is_some());
        let left = report.checks().filter(is_open).filter_map(|check| {
            let left = Left { to: check.deferred.clone()?, answer: check.answer.clone() };
            Some((check.address.clone(), left))
        });
        let settled = report.checks().filter_map(|check| Some((check.address.clone(), check.settled.clone()?)));
        let failed = report.checks().filter(|check| check.outcome == Outcome::Fail);
        let hints = failed.filter_map(|check| Some((check.address.clone(), check.hint.as_ref()?.id.clone())));
        let student = StudentOfClass {
            id: entry.id.clone(),
            name: entry.name.clone(),
            origin: entry.origin.kind().to_owned(),
            seen: report.finished.clone(),
            trouble,
            outcome: report.outcome,
            points: report.points,
            mark: mark(&report.points),
            course: report.course.as_ref().map(|course| course.points),
            labs,
            checks: report.checks().map(|check| (check.address.clone(), check.outcome)).collect(),
            unknown: doubts.collect(),
            deferred: left.collect(),
            settled: settled.collect(),
            flags,
            signature: vouched,
            report: format!("{}/report.html", entry.id),
        };
        let hints = hints.collect();
        Part { student, hints, compared: Likeness { signs, own: rubric.all_own(&entry.id), foreign } }
    }
}

/// Puts the students together.
pub fn summarize(rubric: &Rubric, dues: &Dues, parts: Vec<Part>) -> Class {
    let compared = Compared {
        signs: parts.iter().map(|part| (part.student.id.as_str(), &part.compared.signs)).collect(),
        own: parts.iter().map(|part| (part.student.id.as_str(), &part.compared.own)).collect(),
        foreign: parts.iter().map(|part| (part.student.id.as_str(), &part.compared.foreign)).collect(),
    };
    let copies = copies(&compared);
    let checks = rubric.plans.iter().flat_map(Plan::checks).map(|check| check_of_class(check, &parts)).collect();
    let whole = parts.iter().all(|part| part.student.course.is_some());
    let course = rubric.course.as_ref().filter(|_| whole && !parts.is_empty());
    let mut students: Vec<StudentOfClass> = parts.into_iter().map(|part| part.student).collect();
    for student in &mut students {
        let own = copies.iter().filter(|copies| copies.students.contains(&student.id));
        student.flags.extend(own.map(|copies| shared(copies, &student.id)));
    }
    Class {
        format: FORMAT.to_owned(),
        labrun: env!("CARGO_PKG_VERSION").to_owned(),
        course: course.map(|course| CourseOfClass {
            id: course.facts.id.clone(),
            title: course.facts.title.clone(),
            possible: course.facts.labs.iter().map(|lab| lab.weight).sum(),
        }),
        labs: rubric.plans.iter().map(|plan| lab_of_class(plan, dues)).collect(),
        checks,
        stuck: stuck(rubric, &students),
        students,
        copies,
    }
}

/// The first step of each student in which something is wrong, as far as their work was seen.
fn stuck(rubric: &Rubric, students: &[StudentOfClass]) -> Vec<Stuck> {
    let seen = || students.iter().filter(|student| student.trouble.is_none());
    let is_wrong = |student: &StudentOfClass, check: &PlannedCheck| {
        !check.bonus && student.checks.get(&check.address) == Some(&Outcome::Fail)
    };
    let steps: Vec<_> = rubric.plans.iter().flat_map(|plan| &plan.steps).collect();
    let first = |student: &StudentOfClass| {
        steps.iter().position(|step| step.checks.iter().any(|check| is_wrong(student, check)))
    };
    let places: Vec<_> = seen().map(|student| (student, first(student))).collect();
    let of_step = |(at, step): (usize, &&PlannedStep)| {
        let here = places.iter().filter(|(_, first)| *first == Some(at)).map(|(student, _)| student.id.clone());
        Stuck { step: step.address.clone(), title: step.title.clone(), students: here.collect() }
    };
    let mut stuck: Vec<Stuck> = steps.iter().enumerate().map(of_step).collect();
    stuck.retain(|stuck| !stuck.students.is_empty());
    stuck.sort_by_key(|stuck| std::cmp::Reverse(stuck.students.len()));
    stuck
}

fn shared(copies: &Copies, student: &str) -> Flag {
    let others: Vec<&str> = copies.students.iter().map(String::as_str).filter(|id| *id != student).collect();
    let (what, few) = (copies.what.words(), others.iter().take(5).copied().collect::<Vec<_>>().join(", "));
    let more = if others.len() > 5 { format!(" (+{})", others.len() - 5) } else { String::new() };
    let why =
        Text::new(format!("comparte con {few}{more}: {}", what.es), format!("shares with {few}{more}: {}", what.en));
    Flag { kind: FlagKind::Copy, why }
}

fn lab_of_class(plan: &Plan, dues: &Dues) -> LabOfClass {
    LabOfClass {
        id: plan.id.clone(),
        title: plan.title.clone(),
        source: plan.source.clone(),
        digest: plan.digest.clone(),
        possible: plan.checks().filter(|check| !check.bonus).map(|check| check.points).sum(),
        due: dues.get(&plan.id).cloned(),
    }
}

fn check_of_class(check: &PlannedCheck, parts: &[Part]) -> CheckOfClass {
    let mut outcomes: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut shown: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for part in parts {
        if let Some(outcome) = part.student.checks.get(&check.address) {
            *outcomes.entry(*outcome).or_default() += 1;
        }
        if let Some(hint) = part.hints.get(&check.address) {
            shown.entry(hint).or_default().push(part.student.id.clone());
        }
    }
    let said = |id: &str| check.hints.iter().find(|hint| hint.id == id)?.say.first().cloned();
    let hints = shown.into_iter().map(|(id, students)| HintOfClass {
        id: id.to_owned(),
        say: said(id).unwrap_or_default(),
        students,
    });
    let mut hints: Vec<HintOfClass> = hints.collect();
    hints.sort_by_key(|hint| std::cmp::Reverse(hint.students.len()));
    // A page of a class is shown to students sooner than their teacher thinks.
    let is_hidden = check.hidden_until.is_some();
    let claim = if is_hidden { hidden_claim() } else { check.claim.clone() };
    CheckOfClass {
        address: check.address.clone(),
        claim,
        points: check.points,
        bonus: check.bonus,
        outcomes,
        hints: if is_hidden { Vec::new() } else { hints },
    }
}
