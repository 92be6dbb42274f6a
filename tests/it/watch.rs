//! A machine followed while somebody works on it. Needs student VMs: `LABRUN_WORLD` (`make test` sets it).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use labrun::verdict::{Outcome, Report};

use crate::opt_in::bash;
use crate::student_vm::{StudentVm, engines};

/// A watch of this machine, without an engine.
#[test]
fn what_no_event_tells_of_is_seen_and_an_interrupt_ends_it_with_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let lab =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/watch/live.yaml")).unwrap();
    let file = lab.split("      - id: file").nth(1).unwrap().split("      - id:").next().unwrap();
    let file = file.replace("/tmp/made", made.to_str().unwrap());
    let head = lab.split("      - id: box").next().unwrap();
    let net = lab.split("      - id: net").nth(1).unwrap().split("      - id:").next().unwrap();
    let path = folder.path().join("lab.yaml");
    std::fs::write(&path, format!("{head}      - id: net{net}      - id: file{file}")).unwrap();
    let mut watch = Command::new(env!("CARGO_BIN_EXE_labrun"))
        .args(["watch", path.to_str().unwrap(), "--lang", "en"])
        .env_clear()
        .env("DOCKER_HOST", format!("unix://{}", folder.path().join("no.sock").display()))
        .env("HOME", folder.path())
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut until = |part: &str| lines.by_ref().take_while(|line| !line.contains(part)).collect::<Vec<_>>();
    let before = until("live/here/file: fail");
    assert!(before.iter().any(|line| line.starts_with("· the machine is not heard")), "{before:?}");
    assert!(before.iter().any(|line| line == "? live/here/net: unknown"), "{before:?}");
    std::fs::write(&made, "").unwrap();
    until("✔ live/here/file: fail → pass");
    Command::new("kill").args(["-INT", &watch.id().to_string()]).status().unwrap();
    until("Total");
    assert_eq!(watch.wait().unwrap().code(), Some(4));
    let journal = std::fs::read_to_string(folder.path().join(".local/state/labrun/journal.jsonl")).unwrap();
    assert!(journal.contains("live/here/file"), "{journal}");
}

/// What the scripts of a test have in common: `told PATTERN N` waits until so many lines tell of something.
const TOLD: &str = r#"
told() {
  for _ in $(seq 1 3000); do
    [ "$(grep -c -- "$1" /tmp/told || true)" -ge "$2" ] && return
    sleep 0.02
  done
  echo "never told $2 times: $1" >&2; cat /tmp/told /tmp/errors >&2; return 1
}
"#;

/// Starts a watch, whose lines go to `/tmp/told`, each with the time when it came.
fn start(vm: &StudentVm, labs: &str) {
    bash(
        vm,
        &format!(
            r#"
: > /tmp/told
{{ /share/labrun watch {labs} --lang en 2> /tmp/errors & echo $! > /tmp/pid; wait $!; echo "ended $?"; }} < /dev/null 2> /dev/null |
  while IFS= read -r line; do echo "$EPOCHREALTIME $line"; done > /tmp/told 2> /dev/null &
{TOLD}
told ' ' 1
"#
        ),
    );
}

fn lines(vm: &StudentVm) -> Vec<(f64, String)> {
    let told = bash(vm, "cat /tmp/told");
    told.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(at, line)| (at.parse().unwrap(), line.to_owned()))
        .collect()
}

/// What each check came to last, by what was told.
fn state(lines: &[(f64, String)]) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    for (_, line) in lines {
        let Some((address, outcome)) =
            line.split(' ').nth(1).and_then(|word| word.strip_suffix(':')).zip(line.split(' ').next_back())
        else {
            continue;
        };
        state.insert(address.to_owned(), outcome.to_owned());
    }
    state
}

/// What a check of the same labs finds now, crediting nothing.
fn fresh(vm: &StudentVm, labs: &str) -> BTreeMap<String, String> {
    let printed = bash(vm, &format!("/share/labrun check {labs} --fresh --lang en --format json || true"));
    let report: Report = serde_json::from_str(&printed).unwrap();
    report.checks().map(|check| (check.address.clone(), check.outcome.word().to_owned())).collect()
}

/// A container and a network that come and go, with the events of each.
const COME_AND_GO: &str = r#"
docker events --format '{{.TimeNano}} {{.Type}} {{.Action}} {{.Actor.Attributes.name}}' > /tmp/events 2> /dev/null & events=$!
for n in $(seq 1 13); do
  docker network create net
  told 'here/net: .*pass' $((n))
  docker start box
  told 'here/box: .*pass' $n
  docker kill box
  told 'here/box: .*fail' $((n + 1))
  docker network rm net
  told 'here/net: .*fail' $((n + 1))
done > /dev/null
kill $events
cat /tmp/events
"#;

/// How long after each event that says so much a line told of it, in milliseconds.
fn latencies(events: &str, lines: &[(f64, String)]) -> Vec<f64> {
    let mut all = Vec::new();
    for (event, check, outcome) in [
        ("network create net", "live/here/net", "pass"),
        ("network destroy net", "live/here/net", "fail"),
        ("container start box", "live/here/box", "pass"),
        ("container die box", "live/here/box", "fail"),
    ] {
        let happened = events.lines().filter_map(|line| line.split_once(' ')).filter(|(_, what)| *what == event);
        let told = lines
            .iter()
            .filter(|(_, line)| line.contains(&format!("{check}: ")) && line.ends_with(&format!("→ {outcome}")));
        for ((at, _), (told, _)) in happened.zip(told) {
            all.push(told * 1e3 - at.parse::<f64>().unwrap() / 1e6);
        }
    }
    all.sort_by(f64::total_cmp);
    all
}

#[test]
fn whatever_changes_is_told_at_once_and_the_rest_soon() {
    for engine in engines() {
        let vm = StudentVm::start(&engine);
        let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/watch/live.yaml");
        std::fs::copy(lab, vm.share.path().join("live.yaml")).unwrap();
        let serve = "python3 -m http.server 8001 --bind 0.0.0.0";
        bash(&vm, &format!("docker create --name box postgres:14.1-alpine {serve}"));
        start(&vm, "/share/live.yaml");
        let first = lines(&vm);
        assert!(first.iter().any(|(_, line)| line == "→ live/here/recreated: deferred"), "{first:?}");

        let events = bash(&vm, &format!("{TOLD}\ntold here/file 1\n{COME_AND_GO}"));
        let latencies = latencies(&events, &lines(&vm));
        assert_eq!(latencies.len(), 52, "{events}");
        let (median, worst) = (latencies[26], latencies[51]);
        eprintln!("engine {engine}: event to verdict over 52 events: median {median:.0} ms, worst {worst:.0} ms");
        // The promise is 200 ms on an idle machine; this one may be anything but.
        assert!(median < 5000.0, "{latencies:?}");

        // What no event tells of is seen all the same, and a network is not held on to.
        bash(
            &vm,
            &format!(
                r#"{TOLD}
touch /tmp/made; told 'here/file: fail → pass' 1
sudo mkdir -p /run/sshd; sudo /usr/sbin/sshd -p 8000 -o PidFile=none; told 'here/port: fail → pass' 1
docker network create net; docker network connect net box; docker start box
told 'here/inside: .*pass' 1;
docker kill box; docker network disconnect net box; docker network rm net"#
            ),
        );

        // An engine that goes away and comes back.
        bash(
            &vm,
            &format!(
                r#"{TOLD}
docker start box; told 'here/box: .*pass' 15
sudo kill $(pidof dockerd); while pidof dockerd > /dev/null; do sleep 0.1; done; told 'not heard' 1
sudo start-dockerd; told 'is heard again' 1
told 'here/box: .*fail' 16
docker start box; told 'here/box: .*pass' 16"#
            ),
        );

        // It ends with a report, and leaves nothing behind; what held at some time is credited.
        bash(&vm, &format!("{TOLD}\nkill -INT $(cat /tmp/pid); told 'ended' 1; ! docker ps -a | grep labrun-helper"));
        let all = lines(&vm);
        assert!(all.iter().any(|(_, line)| line.starts_with("Total")), "{all:?}");
        // All of it held at some time, which is what a check says as well.
        assert_eq!(all.last().unwrap().1, "ended 0", "{all:?}");
        let printed = bash(&vm, "/share/labrun check /share/live.yaml --lang en --format json || true");
        let report: Report = serde_json::from_str(&printed).unwrap();
        let net = report.checks().find(|check| check.address == "live/here/net").unwrap();
        assert_eq!(net.credit.as_ref().map(|credit| credit.now), Some(Outcome::Fail));
    }
}

/// What a student may do about lab7, in any order.
const ACTS: &[&str] = &[
    "docker run -d --name web_server nginx",
    "docker run -d --name web_server -p 8080:80 nginx",
    "docker rm -f web_server",
    "docker stop -t 1 web_server",
    "docker start web_server",
    "docker pause web_server",
    "docker unpause web_server",
    "docker network create lonely_curl",
    "docker network rm lonely_curl",
    "docker network connect lonely_curl web_server",
    "docker network disconnect lonely_curl web_server",
    "docker exec web_server sed -i 's/listen *80/listen 8080/' /etc/nginx/conf.d/default.conf",
    "docker exec web_server nginx -s reload",
    "docker restart -t 1 web_server",
    "docker rename web_server other",
    "docker rename other web_server",
];

#[test]
fn after_whatever_was_done_a_watch_knows_what_a_fresh_look_finds() {
    let Some(engine) = engines().into_iter().next() else { return };
    let vm = StudentVm::start(&engine);
    start(&vm, "lab7 --format html --output /tmp/last.html");
    let mut seed = 7_u64;
    let mut random = |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % n
    };
    for turn in 0..4 {
        let acts: Vec<&str> = (0..8).map(|_| ACTS[random(ACTS.len())]).collect();
        let script: Vec<String> = acts.iter().map(|act| format!("{act} || true; sleep 0.{}", random(4))).collect();
        bash(&vm, &format!("{{ {}; }} > /dev/null 2>&1", script.join("; ")));
        let mut found = (BTreeMap::new(), BTreeMap::new());
        let agree = (0..60).any(|_| {
            found = (state(&lines(&vm)), fresh(&vm, "lab7"));
            found.0 == found.1 || {
                std::thread::sleep(Duration::from_millis(500));
                false
            }
        });
        assert!(agree, "turn {turn}, after {acts:?}: {found:?}");
    }
    // The report it ends with draws what there is by then.
    bash(&vm, "docker volume create drawn; kill -INT $(cat /tmp/pid)");
    bash(&vm, "timeout 300 sh -c 'while kill -0 $(cat /tmp/pid); do sleep 0.1; done' 2> /dev/null");
    let page = bash(&vm, "cat /tmp/last.html");
    let drawing = page.split("<section class=\"world\"").nth(1).expect("a drawing");
    assert!(drawing.split("</section>").next().unwrap().contains(">drawn<"), "{drawing}");
}
