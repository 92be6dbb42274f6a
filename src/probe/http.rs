//! One HTTP request over a dialled stream, and whatever came back. Redirects are facts and never followed: behind a
//! published port they often lead elsewhere.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::evidence::{Facts, Unobserved};
use crate::probe::{ADDRESS_FACT, CONNECTION_FACT, Context, Dialled, NAMESPACE_FACT, Probe, Sheet, quote, shell_host};
use crate::vantage::{Endpoint, Host};
use crate::vm::{Bounded, ByteStream};

/// How much of a body is kept, in bytes.
const BODY_KEPT: usize = 1 << 20;

/// How much is read in all. A body that goes on past this is said to be oversized.
const MAX_READ: u64 = 8 << 20;

/// How many headers are kept, how many are read, and how long a value may be.
const HEADERS_KEPT: usize = 100;
const HEADERS_READ: usize = 200;
const HEADER_LENGTH: usize = 2000;

/// Asks a web server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Whom: `localhost:PORT`, `outward:PORT`, `container/NAME:PORT` or `HOST:PORT`.
    pub to: Endpoint,
    /// The path, with its query if any; `/` unless said otherwise.
    #[serde(default)]
    pub path: Path,
    /// `GET` (unless said otherwise), `HEAD` or `OPTIONS`: a probe changes nothing.
    #[serde(default)]
    pub method: Method,
    /// Headers to send besides labrun's own; `host` replaces the one made from `to`.
    #[serde(default)]
    pub headers: BTreeMap<Name, Line>,
}

/// The methods that change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// The answer with its body.
    #[default]
    Get,
    /// The answer without its body.
    Head,
    /// What may be done there.
    Options,
}

/// A path and query that can be sent as they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Path(String);

impl Default for Path {
    fn default() -> Path {
        Path("/".to_owned())
    }
}

impl TryFrom<String> for Path {
    type Error = &'static str;

    fn try_from(path: String) -> Result<Path, Self::Error> {
        match path.starts_with('/') && path.parse::<Uri>().is_ok() {
            true => Ok(Path(path)),
            false => Err("a path starts with `/` and holds neither blanks nor other bytes a URL must escape"),
        }
    }
}

/// The name of a header to send.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Name, Self::Error> {
        match name.parse::<HeaderName>() {
            Ok(name) => Ok(Name(name.as_str().to_owned())),
            Err(_) => Err("not the name of a header"),
        }
    }
}

/// The value of a header to send.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Line(String);

impl TryFrom<String> for Line {
    type Error = &'static str;

    fn try_from(line: String) -> Result<Line, Self::Error> {
        match line.parse::<HeaderValue>() {
            Ok(_) => Ok(Line(line)),
            Err(_) => Err("the value of a header is one line of text"),
        }
    }
}

#[async_trait]
impl Probe for Http {
    const NAME: &'static str = "http";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        CONNECTION_FACT,
        ADDRESS_FACT,
        NAMESPACE_FACT,
        (
            "answer",
            "`complete`, `silent` (not one byte), `closed` (hung up without a byte), `incomplete` (begun and not \
             finished in time, or cut off), `malformed` (not HTTP), `oversized` (more than 8 MiB), or null",
        ),
        ("status", "the status code, or null"),
        ("headers", "the headers by lower-case name; several of one name joined by `, `, `set-cookie` as a list"),
        ("body", "the body as text, up to 1 MiB, or null; null when it was `incomplete`"),
        ("body_bytes", "how many bytes of body came, or null"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const NOTHING_REACHED: Option<&'static str> = Some(
        r#"{"connection":"timed_out","address":null,"answer":null,"status":null,"headers":null,"body":null,
            "body_bytes":null,"truncated":[]}"#,
    );

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let mut seen = Exchange::default();
        let facts = match cx.dial(&self.to).await? {
            Dialled::Not(facts) => facts,
            Dialled::Connected { stream, address, facts } => {
                let stream = Bounded::new(stream, MAX_READ);
                let meter = stream.meter();
                let request = self.request(&address);
                let ended = cx.patiently(seen.run(stream, request)).await?;
                seen.conclude(ended, meter.read());
                facts
            }
        };
        Ok(seen.facts(facts))
    }

    fn command(&self) -> String {
        let method = match self.method {
            Method::Get => String::new(),
            Method::Head => "--head ".to_owned(),
            Method::Options => "-X OPTIONS ".to_owned(),
        };
        let headers = self.headers.iter();
        let headers: String =
            headers.map(|(name, line)| format!("-H {} ", quote(&format!("{}: {}", name.0, line.0)))).collect();
        let place = match &self.to.host {
            Host::Named(name) if name.contains(':') => format!("'[{name}]':{}", self.to.port),
            host => format!("{}:{}", shell_host(host), self.to.port),
        };
        format!("curl -i --max-time 10 {method}{headers}http://{place}{}", quote(&self.path.0))
    }
}

impl Http {
    fn request(&self, address: &str) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = match self.method {
            Method::Get => hyper::Method::GET,
            Method::Head => hyper::Method::HEAD,
            Method::Options => hyper::Method::OPTIONS,
        };
        // What was checked when the lab was read holds; a default of `/` would be the fall-back otherwise.
        *request.uri_mut() = self.path.0.parse().unwrap_or_default();
        let host = match &self.to.host {
            Host::Loopback | Host::Named(_) => self.to.to_string(),
            Host::Outward | Host::Container(_) => address.to_owned(),
        };
        let host = host.strip_suffix(":80").unwrap_or(&host);
        let headers = request.headers_mut();
        let agent = concat!("labrun/", env!("CARGO_PKG_VERSION"));
        for (name, value) in [(HOST, host), (USER_AGENT, agent), (CONNECTION, "close")] {
            headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        }
        for (name, line) in &self.headers {
            if let (Ok(name), Ok(value)) = (name.0.parse::<HeaderName>(), line.0.parse()) {
                headers.insert(name, value);
            }
        }
        request
    }
}

/// What came of one request, as far as it got.
#[derive(Default)]
struct Exchange {
    answer: Option<&'static str>,
    head: Option<(u16, HeaderMap)>,
    body: Vec<u8>,
    body_bytes: u64,
}

impl Exchange {
    async fn run(
        &mut self,
        stream: Bounded<Box<dyn ByteStream>>,
        request: Request<Empty<Bytes>>,
    ) -> Result<(), hyper::Error> {
        let mut client = http1::Builder::new();
        client.max_headers(HEADERS_READ).max_buf_size(256 << 10);
        let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await?;
        let asking = async {
            let response = sender.send_request(request).await?;
            self.read(response).await
        };
        // The connection is driven here and not in a task of its own, so that it ends with the probe.
        tokio::pin!(asking, connection);
        tokio::select! {
            biased;
            done = &mut asking => return done,
            _ = &mut connection => {}
        }
        // All that came has come; what is left is to take it.
        asking.await
    }

    async fn read(&mut self, response: Response<Incoming>) -> Result<(), hyper::Error> {
        let (head, mut body) = response.into_parts();
        self.head = Some((head.status.as_u16(), head.headers));
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            self.body_bytes += data.len() as u64;
            let room = BODY_KEPT - self.body.len();
            self.body.extend_from_slice(&data[..data.len().min(room)]);
        }
        Ok(())
    }

    /// Names what happened: `ended` is how the exchange ended, none when it did not in time, and `read` how many
    /// bytes came in all.
    fn conclude(&mut self, ended: Option<Result<(), hyper::Error>>, read: u64) {
        self.answer = Some(match ended {
            Some(Ok(())) => "complete",
            _ if read > MAX_READ => "oversized",
            None if read == 0 => "silent",
            None => "incomplete",
            Some(Err(_)) if read == 0 => "closed",
            Some(Err(error)) if self.head.is_none() && (error.is_parse() || error.is_parse_too_large()) => "malformed",
            Some(Err(_)) => "incomplete",
        });
    }

    fn facts(self, connection: Facts) -> Facts {
        let mut sheet = Sheet::of(connection);
        sheet.fact("answer", self.answer);
        sheet.fact("status", self.head.as_ref().map(|(status, _)| status));
        match &self.head {
            None => sheet.fact("headers", Value::Null),
            Some((_, headers)) => {
                let (headers, cut) = headers_fact(headers);
                sheet.fact("headers", headers);
                if cut {
                    sheet.is_cut("headers");
                }
            }
        }
        // A body that the server did not finish is none: neither what it holds nor what it lacks could be told.
        let body = self.head.as_ref().filter(|_| self.answer != Some("incomplete"));
        sheet.fact("body", body.map(|_| String::from_utf8_lossy(&self.body)));
        sheet.fact("body_bytes", self.head.as_ref().map(|_| self.body_bytes));
        if body.is_some() && self.body_bytes > self.body.len() as u64 {
            sheet.is_cut("body");
        }
        if self.answer == Some("oversized") {
            sheet.is_cut("body_bytes");
        }
        sheet.done()
    }
}

/// The headers as a fact, and whether some of them are missing from it.
fn headers_fact(headers: &HeaderMap) -> (Map<String, Value>, bool) {
    let mut cut = false;
    let mut fact = Map::new();
    for name in headers.keys() {
        if fact.len() == HEADERS_KEPT {
            return (fact, true);
        }
        let mut clip = |text: &str| -> String {
            cut |= text.chars().nth(HEADER_LENGTH).is_some();
            text.chars().take(HEADER_LENGTH).collect()
        };
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let value = match name.as_str() {
            "set-cookie" => json!(values.map(|value| clip(&value)).collect::<Vec<_>>()),
            _ => json!(clip(&values.collect::<Vec<_>>().join(", "))),
        };
        fact.insert(name.as_str().to_owned(), value);
    }
    (fact, cut)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::probe::testing::{look, server};

    async fn heard(stream: &mut TcpStream) -> String {
        let mut buf = vec![0; 4096];
        let n = stream.read(&mut buf).await.unwrap_or(0);
        String::from_utf8_lossy(&buf[..n]).into_owned()
    }

    /// Answers every request with `answer`, and hangs up.
    async fn says(answer: &'static [u8]) -> u16 {
        server(move |mut stream| async move {
            heard(&mut stream).await;
            let _ = stream.write_all(answer).await;
        })
        .await
    }

    async fn seen(port: u16) -> Facts {
        let start = Instant::now();
        let facts = look("http", json!({"to": format!("localhost:{port}")})).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "the patience of a test is one second");
        facts
    }

    #[tokio::test]
    async fn an_answer_is_status_headers_and_body() {
        let port = says(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/new\r\nX-A: 1\r\nx-a: 2\r\nSet-Cookie: a=1\r\n\
              Set-Cookie: b=2\r\nContent-Length: 5\r\n\r\nhol\xe1!",
        );
        let facts = seen(port.await).await;
        assert_eq!((&facts["answer"], &facts["status"]), (&json!("complete"), &json!(302)));
        assert_eq!(facts["headers"]["location"], "http://127.0.0.1/new");
        assert_eq!(facts["headers"]["x-a"], "1, 2");
        assert_eq!(facts["headers"]["set-cookie"], json!(["a=1", "b=2"]));
        assert_eq!((&facts["body"], &facts["body_bytes"]), (&json!("hol\u{fffd}!"), &json!(5)));
        assert_eq!(facts["truncated"], json!([]));
    }

    #[tokio::test]
    async fn a_request_is_what_was_asked_for() {
        let (tell, told) = std::sync::mpsc::channel();
        let port = server(move |mut stream| {
            let tell = tell.clone();
            async move {
                let _ = tell.send(heard(&mut stream).await);
            }
        })
        .await;
        let args =
            json!({"to": format!("localhost:{port}"), "path": "/a?b=c", "method": "HEAD", "headers": {"X-A": "1"}});
        look("http", args).await.unwrap();
        let agent = env!("CARGO_PKG_VERSION");
        assert_eq!(
            told.recv().unwrap(),
            format!(
                "HEAD /a?b=c HTTP/1.1\r\nhost: localhost:{port}\r\nuser-agent: labrun/{agent}\r\n\
                 connection: close\r\nx-a: 1\r\n\r\n"
            )
        );
    }

    #[tokio::test]
    async fn what_is_no_whole_answer_says_how() {
        for (answer, word) in [
            (&b""[..], "closed"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "malformed"),
            (b"\x00\xff\x00\xff\r\n\r\n", "malformed"),
            (b"HTTP/1.1 200", "incomplete"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "incomplete"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "incomplete"),
            (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", "complete"),
        ] {
            let facts = seen(says(answer).await).await;
            assert_eq!(facts["answer"], word, "{}", String::from_utf8_lossy(answer));
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_or_drips_is_a_fact_in_bounded_time() {
        let silent = server(|mut stream| async move {
            while !heard(&mut stream).await.is_empty() {}
            std::future::pending::<()>().await;
        });
        let facts = seen(silent.await).await;
        assert_eq!((&facts["answer"], &facts["status"]), (&json!("silent"), &Value::Null));
        for start in [&b"HTTP/1.1 200 OK\r\nX: "[..], b"HTTP/1.1 200 OK\r\n\r\n"] {
            let drips = server(move |mut stream| async move {
                let _ = stream.write_all(start).await;
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
            let facts = seen(drips.await).await;
            assert_eq!((&facts["answer"], &facts["body"]), (&json!("incomplete"), &Value::Null));
        }
    }

    #[tokio::test]
    async fn endless_headers_and_bodies_are_bounded() {
        let headers = server(|mut stream| async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            while stream.write_all(b"X-Endless: and so on\r\n").await.is_ok() {}
        });
        assert_eq!(seen(headers.await).await["answer"], "malformed");
        let body = server(|mut stream| async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            let chunk = vec![b'x'; 64 << 10];
            while stream.write_all(&chunk).await.is_ok() {}
        });
        // A patience longer than a loaded machine needs for 8 MiB.
        let facts = seen(body.await).await;
        assert!(facts["answer"] == "oversized" || facts["answer"] == "incomplete");
        assert!(facts["body"].as_str().unwrap_or_default().len() <= BODY_KEPT);
        let many = server(|mut stream| async move {
            heard(&mut stream).await;
            let headers: String = (0..150).map(|i| format!("x-{i}: {}\r\n", "v".repeat(3 * i))).collect();
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes()).await;
        });
        let facts = seen(many.await).await;
        assert_eq!(facts["headers"].as_object().unwrap().len(), HEADERS_KEPT);
        assert_eq!((&facts["answer"], &facts["truncated"]), (&json!("complete"), &json!(["headers"])));
    }

    #[tokio::test]
    async fn nobody_there_leaves_the_answer_open() {
        let facts = seen(1).await;
        assert_eq!((&facts["connection"], &facts["answer"]), (&json!("refused"), &Value::Null));
        let mut names: Vec<&str> =
            Http::FACTS.iter().map(|(name, _)| *name).filter(|name| *name != "namespace").collect();
        names.sort();
        assert_eq!(facts.keys().collect::<Vec<_>>(), names);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_when_the_lab_is_read() {
        for args in [
            json!({"path": "no-slash"}),
            json!({"path": "/a b"}),
            json!({"method": "POST"}),
            json!({"method": "get"}),
            json!({"headers": {"a b": "x"}}),
            json!({"headers": {"a": "x\r\ny: z"}}),
        ] {
            let mut whole = json!({"to": "localhost:80"});
            whole.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
            assert!(serde_json::from_value::<Http>(whole).is_err(), "{args}");
        }
    }

    #[test]
    fn the_command_is_one_a_student_can_paste() {
        let args = json!({"to": "localhost:8081", "path": "/a?b=c&d", "headers": {"X-A": "1"}});
        let probe: Http = serde_json::from_value(args).unwrap();
        assert_eq!(probe.command(), "curl -i --max-time 10 -H 'x-a: 1' http://localhost:8081'/a?b=c&d'");
    }
}
