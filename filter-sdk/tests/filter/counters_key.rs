//! The key that all VMs hash with, which any neighbour in shared data can write.

use crate::counters_shared::{LIMIT, all_tap, tap, tick_twice, vm, vms};
use crate::driver::Driver;

const KEY: &str = "riskgate.counters.v1/key";
const FORGED: [u8; 32] = [77; 32];

fn key(driver: &Driver) -> Vec<u8> {
    driver.proxy.shared_data.values.borrow()[KEY].0.clone()
}

fn tick(vms: &mut [Driver], times: u32) {
    for _ in 0..times {
        vms.iter_mut().for_each(Driver::tick);
    }
}

#[test]
fn a_key_that_was_replaced_is_put_back_and_no_count_is_lost() {
    let mut vms = vms(2);
    tick(&mut vms, 600);
    all_tap(&mut vms, LIMIT / 2);
    tick_twice(&mut vms);
    let own = key(&vms[0]);
    for forged in [&FORGED[..], b"no key"] {
        vms[0].proxy.shared_data.set(KEY, forged);
        // A VM that begins now hashes with what it finds, or puts a key of its own in the place of what is none.
        let mut newcomer = vm(vms.first());
        tick(&mut vms, 50);
        assert_eq!(key(&vms[0]), own);
        tick(std::slice::from_mut(&mut newcomer), 52);
        assert!(!tap(&mut newcomer, "d1"));
        vms.iter_mut().for_each(|vm| assert!(!tap(vm, "d1")));
    }
    assert!(vms[0].metric("riskgate.counters.failures") > 0);
}

#[test]
fn vms_that_have_just_begun_take_over_a_key_that_was_replaced() {
    let mut vms = vms(3);
    vms[0].proxy.shared_data.set(KEY, &FORGED);
    tick(&mut vms, 50);
    assert_eq!(key(&vms[0]), FORGED);
    all_tap(&mut vms[..2], LIMIT / 2);
    tick_twice(&mut vms);
    vms.iter_mut().for_each(|vm| assert!(!tap(vm, "d1")));
}

#[test]
fn vms_that_find_no_key_where_it_should_be_count_together_all_the_same() {
    let first = Driver::new("");
    first.proxy.shared_data.set(KEY, b"no key");
    let mut vms = vec![vm(Some(&first)), vm(Some(&first))];
    assert_eq!(key(&first).len(), FORGED.len());
    all_tap(&mut vms, LIMIT / 2);
    tick_twice(&mut vms);
    vms.iter_mut().for_each(|vm| assert!(!tap(vm, "d1")));
}

#[test]
fn a_key_that_was_erased_is_written_again() {
    let mut vms = vms(2);
    tick(&mut vms, 10);
    all_tap(&mut vms, LIMIT / 2);
    let own = key(&vms[0]);
    vms[0].proxy.shared_data.values.borrow_mut().remove(KEY);
    tick(&mut vms, 50);
    assert_eq!(key(&vms[0]), own);
    vms.iter_mut().for_each(|vm| assert!(!tap(vm, "d1")));
}
