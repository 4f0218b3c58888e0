//! From a decision sequence back to a condition of `all` and `any`.

use riskgate_engine::atoms::AtomId;
use riskgate_engine::program::{ACCEPT, Node, REJECT};
use riskgate_engine::ruleset::Ruleset;

/// A part of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clause {
    /// It holds always, or never.
    Constant(bool),
    /// An atom, or its negation.
    Literal {
        /// Which.
        atom: AtomId,
        /// Whether it holds where the atom is false.
        negated: bool,
    },
    /// All of these; never empty.
    All(Vec<Clause>),
    /// One of these; never empty.
    Any(Vec<Clause>),
}

impl Clause {
    /// The condition that starts at a node of the ruleset's programs.
    #[must_use]
    pub fn of(ruleset: &Ruleset, entry: u32) -> Clause {
        match entry {
            ACCEPT => return Clause::Constant(true),
            REJECT => return Clause::Constant(false),
            _ => {}
        }
        let mut nodes = Vec::new();
        let mut last = entry;
        let mut at = entry;
        // Every node of a condition is reached from one before it, and none reaches into the next.
        while at <= last {
            let Some(node) = ruleset.node(at) else {
                break;
            };
            for next in [node.on_true, node.on_false] {
                if !matches!(next, ACCEPT | REJECT) {
                    last = last.max(next);
                }
            }
            nodes.push(node);
            at += 1;
        }
        let mut nodes = Sequence {
            start: entry,
            nodes,
        };
        nodes.clause(entry, last + 1, ACCEPT, REJECT)
    }

    /// Whether it holds, where `is_true` tells an atom's truth.
    pub fn holds(&self, is_true: &impl Fn(AtomId) -> bool) -> bool {
        match self {
            Clause::Constant(value) => *value,
            Clause::Literal { atom, negated } => is_true(*atom) != *negated,
            Clause::All(parts) => parts.iter().all(|part| part.holds(is_true)),
            Clause::Any(parts) => parts.iter().any(|part| part.holds(is_true)),
        }
    }

    /// Every literal: the atom, and whether it is negated.
    pub fn literals(&self) -> Vec<(AtomId, bool)> {
        match self {
            Clause::Constant(_) => Vec::new(),
            Clause::Literal { atom, negated } => vec![(*atom, *negated)],
            Clause::All(parts) | Clause::Any(parts) => {
                parts.iter().flat_map(Clause::literals).collect()
            }
        }
    }
}

/// The nodes of one condition.
struct Sequence {
    start: u32,
    nodes: Vec<Node>,
}

impl Sequence {
    fn node(&self, index: u32) -> Option<Node> {
        let place = index.checked_sub(self.start)?;
        self.nodes.get(usize::try_from(place).ok()?).copied()
    }

    /// The clause of the nodes from `from` to `end`, which all leave to `yes` or `no`.
    fn clause(&mut self, from: u32, end: u32, yes: u32, no: u32) -> Clause {
        let mut parts = Vec::new();
        let mut is_all = None;
        let mut from = from;
        while let Some((next, all)) = self.split(from, end, yes, no) {
            if is_all.is_some_and(|is_all| is_all != all) {
                break;
            }
            is_all = Some(all);
            let (part_yes, part_no) = if all { (next, no) } else { (yes, next) };
            parts.push(self.clause(from, next, part_yes, part_no));
            from = next;
        }
        let Some(is_all) = is_all else {
            return self.literal(from, yes);
        };
        parts.push(self.clause(from, end, yes, no));
        if is_all {
            Clause::All(parts)
        } else {
            Clause::Any(parts)
        }
    }

    fn literal(&self, at: u32, yes: u32) -> Clause {
        self.node(at)
            .map_or(Clause::Constant(false), |node| Clause::Literal {
                atom: node.atom,
                negated: node.on_true != yes,
            })
    }

    /// Where the first part of a clause ends, and whether its parts are joined by `all`.
    fn split(&self, from: u32, end: u32, yes: u32, no: u32) -> Option<(u32, bool)> {
        let (mut leaves_yes, mut leaves_no) = (false, false);
        // The furthest node inside of the clause that the part so far goes on at.
        let mut reach = from;
        for index in from..end {
            let node = self.node(index)?;
            for next in [node.on_true, node.on_false] {
                if next == yes {
                    leaves_yes = true;
                } else if next == no {
                    leaves_no = true;
                } else {
                    reach = reach.max(next);
                }
            }
            let next = index + 1;
            if next < end && reach == next && leaves_yes != leaves_no {
                return Some((next, leaves_no));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use riskgate_engine::program::REJECT;

    use super::*;

    fn clause(nodes: &[(AtomId, u32, u32)]) -> Clause {
        let nodes: Vec<Node> = nodes
            .iter()
            .map(|&(atom, on_true, on_false)| Node {
                atom,
                on_true,
                on_false,
            })
            .collect();
        let end = u32::try_from(nodes.len()).unwrap();
        Sequence { start: 0, nodes }.clause(0, end, ACCEPT, REJECT)
    }

    fn literal(atom: AtomId, negated: bool) -> Clause {
        Clause::Literal { atom, negated }
    }

    #[test]
    fn joins_are_found_again() {
        assert_eq!(clause(&[(3, REJECT, ACCEPT)]), literal(3, true));
        // 0 && (1 || !2) && 3
        let nested = [
            (0, 1, REJECT),
            (1, 3, 2),
            (2, REJECT, 3),
            (3, ACCEPT, REJECT),
        ];
        let any = Clause::Any(vec![literal(1, false), literal(2, true)]);
        let all = Clause::All(vec![literal(0, false), any, literal(3, false)]);
        assert_eq!(clause(&nested), all);
        // (0 && 1) || (2 && 3)
        let pairs = [
            (0, 1, 2),
            (1, ACCEPT, 2),
            (2, 3, REJECT),
            (3, ACCEPT, REJECT),
        ];
        let pair = |a, b| Clause::All(vec![literal(a, false), literal(b, false)]);
        assert_eq!(clause(&pairs), Clause::Any(vec![pair(0, 1), pair(2, 3)]));
    }
}
