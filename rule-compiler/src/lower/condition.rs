//! Conditions over atom indices: negation normal form, cheap atoms first, and then a decision sequence.

use riskgate_engine::atoms::AtomId;
use riskgate_engine::program::{ACCEPT, Node, REJECT};

use super::intern::Interner;
use crate::ir::{Atom, Base, Condition, Test, View};

/// A condition with negations only at its leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Formula {
    Constant(bool),
    Literal(Literal),
    All(Vec<Formula>),
    Any(Vec<Formula>),
}

/// An atom, or its negation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) atom: AtomId,
    pub(super) negated: bool,
    /// Whether it is what was counted, which is known only once rules are looked at.
    pub(super) is_late: bool,
    /// What it costs to find out, in rough units of one comparison.
    pub(super) cost: u32,
}

impl Formula {
    /// Hands over every literal.
    pub(super) fn for_each(&self, visit: &mut impl FnMut(&Literal)) {
        match self {
            Formula::Constant(_) => {}
            Formula::Literal(literal) => visit(literal),
            Formula::All(parts) | Formula::Any(parts) => {
                parts.iter().for_each(|part| part.for_each(visit));
            }
        }
    }

    pub(super) fn new(condition: &Condition, interner: &mut Interner<'_>) -> Formula {
        build(condition, false, interner)
    }

    fn cost(&self) -> u32 {
        match self {
            Formula::Constant(_) => 0,
            Formula::Literal(literal) => literal.cost,
            Formula::All(parts) | Formula::Any(parts) => parts
                .iter()
                .fold(0, |sum: u32, part| sum.saturating_add(part.cost())),
        }
    }
}

fn build(condition: &Condition, negated: bool, interner: &mut Interner<'_>) -> Formula {
    match condition {
        Condition::Constant(value) => Formula::Constant(*value != negated),
        Condition::Atom(atom) => Formula::Literal(Literal {
            atom: interner.atom(atom),
            negated,
            is_late: atom.attribute.base.is_counter(),
            cost: cost(atom),
        }),
        Condition::Not(inner) => build(inner, !negated, interner),
        Condition::All(parts) | Condition::Any(parts) => {
            let is_all = matches!(condition, Condition::All(_)) != negated;
            let mut flat = Vec::with_capacity(parts.len());
            for part in parts {
                match (build(part, negated, interner), is_all) {
                    (Formula::All(inner), true) | (Formula::Any(inner), false) => {
                        flat.extend(inner);
                    }
                    (other, _) => flat.push(other),
                }
            }
            simplify(flat, is_all)
        }
    }
}

/// Drops constants, and puts what is cheap to find out first; the order does not change the meaning.
fn simplify(parts: Vec<Formula>, is_all: bool) -> Formula {
    if parts.contains(&Formula::Constant(!is_all)) {
        return Formula::Constant(!is_all);
    }
    let mut parts: Vec<Formula> = parts
        .into_iter()
        .filter(|part| *part != Formula::Constant(is_all))
        .collect();
    parts.sort_by_key(Formula::cost);
    match (parts.is_empty(), is_all) {
        (true, _) => Formula::Constant(is_all),
        (false, true) => Formula::All(parts),
        (false, false) => Formula::Any(parts),
    }
}

/// Appends the decision sequence of a formula and returns where it starts.
pub(super) fn emit(formula: &Formula, nodes: &mut Vec<Node>) -> u32 {
    // Written back to front, so that every place to go on at is known before it is named; then turned round.
    let mut reversed = Vec::new();
    let entry = emit_reversed(formula, ACCEPT, REJECT, &mut reversed);
    let base = super::intern::index(nodes.len());
    let last = super::intern::index(reversed.len()).wrapping_sub(1);
    let place = |label: u32| match label {
        ACCEPT | REJECT => label,
        position => base + (last - position),
    };
    nodes.extend(reversed.iter().rev().map(|node| Node {
        atom: node.atom,
        on_true: place(node.on_true),
        on_false: place(node.on_false),
    }));
    place(entry)
}

fn emit_reversed(formula: &Formula, on_true: u32, on_false: u32, out: &mut Vec<Node>) -> u32 {
    match formula {
        Formula::Constant(true) => on_true,
        Formula::Constant(false) => on_false,
        Formula::Literal(literal) => {
            let (on_true, on_false) = if literal.negated {
                (on_false, on_true)
            } else {
                (on_true, on_false)
            };
            out.push(Node {
                atom: literal.atom,
                on_true,
                on_false,
            });
            super::intern::index(out.len()) - 1
        }
        Formula::All(parts) => parts.iter().rev().fold(on_true, |next, part| {
            emit_reversed(part, next, on_false, out)
        }),
        Formula::Any(parts) => parts.iter().rev().fold(on_false, |next, part| {
            emit_reversed(part, on_true, next, out)
        }),
    }
}

/// What it costs to test an atom.
fn cost(atom: &Atom) -> u32 {
    // Behind all else: what the rest of the request rules out waits for no body.
    let of_body = if atom.attribute.base.is_of_body() {
        1_000
    } else {
        0
    };
    let own = match (&atom.test, atom.attribute.view) {
        // Whatever the request rules out needs no response.
        _ if atom.attribute.base.is_of_response() => 10_000,
        // To hash the key and to read what is kept of it.
        _ if atom.attribute.base.is_counter() => 400,
        (_, View::Int | View::Double | View::Length | View::Size) => 8,
        (Test::OneOf(_) | Test::Present | Test::IsTrue | Test::IsFalse, _) => 1,
        (Test::StartsWith(_) | Test::EndsWith(_) | Test::Compare(..), _) => 2,
        (Test::InList(_), _) => 4,
        (Test::InPrefixes(_), _) => 6,
        (Test::Contains(_), _) => 40,
        (Test::Matches(_), _) => 200,
    };
    of_body + own
}

/// How many requests an atom may let through, in rough units.
pub(super) fn commonness(atom: &Atom) -> u64 {
    let own = match (&atom.test, atom.attribute.view) {
        (_, View::Int | View::Double | View::Length | View::Size) => 400,
        (Test::OneOf(values), _) => 1 + values.len() as u64 / 64,
        (Test::InList(_), _) => 20,
        (Test::StartsWith(text) | Test::EndsWith(text), _) => literal_commonness(text, 6),
        (Test::Contains(text), _) => literal_commonness(text, 8),
        (Test::InPrefixes(_), _) => 10,
        (Test::Matches(_), _) => 40,
        (Test::Compare(..), _) => 400,
        (Test::Present | Test::IsTrue | Test::IsFalse, _) => 600,
    };
    own * base_commonness(&atom.attribute.base)
}

/// A short literal is found in more values than a long one.
fn literal_commonness(text: &[u8], long: u64) -> u64 {
    match text.len() {
        0 => 1_000,
        1..4 => long * 8,
        _ => long,
    }
}

/// Some attributes have few values, each of them common.
fn base_commonness(base: &Base) -> u64 {
    match base {
        Base::Method | Base::Scheme | Base::Protocol | Base::TlsVersion | Base::Mtls => 1_000,
        Base::Host | Base::Hostname | Base::ServerName => 100,
        _ => 1,
    }
}
