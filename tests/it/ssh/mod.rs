//! Machines reached over SSH: what is seen of them is what is seen from inside, and what cannot be seen says why.

mod hostile;
mod latency;
mod outside;
mod same;
mod unseen;
mod ways_in;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use labrun::verdict::{CheckResult, Outcome, Report};

use crate::student_vm::{StudentVm, text};

/// A student VM, and a folder with what its visitor has: keys, a password, known hosts.
pub struct Visited {
    vm: StudentVm,
    address: String,
    home: tempfile::TempDir,
}

impl Visited {
    /// A VM that its visitor knows, with a key and the password to get in.
    fn start(engine: &str) -> Visited {
        let vm = StudentVm::start(engine);
        let prepared = vm.bash(
            "ssh-keygen -q -t ed25519 -N '' -f /share/key && mkdir -p -m 700 ~/.ssh && \
             cat /share/key.pub >> ~/.ssh/authorized_keys && sudo chmod 644 /share/key && sudo mkdir -p /run/sshd && \
             ip route get 192.0.2.1 | grep -oP 'src \\K\\S+' && cat /etc/ssh/ssh_host_ed25519_key.pub",
        );
        let said = text(&prepared.stdout);
        let (address, key) = said.trim().split_once('\n').unwrap_or_else(|| panic!("{}", text(&prepared.stderr)));
        let home = tempfile::tempdir().unwrap();
        let key: Vec<&str> = key.split(' ').collect();
        // Every port that a test puts an SSH server of this VM at.
        let ports = ["22", "2200", "2201", "2202", "2203", "2204"];
        let known =
            ports.map(|port| format!("[{address}]:{port} {} {}\n{address} {} {}\n", key[0], key[1], key[0], key[1]));
        std::fs::write(home.path().join("known_hosts"), known.concat()).unwrap();
        std::fs::write(home.path().join("password"), "linux\n").unwrap();
        Visited { address: address.to_owned(), home, vm }
    }

    /// One more SSH server in the VM, at `port`, with these options.
    fn sshd(&self, port: u16, options: &str) {
        let started = self.vm.bash(&format!("sudo /usr/sbin/sshd -p {port} -o PidFile=none {options}"));
        assert!(started.status.success(), "{}", text(&started.stderr));
    }

    fn url(&self, port: u16) -> String {
        format!("ssh://linux-user@{}:{port}", self.address)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn key(&self) -> PathBuf {
        self.vm.share.path().join("key")
    }

    /// `labrun check` from here, with the key and the known hosts.
    fn check(&self, port: u16, words: &[&str]) -> Output {
        let (key, url) = (self.key(), self.url(port));
        let words = [&["--vm", &url, "--identity", key.to_str().unwrap()], words].concat();
        visit(self.home.path(), &words)
    }
}

/// `labrun check` as a user whose home is `home`, who has no agent and nobody at the terminal.
fn visit(home: &Path, words: &[&str]) -> Output {
    let known = home.join("known_hosts");
    let path = format!("{}:/usr/bin:/bin", home.display());
    Command::new(env!("CARGO_BIN_EXE_labrun"))
        .arg("check")
        .args(words)
        .args(["--lang", "en", "--format", "json", "--known-hosts", known.to_str().unwrap()])
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .current_dir(home)
        .output()
        .unwrap()
}

/// The report that a run printed.
fn report(output: &Output) -> Report {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", text(&output.stdout), text(&output.stderr)))
}

/// Asserts that nothing is known of the machine, because of `words`; in no more time than that.
#[track_caller]
fn is_unknown(output: &Output, words: &[&str], start: Instant, limit: Duration) {
    let took = start.elapsed();
    let report = report(output);
    for check in report.checks() {
        assert!(
            matches!(check.outcome, Outcome::Unknown | Outcome::Deferred),
            "{}: {:?}",
            check.address,
            check.outcome
        );
        let Some(doubt) = &check.unknown else { continue };
        for word in words {
            assert!(doubt.why.en.contains(word), "{}: {}", check.address, doubt.why.en);
        }
        assert!(!doubt.why.es.is_empty() && doubt.why.es != doubt.why.en);
    }
    assert!(report.checks().any(|check| check.unknown.is_some()));
    assert_eq!(output.status.code(), Some(4));
    assert!(took < limit, "{took:?}");
}

/// What a report says of a check, but for what time alone changes.
fn essence(check: &CheckResult) -> serde_json::Value {
    fn timeless(value: &mut serde_json::Value) {
        if let Some(object) = value.as_object_mut() {
            ["took_ms", "uptime_s", "ran_s"].iter().for_each(|name| drop(object.remove(*name)));
            object.values_mut().for_each(timeless);
        }
        value.as_array_mut().into_iter().flatten().for_each(timeless);
    }
    // The mark of a run is in the commands that it tells.
    let marks = regex::Regex::new("[0-9a-f]{16}").unwrap();
    let text = serde_json::to_string(check).unwrap();
    let mut essence: serde_json::Value = serde_json::from_str(&marks.replace_all(&text, "MARK")).unwrap();
    // What a verdict rests on was seen at another moment, with other numbers in it; what it comes to is not another one.
    essence.as_object_mut().unwrap().remove("sights");
    timeless(&mut essence);
    if check.address.starts_with("lab5/") {
        // How many of a hundred requests went where is another number each time; what it comes to is not.
        essence.as_object_mut().unwrap().remove("mismatches");
    }
    essence
}
