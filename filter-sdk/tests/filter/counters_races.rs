//! VMs that exchange at the same moment, while shared data fails now and then.

use crate::counters_shared::{LIMIT, tap, vms};
use crate::driver::Driver;
use crate::proxy::Before;
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Debug, Clone)]
enum Step {
    Tap(usize),
    Tick(usize),
    /// The next call of this name fails.
    Fail(usize, &'static str),
    /// Before a call of this name, after so many others of it, another VM ticks.
    Race(usize, &'static str, usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let vm = 0..3_usize;
    let calls = vec![
        "shared_data_version",
        "replace_shared_data",
        "create_shared_data",
    ];
    let call = prop::sample::select(calls);
    let step = prop_oneof![
        10 => vm.clone().prop_map(Step::Tap),
        6 => vm.clone().prop_map(Step::Tick),
        1 => (vm.clone(), call.clone()).prop_map(|(vm, call)| Step::Fail(vm, call)),
        6 => (vm, call, 0..4_usize, 1..3_usize)
            .prop_map(|(vm, call, calls, to)| Step::Race(vm, call, calls, (vm + to) % 3)),
    ];
    prop::collection::vec(step, 1..300)
}

type Shared = Rc<RefCell<Driver>>;

fn run(vms: &[Shared], steps: Vec<Step>) -> usize {
    let mut taps = 0;
    for step in steps {
        match step {
            Step::Tap(vm) if taps < LIMIT => {
                assert!(tap(&mut vms[vm].borrow_mut(), "d1"), "request {taps}");
                taps += 1;
            }
            Step::Tap(_) => {}
            Step::Tick(vm) => vms[vm].borrow_mut().tick(),
            Step::Fail(vm, call) => vms[vm].borrow().proxy.fails_once.set(Some(call)),
            Step::Race(vm, method, calls_left, other) => {
                let other = Rc::clone(&vms[other]);
                // Two VMs that wait for each other: the second one does not tick.
                let happens = Box::new(move || {
                    if let Ok(mut other) = other.try_borrow_mut() {
                        other.tick();
                    }
                });
                let before = Before {
                    method,
                    calls_left,
                    happens,
                };
                vms[vm].borrow().proxy.before.replace(Some(before));
            }
        }
    }
    taps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn whatever_fails_and_whoever_is_faster_exactly_the_limit_passes(steps in steps()) {
        let vms: Vec<Shared> = vms(3).into_iter().map(|vm| Rc::new(RefCell::new(vm))).collect();
        let taps = run(&vms, steps);
        for vm in &vms {
            let vm = vm.borrow();
            vm.proxy.fails_once.set(None);
            vm.proxy.before.take();
        }
        let tick_twice = || (0..2).for_each(|_| vms.iter().for_each(|vm| vm.borrow_mut().tick()));
        tick_twice();
        for _ in taps..LIMIT {
            prop_assert!(tap(&mut vms[0].borrow_mut(), "d1"));
        }
        tick_twice();
        for vm in &vms {
            prop_assert!(!tap(&mut vm.borrow_mut(), "d1"));
        }
    }
}
