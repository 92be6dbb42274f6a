//! Getting in: keys, passwords, machines on the way, and everything that keeps one out.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use labrun::verdict::Outcome;

use crate::ssh::{Visited, is_unknown, report, visit};
use crate::student_vm::engines;

const LAB: &str = "lab1/database";

/// In no time at all, or an hour's: a server is slow on purpose after a wrong password.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn a_visitor_gets_in_by_whatever_the_machine_takes() {
    let Some(engine) = engines().into_iter().next() else { return };
    let visited = Visited::start(&engine);
    let (home, url) = (visited.home.path(), visited.url(22));
    let (key, password) = (visited.key(), visited.file("password"));
    let (key, password) = (key.to_str().unwrap(), password.to_str().unwrap());
    let is_in = |words: &[&str]| {
        for check in report(&visit(home, &[&[LAB], words].concat())).checks() {
            assert_eq!(check.outcome, Outcome::Fail, "{words:?}: {}", serde_json::to_string(check).unwrap());
        }
    };
    is_in(&["--vm", &url, "--identity", key]);
    is_in(&["--vm", &url, "--password-file", password]);
    visited.sshd(2203, "-o PasswordAuthentication=no -o KbdInteractiveAuthentication=yes -o UsePAM=yes");
    is_in(&["--vm", &visited.url(2203), "--password-file", password]);

    // By the user's own configuration, through another machine.
    std::fs::copy(key, home.join("own-key")).unwrap();
    let address = &visited.address;
    let config = format!(
        "Host vm\n  HostName 127.0.0.1\n  HostKeyAlias {address}\n  Port 22\n  ProxyJump gate\nHost gate\n  HostName {address}\n  \
         Port 2203\nHost *\n  User linux-user\n  IdentityFile {}\n",
        home.join("own-key").display()
    );
    configure(home, &config);
    is_in(&["--vm", "ssh://vm"]);
    // What is reached through others is not seen from here.
    let through = report(&visit(home, &["lab1/ssh", "--vm", "ssh://vm"]));
    let answers = through.checks().find(|check| check.address == "lab1/ssh/answers").unwrap();
    assert_eq!(answers.outcome, Outcome::Deferred);
}

/// Has the visitor's `ssh` read this configuration.
fn configure(home: &Path, config: &str) {
    std::fs::write(home.join("config"), config).unwrap();
    let ssh = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", home.join("config").display());
    std::fs::write(home.join("ssh"), ssh).unwrap();
    std::fs::set_permissions(home.join("ssh"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A machine that knows nobody's key, and trusts an authority that signs them.
#[test]
fn a_certificate_is_shown_for_its_key() {
    let Some(engine) = engines().into_iter().next() else { return };
    let visited = Visited::start(&engine);
    let (home, url) = (visited.home.path(), visited.url(2204));
    let here = |line: &str| {
        let done = std::process::Command::new("sh").args(["-ec", line]).current_dir(home).output().unwrap();
        assert!(done.status.success(), "{}", crate::student_vm::text(&done.stderr));
    };
    let share = visited.vm.share.path().display();
    here(&format!(
        "ssh-keygen -q -t ed25519 -N '' -f authority; cp authority.pub {share}/; chmod 644 {share}/authority.pub
         for kind in ed25519 rsa; do
             ssh-keygen -q -t $kind -N '' -f $kind
             ssh-keygen -q -s authority -I a-student -n linux-user -V -5m:+1h $kind.pub
         done"
    ));
    let copied = visited.vm.bash("sudo install -m 644 /share/authority.pub /etc/ssh/authority.pub");
    assert!(copied.status.success());
    visited.sshd(
        2204,
        "-o TrustedUserCAKeys=/etc/ssh/authority.pub -o AuthorizedKeysFile=none -o PasswordAuthentication=no",
    );
    let look = |words: &[&str]| visit(home, &[&[LAB, "--vm", &url], words].concat());
    let is_in = |words: &[&str]| {
        let report = report(&look(words));
        let why = report.checks().find_map(|check| check.unknown.as_ref()).map(|doubt| &doubt.why.en);
        assert_eq!(report.outcome, Outcome::Fail, "{words:?}: {why:?}");
    };
    let file = |name: &str| home.join(name).display().to_string();

    // Beside its key, and where the configuration says.
    is_in(&["--identity", &file("ed25519")]);
    here("mkdir away; mv ed25519-cert.pub away/");
    let start = Instant::now();
    is_unknown(&look(&["--identity", &file("ed25519")]), &["does not let `linux-user` in"], start, SOON);
    let named = |rest: &str| format!("Host *\n  CertificateFile {}\n  {rest}\n", file("away/ed25519-cert.pub"));
    configure(home, &named(&format!("IdentityFile {}", file("ed25519"))));
    is_in(&[]);

    // russh cannot show that of an RSA key by itself, and says who can.
    let start = Instant::now();
    is_unknown(&look(&["--identity", &file("rsa")]), &["from the agent only", "ssh-add"], start, SOON);
    let agent = Agent::start(&home.join("agent"));
    for (key, config) in [
        ("ed25519", named(&format!("IdentityAgent {}", file("agent")))),
        ("rsa", format!("Host *\n  IdentityAgent {}\n", file("agent"))),
    ] {
        here(&format!("SSH_AUTH_SOCK=agent ssh-add -q -D; SSH_AUTH_SOCK=agent ssh-add -q {key}"));
        configure(home, &config);
        is_in(&[]);
    }
    drop(agent);
}

/// An agent that ends with its test.
struct Agent(std::process::Child);

impl Agent {
    fn start(socket: &Path) -> Agent {
        let agent =
            std::process::Command::new("ssh-agent").arg("-D").arg("-a").arg(socket).stdout(Stdio::null()).spawn();
        let agent = Agent(agent.unwrap());
        let start = Instant::now();
        while !socket.exists() && start.elapsed() < SOON {
            std::thread::sleep(Duration::from_millis(20));
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn whoever_is_kept_out_is_told_why() {
    let Some(engine) = engines().into_iter().next() else { return };
    let visited = Visited::start(&engine);
    let (home, url) = (visited.home.path(), visited.url(22));
    let key = visited.key();
    let key = key.to_str().unwrap();
    let wrong = visited.file("wrong");
    std::fs::write(&wrong, "not-linux\n").unwrap();
    let look = |words: &[&str], said: &[&str]| {
        let start = Instant::now();
        is_unknown(&visit(home, &[&[LAB], words].concat()), said, start, SOON);
    };
    look(
        &["--vm", &url, "--password-file", wrong.to_str().unwrap()],
        &["does not let `linux-user` in", "not the right one"],
    );
    look(&["--vm", &url], &["does not let `linux-user` in", "--password-file"]);
    look(&["--vm", &url, "--password-file", "/nonexistent"], &["/nonexistent"]);
    look(&["--vm", "ssh://linux-user@127.0.0.1:1"], &["127.0.0.1:1 cannot be reached"]);
    look(&["--vm", "ssh://linux-user@no-such-host.invalid"], &["no-such-host.invalid", "no address"]);

    // A machine that nobody knows: refused, accepted when asked to, known from then on, and no other in its place.
    let known = visited.file("known_hosts");
    let of_the_vm = std::fs::read_to_string(&known).unwrap();
    std::fs::write(&known, "").unwrap();
    look(&["--vm", &url, "--identity", key], &["is not known yet: ssh-ed25519 SHA256:", "--accept-new-host-key"]);
    assert_eq!(std::fs::read_to_string(&known).unwrap(), "");
    let accepted = visit(home, &[LAB, "--vm", &url, "--identity", key, "--accept-new-host-key"]);
    assert_eq!(report(&accepted).outcome, Outcome::Fail);
    assert!(crate::student_vm::text(&accepted.stderr).contains("SHA256:"));
    let again = visit(home, &[LAB, "--vm", &url, "--identity", key]);
    assert_eq!(report(&again).outcome, Outcome::Fail);
    let words: Vec<&str> = of_the_vm.split_whitespace().take(2).collect();
    let another = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    std::fs::write(&known, format!("{} {} {another}\n", visited.address, words[1])).unwrap();
    let changed = &["--vm", &url, "--identity", key, "--accept-new-host-key"];
    look(changed, &["is not the one in", "ssh-keygen -R"]);
}

#[test]
fn a_user_without_docker_is_told_what_is_missing() {
    let Some(engine) = engines().into_iter().next() else { return };
    let visited = Visited::start(&engine);
    let made = visited.vm.bash(
        "sudo useradd -m eva && sudo install -d -m 700 -o eva ~eva/.ssh && \
         sudo install -m 600 -o eva ~/.ssh/authorized_keys ~eva/.ssh/authorized_keys",
    );
    assert!(made.status.success());
    let url = visited.url(22).replace("linux-user", "eva");
    let start = Instant::now();
    let output = visit(visited.home.path(), &[LAB, "--vm", &url, "--identity", visited.key().to_str().unwrap()]);
    is_unknown(&output, &["your user may not use the Docker engine", "usermod -aG docker"], start, SOON);
    visited
        .vm
        .bash("sudo pkill -x dockerd; for _ in $(seq 50); do [ -S /var/run/docker.sock ] || break; sleep 0.1; done");
    let start = Instant::now();
    is_unknown(&visited.check(22, &[LAB]), &["Docker engine"], start, SOON);
}
