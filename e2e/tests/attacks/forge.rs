//! Bundles, good ones and such that no honest tool writes.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::{Signer as _, SigningKey};
use riskgate_compiler::build::{BuildOptions, build};
use riskgate_compiler::front::{self, Sources};
use riskgate_engine::bundle::{Bundle, Signature};
use riskgate_engine::trust::{key_id, signing_payload};

/// The ruleset that all three gates are set up for.
pub(crate) const RULESET: &str = "shop";
/// The revision that serves while an attack is tried.
pub(crate) const SERVES: u64 = 5;
/// What the next honest revision would be.
pub(crate) const NEXT: u64 = 6;
/// How long a bundle lives.
pub(crate) const TTL_S: u64 = 3_600;

/// What an honest signer says of a bundle.
#[derive(Clone, Copy)]
pub(crate) struct Spec<'a> {
    pub(crate) ruleset: &'a str,
    pub(crate) audience: Option<&'a str>,
    pub(crate) revision: u64,
    pub(crate) issued_at_s: u64,
    /// The path that is denied.
    pub(crate) denied: &'a str,
    pub(crate) signers: &'a [u8],
}

/// The bundle that an attacker may have seen, or would like to be: the next revision, good in every way.
pub(crate) fn next() -> Spec<'static> {
    Spec {
        ruleset: RULESET,
        audience: None,
        revision: NEXT,
        issued_at_s: now_s() - 10,
        denied: "/new",
        signers: &[1],
    }
}

/// The one time at which a run of the tests happens: bundles made twice are the same.
pub(crate) fn now_s() -> u64 {
    static NOW: OnceLock<u64> = OnceLock::new();
    *NOW.get_or_init(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
    })
}

/// A key that is always the same for the same number.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub(crate) fn sign(number: u8, payload: &[u8]) -> Signature {
    Signature {
        key_id: key_id(&key(number).verifying_key().to_bytes()),
        bytes: key(number).sign(payload).to_bytes(),
    }
}

impl Spec<'_> {
    /// As it is sent to filters.
    pub(crate) fn file(&self) -> Vec<u8> {
        let (name, denied) = (self.ruleset, self.denied);
        // Other lists where other rules serve: a filter takes lists over by their hash, whatever stands in the file.
        let ruleset = format!(
            "language: 1\nruleset: {name}\nttl: {TTL_S}s\non_expired: deny\nlists:\n  devices: {{ type: string, values: [phone{denied}] }}\n  offices: {{ type: string, values: [north{denied}] }}\n"
        );
        let rules = format!(
            "rules:\n  - {{ id: path, when: 'request.url_path == \"{denied}\"', then: deny }}\n  - {{ id: some, stage: canary, canary: {{ percent: 5, by: [client.ip] }}, when: 'request.url_path == \"/canary\"', then: deny }}\n  - {{ id: lists, when: 'request.headers[\"device\"] in lists.devices || request.headers[\"office\"] in lists.offices', then: deny }}\n"
        );
        let analysis = front::analyse(&Sources::from_texts([
            ("ruleset.yaml", &ruleset[..]),
            ("test.rules.yaml", &rules),
        ]));
        let ruleset = analysis
            .ruleset
            .unwrap_or_else(|| panic!("{:?}", analysis.diagnostics));
        let options = BuildOptions {
            revision: self.revision,
            issued_at_s: self.issued_at_s,
            audience: self.audience,
        };
        let built = build(&ruleset, &options, &key(1)).unwrap();
        let bundle = Bundle::parse(&built).unwrap();
        let payload = signing_payload(bundle.manifest_bytes());
        let signatures = self.signers.iter().map(|number| sign(*number, &payload));
        let signed = bundle.with_signatures(signatures.collect()).unwrap();
        Bundle::parse(&signed).unwrap().without_detached()
    }

    pub(crate) fn parts(&self) -> Parts {
        Parts::of(&self.file())
    }
}

/// A bundle file in its parts as docs/bundle-format.md gives them. Nothing is checked when they are put together.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) version: u16,
    pub(crate) flags: u16,
    pub(crate) manifest: Vec<u8>,
    pub(crate) signatures: Vec<Vec<u8>>,
    pub(crate) table: Vec<Vec<u8>>,
    pub(crate) sections: Vec<Vec<u8>>,
}

const HEADER_LEN: usize = 64;
const SIGNATURE_LEN: usize = 96;
const ENTRY_LEN: usize = 40;
/// Where an entry of the table has its section's length.
const ENTRY_LENGTH_AT: usize = 4;
const FLAG_DETACHED_LEFT_OUT: u16 = 1;

impl Parts {
    /// Of a file without its detached section, which is the last of the table.
    fn of(file: &[u8]) -> Parts {
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let (manifest_len, signatures, sections) = (number(12), number(16), number(20));
        let mut rest = &file[HEADER_LEN..];
        let mut take = |len: usize| rest.split_off(..len).unwrap().to_vec();
        let manifest = take(manifest_len);
        let signatures: Vec<_> = (0..signatures).map(|_| take(SIGNATURE_LEN)).collect();
        let table: Vec<_> = (0..sections).map(|_| take(ENTRY_LEN)).collect();
        let before =
            HEADER_LEN + manifest_len + signatures.len() * SIGNATURE_LEN + table.len() * ENTRY_LEN;
        take(padding_after(before));
        let lengths = table[..table.len() - 1].iter().map(|entry| {
            let length = &entry[ENTRY_LENGTH_AT..ENTRY_LENGTH_AT + 4];
            u32::from_le_bytes(length.try_into().unwrap()) as usize
        });
        let sections = lengths.map(|length| {
            let section = take(length);
            take(padding_after(length));
            section
        });
        let sections = sections.collect();
        assert_eq!(rest.len(), 0);
        Parts {
            version: u16::from_le_bytes([file[8], file[9]]),
            flags: u16::from_le_bytes([file[10], file[11]]),
            manifest,
            signatures,
            table,
            sections,
        }
    }

    pub(crate) fn file(&self) -> Vec<u8> {
        let mut file = b"RISKGATE".to_vec();
        file.extend(self.version.to_le_bytes());
        file.extend(self.flags.to_le_bytes());
        for count in [self.manifest.len(), self.signatures.len(), self.table.len()] {
            file.extend(u32::try_from(count).unwrap().to_le_bytes());
        }
        file.resize(HEADER_LEN, 0);
        file.extend(&self.manifest);
        file.extend(self.signatures.concat());
        file.extend(self.table.concat());
        file.resize(file.len() + padding_after(file.len()), 0);
        for section in &self.sections {
            file.extend(section);
            file.resize(file.len() + padding_after(section.len()), 0);
        }
        file
    }

    /// Where each part ends.
    pub(crate) fn ends(&self) -> Vec<usize> {
        let mut ends = vec![0, HEADER_LEN];
        let mut go = |len: usize| ends.push(ends[ends.len() - 1] + len);
        go(self.manifest.len());
        self.signatures.iter().for_each(|part| go(part.len()));
        self.table.iter().for_each(|part| go(part.len()));
        let before = ends[ends.len() - 1];
        let mut go = |len: usize| ends.push(ends[ends.len() - 1] + len);
        go(padding_after(before));
        for section in &self.sections {
            go(section.len());
            go(padding_after(section.len()));
        }
        ends
    }

    /// Whether it is a file without its detached sections.
    pub(crate) fn is_sent(&self) -> bool {
        self.flags == FLAG_DETACHED_LEFT_OUT
    }
}

/// A file as a push service takes it apart, however little it makes sense.
#[derive(PartialEq)]
pub(crate) struct Sent<'a> {
    /// What stands before the first section.
    pub(crate) head: &'a [u8],
    pub(crate) manifest: &'a [u8],
    /// Hash and contents, in the order of the table; each hash once.
    pub(crate) sections: Vec<([u8; 32], &'a [u8])>,
    table: Vec<&'a [u8]>,
}

impl<'a> Sent<'a> {
    pub(crate) fn of(file: &'a [u8]) -> Sent<'a> {
        let upto = |at: usize| &file[..at.min(file.len())];
        let number = |at: usize| {
            let bytes = file.get(at..at + 4).unwrap_or(&[0; 4]);
            u32::from_le_bytes(bytes.try_into().unwrap()) as usize
        };
        let manifest_end = HEADER_LEN + number(12);
        let table_at = manifest_end + SIGNATURE_LEN * number(16);
        let table_end = table_at + ENTRY_LEN * number(20);
        let head = upto(table_end + padding_after(table_end));
        let table = upto(table_end).get(table_at..).unwrap_or_default();
        let table: Vec<_> = table.chunks(ENTRY_LEN).collect();
        let mut sent = Sent {
            head,
            manifest: upto(manifest_end).get(HEADER_LEN..).unwrap_or_default(),
            sections: Vec::new(),
            table,
        };
        let mut at = head.len();
        for entry in sent.table.iter().filter(|entry| is_sent(entry)) {
            let len = length_of(entry);
            let contents = upto(at + len).get(at..).unwrap_or_default();
            at += len + padding_after(len);
            let hash = hash_of(entry);
            if !contents.is_empty() && sent.sections.iter().all(|(known, _)| *known != hash) {
                sent.sections.push((hash, contents));
            }
        }
        sent
    }

    /// Of the table, what a push service says it sends.
    pub(crate) fn places(&self) -> Vec<u32> {
        let mut known = Vec::new();
        let places = (0_u32..).zip(&self.table);
        let places = places.filter(|(_, entry)| is_sent(entry) && length_of(entry) > 0);
        let places = places.filter(|(_, entry)| {
            let is_new = !known.contains(&hash_of(entry));
            known.push(hash_of(entry));
            is_new
        });
        places.map(|(place, _)| place).collect()
    }
}

/// Whether an entry is whole and its section travels.
fn is_sent(entry: &[u8]) -> bool {
    entry.len() == ENTRY_LEN && entry[2] & 1 == 0
}

fn length_of(entry: &[u8]) -> usize {
    let length = &entry[ENTRY_LENGTH_AT..ENTRY_LENGTH_AT + 4];
    u32::from_le_bytes(length.try_into().unwrap()) as usize
}

fn hash_of(entry: &[u8]) -> [u8; 32] {
    entry[8..].try_into().unwrap()
}

/// A signature as it stands in a file.
pub(crate) fn raw(signature: &Signature) -> Vec<u8> {
    [&signature.key_id[..], &signature.bytes[..]].concat()
}

fn padding_after(length: usize) -> usize {
    length.next_multiple_of(HEADER_LEN) - length
}

/// `S + L`, which stands for the same number as `S`, the second half: a lax verifier takes it.
pub(crate) fn not_reduced(signature: &Signature) -> Signature {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut other = *signature;
    let mut carry = 0;
    for (byte, add) in other.bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    other
}
