//! The formats that other programs read: each is read back by a reader that shares nothing with the writer (a JSON
//! schema, an XML parser, Perl's TAP parser), and all of them say the same total, whatever the report.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::cargo_bin_cmd;
use base64::Engine;
use labrun::points::Points;
use labrun::render::{FORMATS, Format, Options};
use labrun::text::{Lang, Text};
use labrun::verdict::{CheckResult, Doubt, Mismatch, Outcome, Report, Score, Settled};
use proptest::prelude::*;
use roxmltree::{Document, Node};
use serde_json::{Value, json};

use crate::render::{check, fixtures, hint, hostile, lab, one_of_everything, report, step};
use crate::schema::Validator;
use crate::student_vm::text;

/// What Classroom 50 tells whoever grades.
pub const CLASSROOM: [(&str, &str); 7] = [
    ("CLASSROOM", "redes"),
    ("ASSIGNMENT", "lab1"),
    ("SUBMISSION_TAG", "submit/20260302T140509Z-3f2a9c4"),
    ("OWNER", "ana"),
    ("COMMIT_URL", "https://git.example/ana/commit/3f2a9c4"),
    ("RELEASE_URL", "https://git.example/ana/releases/1"),
    ("ASSIGNMENT_TYPE", "group"),
];

fn options(lang: Lang) -> Options {
    Options { lang, given: CLASSROOM.map(|(name, value)| (name, value.to_owned())).into(), ..Options::default() }
}

fn write(format: &str, report: &Report) -> String {
    (Format::named(format).unwrap().render)(report, &options(Lang::En))
}

/// What `format` puts into the file that the environment calls `variable`.
fn file(format: &str, variable: &str, report: &Report) -> String {
    let also = Format::named(format).unwrap().also.iter().find(|also| also.variable == variable).unwrap();
    (also.write)(report, &options(Lang::En))
}

/// What a reader makes of a report: sums, in hundredths, and how many claims are told to be undetermined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Told {
    earned: u32,
    bonus: u32,
    /// What could have been earned of what was judged.
    most: u32,
    unknown: usize,
}

impl Told {
    fn of(report: &Report) -> Told {
        let points = &report.points;
        let unknown = report.checks().filter(|check| check.outcome == Outcome::Unknown && !check.bonus).count();
        Told {
            earned: points.earned.hundredths(),
            bonus: points.bonus.hundredths(),
            most: (points.earned + points.lost).hundredths(),
            unknown,
        }
    }
}

/// The total as people are told it, `2/9.25 points · 5 lost · 2 undetermined · 0.25 deferred · +1 bonus`, as far as it goes;
/// its percentage is that of its own numbers.
fn total(line: &str) -> Score {
    let points = |text: &str| serde_json::from_str::<Points>(text.trim_start_matches('+')).ok();
    let mut parts = line.split(" · ");
    let first = parts.next().and_then(|first| first.strip_suffix(" points")).and_then(|first| first.split_once('/'));
    let (earned, possible) = first.unwrap_or_else(|| panic!("no total: {line}"));
    let mut score = Score { earned: points(earned).unwrap(), possible: points(possible).unwrap(), ..Score::default() };
    let mut share = None;
    for (number, what) in parts.map_while(|part| part.split_once(' ')) {
        let of = match what {
            "lost" => &mut score.lost,
            "undetermined" => &mut score.undetermined,
            "deferred" => &mut score.deferred,
            "bonus" => &mut score.bonus,
            _ if what.starts_with('%') => {
                share = Some(number.parse::<u32>().unwrap());
                continue;
            }
            _ => break,
        };
        *of = points(number).unwrap();
    }
    let judged = (score.earned + score.lost).hundredths();
    let is_known = judged > 0 && score.undetermined == Points::ZERO;
    assert_eq!(share, is_known.then(|| score.earned.hundredths() * 100 / judged), "{line}");
    score
}

/// The same as a page has it: its number, and the legend of its bar.
fn total_of_page(page: &str) -> Score {
    let between = |text: &str, from: &str, to: &str| {
        text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map(|(found, _)| found.to_owned())
    };
    let points = |text: Option<String>| -> Points {
        text.map(|text| serde_json::from_str(text.trim_start_matches('+').trim()).unwrap()).unwrap_or_default()
    };
    let number = between(page, "<p class=\"number\">", "</p>").unwrap();
    let possible = between(&number, "</b>/", "<").or_else(|| between(&number, "</b>/", " "));
    let legend = between(page, "<ul class=\"legend\">", "</ul>").unwrap();
    let part = |class: &str| {
        let item = between(&legend, &format!("<li class=\"{class}\">"), "</li>");
        points(item.and_then(|item| between(&item, "<b>", "</b>")))
    };
    let score = Score {
        earned: points(between(&number, "<b>", "</b>")),
        possible: points(possible),
        lost: part("fail"),
        undetermined: part("unknown"),
        deferred: part("deferred"),
        bonus: part("extra"),
    };
    assert_eq!((score.earned, score.bonus), (part("pass"), points(between(&number, "\"bonus\">", "<"))), "{number}");
    score
}

/// An exact number of points as hundredths.
fn hundredths(value: &Value) -> u32 {
    serde_json::from_value::<Points>(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}")).hundredths()
}

fn sum<'a>(values: impl IntoIterator<Item = &'a Value>) -> u32 {
    values.into_iter().map(hundredths).sum()
}

fn valid(schema: &str, written: &str) -> Value {
    let value: Value = serde_json::from_str(written).unwrap_or_else(|error| panic!("{error}: {written}"));
    let validator = Validator::of(&format!("../tests/cases/formats/{schema}.schema.json"));
    assert_eq!(validator.refuses(&value), None, "{written}");
    value
}

fn of_gradescope(report: &Report) -> Told {
    let results = valid("gradescope", &write("gradescope", report));
    let tests = results["tests"].as_array().unwrap();
    assert_eq!(tests.len(), report.checks().count());
    let (mut told, mut scores) = (Told::default(), 0);
    for (test, check) in tests.iter().zip(report.checks()) {
        let tags: Vec<&str> = test["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(tags[0], check.outcome.word());
        let judged = test.get("score").is_some();
        assert_eq!(judged, test.get("status").is_some(), "{test}");
        // What nobody has judged is neither zero nor failed, and an extra that was missed is no failure.
        assert!(!judged || check.earns().is_some(), "{test}");
        told.unknown += usize::from(tags == ["unknown"] && !judged);
        scores += test.get("score").map_or(0, hundredths);
        told.most += test.get("max_score").map_or(0, hundredths);
        told.bonus += test.get("score").filter(|_| tags.contains(&"bonus")).map_or(0, hundredths);
    }
    assert_eq!(scores, hundredths(&results["score"]), "the total is the sum of the tests");
    assert_eq!(total(results["output"].as_str().unwrap().lines().next().unwrap()), report.points);
    assert_eq!(serde_json::from_value::<Score>(results["extra_data"]["points"].clone()).unwrap(), report.points);
    assert_eq!(results["output"].as_str().unwrap().contains("no mark"), report.points.undetermined > Points::ZERO);
    told.earned = scores - told.bonus;
    told
}

fn of_prairielearn(report: &Report) -> Told {
    let results = valid("prairielearn", &write("prairielearn", report));
    let tests = results["tests"].as_array().unwrap();
    let (all, most) =
        (sum(tests.iter().map(|test| &test["points"])), sum(tests.iter().map(|test| &test["max_points"])));
    let bonus = tests.iter().zip(report.checks()).filter(|(_, check)| check.bonus).map(|(test, _)| &test["points"]);
    let bonus = sum(bonus);
    let open = report.points.undetermined > Points::ZERO;
    assert_eq!(total(results["message"].as_str().unwrap().lines().next().unwrap()), report.points);
    assert_eq!(results["gradable"], !open && most > 0, "what could not be determined costs no attempt");
    match results.get("score") {
        Some(score) => assert_eq!((score.as_f64().unwrap() * f64::from(most)).round() as u32, all.min(most)),
        None => assert!(!results["format_errors"].as_array().unwrap().is_empty(), "it says why"),
    }
    // It has no word for one test that is undetermined: 0 of 0 is what it shows as a remark.
    let unknown = tests.iter().zip(report.checks()).filter(|(test, check)| {
        let is_unknown = check.outcome == Outcome::Unknown && !check.bonus;
        assert!(!is_unknown || (hundredths(&test["max_points"]) == 0 && test["message"].as_str() != Some("")));
        is_unknown
    });
    Told { earned: all - bonus, bonus, most, unknown: unknown.count() }
}

/// Integers of a unit that the points themselves decide; and nothing at all of a run that is not complete.
fn of_classroom50(report: &Report) -> Told {
    let result = valid("classroom50", &write("classroom50", report));
    let outputs = file("classroom50", "GITHUB_OUTPUT", report);
    assert_eq!(outputs.lines().count(), 2, "{outputs}");
    let summary = outputs.trim_end().split_once("summary=labrun: ").unwrap().1;
    let open =
        summary.strip_prefix("not graded: not all could be determined (").and_then(|open| open.strip_suffix(')'));
    assert_eq!(total(open.unwrap_or(summary)), report.points);
    let (score, most) = (result["score"].as_u64().unwrap() as u32, result["max-score"].as_u64().unwrap() as u32);
    let tests = result["tests"].as_array().unwrap();
    if report.points.undetermined > Points::ZERO {
        assert_eq!((score, most, tests.len()), (0, 0, 0), "an empty result, which is no mark");
        assert!(outputs.starts_with("status=error\nsummary=labrun: not graded"), "{outputs}");
        return Told::of(report);
    }
    assert!(!outputs.contains("status=error"), "{outputs}");
    let add = |field: &str| tests.iter().map(|test| test[field].as_u64().unwrap() as u32).sum::<u32>();
    assert_eq!((add("score"), add("max-score")), (score, most), "the totals are the sums of the tests");
    for test in tests {
        assert!(test["score"].as_u64() <= test["max-score"].as_u64(), "{test}");
    }
    let told = Told::of(report);
    let unit = [100, 10, 1].into_iter().find(|unit| score * unit == told.earned && most * unit == told.most);
    assert!(unit.is_some(), "{score}/{most} for {told:?}");
    let bonus = sum(tests.iter().filter_map(|test| test.get("bonus")));
    assert!(tests.iter().all(|test| test.get("bonus").is_none() || test["max-score"] == 0));
    Told { bonus, ..told }
}

/// GitHub Classroom's runner result: bonus has no place in it, and what is unknown is an error of its maximum.
fn of_github(report: &Report) -> Told {
    let outputs = file("github", "GITHUB_OUTPUT", report);
    let output = |name: &str| outputs.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
    let line = output("result");
    let written = write("github", report);
    let notice = written.lines().find_map(|line| line.strip_prefix("::notice title=labrun::")).unwrap();
    assert_eq!(total(&notice.replace("%25", "%")), report.points);
    let points = &report.points;
    for (name, told) in [
        ("earned", points.earned),
        ("possible", points.possible),
        ("undetermined", points.undetermined),
        ("deferred", points.deferred),
    ] {
        assert_eq!(output(name), told.to_string(), "{name}");
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(line).unwrap();
    let result = valid("github", &text(&decoded));
    let tests = result["tests"].as_array().unwrap();
    let unknown = tests.iter().filter(|test| test["status"] == "error").count();
    let most = hundredths(&result["max_score"]) - report.points.undetermined.hundredths();
    let earned = sum(tests.iter().map(|test| &test["score"]));
    Told { earned, bonus: report.points.bonus.hundredths(), most, unknown }
}

fn of_junit(report: &Report) -> Told {
    let written = write("junit", report);
    let document = Document::parse(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    let root = document.root_element();
    let children = |node: Node<'_, '_>, name: &str| node.children().filter(|child| child.has_tag_name(name)).count();
    let named = |name: &str| document.descendants().filter(|node| node.has_tag_name(name)).count();
    for (attribute, element) in
        [("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
    {
        assert_eq!(root.attribute(attribute), Some(named(element).to_string().as_str()), "{attribute}");
        for suite in root.children().filter(Node::is_element) {
            let inside = suite.descendants().filter(|node| node.has_tag_name(element)).count();
            assert_eq!(suite.attribute(attribute), Some(inside.to_string().as_str()), "{attribute}");
        }
    }
    let known =
        ["testsuites", "testsuite", "testcase", "properties", "property", "failure", "error", "skipped", "system-out"];
    assert!(document.descendants().filter(Node::is_element).all(|node| known.contains(&node.tag_name().name())));
    let property = |node: Node<'_, '_>, name: &str| {
        let all = node.children().filter(|child| child.has_tag_name("properties")).flat_map(|all| all.children());
        let found = all.filter(|one| one.attribute("name") == Some(name)).map(|one| one.attribute("value").unwrap());
        found.map(|value| hundredths(&serde_json::from_str(value).unwrap())).next()
    };
    let mut told = Told::default();
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
    for (case, check) in cases.zip(report.checks()) {
        assert!(["failure", "error", "skipped"].map(|name| children(case, name)).iter().sum::<usize>() <= 1);
        assert!(!case.attribute("name").unwrap().is_empty() && !case.attribute("classname").unwrap().is_empty());
        assert_eq!(children(case, "error") == 1, check.outcome == Outcome::Unknown && !check.bonus);
        assert_eq!(children(case, "failure") == 1, check.outcome == Outcome::Fail && !check.bonus);
        let earned = property(case, "points");
        *(if check.bonus { &mut told.bonus } else { &mut told.earned }) += earned.unwrap_or_default();
        told.most += earned.and(property(case, "max_points")).unwrap_or_default();
        told.unknown += children(case, "error");
    }
    // The suites say so too.
    let add = |name: &str| root.children().filter_map(|suite| property(suite, name)).sum::<u32>();
    assert_eq!((add("earned"), add("bonus"), add("earned") + add("lost")), (told.earned, told.bonus, told.most));
    let Score { undetermined, deferred, possible, .. } = report.points;
    for (name, points) in [("undetermined", undetermined), ("deferred", deferred), ("possible", possible)] {
        assert_eq!(add(name), points.hundredths(), "{name}");
    }
    told
}

/// What Perl's TAP parser reads in each of `documents`.
fn read_by_perl(documents: &[String]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/formats/read-tap.pl");
    let mut perl = Command::new("perl");
    perl.arg(script);
    for (at, document) in documents.iter().enumerate() {
        let path = folder.path().join(at.to_string());
        std::fs::write(&path, document).unwrap();
        perl.arg(path);
    }
    let output = perl.output().expect("Debian's package perl");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let read: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), documents.len());
    read
}

/// What `read`, by whoever read it, says of `report`.
fn of_tap(report: &Report, read: &Value) -> Told {
    assert_eq!((&read["errors"], &read["unknown"]), (&json!([]), &json!([])));
    let written = write("tap", report);
    assert_eq!(total(written.lines().last().and_then(|line| line.strip_prefix("# ")).unwrap()), report.points);
    let tests = read["tests"].as_array().unwrap();
    assert_eq!((tests.len(), read["plan"].as_u64()), (report.checks().count(), Some(tests.len() as u64)));
    let mut told = Told::default();
    for (test, check) in tests.iter().zip(report.checks()) {
        let data = &test["data"];
        let number = |name: &str| data[name].as_str().map(|value| hundredths(&serde_json::from_str(value).unwrap()));
        assert_eq!(data["severity"], check.outcome.word());
        let directive = match check.outcome {
            Outcome::Deferred => "SKIP",
            Outcome::Fail | Outcome::Blocked | Outcome::Unknown if check.bonus => "TODO",
            _ => "",
        };
        assert_eq!(test["directive"], directive, "{test}");
        assert_eq!(test["ok"], matches!(check.outcome, Outcome::Pass | Outcome::Deferred), "{test}");
        assert_ne!(test["description"], "");
        let earned = number("points");
        *(if check.bonus { &mut told.bonus } else { &mut told.earned }) += earned.unwrap_or_default();
        told.most += earned.and(number("max_points")).unwrap_or_default();
        told.unknown += usize::from(earned.is_none() && data["severity"] == "unknown" && !check.bonus);
    }
    told
}

/// The formats for people: a total, and a line or a fold for each claim that is undetermined.
fn of_people(format: &str, report: &Report) -> Told {
    let written = write(format, report);
    let count = |is: &dyn Fn(&str) -> bool| written.lines().filter(|line| is(line)).count();
    let (score, unknown) = match format {
        "text" => {
            let lines = written.lines().skip_while(|line| !line.starts_with("Total  "));
            let lines = lines.enumerate().take_while(|(at, line)| *at == 0 || line.starts_with("       "));
            let words: Vec<&str> = lines.flat_map(|(_, line)| line.split_whitespace()).skip(1).collect();
            (
                total(&words.join(" ")),
                count(&|line| line.trim_end() == "  ? unknown" || line.starts_with("  ? unknown ")),
            )
        }
        "markdown" => {
            let head = written.lines().next().and_then(|line| line.splitn(3, ' ').nth(2)).unwrap();
            (total(head), count(&|line| line.starts_with("| ? unknown | ")))
        }
        _ => {
            let is_unknown =
                |line: &str| line.starts_with("<details class=\"check\"") && line.contains(" data-outcome=\"unknown\"");
            (total_of_page(&written), count(&is_unknown))
        }
    };
    assert_eq!(score, report.points, "{written}");
    let bonus = report.checks().filter(|check| check.outcome == Outcome::Unknown && check.bonus).count();
    let hundredths = |points: Points| points.hundredths();
    Told {
        earned: hundredths(score.earned),
        bonus: hundredths(score.bonus),
        most: hundredths(score.earned + score.lost),
        unknown: unknown - bonus,
    }
}

/// What a person or a program is told by `format`; `tap` is what Perl read. Every format is here, or the test fails.
fn told(format: &Format, report: &Report, tap: &Value) -> Told {
    match format.name {
        "json" => {
            let read: Report = serde_json::from_str(&write("json", report)).unwrap();
            assert_eq!(read, *report);
            Told::of(&read)
        }
        "text" | "markdown" | "html" => of_people(format.name, report),
        "github" => of_github(report),
        "junit" => of_junit(report),
        "tap" => of_tap(report, tap),
        "gradescope" => of_gradescope(report),
        "classroom50" => of_classroom50(report),
        "prairielearn" => of_prairielearn(report),
        other => panic!("say here how the total of `{other}` is read"),
    }
}

/// What machines and students would like to see in a report.
fn evil() -> Vec<String> {
    let mut evil: Vec<String> = [
        "",
        " ",
        "\u{1b}[31m✔ pass\u{1b}[0m",
        "\u{202e}dessap\u{2066}",
        "x\n::error::gotcha\r\n##[error]old",
        "]]></failure><testcase name=\"free\"/><![CDATA[",
        "&#0; &lol; <!DOCTYPE x>",
        "\0\u{8}\u{b}\u{7f}\u{9b}\u{85}\u{2028}",
        "\u{fffe}\u{ffff}\u{feff}\u{10ffff}",
        "x # SKIP never",
        "\\# TODO \\",
        "\nok 99 - free\nBail out! over\n1..0\n  ...\n---\n",
        "\"}],\"score\":100,\"tests\":[{\"x\":\"",
        "${{ secrets.X }} %0A::set-output name=result::x",
    ]
    .map(str::to_owned)
    .into();
    evil.push("a".repeat(5000));
    evil
}

/// A check with `said` wherever somebody else than labrun decides what stands there.
fn check_that_says(said: &str, address: &str, outcome: Outcome, points: u32, bonus: bool) -> CheckResult {
    let text = Text::same(said);
    CheckResult {
        points: Points::from_hundredths(points),
        bonus,
        outcome,
        claim: text.clone(),
        expected: vec![text.clone()],
        mismatches: vec![Mismatch { fact: said.to_owned(), expected: text.clone(), seen: json!([said, {said: said}]) }],
        blocked_by: if outcome == Outcome::Blocked { vec![said.to_owned()] } else { Vec::new() },
        unknown: (outcome == Outcome::Unknown).then(|| Doubt { cause: None, why: text.clone() }),
        deferred: (outcome == Outcome::Deferred).then(|| text.clone()),
        answer: Some(said.to_owned()),
        hint: Some(hint("h", &[(said, said)])),
        note: (outcome == Outcome::Pass).then(|| hint("n", &[(said, said)])),
        namespace: Some(said.to_owned()),
        command: said.to_owned(),
        ..check(address, "", "")
    }
}

/// Any report: of several labs and steps, with checks of every outcome, whole and broken points, bonus, decisions of a
/// teacher, and any text.
fn any_report() -> impl Strategy<Value = Report> {
    let points = prop_oneof![(0..12_u32).prop_map(|n| n * 100), (0..120_u32).prop_map(|n| n * 10), 0..1000_u32];
    let said = prop_oneof![prop::sample::select(evil()), any::<String>()];
    let decided = prop::option::weighted(0.1, 0..=100_u32);
    let one = (prop::sample::select(&Outcome::ALL[..]), points, prop::bool::weighted(0.2), said, decided);
    let steps = prop::collection::vec(prop::collection::vec(one, 0..5), 1..4);
    (prop::collection::vec(steps, 1..3), prop::sample::select(evil())).prop_map(|(labs, said)| {
        let labs = labs.into_iter().enumerate().map(|(l, steps)| {
            let steps = steps.into_iter().enumerate().map(|(s, checks)| {
                let address = format!("lab{l}/s{s}");
                let checks = checks.into_iter().enumerate().map(|(c, (outcome, points, bonus, text, decided))| {
                    let mut check = check_that_says(&text, &format!("{address}/c{c}"), outcome, points, bonus);
                    if let Some(percent) = decided {
                        let points = Points::from_hundredths(points * percent / 100);
                        check.settled = Some(Settled { points, reason: text.clone(), by: text, was: outcome });
                        check.outcome = if points == check.points { Outcome::Pass } else { Outcome::Fail };
                    }
                    check
                });
                step(&address, &said, &said, checks.collect())
            });
            lab(&format!("lab{l}"), &said, &said, steps.collect())
        });
        let mut report = report(labs.collect());
        report.student = Some(said.clone());
        report.remarks = vec![Text::same(said)];
        report.sum_up(None);
        report
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_format_carries_the_same_total_whatever_the_report(report in any_report()) {
        let tap = read_by_perl(&[write("tap", &report)]).remove(0);
        for format in FORMATS {
            prop_assert_eq!(told(format, &report, &tap), Told::of(&report), "{}", format.name);
            for lang in [Lang::Es, Lang::En] {
                let written = (format.render)(&report, &options(lang));
                prop_assert_eq!(&written, &(format.render)(&report, &options(lang)), "{} twice", format.name);
                let bad = written.chars().find(|c| c.is_control() && *c != '\n');
                prop_assert_eq!(bad, None, "{}", format.name);
                // Those for people are not for a workflow's output, and `github` is tested by itself.
                if !format.is_general && format.name != "github" {
                    let command = written.lines().find(|line| line.trim_start().starts_with("::"));
                    prop_assert_eq!(command, None, "{}", format.name);
                }
            }
        }
    }
}

#[test]
fn what_is_endless_is_cut_and_every_reader_still_reads_it() {
    let endless = "a\n".repeat(1 << 19);
    let checks = Outcome::ALL.map(|outcome| check_that_says(&endless, "lab1/s/c", outcome, 100, false));
    let mut report = report(vec![lab("lab1", &endless, "x", vec![step("lab1/s", &endless, "x", checks.into())])]);
    report.remarks = vec![Text::same(endless)];
    let tap = read_by_perl(&[write("tap", &report)]).remove(0);
    // The page and the JSON hold the report itself.
    for format in FORMATS.iter().filter(|format| !["json", "html"].contains(&format.name)) {
        assert_eq!(told(format, &report, &tap), Told::of(&report), "{}", format.name);
        let size = write(format.name, &report).len();
        assert!(size < 1_000_000, "{}: {size}", format.name);
    }
}

#[test]
fn every_fixture_is_read_by_the_reader_of_every_format() {
    let reports: Vec<Report> = fixtures().into_iter().map(|(_, report)| report).collect();
    let documents: Vec<String> = reports.iter().map(|report| write("tap", report)).collect();
    for (report, tap) in reports.iter().zip(read_by_perl(&documents)) {
        for format in FORMATS {
            assert_eq!(told(format, report, &tap), Told::of(report), "{}", format.name);
        }
    }
}

#[test]
fn the_readers_refuse_what_is_no_such_document() {
    let changed = |written: &str, at: &str, value: Value| {
        let mut whole: Value = serde_json::from_str(written).unwrap();
        *whole.pointer_mut(at).unwrap() = value;
        whole
    };
    for (format, at, value) in [
        ("gradescope", "/tests/0/status", json!("pass")),
        ("gradescope", "/tests/0/score", json!("2")),
        ("gradescope", "/output_format", json!("plain")),
        ("prairielearn", "/tests/0/points", json!(null)),
        ("prairielearn", "/gradable", json!(true)),
        ("classroom50", "/score", json!(1.5)),
        ("classroom50", "/datetime", json!("2026-03-02T14:05:09.120Z")),
        ("classroom50", "/submission", json!("main")),
    ] {
        let validator = Validator::of(&format!("../tests/cases/formats/{format}.schema.json"));
        let changed = changed(&write(format, &one_of_everything()), at, value);
        assert!(validator.refuses(&changed).is_some(), "{format} {at}");
    }
    let read = read_by_perl(&["TAP version 14\n1..2\nok 1 - a\nok 3 - b\nwhat\n".to_owned()]).remove(0);
    assert!(!read["errors"].as_array().unwrap().is_empty() && read["unknown"] == json!(["what"]), "{read}");
    assert!(Document::parse(&write("junit", &hostile()).replace("&lt;", "<")).is_err());
}

/// Runs `labrun judge` on a case with `variables` in an environment that has no others of Classroom 50's.
fn judge(case: &str, args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut labrun = cargo_bin_cmd!("labrun");
    labrun.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/replay").join(case));
    labrun.args(["judge", "evidence.json", "--lab", "lab.yaml", "--lang", "en"]).args(args);
    for name in Format::named("classroom50").unwrap().takes.iter().map(|taken| taken.variable).chain(["GITHUB_OUTPUT"])
    {
        labrun.env_remove(name);
    }
    let output = labrun.envs(variables.iter().copied()).output().unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_is_hidden_stays_hidden_in_every_format() {
    for format in FORMATS {
        let (code, written, said) = judge("hidden", &["--verbose", "--format", format.name], &CLASSROOM);
        assert!(code == Some(0) && !written.is_empty(), "{}: {said}", format.name);
        assert!(!written.contains("secret"), "{}: {written}", format.name);
    }
    let (_, revealed, _) = judge("hidden", &["--reveal", "--format", "junit"], &CLASSROOM);
    assert!(revealed.contains("secret"), "{revealed}");
}

#[test]
fn classroom_50_is_told_who_is_graded_for_what_by_its_own_environment() {
    let folder = tempfile::tempdir().unwrap();
    let outputs = folder.path().join("outputs");
    let with_outputs: Vec<(&str, &str)> =
        CLASSROOM.into_iter().chain([("GITHUB_OUTPUT", outputs.to_str().unwrap())]).collect();
    let (code, written, _) = judge("blocked-followers", &["--format", "classroom50"], &with_outputs);
    assert_eq!(code, Some(1));
    let result = valid("classroom50", &written);
    let of_environment: BTreeMap<&str, &str> = [
        ("classroom", "redes"),
        ("assignment", "lab1"),
        ("assignment_type", "group"),
        ("owner", "ana"),
        ("submission", "submit/20260302T140509Z-3f2a9c4"),
        ("commit", "https://git.example/ana/commit/3f2a9c4"),
        ("release", "https://git.example/ana/releases/1"),
        // Where the runner has no link to a review, the commit is it.
        ("review", "https://git.example/ana/commit/3f2a9c4"),
    ]
    .into();
    of_environment.iter().for_each(|(field, value)| assert_eq!(result[field], *value, "{field}"));
    // 4.5 points are 45 tenths of one.
    assert_eq!((&result["score"], &result["max-score"]), (&json!(0), &json!(45)));
    assert!(std::fs::read_to_string(&outputs).unwrap().starts_with("status=failure\nsummary=labrun: 0/4.5 points"));
}

#[test]
fn without_that_there_is_no_result_and_no_run() {
    let without: Vec<(&str, &str)> = CLASSROOM.into_iter().filter(|(name, _)| *name != "OWNER").collect();
    let (code, written, said) = judge("all-pass", &["--format", "classroom50"], &without);
    assert_eq!((code, written.as_str()), (Some(2), ""));
    assert!(said.contains("--format classroom50: OWNER is not in the environment"), "{said}");
    let mut labrun = cargo_bin_cmd!("labrun");
    labrun.args(["check", "lab1", "--labs", "built-in", "--format", "classroom50"]).env_remove("CLASSROOM");
    labrun.env("DOCKER_HOST", "unix:///nonexistent/docker.sock").env("HOME", "/nonexistent");
    let output = labrun.output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("CLASSROOM is not in the environment"), "{said}");
}

#[test]
fn a_class_keeps_reports_for_people_and_programs_and_none_for_a_service() {
    let general: Vec<&str> = FORMATS.iter().filter(|format| format.is_general).map(|format| format.name).collect();
    assert_eq!(general, ["text", "json", "html", "markdown"]);
}

// ---- what teachers copy --------------------------------------------------------------------------------------

/// The first block of docs/formats.md in `language` below `heading`, in which the folder `from` is `to`.
fn example(heading: &str, language: &str, from: &str, to: &Path) -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md")).unwrap();
    let section = page.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("{heading}"));
    let block = section.split(&format!("```{language}\n")).nth(1).and_then(|rest| rest.split("```").next());
    block.unwrap_or_else(|| panic!("{heading}: no {language}")).replace(from, to.to_str().unwrap())
}

/// A folder as a service makes it: what the student handed in, the teacher's labs and labrun, each where it is looked for.
fn service(submission: &str, labs: &str, labrun: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/replay/blocked-followers");
    let place = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    // The cases do not say which lab they are of; what a student hands in does.
    let (_, report, _) = judge("blocked-followers", &["--format", "json"], &[]);
    let mut evidence: Value = serde_json::from_slice(&std::fs::read(case.join("evidence.json")).unwrap()).unwrap();
    evidence["labs"][0]["digest"] = serde_json::from_str::<Value>(&report).unwrap()["labs"][0]["digest"].take();
    std::fs::write(place(submission), evidence.to_string()).unwrap();
    std::fs::copy(case.join("lab.yaml"), place(&format!("{labs}/blocked-followers.yaml"))).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_labrun"), place(labrun)).unwrap();
    folder
}

/// Runs a script as a service does, with labrun in its path.
fn run(interpreter: &str, script: &str, folder: &Path, variables: &[(&str, &str)]) -> Option<i32> {
    let mut program = Command::new(interpreter);
    program.args(["-c", script]).current_dir(folder).envs(variables.iter().copied());
    let mut path = folder.join("bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    program.env("PATH", path);
    program.env("DOCKER_HOST", "unix:///nonexistent/docker.sock").env("HOME", folder).output().unwrap().status.code()
}

#[test]
fn the_example_for_gradescope_writes_results_of_what_was_handed_in_and_none_of_anything_else() {
    let folder = service("submission/submission.json", "source/labs", "source/labrun");
    let script = example("Gradescope", "sh", "/autograder", folder.path()).replace("lab4", "blocked-followers");
    let results = folder.path().join("results/results.json");
    std::fs::create_dir(folder.path().join("results")).unwrap();
    assert_eq!(run("sh", &script, folder.path(), &[]), Some(0));
    assert_eq!(valid("gradescope", &std::fs::read_to_string(&results).unwrap())["score"], 0);
    std::fs::remove_file(&results).unwrap();
    std::fs::write(folder.path().join("submission/submission.json"), "{}").unwrap();
    assert_eq!(run("sh", &script, folder.path(), &[]), Some(1));
    assert!(!results.exists());
}

#[test]
fn the_example_for_prairielearn_writes_results_of_whatever_was_handed_in() {
    let folder = service("student/submission.json", "tests/labs", "bin/labrun");
    let script = example("PrairieLearn", "sh", "/grade", folder.path()).replace("lab4", "blocked-followers");
    let results =
        || valid("prairielearn", &std::fs::read_to_string(folder.path().join("results/results.json")).unwrap());
    assert_eq!(run("sh", &script, folder.path(), &[]), Some(0));
    assert_eq!(results()["score"], 0.0);
    std::fs::write(folder.path().join("student/submission.json"), "{}").unwrap();
    assert_eq!(run("sh", &script, folder.path(), &[]), Some(0));
    assert_eq!(results()["gradable"], false);
}

#[test]
fn the_example_for_classroom_50_leaves_a_result_and_a_body_for_the_release() {
    let folder = service("unused/evidence.json", "labs", "labrun");
    let docker = folder.path().join("bin/docker");
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    std::os::unix::fs::symlink("/bin/true", docker).unwrap();
    let script = example("Classroom 50", "python", "\"lab4\"", Path::new("\"blocked-followers\"")).replace("3m", "9s");
    let bundle = [("CLASSROOM50_BUNDLE_DIR", folder.path().to_str().unwrap())];
    let variables: Vec<(&str, &str)> = CLASSROOM.into_iter().chain(bundle).collect();
    assert_eq!(run("python3", &script, folder.path(), &variables), Some(0));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    // There is no engine here, so nothing could be determined.
    assert_eq!(valid("classroom50", &read("result.json"))["tests"], json!([]));
    assert!(read("release-body.md").starts_with("## ? 0/4.5 "), "{}", read("release-body.md"));
}
