//! A run that is interrupted: it ends at once, but for what it has to put back in its place first.

use std::process::ExitCode;
use std::time::Duration;

use crate::error::Error;
use crate::probe::Stop;
use crate::run::say;

pub use asked::Signals;

/// Does `work`, unless a signal asks the process to end before that.
pub async fn unless_interrupted(
    stop: &Stop,
    work: impl Future<Output = Result<ExitCode, Error>>,
) -> Result<ExitCode, Error> {
    tokio::select! {
        biased;
        () = interrupted(stop) => Err(Error::Interrupted),
        result = work => result,
    }
}

/// How long a run that is interrupted may take to put things back.
const TO_PUT_BACK: Duration = Duration::from_secs(30);

/// Waits for a signal that asks the process to end, and then until everything on the machine is in its place again; a
/// second signal does not wait.
async fn interrupted(stop: &Stop) {
    let mut signals = Signals::heeded();
    signals.next().await;
    if stop.is_awaited() {
        say("labrun: interrupted; putting everything back first (once more to leave that to the next `labrun check`)");
        stop.ask();
        tokio::select! {
            () = stop.at_rest() => {}
            () = signals.next() => {}
            () = tokio::time::sleep(TO_PUT_BACK) => {}
        }
    }
}

/// What asks the process to end.
#[cfg(unix)]
mod asked {
    use futures_util::future::select_all;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// The signals that ask the process to end.
    pub struct Signals(Vec<Signal>);

    impl Signals {
        /// Those that this process heeds, from now on.
        pub fn heeded() -> Signals {
            let mut heeded = vec![SignalKind::interrupt(), SignalKind::terminate()];
            // What `nohup` made it ignore goes on being ignored.
            if !hangup_is_ignored() {
                heeded.push(SignalKind::hangup());
            }
            Signals(heeded.into_iter().filter_map(|kind| signal(kind).ok()).collect())
        }

        /// Waits for one.
        pub async fn next(&mut self) {
            if self.0.is_empty() {
                std::future::pending::<()>().await;
            }
            let waits = self.0.iter_mut().map(|signal| {
                Box::pin(async move {
                    if signal.recv().await.is_none() {
                        std::future::pending::<()>().await;
                    }
                })
            });
            select_all(waits).await;
        }
    }

    /// Whether whoever started this process made it ignore that its terminal goes away (`SigIgn` of proc(5); where
    /// there is no such file nobody can tell, and it is heeded).
    fn hangup_is_ignored() -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
        mask >> (SignalKind::hangup().as_raw_value() - 1) & 1 == 1
    }
}

/// What asks the process to end, where there are no signals: Ctrl-C.
#[cfg(not(unix))]
mod asked {
    /// Ctrl-C at the terminal.
    pub struct Signals;

    impl Signals {
        /// What this process heeds, from now on.
        pub fn heeded() -> Signals {
            Signals
        }

        /// Waits for it.
        pub async fn next(&mut self) {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
