//! The binary: reads the command line and the environment, runs, and turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use labrun::cli::Cli;
use labrun::run::{Environment, report_error, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::read();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("labrun: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(cli, &environment));
    // A look-up or a command that hangs must not keep the process from ending.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| report_error(&error, &environment))
}
