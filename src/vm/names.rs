//! The addresses of a name as a container knows them: by its own hosts file, then by its own name servers. Asked from
//! inside its network namespace, because Docker's name server is a different one in each. The C library's resolver
//! reads the files of the machine, and is no help here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, Question, TYPE};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// How long the looking up of one name may take in all, and how long one server may think about it.
const PATIENCE: Duration = Duration::from_secs(3);
const ONE_ANSWER: Duration = Duration::from_secs(1);

/// How many servers, search domains and addresses count, as in the C library's resolver.
const MANY: usize = 4;

/// What a container has to find names by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Book {
    hosts: Vec<(IpAddr, Vec<String>)>,
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    ndots: usize,
}

impl Book {
    /// What the texts of `/etc/hosts` and `/etc/resolv.conf` say.
    pub fn read(hosts: &str, resolv: &str) -> Book {
        let mut book = Book { ndots: 1, ..Book::default() };
        for line in hosts.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            if let Some(address) = words.next().and_then(|word| word.parse().ok()) {
                book.hosts.push((address, words.map(str::to_owned).collect()));
            }
        }
        for line in resolv.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
            match words.next() {
                Some("nameserver") if book.servers.len() < MANY => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    book.servers.extend(address.map(|address| SocketAddr::new(address, 53)));
                }
                Some("search" | "domain") => book.search = words.take(MANY).map(str::to_owned).collect(),
                Some("options") => {
                    let ndots = words.find_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    book.ndots = ndots.unwrap_or(book.ndots);
                }
                _ => {}
            }
        }
        book
    }

    /// The addresses of `name`, IPv4 first; none when nothing here knows any. That no server answers is the same: who
    /// looks the name up from here finds no address.
    pub async fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let by_hand: Vec<IpAddr> = self.in_hosts(name).collect();
        if !by_hand.is_empty() {
            return by_hand;
        }
        let asking = async {
            for name in self.full_names(name) {
                let (v4, v6) = futures_util::join!(self.ask(&name, TYPE::A), self.ask(&name, TYPE::AAAA));
                let found: Vec<IpAddr> = v4.into_iter().chain(v6).take(MANY).collect();
                if !found.is_empty() {
                    return found;
                }
            }
            Vec::new()
        };
        timeout(PATIENCE, asking).await.unwrap_or_default()
    }

    fn in_hosts(&self, name: &str) -> impl Iterator<Item = IpAddr> {
        let lines = self.hosts.iter().filter(move |(_, names)| names.iter().any(|own| own.eq_ignore_ascii_case(name)));
        lines.map(|(address, _)| *address).take(MANY)
    }

    /// The names to ask for, in order: as it is first if it has dots enough.
    fn full_names(&self, name: &str) -> Vec<String> {
        if let Some(absolute) = name.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let mut names: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let as_it_is = if name.matches('.').count() >= self.ndots { 0 } else { names.len() };
        names.insert(as_it_is, name.to_owned());
        names
    }

    /// What the first server that answers says.
    async fn ask(&self, name: &str, kind: TYPE) -> Vec<IpAddr> {
        let Some(question) = question(name, kind) else { return Vec::new() };
        for server in &self.servers {
            if let Ok(Some(answer)) = timeout(ONE_ANSWER, exchange(*server, &question)).await {
                return answer;
            }
        }
        Vec::new()
    }
}

fn question(name: &str, kind: TYPE) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(0);
    packet.set_flags(simple_dns::PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(Name::new(name).ok()?, kind.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec().ok()
}

/// Asks one server. The socket is connected, so nobody else's answer gets in; none when it cannot be asked.
async fn exchange(server: SocketAddr, question: &[u8]) -> Option<Vec<IpAddr>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(server).await.ok()?;
    let id = socket.local_addr().ok()?.port().to_be_bytes();
    let mut question = question.to_vec();
    question[..2].copy_from_slice(&id);
    socket.send(&question).await.ok()?;
    let mut buf = [0; 4096];
    loop {
        let n = socket.recv(&mut buf).await.ok()?;
        if buf.starts_with(&id) {
            return Some(addresses_in(&buf[..n]));
        }
    }
}

/// The addresses in an answer, whichever name of a chain of aliases they belong to.
fn addresses_in(answer: &[u8]) -> Vec<IpAddr> {
    let Ok(packet) = Packet::parse(answer) else { return Vec::new() };
    let records = packet.answers.iter().filter_map(|record| match &record.rdata {
        RData::A(a) => Some(IpAddr::V4(a.address.into())),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.address.into())),
        _ => None,
    });
    records.take(MANY).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::{A, CNAME};

    use super::*;

    const HOSTS: &str = "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost # x\n172.18.0.2 ams db\nnonsense\n";

    #[test]
    fn files_are_read_as_the_c_library_reads_them() {
        let book = Book::read(
            HOSTS,
            "# made by docker\nsearch a.example b.example\nnameserver 127.0.0.11\noptions edns0 ndots:0\n",
        );
        assert_eq!(book.in_hosts("DB").collect::<Vec<_>>(), ["172.18.0.2".parse::<IpAddr>().unwrap()]);
        assert_eq!(book.in_hosts("localhost").count(), 2);
        assert_eq!(book.servers, ["127.0.0.11:53".parse::<SocketAddr>().unwrap()]);
        assert_eq!(book.full_names("ams"), ["ams", "ams.a.example", "ams.b.example"]);
        let book = Book::read("", "domain example\n");
        assert_eq!(book.full_names("ams"), ["ams.example", "ams"]);
        assert_eq!(book.full_names("a.b"), ["a.b", "a.b.example"]);
        assert_eq!(book.full_names("ams."), ["ams"]);
    }

    /// A name server that answers every question as `answer` says; its port is not 53.
    async fn server(answer: impl Fn(&Packet) -> Vec<u8> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buf = [0; 512];
            while let Ok((n, from)) = socket.recv_from(&mut buf).await {
                let question = Packet::parse(&buf[..n]).unwrap();
                let _ = socket.send_to(b"\0\0not the answer", from).await;
                let _ = socket.send_to(&answer(&question), from).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn a_server_is_asked_for_what_no_file_knows() {
        let address = server(|question| {
            let name = question.questions[0].qname.clone();
            let mut reply = question.clone().into_reply();
            if question.questions[0].qtype == TYPE::A.into() && name.to_string() == "web.example" {
                let alias = RData::CNAME(CNAME(Name::new_unchecked("x.example")));
                reply.answers.push(ResourceRecord::new(name, CLASS::IN, 1, alias));
                let own = RData::A(A { address: 0x0a00_0007 });
                reply.answers.push(ResourceRecord::new(Name::new_unchecked("x.example"), CLASS::IN, 1, own));
            }
            reply.build_bytes_vec().unwrap()
        });
        let book = Book { servers: vec![address.await], ..Book::read(HOSTS, "search example\n") };
        assert_eq!(book.addresses("web").await, ["10.0.0.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(book.addresses("other").await, [] as [IpAddr; 0]);
        assert_eq!(book.addresses("ams").await.len(), 1);
    }

    #[tokio::test]
    async fn a_name_that_nobody_can_be_asked_about_has_no_address() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let book =
            Book { servers: vec![silent.local_addr().unwrap(), "127.0.0.1:1".parse().unwrap()], ..Book::default() };
        assert_eq!(book.addresses("web").await, [] as [IpAddr; 0]);
        assert_eq!(Book::default().addresses(&"x.".repeat(500)).await, [] as [IpAddr; 0]);
    }

    proptest! {
        #[test]
        fn whatever_a_file_or_a_server_says_is_survived(hosts in ".{0,200}", resolv in ".{0,200}", answer: Vec<u8>) {
            Book::read(&hosts, &resolv).full_names("x");
            addresses_in(&answer);
        }
    }
}
