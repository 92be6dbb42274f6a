//! Claims about containers: that they run, from which image, and on which networks.

use std::collections::BTreeMap;

use serde_json::json;

use crate::capture::known::{Known, Running, list, text};
use crate::capture::proposal::{Check, Hint, Proposal, Step};
use crate::capture::{mounts, services, told};
use crate::evidence::inventory::Container;
use crate::text::Text;

/// The claim that a container runs, which all others about it need.
pub const RUNS: &str = "runs";

/// Proposes a step for each container that runs; `networks` are the addresses of the claims about those, by name.
pub fn propose(known: &Known, networks: &BTreeMap<&str, String>, proposal: &mut Proposal) {
    for container in &known.there.containers {
        let running = known.running().find(|running| running.exact == container.name);
        match (running, known.name_of(container)) {
            (Some(running), _) => {
                let name = running.name;
                let title = Text::new(format!("El contenedor `{name}`"), format!("The container `{name}`"));
                let mut step = Step { id: told::id(name), title, ..Step::default() };
                step.claim(runs(&running));
                restarts(&running, &mut step);
                attached(known, &running, networks, &mut step);
                mounts::propose(known, &running, &mut step, proposal);
                services::propose(known, &running, &mut step, proposal);
                proposal.add(step);
            }
            (None, Some(name)) => proposal.leave_out(format!("container `{name}`: {}", what_became_of(container))),
            (None, None) => {}
        }
    }
}

fn what_became_of(container: &Container) -> &'static str {
    match container.state.as_str() {
        "running" => "nothing could be seen of it",
        "exited" | "dead" => "it has ended",
        "created" => "it was never started",
        "paused" => "it is paused",
        _ => "it does not run",
    }
}

/// A claim about `container` that needs it to run.
pub fn about(container: &Running, id: impl Into<String>, seen: impl Into<String>, claim: Text) -> Check {
    let probe = json!({"container": {"name": container.name}});
    Check { id: id.into(), seen: seen.into(), claim, probe, needs: vec![RUNS.to_owned()], ..Check::default() }
}

fn runs(container: &Running) -> Check {
    let name = container.name;
    let image = text(container.facts, "image").and_then(told::image);
    let mut expect = json!({"status": "running"});
    let mut said = Text::default();
    let mut hints = vec![
        Hint::new(
            "absent",
            json!({"found": "none"}),
            format!(
                "No hay ningún contenedor que se llame `{name}`. `docker ps -a` muestra todos, también los detenidos."
            ),
            format!("There is no container called `{name}`. `docker ps -a` shows them all, stopped ones too."),
        ),
        Hint::new(
            "several",
            json!({"found": "several"}),
            format!("Hay más de un contenedor que responde a `{name}`, y no se sabe cuál es. Dejá uno solo."),
            format!("More than one container answers to `{name}`, and nobody knows which is meant. Leave only one."),
        ),
    ];
    if let Some((image, pattern)) = &image {
        expect["image"] = json!({"matches": pattern});
        said = Text::new(format!(", de la imagen `{image}`"), format!(", from the image `{image}`"));
        hints.push(Hint::new(
            "other-image",
            json!({"status": "running"}),
            format!("`{name}` corre, pero de otra imagen: la muestra `docker ps`, en la columna IMAGE."),
            format!("`{name}` runs, but from another image: `docker ps` shows it, in column IMAGE."),
        ));
    }
    hints.push(Hint::new(
        "not-running",
        json!(null),
        format!("`{name}` existe, pero no está corriendo. `docker logs {name}` dice qué pasó."),
        format!("`{name}` exists, but is not running. `docker logs {name}` says what happened."),
    ));
    let Text { es, en } = said;
    Check {
        id: RUNS.to_owned(),
        seen: format!("it runs{en}"),
        claim: Text::new(format!("`{name}` está corriendo{es}"), format!("`{name}` is running{en}")),
        probe: json!({"container": {"name": name}}),
        expect,
        hints,
        ..Check::default()
    }
}

fn restarts(container: &Running, step: &mut Step) {
    let name = container.name;
    let policies = ["always", "unless-stopped", "on-failure"];
    let policy = text(container.facts, "restart_policy");
    let Some(policy) = policies.into_iter().find(|known| policy == Some(known)) else { return };
    let claim = Text::new(
        format!("Docker vuelve a arrancar `{name}` por sí solo, con la política `{policy}`"),
        format!("Docker starts `{name}` again by itself, by the policy `{policy}`"),
    );
    let hint = Hint::new(
        "other-policy",
        json!(null),
        format!("La política de reinicio de `{name}` es otra. `docker inspect {name}` la muestra, en RestartPolicy."),
        format!("The restart policy of `{name}` is another. `docker inspect {name}` shows it, under RestartPolicy."),
    );
    let check = about(container, "restarts", format!("its restart policy is `{policy}`"), claim);
    step.claim(Check { expect: json!({"restart_policy": policy}), hints: vec![hint], ..check });
}

/// Claims that a container is on each network that somebody made, or on the machine's own.
fn attached(known: &Known, container: &Running, networks: &BTreeMap<&str, String>, step: &mut Step) {
    let name = container.name;
    let mode = text(container.facts, "network_mode");
    if let Some(mode) = ["host", "none"].into_iter().find(|special| mode == Some(special)) {
        let said = match mode {
            "host" => Text::new("usa la red de la VM misma", "uses the VM's own network"),
            _ => Text::new("no tiene red", "has no network"),
        };
        let claim = Text::new(format!("`{name}` {}", said.es), format!("`{name}` {}", said.en));
        let hint = Hint::new(
            "other-network",
            json!(null),
            format!("La red de `{name}` es otra. `docker inspect {name}` la muestra, en NetworkMode."),
            format!("The network of `{name}` is another. `docker inspect {name}` shows it, under NetworkMode."),
        );
        let check = about(container, format!("network-{mode}"), format!("its network is `{mode}`"), claim);
        step.claim(Check { expect: json!({"network_mode": mode}), hints: vec![hint], ..check });
    }
    for (network, exact) in known.networks().map(|(name, network)| (name, network.name.as_str())) {
        let is_on_it = list(container.facts, "networks").any(|end| end["name"] == exact);
        let Some(needed) = networks.get(network).filter(|_| is_on_it) else { continue };
        let claim = Text::new(
            format!("`{name}` está en la red `{network}`"),
            format!("`{name}` is on the network `{network}`"),
        );
        let hint = Hint::new(
            "elsewhere",
            json!(null),
            format!(
                "`{name}` no está en la red `{network}`. `docker inspect {name}` muestra en cuáles está, en Networks."
            ),
            format!(
                "`{name}` is not on network `{network}`. `docker inspect {name}` shows those it is on, under Networks."
            ),
        );
        let id = format!("on-{}", told::id(network));
        let mut check = about(container, id, format!("it is on the network `{network}`"), claim);
        check.needs.push(needed.clone());
        check.given.insert("net".to_owned(), json!({"network": {"name": network}}));
        let expect = json!({"networks": {"any": {"name": "${net.name}"}}});
        step.claim(Check { expect, hints: vec![hint], ..check });
    }
}
