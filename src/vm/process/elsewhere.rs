//! Where there are no groups of processes: a command is ended alone, by its handle (`kill_on_drop`).

use std::io::{self, ErrorKind};
use std::process::ExitStatus;

use tokio::process::{Child, Command};

/// There is nothing to begin.
pub fn in_a_group(_: &mut Command) {}

/// Whether there is such a file, and it is none that could be run.
pub fn is_no_program(error: &io::Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied
}

/// The signal that ended a process: there are none.
pub fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// A command's processes.
pub struct Group;

impl Group {
    /// Those of a child, of which nothing is known here.
    pub fn of(_: &Child) -> Group {
        Group
    }
}
