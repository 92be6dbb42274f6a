//! Judging recorded evidence, without a machine: a case is a folder of `tests/cases/replay/` with a lab and evidence,
//! written by hand, or (`real-…`) recorded in a student VM and judged by the labs of the product.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use assert_cmd::cargo::cargo_bin_cmd;
use labrun::evidence::chain::{Broken, seal};
use labrun::evidence::{Cause, Evidence, Facts, Observation, Sample, Seen, Unobserved};
use labrun::judge::judge;
use labrun::library::{Library, read_source};
use labrun::plan::{Ask, Plan, Settings, plan};
use labrun::reference::{Scope, written};
use labrun::render::{FORMATS, Options};
use labrun::source::Source;
use labrun::text::Lang;
use labrun::vantage::Vantage;
use labrun::verdict::{Outcome, Report, Score};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::formats::CLASSROOM;
use crate::student_vm::text;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn case(name: &str) -> PathBuf {
    root().join("tests/cases/replay").join(name)
}

/// Runs `labrun judge` in the folder of a case.
fn judge_case(name: &str, args: &[&str]) -> Output {
    let mut labrun = cargo_bin_cmd!("labrun");
    labrun.current_dir(case(name)).args(["judge", "evidence.json", "--lab", "lab.yaml"]).args(args);
    labrun.envs(CLASSROOM).output().unwrap()
}

/// The cases, with the exit code and the outcome of each check in order.
const CASES: &[(&str, i32, &str)] = &[
    ("all-pass", 0, "pass pass pass"),
    ("blocked-followers", 1, "fail blocked blocked"),
    // What is unknown makes what needs it unknown, and nothing else.
    ("unknown-need", 1, "unknown unknown fail"),
    ("pass-despite-its-need", 1, "fail pass fail"),
    ("deferred", 0, "pass deferred"),
    // What the run was not asked to do is not judged, whatever the evidence holds of it.
    ("opt-in", 0, "pass deferred"),
    // The same refusal, once with a dead control and once with a living one.
    ("control-failed", 4, "unknown pass"),
    // What could not be seen matters to what rests on it alone.
    ("unseen-aside", 4, "pass unknown unknown pass unknown unknown pass"),
    // Of a cut list, what is found is found; what is not found is not known to be absent.
    ("truncated", 4, "unknown pass unknown"),
    // Also of the round that began in time for what it needs, and was late for itself.
    ("holds-within", 0, "pass pass"),
    // What is seen in a round that only another check asked for comes too late.
    ("holds-too-late", 1, "fail pass"),
    ("missed-bonus", 0, "pass fail"),
    ("missing-observation", 4, "pass unknown"),
    ("hint-by-when", 1, "fail pass"),
    // A doubt speaks where a check would fail, and nowhere else.
    ("doubted", 1, "unknown fail pass"),
    // What was seen to hold stays: by the grader's word, and by the machine's own only if the course counts it.
    ("credited", 1, "deferred deferred pass blocked"),
    ("credited-counts", 1, "pass pass pass blocked"),
    // What a question took from the run is taken from the evidence again.
    ("run-nonce", 0, "pass"),
    // What is hidden is neither a pass nor a fail yet, nor is what needs it blocked.
    ("hidden", 0, "pass deferred deferred"),
    ("answers", 1, "fail pass fail fail fail unknown deferred deferred"),
];

#[test]
fn every_case_comes_out_as_it_should_in_every_format() {
    for (name, code, outcomes) in CASES {
        for (suffix, args) in [
            ("es.text", ["--format", "text", "--lang", "es"]),
            ("en.text", ["--format", "text", "--lang", "en"]),
            ("json", ["--format", "json", "--lang", "en"]),
        ] {
            let output = judge_case(name, &args);
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(*code), "{name}: {stderr}");
            assert_eq!(
                stderr,
                format!(
                    "labrun: evidence.json: {}\nlabrun: `{name}` is judged by another version of the lab than it was \
                     recorded for\n",
                    Broken::Absent.said().get(if args.contains(&"es") { Lang::Es } else { Lang::En })
                )
            );
            let shown = text(&output.stdout);
            if suffix == "json" {
                let report: Report = serde_json::from_str(&shown).unwrap();
                let seen: Vec<&str> = report.checks().map(|check| check.outcome.word()).collect();
                assert_eq!(seen.join(" "), *outcomes, "{name}");
            }
            let shown = shown.replace(&format!("labrun {}", env!("CARGO_PKG_VERSION")), "labrun [version]");
            let shown =
                shown.replace(&format!("\"labrun\": \"{}\"", env!("CARGO_PKG_VERSION")), "\"labrun\": \"[version]\"");
            insta::assert_snapshot!(format!("{name}.{suffix}"), shown);
        }
    }
}

#[test]
fn evidence_that_was_changed_is_refused_unless_asked_for_and_then_every_report_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let text_of = |path: &Path| std::fs::read_to_string(path).unwrap();
    let mut evidence: Evidence =
        serde_json::from_str(&text_of(&case("blocked-followers").join("evidence.json"))).unwrap();
    seal(&mut evidence);
    let judged = |evidence: &str, args: &[&str]| {
        std::fs::write(folder.path().join("e.json"), evidence).unwrap();
        let mut labrun = cargo_bin_cmd!("labrun");
        labrun.current_dir(&folder).args(["judge", "e.json", "--lang", "en", "--lab", "lab.yaml"]);
        let output = labrun.args(args).envs(CLASSROOM).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let whole = serde_json::to_string_pretty(&evidence).unwrap();
    std::fs::copy(case("blocked-followers").join("lab.yaml"), folder.path().join("lab.yaml")).unwrap();
    let (code, report, said) = judged(&whole, &[]);
    assert_eq!(code, Some(1));
    assert!(!said.contains("chain") && !said.contains("changed"), "{said}");
    // What was sealed is judged as what never was.
    assert_eq!(report, text(&judge_case("blocked-followers", &["--lang", "en"]).stdout));

    let changed = whole.replacen("\"exited\"", "\"running\"", 1);
    assert_ne!(changed, whole);
    let (code, report, said) = judged(&changed, &[]);
    assert_eq!((code, report.as_str()), (Some(2), ""));
    assert!(said.starts_with("labrun: e.json: it was changed after it was written: observation 1 "), "{said}");
    for format in FORMATS {
        let (code, report, _) = judged(&changed, &["--even-if-changed", "--format", format.name]);
        assert!(code != Some(2) && report.contains("the evidence cannot be trusted"), "{}: {report}", format.name);
    }
}

#[test]
fn every_folder_is_a_case() {
    let folders = std::fs::read_dir(case("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut folders: Vec<String> = folders.filter(|name| !name.starts_with("real-")).collect();
    folders.sort();
    let mut names: Vec<&str> = CASES.iter().map(|(name, ..)| *name).collect();
    names.sort();
    assert_eq!(folders, names);
}

#[test]
fn the_same_evidence_gives_the_same_bytes_every_time() {
    for (name, ..) in CASES {
        for format in FORMATS {
            let [first, second] = [(); 2].map(|()| judge_case(name, &["--format", format.name]).stdout);
            assert!(!first.is_empty() && first == second, "{name} {}", format.name);
        }
    }
}

#[test]
fn a_page_of_a_case_names_every_claim_and_outcome_and_holds_the_report() {
    for (name, _, outcomes) in CASES {
        let page = text(&judge_case(name, &["--format", "html", "--lang", "en"]).stdout);
        let json = text(&judge_case(name, &["--format", "json"]).stdout);
        assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"), "{name}");
        let (_, embedded) = page.split_once("<script type=\"application/json\" id=\"report\">").unwrap();
        let embedded: Report = serde_json::from_str(embedded.split_once("</script>").unwrap().0).unwrap();
        let report: Report = serde_json::from_str(&json).unwrap();
        assert_eq!(embedded, report, "{name}");
        for check in report.checks() {
            assert!(page.contains(&check.address), "{name}: {}", check.address);
        }
        for outcome in outcomes.split(' ') {
            assert!(page.contains(outcome), "{name}: {outcome}");
        }
    }
}

#[test]
fn a_failed_control_and_a_lost_path_cost_nothing_and_a_percentage_is_not_given() {
    for name in ["control-failed", "truncated", "missing-observation"] {
        let shown = text(&judge_case(name, &["--lang", "en"]).stdout);
        let total = shown.lines().find(|line| line.starts_with("Total")).unwrap();
        assert!(total.contains("undetermined") && !total.contains('%') && !total.contains("lost"), "{name}: {total}");
    }
}

#[test]
fn the_right_answer_is_in_no_report_whatever_came_of_it() {
    for format in FORMATS {
        for lang in ["es", "en"] {
            let shown = text(&judge_case("answers", &["--format", format.name, "--lang", lang, "-v"]).stdout);
            // What options there are, what was seen of the machine, and what was expected of it.
            for secret in ["secret", "172.99", "internal", "bridge", "secret-driver", "secret-member"] {
                assert!(!shown.contains(secret), "{} {lang}: {secret}", format.name);
            }
            // Nothing is graded there while anything is unknown.
            if format.name == "classroom50" {
                continue;
            }
            assert!(shown.contains("cada una tiene su puente"), "{}: the teacher reads the answer", format.name);
            assert!(shown.contains("gatway"), "{}", format.name);
            // A service knows by itself whose work it has sent.
            let is_asked = ["tap", "gradescope", "prairielearn"].contains(&format.name);
            assert!(is_asked || shown.contains("ana.perez"), "{}", format.name);
            assert!(!shown.contains('\u{1b}') && !shown.contains("puente. <b>\u{1b}"), "{}", format.name);
        }
    }
    let page = text(&judge_case("answers", &["--format", "html"]).stdout);
    assert!(page.contains("puente. &lt;b&gt;") && !page.contains("puente. <b>"));
}

#[test]
fn a_report_shows_what_its_verdicts_rest_on_but_nothing_that_an_answer_is_compared_with() {
    let report: Report = serde_json::from_slice(&judge_real("real-mistakes", "json").stdout).unwrap();
    let outlives = report.checks().find(|check| check.address == "lab2/data/outlives").unwrap();
    let own = outlives.sights.iter().find(|sight| sight.name.is_none()).unwrap();
    assert_eq!((own.probe.as_str(), &own.facts.as_ref().unwrap()["outlives_container"]), ("mount", &json!(false)));

    let lab =
        "labrun: lab/v1\nid: two\ntitle: {es: x, en: x}\nsteps:\n  - id: s\n    title: {es: x, en: x}\n    checks:\n";
    let seen = "        claim: {es: x, en: x}\n        given: {box: {container: {name: ams}}}\n        points: 1\n";
    let say = "say: [{es: x, en: x}]";
    let plain = format!(
        "      - id: a\n{seen}        probe: {{volume: {{name: x}}}}\n        expect: {{box.status: running}}\n        \
         hints: [{{id: h, {say}}}]\n"
    );
    let asks = format!(
        "      - id: b\n{seen}        probe: {{answer: {{to: q}}}}\n        expect: {{value: \"${{box.status}}\"}}\n        \
         hints: [{{id: unanswered, when: {{given: false}}, {say}}}, {{id: h, {say}}}]\n"
    );
    let probes = |checks: &[&str]| -> Vec<Vec<String>> {
        let source = Source::new("two.yaml", format!("{lab}{}", checks.concat()));
        let plans = [plan(&source, &BTreeMap::new(), &Settings::new(), &[]).unwrap()];
        let report = judge(&plans, &evidence_for(&plans, |_| Some(facts("running"))));
        report.checks().map(|check| check.sights.iter().map(|sight| sight.probe.clone()).collect()).collect()
    };
    assert_eq!(probes(&[&plain]), [["container", "volume"]]);
    assert_eq!(probes(&[&plain, &asks]), [vec!["volume".to_owned()], vec![]]);
}

#[test]
fn an_answer_of_any_size_in_evidence_is_shown_as_long_as_one_may_be() {
    let lab = "labrun: lab/v1\nid: long\ntitle: {es: x, en: x}\nsteps:\n  - id: s\n    title: {es: x, en: x}\n    \
               checks:\n      - id: c\n        points: 1\n        claim: {es: x, en: x}\n        judged_by: teacher\n        \
               probe: {answer: {to: q}}\n";
    let plans = [plan(&Source::new("long.yaml", lab), &BTreeMap::new(), &Settings::new(), &[]).unwrap()];
    for (value, length) in [(json!("x".repeat(1 << 20)), Some(4000)), (json!(["x"]), None), (json!(null), None)] {
        let said = json!({"given": true, "value": value}).as_object().unwrap().clone();
        let report = judge(&plans, &evidence_for(&plans, |_| Some(Seen::Facts(said.clone()))));
        let check = report.checks().next().unwrap();
        assert_eq!((check.outcome, check.answer.as_ref().map(String::len)), (Outcome::Deferred, length));
    }
    // Nor does it matter whether it was ever looked for.
    assert_eq!(judge(&plans, &evidence_for(&plans, |_| Some(unobserved()))).outcome, Outcome::Deferred);
    assert_eq!(judge(&plans, &evidence_for(&plans, |_| None)).outcome, Outcome::Deferred);
}

#[test]
fn what_is_hidden_is_in_no_report_before_its_time_and_in_all_of_them_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = std::fs::read_to_string(case("hidden").join("evidence.json")).unwrap();
    let judged = |finished: &str, args: &[&str]| {
        let evidence = evidence.replace("2026-11-30T23:59:59.999Z", finished);
        std::fs::write(folder.path().join("e.json"), evidence).unwrap();
        let mut labrun = cargo_bin_cmd!("labrun");
        labrun.current_dir(&folder).args(["judge", "e.json", "--lab"]).arg(case("hidden").join("lab.yaml"));
        let output = labrun.args(args).envs(CLASSROOM).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let outcomes = |finished: &str, args: &[&str]| {
        let (code, json) = judged(finished, &[&["--format", "json"], args].concat());
        let report: Report = serde_json::from_str(&json).unwrap();
        adds_up(&report).unwrap();
        (code, report.checks().map(|check| check.outcome.word()).collect::<Vec<_>>().join(" "))
    };
    let before = "2026-11-30T23:59:59.999Z";
    for format in FORMATS {
        for lang in ["es", "en"] {
            let (_, shown) = judged(before, &["--format", format.name, "--lang", lang, "-v"]);
            assert!(!shown.contains("secret") && !shown.contains("exited"), "{} {lang}", format.name);
            // What is deferred is no part of what is graded there.
            let tells = format.name != "classroom50";
            assert_eq!(shown.contains("2026-12-01T00:00:00Z"), tells, "{} {lang}", format.name);
            let (_, shown) = judged(before, &["--format", format.name, "--lang", lang, "-v", "--reveal"]);
            for said in ["secret claim", "secret words", "secret-name", "secret-status"] {
                assert!(shown.contains(said), "{} {lang}: {said}", format.name);
            }
        }
    }
    assert_eq!(outcomes(before, &[]), (Some(0), "pass deferred deferred".to_owned()));
    assert_eq!(outcomes("2026-12-01T00:00:00.000Z", &[]), (Some(1), "pass fail deferred".to_owned()));
    assert_eq!(outcomes("2027-01-01T00:00:00Z", &[]), (Some(1), "pass fail pass".to_owned()));
    assert_eq!(outcomes(before, &["--reveal"]), (Some(1), "pass fail pass".to_owned()));
    // A time that is none opens nothing.
    for odd in ["", "never", "9999"] {
        assert_eq!(outcomes(odd, &[]), (Some(0), "pass deferred deferred".to_owned()), "{odd}");
    }
}

#[test]
fn a_corrected_lab_changes_the_verdict_of_old_evidence_without_a_machine() {
    let folder = tempfile::tempdir().unwrap();
    let lab = std::fs::read_to_string(case("blocked-followers").join("lab.yaml")).unwrap();
    // The teacher finds that a container which has ended was fine after all.
    let corrected = lab.replace("expect: {status: running}", "expect: {status: {one_of: [running, exited]}}");
    assert_ne!(lab, corrected);
    std::fs::write(folder.path().join("corrected.yaml"), corrected).unwrap();
    let evidence = case("blocked-followers").join("evidence.json");
    let regraded = |lab: &Path| {
        let mut labrun = cargo_bin_cmd!("labrun");
        let args = ["--format", "json", "--lab"];
        let output = labrun.current_dir(&folder).arg("judge").arg(&evidence).args(args).arg(lab).output().unwrap();
        let report: Report = serde_json::from_slice(&output.stdout).unwrap();
        report.checks().map(|check| check.outcome).collect::<Vec<_>>()
    };
    let before = regraded(&case("blocked-followers").join("lab.yaml"));
    assert_eq!(before, [Outcome::Fail, Outcome::Blocked, Outcome::Blocked]);
    let after = regraded(&folder.path().join("corrected.yaml"));
    assert_eq!(after, [Outcome::Pass, Outcome::Fail, Outcome::Blocked]);
}

#[test]
fn evidence_of_any_size_and_shape_is_judged_in_time() {
    let lab = "labrun: lab/v1\nid: long\ntitle: {es: x, en: x}\nsteps:\n  - id: s\n    title: {es: x, en: x}\n    \
               checks:\n      - id: c\n        points: 1\n        claim: {es: x, en: x}\n        given: {box: {container: \
               {name: a}}}\n        probe: {container: {name: b}}\n        expect: {status: running}\n        hints: [{id: \
               h, say: [{es: x, en: x}]}]\n";
    let plans = [plan(&Source::new("long.yaml", lab), &BTreeMap::new(), &Settings::new(), &[]).unwrap()];
    let mut evidence = evidence_for(&plans, |_| Some(facts("exited")));
    // One sample that claims all rounds there can be, and a hundred thousand that take for ever each.
    evidence.observations[0].samples[0].until = Some(u32::MAX);
    let sample = |round| Sample { round, until: None, at_ms: u64::MAX, took_ms: u64::MAX, seen: facts("exited") };
    evidence.observations[1].samples = (0..100_000).map(sample).collect();
    let start = std::time::Instant::now();
    let report = judge(&plans, &evidence);
    let check = report.checks().next().unwrap();
    assert_eq!((check.outcome, check.took_ms), (Outcome::Fail, u64::MAX));
    // In the last round it holds after all.
    evidence.observations[1].samples[99_999].seen = facts("running");
    assert_eq!(judge(&plans, &evidence).outcome, Outcome::Pass);
    // Samples that say they end before they begin, and claim every round there is.
    evidence.observations[1].samples.truncate(2);
    evidence.observations[1].samples[1].until = Some(0);
    assert_eq!(judge(&plans, &evidence).outcome, Outcome::Fail);
    evidence.observations[1].samples[1].until = Some(u32::MAX);
    assert_eq!(judge(&plans, &evidence).outcome, Outcome::Fail);
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

// ---- real evidence -------------------------------------------------------------------------------------------

const RECORD_ANEW: &str = "\n
The labs now ask something that the recorded evidence does not hold, or judge it otherwise. If that is meant, record it
anew: start a student VM (`tests/world/world vm --name rec --share DIR`, its standard input kept open) with the binary
at DIR/labrun; run in it (`tests/world/world exec rec -- bash -c '…'`) the prelude and the script of `reference` in
labs/worlds/lab2.yaml, with the answers of lab1's prelude as well (for real-mistakes: with `-p 127.0.0.1:5432:5432` and the
script of `parent`); then `/share/labrun check lab1 lab2 --evidence FILE`, and keep the file as evidence.json of the case.\n";

/// Evidence recorded in a student VM, judged by the labs as they are now.
fn judge_real(name: &str, format: &str) -> Output {
    let mut labrun = cargo_bin_cmd!("labrun");
    labrun.current_dir(root()).arg("judge").arg(case(name).join("evidence.json"));
    labrun.args(["--lab", "labs/lab1.yaml", "--lab", "labs/lab2.yaml", "--lang", "en", "--format", format]);
    labrun.output().unwrap()
}

#[test]
fn what_was_recorded_in_a_real_vm_is_judged_by_the_labs_as_they_are() {
    for (name, code, wanted) in [
        (
            "real-reference",
            0,
            vec![("lab1/ssh/answers", Outcome::Deferred, None), ("lab2/recreated/tried", Outcome::Deferred, None)],
        ),
        (
            "real-mistakes",
            1,
            vec![
                ("lab1/ssh/answers", Outcome::Deferred, None),
                ("lab1/port/bound", Outcome::Fail, Some("loopback-only")),
                ("lab1/table/exists", Outcome::Fail, Some("missing")),
                ("lab2/data/outlives", Outcome::Fail, Some("shadowed")),
                ("lab2/recreated/survived", Outcome::Blocked, None),
                ("lab2/recreated/tried", Outcome::Deferred, None),
                ("lab2/client/sees-table", Outcome::Blocked, None),
            ],
        ),
    ] {
        let output = judge_real(name, "json");
        let Ok(report) = serde_json::from_slice::<Report>(&output.stdout) else {
            panic!("{name}: no report: {}{RECORD_ANEW}", text(&output.stderr));
        };
        let done: Vec<_> = report
            .checks()
            .filter(|check| check.outcome != Outcome::Pass)
            .map(|check| (check.address.as_str(), check.outcome, check.hint.as_ref().map(|hint| hint.id.as_str())))
            .collect();
        assert_eq!(done, wanted, "{name}{RECORD_ANEW}");
        assert_eq!(output.status.code(), Some(code), "{name}");
        for format in FORMATS {
            assert_eq!(judge_real(name, format.name).stdout, judge_real(name, format.name).stdout, "{name}");
        }
    }
}

// ---- properties ----------------------------------------------------------------------------------------------

fn read_plan(path: &Path) -> Plan {
    let source = read_source(path).unwrap();
    let library = Library::of_folder(&root().join("labs")).unwrap();
    plan(&source, library.checks(), &Settings::new(), &[]).unwrap()
}

/// The labs of the product and of every case: all ways of asking there are.
fn all_plans() -> Vec<Plan> {
    let cases = CASES.iter().map(|(name, ..)| case(name).join("lab.yaml"));
    let labs = ["lab1", "lab2"].map(|lab| root().join(format!("labs/{lab}.yaml")));
    labs.into_iter().chain(cases).map(|path| read_plan(&path)).collect()
}

/// A lab whose every fact is `good`, and in which most things need others.
fn web_of_needs() -> Plan {
    let mut lab = "labrun: lab/v1\nid: web\ntitle: {es: x, en: x}\nsteps:\n".to_owned();
    for step in 0..4 {
        lab += &format!("  - id: s{step}\n    title: {{es: x, en: x}}\n    checks:\n");
        for check in 0..3 {
            let n = step * 3 + check;
            let probe = |name: String| format!("{{http: {{to: \"{name}:80\"}}}}");
            lab += &format!("      - id: c{check}\n        points: {}\n", f64::from(n) + 0.25);
            lab += &format!("        bonus: {}\n        from: {}\n", n == 4, if n == 7 { "grader" } else { "vm" });
            lab += match n {
                0 => "",
                1 => "        needs: [c0]\n",
                2 | 5 => "        needs: [c0, c1]\n",
                8 => "        needs: [s0/c2, s1]\n",
                _ => "        needs: [s0]\n",
            };
            if n % 4 == 3 {
                lab += &format!("        given: {{box: {}}}\n", probe(format!("g{n}")));
            }
            if n % 4 == 2 {
                lab +=
                    &format!("        control: {{probe: {}, expect: {{status: running}}}}\n", probe(format!("k{n}")));
            }
            lab += &format!("        probe: {}\n        expect: {{status: running}}\n", probe(format!("c{n}")));
            lab += "        claim: {es: x, en: x}\n        hints: [{id: h, say: [{es: x, en: x}]}]\n";
        }
    }
    plan(&Source::new("web.yaml", lab), &BTreeMap::new(), &Settings::new(), &[]).unwrap()
}

/// Evidence that answers each question of `plans` with what `answer` gives for it; nothing leaves it unasked.
fn evidence_for(plans: &[Plan], mut answer: impl FnMut(&Ask) -> Option<Seen>) -> Evidence {
    let mut observations: BTreeMap<String, Observation> = BTreeMap::new();
    for check in plans.iter().flat_map(Plan::checks) {
        let mut given: Vec<(&str, Facts)> = Vec::new();
        let named = check.given.iter().map(|(name, ask)| (Some(name.as_str()), ask));
        let asks = named.chain(check.control.as_ref().map(|(ask, _)| (None, ask))).chain([(None, &check.ask)]);
        for (name, ask) in asks {
            let scope = Scope {
                own: None,
                given: given.iter().map(|(name, facts)| (*name, facts)).collect(),
                ..Scope::default()
            };
            let Ok(question) = ask.question(&scope) else { continue };
            let key = question.key();
            if !observations.contains_key(&key) {
                let Some(seen) = answer(ask) else { continue };
                let samples = vec![Sample { round: 0, until: None, at_ms: 0, took_ms: 1, seen }];
                observations.insert(key.clone(), Observation { question, command: String::new(), samples, hash: None });
            }
            if let (Some(name), Seen::Facts(facts)) = (name, &observations[&key].samples[0].seen) {
                given.push((name, facts.clone()));
            }
        }
    }
    Evidence {
        format: labrun::evidence::FORMAT.to_owned(),
        labrun: "0".to_owned(),
        observations: observations.into_values().collect(),
        ..Evidence::default()
    }
}

fn facts(status: &str) -> Seen {
    Seen::Facts(json!({"status": status}).as_object().unwrap().clone())
}

fn unobserved() -> Seen {
    Seen::Unobserved(Unobserved::new(Cause::Engine, "no", "no"))
}

/// Whether a score adds up, and is the sum of its parts.
fn adds_up(report: &Report) -> Result<(), TestCaseError> {
    let whole = |score: &Score| score.earned + score.lost + score.undetermined + score.deferred;
    prop_assert_eq!(whole(&report.points), report.points.possible);
    prop_assert_eq!(Score::sum(report.labs.iter().map(|lab| &lab.points)), report.points);
    for lab in &report.labs {
        prop_assert_eq!(whole(&lab.points), lab.points.possible);
        prop_assert_eq!(Score::sum(lab.steps.iter().map(|step| &step.points)), lab.points);
    }
    Ok(())
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "running",
        "ams",
        "none",
        "one",
        "host",
        "postgres",
        "truncated",
        "2026-01-01T00:00:00Z",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = prop::sample::select(vec![
            "container",
            "destination",
            "type",
            "anonymous",
            "beyond_loopback",
            "columns",
            "x",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4).prop_map(|entries| entries
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<Map<_, _>>()
                .into()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn points_are_conserved_whatever_was_seen(seen in prop::collection::vec(0..4_usize, 32), outside: bool) {
        let plans = [web_of_needs()];
        let mut next = seen.iter();
        let mut evidence = evidence_for(&plans, |_| match next.next().copied().unwrap_or_default() {
            0 => Some(facts("running")),
            1 => Some(facts("exited")),
            2 => Some(unobserved()),
            _ => None,
        });
        evidence.machine.outside = outside;
        let report = judge(&plans, &evidence);
        adds_up(&report)?;
        for check in report.checks() {
            // Whoever loses points is shown why: what was seen, or what blocks.
            prop_assert_eq!(check.outcome == Outcome::Fail, !check.mismatches.is_empty() && check.blocked_by.is_empty());
            prop_assert_eq!(check.outcome == Outcome::Blocked, !check.blocked_by.is_empty());
            prop_assert_eq!(check.outcome == Outcome::Unknown, check.unknown.is_some());
            prop_assert_eq!(check.outcome == Outcome::Deferred, check.deferred.is_some());
            prop_assert_eq!(check.outcome == Outcome::Fail, check.hint.is_some());
            prop_assert!(check.outcome != Outcome::Deferred || check.from == Vantage::Grader && !outside);
            for blocker in &check.blocked_by {
                let blocker = report.checks().find(|other| other.address == *blocker).unwrap();
                prop_assert!(matches!(blocker.outcome, Outcome::Fail | Outcome::Blocked));
            }
        }
    }

    #[test]
    fn what_could_not_be_seen_costs_nothing(seen in prop::collection::vec(0..3_usize, 32)) {
        let plans = [web_of_needs()];
        let mut next = seen.iter();
        let evidence = evidence_for(&plans, |_| match next.next().copied().unwrap_or_default() {
            0 => Some(facts("running")),
            1 => Some(unobserved()),
            _ => None,
        });
        let report = judge(&plans, &evidence);
        prop_assert_eq!(report.points.lost.hundredths(), 0);
        prop_assert!(!matches!(report.outcome, Outcome::Fail | Outcome::Blocked));
    }

    #[test]
    fn losing_sight_of_something_never_costs_more(seen in prop::collection::vec(0..3_usize, 32), lost in 0..32_usize) {
        let plans = [web_of_needs()];
        let judged = |blind: Option<usize>| {
            let mut number = 0;
            let evidence = evidence_for(&plans, |ask| {
                number += 1;
                // What others lean on stays, so that both runs ask the same questions.
                let is_main = ask.args["to"].as_str().is_some_and(|to| to.starts_with('c'));
                Some(match seen[number - 1] {
                    _ if blind == Some(number - 1) && is_main => unobserved(),
                    0 => facts("running"),
                    1 => facts("exited"),
                    _ => unobserved(),
                })
            });
            judge(&plans, &evidence).points
        };
        prop_assert!(judged(Some(lost)).lost <= judged(None).lost);
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn nothing_a_machine_can_answer_makes_judging_or_showing_fail(
        values in prop::collection::vec(any_json(), 40),
        holes in prop::collection::vec(prop::bool::weighted(0.1), 40),
    ) {
        let plans = all_plans();
        let mut number = 0;
        let evidence = evidence_for(&plans, |ask| {
            let kind = labrun::probe::Kind::named(ask.probe).unwrap();
            let facts = kind.facts.iter().filter_map(|(name, _)| {
                number += 1;
                (!holes[number % 40]).then(|| ((*name).to_owned(), values[number % 40].clone()))
            });
            Some(Seen::Facts(facts.collect()))
        });
        // It survives being written and read, and says the same afterwards.
        let json = serde_json::to_string(&evidence).unwrap();
        let read: Evidence = serde_json::from_str(&json).unwrap();
        let report = judge(&plans, &read);
        adds_up(&report)?;
        for format in FORMATS {
            for lang in [Lang::Es, Lang::En] {
                let options = Options { lang, verbose: true, ..Options::default() };
                prop_assert_eq!((format.render)(&report, &options), (format.render)(&judge(&plans, &read), &options));
            }
        }
    }
}

/// Replaying asks the very questions that were recorded: what is read from a setting is written back as it was.
#[test]
fn parameters_survive_being_recorded() {
    let evidence = std::fs::read_to_string(case("real-reference").join("evidence.json")).unwrap();
    let evidence: Evidence = serde_json::from_str(&evidence).unwrap();
    for subject in &evidence.labs {
        let source: Arc<Source> = read_source(&root().join(format!("labs/{}.yaml", subject.lab))).unwrap();
        let library = Library::of_folder(&root().join("labs")).unwrap();
        let settings = subject.params.iter().map(|(name, value)| (name.clone(), written(value))).collect();
        assert_eq!(plan(&source, library.checks(), &settings, &[]).unwrap().params, subject.params);
    }
}
