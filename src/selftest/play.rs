//! Plays one world on one machine: does what a student would do, looks, and holds what it sees against what is expected.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::selftest::machine::{Kit, Machine, Maker, printed};
use crate::selftest::result::{Cell, Look, Play, Sort};
use crate::verdict::{CheckResult, Report};
use crate::vm::{End, Output};
use crate::worlds::{Act, Expected, World};

/// How much of a value that was seen is shown.
const MAX_SEEN: usize = 300;

/// One world to be played.
#[derive(Debug, Clone, Copy)]
pub struct Part<'p> {
    /// The world.
    pub world: &'p World,
    /// Shell functions for its scripts.
    pub prelude: &'p str,
    /// The labs to look at.
    pub labs: &'p [String],
    /// The machine to play it on.
    pub sort: &'p Sort,
    /// How that is made.
    pub maker: &'p Maker,
}

/// Plays a world on a machine of its own; what does not say otherwise may take as long as `patience`.
pub async fn play(part: Part<'_>, kit: &Kit, patience: Duration) -> Play {
    let start = Instant::now();
    let mut looks = Vec::new();
    let trouble = match Machine::start(part.maker, kit).await {
        Err(why) => Some(format!("the machine did not come up: {why}")),
        Ok(machine) => {
            let trouble = acts(part, &machine, patience, &mut looks).await.err();
            machine.close().await;
            trouble
        }
    };
    let (world, about, machine) = (part.world.id.clone(), part.world.about.clone(), part.sort.name.clone());
    Play { world, about, machine, skipped: None, took_ms: millis(start), looks, trouble, retried: Vec::new() }
}

async fn acts(part: Part<'_>, machine: &Machine<'_>, patience: Duration, looks: &mut Vec<Look>) -> Result<(), String> {
    let mut script_ms = 0;
    for act in &part.world.acts {
        let patience = act.timeout.unwrap_or(patience);
        let start = Instant::now();
        if !act.script.trim().is_empty() {
            let done = machine.script(&format!("{}\n{}", part.prelude, act.script), patience).await?;
            if done.end != End::Exited(0) {
                return Err(format!("its script {}:\n{}", how(&done, patience), printed(&done)).trim_end().to_owned());
            }
        }
        script_ms += millis(start);
        if let Some(expect) = &act.expect {
            looks.push(look(part.labs, act, expect, machine, patience, script_ms).await?);
            script_ms = 0;
        }
    }
    Ok(())
}

async fn look(
    labs: &[String],
    act: &Act,
    expect: &BTreeMap<String, Expected>,
    machine: &Machine<'_>,
    patience: Duration,
    script_ms: u64,
) -> Result<Look, String> {
    let start = Instant::now();
    let output = machine.check(labs, &act.options, act.user, patience).await?;
    let check_ms = millis(start);
    let Ok(report) = serde_json::from_slice::<Report>(&output.stdout) else {
        return Err(format!("labrun check {} and gave no report:\n{}", how(&output, patience), printed(&output)));
    };
    let cells = report.checks().map(|check| cell(check, expect.get(&check.address))).collect();
    Ok(Look { about: act.about.clone(), script_ms, check_ms, cells })
}

fn cell(check: &CheckResult, expected: Option<&Expected>) -> Cell {
    let advice = check.hint.as_ref().or(check.note.as_ref()).map(|advice| advice.id.clone());
    let got = Expected { outcome: check.outcome, advice };
    let credited = check.credit.is_some();
    let cell = Cell { address: check.address.clone(), expected: expected.cloned(), got, credited, why: Vec::new() };
    if cell.is_sound() {
        return cell;
    }
    let mismatches = check.mismatches.iter().map(|mismatch| {
        let seen: String = mismatch.seen.to_string().chars().take(MAX_SEEN).collect();
        format!("should be: {}; seen: {seen}", mismatch.expected.en)
    });
    let blocked = (!check.blocked_by.is_empty()).then(|| format!("blocked by {}", check.blocked_by.join(", ")));
    let others = [blocked, check.unknown.as_ref().map(|doubt| doubt.why.en.clone())];
    Cell { why: mismatches.chain(others.into_iter().flatten()).collect(), ..cell }
}

fn how(output: &Output, patience: Duration) -> String {
    match output.end {
        End::Exited(code) => format!("ended with exit code {code}"),
        End::Killed(signal) => format!("was killed by signal {signal}"),
        End::TimedOut => format!("was still running after {} s", patience.as_secs()),
        End::NotFound => "could not be started".to_owned(),
    }
}

fn millis(start: Instant) -> u64 {
    start.elapsed().as_millis() as u64
}
