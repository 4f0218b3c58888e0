//! What filters get and say on their streams, over real connections, with real signed bundles.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod common;

use std::time::Duration;

use common::{
    NOW_S,
    bundles::{TestBundle, good, key},
    service::Pusher,
    subscriber::{hello, hello_holding, nack, vm_report},
};
use riskgate_engine::bundle::{Bundle, Head, SectionEntry, SectionKind};
use riskgate_push_protocol::{
    BundleId, Digest, Hello, Holdings, LastAnswer, Report, SubscriberMessage, VmAnswer, VmId,
    VmStatus,
    limits::{CHUNK_LEN_MAX, CHUNKS_IN_FLIGHT_MAX},
};
use riskgate_pusher::config::Config;
use tonic::Code;

/// Long enough to need credit.
fn long(revision: u64) -> TestBundle {
    TestBundle {
        filler_len: 6 * CHUNK_LEN_MAX,
        ..good(revision)
    }
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

    let offer = subscriber.receive().await;
    assert_eq!(offer.bundle, published.bundle);
    assert_eq!(
        subscriber.file(&offer),
        Bundle::parse(&file).unwrap().without_detached()
    );
    let status = pusher.status().await;
    assert_eq!(
        (status.vms[0].held, &status.vms[0].answer),
        (None, &LastAnswer::Pending)
    );

    subscriber.held = Some(offer.bundle);
    subscriber.report(VmAnswer::Ack(offer.bundle)).await;
    let status = pusher
        .status_when(|status| acked(&status.vms[0], published.bundle))
        .await;
    assert_eq!(status.vms[0].node, "sidecar-1");
    assert!(status.vms[0].holds_stream);
    assert_eq!(status.rulesets[0].bundle, published.bundle);
    assert_eq!(
        (status.rulesets[0].published_at_ms, status.now_ms),
        (NOW_S * 1000, NOW_S * 1000)
    );
}

/// The long section is the same in both: of the second bundle its head is all that travels.
#[tokio::test]
async fn sections_that_did_not_change_do_not_travel_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    pusher.publish(&long(1).build()).await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    subscriber.accept().await;
    let file = long(2).build();
    let second = pusher.publish(&file).await;
    let offer = subscriber.receive().await;
    assert_eq!((offer.bundle, offer.sent.as_slice()), (second, &[][..]));
    assert_eq!(
        subscriber.file(&offer),
        Bundle::parse(&file).unwrap().without_detached()
    );
}

/// What came whole before the connection broke is stated on the next stream, and does not travel again.
#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    pusher.publish(&long(1).build()).await;
    let mut first = pusher.subscribe(hello(1)).await;
    first.receive().await;
    let mut hello = hello(1);
    hello.epoch += 1;
    hello.holdings.sections = first.sections.keys().copied().collect();
    first.close();
    let mut second = pusher.subscribe(hello.clone()).await;
    let offer = second.receive().await;
    assert_eq!(offer.sent, [0_u32; 0]);
    second.close();
    // But for the one that had not come.
    let head = Head::parse(&offer.head).unwrap();
    let actions = |entry: &SectionEntry| entry.kind == SectionKind::Actions;
    let place = head.entries().iter().position(actions).unwrap();
    let lacking = head.entries()[place].hash;
    hello.holdings.sections.retain(|held| held.0 != lacking);
    hello.epoch += 1;
    let mut third = pusher.subscribe(hello).await;
    assert_eq!(third.receive().await.sent, [place as u32]);
}

#[tokio::test]
async fn what_was_lost_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    pusher.publish(&good(1).build()).await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    let first = subscriber.accept().await;
    let second = pusher.publish(&good(2).build()).await;
    assert_eq!(subscriber.offer().await.sent, [0_u32; 0]);
    subscriber.sections.clear();
    subscriber.send(SubscriberMessage::Holdings(Holdings {
        held: Some(first),
        sections: Vec::new(),
    }));
    assert_eq!(subscriber.accept().await, second);
    assert!(!subscriber.sections.is_empty());
}

#[tokio::test]
async fn vms_are_listed_while_their_stream_is_open() {
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
async fn each_vm_of_an_instance_has_its_own_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    let bundle = pusher.publish(&good(1).build()).await;
    subscriber.receive().await;
    let [holder, good_worker, bad_worker] = [1, 2, 3].map(|number| VmId([number; 16]));
    let ack = |vm| vm_report(vm, Some(bundle), VmAnswer::Ack(bundle));
    let mut working = ack(good_worker);
    working.serves_requests = true;
    let refused = vm_report(bad_worker, None, nack(bundle, true));
    let vms = vec![ack(holder), working, refused];
    subscriber.report_all(vms).await;
    let status = pusher.status().await;
    let shape = |vm: &VmStatus| (vm.vm, vm.held, vm.serves_requests, vm.holds_stream);
    assert_eq!(
        status.vms.iter().map(shape).collect::<Vec<_>>(),
        [
            (holder, Some(bundle), false, true),
            (good_worker, Some(bundle), true, false),
            (bad_worker, None, false, false),
        ]
    );
    assert!(acked(&status.vms[1], bundle));
    assert!(
        matches!(&status.vms[2].answer, LastAnswer::Nack { revision: 1, reason, .. } if reason == "too-new-engine")
    );
    // The one that refuses gets it no more often for that.
    subscriber.assert_quiet().await;
}

#[tokio::test]
async fn a_later_lease_closes_the_stream_of_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let first = pusher.subscribe(hello(1)).await;
    pusher.status_when(|status| status.vms.len() == 1).await;
    let heir = |epoch| {
        let vm = VmId([7; 16]);
        let mut hello = Hello {
            vm,
            epoch,
            ..hello(1)
        };
        hello.report.vms = vec![vm_report(vm, None, VmAnswer::Pending)];
        hello
    };
    let sentence = "another VM of this Envoy process holds the stream under a later lease";
    let refused = (Code::Aborted, sentence.to_owned());
    assert_eq!(pusher.subscribe(heir(1)).await.refusal().await, refused);
    let second = pusher.subscribe(heir(2)).await;
    assert_eq!(first.refusal().await, refused);
    let status = pusher.status_when(|status| status.vms.len() == 1).await;
    assert_eq!(status.vms[0].vm, VmId([7; 16]));
    assert_eq!(pusher.subscribe(hello(1)).await.refusal().await, refused);
    // The same one again: its old connection may be dead without a word.
    let again = pusher.subscribe(heir(2)).await;
    assert_eq!(second.refusal().await, refused);
    assert_eq!(pusher.status().await.vms.len(), 1);
    again.close();
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
            ..hello(1)
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
    let mut subscriber = pusher.subscribe(hello_holding(1, first)).await;
    pusher
        .status_when(|status| status.vms.iter().any(|vm| acked(vm, first)))
        .await;
    let second = pusher.publish(&good(2).build()).await;
    assert_eq!(subscriber.accept().await, second);
}

/// Two pushers of one topic, of which one was told less: what serves never becomes older.
#[tokio::test]
async fn a_pusher_that_has_an_older_bundle_leaves_the_newer_one_alone() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut ahead = Pusher::start(folders[0].path()).await;
    let mut behind = Pusher::start(folders[1].path()).await;
    behind.publish(&good(1).build()).await;
    ahead.publish(&good(1).build()).await;
    let newer = ahead.publish(&good(2).build()).await;
    let mut subscriber = ahead.subscribe(hello(1)).await;
    assert_eq!(subscriber.accept().await, newer);
    let sections = subscriber.sections.keys().copied().collect();
    subscriber.close();

    let mut hello = hello_holding(1, newer);
    hello.holdings.sections = sections;
    let mut moved = behind.subscribe(hello).await;
    moved.assert_quiet().await;
    let status = behind.status().await;
    assert_eq!(
        (status.rulesets[0].bundle.revision, status.vms[0].held),
        (1, Some(newer))
    );
    // Told the same as the other one it has nothing to say either, and the next bundle goes out from here.
    assert_eq!(behind.publish(&good(2).build()).await, newer);
    moved.assert_quiet().await;
    let third = behind.publish(&good(3).build()).await;
    assert_eq!(moved.offer().await.sent, [0_u32; 0]);
    moved.held = Some(third);
    moved.report(VmAnswer::Ack(third)).await;
    assert!(acked(&behind.status().await.vms[0], third));
}

#[tokio::test]
async fn a_subscriber_that_takes_nothing_gets_four_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    pusher.publish(&long(1).build()).await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    subscriber.offer().await;
    let first = subscriber.chunk().await;
    for number in 1..CHUNKS_IN_FLIGHT_MAX {
        let offset = subscriber.chunk().await.offset as usize;
        assert_eq!(offset, number * CHUNK_LEN_MAX);
    }
    subscriber.assert_quiet().await;
    subscriber.take(&first);
    assert_eq!(subscriber.chunk().await.offset as usize, 4 * CHUNK_LEN_MAX);
    subscriber.assert_quiet().await;
}

#[tokio::test]
async fn a_newer_bundle_takes_the_place_of_the_one_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    pusher.publish(&long(1).build()).await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    subscriber.offer().await;
    let mut first = None;
    for _ in 0..CHUNKS_IN_FLIGHT_MAX {
        first = first.or(Some(subscriber.chunk().await));
    }
    let second = pusher.publish(&long(2).build()).await;
    let offer = subscriber.offer().await;
    // Late credit for the same section of the first one moves nothing.
    let late = first.map(|chunk| riskgate_push_protocol::ChunkTaken {
        offer: 1,
        section: chunk.section,
        received: CHUNK_LEN_MAX as u32,
    });
    subscriber.send(SubscriberMessage::ChunkTaken(late.unwrap()));
    subscriber.receive_sections(&offer).await;
    subscriber.held = Some(second);
    subscriber.report(VmAnswer::Ack(second)).await;
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
    subscriber.report(nack(first, true)).await;
    let refused = |vm: &VmStatus| matches!(&vm.answer, LastAnswer::Nack { revision: 1, reason, .. } if reason == "too-new-engine");
    pusher.status_when(|status| refused(&status.vms[0])).await;
    // Publishing the same file once more changes nothing.
    let again = pusher.admin.publish(&good(1).build()).await.unwrap();
    assert!(again.unchanged);
    subscriber.assert_quiet().await;
    subscriber.close();
    // Nor does another stream.
    let mut hello = hello(1);
    hello.epoch = 2;
    hello.report.vms[0].answer = nack(first, true);
    let mut subscriber = pusher.subscribe(hello).await;
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
        subscriber.report(nack(first, false)).await;
    }
    assert_eq!(subscriber.accept().await, first);
    pusher
        .status_when(|status| acked(&status.vms[0], first))
        .await;
}

#[tokio::test]
async fn a_refused_bundle_that_is_signed_anew_is_offered_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start_with(folder.path(), &[1, 2], Config::default()).await;
    let bundle = pusher.publish(&good(1).build()).await;
    let mut subscriber = pusher.subscribe(hello(1)).await;
    subscriber.receive().await;
    subscriber.report(nack(bundle, true)).await;
    let by_new_key = TestBundle {
        signers: vec![key(2)],
        ..good(1)
    };
    assert_eq!(pusher.publish(&by_new_key.build()).await, bundle);
    assert_eq!(subscriber.accept().await, bundle);
    pusher
        .status_when(|status| acked(&status.vms[0], bundle))
        .await;
}

#[tokio::test]
async fn an_instance_that_holds_other_contents_of_the_revision_shows_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let published = pusher.publish(&good(1).build()).await;
    let other = BundleId {
        digest: Digest([0xee; 32]),
        ..published
    };
    let mut subscriber = pusher.subscribe(hello_holding(1, other)).await;
    assert_eq!(subscriber.receive().await.bundle, published);
    subscriber.report(nack(published, true)).await;
    let refused = |vm: &VmStatus| matches!(vm.answer, LastAnswer::Nack { revision: 1, .. });
    let status = pusher.status_when(|status| refused(&status.vms[0])).await;
    assert_eq!(status.vms[0].held, Some(other));
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

/// A report of its own moves nothing on that somebody else's bundle would.
#[tokio::test]
async fn a_first_report_belongs_into_the_hello() {
    let folder = tempfile::tempdir().unwrap();
    let pusher = Pusher::start(folder.path()).await;
    let mut stranger = hello(1);
    stranger.report = Report {
        vms: vec![vm_report(VmId([9; 16]), None, VmAnswer::Pending)],
        offer: 0,
    };
    assert_eq!(
        pusher.subscribe(stranger).await.refusal().await,
        (
            Code::InvalidArgument,
            "the report does not name the VM that holds the stream".to_owned()
        )
    );
}
