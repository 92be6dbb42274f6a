//! What the kind `balance` makes of every way to share requests, and of every way not to: one machine with two web
//! servers, and one balancer after another in front of them.

use std::path::Path;

use labrun::evidence::{Evidence, Facts, Seen};
use labrun::verdict::{Outcome, Report};
use serde_json::{Value, json};

use crate::student_vm::{StudentVm, engines, text};

/// The configuration of a balancer: of haproxy, else of nginx.
fn balancer(name: &str) -> String {
    let nginx = |upstream: &str, http: &str, location: &str, server: &str| {
        format!(
            "events {{}} http {{ {http} upstream u {{ {upstream} }} \
             server {{ listen 80; {server} location / {{ {location} proxy_pass http://u; }} }} }}"
        )
    };
    let haproxy = |mode: &str| {
        format!(
            "defaults\n mode {mode}\n timeout connect 2s\n timeout client 9s\n timeout server 9s\n\
             frontend f\n bind *:80\n default_backend b\n\
             backend b\n balance roundrobin\n server a web1:80 check\n server b web2:80 check\n"
        )
    };
    const BOTH: &str = "server web1; server web2;";
    const CACHE: &str = "proxy_cache_path /tmp/c keys_zone=c:1m;";
    match name {
        "round robin" => nginx(BOTH, "", "", ""),
        "weighted" => nginx("server web1 weight=3; server web2;", "", "", ""),
        "ip_hash" => nginx("ip_hash; server web1; server web2;", "", "", ""),
        "least_conn" => nginx("least_conn; server web1; server web2;", "", "", ""),
        "random" => nginx("random; server web1; server web2;", "", "", ""),
        "backup" => nginx("server web1; server web2 backup;", "", "", ""),
        "hash" => nginx("hash $uri; server web1; server web2;", "", "", ""),
        "kept connections" => {
            let location = "proxy_http_version 1.1; proxy_set_header Connection ''; ";
            nginx(&format!("{BOTH} keepalive 8;"), "", location, "")
        }
        "cached" => nginx(BOTH, CACHE, "proxy_cache c; proxy_cache_valid any 1m;", ""),
        "cached for all" => nginx(BOTH, CACHE, "proxy_cache c; proxy_cache_valid any 1m; proxy_cache_key x;", ""),
        "mirror" => {
            let mirror = "resolver 127.0.0.11; location /m { internal; proxy_pass http://web2$request_uri; }";
            nginx("server web1;", "", "mirror /m;", mirror)
        }
        "split_clients" => "events {} http { split_clients $request_id $who { 50% web1; * web2; } \
             server { listen 80; resolver 127.0.0.11; location / { proxy_pass http://$who; } } }"
            .to_owned(),
        "redirecting" => {
            "events {} http { server { listen 80; return 302 http://$host:8081$request_uri; } }".to_owned()
        }
        "down" => nginx("server web1; server nobody;", "", "", ""),
        "haproxy http" => haproxy("http"),
        "haproxy tcp" => haproxy("tcp"),
        _ => panic!("no balancer {name}"),
    }
}

/// Whether `fact` is as wanted: a number may be a range, everything else is itself.
fn fits(fact: &Value, wanted: &Value) -> bool {
    match (wanted.as_array().map(Vec::as_slice), fact.as_f64()) {
        (Some([low, high]), Some(fact)) => low.as_f64() <= Some(fact) && Some(fact) <= high.as_f64(),
        _ => fact == wanted || fact.as_f64().is_some_and(|fact| Some(fact) == wanted.as_f64()),
    }
}

/// A machine with two web servers, which keep their words or not, and balancers in front of them.
struct Scene<'v> {
    vm: &'v StudentVm,
    engine: &'v str,
}

impl Scene<'_> {
    fn bash(&self, script: &str) {
        let done = self.vm.bash(script);
        assert!(done.status.success(), "{script}: {}{}", text(&done.stdout), text(&done.stderr));
    }

    /// Two web servers, made with these options.
    fn serve(&self, options: [&str; 2]) {
        let [one, two] = options;
        self.bash(&format!(
            "docker rm -f web1 web2 lb > /dev/null 2>&1; docker network create net > /dev/null 2>&1
             docker run -d --name web1 --network net {one} nginx && docker run -d --name web2 --network net {two} nginx"
        ));
    }

    /// What is seen through a balancer, and what becomes of the check.
    fn look(&self, name: &str) -> (Facts, Outcome) {
        std::fs::write(self.vm.share.path().join("balancer"), balancer(name)).unwrap();
        let (image, place, command) = match name.starts_with("haproxy") {
            true => ("haproxy", "/usr/local/etc/haproxy/haproxy.cfg", "haproxy -f /usr/local/etc/haproxy/haproxy.cfg"),
            false => ("nginx", "/etc/nginx/nginx.conf", ""),
        };
        self.bash(&format!(
            "docker rm -f lb > /dev/null 2>&1; cp /share/balancer ~/balancer
             docker run -d --name lb --network net -p 80:80 -v ~/balancer:{place} {image} {command}
             for _ in $(seq 50); do
               curl -s -o /dev/null localhost && break
               [ \"$(docker inspect -f '{{{{.State.Status}}}}' lb)\" = running ] || break
               sleep 0.1
             done"
        ));
        let output =
            self.vm.bash("/share/labrun check /share/look.yaml --fresh --format json --evidence /share/seen.json");
        let report: Report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}{}", text(&output.stdout), text(&output.stderr)));
        let evidence = std::fs::read(self.vm.share.path().join("seen.json")).unwrap();
        let evidence: Evidence = serde_json::from_slice(&evidence).unwrap();
        let Seen::Facts(facts) = &evidence.observations[0].samples[0].seen else { panic!("{name}: {evidence:?}") };
        let outcome = report.checks().next().unwrap().outcome;
        (facts.clone(), outcome)
    }

    fn expect(&self, name: &str, outcome: Outcome, wanted: &Value) {
        let (facts, came) = self.look(name);
        for (fact, wanted) in wanted.as_object().unwrap() {
            let path: labrun::reference::Path = fact.parse().unwrap();
            let seen = path.find(&facts).unwrap_or(&Value::Null);
            assert!(fits(seen, wanted), "engine {}, {name}: {fact} is {seen}, not {wanted}: {facts:?}", self.engine);
        }
        assert_eq!(came, outcome, "engine {}, {name}: {facts:?}", self.engine);
    }
}

#[test]
fn every_way_to_share_requests_is_told_from_every_way_not_to() {
    use Outcome::{Fail, Pass, Unknown};
    for engine in engines() {
        let vm = StudentVm::start(&engine);
        let scene = Scene { vm: &vm, engine: &engine };
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/balance/look.yaml");
        std::fs::copy(case, vm.share.path().join("look.yaml")).unwrap();

        scene.serve(["", ""]);
        let even = |policy: &str| {
            json!({
                "sent": 200, "answered": 200, "method": "log", "policy": policy, "least_share": [35, 50],
                "most_share": [50, 65], "unseen": 0, "doubled": 0, "cached": false, "keep_alive.sent": 20,
            })
        };
        let with = |mut facts: Value, more: Value| {
            facts.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            facts
        };
        let one = json!({"method": "log", "policy": "one-only", "least_share": 0, "keep_alive.shared": false});
        let nobody = json!({"method": "log", "policy": "none", "unseen": [199, 200], "least_share": 0});
        for (name, outcome, facts) in [
            ("round robin", Pass, with(even("round-robin"), json!({"keep_alive.shared": true}))),
            ("least_conn", Pass, even("round-robin")),
            ("random", Pass, even("random-like")),
            ("split_clients", Pass, even("random-like")),
            ("hash", Pass, even("random-like")),
            // One connection to the servers holds many requests, and no counter tells.
            ("kept connections", Pass, with(even("round-robin"), json!({"backends[0].connections": [0, 3]}))),
            ("haproxy http", Pass, with(even("round-robin"), json!({"keep_alive.shared": true}))),
            ("haproxy tcp", Pass, with(even("round-robin"), json!({"keep_alive.shared": false}))),
            ("cached", Pass, with(even("round-robin"), json!({"cached": true}))),
            ("weighted", Fail, json!({"policy": "weighted", "least_share": [20, 30], "most_share": [70, 80]})),
            ("ip_hash", Fail, one.clone()),
            ("backup", Fail, one),
            ("mirror", Fail, json!({"policy": "mirror", "doubled": 200, "unseen": 0, "least_share": 100})),
            ("cached for all", Fail, nobody.clone()),
            ("redirecting", Fail, with(nobody, json!({"redirected": 200, "statuses[\"302\"]": 200}))),
            ("down", Fail, json!({"connection": "refused", "sent": 0, "answer": null})),
        ] {
            scene.expect(name, outcome, &facts);
        }

        // Without words the connections count, where they can.
        scene.serve(["--log-driver none", "--log-driver none"]);
        let counted = |more| with(json!({"method": "counter", "order": null, "unseen": 0}), more);
        for (name, outcome, facts) in [
            ("round robin", Pass, counted(json!({"least_share": [45, 50], "keep_alive.shared": true}))),
            ("haproxy tcp", Pass, counted(json!({"least_share": [45, 50]}))),
            ("weighted", Fail, counted(json!({"least_share": [20, 30], "most_share": [70, 80]}))),
            ("ip_hash", Fail, counted(json!({"least_share": 0}))),
            ("mirror", Fail, counted(json!({"doubled": [180, 220]}))),
            ("kept connections", Unknown, json!({"method": null, "least_share": null})),
        ] {
            scene.expect(name, outcome, &facts);
        }

        // One that keeps no words is counted, and the other with it.
        scene.serve(["--log-driver none", ""]);
        scene.expect("round robin", Pass, &counted(json!({"least_share": [45, 50], "backends[1].log": "read"})));

        // One that does not run got nothing; one that goes by another name is known by the requests it prints.
        scene.serve(["", ""]);
        scene.bash("docker stop -t 1 web2");
        let stopped = json!({"backends[1].running": false, "backends[1].hits": 0, "method": "log"});
        scene.expect("split_clients", Fail, &stopped);
        scene.bash("docker rm -f web2; docker run -d --name other --network net --network-alias web2 nginx");
        scene.expect("round robin", Pass, &with(even("round-robin"), json!({"backends[1].container": "other"})));
    }
}
