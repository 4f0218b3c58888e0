//! The section table: which sections a bundle has, in which order, and their hashes.

use alloc::vec::Vec;
use core::fmt;

use super::BundleError;
use crate::codec::Cursor;

/// What a section holds. Sections stand in this order, but for `Provenance`, which is the last; only lists repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[expect(missing_docs, reason = "the module that reads each describes it")]
pub enum SectionKind {
    Strings = 1,
    Attributes = 2,
    Atoms = 3,
    Exact = 4,
    Prefixes = 5,
    Dfas = 6,
    Programs = 7,
    Rules = 8,
    Actions = 9,
    Policy = 10,
    Literals = 11,
    Networks = 12,
    Ranks = 13,
    Pairs = 14,
    List = 15,
    Provenance = 16,
    Canaries = 17,
    Counters = 18,
}

impl SectionKind {
    /// In the order of the file.
    const ALL: [SectionKind; 18] = [
        SectionKind::Strings,
        SectionKind::Attributes,
        SectionKind::Atoms,
        SectionKind::Exact,
        SectionKind::Prefixes,
        SectionKind::Dfas,
        SectionKind::Programs,
        SectionKind::Rules,
        SectionKind::Actions,
        SectionKind::Policy,
        SectionKind::Literals,
        SectionKind::Networks,
        SectionKind::Ranks,
        SectionKind::Pairs,
        SectionKind::List,
        SectionKind::Canaries,
        SectionKind::Counters,
        SectionKind::Provenance,
    ];

    /// Where it stands among the others: `provenance` is the last, so that it can be left out.
    fn place(self) -> usize {
        let mut kinds = Self::ALL.into_iter();
        kinds.position(|kind| kind == self).unwrap_or_default()
    }

    fn from_code(code: u16) -> Result<SectionKind, BundleError> {
        Self::ALL
            .into_iter()
            .find(|kind| *kind as u16 == code)
            .ok_or(BundleError::UnknownSection { kind: code })
    }

    fn repeats(self) -> bool {
        self == SectionKind::List
    }

    fn is_detached(self) -> bool {
        self == SectionKind::Provenance
    }
}

impl fmt::Display for SectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SectionKind::Strings => "strings",
            SectionKind::Attributes => "attributes",
            SectionKind::Atoms => "atoms",
            SectionKind::Exact => "exact",
            SectionKind::Prefixes => "prefixes",
            SectionKind::Dfas => "dfas",
            SectionKind::Programs => "programs",
            SectionKind::Rules => "rules",
            SectionKind::Actions => "actions",
            SectionKind::Policy => "policy",
            SectionKind::Literals => "literals",
            SectionKind::Networks => "networks",
            SectionKind::Ranks => "ranks",
            SectionKind::Pairs => "pairs",
            SectionKind::List => "list",
            SectionKind::Provenance => "provenance",
            SectionKind::Canaries => "canaries",
            SectionKind::Counters => "counters",
        })
    }
}

/// Flags of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionFlags(u16);

impl SectionFlags {
    const DETACHED: u16 = 1;

    pub(crate) fn of(kind: SectionKind) -> SectionFlags {
        SectionFlags(if kind.is_detached() {
            Self::DETACHED
        } else {
            0
        })
    }

    /// Checked by `rulec` and the pusher, never sent to filters.
    #[must_use]
    pub fn is_detached(self) -> bool {
        self.0 & Self::DETACHED != 0
    }
}

/// A section of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    /// What it holds.
    pub kind: SectionKind,
    /// How it travels.
    pub flags: SectionFlags,
    /// In bytes, without padding.
    pub length: u32,
    /// BLAKE3 of its bytes.
    pub hash: [u8; 32],
    /// `None` for a detached section that was left out.
    pub bytes: Option<&'a [u8]>,
}

/// What the section table says of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionEntry {
    /// What it holds.
    pub kind: SectionKind,
    /// How it travels.
    pub flags: SectionFlags,
    /// In bytes, without padding.
    pub length: u32,
    /// BLAKE3 of its bytes.
    pub hash: [u8; 32],
}

impl SectionEntry {
    pub(super) const LEN: usize = 2 + 2 + 4 + 32;

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<SectionEntry, BundleError> {
        let kind = SectionKind::from_code(cursor.u16()?)?;
        let flags = SectionFlags(cursor.u16()?);
        if flags != SectionFlags::of(kind) {
            return Err(BundleError::UnorderedSections { kind });
        }
        Ok(SectionEntry {
            kind,
            flags,
            length: cursor.u32()?,
            hash: cursor.array()?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.kind as u16).to_le_bytes());
        out.extend_from_slice(&self.flags.0.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.hash);
    }

    /// Kinds stand in one order, so that there is one way to write a bundle.
    pub(super) fn check_order(&self, last: Option<&SectionEntry>) -> Result<(), BundleError> {
        let Some(last) = last else { return Ok(()) };
        if last.kind.place() < self.kind.place() || (last.kind == self.kind && self.kind.repeats())
        {
            return Ok(());
        }
        Err(BundleError::UnorderedSections { kind: self.kind })
    }
}
