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
