//! Processors: whether labrun's own binary runs where an engine does, known before anything is brought there.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::evidence::{Cause, Unobserved};

/// What an engine calls the processor that this binary is for; none on a system whose binaries no engine runs.
const OWN: Option<&str> = if !cfg!(target_os = "linux") {
    None
} else if cfg!(target_arch = "x86_64") {
    Some("amd64")
} else if cfg!(target_arch = "aarch64") {
    Some("arm64")
} else {
    None
};

/// Checks that a helper made of `file`, or of this very binary, runs on an engine of `architecture`.
pub fn check(architecture: &str, file: Option<&Path>) -> Result<(), Unobserved> {
    match file {
        None if OWN == Some(architecture) => Ok(()),
        None => Err(another(architecture)),
        Some(file) => match of_program(file) {
            Ok(Some(own)) if own == architecture => Ok(()),
            Ok(own) => Err(not_that_one(architecture, file, own.unwrap_or("?"))),
            Err(error) => Err(not_that_one(architecture, file, &error.to_string())),
        },
    }
}

/// What an engine calls the processor that the program in `file` is for; none where that is no program for Linux.
fn of_program(file: &Path) -> std::io::Result<Option<&'static str>> {
    let mut head = [0; 20];
    if !std::fs::metadata(file)?.is_file() {
        return Ok(None);
    }
    File::open(file)?.read_exact(&mut head)?;
    Ok(of_elf(&head))
}

fn of_elf(head: &[u8; 20]) -> Option<&'static str> {
    let is_elf = head.starts_with(b"\x7fELF\x02\x01");
    match u16::from_le_bytes([head[18], head[19]]) {
        62 if is_elf => Some("amd64"),
        183 if is_elf => Some("arm64"),
        243 if is_elf => Some("riscv64"),
        _ => None,
    }
}

fn another(architecture: &str) -> Unobserved {
    let own = OWN.unwrap_or("another system");
    Unobserved::new(
        Cause::Unsupported,
        format!(
            "el motor de Docker corre en {architecture} y este labrun es para {own}: para mirar desde adentro de \
             contenedores dale un labrun estático para Linux en {architecture} con `--helper ARCHIVO`, o corré labrun \
             en la VM"
        ),
        format!(
            "the Docker engine runs on {architecture}, and this labrun is for {own}: to look from inside containers \
             give it a static labrun for Linux on {architecture} with `--helper FILE`, or run labrun in the VM"
        ),
    )
}

fn not_that_one(architecture: &str, file: &Path, what: &str) -> Unobserved {
    let file = file.display();
    Unobserved::new(
        Cause::Unsupported,
        format!(
            "el motor de Docker corre en {architecture}, y --helper {file} no es un programa para Linux ahí ({what})"
        ),
        format!("the Docker engine runs on {architecture}, and --helper {file} is no program for Linux there ({what})"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_binary_runs_here_and_no_other_architecture_s_does() {
        let own = OWN.unwrap();
        assert_eq!(check(own, None), Ok(()));
        assert_eq!(check(own, Some(Path::new("/proc/self/exe"))), Ok(()));
        for other in ["s390x", ""] {
            assert_eq!(check(other, None).unwrap_err().cause, Cause::Unsupported);
            assert_eq!(check(other, Some(Path::new("/proc/self/exe"))).unwrap_err().cause, Cause::Unsupported);
        }
        for file in ["/nonexistent", "/", "/etc/passwd", "/dev/null"] {
            assert!(check(own, Some(Path::new(file))).unwrap_err().why.en.contains(file));
        }
    }

    #[test]
    fn a_program_says_what_it_is_for() {
        let mut head = *b"\x7fELF\x02\x01\0\0\0\0\0\0\0\0\0\0\x03\0\xb7\0";
        assert_eq!(of_elf(&head), Some("arm64"));
        head[4] = 1;
        assert_eq!(of_elf(&head), None);
        assert_eq!(of_elf(b"#!/bin/sh\necho hello"), None);
    }
}
