//! The service over real connections, with real signed bundles.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod common;

use std::{path::Path, time::Duration};

use common::{
    NOW_S,
    bundles::{TestBundle, good, key},
    service::{PATIENCE, Pusher, Subscriber, hello},
};
use riskgate_engine::{bundle::Bundle, trust::key_id};
use riskgate_push_protocol::{
    BundleId, Digest, KeyId, LastAnswer, Nack, VmStatus,
    limits::{BUNDLE_LEN_MAX, CHUNK_LEN_MAX, CHUNKS_IN_FLIGHT_MAX, PIECE_LEN_MAX},
    proto::{self, admin_service_client::AdminServiceClient},
    v1::{self, Hello, SubscriberMessage},
};
use riskgate_pusher::{client::ClientError, config::Config, store::Store};
use tonic::{Code, Status, transport::Endpoint};

/// Long enough to need credit.
fn long(revision: u64) -> TestBundle {
    TestBundle {
        filler_len: 6 * CHUNK_LEN_MAX,
        ..good(revision)
    }
}

fn nack(bundle: BundleId, permanent: bool) -> SubscriberMessage {
    let (reason, detail) = (
        "too-new-engine".to_owned(),
        "update riskgate here first".to_owned(),
    );
    SubscriberMessage::Nack(Nack {
        bundle,
        reason,
        detail,
        permanent,
    })
}

fn acked(vm: &VmStatus, bundle: BundleId) -> bool {
    vm.held == Some(bundle)
        && vm.answer
            == LastAnswer::Ack {
                revision: bundle.revision,
            }
}

#[tokio::test]
async fn a_published_bundle_reaches_a_subscriber_and_its_ack_shows() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    pusher.status_when(|status| status.vms.len() == 1).await;
    let file = long(1).build();
    let published = pusher.admin.publish(&file).await.unwrap();
    assert_eq!((published.subscribers, published.unchanged), (1, false));

    let (start, received) = subscriber.receive().await;
    assert_eq!(start.bundle, published.bundle);
    assert_eq!(received, Bundle::parse(&file).unwrap().without_detached());
    let status = pusher.status().await;
    assert_eq!(
        (status.vms[0].held, &status.vms[0].answer),
        (None, &LastAnswer::Pending)
    );

    subscriber.send(SubscriberMessage::ServesRequests);
    subscriber.send(SubscriberMessage::Ack(start.bundle));
    let status = pusher
        .status_when(|status| acked(&status.vms[0], published.bundle))
        .await;
    assert_eq!(status.vms[0].node, "sidecar-1");
    assert!(status.vms[0].serves_requests);
    assert_eq!(status.rulesets[0].bundle, published.bundle);
    assert_eq!(
        (status.rulesets[0].published_at_ms, status.now_ms),
        (NOW_S * 1000, NOW_S * 1000)
    );
}

#[tokio::test]
async fn a_vm_is_listed_while_its_stream_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let first = pusher.subscribe(hello(1)).await;
    let second = pusher.subscribe(hello(2)).await;
    pusher.status_when(|status| status.vms.len() == 2).await;
    first.close();
    let status = pusher.status_when(|status| status.vms.len() == 1).await;
    assert_eq!(status.vms[0].vm, hello(2).vm);
    second.close();
    pusher.status_when(|status| status.vms.is_empty()).await;
}

#[tokio::test]
async fn a_subscriber_gets_its_own_topic_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let for_eu = TestBundle {
        audience: Some("eu"),
        ..good(7)
    };
    let of_another = TestBundle {
        ruleset: "backoffice",
        ..good(8)
    };
    pusher.publish(&of_another.build()).await;
    let mut plain = pusher.subscribe(hello(1)).await;
    let mut eu = pusher
        .subscribe(Hello {
            audience: Some("eu".to_owned()),
            ..hello(2)
        })
        .await;
    pusher.publish(&for_eu.build()).await;
    pusher.publish(&good(3).build()).await;
    assert_eq!(plain.accept().await.revision, 3);
    assert_eq!(eu.accept().await.revision, 7);

    let of_storefront = pusher.admin.status(Some("storefront")).await.unwrap();
    assert_eq!(
        (of_storefront.rulesets.len(), of_storefront.vms.len()),
        (2, 2)
    );
    let of_backoffice = pusher.admin.status(Some("backoffice")).await.unwrap();
    assert_eq!(
        (of_backoffice.rulesets.len(), of_backoffice.vms.len()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_subscriber_that_holds_the_bundle_is_not_sent_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let first = pusher.publish(&good(1).build()).await;
    let mut subscriber = pusher
        .subscribe(Hello {
            held: Some(first),
            ..hello(1)
        })
        .await;
    pusher
        .status_when(|status| status.vms.iter().any(|vm| acked(vm, first)))
        .await;
    let second = pusher.publish(&good(2).build()).await;
    assert_eq!(subscriber.accept().await, second);
}

#[tokio::test]
async fn a_subscriber_that_takes_nothing_gets_four_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    pusher.publish(&long(1).build()).await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    let start = subscriber.start().await;
    let mut file = Vec::new();
    for _ in 0..CHUNKS_IN_FLIGHT_MAX {
        subscriber.chunk(start, &mut file).await;
    }
    subscriber.assert_quiet().await;
    subscriber.take(start, CHUNK_LEN_MAX);
    subscriber.chunk(start, &mut file).await;
    assert_eq!(file.len(), 5 * CHUNK_LEN_MAX);
    subscriber.assert_quiet().await;
}

#[tokio::test]
async fn a_newer_bundle_takes_the_place_of_the_one_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    pusher.publish(&long(1).build()).await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    let start = subscriber.start().await;
    let mut file = Vec::new();
    for _ in 0..CHUNKS_IN_FLIGHT_MAX {
        subscriber.chunk(start, &mut file).await;
    }
    let second = pusher.publish(&good(2).build()).await;
    assert_eq!(subscriber.accept().await, second);
    pusher
        .status_when(|status| acked(&status.vms[0], second))
        .await;
}

#[tokio::test]
async fn a_bundle_refused_for_ever_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let first = pusher.publish(&good(1).build()).await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    subscriber.receive().await;
    subscriber.send(nack(first, true));
    let refused = |vm: &VmStatus| matches!(&vm.answer, LastAnswer::Nack { revision: 1, reason, .. } if reason == "too-new-engine");
    pusher.status_when(|status| refused(&status.vms[0])).await;
    // Publishing the same file once more changes nothing.
    assert!(
        pusher
            .admin
            .publish(&good(1).build())
            .await
            .unwrap()
            .unchanged
    );
    subscriber.assert_quiet().await;
    let second = pusher.publish(&good(2).build()).await;
    assert_eq!(subscriber.accept().await, second);
}

#[tokio::test]
async fn a_bundle_refused_for_now_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        retry_first: Duration::from_millis(10),
        ..Config::default()
    };
    let mut pusher = Pusher::start_with(folder.path(), &[1], config).await;
    let first = pusher.publish(&good(1).build()).await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    for _ in 0..3 {
        subscriber.receive().await;
        subscriber.send(nack(first, false));
    }
    assert_eq!(subscriber.accept().await, first);
    pusher
        .status_when(|status| acked(&status.vms[0], first))
        .await;
}

#[tokio::test]
async fn a_restart_keeps_the_bundle_and_the_mark() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let bundle = pusher.publish(&good(5).build()).await;
    let before = pusher.status().await;
    pusher.stop().await;

    let mut pusher = Pusher::start(folder.path()).await;
    assert_eq!(pusher.status().await, before);
    assert_eq!(pusher.subscribe(hello(1)).await.accept().await, bundle);
    let refusal = pusher.refusal(&good(4).build()).await.unwrap();
    assert!(
        refusal.starts_with("older-revision: revision 4 is older than 5"),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_stored_bundle_of_a_withdrawn_key_is_not_served_and_holds_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    pusher.publish(&good(u64::MAX).build()).await;
    pusher.stop().await;

    let mut pusher = Pusher::start_with(folder.path(), &[2], Config::default()).await;
    assert_eq!(pusher.status().await.rulesets, []);
    let by_new_key = TestBundle {
        signers: vec![key(2)],
        ..good(1)
    };
    let bundle = pusher.publish(&by_new_key.build()).await;
    assert_eq!(pusher.subscribe(hello(1)).await.accept().await, bundle);
}

/// Filters decide by `on_expired` what an expired first bundle means; without one they would have nothing.
#[tokio::test]
async fn a_stored_bundle_that_expired_is_served_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let short = TestBundle {
        expires_at_s: NOW_S + 1,
        ..good(1)
    };
    let bundle = pusher.publish(&short.build()).await;
    pusher.clock.set_s(NOW_S + 10);
    assert_eq!(pusher.subscribe(hello(1)).await.accept().await, bundle);
    let refusal = pusher.refusal(&short.build()).await.unwrap();
    assert!(refusal.starts_with("expired: "), "{refusal}");
}

#[tokio::test]
async fn a_bundle_signed_anew_replaces_the_file_and_keeps_the_revision() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start_with(folder.path(), &[1, 2], Config::default()).await;
    let by_old_key = pusher.admin.publish(&good(1).build()).await.unwrap();
    let by_both = TestBundle {
        signers: vec![key(1), key(2)],
        ..good(1)
    };
    let anew = pusher.admin.publish(&by_both.build()).await.unwrap();
    assert_eq!((anew.bundle, anew.unchanged), (by_old_key.bundle, false));
    let (_, file) = pusher.subscribe(hello(1)).await.receive().await;
    assert_eq!(Bundle::parse(&file).unwrap().signatures().len(), 2);
}

#[tokio::test]
async fn a_refused_bundle_that_is_signed_anew_is_sent_on_a_new_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start_with(folder.path(), &[1, 2], Config::default()).await;
    let bundle = pusher.publish(&good(1).build()).await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    subscriber.receive().await;
    subscriber.send(nack(bundle, true));
    pusher
        .status_when(|status| matches!(status.vms[0].answer, LastAnswer::Nack { .. }))
        .await;
    let by_new_key = TestBundle {
        signers: vec![key(2)],
        ..good(1)
    };
    assert_eq!(pusher.publish(&by_new_key.build()).await, bundle);
    assert_eq!(subscriber.refusal().await.0, Code::Aborted);
    assert_eq!(pusher.subscribe(hello(1)).await.accept().await, bundle);
}

#[tokio::test]
async fn a_publication_takes_no_signature_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start_with(folder.path(), &[1, 2], Config::default()).await;
    let by = |numbers: &[u8]| TestBundle {
        signers: numbers.iter().map(|number| key(*number)).collect(),
        ..good(1)
    };
    pusher.publish(&by(&[1, 2]).build()).await;
    let stripped = pusher.admin.publish(&by(&[2]).build()).await.unwrap();
    assert!(stripped.unchanged);
    assert_eq!(stripped.signatures_left_out, []);
    // One by a key that is not trusted here cannot be checked, so it is not added.
    let unknown = pusher.admin.publish(&by(&[1, 9]).build()).await.unwrap();
    assert!(unknown.unchanged);
    assert_eq!(unknown.signatures_left_out, [id(9)]);
    let (_, file) = pusher.subscribe(hello(1)).await.receive().await;
    assert_eq!(Bundle::parse(&file).unwrap().signatures().len(), 2);
    pusher.stop().await;
    assert_eq!(stored_files(folder.path()), [by(&[1, 2]).build()]);
    // Once its key is trusted, it counts.
    let mut pusher = Pusher::start_with(folder.path(), &[1, 2, 9], Config::default()).await;
    let trusted = pusher.admin.publish(&by(&[1, 9]).build()).await.unwrap();
    assert!(!trusted.unchanged);
    assert_eq!(trusted.signatures_left_out, []);
    pusher.stop().await;
    assert_eq!(stored_files(folder.path()), [by(&[1, 2, 9]).build()]);
}

fn id(number: u8) -> KeyId {
    KeyId(key_id(&key(number).verifying_key().to_bytes()))
}

#[tokio::test]
async fn signatures_add_up_and_those_of_unknown_keys_stay_as_long_as_they_fit() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start_with(folder.path(), &[1, 2], Config::default()).await;
    let unknown: Vec<u8> = (11..26).collect();
    let by = |numbers: &[u8]| TestBundle {
        signers: numbers.iter().map(|number| key(*number)).collect(),
        ..good(1)
    };
    pusher
        .publish(&by(&[&[1][..], &unknown].concat()).build())
        .await;
    let added = pusher.admin.publish(&by(&[2]).build()).await.unwrap();
    assert!(!added.unchanged);
    assert_eq!(added.signatures_left_out.len(), 1);
    let left_out = added.signatures_left_out[0];
    assert!(unknown.iter().any(|number| id(*number) == left_out));
    pusher.stop().await;
    let files = stored_files(folder.path());
    let bundle = Bundle::parse(&files[0]).unwrap();
    let has = |number: u8| {
        let id = id(number).0;
        bundle.signatures().iter().any(|had| had.key_id == id)
    };
    assert_eq!(
        (bundle.signatures().len(), has(1), has(2)),
        (16, true, true)
    );
    assert!(bundle.is_complete());
}

async fn publish_in_pieces(pusher: &Pusher, len: usize) -> Status {
    let endpoint = Endpoint::from_shared(format!("http://{}", pusher.admin_addr)).unwrap();
    let mut admin = AdminServiceClient::new(endpoint.connect().await.unwrap());
    let data = vec![0; len];
    let pieces = tokio_stream::iter([proto::PublishRequest { data }]);
    admin.publish(pieces).await.unwrap_err()
}

#[tokio::test]
async fn a_piece_that_is_too_long_is_refused_with_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let pusher = Pusher::start(folder.path()).await;
    let longest = publish_in_pieces(&pusher, PIECE_LEN_MAX).await;
    assert!(longest.message().starts_with("malformed: "), "{longest}");
    for too_long in [PIECE_LEN_MAX + 1, PIECE_LEN_MAX + 100] {
        let refusal = publish_in_pieces(&pusher, too_long).await;
        assert_eq!(
            (refusal.code(), refusal.message()),
            (
                Code::InvalidArgument,
                "too-large: a piece of the bundle is longer than 4194304 bytes; send it in shorter pieces"
            )
        );
    }
}

fn stored_files(folder: &Path) -> Vec<Vec<u8>> {
    let bundles = Store::open(&folder.join("store.redb"))
        .unwrap()
        .bundles()
        .unwrap();
    bundles.into_iter().map(|bundle| bundle.file).collect()
}

/// The same bytes but for one, somewhere in the last third: in a section.
fn tampered(mut file: Vec<u8>) -> Vec<u8> {
    let filler = file
        .windows(64)
        .position(|window| window == [b'x'; 64])
        .unwrap();
    file[filler] = b'y';
    file
}

fn with_broken_signature(file: Vec<u8>) -> Vec<u8> {
    let manifest_len = Bundle::parse(&file).unwrap().manifest_bytes().len();
    let mut file = file;
    file[64 + manifest_len + 32] ^= 1;
    file
}

#[tokio::test]
async fn what_filters_would_refuse_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let accepted = TestBundle {
        filler_len: 1000,
        ..good(5)
    };
    pusher.publish(&accepted.build()).await;
    let before = pusher.status().await;
    let next = TestBundle {
        filler_len: 1000,
        ..good(6)
    };

    let cases = [
        ("malformed: the bundle is empty", Vec::new()),
        ("malformed: not a riskgate bundle", b"<html>".repeat(100)),
        ("malformed: ", next.build()[..700].to_vec()),
        ("malformed: ", [next.build(), vec![0]].concat()),
        ("bad-hash: ", tampered(next.build())),
        ("bad-signature: ", with_broken_signature(next.build())),
        (
            "untrusted: ",
            TestBundle {
                signers: vec![key(9)],
                ..next.clone()
            }
            .build(),
        ),
        (
            "untrusted: ",
            TestBundle {
                signers: vec![],
                ..next.clone()
            }
            .build(),
        ),
        (
            "older-revision: ",
            TestBundle {
                revision: 4,
                ..next.clone()
            }
            .build(),
        ),
        (
            "revision-conflict: ",
            TestBundle {
                revision: 5,
                expires_at_s: NOW_S + 7,
                ..next.clone()
            }
            .build(),
        ),
        (
            "expired: ",
            TestBundle {
                expires_at_s: NOW_S,
                ..next.clone()
            }
            .build(),
        ),
        (
            "not-yet-valid: ",
            TestBundle {
                not_before_s: NOW_S + 30,
                ..next.clone()
            }
            .build(),
        ),
        (
            "issued-in-future: ",
            TestBundle {
                issued_at_s: NOW_S + 301,
                not_before_s: NOW_S + 301,
                ..next.clone()
            }
            .build(),
        ),
        (
            "expired: ",
            TestBundle {
                ruleset: "first",
                expires_at_s: NOW_S,
                ..next.clone()
            }
            .build(),
        ),
        ("too-large: ", vec![0; BUNDLE_LEN_MAX + 1]),
    ];
    for (expected, file) in cases {
        let refusal = pusher
            .refusal(&file)
            .await
            .unwrap_or_else(|| panic!("accepted, not {expected}"));
        assert!(
            refusal.starts_with(expected),
            "{refusal:?} is not {expected:?}"
        );
    }

    assert_eq!(pusher.status().await, before);
    pusher.stop().await;
    assert_eq!(stored_files(folder.path()), [accepted.build()]);
}

#[tokio::test]
async fn the_same_file_once_more_is_fine_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let first = pusher.admin.publish(&good(1).build()).await.unwrap();
    pusher.clock.set_s(NOW_S + 60);
    let again = pusher.admin.publish(&good(1).build()).await.unwrap();
    assert_eq!(
        (again.bundle, first.unchanged, again.unchanged),
        (first.bundle, false, true)
    );
    assert_eq!(
        pusher.status().await.rulesets[0].published_at_ms,
        NOW_S * 1000
    );
}

async fn refusal_of_stream(pusher: &Pusher, first: v1::proto::SubscriberMessage) -> (Code, String) {
    let subscriber = pusher.open_stream().await;
    subscriber.send_raw(first);
    subscriber.refusal().await
}

#[tokio::test]
async fn hostile_first_messages_end_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let bundle = pusher.publish(&good(1).build()).await;
    let of_long_node = |len: usize| {
        let v1::proto::SubscriberMessage { message } = SubscriberMessage::Hello(hello(1)).into();
        let Some(v1::proto::subscriber_message::Message::Hello(mut hello)) = message else {
            panic!("no hello")
        };
        hello.node = "n".repeat(len);
        v1::proto::SubscriberMessage {
            message: Some(v1::proto::subscriber_message::Message::Hello(hello)),
        }
    };
    let cases = [
        (
            SubscriberMessage::Ack(bundle).into(),
            Code::InvalidArgument,
            "the first message is no hello",
        ),
        (
            v1::proto::SubscriberMessage { message: None },
            Code::InvalidArgument,
            "the message is of no known kind",
        ),
        (
            of_long_node(257),
            Code::InvalidArgument,
            "`hello.node` is 257 bytes long",
        ),
        (of_long_node(1 << 20), Code::OutOfRange, ""),
    ];
    for (first, code, sentence) in cases {
        let (found, message) = refusal_of_stream(&pusher, first).await;
        assert_eq!(found, code, "{message}");
        assert!(
            message.starts_with(sentence),
            "{message:?} is not {sentence:?}"
        );
    }
    assert_eq!(pusher.status().await.vms, []);
}

#[tokio::test]
async fn a_stream_without_a_hello_is_closed_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        hello_timeout: Duration::from_millis(20),
        ..Config::default()
    };
    let pusher = Pusher::start_with(folder.path(), &[1], config).await;
    let (code, message) = pusher.open_stream().await.refusal().await;
    assert_eq!(
        (code, message.as_str()),
        (Code::DeadlineExceeded, "no hello came within 20ms")
    );
}

/// As a VM that trapped: Envoy reads on, and nobody answers.
#[tokio::test]
async fn a_subscriber_that_does_not_answer_is_closed_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        answer_timeout: Duration::from_millis(20),
        ..Config::default()
    };
    let mut pusher = Pusher::start_with(folder.path(), &[1], config).await;
    let subscriber = pusher.subscribe(hello(1)).await;
    pusher.status_when(|status| status.vms.len() == 1).await;
    pusher.publish(&good(1).build()).await;
    assert_eq!(
        subscriber.refusal().await,
        (
            Code::DeadlineExceeded,
            "neither credit nor an answer came within 20ms; connect again".to_owned()
        )
    );
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_frees_its_seat() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        subscribers_max: 1,
        answer_timeout: Duration::from_millis(20),
        ..Config::default()
    };
    let mut pusher = Pusher::start_with(folder.path(), &[1], config).await;
    pusher.publish(&long(1).build()).await;
    let deaf = pusher.subscribe(hello(1)).await;
    let next = async { while pusher.try_open_stream().await.is_err() {} };
    tokio::time::timeout(PATIENCE, next)
        .await
        .expect("the seat is never free");
    // Its connection was open all the time.
    deaf.close();
}

#[tokio::test]
async fn a_vm_that_holds_other_contents_of_the_revision_shows_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let published = pusher.publish(&good(1).build()).await;
    let other = BundleId {
        digest: Digest([0xee; 32]),
        ..published
    };
    let of_config = Hello {
        held: Some(other),
        ..hello(1)
    };
    let mut subscriber = pusher.subscribe(of_config).await;
    assert_eq!(subscriber.receive().await.0.bundle, published);
    subscriber.send(nack(published, true));
    let refused = |vm: &VmStatus| matches!(vm.answer, LastAnswer::Nack { revision: 1, .. });
    let status = pusher.status_when(|status| refused(&status.vms[0])).await;
    assert_eq!(status.vms[0].held, Some(other));
}

async fn violation(pusher: &Pusher, message: SubscriberMessage) -> (Code, String) {
    let mut subscriber: Subscriber = pusher.subscribe(hello(1)).await;
    subscriber.start().await;
    subscriber.send(message);
    subscriber.refusal().await
}

#[tokio::test]
async fn messages_out_of_place_end_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let bundle = pusher.publish(&good(1).build()).await;
    let (code, message) = violation(&pusher, SubscriberMessage::Hello(hello(1))).await;
    assert_eq!(
        (code, message.as_str()),
        (Code::InvalidArgument, "a second hello; a stream takes one")
    );
    let taken = riskgate_push_protocol::v1::ChunkTaken {
        digest: bundle.digest,
        received: 1,
    };
    let (code, message) = violation(&pusher, SubscriberMessage::ChunkTaken(taken)).await;
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.starts_with("credit for 1 bytes"), "{message}");
    pusher.status_when(|status| status.vms.is_empty()).await;
}

#[tokio::test]
async fn one_subscriber_too_many_is_turned_away_until_a_seat_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        subscribers_max: 1,
        ..Config::default()
    };
    let mut pusher = Pusher::start_with(folder.path(), &[1], config).await;
    let first = pusher.subscribe(hello(1)).await;
    pusher.status_when(|status| status.vms.len() == 1).await;
    let refusal = pusher.try_open_stream().await.err().expect("a second seat");
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    first.close();
    pusher.status_when(|status| status.vms.is_empty()).await;
    // The seat is given back right after the VM is no longer listed.
    let next = async { while pusher.try_open_stream().await.is_err() {} };
    tokio::time::timeout(PATIENCE, next)
        .await
        .expect("the seat is never free");
}

#[tokio::test]
async fn a_stop_tells_the_subscribers() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let subscriber = pusher.subscribe(hello(1)).await;
    pusher.status_when(|status| status.vms.len() == 1).await;
    let (refusal, ()) = tokio::join!(subscriber.refusal(), pusher.stop());
    assert_eq!(
        refusal,
        (
            Code::Unavailable,
            "the pusher stops; connect again".to_owned()
        )
    );
}

#[tokio::test]
async fn a_pusher_that_is_gone_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let pusher = Pusher::start(folder.path()).await;
    let mut admin = pusher.admin.clone();
    pusher.stop().await;
    assert!(matches!(
        admin.status(None).await,
        Err(ClientError::Unreachable { .. })
    ));
}
