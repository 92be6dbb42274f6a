//! A client of a Docker engine over whatever connects to it: one connection per question, so that a bound on bytes
//! bounds one answer.

mod framed;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use futures_util::future::BoxFuture;
use hyper::body::{Body, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue, UPGRADE};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::evidence::{Cause, Unobserved};
use crate::vm::docker::framed::Framed;
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
        let connect = connect.clone();
        async move { Ok(ask_anew(&connect, request).await?.1) }
    };
    negotiated(place, transport).await
}

/// The same where connecting is dear: a connection is used again once its answer has been read.
pub async fn client_that_keeps(place: &str, connect: Connect) -> Result<Docker, Unobserved> {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let transport = move |request: BollardRequest| {
        let (connect, kept) = (connect.clone(), kept.clone());
        async move {
            // One whose answer has no end is not to be had again.
            let is_kept = Answer::to(&request) == Answer::Parsed && !request.uri().path().ends_with("/events");
            let ready = {
                let mut kept: MutexGuard<'_, Vec<Conversation<_>>> =
                    kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.retain(|conversation: &Conversation<_>| !conversation.sender.is_closed());
                let at = kept.iter().position(|conversation| conversation.sender.is_ready());
                at.filter(|_| is_kept).map(|at| kept.swap_remove(at))
            };
            let (conversation, answer) = match ready {
                None => ask_anew(&connect, request).await?,
                Some(mut conversation) => match conversation.ask(request).await {
                    Ok(answer) => (conversation, answer),
                    Err(mut lost) => match lost.take_message() {
                        Some(request) => ask_anew(&connect, request).await?,
                        None => return Err(lost.into_error().into()),
                    },
                },
            };
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if is_kept && kept.len() < KEPT {
                kept.push(conversation);
            }
            Ok(answer)
        }
    };
    negotiated(place, transport).await
}

/// Asks over a connection of its own. One that was closed before anything was asked is no answer: it is asked once more.
async fn ask_anew<B>(connect: &Connect, request: Request<B>) -> Result<(Conversation<B>, Response<Incoming>), Error>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let expected = Answer::to(&request);
    let mut conversation = Conversation::over(connect().await?, expected).await?;
    let mut lost = match conversation.ask(request).await {
        Ok(answer) => return Ok((conversation, answer)),
        Err(lost) => lost,
    };
    let Some(request) = lost.take_message() else { return Err(lost.into_error().into()) };
    let mut conversation = Conversation::over(connect().await?, expected).await?;
    let answer = conversation.ask(request).await.map_err(TrySendError::into_error)?;
    Ok((conversation, answer))
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

/// What becomes of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It is kept, and read as a whole.
    Parsed,
    /// The connection becomes a container's standard input and output: as a whole it is bounded by those who talk over
    /// it, its frames here.
    Framed,
    /// An image, which is handed on.
    PassedOn,
}

impl Answer {
    fn to<B>(request: &Request<B>) -> Answer {
        if request.headers().contains_key(UPGRADE) {
            Answer::Framed
        } else if request.uri().path().ends_with("/images/get") {
            Answer::PassedOn
        } else {
            Answer::Parsed
        }
    }
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
    async fn over(stream: Box<dyn ByteStream>, expected: Answer) -> Result<Conversation<B>, Error> {
        let stream: Box<dyn ByteStream> = match expected {
            Answer::Framed => {
                let (out, into) = tokio::io::split(stream);
                Box::new(tokio::io::join(Framed::new(out, BYTES), into))
            }
            Answer::Parsed | Answer::PassedOn => stream,
        };
        let (max, surcharge): (u64, fn(&[u8]) -> u64) = match expected {
            Answer::Parsed => (BYTES, reckoned),
            Answer::Framed | Answer::PassedOn => (u64::MAX, |_| 0),
        };
        let stream = Bounded::new(stream, max).with_surcharge(surcharge);
        let meter = stream.meter();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the answer, or as soon as nobody waits for it any more.
        tokio::spawn(connection.with_upgrades());
        Ok(Conversation { sender, meter })
    }

    /// Asks; a request that was never sent is given back.
    async fn ask(&mut self, request: Request<B>) -> Result<Response<Incoming>, TrySendError<Request<B>>> {
        let (mut parts, body) = request.into_parts();
        if let Some(path) = parts.uri.path_and_query() {
            parts.uri = path.clone().into();
        }
        parts.headers.insert(HOST, HeaderValue::from_static("docker"));
        self.meter.renew();
        self.sender.try_send_request(Request::from_parts(parts, body)).await
    }
}

/// What else counts as read of an answer, for what its parsing takes: two bytes of JSON can become a record of a
/// thousand. A thousand containers, each with its ports, mounts and networks, come to some 22 MB with it.
pub fn reckoned(json: &[u8]) -> u64 {
    let cost = |byte: &u8| match byte {
        b'{' => 1024,
        b',' => 96,
        _ => 0,
    };
    json.iter().map(cost).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bollard::query_parameters::AttachContainerOptions;
    use futures_util::{FutureExt, StreamExt};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// Tells its version to whoever asks anything.
    async fn engine(mut stream: DuplexStream) {
        let mut asked = [0; 4096];
        while stream.read(&mut asked).await.is_ok_and(|n| n > 0) {
            let version = r#"{"Version": "26.1.5", "ApiVersion": "1.45"}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                version.len()
            );
            let _ = stream.write_all(format!("{head}{version}").as_bytes()).await;
        }
    }

    #[tokio::test]
    async fn a_connection_that_closes_before_anything_is_asked_is_made_once_more() {
        for (closed, is_heard) in [(0, true), (1, true), (2, false)] {
            let made = Arc::new(AtomicUsize::new(0));
            let connect = move || {
                let (near, far) = duplex(1 << 16);
                match made.fetch_add(1, Ordering::SeqCst) < closed {
                    true => drop(far),
                    false => drop(tokio::spawn(engine(far))),
                }
                async move { Ok(Box::new(near) as Box<dyn ByteStream>) }.boxed()
            };
            let connect: Connect = Arc::new(connect);
            assert_eq!(client("x", connect.clone()).await.is_ok(), is_heard, "{closed}");
        }
    }

    #[tokio::test]
    async fn a_frame_that_never_ends_is_not_waited_for() {
        let connect = || {
            let (near, mut far) = duplex(1 << 16);
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                if far.read(&mut asked).await.is_ok() && asked.starts_with(b"POST ") {
                    let _ =
                        far.write_all(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n").await;
                    let _ = far.write_all(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).await;
                    while far.write_all(&[b'x'; 4096]).await.is_ok() {}
                }
            });
            async move { Ok(Box::new(near) as Box<dyn ByteStream>) }.boxed()
        };
        let transport = move |request: BollardRequest| async move {
            Ok(ask_anew(&(Arc::new(connect) as Connect), request).await?.1)
        };
        let docker = Docker::connect_with_custom_transport(transport, Some("http://docker"), 60, API_DEFAULT_VERSION);
        let docker = docker.unwrap();
        let said = async {
            let mut attached = docker.attach_container("x", None::<AttachContainerOptions>).await?;
            attached.output.next().await.transpose()
        };
        assert!(timeout(PATIENCE, said).await.unwrap().is_err());
    }
}
