//! Whether one command brings a compose file up from nothing: its services, volumes and networks are made beside
//! whatever runs already, under names of their own, looked at, and removed. Opt-in: it takes time, memory and disk.

mod separate;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::engine::{Engine, Hands};
use crate::evidence::{Cause, Facts, OptIn, Unobserved};
use crate::probe::compose::{
    Compose, Project, Tool, bind_sources, complaint, external, not_fetched, projects, read, run, the_one,
};
use crate::probe::consent::AtWork;
use crate::probe::http::Http;
use crate::probe::{Context, Probe, Sheet, quote};
use crate::text::Text;
use crate::vm::{Command, End, FileError, Output};

use separate::{Folder, Published, Separate, separate};

/// How long compose may take: it may have to build and to pull.
const TO_COME_UP: Duration = Duration::from_secs(180);

/// How soon compose has to be refused for it to be tried once more.
pub const REFUSED_SOON: Duration = Duration::from_secs(60);

/// For how long whatever is up has to stay so: what lacks something it depends on ends a little later.
const TO_SETTLE: Duration = Duration::from_secs(5);

/// How much of the student's own files in one folder is copied.
const FOLDER_BYTES: usize = 8 << 20;

/// How long the rewritten file may be, since it is handed over as an argument.
const CONFIG_BYTES: usize = 100 << 10;

/// How many services are reported, and how many characters of compose's last words.
const MANY: usize = 100;
const WORDS: usize = 2000;

/// Brings a compose file up from nothing, beside whatever runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Up {
    /// Where it lies, as `compose` takes it.
    #[serde(default)]
    pub path: Option<String>,
    /// The ports of the machine at which the file's web services are to answer.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// How long they may take until they answer, once compose is done; a minute unless said otherwise.
    #[serde(default = "a_minute", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub wait: Duration,
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed
        .filter(|duration| *duration <= Duration::from_secs(120))
        .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no duration: write `60s`, at most two minutes")))
}

#[async_trait]
impl Probe for Up {
    const NAME: &'static str = "up";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("found", "`one`, `none`, or `several` when more than one compose file may be meant"),
        ("names", "the paths of those that may be meant"),
        ("path", "the path of the file; the first one where it is made of several"),
        ("by", "how it was found: `path`, `containers` or `name`"),
        ("tool", "the version of compose that was asked"),
        ("external", "what the file wants to be there already, so that it was not tried: a list of {kind, name}"),
        ("exit_code", "the exit code of compose; null when it was not tried"),
        ("error", "what compose had against it, or its last words, or null"),
        ("first_error", "what compose had against it the first time, when it was tried again, or null"),
        ("services", "what became of each: a list of {name, status, exit_code, restarts}, or null"),
        ("http", "what answered at each port: a list of {port, service, status, location, title, generator}, or null"),
        ("one_command", "whether that one command was enough: all that it started runs (or is done), and all answers"),
        ("restored", "whether everything that was brought up is gone again; null if nothing was"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] = Compose::WORDS;
    const OPT_IN: Option<OptIn> = Some(OptIn::FromZero);
    const LIMIT: Duration = Duration::from_secs(330);

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let mut sheet = Sheet::default();
        let asked = Compose { path: self.path.clone(), container: None };
        let mut outcome = Outcome::default();
        if let Some(project) = the_one(projects(cx, &asked).await?, &mut sheet) {
            let read = read(cx, &project).await?;
            sheet.text("tool", Some(&read.tool.version), 100);
            match read.config {
                Err(error) => outcome.error = Some(error),
                Ok(config) => {
                    outcome.external = external(&config);
                    if let Some(why) = cx.consent.refused {
                        outcome.error = Some(why.to_owned());
                    } else if outcome.external.is_empty() {
                        let start = Instant::now();
                        self.bring_up(cx, &project, &read.tool, &config, &mut outcome).await?;
                        // An engine that makes several containers at once gets in its own way at times, and says so as an
                        // error. What is the file's own fault is refused again.
                        if outcome.exit_code.is_some_and(|code| code != 0) && start.elapsed() < REFUSED_SOON {
                            let first = std::mem::take(&mut outcome);
                            outcome.first_error = first.error;
                            self.bring_up(cx, &project, &read.tool, &config, &mut outcome).await?;
                            outcome.restored = outcome.restored.zip(first.restored).map(|(last, first)| last && first);
                        }
                        let refused = outcome.exit_code.is_some_and(|code| code != 0);
                        if let Some(why) = outcome.error.as_deref().filter(|_| refused).and_then(not_fetched) {
                            return Err(why);
                        }
                    }
                }
            }
        }
        sheet.list("external", outcome.external, MANY);
        sheet.fact("exit_code", outcome.exit_code);
        sheet.text("error", outcome.error.as_deref(), WORDS);
        sheet.text("first_error", outcome.first_error.as_deref(), WORDS);
        sheet.fact("one_command", outcome.exit_code == Some(0) && outcome.settled);
        match outcome.services {
            Some(services) => sheet.list("services", services, MANY),
            None => sheet.fact("services", Value::Null),
        }
        sheet.fact("http", outcome.http);
        sheet.fact("restored", outcome.restored);
        Ok(sheet.done())
    }

    fn command(&self) -> String {
        let folder = self.path.as_deref().unwrap_or("~/lab4");
        let folder = folder.strip_prefix("~/").map_or_else(|| quote(folder), |rest| format!("~/{}", quote(rest)));
        format!("cd {folder} && docker compose -p from-zero up -d; docker compose -p from-zero ps -a")
    }
}

#[derive(Default)]
struct Outcome {
    external: Vec<Value>,
    exit_code: Option<i32>,
    error: Option<String>,
    first_error: Option<String>,
    services: Option<Vec<Value>>,
    http: Option<Vec<Value>>,
    /// Whether all that was started runs or is done, and all answers.
    settled: bool,
    restored: Option<bool>,
}

impl Up {
    async fn bring_up(
        &self,
        cx: &Context<'_>,
        project: &Project,
        tool: &Tool,
        config: &Value,
        outcome: &mut Outcome,
    ) -> Result<(), Unobserved> {
        let kept = kept_in_place(cx, config).await?;
        let is_kept = |path: &str| kept.contains(path);
        let mut archives: Vec<(Folder, Vec<u8>)> = Vec::new();
        let at_work = AtWork::begin(cx, self.will(project.path())).await?;
        let name = at_work.hands.project();
        let apart = separate(config, &name, is_kept, false);
        let to_fill = separate(config, &name, is_kept, true);
        let (apart, to_fill) = (&apart, &to_fill);
        let work = async {
            if apart.on_host && some_run_on_host(cx).await? {
                return Err(cannot_be_apart());
            }
            for folder in &apart.folders {
                if !archives.iter().any(|(known, _)| known.source == folder.source)
                    && let Some(archive) = own_files(cx, project, &folder.source).await?
                {
                    archives.push((folder.clone(), archive));
                }
            }
            let call = Call { cx, project, tool, name: &name };
            if !archives.is_empty() {
                let made = call.up(&to_fill.config, &["--no-start"]).await?;
                if !outcome.has_come_up(&made)? {
                    return Ok(());
                }
                for (folder, archive) in archives {
                    fill(cx, &at_work.hands, &name, &folder, archive).await?;
                }
            }
            let up = call.up(&apart.config, &["-d"]).await?;
            outcome.has_come_up(&up)?;
            self.settle(cx, &name, apart, outcome).await
        };
        outcome.restored = Some(at_work.undo_after(cx, work, async {}).await?.1);
        Ok(())
    }

    /// Looks at the services until all is well, or the time for that is over.
    async fn settle(
        &self,
        cx: &Context<'_>,
        project: &str,
        apart: &Separate,
        outcome: &mut Outcome,
    ) -> Result<(), Unobserved> {
        let start = Instant::now();
        let wait = if outcome.exit_code == Some(0) { self.wait } else { Duration::ZERO };
        loop {
            let engine = Engine::new(cx.vm, cx.deadline);
            let now = cx.with(&engine, cx.deadline);
            let seen = look(&now, project).await?;
            let mut http = Vec::new();
            for port in &self.ports {
                http.push(answer(&now, *port, apart.published.get(port), &seen).await?);
            }
            let answers = http.iter().all(|answer| answer["status"].as_u64().is_some_and(|status| status < 500));
            outcome.settled = answers && seen.iter().all(Service::is_well) && !seen.is_empty();
            outcome.services = Some(seen.iter().map(Service::fact).collect());
            outcome.http = Some(http);
            let past = start.elapsed();
            if past >= wait || (outcome.settled && past >= TO_SETTLE) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn will(&self, path: &str) -> Text {
        Text::new(
            format!(
                "se levanta {path} desde cero, con nombres y puertos propios, al lado de lo que corre, que no se toca; \
                 después se borra todo (hasta unos minutos)"
            ),
            format!(
                "{path} is brought up from nothing, under names and ports of its own, beside what runs, which is not \
                 touched; then all of it is removed (up to some minutes)"
            ),
        )
    }
}

impl Outcome {
    /// Notes how compose ended; whether it did what it was asked.
    fn has_come_up(&mut self, output: &Output) -> Result<bool, Unobserved> {
        let said = complaint(&output.stderr);
        if said.contains("Pool overlaps with other one") {
            return Err(cannot_be_apart());
        }
        self.exit_code = match output.end {
            End::Exited(code) => Some(code),
            End::TimedOut => return Err(not_in_time()),
            End::Killed(_) | End::NotFound => None,
        };
        let well = self.exit_code == Some(0);
        let from = said.char_indices().rev().nth(WORDS - 1).map_or(0, |(at, _)| at);
        self.error = (!well).then(|| said[from..].to_owned());
        Ok(well)
    }
}

/// How compose is called for the project that is brought up.
struct Call<'a> {
    cx: &'a Context<'a>,
    project: &'a Project,
    tool: &'a Tool,
    name: &'a str,
}

impl Call<'_> {
    /// Brings `config` up. Compose reads it from its standard input, since nothing is written to the machine.
    async fn up(&self, config: &Value, options: &[&str]) -> Result<Output, Unobserved> {
        let config = config.to_string();
        if config.len() > CONFIG_BYTES {
            return Err(Unobserved::new(
                Cause::Limit,
                "el archivo de compose, ya resuelto, ocupa más de 100 KiB: más de lo que labrun levanta",
                "the compose file, all resolved, is larger than 100 KiB: more than labrun brings up",
            ));
        }
        let script = "printf %s \"$0\" | \"$@\"";
        let mut argv: Vec<String> = ["sh", "-c", script].map(str::to_owned).to_vec();
        argv.push(config);
        argv.extend(self.tool.argv.iter().cloned());
        let folder = self.project.folder.clone();
        argv.extend(["-p".to_owned(), self.name.to_owned(), "--project-directory".to_owned(), folder]);
        argv.extend(["-f", "-", "up"].into_iter().chain(options.iter().copied()).map(str::to_owned));
        run(self.cx, argv, 64 << 10, TO_COME_UP).await
    }
}

/// The sources of bind mounts that are no folders: they stay where they are.
async fn kept_in_place(cx: &Context<'_>, config: &Value) -> Result<BTreeSet<String>, Unobserved> {
    let mut kept = BTreeSet::new();
    for source in bind_sources(config) {
        match cx.vm.list_directory(&source, 1).await {
            Err(FileError::WrongKind) => drop(kept.insert(source)),
            Err(FileError::Broken(_)) => drop(kept.insert(source)),
            Ok(_) | Err(FileError::NotFound | FileError::Denied) => {}
        }
    }
    Ok(kept)
}

async fn some_run_on_host(cx: &Context<'_>) -> Result<bool, Unobserved> {
    let up = cx.engine.containers().await?.iter().filter(|container| container.up);
    Ok(up.into_iter().any(|container| container.networks.contains_key("host")))
}

fn cannot_be_apart() -> Unobserved {
    Unobserved::new(
        Cause::Unsupported,
        "el archivo usa la red de la máquina o direcciones fijas que ya están en uso: para probarlo desde cero, primero \
         bajá lo tuyo con `docker compose down`",
        "the file uses the machine's own network or fixed addresses that are in use: to try it from nothing, first take \
         yours down with `docker compose down`",
    )
}

fn not_in_time() -> Unobserved {
    Unobserved::new(
        Cause::Limit,
        "compose no terminó de levantar el archivo en los tres minutos que labrun le da, quizás por imágenes que primero \
         hay que traer: traelas con `docker compose pull` y corré labrun otra vez",
        "compose did not bring the file up within the three minutes that labrun gives it, maybe because of images that have \
         to be fetched first: fetch them with `docker compose pull` and run labrun again",
    )
}

/// A tar archive of the files in a folder that belong to whoever owns the compose file. What containers have written
/// there belongs to others, and is not what a fresh copy of the student's files would hold.
async fn own_files(cx: &Context<'_>, project: &Project, folder: &str) -> Result<Option<Vec<u8>>, Unobserved> {
    let Ok(owner) = cx.vm.stat(project.path()).await.map(|stat| stat.uid) else { return Ok(None) };
    let script = "cd \"$0\" 2>/dev/null || exit 9; \
        find . -xdev ! -user \"$1\" -prune -o '(' -type f -o -type d -o -type l ')' -print0 | \
        tar --null --no-recursion -T - -cf - 2>/dev/null";
    let argv = ["sh", "-c", script, folder, &owner.to_string()].map(str::to_owned).to_vec();
    let output = cx.vm.run(&Command { argv, env: Vec::new(), max_bytes: FOLDER_BYTES }, cx.patience).await?;
    if output.stdout_cut || output.end == End::TimedOut {
        return Err(Unobserved::new(
            Cause::Limit,
            format!("la carpeta {folder} tiene más de 8 MiB de archivos: más de lo que labrun copia"),
            format!("the folder {folder} holds more than 8 MiB of files: more than labrun copies"),
        ));
    }
    Ok((output.end == End::Exited(0)).then_some(output.stdout))
}

/// Puts the student's own files into the volume that stands for their folder.
async fn fill(
    cx: &Context<'_>,
    hands: &Hands,
    project: &str,
    folder: &Folder,
    archive: Vec<u8>,
) -> Result<(), Unobserved> {
    let engine = Engine::new(cx.vm, cx.deadline);
    let all = engine.containers().await?.iter();
    let one = all.filter(|one| one.compose.as_ref().is_some_and(|labels| labels.project == project));
    let Some(one) = one.into_iter().find(|one| one.service.as_deref() == Some(&folder.service)) else { return Ok(()) };
    hands.fill(&one.id, &folder.target, archive).await.map_err(|why| {
        let source = &folder.source;
        Unobserved::new(
            Cause::Engine,
            format!("no se pudieron copiar los archivos de {source}: {why}"),
            format!("the files of {source} could not be copied: {why}"),
        )
    })
}

/// A container of the project that was brought up.
struct Service {
    name: String,
    status: String,
    exit_code: Option<i64>,
    restarts: Option<i64>,
    /// The port in the container and the port of the machine.
    ports: Vec<(u16, Option<String>, u16)>,
}

impl Service {
    fn is_well(&self) -> bool {
        self.status == "running" || (self.status == "exited" && self.exit_code == Some(0))
    }

    fn fact(&self) -> Value {
        let (name, restarts) = (&self.name, self.restarts);
        json!({"name": name, "status": self.status, "exit_code": self.exit_code, "restarts": restarts})
    }
}

async fn look(cx: &Context<'_>, project: &str) -> Result<Vec<Service>, Unobserved> {
    let mut seen = Vec::new();
    let all = cx.engine.containers().await?.iter();
    let own = all.filter(|one| one.compose.as_ref().is_some_and(|labels| labels.project == project));
    for id in own.map(|one| one.id.clone()) {
        let Some(state) = cx.engine.afresh(&id).await? else { continue };
        let ports = state.ports.iter().filter(|port| port.protocol == "tcp");
        let ports = ports.filter_map(|port| Some((port.container_port, port.host_ip.clone(), port.host_port?)));
        seen.push(Service {
            ports: ports.collect(),
            name: state.service.unwrap_or_default(),
            exit_code: state.exit_code.filter(|_| state.status != "running"),
            status: state.status,
            restarts: state.restart_count,
        });
    }
    seen.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(seen)
}

/// What answers where the file would have `port` of the machine answer.
async fn answer(
    cx: &Context<'_>,
    port: u16,
    published: Option<&Published>,
    seen: &[Service],
) -> Result<Value, Unobserved> {
    let service = published.map(|published| published.service.as_str());
    let mut ends = seen.iter().filter(|one| Some(one.name.as_str()) == service).flat_map(|one| &one.ports);
    let end = ends.find(|(target, ..)| published.is_some_and(|published| published.target == *target));
    let Some((_, ip, actual)) = end else {
        return Ok(json!({
            "port": port, "service": service, "status": null, "location": null, "title": null, "generator": null,
        }));
    };
    let host = match ip.as_deref() {
        None | Some("0.0.0.0" | "::") => "localhost".to_owned(),
        Some(ip) if ip.contains(':') => format!("[{ip}]"),
        Some(ip) => ip.to_owned(),
    };
    let to = format!("{host}:{actual}");
    let first = ask(cx, &to, port, "/").await?;
    let location = first.get("headers").and_then(|headers| headers["location"].as_str()).map(str::to_owned);
    // A page behind a redirect that stays on the site tells what the site is.
    let inside = location.as_deref().and_then(|location| {
        let own = [format!("http://localhost:{port}"), "http://localhost".to_owned()];
        own.iter().find_map(|own| location.strip_prefix(own.as_str())).or(Some(location))
    });
    let page = match inside.filter(|path| path.starts_with('/') && !path.starts_with("//")) {
        Some(path) => ask(cx, &to, port, path).await?,
        None => first.clone(),
    };
    let body = page.get("body").and_then(Value::as_str).unwrap_or_default();
    let generator = page.get("headers").and_then(|headers| headers["x-generator"].as_str()).map(str::to_owned);
    let short = |text: String| text.chars().take(200).collect::<String>();
    Ok(json!({
        "port": port,
        "service": service,
        "status": first.get("status"),
        "location": location.map(short),
        "title": between(body, "<title>", "</title>").map(short),
        "generator": generator.or_else(|| between(body, "<meta name=\"Generator\" content=\"", "\"")).map(short),
    }))
}

/// One request, as if it had come by the port that the file says.
async fn ask(cx: &Context<'_>, to: &str, port: u16, path: &str) -> Result<Facts, Unobserved> {
    let args = json!({"to": to, "path": path, "headers": {"host": format!("localhost:{port}")}});
    match Http::deserialize(args) {
        Ok(request) => request.observe(cx).await,
        Err(_) => Ok(Facts::new()),
    }
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_to_wait_is_bounded() {
        let wait = |wait: &str| serde_json::from_value::<Up>(json!({"wait": wait})).map(|up| up.wait);
        assert_eq!(wait("90s").unwrap(), Duration::from_secs(90));
        assert!(wait("3m").is_err() && wait("soon").is_err());
        assert_eq!(serde_json::from_value::<Up>(json!({})).unwrap().wait, Duration::from_secs(60));
    }

    #[test]
    fn compose_that_is_not_done_in_labrun_s_time_is_no_fault_of_the_file_s() {
        let ended = |end, said: &str| Output {
            end,
            stdout: Vec::new(),
            stderr: said.as_bytes().to_vec(),
            stdout_cut: false,
            stderr_cut: false,
        };
        let mut outcome = Outcome::default();
        assert_eq!(outcome.has_come_up(&ended(End::TimedOut, " web Pulling")).unwrap_err().cause, Cause::Limit);
        assert!(outcome.has_come_up(&ended(End::Exited(0), "")).unwrap());
        assert!(!outcome.has_come_up(&ended(End::Exited(1), "no such service")).unwrap());
        assert_eq!((outcome.exit_code, outcome.error.as_deref()), (Some(1), Some("no such service")));
    }

    #[test]
    fn a_service_is_well_while_it_runs_and_when_it_is_done() {
        let service = |status: &str, exit_code| Service {
            name: "x".into(),
            status: status.into(),
            exit_code,
            restarts: Some(0),
            ports: Vec::new(),
        };
        assert!(service("running", None).is_well() && service("exited", Some(0)).is_well());
        assert!(!service("exited", Some(1)).is_well() && !service("restarting", Some(1)).is_well());
        assert!(!service("created", Some(0)).is_well());
    }

    #[test]
    fn the_command_is_one_a_student_can_paste() {
        let up: Up = serde_json::from_value(json!({"path": "~/my lab"})).unwrap();
        assert!(up.command().starts_with("cd ~/'my lab' && docker compose -p from-zero up -d"));
    }
}
