//! `rulec check`: report what is wrong with a ruleset folder.

use std::collections::BTreeSet;
use std::path::Path;

use riskgate_compiler::build::ruleset_in_memory;
use riskgate_compiler::cost::reckon;
use riskgate_compiler::diagnostic::Code;
use riskgate_compiler::front::{self, Analysis};
use riskgate_compiler::lower::{ApproximateList, approximate_lists};
use riskgate_compiler::report::{self, Report};
use riskgate_compiler::{cost as reckoning, ir};

use super::cost;
use crate::args::{CheckArgs, Deny, ReportFormat};
use crate::failure::Failure;
use crate::output::{flush, is_colourful, print_line, tell};
use crate::time::{now_s, parse_time_s};

pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let at_s = args.at.as_deref().map(|at| parse_time_s(at, "--at"));
    let at_s = at_s.transpose()?.unwrap_or_else(now_s);
    let mut analysis = read(&args.ruleset, args.attributes.as_deref(), Some(at_s))?;
    deny(&mut analysis, &args.deny);
    let (failures, cost) = compile(&analysis, args);
    let report = Report {
        analysis: &analysis,
        failures,
        cost: cost.as_ref().filter(|_| args.cost),
    };
    match args.format {
        ReportFormat::Human => human(&report)?,
        ReportFormat::Json => print(&report::json(&report).map_err(Failure::unable)?)?,
        ReportFormat::Sarif => print(&report::sarif(&report).map_err(Failure::unable)?)?,
    }
    match report.has_errors() {
        true => Err(Failure::findings()),
        false => Ok(()),
    }
}

/// The ruleset of a folder, for a command that needs one; every diagnostic is printed.
pub(crate) fn analyse(folder: &Path, attributes: Option<&Path>) -> Result<ir::Ruleset, Failure> {
    let analysis = read(folder, attributes, None)?;
    tell(&analysis.report(is_colourful()));
    let report = Report {
        analysis: &analysis,
        failures: Vec::new(),
        cost: None,
    };
    if report.has_errors() {
        tell(&format!("{}\n", report.summary()));
    }
    let ruleset = analysis.ruleset.ok_or_else(Failure::findings)?;
    tell(&approximations(&ruleset));
    Ok(ruleset)
}

fn read(folder: &Path, attributes: Option<&Path>, at_s: Option<u64>) -> Result<Analysis, Failure> {
    let sources = front::read_ruleset_with(folder, attributes).map_err(Failure::unable)?;
    let at_us = at_s.and_then(|at_s| i64::try_from(at_s).ok()?.checked_mul(1_000_000));
    let mut analysis = match at_us {
        Some(at_us) => front::analyse_at(&sources, at_us),
        None => front::analyse(&sources),
    };
    analysis.sources.seen_through(folder);
    Ok(analysis)
}

fn deny(analysis: &mut Analysis, wanted: &[Deny]) {
    let codes: BTreeSet<Code> = wanted.iter().filter_map(|deny| deny.code()).collect();
    let all = wanted.contains(&Deny::Warnings);
    analysis.deny(|code| all || codes.contains(&code));
}

/// What no single place of the ruleset is to blame for shows only when it is compiled, and so does what it costs.
fn compile(analysis: &Analysis, args: &CheckArgs) -> (Vec<String>, Option<reckoning::Report>) {
    let Some(ruleset) = &analysis.ruleset else {
        return (Vec::new(), None);
    };
    if let Err(error) = ruleset_in_memory(ruleset) {
        return (vec![error.to_string()], None);
    }
    if !args.cost && args.max_cost.is_none() {
        return (Vec::new(), None);
    }
    match reckon(ruleset) {
        Ok(report) => {
            let excess = args.max_cost.and_then(|limit| cost::excess(&report, limit));
            (excess.into_iter().collect(), Some(report))
        }
        Err(error) => (vec![error.to_string()], None),
    }
}

fn human(report: &Report<'_>) -> Result<(), Failure> {
    tell(&report.analysis.report(is_colourful()));
    if let Some(ruleset) = &report.analysis.ruleset {
        tell(&(approximations(ruleset) + &counters(ruleset)));
    }
    if let Some(cost) = report.cost {
        print(&cost::table(cost))?;
    }
    for failure in &report.failures {
        tell(&format!("error: {failure}\n"));
    }
    tell(&format!("{}\n", report.summary()));
    Ok(())
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    print_line(&mut out, text.trim_end())?;
    flush(&mut out)
}

/// What counters take of a filter's memory, a line for each.
fn counters(ruleset: &ir::Ruleset) -> String {
    let note = |counter: &ir::Counter| {
        format!(
            "note: counter `{}` keeps {} keys apart, in at most {:.1} MiB of each worker's memory\n",
            counter.name,
            counter.max_keys,
            counter.memory_bytes() as f64 / f64::from(1 << 20),
        )
    };
    ruleset.counters.iter().map(note).collect()
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
