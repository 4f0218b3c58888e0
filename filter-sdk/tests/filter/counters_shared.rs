//! What the VMs of a proxy count together.

use crate::bundles::{EPOCH_S, PLAIN, Spec};
use crate::counters::with_bundle;
use crate::driver::{Driver, config};
use riskgate_filter_sdk::host::HostError;
use std::rc::Rc;

pub(crate) const LIMIT: usize = 40;

/// Forty requests of a device in an hour, then 403.
const LIMITED: Spec = Spec {
    more: r#"
counters:
  by_device: { key: ['request.headers["x-device"]'], window: 1h }
"#,
    rules: "\n  - { id: busy, when: counters.by_device > 40, then: deny }\n",
    ..PLAIN
};

/// VMs of one proxy, each of which has had a request that nothing counts.
pub(crate) fn vms(count: u8) -> Vec<Driver> {
    let mut vms: Vec<Driver> = Vec::new();
    for _ in 0..count {
        let fresh = vm(vms.first());
        vms.push(fresh);
    }
    vms
}

/// Another VM of the proxy that `other` is in.
pub(crate) fn vm(other: Option<&Driver>) -> Driver {
    let mut driver = Driver::with_json(&with_bundle(&LIMITED));
    if let Some(other) = other {
        driver.proxy.shared_data = Rc::clone(&other.proxy.shared_data);
    }
    let seed = driver.proxy.shared_data.values.borrow().len();
    driver.proxy.random.set(seed as u8);
    driver.tick();
    assert_eq!(driver.status("/"), None);
    driver
}

pub(crate) fn tap(driver: &mut Driver, device: &str) -> bool {
    driver.request("/", &[("x-device", device.as_bytes())]);
    driver.proxy.reply.borrow().is_none()
}

/// Every VM tells what it knows, and hears of that.
pub(crate) fn tick_twice(vms: &mut [Driver]) {
    for _ in 0..2 {
        vms.iter_mut().for_each(Driver::tick);
    }
}

pub(crate) fn all_tap(vms: &mut [Driver], each: usize) {
    for vm in vms {
        for _ in 0..each {
            assert!(tap(vm, "d1"));
        }
    }
}

#[test]
fn a_limit_is_that_of_all_vms() {
    let mut vms = vms(4);
    all_tap(&mut vms, LIMIT / 4);
    tick_twice(&mut vms);
    for vm in &mut vms {
        assert!(!tap(vm, "d1"));
        assert!(tap(vm, "d2"));
        assert_eq!(vm.metric("riskgate.counters.failures"), 0);
    }
}

#[test]
fn a_request_waits_for_no_shared_data() {
    let mut vms = vms(2);
    tick_twice(&mut vms);
    for vm in &mut vms {
        vm.proxy.calls.get_mut().clear();
        for device in ["d1", "d1", "d2"] {
            tap(vm, device);
        }
        let calls = vm.proxy.calls.borrow();
        assert!(
            !calls.iter().any(|call| call.contains("shared_data")),
            "{calls:?}"
        );
    }
}

#[test]
fn a_vm_without_requests_exchanges_nothing() {
    let calls = |bundle| {
        let mut driver = Driver::with_json(&with_bundle(bundle));
        driver.tick();
        driver.proxy.calls.get_mut().clear();
        for _ in 0..100 {
            driver.tick();
        }
        driver.proxy.calls.take()
    };
    let without_counters = Spec {
        more: "",
        rules: PLAIN.rules,
        ..LIMITED
    };
    // The bundle itself is looked after.
    let reads = |calls: &[&str]| calls.iter().filter(|call| call.contains("shared")).count();
    let counting = calls(&LIMITED);
    assert!(reads(&counting) <= 200, "{counting:?}");
    assert_eq!(reads(&counting), reads(&calls(&without_counters)));
    assert!(!counting.iter().any(|call| call.contains("create")));
}

#[test]
fn what_a_vm_told_outlives_it() {
    let mut vms = vms(2);
    all_tap(&mut vms, LIMIT / 2);
    tick_twice(&mut vms);
    let heir = vm(vms.first());
    vms = vec![heir];
    tick_twice(&mut vms);
    assert!(!tap(&mut vms[0], "d1"));
}

#[test]
fn what_a_vm_wrote_is_found_though_it_ended_before_it_said_so() {
    let mut vms = vms(2);
    tick_twice(&mut vms);
    let mut ends = vms.remove(0);
    for _ in 0..LIMIT {
        assert!(tap(&mut ends, "d1"));
    }
    // The block is new, and the index that names it is not.
    ends.proxy.broken.get_mut().insert("replace_shared_data");
    ends.tick();
    drop(ends);
    // Every block has its turn.
    for _ in 0..250 {
        vms[0].tick();
    }
    assert!(!tap(&mut vms[0], "d1"));
}

#[test]
fn without_shared_data_a_vm_counts_alone_and_says_so() {
    for method in ["create_shared_data", "random"] {
        let mut driver = Driver::new("");
        driver.proxy.broken.get_mut().insert(method);
        driver
            .filter
            .on_configure(&driver.proxy, with_bundle(&LIMITED).as_bytes());
        for _ in 0..LIMIT {
            assert!(tap(&mut driver, "d1"), "{method}");
            driver.tick();
        }
        assert!(!tap(&mut driver, "d1"), "{method}");
        assert_eq!(driver.metric("riskgate.counters.failures"), 1, "{method}");
        assert!(driver.log().contains("counts alone"), "{}", driver.log());
    }
}

#[test]
fn shared_data_that_fails_for_a_while_loses_nothing() {
    for method in [
        "shared_data_version",
        "replace_shared_data",
        "create_shared_data",
    ] {
        let mut vms = vms(2);
        for vm in &mut vms {
            vm.proxy.broken.get_mut().insert(method);
        }
        all_tap(&mut vms, LIMIT / 2);
        tick_twice(&mut vms);
        for vm in &mut vms {
            vm.proxy.broken.get_mut().clear();
        }
        tick_twice(&mut vms);
        vms.iter_mut()
            .for_each(|vm| assert!(!tap(vm, "d1"), "{method}"));
    }
}

#[test]
fn a_block_that_cannot_be_read_holds_up_no_other() {
    let mut vms = vms(2);
    for vm in &mut vms {
        let block = "riskgate.counters.v1/shop//0/0";
        vm.proxy.unreadable.set(Some((block, HostError::Buffer)));
    }
    for number in 0..2_000 {
        assert!(tap(&mut vms[number % 2], &format!("d{number}")));
    }
    (0..4).for_each(|_| tick_twice(&mut vms));
    // All keys but those of one block of 224.
    let mut told = 0;
    for number in (0..2_000).step_by(50) {
        let device = format!("d{number}");
        (1..LIMIT).for_each(|_| assert!(tap(&mut vms[1], &device)));
        told += usize::from(!tap(&mut vms[1], &device));
    }
    assert!(told >= 37, "{told} of 40");
    for vm in &vms {
        assert!(vm.metric("riskgate.counters.failures") > 0);
    }
}

#[test]
fn what_a_neighbour_writes_or_erases_takes_no_count_away() {
    for forged in [
        &b""[..],
        b"x",
        &[0; 400],
        &[0xff; 20_000],
        &[0xff; (1 << 20) + 1],
    ] {
        let mut vms = vms(2);
        all_tap(&mut vms, LIMIT / 2);
        tick_twice(&mut vms);
        let shared = Rc::clone(&vms[0].proxy.shared_data);
        let names: Vec<String> = shared.values.borrow().keys().cloned().collect();
        let counters = names
            .iter()
            .filter(|name| name.contains("counters.v1/shop"));
        assert!(counters.clone().count() >= 3, "{names:?}");
        counters.for_each(|name| shared.set(name, forged));
        // Long enough for every block to have its turn and for the area to be claimed anew.
        for _ in 0..300 {
            vms.iter_mut().for_each(Driver::tick);
        }
        let heir = vm(vms.first());
        vms.push(heir);
        tick_twice(&mut vms);
        vms.iter_mut().for_each(|vm| assert!(!tap(vm, "d1")));
    }
}

/// The next revision of [`LIMITED`], with another counter.
const OTHER_COUNTER: Spec = Spec {
    revision: 2,
    more: r#"
counters:
  by_device: { key: ['request.headers["x-device"]'], window: 2h }
"#,
    ..LIMITED
};

/// Where the areas of the ruleset are told.
const AREAS: &str = "riskgate.counters.v1/shop//areas";

#[test]
fn a_vm_that_stalled_until_its_area_was_taken_tells_what_it_knows_elsewhere() {
    let mut vms = vms(1);
    all_tap(&mut vms, LIMIT);
    tick_twice(&mut vms);
    // Another VM comes with other rules, after nobody has used the area for a while.
    let mut other = vm(vms.first());
    let base64 = OTHER_COUNTER.base64();
    // Of another push service, so that it leaves the bundle of the first alone.
    let elsewhere = format!(r#","bundle":"{base64}","push":{{"cluster":"elsewhere"}}"#);
    other.replace(&config(&elsewhere));
    other.set_time(EPOCH_S + 60 + 62);
    assert!(tap(&mut other, "d1"));
    for _ in 0..2 {
        other.tick();
    }
    let areas = |driver: &Driver| {
        let values = driver.proxy.shared_data.values.borrow();
        values[AREAS].0.len() / 24
    };
    assert_eq!(areas(&other), 1, "the area was taken over");

    vms[0].set_time(EPOCH_S + 60 + 63);
    for _ in 0..5 {
        tick_twice(&mut vms);
    }
    assert_eq!(areas(&other), 2);
    let mut heir = vm(vms.first());
    heir.set_time(EPOCH_S + 60 + 64);
    for _ in 0..2 {
        heir.tick();
    }
    assert!(!tap(&mut heir, "d1"));
    other.tick();
    assert!(tap(&mut other, "d1"), "the second of another counter");
}

#[test]
fn without_an_area_a_counter_counts_in_each_vm_until_there_is_one() {
    let mut vms = vms(2);
    let now_s = EPOCH_S + 60;
    let others = (0..128_u8).flat_map(|number| [&[number; 16][..], &now_s.to_le_bytes()].concat());
    let others: Vec<u8> = others.collect();
    vms[0].proxy.shared_data.set(AREAS, &others);
    all_tap(&mut vms, LIMIT / 2);
    tick_twice(&mut vms);
    for vm in &mut vms {
        assert!(tap(vm, "d2"));
        assert_eq!(vm.metric("riskgate.counters.unshared"), 2);
        vm.set_time(now_s + 61);
    }
    for _ in 0..2 {
        tick_twice(&mut vms);
    }
    vms.iter_mut().for_each(|vm| assert!(!tap(vm, "d1")));
}

#[test]
fn many_keys_are_told_before_the_tick() {
    let mut vms = vms(1);
    tick_twice(&mut vms);
    vms[0].proxy.calls.get_mut().clear();
    for number in 0..20_000 {
        tap(&mut vms[0], &format!("d{number}"));
    }
    assert!(vms[0].metric("riskgate.counters.told") > 100);
    vms[0].tick();
    assert_eq!(vms[0].metric("riskgate.counters.untold"), 0);
}

/// A VM that serves its first requests has exchanged nothing yet.
#[test]
fn many_keys_are_told_before_the_first_tick() {
    let mut vms = vms(2);
    for number in 0..20_000 {
        tap(&mut vms[0], &format!("d{number}"));
    }
    (0..5).for_each(|_| tick_twice(&mut vms));
    assert_eq!(vms[0].metric("riskgate.counters.untold"), 0);
    for number in 0..100 {
        let device = format!("d{}", number * 200);
        (1..LIMIT).for_each(|_| assert!(tap(&mut vms[1], &device)));
        assert!(!tap(&mut vms[1], &device), "one of the other VM and forty");
    }
}

#[test]
fn many_keys_of_many_counters_are_told_before_the_tick() {
    let counter = |number| {
        format!(
            "  c{number}: {{ key: ['request.params[\"id\"]'], window: 1h, max_keys: {number} }}\n"
        )
    };
    let counters: String = (200..216).map(counter).collect();
    let more = format!("\ncounters:\n{counters}").leak();
    let bundle = Spec { more, ..PLAIN };
    let mut driver = Driver::with_json(&with_bundle(&bundle));
    driver.tick();
    for request in 0..200 {
        let ids: Vec<String> = (0..16).map(|id| format!("id={request}-{id}")).collect();
        driver.request(&format!("/?{}", ids.join("&")), &[]);
        if request == 0 {
            driver.tick();
        }
    }
    driver.tick();
    assert!(driver.metric("riskgate.counters.told") > 16 * 50);
    assert_eq!(driver.metric("riskgate.counters.untold"), 0);
}

#[test]
fn a_flood_of_keys_of_one_counter_holds_up_no_other() {
    let more = concat!(
        "\ncounters:\n  flooded: { key: ['request.headers[\"x-flood\"]'], window: 1h }\n",
        "  b0: { key: ['request.headers[\"x-device\"]'], window: 1h }\n",
        "  b1: { key: ['request.headers[\"x-device\"]'], window: 2h }\n",
        "  b2: { key: ['request.headers[\"x-device\"]'], window: 3h }\n",
        "  b3: { key: ['request.headers[\"x-device\"]'], window: 4h }\n",
    );
    let rules = concat!(
        "\n  - { id: r0, when: counters.b0 > 1, then: deny }",
        "\n  - { id: r1, when: counters.b1 > 1, then: deny }",
        "\n  - { id: r2, when: counters.b2 > 1, then: deny }",
        "\n  - { id: r3, when: counters.b3 > 1 || counters.flooded > 100000, then: deny }\n",
    );
    let bundle = Spec {
        more,
        rules,
        ..PLAIN
    };
    let mut vms: Vec<Driver> = (0..2)
        .map(|_| Driver::with_json(&with_bundle(&bundle)))
        .collect();
    vms[1].proxy.shared_data = Rc::clone(&vms[0].proxy.shared_data);
    for vm in &mut vms {
        vm.tick();
        vm.status("/");
        vm.tick();
    }
    for round in 0..20 {
        for key in 0..2_000 {
            let key = format!("{round}-{key}");
            vms[0].request("/", &[("x-flood", key.as_bytes())]);
        }
        let device = format!("d{round}");
        assert!(tap(&mut vms[0], &device));
        vms.iter_mut().for_each(Driver::tick);
        tap(&mut vms[1], &device);
        let matched = vms[1].proxy.state.borrow().get("riskgate.matched").cloned();
        assert_eq!(matched.as_deref(), Some("r0,r1,r2,r3"), "round {round}");
    }
}

#[test]
fn the_work_of_a_tick_is_bounded_and_goes_on_in_the_next() {
    let mut vms = vms(2);
    tick_twice(&mut vms);
    for number in 0..30_000 {
        tap(&mut vms[0], &format!("d{number}"));
    }
    (0..5).for_each(|_| vms[0].tick());
    // All 224 blocks are new to the other VM, and together longer than a tick may read.
    let mut reads = Vec::new();
    for _ in 0..4 {
        vms[1].proxy.calls.get_mut().clear();
        vms[1].tick();
        let calls = vms[1].proxy.calls.borrow();
        let own = calls.iter().filter(|call| **call == "shared_data_version");
        reads.push(own.count());
    }
    assert!((50..200).contains(&reads[0]), "{reads:?}");
    assert!(reads[3] < 10, "{reads:?}");
    for number in 0..100 {
        let device = format!("d{}", number * 300);
        (1..LIMIT).for_each(|_| assert!(tap(&mut vms[1], &device)));
        assert!(!tap(&mut vms[1], &device), "one of another VM and forty");
    }
}
