//! Chooses a rule's access predicates: a set of atoms of which one must be true whenever the rule matches.

use riskgate_engine::atoms::AtomId;

use super::condition::{Formula, Literal};

/// A set of access predicates and how common it is that one of them holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) atoms: Vec<AtomId>,
    commonness: u32,
}

/// `None`: the rule can match without any atom being true, so it has to be looked at on every request.
pub(super) fn choose(formula: &Formula) -> Option<Access> {
    match formula {
        Formula::Constant(true) | Formula::Literal(Literal { negated: true, .. }) => None,
        Formula::Constant(false) => Some(Access {
            atoms: Vec::new(),
            commonness: 0,
        }),
        Formula::Literal(literal) => Some(Access {
            atoms: vec![literal.atom],
            commonness: literal.commonness,
        }),
        Formula::All(parts) => parts
            .iter()
            .filter_map(choose)
            .min_by_key(|access| access.commonness),
        Formula::Any(parts) => parts.iter().map(choose).reduce(unite).flatten(),
    }
}

/// One of two alternatives must hold: any access predicate of either.
fn unite(left: Option<Access>, right: Option<Access>) -> Option<Access> {
    let (mut left, right) = (left?, right?);
    left.atoms.extend(right.atoms);
    left.atoms.sort_unstable();
    left.atoms.dedup();
    Some(Access {
        commonness: left.commonness.saturating_add(right.commonness),
        ..left
    })
}
