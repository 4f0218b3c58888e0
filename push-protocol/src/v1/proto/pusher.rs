//! Conversions of what the pusher says on a subscriber's stream.

use super::pusher_message::Message::{Chunk, Start};
use crate::{
    Digest, ProtoError,
    limits::{BUNDLE_LEN_MAX, CHUNK_LEN_MAX},
    proto::field,
    v1::{self, PusherMessage},
};

impl TryFrom<super::PusherMessage> for PusherMessage {
    type Error = ProtoError;

    fn try_from(wire: super::PusherMessage) -> Result<Self, ProtoError> {
        let super::PusherMessage { message } = wire;
        Ok(match message.ok_or(ProtoError::UnknownKind)? {
            Start(start) => Self::Start(start.try_into()?),
            Chunk(chunk) => Self::Chunk(chunk.try_into()?),
        })
    }
}

impl From<PusherMessage> for super::PusherMessage {
    fn from(message: PusherMessage) -> Self {
        let message = match message {
            PusherMessage::Start(start) => Start(start.into()),
            PusherMessage::Chunk(chunk) => Chunk(chunk.into()),
        };
        Self {
            message: Some(message),
        }
    }
}

impl TryFrom<super::BundleStart> for v1::BundleStart {
    type Error = ProtoError;

    fn try_from(wire: super::BundleStart) -> Result<Self, ProtoError> {
        let super::BundleStart {
            revision,
            digest,
            total_len,
        } = wire;
        let len = total_len as usize;
        field::not_empty("start.total_len", len)?;
        field::in_limit("start.total_len", len, BUNDLE_LEN_MAX)?;
        Ok(Self {
            bundle: field::bundle_id("start.digest", revision, &digest)?,
            total_len,
        })
    }
}

impl From<v1::BundleStart> for super::BundleStart {
    fn from(start: v1::BundleStart) -> Self {
        let v1::BundleStart { bundle, total_len } = start;
        Self {
            revision: bundle.revision,
            digest: bundle.digest.0.to_vec(),
            total_len,
        }
    }
}

impl TryFrom<super::BundleChunk> for v1::BundleChunk {
    type Error = ProtoError;

    fn try_from(wire: super::BundleChunk) -> Result<Self, ProtoError> {
        let super::BundleChunk {
            digest,
            offset,
            data,
        } = wire;
        field::not_empty("chunk.data", data.len())?;
        field::in_limit("chunk.data", data.len(), CHUNK_LEN_MAX)?;
        let end = (offset as usize).saturating_add(data.len());
        field::in_limit("chunk.offset + data", end, BUNDLE_LEN_MAX)?;
        Ok(Self {
            digest: Digest(field::fixed("chunk.digest", &digest)?),
            offset,
            data,
        })
    }
}

impl From<v1::BundleChunk> for super::BundleChunk {
    fn from(chunk: v1::BundleChunk) -> Self {
        let v1::BundleChunk {
            digest,
            offset,
            data,
        } = chunk;
        Self {
            digest: digest.0.to_vec(),
            offset,
            data,
        }
    }
}
