//! Plays every world of every lab in student VMs: the labs' own proof that each check can pass and can fail.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use labrun::library::{Library, read_source};
use labrun::plan::{Settings, plan};
use labrun::verdict::{CheckResult, Outcome, Report};
use labrun::worlds::{self, Expected, World, Worlds};

use crate::student_vm::{StudentVm, engines, text};

/// Worlds of one lab at once; how many VMs there are is up to `StudentVm`.
const JOBS: usize = 3;

#[test]
fn lab1_comes_out_as_its_worlds_say() {
    play("lab1");
}

#[test]
fn lab2_comes_out_as_its_worlds_say() {
    play("lab2");
}

#[test]
fn every_check_fails_in_some_world_and_passes_in_another() {
    for lab in Library::built_in().labs().keys() {
        let worlds = read(lab);
        let mut outcomes: BTreeMap<&str, Vec<Outcome>> = BTreeMap::new();
        for (check, expected) in worlds.worlds.iter().flat_map(|world| &world.expect) {
            outcomes.entry(check).or_default().push(expected.outcome);
        }
        for (check, outcomes) in outcomes {
            for wanted in [Outcome::Pass, Outcome::Fail] {
                assert!(outcomes.contains(&wanted), "no world of {lab} makes {check} {}", wanted.word());
            }
        }
        let untouched = worlds.worlds.iter().find(|world| world.id == "untouched").expect("a world `untouched`");
        assert!(untouched.expect.values().all(|expected| expected.outcome != Outcome::Pass));
        let reference = worlds.worlds.iter().find(|world| world.id == "reference").expect("a world `reference`");
        let fine = [Outcome::Pass, Outcome::Deferred];
        assert!(reference.expect.values().all(|expected| fine.contains(&expected.outcome)));
    }
}

fn read(lab: &str) -> Worlds {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = Library::of_folder(&root.join("labs")).unwrap();
    let plan = plan(library.lab(lab).unwrap(), library.checks(), &Settings::new(), &[]).unwrap();
    worlds::read(&read_source(&root.join(format!("labs/worlds/{lab}.yaml"))).unwrap(), &plan).unwrap()
}

fn play(lab: &str) {
    let engines = engines();
    let worlds = read(lab);
    // For an author at work: the worlds to play, by name.
    #[expect(clippy::disallowed_methods, reason = "tests are told by their environment what they have")]
    let only = std::env::var("LABRUN_ONLY").ok();
    let chosen = |world: &World| only.as_ref().is_none_or(|only| only.split_whitespace().any(|id| id == world.id));
    let all = engines.iter().flat_map(|engine| worlds.worlds.iter().map(move |world| (engine, world)));
    let mut queue: Vec<_> = all.filter(|(_, world)| chosen(world)).collect();
    queue.reverse();
    let queue = Mutex::new(queue);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                loop {
                    let Some((engine, world)) = queue.lock().unwrap().pop() else { break };
                    let more = play_one(lab, engine, world);
                    wrong.lock().unwrap().extend(more);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Plays one world and says what came out otherwise than written.
fn play_one(lab: &str, engine: &str, world: &World) -> Vec<String> {
    let at = format!("{lab} {} (engine {engine})", world.id);
    let vm = StudentVm::start(engine);
    let done = vm.bash(&format!("set -eu -o pipefail\n{}", world.script));
    if !done.status.success() {
        return vec![format!("{at}: the script failed:\n{}{}", text(&done.stdout), text(&done.stderr))];
    }
    let start = std::time::Instant::now();
    let output = vm.bash(&format!("/share/labrun check {lab} --format json --lang en"));
    let took = start.elapsed().as_millis();
    let Ok(report) = serde_json::from_slice::<Report>(&output.stdout) else {
        return vec![format!("{at}: no report: {}{}", text(&output.stdout), text(&output.stderr))];
    };
    let mut wrong = Vec::new();
    let mut row = String::new();
    for check in report.checks() {
        let expected = &world.expect[&check.address[lab.len() + 1..]];
        row += &format!(" {:<20}", outcome_of(check));
        if !matches(check, expected) {
            let wanted = format!("{}{}", expected.outcome.word(), bracketed(expected.advice.as_deref()));
            let seen = serde_json::to_string(&(&check.mismatches, &check.unknown)).unwrap();
            wrong.push(format!("{at}: {} should be {wanted}, is {}: {seen}", check.address, outcome_of(check)));
        }
    }
    println!("{at:<45} {took:>6} ms {row}");
    wrong
}

fn matches(check: &CheckResult, expected: &Expected) -> bool {
    check.outcome == expected.outcome && (expected.advice.is_none() || advice_of(check) == expected.advice.as_deref())
}

fn advice_of(check: &CheckResult) -> Option<&str> {
    check.hint.as_ref().or(check.note.as_ref()).map(|advice| advice.id.as_str())
}

fn outcome_of(check: &CheckResult) -> String {
    format!("{}{}", check.outcome.word(), bracketed(advice_of(check)))
}

fn bracketed(advice: Option<&str>) -> String {
    advice.map(|advice| format!("({advice})")).unwrap_or_default()
}
