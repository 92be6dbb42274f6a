//! `labrun capture`: a lab proposed from a machine on which it is done. The proposal is held against the machine before
//! anybody sees it: what was so for a moment only is no claim.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::ProgressBar;

use crate::capture::{Known, Proposal, propose};
use crate::cli::Capture;
use crate::error::Error;
use crate::evidence::Unobserved;
use crate::judge::judge;
use crate::library::COURSE;
use crate::memory::OfThisRun;
use crate::observe::{Brief, Limits, observe, survey};
use crate::plan::{ID_FORM, Settings, is_id, plan};
use crate::probe::Consent;
use crate::run::machine::{at_terminal, open, ssh_options};
use crate::run::{Environment, bar, check_folders, name_in_library, say, write_file, write_stdout};
use crate::source::Source;
use crate::tame::tame;
use crate::text::{Lang, Text};
use crate::verdict::Outcome;
use crate::vm::Vm;

/// `labrun capture`
pub async fn capture(args: Capture, environment: &Environment) -> Result<ExitCode, Error> {
    let lang = args.lang.unwrap_or(environment.lang);
    check_place(&args.id, args.output.as_deref())?;
    check_folders([&args.output, &None])?;
    let bar = bar::line(lang);
    let ssh = at_terminal(ssh_options(&args.machine.ssh, environment), &bar, lang);
    let vm = open(&args.machine.vm, &ssh, environment);
    let looking = async {
        let proposal = proposed(&args.id, &*vm, args.timeout, &bar, lang).await;
        vm.leave().await;
        proposal
    };
    let proposal = bar::during(&bar, environment, looking).await?;
    match &args.output {
        None => write_stdout(&proposal.write())?,
        Some(path) => write_file(path, &proposal.write())?,
    }
    let (n, left_out) = (proposal.claims().count(), proposal.n_left_out());
    let place = args.output.map(|path| format!("{}: ", path.display())).unwrap_or_default();
    let said = Text::new(
        format!(
            "labrun: {place}comprobaciones propuestas: {n}; lo que quedó afuera: {left_out} (arriba de todo dice qué)"
        ),
        format!("labrun: {place}checks proposed: {n}; left out: {left_out} (the first lines say what)"),
    );
    say(said.get(lang));
    Ok(ExitCode::SUCCESS)
}

/// What somebody wrote is never written over, and a file of labs is called as its lab.
fn check_place(id: &str, output: Option<&Path>) -> Result<(), Error> {
    if !is_id(id) || id == COURSE {
        return Err(Error::Usage(format!("`{id}` cannot be the id of a lab: {ID_FORM}, and not `{COURSE}`")));
    }
    let Some(path) = output else { return Ok(()) };
    let shown = path.display();
    if path.exists() {
        return Err(Error::Usage(format!("{shown} is there already: nothing was written")));
    }
    if name_in_library(path).is_some_and(|name| name != id) {
        return Err(Error::Usage(format!(
            "{shown} cannot hold a lab called `{id}`: in a folder `labs` they share their name"
        )));
    }
    Ok(())
}

/// Looks at what there is, proposes, and looks whether that holds.
async fn proposed(id: &str, vm: &dyn Vm, timeout: Duration, bar: &ProgressBar, lang: Lang) -> Result<Proposal, Error> {
    let limits = Limits { run: timeout, ..Limits::default() };
    let unseen = |why: Unobserved| Error::NoMachine(tame(why.why.get(lang), 4000));
    let mut known = Known::default();
    let curious = |there: &_, seen: Vec<_>| {
        bar.inc(seen.len() as u64);
        known.learn(there, seen);
        let questions = known.questions();
        bar.set_length(bar.position() + questions.len() as u64);
        questions
    };
    survey(vm, limits, curious).await.map_err(unseen)?;
    let claims_something = |proposal: Proposal| match proposal.claims().count() {
        0 => Err(Error::NoMachine(nothing_there().get(lang).to_owned())),
        _ => Ok(proposal),
    };
    let mut proposal = claims_something(propose(id, &known))?;
    let source = Source::new(format!("{id}.yaml"), proposal.write());
    let plans = [plan(&source, &BTreeMap::new(), &Settings::new(), &[]).map_err(Error::Authoring)?];
    let (memory, brief) = (OfThisRun::default(), Brief::default());
    let progress = |settled, all| {
        bar.set_length(all as u64);
        bar.set_position(settled as u64);
    };
    let evidence = observe(&plans, vm, &memory, Consent::none(), limits, &brief, &progress).await;
    let report = judge(&plans, &evidence);
    let fleeting = report.checks().filter(|check| check.outcome != Outcome::Pass);
    let fleeting: BTreeSet<String> = fleeting.map(|check| check.address[id.len() + 1..].to_owned()).collect();
    proposal.take_back(&fleeting);
    claims_something(proposal)
}

fn nothing_there() -> Text {
    Text::new(
        "no hay nada que un laboratorio pueda pedir: ningún contenedor corre y nadie hizo una red",
        "there is nothing that a lab could ask for: no container runs, and nobody made a network",
    )
}
