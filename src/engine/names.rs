//! What a name stands for. A lab says `ams`; the machine may have a container `ams`, a compose service `ams` that
//! runs as `p-ams-1`, or both. Pure rules over the engine's lists.

use std::sync::Arc;

use crate::engine::{ContainerState, Listed};

/// Who answers to a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution<T = Arc<ContainerState>> {
    /// Nobody.
    None,
    /// Exactly this one.
    One(T),
    /// More than one: their exact names, sorted.
    Several(Vec<String>),
}

impl<T> Resolution<T> {
    /// `none`, `one` or `several`, as facts say it.
    pub fn word(&self) -> &'static str {
        match self {
            Resolution::None => "none",
            Resolution::One(_) => "one",
            Resolution::Several(_) => "several",
        }
    }

    /// Whether there is such a thing; nothing can be said while several answer.
    pub fn exists(&self) -> Option<bool> {
        match self {
            Resolution::None => Some(false),
            Resolution::One(_) => Some(true),
            Resolution::Several(_) => None,
        }
    }

    /// The exact names of those that answer to the name; `name` tells that of the only one.
    pub fn names<'n>(&'n self, name: impl Fn(&'n T) -> &'n str) -> Vec<&'n str> {
        match self {
            Resolution::None => Vec::new(),
            Resolution::One(one) => vec![name(one)],
            Resolution::Several(names) => names.iter().map(String::as_str).collect(),
        }
    }

    /// The one that answers to the name, if exactly one does.
    pub fn single(self) -> Option<T> {
        match self {
            Resolution::One(one) => Some(one),
            Resolution::None | Resolution::Several(_) => None,
        }
    }
}

/// The rule of names: a running service, else the exact name, else a stopped service. No container is called `:8081`:
/// that is whichever publishes this port of the machine.
pub fn choose<'l>(all: &'l [Listed], name: &str) -> Resolution<&'l Listed> {
    if let Some(port) = published_port(name) {
        let publishes = |one: &&Listed| one.ports.iter().any(|it| it.host_port == Some(port) && it.protocol == "tcp");
        return one_or_several(all.iter().filter(|one| one.up).filter(publishes).collect(), |one| &one.name);
    }
    let services = |up: bool| -> Vec<&Listed> {
        all.iter().filter(|one| one.up == up && one.service.as_deref() == Some(name)).collect()
    };
    let running = services(true);
    if !running.is_empty() {
        return one_or_several(running, |one| &one.name);
    }
    match all.iter().find(|one| one.name == name) {
        Some(exact) => Resolution::One(exact),
        None => one_or_several(services(false), |one| &one.name),
    }
}

/// The port by which a name like `:8081` means a container.
pub fn published_port(name: &str) -> Option<u16> {
    name.strip_prefix(':')?.parse().ok()
}

/// Something that can be called by its exact name or by compose's label.
pub struct Candidate<T> {
    /// Its exact name.
    pub exact: String,
    /// Compose's name for it.
    pub label: Option<String>,
    /// Whether a running container uses it.
    pub used: bool,
    /// What it is.
    pub item: T,
}

/// The rule of names for networks and volumes, which neither run nor stop: those that answer to the name exactly or
/// by label. What an earlier lab left behind gives way to what running containers use.
pub fn pick<T>(all: impl Iterator<Item = Candidate<T>>, name: &str) -> Resolution<T> {
    let mut found: Vec<Candidate<T>> =
        all.filter(|one| one.exact == name || one.label.as_deref() == Some(name)).collect();
    if found.len() > 1 {
        if found.iter().any(|one| one.used) {
            found.retain(|one| one.used);
        } else if found.iter().any(|one| one.exact == name) {
            found.retain(|one| one.exact == name);
        }
    }
    match one_or_several(found, |one| &one.exact) {
        Resolution::None => Resolution::None,
        Resolution::One(one) => Resolution::One(one.item),
        Resolution::Several(names) => Resolution::Several(names),
    }
}

fn one_or_several<T>(mut found: Vec<T>, name: impl Fn(&T) -> &String) -> Resolution<T> {
    if found.len() > 1 {
        let mut names: Vec<String> = found.iter().map(|one| name(one).clone()).collect();
        names.sort();
        return Resolution::Several(names);
    }
    found.pop().map_or(Resolution::None, Resolution::One)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Published;

    fn container(name: &str, service: Option<&str>, state: &str) -> Listed {
        let up = matches!(state, "running" | "restarting");
        Listed { name: name.into(), service: service.map(str::to_owned), up, ..Default::default() }
    }

    fn chosen(all: &[Listed], name: &str) -> Resolution<String> {
        match choose(all, name) {
            Resolution::None => Resolution::None,
            Resolution::One(one) => Resolution::One(one.name.clone()),
            Resolution::Several(names) => Resolution::Several(names),
        }
    }

    fn one(name: &str) -> Resolution<String> {
        Resolution::One(name.to_owned())
    }

    #[test]
    fn a_running_service_is_found_before_an_exact_name_and_that_before_a_stopped_service() {
        let old = container("ams", None, "exited");
        let service = |state| container("p-ams-1", Some("ams"), state);
        assert_eq!(chosen(&[old.clone(), service("running")], "ams"), one("p-ams-1"));
        assert_eq!(chosen(&[old.clone(), service("restarting")], "ams"), one("p-ams-1"));
        assert_eq!(chosen(&[old.clone(), service("exited")], "ams"), one("ams"));
        assert_eq!(chosen(&[service("exited")], "ams"), one("p-ams-1"));
        assert_eq!(chosen(&[service("running")], "p-ams-1"), one("p-ams-1"));
        assert_eq!(chosen(&[container("ams", Some("ams"), "running")], "ams"), one("ams"));
        assert_eq!(chosen(&[old], "am"), Resolution::None);
    }

    #[test]
    fn a_port_means_whoever_publishes_it_now() {
        let publishes = |name: &str, state: &str, port: u16, protocol: &str| {
            let port =
                Published { container_port: 80, protocol: protocol.into(), host_ip: None, host_port: Some(port) };
            Listed { ports: vec![port.clone(), port], ..container(name, None, state) }
        };
        let all = [
            publishes("a", "running", 8081, "tcp"),
            publishes("b", "exited", 8081, "tcp"),
            publishes("c", "running", 8081, "udp"),
            publishes("d", "running", 8082, "tcp"),
        ];
        assert_eq!(chosen(&all, ":8081"), one("a"));
        assert_eq!(chosen(&all, ":8083"), Resolution::None);
        let both = [all[0].clone(), publishes("e", "running", 8081, "tcp")];
        assert_eq!(chosen(&both, ":8081"), Resolution::Several(vec!["a".into(), "e".into()]));
        assert_eq!(["8081", ":", ":ams", ":70000"].map(published_port), [None; 4]);
    }

    #[test]
    fn two_candidates_are_both_named() {
        let two = |state| [container("q-ams-1", Some("ams"), state), container("p-ams-1", Some("ams"), state)];
        let both = Resolution::Several(vec!["p-ams-1".into(), "q-ams-1".into()]);
        assert_eq!(chosen(&two("running"), "ams"), both);
        assert_eq!(chosen(&two("exited"), "ams"), both);
        assert_eq!(both.word(), "several");
        assert_eq!(both.single(), None);
    }

    #[test]
    fn of_two_volumes_that_answer_to_a_name_the_one_in_use_is_meant() {
        let picked = |candidates: &[(&'static str, bool)]| {
            let all = candidates.iter().map(|(exact, used)| Candidate {
                exact: exact.to_string(),
                label: exact.strip_prefix("p_").or(exact.strip_prefix("q_")).map(str::to_owned),
                used: *used,
                item: exact.to_string(),
            });
            pick(all, "vol")
        };
        assert_eq!(picked(&[("vol", false), ("p_vol", true), ("other", true)]), one("p_vol"));
        assert_eq!(picked(&[("vol", false), ("p_vol", false)]), one("vol"));
        assert_eq!(picked(&[("vol", true), ("p_vol", true)]), Resolution::Several(vec!["p_vol".into(), "vol".into()]));
        assert_eq!(
            picked(&[("p_vol", false), ("q_vol", false)]),
            Resolution::Several(vec!["p_vol".into(), "q_vol".into()])
        );
        assert_eq!(picked(&[("other", false)]), Resolution::None);
    }
}
