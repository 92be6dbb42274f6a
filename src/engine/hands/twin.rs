//! A container made anew from what the engine knows of another: the same image, configuration and networks. What
//! nobody named is not taken along: no anonymous volume, no address that the engine chose. Pure.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HostConfig, MountType, NetworkingConfig,
    RestartPolicy, RestartPolicyNameEnum,
};

use crate::engine::hands::trace::{Aside, OWNER, Owner};
use crate::engine::is_generated_name;

/// How to make the container anew.
pub struct Twin {
    /// The name of the original before it was set aside.
    pub name: String,
    /// What it is made with. Engine 20.10 takes but one network here.
    pub body: ContainerCreateBody,
    /// Its other networks, to be joined before it is started.
    pub others: Vec<(String, EndpointSettings)>,
}

/// The twin of the container that `inspect` describes, and that is set aside.
pub fn twin(inspect: ContainerInspectResponse, owner: &Owner) -> Result<Twin, String> {
    let own = inspect.name.as_deref().unwrap_or_default().trim_start_matches('/');
    let name = own.parse::<Aside>().map_err(|()| format!("`{own}` is not set aside"))?.name;
    let id = inspect.id.unwrap_or_default();
    let config = inspect.config.ok_or("the engine tells no configuration")?;
    // The two have the same fields, but for those that are set here.
    let config = serde_json::to_value(config).and_then(serde_json::from_value::<ContainerCreateBody>);
    let mut body = config.map_err(|error| error.to_string())?;
    body.hostname = body.hostname.filter(|hostname| !is_short_id(hostname, &id));
    // By its name it might be another one by now.
    body.image = inspect.image.or(body.image);
    body.labels.get_or_insert_default().insert(OWNER.to_owned(), owner.to_string());
    let host = host_config(inspect.host_config.unwrap_or_default());
    let mode = host.network_mode.clone().unwrap_or_default();
    body.host_config = Some(host);

    let ends = inspect.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let mut others = Vec::new();
    for (network, end) in ends {
        let is_first = network == mode
            || (network == "bridge" && matches!(mode.as_str(), "" | "default"))
            || end.network_id.as_deref().is_some_and(|id| mode.len() >= 12 && id.starts_with(&mode));
        let end = as_it_was_asked_for(end, &id);
        match is_first {
            // The default networks take no aliases, and nothing else was asked for.
            true if matches!(mode.as_str(), "" | "default" | "bridge" | "host" | "none") => {}
            true => {
                let ends = HashMap::from([(mode.clone(), end)]);
                body.networking_config = Some(NetworkingConfig { endpoints_config: Some(ends) });
            }
            false => others.push((network, end)),
        }
    }
    others.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Twin { name, body, others })
}

fn is_short_id(text: &str, id: &str) -> bool {
    text.len() == 12 && id.starts_with(text)
}

/// The host's side without anonymous volumes, which compose hands on by name.
fn host_config(host: HostConfig) -> HostConfig {
    let named = |bind: &String| !bind.split(':').next().is_some_and(is_generated_name);
    let binds = host.binds.map(|binds| binds.into_iter().filter(named).collect());
    let mounts = host.mounts.map(|mounts| {
        let anonymous = |mount: bollard::models::Mount| {
            let source = mount.source.filter(|name| mount.typ != Some(MountType::VOLUME) || !is_generated_name(name));
            bollard::models::Mount { source, ..mount }
        };
        mounts.into_iter().map(anonymous).collect()
    });
    // It must not come up again by itself, should nobody be there to remove it.
    let restart = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None };
    HostConfig { binds, mounts, restart_policy: Some(restart), ..host }
}

/// What was asked for of a place on a network: addresses that are fixed, and aliases but for the id.
fn as_it_was_asked_for(end: EndpointSettings, id: &str) -> EndpointSettings {
    let aliases = end.aliases.map(|all| all.into_iter().filter(|alias| !is_short_id(alias, id)).collect());
    EndpointSettings {
        ipam_config: end.ipam_config,
        links: end.links,
        aliases,
        driver_opts: end.driver_opts,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "3dcf1d14af7153d9b70a959b1cd3c46c2de2e2ba3d0a4f7316cf6e553edea32e";

    fn made(inspect: Value) -> (String, Value, Vec<(String, Value)>) {
        let twin = twin(serde_json::from_value(inspect).unwrap(), &"42-18".parse().unwrap()).ok().unwrap();
        let others = twin.others.into_iter().map(|(name, end)| (name, serde_json::to_value(end).unwrap()));
        (twin.name, serde_json::to_value(twin.body).unwrap(), others.collect())
    }

    #[test]
    fn a_container_is_made_anew_as_it_was_asked_for() {
        let anonymous = "a".repeat(64);
        let (name, body, others) = made(json!({
            "Id": ID,
            "Name": "/ams-labrun-aside-running-42-18",
            "Image": "sha256:8cfa",
            "Config": {
                "Hostname": "3dcf1d14af71", "Image": "postgres:14.1-alpine", "Env": ["A=b"], "Cmd": ["postgres"],
                "Volumes": {"/var/lib/postgresql/data": {}}, "ExposedPorts": {"5432/tcp": {}},
                "Labels": {"com.docker.compose.service": "ams"}, "StopSignal": "SIGINT",
            },
            "HostConfig": {
                "Binds": [format!("{anonymous}:/scratch"), "ams-vol:/var/lib/postgresql/data"],
                "Mounts": [{"Type": "volume", "Source": anonymous, "Target": "/x"}],
                "NetworkMode": "internal", "RestartPolicy": {"Name": "always"},
                "PortBindings": {"5432/tcp": [{"HostIp": "", "HostPort": "5432"}]},
            },
            "NetworkSettings": {"Networks": {
                "internal": {
                    "IPAMConfig": {"IPv4Address": "172.18.0.9"}, "Aliases": ["db", "3dcf1d14af71"],
                    "IPAddress": "172.18.0.9", "EndpointID": "e", "NetworkID": "n", "MacAddress": "02:42:ac:12:00:02",
                },
                "bridge": {"IPAddress": "172.17.0.2", "NetworkID": "b", "Aliases": null},
            }},
        }));
        assert_eq!((name.as_str(), &body["Image"], &body["Hostname"]), ("ams", &json!("sha256:8cfa"), &Value::Null));
        assert_eq!((&body["Env"], &body["StopSignal"]), (&json!(["A=b"]), &json!("SIGINT")));
        assert_eq!(body["Volumes"], json!({"/var/lib/postgresql/data": {}}));
        assert_eq!(body["Labels"], json!({"com.docker.compose.service": "ams", "labrun.owner": "42-18"}));
        let host = &body["HostConfig"];
        assert_eq!(host["Binds"], json!(["ams-vol:/var/lib/postgresql/data"]));
        assert_eq!(host["Mounts"], json!([{"Type": "volume", "Target": "/x"}]));
        assert_eq!((&host["RestartPolicy"]["Name"], &host["NetworkMode"]), (&json!("no"), &json!("internal")));
        assert_eq!(host["PortBindings"]["5432/tcp"][0]["HostPort"], "5432");
        assert_eq!(
            body["NetworkingConfig"]["EndpointsConfig"],
            json!({"internal": {"IPAMConfig": {"IPv4Address": "172.18.0.9"}, "Aliases": ["db"]}})
        );
        assert_eq!(others, [("bridge".to_owned(), json!({}))]);
    }

    #[test]
    fn the_default_network_is_joined_without_a_word() {
        for mode in ["default", "bridge", ""] {
            let (_, body, others) = made(json!({
                "Id": ID, "Name": "/x-labrun-aside-running-42-18", "Config": {"Hostname": "mine"},
                "HostConfig": {"NetworkMode": mode},
                "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
            }));
            assert_eq!((&body["NetworkingConfig"], others.len()), (&Value::Null, 0));
            assert_eq!(body["Hostname"], "mine");
        }
    }

    #[test]
    fn only_what_is_set_aside_is_made_anew() {
        let inspect = json!({"Id": ID, "Name": "/ams", "Config": {}});
        assert!(twin(serde_json::from_value(inspect).unwrap(), &"1-2".parse().unwrap()).is_err());
    }
}
