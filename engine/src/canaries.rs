//! Section `canaries`: of rules at stage canary, how large a share of their matches is enforced, and by what it is drawn.
//!
//! Layout: count and records (rule u32, share u32, slice of the keys), ascending by rule; count and keys, which are
//! attributes. The section is there exactly if some rule is at stage canary.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::attributes::{AttributeId, Attributes, ValueKind};
use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Bytes, Cursor, Partition, Record, check_index, find, records, slice, write_array,
};
use crate::rules::{Rules, Stage};

/// The share that is all: shares are counted in hundredths of a percent.
pub const WHOLE: u32 = 10_000;

/// More keys of one canary are refused.
pub const MAX_KEYS: u32 = 8;

/// How a rule at stage canary is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canary {
    /// The rule.
    pub rule: u32,
    /// From 1 to [`WHOLE`].
    pub share: u32,
    /// Its slice of the keys, not empty.
    pub keys: (u32, u32),
}

impl Record for Canary {
    const LEN: usize = 16;

    fn write(&self, out: &mut Vec<u8>) {
        self.rule.write(out);
        self.share.write(out);
        self.keys.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Canary {
            rule: u32::read(bytes)?,
            share: u32::read(bytes.get(4..)?)?,
            keys: <(u32, u32)>::read(bytes.get(8..)?)?,
        })
    }
}

/// The section.
#[must_use]
pub fn write(canaries: &[Canary], keys: &[AttributeId]) -> Vec<u8> {
    let mut out = Vec::new();
    write_array(canaries, &mut out);
    write_array(keys, &mut out);
    out
}

/// The section, checked: a record for each rule at stage canary and for no other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Canaries {
    bytes: Bytes,
    canaries: ArrayRange,
    keys: ArrayRange,
}

impl Canaries {
    /// `None` for a bundle without the section.
    pub(crate) fn read(
        bytes: Option<&Bytes>,
        rules: &Rules,
        attributes: &Attributes,
    ) -> Result<Canaries, BundleError> {
        let section = match bytes {
            Some(bytes) => Canaries::of_section(bytes, attributes)?,
            None => Canaries::default(),
        };
        let staged = (0..rules.count()).filter(|index| {
            let rule = rules.get(*index);
            rule.is_some_and(|rule| rule.stage == Stage::Canary)
        });
        if !staged.eq(section.all().map(|canary| canary.rule)) {
            return Err(BundleError::BadValue { what: "canaries" });
        }
        Ok(section)
    }

    fn of_section(bytes: &Bytes, attributes: &Attributes) -> Result<Canaries, BundleError> {
        let what = "canaries";
        let mut cursor = Cursor::new(bytes, what);
        let section = Canaries {
            bytes: bytes.clone(),
            canaries: ArrayRange::read::<Canary>(bytes, &mut cursor)?,
            keys: ArrayRange::read::<AttributeId>(bytes, &mut cursor)?,
        };
        cursor.finish()?;
        let mut keys = Partition::default();
        for canary in section.all() {
            keys.next(canary.keys, section.keys.len(), what)?;
            let is_within =
                (1..=WHOLE).contains(&canary.share) && (1..=MAX_KEYS).contains(&canary.keys.1);
            if !is_within {
                return Err(BundleError::BadValue { what });
            }
        }
        keys.finish(section.keys.len(), what)?;
        for key in records::<AttributeId>(section.keys.view(bytes)) {
            check_index(key, attributes.count(), what)?;
            let is_key = attributes.get(key).is_some_and(|attribute| {
                let is_kept = matches!(attribute.base.kind(), ValueKind::Bytes | ValueKind::Ip);
                is_kept && !attribute.base.is_of_response()
            });
            if !is_key {
                return Err(BundleError::BadValue { what });
            }
        }
        if section.canaries.len() == 0 {
            return Err(BundleError::BadValue { what });
        }
        Ok(section)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = Canary> {
        records(self.canaries.view(&self.bytes))
    }

    pub(crate) fn of_rule(&self, rule: u32) -> Option<Canary> {
        let canaries = self.canaries.view(&self.bytes);
        find(canaries, |canary: &Canary| canary.rule.cmp(&rule))
    }

    pub(crate) fn keys(&self, canary: &Canary) -> impl Iterator<Item = AttributeId> + use<'_> {
        let (start, length) = canary.keys;
        records(slice::<AttributeId>(
            self.keys.view(&self.bytes),
            start,
            length,
        ))
    }
}

/// Where a request stands among all, by its keys and by the rule, so that the rules of a ruleset draw different clients.
pub(crate) struct Draw(blake3::Hasher);

impl Draw {
    pub(crate) fn new(rule_id: &[u8]) -> Draw {
        let mut hasher = blake3::Hasher::new();
        hasher.update(rule_id).update(&[0]);
        Draw(hasher)
    }

    pub(crate) fn add(&mut self, value: &[u8]) {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.0.update(&length.to_le_bytes()).update(value);
    }

    /// An address counts by its octets; an IPv4-mapped one is IPv4.
    pub(crate) fn add_address(&mut self, address: IpAddr) {
        match address.to_canonical() {
            IpAddr::V4(address) => self.add(&address.octets()),
            IpAddr::V6(address) => self.add(&address.octets()),
        }
    }

    /// Whether a share takes the request in. Whom a share takes in, a larger one does too.
    pub(crate) fn is_within(&self, share: u32) -> bool {
        let hash = self.0.finalize();
        let first = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(first) % u64::from(WHOLE) < u64::from(share)
    }
}
