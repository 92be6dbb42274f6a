//! When to look again at which checks, while somebody works on the machine. Pure: it is told what happened and what time
//! it is, and knows neither a machine nor a clock. All times are counted from the beginning of the watch.
//!
//! A check is looked at soon after whatever may have changed what it sees; while it does not hold, again and again with
//! growing pauses; and in any case now and then, since not everything that moves is told of.

use std::time::Duration;

use crate::engine::Change;
use crate::plan::PlannedCheck;
use crate::probe::{Again, Kind};
use crate::vantage::Vantage;
use crate::verdict::Outcome;

/// How long what was told of waits for what comes with it: one command makes several events.
const GATHER: Duration = Duration::from_millis(20);

/// How long a check that stands on a network of the student's waits for things to calm down: after the last thing that
/// was told of, and at the most. While somebody stands on a network, nobody can remove it.
const CALM: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// How long a check is left alone after a look, whatever happens: as long as that took, but at the least and at the most
/// so long. A look may take long only because the engine is busy with what is about to happen.
const REST: (Duration, Duration) = (Duration::from_millis(80), Duration::from_millis(120));

/// The most for a check whose looks are dear.
const LONG_REST: Duration = Duration::from_secs(1);

/// When a check that does not hold is first looked at again; each time after that in twice as long.
const SOON: Duration = Duration::from_millis(500);

/// What part of the time looks may take where nothing happened.
const SHARE: u32 = 5;

/// Looks that are due so soon are made together: they share what the engine says.
const TOGETHER: Duration = Duration::from_millis(400);

/// How long what is seen may go without a look.
fn period(again: Again) -> Duration {
    Duration::from_secs(match again {
        Again::Often => 2,
        Again::Seldom => 10,
        Again::Rarely => 30,
    })
}

/// What is known of when each check is to be looked at.
#[derive(Debug, Default)]
pub struct Schedule {
    checks: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    moved_by: Vec<Change>,
    /// How long it may go without a look.
    period: Duration,
    /// Whether it stands on a network of the student's.
    is_in_the_way: bool,
    /// The checks it needs.
    needs: Vec<usize>,
    /// Whether it is only ever looked at together with others of its kind.
    leaves_a_mark: bool,
    /// When it is to be looked at next.
    due: Duration,
    /// Until when it is left alone, whatever happens.
    rests: Duration,
    /// When the first thing happened that no look has followed yet.
    since: Option<Duration>,
    /// Whether somebody looks at it now.
    under_way: bool,
    /// Whether something happened since that look began.
    again: bool,
    /// How often it was looked at since something happened.
    tries: u32,
    outcome: Option<Outcome>,
}

impl Watched {
    fn of(check: &PlannedCheck, all: &[&PlannedCheck]) -> Watched {
        let kinds = || check.asks().filter_map(|ask| Kind::named(ask.probe));
        let is_in_the_way = check.asks().any(|ask| matches!(ask.from, Vantage::Network(_)));
        let is_dear = check.leaves_a_mark() || kinds().any(|kind| kind.again == Again::Rarely);
        // The quickest of what it asks sets the pace; but if one of it is dear, so is every look.
        let quickest = kinds().map(|kind| kind.again).min().unwrap_or(Again::Seldom);
        // Where a look is made from is the engine's business, whatever is asked there.
        let stands = check.asks().any(|ask| matches!(ask.from, Vantage::Container(_) | Vantage::Network(_)));
        let everything = Change::ALL.iter().filter(|_| stands);
        let mut moved_by: Vec<Change> = kinds().flat_map(|kind| kind.moved_by).chain(everything).copied().collect();
        moved_by.sort_unstable();
        moved_by.dedup();
        let needs = all.iter().enumerate().filter(|(_, other)| check.needs.contains(&other.address));
        Watched {
            moved_by,
            period: match is_in_the_way {
                true => 2 * period(Again::Rarely),
                false => period(if is_dear { Again::Rarely } else { quickest }),
            },
            is_in_the_way,
            needs: needs.map(|(at, _)| at).collect(),
            leaves_a_mark: check.leaves_a_mark(),
            due: Duration::ZERO,
            rests: Duration::ZERO,
            since: None,
            under_way: false,
            again: false,
            tries: 0,
            outcome: None,
        }
    }

    /// Whether another look may show that it holds after all: not where it waits for another check.
    fn may_come_to_hold(&self) -> bool {
        matches!(self.outcome, None | Some(Outcome::Fail | Outcome::Unknown))
    }

    /// Has it looked at soon, since something happened.
    fn hasten(&mut self, now: Duration) {
        self.tries = 0;
        let since = *self.since.get_or_insert(now);
        if self.under_way {
            self.again = true;
        } else if self.is_in_the_way {
            self.due = (now + CALM.0).min(since + CALM.1).max(self.rests);
        } else {
            self.due = self.due.min((now + GATHER).max(self.rests));
        }
    }
}

impl Schedule {
    /// All of `checks` are to be looked at.
    pub fn new(checks: &[&PlannedCheck]) -> Schedule {
        Schedule { checks: checks.iter().map(|check| Watched::of(check, checks)).collect() }
    }

    /// Nobody looks at anything any more, and anything may have happened.
    pub fn begin_anew(&mut self, now: Duration) {
        self.checks.iter_mut().for_each(|check| (check.under_way, check.again) = (false, false));
        self.anything_happened(now);
    }

    /// Something happened.
    pub fn happened(&mut self, change: Change, now: Duration) {
        for check in self.checks.iter_mut().filter(|check| check.moved_by.contains(&change)) {
            check.hasten(now);
        }
    }

    /// Anything may have happened, and nobody waits for what comes with it.
    pub fn anything_happened(&mut self, now: Duration) {
        for check in &mut self.checks {
            check.hasten(now);
            check.due = check.due.min(now);
        }
    }

    /// The checks that are to be looked at now, together; from now on somebody does.
    pub fn take(&mut self, now: Duration) -> Vec<usize> {
        let is_due = |check: &Watched, by: Duration| !check.under_way && check.due <= by;
        if !self.checks.iter().any(|check| is_due(check, now)) {
            return Vec::new();
        }
        // The mark of a run is one: those that leave it are looked at together, or not yet.
        let marked = || self.checks.iter().filter(|check| check.leaves_a_mark);
        let marks = marked().any(|check| is_due(check, now)) && !marked().any(|check| check.under_way);
        let mut taken = Vec::new();
        for (at, check) in self.checks.iter_mut().enumerate() {
            let wanted = if check.leaves_a_mark { marks } else { is_due(check, now + TOGETHER) };
            if wanted {
                (check.under_way, check.again, check.since) = (true, false, None);
                taken.push(at);
            }
        }
        taken
    }

    /// The look at check `at` is over, and took so long.
    pub fn looked(&mut self, at: usize, now: Duration, took: Duration) {
        let check = &mut self.checks[at];
        check.under_way = false;
        let is_dear = check.period > period(Again::Seldom);
        check.rests = now + took.clamp(REST.0, if is_dear { LONG_REST } else { REST.1 });
        if std::mem::take(&mut check.again) {
            check.due = if check.is_in_the_way { now + CALM.0 } else { check.rests };
            return;
        }
        let soon = if check.is_in_the_way { CALM.0 } else { SOON };
        let soon = if check.may_come_to_hold() { soon * 2_u32.pow(check.tries.min(10)) } else { check.period };
        check.tries += 1;
        check.due = now + soon.min(check.period).max(took * (SHARE - 1));
    }

    /// What each check comes to by now. One that waited for another that holds now may hold as well.
    pub fn judged(&mut self, outcome: impl Fn(usize) -> Option<Outcome>, now: Duration) {
        let before: Vec<bool> = self.checks.iter().map(|check| check.outcome == Some(Outcome::Pass)).collect();
        for (at, check) in self.checks.iter_mut().enumerate() {
            check.outcome = outcome(at);
        }
        let holds: Vec<bool> = self.checks.iter().map(|check| check.outcome == Some(Outcome::Pass)).collect();
        for (at, check) in self.checks.iter_mut().enumerate() {
            if !holds[at] && check.needs.iter().any(|need| holds[*need] && !before[*need]) {
                check.hasten(now);
            }
        }
    }

    /// When something is to be looked at next, if nothing happens.
    pub fn next(&self) -> Option<Duration> {
        let held_up = self.checks.iter().any(|check| check.leaves_a_mark && check.under_way);
        let is_held_up = |check: &&Watched| check.under_way || check.leaves_a_mark && held_up;
        self.checks.iter().filter(|check| !is_held_up(check)).map(|check| check.due).min()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::{Plan, Settings, plan};
    use crate::source::Source;

    fn lab() -> Plan {
        let check = |id: &str, rest: &str| {
            format!(
                "{{id: {id}, points: 1, claim: {{es: x, en: x}}, hints: [{{id: h, say: [{{es: x, en: x}}]}}], {rest}}}"
            )
        };
        let lab = format!(
            "{{labrun: lab/v1, id: l, title: {{es: x, en: x}}, steps: [{{id: s, title: {{es: x, en: x}}, checks: [{}]}}]}}",
            [
                check("runs", "probe: {container: {name: ams}}, expect: {status: running}"),
                check("net", "probe: {network: {name: n}}, expect: {found: one}"),
                check("in", "needs: [s/runs], probe: {reach: {to: 'ams:1'}}, expect: {connection: connected}"),
                check("one", "probe: {http: {to: 'vm:80', path: '/${run.nonce}'}}, expect: {status: 404}"),
                check("two", "probe: {http: {to: 'vm:81', path: '/${run.nonce}'}}, expect: {status: 404}"),
                check("from", "from: {network: n}, probe: {reach: {to: 'ams:1'}}, expect: {connection: connected}"),
            ]
            .join(", ")
        );
        plan(&Source::new("l.yaml", lab), &BTreeMap::new(), &Settings::new(), &[])
            .unwrap_or_else(|why| panic!("{}", why[0]))
    }

    const RUNS: usize = 0;
    const NET: usize = 1;
    const IN: usize = 2;
    const ONE: usize = 3;
    const TWO: usize = 4;
    const FROM: usize = 5;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// A schedule of a lab whose checks were all looked at, at 0, and came to `outcome`.
    fn settled(outcome: Outcome) -> Schedule {
        let lab = lab();
        let mut schedule = Schedule::new(&lab.checks().collect::<Vec<_>>());
        assert_eq!(schedule.next(), Some(Duration::ZERO));
        assert_eq!(schedule.take(Duration::ZERO), [RUNS, NET, IN, ONE, TWO, FROM]);
        assert_eq!(schedule.next(), None);
        schedule.judged(|_| Some(outcome), ms(5));
        (0..6).for_each(|at| schedule.looked(at, ms(5), ms(5)));
        schedule
    }

    /// What is looked at next, and when.
    fn then(schedule: &mut Schedule) -> (u64, Vec<usize>) {
        let next = schedule.next().unwrap();
        let taken = schedule.take(next);
        taken.iter().for_each(|at| schedule.looked(*at, next, ms(5)));
        (next.as_millis() as u64, taken)
    }

    #[test]
    fn what_holds_is_looked_at_again_as_often_as_its_kind_says() {
        let mut schedule = settled(Outcome::Pass);
        assert_eq!(then(&mut schedule), (2005, vec![IN]));
        assert_eq!(then(&mut schedule), (4005, vec![IN]));
        assert_eq!([then(&mut schedule), then(&mut schedule)], [(6005, vec![IN]), (8005, vec![IN])]);
        assert_eq!(then(&mut schedule), (10_005, vec![RUNS, NET, IN]));
        // What is dear comes twice a minute, and what is in the student's way once.
        let mut of =
            |at| std::iter::from_fn(|| Some(then(&mut schedule))).find(|(_, taken)| taken.contains(&at)).unwrap();
        let (when, taken) = of(ONE);
        assert_eq!((when, taken.contains(&TWO), taken.contains(&FROM)), (30_005, true, false));
        assert_eq!(of(FROM).0, 60_005);
    }

    #[test]
    fn an_event_has_those_looked_at_that_it_may_move_and_soon() {
        let mut schedule = settled(Outcome::Pass);
        schedule.happened(Change::Networks, ms(1000));
        schedule.happened(Change::Containers, ms(1010));
        assert_eq!(schedule.take(ms(1000)), [0; 0]);
        assert_eq!(then(&mut schedule), (1020, vec![RUNS, NET, IN, ONE, TWO]));

        let mut schedule = settled(Outcome::Pass);
        schedule.happened(Change::Inside, ms(1000));
        // That something was done inside a container changes nothing that the engine shows.
        assert_eq!(then(&mut schedule), (1020, vec![IN, ONE, TWO]));
    }

    #[test]
    fn what_happens_during_a_look_calls_for_another() {
        let mut schedule = settled(Outcome::Pass);
        schedule.happened(Change::Networks, ms(1000));
        assert!(schedule.take(ms(1020)).contains(&NET));
        schedule.happened(Change::Networks, ms(1030));
        schedule.looked(NET, ms(1050), ms(30));
        // It is left alone for a moment, however much happens.
        for at in 1051..1060 {
            schedule.happened(Change::Networks, ms(at));
        }
        assert_eq!(schedule.next(), Some(ms(1130)));
        assert_eq!(schedule.take(ms(1130)), [NET]);
        // One that takes long is left alone for longer, yet not for ever.
        schedule.looked(NET, ms(10_000), ms(8870));
        schedule.happened(Change::Networks, ms(10_001));
        schedule.checks.iter_mut().enumerate().for_each(|(at, check)| check.under_way = at != NET);
        assert_eq!(schedule.next(), Some(ms(10_120)));
    }

    #[test]
    fn what_does_not_hold_is_looked_at_with_growing_pauses_and_what_waits_for_another_when_that_holds() {
        let mut schedule = settled(Outcome::Fail);
        let mut times = Vec::new();
        while times.len() < 5 {
            let (when, taken) = then(&mut schedule);
            times.extend(taken.contains(&RUNS).then_some(when));
        }
        assert_eq!(times, [505, 1505, 3505, 7505, 15_505]);

        let mut schedule = settled(Outcome::Fail);
        let only_in = |outcome| move |at| Some(if at == IN { outcome } else { Outcome::Pass });
        schedule.judged(|at| Some(if at == IN { Outcome::Blocked } else { Outcome::Fail }), ms(100));
        schedule.judged(only_in(Outcome::Blocked), ms(300));
        assert_eq!(schedule.next(), Some(ms(320)));
        // That is no news a second time.
        let (_, taken) = then(&mut schedule);
        assert!(taken.contains(&IN));
        schedule.judged(only_in(Outcome::Blocked), ms(400));
        assert!(schedule.checks[IN].due > ms(2000));
    }

    #[test]
    fn those_that_leave_a_mark_are_looked_at_together_or_not_yet() {
        let mut schedule = settled(Outcome::Pass);
        schedule.happened(Change::Containers, ms(1000));
        assert_eq!(schedule.take(ms(1020)), [RUNS, NET, IN, ONE, TWO]);
        schedule.looked(ONE, ms(1100), ms(80));
        schedule.happened(Change::Containers, ms(1150));
        assert!(!schedule.take(ms(1300)).iter().any(|at| [ONE, TWO].contains(at)));
        schedule.looked(TWO, ms(1500), ms(480));
        // The one whose look was over is due, and the other goes with it.
        let taken = schedule.take(ms(1500));
        assert!(taken.contains(&ONE) && taken.contains(&TWO), "{taken:?}");
    }

    #[test]
    fn nobody_stands_on_a_network_before_the_student_is_done_with_it() {
        let mut schedule = settled(Outcome::Pass);
        for at in [1000, 2500, 4000] {
            schedule.happened(Change::Containers, ms(at));
            schedule.take(ms(at + 20)).iter().for_each(|taken| schedule.looked(*taken, ms(at + 25), ms(5)));
        }
        assert_eq!(schedule.checks[FROM].due, ms(6000));
        // Whoever is never done does not keep it from being looked at.
        (5..20).for_each(|s| schedule.happened(Change::Containers, ms(1000 * s)));
        assert_eq!(schedule.checks[FROM].due, ms(21_000));
        (20..40).for_each(|s| schedule.happened(Change::Containers, ms(1000 * s)));
        assert_eq!(schedule.checks[FROM].due, ms(31_000));
    }

    #[test]
    fn whoever_begins_anew_waits_for_nobody() {
        let mut schedule = settled(Outcome::Pass);
        schedule.happened(Change::Other, ms(1000));
        schedule.take(ms(1020));
        schedule.begin_anew(ms(2000));
        assert_eq!(schedule.take(ms(2000)), [RUNS, NET, IN, ONE, TWO, FROM]);
    }

    proptest! {
        /// Whatever happens when, no check stays without a look for long after it, none is looked at twice at once, and
        /// looks take no more than a part of the time.
        #[test]
        fn no_event_is_missed_and_nobody_is_hammered(
            steps in proptest::collection::vec((0..5_usize, 0..400_u64, 1..300_u64), 1..80),
            outcome in prop_oneof![Just(Outcome::Pass), Just(Outcome::Fail)],
        ) {
            let mut schedule = settled(outcome);
            let mut now = ms(5);
            let mut under_way: BTreeMap<usize, (Duration, Duration)> = BTreeMap::new();
            let mut owed: BTreeMap<usize, Duration> = BTreeMap::new();
            let mut looks = [0_u32; 6];
            for (change, pause, took) in steps {
                let until = now + ms(pause);
                loop {
                    let ended = under_way.iter().map(|(at, (_, end))| (*end, *at)).min();
                    let due = schedule.next().map_or(until, |next| next.max(now));
                    let next = due.min(ended.map_or(until, |(end, _)| end)).min(until);
                    now = next;
                    if let Some((end, at)) = ended.filter(|(end, _)| *end <= now) {
                        let (start, _) = under_way.remove(&at).unwrap();
                        schedule.looked(at, end, end - start);
                        continue;
                    }
                    let taken = schedule.take(now);
                    if taken.is_empty() && now >= until {
                        break;
                    }
                    for at in taken {
                        prop_assert!(under_way.insert(at, (now, now + ms(took))).is_none());
                        owed.remove(&at);
                        looks[at] += 1;
                    }
                }
                let change = Change::ALL[change];
                for (at, check) in schedule.checks.iter().enumerate() {
                    if check.moved_by.contains(&change) {
                        owed.entry(at).or_insert(now);
                    }
                }
                schedule.happened(change, now);
                for (at, since) in &owed {
                    let most = if *at == FROM { CALM.1 } else { Duration::from_secs(2) };
                    prop_assert!(now - *since <= most, "{at} waits since {since:?}");
                }
            }
            let most = now.as_millis() / 80 + 2;
            prop_assert!(looks.iter().all(|looks| u128::from(*looks) <= most), "{looks:?} in {now:?}");
        }
    }
}
