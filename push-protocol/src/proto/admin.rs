//! Conversions of what the pusher tells operators.

use super::{Answer, ProtoError, field};
use crate::{
    Digest, InstanceId, KeyId, LastAnswer, Published, PublishedRuleset, Status, VmId, VmStatus,
    limits::{DETAIL_LEN_MAX, NODE_LEN_MAX, REASON_LEN_MAX},
};

impl TryFrom<super::PublishResponse> for Published {
    type Error = ProtoError;

    fn try_from(wire: super::PublishResponse) -> Result<Self, ProtoError> {
        let super::PublishResponse {
            ruleset,
            revision,
            digest,
            subscribers,
            audience,
            unchanged,
            signatures_left_out,
            signatures_unchecked,
        } = wire;
        Ok(Self {
            ruleset: field::name("ruleset", ruleset)?,
            audience: field::optional_name("audience", audience)?,
            bundle: field::bundle_id("digest", revision, &digest)?,
            subscribers,
            unchanged,
            signatures_left_out: key_ids("signatures_left_out", &signatures_left_out)?,
            signatures_unchecked: key_ids("signatures_unchecked", &signatures_unchecked)?,
        })
    }
}

impl From<Published> for super::PublishResponse {
    fn from(published: Published) -> Self {
        let Published {
            ruleset,
            audience,
            bundle,
            subscribers,
            unchanged,
            signatures_left_out,
            signatures_unchecked,
        } = published;
        let ids = |keys: Vec<KeyId>| keys.iter().map(|key| key.0.to_vec()).collect();
        Self {
            ruleset,
            revision: bundle.revision,
            digest: bundle.digest.0.to_vec(),
            subscribers,
            audience: audience.unwrap_or_default(),
            unchanged,
            signatures_left_out: ids(signatures_left_out),
            signatures_unchecked: ids(signatures_unchecked),
        }
    }
}

fn key_ids(field: &'static str, ids: &[Vec<u8>]) -> Result<Vec<KeyId>, ProtoError> {
    ids.iter()
        .map(|id| field::fixed(field, id).map(KeyId))
        .collect()
}

impl TryFrom<super::StatusResponse> for Status {
    type Error = ProtoError;

    fn try_from(wire: super::StatusResponse) -> Result<Self, ProtoError> {
        let super::StatusResponse {
            rulesets,
            vms,
            now_ms,
            deliveries,
            left_out,
        } = wire;
        Ok(Self {
            rulesets: rulesets
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            vms: vms
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            now_ms,
            deliveries: deliveries
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            left_out,
        })
    }
}

impl From<Status> for super::StatusResponse {
    fn from(status: Status) -> Self {
        let Status {
            rulesets,
            vms,
            now_ms,
            deliveries,
            left_out,
        } = status;
        Self {
            rulesets: rulesets.into_iter().map(Into::into).collect(),
            vms: vms.into_iter().map(Into::into).collect(),
            now_ms,
            deliveries: deliveries.into_iter().map(Into::into).collect(),
            left_out,
        }
    }
}

impl TryFrom<super::PublishedRuleset> for PublishedRuleset {
    type Error = ProtoError;

    fn try_from(wire: super::PublishedRuleset) -> Result<Self, ProtoError> {
        let super::PublishedRuleset {
            ruleset,
            audience,
            revision,
            digest,
            published_at_ms,
            expires_at_s,
            restores,
        } = wire;
        let restores = Some(restores).filter(|digest| !digest.is_empty());
        let restores = restores.map(|digest| field::fixed("rulesets.restores", &digest));
        Ok(Self {
            ruleset: field::name("rulesets.ruleset", ruleset)?,
            audience: field::optional_name("rulesets.audience", audience)?,
            bundle: field::bundle_id("rulesets.digest", revision, &digest)?,
            published_at_ms,
            expires_at_s,
            restores: restores.transpose()?.map(Digest),
        })
    }
}

impl From<PublishedRuleset> for super::PublishedRuleset {
    fn from(published: PublishedRuleset) -> Self {
        let PublishedRuleset {
            ruleset,
            audience,
            bundle,
            published_at_ms,
            expires_at_s,
            restores,
        } = published;
        Self {
            ruleset,
            audience: audience.unwrap_or_default(),
            revision: bundle.revision,
            digest: bundle.digest.0.to_vec(),
            published_at_ms,
            expires_at_s,
            restores: restores.map(|digest| digest.0.to_vec()).unwrap_or_default(),
        }
    }
}

impl TryFrom<super::VmStatus> for VmStatus {
    type Error = ProtoError;

    fn try_from(wire: super::VmStatus) -> Result<Self, ProtoError> {
        let super::VmStatus {
            node,
            instance,
            vm,
            serves_requests,
            ruleset,
            audience,
            held_revision,
            held_digest,
            answer,
            answered_revision,
            reason,
            detail,
            since_ms,
            connected_at_ms,
            holds_stream,
        } = wire;
        Ok(Self {
            node: field::text("vms.node", node, NODE_LEN_MAX)?,
            instance: InstanceId(field::fixed("vms.instance", &instance)?),
            vm: VmId(field::fixed("vms.vm", &vm)?),
            serves_requests,
            ruleset: field::name("vms.ruleset", ruleset)?,
            audience: field::optional_name("vms.audience", audience)?,
            held: field::held("vms.held_digest", held_revision, &held_digest)?,
            answer: last_answer(answer, answered_revision, reason, detail)?,
            since_ms,
            connected_at_ms,
            holds_stream,
        })
    }
}

impl From<VmStatus> for super::VmStatus {
    fn from(status: VmStatus) -> Self {
        let VmStatus {
            node,
            instance,
            vm,
            serves_requests,
            ruleset,
            audience,
            held,
            answer,
            since_ms,
            connected_at_ms,
            holds_stream,
        } = status;
        let (held_revision, held_digest) = field::held_fields(held);
        let (answer, answered_revision, reason, detail) = answer_fields(answer);
        Self {
            node,
            instance: instance.0.to_vec(),
            vm: vm.0.to_vec(),
            serves_requests,
            ruleset,
            audience: audience.unwrap_or_default(),
            held_revision,
            held_digest,
            answer: answer.into(),
            answered_revision,
            reason,
            detail,
            since_ms,
            connected_at_ms,
            holds_stream,
        }
    }
}

fn last_answer(
    answer: i32,
    revision: u64,
    reason: String,
    detail: String,
) -> Result<LastAnswer, ProtoError> {
    match Answer::try_from(answer) {
        Ok(Answer::Pending) => Ok(LastAnswer::Pending),
        Ok(Answer::Ack) => Ok(LastAnswer::Ack { revision }),
        Ok(Answer::Nack) => Ok(LastAnswer::Nack {
            revision,
            reason: field::text("vms.reason", reason, REASON_LEN_MAX)?,
            detail: field::text("vms.detail", detail, DETAIL_LEN_MAX)?,
        }),
        Ok(Answer::Unspecified) | Err(_) => Err(ProtoError::UnknownValue {
            field: "vms.answer",
            value: answer,
        }),
    }
}

/// The four fields that [`last_answer`] reads.
fn answer_fields(answer: LastAnswer) -> (Answer, u64, String, String) {
    match answer {
        LastAnswer::Pending => (Answer::Pending, 0, String::new(), String::new()),
        LastAnswer::Ack { revision } => (Answer::Ack, revision, String::new(), String::new()),
        LastAnswer::Nack {
            revision,
            reason,
            detail,
        } => (Answer::Nack, revision, reason, detail),
    }
}
