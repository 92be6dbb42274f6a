//! A client of a Docker engine over whatever connects to it: one connection per question, so that a bound on bytes
//! bounds one answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use futures_util::future::BoxFuture;
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, UPGRADE};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::evidence::{Cause, Unobserved};
use crate::vm::{Bounded, ByteStream};

/// The engine's socket where nobody says otherwise.
pub const SOCKET: &str = "/var/run/docker.sock";

/// How long the engine may take to accept and to tell its version.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How much of one answer of the engine is read. A thousand containers take about 4 MB.
const BYTES: u64 = 32 << 20;

/// Makes one connection to an engine.
pub type Connect = Arc<dyn Fn() -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> + Send + Sync>;

/// A client of the engine that `connect` leads to, which people know by `place`; its API version negotiated.
pub async fn client(place: &str, connect: Connect) -> Result<Docker, Unobserved> {
    let transport = move |request: BollardRequest| {
        let connected = connect();
        async move { over(connected.await?, request).await }
    };
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

async fn over(stream: Box<dyn ByteStream>, request: BollardRequest) -> Result<Response<Incoming>, Error> {
    // A connection that becomes a helper's standard input and output is bounded by those who talk over it, and images
    // are handed on, not kept.
    let is_passed_on = request.headers().contains_key(UPGRADE) || request.uri().path().ends_with("/images/get");
    let (max, surcharge): (u64, fn(&[u8]) -> u64) = if is_passed_on { (u64::MAX, |_| 0) } else { (BYTES, parsed) };
    let stream = Bounded::new(stream, max).with_surcharge(surcharge);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer, or as soon as nobody waits for it any more.
    tokio::spawn(connection.with_upgrades());
    let (mut parts, body) = request.into_parts();
    if let Some(path) = parts.uri.path_and_query() {
        parts.uri = path.clone().into();
    }
    parts.headers.insert(HOST, HeaderValue::from_static("docker"));
    Ok(sender.send_request(BollardRequest::from_parts(parts, body)).await?)
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
