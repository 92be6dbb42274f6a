//! What the page of a class says while the class still runs: how far it is, who is looked at, and who is still to come.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::class::page::NAME;
use crate::class::roster::Entry;
use crate::render::tame;

/// How far a class is.
#[derive(Debug, Clone)]
pub struct Running<'a> {
    /// When this was so.
    pub at: Timestamp,
    /// How old the page may become before whoever reads it is told that nobody may be writing it any more.
    pub late_after: Duration,
    /// How many students there are.
    pub all: usize,
    /// Who is being looked at.
    pub under_way: Vec<&'a Entry>,
    /// Who is still to be looked at.
    pub to_come: Vec<&'a Entry>,
    /// Whether the run was interrupted, and waits to be taken up again.
    pub interrupted: bool,
}

/// The same as the template shows it.
#[derive(Serialize)]
pub struct Shown {
    at: String,
    /// The same for programs.
    at_exactly: String,
    done: usize,
    all: usize,
    width: String,
    /// Seconds from one look at this page to the next; none where nothing will change.
    every: Option<u32>,
    /// Seconds after which the page is old.
    late_after: u64,
    under_way: Vec<Somebody>,
    to_come: Vec<Somebody>,
}

/// Somebody of whom there is no report yet.
#[derive(Serialize)]
struct Somebody {
    id: String,
    name: Option<String>,
}

/// How often a browser looks at the page of a class that runs, in seconds.
const EVERY: u32 = 5;

/// A state of a class as the template shows it.
pub fn shown(running: &Running) -> Shown {
    let somebody =
        |entry: &&Entry| Somebody { id: tame(&entry.id, NAME), name: entry.name.as_ref().map(|name| tame(name, NAME)) };
    let done = running.all.saturating_sub(running.under_way.len() + running.to_come.len());
    Shown {
        at: running.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        at_exactly: format!("{:.0}", running.at),
        done,
        all: running.all,
        width: format!("{:.2}%", done as f64 * 100.0 / running.all.max(1) as f64),
        every: (!running.interrupted).then_some(EVERY),
        late_after: running.late_after.as_secs(),
        under_way: running.under_way.iter().map(somebody).collect(),
        to_come: running.to_come.iter().map(somebody).collect(),
    }
}
