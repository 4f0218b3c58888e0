//! The way back that is meant: old rules under a higher revision, signed anew.

use riskgate_compiler::rollback::{RollbackOptions, roll_back};
use riskgate_compiler::signing::Signing;
use riskgate_engine::bundle::Bundle;
use riskgate_engine::trust::TrustedKeys;

use crate::attack::{ONE_KEY, serving};
use crate::filter::Filter;
use crate::forge::{NEXT, RULESET, key, next, now_s};
use crate::gates::{Pusher, verify};

#[test]
fn a_rollback_is_taken_as_any_higher_revision() {
    let old = serving(ONE_KEY).file();
    let newer = next().file();
    let trust = TrustedKeys::new(&[key(1).verifying_key().to_bytes()], 1).unwrap();
    let options = RollbackOptions {
        revision: NEXT + 1,
        issued_at_s: now_s(),
    };
    let unsigned = roll_back(&old, &trust, &options).unwrap();
    let mut signing = Signing::open(&unsigned).unwrap();
    signing.sign(&key(1)).unwrap();
    let back = signing.finish().unwrap();

    let pusher = Pusher::start(ONE_KEY);
    let mut filter = Filter::serving(ONE_KEY, &old);
    filter.assert_decides("/old", serving(ONE_KEY).revision);
    assert_eq!(pusher.publish(&newer), None);
    filter.reconfigure(ONE_KEY, &newer);
    filter.assert_decides("/new", NEXT);

    // The old file itself is no way back, and neither is one that nobody signed.
    assert_eq!(pusher.publish(&old).as_deref(), Some("older-revision"));
    assert_eq!(pusher.publish(&unsigned).as_deref(), Some("untrusted"));
    filter.reconfigure(ONE_KEY, &old);
    filter.reconfigure(ONE_KEY, &unsigned);
    assert_eq!(filter.refusals(), ["older-revision", "untrusted"]);
    filter.assert_decides("/new", NEXT);

    assert_eq!(verify(&back, ONE_KEY), None);
    assert_eq!(pusher.publish(&back), None);
    assert_eq!(pusher.status(RULESET)["revision"], NEXT + 1);
    filter.reconfigure(ONE_KEY, &back);
    filter.assert_decides("/old", NEXT + 1);
    let restored = Bundle::parse(&back).unwrap().manifest().restores;
    assert_eq!(restored, Some(Bundle::parse(&old).unwrap().digest()));
}
