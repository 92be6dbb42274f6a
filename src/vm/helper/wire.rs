//! What labrun and its helper say to each other. Over the helper's standard input and output run many streams at once
//! (yamux); each is one connection: a request, a reply, and from then on the bytes of the connection itself.

use std::io;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use yamux::{Config, Connection, Mode};

use crate::vm::DialError;
use crate::vm::connect::Pace;
use crate::vm::inside::{NotEntered, Target, dial};

/// How long a message may be: an address, a name, an error.
const MAX_MESSAGE: u16 = 4096;

/// How many connections are had at once: whoever wants one more waits.
pub const AT_ONCE: usize = 128;
/// How many there may be before an end breaks the conversation off: it may hear late that some are over.
const MAX_STREAMS: usize = 4 * AT_ONCE;

/// How long a request may take to come in, how long one connection may last, and how long a helper lives whatever happens.
const REQUEST: Duration = Duration::from_secs(5);
const CONNECTION: Duration = Duration::from_secs(300);
const LIFE: Duration = Duration::from_secs(2 * 3600);

/// Whom to dial, and from where.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The container to enter; none to dial from where the helper stands.
    pub inside: Option<Target>,
    /// An address, or a name as it is known there.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How often and how long to try.
    pub pace: Pace,
}

/// What became of it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// What follows are the bytes of the connection.
    Connected {
        /// The namespace it was dialled from.
        namespace: Option<String>,
        /// How long it took to come about.
        round_trip: Duration,
    },
    /// Nothing follows.
    Failed {
        /// The namespace it was dialled from.
        namespace: Option<String>,
        /// Why.
        error: DialError,
    },
    /// It was not dialled at all.
    NotEntered(NotEntered),
}

/// The limits that both ends keep.
pub fn config() -> Config {
    let mut config = Config::default();
    config.set_max_num_streams(MAX_STREAMS).set_max_connection_receive_window(Some(128 << 20));
    config
}

/// Sends one message.
pub async fn send(stream: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u16::try_from(text.len()).ok().filter(|length| *length <= MAX_MESSAGE);
    let length = length.ok_or_else(|| io::Error::other("a message too long"))?;
    stream.write_all(&[&length.to_be_bytes()[..], &text].concat()).await?;
    stream.flush().await
}

/// Takes in one message.
pub async fn receive<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let length = stream.read_u16().await?;
    if length > MAX_MESSAGE {
        return Err(io::Error::other("a message too long"));
    }
    let mut text = vec![0; usize::from(length)];
    stream.read_exact(&mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}

/// The helper itself: answers on standard input and output until the former is closed.
pub async fn serve() {
    let stdio = tokio::io::join(tokio::io::stdin(), tokio::io::stdout());
    let _ = timeout(LIFE, answer(stdio)).await;
}

/// Answers requests on `stdio` until it is closed.
pub async fn answer(stdio: impl AsyncRead + AsyncWrite + Unpin) {
    let mut connection = Connection::new(stdio.compat(), config(), Mode::Server);
    while let Some(Ok(stream)) = std::future::poll_fn(|cx| connection.poll_next_inbound(cx)).await {
        tokio::spawn(async move {
            // An error is one of whoever asked, who has seen it.
            let _ = timeout(CONNECTION, converse(stream.compat())).await;
        });
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let request: Request = timeout(REQUEST, receive(&mut stream)).await??;
    let attempt = match dial(request.inside, request.host, request.port, request.pace).await {
        Ok(attempt) => attempt,
        Err(why) => return finish(stream, &Reply::NotEntered(why)).await,
    };
    let namespace = attempt.namespace;
    match attempt.outcome {
        Err(error) => finish(stream, &Reply::Failed { namespace, error }).await,
        Ok((connected, round_trip)) => {
            let mut connected = TcpStream::from_std(connected)?;
            send(&mut stream, &Reply::Connected { namespace, round_trip }).await?;
            copy_bidirectional(&mut stream, &mut connected).await?;
            Ok(())
        }
    }
}

async fn finish(mut stream: impl AsyncWrite + Unpin, reply: &Reply) -> io::Result<()> {
    send(&mut stream, reply).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn a_message_arrives_as_it_was_sent_and_none_that_is_too_long() {
        let (mut near, mut far) = tokio::io::duplex(1 << 16);
        let pace = Pace::patient(Duration::from_secs(5));
        let inside = Some(Target { pid: 7, container: "c".repeat(64) });
        let request = Request { inside, host: "ams".to_owned(), port: 5432, pace };
        send(&mut near, &request).await.unwrap();
        assert_eq!(receive::<Request>(&mut far).await.unwrap(), request);
        assert!(send(&mut near, &"x".repeat(5000)).await.is_err());
        near.write_all(&[0xff, 0xff]).await.unwrap();
        assert!(receive::<Request>(&mut far).await.is_err());
    }

    proptest! {
        #[test]
        fn garbage_ends_the_conversation(bytes: Vec<u8>) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (mut near, far) = tokio::io::duplex(1 << 16);
                near.write_all(&bytes).await.unwrap();
                drop(near);
                timeout(Duration::from_secs(5), answer(far)).await.unwrap();
            });
        }
    }
}
