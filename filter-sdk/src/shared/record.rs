//! The record under `head`: which bundle serves, where its sections are, and the same of the one before it.
//!
//! ```text
//! bundles    1 or 2: the current one, and the one before it
//!   length   u32: of the head, in bytes
//!   head     header, manifest, signatures and section table, as the bundle file has them
//!   count    u32: how many pages follow
//!   pages    u16 each: those of each section that is not detached, in the order of the table; a section of L bytes has
//!            L / 256 KiB of them, rounded up
//! ```
//!
//! All numbers are little-endian. A page belongs to one part of one section, which both bundles may have. Any other value is
//! as if none stood there.

use riskgate_engine::bundle::{Head, MAX_HEAD_LEN, SectionEntry};
use std::collections::BTreeMap;

/// All pages but the last one of a section are so long, in bytes.
pub(super) const PAGE_LEN: usize = 256 << 10;
/// A bundle of the greatest length whose sections each end in a page of their own.
const BUNDLE_PAGES_MAX: usize = riskgate_engine::bundle::MAX_BUNDLE_LEN / PAGE_LEN
    + riskgate_engine::bundle::MAX_SECTIONS as usize;
/// The pages of the current bundle, of the one before it and of the next one.
pub(super) const PAGES_MAX: usize = 3 * BUNDLE_PAGES_MAX;
/// A longer value is not even looked at, in bytes.
pub(super) const RECORD_LEN_MAX: usize = 2 * (4 + MAX_HEAD_LEN + 4 + 2 * BUNDLE_PAGES_MAX);

const _: () = assert!(PAGES_MAX <= u16::MAX as usize);

/// Number of a page.
pub(super) type Page = u16;

/// A bundle that is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) head: Vec<u8>,
    /// Of each section in the section table; none of detached ones.
    pub(super) pages: Vec<Vec<Page>>,
}

impl Stored {
    /// Every page that it has.
    pub(super) fn all_pages(&self) -> impl Iterator<Item = Page> {
        self.pages.iter().flatten().copied()
    }

    fn write(&self, out: &mut Vec<u8>) {
        let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        out.extend_from_slice(&length(self.head.len()));
        out.extend_from_slice(&self.head);
        out.extend_from_slice(&length(self.all_pages().count()));
        out.extend(self.all_pages().flat_map(Page::to_le_bytes));
    }

    fn read(bytes: &[u8]) -> Option<(Stored, &[u8])> {
        let (head, rest) = take(bytes, MAX_HEAD_LEN, 1)?;
        let (pages, rest) = take(rest, BUNDLE_PAGES_MAX, size_of::<Page>())?;
        let (pages, _) = pages.as_chunks();
        let mut pages = pages.iter().map(|page| Page::from_le_bytes(*page));
        let parsed = Head::parse(head).ok()?;
        let of_sections = parsed.entries().iter().map(|entry| {
            let count = page_count(entry);
            let of_section: Vec<Page> = pages.by_ref().take(count).collect();
            let are_pages = of_section.iter().all(|page| usize::from(*page) < PAGES_MAX);
            (are_pages && of_section.len() == count).then_some(of_section)
        });
        let stored = Stored {
            pages: of_sections.collect::<Option<_>>()?,
            head: head.to_vec(),
        };
        pages.next().is_none().then_some((stored, rest))
    }
}

/// How many pages a section has.
pub(super) fn page_count(entry: &SectionEntry) -> usize {
    match entry.flags.is_detached() {
        true => 0,
        false => (entry.length as usize).div_ceil(PAGE_LEN),
    }
}

/// The record of one or two bundles.
pub(super) fn write<'a>(bundles: impl IntoIterator<Item = &'a Stored>) -> Vec<u8> {
    let mut out = Vec::new();
    bundles
        .into_iter()
        .for_each(|stored| stored.write(&mut out));
    out
}

/// The bundles of a record, the current one first; none if it is no record.
pub(super) fn read(bytes: &[u8]) -> Vec<Stored> {
    let bundles = take_apart(bytes).filter(|bundles| has_one_owner_each(bundles));
    bundles.unwrap_or_default()
}

fn take_apart(bytes: &[u8]) -> Option<Vec<Stored>> {
    let (current, rest) = Stored::read(bytes)?;
    if rest.is_empty() {
        return Some(vec![current]);
    }
    let (previous, rest) = Stored::read(rest)?;
    rest.is_empty().then(|| vec![current, previous])
}

/// Whether no page is to hold two things.
fn has_one_owner_each(bundles: &[Stored]) -> bool {
    let mut owners = BTreeMap::new();
    bundles.iter().all(|stored| {
        let entries = entries(&stored.head);
        let mut sections = entries.iter().zip(&stored.pages);
        sections.all(|(entry, pages)| {
            let mut pages = pages.iter().enumerate();
            pages.all(|(part, page)| {
                let owner = (entry.hash, part);
                *owners.entry(*page).or_insert(owner) == owner
            })
        })
    })
}

/// The section table of a head that was parsed before.
pub(super) fn entries(head: &[u8]) -> Vec<SectionEntry> {
    let head = Head::parse(head);
    head.map(|head| head.entries().to_vec()).unwrap_or_default()
}

/// A count of things, and the things.
fn take(bytes: &[u8], most: usize, len: usize) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_first_chunk()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    if count > most {
        return None;
    }
    rest.split_at_checked(count * len)
}
