//! Signatures that are good, but not for this.

use riskgate_engine::admission::CLOCK_SKEW_S;
use riskgate_engine::bundle::Signature;
use riskgate_engine::trust::{key_id, signing_payload};

use crate::attack::{Attack, ONE_KEY, TWO_KEYS, attack, serving, try_all};
use crate::forge::{Parts, SERVES, Spec, TTL_S, key, next, not_reduced, now_s, raw, sign};

/// The next revision with these signatures, good or not.
fn with(signatures: &[Signature]) -> Parts {
    let mut parts = next().parts();
    parts.signatures = signatures.iter().map(raw).collect();
    parts.signatures.sort();
    parts
}

pub(crate) fn over_something_else() -> Vec<Attack> {
    let manifest = next().parts().manifest;
    let of = |name, payload: &[u8]| attack(name, with(&[sign(1, payload)]).file(), "bad-signature");
    let encoded = |payload_type: &str, manifest: &[u8]| {
        let header = format!(
            "DSSEv1 {} {payload_type} {} ",
            payload_type.len(),
            manifest.len()
        );
        [header.as_bytes(), manifest].concat()
    };
    let other_type = "application/vnd.in-toto+json";
    let next_version = "application/vnd.riskgate.manifest.v2";
    vec![
        of("a signature over the bare manifest", &manifest),
        of("a signature over the whole file", &next().file()),
        of(
            "a signature over another payload type",
            &encoded(other_type, &manifest),
        ),
        of(
            "a signature over a later payload type",
            &encoded(next_version, &manifest),
        ),
    ]
}

pub(crate) fn by_somebody_else() -> Vec<Attack> {
    let payload = signing_payload(&next().parts().manifest);
    let good = sign(1, &payload);
    let named = |number: u8, bytes: [u8; 64]| Signature {
        key_id: key_id(&key(number).verifying_key().to_bytes()),
        bytes,
    };
    let of = |name, signature: Signature, answer| attack(name, with(&[signature]).file(), answer);
    vec![
        of(
            "a signature by a key that is not trusted",
            sign(3, &payload),
            "untrusted",
        ),
        of(
            "a trusted key's id over another key's signature",
            named(1, sign(3, &payload).bytes),
            "bad-signature",
        ),
        of(
            "another key's id over a trusted key's signature",
            named(3, good.bytes),
            "untrusted",
        ),
        of(
            "a signature whose S is not reduced",
            not_reduced(&good),
            "bad-signature",
        ),
        of("a signature of zeros", named(1, [0; 64]), "bad-signature"),
    ]
}

/// One key that would like to be two.
pub(crate) fn for_two() -> Vec<Attack> {
    let payload = signing_payload(&next().parts().manifest);
    let good = sign(1, &payload);
    let other_id = |bytes| Signature {
        key_id: key_id(&key(2).verifying_key().to_bytes()),
        bytes,
    };
    let invented = Signature {
        key_id: [0xee; 32],
        ..good
    };
    vec![
        attack(
            "one signature stands twice",
            with(&[good, good]).file(),
            "malformed",
        ),
        attack(
            "one key signs in two ways",
            with(&[good, not_reduced(&good)]).file(),
            "malformed",
        ),
        attack(
            "one signature stands again under an invented id",
            with(&[good, invented]).file(),
            "untrusted",
        ),
        attack(
            "one signature stands again under the other key's id",
            with(&[good, other_id(good.bytes)]).file(),
            "bad-signature",
        ),
        attack(
            "a good signature beside a bad one of a trusted key",
            with(&[good, other_id([9; 64])]).file(),
            "bad-signature",
        ),
    ]
}

/// Signed for somebody else: the pusher keeps each ruleset and audience apart.
pub(crate) fn for_somebody_else() -> Vec<Attack> {
    let elsewhere = |name, spec: Spec<'_>, answer| Attack {
        pusher: None,
        ..attack(name, spec.file(), answer)
    };
    let ruleset = Spec {
        ruleset: "bank",
        ..next()
    };
    let audience = Spec {
        audience: Some("canary"),
        ..next()
    };
    vec![
        elsewhere("a bundle for another ruleset", ruleset, "wrong-ruleset"),
        elsewhere("a bundle for an audience", audience, "wrong-audience"),
    ]
}

/// Once good, or good one day. `rulec verify` does not know what serves.
pub(crate) fn at_another_time() -> Vec<Attack> {
    let of = |name, spec: Spec<'_>, answer| attack(name, spec.file(), answer);
    let older = Spec {
        revision: SERVES - 1,
        ..next()
    };
    let conflicting = Spec {
        revision: SERVES,
        ..next()
    };
    let expired = Spec {
        issued_at_s: now_s() - TTL_S,
        ..next()
    };
    let early = Spec {
        issued_at_s: now_s() + CLOCK_SKEW_S + 600,
        ..next()
    };
    let to_one_that_serves = |attack| Attack {
        verify: None,
        refused_as_first: false,
        ..attack
    };
    vec![
        to_one_that_serves(of("an older revision", older, "older-revision")),
        to_one_that_serves(of(
            "the revision that serves, with other contents",
            conflicting,
            "revision-conflict",
        )),
        Attack {
            // As the first bundle it is served as its `on_expired` says.
            refused_as_first: false,
            ..of("an expired bundle", expired, "expired")
        },
        of(
            "a bundle that was issued ahead of time",
            early,
            "issued-in-future",
        ),
    ]
}

#[test]
fn confusion_of_what_is_signed() {
    try_all(ONE_KEY, &over_something_else());
}

#[test]
fn confusion_of_keys() {
    try_all(ONE_KEY, &by_somebody_else());
    try_all(TWO_KEYS, &for_two());
}

#[test]
fn confusion_of_addressees() {
    try_all(ONE_KEY, &for_somebody_else());
}

#[test]
fn downgrade() {
    try_all(ONE_KEY, &at_another_time());
}

/// The same bytes that serve are no attack, and take nothing away.
#[test]
fn what_serves_already_may_come_again() {
    let mut filter = crate::filter::Filter::serving(ONE_KEY, &serving(ONE_KEY).file());
    filter.reconfigure(ONE_KEY, &serving(ONE_KEY).file());
    assert_eq!(filter.refusals(), [""; 0]);
    filter.assert_decides("/old", SERVES);
}
