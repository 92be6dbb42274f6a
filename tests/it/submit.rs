//! Evidence that is handed in: signed, bound to a code, verified without the machine and on it. What is looked at are
//! files of a folder, so that no engine is needed; signatures are also made and checked by OpenSSH itself.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::cargo_bin_cmd;
use labrun::evidence::chain::{seal, verify};
use labrun::evidence::{Credit, CreditSource, Evidence};
use labrun::verdict::{Outcome, Report};
use tempfile::TempDir;

use crate::student_vm::text;

/// A lab of four claims about files; the third leans on the second.
const LAB: &str = "labrun: lab/v1
id: files
title: {es: x, en: x}
params: {folder: /nonexistent}
steps:
  - id: s
    title: {es: x, en: x}
    checks:
      - {id: one, points: 1, claim: {es: x, en: x}, probe: {command: {run: [cat, '${folder}/one']}}, expect: {stdout: {contains: right}}, hints: [{id: h, say: [{es: x, en: x}]}]}
      - {id: two, points: 1, claim: {es: x, en: x}, probe: {command: {run: [cat, '${folder}/two']}}, expect: {stdout: {contains: right}}, hints: [{id: h, say: [{es: x, en: x}]}]}
      - {id: three, points: 1, needs: [two], claim: {es: x, en: x}, probe: {command: {run: [cat, '${folder}/three']}}, expect: {stdout: {contains: right}}, hints: [{id: h, say: [{es: x, en: x}]}]}
      - {id: outside, points: 1, from: grader, claim: {es: x, en: x}, probe: {reach: {to: 'outward:1'}}, expect: {connection: connected}, hints: [{id: h, say: [{es: x, en: x}]}]}
";

/// A folder with the lab and the files it asks for.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("files.yaml"), LAB).unwrap();
    for name in ["one", "two", "three"] {
        std::fs::write(folder.path().join(name), "right").unwrap();
    }
    folder
}

fn labrun(folder: &Path, args: &[&str]) -> Output {
    let mut labrun = cargo_bin_cmd!("labrun");
    labrun.current_dir(folder).args(args).env("XDG_STATE_HOME", folder.join(".state")).env("HOME", "/nonexistent");
    labrun.env("DOCKER_HOST", "unix:///nonexistent/docker.sock").env_remove("CI").output().unwrap()
}

/// Looks at the files, and writes `e.json`.
fn checked(folder: &Path, command: &str, more: &[&str]) -> Output {
    let set = format!("folder={}", folder.display());
    let args = [command, "files.yaml", "--set", &set, "--evidence", "e.json", "--lang", "en"];
    labrun(folder, &[&args, more].concat())
}

fn verified(folder: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output = labrun(folder, &[&["verify", "e.json", "--lab", "files.yaml", "--lang", "en"], more].concat());
    assert_eq!(text(&output.stderr), "", "{}", text(&output.stdout));
    (output.status.code(), text(&output.stdout))
}

fn ssh_keygen(folder: &Path, args: &[&str], stdin: &[u8]) -> Output {
    let mut keygen = Command::new("ssh-keygen");
    keygen.current_dir(folder).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = keygen.spawn().expect("ssh-keygen, of openssh-client");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin).unwrap();
    child.wait_with_output().unwrap()
}

/// Makes a key, and names its owner in `signers`.
fn key(folder: &Path, kind: &[&str], passphrase: &str) {
    let made = ssh_keygen(folder, &[&["-q", "-N", passphrase, "-f", "key", "-t"], kind].concat(), b"");
    assert!(made.status.success(), "{}", text(&made.stderr));
    let public = std::fs::read_to_string(folder.join("key.pub")).unwrap();
    std::fs::write(folder.join("signers"), format!("ana@example.org namespaces=\"labrun-evidence\" {public}")).unwrap();
}

#[test]
fn openssh_verifies_what_labrun_signs_and_labrun_what_openssh_signs() {
    for kind in [&["ed25519"][..], &["ecdsa", "-b", "256"], &["rsa", "-b", "2048"]] {
        let folder = folder();
        let folder = folder.path();
        key(folder, kind, "");
        assert_eq!(checked(folder, "check", &["--sign", "key"]).status.code(), Some(0));
        let evidence = std::fs::read(folder.join("e.json")).unwrap();
        let by_openssh = |message: &[u8]| {
            let who = ["-f", "signers", "-I", "ana@example.org", "-n", "labrun-evidence", "-s", "e.json.sig"];
            ssh_keygen(folder, &[&["-Y", "verify"], &who[..]].concat(), message)
        };
        let said = by_openssh(&evidence);
        assert!(
            said.status.success() && text(&said.stdout).starts_with("Good \"labrun-evidence\" signature"),
            "{kind:?}"
        );
        assert!(!by_openssh(&[&evidence[..], b" "].concat()).status.success());
        let (code, shown) = verified(folder, &["--allowed-signers", "signers"]);
        assert!(code == Some(0) && shown.contains("✔ signature  by ana@example.org, with SHA256:"), "{shown}");

        std::fs::remove_file(folder.join("e.json.sig")).unwrap();
        let signed = ssh_keygen(folder, &["-q", "-Y", "sign", "-f", "key", "-n", "labrun-evidence", "e.json"], b"");
        assert!(signed.status.success(), "{}", text(&signed.stderr));
        let (code, shown) = verified(folder, &["--allowed-signers", "signers"]);
        assert!(code == Some(0) && shown.contains("by ana@example.org"), "{kind:?}: {shown}");
    }
}

#[test]
fn a_signature_of_another_key_or_for_something_else_or_none_is_found() {
    let folder = folder();
    let folder = folder.path();
    key(folder, &["ed25519"], "");
    checked(folder, "check", &[]);
    let (code, shown) = verified(folder, &["--allowed-signers", "signers"]);
    assert!(code == Some(1) && shown.contains("✘ signature  it is not signed"), "{shown}");
    // Nobody asked whether it is signed.
    assert_eq!(verified(folder, &[]).0, Some(0));

    ssh_keygen(folder, &["-q", "-Y", "sign", "-f", "key", "-n", "file", "e.json"], b"");
    let (code, shown) = verified(folder, &[]);
    assert!(code == Some(1) && shown.contains("✘ signature  it was made for something else"), "{shown}");

    checked(folder, "check", &["--sign", "key"]);
    let signers = std::fs::read_to_string(folder.join("signers")).unwrap();
    std::fs::write(folder.join("others"), signers.replace("labrun-evidence", "git")).unwrap();
    let (code, shown) = verified(folder, &["--allowed-signers", "others"]);
    assert!(code == Some(1) && shown.contains("it is by a key that nobody names: SHA256:"), "{shown}");
    let (code, shown) = verified(folder, &[]);
    assert!(code == Some(0) && shown.contains("✔ signature  right, with SHA256:"), "{shown}");

    let evidence = std::fs::read_to_string(folder.join("e.json")).unwrap();
    std::fs::write(folder.join("e.json"), evidence + "\n").unwrap();
    let (code, shown) = verified(folder, &[]);
    assert!(code == Some(1) && shown.contains("✘ signature  it is not that of this file"), "{shown}");
}

#[test]
fn a_key_that_cannot_be_used_is_known_before_anything_is_looked_at() {
    let folder = folder();
    let folder = folder.path();
    key(folder, &["ed25519"], "secret");
    for (file, said) in [
        ("key", "labrun: key: it has a passphrase, and there is no terminal to type that at\n"),
        ("key.pub", "labrun: key.pub: no private key that labrun can read; `ssh-keygen -t ed25519` makes one\n"),
        ("none", "labrun: none: No such file or directory (os error 2)\n"),
    ] {
        let output = checked(folder, "check", &["--sign", file]);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(2), said));
        assert!(!folder.join("e.json").exists());
    }
    let output = labrun(folder, &["check", "files.yaml", "--sign", "key"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--evidence"), "{}", text(&output.stderr));
}

#[test]
fn a_submission_carries_the_code_and_says_what_to_hand_in() {
    let folder = folder();
    let folder = folder.path();
    key(folder, &["ed25519"], "");
    let output = checked(folder, "submit", &["--challenge", "K7QX-4M2P", "--student", "ana", "--sign", "key"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    assert!(said.starts_with("labrun: hand in e.json and e.json.sig, and change nothing in it\n"), "{said}");
    assert!(
        said.contains("the code K7QX-4M2P") && said.contains("it does not contain: values of environment"),
        "{said}"
    );
    let read = || -> Evidence { serde_json::from_slice(&std::fs::read(folder.join("e.json")).unwrap()).unwrap() };
    assert_eq!((read().challenge.as_deref(), read().student.as_deref()), (Some("K7QX-4M2P"), Some("ana")));
    assert_eq!(verify(&read()), Ok(()));
    let (code, shown) = verified(folder, &["--challenge", "K7QX-4M2P"]);
    assert!(code == Some(0) && shown.contains("✔ challenge  K7QX-4M2P: made after it was published"), "{shown}");
    let (code, shown) = verified(folder, &["--challenge", "other"]);
    assert!(code == Some(1) && shown.contains("✘ challenge  it carries another: K7QX-4M2P"), "{shown}");

    // By default it has a name of its own; without a code it is no submission.
    let set = format!("folder={}", folder.display());
    let output = labrun(folder, &["submit", "files.yaml", "--set", &set, "--challenge", "x"]);
    assert!(output.status.success() && folder.join("submission.json").exists(), "{}", text(&output.stderr));
    let output = labrun(folder, &["submit", "files.yaml"]);
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (Some(2), "labrun: submit needs `--challenge CODE`: the code that your teacher published\n")
    );
}

#[test]
fn credit_is_its_writer_s_word_and_who_judges_says_what_is_judged() {
    let folder = folder();
    let folder = folder.path();
    std::fs::create_dir(folder.join("labs")).unwrap();
    std::fs::copy(folder.join("files.yaml"), folder.join("labs/files.yaml")).unwrap();
    std::fs::write(folder.join("two"), "wrong").unwrap();
    checked(folder, "check", &[]);
    let mut forged: Evidence = serde_json::from_slice(&std::fs::read(folder.join("e.json")).unwrap()).unwrap();
    let at = forged.finished.clone();
    forged.credit = vec![Credit { check: "files/s/two".to_owned(), at, source: CreditSource::Grader }];
    forged.self_reported_counts = true;
    seal(&mut forged);
    std::fs::write(folder.join("e.json"), serde_json::to_string(&forged).unwrap()).unwrap();
    let (code, shown) = verified(folder, &[]);
    let line = "? credit     files/s/two: only the record of whoever handed it in says so (";
    assert!(code == Some(4) && shown.contains(line), "{shown}");

    let judged = |more: &[&str]| -> Vec<Outcome> {
        let output = labrun(folder, &[&["judge", "e.json", "--labs", "labs", "--format", "json"], more].concat());
        let report: Report =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        report.checks().map(|check| check.outcome).collect()
    };
    use Outcome::{Deferred, Pass, Unknown};
    // These labs have no course that would count it.
    assert_eq!(judged(&[]), [Pass, Deferred, Pass, Deferred]);
    let set = format!("folder={}", folder.display());
    assert_eq!(judged(&["files", "--set", &set]), [Pass, Deferred, Pass, Deferred]);
    // The student's own choice of the folder is no choice of theirs, and what was seen there is something else.
    assert_eq!(judged(&["files"]), [Unknown, Unknown, Unknown, Deferred]);
    let output = labrun(folder, &["judge", "e.json", "--set", &set]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn what_was_changed_or_never_sealed_or_makes_no_sense_is_told() {
    let folder = folder();
    let folder = folder.path();
    checked(folder, "check", &[]);
    let whole = std::fs::read_to_string(folder.join("e.json")).unwrap();
    let with = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence: Evidence = serde_json::from_str(&whole).unwrap();
        change(&mut evidence);
        std::fs::write(folder.join("e.json"), serde_json::to_string(&evidence).unwrap()).unwrap();
        verified(folder, &[])
    };
    let (code, shown) = with(&|_| {});
    assert!(code == Some(0) && shown.contains("✔ chain      whole: 3 observations, "), "{shown}");
    let (code, shown) = with(&|evidence| evidence.observations[1].command.clear());
    assert!(
        code == Some(1) && shown.contains("✘ chain      it was changed after it was written: observation 2 "),
        "{shown}"
    );
    let (code, shown) = with(&|evidence| evidence.chain = None);
    assert!(code == Some(4) && shown.contains("? chain      it has no chain"), "{shown}");
    // Whoever seals anew can still not make a run last less than it did.
    let (code, shown) = with(&|evidence| {
        evidence.observations[0].samples[0].at_ms = 3_600_000;
        seal(evidence);
    });
    assert!(code == Some(1) && shown.contains("✘ time       cannot be: "), "{shown}");
    let (code, shown) = with(&|evidence| {
        evidence.labs[0].digest = "0".repeat(64);
        seal(evidence);
    });
    assert!(code == Some(1) && shown.contains("✘ lab        files: it was recorded for another version"), "{shown}");
}

#[test]
fn claims_are_looked_at_again_and_differences_shown() {
    let folder = folder();
    let folder = folder.path();
    checked(folder, "check", &[]);
    let (code, shown) = verified(folder, &["--claims", "9", "--seed", "7"]);
    assert!(code == Some(0), "{shown}");
    assert!(shown.contains("· live       3 of 3 claims, now, at local (--seed 7)\n"), "{shown}");
    assert_eq!(shown.matches("then pass, now pass").count(), 3, "{shown}");
    let drawn = |seed: &str| verified(folder, &["--claims", "1", "--seed", seed]).1;
    assert_eq!(drawn("7"), drawn("7"));
    assert!((0..20).any(|seed| drawn(&seed.to_string()).contains("files/s/three")), "each has its turn");
    // Unasked, nothing is looked at.
    assert!(!verified(folder, &[]).1.contains("now"));
    assert!(verified(folder, &["--claims", "2"]).1.contains("(--seed "));

    std::fs::write(folder.join("two"), "wrong\n\u{1b}[31m::error::x").unwrap();
    let (code, shown) = verified(folder, &["--claims", "9"]);
    assert_eq!(code, Some(1));
    assert!(shown.contains("✔ claim      files/s/one: then pass, now pass\n"), "{shown}");
    assert!(shown.contains("✘ claim      files/s/two: then pass, now fail (stdout: expected "), "{shown}");
    assert!(!shown.contains('\u{1b}'));
    // What passes does so whatever it needs.
    assert!(shown.contains("✔ claim      files/s/three: then pass, now pass\n"), "{shown}");

    // What cannot be reached contradicts nobody.
    let (code, shown) = verified(folder, &["--vm", "ssh://nobody@127.0.0.1:1", "--timeout", "5s"]);
    assert!(code == Some(4) && shown.contains("? claim      files/s/one: then pass, now unknown"), "{shown}");
}
