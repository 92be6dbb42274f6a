//! Files of this machine, read within bounds: no pipe is waited for, no device is read for ever.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::vm::{FileError, FileStat, FileText, Resolved};

/// Does blocking `work` on `path` where it holds nobody up.
pub async fn aside<T: Send + 'static>(
    path: &str,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, FileError> {
    let path = PathBuf::from(path);
    match tokio::task::spawn_blocking(move || work(&path)).await {
        Ok(done) => done.map_err(|error| because(&error)),
        Err(error) => Err(FileError::Broken(error.to_string())),
    }
}

/// The first `max` bytes of a regular file.
pub fn read(path: &Path, max: usize) -> io::Result<FileText> {
    // Else opening a pipe waits for somebody to write to it.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file: File = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    file.take(max as u64 + 1).read_to_end(&mut bytes)?;
    let cut = bytes.len() > max;
    bytes.truncate(max);
    Ok(FileText { bytes, cut })
}

/// The first `max` names in a directory.
pub fn list(path: &Path, max: usize) -> io::Result<Vec<String>> {
    let names = std::fs::read_dir(path)?.take(max).map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

/// What a symbolic link says.
pub fn link(path: &Path) -> io::Result<String> {
    Ok(std::fs::read_link(path)?.to_string_lossy().into_owned())
}

/// What lies at a path, and where it leads.
pub fn stat(path: &Path) -> io::Result<FileStat> {
    let found = std::fs::symlink_metadata(path)?;
    let resolved = std::fs::canonicalize(path).and_then(|real| Ok((std::fs::metadata(&real)?, real)));
    let resolved = match resolved {
        Ok((there, real)) => {
            Some(Resolved { path: real.to_string_lossy().into_owned(), identity: (there.dev(), there.ino()) })
        }
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => None,
        Err(error) => return Err(error),
    };
    Ok(FileStat {
        mode: found.mode(),
        uid: found.uid(),
        gid: found.gid(),
        size: found.size(),
        target: if found.is_symlink() { Some(link(path)?) } else { None },
        resolved,
    })
}

fn because(error: &io::Error) -> FileError {
    match Errno::from_io_error(error) {
        // The last is what the files of a process answer once it ended.
        Some(Errno::NOENT | Errno::NOTDIR | Errno::SRCH) => FileError::NotFound,
        Some(Errno::ACCESS | Errno::PERM) => FileError::Denied,
        Some(Errno::INVAL | Errno::ISDIR | Errno::NXIO) => FileError::WrongKind,
        _ if error.kind() == ErrorKind::InvalidInput => FileError::WrongKind,
        _ => FileError::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Vm;
    use crate::vm::local::Local;

    #[tokio::test]
    async fn a_file_is_read_as_far_as_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "12345").unwrap();
        let (vm, path) = (Local::new(None), path.to_str().unwrap());
        for (max, bytes, cut) in [(4, "1234", true), (5, "12345", false), (6, "12345", false), (0, "", true)] {
            let bytes = bytes.as_bytes().to_vec();
            assert_eq!(vm.read_file(path, max).await, Ok(FileText { bytes, cut }));
        }
        // A file of the kernel's making has no size to go by.
        assert!(!vm.read_file("/proc/self/status", 1 << 16).await.unwrap().bytes.is_empty());
    }

    #[tokio::test]
    async fn what_cannot_be_read_says_why_and_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        let vm = Local::new(None);
        for (path, error) in [
            ("/nonexistent/x", FileError::NotFound),
            ("/proc/self/status/x", FileError::NotFound),
            ("/", FileError::WrongKind),
            ("/dev/zero", FileError::WrongKind),
            (pipe.to_str().unwrap(), FileError::WrongKind),
            ("/a\0b", FileError::WrongKind),
        ] {
            assert_eq!(vm.read_file(path, 10).await, Err(error), "{path:?}");
        }
        assert_eq!(because(&Errno::SRCH.into()), FileError::NotFound);
        assert_eq!(because(&Errno::ACCESS.into()), FileError::Denied);
        assert!(matches!(because(&Errno::IO.into()), FileError::Broken(_)));
        assert_eq!(vm.read_link("/proc/self/status").await, Err(FileError::WrongKind));
        assert!(vm.read_link("/proc/self/ns/net").await.unwrap().starts_with("net:["));
        assert_eq!(vm.list_directory("/proc/self/fdinfo/x", 9).await, Err(FileError::NotFound));
        assert_eq!(vm.list_directory("/proc", 3).await.unwrap().len(), 3);
    }
}
