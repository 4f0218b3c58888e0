//! Section `pairs`: rules that two atoms together give access to.
//!
//! Where one atom would let very many rules in, each of them is filed under that atom and a second one. The walk takes
//! the shorter of two ways: over the seconds of a true atom, or over the atoms that are true.
//!
//! Layout: firsts (count; atom, slice of the seconds), seconds (count; atom, slice of the rules), rules (count, u32 each).
//! Firsts ascend by atom, and so do the seconds of each.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::atoms::{AtomId, Atoms};
use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Bytes, Cursor, Partition, Record, check_index, find, records, slice, write_array,
};

/// An atom and what is filed under it, a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filed {
    /// The atom.
    pub atom: AtomId,
    /// Seconds of a first, rules of a second.
    pub slice: (u32, u32),
}

impl Record for Filed {
    const LEN: usize = 12;

    fn write(&self, out: &mut Vec<u8>) {
        self.atom.write(out);
        self.slice.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Filed {
            atom: u32::read(bytes)?,
            slice: <(u32, u32)>::read(bytes.get(4..)?)?,
        })
    }
}

/// The section.
#[must_use]
pub fn write(firsts: &[Filed], seconds: &[Filed], rules: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    write_array(firsts, &mut out);
    write_array(seconds, &mut out);
    write_array(rules, &mut out);
    out
}

/// The section, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pairs {
    bytes: Bytes,
    firsts: ArrayRange,
    seconds: ArrayRange,
    rules: ArrayRange,
}

impl Pairs {
    pub(crate) fn read(
        bytes: &Bytes,
        atoms: &Atoms,
        rule_count: u32,
    ) -> Result<Pairs, BundleError> {
        let what = "pairs";
        let mut cursor = Cursor::new(bytes, what);
        let section = Pairs {
            bytes: bytes.clone(),
            firsts: ArrayRange::read::<Filed>(bytes, &mut cursor)?,
            seconds: ArrayRange::read::<Filed>(bytes, &mut cursor)?,
            rules: ArrayRange::read::<u32>(bytes, &mut cursor)?,
        };
        cursor.finish()?;
        let (mut seconds, mut rules) = (Partition::default(), Partition::default());
        let firsts = section.firsts.view(bytes);
        check_ascending(firsts, atoms)?;
        for first in records::<Filed>(firsts) {
            seconds.next(first.slice, section.seconds.len(), what)?;
            let own = section.seconds_of(&first);
            check_ascending(own, atoms)?;
            for second in records::<Filed>(own) {
                rules.next(second.slice, section.rules.len(), what)?;
            }
        }
        seconds.finish(section.seconds.len(), what)?;
        rules.finish(section.rules.len(), what)?;
        for rule in records::<u32>(section.rules.view(bytes)) {
            check_index(rule, rule_count, what)?;
        }
        Ok(section)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.firsts.len() == 0
    }

    /// Tells every pair of atoms with each rule that it gives access to.
    pub(crate) fn for_each(&self, mut tell: impl FnMut(AtomId, AtomId, u32)) {
        for first in records::<Filed>(self.firsts.view(&self.bytes)) {
            for second in records::<Filed>(self.seconds_of(&first)) {
                for rule in records(self.rules_of(&second)) {
                    tell(first.atom, second.atom, rule);
                }
            }
        }
    }

    /// Tells the rules of all pairs of true atoms. `is_true` knows all atoms that give access.
    pub(crate) fn find(
        &self,
        true_atoms: &[AtomId],
        is_true: impl Fn(AtomId) -> bool,
        mut tell: impl FnMut(u32),
    ) {
        let firsts = self.firsts.view(&self.bytes);
        for atom in true_atoms {
            let Some(first) = by_atom(firsts, *atom) else {
                continue;
            };
            let seconds = self.seconds_of(&first);
            if seconds.len() / Filed::LEN <= true_atoms.len() {
                records::<Filed>(seconds)
                    .filter(|second| is_true(second.atom))
                    .for_each(|second| self.tell_rules(&second, &mut tell));
            } else {
                true_atoms
                    .iter()
                    .filter_map(|atom| by_atom(seconds, *atom))
                    .for_each(|second| self.tell_rules(&second, &mut tell));
            }
        }
    }

    /// Every atom that is one of a pair.
    pub(crate) fn atoms(&self) -> impl Iterator<Item = AtomId> {
        let firsts = records::<Filed>(self.firsts.view(&self.bytes));
        let seconds = records::<Filed>(self.seconds.view(&self.bytes));
        firsts.chain(seconds).map(|filed| filed.atom)
    }

    fn seconds_of(&self, first: &Filed) -> &[u8] {
        let (start, length) = first.slice;
        slice::<Filed>(self.seconds.view(&self.bytes), start, length)
    }

    fn rules_of(&self, second: &Filed) -> &[u8] {
        let (start, length) = second.slice;
        slice::<u32>(self.rules.view(&self.bytes), start, length)
    }

    fn tell_rules(&self, second: &Filed, tell: &mut impl FnMut(u32)) {
        records(self.rules_of(second)).for_each(tell);
    }
}

fn by_atom(filed: &[u8], atom: AtomId) -> Option<Filed> {
    find::<Filed>(filed, |found: &Filed| -> Ordering { found.atom.cmp(&atom) })
}

fn check_ascending(filed: &[u8], atoms: &Atoms) -> Result<(), BundleError> {
    let what = "pairs";
    for found in records::<Filed>(filed) {
        check_index(found.atom, atoms.count(), what)?;
    }
    if records::<Filed>(filed).is_sorted_by(|a, b| a.atom < b.atom) {
        return Ok(());
    }
    Err(BundleError::BadValue { what })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::atoms::{Test, View};
    use crate::attributes::Base;
    use crate::fixture;

    fn atoms(count: usize) -> Atoms {
        let atom = fixture::atom(0, View::Value, Test::Present);
        fixture::atoms(Base::Path, &vec![atom; count])
    }

    fn filed(atom: AtomId, start: u32, length: u32) -> Filed {
        Filed {
            atom,
            slice: (start, length),
        }
    }

    fn read(firsts: &[Filed], seconds: &[Filed], rules: &[u32]) -> Result<Pairs, BundleError> {
        let section = write(firsts, seconds, rules);
        Pairs::read(&section.as_slice().into(), &atoms(10), 5)
    }

    /// Atom 1 with 2, 4, 5, 6 and 7; atom 3 with 2.
    fn sound() -> (Vec<Filed>, Vec<Filed>, Vec<u32>) {
        let firsts = vec![filed(1, 0, 5), filed(3, 5, 1)];
        let mut seconds: Vec<Filed> = [2, 4, 5, 6, 7]
            .into_iter()
            .zip(0..)
            .map(|(atom, at)| filed(atom, at, 1))
            .collect();
        seconds.push(filed(2, 5, 2));
        (firsts, seconds, vec![0, 1, 2, 3, 4, 0, 4])
    }

    #[test]
    fn rules_of_true_pairs_are_told_whichever_side_is_longer() {
        let (firsts, seconds, rules) = sound();
        let pairs = read(&firsts, &seconds, &rules).unwrap();
        let cases: [(&[AtomId], &[u32]); 8] = [
            (&[], &[]),
            (&[1], &[]),
            (&[2, 4], &[]),
            (&[1, 2], &[0]),
            (&[7, 1], &[4]),
            (&[3, 2], &[0, 4]),
            (&[9, 8, 7, 6, 5, 4, 2, 1], &[0, 1, 2, 3, 4]),
            (&[1, 2, 3], &[0, 0, 4]),
        ];
        for (true_atoms, expected) in cases {
            let mut found = Vec::new();
            let is_true = |atom| true_atoms.contains(&atom);
            pairs.find(true_atoms, is_true, |rule| found.push(rule));
            found.sort_unstable();
            assert_eq!(found, expected, "{true_atoms:?}");
        }
    }

    #[test]
    fn what_would_not_be_found_or_lies_outside_is_refused() {
        let (firsts, seconds, rules) = sound();
        let turned: Vec<Filed> = firsts.iter().rev().copied().collect();
        assert!(read(&turned, &seconds, &rules).is_err());
        let mut swapped = seconds.clone();
        swapped.swap(0, 1);
        assert!(read(&firsts, &swapped, &rules).is_err());
        assert!(read(&firsts, &seconds, &[0, 1, 2, 3, 5, 0, 4]).is_err());
        assert!(read(&firsts, &seconds, &[0, 1, 2, 3, 4, 0]).is_err());
        assert!(read(&firsts, &seconds, &[0, 1, 2, 3, 4, 0, 4, 4]).is_err());
        let outside = [filed(1, 0, 5), filed(10, 5, 1)];
        assert!(read(&outside, &seconds, &rules).is_err());
        let overlapping = [filed(1, 0, 5), filed(3, 4, 2)];
        assert!(read(&overlapping, &seconds, &rules).is_err());
    }
}
