//! What labrun and its end inside the sandbox say to each other. Over one connection run many streams (yamux); each is
//! one question with its answer, or one connection: to a port, or to the engine.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::evidence::Unobserved;
use crate::vm::connect::Pace;
use crate::vm::{Command, DialError, End, FileError, FileStat, Place};

/// How long the words of a message may be, without the bytes that follow them. A compose file is handed over as an
/// argument of a command.
const MAX_WORDS: u32 = 1 << 20;

/// One question. The methods of a machine, and how a repository gets in.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// `Vm::stand`
    Stand(Place),
    /// `Vm::dial`; after a `Dialled` follow the bytes of the connection.
    Dial {
        /// From where.
        from: Place,
        /// An address or a name.
        host: String,
        /// The TCP port.
        port: u16,
        /// How often and how long to try.
        pace: Pace,
    },
    /// A connection to the engine's socket; after a `Done` follow its bytes.
    Engine,
    /// `Vm::run`
    Run(Command, Duration),
    /// `Vm::read_file`
    Read(String, usize),
    /// `Vm::list_directory`
    List(String, usize),
    /// `Vm::read_link`
    Link(String),
    /// `Vm::stat`
    Stat(String),
    /// `Vm::outward`
    Outward,
    /// `Vm::machine`, and labrun's process there.
    Machine,
    /// Unpacks the tar archive that follows, of so many bytes, into a folder.
    Unpack(String, u64),
}

/// One answer.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// It was done.
    Done,
    /// Whether one stands there.
    Stood(bool),
    /// There is a connection, and how long it took to come about.
    Dialled(Option<String>, Duration),
    /// There is none.
    NotDialled(Option<String>, DialError),
    /// A command has ended; what it printed follows, its standard output so many bytes of it.
    Ran {
        /// How.
        end: End,
        /// How many of the bytes are standard output.
        stdout: usize,
        /// Whether that was cut.
        stdout_cut: bool,
        /// Whether standard error was cut.
        stderr_cut: bool,
    },
    /// The beginning of a file follows; whether there is more.
    Text(bool),
    /// The names in a folder.
    Names(Vec<String>),
    /// What a symbolic link says.
    Says(String),
    /// What lies somewhere.
    Lies(FileStat),
    /// The machine's address.
    Address(IpAddr),
    /// What the machine is, and labrun's process on it.
    Machine(Option<String>, u32),
    /// It could not be seen.
    Unobserved(Unobserved),
    /// A file could not be looked at.
    Refused(FileError),
}

/// Sends one message and the bytes that belong to it.
pub async fn send(stream: &mut (impl AsyncWrite + Unpin), words: &impl Serialize, bytes: &[u8]) -> io::Result<()> {
    let text = serde_json::to_vec(words)?;
    let length = |length: usize| u32::try_from(length).map_err(io::Error::other);
    let (words, more) = (length(text.len())?, length(bytes.len())?);
    if words > MAX_WORDS {
        return Err(io::Error::other("a message too long"));
    }
    stream.write_all(&[&words.to_be_bytes()[..], &more.to_be_bytes(), &text, bytes].concat()).await?;
    stream.flush().await
}

/// Takes in one message and at most `max` bytes that belong to it.
pub async fn receive<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    max: usize,
) -> io::Result<(T, Vec<u8>)> {
    let (words, more) = (stream.read_u32().await?, stream.read_u32().await?);
    if words > MAX_WORDS || more as usize > max {
        return Err(io::Error::other("a message too long"));
    }
    let mut text = vec![0; words as usize];
    stream.read_exact(&mut text).await?;
    let mut bytes = vec![0; more as usize];
    stream.read_exact(&mut bytes).await?;
    Ok((serde_json::from_slice(&text)?, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_arrives_with_its_bytes_and_none_that_is_longer_than_agreed() {
        let (mut near, mut far) = tokio::io::duplex(1 << 16);
        let ask = Ask::Read("/etc/hosts".to_owned(), 7);
        send(&mut near, &ask, b"abc").await.unwrap();
        assert_eq!(receive::<Ask>(&mut far, 3).await.unwrap(), (ask, b"abc".to_vec()));
        send(&mut near, &Reply::Text(false), b"abcd").await.unwrap();
        assert!(receive::<Reply>(&mut far, 3).await.is_err());
        assert!(send(&mut near, &"x".repeat(2 << 20), b"").await.is_err());
    }
}
