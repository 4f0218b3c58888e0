//! `rulec check`: report what is wrong with a ruleset folder.

use std::io::IsTerminal as _;
use std::path::Path;

use riskgate_compiler::build::ruleset_in_memory;
use riskgate_compiler::{front, ir};

use crate::args::CheckArgs;
use crate::failure::Failure;
use crate::output::tell;

pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let ruleset = analyse(&args.ruleset)?;
    // What no single place of the ruleset is to blame for shows only when it is compiled.
    ruleset_in_memory(&ruleset).map_err(Failure::finding)?;
    tell(&format!(
        "{}: {} rules, no errors\n",
        ruleset.name,
        ruleset.rules.len()
    ));
    Ok(())
}

/// Reads and checks a ruleset, and prints every diagnostic.
pub(crate) fn analyse(folder: &Path) -> Result<ir::Ruleset, Failure> {
    let sources = front::read_ruleset(folder).map_err(Failure::unable)?;
    let analysis = front::analyse(&sources);
    let is_colourful = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tell(&analysis.report(is_colourful));
    analysis.ruleset.ok_or_else(Failure::findings)
}
