//! `labrun capture`: what a machine on which a lab is done proposes is a lab, without anything that was not to get out. The
//! last test needs a student VM.

use std::path::Path;

use labrun::capture::{Known, propose};
use labrun::evidence::inventory::Inventory;
use labrun::evidence::{Question, Seen};
use labrun::library::Library;
use labrun::lint::lint;
use labrun::node;
use labrun::plan::{Settings, plan};
use labrun::source::Source;
use labrun::vantage::Vantage;
use labrun::verdict::{Outcome, Report};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cli::labrun_in;
use crate::schema::Validator;
use crate::student_vm::{StudentVm, engines, text};

/// A machine that answers every question about it out of `facts`: by kind of probe, and what is to be in the arguments.
fn known(there: Value, facts: &[(&str, &str, Value)]) -> Known {
    let there: Inventory = serde_json::from_value(there).unwrap();
    let answer = |question: Question| {
        let Question { probe, args, from } = &question;
        assert_eq!(*from, Vantage::Vm);
        let args = args.to_string();
        let found = facts.iter().find(|(kind, part, _)| kind == probe && args.contains(part));
        let facts = found.map_or_else(|| json!({"found": "none"}), |(.., facts)| facts.clone());
        let Value::Object(facts) = facts else { panic!("{facts}") };
        (question, Seen::Facts(facts))
    };
    let mut known = Known::default();
    known.learn(&there, []);
    for _ in 0..3 {
        let questions = known.questions();
        known.learn(&there, questions.into_iter().map(answer));
    }
    assert_eq!(known.questions(), []);
    known
}

/// Everything that is wrong with a lab.
fn mistakes(lab: &str) -> Vec<String> {
    let source = Source::new("solved.yaml", lab);
    lint(&source, &Library::built_in(), Some("solved")).iter().map(ToString::to_string).collect()
}

/// What lab3 leaves behind, and more: as an engine and the probes tell it.
fn solved() -> Known {
    let pages = json!({"type": "volume", "name": "p_pages", "source": "/var/lib/docker/volumes/p_pages/_data",
        "destination": "/usr/share/nginx/html", "writable": false, "anonymous": false});
    let there = json!({
        "containers": [
            {"name": "ams", "image": "postgres:14.1-alpine", "state": "running",
                "networks": [{"network": "back", "address": "172.19.0.2"}], "ports": [], "mounts": []},
            {"name": "old", "state": "exited", "networks": [], "ports": [], "mounts": []},
            {"name": "p-web-1", "service": "web", "image": "nginx", "state": "running",
                "networks": [{"network": "p_default", "address": "172.20.0.2"}],
                "ports": [{"host_port": 8080, "protocol": "tcp", "container_port": 80, "host_ips": ["0.0.0.0", "::"]}],
                "mounts": [{"destination": "/usr/share/nginx/html", "type": "volume", "source": "p_pages"}]},
        ],
        "networks": [
            {"name": "back", "driver": "bridge", "internal": true, "subnets": ["172.19.0.0/16"], "gateways": []},
            {"name": "bridge", "driver": "bridge", "internal": false, "subnets": [], "gateways": []},
            {"name": "p_default", "label": "default", "driver": "bridge", "internal": false, "subnets": [], "gateways": []},
        ],
        "volumes": [{"name": "p_pages", "label": "pages"}, {"name": "unused"}, {"name": "d".repeat(64)}],
    });
    known(
        there,
        &[
            (
                "container",
                "\"ams\"",
                json!({"found": "one", "name": "ams", "status": "running", "image": "postgres:14.1-alpine",
            "restart_policy": "always", "network_mode": "back", "networks": [{"name": "back", "address": "172.19.0.2"}],
            "ports": [], "configured_ports": [], "env_names": ["POSTGRES_PASSWORD"], "mounts": [{"type": "volume",
            "name": "d".repeat(64), "destination": "/var/lib/postgresql/data", "writable": true, "anonymous": true}]}),
            ),
            (
                "container",
                "\"web\"",
                json!({"found": "one", "name": "p-web-1", "status": "running", "image": "nginx",
            "restart_policy": "no", "network_mode": "p_default", "networks": [{"name": "p_default", "address": "172.20.0.2"}],
            "ports": [{"container_port": 80, "protocol": "tcp", "host_ip": "0.0.0.0", "host_port": 8080}],
            "configured_ports": [{"container_port": 80, "protocol": "tcp", "host_ip": null, "host_port": 8080}],
            "mounts": [pages]}),
            ),
            (
                "sockets",
                "\"ams\"",
                json!({"listening": [
            {"protocol": "tcp", "port": 5432, "address": "0.0.0.0"}, {"protocol": "tcp", "port": 5432, "address": "::"},
            {"protocol": "tcp", "port": 6000, "address": "127.0.0.1"}, {"protocol": "tcp", "port": 7000, "address": "0.0.0.0"},
            {"protocol": "udp", "port": 53, "address": "0.0.0.0"}, {"protocol": "tcp", "port": 40001, "address": "::"}]}),
            ),
            ("network", "back", json!({"exists": true, "name": "back", "driver": "bridge", "internal": true})),
            (
                "mount",
                "postgresql",
                json!({"kind": "volume", "anonymous": true, "destination": "/var/lib/postgresql/data"}),
            ),
            (
                "mount",
                "nginx",
                json!({"kind": "volume", "volume": "p_pages", "volume_as": "pages", "anonymous": false,
            "writable": false, "destination": "/usr/share/nginx/html"}),
            ),
            ("postgres", "ams:5432", json!({"connection": "connected", "speaks": "postgres", "login": "rejected"})),
            ("reach", "ams:7000", json!({"connection": "connected"})),
            ("http", "8080", json!({"connection": "connected", "status": 200, "title": "Welcome to nginx!"})),
            ("compose", "", json!({"found": "one", "valid": true, "services": [{"name": "web"}]})),
        ],
    )
}

#[test]
fn a_solved_machine_proposes_a_lab_of_outcomes_without_mistakes() {
    let mut proposal = propose("solved", &solved());
    let lab = proposal.write();
    insta::assert_snapshot!("capture", lab);
    assert_eq!(mistakes(&lab), [""; 0]);
    let value = node::parse(&Source::new("solved.yaml", lab)).unwrap().to_json();
    assert_eq!(Validator::of("lab.schema.json").refuses(&value), None);
    // What does not hold any more takes along what needs it.
    proposal.take_back(&["networks/back", "web/runs", "ams/postgres"].map(str::to_owned).into());
    let left: Vec<String> = proposal.claims().collect();
    assert_eq!(left, ["ams/runs", "ams/restarts", "ams/listens-7000", "compose/file", "compose/service-web"]);
    let lab = proposal.write();
    assert_eq!(mistakes(&lab), [""; 0]);
    assert!(
        lab.contains("\n# - `web/runs`: it did not hold when it was looked at again\n")
            && lab.contains("\npoints: 5\n")
    );
}

/// What a machine may call things, to the worst.
fn word() -> impl Strategy<Value = String> {
    let plain = "[a-z][a-z0-9_.-]{0,12}";
    let nasty = prop_oneof![
        Just("true".to_owned()),
        Just("10:20".to_owned()),
        Just("${password}".to_owned()),
        Just("a\n      - id: b".to_owned()),
        Just("PASSWORD=hunter2".to_owned()),
        Just(format!("ghp_{}", "a".repeat(36))),
        Just("x".repeat(1 << 16)),
        Just("\u{202e}\u{1b}[31m</script>".to_owned()),
        Just("'\"{[&*!|>%@`# -: ?".to_owned()),
        Just("null".to_owned()),
        any::<String>(),
    ];
    prop_oneof![3 => plain, 2 => nasty]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_a_machine_calls_things_it_proposes_a_lab_without_mistakes_or_secrets(
        container in word(), other in word(), service in word(), network in word(), label in word(), image in word(),
        path in word(), volume in word(), mode in word(), driver in word(), policy in word(), port: u64, status: u64,
    ) {
        let there = json!({
            "containers": [
                {"name": container, "service": service, "state": "running", "networks": [], "ports": [],
                    "mounts": [{"destination": path, "type": "volume", "source": volume}]},
                {"name": other, "state": mode, "networks": [], "ports": [], "mounts": []},
            ],
            "networks": [{"name": network, "label": label, "driver": driver, "internal": true, "subnets": [], "gateways": []}],
            "volumes": [{"name": volume}, {"name": other, "label": label}],
        });
        let door = json!({"container_port": port % 65536, "protocol": policy, "host_port": status % 65536});
        let open = json!({"container_port": 80, "protocol": "tcp", "host_port": 80});
        let facts = json!({"name": container, "status": "running", "image": image, "network_mode": mode,
            "restart_policy": policy, "networks": [{"name": network}], "ports": [door, open], "configured_ports": [open],
            "mounts": [{"destination": format!("/{path}")}, {"destination": path}, {"destination": 5}, 5]});
        let known = known(there, &[
            ("container", "", facts),
            ("sockets", "", json!({"listening": [{"protocol": "tcp", "port": port, "address": "0.0.0.0"}, 5, null]})),
            ("network", "", json!({"name": network, "driver": driver, "internal": true})),
            ("mount", "", json!({"kind": "volume", "volume_as": volume, "destination": path})),
            ("http", "", json!({"status": status % 1000})),
            ("reach", "", json!({"connection": "connected"})),
            ("postgres", "", json!({"speaks": "postgres"})),
            ("compose", "", json!({"found": "one", "valid": true, "services": [{"name": service}, {"name": label}, 5]})),
        ]);
        let proposal = propose("solved", &known);
        let lab = proposal.write();
        prop_assert!(lab.len() < 100_000);
        let gets_out = ["hunter2", "\u{1b}", "\u{202e}", "ghp_"].iter().any(|secret| lab.contains(secret));
        prop_assert!(!gets_out, "{}", lab);
        if proposal.claims().next().is_some() {
            prop_assert_eq!(mistakes(&lab), [""; 0], "{}", lab);
            let planned = plan(&Source::new("x", lab.as_str()), Library::built_in().checks(), &Settings::new(), &[]).unwrap();
            prop_assert_eq!(planned.checks().count(), proposal.claims().count());
        }
    }
}

#[test]
fn what_cannot_be_captured_is_said_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("labs")).unwrap();
    std::fs::write(folder.path().join("mine.yaml"), "mine").unwrap();
    for (args, code, said) in [
        (&["Solved"][..], 2, "`Solved` cannot be the id of a lab"),
        (&["course"], 2, "`course` cannot be the id of a lab"),
        (&["solved", "-o", "mine.yaml"], 2, "mine.yaml is there already: nothing was written"),
        (&["solved", "-o", "no/x.yaml"], 2, "no/x.yaml: No such file or directory"),
        (&["solved", "-o", "labs/other.yaml"], 2, "labs/other.yaml cannot hold a lab called `solved`"),
        (&["solved", "-o", "labs/solved.yaml"], 4, "/nonexistent/docker.sock"),
    ] {
        let args = [&["capture", "--lang", "en"], args].concat();
        let output = labrun_in(folder.path(), &args, &[]);
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(code), ""), "{stderr}");
        assert!(stderr.starts_with("labrun: ") && stderr.contains(said), "{args:?}: {stderr}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("mine.yaml")).unwrap(), "mine");
    assert!(!folder.path().join("labs/solved.yaml").exists());
}

/// What `labrun check` comes to of the lab at `lab` in `vm`: the addresses of checks, and their outcomes.
fn check(vm: &StudentVm, lab: &Path) -> Vec<(String, Outcome)> {
    std::fs::copy(lab, vm.share.path().join("solved.yaml")).unwrap();
    let output = vm.bash("/share/labrun check /share/solved.yaml --fresh --format json --timeout 3m");
    let report: Report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    report.checks().map(|check| (check.address.clone(), check.outcome)).collect()
}

#[test]
fn what_a_student_vm_proposes_passes_there_and_nothing_of_it_on_one_that_nobody_touched() {
    const DONE: &str = "
        set -e
        docker network create --internal back; docker network create front; docker volume create unused
        docker run -d --name ams --network back -e POSTGRES_PASSWORD=hunter2 postgres:14.1-alpine
        docker run -d --name web --restart unless-stopped --network front -p 8080:80 -v pages:/usr/share/nginx/html nginx
        docker network connect back web
        docker run -d --name box --tmpfs /scratch -v ~/:/home/ro:ro ubuntu sleep 500
        docker run --name over ubuntu true
        mkdir site; echo 'services: {page: {image: nginx, ports: [\"8081:80\"]}}' > site/compose.yaml
        docker-compose -f site/compose.yaml up -d
        until docker exec ams psql -h 127.0.0.1 -U postgres -c 'SELECT 1'; do sleep 0.1; done";
    for engine in engines() {
        let folder = tempfile::tempdir().unwrap();
        let lab = folder.path().join("solved.yaml");
        {
            let vm = StudentVm::start(&engine);
            let done = vm.bash(DONE);
            assert!(done.status.success(), "{}", text(&done.stderr));
            let output = vm.bash("/share/labrun capture solved --lang en --timeout 3m");
            assert!(output.status.success(), "{}", text(&output.stderr));
            std::fs::write(&lab, &output.stdout).unwrap();
            let proposed = text(&output.stdout);
            let claims = check(&vm, &lab);
            assert!(claims.iter().all(|(_, outcome)| *outcome == Outcome::Pass), "{claims:#?}\n{proposed}");
            for claim in [
                "networks/back",
                "networks/front",
                "ams/runs",
                "ams/on-back",
                "ams/postgres",
                "web/restarts",
                "web/on-back",
                "web/on-front",
                "web/port-8080",
                "web/page-8080",
                "web/volume-usr-share-nginx-html",
                "box/runs",
                "box/bind-home-ro",
                "box/memory-scratch",
                "page/runs",
                "page/page-8081",
                "compose/file",
                "compose/service-page",
            ] {
                let address = format!("solved/{claim}");
                assert!(claims.iter().any(|(check, _)| *check == address), "{claim}: {claims:#?}\n{proposed}");
            }
            assert_eq!(mistakes(&proposed), [""; 0]);
            // What another machine has otherwise, and what is nobody's business.
            for pattern in [r"\d+\.\d+\.\d+\.\d+", "[0-9a-f]{12}", r"\d\d:\d\d", "hunter2"] {
                let found = regex::Regex::new(pattern).unwrap();
                assert!(!found.is_match(&proposed), "{pattern}: {proposed}");
            }
            assert!(proposed.contains("\n# - container `over`: it has ended\n# - ") && proposed.contains("`unused`"));
            let again = text(&vm.bash("/share/labrun capture solved --lang en --timeout 3m").stdout);
            assert!(again == proposed, "the same machine proposes the same:\n{proposed}\n{again}");
        }
        let vm = StudentVm::start(&engine);
        let claims = check(&vm, &lab);
        assert!(claims.iter().all(|(_, outcome)| matches!(outcome, Outcome::Fail | Outcome::Blocked)), "{claims:#?}");
        let nothing = vm.bash("/share/labrun capture solved --lang en");
        assert_eq!((nothing.status.code(), text(&nothing.stdout).as_str()), (Some(4), ""));
        assert!(text(&nothing.stderr).contains("nothing that a lab could ask for"));
    }
}
