//! What `rulec check --cost` prints, and what `--max-cost` refuses.

use core::cmp::Reverse;
use std::collections::BTreeMap;

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
    let indexes = report.indexes.worst;
    let indexes = match indexes > report.worst / 2 {
        true => format!(" (indexes, for all rules together: {indexes})"),
        false => String::new(),
    };
    Err(Failure::finding(format!(
        "a request can cost {} steps{indexes}, more than the {limit} of --max-cost; dearest by themselves: {}; \
         `rulec check --cost --format json` shows all",
        report.worst,
        named.join(", ")
    )))
}

/// So many rules, in words.
pub(crate) fn rules(count: usize) -> String {
    match count {
        1 => "1 rule".to_owned(),
        _ => format!("{count} rules"),
    }
}

/// The JSON form is stable: keys are added, never renamed.
#[derive(Debug, Serialize)]
struct CostReport<'a> {
    ruleset: &'a str,
    limits: Limits,
    typical: u64,
    worst: u64,
    indexes: IndexReport,
    rules: Vec<RuleReport<'a>>,
}

/// The requests that the worst case holds for.
#[derive(Debug, Serialize)]
struct Limits {
    head_bytes: u64,
    headers: u64,
    identity_bytes: u64,
}

/// What is paid once for all rules together.
#[derive(Debug, Serialize)]
struct IndexReport {
    typical: u64,
    worst: u64,
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
            indexes: IndexReport {
                typical: report.indexes.typical,
                worst: report.indexes.worst,
            },
            rules: rules.collect(),
        }
    }
}

fn human(report: &Report) -> String {
    let mut rules: Vec<&RuleCost> = report.rules.iter().collect();
    rules.sort_by_key(|rule| Reverse((rule.typical, rule.worst)));
    let shown = rules.get(..SHOWN).unwrap_or(&rules);
    let all = match rules.len() {
        1 => "the 1 rule".to_owned(),
        count => format!("all {count} rules"),
    };
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
    let cost = |typical: u64, worst: u64| (typical.to_string(), worst.to_string());
    line("rule", "looked at", "typical", "worst");
    for rule in shown {
        let (typical, worst) = cost(rule.typical, rule.worst);
        line(&rule.id, &rule.access, &typical, &worst);
    }
    let (typical, worst) = cost(report.indexes.typical, report.indexes.worst);
    line("indexes", "", &typical, &worst);
    let (typical, worst) = cost(report.typical, report.worst);
    line(&all, "", &typical, &worst);
    if rules.len() > shown.len() {
        text.push_str(&summary(&rules));
    }
    text
}

/// What is said of rules that are not shown.
fn summary(rules: &[&RuleCost]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for rule in rules {
        *counts.entry(&rule.access).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(access, count)| format!("{access} {count}"))
        .collect();
    format!(
        "\nThese are the {SHOWN} dearest of {}; `--cost --format json` prints all.\nLooked at: {}.\n",
        self::rules(rules.len()),
        counts.join(", ")
    )
}
