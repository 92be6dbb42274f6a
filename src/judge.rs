//! Plan + evidence → report. Pure and total: the same evidence always gives the same report, without the machine.

mod glances;
mod sights;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::evidence::{Cause, CourseFacts, CreditSource, Evidence, Facts, Observation, OptIn, RUN, Seen};
use crate::expect::{Expectation, Truth};
use crate::judge::glances::{CONTROL, glances};
use crate::judge::sights::{Leaning, sights};
use crate::picture::{Details, Glance, picture};
use crate::plan::{Ask, JudgedBy, Plan, PlannedAdvice, PlannedCheck, PlannedStep, PlannedWord};
use crate::reference::Scope;
use crate::student::MAX_ANSWER;
use crate::text::Text;
use crate::vantage::Vantage;
use crate::verdict::{
    self, CheckResult, CourseResult, Credited, Doubt, Hint, LabResult, Mismatch, Outcome, Report, Score, StepResult,
    worst,
};

/// Judges every check of `plans` on what was observed.
pub fn judge(plans: &[Plan], evidence: &Evidence) -> Report {
    judge_by(plans, evidence, false)
}

fn judge_by(plans: &[Plan], evidence: &Evidence, by_the_last: bool) -> Report {
    let run = evidence.run_facts();
    let answers = Answers { looked: Some(&evidence.looked), by_the_last, ..Answers::of(&evidence.observations, &run) };
    let answers = Answers { withheld: what_answers_are_compared_with(plans, &answers), ..answers };
    let mut seen = Vec::new();
    let labs: Vec<LabResult> = plans.iter().map(|plan| judge_lab(plan, &answers, evidence, &mut seen)).collect();
    let drawn = |inventory| picture(inventory, &seen, details(plans, &labs));
    Report {
        format: verdict::FORMAT.to_owned(),
        labrun: env!("CARGO_PKG_VERSION").to_owned(),
        started: evidence.started.clone(),
        finished: evidence.finished.clone(),
        machine: evidence.machine.clone(),
        student: evidence.student.clone(),
        remarks: evidence.remarks.iter().take(MANY_REMARKS).cloned().collect(),
        outcome: worst(labs.iter().map(|lab| lab.outcome)),
        points: Score::sum(labs.iter().map(|lab| &lab.points)),
        course: evidence.course.as_ref().and_then(|course| whole_course(course, plans, &labs)),
        picture: evidence.docker.as_ref().map(drawn),
        labs,
    }
}

/// Judges what was observed by somebody who looks again and again: each check by its last look alone.
pub fn judge_by_the_last(plans: &[Plan], evidence: &Evidence) -> Report {
    judge_by(plans, evidence, true)
}

/// How many remarks on what a student handed in are reported.
const MANY_REMARKS: usize = 40;

/// What a course comes to, if all of each of its labs was judged.
fn whole_course(course: &CourseFacts, plans: &[Plan], labs: &[LabResult]) -> Option<CourseResult> {
    let scaled = course.labs.iter().map(|of_course| {
        let whole = plans.iter().any(|plan| plan.id == of_course.lab && plan.selected.is_empty());
        let lab = labs.iter().find(|lab| whole && lab.id == of_course.lab)?;
        Some(lab.points.scaled(of_course.weight))
    });
    let scaled: Vec<Score> = scaled.collect::<Option<_>>()?;
    Some(CourseResult { id: course.id.clone(), title: course.title.clone(), points: Score::sum(&scaled) })
}

/// What the picture may tell: a lab may ask the student for it.
fn details(plans: &[Plan], labs: &[LabResult]) -> Details {
    let is_asked = |check: &&PlannedCheck| check.word.is_some() && check.judged_by.is_none();
    let mut asked = plans.iter().flat_map(Plan::checks).filter(is_asked);
    let checks = || labs.iter().flat_map(|lab| &lab.steps).flat_map(|step| &step.checks);
    let is_told =
        |asked: &PlannedCheck| checks().any(|check| check.address == asked.address && check.outcome == Outcome::Pass);
    if asked.all(is_told) { Details::Told } else { Details::Withheld }
}

/// What another look at a check could be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: it holds, or it could not be observed.
    Settled,
    /// It fails, and only something it needs could change that.
    Failing,
    /// It fails, and its author says that it may come to hold.
    Waiting,
}

/// Where `check` stands after `round`, which began `began_ms` after the start of the run. Only a look that began when the
/// check's time was over is the last one: on a slow machine the first may take all of that time, and say what was then.
pub fn standing(check: &PlannedCheck, answers: &Answers, round: u32, began_ms: u64) -> Standing {
    let look = Look::at(check, answers, round);
    let waits = || {
        let in_time = check.within.is_some_and(|within| u128::from(began_ms) < within.as_millis());
        in_time && check.worth.as_ref().is_none_or(|worth| worth.evaluate(&look.scope) == Truth::Holds)
    };
    match look.finding {
        Finding::Fail(_) if waits() => Standing::Waiting,
        Finding::Fail(_) => Standing::Failing,
        _ => Standing::Settled,
    }
}

/// Observations by question.
#[derive(Debug)]
pub struct Answers<'e> {
    by_key: BTreeMap<String, &'e Observation>,
    run: &'e Facts,
    /// The last round of each check, by address.
    looked: Option<&'e BTreeMap<String, u32>>,
    /// Whether only that one counts.
    by_the_last: bool,
    /// The questions of which no report shows what was seen.
    withheld: BTreeSet<String>,
}

impl<'e> Answers<'e> {
    /// An index of `observations`, made in a run of which `run` is known.
    pub fn of(observations: impl IntoIterator<Item = &'e Observation>, run: &'e Facts) -> Answers<'e> {
        let by_key = observations.into_iter().map(|observation| (observation.question.key(), observation));
        let by_key = by_key.collect();
        Answers { by_key, run, looked: None, by_the_last: false, withheld: BTreeSet::new() }
    }

    /// The last round in which anybody looked for the sake of `check`.
    fn last_round(&self, check: &PlannedCheck) -> u32 {
        self.looked.and_then(|looked| looked.get(&check.address)).copied().unwrap_or(u32::MAX)
    }
}

/// What a check came to in one round, before its needs are looked at.
struct Look<'e> {
    finding: Finding,
    scope: Scope<'e>,
    /// The observations it leans on, by name.
    given: BTreeMap<&'e str, &'e Observation>,
    /// The first of them that could not be made, and why.
    unseen: Option<(&'e str, Doubt)>,
    /// The main observation, when its question could be put.
    observation: Option<&'e Observation>,
    /// Everything that was looked at, by the names that the check gives it, and what was seen there in this round.
    leaned_on: Vec<Leaning<'e>>,
    /// The last round in which everything it rests on was still the same.
    until: u32,
}

enum Finding {
    Pass,
    Fail(Vec<Mismatch>),
    Unknown(Doubt),
    /// Nobody looked in this round.
    NotAsked,
}

impl<'e> Look<'e> {
    fn new() -> Look<'e> {
        Look {
            finding: Finding::NotAsked,
            scope: Scope::default(),
            given: BTreeMap::new(),
            unseen: None,
            observation: None,
            leaned_on: Vec::new(),
            until: u32::MAX,
        }
    }

    fn at<'p: 'e>(check: &'p PlannedCheck, answers: &Answers<'e>, round: u32) -> Look<'e> {
        let mut look = Look::new();
        look.scope.given.insert(RUN, answers.run);
        for (name, ask) in &check.given {
            match (look.put(Some(name), ask, answers, round), std::mem::replace(&mut look.finding, Finding::NotAsked)) {
                (Some(facts), _) => drop(look.scope.given.insert(name, facts)),
                (None, Finding::Unknown(doubt)) => {
                    look.scope.unseen.insert(name);
                    look.unseen.get_or_insert((name, doubt));
                }
                (None, finding) => {
                    look.finding = finding;
                    return look;
                }
            }
            look.given.extend(look.observation.take().map(|observation| (name.as_str(), observation)));
        }
        let own = look.put(None, &check.ask, answers, round);
        look.scope.own = own;
        // What holds whatever the unseen would have shown holds; anything else rests on it.
        if let Some((name, doubt)) = &look.unseen
            && !own.is_some_and(|_| check.expect.evaluate(&look.scope) == Truth::Holds)
        {
            look.finding = Finding::Unknown(doubt.clone());
            look.observation = look.given.get(name).copied();
            return look;
        }
        let Some(facts) = own else { return look };
        look.finding = match check.expect.evaluate(&look.scope) {
            Truth::Fails(mismatches) => match (&check.word, look.doubt(check)) {
                (Some(word), _) => Finding::Fail(vec![not_the_right_answer(word, facts)]),
                (None, Some(why)) => Finding::Unknown(Doubt { cause: None, why }),
                (None, None) => Finding::Fail(mismatches.into_iter().map(bounded_mismatch).collect()),
            },
            Truth::Unsure(why) => {
                let why = if check.word.is_some() { unsure_of_the_answer() } else { why };
                Finding::Unknown(Doubt { cause: None, why })
            }
            Truth::Holds => look.control(check, answers, round).unwrap_or(Finding::Pass),
        };
        look
    }

    /// The facts that answer `ask` in `round`; without any, what that makes of the check is noted.
    fn put(&mut self, name: Option<&'e str>, ask: &Ask, answers: &Answers<'e>, round: u32) -> Option<&'e Facts> {
        let question = match ask.question(&self.scope) {
            Ok(question) => question,
            Err(reference) if self.scope.is_unseen(&reference) => {
                let doubt = self.unseen.as_ref().map(|(_, doubt)| Finding::Unknown(doubt.clone()));
                self.finding = doubt.unwrap_or(Finding::NotAsked);
                return None;
            }
            // The observation it leans on was made, and what it should take over is not there: a fact, not a doubt.
            Err(reference) => {
                let expected = Text::new(format!("`{reference}` existe"), format!("`{reference}` exists"));
                let mismatch = Mismatch { fact: reference, expected, seen: Value::Null };
                self.finding = Finding::Fail(vec![mismatch]);
                return None;
            }
        };
        self.observation = answers.by_key.get(&question.key()).copied();
        let seen = self.observation.and_then(|observation| Some((observation, observation.at(round)?)));
        let Some((observation, sample)) = seen else {
            self.finding = Finding::NotAsked;
            return None;
        };
        self.leaned_on.push((name, observation, sample));
        self.until = self.until.min(sample.last_round());
        match &sample.seen {
            Seen::Facts(facts) => Some(facts),
            Seen::Unobserved(unobserved) => {
                let doubt = Doubt { cause: Some(unobserved.cause), why: unobserved.why.clone() };
                self.finding = Finding::Unknown(doubt);
                None
            }
        }
    }

    /// Why nobody answers for the check's not holding, if its author has foreseen what was seen.
    fn doubt(&self, check: &PlannedCheck) -> Option<Text> {
        let fits = |(when, _): &&(_, _)| Expectation::evaluate(when, &self.scope) == Truth::Holds;
        check.doubts.iter().find(fits).map(|(_, say)| say.clone())
    }

    /// What stands against counting a claim that holds: its positive twin could not be seen to hold.
    fn control(&mut self, check: &PlannedCheck, answers: &Answers<'e>, round: u32) -> Option<Finding> {
        let (ask, expect) = check.control.as_ref()?;
        let mut twin = Look::new();
        twin.scope.given.clone_from(&self.scope.given);
        twin.scope.unseen.clone_from(&self.scope.unseen);
        twin.scope.own = twin.put(Some(CONTROL), ask, answers, round);
        self.until = self.until.min(twin.until);
        self.leaned_on.append(&mut twin.leaned_on);
        match twin.finding {
            _ if twin.scope.own.is_some() && expect.evaluate(&twin.scope) == Truth::Holds => None,
            Finding::Unknown(doubt) => Some(Finding::Unknown(doubt)),
            _ => Some(Finding::Unknown(Doubt { cause: None, why: failed_control() })),
        }
    }

    /// The command that shows what decided: that of the observation the first mismatch is about, else the check's own.
    fn command(&self) -> String {
        let decided = match &self.finding {
            Finding::Fail(mismatches) => mismatches.first().and_then(|mismatch| mismatch.fact.split('.').next()),
            _ => None,
        };
        let given = decided.and_then(|name| self.given.get(name)).copied();
        given.or(self.observation).map(|observation| observation.command.clone()).unwrap_or_default()
    }
}

/// What was seen where a student's answer is compared with it is shown nowhere, for whichever check it was seen.
fn what_answers_are_compared_with(plans: &[Plan], answers: &Answers) -> BTreeSet<String> {
    let asked = plans.iter().flat_map(Plan::checks).filter(|check| check.word.is_some());
    let keys = |check| {
        let leaned_on = decisive(check, answers).leaned_on.into_iter();
        leaned_on.filter(|(name, ..)| name.is_some()).map(|(_, observation, _)| observation.question.key())
    };
    asked.flat_map(keys).collect()
}

/// What stands for the right answer wherever it would be shown.
fn the_right_answer() -> Text {
    Text::new("la respuesta correcta", "the right answer")
}

/// What is said of a wrong answer: what the student said, and nothing of what it was compared with.
fn not_the_right_answer(word: &PlannedWord, facts: &Facts) -> Mismatch {
    let seen = facts.get(word.fact).cloned().unwrap_or_default();
    bounded_mismatch(Mismatch { fact: word.fact.to_owned(), expected: the_right_answer(), seen })
}

fn unsure_of_the_answer() -> Text {
    Text::new(
        "lo leído de la máquina quedó cortado antes de poder comparar la respuesta con ello",
        "what was read from the machine is cut before the answer can be compared with it",
    )
}

fn failed_control() -> Text {
    Text::new(
        "la contraprueba falló: la misma sonda tampoco llegó a donde sí tenía que llegar, así que no llegar no prueba nada",
        "the control did not hold: the same probe did not reach what it must reach either, so not reaching proves nothing",
    )
}

/// The look that decides: the first one that holds, else the last one.
fn decisive<'e>(check: &'e PlannedCheck, answers: &Answers<'e>) -> Look<'e> {
    let last = answers.last_round(check);
    if answers.by_the_last || check.opt_in().is_some() {
        // An opt-in kind was asked once, after everything else.
        return Look::at(check, answers, last);
    }
    let mut look = Look::at(check, answers, 0);
    while !matches!(look.finding, Finding::Pass) && look.until < last {
        let next = Look::at(check, answers, look.until + 1);
        if matches!(next.finding, Finding::NotAsked) {
            break;
        }
        look = next;
    }
    look
}

fn judge_lab<'e>(plan: &'e Plan, answers: &Answers<'e>, evidence: &Evidence, seen: &mut Vec<Glance<'e>>) -> LabResult {
    let mut known: BTreeMap<String, Outcome> = BTreeMap::new();
    let steps: Vec<StepResult> =
        plan.steps.iter().map(|step| judge_step(step, answers, evidence, &mut known, seen)).collect();
    LabResult {
        id: plan.id.clone(),
        title: plan.title.clone(),
        source: plan.source.clone(),
        digest: plan.digest.clone(),
        outcome: worst(steps.iter().map(|step| step.outcome)),
        points: Score::sum(steps.iter().map(|step| &step.points)),
        steps,
    }
}

fn judge_step<'e>(
    step: &'e PlannedStep,
    answers: &Answers<'e>,
    evidence: &Evidence,
    known: &mut BTreeMap<String, Outcome>,
    seen: &mut Vec<Glance<'e>>,
) -> StepResult {
    let mut points = Score::default();
    let mut checks: Vec<CheckResult> = Vec::new();
    for check in &step.checks {
        if let Some(until) = hidden(check, evidence) {
            let result = unseen(check, until);
            known.insert(result.address.clone(), result.outcome);
            points.count(result.outcome, result.points, result.bonus);
            checks.push(result);
            continue;
        }
        let look = decisive(check, answers);
        let leaned_on = look.leaned_on.clone();
        let live = judge_check(check, look, answers, evidence, known);
        // What needs it needs it now: credit is for what was done, not a thing to build on.
        known.insert(live.address.clone(), live.outcome);
        let result = with_credit(live, evidence);
        seen.extend(glances(check, &leaned_on, &answers.withheld, &result));
        points.count(result.outcome, result.points, result.bonus);
        checks.push(result);
    }
    StepResult {
        address: step.address.clone(),
        title: step.title.clone(),
        outcome: worst(checks.iter().filter(|check| !check.is_missed_bonus()).map(|check| check.outcome)),
        points,
        checks,
    }
}

fn judge_check(
    check: &PlannedCheck,
    look: Look,
    answers: &Answers,
    evidence: &Evidence,
    known: &BTreeMap<String, Outcome>,
) -> CheckResult {
    let mut result = CheckResult {
        address: check.address.clone(),
        claim: check.claim.clone(),
        points: check.points,
        bonus: check.bonus,
        outcome: Outcome::Pass,
        expected: match &check.word {
            Some(_) => vec![the_right_answer()],
            None => check.expect.describe(&look.scope),
        },
        mismatches: Vec::new(),
        blocked_by: Vec::new(),
        unknown: None,
        deferred: None,
        credit: None,
        settled: None,
        answer: None,
        hint: None,
        note: None,
        from: check.ask.from.clone(),
        namespace: check.ask.from.name().and_then(|_| Some(look.scope.own?.get("namespace")?.as_str()?.to_owned())),
        command: look.command(),
        took_ms: look.observation.map_or(0, Observation::took_ms),
        sights: if check.word.is_some() { Vec::new() } else { sights(&look.leaned_on, &answers.withheld) },
    };
    if check.judged_by == Some(JudgedBy::Teacher) {
        let said = |word: &PlannedWord| look.scope.own?.get(word.fact)?.as_str().map(bounded_answer);
        let answer = check.word.as_ref().and_then(said);
        let to = left_to_the_teacher(check.word.as_ref().filter(|_| answer.is_none()));
        return CheckResult { outcome: Outcome::Deferred, expected: Vec::new(), deferred: Some(to), answer, ..result };
    }
    if let Some(to) = deferred_to(check, evidence) {
        return CheckResult { outcome: Outcome::Deferred, deferred: Some(to), ..result };
    }
    if let Some(to) = left_to_hands(check, evidence).filter(|_| !matches!(look.finding, Finding::Pass)) {
        return CheckResult { outcome: Outcome::Deferred, deferred: Some(to), ..result };
    }
    if let Finding::Unknown(Doubt { cause: Some(Cause::LeftOut), why }) = &look.finding {
        return CheckResult { outcome: Outcome::Deferred, deferred: Some(why.clone()), ..result };
    }
    let needed = |wanted: &[Outcome]| -> Vec<String> {
        let unmet = check.needs.iter().filter(|need| known.get(*need).is_some_and(|outcome| wanted.contains(outcome)));
        unmet.cloned().collect()
    };
    let failed_needs = needed(&[Outcome::Fail, Outcome::Blocked]);
    let unknown_needs = needed(&[Outcome::Unknown]);
    // What nobody could look at may hold whatever it needs. A control that does not hold may well do so for the need.
    let was_unseen = matches!(&look.finding, Finding::Unknown(Doubt { cause: Some(_), .. }));
    match look.finding {
        Finding::Pass => result.note = first_fitting(&check.notes, &look.scope),
        finding if !failed_needs.is_empty() && !was_unseen => {
            result.outcome = Outcome::Blocked;
            result.blocked_by = failed_needs;
            if let Finding::Fail(mismatches) = finding {
                result.mismatches = mismatches;
            }
        }
        Finding::Unknown(doubt) => {
            result.outcome = Outcome::Unknown;
            result.unknown = Some(doubt);
        }
        Finding::NotAsked => {
            result.outcome = Outcome::Unknown;
            result.unknown = Some(Doubt {
                cause: Some(Cause::Limit),
                why: Text::new(
                    "esta evidencia no contiene lo que esta comprobación pregunta",
                    "this evidence does not hold what this check asks",
                ),
            });
        }
        Finding::Fail(_) if !unknown_needs.is_empty() => {
            let needs = unknown_needs.join(", ");
            result.outcome = Outcome::Unknown;
            result.unknown = Some(Doubt {
                cause: None,
                why: Text::new(
                    format!("depende de {needs}, que no se pudo determinar"),
                    format!("it depends on {needs}, which could not be determined"),
                ),
            });
        }
        Finding::Fail(mismatches) => {
            result.outcome = Outcome::Fail;
            result.mismatches = mismatches;
            result.hint = first_fitting(&check.hints, &look.scope);
        }
    }
    result
}

/// What an earlier run saw to hold stays so, whatever became of it since: labs undo each other's work. On the word
/// of the student's own machine alone that is the teacher's to say, unless the course has said it.
fn with_credit(live: CheckResult, evidence: &Evidence) -> CheckResult {
    let credit = evidence.credit.iter().find(|credit| credit.check == live.address);
    let Some(credit) = credit.filter(|_| live.outcome != Outcome::Pass) else { return live };
    let counts = credit.source == CreditSource::Grader || evidence.self_reported_counts;
    CheckResult {
        credit: Some(Credited { at: credit.at.clone(), source: credit.source, now: live.outcome }),
        outcome: if counts { Outcome::Pass } else { Outcome::Deferred },
        deferred: (!counts).then(|| {
            Text::new(
                "lo juzga tu docente: que estaba bien lo dice sólo el registro de esta máquina",
                "your teacher judges it: only this machine's own record says that it was right",
            )
        }),
        mismatches: Vec::new(),
        blocked_by: Vec::new(),
        unknown: None,
        hint: None,
        ..live
    }
}

/// Until when a check is hidden from whoever reads what was seen in this run.
fn hidden(check: &PlannedCheck, evidence: &Evidence) -> Option<Timestamp> {
    let finished = evidence.finished.parse::<Timestamp>().ok();
    check.hidden_until.filter(|until| finished.is_none_or(|finished| finished < *until))
}

/// What stands for the claim of a hidden check.
pub fn hidden_claim() -> Text {
    Text::new("una comprobación oculta", "a hidden check")
}

/// What is shown of a hidden check: that there is one, and what it is worth.
fn unseen(check: &PlannedCheck, until: Timestamp) -> CheckResult {
    let when =
        Text::new(format!("se muestra y se juzga desde el {until}"), format!("shown and judged from {until} on"));
    CheckResult {
        address: check.address.clone(),
        claim: hidden_claim(),
        points: check.points,
        bonus: check.bonus,
        outcome: Outcome::Deferred,
        expected: Vec::new(),
        mismatches: Vec::new(),
        blocked_by: Vec::new(),
        unknown: None,
        deferred: Some(when),
        credit: None,
        settled: None,
        answer: None,
        hint: None,
        note: None,
        from: Vantage::Vm,
        namespace: None,
        command: String::new(),
        took_ms: 0,
        sights: Vec::new(),
    }
}

/// To whom a check is left that this run is not meant to judge.
fn deferred_to(check: &PlannedCheck, evidence: &Evidence) -> Option<Text> {
    if !evidence.machine.outside && check.asks_from_outside() {
        return Some(Text::new(
            "sólo se ve desde afuera de la VM: lo juzga quien corra labrun desde otra máquina",
            "it can only be seen from outside the VM: whoever runs labrun from another machine judges it",
        ));
    }
    let needed = check.opt_in().filter(|needed| !evidence.allowed.contains(needed))?;
    Some(match needed {
        OptIn::Disruptive => Text::new(
            "para verlo hay que detener contenedores por un momento, que después quedan como estaban: \
             lo juzga `labrun check --disruptive`",
            "to see it, containers have to be stopped for a moment, and are left as they were: \
             `labrun check --disruptive` judges it",
        ),
        OptIn::FromZero => Text::new(
            "para verlo hay que levantar todo desde cero, al lado de lo que corre: lo juzga `labrun check --from-zero`",
            "to see it, everything has to be brought up from nothing, beside what runs: \
             `labrun check --from-zero` judges it",
        ),
    })
}

/// What is said of a check that takes what nobody does when a repository comes up by itself.
fn left_to_hands(check: &PlannedCheck, evidence: &Evidence) -> Option<Text> {
    (check.by_hand && evidence.repository.is_some()).then(|| {
        Text::new(
            "acá se levantó todo de la nada y nadie escribió SQL ni completó un instalador: se ve en la VM del estudiante, \
             con `labrun check`",
            "everything came up from nothing here, and nobody typed SQL or went through an installer: it is seen on the \
             student's VM, with `labrun check`",
        )
    })
}

/// What is said of a check that a teacher judges; `missing` is the place of an answer that is not there yet.
fn left_to_the_teacher(missing: Option<&PlannedWord>) -> Text {
    match missing {
        None => Text::new("lo juzga tu docente, que lee tu respuesta", "your teacher reads your answer and judges it"),
        Some(PlannedWord { place, .. }) => Text::new(
            format!("lo juzga tu docente; todavía no hay respuesta: escribila en `labrun.yaml`, `{place}`"),
            format!("your teacher judges it; there is no answer yet: write it in `labrun.yaml`, `{place}`"),
        ),
    }
}

fn first_fitting(all: &[PlannedAdvice], scope: &Scope) -> Option<Hint> {
    let fits = |advice: &&PlannedAdvice| match &advice.when {
        None => true,
        Some(when) => when.evaluate(scope) == Truth::Holds,
    };
    let advice = all.iter().find(fits)?;
    Some(Hint { id: advice.id.clone(), say: advice.say.clone() })
}

fn bounded_mismatch(mismatch: Mismatch) -> Mismatch {
    Mismatch { seen: bounded(&mismatch.seen, 4), ..mismatch }
}

/// An answer, no longer than one that labrun takes.
fn bounded_answer(text: &str) -> String {
    text.chars().take(MAX_ANSWER).collect()
}

/// What was seen, small enough for a report: strings of 500 characters, lists of 20, four levels deep.
fn bounded(value: &Value, depth: usize) -> Value {
    match value {
        Value::String(text) if text.chars().count() > 500 => {
            Value::String(text.chars().take(500).chain(['…']).collect())
        }
        Value::Array(_) | Value::Object(_) if depth == 0 => Value::String("…".to_owned()),
        Value::Array(items) => items.iter().take(20).map(|item| bounded(item, depth - 1)).collect(),
        Value::Object(entries) => {
            let entries = entries.iter().take(20);
            Value::Object(
                entries.map(|(key, item)| (key.chars().take(100).collect(), bounded(item, depth - 1))).collect(),
            )
        }
        plain => plain.clone(),
    }
}
