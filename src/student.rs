//! What a student hands in beside the machine: `labrun.yaml`, with their id, their answers and their choices. It is
//! untrusted: everything in it is bounded, and what is wrong with it is said plainly and counts for nothing.

use std::collections::BTreeMap;

use crate::error::did_you_mean;
use crate::evidence::Unobserved;
use crate::node::{self, Node, Tree};
use crate::source::Source;
use crate::text::Text;

/// The value of `labrun:` in a student's file.
pub const STUDENT_FORMAT: &str = "student/v1";

/// A larger file is not read, in bytes.
pub const MAX_BYTES: u64 = 64 << 10;
/// The longest answer, in characters.
pub const MAX_ANSWER: usize = 4000;
/// The most values in one answer.
const MAX_VALUES: usize = 50;
/// The longest id and the longest choice, in characters.
const MAX_NAME: usize = 100;
/// The most labs, answers to one lab, or choices.
const MANY: usize = 200;

/// What a student has handed in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Student {
    /// Who it is.
    pub id: Option<String>,
    /// Whether there is a file, and whether it could be read.
    pub file: File,
    /// Their answers, by lab and question.
    pub answers: BTreeMap<String, BTreeMap<String, Answer>>,
    /// The parameters they chose.
    pub choices: BTreeMap<String, String>,
    /// What is wrong with what they handed in.
    pub remarks: Vec<Text>,
}

/// What became of the file of a student.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum File {
    /// There is none.
    #[default]
    Missing,
    /// There is one that cannot be read as what it should be.
    Broken,
    /// It was read, though single entries may be wrong.
    Read,
    /// The way to it broke: nobody knows what was answered and chosen, or whether anything was.
    Unseen(Unobserved),
}

/// One answer as handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A single value, as text.
    One(String),
    /// A list of values, as texts.
    Several(Vec<String>),
    /// Longer than [`MAX_ANSWER`].
    TooLong,
    /// A mapping, or a list within a list.
    Nested,
    /// Two answers to one question.
    Twice,
}

impl Student {
    /// The answer to `question` of `lab`, if there is one that says anything.
    pub fn answer(&self, lab: &str, question: &str) -> Option<&Answer> {
        self.answers.get(lab)?.get(question)
    }

    /// What was handed in where the file called `name` could not even be opened or is no text.
    pub fn unreadable(name: &str, es: &str, en: &str) -> Student {
        let remark = Text::new(format!("`{name}` no sirve: {es}"), format!("`{name}` is of no use: {en}"));
        Student { file: File::Broken, remarks: vec![remark], ..Student::default() }
    }

    /// What is known of a file that `why` kept from being looked at.
    pub fn unseen(why: Unobserved) -> Student {
        Student { file: File::Unseen(why), ..Student::default() }
    }

    /// Reads the text of a student's file called `name`.
    pub fn read(name: &str, text: &str) -> Student {
        let source = Source::new(name, text);
        let node = match node::parse(&source) {
            Ok(node) => node,
            Err(mistake) => {
                let line = text[..mistake.span.start.min(text.len())].matches('\n').count() + 1;
                let es = format!("no es YAML válido en la línea {line} (revisá el sangrado, los `:` y las comillas)");
                return Student::unreadable(name, &es, &format!("no valid YAML at line {line}: {}", mistake.message));
            }
        };
        match node.get("labrun").map(|format| &format.value) {
            Some(Tree::Str(format)) if format == STUDENT_FORMAT => {}
            _ => {
                return Student::unreadable(
                    name,
                    &format!("tiene que empezar con la línea `labrun: {STUDENT_FORMAT}`"),
                    &format!("it must begin with the line `labrun: {STUDENT_FORMAT}`"),
                );
            }
        }
        let mut reader = Reader { text, student: Student { file: File::Read, ..Student::default() } };
        reader.top(&node);
        reader.student
    }
}

struct Reader<'t> {
    text: &'t str,
    student: Student,
}

impl Reader<'_> {
    fn remark(&mut self, es: String, en: String) {
        self.student.remarks.push(Text::new(es, en));
    }

    fn top(&mut self, node: &Node) {
        const KEYS: [&str; 4] = ["labrun", "student", "answers", "choices"];
        let mut seen: Vec<&str> = Vec::new();
        for (key, value) in node.entries() {
            let name = short(&key.name);
            if seen.contains(&key.name.as_str()) {
                self.remark(
                    format!("`{name}` está dos veces en tu `labrun.yaml`: no cuenta ninguna"),
                    format!("`{name}` is twice in your `labrun.yaml`: neither counts"),
                );
                self.forget(&key.name);
                continue;
            }
            seen.push(&key.name);
            match key.name.as_str() {
                "labrun" => {}
                "student" => self.id(value),
                "answers" => self.answers(value),
                "choices" => self.choices(value),
                _ => {
                    let meant = meant(&key.name, KEYS);
                    self.remark(
                        format!("tu `labrun.yaml` dice `{name}`, que no significa nada{}", meant.es),
                        format!("your `labrun.yaml` says `{name}`, which means nothing{}", meant.en),
                    );
                }
            }
        }
    }

    /// Forgets what a key said that is there twice.
    fn forget(&mut self, key: &str) {
        match key {
            "student" => self.student.id = None,
            "answers" => self.student.answers.clear(),
            "choices" => self.student.choices.clear(),
            _ => {}
        }
    }

    fn id(&mut self, node: &Node) {
        match self.scalar(node).and_then(|id| student_id(&id)) {
            Some(id) => self.student.id = Some(id),
            None if node.value == Tree::Null => {}
            None => self.remark(
                format!("tu `student` no sirve: tiene que ser una palabra de hasta {MAX_NAME} caracteres"),
                format!("your `student` is of no use: it must be one word of at most {MAX_NAME} characters"),
            ),
        }
    }

    fn answers(&mut self, node: &Node) {
        if !matches!(node.value, Tree::Map(_) | Tree::Null) || node.entries().len() > MANY {
            return self.remark(
                "tus `answers` no sirven: van por laboratorio, `answers: {lab1: {pregunta: respuesta}}`".to_owned(),
                "your `answers` are of no use: they go by lab, `answers: {lab1: {question: answer}}`".to_owned(),
            );
        }
        for (lab, questions) in node.entries() {
            let lab_name = short(&lab.name);
            if self.student.answers.contains_key(&lab.name) {
                // Which of the two was meant nobody knows, so every answer of both is as if given twice.
                self.remark(
                    format!("`{lab_name}` está dos veces en tus `answers`: no cuenta ninguna de esas respuestas"),
                    format!("`{lab_name}` is twice in your `answers`: none of those answers counts"),
                );
                let second = questions.entries().iter().map(|(question, _)| question.name.clone());
                let known = self.student.answers.entry(lab.name.clone()).or_default();
                let all: Vec<String> = known.keys().cloned().chain(second.take(MANY)).collect();
                known.extend(all.into_iter().map(|question| (question, Answer::Twice)));
                continue;
            }
            if !matches!(questions.value, Tree::Map(_) | Tree::Null) || questions.entries().len() > MANY {
                self.remark(
                    format!("tus respuestas de `{lab_name}` no sirven: van `{lab_name}: {{pregunta: respuesta}}`"),
                    format!("your answers to `{lab_name}` are of no use: they go `{lab_name}: {{question: answer}}`"),
                );
                continue;
            }
            let mut read: BTreeMap<String, Answer> = BTreeMap::new();
            for (question, said) in questions.entries() {
                let answer = match read.contains_key(&question.name) {
                    true => Some(Answer::Twice),
                    false => self.answer(said),
                };
                if let Some((es, en)) = answer.as_ref().and_then(complaint) {
                    let question = short(&question.name);
                    self.remark(
                        format!("tu respuesta a `{question}` de `{lab_name}` no cuenta: {es}"),
                        format!("your answer to `{question}` of `{lab_name}` does not count: {en}"),
                    );
                }
                read.extend(answer.map(|answer| (question.name.clone(), answer)));
            }
            self.student.answers.insert(lab.name.clone(), read);
        }
    }

    /// Nothing where nothing is said: an empty place in a form is no answer.
    fn answer(&self, node: &Node) -> Option<Answer> {
        let text = match &node.value {
            Tree::Map(_) => return Some(Answer::Nested),
            Tree::Seq(items) => {
                if items.len() > MAX_VALUES {
                    return Some(Answer::TooLong);
                }
                let mut all = Vec::new();
                for item in items {
                    match (&item.value, self.scalar(item)) {
                        (Tree::Null, _) => {}
                        (_, Some(text)) => all.extend(Some(text).filter(|text| !text.is_empty())),
                        (_, None) => return Some(Answer::Nested),
                    }
                }
                if all.iter().map(|text| text.chars().count()).sum::<usize>() > MAX_ANSWER {
                    return Some(Answer::TooLong);
                }
                return (!all.is_empty()).then_some(Answer::Several(all));
            }
            _ => self.scalar(node)?,
        };
        match text.chars().count() {
            0 => None,
            n if n > MAX_ANSWER => Some(Answer::TooLong),
            _ => Some(Answer::One(text)),
        }
    }

    fn choices(&mut self, node: &Node) {
        if !matches!(node.value, Tree::Map(_) | Tree::Null) || node.entries().len() > MANY {
            return self.remark(
                "tus `choices` no sirven: van `choices: {parámetro: valor}`".to_owned(),
                "your `choices` are of no use: they go `choices: {parameter: value}`".to_owned(),
            );
        }
        let mut twice: Vec<&str> = Vec::new();
        for (position, (key, value)) in node.entries().iter().enumerate() {
            let name = short(&key.name);
            if node.entries()[..position].iter().any(|(before, _)| before.name == key.name) {
                twice.push(&key.name);
                self.remark(
                    format!("elegiste `{name}` dos veces: no cuenta ninguna"),
                    format!("you chose `{name}` twice: neither counts"),
                );
                continue;
            }
            match self.scalar(value).filter(|text| is_choice(text)) {
                Some(text) => drop(self.student.choices.insert(key.name.clone(), text)),
                None if value.value == Tree::Null => {}
                None => self.remark(
                    format!(
                        "lo que elegiste para `{name}` no sirve: es una sola palabra, de letras, cifras y `_ . - / : @`"
                    ),
                    format!(
                        "what you chose for `{name}` is of no use: it is one word, of letters, digits and `_ . - / : @`"
                    ),
                ),
            }
        }
        self.student.choices.retain(|name, _| !twice.contains(&name.as_str()));
    }

    /// A single value as its author typed it: numbers keep their form (`14.10`), booleans are yes or no.
    fn scalar(&self, node: &Node) -> Option<String> {
        Some(match &node.value {
            Tree::Str(text) => text.trim().to_owned(),
            Tree::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
            Tree::Int(_) | Tree::Float(_) => {
                let typed = self.text.get(node.span.start..node.span.end).map(str::trim).unwrap_or_default();
                let plain = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
                match !typed.is_empty() && typed.chars().all(plain) {
                    true => typed.to_owned(),
                    false => node.to_json().to_string(),
                }
            }
            Tree::Null | Tree::Seq(_) | Tree::Map(_) => return None,
        })
    }
}

/// Why an answer cannot count, in Spanish and English.
fn complaint(answer: &Answer) -> Option<(&'static str, &'static str)> {
    match answer {
        Answer::One(_) | Answer::Several(_) => None,
        Answer::TooLong => Some(("es demasiado larga", "it is too long")),
        Answer::Nested => {
            Some(("es un texto, un número, o una lista de ellos", "it is a text, a number, or a list of them"))
        }
        Answer::Twice => Some(("está dos veces", "it is there twice")),
    }
}

/// An id of a student, if `text` can be one.
pub fn student_id(text: &str) -> Option<String> {
    let id = text.trim();
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    let fits = !id.is_empty() && id.chars().count() <= MAX_NAME && id.chars().all(plain);
    fits.then(|| id.to_owned())
}

/// Whether a student may give a parameter this value: nothing that a query, a pattern or a command line would take for
/// more than a word.
fn is_choice(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_');
    begins && text.len() <= MAX_NAME && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/:@".contains(c))
}

/// As much of a name as a remark can hold.
pub fn short(name: &str) -> String {
    name.chars().take(60).collect()
}

/// What was probably meant by `word`, or what there is, to be added to a remark; nothing where there is nothing.
pub fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Text {
    if let Some(meant) = did_you_mean(word, candidates.clone()) {
        return Text::new(format!(": ¿será `{meant}`?"), format!(": did you mean `{meant}`?"));
    }
    let mut known: Vec<String> = candidates.into_iter().map(|name| format!("`{name}`")).collect();
    known.sort();
    known.dedup();
    match known.is_empty() {
        true => Text::default(),
        false => Text::new(format!("; hay {}", known.join(", ")), format!("; there is {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Student {
        Student::read("labrun.yaml", &format!("labrun: student/v1\n{text}"))
    }

    fn one(text: &str) -> Option<Answer> {
        let student = read(&format!("answers:\n  lab1:\n    q: {text}\n"));
        assert_eq!((&student.file, student.remarks.as_slice()), (&File::Read, [].as_slice()), "{text}");
        student.answer("lab1", "q").cloned()
    }

    fn said(student: &Student) -> Vec<&str> {
        student.remarks.iter().map(|remark| remark.en.as_str()).collect()
    }

    #[test]
    fn answers_are_taken_as_they_are_typed() {
        for (typed, read) in [
            ("b", "b"),
            ("\"  b \"", "b"),
            ("5432", "5432"),
            ("14.10", "14.10"),
            ("0x10", "0x10"),
            ("007", "007"),
            ("-1", "-1"),
            ("true", "yes"),
            ("false", "no"),
            ("yes", "yes"),
            ("172.17.0.2/16", "172.17.0.2/16"),
            ("|\n      one\n      two\n", "one\ntwo"),
        ] {
            assert_eq!(one(typed), Some(Answer::One(read.to_owned())), "{typed}");
        }
        assert_eq!(one("[a, 1, true]"), Some(Answer::Several(["a", "1", "yes"].map(str::to_owned).to_vec())));
        // An empty place in a form is no answer.
        for nothing in ["", "~", "\"\"", "\"   \"", "[]", "[~, \"\"]"] {
            assert_eq!(one(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_cannot_be_an_answer_counts_for_nothing_and_is_told() {
        for (typed, answer, why) in [
            ("{a: b}".to_owned(), Answer::Nested, "it is a text, a number, or a list of them"),
            ("[[a]]".to_owned(), Answer::Nested, "it is a text, a number, or a list of them"),
            ("x".repeat(MAX_ANSWER + 1), Answer::TooLong, "it is too long"),
            (format!("[{}]", "x, ".repeat(51)), Answer::TooLong, "it is too long"),
            (format!("[{0}, {0}]", "x".repeat(MAX_ANSWER)), Answer::TooLong, "it is too long"),
            ("a\n    q: b".to_owned(), Answer::Twice, "it is there twice"),
        ] {
            let student = read(&format!("answers:\n  lab1:\n    q: {typed}\n    r: good\n"));
            assert_eq!(said(&student), [format!("your answer to `q` of `lab1` does not count: {why}")]);
            assert_eq!(student.answer("lab1", "q"), Some(&answer));
            assert_eq!(student.answer("lab1", "r"), Some(&Answer::One("good".to_owned())));
        }
        let twice = read("answers:\n  lab1: {q: a, r: b}\n  lab1: {q: c}\n");
        assert_eq!(twice.answer("lab1", "q"), Some(&Answer::Twice));
        assert_eq!(twice.answer("lab1", "r"), Some(&Answer::Twice));
        assert_eq!(said(&twice), ["`lab1` is twice in your `answers`: none of those answers counts"]);
        let twice = read("answers: {lab1: {q: a}}\nanswers: {lab1: {q: b}}\n");
        assert_eq!((twice.answer("lab1", "q"), said(&twice).len()), (None, 1));
    }

    #[test]
    fn a_broken_file_answers_nothing_and_says_where_it_breaks() {
        for (text, why) in [
            ("", "it must begin with the line `labrun: student/v1`"),
            ("answers: {lab1: {q: a}}\n", "it must begin with the line `labrun: student/v1`"),
            ("labrun: student/v2\n", "it must begin with the line `labrun: student/v1`"),
            ("- labrun\n", "it must begin with the line `labrun: student/v1`"),
            ("labrun: student/v1\nanswers:\n\tlab1: x\n", "no valid YAML at line 3: a tab"),
            ("labrun: student/v1\nanswers: {lab1: \"\n", "no valid YAML at line "),
        ] {
            let student = Student::read("./labrun.yaml", text);
            assert_eq!((&student.file, student.answers.len()), (&File::Broken, 0), "{text}");
            assert!(
                said(&student)[0].starts_with(&format!("`./labrun.yaml` is of no use: {why}")),
                "{:?}",
                said(&student)
            );
        }
        let bomb = (1..12).map(|n| format!("a{n}: &a{n} [{}]\n", format!("*a{}, ", n - 1).repeat(8)));
        let bomb = format!("labrun: student/v1\na0: &a0 [x, x, x, x]\n{}", bomb.collect::<String>());
        assert_eq!(Student::read("x", &bomb).file, File::Broken);
        assert_eq!(
            Student::read("x", &format!("labrun: student/v1\nanswers: {}", "[".repeat(9000))).file,
            File::Broken
        );
    }

    #[test]
    fn parts_of_the_wrong_shape_are_told_and_the_rest_stands() {
        let student = read(
            "studnet: x\nstudent: [ana]\nanswers:\n  lab1: yes\n  lab2: {q: a}\nchoices:\n  a: \"x' OR '1\"\n  b: ok-1.2/x\n  \
             c: -v\n  d: .*\n  e: [x]\n  f: 80\n  g: 1\n  g: 2\n",
        );
        assert_eq!(student.id, None);
        assert_eq!(student.answer("lab2", "q"), Some(&Answer::One("a".to_owned())));
        let choices: Vec<(&str, &str)> =
            student.choices.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(choices, [("b", "ok-1.2/x"), ("f", "80")]);
        let said = said(&student);
        assert_eq!(said.len(), 8, "{said:?}");
        assert_eq!(said[0], "your `labrun.yaml` says `studnet`, which means nothing: did you mean `student`?");
        assert_eq!(read("answers: [a]\nchoices: x\n").remarks.len(), 2);
    }

    #[test]
    fn an_id_is_one_word() {
        for (id, wanted) in
            [("ana", Some("ana")), (" 00123 ", Some("00123")), ("a b", None), ("", None), ("a\u{7}", None)]
        {
            assert_eq!(student_id(id), wanted.map(str::to_owned), "{id}");
        }
        assert!(student_id(&"x".repeat(101)).is_none());
        assert_eq!(read("student: 00123\n").id.as_deref(), Some("00123"));
    }
}
