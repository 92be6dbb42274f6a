//! What comes before a lab and beside it: `doctor`, `demo`, completions, pages of the manual.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::labrun_in;
use crate::student_vm::{StudentVm, engines, text};

#[test]
fn without_an_engine_the_doctor_says_what_is_missing_how_to_get_it_and_that_no_lab_can_run() {
    let folder = tempfile::tempdir().unwrap();
    for (lang, wanted) in [
        (
            "es",
            ["✘ motor Docker", "`sudo systemctl start docker`", "no se puede juzgar un laboratorio: 1 por arreglar"],
        ),
        ("en", ["✘ Docker engine", "`sudo systemctl start docker`", "No lab can be judged like this: 1 to put right"]),
    ] {
        let output = labrun_in(folder.path(), &["doctor", "--lang", lang], &[]);
        let shown = text(&output.stdout);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(4), ""), "{shown}");
        wanted.iter().for_each(|said| assert!(shown.contains(said), "{said}: {shown}"));
        assert!(shown.lines().all(|line| console::measure_text_width(line) <= 80), "{shown}");
    }
    // Labs with mistakes are as bad as none.
    std::fs::create_dir(folder.path().join("labs")).unwrap();
    std::fs::write(folder.path().join("labs/x.yaml"), "labrun: lab/v1\nid: x\n").unwrap();
    let shown = text(&labrun_in(folder.path(), &["doctor", "--lang", "en"], &[]).stdout);
    assert!(shown.contains("✘ labs") && shown.contains("2 to put right"), "{shown}");
}

#[test]
fn a_student_vm_is_well_until_its_engine_stops_or_may_not_be_asked() {
    for engine in engines().iter().take(1) {
        let vm = StudentVm::start(engine);
        let doctor = |how: &str| {
            let output = vm.bash(&format!("{how} /share/labrun doctor --lang en"));
            (output.status.code(), text(&output.stdout))
        };
        let (code, shown) = doctor("");
        assert_eq!(code, Some(0), "{shown}");
        for well in ["✔ Docker engine", "✔ helper", "✔ compose", "✔ disk", "✔ labs", "Nothing is missing"] {
            assert!(shown.contains(well), "{well}: {shown}");
        }
        let left = vm.bash("docker ps -aq | wc -l");
        assert_eq!(text(&left.stdout).trim(), "0", "it leaves no container behind");
        let (code, shown) = doctor("sudo -u nobody env XDG_STATE_HOME=/tmp/nobody");
        assert!(code == Some(4) && shown.contains("✘ Docker engine"), "{shown}");
        let (code, shown) = doctor("DOCKER_HOST=unix:///tmp/none.sock");
        assert!(code == Some(4) && shown.contains("/tmp/none.sock"), "{shown}");
    }
}

#[test]
fn the_demo_judges_what_was_recorded_and_says_that_nobody_looked() {
    let folder = tempfile::tempdir().unwrap();
    for (lang, said) in [("es", "nadie miró esta máquina"), ("en", "nobody looked at this machine")] {
        let output = labrun_in(folder.path(), &["demo", "--lang", lang, "--output", "page.html"], &[]);
        let shown = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(
            shown.contains(said) && shown.contains("lab1/port/bound") && shown.contains("lab2/data/outlives"),
            "{shown}"
        );
        assert!(text(&output.stderr).contains("page.html"));
        let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
        assert!(page.to_lowercase().starts_with("<!doctype html>") && page.contains(said));
    }
    assert!(!folder.path().join(".state").exists(), "a demonstration is nobody's progress");
}

#[test]
fn completions_know_every_command_lab_and_step_and_the_shell_takes_them() {
    for shell in ["bash", "zsh", "fish"] {
        let output = labrun_in(Path::new("/"), &["completions", shell, "--labs", "built-in"], &[]);
        let script = text(&output.stdout);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
        for word in ["progress", "lab1/port", "lab7", "course"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        let installed = Command::new(shell).arg("-c").arg("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if installed.is_ok_and(|status| status.success()) {
            let mut child = Command::new(shell).arg("-n").stdin(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success(), "{shell}");
        }
    }
}

#[test]
fn bash_completes_a_step_after_the_beginning_of_its_name() {
    let script = text(&labrun_in(Path::new("/"), &["completions", "bash", "--labs", "built-in"], &[]).stdout);
    let ask = "COMP_WORDS=(labrun check lab1/po); COMP_CWORD=2; _labrun labrun lab1/po check; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").arg("-c").arg(format!("{script}\n{ask}")).output().unwrap();
    assert_eq!(text(&output.stdout).trim(), "lab1/port", "{}", text(&output.stderr));
}

#[test]
fn the_manual_has_a_page_for_each_command_that_people_type() {
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("man1");
    let output = labrun_in(folder.path(), &["man", man.to_str().unwrap()], &[]);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    for page in ["labrun.1", "labrun-check.1", "labrun-doctor.1"] {
        let page = std::fs::read_to_string(man.join(page)).unwrap();
        assert!(page.contains(".TH") && page.contains(".SH NAME"), "{page}");
    }
    assert!(!man.join("labrun-helper.1").exists());
}
