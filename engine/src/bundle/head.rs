//! The head of a bundle: header, manifest, signatures and section table, which is all that says whether the sections are
//! wanted.

use alloc::vec::Vec;

use super::{
    BundleError, Digest, FLAG_DETACHED_LEFT_OUT, HEADER_LEN, Header, MAX_BUNDLE_LEN, Manifest,
    SIGNATURE_LEN, SectionEntry, Signature, padding_after, writer,
};
use crate::codec::Cursor;

/// A longer head is refused unread, in bytes: that of the largest manifest, with all signatures and sections there can be.
pub const MAX_HEAD_LEN: usize = (HEADER_LEN
    + super::MAX_MANIFEST_LEN
    + super::MAX_SIGNATURES as usize * SIGNATURE_LEN
    + super::MAX_SECTIONS as usize * SectionEntry::LEN)
    .next_multiple_of(super::ALIGNMENT);

/// A head taken apart. Structure only: nothing here is trusted yet.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    pub(super) manifest: Manifest<'a>,
    pub(super) manifest_bytes: &'a [u8],
    pub(super) signatures: Vec<Signature>,
    pub(super) table_bytes: &'a [u8],
    pub(super) entries: Vec<SectionEntry>,
}

/// What stands before the section table's entries, and the entries' bytes.
pub(super) struct Front<'a> {
    pub(super) detached_left_out: bool,
    pub(super) manifest_bytes: &'a [u8],
    pub(super) signatures: Vec<Signature>,
    pub(super) table_bytes: &'a [u8],
}

impl<'a> Head<'a> {
    /// Takes a head apart that stands alone, as filters are sent it: all that stands before the first section in a file
    /// without detached sections, padding included.
    ///
    /// # Errors
    ///
    /// Names the part that is too short, too long, unknown or out of order.
    pub fn parse(bytes: &'a [u8]) -> Result<Head<'a>, BundleError> {
        if bytes.is_empty() {
            return Err(BundleError::Empty);
        }
        if bytes.len() > MAX_HEAD_LEN {
            return Err(BundleError::OverLimit { what: "head" });
        }
        let mut cursor = Cursor::new(bytes, "head");
        let front = Front::read(&mut cursor)?;
        cursor.padding(padding_after(bytes.len() - cursor.len()))?;
        let mut entries: Vec<SectionEntry> =
            Vec::with_capacity(front.table_bytes.len() / SectionEntry::LEN);
        let mut table = Cursor::new(front.table_bytes, "section table");
        while table.len() > 0 {
            let entry = SectionEntry::read(&mut table)?;
            entry.check_order(entries.last())?;
            entries.push(entry);
        }
        cursor.finish()?;
        if front.detached_left_out != can_leave_out(&entries) {
            return Err(match front.detached_left_out {
                true => BundleError::NothingLeftOut,
                false => BundleError::NotLeftOut,
            });
        }
        let head = Head {
            manifest: Manifest::read(front.manifest_bytes)?,
            manifest_bytes: front.manifest_bytes,
            signatures: front.signatures,
            table_bytes: front.table_bytes,
            entries,
        };
        match head.file_len() {
            length if length > MAX_BUNDLE_LEN => Err(BundleError::TooLarge { length }),
            _ => Ok(head),
        }
    }

    /// What the signatures cover.
    #[must_use]
    pub fn manifest(&self) -> &Manifest<'a> {
        &self.manifest
    }

    /// The manifest as it was signed.
    #[must_use]
    pub fn manifest_bytes(&self) -> &'a [u8] {
        self.manifest_bytes
    }

    /// In ascending order of key id.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// What the bundle is known by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(*blake3::hash(self.manifest_bytes).as_bytes())
    }

    /// What the section table says of each section, in file order.
    #[must_use]
    pub fn entries(&self) -> &[SectionEntry] {
        &self.entries
    }

    /// Checks the section table against the manifest.
    pub(crate) fn check_table(&self) -> Result<(), BundleError> {
        if *blake3::hash(self.table_bytes).as_bytes() == self.manifest.table_hash {
            return Ok(());
        }
        Err(BundleError::BadTableHash)
    }

    /// Its bytes, as [`Head::parse`] reads them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let flags = match can_leave_out(&self.entries) {
            true => FLAG_DETACHED_LEFT_OUT,
            false => 0,
        };
        writer::write_head(
            self.manifest_bytes,
            &self.signatures,
            self.table_bytes,
            flags,
        )
    }

    /// The length of the file without detached sections, in bytes.
    fn file_len(&self) -> usize {
        let head = HEADER_LEN
            + self.manifest_bytes.len()
            + self.signatures.len() * SIGNATURE_LEN
            + self.table_bytes.len();
        let attached = self
            .entries
            .iter()
            .filter(|entry| !entry.flags.is_detached());
        attached.fold(head + padding_after(head), |length, entry| {
            let section = entry.length as usize;
            length
                .saturating_add(section)
                .saturating_add(padding_after(section))
        })
    }
}

impl<'a> Front<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Front<'a>, BundleError> {
        let header = Header::read(cursor.take(HEADER_LEN)?)?;
        Ok(Front {
            detached_left_out: header.detached_left_out,
            manifest_bytes: cursor.take(header.manifest_len)?,
            signatures: read_signatures(cursor, header.signature_count)?,
            table_bytes: cursor.take(header.section_count as usize * SectionEntry::LEN)?,
        })
    }
}

fn read_signatures(cursor: &mut Cursor<'_>, count: u32) -> Result<Vec<Signature>, BundleError> {
    let mut signatures: Vec<Signature> = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let signature = Signature {
            key_id: cursor.array()?,
            bytes: cursor.array()?,
        };
        if signatures
            .last()
            .is_some_and(|last| last.key_id >= signature.key_id)
        {
            return Err(BundleError::UnorderedSignatures);
        }
        signatures.push(signature);
    }
    Ok(signatures)
}

/// Whether a file with these sections is shorter without the detached ones.
pub(super) fn can_leave_out(entries: &[SectionEntry]) -> bool {
    entries
        .iter()
        .any(|entry| entry.flags.is_detached() && entry.length > 0)
}
