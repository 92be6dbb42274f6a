//! Kinds of probe. A probe looks and reports facts, or why it could not look; it never judges.
//! A kind is one file named by the word users write, and one row in [`KINDS`].

mod answer;
mod balance;
mod command;
mod compose;
mod consent;
mod container;
mod containers;
mod file;
mod http;
mod inside;
mod mount;
mod moved;
mod network;
mod outage;
mod port;
mod postgres;
mod processes;
mod reach;
mod recreate;
mod routes;
mod shell;
mod sockets;
mod thing;
mod up;
mod volume;
mod words;

use std::future::Future;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::SetOnce;

use crate::decode::Decode;
use crate::engine::{Change, ContainerState, Engine, Resolution};
use crate::evidence::{Cause, Facts, OptIn, Unobserved};
use crate::memory::Memory;
use crate::node::Node;
use crate::student::Student;
use crate::vantage::{Endpoint, Host, Vantage};
use crate::vm::connect::Pace;
use crate::vm::{self, ByteStream, DialError, Place, Vm};

pub use compose::{complaint, not_fetched};
pub use consent::{Consent, Stop, repair};
pub use moved::Again;
pub use shell::{quote, quote_container, shell_host};
pub use thing::Thing;
pub use up::REFUSED_SOON;
pub use words::{CONNECTION_WORDS, FOUND_WORDS};

/// Every kind of probe, in the order of the reference page.
pub static KINDS: &[Kind] = &[
    Kind::of::<container::Container>(),
    Kind::of::<containers::Containers>(),
    Kind::of::<volume::Volume>(),
    Kind::of::<mount::Mount>(),
    Kind::of::<network::Network>(),
    Kind::of::<port::Port>(),
    Kind::of::<reach::Reach>(),
    Kind::of::<postgres::Postgres>(),
    Kind::of::<http::Http>(),
    Kind::of::<balance::Balance>(),
    Kind::of::<sockets::Sockets>(),
    Kind::of::<processes::Processes>(),
    Kind::of::<routes::Routes>(),
    Kind::of::<file::File>(),
    Kind::of::<command::Command>(),
    Kind::of::<compose::Compose>(),
    Kind::of::<recreate::Recreate>(),
    Kind::of::<outage::Outage>(),
    Kind::of::<up::Up>(),
    Kind::of::<answer::Answer>(),
];

/// How one thing is observed: the type is the probe's arguments, as written in a lab.
#[async_trait]
pub trait Probe: DeserializeOwned + JsonSchema + Send + Sync {
    /// The word users write.
    const NAME: &'static str;
    /// The facts it reports, each with one line on what it is; the contract of expectations.
    const FACTS: &'static [(&'static str, &'static str)];
    /// Those facts that are one of a few words, or null, with all of these words.
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[];
    /// The facts of a look that reached nothing, for kinds that reach. An expectation that holds on them is a
    /// negative claim, and a negative claim needs a control.
    const NOTHING_REACHED: Option<&'static str> = None;
    /// Where a look finds the student's own word, for kinds that ask the student and not the machine.
    const WORD: Option<Word> = None;

    /// What whoever runs labrun has to ask for, for kinds that do something to the machine.
    const OPT_IN: Option<OptIn> = None;
    /// How long a look of an opt-in kind may take, on top of the run's own time.
    const LIMIT: Duration = Duration::ZERO;
    /// What the engine tells of that may change what it sees; anything, where that is not known for sure.
    const MOVED_BY: &'static [Change] = Change::ALL;
    /// How often it is looked at again though nothing was told of.
    const AGAIN: Again = Again::Often;

    /// What there is to choose from for a fact, for kinds that offer a choice.
    fn options(&self, _fact: &str) -> Option<&[String]> {
        None
    }

    /// What on the machine a look is about.
    fn things(&self) -> Vec<Thing> {
        Vec::new()
    }

    /// Looks. Everything read is bounded in size and time.
    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved>;

    /// A shell command with which a student sees the same in the VM.
    fn command(&self) -> String;
}

/// What is peculiar about a kind that asks the student. What is right is shown to nobody, a teacher may judge it, and
/// the question belongs to a lab: its argument `lab` is that of the check unless it says otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// The fact that holds what the student says.
    pub fact: &'static str,
    /// The facts of a student who says nothing. A claim that holds on them would be given away.
    pub unsaid: &'static str,
}

/// One row of [`KINDS`].
pub struct Kind {
    /// The word users write.
    pub name: &'static str,
    /// See [`Probe::FACTS`].
    pub facts: &'static [(&'static str, &'static str)],
    /// See [`Probe::WORDS`].
    pub words: &'static [(&'static str, &'static [&'static str])],
    /// See [`Probe::NOTHING_REACHED`].
    pub nothing_reached: Option<&'static str>,
    /// See [`Probe::WORD`].
    pub word: Option<Word>,
    /// See [`Probe::OPT_IN`].
    pub opt_in: Option<OptIn>,
    /// See [`Probe::LIMIT`].
    pub limit: Duration,
    /// See [`Probe::MOVED_BY`].
    pub moved_by: &'static [Change],
    /// See [`Probe::AGAIN`].
    pub again: Again,
    /// Reports every mistake in arguments as written in a lab.
    pub check_args: fn(&Node, &mut Decode),
    /// What its arguments look like, and what it is good for, as a JSON Schema.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    options: fn(&Value, &str) -> Option<Vec<String>>,
    command: fn(&Value) -> String,
    things: fn(&Value) -> Vec<Thing>,
    observe: for<'a> fn(Value, &'a Context<'a>) -> BoxFuture<'a, Result<Facts, Unobserved>>,
}

impl Kind {
    const fn of<P: Probe + 'static>() -> Kind {
        Kind {
            name: P::NAME,
            facts: P::FACTS,
            words: P::WORDS,
            nothing_reached: P::NOTHING_REACHED,
            word: P::WORD,
            opt_in: P::OPT_IN,
            limit: P::LIMIT,
            moved_by: P::MOVED_BY,
            again: P::AGAIN,
            check_args: |node, decode| {
                decode.decode::<P>(node);
            },
            schema: |generator| P::json_schema(generator),
            options: |args, fact| Some(P::deserialize(args).ok()?.options(fact)?.to_vec()),
            command: |args| P::deserialize(args).map(|probe| probe.command()).unwrap_or_default(),
            things: |args| P::deserialize(args).map(|probe| probe.things()).unwrap_or_default(),
            observe: |args, cx| {
                Box::pin(async move {
                    let probe = P::deserialize(args).map_err(|error| {
                        let why = error.to_string();
                        Unobserved::new(
                            Cause::Malformed,
                            format!("los argumentos que resultan de otra observación no sirven: {why}"),
                            format!("arguments taken from another observation make no sense: {why}"),
                        )
                    })?;
                    probe.observe(cx).await
                })
            },
        }
    }

    /// The kind that users call `name`.
    pub fn named(name: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Looks, with `args` fully resolved.
    pub async fn observe(&self, args: Value, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        (self.observe)(args, cx).await
    }

    /// The words that `fact` may be, if it is one of a few.
    pub fn words(&self, fact: &str) -> Option<&'static [&'static str]> {
        self.words.iter().find(|(name, _)| *name == fact).map(|(_, words)| *words)
    }

    /// What there is to choose from with `args`, if `fact` is a choice.
    pub fn options(&self, args: &Value, fact: &str) -> Option<Vec<String>> {
        (self.options)(args, fact)
    }

    /// What on the machine a look with `args` is about, by the names that those give it.
    pub fn things(&self, args: &Value) -> Vec<Thing> {
        (self.things)(args)
    }

    /// Whether it reaches something over a network, so that it matters where it stands. What does not is always
    /// looked at from the VM.
    pub fn reaches(&self) -> bool {
        self.nothing_reached.is_some()
    }

    /// The equivalent shell command for `args`, to be typed in the VM.
    pub fn command(&self, args: &Value, from: &Vantage) -> String {
        let command = (self.command)(args);
        let network = match from {
            Vantage::Vm | Vantage::Grader => return command,
            Vantage::Container(name) => format!("container:{}", quote_container(name)),
            Vantage::Network(name) => quote(name),
        };
        // Variables before a program are the shell's; inside a container somebody else has to set them.
        let sets = command.split(' ').next().is_some_and(|word| word.contains('='));
        let env = if sets { "env " } else { "" };
        format!("docker run --rm --network {network} {TOOLS} {env}{command}")
    }
}

/// An image with the tools of the commands, for places that have none of their own.
const TOOLS: &str = "wbitt/network-multitool";

/// Where and how long a probe may look.
pub struct Context<'a> {
    /// The machine.
    pub vm: &'a dyn Vm,
    /// Its Docker engine, as of this round.
    pub engine: &'a Engine<'a>,
    /// What was seen by looks that must not be repeated.
    pub memory: &'a dyn Memory,
    /// What may be done to the machine.
    pub consent: Consent<'a>,
    /// Where the probe stands.
    pub from: &'a Vantage,
    /// What the student has handed in.
    pub student: &'a Student,
    /// How long a target may keep silent before its silence is a fact.
    pub patience: Duration,
    /// When the run is over, whatever is still silent.
    pub deadline: Instant,
    /// How long the first connection of the positive twin took, if this is a look that has one.
    pub control: Option<&'a RoundTrip>,
    /// Where to note how long the first connection of this look took.
    pub round_trip: &'a RoundTrip,
}

/// How long a connection took to come about, once it is known; none when none came about.
pub type RoundTrip = SetOnce<Option<Duration>>;

/// How long a look waits for its control to connect before it goes on without knowing how fast that is.
const HEAD_START: Duration = Duration::from_secs(2);

/// What became of dialling an [`Endpoint`].
pub enum Dialled {
    /// Connected.
    Connected {
        /// The connection.
        stream: Box<dyn ByteStream>,
        /// The address that was dialled.
        address: String,
        /// What every reaching kind reports of it.
        facts: Facts,
    },
    /// Not, and that is a fact about the target or about where the probe was to stand.
    Not(Facts),
}

impl<'a> Context<'a> {
    /// The same with another look at the engine, until another time.
    pub fn with(&self, engine: &'a Engine<'a>, deadline: Instant) -> Context<'a> {
        Context { engine, deadline, ..*self }
    }

    /// Waits for `work` as long as the target may keep silent. `Ok(None)` when it kept silent for all of that:
    /// a fact about the target. When the run's own time ends first, nothing is known.
    pub async fn patiently<T>(&self, work: impl Future<Output = T>) -> Result<Option<T>, Unobserved> {
        self.within(self.patience, work).await
    }

    /// Waits for `work` no longer than `limit`, to the same effect.
    pub async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Result<Option<T>, Unobserved> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(limit.min(left), work).await {
            Ok(done) => Ok(Some(done)),
            Err(_) if left >= limit => Ok(None),
            Err(_) => Err(Unobserved::out_of_time()),
        }
    }

    /// Makes sure of the place to dial from, however long that takes: it is none of the target's silence.
    pub async fn take_place(&self) -> Result<(), Unobserved> {
        match self.standing().await? {
            Some(standing) => self.vm.stand(&standing.place).await.map(drop),
            None => Ok(()),
        }
    }

    /// Dials `to` and tells a fact about the target from a break on the way to it.
    pub async fn dial(&self, to: &Endpoint) -> Result<Dialled, Unobserved> {
        let not =
            |outcome: &str, address: Option<&str>| Ok(Dialled::Not(self.connection_facts(outcome, address, None)));
        let Some(mut standing) = self.standing().await? else { return not("no_vantage", None) };
        if !self.vm.stand(&standing.place).await? && !self.stand_again(&mut standing).await? {
            return not("no_vantage", None);
        }
        let outside = if standing.place == Place::Outside { self.vm.outside() } else { None };
        let host = match &to.host {
            Host::Container(_) if outside.is_some() => return Err(not_from_outside()),
            Host::Loopback | Host::Outward if outside.is_some() => outside.unwrap_or_default(),
            Host::Loopback => "127.0.0.1".to_owned(),
            Host::Outward => self.vm.outward().await?.to_string(),
            Host::Named(name) => name.clone(),
            Host::Container(name) => match self.engine.container(name).await?.single() {
                None => return not("no_container", None),
                Some(container) if !container.running => return not("not_running", None),
                // On the host's network it shares the machine's ports: one that another publishes is not its own.
                Some(container) if container.network_mode == "host" => match self.engine.publishes(to.port).await? {
                    true => return not("not_its_own", None),
                    false => self.vm.outward().await?.to_string(),
                },
                Some(container) => match standing.address_of(&container) {
                    None => return not("no_address", None),
                    Some(_) if standing.place == Place::Machine && self.engine.is_secluded().await? => {
                        return Err(out_of_sight());
                    }
                    Some(address) => address,
                },
            },
        };
        let address = if host.contains(':') { format!("[{host}]:{}", to.port) } else { format!("{host}:{}", to.port) };
        let left = self.deadline.saturating_duration_since(Instant::now());
        let pace = self.pace(left).await;
        let dial = self.vm.dial(&standing.place, &host, to.port, &pace).await;
        let tell = |outcome: &str| self.connection_facts(outcome, Some(&address), dial.namespace.as_deref());
        let outcome = match dial.outcome {
            Ok(vm::Dialled { stream, round_trip }) => {
                // A look that connects again knows already.
                let _ = self.round_trip.set(Some(round_trip));
                let facts = tell("connected");
                return Ok(Dialled::Connected { stream, address, facts });
            }
            Err(DialError::Refused) => "refused",
            // When the run's own time ends first, silence says nothing.
            Err(DialError::TimedOut) if pace.whole == left => return Err(Unobserved::out_of_time()),
            Err(DialError::TimedOut) => "timed_out",
            Err(DialError::Unreachable) => "unreachable",
            Err(DialError::NameNotFound) => "name_not_found",
            Err(DialError::Gone) => return not("no_vantage", None),
            Err(DialError::Unobserved(unobserved)) => return Err(unobserved),
            Err(error @ DialError::Denied) => return Err(broken(Cause::Permission, &error)),
            Err(error @ DialError::PathLost(_)) => return Err(broken(Cause::Path, &error)),
            Err(error @ DialError::Limit(_)) => return Err(broken(Cause::Limit, &error)),
        };
        Ok(Dialled::Not(tell(outcome)))
    }

    /// At what pace to dial with `left` to go: as fast as the control's answer allows, else patiently.
    async fn pace(&self, left: Duration) -> Pace {
        let patience = self.patience.min(left);
        let Some(control) = self.control else { return Pace::patient(patience) };
        match tokio::time::timeout(HEAD_START.min(left), control.wait()).await {
            Ok(Some(round_trip)) => Pace::known(*round_trip, patience),
            _ => Pace::patient(patience),
        }
    }

    /// Where the probe stands; none when its container does not run or its network is not there.
    async fn standing(&self) -> Result<Option<Standing>, Unobserved> {
        Ok(match self.from {
            Vantage::Vm => Some(Standing { place: Place::Machine, networks: Vec::new() }),
            Vantage::Grader => Some(Standing { place: Place::Outside, networks: Vec::new() }),
            Vantage::Container(name) => {
                let state = self.engine.container(name).await?.single();
                state.filter(|state| state.running).and_then(|state| {
                    let place = Place::Inside { container: state.id.clone(), pid: state.pid? };
                    Some(Standing { place, networks: state.networks.keys().cloned().collect() })
                })
            }
            Vantage::Network(name) => self.engine.network(name).await?.single().map(|state| Standing {
                place: Place::On { network: state.id.clone() },
                networks: vec![state.name.clone()],
            }),
        })
    }

    /// Whether one can stand there after all: a container that was restarted since this round began runs, as another
    /// process.
    async fn stand_again(&self, standing: &mut Standing) -> Result<bool, Unobserved> {
        let Place::Inside { container, pid } = &mut standing.place else { return Ok(false) };
        let now = self.engine.afresh(container).await?.filter(|state| state.running).and_then(|state| state.pid);
        match now.filter(|now| now != pid) {
            Some(now) => *pid = now,
            None => return Ok(false),
        }
        self.vm.stand(&standing.place).await
    }

    fn connection_facts(&self, outcome: &str, address: Option<&str>, namespace: Option<&str>) -> Facts {
        let mut facts = Facts::new();
        facts.insert("connection".into(), json!(outcome));
        facts.insert("address".into(), json!(address));
        if let Vantage::Container(_) = self.from {
            facts.insert("namespace".into(), json!(namespace));
        }
        facts
    }
}

/// Where a probe stands, found.
struct Standing {
    place: Place,
    /// The networks at hand there, by name.
    networks: Vec<String>,
}

impl Standing {
    /// Where `container` is dialled from here.
    fn address_of(&self, container: &ContainerState) -> Option<String> {
        let near: Vec<&str> = self.networks.iter().map(String::as_str).collect();
        container.address_near(&near)
    }
}

/// What every reaching kind reports as its fact `connection`. `no_container` is also said when several answer to the
/// name, `not_its_own` of a container on the host's network if another one publishes the port.
pub const CONNECTION_FACT: (&str, &str) = (
    "connection",
    "`connected`, `refused`, `timed_out`, `unreachable`, `name_not_found`, `no_container`, `not_running`, \
     `no_address`, `not_its_own` or `no_vantage`",
);

/// What every reaching kind reports as its fact `address`.
pub const ADDRESS_FACT: (&str, &str) = ("address", "what was dialled, or null");

/// What every reaching kind reports as its fact `namespace` when it stands in a container.
pub const NAMESPACE_FACT: (&str, &str) = (
    "namespace",
    "the network namespace it was dialled from, `net:[4026532491]`, or null; absent unless `from` is a container",
);

fn out_of_sight() -> Unobserved {
    Unobserved::new(
        Cause::Unsupported,
        "este motor de Docker (sin root, o Docker Desktop) tiene su propia red: desde acá no se llega a sus contenedores",
        "this Docker engine (rootless, or Docker Desktop) has a network of its own: its containers cannot be reached from here",
    )
}

fn not_from_outside() -> Unobserved {
    Unobserved::new(
        Cause::Unsupported,
        "la dirección de un contenedor existe sólo dentro de la VM: desde afuera no se la puede probar",
        "a container's address exists only inside the VM: it cannot be tried from outside",
    )
}

fn broken(cause: Cause, error: &DialError) -> Unobserved {
    Unobserved::new(cause, format!("no se pudo mirar: {error}"), format!("could not look: {error}"))
}

/// Text from the machine as a fact: decoded tolerantly, cut at `max` characters.
pub fn text_fact(bytes: &[u8], max: usize) -> Value {
    Value::String(String::from_utf8_lossy(bytes).chars().take(max).collect())
}

/// Facts in the making, every one of them bounded; what had to be cut is itself a fact, `truncated`.
#[derive(Default)]
pub struct Sheet {
    facts: Facts,
    cut: Vec<String>,
}

impl Sheet {
    /// Goes on with facts that another part of the look reported.
    pub fn of(facts: Facts) -> Sheet {
        Sheet { facts, cut: Vec::new() }
    }

    /// Notes a fact that is small by its nature.
    pub fn fact(&mut self, name: &str, value: impl Serialize) {
        self.facts.insert(name.to_owned(), json!(value));
    }

    /// Notes a text of at most `max` characters.
    pub fn text(&mut self, name: &str, text: Option<&str>, max: usize) {
        let Some(text) = text else { return self.fact(name, Value::Null) };
        let end = text.char_indices().nth(max).map_or(text.len(), |(end, _)| end);
        if end < text.len() {
            self.is_cut(name);
        }
        self.fact(name, &text[..end]);
    }

    /// Notes a list of at most `max` things.
    pub fn list(&mut self, name: &str, items: impl IntoIterator<Item = Value>, max: usize) {
        let mut items = items.into_iter();
        let kept: Vec<Value> = items.by_ref().take(max).collect();
        if items.next().is_some() {
            self.is_cut(name);
        }
        self.fact(name, kept);
    }

    /// Notes who answers to a name: `found`, and at most `max` of their exact `names`.
    pub fn found<'n, T>(&mut self, found: &'n Resolution<T>, name: impl Fn(&'n T) -> &'n str, max: usize) {
        self.fact("found", found.word());
        self.list("names", found.names(name).into_iter().map(|name| json!(name)), max);
    }

    /// Notes that the fact `name` is only the beginning of what is there.
    pub fn is_cut(&mut self, name: &str) {
        if !self.cut.iter().any(|cut| cut == name) {
            self.cut.push(name.to_owned());
        }
    }

    /// The facts, `truncated` among them.
    pub fn done(mut self) -> Facts {
        self.facts.insert("truncated".into(), json!(self.cut));
        self.facts
    }
}

#[cfg(test)]
mod testing {
    //! A machine for the tests of kinds: this one, without an engine, and servers of its own on its loopback.

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::memory::OfThisRun;
    use crate::vm::local::Local;

    /// What a probe of kind `kind` sees within a second of patience.
    pub async fn look(kind: &str, args: Value) -> Result<Facts, Unobserved> {
        look_with(&OfThisRun::default(), kind, args).await
    }

    /// The same, with a memory of what was seen before.
    pub async fn look_with(memory: &dyn Memory, kind: &str, args: Value) -> Result<Facts, Unobserved> {
        standing(memory, async |cx| Kind::named(kind).unwrap().observe(args, cx).await).await
    }

    /// What `look` comes to within a second of patience.
    pub async fn standing<T>(memory: &dyn Memory, look: impl AsyncFnOnce(&Context) -> T) -> T {
        let vm = Local::new(Some("unix:///nonexistent/docker.sock".into()));
        let deadline = Instant::now() + Duration::from_secs(20);
        let engine = Engine::new(&vm, deadline);
        let patience = Duration::from_secs(1);
        let student = Student::default();
        let cx = Context {
            vm: &vm,
            engine: &engine,
            memory,
            consent: Consent::none(),
            from: &Vantage::Vm,
            student: &student,
            patience,
            deadline,
            control: None,
            round_trip: &RoundTrip::new(),
        };
        look(&cx).await
    }

    /// The port of a server that treats each connection as `serve` does.
    pub async fn server<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_a_row_and_is_named_by_its_word() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/probe");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
            .filter(|name| !["mod", "thing"].contains(&name.as_str()))
            .collect();
        files.sort();
        let mut rows: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        rows.sort();
        assert_eq!(files, rows);
    }

    #[test]
    fn what_a_reaching_kind_reports_of_silence_is_among_its_facts() {
        for kind in KINDS {
            let Some(nothing) = kind.nothing_reached else { continue };
            let facts: Facts = serde_json::from_str(nothing).unwrap();
            for name in facts.keys() {
                assert!(kind.facts.iter().any(|(fact, _)| fact == name), "{}: {name}", kind.name);
            }
        }
    }

    #[tokio::test]
    async fn the_pace_of_a_look_is_set_by_its_control_if_that_connects() {
        let (fast, patience) = (Duration::from_millis(100), Duration::from_secs(1));
        for (answered, pace) in [(Some(fast), Pace::known(fast, patience)), (None, Pace::patient(patience))] {
            let (control, memory) = (RoundTrip::new(), crate::memory::OfThisRun::default());
            let paced = testing::standing(&memory, async |cx| {
                let cx = Context { control: Some(&control), ..*cx };
                // The control is known only after the look has begun.
                let later = async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    control.set(answered)
                };
                futures_util::join!(cx.pace(Duration::from_secs(20)), later).0
            });
            assert_eq!(paced.await, pace);
        }
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_no_fact_about_the_container() {
        let unobserved = testing::look("reach", json!({"to": "container/ams:5432"})).await.unwrap_err();
        assert_eq!(unobserved.cause, Cause::Engine);
    }

    #[test]
    fn the_command_is_typed_in_the_vm_wherever_the_probe_stands() {
        let kind = Kind::named("reach").unwrap();
        let args = json!({"to": "ams:5432"});
        let here = kind.command(&args, &Vantage::Vm);
        for (from, start) in [
            (Vantage::Container("drp1".into()), "docker run --rm --network container:drp1 wbitt/network-multitool "),
            (
                Vantage::Container(":8081".into()),
                "docker run --rm --network container:$(docker ps -q --filter publish=8081/tcp) wbitt/network-multitool ",
            ),
            (Vantage::Network("my net".into()), "docker run --rm --network 'my net' wbitt/network-multitool "),
        ] {
            assert_eq!(kind.command(&args, &from), format!("{start}{here}"));
        }
        let login = Kind::named("postgres")
            .unwrap()
            .command(&json!({"to": "ams:5432", "password": "x"}), &Vantage::Container("drp1".into()));
        assert!(login.contains("multitool env PGPASSWORD=x psql "), "{login}");
    }

    #[test]
    fn a_sheet_says_what_it_cut() {
        let mut sheet = Sheet::default();
        sheet.text("short", Some("ñandú"), 5);
        sheet.text("long", Some("ñandúes"), 5);
        sheet.list("few", [json!(1)], 1);
        sheet.list("many", [json!(1), json!(2)], 1);
        let facts = sheet.done();
        assert_eq!((&facts["long"], &facts["many"]), (&json!("ñandú"), &json!([1])));
        assert_eq!(facts["truncated"], json!(["long", "many"]));
    }
}
