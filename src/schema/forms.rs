//! What every schema has in common, whatever it is of.

use serde_json::{Map, Value, json};

/// Calls `change` on every schema in `schema`, the innermost first.
fn everywhere(schema: &mut Value, change: &mut dyn FnMut(&mut Map<String, Value>)) {
    let Value::Object(keywords) = schema else { return };
    for (keyword, value) in keywords.iter_mut() {
        match (keyword.as_str(), value) {
            ("properties" | "$defs" | "patternProperties", Value::Object(named)) => {
                named.values_mut().for_each(|inner| everywhere(inner, change));
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(several)) => {
                several.iter_mut().for_each(|inner| everywhere(inner, change));
            }
            ("items" | "additionalProperties" | "not" | "then" | "else", inner) => everywhere(inner, change),
            _ => {}
        }
    }
    change(keywords);
}

/// Takes out what helps nobody: defaults that say that nothing is there, what Rust calls a number, and the line ends of
/// comments in the code.
pub fn tidy(schema: &mut Value) {
    everywhere(schema, &mut |keywords| {
        if let Some(Value::String(description)) = keywords.get_mut("description") {
            *description = description.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
        }
        if keywords.get("default").is_some_and(|default| !default.is_string() && !default.is_number()) {
            keywords.remove("default");
        }
        if keywords.get("format").is_some_and(|format| format != "regex") {
            keywords.remove("format");
        }
    });
}

/// Says of nothing that it may be null: to leave a thing out is to leave its key out.
pub fn without_null(schema: &mut Value) {
    everywhere(schema, &mut |keywords| {
        // A mapping may be empty, and YAML has no shorter way to write that.
        let is_mapping = |types: &[Value]| types.iter().any(|one| one == "object");
        if let Some(Value::Array(types)) = keywords.get_mut("type")
            && !is_mapping(types)
        {
            types.retain(|one| one != "null");
            if let [one] = types.as_slice() {
                let one = one.clone();
                keywords.insert("type".to_owned(), one);
            }
        }
        if let Some(Value::Array(ways)) = keywords.get_mut("anyOf") {
            ways.retain(|way| way != &json!({"type": "null"}));
            if let [Value::Object(one)] = ways.as_slice() {
                let one = one.clone();
                keywords.remove("anyOf");
                for (keyword, value) in one {
                    keywords.entry(keyword).or_insert(value);
                }
            }
        }
    });
}

/// Lets a parameter, `${name}`, stand for every single value that is not any text in the first place.
pub fn parametrised(schema: &mut Value) {
    let is_single = |one: &Value| ["integer", "number", "boolean"].iter().any(|single| one == single);
    everywhere(schema, &mut |keywords| {
        let by_type = match keywords.get("type") {
            Some(Value::Array(types)) => !types.iter().any(|one| one == "string") && types.iter().any(is_single),
            Some(Value::String(one)) if one == "string" => {
                keywords.contains_key("pattern") || keywords.contains_key("enum")
            }
            Some(one) => is_single(one),
            None => keywords.contains_key("oneOf"),
        };
        // The ways of a `oneOf` are told apart as a whole.
        if !by_type || keywords.contains_key("const") {
            return;
        }
        let mut outside = Map::new();
        for word in ["description", "title", "default"] {
            outside.extend(keywords.remove(word).map(|value| (word.to_owned(), value)));
        }
        let inside = Value::Object(std::mem::take(keywords));
        *keywords = outside;
        keywords.insert("anyOf".to_owned(), json!([inside, {"$ref": "#/$defs/Parameter"}]));
    });
}
