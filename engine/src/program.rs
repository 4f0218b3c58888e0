//! Section `programs`: the conditions of all rules, as decision sequences over atoms.
//!
//! Layout: count and nodes of (atom, next if true, next if false). Every next node comes later in the section, or is
//! [`ACCEPT`] or [`REJECT`], so a walk ends after at most as many steps as there are nodes. A condition takes one node
//! for each place where it names an atom, however deeply its `&&`, `||` and `!` are nested.

use alloc::vec::Vec;

use crate::atoms::AtomId;
use crate::bundle::BundleError;
use crate::codec::{ArrayRange, Cursor, Record, check_index, record, records, write_array};

/// The condition is true.
pub const ACCEPT: u32 = u32::MAX;
/// The condition is false.
pub const REJECT: u32 = u32::MAX - 1;

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

/// The section, checked: every walk ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programs {
    bytes: Vec<u8>,
    nodes: ArrayRange,
}

impl Programs {
    pub(crate) fn read(bytes: &[u8], atom_count: u32) -> Result<Programs, BundleError> {
        let what = "programs";
        let mut cursor = Cursor::new(bytes, what);
        let nodes = ArrayRange::read::<Node>(bytes, &mut cursor)?;
        cursor.finish()?;
        let programs = Programs {
            bytes: bytes.to_vec(),
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
