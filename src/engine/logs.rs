//! What a container printed, as the engine kept it.

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt;

use crate::engine::{Engine, broken};
use crate::evidence::Unobserved;

/// The beginning of what a container printed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Printed {
    /// On standard output, or on its terminal.
    pub out: Vec<u8>,
    /// On standard error.
    pub err: Vec<u8>,
    /// Whether there is more.
    pub cut: bool,
}

impl Engine<'_> {
    /// What the container `id` printed from `since` on (seconds of the Unix clock), `max` bytes and some of it; none
    /// when the engine keeps nothing (`--log-driver none`), or there is no such container any more.
    pub async fn printed(&self, id: &str, since: i64, max: usize) -> Result<Option<Printed>, Unobserved> {
        let docker = self.docker().await?;
        let since = i32::try_from(since).unwrap_or(i32::MAX);
        let options = LogsOptions { stdout: true, stderr: true, since, tail: "all".to_owned(), ..Default::default() };
        let read = async {
            let mut stream = std::pin::pin!(docker.logs(id, Some(options)));
            let mut printed = Printed::default();
            while let Some(some) = stream.next().await {
                let (to, message) = match some? {
                    LogOutput::StdErr { message } => (&mut printed.err, message),
                    LogOutput::StdOut { message } | LogOutput::Console { message } => (&mut printed.out, message),
                    LogOutput::StdIn { .. } => continue,
                };
                to.extend_from_slice(&message);
                if printed.out.len() + printed.err.len() >= max {
                    printed.cut = true;
                    break;
                }
            }
            Ok::<_, Error>(printed)
        };
        match self.bounded(read).await? {
            Ok(printed) => Ok(Some(printed)),
            Err(Error::DockerResponseServerError { status_code: 404 | 501, .. }) => Ok(None),
            Err(Error::DockerResponseServerError { message, .. }) if message.contains("does not support reading") => {
                Ok(None)
            }
            Err(error) => Err(broken(&error)),
        }
    }
}
