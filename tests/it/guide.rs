//! What a student reads while working: `show`, `next`, `hint`, `progress`. None needs a machine but for the looks before.

use std::path::Path;
use std::process::Output;

use labrun::library::Library;

use crate::cli::labrun_in;
use crate::student_vm::text;

/// A lab of two steps about two files, whose second check is hidden for ever.
const LAB: &str = r#"
labrun: lab/v1
id: files
title: {es: Dos archivos, en: Two files}
params: {word: hello}
steps:
  - id: first
    title: {es: El primero, en: The first}
    text:
      es: "Escribí **${word}** en el archivo `one`:\n\n- con un editor, o\n- con `echo`\n"
      en: "Write **${word}** into the file `one`:\n\n- with an editor, or\n- with `echo`\n"
    checks:
      - id: says
        points: 3
        claim: {es: "`one` dice `${word}`", en: "`one` says `${word}`"}
        probe: {command: {run: [cat, one]}}
        expect: {stdout: {contains: "${word}"}}
        hints:
          - id: missing
            when: {exit_code: 1}
            say:
              - {es: ¿Está el archivo?, en: Is the file there?}
              - {es: Creálo., en: Create it.}
              - {es: Con `echo`., en: With `echo`.}
          - id: other
            say:
              - {es: ¿Qué dice?, en: What does it say?}
              - {es: Leélo., en: Read it.}
      - id: secret
        points: 1
        hidden_until: 2999-01-01T00:00:00Z
        claim: {es: un secreto, en: a secret}
        probe: {command: {run: [cat, secret]}}
        expect: {stdout: {contains: x}}
        hints: [{id: h, say: [{es: del secreto, en: of the secret}]}]
  - id: second
    title: {es: El segundo, en: The second}
    needs: [first/says]
    checks:
      - id: there
        points: 2
        claim: {es: "`two` está", en: "`two` is there"}
        probe: {command: {run: [cat, two]}}
        expect: {exit_code: 0}
        hints: [{id: h, say: [{es: Falta., en: It is missing.}]}]
      - id: why
        points: 4
        judged_by: teacher
        claim: {es: ¿por qué?, en: why?}
        probe: {answer: {to: why}}
"#;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("labs")).unwrap();
        let lab = LAB
            .replace("cat, one]", &format!("cat, {}]", folder.path().join("one").display()))
            .replace("cat, two]", &format!("cat, {}]", folder.path().join("two").display()));
        std::fs::write(folder.path().join("labs/files.yaml"), lab).unwrap();
        Desk(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        labrun_in(self.0.path(), args, &[])
    }

    /// What a command prints that ends well, without times and places.
    fn read(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{args:?}");
        let folder = self.0.path().display().to_string();
        let shown = text(&output.stdout).replace(&format!("{folder}/"), "");
        regex::Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d").unwrap().replace_all(&shown, "2026-03-02 14:05").into_owned()
    }

    fn check(&self) -> Option<i32> {
        self.run(&["check", "files"]).status.code()
    }
}

#[test]
fn instructions_are_shown_with_what_is_checked_and_nothing_of_what_is_hidden() {
    let desk = Desk::new();
    for lang in ["es", "en"] {
        insta::assert_snapshot!(format!("show.{lang}"), desk.read(&["show", "files", "--lang", lang]));
    }
    let step = desk.read(&["show", "files/second"]);
    assert_eq!(step, desk.read(&["show", "files", "second"]));
    assert!(step.contains("files/second") && !step.contains("files/first"), "{step}");
    let output = desk.run(&["show", "files", "scond"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("did you mean `second`?"), "{}", text(&output.stderr));
}

#[test]
fn every_lab_is_readable_in_eighty_columns_and_both_languages() {
    for lab in Library::built_in().labs().keys() {
        for lang in ["es", "en"] {
            let output = labrun_in(Path::new("/"), &["show", lab, "--labs", "built-in", "--lang", lang], &[]);
            let shown = text(&output.stdout);
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            for line in shown.lines() {
                assert!(console::measure_text_width(line) <= 80 || line.starts_with("      "), "{lab} {lang}: {line}");
                assert!(!line.contains('\u{1b}') && !line.contains("${"), "{lab} {lang}: {line}");
            }
        }
    }
}

#[test]
fn the_next_step_is_the_first_that_does_not_hold_and_says_what_was_seen() {
    let desk = Desk::new();
    // Nobody has looked: it is the first.
    let next = desk.read(&["next", "--lang", "en"]);
    assert!(next.starts_with("· files/first · The first"), "{next}");
    assert!(next.contains("`labrun check files/first`") && !next.contains("Last seen"), "{next}");
    assert_eq!(desk.check(), Some(1));
    for lang in ["es", "en"] {
        insta::assert_snapshot!(format!("next.{lang}"), desk.read(&["next", "--lang", lang]));
    }
    // What holds is left behind; what is deferred is nobody's next step.
    std::fs::write(desk.path("one"), "hello").unwrap();
    assert_eq!(desk.check(), Some(1));
    let next = desk.read(&["next", "files", "--lang", "en"]);
    assert!(next.starts_with("✘ files/second"), "{next}");
    std::fs::write(desk.path("two"), "").unwrap();
    assert_eq!(desk.check(), Some(0));
    assert!(desk.read(&["next", "--lang", "en"]).starts_with("No step is left"));
    // Credit stays when the work is undone.
    std::fs::remove_file(desk.path("one")).unwrap();
    desk.check();
    assert!(desk.read(&["next", "--lang", "en"]).starts_with("No step is left"));
}

#[test]
fn the_next_step_knows_with_which_parameters_was_looked() {
    let desk = Desk::new();
    std::fs::write(desk.path("one"), "hello").unwrap();
    assert_eq!(desk.run(&["check", "files", "--set", "word=bye"]).status.code(), Some(1));
    let next = desk.read(&["next", "--lang", "en"]);
    assert!(next.contains("`one` says `bye`") && next.contains("fail"), "{next}");
    // A lab that has changed since was not looked at.
    let lab = std::fs::read_to_string(desk.path("labs/files.yaml")).unwrap();
    std::fs::write(desk.path("labs/files.yaml"), lab.replace("The first", "Another")).unwrap();
    assert!(desk.read(&["next", "--lang", "en"]).starts_with("· files/first · Another"));
}

#[test]
fn a_hint_says_a_stage_more_each_time_and_begins_anew_with_another_cause() {
    let desk = Desk::new();
    let hint = |args: &[&str]| desk.read(&[&["hint", "--lang", "en"], args].concat());
    assert!(hint(&[]).contains("Nobody has looked yet"));
    desk.check();
    insta::assert_snapshot!("hint.en", hint(&[]));
    let last = hint(&["files/first"]);
    assert!(last.contains("With `echo`.") && last.contains("There are no more hints."), "{last}");
    assert_eq!(hint(&["files/first/says"]), last);
    assert!(
        hint(&["files/second/there"])
            .contains("It waits for something else that is wrong: `labrun hint files/first/says`")
    );
    // Of several things it waits for the first is named: a command takes one.
    let lab = std::fs::read_to_string(desk.path("labs/files.yaml")).unwrap();
    let more = lab
        .replace("needs: [first/says]", "needs: [first]")
        .replace("        hidden_until: 2999-01-01T00:00:00Z\n", "");
    std::fs::write(desk.path("labs/files.yaml"), more).unwrap();
    desk.check();
    let waits = hint(&["files/second/there"]);
    assert!(waits.contains("`labrun hint files/first/says`."), "{waits}");
    std::fs::write(desk.path("labs/files.yaml"), lab).unwrap();
    desk.check();
    // Another cause has another hint, whose second stage comes first to be asked for.
    std::fs::write(desk.path("one"), "other").unwrap();
    desk.check();
    let other = hint(&["files"]);
    assert!(other.contains("What does it say?") && other.contains("Read it.") && !other.contains("echo"), "{other}");
    std::fs::write(desk.path("one"), "hello").unwrap();
    desk.check();
    assert!(hint(&["files/first/says"]).contains("This was seen to hold."));
    assert!(hint(&["files/second/why"]).contains("not judged"));
    let output = desk.run(&["hint", "files/first/sais"]);
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (Some(2), "labrun: there is no check `files/first/sais`; did you mean `files/first/says`?\n")
    );
}

#[test]
fn nothing_is_said_of_a_hidden_check_whoever_asks() {
    let desk = Desk::new();
    desk.check();
    for args in [&["hint", "files/first/secret"][..], &["show", "files"], &["next"], &["progress", "files"]] {
        for lang in ["es", "en"] {
            let shown = desk.read(&[args, &["--lang", lang]].concat());
            assert!(
                !shown.contains("a secret") && !shown.contains("un secreto") && !shown.contains("of the secret"),
                "{shown}"
            );
        }
    }
    let kept = std::fs::read_to_string(desk.path(".state/labrun/last/files.json")).unwrap();
    assert!(!kept.contains("a secret") && !kept.contains("of the secret"), "{kept}");
}

#[test]
fn progress_counts_what_was_seen_to_hold_and_nothing_else() {
    let desk = Desk::new();
    assert!(desk.read(&["progress", "--lang", "en"]).contains("0/10"));
    std::fs::write(desk.path("one"), "hello").unwrap();
    desk.check();
    for lang in ["es", "en"] {
        insta::assert_snapshot!(format!("progress.{lang}"), desk.read(&["progress", "--lang", lang]));
    }
    // What this user's record says is no one else's business, and nonsense in it is none.
    let last = desk.path(".state/labrun/last/files.json");
    std::fs::write(&last, "{").unwrap();
    assert!(desk.read(&["progress", "--lang", "en"]).contains("3/10"));
}

#[test]
fn a_pipeline_leaves_nothing_for_whoever_comes_next() {
    let desk = Desk::new();
    let output = labrun_in(desk.0.path(), &["check", "files", "--labs", "labs"], &[("CI", "true")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!desk.path(".state/labrun/last").exists());
}
