//! Rules that never match, or always.

use super::{Subject, fold, walk::tests};
use crate::{
    diagnostic::{Code, Diagnostic},
    front::{context::Context, list::Lists, when::When, yaml::Node},
    ir::{Atom, Condition, ListValues},
    logic::{Conflict, Setting, Truth, truth},
};

/// The values of a list, and whether it is approximate.
type ListOf<'a> = dyn Fn(usize) -> Option<(&'a ListValues, bool)> + 'a;

/// Warns of a condition whose truth does not depend on the request, and tells whether there is one.
pub(super) fn constant(cx: &mut Context<'_>, subject: &Subject<'_, '_>) -> bool {
    let condition = &subject.when.condition;
    // What says so in as many words is meant.
    if *condition == Condition::Constant(true) {
        return true;
    }
    let lists = |index: usize| list(subject.lists, index);
    let found = whether(condition, at_any_time(&lists));
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
    let lists = |index: usize| list(subject.lists, index);
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

/// Warns of a `count_when` that no request and no response passes, and tells whether it is one.
pub(super) fn never_counts(
    cx: &mut Context<'_>,
    node: &Node,
    when: &When<'_>,
    lists: &Lists,
) -> bool {
    let lists = |index: usize| list(lists, index);
    if !matches!(
        whether(&when.condition, at_any_time(&lists)),
        Truth::Never(_)
    ) {
        return false;
    }
    let message = "this condition is never true: the counter stays at 0";
    let diagnostic = cx.diagnostic(Code::ConstantCondition, &node.range, message);
    cx.report(diagnostic.help("mend it, or delete the counter"));
    true
}

fn at_any_time<'c>(list: &'c ListOf<'c>) -> Setting<'c> {
    Setting {
        list,
        earliest_us: None,
    }
}

fn whether<'c>(condition: &'c Condition, setting: Setting<'c>) -> Truth<'c> {
    match fold(condition.clone()) {
        Condition::Constant(true) => Truth::Always,
        Condition::Constant(false) => Truth::Never(None),
        _ => truth(condition, setting),
    }
}

fn list(lists: &Lists, index: usize) -> Option<(&ListValues, bool)> {
    let list = lists.definitions.get(index)?;
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
