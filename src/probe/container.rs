//! A container as the engine describes it: what it was made from, how it is doing, what it publishes and mounts.
//! Names of environment variables are facts, their values are not: they hold passwords.

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::engine::{Change, ContainerState, Resolution};
use crate::evidence::secrets::masked;
use crate::evidence::{Facts, Unobserved};
use crate::probe::{Again, Context, FOUND_WORDS, Probe, Sheet, Thing, quote_container};

/// How many of anything a container has are reported.
const MANY: usize = 200;

/// How long a text may be.
const LONG: usize = 500;

/// Looks at one container.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// A compose service (while it runs) or the exact name of a container.
    pub name: String,
}

#[async_trait]
impl Probe for Container {
    const NAME: &'static str = "container";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("found", "`one`, `none`, or `several` when more than one container answers to the name"),
        ("names", "the exact names of those that answer to the name"),
        ("id", "the engine's id of it, another for each container that is made, whatever its name"),
        ("name", "its exact name"),
        ("service", "the compose service it runs, or null"),
        ("image", "its image, as whoever made it wrote it"),
        ("status", "`created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`"),
        ("exit_code", "the exit code of its last end; 0 while it never ended"),
        ("error", "why the engine could not start it, or null"),
        ("oom_killed", "whether the kernel ended it for want of memory"),
        ("created_at", "when it was made, RFC 3339 in UTC"),
        ("started_at", "when it was last started, or null"),
        ("finished_at", "when it last ended, or null"),
        ("uptime_s", "seconds since it was started; null unless its status is `running`"),
        ("restart_count", "how often its restart policy restarted it"),
        ("restart_policy", "`no`, `always`, `unless-stopped` or `on-failure`"),
        ("user", "the user it was configured to run as (`--user`, or the image's USER), or null"),
        ("env_names", "the names of its environment variables, sorted"),
        ("network_mode", "`bridge`, `host`, `none`, `container:ID` or a network's name"),
        ("networks", "the networks it is attached to: a list of {name, address}"),
        ("address", "the IPv4 address it is dialled at (on the host's network, the machine's), or null"),
        ("ports", "the ports published now: a list of {container_port, protocol, host_ip, host_port}"),
        ("configured_ports", "the ports published whenever it runs, in the same form"),
        ("publish_all", "whether it publishes every port of its image (`-P`)"),
        ("mounts", "what is mounted: a list of {type, name, source, destination, writable, anonymous}"),
        ("auto_remove", "whether it is removed when it ends (`--rm`)"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[
        FOUND_WORDS,
        ("status", &["created", "running", "paused", "restarting", "removing", "exited", "dead"]),
        ("restart_policy", &["no", "always", "unless-stopped", "on-failure"]),
    ];
    const MOVED_BY: &'static [Change] = Change::OUTSIDE;
    const AGAIN: Again = Again::Seldom;

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Container(self.name.clone())]
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let found = cx.engine.container(&self.name).await?;
        let mut facts = facts(&found, Timestamp::now());
        if facts.get("network_mode").is_some_and(|mode| mode == "host") {
            facts.insert("address".to_owned(), json!(cx.vm.outward().await?.to_string()));
        }
        Ok(facts)
    }

    fn command(&self) -> String {
        format!("docker inspect {}", quote_container(&self.name))
    }
}

fn facts(found: &Resolution, now: Timestamp) -> Facts {
    let mut sheet = Sheet::default();
    sheet.found(found, |state| &state.name, MANY);
    if let Resolution::One(state) = found {
        describe(state, now, &mut sheet);
    }
    sheet.done()
}

fn describe(state: &ContainerState, now: Timestamp, sheet: &mut Sheet) {
    let uptime =
        state.started.filter(|_| state.status == "running").map(|started| now.duration_since(started).as_secs().max(0));
    sheet.text("id", Some(&state.id), LONG);
    sheet.text("name", Some(&state.name), LONG);
    sheet.text("service", state.service.as_deref(), LONG);
    sheet.text("image", state.image.as_deref(), LONG);
    sheet.fact("status", &state.status);
    sheet.fact("exit_code", state.exit_code);
    sheet.text("error", state.error.as_deref().map(masked).as_deref(), LONG);
    sheet.fact("oom_killed", state.oom_killed);
    sheet.fact("created_at", &state.created);
    sheet.fact("started_at", &state.started_at);
    sheet.fact("finished_at", &state.finished_at);
    sheet.fact("uptime_s", uptime);
    sheet.fact("restart_count", state.restart_count);
    sheet.fact("restart_policy", &state.restart_policy);
    sheet.text("user", state.user.as_deref(), LONG);
    sheet.list("env_names", state.env_names.iter().map(|name| json!(name)), MANY);
    sheet.text("network_mode", Some(&state.network_mode), LONG);
    let networks = state.networks.iter().map(|(name, end)| json!({"name": name, "address": end.address}));
    sheet.list("networks", networks, MANY);
    sheet.fact("address", state.address());
    sheet.list("ports", state.ports.iter().map(|port| json!(port)), MANY);
    sheet.list("configured_ports", state.configured_ports.iter().map(|port| json!(port)), MANY);
    sheet.fact("publish_all", state.publish_all);
    sheet.list("mounts", state.mounts.iter().map(|mount| json!(mount)), MANY);
    sheet.fact("auto_remove", state.auto_remove);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;

    fn state(status: &str) -> ContainerState {
        ContainerState {
            name: "ams".into(),
            status: status.into(),
            started: Some("2026-11-23T03:17:10.9Z".parse().unwrap()),
            env_names: (0..300).map(|i| format!("V{i}")).collect(),
            ..Default::default()
        }
    }

    fn seen(state: ContainerState) -> Facts {
        facts(&Resolution::One(Arc::new(state)), "2026-11-23T03:17:20.8Z".parse().unwrap())
    }

    #[test]
    fn every_fact_of_the_contract_is_there() {
        let mut names: Vec<&str> = Container::FACTS.iter().map(|(name, _)| *name).collect();
        names.sort();
        assert_eq!(seen(state("running")).keys().collect::<Vec<_>>(), names);
    }

    #[test]
    fn only_a_running_container_has_been_up_for_a_time() {
        assert_eq!(seen(state("running"))["uptime_s"], 9);
        assert_eq!(seen(state("paused"))["uptime_s"], Value::Null);
        // A clock that was set back is not a negative time.
        let early = facts(&Resolution::One(Arc::new(state("running"))), "2020-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(early["uptime_s"], 0);
    }

    #[test]
    fn too_much_is_cut_and_said_to_be() {
        let facts = seen(state("running"));
        assert_eq!(facts["env_names"].as_array().unwrap().len(), MANY);
        assert_eq!(facts["truncated"], json!(["env_names"]));
    }

    #[test]
    fn without_one_container_there_is_only_who_answers() {
        let now = Timestamp::now();
        assert_eq!(
            Value::Object(facts(&Resolution::None, now)),
            json!({"found": "none", "names": [], "truncated": []})
        );
    }
}
