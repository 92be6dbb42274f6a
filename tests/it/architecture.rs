//! What may know what: the import rules and the house rules of `src/`, as tables. A broken one names its line.

use std::path::Path;

use labrun::probe::KINDS;
use labrun::render::FORMATS;

/// Which modules of the crate each file may import. The longest row that a file's path begins with counts, so
/// `probe/` speaks for every kind and `engine` for `engine.rs` and its folder.
const IMPORTS: &[(&str, &[&str])] = &[
    ("main.rs", &["cli", "run"]),
    ("lib.rs", &[]),
    // Foundations.
    ("error", &["source", "verdict"]),
    ("points", &[]),
    ("private", &[]),
    ("source", &[]),
    ("tame", &[]),
    ("terminal/", &["tame", "terminal"]),
    ("text", &[]),
    ("vantage", &[]),
    // Authoring.
    ("node", &["decode", "error", "source"]),
    ("decode", &["error", "node", "source"]),
    ("params", &["decode", "error", "node", "reference"]),
    ("lab", &["decode", "node", "points", "text", "vantage"]),
    ("library", &["error", "lab", "source"]),
    ("course", &["decode", "error", "evidence", "node", "plan", "points", "reference", "source", "text"]),
    ("reference", &["evidence"]),
    ("student", &["error", "evidence", "node", "source", "text"]),
    ("repository", &["node", "repository", "text"]),
    ("expect", &["decode", "error", "expect", "node", "reference", "text", "verdict"]),
    (
        "plan",
        &[
            "decode",
            "error",
            "evidence",
            "expect",
            "lab",
            "node",
            "params",
            "plan",
            "points",
            "probe",
            "reference",
            "source",
            "text",
            "vantage",
        ],
    ),
    ("worlds", &["decode", "error", "node", "plan", "source", "text", "verdict", "worlds"]),
    ("lint/content", &["decode", "error", "node", "points", "reference", "source"]),
    ("lint/secrets", &["decode", "error", "evidence", "lint", "node", "source"]),
    ("lint", &["course", "decode", "error", "lab", "library", "lint", "node", "plan", "source", "worlds"]),
    // Looking.
    ("evidence", &["evidence", "points", "text", "vantage"]),
    ("memory", &["evidence"]),
    ("vm/", &["evidence", "text", "vm"]),
    ("engine", &["engine", "evidence", "vm"]),
    ("probe/compose", &["engine", "evidence", "node", "probe", "vm"]),
    ("probe/consent", &["engine", "evidence", "probe", "text", "vm"]),
    ("probe/outage", &["engine", "evidence", "probe", "text", "vantage"]),
    ("probe/recreate", &["engine", "evidence", "probe", "text", "vantage", "vm"]),
    ("probe/up", &["engine", "evidence", "probe", "text", "vm"]),
    ("probe/mod.rs", &["decode", "engine", "evidence", "memory", "node", "student", "vantage", "vm"]),
    ("probe/", &["engine", "evidence", "memory", "probe", "student", "vantage", "vm"]),
    (
        "observe",
        &[
            "course",
            "engine",
            "evidence",
            "judge",
            "memory",
            "observe",
            "plan",
            "probe",
            "reference",
            "student",
            "vantage",
            "verdict",
            "vm",
        ],
    ),
    // Judging and showing.
    ("verdict", &["evidence", "points", "text", "vantage", "verdict"]),
    (
        "judge",
        &["evidence", "expect", "judge", "picture", "plan", "reference", "student", "text", "vantage", "verdict"],
    ),
    ("picture", &["engine", "evidence", "picture", "probe", "vantage", "verdict"]),
    ("render/", &["evidence", "points", "render", "tame", "terminal", "text", "vantage", "verdict"]),
    // Before the first lab.
    ("doctor", &["engine", "evidence", "text", "vm"]),
    ("guide/", &["guide", "judge", "plan", "points", "render", "tame", "terminal", "text", "verdict"]),
    // Many students.
    (
        "class",
        &[
            "class",
            "course",
            "decode",
            "error",
            "evidence",
            "judge",
            "node",
            "plan",
            "points",
            "reference",
            "render",
            "signature",
            "source",
            "text",
            "verdict",
        ],
    ),
    ("verification", &["evidence", "plan", "text", "verdict"]),
    ("signature", &[]),
    // Writing labs.
    ("capture", &["capture", "engine", "evidence", "lab", "tame", "text", "vantage"]),
    ("handout", &["plan", "points", "reference", "render", "text"]),
    ("schema", &["class", "course", "expect", "lab", "plan", "probe", "schema", "vantage", "worlds"]),
    // Testing labs.
    ("selftest", &["plan", "render", "selftest", "text", "verdict", "vm", "worlds"]),
    // The edge.
    ("journal", &["evidence", "memory", "plan", "private", "verdict"]),
    ("cli", &["class", "cli", "library", "plan", "render", "schema", "student", "text", "vm"]),
    (
        "run/repository",
        &["cli", "engine", "error", "evidence", "observe", "probe", "repository", "run", "student", "text", "vm"],
    ),
    (
        "run",
        &[
            "capture",
            "class",
            "cli",
            "course",
            "doctor",
            "error",
            "evidence",
            "guide",
            "handout",
            "journal",
            "judge",
            "library",
            "lint",
            "memory",
            "observe",
            "plan",
            "points",
            "private",
            "probe",
            "reference",
            "render",
            "run",
            "schema",
            "selftest",
            "signature",
            "source",
            "student",
            "tame",
            "terminal",
            "text",
            "verdict",
            "verification",
            "vm",
            "worlds",
        ],
    ),
];

/// Words that only some files may use, each with the reason.
struct Reserved {
    words: &'static [&'static str],
    /// The files (or beginnings of paths) that may use them.
    only_in: &'static [&'static str],
    because: &'static str,
}

const RESERVED: &[Reserved] = &[
    Reserved {
        words: &["std::fs", "tokio::fs", "File::open", "File::create", "OpenOptions"],
        only_in: &["run", "main.rs", "library.rs", "journal", "private.rs", "vm/", "selftest/outside.rs"],
        because: "files are touched at the edge only",
    },
    Reserved {
        words: &["std::net", "std::os", "rustix"],
        only_in: &["vm/", "engine", "probe/", "private.rs"],
        because: "only looking touches the machine",
    },
    Reserved {
        words: &["std::process"],
        // `error` and `run` say with which code the process ends.
        only_in: &["main.rs", "run", "error.rs", "vm/", "selftest/machine.rs"],
        because: "programs are run by the machine only, or make one",
    },
    Reserved {
        words: &["Instant", "SystemTime", "Timestamp::now"],
        only_in: &[
            "observe",
            "vm/",
            "engine",
            "probe/",
            "doctor.rs",
            "run/class/",
            // What is hidden until a date is hidden from whoever reads before it.
            "run/known.rs",
            "run/repository",
            "selftest/mod.rs",
            "selftest/play.rs",
        ],
        because: "whoever judges, plans or renders has no clock, so that the same evidence gives the same report",
    },
    Reserved {
        words: &["tokio", "futures_util", "async fn", "async move", ".await"],
        only_in: &["observe", "vm/", "engine", "probe/", "doctor.rs", "selftest/", "run", "main.rs"],
        because: "everything but looking is plain, synchronous code",
    },
    Reserved { words: &["std::thread"], only_in: &["observe", "vm/"], because: "only `observe` schedules" },
    Reserved { words: &["std::env", "env::var"], only_in: &["run"], because: "the environment is read once" },
    Reserved {
        words: &["serde_saphyr"],
        only_in: &["node.rs", "capture/yaml.rs"],
        because: "one module knows the YAML parser, and one its serializer",
    },
    Reserved { words: &["bollard"], only_in: &["engine", "vm/"], because: "the engine is asked in one place" },
    Reserved { words: &["clap"], only_in: &["cli", "main.rs", "text.rs"], because: "`cli` is the command line" },
    Reserved { words: &["eprintln!", "eprint!"], only_in: &["run", "main.rs"], because: "stages are silent" },
    Reserved {
        words: &[
            "println!",
            "print!(",
            "dbg!",
            "todo!",
            "unimplemented!",
            "TODO",
            "FIXME",
            "XXX",
            "process::exit",
            ".unwrap()",
            "super::",
            "#[allow",
        ],
        only_in: &[],
        because: "no file of `src/` has any of these outside of its tests",
    },
];

/// The files that must work for every kind of probe and every format there will ever be.
const GENERIC: &[&str] = &[
    "judge",
    "picture",
    "expect",
    "plan",
    "lab",
    "reference",
    "params",
    "verdict",
    "evidence",
    "observe",
    "cli",
    "run",
    "worlds",
    "lint",
    "selftest",
];

const MAX_LINES: usize = 700;

/// One file of `src/`.
struct File {
    /// Its path below `src/`.
    path: String,
    text: String,
}

impl File {
    /// The numbered lines before the file's tests, without those that are comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|line| *line != "#[cfg(test)]");
        let code = lines.map(|line| line.split(" // ").next().unwrap_or_default());
        code.enumerate().map(|(n, line)| (n + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Every path that the code names in a `use` or in passing, with its line; groups are taken apart.
    fn paths(&self) -> Vec<(usize, String)> {
        let mut paths = Vec::new();
        let mut lines = self.code().peekable();
        while let Some((number, line)) = lines.next() {
            let Some(tree) = line.trim_start().trim_start_matches("pub ").strip_prefix("use ") else {
                paths.push((number, line.to_owned()));
                continue;
            };
            let mut tree = tree.to_owned();
            while !tree.contains(';') {
                let Some((_, more)) = lines.next() else { break };
                tree += more.trim();
            }
            expand("", tree.trim_end_matches(';'), &mut |path| paths.push((number, path)));
        }
        paths
    }
}

/// Takes `a::{b, c::{d, e}}` apart into `a::b`, `a::c::d` and `a::c::e`.
fn expand(before: &str, tree: &str, found: &mut impl FnMut(String)) {
    let Some((head, group)) = tree.split_once('{') else {
        return found(format!("{before}{}", tree.trim()));
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[start..at].trim().is_empty() {
                    expand(&format!("{before}{}", head.trim()), &group[start..at], found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

fn sources() -> Vec<File> {
    fn walk(folder: &Path, below: &str, files: &mut Vec<File>) {
        let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
        entries.sort_by_key(|entry| entry.file_name());
        for entry in entries {
            let path = format!("{below}{}", entry.file_name().into_string().unwrap());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{path}/"), files);
            } else if path.ends_with(".rs") {
                files.push(File { text: std::fs::read_to_string(entry.path()).unwrap(), path });
            }
        }
    }
    let mut files = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut files);
    files
}

/// The row that speaks for a file: the longest that its path begins with, up to the end of a word.
fn row(path: &str) -> Option<&'static (&'static str, &'static [&'static str])> {
    let at_end = |row: &str, rest: &str| row.ends_with('/') || rest.is_empty() || rest.starts_with(['/', '.']);
    let fits = |row: &str| path.strip_prefix(row).is_some_and(|rest| at_end(row, rest));
    IMPORTS.iter().filter(|(row, _)| fits(row)).max_by_key(|(row, _)| row.len())
}

/// The modules of the crate that a path names: `plan` in `crate::plan::Plan`. The binary calls the crate `labrun`.
fn modules_in<'t>(file: &File, path: &'t str) -> Vec<&'t str> {
    let root = if file.path == "main.rs" { "labrun::" } else { "crate::" };
    let word = |rest: &'t str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    path.match_indices(root).map(|(at, _)| word(&path[at + root.len()..])).collect()
}

/// Everything in `files` that the tables do not allow, as `src/x.rs:1: …`.
fn broken_rules(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files {
        let path = &file.path;
        let mut say = |line: usize, what: String| broken.push(format!("src/{path}:{line}: {what}"));
        if !file.text.starts_with("//! ") {
            say(1, "the file does not begin by saying in `//!` what it answers for".to_owned());
        }
        if file.text.lines().count() > MAX_LINES {
            say(MAX_LINES, format!("longer than {MAX_LINES} lines: take it apart"));
        }
        match row(path) {
            None => say(1, "the table of imports has no row for this file".to_owned()),
            Some((row, allowed)) => {
                for (line, used) in file.paths() {
                    for module in modules_in(file, &used).iter().filter(|module| !allowed.contains(module)) {
                        say(line, format!("`{row}` must not import `{module}`, only {allowed:?}"));
                    }
                }
            }
        }
        for (line, used) in file.paths() {
            for rule in RESERVED.iter().filter(|rule| !rule.only_in.iter().any(|start| path.starts_with(start))) {
                for word in rule.words.iter().filter(|word| names(&used, word)) {
                    say(line, format!("`{word}` does not belong here: {}", rule.because));
                }
            }
            if row(path).is_some_and(|(row, _)| GENERIC.contains(row)) {
                let words = KINDS.iter().map(|kind| kind.name).chain(FORMATS.iter().map(|format| format.name));
                for word in words.filter(|word| used.contains(&format!("\"{word}\""))) {
                    say(line, format!("knows `{word}`: only the table knows its rows"));
                }
            }
        }
    }
    broken
}

/// Whether `line` names `word`, not merely something that ends or begins like it.
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part) && word.starts_with(part);
        let after = line[at + word.len()..].chars().next().is_some_and(part) && word.ends_with(part);
        !before && !after
    })
}

#[test]
fn no_file_knows_or_does_what_is_not_its_business() {
    let broken = broken_rules(&sources());
    assert!(broken.is_empty(), "rules of tests/it/architecture.rs are broken:\n{}\n", broken.join("\n"));
}

#[test]
fn every_rule_can_be_broken() {
    for (path, line, said) in [
        ("judge.rs", "use crate::run::run;", "`judge` must not import `run`, only "),
        ("judge.rs", "    let plan = crate::lab::Lab::new();", "`judge` must not import `lab`"),
        ("render/tap.rs", "use crate::{text::Text, plan::Plan};", "`render/` must not import `plan`"),
        ("probe/http.rs", "use crate::{evidence::Facts,\n    judge::judge};", "`probe/` must not import `judge`"),
        ("engine/names.rs", "use crate::probe::KINDS;", "`engine` must not import `probe`"),
        ("verdict.rs", "use std::{fmt, fs};", "`std::fs` does not belong here"),
        ("judge.rs", "use std::time::{Duration, Instant};", "`Instant` does not belong here"),
        ("plan.rs", "async fn x() {}", "`async fn` does not belong here"),
        ("lab.rs", "use serde_saphyr::Spanned;", "`serde_saphyr` does not belong here"),
        ("node.rs", "    println!(\"x\");", "`println!` does not belong here"),
        ("run.rs", "let x = y.unwrap();", "`.unwrap()` does not belong here"),
        ("judge.rs", "if probe == \"postgres\" {}", "knows `postgres`"),
        ("cli.rs", "const F: &str = \"html\";", "knows `html`"),
        ("new.rs", "", "the table of imports has no row for this file"),
        ("newer.rs", "use crate::text::Text;", "the table of imports has no row for this file"),
        ("judge.rs", &"x\n".repeat(800), "longer than 700 lines"),
    ] {
        let text = format!("//! A file.\n\n{line}\n");
        let broken = broken_rules(&[File { path: path.to_owned(), text }]);
        assert!(
            broken.iter().any(|b| b.starts_with(&format!("src/{path}:")) && b.contains(said)),
            "{said}: {broken:?}"
        );
    }
    let bare = File { path: "text.rs".to_owned(), text: "use std::fmt;\n".to_owned() };
    assert!(broken_rules(&[bare])[0].starts_with("src/text.rs:1: the file does not begin"));
}

#[test]
fn what_is_allowed_is_not_complained_about() {
    let text = "//! A file.\n// use crate::run::run;\nuse crate::verdict::{Doubt, Report};\nlet tokio_like = 1; // tokio\n\
                #[cfg(test)]\nmod tests {\n    use super::*;\n    fn x() { println!(); }\n}\n";
    let file = File { path: "judge.rs".to_owned(), text: text.to_owned() };
    assert_eq!(broken_rules(&[file]), [""; 0]);
}

#[test]
fn tests_stand_at_the_foot_of_their_file_so_that_no_code_hides_behind_them() {
    for file in sources() {
        let tests = file.text.lines().enumerate().skip_while(|(_, line)| *line != "#[cfg(test)]");
        for (number, line) in tests {
            let code =
                ["pub ", "fn ", "async fn ", "impl", "struct ", "enum ", "const ", "static ", "use ", "#[derive"];
            let hides = code.iter().any(|word| line.starts_with(word));
            assert!(!hides, "src/{}:{}: code after the tests: {line}", file.path, number + 1);
        }
    }
}

#[test]
fn every_row_of_the_table_speaks_for_a_file_and_every_import_it_allows_is_used() {
    let files = sources();
    for (name, allowed) in IMPORTS {
        let own: Vec<&File> = files.iter().filter(|file| row(&file.path).is_some_and(|(row, _)| row == name)).collect();
        assert!(!own.is_empty(), "row `{name}` speaks for no file");
        let uses = |module: &str| {
            own.iter().any(|file| file.paths().iter().any(|(_, path)| modules_in(file, path).contains(&module)))
        };
        let idle: Vec<_> = allowed.iter().filter(|module| !uses(module)).collect();
        assert!(idle.is_empty(), "row `{name}` allows what it does not need: {idle:?}");
    }
}
