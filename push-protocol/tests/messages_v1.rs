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
    BundleId, Digest, InstanceId, Nack, ProtoError, VmId,
    limits::{
        BUNDLE_LEN_MAX, CHUNK_LEN_MAX, DETAIL_LEN_MAX, MESSAGE_LEN_MAX, NAME_LEN_MAX, NODE_LEN_MAX,
        REASON_LEN_MAX, SUBSCRIBER_MESSAGE_LEN_MAX,
    },
    v1::{BundleChunk, BundleStart, ChunkTaken, Hello, PusherMessage, SubscriberMessage, proto},
};

fn bundle() -> impl Strategy<Value = BundleId> {
    any::<(u64, [u8; 32])>().prop_map(|(revision, digest)| BundleId {
        revision,
        digest: Digest(digest),
    })
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,62}"
}

prop_compose! {
    fn hello()(
        node in "\\PC{0,64}",
        (instance, vm, serves_requests) in any::<([u8; 16], [u8; 16], bool)>(),
        ruleset in name(),
        audience in option::of(name()),
        held in option::of(bundle()),
    ) -> Hello {
        Hello { node, instance: InstanceId(instance), vm: VmId(vm), serves_requests, ruleset, audience, held }
    }
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

fn subscriber_message() -> impl Strategy<Value = SubscriberMessage> {
    prop_oneof![
        hello().prop_map(SubscriberMessage::Hello),
        bundle().prop_map(SubscriberMessage::Ack),
        nack().prop_map(SubscriberMessage::Nack),
        Just(SubscriberMessage::ServesRequests),
        any::<([u8; 32], u32)>().prop_map(|(digest, received)| {
            SubscriberMessage::ChunkTaken(ChunkTaken {
                digest: Digest(digest),
                received,
            })
        }),
    ]
}

fn pusher_message() -> impl Strategy<Value = PusherMessage> {
    let start = (bundle(), 1..=BUNDLE_LEN_MAX as u32)
        .prop_map(|(bundle, total_len)| PusherMessage::Start(BundleStart { bundle, total_len }));
    let offset = 0..=(BUNDLE_LEN_MAX - CHUNK_LEN_MAX) as u32;
    let chunk = (any::<[u8; 32]>(), offset, vec(any::<u8>(), 1..2048)).prop_map(
        |(digest, offset, data)| {
            PusherMessage::Chunk(BundleChunk {
                digest: Digest(digest),
                offset,
                data: Bytes::from(data),
            })
        },
    );
    prop_oneof![start, chunk]
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
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = message.encode_to_vec();
        let position = position.index(bytes.len());
        bytes[position] = byte;
        if let Ok(message) = SubscriberMessage::decode(&bytes) {
            prop_assert_eq!(SubscriberMessage::decode(&message.encode_to_vec()), Ok(message));
        }
    }
}

fn good_hello() -> proto::Hello {
    proto::Hello {
        protocol: 1,
        node: "node-1".to_owned(),
        instance: vec![1; 16],
        vm: vec![2; 16],
        serves_requests: true,
        ruleset: "storefront".to_owned(),
        audience: String::new(),
        held_digest: Vec::new(),
        held_revision: 0,
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
    let cases: [(ChangeOfHello, &str); 9] = [
        (
            |hello| hello.protocol = 2,
            "protocol version 2 is not supported, only 1 is; upgrade the older end",
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
        (
            |hello| hello.held_digest = vec![0; 31],
            "`hello.held_digest` has 31 bytes, it takes 32",
        ),
        (
            |hello| hello.held_revision = 7,
            "`hello.held_digest` states a revision but no digest",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(refusal_of_hello(change), expected);
    }
}

fn refusal_of_chunk(offset: usize, len: usize) -> ProtoError {
    let data = Bytes::from(vec![0; len]);
    let chunk = proto::BundleChunk {
        digest: vec![0; 32],
        offset: offset as u32,
        data,
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
fn starts_beyond_the_limits_are_refused() {
    for (total_len, expected) in [
        (0, ProtoError::Empty("start.total_len")),
        (
            BUNDLE_LEN_MAX + 1,
            ProtoError::TooLong {
                field: "start.total_len",
                len: BUNDLE_LEN_MAX + 1,
                limit: BUNDLE_LEN_MAX,
            },
        ),
    ] {
        let start = proto::BundleStart {
            revision: 1,
            digest: vec![0; 32],
            total_len: total_len as u32,
        };
        let message = Some(proto::pusher_message::Message::Start(start));
        assert_eq!(
            PusherMessage::try_from(proto::PusherMessage { message }),
            Err(expected)
        );
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

/// A full chunk must fit into a message.
#[test]
fn the_longest_chunk_fits_a_message() {
    let chunk = BundleChunk {
        digest: Digest([255; 32]),
        offset: (BUNDLE_LEN_MAX - CHUNK_LEN_MAX) as u32,
        data: Bytes::from(vec![255; CHUNK_LEN_MAX]),
    };
    let message = PusherMessage::Chunk(chunk);
    let bytes = message.encode_to_vec();
    assert!(bytes.len() <= MESSAGE_LEN_MAX);
    assert_eq!(PusherMessage::decode(&bytes), Ok(message));
}

/// Envoy's node id and an error's sentence come from elsewhere: a long one must not cost the stream.
#[test]
fn long_texts_are_cut() {
    let bundle = BundleId {
        revision: 1,
        digest: Digest([0; 32]),
    };
    let nack = Nack {
        bundle,
        reason: "r".repeat(100),
        detail: "ü".repeat(300),
        permanent: false,
    };
    let read = SubscriberMessage::decode(&SubscriberMessage::Nack(nack).encode_to_vec()).unwrap();
    let SubscriberMessage::Nack(read) = read else {
        panic!("not a NACK: {read:?}")
    };
    assert_eq!(read.reason.len(), REASON_LEN_MAX);
    assert_eq!(read.detail.len(), DETAIL_LEN_MAX);
}
