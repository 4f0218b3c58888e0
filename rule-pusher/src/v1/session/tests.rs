use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use riskgate_push_protocol::{InstanceId, VmId};

use super::*;
use crate::catalogue::Topic;

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);
const EARLIEST: u32 = 0;
const LATEST: u32 = u32::MAX;

fn bundle(revision: u64) -> BundleId {
    BundleId {
        revision,
        digest: Digest([u8::try_from(revision).unwrap(); 32]),
    }
}

/// Byte `n` of a payload is `n` modulo 251, so that a chunk in the wrong place shows.
static PAYLOAD: LazyLock<Bytes> =
    LazyLock::new(|| (0..8 * CHUNK_LEN_MAX).map(|n| (n % 251) as u8).collect());

fn publication(revision: u64, len: usize) -> Arc<Publication> {
    let topic = Topic {
        ruleset: "storefront".to_owned(),
        audience: None,
    };
    let (bundle, payload) = (bundle(revision), PAYLOAD.slice(..len));
    Arc::new(Publication {
        topic,
        bundle,
        payload,
        head: Bytes::new(),
        sections: Vec::new(),
        hashes: Arc::default(),
        published_at_ms: 1,
        issued_at_s: 1,
        expires_at_s: 9,
        restores: None,
    })
}

fn session(held: Option<u64>) -> Session {
    let hello = Hello {
        node: "node".to_owned(),
        instance: InstanceId([1; 16]),
        vm: VmId([2; 16]),
        serves_requests: false,
        ruleset: "storefront".to_owned(),
        audience: None,
        held: held.map(bundle),
    };
    Session::new(hello, Retries::new(FIRST, LONGEST), at(0))
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

fn nack(revision: u64, permanent: bool) -> SubscriberMessage {
    let (reason, detail) = ("expired".to_owned(), "expired 9 s ago".to_owned());
    SubscriberMessage::Nack(Nack {
        bundle: bundle(revision),
        reason,
        detail,
        permanent,
    })
}

fn nacked(revision: u64) -> LastAnswer {
    LastAnswer::Nack {
        revision,
        reason: "expired".to_owned(),
        detail: "expired 9 s ago".to_owned(),
    }
}

fn taken(revision: u64, received: usize) -> SubscriberMessage {
    let received = u32::try_from(received).unwrap();
    SubscriberMessage::ChunkTaken(ChunkTaken {
        digest: bundle(revision).digest,
        received,
    })
}

/// Takes all messages that the credit allows: the revisions of starts, and the offsets of chunks.
fn drain(session: &mut Session) -> (Vec<u64>, Vec<u32>) {
    let (mut starts, mut chunks) = (Vec::new(), Vec::new());
    while let Some(message) = session.next_message() {
        match message {
            PusherMessage::Start(start) => starts.push(start.bundle.revision),
            PusherMessage::Chunk(chunk) => chunks.push(chunk.offset),
        }
    }
    assert!(!session.has_message());
    (starts, chunks)
}

const CHUNK: u32 = CHUNK_LEN_MAX as u32;

#[test]
fn a_vm_without_a_bundle_gets_the_newest() {
    let mut session = session(None);
    session.on_newest(Some(&publication(3, CHUNK_LEN_MAX + 1)), at(1));
    assert_eq!(drain(&mut session), (vec![3], vec![0, CHUNK]));
    assert_eq!(session.status().answer, LastAnswer::Pending);
    session
        .on_message(SubscriberMessage::Ack(bundle(3)), EARLIEST, at(2))
        .unwrap();
    let status = session.status();
    assert_eq!(
        (status.held, &status.answer),
        (Some(bundle(3)), &LastAnswer::Ack { revision: 3 })
    );
    assert_eq!(status.since_ms, 2000);
}

#[test]
fn a_vm_that_holds_as_new_a_bundle_gets_none() {
    for held in [3, 4] {
        let mut session = session(Some(held));
        session.on_newest(Some(&publication(3, 10)), at(1));
        assert_eq!(drain(&mut session), (vec![], vec![]));
        assert_eq!(session.status().answer, LastAnswer::Ack { revision: held });
        session.on_newest(Some(&publication(5, 10)), at(2));
        assert_eq!(drain(&mut session), (vec![5], vec![0]));
        assert_eq!(
            (&session.status().answer, session.status().since_ms),
            (&LastAnswer::Pending, 2000)
        );
    }
}

#[test]
fn four_chunks_go_without_credit_and_one_more_for_each_taken() {
    let mut session = session(None);
    session.on_newest(Some(&publication(1, 6 * CHUNK_LEN_MAX)), at(1));
    assert_eq!(
        drain(&mut session),
        (vec![1], vec![0, CHUNK, 2 * CHUNK, 3 * CHUNK])
    );
    session
        .on_message(taken(1, CHUNK_LEN_MAX), EARLIEST, at(1))
        .unwrap();
    assert_eq!(drain(&mut session), (vec![], vec![4 * CHUNK]));
    session
        .on_message(taken(1, 2 * CHUNK_LEN_MAX), EARLIEST, at(1))
        .unwrap();
    session
        .on_message(taken(1, 3 * CHUNK_LEN_MAX), EARLIEST, at(1))
        .unwrap();
    assert_eq!(drain(&mut session), (vec![], vec![5 * CHUNK]));
}

#[test]
fn credit_for_what_was_not_sent_is_a_violation() {
    for received in [
        0,
        1,
        CHUNK_LEN_MAX - 1,
        2 * CHUNK_LEN_MAX,
        5 * CHUNK_LEN_MAX,
        u32::MAX as usize,
    ] {
        let mut session = session(None);
        session.on_newest(Some(&publication(1, 6 * CHUNK_LEN_MAX)), at(1));
        drain(&mut session);
        let violation = session
            .on_message(taken(1, received), EARLIEST, at(1))
            .unwrap_err();
        assert_eq!(
            violation,
            Violation::NoSuchChunk {
                received: u32::try_from(received).unwrap()
            }
        );
    }
}

#[test]
fn credit_is_not_given_twice() {
    let mut session = session(None);
    session.on_newest(Some(&publication(1, 6 * CHUNK_LEN_MAX)), at(1));
    drain(&mut session);
    session
        .on_message(taken(1, CHUNK_LEN_MAX), EARLIEST, at(1))
        .unwrap();
    assert!(
        session
            .on_message(taken(1, CHUNK_LEN_MAX), EARLIEST, at(1))
            .is_err()
    );
}

#[test]
fn credit_before_the_first_chunk_is_a_violation() {
    let mut session = session(None);
    session.on_newest(Some(&publication(1, 10)), at(1));
    assert!(session.on_message(taken(1, 10), EARLIEST, at(1)).is_err());
}

#[test]
fn a_second_hello_is_a_violation() {
    let Session {
        status:
            VmStatus {
                node,
                instance,
                vm,
                serves_requests,
                ruleset,
                audience,
                held,
                ..
            },
        ..
    } = session(None);
    let hello = Hello {
        node,
        instance,
        vm,
        serves_requests,
        ruleset,
        audience,
        held,
    };
    let violation = session(None).on_message(SubscriberMessage::Hello(hello), EARLIEST, at(1));
    assert_eq!(violation, Err(Violation::SecondHello));
}

#[test]
fn a_newer_publication_abandons_the_transfer() {
    let mut session = session(None);
    session.on_newest(Some(&publication(1, 6 * CHUNK_LEN_MAX)), at(1));
    drain(&mut session);
    session.on_newest(Some(&publication(2, CHUNK_LEN_MAX)), at(2));
    assert_eq!(drain(&mut session), (vec![2], vec![0]));
    // What the VM still says about the old one changes nothing.
    session
        .on_message(taken(1, CHUNK_LEN_MAX), EARLIEST, at(3))
        .unwrap();
    session.on_message(nack(1, true), EARLIEST, at(3)).unwrap();
    assert_eq!(session.status().answer, LastAnswer::Pending);
    session
        .on_message(SubscriberMessage::Ack(bundle(2)), EARLIEST, at(4))
        .unwrap();
    assert_eq!(session.status().answer, LastAnswer::Ack { revision: 2 });
}

#[test]
fn a_late_ack_shows_as_held_while_the_newer_one_is_pending() {
    let mut session = session(None);
    session.on_newest(Some(&publication(1, 10)), at(1));
    drain(&mut session);
    session.on_newest(Some(&publication(2, 10)), at(2));
    drain(&mut session);
    session
        .on_message(SubscriberMessage::Ack(bundle(1)), EARLIEST, at(3))
        .unwrap();
    assert_eq!(
        (session.status().held, &session.status().answer),
        (Some(bundle(1)), &LastAnswer::Pending)
    );
}

#[test]
fn a_bundle_that_is_refused_for_ever_is_not_sent_again() {
    let mut session = session(Some(1));
    let refused = publication(2, 10);
    session.on_newest(Some(&refused), at(1));
    drain(&mut session);
    session.on_message(nack(2, true), EARLIEST, at(2)).unwrap();
    assert_eq!(
        (session.retry_at(), &session.status().answer),
        (None, &nacked(2))
    );
    session.on_newest(Some(&refused), at(3));
    session
        .on_message(SubscriberMessage::Ack(bundle(1)), EARLIEST, at(3))
        .unwrap();
    assert_eq!(drain(&mut session), (vec![], vec![]));
    session.on_newest(Some(&publication(3, 10)), at(4));
    assert_eq!(drain(&mut session), (vec![3], vec![0]));
}

#[test]
fn the_bytes_of_a_bundle_that_was_replaced_are_let_go() {
    for permanent in [None, Some(false), Some(true)] {
        let mut session = session(None);
        let replaced = publication(2, 10);
        session.on_newest(Some(&replaced), at(1));
        if let Some(permanent) = permanent {
            session
                .on_message(nack(2, permanent), EARLIEST, at(2))
                .unwrap();
        }
        assert!(Arc::strong_count(&replaced) > 1);
        session.on_newest(Some(&publication(3, 10)), at(3));
        assert_eq!(Arc::strong_count(&replaced), 1, "{permanent:?}");
    }
}

/// A signature by another key makes another file of the same digest, which the VM may well take.
#[test]
fn a_refused_bundle_that_was_signed_anew_takes_a_new_stream() {
    let mut session = session(Some(1));
    session.on_newest(Some(&publication(2, 10)), at(1));
    drain(&mut session);
    session.on_message(nack(2, true), EARLIEST, at(2)).unwrap();
    assert!(!session.is_signed_anew());
    session.on_newest(Some(&publication(2, 10)), at(3));
    assert!(session.is_signed_anew());
    assert_eq!(drain(&mut session), (vec![], vec![]));
    session.on_newest(Some(&publication(3, 10)), at(4));
    assert!(!session.is_signed_anew());
}

#[test]
fn a_bundle_that_is_refused_for_now_is_sent_after_a_pause() {
    let mut session = session(None);
    session.on_newest(Some(&publication(2, 10)), at(1));
    drain(&mut session);
    session.on_message(nack(2, false), LATEST, at(10)).unwrap();
    assert_eq!(drain(&mut session), (vec![], vec![]));
    assert_eq!(session.retry_at(), Some(at(15).monotonic));
    session.on_retry(at(15));
    assert_eq!(
        (session.retry_at(), drain(&mut session)),
        (None, (vec![2], vec![0]))
    );
    assert_eq!(session.status().answer, nacked(2));
}

#[test]
fn a_publication_ends_the_pause() {
    let mut session = session(None);
    session.on_newest(Some(&publication(2, 10)), at(1));
    drain(&mut session);
    session.on_message(nack(2, false), LATEST, at(2)).unwrap();
    session.on_newest(Some(&publication(3, 10)), at(3));
    assert_eq!(
        (session.retry_at(), drain(&mut session)),
        (None, (vec![3], vec![0]))
    );
}

#[test]
fn a_bundle_from_elsewhere_shows() {
    let mut session = session(None);
    session.on_newest(Some(&publication(2, 10)), at(1));
    drain(&mut session);
    session
        .on_message(SubscriberMessage::Ack(bundle(2)), EARLIEST, at(2))
        .unwrap();
    session
        .on_message(SubscriberMessage::Ack(bundle(9)), EARLIEST, at(3))
        .unwrap();
    let status = session.status();
    assert_eq!(
        (status.held, &status.answer),
        (Some(bundle(9)), &LastAnswer::Ack { revision: 9 })
    );
}

#[test]
fn the_first_request_shows() {
    let mut session = session(None);
    assert!(session.changed_status().is_none());
    session
        .on_message(SubscriberMessage::ServesRequests, EARLIEST, at(1))
        .unwrap();
    assert!(session.changed_status().unwrap().serves_requests);
    assert!(session.changed_status().is_none());
}

/// The plugin configuration may hold a bundle of the same revision that was built from other rules.
#[test]
fn a_vm_that_holds_other_contents_of_the_revision_is_offered_the_published_ones() {
    let other = BundleId {
        revision: 3,
        digest: Digest([0xee; 32]),
    };
    let mut session = session(None);
    session
        .on_message(SubscriberMessage::Ack(other), EARLIEST, at(0))
        .unwrap();
    session.on_newest(Some(&publication(3, 10)), at(1));
    assert_eq!(session.status().answer, LastAnswer::Pending);
    assert_eq!(drain(&mut session), (vec![3], vec![0]));
    session.on_message(nack(3, true), EARLIEST, at(2)).unwrap();
    let status = session.status();
    assert_eq!((status.held, &status.answer), (Some(other), &nacked(3)));
    // It says once more what serves, and the conflict still shows.
    session
        .on_message(SubscriberMessage::Ack(other), EARLIEST, at(3))
        .unwrap();
    assert_eq!(session.status().answer, nacked(3));
    assert_eq!(drain(&mut session), (vec![], vec![]));
}

#[test]
fn a_vm_is_silent_from_the_offer_until_it_takes_or_answers() {
    let mut session = session(Some(1));
    let silent_since = |session: &Session| session.silent_since();
    assert_eq!(silent_since(&session), None);
    session.on_newest(Some(&publication(2, 6 * CHUNK_LEN_MAX)), at(10));
    drain(&mut session);
    assert_eq!(silent_since(&session), Some(at(10).monotonic));
    session
        .on_message(taken(2, CHUNK_LEN_MAX), EARLIEST, at(20))
        .unwrap();
    assert_eq!(silent_since(&session), Some(at(20).monotonic));
    // What was said before moves nothing on.
    session
        .on_message(SubscriberMessage::Ack(bundle(1)), EARLIEST, at(25))
        .unwrap();
    assert_eq!(silent_since(&session), Some(at(20).monotonic));
    // Neither does a newer bundle, which nobody asked for.
    session.on_newest(Some(&publication(3, 10)), at(30));
    drain(&mut session);
    assert_eq!(silent_since(&session), Some(at(20).monotonic));
    // Nor what is said of other bundles, or of nothing: it could go on for ever.
    let others = [
        taken(2, 2 * CHUNK_LEN_MAX),
        taken(9, CHUNK_LEN_MAX),
        SubscriberMessage::Ack(bundle(2)),
        SubscriberMessage::Ack(bundle(1)),
        nack(2, true),
        SubscriberMessage::ServesRequests,
    ];
    for (message, second) in others.into_iter().zip(31..) {
        session
            .on_message(message.clone(), EARLIEST, at(second))
            .unwrap();
        assert_eq!(
            silent_since(&session),
            Some(at(20).monotonic),
            "{message:?}"
        );
    }
    session.on_message(nack(3, false), LATEST, at(40)).unwrap();
    assert_eq!(silent_since(&session), None);
    session.on_retry(at(50));
    assert_eq!(silent_since(&session), Some(at(50).monotonic));
    session
        .on_message(SubscriberMessage::Ack(bundle(3)), EARLIEST, at(60))
        .unwrap();
    assert_eq!(silent_since(&session), None);
}

#[test]
fn what_a_vm_repeats_changes_nothing() {
    let mut session = session(None);
    session.on_newest(Some(&publication(2, 10)), at(1));
    drain(&mut session);
    let messages = [
        SubscriberMessage::ServesRequests,
        SubscriberMessage::Ack(bundle(1)),
        nack(2, true),
    ];
    for message in &messages {
        session
            .on_message(message.clone(), EARLIEST, at(2))
            .unwrap();
        assert!(session.changed_status().is_some(), "{message:?}");
        session
            .on_message(message.clone(), EARLIEST, at(3))
            .unwrap();
        assert!(session.changed_status().is_none(), "{message:?}");
    }
    for message in messages {
        assert!(!session.is_news(&message), "{message:?}");
        session.on_message(message, EARLIEST, at(4)).unwrap();
    }
    assert!(session.changed_status().is_none());
    assert_eq!(session.status().since_ms, 2000);
    assert!(session.is_news(&nack(3, true)));
    assert!(session.is_news(&SubscriberMessage::Ack(bundle(3))));
}

#[derive(Clone, Debug)]
enum Step {
    Publish { len: usize },
    Send,
    Take,
    Ack,
    Nack { permanent: bool },
    Retry,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (1..8 * CHUNK_LEN_MAX).prop_map(|len| Step::Publish { len }),
        8 => Just(Step::Send),
        4 => Just(Step::Take),
        1 => Just(Step::Ack),
        1 => any::<bool>().prop_map(|permanent| Step::Nack { permanent }),
        1 => Just(Step::Retry),
    ]
}

/// What a VM that keeps to the protocol knows.
#[derive(Default)]
struct Vm {
    offered: Option<BundleStart>,
    received: usize,
    taken: usize,
}

impl Vm {
    fn receive(&mut self, message: PusherMessage) {
        match message {
            PusherMessage::Start(start) => {
                *self = Self {
                    offered: Some(start),
                    ..Self::default()
                }
            }
            PusherMessage::Chunk(chunk) => {
                let start = self.offered.unwrap();
                assert_eq!(
                    (chunk.digest, chunk.offset as usize),
                    (start.bundle.digest, self.received)
                );
                assert_eq!(usize::from(chunk.data[0]), self.received % 251);
                self.received += chunk.data.len();
                assert!(self.received <= start.total_len as usize);
                assert!(
                    (self.received - self.taken).div_ceil(CHUNK_LEN_MAX) <= CHUNKS_IN_FLIGHT_MAX
                );
            }
        }
    }

    fn take(&mut self) -> Option<SubscriberMessage> {
        let end = self.received.min(self.taken + CHUNK_LEN_MAX);
        let start = self.offered.filter(|_| end > self.taken)?;
        self.taken = end;
        let received = u32::try_from(end).unwrap();
        Some(SubscriberMessage::ChunkTaken(ChunkTaken {
            digest: start.bundle.digest,
            received,
        }))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Chunks come in order, without gaps, within the credit, whatever happens; and a VM that goes on gets the newest.
    #[test]
    fn any_course_of_events_keeps_to_the_protocol(steps in vec(step(), 0..80)) {
        let (mut session, mut vm) = (session(None), Vm::default());
        let mut revision = 0;
        for step in steps {
            let answer = vm.offered.map(|start| start.bundle);
            match (step, answer) {
                (Step::Publish { len }, _) => {
                    revision += 1;
                    session.on_newest(Some(&publication(revision, len)), at(revision));
                }
                (Step::Send, _) => session.next_message().into_iter().for_each(|message| vm.receive(message)),
                (Step::Take, _) => {
                    if let Some(taken) = vm.take() {
                        session.on_message(taken, EARLIEST, at(revision)).unwrap();
                    }
                }
                (Step::Ack, Some(bundle)) => {
                    vm = Vm::default();
                    session.on_message(SubscriberMessage::Ack(bundle), EARLIEST, at(revision)).unwrap();
                }
                (Step::Nack { permanent }, Some(bundle)) => {
                    vm = Vm::default();
                    session.on_message(nack(bundle.revision, permanent), EARLIEST, at(revision)).unwrap();
                }
                (Step::Retry, _) if session.retry_at().is_some() => session.on_retry(at(revision)),
                _ => {}
            }
        }
        revision += 1;
        session.on_newest(Some(&publication(revision, 5 * CHUNK_LEN_MAX + 7)), at(revision));
        while vm.received < 5 * CHUNK_LEN_MAX + 7 || vm.offered.is_none_or(|start| start.bundle.revision != revision) {
            vm.receive(session.next_message().unwrap());
            session.on_message(vm.take().unwrap_or(SubscriberMessage::ServesRequests), EARLIEST, at(revision)).unwrap();
        }
    }
}
