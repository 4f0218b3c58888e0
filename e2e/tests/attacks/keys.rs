//! Sets of keys that anybody, or nobody, could sign for, and what becomes of them over time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::attack::{ONE_KEY, TWO_KEYS, Trust, serving};
use crate::filter::Filter;
use crate::forge::{SERVES, Spec, TTL_S, key, next, now_s};
use crate::gates::{Pusher, refusals_of_keys, verify};

/// What stands before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The `y` of every point of small order, least byte first: both of order 8, and 0, 1, -1 in all their spellings.
fn small_order() -> Vec<[u8; 32]> {
    let order_8 = [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    let hex = |text: &str| -> [u8; 32] {
        let bytes = (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap());
        bytes.collect::<Vec<_>>().try_into().unwrap()
    };
    let near_p = |least: u8| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (least, 0x7f);
        bytes
    };
    let small = |least: u8| {
        let mut bytes = [0; 32];
        bytes[0] = least;
        bytes
    };
    let mut all: Vec<[u8; 32]> = order_8.map(hex).to_vec();
    all.extend([small(0), small(1), near_p(0xec), near_p(0xed), near_p(0xee)]);
    let other_sign = all.clone().into_iter().map(|mut bytes| {
        bytes[31] |= 0x80;
        bytes
    });
    all.extend(other_sign);
    all
}

fn pem(key: &[u8; 32]) -> String {
    let der = [&SPKI_PREFIX[..], key].concat();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        BASE64.encode(der)
    )
}

#[test]
fn weak_keys() {
    let good = key(1).verifying_key().to_bytes();
    let file = next().file();
    for weak in small_order() {
        for keys in [vec![weak], vec![good, weak]] {
            let pems: Vec<String> = keys.iter().map(pem).collect();
            for output in refusals_of_keys(&pems, 1, &file) {
                let said = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.code(), Some(2), "{weak:x?}: {said}");
                assert!(
                    said.contains("weak") || said.contains("is not an Ed25519"),
                    "{said}"
                );
            }
            let mut filter = Filter::trusting(&keys, 1, &file);
            assert_eq!(filter.request("/").0, Some(503), "{weak:x?}");
            assert!(
                filter.log().contains("every request is refused"),
                "{}",
                filter.log()
            );
        }
    }
}

#[test]
fn thresholds_that_no_bundle_or_every_bundle_would_meet() {
    let good = key(1).verifying_key().to_bytes();
    let file = next().file();
    for (keys, threshold) in [(vec![good], 0), (vec![good], 2), (vec![good, good], 2)] {
        let pems: Vec<String> = keys.iter().map(pem).collect();
        for output in refusals_of_keys(&pems, threshold, &file) {
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
        }
        let mut filter = Filter::trusting(&keys, threshold, &file);
        assert_eq!(filter.request("/").0, Some(503), "{}", filter.log());
    }
}

/// Two of three, whichever they are.
#[test]
fn a_threshold_is_met_by_any_of_the_keys() {
    let trust = Trust {
        keys: &[1, 2, 3],
        threshold: 2,
    };
    let cases: [(&[u8], Option<&str>); 7] = [
        (&[1, 2], None),
        (&[2, 3], None),
        (&[1, 3], None),
        (&[1, 2, 3], None),
        (&[1], Some("untrusted")),
        (&[3], Some("untrusted")),
        (&[3, 4], Some("untrusted")),
    ];
    for (signers, refusal) in cases {
        let file = Spec { signers, ..next() }.file();
        assert_eq!(verify(&file, trust).as_deref(), refusal, "{signers:?}");
        let pusher = Pusher::start(trust);
        assert_eq!(pusher.publish(&file).as_deref(), refusal, "{signers:?}");
        let mut filter = Filter::serving(trust, &file);
        match refusal {
            None => filter.assert_decides("/new", next().revision),
            Some(_) => filter.assert_serves_nothing(),
        }
    }
}

/// Add a key, sign anew, remove the old one: each step is taken by the gates before and behind it.
#[test]
fn rotation() {
    let [old, both, new] = [&[1][..], &[1, 2], &[2]].map(|keys| Trust { keys, threshold: 1 });
    let by = |signers: &'static [u8], revision| Spec {
        signers,
        revision,
        ..next()
    };
    let mut filter = Filter::serving(old, &by(&[1], 5).file());
    let steps = [
        (both, by(&[1], 5), "the key is added"),
        (both, by(&[1, 2], 6), "both sign"),
        (new, by(&[1, 2], 6), "the old one is removed"),
        (new, by(&[2], 7), "the new one signs alone"),
    ];
    for (trust, spec, step) in steps {
        let file = spec.file();
        assert_eq!(verify(&file, trust), None, "{step}");
        assert_eq!(Pusher::start(trust).publish(&file), None, "{step}");
        filter.reconfigure(trust, &file);
        filter.assert_decides("/new", spec.revision);
        assert_eq!(filter.refusals(), [""; 0], "{step}");
    }
    // What the old key signs from now on counts nowhere.
    let stolen = by(&[1], 8).file();
    assert_eq!(verify(&stolen, new).as_deref(), Some("untrusted"));
    assert_eq!(
        Pusher::start(new).publish(&stolen).as_deref(),
        Some("untrusted")
    );
    filter.reconfigure(new, &stolen);
    assert_eq!(filter.refusals(), ["untrusted"]);
    filter.assert_decides("/new", 7);
}

/// A revision that nobody can top, signed with a key that was stolen: removing the key undoes it.
#[test]
fn a_stolen_key_does_not_lock_the_ruleset() {
    let both = Trust {
        keys: &[1, 2],
        threshold: 1,
    };
    let only_new = Trust {
        keys: &[2],
        threshold: 1,
    };
    let last = Spec {
        revision: u64::MAX,
        ..next()
    };
    let mut filter = Filter::serving(both, &last.file());
    filter.assert_decides("/new", u64::MAX);
    let honest = Spec {
        denied: "/old",
        signers: &[2],
        ..next()
    };
    filter.reconfigure(both, &honest.file());
    assert_eq!(filter.refusals(), ["older-revision"]);
    filter.reconfigure(only_new, &honest.file());
    filter.assert_decides("/old", honest.revision);
}

/// Replaying what is genuine ends with its time, also where the clock is set back.
#[test]
fn freezing() {
    for trust in [ONE_KEY, TWO_KEYS] {
        let genuine = serving(trust).file();
        let mut filter = Filter::serving(trust, &genuine);
        filter.assert_decides("/old", SERVES);
        filter.set_time(now_s() + 2 * TTL_S);
        assert_eq!(filter.request("/").0, Some(503), "`on_expired` denies");
        filter.set_time(now_s());
        assert_eq!(filter.request("/").0, Some(503), "set back");
        filter.reconfigure(trust, &genuine);
        assert_eq!(filter.request("/").0, Some(503), "and offered again");
    }
}
