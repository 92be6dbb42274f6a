//! Machines far away: what a lab costs in round trips, and what becomes of a look during which the way breaks.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use labrun::verdict::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::ssh::{Visited, report, visit};
use crate::student_vm::{engines, text};

/// A way of a given length to a port, which counts how often the talk turns: twice for a round trip.
pub struct Relay {
    pub port: u16,
    /// How often it turned, since somebody last asked.
    turns: Arc<AtomicU32>,
    /// Whether anything gets through any more.
    stuck: Arc<AtomicBool>,
    _runtime: Runtime,
}

impl Relay {
    /// A way to `port` of `host`, each direction of which takes `delay`.
    pub fn to(host: &str, port: u16, delay: Duration) -> Relay {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (turns, stuck) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let own = listener.local_addr().unwrap().port();
        let (to, counts, stops) = ((host.to_owned(), port), turns.clone(), stuck.clone());
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, to.clone(), delay, counts.clone(), stops.clone()));
            }
        });
        Relay { port: own, turns, stuck, _runtime: runtime }
    }
}

async fn carry(
    near: TcpStream,
    to: (String, u16),
    delay: Duration,
    turns: Arc<AtomicU32>,
    stuck: Arc<AtomicBool>,
) -> io::Result<()> {
    // Making a connection is a round trip of its own.
    tokio::time::sleep(2 * delay).await;
    turns.fetch_add(2, Ordering::Relaxed);
    let far = TcpStream::connect(to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let last = Arc::new(AtomicU32::new(2));
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let pump = |mut read: tokio::net::tcp::OwnedReadHalf, mut write: tokio::net::tcp::OwnedWriteHalf, way: u32| {
        let (turns, stuck, last) = (turns.clone(), stuck.clone(), last.clone());
        let (sent, mut coming) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
        let sending = async move {
            while let Some((when, bytes)) = coming.recv().await {
                tokio::time::sleep_until(when.into()).await;
                if last.swap(way, Ordering::Relaxed) != way {
                    turns.fetch_add(1, Ordering::Relaxed);
                }
                if write.write_all(&bytes).await.is_err() {
                    break;
                }
            }
            let _ = write.shutdown().await;
        };
        let reading = async move {
            let mut buf = vec![0; 65536];
            while let Ok(n @ 1..) = read.read(&mut buf).await {
                if !stuck.load(Ordering::Relaxed) {
                    let _ = sent.send((Instant::now() + delay, buf[..n].to_vec()));
                }
            }
        };
        async move { tokio::join!(sending, reading) }
    };
    tokio::join!(pump(near_read, far_write, 0), pump(far_read, near_write, 1));
    Ok(())
}

/// A database and a web server, as a student would have them.
const SCENE: &str = "
set -eu
docker network create net
docker volume create data
docker run -d --name ams --network net -p 5432:5432 -v data:/var/lib/postgresql/data -e POSTGRES_PASSWORD=password \\
  postgres:14.1-alpine
docker run -d --name web --network net -p 8080:80 nginx
until docker exec ams psql -h 127.0.0.1 -U postgres -c 'SELECT 1'; do sleep 0.2; done
";

/// The VM at the end of a way of that length, and how it is addressed there.
fn far_away(visited: &Visited, delay: Duration) -> (Relay, String) {
    let relay = Relay::to(&visited.address, 22, delay);
    let known = std::fs::read_to_string(visited.file("known_hosts")).unwrap();
    let key: Vec<&str> = known.split_whitespace().skip(1).take(2).collect();
    let line = format!("[127.0.0.1]:{} {} {}\n", relay.port, key[0], key[1]);
    std::fs::write(visited.file("known_hosts"), known + &line).unwrap();
    let url = format!("ssh://linux-user@127.0.0.1:{}", relay.port);
    (relay, url)
}

#[test]
fn twenty_checks_of_a_machine_far_away_take_a_second_and_a_half() {
    let Some(engine) = engines().into_iter().next() else { return };
    let visited = Visited::start(&engine);
    let done = visited.vm.bash(SCENE);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/ssh/twenty.yaml");
    let (lab, key) = (lab.to_str().unwrap().to_owned(), visited.key());
    let (relay, url) = far_away(&visited, Duration::from_millis(25));
    let mut best = (Duration::MAX, 0);
    for _ in 0..5 {
        relay.turns.store(0, Ordering::Relaxed);
        let start = Instant::now();
        let output = visit(visited.home.path(), &[&lab, "--vm", &url, "--identity", key.to_str().unwrap()]);
        best = best.min((start.elapsed(), relay.turns.load(Ordering::Relaxed)));
        let report = report(&output);
        assert_eq!(report.checks().count(), 20);
        for check in report.checks() {
            assert_eq!(check.outcome, Outcome::Pass, "{}", serde_json::to_string(check).unwrap());
        }
    }
    let (took, turns) = best;
    eprintln!("20 checks, 50 ms away: {} ms, {} round trips", took.as_millis(), turns / 2);
    assert!(took <= Duration::from_millis(1500), "{took:?}");
}

#[test]
fn a_way_that_breaks_during_a_look_is_no_fact_about_the_student() {
    let Some(engine) = engines().into_iter().next() else { return };
    let visited = Visited::start(&engine);
    let done = visited.vm.bash(SCENE);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/ssh/twenty.yaml");
    let key = visited.key();
    for after in [300, 700, 1100] {
        let (relay, url) = far_away(&visited, Duration::from_millis(25));
        let stuck = relay.stuck.clone();
        let breaks = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(after));
            stuck.store(true, Ordering::Relaxed);
        });
        let words = [lab.to_str().unwrap(), "--vm", &url, "--identity", key.to_str().unwrap(), "--timeout", "15s"];
        let output = visit(visited.home.path(), &words);
        breaks.join().unwrap();
        for check in report(&output).checks() {
            let known = matches!(check.outcome, Outcome::Pass | Outcome::Unknown);
            assert!(known, "after {after} ms: {}", serde_json::to_string(check).unwrap());
        }
    }
}
