//! labrun's end of the conversation with a helper.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use yamux::{Connection, Mode};

use crate::vm::helper::wire::{Reply, Request, config, receive, send};
use crate::vm::inside::NotEntered;
use crate::vm::{Dial, DialError, Dialled};

/// Somebody who wants a stream.
type Ask = oneshot::Sender<yamux::Stream>;

/// A conversation with a helper; over when this is dropped.
pub struct Link {
    asks: mpsc::UnboundedSender<Ask>,
    alive: Arc<AtomicBool>,
}

impl Link {
    /// The conversation over `stdio`, which is driven by a task of its own.
    pub fn over(stdio: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Link {
        let (asks, asked) = mpsc::unbounded_channel();
        let alive = Arc::new(AtomicBool::new(true));
        let driven = alive.clone();
        tokio::spawn(async move {
            drive(Connection::new(stdio.compat(), config(), Mode::Client), asked).await;
            driven.store(false, Ordering::Relaxed);
        });
        Link { asks, alive }
    }

    /// Whether the helper still listens.
    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    /// A new stream to the other end.
    pub async fn open(&self) -> io::Result<Compat<yamux::Stream>> {
        let gone = || io::Error::other("the helper is gone");
        let (ask, asked) = oneshot::channel();
        self.asks.send(ask).map_err(|_| gone())?;
        Ok(asked.await.map_err(|_| gone())?.compat())
    }

    /// Has the helper dial. An error is one of the link.
    pub async fn dial(&self, request: &Request) -> io::Result<Dial> {
        let mut stream = self.open().await?;
        send(&mut stream, request).await?;
        Ok(match receive::<Reply>(&mut stream).await? {
            Reply::Connected { namespace, round_trip } => {
                Dial { namespace, outcome: Ok(Dialled { stream: Box::new(stream), round_trip }) }
            }
            Reply::Failed { namespace, error } => Dial { namespace, outcome: Err(error) },
            Reply::NotEntered(NotEntered::Gone | NotEntered::Elsewhere) => {
                Dial { namespace: None, outcome: Err(DialError::Gone) }
            }
            Reply::NotEntered(why) => {
                Dial { namespace: None, outcome: Err(DialError::PathLost(format!("the helper: {why}"))) }
            }
        })
    }
}

/// Opens streams for whoever asks, until nobody can ask any more or the other end is gone.
async fn drive<T>(mut connection: Connection<T>, mut asked: mpsc::UnboundedReceiver<Ask>)
where
    T: futures_util::AsyncRead + futures_util::AsyncWrite + Unpin,
{
    let mut waiting: Vec<Ask> = Vec::new();
    poll_fn(|cx| {
        loop {
            match asked.poll_recv(cx) {
                Poll::Ready(Some(ask)) => waiting.push(ask),
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        while !waiting.is_empty() {
            match connection.poll_new_outbound(cx) {
                // Whoever asked may have stopped waiting; the stream is closed by being dropped.
                Poll::Ready(Ok(stream)) => drop(waiting.swap_remove(0).send(stream)),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        // A helper opens no streams; this is what moves bytes in both directions.
        loop {
            match connection.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::vm::connect::Pace;
    use crate::vm::helper::wire::answer;

    fn request(port: u16) -> Request {
        let pace = Pace { spacing: Duration::from_millis(100), attempts: 2, whole: Duration::from_secs(1) };
        Request { inside: None, host: "127.0.0.1".to_owned(), port, pace }
    }

    fn link() -> Link {
        let (near, far) = tokio::io::duplex(1 << 16);
        tokio::spawn(answer(far));
        Link::over(near)
    }

    #[tokio::test]
    async fn connections_through_a_helper_carry_bytes_both_ways_many_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        let link = link();
        let talks = (0..40).map(|n: u8| {
            let link = &link;
            async move {
                let dial = link.dial(&request(port)).await.unwrap();
                assert!(dial.namespace.is_some());
                let mut stream = dial.outcome.unwrap().stream;
                let said = vec![n; 100_000];
                let mut heard = Vec::new();
                let (mut read, mut write) = tokio::io::split(&mut stream);
                let write = async {
                    write.write_all(&said).await.unwrap();
                    write.shutdown().await.unwrap();
                };
                futures_util::join!(write, async { read.read_to_end(&mut heard).await.unwrap() });
                assert_eq!(heard, said);
            }
        });
        futures_util::future::join_all(talks).await;
    }

    #[tokio::test]
    async fn what_the_helper_meets_is_told_as_if_it_were_met_here() {
        let link = link();
        assert_eq!(link.dial(&request(1)).await.unwrap().outcome.err(), Some(DialError::Refused));
        let gone = Request {
            inside: Some(crate::vm::inside::Target { pid: u32::MAX, container: "x".to_owned() }),
            ..request(1)
        };
        assert_eq!(link.dial(&gone).await.unwrap().outcome.err(), Some(DialError::Gone));
    }

    #[tokio::test]
    async fn a_helper_that_ends_is_noticed() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let link = Link::over(near);
        assert!(link.is_alive());
        drop(far);
        assert!(link.dial(&request(1)).await.is_err());
        assert!(!link.is_alive());
    }
}
