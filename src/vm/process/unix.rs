//! What holds a command's processes together on a Unix: a group of their own.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// Lets `command` begin a group of its own.
pub fn in_a_group(command: &mut Command) {
    command.process_group(0);
}

/// Whether there is such a file, and it is none that could be run.
pub fn is_no_program(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::ACCESS | Errno::NOEXEC | Errno::ISDIR))
}

/// The signal that ended a process, if one did.
pub fn signal(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// A command's processes, which do not outlive it. Also when labrun stops waiting for them.
pub struct Group(Option<Pid>);

impl Group {
    /// Those of `child`, which began a group.
    pub fn of(child: &Child) -> Group {
        Group(child.id().and_then(|id| Pid::from_raw(id as i32)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error says that none of them is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
