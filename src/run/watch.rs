//! `labrun watch`: a machine followed while somebody works on it, until a signal ends that with a last report.

mod changes;
mod screen;
mod view;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::ProgressBar;

use crate::cli::Watch;
use crate::error::{Error, exit_code};
use crate::evidence::Evidence;
use crate::journal::Journal;
use crate::judge::judge_by_the_last;
use crate::memory::{Memory, OfThisRun, OnlyRecalled};
use crate::observe::{Audience, Hearing, Live, Over};
use crate::plan::{Plan, Settings};
use crate::probe::{Consent, Stop};
use crate::render::tame;
use crate::run::check::{Asked, open_journal, prepare};
use crate::run::handed_in;
use crate::run::machine::{at_terminal, open, ssh_options};
use crate::run::signals::Signals;
use crate::run::{Environment, check_folders, check_format, say, write_report};
use crate::student::{File, Student};
use crate::text::Text;
use crate::verdict::Outcome;
use crate::vm::Vm;
use crate::vm::address::Address;
use crate::vm::unreached::Unreached;

use screen::Screen;

/// How often to see whether the student has handed in anything else: on this machine, and on another.
const READ_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3));

/// How long to wait before a machine that is lost is reached anew.
const LOST: Duration = Duration::from_secs(1);

/// `labrun watch`
pub async fn watch(args: Watch, environment: &Environment) -> Result<ExitCode, Error> {
    let mut signals = Signals::heeded();
    let library = environment.labs_to_judge_by(args.report.labs.as_deref())?;
    check_folders([&args.report.output, &None])?;
    check_format(&args.report, environment)?;
    let settings: Settings = args.work.settings.iter().cloned().collect();
    let lang = args.report.lang.unwrap_or(environment.lang);
    let ssh = at_terminal(ssh_options(&args.machine.ssh, environment), &ProgressBar::hidden(), lang);
    let reach = || open(&args.machine.vm, &ssh, environment);
    let mut vm = reach();
    arrive(&*vm, &mut signals).await?;
    let handed_in = HandedIn { args: &args, home: environment.home.as_deref() };
    let mut student = handed_in.read(&*vm).await?;
    let journal = if handed_in.is_here() { open_journal(environment) } else { None };
    let of_this_run = OfThisRun::default();
    let memory = OnlyRecalled(journal.as_ref().map_or(&of_this_run as &dyn Memory, |journal| journal));
    let mut screen = Screen::new(lang, environment.draws, environment.color_stdout);
    let closed = screen.closed();
    // What is said in between is shown at the next occasion.
    let aside = Mutex::new(Vec::new());
    let say_text = |text: &Text| {
        if let Ok(mut aside) = aside.lock() {
            aside.push(tame(text.get(lang), 400));
        }
    };
    let stop = Stop::default();
    let consent = Consent { to: &[], refused: None, stop: &stop, say: &say_text };

    let last = loop {
        let asked = Asked { targets: &args.work.targets, settings: &settings, personal: args.work.personal };
        let known = Student { id: args.work.student.clone().or_else(|| student.id.clone()), ..student.clone() };
        let prepared = prepare(&library, &asked, known)?;
        let mut live = Live::new(&prepared.plans, &prepared.brief, &memory, vm.has_outside());
        let journal = journal.as_ref();
        let mut follower = Follower { plans: &prepared.plans, journal, screen: &mut screen, aside: &aside, last: None };
        let ended = loop {
            let until = async {
                tokio::select! {
                    () = signals.next() => None,
                    () = closed.notified() => None,
                    new = handed_in.changed(&*vm, &student) => Some(new),
                }
            };
            // As long as nobody can see what the student chose, what they did cannot be told from what they should not.
            let blind;
            let looked_at: &dyn Vm = match &student.file {
                File::Unseen(why) => {
                    blind = Unreached { reached: vm.machine().reached, why: why.clone() };
                    &blind
                }
                _ => &*vm,
            };
            match live.watch(looked_at, consent, &mut follower, until).await {
                Over::Stopped(ended) => break ended,
                Over::Lost => {
                    vm.leave().await;
                    vm = reach();
                    tokio::time::sleep(LOST).await;
                    arrive(&*vm, &mut signals).await?;
                }
            }
        };
        match ended {
            Some(new) => student = new,
            None => {
                let Some(mut evidence) = follower.last.take() else { break None };
                evidence.credit = journal.map_or_else(Vec::new, |journal| journal.credit(&prepared.plans));
                // The screen draws nothing of it, so it is asked for now.
                evidence.docker = tokio::select! {
                    there = live.inventory(&*vm) => there,
                    () = signals.next() => return Err(Error::Interrupted),
                };
                break Some(judge_by_the_last(&prepared.plans, &evidence));
            }
        }
    };
    screen.end();
    tokio::select! {
        () = vm.leave() => {}
        () = signals.next() => return Err(Error::Interrupted),
    }
    let report = last.ok_or(Error::Interrupted)?;
    write_report(&report, &args.report, environment)?;
    Ok(exit_code(report.outcome))
}

/// Reaches the machine, as far as that takes something, unless a signal comes first.
async fn arrive(vm: &dyn Vm, signals: &mut Signals) -> Result<(), Error> {
    tokio::select! {
        () = vm.arrive() => Ok(()),
        () = signals.next() => Err(Error::Interrupted),
    }
}

/// Where what the student hands in is found.
struct HandedIn<'a> {
    args: &'a Watch,
    home: Option<&'a str>,
}

impl HandedIn<'_> {
    fn is_here(&self) -> bool {
        self.args.machine.vm == Address::Local
    }

    async fn read(&self, vm: &dyn Vm) -> Result<Student, Error> {
        match &self.args.work.answers {
            None if !self.is_here() => Ok(handed_in::read_on(vm).await),
            answers => handed_in::read(answers.as_deref(), self.home),
        }
    }

    /// Waits until it is something else than `known`.
    async fn changed(&self, vm: &dyn Vm, known: &Student) -> Student {
        loop {
            tokio::time::sleep(if self.is_here() { READ_AGAIN.0 } else { READ_AGAIN.1 }).await;
            // That it cannot be read now, or nothing of the machine can, is no change.
            if let Ok(student) = self.read(vm).await
                && student != *known
                && !matches!(student.file, File::Unseen(_))
            {
                return student;
            }
        }
    }
}

/// Judges what is seen, credits what holds and shows it.
struct Follower<'a> {
    plans: &'a [Plan],
    journal: Option<&'a Journal>,
    screen: &'a mut Screen,
    aside: &'a Mutex<Vec<String>>,
    /// What was seen last.
    last: Option<Evidence>,
}

impl Follower<'_> {
    fn say_aside(&mut self) {
        let said = self.aside.lock().map(|mut aside| std::mem::take(&mut *aside)).unwrap_or_default();
        said.into_iter().for_each(|line| self.screen.say(line));
    }
}

impl Audience for Follower<'_> {
    fn sees(&mut self, evidence: Evidence) -> BTreeMap<String, Outcome> {
        let report = judge_by_the_last(self.plans, &evidence);
        if let Some(journal) = self.journal
            && let Err(error) = journal.note(&report, self.plans)
        {
            say(&format!("labrun: what was seen to hold could not be noted for later runs: {error}"));
            self.journal = None;
        }
        let credit = self.journal.map_or_else(Vec::new, |journal| journal.credit(self.plans));
        let outcomes = report.checks().map(|check| (check.address.clone(), check.outcome)).collect();
        self.say_aside();
        self.screen.sees(report, &evidence.looked, credit.into_iter().map(|credit| credit.check).collect());
        self.last = Some(evidence);
        outcomes
    }

    fn hears(&mut self, hearing: Hearing) {
        self.say_aside();
        self.screen.hears(hearing);
    }
}

#[cfg(test)]
mod testing {
    //! A report for the tests of what is shown.

    use serde_json::json;

    use crate::verdict::{Outcome, Report, Score};

    /// One lab of one step with these checks, each worth a point, and a title that nobody should trust.
    pub fn report(checks: &[(&str, Outcome)]) -> Report {
        let text = |text: &str| json!({"es": text, "en": text});
        let mut points = Score::default();
        checks
            .iter()
            .for_each(|(_, outcome)| points.count(*outcome, crate::points::Points::from_hundredths(100), false));
        let worst = checks.iter().map(|(_, outcome)| *outcome).max().unwrap_or(Outcome::Pass);
        let result = |(id, outcome): &(&str, Outcome)| {
            let fails = *outcome == Outcome::Fail;
            json!({
                "address": format!("lab1/step/{id}"), "claim": text(&format!("claim {id}")), "points": 1.0,
                "bonus": false, "outcome": outcome, "expected": [], "blocked_by": [], "from": "vm", "command": "true",
                "mismatches": if fails { json!([{"fact": "f", "expected": text("running"), "seen": "no"}]) } else { json!([]) },
                "hint": if fails { json!({"id": "h", "say": [text("Start it")]}) } else { json!(null) },
                "took_ms": 1,
            })
        };
        let all: Vec<_> = checks.iter().map(result).collect();
        let report = json!({
            "format": "labrun/report/v1", "labrun": "0", "started": "", "finished": "", "outcome": worst,
            "machine": {"reached": "local", "outside": false, "system": null, "engine": null}, "points": points,
            "labs": [{
                "id": "lab1", "title": text("Title\u{1b}[31m of lab1"), "source": "x", "digest": "x", "outcome": worst,
                "points": points, "steps": [{
                    "address": "lab1/step", "title": text("Step"), "outcome": worst, "points": points, "checks": all,
                }],
            }],
        });
        serde_json::from_value(report).unwrap()
    }
}
