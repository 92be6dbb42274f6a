//! The policy on compose files as they are written: what is gone once compose has resolved them, since it read it in.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::node;
use crate::repository::{Refusal, Why, inside, is_remote};

/// Words whose files compose reads by itself, wherever they stand.
const READ: [&str; 4] = ["include", "extends", "env_file", "label_file"];

/// The file whose variables compose takes for its own, and those of them that say which files it reads.
const VARIABLES: &str = ".env";
const OTHER_FILES: [&str; 2] = ["COMPOSE_FILE", "COMPOSE_ENV_FILES"];

/// How many files are read, one leading to another.
const FILES: usize = 50;

/// How deep a file is looked into.
const DEPTH: usize = 20;

/// Refuses what the files `names`, and those that they lead to, would have compose read from out of the repository.
/// `read` gives the text of a file of it.
pub fn written(names: &[String], read: &dyn Fn(&str) -> Option<String>) -> Vec<Refusal> {
    let mut refusals = BTreeSet::new();
    let mut files: Vec<String> = names.to_vec();
    let mut next = 0;
    while let Some(file) = files.get(next).cloned() {
        next += 1;
        // That a file is not there, compose says itself.
        let Some(text) = read(&file) else { continue };
        let refused = |key: &str, why| Refusal { file: file.clone(), part: String::new(), key: key.to_owned(), why };
        let Some(tree) = node::plain(&text) else {
            refusals.insert(refused("yaml", Why::Unreadable));
            continue;
        };
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut mentions = Vec::new();
        mentioned(&tree, "", DEPTH, &mut mentions);
        for Mention { part, key, path } in mentions {
            let why = match inside(folder, &path) {
                _ if is_remote(&path) => Why::Fetches(short(&path)),
                _ if path.contains('$') => Why::Variable(short(&path)),
                None => Why::LeavesRepository(short(&path)),
                Some(other) => {
                    let leads_on = matches!(key, "include" | "extends") && !files.contains(&other);
                    if leads_on && files.len() < FILES {
                        files.push(other);
                    } else if leads_on {
                        refusals.insert(refused(key, Why::TooMuch(format!("{FILES}"))));
                    }
                    continue;
                }
            };
            refusals.insert(Refusal { part, ..refused(key, why) });
        }
    }
    refusals.into_iter().collect()
}

/// Refuses variables that would have compose read other files than those that are judged. The mere word is enough: how
/// compose reads that file is for compose to say.
pub fn other_files(read: &dyn Fn(&str) -> Option<String>) -> Vec<Refusal> {
    let text = read(VARIABLES).unwrap_or_default();
    let said = OTHER_FILES.iter().filter(|name| text.contains(**name));
    let refused = |name: &&str| Refusal {
        file: VARIABLES.to_owned(),
        part: String::new(),
        key: (*name).to_owned(),
        why: Why::OtherFiles,
    };
    said.map(refused).collect()
}

/// A file that a compose file speaks of.
struct Mention {
    part: String,
    key: &'static str,
    path: String,
}

fn mentioned(tree: &Value, part: &str, depth: usize, found: &mut Vec<Mention>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match tree {
        Value::Array(items) => items.iter().for_each(|item| mentioned(item, part, depth, found)),
        Value::Object(entries) => {
            for (name, value) in entries {
                match READ.iter().find(|key| *key == name) {
                    Some(key) => {
                        let paths = paths(key, value);
                        found.extend(paths.into_iter().map(|path| Mention { part: part.to_owned(), key, path }));
                    }
                    None => {
                        let below = match part {
                            "" | "services" => name.clone(),
                            part => format!("{part}.{name}"),
                        };
                        mentioned(value, &below, depth, found);
                    }
                }
            }
        }
        _ => {}
    }
}

/// The paths that `key` gives: a text, a list, or mappings with some.
fn paths(key: &str, value: &Value) -> Vec<String> {
    match value {
        // `extends: base` is another service of the same file.
        Value::String(_) if key == "extends" => Vec::new(),
        Value::String(path) => vec![path.clone()],
        Value::Array(items) => items.iter().flat_map(|item| paths(key, item)).collect(),
        Value::Object(entries) => {
            let words = ["file", "path", "project_directory", "env_file"].into_iter();
            let of = |word: &'static str| entries.get(word).map(|value| paths("path", value)).unwrap_or_default();
            words.flat_map(of).collect()
        }
        _ => Vec::new(),
    }
}

fn short(path: &str) -> String {
    path.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(files: &[(&str, &str)]) -> Vec<(String, String, String, Why)> {
        let read = |name: &str| files.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let refusals = written(&[files[0].0.to_owned()], &read);
        refusals.into_iter().map(|one| (one.file, one.part, one.key, one.why)).collect()
    }

    #[test]
    fn what_compose_would_read_from_elsewhere_is_refused() {
        let file = "
include: [https://example.org/x.yaml, {path: [./more/b.yaml], env_file: ../x.env}]
x-all: &all
  env_file: /etc/environment
services:
  web:
    <<: *all
    extends: {file: ../../other.yaml, service: a}
    env_file: [a.env, {path: '${HOME}/b.env'}]
  own: {extends: web, label_file: ./labels}
";
        let seen = refused(&[("compose.yaml", file), ("more/b.yaml", "services: {b: {env_file: ../../c.env}}")]);
        let has = |part: &str, key: &str, why: Why| {
            assert!(
                seen.iter().any(|(_, p, k, w)| p == part && k == key && *w == why),
                "{part} {key} {why:?}: {seen:?}"
            );
        };
        has("", "include", Why::Fetches("https://example.org/x.yaml".into()));
        has("", "include", Why::LeavesRepository("../x.env".into()));
        has("x-all", "env_file", Why::LeavesRepository("/etc/environment".into()));
        has("web", "extends", Why::LeavesRepository("../../other.yaml".into()));
        has("web", "env_file", Why::Variable("${HOME}/b.env".into()));
        has("b", "env_file", Why::LeavesRepository("../../c.env".into()));
        assert!(seen.iter().all(|(file, part, ..)| (file == "more/b.yaml") == (part == "b")));
    }

    #[test]
    fn a_plain_file_is_not_refused_and_one_that_is_no_yaml_is() {
        assert_eq!(refused(&[("c", "services: {a: {image: x, env_file: a.env, extends: {service: b}}}")]), []);
        assert_eq!(refused(&[("c", "a: [")])[0].3, Why::Unreadable);
        assert_eq!(written(&["missing".to_owned()], &|_| None), []);
        let ring = refused(&[("a", "include: b"), ("b", "include: a")]);
        assert_eq!(ring, []);
    }

    #[test]
    fn variables_that_have_compose_read_other_files_are_refused() {
        let refused = |text: Option<&str>| {
            let refusals = other_files(&|name| text.filter(|_| name == ".env").map(str::to_owned));
            assert!(refusals.iter().all(|one| one.file == ".env" && one.why == Why::OtherFiles));
            refusals.into_iter().map(|one| one.key).collect::<Vec<_>>()
        };
        assert_eq!(refused(Some("A=b\nexport COMPOSE_FILE = other.yaml\n")), ["COMPOSE_FILE"]);
        assert_eq!(refused(Some("COMPOSE_ENV_FILES: more.env")), ["COMPOSE_ENV_FILES"]);
        assert_eq!(refused(Some("# COMPOSE_FILE and COMPOSE_ENV_FILES")), ["COMPOSE_FILE", "COMPOSE_ENV_FILES"]);
        assert_eq!(refused(Some("COMPOSE_PROJECT_NAME=x\nPOSTGRES_PASSWORD=password\n")), [""; 0]);
        assert_eq!(refused(None), [""; 0]);
    }
}
