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

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use failure::Failure;

fn main() -> ExitCode {
    let result = match Args::try_parse() {
        Ok(args) => run(args.command),
        Err(usage) => tell_usage(&usage),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            failure.report();
            failure.exit_code()
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Init(args) => commands::init::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Fmt(args) => commands::fmt::run(&args),
        Command::Test(args) => commands::test::run(&args),
        Command::Keygen(args) => commands::keygen::run(&args),
        Command::Build(args) => commands::build::run(&args),
        Command::Sign(args) => commands::sign::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Diff(args) => commands::diff::run(&args),
        Command::Replay(args) => commands::replay::run(&args),
        Command::Rollback(args) => commands::rollback::run(&args),
        Command::Schema(args) => commands::schema::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Man(args) => commands::man::run(&args),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Prints help, the version, or what is wrong with the arguments; help that cannot be printed is an error, as all output is.
fn tell_usage(usage: &clap::Error) -> Result<ExitCode, Failure> {
    let printed = usage.print().and_then(|()| std::io::stdout().flush());
    if !usage.use_stderr() {
        printed.or_else(|error| Failure::output(&error))?;
    }
    Ok(u8::try_from(usage.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from))
}
