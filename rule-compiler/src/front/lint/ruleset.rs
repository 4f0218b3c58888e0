//! Warnings about a ruleset as a whole.

use crate::{
    diagnostic::{Code, Diagnostic, Diagnostics, FileId, Span},
    front::{counter::Counters, list::Lists},
    ir::Rule,
};

/// A ruleset of which every request gets the default.
pub(crate) fn no_rules(manifest: FileId, rules: &[Rule], diagnostics: &mut Diagnostics) {
    if rules.is_empty() {
        let diagnostic = Diagnostic::new(
            Code::NoRules,
            Span::new(manifest, 0..0),
            "the ruleset has no rules",
        );
        diagnostics
            .push(diagnostic.help("put them into files beside this one that end in `.rules.yaml`"));
    }
}

/// Lists that no condition names.
pub(crate) fn unused_lists(lists: &Lists, diagnostics: &mut Diagnostics) {
    for list in lists.definitions.iter().filter(|list| !list.used) {
        let message = format!("no rule uses the list `{}`", list.name);
        diagnostics.push(
            Diagnostic::new(Code::UnusedList, list.name_span.clone(), message)
                .help("use it or delete it"),
        );
    }
}

/// Counters that no condition compares.
pub(crate) fn unused_counters(counters: &Counters, diagnostics: &mut Diagnostics) {
    for counter in counters.definitions.iter().filter(|counter| !counter.used) {
        let message = format!("no rule uses the counter `{}`", counter.name);
        diagnostics.push(
            Diagnostic::new(Code::UnusedCounter, counter.name_span.clone(), message)
                .help("use it or delete it: filters count all the same, in memory of its own"),
        );
    }
}

/// Suppressions of warnings that there are none of.
pub(crate) fn unused_suppressions(is_time_known: bool, diagnostics: &mut Diagnostics) {
    let unused = diagnostics.suppressions.unused();
    let can_tell = |code: Code| is_time_known || code != Code::OverForGood;
    let found: Vec<Diagnostic> = unused
        .filter(|(_, code, _)| can_tell(*code))
        .map(|(rule, code, span)| {
            let place = match rule {
                Some(_) => "this rule",
                None => "the ruleset",
            };
            let message = format!("{place} has no {code} to suppress");
            let mut diagnostic = Diagnostic::new(Code::UnusedSuppression, span.clone(), message);
            diagnostic.rule = rule.map(str::to_owned);
            diagnostic.help("delete it: it could hide a warning that comes later")
        })
        .collect();
    found.into_iter().for_each(|found| diagnostics.push(found));
}
