//! Claims about what lies at the paths of a container where something is mounted.

use serde_json::json;

use crate::capture::containers::about;
use crate::capture::known::{Known, Running, list, text};
use crate::capture::proposal::{Check, Hint, Proposal, Step};
use crate::capture::told;
use crate::text::Text;

/// Claims what lies at each path where something is mounted that will be there again: no volume without a name.
pub fn propose(known: &Known, container: &Running, step: &mut Step, proposal: &mut Proposal) {
    let name = container.name;
    for mount in list(container.facts, "mounts") {
        let Some(path) = mount["destination"].as_str().and_then(told::told) else {
            proposal.leave_out(format!("container `{name}`: what is mounted at a path that no lab could name"));
            continue;
        };
        let facts = known.facts("mount", json!({"container": name, "path": path}));
        let Some(facts) = facts.filter(|facts| text(facts, "destination") == Some(path)) else { continue };
        if facts.get("anonymous") == Some(&json!(true)) {
            proposal.leave_out(format!("container `{name}`: the volume at `{path}`, which nobody has named"));
            continue;
        }
        let volume = text(facts, "volume_as").map(told::name);
        let (kind, mut claim, mut expect) = match (text(facts, "kind"), volume) {
            (Some("volume"), Some(Some(volume))) => (
                "volume",
                Text::new(
                    format!("en `{name}`, `{path}` está en el volumen `{volume}`"),
                    format!("in `{name}`, `{path}` is on the volume `{volume}`"),
                ),
                json!({"kind": "volume", "volume_as": volume}),
            ),
            (Some("bind"), _) => (
                "bind",
                Text::new(
                    format!("en `{name}`, `{path}` viene de la VM misma"),
                    format!("in `{name}`, `{path}` comes from the VM itself"),
                ),
                json!({"kind": "bind"}),
            ),
            (Some("tmpfs"), _) => (
                "memory",
                Text::new(
                    format!("en `{name}`, `{path}` está en memoria"),
                    format!("in `{name}`, `{path}` is in memory"),
                ),
                json!({"kind": "tmpfs"}),
            ),
            _ => {
                proposal.leave_out(format!("container `{name}`: what is mounted at `{path}`"));
                continue;
            }
        };
        if facts.get("writable") == Some(&json!(false)) {
            expect["writable"] = json!(false);
            claim.es += ", sólo para leer";
            claim.en += ", for reading only";
        }
        let check = about(container, format!("{kind}-{}", told::id(path)), claim.en.clone(), claim);
        let hints = vec![
            Hint::new(
                "in-the-container",
                json!({"kind": "layer"}),
                format!("`{path}` está en la capa del contenedor mismo, y se va con él."),
                format!("`{path}` lies in the container's own layer, and goes with it."),
            ),
            Hint::new(
                "elsewhere",
                json!(null),
                format!("En `{path}` hay otra cosa. Mirá Mounts en `docker inspect {name}`."),
                format!("Something else is at `{path}`. See Mounts in `docker inspect {name}`."),
            ),
        ];
        let probe = json!({"mount": {"container": name, "path": path}});
        step.claim(Check { probe, expect, hints, ..check });
    }
}
