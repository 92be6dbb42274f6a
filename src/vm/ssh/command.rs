//! A program run on the machine: a channel of its own, the words quoted for whatever shell the user has there, and
//! nothing of it left behind.

use std::sync::Arc;
use std::time::Duration;

use russh::{ChannelMsg, Sig};
use tokio::time::{Instant, timeout_at};

use crate::vm::ssh::session::{NotOpened, Session};
use crate::vm::ssh::shell::Shell;
use crate::vm::{Command, End, Output};

/// What comes before the program: it tells the number of its process group, then becomes the program. The environment
/// is the small fixed one; what was printed before it is the machine's own start-up files'.
const PROGRAM: &str = "\
printf \"\\nlabrun-runs %s\\n\" \"$$\"; LC_ALL=C; export LC_ALL; \
exec env -i PATH=\"$PATH\" HOME=\"$HOME\" USER=\"${USER:-$LOGNAME}\" LANG=C.UTF-8 PAGER=cat \"$@\" </dev/null";

/// What the line with the number begins with.
const RUNS: &[u8] = b"\nlabrun-runs ";

/// How much may be printed before that line, and how much beyond what is kept before nobody reads on.
const MAX_NOISE: usize = 256 << 10;
const MAX_DISCARDED: usize = 16 << 20;

/// How long what a finished command printed may take to come. Only a process that it left behind needs more.
const GRACE: Duration = Duration::from_millis(400);

/// Runs `command` to its end or for as long as `patience`.
pub async fn run(
    session: &Arc<Session>,
    shell: &Shell,
    command: &Command,
    patience: Duration,
) -> Result<Output, NotOpened> {
    let mut output =
        Output { end: End::NotFound, stdout: vec![], stderr: vec![], stdout_cut: false, stderr_cut: false };
    if command.argv.is_empty() {
        return Ok(output);
    }
    let (mut channel, _permit) = session.start(words(command)).await?;
    let mut heard = Heard { head: Some(Vec::new()), group: None, max: command.max_bytes, discarded: 0 };
    let mut end = None;
    let mut until = Instant::now() + patience;
    loop {
        let message = match timeout_at(until, channel.wait()).await {
            Ok(Some(message)) => message,
            Ok(None) if end.is_none() => return Err(NotOpened::Lost),
            Ok(None) => break,
            Err(_) => break,
        };
        match message {
            ChannelMsg::Data { data } => heard.printed(&data, &mut output),
            ChannelMsg::ExtendedData { data, .. } => heard.complained(&data, &mut output),
            ChannelMsg::ExitStatus { exit_status } => end = Some(End::Exited(exit_status.cast_signed())),
            ChannelMsg::ExitSignal { signal_name, .. } => end = Some(End::Killed(number(&signal_name))),
            ChannelMsg::Failure => return Err(NotOpened::Lost),
            ChannelMsg::Close => break,
            _ => continue,
        }
        if end.is_some() {
            until = until.min(Instant::now() + GRACE);
        }
    }
    let _ = channel.close().await;
    if let Some(group) = heard.group {
        // Nobody waits for that: what is left dies while the run goes on.
        let gone = shell.ask('x', group, "", 0);
        let _ = futures_util::FutureExt::now_or_never(gone);
    }
    output.end = match end {
        None => End::TimedOut,
        Some(End::Exited(127)) if is_no_program(&output) => End::NotFound,
        Some(end) => end,
    };
    if output.end == End::NotFound {
        output.stderr.clear();
    }
    Ok(output)
}

/// What has come of a command so far.
struct Heard {
    /// What came before the line with the number, until it has come.
    head: Option<Vec<u8>>,
    group: Option<u64>,
    max: usize,
    discarded: usize,
}

impl Heard {
    fn printed(&mut self, data: &[u8], output: &mut Output) {
        let Some(head) = &mut self.head else {
            return keep(data, &mut output.stdout, &mut output.stdout_cut, self.max, &mut self.discarded);
        };
        head.extend_from_slice(data);
        let found = head.windows(RUNS.len()).position(|window| window == RUNS).map(|at| at + RUNS.len());
        let line = found.and_then(|at| Some((at, at + head[at..].iter().position(|byte| *byte == b'\n')?)));
        if let Some((at, end)) = line {
            self.group = std::str::from_utf8(&head[at..end]).ok().and_then(|number| number.parse().ok());
            let rest = head.split_off(end + 1);
            self.head = None;
            keep(&rest, &mut output.stdout, &mut output.stdout_cut, self.max, &mut self.discarded);
        } else if head.len() > MAX_NOISE {
            head.drain(..head.len() - RUNS.len() - 32);
        }
    }

    fn complained(&mut self, data: &[u8], output: &mut Output) {
        // Start-up files that complain do so before the program runs; what order the two come in, nobody can tell.
        keep(data, &mut output.stderr, &mut output.stderr_cut, self.max, &mut self.discarded);
    }
}

fn keep(data: &[u8], kept: &mut Vec<u8>, cut: &mut bool, max: usize, discarded: &mut usize) {
    let room = data.len().min(max - kept.len().min(max));
    kept.extend_from_slice(&data[..room]);
    *discarded = (*discarded + data.len() - room).min(MAX_DISCARDED);
    *cut |= room < data.len();
}

/// Whether `env` found no such program.
fn is_no_program(output: &Output) -> bool {
    let complaint = String::from_utf8_lossy(&output.stderr);
    output.stdout.is_empty() && complaint.starts_with("env: ") && complaint.contains("No such file or directory")
}

/// The command line that sshd hands to the user's shell.
fn words(command: &Command) -> String {
    let env = command.env.iter().map(|(name, value)| format!("{name}={value}"));
    let words = env.chain(command.argv.iter().cloned()).map(|word| quoted(&word));
    format!("exec sh -c '{PROGRAM}' labrun {}", words.collect::<Vec<_>>().join(" "))
}

/// A word that every shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The number of a signal, as Linux has them.
fn number(signal: &Sig) -> i32 {
    match signal {
        Sig::HUP => 1,
        Sig::INT => 2,
        Sig::QUIT => 3,
        Sig::ILL => 4,
        Sig::ABRT => 6,
        Sig::FPE => 8,
        Sig::KILL => 9,
        Sig::USR1 => 10,
        Sig::SEGV => 11,
        Sig::PIPE => 13,
        Sig::ALRM => 14,
        Sig::TERM => 15,
        Sig::Custom(name) => match name.as_str() {
            "USR2" => 12,
            "BUS@openssh.com" | "BUS" => 7,
            _ => 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_words_for_every_shell() {
        assert!(!PROGRAM.contains(['\'', '!', '\n']));
        let argv = ["echo", "it's $(x)", "a\nb", ""].map(str::to_owned).to_vec();
        let command = Command { argv, env: vec![("A".into(), "b c".into())], max_bytes: 1 };
        let line = words(&command);
        for shell in ["sh", "bash"] {
            let ran = std::process::Command::new(shell).args(["-c", &line]).output().unwrap();
            let printed = String::from_utf8(ran.stdout).unwrap();
            let (head, rest) = printed.split_at(printed[1..].find('\n').unwrap() + 2);
            assert!(head.starts_with("\nlabrun-runs "), "{head:?}");
            assert_eq!(rest, "it's $(x) a\nb \n", "{shell}");
        }
    }

    #[test]
    fn the_number_is_found_however_it_arrives_and_the_rest_is_output() {
        for pieces in [vec!["noise\nlabrun-runs 42\nout"], vec!["noise", "\nlabrun-", "runs 4", "2", "\no", "ut"]] {
            let mut heard = Heard { head: Some(vec![]), group: None, max: 100, discarded: 0 };
            let mut output =
                Output { end: End::NotFound, stdout: vec![], stderr: vec![], stdout_cut: false, stderr_cut: false };
            pieces.iter().for_each(|piece| heard.printed(piece.as_bytes(), &mut output));
            assert_eq!((heard.group, output.stdout.as_slice()), (Some(42), &b"out"[..]));
        }
    }

    #[test]
    fn what_is_too_much_is_cut() {
        let (mut kept, mut cut, mut discarded) = (vec![], false, 0);
        keep(b"12345", &mut kept, &mut cut, 3, &mut discarded);
        assert_eq!((kept.as_slice(), cut, discarded), (&b"123"[..], true, 2));
        keep(b"67", &mut kept, &mut cut, 3, &mut discarded);
        assert_eq!((kept.as_slice(), discarded), (&b"123"[..], 4));
    }
}
