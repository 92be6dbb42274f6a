//! labrun's end inside the sandbox: does there what it is asked to, on the machine that it finds itself on.

use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use yamux::{Connection, Mode};

use crate::vm::helper::config;
use crate::vm::local::Local;
use crate::vm::sandbox::wire::{Ask, Reply, receive, send};
use crate::vm::{Dial, FileError, Vm};

/// How long one question or connection may last: longer than anything that is asked.
const QUESTION: Duration = Duration::from_secs(15 * 60);

/// Answers on standard input and output until the former is closed.
pub async fn serve(home: &str) {
    tokio::spawn(porter());
    let local = Local::new(None).with_env("HOME", home).with_env("USER", "student");
    answer(tokio::io::join(tokio::io::stdin(), tokio::io::stdout()), std::sync::Arc::new(local)).await;
}

/// Answers at the port at which every student's machine does, so that what is to be cut off from the rest of a network
/// has something to be compared with. There is nobody behind it.
async fn porter() {
    let Ok(listener) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 22)).await else { return };
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = timeout(Duration::from_secs(1), stream.write_all(b"SSH-2.0-labrun_sandbox\r\n")).await;
    }
}

async fn answer(stdio: impl AsyncRead + AsyncWrite + Unpin, local: std::sync::Arc<Local>) {
    let mut connection = Connection::new(stdio.compat(), config(), Mode::Server);
    while let Some(Ok(stream)) = poll_fn(|cx| connection.poll_next_inbound(cx)).await {
        let local = local.clone();
        tokio::spawn(async move {
            // An error is one of whoever asked, who has seen it.
            let _ = timeout(QUESTION, converse(stream.compat(), &local)).await;
        });
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, local: &Local) -> io::Result<()> {
    let (ask, _) = receive::<Ask>(&mut stream, 0).await?;
    let (reply, bytes) = match ask {
        Ask::Dial { from, host, port, pace } => match local.dial(&from, &host, port, &pace).await {
            Dial { namespace, outcome: Ok(mut dialled) } => {
                send(&mut stream, &Reply::Dialled(namespace, dialled.round_trip), &[]).await?;
                copy_bidirectional(&mut stream, &mut dialled.stream).await?;
                return Ok(());
            }
            Dial { namespace, outcome: Err(error) } => (Reply::NotDialled(namespace, error), Vec::new()),
        },
        Ask::Engine => {
            let mut engine = engine().await?;
            send(&mut stream, &Reply::Done, &[]).await?;
            copy_bidirectional(&mut stream, &mut engine).await?;
            return Ok(());
        }
        Ask::Unpack(into, size) => {
            let mut archive = Vec::new();
            (&mut stream).take(size).read_to_end(&mut archive).await?;
            let unpacked = tokio::task::spawn_blocking(move || unpack(&archive, &into)).await?;
            let refused = |error: io::Error| Reply::Refused(FileError::Broken(error.to_string()));
            (unpacked.map_or_else(refused, |()| Reply::Done), Vec::new())
        }
        ask => plain(ask, local).await,
    };
    send(&mut stream, &reply, &bytes).await?;
    stream.shutdown().await
}

/// The engine of the machine that this is: a sandbox is always a Linux.
#[cfg(unix)]
async fn engine() -> io::Result<tokio::net::UnixStream> {
    tokio::net::UnixStream::connect(crate::vm::docker::SOCKET).await
}

/// Elsewhere nothing is a sandbox.
#[cfg(not(unix))]
async fn engine() -> io::Result<tokio::io::DuplexStream> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What is asked and answered in one message each.
async fn plain(ask: Ask, local: &Local) -> (Reply, Vec<u8>) {
    let reply = match ask {
        Ask::Run(command, patience) => match local.run(&command, patience).await {
            Ok(output) => {
                let (stdout, stdout_cut, stderr_cut) = (output.stdout.len(), output.stdout_cut, output.stderr_cut);
                let bytes = [output.stdout, output.stderr].concat();
                return (Reply::Ran { end: output.end, stdout, stdout_cut, stderr_cut }, bytes);
            }
            Err(unobserved) => Reply::Unobserved(unobserved),
        },
        Ask::Read(path, max) => match local.read_file(&path, max).await {
            Ok(text) => return (Reply::Text(text.cut), text.bytes),
            Err(error) => Reply::Refused(error),
        },
        Ask::Stand(place) => local.stand(&place).await.map_or_else(Reply::Unobserved, Reply::Stood),
        Ask::List(path, max) => local.list_directory(&path, max).await.map_or_else(Reply::Refused, Reply::Names),
        Ask::Link(path) => local.read_link(&path).await.map_or_else(Reply::Refused, Reply::Says),
        Ask::Stat(path) => local.stat(&path).await.map_or_else(Reply::Refused, Reply::Lies),
        Ask::Outward => local.outward().await.map_or_else(Reply::Unobserved, Reply::Address),
        Ask::Machine => Reply::Machine(local.machine().system, local.own_pid().unwrap_or_default()),
        // Those are answered by whoever has the stream.
        Ask::Dial { .. } | Ask::Engine | Ask::Unpack(..) => Reply::Done,
    };
    (reply, Vec::new())
}

fn unpack(archive: &[u8], into: &str) -> io::Result<()> {
    std::fs::create_dir_all(into)?;
    let mut archive = tar::Archive::new(archive);
    archive.set_preserve_permissions(true);
    archive.unpack(into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::connect::Pace;
    use crate::vm::helper::Link;
    use crate::vm::sandbox::Sandbox;
    use crate::vm::{Command, End, Place};

    fn sandbox() -> Sandbox {
        let (near, far) = tokio::io::duplex(1 << 16);
        tokio::spawn(answer(far, std::sync::Arc::new(Local::new(None))));
        Sandbox::over(Link::over(near))
    }

    #[tokio::test]
    async fn what_is_asked_through_the_link_is_as_if_it_were_asked_there() {
        let vm = sandbox();
        let command = Command {
            argv: vec!["sh".into(), "-c".into(), "echo out; echo err >&2; exit 3".into()],
            env: vec![],
            max_bytes: 100,
        };
        let output = vm.run(&command, Duration::from_secs(5)).await.unwrap();
        assert_eq!(
            (output.end, &output.stdout[..], &output.stderr[..]),
            (End::Exited(3), &b"out\n"[..], &b"err\n"[..])
        );
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("a"), "hello").unwrap();
        std::os::unix::fs::symlink("a", path("b")).unwrap();
        let text = vm.read_file(&path("b"), 4).await.unwrap();
        assert_eq!((&text.bytes[..], text.cut), (&b"hell"[..], true));
        assert_eq!(vm.read_file(&path("c"), 4).await, Err(FileError::NotFound));
        assert_eq!(vm.read_link(&path("b")).await.unwrap(), "a");
        assert_eq!(vm.stat(&path("b")).await.unwrap(), Local::new(None).stat(&path("b")).await.unwrap());
        let mut names = vm.list_directory(&path("."), 10).await.unwrap();
        names.sort();
        assert_eq!(names, ["a", "b"]);
        assert!(vm.stand(&Place::Machine).await.unwrap());
        assert_eq!(vm.own_pid(), None);
    }

    #[tokio::test]
    async fn connections_begin_inside() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let vm = sandbox();
        let pace = Pace::patient(Duration::from_secs(1));
        let dial = vm.dial(&Place::Machine, "127.0.0.1", port, &pace).await;
        let mut stream = dial.outcome.unwrap().stream;
        let (mut accepted, _) = listener.accept().await.unwrap();
        accepted.write_all(b"x").await.unwrap();
        drop(accepted);
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"x");
        let refused = vm.dial(&Place::Machine, "127.0.0.1", 1, &pace).await;
        assert_eq!(refused.outcome.err(), Some(crate::vm::DialError::Refused));
    }

    #[tokio::test]
    async fn a_repository_gets_in_and_not_beside_its_folder() {
        let vm = sandbox();
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("repo");
        let mut archive = tar::Builder::new(Vec::new());
        for (name, text) in [("a/b.txt", "hello"), ("c", "x")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        vm.unpack(into.to_str().unwrap(), &archive.into_inner().unwrap()).await.unwrap();
        assert_eq!(std::fs::read_to_string(into.join("a/b.txt")).unwrap(), "hello");
        let garbage = vm.unpack(into.to_str().unwrap(), &[1; 2000]).await;
        assert!(garbage.is_err());
    }

    #[tokio::test]
    async fn a_sandbox_that_is_gone_makes_every_question_unobserved() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let vm = Sandbox::over(Link::over(near));
        drop(far);
        assert!(vm.outward().await.is_err() && vm.docker().await.is_err());
        assert!(matches!(vm.stat("/").await, Err(FileError::Broken(_))));
    }
}
