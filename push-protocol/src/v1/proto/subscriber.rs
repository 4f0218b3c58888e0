//! Conversions of what a filter says.

use super::subscriber_message::Message::{Ack, ChunkTaken, Hello, Nack, ServesRequests};
use crate::{
    BundleId, Digest, InstanceId, ProtoError, VmId,
    limits::{DETAIL_LEN_MAX, NODE_LEN_MAX, REASON_LEN_MAX},
    proto::field,
    v1::{self, PROTOCOL_VERSION, SubscriberMessage},
};

impl TryFrom<super::SubscriberMessage> for SubscriberMessage {
    type Error = ProtoError;

    fn try_from(wire: super::SubscriberMessage) -> Result<Self, ProtoError> {
        let super::SubscriberMessage { message } = wire;
        Ok(match message.ok_or(ProtoError::UnknownKind)? {
            Hello(hello) => Self::Hello(hello.try_into()?),
            Ack(super::Ack { revision, digest }) => {
                Self::Ack(field::bundle_id("ack.digest", revision, &digest)?)
            }
            Nack(nack) => Self::Nack(nack.try_into()?),
            ServesRequests(super::ServesRequests {}) => Self::ServesRequests,
            ChunkTaken(taken) => Self::ChunkTaken(taken.try_into()?),
        })
    }
}

impl From<SubscriberMessage> for super::SubscriberMessage {
    fn from(message: SubscriberMessage) -> Self {
        let message = match message {
            SubscriberMessage::Hello(hello) => Hello(hello.into()),
            SubscriberMessage::Ack(BundleId {
                revision,
                digest: Digest(digest),
            }) => Ack(super::Ack {
                revision,
                digest: digest.to_vec(),
            }),
            SubscriberMessage::Nack(nack) => Nack(nack.into()),
            SubscriberMessage::ServesRequests => ServesRequests(super::ServesRequests {}),
            SubscriberMessage::ChunkTaken(taken) => ChunkTaken(taken.into()),
        };
        Self {
            message: Some(message),
        }
    }
}

impl TryFrom<super::Hello> for v1::Hello {
    type Error = ProtoError;

    fn try_from(wire: super::Hello) -> Result<Self, ProtoError> {
        let super::Hello {
            protocol,
            node,
            instance,
            vm,
            serves_requests,
            ruleset,
            audience,
            held_digest,
            held_revision,
        } = wire;
        if protocol != PROTOCOL_VERSION {
            return Err(ProtoError::UnsupportedVersion {
                found: protocol,
                supported: PROTOCOL_VERSION,
            });
        }
        Ok(Self {
            node: field::text("hello.node", node, NODE_LEN_MAX)?,
            instance: InstanceId(field::fixed("hello.instance", &instance)?),
            vm: VmId(field::fixed("hello.vm", &vm)?),
            serves_requests,
            ruleset: field::name("hello.ruleset", ruleset)?,
            audience: field::optional_name("hello.audience", audience)?,
            held: field::held("hello.held_digest", held_revision, &held_digest)?,
        })
    }
}

impl From<v1::Hello> for super::Hello {
    fn from(hello: v1::Hello) -> Self {
        let v1::Hello {
            node,
            instance,
            vm,
            serves_requests,
            ruleset,
            audience,
            held,
        } = hello;
        let (held_revision, held_digest) = field::held_fields(held);
        Self {
            protocol: PROTOCOL_VERSION,
            node: field::cut(node, NODE_LEN_MAX),
            instance: instance.0.to_vec(),
            vm: vm.0.to_vec(),
            serves_requests,
            ruleset,
            audience: audience.unwrap_or_default(),
            held_digest,
            held_revision,
        }
    }
}

impl TryFrom<super::Nack> for crate::Nack {
    type Error = ProtoError;

    fn try_from(wire: super::Nack) -> Result<Self, ProtoError> {
        let super::Nack {
            revision,
            digest,
            reason,
            detail,
            permanent,
        } = wire;
        field::not_empty("nack.reason", reason.len())?;
        Ok(Self {
            bundle: field::bundle_id("nack.digest", revision, &digest)?,
            reason: field::text("nack.reason", reason, REASON_LEN_MAX)?,
            detail: field::text("nack.detail", detail, DETAIL_LEN_MAX)?,
            permanent,
        })
    }
}

impl From<crate::Nack> for super::Nack {
    fn from(nack: crate::Nack) -> Self {
        let crate::Nack {
            bundle,
            reason,
            detail,
            permanent,
        } = nack;
        Self {
            revision: bundle.revision,
            digest: bundle.digest.0.to_vec(),
            reason: field::cut(reason, REASON_LEN_MAX),
            detail: field::cut(detail, DETAIL_LEN_MAX),
            permanent,
        }
    }
}

impl TryFrom<super::ChunkTaken> for v1::ChunkTaken {
    type Error = ProtoError;

    fn try_from(wire: super::ChunkTaken) -> Result<Self, ProtoError> {
        let super::ChunkTaken { digest, received } = wire;
        Ok(Self {
            digest: Digest(field::fixed("chunk_taken.digest", &digest)?),
            received,
        })
    }
}

impl From<v1::ChunkTaken> for super::ChunkTaken {
    fn from(taken: v1::ChunkTaken) -> Self {
        let v1::ChunkTaken { digest, received } = taken;
        Self {
            digest: digest.0.to_vec(),
            received,
        }
    }
}
