//! What the engine tells by itself, as it happens: boiled down to what may be another way now. A list that is asked for
//! later is the truth; this only says when to ask.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::engine::files::MARK;
use crate::engine::hands::is_in_hand;
use crate::engine::{PATIENCE, broken, is_helper};
use crate::evidence::{Cause, Unobserved};
use crate::vm::Vm;

/// What may be another way now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Containers: which there are, how they are doing.
    Containers,
    /// Networks, and who is on them.
    Networks,
    /// Volumes, and who has them.
    Volumes,
    /// What is inside a container: somebody did something there.
    Inside,
    /// Something else: images, the engine itself, whatever a later engine tells of.
    Other,
}

impl Change {
    /// Whatever there is.
    pub const ALL: &'static [Change] =
        &[Change::Containers, Change::Networks, Change::Volumes, Change::Inside, Change::Other];

    /// All that the engine itself shows: not what goes on inside a container.
    pub const OUTSIDE: &'static [Change] = &[Change::Containers, Change::Networks, Change::Volumes, Change::Other];
}

/// One thing that was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Something may be another way.
    Change(Change),
    /// Another run of labrun does something to the machine, which is not the student's doing.
    Hands,
}

/// How many events wait to be heard.
const WAITING: usize = 256;

/// How many of labrun's own helpers, and of its shells in containers, are remembered.
const OWN: usize = 1000;

/// An ear at the engine, until it is dropped or the engine falls silent for good.
pub struct Ear {
    heard: Receiver<Heard>,
    listening: JoinHandle<()>,
}

impl Ear {
    /// Listens to the engine of `vm`: what happens from now on is heard.
    pub async fn at(vm: &dyn Vm) -> Result<Ear, Unobserved> {
        let (docker, info) = timeout(PATIENCE, async {
            let docker = vm.docker().await?;
            let info = docker.info().await.map_err(|error| broken(&error))?;
            Ok::<_, Unobserved>((docker, info))
        })
        .await
        .map_err(|_| silent())??;
        // By the engine's own clock, since who asks for events does not learn when that has taken effect.
        let since = info.system_time.and_then(|time| time.parse::<Timestamp>().ok());
        let options = EventsOptions { since: since.map(|time| time.as_second().to_string()), ..Default::default() };
        let (tell, heard) = channel(WAITING);
        let listening = tokio::spawn(async move {
            let mut events = docker.events(Some(options));
            let mut own = BTreeSet::new();
            while let Some(event) = events.next().await {
                let said = match event {
                    Ok(event) => read(&event, &mut own),
                    // What makes no sense may be anything.
                    Err(Error::JsonDataError { .. } | Error::JsonSerdeError { .. }) => {
                        Some(Heard::Change(Change::Other))
                    }
                    Err(_) => break,
                };
                if let Some(said) = said
                    && tell.send(said).await.is_err()
                {
                    break;
                }
            }
            drop::<Docker>(docker);
        });
        Ok(Ear { heard, listening })
    }

    /// What is told of next; none when the engine tells of nothing any more.
    pub async fn next(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }

    /// What else was told of by now.
    pub fn by_now(&mut self) -> impl Iterator<Item = Heard> {
        std::iter::from_fn(|| self.heard.try_recv().ok())
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn silent() -> Unobserved {
    let seconds = Duration::as_secs(&PATIENCE);
    Unobserved::new(
        Cause::Engine,
        format!("el motor de Docker no respondió en {seconds} s"),
        format!("the Docker engine did not answer in {seconds} s"),
    )
}

/// What labrun's own looks make the engine tell of, and what nobody can see the effect of.
const IDLE: &[&str] = &["top", "archive-path", "exec_create", "attach", "detach", "resize", "export"];

/// What one event may have changed. Of labrun's own helpers and shells nothing is said: they are there because it looks.
fn read(event: &EventMessage, own: &mut BTreeSet<String>) -> Option<Heard> {
    let action = event.action.as_deref().unwrap_or_default();
    let none = HashMap::new();
    let actor = event.actor.as_ref();
    let attributes = actor.and_then(|actor| actor.attributes.as_ref()).unwrap_or(&none);
    let said = |name: &str| attributes.get(name).map(String::as_str);
    let is_shell = action.starts_with("exec_start:") && action.split(' ').any(|word| word == MARK);
    if own.len() >= OWN {
        own.clear();
    }
    match event.typ {
        Some(EventMessageTypeEnum::CONTAINER) if said("name").is_some_and(is_helper) => {
            own.extend(actor.and_then(|actor| actor.id.clone()));
            return None;
        }
        Some(EventMessageTypeEnum::CONTAINER) if is_shell => {
            own.extend(said("execID").map(str::to_owned));
            return None;
        }
        Some(EventMessageTypeEnum::CONTAINER) if said("execID").is_some_and(|id| own.contains(id)) => return None,
        Some(EventMessageTypeEnum::NETWORK) if said("container").is_some_and(|id| own.contains(id)) => return None,
        _ => {}
    }
    if is_in_hand(attributes) {
        return Some(Heard::Hands);
    }
    let verb = action.split(':').next().unwrap_or_default();
    let change = match event.typ {
        Some(EventMessageTypeEnum::CONTAINER) if IDLE.contains(&verb) => return None,
        Some(EventMessageTypeEnum::CONTAINER) => match verb {
            "exec_start" | "exec_die" | "exec_detach" | "copy" | "extract-to-dir" => Change::Inside,
            _ => Change::Containers,
        },
        Some(EventMessageTypeEnum::NETWORK) => Change::Networks,
        Some(EventMessageTypeEnum::VOLUME) => Change::Volumes,
        _ => Change::Other,
    };
    Some(Heard::Change(change))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(events: &[Value]) -> Vec<Option<Heard>> {
        let mut own = BTreeSet::new();
        let read = |event: &Value| read(&serde_json::from_value(event.clone()).unwrap(), &mut own);
        events.iter().map(read).collect()
    }

    fn event(typ: &str, action: &str, attributes: Value) -> Value {
        json!({"Type": typ, "Action": action, "Actor": {"ID": "aa", "Attributes": attributes}})
    }

    #[test]
    fn an_event_is_about_what_it_says_and_an_unknown_one_about_anything() {
        let change = |change| Some(Heard::Change(change));
        for (typ, action, wanted) in [
            ("container", "start", change(Change::Containers)),
            ("container", "health_status: healthy", change(Change::Containers)),
            ("container", "something-new", change(Change::Containers)),
            ("container", "exec_start: psql -c 'CREATE TABLE t ()'", change(Change::Inside)),
            ("container", "exec_die", change(Change::Inside)),
            ("container", "extract-to-dir", change(Change::Inside)),
            ("container", "exec_create: psql", None),
            ("container", "top", None),
            ("container", "archive-path", None),
            ("network", "connect", change(Change::Networks)),
            ("network", "destroy", change(Change::Networks)),
            ("volume", "unmount", change(Change::Volumes)),
            ("image", "tag", change(Change::Other)),
            ("daemon", "reload", change(Change::Other)),
        ] {
            assert_eq!(told(&[event(typ, action, json!({"name": "ams"}))]), [wanted], "{typ} {action}");
        }
        assert_eq!(told(&[json!({})]), [change(Change::Other)]);
    }

    #[test]
    fn labrun_does_not_listen_to_itself() {
        let helper = json!({"name": "labrun-helper-1-2", "labrun.helper": "on-a-network"});
        let on_net = |id: &str| event("network", "connect", json!({"container": id, "name": "internal"}));
        let all = [event("container", "create", helper.clone()), on_net("aa"), on_net("bb")];
        assert_eq!(told(&all), [None, None, Some(Heard::Change(Change::Networks))]);
        let shell = |action: &str, id: &str| event("container", action, json!({"name": "web", "execID": id}));
        let all = [
            shell("exec_start: sh -c stat labrun-look /var", "e1"),
            shell("exec_die", "e1"),
            shell("exec_start: sh -c stat /labrun-look", "e2"),
            shell("exec_die", "e2"),
        ];
        let inside = Some(Heard::Change(Change::Inside));
        assert_eq!(told(&all), [None, None, inside, inside]);
        // A student's container of nearly that name is a student's.
        assert!(told(&[event("container", "create", json!({"name": "my-labrun-helper-1"}))])[0].is_some());
    }

    #[test]
    fn what_another_run_does_to_the_machine_is_not_the_student_s() {
        for attributes in [
            json!({"name": "ams-labrun-aside-running-4242-188231", "oldName": "/ams"}),
            json!({"name": "ams", "labrun.owner": "4242-188231"}),
            json!({"name": "labrun-zero-4242-188231-web-1", "com.docker.compose.project": "labrun-zero-4242-188231"}),
            json!({"name": "labrun-zero-4242-188231_default"}),
        ] {
            for typ in ["container", "network"] {
                assert_eq!(told(&[event(typ, "create", attributes.clone())]), [Some(Heard::Hands)], "{attributes}");
            }
        }
    }
}
