//! Expectations and matchers, which are data, and facts, which only the kinds of probe know.

use serde_json::{Map, Value, json};

use crate::expect::MATCHERS;
use crate::probe::Kind;

/// What a matcher says, and what it is given.
fn matcher(name: &str) -> (&'static str, Value) {
    let any = json!(true);
    let of_a_fact = || json!({"$ref": "#/$defs/Matcher"});
    let of_an_element = || json!({"$ref": "#/$defs/Element"});
    match name {
        "equals" => ("is that value; 5432 and \"5432\" are different", any),
        "not" => ("is there and does not match", of_a_fact()),
        "one_of" => ("is one of these values", json!({"type": "array"})),
        "matches" => ("has a match of this regular expression", json!({"type": "string", "format": "regex"})),
        "contains" => ("is a string with that part, a list with that element, or an object with that key", any),
        "same_set" => ("is a list with these elements and no others, in any order", any),
        "within_network" => ("is an address, or a network, within this network or one of these", any),
        "same_network" => ("names this network or one of these, by itself or by an address with its mask", any),
        "at_least" => ("is a number (or a time) no smaller", any),
        "at_most" => ("is a number (or a time) no larger", any),
        "before" => ("is a time, RFC 3339 in UTC (or a number), earlier", any),
        "after" => ("is a time, RFC 3339 in UTC (or a number), later", any),
        "length" => ("has a length that matches", of_a_fact()),
        "any" => ("is a list of which at least one element matches", of_an_element()),
        "every" => ("is a list of which every element matches", of_an_element()),
        "none" => ("is a list of which no element matches", of_an_element()),
        "exists" => ("is there (`true`) or not (`false`)", json!({"type": "boolean"})),
        _ => ("", any),
    }
}

/// `Expectation`, `Matcher` and `Element`.
pub fn parts() -> Vec<(String, Value)> {
    let single = json!({"type": ["string", "number", "boolean", "null", "array"]});
    let mut matchers = Map::new();
    for name in MATCHERS {
        let (description, mut operand) = matcher(name);
        if operand == json!(true) {
            operand = json!({});
        }
        operand["description"] = json!(description);
        matchers.insert(name.to_owned(), operand);
    }
    let mapping = json!({"type": "object", "minProperties": 1, "properties": matchers, "additionalProperties": false});
    let expectation = json!({
        "description": "what must hold of the facts: a mapping of their paths to matchers, or to plain values",
        "type": "object",
        "minProperties": 1,
        "properties": {
            "any_of": {
                "description": "expectations of which one must hold",
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/Expectation"},
            },
            "not": {"description": "an expectation that must not hold", "$ref": "#/$defs/Expectation"},
        },
        "additionalProperties": {"$ref": "#/$defs/Matcher"},
    });
    let matcher = json!({"description": "a plain value, or matchers", "anyOf": [mapping, single]});
    let element = json!({
        "description": "what an element is: a value, matchers, or an expectation of its fields",
        "anyOf": [{"$ref": "#/$defs/Matcher"}, {"$ref": "#/$defs/Expectation"}],
    });
    [("Expectation", expectation), ("Matcher", matcher), ("Element", element)].map(named).into()
}

fn named((name, schema): (&str, Value)) -> (String, Value) {
    (name.to_owned(), schema)
}

/// The name of the part that [`facts`] makes.
pub fn facts_of(kind: &Kind) -> String {
    format!("{}-facts", kind.name)
}

/// What an expectation of a probe of this kind may name. A path that leads into something `given` has a dot in it.
pub fn facts(kind: &Kind) -> (String, Value) {
    let itself = json!({"$ref": format!("#/$defs/{}", facts_of(kind))});
    let mut properties: Map<String, Value> = Map::new();
    for (fact, description) in kind.facts {
        let mut property = json!({"description": description});
        if let Some(words) = kind.words(fact) {
            let reference = json!({"type": "string", "pattern": r"\$\{"});
            property["anyOf"] = json!([{"enum": words}, reference, {"type": ["object", "null"]}]);
        }
        properties.insert((*fact).to_owned(), property);
    }
    properties.insert("any_of".to_owned(), json!({"items": itself}));
    properties.insert("not".to_owned(), itself);
    let names: Vec<&String> = properties.keys().collect();
    let schema = json!({
        "propertyNames": {"anyOf": [{"enum": names}, {"pattern": r"[.\[$]"}]},
        "properties": properties,
    });
    (facts_of(kind), schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_matcher_is_described() {
        for name in MATCHERS {
            assert!(!matcher(name).0.is_empty(), "{name}");
        }
    }
}
