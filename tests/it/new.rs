//! `labrun new`: what it writes is a lab from the first moment on, with worlds that prove it.

use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin_cmd;
use labrun::library::read_source;
use labrun::node;
use labrun::selftest::result::{Play, Selftest};

use crate::authored::schema_of;
use crate::schema::Validator;
use crate::student_vm::{engines, text, world};

/// `labrun` in `folder`.
fn labrun(folder: &Path, args: &[&str]) -> Output {
    cargo_bin_cmd!("labrun").current_dir(folder).args(args).output().unwrap()
}

#[test]
fn a_new_lab_has_no_mistakes_and_an_editor_knows_its_form() {
    let folder = tempfile::tempdir().unwrap();
    let output = labrun(folder.path(), &["new", "first-lab"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    insta::assert_snapshot!("new", text(&output.stdout));
    let files = ["labs/first-lab.yaml", "labs/worlds/first-lab.yaml"];
    let lint = labrun(folder.path(), &["lint", files[0], files[1]]);
    assert_eq!(text(&lint.stdout), "2 YAML files: no mistakes\n", "{}", text(&lint.stderr));
    for (file, name) in files.iter().zip(["lab", "worlds"]) {
        let path = folder.path().join(file);
        let there = std::fs::read_to_string(schema_of(&path)).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{name}.schema.json"));
        assert!(there == std::fs::read_to_string(shipped).unwrap(), "{name}");
        let value = node::parse(&read_source(&path).unwrap()).unwrap().to_json();
        assert_eq!(Validator::of(&format!("{name}.schema.json")).refuses(&value), None);
    }
    let list = labrun(folder.path(), &["list", "--lang", "en"]);
    assert!(text(&list.stdout).starts_with("first-lab                10  A web server"), "{}", text(&list.stdout));
}

#[test]
fn nothing_is_written_over_and_an_id_is_one() {
    let folder = tempfile::tempdir().unwrap();
    assert!(labrun(folder.path(), &["new", "a", "mine"]).status.success());
    std::fs::remove_file(folder.path().join("mine/labs/a.yaml")).unwrap();
    let again = labrun(folder.path(), &["new", "a", "mine"]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(text(&again.stderr), "labrun: mine/labs/worlds/a.yaml is there already: nothing was written\n");
    assert!(!folder.path().join("mine/labs/a.yaml").exists());
    for id in ["course", "Lab", "1a", "../a", "a b", ""] {
        assert_eq!(labrun(folder.path(), &["new", id]).status.code(), Some(2), "{id}");
    }
    assert!(!folder.path().join("labs").exists());
}

#[test]
fn a_new_lab_passes_its_selftest_on_student_vms() {
    for engine in engines() {
        let folder = tempfile::tempdir().unwrap();
        assert!(labrun(folder.path(), &["new", "first-lab"]).status.success());
        let makes = format!("{} vm --engine {engine}", world().display());
        let output = Command::new(env!("CARGO_BIN_EXE_labrun"))
            .current_dir(folder.path())
            .args(["selftest", "first-lab", "--format", "json", "--vm-command", &makes])
            .output()
            .unwrap();
        let result: Selftest =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        assert!(output.status.success() && result.sound, "{result:#?}");
        let [file] = result.files.as_slice() else { panic!("{result:#?}") };
        assert!(file.plays.len() == 5 && file.plays.iter().all(Play::is_sound));
        // It shows what worlds are for: every check trips, every hint is seen.
        assert!(file.checks.iter().all(|check| check.advice_never_shown.is_empty()), "{:#?}", file.checks);
    }
}

/// The first block of YAML in the author's guide that holds `word`.
fn of_the_guide(word: &str) -> String {
    let guide = include_str!("../../docs/authoring.md");
    let blocks = guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.into_iter().find(|block| block.contains(word)).unwrap().to_owned()
}

#[test]
fn the_authors_guide_leads_where_it_says() {
    let folder = tempfile::tempdir().unwrap();
    assert!(labrun(folder.path(), &["new", "hello"]).status.success());
    let (lab, worlds) = (folder.path().join("labs/hello.yaml"), folder.path().join("labs/worlds/hello.yaml"));
    let change = |path: &Path, changes: &[(&str, &str)]| {
        let mut text = std::fs::read_to_string(path).unwrap();
        for (from, to) in changes {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            text = text.replace(from, to);
        }
        std::fs::write(path, text).unwrap();
    };
    let lint = || {
        let output = labrun(folder.path(), &["lint", "labs/hello.yaml", "labs/worlds/hello.yaml"]);
        let stderr = text(&output.stderr);
        stderr.lines().filter_map(|line| line.strip_prefix("error: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let step = format!("{}\n{}", std::fs::read_to_string(&lab).unwrap(), of_the_guide("- id: own-page"));
    std::fs::write(&lab, step).unwrap();
    change(&lab, &[("  port: 8080\n", "  port: 8080\n  volume: pages\n")]);
    assert_eq!(lint()[0], "the checks of this lab come to 15 points, not 10");
    change(&lab, &[("\npoints: 10\n", "\npoints: 15\n")]);
    assert_eq!(lint(), ["nothing is said about `own-page/kept`"; 2]);
    let blocked =
        |hint: &str| (format!("{{fail: {hint}}}\n"), format!("{{fail: {hint}}}\n      own-page/kept: blocked\n"));
    let (one, two) = (blocked("unpublished"), blocked("no-page"));
    change(&worlds, &[(&one.0, &one.1), (&two.0, &two.1)]);
    assert_eq!(lint(), ["no world makes `own-page/kept` fail"]);
    let all = of_the_guide("- id: no-volume");
    let (reference, more) = all.split_once("  - id: no-volume").unwrap();
    let there = std::fs::read_to_string(&worlds).unwrap();
    let (before, rest) = there.split_once("  - id: reference\n").unwrap();
    let (_, after) = rest.split_once("  - id: stopped\n").unwrap();
    std::fs::write(&worlds, format!("{before}{reference}  - id: stopped\n{after}  - id: no-volume{more}")).unwrap();
    assert_eq!(lint(), [""; 0]);
}
