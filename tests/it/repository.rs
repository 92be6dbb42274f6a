//! Repositories brought up in a sandbox on a student VM's engine, which stands for the machine of whoever grades: a good
//! one passes what can be judged from nothing, and hostile ones leave that machine as it was.

use std::path::Path;
use std::time::{Duration, Instant};

use labrun::verdict::{CheckResult, Outcome, Report};

use crate::student_vm::{StudentVm, engines, text};

/// The world names the image after its recipe; a VM has it under the name that labrun looks for.
const IMAGE: &str = "labrun-sandbox";

/// What must be as it was: containers, networks, volumes, listeners, processes, files, and what is left of memory.
const STATE: &str = r#"
docker ps -aq --no-trunc | sort
docker network ls -q --no-trunc | sort
docker volume ls -q | sort
ss -Hltn | awk '{ print $4 }' | sort
ps -eo user:20,comm --no-headers | grep -v -E ' (ps|sort|uniq|bash|grep|timeout|containerd-shim.*)$' | sort | uniq -c
ls -A / /tmp /home /home/linux-user
sysctl -n kernel.panic net.ipv4.ip_forward
"#;

/// The grader's machine, with the hostile and the good repositories of `tests/cases/repositories` in `~/repositories`.
fn grader(engine: &str) -> StudentVm {
    let vm = StudentVm::with_memory(engine, "8g");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/repositories");
    let copied = std::process::Command::new("cp").arg("-a").arg(&cases).arg(vm.share.path()).status().unwrap();
    assert!(copied.success());
    bash(&vm, &format!("docker image inspect {IMAGE} >/dev/null && cp -a /share/repositories ~/repositories"));
    // Sparse, so that the test itself needs no room.
    bash(&vm, "truncate -s 1T ~/repositories/huge-build/huge; mkfifo ~/repositories/never-ready/pipe");
    vm
}

fn bash(vm: &StudentVm, script: &str) -> String {
    let done = vm.bash(&format!("set -eu -o pipefail\n{script}"));
    assert!(done.status.success(), "{script}: {}{}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

/// A run: its report, what it said beside it, and how long it took.
struct Run {
    report: Report,
    said: String,
    took: Duration,
}

impl Run {
    fn check(&self, address: &str) -> &CheckResult {
        let found = self.report.checks().find(|check| check.address == address);
        found.unwrap_or_else(|| panic!("no {address}"))
    }

    fn remarks(&self) -> String {
        self.report.remarks.iter().map(|remark| format!("{}\n", remark.en)).collect()
    }
}

/// Checks `~/repositories/NAME`.
fn check(vm: &StudentVm, labs: &str, name: &str, options: &str) -> Run {
    let begun = Instant::now();
    let command =
        format!("cd /tmp && /share/labrun check {labs} --repo ~/repositories/{name} --format json --lang en {options}");
    // `world exec` itself waits for ever.
    let done = vm.bash(&format!("timeout -k 5 600 bash -c '{command}'"));
    let report = serde_json::from_slice(&done.stdout);
    let report = report.unwrap_or_else(|_| panic!("{name} {options}: {:?} {}", done.status, text(&done.stderr)));
    Run { report, said: text(&done.stderr), took: begun.elapsed() }
}

/// What every run must come to, however hostile the repository: an end in time, and a machine as before.
fn leaves_the_machine_alone(vm: &StudentVm, before: &str, run: &Run, name: &str) {
    eprintln!("{name}: {:?} in {:.1} s\n{}", run.report.outcome, run.took.as_secs_f32(), run.remarks());
    assert!(run.took < Duration::from_secs(420), "{name} took {:?}", run.took);
    assert_ne!(run.report.outcome, Outcome::Pass, "{name}");
    // The engine takes a moment to remove what has ended.
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut after = bash(vm, STATE);
    while after != *before && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(500));
        after = bash(vm, STATE);
    }
    assert_eq!(after, *before, "{name}");
}

#[test]
fn a_good_repository_passes_what_can_be_judged_from_nothing() {
    for engine in engines().iter().filter(|engine| *engine == "26") {
        let vm = grader(engine);
        let before = bash(&vm, STATE);
        let run = check(&vm, "lab2/data lab4 lab5", "good", "");
        let outcomes: String =
            run.report.checks().map(|check| format!("{} {:?}\n", check.address, check.outcome)).collect();
        let failed: Vec<&CheckResult> =
            run.report.checks().filter(|check| !matches!(check.outcome, Outcome::Pass | Outcome::Deferred)).collect();
        assert!(failed.is_empty(), "{outcomes}{failed:#?}{}", run.said);
        for address in [
            "lab2/data/outlives",
            "lab4/database/exists",
            "lab4/database/trigrams",
            "lab4/compose/described",
            "lab4/compose/from-nothing",
            "lab5/shared/both",
        ] {
            assert_eq!(run.check(address).outcome, Outcome::Pass, "{outcomes}");
        }
        // Nobody went through the installer.
        assert_eq!(run.check("lab4/first/answers").outcome, Outcome::Deferred, "{outcomes}");
        assert_eq!(run.report.student.as_deref(), Some("ana"));
        assert!(run.said.contains("a container without privileges"), "{}", run.said);
        assert_eq!(bash(&vm, STATE), before);
    }
}

#[test]
fn every_way_of_looking_works_in_a_sandbox_as_on_a_machine() {
    for engine in engines().iter().filter(|engine| *engine == "26") {
        let vm = grader(engine);
        let run = check(&vm, "lab1 lab2 lab3 lab6 lab7", "all-at-once", "--timeout 90s");
        let unknown: Vec<&CheckResult> =
            run.report.checks().filter(|check| check.outcome == Outcome::Unknown).collect();
        assert!(unknown.is_empty(), "{unknown:#?}{}", run.said);
        for address in [
            "lab1/database/runs",
            "lab1/login/refuses",
            "lab1/port/bound",
            "lab2/data/outlives",
            "lab2/recreated/tried",
            "lab3/manager/kept",
            "lab3/login/accepts",
            "lab3/reach/apart",
            "lab6/root/runs",
            "lab6/user/runs",
            "lab7/server/runs",
            "lab7/inside/listens",
            "lab7/isolation/apart",
        ] {
            assert_eq!(run.check(address).outcome, Outcome::Pass, "{address}: {:#?}", run.check(address));
        }
    }
}

#[test]
fn what_no_lab_needs_is_refused_before_anything_is_run() {
    for engine in engines().iter().filter(|engine| *engine == "26") {
        let vm = grader(engine);
        let before = bash(&vm, STATE);
        for (name, refusals) in [
            ("privileged", &["`compose.yaml`, `ams`: `privileged`", "`cap_add`", "`pid`", "`security_opt`"][..]),
            (
                "host-mounts",
                &[
                    "`network_mode` shares",
                    "`volumes` shares something of the machine itself with the container (`/`)",
                    "`volumes.planted`: `driver_opts.device`",
                ],
            ),
            (
                "paths-out",
                &[
                    "`include` leads out",
                    "`env_file` leads out",
                    "`extends` leads out",
                    "`.env`: `COMPOSE_FILE` makes compose read other files",
                ],
            ),
            ("symlinks", &["`all`: `symlink` leads out of the repository (`/`)", "`sly`", "`secrets.env`"]),
            ("port-storm", &["`ports` is more than a lab needs"]),
            ("huge-build", &["`repository` is more than a lab needs (at most 64 MiB)"]),
        ] {
            let run = check(&vm, "lab1", name, "");
            let remarks = run.remarks();
            for refusal in refusals {
                assert!(remarks.contains(refusal), "{name}: {refusal}: {remarks}");
            }
            assert!(remarks.contains("the repository is not brought up"), "{name}: {remarks}");
            assert_eq!(run.check("lab1/database/runs").outcome, Outcome::Fail, "{name}");
            assert!(run.took < Duration::from_secs(120), "{name}: {:?}", run.took);
            leaves_the_machine_alone(&vm, &before, &run, name);
        }
        // A refused file is described, and comes up from nothing no more than otherwise.
        let run = check(&vm, "lab4/compose", "privileged", "");
        assert_ne!(run.check("lab4/compose/from-nothing").outcome, Outcome::Pass);
        // That a student's file is a link is said, and what it leads to is not read.
        let run = check(&vm, "lab1", "symlinks", "");
        assert!(run.remarks().contains("it is a symbolic link") && !run.remarks().contains("root:"));
    }
}

/// Where the machine itself is thrown away nothing stands before it but the policy, and whoever reads along is told.
#[test]
fn on_a_machine_that_is_thrown_away_the_policy_stands_alone_and_that_is_said() {
    for engine in engines().iter().filter(|engine| *engine == "26") {
        let vm = grader(engine);
        // The docker client has a folder there once it has built something.
        bash(&vm, "mkdir -p ~/.docker");
        // What was there before, called as a repository that is refused calls itself.
        let there = "services: {web: {image: nginx, volumes: [kept:/kept]}}\nvolumes: {kept: {}}\n";
        bash(
            &vm,
            &format!(
                "mkdir there && printf '{there}' > there/compose.yaml && cd there && docker compose -p privileged up -d"
            ),
        );
        let before = bash(&vm, STATE);
        for policy in ["", "--policy warn"] {
            let run = check(&vm, "lab1", "privileged", &format!("--sandbox this-machine {policy}"));
            assert!(run.said.contains("BEWARE: the repository is brought up on this very machine"), "{}", run.said);
            assert!(run.remarks().contains("the repository is not brought up: "), "{}", run.remarks());
            assert_eq!(run.check("lab1/database/runs").outcome, Outcome::Fail);
            leaves_the_machine_alone(&vm, &before, &run, "privileged");
        }
        let run = check(&vm, "lab2/data lab4/database", "good", "--sandbox this-machine");
        assert!(run.said.contains("BEWARE: ") && !run.said.contains("without privileges"), "{}", run.said);
        assert!(run.report.checks().all(|check| check.outcome == Outcome::Pass), "{:#?}", run.report);
        // The image that it built stays, as on any machine that is thrown away.
        assert_eq!(bash(&vm, STATE), before);
    }
}

#[test]
fn the_sandbox_holds_when_the_policy_does_not() {
    for engine in engines().iter().filter(|engine| *engine == "26") {
        let vm = grader(engine);
        let before = bash(&vm, STATE);
        bash(&vm, "rm ~/repositories/huge-build/huge; rm -f ~/repositories/never-ready/pipe");
        for (name, options) in [
            ("privileged", ""),
            ("host-mounts", ""),
            ("paths-out", ""),
            ("symlinks", ""),
            ("fork-bomb", ""),
            ("port-storm", ""),
            ("endless-logs", ""),
            // It takes all the time that it is given.
            ("never-ready", "--up-timeout 20s"),
            ("huge-build", ""),
        ] {
            let options = format!("--policy warn --sandbox-memory 2g --sandbox-disk 1g {options}");
            let run = check(&vm, "lab1", name, &options);
            leaves_the_machine_alone(&vm, &before, &run, name);
        }
        let owned = "find / -xdev -name owned -not -path '/proc/*' 2>/dev/null | head";
        assert_eq!(bash(&vm, &format!("sudo sh -c \"{owned}\" || true")), "");
        // Beside what was done to it, this machine still works.
        assert_eq!(bash(&vm, "docker run --rm ubuntu echo well"), "well\n");
    }
}

#[test]
fn the_repositories_of_a_class_get_their_marks_each_from_a_sandbox_of_its_own() {
    for engine in engines().iter().filter(|engine| *engine == "26") {
        let vm = grader(engine);
        let before = bash(&vm, STATE);
        let roster = "labrun: roster/v1\nstudents:\n\
                      - {id: ana, repository: repositories/good}\n\
                      - {id: bob, repository: repositories/privileged}\n\
                      - {id: eva, repository: repositories/nowhere}\n";
        let class = format!(
            "printf '{roster}' > ~/roster.yaml; cd ~; \
             timeout -k 5 500 /share/labrun class lab4 --roster roster.yaml --out ~/MARKS --jobs 2 --lang en >&2 || true; \
             cat ~/MARKS/class.json; rm -r ~/MARKS ~/roster.yaml"
        );
        let class: serde_json::Value = serde_json::from_str(&bash(&vm, &class)).unwrap();
        let marks: Vec<String> = class["students"]
            .as_array()
            .unwrap()
            .iter()
            .map(|student| {
                let points = &student["points"];
                let has = |name: &str| points[name].as_f64().unwrap() > 0.0;
                let parts = ["earned", "lost", "undetermined"].into_iter().filter(|name| has(name));
                format!("{}: {}", student["id"].as_str().unwrap(), parts.collect::<Vec<_>>().join(", "))
            })
            .collect();
        assert_eq!(marks, ["ana: earned", "bob: lost", "eva: undetermined"], "{class}");
        assert_eq!(bash(&vm, STATE), before);
    }
}

#[test]
fn two_at_once_do_not_disturb_each_other_and_a_killed_run_leaves_nothing() {
    for engine in engines().iter().filter(|engine| *engine == "26") {
        let vm = grader(engine);
        let before = bash(&vm, STATE);
        let both = "cd /tmp; for n in 1 2; do
               /share/labrun check lab4/database --repo ~/repositories/good --format json --lang en > /tmp/$n.json 2> /tmp/$n.err &
             done; wait; cat /tmp/1.json /tmp/2.json; rm /tmp/?.json /tmp/?.err";
        let said = bash(&vm, both);
        let reports: Vec<Report> = serde_json::Deserializer::from_str(&said).into_iter().map(Result::unwrap).collect();
        assert_eq!(reports.len(), 2);
        for report in &reports {
            assert!(report.checks().all(|check| check.outcome == Outcome::Pass), "{report:#?}");
        }
        assert_eq!(bash(&vm, STATE), before);
        let killed = "cd /tmp; /share/labrun check lab4 --repo ~/repositories/good >/dev/null 2>&1 & run=$!
             for try in $(seq 200); do docker ps --format '{{.Names}}' | grep -q labrun-sandbox && break; sleep 0.1; done
             docker ps --format '{{.Names}}' | grep -c labrun-sandbox; sleep 5; kill -9 $run
             for try in $(seq 100); do docker ps -a --format '{{.Names}}' | grep -q labrun-sandbox || break; sleep 0.1; done";
        assert_eq!(bash(&vm, killed), "1\n");
        assert_eq!(bash(&vm, STATE), before);
    }
}
