//! Who is loading what: a VM that traps while it loads a bundle leaves a note of that, and the others learn from it.
//!
//! A note stands under `attempts` of the namespace while a VM takes a step of a load, and no longer. So one that is old is
//! of a VM that hangs, or that trapped. After two of those, which stay, the bundle is left alone. What neighbours forge here keeps a
//! bundle from loading, or lets VMs try one that traps; neither lets in what was not signed.
//!
//! Layout: each note is the digest (32 bytes), the revision (u64), the VM's name (16) and when the step began by the
//! monotonic clock (u64, nanoseconds), little-endian. Any other value is as if no note stood there.

use super::TRIES;
use crate::host::{Host, HostError, Version};
use crate::identity::Nonce;
use riskgate_engine::admission::Mark;

/// A step that takes so long may have ended in a trap.
const SUSPECT_NS: u64 = 200_000_000;
/// One that takes so long did.
const TRAP_NS: u64 = 2_000_000_000;
/// After so many the bundle is left alone.
const TRAPS_MAX: usize = 2;
/// So long traps are looked at before they count: where the whole process stood still, its VMs go on and take their notes
/// away.
const CERTAINTY_NS: u64 = 1_000_000_000;
/// How often a note is tried to be taken away at once. All VMs load what is new at the same time.
const END_TRIES: u32 = 64;
/// As many as there are slots for VMs. Older ones make room.
const NOTES_MAX: usize = 64;
const NOTE_LEN: usize = 32 + 8 + 16 + 8;

/// The notes of a namespace.
pub(super) struct Attempts {
    key: String,
    value: Vec<u8>,
    /// The note of a step that is done stands there still.
    is_left: bool,
    /// The bundle that others trapped with, and since when this VM knows.
    trapped: Option<([u8; 32], u64)>,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    Go,
    /// It is not known yet what became of others that tried.
    Wait,
    /// Others trapped.
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Note {
    digest: [u8; 32],
    revision: u64,
    vm: Nonce,
    began_ns: u64,
}

impl Attempts {
    pub(super) fn new(key: String) -> Attempts {
        Attempts {
            key,
            value: Vec::new(),
            is_left: false,
            trapped: None,
        }
    }

    /// Notes that `vm` goes on with a bundle, unless others came to grief with it. Where nothing can be noted it goes on
    /// too: this is a precaution.
    pub(super) fn begin(&mut self, host: &dyn Host, vm: Nonce, bundle: &Mark) -> Advice {
        let Ok(now_ns) = host.monotonic_ns() else {
            return Advice::Go;
        };
        let own = Note {
            digest: bundle.digest.0,
            revision: bundle.revision,
            vm,
            began_ns: now_ns,
        };
        let mut advice = Advice::Go;
        let _ = self.change(host, TRIES, |notes| {
            notes.retain(|note| note.is_of_use(&own));
            advice = judge(notes, &own);
            if advice == Advice::Go {
                if notes.len() >= NOTES_MAX {
                    notes.remove(0);
                }
                notes.push(own);
            }
        });
        self.after_another_look(advice, &own)
    }

    /// The step is done.
    pub(super) fn end(&mut self, host: &dyn Host, vm: Nonce) {
        let changed = self.change(host, END_TRIES, |notes| notes.retain(|note| note.vm != vm));
        self.is_left = changed != Ok(true);
    }

    /// Takes away a note that could not be taken away: others would take it for that of a trap.
    pub(super) fn tidy(&mut self, host: &dyn Host, vm: Nonce) {
        if self.is_left {
            self.end(host, vm);
        }
    }

    /// Traps count that still stand there some time after they were seen first.
    fn after_another_look(&mut self, advice: Advice, own: &Note) -> Advice {
        if advice != Advice::Leave {
            self.trapped = None;
            return advice;
        }
        let known = self.trapped.filter(|(digest, _)| *digest == own.digest);
        let (_, since_ns) = *self
            .trapped
            .insert(known.unwrap_or((own.digest, own.began_ns)));
        match own.began_ns.saturating_sub(since_ns) {
            CERTAINTY_NS.. => Advice::Leave,
            _ => Advice::Wait,
        }
    }

    /// Changes the notes, unless others change them all the time; says whether it could.
    fn change(
        &mut self,
        host: &dyn Host,
        tries: u32,
        mut change: impl FnMut(&mut Vec<Note>),
    ) -> Result<bool, HostError> {
        for _ in 0..tries {
            let max_len = NOTES_MAX * NOTE_LEN;
            let version = host.shared_data_version(&self.key, max_len, &mut self.value)?;
            let held = match version {
                Some(_) => read(&self.value),
                None => Vec::new(),
            };
            let mut notes = held.clone();
            change(&mut notes);
            if notes == held || write(host, &self.key, &notes, version)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What the notes say of the bundle that `own` is about.
fn judge(notes: &[Note], own: &Note) -> Advice {
    let others = notes.iter().filter(|note| note.digest == own.digest);
    let older_than = |age_ns| {
        others
            .clone()
            .filter(move |note| note.age_ns(own) >= age_ns)
    };
    if older_than(TRAP_NS).count() >= TRAPS_MAX {
        return Advice::Leave;
    }
    match older_than(SUSPECT_NS).count() {
        suspects if suspects >= TRAPS_MAX => Advice::Wait,
        _ => Advice::Go,
    }
}

impl Note {
    /// Not of the VM that goes on, of a bundle that is older anyway, or of a time that has not come.
    fn is_of_use(&self, own: &Note) -> bool {
        self.vm != own.vm && self.revision >= own.revision && self.began_ns <= own.began_ns
    }

    fn age_ns(&self, now: &Note) -> u64 {
        now.began_ns.saturating_sub(self.began_ns)
    }
}

fn read(bytes: &[u8]) -> Vec<Note> {
    let (notes, rest) = bytes.as_chunks::<NOTE_LEN>();
    let notes = notes.iter().filter_map(|note| {
        let (digest, rest) = note.split_first_chunk()?;
        let (revision, rest) = rest.split_first_chunk()?;
        let (vm, began_ns) = rest.split_first_chunk()?;
        Some(Note {
            digest: *digest,
            revision: u64::from_le_bytes(*revision),
            vm: *vm,
            began_ns: u64::from_le_bytes(*began_ns.first_chunk()?),
        })
    });
    match rest {
        [] => notes.collect(),
        _ => Vec::new(),
    }
}

fn write(
    host: &dyn Host,
    key: &str,
    notes: &[Note],
    version: Option<Version>,
) -> Result<bool, HostError> {
    let mut bytes = Vec::with_capacity(notes.len() * NOTE_LEN);
    for note in notes {
        bytes.extend_from_slice(&note.digest);
        bytes.extend_from_slice(&note.revision.to_le_bytes());
        bytes.extend_from_slice(&note.vm);
        bytes.extend_from_slice(&note.began_ns.to_le_bytes());
    }
    super::write(host, key, &bytes, version)
}
