//! The same files from a push service that is not honest: head first, then section by section, as the filter asks for them.

use riskgate_push_protocol::limits::{CHUNK_LEN_MAX, CHUNKS_IN_FLIGHT_MAX};
use riskgate_push_protocol::{
    BundleId, Digest, Offer, PusherMessage, SectionChunk, SectionHash, SubscriberMessage, VmAnswer,
};
use riskgate_wasm_host::GrpcStream;

use crate::filter::Filter;
use crate::forge::{NEXT, Sent};

/// Ticks within which a filter whose rules serve opens its stream.
const TICKS_UNTIL_STREAM: usize = 10;

/// Ticks within which whatever came is loaded.
const TICKS_UNTIL_LOADED: usize = 10;

/// What a filter says to a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Ack,
    /// The word.
    Nack(String),
    /// It waits for what never comes.
    Nothing,
    /// It cancelled the stream.
    Cancelled,
}

/// Offers a file to a filter, whatever the file is, and sends all of it that there is credit for.
pub(crate) fn push(filter: &mut Filter, file: &[u8]) -> Answer {
    let token = open(filter);
    let sent = Sent::of(file);
    let offer = Offer {
        number: 1,
        bundle: claimed(&sent),
        head: sent.head.to_vec().into(),
        sent: sent.places(),
    };
    filter.hear(token, &PusherMessage::Offer(offer));
    let chunks = sent.sections.iter().flat_map(|(hash, bytes)| {
        let chunks = bytes.chunks(CHUNK_LEN_MAX).enumerate();
        chunks.map(|(number, data)| SectionChunk {
            section: SectionHash(*hash),
            offset: u32::try_from(number * CHUNK_LEN_MAX).unwrap(),
            data: data.to_vec().into(),
        })
    });
    for (number, chunk) in chunks.enumerate() {
        if number == taken(filter) + CHUNKS_IN_FLIGHT_MAX {
            break;
        }
        filter.hear(token, &PusherMessage::Chunk(chunk));
    }
    let mut reports_taken = 0;
    for _ in 0..TICKS_UNTIL_LOADED {
        if reports(filter).len() > reports_taken {
            reports_taken += 1;
            filter.hear(token, &PusherMessage::ReportTaken);
        }
        filter.tick();
    }
    match reports(filter).pop() {
        _ if stream(filter).cancelled => Answer::Cancelled,
        Some(VmAnswer::Ack(_)) => Answer::Ack,
        Some(VmAnswer::Nack(nack)) => Answer::Nack(nack.reason),
        Some(VmAnswer::Pending) | None => Answer::Nothing,
    }
}

/// The token of the stream, once it is open.
fn open(filter: &mut Filter) -> u32 {
    for _ in 0..TICKS_UNTIL_STREAM {
        filter.tick();
    }
    stream(filter).token
}

fn stream(filter: &Filter) -> &GrpcStream {
    let streams = &filter.proxy().grpc_streams;
    streams.last().expect("the filter opens a stream")
}

/// What an honest push service would call it, as far as the file has that.
fn claimed(sent: &Sent<'_>) -> BundleId {
    let revision = sent.manifest.get(8..16);
    let revision = revision.map_or(NEXT, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    BundleId {
        revision,
        digest: Digest(blake3::hash(sent.manifest).into()),
    }
}

/// How many chunks the filter has given credit for.
fn taken(filter: &Filter) -> usize {
    let said = stream(filter).sent.iter();
    let said = said.map(|message| SubscriberMessage::decode(message).unwrap());
    said.filter(|message| matches!(message, SubscriberMessage::ChunkTaken(_)))
        .count()
}

/// What the filter has answered since its first message.
fn reports(filter: &Filter) -> Vec<VmAnswer> {
    let said = stream(filter).sent.iter();
    let said = said.map(|message| SubscriberMessage::decode(message).unwrap());
    let answers = said.filter_map(|message| match message {
        SubscriberMessage::Report(report) => Some(report.vms[0].answer.clone()),
        _ => None,
    });
    answers.collect()
}
