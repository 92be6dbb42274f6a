//! What one check claims, apart from where it stands in a lab: its probes, its expectations, its hints, and every
//! mistake an author can make in them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::decode::{Decode, Sp};
use crate::error::suggestion;
use crate::evidence::{Facts, RUN, RUN_FACTS};
use crate::expect::{Expectation, Truth};
use crate::lab::{Advice, Check, Doubt};
use crate::node::{Key, Node, Tree};
use crate::plan::options::{check_options, check_words};
use crate::plan::{Ask, PlannedAdvice, PlannedCheck, PlannedWord};
use crate::points::Points;
use crate::probe::{KINDS, Kind};
use crate::reference::{Path, Piece, Scope, pieces};
use crate::text::Text;
use crate::vantage::{Vantage, is_name};

/// Everything of a check that does not depend on where it stands in a lab.
pub(super) fn body(check: &Check, node: &Node, id: &Sp<String>, decode: &mut Decode) -> Option<PlannedCheck> {
    let is_judged_here = check.judged_by.is_none();
    let needed: &[&str] = if is_judged_here { &["claim", "probe", "expect"] } else { &["claim", "probe"] };
    for word in needed.iter().filter(|word| Decode::lacks(node, word)) {
        decode.mistake(id.span, format!("check `{}` has no `{word}`", id.value), None);
    }
    if Decode::lacks(node, "hints") && is_judged_here {
        let help = Some("say what is likely wrong, not the solution".to_owned());
        decode.mistake(id.span, format!("check `{}` has no `hints`", id.value), help);
    }
    let from = check.from.as_ref().and_then(|from| vantage(from, decode)).unwrap_or_default();
    let mut given: Vec<(String, Ask)> = Vec::new();
    check.given.iter().for_each(|given| check_mapping(given, decode));
    for (key, node) in check.given.iter().flat_map(|given| given.entries()) {
        if given.iter().any(|(name, _)| *name == key.name) {
            decode.mistake(key.span, format!("duplicate key `{}`", key.name), None);
        }
        if key.name == RUN {
            decode.mistake(
                key.span,
                format!("`{RUN}` stands for the run itself: give this observation another name"),
                None,
            );
        }
        let own = from_of(node, decode);
        let standing = Standing { own: own.as_ref(), check: &from };
        if let Some((ask, _)) = ask(&without_from(node), &standing, &given, decode) {
            given.push((key.name.clone(), ask));
        }
    }
    let (ask_main, kind) = ask(check.probe.as_ref()?, &Standing { own: None, check: &from }, &given, decode)?;
    for (key, _) in check.given.iter().flat_map(|given| given.entries()) {
        if kind.facts.iter().any(|(fact, _)| *fact == key.name) {
            let message = format!("`{}` is a fact of `{}`: give this observation another name", key.name, kind.name);
            decode.mistake(key.span, message, None);
            given.retain(|(name, _)| *name != key.name);
        }
    }
    let facts = FactNames { own: kind, given: &given };
    if !is_judged_here {
        left_to_the_teacher(check, kind, id, decode);
    }
    let nothing = Node::default();
    let expect_node = if is_judged_here { check.expect.as_ref()? } else { &nothing };
    let expect = if is_judged_here { expectation(expect_node, &facts, decode) } else { Expectation::default() };
    check_options(expect_node, &ask_main, decode);
    for (name, _) in given.iter().filter(|(_, ask)| asks_the_student(ask)) {
        if mentions(expect_node, name) {
            let help = "make it the check's own `probe`: then the right answer is shown to nobody".to_owned();
            let message = format!("what is expected of `{name}`, an answer, would be shown");
            decode.mistake(expect_node.span, message, Some(help));
        }
    }
    let control = check.control.as_ref().and_then(|control| {
        let standing = Standing { own: control.from.as_ref(), check: &from };
        let (ask, kind) = ask(&control.probe, &standing, &given, decode)?;
        let expect = expectation(&control.expect, &FactNames { own: kind, given: &given }, decode);
        Some((ask, expect))
    });
    if is_judged_here && kind.word.is_some_and(|word| holds_on(word.unsaid, &expect)) {
        decode.mistake(expect_node.span, "this holds when nothing is answered", None);
    }
    let holds_anyway = |nothing: &str| holds_on(nothing, &expect);
    if control.is_none() && check.control.is_none() && kind.nothing_reached.is_some_and(holds_anyway) {
        decode.mistake(
            expect_node.span,
            "this holds when nothing at all can be reached: a negative claim needs a `control`",
            Some("add a `control` whose probe, from the same vantage, must reach something".to_owned()),
        );
    }
    let opt_in = |ask: &Ask| Kind::named(ask.probe).is_some_and(|kind| kind.opt_in.is_some());
    if let Some(leans) =
        given.iter().map(|(_, ask)| ask).chain(control.iter().map(|(ask, _)| ask)).find(|ask| opt_in(ask))
    {
        let message = format!("`{}` does something to the machine: it is only ever a check's own probe", leans.probe);
        decode.mistake(id.span, message, None);
    }
    if let Some(within) = check.within.as_ref().filter(|_| opt_in(&ask_main)) {
        let message = format!("`{}` is asked once: there is no waiting for it", kind.name);
        decode.mistake(within.span, message, None);
    }
    let within = check.within.as_ref().and_then(|within| duration(within, decode));
    if check.worth.is_some() && check.within.is_none() {
        decode.mistake(id.span, "`while` without `within`", None);
    }
    let planned = PlannedCheck {
        address: String::new(),
        claim: check.claim.clone()?,
        points: Points::ZERO,
        bonus: false,
        needs: Vec::new(),
        control,
        expect,
        word: kind.word.map(|word| PlannedWord { fact: word.fact, place: String::new() }),
        judged_by: check.judged_by,
        by_hand: check.by_hand,
        hidden_until: check.hidden_until.as_ref().and_then(|until| time(until, decode)),
        within,
        worth: check.worth.as_ref().map(|worth| expectation(worth, &facts, decode)),
        hints: advice(&check.hints, &facts, decode),
        notes: advice(&check.notes, &facts, decode),
        doubts: doubts(&check.doubts, &facts, decode),
        ask: ask_main,
        given,
    };
    if let Some(said) = check.from.as_ref().filter(|_| planned.asks().all(|ask| ask.from != from)) {
        let help = Some("only probes that reach something stand anywhere else than in the VM".to_owned());
        decode.mistake(said.span, "nothing in this check is asked from there", help);
    }
    Some(planned)
}

/// Notes what is no mapping where only the entries of one are read; nothing at all is an empty one.
pub(super) fn check_mapping(node: &Node, decode: &mut Decode) {
    if !matches!(node.value, Tree::Map(_) | Tree::Null) {
        decode.mistake(node.span, format!("expected a mapping, found {}", node.kind()), None);
    }
}

/// Where a probe stands: what is said beside it, else what is said of its check.
struct Standing<'a> {
    own: Option<&'a Sp<Vantage>>,
    check: &'a Vantage,
}

impl Standing<'_> {
    /// Where a probe of this kind stands. One that reaches nothing has only the VM to look at.
    fn of(&self, kind: &Kind, decode: &mut Decode) -> Vantage {
        match self.own {
            None if kind.reaches() => self.check.clone(),
            None => Vantage::Vm,
            Some(own) if kind.reaches() || own.value == Vantage::Vm => vantage(own, decode).unwrap_or_default(),
            Some(own) => {
                let message = format!("`{}` is always looked at from `vm`", kind.name);
                decode.mistake(own.span, message, None);
                Vantage::Vm
            }
        }
    }
}

/// A vantage whose name is one.
fn vantage(from: &Sp<Vantage>, decode: &mut Decode) -> Option<Vantage> {
    let name = from.value.name().unwrap_or("vm");
    if let Some(Piece::Reference(reference)) = pieces(name).iter().find(|piece| matches!(piece, Piece::Reference(_))) {
        let message = format!("`{reference}` is no parameter: where a probe stands does not depend on facts");
        decode.mistake(from.span, message, None);
    } else if is_name(name) {
        return Some(from.value.clone());
    } else {
        decode.mistake(from.span, format!("`{name}` is the name of nothing"), None);
    }
    None
}

/// What a `given` says of where it stands.
fn from_of(node: &Node, decode: &mut Decode) -> Option<Sp<Vantage>> {
    node.get(FROM).and_then(|from| decode.decode(from))
}

/// What a `given` asks, without where.
fn without_from(node: &Node) -> Node {
    let Tree::Map(entries) = &node.value else { return node.clone() };
    let entries = entries.iter().filter(|(key, _)| key.name != FROM);
    Node { value: Tree::Map(entries.cloned().collect()), span: node.span }
}

const FROM: &str = "from";

/// Reads `{kind: {arguments}}`.
fn ask(node: &Node, standing: &Standing, given: &[(String, Ask)], decode: &mut Decode) -> Option<(Ask, &'static Kind)> {
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
    Some((Ask { probe: kind.name, args: args.to_json(), from: standing.of(kind, decode) }, kind))
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
    if path.head() == RUN {
        let fact = path.second().unwrap_or_default();
        let known = || RUN_FACTS.iter().map(|(name, _)| *name);
        return match known().any(|name| name == fact) {
            true => Ok(()),
            false => Err((format!("`{path}` is nothing that is known of a run"), suggestion(fact, known()))),
        };
    }
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
pub(super) struct FactNames<'a> {
    pub(super) own: &'a Kind,
    pub(super) given: &'a [(String, Ask)],
}

impl FactNames<'_> {
    /// The words that the fact at `path` may be, if it is one of a few.
    fn words(&self, path: &Path) -> Option<&'static [&'static str]> {
        match self.given.iter().find(|(name, _)| name == path.head()) {
            Some((_, ask)) => Kind::named(ask.probe)?.words(path.second()?),
            None => self.own.words(path.head()),
        }
    }
}

fn expectation(node: &Node, facts: &FactNames, decode: &mut Decode) -> Expectation {
    check_references(node, facts.given, decode);
    check_words(node, &|path| facts.words(path), decode);
    let is_given = |name: &str| name == RUN || facts.given.iter().any(|(given, _)| given == name);
    Expectation::read(node, decode, &|path| match is_given(path.head()) {
        true => check_given_path(path, facts.given),
        false => known_fact(Some(facts.own), path.head()),
    })
}

/// Whether something is so where a look found no more than `nothing`.
fn holds_on(nothing: &str, expect: &Expectation) -> bool {
    let facts: Facts = serde_json::from_str(nothing).unwrap_or_default();
    expect.evaluate(&Scope { own: Some(&facts), ..Scope::default() }) == Truth::Holds
}

/// Notes what makes no sense in a check that labrun does not judge.
fn left_to_the_teacher(check: &Check, kind: &Kind, id: &Sp<String>, decode: &mut Decode) {
    if kind.word.is_none() {
        let message = format!("a teacher judges answers, and `{}` asks for none", kind.name);
        decode.mistake(id.span, message, None);
    }
    let idle = [
        (check.expect.is_some(), "expect"),
        (check.control.is_some(), "control"),
        (check.within.is_some(), "within"),
        (!check.hints.is_empty(), "hints"),
        (!check.notes.is_empty(), "notes"),
        (!check.doubts.is_empty(), "doubts"),
    ];
    for (_, word) in idle.iter().filter(|(present, _)| *present) {
        decode.mistake(id.span, format!("`{word}` beside `judged_by`: labrun does not judge this check"), None);
    }
}

/// Whether it is the student that is asked, not the machine.
pub(super) fn asks_the_student(ask: &Ask) -> bool {
    Kind::named(ask.probe).is_some_and(|kind| kind.word.is_some())
}

/// Whether an expectation names a fact of the observation `name`.
fn mentions(expect: &Node, name: &str) -> bool {
    let leads_there = |path: &str| path.parse::<Path>().is_ok_and(|path| path.head() == name);
    match &expect.value {
        Tree::Str(text) => {
            pieces(text).iter().any(|piece| matches!(piece, Piece::Reference(path) if leads_there(path)))
        }
        Tree::Seq(items) => items.iter().any(|item| mentions(item, name)),
        Tree::Map(entries) => entries.iter().any(|(key, item)| leads_there(&key.name) || mentions(item, name)),
        _ => false,
    }
}

/// Whether a check that asks the student has a hint of its own for one who says nothing.
pub(super) fn tells_who_says_nothing(check: &PlannedCheck) -> bool {
    let Some(word) = Kind::named(check.ask.probe).and_then(|kind| kind.word) else { return true };
    let fits = |hint: &&PlannedAdvice| hint.when.as_ref().is_none_or(|when| holds_on(word.unsaid, when));
    check.hints.iter().find(fits).is_some_and(|hint| hint.id == "unanswered")
}

/// Makes the questions of a check those of `lab`, unless they say of which they are.
pub(super) fn ask_in_the_name_of(lab: &str, check: &mut PlannedCheck) {
    let control = check.control.iter_mut().map(|(ask, _)| ask);
    for ask in check.given.iter_mut().map(|(_, ask)| ask).chain(control).chain([&mut check.ask]) {
        if let (true, Some(args)) = (asks_the_student(ask), ask.args.as_object_mut()) {
            args.entry("lab").or_insert_with(|| lab.into());
        }
    }
    if let Some(word) = &mut check.word {
        let said = |name: &str| check.ask.args.get(name).and_then(Value::as_str).unwrap_or_default();
        word.place = format!("answers: {{{}: {{{}: …}}}}", said("lab"), said("to"));
    }
}

pub(super) fn advice(all: &[Advice], facts: &FactNames, decode: &mut Decode) -> Vec<PlannedAdvice> {
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

fn doubts(all: &[Doubt], facts: &FactNames, decode: &mut Decode) -> Vec<(Expectation, Text)> {
    all.iter().map(|doubt| (expectation(&doubt.when, facts, decode), doubt.say.clone())).collect()
}

/// Reads a time such as `2026-12-01T00:00:00Z`.
pub(super) fn time(text: &Sp<String>, decode: &mut Decode) -> Option<Timestamp> {
    let parsed = text.value.parse::<Timestamp>().ok();
    if parsed.is_none() {
        let help = Some("write it like `2026-12-01T00:00:00Z`".to_owned());
        decode.mistake(text.span, format!("`{}` is no time", text.value), help);
    }
    parsed
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
