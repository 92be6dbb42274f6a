//! labrun's end of the conversation with a helper.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use yamux::{Connection, ConnectionError, Mode};

use crate::vm::helper::wire::{AT_ONCE, Reply, Request, config, receive, send};
use crate::vm::inside::NotEntered;
use crate::vm::{Dial, DialError, Dialled};

/// Somebody who wants a stream.
type Ask = oneshot::Sender<yamux::Stream>;

/// One stream of a conversation. It has one of a fixed number of places as long as it is held.
pub struct Talk {
    stream: Compat<yamux::Stream>,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Talk {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context, buf: &mut ReadBuf) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Talk {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A conversation with a helper; over when this is dropped.
pub struct Link {
    asks: mpsc::UnboundedSender<Ask>,
    places: Arc<Semaphore>,
    /// Why it ended, once it has.
    ended: Arc<OnceLock<String>>,
}

impl Link {
    /// The conversation over `stdio`, which is driven by a task of its own.
    pub fn over(stdio: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Link {
        let (asks, asked) = mpsc::unbounded_channel();
        let ended = Arc::new(OnceLock::new());
        let told = ended.clone();
        tokio::spawn(async move {
            let why = drive(Connection::new(stdio.compat(), config(), Mode::Client), asked).await;
            let _ = told.set(why.map_or_else(|| "it was let go".to_owned(), |error| error.to_string()));
        });
        Link { asks, places: Arc::new(Semaphore::new(AT_ONCE)), ended }
    }

    /// Whether the helper still listens.
    pub fn is_alive(&self) -> bool {
        self.ended.get().is_none()
    }

    /// A new stream to the other end, once there is a place for it.
    pub async fn open(&self) -> io::Result<Talk> {
        let gone = || {
            let why = self.ended.get().map(|why| format!(": {why}")).unwrap_or_default();
            io::Error::other(format!("the helper is gone{why}"))
        };
        let (ask, asked) = oneshot::channel();
        let place = self.places.clone().acquire_owned().await.map_err(io::Error::other)?;
        self.asks.send(ask).map_err(|_| gone())?;
        Ok(Talk { stream: asked.await.map_err(|_| gone())?.compat(), _place: place })
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

/// Opens streams for whoever asks, until nobody can ask any more or the conversation ends, which it gives the reason of.
async fn drive<T>(mut connection: Connection<T>, mut asked: mpsc::UnboundedReceiver<Ask>) -> Option<ConnectionError>
where
    T: futures_util::AsyncRead + futures_util::AsyncWrite + Unpin,
{
    let mut waiting: Vec<Ask> = Vec::new();
    poll_fn(|cx| {
        loop {
            match asked.poll_recv(cx) {
                Poll::Ready(Some(ask)) => waiting.push(ask),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        while !waiting.is_empty() {
            match connection.poll_new_outbound(cx) {
                // Whoever asked may have stopped waiting; the stream is closed by being dropped.
                Poll::Ready(Ok(stream)) => drop(waiting.swap_remove(0).send(stream)),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(error)),
                Poll::Pending => break,
            }
        }
        // A helper opens no streams; this is what moves bytes in both directions.
        loop {
            match connection.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(error)),
                Poll::Ready(None) => return Poll::Ready(Some(ConnectionError::Closed)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
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

    /// As many as all questions of a run at once could be, and more.
    #[tokio::test]
    async fn more_streams_than_both_ends_agree_on_wait_for_one_another() {
        let link = link();
        let asks = (0..1000).map(|_| async {
            let mut stream = link.open().await.unwrap();
            send(&mut stream, &request(1)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
            receive::<Reply>(&mut stream).await.unwrap()
        });
        for reply in futures_util::future::join_all(asks).await {
            assert!(matches!(reply, Reply::Failed { error: DialError::Refused, .. }));
        }
        assert!(link.is_alive());
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
