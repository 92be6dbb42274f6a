//! One HTTP request over a dialled stream, and whatever came back, bounded in size and time.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::vm::{Bounded, ByteStream, Meter};

/// How much of a body is kept, in bytes.
pub const BODY_KEPT: usize = 1 << 20;

/// How much is read in all. A body that goes on past this is said to be oversized.
pub const MAX_READ: u64 = 8 << 20;

/// How many headers are read.
const HEADERS_READ: usize = 200;

/// A client that makes no more of an answer than it must.
pub fn client() -> http1::Builder {
    let mut client = http1::Builder::new();
    client.max_headers(HEADERS_READ).max_buf_size(256 << 10);
    client
}

/// What came of one request, as far as it got.
#[derive(Default)]
pub struct Exchange {
    /// How the answer was, in the word of the fact of this name.
    pub answer: Option<&'static str>,
    /// The status and the headers.
    pub head: Option<(u16, HeaderMap)>,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// How long it was.
    pub body_bytes: u64,
}

impl Exchange {
    /// Asks, and takes the answer.
    pub async fn run(
        &mut self,
        stream: Bounded<Box<dyn ByteStream>>,
        request: Request<Full<Bytes>>,
    ) -> Result<(), hyper::Error> {
        let (mut sender, connection) = client().handshake(TokioIo::new(stream)).await?;
        let asking = async {
            let response = sender.send_request(request).await?;
            self.read(response).await
        };
        // The connection is driven here and not in a task of its own, so that it ends with the probe.
        tokio::pin!(asking, connection);
        tokio::select! {
            biased;
            done = &mut asking => return done,
            _ = &mut connection => {}
        }
        // All that came has come; what is left is to take it.
        asking.await
    }

    async fn read(&mut self, response: Response<Incoming>) -> Result<(), hyper::Error> {
        let (head, mut body) = response.into_parts();
        self.head = Some((head.status.as_u16(), head.headers));
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            self.body_bytes += data.len() as u64;
            let room = BODY_KEPT - self.body.len();
            self.body.extend_from_slice(&data[..data.len().min(room)]);
        }
        Ok(())
    }

    /// Names what happened: `ended` is how the exchange ended, none when it did not in time, and `meter` tells what came
    /// in all. That it was no HTTP is told by its first bytes as well as by the parser, which never sees them when
    /// whoever speaks hangs up in the middle of the request.
    pub fn conclude(&mut self, ended: Option<Result<(), hyper::Error>>, meter: &Meter) {
        let read = meter.read();
        let refused = |error: &hyper::Error| error.is_parse() || error.is_parse_too_large();
        self.answer = Some(match ended {
            Some(Ok(())) => "complete",
            _ if read > MAX_READ => "oversized",
            None if read == 0 => "silent",
            None => "incomplete",
            Some(Err(_)) if read == 0 => "closed",
            Some(Err(error)) if self.head.is_none() && (refused(&error) || !begins_http(&meter.first())) => "malformed",
            Some(Err(_)) => "incomplete",
        });
    }

    /// Whether there is a body to look into: one that the server did not finish is none, for neither what it holds
    /// nor what it lacks could be told.
    pub fn has_body(&self) -> bool {
        self.head.is_some() && self.answer != Some("incomplete")
    }

    /// The value of a header, one line.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, headers) = self.head.as_ref()?;
        Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned())
    }
}

/// Whether an answer of HTTP/1 may begin so. Lines before the status line are taken as the parser takes them.
fn begins_http(bytes: &[u8]) -> bool {
    let begun = bytes.trim_ascii_start();
    let both = begun.len().min(STATUS_LINE.len());
    begun[..both] == STATUS_LINE[..both]
}

/// How a status line begins (RFC 9112, section 4).
const STATUS_LINE: &[u8] = b"HTTP/1.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_is_no_http() {
        for http in [&b""[..], b"H", b"HTTP/", b"HTTP/1.1 200 OK", b"\r\nHTTP/1.0"] {
            assert!(begins_http(http), "{http:?}");
        }
        for other in [&b"\xff\xfe"[..], b"SSH-2.0-OpenSSH", b"HTTP/2 200", b"h"] {
            assert!(!begins_http(other), "{other:?}");
        }
    }
}
