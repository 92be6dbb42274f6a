//! A helper's container: made, spoken to over its standard input and output, and gone when that is closed.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{CreateContainerOptions, ListContainersOptions, RemoveContainerOptions};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::evidence::{Cause, Unobserved};
use crate::vm::Dial;
use crate::vm::connect::Pace;
use crate::vm::helper::Role;
use crate::vm::helper::architecture;
use crate::vm::helper::attached::{Attached, Complaint, start_attached};
use crate::vm::helper::image::{Image, LIBRARIES, PROGRAM};
use crate::vm::helper::link::Link;
use crate::vm::helper::wire::Request;

/// The label of everything that labrun brings to an engine.
pub const LABEL: &str = "labrun.helper";

/// How the names of helpers begin. No report speaks of a container of such a name.
pub const NAME_PREFIX: &str = "labrun-helper-";

/// How long the engine may take for one step, and how long a helper for its first word.
const ENGINE: Duration = Duration::from_secs(10);
/// The image is some megabytes, and the machine may be far away.
const LOADING: Duration = Duration::from_secs(60);
const FIRST_WORD: Duration = Duration::from_secs(5);

/// How old a helper that never ran must be to be removed: its run is over, and was killed between two steps.
const FORGOTTEN: Duration = Duration::from_secs(300);

/// A running helper.
pub struct Helper {
    link: Mutex<Option<Arc<Link>>>,
    complaint: Complaint,
    docker: Docker,
    id: String,
}

impl Helper {
    /// Whether it still listens.
    pub fn is_alive(&self) -> bool {
        self.link().is_some_and(|link| link.is_alive())
    }

    /// Has it dial.
    pub async fn dial(&self, request: Request) -> Result<Dial, String> {
        let Some(link) = self.link() else { return Err("the helper was let go".to_owned()) };
        link.dial(&request).await.map_err(|error| self.complaint.said().unwrap_or_else(|| error.to_string()))
    }

    /// Lets it go, and waits until it is gone.
    pub async fn leave(&self) {
        drop(self.link.lock().unwrap_or_else(PoisonError::into_inner).take());
        while self.docker.inspect_container(&self.id, None).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn link(&self) -> Option<Arc<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts a helper. `Ok(None)` when the network it is to stand on is not there.
pub async fn start(
    docker: &Docker,
    role: &Role,
    image: &OnceCell<Result<Image, Unobserved>>,
    program: Option<&Path>,
) -> Result<Option<Arc<Helper>>, Unobserved> {
    let image = image.get_or_init(|| provide(docker, program)).await.as_ref().map_err(Unobserved::clone)?;
    let mut made = create(docker, image, role).await?;
    if made.as_ref().is_err_and(is_not_there) && bounded(docker.inspect_image(&image.name)).await?.is_err() {
        // Another labrun, of another version, has tidied up in between.
        bounded(image.load(docker)).await?.map_err(|error| not_loaded(&error))?;
        made = create(docker, image, role).await?;
    }
    let id = match made {
        Ok(id) => id,
        Err(error) if matches!(role, Role::On(_)) && is_not_there(&error) => return Ok(None),
        Err(error) => return Err(not_started(&error)),
    };
    let started = run(docker, &id).await;
    let (link, complaint) = match started {
        Ok(started) => started,
        Err(error) => {
            let options = RemoveContainerOptions { force: true, ..Default::default() };
            let _ = bounded(docker.remove_container(&id, Some(options))).await;
            return match error {
                NotRun::Engine(error) if matches!(role, Role::On(_)) && is_not_there(&error) => Ok(None),
                NotRun::Engine(error) => Err(not_started(&error)),
                NotRun::Mute(complaint) => Err(mute(&complaint)),
                NotRun::Unobserved(unobserved) => Err(unobserved),
            };
        }
    };
    Ok(Some(Arc::new(Helper { link: Mutex::new(Some(Arc::new(link))), complaint, docker: docker.clone(), id })))
}

/// The image, in the engine; and nothing there that earlier runs have left.
async fn provide(docker: &Docker, program: Option<&Path>) -> Result<Image, Unobserved> {
    let version = bounded(docker.version()).await?.map_err(|error| not_started(&error))?;
    architecture::check(&version.arch.unwrap_or_default(), program)?;
    let image = match program {
        None => Image::of_this_program().await.map_err(|error| not_packed(&error))?,
        Some(program) => Image::of(program).await.map_err(|error| not_static(program, &error))?,
    };
    timeout(LOADING, image.provide(docker))
        .await
        .map_err(|_| too_slow(LOADING))?
        .map_err(|error| not_loaded(&error))?;
    let ((), ()) = futures_util::join!(image.remove_others(docker), remove_forgotten(docker));
    Ok(image)
}

async fn create(docker: &Docker, image: &Image, role: &Role) -> Result<Result<String, Error>, Unobserved> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let name = format!("{NAME_PREFIX}{}-{:x}", std::process::id(), now.as_nanos() as u64);
    let options = CreateContainerOptions { name: Some(name), ..Default::default() };
    let body = described(image, role);
    Ok(bounded(docker.create_container(Some(options), body)).await?.map(|made| made.id))
}

/// The container: nothing of the machine in it, nothing it may write, no privilege but what its role takes.
fn described(image: &Image, role: &Role) -> ContainerCreateBody {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    let common = HostConfig {
        auto_remove: Some(true),
        cap_drop: words(&["ALL"]),
        readonly_rootfs: Some(true),
        security_opt: words(&["no-new-privileges"]),
        // What runs over its standard output is no log.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..Default::default()
    };
    let host_config = match role {
        Role::Enters => HostConfig {
            cap_add: words(&["SYS_ADMIN", "SYS_PTRACE"]),
            pid_mode: Some("host".to_owned()),
            userns_mode: Some("host".to_owned()),
            network_mode: Some("none".to_owned()),
            // Their confinement forbids what those privileges are for.
            security_opt: words(&["no-new-privileges", "apparmor=unconfined", "label=disable"]),
            ..common
        },
        Role::On(network) => HostConfig { network_mode: Some(network.clone()), ..common },
    };
    let what = match role {
        Role::Enters => "enters",
        Role::On(_) => "on-a-network",
    };
    ContainerCreateBody {
        image: Some(image.name.clone()),
        entrypoint: words(&[PROGRAM, "helper"]),
        env: Some(vec![format!("LD_LIBRARY_PATH={LIBRARIES}")]),
        user: matches!(role, Role::On(_)).then(|| "65534:65534".to_owned()),
        labels: Some([(LABEL.to_owned(), what.to_owned())].into()),
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host_config),
        ..Default::default()
    }
}

/// Why a container that was made does not serve.
enum NotRun {
    /// The engine did not start it.
    Engine(Error),
    /// It was started and says nothing sensible; this is what it complained of.
    Mute(String),
    /// The engine does not answer.
    Unobserved(Unobserved),
}

impl From<Unobserved> for NotRun {
    fn from(unobserved: Unobserved) -> NotRun {
        NotRun::Unobserved(unobserved)
    }
}

async fn run(docker: &Docker, id: &str) -> Result<(Link, Complaint), NotRun> {
    let Attached { input, output, complaint } = bounded(start_attached(docker, id)).await?.map_err(NotRun::Engine)?;
    let link = Link::over(tokio::io::join(output, input));
    // Any answer will do: that nobody listens at port 0 is one.
    let pace = Pace { spacing: Duration::ZERO, attempts: 1, whole: Duration::from_secs(1) };
    let hello = Request { inside: None, host: "127.0.0.1".to_owned(), port: 0, pace };
    match timeout(FIRST_WORD, link.dial(&hello)).await {
        Ok(Ok(_)) => Ok((link, complaint)),
        _ => Err(NotRun::Mute(complaint.said().unwrap_or_default())),
    }
}

/// Removes helpers that were made and never started, by runs that are over. Those that run are somebody's.
pub async fn remove_forgotten(docker: &Docker) {
    let words = |word: &str| vec![word.to_owned()];
    let filters = [("label".to_owned(), words(LABEL)), ("status".to_owned(), words("created"))].into();
    let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let old = now.saturating_sub(FORGOTTEN).as_secs();
    for container in docker.list_containers(Some(options)).await.unwrap_or_default() {
        let made = container.created.and_then(|made| u64::try_from(made).ok());
        if let (Some(id), true) = (container.id, made.is_some_and(|made| made < old)) {
            let _ = docker.remove_container(&id, None::<RemoveContainerOptions>).await;
        }
    }
}

fn is_not_there(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

async fn bounded<T>(work: impl Future<Output = T>) -> Result<T, Unobserved> {
    timeout(ENGINE, work).await.map_err(|_| too_slow(ENGINE))
}

fn too_slow(limit: Duration) -> Unobserved {
    let seconds = limit.as_secs();
    Unobserved::new(
        Cause::Engine,
        format!("el motor de Docker no llegó a arrancar el ayudante de labrun en {seconds} s"),
        format!("the Docker engine did not come to start labrun's helper within {seconds} s"),
    )
}

fn not_static(program: &Path, error: &io::Error) -> Unobserved {
    let program = program.display();
    Unobserved::new(
        Cause::Unsupported,
        format!("--helper {program} no sirve ({error}): tiene que ser un labrun enlazado estáticamente"),
        format!("--helper {program} is of no use ({error}): it must be a statically linked labrun"),
    )
}

fn not_packed(error: &io::Error) -> Unobserved {
    Unobserved::new(
        Cause::Unsupported,
        format!("labrun no pudo empaquetarse para su ayudante ({error}); corré labrun con sudo"),
        format!("labrun could not pack itself for its helper ({error}); run labrun with sudo"),
    )
}

fn not_loaded(error: &Error) -> Unobserved {
    let why = short(error);
    Unobserved::new(
        Cause::Engine,
        format!(
            "el motor de Docker no tomó la imagen del ayudante de labrun ({why}); ¿queda lugar? `docker system df`"
        ),
        format!(
            "the Docker engine did not take the image of labrun's helper ({why}); is there room? `docker system df`"
        ),
    )
}

fn not_started(error: &Error) -> Unobserved {
    let why = short(error);
    match error {
        Error::DockerResponseServerError { status_code: 401 | 403, .. } => Unobserved::new(
            Cause::Permission,
            format!("el motor de Docker no permite el ayudante de labrun ({why}); corré labrun con sudo"),
            format!("the Docker engine does not permit labrun's helper ({why}); run labrun with sudo"),
        ),
        _ => Unobserved::new(
            Cause::Engine,
            format!("el motor de Docker no arrancó el ayudante de labrun: {why}"),
            format!("the Docker engine did not start labrun's helper: {why}"),
        ),
    }
}

fn mute(complaint: &str) -> Unobserved {
    let why = if complaint.is_empty() { "…" } else { complaint };
    let (es, en) = if complaint.contains("exec format error") {
        (
            "el motor de Docker corre en otra arquitectura que labrun",
            "the Docker engine runs on another architecture than labrun",
        )
    } else {
        ("probá otra vez, o con sudo", "try again, or with sudo")
    };
    Unobserved::new(
        Cause::Unsupported,
        format!("el ayudante de labrun no habla ({why}): {es}"),
        format!("labrun's helper does not speak ({why}): {en}"),
    )
}

fn short(error: &Error) -> String {
    error.to_string().chars().take(300).collect()
}
