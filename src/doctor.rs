//! What a machine lacks for labs to be looked at, each thing with its remedy. It asks as a run would ask: what is called
//! good here has been tried.

use std::time::{Duration, Instant, SystemTime};

use crate::engine::{Engine, Resolution};
use crate::evidence::Unobserved;
use crate::text::Text;
use crate::vm::{Command, End, Place, Vm};

/// The time for all of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// The time for one command.
const A_COMMAND: Duration = Duration::from_secs(15);
/// The network that every engine has, unless somebody has removed it.
const BRIDGE: &str = "bridge";
/// The oldest engine that labrun looks at.
const OLDEST: (u32, u32) = (20, 10);
/// With less room than this, in MiB, nothing can be started; with less than the other it soon cannot.
const NO_ROOM: u64 = 100;
const LITTLE_ROOM: u64 = 2048;
/// A clock may be so many seconds off.
const OFF: u64 = 120;
/// No clock shows less: 2026-01-01, before the first labrun.
const BEFORE_LABRUN: u64 = 1_767_225_600;

/// What became of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is there.
    Good,
    /// It is not what it could be; labs can be looked at, though not in all their parts.
    Mind,
    /// Without it no lab can be looked at as it should be.
    Missing,
}

/// One thing, and what is to be said of it: what is there, or what is missing and how to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for.
    pub what: Text,
    /// What became of it.
    pub state: State,
    /// What is said of it.
    pub said: Text,
}

impl Finding {
    /// A finding.
    pub fn new(what: (&str, &str), state: State, said: Text) -> Finding {
        Finding { what: Text::new(what.0, what.1), state, said }
    }
}

/// Looks at `vm`, which is this machine where `is_here`.
pub async fn examine(vm: &dyn Vm, is_here: bool) -> Vec<Finding> {
    vm.arrive().await;
    let mut found = Vec::new();
    let system = match said_by(vm, &["uname", "-srm"]).await {
        Ok(system) => system.unwrap_or_default(),
        Err(why) => {
            // Whoever cannot get there sees nothing else either.
            found.push(Finding::new(("máquina", "machine"), State::Missing, why.why));
            return found;
        }
    };
    let where_to = if is_here { Text::new("esta misma", "this one") } else { Text::same(vm.machine().reached) };
    let reached = Text::new(format!("{} · {system}", where_to.es), format!("{} · {system}", where_to.en));
    found.push(Finding::new(("máquina", "machine"), State::Good, reached));
    let engine = Engine::new(vm, Instant::now() + PATIENCE);
    if of_engine(&engine, &mut found).await {
        found.push(helper(vm, &engine).await);
        found.push(compose(vm).await);
    }
    found.push(disk(vm).await);
    found.push(clock(vm, is_here).await);
    vm.leave().await;
    found
}

/// What a command prints, trimmed and bounded; none where it fails or is not there.
async fn said_by(vm: &dyn Vm, argv: &[&str]) -> Result<Option<String>, Unobserved> {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    let command = Command { argv, env: Vec::new(), max_bytes: 4096 };
    let output = vm.run(&command, A_COMMAND).await?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok((output.end == End::Exited(0)).then_some(text))
}

/// Whether the engine answers, and what it is; whether it is worth asking more of it.
async fn of_engine(engine: &Engine<'_>, found: &mut Vec<Finding>) -> bool {
    const WHAT: (&str, &str) = ("motor Docker", "Docker engine");
    let listed = match engine.version().await {
        Ok(version) => engine.containers().await.map(|containers| (version, containers.len())),
        Err(why) => Err(why),
    };
    let (version, n) = match listed {
        Ok(listed) => listed,
        Err(why) => {
            found.push(Finding::new(WHAT, State::Missing, why.why));
            return false;
        }
    };
    let (state, said) = match numbers(&version) {
        Some(numbers) if numbers < OLDEST => (
            State::Missing,
            Text::new(
                format!("{version}: labrun mira motores desde el 20.10; actualizalo"),
                format!("{version}: labrun looks at engines from 20.10 on; update it"),
            ),
        ),
        Some(_) => (
            State::Good,
            Text::new(format!("{version}, con {n} contenedores"), format!("{version}, with {n} containers")),
        ),
        None => (
            State::Mind,
            Text::new(
                format!("dice ser la versión `{version}`, que labrun no conoce"),
                format!("it says to be version `{version}`, which labrun does not know"),
            ),
        ),
    };
    found.push(Finding::new(WHAT, state, said));
    match engine.is_secluded().await {
        Ok(false) => {}
        Ok(true) => found.push(Finding::new(
            ("clase de motor", "kind of engine"),
            State::Mind,
            Text::new(
                "sin root, o de Docker Desktop: las direcciones de sus contenedores no llevan a ninguna parte en la \
                 máquina, y lo que dependa de ellas queda incierto; usá un motor común en la VM",
                "without root, or Docker Desktop's: the addresses of its containers lead nowhere on the machine, and \
                 what depends on them is unknown; use an ordinary engine in the VM",
            ),
        )),
        Err(why) => found.push(Finding::new(("clase de motor", "kind of engine"), State::Mind, why.why)),
    }
    state != State::Missing
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Whether labrun's own binary runs in a container there: what is asked from inside networks and containers needs that.
async fn helper(vm: &dyn Vm, engine: &Engine<'_>) -> Finding {
    const WHAT: (&str, &str) = ("ayudante", "helper");
    let network = match engine.network(BRIDGE).await {
        Ok(Resolution::One(network)) => network.id.clone(),
        Ok(_) => {
            return Finding::new(
                WHAT,
                State::Mind,
                Text::new(
                    format!("no hay red `{BRIDGE}` en la que probarlo: el motor corre sin ella"),
                    format!("there is no network `{BRIDGE}` to try it on: the engine runs without one"),
                ),
            );
        }
        Err(why) => return Finding::new(WHAT, State::Missing, why.why),
    };
    match vm.stand(&Place::On { network }).await {
        Ok(true) => Finding::new(
            WHAT,
            State::Good,
            Text::new(
                "corre en un contenedor; queda su imagen, `labrun-helper`",
                "runs in a container; its image stays, `labrun-helper`",
            ),
        ),
        Ok(false) => Finding::new(
            WHAT,
            State::Mind,
            Text::new(
                format!("la red `{BRIDGE}` desapareció mientras se probaba; corré `labrun doctor` otra vez"),
                format!("network `{BRIDGE}` went away while it was tried; run `labrun doctor` once more"),
            ),
        ),
        Err(why) => Finding::new(WHAT, State::Missing, why.why),
    }
}

/// Which compose there is; only labs that read compose files need one.
async fn compose(vm: &dyn Vm) -> Finding {
    const WHAT: (&str, &str) = ("compose", "compose");
    for argv in [["docker", "compose", "version", "--short"], ["docker-compose", "version", "--short", ""]] {
        let argv: Vec<&str> = argv.into_iter().filter(|word| !word.is_empty()).collect();
        if let Ok(Some(version)) = said_by(vm, &argv).await {
            return Finding::new(WHAT, State::Good, Text::same(version));
        }
    }
    Finding::new(
        WHAT,
        State::Mind,
        Text::new(
            "no está: lo que se lee de archivos de compose queda incierto; instalá `docker-compose-plugin` (de Docker) o \
             `docker-compose` (de tu distribución)",
            "it is not there: what is read from compose files is unknown; install `docker-compose-plugin` (Docker's) or \
             `docker-compose` (your distribution's)",
        ),
    )
}

/// The room where the engine keeps its things, else on the machine's first disk.
async fn disk(vm: &dyn Vm) -> Finding {
    const WHAT: (&str, &str) = ("disco", "disk");
    let mut free = None;
    for path in ["/var/lib/docker", "/"] {
        if let Ok(Some(table)) = said_by(vm, &["df", "-Pk", path]).await {
            free = free_mib(&table).map(|mib| (path, mib));
            break;
        }
    }
    let Some((path, mib)) = free else {
        let said = Text::new("no se pudo saber cuánto queda: `df -h`", "what is left could not be told: `df -h`");
        return Finding::new(WHAT, State::Mind, said);
    };
    let state = match mib {
        ..NO_ROOM => State::Missing,
        NO_ROOM..LITTLE_ROOM => State::Mind,
        LITTLE_ROOM.. => State::Good,
    };
    let said = match state {
        State::Good => Text::new(format!("{} MiB libres en {path}", mib), format!("{} MiB free in {path}", mib)),
        _ => Text::new(
            format!("quedan {mib} MiB en {path}; `docker system df` dice qué ocupan imágenes y contenedores"),
            format!("{mib} MiB are left in {path}; `docker system df` says what images and containers take"),
        ),
    };
    Finding::new(WHAT, state, said)
}

/// What `df -Pk` says is available, in MiB.
fn free_mib(table: &str) -> Option<u64> {
    let kib: u64 = table.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kib >> 10)
}

/// The time there: credit, deadlines and hidden checks go by it.
async fn clock(vm: &dyn Vm, is_here: bool) -> Finding {
    const WHAT: (&str, &str) = ("reloj", "clock");
    let here = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let there = match said_by(vm, &["date", "-u", "+%s"]).await {
        Ok(Some(seconds)) => seconds.parse::<u64>().ok(),
        _ => None,
    };
    let Some(there) = there else {
        let said = Text::new("no se pudo leer la hora: `date -u`", "the time could not be read: `date -u`");
        return Finding::new(WHAT, State::Mind, said);
    };
    const REMEDY: &str = "`sudo timedatectl set-ntp true`";
    if there < BEFORE_LABRUN {
        let said = Text::new(
            format!("está en el pasado, y de la hora dependen créditos y plazos: {REMEDY}"),
            format!("it shows the past, and credit and deadlines go by it: {REMEDY}"),
        );
        return Finding::new(WHAT, State::Mind, said);
    }
    let off = here.abs_diff(there);
    if !is_here && off > OFF {
        let said = Text::new(
            format!(
                "difiere en {off} s del de esta máquina, y de la hora dependen créditos y plazos: {REMEDY} en la VM"
            ),
            format!("it is {off} s off this machine's, and credit and deadlines go by it: {REMEDY} in the VM"),
        );
        return Finding::new(WHAT, State::Mind, said);
    }
    let said = match is_here {
        // Nothing here could contradict it.
        true => Text::new("muestra una hora posible", "shows a time that can be"),
        false => Text::new("va con el de esta máquina", "agrees with this machine's"),
    };
    Finding::new(WHAT, State::Good, said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Cause;
    use crate::vm::local::Local;
    use crate::vm::unreached::Unreached;

    #[test]
    fn versions_and_tables_are_read_as_they_come() {
        assert_eq!(numbers("20.10.24+dfsg1"), Some((20, 10)));
        assert_eq!(numbers("28.5.2"), Some((28, 5)));
        assert_eq!((numbers("dev"), numbers("")), (None, None));
        assert!(numbers("19.03.1") < Some(OLDEST));
        let table = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 100 1 2097152 1% /\n";
        assert_eq!(free_mib(table), Some(2048));
        assert_eq!((free_mib(""), free_mib("a\nb c d e f")), (None, None));
    }

    #[tokio::test]
    async fn of_a_machine_that_is_not_reached_nothing_else_is_said() {
        let why = Unobserved::new(Cause::Path, "no se llega", "no way there");
        let found = examine(&Unreached { reached: "ssh".to_owned(), why }, false).await;
        let [only] = &found[..] else { panic!("{found:?}") };
        assert_eq!((only.state, only.said.en.as_str()), (State::Missing, "no way there"));
    }

    #[tokio::test]
    async fn without_an_engine_that_is_what_is_missing_and_the_rest_is_looked_at_all_the_same() {
        let vm = Local::new(Some("unix:///nonexistent/docker.sock".to_owned()));
        let found = examine(&vm, true).await;
        let whats: Vec<(&str, State)> = found.iter().map(|finding| (finding.what.en.as_str(), finding.state)).collect();
        assert_eq!(whats[..2], [("machine", State::Good), ("Docker engine", State::Missing)]);
        assert!(whats.iter().any(|(what, _)| *what == "clock") && !whats.iter().any(|(what, _)| *what == "helper"));
        assert!(found[1].said.en.contains("/nonexistent/docker.sock"), "{found:?}");
    }
}
