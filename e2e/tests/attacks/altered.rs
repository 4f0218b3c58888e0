//! Files that were good, until somebody took them apart.

use crate::attack::{Attack, ONE_KEY, TWO_KEYS, attack, try_all};
use crate::forge::{Parts, Spec, TTL_S, next};

/// A bundle of the same signer that an attacker has too. Its file is as long.
fn other() -> Spec<'static> {
    Spec {
        denied: "/any",
        ..next()
    }
}

pub(crate) fn stripped() -> Vec<Attack> {
    let mut parts = next().parts();
    parts.signatures.clear();
    vec![attack(
        "all signatures are taken away",
        parts.file(),
        "untrusted",
    )]
}

pub(crate) fn stripped_of_two() -> Vec<Attack> {
    let both = Spec {
        signers: &[1, 2],
        ..next()
    };
    let without = |index: usize| {
        let mut parts = both.parts();
        parts.signatures.remove(index);
        attack(
            "one of two needed signatures is taken away",
            parts.file(),
            "untrusted",
        )
    };
    vec![without(0), without(1)]
}

pub(crate) fn truncated() -> Vec<Attack> {
    let parts = next().parts();
    let file = parts.file();
    let ends = parts.ends();
    assert_eq!(ends.last(), Some(&file.len()));
    // The filter's own tests cut at every byte; here each part loses its last one, and goes missing.
    let cuts = ends.iter().flat_map(|end| [end.saturating_sub(1), *end]);
    let cuts = cuts.filter(|cut| *cut < file.len() && *cut > 0);
    cuts.map(|cut| attack("the file is cut short", file[..cut].to_vec(), "malformed"))
        .collect()
}

pub(crate) fn reordered() -> Vec<Attack> {
    let both = Spec {
        signers: &[1, 2],
        ..next()
    };
    let of = |name, reorder: fn(&mut Parts), answer| {
        let mut parts = both.parts();
        reorder(&mut parts);
        attack(name, parts.file(), answer)
    };
    let swap_entries = |parts: &mut Parts| parts.table.swap(0, 1);
    let swap_lists = |parts: &mut Parts| {
        let (a, b) = lists(parts);
        parts.table.swap(a, b);
        parts.sections.swap(a, b);
    };
    let swap_contents = |parts: &mut Parts| {
        let (a, b) = lists(parts);
        assert_eq!(parts.sections[a].len(), parts.sections[b].len());
        parts.sections.swap(a, b);
    };
    let swap_signatures = |parts: &mut Parts| parts.signatures.swap(0, 1);
    vec![
        of(
            "entries of the section table are swapped",
            swap_entries,
            "malformed",
        ),
        of(
            "two lists are swapped with their entries",
            swap_lists,
            "bad-hash",
        ),
        of(
            "the contents of two lists are swapped",
            swap_contents,
            "bad-hash",
        ),
        of("signatures are swapped", swap_signatures, "malformed"),
    ]
}

/// Where the two lists are: the only sections of one kind.
fn lists(parts: &Parts) -> (usize, usize) {
    let places = parts.table.iter().enumerate();
    let lists: Vec<usize> = places
        .filter(|(_, entry)| entry[0] == 15)
        .map(|(index, _)| index)
        .collect();
    (lists[0], lists[1])
}

pub(crate) fn substituted() -> Vec<Attack> {
    let of = |name, substitute: fn(&mut Parts, Parts), answer| {
        let mut parts = next().parts();
        substitute(&mut parts, other().parts());
        attack(name, parts.file(), answer)
    };
    let section = |parts: &mut Parts, other: Parts| parts.sections = other.sections;
    let table = |parts: &mut Parts, other: Parts| {
        (parts.table, parts.sections) = (other.table, other.sections);
    };
    let manifest = |parts: &mut Parts, other: Parts| parts.manifest = other.manifest;
    let signed = |parts: &mut Parts, other: Parts| {
        (parts.manifest, parts.signatures) = (other.manifest, other.signatures);
    };
    let signatures = |parts: &mut Parts, other: Parts| parts.signatures = other.signatures;
    assert_eq!(next().file().len(), other().file().len());
    vec![
        of("sections of another signed bundle", section, "bad-hash"),
        of(
            "sections and table of another signed bundle",
            table,
            "bad-hash",
        ),
        of(
            "the manifest of another signed bundle",
            manifest,
            "bad-signature",
        ),
        of(
            "manifest and signatures of another signed bundle",
            signed,
            "bad-hash",
        ),
        of(
            "the signatures of another signed bundle",
            signatures,
            "bad-signature",
        ),
    ]
}

/// Bytes of the manifest that are worth altering.
pub(crate) fn rewritten() -> Vec<Attack> {
    let of = |name, at: usize, value: &[u8]| {
        let mut parts = next().parts();
        assert_ne!(parts.manifest[at..at + value.len()], *value, "{name}");
        parts.manifest[at..at + value.len()].copy_from_slice(value);
        attack(name, parts.file(), "bad-signature")
    };
    let later = next().issued_at_s + 1_000 * TTL_S;
    let mut restoring = next().parts();
    restoring.manifest[73] = 1;
    restoring.manifest.splice(74..74, [7; 32]);
    vec![
        of("the revision is raised", 8, &99_u64.to_le_bytes()),
        of("the expiry is put off", 32, &later.to_le_bytes()),
        of("what happens on expiry is rewritten", 72, &[1]),
        of("the minimum engine is lowered", 6, &1_u16.to_le_bytes()),
        attack(
            "it is passed off as a rollback",
            restoring.file(),
            "bad-signature",
        ),
    ]
}

/// The header is not signed: what it says must not matter.
pub(crate) fn relabelled() -> Vec<Attack> {
    let of = |name, version: u16, flags: u16| {
        let mut parts = next().parts();
        assert_ne!((parts.version, parts.flags), (version, flags));
        (parts.version, parts.flags) = (version, flags);
        attack(name, parts.file(), "malformed")
    };
    assert!(next().parts().is_sent());
    vec![
        of("an older format version", 1, 1),
        of("a newer format version", 3, 1),
        of("the flag of what was left out is cleared", 2, 0),
        of("an unknown flag", 2, 3),
    ]
}

#[test]
fn stripping() {
    try_all(ONE_KEY, &stripped());
    try_all(TWO_KEYS, &stripped_of_two());
}

#[test]
fn truncation() {
    let attacks = truncated();
    assert!(attacks.len() > 40, "{}", attacks.len());
    try_all(ONE_KEY, &attacks);
}

#[test]
fn reordering() {
    try_all(TWO_KEYS, &reordered());
}

#[test]
fn substitution() {
    try_all(ONE_KEY, &substituted());
}

#[test]
fn rewriting() {
    try_all(ONE_KEY, &rewritten());
}

#[test]
fn relabelling() {
    try_all(ONE_KEY, &relabelled());
}
