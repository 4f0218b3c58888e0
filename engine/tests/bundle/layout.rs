//! docs/bundle-format.md, held against a real bundle: the golden one is taken apart by the tables of that page.

use std::collections::BTreeMap;

use riskgate_engine::bundle::{Bundle, Digest, OnExpired};
use riskgate_engine::trust::{key_id, signing_payload};

const PAGE: &str = include_str!("../../../docs/bundle-format.md");
const GOLDEN: &[u8] = include_bytes!("../../../testdata/golden/v2.bundle");

/// A record as the page describes it.
#[derive(Debug, Default)]
struct Layout {
    /// Name, offset and size.
    fields: Vec<(String, usize, usize)>,
}

impl Layout {
    fn size(&self) -> usize {
        self.fields.iter().map(|(_, _, size)| size).sum()
    }

    /// A field of the record at the front of `bytes`.
    fn get<'a>(&self, field: &str, bytes: &'a [u8]) -> &'a [u8] {
        let found = self.fields.iter().find(|(name, ..)| name == field);
        let (_, offset, size) = found.unwrap_or_else(|| panic!("the page has no field {field:?}"));
        &bytes[*offset..offset + size]
    }

    fn number(&self, field: &str, bytes: &[u8]) -> u64 {
        number(self.get(field, bytes))
    }
}

/// Little-endian.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The tables that give offsets and sizes: by what the page says that they are fields of, else by their heading.
fn layouts() -> BTreeMap<String, Layout> {
    let mut layouts: BTreeMap<String, Layout> = BTreeMap::new();
    let (mut heading, mut current) = (String::new(), None);
    for line in PAGE.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            heading = title.to_lowercase();
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        match cells.as_slice() {
            ["offset", "size", title, "value"] => {
                let name = title.strip_prefix("field of ").unwrap_or(&heading);
                let name = name
                    .trim_start_matches("an ")
                    .trim_start_matches("a ")
                    .to_owned();
                assert!(!layouts.contains_key(&name), "two tables for {name:?}");
                layouts.insert(name.clone(), Layout::default());
                current = Some(name);
            }
            ["---", ..] => {}
            [offset, size, field, _] if current.is_some() => {
                let layout = layouts.get_mut(current.as_ref().unwrap()).unwrap();
                let offset: usize = offset.parse().unwrap();
                assert_eq!(offset, layout.size(), "a gap before {field:?}");
                layout
                    .fields
                    .push(((*field).to_owned(), offset, size.parse().unwrap()));
            }
            _ => current = None,
        }
    }
    layouts
}

#[test]
fn the_sizes_that_the_page_gives() {
    let sizes: BTreeMap<String, usize> = layouts()
        .into_iter()
        .map(|(name, layout)| (name, layout.size()))
        .collect();
    let expected = [
        ("IPv4 block", 5),
        ("IPv4 interval", 8),
        ("IPv6 interval", 20),
        ("action", 24),
        ("atom", 24),
        ("attribute", 12),
        ("automaton", 266),
        ("band", 16),
        ("canary", 16),
        ("comparison table", 16),
        ("counter", 48),
        ("entry", 16),
        ("filed atom", 12),
        ("filter", 12),
        ("grouped IPv4 block", 3),
        ("header", 64),
        ("header of a reply", 8),
        ("list", 8),
        ("literal entry", 20),
        ("literal table", 20),
        ("manifest", 74),
        ("narrow IPv6 block", 17),
        ("network", 12),
        ("network table", 20),
        ("node", 12),
        ("rule", 48),
        ("section table", 40),
        ("signature", 96),
        ("tag", 8),
        ("template part", 8),
        ("the policy", 8),
        ("threshold", 16),
        ("wide IPv6 block", 9),
    ];
    let expected: BTreeMap<String, usize> = expected
        .into_iter()
        .map(|(name, size)| (name.to_owned(), size))
        .collect();
    assert_eq!(sizes, expected);
}

/// The parts of the golden file, found by the page alone.
struct Parts {
    manifest: &'static [u8],
    signatures: &'static [u8],
    table: &'static [u8],
    sections: Vec<(u64, &'static [u8])>,
}

fn parts(layouts: &BTreeMap<String, Layout>) -> Parts {
    let (header, entry) = (&layouts["header"], &layouts["section table"]);
    let count = |field: &str| usize::try_from(header.number(field, GOLDEN)).unwrap();
    let (manifest, rest) = GOLDEN[header.size()..].split_at(count("manifest length"));
    let (signatures, rest) = rest.split_at(count("signature count") * layouts["signature"].size());
    let (table, rest) = rest.split_at(count("section count") * entry.size());
    let mut at = GOLDEN.len() - rest.len();
    let skip_padding = |at: usize| {
        let next = at.next_multiple_of(64);
        assert!(
            GOLDEN[at..next].iter().all(|byte| *byte == 0),
            "padding at {at}"
        );
        next
    };
    let mut sections = Vec::new();
    for entry_bytes in table.chunks(entry.size()) {
        at = skip_padding(at);
        let length = usize::try_from(entry.number("length", entry_bytes)).unwrap();
        sections.push((entry.number("kind", entry_bytes), &GOLDEN[at..at + length]));
        at += length;
    }
    assert_eq!(skip_padding(at), GOLDEN.len());
    Parts {
        manifest,
        signatures,
        table,
        sections,
    }
}

#[test]
fn header_and_manifest() {
    let layouts = layouts();
    let bundle = Bundle::parse(GOLDEN).unwrap();
    let (header, fixed) = (&layouts["header"], &layouts["manifest"]);
    assert_eq!(header.get("magic", GOLDEN), b"RISKGATE");
    assert_eq!(header.number("format version", GOLDEN), 2);
    assert_eq!(header.number("flags", GOLDEN), 0);
    assert!(header.get("reserved", GOLDEN).iter().all(|byte| *byte == 0));

    let parts = parts(&layouts);
    let (bytes, manifest) = (parts.manifest, bundle.manifest());
    assert_eq!(bytes, bundle.manifest_bytes());
    assert_eq!(fixed.get("magic", bytes), b"RGMF");
    assert_eq!(fixed.number("manifest version", bytes), 1);
    assert_eq!(
        fixed.number("minimum engine", bytes),
        u64::from(manifest.min_engine)
    );
    assert_eq!(fixed.number("revision", bytes), manifest.revision);
    assert_eq!(fixed.number("issued at", bytes), manifest.issued_at_s);
    assert_eq!(fixed.number("not before", bytes), manifest.not_before_s);
    assert_eq!(fixed.number("expires at", bytes), manifest.expires_at_s);
    assert_eq!(
        fixed.get("table hash", bytes),
        blake3::hash(parts.table).as_bytes()
    );
    assert_eq!(fixed.number("on expired", bytes), 2);
    assert_eq!(manifest.on_expired, OnExpired::Deny);
    assert_eq!(fixed.number("restores", bytes), 0);
    assert_eq!(&bytes[fixed.size()..], b"\x06golden\x00");
    assert_eq!(bundle.digest(), Digest(*blake3::hash(bytes).as_bytes()));
}

#[test]
fn signatures_and_section_hashes() {
    let layouts = layouts();
    let bundle = Bundle::parse(GOLDEN).unwrap();
    let parts = parts(&layouts);
    let (signature, entry) = (&layouts["signature"], &layouts["section table"]);
    let signer =
        ed25519_dalek::SigningKey::from_bytes(b"riskgate golden bundle, TEST KEY").verifying_key();
    assert_eq!(parts.signatures.len(), signature.size());
    assert_eq!(
        signature.get("key id", parts.signatures),
        key_id(&signer.to_bytes())
    );
    let bytes = signature
        .get("signature", parts.signatures)
        .try_into()
        .unwrap();
    signer
        .verify_strict(
            &signing_payload(parts.manifest),
            &ed25519_dalek::Signature::from_bytes(&bytes),
        )
        .unwrap();

    let entries = parts.table.chunks(entry.size());
    for ((entry_bytes, section), (kind, contents)) in
        entries.zip(bundle.sections()).zip(&parts.sections)
    {
        assert_eq!(*kind, section.kind as u64);
        assert_eq!(Some(*contents), section.bytes);
        assert_eq!(
            entry.get("hash", entry_bytes),
            blake3::hash(contents).as_bytes()
        );
        assert_eq!(entry.number("flags", entry_bytes), u64::from(*kind == 16));
        let row = format!("| {kind} | {} |", section.kind);
        assert!(PAGE.contains(&row), "the page has no row {row:?}");
    }
}

/// Reads a section's parts one behind the other.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, length: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn count(&mut self) -> usize {
        usize::try_from(number(self.take(4))).unwrap()
    }

    /// Steps over an array; says how many records it has.
    fn array(&mut self, size: usize) -> usize {
        let count = self.count();
        self.take(count * size);
        count
    }
}

/// Every section ends exactly where the page says that its last array does.
#[test]
fn sections_are_made_of_the_arrays_that_the_page_names() {
    let layouts = layouts();
    let size = |name: &str| layouts[name].size();
    let golden = parts(&layouts);
    for (kind, bytes) in golden.sections {
        let mut reader = Reader(bytes);
        let arrays = |reader: &mut Reader<'_>, sizes: &[usize]| {
            sizes
                .iter()
                .map(|size| reader.array(*size))
                .collect::<Vec<usize>>()
        };
        let counts = match kind {
            1 => arrays(&mut reader, &[4, 1]),
            2 => arrays(&mut reader, &[size("attribute")]),
            3 => arrays(&mut reader, &[size("atom"), 4]),
            4 => arrays(&mut reader, &[4, 4, size("entry"), 4, 4]),
            5 => (0..reader.count())
                .map(|_| {
                    reader.count();
                    address_set(&mut reader, &layouts)
                })
                .collect(),
            6 => (0..reader.count())
                .map(|_| automaton(&mut reader, &layouts["automaton"]))
                .collect(),
            7 => arrays(&mut reader, &[size("node")]),
            8 => arrays(&mut reader, &[size("rule"), size("tag")]),
            9 => arrays(
                &mut reader,
                &[
                    size("action"),
                    size("header of a reply"),
                    size("template part"),
                ],
            ),
            10 => {
                reader.take(size("the policy"));
                arrays(&mut reader, &[size("band"), 4, 4])
            }
            11 => {
                let sizes = [size("literal table"), 4, 4, size("literal entry"), 4];
                arrays(&mut reader, &sizes)
            }
            12 => {
                let sizes = [
                    size("network table"),
                    size("IPv4 interval"),
                    size("IPv6 interval"),
                    size("network"),
                    4,
                ];
                arrays(&mut reader, &sizes)
            }
            13 => arrays(&mut reader, &[size("comparison table"), size("threshold")]),
            14 => arrays(&mut reader, &[size("filed atom"), size("filed atom"), 4]),
            15 => match number(&reader.take(size("list"))[..1]) {
                0 => arrays(&mut reader, &[4, 4, 1]),
                1 => vec![address_set(&mut reader, &layouts)],
                _ => {
                    reader.take(size("filter"));
                    arrays(&mut reader, &[2])
                }
            },
            16 => {
                assert!(
                    reader
                        .0
                        .starts_with(b"{\"lists\":[\"office\",\"blocked_devices\"],")
                );
                vec![reader.take(bytes.len()).len()]
            }
            _ => panic!("kind {kind}"),
        };
        assert!(
            reader.0.is_empty(),
            "{} bytes left in section {kind}",
            reader.0.len()
        );
        // No rule of this bundle is looked at, and no atom tested, for every request; nothing else is empty.
        let empty = counts.iter().filter(|count| **count == 0).count();
        assert_eq!(
            empty,
            2 * usize::from(kind == 10),
            "{counts:?} in section {kind}"
        );
    }
}

/// So does the section that only bundles with counters have, and its fields say what the author wrote.
#[test]
fn counters_stand_where_the_page_says() {
    const COUNTED: &[u8] = include_bytes!("../../../testdata/golden/v2-counters.bundle");
    let layout = &layouts()["counter"];
    let bundle = Bundle::parse(COUNTED).unwrap();
    assert_eq!(bundle.manifest().min_engine, 2);
    let section = bundle
        .sections()
        .iter()
        .find(|section| section.kind as u16 == 18)
        .unwrap();
    let bytes = section.bytes.unwrap();
    let mut reader = Reader(bytes);
    // The fifth counts what the fourth does.
    assert_eq!(reader.array(layout.size()), 4);
    assert_eq!(reader.array(4), 5);
    assert!(reader.0.is_empty());
    let counters: Vec<&[u8]> = bytes[4..].chunks(layout.size()).take(4).collect();
    let all = |field: &str| -> Vec<u64> {
        let numbers = counters.iter().map(|bytes| layout.number(field, bytes));
        numbers.collect()
    };
    assert_eq!(all("window"), [8_000, 86_400_000, 300_000, 1_000]);
    assert_eq!(all("keys"), [65_536, 1_000, 1, 262_144]);
    assert_eq!(all("waits"), [0, 0, 1, 0]);
    let none = u64::from(u32::MAX);
    let is_distinct: Vec<bool> = all("distinct").iter().map(|found| *found != none).collect();
    assert_eq!(is_distinct, [false, true, false, false]);
    let is_always: Vec<bool> = all("condition")
        .iter()
        .map(|found| *found == none)
        .collect();
    assert_eq!(is_always, [false, true, false, true]);
    let lengths: Vec<u64> = all("key").iter().map(|slice| slice >> 32).collect();
    assert_eq!(lengths, [1, 2, 1, 1]);
}

/// Steps over a set of addresses; says how many blocks it has.
fn address_set(reader: &mut Reader<'_>, layouts: &BTreeMap<String, Layout>) -> usize {
    let flat = ["IPv4 block", "wide IPv6 block", "narrow IPv6 block"];
    let flat: usize = flat
        .into_iter()
        .map(|name| reader.array(layouts[name].size()))
        .sum();
    reader.array(4);
    flat + reader.array(layouts["grouped IPv4 block"].size())
}

/// Steps over an automaton; says how many states it has.
fn automaton(reader: &mut Reader<'_>, layout: &Layout) -> usize {
    let length = reader.count();
    let mut inner = Reader(reader.take(length));
    let head = inner.take(layout.size()).to_vec();
    let classes = usize::try_from(layout.number("class count", &head)).unwrap();
    let states = usize::try_from(layout.number("state count", &head)).unwrap();
    inner.take(states.div_ceil(8));
    inner.take(states * classes * 2);
    assert!(inner.0.is_empty());
    states
}

#[test]
fn every_refusal_is_described() {
    use riskgate_engine::admission::Refusal;
    use riskgate_engine::bundle::BundleError;
    let name = || "x".to_owned();
    let refusals = [
        Refusal::Malformed(BundleError::Empty),
        Refusal::BadSignature,
        Refusal::Untrusted {
            valid: 0,
            threshold: 1,
        },
        Refusal::TooNewEngine { needed: 2 },
        Refusal::WrongRuleset {
            found: name(),
            expected: name(),
        },
        Refusal::WrongAudience {
            found: name(),
            expected: name(),
        },
        Refusal::BelowMinimum {
            revision: 1,
            minimum: 2,
        },
        Refusal::OlderRevision {
            revision: 1,
            accepted: 2,
        },
        Refusal::RevisionConflict { revision: 1 },
        Refusal::IssuedInFuture { ahead_s: 1 },
        Refusal::NotYetValid { wait_s: 1 },
        Refusal::Expired { ago_s: 1 },
        Refusal::BadHash(BundleError::BadTableHash),
        Refusal::BadSection(BundleError::BadTableHash),
    ];
    let rows: Vec<Vec<&str>> = PAGE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), refusals.len());
    for refusal in refusals {
        let code = format!("`{}`", refusal.code());
        let row = rows
            .iter()
            .find(|row| row[0] == code)
            .unwrap_or_else(|| panic!("{code} is not described"));
        assert_eq!(
            row[2],
            if refusal.is_permanent() { "yes" } else { "no" },
            "{code}"
        );
    }
}

#[test]
fn the_limits_that_the_page_gives() {
    use riskgate_engine::bundle::{
        ENGINE_VERSION, MAX_BUNDLE_LEN, MAX_MANIFEST_LEN, MAX_SECTIONS, MAX_SIGNATURES,
    };
    use riskgate_engine::{actions, attributes, body, counters, dfa, rules, strings};
    let limits = [
        ("the file", MAX_BUNDLE_LEN),
        ("the manifest", MAX_MANIFEST_LEN),
        ("signatures", MAX_SIGNATURES as usize),
        ("sections", MAX_SECTIONS as usize),
        ("an automaton", dfa::MAX_LEN),
        ("transforms of an attribute", attributes::MAX_TRANSFORMS),
        ("attributes", attributes::MAX_ATTRIBUTES),
        ("attributes with one base and key", attributes::MAX_CHAINS),
        ("JSON pointers", body::MAX_JSON_POINTERS),
        ("tokens of a JSON pointer", body::MAX_JSON_TOKENS),
        ("a rule's id", rules::MAX_ID_LEN),
        ("the name of a header or tag", strings::MAX_HEADER_NAME_LEN),
        (
            "the name of a header, parameter, cookie, claim or custom attribute that a rule reads",
            attributes::MAX_KEY_LEN,
        ),
        (
            "the value of a header or tag, a literal of a template",
            strings::MAX_HEADER_LEN,
        ),
        ("counters", counters::MAX_COUNTERS),
        ("parts of a counter's key", counters::MAX_PARTS),
        (
            "tests of the request in a condition that waits for the response",
            counters::MAX_REQUEST_ATOMS,
        ),
        ("headers of a reply", actions::MAX_HEADERS),
        ("the body of a reply", actions::MAX_BODY_LEN),
        (
            "parts of a redirect's template",
            actions::MAX_TEMPLATE_PARTS,
        ),
    ];
    let (_, section) = PAGE.split_once("\n## Limits\n").unwrap();
    for (what, limit) in limits {
        let row = section
            .lines()
            .find(|line| line.starts_with(&format!("| {what} |")))
            .expect(what);
        let figure = row
            .split('|')
            .nth(2)
            .unwrap()
            .trim()
            .split(' ')
            .next()
            .unwrap();
        assert_eq!(figure.replace(',', ""), limit.to_string(), "{what}");
    }
    assert!(PAGE.contains(&format!("This engine's version is {ENGINE_VERSION} ")));
}
