//! What a signed bundle may not hold, because it would cost a filter more than its size, or change more than headers.

use riskgate_engine::actions::MAX_BODY_LEN;
use riskgate_engine::attributes::{self, Attribute, Base, MAX_CHAINS, NO_KEY};
use riskgate_engine::bundle::SectionKind;
use riskgate_engine::dfa::{self, DfaWriter};
use riskgate_engine::rules::MAX_ID_LEN;
use riskgate_engine::strings::{MAX_HEADER_LEN, MAX_HEADER_NAME_LEN, StringsWriter};

use crate::fixture::{SIGNER, build, load, manifest, section_mut, sections};

/// Signs the fixture with one section altered, and checks that loading fails with these words.
fn refuses(kind: SectionKind, alter: impl FnOnce(&mut Vec<u8>), words: &str) {
    let mut altered = sections();
    let bytes = section_mut(&mut altered, kind);
    let before = bytes.clone();
    alter(bytes);
    assert!(*bytes != before, "nothing was altered for {words:?}");
    let refusal = load(&build(manifest(), altered, &[SIGNER])).expect_err(words);
    assert_eq!(refusal.code(), "bad-section", "{words}");
    assert!(
        refusal.to_string().contains(words),
        "{refusal} lacks {words:?}"
    );
}

fn set_word(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Slices that overlapped would make a walk over all of them quadratic in the size of the bundle.
#[test]
fn slices_that_overlap() {
    // The postings of atom 2 start where those of atom 1 do.
    refuses(
        SectionKind::Atoms,
        |bytes| set_word(bytes, 4 + 2 * 24 + 16, 0),
        "atoms",
    );
    // The tags of rule 6 are those of rule 1.
    refuses(
        SectionKind::Rules,
        |bytes| set_word(bytes, 4 + 6 * 48 + 24, 0),
        "rules",
    );
    // The second entry names the atoms of the first; two words and five bucket starts stand before the entries.
    refuses(
        SectionKind::Exact,
        |bytes| set_word(bytes, 4 + 2 * 4 + 4 + 5 * 4 + 4 + 16 + 8, 0),
        "exact",
    );
}

#[test]
fn rules_and_atoms_that_stand_twice() {
    let always_at = 8 + 4 + 2 * 16;
    let scanned_at = always_at + 4 + 4;
    let twice = |bytes: &mut Vec<u8>| set_word(bytes, scanned_at + 4 + 4, 2);
    refuses(SectionKind::Policy, twice, "policy");
    let twice = |bytes: &mut Vec<u8>| {
        set_word(bytes, always_at, 2);
        bytes.splice(always_at + 4..always_at + 4, 6_u32.to_le_bytes());
    };
    refuses(SectionKind::Policy, twice, "policy");
}

#[test]
fn conditions_that_share_nodes_or_go_backwards() {
    // Rule 1 starts where rule 0 does.
    refuses(
        SectionKind::Rules,
        |bytes| set_word(bytes, 4 + 48 + 4, 0),
        "programs",
    );
    // Node 0, the condition of rule 0, goes on in that of rule 1.
    refuses(
        SectionKind::Programs,
        |bytes| set_word(bytes, 4 + 4, 1),
        "programs",
    );
    // Node 5 goes on at itself, and at the node before.
    refuses(
        SectionKind::Programs,
        |bytes| set_word(bytes, 4 + 5 * 12 + 4, 5),
        "programs",
    );
    refuses(
        SectionKind::Programs,
        |bytes| set_word(bytes, 4 + 5 * 12 + 8, 4),
        "programs",
    );
}

/// Each chain of transforms copies the value it starts from.
#[test]
fn chains_without_end() {
    let load_with = |count: usize| {
        let mut altered = sections();
        altered.retain(|section| section.kind != SectionKind::Canaries);
        let mut strings = StringsWriter::default();
        strings.intern(b"");
        let attribute = |index: usize| Attribute {
            base: Base::Path,
            key: NO_KEY,
            transforms: strings.intern(&vec![0; index % 16]),
        };
        let many: Vec<Attribute> = (0..count).map(attribute).collect();
        // Nothing else is left that names a string or an attribute.
        let empty = 0_u32.to_le_bytes().to_vec();
        let none = |arrays: usize| empty.repeat(arrays);
        *section_mut(&mut altered, SectionKind::Strings) = strings.write();
        *section_mut(&mut altered, SectionKind::Attributes) = attributes::write(&many);
        *section_mut(&mut altered, SectionKind::Atoms) = none(2);
        *section_mut(&mut altered, SectionKind::Exact) =
            riskgate_engine::exact::ExactWriter::default().write();
        *section_mut(&mut altered, SectionKind::Programs) = none(1);
        *section_mut(&mut altered, SectionKind::Rules) = none(2);
        *section_mut(&mut altered, SectionKind::Literals) = none(5);
        *section_mut(&mut altered, SectionKind::Networks) = none(5);
        *section_mut(&mut altered, SectionKind::Ranks) = none(2);
        *section_mut(&mut altered, SectionKind::Pairs) = none(3);
        let allow = riskgate_engine::actions::Action {
            kind: riskgate_engine::actions::ActionKind::Allow,
            status: 0,
            body: 0,
            headers: (0, 0),
            template: (0, 0),
        };
        *section_mut(&mut altered, SectionKind::Actions) =
            riskgate_engine::actions::write(&[allow], &[], &[]);
        *section_mut(&mut altered, SectionKind::Policy) =
            riskgate_engine::policy::PolicyWriter::default().write();
        load(&build(manifest(), altered, &[SIGNER]))
    };
    load_with(MAX_CHAINS).unwrap();
    let refusal = load_with(MAX_CHAINS + 1).unwrap_err();
    assert_eq!(refusal.code(), "bad-section");
    assert!(
        refusal.to_string().contains("chains of transforms"),
        "{refusal}"
    );
}

/// An automaton's counts are multiplied: neither product nor sum may wrap or be trusted.
#[test]
fn automata_that_are_not_as_large_as_they_say() {
    let dfa = DfaWriter {
        classes: [0; 256],
        class_count: 1,
        start: 2,
        accepts_at_end: vec![false, true, true],
        transitions: vec![0, 1, 2],
    };
    let altered = |alter: &dyn Fn(&mut DfaWriter)| {
        let mut dfa = dfa.clone();
        alter(&mut dfa);
        let bytes = dfa.write();
        move |section: &mut Vec<u8>| *section = dfa::write(&[bytes])
    };
    refuses(
        SectionKind::Dfas,
        altered(&|dfa| dfa.start = 3),
        "automaton",
    );
    refuses(
        SectionKind::Dfas,
        altered(&|dfa| dfa.classes[9] = 1),
        "automaton",
    );
    refuses(
        SectionKind::Dfas,
        altered(&|dfa| dfa.class_count = 0),
        "automaton",
    );
    refuses(
        SectionKind::Dfas,
        altered(&|dfa| dfa.class_count = u16::MAX),
        "automaton",
    );
    let too_many_classes = altered(&|dfa| {
        dfa.class_count = 257;
        dfa.transitions = vec![0; 3 * 257];
    });
    refuses(SectionKind::Dfas, too_many_classes, "automaton");
    refuses(
        SectionKind::Dfas,
        altered(&|dfa| dfa.transitions[2] = 3),
        "automaton",
    );
    refuses(
        SectionKind::Dfas,
        altered(&|dfa| dfa.accepts_at_end.truncate(1)),
        "automaton",
    );
    refuses(
        SectionKind::Dfas,
        altered(&|dfa| dfa.transitions.push(0)),
        "automaton",
    );
    for states in [5, u32::MAX / 2, u32::MAX] {
        // Behind the section's count, the automaton's length and its number of classes.
        refuses(
            SectionKind::Dfas,
            |bytes| set_word(bytes, 4 + 4 + 2, states),
            "automaton",
        );
    }
}

/// Counts of records are checked against the bytes that are there before anything is sized by them.
#[test]
fn counts_beyond_the_section() {
    let kinds = sections().into_iter().map(|section| section.kind);
    for kind in kinds.filter(|kind| *kind != SectionKind::Provenance) {
        let count_at = match kind {
            SectionKind::Policy | SectionKind::List => 8,
            _ => 0,
        };
        for count in [100_000, u32::MAX / 4, u32::MAX] {
            let name = match kind {
                SectionKind::List => "a list".to_owned(),
                kind => kind.to_string(),
            };
            refuses(kind, |bytes| set_word(bytes, count_at, count), &name);
        }
    }
}

/// Tags and headers are written to requests and replies as they are.
#[test]
fn text_that_would_start_another_header() {
    let replaced = |old: &'static [u8], new: &'static [u8]| {
        move |bytes: &mut Vec<u8>| {
            assert_eq!(old.len(), new.len());
            let at = bytes
                .windows(old.len())
                .position(|window| window == old)
                .unwrap();
            bytes[at..at + old.len()].copy_from_slice(new);
        }
    };
    let strings = SectionKind::Strings;
    refuses(strings, replaced(b"scanner", b"scan\r\nr"), "rules");
    refuses(strings, replaced(b"clientsc", b"clien:sc"), "rules");
    refuses(strings, replaced(b"retry-after", b"Retry-after"), "actions");
    refuses(strings, replaced(b"retry-after", b"retry after"), "actions");
    refuses(
        strings,
        replaced(b"application/json", b"application\njson"),
        "actions",
    );
    refuses(
        strings,
        replaced(b"verify.example", b"verify\0example"),
        "actions",
    );
    refuses(
        strings,
        replaced(b"verify.example", b"verify\xffexample"),
        "actions",
    );
}

/// Headers that frame the reply are the proxy's.
#[test]
fn headers_that_frame_the_reply() {
    let names = riskgate_engine::actions::FRAMING_HEADERS;
    for name in names.into_iter().chain(["x-framing"]) {
        let mut altered = sections();
        let strings = section_mut(&mut altered, SectionKind::Strings);
        let id = append_text(strings, name.as_bytes());
        // Behind the five actions and the headers' count stands the name of the first header.
        let name_at = 4 + 5 * 24 + 4;
        set_word(section_mut(&mut altered, SectionKind::Actions), name_at, id);
        let loaded = load(&build(manifest(), altered, &[SIGNER]));
        assert_eq!(loaded.is_err(), name != "x-framing", "{name}: {loaded:?}");
    }
}

/// A tag that no rule has would be checked at every load and never used.
#[test]
fn tags_of_no_rule() {
    let one_more = |bytes: &mut Vec<u8>| {
        set_word(bytes, 4 + 13 * 48, 3);
        let last = bytes[bytes.len() - 8..].to_vec();
        bytes.extend(last);
    };
    refuses(SectionKind::Rules, one_more, "rules");
}

/// A value ends where the next begins, and the last one where the values end.
#[test]
fn list_values_beyond_the_last() {
    let mut altered = sections();
    let list = section_mut(&mut altered, SectionKind::List);
    *list = riskgate_engine::lists::write_strings(&[b"value-1".to_vec(), b"value-2".to_vec()]);
    // Behind type, two starts, the entries' count and the first entry stands the offset of the second.
    let second_offset_at = 8 + 4 + 2 * 4 + 4 + 4;
    assert_eq!(list[second_offset_at], 7);
    load(&build(manifest(), altered.clone(), &[SIGNER])).unwrap();
    section_mut(&mut altered, SectionKind::List)[second_offset_at] = 15;
    let refusal = load(&build(manifest(), altered, &[SIGNER])).unwrap_err();
    assert!(refusal.to_string().contains("a list"), "{refusal}");
}

/// What a decision copies is short, however often a bundle names it.
#[test]
fn replies_and_names_without_end() {
    /// Alters an action; the fixture's third has two headers, its fourth a template of five parts.
    fn action(action: usize, at: usize, word: u32) -> impl FnOnce(&mut Vec<u8>) {
        move |bytes| set_word(bytes, 4 + action * 24 + at, word)
    }
    refuses(SectionKind::Actions, action(2, 12, 65), "headers");
    refuses(SectionKind::Actions, action(3, 20, 513), "template");
    // A string that is longer than any of these may be, in the place of each.
    let with_long_string = |kind: SectionKind, at: usize, length: usize, words: &str| {
        let mut altered = sections();
        let strings = section_mut(&mut altered, SectionKind::Strings);
        let id = append_string(strings, length);
        set_word(section_mut(&mut altered, kind), at, id);
        let loaded = load(&build(manifest(), altered, &[SIGNER]));
        match words {
            "" => assert!(loaded.is_ok(), "{length} bytes are fine: {loaded:?}"),
            _ => assert!(loaded.unwrap_err().to_string().contains(words), "{words}"),
        }
    };
    let rule_id_at = 4 + 3 * 48;
    with_long_string(SectionKind::Rules, rule_id_at, MAX_ID_LEN, "");
    with_long_string(
        SectionKind::Rules,
        rule_id_at,
        MAX_ID_LEN + 1,
        "id of a rule",
    );
    let tag_name_at = 4 + 13 * 48 + 4;
    with_long_string(SectionKind::Rules, tag_name_at, MAX_HEADER_NAME_LEN, "");
    with_long_string(
        SectionKind::Rules,
        tag_name_at,
        MAX_HEADER_NAME_LEN + 1,
        "name of a header",
    );
    let tag_value_at = tag_name_at + 4;
    with_long_string(SectionKind::Rules, tag_value_at, MAX_HEADER_LEN, "");
    with_long_string(
        SectionKind::Rules,
        tag_value_at,
        MAX_HEADER_LEN + 1,
        "value of a header",
    );
    let body_at = 4 + 2 * 24 + 4;
    with_long_string(SectionKind::Actions, body_at, MAX_BODY_LEN, "");
    with_long_string(
        SectionKind::Actions,
        body_at,
        MAX_BODY_LEN + 1,
        "body of a reply",
    );
    let header_value_at = 4 + 5 * 24 + 4 + 4;
    with_long_string(
        SectionKind::Actions,
        header_value_at,
        MAX_HEADER_LEN + 1,
        "value of a header",
    );
    let literal_at = 4 + 5 * 24 + 4 + 2 * 8 + 4 + 4;
    with_long_string(
        SectionKind::Actions,
        literal_at,
        MAX_HEADER_LEN + 1,
        "value of a header",
    );
}

/// Adds a string of this length to the section and returns its index.
fn append_string(section: &mut Vec<u8>, length: usize) -> u32 {
    append_text(section, &vec![b'x'; length])
}

/// Adds a string to the section and returns its index.
fn append_text(section: &mut Vec<u8>, text: &[u8]) -> u32 {
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let offsets = word(section, 0);
    let blob_len_at = 4 + offsets as usize * 4;
    let end = word(section, blob_len_at) + u32::try_from(text.len()).unwrap();
    set_word(section, blob_len_at, end);
    section.splice(blob_len_at..blob_len_at, end.to_le_bytes());
    set_word(section, 0, offsets + 1);
    section.extend(text);
    offsets - 1
}
