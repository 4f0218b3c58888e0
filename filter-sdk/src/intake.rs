//! A bundle that the push service offers, section by section.

use crate::delivery::{ORIGIN, mark_id};
use crate::load::Loader;
use crate::rejection::Rejection;
use crate::shared::{AddError, Load};
use riskgate_engine::bundle::SectionEntry;
use riskgate_push_protocol::{BundleId, ChunkTaken, Offer, SectionChunk, SectionHash};
use std::collections::VecDeque;

/// An offer whose head was good, and the sections that are still to come.
pub(crate) struct Intake {
    offer: u32,
    sent: VecDeque<Sent>,
    /// Of the first of `sent`, in bytes.
    received: u32,
    load: Load,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sent {
    hash: [u8; 32],
    len: u32,
    /// It is not here already.
    is_wanted: bool,
}

/// What an offer's head makes of it.
pub(crate) enum Judged {
    /// Its sections may come.
    Good(Intake),
    /// Sections are neither here nor among those that are to come; what is here can be said anew.
    Lacking(Load),
    /// Its sections are of no use.
    Bad(Rejection),
}

/// What becomes of a chunk.
pub(crate) enum Taken {
    Credit(ChunkTaken),
    /// It ends a section that is not what was signed, or there is no room for it.
    Bad(Rejection),
}

/// What a push service must not send: it ends the stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Violation {
    #[error("a message of {len} bytes came, {limit} are allowed")]
    TooLong { len: usize, limit: usize },
    #[error("what came cannot be read: {0}")]
    Unreadable(String),
    #[error("{found} was offered, its head is that of {inside}")]
    OtherHead { found: BundleId, inside: BundleId },
    #[error("offer {found} came after offer {last}")]
    OfferNumber { found: u32, last: u32 },
    #[error("the offer names section {0}, which is none that can be sent")]
    NoSuchSection(u32),
    #[error("a chunk came that belongs to no offer, or that no credit was left for")]
    Unasked,
    #[error("a chunk of section {found} came, that of {expected} is next")]
    OtherSection {
        found: SectionHash,
        expected: SectionHash,
    },
    #[error("a chunk for offset {found} came, the next one is {expected}")]
    OutOfOrder { found: u32, expected: u32 },
    #[error("a chunk ends {0} bytes behind the end of its section")]
    Overflow(usize),
    #[error("{0}")]
    Chunk(AddError),
    #[error("offers come without end that are refused by their heads")]
    Refused,
    #[error("a report was said to be taken, and none was on its way")]
    NoReport,
}

impl Intake {
    /// Judges an offer by its head alone. `donor` is what has come of one before it.
    pub(crate) fn begin(
        loader: &mut Loader<'_>,
        offer: &Offer,
        donor: Option<Load>,
    ) -> Result<Judged, Violation> {
        let load = match Load::pushed(loader, &offer.head, donor, ORIGIN) {
            Ok(load) => load,
            Err(rejection) => {
                loader.report_refused(rejection.code(), &rejection, ORIGIN);
                return Ok(Judged::Bad(rejection));
            }
        };
        let (found, inside) = (offer.bundle, mark_id(load.mark()));
        if found != inside {
            return Err(Violation::OtherHead { found, inside });
        }
        let missing = load.missing();
        let sent = offer.sent.iter().map(|&place| {
            let index = usize::try_from(place).ok();
            let is_wanted = index.is_some_and(|index| missing.binary_search(&index).is_ok());
            let entry = index.and_then(|index| load.entries().get(index));
            let sent = entry.and_then(|entry| Sent::of(entry, is_wanted));
            sent.ok_or(Violation::NoSuchSection(place))
        });
        let sent: VecDeque<Sent> = sent.collect::<Result<_, _>>()?;
        let will_come = sent.iter().filter(|sent| sent.is_wanted).count();
        if will_come < missing.len() {
            return Ok(Judged::Lacking(load));
        }
        Ok(Judged::Good(Intake {
            offer: offer.number,
            sent,
            received: 0,
            load,
        }))
    }

    /// Takes the next bytes, and gives credit for them.
    pub(crate) fn take(&mut self, chunk: &SectionChunk) -> Result<Taken, Violation> {
        let next = self.sent.front().ok_or(Violation::Unasked)?;
        let (section, expected) = (chunk.section, SectionHash(next.hash));
        if section != expected {
            return Err(Violation::OtherSection {
                found: section,
                expected,
            });
        }
        let (found, expected) = (chunk.offset, self.received);
        if found != expected {
            return Err(Violation::OutOfOrder { found, expected });
        }
        let end = expected as usize + chunk.data.len();
        let over = end.saturating_sub(next.len as usize);
        let received = u32::try_from(end).ok().filter(|_| over == 0);
        let received = received.ok_or(Violation::Overflow(over))?;
        if next.is_wanted {
            let offset = usize::try_from(found).unwrap_or(usize::MAX);
            match self.load.add(&next.hash, offset, &chunk.data) {
                Ok(_) => {}
                Err(AddError::Rejected(rejection)) => return Ok(Taken::Bad(rejection)),
                Err(error) => return Err(Violation::Chunk(error)),
            }
        }
        self.received = received;
        if received == next.len {
            self.sent.pop_front();
            self.received = 0;
        }
        Ok(Taken::Credit(ChunkTaken {
            offer: self.offer,
            section,
            received,
        }))
    }

    /// Whether nothing more of it is to come.
    pub(crate) fn is_complete(&self) -> bool {
        self.sent.is_empty()
    }

    /// What it is to become.
    pub(crate) fn load(&mut self) -> &mut Load {
        &mut self.load
    }

    /// What has come of it, for an offer after this one.
    pub(crate) fn into_load(self) -> Load {
        self.load
    }
}

impl Sent {
    fn of(entry: &SectionEntry, is_wanted: bool) -> Option<Sent> {
        let travels = !entry.flags.is_detached() && entry.length > 0;
        travels.then_some(Sent {
            hash: entry.hash,
            len: entry.length,
            is_wanted,
        })
    }
}
