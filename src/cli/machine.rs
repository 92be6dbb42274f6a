//! Which machine to look at, and how to reach it: what several commands have in common.

use std::path::PathBuf;

use clap::Args;

use crate::plan::parse_duration;
use crate::vm::address::Address;

/// Which machine to look at, and how to reach it.
#[derive(Debug, Args)]
pub struct MachineArgs {
    /// The machine to look at: `local`, or `ssh://[USER@]HOST[:PORT]` (docs/ssh.md).
    #[arg(long, value_name = "ADDRESS", default_value_t)]
    pub vm: Address,
    /// How to reach machines over SSH.
    #[command(flatten)]
    pub ssh: SshArgs,
}

/// How to reach machines over SSH, beside what the user's own SSH configuration says.
#[derive(Debug, Args)]
#[command(next_help_heading = "Over SSH")]
pub struct SshArgs {
    /// Log in with this private key; may be given several times. By default those of your SSH configuration and agent.
    #[arg(short, long = "identity", value_name = "FILE")]
    pub identities: Vec<PathBuf>,
    /// Log in with the password that is the first line of this file; else it is asked for, where there is a terminal.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Where the keys of machines are known from; by default the files of your SSH configuration.
    #[arg(long, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
    /// Trust the key of a machine that is met for the first time, and note it; one that has changed is never trusted.
    #[arg(long)]
    pub accept_new_host_key: bool,
    /// How long reaching a machine and logging in may take.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = parse_duration)]
    pub connect_timeout: std::time::Duration,
    /// The address at which the machine is seen from here, for what is looked at from outside; by default the SSH host.
    #[arg(long, value_name = "HOST")]
    pub outside: Option<String>,
    /// A labrun binary for machines of another architecture than this one's, to look from inside containers there.
    #[arg(long, value_name = "FILE")]
    pub helper: Option<PathBuf>,
}
