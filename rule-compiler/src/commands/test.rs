//! `rulec test`: run the tests of a ruleset folder.

use std::path::Path;

use riskgate_compiler::build::ruleset_in_memory;
use riskgate_compiler::testing::{self, Case, Native};
use riskgate_compiler::{front, ir};

use super::check::analyse;
use crate::args::{TestArgs, TestFormat};
use crate::failure::Failure;
use crate::output::{flush, is_colourful, print_line, tell};

pub(crate) fn run(args: &TestArgs) -> Result<(), Failure> {
    let folder = &args.ruleset;
    let ruleset = analyse(folder)?;
    let cases = chosen(read(folder, &ruleset)?, args)?;
    let loaded = ruleset_in_memory(&ruleset).map_err(Failure::finding)?;
    let report =
        testing::run(&cases, &ruleset, &mut Native::new(&loaded)).map_err(Failure::unable)?;
    print(&match args.format {
        TestFormat::Human => testing::human(&report, folder),
        TestFormat::Junit => testing::junit(&report, folder),
        TestFormat::Json => serde_json::to_string_pretty(&testing::json(&report, folder))
            .map_err(Failure::unable)?,
    })?;
    match report.failed_count() {
        0 => Ok(()),
        _ => Err(Failure::findings()),
    }
}

/// All tests of a ruleset; every diagnostic is printed.
fn read(folder: &Path, ruleset: &ir::Ruleset) -> Result<Vec<Case>, Failure> {
    let files = front::read_tests(folder).map_err(Failure::unable)?;
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
