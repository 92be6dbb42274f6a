//! A machine that is looked at again and again while somebody works on it. What is kept is evidence like any other, of
//! which each check has its last look; what that comes to, whoever listens tells.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::{LocalBoxFuture, join, join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, Semaphore};

use crate::engine::{Change, Ear, Engine, Heard};
use crate::evidence::inventory::Inventory;
use crate::evidence::{Cause, Evidence, Machine, Observation, Question, Sample, Seen, Unobserved, run_facts};
use crate::memory::Memory;
use crate::observe::schedule::Schedule;
use crate::observe::{
    Brief, Bytes, CONCURRENT, Limits, Looks, MAX_KEPT, blank, identity, inventory, no_room, nonce, to_the_millisecond,
};
use crate::plan::{Plan, PlannedCheck};
use crate::probe::{Consent, Kind, repair};
use crate::vantage::Vantage;
use crate::verdict::Outcome;
use crate::vm::Vm;

/// How long one look may take, all its questions together.
const LOOK: Duration = Duration::from_secs(20);

/// How long to wait before listening to an engine that stopped telling, which may have told as much as is heard of it.
const SILENT: Duration = Duration::from_millis(100);

/// How long to wait before listening to the engine is tried again.
const DEAF: Duration = Duration::from_millis(500);

/// How often it is tried in vain before the machine is to be reached anew: one that is lost, and one that is there and
/// whose engine may have come back in another place.
const TRIES: (u32, u32) = (4, 60);

/// How often to see whether another run of labrun is done with the machine.
const HANDS: Duration = Duration::from_secs(1);

/// Who follows what is seen.
pub trait Audience {
    /// Is told what is known of the machine by now, and tells what each check comes to, by its address.
    fn sees(&mut self, evidence: Evidence) -> BTreeMap<String, Outcome>;

    /// Is told how the machine is heard.
    fn hears(&mut self, hearing: Hearing);
}

/// How the machine is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hearing {
    /// Well: the engine tells of whatever happens.
    Well,
    /// Not at all: the engine does not answer. What is known is from before.
    Not(Unobserved),
    /// Another run of labrun does something to the machine. What is known is from before.
    Hands,
}

/// Why nobody looks any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over<T> {
    /// What was waited for came about.
    Stopped(T),
    /// The way to the machine is lost, and has to be made anew.
    Lost,
}

/// What is known of a machine that is looked at again and again.
pub struct Live<'p> {
    plans: &'p [Plan],
    brief: &'p Brief,
    memory: &'p dyn Memory,
    checks: Vec<&'p PlannedCheck>,
    schedule: Schedule,
    kept: Kept,
    clock: Instant,
    heard: Hearing,
}

/// What the latest looks saw.
struct Kept {
    known: RefCell<Known>,
    /// The number of the next round.
    round: Cell<u32>,
    /// How often what is under way was given up, so that nothing of it is kept.
    given_up: Cell<u32>,
    /// How many rounds stand on networks of the student's.
    in_the_way: Cell<u32>,
    /// Has them leave, since somebody may want to remove such a network.
    leave: Notify,
}

/// Evidence in the making: each check with the round in which it was looked at last, and what was seen in those.
#[derive(Default)]
struct Known {
    machine: Machine,
    nonce: String,
    looked: BTreeMap<String, u32>,
    /// What each check asked in its last look, by the key of the question.
    asked: BTreeMap<String, Vec<String>>,
    observations: BTreeMap<String, Observation>,
    /// How many bytes each sample takes.
    sizes: BTreeMap<(String, u32), usize>,
}

/// A look at a check that is over.
struct Looked {
    at: usize,
    took: Duration,
    /// Whether it saw anything else than the look before.
    is_news: bool,
}

/// Something beside the looks themselves that is over.
enum Chore {
    /// Nothing comes of it.
    Done,
    /// Somebody listens to the engine, or why nobody does and whether the machine itself is lost.
    Listening(Result<Ear, (Unobserved, bool)>),
    /// Whether the machine is in no other run's hands.
    HandsOff(bool),
    /// What tells the machine from others.
    About(Machine),
}

impl<'p> Live<'p> {
    /// Nothing is known yet. Nothing is done to the machine, and what must not be repeated is not done.
    pub fn new(plans: &'p [Plan], brief: &'p Brief, memory: &'p dyn Memory, has_outside: bool) -> Live<'p> {
        let can_ask = |check: &&PlannedCheck| has_outside || !check.asks_from_outside();
        let checks: Vec<&PlannedCheck> = plans.iter().flat_map(Plan::checks).collect();
        let checks: Vec<_> = checks.into_iter().filter(can_ask).filter(|check| check.opt_in().is_none()).collect();
        let known = RefCell::new(Known { nonce: nonce(), ..Known::default() });
        let (round, given_up, in_the_way) = Default::default();
        let kept = Kept { known, round, given_up, in_the_way, leave: Notify::new() };
        let (schedule, clock, heard) = (Schedule::new(&checks), Instant::now(), Hearing::Well);
        Live { plans, brief, memory, checks, schedule, kept, clock, heard }
    }

    /// What there is on the machine now, to be drawn. Nothing, where what is known of it is from before.
    pub async fn inventory(&self, vm: &dyn Vm) -> Option<Inventory> {
        let patience = Limits::default().patience;
        match self.heard {
            Hearing::Well => inventory(&Engine::new(vm, Instant::now() + patience), patience).await,
            Hearing::Not(_) | Hearing::Hands => None,
        }
    }

    /// Looks at `vm` whenever something may have changed, until `stop` comes about.
    pub async fn watch<T>(
        &mut self,
        vm: &dyn Vm,
        consent: Consent<'_>,
        audience: &mut dyn Audience,
        stop: impl Future<Output = T>,
    ) -> Over<T> {
        let Live { plans, brief, memory, checks, schedule, kept, clock, heard } = self;
        let (checks, kept): (&[&PlannedCheck], &Kept) = (checks, kept);
        let places = Semaphore::new(CONCURRENT);
        let (limits, clock) = (Limits::default(), *clock);
        let rounds = Rounds { vm, memory: *memory, brief, consent, limits, clock, places: &places, checks, kept };
        let (tell, mut looked) = unbounded_channel();
        let mut chores: FuturesUnordered<LocalBoxFuture<'_, Chore>> = FuturesUnordered::new();
        let mut stop = std::pin::pin!(stop);
        let mut ear: Option<Ear> = None;
        let mut deaf = 0;
        chores.push(rounds.about().boxed_local());
        chores.push(listen(vm, Duration::ZERO).boxed_local());
        // Nobody looks before the machine is the student's alone.
        let mut hands = true;
        chores.push(hands_off(vm, consent, Duration::ZERO).boxed_local());
        kept.known.borrow_mut().machine = vm.machine();
        // Nothing of an earlier watch is under way any more.
        kept.give_up();
        kept.in_the_way.set(0);
        schedule.begin_anew(clock.elapsed());
        loop {
            let now = clock.elapsed();
            // Before anybody listens, what happens meanwhile would be missed.
            let ready = !hands && (ear.is_some() || deaf > 0);
            if ready {
                let due = schedule.take(now);
                let (marked, others): (Vec<usize>, Vec<usize>) =
                    due.into_iter().partition(|at| checks[*at].leaves_a_mark());
                let (apart, others): (Vec<usize>, _) = others.into_iter().partition(|at| is_in_the_way(checks[*at]));
                for (together, is_marked) in [(others, false), (apart, false), (marked, true)] {
                    if !together.is_empty() {
                        chores.push(rounds.look(together, is_marked, tell.clone()).boxed_local());
                    }
                }
            }
            let next = schedule.next().filter(|_| ready).map_or(Duration::from_secs(3600), |next| next.max(now) - now);
            tokio::select! {
                stopped = &mut stop => return Over::Stopped(stopped),
                Some(chore) = chores.next() => match chore {
                    Chore::Done => {}
                    Chore::About(machine) => kept.known.borrow_mut().machine = machine,
                    Chore::HandsOff(true) => {
                        hands = false;
                        schedule.anything_happened(clock.elapsed());
                        if *heard == Hearing::Hands {
                            *heard = Hearing::Well;
                            audience.hears(heard.clone());
                        }
                    }
                    Chore::HandsOff(false) => {
                        if *heard != Hearing::Hands {
                            *heard = Hearing::Hands;
                            audience.hears(heard.clone());
                        }
                        chores.push(hands_off(vm, consent, HANDS).boxed_local());
                    }
                    Chore::Listening(Ok(new)) => {
                        (ear, deaf) = (Some(new), 0);
                        schedule.anything_happened(clock.elapsed());
                        if matches!(heard, Hearing::Not(_)) {
                            chores.push(vm.step_back().map(|()| Chore::Done).boxed_local());
                            chores.push(rounds.about().boxed_local());
                            *heard = Hearing::Well;
                            audience.hears(heard.clone());
                        }
                    }
                    Chore::Listening(Err((why, is_lost))) => {
                        deaf += 1;
                        if !matches!(heard, Hearing::Not(_)) {
                            *heard = Hearing::Not(why);
                            audience.hears(heard.clone());
                        }
                        if deaf >= (if is_lost { TRIES.0 } else { TRIES.1 }) {
                            return Over::Lost;
                        }
                        chores.push(listen(vm, DEAF).boxed_local());
                    }
                },
                told = hear(&mut ear) => {
                    let Some(first) = told else {
                        ear = None;
                        chores.push(listen(vm, SILENT).boxed_local());
                        continue;
                    };
                    let more: Vec<Heard> = ear.iter_mut().flat_map(Ear::by_now).collect();
                    for one in [first].into_iter().chain(more) {
                        match one {
                            Heard::Change(change) => {
                                schedule.happened(change, clock.elapsed());
                                if matches!(change, Change::Containers | Change::Networks) {
                                    kept.leave.notify_waiters();
                                }
                            }
                            Heard::Hands if hands => {}
                            Heard::Hands => {
                                hands = true;
                                kept.give_up();
                                chores.push(hands_off(vm, consent, Duration::ZERO).boxed_local());
                            }
                        }
                    }
                }
                Some(first) = looked.recv() => {
                    let all = [first].into_iter().chain(by_now(&mut looked)).collect::<Vec<_>>();
                    if all.iter().any(|one| one.is_news) {
                        let outcomes = audience.sees(kept.evidence(plans, brief, consent));
                        schedule.judged(|at| outcomes.get(&checks[at].address).copied(), clock.elapsed());
                    }
                    for one in all {
                        schedule.looked(one.at, clock.elapsed(), one.took);
                    }
                }
                () = tokio::time::sleep(next) => {}
            }
        }
    }
}

/// Whether whoever looks stands on a network of the student's for that.
fn is_in_the_way(check: &PlannedCheck) -> bool {
    check.asks().any(|ask| matches!(ask.from, Vantage::Network(_)))
}

/// What is told of next; nothing, as long as nobody listens.
async fn hear(ear: &mut Option<Ear>) -> Option<Heard> {
    match ear {
        Some(ear) => ear.next().await,
        None => std::future::pending().await,
    }
}

fn by_now(looked: &mut UnboundedReceiver<Looked>) -> impl Iterator<Item = Looked> {
    std::iter::from_fn(|| looked.try_recv().ok())
}

async fn listen(vm: &dyn Vm, after: Duration) -> Chore {
    tokio::time::sleep(after).await;
    let start = Instant::now();
    Chore::Listening(match Ear::at(vm).await {
        Ok(ear) => Ok(ear),
        Err(why) => {
            let is_lost = why.cause == Cause::Path || vm.unbroken_since(start).await.is_err();
            Err((why, is_lost))
        }
    })
}

/// Whether no other run of labrun has anything of the machine in hand; what one that was killed has left is put back.
async fn hands_off(vm: &dyn Vm, consent: Consent<'_>, after: Duration) -> Chore {
    tokio::time::sleep(after).await;
    Chore::HandsOff(repair(vm, consent.say).await.is_ok())
}

/// What all rounds have in common.
struct Rounds<'a> {
    vm: &'a dyn Vm,
    memory: &'a dyn Memory,
    brief: &'a Brief,
    consent: Consent<'a>,
    limits: Limits,
    clock: Instant,
    places: &'a Semaphore,
    checks: &'a [&'a PlannedCheck],
    kept: &'a Kept,
}

impl Rounds<'_> {
    /// What tells the machine from others.
    async fn about(&self) -> Chore {
        let engine = Engine::new(self.vm, Instant::now() + LOOK);
        let known = self.vm.machine().identity.unwrap_or_default();
        let identity = identity::of(self.vm, &engine, known, self.limits.patience);
        let (identity, version) = join(identity, engine.version()).await;
        Chore::About(Machine { identity, engine: version.ok(), ..self.vm.machine() })
    }

    /// Looks at some checks, with one look at the engine. Each is told of as soon as it is over; of those that leave
    /// a mark, which is one and new, all are told of when the last one is over.
    async fn look(&self, which: Vec<usize>, is_marked: bool, tell: UnboundedSender<Looked>) -> Chore {
        let Rounds { vm, memory, brief, consent, limits, clock, places, checks, kept } = *self;
        let number = kept.round.replace(kept.round.get() + 1);
        let given_up = kept.given_up.get();
        let nonce = if is_marked { nonce() } else { kept.known.borrow().nonce.clone() };
        let run = run_facts(&nonce);
        let looks = Looks { vm, memory, brief, consent, limits, clock, run: &run, places, once: RefCell::default() };
        let deadline = Instant::now() + LOOK;
        let engine = Engine::new(vm, deadline);
        let round = looks.round(&engine, number, deadline);
        let is_in_the_way = which.iter().any(|at| is_in_the_way(checks[*at]));
        kept.in_the_way.set(kept.in_the_way.get() + u32::from(is_in_the_way));
        let keep = |at: usize, took: Duration| {
            let seen = round.asked_by(checks[at]);
            let seen = seen.iter().filter_map(|asked| Some((&asked.question, asked.sample.get()?)));
            let is_news = given_up == kept.given_up.get() && kept.known.borrow_mut().keep(checks[at], number, seen);
            let _ = tell.send(Looked { at, took, is_news });
        };
        let all = which.iter().map(|at| async {
            let start = Instant::now();
            round.look(checks[*at]).await;
            let took = start.elapsed();
            if !is_marked {
                keep(*at, took);
            }
            (*at, took)
        });
        let looking = join_all(all);
        if is_marked {
            let all = looking.await;
            kept.known.borrow_mut().nonce = nonce;
            all.into_iter().for_each(|(at, took)| keep(at, took));
        } else if is_in_the_way {
            tokio::select! {
                _ = looking => {}
                // Whatever happened, they are looked at again for that.
                () = kept.leave.notified() => for at in &which {
                    let _ = tell.send(Looked { at: *at, took: Duration::ZERO, is_news: false });
                },
            }
        } else {
            looking.await;
        }
        kept.in_the_way.set(kept.in_the_way.get() - u32::from(is_in_the_way));
        if is_in_the_way && kept.in_the_way.get() == 0 {
            vm.step_back().await;
        }
        Chore::Done
    }
}

impl Kept {
    /// Nothing of what is under way is kept.
    fn give_up(&self) {
        self.given_up.set(self.given_up.get() + 1);
    }

    /// What is known by now.
    fn evidence(&self, plans: &[Plan], brief: &Brief, consent: Consent<'_>) -> Evidence {
        let known = self.known.borrow();
        let now = to_the_millisecond(Timestamp::now());
        Evidence {
            started: now.clone(),
            finished: now,
            machine: known.machine.clone(),
            nonce: known.nonce.clone(),
            looked: known.looked.clone(),
            observations: known.observations.values().cloned().collect(),
            ..blank(plans, brief, consent.to)
        }
    }
}

impl Known {
    /// Keeps what a look at `check` saw in the place of what the one before saw. Tells whether that is anything new.
    fn keep<'s>(
        &mut self,
        check: &PlannedCheck,
        round: u32,
        seen: impl Iterator<Item = (&'s Question, &'s Sample)>,
    ) -> bool {
        let before = self.looked.insert(check.address.clone(), round);
        let mut asked = Vec::new();
        let mut is_news = false;
        for (question, sample) in seen {
            let key = question.key();
            let seen = self.put(&key, question, sample, round);
            let same = before.and_then(|before| self.observations[&key].at(before)).is_some_and(|old| old.seen == seen);
            is_news |= !same;
            asked.push(key);
        }
        let asked_before = self.asked.insert(check.address.clone(), asked.clone());
        self.forget();
        is_news || asked_before.is_none_or(|before| before != asked)
    }

    /// Keeps one sample, if there is room and no check of the same round has left it, and gives what is kept of it.
    fn put(&mut self, key: &str, question: &Question, sample: &Sample, round: u32) -> Seen {
        let observation = self.observations.entry(key.to_owned()).or_insert_with(|| Observation {
            command: Kind::named(&question.probe)
                .map(|kind| kind.command(&question.args, &question.from))
                .unwrap_or_default(),
            question: question.clone(),
            samples: Vec::new(),
            hash: None,
        });
        if let Some(known) = observation.at(round) {
            return known.seen.clone();
        }
        let size = Bytes::of(sample);
        let has_room = self.sizes.values().sum::<usize>() + size <= MAX_KEPT;
        let seen = if has_room { sample.seen.clone() } else { Seen::Unobserved(no_room()) };
        self.sizes.insert((key.to_owned(), round), if has_room { size } else { 0 });
        // A round that began earlier may end later.
        let at = observation.samples.partition_point(|other| other.round < round);
        observation.samples.insert(at, Sample { round, until: None, seen: seen.clone(), ..sample.clone() });
        seen
    }

    /// Forgets the rounds that no check rests on any more.
    fn forget(&mut self) {
        let rounds: BTreeSet<u32> = self.looked.values().copied().collect();
        self.observations.retain(|_, observation| {
            observation.samples.retain(|sample| rounds.contains(&sample.round));
            !observation.samples.is_empty()
        });
        self.sizes.retain(|(_, round), _| rounds.contains(round));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::Facts;
    use crate::judge::judge_by_the_last;
    use crate::plan::{Settings, plan};
    use crate::source::Source;

    const LAB: &str = r#"{labrun: lab/v1, id: l, title: {es: x, en: x}, steps: [{id: s, title: {es: x, en: x}, checks: [
        {id: a, points: 1, claim: {es: x, en: x}, probe: {container: {name: ams}}, expect: {status: running},
         hints: [{id: h, say: [{es: x, en: x}]}]},
        {id: b, points: 1, claim: {es: x, en: x}, probe: {container: {name: ams}}, expect: {status: exited},
         hints: [{id: h, say: [{es: x, en: x}]}]}]}]}"#;

    fn lab() -> Vec<Plan> {
        vec![plan(&Source::new("l.yaml", LAB), &BTreeMap::new(), &Settings::new(), &[]).unwrap()]
    }

    fn question(name: &str) -> Question {
        Question { probe: "container".to_owned(), args: json!({ "name": name }), from: Vantage::Vm }
    }

    fn saw(seen: Seen) -> Sample {
        Sample { round: 0, until: None, at_ms: 0, took_ms: 1, seen }
    }

    fn status(status: &str) -> Sample {
        saw(Seen::Facts(Facts::from_iter([("status".to_owned(), status.into())])))
    }

    fn outcomes(plans: &[Plan], known: Known) -> Vec<Outcome> {
        let kept = Kept {
            known: RefCell::new(known),
            round: Cell::default(),
            given_up: Cell::default(),
            in_the_way: Cell::default(),
            leave: Notify::new(),
        };
        let evidence = kept.evidence(plans, &Brief::default(), Consent::none());
        judge_by_the_last(plans, &evidence).checks().map(|check| check.outcome).collect()
    }

    #[test]
    fn each_check_is_judged_by_its_own_last_look_and_no_other() {
        let plans = lab();
        let [a, b] = plans[0].checks().collect::<Vec<_>>()[..] else { panic!() };
        let (ams, mut known) = (question("ams"), Known::default());
        assert!(known.keep(a, 0, [(&ams, &status("running"))].into_iter()));
        assert!(known.keep(b, 0, [(&ams, &status("running"))].into_iter()));
        // Somebody looked again for the sake of the one, and what the other saw stands until it is looked at.
        assert!(known.keep(a, 1, [(&ams, &status("exited"))].into_iter()));
        assert_eq!(known.observations[&ams.key()].samples.len(), 2);
        assert!(known.keep(b, 2, [(&ams, &status("exited"))].into_iter()));
        // That it held before is of no use to it now.
        assert_eq!(outcomes(&plans, known), [Outcome::Fail, Outcome::Pass]);
    }

    #[test]
    fn what_is_seen_again_is_no_news_and_what_nobody_rests_on_is_forgotten() {
        let plans = lab();
        let a = plans[0].checks().next().unwrap();
        let (ams, mut known) = (question("ams"), Known::default());
        for round in 0..100 {
            assert_eq!(known.keep(a, round, [(&ams, &status("running"))].into_iter()), round == 0);
        }
        assert_eq!((known.observations[&ams.key()].samples.len(), known.sizes.len()), (1, 1));
        // It asks something else, or nothing any more.
        assert!(known.keep(a, 100, [(&question("other"), &status("running"))].into_iter()));
        assert!(known.keep(a, 101, std::iter::empty()));
        assert_eq!((known.observations.len(), known.sizes.len()), (0, 0));
    }

    #[test]
    fn there_is_room_for_so_much_and_a_look_past_it_sees_nothing() {
        let plans = lab();
        let [a, b] = plans[0].checks().collect::<Vec<_>>()[..] else { panic!() };
        let (ams, other, mut known) = (question("ams"), question("other"), Known::default());
        let huge = status(&"x".repeat(MAX_KEPT - 1000));
        known.keep(a, 0, [(&ams, &huge)].into_iter());
        known.keep(b, 0, [(&ams, &huge), (&other, &status(&"x".repeat(2000)))].into_iter());
        assert_eq!(known.observations[&ams.key()].samples[0].seen, huge.seen);
        assert!(matches!(known.observations[&other.key()].samples[0].seen, Seen::Unobserved(_)));
    }

    #[test]
    fn what_is_left_to_another_run_is_deferred_to_it() {
        let plans = lab();
        let [a, b] = plans[0].checks().collect::<Vec<_>>()[..] else { panic!() };
        let (ams, mut known) = (question("ams"), Known::default());
        let left = saw(Seen::Unobserved(Unobserved::new(Cause::LeftOut, "x", "x")));
        known.keep(a, 0, [(&ams, &left)].into_iter());
        known.keep(b, 1, [(&ams, &saw(Seen::Unobserved(Unobserved::new(Cause::Engine, "x", "x"))))].into_iter());
        assert_eq!(outcomes(&plans, known), [Outcome::Deferred, Outcome::Unknown]);
    }
}
