//! Files of the machine, by what its shell says of them.

use std::io;

use crate::vm::ssh::shell::{Fields, Shell};
use crate::vm::{FileError, FileStat, FileText, Resolved};

/// How much of a path, or of a list of names, is taken.
const MAX_PATHS: usize = 16 << 10;
const MAX_NAME: usize = 256;

/// The first `max` bytes of a regular file.
pub async fn read(shell: &Shell, path: &str, max: usize) -> Result<FileText, FileError> {
    let fields = ask(shell, 'f', max as u64 + 1, path, max + 1).await?;
    let [mut bytes, complaint] = exactly(fields)?;
    refused(&complaint)?;
    let cut = bytes.len() > max;
    bytes.truncate(max);
    Ok(FileText { bytes, cut })
}

/// The first `max` names in a directory.
pub async fn list(shell: &Shell, path: &str, max: usize) -> Result<Vec<String>, FileError> {
    let fields = ask(shell, 'l', max as u64, path.trim_end_matches('/'), max.saturating_mul(MAX_NAME)).await?;
    let [names, complaint] = exactly(fields)?;
    refused(&complaint)?;
    Ok(String::from_utf8_lossy(&names).lines().take(max).map(str::to_owned).collect())
}

/// What a symbolic link says.
pub async fn link(shell: &Shell, path: &str) -> Result<String, FileError> {
    let [target, complaint] = exactly(ask(shell, 'k', 0, path, MAX_PATHS).await?)?;
    refused(&complaint)?;
    Ok(String::from_utf8_lossy(&target).into_owned())
}

/// What lies at a path, and where it leads.
pub async fn stat(shell: &Shell, path: &str) -> Result<FileStat, FileError> {
    let fields = ask(shell, 's', 0, path, MAX_PATHS).await?;
    let [found, complaint, target, real, there, of_there] = exactly(fields)?;
    refused(&complaint)?;
    let strange = || FileError::Broken("what `stat` says makes no sense".to_owned());
    let text = String::from_utf8_lossy(&found).into_owned();
    let mut words = text.split_whitespace();
    let mode = u32::from_str_radix(words.next().ok_or_else(strange)?, 16).map_err(|_| strange())?;
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).ok_or_else(strange);
    let (uid, gid, size) = (number()?, number()?, number()?);
    let resolved = match refused(&of_there) {
        Ok(()) => {
            let text = String::from_utf8_lossy(&there).into_owned();
            let (device, inode) = text.trim().split_once(' ').ok_or_else(strange)?;
            let identity = (device.parse().map_err(|_| strange())?, inode.parse().map_err(|_| strange())?);
            Some(Resolved { path: String::from_utf8_lossy(&real).into_owned(), identity })
        }
        Err(FileError::NotFound) => None,
        Err(error) => return Err(error),
    };
    let is_link = mode & 0o170_000 == 0o120_000;
    Ok(FileStat {
        mode,
        uid: u32::try_from(uid).map_err(|_| strange())?,
        gid: u32::try_from(gid).map_err(|_| strange())?,
        size,
        target: is_link.then(|| String::from_utf8_lossy(&target).into_owned()),
        resolved,
    })
}

async fn ask(shell: &Shell, what: char, number: u64, path: &str, max: usize) -> Result<Fields, FileError> {
    shell.ask(what, number, path, max).await.map_err(|error: io::Error| FileError::Broken(error.to_string()))
}

fn exactly<const N: usize>(fields: Fields) -> Result<[Vec<u8>; N], FileError> {
    fields.try_into().map_err(|_| FileError::Broken("the machine's shell answers something else".to_owned()))
}

/// What a tool complained of, by the system's own words, which are those of the C locale.
fn refused(complaint: &[u8]) -> Result<(), FileError> {
    let text = String::from_utf8_lossy(complaint);
    let text = text.trim();
    if text.is_empty() {
        return Ok(());
    }
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    Err(match () {
        // The last but one is what the files of a process answer once it ended.
        () if says(&["No such file", "Not a directory", "No such process", "Too many levels"]) => FileError::NotFound,
        () if says(&["Permission denied", "Operation not permitted"]) => FileError::Denied,
        () if says(&["Invalid argument", "Is a directory", "No such device"]) => FileError::WrongKind,
        () => FileError::Broken(text.chars().take(200).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_known_by_the_system_s_words() {
        for (complaint, error) in [
            ("head: cannot open '/x' for reading: No such file or directory", FileError::NotFound),
            ("head: error reading '/proc/7/status': No such process", FileError::NotFound),
            ("ls: cannot access '/etc/passwd/': Not a directory", FileError::NotFound),
            ("head: /root/x: Permission denied", FileError::Denied),
            ("readlink: /proc/self/status: Invalid argument", FileError::WrongKind),
        ] {
            assert_eq!(refused(complaint.as_bytes()), Err(error), "{complaint}");
        }
        assert_eq!(refused(b"\n"), Ok(()));
        assert!(matches!(refused(b"sh: head: not found"), Err(FileError::Broken(_))));
    }
}
