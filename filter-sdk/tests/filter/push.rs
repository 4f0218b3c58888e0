//! The stream: bundles that come, answers that go, and a push service that misbehaves.

use crate::bundles::{CHANGED, EPOCH_S, PLAIN, Spec, TTL_S, id_of};
use crate::driver::{Driver, WAIT_TICKS_MAX, chunks, start};
use riskgate_push_protocol::limits::{BUNDLE_LEN_MAX, MESSAGE_LEN_MAX};
use riskgate_push_protocol::{
    Nack,
    v1::{BundleChunk, BundleStart, ChunkTaken, PusherMessage, SubscriberMessage},
};

/// What comes on a stream.
type Messages<'a> = &'a dyn Fn(&[u8]) -> Vec<PusherMessage>;

pub(crate) fn the_nack(driver: &Driver) -> Nack {
    match &driver.answers()[..] {
        [SubscriberMessage::Nack(nack)] => nack.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_message_says_who_subscribes_to_what() {
    let driver = Driver::subscribed("");
    let hello = driver.hello();
    assert_eq!(
        (&hello.ruleset[..], hello.audience, hello.held),
        ("shop", None, None)
    );
    assert!(!hello.serves_requests);
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
        (&hello.node[..], hello.held),
        ("edge-7", Some(id_of(&held)))
    );
    assert!(hello.serves_requests);
}

#[test]
fn the_vms_of_a_process_share_its_instance() {
    let one = Driver::subscribed("");
    let mut other = Driver::new(r#","push":{"cluster":"pusher"}"#);
    other.proxy.shared_data = one.proxy.shared_data.clone();
    other.proxy.random.set(99);
    other.tick();
    assert_eq!(one.hello().instance, other.hello().instance);
    let mut forged = Driver::new(r#","push":{"cluster":"pusher"}"#);
    forged
        .proxy
        .shared_data
        .set("riskgate.instance.v1", b"short");
    forged.tick();
    assert_ne!(forged.hello().instance.0, [0; 16]);
}

#[test]
fn a_pushed_bundle_serves_and_is_acknowledged() {
    let mut driver = Driver::subscribed("");
    driver.hello();
    let bundle = PLAIN.bytes();
    driver.hear_bundle(&bundle);
    let said = driver.said();
    let (ack, credit) = said.split_last().unwrap();
    assert_eq!(*ack, SubscriberMessage::Ack(id_of(&bundle)));
    assert_eq!(
        credit.len(),
        bundle.len().div_ceil(100),
        "one for each chunk"
    );
    let taken = ChunkTaken {
        digest: id_of(&bundle).digest,
        received: bundle.len() as u32,
    };
    assert_eq!(
        *credit.last().unwrap(),
        SubscriberMessage::ChunkTaken(taken)
    );
    assert_eq!(driver.status("/blocked"), Some(403));
    driver.tick();
    assert_eq!(
        driver.said(),
        [SubscriberMessage::ServesRequests],
        "once the first request was seen"
    );
    driver.tick();
    assert_eq!(driver.said(), [], "and only once");
    driver.hear_bundle(&CHANGED.bytes());
    assert_eq!(
        driver.answers(),
        [SubscriberMessage::Ack(id_of(&CHANGED.bytes()))]
    );
    assert_eq!(driver.status("/blocked"), Some(429));
    assert_eq!(driver.metric("riskgate.loads.accepted"), 2);
    assert_eq!(driver.metric("riskgate.revision"), 2);
}

#[test]
fn a_bad_bundle_is_refused_and_the_good_one_serves_on() {
    let good = PLAIN.bytes();
    let newer = Spec {
        revision: 7,
        ..PLAIN
    };
    let tampered_section = {
        let mut bytes = CHANGED.bytes();
        // The last byte that is not padding belongs to the last section.
        let at = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes[at] ^= 1;
        bytes
    };
    let tampered_signature = {
        let mut bytes = CHANGED.bytes();
        let manifest_len = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
        bytes[64 + manifest_len + 32] ^= 1;
        bytes
    };
    let cases = [
        ("bad-hash", CHANGED.bytes(), tampered_section, EPOCH_S + 60),
        (
            "bad-signature",
            CHANGED.bytes(),
            tampered_signature,
            EPOCH_S + 60,
        ),
        (
            "malformed",
            CHANGED.bytes(),
            CHANGED.bytes()[..200].to_vec(),
            EPOCH_S + 60,
        ),
        (
            "untrusted",
            CHANGED.bytes(),
            Spec { key: 9, ..CHANGED }.bytes(),
            EPOCH_S + 60,
        ),
        (
            "wrong-ruleset",
            vec![],
            Spec {
                ruleset: "other",
                ..CHANGED
            }
            .bytes(),
            EPOCH_S + 60,
        ),
        (
            "revision-conflict",
            vec![],
            Spec {
                on_expired: "deny",
                ..PLAIN
            }
            .bytes(),
            EPOCH_S + 60,
        ),
        ("expired", vec![], CHANGED.bytes(), EPOCH_S + TTL_S + 5),
        (
            "issued-in-future",
            vec![],
            Spec {
                revision: 9_000,
                ..PLAIN
            }
            .bytes(),
            EPOCH_S + 60,
        ),
    ];
    for (reason, announced, file, now_s) in cases {
        let announced = if announced.is_empty() {
            &file
        } else {
            &announced
        };
        let mut driver = Driver::subscribed("");
        driver.hear_bundle(&good);
        driver.said();
        driver.set_time(now_s);
        driver.hear_file(announced, &file);
        let nack = the_nack(&driver);
        assert_eq!(
            (&nack.reason[..], nack.bundle),
            (reason, id_of(announced)),
            "{}",
            nack.detail
        );
        assert_eq!(nack.permanent, reason != "issued-in-future", "{reason}");
        assert_eq!(
            driver.status("/blocked"),
            Some(403),
            "{reason}: revision 1 serves on"
        );
        assert_eq!(driver.metric("riskgate.loads.refused"), 1);
        if nack.permanent {
            driver.hear_start(announced);
            assert_eq!(
                the_nack(&driver),
                nack,
                "offered again, it costs no transfer"
            );
        }
    }
    let mut driver = Driver::subscribed("");
    driver.hear_bundle(&newer.bytes());
    driver.said();
    driver.hear_bundle(&CHANGED.bytes());
    assert_eq!(the_nack(&driver).reason, "older-revision");
}

#[test]
fn a_refused_copy_does_not_spoil_a_good_one() {
    let mut driver = Driver::subscribed("");
    let good = PLAIN.bytes();
    let mut tampered = good.clone();
    let at = tampered.iter().rposition(|byte| *byte != 0).unwrap();
    tampered[at] ^= 1;
    driver.hello();
    driver.hear_file(&good, &tampered);
    assert_eq!(the_nack(&driver).reason, "bad-hash");
    let token = driver.token();
    driver.filter.on_stream_close(&driver.proxy, token, 0);
    driver.connect();
    driver.hello();
    driver.hear_bundle(&good);
    assert_eq!(driver.answers(), [SubscriberMessage::Ack(id_of(&good))]);
}

#[test]
fn a_held_bundle_is_not_transferred_again() {
    let mut driver = Driver::subscribed(&format!(r#","bundle":"{}""#, PLAIN.base64()));
    driver.hello();
    let held = PLAIN.bytes();
    driver.hear_start(&held);
    assert_eq!(driver.said(), [SubscriberMessage::Ack(id_of(&held))]);
    for chunk in chunks(&held, &held) {
        driver.hear(&chunk);
    }
    assert_eq!(
        driver.said(),
        [],
        "chunks that were on their way are dropped"
    );
    assert_eq!(driver.metric("riskgate.loads.accepted"), 1);
    driver.tick();
    assert!(!driver.proxy.streams.borrow()[0].cancelled);
}

#[test]
fn a_new_bundle_abandons_the_one_under_way() {
    let mut driver = Driver::subscribed("");
    driver.hello();
    let (old, new) = (PLAIN.bytes(), CHANGED.bytes());
    driver.hear_start(&old);
    driver.hear(&chunks(&old, &old)[0]);
    driver.hear_bundle(&new);
    assert_eq!(driver.answers(), [SubscriberMessage::Ack(id_of(&new))]);
}

#[test]
fn a_stream_that_breaks_the_rules_is_cancelled() {
    let chunk = |bundle: &[u8], index: usize| chunks(bundle, bundle).swap_remove(index);
    let oversized = |bundle: &[u8]| {
        let data = vec![0; bundle.len() + 1].into();
        PusherMessage::Chunk(BundleChunk {
            digest: id_of(bundle).digest,
            offset: 0,
            data,
        })
    };
    let cases: [(&str, Messages<'_>, bool); 6] = [
        ("gap", &|b| vec![start(b), chunk(b, 0), chunk(b, 2)], true),
        (
            "overlap",
            &|b| vec![start(b), chunk(b, 0), chunk(b, 0)],
            true,
        ),
        ("overflow", &|b| vec![start(b), oversized(b)], true),
        (
            "other bundle",
            &|b| vec![start(b), chunk(&CHANGED.bytes(), 0)],
            true,
        ),
        ("chunk before any start", &|b| vec![chunk(b, 0)], false),
        (
            "chunk after the end",
            &|b| [vec![start(b)], chunks(b, b), vec![chunk(b, 0)]].concat(),
            false,
        ),
    ];
    for (what, messages, nacked) in cases {
        let mut driver = Driver::subscribed("");
        let bundle = PLAIN.bytes();
        driver.hello();
        for message in messages(&bundle) {
            driver.hear(&message);
        }
        let nacks: Vec<_> = driver
            .answers()
            .into_iter()
            .filter(|m| matches!(m, SubscriberMessage::Nack(_)))
            .collect();
        match &nacks[..] {
            [SubscriberMessage::Nack(nack)] => {
                assert!(nacked, "{what}");
                assert_eq!(
                    (&nack.reason[..], nack.permanent, nack.bundle),
                    ("bad-chunk", false, id_of(&bundle)),
                    "{what}"
                );
            }
            others => assert!(!nacked && others.is_empty(), "{what}: {others:?}"),
        }
        driver.hear_bundle(&CHANGED.bytes());
        assert_eq!(driver.said(), [], "{what}: nothing is read any more");
        driver.tick();
        assert!(driver.proxy.streams.borrow()[0].cancelled, "{what}");
        driver.connect();
        driver.hello();
        driver.hear_bundle(&CHANGED.bytes());
        assert_eq!(
            driver.status("/blocked"),
            Some(429),
            "{what}: and then it works again"
        );
    }
}

#[test]
fn a_bundle_that_is_not_the_announced_one_is_refused() {
    let mut driver = Driver::subscribed("");
    driver.hello();
    driver.hear_file(&PLAIN.bytes(), &CHANGED.bytes());
    let nack = the_nack(&driver);
    assert_eq!(
        (&nack.reason[..], nack.permanent),
        ("bad-chunk", false),
        "{}",
        nack.detail
    );
    assert_eq!(driver.metric("riskgate.loads.accepted"), 0);
}

#[test]
fn messages_that_are_too_large_or_no_messages_are_not_taken() {
    let too_large = PusherMessage::Start(BundleStart {
        bundle: id_of(&PLAIN.bytes()),
        total_len: BUNDLE_LEN_MAX as u32 + 1,
    });
    for bytes in [vec![0xff; 9], vec![], too_large.encode_to_vec()] {
        let mut driver = Driver::subscribed("");
        driver.hear_bytes(&bytes);
        driver.tick();
        assert!(driver.proxy.streams.borrow()[0].cancelled, "{bytes:?}");
    }
    let mut driver = Driver::subscribed("");
    driver.hello();
    driver.hear_start(&PLAIN.bytes());
    driver.proxy.calls.get_mut().clear();
    driver
        .filter
        .on_stream_message(&driver.proxy, 0, MESSAGE_LEN_MAX + 1);
    assert!(
        !driver.proxy.calls.borrow().contains(&"received_message"),
        "it is not even copied"
    );
    assert_eq!(the_nack(&driver).reason, "too-large");
    driver.tick();
    assert!(driver.proxy.streams.borrow()[0].cancelled);
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
    assert_eq!(driver.hello().held, Some(id_of(&PLAIN.bytes())));
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
