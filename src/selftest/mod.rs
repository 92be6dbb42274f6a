//! Tests labs by their worlds: plays every world on disposable machines and puts together what came out. Prints
//! nothing and reads no files of the labs; what a machine is, docs/selftest.md says.

pub mod machine;
pub mod matrix;
mod outside;
mod play;
pub mod result;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;

use crate::plan::Plan;
use crate::selftest::machine::{Kit, Machine, Maker};
use crate::selftest::play::{Part, play};
use crate::selftest::result::{FORMAT, Play, Selftest, Sort, Tested};
use crate::worlds::{Engines, World, Worlds};

/// The worlds of one file, and the labs they are about.
#[derive(Debug)]
pub struct Subject {
    /// The name of the file: mostly that of a lab.
    pub name: String,
    /// The labs.
    pub plans: Vec<Plan>,
    /// The worlds.
    pub worlds: Worlds,
}

/// How to go about it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many machines there are at once.
    pub jobs: usize,
    /// How long a script may take, and a look, where the world does not say otherwise.
    pub patience: Duration,
    /// How often a world is played again whose play is undetermined.
    pub retries: usize,
    /// The worlds to play, by name; all when there are none.
    pub only: Vec<String>,
}

/// Starts a machine of each sort to see whether it is one, and asks for its engine's version.
pub async fn acquaint(makers: &[Maker], kit: &Kit) -> Result<Vec<Sort>, String> {
    let mut sorts: Vec<Sort> = Vec::new();
    for maker in makers {
        let failed = |why| format!("`{}` makes no machine to play on: {why}", maker.written);
        let machine = Machine::start(maker, kit).await.map_err(failed)?;
        let engine = machine.engine().await;
        machine.close().await;
        let engine = engine.map_err(failed)?;
        let short = engine.split('.').take(2).collect::<Vec<_>>().join(".");
        let twins = sorts.iter().filter(|sort| sort.name.split('#').next() == Some(&short)).count();
        let name = if twins == 0 { short } else { format!("{short}#{}", twins + 1) };
        sorts.push(Sort { name, engine, made_by: maker.written.clone() });
    }
    Ok(sorts)
}

/// Plays the worlds; tells `progress` of each play as it ends, with how many there will be.
pub async fn selftest(
    subjects: &[Subject],
    (makers, sorts): (&[Maker], Vec<Sort>),
    kit: &Kit,
    limits: &Limits,
    progress: &dyn Fn(&str, &Play, usize),
) -> Selftest {
    let start = Instant::now();
    let chosen = |world: &World| limits.only.is_empty() || limits.only.contains(&world.id);
    let mut places = Vec::new();
    for (subject_at, subject) in subjects.iter().enumerate() {
        for world in subject.worlds.worlds.iter().filter(|world| chosen(world)) {
            let on = |(sort, maker)| (subject_at, world, sort, maker);
            places.extend(sorts.iter().zip(makers).map(on));
        }
    }
    let all = places.len();
    let mut order: Vec<usize> = (0..all).collect();
    // A long one begun last would be waited for alone.
    order.sort_by_key(|place| std::cmp::Reverse(places[*place].1.acts.len()));
    let plays = order.into_iter().map(|at| {
        let (subject, world, sort, maker) = places[at];
        let Subject { name, worlds, .. } = &subjects[subject];
        async move {
            let played = match &world.engines {
                Some(engines) if !engines.only.contains(&major(sort)) => skipped(world, sort, engines),
                _ => {
                    let part = Part { world, prelude: &worlds.prelude, labs: &worlds.labs, sort, maker };
                    determined(part, kit, limits).await
                }
            };
            progress(name, &played, all);
            (at, played)
        }
    });
    let mut played: Vec<(usize, Play)> = stream::iter(plays).buffer_unordered(limits.jobs).collect().await;
    played.sort_by_key(|(at, _)| *at);
    let mut files: Vec<Vec<Play>> = subjects.iter().map(|_| Vec::new()).collect();
    for (at, play) in played {
        files[places[at].0].push(play);
    }
    let files = subjects.iter().zip(files).map(|(subject, plays)| tested(subject, plays, limits.only.is_empty()));
    let files: Vec<Tested> = files.collect();
    Selftest {
        format: FORMAT.to_owned(),
        labrun: env!("CARGO_PKG_VERSION").to_owned(),
        sound: files.iter().all(Tested::is_sound),
        jobs: limits.jobs,
        took_ms: start.elapsed().as_millis() as u64,
        machines: sorts,
        files,
    }
}

/// Plays a world, and again as often as it may be where the play before was undetermined.
async fn determined(part: Part<'_>, kit: &Kit, limits: &Limits) -> Play {
    let mut retried = Vec::new();
    let mut played = play(part, kit, limits.patience).await;
    while retried.len() < limits.retries && played.is_undetermined() {
        retried.push(played);
        played = play(part, kit, limits.patience).await;
    }
    Play { retried, ..played }
}

fn major(sort: &Sort) -> u32 {
    sort.engine.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default()
}

fn skipped(world: &World, sort: &Sort, engines: &Engines) -> Play {
    Play {
        world: world.id.clone(),
        about: world.about.clone(),
        machine: sort.name.clone(),
        skipped: Some(engines.because.clone()),
        took_ms: 0,
        looks: Vec::new(),
        trouble: None,
        retried: Vec::new(),
    }
}

fn tested(subject: &Subject, plays: Vec<Play>, whole: bool) -> Tested {
    let checks = subject.plans.iter().flat_map(Plan::checks);
    let advice = checks.map(|check| {
        let all = check.hints.iter().chain(&check.notes).map(|advice| advice.id.clone());
        (check.address.clone(), all.collect())
    });
    let advice: Vec<_> = advice.collect();
    Tested::new(subject.name.clone(), subject.worlds.labs.clone(), &advice, whole, plays)
}
