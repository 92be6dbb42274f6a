//! Claims about the compose file that containers were made from.

use serde_json::{Value, json};

use crate::capture::known::{Known, list, text};
use crate::capture::proposal::{Check, Hint, Proposal, Step};
use crate::capture::told;
use crate::text::Text;

/// Claims that there is a compose file, and each service of it that runs.
pub fn propose(known: &Known, proposal: &mut Proposal) {
    let Some(facts) = known.facts("compose", json!({})) else {
        if known.there.containers.iter().any(|container| container.service.is_some()) {
            proposal.leave_out("compose's file: it could not be read");
        }
        return;
    };
    if text(facts, "found") != Some("one") || facts.get("valid") != Some(&json!(true)) {
        return proposal.leave_out("compose's files: there is not exactly one, and sound");
    }
    let mut step =
        Step { id: "compose".to_owned(), title: Text::new("Todo en un archivo", "All in one file"), ..Step::default() };
    step.claim(Check {
        id: "file".to_owned(),
        seen: "compose accepts its file".to_owned(),
        claim: Text::new(
            "hay un archivo de compose, y compose lo acepta",
            "there is a compose file, and compose accepts it",
        ),
        probe: json!({"compose": {}}),
        expect: json!({"found": "one", "valid": true}),
        hints: vec![
            Hint::new(
                "absent",
                json!({"found": "none"}),
                "No se encuentra ningún archivo de compose. ¿Está en tu carpeta personal, o una más abajo?",
                "No compose file is found. Is it in your home folder, or one folder below?",
            ),
            Hint::new(
                "several",
                json!({"found": "several"}),
                "Hay más de un archivo de compose, y no se sabe cuál es. Dejá uno solo.",
                "There is more than one compose file, and nobody knows which is meant. Leave only one.",
            ),
            Hint::new(
                "invalid",
                json!(null),
                "Compose no acepta el archivo. `docker compose config` dice por qué.",
                "Compose does not accept the file. `docker compose config` says why.",
            ),
        ],
        ..Check::default()
    });
    for service in list(facts, "services").filter_map(|service| told::name(service["name"].as_str()?)) {
        step.claim(Check {
            id: format!("service-{}", told::id(service)),
            seen: format!("`{service}` is a service of it"),
            needs: vec!["file".to_owned()],
            claim: Text::new(
                format!("`{service}` es un servicio del archivo de compose"),
                format!("`{service}` is a service of the compose file"),
            ),
            probe: json!({"compose": {}}),
            expect: json!({"services": {"any": {"name": service}}}),
            hints: vec![Hint::new(
                "other-services",
                Value::Null,
                format!("En el archivo no hay ningún servicio `{service}`. `docker compose config --services` muestra los que hay."),
                format!("The file has no service `{service}`. `docker compose config --services` shows those it has."),
            )],
            ..Check::default()
        });
    }
    proposal.add(step);
}
