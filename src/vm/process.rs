//! A command's processes: started in a group of their own, read within bounds, and none of them left behind.

#[cfg_attr(unix, path = "process/unix.rs")]
#[cfg_attr(not(unix), path = "process/elsewhere.rs")]
mod group;

use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::evidence::{Cause, Unobserved};
use crate::vm::{Command, End, Output};

use group::Group;

pub use group::in_a_group;

/// How much a command may print beyond what is kept before nobody reads on and it is left waiting.
const MAX_DISCARDED: usize = 16 << 20;

/// How long what a finished command printed may take to come out of its pipes. Only a process that it left behind,
/// holding them, needs more.
const PIPE_GRACE: Duration = Duration::from_millis(200);

/// Runs `command` in the environment `env` and its own, to its end or for as long as `patience`.
pub async fn run(command: &Command, env: &[(String, String)], patience: Duration) -> Result<Output, Unobserved> {
    let ends = |end: End, stderr: &str| {
        let stderr = stderr.as_bytes().to_vec();
        Ok(Output { end, stdout: Vec::new(), stderr, stdout_cut: false, stderr_cut: false })
    };
    let Some((program, args)) = command.argv.split_first() else { return ends(End::NotFound, "") };
    let mut begun = tokio::process::Command::new(program);
    in_a_group(&mut begun);
    let mut child = match begun
        .args(args)
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
    {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return ends(End::NotFound, ""),
        // As a shell does: the program is there, and running it is what fails.
        Err(error) if group::is_no_program(&error) => {
            return ends(End::Exited(126), &error.to_string());
        }
        Err(error) => {
            return Err(Unobserved::new(
                Cause::Limit,
                format!("labrun no pudo arrancar `{program}`: {error}"),
                format!("labrun could not start `{program}`: {error}"),
            ));
        }
    };
    let group = Group::of(&child);
    let (mut stdout, mut stderr) = (Kept::default(), Kept::default());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ended = {
        let reading = async { tokio::join!(stdout.fill(out, command.max_bytes), stderr.fill(err, command.max_bytes)) };
        tokio::pin!(reading);
        let mut read = false;
        let waiting = async {
            loop {
                tokio::select! {
                    _ = &mut reading, if !read => read = true,
                    status = child.wait() => break status,
                }
            }
        };
        let ended = timeout(patience, waiting).await;
        drop(group);
        if !read {
            let _ = timeout(PIPE_GRACE, reading).await;
        }
        ended
    };
    let end = match ended {
        Ok(Ok(status)) => how(status),
        Ok(Err(error)) => {
            let why = error.to_string();
            return Err(Unobserved::new(Cause::Limit, why.clone(), why));
        }
        Err(_) => {
            // Killed above; waited for so that nothing is left behind, but not for ever: a process that is
            // stuck in the kernel dies when the kernel lets go of it.
            let _ = timeout(Duration::from_secs(1), child.wait()).await;
            End::TimedOut
        }
    };
    Ok(Output { end, stdout: stdout.bytes, stderr: stderr.bytes, stdout_cut: stdout.cut, stderr_cut: stderr.cut })
}

/// What is kept of one pipe.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    cut: bool,
}

impl Kept {
    /// Reads to the end. Past `max` it reads on for a while, so that a talkative command can end by itself.
    async fn fill(&mut self, pipe: Option<impl AsyncRead + Unpin>, max: usize) {
        let Some(mut pipe) = pipe else { return };
        let mut discarded = 0;
        let mut chunk = vec![0; 16 << 10];
        loop {
            let Ok(n @ 1..) = pipe.read(&mut chunk).await else { return };
            let kept = n.min(max - self.bytes.len());
            self.bytes.extend_from_slice(&chunk[..kept]);
            discarded += n - kept;
            self.cut |= kept < n;
            if discarded > MAX_DISCARDED {
                // The pipe stays open: closing it would end the command by a signal of our making.
                return std::future::pending().await;
            }
        }
    }
}

fn how(status: ExitStatus) -> End {
    match (status.code(), group::signal(status)) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Killed(signal.unwrap_or_default()),
    }
}
