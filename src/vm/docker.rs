//! A client of a Docker engine over whatever connects to it: one connection per question, so that a bound on bytes
//! bounds one answer.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use futures_util::future::BoxFuture;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue, UPGRADE};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::evidence::{Cause, Unobserved};
use crate::vm::{Bounded, ByteStream, Meter};

/// The engine's socket where nobody says otherwise.
pub const SOCKET: &str = "/var/run/docker.sock";

/// How long the engine may take to accept and to tell its version.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How much of one answer of the engine is read. A thousand containers take about 4 MB.
const BYTES: u64 = 32 << 20;

/// How many connections are kept where that is done: each may take one of few places that others need as well.
const KEPT: usize = 1;

/// Makes one connection to an engine.
pub type Connect = Arc<dyn Fn() -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> + Send + Sync>;

/// A client of the engine that `connect` leads to, which people know by `place`; its API version negotiated.
pub async fn client(place: &str, connect: Connect) -> Result<Docker, Unobserved> {
    let transport = move |request: BollardRequest| {
        let connected = connect();
        async move {
            let is_passed_on = is_passed_on(&request);
            Conversation::over(connected.await?, is_passed_on).await?.ask(request).await
        }
    };
    negotiated(place, transport).await
}

/// The same where connecting is dear: a connection is used again once its answer has been read.
pub async fn client_that_keeps(place: &str, connect: Connect) -> Result<Docker, Unobserved> {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let transport = move |request: BollardRequest| {
        let (connect, kept) = (connect.clone(), kept.clone());
        async move {
            let is_passed_on = is_passed_on(&request);
            // One whose answer has no end is not to be had again.
            let is_kept = !is_passed_on && !request.uri().path().ends_with("/events");
            let ready = {
                let mut kept: MutexGuard<'_, Vec<Conversation<_>>> =
                    kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.retain(|conversation: &Conversation<_>| !conversation.sender.is_closed());
                let at = kept.iter().position(|conversation| conversation.sender.is_ready());
                at.filter(|_| is_kept).map(|at| kept.swap_remove(at))
            };
            let mut conversation = match ready {
                Some(conversation) => conversation,
                None => Conversation::over(connect().await?, is_passed_on).await?,
            };
            let answer = conversation.ask(request).await?;
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if is_kept && kept.len() < KEPT {
                kept.push(conversation);
            }
            Ok(answer)
        }
    };
    negotiated(place, transport).await
}

async fn negotiated<F>(
    place: &str,
    transport: impl Fn(BollardRequest) -> F + Send + Sync + 'static,
) -> Result<Docker, Unobserved>
where
    F: Future<Output = Result<Response<Incoming>, Error>> + Send + 'static,
{
    let broken = |error: Error| {
        let why = error.to_string().chars().take(300).collect::<String>();
        Unobserved::new(
            Cause::Engine,
            format!("lo que responde en {place} no parece un motor de Docker: {why}"),
            format!("what answers at {place} does not look like a Docker engine: {why}"),
        )
    };
    // Whoever asks bounds the wait and says so in better words than the client's.
    let seconds = 60;
    let docker = Docker::connect_with_custom_transport(transport, Some("http://docker"), seconds, API_DEFAULT_VERSION)
        .map_err(broken)?;
    timeout(PATIENCE, docker.negotiate_version()).await.map_err(|_| silent(place))?.map_err(broken)
}

/// That nobody answered for as long as an engine may take.
pub fn silent(place: &str) -> Unobserved {
    Unobserved::new(
        Cause::Engine,
        format!("el motor de Docker en {place} no respondió en {} s", PATIENCE.as_secs()),
        format!("the Docker engine at {place} did not answer in {} s", PATIENCE.as_secs()),
    )
}

/// Whether nothing of the answer is kept: a connection that becomes a helper's standard input and output is bounded by
/// those who talk over it, and images are handed on.
fn is_passed_on<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(UPGRADE) || request.uri().path().ends_with("/images/get")
}

/// A connection to an engine, on which one question is asked after the other.
struct Conversation<B> {
    sender: SendRequest<B>,
    meter: Arc<Meter>,
}

impl<B> Conversation<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    async fn over(stream: Box<dyn ByteStream>, is_passed_on: bool) -> Result<Conversation<B>, Error> {
        let (max, surcharge): (u64, fn(&[u8]) -> u64) = if is_passed_on { (u64::MAX, |_| 0) } else { (BYTES, parsed) };
        let stream = Bounded::new(stream, max).with_surcharge(surcharge);
        let meter = stream.meter();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the answer, or as soon as nobody waits for it any more.
        tokio::spawn(connection.with_upgrades());
        Ok(Conversation { sender, meter })
    }

    async fn ask(&mut self, request: Request<B>) -> Result<Response<Incoming>, Error> {
        let (mut parts, body) = request.into_parts();
        if let Some(path) = parts.uri.path_and_query() {
            parts.uri = path.clone().into();
        }
        parts.headers.insert(HOST, HeaderValue::from_static("docker"));
        self.meter.renew();
        Ok(self.sender.send_request(Request::from_parts(parts, body)).await?)
    }
}

/// What else counts as read of an answer, for what its parsing takes: two bytes of JSON can become a record of a
/// thousand. A thousand containers, each with its ports, mounts and networks, come to some 22 MB with it.
fn parsed(json: &[u8]) -> u64 {
    let cost = |byte: &u8| match byte {
        b'{' => 1024,
        b',' => 96,
        _ => 0,
    };
    json.iter().map(cost).sum()
}
