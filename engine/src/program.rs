//! Section `programs`: the conditions of all rules, as decision sequences over atoms.
//!
//! Layout: count and nodes of (atom, next if true, next if false). Every next node comes later in the section, or is
//! [`ACCEPT`] or [`REJECT`], so a walk ends after at most as many steps as there are nodes. The
//! conditions stand in the order of the rules and none reaches into the next. A condition takes one node
//! for each place where it names an atom, however deeply its `&&`, `||` and `!` are nested.

use alloc::vec::Vec;

use crate::atoms::AtomId;
use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Bytes, Cursor, Record, check_index, record, records, slice, write_array,
};
use crate::pace::Pace;

/// The condition is true.
pub const ACCEPT: u32 = u32::MAX;
/// The condition is false.
pub const REJECT: u32 = u32::MAX - 1;

/// Checking a condition takes as long as looking at so many bytes.
const WORK_EACH: usize = 10;

/// One step: look at an atom, go on at one of two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The atom to look at.
    pub atom: AtomId,
    /// Where to go on when it is true.
    pub on_true: u32,
    /// Where to go on when it is false.
    pub on_false: u32,
}

impl Record for Node {
    const LEN: usize = 12;

    fn write(&self, out: &mut Vec<u8>) {
        self.atom.write(out);
        self.on_true.write(out);
        self.on_false.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Node {
            atom: u32::read(bytes)?,
            on_true: u32::read(bytes.get(4..)?)?,
            on_false: u32::read(bytes.get(8..)?)?,
        })
    }
}

/// The section.
#[must_use]
pub fn write(nodes: &[Node]) -> Vec<u8> {
    let mut out = Vec::new();
    write_array(nodes, &mut out);
    out
}

/// Where walks can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reached {
    pub(crate) accept: bool,
    pub(crate) reject: bool,
}

/// The section, checked: every walk ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programs {
    bytes: Bytes,
    nodes: ArrayRange,
}

impl Programs {
    pub(crate) fn read(bytes: &Bytes, atom_count: u32) -> Result<Programs, BundleError> {
        let what = "programs";
        let mut cursor = Cursor::new(bytes, what);
        let nodes = ArrayRange::read::<Node>(bytes, &mut cursor)?;
        cursor.finish()?;
        let programs = Programs {
            bytes: bytes.clone(),
            nodes,
        };
        for (index, node) in (0..).zip(records::<Node>(programs.nodes.view(bytes))) {
            check_index(node.atom, atom_count, what)?;
            for next in [node.on_true, node.on_false] {
                programs.check_entry(next)?;
                if next <= index {
                    return Err(BundleError::BadValue { what });
                }
            }
        }
        Ok(programs)
    }

    pub(crate) fn check_entry(&self, entry: u32) -> Result<(), BundleError> {
        match entry {
            ACCEPT | REJECT => Ok(()),
            node => check_index(node, self.nodes.len(), "programs"),
        }
    }

    /// Checks that conditions that start at `entries` stand one behind the other and that none reaches into the next:
    /// all walks of a request together take no more steps than there are nodes.
    pub(crate) async fn check_conditions(
        &self,
        entries: impl Iterator<Item = u32>,
        pace: &Pace,
    ) -> Result<(), BundleError> {
        let what = "programs";
        let is_node = |next: &u32| !matches!(*next, ACCEPT | REJECT);
        let mut starts = entries
            .filter(is_node)
            .chain(core::iter::once(self.nodes.len()));
        let Some(mut start) = starts.next().filter(|first| *first == 0) else {
            return Err(BundleError::BadValue { what });
        };
        for (index, end) in starts.enumerate() {
            pace.spend_on(index, WORK_EACH).await;
            let nodes = slice::<Node>(
                self.nodes.view(&self.bytes),
                start,
                end.saturating_sub(start),
            );
            let stays = |node: Node| {
                let mut next = [node.on_true, node.on_false].into_iter().filter(is_node);
                next.all(|next| next < end)
            };
            if nodes.is_empty() || !records::<Node>(nodes).all(stays) {
                return Err(BundleError::BadValue { what });
            }
            start = end;
        }
        Ok(())
    }

    pub(crate) fn node(&self, index: u32) -> Option<Node> {
        record(self.nodes.view(&self.bytes), index)
    }

    /// Walks every way from `entry` that is open, where `truth` tells what is known of an atom and nothing if both ways are.
    /// Each node is looked at once. `open` is a buffer.
    pub(crate) fn explore(
        &self,
        entry: u32,
        open: &mut Vec<bool>,
        mut truth: impl FnMut(AtomId) -> Option<bool>,
    ) -> Reached {
        let nodes = self.nodes.view(&self.bytes);
        let mut reached = Reached::default();
        open.clear();
        let mut go = |to: u32, open: &mut Vec<bool>| match to {
            ACCEPT => reached.accept = true,
            REJECT => reached.reject = true,
            node => {
                let place = node.saturating_sub(entry) as usize;
                if place >= open.len() {
                    open.resize(place + 1, false);
                }
                if let Some(flag) = open.get_mut(place) {
                    *flag = true;
                }
            }
        };
        go(entry, open);
        let mut place = 0;
        while let Some(is_open) = open.get(place).copied() {
            let at = entry.saturating_add(u32::try_from(place).unwrap_or(u32::MAX));
            place += 1;
            let Some(node) = record::<Node>(nodes, at).filter(|_| is_open) else {
                continue;
            };
            let truth = truth(node.atom);
            if truth != Some(false) {
                go(node.on_true, open);
            }
            if truth != Some(true) {
                go(node.on_false, open);
            }
        }
        reached
    }

    /// Walks from `entry` on; `is_true` tells an atom's value.
    pub(crate) fn run(&self, entry: u32, mut is_true: impl FnMut(AtomId) -> bool) -> bool {
        let nodes = self.nodes.view(&self.bytes);
        let mut at = entry;
        while let Some(node) = record::<Node>(nodes, at) {
            at = if is_true(node.atom) {
                node.on_true
            } else {
                node.on_false
            };
        }
        at == ACCEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(atom: AtomId, on_true: u32, on_false: u32) -> Node {
        Node {
            atom,
            on_true,
            on_false,
        }
    }

    #[test]
    fn a_walk_takes_the_place_that_the_atom_names() {
        // 0 && (1 || !2)
        let nodes = [
            node(0, 1, REJECT),
            node(1, ACCEPT, 2),
            node(2, REJECT, ACCEPT),
        ];
        let programs = Programs::read(&write(&nodes).as_slice().into(), 3).unwrap();
        for bits in 0..8_u32 {
            let is_true = |atom: AtomId| bits >> atom & 1 == 1;
            let expected = is_true(0) && (is_true(1) || !is_true(2));
            assert_eq!(programs.run(0, is_true), expected, "{bits:03b}");
        }
        assert!(programs.run(ACCEPT, |_| false));
        assert!(!programs.run(REJECT, |_| true));
    }

    #[test]
    fn every_way_that_is_open_is_walked_once() {
        // 0 && (1 || !2)
        let nodes = [
            node(0, 1, REJECT),
            node(1, ACCEPT, 2),
            node(2, REJECT, ACCEPT),
        ];
        let programs = Programs::read(&write(&nodes).as_slice().into(), 3).unwrap();
        let truths = [None, Some(false), Some(true)];
        for (a, b, c) in truths
            .iter()
            .flat_map(|a| truths.iter().map(move |b| (a, b)))
            .flat_map(|(a, b)| truths.iter().map(move |c| (*a, *b, *c)))
        {
            let truths = [a, b, c];
            let mut asked = Vec::new();
            let found = programs.explore(0, &mut Vec::new(), |atom| {
                asked.push(atom);
                truths[atom as usize]
            });
            // Every world that agrees with what is known.
            let fits = |bits: &u32| {
                (0..3).all(|atom| truths[atom].is_none_or(|truth| truth == (bits >> atom & 1 == 1)))
            };
            let ends = |end| {
                (0..8_u32)
                    .filter(fits)
                    .any(|bits| programs.run(0, |atom| bits >> atom & 1 == 1) == end)
            };
            assert_eq!(
                found,
                Reached {
                    accept: ends(true),
                    reject: ends(false)
                },
                "{truths:?}"
            );
            let mut once = asked.clone();
            once.dedup();
            assert_eq!(asked, once, "{truths:?}");
        }
        let ends = |entry| programs.explore(entry, &mut Vec::new(), |_| None);
        assert_eq!(
            ends(ACCEPT),
            Reached {
                accept: true,
                reject: false
            }
        );
        assert_eq!(
            ends(REJECT),
            Reached {
                accept: false,
                reject: true
            }
        );
    }

    #[test]
    fn walks_that_might_not_end_are_refused() {
        let cases: [&[Node]; 5] = [
            &[node(0, 0, REJECT)],
            &[node(0, 1, REJECT), node(0, ACCEPT, 0)],
            &[node(0, 1, REJECT)],
            &[node(0, ACCEPT, REJECT - 1)],
            &[node(1, ACCEPT, REJECT)],
        ];
        for nodes in cases {
            assert!(
                Programs::read(&write(nodes).as_slice().into(), 1).is_err(),
                "{nodes:?}"
            );
        }
    }

    fn check(programs: &Programs, entries: &[u32]) -> Result<(), BundleError> {
        let entries = entries.iter().copied();
        crate::pace::at_once(async |pace| programs.check_conditions(entries.clone(), pace).await)
    }

    #[test]
    fn conditions_stand_one_behind_the_other() {
        let nodes = [
            node(0, 1, REJECT),
            node(0, ACCEPT, REJECT),
            node(0, ACCEPT, REJECT),
        ];
        let programs = Programs::read(&write(&nodes).as_slice().into(), 1).unwrap();
        let cases: [(&[u32], bool); 8] = [
            (&[0, 2], true),
            (&[ACCEPT, 0, REJECT, 2, ACCEPT], true),
            (&[0], true),
            (&[0, 1], false),
            (&[0, 0, 2], false),
            (&[2, 0], false),
            (&[1, 2], false),
            (&[ACCEPT], false),
        ];
        for (entries, expected) in cases {
            let found = check(&programs, entries);
            assert_eq!(found.is_ok(), expected, "{entries:?}");
        }
        let none = Programs::read(&write(&[]).as_slice().into(), 0).unwrap();
        assert!(check(&none, &[ACCEPT, REJECT]).is_ok());
    }
}
