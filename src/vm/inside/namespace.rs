//! A network namespace entered: by a thread of its own, which connects there and ends, for a thread that has entered one
//! cannot be given back. The connection stays where it was made.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::oneshot;

use crate::vm::DialError;
use crate::vm::connect::{Pace, connect};
use crate::vm::inside::{Attempt, NotEntered, Target};
use crate::vm::names::Book;

/// How much of a file that names are found by is read.
const MAX_FILE: u64 = 64 << 10;

impl From<Errno> for NotEntered {
    fn from(error: Errno) -> NotEntered {
        match error {
            Errno::NOENT | Errno::SRCH => NotEntered::Gone,
            Errno::ACCESS | Errno::PERM => NotEntered::Denied,
            _ => NotEntered::Broken(error.to_string()),
        }
    }
}

impl From<io::Error> for NotEntered {
    fn from(error: io::Error) -> NotEntered {
        Errno::from_io_error(&error).map_or_else(|| NotEntered::Broken(error.to_string()), NotEntered::from)
    }
}

/// Dials `host`, an address or a name as it is known there, from the namespace of `target`, or from the one this
/// process is in where there is none.
pub async fn dial(target: Option<Target>, host: String, port: u16, pace: Pace) -> Result<Attempt, NotEntered> {
    apart(move || {
        let files = target.as_ref().map_or_else(|| "/proc/self/root".to_owned(), |at| format!("/proc/{}/root", at.pid));
        let book = Book::read(&file_below(&files, "hosts"), &file_below(&files, "resolv.conf"));
        if let Some(target) = &target {
            enter(target)?;
        }
        let link = std::fs::read_link("/proc/thread-self/ns/net");
        let namespace = link.ok().map(|link| link.to_string_lossy().into_owned());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let outcome = runtime.block_on(async {
            let addresses = match host.parse::<IpAddr>() {
                Ok(address) => vec![address],
                Err(_) => book.addresses(&host).await,
            };
            let addresses: Vec<SocketAddr> = addresses.into_iter().map(|address| (address, port).into()).collect();
            let (stream, took) = connect(&addresses, &pace).await?;
            // The runtime ends with this thread; the connection goes on in that of whoever asked.
            let stream = stream.into_std().map_err(|error| DialError::PathLost(error.to_string()))?;
            Ok((stream, took))
        });
        Ok(Attempt { namespace, outcome })
    })
    .await
}

/// Whether the namespace of `target` can be entered.
pub async fn can_enter(target: Target) -> Result<(), NotEntered> {
    apart(move || enter(&target)).await
}

/// Does `work` on a thread of its own.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NotEntered> + Send + 'static,
) -> Result<T, NotEntered> {
    let (done, result) = oneshot::channel();
    std::thread::Builder::new().name("namespace".to_owned()).spawn(move || {
        // Whoever asked may have stopped waiting.
        let _ = done.send(work());
    })?;
    result.await.unwrap_or_else(|_| Err(NotEntered::Broken("the thread ended early".to_owned())))
}

/// Moves the calling thread.
fn enter(target: &Target) -> Result<(), NotEntered> {
    let namespace = File::open(format!("/proc/{}/ns/net", target.pid))?;
    // Looked at while the namespace is held: a number that was given again by then shows here.
    // An engine without root has no groups to tell its containers by, but mounts files of each into it.
    let says = |file: &str| -> io::Result<bool> {
        let mut text = Vec::new();
        File::open(format!("/proc/{}/{file}", target.pid))?.take(MAX_FILE).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).contains(&target.container))
    };
    if !says("cgroup")? && !says("mountinfo")? {
        return Err(NotEntered::Elsewhere);
    }
    Ok(move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), Some(LinkNameSpaceType::Network))?)
}

/// What a file of `/etc` below `root` says; nothing where it is none. No symbolic link is followed: below another
/// root it would lead into this one.
fn file_below(root: &str, name: &str) -> String {
    let read = || -> io::Result<String> {
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, root, folder, Mode::empty())?;
        let etc = openat(&root, "etc", folder | OFlags::NOFOLLOW, Mode::empty())?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(openat(&etc, name, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Ok(String::new());
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_gone_or_another_s_is_not_entered() {
        let target = |pid, container: &str| Target { pid, container: container.to_owned() };
        assert_eq!(can_enter(target(u32::MAX, "x")).await, Err(NotEntered::Gone));
        let own = can_enter(target(std::process::id(), "0123456789abcdef")).await;
        assert_eq!(own, Err(NotEntered::Elsewhere));
    }

    #[tokio::test]
    async fn a_connection_made_on_another_thread_goes_on_in_this_one() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let pace = Pace::patient(Duration::from_secs(1));
        let attempt = dial(None, "127.0.0.1".to_owned(), port, pace).await.unwrap();
        assert!(attempt.namespace.is_some_and(|namespace| namespace.starts_with("net:[")));
        let (stream, _) = attempt.outcome.unwrap();
        let mut stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut accepted, b"x").await.unwrap();
        let mut heard = [0];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut heard).await.unwrap();
        assert_eq!(&heard, b"x");
    }

    #[test]
    fn a_container_s_files_are_its_own_and_no_links_out_of_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_str().unwrap();
        assert_eq!(file_below(path, "hosts"), "");
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/hosts"), "10.0.0.1 a").unwrap();
        symlink("/etc/passwd", root.path().join("etc/resolv.conf")).unwrap();
        assert_eq!(file_below(path, "hosts"), "10.0.0.1 a");
        assert_eq!(file_below(path, "resolv.conf"), "");
        let linked = tempfile::tempdir().unwrap();
        symlink("/etc", linked.path().join("etc")).unwrap();
        assert_eq!(file_below(linked.path().to_str().unwrap(), "passwd"), "");
    }
}
