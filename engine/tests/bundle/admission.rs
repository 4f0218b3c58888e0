//! Which bundles a filter takes: name, audience, times and revisions.

use riskgate_engine::admission::{Admission, CLOCK_SKEW_S, Mark};
use riskgate_engine::bundle::{Bundle, Digest, ENGINE_VERSION, Manifest, SectionKind};

use crate::fixture::{
    EXPIRES_AT_S, ISSUED_AT_S, REVISION, SIGNER, admission, build, bundle, manifest, sections,
    sign, trust,
};

const NOW_S: u64 = ISSUED_AT_S + 10;

/// What a filter with these settings says to a file: `ok`, `expired but ok`, or the refusal's code.
fn answer(settings: Admission<'_>, file: &[u8]) -> &'static str {
    match settings.admit(file) {
        Ok(admitted) if admitted.is_expired() => "expired but ok",
        Ok(_) => "ok",
        Err(refusal) => refusal.code(),
    }
}

/// A mark that the fixture's bundle is newer than.
fn older_mark(issued_at_s: u64) -> Option<Mark> {
    Some(Mark {
        revision: REVISION - 1,
        digest: Digest([9; 32]),
        issued_at_s,
    })
}

/// The mark that a file leaves behind once it was accepted.
fn mark_of(file: &[u8]) -> Option<Mark> {
    let bundle = Bundle::parse(file).unwrap();
    Some(Mark {
        revision: bundle.manifest().revision,
        digest: bundle.digest(),
        issued_at_s: bundle.manifest().issued_at_s,
    })
}

#[test]
fn times() {
    type Case = (
        &'static str,
        Manifest<'static>,
        u64,
        Option<Mark>,
        &'static str,
    );
    let at_once = manifest();
    let later = Manifest {
        not_before_s: ISSUED_AT_S + 1_000,
        ..manifest()
    };
    let skew = CLOCK_SKEW_S;
    assert_eq!(skew, 300, "docs/bundle-format.md gives this figure");
    let cases: [Case; 20] = [
        ("at its issue", at_once, ISSUED_AT_S, None, "ok"),
        (
            "a clock behind by the skew",
            at_once,
            ISSUED_AT_S - skew,
            None,
            "ok",
        ),
        (
            "a clock behind by more",
            at_once,
            ISSUED_AT_S - skew - 1,
            None,
            "issued-in-future",
        ),
        (
            "a clock that was never set",
            at_once,
            0,
            None,
            "issued-in-future",
        ),
        (
            "a clock behind, but the mark knows better",
            at_once,
            0,
            older_mark(ISSUED_AT_S),
            "ok",
        ),
        (
            "a clock behind, and the mark near enough",
            at_once,
            0,
            older_mark(ISSUED_AT_S - skew),
            "ok",
        ),
        (
            "a clock behind, and the mark too old",
            at_once,
            0,
            older_mark(ISSUED_AT_S - skew - 1),
            "issued-in-future",
        ),
        (
            "a clock ahead of an old mark",
            at_once,
            NOW_S,
            older_mark(0),
            "ok",
        ),
        ("valid later, now", later, NOW_S, None, "not-yet-valid"),
        (
            "valid later, one second early",
            later,
            ISSUED_AT_S + 999,
            None,
            "not-yet-valid",
        ),
        ("valid later, then", later, ISSUED_AT_S + 1_000, None, "ok"),
        (
            "valid later, and the mark was issued then",
            later,
            0,
            older_mark(ISSUED_AT_S + 1_000),
            "ok",
        ),
        (
            "issued ahead and valid later",
            later,
            ISSUED_AT_S - skew,
            None,
            "not-yet-valid",
        ),
        ("the last second", at_once, EXPIRES_AT_S - 1, None, "ok"),
        (
            "expired, as the first",
            at_once,
            EXPIRES_AT_S,
            None,
            "expired but ok",
        ),
        (
            "expired, replacing another",
            at_once,
            EXPIRES_AT_S,
            older_mark(ISSUED_AT_S),
            "expired",
        ),
        (
            "expired by the mark's clock",
            at_once,
            NOW_S,
            older_mark(EXPIRES_AT_S),
            "expired",
        ),
        (
            "not expired by either clock",
            at_once,
            NOW_S,
            older_mark(EXPIRES_AT_S - 1),
            "ok",
        ),
        (
            "the end of time, as the first",
            at_once,
            u64::MAX,
            None,
            "expired but ok",
        ),
        (
            "the end of time, replacing another",
            at_once,
            u64::MAX,
            older_mark(0),
            "expired",
        ),
    ];
    let trust = trust(&[SIGNER], 1);
    for (name, manifest, now_s, mark, expected) in cases {
        let file = build(manifest, sections(), &[SIGNER]);
        let settings = Admission {
            now_s,
            mark,
            ..admission(&trust)
        };
        assert_eq!(answer(settings, &file), expected, "{name}");
    }
}

#[test]
fn revisions() {
    let file = bundle();
    let own = mark_of(&file);
    let marked = |revision, digest| {
        Some(Mark {
            revision,
            digest,
            issued_at_s: ISSUED_AT_S,
        })
    };
    let (own_digest, other_digest) = (own.unwrap().digest, Digest([9; 32]));
    let cases: [(&str, u64, Option<Mark>, u64, &str); 13] = [
        ("the first", 0, None, NOW_S, "ok"),
        ("newer", 0, marked(REVISION - 1, other_digest), NOW_S, "ok"),
        ("resumed", 0, own, NOW_S, "ok"),
        (
            "resumed after it expired",
            0,
            own,
            EXPIRES_AT_S,
            "expired but ok",
        ),
        (
            "same revision, other contents",
            0,
            marked(REVISION, other_digest),
            NOW_S,
            "revision-conflict",
        ),
        (
            "same revision, other contents, expired",
            0,
            marked(REVISION, other_digest),
            EXPIRES_AT_S,
            "revision-conflict",
        ),
        (
            "older",
            0,
            marked(REVISION + 1, other_digest),
            NOW_S,
            "older-revision",
        ),
        (
            "older, though the digest is the same",
            0,
            marked(REVISION + 1, own_digest),
            NOW_S,
            "older-revision",
        ),
        (
            "older than the last of all",
            0,
            marked(u64::MAX, other_digest),
            NOW_S,
            "older-revision",
        ),
        ("at the minimum", REVISION, None, NOW_S, "ok"),
        (
            "below the minimum",
            REVISION + 1,
            None,
            NOW_S,
            "below-min-revision",
        ),
        (
            "below the minimum, resumed",
            REVISION + 1,
            own,
            NOW_S,
            "below-min-revision",
        ),
        (
            "above the minimum, but older",
            1,
            marked(REVISION + 1, other_digest),
            NOW_S,
            "older-revision",
        ),
    ];
    let trust = trust(&[SIGNER], 1);
    for (name, min_revision, mark, now_s, expected) in cases {
        let settings = Admission {
            min_revision,
            mark,
            now_s,
            ..admission(&trust)
        };
        assert_eq!(answer(settings, &file), expected, "{name}");
    }
}

#[test]
fn addressees() {
    let trust = trust(&[SIGNER], 1);
    let cases: [(Option<&str>, &str, Option<&str>, &str); 7] = [
        (None, "storefront", None, "ok"),
        (None, "store", None, "wrong-ruleset"),
        (None, "storefront2", None, "wrong-ruleset"),
        (None, "storefront", Some("eu-prod"), "wrong-audience"),
        (Some("eu-prod"), "storefront", None, "wrong-audience"),
        (
            Some("eu-prod"),
            "storefront",
            Some("eu-test"),
            "wrong-audience",
        ),
        (Some("eu-prod"), "storefront", Some("eu-prod"), "ok"),
    ];
    for (of_bundle, ruleset, audience, expected) in cases {
        let file = build(
            Manifest {
                audience: of_bundle,
                ..manifest()
            },
            sections(),
            &[SIGNER],
        );
        let settings = Admission {
            ruleset,
            audience,
            ..admission(&trust)
        };
        assert_eq!(
            answer(settings, &file),
            expected,
            "{of_bundle:?} for {ruleset} {audience:?}"
        );
    }
}

#[test]
fn a_bundle_for_a_newer_engine_is_refused() {
    let trust = trust(&[SIGNER], 1);
    let file = build(
        Manifest {
            min_engine: ENGINE_VERSION + 1,
            ..manifest()
        },
        sections(),
        &[SIGNER],
    );
    assert_eq!(answer(admission(&trust), &file), "too-new-engine");
}

/// The signature is looked at before anything it covers.
#[test]
fn an_untrusted_bundle_is_called_untrusted_whatever_else_is_wrong() {
    let trust = trust(&[2], 1);
    let settings = Admission {
        ruleset: "other",
        audience: Some("other"),
        min_revision: u64::MAX,
        now_s: u64::MAX,
        ..admission(&trust)
    };
    assert_eq!(answer(settings, &bundle()), "untrusted");
}

#[test]
fn the_file_as_it_is_sent_has_the_same_digest_and_loads() {
    let trust = trust(&[SIGNER], 1);
    let file = bundle();
    let complete = Bundle::parse(&file).unwrap();
    let sent_file = complete.without_detached();
    let sent = Bundle::parse(&sent_file).unwrap();
    assert!(complete.is_complete() && !sent.is_complete());
    assert!(sent_file.len() < file.len());
    assert_eq!(sent.digest(), complete.digest());
    assert!(sent.without_detached() == sent_file);
    assert_eq!(answer(admission(&trust), &sent_file), "ok");
    // Either is a copy of the other: a filter resumes with what it gets.
    let settings = Admission {
        mark: mark_of(&file),
        ..admission(&trust)
    };
    assert_eq!(answer(settings, &sent_file), "ok");
}

#[test]
fn resigning_keeps_what_was_left_out_left_out() {
    let trust = trust(&[2], 1);
    let file = bundle();
    let sent_file = Bundle::parse(&file).unwrap().without_detached();
    let sent = Bundle::parse(&sent_file).unwrap();
    let payload = crate::fixture::payload_of(&sent_file);
    let resigned = sent.with_signatures(vec![sign(2, &payload)]).unwrap();
    assert!(!Bundle::parse(&resigned).unwrap().is_complete());
    assert_eq!(answer(admission(&trust), &resigned), "ok");
}

#[test]
fn only_what_is_detached_can_be_left_out() {
    let trust = trust(&[SIGNER], 1);
    let mut attached = sections();
    attached.retain(|section| section.kind != SectionKind::Provenance);
    let without = build(manifest(), attached, &[SIGNER]);
    assert_eq!(answer(admission(&trust), &without), "ok");
    assert!(Bundle::parse(&without).unwrap().is_complete());
    assert!(Bundle::parse(&without).unwrap().without_detached() == without);
    // The flag that something was left out, where nothing is: there is one way to write a bundle.
    let flags_at = 10;
    for file in [without, bundle()] {
        let mut flagged = file;
        flagged[flags_at] = 1;
        assert_eq!(answer(admission(&trust), &flagged), "malformed");
    }
}

#[test]
fn contradictory_manifests_cannot_be_written_or_read() {
    use riskgate_engine::bundle::writer::UnsignedBundle;
    let cases = [
        (
            "no revision",
            Manifest {
                revision: 0,
                ..manifest()
            },
        ),
        (
            "never valid",
            Manifest {
                expires_at_s: ISSUED_AT_S,
                ..manifest()
            },
        ),
        (
            "valid before it was issued",
            Manifest {
                not_before_s: ISSUED_AT_S - 1,
                ..manifest()
            },
        ),
        (
            "past the end of time",
            Manifest {
                expires_at_s: 1 << 63,
                ..manifest()
            },
        ),
        (
            "no name",
            Manifest {
                ruleset: "",
                ..manifest()
            },
        ),
        (
            "a name in capitals",
            Manifest {
                ruleset: "Shop",
                ..manifest()
            },
        ),
        (
            "a long name",
            Manifest {
                ruleset: "0123456789012345678901234567890123456789012345678901234567890123",
                ..manifest()
            },
        ),
        (
            "an odd audience",
            Manifest {
                audience: Some("a b"),
                ..manifest()
            },
        ),
        (
            "no engine",
            Manifest {
                min_engine: 0,
                ..manifest()
            },
        ),
    ];
    for (name, manifest) in cases {
        assert!(UnsignedBundle::new(manifest, sections()).is_err(), "{name}");
    }
}
