//! Makes an automaton smaller: one class for bytes that lead to the same states from everywhere, one state for states
//! that lead to the same states with every class.
//!
//! Classes come from the pattern as it is written, where `(?i)k` keeps `k` apart from `K`; most states that are the same
//! differ only in what they would have found behind the first match. Merging states makes more of them the same, round
//! by round; states that are the same but go round in different circles stay apart.

use std::collections::HashMap;
use std::hash::Hash;

use riskgate_engine::dfa::{ACCEPT, DfaWriter};

/// How many cells are looked at in all rounds: the last few merge little, and larger tables take too long.
const WORK_MAX: usize = 1 << 18;

/// The same language, in fewer bytes.
pub(super) fn minimize(dfa: DfaWriter) -> DfaWriter {
    let mut dfa = merge_classes(dfa);
    let mut work = dfa.transitions.len();
    while work <= WORK_MAX {
        let states = dfa.accepts_at_end.len();
        dfa = merge_states(&dfa);
        if dfa.accepts_at_end.len() == states {
            break;
        }
        work += dfa.transitions.len();
    }
    merge_classes(dfa)
}

fn merge_classes(mut dfa: DfaWriter) -> DfaWriter {
    let width = usize::from(dfa.class_count).max(1);
    let column = |class| -> Vec<u32> {
        let cells = dfa.transitions.iter().skip(class).step_by(width);
        cells.copied().collect()
    };
    let (merged, firsts) = number((0..width).map(column));
    for class in &mut dfa.classes {
        let merged = merged.get(usize::from(*class)).copied();
        *class = merged
            .and_then(|class| u8::try_from(class).ok())
            .unwrap_or_default();
    }
    dfa.transitions = keep(&dfa.transitions, width, &firsts).collect();
    dfa.class_count = u16::try_from(firsts.len()).unwrap_or(u16::MAX);
    dfa
}

/// Merges states that lead to the same states, where staying is the same as staying. The first two keep their numbers, because
/// numbers are given in order; a state from which only one of them can be reached is that one.
fn merge_states(dfa: &DfaWriter) -> DfaWriter {
    let width = usize::from(dfa.class_count).max(1);
    let rows = dfa.transitions.chunks(width);
    let keys = (0..)
        .zip(rows.zip(&dfa.accepts_at_end))
        .map(|(own, (row, &accepts))| {
            let stays = |next: u32| next == own && own > ACCEPT;
            let lead = row.iter().map(|&next| (!stays(next)).then_some(next));
            (accepts, lead.collect::<Vec<_>>())
        });
    let (merged, firsts) = number(keys);
    let merged = |state: u32| merged.get(state as usize).copied().unwrap_or_default();
    let rows = firsts
        .iter()
        .filter_map(|&state| dfa.transitions.chunks(width).nth(state));
    let ends = firsts
        .iter()
        .filter_map(|&state| dfa.accepts_at_end.get(state).copied());
    DfaWriter {
        classes: dfa.classes,
        class_count: dfa.class_count,
        start: merged(dfa.start),
        accepts_at_end: ends.collect(),
        transitions: rows.flatten().map(|&state| merged(state)).collect(),
    }
}

/// Numbers the items, equal ones alike, in the order in which they first come; and the places of the first ones.
fn number<T: Eq + Hash>(items: impl Iterator<Item = T>) -> (Vec<u32>, Vec<usize>) {
    let mut numbers = HashMap::new();
    let mut firsts = Vec::new();
    let numbered = items.enumerate().map(|(at, item)| {
        let next = u32::try_from(firsts.len()).unwrap_or(u32::MAX);
        *numbers.entry(item).or_insert_with(|| {
            firsts.push(at);
            next
        })
    });
    (numbered.collect(), firsts)
}

/// The given columns of a table.
fn keep(cells: &[u32], width: usize, columns: &[usize]) -> impl Iterator<Item = u32> {
    cells.chunks(width).flat_map(|row| {
        columns
            .iter()
            .filter_map(|&column| row.get(column).copied())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use riskgate_engine::dfa::{ACCEPT, DEAD, DfaWriter};

    use super::super::{compile_table, random};
    use super::minimize;
    use crate::front::pattern::to_hir;

    fn table(pattern: &str) -> DfaWriter {
        compile_table(&to_hir(pattern).expect(pattern)).expect(pattern)
    }

    fn is_match(dfa: &DfaWriter, value: &[u8]) -> bool {
        let step = |state: u32, byte: &u8| {
            let class = dfa.classes[usize::from(*byte)];
            dfa.transitions[state as usize * usize::from(dfa.class_count) + usize::from(class)]
        };
        match value.iter().fold(dfa.start, step) {
            DEAD => false,
            ACCEPT => true,
            state => dfa.accepts_at_end[state as usize],
        }
    }

    #[test]
    fn bytes_and_states_that_are_the_same_are_merged() {
        let shape = |dfa: &DfaWriter| (dfa.accepts_at_end.len(), dfa.class_count);
        let cases = [
            ("(?i)ab", (4, 3)),
            ("^(?:ab|cb)", (4, 3)),
            ("^(?:xab|yab)$", (6, 4)),
            ("abc", (5, 4)),
        ];
        for (pattern, expected) in cases {
            assert_eq!(shape(&minimize(table(pattern))), expected, "{pattern}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn the_same_values_are_found(pattern in random::pattern(), values in random::values()) {
            let large = table(&pattern);
            let small = minimize(large.clone());
            prop_assert!(small.transitions.len() <= large.transitions.len());
            let regex = random::regex(&pattern);
            for value in values.iter().map(String::as_bytes) {
                prop_assert_eq!(is_match(&large, value), regex.is_match(value), "{:?}", value);
                prop_assert_eq!(is_match(&small, value), regex.is_match(value), "{:?}", value);
            }
        }
    }
}
