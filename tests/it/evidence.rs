//! docs/evidence.md is true: its example is evidence as labrun writes it, and its program, which shares no code with
//! labrun, comes to the same hashes.

use std::path::Path;
use std::process::{Command, Output};

use labrun::evidence::chain::{seal, verify};
use labrun::evidence::{Evidence, FORMAT, Facts, Identity, Machine, Observation, Question, Sample, Seen, Subject};
use labrun::vantage::Vantage;
use serde_json::{Value, json};

use crate::schema::Validator;
use crate::student_vm::text;

const PAGE: &str = include_str!("../../docs/evidence.md");

/// What stands in the page's first block of this language.
fn block(language: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

/// The evidence that the page shows.
fn example() -> Evidence {
    let seen = Facts::from_iter([("found".to_owned(), json!("one")), ("status".to_owned(), json!("running"))]);
    let sample = Sample { round: 0, until: None, at_ms: 3, took_ms: 12, seen: Seen::Facts(seen) };
    let question = Question { probe: "container".into(), args: json!({"name": "ams"}), from: Vantage::Vm };
    let mut evidence = Evidence {
        format: FORMAT.into(),
        labrun: "0.1.0".into(),
        started: "2026-03-02T14:05:09.120Z".into(),
        finished: "2026-03-02T14:05:09.180Z".into(),
        machine: Machine {
            reached: "local".into(),
            outside: false,
            system: Some("Linux 6.1.0-37-amd64 x86_64".into()),
            engine: Some("26.1.5".into()),
            identity: Some(Identity {
                engine: Some("5b0e5f6c-5f0a-4b8e-9d4a-0a7f3c1d2e4b".into()),
                machine: Some("0f3d5b1c9a7e4d2f8c6b0a1e3d5f7b9c".into()),
                ssh_host_key: None,
            }),
        },
        nonce: "0123456789abcdef".into(),
        challenge: Some("K7QX-4M2P".into()),
        student: Some("ana.perez".into()),
        labs: vec![Subject {
            lab: "lab1".into(),
            source: "built-in".into(),
            digest: "3f2a9c41b7d0e8556a1c9be7740f2d1835ce6a9b04d7f1e2839a5c6b7d8e9f00".into(),
            steps: vec![],
            params: [("port".into(), json!(5432))].into(),
        }],
        looked: [("lab1/server/running".into(), 0)].into(),
        observations: vec![Observation {
            question,
            command: "docker inspect ams".into(),
            samples: vec![sample],
            hash: None,
        }],
        ..Evidence::default()
    };
    seal(&mut evidence);
    evidence
}

/// Runs the program of the page on `evidence`.
fn strangers_word(evidence: &Value) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("chain.py"), block("python")).unwrap();
    std::fs::write(folder.path().join("e.json"), serde_json::to_string_pretty(evidence).unwrap()).unwrap();
    let mut python = Command::new("python3");
    python.current_dir(&folder).args(["chain.py", "e.json"]).output().expect("python3, which the test world needs too")
}

#[test]
fn the_example_is_what_labrun_writes() {
    let wanted = serde_json::to_string_pretty(&example()).unwrap();
    assert_eq!(block("json").trim_end(), wanted);
    let written: Evidence = serde_json::from_str(block("json")).unwrap();
    assert_eq!(verify(&written), Ok(()));
    assert_eq!(Validator::of("evidence.schema.json").refuses(&serde_json::from_str(block("json")).unwrap()), None);
}

#[test]
fn a_stranger_comes_to_the_same_hashes() {
    let mut odd = example();
    odd.observations[0].samples[0].seen = Seen::Facts(Facts::from_iter([
        (
            "ñ".to_owned(),
            json!(["\u{1}\u{1f}\u{7f}\u{202e}\"\\/\n\r\t\u{8}\u{c}", "🐳", -7, 18_446_744_073_709_551_615_u64]),
        ),
        ("z\u{1f433}".to_owned(), json!({"b": 0.1, "a": 12.5, "\u{ffff}": null, "\u{10000}": true})),
    ]));
    odd.observations.push(odd.observations[0].clone());
    seal(&mut odd);
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/replay/real-reference/evidence.json");
    let mut real: Evidence = serde_json::from_str(&std::fs::read_to_string(real).unwrap()).unwrap();
    seal(&mut real);
    for evidence in [example(), odd, real] {
        let said = strangers_word(&serde_json::to_value(&evidence).unwrap());
        assert_eq!(text(&said.stdout).trim_end(), evidence.chain.unwrap().head, "{}", text(&said.stderr));
    }
}

#[test]
fn a_stranger_finds_what_was_changed() {
    for (at, value, complaint) in [
        ("/student", json!("eva"), "what binds the run was changed"),
        ("/observations/0/samples/0/seen/facts/status", json!("exited"), "observation 1 is not what stood there"),
        ("/finished", json!("2027"), "what was known at the end was changed"),
        ("/observations", json!([]), "observations are missing at the end"),
    ] {
        let mut evidence = serde_json::to_value(example()).unwrap();
        *evidence.pointer_mut(at).unwrap() = value;
        let said = strangers_word(&evidence);
        assert!(!said.status.success() && text(&said.stderr).contains(complaint), "{at}: {}", text(&said.stderr));
        assert!(verify(&serde_json::from_value(evidence).unwrap()).is_err());
    }
}
