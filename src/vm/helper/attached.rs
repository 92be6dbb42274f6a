//! A container that labrun starts to talk with: attached to before it runs, so that its standard input is never open
//! without anybody who would close it by ending.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{AttachContainerOptions, StartContainerOptions};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWrite;
use tokio_util::io::StreamReader;

/// How much of what it complains of is kept, in characters.
const KEPT: usize = 1000;

/// A container that runs, and its ends.
pub struct Attached {
    /// What it reads.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// What it says.
    pub output: StreamReader<Said, Bytes>,
    /// What it complains of.
    pub complaint: Complaint,
}

type Said = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The beginning of what a container wrote to its standard error, so far.
#[derive(Clone, Default)]
pub struct Complaint(Arc<Mutex<String>>);

impl Complaint {
    /// All of it, if it is anything.
    pub fn said(&self) -> Option<String> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(said.trim().to_owned()).filter(|said| !said.is_empty())
    }

    fn add(&self, bytes: &[u8]) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(said.len());
        said.extend(String::from_utf8_lossy(bytes).chars().take(room));
    }
}

/// Attaches to the container `id`, and starts it. The engine's errors, as they are.
pub async fn start_attached(docker: &Docker, id: &str) -> Result<Attached, Error> {
    let options =
        AttachContainerOptions { stdin: true, stdout: true, stderr: true, stream: true, ..Default::default() };
    let attached = docker.attach_container(id, Some(options)).await?;
    docker.start_container(id, None::<StartContainerOptions>).await?;
    let complaint = Complaint::default();
    let written = complaint.clone();
    let said = attached.output.filter_map(move |piece| {
        let said = match piece {
            Ok(LogOutput::StdOut { message }) => Some(Ok(message)),
            Ok(LogOutput::StdErr { message }) => {
                written.add(&message);
                None
            }
            Ok(_) => None,
            Err(error) => Some(Err(io::Error::other(error))),
        };
        std::future::ready(said)
    });
    Ok(Attached { input: attached.input, output: StreamReader::new(Box::pin(said)), complaint })
}
