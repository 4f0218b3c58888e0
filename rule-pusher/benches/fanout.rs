//! How long the pusher takes from a publication to its last subscriber, all on this machine's loopback.
//!
//! ```text
//! cargo bench -p riskgate-pusher --bench fanout -- 1000 2000000 20
//! ```
//!
//! The arguments are subscribers, bytes of the section that changes with each bundle, and rounds. Subscribers share
//! connections, ten to one, and run in this very process, so that the figures are of both ends. Without arguments it is
//! a smoke run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark may stop where it fails"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{
    bundles::{TestBundle, good},
    service::Pusher,
    subscriber::{Subscriber, hello, vm_report},
};
use riskgate_push_protocol::{
    ChunkTaken, Hello, InstanceId, PusherMessage, Report, SubscriberMessage, VmAnswer, VmId,
};
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint};

const STREAMS_PER_CONNECTION: usize = 10;

/// A subscriber has the whole of this revision.
struct Arrival {
    revision: u64,
    at: Instant,
}

/// From the begin of a publication: until it was accepted, and until the last subscriber had it.
struct Times {
    accepted: Duration,
    last: Duration,
}

#[tokio::main]
async fn main() {
    let arguments = std::env::args().skip(1);
    let numbers: Vec<usize> = arguments.filter_map(|text| text.parse().ok()).collect();
    let (subscribers, filler_len, rounds) = match numbers.as_slice() {
        [subscribers, filler_len, rounds] => (*subscribers, *filler_len, *rounds),
        _ => (10, 100_000, 2),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start(folder.path()).await;
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    connect(subscribers, &pusher.subscribers, &arrived).await;
    let mut revision = 0;
    for (what, changes) in [
        ("most bytes are new", true),
        ("only the head is new", false),
    ] {
        let mut times = Vec::new();
        // The first of them brings whatever there is, and is not measured.
        for _ in 0..=rounds {
            revision += 1;
            let spread = if changes { revision as usize } else { 0 };
            let bundle = TestBundle {
                filler_len: filler_len + spread,
                ..good(revision)
            };
            let file = bundle.build();
            times.push(round(&mut pusher, &mut arrivals, subscribers, revision, &file).await);
        }
        print(what, &times[1..]);
    }
}

async fn round(
    pusher: &mut Pusher,
    arrivals: &mut mpsc::UnboundedReceiver<Arrival>,
    subscribers: usize,
    revision: u64,
    file: &[u8],
) -> Times {
    // The ACKs of the round before are read by now.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    pusher.publish(file).await;
    let accepted = begun.elapsed();
    let mut last = begun;
    for _ in 0..subscribers {
        let arrival = arrivals.recv().await.unwrap();
        assert_eq!(arrival.revision, revision);
        last = last.max(arrival.at);
    }
    Times {
        accepted,
        last: last.duration_since(begun),
    }
}

async fn connect(subscribers: usize, address: &str, arrived: &mpsc::UnboundedSender<Arrival>) {
    let mut channel: Option<Channel> = None;
    for number in 0..subscribers {
        let connection = match channel.take() {
            Some(open) if number % STREAMS_PER_CONNECTION != 0 => open,
            _ => {
                let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
                endpoint.connect().await.unwrap()
            }
        };
        let mut subscriber = Subscriber::open_on(connection.clone()).await.unwrap();
        channel = Some(connection);
        let id = (number as u128).to_be_bytes();
        let mut hello = Hello {
            instance: InstanceId(id),
            vm: VmId(id),
            ..hello(1)
        };
        hello.report.vms[0].vm = VmId(id);
        subscriber.greet(hello);
        tokio::spawn(follow(subscriber, arrived.clone()));
    }
}

/// Takes and acknowledges whatever is offered; it keeps no bytes.
async fn follow(mut subscriber: Subscriber, arrived: mpsc::UnboundedSender<Arrival>) {
    loop {
        let Some(message) = subscriber.try_next().await else {
            return;
        };
        let PusherMessage::Offer(offer) = message else {
            continue;
        };
        let mut missing = common::subscriber::len_of(&offer);
        while missing > 0 {
            if let PusherMessage::Chunk(chunk) = subscriber.next().await {
                missing -= chunk.data.len();
                subscriber.send(SubscriberMessage::ChunkTaken(ChunkTaken {
                    offer: offer.number,
                    section: chunk.section,
                    received: chunk.offset + chunk.data.len() as u32,
                }));
            }
        }
        let (revision, at) = (offer.bundle.revision, Instant::now());
        if arrived.send(Arrival { revision, at }).is_err() {
            return;
        }
        let vms = vec![vm_report(
            subscriber.vm,
            Some(offer.bundle),
            VmAnswer::Ack(offer.bundle),
        )];
        subscriber.send(SubscriberMessage::Report(Report {
            vms,
            offer: offer.number,
        }));
    }
}

fn print(what: &str, times: &[Times]) {
    let sorted = |of: &dyn Fn(&Times) -> Duration| {
        let mut all: Vec<Duration> = times.iter().map(of).collect();
        all.sort_unstable();
        all
    };
    let at = |sorted: &[Duration], percent: usize| sorted[(sorted.len() - 1) * percent / 100];
    let (accepted, last) = (sorted(&|times| times.accepted), sorted(&|times| times.last));
    println!(
        "{what}: accepted after {:.1?}, at the last subscriber after {:.1?} (median), {:.1?} (slowest)",
        at(&accepted, 50),
        at(&last, 50),
        at(&last, 100),
    );
}
