//! A volume as the engine lists it, and the containers that mount it, running or not.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::engine::{Change, Listed, Resolution, VolumeState};
use crate::evidence::{Facts, Unobserved};
use crate::probe::{Again, Context, FOUND_WORDS, Probe, Sheet, Thing, quote, text_fact};

/// How many containers or labels are reported.
const MANY: usize = 200;

/// Looks at one volume.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// The exact name of a volume, or compose's name for it (without the project).
    pub name: String,
}

#[async_trait]
impl Probe for Volume {
    const NAME: &'static str = "volume";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("exists", "whether it exists; null when several volumes answer to the name"),
        ("found", "`one`, `none`, or `several` when more than one volume answers to the name"),
        ("names", "the exact names of those that answer to the name"),
        ("name", "its exact name, e.g. compose's `project_ams-vol`"),
        ("driver", "its driver: `local`, or a plug-in's name"),
        ("options", "the driver's options `type` and `device`, as far as given; others may hold secrets"),
        ("volatile", "whether it lives in memory (driver option type tmpfs or ramfs)"),
        ("created_at", "when it was made, RFC 3339 in UTC"),
        ("labels", "the names of its labels, sorted"),
        (
            "used_by",
            "the containers, running or not, that mount it: a list of {container, service, destination, writable}",
        ),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[FOUND_WORDS];
    const MOVED_BY: &'static [Change] = Change::OUTSIDE;
    const AGAIN: Again = Again::Seldom;

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Volume(self.name.clone())]
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        Ok(facts(&cx.engine.volume(&self.name).await?, cx.engine.containers().await?))
    }

    fn command(&self) -> String {
        let name = quote(&self.name);
        format!("docker volume inspect {name}; docker ps -a --filter volume={name}")
    }
}

fn facts(found: &Resolution<&VolumeState>, containers: &[Listed]) -> Facts {
    let mut sheet = Sheet::default();
    sheet.fact("exists", found.exists());
    sheet.found(found, |volume| &volume.name, MANY);
    let Resolution::One(volume) = found else { return sheet.done() };
    sheet.text("name", Some(&volume.name), 500);
    sheet.text("driver", Some(&volume.driver), 500);
    let mut options = Facts::new();
    // `o` may hold a password of a network file system.
    for option in ["type", "device"] {
        if let Some(value) = volume.options.get(option) {
            options.insert(option.to_owned(), text_fact(value.as_bytes(), 500));
        }
    }
    sheet.fact("options", options);
    sheet.fact("volatile", volume.is_volatile());
    sheet.fact("created_at", &volume.created);
    sheet.list("labels", volume.labels.keys().map(|name| json!(name)), MANY);
    let uses = containers.iter().flat_map(|container| {
        let own = container.volumes.iter().filter(|(name, ..)| *name == volume.name);
        own.map(move |(_, destination, writable)| {
            json!({
                "container": container.name,
                "service": container.service,
                "destination": destination,
                "writable": writable,
            })
        })
    });
    sheet.list("used_by", uses, MANY);
    sheet.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_described_with_those_who_use_it() {
        let options = [("type".to_owned(), "tmpfs".to_owned())].into();
        let labels = [("com.docker.compose.volume".to_owned(), "ams-vol".to_owned())].into();
        let volume = VolumeState { name: "p_ams-vol".into(), options, labels, ..Default::default() };
        let user = |name: &str, volume: &str| Listed {
            name: name.into(),
            volumes: vec![(volume.into(), "/data".into(), true)],
            ..Default::default()
        };
        let facts = facts(&Resolution::One(&volume), &[user("a", "p_ams-vol"), user("b", "other")]);
        assert_eq!((&facts["exists"], &facts["volatile"]), (&json!(true), &json!(true)));
        assert_eq!(facts["labels"], json!(["com.docker.compose.volume"]));
        assert_eq!(
            facts["used_by"],
            json!([{"container": "a", "service": null, "destination": "/data", "writable": true}])
        );
        let mut names: Vec<&str> = Volume::FACTS.iter().map(|(name, _)| *name).collect();
        names.sort();
        assert_eq!(facts.keys().collect::<Vec<_>>(), names);
    }

    #[test]
    fn of_several_neither_existence_nor_absence_can_be_claimed() {
        let facts = facts(&Resolution::Several(vec!["p_x".into(), "q_x".into()]), &[]);
        assert_eq!((&facts["exists"], &facts["names"]), (&json!(null), &json!(["p_x", "q_x"])));
    }
}
