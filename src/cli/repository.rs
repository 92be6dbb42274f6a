//! How the machine is made on which a student's repository is brought up.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::plan::parse_duration;

/// Where a repository is brought up, and within which limits.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Repositories")]
pub struct SandboxArgs {
    /// Where a repository is brought up.
    #[arg(long, value_name = "WHERE", value_enum, default_value_t)]
    pub sandbox: Where,
    /// The image of the sandbox (docs/repositories.md says how to build it).
    #[arg(long, value_name = "IMAGE", default_value = "labrun-sandbox")]
    pub sandbox_image: String,
    /// The memory of a sandbox, its disk included.
    #[arg(long, value_name = "SIZE", default_value = "4g", value_parser = size)]
    pub sandbox_memory: u64,
    /// The disk of a sandbox: images, containers, volumes, logs.
    #[arg(long, value_name = "SIZE", default_value = "2g", value_parser = size)]
    pub sandbox_disk: u64,
    /// How long `docker compose up` may take, what it builds included.
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = parse_duration)]
    pub up_timeout: Duration,
    /// What becomes of a repository that asks for what no lab needs.
    #[arg(long, value_name = "POLICY", value_enum, default_value_t)]
    pub policy: Policy,
}

/// Where a repository is brought up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Where {
    /// In a container without privileges, with a Docker engine without root in it and no network.
    #[default]
    Rootless,
    /// On this machine's own engine, with nothing between: only where the machine itself is thrown away, as in CI.
    ThisMachine,
}

/// What becomes of a repository that asks for what no lab needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// It is not brought up.
    #[default]
    Enforce,
    /// It is remarked on and brought up all the same, which takes a sandbox.
    Warn,
}

/// A size in bytes: `512m`, `4g`.
fn size(text: &str) -> Result<u64, &'static str> {
    let wrong = "write a size such as `512m` or `4g`";
    let (number, shift) = match text.as_bytes().last() {
        Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 30),
        _ => return Err(wrong),
    };
    let number: u64 = number.parse().map_err(|_| wrong)?;
    let bytes = number.checked_shl(shift).filter(|bytes| *bytes >> shift == number);
    bytes.filter(|bytes| (64 << 20..=1 << 40).contains(bytes)).ok_or("from 64m to 1024g")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_and_bounds() {
        assert_eq!(size("512m"), Ok(512 << 20));
        assert_eq!(size("4G"), Ok(4 << 30));
        for wrong in ["4", "g", "1m", "4t", "", "99999999999g"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
