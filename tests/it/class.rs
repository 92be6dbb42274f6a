//! A class graded from evidence that students have handed in, however it is interrupted, and graded again. The
//! evidence is that of the replay cases, made into that of as many students as a test wants.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use labrun::class::summary::Class;
use labrun::evidence::chain::seal;
use labrun::evidence::{Credit, CreditSource, Evidence, Facts, Sample, Seen};
use labrun::points::Points;
use labrun::verdict::{Outcome, Report};
use serde_json::{Value, json};

use crate::schema::Validator;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Evidence recorded in a student VM, as that of `student`: no two machines have a number in common.
fn evidence(case: &str, student: &str) -> Evidence {
    let text = std::fs::read_to_string(root().join(format!("tests/cases/replay/{case}/evidence.json"))).unwrap();
    let number = student.bytes().fold(7_000_000_u64, |number, byte| number * 31 % 1_000_000_007 + u64::from(byte));
    let mut value: Value = serde_json::from_str(&text).unwrap();
    redraw(&mut value, number);
    let mut evidence: Evidence = serde_json::from_value(value).unwrap();
    evidence.student = Some(student.to_owned());
    evidence.nonce = format!("{number:016x}");
    seal(&mut evidence);
    evidence
}

/// Gives everything that is drawn at random another value.
fn redraw(value: &mut Value, number: u64) {
    match value {
        Value::Object(entries) => entries.iter_mut().for_each(|(key, value)| match (key.as_str(), value.as_str()) {
            ("system_identifier", Some(_)) => *value = Value::from(number.to_string()),
            ("id", Some(id)) if id.len() == 64 => *value = Value::from(format!("{number:064x}")),
            _ => redraw(value, number),
        }),
        Value::Array(items) => items.iter_mut().for_each(|item| redraw(item, number)),
        _ => {}
    }
}

/// A teacher's folder: a roster, and what was handed in.
pub struct Teacher {
    folder: tempfile::TempDir,
}

impl Teacher {
    fn new() -> Teacher {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("up")).unwrap();
        Teacher { folder }
    }

    /// A class in which every third student has made mistakes.
    pub fn of(count: usize) -> Teacher {
        let teacher = Teacher::new();
        let ids: Vec<String> = (0..count).map(|n| format!("s{n:03}")).collect();
        for (n, id) in ids.iter().enumerate() {
            teacher.hand_in(&evidence(if n % 3 == 2 { "real-mistakes" } else { "real-reference" }, id), id);
        }
        teacher.roster(&ids.iter().map(|id| format!("{id},Name of {id}")).collect::<Vec<_>>().join("\n"));
        teacher
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn roster(&self, rows: &str) {
        std::fs::write(self.path("r.csv"), format!("id,name\n{rows}\n")).unwrap();
    }

    fn hand_in(&self, evidence: &Evidence, id: &str) {
        self.put(&format!("up/{id}.json"), &serde_json::to_string(evidence).unwrap());
    }

    pub fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn labrun(&self) -> Command {
        let mut labrun = Command::new(env!("CARGO_BIN_EXE_labrun"));
        labrun.current_dir(self.folder.path()).env("LC_ALL", "en_US.UTF-8").stdin(Stdio::null());
        labrun
    }

    pub fn class(&self, out: &str, more: &[&str]) -> Command {
        let mut labrun = self.labrun();
        labrun.args(["class", "lab1", "lab2", "--roster", "r.csv", "--uploads", "up", "--out", out, "--labs"]);
        let own = self.path("labs");
        labrun.arg(if own.is_dir() { own } else { root().join("labs") }).args(more);
        labrun
    }

    /// From here on the teacher has labs of their own: the same ones, and the course with these replacements.
    fn own_course(&self, replacements: &[(&str, &str)]) {
        for folder in ["labs", "checks"] {
            std::fs::create_dir(self.path(folder)).unwrap();
            let entries = std::fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap);
            for entry in entries.filter(|entry| entry.path().is_file()) {
                std::fs::copy(entry.path(), self.path(folder).join(entry.file_name())).unwrap();
            }
        }
        let course = std::fs::read_to_string(self.path("labs/course.yaml")).unwrap();
        let replaced = |course: String, (old, new): &(&str, &str)| course.replace(old, new);
        self.put("labs/course.yaml", &replacements.iter().fold(course, replaced));
    }

    #[track_caller]
    pub fn graded(&self, out: &str, more: &[&str]) -> Class {
        let output = self.class(out, more).output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 4)), "{output:?}");
        self.read(out)
    }

    fn read(&self, out: &str) -> Class {
        serde_json::from_slice(&std::fs::read(self.path(out).join("class.json")).unwrap()).unwrap()
    }

    /// Every file that a class comes to, but for the journal and the lock.
    pub fn outputs(&self, out: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path(out)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        drop(files.insert(
                            path.strip_prefix(self.path(out)).unwrap().to_owned(),
                            std::fs::read(&path).unwrap(),
                        ))
                    }
                }
            }
        }
        files.retain(|path, _| path != Path::new("journal.jsonl") && path != Path::new("lock"));
        files
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn student<'c>(class: &'c Class, id: &str) -> &'c labrun::class::summary::StudentOfClass {
    class.students.iter().find(|student| student.id == id).unwrap()
}

#[test]
fn each_student_gets_a_report_and_the_class_its_marks() {
    let teacher = Teacher::of(3);
    let class = teacher.graded("M", &[]);
    assert_eq!(Validator::of("class.schema.json").refuses(&serde_json::to_value(&class).unwrap()), None);
    let earned: Vec<String> = class.students.iter().map(|student| student.points.earned.to_string()).collect();
    assert_eq!(earned, ["19.5", "19.5", "8.5"]);
    let report: Report = serde_json::from_slice(&std::fs::read(teacher.path("M/s002/report.json")).unwrap()).unwrap();
    assert_eq!((report.student.as_deref(), report.points), (Some("s002"), class.students[2].points));
    // What was handed in is kept as it was.
    assert_eq!(
        std::fs::read(teacher.path("M/s002/evidence.json")).unwrap(),
        std::fs::read(teacher.path("up/s002.json")).unwrap()
    );
    // Nobody but its owner looks into it.
    for folder in ["M", "M/s002", "M/labs"] {
        let mode = std::fs::metadata(teacher.path(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
    // A cell is a mark only once nothing of it is open: lab1 has something that is seen from outside only.
    let marks = std::fs::read_to_string(teacher.path("M/marks.csv")).unwrap();
    assert!(marks.lines().nth(1).unwrap().starts_with("s000,Name of s000,,10,,19.5,0,0,0.5,20,"), "{marks}");
    let bound = class.checks.iter().find(|check| check.address == "lab1/port/bound").unwrap();
    assert_eq!((bound.outcomes[&Outcome::Pass], bound.outcomes[&Outcome::Fail]), (2, 1));
    assert_eq!(
        (bound.hints[0].id.as_str(), bound.hints[0].students.as_slice()),
        ("loopback-only", ["s002".to_owned()].as_slice())
    );
    assert_eq!(class.copies, []);
}

#[test]
fn whatever_is_handed_in_harms_nobody_else() {
    let teacher = Teacher::of(2);
    let all =
        ["s000", "s001", "big", "broken", "changed", "deep", "empty", "folder", "missing", "other", "newer", "zero"];
    teacher.roster(&all.map(|id| format!("{id},")).join("\n"));
    std::fs::File::create(teacher.path("up/big.json")).unwrap().set_len(40 << 20).unwrap();
    teacher.put("up/broken.json", "{\"format\": \"labrun/evidence/v1\", \"obs");
    teacher.put("up/deep.json", &"[".repeat(100_000));
    teacher.put("up/empty.json", "");
    std::fs::create_dir(teacher.path("up/folder.json")).unwrap();
    let mut changed = evidence("real-mistakes", "changed");
    changed.observations[3].command.push('x');
    teacher.hand_in(&changed, "changed");
    teacher.hand_in(&evidence("real-reference", "s000"), "other");
    teacher.put("up/newer.json", "{\"format\": \"labrun/evidence/v9\"}");
    std::fs::write(teacher.path("up/zero.json"), [0xff_u8; 64]).unwrap();
    let output = teacher.class("M", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let class = teacher.read("M");
    for id in &all[2..] {
        let student = student(&class, id);
        assert!(student.trouble.is_some(), "{id}");
        assert_eq!(
            (student.points.earned.hundredths(), student.points.lost.hundredths(), student.mark),
            (0, 0, None),
            "{id}"
        );
    }
    assert!(student(&class, "changed").trouble.as_ref().unwrap().en.contains("observation 4 is not what stood there"));
    assert!(student(&class, "other").trouble.as_ref().unwrap().en.contains("`s000`"));
    for id in &all[..2] {
        assert_eq!(student(&class, id).points.earned.to_string(), "19.5", "{id}");
    }
    // Whoever hands in something better is graded by it when the same command runs again.
    teacher.hand_in(&evidence("real-reference", "broken"), "broken");
    let class = teacher.graded("M", &[]);
    assert_eq!(student(&class, "broken").points.earned.to_string(), "19.5");
}

#[test]
fn nothing_that_is_the_teachers_to_say_is_taken_from_a_students_file() {
    let teacher = Teacher::of(1);
    let mut forged = evidence("real-mistakes", "s000");
    forged.self_reported_counts = true;
    forged.labs[0].params.insert("table".to_owned(), Value::from("other"));
    forged.labs[0].digest = "0".repeat(64);
    forged.labs.truncate(1);
    let at = forged.finished.clone();
    let source = labrun::evidence::CreditSource::Grader;
    forged.credit = vec![labrun::evidence::Credit { check: "lab1/port/bound".to_owned(), at, source }];
    // Whoever forges evidence seals it anew, or takes the chain off.
    forged.chain = None;
    forged.observations.iter_mut().for_each(|observation| observation.hash = None);
    teacher.hand_in(&forged, "s000");
    let due = "lab1, weight: 10, due: 2026-11-25T10:00:00-03:00}";
    teacher.own_course(&[("self_reported: counts", "self_reported: shown"), ("lab1, weight: 10}", due)]);
    let class = teacher.graded("M", &[]);
    assert!(class.students[0].trouble.is_none());
    let kinds: Vec<&str> = class.students[0].flags.iter().map(|flag| flag.kind.word()).collect();
    assert_eq!(kinds, ["unsealed", "other_parameters", "other_version", "not_recorded", "late"]);
    assert_eq!(class.students[0].checks["lab1/port/bound"], Outcome::Fail, "their own word, of another table");
    let report: Report = serde_json::from_slice(&std::fs::read(teacher.path("M/s000/report.json")).unwrap()).unwrap();
    assert!(
        report.remarks.iter().any(|remark| remark.en.contains("other parameters") && remark.en.contains("`table`"))
    );
}

#[test]
fn a_code_that_is_asked_for_must_be_in_the_evidence() {
    let teacher = Teacher::of(3);
    for (id, code) in [("s000", "red-42"), ("s001", "blue-7")] {
        let mut coded = evidence("real-reference", id);
        coded.challenge = Some(code.to_owned());
        seal(&mut coded);
        teacher.hand_in(&coded, id);
    }
    let class = teacher.graded("M", &["--challenge", "red-42"]);
    let seen: Vec<bool> = class.students.iter().map(|student| student.trouble.is_none()).collect();
    assert_eq!(seen, [true, false, false]);
    assert!(class.students[1].trouble.as_ref().unwrap().en.contains("does not carry this assignment's code"));
}

/// Labs of a folder that happens to be here may be a student's.
#[test]
fn labs_here_are_not_looked_into() {
    let teacher = Teacher::of(1);
    std::fs::create_dir(teacher.path("labs")).unwrap();
    teacher.put("labs/lab1.yaml", "labrun: lab/v1\nid: lab1\n");
    let mut labrun = teacher.labrun();
    labrun.args(["class", "lab1", "--roster", "r.csv", "--uploads", "up", "--out", "M"]);
    assert_eq!(labrun.output().unwrap().status.code(), Some(0));
    assert_eq!(teacher.read("M").labs[0].source, "built-in/labs/lab1.yaml");
}

/// What the roster names lies beside it; a folder on the command line is one where the command runs.
#[test]
fn uploads_are_looked_for_where_the_command_runs() {
    let teacher = Teacher::of(2);
    std::fs::create_dir(teacher.path("course")).unwrap();
    std::fs::rename(teacher.path("r.csv"), teacher.path("course/r.csv")).unwrap();
    let mut labrun = teacher.labrun();
    labrun.args(["class", "lab1", "--roster", "course/r.csv", "--uploads", "up/", "--out", "M"]);
    assert_eq!(labrun.output().unwrap().status.code(), Some(0));
    assert!(teacher.read("M").students.iter().all(|student| student.trouble.is_none()));
}

/// Whoever looks at a machine while a file is judged would miss its answer.
#[test]
fn files_are_judged_before_any_machine_is_looked_at() {
    let teacher = Teacher::new();
    teacher.hand_in(&evidence("real-reference", "zoe"), "zoe");
    teacher.put("r.csv", "id,name,vm\nana,Ana,ssh://ana@127.0.0.1:1\nzoe,Zoe,\n");
    teacher.graded("M", &["--jobs", "1"]);
    let journal = std::fs::read_to_string(teacher.path("M/journal.jsonl")).unwrap();
    let looked = |id: &str| journal.find(&format!("{{\"looked\":{{\"student\":\"{id}\"")).unwrap();
    assert!(looked("zoe") < looked("ana"), "{journal}");
}

/// Evidence by hand: few bytes that are looked at often, or that come to much once they are read.
#[test]
fn evidence_that_would_keep_a_grader_busy_is_refused_in_no_time() {
    let teacher = Teacher::of(4);
    let mut often = evidence("real-reference", "s001");
    let sample = often.observations[0].samples[0].clone();
    let many = (0..20_000).map(|round| Sample { round, until: None, ..sample.clone() });
    often.observations[0].samples = many.collect();
    let long = Facts::from_iter([("stdout".to_owned(), Value::from("x".repeat(60_000)))]);
    often.observations[1].samples[0].seen = Seen::Facts(long);
    seal(&mut often);
    teacher.hand_in(&often, "s001");
    let large = serde_json::to_string(&evidence("real-reference", "s003")).unwrap();
    let large = large.replacen('{', &format!("{{\"x\":[{}{{}}],", "{\"\":0},".repeat(600_000)), 1);
    teacher.put("up/s003.json", &large);
    let start = Instant::now();
    let class = teacher.graded("M", &[]);
    let why: Vec<_> =
        class.students.iter().map(|student| student.trouble.as_ref().map(|why| why.en.as_str())).collect();
    assert!(why[1].unwrap().contains("too long to judge") && why[3].unwrap().contains("too much memory"), "{why:?}");
    assert!(why[0].is_none() && why[2].is_none(), "{why:?}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// A check that a student's machine saw to hold with other parameters is another check.
#[test]
fn credit_in_evidence_counts_for_the_parameters_it_is_judged_by() {
    let teacher = Teacher::of(3);
    let credit = |evidence: &mut Evidence| {
        let credit = |check: &str| Credit {
            check: check.to_owned(),
            at: evidence.finished.clone(),
            source: CreditSource::Grader,
        };
        evidence.credit = ["lab1/port/bound", "lab2/volume/mounted"].map(credit).into();
        seal(evidence);
    };
    let mut same = evidence("real-mistakes", "s001");
    credit(&mut same);
    teacher.hand_in(&same, "s001");
    let mut other = evidence("real-mistakes", "s002");
    other.labs[0].params.insert("port".to_owned(), json!(15432));
    credit(&mut other);
    teacher.hand_in(&other, "s002");
    teacher.graded("M", &[]);
    let credited = |id: &str| {
        let report = std::fs::read(teacher.path(&format!("M/{id}/report.json"))).unwrap();
        let report: Report = serde_json::from_slice(&report).unwrap();
        let all = report.checks().filter_map(|check| Some((check.address.clone(), check.credit.as_ref()?.source)));
        all.collect::<Vec<_>>()
    };
    assert!(credited("s001").contains(&("lab1/port/bound".to_owned(), CreditSource::SelfReported)));
    assert!(!credited("s002").iter().any(|(check, _)| check == "lab1/port/bound"));
}

#[test]
fn a_run_that_is_killed_at_any_moment_goes_on_and_loses_and_doubles_nothing() {
    let teacher = Teacher::of(24);
    let whole = teacher.graded("whole", &[]);
    let mut waits = (0..12_u64).map(|n| Duration::from_millis(3 + n * n * 5));
    let mut killed = 0;
    loop {
        let mut run = teacher.class("M", &["--jobs", "3"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let Some(wait) = waits.next() else {
            assert!(run.wait().unwrap().success());
            break;
        };
        std::thread::sleep(wait);
        killed += usize::from(run.try_wait().unwrap().is_none());
        run.kill().unwrap();
        run.wait().unwrap();
        // Half a line, as a loss of power in the middle of writing leaves it.
        if let Ok(mut journal) = std::fs::File::options().append(true).open(teacher.path("M/journal.jsonl")) {
            journal.write_all(b"{\"looked\":{\"student\":\"s0").unwrap();
        }
    }
    assert!(killed > 3, "the runs ended before they were killed");
    assert_eq!(teacher.read("M"), whole);
    let outputs = teacher.outputs("M");
    assert_eq!(outputs.keys().collect::<Vec<_>>(), teacher.outputs("whole").keys().collect::<Vec<_>>());
    assert!(outputs == teacher.outputs("whole"));
    // Nobody was looked at twice.
    let journal = std::fs::read_to_string(teacher.path("M/journal.jsonl")).unwrap();
    assert_eq!(journal.lines().filter(|line| line.starts_with("{\"looked\"")).count(), 24, "{journal}");
}

/// Nobody listens on port 1 of this machine.
#[test]
fn a_machine_that_cannot_be_reached_is_tried_again_and_costs_nobody_a_point() {
    let teacher = Teacher::of(1);
    teacher.put("r.csv", "id,vm,evidence\ns000,,up/s000.json\nfar,ssh://nobody@127.0.0.1:1,\n");
    let known_hosts = teacher.path("known_hosts").display().to_string();
    let output = teacher.class("M", &["--known-hosts", &known_hosts, "--timeout", "10s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains("labrun: 1 not reached: trying once more"), "{said}");
    let class = teacher.read("M");
    let far = student(&class, "far");
    assert!(far.trouble.is_some() && far.mark.is_none());
    assert_eq!((far.points.earned.hundredths(), far.points.lost.hundredths()), (0, 0));
    assert_eq!(student(&class, "s000").points.earned.to_string(), "19.5");
    // Both looks are in the journal, and the next run tries a third time.
    let looks = |teacher: &Teacher| {
        let journal = std::fs::read_to_string(teacher.path("M/journal.jsonl")).unwrap();
        journal.lines().filter(|line| line.starts_with("{\"looked\":{\"student\":\"far\"")).count()
    };
    assert_eq!(looks(&teacher), 2);
    let again = teacher.class("M", &["--known-hosts", &known_hosts, "--timeout", "10s"]).output().unwrap();
    assert_eq!((again.status.code(), looks(&teacher)), (Some(4), 4), "{again:?}");
}

#[test]
fn the_repositories_of_a_class_are_brought_up_in_sandboxes_only() {
    let teacher = Teacher::of(1);
    teacher.put("r.csv", "id,repository,evidence\ns000,,up/s000.json\nrepo,nowhere,\n");
    let output = teacher.class("M", &["--sandbox", "this-machine"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("in sandboxes only"), "{output:?}");
    // A repository that is not there is nobody else's trouble.
    let class = teacher.graded("M", &[]);
    assert!(student(&class, "repo").trouble.is_some());
    assert_eq!(student(&class, "s000").points.earned.to_string(), "19.5");
}

#[test]
fn two_runs_in_one_folder_do_not_get_in_each_others_way() {
    let teacher = Teacher::of(2);
    std::fs::create_dir(teacher.path("M")).unwrap();
    let held = std::fs::File::create(teacher.path("M/lock")).unwrap();
    held.lock().unwrap();
    let output = teacher.class("M", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("another labrun is at work in it"), "{output:?}");
    // The lock is of the process and not of the file, so whoever was killed locks nobody out.
    drop(held);
    teacher.graded("M", &[]);
}

/// A machine that lets in and says nothing, so that whoever looks at it waits.
#[test]
fn the_page_of_a_class_is_there_while_the_class_runs_and_says_who_is_waited_for() {
    let teacher = Teacher::of(1);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    teacher.put("r.csv", &format!("id,vm,evidence\ns000,,up/s000.json\nslow,ssh://nobody@{address},\n"));
    let known_hosts = teacher.path("known_hosts").display().to_string();
    let start = || {
        let mut class = teacher.class("M", &["--known-hosts", &known_hosts, "--timeout", "5m"]);
        class.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut run = start();
    let page = || std::fs::read_to_string(teacher.path("M/class.html")).unwrap_or_default();
    let says = |word: &str| page().split('<').any(|part| part.split_once('>').is_some_and(|(_, text)| text == word));
    let waits = || says("Looking at:") && says("slow") && page().contains("<b>1</b>/2");
    let until = |run: &mut Child, holds: &dyn Fn() -> bool| {
        while !holds() {
            assert!(run.try_wait().unwrap().is_none(), "it waits for a machine that does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until(&mut run, &waits);
    assert!(page().contains("<noscript><meta http-equiv=\"refresh\"") && says("Under way"));
    assert!(page().contains("href=\"s000/report.html\"") && teacher.path("M/s000/report.html").exists());

    // Nobody came in, and it is written anew all the same, which is how one that nobody writes any more is told.
    let written = || page().split("<time datetime=\"").nth(1).map(|rest| rest[..20].parse::<Timestamp>().unwrap());
    let first = written();
    until(&mut run, &|| written() > first);
    assert!(waits());
    run.kill().unwrap();
    run.wait().unwrap();
    let last = page();
    assert!(says("Under way") && last.contains("data-late-after=\"60\""), "{last}");

    let mut run = start();
    until(&mut run, &|| waits() && page() != last);
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert!(!page().contains("http-equiv=\"refresh\"") && says("Still to come"), "nothing changes any more");
    assert!(says("Interrupted: the same command goes on with the others"));
}

#[test]
fn where_students_are_stuck_is_the_first_step_of_each_that_is_not_right() {
    let teacher = Teacher::of(5);
    let class = teacher.graded("M", &[]);
    let stuck: Vec<_> = class.stuck.iter().map(|stuck| (stuck.step.as_str(), stuck.students.join(" "))).collect();
    assert_eq!(stuck, [("lab1/port", "s002".to_owned())]);
    // Whoever could not be seen is stuck nowhere, and what a teacher lets pass holds nobody up.
    teacher.put("up/s001.json", "");
    teacher.put(
        "M/overrides.csv",
        "student,check,points,verdict,reason,by\ns002,lab1/port/bound,,pass,as agreed,Prof. Díaz\n",
    );
    let class = teacher.graded("M", &["--again", "s001"]);
    let stuck: Vec<_> = class.stuck.iter().map(|stuck| (stuck.step.as_str(), stuck.students.join(" "))).collect();
    assert_eq!(stuck, [("lab1/table", "s002".to_owned())]);
    let page = std::fs::read_to_string(teacher.path("M/class.html")).unwrap();
    assert!(!page.contains("id=\"running\"") && !page.contains("refresh"), "it is done");
}

#[test]
fn a_run_that_is_interrupted_says_how_to_go_on() {
    let teacher = Teacher::of(60);
    let run = teacher.class("M", &["--jobs", "1"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun =
        || std::fs::read_to_string(teacher.path("M/journal.jsonl")).is_ok_and(|text| text.contains("{\"looked\""));
    while !begun() {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains("of 60 students are done; the same command goes on with the others"), "{said}");
    assert_eq!(teacher.graded("M", &[]).students.len(), 60);
}

#[test]
fn a_folder_goes_on_only_with_what_it_was_begun_for() {
    let teacher = Teacher::of(3);
    teacher.graded("M", &[]);
    let refused = |teacher: &Teacher, more: &[&str]| {
        let output = teacher.class("M", more).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        stderr(&output)
    };
    assert!(refused(&teacher, &["--set", "table=other"]).contains("other parameters are set"));
    assert!(refused(&teacher, &["lab3"]).contains("the labs are lab1 lab2 lab3, not lab1 lab2"));
    assert!(refused(&teacher, &["--again", "nobody"]).contains("no such student"));
    // A name may be mended at any time; who is there, only when it is said.
    teacher.hand_in(&evidence("real-mistakes", "new"), "new");
    teacher.roster("s000,Ana\ns001,\nnew,");
    let said = refused(&teacher, &[]);
    assert!(
        said.contains("`s002` is missing (`--again s002` leaves them out)") && said.contains("`new` is new"),
        "{said}"
    );
    let class = teacher.graded("M", &["--again", "s002", "--again", "new"]);
    assert_eq!(class.students.iter().map(|student| student.id.as_str()).collect::<Vec<_>>(), ["s000", "s001", "new"]);
    assert_eq!(class.students[0].name.as_deref(), Some("Ana"));
    // A second upload is taken when the teacher says so, and until then told.
    teacher.hand_in(&evidence("real-mistakes", "s000"), "s000");
    let output = teacher.class("M", &[]).output().unwrap();
    assert!(stderr(&output).contains("`s000` has handed in another file since: `--again s000` takes it"), "{output:?}");
    assert_eq!(teacher.read("M").students[0].points.earned.to_string(), "19.5");
    assert_eq!(teacher.graded("M", &["--again", "s000"]).students[0].points.earned.to_string(), "8.5");
    // Marks are not made of evidence that is gone.
    let before = teacher.outputs("M");
    std::fs::remove_file(teacher.path("M/s001/evidence.json")).unwrap();
    assert!(refused(&teacher, &[]).contains("`s001`: the evidence is missing"));
    assert_eq!(teacher.outputs("M").get(Path::new("marks.csv")), before.get(Path::new("marks.csv")));
}

#[test]
fn what_a_teacher_decides_counts_is_shown_and_survives_grading_again() {
    let teacher = Teacher::of(3);
    teacher.graded("M", &[]);
    teacher.put(
        "M/overrides.csv",
        "student,check,points,verdict,reason,by\ns000,lab1/ssh/answers,,pass,seen at the defence,Prof. Díaz\n\
         s002,lab1/port/bound,\"1,5\",,half of it,Prof. Díaz\n",
    );
    let class = teacher.graded("M", &[]);
    assert_eq!(class.students[0].mark.map(|mark| mark.to_string()), Some("20".to_owned()));
    assert_eq!(class.students[2].points.earned.to_string(), "10");
    let report: Report = serde_json::from_slice(&std::fs::read(teacher.path("M/s002/report.json")).unwrap()).unwrap();
    let check = report.checks().find(|check| check.address == "lab1/port/bound").unwrap();
    let settled = check.settled.as_ref().unwrap();
    assert_eq!(
        (settled.points.to_string(), settled.was, settled.by.as_str()),
        ("1.5".to_owned(), Outcome::Fail, "Prof. Díaz")
    );
    let page = std::fs::read_to_string(teacher.path("M/s002/report.html")).unwrap();
    assert!(page.contains("Prof. Díaz: half of it"));
    let output = teacher.labrun().args(["regrade", "M", "--out", "N"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(teacher.outputs("M") == teacher.outputs("N"));
    // What cannot be read is told with its line, before anything is written.
    teacher.put(
        "M/overrides.csv",
        "student,check,points,verdict,reason,by\ns000,lab1/ssh/answers,9,,r,b\ns9,lab1/x,1,,r,b\n",
    );
    let output = teacher.class("M", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = stderr(&output);
    assert!(
        said.contains("overrides.csv:2:23") && said.contains("`lab1/ssh/answers` is worth 0 to 0.5 points"),
        "{said}"
    );
    assert!(said.contains("overrides.csv:3:1") && said.contains("there is no student `s9`"), "{said}");
    assert_eq!(teacher.read("M"), class);
}

#[test]
fn grading_again_gives_the_same_bytes_or_says_what_changed_and_why() {
    let teacher = Teacher::of(6);
    teacher.graded("M", &[]);
    let regrade = |more: &[&str], out: &str| {
        let output = teacher.labrun().args(["regrade", "M", "--out", out]).args(more).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(regrade(&[], "same"), "0 students changed, 6 as before\n");
    assert!(teacher.outputs("M") == teacher.outputs("same"));
    // Another rubric: a check of lab1 is worth more.
    let lab = std::fs::read_to_string(root().join("labs/lab1.yaml")).unwrap();
    let changed = lab.replacen("        points: ", "        points: 1", 1);
    assert_ne!(lab, changed);
    teacher.put("lab1.yaml", &changed);
    std::fs::create_dir(teacher.path("checks")).unwrap();
    let said = regrade(&["--lab", "lab1.yaml"], "new");
    assert!(said.starts_with("s000: 19.5/20 (?0.5) → ") && said.contains("\n    lab1/"), "{said}");
    assert!(said.ends_with("6 students changed, 0 as before\n"), "{said}");
    let output = teacher.labrun().args(["regrade", "M", "--out", "new"]).output().unwrap();
    assert!(
        output.status.code() == Some(2) && stderr(&output).contains("there is a class in it already"),
        "{output:?}"
    );
    let output = teacher.labrun().args(["regrade", "up", "--out", "x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn when_it_was_seen_decides_what_is_late_and_copies_are_shown() {
    let teacher = Teacher::of(3);
    // real-reference was recorded at 19:23 on 2026-11-25.
    let class = teacher.graded("M", &["--due", "2026-11-25T16:00:00-03:00", "--due", "lab2=2026-11-25T20:00:00Z"]);
    let flags = |class: &Class, id: &str| -> Vec<String> {
        let flags = student(class, id).flags.iter().filter(|flag| flag.kind.word() != "other_version");
        flags.map(|flag| flag.why.en.clone()).collect()
    };
    let said = flags(&class, "s000");
    assert!(said.len() == 1 && said[0].starts_with("`lab1` was seen done 23 min after it was due"), "{said:?}");
    let marks = std::fs::read_to_string(teacher.path("M/marks.csv")).unwrap();
    assert!(marks.lines().nth(1).unwrap().contains(",lab1,0,other_version late,"), "{marks}");
    assert_eq!(student(&class, "s000").points.earned.to_string(), "19.5", "late is flagged, and costs nothing");
    // An earlier run of the student's that the course counts dates it back.
    let mut early = evidence("real-reference", "s001");
    let source = labrun::evidence::CreditSource::SelfReported;
    let of_lab1 = class.checks.iter().map(|check| check.address.clone()).filter(|address| address.starts_with("lab1/"));
    early.credit = of_lab1
        .filter(|address| student(&class, "s001").checks[address] == Outcome::Pass)
        .map(|check| labrun::evidence::Credit { check, at: "2026-11-25T10:00:00Z".to_owned(), source })
        .collect();
    seal(&mut early);
    teacher.hand_in(&early, "s001");
    // And s002 hands in the machine of s000.
    let mut copy = evidence("real-reference", "s000");
    (copy.student, copy.nonce) = (Some("s002".to_owned()), "another".to_owned());
    seal(&mut copy);
    teacher.hand_in(&copy, "s002");
    let class = teacher.graded("M2", &["--due", "2026-11-25T16:00:00-03:00"]);
    assert!(flags(&class, "s001").iter().all(|flag| flag.starts_with("`lab2`")), "{:?}", flags(&class, "s001"));
    let pair = ["s000".to_owned(), "s002".to_owned()];
    assert!(
        !class.copies.is_empty() && class.copies.iter().all(|copies| copies.students == pair),
        "{:?}",
        class.copies
    );
    assert!(flags(&class, "s002").iter().any(|flag| flag == "shares with s000: the same PostgreSQL data"));
    assert_eq!(student(&class, "s002").points, student(&class, "s000").points, "nobody is failed for it");
}

/// A class of the second week and one of the sixth, when `ana` and `leo` have taken their work down, and `bea` cannot be seen.
#[test]
fn what_an_earlier_class_saw_is_credited_on_the_word_of_who_saw_it() {
    let teacher = Teacher::new();
    teacher.own_course(&[("self_reported: counts", "self_reported: shown")]);
    for id in ["ana", "bea", "leo"] {
        teacher.hand_in(&evidence("real-reference", id), id);
    }
    teacher.roster("ana,Ana\nbea,Bea\nleo,Leo");
    let then = teacher.graded("then", &[]);
    // As if labrun had looked at the machines of two of them.
    let journal = std::fs::read_to_string(teacher.path("then/journal.jsonl")).unwrap();
    let looked_at = |line: &str| {
        let is_one = ["ana", "bea"].iter().any(|id| line.starts_with(&format!("{{\"looked\":{{\"student\":\"{id}\"")));
        let file = format!("\"evidence\":\"{}/", teacher.path("up").display());
        if is_one { line.replace(&file, "\"vm\":\"ssh://up/") } else { line.to_owned() }
    };
    teacher.put("then/journal.jsonl", &(journal.lines().map(looked_at).collect::<Vec<_>>().join("\n") + "\n"));

    teacher.hand_in(&evidence("real-mistakes", "ana"), "ana");
    teacher.hand_in(&evidence("real-mistakes", "leo"), "leo");
    std::fs::remove_file(teacher.path("up/bea.json")).unwrap();
    let alone = teacher.graded("alone", &[]);
    let now = teacher.graded("now", &["--credit-from", "then"]);
    let report = |out: &str, id: &str| -> Report {
        serde_json::from_slice(&std::fs::read(teacher.path(&format!("{out}/{id}/report.json"))).unwrap()).unwrap()
    };
    let points = |class: &Class, id: &str| student(class, id).points;
    assert!(points(&alone, "ana").lost > Points::ZERO && points(&then, "ana").lost == Points::ZERO);
    assert_eq!(points(&now, "ana"), points(&then, "ana"));
    // Whom nobody can see now was seen then.
    assert_eq!((points(&now, "bea"), points(&alone, "bea").earned), (points(&then, "bea"), Points::ZERO));
    assert!(student(&now, "bea").trouble.is_some());
    // Their own word waits for the teacher, and costs nothing.
    assert_eq!((points(&now, "leo").lost, points(&now, "leo").earned), (Points::ZERO, points(&alone, "leo").earned));
    assert_eq!(points(&now, "leo").deferred, points(&then, "leo").deferred + points(&alone, "leo").lost);
    for (id, source) in [("ana", CreditSource::Grader), ("leo", CreditSource::SelfReported)] {
        let report = report("now", id);
        let credited: Vec<_> = report.checks().filter_map(|check| check.credit.as_ref()).collect();
        assert!(!credited.is_empty() && credited.iter().all(|credit| credit.source == source), "{id}: {credited:?}");
        let seen = evidence("real-reference", id).finished;
        assert!(credited.iter().all(|credit| credit.at == seen));
    }

    // It needs the class of then no more, and passes on what that saw.
    std::fs::rename(teacher.path("then"), teacher.path("gone")).unwrap();
    let again = teacher.labrun().args(["regrade", "now", "--out", "again"]).output().unwrap();
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(teacher.outputs("again"), teacher.outputs("now"));
    let later = teacher.graded("later", &["--credit-from", "now"]);
    assert_eq!(points(&later, "ana"), points(&then, "ana"));

    // What else it refuses.
    let refused = |out: &str, more: &[&str], said: &str| {
        let output = teacher.class(out, more).output().unwrap();
        assert!(output.status.code() == Some(2) && stderr(&output).contains(said), "{more:?}: {}", stderr(&output));
    };
    refused("now", &["--credit-from", "gone"], "other classes are credited");
    refused("new", &["--credit-from", "up"], "there is no class in it");
    teacher.put("gone/leo/evidence.json", "{}");
    refused("new", &["--credit-from", "gone"], "it is not what was recorded");
    teacher.put("now/ana/earlier-1.json", "{}");
    refused("now", &["--credit-from", "then"], "there is no class in it");
    std::fs::rename(teacher.path("gone"), teacher.path("then")).unwrap();
    refused("now", &["--credit-from", "then"], "`ana`: the evidence is missing or is not what was recorded");
}

#[test]
fn the_page_of_a_class_needs_nothing_and_escapes_whatever_a_name_is() {
    let teacher = Teacher::of(2);
    teacher.roster("s000,<script>alert(1)</script>\ns001,\"\"\"><img src=x onerror=y>\u{202e}\"");
    teacher.graded("M", &[]);
    let page = std::fs::read_to_string(teacher.path("M/class.html")).unwrap();
    assert_eq!(page.matches("<script>").count(), 1, "its own");
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<img") && !page.contains('\u{202e}'));
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("style="));
    assert!(page.contains("default-src 'none'"));
    for part in ["s000/report.html", "id=\"map\"", "Posibles copias", "lang=\"es\"", "lang=\"en\""] {
        assert_eq!(page.contains(part), part != "Posibles copias", "{part}");
    }
}

#[test]
fn no_cell_of_a_table_is_a_formula_and_gradebooks_get_what_they_ask_for() {
    let teacher = Teacher::of(1);
    teacher.put("r.csv", "id,name,email,moodle,canvas\ns000,\"=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",@x,-1+1,+7\n");
    teacher.graded("M", &[]);
    for file in ["marks.csv", "marks.moodle.csv", "marks.canvas.csv", "queue.csv"] {
        let mut reader = csv::Reader::from_path(teacher.path("M").join(file)).unwrap();
        for record in reader.records() {
            for cell in record.unwrap().iter() {
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{file}: {cell}");
            }
        }
    }
    let canvas = std::fs::read_to_string(teacher.path("M/marks.canvas.csv")).unwrap();
    let lines: Vec<&str> = canvas.lines().collect();
    assert_eq!(lines[0], "Student,ID,SIS User ID,SIS Login ID,Section,lab1,lab2");
    assert_eq!(lines[1], "    Points Possible,,,,,10,10");
    let moodle = std::fs::read_to_string(teacher.path("M/marks.moodle.csv")).unwrap();
    assert!(
        moodle.starts_with("Email address,ID number,Name,lab1,lab1 feedback,lab2,lab2 feedback,Total\n'@x,'-1+1,"),
        "{moodle}"
    );
}
