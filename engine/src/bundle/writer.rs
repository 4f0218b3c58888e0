//! Writes bundle files. The same input gives the same bytes.

use alloc::vec::Vec;

use super::{
    Bundle, BundleError, FLAG_DETACHED_LEFT_OUT, Header, MAX_BUNDLE_LEN, MAX_MANIFEST_LEN,
    Manifest, SectionEntry, SectionFlags, SectionKind, Signature, padding_after,
};
use crate::trust;

/// A section to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSection {
    /// What it holds.
    pub kind: SectionKind,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// A bundle that lacks its signatures.
#[derive(Debug, Clone)]
pub struct UnsignedBundle {
    manifest: Vec<u8>,
    table: Vec<u8>,
    sections: Vec<NewSection>,
}

impl UnsignedBundle {
    /// Lays out a bundle; `manifest.table_hash` is computed here, whatever it holds.
    ///
    /// # Errors
    ///
    /// When a limit of the format is passed, sections are out of order or the manifest contradicts itself.
    pub fn new(
        mut manifest: Manifest<'_>,
        sections: Vec<NewSection>,
    ) -> Result<UnsignedBundle, BundleError> {
        let mut table = Vec::new();
        for NewSection { kind, bytes } in &sections {
            let length = u32::try_from(bytes.len()).map_err(|_| BundleError::TooLarge {
                length: bytes.len(),
            })?;
            let hash = *blake3::hash(bytes).as_bytes();
            SectionEntry {
                kind: *kind,
                flags: SectionFlags::of(*kind),
                length,
                hash,
            }
            .write(&mut table);
        }
        manifest.table_hash = *blake3::hash(&table).as_bytes();
        manifest.check()?;
        let mut manifest_bytes = Vec::new();
        manifest.write(&mut manifest_bytes);
        if manifest_bytes.len() > MAX_MANIFEST_LEN {
            return Err(BundleError::OverLimit { what: "manifest" });
        }
        let bundle = UnsignedBundle {
            manifest: manifest_bytes,
            table,
            sections,
        };
        bundle.check_size()?;
        Ok(bundle)
    }

    /// What a signer signs.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        trust::signing_payload(&self.manifest)
    }

    /// The file with these signatures, in whatever order they come.
    ///
    /// # Errors
    ///
    /// When two signatures are of one key, or there are too many.
    pub fn finish(&self, mut signatures: Vec<Signature>) -> Result<Vec<u8>, BundleError> {
        signatures.sort_by_key(|signature| signature.key_id);
        let bytes = self.file(&signatures);
        Bundle::parse(&bytes)?;
        Ok(bytes)
    }

    fn file(&self, signatures: &[Signature]) -> Vec<u8> {
        let sections = self.sections.iter().map(|section| section.bytes.as_slice());
        write_file(&self.manifest, signatures, &self.table, sections, 0)
    }

    fn check_size(&self) -> Result<(), BundleError> {
        let length = self.file(&[]).len() + super::MAX_SIGNATURES as usize * super::SIGNATURE_LEN;
        if length > MAX_BUNDLE_LEN {
            return Err(BundleError::TooLarge { length });
        }
        Ok(())
    }
}

/// The sections of a bundle under another manifest, without signatures. The table is the one that was signed, and so
/// `manifest.table_hash` is set here, whatever it holds.
///
/// # Errors
///
/// When the manifest contradicts itself, or the file would be too long.
pub fn reissue(bundle: &Bundle<'_>, mut manifest: Manifest<'_>) -> Result<Vec<u8>, BundleError> {
    manifest.table_hash = bundle.head.manifest.table_hash;
    manifest.check()?;
    let mut manifest_bytes = Vec::new();
    manifest.write(&mut manifest_bytes);
    let sections = bundle.sections.iter().filter_map(|section| section.bytes);
    let flags = if bundle.complete {
        0
    } else {
        FLAG_DETACHED_LEFT_OUT
    };
    let file = write_file(
        &manifest_bytes,
        &[],
        bundle.head.table_bytes,
        sections,
        flags,
    );
    Bundle::parse(&file)?;
    Ok(file)
}

pub(super) fn write_file<'a>(
    manifest: &[u8],
    signatures: &[Signature],
    table: &[u8],
    sections: impl Iterator<Item = &'a [u8]>,
    flags: u16,
) -> Vec<u8> {
    let mut out = write_head(manifest, signatures, table, flags);
    for section in sections {
        out.extend_from_slice(section);
        pad(&mut out);
    }
    out
}

/// What a file begins with, up to its first section.
pub(super) fn write_head(
    manifest: &[u8],
    signatures: &[Signature],
    table: &[u8],
    flags: u16,
) -> Vec<u8> {
    let header = Header {
        detached_left_out: flags != 0,
        manifest_len: manifest.len(),
        signature_count: u32::try_from(signatures.len()).unwrap_or(u32::MAX),
        section_count: u32::try_from(table.len() / SectionEntry::LEN).unwrap_or(u32::MAX),
    };
    let mut out = Vec::new();
    header.write(flags, &mut out);
    out.extend_from_slice(manifest);
    for signature in signatures {
        out.extend_from_slice(&signature.key_id);
        out.extend_from_slice(&signature.bytes);
    }
    out.extend_from_slice(table);
    pad(&mut out);
    out
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len() + padding_after(out.len()), 0);
}
