//! What a check's verdict rests on, cut to what a report holds: each observation it leaned on, in the round that decided.
//! Nothing is decided here.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::evidence::{Facts, Observation, Sample, Seen};
use crate::verdict::Sight;

/// An observation that a check leaned on, by the name that the check gives it, and what it had seen in the deciding round.
pub type Leaning<'e> = (Option<&'e str>, &'e Observation, &'e Sample);

/// How many characters of one observation's facts a report holds.
const ROOM: usize = 4000;
/// How many observations of one check it holds, and how long a command.
const MANY: usize = 8;
const COMMAND: usize = 2000;

/// The observations of `leaned_on` as a report shows them, without those that answer a question in `withheld`.
pub fn sights(leaned_on: &[Leaning], withheld: &BTreeSet<String>) -> Vec<Sight> {
    let shown = leaned_on.iter().filter(|(_, observation, _)| !withheld.contains(&observation.question.key()));
    shown.take(MANY).map(sight).collect()
}

fn sight((name, observation, sample): &Leaning) -> Sight {
    let (facts, unseen) = match &sample.seen {
        Seen::Facts(facts) => (Some(cut(facts)), None),
        Seen::Unobserved(unobserved) => (None, Some(unobserved.why.clone())),
    };
    let first = observation.samples.first().map(|first| first.at_ms);
    Sight {
        name: name.map(str::to_owned),
        probe: observation.question.probe.clone(),
        from: observation.question.from.clone(),
        command: observation.command.chars().take(COMMAND).collect(),
        waited_from_ms: first.filter(|first| *first < sample.at_ms),
        at_ms: sample.at_ms,
        took_ms: sample.took_ms,
        facts,
        unseen,
    }
}

fn cut(facts: &Facts) -> Facts {
    let mut facts: Vec<(&String, &Value, usize)> =
        facts.iter().map(|(name, value)| (name, value, value.to_string().len())).collect();
    // The short ones first: what they leave of their share is for the long ones, none of which hides another.
    facts.sort_by_key(|(.., length)| *length);
    let mut room = ROOM;
    let count = facts.len();
    let mut kept = Facts::new();
    for (at, (name, value, _)) in facts.into_iter().enumerate() {
        let mut own = room / (count - at);
        room -= own;
        let name = clipped(name, &mut own);
        kept.insert(name, within(value, &mut own));
        room += own;
    }
    kept
}

/// `value` with at most `room` characters in it, and no room left for what is cut.
fn within(value: &Value, room: &mut usize) -> Value {
    match value {
        Value::String(text) => Value::String(clipped(text, room)),
        Value::Array(items) => {
            let mut kept = Vec::new();
            for item in items {
                if *room == 0 {
                    kept.push(Value::from("…"));
                    break;
                }
                kept.push(within(item, room));
            }
            Value::Array(kept)
        }
        Value::Object(entries) => {
            let mut kept = Map::new();
            for (name, entry) in entries {
                if *room == 0 {
                    kept.insert("…".to_owned(), Value::Null);
                    break;
                }
                let name = clipped(name, room);
                kept.insert(name, within(entry, room));
            }
            Value::Object(kept)
        }
        plain => {
            *room = room.saturating_sub(plain.to_string().len());
            plain.clone()
        }
    }
}

/// As much of `text` as there is room for. The room is that of everything that is shown, quotes and commas included.
fn clipped(text: &str, room: &mut usize) -> String {
    let length = text.chars().count();
    if length <= *room {
        *room = room.saturating_sub(length + 2);
        return text.to_owned();
    }
    let kept = text.chars().take(*room).chain(['…']).collect();
    *room = 0;
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts(value: Value) -> Facts {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_fits_is_left_as_it_is() {
        let plain = facts(json!({"status": "running", "ports": [{"host_port": 5432}], "exit_code": null}));
        assert_eq!(cut(&plain), plain);
    }

    #[test]
    fn a_long_fact_is_cut_and_hides_no_other() {
        let cut = cut(&facts(json!({"a": "x".repeat(1 << 20), "b": "short", "c": vec!["y"; 100_000]})));
        assert!(cut["a"].as_str().is_some_and(|a| a.ends_with('…') && a.chars().count() < ROOM));
        assert_eq!(cut["b"], "short");
        assert_eq!(cut["c"].as_array().and_then(|c| c.last()), Some(&json!("…")));
        assert!(serde_json::to_string(&cut).unwrap().chars().count() < 2 * ROOM);
    }

    #[test]
    fn many_short_facts_leave_their_room_to_the_long_one() {
        let mut many: Facts = (0..30).map(|n| (format!("fact{n}"), json!(n))).collect();
        many.insert("mounts".to_owned(), json!(vec!["m".repeat(100); 20]));
        assert_eq!(cut(&many), many);
    }

    #[test]
    fn however_wide_and_deep_facts_are_a_report_stays_small() {
        let mut deep = json!([[], [], []]);
        for _ in 0..60 {
            deep = json!({ "k".repeat(300): [deep, deep.as_array().map(Vec::len)] });
        }
        let wide: Map<String, Value> = (0..5000).map(|n| (format!("fact-{n}"), json!([[[[n]]]]))).collect();
        for facts in [facts(json!({ "deep": deep })), wide] {
            let text = serde_json::to_string(&cut(&facts)).unwrap();
            assert!(text.chars().count() < 200_000, "{}", text.len());
        }
    }
}
