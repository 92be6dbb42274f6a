//! `labrun selftest`: that it finds what is wrong with worlds and checks, says so, and leaves no machine behind. Its
//! machines are folders (tests/cases/selftest/docker), but for the last tests, whose machines are student VMs.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use labrun::selftest::result::{Cell, Look, Play, Selftest, TestedCheck};
use labrun::verdict::Outcome;
use tempfile::TempDir;

use crate::schema::Validator;
use crate::student_vm::{engines, text, world};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/selftest")
}

/// A docker client whose containers are folders, and what it was asked.
struct Folders(TempDir);

impl Folders {
    fn new() -> Folders {
        let folders = Folders(tempfile::tempdir().unwrap());
        for folder in ["machines", "tmp"] {
            std::fs::create_dir(folders.0.path().join(folder)).unwrap();
        }
        folders
    }

    /// `labrun selftest` with this client, in the folder of the cases.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_labrun"));
        #[expect(clippy::disallowed_methods, reason = "the client is found before the real one")]
        let path = std::env::var("PATH").unwrap();
        command.current_dir(cases()).arg("selftest").args(args).args(["--lang", "en"]);
        command.env("PATH", format!("{}:{path}", cases().display()));
        command.env("MACHINES", self.0.path().join("machines")).env("TMPDIR", self.0.path().join("tmp"));
        command
    }

    fn selftest(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn asked(&self) -> String {
        std::fs::read_to_string(self.0.path().join("machines/asked")).unwrap_or_default()
    }

    /// How many machines there are.
    fn count(&self) -> usize {
        self.folders("machines")
    }

    fn folders(&self, below: &str) -> usize {
        let entries = std::fs::read_dir(self.0.path().join(below)).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    }
}

fn result(output: &Output) -> Selftest {
    let refused = |_| panic!("{}{}", text(&output.stdout), text(&output.stderr));
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(refused);
    assert_eq!(Validator::of("selftest.schema.json").refuses(&value), None);
    serde_json::from_value(value).unwrap()
}

/// What is shown without what differs from run to run.
fn steady(shown: &str) -> String {
    let mut shown = shown.to_owned();
    for (varies, instead) in [(r" +\d+\.\d s +\d+\.\d s", "   TIMES"), (r"in (\d+ min )?\d+ s,", "in TIME,")] {
        shown = regex::Regex::new(varies).unwrap().replace_all(&shown, instead).into_owned();
    }
    shown
}

#[test]
fn what_is_asked_for_and_is_not_there_is_said() {
    for (args, code, said) in [
        (&["marks"][..], 2, "the following required arguments were not provided"),
        (&["mraks", "--vm-image", "x"], 2, "there are no worlds `mraks` in labs/worlds; did you mean `marks`?"),
        (&["marks", "--only", "refrence", "--vm-image", "x"], 2, "no such world; did you mean `reference`?"),
        (&["marks", "--labs", "/nowhere", "--vm-image", "x"], 2, "there is no folder `/nowhere/worlds`"),
        (&["marks", "--labrun", "/nowhere", "--vm-image", "x"], 2, "/nowhere: No such file"),
        (
            &["options", "--vm-image", "x"],
            2,
            "world `untouched` of `options` cannot be looked at: unexpected argument '--disruptief'",
        ),
        (&["marks", "--jobs", "0", "--vm-image", "x"], 2, "invalid value '0'"),
        (&["labs/marks.yaml", "/tmp/x.yaml", "--vm-image", "x"], 2, "lie in one folder"),
        (&["marks", "--vm-command", "echo no machines today >&2"], 4, "no machines today"),
        (&["marks", "--vm-command", "echo steady"], 4, "did not say `ready NAME ID` but `steady`"),
        (&["marks", "--vm-image", "mute"], 4, "`mute` makes no machine to play on"),
        (&["marks", "--vm-image", "x", "--labrun", "/bin/false"], 4, "labrun does not run in it"),
    ] {
        let machines = Folders::new();
        let output = machines.selftest(args);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!((output.status.code(), stdout.as_str()), (Some(code), ""), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
        assert_eq!(machines.count(), 0, "{args:?}");
    }
}

#[test]
fn a_lab_whose_worlds_come_out_as_they_say_is_sound() {
    let machines = Folders::new();
    for args in [&["labs/marks.yaml"][..], &["labs/worlds/marks.yaml", "journey"]] {
        let output = machines.selftest(&[args, &["--vm-image", "some/image", "--format", "json"]].concat());
        let result = result(&output);
        assert!(output.status.success() && result.sound, "{result:#?}");
        assert!(result.files.iter().flat_map(|file| &file.plays).all(Play::is_sound));
        assert_eq!((result.machines[0].name.as_str(), result.machines[0].engine.as_str()), ("26.1", "26.1.5"));

        let check = |name: &str| result.files[0].checks.iter().find(|check| check.address == name).unwrap();
        assert_eq!(check("marks/file/readable").outcomes, [Outcome::Fail, Outcome::Blocked, Outcome::Pass]);
        let there = check("marks/file/there");
        assert_eq!(there.advice_shown, ["folder", "missing", "linked"]);
        assert_eq!(there.advice_never_shown, ["dangling"]);
        let skipped = result.files[0].plays.iter().find(|play| play.skipped.is_some()).unwrap();
        assert_eq!((skipped.world.as_str(), skipped.looks.len()), ("not-here", 0));
    }
    assert_eq!(machines.count(), 0);
    let run = machines.asked().lines().find(|line| line.starts_with("run")).map(str::to_owned);
    assert_eq!(run.as_deref(), Some("run -i --rm --privileged --label labrun=selftest some/image"));
}

#[test]
fn a_matrix_shows_worlds_and_checks_of_one_lab_or_several_on_each_sort_of_machine() {
    let machines = Folders::new();
    let output = machines.selftest(&["marks", "journey", "--vm-image", "one", "--vm-image", "two"]);
    assert!(output.status.success(), "{}", text(&output.stdout));
    insta::assert_snapshot!("selftest.sound", steady(&text(&output.stdout)));
    let lines = text(&output.stderr);
    assert_eq!(lines.lines().count(), 10, "{lines}");
    assert!(lines.contains("/10 marks not-here (Docker 26.1#2): skipped"), "{lines}");
}

#[test]
fn whatever_comes_out_otherwise_than_written_is_shown_and_ends_with_1() {
    let machines = Folders::new();
    let output = machines.selftest(&["wrong", "--jobs", "3", "--vm-image", "some/image"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    insta::assert_snapshot!("selftest.wrong", steady(&text(&output.stdout)));
    assert_eq!(machines.count(), 0);
}

/// `flaky` is played twice and stays marked; of `wrong`, the marks are not played again, and what has no mark is.
#[test]
fn what_could_not_be_judged_is_played_again_and_a_wrong_mark_is_not() {
    let machines = Folders::new();
    let output = machines.selftest(&["flaky", "--retries", "2", "--vm-image", "some/image"]);
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{stdout}");
    assert!(stdout.contains("~ flaky reference on Docker 26.1: it flies at the second play\n"), "{stdout}");
    assert!(
        stdout.contains("played 2 times; as expected the last time; before:\n    its script ended with exit code 1:\n")
    );
    assert!(stdout.ends_with("not as expected: 0; checks never tripped: 0; flaky: 1\n"), "{stdout}");
    assert!(text(&output.stderr).contains("flaky reference (Docker 26.1): as expected when played again, "));
    let machines = Folders::new();
    let output = machines.selftest(&["flaky", "--only", "reference", "--vm-image", "some/image", "--format", "json"]);
    assert!(!result(&output).sound);

    let machines = Folders::new();
    let output = machines.selftest(&["wrong", "--retries", "1", "--vm-image", "some/image"]);
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert_eq!(stdout.matches("    played 2 times; the last time:\n").count(), 3, "{stdout}");
    // One to get acquainted, three worlds with wrong marks, three without any.
    assert_eq!(machines.asked().lines().filter(|line| line.starts_with("run ")).count(), 1 + 3 + 2 * 3);
    assert!(stdout.ends_with("not as expected: 6; checks never tripped: 1\n"), "{stdout}");
}

#[test]
fn a_play_is_undetermined_where_all_that_is_wrong_is_unknown() {
    let expected = |outcome| labrun::worlds::Expected { outcome, advice: None };
    let cell = |wanted, got| Cell {
        address: "lab1/a/b".to_owned(),
        expected: Some(expected(wanted)),
        got: expected(got),
        credited: false,
        why: Vec::new(),
    };
    let play = |cells| Play {
        world: "reference".to_owned(),
        about: labrun::text::Text::new("", ""),
        machine: "26.1".to_owned(),
        skipped: None,
        took_ms: 0,
        looks: vec![Look { about: None, script_ms: 0, check_ms: 0, cells }],
        trouble: None,
        retried: Vec::new(),
    };
    use Outcome::{Fail, Pass, Unknown};
    for (cells, undetermined) in [
        (vec![cell(Pass, Pass), cell(Unknown, Unknown)], false),
        (vec![cell(Pass, Unknown), cell(Fail, Fail)], true),
        (vec![cell(Pass, Unknown), cell(Pass, Fail)], false),
        (vec![cell(Unknown, Fail)], false),
    ] {
        assert_eq!(play(cells.clone()).is_undetermined(), undetermined, "{cells:?}");
    }
}

#[test]
fn all_that_lie_beside_the_labs_are_played_when_none_is_named() {
    let machines = Folders::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("labs/worlds")).unwrap();
    for file in ["labs/flags.yaml", "labs/marks.yaml", "labs/worlds/journey.yaml", "labs/worlds/marks.yaml"] {
        std::fs::copy(cases().join(file), folder.path().join(file)).unwrap();
    }
    let mut labrun = machines.command(&["--jobs", "3", "--vm-image", "some/image", "--format", "json"]);
    let result = result(&labrun.current_dir(folder.path()).output().unwrap());
    assert_eq!(result.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["journey", "marks"]);
    assert!(result.sound && result.jobs == 3, "{result:#?}");
}

#[test]
fn the_binary_carries_labs_and_none_of_their_worlds() {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_labrun")).unwrap();
    let holds = |text: &str| binary.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let line_of = |file: &str, beginning: &str| {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        text.lines().find(|line| line.starts_with(beginning)).unwrap().to_owned()
    };
    assert!(holds(&line_of("labs/lab2.yaml", "          es: \"existe el volumen")));
    assert!(!holds(&line_of("labs/worlds/lab2.yaml", "    about: {es: '-v ams-vol, sin la ruta'")));
    let output = Command::new(env!("CARGO_BIN_EXE_labrun"))
        .current_dir(root.join("src"))
        .args(["selftest", "lab2", "--vm-image", "x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("worlds lie beside the labs, and those built in have none"));
}

#[test]
fn a_check_that_nothing_trips_ends_with_1_unless_only_some_worlds_were_played() {
    let machines = Folders::new();
    let output = machines.selftest(&["untripped", "--vm-image", "some/image"]);
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("! flags/flag/flies: no wrong world ever trips it\n"), "{stdout}");
    assert!(stdout.ends_with("not as expected: 0; checks never tripped: 1\n"), "{stdout}");

    let output = machines.selftest(&["untripped", "--only", "reference", "--vm-image", "some/image"]);
    assert!(output.status.success() && text(&output.stdout).ends_with("not as expected: 0\n"));
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
        (&[Outcome::Unknown, Outcome::Deferred], false, true),
        (&[Outcome::Deferred, Outcome::Pass], true, false),
        (&[], true, false),
    ] {
        let check = check(outcomes);
        assert_eq!((check.is_never_tripped(), check.is_never_judged()), (never_tripped, never_judged), "{outcomes:?}");
    }
}

#[test]
fn a_machine_that_does_not_go_by_itself_is_removed() {
    let machines = Folders::new();
    let output = machines.selftest(&["untripped", "--only", "reference", "--vm-image", "deaf"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(machines.asked().lines().filter(|line| line.starts_with("rm --force --volumes m")).count() == 2);
    assert_eq!(machines.count(), 0);
}

#[test]
fn no_machine_outlives_a_selftest_that_is_interrupted_or_killed() {
    for signal in ["INT", "TERM", "KILL"] {
        let machines = Folders::new();
        let mut labrun = machines.command(&["wrong", "--only", "script-hangs", "--vm-image", "some/image"]);
        let labrun = labrun.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let plays = || machines.asked().contains("echo begun");
        ends_without_a_trace(labrun, signal, plays, || machines.count() > 0);
        // What was to be copied into machines is removed by labrun itself, which cannot do so when it is killed.
        assert!(machines.folders("tmp") == 0 || signal == "KILL", "{signal}");
    }
}

/// Waits until `labrun` has begun, ends it by `signal`, and waits until what `is_there` is gone.
fn ends_without_a_trace(mut labrun: Child, signal: &str, has_begun: impl Fn() -> bool, is_there: impl Fn() -> bool) {
    until(has_begun, "it never began");
    Command::new("kill").args([&format!("-{signal}"), &labrun.id().to_string()]).status().unwrap();
    let code = labrun.wait().unwrap().code();
    assert_eq!(code, if signal == "KILL" { None } else { Some(130) });
    until(|| !is_there(), "the machine is still there");
}

#[track_caller]
fn until(holds: impl Fn() -> bool, complaint: &str) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "{complaint}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn student_vms_are_machines_and_go_with_the_selftest() {
    for engine in engines() {
        let maker = |more: &str| format!("{} vm --engine {engine}{more}", world().display());
        let mut labrun = Command::new(env!("CARGO_BIN_EXE_labrun"));
        labrun.current_dir(cases()).args(["selftest", "marks", "--format", "json", "--vm-command"]);
        let output = labrun.arg(maker("")).output().unwrap();
        let result = result(&output);
        assert!(result.sound && result.machines[0].engine.starts_with(&engine), "{result:#?}");

        for signal in ["INT", "KILL"] {
            let name = format!("labrun-test-{signal}-{}", std::process::id());
            let folder = tempfile::tempdir().unwrap();
            let mut labrun = Command::new(env!("CARGO_BIN_EXE_labrun"));
            labrun.env("TMPDIR", folder.path());
            labrun.current_dir(cases()).args(["selftest", "wrong", "--only", "script-hangs", "--vm-command"]);
            let labrun = labrun.arg(maker(&format!(" --name {name}"))).stdout(Stdio::null()).stderr(Stdio::null());
            let is_there = || {
                let listed = Command::new(world()).arg("list").output().unwrap();
                text(&listed.stdout).lines().any(|line| line.starts_with(&name))
            };
            ends_without_a_trace(labrun.spawn().unwrap(), signal, is_there, is_there);
        }
    }
}
