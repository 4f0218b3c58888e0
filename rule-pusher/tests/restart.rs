//! A thousand subscribers, and a pusher that goes away and comes back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{
    bundles::good,
    service::{PATIENCE, Pusher},
    subscriber::{Subscriber, hello, nack},
};
use riskgate_push_protocol::{
    BundleId, Hello, Holdings, InstanceId, LastAnswer, PusherMessage, Status, VmAnswer, VmId,
};
use riskgate_pusher::config::Config;
use tokio::time;

const SUBSCRIBERS: usize = 1_000;

/// So many of them refuse every bundle for ever.
const REFUSING: usize = 100;

/// A tenth of what filters wait, so that the test takes seconds.
const FIRST_SPAN: Duration = Duration::from_millis(50);
const LONGEST_SPAN: Duration = Duration::from_secs(3);

/// What all subscribers did.
#[derive(Default)]
struct Counts {
    attempts: AtomicUsize,
    connections: AtomicUsize,
    offers: AtomicUsize,
}

/// An instance that connects again and again, with exponential backoff and full jitter.
struct Instance {
    hello: Hello,
    refuses: bool,
    counts: Arc<Counts>,
}

impl Instance {
    fn new(number: usize, counts: &Arc<Counts>) -> Self {
        let id = (number as u128 + 1).to_be_bytes();
        let mut hello = Hello {
            instance: InstanceId(id),
            vm: VmId(id),
            ..hello(1)
        };
        hello.report.vms[0].vm = VmId(id);
        Self {
            hello,
            refuses: number < REFUSING,
            counts: Arc::clone(counts),
        }
    }

    async fn run(mut self, address: String) {
        let mut span = FIRST_SPAN;
        loop {
            self.counts.attempts.fetch_add(1, SeqCst);
            if let Ok(mut subscriber) = Subscriber::open(&address).await {
                self.counts.connections.fetch_add(1, SeqCst);
                subscriber.greet(self.hello.clone());
                self.follow(&mut subscriber).await;
                self.hello.epoch += 1;
                span = FIRST_SPAN;
            }
            time::sleep(span.mul_f64(random())).await;
            span = LONGEST_SPAN.min(span * 2);
        }
    }

    /// Takes or refuses what is offered until the stream ends.
    async fn follow(&mut self, subscriber: &mut Subscriber) {
        while let Some(message) = subscriber.try_next().await {
            let PusherMessage::Offer(offer) = message else {
                continue;
            };
            self.counts.offers.fetch_add(1, SeqCst);
            subscriber.offer = offer.number;
            let answer = if self.refuses {
                nack(offer.bundle, true)
            } else {
                subscriber.receive_sections(&offer).await;
                subscriber.held = Some(offer.bundle);
                VmAnswer::Ack(offer.bundle)
            };
            subscriber.report(answer.clone()).await;
            self.hello.holdings = Holdings {
                held: subscriber.held,
                sections: subscriber.sections.keys().copied().collect(),
            };
            self.hello.report.vms[0].held = subscriber.held;
            self.hello.report.vms[0].answer = answer;
        }
    }
}

/// From 0 to 1.
fn random() -> f64 {
    f64::from(getrandom::u32().unwrap()) / f64::from(u32::MAX)
}

fn answered(status: &Status, bundle: BundleId) -> bool {
    let took = |answer: &LastAnswer| matches!(answer, LastAnswer::Ack { revision } if *revision == bundle.revision);
    let refused = |answer: &LastAnswer| matches!(answer, LastAnswer::Nack { revision, .. } if *revision == bundle.revision);
    let count = |wanted: &dyn Fn(&LastAnswer) -> bool| {
        status.vms.iter().filter(|vm| wanted(&vm.answer)).count()
    };
    count(&took) == SUBSCRIBERS - REFUSING && count(&refused) == REFUSING
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_subscribers_come_back_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Arc::new(Counts::default());
    let mut pusher = Pusher::start(folder.path()).await;
    let address = pusher.subscribers.clone();
    let first = pusher.publish(&good(1).build()).await;
    let mut instances = tokio::task::JoinSet::new();
    for number in 0..SUBSCRIBERS {
        instances.spawn(Instance::new(number, &counts).run(address.clone()));
    }
    pusher.status_when(|status| answered(status, first)).await;
    let count = |counter: &AtomicUsize| counter.load(SeqCst);
    let before = (count(&counts.attempts), count(&counts.connections));
    assert_eq!(before, (SUBSCRIBERS, SUBSCRIBERS));
    assert_eq!(count(&counts.offers), SUBSCRIBERS);

    pusher.stop().await;
    // A quick one may have met the pusher while it stopped.
    let connected = count(&counts.connections) + SUBSCRIBERS;
    time::sleep(Duration::from_secs(1)).await;
    // Full jitter: the sum of `n` waits is half of that of their spans on average, so that a second has five or six.
    let attempts = count(&counts.attempts) - SUBSCRIBERS;
    assert!(attempts < 12 * SUBSCRIBERS, "{attempts} attempts");

    let mut pusher = Pusher::start_at(&address, folder.path(), &[1], Config::default()).await;
    pusher.status_when(|status| answered(status, first)).await;
    assert_eq!(count(&counts.connections), connected);
    // Who holds the bundle or refused it is not offered it again.
    assert_eq!(count(&counts.offers), SUBSCRIBERS);
    let second = pusher.publish(&good(2).build()).await;
    pusher.status_when(|status| answered(status, second)).await;
    // Nobody was turned away, was cut off or came twice, and nothing goes on in the background.
    time::sleep(Duration::from_millis(500)).await;
    assert_eq!(count(&counts.connections), connected);
    assert_eq!(count(&counts.offers), 2 * SUBSCRIBERS);
    instances.shutdown().await;
    time::timeout(PATIENCE, pusher.stop()).await.unwrap();
}
