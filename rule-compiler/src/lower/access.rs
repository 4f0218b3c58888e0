//! Chooses a rule's access predicates: atoms, or pairs of atoms, of which one must hold whenever the rule matches.

use riskgate_engine::atoms::AtomId;

use super::condition::{Formula, Literal};

/// Rules under one atom from which on each is filed under a pair of atoms, if it has one.
const CROWD: u32 = 32;

/// Pairs that one rule may be filed under.
const MAX_PAIRS: usize = 16;

/// What a rule is filed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    One(AtomId),
    /// The first is the rarer one.
    Pair(AtomId, AtomId),
}

/// How an atom does as an access predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weight {
    /// How many requests it may let through, in rough units.
    pub(super) commonness: u64,
    /// Found by an index, so that it costs a request nothing unless it is true.
    pub(super) is_indexed: bool,
    /// Known only once the body is here.
    pub(super) reads_body: bool,
}

/// What an atom that has to be tested for every request weighs beside one that is found by an index.
const TESTED_EACH_TIME: u64 = 100_000;

/// Atoms by their id.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) atoms: Vec<Weight>,
    /// How many rules name each atom without negation.
    pub(super) uses: Vec<u32>,
}

impl Weights {
    /// An atom that many rules share is likely to be a common one, and lets many rules in.
    fn score(&self, atom: AtomId) -> u64 {
        let at = atom as usize;
        let uses = self.uses.get(at).copied().unwrap_or_default();
        let (common, tested) = self
            .atoms
            .get(at)
            .map_or((1, true), |weight| (weight.commonness, !weight.is_indexed));
        let uses = u64::from(uses);
        let score = common.saturating_mul(1 + uses * uses);
        if tested {
            score.saturating_add(TESTED_EACH_TIME)
        } else {
            score
        }
    }

    fn reads_body(&self, atom: AtomId) -> bool {
        let weight = self.atoms.get(atom as usize);
        weight.is_some_and(|weight| weight.reads_body)
    }

    fn is_indexed(&self, atom: AtomId) -> bool {
        let weight = self.atoms.get(atom as usize);
        weight.is_some_and(|weight| weight.is_indexed)
    }
}

/// Keys of which one must hold, and how much they let through.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Access {
    keys: Vec<Key>,
    score: u64,
    /// Whether a key is known only once the body is here: the engine has to ask for the body then, unless it has walked
    /// the condition.
    reads_body: bool,
}

/// Of each formula the keys of which one must hold whenever the formula does; `None`: it can hold without any atom being
/// true, so it has to be looked at for every request.
pub(super) fn choose(formulas: &[Formula], weights: &Weights) -> Vec<Option<Vec<Key>>> {
    let mut chosen: Vec<Option<Access>> = formulas
        .iter()
        .map(|formula| choose_one(formula, weights, &[]))
        .collect();
    let mut loads = vec![0_u32; weights.atoms.len()];
    for key in chosen.iter().flatten().flat_map(|access| &access.keys) {
        if let Key::One(atom) = key
            && let Some(load) = loads.get_mut(*atom as usize)
        {
            *load += 1;
        }
    }
    for (access, formula) in chosen.iter_mut().zip(formulas) {
        if access
            .as_ref()
            .is_some_and(|access| is_crowded(access, &loads))
        {
            *access = choose_one(formula, weights, &loads);
        }
    }
    let keys = |access: Option<Access>| access.map(|access| access.keys);
    chosen.into_iter().map(keys).collect()
}

/// Whether a key is an atom that lets very many rules in.
fn is_crowded(access: &Access, loads: &[u32]) -> bool {
    access.keys.iter().any(|key| match key {
        Key::One(atom) => loads.get(*atom as usize).is_some_and(|load| *load > CROWD),
        Key::Pair(..) => false,
    })
}

/// Pairs are made for atoms that are crowded by `loads`.
fn choose_one(formula: &Formula, weights: &Weights, loads: &[u32]) -> Option<Access> {
    match formula {
        Formula::Constant(true)
        | Formula::Literal(Literal { negated: true, .. } | Literal { is_late: true, .. }) => None,
        Formula::Constant(false) => Some(Access {
            keys: Vec::new(),
            score: 0,
            reads_body: false,
        }),
        Formula::Literal(literal) => Some(Access {
            keys: vec![Key::One(literal.atom)],
            score: weights.score(literal.atom),
            reads_body: weights.reads_body(literal.atom),
        }),
        Formula::All(parts) => {
            let parts = parts.iter();
            let mut parts: Vec<Access> = parts
                .filter_map(|part| choose_one(part, weights, loads))
                .collect();
            parts.sort_by_key(|access| (access.reads_body, access.score));
            pair_up(&parts, weights, loads).or_else(|| parts.into_iter().next())
        }
        Formula::Any(parts) => {
            let parts = parts.iter().map(|part| choose_one(part, weights, loads));
            unite(parts.collect::<Option<Vec<Access>>>()?)
        }
    }
}

/// Pairs of the best part that an index finds and the rarest other one, if the best is crowded.
fn pair_up(parts: &[Access], weights: &Weights, loads: &[u32]) -> Option<Access> {
    let best = parts.first().filter(|best| is_crowded(best, loads))?;
    let mut indexed = parts
        .iter()
        .filter_map(|part| Some((part.score, indexed_atoms(part, weights)?)));
    let (_, first) = indexed.next()?;
    let (_, second) = indexed.min_by_key(|(score, _)| *score)?;
    if first.len() * second.len() > MAX_PAIRS {
        return None;
    }
    let pairs = first
        .iter()
        .flat_map(|&a| second.iter().map(move |&b| (a, b)));
    let mut keys: Vec<Key> = pairs
        .map(|(a, b)| if a == b { Key::One(a) } else { Key::Pair(a, b) })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    Some(Access {
        keys,
        score: best.score / 2,
        reads_body: best.reads_body,
    })
}

/// The atoms of an access that consists of nothing else.
fn indexed_atoms(access: &Access, weights: &Weights) -> Option<Vec<AtomId>> {
    let atom = |key: &Key| match key {
        Key::One(atom) if weights.is_indexed(*atom) => Some(*atom),
        _ => None,
    };
    access.keys.iter().map(atom).collect()
}

/// One of several alternatives must hold: any key of any.
fn unite(alternatives: Vec<Access>) -> Option<Access> {
    let scores = alternatives.iter().map(|access| access.score);
    let score = scores.reduce(u64::saturating_add)?;
    let reads_body = alternatives.iter().any(|access| access.reads_body);
    let keys = alternatives.into_iter().flat_map(|access| access.keys);
    let mut keys: Vec<Key> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    Some(Access {
        keys,
        score,
        reads_body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(atom: AtomId) -> Formula {
        Formula::Literal(Literal {
            atom,
            negated: false,
            is_late: false,
            cost: 1,
        })
    }

    fn not(atom: AtomId) -> Formula {
        Formula::Literal(Literal {
            atom,
            negated: true,
            is_late: false,
            cost: 1,
        })
    }

    /// Atoms 0 to 3 are found by an index, 4 and 5 are not, 6 is and reads the body; the commoner the higher.
    fn weights() -> Weights {
        let weight = |atom: u64| Weight {
            commonness: if atom == 6 { 1 } else { 1 + atom },
            is_indexed: atom < 4 || atom == 6,
            reads_body: atom == 6,
        };
        Weights {
            atoms: (0..7).map(weight).collect(),
            uses: vec![1; 7],
        }
    }

    fn chosen(formula: &Formula) -> Option<Vec<Key>> {
        choose(std::slice::from_ref(formula), &weights()).remove(0)
    }

    #[test]
    fn the_rarest_atom_that_must_hold() {
        use Formula::{All, Any, Constant};
        let one = |atoms: &[AtomId]| Some(atoms.iter().map(|atom| Key::One(*atom)).collect());
        let cases = [
            (All(vec![atom(2), atom(1), atom(3)]), one(&[1])),
            (All(vec![atom(4), atom(3)]), one(&[3])),
            (All(vec![not(0), atom(5)]), one(&[5])),
            (All(vec![not(0), not(1)]), None),
            (Any(vec![atom(1), atom(2)]), one(&[1, 2])),
            (Any(vec![atom(1), not(2)]), None),
            (
                All(vec![Any(vec![atom(0), atom(1)]), atom(3)]),
                one(&[0, 1]),
            ),
            (All(vec![Any(vec![atom(0), atom(4)]), atom(3)]), one(&[3])),
            (All(vec![atom(6), atom(5)]), one(&[5])),
            (All(vec![Any(vec![atom(1), atom(6)]), atom(3)]), one(&[3])),
            (All(vec![atom(6), not(1)]), one(&[6])),
            (Constant(true), None),
            (Constant(false), one(&[])),
        ];
        for (formula, expected) in cases {
            assert_eq!(chosen(&formula), expected, "{formula:?}");
        }
    }

    #[test]
    fn a_crowd_is_filed_under_pairs() {
        use Formula::{All, Any};
        let crowd = vec![All(vec![atom(2), atom(0)]); CROWD as usize + 1];
        let mixed = All(vec![
            Any(vec![atom(0), atom(1)]),
            Any(vec![atom(2), atom(3)]),
        ]);
        let alone = All(vec![atom(0), atom(4), not(2)]);
        let with_body = All(vec![atom(0), atom(2), atom(6)]);
        let formulas = [crowd, vec![mixed, alone, atom(0), with_body]].concat();
        let chosen = choose(&formulas, &weights());
        assert_eq!(chosen[0], Some(vec![Key::Pair(0, 2)]));
        let crossed = [(0, 2), (0, 3), (1, 2), (1, 3)].map(|(a, b)| Key::Pair(a, b));
        assert_eq!(chosen[CROWD as usize + 1], Some(crossed.to_vec()));
        assert_eq!(chosen[CROWD as usize + 2], Some(vec![Key::One(0)]));
        assert_eq!(chosen[CROWD as usize + 3], Some(vec![Key::One(0)]));
        let beside = Some(vec![Key::Pair(0, 6)]);
        assert_eq!(chosen[CROWD as usize + 4], beside);
        let few = vec![All(vec![atom(2), atom(0)]); CROWD as usize];
        assert_eq!(choose(&few, &weights())[0], Some(vec![Key::One(0)]));
    }
}
