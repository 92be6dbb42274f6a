//! What is done on the machine where a repository is brought up: its compose file read and judged by the policy, its
//! images handed over, one command, a look.

use std::cell::Cell;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine::Engine;
use crate::error::Error;
use crate::evidence::chain::seal;
use crate::evidence::{Cause, Evidence, OptIn, Repository, Unobserved};
use crate::probe::{Consent, REFUSED_SOON, complaint, not_fetched};
use crate::repository::{Refusal, USUAL, Why, images, other_files, resolved, written};
use crate::run::check::{Look, Prepared};
use crate::run::repository::Bringing;
use crate::text::Text;
use crate::vm::connect::Pace;
use crate::vm::sandbox::hand_over;
use crate::vm::sandbox::packed::Packed;
use crate::vm::unreached::Unreached;
use crate::vm::{Command, End, Output, Place, Vm};

/// How long compose may take to read the file, and to take down what it brought up.
const TO_READ: Duration = Duration::from_secs(30);
const TO_COME_DOWN: Duration = Duration::from_secs(60);

/// How long what is up may take until it answers at its ports.
const TO_SETTLE: Duration = Duration::from_secs(60);

/// How much of what compose says is read, and how much of its last words is shown, in characters.
const CONFIG_BYTES: usize = 4 << 20;
const WORDS: usize = 1000;

/// How many things of a kind are remarked on.
const MANY: usize = 20;

/// The machine, and where the repository lies on it.
pub struct Site<'a> {
    pub vm: &'a dyn Vm,
    pub folder: &'a str,
    /// The machine whose engine has the images, where this one can fetch none.
    pub images_from: Option<&'a dyn Vm>,
    /// How long it may take to come up.
    pub up_timeout: Duration,
    /// Whether bringing it up was begun.
    pub begun: Cell<bool>,
}

/// What became of bringing it up.
#[derive(Default)]
struct Outcome {
    exit_code: Option<i32>,
    remarks: Vec<Text>,
    refused: Vec<Text>,
}

/// Looks at nothing, for that there is no machine.
pub async fn unknown(why: Unobserved, prepared: &Prepared, with: &Bringing<'_>) -> Result<Evidence, Error> {
    look(&Unreached { reached: "sandbox".to_owned(), why }, prepared, Outcome::default(), with).await
}

impl Site<'_> {
    /// Brings it up, unless it is refused, and looks.
    pub async fn look(
        &self,
        packed: &Packed,
        beforehand: Vec<Refusal>,
        enforced: bool,
        prepared: &Prepared,
        with: &Bringing<'_>,
    ) -> Result<Evidence, Error> {
        let mut outcome = Outcome::default();
        outcome.remarks.extend(packed.strange.iter().take(MANY).map(|path| left_out(path)));
        match self.bring_up(packed, beforehand, enforced, &mut outcome).await {
            Ok(()) => look(self.vm, prepared, outcome, with).await,
            Err(why) => unknown(why, prepared, with).await,
        }
    }

    async fn bring_up(
        &self,
        packed: &Packed,
        beforehand: Vec<Refusal>,
        enforced: bool,
        outcome: &mut Outcome,
    ) -> Result<(), Unobserved> {
        let mut refusals = beforehand;
        let Some(file) = USUAL.iter().find(|file| packed.text(file).is_some()) else {
            // What is refused as a whole may well have one.
            outcome.remarks.extend(refusals.is_empty().then(no_file));
            outcome.refuse(refusals, enforced);
            return Ok(());
        };
        let extra = ["compose.override", "docker-compose.override"]
            .iter()
            .flat_map(|name| [format!("{name}.yml"), format!("{name}.yaml")]);
        let names: Vec<String> = std::iter::once((*file).to_owned()).chain(extra).collect();
        let read = |path: &str| packed.text_behind(path);
        refusals.extend(written(&names, &read));
        refusals.extend(other_files(&read));
        if enforced && !refusals.is_empty() {
            outcome.refuse(refusals, enforced);
            return Ok(());
        }
        let said = self.compose(&["config", "--format", "json"], CONFIG_BYTES, TO_READ).await?;
        let config = match said.end {
            End::Exited(0) if !said.stdout_cut => serde_json::from_slice::<Value>(&said.stdout).unwrap_or_default(),
            End::Exited(0) => {
                // Nothing of it could be judged.
                refusals.push(too_long(file));
                outcome.refuse(refusals, true);
                return Ok(());
            }
            end => {
                outcome.exit_code = exit_code(end);
                outcome.refuse(refusals, enforced);
                outcome.remarks.push(not_up(&said));
                return Ok(());
            }
        };
        refusals.extend(resolved(&config, file, self.folder));
        let is_refused = enforced && !refusals.is_empty();
        outcome.refuse(refusals, enforced);
        if is_refused {
            return Ok(());
        }
        if let Some(from) = self.images_from {
            let below = format!("{}/", self.folder);
            let wanted = images(&config, &|path| packed.text(path.strip_prefix(&below)?));
            let missing = hand_over(from, self.vm, &wanted).await?;
            if !missing.is_empty() {
                return Err(not_at_hand(&missing));
            }
        }
        self.begun.set(true);
        let start = Instant::now();
        let mut up = self.compose(&["up", "-d"], 64 << 10, self.up_timeout).await?;
        // As in the probe `up`: an engine gets in its own way at times; what is the file's own fault is refused again.
        if matches!(up.end, End::Exited(1..)) && start.elapsed() < REFUSED_SOON {
            self.take_down().await;
            up = self.compose(&["up", "-d"], 64 << 10, self.up_timeout).await?;
        }
        // Where images are handed over, there is no network that could be at fault.
        if matches!(up.end, End::Exited(1..)) && self.images_from.is_none() {
            not_fetched(&complaint(&up.stderr)).map_or(Ok(()), Err)?;
        }
        outcome.exit_code = exit_code(up.end);
        if up.end == End::Exited(0) {
            self.settle().await;
        } else {
            outcome.remarks.push(not_up(&up));
        }
        Ok(())
    }

    /// Removes everything that was brought up. What was refused is not touched again: it may call itself like what was
    /// there before.
    pub async fn take_down(&self) {
        if !self.begun.get() {
            return;
        }
        let _ = self.compose(&["down", "--volumes", "--remove-orphans", "-t", "2"], 4096, TO_COME_DOWN).await;
    }

    /// Runs docker compose in the repository, which fetches no part of the file from anywhere else.
    async fn compose(&self, words: &[&str], max_bytes: usize, patience: Duration) -> Result<Output, Unobserved> {
        // docker-compose of the first version reads no JSON and is not asked.
        let script = "cd \"$0\" && if docker compose version >/dev/null 2>&1; then exec docker compose \"$@\"; fi; \
                      exec docker-compose \"$@\"";
        let mut argv = ["sh", "-c", script, self.folder].map(str::to_owned).to_vec();
        argv.extend(words.iter().map(|word| (*word).to_owned()));
        let off = ["COMPOSE_EXPERIMENTAL_GIT_REMOTE", "COMPOSE_EXPERIMENTAL_OCI_REMOTE"];
        let env = off.map(|name| (name.to_owned(), "false".to_owned())).to_vec();
        self.vm.run(&Command { argv, env, max_bytes }, patience).await
    }

    /// Waits until every port that is published leads to somebody, or the time for that is over.
    async fn settle(&self) {
        let end = Instant::now() + TO_SETTLE;
        while Instant::now() < end && !self.all_answer(end).await.unwrap_or(false) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn all_answer(&self, end: Instant) -> Result<bool, Unobserved> {
        let engine = Engine::new(self.vm, end);
        let pace = Pace { spacing: Duration::from_secs(1), attempts: 1, whole: Duration::from_secs(1) };
        for listed in engine.containers().await?.iter().filter(|listed| listed.up) {
            let Some(state) = engine.afresh(&listed.id).await? else { continue };
            let Some(address) = state.networks.values().find_map(|network| network.address.clone()) else { continue };
            for port in state.ports.iter().filter(|port| port.protocol == "tcp" && port.host_port.is_some()) {
                let dial = self.vm.dial(&Place::Machine, &address, port.container_port, &pace).await;
                if dial.outcome.is_err() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

async fn look(vm: &dyn Vm, prepared: &Prepared, outcome: Outcome, with: &Bringing<'_>) -> Result<Evidence, Error> {
    let refused = outcome.refused.first().map(|why| why.en.clone()).filter(|_| outcome.exit_code.is_none());
    let consent = Consent {
        // The machine is thrown away.
        to: &[OptIn::Disruptive, OptIn::FromZero],
        refused: refused.as_deref(),
        stop: with.stop,
        say: with.say,
    };
    let look = Look { journal: None, fresh: true, timeout: with.timeout, consent, progress: with.progress };
    let mut evidence = look.at(vm, prepared).await?;
    evidence.remarks.extend(outcome.refused.iter().chain(&outcome.remarks).cloned());
    evidence.repository = Some(Repository { exit_code: outcome.exit_code, refused: outcome.refused });
    seal(&mut evidence);
    Ok(evidence)
}

impl Outcome {
    fn refuse(&mut self, refusals: Vec<Refusal>, enforced: bool) {
        let texts = refusals.iter().take(MANY).map(Refusal::text);
        if enforced {
            self.refused.extend(texts.map(|why| {
                let (es, en) = (why.es, why.en);
                Text::new(
                    format!("el repositorio no se levanta: {es}"),
                    format!("the repository is not brought up: {en}"),
                )
            }));
        } else {
            self.remarks.extend(texts);
        }
    }
}

fn too_long(file: &str) -> Refusal {
    let why = Why::TooMuch("4 MiB".to_owned());
    Refusal { file: file.to_owned(), part: String::new(), key: "docker compose config".to_owned(), why }
}

fn exit_code(end: End) -> Option<i32> {
    match end {
        End::Exited(code) => Some(code),
        _ => None,
    }
}

fn left_out(path: &str) -> Text {
    Text::new(
        format!("`{path}` no es un archivo ni una carpeta, y no se copió"),
        format!("`{path}` is neither a file nor a folder, and was not copied"),
    )
}

fn no_file() -> Text {
    Text::new(
        "en el repositorio no hay un archivo de compose (`docker-compose.yml`), así que no se levantó nada",
        "the repository has no compose file (`docker-compose.yml`), so nothing was brought up",
    )
}

fn not_up(said: &Output) -> Text {
    let words = complaint(&said.stderr);
    let from = words.char_indices().rev().nth(WORDS - 1).map_or(0, |(at, _)| at);
    let words = &words[from..];
    match said.end {
        End::TimedOut => Text::new(
            format!("el repositorio no terminó de levantarse a tiempo: {words}"),
            format!("the repository did not come up in time: {words}"),
        ),
        _ => Text::new(
            format!("compose no levantó el repositorio: {words}"),
            format!("compose did not bring the repository up: {words}"),
        ),
    }
}

fn not_at_hand(missing: &[String]) -> Unobserved {
    let names = missing.iter().take(MANY).cloned().collect::<Vec<_>>().join("`, `");
    Unobserved::new(
        Cause::Unsupported,
        format!(
            "el repositorio usa imágenes que el motor de esta máquina no tiene (`{names}`), y donde se levanta no hay red: \
             si el nombre es correcto, traelas con `docker pull` y corré labrun otra vez"
        ),
        format!(
            "the repository uses images that this machine's engine does not have (`{names}`), and there is no network \
             where it is brought up: if the name is right, fetch them with `docker pull` and run labrun again"
        ),
    )
}
