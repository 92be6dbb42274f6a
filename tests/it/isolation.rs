//! Claims that something is cut off, in a network that is slow and loses packets: `docs/isolation.md`, seen.

use std::path::Path;
use std::time::{Duration, Instant};

use labrun::verdict::{Outcome, Report};

use crate::student_vm::{StudentVm, engines, text};

/// A client, two servers far away, and between them 200 ms each way and a loss of one packet in five each way. One
/// port of a server is cut off.
const SCENE: &str = r#"
set -eu
docker network create --subnet 10.91.0.0/24 near; docker network create --subnet 10.92.0.0/24 far
docker run -d --name client --network near --ip 10.91.0.10 nginx
docker run -d --name ams --network far --ip 10.92.0.10 nginx
docker run -d --name twin --network far --ip 10.92.0.11 nginx
docker create --name relay --network near --ip 10.91.0.2 --sysctl net.ipv4.ip_forward=0 -v /share/relay.py:/relay.py \
  --entrypoint python3 nginx /relay.py 200 near:10.91.0.10 far:10.92.0.10,10.92.0.11
docker network connect --ip 10.92.0.2 far relay
docker start relay
in_net() { sudo nsenter -t "$(docker inspect -f '{{.State.Pid}}' "$1")" -n "${@:2}"; }
in_net client ip route add 10.92.0.0/24 via 10.91.0.2
for server in ams twin; do in_net "$server" ip route add 10.91.0.0/24 via 10.92.0.2; done
for _ in $(seq 100); do ! docker logs relay 2>&1 | grep -q ready || break; sleep 0.1; done
in_net ams iptables -A INPUT -p tcp --dport 81 -j DROP
for one in client ams twin; do
  in_net "$one" iptables -A INPUT ! -i lo -m statistic --mode random --probability 0.2 -j DROP
done
"#;

/// So many runs, several at once, each its report or its complaint in a file; prints the files.
const RUNS: &str = r#"
one() { $2 /share/labrun check /share/far.yaml --set ams=10.92.0.10 --set twin=10.92.0.11 --format json > "/tmp/run.$1" 2>&1; true; }
export -f one
seq 1 45 | xargs -P 9 -I{} bash -c 'one {} sudo'
seq 46 50 | xargs -P 5 -I{} bash -c 'one {} env'
for n in $(seq 50); do tr -d '\n' < "/tmp/run.$n"; echo; done
"#;

const RUNS_IN_ALL: usize = 50;

#[test]
fn a_slow_and_lossy_network_deceives_nobody_in_fifty_runs() {
    // What is measured here is the network of the kernel, which is the same under every engine.
    let Some(engine) = engines().into_iter().next() else { return };
    let vm = StudentVm::start(&engine);
    for file in ["relay.py", "far.yaml"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/vantages").join(file);
        std::fs::copy(from, vm.share.path().join(file)).unwrap();
    }
    let done = vm.bash(SCENE);
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    let start = Instant::now();
    let output = text(&vm.bash(RUNS).stdout);
    let took = start.elapsed();
    let mut looks = Vec::new();
    for (n, line) in output.lines().enumerate() {
        let report: Report = serde_json::from_str(line).unwrap_or_else(|_| panic!("run {n}: {line}"));
        let outcomes: Vec<Outcome> = report.checks().map(|check| check.outcome).collect();
        assert_eq!(outcomes, [Outcome::Pass, Outcome::Fail], "run {n}: {line}");
        looks.extend(report.checks().next().map(|cut_off| cut_off.took_ms));
    }
    assert_eq!(output.lines().count(), RUNS_IN_ALL, "{output}");
    looks.sort_unstable();
    let (shortest, median, longest) = (looks[0], looks[RUNS_IN_ALL / 2], looks[RUNS_IN_ALL - 1]);
    eprintln!("{RUNS_IN_ALL} runs in {took:?}; a look that found nothing took {shortest}, {median}, {longest} ms");
    // The way there and back is part of it, or the network was not what it should have been.
    assert!(shortest >= 2000 && median < 4500, "{looks:?}");
    assert!(took < Duration::from_secs(90), "{took:?}");
}
