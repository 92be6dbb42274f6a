//! A channel of an SSH connection as a stream. The library that speaks SSH stands still, all channels of a connection
//! with it, while nobody reads one that has something to say: so each is read at once, into a bounded store of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::vm::ByteStream;

/// How much of what nobody has read yet is kept, and how long all else waits for a reader that is slower.
const KEPT: usize = 4 << 20;
const SLOW: Duration = Duration::from_millis(300);

/// How one came to its end.
#[derive(Default)]
struct Fate {
    /// The other side has said that there is no more.
    ended: AtomicBool,
    /// It was not read for so long that it was given up.
    given_up: AtomicBool,
}

/// A channel as a stream; closed when dropped.
pub struct Stream {
    store: DuplexStream,
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    fate: Arc<Fate>,
    _closes: Closes,
    _dropped: oneshot::Sender<()>,
}

impl Stream {
    /// The data of `channel`; `keeps` lives as long as it does.
    pub fn of(channel: Channel<Msg>, keeps: impl Send + 'static) -> Stream {
        let (read, write) = channel.split();
        let writer = Box::pin(write.make_writer());
        let (store, into) = tokio::io::duplex(KEPT);
        let fate = Arc::new(Fate::default());
        let (dropped, is_dropped) = oneshot::channel();
        tokio::spawn(fill(read, into, fate.clone(), keeps, is_dropped));
        Stream { store, writer, fate, _closes: Closes(Some(write)), _dropped: dropped }
    }

    /// Whether the other side has closed it, or the connection is lost.
    pub fn is_over(&self) -> bool {
        self.fate.ended.load(Ordering::Relaxed) || self.fate.given_up.load(Ordering::Relaxed)
    }
}

/// Closes a channel when dropped.
struct Closes(Option<ChannelWriteHalf<Msg>>);

impl Drop for Closes {
    fn drop(&mut self) {
        if let Some(channel) = self.0.take() {
            tokio::spawn(async move { channel.close().await });
        }
    }
}

async fn fill(
    mut read: ChannelReadHalf,
    mut into: DuplexStream,
    fate: Arc<Fate>,
    keeps: impl Send + 'static,
    mut dropped: oneshot::Receiver<()>,
) {
    let _keeps = keeps;
    loop {
        let message = tokio::select! {
            message = read.wait() => message,
            // A channel that was closed from here may never be heard of again.
            _ = &mut dropped => break,
        };
        let data = match message {
            Some(ChannelMsg::Data { data }) => data,
            Some(ChannelMsg::Eof | ChannelMsg::Close) => break fate.ended.store(true, Ordering::Relaxed),
            Some(_) => continue,
            // The connection is lost: that is no end of what is said over it.
            None => break fate.given_up.store(true, Ordering::Relaxed),
        };
        match timeout(SLOW, into.write_all(&data)).await {
            Ok(Ok(())) => {}
            // Nobody listens any more.
            Ok(Err(_)) => break,
            Err(_) => break fate.given_up.store(true, Ordering::Relaxed),
        }
    }
    // What is in store can still be read; what comes now is thrown away by the library, as nobody takes it.
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.store).poll_read(cx, buf))?;
        let is_end = buf.filled().len() == before && buf.remaining() > 0;
        if is_end && self.fate.given_up.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the SSH connection is lost")));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writer.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_shutdown(cx)
    }
}

/// What everything is read from and written to: the machine's own end of a connection, before anybody has logged in
/// bounded, since whoever answers there may say anything.
pub struct Guarded<S> {
    inner: S,
    watch: Arc<Watch>,
}

/// What is known of a connection from its bytes.
pub struct Watch {
    unbounded: AtomicBool,
    read: std::sync::atomic::AtomicU64,
    heard: std::sync::Mutex<std::time::Instant>,
}

/// How much may be read before anybody has logged in.
const BEFORE_LOGIN: u64 = 1 << 20;

impl<S: ByteStream> Guarded<S> {
    /// `inner`, watched.
    pub fn new(inner: S) -> (Guarded<S>, Arc<Watch>) {
        let heard = std::sync::Mutex::new(std::time::Instant::now());
        let watch = Arc::new(Watch { unbounded: AtomicBool::new(false), read: 0.into(), heard });
        (Guarded { inner, watch: watch.clone() }, watch)
    }
}

impl Watch {
    /// Somebody has logged in: from here on each channel has its own bound.
    pub fn is_logged_in(&self) {
        self.unbounded.store(true, Ordering::Relaxed);
    }

    /// How long ago the machine was heard of.
    pub fn silent_for(&self) -> Duration {
        self.heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner).elapsed()
    }
}

impl<S: ByteStream> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let n = (buf.filled().len() - before) as u64;
        let watch = &self.watch;
        *watch.heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = std::time::Instant::now();
        let read = watch.read.fetch_add(n, Ordering::Relaxed) + n;
        if read > BEFORE_LOGIN && !watch.unbounded.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::Error::other("it says too much before anybody has logged in")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: ByteStream> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
