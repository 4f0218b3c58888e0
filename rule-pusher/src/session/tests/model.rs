//! A subscriber that keeps to the protocol, through any course of events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};
use riskgate_push_protocol::Offer;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Publish {
        parts: Vec<Part>,
    },
    Send,
    Take,
    Ack,
    Nack {
        permanent: bool,
    },
    /// Sections are lost, and the subscriber notices.
    Lose,
    Retry,
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let lengths = prop_oneof![Just(0), 1..100_usize, CHUNK_LEN_MAX..3 * CHUNK_LEN_MAX];
    // A section's hash stands for its contents, so that one number always has one length.
    vec((0..12_u8, lengths), 0..6).prop_map(|parts| {
        let parts = parts.into_iter().map(|(number, _)| number);
        let different: BTreeSet<u8> = parts.collect();
        different
            .into_iter()
            .map(|number| (number, len_of(number)))
            .collect()
    })
}

fn len_of(number: u8) -> usize {
    let number = usize::from(number);
    1 + number * number * CHUNK_LEN_MAX / 40
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => parts().prop_map(|parts| Step::Publish { parts }),
        8 => Just(Step::Send),
        6 => Just(Step::Take),
        2 => Just(Step::Ack),
        1 => any::<bool>().prop_map(|permanent| Step::Nack { permanent }),
        1 => Just(Step::Lose),
        1 => Just(Step::Retry),
    ]
}

/// What a subscriber that keeps to the protocol knows.
#[derive(Default)]
struct Subscriber {
    held: Option<u64>,
    answer: Option<VmAnswer>,
    sections: BTreeSet<u8>,
    offer: Option<Offer>,
    last_offer: u32,
    /// Of the offer, by section.
    received: BTreeMap<u8, usize>,
    untaken: Vec<(u8, usize)>,
    waits_for_report_taken: bool,
}

impl Subscriber {
    fn receive(&mut self, message: PusherMessage, publications: &[Arc<Publication>]) {
        match message {
            PusherMessage::ReportTaken => {
                assert!(std::mem::take(&mut self.waits_for_report_taken));
            }
            PusherMessage::Offer(offer) => {
                assert_eq!(offer.number, self.last_offer + 1);
                assert!(offer.bundle.revision > self.held.unwrap_or_default());
                let publication = &publications[offer.bundle.revision as usize - 1];
                let number = |place: usize| publication.sections[place].hash.0[0];
                let all = 0..publication.sections.len();
                let missing = all.filter(|place| !self.sections.contains(&number(*place)));
                let missing: Vec<u32> = missing.map(|place| place as u32).collect();
                assert_eq!(offer.sent, missing);
                self.last_offer = offer.number;
                (self.received, self.untaken) = Default::default();
                self.answer = None;
                self.offer = Some(offer);
            }
            PusherMessage::Chunk(chunk) => {
                // Chunks of what was answered or given up are still on their way.
                let Some(offer) = &self.offer else { return };
                let publication = &publications[offer.bundle.revision as usize - 1];
                let next = offer.sent.iter().find(|place| {
                    let section = &publication.sections[**place as usize];
                    let received = self.received.get(&section.hash.0[0]);
                    received.copied().unwrap_or_default() < section.bytes.len()
                });
                let section = &publication.sections[*next.unwrap() as usize];
                let received = self.received.entry(section.hash.0[0]).or_default();
                assert_eq!(
                    (chunk.section, chunk.offset as usize),
                    (section.hash, *received)
                );
                let end = *received + chunk.data.len();
                assert_eq!(chunk.data, section.bytes.slice(*received..end));
                *received = end;
                self.untaken.push((section.hash.0[0], end));
                assert!(self.untaken.len() <= CHUNKS_IN_FLIGHT_MAX);
            }
        }
    }

    fn take(&mut self) -> Option<SubscriberMessage> {
        if self.untaken.is_empty() {
            return None;
        }
        let (number, end) = self.untaken.remove(0);
        Some(taken(self.last_offer, number, end))
    }

    fn is_whole(&self, offer: &Offer, publications: &[Arc<Publication>]) -> bool {
        let publication = &publications[offer.bundle.revision as usize - 1];
        offer.sent.iter().all(|place| {
            let section = &publication.sections[*place as usize];
            self.received.get(&section.hash.0[0]) == Some(&section.bytes.len())
        })
    }

    /// A report, if one may be sent.
    fn report(&mut self) -> Option<SubscriberMessage> {
        if std::mem::replace(&mut self.waits_for_report_taken, true) {
            return None;
        }
        let answer = self.answer.clone().unwrap_or(VmAnswer::Pending);
        Some(report(self.last_offer, self.held, answer))
    }

    fn ack(&mut self, publications: &[Arc<Publication>]) -> Option<SubscriberMessage> {
        if self.waits_for_report_taken {
            return None;
        }
        let offer = self.offer.take()?;
        if !self.is_whole(&offer, publications) {
            self.offer = Some(offer);
            return None;
        }
        let publication = &publications[offer.bundle.revision as usize - 1];
        let sections = publication.sections.iter();
        self.sections = sections.map(|section| section.hash.0[0]).collect();
        self.held = Some(offer.bundle.revision);
        self.answer = Some(VmAnswer::Ack(offer.bundle));
        self.untaken.clear();
        self.report()
    }

    fn nack(&mut self, permanent: bool) -> Option<SubscriberMessage> {
        if self.waits_for_report_taken {
            return None;
        }
        let offer = self.offer.take()?;
        self.answer = Some(nacked(offer.bundle.revision, permanent));
        self.untaken.clear();
        self.report()
    }

    fn lose(&mut self) -> SubscriberMessage {
        self.sections.pop_first();
        self.offer = None;
        self.untaken.clear();
        let sections: Vec<u8> = self.sections.iter().copied().collect();
        SubscriberMessage::Holdings(holdings(self.held, &sections))
    }
}

/// The two ends, with nothing on its way between them.
struct Exchange {
    session: Session,
    subscriber: Subscriber,
    publications: Vec<Arc<Publication>>,
}

impl Exchange {
    fn publish(&mut self, parts: &[Part]) {
        let revision = self.publications.len() as u64 + 1;
        let newest = publication(revision, parts);
        self.session.on_newest(Some(&newest), at(revision));
        self.publications.push(newest);
    }

    fn send(&mut self) -> bool {
        let message = self.session.next_message();
        let sent = message.is_some();
        if let Some(message) = message {
            self.subscriber.receive(message, &self.publications);
        }
        sent
    }

    fn say(&mut self, message: Option<SubscriberMessage>) {
        if let Some(message) = message {
            say(
                &mut self.session,
                message,
                at(self.publications.len() as u64),
            );
        }
    }

    fn step(&mut self, step: Step) {
        let message = match step {
            Step::Publish { parts } => return self.publish(&parts),
            Step::Send => {
                self.send();
                None
            }
            Step::Take => self.subscriber.take(),
            Step::Ack => self.subscriber.ack(&self.publications),
            Step::Nack { permanent } => self.subscriber.nack(permanent),
            Step::Lose => Some(self.subscriber.lose()),
            Step::Retry => {
                if self.session.retry_at().is_some() {
                    self.session.on_retry(at(self.publications.len() as u64));
                }
                None
            }
        };
        self.say(message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Exactly what is lacking comes, in order, without gaps, within the credit, whatever happens; and a subscriber that
    /// goes on gets the newest.
    #[test]
    fn any_course_of_events_keeps_to_the_protocol(steps in vec(step(), 0..120), last in parts()) {
        let mut exchange = Exchange {
            session: session(None),
            subscriber: Subscriber::default(),
            publications: Vec::new(),
        };
        for step in steps {
            exchange.step(step);
        }
        exchange.publish(&last);
        let newest = exchange.publications.len() as u64;
        for _ in 0..1000 {
            exchange.send();
            let taken = exchange.subscriber.take();
            exchange.say(taken);
            let answer = exchange.subscriber.ack(&exchange.publications);
            exchange.say(answer);
        }
        prop_assert_eq!(exchange.subscriber.held, Some(newest));
        prop_assert_eq!(exchange.session.held(), Some(bundle(newest)));
        prop_assert!(!exchange.send());
    }
}
