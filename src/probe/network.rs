//! A network as the engine describes it, and the running containers on it.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::engine::{Change, Listed, NetworkState, Resolution};
use crate::evidence::{Facts, Unobserved};
use crate::probe::{Again, Context, FOUND_WORDS, Probe, Sheet, Thing, quote};

/// How many containers or subnets are reported.
const MANY: usize = 200;

/// Looks at one network.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The exact name of a network, or compose's name for it (without the project).
    pub name: String,
}

#[async_trait]
impl Probe for Network {
    const NAME: &'static str = "network";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("exists", "whether it exists; null when several networks answer to the name"),
        ("found", "`one`, `none`, or `several` when more than one network answers to the name"),
        ("names", "the exact names of those that answer to the name"),
        ("name", "its exact name, e.g. compose's `project_internal`"),
        ("driver", "its driver: `bridge`, `host`, …"),
        ("internal", "whether it is cut off from everything outside it (`--internal`)"),
        ("subnets", "its subnets, e.g. `172.18.0.0/16`"),
        ("gateways", "the VM's own IPv4 addresses on it, one for each subnet"),
        ("containers", "the running containers on it: a list of {name, service, address}"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[FOUND_WORDS];
    const MOVED_BY: &'static [Change] = Change::OUTSIDE;
    const AGAIN: Again = Again::Seldom;

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Network(self.name.clone())]
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        Ok(facts(&cx.engine.network(&self.name).await?, cx.engine.containers().await?))
    }

    fn command(&self) -> String {
        format!("docker network inspect {}", quote(&self.name))
    }
}

fn facts(found: &Resolution<Arc<NetworkState>>, containers: &[Listed]) -> Facts {
    let mut sheet = Sheet::default();
    sheet.fact("exists", found.exists());
    sheet.found(found, |network| &network.name, MANY);
    let Resolution::One(network) = found else { return sheet.done() };
    sheet.text("name", Some(&network.name), 500);
    sheet.text("driver", network.driver.as_deref(), 500);
    sheet.fact("internal", network.internal);
    sheet.list("subnets", network.subnets.iter().map(|subnet| json!(subnet)), MANY);
    sheet.list("gateways", network.gateways.iter().map(|gateway| json!(gateway)), MANY);
    let members = network.members.iter().map(|(id, name, address)| {
        let service = containers.iter().find(|one| one.id == *id).and_then(|one| one.service.as_deref());
        json!({"name": name, "service": service, "address": address})
    });
    sheet.list("containers", members, MANY);
    sheet.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_described_with_those_on_it() {
        let network = NetworkState {
            id: "x".into(),
            name: "p_internal".into(),
            driver: Some("bridge".into()),
            internal: true,
            subnets: vec!["172.19.0.0/16".into()],
            gateways: vec!["172.19.0.1".into()],
            members: vec![("id".into(), "p-ams-1".into(), Some("172.19.0.2".into()))],
        };
        let listed = Listed { id: "id".into(), service: Some("ams".into()), ..Default::default() };
        let facts = facts(&Resolution::One(Arc::new(network)), &[listed]);
        assert_eq!((&facts["exists"], &facts["internal"]), (&json!(true), &json!(true)));
        assert_eq!(facts["containers"], json!([{"name": "p-ams-1", "service": "ams", "address": "172.19.0.2"}]));
        let mut names: Vec<&str> = Network::FACTS.iter().map(|(name, _)| *name).collect();
        names.sort();
        assert_eq!(facts.keys().collect::<Vec<_>>(), names);
    }

    #[test]
    fn a_network_that_is_not_there_does_not_exist() {
        assert_eq!(facts(&Resolution::None, &[])["exists"], false);
    }
}
