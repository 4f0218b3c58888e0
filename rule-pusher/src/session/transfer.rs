//! One bundle on its way: the offer, and the chunks of the sections that the instance lacks.

use std::sync::Arc;

use riskgate_push_protocol::{
    ChunkTaken, Digest, Offer, PusherMessage, SectionChunk, SectionHash,
    limits::{CHUNK_LEN_MAX, CHUNKS_IN_FLIGHT_MAX},
};

use super::Violation;
use crate::catalogue::{Publication, Section};

/// A bundle on its way. It stays until it is answered, so that late credit finds it.
#[derive(Debug)]
pub(super) struct Transfer {
    publication: Arc<Publication>,
    /// Of its offer, once that was sent.
    number: Option<u32>,
    /// Places of the sections that follow.
    sent: Vec<u32>,
    /// Where the next chunk to send begins.
    next: Position,
    /// Where the next chunk to be taken begins.
    taken: Position,
    in_flight: usize,
}

/// In the sections that follow: which of them, and how many of its bytes lie before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    section: usize,
    offset: usize,
}

impl Transfer {
    pub(super) fn new(publication: Arc<Publication>) -> Self {
        Self {
            publication,
            number: None,
            sent: Vec::new(),
            next: Position::default(),
            taken: Position::default(),
            in_flight: 0,
        }
    }

    pub(super) fn publication(&self) -> &Arc<Publication> {
        &self.publication
    }

    pub(super) fn digest(&self) -> Digest {
        self.publication.bundle.digest
    }

    /// Whether its offer was the one of this number.
    pub(super) fn is_offer(&self, number: u32) -> bool {
        self.number == Some(number)
    }

    pub(super) fn was_offered(&self) -> bool {
        self.number.is_some()
    }

    pub(super) fn has_message(&self) -> bool {
        let has_chunk = self.section_at(self.next).is_some();
        self.number.is_none() || (has_chunk && self.in_flight < CHUNKS_IN_FLIGHT_MAX)
    }

    /// `offers` counts those of the stream; `held` are the sections that the instance holds, in ascending order.
    pub(super) fn next_message(
        &mut self,
        offers: &mut u32,
        held: &[SectionHash],
    ) -> Option<PusherMessage> {
        if !self.has_message() {
            return None;
        }
        if self.number.is_some() {
            return self.next_chunk().map(PusherMessage::Chunk);
        }
        *offers += 1;
        self.number = Some(*offers);
        self.sent = self.publication.sections_beyond(held);
        Some(PusherMessage::Offer(Offer {
            number: *offers,
            bundle: self.publication.bundle,
            head: self.publication.head.clone(),
            sent: self.sent.clone(),
        }))
    }

    /// Chunks are taken one by one, in order.
    pub(super) fn on_taken(&mut self, taken: ChunkTaken) -> Result<(), Violation> {
        let violation = Violation::NoSuchChunk {
            received: taken.received,
        };
        let Some(section) = self.section_at(self.taken).filter(|_| self.in_flight > 0) else {
            return Err(violation);
        };
        let end = end_of_chunk(section, self.taken);
        if section.hash != taken.section || end != taken.received as usize {
            return Err(violation);
        }
        self.taken = self.taken.after(end, section);
        self.in_flight -= 1;
        Ok(())
    }

    fn next_chunk(&mut self) -> Option<SectionChunk> {
        let begin = self.next;
        let section = self.section_at(begin)?;
        let end = end_of_chunk(section, begin);
        let chunk = SectionChunk {
            section: section.hash,
            // A verified bundle is at most 32 MiB long.
            offset: u32::try_from(begin.offset).unwrap_or(u32::MAX),
            data: section.bytes.slice(begin.offset..end),
        };
        self.next = begin.after(end, section);
        self.in_flight += 1;
        Some(chunk)
    }

    /// None behind the last one.
    fn section_at(&self, position: Position) -> Option<&Section> {
        let place = *self.sent.get(position.section)?;
        self.publication.sections.get(place as usize)
    }
}

impl Position {
    fn after(self, end: usize, section: &Section) -> Self {
        if end == section.bytes.len() {
            Self {
                section: self.section + 1,
                offset: 0,
            }
        } else {
            Self {
                offset: end,
                ..self
            }
        }
    }
}

fn end_of_chunk(section: &Section, begin: Position) -> usize {
    section.bytes.len().min(begin.offset + CHUNK_LEN_MAX)
}
