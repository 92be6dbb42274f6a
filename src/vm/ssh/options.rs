//! How to reach machines over SSH, beside what the user's own SSH configuration says.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::text::Text;

/// Asks whoever sits there for a secret; none where nobody does, or nothing was said.
pub type Prompt = Arc<dyn Fn(&Text) -> Option<String> + Send + Sync>;

/// Says something to whoever sits there.
pub type Say = Arc<dyn Fn(&Text) + Send + Sync>;

/// How to reach machines over SSH.
#[derive(Clone, Default)]
pub struct SshOptions {
    /// Private keys to log in with, instead of those of the user's configuration and agent.
    pub identities: Vec<PathBuf>,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// Where the keys of machines are known from, instead of the files of the user's configuration.
    pub known_hosts: Option<PathBuf>,
    /// Whether the key of a machine that nobody knows yet is trusted, and noted.
    pub accept_new_host_key: bool,
    /// How long reaching a machine and logging in may take.
    pub connect_timeout: Duration,
    /// The address at which the machine is seen from here; by default the SSH host.
    pub outside: Option<String>,
    /// A labrun binary for machines of another architecture.
    pub helper: Option<PathBuf>,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// The user's name here.
    pub user: Option<String>,
    /// The socket of the user's agent.
    pub agent: Option<PathBuf>,
    /// How secrets are asked for; none where nobody can be asked.
    pub prompt: Option<Prompt>,
    /// How something is said; none where nobody listens.
    pub say: Option<Say>,
}

impl fmt::Debug for SshOptions {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("SshOptions").finish_non_exhaustive()
    }
}
