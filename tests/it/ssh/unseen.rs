//! What the student answered and chose, where nobody could read it: then nobody knows what to look for either.

use std::time::{Duration, Instant};

use labrun::verdict::Outcome;

use crate::ssh::{Visited, is_unknown, report};
use crate::student_vm::{engines, text};

const LAB: &str = r#"
labrun: lab/v1
id: chosen
title: {es: elegido, en: chosen}
params: {box: usual}
choices: [box]
points: 2
steps:
  - id: box
    title: {es: caja, en: box}
    text: {es: "Corré `${box}`.", en: "Run `${box}`."}
    checks:
      - id: runs
        points: 1
        claim: {es: "corre `${box}`", en: "`${box}` runs"}
        probe: {container: {name: "${box}"}}
        expect: {status: running}
        hints: [{id: absent, say: [{es: "No corre.", en: "It does not run."}]}]
      - id: told
        points: 1
        claim: {es: "está contestada `image`", en: "`image` is answered"}
        given: {seen: {container: {name: "${box}"}}}
        probe: {answer: {to: image}}
        expect: {value: "${seen.image}"}
        hints:
          - {id: unanswered, when: {given: false}, say: [{es: "Falta.", en: "It is missing."}]}
          - {id: other, say: [{es: "Es otra.", en: "It is another."}]}
"#;

/// Everything else works: the engine answers through the same connection, and would tell of the container that the
/// student did not choose.
#[test]
fn what_was_chosen_and_could_not_be_read_fails_nobody_though_the_engine_answers() {
    let Some(engine) = engines().into_iter().next() else { return };
    let visited = Visited::start(&engine);
    let done = visited.vm.bash(
        "docker run -d --name mine nginx && \
         printf '%s\\n' 'labrun: student/v1' 'choices: {box: mine}' 'answers: {chosen: {image: nginx}}' > labrun.yaml",
    );
    assert!(done.status.success(), "{}", text(&done.stderr));
    let lab = visited.file("chosen.yaml");
    std::fs::write(&lab, LAB).unwrap();
    let lab = lab.to_str().unwrap();

    let seen = report(&visited.check(22, &[lab]));
    assert_eq!(seen.outcome, Outcome::Pass, "{}", serde_json::to_string(&seen).unwrap());

    visited.sshd(2200, "-o ForceCommand=/bin/false");
    let start = Instant::now();
    is_unknown(&visited.check(2200, &[lab]), &["no `sh` answers"], start, Duration::from_secs(60));
}
