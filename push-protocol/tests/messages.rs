//! What is written is read again, and what is hostile is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};
use prost::Message as _;
use riskgate_push_protocol::{
    BundleId, ChunkTaken, Delivery, DeliveryAnswer, Digest, Hello, Holdings, InstanceId, KeyId,
    LastAnswer, Nack, Offer, ProtoError, Published, PublishedRuleset, PusherMessage, Report,
    SectionChunk, SectionHash, Status, SubscriberMessage, VmAnswer, VmId, VmReport, VmStatus,
    limits::{
        BUNDLE_LEN_MAX, CHUNK_LEN_MAX, DETAIL_LEN_MAX, HEAD_LEN_MAX, HELD_SECTIONS_MAX,
        MESSAGE_LEN_MAX, NAME_LEN_MAX, NODE_LEN_MAX, REASON_LEN_MAX, SECTIONS_MAX,
        SUBSCRIBER_MESSAGE_LEN_MAX, VMS_MAX,
    },
    proto,
};

fn bundle() -> impl Strategy<Value = BundleId> {
    any::<(u64, [u8; 32])>().prop_map(|(revision, digest)| BundleId {
        revision,
        digest: Digest(digest),
    })
}

fn section() -> impl Strategy<Value = SectionHash> {
    any::<[u8; 32]>().prop_map(SectionHash)
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,62}"
}

prop_compose! {
    fn nack()(
        bundle in bundle(),
        reason in "[a-z][a-z-]{0,63}",
        detail in "\\PC{0,128}",
        permanent in any::<bool>(),
    ) -> Nack {
        Nack { bundle, reason, detail, permanent }
    }
}

fn answer() -> impl Strategy<Value = VmAnswer> {
    prop_oneof![
        Just(VmAnswer::Pending),
        bundle().prop_map(VmAnswer::Ack),
        nack().prop_map(VmAnswer::Nack),
    ]
}

prop_compose! {
    fn vm_report(vm: VmId)(
        serves_requests in any::<bool>(),
        held in option::of(bundle()),
        answer in answer(),
    ) -> VmReport {
        VmReport { vm, serves_requests, held, answer }
    }
}

fn report() -> impl Strategy<Value = Report> {
    let vms = prop::collection::btree_set(any::<[u8; 16]>(), 1..5);
    vms.prop_flat_map(|vms| {
        vms.into_iter()
            .map(|vm| vm_report(VmId(vm)))
            .collect::<Vec<_>>()
    })
    .prop_flat_map(|vms| {
        any::<u32>().prop_map(move |offer| Report {
            vms: vms.clone(),
            offer,
        })
    })
}

fn holdings() -> impl Strategy<Value = Holdings> {
    (option::of(bundle()), vec(section(), 0..8))
        .prop_map(|(held, sections)| Holdings { held, sections })
}

prop_compose! {
    fn hello()(
        node in "\\PC{0,64}",
        (instance, vm, epoch) in any::<([u8; 16], [u8; 16], u64)>(),
        ruleset in name(),
        audience in option::of(name()),
        holdings in holdings(),
        report in report(),
    ) -> Hello {
        Hello {
            node, instance: InstanceId(instance), vm: VmId(vm), epoch, ruleset, audience, holdings, report,
        }
    }
}

fn subscriber_message() -> impl Strategy<Value = SubscriberMessage> {
    let taken = (any::<(u32, u32)>(), section()).prop_map(|((offer, received), section)| {
        SubscriberMessage::ChunkTaken(ChunkTaken {
            offer,
            section,
            received,
        })
    });
    prop_oneof![
        hello().prop_map(SubscriberMessage::Hello),
        report().prop_map(SubscriberMessage::Report),
        taken,
        holdings().prop_map(SubscriberMessage::Holdings),
    ]
}

prop_compose! {
    fn offer()(
        number in any::<u32>(),
        bundle in bundle(),
        head in vec(any::<u8>(), 1..512),
        sent in prop::collection::btree_set(0..SECTIONS_MAX as u32, 0..20),
    ) -> Offer {
        Offer { number, bundle, head: Bytes::from(head), sent: sent.into_iter().collect() }
    }
}

prop_compose! {
    fn chunk()(
        section in section(),
        offset in 0..=(BUNDLE_LEN_MAX - CHUNK_LEN_MAX) as u32,
        data in vec(any::<u8>(), 1..2048),
    ) -> SectionChunk {
        SectionChunk { section, offset, data: Bytes::from(data) }
    }
}

fn pusher_message() -> impl Strategy<Value = PusherMessage> {
    prop_oneof![
        offer().prop_map(PusherMessage::Offer),
        chunk().prop_map(PusherMessage::Chunk),
        Just(PusherMessage::ReportTaken),
    ]
}

fn last_answer() -> impl Strategy<Value = LastAnswer> {
    prop_oneof![
        Just(LastAnswer::Pending),
        any::<u64>().prop_map(|revision| LastAnswer::Ack { revision }),
        (any::<u64>(), "[a-z-]{1,64}", "\\PC{0,128}").prop_map(|(revision, reason, detail)| {
            LastAnswer::Nack {
                revision,
                reason,
                detail,
            }
        }),
    ]
}

prop_compose! {
    fn vm_status()(
        Hello { node, instance, vm, ruleset, audience, holdings: Holdings { held, .. }, .. } in hello(),
        answer in last_answer(),
        (since_ms, connected_at_ms) in any::<(u64, u64)>(),
        (serves_requests, holds_stream) in any::<(bool, bool)>(),
    ) -> VmStatus {
        VmStatus {
            node, instance, vm, serves_requests, ruleset, audience, held, answer, since_ms, connected_at_ms,
            holds_stream,
        }
    }
}

prop_compose! {
    fn published_ruleset()(
        ruleset in name(),
        audience in option::of(name()),
        bundle in bundle(),
        (published_at_ms, expires_at_s) in any::<(u64, u64)>(),
        restores in option::of(any::<[u8; 32]>().prop_map(Digest)),
    ) -> PublishedRuleset {
        PublishedRuleset { ruleset, audience, bundle, published_at_ms, expires_at_s, restores }
    }
}

prop_compose! {
    fn delivery()(
        (node, resource) in ("\\PC{0,64}", "\\PC{1,64}"),
        ruleset in name(),
        audience in option::of(name()),
        sent in option::of(bundle()),
        answer in prop_oneof![
            Just(DeliveryAnswer::Pending),
            Just(DeliveryAnswer::Delivered),
            "\\PC{0,128}".prop_map(|detail| DeliveryAnswer::Rejected { detail }),
        ],
        (since_ms, connected_at_ms) in any::<(u64, u64)>(),
    ) -> Delivery {
        Delivery { node, resource, ruleset, audience, sent, answer, since_ms, connected_at_ms }
    }
}

proptest! {
    #[test]
    fn subscriber_messages_round_trip(message in subscriber_message()) {
        let bytes = message.encode_to_vec();
        prop_assert_eq!(SubscriberMessage::decode(&bytes), Ok(message));
    }

    #[test]
    fn pusher_messages_round_trip(message in pusher_message()) {
        let bytes = message.encode_to_vec();
        prop_assert_eq!(PusherMessage::decode(&bytes), Ok(message));
    }

    #[test]
    fn statuses_round_trip(
        rulesets in vec(published_ruleset(), 0..3),
        vms in vec(vm_status(), 0..3),
        now_ms in any::<u64>(),
        deliveries in vec(delivery(), 0..3),
        left_out in any::<u32>(),
    ) {
        let status = Status { rulesets, vms, now_ms, deliveries, left_out };
        let bytes = proto::StatusResponse::from(status.clone()).encode_to_vec();
        let wire = proto::StatusResponse::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(Status::try_from(wire), Ok(status));
    }

    #[test]
    fn publications_round_trip(
        PublishedRuleset { ruleset, audience, bundle, .. } in published_ruleset(),
        (subscribers, unchanged) in any::<(u32, bool)>(),
        signatures_left_out in vec(any::<[u8; 32]>().prop_map(KeyId), 0..3),
        signatures_unchecked in vec(any::<[u8; 32]>().prop_map(KeyId), 0..3),
    ) {
        let published = Published {
            ruleset, audience, bundle, subscribers, unchanged, signatures_left_out, signatures_unchecked,
        };
        let wire = proto::PublishResponse::from(published.clone());
        prop_assert_eq!(Published::try_from(wire), Ok(published));
    }

    /// Whatever decodes is within the limits, so that it can be written and read again.
    #[test]
    fn hostile_bytes_never_panic(bytes in vec(any::<u8>(), 0..512)) {
        if let Ok(message) = SubscriberMessage::decode(&bytes) {
            prop_assert_eq!(SubscriberMessage::decode(&message.encode_to_vec()), Ok(message));
        }
        if let Ok(message) = PusherMessage::decode(&bytes) {
            prop_assert_eq!(PusherMessage::decode(&message.encode_to_vec()), Ok(message));
        }
    }

    /// One byte changed reaches deeper than random bytes do.
    #[test]
    fn damaged_messages_never_panic(
        message in subscriber_message(),
        offer in offer(),
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let damaged = |mut bytes: Vec<u8>| {
            let position = position.index(bytes.len());
            bytes[position] = byte;
            bytes
        };
        if let Ok(message) = SubscriberMessage::decode(&damaged(message.encode_to_vec())) {
            prop_assert_eq!(SubscriberMessage::decode(&message.encode_to_vec()), Ok(message));
        }
        if let Ok(message) = PusherMessage::decode(&damaged(PusherMessage::Offer(offer).encode_to_vec())) {
            prop_assert_eq!(PusherMessage::decode(&message.encode_to_vec()), Ok(message));
        }
    }
}

fn good_vm(number: u8) -> proto::VmReport {
    proto::VmReport {
        vm: vec![number; 16],
        serves_requests: true,
        held_revision: 0,
        held_digest: Vec::new(),
        answer: None,
    }
}

fn good_hello() -> proto::Hello {
    proto::Hello {
        protocol: 2,
        node: "node-1".to_owned(),
        instance: vec![1; 16],
        vm: vec![2; 16],
        epoch: 7,
        ruleset: "storefront".to_owned(),
        audience: String::new(),
        holdings: None,
        report: Some(proto::Report {
            vms: vec![good_vm(2)],
            offer: 0,
        }),
    }
}

fn refusal_of_hello(change: impl FnOnce(&mut proto::Hello)) -> String {
    let mut hello = good_hello();
    change(&mut hello);
    let message = Some(proto::subscriber_message::Message::Hello(hello));
    let bytes = proto::SubscriberMessage { message }.encode_to_vec();
    SubscriberMessage::decode(&bytes).unwrap_err().to_string()
}

type ChangeOfHello = fn(&mut proto::Hello);

#[test]
fn hellos_beyond_the_limits_are_refused() {
    let cases: [(ChangeOfHello, &str); 8] = [
        (
            |hello| hello.protocol = 3,
            "protocol version 3 is not supported, only 2 is; upgrade the older end",
        ),
        (
            |hello| hello.instance.clear(),
            "`hello.instance` has 0 bytes, it takes 16",
        ),
        (
            |hello| hello.vm.push(0),
            "`hello.vm` has 17 bytes, it takes 16",
        ),
        (|hello| hello.ruleset.clear(), "`hello.ruleset` is empty"),
        (
            |hello| hello.ruleset = "r".repeat(NAME_LEN_MAX + 1),
            "`hello.ruleset` is 64 bytes long, the limit is 63",
        ),
        (
            |hello| hello.audience = "a".repeat(NAME_LEN_MAX + 1),
            "`hello.audience` is 64 bytes long, the limit is 63",
        ),
        (
            |hello| hello.node = "n".repeat(NODE_LEN_MAX + 1),
            "`hello.node` is 257 bytes long, the limit is 256",
        ),
        (|hello| hello.report = None, "`report.vms` is empty"),
    ];
    for (change, expected) in cases {
        assert_eq!(refusal_of_hello(change), expected);
    }
}

#[test]
fn holdings_beyond_the_limits_are_refused() {
    let refusal = |holdings| refusal_of_hello(|hello| hello.holdings = Some(holdings));
    let good = proto::Holdings::default;
    let cases = [
        (
            proto::Holdings {
                held_digest: vec![0; 31],
                ..good()
            },
            "`holdings.held_digest` has 31 bytes, it takes 32",
        ),
        (
            proto::Holdings {
                held_revision: 7,
                ..good()
            },
            "`holdings.held_digest` states a revision but no digest",
        ),
        (
            proto::Holdings {
                sections: vec![0; 33],
                ..good()
            },
            "`last of holdings.sections` has 1 bytes, it takes 32",
        ),
        (
            proto::Holdings {
                sections: vec![0; 32 * (HELD_SECTIONS_MAX + 1)],
                ..good()
            },
            "`holdings.sections` has 1025 entries, the limit is 1024",
        ),
    ];
    for (holdings, expected) in cases {
        assert_eq!(refusal(holdings), expected);
    }
}

#[test]
fn reports_beyond_the_limits_are_refused() {
    let refusal =
        |vms| refusal_of_hello(|hello| hello.report = Some(proto::Report { vms, offer: 0 }));
    let nack = |change: fn(&mut proto::Nack)| {
        let mut nack = proto::Nack {
            revision: 1,
            digest: vec![1; 32],
            reason: "expired".to_owned(),
            detail: String::new(),
            permanent: true,
        };
        change(&mut nack);
        proto::VmReport {
            answer: Some(proto::vm_report::Answer::Nack(nack)),
            ..good_vm(2)
        }
    };
    let many = |count: usize| {
        let vm = |number: usize| proto::VmReport {
            vm: (number as u128).to_be_bytes().to_vec(),
            ..good_vm(0)
        };
        (0..count).map(vm).collect()
    };
    let cases = [
        (
            many(VMS_MAX + 1),
            "`report.vms` has 65 entries, the limit is 64",
        ),
        (
            vec![good_vm(2), good_vm(3), good_vm(2)],
            "`report.vms` has an entry twice or out of order",
        ),
        (
            vec![nack(|nack| nack.reason.clear())],
            "`nack.reason` is empty",
        ),
        (
            vec![nack(|nack| nack.reason = "r".repeat(65))],
            "`nack.reason` is 65 bytes long, the limit is 64",
        ),
        (
            vec![nack(|nack| nack.detail = "d".repeat(513))],
            "`nack.detail` is 513 bytes long, the limit is 512",
        ),
        (
            vec![nack(|nack| nack.digest.clear())],
            "`nack.digest` has 0 bytes, it takes 32",
        ),
    ];
    for (vms, expected) in cases {
        assert_eq!(refusal(vms), expected);
    }
}

fn refusal_of_chunk(offset: usize, len: usize) -> ProtoError {
    let chunk = proto::SectionChunk {
        section: vec![0; 32],
        offset: offset as u32,
        data: Bytes::from(vec![0; len]),
    };
    let message = Some(proto::pusher_message::Message::Chunk(chunk));
    PusherMessage::try_from(proto::PusherMessage { message }).unwrap_err()
}

#[test]
fn chunks_beyond_the_limits_are_refused() {
    assert_eq!(refusal_of_chunk(0, 0), ProtoError::Empty("chunk.data"));
    assert_eq!(
        refusal_of_chunk(0, CHUNK_LEN_MAX + 1),
        ProtoError::TooLong {
            field: "chunk.data",
            len: CHUNK_LEN_MAX + 1,
            limit: CHUNK_LEN_MAX
        }
    );
    for offset in [BUNDLE_LEN_MAX, u32::MAX as usize] {
        assert!(matches!(
            refusal_of_chunk(offset, 1),
            ProtoError::TooLong {
                field: "chunk.offset + data",
                ..
            }
        ));
    }
}

#[test]
fn offers_beyond_the_limits_are_refused() {
    let refusal = |head_len: usize, sent: Vec<u32>| {
        let offer = proto::Offer {
            number: 1,
            revision: 1,
            digest: vec![0; 32],
            head: Bytes::from(vec![0; head_len]),
            sent,
        };
        let message = Some(proto::pusher_message::Message::Offer(offer));
        PusherMessage::try_from(proto::PusherMessage { message })
            .unwrap_err()
            .to_string()
    };
    let disordered = "`offer.sent` has an entry twice or out of order";
    let cases = [
        (0, vec![], "`offer.head` is empty"),
        (
            HEAD_LEN_MAX + 1,
            vec![],
            "`offer.head` is 176129 bytes long, the limit is 176128",
        ),
        (1, vec![3, 3], disordered),
        (1, vec![3, 2], disordered),
        (
            1,
            vec![SECTIONS_MAX as u32],
            "`offer.sent` has 4097 entries, the limit is 4096",
        ),
        (
            1,
            vec![0; SECTIONS_MAX + 1],
            "`offer.sent` has 4097 entries, the limit is 4096",
        ),
    ];
    for (head_len, sent, expected) in cases {
        assert_eq!(refusal(head_len, sent), expected);
    }
}

#[test]
fn a_message_of_no_kind_is_refused() {
    assert_eq!(SubscriberMessage::decode(b""), Err(ProtoError::UnknownKind));
    assert_eq!(PusherMessage::decode(b""), Err(ProtoError::UnknownKind));
}

#[test]
fn a_message_that_is_too_long_is_refused_unread() {
    let bytes = vec![0; MESSAGE_LEN_MAX + 1];
    let too_long = |limit| ProtoError::MessageTooLong {
        len: bytes.len(),
        limit,
    };
    assert_eq!(
        SubscriberMessage::decode(&bytes),
        Err(too_long(SUBSCRIBER_MESSAGE_LEN_MAX))
    );
    assert_eq!(
        PusherMessage::decode(&bytes),
        Err(too_long(MESSAGE_LEN_MAX))
    );
}

fn assert_fits(message: &PusherMessage) {
    let bytes = message.encode_to_vec();
    assert!(bytes.len() <= MESSAGE_LEN_MAX, "{} bytes", bytes.len());
    assert_eq!(PusherMessage::decode(&bytes).as_ref(), Ok(message));
}

#[test]
fn the_longest_messages_of_a_pusher_fit() {
    assert_fits(&PusherMessage::Chunk(SectionChunk {
        section: SectionHash([255; 32]),
        offset: (BUNDLE_LEN_MAX - CHUNK_LEN_MAX) as u32,
        data: Bytes::from(vec![255; CHUNK_LEN_MAX]),
    }));
    assert_fits(&PusherMessage::Offer(Offer {
        number: u32::MAX,
        bundle: BundleId {
            revision: u64::MAX,
            digest: Digest([255; 32]),
        },
        head: Bytes::from(vec![255; HEAD_LEN_MAX]),
        sent: (0..SECTIONS_MAX as u32).collect(),
    }));
}

/// Envoy's node id and an error's sentence come from elsewhere: long ones must not cost the stream, and neither must
/// holding much.
#[test]
fn the_longest_hello_is_cut_and_fits() {
    let bundle = BundleId {
        revision: u64::MAX,
        digest: Digest([255; 32]),
    };
    let vm = |number: u8| VmReport {
        vm: VmId([number; 16]),
        serves_requests: true,
        held: Some(bundle),
        answer: VmAnswer::Nack(Nack {
            bundle,
            reason: "r".repeat(100),
            detail: "ü".repeat(300),
            permanent: true,
        }),
    };
    let hello = Hello {
        node: "n".repeat(1000),
        instance: InstanceId([255; 16]),
        vm: VmId([0; 16]),
        epoch: u64::MAX,
        ruleset: "r".repeat(NAME_LEN_MAX),
        audience: Some("a".repeat(NAME_LEN_MAX)),
        holdings: Holdings {
            held: Some(bundle),
            sections: vec![SectionHash([255; 32]); HELD_SECTIONS_MAX + 1],
        },
        report: Report {
            vms: (0..VMS_MAX as u8).map(vm).collect(),
            offer: u32::MAX,
        },
    };
    let read = SubscriberMessage::decode(&SubscriberMessage::Hello(hello).encode_to_vec()).unwrap();
    let SubscriberMessage::Hello(read) = read else {
        panic!("no hello: {read:?}")
    };
    let VmAnswer::Nack(nack) = &read.report.vms[VMS_MAX - 1].answer else {
        panic!("no NACK")
    };
    let found = (
        read.node.len(),
        read.holdings.sections.len(),
        nack.reason.len(),
        nack.detail.len(),
    );
    let expected = (
        NODE_LEN_MAX,
        HELD_SECTIONS_MAX,
        REASON_LEN_MAX,
        DETAIL_LEN_MAX,
    );
    assert_eq!(found, expected);
}
