//! Lists and sets of prefixes, as the engine searches them.

use std::net::IpAddr;

use riskgate_engine::{lists, prefixes};

use crate::ir::{List, ListValues, Prefix};

/// The section of a list.
pub(super) fn lower(list: &List) -> Vec<u8> {
    match &list.values {
        ListValues::Strings(values) => lists::write_strings(values),
        ListValues::Prefixes(values) => lists::write_addresses(&prefix_set(values)),
    }
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
