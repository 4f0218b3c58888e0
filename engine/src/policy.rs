//! Section `policy`: what holds for the ruleset as a whole.
//!
//! Layout: default action (u32), zero (u32), count and bands (at_least i64, action u32, zero u32; highest first), count
//! and the rules that are checked on every request (ascending), count and the atoms that are evaluated on every request
//! because they are access predicates without an index (ascending).

use alloc::vec::Vec;

use crate::atoms::AtomId;
use crate::bundle::BundleError;
use crate::codec::{ArrayRange, Bytes, Cursor, Record, check_index, record, records, write_array};

/// A score band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    /// The score that reaches it.
    pub at_least: i64,
    /// Index of its action.
    pub action: u32,
}

impl Record for Band {
    const LEN: usize = 16;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.at_least.to_le_bytes());
        self.action.write(out);
        0_u32.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        if u32::read(bytes.get(12..)?)? != 0 {
            return None;
        }
        Some(Band {
            at_least: i64::from_le_bytes(*bytes.first_chunk()?),
            action: u32::read(bytes.get(8..)?)?,
        })
    }
}

/// The section's contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyWriter {
    /// Index of the default action.
    pub default: u32,
    /// Highest first.
    pub bands: Vec<Band>,
    /// Rules without an access predicate.
    pub always: Vec<u32>,
    /// Access predicates without an index.
    pub scanned: Vec<AtomId>,
}

impl PolicyWriter {
    /// The section.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.default.write(&mut out);
        0_u32.write(&mut out);
        write_array(&self.bands, &mut out);
        write_array(&self.always, &mut out);
        write_array(&self.scanned, &mut out);
        out
    }
}

/// The section, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    bytes: Bytes,
    default: u32,
    bands: ArrayRange,
    always: ArrayRange,
    scanned: ArrayRange,
}

impl Policy {
    pub(crate) fn read(
        bytes: &Bytes,
        action_count: u32,
        rule_count: u32,
        atom_count: u32,
    ) -> Result<Policy, BundleError> {
        let what = "policy";
        let mut cursor = Cursor::new(bytes, what);
        let default = cursor.u32()?;
        cursor.padding(4)?;
        let section = Policy {
            bytes: bytes.clone(),
            default,
            bands: ArrayRange::read::<Band>(bytes, &mut cursor)?,
            always: ArrayRange::read::<u32>(bytes, &mut cursor)?,
            scanned: ArrayRange::read::<u32>(bytes, &mut cursor)?,
        };
        cursor.finish()?;
        check_index(default, action_count, what)?;
        for index in 0..section.bands.len() {
            let band = section.band(index).ok_or(BundleError::BadValue { what })?;
            check_index(band.action, action_count, what)?;
        }
        if !section.bands().is_sorted_by(|a, b| a.at_least > b.at_least) {
            return Err(BundleError::BadValue { what });
        }
        // Ascending, so none stands twice.
        if !section.always().is_sorted_by(|a, b| a < b)
            || !section.scanned().is_sorted_by(|a, b| a < b)
        {
            return Err(BundleError::BadValue { what });
        }
        section
            .always()
            .try_for_each(|rule| check_index(rule, rule_count, what))?;
        section
            .scanned()
            .try_for_each(|atom| check_index(atom, atom_count, what))?;
        Ok(section)
    }

    pub(crate) fn default_action(&self) -> u32 {
        self.default
    }

    pub(crate) fn band(&self, index: u32) -> Option<Band> {
        record(self.bands.view(&self.bytes), index)
    }

    pub(crate) fn bands(&self) -> impl Iterator<Item = Band> {
        records(self.bands.view(&self.bytes))
    }

    pub(crate) fn always(&self) -> impl Iterator<Item = u32> {
        records(self.always.view(&self.bytes))
    }

    pub(crate) fn scanned(&self) -> impl Iterator<Item = AtomId> {
        records(self.scanned.view(&self.bytes))
    }
}
