//! The renderers: the same reports in every format, and what must hold for any report.

use std::collections::BTreeSet;
use std::path::Path;

use labrun::evidence::{Cause, Machine};
use labrun::points::Points;
use labrun::render::{FORMATS, Format, Options, show_value, tame};
use labrun::text::{Lang, Text};
use labrun::vantage::Vantage;
use labrun::verdict::picture::{Picture, Spot};
use labrun::verdict::{
    CheckResult, Doubt, FORMAT, Hint, LabResult, Mismatch, Outcome, Report, Score, Sight, StepResult,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A check of `lab1/port`, worth two points, that passed.
pub fn check(id: &str, es: &str, en: &str) -> CheckResult {
    CheckResult {
        address: id.to_owned(),
        claim: Text::new(es, en),
        points: Points::from_hundredths(200),
        bonus: false,
        outcome: Outcome::Pass,
        expected: vec![Text::new("está en marcha", "it is running")],
        mismatches: Vec::new(),
        blocked_by: Vec::new(),
        unknown: None,
        deferred: None,
        credit: None,
        settled: None,
        answer: None,
        hint: Some(hint("start", &[("¿Está en marcha? `docker ps` lo dice.", "Is it running? `docker ps` tells.")])),
        note: None,
        from: Vantage::Vm,
        namespace: None,
        command: "docker inspect ams --format '{{.State.Status}}'".to_owned(),
        took_ms: 12,
        sights: Vec::new(),
    }
}

fn sight(name: Option<&str>, probe: &str, facts: Value) -> Sight {
    Sight {
        name: name.map(str::to_owned),
        probe: probe.to_owned(),
        from: Vantage::Vm,
        command: "docker inspect ams".to_owned(),
        waited_from_ms: None,
        at_ms: 4,
        took_ms: 9,
        facts: facts.as_object().cloned(),
        unseen: None,
    }
}

pub fn hint(id: &str, stages: &[(&str, &str)]) -> Hint {
    Hint { id: id.to_owned(), say: stages.iter().map(|(es, en)| Text::new(*es, *en)).collect() }
}

pub fn step(address: &str, es: &str, en: &str, checks: Vec<CheckResult>) -> StepResult {
    let mut points = Score::default();
    checks.iter().for_each(|check| points.count(check.outcome, check.points, check.bonus));
    let outcome = checks.iter().map(|check| check.outcome).max().unwrap_or(Outcome::Pass);
    StepResult { address: address.to_owned(), title: Text::new(es, en), outcome, points, checks }
}

pub fn lab(id: &str, es: &str, en: &str, steps: Vec<StepResult>) -> LabResult {
    LabResult {
        id: id.to_owned(),
        title: Text::new(es, en),
        source: "built-in".to_owned(),
        digest: "3f2a9c41b7d0e8556a1c9be7740f2d1835ce6a9b04d7f1e2839a5c6b7d8e9f00".to_owned(),
        outcome: steps.iter().map(|step| step.outcome).max().unwrap_or(Outcome::Pass),
        points: Score::sum(steps.iter().map(|step| &step.points)),
        steps,
    }
}

pub fn report(labs: Vec<LabResult>) -> Report {
    Report {
        format: FORMAT.to_owned(),
        labrun: "0.1.0".to_owned(),
        started: "2026-03-02T14:05:09Z".to_owned(),
        finished: "2026-03-02T14:05:10Z".to_owned(),
        machine: Machine {
            reached: "local".to_owned(),
            outside: false,
            system: Some("Linux 6.1.0-37-amd64 x86_64".to_owned()),
            engine: Some("26.1.5".to_owned()),
            identity: None,
        },
        student: None,
        remarks: Vec::new(),
        course: None,
        outcome: labs.iter().map(|lab| lab.outcome).max().unwrap_or(Outcome::Pass),
        points: Score::sum(labs.iter().map(|lab| &lab.points)),
        picture: None,
        labs,
    }
}

const PORT: (&str, &str) = ("Publicar el puerto de una base de datos", "Publish the port of a database");

fn running() -> CheckResult {
    check("lab1/server/running", "el contenedor `ams` está en marcha", "the container `ams` is running")
}

fn all_right() -> Report {
    let query = CheckResult {
        points: Points::from_hundredths(150),
        ..check(
            "lab1/server/query",
            "responde a una consulta con la clave indicada",
            "it answers a query with the password told",
        )
    };
    let newer = CheckResult {
        points: Points::from_hundredths(50),
        note: Some(hint(
            "newer",
            &[(
                "Es PostgreSQL 16. El enunciado pide 14.1; también vale, pero su volumen no sirve para la 14.",
                "It is PostgreSQL 16. The hand-out asks for 14.1; this counts too, but its volume is of no use to 14.",
            )],
        )),
        ..check("lab1/server/image", "viene de una imagen de postgres", "it comes from a postgres image")
    };
    report(vec![lab(
        "lab1",
        PORT.0,
        PORT.1,
        vec![step("lab1/server", "El servidor", "The server", vec![running(), query, newer])],
    )])
}

fn a_typical_mistake() -> Report {
    let bound = CheckResult {
        points: Points::from_hundredths(300),
        outcome: Outcome::Fail,
        expected: vec![Text::new("el 5432 de la VM lleva al 5432 de `ams`", "5432 of the VM leads to 5432 of `ams`")],
        mismatches: vec![Mismatch {
            fact: "ams.bindings".to_owned(),
            expected: Text::new("alguno con host `0.0.0.0` y puerto 5432", "one with host `0.0.0.0` and port 5432"),
            seen: json!([{"host": "127.0.0.1", "port": 5432, "to": "5432/tcp"}]),
        }],
        hint: Some(hint(
            "loopback",
            &[
                (
                    "¿En qué dirección de la VM escucha el puerto publicado? Míralo en la columna PORTS de `docker ps`.",
                    "At which address of the VM does the published port listen? See the column PORTS of `docker ps`.",
                ),
                (
                    "`127.0.0.1` es la propia VM: nadie de fuera llega ahí.",
                    "`127.0.0.1` is the VM itself: nobody from outside gets there.",
                ),
                ("Sin dirección, `-p` publica en todas.", "Without an address, `-p` publishes on all of them."),
            ],
        )),
        command: "docker port ams".to_owned(),
        sights: vec![
            sight(Some("ams"), "container", json!({"status": "running", "exit_code": null, "truncated": []})),
            Sight { waited_from_ms: Some(4), at_ms: 2350, ..sight(None, "port", json!({"bound": [5432]})) },
        ],
        ..check(
            "lab1/port/bound",
            "el puerto 5432 de la VM lleva al 5432 de `ams`, también desde fuera de su loopback",
            "port 5432 of the VM leads to 5432 of `ams`, from beyond its loopback too",
        )
    };
    let outward = CheckResult {
        points: Points::from_hundredths(100),
        outcome: Outcome::Blocked,
        blocked_by: vec!["lab1/port/bound".to_owned()],
        mismatches: vec![Mismatch {
            fact: "result".to_owned(),
            expected: Text::new("`open`", "`open`"),
            seen: json!("refused"),
        }],
        ..check(
            "lab1/port/outward",
            "se llega a él por la dirección de la VM",
            "it can be reached by the VM's own address",
        )
    };
    let table = CheckResult {
        points: Points::from_hundredths(100),
        outcome: Outcome::Blocked,
        blocked_by: vec!["lab1/port".to_owned()],
        ..check(
            "lab1/table/exists",
            "existe la tabla `test` con su clave primaria",
            "the table `test` exists, with its primary key",
        )
    };
    report(vec![lab(
        "lab1",
        PORT.0,
        PORT.1,
        vec![
            step("lab1/server", "El servidor", "The server", vec![running()]),
            step("lab1/port", "El puerto publicado", "The published port", vec![bound, outward]),
            step("lab1/table", "La tabla", "The table", vec![table]),
        ],
    )])
}

/// Two labs with one of everything.
pub fn one_of_everything() -> Report {
    let mut labs = a_typical_mistake().labs;
    let engine = CheckResult {
        outcome: Outcome::Unknown,
        unknown: Some(Doubt {
            cause: Some(Cause::Engine),
            why: Text::new(
                "el motor Docker no respondió en 5 s; prueba `sudo systemctl restart docker` y repite",
                "the Docker engine did not answer within 5 s; try `sudo systemctl restart docker`, then again",
            ),
        }),
        ..check("lab2/volume/used", "`ams` usa el volumen `ams-vol`", "`ams` uses the volume `ams-vol`")
    };
    let question = CheckResult {
        points: Points::from_hundredths(25),
        outcome: Outcome::Deferred,
        deferred: Some(Text::new(
            "lo lee tu docente: entrega tus respuestas con `labrun.yaml`",
            "your teacher reads it: hand your answers in with `labrun.yaml`",
        )),
        from: Vantage::Grader,
        command: String::new(),
        ..check(
            "lab2/volume/why",
            "¿habría llevado `docker commit` la tabla?",
            "would `docker commit` have carried the table?",
        )
    };
    let extra = CheckResult {
        from: Vantage::Container("ams".to_owned()),
        namespace: Some("net:[4026532491]".to_owned()),
        bonus: true,
        points: Points::from_hundredths(100),
        ..check("lab2/extra/backup", "hay una copia del volumen", "there is a copy of the volume")
    };
    let missed = CheckResult {
        bonus: true,
        outcome: Outcome::Fail,
        mismatches: vec![Mismatch {
            fact: "volumes".to_owned(),
            expected: Text::new("alguno en otra máquina", "one on another machine"),
            seen: json!([]),
        }],
        hint: None,
        ..check("lab2/extra/remote", "la copia está en otra máquina", "the copy is on another machine")
    };
    labs.push(lab(
        "lab2",
        "Datos que sobreviven",
        "Data that survives",
        vec![
            step("lab2/volume", "El volumen", "The volume", vec![engine, question]),
            step("lab2/extra", "Para quien quiera más", "For those who want more", vec![extra, missed]),
        ],
    ));
    Report { picture: Some(world("ams")), ..report(labs) }
}

/// A world with one of everything that is drawn, in which a container is called `name`.
fn world(name: &str) -> Picture {
    serde_json::from_value(json!({
        "containers": [
            {
                "name": name, "service": "db", "image": "postgres:14.1-alpine", "state": "running", "up": true,
                "networks": [{"network": "internal", "address": "172.19.0.2"}],
                "mounts": [{"destination": "/var/lib/postgresql/data", "type": "volume", "source": "ams-vol"}],
                "checks": ["lab1/server/running"],
            },
            {
                "name": "old", "image": "nginx", "state": "exited", "up": false, "networks": [{"network": "bridge"}],
                "mounts": [{"destination": "/web", "type": "bind", "source": "/home/ana/web", "read_only": true}],
            },
            {"name": "pgadm", "up": false, "checks": ["lab2/extra/remote"]},
        ],
        "networks": [
            {"name": "bridge", "driver": "bridge", "subnets": ["172.17.0.0/16"]},
            {"name": "internal", "driver": "bridge", "internal": true, "checks": ["lab2/volume/used"]},
            {"name": "front", "missing": true, "checks": ["lab2/extra/remote"]},
        ],
        "stores": [
            {"name": "/home/ana/web", "kind": "bind"},
            {"name": "ams-vol", "kind": "volume", "checks": ["lab2/volume/used"]},
            {"name": "backup", "kind": "volume", "missing": true, "checks": ["lab2/extra/remote"]},
        ],
        "ports": [
            {"number": 22, "protocol": "tcp"},
            {"number": 5432, "protocol": "tcp", "leads_to": [{"container": name, "port": 5432}]},
            {"number": 8088, "protocol": "tcp", "checks": ["lab2/extra/remote"]},
            {"number": 9000, "protocol": "udp", "leads_to": [{"container": name, "port": 9000}], "loopback": true},
        ],
        "reaches": [
            {"from": "outside", "to": {"port": 22}, "port": 22, "connection": "connected"},
            {"from": "outside", "to": {"port": 5432}, "port": 5432, "connection": "refused", "checks": ["lab1/port/bound"]},
            {"from": "vm", "to": {"port": 5432}, "port": 5432, "connection": "connected", "checks": ["lab1/server/running"]},
            {"from": {"container": name}, "to": {"elsewhere": "192.0.2.1"}, "port": 53, "checks": ["lab2/volume/used"]},
            {"from": {"network": "bridge"}, "to": {"container": name}, "port": 5432, "connection": "timed_out"},
        ],
        "more": {"containers": 3, "networks": 0, "volumes": 1, "ports": 2, "reaches": 1},
    }))
    .unwrap()
}

fn something_unknown() -> Report {
    let mut labs = one_of_everything().labs;
    report(vec![labs.remove(1)])
}

fn something_deferred() -> Report {
    let mut labs = something_unknown().labs;
    labs[0].steps[0].checks[0] = running();
    let checks = labs[0].steps[0].checks.clone();
    let steps = vec![step("lab2/volume", "El volumen", "The volume", checks)];
    report(vec![lab("lab2", "Datos que sobreviven", "Data that survives", steps)])
}

/// `n` claims that failed, each worth a point more than the one before it.
pub fn many(n: u32) -> Report {
    let failed = |n: u32| CheckResult {
        points: Points::from_hundredths(100 * (n + 1)),
        outcome: Outcome::Fail,
        ..check(&format!("lab1/s/c{n}"), "algo", "something")
    };
    report(vec![lab("lab1", "x", "x", vec![step("lab1/s", "x", "x", (0..n).map(failed).collect())])])
}

/// A machine that wants to deceive whoever reads the report.
pub fn hostile() -> Report {
    const SCRIPT: &str = "</script><script>alert(1)</script>";
    let ansi = "\u{1b}[2K\r✔ bien\u{9b}31m";
    let lie = CheckResult {
        outcome: Outcome::Fail,
        expected: vec![Text::same(format!("x{SCRIPT}\"'><img src=x onerror=alert(1)>"))],
        mismatches: vec![
            Mismatch { fact: ansi.to_owned(), expected: Text::same("un nombre"), seen: json!(SCRIPT) },
            Mismatch {
                fact: "nombre".to_owned(),
                expected: Text::same("un nombre corto"),
                seen: json!("a".repeat(1 << 20)),
            },
            Mismatch {
                fact: "nombres".to_owned(),
                expected: Text::same("sin trucos"),
                seen: json!([ansi, "\u{202e}gnp.exe", "ze\u{200b}ro", "", "12", null, {"k\u{2066}": "{% raw %}{{ 7 * 7 }}"}]),
            },
            Mismatch { fact: "vacío".to_owned(), expected: Text::same("algo"), seen: Value::Null },
        ],
        hint: Some(hint("h", &[("una línea\n✔ bien  otra línea", "one line\n✔ pass  another line")])),
        command: format!("docker inspect 'a{SCRIPT}' # {}", "y".repeat(120)),
        sights: vec![
            sight(
                Some(ansi),
                SCRIPT,
                json!({SCRIPT: "a".repeat(1 << 20), ansi: [ansi, {"k": "\u{202e}gnp.exe"}], "": ""}),
            ),
            Sight { at_ms: u64::MAX, took_ms: u64::MAX, ..sight(None, ansi, json!({})) },
            Sight { unseen: Some(Text::same(format!("{ansi}{SCRIPT}"))), ..sight(None, "x", Value::Null) },
        ],
        ..check(
            "lab1/x/y",
            &format!("<b>{SCRIPT}</b> {ansi}"),
            "\u{202e}<b>e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}</b>",
        )
    };
    let doubt = CheckResult {
        outcome: Outcome::Unknown,
        unknown: Some(Doubt { cause: None, why: Text::same(format!("{ansi}\n{}", "palabra ".repeat(400))) }),
        ..check("lab1/x/z", &"n".repeat(5000), "z")
    };
    let answer = CheckResult {
        outcome: Outcome::Deferred,
        deferred: Some(Text::same("tu docente")),
        answer: Some(format!("{ansi}{SCRIPT}\n✔ bien  otra línea\n{}", "a\n".repeat(300))),
        ..check("lab1/x/why", "¿por qué?", "why?")
    };
    let mut hostile =
        report(vec![lab("lab1", SCRIPT, SCRIPT, vec![step("lab1/x", SCRIPT, SCRIPT, vec![lie, doubt, answer])])]);
    hostile.student = Some(format!("{ansi}{SCRIPT}"));
    hostile.remarks = vec![Text::same(format!("`{ansi}` {SCRIPT}"))];
    hostile.machine.system = Some(format!("{ansi}{SCRIPT}"));
    hostile.labs[0].source = format!("/tmp/{SCRIPT}\"");
    let long = format!("{ansi}{SCRIPT}{}", "W".repeat(300));
    let mut picture = world(&long);
    picture.containers[0].image = Some("W".repeat(1 << 20));
    picture.containers[1].state = Some(long.clone());
    picture.networks[0].subnets = vec![long.clone()];
    picture.containers[0].mounts[0].destination.clone_from(&long);
    picture.reaches[0].connection = Some(long.clone());
    picture.reaches[3].to = Spot::Elsewhere(long);
    hostile.picture = Some(picture);
    hostile
}

/// Every fixture by its name, which is part of its snapshots' names.
pub fn fixtures() -> Vec<(&'static str, Report)> {
    vec![
        ("all_right", all_right()),
        ("a_typical_mistake", a_typical_mistake()),
        ("one_of_everything", one_of_everything()),
        ("something_unknown", something_unknown()),
        ("something_deferred", something_deferred()),
        ("hostile", hostile()),
    ]
}

fn render(format: &str, report: &Report, options: &Options) -> String {
    (Format::named(format).unwrap().render)(report, options)
}

fn english() -> Options {
    Options { lang: Lang::En, ..Options::default() }
}

/// A page without its style and its script, which are files of their own.
fn structure(page: &str) -> String {
    let cut = |page: &str, open: &str, close: &str| {
        let (before, rest) = page.split_once(open).unwrap();
        let (_, after) = rest.split_once(close).unwrap();
        format!("{before}{open}…{close}{after}")
    };
    cut(&cut(&cut(page, "<style>", "</style>"), "<script>", "</script>"), "'sha256-", "; base-uri")
}

/// What a page shows, without its tags.
fn words(page: &str) -> String {
    let body = structure(page);
    let body = body.split("<script type=").next().unwrap();
    body.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect()
}

#[test]
fn every_format_writes_every_fixture() {
    for (name, report) in fixtures() {
        for format in FORMATS {
            let written = (format.render)(&report, &Options::default());
            let written = if format.name == "html" { structure(&written) } else { written };
            insta::assert_snapshot!(format!("{name}.{}", format.name), written);
        }
    }
}

#[test]
fn the_text_speaks_english_and_uses_colour_and_goes_into_detail_when_asked() {
    let report = one_of_everything();
    insta::assert_snapshot!("one_of_everything.en.text", render("text", &report, &english()));
    let verbose = Options { verbose: true, ..Options::default() };
    insta::assert_snapshot!("one_of_everything.verbose.text", render("text", &report, &verbose));
    let narrow = Options { width: 60, color: true, ..english() };
    let colored = render("text", &report, &narrow);
    assert_eq!(console::strip_ansi_codes(&colored), render("text", &report, &Options { color: false, ..narrow }));
    insta::assert_snapshot!("one_of_everything.colored.text", colored.replace('\u{1b}', "␛"));
}

#[test]
fn every_format_is_a_file_a_row_and_a_snapshot() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: BTreeSet<String> = std::fs::read_dir(root.join("src/render"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !["mod", "told"].contains(&name.as_str()))
        .collect();
    let rows: BTreeSet<String> = FORMATS.iter().map(|format| format.name.to_owned()).collect();
    assert_eq!(files, rows);
    for format in FORMATS {
        assert!(std::ptr::eq(Format::named(format.name).unwrap(), format));
        assert!(std::ptr::eq(Format::of_extension(format.extension).unwrap(), format));
        let snapshot = format!("tests/it/snapshots/it__render__all_right.{}.snap", format.name);
        assert!(root.join(&snapshot).exists(), "{snapshot} is missing");
    }
    assert!(Format::named("pdf").is_none());
}

#[test]
fn text_keeps_to_its_width_except_for_commands() {
    for (name, report) in fixtures() {
        for width in [10, 60, 80, 100, 500] {
            let options = Options { width, verbose: true, ..Options::default() };
            for line in render("text", &report, &options).lines().filter(|line| !line.contains("docker ")) {
                assert!(console::measure_text_width(line) <= width.clamp(60, 100), "{name} {width}: {line}");
            }
        }
    }
}

#[test]
fn no_format_lets_a_hostile_machine_speak_for_itself() {
    for lang in [Lang::Es, Lang::En] {
        for format in FORMATS {
            let written = (format.render)(&hostile(), &Options { lang, verbose: true, ..Options::default() });
            let bad = |c: char| {
                c.is_control() && c != '\n'
                    || ('\u{200b}'..='\u{200f}').contains(&c)
                    || ('\u{202a}'..='\u{202e}').contains(&c)
            };
            assert_eq!(written.chars().find(|c| bad(*c)), None, "{}", format.name);
        }
        let page = render("html", &hostile(), &Options { lang, ..Options::default() });
        assert_eq!(page.matches("<script").count(), 2, "only the page's own");
        assert_eq!(page.matches("</script").count(), 2);
        assert!(!page.contains("<img") && !page.contains("<b>&lt;/script"));
    }
    let text = render("text", &hostile(), &Options { verbose: true, ..Options::default() });
    assert!(text.len() < 20_000, "{}", text.len());
    assert!(text.contains("(+1048176)"), "it says how much was cut");
}

#[test]
fn a_page_holds_the_report_itself() {
    for (name, report) in fixtures() {
        let page = render("html", &report, &Options::default());
        let (_, data) = page.split_once("<script type=\"application/json\" id=\"report\">").unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        assert_eq!(serde_json::from_str::<Report>(data).unwrap(), report, "{name}");
        let json = render("json", &report, &Options::default());
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report, "{name}");
    }
}

#[test]
fn a_page_asks_nothing_of_the_network_and_runs_nothing_but_its_own() {
    let page = render("html", &one_of_everything(), &Options::default());
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for word in ["http:", "https:", "src=", "@import", "@font-face", " style=\"", "onclick"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn a_page_holds_both_languages_and_shows_the_one_asked_for() {
    for (lang, options) in [("es", Options::default()), ("en", english())] {
        let page = render("html", &a_typical_mistake(), &options);
        assert!(page.contains(&format!("<html lang=\"{lang}\" data-lang=\"{lang}\">")));
        for said in [PORT.0, PORT.1] {
            assert!(words(&page).contains(said), "{said}");
        }
    }
}

#[test]
fn nothing_is_said_as_a_percentage_while_something_is_unknown() {
    for format in ["text", "html", "markdown"] {
        let shown = |report: &Report| {
            let written = render(format, report, &english());
            if format == "html" { words(&written) } else { written }
        };
        assert!(!shown(&something_unknown()).contains(" %"), "{format}");
        assert!(shown(&all_right()).contains("100 %"), "{format}");
        assert!(shown(&something_deferred()).contains("100 % of what was judged"), "{format}");
    }
}

#[test]
fn values_are_written_for_people() {
    let shown = |value: Value| show_value(&value, 40);
    assert_eq!(shown(json!(null)), "—");
    assert_eq!(shown(json!("running")), "running");
    assert_eq!(shown(json!("5432")), "\"5432\"");
    assert_eq!(shown(json!(5432)), "5432");
    assert_eq!(shown(json!(" a")), "\" a\"");
    assert_eq!(shown(json!("a, b")), "a, b");
    assert_eq!(shown(json!(["a, b", "c"])), "[\"a, b\", c]");
    assert_eq!(shown(json!({"a": [1, true, null]})), "{a: [1, true, —]}");
    assert_eq!(shown(json!((0..1000).collect::<Vec<_>>())).chars().count(), 40 + "…(+4850)".chars().count());
}

#[test]
fn tamed_text_is_visible_and_bounded() {
    assert_eq!(tame("año «ñ» 日本 e\u{301}", 40), "año «ñ» 日本 e\u{301}");
    assert_eq!(tame("\u{1b}[31m\u{202e}\u{200b}\n\t\0", 99), r"\u{1b}[31m\u{202e}\u{200b}\n\t\u{0}");
    assert_eq!(tame("abcdef", 4), "abcd…(+2)");
    assert_eq!(tame("abcd", 4), "abcd");
    assert_eq!(tame("", 0), "");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_tamed_stays_on_one_line_and_within_bounds(text in any::<String>(), max in 0..60_usize) {
        let tamed = tame(&text, max);
        prop_assert!(!tamed.chars().any(char::is_control));
        prop_assert!(tamed.chars().count() <= max + "…(+4294967296)".len());
    }
}
