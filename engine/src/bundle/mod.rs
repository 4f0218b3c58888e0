//! The bundle file: header, manifest, signatures, section table, sections.
//!
//! [`Bundle::parse`] checks structure only; nothing in it is trusted before [`crate::admission`] has checked the
//! signatures, and the sections' contents are checked by [`crate::ruleset::Ruleset::load`]. docs/bundle-format.md
//! gives the layout byte by byte.

mod error;
mod head;
mod manifest;
mod section;
pub mod writer;

use alloc::vec::Vec;
use core::fmt;

pub use error::BundleError;
pub use head::{Head, MAX_HEAD_LEN};
pub use manifest::{Manifest, OnExpired, is_name};
pub use section::{Section, SectionEntry, SectionFlags, SectionKind};

use crate::codec::Cursor;
use head::{Front, can_leave_out};

/// A larger file is refused unread, in bytes.
pub const MAX_BUNDLE_LEN: usize = 32 << 20;
/// A KMS signs at most 4,096 raw bytes; the rest is room for the signing envelope.
pub const MAX_MANIFEST_LEN: usize = 3_500;
/// More signatures than any threshold needs are refused.
pub const MAX_SIGNATURES: u32 = 16;
/// One section a list, and about a dozen others.
pub const MAX_SECTIONS: u32 = 4_096;
/// What this engine evaluates; a bundle names the lowest version that understands it.
pub const ENGINE_VERSION: u16 = 2;

const FILE_MAGIC: [u8; 8] = *b"RISKGATE";
const FILE_VERSION: u16 = 2;
const HEADER_LEN: usize = 64;
/// Each section of a file begins at a multiple of this, in bytes.
pub const ALIGNMENT: usize = 64;
const SIGNATURE_LEN: usize = 32 + 64;
const FLAG_DETACHED_LEFT_OUT: u16 = 1;

/// BLAKE3 of a manifest, without its signatures: what a bundle is known by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A signature as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// SHA-256 of the raw public key.
    pub key_id: [u8; 32],
    /// Ed25519 over the manifest's signing payload.
    pub bytes: [u8; 64],
}

/// A bundle file taken apart. Structure only: nothing here is trusted yet.
#[derive(Debug, Clone)]
pub struct Bundle<'a> {
    head: Head<'a>,
    sections: Vec<Section<'a>>,
    complete: bool,
}

impl<'a> Bundle<'a> {
    /// Takes a file apart.
    ///
    /// # Errors
    ///
    /// Names the part that is too short, too long, unknown or out of order.
    pub fn parse(bytes: &'a [u8]) -> Result<Bundle<'a>, BundleError> {
        if bytes.is_empty() {
            return Err(BundleError::Empty);
        }
        if bytes.len() > MAX_BUNDLE_LEN {
            return Err(BundleError::TooLarge {
                length: bytes.len(),
            });
        }
        // Of a file that is shorter than a header, too, its first bytes tell whether it was meant as a bundle.
        if !bytes
            .iter()
            .zip(&FILE_MAGIC)
            .all(|(byte, magic)| byte == magic)
        {
            return Err(BundleError::NotABundle);
        }
        let mut cursor = Cursor::new(bytes, "file");
        let front = Front::read(&mut cursor)?;
        cursor.padding(padding_after(bytes.len() - cursor.len()))?;
        let (entries, sections) = read_sections(&mut cursor, &front)?;
        cursor.finish()?;
        // There is one way to write a file: the flag stands exactly where bytes are missing.
        if front.detached_left_out && !can_leave_out(&entries) {
            return Err(BundleError::NothingLeftOut);
        }
        Ok(Bundle {
            head: Head {
                manifest: Manifest::read(front.manifest_bytes)?,
                manifest_bytes: front.manifest_bytes,
                signatures: front.signatures,
                table_bytes: front.table_bytes,
                entries,
            },
            sections,
            complete: !front.detached_left_out,
        })
    }

    /// All but the sections' bytes.
    #[must_use]
    pub fn head(&self) -> &Head<'a> {
        &self.head
    }

    /// What the signatures cover.
    #[must_use]
    pub fn manifest(&self) -> &Manifest<'a> {
        &self.head.manifest
    }

    /// The manifest as it was signed.
    #[must_use]
    pub fn manifest_bytes(&self) -> &'a [u8] {
        self.head.manifest_bytes
    }

    /// What the bundle is known by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.head.digest()
    }

    /// In ascending order of key id.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.head.signatures
    }

    /// In file order; the detached ones have no bytes when they were left out.
    #[must_use]
    pub fn sections(&self) -> &[Section<'a>] {
        &self.sections
    }

    /// Whether the detached sections are here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Checks the section table against the manifest, and every section that is here against the table.
    ///
    /// # Errors
    ///
    /// Names the section whose bytes are not what was signed.
    pub fn check_sections(&self) -> Result<(), BundleError> {
        self.head.check_table()?;
        for section in &self.sections {
            if let Some(bytes) = section.bytes
                && *blake3::hash(bytes).as_bytes() != section.hash
            {
                return Err(BundleError::BadHash { kind: section.kind });
            }
        }
        Ok(())
    }

    /// The file with other signatures, in whatever order they come.
    ///
    /// # Errors
    ///
    /// When two signatures are of one key, or there are too many.
    pub fn with_signatures(&self, mut signatures: Vec<Signature>) -> Result<Vec<u8>, BundleError> {
        signatures.sort_by_key(|signature| signature.key_id);
        let present = self.sections.iter().filter_map(|section| section.bytes);
        let flags = if self.complete {
            0
        } else {
            FLAG_DETACHED_LEFT_OUT
        };
        let file = writer::write_file(
            self.head.manifest_bytes,
            &signatures,
            self.head.table_bytes,
            present,
            flags,
        );
        Bundle::parse(&file)?;
        Ok(file)
    }

    /// The file as it is sent to filters, which have no use for names and source spans.
    #[must_use]
    pub fn without_detached(&self) -> Vec<u8> {
        let attached = self
            .sections
            .iter()
            .filter(|section| !section.flags.is_detached());
        writer::write_file(
            self.head.manifest_bytes,
            &self.head.signatures,
            self.head.table_bytes,
            attached.filter_map(|section| section.bytes),
            if can_leave_out(&self.head.entries) {
                FLAG_DETACHED_LEFT_OUT
            } else {
                0
            },
        )
    }
}

struct Header {
    detached_left_out: bool,
    manifest_len: usize,
    signature_count: u32,
    section_count: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Header, BundleError> {
        let mut cursor = Cursor::new(bytes, "header");
        if cursor.array()? != FILE_MAGIC {
            return Err(BundleError::NotABundle);
        }
        let version = cursor.u16()?;
        if version < FILE_VERSION {
            return Err(BundleError::OldVersion { version });
        }
        if version > FILE_VERSION {
            return Err(BundleError::UnknownVersion { version });
        }
        let flags = cursor.u16()?;
        let header = Header {
            detached_left_out: flags == FLAG_DETACHED_LEFT_OUT,
            manifest_len: cursor.u32()? as usize,
            signature_count: cursor.u32()?,
            section_count: cursor.u32()?,
        };
        cursor.padding(cursor.len())?;
        if flags & !FLAG_DETACHED_LEFT_OUT != 0 {
            return Err(BundleError::UnknownFlags { flags });
        }
        let limits = [
            ("manifest", header.manifest_len, MAX_MANIFEST_LEN),
            (
                "signatures",
                header.signature_count as usize,
                MAX_SIGNATURES as usize,
            ),
            (
                "section table",
                header.section_count as usize,
                MAX_SECTIONS as usize,
            ),
        ];
        match limits.iter().find(|(_, value, most)| value > most) {
            Some((what, ..)) => Err(BundleError::OverLimit { what }),
            None => Ok(header),
        }
    }

    fn write(&self, flags: u16, out: &mut Vec<u8>) {
        out.extend_from_slice(&FILE_MAGIC);
        out.extend_from_slice(&FILE_VERSION.to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        crate::codec::write_len(self.manifest_len, out);
        out.extend_from_slice(&self.signature_count.to_le_bytes());
        out.extend_from_slice(&self.section_count.to_le_bytes());
        out.resize(HEADER_LEN, 0);
    }
}

fn read_sections<'a>(
    cursor: &mut Cursor<'a>,
    front: &Front<'a>,
) -> Result<(Vec<SectionEntry>, Vec<Section<'a>>), BundleError> {
    let count = front.table_bytes.len() / SectionEntry::LEN;
    let mut entries: Vec<SectionEntry> = Vec::with_capacity(count);
    let mut sections: Vec<Section<'a>> = Vec::with_capacity(count);
    let mut table = Cursor::new(front.table_bytes, "section table");
    while table.len() > 0 {
        let entry = SectionEntry::read(&mut table)?;
        entry.check_order(entries.last())?;
        let length = entry.length as usize;
        let bytes = if front.detached_left_out && entry.flags.is_detached() {
            None
        } else {
            let bytes = cursor.take(length)?;
            cursor.padding(padding_after(length))?;
            Some(bytes)
        };
        sections.push(Section {
            kind: entry.kind,
            flags: entry.flags,
            length: entry.length,
            hash: entry.hash,
            bytes,
        });
        entries.push(entry);
    }
    Ok((entries, sections))
}

/// Zero bytes after something `length` long, up to the next aligned offset.
fn padding_after(length: usize) -> usize {
    length.wrapping_neg() % ALIGNMENT
}
