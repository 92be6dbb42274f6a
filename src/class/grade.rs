//! Grades one student: what of their evidence is heeded, judged by the teacher's labs, with what the teacher decided on
//! top. Evidence that a student handed in may say anything, so nothing that is the teacher's to say is taken from it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::class::copies::{Sign, signs};
use crate::class::credited::{Earlier, credited};
use crate::class::due::{Recorded, Timeliness, timeliness};
use crate::class::record::Looked;
use crate::class::roster::{Dues, Entry};
use crate::class::settled::{Open, Override, settle};
use crate::class::summary::{Flag, FlagKind};
use crate::class::vouched::{Vouched, vouched};
use crate::course::Course;
use crate::error::Diagnostic;
use crate::evidence::chain::Broken;
use crate::evidence::{Cause, Credit, CreditSource, Evidence, Machine};
use crate::judge::judge;
use crate::plan::{Plan, Settings, choices, personal, plan, refuses_setting};
use crate::reference::written;
use crate::signature::{Signed, Wrong};
use crate::source::Source;
use crate::text::Text;
use crate::verdict::{Doubt, Outcome, Report};

/// A lab by which a class is graded.
#[derive(Debug, Clone)]
pub struct Lab {
    /// Its file.
    pub source: Arc<Source>,
    /// The steps asked for; none means all.
    pub steps: Vec<String>,
    /// Whether the course settles its parameters.
    pub of_library: bool,
    /// The library checks that it may use.
    pub checks: BTreeMap<String, Arc<Source>>,
}

/// All that a class is graded by.
pub struct Rubric {
    /// The labs, in order.
    pub labs: Vec<Lab>,
    /// The course they belong to.
    pub course: Option<Course>,
    /// What the teacher has set.
    pub set: Settings,
    /// Whether parameters are made of students' ids.
    pub personal: bool,
    /// The code that evidence must carry to be heeded, if there is one.
    pub challenge: Option<String>,
    /// The plans for nobody in particular, one for each lab.
    pub plans: Vec<Plan>,
    /// Plans made before, by their lab and settings: most students share one.
    made: RefCell<BTreeMap<(usize, Settings), Plan>>,
}

impl Rubric {
    /// A rubric, or all mistakes in its labs.
    pub fn new(
        labs: Vec<Lab>,
        course: Option<Course>,
        set: Settings,
        personal: bool,
    ) -> Result<Rubric, Vec<Diagnostic>> {
        let made = RefCell::default();
        let mut rubric = Rubric { labs, course, set, personal, challenge: None, plans: Vec::new(), made };
        let planned: Vec<_> = (0..rubric.labs.len()).map(|at| rubric.plan(at, rubric.settings(at, None))).collect();
        let mut mistakes = Vec::new();
        for one in planned {
            match one {
                Ok(plan) => rubric.plans.push(plan),
                Err(more) => mistakes.extend(more),
            }
        }
        if mistakes.is_empty() { Ok(rubric) } else { Err(mistakes) }
    }

    /// What course and teacher settle of a lab, and what is made of the id of `student`.
    fn settings(&self, at: usize, student: Option<&str>) -> Settings {
        let Lab { source, of_library, .. } = &self.labs[at];
        let mut settings =
            self.course.as_ref().filter(|_| *of_library).map(|course| course.settings(source)).unwrap_or_default();
        settings.extend(self.own(at, student));
        settings.extend(self.set.clone());
        settings
    }

    /// The values of a lab's personal parameters for `student`.
    fn own(&self, at: usize, student: Option<&str>) -> Settings {
        student.filter(|_| self.personal).map(|id| personal(&self.labs[at].source, id)).unwrap_or_default()
    }

    /// All personal parameters of `student`.
    pub fn all_own(&self, student: &str) -> Settings {
        (0..self.labs.len()).flat_map(|at| self.own(at, Some(student))).collect()
    }

    fn plan(&self, at: usize, settings: Settings) -> Result<Plan, Vec<Diagnostic>> {
        if let Some(plan) = self.made.borrow().get(&(at, settings.clone())) {
            return Ok(plan.clone());
        }
        let Lab { source, steps, checks, .. } = &self.labs[at];
        let made = plan(source, checks, &settings, steps)?;
        self.made.borrow_mut().insert((at, settings), made.clone());
        Ok(made)
    }

    /// The plans for `student`, whose choices are heeded where a lab leaves them to students.
    pub fn plans_for(&self, student: &str, chosen: impl Fn(&str) -> Settings) -> Vec<Plan> {
        let of_lab = |at: usize| {
            let base = self.settings(at, Some(student));
            let source = &self.labs[at].source;
            let free = choices(source);
            let may_choose = |(name, value): &(String, String)| {
                let settled = self.set.contains_key(name) || self.own(at, Some(student)).contains_key(name);
                free.contains(name) && !settled && refuses_setting(source, name, value).is_none()
            };
            let all: Settings =
                base.clone().into_iter().chain(chosen(&self.plans[at].id).into_iter().filter(may_choose)).collect();
            // What makes no sense there is not heeded; the lab as it is for everybody has been planned already.
            self.plan(at, all).or_else(|_| self.plan(at, base)).unwrap_or_else(|_| self.plans[at].clone())
        };
        (0..self.labs.len()).map(of_lab).collect()
    }

    /// The checks that may be decided on.
    pub fn open(&self) -> Vec<Open> {
        let checks = self.plans.iter().flat_map(Plan::checks);
        checks.map(|check| Open { address: check.address.clone(), points: check.points }).collect()
    }
}

/// A student, graded.
#[derive(Debug)]
pub struct Graded {
    /// Their report.
    pub report: Report,
    /// Why their work could not be seen, if it could not.
    pub trouble: Option<Text>,
    /// What a teacher should know of it.
    pub flags: Vec<Flag>,
    /// Who vouches for what they handed in.
    pub vouched: Option<Vouched>,
    /// How the work stands to its due time, by lab.
    pub timeliness: BTreeMap<String, Timeliness>,
    /// What no other machine has in common with theirs.
    pub signs: BTreeSet<Sign>,
    /// Values of personal parameters in their evidence that are not theirs.
    pub foreign: Settings,
}

/// What a student is graded on.
#[derive(Debug, Default)]
pub struct Seen {
    /// The evidence of this class, if there is any.
    pub evidence: Option<Kept>,
    /// What earlier classes were graded on, which is credited.
    pub earlier: Vec<Earlier>,
}

/// Grades what was seen of `entry`.
pub fn grade(
    rubric: &Rubric,
    dues: &Dues,
    entry: &Entry,
    looked: &Looked,
    seen: Seen,
    overrides: &[Override],
) -> Graded {
    let Seen { evidence, earlier } = seen;
    let recorded_by = Recorded::of(&looked.origin);
    let by_student = recorded_by == Recorded::ByStudent;
    let refused = evidence.as_ref().filter(|_| by_student).and_then(|kept| refuses(kept, entry, rubric));
    let vouched = evidence.as_ref().filter(|_| by_student).and_then(|kept| vouched(entry, kept.signature.as_ref()));
    let (evidence, chain) = evidence.map(|kept| (kept.evidence, kept.chain)).unzip();
    let trouble = looked.trouble.clone().or(refused);
    let trouble = trouble.or_else(|| evidence.is_none().then(|| Text::new("no hay evidencia", "there is no evidence")));
    let mut flags: Vec<Flag> = Vec::new();
    let signs = evidence.as_ref().map(signs).unwrap_or_default();
    let mut foreign = Settings::new();
    let (plans, evidence) = match evidence.filter(|_| trouble.is_none()) {
        Some(evidence) => {
            foreign = not_their_own(rubric, entry, &evidence);
            if by_student {
                let HandedIn { plans, evidence, doubts } =
                    handed_in(rubric, &entry.id, evidence, chain == Some(Ok(())));
                flags.extend(doubts);
                (plans, evidence)
            } else {
                (rubric.plans_for(&entry.id, |lab| recorded_params(&evidence, lab)), evidence)
            }
        }
        None => (rubric.plans_for(&entry.id, |_| Settings::new()), nothing_seen(rubric, entry, &looked.at)),
    };
    let credit = credited(rubric, entry, &plans, &earlier);
    let evidence = Evidence { credit: credit.into_iter().chain(evidence.credit).collect(), ..evidence };
    let mut report = judge(&plans, &evidence);
    flags.extend(vouched.as_ref().and_then(Vouched::flag));
    if let Some(why) = &trouble {
        flags.insert(0, Flag { kind: FlagKind::NotSeen, why: why.clone() });
        let checks = report.labs.iter_mut().flat_map(|lab| &mut lab.steps).flat_map(|step| &mut step.checks);
        for check in checks.filter(|check| check.outcome == Outcome::Unknown) {
            check.unknown = Some(Doubt { cause: Some(Cause::Path), why: why.clone() });
        }
    }
    let course = rubric.course.as_ref().map(|course| &course.facts);
    let mut report = settle(report, &entry.id, overrides, course);
    let mut all = BTreeMap::new();
    if trouble.is_none() {
        for lab in &report.labs {
            let Some(due) = entry.due.get(&lab.id).or_else(|| dues.get(&lab.id)) else { continue };
            match timeliness(due, lab, &evidence, recorded_by) {
                Some(timely) => {
                    let why = timely.remark(&lab.id);
                    flags.extend(why.map(|why| Flag { kind: FlagKind::Late, why }));
                    all.insert(lab.id.clone(), timely);
                }
                None => flags.push(Flag {
                    kind: FlagKind::Late,
                    why: Text::new(
                        "la evidencia no dice cuándo se vio: no se sabe si estaba a tiempo",
                        "the evidence does not say when it was seen: whether it was there in time is not known",
                    ),
                }),
            }
        }
    }
    report.remarks.extend(flags.iter().map(|flag| flag.why.clone()));
    Graded { report, trouble, flags, vouched, timeliness: all, signs, foreign }
}

/// Evidence as it was handed in or recorded.
#[derive(Debug)]
pub struct Kept {
    /// What it says.
    pub evidence: Evidence,
    /// What has become of its chain.
    pub chain: Result<(), Broken>,
    /// What the signature beside it came to, if there is one.
    pub signature: Option<Result<Signed, Wrong>>,
}

/// Why evidence that was handed in cannot be heeded as that of `entry`, if it cannot.
pub fn refuses(kept: &Kept, entry: &Entry, rubric: &Rubric) -> Option<Text> {
    let Kept { evidence, chain, .. } = kept;
    if let Some(broken) = chain.as_ref().err().filter(|broken| **broken != Broken::Absent) {
        let said = broken.said();
        return Some(Text::new(
            format!("la evidencia entregada no se toma en cuenta: {}", said.es),
            format!("the evidence that was handed in is not heeded: {}", said.en),
        ));
    }
    if rubric.challenge.as_ref().is_some_and(|code| evidence.challenge.as_ref() != Some(code)) {
        return Some(Text::new(
            "la evidencia entregada no lleva el código de esta entrega",
            "the evidence that was handed in does not carry this assignment's code",
        ));
    }
    let said = evidence.student.as_ref().filter(|said| said.to_lowercase() != entry.id.to_lowercase())?;
    let said: String = said.chars().take(60).collect();
    Some(Text::new(
        format!("la evidencia dice ser de `{said}`, y está entregada como de `{}`", entry.id),
        format!("the evidence says that it is of `{said}`, and it was handed in as that of `{}`", entry.id),
    ))
}

/// The parameters that the evidence was recorded with.
pub(super) fn recorded_params(evidence: &Evidence, lab: &str) -> Settings {
    let subject = evidence.labs.iter().find(|subject| subject.lab == lab);
    subject.iter().flat_map(|subject| &subject.params).map(|(name, value)| (name.clone(), written(value))).collect()
}

fn not_their_own(rubric: &Rubric, entry: &Entry, evidence: &Evidence) -> Settings {
    let own = rubric.all_own(&entry.id);
    let recorded = evidence.labs.iter().flat_map(|subject| recorded_params(evidence, &subject.lab));
    recorded.filter(|(name, value)| own.get(name).is_some_and(|own| own != value)).collect()
}

/// What a teacher should know about evidence that was handed in.
fn doubts(evidence: &Evidence, plans: &[Plan], sealed: bool) -> Vec<Flag> {
    let mut flags = Vec::new();
    if !sealed {
        flags.push(Flag { kind: FlagKind::Unsealed, why: Broken::Absent.said() });
    }
    if evidence.student.is_none() {
        let why = Text::new("la evidencia no dice de quién es", "the evidence does not say whose it is");
        flags.push(Flag { kind: FlagKind::Unnamed, why });
    }
    for plan in plans {
        let Some(subject) = evidence.labs.iter().find(|subject| subject.lab == plan.id) else {
            let why = Text::new(
                format!("la evidencia no tiene nada de `{}`", plan.id),
                format!("the evidence holds nothing of `{}`", plan.id),
            );
            flags.push(Flag { kind: FlagKind::NotRecorded, why });
            continue;
        };
        let others =
            plan.params.iter().filter(|(name, value)| subject.params.get(*name).is_some_and(|was| was != *value));
        let others: Vec<String> = others.map(|(name, _)| format!("`{name}`")).collect();
        if !others.is_empty() {
            let names = others.join(", ");
            let why = Text::new(
                format!("`{}` se miró con otros parámetros que los del curso: {names}", plan.id),
                format!("`{}` was looked at with other parameters than the course's: {names}", plan.id),
            );
            flags.push(Flag { kind: FlagKind::OtherParameters, why });
        }
        if subject.digest != plan.digest {
            let why = Text::new(
                format!("`{}` se miró con otra versión del laboratorio", plan.id),
                format!("`{}` was looked at with another version of the lab", plan.id),
            );
            flags.push(Flag { kind: FlagKind::OtherVersion, why });
        }
    }
    flags
}

/// What a student handed in, as it is judged.
pub struct HandedIn {
    /// The labs as they are for this student.
    pub plans: Vec<Plan>,
    /// What is heeded of it.
    pub evidence: Evidence,
    /// What a teacher should know of it.
    pub doubts: Vec<Flag>,
}

/// `evidence` as that of `student`, empty if nobody says who that is; `sealed` says whether its chain is whole.
pub fn handed_in(rubric: &Rubric, student: &str, evidence: Evidence, sealed: bool) -> HandedIn {
    let plans = rubric.plans_for(student, |lab| recorded_params(&evidence, lab));
    let doubts = doubts(&evidence, &plans, sealed);
    HandedIn { evidence: heeded(evidence, rubric, student, &plans), plans, doubts }
}

/// Evidence that a student handed in, without what is not theirs to say: who they are, what the course is and what it
/// counts, and on whose word credit is.
fn heeded(evidence: Evidence, rubric: &Rubric, student: &str, plans: &[Plan]) -> Evidence {
    let own_word = |credit: &Credit| Credit { source: CreditSource::SelfReported, ..credit.clone() };
    let credit = evidence.credit.iter().filter(|credit| is_of(credit, plans, &evidence)).map(own_word).collect();
    Evidence {
        student: Some(student.to_owned()).filter(|id| !id.is_empty()),
        personal: rubric.personal,
        course: rubric.course.as_ref().map(|course| course.facts.clone()),
        self_reported_counts: rubric.course.as_ref().is_some_and(|course| course.self_reported_counts),
        credit,
        ..evidence
    }
}

/// Whether the student's own record is of what is judged: a check that held with other parameters is another one.
fn is_of(credit: &Credit, plans: &[Plan], evidence: &Evidence) -> bool {
    let lab = credit.check.split('/').next().unwrap_or_default();
    let subject = evidence.labs.iter().find(|subject| subject.lab == lab);
    plans.iter().find(|plan| plan.id == lab).zip(subject).is_some_and(|(plan, subject)| plan.params == subject.params)
}

/// The evidence of somebody whose work could not be seen.
fn nothing_seen(rubric: &Rubric, entry: &Entry, at: &str) -> Evidence {
    Evidence {
        student: Some(entry.id.clone()),
        started: at.to_owned(),
        finished: at.to_owned(),
        machine: Machine { reached: entry.origin.kind().to_owned(), ..Machine::default() },
        course: rubric.course.as_ref().map(|course| course.facts.clone()),
        ..Evidence::default()
    }
}
