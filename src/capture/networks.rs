//! Claims about networks, and what is there that no claim is about.

use std::collections::BTreeMap;

use serde_json::json;

use crate::capture::known::{Known, is_made, text};
use crate::capture::proposal::{Check, Hint, Proposal, Step};
use crate::capture::told;
use crate::engine::is_generated_name;
use crate::text::Text;

const STEP: &str = "networks";

/// Proposes that each network that somebody made is there, and what is peculiar about it. The addresses of these claims
/// by the networks' names, for what needs them.
pub fn propose<'k>(known: &'k Known, proposal: &mut Proposal) -> BTreeMap<&'k str, String> {
    let mut addresses = BTreeMap::new();
    let title = Text::new("Las redes", "The networks");
    let mut step = Step { id: STEP.to_owned(), title, ..Step::default() };
    for (name, network) in known.networks() {
        let facts = known.facts("network", json!({"name": name}));
        let Some(facts) = facts.filter(|facts| text(facts, "name") == Some(&network.name)) else {
            proposal.leave_out(format!("network `{name}`: nothing could be seen of it"));
            continue;
        };
        let is_internal = facts.get("internal") == Some(&json!(true));
        let driver = text(facts, "driver").and_then(told::told).filter(|driver| *driver != "bridge");
        let mut check = Check {
            id: told::id(name),
            seen: "the network is there".to_owned(),
            claim: Text::new(format!("hay una red `{name}`"), format!("there is a network `{name}`")),
            probe: json!({"network": {"name": name}}),
            expect: json!({"exists": true}),
            ..Check::default()
        };
        let absent = |when| {
            let es = format!("No hay una red `{name}` (una sola). `docker network ls` muestra las que hay.");
            let en = format!("There is no (single) network `{name}`. `docker network ls` shows those there are.");
            Hint::new("absent", when, es, en)
        };
        if is_internal {
            check.seen += ", cut off from everything outside it";
            check.claim.es += ", sin salida al exterior";
            check.claim.en += ", with no way out of it";
            check.expect["internal"] = json!(true);
        }
        if let Some(driver) = driver {
            check.seen += &format!(", its driver `{driver}`");
            check.claim.es += &format!(", con el driver `{driver}`");
            check.claim.en += &format!(", with the driver `{driver}`");
            check.expect["driver"] = json!(driver);
        }
        check.hints = match is_internal || driver.is_some() {
            false => vec![absent(json!(null))],
            true => vec![
                absent(json!({"not": {"exists": true}})),
                Hint::new(
                    "other",
                    json!(null),
                    format!("La red `{name}` está, pero no como se pide. ¿Qué dice `docker network inspect {name}`?"),
                    format!(
                        "Network `{name}` is there, but not as asked. What does `docker network inspect {name}` say?"
                    ),
                ),
            ],
        };
        addresses.insert(name, format!("{STEP}/{}", step.claim(check)));
    }
    proposal.add(step);
    addresses
}

/// Notes the networks and volumes that nothing is proposed of.
pub fn leave_out(known: &Known, proposal: &mut Proposal) {
    let mut n_unspeakable = 0;
    for network in &known.there.networks {
        if known.name_of_network(network).is_none() {
            n_unspeakable += 1;
        } else if network.label.is_some() && !is_made(network) {
            let name = told::name(&network.name).unwrap_or("default");
            proposal.leave_out(format!("network `{name}`: compose makes it where nobody names any"));
        }
    }
    let is_used = |name: &str| {
        let mounts = known.there.containers.iter().flat_map(|container| &container.mounts);
        mounts.into_iter().any(|mount| mount.source.as_deref() == Some(name))
    };
    let volumes = known.there.volumes.iter().filter(|volume| !is_used(&volume.name));
    // What an earlier container left behind without a name is nobody's work.
    for volume in volumes.filter(|volume| !is_generated_name(&volume.name)) {
        match told::name(&volume.name) {
            Some(name) => proposal.leave_out(format!("volume `{name}`: nothing uses it")),
            None => n_unspeakable += 1,
        }
    }
    n_unspeakable += known.there.containers.iter().filter(|container| known.name_of(container).is_none()).count();
    if n_unspeakable > 0 {
        proposal.leave_out(format!("what no lab could mean by its name: {n_unspeakable}"));
    }
    let more = known.there.more;
    let over = more.containers + more.networks + more.volumes;
    if over > 0 {
        proposal.leave_out(format!("what was beyond as much as labrun lists: {over}"));
    }
}
