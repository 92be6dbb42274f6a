//! Lab + library + settings → a plan of ready checks. Every author mistake is found here, all at once.

mod claim;
mod options;
mod personal;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::decode::{Decode, Sp};
use crate::error::{Diagnostic, suggestion};
use crate::evidence::{OptIn, Question, RUN};
use crate::expect::Expectation;
use crate::lab::{CHECK_FORMAT, Check, LAB_FORMAT, Lab, LibraryCheck, Step};
use crate::node::{self, Node, Tree};
use crate::params::{Params, read_setting};
use crate::points::Points;
use crate::probe::Kind;
use crate::reference::{self, Scope};
use crate::source::Source;
use crate::text::Text;
use crate::vantage::Vantage;

pub use crate::lab::JudgedBy;
pub use claim::parse_duration;
pub use personal::{Personal, personal};
pub use settings::{choices, parameters, refuses_setting};

use claim::{
    FactNames, advice, ask_in_the_name_of, asks_the_student, body, check_mapping, tells_who_says_nothing, time,
};
use personal::check_personal;

/// Values for parameters, as typed on the command line.
pub type Settings = BTreeMap<String, String>;

/// A lab ready to be observed and judged.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The lab's id.
    pub id: String,
    /// Its title.
    pub title: Text,
    /// Where its file came from.
    pub source: String,
    /// SHA-256 (hex) over its file and the library checks it uses.
    pub digest: String,
    /// The parameters in force.
    pub params: BTreeMap<String, Value>,
    /// The steps asked for and those they need; all when none was asked for.
    pub steps: Vec<PlannedStep>,
    /// The steps asked for; empty means all.
    pub selected: Vec<String>,
}

/// A step ready to be judged.
#[derive(Debug, Clone)]
pub struct PlannedStep {
    /// `lab1/port`.
    pub address: String,
    /// Its title.
    pub title: Text,
    /// What the student is asked to do.
    pub text: Text,
    /// Its checks.
    pub checks: Vec<PlannedCheck>,
}

/// A check ready to be observed and judged.
#[derive(Debug, Clone)]
pub struct PlannedCheck {
    /// `lab1/port/bound`.
    pub address: String,
    /// What it claims.
    pub claim: Text,
    /// What it is worth.
    pub points: Points,
    /// Whether its points come on top.
    pub bonus: bool,
    /// Addresses of the checks it needs; a step that is needed stands for all its checks.
    pub needs: Vec<String>,
    /// Other observations it leans on, in order: a later one may refer to an earlier one.
    pub given: Vec<(String, Ask)>,
    /// The positive twin of a negative claim.
    pub control: Option<(Ask, Expectation)>,
    /// What is observed.
    pub ask: Ask,
    /// What must hold of it.
    pub expect: Expectation,
    /// Where it finds the student's own word, if that is what it asks for.
    pub word: Option<PlannedWord>,
    /// Who judges it, if labrun does not.
    pub judged_by: Option<JudgedBy>,
    /// Whether it takes what nobody does when a repository comes up by itself.
    pub by_hand: bool,
    /// Until when nobody is shown what it is about.
    pub hidden_until: Option<Timestamp>,
    /// How long to go on looking until it holds.
    pub within: Option<Duration>,
    /// What makes it worth looking again; always, without one.
    pub worth: Option<Expectation>,
    /// What to tell a student whose work fails it.
    pub hints: Vec<PlannedAdvice>,
    /// What to remark on a pass.
    pub notes: Vec<PlannedAdvice>,
    /// When it is unknown although it does not hold, and what is said then.
    pub doubts: Vec<(Expectation, Text)>,
}

impl PlannedCheck {
    /// Everything it asks: what is given, the control's question, its own.
    pub fn asks(&self) -> impl Iterator<Item = &Ask> {
        let given = self.given.iter().map(|(_, ask)| ask);
        given.chain(self.control.iter().map(|(ask, _)| ask)).chain([&self.ask])
    }

    /// Whether it asks for something that carries the mark of its run, and so leaves that behind.
    pub fn leaves_a_mark(&self) -> bool {
        let mark = format!("${{{RUN}.");
        self.asks().any(|ask| ask.args.to_string().contains(&mark))
    }

    /// What a run has to be asked for before it looks at this.
    pub fn opt_in(&self) -> Option<OptIn> {
        Kind::named(self.ask.probe).and_then(|kind| kind.opt_in)
    }

    /// Whether it asks something that is seen from outside the machine only.
    pub fn asks_from_outside(&self) -> bool {
        self.asks().any(|ask| ask.from == Vantage::Grader)
    }
}

/// A question to the student. What is right is shown to nobody.
#[derive(Debug, Clone)]
pub struct PlannedWord {
    /// The fact that holds what the student says.
    pub fact: &'static str,
    /// What the student writes to answer it, but for the answer itself.
    pub place: String,
}

/// A question whose arguments may refer to facts that are not known yet.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The kind of probe.
    pub probe: &'static str,
    /// Its arguments, with references such as `${box.address}`.
    pub args: Value,
    /// Where it stands.
    pub from: Vantage,
}

impl Ask {
    /// The question with every reference resolved over what is known; `Err` is the reference that leads nowhere.
    pub fn question(&self, scope: &Scope) -> Result<Question, String> {
        let args = reference::resolve(&self.args, &|name| scope.lookup(name))?;
        Ok(Question { probe: self.probe.to_owned(), args, from: self.from.clone() })
    }
}

/// Something to be said when `when` holds.
#[derive(Debug, Clone)]
pub struct PlannedAdvice {
    /// Its name.
    pub id: String,
    /// When; always, without one.
    pub when: Option<Expectation>,
    /// Its stages.
    pub say: Vec<Text>,
}

impl Plan {
    /// Hides nothing, whatever the time.
    pub fn reveal(&mut self) {
        self.steps.iter_mut().flat_map(|step| &mut step.checks).for_each(|check| check.hidden_until = None);
    }

    /// Every question to the student, as the lab it belongs to and its name.
    pub fn questions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.checks()
            .flat_map(PlannedCheck::asks)
            .filter(|ask| asks_the_student(ask))
            .filter_map(|ask| Some((ask.args.get("lab")?.as_str()?, ask.args.get("to")?.as_str()?)))
    }

    /// Every check, in order.
    pub fn checks(&self) -> impl Iterator<Item = &PlannedCheck> {
        self.steps.iter().flat_map(|step| &step.checks)
    }
}

/// Plans the lab in `source`, or says everything that is wrong with it.
pub fn plan(
    source: &Arc<Source>,
    checks: &BTreeMap<String, Arc<Source>>,
    settings: &Settings,
    selected: &[String],
) -> Result<Plan, Vec<Diagnostic>> {
    let node = node::parse(source).map_err(|mistake| vec![mistake])?;
    let mut planner = Planner { checks, decode: Decode::new(source), foreign: Vec::new(), used: BTreeMap::new() };
    let plan = planner.lab(&node, settings, selected);
    let mut mistakes = planner.decode.mistakes;
    mistakes.append(&mut planner.foreign);
    match plan {
        Some(plan) if mistakes.is_empty() => Ok(plan),
        _ => {
            mistakes.sort_by_key(|mistake| (mistake.source.name.clone(), mistake.span.start));
            mistakes.dedup();
            Err(mistakes)
        }
    }
}

struct Planner<'a> {
    checks: &'a BTreeMap<String, Arc<Source>>,
    decode: Decode,
    /// Mistakes in files of the library.
    foreign: Vec<Diagnostic>,
    /// The library checks used so far.
    used: BTreeMap<String, Arc<Source>>,
}

/// The checks so far, as `step/check`.
type Known = Vec<String>;

impl Planner<'_> {
    fn lab(&mut self, node: &Node, settings: &Settings, selected: &[String]) -> Option<Plan> {
        let declared = node.get("params").cloned().unwrap_or_default();
        let given = self.settings(&declared, settings);
        let mut params = Params::read(&declared, &given, &mut self.decode);
        let bound = bind_all_but_params(node, &mut params, &mut self.decode);
        params.check_all_used(&declared, &mut self.decode);
        let lab: Lab = self.decode.decode(&bound)?;
        check_format(&lab.labrun, LAB_FORMAT, &mut self.decode);
        if !is_id(&lab.id.value) {
            self.decode.mistake(lab.id.span, format!("`{}` is no id", lab.id.value), Some(ID_FORM.to_owned()));
        }

        self.choices(&lab.choices, &declared);
        check_personal(&lab.personal, &declared, &lab.choices, &mut self.decode);

        let mut known = Known::new();
        let mut steps = Vec::new();
        for step in &lab.steps {
            let planned = self.step(&lab.id.value, step, &steps, &mut known);
            steps.push(planned);
        }
        if steps.iter().all(|step| step.checks.is_empty()) && self.decode.mistakes.is_empty() {
            self.decode.mistake(lab.id.span, "a lab without a single check", None);
        }
        let steps = select(steps, &lab.id.value, selected);
        Some(Plan {
            id: lab.id.value,
            title: lab.title,
            source: self.decode.source().name.clone(),
            digest: self.digest(),
            params: params.to_json(),
            steps,
            selected: selected.to_vec(),
        })
    }

    /// SHA-256 over the lab's text and, by name, the texts of the library checks it uses.
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.decode.source().text.as_bytes());
        for (name, source) in &self.used {
            hash.update(b"\0");
            hash.update(name.as_bytes());
            hash.update(b"\0");
            hash.update(source.text.as_bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn settings(&mut self, declared: &Node, settings: &Settings) -> BTreeMap<String, Tree> {
        let mut given = BTreeMap::new();
        for (name, text) in settings {
            let Some(default) = declared.get(name) else { continue };
            match read_setting(text, &default.value) {
                Ok(value) => drop(given.insert(name.clone(), value)),
                Err(wanted) => {
                    self.decode.mistake(default.span, format!("`--set {name}={text}`: `{name}` is {wanted}"), None);
                }
            }
        }
        given
    }

    /// What students may choose must be there to be chosen.
    fn choices(&mut self, choices: &[Sp<String>], declared: &Node) {
        for (position, choice) in choices.iter().enumerate() {
            if declared.get(&choice.value).is_none() {
                let help = suggestion(&choice.value, declared.entries().iter().map(|(key, _)| key.name.as_str()));
                self.decode.mistake(choice.span, format!("there is no parameter `{}`", choice.value), help);
            }
            if choices[..position].iter().any(|before| before.value == choice.value) {
                self.decode.mistake(choice.span, format!("a second `{}` in this list", choice.value), None);
            }
        }
    }

    fn step(&mut self, lab: &str, step: &Step, before: &[PlannedStep], known: &mut Known) -> PlannedStep {
        let id = &step.id.value;
        if !is_id(id) {
            self.decode.mistake(step.id.span, format!("`{id}` is no id"), Some(ID_FORM.to_owned()));
        }
        if known.iter().any(|name| name.split('/').next() == Some(id)) {
            self.decode.mistake(step.id.span, format!("a second step `{id}`"), None);
        }
        let step_needs = self.needs(lab, id, &step.needs, known);
        if step.checks.is_empty() {
            self.decode.mistake(step.id.span, format!("step `{id}` has no check"), None);
        }
        let mut checks = Vec::new();
        for node in &step.checks {
            let Some(check) = self.decode.decode::<Check>(node) else { continue };
            let Some(mut planned) = self.check(lab, step, &check, node, known) else { continue };
            planned.needs.splice(0..0, step_needs.iter().cloned());
            let earlier = before.iter().flat_map(|step| &step.checks).chain(&checks);
            if let Some(need) = earlier.rev().find(|need| leans_on_hidden(&planned, need)) {
                let message = format!("this needs `{}`, which is hidden for longer", need.address);
                let help = "what becomes of this check would tell of that one: hide this one for as long".to_owned();
                self.decode.mistake(node.span, message, Some(help));
            }
            known.push(planned.address[lab.len() + 1..].to_owned());
            checks.push(planned);
        }
        PlannedStep {
            address: format!("{lab}/{id}"),
            title: step.title.clone(),
            text: step.text.clone().unwrap_or_default(),
            checks,
        }
    }

    /// The checks that are needed: one of the same step, or an earlier `step/check`, or all of an earlier step.
    fn needs(&mut self, lab: &str, step: &str, needs: &[Sp<String>], known: &Known) -> Vec<String> {
        let mut addresses = Vec::new();
        for need in needs {
            let (sibling, of_step) = (format!("{step}/{}", need.value), format!("{}/", need.value));
            let found =
                known.iter().filter(|name| **name == sibling || **name == need.value || name.starts_with(&of_step));
            let before = addresses.len();
            addresses.extend(found.map(|name| format!("{lab}/{name}")));
            if addresses.len() == before {
                let steps = known.iter().filter_map(|name| name.split('/').next());
                let all: BTreeSet<&str> = steps.chain(known.iter().map(String::as_str)).collect();
                let help = suggestion(&need.value, all).unwrap_or_else(|| "there is nothing before it".to_owned());
                self.decode.mistake(need.span, format!("`{}` is no earlier step or check", need.value), Some(help));
            }
        }
        addresses
    }

    fn check(&mut self, lab: &str, step: &Step, check: &Check, node: &Node, known: &Known) -> Option<PlannedCheck> {
        let id = match &check.id {
            Some(id) => id.clone(),
            None => {
                if Decode::lacks(node, "id") {
                    self.decode.mistake(node.span, "a check without `id`", None);
                }
                Sp { value: "x".to_owned(), span: node.span }
            }
        };
        if !is_id(&id.value) {
            self.decode.mistake(id.span, format!("`{}` is no id", id.value), Some(ID_FORM.to_owned()));
        }
        let name = format!("{}/{}", step.id.value, id.value);
        if known.contains(&name) {
            self.decode.mistake(id.span, format!("a second check `{}` in this step", id.value), None);
        }
        let needs = self.needs(lab, &step.id.value, &check.needs, known);
        if Decode::lacks(node, "points") {
            self.decode.mistake(id.span, format!("check `{}` has no `points`", id.value), None);
        }
        let mut planned = match &check.uses {
            None => {
                if let Some(with) = &check.with {
                    self.decode.mistake(with.span, "`with` without `use`", None);
                }
                body(check, node, &id, &mut self.decode)?
            }
            Some(uses) => self.library_check(check, uses)?,
        };
        ask_in_the_name_of(lab, &mut planned);
        if planned.judged_by.is_none() && !tells_who_says_nothing(&planned) {
            let help = "the first hint for a student who says nothing must be called `unanswered`, e.g. `{id: \
                        unanswered, when: {given: false}, say: […]}`";
            let message = format!("check `{}` has no hint for whoever has not answered", id.value);
            self.decode.mistake(id.span, message, Some(help.to_owned()));
        }
        if let Some(until) = &check.hidden_until {
            planned.hidden_until = time(until, &mut self.decode);
        }
        planned.by_hand |= check.by_hand;
        let points = check.points.unwrap_or_default();
        Some(PlannedCheck { address: format!("{lab}/{name}"), points, bonus: check.bonus, needs, ..planned })
    }

    fn library_check(&mut self, check: &Check, uses: &Sp<String>) -> Option<PlannedCheck> {
        let Some(source) = self.checks.get(&uses.value).cloned() else {
            let help = suggestion(&uses.value, self.checks.keys().map(String::as_str));
            self.decode.mistake(uses.span, format!("the library has no check `{}`", uses.value), help);
            return None;
        };
        self.used.insert(uses.value.clone(), source.clone());
        let own = [
            (check.probe.is_some(), "probe"),
            (check.expect.is_some(), "expect"),
            (check.given.is_some(), "given"),
            (check.control.is_some(), "control"),
            (check.from.is_some(), "from"),
            (check.within.is_some(), "within"),
            (check.worth.is_some(), "while"),
            (check.judged_by.is_some(), "judged_by"),
            (!check.doubts.is_empty(), "doubts"),
        ];
        for (_, word) in own.iter().filter(|(present, _)| *present) {
            self.decode.mistake(uses.span, format!("`{word}` beside `use`: `{}` brings its own", uses.value), None);
        }
        let mut library = Decode::new(&source);
        let with = check.with.clone().unwrap_or_default();
        check_mapping(&with, &mut self.decode);
        let planned = match node::parse(&source) {
            Err(mistake) => {
                library.mistakes.push(mistake);
                None
            }
            Ok(node) => {
                let declared = node.get("params").cloned().unwrap_or_default();
                self.check_arguments(&declared, &with, uses);
                let given = with.entries().iter().map(|(key, value)| (key.name.clone(), value.value.clone())).collect();
                let mut params = Params::read(&declared, &given, &mut library);
                let bound = bind_all_but_params(&node, &mut params, &mut library);
                params.check_all_used(&declared, &mut library);
                library.decode::<LibraryCheck>(&bound).and_then(|file| {
                    check_format(&file.labrun, CHECK_FORMAT, &mut library);
                    library_body(&file, &bound, &uses.value, &mut library)
                })
            }
        };
        self.foreign.append(&mut library.mistakes);
        let mut planned = planned?;
        if let Some(claim) = &check.claim {
            planned.claim = claim.clone();
        }
        // What the lab says for its own case comes before what the library says in general.
        let kind = Kind::named(planned.ask.probe)?;
        let facts = FactNames { own: kind, given: &planned.given };
        planned.hints.splice(0..0, advice(&check.hints, &facts, &mut self.decode));
        planned.notes.splice(0..0, advice(&check.notes, &facts, &mut self.decode));
        Some(planned)
    }

    fn check_arguments(&mut self, declared: &Node, with: &Node, uses: &Sp<String>) {
        for (key, _) in with.entries() {
            if declared.get(&key.name).is_none() {
                let help = suggestion(&key.name, declared.entries().iter().map(|(key, _)| key.name.as_str()));
                let message = format!("check `{}` has no parameter `{}`", uses.value, key.name);
                self.decode.mistake(key.span, message, help);
            }
        }
        for (key, default) in declared.entries() {
            if default.get("example").is_some() && with.get(&key.name).is_none() {
                let message = format!("check `{}` needs `with: {{{}: …}}`", uses.value, key.name);
                self.decode.mistake(uses.span, message, None);
            }
        }
    }
}

/// Whether `check` needs `need`, and is shown while that is hidden.
fn leans_on_hidden(check: &PlannedCheck, need: &PlannedCheck) -> bool {
    check.needs.contains(&need.address) && need.hidden_until > check.hidden_until
}

/// What an id looks like.
pub const ID_FORM: &str = "lower-case letters, digits and `-`, beginning with a letter";

/// Whether `text` can be the id of a lab, a step or a check.
pub fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Notes a file format that this labrun does not read.
pub fn check_format(format: &Sp<String>, wanted: &str, decode: &mut Decode) {
    if format.value != wanted {
        let newer = format.value.rsplit_once("/v").is_some_and(|(kind, version)| {
            wanted.split('/').next() == Some(kind) && version.parse::<u32>().is_ok_and(|version| version > 1)
        });
        let help = if newer { "this file is for a newer labrun: update it" } else { "write that format's name" };
        let message = format!("this labrun reads `{wanted}`, not `{}`", format.value);
        decode.mistake(format.span, message, Some(help.to_owned()));
    }
}

fn bind_all_but_params(node: &Node, params: &mut Params, decode: &mut Decode) -> Node {
    let Tree::Map(entries) = &node.value else { return node.clone() };
    let entries = entries.iter().map(|(key, value)| match key.name.as_str() {
        "params" => (key.clone(), value.clone()),
        _ => (key.clone(), params.bind(value, decode)),
    });
    Node { value: Tree::Map(entries.collect()), span: node.span }
}

/// The steps asked for, and those they need, in the order of the lab.
fn select(steps: Vec<PlannedStep>, lab: &str, selected: &[String]) -> Vec<PlannedStep> {
    let mut wanted: BTreeSet<String> = selected.iter().map(|step| format!("{lab}/{step}")).collect();
    // Needs point backwards only, so one pass from the end finds them all.
    for step in steps.iter().rev().filter(|_| !selected.is_empty()) {
        if wanted.contains(&step.address) {
            let needs = step.checks.iter().flat_map(|check| &check.needs);
            wanted.extend(needs.filter_map(|check| check.rsplit_once('/')).map(|(step, _)| step.to_owned()));
        }
    }
    steps.into_iter().filter(|step| selected.is_empty() || wanted.contains(&step.address)).collect()
}

/// Every mistake in a library check taken by itself; parameters without a default take their example.
pub fn plan_library_check(source: &Arc<Source>) -> Vec<Diagnostic> {
    let node = match node::parse(source) {
        Ok(node) => node,
        Err(mistake) => return vec![mistake],
    };
    let mut decode = Decode::new(source);
    let declared = node.get("params").cloned().unwrap_or_default();
    let mut params = Params::read(&declared, &BTreeMap::new(), &mut decode);
    let bound = bind_all_but_params(&node, &mut params, &mut decode);
    params.check_all_used(&declared, &mut decode);
    if let Some(file) = decode.decode::<LibraryCheck>(&bound) {
        check_format(&file.labrun, CHECK_FORMAT, &mut decode);
        let name = source.name.rsplit('/').next().unwrap_or_default().trim_end_matches(".yaml");
        library_body(&file, &bound, name, &mut decode);
    }
    decode.mistakes
}

/// The check of a library file, which has no `id` to show its mistakes at.
fn library_body(file: &LibraryCheck, bound: &Node, name: &str, decode: &mut Decode) -> Option<PlannedCheck> {
    let (key, node) = bound.entries().iter().find(|(key, _)| key.name == "check")?;
    body(&file.check, node, &Sp { value: name.to_owned(), span: key.span }, decode)
}
