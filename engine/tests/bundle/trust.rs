//! Whose signatures count, and what exactly is signed.

use ed25519_dalek::Signer as _;
use riskgate_engine::bundle::{Bundle, BundleError, Signature};
use riskgate_engine::trust::{KeyError, PAYLOAD_TYPE, TrustedKeys, key_id, signing_payload};

use crate::fixture::{
    EXPIRES_AT_S, admission, build, bundle, key, load, manifest, payload_of, public_key, sections,
    sign, trust,
};

/// What a filter says to the fixture's bundle, signed by `signers`.
fn verdict(signers: &[u8], trusted: &[u8], threshold: u32) -> &'static str {
    verdict_on(&build(manifest(), sections(), signers), trusted, threshold)
}

fn verdict_on(file: &[u8], trusted: &[u8], threshold: u32) -> &'static str {
    match admission(&trust(trusted, threshold)).admit(file) {
        Ok(_) => "ok",
        Err(refusal) => refusal.code(),
    }
}

/// The fixture's bundle with these signatures and no others.
fn with(signatures: Vec<Signature>) -> Vec<u8> {
    let file = bundle();
    Bundle::parse(&file)
        .unwrap()
        .with_signatures(signatures)
        .unwrap()
}

/// After a rotation, what serves is judged by the new keys, from what was kept of its file.
#[test]
fn a_loaded_ruleset_is_judged_like_its_file() {
    let file = build(manifest(), sections(), &[1, 2]);
    let ruleset = load(&file).unwrap();
    let cases: [(&[u8], u32); 6] = [
        (&[1], 1),
        (&[2], 1),
        (&[1, 2], 2),
        (&[3], 1),
        (&[1, 3], 2),
        (&[2, 3], 1),
    ];
    for (trusted, threshold) in cases {
        let judged = ruleset.check_trust(&trust(trusted, threshold));
        let code = judged
            .as_ref()
            .map_or_else(|refusal| refusal.code(), |()| "ok");
        assert_eq!(
            code,
            verdict_on(&file, trusted, threshold),
            "{trusted:?} {threshold}"
        );
    }
    assert!(ruleset.check_trust(&trust(&[2], 1)).is_ok());
    assert!(ruleset.check_trust(&trust(&[3], 1)).is_err());
}

#[test]
fn the_threshold_counts_distinct_trusted_keys() {
    let cases: [(&[u8], &[u8], u32, &str); 11] = [
        (&[1], &[1], 1, "ok"),
        (&[1], &[2], 1, "untrusted"),
        (&[], &[1], 1, "untrusted"),
        (&[1], &[1, 2], 1, "ok"),
        (&[1], &[1, 2], 2, "untrusted"),
        (&[1, 2], &[1, 2], 2, "ok"),
        (&[2, 1], &[1, 2], 2, "ok"),
        (&[1, 3], &[1, 2], 2, "untrusted"),
        (&[1, 2, 3], &[1, 3], 2, "ok"),
        (&[3, 4, 5], &[1, 2], 1, "untrusted"),
        (
            &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
            &[7, 16],
            2,
            "ok",
        ),
    ];
    for (signers, trusted, threshold, expected) in cases {
        let found = verdict(signers, trusted, threshold);
        assert_eq!(
            found, expected,
            "signed by {signers:?}, {threshold} of {trusted:?}"
        );
    }
}

#[test]
fn one_key_cannot_sign_twice() {
    let file = bundle();
    let payload = payload_of(&file);
    let twice = vec![sign(1, &payload), sign(1, &payload)];
    let refused = Bundle::parse(&file).unwrap().with_signatures(twice);
    assert_eq!(refused.unwrap_err(), BundleError::UnorderedSignatures);
}

#[test]
fn a_17th_signature_is_refused() {
    let file = bundle();
    let payload = payload_of(&file);
    let signatures = (1..=17).map(|seed| sign(seed, &payload)).collect();
    let refused = Bundle::parse(&file).unwrap().with_signatures(signatures);
    assert_eq!(
        refused.unwrap_err(),
        BundleError::OverLimit { what: "signatures" }
    );
}

#[test]
fn signatures_of_unknown_keys_are_ignored_and_bad_ones_of_trusted_keys_refuse() {
    let payload = payload_of(&bundle());
    let bad = |seed: u8| Signature {
        bytes: sign(seed, b"something else").bytes,
        ..sign(seed, &payload)
    };
    let cases: [(Vec<Signature>, &[u8], &str); 5] = [
        (vec![sign(1, &payload), bad(2)], &[1], "ok"),
        (vec![sign(1, &payload), bad(2)], &[1, 2], "bad-signature"),
        (vec![bad(1)], &[1], "bad-signature"),
        (vec![bad(1)], &[2], "untrusted"),
        // The name of one key over the signature of another.
        (
            vec![Signature {
                bytes: sign(1, &payload).bytes,
                ..sign(2, &payload)
            }],
            &[1, 2],
            "bad-signature",
        ),
    ];
    for (signatures, trusted, expected) in cases {
        assert_eq!(verdict_on(&with(signatures), trusted, 1), expected);
    }
}

#[test]
fn stripped_signatures_are_refused() {
    let signed = build(manifest(), sections(), &[1, 2]);
    let stripped = with(Vec::new());
    assert_eq!(verdict_on(&signed, &[1, 2], 2), "ok");
    assert_eq!(verdict_on(&stripped, &[1, 2], 1), "untrusted");
    let one_left = with(vec![sign(1, &payload_of(&signed))]);
    assert_eq!(verdict_on(&one_left, &[1, 2], 2), "untrusted");
}

#[test]
fn a_signature_counts_for_its_payload_type_and_manifest_only() {
    let file = bundle();
    let bundle = Bundle::parse(&file).unwrap();
    let raw = bundle.manifest_bytes();
    let other_type = [
        b"DSSEv1 10 text/plain ".as_slice(),
        raw.len().to_string().as_bytes(),
        b" ",
        raw,
    ]
    .concat();
    let mut other_manifest = manifest();
    other_manifest.expires_at_s = EXPIRES_AT_S + 1;
    let other_file = build(other_manifest, sections(), &[1]);
    let payloads = [
        raw.to_vec(),
        other_type,
        payload_of(&other_file),
        file.clone(),
        Vec::new(),
    ];
    for payload in payloads {
        assert_eq!(
            verdict_on(&with(vec![sign(1, &payload)]), &[1], 1),
            "bad-signature"
        );
    }
    assert_eq!(
        verdict_on(&with(vec![sign(1, &signing_payload(raw))]), &[1], 1),
        "ok"
    );
}

#[test]
fn what_is_signed_is_the_pre_authentication_encoding() {
    let expected = format!("DSSEv1 {} {PAYLOAD_TYPE} 3 \u{1}ab", PAYLOAD_TYPE.len());
    assert_eq!(PAYLOAD_TYPE, "application/vnd.riskgate.manifest.v1");
    assert_eq!(signing_payload(b"\x01ab"), expected.as_bytes());
}

#[test]
fn resigning_keeps_the_digest() {
    let file = bundle();
    let other = with(vec![sign(9, &payload_of(&file))]);
    assert_ne!(file, other);
    assert_eq!(
        Bundle::parse(&file).unwrap().digest(),
        Bundle::parse(&other).unwrap().digest()
    );
}

#[test]
fn a_key_is_rotated_without_a_gap() {
    let old_only = bundle();
    let both = build(manifest(), sections(), &[1, 2]);
    let new_only = build(manifest(), sections(), &[2]);
    // Old key, both keys, new key: each file is taken by the neighbouring configurations.
    assert_eq!(verdict_on(&old_only, &[1, 2], 1), "ok");
    assert_eq!(verdict_on(&both, &[1], 1), "ok");
    assert_eq!(verdict_on(&both, &[2], 1), "ok");
    assert_eq!(verdict_on(&new_only, &[1, 2], 1), "ok");
    assert_eq!(verdict_on(&old_only, &[2], 1), "untrusted");
}

#[test]
fn a_weak_key_signs_for_nobody() {
    // The neutral element: every message has a signature that a lax verifier takes.
    let mut weak = [0; 32];
    weak[0] = 1;
    assert_eq!(
        TrustedKeys::new(&[weak], 1).unwrap_err(),
        KeyError::Weak { index: 0 }
    );
    assert_eq!(
        TrustedKeys::new(&[public_key(1), weak], 1).unwrap_err(),
        KeyError::Weak { index: 1 }
    );
}

#[test]
fn sets_of_keys_that_no_bundle_or_every_bundle_would_meet_are_errors() {
    let (a, b) = (public_key(1), public_key(2));
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    let cases: [(&[[u8; 32]], u32, KeyError); 7] = [
        (&[], 0, KeyError::Empty),
        (&[], 1, KeyError::Empty),
        (&[a, b, a], 1, KeyError::Duplicate { index: 2 }),
        (&[a, off_curve], 1, KeyError::NotAKey { index: 1 }),
        (
            &[a],
            0,
            KeyError::Threshold {
                threshold: 0,
                keys: 1,
            },
        ),
        (
            &[a, b],
            3,
            KeyError::Threshold {
                threshold: 3,
                keys: 2,
            },
        ),
        (
            &[a],
            u32::MAX,
            KeyError::Threshold {
                threshold: u32::MAX,
                keys: 1,
            },
        ),
    ];
    for (keys, threshold, expected) in cases {
        assert_eq!(TrustedKeys::new(keys, threshold).unwrap_err(), expected);
    }
}

#[test]
fn a_key_is_named_by_the_hash_of_its_raw_bytes() {
    // SHA-256 of 32 zero bytes.
    let hash = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
    let id: String = key_id(&[0; 32])
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(id, hash);
    // A signature names its key so, and the signing key itself is the one expected here.
    let signature = sign(1, b"x");
    assert_eq!(signature.key_id, key_id(&key(1).verifying_key().to_bytes()));
    assert_eq!(signature.bytes, key(1).sign(b"x").to_bytes());
}
