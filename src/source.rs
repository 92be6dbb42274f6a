//! A file as text, and places in it.

use std::sync::Arc;

/// A text that mistakes are reported in: where it came from and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// A path, or `built-in/labs/lab1.yaml`.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

impl Source {
    /// A source to be shared by all places in it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source { name: name.into(), text: text.into() })
    }
}

/// A place in a source, as a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The place that starts at `start` and is `len` bytes long.
    pub fn new(start: usize, len: usize) -> Span {
        Span { start, end: start + len }
    }
}
