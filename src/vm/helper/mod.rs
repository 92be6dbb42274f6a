//! Places that labrun cannot dial from itself: the namespace of a container, without root, and an endpoint of its own
//! on a docker network. A helper stands there: a container of labrun's own binary, which dials when it is told to. It
//! lives as long as its standard input is open, so it ends with this process however that ends.

mod architecture;
mod attached;
mod container;
mod image;
mod link;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::OnceCell;

use crate::evidence::{Cause, Unobserved};
use crate::vm::connect::Pace;
use crate::vm::inside::Target;
use crate::vm::{Dial, DialError};

pub use attached::{Attached, start_attached};
pub use container::{LABEL, NAME_PREFIX, remove_forgotten};
pub use link::{Link, Talk};
pub use wire::{config, serve};

use container::Helper;
use image::Image;
use wire::Request;

/// How often one place gets a helper anew, should somebody end the one before.
const MAX_STARTS: u32 = 3;

/// How long to wait for helpers to be gone when the run is over.
const FAREWELL: Duration = Duration::from_millis(900);

/// What a helper is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It enters the namespace of any container.
    Enters,
    /// It stands on the network of this id.
    On(String),
}

/// The helper of one place, or why there is none; `Ok(None)` when the place itself is not there.
type Started = Result<Option<Arc<Helper>>, Unobserved>;

/// The image of all helpers, or why there is none.
type Made = Arc<OnceCell<Result<Image, Unobserved>>>;

/// The helpers of one run, each started when it is first needed.
#[derive(Default)]
pub struct Helpers {
    slots: Mutex<BTreeMap<Role, Slot>>,
    /// What they are all made of, given to the engine once.
    image: Mutex<Made>,
    /// The binary they are made of, where that is not this one.
    program: Option<PathBuf>,
}

struct Slot {
    starts: u32,
    /// Goes on whether or not anybody still waits: a helper that is half made would stay behind.
    helper: Shared<BoxFuture<'static, Started>>,
}

impl Helpers {
    /// Helpers made of the static binary `program`, or of this very one.
    pub fn of(program: Option<PathBuf>) -> Helpers {
        Helpers { program, ..Helpers::default() }
    }

    /// The helper for `role`. `Ok(None)` when the network it is to stand on is not there.
    pub async fn get(&self, role: &Role, docker: &Docker) -> Started {
        let helper = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = slots.entry(role.clone()).or_insert_with(|| self.start(role, docker, 1));
            if slot.starts < MAX_STARTS && is_over(&slot.helper) {
                *slot = self.start(role, docker, slot.starts + 1);
            }
            slot.helper.clone()
        };
        helper.await
    }

    fn start(&self, role: &Role, docker: &Docker, starts: u32) -> Slot {
        let (role, docker, image, program) = (role.clone(), docker.clone(), self.image(), self.program.clone());
        let started = tokio::spawn(async move { container::start(&docker, &role, &image, program.as_deref()).await });
        let started = started.map(|ended| ended.unwrap_or_else(|error| Err(crashed(&error))));
        Slot { starts, helper: started.boxed().shared() }
    }

    fn image(&self) -> Made {
        self.image.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets go those that stand on a network, whose student may want to remove it, and gives those that failed or were
    /// ended another chance: for a run that goes on and on.
    pub async fn step_back(&self) {
        let back = {
            let mut image = self.image.lock().unwrap_or_else(PoisonError::into_inner);
            if image.get().is_some_and(Result::is_err) {
                *image = Made::default();
            }
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let (back, stay) = std::mem::take(&mut *slots).into_iter().partition(|(role, slot)| {
                matches!(role, Role::On(_)) || is_over(&slot.helper) || matches!(slot.helper.peek(), Some(Err(_)))
            });
            *slots = stay;
            back
        };
        farewell(back).await;
    }

    /// Lets all helpers go, and waits a little for them to be gone: a student who removes a network right after the
    /// run must not find somebody on it.
    pub async fn leave(&self) {
        let slots = std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner));
        farewell(slots).await;
    }
}

/// Lets go the helpers of these places.
async fn farewell(slots: BTreeMap<Role, Slot>) {
    let farewells = slots.into_values().map(|slot| async move {
        if let Ok(Some(helper)) = slot.helper.await {
            helper.leave().await;
        }
    });
    let _ = tokio::time::timeout(FAREWELL, futures_util::future::join_all(farewells)).await;
}

/// Whether there is no use in a slot any more: somebody ended its helper, or the place was not there then.
fn is_over(helper: &Shared<BoxFuture<'static, Started>>) -> bool {
    match helper.peek() {
        Some(Ok(Some(helper))) => !helper.is_alive(),
        Some(Ok(None)) => true,
        Some(Err(_)) | None => false,
    }
}

fn crashed(error: &tokio::task::JoinError) -> Unobserved {
    let why = error.to_string();
    Unobserved::new(
        Cause::Malformed,
        format!("el ayudante no arrancó, por un error de labrun: {why}"),
        format!("the helper did not start, by a bug of labrun: {why}"),
    )
}

/// Dials through a helper.
pub async fn dial(helper: &Helper, inside: Option<Target>, host: &str, port: u16, pace: Pace) -> Dial {
    match helper.dial(Request { inside, host: host.to_owned(), port, pace }).await {
        Ok(dial) => dial,
        Err(why) => Dial { namespace: None, outcome: Err(DialError::PathLost(why)) },
    }
}
