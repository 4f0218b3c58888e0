//! `rulec check`: report what is wrong with a ruleset folder.

use std::io::IsTerminal as _;
use std::path::Path;

use riskgate_compiler::build::ruleset_in_memory;
use riskgate_compiler::lower::{ApproximateList, approximate_lists};
use riskgate_compiler::{front, ir};

use super::cost;
use crate::args::CheckArgs;
use crate::failure::Failure;
use crate::output::tell;

pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let ruleset = analyse(&args.ruleset)?;
    // What no single place of the ruleset is to blame for shows only when it is compiled.
    ruleset_in_memory(&ruleset).map_err(Failure::finding)?;
    if args.cost {
        cost::print(&ruleset, args.format)?;
    }
    cost::enforce(&ruleset, args.max_cost)?;
    tell(&format!(
        "{}: {}, no errors\n",
        ruleset.name,
        cost::rules(ruleset.rules.len())
    ));
    Ok(())
}

/// Reads and checks a ruleset, and prints every diagnostic.
pub(crate) fn analyse(folder: &Path) -> Result<ir::Ruleset, Failure> {
    let sources = front::read_ruleset(folder).map_err(Failure::unable)?;
    let analysis = front::analyse(&sources);
    let is_colourful = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tell(&analysis.report(is_colourful));
    let ruleset = analysis.ruleset.ok_or_else(Failure::findings)?;
    tell(&approximations(&ruleset));
    Ok(ruleset)
}

/// What authors of approximate lists agreed to, a line for each.
fn approximations(ruleset: &ir::Ruleset) -> String {
    let note = |list: ApproximateList<'_>| {
        format!(
            "note: list `{}` is approximate: {} values in {} bytes, and about 1 in {} other values counts as one of them\n",
            list.name, list.value_count, list.length, list.false_positives_one_in
        )
    };
    approximate_lists(ruleset).map(note).collect()
}
