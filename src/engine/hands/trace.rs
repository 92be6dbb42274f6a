//! The names and labels by which things of the engine tell that a run of labrun made them or set them aside. Pure, but
//! for the look whether that run is still there.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::vm::{FileError, Vm};

/// The label of containers that were made anew.
pub const OWNER: &str = "labrun.owner";

const ASIDE: &str = "-labrun-aside-";
const PROJECT: &str = "labrun-zero-";

/// A run of labrun: its process, and when that began in the kernel's count, since numbers of processes come again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    pid: u32,
    began: u64,
}

impl Owner {
    /// This run.
    pub async fn of_this_run(vm: &dyn Vm) -> Owner {
        let pid = vm.own_pid().unwrap_or_default();
        Owner { pid, began: began(vm, pid).await.unwrap_or_default() }
    }

    /// Its process on the machine.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sixteen hex digits that no other run on the machine has.
    pub fn hex(&self) -> String {
        format!("{:08x}{:08x}", self.pid, self.began & 0xffff_ffff)
    }

    /// Whether its process is still there.
    pub async fn is_alive(&self, vm: &dyn Vm) -> bool {
        self.pid > 0 && began(vm, self.pid).await == Some(self.began)
    }
}

/// When the process `pid` began: the twenty-second word of proc(5)'s `stat`, counted after the name in brackets.
async fn began(vm: &dyn Vm, pid: u32) -> Option<u64> {
    let read: Result<_, FileError> = vm.read_file(&format!("/proc/{pid}/stat"), 4096).await;
    let stat = read.ok()?.bytes;
    let stat = String::from_utf8_lossy(&stat);
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19)?.parse().ok()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}-{}", self.pid, self.began)
    }
}

impl FromStr for Owner {
    type Err = ();

    fn from_str(text: &str) -> Result<Owner, ()> {
        let (pid, began) = text.split_once('-').ok_or(())?;
        Ok(Owner { pid: pid.parse().map_err(drop)?, began: began.parse().map_err(drop)? })
    }
}

/// What a container was doing before it was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It ran.
    Running,
    /// It was paused.
    Paused,
    /// It did not run.
    Stopped,
}

/// A container that is set aside, as its name tells: `ams-labrun-aside-running-4242-188231`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// Its own name.
    pub name: String,
    /// What it was doing.
    pub state: State,
    /// Who set it aside.
    pub owner: Owner,
}

impl fmt::Display for Aside {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let state = match self.state {
            State::Running => "running",
            State::Paused => "paused",
            State::Stopped => "stopped",
        };
        write!(f, "{}{ASIDE}{state}-{}", self.name, self.owner)
    }
}

impl FromStr for Aside {
    type Err = ();

    fn from_str(text: &str) -> Result<Aside, ()> {
        let (name, rest) = text.rsplit_once(ASIDE).ok_or(())?;
        let (state, owner) = rest.split_once('-').ok_or(())?;
        let state = match state {
            "running" => State::Running,
            "paused" => State::Paused,
            "stopped" => State::Stopped,
            _ => return Err(()),
        };
        Ok(Aside { name: name.to_owned(), state, owner: owner.parse()? })
    }
}

/// The compose project that a run may bring up.
pub fn project(owner: &Owner) -> String {
    format!("{PROJECT}{owner}")
}

/// Whose such a project is.
pub fn owner_of_project(project: &str) -> Option<Owner> {
    project.strip_prefix(PROJECT)?.parse().ok()
}

/// Whether an image was built for the project of `owner`: compose v2 calls it `PROJECT-SERVICE`, v1 `PROJECT_SERVICE`.
pub fn is_project_of(image: &str, owner: &Owner) -> bool {
    image.strip_prefix(&project(owner)).is_some_and(|rest| rest.starts_with(['-', '_']))
}

/// Whether what has these attributes, in an event of the engine, was made or set aside by a run of labrun.
pub fn is_in_hand(attributes: &HashMap<String, String>) -> bool {
    let said = |name: &str| attributes.get(name).map(String::as_str).unwrap_or_default();
    // A network or volume of a project has no label here, and its project's name before its own.
    let of_project = |name: &str| name.starts_with(PROJECT);
    said("name").parse::<Aside>().is_ok()
        || !said(OWNER).is_empty()
        || of_project(said("name"))
        || of_project(said("com.docker.compose.project"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::local::Local;

    #[test]
    fn what_is_set_aside_tells_its_name_and_its_state() {
        let owner = Owner { pid: 4242, began: 188_231 };
        for (state, text) in [
            (State::Running, "a-b-labrun-aside-running-4242-188231"),
            (State::Paused, "a-b-labrun-aside-paused-4242-188231"),
            (State::Stopped, "a-b-labrun-aside-stopped-4242-188231"),
        ] {
            let aside = Aside { name: "a-b".to_owned(), state, owner: owner.clone() };
            assert_eq!(aside.to_string(), text);
            assert_eq!(text.parse(), Ok(aside));
        }
        for text in ["ams", "ams-labrun-aside-", "ams-labrun-aside-dead-1-2", "ams-labrun-aside-running-1", "x-1-2"] {
            assert!(text.parse::<Aside>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_project_tells_whose_it_is() {
        let owner = Owner { pid: 42, began: 18 };
        assert_eq!(owner_of_project("labrun-zero-42-18"), Some(owner.clone()));
        assert_eq!(owner_of_project("lab4"), None);
        assert!(is_project_of("labrun-zero-42-18-drp1:latest", &owner));
        assert!(is_project_of("labrun-zero-42-18_drp1:latest", &owner));
        assert!(!is_project_of("labrun-zero-42-188-drp1:latest", &owner));
        assert!(!is_project_of("postgres:14.1-alpine", &owner));
    }

    #[tokio::test]
    async fn a_run_is_alive_while_its_very_process_is() {
        let vm = Local::new(None);
        let own = Owner::of_this_run(&vm).await;
        assert!(own.began > 0 && own.is_alive(&vm).await);
        assert!(!Owner { began: own.began + 1, ..own.clone() }.is_alive(&vm).await);
        assert!(!Owner { pid: u32::MAX, ..own }.is_alive(&vm).await);
    }
}
