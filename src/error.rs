//! Author mistakes and other errors, and how they are shown: path:line:col, the line itself, carets, then help.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::source::{Source, Span};
use crate::verdict::Outcome;

/// One mistake in a lab, check or world file, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file.
    pub source: Arc<Source>,
    /// The place in it.
    pub span: Span,
    /// What is wrong: a lowercase fragment, names in backticks.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// `path:line:col`, the source line with carets, and the help, as the Rust compiler shows it.
    pub fn render(&self, color: bool) -> String {
        let end = self.span.end.min(self.source.text.len());
        let start = self.span.start.min(end);
        // A block value is marked on its first line only; the rest of it is not the mistake.
        let first_line = self.source.text[start..end].split('\n').next().unwrap_or_default().len();
        let place = start..start + first_line.max(usize::from(start < self.source.text.len()));
        let snippet = Snippet::source(self.source.text.as_str())
            .path(self.source.name.as_str())
            .annotation(AnnotationKind::Primary.span(place));
        let mut group = Level::ERROR.primary_title(self.message.as_str()).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

/// Why a command of labrun could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for something that does not exist.
    #[error("{0}")]
    Usage(String),
    /// Labs, library checks or worlds have mistakes: all of them, at their places.
    #[error("{}", counted(.0.len(), "mistake"))]
    Authoring(Vec<Diagnostic>),
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {why}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is nothing to play worlds on.
    #[error("{0}")]
    NoMachine(String),
    /// The user interrupted the run.
    #[error("interrupted: nothing was graded")]
    Interrupted,
    /// The user interrupted work that goes on where it was left.
    #[error("interrupted: {0}")]
    Paused(String),
}

impl Error {
    /// The process's exit code for this error: 2 usage, 3 bad lab, 4 nothing to look at, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::File { .. } | Error::Format { .. } => 2,
            Error::Authoring(_) => 3,
            Error::NoMachine(_) => 4,
            Error::Interrupted | Error::Paused(_) => 130,
        }
    }
}

/// The process's exit code for a report: 1 if anything failed or is blocked, else 4 if anything is unknown, else 0.
pub fn exit_code(outcome: Outcome) -> ExitCode {
    ExitCode::from(match outcome {
        Outcome::Fail | Outcome::Blocked => 1,
        Outcome::Unknown => 4,
        Outcome::Deferred | Outcome::Pass => 0,
    })
}

/// `1 mistake`, `2 mistakes`.
pub fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// The candidate that `word` was probably meant to be.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (word.len().min(candidate.len()) / 3).min(2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ``did you mean `status`?``, or the list of what exists.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(meant) = did_you_mean(word, candidates.clone()) {
        return Some(format!("did you mean `{meant}`?"));
    }
    let known: Vec<String> = candidates.into_iter().map(|name| format!("`{name}`")).collect();
    (!known.is_empty()).then(|| format!("known here: {}", known.join(", ")))
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}
