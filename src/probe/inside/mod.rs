//! The VM, or a running container in it, as the `/proc` of the VM shows them: no kind of probe, but where several
//! of them begin.

pub mod process;
pub mod users;

use futures_util::future::BoxFuture;
use serde_json::json;

use crate::engine::{ContainerState, Resolution};
use crate::evidence::{Cause, Unobserved};
use crate::probe::{Context, Sheet};
use crate::vm::{FileError, FileText};

/// How many names of those that answer to a name are reported.
const MANY: usize = 200;

/// Whose `/proc` is read.
pub struct At {
    /// A process there: 1 for the VM itself, else the container's first.
    pub pid: u32,
    /// The container's id.
    pub container: Option<String>,
}

/// Why a look into `/proc` came to nothing.
pub enum Lost {
    /// The process is not there, or no more.
    Gone,
    /// The way to look broke.
    Unobserved(Unobserved),
}

impl From<Unobserved> for Lost {
    fn from(unobserved: Unobserved) -> Lost {
        Lost::Unobserved(unobserved)
    }
}

/// Looks with `look` into the container that answers to `container`, or into the VM where none is named. With the
/// facts `found`, `names` and `running` noted; nothing was looked at where no one container runs.
///
/// A container that ended since the engine was asked is asked about once more, so that its end is a fact.
pub async fn look<'c, T>(
    cx: &'c Context<'c>,
    container: Option<&str>,
    look: fn(&'c Context<'c>, At) -> BoxFuture<'c, Result<T, Lost>>,
) -> Result<(Sheet, Option<T>), Unobserved> {
    let mut sheet = Sheet::default();
    let Some(name) = container else {
        sheet.fact("found", json!(null));
        sheet.fact("names", json!([]));
        sheet.fact("running", true);
        return match look(cx, At { pid: 1, container: None }).await {
            Ok(seen) => Ok((sheet, Some(seen))),
            Err(Lost::Unobserved(unobserved)) => Err(unobserved),
            Err(Lost::Gone) => Err(out_of_sight(1)),
        };
    };
    let found = cx.engine.container(name).await?;
    sheet.found(&found, |state| &state.name, MANY);
    let Resolution::One(state) = found else { return Ok((sheet, None)) };
    let seen = look_into(cx, &state, look).await?;
    sheet.fact("running", seen.is_some());
    Ok((sheet, seen))
}

/// Looks with `look` into a container that the engine described as `state`; nothing was looked at where it does not
/// run, or not any more.
pub async fn look_into<'c, T>(
    cx: &'c Context<'c>,
    state: &ContainerState,
    look: fn(&'c Context<'c>, At) -> BoxFuture<'c, Result<T, Lost>>,
) -> Result<Option<T>, Unobserved> {
    let mut pid = process_of(state);
    for _ in 0..2 {
        let Some(now) = pid else { return Ok(None) };
        let seen = match is_of(cx, now, &state.id).await {
            Ok(()) => look(cx, At { pid: now, container: Some(state.id.clone()) }).await,
            Err(lost) => Err(lost),
        };
        match seen {
            Ok(seen) => return Ok(Some(seen)),
            Err(Lost::Unobserved(unobserved)) => return Err(unobserved),
            Err(Lost::Gone) => pid = cx.engine.afresh(&state.id).await?.as_ref().and_then(process_of),
        }
        if pid == Some(now) {
            return Err(out_of_sight(now));
        }
    }
    Err(Unobserved::new(
        Cause::Limit,
        "el contenedor se reinicia más rápido de lo que se lo puede mirar",
        "the container restarts faster than it can be looked at",
    ))
}

fn process_of(state: &ContainerState) -> Option<u32> {
    state.pid.filter(|_| state.running)
}

/// Whether the VM's process `pid` is the one that the engine means: an engine on another machine (`Docker Desktop`)
/// has numbers of its own, and a number may have been given again.
async fn is_of(cx: &Context<'_>, pid: u32, container: &str) -> Result<(), Lost> {
    let says = async |file: &str| {
        let said = text(cx, &format!("/proc/{pid}/{file}"), 64 << 10).await?;
        Ok::<bool, Lost>(String::from_utf8_lossy(&said.bytes).contains(container))
    };
    if says("cgroup").await? || cx.engine.is_secluded().await? {
        return Ok(());
    }
    // An engine without root has no groups to tell its containers by, but mounts files of each into it.
    if cx.vm.is_beside_engine() && says("mountinfo").await? {
        return Ok(());
    }
    Err(Lost::Gone)
}

/// The first `max` bytes of a file of a process.
pub async fn text(cx: &Context<'_>, path: &str, max: usize) -> Result<FileText, Lost> {
    match cx.patiently(cx.vm.read_file(path, max)).await? {
        Some(Ok(text)) => Ok(text),
        Some(Err(error)) => Err(lost(path, &error)),
        None => Err(lost(path, &FileError::Broken("no answer in time".to_owned()))),
    }
}

/// What became of reading `path`, a file of a process.
pub fn lost(path: &str, error: &FileError) -> Lost {
    let cause = match error {
        FileError::NotFound => return Lost::Gone,
        FileError::Denied => Cause::Permission,
        FileError::WrongKind | FileError::Broken(_) => Cause::Path,
    };
    Lost::Unobserved(Unobserved::new(
        cause,
        format!("no se pudo leer {path} de la VM: {error}"),
        format!("{path} of the VM could not be read: {error}"),
    ))
}

/// `what` the kernel says makes no sense.
pub fn malformed(what: &str) -> Lost {
    Lost::Unobserved(Unobserved::new(
        Cause::Malformed,
        format!("no se entiende {what} de la VM"),
        format!("{what} of the VM makes no sense"),
    ))
}

fn out_of_sight(pid: u32) -> Unobserved {
    Unobserved::new(
        Cause::Permission,
        format!(
            "el proceso {pid} está y no se ve desde acá: o /proc está montado con hidepid (corré labrun con sudo), \
             o el motor de Docker corre en otra máquina"
        ),
        format!(
            "process {pid} is there and cannot be seen from here: either /proc is mounted with hidepid (run labrun \
             with sudo), or the Docker engine runs on another machine"
        ),
    )
}
