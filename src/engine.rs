//! The Docker engine as of one round: listed once, inspected on demand and once each, so that everything judged
//! together was seen together. Resolves the names that labs use; judges nothing.

mod events;
mod files;
mod hands;
mod inspected;
mod inventory;
mod listed;
mod logs;
mod names;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{IpamConfig, Network, NetworkInspect, Volume};
use bollard::query_parameters::{ListContainersOptions, ListVolumesOptions, TopOptions};
use tokio::sync::{Mutex, OnceCell};

use crate::evidence::{Cause, Unobserved};
use crate::vm::Vm;
use crate::vm::helper::NAME_PREFIX;

pub use bollard::container::PathStatResponse as PathStat;

pub use events::{Change, Ear, Heard};
pub use hands::{Hands, Owner};
pub use listed::{ComposeLabels, Listed};
pub use logs::Printed;
pub use names::{Candidate, Resolution, choose, pick, published_port};

use listed::listed;

pub use inspected::{Attachment, ContainerState, Mounted, Published, clean_path, is_generated_name, to_the_second};

/// How long one question to the engine may take. An engine answers in milliseconds; a hung one never.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many containers, networks or volumes a machine may have. A list cut here could hide the one asked for.
const MANY: usize = 1000;

/// What becomes of a question asked once: the answer, or why there is none, for everyone who asks again.
type Once<T> = OnceCell<Result<T, Unobserved>>;

/// Things inspected, by id: each once, and none when it was gone by then.
type Inspected<T, K = String> = Mutex<HashMap<K, Arc<Once<Option<Arc<T>>>>>>;

/// The machine's Docker engine, as of one round.
pub struct Engine<'a> {
    vm: &'a dyn Vm,
    deadline: Instant,
    docker: Once<Docker>,
    containers: Once<Vec<Listed>>,
    inspected: Inspected<ContainerState>,
    networks: Once<Vec<Network>>,
    networks_inspected: Inspected<NetworkState>,
    volumes: Once<Vec<VolumeState>>,
    stats: Inspected<PathStat, (String, String)>,
    about: Once<About>,
}

/// What the engine says of itself.
struct About {
    secluded: bool,
    id: Option<String>,
}

/// A network and who is on it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NetworkState {
    /// The engine's id.
    pub id: String,
    /// Its exact name.
    pub name: String,
    /// `bridge`, `host`, `overlay`, …
    pub driver: Option<String>,
    /// Whether it is cut off from everything outside it.
    pub internal: bool,
    /// Its subnets, as configured.
    pub subnets: Vec<String>,
    /// The machine's own IPv4 addresses on it.
    pub gateways: Vec<String>,
    /// The running containers on it: id, name and IPv4 address.
    pub members: Vec<(String, String, Option<String>)>,
}

/// A volume, as the engine's list shows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VolumeState {
    /// Its exact name.
    pub name: String,
    /// `local`, or a plug-in's name.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
    /// Where on the machine it lies.
    pub mountpoint: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was created, RFC 3339 to the second.
    pub created: Option<String>,
}

impl VolumeState {
    /// Whether what is written there is gone when the machine, or its last user, stops.
    pub fn is_volatile(&self) -> bool {
        self.options.get("type").is_some_and(|kind| matches!(kind.as_str(), "tmpfs" | "ramfs"))
    }

    /// The path of the machine that it is another name for (`type=none`, `o=bind`, `device=PATH`).
    pub fn bound_to(&self) -> Option<&str> {
        let bind = self.options.get("type").is_some_and(|kind| kind == "none");
        self.options.get("device").map(String::as_str).filter(|device| bind && device.starts_with('/'))
    }

    /// The name its users know: compose's own, without the project, where compose made it.
    pub fn known_as(&self) -> &str {
        self.labels.get("com.docker.compose.volume").unwrap_or(&self.name)
    }
}

impl<'a> Engine<'a> {
    /// The engine of `vm`, to be asked until `deadline`.
    pub fn new(vm: &'a dyn Vm, deadline: Instant) -> Engine<'a> {
        Engine {
            vm,
            deadline,
            docker: OnceCell::new(),
            containers: OnceCell::new(),
            inspected: Mutex::default(),
            networks: OnceCell::new(),
            networks_inspected: Mutex::default(),
            volumes: OnceCell::new(),
            stats: Mutex::default(),
            about: OnceCell::new(),
        }
    }

    /// The container that answers to `name`: a running service of that compose name, else the container of that
    /// exact name, else a stopped service.
    pub async fn container(&self, name: &str) -> Result<Resolution, Unobserved> {
        let id = match choose(self.containers().await?, name) {
            Resolution::None => return Ok(Resolution::None),
            Resolution::Several(names) => return Ok(Resolution::Several(names)),
            Resolution::One(listed) => &listed.id,
        };
        // Gone between the list and the look: it is not there.
        Ok(self.inspected(id).await?.map_or(Resolution::None, Resolution::One))
    }

    /// The container `id` as this round sees it; none when it was gone by then.
    pub async fn inspected(&self, id: &str) -> Result<Option<Arc<ContainerState>>, Unobserved> {
        let cell = self.inspected.lock().await.entry(id.to_owned()).or_default().clone();
        let inspect = || async {
            let docker = self.docker().await?;
            let answer = self.ask(docker.inspect_container(id, None)).await?;
            Ok(answer.map(|answer| Arc::new(ContainerState::of(answer))))
        };
        cell.get_or_init(inspect).await.clone()
    }

    /// The container `id` as it is by now, whatever this round saw of it.
    pub async fn afresh(&self, id: &str) -> Result<Option<ContainerState>, Unobserved> {
        let docker = self.docker().await?;
        Ok(self.ask(docker.inspect_container(id, None)).await?.map(ContainerState::of))
    }

    /// The processes of the running container `id` by now, by the numbers the machine gives them; none when it does
    /// not run any more.
    pub async fn pids(&self, id: &str) -> Result<Option<Vec<u32>>, Unobserved> {
        let docker = self.docker().await?;
        let options = TopOptions { ps_args: "-eo pid".to_owned() };
        let top = match self.bounded(docker.top_processes(id, Some(options))).await? {
            Ok(top) => top,
            // The engine's words for a container that does not run differ from version to version.
            Err(error) => {
                let runs = self.afresh(id).await?.is_some_and(|state| state.running);
                return if runs { Err(broken(&error)) } else { Ok(None) };
            }
        };
        let column = top.titles.iter().flatten().position(|title| title == "PID");
        let rows = top.processes.unwrap_or_default();
        let pids = rows.iter().map(|row| row.get(column?)?.parse().ok()).collect::<Option<Vec<u32>>>();
        pids.map(Some).ok_or_else(|| {
            Unobserved::new(
                Cause::Malformed,
                "no se entiende la lista de procesos del motor de Docker",
                "the Docker engine's list of processes makes no sense",
            )
        })
    }

    /// Every container there is, by name.
    pub async fn containers(&self) -> Result<&[Listed], Unobserved> {
        let list = || async {
            let docker = self.docker().await?;
            let options = ListContainersOptions { all: true, limit: Some(MANY as i32 + 1), ..Default::default() };
            let answer = self.ask(docker.list_containers(Some(options))).await?.unwrap_or_default();
            let answer = not_too_many(answer, "contenedores", "containers")?;
            let mut all: Vec<Listed> = answer.into_iter().map(listed).filter(|one| !is_helper(&one.name)).collect();
            all.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(all)
        };
        self.containers.get_or_init(list).await.as_deref().map_err(Unobserved::clone)
    }

    /// Whether some container publishes this TCP port of the machine.
    pub async fn publishes(&self, port: u16) -> Result<bool, Unobserved> {
        let containers = self.containers().await?.iter().filter(|container| container.up);
        let mut ports = containers.flat_map(|container| &container.ports);
        Ok(ports.any(|published| published.host_port == Some(port) && published.protocol == "tcp"))
    }

    /// The network that answers to `name`, exactly or as compose's own name for it.
    pub async fn network(&self, name: &str) -> Result<Resolution<Arc<NetworkState>>, Unobserved> {
        let containers = self.containers().await?;
        let networks = self.networks().await?.iter().map(|network| {
            let exact = network.name.clone().unwrap_or_default();
            let label = network.labels.as_ref().and_then(|labels| labels.get("com.docker.compose.network"));
            let used = containers.iter().any(|container| container.up && container.networks.contains_key(&exact));
            Candidate { exact, label: label.cloned(), used, item: network }
        });
        let id = match pick(networks, name) {
            Resolution::None => return Ok(Resolution::None),
            Resolution::Several(names) => return Ok(Resolution::Several(names)),
            Resolution::One(network) => network.id.as_deref().or(network.name.as_deref()).unwrap_or(name),
        };
        let cell = self.networks_inspected.lock().await.entry(id.to_owned()).or_default().clone();
        let inspect = || async {
            let docker = self.docker().await?;
            let answer = self.ask(docker.inspect_network(id, None)).await?;
            Ok(answer.map(|answer| Arc::new(network_state(answer))))
        };
        Ok(match cell.get_or_init(inspect).await.clone()? {
            Some(state) => Resolution::One(state),
            None => Resolution::None,
        })
    }

    async fn networks(&self) -> Result<&[Network], Unobserved> {
        let list = || async {
            let docker = self.docker().await?;
            let answer = self.ask(docker.list_networks(None)).await?.unwrap_or_default();
            not_too_many(answer, "redes", "networks")
        };
        self.networks.get_or_init(list).await.as_deref().map_err(Unobserved::clone)
    }

    /// The volume that answers to `name`, exactly or as compose's own name for it.
    pub async fn volume(&self, name: &str) -> Result<Resolution<&VolumeState>, Unobserved> {
        let containers = self.containers().await?;
        let volumes = self.volumes().await?.iter().map(|volume| Candidate {
            exact: volume.name.clone(),
            label: volume.labels.get("com.docker.compose.volume").cloned(),
            used: containers
                .iter()
                .any(|container| container.up && container.volumes.iter().any(|(name, ..)| *name == volume.name)),
            item: volume,
        });
        Ok(pick(volumes, name))
    }

    /// Every volume there is.
    pub async fn volumes(&self) -> Result<&[VolumeState], Unobserved> {
        let list = || async {
            let docker = self.docker().await?;
            let answer = self.ask(docker.list_volumes(None::<ListVolumesOptions>)).await?.unwrap_or_default();
            let all = not_too_many(answer.volumes.unwrap_or_default(), "volúmenes", "volumes")?;
            Ok(all.into_iter().map(volume_state).collect())
        };
        self.volumes.get_or_init(list).await.as_deref().map_err(Unobserved::clone)
    }

    /// The engine's version, e.g. `26.1.5`.
    pub async fn version(&self) -> Result<String, Unobserved> {
        let docker = self.docker().await?;
        let version = self.ask(docker.version()).await?.and_then(|version| version.version);
        Ok(version.unwrap_or_default().chars().take(100).collect())
    }

    /// Whether the engine keeps its containers in a network of its own (without root, or Docker Desktop's), so that
    /// their addresses lead nowhere on the machine.
    pub async fn is_secluded(&self) -> Result<bool, Unobserved> {
        Ok(!self.vm.is_beside_engine() && self.about().await?.secluded)
    }

    /// What the engine calls itself, the same for as long as it keeps its data.
    pub async fn own_id(&self) -> Result<Option<String>, Unobserved> {
        Ok(self.about().await?.id.clone())
    }

    async fn about(&self) -> Result<&About, Unobserved> {
        let ask = || async {
            let docker = self.docker().await?;
            let info = self.ask(docker.info()).await?.unwrap_or_default();
            let rootless = info.security_options.iter().flatten().any(|option| option == "name=rootless");
            let desktop = info.operating_system.is_some_and(|system| system.contains("Docker Desktop"));
            let id = info.id.filter(|id| !id.is_empty()).map(|id| id.chars().take(100).collect());
            Ok(About { secluded: rootless || desktop, id })
        };
        self.about.get_or_init(ask).await.as_ref().map_err(Unobserved::clone)
    }

    async fn docker(&self) -> Result<&Docker, Unobserved> {
        let connect = || async { self.bounded(self.vm.docker()).await? };
        self.docker.get_or_init(connect).await.as_ref().map_err(Unobserved::clone)
    }

    /// The answer to one question, none when the engine says that there is no such thing.
    async fn ask<T>(&self, question: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Unobserved> {
        match self.bounded(question).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(broken(&error)),
        }
    }

    async fn bounded<T>(&self, work: impl Future<Output = T>) -> Result<T, Unobserved> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(PATIENCE.min(left), work).await {
            Ok(done) => Ok(done),
            Err(_) if left < PATIENCE => Err(Unobserved::out_of_time()),
            Err(_) => Err(Unobserved::new(
                Cause::Engine,
                format!("el motor de Docker no respondió en {} s", PATIENCE.as_secs()),
                format!("the Docker engine did not answer in {} s", PATIENCE.as_secs()),
            )),
        }
    }
}

fn broken(error: &Error) -> Unobserved {
    let why = in_short(error);
    match error {
        Error::DockerResponseServerError { status_code: 401 | 403, .. } => Unobserved::new(
            Cause::Permission,
            format!("el motor de Docker no deja preguntar: {why}"),
            format!("the Docker engine refuses to be asked: {why}"),
        ),
        Error::JsonDataError { .. } | Error::JsonSerdeError { .. } => Unobserved::new(
            Cause::Malformed,
            format!("no se entiende la respuesta del motor de Docker: {why}"),
            format!("the Docker engine's answer makes no sense: {why}"),
        ),
        _ => Unobserved::new(
            Cause::Engine,
            format!("el motor de Docker no respondió bien: {why}"),
            format!("the Docker engine did not answer properly: {why}"),
        ),
    }
}

/// What an error says, at no great length.
fn in_short(error: &Error) -> String {
    error.to_string().chars().take(300).collect()
}

fn not_too_many<T>(list: Vec<T>, es: &str, en: &str) -> Result<Vec<T>, Unobserved> {
    if list.len() <= MANY {
        return Ok(list);
    }
    Err(Unobserved::new(
        Cause::Limit,
        format!("la máquina tiene más de {MANY} {es}, más de los que labrun mira; borrá los que no uses"),
        format!("the machine has more than {MANY} {en}, more than labrun looks at; remove those not in use"),
    ))
}

/// Whether a container is labrun's own, this run's or another's.
fn is_helper(name: &str) -> bool {
    name.starts_with(NAME_PREFIX)
}

fn network_state(inspect: NetworkInspect) -> NetworkState {
    let ranges = inspect.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let mut members: Vec<_> = inspect
        .containers
        .unwrap_or_default()
        .into_iter()
        .map(|(id, end)| {
            let address = end.ipv4_address.as_deref().and_then(|address| address.split('/').next());
            let address = address.filter(|address| !address.is_empty()).map(str::to_owned);
            (id, end.name.unwrap_or_default(), address)
        })
        .filter(|(_, name, _)| !is_helper(name))
        .collect();
    members.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
    NetworkState {
        id: inspect.id.unwrap_or_default(),
        name: inspect.name.unwrap_or_default(),
        driver: inspect.driver,
        internal: inspect.internal.unwrap_or_default(),
        gateways: ranges.iter().filter_map(gateway).collect(),
        subnets: ranges.into_iter().filter_map(|range| range.subnet).collect(),
        members,
    }
}

/// The gateway of a range of addresses; the first of them, where the engine, which chose it so, does not say.
fn gateway(range: &IpamConfig) -> Option<String> {
    if let Some(said) = range.gateway.as_deref().filter(|said| !said.is_empty()) {
        return said.split('/').next().filter(|address| address.parse::<Ipv4Addr>().is_ok()).map(str::to_owned);
    }
    let base: Ipv4Addr = range.subnet.as_deref()?.split('/').next()?.parse().ok()?;
    Some(Ipv4Addr::from(u32::from(base).checked_add(1)?).to_string())
}

fn volume_state(volume: Volume) -> VolumeState {
    VolumeState {
        name: volume.name,
        driver: volume.driver,
        options: volume.options.into_iter().collect(),
        mountpoint: volume.mountpoint,
        labels: volume.labels.into_iter().collect(),
        created: volume.created_at.as_deref().and_then(to_the_second),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;
    use crate::vm::local::Local;

    #[test]
    fn a_network_s_gateway_is_what_the_engine_says_or_else_the_first_of_its_addresses() {
        let of = |range: Value| gateway(&serde_json::from_value(range).unwrap());
        for (range, wanted) in [
            (json!({"Subnet": "172.19.0.0/16", "Gateway": "172.19.0.254"}), Some("172.19.0.254")),
            (json!({"Subnet": "172.19.0.0/16", "Gateway": "172.19.0.254/16"}), Some("172.19.0.254")),
            (json!({"Subnet": "10.77.0.0/24"}), Some("10.77.0.1")),
            (json!({"Subnet": "10.77.0.0/24", "Gateway": ""}), Some("10.77.0.1")),
            (json!({"Subnet": "fd00::/64"}), None),
            (json!({"Subnet": "fd00::/64", "Gateway": "fd00::1"}), None),
            (json!({"Subnet": "255.255.255.255/32"}), None),
            (json!({"Subnet": "x"}), None),
            (json!({}), None),
        ] {
            assert_eq!(of(range.clone()).as_deref(), wanted, "{range}");
        }
    }

    /// An engine that gives `answer` for each path, and counts how often it was asked.
    struct Fake {
        folder: tempfile::TempDir,
        asked: Arc<std::sync::Mutex<Vec<String>>>,
    }

    impl Fake {
        fn new(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Fake {
            let folder = tempfile::tempdir().unwrap();
            let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
            let asked = Arc::<std::sync::Mutex<Vec<String>>>::default();
            let heard = asked.clone();
            let answer = Arc::new(answer);
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let (heard, answer) = (heard.clone(), answer.clone());
                    tokio::spawn(async move {
                        let mut request = vec![0; 8192];
                        let n = stream.read(&mut request).await.unwrap_or(0);
                        let request = String::from_utf8_lossy(&request[..n]).into_owned();
                        let Some(path) = request.split(' ').nth(1) else { return };
                        heard.lock().unwrap().push(path.to_owned());
                        let bytes = answer(path);
                        if bytes.is_empty() {
                            std::future::pending::<()>().await;
                        }
                        let _ = stream.write_all(&bytes).await;
                    });
                }
            });
            Fake { folder, asked }
        }

        fn vm(&self) -> Local {
            Local::new(Some(format!("unix://{}", self.folder.path().join("docker.sock").display())))
        }

        fn asked(&self, part: &str) -> usize {
            self.asked.lock().unwrap().iter().filter(|path| path.contains(part)).count()
        }
    }

    fn json_answer(status: u16, body: Value) -> Vec<u8> {
        let body = body.to_string();
        let length = body.len();
        format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
            .into()
    }

    fn usual(path: &str) -> Vec<u8> {
        match path {
            "/version" => json_answer(200, json!({"Version": "20.10.24", "ApiVersion": "1.41"})),
            path if path.starts_with("/containers/json") => json_answer(
                200,
                json!([
                    {"Id": "aa", "Names": ["/ams"], "State": "running", "Labels": {}},
                    {"Id": "bb", "Names": ["/gone"], "State": "running", "Labels": null},
                ]),
            ),
            path if path.starts_with("/containers/aa") => {
                json_answer(200, json!({"Id": "aa", "Name": "/ams", "State": {"Status": "running"}}))
            }
            _ => json_answer(404, json!({"message": "no such thing"})),
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(500)
    }

    #[tokio::test]
    async fn everything_is_asked_once_however_many_want_to_know() {
        let fake = Fake::new(usual);
        let vm = fake.vm();
        let engine = Engine::new(&vm, Instant::now() + Duration::from_secs(10));
        let asks = futures_util::future::join_all((0..10).map(|_| engine.container("ams"))).await;
        for found in asks {
            assert_eq!(found.unwrap().single().unwrap().status, "running");
        }
        assert_eq!((fake.asked("/containers/json"), fake.asked("/containers/aa")), (1, 1));
        assert_eq!(engine.version().await.unwrap(), "20.10.24");
        assert_eq!(engine.container("nobody").await.unwrap(), Resolution::None);
        assert_eq!(engine.container("gone").await.unwrap(), Resolution::None);
    }

    #[tokio::test]
    async fn an_engine_that_fails_is_asked_once_and_gives_no_facts() {
        let fake = Fake::new(|path| match path {
            "/version" => usual(path),
            _ => json_answer(500, json!({"message": "broken"})),
        });
        let vm = fake.vm();
        let engine = Engine::new(&vm, Instant::now() + Duration::from_secs(10));
        for _ in 0..2 {
            let unobserved = engine.container("ams").await.unwrap_err();
            assert_eq!(unobserved.cause, Cause::Engine);
            assert!(unobserved.why.en.contains("broken"));
        }
        assert_eq!(fake.asked("/containers"), 1);
    }

    #[tokio::test]
    async fn nonsense_and_silence_and_floods_are_no_facts_in_bounded_time() {
        let garbage = Fake::new(|path| match path {
            "/version" => usual(path),
            _ => json_answer(200, json!({"not": "a list"})),
        });
        let silent = Fake::new(|_| Vec::new());
        let flood = Fake::new(|path| match path {
            "/version" => usual(path),
            _ => [&b"HTTP/1.1 200 OK\r\n\r\n["[..], &vec![b' '; 40 << 20]].concat(),
        });
        let many = Fake::new(|path| match path {
            "/version" => usual(path),
            _ => json_answer(200, json!(vec![json!({"Id": "x", "Names": ["/x"]}); MANY + 1])),
        });
        let far = || Instant::now() + Duration::from_secs(10);
        for (fake, deadline, cause) in [
            (garbage, far(), Cause::Malformed),
            (silent, soon(), Cause::Limit),
            (flood, far(), Cause::Engine),
            (many, far(), Cause::Limit),
        ] {
            let vm = fake.vm();
            let engine = Engine::new(&vm, deadline);
            assert_eq!(engine.container("ams").await.unwrap_err().cause, cause);
        }
    }
}
