//! The stream: bundles that come, reports that go, and a push service that misbehaves.

use crate::bundles::{CHANGED, EPOCH_S, PLAIN, Spec, TTL_S, id_of};
use crate::driver::{Driver, WAIT_TICKS_MAX, chunks, head_of};
use riskgate_engine::bundle::Bundle;
use riskgate_push_protocol::limits::{CHUNK_LEN_MAX, CHUNKS_IN_FLIGHT_MAX, MESSAGE_LEN_MAX};
use riskgate_push_protocol::{
    BundleId, Offer, PusherMessage, SectionChunk, SectionHash, SubscriberMessage, VmAnswer,
};

/// What comes on a stream for a bundle, of which these are the offer and the chunks.
type Messages<'a> = &'a dyn Fn(Offer, Vec<SectionChunk>) -> Vec<PusherMessage>;

pub(crate) fn ack(bytes: &[u8]) -> VmAnswer {
    VmAnswer::Ack(id_of(bytes))
}

/// The same bundle with a byte of the last section changed.
fn with_bad_section(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    // The last byte that is not padding belongs to the last section.
    let at = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[at] ^= 1;
    bytes
}

#[test]
fn the_first_message_says_who_subscribes_to_what() {
    let mut driver = Driver::subscribed("");
    let hello = driver.hello();
    assert_eq!((&hello.ruleset[..], hello.audience), ("shop", None));
    assert_eq!(
        (hello.holdings.held, hello.holdings.sections),
        (None, vec![])
    );
    assert_eq!(hello.report.offer, 0);
    let [own] = &hello.report.vms[..] else {
        panic!("{:?}", hello.report);
    };
    assert_eq!(
        (own.vm, own.serves_requests, own.held),
        (hello.vm, false, None)
    );
    let held = PLAIN.bytes();
    let mut driver = Driver::new(&format!(
        r#","push":{{"cluster":"pusher"}},"bundle":"{}","audience":null"#,
        PLAIN.base64()
    ));
    driver
        .proxy
        .properties
        .get_mut()
        .insert("xds/node/id".into(), b"edge-7".to_vec());
    driver.request("/", &[]);
    driver.connect();
    let hello = driver.hello();
    assert_eq!(
        (&hello.node[..], hello.holdings.held),
        ("edge-7", Some(id_of(&held)))
    );
    assert!(hello.report.vms[0].serves_requests);
    let chunked: Vec<SectionHash> = chunks(&held).iter().map(|chunk| chunk.section).collect();
    assert!(
        chunked
            .iter()
            .all(|hash| hello.holdings.sections.contains(hash))
    );
}

#[test]
fn the_vms_of_a_process_share_its_instance() {
    let mut one = Driver::subscribed("");
    let first = one.hello();
    one.filter.on_done(&one.proxy);
    let mut other = Driver::new(r#","push":{"cluster":"pusher"}"#);
    other.proxy.shared_data = one.proxy.shared_data.clone();
    other.proxy.random.set(99);
    other.tick();
    let second = other.hello();
    assert_eq!(first.instance, second.instance);
    assert_ne!(first.vm, second.vm);
    assert!(first.epoch < second.epoch);
    let mut forged = Driver::new(r#","push":{"cluster":"pusher"}"#);
    forged
        .proxy
        .shared_data
        .set("riskgate.instance.v1", b"short");
    forged.tick();
    assert_ne!(forged.hello().instance.0, [0; 16]);
}

#[test]
fn a_pushed_bundle_serves_and_is_reported() {
    let mut driver = Driver::subscribed("");
    driver.hello();
    let bundle = PLAIN.bytes();
    driver.hear_bundle(&bundle);
    let said = driver.said();
    let credit = said.iter().filter_map(|message| match message {
        SubscriberMessage::ChunkTaken(taken) => Some((taken.offer, taken.section, taken.received)),
        _ => None,
    });
    let chunks = chunks(&bundle);
    let sent = chunks.iter().map(|chunk| {
        let end = chunk.offset + chunk.data.len() as u32;
        (1, chunk.section, end)
    });
    assert!(credit.eq(sent), "one for each chunk: {said:?}");
    let Some(SubscriberMessage::Report(report)) = said.last() else {
        panic!("{said:?}");
    };
    assert_eq!(report.offer, 1);
    assert_eq!(report.vms[0].answer, ack(&bundle));
    assert_eq!(report.vms[0].held, Some(id_of(&bundle)));
    assert_eq!(driver.status("/blocked"), Some(403));
    driver.tick();
    let reports = driver.reports();
    assert!(
        reports.len() == 1 && reports[0].vms[0].serves_requests,
        "once the first request was seen: {reports:?}"
    );
    driver.tick();
    assert_eq!(driver.said(), [], "and only once");
    driver.hear_bundle(&CHANGED.bytes());
    assert_eq!(driver.answers(), [ack(&CHANGED.bytes())]);
    assert_eq!(driver.status("/blocked"), Some(429));
    assert_eq!(driver.metric("riskgate.loads.accepted"), 2);
    assert_eq!(driver.metric("riskgate.revision"), 2);
}

#[test]
fn a_stream_that_brings_no_rules_is_told_of_once() {
    let told = |more: &str, ticks| {
        let mut driver = Driver::subscribed(more);
        for _ in 0..ticks {
            driver.tick();
        }
        let log = driver.log();
        let lines = log.matches("no rules have come").count();
        let audience = log.contains("published for audience `eu`?");
        (lines, audience)
    };
    assert_eq!(told("", 49), (0, false));
    assert_eq!(told("", 500), (1, false));
    assert_eq!(told(r#","audience":"eu""#, 500), (1, true));
    let with_bundle = format!(r#","bundle":"{}""#, PLAIN.base64());
    assert_eq!(told(&with_bundle, 500), (0, false));
}

#[test]
fn a_report_waits_for_the_one_before_it() {
    let mut driver = Driver::subscribed("");
    driver.hello();
    driver.hear_bundle(&PLAIN.bytes());
    let sent = |driver: &Driver| -> Vec<SubscriberMessage> {
        let streams = driver.proxy.streams.borrow();
        let sent = streams[0].sent.iter();
        let decoded = sent.map(|bytes| SubscriberMessage::decode(bytes).unwrap());
        decoded
            .filter(|message| matches!(message, SubscriberMessage::Report(_)))
            .collect()
    };
    for _ in 0..50 {
        driver.tick();
    }
    let waiting = sent(&driver);
    let [SubscriberMessage::Report(first)] = &waiting[..] else {
        panic!("{waiting:?}");
    };
    assert_eq!(first.vms[0].answer, VmAnswer::Pending);
    driver.hear(&PusherMessage::ReportTaken);
    assert_eq!(sent(&driver).len(), 2);
    driver.hear(&PusherMessage::ReportTaken);
    driver.hear(&PusherMessage::ReportTaken);
    driver.tick();
    assert!(
        driver.proxy.streams.borrow()[0].cancelled,
        "none was on its way"
    );
}

#[test]
fn a_bad_head_is_refused_before_any_section_comes() {
    let tampered_signature = {
        let mut bytes = CHANGED.bytes();
        let manifest_len = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
        bytes[64 + manifest_len + 32] ^= 1;
        bytes
    };
    let other_ruleset = Spec {
        ruleset: "other",
        ..CHANGED
    };
    let conflict = Spec {
        on_expired: "deny",
        ..PLAIN
    };
    let in_future = Spec {
        revision: 9_000,
        ..PLAIN
    };
    let cases = [
        ("bad-signature", tampered_signature, EPOCH_S + 60),
        (
            "untrusted",
            Spec { key: 9, ..CHANGED }.bytes(),
            EPOCH_S + 60,
        ),
        ("wrong-ruleset", other_ruleset.bytes(), EPOCH_S + 60),
        ("revision-conflict", conflict.bytes(), EPOCH_S + 60),
        ("expired", CHANGED.bytes(), EPOCH_S + TTL_S + 5),
        ("issued-in-future", in_future.bytes(), EPOCH_S + 60),
    ];
    for (reason, file, now_s) in cases {
        let mut driver = Driver::subscribed("");
        driver.hear_bundle(&PLAIN.bytes());
        driver.said();
        driver.set_time(now_s);
        driver.hear_offer(&file);
        let nack = driver.the_nack();
        assert_eq!(
            (&nack.reason[..], nack.bundle),
            (reason, id_of(&file)),
            "{}",
            nack.detail
        );
        assert_eq!(nack.permanent, reason != "issued-in-future", "{reason}");
        for chunk in chunks(&file).into_iter().take(CHUNKS_IN_FLIGHT_MAX) {
            driver.hear(&PusherMessage::Chunk(chunk));
        }
        assert_eq!(
            driver.said(),
            [],
            "{reason}: chunks that were on their way are dropped"
        );
        assert_eq!(driver.metric("riskgate.loads.refused"), 1);
        assert_eq!(
            driver.status("/blocked"),
            Some(403),
            "{reason}: revision 1 serves on"
        );
        driver.hear_offer(&file);
        assert_eq!(
            driver.the_nack(),
            nack,
            "{reason}: offered again, it is judged again"
        );
    }
    let newer = Spec {
        revision: 7,
        ..PLAIN
    };
    let mut driver = Driver::subscribed("");
    driver.hear_bundle(&newer.bytes());
    driver.said();
    driver.hear_offer(&CHANGED.bytes());
    assert_eq!(driver.the_nack().reason, "older-revision");
}

#[test]
fn a_bad_section_is_refused_and_does_not_spoil_a_good_copy() {
    let mut driver = Driver::subscribed("");
    driver.hear_bundle(&PLAIN.bytes());
    driver.said();
    let good = CHANGED.bytes();
    driver.hear_offer(&good);
    let mut bad = chunks(&good);
    let held = chunks(&PLAIN.bytes());
    let is_held = |chunk: &SectionChunk| held.iter().any(|held| held.section == chunk.section);
    let new = bad.iter_mut().rfind(|chunk| !is_held(chunk)).unwrap();
    let altered = new.data.iter().map(|byte| byte ^ 1);
    new.data = altered.collect::<Vec<u8>>().into();
    for chunk in bad {
        driver.hear(&PusherMessage::Chunk(chunk));
    }
    assert_eq!(driver.the_nack().reason, "bad-hash");
    assert_eq!(driver.status("/blocked"), Some(403), "revision 1 serves on");
    driver.hear_bundle(&good);
    assert_eq!(driver.answers(), [ack(&good)]);
    assert_eq!(driver.status("/blocked"), Some(429));
}

#[test]
fn what_is_held_need_not_come_again() {
    let mut driver = Driver::subscribed(&format!(r#","bundle":"{}""#, PLAIN.base64()));
    driver.hello();
    let held = PLAIN.bytes();
    let mut offer = driver.offer(&held);
    offer.sent = vec![];
    driver.hear(&PusherMessage::Offer(offer));
    assert_eq!(driver.answers(), [ack(&held)]);
    driver.tick();
    assert!(!driver.proxy.streams.borrow()[0].cancelled);

    // Of a newer one only what differs.
    let newer = Spec {
        revision: 5,
        ..CHANGED
    };
    let newer = newer.bytes();
    let held: Vec<SectionHash> = chunks(&held).iter().map(|chunk| chunk.section).collect();
    let file = Bundle::parse(&newer).unwrap();
    let mut offer = driver.offer(&newer);
    let sent_before = offer.sent.len();
    let hash_at = |place: &u32| SectionHash(file.sections()[*place as usize].hash);
    offer.sent.retain(|place| !held.contains(&hash_at(place)));
    assert!(offer.sent.len() < sent_before);
    driver.hear(&PusherMessage::Offer(offer));
    for chunk in chunks(&newer) {
        if !held.contains(&chunk.section) {
            driver.hear(&PusherMessage::Chunk(chunk));
        }
    }
    assert_eq!(driver.answers(), [ack(&newer)]);
    assert_eq!(driver.status("/blocked"), Some(429));
}

#[test]
fn a_push_service_that_leaves_out_too_much_is_told_what_is_held() {
    let mut driver = Driver::subscribed("");
    driver.hello();
    let bundle = PLAIN.bytes();
    let mut offer = driver.offer(&bundle);
    let left_out = offer.sent.remove(0);
    driver.hear(&PusherMessage::Offer(offer));
    let said = driver.said();
    let holdings = said.iter().filter_map(|message| match message {
        SubscriberMessage::Holdings(holdings) => Some(holdings),
        _ => None,
    });
    let [holdings] = &holdings.collect::<Vec<_>>()[..] else {
        panic!("{said:?}");
    };
    let file = Bundle::parse(&bundle).unwrap();
    let left_out = SectionHash(file.sections()[left_out as usize].hash);
    assert!(!holdings.sections.contains(&left_out));
    driver.hear_bundle(&bundle);
    assert_eq!(driver.answers(), [ack(&bundle)]);
}

#[test]
fn a_new_offer_abandons_the_one_under_way() {
    let mut driver = Driver::subscribed("");
    driver.hello();
    let (old, new) = (PLAIN.bytes(), CHANGED.bytes());
    driver.hear_offer(&old);
    driver.hear(&PusherMessage::Chunk(chunks(&old).swap_remove(0)));
    driver.hear_bundle(&new);
    assert_eq!(driver.answers(), [ack(&new)]);
}

#[test]
fn a_broken_transfer_goes_on_where_sections_were_whole() {
    let mut driver = Driver::subscribed("");
    driver.hello();
    let bundle = PLAIN.bytes();
    driver.hear_offer(&bundle);
    let all = chunks(&bundle);
    let last = all.last().unwrap().section;
    for chunk in all.iter().filter(|chunk| chunk.section != last) {
        driver.hear(&PusherMessage::Chunk(chunk.clone()));
    }
    let token = driver.token();
    driver.filter.on_stream_close(&driver.proxy, token, 14);
    driver.connect();
    let hello = driver.hello();
    assert_eq!(hello.holdings.held, None);
    let whole = all.iter().map(|chunk| chunk.section);
    assert!(
        whole
            .filter(|hash| *hash != last)
            .all(|hash| hello.holdings.sections.contains(&hash))
    );
    assert!(!hello.holdings.sections.contains(&last));
    let file = Bundle::parse(&bundle).unwrap();
    let mut offer = driver.offer(&bundle);
    let hash_at = |place: &u32| SectionHash(file.sections()[*place as usize].hash);
    offer.sent.retain(|place| hash_at(place) == last);
    driver.hear(&PusherMessage::Offer(offer));
    for chunk in all.into_iter().filter(|chunk| chunk.section == last) {
        driver.hear(&PusherMessage::Chunk(chunk));
    }
    assert_eq!(driver.answers(), [ack(&bundle)]);
}

#[test]
fn a_stream_that_breaks_the_rules_is_cancelled() {
    use PusherMessage::{Chunk, Offer as Offered};
    let of_nothing = |chunk: &SectionChunk| SectionChunk {
        section: SectionHash([7; 32]),
        ..chunk.clone()
    };
    let longer = |chunk: &SectionChunk| SectionChunk {
        data: vec![0; CHUNK_LEN_MAX].into(),
        ..chunk.clone()
    };
    let sends = |offer: &Offer, place| Offer {
        sent: vec![place],
        ..offer.clone()
    };
    let other = CHANGED.bytes();
    let other_head = |offer: &Offer| Offer {
        head: head_of(&other).into(),
        ..offer.clone()
    };
    let other_name = |offer: &Offer| Offer {
        bundle: BundleId {
            revision: 77,
            ..offer.bundle
        },
        ..offer.clone()
    };
    let unsigned = |offer: Offer| {
        let mut head = offer.head.to_vec();
        let manifest_len = u32::from_le_bytes(head[12..16].try_into().unwrap()) as usize;
        head[64 + manifest_len + 32] ^= 1;
        Offer {
            head: head.into(),
            ..offer
        }
    };
    let cases: [(&str, Messages<'_>); 12] = [
        ("gap", &|o, c| {
            vec![Offered(o), Chunk(c[0].clone()), Chunk(c[2].clone())]
        }),
        ("overlap", &|o, c| {
            vec![Offered(o), Chunk(c[0].clone()), Chunk(c[0].clone())]
        }),
        ("beyond the end", &|o, c| {
            vec![Offered(o), Chunk(longer(&c[0]))]
        }),
        ("unknown hash", &|o, c| {
            vec![Offered(o), Chunk(of_nothing(&c[0]))]
        }),
        ("another section", &|o, c| {
            vec![Offered(o), Chunk(c.last().unwrap().clone())]
        }),
        ("before any offer", &|_, c| vec![Chunk(c[0].clone())]),
        ("after the end", &|o, c| {
            let last = c.last().cloned().unwrap();
            let all = c.into_iter().chain([last]).map(Chunk);
            [vec![Offered(o)], all.collect()].concat()
        }),
        ("more than was on its way when it was refused", &|o, c| {
            let first = vec![Chunk(c[0].clone()); CHUNKS_IN_FLIGHT_MAX + 1];
            [vec![Offered(unsigned(o))], first].concat()
        }),
        ("no such section", &|o, _| vec![Offered(sends(&o, 4_095))]),
        ("another head", &|o, _| vec![Offered(other_head(&o))]),
        ("another name", &|o, _| vec![Offered(other_name(&o))]),
        ("the same offer twice", &|o, _| {
            vec![Offered(o.clone()), Offered(o)]
        }),
    ];
    for (what, messages) in cases {
        let mut driver = Driver::subscribed("");
        let bundle = PLAIN.bytes();
        driver.hello();
        let offer = driver.offer(&bundle);
        for message in messages(offer, chunks(&bundle)) {
            driver.hear(&message);
        }
        driver.said();
        driver.hear_bundle(&other);
        assert_eq!(driver.said(), [], "{what}: nothing is read any more");
        driver.tick();
        assert!(driver.proxy.streams.borrow()[0].cancelled, "{what}");
        assert!(driver.log().contains("refused (bad-stream)"), "{what}");
        driver.connect();
        driver.hear_bundle(&other);
        assert_eq!(
            driver.status("/blocked"),
            Some(429),
            "{what}: and then it works again"
        );
    }
}

#[test]
fn offers_that_are_refused_without_end_end_the_stream() {
    let mut driver = Driver::subscribed("");
    driver.hello();
    let bad = Spec { key: 9, ..CHANGED }.bytes();
    // One a second is what a push service may well try.
    for _ in 0..40 {
        driver.hear_offer(&bad);
        (0..10).for_each(|_| driver.tick());
        driver.said();
    }
    assert_eq!(driver.open_streams(), [0]);
    (0..40).for_each(|_| driver.hear_offer(&bad));
    driver.tick();
    assert!(driver.open_streams().is_empty());
    assert!(driver.metric("riskgate.loads.refused") <= 40 + 17 + 1);
}

#[test]
fn messages_that_are_too_large_or_no_messages_are_not_taken() {
    for bytes in [vec![0xff; 9], vec![]] {
        let mut driver = Driver::subscribed("");
        driver.hear_bytes(&bytes);
        driver.tick();
        assert!(driver.proxy.streams.borrow()[0].cancelled, "{bytes:?}");
    }
    let mut driver = Driver::subscribed("");
    driver.hello();
    driver.hear_offer(&PLAIN.bytes());
    driver.proxy.calls.get_mut().clear();
    driver
        .filter
        .on_stream_message(&driver.proxy, 0, MESSAGE_LEN_MAX + 1);
    assert!(
        !driver.proxy.calls.borrow().contains(&"received_message"),
        "it is not even copied"
    );
    driver.tick();
    assert!(driver.proxy.streams.borrow()[0].cancelled);
}

#[test]
fn a_section_of_another_hash_than_its_own_is_refused() {
    let mut driver = Driver::subscribed("");
    driver.hello();
    let bad = with_bad_section(&PLAIN.bytes());
    driver.hear_bundle(&bad);
    assert_eq!(driver.the_nack().reason, "bad-hash");
    assert_eq!(driver.metric("riskgate.loads.accepted"), 0);
}

#[test]
fn a_closed_stream_is_cancelled_and_opened_again() {
    let mut driver = Driver::subscribed("");
    driver.hear_bundle(&PLAIN.bytes());
    driver.filter.on_stream_close(&driver.proxy, 77, 14);
    assert_eq!(
        driver.metric("riskgate.stream.closed"),
        0,
        "a stream that nobody knows"
    );
    driver.filter.on_stream_close(&driver.proxy, 0, 14);
    assert!(
        driver.proxy.streams.borrow()[0].cancelled,
        "or the host keeps it"
    );
    assert_eq!(driver.metric("riskgate.stream.closed"), 1);
    driver.connect();
    assert_eq!(driver.hello().holdings.held, Some(id_of(&PLAIN.bytes())));
    assert_eq!(driver.metric("riskgate.stream.opened"), 2);
}

#[test]
fn a_done_root_context_ends_its_stream() {
    let mut driver = Driver::subscribed("");
    driver.hear_bundle(&PLAIN.bytes());
    driver.filter.on_done(&driver.proxy);
    assert!(driver.proxy.streams.borrow()[0].cancelled);
    for _ in 0..=WAIT_TICKS_MAX {
        driver.tick();
    }
    assert_eq!(driver.proxy.streams.borrow().len(), 1);
    assert_eq!(
        driver.status("/blocked"),
        Some(403),
        "requests that it still holds are decided"
    );
}
