//! Places that probes stand in: what is seen from them as the student and as root, and that nothing stays there.

use std::path::Path;

use labrun::evidence::{Evidence, Question, Seen};
use labrun::verdict::{Outcome, Report};

use crate::student_vm::{StudentVm, engines, text};

/// Containers on networks; one of them has nothing in it but a program and what that is linked with.
const SCENE: &str = r#"
set -eu
docker network create net; docker network create elsewhere; docker network create --internal sealed
docker run -d --name ams --network net -p 8080:80 nginx
docker run -d --name web --network net --add-host "by-hand:$(docker inspect -f '{{.NetworkSettings.Networks.net.IPAddress}}' ams)" nginx
docker run -d --name apart --network elsewhere nginx
docker run -d --name sealed --network sealed nginx
docker run -d --name paused --network net nginx && docker pause paused
docker run -d --name hosted --network host ubuntu sleep 500
docker run --name stopped --network net ubuntu true
tar -C / -ch bin/sleep lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 | docker import - bare
docker run -d --name bare --network net bare /bin/sleep 500
"#;

fn vm(engine: &str) -> StudentVm {
    let vm = StudentVm::start(engine);
    let done = vm.bash(SCENE);
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/vantages");
    for case in ["places", "later", "restarted"] {
        std::fs::copy(cases.join(format!("{case}.yaml")), vm.share.path().join(format!("{case}.yaml"))).unwrap();
    }
    vm
}

/// Checks everything in `places.yaml`, and tells what was seen.
fn everything_seen(vm: &StudentVm, sudo: &str) -> Vec<(Question, Vec<Seen>)> {
    let output = vm.bash(&format!(
        "{sudo}/share/labrun check /share/places.yaml --format json --evidence /tmp/e.json; {sudo}cat /tmp/e.json >&2"
    ));
    let report: Report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    for check in report.checks() {
        let seen = serde_json::to_string(&(&check.mismatches, &check.unknown)).unwrap();
        assert_eq!(check.outcome, Outcome::Pass, "{sudo}{}: {seen}", check.address);
        assert_eq!(check.namespace.is_some(), check.address.starts_with("places/container/"), "{}", check.address);
    }
    let evidence: Evidence =
        serde_json::from_slice(&output.stderr).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let observations = evidence.observations.into_iter();
    let seen = |seen: Seen| match seen {
        Seen::Facts(mut facts) => {
            // The one thing that time alone changes.
            if let Some(headers) = facts.get_mut("headers").and_then(|headers| headers.as_object_mut()) {
                headers.remove("date");
            }
            Seen::Facts(facts)
        }
        unobserved => unobserved,
    };
    observations.map(|all| (all.question, all.samples.into_iter().map(|sample| seen(sample.seen)).collect())).collect()
}

/// The helpers there are, running or not.
fn helpers(vm: &StudentVm) -> usize {
    text(&vm.bash("docker ps -aq --filter label=labrun.helper").stdout).lines().count()
}

/// Looks again until there are as many helpers as that.
fn until_helpers_are(vm: &StudentVm, wanted: usize) {
    for _ in 0..60 {
        if helpers(vm) == wanted {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
    panic!("{} helpers, not {wanted}: {}", helpers(vm), text(&vm.bash("docker ps -a").stdout));
}

#[test]
fn a_place_looks_the_same_to_the_student_and_to_root() {
    for engine in engines() {
        let vm = vm(&engine);
        let by_student = everything_seen(&vm, "");
        until_helpers_are(&vm, 0);
        let images = || text(&vm.bash("docker images -aq --no-trunc --filter label=labrun.helper").stdout);
        let image = images();
        assert_eq!(image.lines().count(), 1, "engine {engine}");
        let by_root = everything_seen(&vm, "sudo ");
        assert_eq!(by_student, by_root, "engine {engine}");
        assert_eq!(images(), image, "engine {engine}: the image is used again");
        until_helpers_are(&vm, 0);
    }
}

#[test]
fn a_killed_run_leaves_no_helper_and_runs_at_once_leave_each_other_s_alone() {
    for engine in engines() {
        let vm = vm(&engine);
        let begin = |name: &str| {
            vm.bash(&format!(
                "(/share/labrun check /share/later.yaml > /tmp/{name} 2>&1 & echo $! > /tmp/{name}.pid; \
                  wait $!; echo $? > /tmp/{name}.rc) > /dev/null 2>&1 < /dev/null &"
            ));
            until_helpers_are(&vm, 2);
        };
        // Killed in mid-run, which is when it stands in both places.
        begin("killed");
        assert!(vm.bash("kill -9 $(cat /tmp/killed.pid)").status.success());
        until_helpers_are(&vm, 0);
        // One run waits while another comes and goes.
        begin("waiting");
        everything_seen(&vm, "");
        assert_eq!(helpers(&vm), 2, "engine {engine}");
        let ended = "docker run -d --name later --network net nginx && \
                     for _ in $(seq 100); do [ ! -e /tmp/waiting.rc ] || break; sleep 0.1; done; cat /tmp/waiting.rc";
        let ended = text(&vm.bash(ended).stdout);
        assert_eq!(ended.lines().last(), Some("0"), "{}", text(&vm.bash("cat /tmp/waiting").stdout));
        until_helpers_are(&vm, 0);
    }
}

/// Answers after three seconds, which is when `web` has been restarted.
const SLOW: &str = r#"
docker run -d --name slow --network host nginx python3 -c '
import http.server, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(3); self.send_response(204); self.end_headers()
http.server.HTTPServer(("", 8099), Slow).serve_forever()'
for _ in $(seq 100); do ss -tln | grep -q :8099 && break; sleep 0.1; done
"#;

#[test]
fn a_container_that_restarts_in_the_middle_of_a_round_is_still_a_place() {
    for engine in engines() {
        let vm = vm(&engine);
        assert!(vm.bash(SLOW).status.success());
        for sudo in ["", "sudo "] {
            let output = vm.bash(&format!(
                "pid() {{ docker inspect -f '{{{{.State.Pid}}}}' web; }}; before=$(pid); \
                 (sleep 1.5; docker restart -t 0 web >/dev/null) & \
                 {sudo}/share/labrun check /share/restarted.yaml --fresh; echo \"rc $?\"; wait; [ $(pid) != $before ] && echo restarted"
            ));
            let said = text(&output.stdout);
            assert!(said.contains("rc 0") && said.contains("restarted"), "engine {engine} {sudo}: {said}");
        }
    }
}
