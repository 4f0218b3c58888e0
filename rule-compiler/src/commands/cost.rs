//! What `rulec check --cost` prints, and what `--max-cost` refuses.

use core::cmp::Reverse;
use std::collections::BTreeMap;

use riskgate_compiler::cost::{CounterCost, Report, RuleCost};
use riskgate_compiler::report::counted;

/// More rules are counted, for people.
const SHOWN: usize = 40;
/// Rules that an error names.
const NAMED: usize = 3;

/// Why a request costs too much, if it can cost more than `limit` steps.
pub(crate) fn excess(report: &Report, limit: u64) -> Option<String> {
    if report.worst <= limit {
        return None;
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
    Some(format!(
        "a request can cost {} steps{indexes}, more than the {limit} of --max-cost; dearest by themselves: {}; \
         `rulec check --cost --format json` shows all",
        report.worst,
        named.join(", ")
    ))
}

/// What a ruleset costs, the dearest rules first.
pub(crate) fn table(report: &Report) -> String {
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
        width(|rule| &rule.id, all.len().max(counter_width(report))),
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
    for CounterCost { name, cost: own } in &report.counters {
        let (typical, worst) = cost(own.typical, own.worst);
        line(&format!("counter {name}"), "", &typical, &worst);
    }
    let (typical, worst) = cost(report.typical, report.worst);
    line(&all, "", &typical, &worst);
    if rules.len() > shown.len() {
        text.push_str(&summary(&rules));
    }
    text
}

fn counter_width(report: &Report) -> usize {
    let widths = report.counters.iter();
    let widths = widths.map(|counter| "counter ".len() + counter.name.len());
    widths.max().unwrap_or_default()
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
        counted(rules.len(), "rule"),
        counts.join(", ")
    )
}
