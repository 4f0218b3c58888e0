//! What counters count, and what rules read of them.

use riskgate_engine::bundle::writer::NewSection;
use riskgate_engine::bundle::{Manifest, SectionKind};
use riskgate_engine::response::Response;
use riskgate_engine::ruleset::{Ruleset, Scratch};

use crate::counted::{Play, bundle, counted_sections, second_definition};
use crate::fixture::{REVISION, SIGNER, build, load, manifest, section_mut};

fn play() -> (Ruleset, Play) {
    (load(&bundle()).unwrap(), Play::default())
}

const OK: Option<Response<'static>> = Some(Response {
    code: Some(200),
    headers: &[],
});
const UNAUTHORIZED: Option<Response<'static>> = Some(Response {
    code: Some(401),
    headers: &[],
});

#[test]
fn a_request_is_counted_before_rules_read() {
    let (ruleset, mut play) = play();
    let mut buy = |device, time_s| play.request(&ruleset, ("/buy", &[device], time_s), None);
    let none: [&str; 0] = [];
    assert_eq!(buy("a", 0), none);
    assert_eq!(buy("a", 1), none);
    assert_eq!(buy("a", 7), ["rule-0"]);
    // Each slice is a second long here: at 8 the one at 0 is out of the window, at 9 the next.
    assert_eq!(buy("a", 8), ["rule-0"]);
    assert_eq!(buy("a", 9), ["rule-0"]);
    assert_eq!(buy("a", 17), none);
}

#[test]
fn keys_are_apart_and_an_absent_one_is_not_counted() {
    let (ruleset, mut play) = play();
    let mut seen = |path, devices: &[&str]| {
        let matched = play.request(&ruleset, (path, devices, 50), None);
        matched.contains(&"rule-0".to_owned())
    };
    for _ in 0..2 {
        assert!(!seen("/buy", &["a"]) && !seen("/buy", &["b"]));
        assert!(!seen("/buy", &[]) && !seen("/other", &["a"]));
    }
    assert!(seen("/buy", &["a"]) && seen("/other", &["a"]));
    assert!(!seen("/other", &["b"]));
    // Of several keys the greatest counts, and each of them is counted.
    assert!(seen("/other", &["new", "b", "a"]) && !seen("/buy", &["new", "new"]));
    assert!(seen("/buy", &["b", "new"]) && !seen("/other", &["new"]));
    assert!(!seen("/buy", &[]));
}

#[test]
fn different_values_are_counted_once_each() {
    let (ruleset, mut play) = play();
    let mut matches = |devices: &[&str], time_s| {
        let matched = play.request(&ruleset, ("/", devices, time_s), None);
        matched.contains(&"rule-2".to_owned())
    };
    assert!(!matches(&["a"], 100) && !matches(&["a", "a"], 101) && !matches(&[], 102));
    assert!(matches(&["b"], 103) && matches(&[], 103));
    assert!(!matches(&["b"], 110));
    assert!(matches(&["c", "d"], 120));
}

#[test]
fn some_counters_wait_for_the_response() {
    let (ruleset, mut play) = play();
    let mut login = |path, time_s, response| {
        let matched = play.request(&ruleset, (path, &[], time_s), response);
        matched.contains(&"rule-1".to_owned())
    };
    let bad = Response {
        code: Some(200),
        headers: &[
            (b"x-other", b"bad"),
            (b"x-result", b"good"),
            (b"x-result", b"bad"),
        ],
    };
    assert!(!login("/login", 0, UNAUTHORIZED));
    assert!(!login("/login", 0, OK));
    assert!(!login("/login", 0, None));
    assert!(!login("/buy", 0, UNAUTHORIZED));
    assert!(!login("/login", 0, Some(Response::default())));
    assert!(!login("/login", 1, Some(bad)));
    assert!(login("/", 1, OK) && login("/", 7, OK));
    assert!(!login("/", 8, OK));
}

#[test]
fn only_what_may_still_count_waits() {
    let (ruleset, mut play) = play();
    play.request(&ruleset, ("/login", &[], 0), None);
    assert!(!play.pending.is_empty());
    play.request(&ruleset, ("/logout", &["a"], 0), None);
    assert!(play.pending.is_empty());
}

#[test]
fn what_waits_belongs_to_its_ruleset() {
    let (ruleset, mut play) = play();
    let other = Manifest {
        min_engine: 2,
        revision: REVISION + 1,
        ..manifest()
    };
    let other = load(&build(other, counted_sections(), &[SIGNER])).unwrap();
    let mut failed = |counts_with: &Ruleset| {
        play.request(&ruleset, ("/login", &[], 0), None);
        let Play {
            store,
            scratch,
            pending,
        } = &mut play;
        let response = UNAUTHORIZED.unwrap();
        counts_with.count_response(pending, &response, 0, store, scratch);
        let matched = play.request(&ruleset, ("/", &[], 0), None);
        matched.contains(&"rule-1".to_owned())
    };
    assert!(!failed(&ruleset) && !failed(&other) && !failed(&other));
    assert!(failed(&ruleset));
}

#[test]
fn without_a_store_counters_read_zero() {
    let (ruleset, mut play) = play();
    for _ in 0..5 {
        play.request(&ruleset, ("/buy", &["a"], 0), UNAUTHORIZED);
    }
    let request = riskgate_engine::request::Request {
        path: Some(b"/buy"),
        headers: &[(b"x-device", b"a")],
        ..Default::default()
    };
    let verdict = ruleset.decide(&request, &mut play.scratch);
    assert_eq!(verdict.matched().count(), 0);
}

#[test]
fn too_many_keys_are_said_to_be() {
    let (ruleset, mut play) = play();
    let devices: Vec<String> = (0..17).map(|device| device.to_string()).collect();
    let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
    for (count, dropped) in [(17, true), (16, false)] {
        play.request(&ruleset, ("/buy", &devices[..count], 0), None);
        assert_eq!(play.scratch.keys_were_dropped(), dropped, "{count} keys");
    }
    play.request(&ruleset, ("/buy", &["16"], 0), None);
    let matched = play.request(&ruleset, ("/buy", &["16"], 0), None);
    assert!(matched.iter().all(|rule| rule != "rule-0"));
}

#[test]
fn what_a_ruleset_says_of_its_counters() {
    let (ruleset, _) = play();
    assert_eq!(ruleset.counters().len(), 3);
    assert_eq!(ruleset.counters()[1], second_definition());
    assert!(ruleset.counters()[2].is_distinct);
    let names: Vec<&str> = ruleset.counter_names().collect();
    assert_eq!(names, ["counter_0", "counter_1", "counter_2"]);
    assert!(ruleset.counts_responses() && ruleset.needs().response_code());
    let headers: Vec<&[u8]> = ruleset.response_headers().collect();
    assert_eq!(headers, [b"x-result"]);
    let plain = load(&crate::fixture::bundle()).unwrap();
    assert!(!plain.counts_responses() && plain.counters().is_empty());
    assert!(!plain.needs().response_code() && !plain.needs().response_headers());
}

fn load_altered(kind: SectionKind, alter: impl FnOnce(&mut Vec<u8>)) -> Result<(), String> {
    let mut altered: Vec<NewSection> = counted_sections();
    let bytes = section_mut(&mut altered, kind);
    let before = bytes.clone();
    alter(bytes);
    assert_ne!(*bytes, before, "nothing was altered");
    load(&build(manifest(), altered, &[SIGNER]))
        .map(drop)
        .map_err(|refusal| refusal.to_string())
}

/// Each alteration of a word of a counter, and whether it may stand.
#[test]
fn counters_that_are_refused() {
    let word = |counter: usize, offset: usize, value: u32| {
        load_altered(SectionKind::Counters, |bytes| {
            let at = 4 + counter * 48 + offset;
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        })
    };
    let (identity, name, window, keys, entry, distinct, waits, key) =
        (0, 16, 20, 24, 28, 32, 36, 40);
    let cases = [
        (0, identity, 7, true),
        (0, name, 0, false),
        (0, name, 99, false),
        (0, window, 86_400_000, true),
        (0, window, 86_400_008, false),
        (0, window, 992, false),
        (0, window, 8_001, false),
        (0, keys, 0, false),
        (0, keys, 262_144, true),
        (0, keys, 262_145, false),
        (2, keys, 8_192, true),
        (2, keys, 8_193, false),
        (0, entry, u32::MAX, true),
        (0, entry, 2, false),
        (1, entry, 99, false),
        (2, entry, u32::MAX - 1, true),
        (0, distinct, 1, true),
        (0, distinct, 3, false),
        (0, distinct, 4, false),
        (0, distinct, 5, false),
        (0, waits, 1, true),
        (0, waits, 2, false),
        (1, waits, 0, false),
        (1, key, 0, false),
        (2, key + 4, 0, false),
    ];
    for (counter, offset, value, is_fine) in cases {
        let loaded = word(counter, offset, value);
        assert_eq!(loaded.is_ok(), is_fine, "{value} at {offset}: {loaded:?}");
    }
    let twice = load_altered(SectionKind::Counters, |bytes| bytes.copy_within(4..20, 52));
    assert!(twice.is_err());
    let part = |attribute: u32| {
        load_altered(SectionKind::Counters, |bytes| {
            let at = bytes.len() - 4;
            bytes[at..].copy_from_slice(&attribute.to_le_bytes());
        })
    };
    assert!(part(0).is_ok() && part(3).is_err() && part(4).is_err() && part(5).is_err());
}

/// What is known last lets no rule in, and conditions ask for nothing that they cannot know.
#[test]
fn atoms_out_of_their_place_are_refused() {
    let node = |node: usize, atom: u32| {
        load_altered(SectionKind::Programs, |bytes| {
            let at = 4 + node * 12;
            bytes[at..at + 4].copy_from_slice(&atom.to_le_bytes());
        })
    };
    assert!(node(0, 5).is_ok() && node(0, 0).is_ok(), "a rule");
    assert!(
        node(0, 2).is_err() && node(0, 3).is_err(),
        "a rule of a response"
    );
    assert!(node(3, 1).is_ok(), "a counter");
    assert!(
        node(3, 2).is_err(),
        "a counter of a response that does not wait"
    );
    assert!(
        node(3, 4).is_err() && node(5, 4).is_err(),
        "a counter of a counter"
    );
    let policy = |atom: u32| {
        load_altered(SectionKind::Policy, |bytes| {
            let end = bytes.len();
            bytes[end - 4..].copy_from_slice(&1_u32.to_le_bytes());
            bytes.extend(atom.to_le_bytes());
        })
    };
    assert!(policy(0).is_ok() && policy(2).is_err() && policy(4).is_err());
    let posting = |atom: usize| {
        load_altered(SectionKind::Atoms, |bytes| {
            let at = 4 + atom * 24 + 20;
            bytes[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
            let end = bytes.len();
            bytes[end - 4..].copy_from_slice(&1_u32.to_le_bytes());
            bytes.extend(0_u32.to_le_bytes());
        })
    };
    assert!(posting(0).is_ok() && posting(3).is_err() && posting(5).is_err());
    let atom = load_altered(SectionKind::Atoms, |bytes| bytes[4 + 4 * 24] = 3);
    assert!(atom.is_err(), "an atom of a fourth counter");
}

#[test]
fn without_counters_nothing_asks_for_a_response() {
    let load_with = |atom: u32| {
        let mut sections = counted_sections();
        sections.retain(|section| section.kind != SectionKind::Counters);
        // The first four atoms are of no counter, the first three conditions of rules.
        let atoms = section_mut(&mut sections, SectionKind::Atoms);
        atoms.drain(4 + 4 * 24..4 + 7 * 24);
        atoms[0] = 4;
        let nodes = section_mut(&mut sections, SectionKind::Programs);
        nodes.truncate(4 + 3 * 12);
        nodes[0] = 3;
        for node in 0..3 {
            nodes[4 + node * 12..][..4].copy_from_slice(&atom.to_le_bytes());
        }
        load(&build(manifest(), sections, &[SIGNER]))
    };
    assert!(load_with(0).is_ok() && load_with(1).is_ok());
    assert!(load_with(2).is_err() && load_with(3).is_err());
}

#[test]
fn every_word_can_be_anything() {
    let original = counted_sections();
    let mut scratch = Scratch::default();
    for section in 0..original.len() {
        for word in 0..original[section].bytes.len() / 4 {
            for value in [0, 1, 2, 3, 0xff, 0x1_0000, u32::MAX - 1, u32::MAX] {
                let mut altered = original.clone();
                let bytes = &mut altered[section].bytes;
                bytes[word * 4..word * 4 + 4].copy_from_slice(&value.to_le_bytes());
                let Ok(ruleset) = load(&build(manifest(), altered, &[SIGNER])) else {
                    continue;
                };
                let mut play = Play {
                    scratch,
                    ..Play::default()
                };
                for path in ["/buy", "/login"] {
                    play.request(&ruleset, (path, &["a", "b"], 0), UNAUTHORIZED);
                }
                scratch = play.scratch;
            }
        }
    }
}
