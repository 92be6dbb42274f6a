//! The first words of PostgreSQL's protocol, which tell a server from whatever else may listen, and its errors.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::Error;

use crate::vm::ByteStream;

/// How long the words of an error may be.
const MESSAGE: usize = 500;

/// How long an error may be in all, at the greeting.
const MAX_ERROR: usize = 8 << 10;

/// Whether `first` is how a PostgreSQL server begins its answer to a login: by asking for a password, letting in, or
/// refusing. Anybody can say the one letter that answers the greeting.
pub fn is_backend(first: &[u8]) -> bool {
    let Some((header, rest)) = first.split_first_chunk::<5>() else { return false };
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    match header[0] {
        b'R' => (8..10_000).contains(&length) && rest.first_chunk().is_some_and(|code| u32::from_be_bytes(*code) <= 12),
        b'E' | b'v' => (5..100_000).contains(&length),
        _ => false,
    }
}

/// How to go on after the first word.
pub enum Greeting {
    /// In clear, on the same connection.
    GoOn,
    /// On another connection: this one waits for TLS now.
    StartAgain,
    /// Not at all: the server says why not.
    Refused(Said),
    /// Not at all: it is no such server.
    Over,
}

/// Asks for TLS, which every server answers with one byte and without waiting for anything else. What another
/// service says here tells it from one that is silent, and goes into `speaks` as soon as it is heard.
pub async fn greet(stream: &mut Box<dyn ByteStream>, speaks: &mut Option<&'static str>) -> Greeting {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    let mut first = [0; 8];
    let heard = match stream.write_all(&SSL_REQUEST).await {
        Ok(()) => stream.read(&mut first).await,
        Err(error) => Err(error),
    };
    let first = match &heard {
        Ok(n) => &first[..*n],
        Err(_) => &[],
    };
    match first {
        b"N" => Greeting::GoOn,
        b"S" => Greeting::StartAgain,
        [b'E', begun @ ..] => {
            *speaks = Some("other");
            match read_error(stream, begun).await {
                Some(said) => {
                    *speaks = Some("postgres");
                    Greeting::Refused(said)
                }
                None => Greeting::Over,
            }
        }
        first => {
            *speaks = Some(if first.is_empty() { "closed" } else { "other" });
            Greeting::Over
        }
    }
}

/// Reads an error until it is whole, or the other side hangs up, or it is longer than an error ever is.
async fn read_error(stream: &mut Box<dyn ByteStream>, begun: &[u8]) -> Option<Said> {
    let mut rest = begun.to_vec();
    let mut chunk = [0; 1024];
    loop {
        let said = Said::parse(&rest);
        if said.is_some() || rest.len() > MAX_ERROR {
            return said;
        }
        match stream.read(&mut chunk).await {
            Ok(n @ 1..) => rest.extend_from_slice(&chunk[..n]),
            Ok(0) | Err(_) => return None,
        }
    }
}

/// An error, as the server said it or as the conversation broke.
pub struct Said {
    /// The server's code for it, when the server said it.
    pub sqlstate: Option<String>,
    /// Its words.
    pub message: String,
}

impl Said {
    /// What a client's error says.
    pub fn of(error: &Error) -> Said {
        match error.as_db_error() {
            Some(said) => Said::new(Some(said.code().code()), said.message()),
            None => {
                let source = std::error::Error::source(error).map(|source| format!(": {source}"));
                Said::new(None, &format!("{error}{}", source.unwrap_or_default()))
            }
        }
    }

    /// An error of these words.
    pub fn new(sqlstate: Option<&str>, message: &str) -> Said {
        Said { sqlstate: sqlstate.map(|code| clip(code, 5).0.to_owned()), message: clip(message, MESSAGE).0.to_owned() }
    }

    /// Reads an error message after its first byte: the form of today, or that of a server too ill to use it.
    fn parse(rest: &[u8]) -> Option<Said> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if let Some((length, fields)) = rest.split_first_chunk::<4>()
            && let Some(fields) = fields.get(..(u32::from_be_bytes(*length) as usize).saturating_sub(4))
        {
            let field = |code: u8| {
                let mut fields = fields.split(|byte| *byte == 0);
                fields.find(|field| field.first() == Some(&code)).map(|field| text(&field[1..]))
            };
            return Some(Said::new(Some(&field(b'C')?), &field(b'M')?));
        }
        let words = rest.strip_suffix(b"\0").map(|words| words.trim_ascii_end())?;
        let plain = !words.is_empty() && words.iter().all(|byte| *byte >= b' ');
        plain.then(|| Said::new(None, &text(words)))
    }

    /// The error as a fact.
    pub fn fact(&self) -> Value {
        json!({"sqlstate": self.sqlstate, "message": self.message})
    }
}

/// The first `max` characters, and whether there were more.
pub fn clip(text: &str, max: usize) -> (&str, bool) {
    match text.char_indices().nth(max) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_once_it_is_whole() {
        let whole = b"\0\0\0\x20SFATAL\0C53300\0Mtoo many\0\0...";
        let said = Said::parse(whole).unwrap();
        assert_eq!((said.sqlstate.as_deref(), said.message.as_str()), (Some("53300"), "too many"));
        for part in [&whole[..20], &whole[..3], b"", b"\xff\xff\xff\xffM", b"\0\0\0\0", b"\0\0\0\x06M\0"] {
            assert!(Said::parse(part).is_none(), "{part:?}");
        }
        assert_eq!(Said::parse(b"could not fork\n\0").unwrap().message, "could not fork");
    }

    #[test]
    fn only_whole_headers_of_the_protocol_are_a_server() {
        assert!(is_backend(b"R\0\0\0\x08\0\0\0\x03"));
        assert!(is_backend(b"E\0\0\0\x20S"));
        for other in
            [&b""[..], b"R", b"R\0\0\0\x08", b"R\0\0\0\x08\0\0\0\xff", b"RFB 003.008\n", b"EHLO there", b"HTTP/1.1 400"]
        {
            assert!(!is_backend(other), "{other:?}");
        }
    }
}
