//! The student's machine, as the command line names it.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use console::Term;
use indicatif::ProgressBar;

use crate::cli::SshArgs;
use crate::render::tame;
use crate::run::{Environment, say};
use crate::text::{Lang, Text};
use crate::vm::Vm;
use crate::vm::address::Address;
use crate::vm::ssh::{Prompt, Ssh, SshOptions};

/// The machine at `address`. This never fails: one that cannot be reached answers every question by saying why.
pub fn open(address: &Address, ssh: &SshOptions, environment: &Environment) -> Box<dyn Vm> {
    match address {
        Address::Local => Box::new(environment.local()),
        Address::Ssh { .. } => Box::new(Ssh::new(address.clone(), ssh.clone())),
    }
}

/// How machines are reached over SSH, by the command line and the environment. Nobody is asked for anything.
pub fn ssh_options(args: &SshArgs, environment: &Environment) -> SshOptions {
    SshOptions {
        identities: args.identities.clone(),
        password_file: args.password_file.clone(),
        known_hosts: args.known_hosts.clone(),
        accept_new_host_key: args.accept_new_host_key,
        connect_timeout: args.connect_timeout,
        outside: args.outside.clone(),
        helper: args.helper.clone(),
        home: environment.home.as_ref().map(PathBuf::from),
        user: environment.user.clone(),
        agent: environment.agent.clone(),
        prompt: None,
        say: None,
    }
}

/// The same, with whoever sits at the terminal being told and, where there is one to type at, asked for secrets.
pub fn at_terminal(options: SshOptions, bar: &ProgressBar, lang: Lang) -> SshOptions {
    let (asking, saying) = (bar.clone(), bar.clone());
    let prompt: Prompt = Arc::new(move |what: &Text| {
        asking.suspend(|| {
            let mut terminal = Term::stderr();
            write!(terminal, "labrun: {}: ", tame(what.get(lang), 400)).ok()?;
            terminal.read_secure_line().ok().filter(|line| !line.is_empty())
        })
    });
    let listens = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    SshOptions {
        prompt: Some(prompt).filter(|_| listens),
        say: Some(Arc::new(move |text: &Text| {
            saying.suspend(|| say(&format!("labrun: {}", tame(text.get(lang), 4000))));
        })),
        ..options
    }
}
