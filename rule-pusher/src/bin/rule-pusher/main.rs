//! `rule-pusher`: serves signed bundles to filters, publishes them, and shows what became of them.

mod args;
mod deliveries;
mod exit;
mod open_files;
mod publish;
mod serve;
mod status;
mod table;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Verb};

fn main() -> ExitCode {
    let Args { verb } = Args::parse();
    let outcome = match verb {
        Verb::Serve(args) => serve::run(args),
        Verb::Publish(args) => publish::run(&args),
        Verb::Status(args) => status::run(&args),
    };
    exit::code(outcome)
}
