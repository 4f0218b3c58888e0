//! Cuts the addresses of a family into the intervals between the networks that rules name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use riskgate_engine::atoms::AtomId;
use riskgate_engine::attributes::AttributeId;
use riskgate_engine::networks::{Interval, NONE, Network, NetworksWriter, Table};

use super::intern::index;
use crate::ir::Prefix;

/// Networks by family: first and last address, larger ones first where both start together, and their atoms.
type Family<T> = BTreeMap<(T, std::cmp::Reverse<T>), BTreeSet<AtomId>>;

/// Collects the networks of rules.
#[derive(Debug, Default)]
pub(super) struct NetworksBuilder {
    attributes: BTreeMap<AttributeId, (Family<u32>, Family<u128>)>,
}

impl NetworksBuilder {
    /// An address in one of `prefixes` makes `atom` true.
    pub(super) fn add(&mut self, attribute: AttributeId, prefixes: &[Prefix], atom: AtomId) {
        let (v4, v6) = self.attributes.entry(attribute).or_default();
        for prefix in prefixes {
            let length = u32::from(prefix.length);
            match prefix.address {
                IpAddr::V4(address) => {
                    let low = u32::from(address);
                    let high = low | u32::MAX.checked_shr(length).unwrap_or(0);
                    let key = (low, std::cmp::Reverse(high));
                    v4.entry(key).or_default().insert(atom);
                }
                IpAddr::V6(address) => {
                    let low = u128::from(address);
                    let high = low | u128::MAX.checked_shr(length).unwrap_or(0);
                    let key = (low, std::cmp::Reverse(high));
                    v6.entry(key).or_default().insert(atom);
                }
            }
        }
    }

    /// The section.
    pub(super) fn write(self) -> Vec<u8> {
        let mut writer = NetworksWriter::default();
        for (attribute, (v4, v6)) in self.attributes {
            let v4 = cut(&v4, |last| last.checked_add(1), &mut writer);
            let v6 = cut(&v6, |last| last.checked_add(1), &mut writer);
            writer.tables.push(Table {
                attribute,
                v4: (index(writer.v4.len()), index(v4.len())),
                v6: (index(writer.v6.len()), index(v6.len())),
            });
            writer.v4.extend(v4);
            writer.v6.extend(v6);
        }
        writer.write()
    }
}

/// Appends the networks of a family and returns the intervals between their ends.
fn cut<T: Ord + Copy>(
    family: &Family<T>,
    after: impl Fn(T) -> Option<T>,
    writer: &mut NetworksWriter,
) -> Vec<Interval<T>> {
    let mut intervals = Vec::new();
    // The networks around the place that is looked at, the smallest last, with their last addresses.
    let mut around: Vec<(T, u32)> = Vec::new();
    for (&(low, std::cmp::Reverse(high)), atoms) in family {
        leave(&mut around, Some(low), &after, &mut intervals);
        let network = index(writer.networks.len());
        writer.networks.push(Network {
            around: around.last().map_or(NONE, |(_, network)| *network),
            atoms: (index(writer.atoms.len()), index(atoms.len())),
        });
        writer.atoms.extend(atoms);
        begin(low, network, &mut intervals);
        around.push((high, network));
    }
    leave(&mut around, None, &after, &mut intervals);
    intervals
}

/// Leaves the networks that end before `next`, or all.
fn leave<T: Ord + Copy>(
    around: &mut Vec<(T, u32)>,
    next: Option<T>,
    after: &impl Fn(T) -> Option<T>,
    intervals: &mut Vec<Interval<T>>,
) {
    while let Some((last, _)) = around.pop_if(|(last, _)| next.is_none_or(|next| *last < next)) {
        let outer = around.last().map_or(NONE, |(_, network)| *network);
        if let Some(first) = after(last) {
            begin(first, outer, intervals);
        }
    }
}

/// From `first` on the smallest network is this one.
fn begin<T: Ord + Copy>(first: T, network: u32, intervals: &mut Vec<Interval<T>>) {
    match intervals.last_mut() {
        Some(last) if last.first == first => last.network = network,
        _ => intervals.push(Interval { first, network }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        let (address, length) = text.split_once('/').expect("a prefix");
        Prefix {
            address: address.parse().expect("an address"),
            length: length.parse().expect("a length"),
        }
    }

    /// Intervals as first address and the prefixes' positions around them, the smallest first.
    fn cut_v4(prefixes: &[&str]) -> Vec<(u32, Vec<AtomId>)> {
        let mut builder = NetworksBuilder::default();
        for (atom, text) in (0..).zip(prefixes) {
            builder.add(0, &[prefix(text)], atom);
        }
        let (v4, _) = builder.attributes.remove(&0).unwrap_or_default();
        let mut writer = NetworksWriter::default();
        let intervals = cut(&v4, |last| last.checked_add(1), &mut writer);
        let atoms_around = |interval: Interval<u32>| {
            let mut atoms = Vec::new();
            let mut next = interval.network;
            while let Some(network) = writer.networks.get(next as usize) {
                let (start, length) = network.atoms;
                atoms.extend(writer.atoms[start as usize..][..length as usize].iter());
                next = network.around;
            }
            (interval.first, atoms)
        };
        intervals.into_iter().map(atoms_around).collect()
    }

    #[test]
    fn intervals_begin_where_networks_begin_or_end() {
        type Intervals = &'static [(u32, &'static [AtomId])];
        let cases: [(&[&str], Intervals); 6] = [
            (&[], &[]),
            (&["0.0.0.0/0"], &[(0, &[0])]),
            (&["0.0.0.4/30", "0.0.0.4/30"], &[(4, &[0, 1]), (8, &[])]),
            (
                &["0.0.0.4/31", "0.0.0.4/30", "0.0.0.6/31"],
                &[(4, &[0, 1]), (6, &[2, 1]), (8, &[])],
            ),
            (
                &["0.0.0.0/28", "0.0.0.4/30", "0.0.0.5/32"],
                &[
                    (0, &[0]),
                    (4, &[1, 0]),
                    (5, &[2, 1, 0]),
                    (6, &[1, 0]),
                    (8, &[0]),
                    (16, &[]),
                ],
            ),
            (
                &["255.255.255.254/31", "255.255.255.255/32"],
                &[(u32::MAX - 1, &[0]), (u32::MAX, &[1, 0])],
            ),
        ];
        for (prefixes, expected) in cases {
            let expected: Vec<(u32, Vec<AtomId>)> = expected
                .iter()
                .map(|(first, atoms)| (*first, atoms.to_vec()))
                .collect();
            assert_eq!(cut_v4(prefixes), expected, "{prefixes:?}");
        }
    }
}
