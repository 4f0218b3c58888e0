//! Shared data that neighbours forge and erase, and VMs that end while they write or load.

use crate::bundles::{PLAIN, Spec};
use crate::driver::{Driver, config};
use crate::proxy::{Before, SharedData};
use crate::shared::{FIFTH, SIXTH, data_with, head_key, revision, vm, with_bundle};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use riskgate_engine::bundle::Bundle;
use std::rc::Rc;
use std::sync::LazyLock;

fn pages(data: &SharedData) -> Vec<String> {
    let values = data.values.borrow();
    let keys = values.keys().filter(|key| key.contains("/page/"));
    keys.cloned().collect()
}

/// Shared data after so many writes.
fn after(writes: &[(String, Vec<u8>)]) -> Rc<SharedData> {
    let data = Rc::new(SharedData::default());
    for (key, value) in writes {
        data.set(key, value);
    }
    data
}

#[test]
fn whoever_stops_after_any_write_leaves_the_old_bundle_or_the_new_one() {
    let (data, mut first) = data_with(&FIFTH);
    let before = data.writes.borrow().len();
    first.replace(&with_bundle(&SIXTH));
    first.tick();
    // And the one after it, which writes where the oldest was.
    let seventh = Spec {
        revision: 7,
        ..FIFTH
    };
    first.replace(&with_bundle(&seventh));
    first.tick();
    let writes = data.writes.borrow().clone();
    assert!(writes.len() > before + 6, "{} writes", writes.len());
    let mut last = 5;
    for count in before..=writes.len() {
        let data = after(&writes[..count]);
        let mut reader = vm(&data, &config(""));
        let found = revision(&mut reader).unwrap();
        assert!((last..=7).contains(&found), "{found} after {count} writes");
        last = found;
        // And whoever comes then brings it to an end.
        let mut heir = vm(&data, &with_bundle(&seventh));
        heir.tick();
        reader.tick();
        assert_eq!(revision(&mut reader), Some(7), "after {count} writes");
    }
    assert_eq!(last, 7);
}

#[test]
fn what_is_taken_over_is_looked_at() {
    let (data, mut first) = data_with(&FIFTH);
    let pages = pages(&data);
    for page in &pages {
        data.set(page, b"spoiled");
    }
    // All of its sections but one are those of the fifth.
    let next = Spec {
        revision: 7,
        ..FIFTH
    };
    first.replace(&with_bundle(&next));
    first.tick();
    drop(first);
    assert_eq!(revision(&mut vm(&data, &config(""))), Some(7));
}

#[test]
fn where_a_bundle_is_lost_the_one_before_it_serves_those_that_have_none() {
    let (data, first) = data_with_both();
    let mut old = vm(&data, &config(""));
    drop(first);
    let key = head_key(&data);
    let head = data.values.borrow()[&key].0.clone();
    let sixth = SIXTH.bytes();
    let rules = Bundle::parse(&sixth).unwrap();
    let rules = rules.sections().iter().find_map(|section| section.bytes);
    for page in pages(&data) {
        let is_lost = data.values.borrow()[&page].0 == rules.unwrap();
        if is_lost {
            data.set(&page, b"lost");
        }
    }
    for _ in 0..50 {
        old.tick();
    }
    assert_eq!(revision(&mut old), Some(5));
    assert_eq!(data.values.borrow()[&key].0, head, "it stays the mark");
    old.replace(&with_bundle(&PLAIN));
    assert_eq!(revision(&mut old), Some(5));
}

#[test]
fn what_was_erased_is_written_again() {
    let (data, mut first) = data_with(&FIFTH);
    data.values.borrow_mut().clear();
    first.tick();
    assert_eq!(revision(&mut vm(&data, &config(""))), Some(5));
}

#[test]
fn values_too_long_to_be_read_give_way() {
    let (data, mut first) = data_with(&FIFTH);
    let mut second = vm(&data, &config(""));
    let keys: Vec<String> = data.values.borrow().keys().cloned().collect();
    for key in keys {
        data.set(&key, &[0xaa; (1 << 20) + 1]);
    }
    first.replace(&with_bundle(&SIXTH));
    first.tick();
    second.tick();
    assert_eq!(revision(&mut second), Some(6));
}

#[test]
fn a_head_that_was_put_back_is_moved_forward_again() {
    let (data, mut first) = data_with(&FIFTH);
    let key = head_key(&data);
    let old = data.values.borrow()[&key].0.clone();
    first.replace(&with_bundle(&SIXTH));
    first.tick();
    data.set(&key, &old);
    let mut other = vm(&data, &with_bundle(&PLAIN));
    assert_eq!(revision(&mut other), Some(5), "it cannot know better");
    first.tick();
    assert_eq!(revision(&mut first), Some(6));
    other.tick();
    assert_eq!(revision(&mut other), Some(6));
}

#[test]
fn spoiled_pages_serve_nobody_and_are_mended() {
    let (data, mut first) = data_with(&FIFTH);
    let pages = pages(&data);
    assert!(pages.len() > 5);
    for (index, page) in pages.iter().enumerate() {
        let mut bytes = data.values.borrow()[page].0.clone();
        // Sections of two kinds may have the same bytes: the first of their pages does for both.
        let has_twin = {
            let values = data.values.borrow();
            let mut others = pages.iter().filter(|other| *other != page);
            others.any(|other| values[other].0 == bytes)
        };
        match index % 3 {
            0 => drop(bytes.pop()),
            1 => bytes[0] ^= 1,
            _ => bytes.push(0),
        }
        data.set(page, &bytes);
        let mut fresh = vm(&data, &config(""));
        let served = revision(&mut fresh);
        assert!(served.is_none() || has_twin && served == Some(5), "{page}");
        for _ in 0..2 * pages.len() {
            first.tick();
        }
        for _ in 0..4 {
            fresh.tick();
        }
        assert_eq!(revision(&mut fresh), Some(5), "{page}");
    }
}

/// A signed head whose pages are not its own is worth nothing, and pages of what serves are not written over.
#[test]
fn a_head_that_names_a_page_twice_is_no_head() {
    let (data, mut first) = data_with(&FIFTH);
    let key = head_key(&data);
    let mut record = data.values.borrow()[&key].0.clone();
    let len = record.len();
    let last: [u8; 2] = record[len - 2..].try_into().unwrap();
    record[len - 4..len - 2].copy_from_slice(&last);
    data.set(&key, &record);
    assert_eq!(revision(&mut vm(&data, &config(""))), None);
    first.tick();
    assert_eq!(revision(&mut vm(&data, &config(""))), Some(5));
}

/// A note that a VM leaves while it loads, `age_ms` before now.
fn note(bundle: &Spec, vm: u8, now_ns: u64, age_ms: u64) -> Vec<u8> {
    let file = bundle.bytes();
    let digest = Bundle::parse(&file).unwrap().digest();
    let began_ns = now_ns - age_ms * 1_000_000;
    [
        &digest.0[..],
        &bundle.revision.to_le_bytes(),
        &[vm; 16],
        &began_ns.to_le_bytes(),
    ]
    .concat()
}

/// Two VMs that have trapped, or not yet, while they loaded `bundle`.
fn attempts(data: &SharedData, bundle: &Spec, ages_ms: [u64; 2]) {
    data.monotonic_ns.set(60_000_000_000);
    let key = head_key(data).replace("/head", "/attempts");
    let now_ns = data.monotonic_ns.get();
    let notes = [(1, ages_ms[0]), (2, ages_ms[1])];
    let notes = notes.map(|(vm, age_ms)| note(bundle, vm, now_ns, age_ms));
    data.set(&key, &notes.concat());
}

/// Both bundles are shared, and the newer one serves.
fn data_with_both() -> (Rc<SharedData>, Driver) {
    let (data, mut first) = data_with(&FIFTH);
    first.replace(&with_bundle(&SIXTH));
    first.tick();
    (data, first)
}

#[test]
fn a_bundle_that_two_vms_trapped_with_is_left_alone_and_the_one_before_it_serves() {
    let (data, _first) = data_with_both();
    attempts(&data, &SIXTH, [2_000, 3_000]);
    let mut fresh = vm(&data, &config(""));
    assert_eq!(revision(&mut fresh), Some(5));
    for _ in 0..20 {
        fresh.tick();
    }
    let log = fresh.log();
    assert!(log.contains("refused (trapped)"), "{log}");
    assert_eq!(fresh.metric("riskgate.loads.refused"), 1);
    assert_eq!(revision(&mut fresh), Some(5));
    let seventh = Spec {
        revision: 7,
        ..FIFTH
    };
    let mut other = vm(&data, &with_bundle(&seventh));
    other.tick();
    fresh.tick();
    assert_eq!(revision(&mut fresh), Some(7), "a newer one is tried");
}

/// As when the whole process stood still while its VMs loaded: they go on, and take their notes away.
#[test]
fn notes_that_go_soon_were_none_of_traps() {
    let (data, _first) = data_with_both();
    attempts(&data, &SIXTH, [9_000, 9_000]);
    let mut fresh = vm(&data, &config(""));
    assert_eq!(revision(&mut fresh), Some(5));
    (0..5).for_each(|_| fresh.tick());
    data.set(&head_key(&data).replace("/head", "/attempts"), b"");
    fresh.tick();
    assert_eq!(revision(&mut fresh), Some(6));
    assert_eq!(fresh.metric("riskgate.loads.refused"), 0);
}

#[test]
fn a_note_that_could_not_be_taken_away_goes_with_the_next_tick() {
    let (data, mut first) = data_with(&FIFTH);
    let mut second = vm(&data, &config(""));
    assert_eq!(revision(&mut second), Some(5));
    first.replace(&with_bundle(&SIXTH));
    first.proxy.before.replace(Some(lose_notes(&data)));
    first.tick();
    second.proxy.before.replace(Some(lose_notes(&data)));
    second.tick();
    let key = head_key(&data).replace("/head", "/attempts");
    assert!(!data.values.borrow()[&key].0.is_empty(), "one is left");
    data.lost_notes.set(0);
    first.tick();
    second.tick();
    data.advance(3_000);
    assert_eq!(revision(&mut vm(&data, &config(""))), Some(6));
}

/// From the second time on that something is to be written in the place of something: a load's note is there, and does not go.
fn lose_notes(data: &Rc<SharedData>) -> Before {
    let data = Rc::clone(data);
    Before {
        method: "replace_shared_data",
        calls_left: 1,
        happens: Box::new(move || data.lost_notes.set(1_000)),
    }
}

#[test]
fn a_spoiled_file_says_nothing_of_what_the_others_share() {
    let mut spoiled = FIFTH.bytes();
    let last = spoiled.iter().rposition(|byte| *byte != 0).unwrap();
    spoiled[last] ^= 1;
    let data = Rc::new(SharedData::default());
    let bundle = format!(r#","bundle":"{}""#, BASE64.encode(&spoiled));
    let mut fresh = vm(&data, &config(&bundle));
    fresh.tick();
    assert!(
        fresh.log().contains("refused (bad-hash)"),
        "{}",
        fresh.log()
    );
    let mut other = vm(&data, &with_bundle(&FIFTH));
    other.tick();
    fresh.tick();
    assert_eq!(revision(&mut fresh), Some(5));
}

#[test]
fn pages_of_a_large_bundle_are_given_back() {
    let mut values = String::new();
    for number in 0..60_000_u64 {
        let word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        values.push_str(&format!("\"k{word:016x}\","));
    }
    let list = format!("lists: {{ all: {{ type: string, values: [{values}] }} }}\n");
    let large = Spec {
        more: Box::leak(list.into_boxed_str()),
        rules: "\n  - { id: block, when: 'request.url_path in lists.all', then: deny }\n",
        ..FIFTH
    };
    let (data, mut first) = data_with(&large);
    let stored = || {
        let values = data.values.borrow();
        let pages = values.iter().filter(|(key, _)| key.contains("/page/"));
        pages.map(|(_, (value, _))| value.len()).sum::<usize>()
    };
    assert!(stored() > 1 << 20, "{}", stored());
    for revision in [6, 7] {
        first.replace(&with_bundle(&Spec { revision, ..PLAIN }));
        (0..20).for_each(|_| first.tick());
    }
    assert!(stored() < 64 << 10, "{}", stored());
}

/// Two VMs of one namespace that trust nothing of each other's: what one writes is nothing to the other.
#[test]
fn vms_that_do_not_trust_each_other_do_not_write_without_end() {
    let data = Rc::new(SharedData::default());
    let trusting = |key: u8, bundle: &Spec| {
        let bundle = format!(r#","bundle":"{}""#, bundle.base64());
        crate::driver::config_trusting(&[key], 1, &bundle)
    };
    let mut one = vm(&data, &trusting(1, &FIFTH));
    let mut other = vm(&data, &trusting(2, &Spec { key: 2, ..SIXTH }));
    let mut tick = |times| {
        for _ in 0..times {
            one.tick();
            other.tick();
        }
    };
    tick(200);
    let before = data.writes.borrow().len();
    tick(128);
    let of_a_bundle = 20;
    let written = data.writes.borrow().len() - before;
    assert!(written <= 2 * 3 * of_a_bundle, "{written} writes");
}

#[test]
fn one_trap_is_not_enough() {
    let (data, _first) = data_with_both();
    attempts(&data, &SIXTH, [3_000, 10]);
    assert_eq!(revision(&mut vm(&data, &config(""))), Some(6));
}

#[test]
fn a_vm_waits_until_it_knows_what_became_of_others() {
    let (data, _first) = data_with(&FIFTH);
    let mut fresh = vm(&data, &config(""));
    assert_eq!(revision(&mut fresh), Some(5));
    let mut other = vm(&data, &with_bundle(&SIXTH));
    other.tick();
    attempts(&data, &SIXTH, [300, 500]);
    for _ in 0..5 {
        fresh.tick();
        assert_eq!(revision(&mut fresh), Some(5));
    }
    // One of them turns out to live, and takes its note away.
    let key = head_key(&data).replace("/head", "/attempts");
    let held = data.values.borrow()[&key].0.clone();
    data.set(&key, &held[..held.len() / 2]);
    fresh.tick();
    assert_eq!(revision(&mut fresh), Some(6));
    let notes = data.values.borrow()[&key].0.len();
    assert_eq!(notes, held.len() / 2, "its own note is gone");
}

#[test]
fn a_vm_that_has_nothing_is_served_by_the_one_before_until_it_knows() {
    let (data, _first) = data_with_both();
    attempts(&data, &SIXTH, [300, 500]);
    let mut fresh = vm(&data, &config(""));
    assert_eq!(revision(&mut fresh), Some(5), "its first request");
    fresh.tick();
    assert_eq!(revision(&mut fresh), Some(5));
    // Both turn out to live.
    let key = head_key(&data).replace("/head", "/attempts");
    data.set(&key, &[]);
    fresh.tick();
    assert_eq!(revision(&mut fresh), Some(6));
}

#[test]
fn a_configured_bundle_waits_until_it_is_known_what_became_of_others() {
    let (data, _first) = data_with(&FIFTH);
    attempts(&data, &SIXTH, [300, 500]);
    let key = head_key(&data);
    let attempts_key = key.replace("/head", "/attempts");
    // Nothing else is there to be served by.
    data.set(&key, &[]);
    let mut fresh = vm(&data, &with_bundle(&SIXTH));
    assert_eq!(revision(&mut fresh), None);
    data.set(&attempts_key, &[]);
    fresh.tick();
    assert_eq!(revision(&mut fresh), Some(6));
}

#[test]
fn notes_of_the_future_and_garbage_hold_nobody_up() {
    for garbage in [&[7; 63][..], &[7; 64], &[0xff; 128], &[1; 64 * 64 + 1]] {
        let (data, _first) = data_with(&FIFTH);
        let key = head_key(&data).replace("/head", "/attempts");
        data.set(&key, garbage);
        assert_eq!(revision(&mut vm(&data, &config(""))), Some(5));
    }
}

/// Configurations with revisions 1 to 5, and with one that a stranger signed.
static CONFIGS: LazyLock<[String; 5]> = LazyLock::new(|| {
    [1, 2, 3, 4, 5].map(|revision| {
        let spec = if revision % 2 == 0 { FIFTH } else { PLAIN };
        with_bundle(&Spec { revision, ..spec })
    })
});

/// What a VM that trusts a stranger leaves.
static STRANGE: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let data = Rc::new(SharedData::default());
    let strange = Spec {
        revision: 99,
        key: 2,
        ..PLAIN
    };
    let bundle = format!(r#","bundle":"{}""#, strange.base64());
    let json = crate::driver::config_trusting(&[2], 1, &bundle);
    vm(&data, &json).tick();
    data.writes.take()
});

#[derive(Debug, Clone)]
enum Act {
    Accept {
        vm: usize,
        revision: usize,
    },
    Tick {
        vm: usize,
    },
    /// The VM ends, and another one takes its place.
    Restart {
        vm: usize,
    },
    Erase {
        key: prop::sample::Index,
    },
    Forge {
        key: prop::sample::Index,
        bytes: Vec<u8>,
    },
    Spoil {
        key: prop::sample::Index,
        at: prop::sample::Index,
    },
    /// What stood there once stands there again.
    PutBack {
        write: prop::sample::Index,
    },
    /// What a stranger signed.
    Plant {
        write: prop::sample::Index,
    },
    Pass {
        ms: u64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let index = any::<prop::sample::Index>;
    let bytes = prop::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        3 => (0..VMS, 0..5_usize).prop_map(|(vm, revision)| Act::Accept { vm, revision }),
        6 => (0..VMS).prop_map(|vm| Act::Tick { vm }),
        2 => (0..VMS).prop_map(|vm| Act::Restart { vm }),
        1 => index().prop_map(|key| Act::Erase { key }),
        1 => (index(), bytes).prop_map(|(key, bytes)| Act::Forge { key, bytes }),
        2 => (index(), index()).prop_map(|(key, at)| Act::Spoil { key, at }),
        2 => index().prop_map(|write| Act::PutBack { write }),
        1 => index().prop_map(|write| Act::Plant { write }),
        1 => (1..3_000_u64).prop_map(|ms| Act::Pass { ms }),
    ]
}

const VMS: usize = 3;

fn tamper(data: &Rc<SharedData>, act: &Act) {
    let keys: Vec<String> = data.values.borrow().keys().cloned().collect();
    let any_key = |key: &prop::sample::Index| key.get(&keys).clone();
    match act {
        Act::Erase { key } if !keys.is_empty() => {
            data.values.borrow_mut().remove(&any_key(key));
        }
        Act::Forge { key, bytes } if !keys.is_empty() => data.set(&any_key(key), bytes),
        Act::Spoil { key, at } if !keys.is_empty() => {
            let key = any_key(key);
            let mut bytes = data.values.borrow()[&key].0.clone();
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= 0x10;
                data.set(&key, &bytes);
            }
        }
        Act::PutBack { write } if !data.writes.borrow().is_empty() => {
            let (key, value) = write.get(&data.writes.borrow()).clone();
            data.set(&key, &value);
        }
        Act::Plant { write } => {
            let (key, value) = write.get(&STRANGE);
            data.set(key, value);
        }
        Act::Pass { ms } => data.advance(*ms),
        _ => {}
    }
}

/// Whatever happens to shared data: no VM serves what its keys did not sign, none goes back, and all come to serve the newest
/// revision that one of them serves.
fn check(acts: &[Act]) {
    let data = Rc::new(SharedData::default());
    let mut vms: Vec<Driver> = (0..VMS).map(|_| vm(&data, &config(""))).collect();
    let mut served = [None; VMS];
    for act in acts {
        match act {
            Act::Accept { vm, revision } => {
                vms[*vm].replace(&CONFIGS[*revision]);
                vms[*vm].tick();
            }
            Act::Tick { vm } => vms[*vm].tick(),
            Act::Restart { vm: place } => {
                vms[*place] = vm(&data, &config(""));
                served[*place] = None;
            }
            other => tamper(&data, other),
        }
        for (vm, served) in vms.iter_mut().zip(&mut served) {
            let now = revision(vm);
            assert!(now >= *served, "{served:?} became {now:?} by {act:?}");
            assert!(now.is_none_or(|now| now <= 5), "{now:?} by {act:?}");
            *served = now;
        }
    }
    let newest = served.iter().max().copied().flatten();
    let accepted = acts.iter().filter_map(|act| match act {
        Act::Accept { revision, .. } => Some(*revision as u64 + 1),
        _ => None,
    });
    // What no VM serves any more, and is spoiled, only comes back from elsewhere.
    if newest != accepted.max() {
        return;
    }
    // Whoever waits for notes of VMs that may have trapped is rid of them.
    let attempts = data
        .values
        .borrow()
        .keys()
        .find(|key| key.ends_with("/attempts"))
        .cloned();
    if let Some(key) = attempts {
        data.set(&key, &[]);
    }
    for _ in 0..100 {
        vms.iter_mut().for_each(Driver::tick);
    }
    for vm in &mut vms {
        // Whoever saw such notes twice, be they put back, leaves the bundle alone for good.
        let leaves_it = vm.log().contains("refused (trapped)");
        assert!(leaves_it || revision(vm) >= newest, "{newest:?}");
    }
    assert!(revision(&mut vm(&data, &config(""))) >= newest);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_vm_serves_what_it_could_not_verify_or_goes_back(
        acts in prop::collection::vec(act(), 1..60)
    ) {
        check(&acts);
    }
}
