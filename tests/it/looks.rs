//! What the kinds of probe that read the VM's `/proc` or ask the engine about files see of a real machine: without
//! root and with it.

use std::path::Path;

use labrun::verdict::{Outcome, Report};

use crate::student_vm::{StudentVm, engines, text};

/// Containers of every sort, and none of them with anything of labrun's in it.
pub const SCENE: &str = r#"
set -eu
docker network create --subnet 10.77.0.0/24 net
docker run -d --name web --network net nginx
docker run -d --name paused nginx
docker run -d --name shell --network none ubuntu sh -c 'sleep 500; true'
mkdir -p ~/shared/sub && chmod 777 ~/shared/sub
docker run -d --name user --user 1234:1234 -v ~/shared:/shared --tmpfs /scratch ubuntu sleep 500
docker exec user sh -c 'umask 027; printf 123 > /shared/sub/own'
docker exec -u 0 user sh -c 'ln -s ./shared/sub/../sub /mine; ln -s /nowhere /dangling'
docker volume create vol
docker volume create --opt type=none --opt o=bind --opt device=/home/linux-user/shared same
ln -s ~/shared ~/also
docker run -d --name one -v vol:/data -v ~/shared:/bound ubuntu sh -c 'mkdir /data/sub; echo x > /data/sub/f; ln -s sub/f /data/link; sleep 500'
docker run -d --name two -v vol:/other -v same:/bound -v ~/also:/alias ubuntu sleep 500
docker run --name done ubuntu true
docker run --name made ubuntu sh -c 'echo bob:x:4321:4321::/:/bin/sh >> /etc/passwd'
docker commit --change 'USER bob' --change 'CMD ["sleep", "1"]' made bobs
docker run --name named bobs
docker create --name waiting --user 1234 nginx sh -c 'sleep 500'
docker create --name stranger --user unheard-of ubuntu sleep 500
docker start stranger || true
mkdir ~/up ~/lab4
cat > ~/up/docker-compose.yml << 'END'
version: "3.8"
services:
  db: {image: nginx, volumes: [data:/data, ./up:/up], environment: {A: secret}, container_name: db}
volumes: {data: {}}
END
cat > ~/up/more.yml << 'END'
version: "3.8"
services:
  db: {networks: [inner]}
networks: {inner: {internal: true}}
END
(cd ~/up && docker-compose -f docker-compose.yml -f more.yml up -d)
cat > ~/lab4/docker-compose.yml << 'END'
version: "3.8"
services:
  lb: {image: nginx, ports: ["127.0.0.1:80:80"], depends_on: [web], networks: [shared]}
  web: {build: ., ports: ["8081:80"], volumes: [kept:/x], networks: {shared: {aliases: [w]}}}
networks: {shared: {external: true}}
volumes: {kept: {external: true}}
END
printf 'version: "3"\nservices: {a: {imag: x}}\n' > ~/bad.yml
setsid unshare --user --map-root-user tail -f /dev/null < /dev/null > /dev/null 2>&1 &
for _ in $(seq 50); do
  [ "$(docker exec paused curl -s -o /dev/null -w '%{http_code}' localhost)" != 200 ] || break
  sleep 0.1
done
docker pause paused
"#;

#[test]
fn what_probes_see_of_a_machine_is_what_was_put_there() {
    for engine in engines() {
        let vm = StudentVm::start(&engine);
        let done = vm.bash(SCENE);
        assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/looks");
        for case in ["sockets", "processes", "containers", "routes", "file", "compose", "unseen"] {
            std::fs::copy(cases.join(format!("{case}.yaml")), vm.share.path().join(format!("{case}.yaml"))).unwrap();
            for sudo in ["", "sudo "] {
                let report = checked(&vm, &format!("{sudo}/share/labrun"), case);
                let wanted = if case == "unseen" { Outcome::Unknown } else { Outcome::Pass };
                for check in report.checks() {
                    let seen = serde_json::to_string(&(&check.mismatches, &check.unknown)).unwrap();
                    assert_eq!(check.outcome, wanted, "engine {engine} {sudo}{}: {seen}", check.address);
                }
            }
        }
        // An engine that cannot copy out of a container: what a shell there says is the same, where there is one to ask.
        std::fs::copy(cases.join("uncopied.py"), vm.share.path().join("uncopied.py")).unwrap();
        let begun = vm.bash(UNCOPIED);
        assert!(begun.status.success(), "{}{}", text(&begun.stdout), text(&begun.stderr));
        let report = checked(&vm, "DOCKER_HOST=unix:///share/uncopied.sock /share/labrun", "file");
        for check in report.checks() {
            let has_ended = check.address == "file/look/layer";
            let wanted = if has_ended { Outcome::Unknown } else { Outcome::Pass };
            let seen = serde_json::to_string(&(&check.mismatches, &check.unknown)).unwrap();
            assert_eq!(check.outcome, wanted, "engine {engine} {}: {seen}", check.address);
            assert!(!has_ended || seen.contains("no shell in it to ask"), "{seen}");
        }
    }
}

/// Begins an engine that cannot copy, beside the real one.
const UNCOPIED: &str = r#"
docker run -d --name uncopied --network none -v /share:/share -v /var/run/docker.sock:/real.sock \
  --entrypoint python3 postgres:14.1-alpine /share/uncopied.py
for _ in $(seq 100); do ! docker logs uncopied | grep -q ready || exit 0; sleep 0.1; done
exit 1
"#;

/// What `labrun` says of a machine by the lab called `case`.
fn checked(vm: &StudentVm, labrun: &str, case: &str) -> Report {
    let output = vm.bash(&format!("{labrun} check /share/{case}.yaml --fresh --format json --lang en"));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", text(&output.stdout), text(&output.stderr)))
}
