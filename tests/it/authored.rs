//! The schemas of what people write: that they accept what labrun accepts, and refuse what it refuses for its form.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assert_cmd::cargo::cargo_bin_cmd;
use labrun::error::Diagnostic;
use labrun::library::{Library, read_source};
use labrun::node;
use labrun::plan::{Settings, plan};
use labrun::schema::{AUTHORED, Authored};
use labrun::source::Source;
use labrun::worlds;
use serde_json::{Value, json};

use crate::schema::Validator;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn validator(name: &str) -> Validator {
    Validator::of(&format!("{name}.schema.json"))
}

/// The YAML files of a folder, with what they hold; none where that is no YAML.
fn files(folder: &str) -> Vec<(PathBuf, Option<Value>)> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "yaml")).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), node::parse(&read_source(&path).unwrap()).ok().map(|node| node.to_json())))
        .collect()
}

/// The schema that a file is to be held against.
fn of_file(value: &Value) -> Option<&'static Authored> {
    AUTHORED
        .into_iter()
        .find(|authored| value["labrun"] == authored.format)
        .and_then(|authored| Authored::named(authored.name))
}

/// Where an editor finds the schema of a file: what its first line says.
pub fn schema_of(file: &Path) -> PathBuf {
    let text = std::fs::read_to_string(file).unwrap();
    let place = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap();
    file.parent().unwrap().join(place).canonicalize().unwrap()
}

#[test]
fn every_file_of_the_product_is_as_its_schema_says() {
    let mut n_files = 0;
    for folder in ["labs", "labs/worlds", "checks", "tests/cases/selftest/labs", "tests/cases/selftest/labs/worlds"] {
        for (path, value) in files(folder) {
            let value = value.unwrap();
            let authored = of_file(&value).unwrap();
            assert_eq!(validator(authored.name).refuses(&value), None, "{}", path.display());
            if !folder.starts_with("tests") {
                assert_eq!(schema_of(&path), root().join(format!("docs/{}.schema.json", authored.name)));
            }
            n_files += 1;
        }
    }
    assert!(n_files > 25, "{n_files}");
}

#[test]
fn a_roster_is_as_its_schema_says() {
    let roster = validator("roster");
    for (students, is_one) in [
        (json!([{"id": "ana", "vm": "ana@10.0.0.7", "lms": {"moodle": 17}}]), true),
        (json!([{"id": 61001, "evidence": "ana.json", "due": {"lab1": "2026-12-01T23:59:00-03:00"}}]), true),
        (json!([{"vm": "ana@10.0.0.7"}]), false),
        (json!([{"id": "ana", "vmm": "ana@10.0.0.7"}]), false),
        (json!([{"id": ["ana"]}]), false),
        (json!({"id": "ana"}), false),
    ] {
        let file = json!({"labrun": "roster/v1", "students": students});
        assert_eq!(roster.refuses(&file).is_none(), is_one, "{file}");
    }
}

/// Mistakes that are none of form, so that no schema can know them, by the reason.
const BEYOND_FORM: &[(&str, &[&str])] = &[
    (
        "names are looked up elsewhere in the file",
        &[
            "lab/choices",
            "lab/dangling-reference",
            "lab/given-named-like-a-fact",
            "lab/needs",
            "lab/unknown-parameter",
            "lab/unused-parameter",
            "worlds/two-of-one-name",
            "worlds/unknown-after",
            "lab/two-hints-of-one-name",
        ],
    ),
    (
        "names are looked up in other files",
        &[
            "checks/used-by-nobody",
            "lab/missing-library-parameter",
            "lab/mistake-in-the-library",
            "lab/unknown-library-check",
            "lab/unknown-library-parameter",
            "worlds/nothing-said",
            "worlds/of-a-lab-with-mistakes",
            "worlds/of-several",
            "worlds/any-of-one",
            "worlds/unknown-check",
            "worlds/unknown-hint",
            "worlds/unknown-lab",
            "worlds/unknown-note",
            "worlds/hint-for-many",
        ],
    ),
    ("the parser keeps one of two keys", &["lab/duplicate-key"]),
    (
        "values mean something together",
        &[
            "lab/answer-that-is-no-option",
            "lab/answers",
            "lab/fail-without-a-word",
            "lab/hidden",
            "lab/hint-that-is-never-reached",
            "lab/negative-without-control",
            "lab/nothing-but-bonus",
            "lab/points-that-do-not-add-up",
            "lab/wrong-opt-ins",
            "worlds/gaps",
            "worlds/gaps-in-the-reference",
        ],
    ),
    ("a text is read as something else", &["lab/duration", "lab/secrets", "lab/untranslated", "lab/wrong-argument"]),
];

/// Without mistakes.
const SOUND: [&str; 3] = ["checks/runs-nowhere", "lab/sound", "worlds/sound"];

#[test]
fn what_lint_refuses_for_its_form_the_schema_refuses() {
    let mut accepted = BTreeSet::new();
    for (folder, kind) in [("labs", "lab"), ("labs/worlds", "worlds"), ("checks", "checks")] {
        for (path, value) in files(&format!("tests/cases/authoring/{folder}")) {
            let Some(value) = value else { continue };
            // A file that does not say what it is is held against what its folder holds.
            let authored = of_file(&value).or(Authored::named(kind)).unwrap();
            if validator(authored.name).refuses(&value).is_none() {
                accepted.insert(format!("{kind}/{}", path.file_stem().unwrap().to_str().unwrap()));
            }
        }
    }
    let known = BEYOND_FORM.iter().flat_map(|(_, names)| *names).chain(&SOUND).map(|name| (*name).to_owned());
    assert_eq!(accepted, known.collect(), "a schema that accepts a mistake needs a reason why it cannot know better");
}

/// How a file is changed in one place: in every way that is a mistake of form somewhere.
#[derive(Debug)]
enum Change {
    Is(Value),
    Without(String),
    Misspelt(String),
}

impl Change {
    /// Every one there is, with its place.
    fn all(whole: &Value) -> Vec<(String, Change)> {
        let mut pointers = Vec::new();
        pointers_into(whole, String::new(), &mut pointers);
        let mut all = Vec::new();
        for at in pointers {
            for other in [json!("x"), json!(7), json!(true), json!(null), json!([]), json!({"x": 1})] {
                all.push((at.clone(), Change::Is(other)));
            }
            for key in whole.pointer(&at).unwrap().as_object().into_iter().flat_map(|entries| entries.keys()) {
                all.push((at.clone(), Change::Without(key.clone())));
                all.push((at.clone(), Change::Misspelt(key.clone())));
            }
        }
        all
    }

    fn made_in(&self, whole: &Value, at: &str) -> Value {
        let mut changed = whole.clone();
        let place = changed.pointer_mut(at).unwrap();
        match (self, place) {
            (Change::Is(other), place) => *place = other.clone(),
            (Change::Without(key), Value::Object(entries)) => drop(entries.remove(key)),
            (Change::Misspelt(key), Value::Object(entries)) => {
                let value = entries.remove(key).unwrap();
                entries.insert(format!("{key}zz"), value);
            }
            _ => unreachable!("only a mapping has keys"),
        }
        changed
    }
}

fn pointers_into(value: &Value, at: String, found: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(entries) => {
            entries.iter().for_each(|(key, inner)| pointers_into(inner, format!("{at}/{}", escaped(key)), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, inner)| pointers_into(inner, format!("{at}/{n}"), found));
        }
        _ => {}
    }
    found.push(at);
}

/// What labrun says of a file; JSON is YAML.
type Read<'a> = &'a dyn Fn(&Arc<Source>) -> Vec<String>;

/// What is said; of what is wrong in other files only that it is.
fn messages(mistakes: Vec<Diagnostic>) -> Vec<String> {
    let said = |mistake: Diagnostic| match mistake.source.name.as_str() {
        "mutant.yaml" => mistake.message,
        other => format!("in {other}"),
    };
    mistakes.into_iter().map(said).collect()
}

/// Whether a message is about form: a key or a type.
fn is_of_form(message: &str) -> bool {
    ["unknown key", "missing key", "expected a ", "expected `true`", "expected points"]
        .iter()
        .any(|start| message.starts_with(start))
}

/// Changes `whole` in one place after another, every `stride`th, and holds what labrun and the schema make of it
/// against each other.
fn agree(name: &str, whole: &Value, stride: usize, read: Read) {
    let validator = validator(name);
    let mut n_refused = 0;
    for (at, change) in Change::all(whole).into_iter().step_by(stride) {
        let mutant = change.made_in(whole, &at);
        let what = format!("{at}: {change:?}");
        let said = read(&Source::new("mutant.yaml", mutant.to_string()));
        let refused = validator.refuses(&mutant);
        if said.is_empty() {
            assert_eq!(refused, None, "labrun reads it, and the schema does not: {what}");
        }
        // Whether a default fits where its parameter stands is no question of form.
        let is_default = what.starts_with("/params/");
        if !is_default && said.iter().any(|message| is_of_form(message)) {
            n_refused += 1;
            assert!(refused.is_some(), "the schema accepts it, and labrun says {said:?}: {what}");
        }
    }
    assert!(n_refused > 5, "{n_refused}");
}

#[test]
fn labrun_and_the_schema_agree_about_labs_that_are_changed_in_one_place() {
    let library = Library::built_in();
    let read = |source: &Arc<Source>| match plan(source, library.checks(), &Settings::new(), &[]) {
        Ok(_) => Vec::new(),
        Err(mistakes) => messages(mistakes),
    };
    for (lab, stride) in [("lab1", 31), ("lab3", 181), ("lab4", 293), ("lab7", 157)] {
        let whole = node::parse(&library.labs()[lab]).unwrap().to_json();
        agree("lab", &whole, stride, &read);
    }
}

#[test]
fn labrun_and_the_schema_agree_about_worlds_that_are_changed_in_one_place() {
    let library = Library::built_in();
    let read = |source: &Arc<Source>| match worlds::load(source, library.labs(), library.checks()) {
        Ok(_) => Vec::new(),
        Err(mistakes) => messages(mistakes),
    };
    for (file, stride) in [("lab6", 101), ("journey", 67)] {
        let source = read_source(&root().join(format!("labs/worlds/{file}.yaml"))).unwrap();
        agree("worlds", &node::parse(&source).unwrap().to_json(), stride, &read);
    }
}

#[test]
fn an_editor_is_told_every_kind_fact_and_argument_with_what_it_is() {
    let schema = Authored::named("lab").unwrap().schema();
    for kind in labrun::probe::KINDS {
        let arguments = &schema["$defs"]["Probe"]["properties"][kind.name];
        let text = |schema: &Value| schema["description"].as_str().is_some_and(|text| text.len() > 5);
        assert!(text(arguments), "{}", kind.name);
        for (name, argument) in arguments["properties"].as_object().unwrap() {
            assert!(text(argument), "{} {name}: {argument}", kind.name);
        }
        let facts = &schema["$defs"][format!("{}-facts", kind.name)]["properties"];
        assert!(kind.facts.iter().all(|(fact, _)| text(&facts[fact])), "{}", kind.name);
    }
}

#[test]
fn the_schemas_are_printed() {
    let print = |args: &[&str]| cargo_bin_cmd!("labrun").arg("schema").args(args).output().unwrap();
    for authored in &AUTHORED {
        let there = std::fs::read(root().join(format!("docs/{}.schema.json", authored.name))).unwrap();
        assert!(print(&[authored.name]).stdout == there, "{}", authored.name);
    }
    assert!(print(&[]).stdout == print(&["lab"]).stdout);
    assert_eq!(print(&["labs"]).status.code(), Some(2));
}
