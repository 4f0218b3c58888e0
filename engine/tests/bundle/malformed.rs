//! A signature says who made a bundle, not that it was made well: whatever a trusted key signed is either refused, or
//! decides requests without a panic and in bounded time.

use std::cell::{Cell, RefCell};

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use riskgate_engine::bundle::writer::NewSection;
use riskgate_engine::ruleset::Scratch;

use crate::fixture::{SIGNER, build, for_each_request, load, manifest, sections};

/// A change to the bytes of a section. Places are taken modulo its length.
#[derive(Debug, Clone)]
enum Change {
    Byte(usize, u8),
    /// At a multiple of four, where indices and counts stand.
    Word(usize, u32),
    SwapWords(usize, usize),
    Cut(usize),
    Append(Vec<u8>),
    Replace(Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let interesting = prop_oneof![
        4 => 0_u32..40,
        2 => any::<u32>(),
        1 => u32::MAX - 4..=u32::MAX,
        1 => (0_u32..32).prop_map(|shift| 1 << shift),
    ];
    prop_oneof![
        3 => (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        8 => (any::<usize>(), interesting).prop_map(|(at, word)| Change::Word(at, word)),
        3 => (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Change::SwapWords(a, b)),
        1 => any::<usize>().prop_map(Change::Cut),
        1 => vec(any::<u8>(), 1..64).prop_map(Change::Append),
        1 => vec(any::<u8>(), 0..256).prop_map(Change::Replace),
        1 => (any::<usize>(), 1_usize..64).prop_map(|(at, length)| Change::Remove(at, length)),
        1 => (any::<usize>(), 1_usize..64).prop_map(|(at, length)| Change::Repeat(at, length)),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let words = length / 4;
        match self {
            Change::Replace(new) => bytes.clone_from(new),
            Change::Append(more) => bytes.extend_from_slice(more),
            _ if words == 0 => {}
            Change::Byte(at, byte) => bytes[at % length] = *byte,
            Change::Word(at, word) => {
                let at = at % words * 4;
                bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
            Change::SwapWords(a, b) => {
                let (a, b) = (a % words * 4, b % words * 4);
                for byte in 0..4 {
                    bytes.swap(a + byte, b + byte);
                }
            }
            Change::Cut(at) => bytes.truncate(at % length),
            Change::Remove(at, count) => {
                let at = at % length;
                bytes.drain(at..(at + count).min(length));
            }
            Change::Repeat(at, count) => {
                let at = at % length;
                let chunk = bytes[at..(at + count).min(length)].to_vec();
                bytes.splice(at..at, chunk);
            }
        }
    }
}

/// Loads what was signed; if that works, every part of every verdict can be asked for. Says whether it loaded.
fn survives(sections: Vec<NewSection>, scratch: &mut Scratch) -> bool {
    let Ok(ruleset) = load(&build(manifest(), sections, &[SIGNER])) else {
        return false;
    };
    for_each_request(|request| {
        let verdict = ruleset.decide(request, scratch);
        let texts = verdict
            .matched()
            .chain(verdict.shadowed())
            .chain(verdict.rule());
        let length = texts
            .chain(verdict.tags().map(|(name, _)| name))
            .map(str::len)
            .sum::<usize>();
        assert!(length < 1 << 20);
        let _ = (
            verdict.action(),
            verdict.status(),
            verdict.band(),
            verdict.score(),
            verdict.would(),
        );
        let _ = verdict.reply(request);
    });
    let _ = (
        ruleset.needs(),
        ruleset.claims().count(),
        ruleset.rule_ids().count(),
    );
    true
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

#[test]
fn altered_sections_are_refused_or_decide() {
    let original = sections();
    let scratch = RefCell::new(Scratch::default());
    let (loaded, refused) = (Cell::new(0), Cell::new(0));
    let changes = vec((0..original.len(), change()), 1..4);
    let cases = 4_000;
    TestRunner::new(config(cases))
        .run(&changes, |changes| {
            let mut altered = original.clone();
            for (section, change) in &changes {
                change.apply(&mut altered[*section].bytes);
            }
            // One scratch for all of them: what one ruleset leaves behind must not trouble the next.
            let count = if survives(altered, &mut scratch.borrow_mut()) {
                &loaded
            } else {
                &refused
            };
            count.set(count.get() + 1);
            Ok(())
        })
        .unwrap();
    // Were all of one kind, this test would show nothing.
    let (loaded, refused) = (loaded.get(), refused.get());
    assert!(
        loaded > cases / 50 && refused > cases / 50,
        "{loaded} loaded, {refused} refused"
    );
}

#[test]
fn every_word_of_every_section_can_be_anything() {
    let original = sections();
    let mut scratch = Scratch::default();
    for section in 0..original.len() {
        for word in 0..original[section].bytes.len() / 4 {
            for value in [0, 1, 2, 0xff, 0x1_0000, 0x7fff_ffff, u32::MAX - 1, u32::MAX] {
                let mut altered = original.clone();
                Change::Word(word, value).apply(&mut altered[section].bytes);
                survives(altered, &mut scratch);
            }
        }
    }
}

#[test]
fn random_sections_are_refused_or_decide() {
    let kinds: Vec<_> = sections().iter().map(|section| section.kind).collect();
    let contents = vec(
        prop_oneof![vec(any::<u8>(), 0..200), vec(0_u8..3, 0..200)],
        kinds.len(),
    );
    let scratch = RefCell::new(Scratch::default());
    TestRunner::new(config(1_000))
        .run(&contents, |contents| {
            let sections = kinds.iter().zip(contents);
            let sections = sections.map(|(kind, bytes)| NewSection { kind: *kind, bytes });
            survives(sections.collect(), &mut scratch.borrow_mut());
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_missing_section_is_refused() {
    for section in sections().iter().map(|section| section.kind) {
        let mut rest = sections();
        rest.retain(|other| other.kind != section);
        let loads = survives(rest, &mut Scratch::default());
        // Names and source spans are for people.
        assert_eq!(loads, section.to_string() == "provenance", "{section}");
    }
}

/// Whoever can reach a filter's stream can send it any file.
#[test]
fn files_of_anything_are_refused() {
    let header = (0..3_600_u32, 0..18_u32, 0..70_u32, any::<bool>());
    let rest = prop_oneof![vec(any::<u8>(), 0..4_000), vec(0_u8..13, 0..4_000)];
    TestRunner::new(config(2_000))
        .run(
            &(header, rest),
            |((manifest, signatures, sections, left_out), rest)| {
                let mut file = b"RISKGATE\x01\0".to_vec();
                file.extend_from_slice(&[u8::from(left_out), 0]);
                for count in [manifest, signatures, sections] {
                    file.extend_from_slice(&count.to_le_bytes());
                }
                file.resize(64, 0);
                file.extend_from_slice(&rest);
                assert!(load(&file).is_err());
                assert!(load(&rest).is_err());
                Ok(())
            },
        )
        .unwrap();
}
