//! Every mistake an author can make, each as a file of `tests/cases/authoring/`, with the whole of what `labrun lint`
//! says about it.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin_cmd;

use crate::student_vm::text;

/// A small product of its own, so that messages show the paths that teachers see.
fn product() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/authoring")
}

/// What `labrun lint` says of files of the product: its exit code, standard output and standard error.
fn lint(files: &[&str]) -> (i32, String, String) {
    let output = cargo_bin_cmd!("labrun").current_dir(product()).arg("lint").args(files).output().unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// All files of the product, by their paths in it.
fn files() -> Vec<String> {
    let mut files = Vec::new();
    for folder in ["labs", "labs/worlds", "checks"] {
        for entry in std::fs::read_dir(product().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            files.extend(name.ends_with(".yaml").then(|| format!("{folder}/{name}")));
        }
    }
    files.sort();
    files
}

/// Those without mistakes, which the others are variations of.
const SOUND: [&str; 3] = ["checks/runs-nowhere.yaml", "labs/sound.yaml", "labs/worlds/sound.yaml"];

#[test]
fn a_sound_file_has_no_mistakes() {
    for file in SOUND {
        assert_eq!(lint(&[file]), (0, "1 YAML file: no mistakes\n".to_owned(), String::new()), "{file}");
    }
    assert_eq!(lint(&SOUND).1, "3 YAML files: no mistakes\n");
}

#[test]
fn every_mistake_is_shown_at_its_place_with_what_to_write_instead() {
    let mut failed = Vec::new();
    for file in files().iter().filter(|file| !SOUND.contains(&file.as_str())) {
        let (code, stdout, stderr) = lint(&[file]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{file}: {stderr}");
        assert!(!stderr.contains('\u{1b}') && !stderr.contains("panicked"), "{file}: {stderr}");
        let mistakes = stderr.matches("error: ").count();
        assert_eq!(stderr.matches(" --> ").count(), mistakes, "{file}: each mistake has a place");
        assert!(stderr.ends_with(&format!("labrun: {mistakes} mistake{}\n", if mistakes == 1 { "" } else { "s" })));
        let name = file.trim_end_matches(".yaml").replace('/', ".");
        // One wrong snapshot must not hide the others.
        let compared = catch_unwind(AssertUnwindSafe(|| insta::assert_snapshot!(format!("lint.{name}"), stderr)));
        failed.extend(compared.is_err().then_some(name));
    }
    assert!(failed.is_empty(), "what is said has changed: {failed:?}");
}

#[test]
fn a_hand_out_is_held_against_the_labs_that_grade_it() {
    let handout = ["--against", "against/redes.md"];
    assert_eq!(lint(&["against/grounded.yaml", "--against", "against/redes.md"]).0, 0);
    // What one lab leaves to another is no gap of theirs together.
    let (code, stdout, stderr) = lint(&[&handout[..], &["against/groundless.yaml"]].concat());
    assert_eq!((code, stdout.as_str()), (3, ""));
    insta::assert_snapshot!("lint.against", stderr);
    let (_, _, both) = lint(&[&handout[..], &["against/groundless.yaml", "against/grounded.yaml"]].concat());
    assert!(!both.contains("a task without a claim"), "{both}");
    // Worlds and library checks have no ground of their own.
    let (code, ..) = lint(&[&handout[..], &["against/grounded.yaml", SOUND[0], SOUND[2]]].concat());
    assert_eq!(code, 0);
    assert_eq!(lint(&["against/grounded.yaml", "--against", "against/nowhere.md"]).0, 2);
}

#[test]
fn five_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let (_, _, stderr) = lint(&["labs/five-mistakes.yaml"]);
    let places: Vec<&str> = stderr.lines().filter_map(|line| line.trim_start().strip_prefix("--> ")).collect();
    let at = |place: &str| format!("labs/five-mistakes.yaml:{place}");
    assert_eq!(places, [at("6:3"), at("13:9"), at("15:17"), at("16:9"), at("20:22")]);
    for said in [
        "parameter `port` is never used",
        "duplicate key `points`",
        "unknown probe `conatiner`",
        "did you mean `container`?",
        "unknown key `expct`",
        "did you mean `expect`?",
        "unknown parameter `nmae`",
        "did you mean `name`?",
        "labrun: 5 mistakes",
    ] {
        assert!(stderr.contains(said), "{said}");
    }
}

#[test]
fn mistakes_of_several_files_are_told_in_one_run() {
    let (code, _, stderr) = lint(&["labs/unknown-probe.yaml", "labs/sound.yaml", "labs/worlds/unknown-hint.yaml"]);
    assert_eq!(code, 3);
    assert!(stderr.contains("labs/unknown-probe.yaml:12:17") && stderr.contains("labs/worlds/unknown-hint.yaml:8:20"));
    assert!(stderr.ends_with("labrun: 2 mistakes\n"), "{stderr}");
}

#[test]
fn check_and_list_refuse_a_lab_with_mistakes_as_lint_does() {
    let (_, _, linted) = lint(&["labs/five-mistakes.yaml"]);
    let output =
        cargo_bin_cmd!("labrun").current_dir(product()).args(["check", "labs/five-mistakes.yaml"]).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout), text(&output.stderr)), (Some(3), String::new(), linted));
}

#[test]
fn the_files_of_the_product_itself_have_no_mistakes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["labs", "labs/worlds", "checks"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "yaml")).collect();
        assert!(!files.is_empty());
        cargo_bin_cmd!("labrun").arg("lint").args(files).assert().code(0);
    }
}

#[test]
fn the_folder_a_file_lies_in_is_found_from_wherever_lint_is_called() {
    let run = |folder: &str, file: &str| {
        let output =
            cargo_bin_cmd!("labrun").current_dir(product().join(folder)).args(["lint", file]).output().unwrap();
        assert!(output.status.success(), "{folder} {file}: {}", text(&output.stderr));
    };
    run("labs/worlds", "sound.yaml");
    run("labs/worlds", "../sound.yaml");
    run("labs", "sound.yaml");
    run("labs", "worlds/sound.yaml");
    run("checks", "runs-nowhere.yaml");
    run("checks", "../labs/worlds/sound.yaml");
    let absolute = product().join("labs/worlds/sound.yaml");
    run("/", absolute.to_str().unwrap());
}

#[test]
fn what_is_no_yaml_at_all_never_makes_lint_panic() {
    let folder = tempfile::tempdir().unwrap();
    let sound = std::fs::read_to_string(product().join(SOUND[1])).unwrap();
    let mut seen = BTreeSet::new();
    // Every way of cutting a file short, and of doubling a part of it.
    for cut in sound.char_indices().map(|(at, _)| at).step_by(23) {
        for (name, broken) in [
            ("cut", sound[..cut].to_owned()),
            ("doubled", format!("{}{}", &sound[..cut], sound)),
            ("dropped", sound[cut..].to_owned()),
        ] {
            let path = folder.path().join("x.yaml");
            std::fs::write(&path, broken).unwrap();
            let output = cargo_bin_cmd!("labrun").arg("lint").arg(&path).output().unwrap();
            let stderr = text(&output.stderr);
            assert!(!stderr.contains("panicked"), "{name} at {cut}: {stderr}");
            seen.insert(output.status.code());
        }
    }
    assert!(seen.iter().all(|code| matches!(code, Some(0 | 3))), "{seen:?}");
    for bytes in [&b"\xff\xfe"[..], b"\0", b"labrun: lab/v1\n\xc3\x28", b"\xef\xbb\xbflabrun: lab/v1\n"] {
        let path = folder.path().join("x.yaml");
        std::fs::write(&path, bytes).unwrap();
        let output = cargo_bin_cmd!("labrun").arg("lint").arg(&path).output().unwrap();
        assert!(matches!(output.status.code(), Some(2 | 3)), "{bytes:?}: {}", text(&output.stderr));
    }
}
