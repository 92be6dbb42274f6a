//! A compose file, as the student's own docker compose reads it (v2, or docker-compose v1). Found by what its
//! containers say of it, or where such files usually lie. Nothing is started.

mod described;
mod fetched;
mod found;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::evidence::secrets::masked;
use crate::evidence::{Cause, Facts, Unobserved};
use crate::node;
use crate::probe::{Again, Context, FOUND_WORDS, Probe, Sheet, Thing, quote, text_fact};
use crate::vm::{Command, End, Output};

use described::{describe, undefined_network};

pub use described::{Mount, Port, bind_sources, external, mounts, networks, ports, services};
pub use fetched::not_fetched;
pub use found::{Project, projects};

/// How much of what compose makes of a file is read.
const CONFIG_BYTES: usize = 1 << 20;

/// How much of compose's words is reported, in characters.
const ERROR: usize = 2000;

/// How many files are named.
const MANY: usize = 20;

/// Reads a compose file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compose {
    /// Where it lies: a file or its folder, absolute or in the student's home (`~/lab4`).
    #[serde(default)]
    pub path: Option<String>,
    /// The file that this container was made from, if it was made by compose.
    #[serde(default)]
    pub container: Option<String>,
}

#[async_trait]
impl Probe for Compose {
    const NAME: &'static str = "compose";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("found", "`one`, `none`, or `several` when more than one compose file may be meant"),
        ("names", "the paths of those that may be meant"),
        ("path", "the path of the file; the first one where it is made of several"),
        ("by", "how it was found: `path`, `containers` (they say what they were made from), or `name`"),
        ("tool", "the version of compose that read it, e.g. `2.26.1`"),
        ("valid", "whether compose accepts it"),
        ("error", "what compose has against it, or null"),
        (
            "services",
            "a list of {name, image, build, container_name, ports, networks, network_mode, volumes, depends_on, \
             env_names, restart}; null unless it is valid",
        ),
        ("networks", "the networks that its services are on: a list of {name, external, internal}"),
        ("volumes", "the volumes that its services use by name: a list of {name, external, volatile}"),
        ("external", "what must be there before it can be brought up: a list of {kind, name}"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[FOUND_WORDS, ("by", &["path", "containers", "name"])];
    const AGAIN: Again = Again::Seldom;

    fn things(&self) -> Vec<Thing> {
        self.container.iter().cloned().map(Thing::Container).collect()
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let mut sheet = Sheet::default();
        if let Some(project) = the_one(projects(cx, self).await?, &mut sheet) {
            let read = read(cx, &project).await?;
            note(&read, &mut sheet);
        }
        Ok(sheet.done())
    }

    fn command(&self) -> String {
        let folder = match self.path.as_deref() {
            // A tilde in quotes is none.
            Some(path) if path.starts_with("~/") => format!("~/{}", quote(&path[2..])),
            Some(path) => quote(path),
            None => "~/lab4".to_owned(),
        };
        format!("cd {folder} && docker compose config")
    }
}

/// Notes which files may be meant; the one that is, if it is one.
pub fn the_one(mut found: Vec<Project>, sheet: &mut Sheet) -> Option<Project> {
    sheet.fact("found", ["none", "one", "several"][found.len().min(2)]);
    sheet.list("names", found.iter().map(|project| text_fact(project.path().as_bytes(), 500)), MANY);
    let one = found.pop().filter(|_| found.is_empty())?;
    sheet.text("path", Some(one.path()), 500);
    sheet.fact("by", one.by);
    Some(one)
}

/// What compose makes of a file.
pub struct Read {
    /// Which compose it was.
    pub tool: Tool,
    /// The file with everything resolved, or what is wrong with it.
    pub config: Result<Value, String>,
}

/// Notes what compose makes of the file.
pub fn note(read: &Read, sheet: &mut Sheet) {
    sheet.text("tool", Some(&read.tool.version), 100);
    sheet.fact("valid", read.config.is_ok());
    match &read.config {
        Ok(config) => {
            sheet.fact("error", Value::Null);
            describe(config, sheet);
        }
        Err(error) => {
            sheet.text("error", Some(error), ERROR);
            for name in ["services", "networks", "volumes", "external"] {
                sheet.fact(name, Value::Null);
            }
        }
    }
}

/// The compose of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// How it is called.
    pub argv: Vec<String>,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// Whether it is the one written in Python, which knows no JSON.
    pub fn is_first(&self) -> bool {
        self.version.starts_with("1.")
    }

    async fn find(cx: &Context<'_>) -> Result<Tool, Unobserved> {
        for argv in [&["docker", "compose"][..], &["docker-compose"]] {
            let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
            let words = ["version", "--short"].map(str::to_owned);
            let said = run(cx, [argv.as_slice(), &words].concat(), 1000, cx.patience).await?;
            let version = String::from_utf8_lossy(&said.stdout).trim().trim_start_matches('v').to_owned();
            match said.end {
                End::Exited(0) if version.starts_with(|c: char| c.is_ascii_digit()) => {
                    return Ok(Tool { argv, version });
                }
                End::TimedOut => return Err(slow(cx.patience)),
                _ => {}
            }
        }
        Err(Unobserved::new(
            Cause::Unsupported,
            "en esta máquina no hay docker compose que lea el archivo: instalalo con \
             `sudo apt-get install docker-compose`",
            "there is no docker compose on this machine to read the file: install it with \
             `sudo apt-get install docker-compose`",
        ))
    }
}

/// Has compose read the files of `project`.
pub async fn read(cx: &Context<'_>, project: &Project) -> Result<Read, Unobserved> {
    let tool = Tool::find(cx).await?;
    let mut argv = project.call(&tool);
    argv.push("config".to_owned());
    if !tool.is_first() {
        argv.extend(["--format", "json"].map(str::to_owned));
    }
    // It has just answered, so if it is slow now, that is the file's doing.
    let patience = 2 * cx.patience;
    let said = run(cx, argv, CONFIG_BYTES, patience).await?;
    if said.stdout_cut {
        return Err(Unobserved::new(
            Cause::Limit,
            "el archivo de compose, ya resuelto, ocupa más de 1 MiB: más de lo que labrun lee",
            "the compose file, all resolved, is larger than 1 MiB: more than labrun reads",
        ));
    }
    let config = match said.end {
        End::Exited(0) => parsed(&tool, &said.stdout)?,
        End::TimedOut => Err(format!("compose did not finish reading it in {} s", patience.as_secs())),
        _ => Err(complaint(&said.stderr)),
    };
    Ok(Read { tool, config: config.and_then(|config| undefined_network(&config).map_or(Ok(config), Err)) })
}

fn parsed(tool: &Tool, text: &[u8]) -> Result<Result<Value, String>, Unobserved> {
    let text = String::from_utf8_lossy(text);
    let config = if tool.is_first() { node::plain(&text) } else { serde_json::from_str(&text).ok() };
    config.filter(Value::is_object).map(Ok).ok_or_else(|| {
        let (argv, version) = (tool.argv.join(" "), &tool.version);
        Unobserved::new(
            Cause::Malformed,
            format!("no se entiende lo que dice `{argv} config` ({version})"),
            format!("what `{argv} config` ({version}) says makes no sense"),
        )
    })
}

/// Runs a command of compose's on the machine, which fetches no part of the file from anywhere else.
pub async fn run(
    cx: &Context<'_>,
    argv: Vec<String>,
    max_bytes: usize,
    patience: Duration,
) -> Result<Output, Unobserved> {
    let off = ["COMPOSE_EXPERIMENTAL_GIT_REMOTE", "COMPOSE_EXPERIMENTAL_OCI_REMOTE"];
    let env = off.map(|name| (name.to_owned(), "false".to_owned())).to_vec();
    let left = cx.deadline.saturating_duration_since(Instant::now());
    let output = cx.vm.run(&Command { argv, env, max_bytes }, patience.min(left)).await?;
    if output.end == End::TimedOut && left < patience {
        return Err(Unobserved::out_of_time());
    }
    Ok(output)
}

fn slow(patience: Duration) -> Unobserved {
    let seconds = patience.as_secs();
    Unobserved::new(
        Cause::Limit,
        format!("docker compose no dijo ni su versión en {seconds} s; probá de nuevo con la máquina más tranquila"),
        format!("docker compose did not even tell its version in {seconds} s; try again with the machine less busy"),
    )
}

/// What compose has against a file, without its warnings and without values that it repeats from it.
pub fn complaint(stderr: &[u8]) -> String {
    let said = String::from_utf8_lossy(stderr);
    let lines = said.lines().filter(|line| !line.starts_with("time=") || line.contains("level=error"));
    let lines: Vec<String> = lines.filter(|line| !line.trim().is_empty()).map(without_values).collect();
    masked(&lines.join("\n"))
}

/// The line with `NAME=…` in the place of `NAME=value`.
fn without_values(line: &str) -> String {
    let mut kept = String::new();
    let mut rest = line;
    while let Some((before, value)) = rest.split_once('=') {
        kept += before;
        let names = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let end = value.find(|c: char| c.is_whitespace() || "'\"],".contains(c)).unwrap_or(value.len());
        kept += if names && end > 0 { "=…" } else { &rest[before.len()..before.len() + 1 + end] };
        rest = &value[end..];
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_compose_complains_of_is_told_without_warnings_and_values() {
        let said = b"time=\"2026\" level=warning msg=\"the attribute `version` is obsolete\"\n\
            services.a.environment contains non-unique items, please remove duplicates from ['A=secret', 'B=x y']\n\n";
        assert_eq!(
            complaint(said),
            "services.a.environment contains non-unique items, please remove duplicates from ['A=…', 'B=… y']"
        );
        assert_eq!(without_values("a == b, c=, =d"), "a == b, c=, =d");
        assert_eq!(complaint(b""), "");
    }

    #[test]
    fn the_command_is_one_a_student_can_paste() {
        let command = |path: Option<&str>| Compose { path: path.map(str::to_owned), container: None }.command();
        assert_eq!(command(None), "cd ~/lab4 && docker compose config");
        assert_eq!(command(Some("~/my lab")), "cd ~/'my lab' && docker compose config");
        assert_eq!(command(Some("/x")), "cd /x && docker compose config");
    }

    #[test]
    fn every_fact_is_there_or_left_open() {
        let tool = Tool { argv: vec!["docker-compose".into()], version: "1.29.2".into() };
        let config = parsed(&tool, b"services: {a: {image: x}}\nversion: '3'\n").unwrap();
        for config in [config, Err("oh".to_owned())] {
            let mut sheet = Sheet::default();
            the_one(vec![Project::named("/x", "compose.yaml")], &mut sheet);
            note(&Read { tool: tool.clone(), config }, &mut sheet);
            let facts = sheet.done();
            let mut names: Vec<&str> = Compose::FACTS.iter().map(|(name, _)| *name).collect();
            names.sort();
            assert_eq!(facts.keys().collect::<Vec<_>>(), names);
        }
        assert_eq!(parsed(&tool, b"hello").unwrap_err().cause, Cause::Malformed);
        let bomb = format!("a: &a [{0}]\nb: &b [{1}]\nc: [{2}]", "x,".repeat(99), "*a,".repeat(99), "*b,".repeat(99));
        let long = format!("a: &a {}\nb: [{}]", "x".repeat(500_000), "*a,".repeat(10_000));
        for bomb in [bomb, long] {
            assert_eq!(parsed(&tool, bomb.as_bytes()).unwrap_err().cause, Cause::Malformed);
        }
    }

    #[test]
    fn of_none_and_of_several_nothing_is_told() {
        for (found, word) in [(vec![], "none"), (vec![Project::named("/x", "a"), Project::named("/y", "a")], "several")]
        {
            let mut sheet = Sheet::default();
            assert!(the_one(found, &mut sheet).is_none());
            assert_eq!(sheet.done()["found"], json!(word));
        }
    }
}
