//! Lists and sets of prefixes, as the engine searches them.

use std::net::IpAddr;

use riskgate_engine::{lists, prefixes};

use crate::ir::{List, ListValues, Prefix, Ruleset};

/// A list that its author made approximate, and what that gives and costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApproximateList<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many values it has.
    pub value_count: usize,
    /// What it takes in a bundle.
    pub length: usize,
    /// Of so many other values, about one counts as one of its own.
    pub false_positives_one_in: u32,
}

/// The lists that are approximate.
pub fn approximate_lists(ruleset: &Ruleset) -> impl Iterator<Item = ApproximateList<'_>> {
    ruleset.lists.iter().filter_map(|list| match &list.values {
        ListValues::Strings(values) if list.approximate => Some(ApproximateList {
            name: &list.name,
            value_count: values.len(),
            length: lists::approximate_len(values.len()),
            false_positives_one_in: lists::FALSE_POSITIVES_ONE_IN,
        }),
        ListValues::Strings(_) | ListValues::Prefixes(_) => None,
    })
}

/// The section of a list.
pub(super) fn lower(list: &List, ruleset: &str) -> Vec<u8> {
    match &list.values {
        ListValues::Strings(values) if list.approximate => {
            lists::write_approximate(values, seed(ruleset, &list.name, values))
        }
        ListValues::Strings(values) => lists::write_strings(values),
        ListValues::Prefixes(values) => lists::write_addresses(&prefix_set(values)),
    }
}

/// Decides which other values an approximate list takes for its own. The same list in the same ruleset always gets the
/// same seed, so it need not travel again with each revision; and who does not know every value cannot tell the seed,
/// nor what the list mistakes for a value, whatever another ruleset or an earlier version of the list took for one.
fn seed(ruleset: &str, list: &str, values: &[Vec<u8>]) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("riskgate 2026-11 seed of an approximate list");
    let names = [ruleset.as_bytes(), list.as_bytes()];
    for part in names.into_iter().chain(values.iter().map(Vec::as_slice)) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut seed = [0; 8];
    hasher.finalize_xof().fill(&mut seed);
    u64::from_le_bytes(seed)
}

/// A set of prefixes as disjoint intervals; prefixes inside one another, or side by side, become one.
pub(super) fn prefix_set(values: &[Prefix]) -> Vec<u8> {
    let mut v4: Vec<(u32, u32)> = Vec::new();
    let mut v6: Vec<(u128, u128)> = Vec::new();
    for Prefix { address, length } in values {
        match address {
            IpAddr::V4(address) => {
                let low = u32::from(*address);
                v4.push((
                    low,
                    low | u32::MAX.checked_shr((*length).into()).unwrap_or(0),
                ));
            }
            IpAddr::V6(address) => {
                let low = u128::from(*address);
                v6.push((
                    low,
                    low | u128::MAX.checked_shr((*length).into()).unwrap_or(0),
                ));
            }
        }
    }
    let v4 = merge(v4, |end| end.checked_add(1));
    let v6 = merge(v6, |end| end.checked_add(1));
    prefixes::write_set(&v4, &v6)
}

fn merge<T: Ord + Copy>(mut intervals: Vec<(T, T)>, after: impl Fn(T) -> Option<T>) -> Vec<(T, T)> {
    intervals.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(intervals.len());
    for (low, high) in intervals {
        match merged.last_mut() {
            Some((_, end)) if after(*end).is_none_or(|after| low <= after) => *end = high.max(*end),
            _ => merged.push((low, high)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_makes_an_approximate_list_another_gives_it_another_seed() {
        let values = |texts: &[&str]| -> Vec<Vec<u8>> {
            texts.iter().map(|text| text.as_bytes().to_vec()).collect()
        };
        let seeds = [
            seed("shop", "devices", &values(&["a", "b"])),
            seed("shop", "devices", &values(&["a", "c"])),
            seed("shop", "devices", &values(&["ab"])),
            seed("shop", "devices", &values(&[])),
            seed("shop", "others", &values(&["a", "b"])),
            seed("shopd", "evices", &values(&["a", "b"])),
        ];
        for (index, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..index].contains(seed), "{index}");
        }
        assert_eq!(seeds[0], seed("shop", "devices", &values(&["a", "b"])));
    }

    #[test]
    fn intervals_merge_where_they_touch_or_overlap() {
        type Intervals = &'static [(u32, u32)];
        let cases: [(Intervals, Intervals); 4] = [
            (&[(5, 9), (0, 3)], &[(0, 3), (5, 9)]),
            (&[(0, 3), (4, 7)], &[(0, 7)]),
            (&[(0, 9), (2, 3)], &[(0, 9)]),
            (
                &[(8, u32::MAX), (u32::MAX, u32::MAX), (9, 10)],
                &[(8, u32::MAX)],
            ),
        ];
        for (input, expected) in cases {
            assert_eq!(
                merge(input.to_vec(), |end| end.checked_add(1)),
                expected,
                "{input:?}"
            );
        }
    }
}
