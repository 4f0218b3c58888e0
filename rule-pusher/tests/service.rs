//! Publishing and restarting, over real connections, with real signed bundles.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod common;

use common::{
    NOW_S,
    bundles::{TestBundle, good, id, key, with_broken_signature},
    service::{Pusher, stored_files},
    subscriber::hello,
};
use riskgate_push_protocol::{
    Status as PusherStatus,
    limits::{BUNDLE_LEN_MAX, PIECE_LEN_MAX},
    proto::{self, admin_service_client::AdminServiceClient},
};
use riskgate_pusher::{client::ClientError, config::Config};
use tonic::{Code, Status, transport::Endpoint};

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

/// A pusher that goes on under such a clock serves what it has, so one that starts under it does the same.
#[tokio::test]
async fn a_clock_that_was_set_back_takes_no_bundle_away_at_a_restart() {
    let issued_ahead = TestBundle {
        issued_at_s: NOW_S + 1000,
        not_before_s: NOW_S + 1000,
        ..good(2)
    };
    let valid_later = TestBundle {
        not_before_s: NOW_S + 1000,
        ..good(2)
    };
    for bundle in [issued_ahead, valid_later] {
        let folder = tempfile::tempdir().unwrap();
        let mut pusher = Pusher::start_when(folder.path(), NOW_S + 2000).await;
        let published = pusher.publish(&bundle.build()).await;
        pusher.clock.set_s(NOW_S);
        let went_on = seen_from_outside(&mut pusher, &bundle).await;
        pusher.stop().await;

        let mut pusher = Pusher::start_when(folder.path(), NOW_S).await;
        let started_again = seen_from_outside(&mut pusher, &bundle).await;
        assert_eq!(started_again, went_on);
        assert_eq!(pusher.subscribe(hello(2)).await.accept().await, published);
    }
}

/// What is published, what a new subscriber is sent, and what is said to the same file and to an older one.
async fn seen_from_outside(
    pusher: &mut Pusher,
    bundle: &TestBundle,
) -> (PusherStatus, Vec<u8>, [Option<String>; 2]) {
    let status = pusher.status().await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    let offer = subscriber.receive().await;
    let older = TestBundle {
        revision: bundle.revision - 1,
        ..bundle.clone()
    };
    let refusals = [
        pusher.refusal(&bundle.build()).await,
        pusher.refusal(&older.build()).await,
    ];
    (status, subscriber.file(&offer), refusals)
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

/// The same bytes but for one, somewhere in the last third: in a section.
fn tampered(mut file: Vec<u8>) -> Vec<u8> {
    let filler = file
        .windows(64)
        .position(|window| window == [b'x'; 64])
        .unwrap();
    file[filler] = b'y';
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
        (
            "bad-signature: ",
            with_broken_signature(next.build(), id(1)),
        ),
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
