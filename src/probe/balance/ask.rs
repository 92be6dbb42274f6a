//! The requests of one look, a bounded number in bounded time: each with a text of its own in its path, by which it is
//! found again in the logs.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;

use crate::evidence::{Facts, Unobserved};
use crate::probe::balance::Path;
use crate::probe::http::exchange::{Exchange, MAX_READ, client};
use crate::probe::{Context, Dialled};
use crate::vantage::{Endpoint, Host};
use crate::vm::{Bounded, ByteStream};

/// How long one answer is waited for.
const ONE: Duration = Duration::from_secs(2);

/// How many requests in a row may fail before there is no point in more: of a server that answered, and of one that
/// never did.
const FAILURES: usize = 5;
const FIRST_FAILURES: usize = 2;

/// Whom a look asks, and by what it is known again.
pub struct Asking<'a> {
    cx: &'a Context<'a>,
    to: &'a Endpoint,
    path: &'a Path,
    /// What is said in `Host`, if not where it is sent.
    host: Option<&'a str>,
    /// What all texts of this look begin with: 16 hex digits.
    pub mark: String,
    salt: RandomState,
}

/// What came of some requests.
#[derive(Debug, Default)]
pub struct Answers {
    /// The numbers of those that were sent, and whether each was answered.
    pub sent: Vec<(u16, bool)>,
    /// How often each status was answered.
    pub statuses: BTreeMap<u16, u32>,
    /// What became of the last dial.
    pub connection: Facts,
    /// How the first answer was that was not complete, else the last.
    pub answer: Option<&'static str>,
}

impl Answers {
    /// How many were answered.
    pub fn answered(&self) -> usize {
        self.sent.iter().filter(|(_, answered)| *answered).count()
    }
}

impl<'a> Asking<'a> {
    /// Requests with a mark that nobody has used before.
    pub fn new(cx: &'a Context<'a>, to: &'a Endpoint, path: &'a Path, host: Option<&'a str>) -> Asking<'a> {
        // The standard library's own random keys.
        let salt = RandomState::new();
        let mark = format!("{:016x}", salt.hash_one("mark"));
        Asking { cx, to, path, host, mark, salt }
    }

    /// Asks for each of `numbers` over a connection of its own, one after the other, until the time is over or there
    /// is nobody.
    pub async fn separately(
        &self,
        numbers: impl IntoIterator<Item = u16>,
        time: Duration,
    ) -> Result<Answers, Unobserved> {
        let until = Instant::now() + time;
        let mut answers = Answers::default();
        let mut failures = 0;
        for number in numbers {
            let left = until.saturating_duration_since(Instant::now());
            let enough = if answers.answered() > 0 { FAILURES } else { FIRST_FAILURES };
            if failures == enough || left.is_zero() {
                break;
            }
            // Whether anybody is there may take its time; whoever was is not waited for as long.
            let patience = if answers.sent.is_empty() { left } else { ONE.min(left) };
            let dialled = self.cx.within(patience, self.cx.dial(self.to)).await?.transpose()?;
            let (stream, address) = match dialled {
                Some(Dialled::Connected { stream, address, facts }) => {
                    answers.connection = facts;
                    (Bounded::new(stream, MAX_READ), address)
                }
                not => {
                    if let Some(Dialled::Not(facts)) = not {
                        answers.connection = facts;
                    }
                    failures += 1;
                    // A server that nobody reached at first is not there; one that is busy may be there again.
                    match answers.sent.is_empty() {
                        true => break,
                        false => answers.sent.push((number, false)),
                    }
                    continue;
                }
            };
            let meter = stream.meter();
            let mut exchange = Exchange::default();
            let request = self.request(number, &address, true);
            let ended = self.cx.within(ONE.min(self.cx.patience).min(left), exchange.run(stream, request)).await?;
            if ended.is_none() && left < ONE.min(self.cx.patience) {
                // Cut off by the look's own time: neither sent in full nor unanswered.
                break;
            }
            exchange.conclude(ended, &meter);
            let complete = exchange.answer == Some("complete");
            answers.sent.push((number, complete));
            failures = if complete { 0 } else { failures + 1 };
            if answers.answer.is_none_or(|answer| answer == "complete") {
                answers.answer = exchange.answer;
            }
            if let Some((status, _)) = exchange.head.filter(|_| complete) {
                *answers.statuses.entry(status).or_default() += 1;
            }
        }
        Ok(answers)
    }

    /// Asks for `numbers` over one connection, as far as the server keeps it: how many were answered.
    pub async fn on_one_connection(&self, numbers: &[u16], time: Duration) -> Result<usize, Unobserved> {
        let time = time.min(self.cx.patience);
        let dialled = self.cx.within(time, self.cx.dial(self.to)).await?.transpose()?;
        let Some(Dialled::Connected { stream, address, .. }) = dialled else { return Ok(0) };
        let requests: Vec<_> = numbers.iter().map(|number| self.request(*number, &address, false)).collect();
        let mut answered = 0;
        let asking = ask_all(Bounded::new(stream, MAX_READ), requests, &mut answered);
        // A server that gives up in the middle has answered what it has answered.
        drop(self.cx.within(time, asking).await?);
        Ok(answered)
    }

    fn request(&self, number: u16, address: &str, last: bool) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = self.path.with(&self.nonce(number)).parse().unwrap_or_default();
        let sent_to = match &self.to.host {
            Host::Loopback | Host::Named(_) => self.to.to_string(),
            Host::Outward | Host::Container(_) => address.to_owned(),
        };
        let host = self.host.unwrap_or(sent_to.strip_suffix(":80").unwrap_or(&sent_to));
        let headers = request.headers_mut();
        let agent = concat!("labrun/", env!("CARGO_PKG_VERSION"));
        let mut lines = vec![(HOST, host), (USER_AGENT, agent)];
        lines.extend(last.then_some((CONNECTION, "close")));
        for (name, line) in lines {
            headers.extend(HeaderValue::from_str(line).ok().map(|line| (name, line)));
        }
        request
    }

    /// The text by which request `number` is found again. A number alone would not do: a balancer that goes by a hash
    /// of the path may well send a row of numbers to one place.
    fn nonce(&self, number: u16) -> String {
        format!("{}-{number:03}-{:08x}", self.mark, self.salt.hash_one(number) as u32)
    }
}

async fn ask_all(
    stream: Bounded<Box<dyn ByteStream>>,
    requests: Vec<Request<Full<Bytes>>>,
    answered: &mut usize,
) -> Result<(), hyper::Error> {
    let (mut sender, connection) = client().handshake(TokioIo::new(stream)).await?;
    let asking = async {
        for request in requests {
            sender.ready().await?;
            let mut body = sender.send_request(request).await?.into_body();
            while let Some(frame) = body.frame().await {
                frame?;
            }
            *answered += 1;
        }
        Ok(())
    };
    tokio::pin!(asking, connection);
    tokio::select! {
        biased;
        done = &mut asking => return done,
        _ = &mut connection => {}
    }
    asking.await
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::memory::OfThisRun;
    use crate::probe::testing::{server, standing};

    /// Asks `port`, with this in `Host`, each number once, within `time`; and 20 on one connection.
    async fn ask(port: u16, host: Option<&str>, numbers: u16, time: Duration) -> (Answers, usize, String) {
        let to = format!("localhost:{port}").parse().unwrap();
        let path = Path::default();
        standing(&OfThisRun::default(), async |cx| {
            let asking = Asking::new(cx, &to, &path, host);
            let answers = asking.separately(0..numbers, time).await.unwrap();
            let numbers: Vec<u16> = (300..320).collect();
            let on_one = asking.on_one_connection(&numbers, Duration::from_secs(1)).await.unwrap();
            (answers, on_one, asking.mark)
        })
        .await
    }

    /// A server that keeps a connection unless it is told otherwise, and notes each request.
    async fn server_that_notes() -> (u16, Arc<Mutex<Vec<String>>>) {
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let notes = heard.clone();
        let port = server(move |mut stream| {
            let notes = notes.clone();
            async move {
                let mut buf = vec![0; 4096];
                loop {
                    let n = stream.read(&mut buf).await.unwrap_or(0);
                    if n == 0 {
                        return;
                    }
                    let request = String::from_utf8_lossy(&buf[..n]).into_owned();
                    let last = request.contains("connection: close");
                    notes.lock().unwrap().push(request);
                    let _ = stream.write_all(b"HTTP/1.1 404 X\r\nContent-Length: 2\r\n\r\nno").await;
                    if last {
                        return;
                    }
                }
            }
        });
        (port.await, heard)
    }

    #[tokio::test]
    async fn each_request_has_a_text_of_its_own_and_a_connection_of_its_own_where_it_should() {
        let (port, heard) = server_that_notes().await;
        let (answers, on_one, mark) = ask(port, None, 30, Duration::from_secs(5)).await;
        assert_eq!((answers.sent.len(), answers.answered(), on_one), (30, 30, 20));
        assert_eq!(answers.statuses, BTreeMap::from([(404, 30)]));
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 50);
        let path = |request: &String| request.split(' ').nth(1).unwrap().to_owned();
        let mut paths: Vec<String> = heard.iter().map(path).collect();
        assert!(paths[7].starts_with(&format!("/labrun-{mark}-007-")) && paths[7].ends_with(".txt"), "{}", paths[7]);
        assert!(paths[30].starts_with(&format!("/labrun-{mark}-300-")));
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 50);
    }

    #[tokio::test]
    async fn every_request_says_the_host_it_is_told_to_say() {
        for host in [None, Some("localhost:80")] {
            let (port, heard) = server_that_notes().await;
            ask(port, host, 30, Duration::from_secs(5)).await;
            let sent_to = format!("localhost:{port}");
            let line = format!("host: {}\r\n", host.unwrap_or(&sent_to));
            let heard = heard.lock().unwrap();
            assert_eq!(heard.len(), 50);
            assert!(heard.iter().all(|request| request.contains(&line)), "{line}: {}", heard[0]);
        }
    }

    #[tokio::test]
    async fn time_and_failures_end_it_and_what_was_sent_is_true() {
        let slow = server(|mut stream| async move {
            let _ = stream.read(&mut [0; 4096]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _ = stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n").await;
        });
        let (answers, ..) = ask(slow.await, None, 100, Duration::from_millis(550)).await;
        assert!((1..=5).contains(&answers.sent.len()), "{}", answers.sent.len());
        assert_eq!((answers.answered(), answers.answer), (answers.sent.len(), Some("complete")));
        let closes = server(|stream| async { drop(stream) });
        let (answers, on_one, _) = ask(closes.await, None, 100, Duration::from_secs(5)).await;
        assert_eq!((answers.sent.len(), answers.answered(), on_one), (FIRST_FAILURES, 0, 0));
        assert_eq!(answers.answer, Some("closed"));
        let (answers, on_one, _) = ask(1, None, 100, Duration::from_secs(5)).await;
        assert_eq!((answers.sent.len(), on_one, &answers.connection["connection"]), (0, 0, &"refused".into()));
    }
}
