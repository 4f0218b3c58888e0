//! Bundles whose rules tell which revision decided.

use crate::filter::bundle::bytes_of;
use riskgate_engine::bundle::{Bundle, Section};
use riskgate_push_protocol::{BundleId, Digest, SectionChunk, SectionHash};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

/// A request for it is denied by every revision.
pub(crate) const BLOCKED: &str = "/blocked";

/// A request for it is denied by this revision only.
pub(crate) fn own_path(revision: u64) -> String {
    format!("/of/{revision}")
}

/// The bundle of a revision, as it is sent.
pub(crate) fn bundle(revision: u64) -> Arc<[u8]> {
    static MADE: Mutex<BTreeMap<u64, Arc<[u8]>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap();
    let of_revision = made.entry(revision);
    of_revision
        .or_insert_with(|| make("shop", revision, 20))
        .clone()
}

/// The same of any ruleset, with rules for so many paths.
pub(crate) fn make(ruleset: &str, revision: u64, words: usize) -> Arc<[u8]> {
    let own = own_path(revision);
    let mut rules = format!(
        "rules:\n  \
         - {{ id: all, when: 'request.url_path == \"{BLOCKED}\"', then: deny }}\n  \
         - {{ id: own, when: 'request.url_path == \"{own}\"', then: deny }}\n"
    );
    let words: Vec<String> = (0..words)
        .map(|word| format!("\"/word/{}/of/{revision}\"", word * 7_919))
        .collect();
    // A condition has at most 64 KiB.
    for (number, words) in words.chunks(1_000).enumerate() {
        let condition = format!("request.url_path in [{}]", words.join(", "));
        rules += &format!("  - {{ id: words-{number}, when: '{condition}', then: deny }}\n");
    }
    let file = bytes_of(ruleset, revision, "", &rules);
    Bundle::parse(&file).unwrap().without_detached().into()
}

pub(crate) fn id_of(bundle: &[u8]) -> BundleId {
    let bundle = Bundle::parse(bundle).unwrap();
    BundleId {
        revision: bundle.manifest().revision,
        digest: Digest(bundle.digest().0),
    }
}

/// Sections of a bundle that travel, with their places in its table.
pub(crate) struct Sections<'b>(Vec<(u32, Section<'b>)>);

impl<'b> Sections<'b> {
    pub(crate) fn all(bundle: &'b [u8]) -> Sections<'b> {
        Sections::that_lack(bundle, &BTreeSet::new())
    }

    /// Those that are not held: each hash once.
    pub(crate) fn that_lack(bundle: &'b [u8], held: &BTreeSet<SectionHash>) -> Sections<'b> {
        let bundle = Bundle::parse(bundle).unwrap();
        let mut known = held.clone();
        let placed = (0..).zip(bundle.sections().iter().copied());
        let travel = placed.filter(|(_, section)| {
            let is_there = section.bytes.is_some_and(|bytes| !bytes.is_empty());
            is_there && known.insert(SectionHash(section.hash))
        });
        Sections(travel.collect())
    }

    pub(crate) fn places(&self) -> Vec<u32> {
        self.0.iter().map(|(place, _)| *place).collect()
    }

    pub(crate) fn hashes(&self) -> BTreeSet<SectionHash> {
        let all = self.0.iter();
        all.map(|(_, section)| SectionHash(section.hash)).collect()
    }

    pub(crate) fn chunks(&self, len: usize) -> VecDeque<SectionChunk> {
        let mut chunks = VecDeque::new();
        for (_, section) in &self.0 {
            let mut offset = 0;
            for data in section.bytes.unwrap().chunks(len) {
                chunks.push_back(SectionChunk {
                    section: SectionHash(section.hash),
                    offset,
                    data: data.to_vec().into(),
                });
                offset += u32::try_from(data.len()).unwrap();
            }
        }
        chunks
    }
}
