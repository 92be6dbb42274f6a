//! The command line of what is put beside an installed labrun: completions for a shell, pages of the manual.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, Command, CommandFactory, ValueEnum};

use crate::cli::Cli;

/// `labrun completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
    /// The folder with the labs whose names are completed; by default `./labs` if it holds any, else those built in.
    #[arg(long, value_name = "DIR")]
    pub labs: Option<PathBuf>,
}

/// A shell whose completions labrun writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// The fish shell.
    Fish,
}

/// `labrun man`
#[derive(Debug, Args)]
pub struct Manual {
    /// The folder for the pages, such as `~/.local/share/man/man1`.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// The arguments that take the name of a lab or of a step, by command.
const NAMES_OF_LABS: [(&str, &str); 8] = [
    ("check", "targets"),
    ("watch", "targets"),
    ("submit", "targets"),
    ("class", "targets"),
    ("show", "target"),
    ("next", "lab"),
    ("hint", "check"),
    ("progress", "targets"),
];

/// The completions for `shell`, in which labs and steps go by `names`.
pub fn completions(shell: Shell, names: &[String]) -> String {
    let of_names = |tree: Command, (command, argument): (&'static str, &'static str)| {
        let parser = PossibleValuesParser::new(names.to_vec());
        tree.mut_subcommand(command, |command| command.mut_arg(argument, |argument| argument.value_parser(parser)))
    };
    let mut tree = NAMES_OF_LABS.into_iter().fold(Cli::command(), of_names);
    let (generator, more) = match shell {
        Shell::Bash => (clap_complete::Shell::Bash, String::new()),
        Shell::Zsh => (clap_complete::Shell::Zsh, String::new()),
        Shell::Fish => (clap_complete::Shell::Fish, fish_names(names)),
    };
    let mut written = Vec::new();
    clap_complete::generate(generator, &mut tree, "labrun", &mut written);
    String::from_utf8_lossy(&written).into_owned() + &more
}

/// What clap's completions for fish lack: the values of arguments that are not options.
fn fish_names(names: &[String]) -> String {
    let commands = NAMES_OF_LABS.map(|(command, _)| command).join(" ");
    let names = names.join(" ");
    format!("complete -c labrun -n \"__fish_seen_subcommand_from {commands}\" -f -a \"{names}\"\n")
}

/// The pages of the manual: of labrun, and of each command.
pub fn manual(folder: &Path) -> std::io::Result<()> {
    clap_mangen::generate_to(Cli::command(), folder)
}
