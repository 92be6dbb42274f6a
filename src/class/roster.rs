//! The roster of a class, `roster/v1` or a CSV file: who is graded, and where what is known of their work comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::class::table::{self, unless_mistaken};
use crate::decode::{Decode, Sp, each};
use crate::error::{Diagnostic, suggestion};
use crate::node::{self, Node, Tree};
use crate::plan::check_format;
use crate::signature::fingerprint;
use crate::source::{Source, Span};

/// The value of `labrun:` in a roster.
pub const ROSTER_FORMAT: &str = "roster/v1";

/// Until when each lab is to be done, by its id: RFC 3339, UTC.
pub type Dues = BTreeMap<String, String>;

/// Who is graded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roster {
    /// The students, in the order of the file.
    pub students: Vec<Entry>,
    /// Until when each lab is to be done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub due: Dues,
}

/// One student.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What they are called everywhere; also the name of their folder.
    pub id: String,
    /// Their name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their address, by which Moodle knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Their ID number in Moodle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moodle: Option<String>,
    /// Their ID in Canvas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canvas: Option<String>,
    /// The public key that they sign evidence with, as its file says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Where their work is seen.
    pub origin: Origin,
    /// Due times of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub due: Dues,
}

/// Where a student's work is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// On their machine, at this address.
    Vm(String),
    /// In an evidence file that they have handed in, beside the roster unless its path is absolute.
    Evidence(String),
    /// In a repository of theirs: a folder, beside the roster unless its path is absolute.
    Repository(String),
}

impl Origin {
    /// The word of the roster for its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Origin::Vm(_) => "vm",
            Origin::Evidence(_) => "evidence",
            Origin::Repository(_) => "repository",
        }
    }

    /// Where exactly.
    pub fn place(&self) -> &str {
        match self {
            Origin::Vm(place) | Origin::Evidence(place) | Origin::Repository(place) => place,
        }
    }
}

/// What a roster is read with.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The labs that there may be a due time for.
    pub labs: &'a [String],
    /// The folder in which those that the roster says no more of have handed in `ID.json`.
    pub uploads: Option<&'a str>,
    /// What is wrong with the address of a machine, if anything is.
    pub refuses_address: fn(&str) -> Option<String>,
}

/// Who is graded, and where what is known of their work comes from.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    /// The file format, `roster/v1`.
    labrun: Sp<String>,
    /// The students.
    #[serde(deserialize_with = "each")]
    students: Vec<Student>,
    /// Until when each lab is to be done, by its id: `2026-12-01T23:59:00-03:00`.
    #[serde(default)]
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    due: Node,
}

/// One student.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Student {
    /// What they are called everywhere; also the name of their folder.
    #[schemars(with = "Typed")]
    id: Node,
    /// Their name, for people.
    #[serde(default)]
    #[schemars(with = "Option<Typed>")]
    name: Node,
    /// Their address, by which Moodle knows them.
    #[serde(default)]
    #[schemars(with = "Option<Typed>")]
    email: Node,
    /// Their IDs in learning management systems.
    #[serde(default)]
    lms: Lms,
    /// The public key that they sign evidence with: `ssh-ed25519 AAAA…`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    key: Node,
    /// The address of their machine.
    #[serde(default)]
    #[schemars(with = "Option<Typed>")]
    vm: Node,
    /// The evidence file that they have handed in.
    #[serde(default)]
    #[schemars(with = "Option<Typed>")]
    evidence: Node,
    /// The folder with their repository.
    #[serde(default)]
    #[schemars(with = "Option<Typed>")]
    repository: Node,
    /// Due times of their own, by lab.
    #[serde(default)]
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    due: Node,
}

/// Their IDs in learning management systems.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lms {
    /// Their ID number in Moodle.
    #[serde(default)]
    #[schemars(with = "Option<Typed>")]
    moodle: Node,
    /// Their ID in Canvas.
    #[serde(default)]
    #[schemars(with = "Option<Typed>")]
    canvas: Node,
}

/// A single value as it was typed: `00123` keeps its zeros.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is only described")]
enum Typed {
    Text(String),
    Number(f64),
}

/// The file as a JSON Schema.
pub fn schema(generator: SchemaGenerator) -> Schema {
    generator.into_root_schema_for::<File>()
}

/// A student as the file has them, wherever that is.
struct Draft {
    id: Sp<String>,
    name: Option<String>,
    email: Option<String>,
    moodle: Option<String>,
    canvas: Option<String>,
    key: Option<Sp<String>>,
    /// Every kind of origin that is given, with its place.
    origins: Vec<(&'static str, Sp<String>)>,
    due: Dues,
}

/// Reads a roster: as CSV if the name of the file says so, else as YAML.
pub fn read(source: &Arc<Source>, around: &Around) -> Result<Roster, Vec<Diagnostic>> {
    let mut decode = Decode::new(source);
    let (drafts, due) = match source.name.to_lowercase().ends_with(".csv") {
        true => (of_csv(source, &mut decode), Dues::new()),
        false => of_yaml(source, around, &mut decode)?,
    };
    if drafts.is_empty() && decode.mistakes.is_empty() {
        decode.mistake(Span::default(), "a roster without a student", None);
    }
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let students = drafts.into_iter().filter_map(|draft| entry(draft, around, &mut known, &mut decode)).collect();
    unless_mistaken(Roster { students, due }, decode)
}

const COLUMNS: &[&str] = &["id", "name", "email", "moodle", "canvas", "key", "vm", "evidence", "repository"];

fn of_csv(source: &Arc<Source>, decode: &mut Decode) -> Vec<Draft> {
    let rows = table::read(source, COLUMNS, &["id"], decode);
    let draft = |row: table::Row| {
        let text = |column: &str| row.get(column).map(|cell| cell.text.clone());
        let placed = |column: &str| row.get(column).map(|cell| Sp { value: cell.text.clone(), span: cell.span });
        Draft {
            id: placed("id").unwrap_or(Sp { value: String::new(), span: row.span }),
            name: text("name"),
            email: text("email"),
            moodle: text("moodle"),
            canvas: text("canvas"),
            key: placed("key"),
            origins: ORIGINS.iter().filter_map(|kind| Some((*kind, placed(kind)?))).collect(),
            due: Dues::new(),
        }
    };
    rows.into_iter().map(draft).collect()
}

const ORIGINS: [&str; 3] = ["vm", "evidence", "repository"];

fn of_yaml(source: &Arc<Source>, around: &Around, decode: &mut Decode) -> Result<(Vec<Draft>, Dues), Vec<Diagnostic>> {
    let node = node::parse(source).map_err(|mistake| vec![mistake])?;
    let Some(file) = decode.decode::<File>(&node) else { return Err(std::mem::take(&mut decode.mistakes)) };
    check_format(&file.labrun, ROSTER_FORMAT, decode);
    let due = dues(&file.due, around, decode);
    let mut drafts = Vec::new();
    for student in file.students {
        let mut text = |node: &Node| scalar(node, decode).map(|value| Sp { value, span: node.span });
        let id = text(&student.id).unwrap_or(Sp { value: String::new(), span: student.id.span });
        let [name, email, moodle, canvas] = [&student.name, &student.email, &student.lms.moodle, &student.lms.canvas]
            .map(|node| text(node).map(|sp| sp.value));
        let key = text(&student.key);
        let origins = ORIGINS.into_iter().zip([&student.vm, &student.evidence, &student.repository]);
        let origins = origins.filter_map(|(kind, node)| Some((kind, text(node)?))).collect();
        let due = dues(&student.due, around, decode);
        drafts.push(Draft { id, name, email, moodle, canvas, key, origins, due });
    }
    Ok((drafts, due))
}

/// A single value as it was typed, so that `00123` keeps its zeros; nothing where nothing is said.
fn scalar(node: &Node, decode: &mut Decode) -> Option<String> {
    match &node.value {
        Tree::Null => None,
        Tree::Str(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Tree::Int(_) | Tree::Float(_) => {
            decode.source().text.get(node.span.start..node.span.end).map(|text| text.trim().to_owned())
        }
        Tree::Bool(_) | Tree::Seq(_) | Tree::Map(_) => {
            decode.mistake(node.span, format!("a text is wanted here, not {}", node.kind()), None);
            None
        }
    }
}

fn dues(node: &Node, around: &Around, decode: &mut Decode) -> Dues {
    if !matches!(node.value, Tree::Map(_) | Tree::Null) {
        decode.mistake(node.span, "due times go by lab: `due: {lab1: 2026-12-01T23:59:00-03:00}`", None);
    }
    let mut dues = Dues::new();
    for (key, value) in node.entries() {
        if !around.labs.contains(&key.name) {
            let help = suggestion(&key.name, around.labs.iter().map(String::as_str));
            decode.mistake(key.span, format!("there is no lab `{}`", key.name), help);
        }
        match scalar(value, decode).map(|text| due_time(&text)) {
            Some(Ok(time)) => drop(dues.insert(key.name.clone(), time)),
            Some(Err(help)) => decode.mistake(value.span, "not a time", Some(help)),
            None => decode.mistake(value.span, "not a time", Some(A_TIME.to_owned())),
        }
    }
    dues
}

const A_TIME: &str = "a time has its zone: `2026-12-01T23:59:00-03:00`";

/// A time as its author wrote it, in UTC.
pub fn due_time(text: &str) -> Result<String, String> {
    text.parse::<Timestamp>().map(|time| time.to_string()).map_err(|_| A_TIME.to_owned())
}

/// The student that `draft` makes, or why it makes none.
fn entry(draft: Draft, around: &Around, known: &mut BTreeMap<String, String>, decode: &mut Decode) -> Option<Entry> {
    let Sp { value: id, span } = draft.id;
    if let Err(help) = folder_name(&id) {
        let message =
            if id.is_empty() { "a student without an id".to_owned() } else { format!("`{id}` cannot be an id") };
        decode.mistake(span, message, Some(help.to_owned()));
        return None;
    }
    if let Some(other) = known.insert(id.to_lowercase(), id.clone()) {
        let message = match other == id {
            true => format!("`{id}` is there twice"),
            false => format!("`{id}` and `{other}` are one folder where upper and lower case are the same"),
        };
        decode.mistake(span, message, None);
    }
    let origin = match &draft.origins[..] {
        [] => match around.uploads {
            Some(folder) => Origin::Evidence(format!("{}/{id}.json", folder.trim_end_matches('/'))),
            None => {
                let help = "say where: `vm:` (an address), `evidence:` (a file) or `repository:` (a folder), or for all \
                            who have none `--uploads DIR`";
                decode.mistake(span, format!("nothing says where the work of `{id}` is seen"), Some(help.to_owned()));
                return None;
            }
        },
        [(kind, place)] => origin(kind, place, around, decode),
        [_, (kind, place), ..] => {
            decode.mistake(place.span, format!("`{kind}` and another place: a student is graded on one"), None);
            return None;
        }
    };
    let Draft { name, email, moodle, canvas, key, due, .. } = draft;
    if let Some(key) = key.as_ref().filter(|key| fingerprint(&key.value).is_none()) {
        let help = "the line of a file `….pub`, such as `ssh-ed25519 AAAA…`".to_owned();
        decode.mistake(key.span, "not a public key of SSH's", Some(help));
    }
    Some(Entry { id, name, email, moodle, canvas, key: key.map(|key| key.value), origin, due })
}

fn origin(kind: &str, place: &Sp<String>, around: &Around, decode: &mut Decode) -> Origin {
    let text = place.value.clone();
    match kind {
        "vm" => {
            if let Some(why) = (around.refuses_address)(&text) {
                decode.mistake(place.span, why, None);
            }
            Origin::Vm(text)
        }
        "evidence" => Origin::Evidence(text),
        _ => Origin::Repository(text),
    }
}

/// What else lies in the folder of a class, and what some systems do not let a folder be called.
const TAKEN: &[&str] = &[
    "labs",
    "lock",
    "journal.jsonl",
    "overrides.csv",
    "queue.csv",
    "marks.csv",
    "marks.moodle.csv",
    "marks.canvas.csv",
    "class.html",
    "class.json",
    "con",
    "prn",
    "aux",
    "nul",
];

/// Why `id` cannot be the name of a folder, if it cannot.
fn folder_name(id: &str) -> Result<(), &'static str> {
    let plain = |c: char| c.is_alphanumeric() || "._-+@".contains(c);
    if id.is_empty() || !id.chars().all(plain) || !id.starts_with(char::is_alphanumeric) || id.ends_with('.') {
        return Err(
            "an id is made of letters, digits and `. _ - + @`, begins with a letter or a digit and ends with no point: \
                    a folder is called like it",
        );
    }
    if id.len() > 100 {
        return Err("an id has at most 100 characters");
    }
    if TAKEN.contains(&id.to_lowercase().as_str()) {
        return Err("this name is taken in the folder of a class");
    }
    Ok(())
}

impl Roster {
    /// What of `self` is not as it was in `before`, as far as it changes whom to look at and where; of the students in
    /// `again` it is known that they changed.
    pub fn differs_from(&self, before: &Roster, again: &BTreeSet<String>) -> Vec<String> {
        let was = |id: &str| before.students.iter().find(|entry| entry.id == id);
        let is = |id: &str| self.students.iter().any(|entry| entry.id == id);
        let gone = before.students.iter().map(|entry| &entry.id).filter(|id| !is(id) && !again.contains(*id));
        let gone = gone.map(|id| format!("`{id}` is missing (`--again {id}` leaves them out)"));
        let others = self.students.iter().filter(|entry| !again.contains(&entry.id));
        let others = others.filter_map(|entry| match was(&entry.id) {
            None => Some(format!("`{}` is new (`--again {}` takes them in)", entry.id, entry.id)),
            Some(old) if old.origin != entry.origin => {
                let (id, kind, old_kind) = (&entry.id, entry.origin.kind(), old.origin.kind());
                let (now, then) = (entry.origin.place(), old.origin.place());
                Some(format!("`{id}` is seen at {kind} `{now}`, not {old_kind} `{then}` (`--again {id}` looks there)"))
            }
            Some(_) => None,
        });
        gone.chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(labs: &[String]) -> Around<'_> {
        let refuses_address =
            |text: &str| (!text.starts_with("ssh://")).then(|| "an address is `ssh://USER@HOST`".to_owned());
        Around { labs, uploads: None, refuses_address }
    }

    fn read_it(name: &str, text: &str) -> Result<Roster, Vec<Diagnostic>> {
        read(&Source::new(name, text), &around(&["lab1".to_owned()]))
    }

    #[test]
    fn yaml_and_csv_say_the_same() {
        let yaml = read_it(
            "r.yaml",
            "labrun: roster/v1\nstudents:\n  - {id: 00123, name: Ana, email: ana@example.org, lms: {moodle: 7, canvas: \"8\"}, vm: \"ssh://u@h\"}\n  \
             - {id: bea, evidence: up/bea.json}\n",
        )
        .unwrap();
        let csv = read_it(
            "r.CSV",
            "id,name,email,moodle,canvas,vm,evidence\n00123,Ana,ana@example.org,7,8,ssh://u@h,\nbea,,,,,,up/bea.json\n",
        )
        .unwrap();
        assert_eq!(yaml, csv);
        assert_eq!(yaml.students[0].id, "00123");
        assert_eq!(yaml.students[1].origin, Origin::Evidence("up/bea.json".to_owned()));
    }

    #[test]
    fn due_times_are_in_utc_and_a_student_may_have_their_own() {
        let roster = read_it(
            "r.yaml",
            "labrun: roster/v1\ndue: {lab1: \"2026-12-01T23:59:00-03:00\"}\nstudents:\n  - {id: a, evidence: a, due: {lab1: \"2026-12-09T00:00:00Z\"}}\n",
        )
        .unwrap();
        assert_eq!(
            (roster.due["lab1"].as_str(), roster.students[0].due["lab1"].as_str()),
            ("2026-12-02T02:59:00Z", "2026-12-09T00:00:00Z")
        );
        for due in ["tomorrow", "2026-12-01", "2026-12-01T23:59:00", "[1]"] {
            let text = format!("labrun: roster/v1\ndue: {{lab1: {due}}}\nstudents: [{{id: a, evidence: a}}]\n");
            assert!(read_it("r.yaml", &text).is_err(), "{due}");
        }
    }

    #[test]
    fn an_id_is_safe_as_the_name_of_a_folder() {
        for good in ["ana", "00123", "ñandú", "a.b-c_d+e", "ana@example.org", "Lab1"] {
            assert!(folder_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "..",
            ".",
            "../x",
            "a/b",
            "a\\b",
            "a b",
            "a\u{7}",
            "-rf",
            "=1+1",
            "~",
            "a.",
            "labs",
            "LOCK",
            "nul",
            "a\u{301}",
            "a\u{202e}b",
            "$x",
            "%2e",
        ] {
            assert!(folder_name(bad).is_err(), "{bad:?}");
        }
        assert!(folder_name(&"x".repeat(101)).is_err());
    }

    #[test]
    fn every_mistake_is_told_at_its_line() {
        let all = |name: &str, text: &str| {
            let mistakes = read_it(name, text).unwrap_err();
            let line = |mistake: &Diagnostic| mistake.source.text[..mistake.span.start].matches('\n').count() + 1;
            mistakes.iter().map(|mistake| (line(mistake), mistake.message.clone())).collect::<Vec<_>>()
        };
        let text = "id,vm,evidence\nana,ssh://a,\nANA,ssh://b,\n../x,ssh://c,\nbea,ssh://d,up.json\nleo,,\n,ssh://e,\nzoe,http://x,\n";
        assert_eq!(
            all("r.csv", text),
            [
                (3, "`ANA` and `ana` are one folder where upper and lower case are the same".to_owned()),
                (4, "`../x` cannot be an id".to_owned()),
                (5, "`evidence` and another place: a student is graded on one".to_owned()),
                (6, "nothing says where the work of `leo` is seen".to_owned()),
                (7, "a student without an id".to_owned()),
                (8, "an address is `ssh://USER@HOST`".to_owned()),
            ]
        );
        let text = "labrun: roster/v1\nstudents:\n  - {id: ana, evidnce: x}\n  - {id: [a], vm: \"ssh://x\"}\n  - {id: bea, evidence: x, due: {lab9: \"2026-12-01T00:00:00Z\"}}\n";
        let said = all("r.yaml", text);
        assert!(said.iter().any(|(line, what)| *line == 3 && what.contains("evidnce")), "{said:?}");
        assert!(said.iter().any(|(line, what)| *line == 4 && what.contains("a text is wanted")), "{said:?}");
        assert!(said.contains(&(5, "there is no lab `lab9`".to_owned())), "{said:?}");
        assert_eq!(all("r.yaml", "labrun: roster/v1\nstudents: []\n"), [(1, "a roster without a student".to_owned())]);
    }

    #[test]
    fn another_roster_is_told_from_the_one_before() {
        let of = |text: &str| read_it("r.csv", &format!("id,name,evidence\n{text}")).unwrap();
        let before = of("ana,Ana,a.json\nbea,,b.json\n");
        assert_eq!(of("ana,Ana García,a.json\nbea,,b.json\n").differs_from(&before, &BTreeSet::new()), [""; 0]);
        let now = of("ana,,other.json\nleo,,l.json\n");
        assert_eq!(now.differs_from(&before, &BTreeSet::new()).len(), 3);
        let again = BTreeSet::from(["ana".to_owned(), "leo".to_owned()]);
        assert_eq!(now.differs_from(&before, &again), ["`bea` is missing (`--again bea` leaves them out)"]);
        let again = ["ana", "bea", "leo"].map(str::to_owned).into();
        assert_eq!(now.differs_from(&before, &again), [""; 0]);
    }
}
