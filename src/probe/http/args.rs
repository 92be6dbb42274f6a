//! What a lab writes of an `http` look: one request, or the steps of a sequence, each with what it takes along from
//! the answers before it. Whatever cannot be sent is found here, when the lab is read.

use std::collections::{BTreeMap, BTreeSet};

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::vantage::Endpoint;

/// How many steps a sequence has at the most, and how many redirects one of them follows.
pub const STEPS: usize = 10;
const FOLLOWED: u8 = 10;

/// How many values one step takes along at the most.
const CAPTURES: usize = 10;

/// Asks a web server: one request, or the steps of a sequence.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub struct Http {
    /// Whom it asks.
    pub to: Endpoint,
    /// What it asks, in order.
    pub steps: Vec<Step>,
    /// Whether it was written as a sequence, which keeps cookies.
    pub is_sequence: bool,
    /// When it must not be asked again.
    pub once: Option<Once>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Whom: `localhost:PORT`, `outward:PORT`, `container/NAME:PORT` or `HOST:PORT`.
    to: Endpoint,
    /// The path, with its query if any; `/` unless said otherwise.
    path: Option<Template>,
    /// `GET` unless said otherwise.
    method: Option<Method>,
    /// Headers to send besides labrun's own; `host` replaces the one made from the address.
    #[serde(default)]
    headers: BTreeMap<Name, Template>,
    /// How many redirects are followed, as far as they stay with the same host and port.
    follow: Option<Follow>,
    /// Instead of one request: several, in order, which keep cookies.
    steps: Option<Vec<Step>>,
    /// When it must not be asked again.
    once: Option<Once>,
}

/// One request of a sequence.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Request")]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The path, with its query if any; `/` unless said otherwise.
    #[serde(default)]
    pub path: Template,
    /// `GET` unless said otherwise.
    #[serde(default)]
    pub method: Method,
    /// Headers to send besides labrun's own; `host` replaces the one made from the address.
    #[serde(default)]
    pub headers: BTreeMap<Name, Template>,
    /// The fields of a form to send.
    #[serde(default)]
    pub form: BTreeMap<String, Template>,
    /// How many redirects are followed, as far as they stay with the same host and port.
    #[serde(default)]
    pub follow: Follow,
    /// What later steps need of the answer.
    #[serde(default)]
    pub capture: BTreeMap<String, Capture>,
}

/// How a request acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// The answer with its body.
    #[default]
    Get,
    /// The answer without its body.
    Head,
    /// What may be done there.
    Options,
    /// A form handed in. It may change something, so it stands in steps only.
    Post,
}

impl Method {
    /// As HTTP writes it.
    pub fn word(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Options => "OPTIONS",
            Method::Post => "POST",
        }
    }
}

/// How many redirects are followed.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(try_from = "u8")]
pub struct Follow(pub u8);

impl TryFrom<u8> for Follow {
    type Error = String;

    fn try_from(n: u8) -> Result<Follow, String> {
        (n <= FOLLOWED).then_some(Follow(n)).ok_or_else(|| format!("no more than {FOLLOWED} redirects are followed"))
    }
}

/// The name of a header.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Name(pub String);

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Name, Self::Error> {
        match name.parse::<HeaderName>() {
            Ok(name) => Ok(Name(name.as_str().to_owned())),
            Err(_) => Err("not the name of a header"),
        }
    }
}

/// A regular expression.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Pattern(pub Regex);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(pattern: String) -> Result<Pattern, String> {
        let regex = RegexBuilder::new(&pattern).size_limit(1 << 20).build();
        regex.map(Pattern).map_err(|error| format!("not a regular expression: {error}"))
    }
}

/// Where in an answer a value for later steps is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenCapture")]
#[schemars(with = "WrittenCapture")]
pub enum Capture {
    /// What the one group of a regular expression matches in the body.
    Body(Regex),
    /// The value of a header.
    Header(Name),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenCapture {
    body: Option<Pattern>,
    header: Option<Name>,
}

impl TryFrom<WrittenCapture> for Capture {
    type Error = &'static str;

    fn try_from(written: WrittenCapture) -> Result<Capture, Self::Error> {
        match (written.body, written.header) {
            (Some(Pattern(regex)), None) if regex.captures_len() == 2 => Ok(Capture::Body(regex)),
            (Some(_), None) => Err("the regular expression needs one group, around what is to be captured"),
            (None, Some(name)) => Ok(Capture::Header(name)),
            _ => Err("a capture is `body`, a regular expression with one group, or `header`, its name"),
        }
    }
}

/// A sequence that must not be repeated when it failed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Once {
    /// What it is once for, such as a container's id.
    pub key: String,
    /// How the last answer of a sequence looks that may be repeated.
    pub unless: Unless,
}

/// What must hold of an answer; each part that is named.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unless {
    /// Its status.
    pub status: Option<u16>,
    /// Where it leads.
    pub location: Option<Pattern>,
    /// The path that it answers, after redirects.
    pub path: Option<Pattern>,
}

impl TryFrom<Written> for Http {
    type Error = String;

    fn try_from(written: Written) -> Result<Http, String> {
        let single = written.path.is_some()
            || written.method.is_some()
            || !written.headers.is_empty()
            || written.follow.is_some();
        let is_sequence = written.steps.is_some();
        let steps = match written.steps {
            Some(_) if single => return Err("`path`, `method`, `headers` and `follow` belong into `steps`".into()),
            Some(steps) => steps,
            None if written.method == Some(Method::Post) => {
                return Err("`POST` may change something: it stands in `steps` only".into());
            }
            None => vec![Step {
                path: written.path.unwrap_or_default(),
                method: written.method.unwrap_or_default(),
                headers: written.headers,
                follow: written.follow.unwrap_or_default(),
                ..Step::default()
            }],
        };
        if steps.is_empty() || steps.len() > STEPS {
            return Err(format!("a sequence has from one to {STEPS} steps"));
        }
        let mut known: BTreeSet<&str> = BTreeSet::new();
        for step in &steps {
            step.check(&known)?;
            known.extend(step.capture.keys().map(String::as_str));
        }
        if let Some(once) = &written.once {
            if steps.iter().all(|step| step.method != Method::Post) {
                return Err("`once` is for a sequence with a `POST`: whatever changes nothing may be repeated".into());
            }
            let Unless { status, location, path } = &once.unless;
            if status.is_none() && location.is_none() && path.is_none() {
                return Err("`unless` says nothing: name a `status`, a `location` or a `path`".into());
            }
        }
        Ok(Http { to: written.to, steps, is_sequence, once: written.once })
    }
}

impl Step {
    fn check(&self, known: &BTreeSet<&str>) -> Result<(), String> {
        if !self.form.is_empty() && self.method != Method::Post {
            return Err("a `form` is sent by `method: POST`".into());
        }
        let path = self.path.fill(|_| Some("x"));
        let may_be_sent = path.is_some_and(|path| path.starts_with(['/', 'x']) && path.parse::<Uri>().is_ok());
        if !may_be_sent || !self.path.0.starts_with(['/', '@']) {
            return Err("a path starts with `/` and holds neither blanks nor other bytes a URL must escape".into());
        }
        if self.headers.values().any(|line| line.fill(|_| Some("x")).is_none_or(|line| !is_line(&line))) {
            return Err("the value of a header is one line of text".into());
        }
        let plain =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        if self.capture.len() > CAPTURES || !self.capture.keys().all(|name| plain(name)) {
            return Err(format!(
                "a step captures at most {CAPTURES} values, each with a name of letters, digits, `_` and `-`"
            ));
        }
        let used = [&self.path].into_iter().chain(self.headers.values()).chain(self.form.values());
        let mut names = used.flat_map(Template::names);
        match names.find(|name| !known.contains(name)) {
            Some(name) => Err(format!("`@{{{name}}}` is captured by no step before this one")),
            None => Ok(()),
        }
    }
}

/// Whether `line` can be the value of a header.
pub fn is_line(line: &str) -> bool {
    line.parse::<HeaderValue>().is_ok()
}

/// Reads what other kinds say in `Host`. What a request would refuse is better refused when the lab is read.
pub fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let host = String::deserialize(deserializer)?;
    let request = Http::deserialize(json!({"to": "localhost:80", "headers": {"host": host}}));
    request.map(|_| Some(host)).map_err(D::Error::custom)
}

impl Http {
    /// A text that is equal for looks that ask the same, and shows nothing of what they send.
    pub fn fingerprint(&self) -> String {
        let mut text = self.to.to_string();
        for step in &self.steps {
            text += &format!("\n{} {:?}", step.method.word(), step.path.0);
            for (name, value) in &step.form {
                text += &format!(" {name:?}={:?}", value.0);
            }
        }
        Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A text in which `@{name}` stands for what an earlier step captured; `@@{` is a plain `@{`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Template(pub String);

impl Default for Template {
    fn default() -> Template {
        Template("/".to_owned())
    }
}

impl Template {
    /// The text, with what `value` says of each name; none where it says nothing.
    pub fn fill<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
        let mut filled = String::new();
        for (plain, name) in pieces(&self.0) {
            filled += plain;
            if let Some(name) = name {
                filled += value(name)?;
            }
        }
        Some(filled)
    }

    fn names(&self) -> Vec<&str> {
        pieces(&self.0).into_iter().filter_map(|(_, name)| name).collect()
    }
}

/// What stands plainly, each with the name after it, if one follows.
fn pieces(text: &str) -> Vec<(&str, Option<&str>)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("@{") {
        match rest[at + 2..].split_once('}') {
            _ if rest[..at].ends_with('@') => {
                pieces.push((&rest[..at - 1], None));
                pieces.push(("@{", None));
                rest = &rest[at + 2..];
            }
            Some((name, after)) => {
                pieces.push((&rest[..at], Some(name)));
                rest = after;
            }
            None => break,
        }
    }
    pieces.push((rest, None));
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(args: Value) -> Result<Http, String> {
        let mut whole = json!({"to": "localhost:80"});
        whole.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
        serde_json::from_value(whole).map_err(|error| error.to_string())
    }

    #[test]
    fn a_text_is_filled_with_what_was_captured() {
        let fill = |text: &str| Template(text.to_owned()).fill(|name| (name == "a").then_some("1"));
        assert_eq!(fill("x@{a}y@{a}").as_deref(), Some("x1y1"));
        assert_eq!(fill("me@@{a} @ {a} @{").as_deref(), Some("me@{a} @ {a} @{"));
        assert_eq!(fill("@{b}"), None);
    }

    #[test]
    fn one_request_is_a_sequence_of_one_step() {
        let http = read(json!({"path": "/a?b", "method": "HEAD", "follow": 2})).unwrap();
        assert_eq!((http.steps.len(), http.is_sequence, http.steps[0].follow.0), (1, false, 2));
        assert_eq!(read(json!({})).unwrap().steps[0].path.0, "/");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_when_the_lab_is_read() {
        let post = |more: Value| {
            let mut step = json!({"method": "POST", "path": "/login"});
            step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"steps": [{"capture": {"a": {"header": "x-a"}}}, step]})
        };
        let once = |once: Value| {
            let mut args = post(json!({}));
            args["once"] = once;
            args
        };
        for (args, said) in [
            (json!({"path": "no-slash"}), "a path starts with `/`"),
            (json!({"path": "/a b"}), "a path starts with `/`"),
            (json!({"method": "POST"}), "stands in `steps` only"),
            (json!({"method": "get"}), "unknown variant"),
            (json!({"headers": {"a b": "x"}}), "not the name of a header"),
            (json!({"headers": {"a": "x\r\ny: z"}}), "one line of text"),
            (json!({"follow": 11}), "no more than 10 redirects"),
            (json!({"path": "/", "steps": [{}]}), "belong into `steps`"),
            (json!({"steps": []}), "from one to 10 steps"),
            (json!({"steps": vec![json!({}); 11]}), "from one to 10 steps"),
            (json!({"steps": [{"form": {"a": "b"}}]}), "sent by `method: POST`"),
            (post(json!({"form": {"x": "@{b}"}})), "`@{b}` is captured by no step before"),
            (post(json!({"path": "/@{b}"})), "`@{b}` is captured by no step before"),
            (json!({"steps": [{"path": "/@{a}", "capture": {"a": {"header": "x"}}}]}), "captured by no step before"),
            (post(json!({"capture": {"x": {"body": "no group"}}})), "needs one group"),
            (post(json!({"capture": {"x": {"body": "(a)(b)"}}})), "needs one group"),
            (post(json!({"capture": {"x": {"body": "("}}})), "not a regular expression"),
            (post(json!({"capture": {"x": {}}})), "a capture is `body`"),
            (post(json!({"capture": {"x}": {"header": "a"}}})), "a name of letters"),
            (once(json!({"key": "x", "unless": {}})), "`unless` says nothing"),
            (json!({"once": {"key": "x", "unless": {"status": 200}}}), "is for a sequence with a `POST`"),
        ] {
            let refused = read(args.clone()).unwrap_err();
            assert!(refused.contains(said), "{args}: {refused}");
        }
        assert!(read(post(json!({"path": "@{a}", "form": {"x": "@{a}"}, "headers": {"x-a": "@{a}"}}))).is_ok());
        assert!(read(once(json!({"key": "x", "unless": {"status": 302, "location": "^/$"}}))).is_ok());
    }

    #[test]
    fn a_fingerprint_tells_forms_apart_and_shows_none() {
        let of = |password: &str| {
            let steps = json!([{"method": "POST", "form": {"password": password}}]);
            read(json!({"steps": steps})).unwrap().fingerprint()
        };
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
        assert_eq!(of("a").len(), 32);
    }
}
