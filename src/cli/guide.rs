//! The command line of what a student reads while working.

use std::path::PathBuf;

use clap::Args;

use crate::text::Lang;

/// `labrun show`
#[derive(Debug, Args)]
pub struct Show {
    /// A lab, or a step of it: `lab1`, `lab1/port`; a path to a lab file works too.
    #[arg(index = 1, value_name = "LAB[/STEP]")]
    pub target: String,
    /// The step, where it is not part of the first word.
    #[arg(index = 2, value_name = "STEP")]
    pub step: Option<String>,
    /// How it is read.
    #[command(flatten)]
    pub reading: Reading,
}

/// `labrun next`
#[derive(Debug, Args)]
pub struct Next {
    /// Only in this lab; by default the one that was looked at last comes first.
    #[arg(value_name = "LAB")]
    pub lab: Option<String>,
    /// How it is read.
    #[command(flatten)]
    pub reading: Reading,
}

/// `labrun hint`
#[derive(Debug, Args)]
pub struct Hint {
    /// A check, or a step or lab, of which the first check that fails is meant; by default that of `labrun next`.
    #[arg(value_name = "CHECK")]
    pub check: Option<String>,
    /// How it is read.
    #[command(flatten)]
    pub reading: Reading,
}

/// `labrun progress`
#[derive(Debug, Args)]
pub struct Progress {
    /// Labs, with all their steps; by default all labs, with the steps of those that were begun.
    #[arg(value_name = "LAB")]
    pub targets: Vec<String>,
    /// How it is read.
    #[command(flatten)]
    pub reading: Reading,
}

/// In which language, and of which labs.
#[derive(Debug, Args)]
pub struct Reading {
    /// The language; by default that of the locale, Spanish if it has none.
    #[arg(long)]
    pub lang: Option<Lang>,
    /// The folder with the labs, or `built-in`; by default `./labs` if it holds any, else those built in.
    #[arg(long, value_name = "DIR")]
    pub labs: Option<PathBuf>,
}
