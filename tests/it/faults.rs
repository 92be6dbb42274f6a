//! Breaks things around labrun, one a test, in a student VM: what comes out, in what time and with how much memory.
//! `docs/faults.md` says why; each of its rows is the name of a test here.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use labrun::verdict::{CheckResult, Report};

use crate::opt_in;
use crate::student_vm::{StudentVm, engines, text};

const TABLE: &str = include_str!("../../docs/faults.md");
const TESTS: &str = include_str!("faults.rs");

#[test]
fn every_row_of_the_table_is_a_test_and_every_test_a_row() {
    let words = |cell: &str| -> String {
        let plain = cell.to_lowercase().replace(['\'', '`'], "");
        plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
    };
    let rows = TABLE.lines().filter(|line| line.starts_with("| ")).skip(1);
    let rows = rows.map(|row| words(&row.split('|').skip(1).take(2).collect::<Vec<_>>().join(" ")));
    let tests = TESTS.split("#[test]\nfn ").skip(2).map(|test| test.split('(').next().unwrap_or_default().to_owned());
    assert_eq!(rows.collect::<BTreeSet<_>>(), tests.collect::<BTreeSet<_>>());
}

// ---- the way to the engine is broken ---------------------------------------------------------------------------

#[test]
fn an_engine_that_never_answers_is_unknown() {
    with_engine("hung.sock", HANGS, |_, _| thread::sleep(Duration::from_secs(60)));
}

#[test]
fn an_engine_that_drips_is_unknown() {
    with_engine("drips.sock", HANGS, |mut client, _| drip(&mut client, &json_answer(VERSION)));
}

#[test]
fn an_engine_that_talks_garbage_is_unknown() {
    with_engine("garbage.sock", AT_ONCE, |mut client, _| drop(client.write_all(b"\xff\xfe\x00 nonsense\r\n\r\n")));
}

#[test]
fn an_engine_that_answers_without_end_is_unknown() {
    with_engine("endless.sock", AT_ONCE, |mut client, asked| {
        if asked.contains("/version") {
            return drop(client.write_all(json_answer(VERSION).as_bytes()));
        }
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[");
        while client.write_all(r#"{"Id":"x"},"#.repeat(5000).as_bytes()).is_ok() {}
    });
}

#[test]
fn an_engine_with_millions_of_containers_is_unknown() {
    with_engine("millions.sock", AT_ONCE, |mut client, asked| {
        let list = format!("[{}{{}}]", "{},".repeat(10 << 20));
        let answer = json_answer(if asked.contains("/version") { VERSION } else { &list });
        let _ = client.write_all(answer.as_bytes());
    });
}

#[test]
fn an_engine_that_is_stopped_is_unknown() {
    let Some(vm) = vm() else { return };
    // The socket stays where it was; nobody listens any more.
    drop(listen(&vm, "stopped.sock"));
    let run = labrun(&vm, "DOCKER_HOST=unix:///share/stopped.sock", LAB1, AT_ONCE);
    run.is_unknown("sudo systemctl start docker");
}

#[test]
fn an_engine_without_a_socket_is_unknown() {
    let Some(vm) = vm() else { return };
    let run = labrun(&vm, "DOCKER_HOST=unix:///share/no-such.sock", LAB1, AT_ONCE);
    run.is_unknown("sudo systemctl start docker");
}

#[test]
fn a_user_outside_the_group_docker_is_unknown() {
    let Some(vm) = vm() else { return };
    labrun(&vm, "sudo -u nobody", LAB1, AT_ONCE).is_unknown("sudo usermod -aG docker $USER");
}

#[test]
fn a_run_whose_own_time_is_over_first_is_unknown() {
    let Some(vm) = vm() else { return };
    let name = hostile(&vm, "silent");
    let run = labrun(&vm, "", &format!("{LAB1} --set container={name} --timeout 2s"), Bound::seconds(3));
    run.is_unknown("--timeout");
}

// ---- the path works and the container is wrong -----------------------------------------------------------------

#[test]
fn a_paused_container_fails() {
    let Some(vm) = vm() else { return };
    let name = database(&vm);
    bash(&vm, &format!("docker pause {name}"));
    let run = labrun(&vm, "", &format!("{LAB1} --set container={name}"), HANGS);
    bash(&vm, &format!("docker unpause {name}"));
    run.is_without_database("paused");
}

#[test]
fn a_container_stopped_between_two_looks_fails() {
    let Some(vm) = vm() else { return };
    let name = database(&vm);
    let proxy = python(&vm, "proxy", "--network none -v /var/run/docker.sock:/real.sock", "/share/proxy.py");
    let run = labrun(&vm, "DOCKER_HOST=unix:///share/proxy.sock", &format!("{LAB1} --set container={name}"), HANGS);
    assert_eq!(text(&bash(&vm, &format!("docker logs {proxy}"))), "ready\nstopped\n");
    run.is_without_database("exited");
}

#[test]
fn a_container_to_look_from_that_is_stopped_fails() {
    let Some(vm) = vm() else { return };
    let name = hostile(&vm, "silent");
    bash(&vm, &format!("docker stop -t 0 {name}"));
    let run = labrun(&vm, "", &format!("/share/place.yaml --set container={name}"), AT_ONCE);
    // Nothing is proven from nowhere: the control of the negative claim does not hold.
    run.is(1, &["place/reaches fail(wrong)", "place/cut-off unknown"]);
}

#[test]
fn an_engine_that_forbids_the_helper_is_unknown() {
    let Some(vm) = vm() else { return };
    let name = hostile(&vm, "silent");
    python(&vm, "forbids", "--network none -v /var/run/docker.sock:/real.sock", "/share/forbids.py");
    let args = format!("/share/place.yaml --set container={name}");
    let run = labrun(&vm, "DOCKER_HOST=unix:///share/forbids.sock", &args, Bound::seconds(10));
    run.is(4, &["place/reaches unknown", "place/cut-off unknown"]);
    for doubt in run.report().checks().filter_map(|check| check.unknown.as_ref()).filter(|doubt| doubt.cause.is_some())
    {
        assert!(doubt.why.es.contains("con sudo") && doubt.why.en.contains("with sudo"), "{}", doubt.why.en);
    }
    // As root it takes no helper.
    labrun(&vm, "sudo DOCKER_HOST=unix:///share/forbids.sock", &args, HANGS)
        .is(0, &["place/reaches pass", "place/cut-off pass"]);
}

#[test]
fn a_database_that_never_answers_fails() {
    is_no_database("silent", HANGS, "silent");
}

#[test]
fn a_database_that_drips_fails() {
    is_no_database("postgres_drips", HANGS, "other");
}

#[test]
fn a_database_that_floods_fails() {
    is_no_database("floods", AT_ONCE, "other");
}

#[test]
fn a_database_that_speaks_garbage_fails() {
    is_no_database("garbage", AT_ONCE, "other");
}

#[test]
fn a_database_that_hangs_up_fails() {
    is_no_database("closes", AT_ONCE, "closed");
}

#[test]
fn a_database_that_falls_silent_after_its_greeting_fails() {
    is_no_database("postgres_silent_after_greeting", HANGS, "silent");
}

#[test]
fn a_database_that_announces_a_huge_message_fails() {
    is_no_database("postgres_huge_message", AT_ONCE, "other");
}

#[test]
fn a_database_that_floods_in_its_protocol_fails() {
    is_no_database("postgres_floods", AT_ONCE, "other");
}

#[test]
fn a_database_that_falls_silent_in_a_query_fails() {
    let Some(vm) = vm() else { return };
    let name = hostile(&vm, "postgres_silent_in_query");
    let run = labrun(&vm, "", &format!("{LAB1} --set container={name}"), HANGS);
    run.is(
        1,
        &[
            "database/runs pass",
            "login/accepts fail(no-answer)",
            "login/refuses fail(trusts-anybody)",
            "port/bound fail(unpublished)",
            "table/exists blocked",
        ],
    );
}

#[test]
fn a_web_server_that_never_answers_fails() {
    is_no_web_server("silent", HANGS, "silent");
}

#[test]
fn a_web_server_that_drips_fails() {
    is_no_web_server("http_drips", HANGS, "incomplete");
}

#[test]
fn a_web_server_that_speaks_garbage_fails() {
    is_no_web_server("garbage", AT_ONCE, "malformed");
}

#[test]
fn a_web_server_that_hangs_up_fails() {
    is_no_web_server("closes", AT_ONCE, "closed");
}

#[test]
fn a_port_that_is_closed_fails() {
    let Some(vm) = vm() else { return };
    let name = hostile(&vm, "silent");
    let run = labrun(&vm, "", &format!("/share/http.yaml --set server={name} --set port=1"), AT_ONCE);
    run.is(1, &["status/ok fail(wrong)", "whole/complete fail(wrong)", "absence/no-secret fail(wrong)"]);
}

#[test]
fn a_balancer_that_never_answers_fails() {
    let Some(vm) = vm() else { return };
    let name = hostile(&vm, "silent");
    let run = labrun(&vm, "", &format!("/share/balance.yaml --set server={name}"), HANGS);
    run.is(1, &["shared/answers fail(wrong)"]);
    assert_eq!(run.report().checks().next().unwrap().mismatches[0].seen, "silent");
}

#[test]
fn what_a_dripping_body_does_not_hold_fails() {
    let Some(vm) = vm() else { return };
    let name = hostile(&vm, "http_drips_body");
    let run = labrun(&vm, "", &format!("/share/http.yaml --set server={name}"), HANGS);
    run.is(1, &["status/ok pass", "whole/complete fail(wrong)", "absence/no-secret fail(wrong)"]);
}

#[test]
fn what_an_endless_body_does_not_hold_is_unknown() {
    let Some(vm) = vm() else { return };
    let name = hostile(&vm, "http_endless");
    let run = labrun(&vm, "", &format!("/share/http.yaml --set server={name}"), HANGS);
    run.is(1, &["status/ok pass", "whole/complete fail(wrong)", "absence/no-secret unknown"]);
}

#[test]
fn a_command_that_never_ends_fails() {
    let Some(vm) = vm() else { return };
    labrun(&vm, "", "/share/command.yaml", HANGS).is(1, &["ends/well fail(wrong)"]);
}

// ---- and the rest ----------------------------------------------------------------------------------------------

#[test]
fn a_claim_that_needs_a_look_from_outside_is_deferred() {
    let Some(vm) = vm() else { return };
    labrun(&vm, "", "/share/outside.yaml", AT_ONCE).is(0, &["port/open deferred"]);
}

#[test]
fn a_run_that_is_interrupted_ends_with_130() {
    let Some(vm) = vm() else { return };
    let _socket = listen(&vm, "interrupted.sock");
    let before = "INTERRUPT=1 DOCKER_HOST=unix:///share/interrupted.sock";
    let run = labrun(&vm, before, &format!("{LAB1} /share/command.yaml"), Bound::seconds(1));
    assert_eq!((run.code, run.output.as_str()), (130, ""));
}

/// The containers of a run that is in the midst of it: the original renamed, its twin made.
const TRACES: [&str; 2] = ["labrun-aside", "labrun.owner"];

const RECREATE: &str = "/share/recreate.yaml --disruptive";

#[test]
fn a_run_interrupted_while_a_container_is_set_aside_puts_it_back_first() {
    for engine in engines() {
        let vm = opt_in::scene(&engine, opt_in::DATABASES);
        let before = opt_in::state(&vm);
        for (signal, trace) in ["INT", "TERM", "HUP"].into_iter().zip(TRACES.into_iter().cycle()) {
            let (code, said) = opt_in::cut_short(&vm, RECREATE, trace, signal);
            assert_eq!((code, opt_in::state(&vm)), (130, before.clone()), "{signal}: {said}");
            assert!(said.contains("putting everything back"), "{said}");
        }
        let tables = "docker exec ams psql -h 127.0.0.1 -U postgres -Atc '\\dt'";
        assert_eq!(opt_in::bash(&vm, tables), "");
    }
}

#[test]
fn a_run_killed_while_a_container_is_set_aside_is_made_good_by_the_next() {
    for engine in engines() {
        let vm = opt_in::scene(&engine, opt_in::DATABASES);
        let before = opt_in::state(&vm);
        for trace in TRACES {
            let (code, _) = opt_in::cut_short(&vm, RECREATE, trace, "KILL");
            assert_eq!(code, 137);
            assert_ne!(opt_in::state(&vm), before);
            let said = opt_in::bash(&vm, "/share/labrun check /share/recreate.yaml --lang en 2>&1");
            assert!(said.contains("an earlier run could not put everything back, which is done now: `ams`"), "{said}");
            assert_eq!(opt_in::state(&vm), before);
        }
    }
}

#[test]
fn a_run_while_another_has_a_container_set_aside_does_not_begin() {
    let Some(engine) = engines().into_iter().next() else { return };
    let vm = opt_in::scene(&engine, opt_in::DATABASES);
    let script = format!(
        "/share/labrun check {RECREATE} > /tmp/report 2>&1 & run=$!
         until docker ps -a --format '{{{{.Names}}}}' | grep -q labrun-aside; do sleep 0.02; done
         /share/labrun check /share/recreate.yaml 2>&1 && code=0 || code=$?
         echo $code $run; wait $run"
    );
    let said = opt_in::bash(&vm, &script);
    let (said, codes) = said.trim_end().rsplit_once('\n').unwrap();
    let (code, process) = codes.split_once(' ').unwrap();
    assert_eq!(code, "2", "{said}");
    assert!(said.contains(&format!("another labrun (process {process})")), "{said}");
}

#[test]
fn names_made_to_deceive_are_shown_tamed() {
    let Some(vm) = vm() else { return };
    let name = unique("hostile");
    // Clears the screen, writes from right to left, breaks the line and the page.
    let evil = r"$'\e[2J\u202e\n<script>alert(1)</script>'";
    let create = format!(
        "docker create --name {name} --user {evil} -e {evil}=1 -l com.docker.compose.service={evil} \
         -v {name}:$(printf '/%0200d' {{1..15}})/{evil} {IMAGE}"
    );
    bash(&vm, &create);
    for format in ["text -v", "html", "json"] {
        let args = format!("/share/names.yaml --set container={name} --format {format}");
        let run = labrun_as(&vm, "", &args, AT_ONCE);
        assert_eq!(run.code, 1);
        assert!(run.output.contains("alert(1)"), "it is not shown at all:\n{}", run.output);
        assert!(!run.output.contains(['\u{1b}', '\u{202e}']), "{format} is not tamed");
        assert!(!(format == "html" && run.output.contains("<script>alert")), "a script gets into the page");
        assert!(run.output.len() < 200_000);
    }
}

// ---- how they do it --------------------------------------------------------------------------------------------

const IMAGE: &str = "postgres:14.1-alpine";

/// How long a run may take until its report is whole.
#[derive(Clone, Copy)]
struct Bound {
    timeout: &'static str,
    report_within: Duration,
}

impl Bound {
    const fn seconds(seconds: u64) -> Bound {
        Bound { timeout: "", report_within: Duration::from_secs(seconds) }
    }
}

/// For what hangs: the run's deadline, and a second.
const HANGS: Bound = Bound { timeout: "--timeout 8s", report_within: Duration::from_secs(9) };

/// For what can be told at once, on a loaded machine.
const AT_ONCE: Bound = Bound::seconds(4);

/// The steps of lab1 that look at the database, and nothing that is answered or seen from outside.
const LAB1: &str = "lab1/login lab1/port lab1/table";

/// The most memory a run may ever hold, in KiB, unoptimised.
const MEMORY: u64 = 100 << 10;

/// One run of labrun, seen from outside. That it ended in time, in bounded memory and leaving nothing behind has
/// been seen to.
struct Run {
    code: i32,
    output: String,
}

impl Run {
    /// That the run ended with `code`, and what became of each check: step, check, outcome, hint.
    fn is(&self, code: i32, outcomes: &[&str]) {
        let report = self.report();
        let seen: Vec<String> = report.checks().map(outcome).collect();
        assert_eq!((self.code, seen), (code, outcomes.iter().map(|&one| one.to_owned()).collect()), "{}", self.output);
    }

    /// That lab1 fails by its database alone, with this hint, which blocks the rest.
    fn is_without_database(&self, hint: &str) {
        let first = format!("database/runs fail({hint})");
        let rest = ["login/accepts blocked", "login/refuses blocked", "port/bound blocked", "table/exists blocked"];
        self.is(1, &[&[first.as_str()], &rest[..]].concat());
    }

    /// That in lab1 nothing is earned and nothing is lost, and whatever could not be looked at says `remedy`.
    fn is_unknown(&self, remedy: &str) {
        let all = ["database/runs", "login/accepts", "login/refuses", "port/bound", "table/exists"];
        let all = all.map(|check| format!("{check} unknown"));
        self.is(4, &all.each_ref().map(String::as_str));
        let report = self.report();
        assert_eq!(report.points.undetermined, report.points.possible);
        let doubts: Vec<_> = report.checks().filter_map(|check| check.unknown.as_ref()).collect();
        assert!(doubts[0].cause.is_some());
        for doubt in doubts.iter().filter(|doubt| doubt.cause.is_some()) {
            assert!(doubt.why.es.contains(remedy) && doubt.why.en.contains(remedy), "{}", doubt.why.en);
        }
    }

    fn report(&self) -> Report {
        serde_json::from_str(&self.output).unwrap_or_else(|error| panic!("no report: {error}: {}", self.output))
    }
}

fn outcome(check: &CheckResult) -> String {
    let name = check.address.split_once('/').map_or("", |(_, name)| name);
    let hint = check.hint.as_ref().map(|hint| format!("({})", hint.id)).unwrap_or_default();
    format!("{name} {}{hint}", check.outcome.word())
}

/// Runs `labrun check` in the VM, with `before` in front of it.
fn labrun(vm: &StudentVm, before: &str, args: &str, bound: Bound) -> Run {
    labrun_as(vm, before, &format!("{args} --format json"), bound)
}

fn labrun_as(vm: &StudentVm, before: &str, args: &str, bound: Bound) -> Run {
    let script = format!("{before} bash /share/look.sh check {args} {} --fresh --lang en", bound.timeout);
    let output = vm.bash(&script);
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    let (output, measured) = said.trim_end().rsplit_once('\n').unwrap_or(("", &said));
    let mut measured = measured.splitn(4, ' ');
    let mut number = || -> u64 {
        let word = measured.next().and_then(|word| word.parse().ok());
        word.unwrap_or_else(|| panic!("{script}: not measured: {said}{errors}"))
    };
    let (code, took, peak) = (number(), Duration::from_millis(number()), number());
    println!("{:>6} ms {:>6} KiB  {}", took.as_millis(), peak, thread::current().name().unwrap_or_default());
    assert!(took <= bound.report_within, "{script}: took {took:?}");
    assert!(peak <= MEMORY, "{script}: held {peak} KiB");
    assert_eq!(measured.next(), None, "{script}: left behind");
    Run { code: code as i32, output: output.to_owned() }
}

/// The VM that the tests of this file share while any of them runs, with their files in `/share`. They use different
/// names, so that none disturbs another.
fn vm() -> Option<Arc<StudentVm>> {
    static SHARED: Mutex<Weak<StudentVm>> = Mutex::new(Weak::new());
    let engine = engines().into_iter().next()?;
    let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(vm) = shared.upgrade() {
        return Some(vm);
    }
    let vm = StudentVm::start(&engine);
    for file in Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/faults").read_dir().unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), vm.share.path().join(file.file_name())).unwrap();
    }
    let vm = Arc::new(vm);
    *shared = Arc::downgrade(&vm);
    Some(vm)
}

/// Runs a script in the VM that must succeed.
fn bash(vm: &StudentVm, script: &str) -> Vec<u8> {
    let done = vm.bash(&format!("set -eu -o pipefail\n{script}"));
    assert!(done.status.success(), "{script}: {}{}", text(&done.stdout), text(&done.stderr));
    done.stdout
}

/// Waits in the VM until a command succeeds.
fn wait_for(vm: &StudentVm, command: &str) {
    bash(vm, &format!("for try in $(seq 100); do {command} && exit; sleep 0.1; done >/dev/null 2>&1; exit 1"));
}

fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Starts a container that runs a Python program, and waits until it says that it is ready.
fn python(vm: &StudentVm, name: &str, options: &str, program: &str) -> String {
    let name = unique(name);
    let options = format!("--name {name} -v /share:/share {options} --entrypoint python3");
    bash(vm, &format!("docker run -d {options} {IMAGE} {program}"));
    wait_for(vm, &format!("docker logs {name} | grep ready"));
    name
}

/// Starts a container in which [`hostile.py`](../cases/faults/hostile.py) does `what`.
fn hostile(vm: &StudentVm, what: &str) -> String {
    python(vm, what, "", &format!("/share/hostile.py {what}"))
}

/// Starts a database as lab1 asks, but for its port and its table. On a network of its own: once it is stopped,
/// nobody else gets its address.
fn database(vm: &StudentVm) -> String {
    let name = unique("ams");
    let options = format!("--name {name} --network {name} -e POSTGRES_PASSWORD=password");
    bash(vm, &format!("docker network create {name}\ndocker run -d {options} {IMAGE}"));
    wait_for(vm, &format!("docker exec {name} psql -h 127.0.0.1 -U postgres -c 'SELECT 1'"));
    name
}

fn is_no_database(what: &str, bound: Bound, speaks: &str) {
    let Some(vm) = vm() else { return };
    let name = hostile(&vm, what);
    let run = labrun(&vm, "", &format!("{LAB1} --set container={name}"), bound);
    run.is_without_database("impostor");
    assert_eq!(run.report().checks().next().unwrap().mismatches[0].seen, speaks);
}

fn is_no_web_server(what: &str, bound: Bound, answer: &str) {
    let Some(vm) = vm() else { return };
    let name = hostile(&vm, what);
    let run = labrun(&vm, "", &format!("/share/http.yaml --set server={name}"), bound);
    run.is(1, &["status/ok fail(wrong)", "whole/complete fail(wrong)", "absence/no-secret fail(wrong)"]);
    assert_eq!(run.report().checks().nth(1).unwrap().mismatches[0].seen, answer);
}

/// A socket in `/share` on which everybody may knock.
fn listen(vm: &StudentVm, name: &str) -> UnixListener {
    let path = vm.share.path().join(name);
    let listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    listener
}

/// Runs lab1 with an engine that treats each question as `serve` does, and expects nothing to be known.
fn with_engine(name: &str, bound: Bound, serve: fn(UnixStream, &str)) {
    let Some(vm) = vm() else { return };
    let listener = listen(&vm, name);
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            thread::spawn(move || {
                let mut asked = vec![0; 8192];
                let n = client.read(&mut asked).unwrap_or(0);
                serve(client, &text(&asked[..n]));
            });
        }
    });
    labrun(&vm, &format!("DOCKER_HOST=unix:///share/{name}"), LAB1, bound).is_unknown("Docker");
}

const VERSION: &str = r#"{"Version":"26.1.5","ApiVersion":"1.41"}"#;

fn json_answer(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn drip(client: &mut UnixStream, answer: &str) {
    for byte in answer.as_bytes() {
        if client.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_secs(1));
    }
}
