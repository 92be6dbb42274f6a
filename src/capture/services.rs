//! Claims about the ports of a container, and what answers there: a page at one that is published, PostgreSQL where it
//! says that it is that, and else only that somebody listens.

use serde_json::{Value, json};

use crate::capture::containers::about;
use crate::capture::known::{Known, NO_PASSWORD, POSTGRES, Running, published, text};
use crate::capture::proposal::{Check, Hint, Proposal, Step};
use crate::text::Text;

/// How long a service may take to answer once its container runs.
const WITHIN: &str = "10s";
/// While the container has run for less, in seconds, it is worth waiting.
const YOUNG: u32 = 30;

/// Proposes each port that `container` publishes, and what answers there and in it.
pub fn propose(known: &Known, container: &Running, step: &mut Step, proposal: &mut Proposal) {
    let name = container.name;
    let mut answered = Vec::new();
    for (host_port, port, protocol) in published(container.facts) {
        let door = step.claim(door(container, host_port, port, protocol));
        let Some(host_port) = host_port.filter(|_| protocol == "tcp") else { continue };
        let facts = known.facts("http", json!({"to": format!("localhost:{host_port}")}));
        let Some(status) = facts.and_then(|facts| facts.get("status")?.as_u64()) else { continue };
        answered.push(port);
        if (100..500).contains(&status) {
            let mut page = page(container, host_port, port, status);
            page.needs.push(door);
            step.claim(page);
        } else {
            let what = format!("what answers at port {host_port}, with status {status}");
            proposal.leave_out(format!("container `{name}`: {what}"));
        }
    }
    for port in known.listens(container).into_iter().filter(|port| !answered.contains(port)) {
        let to = format!("container/{name}:{port}");
        if port == POSTGRES {
            let args = json!({"to": to, "password": NO_PASSWORD});
            if known.facts("postgres", args).and_then(|facts| text(facts, "speaks")) == Some("postgres") {
                proposal.tell("password", NO_PASSWORD);
                step.claim(postgres(container, &to));
            }
            continue;
        }
        let reach = known.facts("reach", json!({"to": to}));
        if reach.and_then(|facts| text(facts, "connection")) == Some("connected") {
            step.claim(listens(container, port, &to));
        }
    }
}

fn is_young() -> Value {
    json!({"box.uptime_s": {"at_most": YOUNG}})
}

/// A claim that may take a moment to hold.
fn soon(container: &Running, check: Check) -> Check {
    let mut check = Check { within: Some(WITHIN), worth: is_young(), ..check };
    check.given.insert("box".to_owned(), json!({"container": {"name": container.name}}));
    check
}

fn door(container: &Running, host_port: Option<u64>, port: u64, protocol: &str) -> Check {
    let name = container.name;
    let mut door = json!({"container_port": port, "protocol": protocol});
    let (es, en) = match host_port {
        Some(host_port) => {
            door["host_port"] = json!(host_port);
            (
                format!("el puerto {host_port} de la VM lleva al {port} ({protocol}) de `{name}`"),
                format!("port {host_port} of the VM leads to {port} ({protocol}) of `{name}`"),
            )
        }
        None => (
            format!("un puerto de la VM lleva al {port} ({protocol}) de `{name}`"),
            format!("a port of the VM leads to {port} ({protocol}) of `{name}`"),
        ),
    };
    let hints = vec![
        Hint::new(
            "unpublished",
            json!({"ports": {"length": 0}}),
            format!("`{name}` no publica ningún puerto. Se publican al crear el contenedor."),
            format!("`{name}` publishes no port. Ports are published when a container is created."),
        ),
        Hint::new(
            "other-port",
            json!(null),
            format!("`{name}` publica otros puertos. ¿Qué dice la columna PORTS de `docker ps`?"),
            format!("`{name}` publishes other ports. What does column PORTS of `docker ps` say?"),
        ),
    ];
    let id = format!("port-{}", host_port.unwrap_or(port));
    let check = about(container, id, en.clone(), Text::new(es, en));
    Check { expect: json!({"ports": {"any": door}}), hints, ..check }
}

fn page(container: &Running, host_port: u64, port: u64, status: u64) -> Check {
    let name = container.name;
    let claim = Text::new(
        format!("en el puerto {host_port} de la VM contesta el servidor web de `{name}`, con el estado {status}"),
        format!("at port {host_port} of the VM the web server of `{name}` answers, with status {status}"),
    );
    let hints = vec![
        Hint::new(
            "no-answer",
            json!({"status": {"exists": false}}),
            format!(
                "En el puerto {host_port} de la VM no contesta ningún servidor web. ¿Qué dice `curl -i localhost:{host_port}`?"
            ),
            format!(
                "No web server answers at port {host_port} of the VM. What does `curl -i localhost:{host_port}` say?"
            ),
        ),
        Hint::new(
            "other-answer",
            Value::Null,
            format!("Algo contesta, pero otra cosa, o no es `{name}` quien publica ese puerto."),
            format!("Something answers, but something else, or it is not `{name}` that publishes this port."),
        ),
    ];
    let seen = format!("`curl -i localhost:{host_port}` shows status {status}");
    let check = about(container, format!("page-{host_port}"), seen, claim);
    let door = json!({"host_port": host_port, "container_port": port});
    let expect = json!({"box.ports": {"any": door}, "status": status});
    let probe = json!({"http": {"to": format!("localhost:{host_port}")}});
    soon(container, Check { probe, expect, hints, ..check })
}

fn postgres(container: &Running, to: &str) -> Check {
    let name = container.name;
    let claim = Text::new(
        format!("en `{name}` contesta un PostgreSQL, en el puerto {POSTGRES}"),
        format!("in `{name}` a PostgreSQL answers, at port {POSTGRES}"),
    );
    let hint = Hint::new(
        "no-postgres",
        Value::Null,
        format!("En el puerto {POSTGRES} de `{name}` no contesta ningún PostgreSQL. ¿Qué dice `docker logs {name}`?"),
        format!("No PostgreSQL answers at port {POSTGRES} of `{name}`. What does `docker logs {name}` say?"),
    );
    let seen = "PostgreSQL answers; whether the password is right was not asked, and is not claimed";
    let check = about(container, "postgres", seen, claim);
    let probe = json!({"postgres": {"to": to, "password": "${password}"}});
    soon(container, Check { probe, expect: json!({"speaks": "postgres"}), hints: vec![hint], ..check })
}

fn listens(container: &Running, port: u64, to: &str) -> Check {
    let name = container.name;
    let claim = Text::new(
        format!("en `{name}` alguien escucha en el puerto {port}"),
        format!("in `{name}` somebody listens at port {port}"),
    );
    let hint = Hint::new(
        "nobody",
        Value::Null,
        format!(
            "En el puerto {port} de `{name}` no escucha nadie. ¿Qué proceso hay adentro? `docker top {name}` lo muestra."
        ),
        format!("Nobody listens at port {port} of `{name}`. Which process is inside? `docker top {name}` shows it."),
    );
    let check = about(container, format!("listens-{port}"), format!("somebody listens at port {port}"), claim);
    let probe = json!({"reach": {"to": to}});
    soon(container, Check { probe, expect: json!({"connection": "connected"}), hints: vec![hint], ..check })
}
