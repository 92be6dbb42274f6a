//! What a student answers to a question of the lab: read from their `labrun.yaml`, as leniently as a person would.

use std::net::Ipv4Addr;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::engine::Change;
use crate::evidence::{Facts, Unobserved};
use crate::probe::{Again, Context, Probe, Word, quote};
use crate::student::{self, File};

/// Looks up an answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The question.
    pub to: Id,
    /// The lab it belongs to; the lab of the check, unless said otherwise.
    #[serde(default)]
    pub lab: Id,
    /// What there is to choose from, if it is not for the student to find words.
    #[serde(default)]
    pub options: Options,
}

/// The name of a question or of a lab.
#[derive(Debug, Default, JsonSchema)]
pub struct Id(String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        let name = String::deserialize(deserializer)?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(D::Error::custom(format!("`{name}` is no name: lower-case letters, digits and `-`")));
        }
        Ok(Id(name))
    }
}

/// What there is to choose from.
#[derive(Debug, Default, JsonSchema)]
pub struct Options(Vec<String>);

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Options, D::Error> {
        let options = Vec::<String>::deserialize(deserializer)?;
        if options.len() < 2 {
            return Err(D::Error::custom("a choice has two options at the least"));
        }
        for (n, option) in options.iter().enumerate() {
            if folded(option).is_empty() {
                return Err(D::Error::custom(format!("`{option}` is no option: it has no letter and no digit")));
            }
            if let Some(before) = options[..n].iter().find(|before| folded(before) == folded(option)) {
                return Err(D::Error::custom(format!("`{option}` reads the same as `{before}`")));
            }
        }
        Ok(Options(options))
    }
}

#[async_trait]
impl Probe for Answer {
    const NAME: &'static str = "answer";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("given", "whether anything is answered"),
        (
            "value",
            "the answer as text, trimmed, or as the option it means; of a list its values, sorted and joined by `, `; \
             null when there is none that counts",
        ),
        (
            "values",
            "its values one by one, sorted: those of a list, or a text taken apart at commas, `;` and line ends",
        ),
        ("number", "the answer as a number, if it is one, else null"),
        ("address", "the first IPv4 address in it, without its mask, else null"),
        (
            "subnet",
            "the network of the first address with a `/` in it, `172.19.0.2/16` being of `172.19.0.0/16`, else null",
        ),
        ("listed", "whether it is among the options; null without options or without an answer"),
        (
            "problem",
            "why there is none that counts: `no_file`, `bad_file`, `too_long`, `nested` (neither a value nor a list), \
             `twice`, or null",
        ),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[("problem", &["no_file", "bad_file", "too_long", "nested", "twice"])];
    const WORD: Option<Word> = Some(Word {
        fact: "value",
        unsaid: r#"{"given":false,"value":null,"values":null,"number":null,"address":null,"subnet":null,"listed":null,"problem":null}"#,
    });
    // The student's file is no business of the engine's.
    const MOVED_BY: &'static [Change] = &[];
    const AGAIN: Again = Again::Seldom;

    fn options(&self, fact: &str) -> Option<&[String]> {
        (["value", "values"].contains(&fact) && !self.options.0.is_empty()).then_some(&self.options.0)
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let answer = cx.student.answer(&self.lab.0, &self.to.0);
        let problem = match (answer, &cx.student.file) {
            (Some(student::Answer::TooLong), _) => Some("too_long"),
            (Some(student::Answer::Nested), _) => Some("nested"),
            (Some(student::Answer::Twice), _) => Some("twice"),
            (Some(_), _) | (None, File::Read) => None,
            (None, File::Missing) => Some("no_file"),
            (None, File::Broken) => Some("bad_file"),
            (None, File::Unseen(why)) => return Err(why.clone()),
        };
        let said = match answer {
            Some(student::Answer::One(text)) => self.one(text),
            Some(student::Answer::Several(texts)) => {
                self.several(&texts.iter().map(String::as_str).collect::<Vec<_>>())
            }
            _ => Said::default(),
        };
        Ok(Facts::from_iter([
            ("given".to_owned(), json!(answer.is_some())),
            ("number".to_owned(), json!(said.text.as_deref().and_then(number))),
            ("address".to_owned(), json!(said.text.as_deref().and_then(address))),
            ("subnet".to_owned(), json!(said.text.as_deref().and_then(subnet))),
            ("value".to_owned(), json!(said.text)),
            ("values".to_owned(), json!(said.parts)),
            ("listed".to_owned(), json!(said.listed)),
            ("problem".to_owned(), json!(problem)),
        ]))
    }

    fn command(&self) -> String {
        format!("grep -A 3 {} labrun.yaml", quote(&format!("{}:", self.to.0)))
    }
}

/// An answer as facts.
#[derive(Default)]
struct Said {
    text: Option<String>,
    parts: Option<Vec<String>>,
    listed: Option<bool>,
}

impl Answer {
    fn one(&self, text: &str) -> Said {
        let parts: Vec<&str> = text.split([',', ';', '\n']).map(str::trim).filter(|part| !part.is_empty()).collect();
        if self.options.0.is_empty() {
            return Said { parts: Some(sorted(parts)), text: Some(text.to_owned()), listed: None };
        }
        // One option may hold a comma itself, so the whole comes first.
        if self.option(text).is_none() && parts.iter().all(|part| self.option(part).is_some()) {
            return self.several(&parts);
        }
        self.several(&[text])
    }

    fn several(&self, texts: &[&str]) -> Said {
        let known: Vec<Option<&str>> = texts.iter().map(|text| self.option(text)).collect();
        let values = sorted(texts.iter().zip(&known).map(|(text, known)| known.unwrap_or(text)));
        let listed = (!self.options.0.is_empty()).then(|| known.iter().all(Option::is_some));
        Said { text: Some(values.join(", ")), parts: Some(values), listed }
    }

    /// The option that `text` means.
    fn option(&self, text: &str) -> Option<&str> {
        let said = folded(text);
        self.options.0.iter().find(|option| folded(option) == said).map(String::as_str)
    }
}

/// In order, each once.
fn sorted<'t>(values: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut values: Vec<String> = values.into_iter().map(str::to_owned).collect();
    values.sort();
    values.dedup();
    values
}

/// Text as it is compared with options: without case, accents and what surrounds it (`B)` is `b`); `sí`, `yes` and
/// `true` are one word, and so are `no` and `false`.
fn folded(text: &str) -> String {
    let lower = text.to_lowercase();
    let plain = lower.chars().filter_map(|c| match c {
        'á' | 'à' => Some('a'),
        'é' | 'è' => Some('e'),
        'í' | 'ì' => Some('i'),
        'ó' | 'ò' => Some('o'),
        'ú' | 'ù' | 'ü' => Some('u'),
        '\u{300}'..='\u{36f}' => None,
        c => Some(c),
    });
    let plain: String = plain.collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let plain = words.join(" ");
    match plain.trim_matches(|c: char| !c.is_alphanumeric()) {
        "si" | "s" | "yes" | "y" | "true" | "verdadero" => "yes".to_owned(),
        "no" | "n" | "false" | "falso" => "no".to_owned(),
        other => other.to_owned(),
    }
}

/// A number as people write one, if `text` is one.
fn number(text: &str) -> Option<serde_json::Number> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    let plain = text.chars().all(|c| c.is_ascii_digit() || "+-.".contains(c));
    text.parse::<f64>().ok().filter(|_| plain).and_then(serde_json::Number::from_f64)
}

/// The first IPv4 address in `text`, with a prefix or without.
fn address(text: &str) -> Option<Ipv4Addr> {
    words_of_addresses(text).find_map(|word| word.split('/').next()?.trim_end_matches('.').parse().ok())
}

fn words_of_addresses(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != '/')
}

/// The network that the first IPv4 address with a prefix in `text` lies in: what `ip address` and `ip route` print is
/// such a text, whichever address of the network they show.
fn subnet(text: &str) -> Option<String> {
    words_of_addresses(text).filter_map(|word| word.split_once('/')).find_map(|(address, prefix)| {
        let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let prefix: u32 = prefix.trim_end_matches('.').parse().ok().filter(|prefix| *prefix <= 32)?;
        let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
        Some(format!("{}/{prefix}", Ipv4Addr::from(address & mask)))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(args: Value) -> Answer {
        serde_json::from_value(args).unwrap()
    }

    #[test]
    fn an_address_is_known_with_a_mask_and_among_words() {
        for text in ["10.0.2.15", "10.0.2.15/24", "es 10.0.2.15.", "inet 10.0.2.15/24 brd 10.0.2.255"] {
            assert_eq!(address(text), Some(Ipv4Addr::new(10, 0, 2, 15)), "{text}");
        }
        for text in ["", "10.0.2", "fe80::1/64", "24", "300.1.1.1"] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn an_option_is_known_however_it_is_written() {
        let ask = read(json!({"to": "q", "options": ["sí", "no", "La ñandú, la de antes", "3"]}));
        for (typed, value, listed) in [
            ("sí", "sí", true),
            ("SI", "sí", true),
            ("si\u{301}", "sí", true),
            ("yes", "sí", true),
            ("No.", "no", true),
            ("  la  ñandú, la de ANTES ", "La ñandú, la de antes", true),
            ("3)", "3", true),
            ("(3)", "3", true),
            ("quizás", "quizás", false),
            ("no, 3", "3, no", true),
            ("no, 4", "no, 4", false),
            ("?", "?", false),
        ] {
            let said = ask.one(typed);
            assert_eq!((said.text.as_deref(), said.listed), (Some(value), Some(listed)), "{typed}");
        }
    }

    #[test]
    fn free_words_stay_as_they_are_and_lists_lose_their_order() {
        let ask = read(json!({"to": "q"}));
        let said = ask.one("Porque sí; B, a");
        assert_eq!((said.text.as_deref(), said.listed), (Some("Porque sí; B, a"), None));
        assert_eq!(said.parts.unwrap(), ["B", "Porque sí", "a"]);
        let said = ask.several(&["b", "a", "b"]);
        assert_eq!((said.text.as_deref(), said.parts.unwrap()), (Some("a, b"), vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn a_number_is_one_only_if_people_would_write_it_so() {
        for (text, wanted) in [
            ("5432", json!(5432)),
            ("-1", json!(-1)),
            ("1.50", json!(1.5)),
            ("1e3", Value::Null),
            ("inf", Value::Null),
            ("NaN", Value::Null),
            ("", Value::Null),
            ("12 MB", Value::Null),
        ] {
            assert_eq!(json!(number(text)), wanted, "{text}");
        }
    }

    #[test]
    fn a_network_is_known_by_any_address_in_it() {
        for (text, wanted) in [
            ("172.19.0.0/16", Some("172.19.0.0/16")),
            ("172.19.0.2/16", Some("172.19.0.0/16")),
            ("inet 172.19.0.2/16 brd 172.19.255.255 scope global eth0", Some("172.19.0.0/16")),
            ("Es 10.77.1.130/25.", Some("10.77.1.128/25")),
            ("(10.1.2.3/32)", Some("10.1.2.3/32")),
            ("10.1.2.3/0", Some("0.0.0.0/0")),
            ("inet6 fd00::2/64, inet 10.0.0.9/8", Some("10.0.0.0/8")),
            ("172.19.0.2", None),
            ("172.19.0.2/33", None),
            ("172.19.0/16", None),
            ("172.19.0.256/16", None),
            ("172.19.0.2/", None),
            ("/16", None),
            ("", None),
        ] {
            assert_eq!(subnet(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn the_facts_of_whoever_says_nothing_are_among_those_reported() {
        let unsaid: Facts = serde_json::from_str(Answer::WORD.unwrap().unsaid).unwrap();
        let reported: Vec<&str> = Answer::FACTS.iter().map(|(fact, _)| *fact).collect();
        assert!(unsaid.keys().all(|fact| reported.contains(&fact.as_str())) && unsaid.len() == reported.len());
        assert!(reported.contains(&Answer::WORD.unwrap().fact));
    }
}
