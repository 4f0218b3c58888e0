//! Genuine bundles out of their time that somebody leaves in shared data: they do no more there than in a configuration.

use crate::bundles::{EPOCH_S, PLAIN, Spec};
use crate::driver::{Driver, config};
use crate::proxy::SharedData;
use crate::shared::{FIFTH, SIXTH, data_with, head_key, revision, vm, with_bundle};
use std::rc::Rc;

/// Its time is over a minute after it was issued, and then it lets all through.
const SHORT: Spec = Spec {
    revision: 9,
    ttl_s: 60,
    on_expired: "allow",
    ..PLAIN
};
/// Issued eleven days after the others.
const EARLY: Spec = Spec {
    revision: 1_000_000,
    on_expired: "allow",
    ..PLAIN
};
const LATER_S: u64 = EPOCH_S + 120;

/// What a VM left in shared data that accepted these one after the other, each at its time.
fn left_by(bundles: &[Spec]) -> Rc<SharedData> {
    let data = Rc::new(SharedData::default());
    let mut vm = vm(&data, &config(""));
    for bundle in bundles {
        vm.set_time(EPOCH_S + bundle.revision);
        vm.replace(&with_bundle(bundle));
        vm.tick();
        assert_eq!(revision(&mut vm), Some(bundle.revision));
    }
    data
}

fn plant(from: &SharedData, to: &SharedData) {
    for (key, (value, _)) in from.values.borrow().iter() {
        if key.contains("/head") || key.contains("/page/") {
            to.set(key, value);
        }
    }
}

/// A VM that serves revision 5, after somebody planted what `bundles` leave and some ticks passed.
fn serving_beside(bundles: &[Spec]) -> (Rc<SharedData>, Driver) {
    let planted = left_by(bundles);
    let (data, mut first) = data_with(&FIFTH);
    first.set_time(LATER_S);
    first.tick();
    plant(&planted, &data);
    (0..5).for_each(|_| first.tick());
    (data, first)
}

#[test]
fn what_has_expired_replaces_nothing() {
    let (data, mut first) = serving_beside(&[SHORT]);
    assert_eq!(revision(&mut first), Some(5));
    assert_eq!(first.status("/blocked"), Some(429));
    let mut fresh = vm(&data, &config(""));
    fresh.set_time(LATER_S);
    assert_eq!(revision(&mut fresh), Some(5), "it was put right");
    first.replace(&with_bundle(&SIXTH));
    first.tick();
    assert_eq!(revision(&mut first), Some(6), "and keeps no revision out");
}

#[test]
fn what_was_issued_in_the_future_serves_nobody_and_moves_no_clock() {
    let (data, mut first) = serving_beside(&[EARLY]);
    assert_eq!(revision(&mut first), Some(5));
    assert_eq!(first.status("/blocked"), Some(429));
    assert_eq!(first.metric("riskgate.decisions.expired"), 0);
    let mut fresh = vm(&data, &config(""));
    fresh.set_time(LATER_S);
    assert_eq!(revision(&mut fresh), Some(5), "it was put right");
    first.replace(&with_bundle(&SIXTH));
    first.tick();
    assert_eq!(revision(&mut first), Some(6), "and keeps no revision out");
}

#[test]
fn a_vm_that_has_nothing_takes_nothing_of_the_future() {
    let data = left_by(&[EARLY]);
    let mut fresh = vm(&data, &config(r#","on_missing":"deny""#));
    fresh.set_time(LATER_S);
    assert_eq!(fresh.status("/"), Some(503));
    fresh.replace(&with_bundle(&FIFTH));
    assert_eq!(revision(&mut fresh), Some(5));
}

#[test]
fn what_expired_while_it_served_is_what_a_new_vm_begins_with() {
    let data = left_by(&[SHORT]);
    let mut fresh = vm(&data, &config(r#","on_missing":"deny""#));
    fresh.set_time(LATER_S);
    assert_eq!(
        fresh.status("/blocked"),
        None,
        "`on_expired: allow` decides"
    );
    assert_eq!(fresh.metric("riskgate.decisions.expired"), 1);
}

#[test]
fn what_has_expired_serves_in_no_place_of_the_current_one() {
    // The sections of the current one are lost, so that the one before it would serve.
    let next = Spec {
        revision: 70,
        rules: "\n  - { id: other, when: 'request.url_path == \"/other\"', then: deny }\n",
        ..PLAIN
    };
    let data = left_by(&[SHORT]);
    let mut first = vm(&data, &config(""));
    first.set_time(EPOCH_S + 69);
    first.replace(&with_bundle(&next));
    first.tick();
    drop(first);
    let head = head_key(&data);
    let pages: Vec<String> = data.values.borrow().keys().cloned().collect();
    for page in pages.iter().filter(|key| key.contains("/page/")) {
        if data.values.borrow()[page]
            .0
            .windows(6)
            .any(|bytes| bytes == b"/other")
        {
            data.set(page, b"lost");
        }
    }
    assert!(data.values.borrow().contains_key(&head));
    let mut fresh = vm(&data, &config(r#","on_missing":"deny""#));
    fresh.set_time(LATER_S);
    (0..50).for_each(|_| fresh.tick());
    assert_eq!(fresh.status("/blocked"), Some(503));
}

#[test]
fn a_configured_bundle_that_came_too_early_serves_once_it_may() {
    let data = Rc::new(SharedData::default());
    let late = Spec {
        revision: 1_000,
        ..PLAIN
    };
    let mut vm = vm(&data, &with_bundle(&late));
    (0..100).for_each(|_| vm.tick());
    assert_eq!(revision(&mut vm), None);
    assert_eq!(vm.metric("riskgate.loads.refused"), 1, "it is told once");
    vm.set_time(EPOCH_S + 1_000);
    (0..40).for_each(|_| vm.tick());
    assert_eq!(revision(&mut vm), Some(1_000));
}

#[test]
fn expiry_is_latched_without_a_request() {
    let short = Spec {
        on_expired: "deny",
        ..SHORT
    };
    let data = left_by(&[short]);
    let mut first = vm(&data, &config(""));
    assert_eq!(first.status("/"), None);
    first.set_time(LATER_S);
    first.tick();
    first.set_time(EPOCH_S + 30);
    assert_eq!(first.status("/"), Some(503));
}
