//! One TCP connection out of several attempts. A network that loses packets now and then must not look like one that
//! lets nothing through, and a claim that something is cut off must not take longer than it needs to be sure.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep_until, timeout};

use crate::vm::{DialError, Dialled};

/// How many addresses of one name are tried, and how long finding them may take.
const MAX_ADDRESSES: usize = 4;
const NAME_PATIENCE: Duration = Duration::from_secs(5);

/// How often and how long to try. The kernel's own repetition comes after a whole second, and doubles: each attempt is
/// a connection of its own, and the first that comes about is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// From the start of one attempt to that of the next.
    pub spacing: Duration,
    /// How many attempts there are, at most.
    pub attempts: u32,
    /// When there is no hope any more, from the start of the first.
    pub whole: Duration,
}

impl Pace {
    /// How many attempts prove, together, that nothing comes through.
    pub const ATTEMPTS: u32 = 12;

    /// The pace for a target that may keep silent for all of `patience`.
    pub fn patient(patience: Duration) -> Pace {
        Pace { spacing: Duration::from_millis(400), attempts: Pace::ATTEMPTS, whole: patience }
    }

    /// The pace for a target that would answer as fast as its control did, which took `round_trip`.
    /// `docs/isolation.md` gives the reasons and the bound on its errors.
    pub fn known(round_trip: Duration, patience: Duration) -> Pace {
        let spacing = (round_trip / 4).max(Duration::from_millis(40));
        let tail = (round_trip * 2).max(Duration::from_millis(500));
        let whole = spacing * (Pace::ATTEMPTS - 1) + tail;
        if whole <= patience { Pace { spacing, attempts: Pace::ATTEMPTS, whole } } else { Pace::patient(patience) }
    }
}

/// A connection to the first of `addresses` that takes one, and the time from its attempt to its success.
pub async fn connect(addresses: &[SocketAddr], pace: &Pace) -> Result<(TcpStream, Duration), DialError> {
    let attempt = |address| async move { TcpStream::connect(address).await.map_err(|error| not_connected(&error)) };
    connect_by(attempt, addresses, pace).await
}

/// The same, where each attempt is made by `attempt`.
pub async fn connect_by<A: Clone + PartialEq, S, F: Future<Output = Result<S, DialError>>>(
    attempt: impl Fn(A) -> F,
    addresses: &[A],
    pace: &Pace,
) -> Result<(S, Duration), DialError> {
    let start = Instant::now();
    let mut open = addresses.to_vec();
    let mut attempts = FuturesUnordered::new();
    let mut last = DialError::NameNotFound;
    let mut n_begun = 0;
    while !open.is_empty() {
        let next = start + pace.spacing * n_begun;
        tokio::select! {
            biased;
            Some((address, began, ended)) = attempts.next(), if !attempts.is_empty() => match ended {
                Ok(stream) => return Ok((stream, Instant::now() - began)),
                // Somebody has answered for this address: asking again would be told the same.
                Err(error) => {
                    last = error;
                    open.retain(|other| *other != address);
                }
            },
            () = sleep_until(start + pace.whole) => return Err(DialError::TimedOut),
            () = sleep_until(next), if n_begun < pace.attempts => {
                let address = open[n_begun as usize % open.len()].clone();
                n_begun += 1;
                let ended = attempt(address.clone());
                attempts.push(async move { (address, Instant::now(), ended.await) });
            }
        }
    }
    Err(last)
}

/// A connection to `host`, an address or a name, from where this process stands.
pub async fn connect_to(host: &str, port: u16, pace: &Pace) -> Result<Dialled, DialError> {
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![(address, port).into()],
        Err(_) => match timeout(NAME_PATIENCE, lookup_host((host, port))).await {
            Ok(found) => found.map_err(|error| no_name(&error))?.take(MAX_ADDRESSES).collect(),
            Err(_) => return Err(DialError::TimedOut),
        },
    };
    let (stream, round_trip) = connect(&addresses, pace).await?;
    Ok(Dialled { stream: Box::new(stream), round_trip })
}

/// The C library's resolver tells only in words whether the name does not exist or nobody could be asked.
fn no_name(error: &io::Error) -> DialError {
    let why = error.to_string();
    match error.raw_os_error() {
        Some(_) => not_connected(error),
        None if why.contains("Temporary failure") => DialError::PathLost(why),
        None => DialError::NameNotFound,
    }
}

/// What the system says of a connection that did not come about.
pub fn not_connected(error: &io::Error) -> DialError {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => DialError::Refused,
        ErrorKind::TimedOut => DialError::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => DialError::Unreachable,
        ErrorKind::PermissionDenied => DialError::Denied,
        ErrorKind::AddrNotAvailable => DialError::Limit(error.to_string()),
        _ if is_own_limit(error) => DialError::Limit(error.to_string()),
        _ => DialError::PathLost(error.to_string()),
    }
}

/// Whether this process, or the system it runs on, has as many connections as it may have.
#[cfg(unix)]
fn is_own_limit(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS))
}

/// The same by the numbers of Windows' sockets: WSAEMFILE and WSAENOBUFS.
#[cfg(not(unix))]
fn is_own_limit(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(10024 | 10055))
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;
    use tokio::net::TcpListener;

    use super::*;

    const BRISK: Pace = Pace { spacing: Duration::from_millis(20), attempts: 5, whole: Duration::from_millis(400) };

    #[tokio::test]
    async fn the_first_address_that_answers_is_taken_and_refusals_are_not_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let refuses: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let (stream, took) = connect(&[refuses, there], &BRISK).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        assert!(took < Duration::from_millis(400));
        assert_eq!(connect(&[refuses], &BRISK).await.err(), Some(DialError::Refused));
        assert_eq!(connect(&[], &BRISK).await.err(), Some(DialError::NameNotFound));
    }

    #[tokio::test]
    async fn silence_ends_when_there_is_no_hope_any_more() {
        // A listener whose queue is full lets further connections wait.
        let full =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
        rustix::net::bind(&full, &"127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
        rustix::net::listen(&full, 0).unwrap();
        let address: SocketAddr = rustix::net::getsockname(&full).unwrap().try_into().unwrap();
        let _first = connect(&[address], &BRISK).await.unwrap();
        let start = Instant::now();
        assert_eq!(connect(&[address], &BRISK).await.err(), Some(DialError::TimedOut));
        assert!(start.elapsed() >= BRISK.whole && start.elapsed() < BRISK.whole * 3);
    }

    #[test]
    fn a_control_that_answered_fast_makes_silence_short_and_never_longer_than_patience() {
        let patience = Duration::from_secs(5);
        for (round_trip, whole) in [(0, 940), (100, 940), (400, 1900), (900, 4275), (2000, 5000)] {
            let pace = Pace::known(Duration::from_millis(round_trip), patience);
            assert_eq!(pace.whole, Duration::from_millis(whole), "{round_trip}");
            // Every attempt has its time to come back.
            assert!(pace.spacing * (pace.attempts - 1) + Duration::from_millis(500) <= pace.whole);
        }
    }

    #[test]
    fn a_name_without_an_address_is_told_from_one_that_nobody_could_be_asked_about() {
        let words = |words: &str| no_name(&io::Error::other(words.to_owned()));
        assert_eq!(words("failed to lookup address information: Name or service not known"), DialError::NameNotFound);
        assert!(matches!(words("… Temporary failure in name resolution"), DialError::PathLost(_)));
    }

    #[test]
    fn what_the_system_says_of_a_dial_has_one_meaning() {
        let said = |errno: Errno| not_connected(&io::Error::from(errno));
        assert_eq!(said(Errno::CONNREFUSED), DialError::Refused);
        assert_eq!(said(Errno::TIMEDOUT), DialError::TimedOut);
        assert_eq!(said(Errno::HOSTUNREACH), DialError::Unreachable);
        assert_eq!(said(Errno::NETUNREACH), DialError::Unreachable);
        assert_eq!(said(Errno::PERM), DialError::Denied);
        assert!(matches!(said(Errno::MFILE), DialError::Limit(_)));
        assert!(matches!(said(Errno::ADDRNOTAVAIL), DialError::Limit(_)));
    }
}
