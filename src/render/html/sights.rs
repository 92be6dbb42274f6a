//! The raw evidence of a check as its page shows it, folded: what was looked at, and every fact seen there.

use serde::Serialize;

use crate::render::html::{prose, span};
use crate::render::{NAME, seen, standing_at, tame, tame_prose};
use crate::text::Text;
use crate::verdict;

/// One observation.
#[derive(Serialize)]
pub struct Sight {
    name: Option<String>,
    probe: String,
    from: Text,
    at: String,
    took: String,
    command: String,
    facts: Vec<Fact>,
    unseen: Option<Text>,
}

#[derive(Serialize)]
struct Fact {
    name: String,
    value: Text,
}

/// An observation as the template shows it.
pub fn sight(sight: &verdict::Sight) -> Sight {
    let facts = sight.facts.iter().flatten();
    Sight {
        name: sight.name.as_ref().map(|name| tame(name, NAME)),
        probe: tame(&sight.probe, NAME),
        from: standing_at(&sight.from, None),
        at: span(sight.at_ms),
        took: span(sight.took_ms),
        command: tame_prose(&sight.command),
        facts: facts.map(|(name, value)| Fact { name: tame(name, NAME), value: seen(value) }).collect(),
        unseen: sight.unseen.as_ref().map(prose),
    }
}
