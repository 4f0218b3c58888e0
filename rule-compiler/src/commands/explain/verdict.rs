//! `rulec explain BUNDLE --request FILE`: why a request gets its verdict.

use std::io::IsTerminal as _;
use std::path::Path;

use riskgate_compiler::build::{load_unverified, traced_in_memory};
use riskgate_compiler::explain::{self, Explanation, Subject, Texts};
use riskgate_compiler::lower::Provenance;
use riskgate_compiler::request_json;
use riskgate_engine::bundle::Bundle;

use crate::args::{ExplainArgs, Format};
use crate::commands::{check::analyse, inspect::provenance};
use crate::failure::Failure;
use crate::output::{read_bundle, read_text};
use crate::time::{now_s, parse_time_s};

pub(super) fn text(subject: &Path, request: &Path, args: &ExplainArgs) -> Result<String, Failure> {
    let explanation = match subject.is_dir() {
        true => of_folder(subject, request, args)?,
        false => of_bundle(subject, request, args)?,
    };
    Ok(match args.format {
        Format::Human => explain::human(&explanation, !std::io::stdout().is_terminal()),
        Format::Json => {
            serde_json::to_string_pretty(&explain::json(&explanation)).map_err(Failure::unable)?
        }
    })
}

/// The source is at hand, so that patterns are shown as they were written.
fn of_folder(folder: &Path, request: &Path, args: &ExplainArgs) -> Result<Explanation, Failure> {
    let source = analyse(folder, args.attributes.as_deref())?;
    let (ruleset, atoms) = traced_in_memory(&source).map_err(Failure::finding)?;
    let subject = Subject {
        ruleset: &ruleset,
        texts: Texts::with_source(&ruleset, &source, &atoms),
        provenance: Some(Provenance::new(&source)),
        revision: None,
    };
    explain(&subject, request, args)
}

fn of_bundle(path: &Path, request: &Path, args: &ExplainArgs) -> Result<Explanation, Failure> {
    let bytes = read_bundle(path)?;
    let unusable =
        |reason: String| Failure::finding(format!("cannot use `{}`: {reason}", path.display()));
    let ruleset = load_unverified(&bytes, None).map_err(|error| unusable(error.to_string()))?;
    let bundle = Bundle::parse(&bytes).map_err(|error| unusable(error.to_string()))?;
    let provenance = provenance(&bundle).map_err(unusable)?;
    let lists = provenance.as_ref().map(|known| known.lists.clone());
    let subject = Subject {
        ruleset: &ruleset,
        texts: Texts::new(&ruleset, lists.unwrap_or_default()),
        provenance,
        revision: Some(ruleset.revision()),
    };
    explain(&subject, request, args)
}

fn explain(
    subject: &Subject<'_>,
    request: &Path,
    args: &ExplainArgs,
) -> Result<Explanation, Failure> {
    let text = read_text(request, "request")?;
    let parsed = request_json::parse(&text).and_then(|parsed| {
        if let Some(known) = &subject.provenance {
            parsed.check_attributes(&known.custom_attributes)?;
        }
        Ok(parsed)
    });
    let request =
        parsed.map_err(|error| Failure::unable(format!("{}: {error}", request.display())))?;
    let at_s = match &args.at {
        Some(at) => parse_time_s(at, "--at")?,
        None => now_s(),
    };
    let default_us = i64::try_from(at_s)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000);
    let at_us = request.time_us().unwrap_or(default_us);
    explain::explain(subject, &request, at_us, args.rule.as_deref()).map_err(Failure::unable)
}
