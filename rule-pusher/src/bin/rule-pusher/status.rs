//! `rule-pusher status`.

use std::{
    cmp::Ordering,
    io::{self, Write},
};

use jiff::Timestamp;
use riskgate_push_protocol::{LastAnswer, PublishedRuleset, Status, VmStatus};
use riskgate_pusher::client::AdminClient;
use serde::Serialize;

use crate::{
    args::{AdminArgs, Format, StatusArgs},
    deliveries::{self, DeliveryShape},
    exit::Failure,
    table::table,
};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(args: &StatusArgs) -> Result<(), Failure> {
    let StatusArgs {
        admin: AdminArgs { to, wait },
        ruleset,
        format,
    } = args;
    let status = AdminClient::connect_within(to, *wait)
        .await?
        .status(ruleset.as_deref())
        .await?;
    let text = match format {
        Format::Human => human(&status),
        Format::Json => json(&status) + "\n",
    };
    write!(io::stdout(), "{text}").map_err(Failure::Output)
}

fn human(status: &Status) -> String {
    let deliveries = deliveries::human(&status.deliveries, status.now_ms);
    if status.rulesets.is_empty() && status.vms.is_empty() && deliveries.is_empty() {
        return "nothing is published, and no VM is connected\n".to_owned();
    }
    format!(
        "{}{}\n{}{deliveries}{}",
        rulesets_table(status),
        rollbacks(&status.rulesets),
        vms_table(status),
        left_out(status.left_out)
    )
}

fn left_out(count: u32) -> String {
    match count {
        0 => String::new(),
        count => {
            format!("\n{count} more VMs or Envoys are not listed; `--ruleset` narrows it down\n")
        }
    }
}

/// A line for each ruleset whose newest bundle brings old rules back.
fn rollbacks(rulesets: &[PublishedRuleset]) -> String {
    let line = |published: &PublishedRuleset| {
        let restores = published.restores?;
        let (name, revision) = (&published.ruleset, published.bundle.revision);
        let short = short(&restores);
        Some(format!(
            "`{name}` revision {revision} is a rollback: it restores {short}\n"
        ))
    };
    rulesets.iter().filter_map(line).collect()
}

fn rulesets_table(
    Status {
        rulesets, now_ms, ..
    }: &Status,
) -> String {
    if rulesets.is_empty() {
        return "nothing is published\n".to_owned();
    }
    let rows: Vec<_> = rulesets
        .iter()
        .map(|ruleset| ruleset_row(ruleset, *now_ms))
        .collect();
    table(
        [
            "RULESET",
            "AUDIENCE",
            "REVISION",
            "DIGEST",
            "PUBLISHED",
            "EXPIRES",
        ],
        &rows,
    )
}

fn vms_table(status: &Status) -> String {
    if status.vms.is_empty() {
        return "no VM is connected\n".to_owned();
    }
    let rows: Vec<_> = status.vms.iter().map(|vm| vm_row(vm, status)).collect();
    let header = [
        "NODE", "INSTANCE", "VM", "STREAM", "RULESET", "SERVES", "REVISION", "DIGEST", "HOLDS",
        "ANSWER", "REASON", "SINCE",
    ];
    table(header, &rows)
}

fn ruleset_row(published: &PublishedRuleset, now_ms: u64) -> [String; 6] {
    let expires_ms = published.expires_at_s.saturating_mul(1000);
    let expired = if expires_ms <= now_ms {
        " (expired)"
    } else {
        ""
    };
    [
        published.ruleset.clone(),
        published.audience.clone().unwrap_or_default(),
        published.bundle.revision.to_string(),
        short(&published.bundle.digest),
        since(published.published_at_ms, now_ms),
        format!("{}{expired}", rfc3339(expires_ms)),
    ]
}

fn vm_row(vm: &VmStatus, status: &Status) -> [String; 12] {
    let (answer, reason) = match &vm.answer {
        LastAnswer::Pending => ("pending".to_owned(), String::new()),
        LastAnswer::Ack { revision } => (format!("ack {revision}"), String::new()),
        LastAnswer::Nack {
            revision, reason, ..
        } => (format!("nack {revision}"), reason.clone()),
    };
    let ruleset = match &vm.audience {
        Some(audience) => format!("{}/{audience}", vm.ruleset),
        None => vm.ruleset.clone(),
    };
    [
        vm.node.clone(),
        short(&vm.instance),
        short(&vm.vm),
        yes_or_no(vm.holds_stream),
        ruleset,
        yes_or_no(vm.serves_requests),
        vm.held
            .map(|held| held.revision.to_string())
            .unwrap_or_default(),
        vm.held.map(|held| short(&held.digest)).unwrap_or_default(),
        holds(vm, status).to_owned(),
        answer,
        reason,
        since(vm.since_ms, status.now_ms),
    ]
}

fn yes_or_no(answer: bool) -> String {
    if answer { "yes" } else { "no" }.to_owned()
}

/// How what serves in a VM compares with what is published for it: an ACK alone may be one of another bundle.
fn holds(vm: &VmStatus, status: &Status) -> &'static str {
    let of_vm = |published: &&PublishedRuleset| {
        published.ruleset == vm.ruleset && published.audience == vm.audience
    };
    let Some(held) = vm.held else {
        return "nothing";
    };
    let Some(published) = status.rulesets.iter().find(of_vm) else {
        return "unpublished";
    };
    match held.revision.cmp(&published.bundle.revision) {
        Ordering::Less => "older",
        Ordering::Greater => "newer",
        Ordering::Equal if held.digest == published.bundle.digest => "published",
        Ordering::Equal => "conflicting",
    }
}

/// Enough of an id to tell it from others; `--format json` has all of it.
pub(crate) fn short(id: &impl ToString) -> String {
    id.to_string().chars().take(8).collect()
}

pub(crate) fn since(at_ms: u64, now_ms: u64) -> String {
    format!(
        "{} ({})",
        rfc3339(at_ms),
        age(now_ms.saturating_sub(at_ms) / 1000)
    )
}

fn rfc3339(at_ms: u64) -> String {
    let timestamp = i64::try_from(at_ms)
        .ok()
        .and_then(|at_ms| Timestamp::from_millisecond(at_ms).ok());
    timestamp.map_or_else(
        || format!("{at_ms} ms"),
        |timestamp| format!("{timestamp:.0}"),
    )
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// docs/push-protocol.md describes the shape.
#[derive(Serialize)]
struct StatusShape<'a> {
    now_ms: u64,
    rulesets: Vec<RulesetShape<'a>>,
    vms: Vec<VmShape<'a>>,
    deliveries: Vec<DeliveryShape<'a>>,
    left_out: u32,
}

#[derive(Serialize)]
struct RulesetShape<'a> {
    ruleset: &'a str,
    audience: Option<&'a str>,
    revision: u64,
    digest: String,
    published_at_ms: u64,
    expires_at_s: u64,
    restores: Option<String>,
}

#[derive(Serialize)]
struct VmShape<'a> {
    node: &'a str,
    instance: String,
    vm: String,
    serves_requests: bool,
    ruleset: &'a str,
    audience: Option<&'a str>,
    held_revision: Option<u64>,
    held_digest: Option<String>,
    holds: &'static str,
    answer: &'static str,
    answered_revision: Option<u64>,
    reason: Option<&'a str>,
    detail: Option<&'a str>,
    since_ms: u64,
    connected_at_ms: u64,
    holds_stream: bool,
}

fn json(status: &Status) -> String {
    let Status {
        rulesets,
        vms,
        now_ms,
        deliveries,
        left_out,
    } = status;
    let shape = StatusShape {
        now_ms: *now_ms,
        rulesets: rulesets.iter().map(ruleset_shape).collect(),
        vms: vms.iter().map(|vm| vm_shape(vm, status)).collect(),
        deliveries: deliveries.iter().map(DeliveryShape::new).collect(),
        left_out: *left_out,
    };
    serde_json::to_string_pretty(&shape).unwrap_or_default()
}

fn ruleset_shape(published: &PublishedRuleset) -> RulesetShape<'_> {
    let PublishedRuleset {
        ruleset,
        audience,
        bundle,
        published_at_ms,
        expires_at_s,
        restores,
    } = published;
    RulesetShape {
        ruleset,
        audience: audience.as_deref(),
        revision: bundle.revision,
        digest: bundle.digest.to_string(),
        published_at_ms: *published_at_ms,
        expires_at_s: *expires_at_s,
        restores: restores.map(|digest| digest.to_string()),
    }
}

fn vm_shape<'a>(vm_status: &'a VmStatus, status: &Status) -> VmShape<'a> {
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
    } = vm_status;
    let (answer, answered_revision, reason, detail) = match answer {
        LastAnswer::Pending => ("pending", None, None, None),
        LastAnswer::Ack { revision } => ("ack", Some(*revision), None, None),
        LastAnswer::Nack {
            revision,
            reason,
            detail,
        } => (
            "nack",
            Some(*revision),
            Some(reason.as_str()),
            Some(detail.as_str()),
        ),
    };
    VmShape {
        node,
        instance: instance.to_string(),
        vm: vm.to_string(),
        serves_requests: *serves_requests,
        ruleset,
        audience: audience.as_deref(),
        held_revision: held.map(|held| held.revision),
        held_digest: held.map(|held| held.digest.to_string()),
        holds: holds(vm_status, status),
        answer,
        answered_revision,
        reason,
        detail,
        since_ms: *since_ms,
        connected_at_ms: *connected_at_ms,
        holds_stream: *holds_stream,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use riskgate_push_protocol::{BundleId, Digest, InstanceId, VmId};

    use super::*;

    const NOW_MS: u64 = 1_795_000_000_500;

    fn held(revision: u64) -> BundleId {
        BundleId {
            revision,
            digest: Digest([0xab; 32]),
        }
    }

    fn vm(number: u8, answer: LastAnswer) -> VmStatus {
        VmStatus {
            node: "sidecar-1".to_owned(),
            instance: InstanceId([0x11; 16]),
            vm: VmId([number; 16]),
            serves_requests: number != 1,
            ruleset: "storefront".to_owned(),
            audience: (number == 3).then(|| "eu-prod".to_owned()),
            held: (number != 3).then(|| held(6)),
            answer,
            since_ms: NOW_MS - 95_000,
            connected_at_ms: NOW_MS - 7_200_000,
            holds_stream: number == 2,
        }
    }

    fn status() -> Status {
        let nack = LastAnswer::Nack {
            revision: 7,
            reason: "expired".to_owned(),
            detail: "expired 9 s ago; build it again".to_owned(),
        };
        Status {
            rulesets: vec![PublishedRuleset {
                ruleset: "storefront".to_owned(),
                audience: None,
                bundle: held(7),
                published_at_ms: NOW_MS - 200_000_000,
                expires_at_s: NOW_MS / 1000 - 9,
                restores: Some(Digest([0xef; 32])),
            }],
            vms: vec![
                vm(1, LastAnswer::Ack { revision: 6 }),
                vm(2, nack),
                vm(3, LastAnswer::Pending),
            ],
            now_ms: NOW_MS,
            deliveries: Vec::new(),
            left_out: 0,
        }
    }

    #[test]
    fn for_people() {
        assert_snapshot!(human(&status()), @r#"
        RULESET     AUDIENCE  REVISION  DIGEST    PUBLISHED                   EXPIRES
        storefront  -         7         abababab  2026-11-16T03:33:20Z (2 d)  2026-11-18T11:06:31Z (expired)
        `storefront` revision 7 is a rollback: it restores efefefef

        NODE       INSTANCE  VM        STREAM  RULESET             SERVES  REVISION  DIGEST    HOLDS    ANSWER   REASON   SINCE
        sidecar-1  11111111  01010101  no      storefront          no      6         abababab  older    ack 6    -        2026-11-18T11:05:05Z (1 min)
        sidecar-1  11111111  02020202  yes     storefront          yes     6         abababab  older    nack 7   expired  2026-11-18T11:05:05Z (1 min)
        sidecar-1  11111111  03030303  no      storefront/eu-prod  yes     -         -         nothing  pending  -        2026-11-18T11:05:05Z (1 min)
        "#);
        assert_snapshot!(human(&Status { vms: Vec::new(), ..status() }), @r#"
        RULESET     AUDIENCE  REVISION  DIGEST    PUBLISHED                   EXPIRES
        storefront  -         7         abababab  2026-11-16T03:33:20Z (2 d)  2026-11-18T11:06:31Z (expired)
        `storefront` revision 7 is a rollback: it restores efefefef

        no VM is connected
        "#);
        assert_snapshot!(human(&Status::default()), @"nothing is published, and no VM is connected");
        let cut = Status {
            left_out: 12,
            ..status()
        };
        assert!(
            human(&cut).ends_with(
                "\n\n12 more VMs or Envoys are not listed; `--ruleset` narrows it down\n"
            )
        );
    }

    #[test]
    fn what_a_vm_holds_is_compared_with_what_is_published() {
        let other = BundleId {
            revision: 7,
            digest: Digest([0xcd; 32]),
        };
        let cases = [
            (held(6), "older"),
            (held(7), "published"),
            (other, "conflicting"),
            (held(8), "newer"),
        ];
        for (bundle, expected) in cases {
            let revision = bundle.revision;
            let vm = VmStatus {
                held: Some(bundle),
                ..vm(1, LastAnswer::Ack { revision })
            };
            assert_eq!(holds(&vm, &status()), expected, "{bundle}");
            assert_eq!(holds(&vm, &Status::default()), "unpublished");
        }
        assert_eq!(holds(&vm(3, LastAnswer::Pending), &status()), "nothing");
    }

    #[test]
    fn for_programs() {
        assert_snapshot!(json(&status()), @r#"
        {
          "now_ms": 1795000000500,
          "rulesets": [
            {
              "ruleset": "storefront",
              "audience": null,
              "revision": 7,
              "digest": "abababababababababababababababababababababababababababababababab",
              "published_at_ms": 1794800000500,
              "expires_at_s": 1794999991,
              "restores": "efefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefef"
            }
          ],
          "vms": [
            {
              "node": "sidecar-1",
              "instance": "11111111111111111111111111111111",
              "vm": "01010101010101010101010101010101",
              "serves_requests": false,
              "ruleset": "storefront",
              "audience": null,
              "held_revision": 6,
              "held_digest": "abababababababababababababababababababababababababababababababab",
              "holds": "older",
              "answer": "ack",
              "answered_revision": 6,
              "reason": null,
              "detail": null,
              "since_ms": 1794999905500,
              "connected_at_ms": 1794992800500,
              "holds_stream": false
            },
            {
              "node": "sidecar-1",
              "instance": "11111111111111111111111111111111",
              "vm": "02020202020202020202020202020202",
              "serves_requests": true,
              "ruleset": "storefront",
              "audience": null,
              "held_revision": 6,
              "held_digest": "abababababababababababababababababababababababababababababababab",
              "holds": "older",
              "answer": "nack",
              "answered_revision": 7,
              "reason": "expired",
              "detail": "expired 9 s ago; build it again",
              "since_ms": 1794999905500,
              "connected_at_ms": 1794992800500,
              "holds_stream": true
            },
            {
              "node": "sidecar-1",
              "instance": "11111111111111111111111111111111",
              "vm": "03030303030303030303030303030303",
              "serves_requests": true,
              "ruleset": "storefront",
              "audience": "eu-prod",
              "held_revision": null,
              "held_digest": null,
              "holds": "nothing",
              "answer": "pending",
              "answered_revision": null,
              "reason": null,
              "detail": null,
              "since_ms": 1794999905500,
              "connected_at_ms": 1794992800500,
              "holds_stream": false
            }
          ],
          "deliveries": [],
          "left_out": 0
        }
        "#);
    }
}
