//! One student's machine or repository, looked at for a class.

use std::path::Path;
use std::time::Duration;

use crate::class::grade::Rubric;
use crate::class::roster::Entry;
use crate::cli::SandboxArgs;
use crate::error::Error;
use crate::evidence::{Evidence, Seen};
use crate::observe::Brief;
use crate::probe::{Consent, Kind, Stop};
use crate::run::check::{Look, Prepared};
use crate::run::machine::open;
use crate::run::repository::{Bringing, check_repository, student};
use crate::run::{Environment, handed_in};
use crate::student::Student;
use crate::text::Text;
use crate::vm::address::Address;
use crate::vm::ssh::SshOptions;

/// How long a look may take beyond its own time until it is given up: it keeps that time by itself.
const GRACE: Duration = Duration::from_secs(30);
/// The same for a repository, beside the time that it is given to come up.
const TO_BRING_UP: Duration = Duration::from_secs(720);

/// What every look has in common.
pub struct Way<'a> {
    /// What students are graded by.
    pub rubric: &'a Rubric,
    /// How machines are reached.
    pub ssh: &'a SshOptions,
    /// Where repositories are brought up.
    pub sandbox: &'a SandboxArgs,
    /// The time for a look.
    pub timeout: Duration,
    /// What labrun was started in.
    pub environment: &'a Environment,
}

/// What was seen, and why that is nothing, if it is.
pub type Sight = (Option<Evidence>, Option<Text>);

impl Way<'_> {
    /// Looks at the machine of `entry`.
    pub async fn machine(&self, entry: &Entry, address: &Address) -> Sight {
        let vm = open(address, self.ssh, self.environment);
        let (stop, silent) = (Stop::default(), |_: &Text| {});
        let work = async {
            let prepared = self.prepared(entry, handed_in::read_on(&*vm).await);
            let consent = Consent { to: &[], refused: None, stop: &stop, say: &silent };
            let look = Look { journal: None, fresh: true, timeout: self.timeout, consent, progress: &|_, _| {} };
            look.at(&*vm, &prepared).await
        };
        self.in_time(self.timeout + GRACE, work).await
    }

    /// Brings the repository of `entry` up, and looks at it.
    pub async fn repository(&self, entry: &Entry, path: &Path) -> Sight {
        let (stop, silent) = (Stop::default(), |_: &Text| {});
        let Way { sandbox, timeout, environment, .. } = *self;
        let with = Bringing { sandbox, environment, timeout, stop: &stop, say: &silent, progress: &|_, _| {} };
        let work = async {
            let prepared = self.prepared(entry, student(path)?);
            check_repository(path, &prepared, &with).await
        };
        self.in_time(timeout + sandbox.up_timeout + TO_BRING_UP, work).await
    }

    fn prepared(&self, entry: &Entry, student: Student) -> Prepared {
        let student = Student { id: Some(entry.id.clone()), ..student };
        let plans = self.rubric.plans_for(&entry.id, |_| student.choices.clone());
        let Rubric { personal, course, challenge, .. } = self.rubric;
        let (course, challenge) = (course.clone(), challenge.clone());
        Prepared { plans, brief: Brief { student, personal: *personal, course, challenge } }
    }

    async fn in_time(&self, time: Duration, work: impl Future<Output = Result<Evidence, Error>>) -> Sight {
        match tokio::time::timeout(time, work).await {
            Ok(Ok(evidence)) => {
                let trouble = unreached(&evidence);
                (Some(evidence), trouble)
            }
            Ok(Err(error)) => (None, Some(Text::same(error.to_string()))),
            Err(_) => {
                let seconds = time.as_secs();
                let why = Text::new(
                    format!("la mirada no terminó en {seconds} s"),
                    format!("looking did not end within {seconds} s"),
                );
                (None, Some(why))
            }
        }
    }
}

/// Why nothing at all of the machine was seen, if nothing was.
fn unreached(evidence: &Evidence) -> Option<Text> {
    // What asks the student is answered without the machine.
    let of_machine = |probe: &str| Kind::named(probe).is_some_and(|kind| kind.word.is_none());
    let observations = evidence.observations.iter().filter(|observation| of_machine(&observation.question.probe));
    let mut why = None;
    for sample in observations.flat_map(|observation| &observation.samples) {
        match &sample.seen {
            Seen::Facts(_) => return None,
            Seen::Unobserved(unobserved) => drop(why.get_or_insert_with(|| unobserved.why.clone())),
        }
    }
    why
}
