//! The pages in a real browser (`tests/browser/`): here they are written, with what a machine or a student may be called
//! at its worst among them. Needs Chromium and Node.js, which `make browser` installs before it sets `LABRUN_BROWSER`.

use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::cargo_bin_cmd;
use labrun::render::{Format, Options};

use crate::render::fixtures;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every fixture as `report.NAME.html` in `folder`, and one of a real machine.
fn write_reports(folder: &Path) {
    let html = Format::named("html").unwrap();
    for (name, report) in fixtures() {
        let page = (html.render)(&report, &Options::default());
        std::fs::write(folder.join(format!("report.{name}.html")), page).unwrap();
    }
    let mut labrun = cargo_bin_cmd!("labrun");
    labrun.current_dir(root()).args(["judge", "tests/cases/replay/real-mistakes/evidence.json", "--lang", "es"]);
    labrun.args(["--lab", "labs/lab1.yaml", "--lab", "labs/lab2.yaml", "--format", "html"]);
    std::fs::write(folder.join("report.real.html"), labrun.output().unwrap().stdout).unwrap();
}

/// Writes the pages into `$LABRUN_PAGES`, to be looked at: `make screenshots` does.
#[test]
fn pages_to_look_at() {
    if let Some(folder) = std::env::var_os("LABRUN_PAGES") {
        write_reports(Path::new(&folder));
    }
}

#[test]
fn the_pages_work_in_a_real_browser() {
    if std::env::var_os("LABRUN_BROWSER").is_none() {
        eprintln!("needs a browser: run `make browser`, which installs it and sets LABRUN_BROWSER");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write_reports(folder.path());
    let tests = std::fs::read_dir(root().join("tests/browser")).unwrap().map(|entry| entry.unwrap().path());
    let mut tests: Vec<_> = tests.filter(|path| path.to_string_lossy().ends_with(".test.mjs")).collect();
    tests.sort();
    assert!(tests.len() > 1, "{tests:?}");
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]).args(&tests).env("LABRUN_PAGES", folder.path());
    let status = node.current_dir(root()).status().expect("Node.js is installed: `tests/browser/setup` does that");
    assert!(status.success(), "see above; what is missing `tests/browser/setup` installs");
}
