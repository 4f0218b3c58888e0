//! Damage to the sections of a bundle, small enough that much of it passes the first checks.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::{Index, select};

/// One change of one section.
#[derive(Debug, Clone)]
pub(crate) struct Damage {
    pub(crate) section: Index,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    Byte(Index, u8),
    Add(Index, u8),
    Word(Index, u32),
    Copy {
        from: Index,
        to: Index,
        length: usize,
    },
    Truncate(Index),
    Append(Vec<u8>),
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    let change = prop_oneof![
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        3 => (at(), select(&[1, 0xff, 2, 4, 8, 0x80][..])).prop_map(|(at, step)| Change::Add(at, step)),
        2 => (at(), select(&[0, 1, u32::MAX, 1 << 31, 0x7fff_ffff, 0xffff][..]))
            .prop_map(|(at, word)| Change::Word(at, word)),
        2 => (at(), at(), select(&[1_usize, 2, 4, 8, 64][..]))
            .prop_map(|(from, to, length)| Change::Copy { from, to, length }),
        1 => at().prop_map(Change::Truncate),
        1 => vec(any::<u8>(), 1..9).prop_map(Change::Append),
    ];
    (any::<Index>(), change).prop_map(|(section, change)| Damage { section, change })
}

impl Damage {
    /// Does it; what has no place in the section is left out.
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() && !matches!(self.change, Change::Append(_)) {
            return;
        }
        let length = bytes.len();
        match &self.change {
            Change::Byte(at, byte) => bytes[at.index(length)] = *byte,
            Change::Add(at, step) => {
                let byte = &mut bytes[at.index(length)];
                *byte = byte.wrapping_add(*step);
            }
            Change::Word(at, word) => overwrite(bytes, at.index(length) & !3, &word.to_le_bytes()),
            Change::Copy {
                from,
                to,
                length: count,
            } => {
                let from = from.index(length);
                let copied = bytes[from..length.min(from + count)].to_vec();
                overwrite(bytes, to.index(length), &copied);
            }
            Change::Truncate(at) => bytes.truncate(at.index(length)),
            Change::Append(more) => bytes.extend(more),
        }
    }
}

fn overwrite(bytes: &mut [u8], at: usize, new: &[u8]) {
    for (old, new) in bytes[at..].iter_mut().zip(new) {
        *old = *new;
    }
}
