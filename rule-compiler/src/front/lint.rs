//! Warnings: rules that can be built but most likely do not mean what they say.

use std::collections::HashSet;

use super::{
    check::{Place, is_many_valued},
    context::Context,
    counter::Counters,
    list::Lists,
    when::When,
    yaml::Node,
};
use crate::{
    cost,
    diagnostic::{Code, Diagnostic, Diagnostics, FileId, Span},
    ir::{Atom, Base, Comparison, Condition, Number, Outcome, Rule, Terminal, Test, View},
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
pub(crate) fn unused_suppressions(diagnostics: &mut Diagnostics) {
    let unused = diagnostics.suppressions.unused();
    let found: Vec<Diagnostic> = unused
        .map(|(rule, code, span)| {
            let place = match rule {
                Some(_) => "this rule",
                None => "ruleset.yaml",
            };
            let message = format!("{place} has no {code} to suppress");
            let mut diagnostic = Diagnostic::new(Code::UnusedSuppression, span.clone(), message);
            diagnostic.rule = rule.map(str::to_owned);
            diagnostic.help("delete it: it could hide a warning that comes later")
        })
        .collect();
    found.into_iter().for_each(|found| diagnostics.push(found));
}

/// An allow rule that lets through whoever adds a good value to a bad one.
pub(crate) fn allow_trusts_many_values(cx: &mut Context<'_>, when: &When<'_>, then: &Outcome) {
    if then.terminal != Some(Terminal::Allow) {
        return;
    }
    let mut search = Search {
        places: when.atoms.iter(),
        found: Vec::new(),
    };
    search.walk(&when.condition, true, &HashSet::new());
    for place in search.found {
        let range = place.range(cx);
        let written = cx.text.get(range.clone()).unwrap_or("");
        let message = format!(
            "this allow rule trusts `{written}`, of which a client can send several values"
        );
        let diagnostic = cx.diagnostic(Code::AllowTrustsManyValues, &range, message);
        cx.report(diagnostic.help("add `size(..) == 1` on the same header, parameter or cookie to the `all` that it stands in"));
    }
}

/// The condition without its constants, with a warning if only a constant is left of it.
pub(crate) fn constant_condition(
    cx: &mut Context<'_>,
    node: &Node,
    condition: Condition,
) -> Condition {
    if condition == Condition::Constant(true) {
        return condition;
    }
    let folded = fold(condition);
    if let Condition::Constant(value) = folded {
        let (message, help) = if value {
            (
                "this condition is always true",
                "write `when: true` if every request is meant",
            )
        } else {
            ("this condition is never true", "delete the rule")
        };
        cx.report(
            cx.diagnostic(Code::ConstantCondition, &node.range, message)
                .help(help),
        );
    }
    folded
}

/// A condition that can hold although nothing that it tests does, so that no index can leave the rule out.
pub(crate) fn always_checked(cx: &mut Context<'_>, node: &Node, condition: &Condition) {
    if matches!(condition, Condition::Constant(_)) || !holds_without_any(condition, true) {
        return;
    }
    let message = format!(
        "every request has to be tested against this condition, at about {} steps each",
        cost::of_condition(condition)
    );
    let diagnostic = cx.diagnostic(Code::AlwaysChecked, &node.range, message);
    cx.report(diagnostic.help(
        "require something besides that an index finds, such as a path's prefix: `request.path.startsWith(\"/api/\") && (..)`",
    ));
}

/// Whether a condition can be `wanted` while all of its atoms are false.
fn holds_without_any(condition: &Condition, wanted: bool) -> bool {
    match condition {
        Condition::Constant(value) => *value == wanted,
        // What was counted is known only once the rule is looked at.
        Condition::Atom(atom) => !wanted || atom.attribute.base.is_counter(),
        Condition::Not(inner) => holds_without_any(inner, !wanted),
        Condition::All(parts) | Condition::Any(parts) => {
            let mut holds = parts.iter().map(|part| holds_without_any(part, wanted));
            if matches!(condition, Condition::All(_)) == wanted {
                holds.all(|holds| holds)
            } else {
                holds.any(|holds| holds)
            }
        }
    }
}

/// Walks a condition's atoms in the order in which their places were noted.
struct Search<'w, 'n> {
    places: core::slice::Iter<'w, Place<'n>>,
    found: Vec<&'w Place<'n>>,
}

impl Search<'_, '_> {
    /// `trusted` is false below an odd number of negations: there, a further value can only keep the rule from matching.
    fn walk<'c>(&mut self, condition: &'c Condition, trusted: bool, counted: &HashSet<&'c Base>) {
        match condition {
            Condition::Constant(_) => {}
            Condition::Not(inner) => self.walk(inner, !trusted, counted),
            Condition::All(operands) | Condition::Any(operands) => {
                let mut counted = counted.clone();
                collect_counted(condition, trusted, &mut counted);
                operands
                    .iter()
                    .for_each(|operand| self.walk(operand, trusted, &counted));
            }
            Condition::Atom(atom) => {
                let place = self.places.next();
                if trusted && trusts_a_value(atom) && !counted.contains(&atom.attribute.base) {
                    self.found.extend(place);
                }
            }
        }
    }
}

fn trusts_a_value(atom: &Atom) -> bool {
    is_many_valued(&atom.attribute.base)
        && atom.attribute.view != View::Size
        && atom.test != Test::Present
}

/// The attributes of which `size(a) == 1` must be true for `condition` to be `holds`.
fn collect_counted<'c>(condition: &'c Condition, holds: bool, counted: &mut HashSet<&'c Base>) {
    match condition {
        Condition::Not(inner) => collect_counted(inner, !holds, counted),
        // No operand of an `any` that does not hold does.
        Condition::All(operands) if holds => collect_all(operands, holds, counted),
        Condition::Any(operands) if !holds => collect_all(operands, holds, counted),
        Condition::Atom(Atom {
            attribute,
            test: Test::Compare(Comparison::Equal, Number::Int(1)),
        }) if holds && attribute.view == View::Size && attribute.transforms.is_empty() => {
            counted.insert(&attribute.base);
        }
        _ => {}
    }
}

fn collect_all<'c>(operands: &'c [Condition], holds: bool, counted: &mut HashSet<&'c Base>) {
    for operand in operands {
        collect_counted(operand, holds, counted);
    }
}

/// Takes constants out of a condition; those that are left stand alone.
fn fold(condition: Condition) -> Condition {
    match condition {
        Condition::Constant(_) | Condition::Atom(_) => condition,
        Condition::Not(inner) => match fold(*inner) {
            Condition::Constant(value) => Condition::Constant(!value),
            inner => Condition::Not(Box::new(inner)),
        },
        Condition::All(operands) => fold_operands(operands, true, Condition::All),
        Condition::Any(operands) => fold_operands(operands, false, Condition::Any),
    }
}

/// `neutral` changes nothing among the operands, its opposite decides them.
fn fold_operands(
    operands: Vec<Condition>,
    neutral: bool,
    join: fn(Vec<Condition>) -> Condition,
) -> Condition {
    let mut kept = Vec::new();
    for operand in operands {
        match fold(operand) {
            Condition::Constant(value) if value == neutral => {}
            Condition::Constant(value) => return Condition::Constant(value),
            operand => kept.push(operand),
        }
    }
    match kept.len() {
        0 => Condition::Constant(neutral),
        1 => kept.pop().unwrap_or(Condition::Constant(neutral)),
        _ => join(kept),
    }
}

#[cfg(test)]
mod tests {
    use super::fold;
    use crate::ir::{Atom, Attribute, Base, Condition, Test, View};

    fn atom(base: Base) -> Condition {
        Condition::Atom(Atom {
            attribute: Attribute {
                base,
                transforms: vec![],
                view: View::Value,
            },
            test: Test::Present,
        })
    }

    #[test]
    fn constants_go() {
        use Condition::{All, Any, Constant, Not};
        let (a, b) = (|| atom(Base::Method), || atom(Base::Path));
        let cases = [
            (All(vec![a(), Constant(true)]), a()),
            (All(vec![a(), Constant(false)]), Constant(false)),
            (Any(vec![a(), Constant(true)]), Constant(true)),
            (
                Any(vec![a(), Not(Box::new(Constant(true))), b()]),
                Any(vec![a(), b()]),
            ),
            (
                All(vec![Constant(true), Not(Box::new(Constant(false)))]),
                Constant(true),
            ),
            (Any(vec![Constant(false)]), Constant(false)),
            (
                Not(Box::new(All(vec![a(), b()]))),
                Not(Box::new(All(vec![a(), b()]))),
            ),
        ];
        for (before, after) in cases {
            assert_eq!(fold(before.clone()), after, "{before:?}");
        }
    }
}
