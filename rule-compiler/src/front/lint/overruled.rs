//! Rules that never decide because another one with the same condition always does.

use std::collections::HashMap;

use crate::{
    diagnostic::{Code, Diagnostic, Diagnostics, Span},
    ir::{Active, Outcome, Rule, Stage},
};

/// Warns of rules whose condition is that of a rule that comes before them in a decision. `places` are those of the rules' ids.
pub(crate) fn overruled(rules: &[Rule], places: &[Span], diagnostics: &mut Diagnostics) {
    let mut order: Vec<(&Rule, &Span)> = rules.iter().zip(places).collect();
    // A stable sort: rules of one priority are in source order already.
    order.sort_by_key(|(rule, _)| -i64::from(rule.priority));
    let mut deciding: HashMap<String, (&Rule, &Span)> = HashMap::new();
    for (rule, place) in order {
        if rule.then.terminal.is_none() {
            continue;
        }
        let condition = format!("{:?}", rule.when);
        match deciding.get(&condition) {
            Some(earlier) if is_only_terminal(rule) => {
                diagnostics.push(warning(rule, place, *earlier));
            }
            Some(_) => {}
            None if decides_always(rule) => {
                deciding.insert(condition, (rule, place));
            }
            None => {}
        }
    }
}

fn warning(rule: &Rule, place: &Span, (earlier, first): (&Rule, &Span)) -> Diagnostic {
    let message = format!(
        "this rule never decides: `{}` has the same condition and comes first",
        earlier.id
    );
    let mut diagnostic = Diagnostic::new(Code::Overruled, place.clone(), message)
        .related(first.clone(), "it decides whenever both match")
        .help("delete one of them, or change its priority or its condition");
    diagnostic.rule = Some(rule.id.clone());
    diagnostic
}

fn decides_always(rule: &Rule) -> bool {
    rule.stage == Stage::Enforce && rule.active == Active::default()
}

/// A rule that adds a score or a tag does that, and one in shadow tells what it would do.
fn is_only_terminal(rule: &Rule) -> bool {
    let Outcome { score, tags, .. } = &rule.then;
    score.is_none() && tags.is_empty() && rule.stage == Stage::Enforce
}
