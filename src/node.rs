//! YAML as a tree that remembers its places. The only module that knows the YAML parser.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Spanned, options::DuplicateKeyPolicy};

use crate::decode::Sp;
use crate::error::Diagnostic;
use crate::source::{Source, Span};

/// A value in a YAML file and its place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Tree,
    /// Where it stands.
    pub span: Span,
}

impl JsonSchema for Node {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Node".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}

/// What a schema says of a [`Node`] that is a single value.
pub struct Scalar;

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

/// The shapes a [`Node`] can have.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Tree {
    /// Nothing after the colon, `~` or `null`.
    #[default]
    Null,
    /// `true` or `false` (`yes` and `on` are strings).
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A string.
    Str(String),
    /// A sequence.
    Seq(Vec<Node>),
    /// A mapping, in order, duplicates kept.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// The value under `key` of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.name == key).map(|(_, node)| node)
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Tree::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The same as plain data, places forgotten. Of duplicate keys the last one counts.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.value {
            Tree::Null => Value::Null,
            Tree::Bool(b) => (*b).into(),
            Tree::Int(n) => (*n).into(),
            Tree::Float(n) => (*n).into(),
            Tree::Str(s) => s.as_str().into(),
            Tree::Seq(items) => items.iter().map(Node::to_json).collect(),
            Tree::Map(entries) => {
                Value::Object(entries.iter().map(|(k, node)| (k.name.clone(), node.to_json())).collect())
            }
        }
    }

    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Tree::Null => "nothing",
            Tree::Bool(_) => "true or false",
            Tree::Int(_) => "a whole number",
            Tree::Float(_) => "a number",
            Tree::Str(_) => "a string",
            Tree::Seq(_) => "a list",
            Tree::Map(_) => "a mapping",
        }
    }
}

/// Parses YAML 1.2: booleans are `true` and `false` only, `010` and `1_000` are strings, aliases and size are bounded.
pub fn parse(source: &Arc<Source>) -> Result<Node, Diagnostic> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: 50_000, max_depth: 64 },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Yaml>(&source.text, options).map(Node::from).map_err(|error| {
        let start = error.location().map_or(0, |at| byte_at(&source.text, at.line(), at.column()));
        let said = error.to_string();
        // The place is shown already.
        let said = said.split(" at line ").next().unwrap_or_default();
        let (message, help) = explain(said);
        let tab = said.contains("tab").then(|| tab_after(&source.text, start)).flatten();
        let help = help.map(str::to_owned);
        Diagnostic { source: source.clone(), span: Span::new(tab.unwrap_or(start), 1), message, help }
    })
}

/// What another program wrote as YAML, as plain data, within the same bounds; none when it is no YAML.
pub fn plain(text: &str) -> Option<serde_json::Value> {
    parse(&Source::new("", text)).ok().map(|node| node.to_json())
}

/// What the parser says, in the words of those who write labs.
fn explain(said: &str) -> (String, Option<&'static str>) {
    let known = [
        ("budget breached", "more than a lab ever holds: too many values, or aliases that multiply them", None),
        ("multiple YAML documents", "`---` begins a second document here, and a file holds one", None),
        ("tab", "a tab: YAML is indented with spaces", None),
        (
            "mapping values are not allowed",
            "a colon where no key can be",
            Some("a text that holds `: ` stands in quotes; otherwise see whether the line begins in the right column"),
        ),
        ("unexpected character: ``'", "a text cannot begin with a backquote", Some("put the text in quotes")),
        (
            "after double-quoted scalar",
            "the text in quotes has ended before this",
            Some("is a closing quote missing further up? a quote within a text is written `\\\"`"),
        ),
        ("'-' indicator", "this line fits neither the list nor the mapping before it", Some(COLUMN)),
        ("expected <block end>", "this line fits neither the list nor the mapping before it", Some(COLUMN)),
    ];
    match known.into_iter().find(|(part, ..)| said.contains(part)) {
        Some((_, message, help)) => (message.to_owned(), help),
        None => (said.to_owned(), None),
    }
}

const COLUMN: &str = "what belongs together begins in the same column";

/// The first tab that indents a line, from the line of `start` on.
fn tab_after(text: &str, start: usize) -> Option<usize> {
    let line = text[..start].rfind('\n').map_or(0, |end| end + 1);
    let indents = |at: &usize| text[..*at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty());
    text[line..].match_indices('\t').map(|(at, _)| line + at).find(indents)
}

/// The byte offset of a line and column, both from 1, the column in characters.
fn byte_at(text: &str, line: u64, column: u64) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1) as usize).map(str::len).sum();
    let rest = &text[start..];
    start + rest.char_indices().nth(column.saturating_sub(1) as usize).map_or(rest.len(), |(byte, _)| byte)
}

fn span_of<T>(spanned: &Spanned<T>) -> Span {
    let span = spanned.referenced.span();
    match (span.byte_offset(), span.byte_len()) {
        (Some(start), Some(len)) => Span::new(start as usize, len as usize),
        _ => Span::default(),
    }
}

/// A [`Node`] as the YAML parser hands it over.
struct Yaml(Node);

impl From<Yaml> for Node {
    fn from(yaml: Yaml) -> Node {
        yaml.0
    }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Yaml, D::Error> {
        let spanned = Spanned::<Shape<Yaml, YamlKey>>::deserialize(deserializer)?;
        Ok(Yaml(Node { span: span_of(&spanned), value: spanned.value.tree }))
    }
}

/// A [`Key`] as the YAML parser hands it over.
struct YamlKey(Key);

impl From<YamlKey> for Key {
    fn from(yaml: YamlKey) -> Key {
        yaml.0
    }
}

impl<'de> Deserialize<'de> for YamlKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<YamlKey, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(YamlKey(Key { span: span_of(&spanned), name: spanned.value }))
    }
}

/// A part of a file kept as it stands, for what is given a type only later.
impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        let placed = Sp::<Shape<Node, Key>>::deserialize(deserializer)?;
        Ok(Node { span: placed.span, value: placed.value.tree })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        let placed = Sp::<String>::deserialize(deserializer)?;
        Ok(Key { span: placed.span, name: placed.value })
    }
}

/// A tree whose nodes are read as `N` and whose keys are read as `K`.
struct Shape<N, K> {
    tree: Tree,
    read_as: PhantomData<(N, K)>,
}

impl<'de, N, K> Deserialize<'de> for Shape<N, K>
where
    N: Deserialize<'de> + Into<Node>,
    K: Deserialize<'de> + Into<Key>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tree = deserializer.deserialize_any(AnyTree(PhantomData::<(N, K)>))?;
        Ok(Shape { tree, read_as: PhantomData })
    }
}

struct AnyTree<N, K>(PhantomData<(N, K)>);

impl<'de, N, K> Visitor<'de> for AnyTree<N, K>
where
    N: Deserialize<'de> + Into<Node>,
    K: Deserialize<'de> + Into<Key>,
{
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a YAML value")
    }
    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }
    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
        inner.deserialize_any(self)
    }
    fn visit_bool<E>(self, b: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(b))
    }
    fn visit_i64<E>(self, n: i64) -> Result<Tree, E> {
        Ok(Tree::Int(n))
    }
    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Tree, E> {
        i64::try_from(n).map(Tree::Int).map_err(|_| E::custom("number too large"))
    }
    fn visit_f64<E>(self, n: f64) -> Result<Tree, E> {
        Ok(Tree::Float(n))
    }
    fn visit_str<E>(self, s: &str) -> Result<Tree, E> {
        Ok(Tree::Str(s.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut seq = Vec::new();
        while let Some(item) = items.next_element::<N>()? {
            seq.push(item.into());
        }
        Ok(Tree::Seq(seq))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some((key, node)) = entries.next_entry::<K, N>()? {
            map.push((key.into(), node.into()));
        }
        Ok(Tree::Map(map))
    }
}
