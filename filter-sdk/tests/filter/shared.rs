//! The bundle that the VMs of a proxy share: who accepts one leaves it for the others, those too that come later.

use crate::bundles::{CHANGED, EPOCH_S, PLAIN, Spec, TTL_S};
use crate::driver::{Driver, config, config_trusting};
use crate::proxy::SharedData;
use riskgate_engine::bundle::Bundle;
use std::rc::Rc;

/// Answers `/blocked` with 429.
pub(crate) const FIFTH: Spec = Spec {
    revision: 5,
    ..CHANGED
};

/// Answers `/blocked` with 403.
pub(crate) const SIXTH: Spec = Spec {
    revision: 6,
    ..PLAIN
};

pub(crate) fn with_bundle(bundle: &Spec) -> String {
    config(&format!(r#","bundle":"{}""#, bundle.base64()))
}

/// A VM with its own name among those that share `data`.
pub(crate) fn vm(data: &Rc<SharedData>, json: &str) -> Driver {
    let mut driver = Driver::with_json(json);
    driver.proxy.shared_data = Rc::clone(data);
    driver.proxy.random.set(data.writes.borrow().len() as u8);
    driver
}

/// Shared data in which a VM has left a bundle.
pub(crate) fn data_with(bundle: &Spec) -> (Rc<SharedData>, Driver) {
    let data = Rc::new(SharedData::default());
    let mut first = vm(&data, &with_bundle(bundle));
    first.tick();
    (data, first)
}

/// The revision that decides; `None` if nothing serves.
pub(crate) fn revision(driver: &mut Driver) -> Option<u64> {
    driver.request("/", &[]);
    driver.state("riskgate.revision")?.parse().ok()
}

pub(crate) fn head_key(data: &SharedData) -> String {
    let values = data.values.borrow();
    let mut keys = values.keys();
    keys.find(|key| key.ends_with("/head")).unwrap().clone()
}

#[test]
fn what_one_vm_accepts_serves_the_first_request_of_another() {
    let (data, _first) = data_with(&FIFTH);
    let mut other = vm(&data, &config(""));
    assert_eq!(other.status("/blocked"), Some(429));
    assert!(
        other.log().contains("from shared data serves"),
        "{}",
        other.log()
    );
    assert_eq!(other.metric("riskgate.decisions.missing"), 0);
}

#[test]
fn a_vm_that_serves_follows_at_its_tick() {
    let (data, mut first) = data_with(&FIFTH);
    let mut other = vm(&data, &config(""));
    assert_eq!(other.status("/blocked"), Some(429));
    first.replace(&with_bundle(&SIXTH));
    first.tick();
    assert_eq!(other.status("/blocked"), Some(429), "no tick came");
    other.tick();
    assert_eq!(other.status("/blocked"), Some(403));
    assert_eq!(other.metric("riskgate.loads.accepted"), 2);
}

#[test]
fn a_pushed_bundle_reaches_the_others() {
    let data = Rc::new(SharedData::default());
    let push = config(r#","push":{"cluster":"pusher"}"#);
    let mut holder = vm(&data, &push);
    holder.connect();
    holder.hear_bundle(&FIFTH.bytes());
    let mut other = vm(&data, &push);
    assert_eq!(revision(&mut other), Some(5));
}

#[test]
fn a_new_vm_does_not_fall_behind_the_old_one() {
    let (data, first) = data_with(&FIFTH);
    drop(first);
    let mut fresh = vm(&data, &with_bundle(&PLAIN));
    assert_eq!(fresh.status("/blocked"), Some(429));
    assert!(
        fresh.log().contains("refused (older-revision)"),
        "{}",
        fresh.log()
    );
}

#[test]
fn what_was_accepted_holds_also_where_its_sections_are_gone() {
    let (data, first) = data_with(&FIFTH);
    drop(first);
    let head = head_key(&data);
    data.values.borrow_mut().retain(|key, _| *key == head);
    let mut fresh = vm(&data, &with_bundle(&PLAIN));
    assert_eq!(fresh.status("/blocked"), None, "nothing serves");
    for _ in 0..50 {
        fresh.tick();
    }
    assert_eq!(revision(&mut fresh), None);
    fresh.replace(&with_bundle(&SIXTH));
    assert_eq!(revision(&mut fresh), Some(6));
}

#[test]
fn the_same_revision_with_other_contents_is_refused() {
    let (data, mut first) = data_with(&FIFTH);
    let conflicting = Spec {
        revision: 5,
        ..PLAIN
    };
    let mut fresh = vm(&data, &with_bundle(&conflicting));
    assert_eq!(fresh.status("/blocked"), Some(429));
    assert!(
        fresh.log().contains("refused (revision-conflict)"),
        "{}",
        fresh.log()
    );
    first.tick();
    assert_eq!(first.status("/blocked"), Some(429));
}

#[test]
fn each_vm_verifies_under_its_own_keys() {
    let (data, _first) = data_with(&FIFTH);
    let deny = r#","on_missing":"deny""#;
    let mut stranger = vm(&data, &config_trusting(&[2], 1, deny));
    assert_eq!(stranger.status("/"), Some(503));
    // What it does not trust is as if it were not there: it holds back nothing.
    let own = Spec { key: 2, ..PLAIN };
    let bundle = format!(r#","bundle":"{}""#, own.base64());
    stranger.replace(&config_trusting(&[2], 1, &bundle));
    assert_eq!(stranger.status("/blocked"), Some(403));
}

#[test]
fn filters_for_other_bundles_do_not_meet() {
    let (data, _first) = data_with(&FIFTH);
    for other in [
        config(r#","audience":"eu""#),
        config(r#","push":{"cluster":"elsewhere"}"#),
        config("").replace("shop", "other"),
    ] {
        assert_eq!(revision(&mut vm(&data, &other)), None, "{other}");
    }
}

#[test]
fn an_expired_bundle_comes_back_expired() {
    let expiring = Spec {
        on_expired: "deny",
        ..FIFTH
    };
    let (data, first) = data_with(&expiring);
    drop(first);
    let mut fresh = vm(&data, &config(""));
    fresh.set_time(EPOCH_S + 4 + TTL_S);
    assert_eq!(fresh.status("/"), Some(503));
    assert_eq!(fresh.metric("riskgate.decisions.expired"), 1);
}

#[test]
fn only_the_newest_filter_of_a_vm_writes() {
    let data = Rc::new(SharedData::default());
    let trusting = |key: u8, bundle: &Spec| {
        let bundle = format!(r#","bundle":"{}""#, bundle.base64());
        config_trusting(&[key], 1, &bundle)
    };
    let mut driver = vm(&data, &trusting(1, &FIFTH));
    driver.tick();
    let signed_by_2 = Spec { key: 2, ..SIXTH };
    let mut new = driver.another(&trusting(2, &signed_by_2));
    // Neither trusts the other's bundle. They must not write over each other for ever.
    for _ in 0..3 {
        driver.tick();
        new.on_tick(&driver.proxy);
    }
    let writes = data.writes.borrow().len();
    for _ in 0..10 {
        driver.tick();
        new.on_tick(&driver.proxy);
    }
    assert_eq!(data.writes.borrow().len(), writes);
    assert_eq!(
        revision(&mut vm(&data, &config_trusting(&[2], 1, ""))),
        Some(6)
    );
    assert_eq!(revision(&mut driver), Some(5), "the old one is served on");
}

#[test]
fn a_tick_costs_two_reads_when_nothing_happens() {
    let (_data, mut first) = data_with(&FIFTH);
    for _ in 0..20 {
        first.tick();
    }
    first.proxy.calls.get_mut().clear();
    first.tick();
    let calls = first.proxy.calls.borrow();
    let reads = calls.iter().filter(|call| call.contains("shared_data"));
    assert!(reads.count() <= 2, "{calls:?}");
}

#[test]
fn a_thousand_swaps_leave_a_bounded_number_of_keys_and_bytes() {
    let data = Rc::new(SharedData::default());
    let specs: Vec<String> = (1..=1_000)
        .map(|revision| {
            let spec = if revision % 2 == 0 { CHANGED } else { PLAIN };
            Spec { revision, ..spec }.base64()
        })
        .collect();
    let mut driver = vm(&data, &config(""));
    let (mut keys, mut bytes) = (0, 0);
    let mut largest = 0;
    for (index, bundle) in specs.iter().enumerate() {
        driver.replace(&config(&format!(r#","bundle":"{bundle}""#)));
        driver.tick();
        assert_eq!(revision(&mut driver), Some(index as u64 + 1));
        largest = largest.max(bundle.len());
        let values = data.values.borrow();
        let held = values.values().map(|(value, _)| value.len()).sum::<usize>();
        if index == 10 {
            (keys, bytes) = (values.len(), held);
        }
        if index > 10 {
            assert!(values.len() <= keys + 8, "{} keys", values.len());
            assert!(held <= bytes + largest, "{held} bytes");
        }
    }
    let file = PLAIN.bytes();
    let sections = Bundle::parse(&file).unwrap().sections().len();
    assert!(
        keys <= 3 * sections + 4,
        "{keys} keys of {sections} sections"
    );
}
