//! Conditions without the constants in them.

use crate::ir::Condition;

/// Takes constants out of a condition; those that are left stand alone.
pub(crate) fn fold(condition: Condition) -> Condition {
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

/// Which of a condition's atoms are left of it without its constants, counted in the order in which they stand.
pub(crate) fn kept_atoms(condition: &Condition) -> Vec<usize> {
    kept(condition, &mut 0).1
}

/// The constant that a part comes down to, or else its atoms.
fn kept(condition: &Condition, next: &mut usize) -> (Option<bool>, Vec<usize>) {
    match condition {
        Condition::Constant(value) => (Some(*value), Vec::new()),
        Condition::Atom(_) => {
            *next += 1;
            (None, vec![*next - 1])
        }
        Condition::Not(inner) => {
            let (constant, atoms) = kept(inner, next);
            (constant.map(|value| !value), atoms)
        }
        Condition::All(operands) | Condition::Any(operands) => {
            let neutral = matches!(condition, Condition::All(_));
            let parts: Vec<_> = operands.iter().map(|part| kept(part, next)).collect();
            if parts
                .iter()
                .any(|(constant, _)| *constant == Some(!neutral))
            {
                return (Some(!neutral), Vec::new());
            }
            let is_constant = parts.iter().all(|(constant, _)| constant.is_some());
            let atoms = parts.into_iter().flat_map(|(_, atoms)| atoms).collect();
            (is_constant.then_some(neutral), atoms)
        }
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
    use super::{fold, kept_atoms};
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
    fn the_atoms_that_are_left_are_known_by_their_places() {
        use Condition::{All, Any, Constant, Not};
        let bases = [Base::Method, Base::Path, Base::Host, Base::Query];
        let [a, b, c, d] = bases.map(|base| move || atom(base.clone()));
        let cases = [
            All(vec![a(), Constant(true), b()]),
            All(vec![a(), Constant(false), b()]),
            Any(vec![
                All(vec![a(), Constant(false)]),
                b(),
                Not(Box::new(c())),
            ]),
            All(vec![
                Any(vec![a(), Not(Box::new(Constant(false)))]),
                Any(vec![b(), Constant(false)]),
                All(vec![c(), d()]),
            ]),
        ];
        for case in cases {
            let all: Vec<_> = case.atoms().cloned().collect();
            let kept: Vec<_> = kept_atoms(&case)
                .into_iter()
                .map(|index| all[index].clone())
                .collect();
            let folded: Vec<_> = fold(case.clone()).atoms().cloned().collect();
            assert_eq!(kept, folded, "{case:?}");
        }
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
