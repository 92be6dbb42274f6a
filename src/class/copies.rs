//! What two machines never have in common unless one is a copy of the other, or of the same third: numbers that are
//! drawn when something is made. That they are equal is shown to the teacher, and costs nobody a point.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evidence::{Evidence, Facts, Seen};
use crate::text::Text;

/// Something drawn at random once, by what it is and its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Sign {
    /// What it is.
    pub what: What,
    /// Its value.
    pub value: String,
}

/// What a sign is a sign of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The mark of one run of labrun: the same evidence.
    Run,
    /// What tells a machine from others: its id, its engine's, the key of its SSH server.
    Machine,
    /// The number given to a PostgreSQL's data when it was initialized.
    Database,
    /// The UUID given to a site when it was installed.
    Site,
    /// The id that Docker gave a container or a network.
    DockerId,
    /// A personal parameter of somebody else.
    Personal,
}

impl What {
    /// What the students share, in words.
    pub fn words(self) -> Text {
        match self {
            What::Run => Text::new("la misma corrida de labrun", "the same run of labrun"),
            What::Machine => Text::new("la misma máquina", "the same machine"),
            What::Database => Text::new("los mismos datos de PostgreSQL", "the same PostgreSQL data"),
            What::Site => Text::new("el mismo sitio instalado", "the same installed site"),
            What::DockerId => {
                Text::new("el mismo contenedor o la misma red de Docker", "the same Docker container or network")
            }
            What::Personal => Text::new("un parámetro personal de otra persona", "somebody else's personal parameter"),
        }
    }
}

/// Students who share what only copies share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Copies {
    /// What they share.
    pub what: What,
    /// The values of it, the first ten.
    pub values: Vec<String>,
    /// The students, in the order of the roster.
    pub students: Vec<String>,
}

/// The facts that are drawn at random, by name.
const FACTS: &[(&str, What)] = &[("system_identifier", What::Database), ("id", What::DockerId)];

/// The column that holds the UUIDs of sites where a lab asks a database for them.
const SITE: &str = "site_uuid";

/// How many signs of one student are looked at, and how long one is.
const MANY: usize = 200;
const LONG: usize = 100;

/// What more than half of a class shares, and more than so many, comes from what all of them were given.
const FEW: usize = 4;

/// What the evidence holds that no two machines have in common.
pub fn signs(evidence: &Evidence) -> BTreeSet<Sign> {
    let mut signs = BTreeSet::new();
    if !evidence.nonce.is_empty() {
        signs.insert(Sign { what: What::Run, value: evidence.nonce.chars().take(LONG).collect() });
    }
    let identity = evidence.machine.identity.iter();
    let identity = identity.flat_map(|identity| [&identity.engine, &identity.machine, &identity.ssh_host_key]);
    signs.extend(identity.flatten().map(|value| {
        let value = value.chars().take(LONG).collect();
        Sign { what: What::Machine, value }
    }));
    let samples = evidence.observations.iter().flat_map(|observation| &observation.samples);
    for sample in samples {
        if let Seen::Facts(facts) = &sample.seen {
            signs.extend(of_facts(facts));
        }
        if signs.len() > MANY {
            break;
        }
    }
    signs
}

fn of_facts(facts: &Facts) -> impl Iterator<Item = Sign> {
    let named = FACTS.iter().filter_map(|(name, what)| Some((*what, facts.get(*name)?.as_str()?)));
    let rows = facts.get("rows").and_then(Value::as_array).into_iter().flatten();
    let sites = rows.filter_map(|row| Some((What::Site, row.get(SITE)?.as_str()?)));
    let drawn = |(what, value): &(What, &str)| match what {
        // Other things called `id` are no more than names.
        What::DockerId => value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()),
        What::Site => is_uuid(value),
        _ => value.len() <= LONG,
    };
    named.chain(sites).filter(drawn).map(|(what, value)| Sign { what, value: value.to_owned() })
}

/// Whether it is written as RFC 9562 says, section 4: 8-4-4-4-12 hexadecimal digits.
fn is_uuid(value: &str) -> bool {
    let groups: Vec<&str> = value.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What a class has to be asked about copies for.
#[derive(Debug, Default)]
pub struct Compared<'a> {
    /// Each student, in the order of the roster, with the signs of their evidence.
    pub signs: Vec<(&'a str, &'a BTreeSet<Sign>)>,
    /// The personal parameters of each student.
    pub own: Vec<(&'a str, &'a BTreeMap<String, String>)>,
    /// The values that a student's evidence has for parameters that are personal, where they are not theirs.
    pub foreign: Vec<(&'a str, &'a BTreeMap<String, String>)>,
}

/// Who shares what.
pub fn copies(compared: &Compared) -> Vec<Copies> {
    let mut holders: BTreeMap<Sign, Vec<&str>> = BTreeMap::new();
    for (student, signs) in &compared.signs {
        for sign in *signs {
            holders.entry(sign.clone()).or_default().push(student);
        }
    }
    for (student, foreign) in &compared.foreign {
        for (name, value) in *foreign {
            let owners = compared.own.iter().filter(|(other, own)| other != student && own.get(name) == Some(value));
            let owners: Vec<&str> = owners.map(|(other, _)| *other).collect();
            if !owners.is_empty() {
                let sign = Sign { what: What::Personal, value: format!("{name}={value}") };
                let holders = holders.entry(sign).or_default();
                holders.extend([*student].into_iter().chain(owners));
            }
        }
    }
    // Who shares one thing mostly shares many: one row for all of them.
    let place = |student: &str| compared.signs.iter().position(|(known, _)| *known == student).unwrap_or(usize::MAX);
    let seen = compared.signs.iter().filter(|(_, signs)| !signs.is_empty()).count();
    let mut grouped: BTreeMap<(What, Vec<usize>), Copies> = BTreeMap::new();
    for (Sign { what, value }, mut students) in holders {
        students.sort_by_key(|student| place(student));
        students.dedup();
        if students.len() < 2 || students.len() > FEW.max(seen / 2) {
            continue;
        }
        let key = (what, students.iter().map(|student| place(student)).collect());
        let group = grouped.entry(key).or_insert_with(|| {
            let students = students.into_iter().map(str::to_owned).collect();
            Copies { what, values: Vec::new(), students }
        });
        if group.values.len() < 10 {
            group.values.push(value);
        }
    }
    grouped.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Observation, Question, Sample};
    use crate::vantage::Vantage;

    fn evidence(facts: Value, nonce: &str) -> Evidence {
        let question = Question { probe: "x".to_owned(), args: Value::Null, from: Vantage::Vm };
        let seen = Seen::Facts(facts.as_object().unwrap().clone());
        let samples = vec![Sample { round: 0, until: None, at_ms: 0, took_ms: 0, seen }];
        let observations = vec![Observation { question, command: String::new(), samples, hash: None }];
        Evidence { nonce: nonce.to_owned(), observations, ..Evidence::default() }
    }

    fn found(all: &[(&str, Evidence)]) -> Vec<(What, Vec<String>)> {
        let signs: Vec<(&str, BTreeSet<Sign>)> = all.iter().map(|(id, evidence)| (*id, signs(evidence))).collect();
        let compared =
            Compared { signs: signs.iter().map(|(id, signs)| (*id, signs)).collect(), ..Compared::default() };
        copies(&compared).into_iter().map(|copy| (copy.what, copy.students)).collect()
    }

    #[test]
    fn equal_numbers_are_found_and_equal_names_are_not() {
        let id = "ab".repeat(32);
        let of = |number: &str, id: &str, nonce: &str| {
            evidence(serde_json::json!({"system_identifier": number, "id": id, "name": "ams"}), nonce)
        };
        let all = [
            ("ana", of("7001", &id, "n1")),
            ("bea", of("7002", "web", "n2")),
            ("leo", of("7001", &id, "n3")),
            ("zoe", of("7003", "web", "n2")),
        ];
        let both = |one: &str, other: &str| vec![one.to_owned(), other.to_owned()];
        assert_eq!(
            found(&all),
            [
                (What::Run, both("bea", "zoe")),
                (What::Database, both("ana", "leo")),
                (What::DockerId, both("ana", "leo"))
            ]
        );
        assert_eq!(
            found(&[
                ("ana", evidence(serde_json::json!({"system_identifier": null}), "")),
                ("bea", evidence(serde_json::json!({}), ""))
            ]),
            []
        );
    }

    #[test]
    fn a_site_is_known_by_its_uuid_and_by_nothing_else_in_its_column() {
        let of = |uuid: Value, nonce: &str| {
            let rows = serde_json::json!([{"table": "public.config", "site_uuid": null}, {"site_uuid": uuid}, "odd"]);
            evidence(serde_json::json!({"rows": rows}), nonce)
        };
        let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let all = [("ana", of(uuid.into(), "n1")), ("bea", of(Value::Null, "n2")), ("leo", of(uuid.into(), "n3"))];
        assert_eq!(found(&all), [(What::Site, vec!["ana".to_owned(), "leo".to_owned()])]);
        for no_uuid in ["drupal", "", "0f8fad5b-d9cb-469f-a165-70867728950", "0f8fad5bd-9cb-469f-a165-70867728950e"] {
            assert_eq!(found(&[("ana", of(no_uuid.into(), "n1")), ("leo", of(no_uuid.into(), "n3"))]), []);
        }
    }

    #[test]
    fn somebody_elses_parameter_is_found_and_a_chance_meeting_is_not() {
        let map = |value: &str| BTreeMap::from([("uid".to_owned(), value.to_owned())]);
        let (none, own, foreign) = (BTreeSet::new(), [map("2001"), map("2002"), map("2002")], map("2001"));
        let students = ["ana", "bea", "leo"];
        let compared = Compared {
            signs: students.iter().map(|id| (*id, &none)).collect(),
            own: students.iter().copied().zip(&own).collect(),
            foreign: vec![("leo", &foreign)],
        };
        let copies = copies(&compared);
        assert_eq!(copies.len(), 1);
        assert_eq!(
            (copies[0].students.as_slice(), copies[0].values[0].as_str()),
            (["ana".to_owned(), "leo".to_owned()].as_slice(), "uid=2001")
        );
    }
}
