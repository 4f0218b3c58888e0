//! Section `strings`: every byte string that other sections name by index.
//!
//! Layout: count, count + 1 offsets into the blob, the blob.

use alloc::vec::Vec;

use crate::bundle::BundleError;
use crate::codec::{ArrayRange, Bytes, Cursor, Record, record, records, write_len};

/// A longer name of a header or tag is refused, in bytes.
pub const MAX_HEADER_NAME_LEN: usize = 128;
/// A longer value of a header or tag, or literal of a redirect, is refused, in bytes.
pub const MAX_HEADER_LEN: usize = 4_096;

/// Index of a string.
pub type StringId = u32;

/// Collects strings; equal ones share an index.
#[derive(Debug, Default, Clone)]
pub struct StringsWriter {
    ids: alloc::collections::BTreeMap<Vec<u8>, StringId>,
    offsets: Vec<u32>,
    blob: Vec<u8>,
}

impl StringsWriter {
    /// The index of `bytes`, added if it is new.
    pub fn intern(&mut self, bytes: &[u8]) -> StringId {
        if let Some(&id) = self.ids.get(bytes) {
            return id;
        }
        let id = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        self.ids.insert(bytes.to_vec(), id);
        self.blob.extend_from_slice(bytes);
        self.offsets
            .push(u32::try_from(self.blob.len()).unwrap_or(u32::MAX));
        id
    }

    /// The section.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_len(self.offsets.len() + 1, &mut out);
        0_u32.write(&mut out);
        for end in &self.offsets {
            end.write(&mut out);
        }
        write_len(self.blob.len(), &mut out);
        out.extend_from_slice(&self.blob);
        out
    }
}

/// The section, checked: every offset lies in the blob and they ascend.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strings {
    bytes: Bytes,
    offsets: ArrayRange,
    blob_start: usize,
}

impl Strings {
    pub(crate) fn read(bytes: &Bytes) -> Result<Strings, BundleError> {
        let mut cursor = Cursor::new(bytes, "strings");
        let offsets = ArrayRange::read::<u32>(bytes, &mut cursor)?;
        let blob_len = cursor.u32()?;
        let blob_start = bytes.len() - cursor.len();
        cursor.take(blob_len as usize)?;
        cursor.finish()?;
        let view = offsets.view(bytes);
        let ascending = records::<u32>(view).is_sorted();
        let last = offsets
            .len()
            .checked_sub(1)
            .and_then(|last| record::<u32>(view, last));
        if !ascending || record::<u32>(view, 0) != Some(0) || last != Some(blob_len) {
            return Err(BundleError::IndexOutOfRange { what: "strings" });
        }
        Ok(Strings {
            bytes: bytes.clone(),
            offsets,
            blob_start,
        })
    }

    pub(crate) fn count(&self) -> u32 {
        self.offsets.len().saturating_sub(1)
    }

    /// Empty if there is no such string, which the checks at load rule out.
    pub(crate) fn get(&self, id: StringId) -> &[u8] {
        let range = || {
            let offsets = self.offsets.view(&self.bytes);
            let start = record::<u32>(offsets, id)? as usize;
            let end = record::<u32>(offsets, id.checked_add(1)?)? as usize;
            self.bytes.get(self.blob_start..)?.get(start..end)
        };
        range().unwrap_or_default()
    }

    /// Empty if it is not text, which the checks at load rule out where text is needed.
    pub(crate) fn text(&self, id: StringId) -> &str {
        core::str::from_utf8(self.get(id)).unwrap_or_default()
    }

    pub(crate) fn check(&self, id: StringId, what: &'static str) -> Result<(), BundleError> {
        crate::codec::check_index(id, self.count(), what)
    }

    /// Checks what become headers: names in lower case, and values that cannot start another header.
    pub(crate) fn check_headers(
        &self,
        headers: impl Iterator<Item = (StringId, StringId)>,
        what: &'static str,
    ) -> Result<(), BundleError> {
        let (names, values): (Vec<StringId>, Vec<StringId>) = headers.unzip();
        for name in distinct(names) {
            self.check(name, what)?;
            self.check_len(name, MAX_HEADER_NAME_LEN, "name of a header")?;
            let name = self.get(name);
            if name.is_empty() || !name.iter().all(|&byte| is_header_name_byte(byte)) {
                return Err(BundleError::BadValue { what });
            }
        }
        self.check_header_values(values, what)
    }

    pub(crate) fn check_header_values(
        &self,
        values: Vec<StringId>,
        what: &'static str,
    ) -> Result<(), BundleError> {
        for value in distinct(values) {
            self.check(value, what)?;
            self.check_len(value, MAX_HEADER_LEN, "value of a header")?;
            self.check_text(value, what)?;
            if self.get(value).iter().any(u8::is_ascii_control) {
                return Err(BundleError::BadValue { what });
            }
        }
        Ok(())
    }

    /// What is copied for a request is short, however often the bundle names it.
    pub(crate) fn check_len(
        &self,
        id: StringId,
        most: usize,
        what: &'static str,
    ) -> Result<(), BundleError> {
        if self.get(id).len() > most {
            return Err(BundleError::OverLimit { what });
        }
        Ok(())
    }

    pub(crate) fn check_text(&self, id: StringId, what: &'static str) -> Result<(), BundleError> {
        self.check(id, what)?;
        core::str::from_utf8(self.get(id)).map_err(|_| BundleError::BadValue { what })?;
        Ok(())
    }
}

/// Each index once: a string is looked at once, however many records name it.
fn distinct(mut ids: Vec<StringId>) -> Vec<StringId> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// A `token` of RFC 9110 without capitals.
fn is_header_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
