//! `labrun selftest`: that it finds what is wrong with worlds and checks, says so, and leaves no machine behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin_cmd;
use labrun::selftest::result::{Selftest, TestedCheck};
use labrun::verdict::Outcome;

use crate::schema::Validator;
use crate::student_vm::{engines, text, world};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/selftest")
}

fn selftest(args: &[&str]) -> Output {
    cargo_bin_cmd!("labrun").current_dir(cases()).arg("selftest").args(args).args(["--lang", "en"]).output().unwrap()
}

/// The command that makes student VMs of this engine.
fn maker(engine: &str, more: &str) -> String {
    format!("{} vm --engine {engine}{more}", world().display())
}

fn result(output: &Output) -> Selftest {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", text(&output.stdout), text(&output.stderr)))
}

#[test]
fn what_is_asked_for_and_is_not_there_is_said() {
    for (args, code, said) in [
        (&["marks"][..], 2, "the following required arguments were not provided"),
        (&["mraks", "--vm-image", "x"], 2, "there are no worlds `mraks` in labs/worlds; did you mean `marks`?"),
        (&["marks", "--only", "refrence", "--vm-image", "x"], 2, "no such world; did you mean `reference`?"),
        (&["marks", "--labs", "/nowhere", "--vm-image", "x"], 2, "there is no folder `/nowhere/worlds`"),
        (&["marks", "--labrun", "/nowhere", "--vm-image", "x"], 2, "/nowhere: No such file"),
        (&["marks", "--jobs", "0", "--vm-image", "x"], 2, "invalid value '0'"),
        (&["labs/marks.yaml", "/tmp/x.yaml", "--vm-image", "x"], 2, "lie in one folder"),
        (&["marks", "--vm-command", "echo no machines today >&2"], 4, "no machines today"),
        (&["marks", "--vm-command", "echo steady"], 4, "did not say `ready NAME ID` but `steady`"),
    ] {
        let output = selftest(args);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!((output.status.code(), stdout.as_str()), (Some(code), ""), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
}

#[test]
fn a_lab_whose_worlds_come_out_as_they_say_is_sound() {
    let Some(engine) = engines().into_iter().next() else { return };
    let output = selftest(&["labs/marks.yaml", "--vm-command", &maker(&engine, ""), "--format", "json"]);
    let refused = Validator::of("selftest.schema.json").refuses(&serde_json::from_slice(&output.stdout).unwrap());
    assert_eq!(refused, None);
    let result = result(&output);
    let file = &result.files[0];
    for play in &file.plays {
        assert!(play.is_sound(), "{play:#?}");
    }
    let check = |name: &str| file.checks.iter().find(|check| check.address == name).unwrap();
    assert!(file.whole && check("marks/file/secret").outcomes == [Outcome::Fail, Outcome::Unknown, Outcome::Pass]);
    let there = check("marks/file/there");
    assert_eq!(there.advice_shown, ["folder", "missing", "large"]);
    assert_eq!(there.advice_never_shown, ["dangling"]);
    let not_here = file.plays.iter().find(|play| play.world == "not-here").unwrap();
    assert_eq!(not_here.skipped.as_ref().unwrap().en, "there is no engine 3");
    // Nothing fails `readable`: the worlds come out as they say, and prove too little all the same.
    assert_eq!(file.never_tripped().map(|check| check.address.as_str()).collect::<Vec<_>>(), ["marks/file/readable"]);
    assert!(!result.sound && output.status.code() == Some(1));

    let output = selftest(&["marks", "--only", "untouched,reference", "--vm-command", &maker(&engine, "")]);
    assert!(output.status.success(), "of a part of the worlds nothing more is asked: {}", text(&output.stdout));
}

#[test]
fn whatever_comes_out_otherwise_than_written_is_shown_and_ends_with_1() {
    let Some(engine) = engines().into_iter().next() else { return };
    let output = selftest(&["wrong", "--jobs", "3", "--vm-command", &maker(&engine, "")]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let mut shown = text(&output.stdout);
    for (varies, instead) in [
        (r"(?m)^Docker .*\n", ""),
        (r"on Docker [0-9.]+", "on Docker ENGINE"),
        (r" +\d+\.\d s +\d+\.\d s", "  TIMES"),
        (r"in (\d+ min )?\d+ s,", "in TIME,"),
    ] {
        shown = regex::Regex::new(varies).unwrap().replace_all(&shown, instead).into_owned();
    }
    insta::assert_snapshot!("selftest.wrong", shown);
}

#[test]
fn no_machine_outlives_a_selftest_that_is_interrupted_or_killed() {
    let Some(engine) = engines().into_iter().next() else { return };
    for signal in ["INT", "KILL"] {
        let name = format!("labrun-test-lifeline-{signal}-{}", std::process::id());
        let mut labrun = Command::new(env!("CARGO_BIN_EXE_labrun"))
            .current_dir(cases())
            .args(["selftest", "wrong", "--only", "script-hangs", "--vm-command"])
            .arg(maker(&engine, &format!(" --name {name}")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until(|| is_there(&name), "the machine never came up");
        Command::new("kill").args([&format!("-{signal}"), &labrun.id().to_string()]).status().unwrap();
        labrun.wait().unwrap();
        until(|| !is_there(&name), "the machine is still there");
    }
}

fn is_there(machine: &str) -> bool {
    let listed = Command::new(world()).arg("list").output().unwrap();
    text(&listed.stdout).lines().any(|line| line.starts_with(machine))
}

#[track_caller]
fn until(holds: impl Fn() -> bool, complaint: &str) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "{complaint}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_check_that_is_only_deferred_or_blocked_is_no_untested_one() {
    let check = |outcomes: &[Outcome]| TestedCheck {
        address: "lab1/a/b".to_owned(),
        outcomes: outcomes.to_vec(),
        advice_shown: Vec::new(),
        advice_never_shown: Vec::new(),
    };
    for (outcomes, never_tripped, never_judged) in [
        (&[Outcome::Fail, Outcome::Pass][..], false, false),
        (&[Outcome::Blocked, Outcome::Pass], true, false),
        (&[Outcome::Blocked, Outcome::Deferred], false, true),
        (&[Outcome::Deferred, Outcome::Pass], true, false),
        (&[], true, false),
    ] {
        let check = check(outcomes);
        assert_eq!((check.is_never_tripped(), check.is_never_judged()), (never_tripped, never_judged), "{outcomes:?}");
    }
}
