//! One HTTP request, or a short sequence of them such as a login, over dialled streams, and whatever came back.
//! Redirects are facts, and followed only where a lab says so, as far as they stay with whoever was asked: behind a
//! published port they often lead elsewhere.

mod args;
mod cookies;
pub mod exchange;
mod once;
mod page;
mod sequence;

use async_trait::async_trait;
use hyper::header::HeaderMap;
use serde_json::{Map, Value, json};

use crate::evidence::{Facts, Unobserved};
use crate::probe::http::args::{Method, Unless};
use crate::probe::http::once::{Leave, Record};
use crate::probe::http::sequence::{LOCATION, Sequence};
use crate::probe::{
    ADDRESS_FACT, CONNECTION_FACT, CONNECTION_WORDS, Context, NAMESPACE_FACT, Probe, Sheet, Thing, quote, shell_host,
};
use crate::vantage::Host;

pub use args::{Http, host};

/// How many headers are kept, and how long a value may be.
const HEADERS_KEPT: usize = 100;
const HEADER_LENGTH: usize = 2000;

/// How long the title of a page may be.
const TITLE: usize = 500;

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
        ("location", "where the answer says to go on, as it says it, or null"),
        ("location_path", "the path there, with its query, or null"),
        ("location_inside", "whether that is the same host and port, in clear; else nothing follows it; or null"),
        ("path", "the path that this is the answer to, after redirects"),
        ("title", "the text of the page's `<title>`, or null"),
        ("body", "the body as text, up to 1 MiB; null unless the answer is complete or was cut by labrun itself"),
        ("body_bytes", "how many bytes of body came, or null"),
        ("steps", "what became of each step that was answered: a list of {status, location, redirects, captured}"),
        ("finished", "whether every step was asked and answered"),
        ("recalled_at", "when all this was seen, if it is recalled and was not asked again (`once`), else null"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[CONNECTION_WORDS, ("answer", &["complete", "silent", "closed", "incomplete", "malformed", "oversized"])];
    const NOTHING_REACHED: Option<&'static str> = Some(
        r#"{"connection":"timed_out","address":null,"answer":null,"status":null,"headers":null,"location":null,
            "location_path":null,"location_inside":null,"path":"/","title":null,"body":null,"body_bytes":null,
            "steps":[],"finished":false,"recalled_at":null,"truncated":[]}"#,
    );

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Endpoint(self.to.clone())]
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        cx.take_place().await?;
        let mut sequence = Sequence::new(cx, self);
        let mut record = None;
        for step in &self.steps {
            if let Some(once) = self.once.as_ref().filter(|_| step.method == Method::Post && record.is_none()) {
                match Record::open(cx.memory, self, once)? {
                    Leave::Recalled(facts) => return Ok(facts),
                    Leave::Granted(granted) => record = Some(granted),
                }
            }
            if !sequence.step(step).await? {
                break;
            }
        }
        let facts = facts(&sequence);
        if let (Some(record), Some(once)) = (record, &self.once) {
            let holds = sequence.is_finished() && once.unless.holds(&sequence);
            record.close(&facts, holds || !sequence.has_posted);
        }
        Ok(facts)
    }

    fn command(&self) -> String {
        let place = match &self.to.host {
            Host::Named(name) if name.contains(':') => format!("'[{name}]':{}", self.to.port),
            host => format!("{}:{}", shell_host(host), self.to.port),
        };
        let jar = if self.is_sequence { "-b /tmp/cookies -c /tmp/cookies " } else { "" };
        let steps = self.steps.iter().map(|step| {
            let method = match step.method {
                Method::Get | Method::Post => String::new(),
                Method::Head => "--head ".to_owned(),
                Method::Options => "-X OPTIONS ".to_owned(),
            };
            let follow = if step.follow.0 > 0 { format!("-L --max-redirs {} ", step.follow.0) } else { String::new() };
            let headers = step.headers.iter();
            let headers: String =
                headers.map(|(name, line)| format!("-H {} ", quote(&format!("{}: {}", name.0, line.0)))).collect();
            let form = step.form.iter();
            let form: String = form
                .map(|(name, text)| format!("--data-urlencode {} ", quote(&format!("{name}={}", text.0))))
                .collect();
            let path = quote(&step.path.0);
            format!("curl -i --max-time 10 {jar}{method}{follow}{headers}{form}http://{place}{path}")
        });
        steps.collect::<Vec<_>>().join("; ")
    }
}

impl Unless {
    fn holds(&self, sequence: &Sequence) -> bool {
        let status = sequence.last.head.as_ref().map(|(status, _)| *status);
        let location = sequence.last.header("location");
        let fits = |pattern: &Option<args::Pattern>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|args::Pattern(regex)| text.is_some_and(|text| regex.is_match(text)))
        };
        self.status.is_none_or(|wanted| status == Some(wanted))
            && fits(&self.location, location.as_deref())
            && fits(&self.path, Some(&sequence.path))
    }
}

fn facts(sequence: &Sequence) -> Facts {
    let seen = &sequence.last;
    let mut sheet = Sheet::of(sequence.connection.clone());
    sheet.fact("answer", seen.answer);
    sheet.fact("status", seen.head.as_ref().map(|(status, _)| status));
    match &seen.head {
        None => sheet.fact("headers", Value::Null),
        Some((_, headers)) => {
            let (headers, cut) = headers_fact(headers, sequence);
            sheet.fact("headers", headers);
            if cut {
                sheet.is_cut("headers");
            }
        }
    }
    let location = seen.header("location").map(|location| sequence.tamed(&location));
    sheet.text("location", location.as_deref(), LOCATION);
    let lead = sequence.lead.as_ref();
    sheet.text("location_path", lead.map(|lead| sequence.tamed(&lead.path)).as_deref(), LOCATION);
    sheet.fact("location_inside", lead.map(|lead| lead.inside));
    sheet.text("path", Some(&sequence.tamed(&sequence.path)), LOCATION);
    let body = seen.has_body().then(|| String::from_utf8_lossy(&seen.body));
    let title = body.as_ref().and_then(|body| page::title(body)).map(|title| sequence.tamed(&title));
    sheet.text("title", title.as_deref(), TITLE);
    sheet.fact("body", body.map(|body| sequence.tamed(&body)));
    sheet.fact("body_bytes", seen.head.as_ref().map(|_| seen.body_bytes));
    if seen.has_body() && seen.body_bytes > seen.body.len() as u64 {
        sheet.is_cut("body");
        if title.is_none() {
            sheet.is_cut("title");
        }
    }
    if seen.answer == Some("oversized") {
        sheet.is_cut("body_bytes");
    }
    sheet.fact("steps", &sequence.steps);
    sheet.fact("finished", sequence.is_finished());
    sheet.fact("recalled_at", Value::Null);
    sheet.done()
}

/// The headers as a fact, and whether some of them are missing from it.
fn headers_fact(headers: &HeaderMap, sequence: &Sequence) -> (Map<String, Value>, bool) {
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
            "set-cookie" if sequence.keeps_secrets() => {
                json!(values.map(|value| clip(&without_value(&value))).collect::<Vec<_>>())
            }
            "set-cookie" => json!(values.map(|value| clip(&value)).collect::<Vec<_>>()),
            _ => json!(clip(&sequence.tamed(&values.collect::<Vec<_>>().join(", ")))),
        };
        fact.insert(name.as_str().to_owned(), value);
    }
    (fact, cut)
}

/// A cookie as it was set, but for its value.
fn without_value(cookie: &str) -> String {
    let (pair, rest) = cookie.split_once(';').unwrap_or((cookie, ""));
    let name = pair.split('=').next().unwrap_or_default().trim();
    let rest = rest.trim();
    if rest.is_empty() { format!("{name}=@{{cookie {name}}}") } else { format!("{name}=@{{cookie {name}}}; {rest}") }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::evidence::Cause;
    use crate::memory::{Memory, OfThisRun};
    use crate::probe::http::exchange::BODY_KEPT;
    use crate::probe::testing::{look, look_with, server};

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

    /// A server that answers by method and path, and notes each request.
    async fn site(answer: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> (u16, Arc<Mutex<Vec<String>>>) {
        let heard_all = Arc::<Mutex<Vec<String>>>::default();
        let (notes, answer) = (heard_all.clone(), Arc::new(answer));
        let port = server(move |mut stream| {
            let (notes, answer) = (notes.clone(), answer.clone());
            async move {
                let request = heard(&mut stream).await;
                let line = request.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
                notes.lock().unwrap().push(request.clone());
                let _ = stream.write_all(answer(&line, &request).as_bytes()).await;
            }
        });
        (port.await, heard_all)
    }

    fn page(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn found(location: &str, more: &str) -> String {
        format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n{more}Content-Length: 0\r\n\r\n")
    }

    const TOKEN: &str = "ImY2Zjg1.aSXX.q4-_w";

    /// What pgAdmin does with logins, lock and all.
    fn pgadmin(failures: Arc<Mutex<u32>>) -> impl Fn(&str, &str) -> String {
        move |line, request| match line {
            "GET /login" => page(&format!("<title>pgAdmin 4</title>{{\"csrfToken\": \"{TOKEN}\"}}")).replacen(
                "\r\n",
                "\r\nSet-Cookie: pga4_session=0123456789abcdef; HttpOnly; Path=/\r\n",
                1,
            ),
            "POST /authenticate/login" => {
                let body = request.split("\r\n\r\n").nth(1).unwrap_or_default();
                let in_order = request.contains("cookie: pga4_session=0123456789abcdef\r\n")
                    && body.contains(&format!("csrf_token={TOKEN}"))
                    && request.contains("content-type: application/x-www-form-urlencoded\r\n");
                let mut failures = failures.lock().unwrap();
                let right = body.contains("&email=a%40b.c&internal_button=Login&password=se+cret%26") && *failures < 3;
                *failures += u32::from(!right);
                match in_order && right {
                    true => found("/browser/", "Set-Cookie: pga4_session=fedcba9876543210; Path=/\r\n"),
                    false => found("/login?next=/browser/", ""),
                }
            }
            "GET /browser/" => page(&format!("hello fedcba9876543210 {TOKEN}")),
            _ => page("<title>again</title>"),
        }
    }

    fn login(port: u16, password: &str) -> Value {
        json!({
            "to": format!("localhost:{port}"),
            "steps": [
                {"path": "/login", "capture": {"csrf": {"body": "\"csrfToken\": \"([^\"]+)\""}}},
                {
                    "path": "/authenticate/login", "method": "POST", "follow": 1,
                    "form": {
                        "csrf_token": "@{csrf}", "email": "a@b.c", "password": password, "internal_button": "Login",
                    },
                },
            ],
            "once": {"key": "3dcf1d14", "unless": {"path": "^/browser/$"}},
        })
    }

    #[tokio::test]
    async fn a_login_takes_along_its_token_and_its_session_and_shows_neither() {
        let (port, _) = site(pgadmin(Arc::default())).await;
        let facts = look("http", login(port, "se cret&")).await.unwrap();
        assert_eq!(
            (&facts["status"], &facts["path"], &facts["finished"]),
            (&json!(200), &json!("/browser/"), &json!(true))
        );
        assert_eq!(
            facts["steps"],
            json!([
                {"status": 200, "location": null, "redirects": 0, "captured": ["csrf"]},
                {"status": 200, "location": null, "redirects": 1, "captured": []},
            ])
        );
        assert_eq!(facts["body"], "hello @{cookie pga4_session} @{csrf}");
        let mut args = login(port, "se cret&");
        args["steps"][1]["follow"] = json!(0);
        let facts = look("http", args).await.unwrap();
        assert_eq!((&facts["location"], &facts["location_inside"]), (&json!("/browser/"), &json!(true)));
        assert_eq!(facts["headers"]["set-cookie"], json!(["pga4_session=@{cookie pga4_session}; Path=/"]));
        let all = serde_json::to_string(&facts).unwrap();
        assert!(!all.contains(TOKEN) && !all.contains("fedcba"), "{all}");
    }

    #[tokio::test]
    async fn a_login_that_fails_is_tried_once_and_recalled_from_then_on() {
        let failures = Arc::<Mutex<u32>>::default();
        let (port, heard) = site(pgadmin(failures.clone())).await;
        let memory = OfThisRun::default();
        let first = look_with(&memory, "http", login(port, "wrong")).await.unwrap();
        assert_eq!((&first["path"], &first["recalled_at"]), (&json!("/login?next=/browser/"), &Value::Null));
        for _ in 0..5 {
            let mut again = look_with(&memory, "http", login(port, "wrong")).await.unwrap();
            let at = again["recalled_at"].take();
            assert!(at.as_str().is_some_and(|at| at.ends_with('Z')), "{at}");
            assert_eq!(again, first);
        }
        assert_eq!(*failures.lock().unwrap(), 1);
        // What changes nothing is asked each time, so that a server that is gone is not taken for one that refuses.
        assert_eq!(heard.lock().unwrap().iter().filter(|request| request.starts_with("GET /login ")).count(), 6);
        // Other words are another question, and what succeeds may be repeated.
        for _ in 0..2 {
            let facts = look_with(&memory, "http", login(port, "se cret&")).await.unwrap();
            assert_eq!((&facts["path"], &facts["recalled_at"]), (&json!("/browser/"), &Value::Null));
        }
        let mut other = login(port, "wrong");
        other["once"]["key"] = json!("another container");
        assert_eq!(look_with(&memory, "http", other).await.unwrap()["recalled_at"], Value::Null);
        assert_eq!(*failures.lock().unwrap(), 2);
    }

    #[tokio::test]
    async fn a_login_that_is_not_answered_may_be_tried_once_more() {
        let posts = Arc::<Mutex<u32>>::default();
        let counted = posts.clone();
        let (port, _) = site(move |line, _| {
            if line == "GET /login" {
                return page("\"csrfToken\": \"x\"");
            }
            *counted.lock().unwrap() += 1;
            String::new()
        })
        .await;
        let memory = OfThisRun::default();
        for recalled in [false, false, true, true] {
            let facts = look_with(&memory, "http", login(port, "x")).await.unwrap();
            assert_eq!((&facts["answer"], facts["recalled_at"].is_string()), (&json!("closed"), recalled));
        }
        assert_eq!(*posts.lock().unwrap(), 2);
    }

    #[tokio::test]
    async fn a_run_cut_off_in_the_middle_counts_as_a_try_and_what_was_never_sent_does_not() {
        struct Forgetful(OfThisRun);
        impl Memory for Forgetful {
            fn recall(&self, key: &str) -> Option<Facts> {
                self.0.recall(key)
            }
            fn remember(&self, key: &str, facts: &Facts) {
                if facts["facts"].is_null() && facts["tries"] != 0 {
                    self.0.remember(key, facts);
                }
            }
        }
        let (port, heard) = site(pgadmin(Arc::default())).await;
        let memory = Forgetful(OfThisRun::default());
        for _ in 0..2 {
            look_with(&memory, "http", login(port, "wrong")).await.unwrap();
        }
        let why = look_with(&memory, "http", login(port, "wrong")).await.unwrap_err();
        assert_eq!(why.cause, Cause::Limit);
        assert_eq!(heard.lock().unwrap().iter().filter(|request| request.starts_with("POST")).count(), 2);
        // No token on the page: there is nothing to hand in, and nothing to remember.
        let (port, heard) = site(|_, _| page("<title>starting</title>")).await;
        let memory = OfThisRun::default();
        for _ in 0..3 {
            let facts = look_with(&memory, "http", login(port, "x")).await.unwrap();
            assert_eq!((&facts["title"], &facts["finished"]), (&json!("starting"), &json!(false)));
            assert_eq!(facts["recalled_at"], Value::Null);
        }
        assert_eq!(heard.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn redirects_are_followed_as_often_as_is_said_and_nowhere_else() {
        let (port, heard) = site(|line, _| match line {
            "GET /" => found("/a", "Set-Cookie: session=12345678\r\n"),
            "GET /a" => found("b?c", ""),
            "GET /b?c" => page("<title>There</title>"),
            "GET /away" => found("http://127.0.0.1:1/x", ""),
            "GET /for-ever" => found("/for-ever", ""),
            _ => page(""),
        })
        .await;
        let at = async |path: &str, follow: u8| {
            let args = json!({"to": format!("localhost:{port}"), "path": path, "follow": follow});
            look("http", args).await.unwrap()
        };
        let facts = at("/", 0).await;
        assert_eq!(
            (&facts["status"], &facts["location_path"], &facts["path"]),
            (&json!(302), &json!("/a"), &json!("/"))
        );
        assert_eq!(facts["headers"]["set-cookie"], json!(["session=12345678"]));
        let facts = at("/", 1).await;
        assert_eq!((&facts["location_path"], &facts["path"]), (&json!("/b?c"), &json!("/a")));
        let facts = at("/", 9).await;
        assert_eq!((&facts["title"], &facts["path"]), (&json!("There"), &json!("/b?c")));
        assert_eq!(facts["steps"][0]["redirects"], 2);
        assert!(heard.lock().unwrap().last().unwrap().contains("cookie: session=12345678"));
        let facts = at("/away", 9).await;
        assert_eq!((&facts["status"], &facts["location_inside"]), (&json!(302), &json!(false)));
        let before = heard.lock().unwrap().len();
        assert_eq!(at("/for-ever", 10).await["steps"][0]["redirects"], 10);
        assert_eq!(heard.lock().unwrap().len() - before, 11);
    }

    #[tokio::test]
    async fn what_a_server_says_is_never_where_to_go_nor_what_to_send_in_a_header() {
        for said in ["http://127.0.0.1:1/x", "//evil.test/", "/a b", "x\ny"] {
            let (port, heard) = site(move |_, _| page(&format!("next=<{said}>"))).await;
            let steps = |second: Value| {
                let first = json!({"capture": {"next": {"body": "(?s)next=<(.*)>"}}});
                json!({"to": format!("localhost:{port}"), "steps": [first, second]})
            };
            let facts = look("http", steps(json!({"path": "@{next}"}))).await.unwrap();
            assert_eq!((&facts["finished"], heard.lock().unwrap().len()), (&json!(false), 1), "{said}");
            if said.contains('\n') {
                let facts = look("http", steps(json!({"path": "/", "headers": {"x-a": "@{next}"}}))).await.unwrap();
                assert_eq!((&facts["finished"], heard.lock().unwrap().len()), (&json!(false), 2));
            }
        }
        let (port, heard) = site(|_, _| page("next=</there>")).await;
        let steps = json!([{"capture": {"next": {"body": "next=<(.*)>"}}}, {"path": "@{next}"}]);
        let facts = look("http", json!({"to": format!("localhost:{port}"), "steps": steps})).await.unwrap();
        assert_eq!((&facts["finished"], &facts["path"]), (&json!(true), &json!("@{next}")));
        assert!(heard.lock().unwrap()[1].starts_with("GET /there "));
    }

    #[tokio::test]
    async fn a_sequence_has_one_time_for_all_its_steps() {
        let slow = server(|mut stream| async move {
            heard(&mut stream).await;
            tokio::time::sleep(Duration::from_millis(700)).await;
            let _ = stream.write_all(page("").as_bytes()).await;
        });
        let steps = vec![json!({}); 10];
        let start = Instant::now();
        let facts = look("http", json!({"to": format!("localhost:{}", slow.await), "steps": steps})).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        assert_eq!((&facts["answer"], &facts["finished"]), (&json!("silent"), &json!(false)));
        assert_eq!(facts["steps"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn the_command_is_one_a_student_can_paste() {
        let args = json!({"to": "localhost:8081", "path": "/a?b=c&d", "headers": {"X-A": "1"}, "follow": 2});
        let probe: Http = serde_json::from_value(args).unwrap();
        assert_eq!(
            probe.command(),
            "curl -i --max-time 10 -L --max-redirs 2 -H 'x-a: 1' http://localhost:8081'/a?b=c&d'"
        );
        let probe: Http = serde_json::from_value(json!({"to": "localhost:80", "steps": [
            {"path": "/login"}, {"path": "/in", "method": "POST", "form": {"a b": "c d"}},
        ]}))
        .unwrap();
        assert_eq!(
            probe.command(),
            "curl -i --max-time 10 -b /tmp/cookies -c /tmp/cookies http://localhost:80/login; \
             curl -i --max-time 10 -b /tmp/cookies -c /tmp/cookies --data-urlencode 'a b=c d' http://localhost:80/in"
        );
    }
}
