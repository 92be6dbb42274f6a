//! Labs prepared, a machine looked at, a report written.

use std::process::ExitCode;
use std::time::Duration;

use crate::cli::Check;
use crate::error::{Error, exit_code};
use crate::evidence::chain::seal;
use crate::evidence::{Evidence, OptIn};
use crate::journal::Journal;
use crate::journal::last::Lasts;
use crate::judge::judge;
use crate::library::Library;
use crate::memory::{Memory, OfThisRun};
use crate::observe::{Brief, Limits, Progress, observe};
use crate::plan::{Plan, Settings};
use crate::probe::{Consent, Stop, repair};
use crate::render::tame;
use crate::run::bar;
use crate::run::handed_in;
use crate::run::machine::{at_terminal, open, ssh_options};
use crate::run::repository::{self, Bringing, check_repository};
use crate::run::signed::{read_key, sign};
use crate::run::targets::{check_ids, check_settings, check_steps, course, plans, targets};
use crate::run::{Environment, check_folders, check_format, say, write_file, write_report};
use crate::student::{File, Student};
use crate::text::Text;
use crate::vm::Vm;
use crate::vm::address::Address;
use crate::vm::unreached::Unreached;

/// `labrun check`
pub async fn check(args: Check, environment: &Environment, stop: &Stop) -> Result<ExitCode, Error> {
    let library = environment.labs_to_judge_by(args.report.labs.as_deref())?;
    if args.sign.is_some() && args.evidence.is_none() {
        return Err(Error::Usage("--sign signs evidence: say with `--evidence FILE` where that goes".to_owned()));
    }
    let key = args.sign.as_deref().map(read_key).transpose()?;
    let settings: Settings = args.work.settings.into_iter().collect();
    let lang = args.report.lang.unwrap_or(environment.lang);
    let bar = bar::line(lang);
    let ssh = at_terminal(ssh_options(&args.machine.ssh, environment), &bar, lang);
    let vm = open(&args.machine.vm, &ssh, environment);
    let is_here = args.machine.vm == Address::Local && args.repo.is_none();
    let mut student = match (&args.repo, &args.work.answers) {
        (Some(repo), None) => repository::student(repo)?,
        // What a student hands in lies where they work.
        (None, None) if !is_here => handed_in::read_on(&*vm).await,
        (_, answers) => handed_in::read(answers.as_deref(), environment.home.as_deref())?,
    };
    student.id = args.work.student.or(student.id);
    let asked = Asked { targets: &args.work.targets, settings: &settings, personal: args.work.personal };
    let mut prepared = prepare(&library, &asked, student)?;
    prepared.brief.challenge = args.challenge;
    for remark in &prepared.brief.student.remarks {
        say(&format!("labrun: {}", tame(remark.get(lang), 400)));
    }
    check_folders([&args.evidence, &args.report.output])?;
    check_format(&args.report, environment)?;

    // What was seen on another machine than this one is not noted here.
    let journal = if is_here { open_journal(environment) } else { None };
    let flags = [(args.disruptive, OptIn::Disruptive), (args.from_zero, OptIn::FromZero)];
    let allowed: Vec<OptIn> = flags.into_iter().filter_map(|(given, what)| given.then_some(what)).collect();
    let say_text = |text: &Text| bar.suspend(|| say(&format!("labrun: {}", tame(text.get(lang), 4000))));
    let progress: Progress<'_> = &|settled, all| {
        bar.set_length(all as u64);
        bar.set_position(settled as u64);
    };
    let evidence = match &args.repo {
        Some(repo) => {
            let (sandbox, timeout, say) = (&args.sandbox, args.timeout, &say_text);
            let with = Bringing { sandbox, environment, timeout, stop, say, progress };
            bar::during(&bar, environment, check_repository(repo, &prepared, &with)).await?
        }
        None => {
            let consent = Consent { to: &allowed, refused: None, stop, say: &say_text };
            let (journal, fresh, timeout) = (journal.as_ref(), args.fresh, args.timeout);
            let look = Look { journal, fresh, timeout, consent, progress };
            bar::during(&bar, environment, look.at(&*vm, &prepared)).await?
        }
    };

    let report = judge(&prepared.plans, &evidence);
    if let Some(Err(error)) = journal.map(|journal| journal.note(&report, &prepared.plans)) {
        say(&format!("labrun: what was seen to hold could not be noted for later runs: {error}"));
    }
    // Nobody goes on working on what was thrown away.
    let lasts = if args.repo.is_none() { lasts(environment) } else { None };
    if let Some(Err(error)) = lasts.map(|lasts| lasts.keep(&report, &prepared.plans)) {
        say(&format!("labrun: `labrun next` will not know of this run: {error}"));
    }
    // That one of them cannot be written does not take the other away.
    let reported = write_report(&report, &args.report, environment);
    if let Some(path) = &args.evidence {
        let json = serde_json::to_string_pretty(&evidence).expect("evidence is plain data") + "\n";
        write_file(path, &json)?;
        if let Some(key) = &key {
            sign(key, path, &json)?;
        }
    }
    reported?;
    Ok(exit_code(report.outcome))
}

/// What is asked for, whoever the student is.
pub struct Asked<'a> {
    /// Labs or steps of them, as on the command line.
    pub targets: &'a [String],
    /// The parameters set for all of them.
    pub settings: &'a Settings,
    /// Whether parameters are made of the student's id, whatever the course says.
    pub personal: bool,
}

/// All that is known before anybody looks.
pub struct Prepared {
    /// What to look for, lab by lab.
    pub plans: Vec<Plan>,
    /// What else a run is told.
    pub brief: Brief,
}

/// Plans what is asked for, for one student: every mistake in it is found here.
pub fn prepare(library: &Library, asked: &Asked<'_>, mut student: Student) -> Result<Prepared, Error> {
    let course = course(library)?;
    let subjects = targets(asked.targets, library, course.as_ref())?;
    check_settings(asked.settings, &subjects)?;
    if asked.personal && student.id.is_none() {
        let help = "say who it is with `--student ID`, or `student:` in labrun.yaml";
        return Err(Error::Usage(format!("--personal makes parameters of a student's id: {help}")));
    }
    let wants_personal = asked.personal || course.as_ref().is_some_and(|course| course.personal);
    let personal = wants_personal && student.id.is_some();
    let of_each: Vec<Settings> = subjects
        .iter()
        .map(|(source, _)| {
            let of_library = library.name_of(source).is_some();
            let settled = course.as_ref().filter(|_| of_library).map(|course| course.settings(source));
            let course = settled.unwrap_or_default();
            let setters = handed_in::Setters { course, wants_personal, set: asked.settings };
            handed_in::settings(source, library, &setters, &mut student)
        })
        .collect();
    let with_settings = subjects.iter().zip(&of_each);
    let plans = plans(with_settings.map(|((source, steps), own)| (source, own, steps.as_slice())), library)?;
    check_ids(&plans)?;
    check_steps(&plans, &subjects, library)?;
    handed_in::compare(&mut student, &subjects, library)?;
    Ok(Prepared { plans, brief: Brief { student, personal, course, challenge: None } })
}

/// How a machine is looked at.
pub struct Look<'a> {
    /// What earlier runs saw there.
    pub journal: Option<&'a Journal>,
    /// Whether that is to credit nothing.
    pub fresh: bool,
    /// The time for all of it but what `consent` allows.
    pub timeout: Duration,
    /// What may be done to the machine.
    pub consent: Consent<'a>,
    /// Is told how far the run is.
    pub progress: Progress<'a>,
}

impl Look<'_> {
    /// Looks at `vm`, once what an earlier run has left aside there is back in its place, and seals what was seen.
    ///
    /// Where nobody could see what the student handed in, nothing is asked: of a student who chose another port, a
    /// look at the usual one would tell what is not so.
    pub async fn at(self, vm: &dyn Vm, prepared: &Prepared) -> Result<Evidence, Error> {
        let blind;
        let vm = match &prepared.brief.student.file {
            File::Unseen(why) => {
                blind = Unreached { reached: vm.machine().reached, why: why.clone() };
                &blind
            }
            _ => vm,
        };
        // Somebody may have to type a password first, which takes none of the run's time.
        vm.arrive().await;
        let of_this_run = OfThisRun::default();
        let memory: &dyn Memory = self.journal.map_or(&of_this_run, |journal| journal);
        let repairs = repair(vm, self.consent.say);
        let repaired_in = within(self.timeout, repairs, self.consent.say).await.map_err(|process| {
            let what = "has set something of this machine aside, and will put it back: wait until it has ended";
            Error::Usage(format!("another labrun (process {process}) {what}"))
        })?;
        let limits = Limits { run: self.timeout.saturating_sub(repaired_in), ..Limits::default() };
        let Prepared { plans, brief } = prepared;
        let mut evidence = observe(plans, vm, memory, self.consent, limits, brief, self.progress).await;
        evidence.credit = self.journal.filter(|_| !self.fresh).map_or_else(Vec::new, |journal| journal.credit(plans));
        seal(&mut evidence);
        Ok(evidence)
    }
}

/// How long `repairs` took, or all of the run's `time`: an engine may pretend that there is no end of what was left.
async fn within<E>(
    time: Duration,
    repairs: impl Future<Output = Result<Duration, E>>,
    say: &(dyn Fn(&Text) + Send + Sync),
) -> Result<Duration, E> {
    tokio::time::timeout(time, repairs).await.unwrap_or_else(|_| {
        say(&Text::new(
            "lo que dejó una corrida anterior no pudo volver a su lugar en el tiempo de esta, y no queda tiempo para mirar \
             nada. El próximo `labrun check` lo intenta de nuevo",
            "what an earlier run left could not be put back in the time of this run, and none is left to look at anything. \
             The next `labrun check` tries again",
        ));
        Ok(time)
    })
}

/// What the last look at each lab came to, whichever machine that was at; a pipeline has nobody to go on with it.
fn lasts(environment: &Environment) -> Option<Lasts> {
    environment.journal.as_deref().filter(|_| !environment.in_ci).map(Lasts::beside)
}

/// The record of earlier runs. One that cannot be read credits nothing, and is no reason not to look.
pub fn open_journal(environment: &Environment) -> Option<Journal> {
    let path = environment.journal.as_ref()?;
    match Journal::open(path) {
        Ok(journal) => Some(journal),
        Err(error) => {
            say(&format!("labrun: {} credits nothing: {error}", path.display()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn repairs_take_no_more_than_the_time_of_the_run() {
        let said = Mutex::new(Vec::new());
        let say = |text: &Text| said.lock().unwrap().push(text.en.clone());
        let (short, long) = (Duration::from_millis(20), Duration::from_secs(60));
        let busy = within(long, std::future::ready(Err::<Duration, u32>(7)), &say).await;
        assert_eq!(busy, Err(7));
        let honest = within(long, std::future::ready(Ok::<Duration, u32>(short)), &say).await;
        assert_eq!((honest, said.lock().unwrap().len()), (Ok(short), 0));
        let endless = within(short, std::future::pending::<Result<Duration, u32>>(), &say).await;
        assert_eq!(endless, Ok(short));
        assert!(said.lock().unwrap()[0].contains("could not be put back in the time of this run"));
    }
}
