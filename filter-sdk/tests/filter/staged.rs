//! A long bundle that the VM with the stream leaves for the others before it reads it.

use crate::bundles::{CHANGED, PLAIN, Spec};
use crate::driver::{Driver, config};
use crate::proxy::SharedData;
use crate::shared::revision;
use ed25519_dalek::{Signer as _, SigningKey};
use riskgate_engine::bundle::writer::{NewSection, UnsignedBundle};
use riskgate_engine::bundle::{Bundle, SectionKind, Signature};
use riskgate_engine::trust::key_id;
use riskgate_push_protocol::limits::CHUNK_LEN_MAX;
use riskgate_push_protocol::{PusherMessage, SectionChunk, SectionHash};
use std::rc::Rc;
use std::sync::LazyLock;

/// Too many to be read in one slice, and longer than what is worth staging.
const RULES: usize = 3_000;

/// Denies `/blocked`, and very long paths.
static LONG: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let rules = (0..RULES).map(|number| {
        let path = "x".repeat(300);
        format!("\n  - {{ id: r{number}, when: 'request.url_path == \"/{number}/{path}\"', then: deny }}")
    });
    let rules: String = rules.collect::<String>() + CHANGED.rules;
    Spec {
        revision: 9,
        rules: rules.leak(),
        ..PLAIN
    }
    .bytes()
});

/// Two VMs of one proxy that serve revision 1; the first one has the stream.
struct Pair {
    shared: Rc<SharedData>,
    holder: Driver,
    other: Driver,
}

impl Pair {
    fn new() -> Pair {
        let shared = Rc::new(SharedData::default());
        shared.advance(60_000);
        let push = config(r#","push":{"cluster":"pusher"}"#);
        let mut holder = Driver::of_process(&shared, 1, &push);
        holder.connect();
        holder.hear_bundle(&PLAIN.bytes());
        let mut other = Driver::of_process(&shared, 2, &push);
        other.tick();
        assert_eq!(revision(&mut other), Some(1));
        assert!(other.open_streams().is_empty());
        Pair {
            shared,
            holder,
            other,
        }
    }

    /// All of a bundle comes to the holder, which goes on until it has staged that.
    fn stage(&mut self, bundle: &[u8]) {
        self.holder.hear_offer(bundle);
        for chunk in chunks(bundle) {
            let bytes = PusherMessage::Chunk(chunk).encode_to_vec();
            *self.holder.proxy.message.get_mut() = bytes.clone();
            let token = self.holder.token();
            let (filter, proxy) = (&mut self.holder.filter, &self.holder.proxy);
            filter.on_stream_message(proxy, token, bytes.len());
        }
        while self.next().is_empty() {
            assert!(self.holder.pump_once(), "nothing was staged");
        }
        assert_eq!(revision(&mut self.holder), Some(1), "it is not read yet");
    }

    /// What names the bundle that comes next.
    fn next(&self) -> Vec<u8> {
        let values = self.shared.values.borrow();
        let next = values.iter().find(|(key, _)| key.ends_with("/next"));
        next.map(|(_, (value, _))| value.clone())
            .unwrap_or_default()
    }

    fn set_next(&self, value: &[u8]) {
        let values = self.shared.values.borrow();
        let key = values.keys().find(|key| key.ends_with("/next"));
        let key = key.unwrap().clone();
        drop(values);
        self.shared.set(&key, value);
    }

    fn forget_pages(&self) {
        let mut values = self.shared.values.borrow_mut();
        values.retain(|key, _| !key.contains("/page/"));
    }

    /// Both go on until neither has anything to do.
    fn settle(&mut self) {
        while self.holder.pump() | self.other.pump() {}
    }
}

fn chunks(bytes: &[u8]) -> Vec<SectionChunk> {
    let bundle = Bundle::parse(bytes).unwrap();
    let mut chunks: Vec<SectionChunk> = Vec::new();
    for section in bundle.sections() {
        let is_known = chunks.iter().any(|chunk| chunk.section.0 == section.hash);
        let data = section.bytes.filter(|_| !is_known).unwrap_or_default();
        for (index, data) in data.chunks(CHUNK_LEN_MAX).enumerate() {
            chunks.push(SectionChunk {
                section: SectionHash(section.hash),
                offset: (index * CHUNK_LEN_MAX) as u32,
                data: data.to_vec().into(),
            });
        }
    }
    chunks
}

#[test]
fn the_others_copy_it_while_the_holder_reads_it() {
    let mut pair = Pair::new();
    pair.stage(&LONG);
    pair.other.pump();
    assert_eq!(revision(&mut pair.other), Some(1), "nobody has read it");
    // So they read no page once it is the head.
    pair.holder.pump();
    assert_eq!(revision(&mut pair.holder), Some(9));
    pair.forget_pages();
    pair.other.pump();
    assert_eq!(pair.other.status("/blocked"), Some(429));
    assert_eq!(pair.other.metric("riskgate.loads.refused"), 0);
}

#[test]
fn what_was_copied_in_part_is_copied_on_as_the_head() {
    let mut pair = Pair::new();
    pair.stage(&LONG);
    assert!(pair.other.pump_once());
    pair.settle();
    assert_eq!(revision(&mut pair.other), Some(9));
}

#[test]
fn it_serves_nobody_where_the_holder_ends() {
    let mut pair = Pair::new();
    pair.stage(&LONG);
    drop(pair.holder);
    for _ in 0..100 {
        pair.other.tick();
    }
    assert_eq!(revision(&mut pair.other), Some(1));
    // Which has the stream by now.
    pair.other.said();
    pair.other.hear_offer(&LONG);
    for chunk in chunks(&LONG) {
        pair.other.hear(&PusherMessage::Chunk(chunk));
    }
    assert_eq!(revision(&mut pair.other), Some(9));
}

#[test]
fn what_neighbours_stage_changes_nothing() {
    let foreign = Spec { key: 2, ..CHANGED };
    for spoil in 0..6 {
        let mut pair = Pair::new();
        pair.stage(&LONG);
        let next = pair.next();
        match spoil {
            0 => pair.set_next(b""),
            1 => pair.set_next(&next[..next.len() - 2]),
            2 => pair.set_next(&[&next[..], &[0]].concat()),
            3 => pair.set_next(&[0xff; 2_000]),
            4 => pair.set_next(&record(&foreign.bytes())),
            // A genuine one, of which there are no pages.
            _ => pair.set_next(&record(
                &Spec {
                    revision: 4,
                    ..CHANGED
                }
                .bytes(),
            )),
        }
        pair.other.pump();
        assert_eq!(revision(&mut pair.other), Some(1), "{spoil}");
        pair.settle();
        assert_eq!(revision(&mut pair.other), Some(9), "{spoil}");
        assert_eq!(pair.other.metric("riskgate.loads.refused"), 0, "{spoil}");
    }
}

/// What names a bundle: its head, and as many pages as it has sections that travel.
fn record(bundle: &[u8]) -> Vec<u8> {
    let head = crate::driver::head_of(bundle);
    let parsed = Bundle::parse(bundle).unwrap();
    let with_bytes = parsed.sections().iter();
    let count = with_bytes
        .filter(|section| section.bytes.is_some_and(|bytes| !bytes.is_empty()))
        .count();
    let mut record = (head.len() as u32).to_le_bytes().to_vec();
    record.extend(head);
    record.extend((count as u32).to_le_bytes());
    let pages = 2_000..2_000 + count as u16;
    record.extend(pages.flat_map(u16::to_le_bytes));
    record
}

#[test]
fn pages_spoiled_while_they_are_copied_are_read_again() {
    let mut pair = Pair::new();
    pair.stage(&LONG);
    let pages: Vec<(String, Vec<u8>)> = {
        let values = pair.shared.values.borrow();
        let pages = values.iter().filter(|(key, _)| key.contains("/page/"));
        pages
            .map(|(key, (value, _))| (key.clone(), value.clone()))
            .collect()
    };
    for (page, value) in &pages {
        pair.shared.set(page, &vec![7; value.len()]);
    }
    pair.other.pump();
    for (page, value) in &pages {
        pair.shared.set(page, value);
    }
    pair.settle();
    assert_eq!(revision(&mut pair.other), Some(9));
    assert_eq!(pair.other.metric("riskgate.loads.refused"), 0);
}

/// A bundle as a broken compiler makes it: signed, and not to be read.
fn with_rules_cut_short(bytes: &[u8]) -> Vec<u8> {
    let bundle = Bundle::parse(bytes).unwrap();
    let sections = bundle.sections().iter().map(|section| {
        let mut bytes = section.bytes.unwrap_or_default().to_vec();
        if section.kind == SectionKind::Rules {
            bytes.pop();
        }
        let kind = section.kind;
        NewSection { kind, bytes }
    });
    let unsigned = UnsignedBundle::new(*bundle.manifest(), sections.collect()).unwrap();
    let key = SigningKey::from_bytes(&[PLAIN.key; 32]);
    let signature = Signature {
        key_id: key_id(&key.verifying_key().to_bytes()),
        bytes: key.sign(&unsigned.payload()).to_bytes(),
    };
    unsigned.finish(vec![signature]).unwrap()
}

#[test]
fn what_turns_out_to_be_bad_is_taken_back() {
    let mut pair = Pair::new();
    let bad = with_rules_cut_short(&LONG);
    pair.stage(&bad);
    pair.settle();
    assert_eq!(pair.holder.the_nack().reason, "bad-section");
    assert_eq!(pair.next(), b"", "the others need not keep it");
    assert_eq!(revision(&mut pair.other), Some(1));
    assert_eq!(pair.other.metric("riskgate.loads.refused"), 0);
}

#[test]
fn a_short_one_is_not_worth_it() {
    let mut pair = Pair::new();
    pair.holder.hear_bundle(&CHANGED.bytes());
    pair.settle();
    assert_eq!(revision(&mut pair.other), Some(2));
    assert_eq!(pair.next(), b"");
}
