//! The JSON schemas of `docs/`: made from the types, kept up to date, and held against what labrun really writes.

use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin_cmd;
use boon::{Compiler, SchemaIndex, Schemas};
use labrun::class::summary::Class;
use labrun::evidence::Evidence;
use labrun::schema::AUTHORED;
use labrun::selftest::result::Selftest;
use labrun::verdict::Report;
use schemars::schema_for;
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The contracts: the file, and the schema as the types have it now.
fn contracts() -> impl Iterator<Item = (PathBuf, String)> {
    let written = [
        ("report", schema_for!(Report)),
        ("evidence", schema_for!(Evidence)),
        ("selftest", schema_for!(Selftest)),
        ("class", schema_for!(Class)),
    ];
    let pretty = |schema| serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let written = written.into_iter().map(move |(name, schema)| (name, pretty(schema)));
    let authored = AUTHORED.into_iter().map(|authored| (authored.name, authored.text()));
    written.chain(authored).map(|(name, schema)| (root().join(format!("docs/{name}.schema.json")), schema))
}

#[test]
fn the_schemas_of_docs_are_those_of_the_types() {
    for (path, wanted) in contracts() {
        if std::env::var_os("LABRUN_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &wanted).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == wanted,
            "{} is not what the types say. If the change is meant and compatible (else it needs a new version), write \
             it anew with `LABRUN_BLESS=1 cargo test --test it schema`",
            path.display()
        );
    }
}

/// A validator that shares no code with the types.
pub struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    /// By the schema `file` of `docs/`.
    pub fn of(file: &str) -> Validator {
        let schema: Value =
            serde_json::from_str(&std::fs::read_to_string(root().join("docs").join(file)).unwrap()).unwrap();
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource(file, schema).unwrap();
        let index = compiler.compile(file, &mut schemas).unwrap();
        Validator { schemas, index }
    }

    /// What is wrong with `value`, if anything.
    pub fn refuses(&self, value: &Value) -> Option<String> {
        self.schemas.validate(value, self.index).err().map(|error| format!("{error:#}"))
    }
}

/// The evidence of every case, and the report that labrun writes of it.
fn cases() -> Vec<(String, Value, Value)> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/cases/replay")).unwrap() {
        let folder = entry.unwrap().path();
        let mut labrun = cargo_bin_cmd!("labrun");
        labrun.current_dir(root()).args(["judge", "--format", "json"]).arg(folder.join("evidence.json"));
        match folder.join("lab.yaml") {
            lab if lab.exists() => labrun.arg("--lab").arg(lab),
            _ => labrun.args(["--lab", "labs/lab1.yaml", "--lab", "labs/lab2.yaml"]),
        };
        let report = serde_json::from_slice(&labrun.output().unwrap().stdout).unwrap();
        let evidence = serde_json::from_str(&std::fs::read_to_string(folder.join("evidence.json")).unwrap()).unwrap();
        cases.push((folder.display().to_string(), evidence, report));
    }
    assert!(cases.len() > 10);
    cases
}

#[test]
fn what_labrun_writes_is_valid_by_an_independent_validator() {
    let (reports, evidences) = (Validator::of("report.schema.json"), Validator::of("evidence.schema.json"));
    for (name, evidence, report) in cases() {
        assert_eq!(reports.refuses(&report), None, "{name}");
        assert_eq!(evidences.refuses(&evidence), None, "{name}");
        // And they are not the same thing.
        assert!(reports.refuses(&evidence).is_some() && evidences.refuses(&report).is_some(), "{name}");
    }
}

#[test]
fn what_is_not_as_it_should_be_is_refused() {
    let (reports, evidences) = (Validator::of("report.schema.json"), Validator::of("evidence.schema.json"));
    let (_, evidence, report) = cases().into_iter().find(|(name, ..)| name.ends_with("blocked-followers")).unwrap();
    let changed = |whole: &Value, at: &str, value: Value| {
        let mut whole = whole.clone();
        *whole.pointer_mut(at).unwrap() = value;
        whole
    };
    for (at, value) in [
        ("/labs", json!({})),
        ("/outcome", json!("passed")),
        ("/labs/0/points/earned", json!("2")),
        ("/labs/0/steps/0/checks/0/claim", json!("x")),
        ("/labs/0/steps/0/checks/0/claim", json!({"es": "x"})),
        ("/labs/0/steps/0/checks/0/from", json!("moon")),
    ] {
        assert!(reports.refuses(&changed(&report, at, value.clone())).is_some(), "{at} {value}");
    }
    for (at, value) in [
        ("/observations/0/samples/0/round", json!(-1)),
        ("/observations/0/samples/0/seen", json!({"facts": {}, "unobserved": null})),
        ("/observations/0/samples/0/seen", json!({"guess": {}})),
        ("/observations/0/samples/0/seen", json!({"unobserved": {"cause": "mood", "why": {"es": "x", "en": "x"}}})),
        ("/machine", json!({"reached": "local", "outside": false, "engine": null, "system": null, "more": 1})),
        ("/labs/0", json!({"lab": "x"})),
    ] {
        let changed = changed(&evidence, at, value.clone());
        assert!(evidences.refuses(&changed).is_some(), "{at} {value}");
        // The types agree with the schema.
        assert!(serde_json::from_value::<Evidence>(changed).is_err(), "{at} {value}");
    }
}
