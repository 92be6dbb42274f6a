//! Expectations: data evaluated over facts by one total, bounded function. Never sees the machine.

mod held;
mod networks;

use std::str::FromStr;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::decode::Decode;
use crate::error::suggestion;
use crate::expect::held::Held;
use crate::node::{Node, Tree};
use crate::reference::{self, Path, Scope};
use crate::text::Text;
use crate::verdict::Mismatch;

/// Claims about facts, all of which must hold.
#[derive(Debug, Clone, Default)]
pub struct Expectation {
    clauses: Vec<Clause>,
}

#[derive(Debug, Clone)]
enum Clause {
    Fact(Path, Matcher),
    AnyOf(Vec<Expectation>),
    Not(Expectation),
}

/// What a single value must be.
#[derive(Debug, Clone)]
enum Matcher {
    Equals(Value),
    Not(Box<Matcher>),
    OneOf(Vec<Value>),
    Matches(Regex),
    Contains(Value),
    SameSet(Value),
    WithinNetwork(Value),
    SameNetwork(Value),
    AtLeast(Value),
    AtMost(Value),
    Before(Value),
    After(Value),
    Length(Box<Matcher>),
    Any(Item),
    Every(Item),
    None(Item),
    Exists(bool),
    All(Vec<Matcher>),
}

/// What an element of a list must be: a value that matches, or an object whose fields are as expected.
#[derive(Debug, Clone)]
enum Item {
    Value(Box<Matcher>),
    Fields(Expectation),
}

/// The matchers that authors write.
pub const MATCHERS: [&str; 17] = [
    "equals",
    "not",
    "one_of",
    "matches",
    "contains",
    "same_set",
    "within_network",
    "same_network",
    "at_least",
    "at_most",
    "before",
    "after",
    "length",
    "any",
    "every",
    "none",
    "exists",
];

/// Says whether a path may be named, or what is wrong with it and what was probably meant.
pub type CheckPath<'a> = &'a dyn Fn(&Path) -> Result<(), (String, Option<String>)>;

/// What came of evaluating an expectation.
#[derive(Debug, Clone, PartialEq)]
pub enum Truth {
    /// It holds.
    Holds,
    /// It does not, for these reasons.
    Fails(Vec<Mismatch>),
    /// The facts do not suffice to say.
    Unsure(Text),
}

// ---- reading -------------------------------------------------------------------------------------------------

impl Expectation {
    /// Reads an expectation as written in a lab. `check_path` is asked about every path to a fact.
    pub fn read(node: &Node, decode: &mut Decode, check_path: CheckPath) -> Expectation {
        Reader { decode, check_path: Some(check_path) }.expectation(node)
    }
}

struct Reader<'d> {
    decode: &'d mut Decode,
    /// Absent inside the elements of lists, whose fields no table lists.
    check_path: Option<CheckPath<'d>>,
}

impl Reader<'_> {
    fn expectation(&mut self, node: &Node) -> Expectation {
        let Tree::Map(entries) = &node.value else {
            self.decode.mistake(node.span, "an expectation is a mapping of facts to what they must be", None);
            return Expectation::default();
        };
        if entries.is_empty() {
            self.decode.mistake(node.span, "an expectation that expects nothing always holds", None);
        }
        let mut seen = Vec::new();
        let mut clauses = Vec::new();
        for (key, value) in entries {
            if seen.contains(&&key.name) {
                self.decode.mistake(key.span, format!("duplicate key `{}`", key.name), None);
                continue;
            }
            seen.push(&key.name);
            match (key.name.as_str(), &value.value) {
                ("any_of", Tree::Seq(items)) if !items.is_empty() => {
                    clauses.push(Clause::AnyOf(items.iter().map(|item| self.expectation(item)).collect()));
                }
                ("any_of", _) => {
                    self.decode.mistake(value.span, "`any_of` is a list of expectations, one of which must hold", None);
                }
                ("not", _) => clauses.push(Clause::Not(self.expectation(value))),
                (path, _) => match Path::from_str(path) {
                    Err(why) => {
                        let message = format!("`{path}` is no path to a fact");
                        self.decode.mistake(key.span, message, Some(why.to_owned()));
                    }
                    Ok(path) => {
                        if let Some(Err((message, help))) = self.check_path.map(|check| check(&path)) {
                            self.decode.mistake(key.span, message, help);
                        } else if let Some(matcher) = self.matcher(value) {
                            clauses.push(Clause::Fact(path, matcher));
                        }
                    }
                },
            }
        }
        Expectation { clauses }
    }

    fn matcher(&mut self, node: &Node) -> Option<Matcher> {
        let Tree::Map(entries) = &node.value else { return Some(Matcher::Equals(node.to_json())) };
        let mut all = Vec::new();
        for (position, (key, value)) in entries.iter().enumerate() {
            if entries[..position].iter().any(|(before, _)| before.name == key.name) {
                self.decode.mistake(key.span, format!("duplicate key `{}`", key.name), None);
                continue;
            }
            all.push(match key.name.as_str() {
                "equals" => Matcher::Equals(value.to_json()),
                "not" => Matcher::Not(Box::new(self.matcher(value)?)),
                "one_of" => match &value.value {
                    Tree::Seq(items) => Matcher::OneOf(items.iter().map(Node::to_json).collect()),
                    _ => return self.wrong(value, "`one_of` is a list of values"),
                },
                "matches" => match &value.value {
                    Tree::Str(pattern) => match RegexBuilder::new(pattern).size_limit(1 << 20).build() {
                        Ok(regex) => Matcher::Matches(regex),
                        Err(error) => {
                            return self
                                .wrong(value, &format!("not a regular expression: {}", last_line(&error.to_string())));
                        }
                    },
                    _ => return self.wrong(value, "`matches` is a regular expression in quotes"),
                },
                "contains" => Matcher::Contains(value.to_json()),
                "same_set" => Matcher::SameSet(value.to_json()),
                "within_network" => Matcher::WithinNetwork(value.to_json()),
                "same_network" => Matcher::SameNetwork(value.to_json()),
                "at_least" => Matcher::AtLeast(value.to_json()),
                "at_most" => Matcher::AtMost(value.to_json()),
                "before" => Matcher::Before(value.to_json()),
                "after" => Matcher::After(value.to_json()),
                "length" => Matcher::Length(Box::new(self.matcher(value)?)),
                "any" => Matcher::Any(self.item(value)?),
                "every" => Matcher::Every(self.item(value)?),
                "none" => Matcher::None(self.item(value)?),
                "exists" => match value.value {
                    Tree::Bool(exists) => Matcher::Exists(exists),
                    _ => return self.wrong(value, "`exists` is true or false"),
                },
                unknown => {
                    let help = suggestion(unknown, MATCHERS);
                    self.decode.mistake(key.span, format!("unknown matcher `{unknown}`"), help);
                    return None;
                }
            });
        }
        match all.len() {
            0 => self.wrong(node, "a matcher that demands nothing always holds"),
            1 => all.pop(),
            _ => Some(Matcher::All(all)),
        }
    }

    /// A mapping whose keys are all matchers matches the element itself; otherwise its keys are fields of it.
    fn item(&mut self, node: &Node) -> Option<Item> {
        let is_matcher = |name: &str| MATCHERS.contains(&name);
        match &node.value {
            Tree::Map(entries) if !entries.iter().all(|(key, _)| is_matcher(&key.name)) => {
                for (key, _) in entries {
                    let alike = |meant: &&&str| strsim::damerau_levenshtein(meant, &key.name) == 1;
                    if let Some(meant) = MATCHERS.iter().find(alike).filter(|_| key.name.len() > 3) {
                        let message =
                            format!("`{}` is no matcher, and too like `{meant}` to be the name of a field", key.name);
                        self.decode.mistake(key.span, message, None);
                    }
                }
                Some(Item::Fields(Reader { decode: self.decode, check_path: None }.expectation(node)))
            }
            _ => Some(Item::Value(Box::new(self.matcher(node)?))),
        }
    }

    fn wrong<T>(&mut self, node: &Node, message: &str) -> Option<T> {
        self.decode.mistake(node.span, message, None);
        None
    }
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

// ---- evaluating ----------------------------------------------------------------------------------------------

impl Expectation {
    /// Evaluates over `scope`.
    pub fn evaluate(&self, scope: &Scope) -> Truth {
        let mut mismatches = Vec::new();
        let mut unsure = None;
        for clause in &self.clauses {
            match clause.evaluate(scope) {
                Truth::Holds => {}
                Truth::Fails(more) => mismatches.extend(more),
                Truth::Unsure(why) => unsure = Some(why),
            }
        }
        match unsure {
            _ if !mismatches.is_empty() => Truth::Fails(mismatches),
            Some(why) => Truth::Unsure(why),
            None => Truth::Holds,
        }
    }

    fn held(&self, scope: &Scope) -> Held {
        Held::all(self.clauses.iter().map(|clause| clause.held(scope)))
    }

    /// What is expected, one sentence per clause, with what `scope` knows of its references.
    pub fn describe(&self, scope: &Scope) -> Vec<Text> {
        self.clauses.iter().map(|clause| clause.describe(scope)).collect()
    }
}

impl Clause {
    fn evaluate(&self, scope: &Scope) -> Truth {
        match self.held(scope) {
            Held::YES => Truth::Holds,
            held if held.yes => Truth::Unsure(Text::new(
                format!("lo leído quedó cortado antes de poder saber si {}", self.describe(scope).es),
                format!("what was read is cut before it can be told whether {}", self.describe(scope).en),
            )),
            _ => Truth::Fails(vec![Mismatch {
                fact: self.facts().join(", "),
                expected: self.describe(scope),
                seen: self.seen(scope),
            }]),
        }
    }

    fn held(&self, scope: &Scope) -> Held {
        match self {
            Clause::Fact(path, matcher) => {
                let held = matcher.held(scope.find(path), scope.is_partial(path), scope);
                // An element without the field is simply not such an element.
                if held == Held::VOID && scope.find(path).is_none() && scope.of_element { Held::NO } else { held }
            }
            Clause::AnyOf(ways) => Held::any(ways.iter().map(|way| way.held(scope))),
            Clause::Not(inner) => inner.held(scope).not(),
        }
    }

    /// The facts it is about.
    fn facts(&self) -> Vec<String> {
        let mut facts: Vec<String> = match self {
            Clause::Fact(path, _) => vec![path.to_string()],
            Clause::AnyOf(ways) => ways.iter().flat_map(|way| &way.clauses).flat_map(Clause::facts).collect(),
            Clause::Not(inner) => inner.clauses.iter().flat_map(Clause::facts).collect(),
        };
        facts.dedup();
        facts
    }

    fn seen(&self, scope: &Scope) -> Value {
        let find = |fact: &str| fact.parse::<Path>().ok().and_then(|path| scope.find(&path)).cloned();
        match self.facts().as_slice() {
            [one] => find(one).unwrap_or_default(),
            many => many.iter().map(|fact| (fact.clone(), find(fact).unwrap_or_default())).collect(),
        }
    }

    fn describe(&self, scope: &Scope) -> Text {
        match self {
            Clause::Fact(path, matcher) => {
                let said = matcher.describe(scope);
                Text::new(format!("`{path}` {}", said.es), format!("`{path}` {}", said.en))
            }
            Clause::AnyOf(ways) => {
                joined(ways.iter().map(|way| joined(way.describe(scope), " y ", " and ")), ", o bien ", ", or else ")
            }
            Clause::Not(inner) => {
                let said = joined(inner.describe(scope), " y ", " and ");
                Text::new(format!("no se cumple que {}", said.es), format!("it is not so that {}", said.en))
            }
        }
    }
}

impl Matcher {
    /// `cut` says that `value` is only the beginning of what there is.
    fn held(&self, value: Option<&Value>, cut: bool, scope: &Scope) -> Held {
        if let Matcher::Exists(wanted) = self {
            return if cut && value.is_none() { Held::UNSURE } else { Held::from(value.is_some() == *wanted) };
        }
        if let Matcher::Not(inner) = self {
            return inner.held(value, cut, scope).not();
        }
        if let Matcher::All(all) = self {
            return Held::all(all.iter().map(|matcher| matcher.held(value, cut, scope)));
        }
        // Nothing is not something else: an absent fact proves no negative claim either.
        let Some(value) = value else { return if cut { Held::UNSURE } else { Held::VOID } };
        let operand = |operand: &Value| known(operand, scope);
        let compare = |wanted: &Value, accept: fn(std::cmp::Ordering) -> bool| {
            let Some(wanted) = operand(wanted) else { return Held::VOID };
            Held::from(order(value, &wanted).is_some_and(accept))
        };
        match self {
            Matcher::Equals(wanted) => {
                let Some(wanted) = operand(wanted) else { return Held::VOID };
                if cut { Held::UNSURE } else { Held::from(same(value, &wanted)) }
            }
            Matcher::OneOf(wanted) => {
                let Some(wanted) = wanted.iter().map(operand).collect::<Option<Vec<Value>>>() else {
                    return Held::VOID;
                };
                if cut { Held::UNSURE } else { Held::from(wanted.iter().any(|wanted| same(value, wanted))) }
            }
            Matcher::Matches(regex) => Held::from(regex.is_match(&reference::written(value))).unless_cut(cut),
            Matcher::Contains(wanted) => {
                let Some(wanted) = operand(wanted) else { return Held::VOID };
                let found = match value {
                    Value::String(text) => text.contains(&reference::written(&wanted)),
                    Value::Array(items) => items.iter().any(|item| same(item, &wanted)),
                    Value::Object(entries) => entries.contains_key(&reference::written(&wanted)),
                    _ => false,
                };
                Held::from(found).unless_cut(cut)
            }
            Matcher::SameSet(wanted) => match (value, operand(wanted)) {
                (_, None) => Held::VOID,
                (Value::Array(_), Some(_)) if cut => Held::UNSURE,
                (Value::Array(items), Some(Value::Array(wanted))) => Held::from(same_set(items, &wanted)),
                _ => Held::NO,
            },
            Matcher::WithinNetwork(wanted) => match operand(wanted) {
                None => Held::VOID,
                Some(wanted) => Held::from(fits_a_network(value, &wanted, networks::is_within)),
            },
            Matcher::SameNetwork(wanted) => match operand(wanted) {
                None => Held::VOID,
                Some(wanted) => Held::from(fits_a_network(value, &wanted, networks::is_same)),
            },
            Matcher::AtLeast(wanted) => compare(wanted, std::cmp::Ordering::is_ge),
            Matcher::AtMost(wanted) => compare(wanted, std::cmp::Ordering::is_le),
            Matcher::Before(wanted) => compare(wanted, std::cmp::Ordering::is_lt),
            Matcher::After(wanted) => compare(wanted, std::cmp::Ordering::is_gt),
            Matcher::Length(inner) => {
                let length = match value {
                    Value::String(text) => text.chars().count(),
                    Value::Array(items) => items.len(),
                    Value::Object(entries) => entries.len(),
                    _ => return Held::NO,
                };
                if cut { Held::UNSURE } else { inner.held(Some(&length.into()), false, scope) }
            }
            Matcher::Any(item) => match value {
                Value::Array(items) => Held::any(items.iter().map(|v| item.held(v, scope))).unless_cut(cut),
                _ => Held::NO,
            },
            Matcher::Every(item) => match value {
                Value::Array(items) => Held::all(items.iter().map(|v| item.held(v, scope))).not().unless_cut(cut).not(),
                _ => Held::NO,
            },
            Matcher::None(item) => match value {
                Value::Array(items) => Held::any(items.iter().map(|v| item.held(v, scope))).unless_cut(cut).not(),
                _ => Held::NO,
            },
            Matcher::Not(_) | Matcher::Exists(_) | Matcher::All(_) => Held::UNSURE,
        }
    }

    fn describe(&self, scope: &Scope) -> Text {
        let written = |operand: &Value| reference::written(&known(operand, scope).unwrap_or_else(|| operand.clone()));
        let said = |es: &str, en: &str, operand: &Value| {
            let operand = written(operand);
            Text::new(format!("{es} `{operand}`"), format!("{en} `{operand}`"))
        };
        let around =
            |es: &str, en: &str, inner: Text| Text::new(format!("{es} {}", inner.es), format!("{en} {}", inner.en));
        match self {
            Matcher::Equals(wanted) => said("es", "is", wanted),
            Matcher::Not(inner) => around("no cumple: ", "is not such that it", inner.describe(scope)),
            Matcher::OneOf(wanted) => {
                let list: Vec<String> = wanted.iter().map(|v| format!("`{}`", written(v))).collect();
                Text::new(format!("es {}", list.join(" o ")), format!("is {}", list.join(" or ")))
            }
            Matcher::Matches(regex) => said("tiene la forma", "matches", &regex.as_str().into()),
            Matcher::Contains(wanted) => said("contiene", "contains", wanted),
            Matcher::SameSet(wanted) => said("tiene, en cualquier orden,", "has, in any order,", wanted),
            Matcher::WithinNetwork(wanted) => said("está en la red", "lies in the network", wanted),
            Matcher::SameNetwork(wanted) => said("es la red", "is the network", wanted),
            Matcher::AtLeast(wanted) => said("es al menos", "is at least", wanted),
            Matcher::AtMost(wanted) => said("es a lo sumo", "is at most", wanted),
            Matcher::Before(wanted) => said("es anterior a", "is before", wanted),
            Matcher::After(wanted) => said("es posterior a", "is after", wanted),
            Matcher::Length(inner) => around("tiene una cantidad que", "has a length that", inner.describe(scope)),
            Matcher::Any(item) => around("tiene un elemento donde", "has an element where", item.describe(scope)),
            Matcher::Every(item) => {
                around("sólo tiene elementos donde", "has only elements where", item.describe(scope))
            }
            Matcher::None(item) => {
                around("no tiene ningún elemento donde", "has no element where", item.describe(scope))
            }
            Matcher::Exists(true) => Text::new("existe", "exists"),
            Matcher::Exists(false) => Text::new("no existe", "does not exist"),
            Matcher::All(all) => joined(all.iter().map(|matcher| matcher.describe(scope)), " y ", " and "),
        }
    }
}

impl Item {
    fn held(&self, value: &Value, scope: &Scope) -> Held {
        match self {
            Item::Value(matcher) => matcher.held(Some(value), false, scope),
            Item::Fields(fields) => match value {
                Value::Object(object) => fields.held(&Scope { own: Some(object), of_element: true, ..scope.clone() }),
                _ => Held::NO,
            },
        }
    }

    fn describe(&self, scope: &Scope) -> Text {
        match self {
            Item::Value(matcher) => matcher.describe(scope),
            Item::Fields(fields) => joined(fields.describe(scope), " y ", " and "),
        }
    }
}

/// What is compared with, its references resolved; nothing when one of them leads nowhere.
fn known(operand: &Value, scope: &Scope) -> Option<Value> {
    reference::resolve(operand, &|name| scope.lookup(name)).ok()
}

/// Equality of facts: numbers by value, so that 5432 and 5432.0 are the same; types never mix.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Whether two lists hold the same, whatever the order and however often.
fn same_set(one: &[Value], other: &[Value]) -> bool {
    let holds = |all: &[Value], item: &Value| all.iter().any(|known| same(known, item));
    one.iter().all(|item| holds(other, item)) && other.iter().all(|item| holds(one, item))
}

/// Whether a text fits a network, or one of several.
fn fits_a_network(value: &Value, wanted: &Value, fits: fn(&str, &str) -> bool) -> bool {
    let Value::String(text) = value else { return false };
    match wanted {
        Value::String(network) => fits(text, network),
        Value::Array(networks) => networks.iter().filter_map(Value::as_str).any(|network| fits(text, network)),
        _ => false,
    }
}

/// The order of two numbers, or of two strings by their characters (RFC 3339 times in UTC to the second order so).
fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn joined(parts: impl IntoIterator<Item = Text>, es: &str, en: &str) -> Text {
    let (parts_es, parts_en): (Vec<String>, Vec<String>) = parts.into_iter().map(|text| (text.es, text.en)).unzip();
    Text::new(parts_es.join(es), parts_en.join(en))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node;
    use crate::source::Source;
    use serde_json::json;

    fn expectation(yaml: &str) -> Expectation {
        let source = Source::new("e.yaml", yaml);
        let mut decode = Decode::new(&source);
        let read = Expectation::read(&node::parse(&source).unwrap(), &mut decode, &|_| Ok(()));
        assert_eq!(decode.mistakes, [], "{yaml}");
        read
    }

    #[track_caller]
    fn check(yaml: &str, facts: Value) -> Truth {
        let given = json!({"created": "2026-01-01T00:00:05Z", "name": "ams"});
        let scope =
            Scope { own: facts.as_object(), given: [("box", given.as_object().unwrap())].into(), ..Scope::default() };
        expectation(yaml).evaluate(&scope)
    }

    #[track_caller]
    fn holds(yaml: &str, facts: Value) {
        assert_eq!(check(yaml, facts), Truth::Holds, "{yaml}");
    }

    #[track_caller]
    fn fails(yaml: &str, facts: Value) {
        assert!(matches!(check(yaml, facts), Truth::Fails(_)), "{yaml}");
    }

    #[test]
    fn every_matcher_holds_and_fails() {
        for (yaml, good, bad) in [
            ("a: running", json!("running"), json!("exited")),
            ("a: {equals: 5432}", json!(5432.0), json!("5432")),
            ("a: {not: {equals: x}}", json!("y"), json!("x")),
            ("a: {one_of: [x, y]}", json!("y"), json!("z")),
            ("a: {matches: '^post'}", json!("postgres"), json!("a postgres")),
            ("a: {contains: st}", json!("test"), json!("toast".to_uppercase())),
            ("a: {contains: 2}", json!([1, 2]), json!([1, 3])),
            ("a: {same_set: [1, x]}", json!(["x", 1.0, "x"]), json!(["x", 1, 2])),
            ("a: {within_network: 10.1.0.0/16}", json!("10.1.2.3"), json!("10.2.2.3")),
            ("a: {within_network: [10.1.0.0/16, 10.2.0.0/16]}", json!("10.2.2.3"), json!(["10.1.2.3"])),
            ("a: {same_network: [10.1.0.0/16]}", json!("10.1.2.3/16"), json!("10.1.2.3")),
            ("a: {at_least: 2}", json!(2), json!(1.9)),
            ("a: {at_most: 2}", json!(2), json!("1")),
            ("a: {before: \"${box.created}\"}", json!("2026-01-01T00:00:04Z"), json!("2026-01-01T00:00:05Z")),
            ("a: {after: \"${box.created}\"}", json!("2026-01-01T00:00:06Z"), json!("2026-01-01T00:00:05Z")),
            ("a: {length: {at_least: 2}}", json!([1, 2]), json!([1])),
            ("a: {any: {x: 1, y: {not: {equals: 2}}}}", json!([{"x": 1, "y": 3}]), json!([{"x": 1, "y": 2}])),
            ("a: {every: {at_least: 1}}", json!([1, 2]), json!([0, 2])),
            ("a: {none: {x: 1}}", json!([{"x": 2}]), json!([{"x": 2}, {"x": 1}])),
            ("a: {exists: true}", json!(0), json!(null)),
            ("a: {exists: false}", json!(null), json!(0)),
            ("a: {at_least: 1, at_most: 3}", json!(2), json!(4)),
            ("any_of: [{a: 1}, {a: 2}]", json!(2), json!(3)),
            ("not: {a: 1}", json!(2), json!(1)),
            ("a: ${box.name}", json!("ams"), json!("other")),
            ("{a: {contains: 'x-${box.name}'}, box.name: ams}", json!("x-ams-1"), json!("ams")),
        ] {
            holds(yaml, json!({ "a": good }));
            fails(yaml, json!({ "a": bad }));
        }
    }

    #[test]
    fn an_absent_fact_proves_nothing_not_even_a_negative() {
        for yaml in [
            "a: 1",
            "a: {not: {equals: 1}}",
            "a: {none: {x: 1}}",
            "a: {every: {x: 1}}",
            "a: {length: 0}",
            "not: {a: 1}",
            "not: {any_of: [{a: 1}, {b: 2}]}",
            "not: {a: {exists: false}}",
        ] {
            fails(yaml, json!({"b": 3}));
        }
        // What is surely wrong in one part is wrong as a whole, whatever is missing elsewhere.
        holds("not: {b: 2, a: 1}", json!({"b": 3}));
        holds("a: {exists: false}", json!({"b": 3}));
    }

    #[test]
    fn a_reference_that_leads_nowhere_proves_nothing_either() {
        for yaml in [
            "a: \"${box.nothing}\"",
            "a: {not: {equals: \"${box.nothing}\"}}",
            "a: {not: {one_of: [x, \"${box.nothing}\"]}}",
            "b: {none: {x: \"${box.nothing}\"}}",
            "not: {a: {before: \"${box.nothing}\"}}",
        ] {
            fails(yaml, json!({"a": "x", "b": [{"x": 1}]}));
        }
    }

    #[test]
    fn an_element_without_the_field_is_no_such_element() {
        holds("a: {none: {service: db}}", json!({"a": [{"name": "x", "service": null}, {"name": "y"}]}));
        fails("a: {any: {service: db}}", json!({"a": [{"name": "x"}]}));
    }

    #[test]
    fn absence_concluded_from_a_cut_fact_is_unsure() {
        let cut = json!({"a": ["x"], "truncated": ["a"]});
        for yaml in [
            "a: {contains: y}",
            "a: {none: {equals: y}}",
            "a: {length: 1}",
            "a: [x]",
            "a: {every: {equals: x}}",
            "a: {same_set: [x]}",
            "not: {a: {contains: y}}",
        ] {
            assert!(matches!(check(yaml, cut.clone()), Truth::Unsure(_)), "{yaml}");
        }
        holds("a: {contains: x}", cut.clone());
        fails("a: {none: {equals: x}}", cut.clone());
        fails("a: {every: {equals: y}}", cut);
        // As is what lies beyond the cut altogether.
        let cut = json!({"a": null, "h": {"x": 1}, "truncated": ["a", "h"]});
        for yaml in ["a: 1", "a: {exists: true}", "a: {exists: false}", "a: {at_least: 1}", "h.y: 1", "not: {h.y: 1}"] {
            assert!(matches!(check(yaml, cut.clone()), Truth::Unsure(_)), "{yaml}");
        }
        holds("h.x: {exists: true}", cut);
    }

    #[test]
    fn what_is_cut_beside_what_is_absent_is_unsure_where_it_would_decide() {
        let cut = json!({"a": ["x"], "truncated": ["a"]});
        for yaml in ["any_of: [{a: {contains: y}}, {b: 1}]", "not: {a: {contains: y}, b: 1}"] {
            assert!(matches!(check(yaml, cut.clone()), Truth::Unsure(_)), "{yaml}");
        }
        fails("{a: {contains: y}, b: 1}", cut.clone());
        fails("not: {any_of: [{a: {contains: y}}, {b: 1}]}", cut);
    }

    #[test]
    fn a_failure_says_what_was_expected_and_what_was_seen() {
        let Truth::Fails(mismatches) =
            check("{status: running, ports: {any: {host_port: 5432}}}", json!({"status": "exited", "ports": []}))
        else {
            panic!("holds");
        };
        let said: Vec<(&str, &str, &Value)> =
            mismatches.iter().map(|m| (m.fact.as_str(), m.expected.en.as_str(), &m.seen)).collect();
        assert_eq!(
            said,
            [
                ("status", "`status` is `running`", &json!("exited")),
                ("ports", "`ports` has an element where `host_port` is `5432`", &json!([])),
            ]
        );
    }

    #[test]
    fn an_expectation_that_cannot_fail_is_a_mistake() {
        for (yaml, message) in [
            ("{}", "an expectation that expects nothing always holds"),
            ("a: {}", "a matcher that demands nothing always holds"),
            ("a: {equls: 1}", "unknown matcher `equls`"),
            ("a: {any: {equls: 1}}", "`equls` is no matcher, and too like `equals` to be the name of a field"),
            ("a: {matches: '('}", "not a regular expression: unclosed group"),
            ("any_of: []", "`any_of` is a list of expectations, one of which must hold"),
        ] {
            let source = Source::new("e.yaml", yaml);
            let mut decode = Decode::new(&source);
            Expectation::read(&node::parse(&source).unwrap(), &mut decode, &|_| Ok(()));
            let said: Vec<&str> = decode.mistakes.iter().map(|m| m.message.as_str()).collect();
            assert_eq!(said, [message], "{yaml}");
        }
    }
}
