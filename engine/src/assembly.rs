//! A ruleset on its way: an admitted head, and sections that come one by one.
//!
//! Each section is hashed while it comes, and none is read before all are here. What a ruleset has that serves already is
//! taken over where the hashes are the same: neither copied nor hashed again, and lists are not read again.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::iter::repeat_n;

use thiserror::Error;

use crate::admission::{Admitted, AdmittedHead, Refusal};
use crate::bundle::{BundleError, SectionEntry, SectionKind};
use crate::codec::Bytes;
use crate::lists::List;
use crate::pace::{Pace, Paced};
use crate::ruleset::Ruleset;
use crate::sections::Sections;

/// What an `Arc` needs beside its contents: two counters.
const ARC_HEAD_LEN: usize = 2 * size_of::<usize>();

/// BLAKE3 of a section's bytes.
pub type SectionHash = [u8; 32];

/// A section whose bytes are what the section table says. A clone shares them.
#[derive(Debug, Clone)]
pub struct WholeSection {
    kind: SectionKind,
    hash: SectionHash,
    bytes: Arc<[u8]>,
    list: Option<Arc<List>>,
}

impl WholeSection {
    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> SectionKind {
        self.kind
    }

    /// BLAKE3 of its bytes.
    #[must_use]
    pub fn hash(&self) -> &SectionHash {
        &self.hash
    }

    /// Its contents.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// The list that it holds, which is read the first time.
    pub(crate) async fn list(&mut self, pace: &Pace) -> Result<Arc<List>, BundleError> {
        if let Some(list) = &self.list {
            return Ok(list.clone());
        }
        pace.spend(self.bytes.len()).await;
        let list = Arc::new(List::read(&Bytes::from(&self.bytes))?);
        Ok(self.list.insert(list).clone())
    }
}

/// A section of which some bytes have come.
#[derive(Debug)]
pub struct IncomingSection {
    entry: SectionEntry,
    /// Zeros where bytes are still to come. Nobody shares it before it is complete, and the ruleset that is made of it keeps
    /// it: there is never a second copy.
    bytes: Arc<[u8]>,
    received_len: usize,
    hasher: blake3::Hasher,
}

/// There is no memory for a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no memory for {0} bytes; give the proxy's wasm VM more")]
pub struct NoMemory(pub usize);

impl IncomingSection {
    /// Makes room for a section.
    ///
    /// # Errors
    ///
    /// Without memory for it.
    pub fn begin(entry: SectionEntry) -> Result<IncomingSection, NoMemory> {
        let length = entry.length as usize;
        Ok(IncomingSection {
            entry,
            bytes: zeros(length).ok_or(NoMemory(length))?,
            received_len: 0,
            hasher: blake3::Hasher::new(),
        })
    }

    /// How many bytes have come.
    #[must_use]
    pub fn received_len(&self) -> usize {
        self.received_len
    }

    /// What the section table says of it.
    #[must_use]
    pub fn entry(&self) -> &SectionEntry {
        &self.entry
    }

    /// Takes the next bytes; false, and nothing is taken, if they go beyond the end.
    #[must_use]
    pub fn add(&mut self, data: &[u8]) -> bool {
        let end = self.received_len.saturating_add(data.len());
        let place = Arc::get_mut(&mut self.bytes);
        let Some(place) = place.and_then(|bytes| bytes.get_mut(self.received_len..end)) else {
            return false;
        };
        place.copy_from_slice(data);
        self.hasher.update(data);
        self.received_len = end;
        true
    }

    /// The section, once all of it has come.
    ///
    /// # Errors
    ///
    /// When bytes are missing, or are not those that were signed.
    pub fn finish(self) -> Result<WholeSection, BundleError> {
        let SectionEntry { kind, hash, .. } = self.entry;
        if self.received_len != self.bytes.len() {
            return Err(BundleError::Truncated { what: "section" });
        }
        if *self.hasher.finalize().as_bytes() != hash {
            return Err(BundleError::BadHash { kind });
        }
        Ok(WholeSection {
            kind,
            hash,
            bytes: self.bytes,
            list: None,
        })
    }
}

/// An admitted head, and of its sections those that are here.
pub struct Assembly {
    head: AdmittedHead,
    /// By the index in the section table.
    sections: Vec<Option<WholeSection>>,
    reading: Option<Paced<Result<Ruleset, Refusal>>>,
}

impl Assembly {
    /// Begins with the sections that `held` has, and those that are empty.
    #[must_use]
    pub fn new(
        head: AdmittedHead,
        held: impl Fn(&SectionEntry) -> Option<WholeSection>,
    ) -> Assembly {
        let sections = head.entries().iter();
        let sections = sections.map(|entry| {
            let held = held(entry).and_then(|held| held.as_entry(entry));
            held.or_else(|| WholeSection::empty(entry))
        });
        Assembly {
            sections: sections.collect(),
            head,
            reading: None,
        }
    }

    /// The sections of a whole bundle, copied.
    pub(crate) fn of(admitted: &Admitted<'_>) -> Assembly {
        let sections = admitted.bundle().sections().iter();
        let sections = sections.map(|section| {
            let bytes = section.bytes.filter(|_| !section.flags.is_detached())?;
            Some(WholeSection {
                kind: section.kind,
                hash: section.hash,
                bytes: bytes.into(),
                list: None,
            })
        });
        Assembly {
            sections: sections.collect(),
            head: admitted.head().clone(),
            reading: None,
        }
    }

    /// The head.
    #[must_use]
    pub fn head(&self) -> &AdmittedHead {
        &self.head
    }

    /// The head, to be judged again.
    pub fn head_mut(&mut self) -> &mut AdmittedHead {
        &mut self.head
    }

    /// The sections that are still to come, and their indexes in the section table, ascending. One that stands there
    /// several times is named once.
    #[must_use]
    pub fn missing(&self) -> Vec<(usize, SectionEntry)> {
        let mut missing: Vec<(usize, SectionEntry)> = Vec::new();
        let places = self.head.entries().iter().zip(&self.sections).enumerate();
        for (index, (entry, section)) in places {
            let is_named = || missing.iter().any(|(_, other)| other.hash == entry.hash);
            if section.is_none() && !entry.flags.is_detached() && !is_named() {
                missing.push((index, *entry));
            }
        }
        missing
    }

    /// The first of the sections that are still to come, and its index in the section table.
    #[must_use]
    pub fn next_missing(&self) -> Option<(usize, SectionEntry)> {
        let mut places = self.head.entries().iter().zip(&self.sections).enumerate();
        let missing =
            places.find(|(_, (entry, section))| section.is_none() && !entry.flags.is_detached());
        missing.map(|(index, (entry, _))| (index, *entry))
    }

    /// The sections that are here, in file order.
    pub fn whole_sections(&self) -> impl Iterator<Item = &WholeSection> {
        self.sections.iter().flatten()
    }

    /// Takes a section to each place that it belongs to.
    pub fn put(&mut self, section: &WholeSection) {
        for (entry, place) in self.head.entries().iter().zip(&mut self.sections) {
            if place.is_none() && !entry.flags.is_detached() {
                *place = section.as_entry(entry);
            }
        }
    }

    /// Reads on in the sections, which all have to be here, until about so much `work` was done, in bytes looked at; takes
    /// off `work` what that was. `None` when there is more to do.
    ///
    /// # Errors
    ///
    /// [`Refusal::BadSection`]: the bundle was signed, but not made by a compiler that works.
    pub fn step(&mut self, work: &mut usize) -> Option<Result<Ruleset, Refusal>> {
        let (head, sections) = (&self.head, &self.sections);
        let reading = self.reading.get_or_insert_with(|| {
            let whole = sections.iter().flatten().cloned().collect();
            let head = head.clone();
            Paced::new(|pace| read(head, whole, pace))
        });
        let result = reading.step(work);
        if result.is_some() {
            self.reading = None;
        }
        result
    }

    /// Reads to the end.
    pub(crate) fn finish(mut self) -> Result<Ruleset, Refusal> {
        loop {
            let mut work = usize::MAX;
            if let Some(result) = self.step(&mut work) {
                return result;
            }
        }
    }
}

impl WholeSection {
    /// A section without bytes need not come.
    fn empty(entry: &SectionEntry) -> Option<WholeSection> {
        if entry.length > 0 || entry.flags.is_detached() {
            return None;
        }
        IncomingSection::begin(*entry).ok()?.finish().ok()
    }

    /// The same bytes in the place of `entry`, if it has their hash. Sections of two kinds may have the same bytes.
    fn as_entry(&self, entry: &SectionEntry) -> Option<WholeSection> {
        if self.hash != entry.hash {
            return None;
        }
        let list = self.list.clone().filter(|_| self.kind == entry.kind);
        Some(WholeSection {
            kind: entry.kind,
            list,
            ..self.clone()
        })
    }
}

async fn read(
    head: AdmittedHead,
    mut whole: Vec<WholeSection>,
    pace: Pace,
) -> Result<Ruleset, Refusal> {
    let sections = Sections::read(&mut whole, &pace).await;
    let sections = sections.map_err(Refusal::BadSection)?;
    Ok(Ruleset::new(head, whole, sections))
}

/// Room for a section; `None` without memory for it.
fn zeros(len: usize) -> Option<Arc<[u8]>> {
    // Only a `Vec` says that there is no memory. What it was given and gives back is there for the `Arc`.
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(len.saturating_add(ARC_HEAD_LEN))
        .ok()?;
    drop(room);
    Some(repeat_n(0, len).collect())
}
