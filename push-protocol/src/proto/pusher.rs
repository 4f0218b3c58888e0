//! Conversions of what the pusher says on a stream.

use super::{
    ProtoError, field,
    pusher_message::Message::{Chunk, Offer, ReportTaken},
};
use crate::{
    PusherMessage, SectionHash,
    limits::{BUNDLE_LEN_MAX, CHUNK_LEN_MAX, HEAD_LEN_MAX, SECTIONS_MAX},
};

impl TryFrom<super::PusherMessage> for PusherMessage {
    type Error = ProtoError;

    fn try_from(wire: super::PusherMessage) -> Result<Self, ProtoError> {
        let super::PusherMessage { message } = wire;
        Ok(match message.ok_or(ProtoError::UnknownKind)? {
            Offer(offer) => Self::Offer(offer.try_into()?),
            Chunk(chunk) => Self::Chunk(chunk.try_into()?),
            ReportTaken(super::ReportTaken {}) => Self::ReportTaken,
        })
    }
}

impl From<PusherMessage> for super::PusherMessage {
    fn from(message: PusherMessage) -> Self {
        let message = match message {
            PusherMessage::Offer(offer) => Offer(offer.into()),
            PusherMessage::Chunk(chunk) => Chunk(chunk.into()),
            PusherMessage::ReportTaken => ReportTaken(super::ReportTaken {}),
        };
        Self {
            message: Some(message),
        }
    }
}

impl TryFrom<super::Offer> for crate::Offer {
    type Error = ProtoError;

    fn try_from(wire: super::Offer) -> Result<Self, ProtoError> {
        let super::Offer {
            number,
            revision,
            digest,
            head,
            sent,
        } = wire;
        field::not_empty("offer.head", head.len())?;
        field::in_limit("offer.head", head.len(), HEAD_LEN_MAX)?;
        field::not_too_many("offer.sent", sent.len(), SECTIONS_MAX)?;
        if !sent.is_sorted_by(|a, b| a < b) {
            return Err(ProtoError::Disordered("offer.sent"));
        }
        if let Some(&last) = sent.last() {
            field::not_too_many("offer.sent", last as usize + 1, SECTIONS_MAX)?;
        }
        Ok(Self {
            number,
            bundle: field::bundle_id("offer.digest", revision, &digest)?,
            head,
            sent,
        })
    }
}

impl From<crate::Offer> for super::Offer {
    fn from(offer: crate::Offer) -> Self {
        let crate::Offer {
            number,
            bundle,
            head,
            sent,
        } = offer;
        Self {
            number,
            revision: bundle.revision,
            digest: bundle.digest.0.to_vec(),
            head,
            sent,
        }
    }
}

impl TryFrom<super::SectionChunk> for crate::SectionChunk {
    type Error = ProtoError;

    fn try_from(wire: super::SectionChunk) -> Result<Self, ProtoError> {
        let super::SectionChunk {
            section,
            offset,
            data,
        } = wire;
        field::not_empty("chunk.data", data.len())?;
        field::in_limit("chunk.data", data.len(), CHUNK_LEN_MAX)?;
        let end = (offset as usize).saturating_add(data.len());
        field::in_limit("chunk.offset + data", end, BUNDLE_LEN_MAX)?;
        Ok(Self {
            section: SectionHash(field::fixed("chunk.section", &section)?),
            offset,
            data,
        })
    }
}

impl From<crate::SectionChunk> for super::SectionChunk {
    fn from(chunk: crate::SectionChunk) -> Self {
        let crate::SectionChunk {
            section,
            offset,
            data,
        } = chunk;
        Self {
            section: section.0.to_vec(),
            offset,
            data,
        }
    }
}
