//! Lab + library + settings → a plan of ready checks. Every author mistake is found here, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::decode::{Decode, Sp};
use crate::error::{Diagnostic, suggestion};
use crate::evidence::{Facts, Question};
use crate::expect::{Expectation, Truth};
use crate::lab::{Advice, CHECK_FORMAT, Check, LAB_FORMAT, Lab, LibraryCheck, Step};
use crate::node::{self, Key, Node, Tree};
use crate::params::{Params, read_setting};
use crate::points::Points;
use crate::probe::{KINDS, Kind};
use crate::reference::{self, Path, Piece, Scope, pieces};
use crate::source::Source;
use crate::text::Text;
use crate::vantage::Vantage;

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
    /// How long to go on looking until it holds.
    pub within: Option<Duration>,
    /// What makes it worth looking again; always, without one.
    pub worth: Option<Expectation>,
    /// What to tell a student whose work fails it.
    pub hints: Vec<PlannedAdvice>,
    /// What to remark on a pass.
    pub notes: Vec<PlannedAdvice>,
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
        Ok(Question { probe: self.probe.to_owned(), args, from: self.from })
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
    /// Every check, in order.
    pub fn checks(&self) -> impl Iterator<Item = &PlannedCheck> {
        self.steps.iter().flat_map(|step| &step.checks)
    }
}

/// The names of a lab's parameters, for telling a typo in `--set` from a parameter of another lab.
pub fn parameters(source: &Arc<Source>) -> Vec<String> {
    declared(source).entries().iter().map(|(key, _)| key.name.clone()).collect()
}

/// What the parameter `name` of a lab must be, if `text` is not it.
pub fn refuses_setting(source: &Arc<Source>, name: &str, text: &str) -> Option<&'static str> {
    read_setting(text, &declared(source).get(name)?.value).err()
}

fn declared(source: &Arc<Source>) -> Node {
    node::parse(source).unwrap_or_default().get("params").cloned().unwrap_or_default()
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

        let mut known = Known::new();
        let mut steps = Vec::new();
        for step in &lab.steps {
            steps.push(self.step(&lab.id.value, step, &mut known));
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

    fn step(&mut self, lab: &str, step: &Step, known: &mut Known) -> PlannedStep {
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
        let planned = match &check.uses {
            None => {
                if let Some(with) = &check.with {
                    self.decode.mistake(with.span, "`with` without `use`", None);
                }
                body(check, node, &id, &mut self.decode)?
            }
            Some(uses) => self.library_check(check, uses)?,
        };
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
        ];
        for (_, word) in own.iter().filter(|(present, _)| *present) {
            self.decode.mistake(uses.span, format!("`{word}` beside `use`: `{}` brings its own", uses.value), None);
        }
        let mut library = Decode::new(&source);
        let with = check.with.clone().unwrap_or_default();
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

const ID_FORM: &str = "lower-case letters, digits and `-`, beginning with a letter";

fn is_id(text: &str) -> bool {
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

/// Everything of a check that does not depend on where it stands in a lab.
fn body(check: &Check, node: &Node, id: &Sp<String>, decode: &mut Decode) -> Option<PlannedCheck> {
    for word in ["claim", "probe", "expect"].into_iter().filter(|word| Decode::lacks(node, word)) {
        decode.mistake(id.span, format!("check `{}` has no `{word}`", id.value), None);
    }
    if Decode::lacks(node, "hints") {
        let help = Some("say what is likely wrong, not the solution".to_owned());
        decode.mistake(id.span, format!("check `{}` has no `hints`", id.value), help);
    }
    let from = check.from.unwrap_or_default();
    let mut given: Vec<(String, Ask)> = Vec::new();
    for (key, node) in check.given.iter().flat_map(|given| given.entries()) {
        if given.iter().any(|(name, _)| *name == key.name) {
            decode.mistake(key.span, format!("duplicate key `{}`", key.name), None);
        }
        if let Some((ask, _)) = ask(node, from, &given, decode) {
            given.push((key.name.clone(), ask));
        }
    }
    let (ask_main, kind) = ask(check.probe.as_ref()?, from, &given, decode)?;
    for (key, _) in check.given.iter().flat_map(|given| given.entries()) {
        if kind.facts.iter().any(|(fact, _)| *fact == key.name) {
            let message = format!("`{}` is a fact of `{}`: give this observation another name", key.name, kind.name);
            decode.mistake(key.span, message, None);
            given.retain(|(name, _)| *name != key.name);
        }
    }
    let facts = FactNames { own: kind, given: &given };
    let expect_node = check.expect.as_ref()?;
    let expect = expectation(expect_node, &facts, decode);
    let control = check.control.as_ref().and_then(|control| {
        let (ask, kind) = ask(&control.probe, from, &given, decode)?;
        let expect = expectation(&control.expect, &FactNames { own: kind, given: &given }, decode);
        Some((ask, expect))
    });
    if control.is_none() && check.control.is_none() && holds_when_nothing_is_reached(kind, &expect) {
        decode.mistake(
            expect_node.span,
            "this holds when nothing at all can be reached: a negative claim needs a `control`",
            Some("add a `control` whose probe, from the same vantage, must reach something".to_owned()),
        );
    }
    let within = check.within.as_ref().and_then(|within| duration(within, decode));
    if check.worth.is_some() && check.within.is_none() {
        decode.mistake(id.span, "`while` without `within`", None);
    }
    Some(PlannedCheck {
        address: String::new(),
        claim: check.claim.clone()?,
        points: Points::ZERO,
        bonus: false,
        needs: Vec::new(),
        control,
        expect,
        within,
        worth: check.worth.as_ref().map(|worth| expectation(worth, &facts, decode)),
        hints: advice(&check.hints, &facts, decode),
        notes: advice(&check.notes, &facts, decode),
        ask: ask_main,
        given,
    })
}

/// Reads `{kind: {arguments}}`.
fn ask(node: &Node, from: Vantage, given: &[(String, Ask)], decode: &mut Decode) -> Option<(Ask, &'static Kind)> {
    let [(Key { name, span }, args)] = node.entries() else {
        let help = Some("for example `{container: {name: ams}}`".to_owned());
        decode.mistake(node.span, "a probe is one kind with its arguments", help);
        return None;
    };
    let Some(kind) = Kind::named(name) else {
        let help = suggestion(name, KINDS.iter().map(|kind| kind.name));
        decode.mistake(*span, format!("unknown probe `{name}`"), help);
        return None;
    };
    check_references(args, given, decode);
    (kind.check_args)(&stand_in(args), decode);
    Some((Ask { probe: kind.name, args: args.to_json(), from }, kind))
}

/// The arguments with something plausible in the place of each reference, so that the rest can be checked.
fn stand_in(node: &Node) -> Node {
    let value = match &node.value {
        Tree::Str(text) => match pieces(text).as_slice() {
            [Piece::Reference(_)] => Tree::Str("reference:1".to_owned()),
            pieces => Tree::Str(
                pieces.iter().map(|piece| if let Piece::Plain(plain) = piece { plain } else { "reference" }).collect(),
            ),
        },
        Tree::Seq(items) => Tree::Seq(items.iter().map(stand_in).collect()),
        Tree::Map(entries) => Tree::Map(entries.iter().map(|(key, item)| (key.clone(), stand_in(item))).collect()),
        plain => plain.clone(),
    };
    Node { value, span: node.span }
}

/// Notes every reference in `node` that does not lead to a fact of something given.
fn check_references(node: &Node, given: &[(String, Ask)], decode: &mut Decode) {
    match &node.value {
        Tree::Str(text) => {
            for piece in pieces(text) {
                let Piece::Reference(name) = piece else { continue };
                match name.parse::<Path>() {
                    Err(why) => {
                        decode.mistake(node.span, format!("`{name}` is no path to a fact"), Some(why.to_owned()));
                    }
                    Ok(path) => {
                        if let Err((message, help)) = check_given_path(&path, given) {
                            decode.mistake(node.span, message, help);
                        }
                    }
                }
            }
        }
        Tree::Seq(items) => items.iter().for_each(|item| check_references(item, given, decode)),
        Tree::Map(entries) => entries.iter().for_each(|(_, item)| check_references(item, given, decode)),
        _ => {}
    }
}

type Refused = (String, Option<String>);

fn check_given_path(path: &Path, given: &[(String, Ask)]) -> Result<(), Refused> {
    let Some((_, ask)) = given.iter().find(|(name, _)| name == path.head()) else {
        let help = suggestion(path.head(), given.iter().map(|(name, _)| name.as_str()));
        return Err((format!("`{}` is not `given` here", path.head()), help));
    };
    let kind = Kind::named(ask.probe);
    path.second().map_or_else(
        || {
            let example = kind.and_then(|kind| kind.facts.first()).map_or("…", |(fact, _)| fact);
            let help = format!("name one of its facts, e.g. `{}.{example}`", path.head());
            Err((format!("`{path}` is a whole observation"), Some(help)))
        },
        |fact| known_fact(kind, fact),
    )
}

fn known_fact(kind: Option<&Kind>, fact: &str) -> Result<(), Refused> {
    let Some(kind) = kind.filter(|kind| kind.facts.iter().all(|(name, _)| *name != fact)) else { return Ok(()) };
    let help = suggestion(fact, kind.facts.iter().map(|(name, _)| *name));
    Err((format!("`{}` reports no fact `{fact}`", kind.name), help))
}

/// The facts that an expectation may name.
struct FactNames<'a> {
    own: &'a Kind,
    given: &'a [(String, Ask)],
}

fn expectation(node: &Node, facts: &FactNames, decode: &mut Decode) -> Expectation {
    check_references(node, facts.given, decode);
    Expectation::read(node, decode, &|path| match facts.given.iter().any(|(name, _)| name == path.head()) {
        true => check_given_path(path, facts.given),
        false => known_fact(Some(facts.own), path.head()),
    })
}

fn holds_when_nothing_is_reached(kind: &Kind, expect: &Expectation) -> bool {
    let Some(nothing) = kind.nothing_reached else { return false };
    let facts: Facts = serde_json::from_str(nothing).unwrap_or_default();
    expect.evaluate(&Scope { own: Some(&facts), ..Scope::default() }) == Truth::Holds
}

fn advice(all: &[Advice], facts: &FactNames, decode: &mut Decode) -> Vec<PlannedAdvice> {
    let mut planned: Vec<PlannedAdvice> = Vec::new();
    for advice in all {
        if advice.say.is_empty() {
            decode.mistake(advice.id.span, format!("`{}` says nothing", advice.id.value), None);
        }
        if let Some(before) = planned.iter().find(|before| before.when.is_none()) {
            let message = format!("`{}` is never reached: `{}` before it has no `when`", advice.id.value, before.id);
            decode.mistake(advice.id.span, message, None);
        }
        if planned.iter().any(|before| before.id == advice.id.value) {
            decode.mistake(advice.id.span, format!("a second `{}` in this list", advice.id.value), None);
        }
        let when = advice.when.as_ref().map(|when| expectation(when, facts, decode));
        planned.push(PlannedAdvice { id: advice.id.value.clone(), when, say: advice.say.clone() });
    }
    planned
}

fn duration(text: &Sp<String>, decode: &mut Decode) -> Option<Duration> {
    let parsed = parse_duration(&text.value);
    if let Err(why) = &parsed {
        decode.mistake(text.span, why.clone(), None);
    }
    parsed.ok()
}

/// Reads `500ms`, `20s`, `1m 30s`: more than nothing, at most an hour.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed
        .filter(|duration| !duration.is_zero() && *duration <= Duration::from_secs(3600))
        .ok_or_else(|| format!("`{text}` is no duration: write `500ms`, `20s` or `2m`, at most an hour"))
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
