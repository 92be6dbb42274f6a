//! `labrun verify`: what can be told of evidence without the machine, and some of its claims looked at once more.

use std::process::ExitCode;

use indicatif::ProgressBar;
use jiff::Timestamp;

use crate::cli::Verify;
use crate::error::Error;
use crate::evidence::chain::Broken;
use crate::evidence::{Evidence, Machine, Subject};
use crate::judge::judge;
use crate::observe::Brief;
use crate::plan::Plan;
use crate::probe::{Consent, Stop};
use crate::render::{show_value, symbol, tame};
use crate::run::check::{Look, Prepared};
use crate::run::judged::{given_labs, in_the_course_of, plans_for, read_with_chain};
use crate::run::machine::{at_terminal, open, ssh_options};
use crate::run::signed::beside;
use crate::run::{Environment, read_bounded, write_stdout};
use crate::signature::{self, Wrong};
use crate::student::Student;
use crate::text::Text;
use crate::verdict::{CheckResult, Outcome};
use crate::verification::{Claim, candidates, compared, drawn, narrowed, same_machine};
use crate::vm::address::Address;

/// A signature, or a list of allowed signers, of more bytes than this is none.
const MAX_TEXT: u64 = 1 << 20;

/// How many claims are looked at again where nobody says.
const CLAIMS: usize = 5;

/// How something came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Finding {
    /// Said for the record.
    Told,
    Good,
    /// Nothing can be said.
    Open,
    Wrong,
}

impl Finding {
    fn symbol(self) -> &'static str {
        match self {
            Finding::Told => "·",
            Finding::Good => symbol(Outcome::Pass),
            Finding::Open => symbol(Outcome::Unknown),
            Finding::Wrong => symbol(Outcome::Fail),
        }
    }
}

/// One line: what it is about, how it came out, and what is said of it.
struct Line(&'static str, Finding, Text);

/// Holds evidence against all it can be held against, and says of each what came out.
pub async fn verify(args: Verify, environment: &Environment, stop: &Stop) -> Result<ExitCode, Error> {
    let lang = args.lang.unwrap_or(environment.lang);
    let (evidence, chain) = read_with_chain(&args.evidence)?;
    let allowed = args.allowed_signers.as_deref().map(|path| read_bounded(path, MAX_TEXT)).transpose()?;
    let library = environment.labs_to_judge_by(args.labs.as_deref())?;
    let evidence = in_the_course_of(&library, evidence)?;
    let given = given_labs(&args.lab_files, &library)?;
    let mut lines = vec![about(&evidence), of_chain(&evidence, &chain)];
    lines.extend(of_signature(&args, allowed.as_deref())?);
    lines.extend(of_challenge(&evidence, args.challenge.as_deref()));
    lines.push(of_time(&evidence));
    let plans = match plans_for(&evidence, &args.evidence, &library, &given) {
        Ok(plans) => Some(plans),
        Err(error @ Error::Authoring(_)) => return Err(error),
        Err(error) => {
            lines.push(Line("labs", Finding::Wrong, Text::same(tame(&error.to_string(), 400))));
            None
        }
    };
    lines.extend(plans.iter().flatten().zip(&evidence.labs).map(|(plan, subject)| of_lab(plan, subject)));
    if let Some(plans) = &plans {
        lines.extend(judge(plans, &evidence).checks().filter_map(of_credit));
    }
    let live = args.claims.is_some() || args.machine.vm != Address::Local;
    if let Some(plans) = plans.filter(|_| live) {
        lines.extend(live_lines(&args, &evidence, &plans, environment, stop).await?);
    }
    let mut shown = String::new();
    for Line(what, finding, said) in &lines {
        shown += &format!("{} {what:<10} {}\n", finding.symbol(), said.get(lang));
    }
    write_stdout(&shown)?;
    Ok(ExitCode::from(match lines.iter().map(|Line(_, finding, _)| *finding).max() {
        Some(Finding::Wrong) => 1,
        Some(Finding::Open) => 4,
        _ => 0,
    }))
}

fn about(evidence: &Evidence) -> Line {
    let labs: Vec<&str> = evidence.labs.iter().map(|subject| subject.lab.as_str()).collect();
    let who = evidence.student.as_deref();
    let all = [Some(labs.join(", ")), who.map(str::to_owned), Some(evidence.machine.reached.clone())];
    Line("evidence", Finding::Told, Text::same(tame(&all.into_iter().flatten().collect::<Vec<_>>().join(" · "), 400)))
}

fn of_chain(evidence: &Evidence, chain: &Result<(), Broken>) -> Line {
    let finding = match chain {
        Ok(()) => Finding::Good,
        Err(Broken::Absent | Broken::Algorithm(_)) => Finding::Open,
        Err(_) => Finding::Wrong,
    };
    let said = match (chain, &evidence.chain) {
        (Err(broken), _) => broken.said(),
        (Ok(()), of) => {
            let head = of.as_ref().map(|chain| tame(&chain.head, 64)).unwrap_or_default();
            let n = evidence.observations.len();
            Text::new(format!("entera: {n} observaciones, {head}"), format!("whole: {n} observations, {head}"))
        }
    };
    Line("chain", finding, Text::new(tame(&said.es, 400), tame(&said.en, 400)))
}

/// The signature beside the evidence, if there is one or somebody asked for it.
fn of_signature(args: &Verify, allowed: Option<&str>) -> Result<Option<Line>, Error> {
    let path = args.signature.clone().unwrap_or_else(|| beside(&args.evidence));
    if args.signature.is_none() && !path.exists() {
        let wanted = Line("signature", Finding::Wrong, Text::new("no está firmada", "it is not signed"));
        return Ok(allowed.map(|_| wanted));
    }
    let pem = read_bounded(&path, MAX_TEXT)?;
    let message = read_bounded(&args.evidence, u64::MAX)?;
    let (finding, said) = match signature::check(&pem, message.as_bytes(), allowed.unwrap_or_default()) {
        Ok(signed) if !signed.principals.is_empty() => {
            let who = tame(&signed.principals.join(", "), 200);
            let key = signed.fingerprint;
            (Finding::Good, Text::new(format!("de {who}, con {key}"), format!("by {who}, with {key}")))
        }
        Ok(signed) if allowed.is_some() => {
            let key = signed.fingerprint;
            let (es, en) = ("es de una clave que nadie nombra", "it is by a key that nobody names");
            (Finding::Wrong, Text::new(format!("{es}: {key}"), format!("{en}: {key}")))
        }
        Ok(signed) => {
            let key = signed.fingerprint;
            (Finding::Good, Text::new(format!("bien hecha, con {key}"), format!("right, with {key}")))
        }
        Err(Wrong::Garbled) => (Finding::Wrong, Text::new("no es una firma de SSH", "it is no signature of SSH's")),
        Err(Wrong::Namespace) => {
            (Finding::Wrong, Text::new("se hizo para otra cosa", "it was made for something else"))
        }
        Err(Wrong::Mismatch) => (Finding::Wrong, Text::new("no es la de este archivo", "it is not that of this file")),
    };
    Ok(Some(Line("signature", finding, said)))
}

fn of_challenge(evidence: &Evidence, wanted: Option<&str>) -> Option<Line> {
    let carried = evidence.challenge.as_deref().map(|code| tame(code, 200));
    let (finding, said) = match (carried, wanted) {
        (None, None) => return None,
        (Some(code), None) => (Finding::Told, Text::same(code)),
        (Some(code), Some(wanted)) if evidence.challenge.as_deref() == Some(wanted) => (
            Finding::Good,
            Text::new(format!("{code}: se hizo después de publicado"), format!("{code}: made after it was published")),
        ),
        (Some(code), Some(_)) => {
            (Finding::Wrong, Text::new(format!("lleva otro: {code}"), format!("it carries another: {code}")))
        }
        (None, Some(_)) => (Finding::Wrong, Text::new("no lleva ninguno", "it carries none")),
    };
    Some(Line("challenge", finding, said))
}

/// Whether its times make sense together. Whether they are true only the challenge can bound.
fn of_time(evidence: &Evidence) -> Line {
    let read = |time: &str| time.parse::<Timestamp>().ok();
    let span = read(&evidence.started).zip(read(&evidence.finished));
    let took = span.map(|(from, to)| to.duration_since(from).as_millis());
    let samples = || evidence.observations.iter().flat_map(|observation| &observation.samples);
    let latest = samples().map(|sample| i128::from(sample.at_ms)).max().unwrap_or_default();
    let said = tame(&format!("{} – {}", evidence.started, evidence.finished), 100);
    let makes_sense = took.is_some_and(|took| took >= 0 && latest <= took + 1000);
    match makes_sense {
        true => Line("time", Finding::Good, Text::same(said)),
        false => Line("time", Finding::Wrong, Text::new(format!("no puede ser: {said}"), format!("cannot be: {said}"))),
    }
}

fn of_lab(plan: &Plan, subject: &Subject) -> Line {
    let id = tame(&plan.id, 100);
    let digest: String = plan.digest.chars().take(12).collect();
    match plan.digest == subject.digest {
        true => Line("lab", Finding::Good, Text::same(format!("{id} · {digest}"))),
        false => Line(
            "lab",
            Finding::Wrong,
            Text::new(
                format!("{id}: se registró para otra versión"),
                format!("{id}: it was recorded for another version"),
            ),
        ),
    }
}

/// What holds by the record of earlier runs alone: there is no fact to it, so that it cannot be looked at again.
fn of_credit(check: &CheckResult) -> Option<Line> {
    let (address, at) = (tame(&check.address, 200), tame(&check.credit.as_ref()?.at, 40));
    Some(Line(
        "credit",
        Finding::Open,
        Text::new(
            format!("{address}: lo dice sólo el registro de quien lo entrega ({at})"),
            format!("{address}: only the record of whoever handed it in says so ({at})"),
        ),
    ))
}

/// Looks at some of the claims again, and says of each what the evidence said and what is seen now.
async fn live_lines(
    args: &Verify,
    evidence: &Evidence,
    plans: &[Plan],
    environment: &Environment,
    stop: &Stop,
) -> Result<Vec<Line>, Error> {
    let lang = args.lang.unwrap_or(environment.lang);
    let bar = ProgressBar::hidden();
    let ssh = at_terminal(ssh_options(&args.machine.ssh, environment), &bar, lang);
    let vm = open(&args.machine.vm, &ssh, environment);
    let seed = match args.seed {
        Some(seed) => seed,
        None => getrandom::u32().map(u64::from).expect("every supported system has a source of randomness"),
    };
    let then = judge(plans, evidence);
    let pool = candidates(plans, &then, vm.has_outside());
    let all = pool.len();
    let chosen = drawn(pool, seed, args.claims.unwrap_or(CLAIMS));
    let prepared = Prepared { plans: narrowed(plans, &chosen), brief: brief(evidence) };
    let say = |text: &Text| crate::run::say(&format!("labrun: {}", tame(text.get(lang), 4000)));
    let look = Look {
        journal: None,
        fresh: true,
        timeout: args.timeout,
        consent: Consent { to: &[], refused: None, stop, say: &say },
        progress: &|_, _| {},
    };
    let seen = look.at(&*vm, &prepared).await?;
    let now = judge(&prepared.plans, &seen);
    let (n, at) = (chosen.len(), &args.machine.vm);
    let mut lines = vec![Line(
        "live",
        if n == 0 { Finding::Open } else { Finding::Told },
        Text::new(
            format!("{n} de {all} afirmaciones, ahora, en {at} (--seed {seed})"),
            format!("{n} of {all} claims, now, at {at} (--seed {seed})"),
        ),
    )];
    lines.extend(of_machine(&evidence.machine, &seen.machine));
    lines.extend(compared(&chosen, &then, &now).iter().map(of_claim));
    Ok(lines)
}

/// What a second look is told: who it is, and nothing that they handed in.
fn brief(evidence: &Evidence) -> Brief {
    let student = Student { id: evidence.student.clone(), ..Student::default() };
    Brief { student, personal: evidence.personal, ..Brief::default() }
}

fn of_machine(then: &Machine, now: &Machine) -> Option<Line> {
    Some(match same_machine(then, now)? {
        Ok(()) => Line("machine", Finding::Good, Text::new("la misma que entonces", "the same as then")),
        Err(told) => {
            let told = tame(&told, 300);
            Line("machine", Finding::Wrong, Text::new(format!("es otra: {told}"), format!("it is another: {told}")))
        }
    })
}

fn of_claim(claim: &Claim) -> Line {
    let finding = match claim.now {
        _ if claim.differs() => Finding::Wrong,
        Outcome::Unknown => Finding::Open,
        _ => Finding::Good,
    };
    let (address, then, now) = (tame(&claim.address, 200), claim.then.word(), claim.now.word());
    let mut said =
        Text::new(format!("{address}: entonces {then}, ahora {now}"), format!("{address}: then {then}, now {now}"));
    if let (Some(mismatch), true) = (&claim.mismatch, claim.differs()) {
        let (fact, seen) = (tame(&mismatch.fact, 100), show_value(&mismatch.seen, 200));
        let expected = |text: &str| tame(text, 200);
        said.es += &format!(" ({fact}: se esperaba {}, se ve {seen})", expected(&mismatch.expected.es));
        said.en += &format!(" ({fact}: expected {}, seen {seen})", expected(&mismatch.expected.en));
    }
    if let Some(doubt) = claim.doubt.as_ref().filter(|_| finding == Finding::Open) {
        said.es += &format!(" ({})", tame(&doubt.es, 300));
        said.en += &format!(" ({})", tame(&doubt.en, 300));
    }
    Line("claim", finding, said)
}
