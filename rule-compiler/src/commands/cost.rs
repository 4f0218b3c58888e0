//! What `rulec check --cost` prints, and what `--max-cost` refuses.

use core::cmp::Reverse;

use riskgate_compiler::cost::limits::{HEAD_LEN, HEADER_COUNT, IDENTITY_LEN};
use riskgate_compiler::cost::{Report, RuleCost, reckon};
use riskgate_compiler::ir::Ruleset;
use serde::Serialize;

use crate::args::Format;
use crate::failure::Failure;
use crate::output::{flush, print_line};

/// More rules are counted, for people.
const SHOWN: usize = 40;
/// Rules that an error names.
const NAMED: usize = 3;

/// Prints what a ruleset costs.
pub(crate) fn print(ruleset: &Ruleset, format: Format) -> Result<(), Failure> {
    let report = reckon(ruleset).map_err(Failure::finding)?;
    let text = match format {
        Format::Human => human(&report),
        Format::Json => serde_json::to_string_pretty(&CostReport::new(ruleset, &report))
            .map_err(Failure::unable)?,
    };
    let mut out = std::io::stdout().lock();
    print_line(&mut out, text.trim_end())?;
    flush(&mut out)
}

/// Fails if a request can cost more than `limit` steps.
pub(crate) fn enforce(ruleset: &Ruleset, limit: Option<u64>) -> Result<(), Failure> {
    let Some(limit) = limit else {
        return Ok(());
    };
    let report = reckon(ruleset).map_err(Failure::finding)?;
    if report.worst <= limit {
        return Ok(());
    }
    let mut rules: Vec<&RuleCost> = report.rules.iter().collect();
    rules.sort_by_key(|rule| Reverse(rule.worst));
    let named: Vec<String> = rules
        .iter()
        .take(NAMED)
        .map(|rule| format!("`{}` ({})", rule.id, rule.worst))
        .collect();
    Err(Failure::finding(format!(
        "a request can cost {} steps, more than the {limit} of --max-cost; dearest by themselves: {}; \
         `rulec check --cost` shows all",
        report.worst,
        named.join(", ")
    )))
}

/// The JSON form is stable: keys are added, never renamed.
#[derive(Debug, Serialize)]
struct CostReport<'a> {
    ruleset: &'a str,
    limits: Limits,
    typical: u64,
    worst: u64,
    rules: Vec<RuleReport<'a>>,
}

/// The requests that the worst case holds for.
#[derive(Debug, Serialize)]
struct Limits {
    head_bytes: u64,
    headers: u64,
    identity_bytes: u64,
}

#[derive(Debug, Serialize)]
struct RuleReport<'a> {
    id: &'a str,
    access: &'a str,
    typical: u64,
    worst: u64,
}

impl<'a> CostReport<'a> {
    fn new(ruleset: &'a Ruleset, report: &'a Report) -> CostReport<'a> {
        let rules = report.rules.iter().map(|rule| RuleReport {
            id: &rule.id,
            access: &rule.access,
            typical: rule.typical,
            worst: rule.worst,
        });
        CostReport {
            ruleset: &ruleset.name,
            limits: Limits {
                head_bytes: HEAD_LEN,
                headers: HEADER_COUNT,
                identity_bytes: IDENTITY_LEN,
            },
            typical: report.typical,
            worst: report.worst,
            rules: rules.collect(),
        }
    }
}

fn human(report: &Report) -> String {
    let mut rules: Vec<&RuleCost> = report.rules.iter().collect();
    rules.sort_by_key(|rule| Reverse((rule.typical, rule.worst)));
    let shown = rules.get(..SHOWN).unwrap_or(&rules);
    let all = format!("all {} rules", report.rules.len());
    let width = |text: fn(&RuleCost) -> &str, title: usize| {
        let widths = shown.iter().map(|rule| text(rule).chars().count());
        widths.max().unwrap_or_default().max(title)
    };
    let (id, access) = (
        width(|rule| &rule.id, all.len()),
        width(|rule| &rule.access, 9),
    );
    let mut text = String::new();
    let mut line = |name: &str, found: &str, typical: &str, worst: &str| {
        let line = format!("{name:<id$}  {found:<access$}  {typical:>12}  {worst:>12}");
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line("rule", "looked at", "typical", "worst");
    for rule in shown {
        line(
            &rule.id,
            &rule.access,
            &rule.typical.to_string(),
            &rule.worst.to_string(),
        );
    }
    if rules.len() > shown.len() {
        line(
            &format!("and {} more", rules.len() - shown.len()),
            "",
            "",
            "",
        );
    }
    line(
        &all,
        "",
        &report.typical.to_string(),
        &report.worst.to_string(),
    );
    text
}
