//! Conditions that every request has to be tested against.

use crate::{
    cost,
    diagnostic::Code,
    front::{context::Context, yaml::Node},
    ir::Condition,
};

/// A condition that can hold although nothing that it tests does, so that no index can leave the rule out.
pub(super) fn always_checked(cx: &mut Context<'_>, node: &Node, condition: &Condition) {
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
