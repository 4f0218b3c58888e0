//! Bundle bytes: read, validate, decide. What is not refused must not panic and must come to an end.

use std::sync::LazyLock;

use riskgate_compiler::build::load_unverified;
use riskgate_compiler::lower::lower;
use riskgate_engine::bundle::writer::NewSection;

use crate::oracle::check::{decide_sections, decides};
use crate::oracle::generate::{Dense, Dice, RequestCase, with_counters};

/// The first byte says what the others are.
pub(super) const FILE: u8 = b'F';
pub(super) const SECTIONS: u8 = b'S';
pub(super) const EDITS: u8 = b'E';

/// A ruleset with something in most sections, small enough for a fuzzer to find its way around, and requests to it.
struct Base {
    sections: Vec<NewSection>,
    requests: Vec<RequestCase>,
}

static BASE: LazyLock<Base> = LazyLock::new(|| {
    let mut dice = Dice::new(6);
    let dense = Dense::new(60, &mut dice);
    let requests = (0..8).map(|_| dense.request(&mut dice)).collect();
    let ruleset = with_counters(dense.ruleset, &mut dice);
    Base {
        sections: lower(&ruleset).expect("a generated ruleset compiles"),
        requests,
    }
});

/// A whole file, whose hashes a fuzzer cannot make; or new contents of sections, or changes of them, which are hashed and
/// signed again, as by a signer who makes a mistake or whose key has been stolen.
pub(crate) fn bundle(data: &[u8]) -> bool {
    let Some((mode, rest)) = data.split_first() else {
        return false;
    };
    match *mode {
        FILE => file(rest),
        SECTIONS => decide_sections(replaced(rest), &BASE.requests),
        EDITS => decide_sections(edited(rest), &BASE.requests),
        _ => false,
    }
}

fn file(bytes: &[u8]) -> bool {
    load_unverified(bytes, None).is_ok_and(|ruleset| {
        decides(&ruleset, &BASE.requests);
        true
    })
}

/// Which section, how long it is now, and its bytes; over and over.
fn replaced(mut data: &[u8]) -> Vec<NewSection> {
    let mut sections = BASE.sections.clone();
    while let Some(([at, low, high], rest)) = data.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (bytes, rest) = rest.split_at(length);
        let at = usize::from(*at) % sections.len();
        sections[at].bytes = bytes.to_vec();
        data = rest;
    }
    sections
}

/// Seven bytes each: which section, what, where, and two that say what with.
fn edited(data: &[u8]) -> Vec<NewSection> {
    let mut sections = BASE.sections.clone();
    for [section, what, low, middle, high, one, two] in data.as_chunks().0 {
        let at = usize::from(*section) % sections.len();
        let place = u32::from_le_bytes([*low, *middle, *high, 0]);
        edit(&mut sections[at].bytes, *what, place, *one, *two);
    }
    sections
}

fn edit(bytes: &mut Vec<u8>, what: u8, place: u32, one: u8, two: u8) {
    let place = usize::try_from(place).expect("a usize") % (bytes.len() + 1);
    let rest = &mut bytes[place..];
    match what % 8 {
        0 => rest.iter_mut().take(1).for_each(|byte| *byte = one),
        1 => rest
            .iter_mut()
            .take(1)
            .for_each(|byte| *byte = byte.wrapping_add(one)),
        2 => rest
            .iter_mut()
            .take(1)
            .for_each(|byte| *byte ^= 1 << (one % 8)),
        3 => overwrite(rest, &[one, two, 0, 0]),
        4 => overwrite(rest, &[one, two, 0xff, 0xff]),
        5 => bytes.truncate(place),
        6 => bytes
            .splice(place..place, std::iter::repeat_n(one, usize::from(two)))
            .for_each(drop),
        _ => {
            let end = bytes.len().min(place + usize::from(two));
            bytes.drain(place..end);
        }
    }
}

fn overwrite(bytes: &mut [u8], new: &[u8]) {
    for (old, new) in bytes.iter_mut().zip(new) {
        *old = *new;
    }
}

/// Nothing changed, every section as it is written, and a change of each.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut whole = vec![SECTIONS];
    let mut seeds = vec![vec![EDITS]];
    for (at, section) in BASE.sections.iter().enumerate() {
        let Ok(at) = u8::try_from(at) else { break };
        seeds.push(vec![EDITS, at, 1, 4, 0, 0, 1, 0]);
        if let Ok(length) = u16::try_from(section.bytes.len()) {
            let entry = [&[at], &length.to_le_bytes()[..], &section.bytes].concat();
            seeds.push([&[SECTIONS], entry.as_slice()].concat());
            whole.extend(entry);
        }
    }
    seeds.push(whole);
    seeds
}
