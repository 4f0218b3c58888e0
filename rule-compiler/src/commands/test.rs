//! `rulec test`: run the tests of a ruleset folder.

use std::path::Path;

use riskgate_compiler::build::{ruleset_in_memory, traced_in_memory};
use riskgate_compiler::explain::Texts;
use riskgate_compiler::front::{self, ReadError};
use riskgate_compiler::ir;
use riskgate_compiler::testing::{self, Case, Coverage, Native, Report};
use serde_json::Value;

use super::check::analyse;
use crate::args::{TestArgs, TestFormat};
use crate::failure::Failure;
#[cfg(feature = "wasm")]
use crate::output::read_bytes;
use crate::output::{flush, is_colourful, print_line, tell};

pub(crate) fn run(args: &TestArgs) -> Result<(), Failure> {
    let folder = &args.ruleset;
    let ruleset = analyse(folder, args.attributes.as_deref())?;
    let cases = chosen(read(folder, &ruleset)?, args)?;
    let (report, coverage) = run_tests(&cases, &ruleset, args)?;
    let shown = coverage.as_ref().filter(|_| args.coverage);
    print(&text(&report, shown, args)?)?;
    let too_little = coverage.zip(args.min_coverage);
    let too_little = too_little.filter(|(coverage, least)| coverage.percent() < *least);
    if let Some((coverage, least)) = too_little {
        let percent = coverage.percent();
        return Err(Failure::finding(format!(
            "the tests cover {percent:.1} %, and {least} % are wanted; `--coverage` tells what they leave out"
        )));
    }
    match report.failed_count() {
        0 => Ok(()),
        _ => Err(Failure::findings()),
    }
}

fn run_tests(
    cases: &[Case],
    ruleset: &ir::Ruleset,
    args: &TestArgs,
) -> Result<(Report, Option<Coverage>), Failure> {
    #[cfg(feature = "wasm")]
    if let Some(path) = &args.wasm {
        return Ok((run_in_module(cases, ruleset, path)?, None));
    }
    if !args.coverage && args.min_coverage.is_none() {
        let loaded = ruleset_in_memory(ruleset).map_err(Failure::finding)?;
        let report = testing::run(cases, ruleset, &mut Native::new(&loaded));
        return Ok((report.map_err(Failure::unable)?, None));
    }
    let (loaded, ids) = traced_in_memory(ruleset).map_err(Failure::finding)?;
    let sources = front::read_ruleset_with(&args.ruleset, args.attributes.as_deref())
        .map_err(Failure::unable)?;
    let texts = Texts::with_source(&loaded, ruleset, &ids);
    let coverage = Coverage::new(ruleset, &ids, &front::atom_places(&sources), &texts);
    let mut native = Native::covering(&loaded, coverage);
    let report = testing::run(cases, ruleset, &mut native).map_err(Failure::unable)?;
    Ok((report, native.into_coverage()))
}

#[cfg(feature = "wasm")]
const NOT_CHECKED: &str =
    "not checked: a filter tells nobody the tags of a request that does not pass";

/// A hundred times what the filter takes.
#[cfg(feature = "wasm")]
const MODULE_LEN_MAX: usize = 64 << 20;

/// A run in a filter's module; what that does not show is told.
#[cfg(feature = "wasm")]
fn run_in_module(cases: &[Case], ruleset: &ir::Ruleset, path: &Path) -> Result<Report, Failure> {
    let wasm = read_bytes(path, "module", MODULE_LEN_MAX)?;
    let loaded = ruleset_in_memory(ruleset).map_err(Failure::finding)?;
    let decider = testing::InModule::new(&wasm, ruleset, &loaded);
    let mut decider = decider.map_err(|reason| {
        Failure::unable(format!(
            "cannot test in `{}`: {reason}; give the riskgate_filter.wasm of this version",
            path.display()
        ))
    })?;
    let report = testing::run(cases, ruleset, &mut decider).map_err(Failure::unable)?;
    match report.untold_count() {
        0 => {}
        1 => tell(&format!(
            "note: 1 expectation of `tags` was {NOT_CHECKED}\n"
        )),
        count => tell(&format!(
            "note: {count} expectations of `tags` were {NOT_CHECKED}\n"
        )),
    }
    Ok(report)
}

fn text(report: &Report, coverage: Option<&Coverage>, args: &TestArgs) -> Result<String, Failure> {
    let folder = &args.ruleset;
    let human = |coverage: &Coverage| coverage.human(folder);
    match args.format {
        TestFormat::Human => {
            Ok(testing::human(report, folder) + &coverage.map(human).unwrap_or_default())
        }
        TestFormat::Junit => {
            // The XML has no place for it.
            tell(&coverage.map(human).unwrap_or_default());
            Ok(testing::junit(report, folder))
        }
        TestFormat::Json => {
            let mut document = testing::json(report, folder);
            if let (Value::Object(document), Some(coverage)) = (&mut document, coverage) {
                document.insert("coverage".to_owned(), coverage.json(folder));
            }
            serde_json::to_string_pretty(&document).map_err(Failure::unable)
        }
    }
}

/// All tests of a ruleset; every diagnostic is printed.
fn read(folder: &Path, ruleset: &ir::Ruleset) -> Result<Vec<Case>, Failure> {
    let files = front::read_tests(folder).map_err(|error| match error {
        // The files can be read; one of them has a mistake in its name.
        ReadError::MisnamedTest { .. } => Failure::finding(error),
        _ => Failure::unable(error),
    })?;
    let analysis = front::analyse_tests(&files, ruleset, folder);
    tell(&analysis.report(is_colourful()));
    analysis.tests.ok_or_else(Failure::findings)
}

/// A run that tests nothing must not look like one that passed.
fn chosen(mut cases: Vec<Case>, args: &TestArgs) -> Result<Vec<Case>, Failure> {
    if cases.is_empty() {
        let folder = args.ruleset.join("tests");
        return Err(Failure::finding(format!(
            "no tests in {}; write one into a file there that ends in `.test.yaml`",
            folder.display()
        )));
    }
    if let Some(text) = &args.only {
        cases.retain(|case| case.name.contains(text));
        if cases.is_empty() {
            return Err(Failure::finding(format!(
                "no test has `{text}` in its name; leave `--only` out to run all"
            )));
        }
    }
    Ok(cases)
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    print_line(&mut out, text.trim_end())?;
    flush(&mut out)
}
