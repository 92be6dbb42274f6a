//! The same lab on the same machine: the report made there and the one made over SSH are one and the same.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use labrun::evidence::Facts;
use labrun::library::{Library, read_source};
use labrun::verdict::Report;
use labrun::worlds;

use crate::ssh::{Visited, essence, report};
use crate::student_vm::{engines, text};

/// Asserts that `labs` look the same from inside and over SSH at `port`, what is deferred inside apart. A machine may
/// still be getting ready when the first of the two looks at it, so a difference has to last to be one.
#[track_caller]
fn looks_the_same(visited: &Visited, port: u16, labs: &[&str]) -> Report {
    const TRIES: usize = 3;
    for try_ in 1..=TRIES {
        let words = labs.join(" ");
        let inside = visited.vm.bash(&format!("/share/labrun check {words} --fresh --lang en --format json"));
        let (inside, over) = (report(&inside), report(&visited.check(port, labs)));
        assert_eq!(inside.checks().count(), over.checks().count());
        let pairs = inside.checks().zip(over.checks()).filter(|(inside, _)| inside.deferred.is_none());
        let differ = pairs.map(|(inside, over)| (essence(inside), essence(over))).find(|(inside, over)| inside != over);
        match differ {
            None => {
                assert_eq!(there(&inside), there(&over), "inside (left), over SSH (right)");
                return over;
            }
            Some(_) if try_ < TRIES => std::thread::sleep(std::time::Duration::from_secs(3)),
            Some((inside, over)) => assert_eq!(inside, over, "inside (left), over SSH (right)"),
        }
    }
    unreachable!()
}

/// Who is drawn, and on which networks: labrun's own helpers are none of them.
fn there(report: &Report) -> Vec<(&str, Vec<&str>)> {
    let all = report.picture.iter().flat_map(|picture| &picture.containers).filter(|one| one.state.is_some());
    all.map(|one| (one.name.as_str(), one.networks.iter().map(|end| end.network.as_str()).collect())).collect()
}

/// One VM that a student goes through all seven labs on, looked at after each.
#[test]
fn the_whole_course_looks_the_same_over_ssh() {
    let Some(engine) = engines().into_iter().next() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = Library::of_folder(&root.join("labs")).unwrap();
    let source: Arc<_> = read_source(&root.join("labs/worlds/journey.yaml")).unwrap();
    let (_, journey) = worlds::load(&source, library.labs(), library.checks()).unwrap();
    let visited = Visited::start(&engine);
    let labs = ["lab1", "lab2", "lab3", "lab4", "lab5", "lab6", "lab7"];
    let (mut played, mut sites) = (0, BTreeSet::new());
    for act in &journey.worlds[0].acts {
        let done = visited.vm.bash(&format!("{}\n{}", journey.prelude, act.script));
        assert!(done.status.success(), "{}", text(&done.stderr));
        let over = looks_the_same(&visited, 22, &labs);
        // What only an outside tells is told.
        let judged = |address: &str| over.checks().any(|check| check.address == address && check.deferred.is_none());
        assert!(judged("lab1/ssh/answers") && judged("lab3/closed/database"));
        sites.extend(over.checks().flat_map(|check| &check.sights).flat_map(|sight| &sight.facts).flat_map(uuids));
        played += 1;
    }
    assert!(played >= 7, "{played}");
    // What tells copies of a site: lab4 asks for it, and the site stayed one and the same.
    assert_eq!(sites.len(), 1, "{sites:?}");
}

/// The UUIDs of sites among facts.
fn uuids(facts: &Facts) -> Vec<String> {
    let rows = facts.get("rows").and_then(|rows| rows.as_array()).into_iter().flatten();
    rows.filter_map(|row| Some(row.get("site_uuid")?.as_str()?.to_owned())).collect()
}

/// What probes see of `/proc`, of files and of programs, by the tests' own labs.
#[test]
fn what_probes_see_over_ssh_is_what_they_see_inside() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for engine in engines() {
        let visited = Visited::start(&engine);
        let done = visited.vm.bash(crate::looks::SCENE);
        assert!(done.status.success(), "{}", text(&done.stderr));
        for case in ["sockets", "processes", "containers", "routes", "file", "compose", "unseen"] {
            let path = visited.vm.share.path().join(format!("{case}.yaml"));
            std::fs::copy(cases.join("looks").join(format!("{case}.yaml")), &path).unwrap();
            let inside = report(
                &visited.vm.bash(&format!("/share/labrun check /share/{case}.yaml --fresh --lang en --format json")),
            );
            let over = report(&visited.check(22, &[path.to_str().unwrap()]));
            for (inside, over) in inside.checks().map(essence).zip(over.checks().map(essence)) {
                assert_eq!(inside, over, "engine {engine}, {case}: inside (left), over SSH (right)");
            }
        }
    }
}

/// Servers that forward less than the usual one: what is seen stays the same.
#[test]
fn what_a_server_does_not_forward_is_come_to_by_other_ways() {
    let Some(engine) = engines().into_iter().next() else { return };
    let visited = Visited::start(&engine);
    let done = visited.vm.bash(
        "docker run -d --name web_server nginx && docker run -d --name ams -p 5432:5432 -e POSTGRES_PASSWORD=password \
         postgres:14.1-alpine && until docker exec ams psql -h 127.0.0.1 -U postgres -c 'SELECT 1'; do sleep 0.2; done",
    );
    assert!(done.status.success(), "{}", text(&done.stderr));
    for (port, options) in [
        (2200, "-o AllowStreamLocalForwarding=no"),
        (2201, "-o AllowTcpForwarding=no"),
        (2202, "-o DisableForwarding=yes"),
    ] {
        visited.sshd(port, options);
        let over = looks_the_same(&visited, port, &["lab1", "lab7"]);
        let unknown: Vec<_> = over.checks().filter_map(|check| check.unknown.as_ref()).collect();
        assert!(unknown.is_empty(), "{options}: {unknown:?}");
    }
    // Without a client of the engine's on the VM, what to allow is said.
    let hidden = visited.vm.bash("sudo mv /usr/bin/docker /usr/bin/docker.away");
    assert!(hidden.status.success());
    let start = std::time::Instant::now();
    let output = visited.check(2202, &["lab1/database"]);
    crate::ssh::is_unknown(&output, &["AllowStreamLocalForwarding yes"], start, std::time::Duration::from_secs(20));
}
