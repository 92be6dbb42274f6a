//! The container that a sandbox is: made of an image with a Docker engine, without privileges, without a network,
//! within limits, and gone when its standard input is closed.

use std::io;
use std::time::{Duration, SystemTime};

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{CreateContainerOptions, RemoveContainerOptions};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use crate::evidence::{Cause, Unobserved};
use crate::vm::Vm;
use crate::vm::helper::{Attached, LABEL, Link, remove_forgotten, start_attached};
use crate::vm::sandbox::{ENGINE_DATA, HOME, Sandbox};

/// What the container runs; labrun's, so that it fits this labrun whatever the image's age.
const OUTSIDE: &str = include_str!("../../../sandbox/outside.sh");
const INSIDE: &str = include_str!("../../../sandbox/inside.sh");

/// System calls that nothing in a lab needs and that lead deep into the kernel.
const SECCOMP: &str = include_str!("../../../sandbox/seccomp.json");

/// How long the engine may take for one step, the program to get in and say a first word, the inner engine to answer.
const STEP: Duration = Duration::from_secs(30);
const FIRST_WORD: Duration = Duration::from_secs(60);
const ENGINE: Duration = Duration::from_secs(60);

/// What a sandbox may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory in bytes, what lies on its disk included: that is memory too.
    pub memory: u64,
    /// Its disk in bytes: images, containers, volumes, logs.
    pub disk: u64,
    /// Processes and threads at once.
    pub processes: u32,
    /// Thousandths of a processor.
    pub cpu_millis: u32,
    /// How long it lives, whatever happens.
    pub life: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { memory: 4 << 30, disk: 2 << 30, processes: 1500, cpu_millis: 2000, life: Duration::from_secs(20 * 60) }
    }
}

/// Starts a sandbox of `image` on the engine of whoever grades, and waits until its own engine answers.
pub async fn start(grader: &dyn Vm, image: &str, limits: &Limits) -> Result<Sandbox, Unobserved> {
    let docker = &grader.docker().await?;
    remove_forgotten(docker).await;
    let program = std::fs::metadata("/proc/self/exe").map_err(|error| broken(&error.to_string()))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let name = format!("labrun-sandbox-{}-{:x}", std::process::id(), now.as_nanos() as u64);
    let options = CreateContainerOptions { name: Some(name), ..Default::default() };
    let body = described(image, limits, program.len());
    let made = bounded(docker.create_container(Some(options), body)).await?;
    let id = made.map_err(|error| not_made(&error, image))?.id;
    match brought_up(docker, &id).await {
        Ok(sandbox) => Ok(Sandbox { container: Some((docker.clone(), id)), ..sandbox }),
        Err(unobserved) => {
            let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
            let _ = bounded(docker.remove_container(&id, Some(options))).await;
            Err(unobserved)
        }
    }
}

fn described(image: &str, limits: &Limits, program: u64) -> ContainerCreateBody {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    let memory = i64::try_from(limits.memory).unwrap_or(i64::MAX);
    let own = "rw,exec,nosuid,nodev,uid=1000,gid=1000";
    let disks = [
        (ENGINE_DATA, format!("{own},mode=711,size={}", limits.disk)),
        ("/tmp", "rw,exec,nosuid,nodev,mode=1777,size=256m".to_owned()),
        ("/labrun", format!("{own},mode=755,size=512m")),
        (HOME, format!("{own},mode=755,size=512m")),
    ];
    let host_config = HostConfig {
        auto_remove: Some(true),
        network_mode: Some("none".to_owned()),
        readonly_rootfs: Some(true),
        tmpfs: Some(disks.into_iter().map(|(path, options)| (path.to_owned(), options)).collect()),
        cap_drop: words(&["ALL"]),
        // Not held by the user that all runs as: by the files newuidmap and newgidmap alone, for the range of theirs.
        cap_add: words(&["SETUID", "SETGID"]),
        security_opt: Some(vec![
            format!("seccomp={SECCOMP}"),
            "apparmor=unconfined".to_owned(),
            "label=disable".to_owned(),
        ]),
        // A namespace of processes shows its own /proc only where the one around it hides nothing.
        masked_paths: Some(Vec::new()),
        readonly_paths: Some(Vec::new()),
        memory: Some(memory),
        memory_swap: Some(memory),
        nano_cpus: Some(i64::from(limits.cpu_millis) * 1_000_000),
        pids_limit: Some(i64::from(limits.processes)),
        oom_score_adj: Some(500),
        // What runs over its standard output is no log.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..Default::default()
    };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        user: Some("1000:1000".to_owned()),
        entrypoint: words(&["bash", "-c", OUTSIDE]),
        cmd: Some(Vec::new()),
        working_dir: Some("/".to_owned()),
        env: Some(vec![
            format!("LABRUN_SIZE={program}"),
            format!("LABRUN_LIFE={}", limits.life.as_secs()),
            format!("LABRUN_INSIDE={INSIDE}"),
        ]),
        labels: Some([(LABEL.to_owned(), "sandbox".to_owned())].into()),
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host_config),
        ..Default::default()
    }
}

/// Starts the container, gets this program into it, and waits for its engine.
async fn brought_up(docker: &Docker, id: &str) -> Result<Sandbox, Unobserved> {
    let started = bounded(start_attached(docker, id)).await?;
    let Attached { mut input, output, complaint } = started.map_err(|error| broken(&error.to_string()))?;
    let first = async {
        let mut program = tokio::fs::File::open("/proc/self/exe").await?;
        tokio::io::copy(&mut program, &mut input).await?;
        input.flush().await?;
        let mut sandbox = Sandbox::over(Link::over(tokio::io::join(output, input)));
        sandbox.greet().await?;
        io::Result::Ok(sandbox)
    };
    let mute = |error: String| broken(&complaint.said().unwrap_or(error));
    let sandbox = match timeout(FIRST_WORD, first).await {
        Ok(Ok(sandbox)) => sandbox,
        Ok(Err(error)) => return Err(mute(error.to_string())),
        Err(_) => return Err(mute("no first word in time".to_owned())),
    };
    let answers = async {
        while sandbox.docker().await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(ENGINE, answers).await.map_err(|_| mute("its engine does not answer".to_owned()))?;
    Ok(sandbox)
}

async fn bounded<T>(work: impl Future<Output = T>) -> Result<T, Unobserved> {
    timeout(STEP, work).await.map_err(|_| broken("the engine did not do its part in time"))
}

fn not_made(error: &Error, image: &str) -> Unobserved {
    match error {
        Error::DockerResponseServerError { status_code: 404, .. } => Unobserved::new(
            Cause::Unsupported,
            format!(
                "en el motor de Docker de esta máquina no está la imagen `{image}`, que hace falta para levantar \
                 repositorios: armala con `docker build -t {image} sandbox/` (docs/repositories.md)"
            ),
            format!(
                "the Docker engine of this machine does not have the image `{image}`, which it takes to bring \
                 repositories up: build it with `docker build -t {image} sandbox/` (docs/repositories.md)"
            ),
        ),
        error => broken(&error.to_string()),
    }
}

fn broken(why: &str) -> Unobserved {
    let why: String = why.chars().take(600).collect();
    Unobserved::new(
        Cause::Engine,
        format!("no se pudo armar el entorno aislado para el repositorio: {why}"),
        format!("the sandbox for the repository could not be made: {why}"),
    )
}
