//! The hash chain of evidence: whether the file is still what the run wrote, and where it first is not. Pure. What it
//! proves, and to a stranger how to recompute it, is told in `docs/evidence.md`.
//!
//! ```text
//! labrun/evidence/v1 ─┐
//! all but the rest ───┴→ start ─┐
//! the first observation ────────┴→ hash ─┐
//! the next ──────────────────────────────┴→ hash … ─┐
//! finished, looked, credit, docker ─────────────────┴→ head
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::evidence::{Evidence, FORMAT, Observation};
use crate::text::Text;

/// The only value of [`Chain::algorithm`].
pub const ALGORITHM: &str = "sha256";

/// What holds a chain together; the links are the hashes of the observations.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// `sha256`.
    pub algorithm: String,
    /// The hash (hex) that the chain begins with: over all that binds the run.
    pub start: String,
    /// How many observations it runs over.
    pub links: usize,
    /// The hash (hex) that it ends with. Two files with the same head hold the same.
    pub head: String,
}

/// How evidence is not what a run wrote. Where more than one place is, this is the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// There is no chain: it was written by an older labrun, or taken off.
    Absent,
    /// It is made in a way that this labrun does not know.
    Algorithm(String),
    /// What binds the run was changed: labs, machine, student, challenge, the time it started.
    Start,
    /// An observation, counted from zero, is not what stood there.
    At {
        /// Its place.
        place: usize,
        /// Its question, as in [`crate::evidence::Question::key`].
        question: String,
    },
    /// All that are there are right, and so many are missing at the end.
    Missing(usize),
    /// What is known at the end was changed: the time it finished, the rounds, the credit, what the engine had.
    End,
}

impl Broken {
    /// In words: what is wrong with the file, after its name.
    pub fn said(&self) -> Text {
        match self {
            Broken::Absent => Text::new(
                "no trae cadena: nada dice si fue cambiada después de escrita",
                "it has no chain: nothing tells whether it was changed after it was written",
            ),
            Broken::Algorithm(other) => Text::new(
                format!("su cadena es de un tipo que este labrun no conoce (`{other}`)"),
                format!("its chain is of a kind that this labrun does not know (`{other}`)"),
            ),
            Broken::Start => Text::new(
                "fue cambiada después de escrita: lo que ata la corrida (laboratorios, máquina, estudiante, código, \
                 comienzo) no es lo que era",
                "it was changed after it was written: what binds the run (labs, machine, student, challenge, start) is \
                 not what it was",
            ),
            Broken::At { place, question } => {
                let n = place + 1;
                Text::new(
                    format!("fue cambiada después de escrita: la observación {n} no es la que estaba ahí ({question})"),
                    format!(
                        "it was changed after it was written: observation {n} is not what stood there ({question})"
                    ),
                )
            }
            Broken::Missing(n) => Text::new(
                format!("fue cambiada después de escrita: al final faltan observaciones ({n})"),
                format!("it was changed after it was written: observations are missing at its end ({n})"),
            ),
            Broken::End => Text::new(
                "fue cambiada después de escrita: lo que se supo al final (fin, rondas, créditos, inventario) no es lo que era",
                "it was changed after it was written: what was known at the end (finish, rounds, credit, inventory) is not what it \
                 was",
            ),
        }
    }
}

/// Chains everything that `evidence` holds, in the place of any chain there was. Nothing may be changed after that.
pub fn seal(evidence: &mut Evidence) {
    evidence.chain = None;
    let parts = Parts::of(evidence);
    let start = link(FORMAT, &parts.start);
    let mut last = start.clone();
    for observation in &mut evidence.observations {
        last = link(&last, &bare(observation));
        observation.hash = Some(last.clone());
    }
    let (links, head) = (evidence.observations.len(), link(&last, &parts.end));
    evidence.chain = Some(Chain { algorithm: ALGORITHM.to_owned(), start, links, head });
}

/// Whether `evidence` is what it was when it was sealed.
pub fn verify(evidence: &Evidence) -> Result<(), Broken> {
    let chain = evidence.chain.as_ref().ok_or(Broken::Absent)?;
    if chain.algorithm != ALGORITHM {
        return Err(Broken::Algorithm(chain.algorithm.chars().take(40).collect()));
    }
    let parts = Parts::of(evidence);
    let mut last = link(FORMAT, &parts.start);
    if last != chain.start {
        return Err(Broken::Start);
    }
    for (place, observation) in evidence.observations.iter().enumerate() {
        last = link(&last, &bare(observation));
        if place >= chain.links || observation.hash.as_ref() != Some(&last) {
            return Err(Broken::At { place, question: observation.question.key() });
        }
    }
    match chain.links.checked_sub(evidence.observations.len()) {
        Some(missing @ 1..) => Err(Broken::Missing(missing)),
        _ if link(&last, &parts.end) == chain.head => Ok(()),
        _ => Err(Broken::End),
    }
}

/// What is known only when everything was looked at.
const AT_THE_END: [&str; 4] = ["finished", "looked", "credit", "docker"];

/// Evidence without its observations and its chain, as JSON.
struct Parts {
    start: Value,
    end: Value,
}

impl Parts {
    fn of(evidence: &Evidence) -> Parts {
        let bare = Evidence { observations: Vec::new(), chain: None, ..evidence.clone() };
        let Value::Object(mut start) = to_json(&bare) else { unreachable!("evidence is written as an object") };
        start.remove("observations");
        let end: Map<String, Value> =
            AT_THE_END.iter().filter_map(|name| Some(((*name).to_owned(), start.remove(*name)?))).collect();
        Parts { start: Value::Object(start), end: Value::Object(end) }
    }
}

/// An observation without its hash.
fn bare(observation: &Observation) -> Value {
    let mut json = to_json(observation);
    if let Value::Object(fields) = &mut json {
        fields.remove("hash");
    }
    json
}

fn to_json(part: &impl Serialize) -> Value {
    serde_json::to_value(part).expect("evidence is plain data with text keys")
}

/// SHA-256 (hex) over the link before, a line end, and the canonical text of `part`.
fn link(before: &str, part: &Value) -> String {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update("\n");
    hash.update(canonical(part));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON without blanks, the keys of every object sorted by their code points, all text as itself but for `"`, `\` and
/// control characters.
fn canonical(json: &Value) -> String {
    // `serde_json` keeps the keys of an object sorted, and escapes no more than that.
    json.to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::evidence::inventory::Inventory;
    use crate::evidence::{Credit, CreditSource, Facts, Question, Sample, Seen, Subject};
    use crate::vantage::Vantage;

    fn observation(name: &str, value: Value) -> Observation {
        let question = Question { probe: "container".to_owned(), args: json!({ "name": name }), from: Vantage::Vm };
        let seen = Seen::Facts(Facts::from_iter([("value".to_owned(), value)]));
        let sample = |round| Sample { round, until: None, at_ms: 250, took_ms: 3, seen: seen.clone() };
        Observation { question, command: "docker inspect".to_owned(), samples: vec![sample(0), sample(3)], hash: None }
    }

    fn sealed(values: Vec<Value>) -> Evidence {
        let subject = |digest: &str| Subject {
            lab: "lab1".to_owned(),
            source: "built-in".to_owned(),
            digest: digest.to_owned(),
            steps: Vec::new(),
            params: [("port".to_owned(), json!(5432))].into(),
        };
        let mut evidence = Evidence {
            format: FORMAT.to_owned(),
            started: "2026-03-02T14:05:09.000Z".to_owned(),
            finished: "2026-03-02T14:05:10.000Z".to_owned(),
            nonce: "0123456789abcdef".to_owned(),
            labs: vec![subject("3f2a")],
            looked: [("lab1/a/b".to_owned(), 3)].into(),
            observations: values.into_iter().enumerate().map(|(n, value)| observation(&n.to_string(), value)).collect(),
            ..Evidence::default()
        };
        seal(&mut evidence);
        evidence
    }

    fn some() -> Evidence {
        sealed(vec![json!("running"), json!(null), json!([1, "á\u{1}\u{202e}\""]), json!({"b": 1.5, "a": -2})])
    }

    #[test]
    fn a_link_is_what_the_documentation_says_it_is() {
        let part = json!({"b": [1, 2.5, null, true], "a": "\u{1b}\n\"\\/ñ\u{7f}\u{1f433}"});
        let text = "{\"a\":\"\\u001b\\n\\\"\\\\/ñ\u{7f}🐳\",\"b\":[1,2.5,null,true]}";
        assert_eq!(canonical(&part), text);
        let hash: String = Sha256::digest(format!("x\n{text}")).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(link("x", &part), hash);
    }

    #[test]
    fn what_a_run_wrote_holds_also_when_it_is_sealed_again() {
        let mut evidence = some();
        assert_eq!(verify(&evidence), Ok(()));
        let chain = evidence.chain.clone();
        seal(&mut evidence);
        assert_eq!((verify(&evidence), &evidence.chain), (Ok(()), &chain));
        assert_eq!(verify(&sealed(Vec::new())), Ok(()));
    }

    #[test]
    fn every_field_of_evidence_is_chained() {
        type Change = fn(&mut Evidence);
        let changes: [(Change, Broken); 18] = [
            (|e| e.format = "labrun/evidence/v2".into(), Broken::Start),
            (|e| e.labrun = "9".into(), Broken::Start),
            (|e| e.started = "2026-03-02T14:05:09.001Z".into(), Broken::Start),
            (|e| e.machine.engine = Some("26".into()), Broken::Start),
            (|e| e.nonce = "1".into(), Broken::Start),
            (|e| e.challenge = Some("x".into()), Broken::Start),
            (|e| e.student = Some("ana".into()), Broken::Start),
            (|e| e.personal = true, Broken::Start),
            (|e| e.remarks.push(Text::same("x")), Broken::Start),
            (|e| e.labs[0].digest = "3f2b".into(), Broken::Start),
            (|e| e.labs[0].params.clear(), Broken::Start),
            (|e| e.allowed.push(crate::evidence::OptIn::Disruptive), Broken::Start),
            (|e| e.self_reported_counts = true, Broken::Start),
            (|e| e.finished = "2026-03-02T14:05:11.000Z".into(), Broken::End),
            (|e| *e.looked.get_mut("lab1/a/b").unwrap() = 4, Broken::End),
            (
                |e| {
                    let (check, at) = ("lab1/a/b".to_owned(), "2026-03-02T14:05:09Z".to_owned());
                    e.credit.push(Credit { check, at, source: CreditSource::Grader });
                },
                Broken::End,
            ),
            (|e| e.docker = Some(Inventory::default()), Broken::End),
            (|e| e.chain.as_mut().unwrap().head = "00".into(), Broken::End),
        ];
        for (n, (change, broken)) in changes.into_iter().enumerate() {
            let mut evidence = some();
            change(&mut evidence);
            assert_eq!(verify(&evidence), Err(broken), "{n}");
        }
        let mut evidence = some();
        evidence.chain.as_mut().unwrap().algorithm = "md5".into();
        assert_eq!(verify(&evidence), Err(Broken::Algorithm("md5".into())));
        evidence.chain = None;
        assert_eq!(verify(&evidence), Err(Broken::Absent));
    }

    #[test]
    fn every_field_of_an_observation_is_chained() {
        let changes: [fn(&mut Observation); 9] = [
            |o| o.question.probe = "port".into(),
            |o| o.question.args = json!({"name": "x"}),
            |o| o.question.from = Vantage::Grader,
            |o| o.command = "true".into(),
            |o| o.samples[1].round = 2,
            |o| o.samples[1].until = Some(5),
            |o| o.samples[0].took_ms = 4,
            |o| o.samples.swap(0, 1),
            |o| o.hash = None,
        ];
        for (n, change) in changes.into_iter().enumerate() {
            for place in 0..4 {
                let mut evidence = some();
                change(&mut evidence.observations[place]);
                let found = verify(&evidence);
                assert!(matches!(found, Err(Broken::At { place: at, .. }) if at == place), "{n} {place}: {found:?}");
            }
        }
    }

    /// Any JSON, numbers of all kinds among it.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Also through a file, whatever a machine may have said.
        #[test]
        fn what_is_written_and_read_again_holds(values in prop::collection::vec(value(), 0..6)) {
            let evidence = sealed(values);
            let text = serde_json::to_string_pretty(&evidence).unwrap();
            prop_assert_eq!(verify(&serde_json::from_str(&text).unwrap()), Ok(()));
        }

        #[test]
        fn what_is_changed_removed_moved_or_added_is_found_at_its_place(
            values in prop::collection::vec(value(), 2..8),
            other in value(),
            at: prop::sample::Index,
            to: prop::sample::Index,
        ) {
            let evidence = sealed(values);
            let n = evidence.observations.len();
            let (at, to) = (at.index(n), to.index(n));
            let place = |evidence: &Evidence| match verify(evidence) {
                Err(Broken::At { place, .. }) => Some(place),
                _ => None,
            };

            let mut changed = evidence.clone();
            changed.observations[at].samples = observation("", other.clone()).samples;
            prop_assume!(changed != evidence);
            prop_assert_eq!(place(&changed), Some(at));
            // With a hash that fits, the next one does not.
            let before = match at { 0 => link(FORMAT, &Parts::of(&changed).start), _ => changed.observations[at - 1].hash.clone().unwrap() };
            changed.observations[at].hash = Some(link(&before, &bare(&changed.observations[at])));
            match at + 1 < n {
                true => prop_assert_eq!(place(&changed), Some(at + 1)),
                false => prop_assert_eq!(verify(&changed), Err(Broken::End)),
            }

            let mut removed = evidence.clone();
            removed.observations.remove(at);
            match at + 1 < n {
                true => prop_assert_eq!(place(&removed), Some(at)),
                false => prop_assert_eq!(verify(&removed), Err(Broken::Missing(1))),
            }

            let mut moved = evidence.clone();
            moved.observations.swap(at, to);
            prop_assert_eq!(place(&moved), (at != to).then_some(at.min(to)));

            let mut added = evidence.clone();
            added.observations.insert(at, observation("new", other.clone()));
            prop_assert_eq!(place(&added), Some(at));
            let mut added = evidence.clone();
            added.observations.push(added.observations[at].clone());
            prop_assert_eq!(place(&added), Some(n));

            let mut cut = evidence.clone();
            cut.observations.truncate(at);
            prop_assert_eq!(verify(&cut), Err(Broken::Missing(n - at)));
            cut.chain.as_mut().unwrap().links = at;
            prop_assert_eq!(verify(&cut), Err(Broken::End));
        }
    }
}
