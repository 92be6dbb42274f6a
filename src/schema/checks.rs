//! A check: its probes, one property a kind, and which of its keys go together.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::plan::Personal;
use crate::probe::{KINDS, Kind};
use crate::schema::expectations::{self, facts_of};
use crate::schema::forms;
use crate::vantage::Vantage;

/// Everything that the types of a lab leave open: probes, expectations, facts.
pub fn parts(generator: &mut SchemaGenerator) -> Vec<(String, Value)> {
    let mut kinds: Map<String, Value> = Map::new();
    for kind in KINDS {
        let mut arguments = (kind.schema)(generator).to_value();
        forms::tidy(&mut arguments);
        forms::without_null(&mut arguments);
        kinds.insert(kind.name.to_owned(), arguments);
    }
    let probe = json!({
        "description": "one kind of probe with its arguments",
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": kinds,
        "additionalProperties": false,
    });
    kinds.insert("from".to_owned(), generator.subschema_for::<Vantage>().to_value());
    let given = json!({
        "description": "other observations, by the name by which they are referred to",
        "type": ["object", "null"],
        "propertyNames": {"not": {"const": "run"}},
        "additionalProperties": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 2,
            "properties": kinds,
            "additionalProperties": false,
        },
    });
    let personal = json!({
        "type": ["object", "null"],
        "additionalProperties": generator.subschema_for::<Personal>().to_value(),
    });
    let arguments = json!({"type": ["object", "null"]});
    let mut parts: Vec<(String, Value)> = Vec::new();
    parts.extend(
        [("Probe", probe), ("Given", given), ("PersonalParams", personal), ("Arguments", arguments)].map(named),
    );
    parts.extend(expectations::parts());
    parts.extend(KINDS.iter().map(expectations::facts));
    parts
}

/// The parts in which no parameter stands for anything.
pub fn unbound() -> impl IntoIterator<Item = (String, Value)> {
    let single = ["string", "number", "boolean"];
    let params = json!({
        "description": "parameters and their defaults, or `{example: …}` for one that must be given",
        "type": ["object", "null"],
        "propertyNames": {"pattern": "^[A-Za-z0-9_]+$"},
        "additionalProperties": {
            "anyOf": [
                {"type": single},
                {"type": "object", "required": ["example"], "properties": {"example": {"type": single}}},
            ],
        },
    });
    let parameter = json!({
        "description": "a parameter, `${name}`, or a fact of something `given`, `${box.address}`",
        "type": "string",
        "pattern": r"\$\{.+\}",
    });
    [("Params", params), ("Parameter", parameter)].map(named)
}

fn named((name, schema): (&str, Value)) -> (String, Value) {
    (name.to_owned(), schema)
}

/// What a check of a lab cannot do without, and what does not go together in it.
pub fn of_a_lab(check: &mut Value) {
    check["required"] = json!(["id", "points"]);
    let own = ["probe", "expect", "given", "control", "from", "within", "while", "judged_by", "doubts"];
    let own: Map<String, Value> = own.into_iter().map(|word| (word.to_owned(), json!(false))).collect();
    check["allOf"] = json!([{"if": {"required": ["use"]}, "then": {"properties": own}, "else": of_its_own()}]);
    go_together(check);
}

/// The same for a check of the library.
pub fn of_the_library(check: &mut Value) {
    check["allOf"] = json!([of_its_own()]);
    go_together(check);
}

/// A check that uses none of the library.
fn of_its_own() -> Value {
    let idle = ["expect", "control", "within", "hints", "notes", "doubts"];
    let idle: Map<String, Value> = idle.into_iter().map(|word| (word.to_owned(), json!(false))).collect();
    json!({
        "required": ["claim", "probe"],
        "if": {"required": ["judged_by"]},
        "then": {"properties": idle},
        "else": {"required": ["expect", "hints"]},
    })
}

fn go_together(check: &mut Value) {
    check["dependentRequired"] = json!({"with": ["use"], "while": ["within"]});
}

/// Lets the facts that may be named follow from the kind of the probe.
pub fn know_the_facts(part: &mut Value) {
    if part.pointer("/properties/probe").is_none() {
        return;
    }
    let of_each = KINDS.iter().map(|kind: &Kind| {
        let facts = json!({"$ref": format!("#/$defs/{}", facts_of(kind))});
        let advice = json!({"items": {"properties": {"when": facts}}});
        let mut then = json!({"expect": facts, "while": facts, "hints": advice, "notes": advice, "doubts": advice});
        if let Value::Object(then) = &mut then {
            then.retain(|name, _| part["properties"].get(name).is_some());
        }
        json!({
            "if": {"properties": {"probe": {"required": [kind.name]}}, "required": ["probe"]},
            "then": {"properties": then},
        })
    });
    let mut all: Vec<Value> = part["allOf"].as_array().cloned().unwrap_or_default();
    all.extend(of_each.collect::<Vec<_>>());
    part["allOf"] = json!(all);
}
