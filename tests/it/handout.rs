//! `labrun handout`: all that students are asked to do is in it, and nothing of how it is checked.

use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;
use labrun::library::Library;
use labrun::plan::{Settings, plan};
use labrun::reference::{Piece, pieces};
use labrun::text::Lang;

use crate::student_vm::text;

/// What `labrun handout` prints.
fn handout(args: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = cargo_bin_cmd!("labrun").current_dir(root).arg("handout").args(args).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

const LAB: &str = "tests/cases/handout/lab.yaml";

#[test]
fn a_hand_out_asks_and_gives_nothing_away() {
    for lang in ["es", "en"] {
        let markdown = handout(&[LAB, "--lang", lang]);
        let page = handout(&[LAB, "--lang", lang, "--html"]);
        for (format, shown) in [("md", &markdown), ("html", &page)] {
            for kept in ["pista", "hint", "207", "escondido", "hidden", "Más tarde", "Later on", "$${"] {
                let body = shown.split("</style>").last().unwrap();
                assert!(!body.contains(kept), "{kept} in {lang}.{format}");
            }
            insta::assert_snapshot!(format!("handout.{lang}.{format}"), shown);
        }
    }
}

#[test]
fn a_hand_out_is_made_for_a_course_for_a_student_and_for_parameters() {
    let ana = handout(&[LAB, "--student", "ana.perez", "--set", "port=9090"]);
    let ben = handout(&[LAB, "--student", "ben"]);
    let table = |text: &str| text.split("test_").nth(1).map(|rest| rest[..4].to_owned()).unwrap();
    assert_ne!(table(&ana), table(&ben));
    assert!(ana.contains("9090") && !ana.contains("8080") && ben.contains("8080"));
    let course = handout(&["course", "--labs", "built-in", "--lang", "es"]);
    assert_eq!(course.matches("\n# ").count() + 1, 7);
}

#[test]
fn a_page_needs_nothing_else_and_runs_nothing() {
    let page = handout(&["course", "--labs", "built-in", "--html"]);
    for part in ["<script", "<link", "<img", "src=", "@import", "url(", "onload"] {
        assert!(!page.contains(part), "{part}");
    }
    assert!(page.contains("default-src 'none'"));
    assert_eq!(page.matches("<main>").count(), 1);
}

#[test]
fn no_hint_of_the_seven_labs_is_handed_out() {
    let library = Library::built_in();
    for (lang, tag) in [(Lang::Es, "es"), (Lang::En, "en")] {
        for (id, source) in library.labs() {
            let shown = handout(&[id, "--labs", "built-in", "--lang", tag]);
            let plan = plan(source, library.checks(), &Settings::new(), &[]).unwrap();
            let plain = |text: &str| {
                let pieces = pieces(text).into_iter();
                pieces
                    .filter_map(|piece| if let Piece::Plain(plain) = piece { Some(plain) } else { None })
                    .collect::<String>()
            };
            for check in plan.checks() {
                for said in check.hints.iter().chain(&check.notes).flat_map(|advice| &advice.say) {
                    assert!(!shown.contains(&plain(said.get(lang))), "{}: {}", check.address, said.get(lang));
                }
                assert!(shown.contains(&plain(check.claim.get(lang))), "{}", check.address);
            }
            for step in &plan.steps {
                assert!(
                    shown.contains(step.text.get(lang).trim_end().lines().last().unwrap().trim_end()),
                    "{}",
                    step.address
                );
            }
        }
    }
}
