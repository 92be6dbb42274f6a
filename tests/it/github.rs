//! GitHub Actions: what is printed, what goes into the files that GitHub names, and that nothing of a student's machine
//! is taken for a command; the workflows that teachers copy.

use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::cargo_bin_cmd;
use base64::Engine;
use labrun::render::{Format, Options};
use labrun::text::Lang;
use labrun::verdict::{Outcome, Report};
use serde_json::Value;

use crate::render::{hostile, many, one_of_everything};
use crate::student_vm::text;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn english() -> Options {
    Options { lang: Lang::En, ..Options::default() }
}

fn commands(report: &Report) -> String {
    (Format::named("github").unwrap().render)(report, &english())
}

/// What goes into the file that the environment calls `variable`.
fn file(variable: &str, report: &Report) -> String {
    let also = Format::named("github").unwrap().also.iter().find(|also| also.variable == variable).unwrap();
    (also.write)(report, &english())
}

fn result(report: &Report) -> Value {
    let outputs = file("GITHUB_OUTPUT", report);
    let line = outputs.lines().find_map(|line| line.strip_prefix("result=")).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::STANDARD.decode(line).unwrap()).unwrap()
}

/// Runs `labrun judge` on a case as a step of a workflow does.
fn step(case: &str, args: &[&str]) -> (Option<i32>, String, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (summary, outputs) = (folder.path().join("summary"), folder.path().join("outputs"));
    std::fs::write(&summary, "what was there\n").unwrap();
    std::fs::write(&outputs, "").unwrap();
    let mut labrun = cargo_bin_cmd!("labrun");
    labrun.current_dir(root().join("tests/cases/replay").join(case));
    labrun.args(["judge", "evidence.json", "--lab", "lab.yaml", "--lang", "en", "--format", "github"]).args(args);
    labrun.envs([("CI", "true"), ("GITHUB_ACTIONS", "true")]);
    labrun.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_OUTPUT", &outputs);
    let output = labrun.output().unwrap();
    let read = |path| std::fs::read_to_string(path).unwrap();
    (output.status.code(), text(&output.stdout), read(&summary), read(&outputs))
}

#[test]
fn a_step_prints_annotations_and_appends_to_its_summary_and_its_outputs() {
    let (code, printed, summary, outputs) = step("blocked-followers", &[]);
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("::error title=blocked-followers/server/runs::`web` runs%0Aexpected: "), "{printed}");
    assert_eq!(printed.matches("::error ").count(), 3, "{printed}");
    assert_eq!(*lines.last().unwrap(), "::notice title=labrun::0/4.5 points · 0 %25 · 4.5 lost");
    assert!(summary.starts_with("what was there\n## ✘ 0/4.5 points"), "{summary}");
    assert!(
        outputs.starts_with("outcome=fail\nearned=0\npossible=4.5\nundetermined=0\ndeferred=0\nresult="),
        "{outputs}"
    );
    // Also where the report goes into a file, and twice in one step.
    let (_, printed, summary, _) = step("all-pass", &["--output", "/dev/null"]);
    assert!(printed.is_empty() && summary.contains("## ✔ "), "{printed} {summary}");
}

#[test]
fn elsewhere_no_file_is_missed_and_other_formats_touch_none() {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary");
    let run = |format: &str, path: &str| {
        let mut labrun = cargo_bin_cmd!("labrun");
        labrun.current_dir(root().join("tests/cases/replay/all-pass"));
        labrun.args(["judge", "evidence.json", "--lab", "lab.yaml", "--format", format]);
        labrun.env_remove("GITHUB_OUTPUT").env("GITHUB_STEP_SUMMARY", path).output().unwrap().status.code()
    };
    assert_eq!(run("text", summary.to_str().unwrap()), Some(0));
    assert!(!summary.exists());
    assert_eq!(run("github", ""), Some(0));
    assert_eq!(run("github", "/nonexistent/summary"), Some(2), "a summary that nobody gets is not passed over");
}

#[test]
fn at_most_ten_errors_the_dearest_first_and_the_last_says_how_many_more() {
    let printed = commands(&many(25));
    let errors: Vec<&str> = printed.lines().filter(|line| line.starts_with("::error ")).collect();
    assert_eq!(errors.len(), 10);
    assert!(errors[0].starts_with("::error title=lab1/s/c24::"), "{}", errors[0]);
    assert_eq!(errors[9], "::error title=labrun::and 16 more: see the summary");
    assert_eq!(commands(&many(10)).matches("::error ").count(), 10);
    assert!(!commands(&many(10)).contains("more: see"));
}

#[test]
fn nothing_of_a_machine_is_a_command() {
    let mut report = hostile();
    let evil = "x\n::set-output name=result::x\r\n::error::gotcha\n  ::add-mask::a\n##[error]old %0A::warning::y";
    let check = &mut report.labs[0].steps[0].checks[0];
    check.claim = labrun::text::Text::same(evil);
    check.address = format!("{evil},file=x");
    check.mismatches[0].fact = evil.to_owned();
    check.mismatches[0].seen = evil.into();
    check.command = evil.to_owned();
    report.student = Some(evil.to_owned());
    report.remarks.push(labrun::text::Text::same(evil));
    for lang in [Lang::Es, Lang::En] {
        let written = (Format::named("github").unwrap().render)(&report, &Options { lang, verbose: true, ..english() });
        for line in written.lines() {
            let (head, _) =
                line.strip_prefix("::").and_then(|line| line.split_once("::")).unwrap_or_else(|| panic!("{line}"));
            let (command, title) = head.split_once(" title=").unwrap();
            assert!(["error", "warning", "notice"].contains(&command), "{line}");
            assert!(!title.contains([':', ',', '\r']), "{line}");
            assert!(!line.contains("##["), "{line}");
        }
        assert!(written.len() < 100_000, "{}", written.len());
    }
    let outputs = file("GITHUB_OUTPUT", &report);
    assert_eq!(outputs.lines().count(), 6, "{outputs}");
    let summary = file("GITHUB_STEP_SUMMARY", &report);
    assert!(!summary.contains("<script") && !summary.contains("<img") && summary.len() < 1 << 20);
}

#[test]
fn the_summary_is_never_more_than_github_keeps() {
    let mut report = many(3000);
    for check in &mut report.labs[0].steps[0].checks {
        check.expected = vec![labrun::text::Text::same("ñ".repeat(2000))];
        check.mismatches.clear();
    }
    let summary = file("GITHUB_STEP_SUMMARY", &report);
    assert!(summary.len() <= 1 << 20 && summary.starts_with("## ✘ 0/"), "{}", summary.len());
}

#[test]
fn the_autograding_result_adds_up_and_leaves_out_what_is_not_judged() {
    for report in [one_of_everything(), many(7), hostile()] {
        let result = result(&report);
        let tests = result["tests"].as_array().unwrap();
        let sum: f64 = tests.iter().map(|test| test["score"].as_f64().unwrap()).sum();
        let points = |points: labrun::points::Points| f64::from(points.hundredths()) / 100.0;
        assert!((sum - points(report.points.earned)).abs() < 1e-9);
        let judged = points(report.points.possible) - points(report.points.deferred);
        assert!((result["max_score"].as_f64().unwrap() - judged).abs() < 1e-9);
        assert_eq!(result["version"], 1);
        for test in tests {
            let fields: Vec<&String> = test.as_object().unwrap().keys().collect();
            assert_eq!(fields, ["duration", "filename", "line_no", "message", "name", "score", "status", "test_code"]);
        }
        let unknown = report.checks().filter(|check| check.outcome == Outcome::Unknown && !check.bonus).count();
        assert_eq!(tests.iter().filter(|test| test["status"] == "error").count(), unknown);
    }
    assert_eq!(result(&many(3))["status"], "fail");
}

// ---- what teachers copy --------------------------------------------------------------------------------------

/// Any YAML as JSON.
pub fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The blocks of a page in YAML.
fn blocks(page: &str) -> Vec<Value> {
    page.split("```yaml\n").skip(1).map(|rest| yaml(rest.split("```").next().unwrap())).collect()
}

#[test]
fn the_action_is_a_composite_one_and_hands_untrusted_inputs_over_by_the_environment() {
    let action = yaml(&std::fs::read_to_string(root().join("action.yml")).unwrap());
    assert_eq!(action["runs"]["using"], "composite");
    let inputs = action["inputs"].as_object().unwrap();
    for step in action["runs"]["steps"].as_array().unwrap() {
        let Some(script) = step["run"].as_str() else { continue };
        assert_eq!(step["shell"], "bash", "{script}");
        // An expression in a script is a way in for whoever chooses its value.
        assert!(!script.contains("${{"), "{script}");
    }
    let text = std::fs::read_to_string(root().join("action.yml")).unwrap();
    for name in inputs.keys() {
        assert!(text.contains(&format!("inputs.{name}")), "`{name}` is used by nothing");
    }
    for (name, output) in action["outputs"].as_object().unwrap() {
        assert_eq!(output["value"], format!("${{{{ steps.check.outputs.{name} }}}}"));
        let known = file("GITHUB_OUTPUT", &one_of_everything());
        assert!(known.lines().any(|line| line.starts_with(&format!("{name}="))), "labrun writes no `{name}`");
    }
    assert!(text.contains("--labs"), "labs never come from the student's repository");
}

/// Runs the scripts of the action one after the other, as the runner does; the last one's exit code, what it printed,
/// and the summary and the outputs.
fn act(inputs: &[(&str, &str)]) -> (Option<i32>, String, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let action = yaml(&std::fs::read_to_string(root().join("action.yml")).unwrap());
    let mut last = (None, String::new());
    for step in action["runs"]["steps"].as_array().unwrap() {
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-e", "-c", step["run"].as_str().unwrap()]).current_dir(&folder);
        bash.envs([("CI", "true"), ("GITHUB_ACTIONS", "true"), ("HOME", "/nonexistent"), ("BINARY", LABRUN)]);
        bash.env("DOCKER_HOST", "unix:///nonexistent/docker.sock").env("RUNNER_TEMP", file("temp"));
        bash.env("GITHUB_STEP_SUMMARY", file("summary")).env("GITHUB_OUTPUT", file("outputs"));
        let output = bash.envs(inputs.iter().copied()).output().unwrap();
        last = (output.status.code(), text(&output.stdout) + &text(&output.stderr));
    }
    let read = |name: &str| std::fs::read_to_string(file(name)).unwrap_or_default();
    (last.0, last.1, read("summary"), read("outputs"))
}

const LABRUN: &str = env!("CARGO_BIN_EXE_labrun");

#[test]
fn the_scripts_of_the_action_do_what_they_say() {
    let inputs = [("LABS", "lab1/port"), ("FOLDER", "built-in"), ("ARGUMENTS", "--lang en --timeout 9s")];
    let (code, printed, summary, outputs) = act(&inputs);
    assert_eq!(code, Some(4), "{printed}");
    assert!(printed.contains("::warning title=lab1/port/"), "{printed}");
    assert!(summary.starts_with("## ? 0/") && outputs.starts_with("outcome=unknown\n"), "{summary} {outputs}");
    // An input is words, never a script.
    let (code, printed, ..) = act(&[("LABS", "lab1/port;false $(false)"), inputs[1], inputs[2]]);
    assert!(code == Some(2) && printed.contains("there is no lab `$(false)`"), "{code:?} {printed}");
}

#[test]
fn in_ci_a_folder_of_labs_in_the_repository_is_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("labs")).unwrap();
    std::fs::copy(root().join("labs/lab1.yaml"), folder.path().join("labs/lab1.yaml")).unwrap();
    let source = |ci: &str, args: &[&str]| {
        let mut labrun = cargo_bin_cmd!("labrun");
        labrun.current_dir(&folder).args(["check", "lab1/port", "--format", "json"]).args(args).env("CI", ci);
        labrun.env("DOCKER_HOST", "unix:///nonexistent/docker.sock").env("HOME", "/nonexistent");
        let output = labrun.env("XDG_STATE_HOME", folder.path()).output().unwrap();
        let report: Report =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        report.labs[0].source.clone()
    };
    let built_in = "built-in/labs/lab1.yaml";
    assert_eq!(source("true", &[]), built_in);
    assert_eq!(source("1", &["--labs", "built-in"]), built_in);
    assert_eq!(source("false", &["--labs", "built-in"]), built_in);
    assert_eq!([source("false", &[]), source("true", &["--labs", "labs"])], ["labs/lab1.yaml"; 2]);
    // Nor is it one by which evidence is judged: with this one the student has every point.
    std::fs::write(folder.path().join("labs/lab1.yaml"), "labrun: lab/v1\nid: lab1\n").unwrap();
    let recorded = root().join("tests/cases/replay/real-mistakes/evidence.json");
    let mut labrun = cargo_bin_cmd!("labrun");
    labrun.current_dir(&folder).arg("judge").arg(recorded).arg("lab1").args(["--format", "json"]).env("CI", "true");
    let report: Report = serde_json::from_slice(&labrun.output().unwrap().stdout).unwrap();
    assert_eq!(report.labs[0].source, built_in);
}

#[test]
fn the_workflows_of_the_documentation_can_be_read_and_give_labs_a_source() {
    let page = std::fs::read_to_string(root().join("docs/ci.md")).unwrap();
    let all = blocks(&page);
    assert!(all.len() >= 2, "a workflow for GitHub and one for GitLab");
    let github = &all[0];
    let steps = github["jobs"]["labrun"]["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["uses"].as_str().is_some_and(|uses| uses.contains("labrun@"))), "{steps:?}");
    // Read only, and started by what students do.
    assert_eq!(github["permissions"]["contents"], "read");
    assert!(github["on"].get("pull_request_target").is_none(), "that would run their code with the teacher's rights");
    let gitlab = all.iter().find(|block| block.get("labrun").is_some()).expect("the GitLab job");
    assert!(gitlab["labrun"]["script"].to_string().contains("--labs"), "{gitlab}");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("docs/ci.md"));
}
