use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;
use riskgate_push_protocol::{
    LastAnswer, VmReport,
    limits::{CHUNK_LEN_MAX, CHUNKS_IN_FLIGHT_MAX},
};

use super::*;
use crate::catalogue::Section;

mod answers;
mod model;
mod transfers;

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);
const EARLIEST: u32 = 0;
const LATEST: u32 = u32::MAX;

const HOLDER: VmId = VmId([1; 16]);
const WORKER: VmId = VmId([2; 16]);

/// A section: its hash is this number 32 times, its byte `n` is (number + n) modulo 251.
type Part = (u8, usize);

fn hash(number: u8) -> SectionHash {
    SectionHash([number; 32])
}

fn bundle(revision: u64) -> BundleId {
    BundleId {
        revision,
        digest: Digest([u8::try_from(revision).unwrap(); 32]),
    }
}

/// A chunk in the wrong place shows.
static BYTES: LazyLock<Bytes> =
    LazyLock::new(|| (0..8 * CHUNK_LEN_MAX).map(|n| (n % 251) as u8).collect());

fn publication(revision: u64, parts: &[Part]) -> Arc<Publication> {
    let topic = Topic {
        ruleset: "storefront".to_owned(),
        audience: None,
    };
    let section = |&(number, len): &Part| {
        let begin = usize::from(number);
        Section {
            hash: hash(number),
            bytes: BYTES.slice(begin..begin + len),
        }
    };
    let sections: Vec<Section> = parts.iter().map(section).collect();
    let mut hashes: Vec<_> = parts.iter().map(|part| hash(part.0)).collect();
    hashes.sort_unstable();
    Arc::new(Publication {
        topic,
        bundle: bundle(revision),
        payload: BYTES.clone(),
        head: BYTES.slice(..100),
        sections,
        hashes: hashes.into(),
        published_at_ms: 1,
        issued_at_s: 1,
        not_before_s: 1,
        expires_at_s: 9,
        restores: None,
    })
}

fn vm(vm: VmId, held: Option<u64>, answer: VmAnswer) -> VmReport {
    VmReport {
        vm,
        serves_requests: vm == WORKER,
        held: held.map(bundle),
        answer,
    }
}

fn acked(revision: u64) -> VmAnswer {
    VmAnswer::Ack(bundle(revision))
}

fn nacked(revision: u64, permanent: bool) -> VmAnswer {
    refused_as(revision, "expired", permanent)
}

fn refused_as(revision: u64, reason: &str, permanent: bool) -> VmAnswer {
    VmAnswer::Nack(Nack {
        bundle: bundle(revision),
        reason: reason.to_owned(),
        detail: "9 s ago".to_owned(),
        permanent,
    })
}

fn hello_with(held: Option<u64>, sections: &[u8], answer: VmAnswer) -> Hello {
    Hello {
        node: "node".to_owned(),
        instance: InstanceId([9; 16]),
        vm: HOLDER,
        epoch: 1,
        ruleset: "storefront".to_owned(),
        audience: None,
        holdings: holdings(held, sections),
        report: Report {
            vms: vec![vm(HOLDER, held, answer)],
            offer: 0,
        },
    }
}

fn holdings(held: Option<u64>, sections: &[u8]) -> Holdings {
    Holdings {
        held: held.map(bundle),
        sections: sections.iter().copied().map(hash).collect(),
    }
}

fn session_of(hello: Hello) -> Session {
    Session::new(hello, Retries::new(FIRST, LONGEST), at(0)).unwrap()
}

fn session(held: Option<u64>) -> Session {
    let answer = held.map_or(VmAnswer::Pending, acked);
    session_of(hello_with(held, &[], answer))
}

thread_local! {
    static START: Instant = Instant::now();
}

fn at(seconds: u64) -> Now {
    Now {
        monotonic: START.with(|start| *start + Duration::from_secs(seconds)),
        wall_ms: seconds * 1000,
    }
}

/// A report of the holder alone.
fn report(offer: u32, held: Option<u64>, answer: VmAnswer) -> SubscriberMessage {
    let vms = vec![vm(HOLDER, held, answer)];
    SubscriberMessage::Report(Report { vms, offer })
}

fn taken(offer: u32, section: u8, received: usize) -> SubscriberMessage {
    SubscriberMessage::ChunkTaken(ChunkTaken {
        offer,
        section: hash(section),
        received: u32::try_from(received).unwrap(),
    })
}

fn say(session: &mut Session, message: SubscriberMessage, now: Now) {
    session.on_message(message, LATEST, now).unwrap();
}

/// What came: the number of each offer with its revision and what follows it, each chunk's section and offset in
/// chunks, and whether reports were taken.
#[derive(Debug, Default, PartialEq, Eq)]
struct Came {
    offers: Vec<(u32, u64, Vec<u32>)>,
    chunks: Vec<(u8, usize)>,
    reports_taken: usize,
}

/// Takes all messages that the credit allows.
fn drain(session: &mut Session) -> Came {
    let mut came = Came::default();
    while let Some(message) = session.next_message() {
        match message {
            PusherMessage::Offer(offer) => {
                came.offers
                    .push((offer.number, offer.bundle.revision, offer.sent));
            }
            PusherMessage::Chunk(chunk) => {
                let offset = chunk.offset as usize;
                let first = (usize::from(chunk.section.0[0]) + offset) % 251;
                assert_eq!(usize::from(chunk.data[0]), first);
                came.chunks
                    .push((chunk.section.0[0], offset / CHUNK_LEN_MAX));
            }
            PusherMessage::ReportTaken => came.reports_taken += 1,
        }
    }
    assert!(!session.has_message());
    came
}

fn offered(number: u32, revision: u64, sent: &[u32], chunks: &[(u8, usize)]) -> Came {
    Came {
        offers: vec![(number, revision, sent.to_vec())],
        chunks: chunks.to_vec(),
        reports_taken: 0,
    }
}

fn nothing() -> Came {
    Came::default()
}

fn only_taken() -> Came {
    Came {
        reports_taken: 1,
        ..Came::default()
    }
}

fn shown(session: &Session, vm: VmId) -> VmStatus {
    let vms = session.statuses();
    vms.into_iter().find(|status| status.vm == vm).unwrap()
}

fn say_holdings(session: &mut Session, held: Option<u64>, now: Now) {
    let message = SubscriberMessage::Holdings(holdings(held, &[]));
    say(session, message, now);
}

const SMALL: &[Part] = &[(10, 5), (11, 6)];
