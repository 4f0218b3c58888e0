//! The ways into rules that only the body opens. Before the body is there, rules that differ in nothing but their tests of it
//! ask for it alike, so that one of them is looked at for all: thousands that each compare one field with another value cost
//! a request as much as one.

use alloc::vec::Vec;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{BodyRules, Readings};
use crate::atoms::AtomId;
use crate::program::{ACCEPT, Programs, REJECT};
use crate::rules::Rules;
use crate::sections::Sections;

/// A way into a rule, and into all that ask for the body as this one does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) rule: u32,
    /// All that the rule may ask for.
    pub(crate) readings: Readings,
}

/// The ways that a test of the body alone opens, and behind them those that it opens beside an atom, ascending by that.
#[derive(Debug, Clone, Default)]
pub(super) struct Ways(Vec<(Beside, Way)>);

/// An atom of the head that has to be true too, plus one; 0 for none.
type Beside = u32;

fn beside(atom: AtomId) -> Beside {
    atom.saturating_add(1)
}

impl Ways {
    pub(super) fn new(body: &BodyRules, sections: &Sections) -> Ways {
        let mut all = Vec::new();
        for (atom, _) in &body.of_atoms {
            let rules = sections.atoms.postings(*atom);
            all.extend(rules.map(|rule| (0, rule)));
        }
        sections.pairs.for_each(|first, second, rule| {
            let reads = |atom| body.of_atom(atom).is_some();
            match (reads(first), reads(second)) {
                (true, true) => all.push((0, rule)),
                (true, false) => all.push((beside(second), rule)),
                (false, true) => all.push((beside(first), rule)),
                (false, false) => {}
            }
        });
        let conditions = Conditions {
            body,
            programs: &sections.programs,
            rules: &sections.rules,
        };
        Ways::of(&all, &conditions)
    }

    /// Rules, and beside what each is let in; one of all that ask alike is kept.
    fn of(all: &[(Beside, u32)], conditions: &Conditions<'_>) -> Ways {
        let kinds = conditions.kinds(all.iter().map(|(_, rule)| *rule).collect());
        let way = |(beside, rule): &(Beside, u32)| {
            let place = kinds.binary_search_by_key(rule, |(held, _)| *held).ok()?;
            kinds.get(place).map(|(_, way)| (*beside, *way))
        };
        let mut ways: Vec<(Beside, Way)> = all.iter().filter_map(way).collect();
        let key = |(beside, way): &(Beside, Way)| (*beside, way.rule);
        ways.sort_unstable_by_key(key);
        ways.dedup_by_key(|way| key(way));
        Ways(ways)
    }

    /// The ways that the body alone, or beside one of these atoms, opens.
    pub(super) fn open<'a>(&'a self, true_atoms: &'a [AtomId]) -> impl Iterator<Item = Way> + 'a {
        let besides = true_atoms.iter().map(|atom| beside(*atom));
        core::iter::once(0).chain(besides).flat_map(|beside| {
            let start = self.0.partition_point(|(at, _)| *at < beside);
            let rest = self.0.get(start..).unwrap_or_default();
            let own = rest.iter().take_while(move |(at, _)| *at == beside);
            own.map(|(_, way)| *way)
        })
    }
}

/// What a node of a condition tests, as far as that matters before the body is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tested {
    Atom(AtomId),
    /// Something of the body.
    Body(Readings),
}

/// The conditions of rules, compared by what they ask of the body.
struct Conditions<'a> {
    body: &'a BodyRules,
    programs: &'a Programs,
    rules: &'a Rules,
}

impl Conditions<'_> {
    /// Rules, ascending, and the way into one that asks as each does. A rule may be let in by as many atoms as it has, and
    /// its condition may be long, so each is walked once.
    fn kinds(&self, mut rules: Vec<u32>) -> Vec<(u32, Way)> {
        rules.sort_unstable();
        rules.dedup();
        let mut hashed: Vec<(u32, u32)> =
            rules.iter().map(|rule| (self.hash(*rule), *rule)).collect();
        hashed.sort_unstable();
        let mut last: Option<(u32, Way)> = None;
        let mut kind = |(hash, rule): (u32, u32)| {
            let alike = last.filter(|(held, way)| *held == hash && self.ask_alike(rule, way.rule));
            let way = alike.map_or_else(|| self.way(rule), |(_, way)| way);
            last = Some((hash, way));
            (rule, way)
        };
        let mut kinds: Vec<(u32, Way)> = hashed.into_iter().map(&mut kind).collect();
        kinds.sort_unstable_by_key(|(rule, _)| *rule);
        kinds
    }

    fn way(&self, rule: u32) -> Way {
        let readings = self.readings(rule);
        Way { rule, readings }
    }

    /// Equal for rules that ask alike.
    fn hash(&self, rule: u32) -> u32 {
        let hash = self.steps(rule).fold(0, |hash, (tested, [yes, no])| {
            let (kind, atom) = match tested {
                Tested::Atom(atom) => (0, atom),
                Tested::Body(Readings { json, form }) => {
                    (1, u32::from(json) << 1 | u32::from(form))
                }
            };
            let words = [kind, atom, yes, no].map(u32::to_le_bytes);
            xxh3_64_with_seed(words.as_flattened(), hash)
        });
        // A half is enough: equals are compared.
        (hash >> 32) as u32
    }

    /// Whether two rules ask for the body under the same circumstances, and for the same of it.
    fn ask_alike(&self, one: u32, other: u32) -> bool {
        let (Some(first), Some(second)) = (self.rules.get(one), self.rules.get(other)) else {
            return false;
        };
        let is_node = |entry: u32| !matches!(entry, ACCEPT | REJECT);
        (first.from_us, first.until_us) == (second.from_us, second.until_us)
            && self.body.of_canary(one) == self.body.of_canary(other)
            && (first.entry == second.entry || is_node(first.entry) && is_node(second.entry))
            && self.steps(one).eq(self.steps(other))
    }

    /// The nodes of a condition, with their next ones counted from its beginning.
    fn steps(&self, rule: u32) -> impl Iterator<Item = (Tested, [u32; 2])> {
        let entry = self.rules.get(rule).map_or(REJECT, |rule| rule.entry);
        let mut reached = Vec::new();
        self.programs.explore(entry, &mut reached, |_| None);
        let nodes = (entry..).zip(reached);
        let nodes = nodes.filter_map(|(place, _)| self.programs.node(place));
        nodes.map(move |node| {
            let tested = match self.body.of_atom(node.atom) {
                Some(readings) => Tested::Body(readings),
                None => Tested::Atom(node.atom),
            };
            let next = [node.on_true, node.on_false].map(|next| match next {
                ACCEPT | REJECT => next,
                node => node.saturating_sub(entry),
            });
            (tested, next)
        })
    }

    /// All that a rule may ask for: by its condition, and by its canary.
    fn readings(&self, rule: u32) -> Readings {
        let entry = self.rules.get(rule).map_or(REJECT, |rule| rule.entry);
        let mut readings = self.body.of_condition(entry, self.programs);
        readings |= self.body.of_canary(rule).unwrap_or_default();
        readings
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::program::{self, Node};
    use crate::rules::{self, NO_ACTION, Rule, Stage};
    use crate::strings::{Strings, StringsWriter};

    /// Atoms 0 and 1 are of the head; 2 and 3 read JSON, 4 a form.
    const ATOMS: u32 = 5;

    fn body() -> BodyRules {
        let json = Readings {
            json: true,
            form: false,
        };
        let form = Readings {
            json: false,
            form: true,
        };
        BodyRules {
            of_atoms: vec![(2, json), (3, json), (4, form)],
            of_canaries: vec![(8, form)],
            ..BodyRules::default()
        }
    }

    /// `first && second`, and `!first && second`.
    fn both(first: AtomId, second: AtomId, at: u32) -> [Node; 2] {
        let node = |atom, on_true, on_false| Node {
            atom,
            on_true,
            on_false,
        };
        [node(first, at + 1, REJECT), node(second, ACCEPT, REJECT)]
    }

    fn unless(first: AtomId, second: AtomId, at: u32) -> [Node; 2] {
        let [mut test, then] = both(first, second, at);
        (test.on_true, test.on_false) = (REJECT, at + 1);
        [test, then]
    }

    #[test]
    fn rules_that_differ_in_tests_of_the_body_only_are_one_way() {
        let nodes = [
            both(0, 2, 0),
            both(0, 3, 2),
            both(1, 2, 4),
            both(0, 4, 6),
            unless(0, 2, 8),
            unless(0, 3, 10),
            both(2, 0, 12),
            both(0, 3, 14),
            both(0, 2, 16),
        ];
        let mut strings = StringsWriter::default();
        let rule = |entry: usize, from_us: i64| Rule {
            id: 0,
            entry: 2 * entry as u32,
            rank: 0,
            stage: Stage::Enforce,
            score: None,
            action: NO_ACTION,
            tags: (0, 0),
            from_us,
            until_us: i64::MAX,
        };
        // The last but one is active later, and the canary of the last is drawn by a form.
        let rules: Vec<Rule> = (0..nodes.len())
            .map(|entry| rule(entry, if entry == 7 { 5 } else { i64::MIN }))
            .collect();
        strings.intern(b"a");
        let strings = Strings::read(&strings.write().as_slice().into()).unwrap();
        let programs = program::write(nodes.as_flattened());
        let programs = Programs::read(&programs.as_slice().into(), ATOMS).unwrap();
        let rules = rules::write(&rules, &[]);
        let rules = Rules::read(&rules.as_slice().into(), &strings, &programs, 0).unwrap();
        let body = body();
        let conditions = Conditions {
            body: &body,
            programs: &programs,
            rules: &rules,
        };
        let alone = (0..9).map(|rule| (0, rule));
        let all = alone.chain([(beside(7), 0), (beside(7), 1), (beside(9), 0)]);
        let ways = Ways::of(&all.collect::<Vec<_>>(), &conditions);
        let open = |atoms: &[AtomId]| {
            let mut rules: Vec<u32> = ways.open(atoms).map(|way| way.rule).collect();
            rules.sort_unstable();
            rules
        };
        assert_eq!(open(&[]), [0, 2, 3, 4, 6, 7, 8]);
        assert_eq!(open(&[7]), [0, 0, 2, 3, 4, 6, 7, 8]);
        assert_eq!(open(&[8, 9, 7]), [0, 0, 0, 2, 3, 4, 6, 7, 8]);
        let readings = |rule| {
            let mut ways = ways.open(&[]);
            let way = ways.find(|way| way.rule == rule).unwrap();
            (way.readings.json, way.readings.form)
        };
        let found = [0, 3, 8].map(readings);
        assert_eq!(found, [(true, false), (false, true), (true, true)]);
    }
}
