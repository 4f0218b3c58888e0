//! The head as it was read last, and what of it holds under the current trust.

use super::record::{self, Page, RECORD_LEN_MAX, Stored};
use crate::host::{Host, HostError, Version};
use riskgate_engine::admission::{Admission, AdmittedHead, Mark};
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
    pub(super) stored: Stored,
    head: AdmittedHead,
    /// Its times let it serve. One that was issued in the future, or has expired while another one serves, counts as if it
    /// were not there: whoever holds genuine bytes could plant it.
    is_in_time: bool,
}

impl SeenBundle {
    pub(super) fn mark(&self) -> Mark {
        self.head.mark()
    }
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
                head: admission.known_head(&stored.head).ok()?,
                stored,
                is_in_time: false,
            })
        });
        self.bundles = bundles.collect();
        Ok(true)
    }

    /// Holds the times of what was read against the clock. The mark of `admission` is what serves.
    pub(super) fn judge(&mut self, admission: &Admission<'_>) {
        let current = self.bundles.first().map(SeenBundle::mark);
        for (place, bundle) in self.bundles.iter_mut().enumerate() {
            // Only the current one can be what served before a restart.
            let mark = match place {
                0 => admission.mark,
                _ => admission.mark.or(current),
            };
            bundle.is_in_time = Admission { mark, ..*admission }.is_in_time(&bundle.head);
        }
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    /// All whose signatures hold, the current one first.
    pub(super) fn bundles(&self) -> &[SeenBundle] {
        &self.bundles
    }

    /// Those of them that may serve now, each with whether it is the one before the current one.
    pub(super) fn in_time(&self) -> impl Iterator<Item = (bool, &SeenBundle)> {
        let bundles = self.bundles.iter().enumerate();
        let bundles = bundles.filter(|(_, bundle)| bundle.is_in_time);
        bundles.map(|(place, bundle)| (place > 0, bundle))
    }

    /// The current one, if it may serve now.
    pub(super) fn current(&self) -> Option<&SeenBundle> {
        self.bundles.first().filter(|bundle| bundle.is_in_time)
    }

    /// The highest revision that may serve now.
    pub(super) fn newest(&self) -> Option<&SeenBundle> {
        let in_time = self.in_time().map(|(_, bundle)| bundle);
        in_time.max_by_key(|bundle| bundle.mark().revision)
    }

    pub(super) fn newest_below(&self, revision: u64) -> Option<&Stored> {
        let in_time = self.in_time().map(|(_, bundle)| bundle);
        let older = in_time.filter(|bundle| bundle.mark().revision < revision);
        let newest = older.max_by_key(|bundle| bundle.mark().revision)?;
        Some(&newest.stored)
    }

    /// Where a section stands already.
    pub(super) fn pages_of(&self, wanted: &SectionEntry) -> Option<&[Page]> {
        self.bundles.iter().find_map(|bundle| {
            let mut all = bundle.head.entries().iter().zip(&bundle.stored.pages);
            let (_, pages) = all.find(|(entry, _)| *entry == wanted)?;
            Some(&pages[..])
        })
    }

    pub(super) fn all_pages(&self) -> impl Iterator<Item = Page> {
        let bundles = self.bundles.iter();
        bundles.flat_map(|bundle| bundle.stored.all_pages())
    }
}
