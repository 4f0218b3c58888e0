//! `rulec completions`: what a shell needs to complete commands and options.

use clap::CommandFactory as _;

use crate::args::{Args, CompletionsArgs};
use crate::failure::Failure;
use crate::output::{flush, print_line};

pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    // Into memory first: the generator stops the program where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "rulec", &mut script);
    let mut out = std::io::stdout().lock();
    print_line(&mut out, String::from_utf8_lossy(&script).trim_end())?;
    flush(&mut out)
}
