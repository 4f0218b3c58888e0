//! Subscribers that break the protocol, flood, or neither read nor answer: each costs its own stream and no more.
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
    bundles::{TestBundle, good},
    service::{PATIENCE, Pusher},
    subscriber::{hello, nack, vm_report},
};
use riskgate_push_protocol::{
    ChunkTaken, Holdings, PusherMessage, Report, SectionHash, SubscriberMessage, VmAnswer, VmId,
    limits::CHUNK_LEN_MAX,
    proto::{self, subscriber_message::Message},
};
use riskgate_pusher::config::Config;
use tonic::Code;

fn long(revision: u64) -> TestBundle {
    TestBundle {
        filler_len: 6 * CHUNK_LEN_MAX,
        ..good(revision)
    }
}

fn raw(message: Message) -> proto::SubscriberMessage {
    proto::SubscriberMessage {
        message: Some(message),
    }
}

/// A hello on the wire, for what the checked types cannot say.
fn raw_hello(change: impl FnOnce(&mut proto::Hello)) -> proto::SubscriberMessage {
    let mut hello: proto::Hello = hello(1).into();
    change(&mut hello);
    raw(Message::Hello(hello))
}

fn vms(count: u32) -> Vec<proto::VmReport> {
    let vm = |number: u32| {
        let id = u128::from(number).to_be_bytes();
        vm_report(VmId(id), None, VmAnswer::Pending).into()
    };
    (0..count).map(vm).collect()
}

#[tokio::test]
async fn hostile_first_messages_end_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    pusher.publish(&good(1).build()).await;
    let report = Report {
        vms: vec![vm_report(VmId([1; 16]), None, VmAnswer::Pending)],
        offer: 0,
    };
    let twice = |vms: &mut Vec<proto::VmReport>| vms.extend_from_within(..);
    let cases = [
        (
            SubscriberMessage::Report(report).into(),
            Code::InvalidArgument,
            "the first message is no hello",
        ),
        (
            proto::SubscriberMessage { message: None },
            Code::InvalidArgument,
            "the message is of no known kind",
        ),
        (
            raw_hello(|hello| hello.protocol = 3),
            Code::InvalidArgument,
            "protocol version 3 is not supported, only 2 is",
        ),
        (
            raw_hello(|hello| hello.node = "n".repeat(257)),
            Code::InvalidArgument,
            "`hello.node` is 257 bytes long",
        ),
        (
            raw_hello(|hello| hello.node = "n".repeat(1 << 20)),
            Code::OutOfRange,
            "",
        ),
        (
            raw_hello(|hello| hello.report.as_mut().unwrap().vms = vms(65)),
            Code::InvalidArgument,
            "`report.vms` has 65 entries, the limit is 64",
        ),
        (
            raw_hello(|hello| hello.report.as_mut().unwrap().vms = vms(10_000)),
            Code::OutOfRange,
            "",
        ),
        (
            raw_hello(|hello| twice(&mut hello.report.as_mut().unwrap().vms)),
            Code::InvalidArgument,
            "`report.vms` has an entry twice",
        ),
        (
            raw_hello(|hello| hello.report.as_mut().unwrap().offer = 1),
            Code::InvalidArgument,
            "offer 1 was not made",
        ),
        (
            raw_hello(|hello| {
                hello.holdings.as_mut().unwrap().sections = vec![7; 32 * 1025];
            }),
            Code::InvalidArgument,
            "`holdings.sections` has 1025 entries, the limit is 1024",
        ),
    ];
    for (first, code, sentence) in cases {
        let subscriber = pusher.open_stream().await;
        subscriber.send_raw(first);
        let (found, message) = subscriber.refusal().await;
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

#[tokio::test]
async fn messages_out_of_place_end_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    pusher.publish(&long(1).build()).await;
    let taken = |offer, received| {
        SubscriberMessage::ChunkTaken(ChunkTaken {
            offer,
            section: SectionHash([7; 32]),
            received,
        })
    };
    let pending = |offer| {
        SubscriberMessage::Report(Report {
            vms: vec![vm_report(VmId([1; 16]), None, VmAnswer::Pending)],
            offer,
        })
    };
    let cases: [(Vec<SubscriberMessage>, &str); 6] = [
        (
            vec![SubscriberMessage::Hello(hello(1))],
            "a second hello; a stream takes one",
        ),
        (vec![taken(1, 1)], "credit for 1 bytes"),
        (
            vec![taken(1, CHUNK_LEN_MAX as u32)],
            "credit for 196608 bytes",
        ),
        (vec![taken(2, 1)], "offer 2 was not made"),
        (vec![pending(2)], "offer 2 was not made"),
        (
            vec![SubscriberMessage::Report(Report {
                vms: vec![vm_report(VmId([9; 16]), None, VmAnswer::Pending)],
                offer: 1,
            })],
            "the report does not name the VM that holds the stream",
        ),
    ];
    for (messages, sentence) in cases {
        let mut subscriber = pusher.subscribe(hello(1)).await;
        subscriber.offer().await;
        for message in messages {
            subscriber.send(message);
        }
        let (code, message) = subscriber.refusal().await;
        assert_eq!(code, Code::InvalidArgument, "{message}");
        assert!(
            message.starts_with(sentence),
            "{message:?} is not {sentence:?}"
        );
        pusher.status_when(|status| status.vms.is_empty()).await;
    }
}

/// Who does not wait for `report_taken` and does not read it either is stopped by the second report at the latest that
/// meets an answer which cannot be sent.
#[tokio::test]
async fn a_flood_of_reports_ends_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let bundle = pusher.publish(&long(1).build()).await;
    let subscriber = pusher.subscribe(hello(1)).await;
    for number in 0..10_000 {
        let answer = match number % 2 {
            0 => VmAnswer::Pending,
            _ => nack(bundle, false),
        };
        subscriber.send(SubscriberMessage::Report(Report {
            vms: vec![vm_report(VmId([1; 16]), None, answer)],
            offer: 0,
        }));
    }
    let (code, message) = subscriber.refusal().await;
    assert_eq!(
        (code, message.as_str()),
        (
            Code::InvalidArgument,
            "a second report before `report_taken` answered the first"
        )
    );
}

/// However often a subscriber says that it lost everything, it gets the bundle twice, and then after pauses.
#[tokio::test]
async fn a_flood_of_holdings_gets_no_flood_of_sections() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    pusher.publish(&long(1).build()).await;
    let mut flood = pusher.subscribe(hello(1)).await;
    for _ in 0..10_000 {
        flood.send(SubscriberMessage::Holdings(Holdings::default()));
    }
    // The pusher has read them all when it has read this.
    let report = Report {
        vms: vec![vm_report(VmId([1; 16]), None, VmAnswer::Pending)],
        offer: 0,
    };
    flood.send(SubscriberMessage::Report(report));
    let mut offers = 0;
    loop {
        match flood.next().await {
            PusherMessage::Offer(_) => offers += 1,
            PusherMessage::Chunk(_) => {}
            PusherMessage::ReportTaken => break,
        }
    }
    assert!(offers <= 2, "{offers} offers");
    flood.assert_quiet().await;
    // Another one is served meanwhile.
    let mut other = pusher.subscribe(hello(2)).await;
    other.accept().await;
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

/// One that takes its time delays nobody, and gets what is newest when it comes round.
#[tokio::test]
async fn a_slow_subscriber_holds_up_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    pusher.publish(&long(1).build()).await;
    let mut slow = pusher.subscribe(hello(1)).await;
    let mut quick = pusher.subscribe(hello(2)).await;
    assert_eq!(quick.accept().await.revision, 1);
    slow.offer().await;
    let chunk = slow.chunk().await;
    for revision in 2..6 {
        let published = pusher.publish(&long(revision).build()).await;
        assert_eq!(quick.accept().await, published);
    }
    slow.take(&chunk);
    let newest = loop {
        match slow.next().await {
            PusherMessage::Offer(offer) if offer.bundle.revision == 5 => break offer,
            PusherMessage::Offer(_) | PusherMessage::Chunk(_) => {}
            PusherMessage::ReportTaken => panic!("nothing was reported"),
        }
    };
    slow.offer = newest.number;
    slow.receive_sections(&newest).await;
    slow.held = Some(newest.bundle);
    slow.report(VmAnswer::Ack(newest.bundle)).await;
    let all_hold = |status: &riskgate_push_protocol::Status| {
        status.vms.iter().all(|vm| vm.held == Some(newest.bundle))
    };
    pusher.status_when(all_hold).await;
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
