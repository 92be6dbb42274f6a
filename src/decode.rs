//! Typed values from nodes, without stopping at the first mistake: what cannot be read is noted at its place and the
//! rest is read all the same, so that an author sees all mistakes at once.

mod placed;

use std::fmt;
use std::sync::Arc;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::error::{Diagnostic, did_you_mean, suggestion};
use crate::node::{Key, Node, Tree};
use crate::source::{Source, Span};

pub use placed::Sp;

use placed::SPANNED;

/// Makes typed values from nodes. A mistake is noted at its place and the rest is read all the same, so that an
/// author sees all mistakes at once.
pub struct Decode {
    source: Arc<Source>,
    /// The mistakes found so far.
    pub mistakes: Vec<Diagnostic>,
    /// Keys of mappings (by their place) that are missing or unreadable, as noted, and are read as [`StandIn`].
    broken: Vec<(Span, String)>,
}

impl Decode {
    /// A decoder of nodes from `source`.
    pub fn new(source: &Arc<Source>) -> Decode {
        Decode { source: source.clone(), mistakes: Vec::new(), broken: Vec::new() }
    }

    /// The file that is read.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Notes a mistake; one in what stands in for a broken value has been noted where that is broken.
    pub fn mistake(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        if span == NOWHERE {
            return;
        }
        let source = self.source.clone();
        let mistake = Diagnostic { source, span, message: message.into(), help };
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }

    /// Makes a `T` of `node`, or notes why it cannot be one. What comes of a node with mistakes is good only for
    /// finding more of them.
    pub fn decode<T: DeserializeOwned>(&mut self, node: &Node) -> Option<T> {
        loop {
            // Serde gives a mapping up at the first broken key, so it reads again with a stand-in for that one.
            let n_broken = self.broken.len();
            let result = T::deserialize(At { node, decode: self });
            let result = At::noted(self, node.span, result);
            if self.broken.len() == n_broken {
                return result.ok();
            }
        }
    }

    /// Whether `node` has no `key`, not even a misspelt one.
    pub fn lacks(node: &Node, key: &str) -> bool {
        node.entries().iter().all(|(known, _)| did_you_mean(&known.name, [key]).is_none())
    }

    fn is_broken(&self, span: Span, key: &str) -> bool {
        self.broken.iter().any(|(place, broken)| *place == span && broken == key)
    }

    /// Remembers a broken key; `false` if its stand-in is of no use either.
    fn breaks(&mut self, span: Span, key: &str) -> bool {
        let new = !self.is_broken(span, key);
        if new {
            self.broken.push((span, key.to_owned()));
        }
        new
    }
}

/// The place of what stands nowhere.
const NOWHERE: Span = Span { start: usize::MAX, end: usize::MAX };

/// Reads a list whose unreadable items are noted and left out.
pub fn each<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let items = Vec::<Lenient<T>>::deserialize(deserializer)?;
    Ok(items.into_iter().filter_map(|item| item.0).collect())
}

/// Reads a value that is left out when it is unreadable, which has been noted then.
pub fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Lenient::deserialize(deserializer)?.0)
}

struct Lenient<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Lenient<T>, D::Error> {
        // The deserializer of this module notes a mistake before it passes it on.
        Ok(Lenient(T::deserialize(deserializer).ok()))
    }
}

/// A mistake on its way up; `noted` once it is in [`Decode::mistakes`].
#[derive(Debug)]
struct Wrong {
    message: String,
    help: Option<String>,
    /// The key that is missing, if that is what is wrong.
    missing: Option<&'static str>,
    noted: bool,
}

impl std::error::Error for Wrong {}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Wrong {
        Wrong { message: message.to_string(), help: None, missing: None, noted: false }
    }

    fn invalid_value(unexpected: de::Unexpected, expected: &dyn de::Expected) -> Wrong {
        let expected = match expected.to_string().as_str() {
            "u8" => "a whole number from 0 to 255".to_owned(),
            "u16" => "a whole number from 0 to 65535".to_owned(),
            "u32" | "u64" | "usize" => "a whole number, not negative".to_owned(),
            "i32" | "i64" => "a whole number".to_owned(),
            "a boolean" => "`true` or `false`".to_owned(),
            other => other.to_owned(),
        };
        let found = match unexpected {
            de::Unexpected::Str(text) => format!("the text `{text}`"),
            de::Unexpected::Bool(b) => format!("`{b}`"),
            de::Unexpected::Signed(n) => format!("`{n}`"),
            de::Unexpected::Unsigned(n) => format!("`{n}`"),
            de::Unexpected::Float(n) => format!("`{n}`"),
            de::Unexpected::Unit => "nothing".to_owned(),
            de::Unexpected::Seq => "a list".to_owned(),
            de::Unexpected::Map => "a mapping".to_owned(),
            other => other.to_string(),
        };
        Wrong::custom(format!("expected {expected}, found {found}"))
    }

    fn invalid_type(unexpected: de::Unexpected, expected: &dyn de::Expected) -> Wrong {
        Wrong::invalid_value(unexpected, expected)
    }

    fn missing_field(field: &'static str) -> Wrong {
        Wrong { missing: Some(field), ..Wrong::custom(format!("missing key `{field}`")) }
    }
}

/// A node being decoded.
struct At<'n, 'd> {
    node: &'n Node,
    decode: &'d mut Decode,
}

impl At<'_, '_> {
    /// Notes what went wrong, at this node unless a deeper one has noted it.
    fn noted<T>(decode: &mut Decode, span: Span, result: Result<T, Wrong>) -> Result<T, Wrong> {
        result.map_err(|wrong| {
            if !wrong.noted {
                decode.mistake(span, wrong.message.clone(), wrong.help.clone());
            }
            Wrong { noted: true, ..wrong }
        })
    }

    fn wrong_type<T>(self, expected: &str) -> Result<T, Wrong> {
        let message = format!("expected {expected}, found {}", self.node.kind());
        let scalar = matches!(self.node.value, Tree::Bool(_) | Tree::Int(_) | Tree::Float(_));
        let help = (expected == "a string" && scalar).then(|| "put it in quotes".to_owned());
        At::noted(self.decode, self.node.span, Err(Wrong { help, ..de::Error::custom(message) }))
    }

    /// The entries of a mapping without duplicates and, when `known` names them, without unknown keys.
    fn entries<'n>(decode: &mut Decode, entries: &'n [(Key, Node)], known: Option<&[&str]>) -> Entries<'n> {
        let mut seen: Vec<&str> = Vec::new();
        let mut kept = Vec::new();
        let mut meant = Vec::new();
        for (key, node) in entries {
            if seen.contains(&key.name.as_str()) {
                decode.mistake(key.span, format!("duplicate key `{}`", key.name), None);
                continue;
            }
            seen.push(&key.name);
            if let Some(known) = known.filter(|known| !known.contains(&key.name.as_str())) {
                let help = suggestion(&key.name, known.iter().copied());
                meant.extend(did_you_mean(&key.name, known.iter().copied()).map(str::to_owned));
                decode.mistake(key.span, format!("unknown key `{}`", key.name), help);
                continue;
            }
            kept.push((key, node));
        }
        Entries { kept: kept.into_iter(), meant }
    }
}

struct Entries<'n> {
    kept: std::vec::IntoIter<(&'n Key, &'n Node)>,
    /// Known keys that unknown ones were probably meant to be; they are not reported as missing.
    meant: Vec<String>,
}

struct MapAt<'n, 'd> {
    entries: std::vec::IntoIter<(&'n Key, &'n Node)>,
    /// Keys that are missing and have a stand-in.
    absent: Vec<String>,
    value: Option<(String, Option<&'n Node>)>,
    /// The place of the mapping.
    span: Span,
    decode: &'d mut Decode,
}

impl<'de> MapAccess<'de> for MapAt<'_, '_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let (key, node) = match self.entries.next() {
            Some((key, node)) => (key.clone(), Some(node)),
            None => match self.absent.pop() {
                Some(name) => (Key { name, span: NOWHERE }, None),
                None => return Ok(None),
            },
        };
        self.value = Some((key.name.clone(), node));
        let name = Node { value: Tree::Str(key.name), span: key.span };
        seed.deserialize(At { node: &name, decode: self.decode }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (key, node) = self.value.take().expect("serde asks for a value after its key");
        let Some(node) = node.filter(|_| !self.decode.is_broken(self.span, &key)) else {
            return seed.deserialize(StandIn).map_err(|wrong| Wrong { noted: true, ..wrong });
        };
        let result = seed.deserialize(At { node, decode: self.decode });
        if result.is_err() {
            self.decode.breaks(self.span, &key);
        }
        At::noted(self.decode, node.span, result)
    }
}

struct SeqAt<'n, 'd> {
    items: std::slice::Iter<'n, Node>,
    decode: &'d mut Decode,
}

impl<'de> SeqAccess<'de> for SeqAt<'_, '_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let result = seed.deserialize(At { node, decode: self.decode });
        At::noted(self.decode, node.span, result).map(Some)
    }
}

/// A word of an enum, with its value if it has one.
struct WordAt<'n, 'd> {
    word: &'n str,
    value: Option<&'n Node>,
    decode: &'d mut Decode,
}

impl<'de> EnumAccess<'de> for WordAt<'_, '_> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<W: DeserializeSeed<'de>>(self, seed: W) -> Result<(W::Value, Self), Wrong> {
        let word: StrDeserializer<Wrong> = self.word.into_deserializer();
        Ok((seed.deserialize(word)?, self))
    }
}

impl<'de> VariantAccess<'de> for WordAt<'_, '_> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(de::Error::custom(format!("`{0}` takes no value: write just `{0}`", self.word))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        match self.value {
            Some(node) => seed.deserialize(At { node, decode: self.decode }),
            None => Err(de::Error::custom(format!("`{0}` needs a value: write `{{{0}: …}}`", self.word))),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Wrong> {
        Err(de::Error::custom("a word has one value at most"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Wrong> {
        Err(de::Error::custom("a word has one value at most"))
    }
}

/// Start, end and value of an [`Sp`], in this order.
struct PlaceAt<'n, 'd> {
    part: usize,
    at: Option<At<'n, 'd>>,
}

impl<'de> SeqAccess<'de> for PlaceAt<'_, '_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let span = self.at.as_ref().map(|at| at.node.span).unwrap_or_default();
        self.part += 1;
        match self.part {
            1 => seed.deserialize((span.start as u64).into_deserializer()).map(Some),
            2 => seed.deserialize((span.end as u64).into_deserializer()).map(Some),
            _ => self.at.take().map(|at| seed.deserialize(at)).transpose(),
        }
    }
}

impl<'de> Deserializer<'de> for At<'_, '_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let At { node, decode } = self;
        let result = match &node.value {
            Tree::Null => visitor.visit_unit(),
            Tree::Bool(b) => visitor.visit_bool(*b),
            Tree::Int(n) => visitor.visit_i64(*n),
            Tree::Float(n) => visitor.visit_f64(*n),
            Tree::Str(s) => visitor.visit_str(s),
            Tree::Seq(items) => visitor.visit_seq(SeqAt { items: items.iter(), decode }),
            Tree::Map(entries) => {
                let entries = At::entries(decode, entries, None).kept;
                visitor.visit_map(MapAt { entries, absent: Vec::new(), value: None, span: node.span, decode })
            }
        };
        At::noted(decode, node.span, result)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let Tree::Map(entries) = &self.node.value else {
            let keys: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
            let few = keys.len() <= 4;
            return self.wrong_type(&if few {
                format!("a mapping with {}", keys.join(", "))
            } else {
                "a mapping".into()
            });
        };
        let At { node, decode } = self;
        let Entries { kept, meant } = At::entries(decode, entries, Some(fields));
        let is_absent = |field: &&str| {
            decode.is_broken(node.span, field) && kept.as_slice().iter().all(|(key, _)| key.name != **field)
        };
        let absent = fields.iter().copied().filter(is_absent).map(str::to_owned).collect();
        let result = visitor.visit_map(MapAt { entries: kept, absent, value: None, span: node.span, decode });
        let result = result.map_err(|wrong| {
            let Some(missing) = wrong.missing.filter(|_| !wrong.noted) else { return wrong };
            decode.breaks(node.span, missing);
            Wrong { noted: meant.iter().any(|field| field == missing), ..wrong }
        });
        At::noted(decode, node.span, result)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        // A key with nothing after its colon is no way to leave it out.
        visitor.visit_some(self)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.node.value {
            Tree::Str(_) => self.deserialize_any(visitor),
            _ => self.wrong_type("a string"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.node.value {
            Tree::Seq(_) => self.deserialize_any(visitor),
            _ => self.wrong_type("a list"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.node.value {
            Tree::Map(_) => self.deserialize_any(visitor),
            _ => self.wrong_type("a mapping"),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match name {
            SPANNED => visitor.visit_seq(PlaceAt { part: 0, at: Some(self) }),
            _ => self.deserialize_seq(visitor),
        }
    }

    /// Enums are plain words here (`from: vm`), or a word with a value (`from: {container: ams}`).
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let At { node, decode } = self;
        let (word, span, value) = match &node.value {
            Tree::Str(word) => (word, node.span, None),
            Tree::Map(entries) if entries.len() == 1 => (&entries[0].0.name, entries[0].0.span, Some(&entries[0].1)),
            _ => return At { node, decode }.wrong_type("a word"),
        };
        let result = if variants.contains(&word.as_str()) {
            visitor.visit_enum(WordAt { word, value, decode })
        } else {
            let help = suggestion(word, variants.iter().copied());
            Err(Wrong { help, ..de::Error::custom(format!("unknown word `{word}`")) })
        };
        At::noted(decode, span, result)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple ignored_any
    }
}

/// Something plausible in the place of a value that is missing or unreadable, so that the rest can be read.
struct StandIn;

impl<'de> Deserializer<'de> for StandIn {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_bool(false)
    }
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_u64(1)
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_str("x")
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_none()
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_seq(StandInParts { places: 0, values: 1 })
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_map(StandInFields(&[]))
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_map(StandInFields(fields))
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_seq(StandInParts { places: if name == SPANNED { 2 } else { 0 }, values: 1 })
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_enum(variants.first().copied().unwrap_or_default().into_deserializer())
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_str(visitor)
    }
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_u64(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u32 u128 f32 f64 char bytes byte_buf unit unit_struct tuple identifier ignored_any
    }
}

/// The parts of a list, or the place and value of an [`Sp`].
struct StandInParts {
    places: u8,
    values: u8,
}

impl<'de> SeqAccess<'de> for StandInParts {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        match (self.places, self.values) {
            (0, 0) => Ok(None),
            (0, _) => {
                self.values -= 1;
                seed.deserialize(StandIn).map(Some)
            }
            _ => {
                self.places -= 1;
                seed.deserialize((NOWHERE.start as u64).into_deserializer()).map(Some)
            }
        }
    }
}

/// The fields of a structure.
struct StandInFields(&'static [&'static str]);

impl<'de> MapAccess<'de> for StandInFields {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((field, rest)) = self.0.split_first() else { return Ok(None) };
        self.0 = rest;
        seed.deserialize((*field).into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        seed.deserialize(StandIn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::parse;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Door {
        name: Sp<String>,
        port: u16,
        #[serde(default, deserialize_with = "lenient")]
        open: Option<bool>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct House {
        #[serde(deserialize_with = "each")]
        doors: Vec<Door>,
        #[serde(default)]
        rest: Option<Node>,
    }

    fn read(text: &str) -> (Option<House>, Vec<String>) {
        let source = Source::new("house.yaml", text);
        let mut decode = Decode::new(&source);
        let house = match parse(&source) {
            Ok(node) => decode.decode::<House>(&node),
            Err(mistake) => {
                decode.mistakes.push(mistake);
                None
            }
        };
        let said = decode.mistakes.iter().map(|m| {
            let line = text[..m.span.start].matches('\n').count() + 1;
            format!("{line}: {}{}", m.message, m.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default())
        });
        (house, said.collect())
    }

    #[test]
    fn values_keep_their_places() {
        let text = "doors:\n  - {name: front, port: 80, open: true}\nrest: {a: [1, yes]}\n";
        let (house, said) = read(text);
        let house = house.unwrap();
        assert_eq!(said, [""; 0]);
        assert_eq!(&text[house.doors[0].name.span.start..house.doors[0].name.span.end], "front");
        assert_eq!(house.rest.unwrap().to_json(), serde_json::json!({"a": [1, "yes"]}));
    }

    #[test]
    fn all_mistakes_are_found_at_once_each_at_its_place() {
        let (_, said) = read(
            "doors:\n  - name: front\n    prot: 80\n  - name: 7\n    port: 80\n  - name: a\n    port: 99999\n  \
             - name: b\n    name: c\n    port: 1\n    open: maybe\nrst: 1\n",
        );
        assert_eq!(
            said,
            [
                "12: unknown key `rst` (did you mean `rest`?)",
                "3: unknown key `prot` (did you mean `port`?)",
                "4: expected a string, found a whole number (put it in quotes)",
                "7: expected a whole number from 0 to 65535, found `99999`",
                "9: duplicate key `name`",
                "11: expected `true` or `false`, found the text `maybe`",
            ]
        );
    }

    #[test]
    fn broken_yaml_is_reported_where_it_breaks() {
        let (_, said) = read("doors:\n  - name: \"x\n");
        assert_eq!(said.len(), 1, "{said:?}");
        let (_, said) = read("doors: [1\nrest: x\n");
        assert!(said[0].starts_with("2: "), "{said:?}");
    }

    #[test]
    fn a_bomb_of_aliases_is_stopped() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let before = format!("*a{}, ", n - 1).repeat(8);
            text += &format!("a{n}: &a{n} [{before}]\n");
        }
        let (house, said) = read(&text);
        assert!(house.is_none() && !said.is_empty());
    }
}
