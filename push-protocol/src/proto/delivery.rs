//! Conversions of what became of configurations that Envoys fetch.

use super::{Answer, ProtoError, field};
use crate::{
    Delivery, DeliveryAnswer,
    limits::{DETAIL_LEN_MAX, NODE_LEN_MAX, RESOURCE_NAME_LEN_MAX},
};

impl TryFrom<super::Delivery> for Delivery {
    type Error = ProtoError;

    fn try_from(wire: super::Delivery) -> Result<Self, ProtoError> {
        let super::Delivery {
            node,
            resource,
            ruleset,
            audience,
            revision,
            digest,
            answer,
            detail,
            since_ms,
            connected_at_ms,
        } = wire;
        field::not_empty("deliveries.resource", resource.len())?;
        Ok(Self {
            node: field::text("deliveries.node", node, NODE_LEN_MAX)?,
            resource: field::text("deliveries.resource", resource, RESOURCE_NAME_LEN_MAX)?,
            ruleset: field::name("deliveries.ruleset", ruleset)?,
            audience: field::optional_name("deliveries.audience", audience)?,
            sent: field::held("deliveries.digest", revision, &digest)?,
            answer: read_answer(answer, detail)?,
            since_ms,
            connected_at_ms,
        })
    }
}

impl From<Delivery> for super::Delivery {
    fn from(delivery: Delivery) -> Self {
        let Delivery {
            node,
            resource,
            ruleset,
            audience,
            sent,
            answer,
            since_ms,
            connected_at_ms,
        } = delivery;
        let (revision, digest) = field::held_fields(sent);
        let (answer, detail) = match answer {
            DeliveryAnswer::Pending => (Answer::Pending, String::new()),
            DeliveryAnswer::Delivered => (Answer::Ack, String::new()),
            DeliveryAnswer::Rejected { detail } => {
                (Answer::Nack, field::cut(detail, DETAIL_LEN_MAX))
            }
        };
        Self {
            node: field::cut(node, NODE_LEN_MAX),
            resource,
            ruleset,
            audience: audience.unwrap_or_default(),
            revision,
            digest,
            answer: answer.into(),
            detail,
            since_ms,
            connected_at_ms,
        }
    }
}

fn read_answer(answer: i32, detail: String) -> Result<DeliveryAnswer, ProtoError> {
    match Answer::try_from(answer) {
        Ok(Answer::Pending) => Ok(DeliveryAnswer::Pending),
        Ok(Answer::Ack) => Ok(DeliveryAnswer::Delivered),
        Ok(Answer::Nack) => Ok(DeliveryAnswer::Rejected {
            detail: field::text("deliveries.detail", detail, DETAIL_LEN_MAX)?,
        }),
        Ok(Answer::Unspecified) | Err(_) => Err(ProtoError::UnknownValue {
            field: "deliveries.answer",
            value: answer,
        }),
    }
}
