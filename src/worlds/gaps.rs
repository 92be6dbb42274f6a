//! What the worlds of a lab must be, taken together: a check that cannot fail is no check, nor is one that cannot pass.

use std::sync::Arc;

use crate::error::Diagnostic;
use crate::source::{Source, Span};
use crate::verdict::Outcome;
use crate::worlds::{World, Worlds};

/// What is missing before the worlds of one lab prove its checks. Worlds of several labs prove nothing of the kind.
pub fn gaps(source: &Arc<Source>, worlds: &Worlds) -> Vec<Diagnostic> {
    let mut gaps = Vec::new();
    let mut say =
        |span: Span, message: String| gaps.push(Diagnostic { source: source.clone(), span, message, help: None });
    if worlds.labs.len() != 1 {
        return gaps;
    }
    let named = |id: &str| worlds.worlds.iter().find(|world| world.id == id);
    match named("untouched") {
        None => say(worlds.span, "there must be a world `untouched`, in which nothing passes".to_owned()),
        Some(world) => {
            for name in outcomes(world).filter(|(_, outcome)| *outcome == Outcome::Pass).map(|(name, _)| name) {
                say(world.span, format!("in `untouched` nothing passes, and `{name}` does"));
            }
        }
    }
    match named("reference") {
        None => say(worlds.span, "there must be a world `reference`, in which everything passes".to_owned()),
        Some(world) => {
            // Those before the last may be on the way there.
            let last = World { acts: world.acts.last().cloned().into_iter().collect(), ..world.clone() };
            let fine = [Outcome::Pass, Outcome::Deferred];
            for name in outcomes(&last).filter(|(_, outcome)| !fine.contains(outcome)).map(|(name, _)| name) {
                say(world.span, format!("in `reference` everything passes or is deferred, and `{name}` does not"));
            }
        }
    }
    for name in never_judged_so(worlds, Outcome::Fail) {
        say(worlds.span, format!("no world makes `{name}` fail"));
    }
    for name in never_judged_so(worlds, Outcome::Pass) {
        say(worlds.span, format!("no world makes `{name}` pass"));
    }
    gaps
}

/// The checks that come to `wanted` in no world; those that this machine never judges are left out.
fn never_judged_so(worlds: &Worlds, wanted: Outcome) -> Vec<&str> {
    let all = || worlds.worlds.iter().flat_map(outcomes);
    let mut names: Vec<&str> = all().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| {
        let outcomes: Vec<Outcome> = all().filter(|(known, _)| known == name).map(|(_, outcome)| outcome).collect();
        let open = [Outcome::Deferred, Outcome::Blocked, Outcome::Unknown];
        let is_deferred =
            outcomes.contains(&Outcome::Deferred) && outcomes.iter().all(|outcome| open.contains(outcome));
        !is_deferred && !outcomes.contains(&wanted)
    });
    names
}

/// Every check of a world, by `step/check`, and what it comes to, each time somebody looks.
fn outcomes(world: &World) -> impl Iterator<Item = (&str, Outcome)> {
    let all = world.acts.iter().filter_map(|act| act.expect.as_ref()).flatten();
    all.map(|(address, expected)| {
        (address.split_once('/').map_or(address.as_str(), |(_, name)| name), expected.outcome)
    })
}
