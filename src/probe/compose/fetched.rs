//! Whether an image could not be fetched for reasons that are nobody's here: its registry has had enough, or the network
//! does not work.

use crate::evidence::{Cause, Unobserved};

/// What registries and networks say then.
const KEPT: [&str; 11] = [
    "toomanyrequests",
    "429 Too Many Requests",
    "pull rate limit",
    "i/o timeout",
    "no such host",
    "server misbehaving",
    "Temporary failure in name resolution",
    "network is unreachable",
    "TLS handshake timeout",
    "connection reset by peer",
    "net/http: request canceled",
];

/// What is said of an image that does not exist, so that its name is wrong.
const WRONG_NAME: [&str; 3] = ["pull access denied", "manifest unknown", ": not found"];

/// What only a line about fetching holds. Containers, builds and volumes may lack the network as well.
const FETCHING: [&str; 10] = [
    "/v2/",
    "://auth.docker.io/",
    "error from registry",
    "failed to resolve reference",
    "failed to resolve source metadata",
    "failed to authorize",
    "error pulling image",
    "download failed after",
    "pull access denied",
    "manifest unknown",
];

/// What an error of fetching begins with where nothing else is said of it, and what compose puts before it.
const BARE: [&str; 4] = ["net/http: ", "dial tcp", "read tcp", "toomanyrequests"];
const BEFORE: [&str; 3] = ["Error ", "ERROR: ", "response from daemon: "];

/// How much of such a line is told, in characters.
const LINE: usize = 300;

/// Why nobody can tell what becomes of a file, if what compose `said` is that it was kept from fetching an image.
pub fn not_fetched(said: &str) -> Option<Unobserved> {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| is_about_fetching(line)).collect();
    let says = |line: &str, words: &[&str]| words.iter().any(|words| line.contains(words));
    // Where one name is wrong, the fetching of all others is broken off.
    if lines.iter().any(|line| says(line, &WRONG_NAME)) {
        return None;
    }
    let line: String = lines.iter().find(|line| says(line, &KEPT))?.chars().take(LINE).collect();
    Some(Unobserved::new(
        Cause::Path,
        format!(
            "una imagen no se pudo traer, por su registro o por la red y no por el archivo ({line}): traela con \
             `docker pull` y corré labrun otra vez"
        ),
        format!(
            "an image could not be fetched, because of its registry or the network and not of the file ({line}): fetch it \
             with `docker pull` and run labrun again"
        ),
    ))
}

fn is_about_fetching(line: &str) -> bool {
    // What a build prints on its way has a number before it.
    let is_of_build = line.starts_with(|c: char| c == '#' || c.is_ascii_digit());
    let bare = BEFORE.iter().fold(line, |line, before| line.split_once(before).map_or(line, |(_, rest)| rest));
    !is_of_build
        && (FETCHING.iter().any(|words| line.contains(words)) || BARE.iter().any(|words| bare.starts_with(words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_or_a_network_that_refuses_is_nobody_s_fault() {
        for said in [
            "Error response from daemon: toomanyrequests: You have reached your pull rate limit.",
            "Error response from daemon: error from registry: You have reached your unauthenticated pull rate limit.",
            " web Pulling \n web Error Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io on \
             10.0.2.3:53: read udp 10.0.2.15:4000->10.0.2.3:53: i/o timeout",
            "Error response from daemon: Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: \
             Temporary failure in name resolution",
            "Error response from daemon: Get \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting \
             for connection (Client.Timeout exceeded while awaiting headers)",
            "failed to solve: nginx: failed to resolve source metadata for docker.io/library/nginx:latest: failed to do \
             request: dial tcp: lookup registry-1.docker.io: no such host",
            "ERROR: Get https://registry-1.docker.io/v2/: dial tcp: lookup registry-1.docker.io: server misbehaving",
            " db Error net/http: TLS handshake timeout",
            "Error response from daemon: read tcp 10.0.2.15:4000->1.2.3.4:443: read: connection reset by peer",
            "error pulling image configuration: download failed after attempts=…: dial tcp 1.2.3.4:443: i/o timeout",
        ] {
            let why = not_fetched(said).unwrap_or_else(|| panic!("{said}"));
            let line = said.lines().last().unwrap().trim();
            assert!(why.cause == Cause::Path && why.why.en.contains(line), "{}", why.why.en);
        }
    }

    #[test]
    fn a_wrong_name_and_what_only_sounds_alike_are_the_file_s() {
        for said in [
            "",
            "Error response from daemon: pull access denied for nginxx, repository does not exist or may require 'docker login'",
            "Error response from daemon: manifest for nginx:nope not found: manifest unknown: manifest unknown",
            // The others were broken off.
            " db Error Get \"https://registry-1.docker.io/v2/\": net/http: request canceled\n web Error manifest unknown",
            " db Error Get \"https://registry-1.docker.io/v2/\": net/http: request canceled\n\
             failed to resolve reference \"docker.io/library/x:1\": docker.io/library/x:1: not found",
            // What a build ran, and what a container is started with.
            "#8 0.4 Get \"https://example.com/v2/\": dial tcp: lookup example.com: no such host",
            "#8 [2/2] RUN ./get\n0.412 dial tcp 1.2.3.4:443: i/o timeout\nfailed to solve: exit code: 1",
            "Error response from daemon: failed to initialize logging driver: dial tcp: lookup logs: no such host",
            "Error response from daemon: error resolving passed in network volume address: lookup nfs: no such host",
            "dependency failed to start: container lab-db-1 is unhealthy: connection reset by peer",
            "Error response from daemon: driver failed programming external connectivity: port is already allocated",
        ] {
            assert_eq!(not_fetched(said), None, "{said}");
        }
    }
}
