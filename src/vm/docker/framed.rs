//! A connection that an engine hands over to a container's standard input and output. What comes out of it is in frames,
//! which whoever reads them keeps whole: their lengths are looked at here, before anybody believes them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// How long one frame may be. Engines pass on what they have read at once, some 32 KiB.
const FRAME: usize = 1 << 20;

/// How long the head of the answer may be.
const HEAD: usize = 64 << 10;

/// How the answer begins after which frames follow.
const HANDED_OVER: &[u8] = b"HTTP/1.1 101";

/// What comes out of such a connection, as it is; it and ends in an error where a frame is too long or none.
pub struct Framed<S> {
    inner: S,
    at: At,
    /// How much may follow any other answer.
    max: u64,
}

/// What comes next.
enum At {
    /// More of the answer's head, which so far is this.
    Head(Vec<u8>),
    /// More of a frame's header: the stream it is of, three zeros, its length.
    Header(Vec<u8>),
    /// So many bytes of a frame.
    Frame(usize),
    /// The body of another answer, of which there may be so many bytes.
    Body(u64),
}

impl<S> Framed<S> {
    /// `inner`, with at most `max` bytes after an answer that hands nothing over.
    pub fn new(inner: S, max: u64) -> Framed<S> {
        Framed { inner, at: At::Head(Vec::new()), max }
    }

    fn follow(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.at {
                At::Head(head) => {
                    if head.len() >= HEAD {
                        return Err(io::Error::other("an answer whose head has no end"));
                    }
                    head.push(*first);
                    bytes = rest;
                    // An empty line, with or without the CR that those who read the head do not ask for either.
                    if head.ends_with(b"\n\n") || head.ends_with(b"\n\r\n") {
                        let is_handed_over = head.starts_with(HANDED_OVER);
                        self.at = if is_handed_over { At::Header(Vec::new()) } else { At::Body(self.max) };
                    }
                }
                At::Header(header) => {
                    header.push(*first);
                    bytes = rest;
                    if let [stream, x, y, z, a, b, c, d] = header[..] {
                        let length = u32::from_be_bytes([a, b, c, d]) as usize;
                        if stream > 2 || [x, y, z] != [0; 3] || length > FRAME {
                            return Err(io::Error::other(
                                "what should be a frame is none, or longer than labrun reads",
                            ));
                        }
                        self.at = At::Frame(length);
                    }
                }
                At::Frame(0) => self.at = At::Header(Vec::new()),
                At::Frame(left) => {
                    let more = bytes.len().min(*left);
                    *left -= more;
                    bytes = &bytes[more..];
                }
                At::Body(left) => {
                    let more = left.checked_sub(bytes.len() as u64);
                    *left = more.ok_or_else(|| io::Error::other("more data than labrun reads"))?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Framed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let followed = self.follow(&buf.filled()[before..]);
        if followed.is_err() {
            buf.set_filled(before);
            // Nothing that comes after it is to be believed.
            self.at = At::Body(0);
        }
        Poll::Ready(followed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    const UPGRADED: &[u8] = b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n";

    fn frame(stream: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0], &length[..], bytes].concat()
    }

    /// What comes out of a stream that has `said` in it.
    async fn read(said: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Framed::new(said, 1000).read_to_end(&mut out).await?;
        Ok(out)
    }

    #[tokio::test]
    async fn frames_pass_as_they_are_wherever_they_are_split() {
        let frames = [frame(1, b"one\n"), frame(2, b""), frame(0, b"\x03\xff three"), frame(1, b"\n\n")];
        for head in [UPGRADED, b"HTTP/1.1 101 X\nA: b\n\n", b"HTTP/1.1 101\r\n\n"] {
            let said = [head, &frames.concat()].concat();
            for split in 0..=said.len() {
                let (before, after) = said.split_at(split);
                assert_eq!(read(before.chain(after)).await.unwrap(), said, "{split}");
            }
            let mut framed = Framed::new(said.as_slice(), 0);
            for byte in &said {
                assert_eq!(framed.read_u8().await.unwrap(), *byte);
            }
            assert!(framed.read_u8().await.is_err());
        }
        let longest = [UPGRADED, &frame(1, &vec![b'x'; 1 << 20])].concat();
        assert_eq!(read(longest.as_slice()).await.unwrap(), longest);
    }

    #[tokio::test]
    async fn what_is_no_frame_or_too_long_a_one_is_an_error() {
        for wrong in [
            // 4 GiB, and one more than may be.
            [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
            [1, 0, 0, 0, 0, 0x10, 0, 1],
            [3, 0, 0, 0, 0, 0, 0, 1],
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'],
            [1, 1, 0, 0, 0, 0, 0, 1],
            [1, 0, 1, 0, 0, 0, 0, 1],
            [1, 0, 0, 1, 0, 0, 0, 1],
        ] {
            let said = [UPGRADED, &frame(1, b"well"), &wrong].concat();
            for split in UPGRADED.len()..said.len() {
                let (before, after) = said.split_at(split);
                assert!(read(before.chain(after)).await.is_err(), "{wrong:?} {split}");
            }
        }
    }

    #[tokio::test]
    async fn another_answer_passes_and_is_bounded() {
        let head: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n";
        let missing = [head, br#"{"message":"No such container: x"}"#].concat();
        assert_eq!(read(missing.as_slice()).await.unwrap(), missing);
        assert!(read(head.chain(&[b'x'; 1000][..])).await.is_ok());
        assert!(read(head.chain(&[b'x'; 1001][..])).await.is_err());
        assert!(read(head.chain(tokio::io::repeat(b'x'))).await.is_err());
        // Nor is there a way around that: a head without end, something before the answer.
        assert!(read((&b"HTTP/1.1 101 X\r\n"[..]).chain(tokio::io::repeat(b'x'))).await.is_err());
        for before in [head, b"\r\n\r\n", b"HTTP/1.1 103 X\r\n\r\n"] {
            assert!(read(before.chain(UPGRADED).chain(tokio::io::repeat(0))).await.is_err());
        }
    }

    #[tokio::test]
    async fn after_an_error_there_is_nothing_more() {
        let said = [UPGRADED, &[3; 8], &frame(1, b"well")].concat();
        let (before, after) = said.split_at(UPGRADED.len() + 8);
        let mut framed = Framed::new(before.chain(after), 1000);
        let mut buf = [0; 100];
        assert!(framed.read(&mut buf).await.is_err());
        assert!(framed.read(&mut buf).await.is_err());
    }
}
