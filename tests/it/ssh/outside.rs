//! The machine seen from outside: claims that only a grader who stands there can judge, seen to hold and to fail.

use std::time::{Duration, Instant};

use labrun::verdict::Outcome;

use crate::ssh::latency::Relay;
use crate::ssh::{Visited, is_unknown, report, visit};
use crate::student_vm::{engines, text};

const DATABASE: &str = "docker network create internal && docker run -d --name ams --network internal -p 5432:5432 \
    -e POSTGRES_PASSWORD=password -v ams-vol:/var/lib/postgresql/data postgres:14.1-alpine && \
    until docker exec ams psql -h 127.0.0.1 -U postgres -c 'SELECT 1'; do sleep 0.2; done";

#[track_caller]
fn comes_to(output: &std::process::Output, address: &str, outcome: Outcome) {
    let report = report(output);
    let check = report.checks().find(|check| check.address == address).unwrap();
    assert_eq!(check.outcome, outcome, "{}", serde_json::to_string(check).unwrap());
}

#[test]
fn what_the_outside_sees_holds_and_fails() {
    let Some(engine) = engines().into_iter().next() else { return };
    let visited = Visited::start(&engine);
    let done = visited.vm.bash(DATABASE);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let labs = ["lab1/ssh", "lab3/closed"];

    // The VM's address shows all its ports: SSH, and the database that the lab wants closed.
    let open = visited.check(22, &labs);
    comes_to(&open, "lab1/ssh/answers", Outcome::Pass);
    comes_to(&open, "lab3/closed/database", Outcome::Fail);

    // Behind an address that only leads to SSH, at a port of its own, the database is closed and SSH is open.
    let relay = Relay::to(&visited.address, 22, Duration::ZERO);
    let known = std::fs::read_to_string(visited.file("known_hosts")).unwrap();
    let key: Vec<&str> = known.split_whitespace().skip(1).take(2).collect();
    std::fs::write(visited.file("known_hosts"), format!("{known}[127.0.0.1]:{} {} {}\n", relay.port, key[0], key[1]))
        .unwrap();
    let url = format!("ssh://linux-user@127.0.0.1:{}", relay.port);
    let identity = visited.key();
    let identity = identity.to_str().unwrap();
    let forwarded = |words: &[&str]| {
        visit(visited.home.path(), &[&labs[..], &["--vm", &url, "--identity", identity], words].concat())
    };
    let closed = forwarded(&[]);
    comes_to(&closed, "lab1/ssh/answers", Outcome::Pass);
    comes_to(&closed, "lab3/closed/database", Outcome::Pass);
    // The same machine, said to be seen at an address of its own: its key is the proof.
    let seen = forwarded(&["--outside", &visited.address]);
    comes_to(&seen, "lab1/ssh/answers", Outcome::Pass);
    comes_to(&seen, "lab3/closed/database", Outcome::Fail);

    // Another machine's SSH proves nothing.
    let other = Visited::start(&engine);
    let anew = other.vm.bash(
        "sudo rm /etc/ssh/ssh_host_ed25519_key && sudo ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key && \
         sudo kill -HUP $(sudo cat /run/sshd.pid) && sleep 0.5",
    );
    assert!(anew.status.success(), "{}", text(&anew.stderr));
    let start = Instant::now();
    let elsewhere =
        visit(visited.home.path(), &["lab1/ssh", "--vm", &url, "--identity", identity, "--outside", &other.address]);
    let answers = report(&elsewhere);
    let answers = answers.checks().find(|check| check.address == "lab1/ssh/answers").unwrap();
    let doubt = answers.unknown.as_ref().unwrap();
    assert!(doubt.why.en.contains("does not show the SSH key"), "{}", doubt.why.en);
    assert!(start.elapsed() < Duration::from_secs(20));

    // A machine whose SSH listens elsewhere than the lab wants it: nobody answers at the port it names.
    visited.sshd(2204, "");
    let stopped = visited.vm.bash("sudo kill $(sudo cat /run/sshd.pid) && sleep 0.3");
    assert!(stopped.status.success(), "{}", text(&stopped.stderr));
    comes_to(&visited.check(2204, &labs), "lab1/ssh/answers", Outcome::Fail);
}

#[test]
fn a_machine_that_nobody_reaches_is_not_seen_from_outside_either() {
    let home = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let output = visit(home.path(), &["lab1", "--vm", "ssh://linux-user@127.0.0.1:1"]);
    is_unknown(&output, &["127.0.0.1:1 cannot be reached"], start, Duration::from_secs(15));
}
