//! The pages in a real browser (`tests/browser/`): here they are written, with what a machine or a student may be called
//! at its worst among them. Needs Chromium and Node.js, which `make browser` installs before it sets `LABRUN_BROWSER`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use assert_cmd::cargo::cargo_bin_cmd;
use labrun::class::page::{self, Running};
use labrun::class::roster::{Entry, Origin};
use labrun::class::summary::Class;
use labrun::render::{Format, Options};
use labrun::text::{Lang, Text};

use crate::class::Teacher;
use crate::render::fixtures;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The fixtures that between them have everything a report can have, as `report.NAME.html` in `folder`, and one of a real
/// machine.
fn write_reports(folder: &Path) {
    let html = Format::named("html").unwrap();
    for (name, report) in fixtures().into_iter().filter(|(name, _)| !name.starts_with("something_")) {
        let page = (html.render)(&report, &Options::default());
        std::fs::write(folder.join(format!("report.{name}.html")), page).unwrap();
    }
    let mut labrun = cargo_bin_cmd!("labrun");
    labrun.current_dir(root()).args(["judge", "tests/cases/replay/real-mistakes/evidence.json", "--lang", "es"]);
    labrun.args(["--lab", "labs/lab1.yaml", "--lab", "labs/lab2.yaml", "--format", "html"]);
    std::fs::write(folder.join("report.real.html"), labrun.output().unwrap().stdout).unwrap();
}

const NAMES: [&str; 12] = [
    "Acosta, Julia",
    "Benítez, Tomás",
    "Cabrera, Lautaro",
    "Díaz, Malena",
    "Espósito, Nahuel",
    "Ferreyra, Abril",
    "Giménez, Bruno",
    "Herrera, Catalina",
    "Ibarra, Joaquín",
    "Juárez, Sol",
    "Ledesma, Valentín",
    "Núñez, Ámbar",
];

/// A class of twelve as `class.done.html`, the same while it runs, and one in which everything is called what it should
/// not be.
fn write_classes(folder: &Path) {
    let teacher = Teacher::of(NAMES.len());
    let mut class = teacher.graded("M", &[]);
    for (student, name) in class.students.iter_mut().zip(NAMES) {
        student.name = Some(name.to_owned());
    }
    for lab in &mut class.labs {
        lab.source = "built-in".to_owned();
    }
    let write = |name: &str, class: &Class, running: Option<&Running>| {
        std::fs::write(folder.join(format!("class.{name}.html")), page::render(class, Lang::Es, running)).unwrap();
    };
    write("done", &class, None);

    let entry = |id: &str, name: Option<&str>| Entry {
        id: id.to_owned(),
        name: name.map(str::to_owned),
        email: None,
        moodle: None,
        canvas: None,
        key: None,
        origin: Origin::Evidence(String::new()),
        due: Default::default(),
    };
    let (ana, beto, carla) = (entry("ana", Some("Ana Ríos")), entry("beto", None), entry("carla", None));
    let running = Running {
        at: "2026-12-01T10:32:05Z".parse().unwrap(),
        late_after: Duration::from_secs(60),
        all: 12,
        under_way: vec![&ana],
        to_come: vec![&beto, &carla],
        interrupted: false,
    };
    let mut begun = class.clone();
    begun.students.truncate(9);
    write("running", &begun, Some(&running));
    // The same, left by a run that was killed the day before.
    let at = "2026-11-30T10:32:05Z".parse().unwrap();
    write("killed", &begun, Some(&Running { at, ..running }));

    const SCRIPT: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)>";
    let ansi = "\u{1b}[2K\r✔ bien\u{9b}31m \u{202e}gnp.exe ze\u{200b}ro";
    let mut hostile = class;
    for (student, name) in hostile.students.iter_mut().zip([SCRIPT, &"a".repeat(1 << 20), ansi, "\"><b>x</b>"]) {
        student.name = Some(name.to_owned());
    }
    for check in &mut hostile.checks {
        check.claim = Text::new(format!("{SCRIPT} {ansi}"), "n".repeat(1 << 16));
        check.hints.iter_mut().for_each(|hint| hint.say = Text::same(format!("`{ansi}` {SCRIPT}")));
    }
    hostile.stuck.iter_mut().for_each(|stuck| stuck.title = Text::same(ansi));
    hostile.labs[0].title = Text::same(SCRIPT);
    write("hostile", &hostile, None);
}

/// Writes the pages into `$LABRUN_PAGES`, to be looked at: `make screenshots` does.
#[test]
fn pages_to_look_at() {
    if let Some(folder) = std::env::var_os("LABRUN_PAGES") {
        write_reports(Path::new(&folder));
        write_classes(Path::new(&folder));
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
    write_classes(folder.path());
    let tests = std::fs::read_dir(root().join("tests/browser")).unwrap().map(|entry| entry.unwrap().path());
    let mut tests: Vec<_> = tests.filter(|path| path.to_string_lossy().ends_with(".test.mjs")).collect();
    tests.sort();
    assert!(tests.len() > 1, "{tests:?}");
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]).args(&tests).env("LABRUN_PAGES", folder.path());
    let status = node.current_dir(root()).status().expect("Node.js is installed: `tests/browser/setup` does that");
    assert!(status.success(), "see above; what is missing `tests/browser/setup` installs");
}
