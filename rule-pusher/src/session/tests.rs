use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;
use riskgate_push_protocol::{
    LastAnswer, VmReport,
    limits::{CHUNK_LEN_MAX, CHUNKS_IN_FLIGHT_MAX},
};

use super::*;
use crate::catalogue::Section;

mod model;

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
        expires_at_s: 9,
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

const SMALL: &[Part] = &[(10, 5), (11, 6)];

#[test]
fn an_instance_without_a_bundle_gets_all_of_the_newest() {
    let mut session = session(None);
    let parts = [(10, CHUNK_LEN_MAX + 1), (11, 7)];
    session.on_newest(Some(&publication(3, &parts)), at(1));
    let all = offered(1, 3, &[0, 1], &[(10, 0), (10, 1), (11, 0)]);
    assert_eq!(drain(&mut session), all);
    assert_eq!(shown(&session, HOLDER).answer, LastAnswer::Pending);
    say(&mut session, report(1, Some(3), acked(3)), at(2));
    assert_eq!(drain(&mut session), only_taken());
    let status = shown(&session, HOLDER);
    assert_eq!(
        (status.held, status.answer, status.since_ms),
        (Some(bundle(3)), LastAnswer::Ack { revision: 3 }, 2000)
    );
    assert!(status.holds_stream);
}

#[test]
fn an_instance_that_holds_as_new_a_bundle_gets_none() {
    for held in [3, 4] {
        let mut session = session(Some(held));
        session.on_newest(Some(&publication(3, SMALL)), at(1));
        assert_eq!(drain(&mut session), nothing());
        let answer = shown(&session, HOLDER).answer;
        assert_eq!(answer, LastAnswer::Ack { revision: held });
        session.on_newest(Some(&publication(5, SMALL)), at(2));
        assert_eq!(
            drain(&mut session),
            offered(1, 5, &[0, 1], &[(10, 0), (11, 0)])
        );
        let status = shown(&session, HOLDER);
        assert_eq!(
            (status.answer, status.since_ms),
            (LastAnswer::Pending, 2000)
        );
    }
}

/// What travels once never travels again while the instance holds it.
#[test]
fn only_sections_that_the_instance_lacks_travel() {
    let mut session = session_of(hello_with(Some(1), &[30, 10], acked(1)));
    session.on_newest(Some(&publication(2, &[(10, 5), (20, 6), (30, 7)])), at(1));
    assert_eq!(drain(&mut session), offered(1, 2, &[1], &[(20, 0)]));
    say(&mut session, taken(1, 20, 6), at(1));
    say(&mut session, report(1, Some(2), acked(2)), at(2));
    assert_eq!(drain(&mut session), only_taken());
    // Now it holds what the bundle has, and no more.
    session.on_newest(Some(&publication(3, &[(10, 5), (20, 6), (40, 8)])), at(3));
    assert_eq!(drain(&mut session), offered(2, 3, &[2], &[(40, 0)]));
    // A bundle that was not taken over adds nothing to what it holds.
    session.on_newest(Some(&publication(4, &[(10, 5), (40, 8)])), at(4));
    assert_eq!(drain(&mut session), offered(3, 4, &[1], &[(40, 0)]));
    // One that has only what is held is its head.
    say(&mut session, report(3, Some(4), acked(4)), at(5));
    session.on_newest(Some(&publication(5, &[(40, 8)])), at(6));
    let head_only = Came {
        reports_taken: 1,
        ..offered(4, 5, &[], &[])
    };
    assert_eq!(drain(&mut session), head_only);
}

#[test]
fn four_chunks_go_without_credit_and_one_more_for_each_taken() {
    let mut session = session(None);
    let parts = [
        (10, 2 * CHUNK_LEN_MAX + 1),
        (11, 9),
        (12, CHUNK_LEN_MAX + 1),
    ];
    session.on_newest(Some(&publication(1, &parts)), at(1));
    let first = [(10, 0), (10, 1), (10, 2), (11, 0)];
    assert_eq!(drain(&mut session), offered(1, 1, &[0, 1, 2], &first));
    let credit_for_more = [
        (taken(1, 10, CHUNK_LEN_MAX), vec![(12, 0)]),
        (taken(1, 10, 2 * CHUNK_LEN_MAX), vec![(12, 1)]),
        (taken(1, 10, 2 * CHUNK_LEN_MAX + 1), vec![]),
        (taken(1, 11, 9), vec![]),
        (taken(1, 12, CHUNK_LEN_MAX), vec![]),
        (taken(1, 12, CHUNK_LEN_MAX + 1), vec![]),
    ];
    for (credit, chunks) in credit_for_more {
        say(&mut session, credit, at(1));
        let expected = Came {
            chunks,
            ..Came::default()
        };
        assert_eq!(drain(&mut session), expected);
    }
    let one_more = session.on_message(taken(1, 12, CHUNK_LEN_MAX + 1), EARLIEST, at(1));
    assert!(one_more.is_err());
}

#[test]
fn credit_for_what_was_not_sent_is_a_violation() {
    let no_chunk = |received: usize| Violation::NoSuchChunk {
        received: u32::try_from(received).unwrap(),
    };
    let cases = [
        (taken(1, 10, 0), no_chunk(0)),
        (taken(1, 10, 1), no_chunk(1)),
        (taken(1, 10, 2 * CHUNK_LEN_MAX), no_chunk(2 * CHUNK_LEN_MAX)),
        (taken(1, 10, u32::MAX as usize), no_chunk(u32::MAX as usize)),
        (taken(1, 11, CHUNK_LEN_MAX), no_chunk(CHUNK_LEN_MAX)),
        (
            taken(2, 10, CHUNK_LEN_MAX),
            Violation::NoSuchOffer { number: 2 },
        ),
    ];
    for (credit, expected) in cases {
        let mut session = session(None);
        session.on_newest(Some(&publication(1, &[(10, 6 * CHUNK_LEN_MAX)])), at(1));
        drain(&mut session);
        assert_eq!(session.on_message(credit, EARLIEST, at(1)), Err(expected));
    }
    let mut unsent = session(None);
    unsent.on_newest(Some(&publication(1, SMALL)), at(1));
    assert!(unsent.on_message(taken(1, 10, 5), EARLIEST, at(1)).is_err());
}

#[test]
fn messages_that_do_not_belong_are_violations() {
    let stranger = |offer| {
        let vms = vec![vm(WORKER, None, VmAnswer::Pending)];
        SubscriberMessage::Report(Report { vms, offer })
    };
    let again = hello_with(None, &[], VmAnswer::Pending);
    let cases = [
        (SubscriberMessage::Hello(again), Violation::SecondHello),
        (stranger(0), Violation::HolderUnreported),
        (
            report(1, None, VmAnswer::Pending),
            Violation::NoSuchOffer { number: 1 },
        ),
    ];
    for (message, expected) in cases {
        let violation = session(None).on_message(message, EARLIEST, at(1));
        assert_eq!(violation, Err(expected));
    }
    let mut hello = hello_with(None, &[], VmAnswer::Pending);
    hello.vm = WORKER;
    let violation = Session::new(hello, Retries::new(FIRST, LONGEST), at(0)).unwrap_err();
    assert_eq!(violation, Violation::HolderUnreported);
}

#[test]
fn a_second_report_waits_for_the_first_to_be_taken() {
    let mut session = session(None);
    let pending = || report(0, None, VmAnswer::Pending);
    say(&mut session, pending(), at(1));
    assert_eq!(
        session.on_message(pending(), EARLIEST, at(1)),
        Err(Violation::ReportInFlight)
    );
    assert_eq!(session.next_message(), Some(PusherMessage::ReportTaken));
    say(&mut session, pending(), at(1));
}

#[test]
fn a_newer_publication_abandons_the_transfer() {
    let mut session = session(None);
    session.on_newest(Some(&publication(1, &[(10, 6 * CHUNK_LEN_MAX)])), at(1));
    drain(&mut session);
    session.on_newest(Some(&publication(2, &[(10, 6 * CHUNK_LEN_MAX)])), at(2));
    drain(&mut session);
    // What is still said of the old one changes nothing, even though the section is the same.
    say(&mut session, taken(1, 10, CHUNK_LEN_MAX), at(3));
    assert_eq!(drain(&mut session), nothing());
    say(&mut session, report(1, None, nacked(2, true)), at(3));
    assert_eq!(drain(&mut session), only_taken());
    say(&mut session, taken(2, 10, CHUNK_LEN_MAX), at(4));
    let next = Came {
        chunks: vec![(10, 4)],
        ..Came::default()
    };
    assert_eq!(drain(&mut session), next);
}

#[test]
fn a_bundle_that_is_refused_for_ever_is_not_sent_again() {
    let mut session = session(Some(1));
    let refused = publication(2, &[(10, 9 * CHUNK_LEN_MAX / 2)]);
    session.on_newest(Some(&refused), at(1));
    assert!(matches!(
        session.next_message(),
        Some(PusherMessage::Offer(_))
    ));
    // By its head alone, before a byte of its sections travelled.
    say(&mut session, report(1, Some(1), nacked(2, true)), at(2));
    assert_eq!(drain(&mut session), only_taken());
    assert_eq!(session.retry_at(), None);
    let answer = LastAnswer::Nack {
        revision: 2,
        reason: "expired".to_owned(),
        detail: "9 s ago".to_owned(),
    };
    assert_eq!(shown(&session, HOLDER).answer, answer);
    session.on_newest(Some(&refused), at(3));
    say(&mut session, report(1, Some(1), nacked(2, true)), at(3));
    say_holdings(&mut session, None, at(3));
    assert_eq!(drain(&mut session), only_taken());
    session.on_newest(Some(&publication(3, SMALL)), at(4));
    assert_eq!(
        drain(&mut session),
        offered(2, 3, &[0, 1], &[(10, 0), (11, 0)])
    );
}

fn say_holdings(session: &mut Session, held: Option<u64>, now: Now) {
    let message = SubscriberMessage::Holdings(holdings(held, &[]));
    say(session, message, now);
}

#[test]
fn a_refusal_outlives_its_stream_unless_another_file_may_be_good() {
    for (reason, permanent, is_offered) in [
        ("expired", true, false),
        ("trapped", true, false),
        ("no-memory", false, true),
        ("untrusted", true, true),
        ("bad-signature", true, true),
        ("bad-hash", true, true),
        ("malformed", true, true),
    ] {
        let hello = hello_with(Some(1), &[], refused_as(2, reason, permanent));
        let mut session = session_of(hello);
        session.on_newest(Some(&publication(2, SMALL)), at(1));
        assert_eq!(
            !drain(&mut session).offers.is_empty(),
            is_offered,
            "{reason}"
        );
        session.on_newest(Some(&publication(3, SMALL)), at(2));
        assert_eq!(drain(&mut session).offers.len(), 1, "{reason}");
    }
}

/// A signature by another key makes another file of the same digest, which the VM may well take.
#[test]
fn a_refused_bundle_that_was_signed_anew_is_offered_again() {
    let mut session = session(Some(1));
    session.on_newest(Some(&publication(2, SMALL)), at(1));
    drain(&mut session);
    // The old file is answered before the new one is offered, so that nobody mistakes the one's answer for the other's.
    session.on_newest(Some(&publication(2, SMALL)), at(2));
    assert_eq!(drain(&mut session), nothing());
    say(&mut session, report(1, Some(1), nacked(2, true)), at(3));
    assert_eq!(drain(&mut session).offers, [(2, 2, vec![0, 1])]);
    // A report that was on its way says the old answer once more.
    say(&mut session, report(1, Some(1), nacked(2, true)), at(3));
    say(&mut session, taken(2, 10, 5), at(4));
    say(&mut session, taken(2, 11, 6), at(4));
    assert!(session.silent_since().is_some());
}

#[test]
fn the_bytes_of_a_bundle_that_was_replaced_are_let_go() {
    for answer in [
        None,
        Some(nacked(2, false)),
        Some(nacked(2, true)),
        Some(acked(2)),
    ] {
        let mut session = session(None);
        let replaced = publication(2, SMALL);
        session.on_newest(Some(&replaced), at(1));
        drain(&mut session);
        if let Some(answer) = answer.clone() {
            say(&mut session, report(1, None, answer), at(2));
        }
        assert!(Arc::strong_count(&replaced) > 1);
        session.on_newest(Some(&publication(3, SMALL)), at(3));
        assert_eq!(Arc::strong_count(&replaced), 1, "{answer:?}");
    }
}

#[test]
fn a_bundle_that_is_refused_for_now_is_sent_after_a_pause() {
    let mut session = session(None);
    session.on_newest(Some(&publication(2, SMALL)), at(1));
    drain(&mut session);
    say(&mut session, report(1, None, nacked(2, false)), at(10));
    assert_eq!(drain(&mut session), only_taken());
    assert_eq!(session.retry_at(), Some(at(15).monotonic));
    // Saying it again neither hastens nor delays it.
    say(&mut session, report(1, None, nacked(2, false)), at(11));
    assert_eq!(session.retry_at(), Some(at(15).monotonic));
    session.on_retry(at(15));
    let came = drain(&mut session);
    assert_eq!(came.offers, [(2, 2, vec![0, 1])]);
    let is_nack = |session: &Session| {
        matches!(
            shown(session, HOLDER).answer,
            LastAnswer::Nack { revision: 2, .. }
        )
    };
    assert!(is_nack(&session));
    say(&mut session, report(2, None, VmAnswer::Pending), at(16));
    assert!(is_nack(&session));
    assert_eq!(shown(&session, HOLDER).since_ms, 10_000);
    // The next pause is longer, and a publication ends it.
    session.next_message();
    say(&mut session, report(2, None, nacked(2, false)), at(20));
    assert_eq!(session.retry_at(), Some(at(30).monotonic));
    session.on_newest(Some(&publication(3, SMALL)), at(21));
    assert_eq!(session.retry_at(), None);
    assert_eq!(drain(&mut session).offers, [(3, 3, vec![0, 1])]);
}

#[test]
fn a_refusal_for_now_may_become_one_for_ever() {
    let mut session = session(None);
    session.on_newest(Some(&publication(2, SMALL)), at(1));
    drain(&mut session);
    say(&mut session, report(1, None, nacked(2, false)), at(2));
    drain(&mut session);
    say(&mut session, report(1, None, nacked(2, true)), at(3));
    session.on_retry(at(7));
    assert_eq!(drain(&mut session), only_taken());
}

#[test]
fn pauses_double_up_to_the_longest_and_spread() {
    let mut retries = Retries::new(FIRST, LONGEST);
    let mut pause = |random| {
        retries.schedule(random, at(0).monotonic);
        let pause = (retries.at().unwrap() - at(0).monotonic).as_secs_f64();
        retries.end_pause();
        pause
    };
    let pauses = [LATEST, EARLIEST, LATEST, EARLIEST].map(&mut pause);
    assert_eq!(pauses, [5.0, 5.0, 20.0, 20.0]);
    for _ in 0..40 {
        pause(LATEST);
    }
    assert_eq!(pause(LATEST), 300.0);
}

/// What the other VMs say is shown, and moves nothing.
#[test]
fn each_vm_has_its_own_answer() {
    let mut session = session(Some(1));
    session.on_newest(Some(&publication(2, SMALL)), at(1));
    drain(&mut session);
    let of_both = |holder: VmReport, worker: VmReport| {
        SubscriberMessage::Report(Report {
            vms: vec![worker, holder],
            offer: 1,
        })
    };
    let message = of_both(vm(HOLDER, Some(2), acked(2)), vm(WORKER, Some(1), acked(1)));
    let news = session.on_message(message, EARLIEST, at(2)).unwrap();
    assert_eq!(news.len(), 2);
    assert_eq!(drain(&mut session), only_taken());
    let worker = shown(&session, WORKER);
    assert_eq!(
        (worker.answer, worker.held, worker.holds_stream),
        (LastAnswer::Pending, Some(bundle(1)), false)
    );
    for permanent in [false, true] {
        let message = of_both(
            vm(HOLDER, Some(2), acked(2)),
            vm(WORKER, Some(1), nacked(2, permanent)),
        );
        let news = session.on_message(message, EARLIEST, at(3)).unwrap();
        assert_eq!(news.iter().map(|vm| vm.vm).collect::<Vec<_>>(), [WORKER]);
        assert_eq!(
            (drain(&mut session), session.retry_at()),
            (only_taken(), None)
        );
    }
    let worker = shown(&session, WORKER).answer;
    assert!(matches!(worker, LastAnswer::Nack { revision: 2, .. }));
    assert_eq!(
        shown(&session, HOLDER).answer,
        LastAnswer::Ack { revision: 2 }
    );
    // A VM that is gone is no longer listed.
    say(&mut session, report(1, Some(2), acked(2)), at(4));
    assert_eq!(session.statuses().len(), 1);
}

#[test]
fn a_bundle_from_elsewhere_shows_and_stays() {
    let mut session = session(None);
    session.on_newest(Some(&publication(2, SMALL)), at(1));
    drain(&mut session);
    say(&mut session, report(1, Some(9), acked(9)), at(3));
    let status = shown(&session, HOLDER);
    assert_eq!(
        (status.held, status.answer),
        (Some(bundle(9)), LastAnswer::Ack { revision: 9 })
    );
    drain(&mut session);
    session.on_newest(Some(&publication(3, SMALL)), at(4));
    assert_eq!(drain(&mut session), nothing());
}

/// The plugin configuration may hold a bundle of the same revision that was built from other rules.
#[test]
fn other_contents_of_the_revision_are_offered() {
    let other = BundleId {
        revision: 3,
        digest: Digest([0xee; 32]),
    };
    let mut hello = hello_with(None, &[], VmAnswer::Ack(other));
    hello.holdings.held = Some(other);
    hello.report.vms[0].held = Some(other);
    let mut session = session_of(hello);
    session.on_newest(Some(&publication(3, SMALL)), at(1));
    assert_eq!(shown(&session, HOLDER).answer, LastAnswer::Pending);
    assert_eq!(drain(&mut session).offers.len(), 1);
    say(&mut session, report(1, None, nacked(3, true)), at(2));
    assert_eq!(drain(&mut session), only_taken());
    session.on_retry(at(3));
    assert_eq!(drain(&mut session), nothing());
}

#[test]
fn holdings_begin_the_transfer_again() {
    let mut session = session_of(hello_with(Some(1), &[10, 11], acked(1)));
    session.on_newest(Some(&publication(2, &[(10, 5), (11, 6), (12, 7)])), at(1));
    assert_eq!(drain(&mut session), offered(1, 2, &[2], &[(12, 0)]));
    let restated = |sections| SubscriberMessage::Holdings(holdings(Some(1), sections));
    say(&mut session, restated(&[11]), at(2));
    assert_eq!(
        drain(&mut session),
        offered(2, 2, &[0, 2], &[(10, 0), (12, 0)])
    );
    // Once at once; whoever restates without end waits.
    for _ in 0..100 {
        say(&mut session, restated(&[]), at(3));
        assert_eq!(drain(&mut session), nothing());
    }
    assert_eq!(session.retry_at(), Some(at(8).monotonic));
    assert_eq!(session.silent_since(), None);
    session.on_retry(at(8));
    assert_eq!(drain(&mut session).offers, [(3, 2, vec![0, 1, 2])]);
    // Nothing more is owed to who holds the newest.
    say(
        &mut session,
        SubscriberMessage::Holdings(holdings(Some(2), &[])),
        at(9),
    );
    session.on_retry(at(100));
    assert_eq!(drain(&mut session), nothing());
    // A new publication has a first time again.
    session.on_newest(Some(&publication(3, SMALL)), at(101));
    drain(&mut session);
    say(&mut session, restated(&[]), at(102));
    assert_eq!(drain(&mut session).offers.len(), 1);
}

#[test]
fn a_vm_is_silent_from_the_offer_until_it_takes_or_answers() {
    let mut session = session(Some(1));
    let long = &[(10, 6 * CHUNK_LEN_MAX)];
    assert_eq!(session.silent_since(), None);
    session.on_newest(Some(&publication(2, long)), at(10));
    drain(&mut session);
    assert_eq!(session.silent_since(), Some(at(10).monotonic));
    say(&mut session, taken(1, 10, CHUNK_LEN_MAX), at(20));
    assert_eq!(session.silent_since(), Some(at(20).monotonic));
    // A newer bundle, which nobody asked for, moves nothing on.
    session.on_newest(Some(&publication(3, SMALL)), at(30));
    drain(&mut session);
    // Nor does what is said of other bundles, or of nothing: it could go on for ever.
    let others = [
        taken(1, 10, 2 * CHUNK_LEN_MAX),
        report(1, Some(2), acked(2)),
        report(2, Some(1), acked(1)),
        report(2, Some(1), VmAnswer::Pending),
        report(1, Some(1), nacked(3, true)),
    ];
    for (message, second) in others.into_iter().zip(31..) {
        say(&mut session, message.clone(), at(second));
        drain(&mut session);
        assert_eq!(
            session.silent_since(),
            Some(at(20).monotonic),
            "{message:?}"
        );
    }
    say(&mut session, report(2, Some(1), nacked(3, false)), at(40));
    assert_eq!(session.silent_since(), None);
    session.on_retry(at(50));
    assert_eq!(session.silent_since(), Some(at(50).monotonic));
    drain(&mut session);
    say(&mut session, report(3, Some(3), acked(3)), at(60));
    assert_eq!(session.silent_since(), None);
}

#[test]
fn what_is_reported_again_changes_nothing() {
    let mut session = session(None);
    session.on_newest(Some(&publication(2, SMALL)), at(1));
    drain(&mut session);
    session.changed_statuses();
    let reports = [
        report(1, Some(1), VmAnswer::Pending),
        report(1, Some(1), nacked(2, true)),
        report(1, Some(2), acked(2)),
    ];
    for (report, second) in reports.into_iter().zip(2..) {
        let news = session.on_message(report.clone(), EARLIEST, at(second));
        assert!(news.unwrap().len() < 2);
        assert!(session.changed_statuses().is_some(), "{report:?}");
        drain(&mut session);
        let news = session.on_message(report.clone(), EARLIEST, at(9));
        assert_eq!(news, Ok(vec![]));
        assert!(session.changed_statuses().is_none(), "{report:?}");
        drain(&mut session);
    }
    assert_eq!(shown(&session, HOLDER).since_ms, 4000);
}
