//! Finds the attributes that a header, query argument, cookie or claim of a request belongs to, by its name.
//!
//! Built when a ruleset is loaded, so that a request pays for what it carries and not for all names that rules know.

use alloc::vec;
use alloc::vec::Vec;

use xxhash_rust::xxh3::xxh3_64;

use crate::attributes::{AttributeId, Attributes, Base};
use crate::strings::{StringId, Strings};

/// Index of a name among those of one base.
pub(crate) type NameId = u32;

/// The names of one base.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// Where the names of each bucket start; one more than there are buckets, which are a power of two.
    starts: Vec<u32>,
    /// Bucket by bucket, those of one ascending by their text.
    names: Vec<Name>,
    /// Those that give access, name by name.
    attributes: Vec<AttributeId>,
}

#[derive(Debug, Clone, Copy)]
struct Name {
    text: StringId,
    attributes: (u32, u32),
}

impl Names {
    /// `gives_access` tells which attributes are looked at for every request that has the name. The second part tells
    /// each attribute of the base with its name.
    pub(crate) fn new(
        base: Base,
        attributes: &Attributes,
        strings: &Strings,
        gives_access: impl Fn(AttributeId) -> bool,
    ) -> (Names, Vec<(AttributeId, NameId)>) {
        let own = (0..).zip(attributes.iter());
        let own = own.filter(|(_, attribute)| attribute.base == base);
        let mut by_name: Vec<(u64, &[u8], StringId, AttributeId)> = own
            .map(|(id, attribute)| {
                let text = strings.get(attribute.key);
                (xxh3_64(text), text, attribute.key, id)
            })
            .collect();
        let mask = bucket_mask(by_name.len());
        by_name.sort_unstable_by_key(|(hash, text, _, id)| (hash & mask, *text, *id));
        let mut names = Names {
            starts: vec![0; usize::try_from(mask).unwrap_or_default() + 2],
            ..Names::default()
        };
        let mut of_attributes = Vec::new();
        for group in by_name.chunk_by(|a, b| a.1 == b.1) {
            let Some((hash, _, text, _)) = group.first() else {
                continue;
            };
            let start = length(&names.attributes);
            let name = length(&names.names);
            of_attributes.extend(group.iter().map(|(.., id)| (*id, name)));
            let eager = group
                .iter()
                .map(|(.., id)| *id)
                .filter(|id| gives_access(*id));
            names.attributes.extend(eager);
            names.names.push(Name {
                text: *text,
                attributes: (start, length(&names.attributes)),
            });
            let bucket = usize::try_from(hash & mask).unwrap_or_default();
            if let Some(start) = names.starts.get_mut(bucket + 1) {
                *start += 1;
            }
        }
        let mut total = 0;
        for start in &mut names.starts {
            total += *start;
            *start = total;
        }
        (names, of_attributes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether some attribute is looked at for every request that has its name.
    pub(crate) fn give_access(&self) -> bool {
        !self.attributes.is_empty()
    }

    /// Each name once.
    pub(crate) fn texts(&self) -> impl Iterator<Item = StringId> {
        self.names.iter().map(|name| name.text)
    }

    pub(crate) fn count(&self) -> u32 {
        length(&self.names)
    }

    pub(crate) fn find(&self, text: &[u8], strings: &Strings) -> Option<NameId> {
        let hash = xxh3_64(text);
        let mask = self.starts.len().checked_sub(2)? as u64;
        let bucket = usize::try_from(hash & mask).ok()?;
        let start = *self.starts.get(bucket)?;
        let end = *self.starts.get(bucket + 1)?;
        let bucket = self.names.get(start as usize..end as usize)?;
        // Ascending by their text, so that names which were made to share a bucket are no longer a way.
        let place = bucket
            .binary_search_by(|name| strings.get(name.text).cmp(text))
            .ok()?;
        Some(start + u32::try_from(place).ok()?)
    }

    /// The attributes that are looked at for every request that has the name.
    pub(crate) fn attributes(&self, name: NameId) -> &[AttributeId] {
        let range = self.names.get(name as usize).map(|name| name.attributes);
        let (start, end) = range.unwrap_or_default();
        self.attributes
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }
}

fn bucket_mask(names: usize) -> u64 {
    (2 * names.max(1)).next_power_of_two() as u64 - 1
}

fn length<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}
