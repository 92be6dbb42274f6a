//! What is looked at and whose work it is: what `check`, `submit` and `watch` have in common.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{id_of_student, setting};

/// What is looked at, and whose work it is.
#[derive(Debug, Args)]
pub struct WorkArgs {
    /// Labs or steps of them, such as `lab1` or `lab2/data`; `course` for all of them; a path to a lab file works too.
    #[arg(required = true, value_name = "LAB[/STEP]")]
    pub targets: Vec<String>,
    /// Set a parameter of the labs.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// The student's answers and choices; by default `./labrun.yaml`, else `~/labrun.yaml`, if there is one.
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
    /// Whose work it is, whatever their own file says.
    #[arg(long, value_name = "ID", value_parser = id_of_student)]
    pub student: Option<String>,
    /// Make parameters of the student's id, where a lab has such and whatever the course says.
    #[arg(long)]
    pub personal: bool,
}
