//! A student's repository: brought up from nothing on a machine that is thrown away, looked at, and gone.

mod brought_up;

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use crate::cli::{Policy, SandboxArgs, Where};
use crate::error::Error;
use crate::evidence::{Evidence, Unobserved};
use crate::observe::Progress;
use crate::probe::Stop;
use crate::repository::{Refusal, Why};
use crate::run::check::Prepared;
use crate::run::{Environment, handed_in};
use crate::student::Student;
use crate::text::Text;
use crate::vm::Vm;
use crate::vm::local::Local;
use crate::vm::sandbox::packed::{NotPacked, Packed, pack};
use crate::vm::sandbox::{Limits, REPOSITORY, Sandbox, start};

use brought_up::Site;

/// How a repository is looked at.
pub struct Bringing<'a> {
    /// On what, and within which limits.
    pub sandbox: &'a SandboxArgs,
    /// What the machine of whoever grades is like.
    pub environment: &'a Environment,
    /// The time for looking, once it is up.
    pub timeout: Duration,
    /// How the run is asked to end.
    pub stop: &'a Stop,
    /// Says something to whoever is there.
    pub say: &'a (dyn Fn(&Text) + Send + Sync),
    /// Is told how far the look is.
    pub progress: Progress<'a>,
}

/// What the student has handed in beside the compose file. A link in its place is not followed.
pub fn student(repository: &Path) -> Result<Student, Error> {
    let file = repository.join(handed_in::NAME);
    match std::fs::symlink_metadata(&file) {
        Err(_) => Ok(Student::default()),
        Ok(meta) if meta.is_symlink() => {
            Ok(Student::unreadable(handed_in::NAME, "es un enlace simbólico", "it is a symbolic link"))
        }
        Ok(_) => handed_in::read(Some(&file), None),
    }
}

/// Brings the repository at `path` up, looks at it as `prepared` says, and throws the machine away. What breaks on the
/// way, beside the path itself, is evidence of nothing: every check is then unknown, and says why.
pub async fn check_repository(path: &Path, prepared: &Prepared, with: &Bringing<'_>) -> Result<Evidence, Error> {
    let failed = |error| Error::File { path: path.display().to_string(), error };
    let (packed, too_much) = match pack(path).await {
        Ok(packed) => (packed, None),
        Err(NotPacked::TooMuch(most)) => (Packed::default(), Some(most)),
        Err(NotPacked::Broken(error)) => return Err(failed(error)),
    };
    let mut beforehand: Vec<Refusal> = Vec::new();
    let refused =
        |file: &str, key: &str, why| Refusal { file: file.to_owned(), part: String::new(), key: key.to_owned(), why };
    beforehand.extend(too_much.map(|most| refused(".", "repository", Why::TooMuch(most.to_owned()))));
    let link = |(file, target): &(String, String)| refused(file, "symlink", Why::LeavesRepository(target.clone()));
    beforehand.extend(packed.leaving.iter().map(link));
    // Here nothing holds but the policy.
    let enforced =
        with.sandbox.policy == Policy::Enforce || with.sandbox.sandbox == Where::ThisMachine || too_much.is_some();
    (with.say)(&spoken(with.sandbox.sandbox));
    let grader = with.environment.local();
    let up_timeout = with.sandbox.up_timeout;
    match with.sandbox.sandbox {
        Where::ThisMachine => {
            let folder = path.canonicalize().map_err(failed)?.to_string_lossy().into_owned();
            let site = Site { vm: &grader, folder: &folder, images_from: None, up_timeout, begun: Cell::default() };
            let evidence = site.look(&packed, beforehand, enforced, prepared, with).await;
            site.take_down().await;
            evidence
        }
        Where::Rootless => match sandbox(&grader, &packed, with.sandbox).await {
            Ok(sandbox) => {
                let images_from: Option<&dyn Vm> = Some(&grader);
                let site = Site { vm: &sandbox, folder: REPOSITORY, images_from, up_timeout, begun: Cell::default() };
                let evidence = site.look(&packed, beforehand, enforced, prepared, with).await;
                sandbox.leave().await;
                evidence
            }
            Err(why) => brought_up::unknown(why, prepared, with).await,
        },
    }
}

/// A sandbox with the repository in it.
async fn sandbox(grader: &Local, packed: &Packed, args: &SandboxArgs) -> Result<Sandbox, Unobserved> {
    let limits = Limits { memory: args.sandbox_memory, disk: args.sandbox_disk, ..Limits::default() };
    let sandbox = start(grader, &args.sandbox_image, &limits).await?;
    sandbox.unpack(REPOSITORY, &packed.archive).await?;
    Ok(sandbox)
}

/// What is said before anything is brought up.
fn spoken(on: Where) -> Text {
    match on {
        Where::Rootless => Text::new(
            "el repositorio se levanta en un entorno aislado: un contenedor sin privilegios ni red, con un motor de \
             Docker sin root adentro, que después se tira",
            "the repository is brought up in a sandbox: a container without privileges or network, with a Docker engine \
             without root in it, which is thrown away afterwards",
        ),
        Where::ThisMachine => Text::new(
            "CUIDADO: el repositorio se levanta en esta misma máquina, y nada lo separa de ella salvo la lectura previa \
             de su archivo de compose. Sólo donde la máquina misma es descartable, como en CI",
            "BEWARE: the repository is brought up on this very machine, and nothing stands between the two but the \
             reading of its compose file beforehand. Only where the machine itself is thrown away, as in CI",
        ),
    }
}
