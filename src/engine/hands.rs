//! What opt-in probes do to the machine's containers. Every change leaves its trace in the engine itself, a name or a
//! label, and is undone from that alone: by the run that made it or, if that one was killed, by the next.

mod trace;
mod twin;

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::NetworkConnectRequest;
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptions, ListImagesOptions, ListNetworksOptions, ListVolumesOptions,
    RemoveContainerOptions, RemoveImageOptions, RemoveVolumeOptions, RenameContainerOptions, StopContainerOptions,
    UploadToContainerOptions,
};
use bollard::{Docker, body_full};

use crate::evidence::Unobserved;
use crate::vm::Vm;

pub use trace::{Owner, is_in_hand};

use trace::{Aside, OWNER, State, is_project_of, owner_of_project, project};
use twin::twin;

/// How long one change may take. An engine waits for a container to end before it kills it.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long a container may take to end by itself, in seconds: a database that is killed has to recover.
const TO_END: i32 = 20;

/// The same for one that was made anew, and may still be getting ready, in which not all programs listen to signals.
const MADE_TO_END: i32 = 8;

/// How often undoing is tried, and how long it waits for what the engine still has under way.
const TRIES: usize = 8;
const PAUSE: Duration = Duration::from_millis(250);

/// The means to change things on the machine in the name of one run.
pub struct Hands {
    docker: Docker,
    owner: Owner,
}

impl Hands {
    /// Those of this run.
    pub async fn of_this_run(vm: &dyn Vm) -> Result<Hands, Unobserved> {
        Ok(Hands { docker: vm.docker().await?, owner: Owner::of_this_run(vm).await })
    }

    /// Those of every run that left something undone.
    pub async fn of_others(vm: &dyn Vm) -> Result<Vec<Hands>, Unobserved> {
        let docker = vm.docker().await?;
        let (own, traces) = futures_util::join!(Owner::of_this_run(vm), traces(&docker));
        let mut owners = BTreeSet::new();
        if let Ok(traces) = traces {
            owners.extend(traces.into_iter().map(|trace| trace.owner).filter(|owner| *owner != own));
        }
        Ok(owners.into_iter().map(|owner| Hands { docker: docker.clone(), owner }).collect())
    }

    /// Whose hands they are.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The name of the compose project that this run may bring up.
    pub fn project(&self) -> String {
        project(&self.owner)
    }

    /// The names of the containers that are set aside now.
    pub async fn aside(&self) -> Vec<String> {
        self.traces()
            .await
            .unwrap_or_default()
            .into_iter()
            .filter_map(|trace| trace.aside.map(|aside| aside.name))
            .collect()
    }

    /// Stops a container and gives it another name. It keeps everything else, its id and its place on its networks.
    pub async fn set_aside(&self, id: &str) -> Result<(), String> {
        let inspect = done(self.docker.inspect_container(id, None)).await?;
        let state = inspect.state.unwrap_or_default();
        let state = match (state.running, state.paused) {
            (Some(true), Some(true)) => State::Paused,
            (Some(true), _) => State::Running,
            _ => State::Stopped,
        };
        let name = inspect.name.unwrap_or_default().trim_start_matches('/').to_owned();
        let aside = Aside { name, state, owner: self.owner.clone() };
        // The trace comes before what it is a trace of.
        done(self.docker.rename_container(id, RenameContainerOptions { name: aside.to_string() })).await?;
        if state == State::Paused {
            done(self.docker.unpause_container(id)).await?;
        }
        if state != State::Stopped {
            done(self.docker.stop_container(id, Some(gently(TO_END)))).await?;
        }
        Ok(())
    }

    /// Makes and starts a container anew, from what the engine knows of one that is set aside, under that one's name.
    pub async fn make_anew(&self, id: &str) -> Result<(), String> {
        let inspect = done(self.docker.inspect_container(id, None)).await?;
        let twin = twin(inspect, &self.owner)?;
        let options = CreateContainerOptions { name: Some(twin.name), ..Default::default() };
        let made = done(self.docker.create_container(Some(options), twin.body)).await?;
        for (network, end) in twin.others {
            let request = NetworkConnectRequest { container: made.id.clone(), endpoint_config: Some(end) };
            done(self.docker.connect_network(&network, request)).await?;
        }
        done(self.docker.start_container(&made.id, None)).await
    }

    /// Puts the files of a tar archive below a path of a container, running or not.
    pub async fn fill(&self, id: &str, path: &str, archive: Vec<u8>) -> Result<(), String> {
        let options = UploadToContainerOptions { path: path.to_owned(), ..Default::default() };
        done(self.docker.upload_to_container(id, Some(options), body_full(archive.into()))).await
    }

    /// Undoes everything that its run did. Says what could not be undone.
    pub async fn undo(&self) -> Vec<String> {
        // What was made has to be gone, and nothing of it on its way, before an original comes back to its place: two
        // servers on the same data would ruin it.
        let mut failures = self.until_quiet(Undo::Made).await;
        failures.extend(self.until_quiet(Undo::Aside).await);
        failures
    }

    /// Goes on until there is nothing left to undo twice in a row, since what the engine had under way may come about
    /// only now. What the last attempt could not do is what cannot be done.
    async fn until_quiet(&self, what: Undo) -> Vec<String> {
        let mut failures = Vec::new();
        let mut quiet = 0;
        for _ in 0..TRIES {
            let tally = match what {
                Undo::Made => self.remove_what_was_made().await,
                Undo::Aside => self.put_all_back().await,
            };
            let tally = tally.unwrap_or_else(|error| Tally { found: true, failures: vec![error] });
            quiet = if tally.found { 0 } else { quiet + 1 };
            failures = tally.failures;
            if quiet == 2 {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        failures
    }

    async fn remove_what_was_made(&self) -> Result<Tally, String> {
        let mut tally = Tally::default();
        for made in self.traces().await?.into_iter().filter(|trace| trace.aside.is_none()) {
            tally.found = true;
            if made.gently {
                tally.note(gone(self.docker.stop_container(&made.id, Some(gently(MADE_TO_END)))).await);
            }
            let options = RemoveContainerOptions { v: true, force: true, link: false };
            tally.note(gone(self.docker.remove_container(&made.id, Some(options))).await);
        }
        self.remove_project(&mut tally).await?;
        Ok(tally)
    }

    async fn put_all_back(&self) -> Result<Tally, String> {
        let mut tally = Tally::default();
        for trace in self.traces().await? {
            let Some(aside) = trace.aside else { continue };
            tally.found = true;
            let put = self.put_back(&trace.id, &aside).await;
            tally.note(put.map_err(|why| format!("`{}` ({}): {why}", aside.name, &trace.id[..trace.id.len().min(12)])));
        }
        Ok(tally)
    }

    async fn traces(&self) -> Result<Vec<Trace>, String> {
        let mut traces = traces(&self.docker).await?;
        traces.retain(|trace| trace.owner == self.owner);
        Ok(traces)
    }

    async fn put_back(&self, id: &str, aside: &Aside) -> Result<(), String> {
        if aside.state != State::Stopped {
            // Whoever set it aside may have been cut short just after asking it to end.
            done(self.docker.stop_container(id, Some(gently(TO_END)))).await?;
            done(self.docker.start_container(id, None)).await?;
        }
        if aside.state == State::Paused {
            let inspect = done(self.docker.inspect_container(id, None)).await?;
            if inspect.state.and_then(|state| state.paused) != Some(true) {
                done(self.docker.pause_container(id)).await?;
            }
        }
        // Last, since the name is the trace.
        done(self.docker.rename_container(id, RenameContainerOptions { name: aside.name.clone() })).await
    }

    /// Removes what is left of the run's compose project but its containers.
    async fn remove_project(&self, tally: &mut Tally) -> Result<(), String> {
        let label = format!("com.docker.compose.project={}", self.project());
        let filters = || Some(HashMap::from([("label".to_owned(), vec![label.clone()])]));
        let networks = done(self.docker.list_networks(Some(ListNetworksOptions { filters: filters() }))).await?;
        for id in networks.into_iter().filter_map(|network| network.id) {
            tally.found = true;
            tally.note(gone(self.docker.remove_network(&id)).await);
        }
        let volumes = done(self.docker.list_volumes(Some(ListVolumesOptions { filters: filters() }))).await?;
        for volume in volumes.volumes.unwrap_or_default() {
            tally.found = true;
            let options = RemoveVolumeOptions { force: true };
            tally.note(gone(self.docker.remove_volume(&volume.name, Some(options))).await);
        }
        let images = done(self.docker.list_images(None::<ListImagesOptions>)).await?;
        let tags = images.into_iter().flat_map(|image| image.repo_tags);
        for tag in tags.filter(|tag| is_project_of(tag, &self.owner)) {
            tally.found = true;
            let options = RemoveImageOptions { force: true, ..Default::default() };
            tally.note(gone(self.docker.remove_image(&tag, Some(options), None)).await);
        }
        Ok(())
    }
}

/// What there is to undo.
#[derive(Clone, Copy)]
enum Undo {
    /// What was made is removed.
    Made,
    /// What was set aside is put back.
    Aside,
}

/// What one attempt to undo came to.
#[derive(Default)]
struct Tally {
    /// Whether there was anything to undo.
    found: bool,
    /// What could not be undone.
    failures: Vec<String>,
}

impl Tally {
    fn note(&mut self, outcome: Result<(), String>) {
        self.failures.extend(outcome.err());
    }
}

fn gently(seconds: i32) -> StopContainerOptions {
    StopContainerOptions { t: Some(seconds), ..Default::default() }
}

/// A container that a run of labrun made or set aside.
struct Trace {
    id: String,
    owner: Owner,
    /// What it was before it was set aside; none for one that the run made.
    aside: Option<Aside>,
    /// Whether it works on the student's data, and must not be killed.
    gently: bool,
}

async fn traces(docker: &Docker) -> Result<Vec<Trace>, String> {
    let options = ListContainersOptions { all: true, ..Default::default() };
    let all = done(docker.list_containers(Some(options))).await?;
    let trace = |summary: bollard::models::ContainerSummary| {
        let id = summary.id?;
        let labels = summary.labels.unwrap_or_default();
        // Names of old-style links hold a second slash; the container's own does not.
        let mut names = summary.names.iter().flatten().map(|name| name.trim_start_matches('/'));
        if let Some(aside) = names.find(|name| !name.contains('/')).and_then(|name| name.parse::<Aside>().ok()) {
            return Some(Trace { id, owner: aside.owner.clone(), aside: Some(aside), gently: true });
        }
        if let Some(owner) = labels.get(OWNER).and_then(|owner| owner.parse().ok()) {
            return Some(Trace { id, owner, aside: None, gently: true });
        }
        let owner = labels.get("com.docker.compose.project").and_then(|project| owner_of_project(project))?;
        Some(Trace { id, owner, aside: None, gently: false })
    };
    Ok(all.into_iter().filter_map(trace).collect())
}

/// The answer of the engine, or why it did not do what it was asked, in its own words.
async fn done<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Error::DockerResponseServerError { message, .. })) => Err(message.chars().take(500).collect()),
        Ok(Err(error)) => Err(error.to_string().chars().take(500).collect()),
        Err(_) => Err(format!("the Docker engine did not answer in {} s", PATIENCE.as_secs())),
    }
}

/// The same for removing something, which is as well if it is gone already.
async fn gone<T>(work: impl Future<Output = Result<T, Error>>) -> Result<(), String> {
    let work = async {
        match work.await {
            Ok(_) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    };
    done(work).await
}
