//! The command line: exit codes, what goes to which stream, languages, where labs come from. None needs a machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::cargo_bin_cmd;
use labrun::evidence::chain::seal;
use labrun::evidence::{Cause, Evidence, Seen};
use labrun::library::Library;
use labrun::verdict::{Outcome, Report};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::student_vm::text;

/// Runs labrun in a folder without labs, without an engine, and without a locale.
fn labrun(args: &[&str]) -> Output {
    labrun_in(tempfile::tempdir().unwrap().path(), args, &[])
}

/// Runs it in `folder`, which keeps what runs leave behind.
pub fn labrun_in(folder: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut labrun = cargo_bin_cmd!("labrun");
    labrun.current_dir(folder).args(args);
    for name in ["LC_ALL", "LC_MESSAGES", "LANG", "NO_COLOR", "CLICOLOR_FORCE", "COLUMNS", "CI"] {
        labrun.env_remove(name);
    }
    // What passes here is no business of whoever runs the tests.
    let elsewhere = tempfile::tempdir().unwrap();
    let state = if folder.starts_with(root()) { elsewhere.path().to_owned() } else { folder.join(".state") };
    labrun.env("XDG_STATE_HOME", state);
    labrun
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env("HOME", "/nonexistent")
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

#[track_caller]
fn says(output: &Output, code: i32, stdout: &str, stderr: &str) {
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str(), text(&output.stderr).as_str()),
        (Some(code), stdout, stderr)
    );
}

/// The labs in the binary, as a message lists them.
fn built_in() -> String {
    let library = Library::built_in();
    library.labs().keys().map(|lab| format!("`{lab}`")).collect::<Vec<_>>().join(", ")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn case(name: &str) -> PathBuf {
    root().join("tests/cases/replay").join(name)
}

// ---- usage ---------------------------------------------------------------------------------------------------

#[test]
fn every_command_explains_itself() {
    for command in [
        "", "check", "watch", "submit", "verify", "judge", "show", "next", "hint", "progress", "doctor", "demo",
        "class", "regrade", "list", "lint", "new", "capture", "schema", "handout", "selftest",
    ] {
        let args: Vec<&str> = [command, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let output = labrun(&args);
        assert!(output.status.success() && output.stderr.is_empty());
        let name = if command.is_empty() { "labrun" } else { command };
        insta::assert_snapshot!(format!("help.{name}"), text(&output.stdout));
    }
    let version = format!("labrun {} (labs sha256:{})\n", env!("CARGO_PKG_VERSION"), digest_of_the_labs());
    says(&labrun(&["--version"]), 0, &version, "");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_would_be_right() {
    for (args, said) in [
        (&["check", "lba1"][..], "labrun: there is no lab `lba1` among those built in; did you mean `lab1`?\n"),
        (&["check", "x"], &format!("labrun: there is no lab `x` among those built in; known here: {}\n", built_in())),
        (&["check", "lab1/prot"], "labrun: lab `lab1` has no step `prot`; did you mean `port`?\n"),
        (
            &["check", "lab1/x"],
            "labrun: lab `lab1` has no step `x`; known here: `ssh`, `database`, `login`, `prediction`, `port`, `table`\n",
        ),
        (
            &["check", "lab1", "--set", "prt=1"],
            "labrun: --set prt: no lab of this run has such a parameter; did you mean `port`?\n",
        ),
        // A parameter of a lab that is not asked for is a typo too.
        (
            &["check", "lab1", "--set", "volume=x"],
            "labrun: --set volume: no lab of this run has such a parameter; known here: `container`, `image`, `port`, \
             `user`, `password`, `table`\n",
        ),
        (&["check", "lab1", "--set", "port=abc"], "labrun: --set port=abc: `port` must be a whole number\n"),
        (&["check", "nowhere.yaml"], "labrun: nowhere.yaml: No such file or directory (os error 2)\n"),
        (&["list", "--labs", "nowhere"], "labrun: nowhere: No such file or directory (os error 2)\n"),
        (&["judge", "nowhere.json"], "labrun: nowhere.json: No such file or directory (os error 2)\n"),
        (&["lint", "nowhere.yaml"], "labrun: nowhere.yaml: No such file or directory (os error 2)\n"),
        // Before the run, not after it.
        (&["check", "lab1", "--output", "no/x.html"], "labrun: no/x.html: No such file or directory (os error 2)\n"),
        (&["check", "lab1", "--evidence", "no/x"], "labrun: no/x: No such file or directory (os error 2)\n"),
    ] {
        says(&labrun(args), 2, "", said);
    }
}

/// The digest of all that a binary carries, made of the files that it is built from.
fn digest_of_the_labs() -> String {
    let mut all = Sha256::new();
    for folder in ["labs", "checks"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|ending| ending == "yaml")).collect();
        files.sort();
        for file in files {
            all.update(format!("{folder}/{}\0", file.file_name().unwrap().to_str().unwrap()));
            all.update(Sha256::digest(std::fs::read(file).unwrap()));
        }
    }
    data_encoding::HEXLOWER.encode(&all.finalize())[..12].to_owned()
}

#[test]
fn what_the_parser_refuses_ends_with_2_too() {
    for (args, said) in [
        (&[][..], "Usage: labrun <COMMAND>"),
        (&["verfy"], "a similar subcommand exists: 'verify'"),
        (&["check"], "<LAB[/STEP]>"),
        (&["lint"], "<FILE>"),
        (&["check", "lab1", "--set", "port"], "write NAME=VALUE"),
        (&["check", "lab1", "--format", "pdf"], "[possible values: text, json, html, markdown, github, "),
        (&["check", "lab1", "--lang", "fr"], "[possible values: es, en]"),
        (&["check", "lab1", "--timeout", "never"], "`never` is no duration: write `500ms`, `20s` or `2m`"),
        (&["check", "lab1", "--timeout", "0s"], "is no duration"),
        (&["check", "lab1", "--timeout", "2h"], "at most an hour"),
    ] {
        let output = labrun(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && text(&output.stderr).contains(said), "{args:?}: {}", text(&output.stderr));
    }
}

// ---- languages and places ------------------------------------------------------------------------------------

const SPANISH: &str = "Un PostgreSQL al que se llega";
const ENGLISH: &str = "A PostgreSQL you can reach";

#[test]
fn the_list_speaks_the_language_of_the_locale_and_spanish_without_one() {
    let folder = tempfile::tempdir().unwrap();
    for (env, args, wanted) in [
        (&[][..], &["list"][..], SPANISH),
        (&[("LANG", "C")], &["list"], SPANISH),
        (&[("LANG", "es_AR.UTF-8")], &["list"], SPANISH),
        (&[("LANG", "en_GB.UTF-8")], &["list"], ENGLISH),
        (&[("LANG", "es_AR.UTF-8"), ("LC_MESSAGES", "en_US")], &["list"], ENGLISH),
        (&[("LANG", "es_AR.UTF-8"), ("LC_ALL", "en_US.UTF-8")], &["list"], ENGLISH),
        // An empty variable is none.
        (&[("LC_ALL", ""), ("LANG", "en_US.UTF-8")], &["list"], ENGLISH),
        (&[("LC_ALL", "en_US.UTF-8")], &["list", "--lang", "es"], SPANISH),
        (&[], &["list", "--lang", "en"], ENGLISH),
    ] {
        let output = labrun_in(folder.path(), args, env);
        assert!(output.status.success() && text(&output.stdout).contains(wanted), "{env:?} {args:?}");
    }
}

#[test]
fn the_list_shows_labs_and_steps_as_they_are_typed_with_their_points() {
    for lang in ["es", "en"] {
        insta::assert_snapshot!(format!("list.{lang}"), text(&labrun(&["list", "--lang", lang]).stdout));
    }
}

#[test]
fn labs_come_from_the_folder_named_else_from_the_folder_labs_else_from_the_binary() {
    let folder = tempfile::tempdir().unwrap();
    let lab = |title: &str| {
        let lab = std::fs::read_to_string(case("all-pass").join("lab.yaml")).unwrap();
        lab.replace("all-pass", "mine").replace("en: A server", &format!("en: {title}"))
    };
    let list = |args: &[&str]| text(&labrun_in(folder.path(), &[&["list", "--lang", "en"], args].concat(), &[]).stdout);
    assert!(list(&[]).contains(ENGLISH));
    for (name, title) in [("labs", "Beside me"), ("other", "Named")] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("mine.yaml"), lab(title)).unwrap();
    }
    assert!(list(&[]).starts_with("mine ") && list(&[]).contains("Beside me") && !list(&[]).contains(ENGLISH));
    assert!(list(&["--labs", "other"]).contains("Named"));
    // A file by its path, also a single step of it, and the report says where the lab came from.
    for target in ["other/mine.yaml", "other/mine.yaml/server"] {
        let output = labrun_in(folder.path(), &["check", target, "--format", "json"], &[]);
        let report: Report = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((report.labs[0].id.as_str(), report.labs[0].source.as_str()), ("mine", "other/mine.yaml"));
        assert_eq!(report.labs[0].steps.len(), if target.ends_with("server") { 1 } else { 3 });
    }
}

#[test]
fn the_checks_beside_a_folder_of_labs_are_found_from_anywhere() {
    let product = root().join("tests/cases/authoring");
    let good = |folder: &Path, labs: &str| {
        let folder = product.join(folder);
        let output = labrun_in(&folder, &["check", "sound", "--labs", labs, "--format", "json"], &[]);
        let report: Report = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report.checks().count(), 2, "{labs}");
    };
    good(Path::new(""), "labs");
    good(Path::new(""), "./labs/");
    good(Path::new("labs"), ".");
    good(Path::new("checks"), "../labs");
    good(Path::new("/"), product.join("labs").to_str().unwrap());
}

// ---- streams -------------------------------------------------------------------------------------------------

#[test]
fn without_an_engine_everything_is_unknown_the_code_is_4_and_only_the_report_is_printed() {
    // Of the machine, that is: an answer that is not given is known to be missing.
    let output = labrun(&["check", "lab1/port", "lab2/data", "--lang", "en"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(4), String::new()));
    let shown = text(&output.stdout);
    assert!(shown.contains("no Docker engine answers at /nonexistent/docker.sock"), "{shown}");
    assert!(shown.contains("10 undetermined") && !shown.contains('%'), "{shown}");
    let report: Report =
        serde_json::from_slice(&labrun(&["check", "lab1/port", "lab2/data", "--format", "json"]).stdout).unwrap();
    assert!(report.checks().all(|check| check.outcome == Outcome::Unknown));
    assert!(report.checks().all(|check| check.unknown.as_ref().unwrap().cause == Some(Cause::Engine)));
    // A step brings those it needs along.
    let steps: Vec<&str> = report.labs[1].steps.iter().map(|step| step.address.as_str()).collect();
    assert_eq!(steps, ["lab2/volume", "lab2/data"]);
}

#[test]
fn what_a_run_recorded_gives_the_same_report_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| labrun_in(folder.path(), args, &[]);
    let checked = run(&["check", "lab1", "lab2", "--set", "port=5433", "--evidence", "e.json", "--format", "json"]);
    let judged = run(&["judge", "e.json", "--format", "json"]);
    assert_eq!(checked.status.code(), judged.status.code());
    assert_eq!(text(&checked.stdout), text(&judged.stdout));
    assert!(text(&judged.stdout).contains("5433"), "the setting is part of the evidence");
    let evidence: Evidence = serde_json::from_slice(&std::fs::read(folder.path().join("e.json")).unwrap()).unwrap();
    assert!(evidence.observations.iter().any(|seen| matches!(seen.samples[0].seen, Seen::Unobserved(_))));
}

#[test]
fn nothing_but_a_terminal_is_given_colours() {
    let evidence = case("blocked-followers");
    for env in [&[][..], &[("NO_COLOR", "1")], &[("TERM", "xterm-256color"), ("CLICOLOR_FORCE", "1")]] {
        for args in [
            &["judge", "evidence.json", "--lab", "lab.yaml", "-v"][..],
            &["check", "lab1"],
            &["list"],
            &["lint", "lab.yaml"],
            &["lint", "../../authoring/labs/five-mistakes.yaml"],
            &["check", "nothing"],
        ] {
            let output = labrun_in(&evidence, args, env);
            assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{args:?} {env:?}");
        }
    }
}

#[test]
fn whoever_closes_the_pipe_early_has_read_enough() {
    let judge = ["judge", "evidence.json", "--lab", "lab.yaml", "--format", "html"];
    for (args, code) in [(&["list"][..], 0), (&judge[..], 1), (&["lint", "lab.yaml"], 0)] {
        let mut labrun = Command::new(env!("CARGO_BIN_EXE_labrun"));
        labrun.current_dir(case("blocked-followers")).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = labrun.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("pipe"), "{args:?}: {said}");
    }
    // Nor does it matter that nobody listens to what goes wrong.
    let mut labrun = Command::new(env!("CARGO_BIN_EXE_labrun"));
    let five = root().join("tests/cases/authoring/labs/five-mistakes.yaml");
    let mut child = labrun.arg("lint").arg(five).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_full_disk_is_told() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_labrun")).arg("list").stdout(full).output().unwrap();
    says(&output, 2, "", "labrun: standard output: No space left on device (os error 28)\n");
}

// ---- judge ---------------------------------------------------------------------------------------------------

#[test]
fn evidence_is_judged_in_every_format_and_the_ending_of_the_output_chooses_it() {
    let folder = tempfile::tempdir().unwrap();
    let judge = |args: &[&str]| {
        let mut all = vec!["judge", "evidence.json", "--lab", "lab.yaml", "--lang", "en"];
        all.extend(args);
        labrun_in(&case("all-pass"), &all, &[])
    };
    for (name, args, begins) in [
        ("x.html", &[][..], "<!doctype html>"),
        ("x.HTML", &[], "<!doctype html>"),
        ("x.json", &[], "{"),
        ("x.txt", &[], "labrun "),
        ("x", &[], "labrun "),
        ("x.pdf", &[], "labrun "),
        // The word wins over the ending.
        ("x.html", &["--format", "json"], "{"),
    ] {
        let path = folder.path().join(name);
        let output = judge(&[&["--output", path.to_str().unwrap()], args].concat());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{}", text(&output.stderr));
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written.to_lowercase().starts_with(begins), "{name}: {}", &written[..60]);
    }
    let json: Value = serde_json::from_slice(&judge(&["--format", "json"]).stdout).unwrap();
    assert_eq!(json["format"], "labrun/report/v1");
    assert!(text(&judge(&[]).stdout).contains("All is right"));
}

#[test]
fn evidence_of_another_version_of_the_lab_is_refused_unless_a_lab_is_named() {
    // Written for labs of its own, of which the binary has none.
    let output = labrun_in(&case("all-pass"), &["judge", "evidence.json"], &[]);
    says(
        &output,
        2,
        "",
        &format!(
            "labrun: there is no lab `all-pass` among those built in; known here: {}. It was recorded from lab.yaml: give \
             its file with `--lab FILE`\n",
            built_in()
        ),
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.json");
    let labrun = |args: &[&str]| labrun_in(folder.path(), args, &[]);
    assert_eq!(labrun(&["check", "lab1/port", "--evidence", "new.json"]).status.code(), Some(4));
    let evidence = std::fs::read_to_string(folder.path().join("new.json")).unwrap();
    let mut evidence: Evidence = serde_json::from_str(&evidence).unwrap();
    evidence.labs[0].digest = "0".repeat(64);
    seal(&mut evidence);
    std::fs::write(&path, serde_json::to_string(&evidence).unwrap()).unwrap();
    says(
        &labrun(&["judge", "old.json"]),
        2,
        "",
        "labrun: old.json: it was recorded for another version of `lab1` than built-in/labs/lab1.yaml; to judge it by a \
         version of your choice, give that with `--lab FILE`\n",
    );
    let lab = root().join("labs/lab1.yaml");
    let output = labrun(&["judge", "old.json", "--lab", lab.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stdout).contains("lab1"));
    assert_eq!(
        text(&output.stderr),
        "labrun: `lab1` is judged by another version of the lab than it was recorded for\n"
    );
    // A lab that the evidence knows nothing of is a mix-up, not a wish.
    let other = root().join("labs/lab2.yaml");
    let other = other.to_str().unwrap();
    says(
        &labrun(&["judge", "new.json", "--lab", other]),
        2,
        "",
        &format!("labrun: {other}: it is lab `lab2`, of which the evidence holds nothing\n"),
    );
}

#[test]
fn what_is_no_evidence_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read_to_string(case("all-pass").join("evidence.json")).unwrap();
    let lab = std::fs::read_to_string(case("all-pass").join("lab.yaml")).unwrap();
    for (contents, said) in [
        (String::new(), "not evidence: EOF while parsing a value at line 1 column 0"),
        ("garbage".into(), "not evidence: expected value at line 1 column 1"),
        ("{}".into(), "not evidence: missing field `format` at line 1 column 2"),
        (lab, "not evidence: expected value at line 1 column 1"),
        (whole[..whole.len() / 2].to_owned(), "not evidence: EOF while parsing"),
        (
            whole.replace("evidence/v1", "evidence/v2").replace("\"observations\"", "\"signed\": 1, \"observations\""),
            "this labrun reads `labrun/evidence/v1`, not `labrun/evidence/v2`",
        ),
        (whole.replace("\"observations\"", "\"signed\": 1, \"observations\""), "not evidence: unknown field `signed`"),
        (whole.replace("\"at_ms\": 0", "\"at_ms\": -5"), "not evidence: invalid value: integer `-5`, expected u64"),
        (
            whole.replace("\"vm\"", "\"moon\""),
            "not evidence: unknown variant `moon`, expected one of `vm`, `grader`, `",
        ),
        (format!("{{\"format\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000)), "not evidence: "),
    ] {
        let path = folder.path().join("e.json");
        std::fs::write(&path, contents).unwrap();
        let output = labrun_in(folder.path(), &["judge", "e.json"], &[]);
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{stderr}");
        assert!(stderr.starts_with(&format!("labrun: e.json: {said}")) && stderr.lines().count() == 1, "{stderr}");
    }
    std::fs::write(folder.path().join("e.json"), b"\xff\xfe").unwrap();
    let output = labrun_in(folder.path(), &["judge", "e.json"], &[]);
    says(&output, 2, "", "labrun: e.json: stream did not contain valid UTF-8\n");
    // Large enough to be refused unread.
    std::fs::File::create(folder.path().join("e.json")).unwrap().set_len((32 << 20) + 1).unwrap();
    says(&labrun_in(folder.path(), &["judge", "e.json"], &[]), 2, "", "labrun: e.json: larger than 32 MiB\n");
    let huge = folder.path().join("huge.yaml");
    std::fs::File::create(&huge).unwrap().set_len((1 << 20) + 1).unwrap();
    says(&labrun_in(folder.path(), &["lint", "huge.yaml"], &[]), 2, "", "labrun: huge.yaml: larger than 1 MiB\n");
    says(&labrun_in(folder.path(), &["judge", "."], &[]), 2, "", "labrun: .: Is a directory (os error 21)\n");
}

#[test]
fn two_labs_of_one_name_in_one_run_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.yaml");
    std::fs::copy(root().join("labs/lab1.yaml"), &copy).unwrap();
    let copy = copy.to_str().unwrap();
    let said = format!("labrun: two labs of this run are called `lab1`: built-in/labs/lab1.yaml and {copy}\n");
    says(&labrun(&["check", "lab1", copy]), 2, "", &said);
}

// ---- what a run leaves ----------------------------------------------------------------------------------------

/// A lab called `name` that runs `command` and wants it to print `never`.
fn lab_of_a_command(name: &str, command: &[&str], within: &str) -> String {
    format!(
        "labrun: lab/v1\nid: {name}\ntitle: {{es: x, en: x}}\nsteps:\n  - id: s\n    title: {{es: x, en: x}}\n    \
         checks:\n      - id: c\n        points: 1\n        claim: {{es: x, en: x}}\n        probe: {{command: {{run: \
         {command:?}}}}}\n        expect: {{stdout: {{contains: never}}}}\n        within: {within}\n        hints: [{{id: \
         h, say: [{{es: x, en: x}}]}}]\n"
    )
}

#[test]
fn what_is_looked_at_again_and_again_is_kept_once_while_it_stays_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for (name, command, samples) in [("same", &["echo", "x"][..], 1..=1), ("other", &["date", "+%N"], 3..=100)] {
        std::fs::write(folder.path().join("x.yaml"), lab_of_a_command(name, command, "1s")).unwrap();
        let checked = labrun_in(folder.path(), &["check", "x.yaml", "--evidence", "e.json"], &[]);
        assert_eq!(checked.status.code(), Some(1), "{}", text(&checked.stderr));
        let evidence: Evidence = serde_json::from_slice(&std::fs::read(folder.path().join("e.json")).unwrap()).unwrap();
        let seen = &evidence.observations[0].samples;
        assert!(samples.contains(&seen.len()), "{name}: {seen:?}");
        let last = seen.last().unwrap().last_round();
        assert!(last >= 2, "{name}: {seen:?}");
        assert_eq!(evidence.looked, [(format!("{name}/s/c"), last)].into());
        let judged = labrun_in(folder.path(), &["judge", "e.json", "--lab", "x.yaml"], &[]);
        assert_eq!(text(&judged.stdout), text(&checked.stdout), "{name}");
    }
}

#[test]
fn a_look_that_takes_all_the_time_there_was_is_not_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let been = folder.path().join("been");
    let slow_once = format!("mkdir {} && sleep 1.5 || echo never", been.display());
    std::fs::write(folder.path().join("x.yaml"), lab_of_a_command("slow", &["sh", "-c", &slow_once], "1s")).unwrap();
    let checked = labrun_in(folder.path(), &["check", "x.yaml"], &[]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
}

#[test]
fn what_was_seen_to_hold_stays_credited_until_it_is_asked_for_afresh() {
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("flag");
    let lab = lab_of_a_command("credit", &["cat", flag.to_str().unwrap()], "10ms");
    std::fs::create_dir(folder.path().join("labs")).unwrap();
    std::fs::write(folder.path().join("labs/credit.yaml"), lab).unwrap();
    let check = |args: &[&str]| {
        let output = labrun_in(folder.path(), &[&["check", "credit", "--format", "json"], args].concat(), &[]);
        let report: Report =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        report.labs[0].steps[0].checks[0].clone()
    };
    assert_eq!(check(&[]).outcome, Outcome::Fail);
    std::fs::write(&flag, "never").unwrap();
    // A pass is noted also when nothing is to be credited.
    assert_eq!(check(&["--fresh"]).credit, None);
    std::fs::remove_file(&flag).unwrap();
    let credited = check(&["--evidence", "e.json"]);
    assert_eq!((credited.outcome, credited.credit.unwrap().now), (Outcome::Deferred, Outcome::Fail));
    assert_eq!(check(&["--fresh"]).outcome, Outcome::Fail);
    let judged = labrun_in(folder.path(), &["judge", "e.json", "--lang", "en"], &[]);
    assert!(text(&judged.stdout).contains("seen to hold on "), "{}", text(&judged.stdout));
    // The teacher's course has the last word on it.
    let course = "labrun: course/v1\nid: c\ntitle: {es: x, en: x}\nlabs: [{lab: credit, weight: 1}]\n\
                  credit: {self_reported: counts}\n";
    std::fs::write(folder.path().join("labs/course.yaml"), course).unwrap();
    let counted = check(&[]);
    assert_eq!((counted.outcome, counted.credit.unwrap().now), (Outcome::Pass, Outcome::Fail));
    // A record that is no file is said to credit nothing, and keeps nobody from looking.
    let journal = folder.path().join(".state/labrun/journal.jsonl");
    std::fs::remove_file(&journal).unwrap();
    std::fs::create_dir(&journal).unwrap();
    let output = labrun_in(folder.path(), &["check", "credit", "--format", "json"], &[]);
    assert!(text(&output.stderr).contains("credits nothing: Is a directory"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_lab_that_is_the_same_wherever_it_lies_gives_the_same_report() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(here.path().join("labs")).unwrap();
    std::fs::copy(root().join("labs/lab1.yaml"), here.path().join("labs/lab1.yaml")).unwrap();
    let evidence = here.path().join("e.json");
    let evidence = evidence.to_str().unwrap();
    for format in ["text", "json", "html"] {
        let checked = labrun_in(here.path(), &["check", "lab1", "--format", format, "--evidence", evidence], &[]);
        for folder in [&here, &there] {
            let judged = labrun_in(folder.path(), &["judge", evidence, "--format", format], &[]);
            assert_eq!(text(&judged.stdout), text(&checked.stdout), "{format}: {}", text(&judged.stderr));
        }
    }
}

#[test]
fn a_full_disk_for_the_evidence_takes_no_report_away_nor_the_other_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| labrun_in(folder.path(), &[&["check", "lab1", "--lang", "en"], args].concat(), &[]);
    let output = run(&["--evidence", "/dev/full"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "labrun: /dev/full: No space left on device (os error 28)\n");
    assert!(text(&output.stdout).contains("undetermined"));
    let output = run(&["--evidence", "e.json", "--output", "/dev/full"]);
    says(&output, 2, "", "labrun: /dev/full: No space left on device (os error 28)\n");
    assert!(folder.path().join("e.json").metadata().unwrap().len() > 100);
}

#[test]
fn a_run_that_is_told_to_end_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    for (n, signal) in ["INT", "TERM", "HUP"].into_iter().enumerate() {
        let naps = format!("{}.{}{n}", 70, std::process::id());
        std::fs::write(folder.path().join("x.yaml"), lab_of_a_command("x", &["sleep", &naps], "1s")).unwrap();
        // Whoever runs the tests may have been made to ignore some (`nohup make test`).
        let mut labrun = Command::new("env");
        labrun.args(["--default-signal", env!("CARGO_BIN_EXE_labrun")]);
        labrun.current_dir(&folder).args(["check", "x.yaml"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = labrun.spawn().unwrap();
        assert!(comes_true(|| sleeps(&naps)), "{signal}: it never began");
        let killed = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let output = child.wait_with_output().unwrap();
        says(&output, 130, "", "labrun: interrupted: nothing was graded\n");
        assert!(comes_true(|| !sleeps(&naps)), "{signal}: it sleeps on");
    }
}

#[test]
fn what_a_run_was_started_to_ignore_does_not_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let naps = format!("3.{}", std::process::id());
    std::fs::write(folder.path().join("x.yaml"), lab_of_a_command("x", &["sleep", &naps], "1s")).unwrap();
    let mut labrun = Command::new("sh");
    labrun.current_dir(&folder).args(["-c", "trap '' HUP; exec \"$0\" check x.yaml", env!("CARGO_BIN_EXE_labrun")]);
    let child = labrun.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(comes_true(|| sleeps(&naps)));
    assert!(Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
}

/// Whether a process with this argument runs.
fn sleeps(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path().join("cmdline")));
    let wanted = format!("sleep\0{argument}\0");
    processes.filter_map(|path| std::fs::read_to_string(path).ok()).any(|line| line == wanted)
}

fn comes_true(happened: impl Fn() -> bool) -> bool {
    (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(25));
        happened()
    })
}

// ---- what a student hands in ----------------------------------------------------------------------------------

/// A lab of one question to be chosen, one to be written, and a parameter to choose.
const QUESTIONS: &str = "labrun: lab/v1
id: asks
title: {es: x, en: x}
params: {word: hello, secret: xyzzy, n: 1}
choices: [word, n]
steps:
  - id: s
    title: {es: x, en: x}
    checks:
      - id: choose
        points: 1
        claim: {es: x, en: x}
        probe: {answer: {to: choose, options: [a, b, '${secret}']}}
        expect: {value: b}
        hints: [{id: unanswered, when: {given: false}, say: [{es: x, en: x}]}, {id: wrong, say: [{es: x, en: x}]}]
      - id: says
        points: 1
        claim: {es: x, en: 'it prints ${word} ${n} times'}
        probe: {command: {run: [echo, '${word}']}}
        expect: {stdout: {contains: bye}}
        hints: [{id: wrong, say: [{es: x, en: x}]}]
  - id: t
    title: {es: x, en: x}
    checks:
      - id: why
        points: 1
        judged_by: teacher
        claim: {es: x, en: x}
        probe: {answer: {to: why}}
";

/// Runs the lab of questions with `handed_in` as the student's file; the report and what was said.
fn ask(handed_in: Option<&[u8]>, args: &[&str]) -> (Report, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("asks.yaml"), QUESTIONS).unwrap();
    if let Some(bytes) = handed_in {
        std::fs::write(folder.path().join("labrun.yaml"), bytes).unwrap();
    }
    let all = [&["check", "asks.yaml", "--format", "json", "--lang", "en", "--evidence", "e.json"], args].concat();
    let output = labrun_in(folder.path(), &all, &[("HOME", "/nonexistent")]);
    let said = text(&output.stderr);
    let report: Report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let again = labrun_in(folder.path(), &["judge", "e.json", "--lab", "asks.yaml", "--format", "json"], &[]);
    assert_eq!(text(&again.stdout), text(&output.stdout), "{}", text(&again.stderr));
    assert!(!text(&output.stdout).contains("xyzzy"), "an option that may be the right one");
    let remarks: Vec<String> = report.remarks.iter().map(|remark| format!("labrun: {}\n", remark.en)).collect();
    assert_eq!(said, remarks.concat(), "what is said is in the report");
    (report, said)
}

fn outcomes(report: &Report) -> String {
    report.checks().map(|check| check.outcome.word()).collect::<Vec<_>>().join(" ")
}

#[test]
fn answers_and_choices_are_those_of_the_file_and_all_of_it_is_evidence() {
    let (report, said) = ask(
        Some(b"labrun: student/v1\nstudent: ana\nanswers: {asks: {choose: B, why: because}}\nchoices: {word: bye}\n"),
        &[],
    );
    assert_eq!((outcomes(&report).as_str(), said.as_str()), ("pass pass deferred", ""));
    assert_eq!(report.student.as_deref(), Some("ana"));
    assert_eq!(report.checks().last().unwrap().answer.as_deref(), Some("because"));
    // Whoever grades has the last word.
    let file = Some(&b"labrun: student/v1\nstudent: ana\nchoices: {word: bye}\n"[..]);
    let (report, said) = ask(file, &["--set", "word=hi", "--student", "bruno"]);
    assert_eq!((outcomes(&report).as_str(), said.as_str()), ("fail fail deferred", ""));
    assert_eq!(report.student.as_deref(), Some("bruno"));
    let (report, said) = ask(None, &[]);
    assert_eq!((outcomes(&report).as_str(), said.as_str()), ("fail fail deferred", ""));
    assert_eq!(
        (report.student, report.labs[0].steps[0].checks[0].hint.as_ref().unwrap().id.as_str()),
        (None, "unanswered")
    );
}

#[test]
fn whatever_is_handed_in_passes_nothing_it_should_not_and_is_told_plainly() {
    let begin = "labrun: student/v1\n";
    let garbage: Vec<u8> = (0..=255).cycle().take(5000).collect();
    for (file, said) in [
        (garbage, "labrun: `labrun.yaml` is of no use: it is no UTF-8 text\n"),
        (vec![b' '; (64 << 10) + 1], "labrun: `labrun.yaml` is of no use: it is larger than 64 KiB\n"),
        (
            format!("{begin}answers: {{asks: {{choose: \"b}}}}").into(),
            "labrun: `labrun.yaml` is of no use: no valid YAML",
        ),
        ("answers: {asks: {choose: b}}".into(), "it must begin with the line `labrun: student/v1`\n"),
        (
            format!("{begin}answers: {{asks: {{choos: b}}}}").into(),
            "you answered `choos` of `asks`, and nobody asks that: did you mean `choose`?\n",
        ),
        (
            format!("{begin}answers: {{ask: {{choose: b}}}}").into(),
            "you answered `ask`, and there is no such lab: did you mean `asks`?\n",
        ),
        (
            format!("{begin}answers: {{asks: {{choose: b, choose: b}}}}").into(),
            "your answer to `choose` of `asks` does not count: it is there twice\n",
        ),
        (
            format!("{begin}answers: {{asks: {{choose: [b, [b]]}}}}").into(),
            "does not count: it is a text, a number, or a list of them\n",
        ),
        (
            format!("{begin}answers: {{asks: {{choose: a, why: {}}}}}", "x".repeat(5000)).into(),
            "your answer to `why` of `asks` does not count: it is too long\n",
        ),
        (format!("{begin}choices: {{secret: bye}}").into(), "labrun: `secret` is not for you to choose\n"),
        (
            format!("{begin}choices: {{wrd: bye}}").into(),
            "you chose `wrd`, and there is nothing of that name to choose: did you mean `word`?\n",
        ),
        (
            format!("{begin}choices: {{n: many, word: hi}}").into(),
            "you chose `n: many`, and it must be a whole number\n",
        ),
        (
            format!("{begin}choices: {{word: \"; echo bye\"}}").into(),
            "what you chose for `word` is of no use: it is one word, of letters,",
        ),
    ] {
        let (report, told) = ask(Some(&file), &[]);
        assert_eq!(outcomes(&report), "fail fail deferred", "{told}");
        assert!(told.contains(said) && told.lines().count() == 1, "{told} for {said}");
    }
    // All of a lab is known, even where only a step of it is asked for; and other labs are left alone.
    let fine = format!("{begin}answers: {{asks: {{choose: b, why: x}}, lab1: {{whatever: x}}}}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("asks.yaml"), QUESTIONS).unwrap();
    std::fs::write(folder.path().join("labrun.yaml"), fine).unwrap();
    let output = labrun_in(folder.path(), &["check", "asks.yaml/t"], &[("HOME", "/nonexistent")]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn the_file_is_the_one_named_else_the_one_here_else_the_one_at_home() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(folder.path().join("asks.yaml"), QUESTIONS).unwrap();
    let write = |path: &str, id: &str| {
        std::fs::write(folder.path().join(path), format!("labrun: student/v1\nstudent: {id}\n")).unwrap();
    };
    let student = |args: &[&str]| {
        let all = [&["check", "asks.yaml/t", "--format", "json"], args].concat();
        let output = labrun_in(folder.path(), &all, &[("HOME", home.to_str().unwrap())]);
        serde_json::from_slice::<Report>(&output.stdout).map(|report| report.student).map_err(|_| text(&output.stderr))
    };
    assert_eq!(student(&[]), Ok(None));
    write("home/labrun.yaml", "at-home");
    assert_eq!(student(&[]), Ok(Some("at-home".to_owned())));
    write("labrun.yaml", "here");
    assert_eq!(student(&[]), Ok(Some("here".to_owned())));
    write("other.yaml", "named");
    assert_eq!(student(&["--answers", "other.yaml"]), Ok(Some("named".to_owned())));
    assert_eq!(
        student(&["--answers", "nowhere.yaml"]),
        Err("labrun: nowhere.yaml: No such file or directory (os error 2)\n".to_owned())
    );
    // Nothing that is no file is waited for.
    std::fs::remove_file(folder.path().join("labrun.yaml")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("labrun.yaml")).status().unwrap().success());
    let output = labrun_in(folder.path(), &["check", "asks.yaml/t", "--lang", "es"], &[]);
    assert_eq!(text(&output.stderr), "labrun: `labrun.yaml` no sirve: no es un archivo\n");
}

// ---- a course --------------------------------------------------------------------------------------------------

/// A folder with a course of two labs, of which the second comes first, and a lab that is none of its.
fn course(settled: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
    std::fs::create_dir(folder.path().join("labs")).unwrap();
    for (id, points) in [("one", "3"), ("two", "0.5"), ("other", "1")] {
        let personal = if id == "other" { "" } else { "personal: {word: {prefix: w_, from: 1000, to: 9999}}\n" };
        let lab = format!(
            "labrun: lab/v1\nid: {id}\ntitle: {{es: x, en: x}}\nparams: {{word: plain, topology: bridged}}\n{personal}steps:\n  \
             - id: s\n    title: {{es: x, en: x}}\n    checks:\n      - id: c\n        points: {points}\n        claim: \
             {{es: x, en: \"${{word}} ${{topology}}\"}}\n        probe: {{command: {{run: [echo, \"${{word}}\"]}}}}\n        \
             expect: {{stdout: {{matches: '^(plain|w_)'}}}}\n        hints: [{{id: h, say: [{{es: x, en: x}}]}}]\n      - id: \
             d\n        points: 1\n        claim: {{es: x, en: x}}\n        probe: {{command: {{run: [\"false\"]}}}}\n        \
             expect: {{exit_code: 0}}\n        hints: [{{id: h, say: [{{es: x, en: x}}]}}]\n"
        );
        write(&format!("labs/{id}.yaml"), &lab);
    }
    let labs = "labs: [{lab: two, weight: 30}, {lab: one, weight: 70}]";
    write("labs/course.yaml", &format!("labrun: course/v1\nid: c\ntitle: {{es: Todo, en: All}}\n{labs}\n{settled}"));
    folder
}

fn report_of(folder: &Path, args: &[&str]) -> (Report, String) {
    let all = [&["check"], args, &["--format", "json", "--lang", "en", "--evidence", "e.json"]].concat();
    let output = labrun_in(folder, &all, &[]);
    let report: Report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let again = labrun_in(folder, &["judge", "e.json", "--format", "json"], &[]);
    assert_eq!(text(&again.stdout), text(&output.stdout), "{}", text(&again.stderr));
    (report, text(&output.stderr))
}

fn claims(report: &Report) -> Vec<&str> {
    report.checks().map(|check| check.claim.en.as_str()).filter(|claim| *claim != "x").collect()
}

#[test]
fn a_course_orders_and_weighs_its_labs_and_settles_their_parameters() {
    let folder = course("params: {topology: nat}\n");
    let list = text(&labrun_in(folder.path(), &["list"], &[]).stdout);
    let labs: Vec<&str> =
        list.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(labs, ["two", "one", "other"]);
    let (report, said) = report_of(folder.path(), &["course"]);
    assert_eq!(said, "");
    assert_eq!(report.labs.iter().map(|lab| lab.id.as_str()).collect::<Vec<_>>(), ["two", "one"]);
    assert_eq!(claims(&report), ["plain nat", "plain nat"]);
    // A third of 30 and three quarters of 70.
    let points = report.course.as_ref().unwrap().points;
    assert_eq!(
        (points.earned.to_string(), points.lost.to_string(), points.possible.to_string()),
        ("62.5".into(), "37.5".into(), "100".into())
    );
    assert_eq!((report.points.earned.to_string(), report.points.possible.to_string()), ("3.5".into(), "5.5".into()));
    let shown = labrun_in(folder.path(), &["judge", "e.json", "--lang", "en"], &[]);
    assert!(text(&shown.stdout).contains("Course All · 62.5/100 points · 62 % · 37.5 lost"), "{}", text(&shown.stdout));
    let page = labrun_in(folder.path(), &["judge", "e.json", "--format", "html"], &[]);
    assert!(text(&page.stdout).contains("<b>62.5</b>/100"));
    // Not all of it, or not all of a lab, is no course.
    for part in [&["two"][..], &["two", "one/s"], &["course", "--set", "word=x", "one"]] {
        let (report, _) = report_of(folder.path(), part);
        assert_eq!(report.course.is_some(), part.contains(&"course"), "{part:?}");
    }
    // Whoever grades has the last word, and the course none about labs that are not of its folder.
    assert_eq!(claims(&report_of(folder.path(), &["two", "--set", "topology=cloud"]).0), ["plain cloud"]);
    let stray = labrun_in(folder.path(), &["check", "labs/two.yaml", "--format", "json"], &[]);
    assert_eq!(claims(&serde_json::from_slice(&stray.stdout).unwrap()), ["plain bridged"]);
}

#[test]
fn a_course_with_mistakes_is_refused_by_whoever_needs_it() {
    let folder = course("params: {topologi: nat}\n");
    for args in [&["check", "two"][..], &["check", "course"], &["list"], &["lint", "labs/course.yaml"]] {
        let output = labrun_in(folder.path(), args, &[]);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{args:?}");
        assert!(
            said.contains("no lab of the course has a parameter `topologi`") && said.contains("labs/course.yaml:"),
            "{said}"
        );
    }
    std::fs::remove_file(folder.path().join("labs/course.yaml")).unwrap();
    let output = labrun_in(folder.path(), &["check", "course"], &[]);
    assert!(text(&output.stderr).starts_with("labrun: there is no lab `course` in labs;"), "{}", text(&output.stderr));
}

#[test]
fn each_student_has_values_of_their_own_where_the_course_wants_that() {
    let evidence =
        |folder: &Path| -> Evidence { serde_json::from_slice(&std::fs::read(folder.join("e.json")).unwrap()).unwrap() };
    let off = course("");
    assert_eq!(claims(&report_of(off.path(), &["course", "--student", "ana"]).0), ["plain bridged", "plain bridged"]);
    assert!(!evidence(off.path()).personal);
    let on = course("personal: true\n");
    let (report, said) = report_of(on.path(), &["course", "--student", "ana"]);
    let own = claims(&report)[0].to_owned();
    assert!(own.starts_with("w_") && said.is_empty(), "{own}");
    assert_eq!(claims(&report), [&own, &own], "the same in every lab");
    assert_eq!((evidence(on.path()).personal, evidence(on.path()).student.as_deref()), (true, Some("ana")));
    assert_ne!(claims(&report_of(on.path(), &["one", "--student", "bruno"]).0), [&own]);
    assert_eq!(claims(&report_of(on.path(), &["one", "--student", "ana", "--set", "word=mine"]).0), ["mine bridged"]);
    // The switch of whoever grades does the same.
    assert_eq!(claims(&report_of(off.path(), &["one", "--student", "ana", "--personal"]).0), [&own]);
    says(
        &labrun_in(off.path(), &["check", "one", "--personal"], &[]),
        2,
        "",
        "labrun: --personal makes parameters of a student's id: say who it is with `--student ID`, or `student:` in labrun.yaml\n",
    );
    let list = labrun_in(on.path(), &["list", "--student", "ana"], &[]);
    assert!(text(&list.stdout).contains(&format!("  word={}\n", own.split(' ').next().unwrap())));
    // Without an id nobody is somebody else by chance, and it is told.
    let (report, said) = report_of(on.path(), &["one"]);
    assert_eq!(claims(&report), ["plain bridged"]);
    assert!(said.contains("nobody said who you are: `student:` is missing") && report.remarks.len() == 1, "{said}");
}

#[test]
fn credit_on_the_word_of_the_machine_counts_only_where_the_course_says_so() {
    for (settled, counts) in
        [("", false), ("credit: {self_reported: shown}\n", false), ("credit: {self_reported: counts}\n", true)]
    {
        let folder = course(settled);
        report_of(folder.path(), &["course"]);
        let evidence = std::fs::read(folder.path().join("e.json")).unwrap();
        let evidence: Evidence = serde_json::from_slice(&evidence).unwrap();
        assert_eq!(evidence.self_reported_counts, counts, "{settled}");
        let course = evidence.course.unwrap();
        assert_eq!((course.id.as_str(), course.labs.len()), ("c", 2));
    }
}

// ---- names of labs --------------------------------------------------------------------------------------------

#[test]
fn a_lab_is_called_as_its_file_is_or_nobody_finds_it_twice() {
    let folder = tempfile::tempdir().unwrap();
    let lab = std::fs::read_to_string(case("all-pass").join("lab.yaml")).unwrap().replace("all-pass", "bar");
    std::fs::create_dir(folder.path().join("labs")).unwrap();
    std::fs::write(folder.path().join("labs/foo.yaml"), &lab).unwrap();
    std::fs::write(folder.path().join("foo.yaml"), &lab).unwrap();
    let run = |args: &[&str]| labrun_in(folder.path(), args, &[]);
    // By its path it may be called anything.
    assert_eq!(run(&["check", "./foo.yaml", "--evidence", "e.json"]).status.code(), Some(4));
    assert_eq!(run(&["lint", "foo.yaml"]).status.code(), Some(0));
    for args in [&["lint", "labs/foo.yaml"][..], &["check", "foo"], &["list"]] {
        let output = run(args);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{args:?}: {said}");
        assert!(
            said.contains("`labs/foo.yaml` holds a lab called `bar`") && said.contains("labs/foo.yaml:2:5"),
            "{said}"
        );
        assert!(said.contains("rename one of them") && said.ends_with("labrun: 1 mistake\n"), "{said}");
    }
    // Evidence of a lab that was given by its path can be judged only with that path.
    says(
        &run(&["judge", "e.json"]),
        2,
        "",
        "labrun: there is no lab `bar` in labs; known here: `foo`. It was recorded from ./foo.yaml: give its file with \
         `--lab FILE`\n",
    );
    assert_eq!(run(&["judge", "e.json", "--lab", "foo.yaml"]).status.code(), Some(4));
}

#[test]
fn a_folder_called_labs_that_holds_none_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let labs = folder.path().join("labs");
    std::fs::create_dir(&labs).unwrap();
    let list = || labrun_in(folder.path(), &["list", "--lang", "en"], &[]);
    assert!(text(&list().stdout).contains(ENGLISH));
    std::fs::write(labs.join("results.yaml"), "ana: 8\nbruno: 9\n").unwrap();
    assert!(text(&list().stdout).contains(ENGLISH));
    // A lab with mistakes, or for a newer labrun, is one.
    for begins in ["labrun: lab/v1\n", "labrun: \"lab/v2\"\n"] {
        std::fs::write(labs.join("mine.yaml"), begins).unwrap();
        assert_eq!(list().status.code(), Some(3));
    }
    says(
        &labrun_in(folder.path(), &["check", "x"], &[]),
        2,
        "",
        "labrun: there is no lab `x` in labs; known here: `mine`, `results`\n",
    );
}

#[test]
fn evidence_of_nothing_is_no_pass() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read_to_string(case("all-pass").join("evidence.json")).unwrap();
    let lab = case("all-pass").join("lab.yaml");
    let mut evidence: Value = serde_json::from_str(&whole).unwrap();
    let judge = |evidence: &Value| {
        std::fs::write(folder.path().join("e.json"), evidence.to_string()).unwrap();
        labrun_in(folder.path(), &["judge", "e.json", "--lab", lab.to_str().unwrap()], &[])
    };
    evidence["labs"][0]["steps"] = serde_json::json!(["page", "wings"]);
    says_last(&judge(&evidence), "labrun: lab `all-pass` has no step `wings`; known here: `server`, `page`, `outside`");
    let twice = [evidence["labs"][0].clone(), evidence["labs"][0].clone()];
    evidence["labs"] = twice.to_vec().into();
    says_last(&judge(&evidence), "labrun: two labs of this run are called `all-pass`: ");
    evidence["labs"] = Value::Array(Vec::new());
    says_last(&judge(&evidence), "labrun: e.json: evidence of no lab");
}

#[track_caller]
fn says_last(output: &Output, said: &str) {
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{stderr}");
    assert!(stderr.lines().last().unwrap().starts_with(said), "{stderr}");
}
