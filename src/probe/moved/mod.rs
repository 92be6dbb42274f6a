//! When it is worth looking again, kind by kind, for whoever looks while somebody works.

/// How often something is looked at again though the engine told of nothing: some of what a kind sees moves without
/// that, and every look costs the machine something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Again {
    /// It dials, or reads a file: a service comes up, a table is made.
    Often,
    /// The engine tells of all that moves it, or a look takes some work. Looking again is to be sure.
    Seldom,
    /// A look leaves something behind, takes many requests, or a container of labrun's own.
    Rarely,
}
