//! `rulec`: the rule compiler's command line.
//!
//! Exit codes: 0 fine, 1 findings (a ruleset with errors, a bundle that would be refused), 2 usage or I/O.

#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where the output cannot be written; `output` does not"
)]

mod args;
mod commands;
mod failure;
mod output;
mod replace;
mod time;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Build(args) => commands::build::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Init(args) => commands::init::run(&args),
        Command::Fmt(args) => commands::fmt::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Keygen(args) => commands::keygen::run(&args),
        Command::Man(args) => commands::man::run(&args),
        Command::Rollback(args) => commands::rollback::run(&args),
        Command::Schema(args) => commands::schema::run(&args),
        Command::Sign(args) => commands::sign::run(&args),
        Command::Test(args) => commands::test::run(&args),
        Command::Diff(args) => commands::diff::run(&args),
        Command::Replay(args) => commands::replay::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            failure.exit_code()
        }
    }
}
