//! Asks what the plans ask, each question once a round, and records the answers. The only file that schedules:
//! deadlines, rounds of polling, concurrency and order live here and nowhere else.

mod identity;
mod live;
mod schedule;
mod survey;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{join, join_all, join3};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{OnceCell, Semaphore};

use crate::course::Course;
use crate::engine::Engine;
use crate::evidence::inventory::Inventory;
use crate::evidence::{
    self, Cause, Evidence, Facts, Machine, Observation, OptIn, Question, RUN, Sample, Seen, Subject, Unobserved,
};
use crate::judge::{Answers, Standing, standing};
use crate::memory::Memory;
use crate::plan::{Ask, Plan, PlannedCheck};
use crate::probe::{Consent, Context, Kind, RoundTrip};
use crate::reference::Scope;
use crate::student::Student;
use crate::vm::Vm;

pub use live::{Audience, Hearing, Live, Over};
pub use survey::survey;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The whole run.
    pub run: Duration,
    /// One probe, whatever it does.
    pub probe: Duration,
    /// A target's silence before it is a fact.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { run: Duration::from_secs(60), probe: Duration::from_secs(15), patience: Duration::from_secs(5) }
    }
}

/// What a run is told beside its plans.
#[derive(Debug, Clone, Default)]
pub struct Brief {
    /// What the student has handed in, as far as it is heeded.
    pub student: Student,
    /// Whether parameters are made of the student's id.
    pub personal: bool,
    /// The course that the labs belong to, if there is one.
    pub course: Option<Course>,
    /// A code of the teacher's that the evidence is to carry.
    pub challenge: Option<String>,
}

/// How far a run is: checks settled, of how many.
pub type Progress<'a> = &'a dyn Fn(usize, usize);

/// Questions under way at once.
const CONCURRENT: usize = 16;

/// How many bytes of evidence one run keeps.
const MAX_KEPT: usize = 16 << 20;

/// Looks at everything the plans ask about. Never fails: what could not be seen is recorded as such.
/// What must not be asked twice is left in `memory`; nothing is done to the machine without `consent`.
pub async fn observe(
    plans: &[Plan],
    vm: &dyn Vm,
    memory: &dyn Memory,
    consent: Consent<'_>,
    limits: Limits,
    brief: &Brief,
    progress: Progress<'_>,
) -> Evidence {
    let started = Timestamp::now();
    let deadline = Instant::now() + limits.run;
    let mut machine = Machine::default();
    let mut docker = None;
    let checks: Vec<&PlannedCheck> = plans.iter().flat_map(Plan::checks).collect();
    let can_ask = |check: &&PlannedCheck| vm.has_outside() || !check.asks_from_outside();
    let is_opt_in = |check: &&PlannedCheck| check.opt_in().is_some();
    let (opt_in, mut pending): (Vec<&PlannedCheck>, _) = checks.iter().copied().filter(can_ask).partition(is_opt_in);
    let opt_in: Vec<_> =
        opt_in.into_iter().filter(|check| check.opt_in().is_some_and(|needed| consent.to.contains(&needed))).collect();
    let total = pending.len() + opt_in.len();
    let nonce = nonce();
    let run = evidence::run_facts(&nonce);
    let places = Semaphore::new(CONCURRENT);
    let clock = Instant::now();
    let looks =
        Looks { vm, memory, brief, consent, limits, clock, run: &run, places: &places, once: RefCell::default() };
    let mut log = Log::new(MAX_KEPT);
    let mut looked: BTreeMap<String, u32> = BTreeMap::new();
    let mut settled = SettledIn::default();
    // What is deferred, or comes last, keeps nobody waiting.
    let others = checks.iter().filter(|check| !can_ask(check) || is_opt_in(check));
    settled.0.extend(others.map(|check| (check.address.as_str(), (0, true))));

    let mut next = 0;
    for round in 0.. {
        next = round + 1;
        let began_ms = looks.clock.elapsed().as_millis() as u64;
        let engine = Engine::new(vm, deadline);
        let asked = looks.round(&engine, round, deadline);
        let everything = join_all(pending.iter().map(|check| asked.look(check)));
        if round == 0 {
            // Beside the looks, so that knowing whose machine it is costs no time of its own.
            let known = vm.machine().identity.unwrap_or_default();
            let known = identity::of(vm, &engine, known, limits.patience);
            let about = join3(known, engine.version(), inventory(&engine, limits.patience));
            let (_, (identity, version, there)) = join(everything, about).await;
            machine = Machine { identity, engine: version.ok(), ..vm.machine() };
            docker = there;
        } else {
            everything.await;
        }
        asked.record(&mut log);
        looked.extend(pending.iter().map(|check| (check.address.clone(), round)));
        let answers = Answers::of(log.observations.values(), &run);
        pending.retain(|check| {
            let standing = standing(check, &answers, round, began_ms);
            let again = match standing {
                Standing::Settled => false,
                Standing::Waiting => !settled.is_in_vain(check),
                Standing::Failing => settled.may_change(check, round),
            };
            if !again {
                settled.0.insert(&check.address, (round, standing == Standing::Settled));
            }
            again
        });
        progress(total - pending.len() - opt_in.len(), total);
        let pause = Duration::from_millis(250).min(deadline.saturating_duration_since(Instant::now()));
        if pending.is_empty() || pause.is_zero() {
            if round > 0 && docker.is_some() {
                // Time that was over for the looks is not for this: what is drawn is what there is in the end.
                let late = Engine::new(vm, Instant::now() + limits.patience);
                docker = inventory(if pause.is_zero() { &late } else { &engine }, limits.patience).await;
            }
            break;
        }
        tokio::time::sleep(pause).await;
    }
    // What does something to the machine is asked once, alone, when nobody looks any more.
    for (round, check) in (next..).zip(&opt_in) {
        if !settled.is_in_vain(check) {
            let began_ms = looks.clock.elapsed().as_millis() as u64;
            let limit = Kind::named(check.ask.probe).map_or(Duration::ZERO, |kind| kind.limit);
            let deadline = Instant::now() + limit;
            let engine = Engine::new(vm, deadline);
            let asked = looks.round(&engine, round, deadline);
            asked.look(check).await;
            asked.record(&mut log);
            looked.insert(check.address.clone(), round);
            let answers = Answers::of(log.observations.values(), &run);
            let good = standing(check, &answers, round, began_ms) == Standing::Settled;
            settled.0.insert(&check.address, (round, good));
        }
        progress(total - opt_in.len() + (round - next) as usize + 1, total);
    }
    let finished = to_the_millisecond(Timestamp::now());
    vm.leave().await;
    let observations = log.observations.into_values().collect();
    let of_this_run = blank(plans, brief, consent.to);
    let started = to_the_millisecond(started);
    Evidence { started, finished, machine, nonce, looked, docker, observations, ..of_this_run }
}

/// What is known of a run before anybody looks.
fn blank(plans: &[Plan], brief: &Brief, allowed: &[OptIn]) -> Evidence {
    Evidence {
        format: evidence::FORMAT.to_owned(),
        labrun: env!("CARGO_PKG_VERSION").to_owned(),
        challenge: brief.challenge.clone(),
        student: brief.student.id.clone(),
        remarks: brief.student.remarks.clone(),
        allowed: allowed.to_vec(),
        personal: brief.personal,
        course: brief.course.as_ref().map(|course| course.facts.clone()),
        labs: plans.iter().map(subject).collect(),
        self_reported_counts: brief.course.as_ref().is_some_and(|course| course.self_reported_counts),
        ..Evidence::default()
    }
}

/// What there is on the machine, if that is had soon.
async fn inventory(engine: &Engine<'_>, patience: Duration) -> Option<Inventory> {
    tokio::time::timeout(patience, engine.inventory()).await.ok()?.ok()
}

/// A mark that no earlier run has left on the machine.
fn nonce() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("every supported system has a source of randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn to_the_millisecond(time: Timestamp) -> String {
    format!("{time:.3}")
}

fn subject(plan: &Plan) -> Subject {
    Subject {
        lab: plan.id.clone(),
        source: plan.source.clone(),
        digest: plan.digest.clone(),
        steps: plan.selected.clone(),
        params: plan.params.clone(),
    }
}

/// The round in which each check was settled, and whether it did not fail, by address.
#[derive(Default)]
struct SettledIn<'p>(BTreeMap<&'p str, (u32, bool)>);

impl SettledIn<'_> {
    /// Whether what `check` needs may yet come to hold, or has only just: in its own round the dependent check may
    /// have been looked at a moment too early.
    fn may_change(&self, check: &PlannedCheck, round: u32) -> bool {
        check.needs.iter().any(|need| match self.0.get(need.as_str()) {
            None => true,
            Some((settled, good)) => *good && *settled > 0 && *settled == round,
        })
    }

    /// Whether `check` is blocked already, so that waiting for it helps nobody.
    fn is_in_vain(&self, check: &PlannedCheck) -> bool {
        check.needs.iter().any(|need| self.0.get(need.as_str()).is_some_and(|(_, good)| !good))
    }
}

/// What all looks of a run have in common.
struct Looks<'a> {
    vm: &'a dyn Vm,
    memory: &'a dyn Memory,
    brief: &'a Brief,
    consent: Consent<'a>,
    limits: Limits,
    clock: Instant,
    run: &'a Facts,
    /// Where questions wait for their turn.
    places: &'a Semaphore,
    /// What was seen by looks that did something to the machine, by question: nothing is done twice.
    once: RefCell<BTreeMap<String, Sample>>,
}

impl Looks<'_> {
    fn round<'r>(&'r self, engine: &'r Engine<'r>, number: u32, deadline: Instant) -> Round<'r> {
        Round { of: self, engine, deadline, number, answers: RefCell::default() }
    }
}

/// One round: every question at most once, all at the same time.
struct Round<'a> {
    of: &'a Looks<'a>,
    engine: &'a Engine<'a>,
    deadline: Instant,
    number: u32,
    answers: RefCell<BTreeMap<String, Rc<Asked>>>,
}

struct Asked {
    question: Question,
    sample: OnceCell<Sample>,
    round_trip: RoundTrip,
}

impl Round<'_> {
    /// Asks what `check` asks: what it leans on first, in order, then its control and itself together.
    async fn look(&self, check: &PlannedCheck) {
        let mut given: BTreeMap<&str, Facts> = BTreeMap::new();
        for (name, ask) in &check.given {
            match self.asked(ask, &given) {
                // What cannot be seen may not matter to what can.
                Some(asked) => match &self.answer(&asked, None).await.seen {
                    Seen::Facts(facts) => drop(given.insert(name, facts.clone())),
                    Seen::Unobserved(_) => {}
                },
                None => return,
            }
        }
        let control = check.control.as_ref().and_then(|(ask, _)| Some((ask, self.asked(ask, &given)?)));
        // How fast the control's target answers says how long to wait for the check's own, seen from the same place.
        let twin = control.as_ref().filter(|(ask, _)| ask.from == check.ask.from);
        let twin = twin.map(|(_, asked)| &asked.round_trip);
        let own = async {
            if let Some(asked) = self.asked(&check.ask, &given) {
                self.answer(&asked, twin.filter(|twin| !std::ptr::eq(*twin, &asked.round_trip))).await;
            }
        };
        let controlled = async {
            if let Some((_, asked)) = &control {
                self.answer(asked, None).await;
            }
        };
        futures_util::join!(controlled, own);
    }

    /// What `check` has asked in this round, as far as it came.
    fn asked_by(&self, check: &PlannedCheck) -> Vec<Rc<Asked>> {
        let mut given: BTreeMap<&str, Facts> = BTreeMap::new();
        let mut all = Vec::new();
        for (name, ask) in &check.given {
            let Some(asked) = self.asked(ask, &given) else { return all };
            if let Some(Sample { seen: Seen::Facts(facts), .. }) = asked.sample.get() {
                given.insert(name, facts.clone());
            }
            all.push(asked);
        }
        let control = check.control.iter().map(|(ask, _)| ask);
        all.extend(control.chain([&check.ask]).filter_map(|ask| self.asked(ask, &given)));
        all
    }

    /// The question of `ask` in this round; none when it refers to what is not there.
    fn asked(&self, ask: &Ask, given: &BTreeMap<&str, Facts>) -> Option<Rc<Asked>> {
        let known = given.iter().map(|(name, facts)| (*name, facts)).chain([(RUN, self.of.run)]);
        let scope = Scope { own: None, given: known.collect(), ..Scope::default() };
        let question = ask.question(&scope).ok()?;
        let key = question.key();
        let new = || Rc::new(Asked { question, sample: OnceCell::new(), round_trip: RoundTrip::new() });
        Some(self.answers.borrow_mut().entry(key).or_insert_with(new).clone())
    }

    /// The answer of this round, looked for at the pace that a control's round trip allows, if there is one.
    async fn answer<'q>(&self, asked: &'q Asked, control: Option<&RoundTrip>) -> &'q Sample {
        asked
            .sample
            .get_or_init(|| async {
                let sample = self.sample(asked, control).await;
                // Whoever still waits for it waits in vain.
                let _ = asked.round_trip.set(None);
                sample
            })
            .await
    }

    async fn sample(&self, asked: &Asked, control: Option<&RoundTrip>) -> Sample {
        let question = &asked.question;
        let place = self.of.places.acquire().await;
        let Looks { vm, memory, brief, consent, limits, .. } = *self.of;
        let start = Instant::now();
        let left = self.deadline.saturating_duration_since(start);
        let cx = Context {
            vm,
            engine: self.engine,
            memory,
            consent,
            from: &question.from,
            student: &brief.student,
            patience: limits.patience,
            deadline: self.deadline,
            control,
            round_trip: &asked.round_trip,
        };
        if Kind::named(&question.probe).is_some_and(|kind| kind.opt_in.is_some()) {
            return self.sample_once(question, &cx).await;
        }
        let looked = tokio::time::timeout(left.min(limits.probe), look(question, &cx)).await;
        drop(place);
        let seen = match looked {
            Ok(Ok(facts)) => unless_broken(vm, start, facts).await,
            Ok(Err(unobserved)) => Seen::Unobserved(unobserved),
            Err(_) if left < limits.probe => Seen::Unobserved(Unobserved::out_of_time()),
            Err(_) => Seen::Unobserved(Unobserved::new(
                Cause::Limit,
                format!("la sonda no terminó en {} s", limits.probe.as_secs()),
                format!("the probe did not end within {} s", limits.probe.as_secs()),
            )),
        };
        self.seen_since(start, seen)
    }

    /// Looks by doing something to the machine, if nobody in this run has yet. Nothing cuts it short from outside: it
    /// keeps its time by itself, and then puts everything back.
    async fn sample_once(&self, question: &Question, cx: &Context<'_>) -> Sample {
        let known = self.of.once.borrow().get(&question.key()).cloned();
        if let Some(known) = known {
            return Sample { round: self.number, took_ms: 0, ..known };
        }
        let start = Instant::now();
        let seen = match look(question, cx).await {
            Ok(facts) => unless_broken(cx.vm, start, facts).await,
            Err(unobserved) => Seen::Unobserved(unobserved),
        };
        let sample = self.seen_since(start, seen);
        self.of.once.borrow_mut().insert(question.key(), sample.clone());
        sample
    }

    fn seen_since(&self, start: Instant, seen: Seen) -> Sample {
        Sample {
            round: self.number,
            until: None,
            at_ms: start.duration_since(self.of.clock).as_millis() as u64,
            took_ms: start.elapsed().as_millis() as u64,
            seen,
        }
    }

    fn record(self, log: &mut Log) {
        for (key, asked) in self.answers.into_inner() {
            let Some(Asked { question, sample, .. }) = Rc::into_inner(asked) else { continue };
            let Some(sample) = sample.into_inner() else { continue };
            log.add(key, question, sample);
        }
    }
}

/// What was seen by a look that began at `start`, if the way to the machine held: a connection that broke looks like a
/// service that hung up.
async fn unless_broken(vm: &dyn Vm, start: Instant, facts: Facts) -> Seen {
    vm.unbroken_since(start).await.map_or_else(Seen::Unobserved, |()| Seen::Facts(facts))
}

/// What was seen so far, by question.
struct Log {
    observations: BTreeMap<String, Observation>,
    /// How many bytes of evidence there is still room for.
    left: usize,
}

impl Log {
    fn new(left: usize) -> Log {
        Log { observations: BTreeMap::new(), left }
    }

    /// Keeps what was seen, in as little room as it takes. Without room, that there was none is what was seen.
    fn add(&mut self, key: String, question: Question, sample: Sample) {
        if !self.observations.contains_key(&key) {
            let command = Kind::named(&question.probe)
                .map(|kind| kind.command(&question.args, &question.from))
                .unwrap_or_default();
            let new = Observation { question, command, samples: Vec::new(), hash: None };
            if !self.takes(&new) {
                // A question that is not there is one that nobody could ask.
                return;
            }
            self.observations.insert(key.clone(), new);
        }
        if self.is_more_of_the_same(&key, &sample) {
            return;
        }
        let sample = if self.takes(&sample) { sample } else { Sample { seen: Seen::Unobserved(no_room()), ..sample } };
        if !self.is_more_of_the_same(&key, &sample) {
            self.observations.entry(key).and_modify(|observation| observation.samples.push(sample));
        }
    }

    /// Whether the latest sample of a question now stands for this one too.
    fn is_more_of_the_same(&mut self, key: &str, sample: &Sample) -> bool {
        let latest = self.observations.get_mut(key).and_then(|observation| observation.samples.last_mut());
        match latest {
            Some(latest) if latest.last_round() + 1 == sample.round && latest.seen == sample.seen => {
                latest.until = Some(sample.round);
                latest.took_ms += sample.took_ms;
                true
            }
            _ => false,
        }
    }

    /// Whether there was room for this.
    fn takes(&mut self, part: &impl Serialize) -> bool {
        let left = self.left.checked_sub(Bytes::of(part));
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

/// Counts what is written into it, as it will stand in the file of evidence: indented by a few levels more.
struct Bytes(usize);

impl Bytes {
    /// How many bytes of evidence something takes.
    fn of(part: &impl Serialize) -> usize {
        let mut written = Bytes(0);
        serde_json::to_writer_pretty(&mut written, part).map_or(usize::MAX, |()| written.0)
    }
}

impl io::Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        const INDENT: usize = 8;
        self.0 += bytes.len() + INDENT * bytes.iter().filter(|byte| **byte == b'\n').count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn no_room() -> Unobserved {
    Unobserved::new(
        Cause::Limit,
        "en esta corrida se vio más de lo que labrun guarda; probá con menos laboratorios a la vez",
        "more was seen in this run than labrun keeps; try fewer labs at a time",
    )
}

/// Puts the question to its kind. A bug in a probe costs its own answer, never the run's.
async fn look(question: &Question, cx: &Context<'_>) -> Result<Facts, Unobserved> {
    let Some(kind) = Kind::named(&question.probe) else {
        let name = &question.probe;
        return Err(Unobserved::new(
            Cause::Unsupported,
            format!("este labrun no conoce la sonda `{name}`"),
            format!("this labrun knows no probe `{name}`"),
        ));
    };
    let observed = AssertUnwindSafe(kind.observe(question.args.clone(), cx)).catch_unwind().await;
    observed.unwrap_or_else(|_| {
        Err(Unobserved::new(
            Cause::Malformed,
            "la sonda se cayó: es un error de labrun, por favor avisá",
            "the probe crashed: this is a bug of labrun, please report it",
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::vantage::Vantage;

    fn question(name: &str) -> Question {
        Question { probe: "container".to_owned(), args: json!({ "name": name }), from: Vantage::Vm }
    }

    fn add(log: &mut Log, name: &str, round: u32, saw: &str) {
        let question = question(name);
        let seen = Seen::Facts(Facts::from_iter([("status".to_owned(), Value::from(saw))]));
        log.add(
            question.key(),
            question,
            Sample { round, until: None, at_ms: 250 * u64::from(round), took_ms: 2, seen },
        );
    }

    fn kept<'l>(log: &'l Log, name: &str) -> &'l [Sample] {
        &log.observations[&question(name).key()].samples
    }

    #[test]
    fn what_stays_the_same_is_kept_once_however_often_it_is_seen() {
        let mut log = Log::new(10_000);
        for round in 0..5000 {
            add(&mut log, "ams", round, "running");
        }
        add(&mut log, "ams", 5000, "exited");
        // Nobody asked in round 5001: what was seen then is not known.
        add(&mut log, "ams", 5002, "exited");
        let rounds: Vec<_> = kept(&log, "ams").iter().map(|sample| (sample.round, sample.last_round())).collect();
        assert_eq!(rounds, [(0, 4999), (5000, 5000), (5002, 5002)]);
        assert_eq!(kept(&log, "ams")[0].took_ms, 10_000);
        let of = &log.observations[&question("ams").key()];
        let at = |round| of.at(round).map(|sample| sample.round);
        assert_eq!(
            [at(0), at(4999), at(5000), at(5001), at(5002), at(5003)].map(|at| at.unwrap_or(9)),
            [0, 0, 5000, 9, 5002, 9]
        );
    }

    #[test]
    fn past_the_room_there_is_a_look_sees_nothing_and_the_rest_stands() {
        let room = 1 << 20;
        let mut log = Log::new(room);
        for round in 0..100 {
            add(&mut log, "web", round, &"x".repeat(100_000 + round as usize));
            add(&mut log, "small", round, "x");
        }
        let observations: Vec<&Observation> = log.observations.values().collect();
        let size = serde_json::to_string_pretty(&json!({ "observations": observations })).unwrap().len();
        assert!(size <= room + 1000, "{size}");
        let web = kept(&log, "web");
        assert_eq!(web.len(), 11);
        assert!(web[..10].iter().all(|sample| matches!(sample.seen, Seen::Facts(_))));
        let Seen::Unobserved(why) = &web[10].seen else { panic!("{web:?}") };
        assert_eq!((why.cause, web[10].round, web[10].last_round()), (Cause::Limit, 10, 99));
        // What is small, or is known already, goes on being seen.
        assert_eq!(kept(&log, "small").len(), 1);
        assert_eq!(kept(&log, "small")[0].last_round(), 99);
    }

    #[test]
    fn a_question_as_long_as_the_room_is_not_kept() {
        let mut log = Log::new(1000);
        add(&mut log, &"x".repeat(1000), 0, "running");
        add(&mut log, "ams", 0, "running");
        assert_eq!(log.observations.len(), 1);
    }
}
