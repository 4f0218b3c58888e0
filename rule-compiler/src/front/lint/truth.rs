//! Rules that never match, or always.

use super::{Subject, fold, walk::tests};
use crate::{
    diagnostic::{Code, Diagnostic},
    front::context::Context,
    ir::{Atom, Condition, ListValues},
    logic::{Conflict, Setting, Truth, truth},
};

/// Warns of a condition whose truth does not depend on the request, and tells whether there is one.
pub(super) fn constant(cx: &mut Context<'_>, subject: &Subject<'_, '_>) -> bool {
    let condition = &subject.when.condition;
    // What says so in as many words is meant.
    if *condition == Condition::Constant(true) {
        return true;
    }
    let lists = |index: usize| list(subject, index);
    let setting = Setting {
        list: &lists,
        earliest_us: None,
    };
    let found = match fold(condition.clone()) {
        Condition::Constant(true) => Truth::Always,
        Condition::Constant(false) => Truth::Never(None),
        _ => truth(condition, setting),
    };
    let report = |cx: &Context<'_>, message: &str, help: &str| {
        cx.diagnostic(Code::ConstantCondition, &subject.node.range, message)
            .help(help)
    };
    let diagnostic = match found {
        Truth::Open => return false,
        Truth::Always => report(
            cx,
            "this condition is always true",
            "write `when: true` if every request is meant",
        ),
        Truth::Never(reason) => {
            let never = report(
                cx,
                "this condition is never true",
                "mend it, or delete the rule",
            );
            reason.map_or_else(
                || never.clone(),
                |reason| explain(cx, subject, never.clone(), reason),
            )
        }
    };
    cx.report(diagnostic);
    true
}

/// Warns of a rule that matched once, and never will again.
pub(super) fn over_for_good(cx: &mut Context<'_>, subject: &Subject<'_, '_>) {
    let Some(now_us) = subject.now_us else {
        return;
    };
    if let Some((active, node)) = &subject.active
        && active.until_us.is_some_and(|until_us| until_us <= now_us)
    {
        let message = "this rule's time is over: it never matches again";
        let diagnostic = cx.diagnostic(Code::OverForGood, &node.range, message);
        cx.report(diagnostic.help("delete the rule, or give it a new `until`"));
        return;
    }
    let lists = |index: usize| list(subject, index);
    let setting = Setting {
        list: &lists,
        earliest_us: Some(now_us),
    };
    if let Truth::Never(_) = truth(&subject.when.condition, setting) {
        let message = "this condition waits for a time that is over: it is never true again";
        let diagnostic = cx.diagnostic(Code::OverForGood, &subject.node.range, message);
        cx.report(diagnostic.help("delete the rule, or compare `request.time` with another time"));
    }
}

fn list<'s>(subject: &Subject<'s, '_>, index: usize) -> Option<(&'s ListValues, bool)> {
    let list = subject.lists.definitions.get(index)?;
    Some((list.values.as_ref()?, list.approximate))
}

/// With the tests that are to blame, if there are only two.
fn explain(
    cx: &Context<'_>,
    subject: &Subject<'_, '_>,
    diagnostic: Diagnostic,
    reason: Conflict<'_>,
) -> Diagnostic {
    let tests = tests(subject.when);
    let span = |atom: &Atom| {
        let tested = tests
            .iter()
            .find(|tested| core::ptr::eq(tested.atom, atom))?;
        Some(cx.span(&tested.place.range(cx)))
    };
    match (span(reason.atom), reason.against.map(span)) {
        (Some(one), Some(Some(other))) => diagnostic
            .related(other, "what this test asks for")
            .related(one, "rules out what this one does"),
        (Some(one), None) => diagnostic.related(one, "no request passes this test"),
        _ => diagnostic,
    }
}
