//! What serves here becomes what all VMs find: its sections are written first, and then the head that names them.

use super::pages::{Pages, write};
use super::record::{self, PAGE_LEN, PAGES_MAX, Page, Stored, page_count};
use super::seen::Seen;
use crate::host::{Host, Version};
use riskgate_engine::admission::AdmittedHead;
use riskgate_engine::assembly::WholeSection;
use riskgate_engine::bundle::SectionEntry;
use riskgate_engine::ruleset::Ruleset;
use std::collections::BTreeSet;

/// A bundle that is being written.
pub(super) struct Publication {
    stored: Stored,
    sections: Vec<WholeSection>,
    /// Pages that are still to be written, the last one first. Those that should hold their bytes already are looked at: what
    /// somebody spoiled must not be taken over.
    unwritten: Vec<Piece>,
    record: Vec<u8>,
    /// The version of the head that this one follows.
    follows: Option<Version>,
    /// Pages that this head names no more, once it is there.
    freed: Vec<Page>,
    is_named: bool,
}

/// A part of a section that has a page of its own.
#[derive(Debug, Clone, Copy)]
struct Piece {
    page: Page,
    section: usize,
    start: usize,
}

/// How far a publication has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Partly,
    Wholly,
    /// Another head came first, or nothing can be written.
    Not,
}

impl Publication {
    /// Begins to publish a bundle behind what was seen. Sections that stand in pages already stay there; the pages of what
    /// is `named` elsewhere are taken last.
    pub(super) fn begin(
        head: &AdmittedHead,
        sections: Vec<WholeSection>,
        seen: &Seen,
        named: Option<&Stored>,
    ) -> Option<Publication> {
        let mut free = free_pages(seen, named);
        let (mut pages, mut unwritten) = (Vec::new(), Vec::new());
        for entry in head.entries() {
            let own = match seen.pages_of(entry) {
                Some(held) => held.to_vec(),
                None => free.by_ref().take(page_count(entry)).collect(),
            };
            if own.len() != page_count(entry) {
                return None;
            }
            unwritten.extend(pieces(&sections, entry, &own));
            pages.push(own);
        }
        unwritten.reverse();
        let stored = Stored {
            head: head.bytes().to_vec(),
            pages,
        };
        let before = seen.newest_below(head.mark().revision);
        let bundles = [Some(&stored), before].into_iter().flatten();
        let named: BTreeSet<Page> = bundles.clone().flat_map(Stored::all_pages).collect();
        let freed = seen.all_pages().filter(|page| !named.contains(page));
        Some(Publication {
            record: record::write(bundles),
            freed: freed.collect(),
            stored,
            sections,
            unwritten,
            follows: seen.version(),
            is_named: false,
        })
    }

    /// Whether its head is there, and only what that freed is left to do.
    pub(super) fn is_named(&self) -> bool {
        self.is_named
    }

    /// Frees no page that a head has come to name since.
    pub(super) fn leave_alone(&mut self, seen: &Seen) {
        if self.is_named {
            let named: BTreeSet<Page> = seen.all_pages().collect();
            self.freed.retain(|page| !named.contains(page));
        }
    }

    /// Whether it is this bundle that is being written.
    pub(super) fn is_of(&self, head: &AdmittedHead) -> bool {
        self.stored.head[..] == head.bytes()[..]
    }

    /// Where it is written.
    pub(super) fn stored(&self) -> &Stored {
        &self.stored
    }

    /// Goes on with the pages alone, until they are written or about so many bytes were looked at, which are taken off
    /// `work`.
    pub(super) fn write_pages(
        &mut self,
        host: &dyn Host,
        pages: &mut Pages,
        work: &mut usize,
    ) -> Written {
        while let Some(piece) = self.unwritten.last() {
            if *work == 0 {
                return Written::Partly;
            }
            let Some(bytes) = piece.bytes(&self.sections) else {
                return Written::Not;
            };
            *work = work.saturating_sub(bytes.len().max(1));
            if pages.write(host, piece.page, bytes).is_none() {
                return Written::Not;
            }
            self.unwritten.pop();
        }
        Written::Wholly
    }

    /// Goes on until it is done or about so many bytes were looked at, which are taken off `work`.
    pub(super) fn step(
        &mut self,
        host: &dyn Host,
        pages: &mut Pages,
        key: &str,
        work: &mut usize,
    ) -> Written {
        let written = self.write_pages(host, pages, work);
        if written != Written::Wholly {
            return written;
        }
        if !self.is_named {
            if write(host, key, &self.record, self.follows) != Ok(true) {
                return Written::Not;
            }
            self.is_named = true;
        }
        // They would take memory for ever: no key can be deleted.
        while let Some(page) = self.freed.pop() {
            let _ = pages.write(host, page, &[]);
            *work = work.saturating_sub(PAGE_LEN);
            if *work == 0 {
                return Written::Partly;
            }
        }
        Written::Wholly
    }
}

/// The bytes of a page of a bundle that is stored, by its number among the bundle's pages.
pub(super) fn page_of<'r>(
    ruleset: &'r Ruleset,
    stored: &Stored,
    number: usize,
) -> Option<(Page, &'r [u8])> {
    let sections = ruleset.whole_sections();
    let mut all = ruleset.head().entries().iter().zip(&stored.pages);
    let mut number = number;
    all.find_map(|(entry, pages)| {
        if number >= pages.len() {
            number -= pages.len();
            return None;
        }
        let piece = pieces(sections, entry, pages).nth(number)?;
        Some((piece.page, piece.bytes(sections)?))
    })
}

impl Piece {
    fn bytes<'s>(&self, sections: &'s [WholeSection]) -> Option<&'s [u8]> {
        let bytes = sections.get(self.section)?.bytes().get(self.start..)?;
        Some(bytes.get(..PAGE_LEN).unwrap_or(bytes))
    }
}

fn pieces<'s>(
    sections: &'s [WholeSection],
    entry: &'s SectionEntry,
    pages: &'s [Page],
) -> impl Iterator<Item = Piece> + use<'s> {
    let section = sections
        .iter()
        .position(|section| (section.kind(), section.hash()) == (entry.kind, &entry.hash));
    let starts = (0..).step_by(PAGE_LEN);
    let pieces = pages.iter().zip(starts);
    pieces.filter_map(move |(page, start)| {
        Some(Piece {
            page: *page,
            section: section?,
            start,
        })
    })
}

/// The pages that nothing seen names, those of what is `named` elsewhere last.
fn free_pages(seen: &Seen, named: Option<&Stored>) -> impl Iterator<Item = Page> + use<> {
    let taken: BTreeSet<Page> = seen.all_pages().collect();
    let avoided: BTreeSet<Page> = named.into_iter().flat_map(Stored::all_pages).collect();
    let all = 0..Page::try_from(PAGES_MAX).unwrap_or(Page::MAX);
    let free = all.filter(move |page| !taken.contains(page));
    let (avoided, others): (Vec<Page>, Vec<Page>) = free.partition(|page| avoided.contains(page));
    others.into_iter().chain(avoided)
}
