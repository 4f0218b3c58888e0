//! Ways to make a condition true or false: sets of tests and how each is to come out.

use std::rc::Rc;

use super::Want;
use crate::diff::resolve::{Atom, Formula};

/// Of more ways the first are tried.
const WAYS_MAX: usize = 24;

/// Tests, and how each is to come out; none stands twice.
pub(super) type Goal = Vec<Want>;

/// Ways for `formula` to come out as `holds` says.
pub(super) fn ways(formula: &Formula, holds: bool) -> Vec<Goal> {
    match formula {
        Formula::Constant(value) if *value == holds => vec![Goal::new()],
        Formula::Constant(_) => Vec::new(),
        Formula::Literal(atom, is_positive) => vec![vec![Want {
            atom: Rc::clone(atom),
            holds: *is_positive == holds,
        }]],
        Formula::All(parts) | Formula::Any(parts) => {
            let own: Vec<Vec<Goal>> = parts.iter().map(|part| ways(part, holds)).collect();
            if matches!(formula, Formula::All(_)) == holds {
                let none = vec![Goal::new()];
                own.iter().fold(none, |all, part| both(&all, part))
            } else {
                in_turn(own)
            }
        }
    }
}

/// Ways to reach one of `a` and one of `b` together.
pub(super) fn both(a: &[Goal], b: &[Goal]) -> Vec<Goal> {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
    pairs
        .filter_map(|(a, b)| joined(a, b))
        .take(WAYS_MAX)
        .collect()
}

/// None if they contradict each other.
fn joined(a: &Goal, b: &Goal) -> Option<Goal> {
    let mut goal = a.clone();
    for want in b {
        match goal.iter().find(|own| own.atom == want.atom) {
            Some(own) if own.holds != want.holds => return None,
            Some(_) => {}
            None => goal.push(want.clone()),
        }
    }
    Some(goal)
}

/// The first of each, then the second of each: alternatives differ more than the ways of one.
fn in_turn(parts: Vec<Vec<Goal>>) -> Vec<Goal> {
    let longest = parts.iter().map(Vec::len).max().unwrap_or_default();
    let turns = (0..longest).flat_map(|turn| parts.iter().filter_map(move |part| part.get(turn)));
    turns.take(WAYS_MAX).cloned().collect()
}

/// Whether two conditions are the same, as far as the truth of their tests says: of few tests all cases are gone through.
pub(in crate::diff) fn are_same(a: &Formula, b: &Formula) -> bool {
    const ATOMS_MAX: usize = 12;
    if a == b {
        return true;
    }
    let mut atoms: Vec<&Rc<Atom>> = Vec::new();
    for formula in [a, b] {
        collect(formula, &mut atoms);
    }
    if atoms.len() > ATOMS_MAX {
        return false;
    }
    (0_u32..1 << atoms.len()).all(|case| {
        let is_true = |atom: &Rc<Atom>| {
            let place = atoms.iter().position(|own| *own == atom);
            place.is_some_and(|place| case >> place & 1 == 1)
        };
        holds(a, &is_true) == holds(b, &is_true)
    })
}

fn collect<'f>(formula: &'f Formula, atoms: &mut Vec<&'f Rc<Atom>>) {
    match formula {
        Formula::Constant(_) => {}
        Formula::Literal(atom, _) => {
            if !atoms.contains(&atom) {
                atoms.push(atom);
            }
        }
        Formula::All(parts) | Formula::Any(parts) => {
            parts.iter().for_each(|part| collect(part, atoms));
        }
    }
}

fn holds(formula: &Formula, is_true: &impl Fn(&Rc<Atom>) -> bool) -> bool {
    match formula {
        Formula::Constant(value) => *value,
        Formula::Literal(atom, is_positive) => is_true(atom) == *is_positive,
        Formula::All(parts) => parts.iter().all(|part| holds(part, is_true)),
        Formula::Any(parts) => parts.iter().any(|part| holds(part, is_true)),
    }
}
