//! What opt-in probes see of a real machine, and that they leave everything as it was: also when they are interrupted,
//! and with the next run's help when they are killed.

use std::path::Path;

use labrun::verdict::{CheckResult, Outcome, Report};

use crate::student_vm::{StudentVm, engines, text};

/// A database whose data lies on a named volume, on two networks and with a fixed address, and one without a volume.
pub const DATABASES: &str = r#"
docker network create net1
docker network create --subnet 10.99.0.0/24 net2
docker run -d --name ams --network net2 --ip 10.99.0.50 --network-alias db -p 5432:5432 \
  -e POSTGRES_PASSWORD=password -v ams-vol:/var/lib/postgresql/data postgres:14.1-alpine
docker network connect --alias db1 net1 ams
docker run -d --name lost -e POSTGRES_PASSWORD=password postgres:14.1-alpine
for name in ams lost; do
  until docker exec $name psql -h 127.0.0.1 -U postgres -c 'SELECT 1'; do sleep 0.2; done
done > /dev/null 2>&1
"#;

/// Two sites behind two balancers, one of which knows only the first site.
const SITES: &str = r#"
mkdir ~/lb; cd ~/lb
rest='proxy_connect_timeout 1s; location / { proxy_pass http://site; } }'
echo "upstream site { server drp1; server drp2; } server { listen 80; $rest" > both.conf
echo "upstream site { server drp1; } server { listen 80; $rest" > one.conf
docker network create lb
for name in drp1 drp2; do docker run -d --name $name --network lb nginx; done
docker run -d --name both --network lb -p 8080:80 -v $PWD/both.conf:/etc/nginx/conf.d/default.conf nginx
docker run -d --name one --network lb -p 8090:80 -v $PWD/one.conf:/etc/nginx/conf.d/default.conf nginx
until curl -sf -o /dev/null localhost:8080 && curl -sf -o /dev/null localhost:8090; do sleep 0.2; done
"#;

/// A compose file with everything fixed that can be, up and used; one whose service ends; one that needs a volume.
const PROJECTS: &str = r#"
mkdir -p ~/good/site ~/good/sites ~/good/init ~/ends ~/needs; cd ~/good
cat > docker-compose.yml << 'END'
version: "3.8"
services:
  ams:
    image: postgres:14.1-alpine
    container_name: ams
    environment: {POSTGRES_PASSWORD: password}
    volumes: ["ams-vol:/var/lib/postgresql/data", "./init:/docker-entrypoint-initdb.d:ro"]
    networks: [internal]
    ports: ["5432:5432"]
  drp1:
    build: ./site
    image: mysite
    container_name: drp1
    ports: ["8081:80"]
    depends_on: [ams]
    command: sh -c 'grep -q own /sites/own.txt && ! test -e /sites/made && getent hosts ams && exec nginx -g "daemon off;"'
    volumes: ["./sites:/sites"]
    networks: [internal, default]
  drp2:
    image: mysite
    ports: ["8082:80"]
    volumes: ["./sites:/sites", "./x.conf:/etc/x.conf:ro"]
    depends_on: [drp1]
networks: {internal: {name: internal}}
volumes: {ams-vol: {name: ams-vol}}
END
printf 'FROM nginx\nRUN echo "<title>Hi</title>" > /usr/share/nginx/html/index.html\n' > site/Dockerfile
echo own > sites/own.txt; echo x > x.conf; echo 'CREATE DATABASE drupal;' > init/a.sql
cp -r site x.conf ~/ends; cp -r site ~/needs; sed 's/depends_on: \[drp1\]/command: sh -c "sleep 1; exit 3"/' docker-compose.yml > ~/ends/docker-compose.yml
sed 's/{name: ams-vol}/{external: true, name: ams-vol}/' docker-compose.yml > ~/needs/docker-compose.yml
docker-compose up -d
docker exec drp1 sh -c 'echo container > /sites/made'
until docker exec ams psql -h 127.0.0.1 -U postgres -c 'CREATE TABLE kept ()'; do sleep 0.2; done > /dev/null 2>&1
"#;

/// All that has to be as it was.
const STATE: &str = r#"
docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}' | sort
docker volume ls -q | sort
docker network ls --no-trunc --format '{{.ID}} {{.Name}}' | sort
docker image ls --no-trunc --format '{{.ID}} {{.Repository}}' | sort
find ~ -not -path '*/.*' -newer /tmp/prepared -type f
"#;

/// A VM in which `scene` has been prepared.
pub fn scene(engine: &str, scene: &str) -> StudentVm {
    let vm = StudentVm::start(engine);
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/opt_in");
    for case in cases.read_dir().unwrap() {
        let case = case.unwrap();
        std::fs::copy(case.path(), vm.share.path().join(case.file_name())).unwrap();
    }
    bash(&vm, &format!("{scene}\nsleep 0.1; touch /tmp/prepared"));
    vm
}

pub fn bash(vm: &StudentVm, script: &str) -> String {
    let done = vm.bash(&format!("set -eu -o pipefail\n{script}"));
    assert!(done.status.success(), "{script}: {}{}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

pub fn state(vm: &StudentVm) -> String {
    bash(vm, STATE)
}

/// The one check of a lab, and what labrun said beside it.
fn look(vm: &StudentVm, args: &str) -> (CheckResult, String) {
    let done = vm.bash(&format!("/share/labrun check {args} --fresh --format json --lang en"));
    let report: Report = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", text(&done.stderr)));
    (report.checks().next().unwrap().clone(), text(&done.stderr))
}

/// That `args` come to `outcome`, after having said what is done, and leave everything as it was.
fn comes_to(vm: &StudentVm, args: &str, outcome: Outcome, mismatch: &str) {
    let before = state(vm);
    let (check, said) = look(vm, args);
    let seen = serde_json::to_string(&(&check.mismatches, &check.unknown)).unwrap();
    assert_eq!(check.outcome, outcome, "{args}: {seen} {said}");
    assert!(seen.contains(mismatch), "{args}: {seen}");
    assert_eq!(state(vm), before, "{args}");
}

/// Starts a run and signals it once a container of the engine's list shows `trace`. Its exit code and what it said.
pub fn cut_short(vm: &StudentVm, args: &str, trace: &str, signal: &str) -> (i32, String) {
    let script = format!(
        "setsid /share/labrun check {args} --lang en > /dev/null 2> /tmp/said < /dev/null & run=$!
         for try in $(seq 1000); do
           docker ps -a --format '{{{{.Names}}}} {{{{.Labels}}}}' | grep -q '{trace}' && break
           sleep 0.02
         done
         kill -{signal} $run; wait $run && code=0 || code=$?
         echo $code; cat /tmp/said"
    );
    let said = bash(vm, &script);
    let (code, said) = said.split_once('\n').unwrap();
    (code.parse().unwrap(), said.to_owned())
}

#[test]
fn a_database_is_made_anew_and_put_back_exactly() {
    for engine in engines() {
        let vm = scene(&engine, DATABASES);
        let (check, said) = look(&vm, "/share/recreate.yaml");
        assert_eq!((check.outcome, said.as_str()), (Outcome::Deferred, ""));
        assert!(check.deferred.unwrap().en.contains("--disruptive"));
        comes_to(&vm, "/share/recreate.yaml --disruptive", Outcome::Pass, "");
        comes_to(&vm, "/share/recreate.yaml --set container=lost --disruptive", Outcome::Fail, "`kept` is `true`");
        comes_to(&vm, "/share/recreate.yaml --set container=nobody --disruptive", Outcome::Fail, "recreated");
        bash(&vm, "docker run -d --rm --name brief -e POSTGRES_PASSWORD=password postgres:14.1-alpine; sleep 5");
        comes_to(&vm, "/share/recreate.yaml --set container=brief --disruptive", Outcome::Unknown, "--rm");
        // Its names and addresses are its own again, and nothing of labrun's is in the database.
        let names = "docker run --rm --network net1 ubuntu getent hosts db1 ams | wc -l; \
                     docker run --rm --network net2 ubuntu getent hosts db ams | grep -c 10.99.0.50; \
                     docker exec ams psql -h 127.0.0.1 -U postgres -Atc '\\dt' | wc -l";
        assert_eq!(bash(&vm, names), "2\n2\n0\n");
    }
}

#[test]
fn a_site_outlives_the_loss_of_an_instance_or_does_not() {
    for engine in engines() {
        let vm = scene(&engine, SITES);
        comes_to(&vm, "/share/outage.yaml --disruptive", Outcome::Pass, "");
        comes_to(&vm, "/share/outage.yaml --set port=8090 --disruptive", Outcome::Fail, r#""serves":false"#);
        comes_to(&vm, "/share/outage.yaml --set port=7 --disruptive", Outcome::Fail, "status_before");
        bash(&vm, "docker stop drp2");
        comes_to(&vm, "/share/outage.yaml --disruptive", Outcome::Fail, "without");
    }
}

#[test]
fn a_compose_file_comes_up_from_nothing_beside_what_runs() {
    for engine in engines() {
        let vm = scene(&engine, PROJECTS);
        let (check, said) = look(&vm, "/share/up.yaml --disruptive");
        assert_eq!((check.outcome, said.as_str()), (Outcome::Deferred, ""));
        assert!(check.deferred.unwrap().en.contains("--from-zero"));
        comes_to(&vm, "/share/up.yaml --from-zero", Outcome::Pass, "");
        comes_to(&vm, "/share/up.yaml --set path=~/ends --from-zero", Outcome::Fail, "one_command");
        comes_to(&vm, "/share/up.yaml --set path=~/needs --from-zero", Outcome::Fail, r#""name":"ams-vol""#);
        comes_to(&vm, "/share/up.yaml --set path=~/nowhere --from-zero", Outcome::Fail, "one_command");

        let before = state(&vm);
        let own = "labrun-zero-.*drp1";
        let (code, said) = cut_short(&vm, "/share/up.yaml --from-zero", own, "INT");
        assert_eq!((code, state(&vm)), (130, before.clone()), "{said}");
        assert!(said.contains("putting everything back"), "{said}");
        let (code, _) = cut_short(&vm, "/share/up.yaml --from-zero", own, "KILL");
        assert_eq!(code, 137);
        assert_ne!(state(&vm), before);
        let (_, said) = look(&vm, "/share/up.yaml");
        assert!(said.contains("an earlier run could not put everything back"), "{said}");
        assert_eq!(state(&vm), before);
    }
}
