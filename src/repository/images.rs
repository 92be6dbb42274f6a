//! Which images a compose file needs to come up: they have to be handed to the sandbox, which can fetch none.

use std::collections::BTreeSet;

use serde_json::Value;

/// How many images are handed over.
const MANY: usize = 40;

/// The names of the images that the services of `config` run or are built on. `read` gives the text of a Dockerfile by
/// its absolute path.
pub fn images(config: &Value, read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut names = BTreeSet::new();
    let mut built = BTreeSet::new();
    for (_, service) in config["services"].as_object().into_iter().flatten() {
        let image = service["image"].as_str();
        let build = &service["build"];
        if build.is_null() {
            names.extend(image.map(str::to_owned));
            continue;
        }
        built.extend(image.map(str::to_owned));
        let context = build["context"].as_str().or(build.as_str()).unwrap_or_default();
        let file = build["dockerfile"].as_str().unwrap_or("Dockerfile");
        let path = if file.starts_with('/') { file.to_owned() } else { format!("{context}/{file}") };
        let text = build["dockerfile_inline"].as_str().map(str::to_owned).or_else(|| read(&path));
        names.extend(text.iter().flat_map(|text| bases(text, &build["args"])));
    }
    // An image that one service builds and another runs is fetched by nobody.
    names.retain(|name| !built.contains(name));
    names.into_iter().take(MANY).collect()
}

/// What a Dockerfile begins from or copies from: `FROM [--platform=…] IMAGE [AS NAME]`, `COPY --from=IMAGE …`.
fn bases(text: &str, args: &Value) -> Vec<String> {
    let mut stages: Vec<String> = Vec::new();
    let mut found = Vec::new();
    let mut known: Vec<(String, String)> = Vec::new();
    for line in text.lines().take(2000) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.first().map(|word| word.to_ascii_uppercase()).as_deref() {
            Some("ARG") => {
                if let Some((name, default)) = words.get(1).and_then(|word| word.split_once('=')) {
                    let given = args[name].as_str().unwrap_or(default.trim_matches('"'));
                    known.push((name.to_owned(), given.to_owned()));
                }
            }
            Some("FROM") => {
                let mut rest = words[1..].iter().filter(|word| !word.starts_with("--"));
                let Some(image) = rest.next() else { continue };
                let mut image = (*image).to_owned();
                for (name, value) in &known {
                    image = image.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
                }
                if !stages.contains(&image.to_lowercase()) && image != "scratch" {
                    found.push(image);
                }
                if rest.next().is_some_and(|word| word.eq_ignore_ascii_case("as")) {
                    stages.extend(rest.next().map(|name| name.to_lowercase()));
                }
            }
            Some("COPY") => {
                let from = words.iter().find_map(|word| word.strip_prefix("--from="));
                let is_stage = |from: &&str| stages.contains(&from.to_lowercase()) || from.parse::<u32>().is_ok();
                found.extend(from.filter(|from| !is_stage(from)).map(str::to_owned));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn images_are_those_that_run_and_those_that_others_are_built_on() {
        let config = json!({"services": {
            "a": {"image": "postgres:14"},
            "b": {"build": {"context": "/r/b"}, "image": "mine"},
            "c": {"image": "mine"},
            "d": {"build": {"context": "/r/d", "dockerfile": "x/Dockerfile", "args": {"TAG": "2"}}},
            "e": {"build": {"context": "/r", "dockerfile_inline": "FROM scratch\n"}},
        }});
        let read = |path: &str| match path {
            "/r/b/Dockerfile" => Some(
                "# x\nfrom --platform=linux nginx AS one\nFROM one\nCOPY --from=curl:1 /a /b\nCOPY --from=one . ."
                    .to_owned(),
            ),
            "/r/d/x/Dockerfile" => Some("ARG TAG=1\nFROM drupal:${TAG}\n".to_owned()),
            _ => None,
        };
        assert_eq!(images(&config, &read), ["curl:1", "drupal:2", "nginx", "postgres:14"]);
        assert_eq!(images(&json!(null), &read), [""; 0]);
    }
}
