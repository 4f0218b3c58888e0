//! A bundle that comes head first and section by section is judged as the whole file is.

use std::sync::Arc;

use riskgate_engine::admission::{AdmittedHead, Refusal};
use riskgate_engine::assembly::{Assembly, IncomingSection, WholeSection};
use riskgate_engine::bundle::{Bundle, MAX_HEAD_LEN, SectionKind};
use riskgate_engine::lists;
use riskgate_engine::ruleset::{Ruleset, Scratch};

use crate::fixture::{
    SIGNER, admission, build, bundle, for_each_request, load, manifest, section_mut, sections,
    trust,
};

/// The bytes of a file that are its head.
fn head_of(file: &[u8]) -> Vec<u8> {
    Bundle::parse(file).unwrap().head().to_bytes()
}

fn admit_head(head: &[u8]) -> Result<AdmittedHead, Refusal> {
    admission(&trust(&[SIGNER], 1)).admit_head(head)
}

/// An assembly of a file, with what `serving` has taken over and all else brought in pieces.
fn assemble(file: &[u8], serving: Option<&Ruleset>, piece_len: usize) -> Result<Assembly, Refusal> {
    let held = |hash: &[u8; 32]| {
        let mut whole = serving?.whole_sections().iter();
        whole.find(|section| section.hash() == hash).cloned()
    };
    let mut assembly = Assembly::new(admit_head(&head_of(file))?, |entry| held(&entry.hash));
    let bundle = Bundle::parse(file).unwrap();
    for (index, entry) in assembly.missing() {
        let mut incoming = IncomingSection::begin(entry).unwrap();
        for piece in bundle.sections()[index].bytes.unwrap().chunks(piece_len) {
            assert!(incoming.add(piece));
        }
        assembly.put(&incoming.finish().map_err(Refusal::BadHash)?);
    }
    assert_eq!(assembly.missing(), []);
    Ok(assembly)
}

/// Reads with so much work a step, and says how many steps and how much work that took.
fn read(mut assembly: Assembly, work: usize) -> (Ruleset, usize, usize) {
    let (mut steps, mut done) = (0, 0);
    loop {
        let mut left = work;
        steps += 1;
        let result = assembly.step(&mut left);
        done += work - left;
        if let Some(result) = result {
            return (result.unwrap(), steps, done);
        }
    }
}

fn verdicts(ruleset: &Ruleset) -> Vec<String> {
    let mut verdicts = Vec::new();
    for_each_request(|request| {
        let mut scratch = Scratch::default();
        let verdict = ruleset.decide(request, &mut scratch);
        let matched: Vec<&str> = verdict.matched().chain(verdict.shadowed()).collect();
        verdicts.push(format!("{} {matched:?}", verdict.action()));
    });
    verdicts
}

fn list_bytes(ruleset: &Ruleset) -> Vec<&WholeSection> {
    let sections = ruleset.whole_sections().iter();
    let lists = sections.filter(|section| section.kind() == SectionKind::List);
    lists.collect()
}

#[test]
fn what_comes_in_pieces_decides_as_the_whole_file() {
    let file = bundle();
    let expected = load(&file).unwrap();
    for piece_len in [1, 7, 64, 1 << 18] {
        for work in [1, 100, usize::MAX] {
            let assembly = assemble(&file, None, piece_len).unwrap();
            let (ruleset, ..) = read(assembly, work);
            assert_eq!(verdicts(&ruleset), verdicts(&expected));
            assert_eq!(ruleset.mark(), expected.mark());
            assert_eq!(&ruleset.head().bytes()[..], head_of(&file));
        }
    }
}

#[test]
fn the_work_of_a_step_is_bounded() {
    let file = bundle();
    let (_, steps, work) = read(assemble(&file, None, 64).unwrap(), usize::MAX);
    assert_eq!(steps, 1);
    let (_, steps, _) = read(assemble(&file, None, 64).unwrap(), work / 4);
    assert!((3..=16).contains(&steps), "{steps} steps");
}

#[test]
fn every_flipped_bit_of_a_head_is_refused_as_in_the_file() {
    let sent = Bundle::parse(&bundle()).unwrap().without_detached();
    let head = head_of(&sent);
    let mut altered = sent.clone();
    for bit in 0..head.len() * 8 {
        altered[bit / 8] ^= 1 << (bit % 8);
        let alone = admit_head(&altered[..head.len()]).unwrap_err();
        let in_file = load(&altered).unwrap_err();
        // The length of a section that a table names is seen in the file only where its bytes are.
        let is_expected = alone.code() == in_file.code()
            || (alone.code(), in_file.code()) == ("bad-hash", "malformed");
        assert!(is_expected, "byte {}: {alone} / {in_file}", bit / 8);
        altered[bit / 8] = sent[bit / 8];
    }
}

#[test]
fn a_head_is_as_long_as_it_says() {
    let head = head_of(&bundle());
    for length in 0..head.len() {
        assert!(admit_head(&head[..length]).is_err(), "cut to {length}");
    }
    for longer in [1, 64, MAX_HEAD_LEN] {
        let longer = [&head[..], &vec![0; longer]].concat();
        assert_eq!(admit_head(&longer).unwrap_err().code(), "malformed");
    }
}

#[test]
fn a_head_that_claims_to_be_complete_is_none_that_filters_are_sent() {
    let complete = bundle();
    let head_len = head_of(&complete).len();
    let refusal = admit_head(&complete[..head_len]).unwrap_err();
    assert_eq!(refusal.code(), "malformed");
    assert!(refusal.to_string().contains("no section was left out"));
}

#[test]
fn a_section_is_what_was_signed_or_nothing() {
    let file = bundle();
    let bundle = Bundle::parse(&file).unwrap();
    let assembly = Assembly::new(admit_head(&head_of(&file)).unwrap(), |_| None);
    for (index, entry) in assembly.missing() {
        let bytes = bundle.sections()[index].bytes.unwrap();
        let begin = || IncomingSection::begin(entry).unwrap();
        let mut short = begin();
        assert!(short.add(&bytes[1..]));
        assert!(short.finish().is_err());
        let mut long = begin();
        assert!(!long.add(&[bytes, &[0]].concat()), "nothing is taken");
        assert!(long.add(bytes) && !long.add(&[0]));
        assert!(long.finish().is_ok());
        let mut altered = bytes.to_vec();
        altered[bytes.len() / 2] ^= 1;
        let mut other = begin();
        assert!(other.add(&altered));
        assert!(other.finish().is_err());
    }
}

#[test]
fn a_list_that_serves_is_neither_sent_nor_read_again() {
    let values: Vec<Vec<u8>> = (0..10_000_u32).map(|n| n.to_le_bytes().into()).collect();
    let mut first = sections();
    *section_mut(&mut first, SectionKind::List) = lists::write_strings(&values);
    let mut second = first.clone();
    let policy = section_mut(&mut second, SectionKind::Policy);
    *policy = riskgate_engine::policy::PolicyWriter {
        always: vec![6],
        scanned: vec![2, 10],
        ..Default::default()
    }
    .write();
    let file = build(manifest(), first, &[SIGNER]);
    let (serving, _, all) = read(assemble(&file, None, 1 << 18).unwrap(), usize::MAX);
    let file = build(manifest(), second, &[SIGNER]);
    let bytes_missing = |serving| -> u32 {
        let held = |hash: &[u8; 32]| {
            let serving: Option<&Ruleset> = serving;
            let mut whole = serving?.whole_sections().iter();
            whole.find(|section| section.hash() == hash).cloned()
        };
        let head = admit_head(&head_of(&file)).unwrap();
        let missing = Assembly::new(head, |entry| held(&entry.hash)).missing();
        missing.iter().map(|(_, entry)| entry.length).sum()
    };
    assert!(bytes_missing(None) > 90_000 && bytes_missing(Some(&serving)) < 100);
    let (ruleset, _, after) = read(assemble(&file, Some(&serving), 64).unwrap(), usize::MAX);
    assert!(
        all > after + 90_000,
        "{all} and {after} bytes were looked at"
    );
    for (before, after) in list_bytes(&serving).iter().zip(list_bytes(&ruleset)) {
        assert!(Arc::ptr_eq(before.bytes(), after.bytes()));
    }
    assert_ne!(verdicts(&ruleset), verdicts(&serving));
    assert_eq!(verdicts(&ruleset), verdicts(&load(&file).unwrap()));
}

#[test]
fn a_section_of_another_kind_is_not_taken_over() {
    let serving = load(&bundle()).unwrap();
    let any = serving.whole_sections().first().unwrap().clone();
    let head = admit_head(&head_of(&bundle())).unwrap();
    let count = Assembly::new(head.clone(), |_| None).missing().len();
    let assembly = Assembly::new(head, |_| Some(any.clone()));
    assert_eq!(assembly.missing().len(), count - 1, "only where it belongs");
}

#[test]
fn an_empty_section_need_not_come() {
    let mut with_empty = sections();
    section_mut(&mut with_empty, SectionKind::Provenance).clear();
    let pairs = with_empty
        .iter()
        .position(|section| section.kind == SectionKind::Pairs);
    with_empty[pairs.unwrap()].bytes.clear();
    let file = build(manifest(), with_empty, &[SIGNER]);
    let assembly = Assembly::new(admit_head(&head_of(&file)).unwrap(), |_| None);
    let kinds = assembly.missing().into_iter().map(|(_, entry)| entry.kind);
    assert!(!kinds.into_iter().any(|kind| kind == SectionKind::Pairs));
    let result = assemble(&file, None, 64)
        .unwrap()
        .step(&mut usize::MAX.clone());
    assert_eq!(result.unwrap().unwrap_err(), load(&file).unwrap_err());
}
