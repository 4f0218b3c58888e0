//! The head as it was read last, and what of it holds under the current trust.

use super::record::{self, Page, RECORD_LEN_MAX, Stored, entries};
use crate::host::{Host, HostError, Version};
use riskgate_engine::admission::{Admission, Mark};
use riskgate_engine::bundle::SectionEntry;

/// The bundles that the head names and whose signatures hold. Any other is as if it were not there.
#[derive(Default)]
pub(super) struct Seen {
    version: Option<Version>,
    /// The current one first.
    bundles: Vec<SeenBundle>,
    value: Vec<u8>,
}

/// A bundle that the head names.
pub(super) struct SeenBundle {
    pub(super) mark: Mark,
    pub(super) stored: Stored,
    entries: Vec<SectionEntry>,
}

impl Seen {
    /// Reads the head, and says whether it is another one than before.
    pub(super) fn look(
        &mut self,
        host: &dyn Host,
        key: &str,
        admission: &Admission<'_>,
    ) -> Result<bool, HostError> {
        let version = host.shared_data_version(key, RECORD_LEN_MAX, &mut self.value)?;
        if version.is_some() && version == self.version {
            return Ok(false);
        }
        self.version = version;
        let stored = match version {
            Some(_) => record::read(&self.value),
            None => Vec::new(),
        };
        let bundles = stored.into_iter().filter_map(|stored| {
            Some(SeenBundle {
                mark: admission.mark_of(&stored.head).ok()?,
                entries: entries(&stored.head),
                stored,
            })
        });
        self.bundles = bundles.collect();
        Ok(true)
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    /// The current one first, if it holds.
    pub(super) fn bundles(&self) -> &[SeenBundle] {
        &self.bundles
    }

    /// The highest revision of them.
    pub(super) fn newest(&self) -> Option<&SeenBundle> {
        self.bundles
            .iter()
            .max_by_key(|bundle| bundle.mark.revision)
    }

    pub(super) fn newest_below(&self, revision: u64) -> Option<&Stored> {
        let below = |bundle: &&SeenBundle| bundle.mark.revision < revision;
        let older = self.bundles.iter().filter(below);
        let newest = older.max_by_key(|bundle| bundle.mark.revision)?;
        Some(&newest.stored)
    }

    /// Where a section stands already.
    pub(super) fn pages_of(&self, wanted: &SectionEntry) -> Option<&[Page]> {
        self.bundles.iter().find_map(|bundle| {
            let mut all = bundle.entries.iter().zip(&bundle.stored.pages);
            let (_, pages) = all.find(|(entry, _)| *entry == wanted)?;
            Some(&pages[..])
        })
    }

    pub(super) fn all_pages(&self) -> impl Iterator<Item = Page> {
        let bundles = self.bundles.iter();
        bundles.flat_map(|bundle| bundle.stored.all_pages())
    }
}
