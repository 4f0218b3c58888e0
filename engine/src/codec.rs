//! The one cursor that reads bundle bytes, and the array views that sections are made of.
//!
//! Every read is fallible and bounds-checked. Sizes are `u32` in the format and all size arithmetic is checked, so
//! that a 32-bit target computes what a 64-bit one does.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::{Deref, Range};

use crate::bundle::BundleError;

/// Reads little-endian values from the front of a slice; `what` names the thing in errors.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Cursor { rest: bytes, what }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], BundleError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(BundleError::Truncated { what: self.what })?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], BundleError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(BundleError::Truncated { what: self.what })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, BundleError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, BundleError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, BundleError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, BundleError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// Steps over `length` zero bytes.
    pub(crate) fn padding(&mut self, length: usize) -> Result<(), BundleError> {
        if self.take(length)?.iter().any(|&byte| byte != 0) {
            return Err(BundleError::NonZeroPadding { what: self.what });
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<(), BundleError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(BundleError::TrailingBytes { what: self.what })
    }
}

/// A part of a section. Sections are read where they lie: whoever needs a part shares the section's buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bytes {
    section: Arc<[u8]>,
    range: Range<usize>,
}

impl Bytes {
    /// `length` bytes from `start` on; empty if they are not all there.
    pub(crate) fn part(&self, start: usize, length: usize) -> Bytes {
        if self.get(start..).is_none_or(|rest| rest.len() < length) {
            return Bytes::default();
        }
        let start = self.range.start + start;
        Bytes {
            section: self.section.clone(),
            range: start..start + length,
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.section.get(self.range.clone()).unwrap_or_default()
    }
}

impl From<&Arc<[u8]>> for Bytes {
    fn from(section: &Arc<[u8]>) -> Bytes {
        Bytes {
            section: section.clone(),
            range: 0..section.len(),
        }
    }
}

#[cfg(test)]
impl From<&[u8]> for Bytes {
    fn from(section: &[u8]) -> Bytes {
        Bytes {
            section: Arc::from(section),
            range: 0..section.len(),
        }
    }
}

/// Something of a fixed size in the format.
pub(crate) trait Record: Sized {
    /// Its size in bytes.
    const LEN: usize;

    /// Appends it to a section.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads it from exactly [`Record::LEN`] bytes; which values are allowed is the section's business to check.
    fn read(bytes: &[u8]) -> Option<Self>;
}

impl Record for u32 {
    const LEN: usize = 4;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(u32::from_le_bytes(bytes.first_chunk().copied()?))
    }
}

impl Record for (u32, u32) {
    const LEN: usize = 8;

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some((u32::read(bytes)?, u32::read(bytes.get(4..)?)?))
    }
}

/// Appends `count` and the records.
pub(crate) fn write_array<R: Record>(records: &[R], out: &mut Vec<u8>) {
    write_len(records.len(), out);
    for record in records {
        record.write(out);
    }
}

/// Appends a length as the format's `u32`. The compiler caps every count far below; saturation would be refused by
/// the reader, whose view of the section would not fit.
pub(crate) fn write_len(length: usize, out: &mut Vec<u8>) {
    u32::try_from(length).unwrap_or(u32::MAX).write(out);
}

/// Where an array of records lies inside a section; the count was checked against the section's length.
#[derive(Debug, Clone, Default)]
pub(crate) struct ArrayRange {
    bytes: Range<usize>,
    count: u32,
}

impl ArrayRange {
    /// Reads the `count` and steps over the records; `section` is the whole section that `cursor` reads.
    pub(crate) fn read<R: Record>(
        section: &[u8],
        cursor: &mut Cursor<'_>,
    ) -> Result<ArrayRange, BundleError> {
        let count = cursor.u32()?;
        let length = (count as usize)
            .checked_mul(R::LEN)
            .ok_or(BundleError::Truncated { what: cursor.what })?;
        let start = section.len() - cursor.len();
        cursor.take(length)?;
        Ok(ArrayRange {
            bytes: start..start + length,
            count,
        })
    }

    pub(crate) fn len(&self) -> u32 {
        self.count
    }

    /// The array in its section; empty if `section` is not the one it was read from.
    pub(crate) fn view<'a>(&self, section: &'a [u8]) -> &'a [u8] {
        section.get(self.bytes.clone()).unwrap_or_default()
    }
}

/// The record at `index` of an array; `None` past its end.
pub(crate) fn record<R: Record>(array: &[u8], index: u32) -> Option<R> {
    let start = (index as usize).checked_mul(R::LEN)?;
    R::read(array.get(start..start.checked_add(R::LEN)?)?)
}

/// Binary search for the record that `compare` calls equal, in an array that ascends.
pub(crate) fn find<R: Record>(array: &[u8], compare: impl Fn(&R) -> Ordering) -> Option<R> {
    let (mut low, mut high) = (0, array.len() / R::LEN);
    while low < high {
        let middle = low + (high - low) / 2;
        let found: R = record(array, u32::try_from(middle).ok()?)?;
        match compare(&found) {
            Ordering::Less => low = middle + 1,
            Ordering::Equal => return Some(found),
            Ordering::Greater => high = middle,
        }
    }
    None
}

/// The records of an array.
pub(crate) fn records<R: Record>(array: &[u8]) -> impl Iterator<Item = R> {
    array.chunks_exact(R::LEN).filter_map(R::read)
}

/// The records `start..start + length` of an array; empty if that is out of range.
pub(crate) fn slice<R: Record>(array: &[u8], start: u32, length: u32) -> &[u8] {
    let range = || {
        let start = (start as usize).checked_mul(R::LEN)?;
        let length = (length as usize).checked_mul(R::LEN)?;
        array.get(start..start.checked_add(length)?)
    };
    range().unwrap_or_default()
}

/// Checks that `start..start + length` lies inside an array of `count`.
pub(crate) fn check_slice(
    start: u32,
    length: u32,
    count: u32,
    what: &'static str,
) -> Result<(), BundleError> {
    match start.checked_add(length) {
        Some(end) if end <= count => Ok(()),
        _ => Err(BundleError::IndexOutOfRange { what }),
    }
}

/// Checks that slices stand one behind the other, so that all of them together are no longer than their array: what
/// walks every slice takes no more steps than there are bytes in the bundle. An empty slice may stand anywhere.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    end: u32,
}

impl Partition {
    /// The next slice, of an array of `count`.
    pub(crate) fn next(
        &mut self,
        (start, length): (u32, u32),
        count: u32,
        what: &'static str,
    ) -> Result<(), BundleError> {
        check_slice(start, length, count, what)?;
        if length == 0 {
            return Ok(());
        }
        if start != self.end {
            return Err(BundleError::BadValue { what });
        }
        self.end = start + length;
        Ok(())
    }

    /// Nothing of an array of `count` lies outside of all slices.
    pub(crate) fn finish(self, count: u32, what: &'static str) -> Result<(), BundleError> {
        if self.end == count {
            return Ok(());
        }
        Err(BundleError::BadValue { what })
    }
}

/// Checks that `index` lies inside an array of `count`.
pub(crate) fn check_index(index: u32, count: u32, what: &'static str) -> Result<(), BundleError> {
    if index < count {
        return Ok(());
    }
    Err(BundleError::IndexOutOfRange { what })
}
