//! Approximate lists where a mistake lets somebody in.

use super::{
    Aim, Effect, Subject, about_tests,
    walk::{Tested, tests},
};
use crate::{
    diagnostic::Code,
    front::{check::Place, context::Context},
    ir::Test,
};

/// Warns of a rule that lets through whoever is taken for a value of a list, where a list may take strangers for its values.
pub(super) fn admits_strangers(cx: &mut Context<'_>, subject: &Subject<'_, '_>) {
    let effect = Effect::of(subject.then);
    let tests = tests(subject.when);
    let is_approximate = |index: usize| {
        let list = subject.lists.definitions.get(index);
        list.is_some_and(|list| list.approximate)
    };
    let is_trusted = |tested: &&Tested<'_, '_>| {
        matches!(tested.atom.test, Test::InList(index) if is_approximate(index))
            && effect.rewards(tested.positive) == Some(Aim::Feign)
    };
    let places: Vec<&Place<'_>> = tests
        .iter()
        .filter(is_trusted)
        .map(|tested| tested.place)
        .collect();
    let message = |written: &str| {
        format!(
            "the list that `{written}` is looked up in is approximate: this rule lets through some that are not on it"
        )
    };
    if let Some(diagnostic) = about_tests(cx, Code::ApproximateListAdmits, &places, message) {
        cx.report(diagnostic.help(
            "leave `approximate` out of the list, or let another exact test decide beside it",
        ));
    }
}
