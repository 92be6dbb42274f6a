//! The steps of a look, one after the other, each over a connection of its own: what is taken along from one answer
//! to the next, which redirects are followed, and when it ends early.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method as Verb, Request};
use serde_json::{Value, json};

use crate::evidence::{Facts, Unobserved};
use crate::probe::http::args::{Capture, Http, Method, Step, is_line};
use crate::probe::http::cookies::Jar;
use crate::probe::http::exchange::{Exchange, MAX_READ};
use crate::probe::http::page::{Lead, lead};
use crate::probe::{Context, Dialled};
use crate::vantage::Host;
use crate::vm::Bounded;

/// How many times a target's patience a whole sequence may take.
const PATIENCES: u32 = 2;

/// How long a place that an answer leads to may be, in characters.
pub const LOCATION: usize = 2000;

/// How long a captured value may be, in bytes.
const CAPTURED: usize = 4096;

/// The shortest captured value, and the shortest cookie, that are hidden wherever they show.
const SHORT: usize = 4;
const SHORT_COOKIE: usize = 8;

/// A sequence on its way.
pub struct Sequence<'a> {
    cx: &'a Context<'a>,
    http: &'a Http,
    until: Instant,
    jar: Jar,
    captured: BTreeMap<String, String>,
    /// The names by which the server was asked, of which its own links may use any.
    hosts: Vec<String>,
    /// What became of the last dial.
    pub connection: Facts,
    /// The last answer.
    pub last: Exchange,
    /// The path that was asked for last.
    pub path: String,
    /// Where the last answer leads.
    pub lead: Option<Lead>,
    /// What became of each step so far.
    pub steps: Vec<Value>,
    /// Whether a form was handed in.
    pub has_posted: bool,
}

/// A request to make, everything filled in.
struct Asked {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    form: Option<String>,
}

impl<'a> Sequence<'a> {
    /// A sequence that has not begun.
    pub fn new(cx: &'a Context<'a>, http: &'a Http) -> Sequence<'a> {
        Sequence {
            cx,
            http,
            until: Instant::now() + cx.patience * PATIENCES,
            jar: Jar::default(),
            captured: BTreeMap::new(),
            hosts: Vec::new(),
            connection: Facts::new(),
            last: Exchange::default(),
            path: http.steps.first().map(|step| step.path.0.clone()).unwrap_or_default(),
            lead: None,
            steps: Vec::new(),
            has_posted: false,
        }
    }

    /// Whether every step was asked and answered.
    pub fn is_finished(&self) -> bool {
        self.steps.len() == self.http.steps.len() && self.last.answer == Some("complete")
    }

    /// Takes one step; `false` when the sequence ends with it or before it.
    pub async fn step(&mut self, step: &Step) -> Result<bool, Unobserved> {
        let Some(mut asked) = self.fill(step) else { return Ok(false) };
        let mut redirects = 0;
        loop {
            self.ask(&asked).await?;
            let status = self.last.head.as_ref().map(|(status, _)| *status).unwrap_or_default();
            let leads = self.lead.as_ref().filter(|lead| lead.inside && matches!(status, 301..=303 | 307 | 308));
            let Some(lead) = leads.filter(|_| redirects < step.follow.0 && self.last.answer == Some("complete")) else {
                break;
            };
            asked.path.clone_from(&lead.path);
            if asked.method == Method::Post && status <= 303 {
                (asked.method, asked.form) = (Method::Get, None);
            }
            redirects += 1;
        }
        let names = self.capture(step);
        if self.last.answer.is_some() {
            let status = self.last.head.as_ref().map(|(status, _)| *status);
            let location = self.last.header("location").map(|location| self.tamed(&location));
            let location = location.map(|location| location.chars().take(LOCATION).collect::<String>());
            self.steps.push(json!({
                "status": status, "location": location, "redirects": redirects, "captured": names,
            }));
        }
        Ok(self.last.answer == Some("complete"))
    }

    /// The request of a step; none when something is missing in it, or the server's own words make it no request.
    fn fill(&self, step: &Step) -> Option<Asked> {
        let value = |name: &str| self.captured.get(name).map(String::as_str);
        let written = step.path.fill(value)?;
        let path = match written == step.path.0 {
            true => written,
            // What a server says may lead anywhere.
            false => lead(&written, &self.path, &self.hosts).filter(|lead| lead.inside)?.path,
        };
        let headers = step.headers.iter().map(|(name, line)| Some((name.0.clone(), line.fill(value)?)));
        let headers: Vec<_> = headers.collect::<Option<_>>()?;
        let form =
            step.form.iter().map(|(name, text)| Some(format!("{}={}", escaped(name), escaped(&text.fill(value)?))));
        let form: Vec<String> = form.collect::<Option<_>>()?;
        headers.iter().all(|(_, line)| is_line(line)).then(|| Asked {
            method: step.method,
            path,
            headers,
            form: (step.method == Method::Post).then(|| form.join("&")),
        })
    }

    async fn ask(&mut self, asked: &Asked) -> Result<(), Unobserved> {
        self.last = Exchange::default();
        self.lead = None;
        self.path.clone_from(&asked.path);
        let left = self.until.saturating_duration_since(Instant::now());
        let (stream, address) = match self.cx.within(left, self.cx.dial(&self.http.to)).await?.transpose()? {
            None => {
                self.connection.insert("connection".to_owned(), json!("timed_out"));
                return Ok(());
            }
            Some(Dialled::Not(facts)) => {
                self.connection = facts;
                return Ok(());
            }
            Some(Dialled::Connected { stream, address, facts }) => {
                self.connection = facts;
                (Bounded::new(stream, MAX_READ), address)
            }
        };
        let meter = stream.meter();
        let request = self.request(asked, &address);
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
        self.hosts = vec![address, host];
        self.has_posted |= asked.method == Method::Post;
        let left = self.until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let ended = self.cx.within(self.cx.patience.min(left), self.last.run(stream, request)).await?;
        self.last.conclude(ended, &meter);
        if let Some((_, headers)) = self.last.head.as_ref().filter(|_| self.keeps_secrets()) {
            self.jar.take(headers);
        }
        self.lead = self.last.header("location").and_then(|location| lead(&location, &self.path, &self.hosts));
        Ok(())
    }

    fn request(&self, asked: &Asked, address: &str) -> Request<Full<Bytes>> {
        let body = asked.form.clone().map(Bytes::from).unwrap_or_default();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = match asked.method {
            Method::Get => Verb::GET,
            Method::Head => Verb::HEAD,
            Method::Options => Verb::OPTIONS,
            Method::Post => Verb::POST,
        };
        // What was checked when the lab was read holds; a default of `/` would be the fall-back otherwise.
        *request.uri_mut() = asked.path.parse().unwrap_or_default();
        let host = match &self.http.to.host {
            Host::Loopback | Host::Named(_) => self.http.to.to_string(),
            Host::Outward | Host::Container(_) => address.to_owned(),
        };
        let host = host.strip_suffix(":80").unwrap_or(&host).to_owned();
        let agent = concat!("labrun/", env!("CARGO_PKG_VERSION")).to_owned();
        let mut own = vec![(HOST, host), (USER_AGENT, agent), (CONNECTION, "close".to_owned())];
        if asked.form.is_some() {
            own.push((CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned()));
        }
        own.extend(self.jar.line().map(|line| (COOKIE, line)));
        let headers = request.headers_mut();
        for (name, line) in own {
            headers.extend(HeaderValue::from_str(&line).ok().map(|line| (name, line)));
        }
        for (name, line) in &asked.headers {
            if let (Ok(name), Ok(line)) = (name.parse::<HeaderName>(), line.parse()) {
                headers.insert(name, line);
            }
        }
        request
    }

    /// Takes what later steps need of the last answer; the names of what was found.
    fn capture(&mut self, step: &Step) -> Vec<String> {
        let body = String::from_utf8_lossy(&self.last.body);
        let mut names = Vec::new();
        for (name, capture) in &step.capture {
            let value = match capture {
                Capture::Header(header) => self.last.header(&header.0),
                Capture::Body(regex) => regex
                    .captures(&body)
                    .filter(|_| self.last.has_body())
                    .and_then(|found| found.get(1))
                    .map(|found| found.as_str().to_owned()),
            };
            if let Some(value) = value.filter(|value| value.len() <= CAPTURED) {
                self.captured.insert(name.clone(), value);
                names.push(name.clone());
            }
        }
        names
    }

    /// Whether what it takes along is not for everybody: of one request, cookies are nothing but a part of the answer.
    pub fn keeps_secrets(&self) -> bool {
        self.http.is_sequence || self.http.steps.iter().any(|step| step.follow.0 > 0)
    }

    /// `text` with every value that was taken along replaced by its name.
    pub fn tamed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let captured = self.captured.iter().filter(|(_, value)| value.len() >= SHORT);
        let captured = captured.map(|(name, value)| (value.as_str(), format!("@{{{name}}}")));
        let cookies = self.jar.cookies().filter(|(_, value)| value.len() >= SHORT_COOKIE);
        let cookies = cookies.map(|(name, value)| (value, format!("@{{cookie {name}}}")));
        let mut secrets: Vec<(&str, String)> = captured.chain(cookies).collect();
        // The longest first, because one may hold another.
        secrets.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        for (value, name) in secrets {
            if text.contains(value) {
                text = text.replace(value, &name);
            }
        }
        text
    }
}

/// `text` as forms are sent (`application/x-www-form-urlencoded`).
pub fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => escaped.push(byte.into()),
            b' ' => escaped.push('+'),
            _ => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}
