//! One `sh` on the machine, kept for a whole run, that reads files when it is told to: an answer costs one round trip,
//! and as many as are wanted may be asked for at once. What it is told are lines that it reads, never words that a
//! shell takes apart; what it says is base64, so that nothing a file holds could be taken for the end of an answer.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::BASE64;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};

/// The program, for `sh -c`. It stands between single quotes in the command, whatever shell reads that: so it has none,
/// and no exclamation mark and no line break either.
///
/// It reads two lines at a time: a letter with a number, and a path. An answer is some fields, each in base64 and
/// closed by a comma, and a dot; the last field of most is what a tool complained of.
pub const PROGRAM: &str = "\
LC_ALL=C; export LC_ALL; exec 3>&1; \
field() { base64; echo ,; }; \
T=; if timeout 1 true 2>/dev/null; then T=\"timeout 5\"; fi; \
echo labrun-shell-1; \
printf \"%s\\n\" \"$$\" \"$(uname -srm)\" \"$HOME\" \"$SSH_CONNECTION\" | field; echo .; \
while IFS= read -r n && IFS= read -r p; do \
case \"$p\" in /proc/*) t=;; *) t=$T;; esac; \
case \"$n\" in \
f*) n=${n#f}; \
if [ -e \"$p\" ]; then if [ -f \"$p\" ]; then k=f; else k=o; fi; else k=f; fi; \
if [ $k = f ]; then e=$( { $t head -c \"$n\" -- \"$p\" </dev/null | field >&3; } 2>&1 ); \
else e=\"Invalid argument\"; echo ,; fi; printf %s \"$e\" | field;; \
l*) n=${n#l}; e=$( { $t ls -1A -- \"$p/\" </dev/null | head -n \"$n\" | field >&3; } 2>&1 ); printf %s \"$e\" | field;; \
k*) e=$( { readlink -nv -- \"$p\" </dev/null | field >&3; } 2>&1 ); printf %s \"$e\" | field;; \
s*) e=$( { stat -c \"%f %u %g %s\" -- \"$p\" | field >&3; } 2>&1 ); printf %s \"$e\" | field; \
if [ -L \"$p\" ]; then readlink -n -- \"$p\" 2>/dev/null; fi | field; \
readlink -fn -- \"$p\" 2>/dev/null | field; \
e=$( { stat -L -c \"%d %i\" -- \"$p\" | field >&3; } 2>&1 ); printf %s \"$e\" | field;; \
d*) if [ -S \"$p\" ]; then if [ -w \"$p\" ]; then echo open; else echo closed; fi; else echo absent; fi | field;; \
x*) kill -s KILL -- \"-${n#x}\" 2>/dev/null;; \
esac; echo .; done";

/// The line that what the machine's own start-up files print ends before.
const FIRST_LINE: &[u8] = b"labrun-shell-1\n";

/// How much may come before it, and how much an answer may have beside what was asked for.
const MAX_NOISE: u64 = 256 << 10;
const MAX_BESIDE: usize = 64 << 10;

/// How long one line may be.
const MAX_LINE: u64 = 8 << 10;

/// The fields of an answer.
pub type Fields = Vec<Vec<u8>>;

/// Who waits for an answer, and how many bytes it may have.
struct Waiting {
    max: usize,
    done: oneshot::Sender<Fields>,
}

type Queue = Arc<Mutex<Option<VecDeque<Waiting>>>>;

/// The conversation with it.
pub struct Shell {
    asks: mpsc::UnboundedSender<Vec<u8>>,
    queue: Queue,
    /// What it said first.
    pub hello: Hello,
}

/// What it tells of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// The number of its process.
    pub pid: Option<u32>,
    /// Operating system, release and architecture: `Linux 6.1.0 x86_64`.
    pub system: String,
    /// The user's home.
    pub home: String,
    /// The machine's own address and port of the connection.
    pub arrived_at: Option<(String, u16)>,
}

impl Hello {
    fn of(fields: &Fields) -> Option<Hello> {
        let text = String::from_utf8_lossy(fields.first()?).into_owned();
        let mut lines = text.lines();
        let pid = lines.next()?.parse().ok();
        let system: String = lines.next()?.chars().take(200).collect();
        let home = lines.next()?.to_owned();
        let mut connection = lines.next().unwrap_or_default().split(' ').skip(2);
        let arrived_at = connection.next().and_then(|host| Some((host.to_owned(), connection.next()?.parse().ok()?)));
        (!system.is_empty()).then_some(Hello { pid, system, home, arrived_at })
    }
}

impl Shell {
    /// The conversation over `stream`, once it has said hello.
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> io::Result<Shell> {
        let (read, mut write) = tokio::io::split(stream);
        let mut read = BufReader::new(read);
        let mut noise = (&mut read).take(MAX_NOISE);
        loop {
            let mut line = Vec::new();
            if noise.read_until(b'\n', &mut line).await? == 0 {
                return Err(io::Error::other("no `sh` answers"));
            }
            if line.ends_with(FIRST_LINE) {
                break;
            }
        }
        let hello = answer(&mut read, MAX_BESIDE).await?;
        let hello = Hello::of(&hello).ok_or_else(|| io::Error::other("`sh`, `base64` or `uname` is missing"))?;
        let queue: Queue = Arc::new(Mutex::new(Some(VecDeque::new())));
        let (asks, mut asked) = mpsc::unbounded_channel::<Vec<u8>>();
        let answered = queue.clone();
        tokio::spawn(async move {
            let writing = async {
                while let Some(ask) = asked.recv().await {
                    if write.write_all(&ask).await.is_err() || write.flush().await.is_err() {
                        break;
                    }
                }
            };
            let reading = async {
                loop {
                    // What was cut short is read and thrown away, or the next answer would be taken for it.
                    let max = match &*answered.lock().unwrap_or_else(PoisonError::into_inner) {
                        Some(waiting) => waiting.front().map_or(0, |first| first.max),
                        None => break,
                    };
                    if max == 0 {
                        // Nothing is asked: nothing is to be said.
                        if read.fill_buf().await.map_or(true, <[u8]>::is_empty) {
                            break;
                        }
                        let asked = answered.lock().unwrap_or_else(PoisonError::into_inner);
                        if asked.as_ref().is_none_or(VecDeque::is_empty) {
                            break;
                        }
                        continue;
                    }
                    let Ok(fields) = answer(&mut read, max).await else { break };
                    let first = match &mut *answered.lock().unwrap_or_else(PoisonError::into_inner) {
                        Some(waiting) => waiting.pop_front(),
                        None => None,
                    };
                    // Whoever asked may have stopped waiting.
                    let _ = first.map(|first| first.done.send(fields));
                }
            };
            tokio::select! {
                () = writing => {}
                () = reading => {}
            }
            // Whoever still waits learns that it is over.
            answered.lock().unwrap_or_else(PoisonError::into_inner).take();
        });
        Ok(Shell { asks, queue, hello })
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Asks `what` (a letter of [`PROGRAM`]) with `number` about `path`, for at most `max` bytes and some.
    pub async fn ask(&self, what: char, number: u64, path: &str, max: usize) -> io::Result<Fields> {
        let gone = || io::Error::other("the shell on the machine is gone");
        if path.contains(['\n', '\0']) {
            return Err(io::Error::other("a path with a line break"));
        }
        let (done, answer) = oneshot::channel();
        {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.as_mut().ok_or_else(gone)?.push_back(Waiting { max: max.saturating_add(MAX_BESIDE), done });
            // Sent while the queue is held, so that answers come in its order.
            self.asks.send(format!("{what}{number}\n{path}\n").into_bytes()).map_err(|_| gone())?;
        }
        answer.await.map_err(|_| gone())
    }
}

/// One answer, of at most `max` bytes.
async fn answer(read: &mut (impl AsyncBufRead + Unpin), max: usize) -> io::Result<Fields> {
    let strange = || io::Error::other("an answer that makes no sense");
    let mut fields = Vec::new();
    let mut encoded = Vec::new();
    let mut n_read = 0;
    loop {
        let mut line = Vec::new();
        (&mut *read).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Err(strange());
        }
        match line.as_slice() {
            b"." => return Ok(fields),
            b"," => {
                fields.push(BASE64.decode(&encoded).map_err(|_| strange())?);
                encoded.clear();
            }
            more => encoded.extend_from_slice(more),
        }
        n_read += line.len();
        if n_read / 4 > max / 3 + 1 || fields.len() > 16 {
            return Err(strange());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use proptest::prelude::*;

    use super::*;

    /// The program, run here.
    async fn shell() -> Shell {
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stream = tokio::io::join(child.stdout.take().unwrap(), child.stdin.take().unwrap());
        Shell::over(stream).await.unwrap()
    }

    #[test]
    fn the_program_stands_between_single_quotes_of_any_shell() {
        assert!(!PROGRAM.contains(['\'', '!', '\n']));
    }

    #[tokio::test]
    async fn files_come_as_they_are_and_complaints_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        std::fs::write(path("a b'$(x)"), &bytes).unwrap();
        std::os::unix::fs::symlink("a b'$(x)", path("link")).unwrap();
        let shell = shell().await;
        assert!(shell.hello.system.starts_with("Linux ") && shell.hello.pid.is_some());
        let (odd, link_path, missing_path, itself) = (path("a b'$(x)"), path("link"), path("missing"), path(""));
        let (whole, part, missing, folder_itself, link, list, stat) = futures_util::join!(
            shell.ask('f', 200_000, &odd, 200_000),
            shell.ask('f', 10, &link_path, 10),
            shell.ask('f', 10, &missing_path, 10),
            shell.ask('f', 10, &itself, 10),
            shell.ask('k', 0, &link_path, 4096),
            shell.ask('l', 9, &itself, 4096),
            shell.ask('s', 0, &link_path, 4096),
        );
        assert_eq!(whole.unwrap(), [bytes.clone(), vec![]]);
        assert_eq!(part.unwrap()[0], bytes[..10]);
        assert!(String::from_utf8_lossy(&missing.unwrap()[1]).contains("No such file"));
        assert_eq!(folder_itself.unwrap()[1], b"Invalid argument");
        assert_eq!(link.unwrap(), [b"a b'$(x)".to_vec(), vec![]]);
        assert_eq!(list.unwrap()[0], b"a b'$(x)\nlink\n");
        let stat = stat.unwrap();
        assert_eq!(
            (stat.len(), stat[2].as_slice(), stat[3].as_slice()),
            (6, &b"a b'$(x)"[..], path("a b'$(x)").as_bytes())
        );
        assert!(shell.ask('f', 1, "/a\nb", 1).await.is_err());
    }

    #[tokio::test]
    async fn what_is_no_shell_is_noticed_and_holds_nobody_up() {
        for said in
            [&b""[..], b"Welcome!\n", b"labrun-shell-1\nnonsense", b"labrun-shell-1\n?\n,\n.\n", b"labrun-shell-1\n.\n"]
        {
            let (near, mut far) = tokio::io::duplex(1 << 16);
            far.write_all(said).await.unwrap();
            drop(far);
            assert!(Shell::over(near).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_shell_that_ends_is_noticed_by_whoever_waits() {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        far.write_all(b"labrun-shell-1\nMQpMaW51eCAxIHg4NgovaG9tZQoxLjIuMy40IDUgMTAuMC4wLjcgMjIK\n,\n.\n")
            .await
            .unwrap();
        let shell = Shell::over(near).await.unwrap();
        let hello = shell.hello.clone();
        assert_eq!((hello.pid, hello.system.as_str(), hello.home.as_str()), (Some(1), "Linux 1 x86", "/home"));
        assert_eq!(hello.arrived_at, Some(("10.0.0.7".into(), 22)));
        let waits = shell.ask('f', 1, "/x", 1);
        let ends = async {
            tokio::task::yield_now().await;
            drop(far);
        };
        let (answer, ()) = futures_util::join!(waits, ends);
        assert!(answer.is_err() && shell.is_over());
        assert!(shell.ask('f', 1, "/x", 1).await.is_err());
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_parser(bytes: Vec<u8>, text in "[A-Za-z0-9+/=,.\n]{0,100}", max in 0_usize..100) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for said in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(fields) = runtime.block_on(answer(&mut BufReader::new(said), max)) {
                    prop_assert!(fields.iter().map(Vec::len).sum::<usize>() <= max + 16);
                }
            }
        }
    }
}
