//! The part of `rule-pusher status` about Envoys that fetch configurations.

use riskgate_push_protocol::{Delivery, DeliveryAnswer};
use serde::Serialize;

use crate::{
    status::{short, since},
    table::table,
};

/// A table behind an empty line, or nothing.
pub(crate) fn human(deliveries: &[Delivery], now_ms: u64) -> String {
    if deliveries.is_empty() {
        return String::new();
    }
    let header = [
        "NODE", "RESOURCE", "RULESET", "REVISION", "DIGEST", "CONFIG", "DETAIL", "SINCE",
    ];
    let rows: Vec<_> = deliveries
        .iter()
        .map(|delivery| row(delivery, now_ms))
        .collect();
    format!("\n{}", table(header, &rows))
}

fn row(delivery: &Delivery, now_ms: u64) -> [String; 8] {
    let (answer, detail) = words(&delivery.answer);
    let ruleset = match &delivery.audience {
        Some(audience) => format!("{}/{audience}", delivery.ruleset),
        None => delivery.ruleset.clone(),
    };
    let sent = delivery.sent;
    [
        delivery.node.clone(),
        delivery.resource.clone(),
        ruleset,
        sent.map(|sent| sent.revision.to_string())
            .unwrap_or_default(),
        sent.map(|sent| short(&sent.digest)).unwrap_or_default(),
        answer.to_owned(),
        detail.unwrap_or_default().to_owned(),
        since(delivery.since_ms, now_ms),
    ]
}

fn words(answer: &DeliveryAnswer) -> (&'static str, Option<&str>) {
    match answer {
        DeliveryAnswer::Pending => ("pending", None),
        DeliveryAnswer::Delivered => ("delivered", None),
        DeliveryAnswer::Rejected { detail } => ("rejected", Some(detail)),
    }
}

/// docs/push-protocol.md describes the shape.
#[derive(Serialize)]
pub(crate) struct DeliveryShape<'a> {
    node: &'a str,
    resource: &'a str,
    ruleset: &'a str,
    audience: Option<&'a str>,
    revision: Option<u64>,
    digest: Option<String>,
    answer: &'static str,
    detail: Option<&'a str>,
    since_ms: u64,
    connected_at_ms: u64,
}

impl<'a> DeliveryShape<'a> {
    pub(crate) fn new(delivery: &'a Delivery) -> Self {
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
        let (answer, detail) = words(answer);
        Self {
            node,
            resource,
            ruleset,
            audience: audience.as_deref(),
            revision: sent.map(|sent| sent.revision),
            digest: sent.map(|sent| sent.digest.to_string()),
            answer,
            detail,
            since_ms: *since_ms,
            connected_at_ms: *connected_at_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use riskgate_push_protocol::{BundleId, Digest};

    use super::*;

    const NOW_MS: u64 = 1_795_000_000_500;

    fn delivery(node: &str, sent: Option<u64>, answer: DeliveryAnswer) -> Delivery {
        let bundle = |revision| BundleId {
            revision,
            digest: Digest([0xab; 32]),
        };
        Delivery {
            node: node.to_owned(),
            resource: "riskgate".to_owned(),
            ruleset: "storefront".to_owned(),
            audience: sent.is_none().then(|| "eu-prod".to_owned()),
            sent: sent.map(bundle),
            answer,
            since_ms: NOW_MS - 95_000,
            connected_at_ms: NOW_MS - 7_200_000,
        }
    }

    fn deliveries() -> Vec<Delivery> {
        let detail = "Unable to create Wasm plugin".to_owned();
        vec![
            delivery("edge-1", Some(7), DeliveryAnswer::Delivered),
            delivery("edge-2", Some(7), DeliveryAnswer::Rejected { detail }),
            delivery("edge-3", None, DeliveryAnswer::Pending),
        ]
    }

    #[test]
    fn for_people() {
        assert_eq!(human(&[], NOW_MS), "");
        assert_snapshot!(human(&deliveries(), NOW_MS).trim_start(), @r#"
        NODE    RESOURCE  RULESET             REVISION  DIGEST    CONFIG     DETAIL                        SINCE
        edge-1  riskgate  storefront          7         abababab  delivered  -                             2026-11-18T11:05:05Z (1 min)
        edge-2  riskgate  storefront          7         abababab  rejected   Unable to create Wasm plugin  2026-11-18T11:05:05Z (1 min)
        edge-3  riskgate  storefront/eu-prod  -         -         pending    -                             2026-11-18T11:05:05Z (1 min)
        "#);
    }

    #[test]
    fn for_programs() {
        let deliveries = deliveries();
        let rejected = DeliveryShape::new(&deliveries[1]);
        assert_snapshot!(serde_json::to_string_pretty(&rejected).unwrap(), @r#"
        {
          "node": "edge-2",
          "resource": "riskgate",
          "ruleset": "storefront",
          "audience": null,
          "revision": 7,
          "digest": "abababababababababababababababababababababababababababababababab",
          "answer": "rejected",
          "detail": "Unable to create Wasm plugin",
          "since_ms": 1794999905500,
          "connected_at_ms": 1794992800500
        }
        "#);
        let pending = serde_json::to_value(DeliveryShape::new(&deliveries[2])).unwrap();
        assert_eq!(pending["revision"], serde_json::Value::Null);
        assert_eq!(pending["answer"], "pending");
    }
}
