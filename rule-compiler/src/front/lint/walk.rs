//! The tests of a condition with their places.

use crate::{
    front::{check::Place, when::When},
    ir::{Atom, Condition},
};

/// A test where it stands.
pub(super) struct Tested<'w, 'n> {
    pub(super) atom: &'w Atom,
    pub(super) place: &'w Place<'n>,
    /// Whether the condition wants it to be true; false below an odd number of negations.
    pub(super) positive: bool,
    /// Whether it stands right below a negation.
    pub(super) negated: bool,
}

/// All tests of a condition, in the order in which they stand there.
pub(super) fn tests<'w, 'n>(when: &'w When<'n>) -> Vec<Tested<'w, 'n>> {
    let mut found = Vec::new();
    collect(
        &when.condition,
        true,
        false,
        &mut |atom, positive, negated| {
            found.push((atom, positive, negated));
        },
    );
    let places = found.into_iter().zip(&when.atoms);
    places
        .map(|((atom, positive, negated), place)| Tested {
            atom,
            place,
            positive,
            negated,
        })
        .collect()
}

fn collect<'w>(
    condition: &'w Condition,
    positive: bool,
    negated: bool,
    found: &mut impl FnMut(&'w Atom, bool, bool),
) {
    match condition {
        Condition::Constant(_) => {}
        Condition::Atom(atom) => found(atom, positive, negated),
        Condition::Not(inner) => collect(inner, !positive, true, found),
        Condition::All(parts) | Condition::Any(parts) => {
            for part in parts {
                collect(part, positive, false, found);
            }
        }
    }
}
