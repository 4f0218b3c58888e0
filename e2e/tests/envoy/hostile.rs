//! A pusher that breaks the protocol: that ends the stream, and costs neither memory nor a verdict.

use riskgate_e2e::{Envoy, RoguePusher, Stage, VMS, until};
use riskgate_push_protocol::{
    Offer, PusherMessage, SectionChunk, SectionHash, VmAnswer, VmReport,
    limits::{CHUNK_LEN_MAX, MESSAGE_LEN_MAX},
    proto,
};

use crate::{NO_ADMIN, NO_LOGIN, RULESET, load::check_serves};

/// Chunks of a flood: 28 MiB.
const FLOOD: usize = 150;

/// What Envoy may grow by in all of it, and the flood alone is larger.
const GROWTH_MAX_KB: u64 = 16 << 10;

/// Makes what is sent of what should be.
type Hostile = fn(Offer, Vec<SectionChunk>) -> Vec<proto::PusherMessage>;

#[test]
fn hostile_chunks_end_the_stream_and_change_nothing() {
    check_attacks(&[
        ("a message over the limit", |offer, _| {
            messages(offer, [chunk(0, MESSAGE_LEN_MAX + 1)])
        }),
        ("a flood of an unknown section", |offer, _| {
            messages(offer, vec![chunk(0, CHUNK_LEN_MAX); FLOOD])
        }),
        ("sections by turns", |offer, chunks| {
            messages(offer, interleaved(&chunks))
        }),
        (
            "a chunk beyond the end of its section",
            |offer, mut chunks| {
                let data = [chunks[0].data.as_ref(), b"more"].concat();
                chunks[0].data = data.into();
                messages(offer, chunks)
            },
        ),
    ]);
}

#[test]
fn messages_that_make_no_sense_end_the_stream_and_change_nothing() {
    check_attacks(&[
        ("an empty message", |_, _| {
            vec![proto::PusherMessage::default()]
        }),
        ("the head of another bundle", |mut offer, chunks| {
            offer.bundle.revision += 1;
            messages(offer, chunks)
        }),
        ("a section that is not in the table", |mut offer, chunks| {
            offer.sent.push(4_000);
            messages(offer, chunks)
        }),
        ("a chunk of nothing that was offered", |_, chunks| {
            chunks.into_iter().map(sent).collect()
        }),
    ]);
}

/// What comes after the last chunk ends the stream, and what came before it is good and serves. What comes of a bundle that
/// was refused does so, too, beyond what may be on its way.
#[test]
fn chunks_after_the_answer_end_the_stream_and_undo_nothing() {
    // It holds nothing yet, so it needs the last section that is sent.
    let Attacked {
        stage,
        rogue,
        envoy,
    } = Attacked::new();
    let good = stage.build(RULESET, NO_LOGIN, 6).unwrap().read().unwrap();
    let late: Hostile = |offer, mut chunks| {
        chunks.push(chunk(0, 100));
        messages(offer, chunks)
    };
    rogue.offer_with(&good, late).unwrap();
    envoy.wait_for_metric("stream.closed", 1).unwrap();
    wait_for_stream_after(&rogue, 1);
    check_accepted(&rogue, &good);
    check_serves(&envoy, NO_LOGIN);

    let older = stage.build(RULESET, NO_ADMIN, 5).unwrap().read().unwrap();
    let flood: Hostile = |offer, _| messages(offer, vec![chunk(0, CHUNK_LEN_MAX); FLOOD]);
    rogue.offer_with(&older, flood).unwrap();
    envoy.wait_for_metric("stream.closed", 2).unwrap();
    check_serves(&envoy, NO_LOGIN);
}

/// Each ends its stream, and the rules before it serve on; then the bundle comes as it should.
fn check_attacks(attacks: &[(&str, Hostile)]) {
    let Attacked {
        stage,
        rogue,
        envoy,
    } = Attacked::new();
    let good = stage.build(RULESET, NO_ADMIN, 5).unwrap().read().unwrap();
    check_accepted(&rogue, &good);
    let before_kb = envoy.memory().unwrap().resident_kb;
    let newer = stage.build(RULESET, NO_LOGIN, 6).unwrap().read().unwrap();
    for (number, (attack, hostile)) in (1..).zip(attacks) {
        let streams = rogue.streams();
        rogue.offer_with(&newer, hostile).unwrap();
        let ended = envoy.wait_for_metric("stream.closed", number);
        ended.unwrap_or_else(|error| panic!("{attack}: {error:#}"));
        check_serves(&envoy, NO_ADMIN);
        wait_for_stream_after(&rogue, streams);
    }
    let after_kb = envoy.memory().unwrap().resident_kb;
    let grown_kb = after_kb.saturating_sub(before_kb);
    assert!(grown_kb < GROWTH_MAX_KB, "Envoy grew by {grown_kb} kB");
    assert_eq!(
        envoy.metric("loads.refused").unwrap(),
        attacks.len() as u64,
        "by the VM that keeps the stream"
    );
    assert_eq!(envoy.metric("decisions.missing").unwrap(), 0);
    check_accepted(&rogue, &newer);
    check_serves(&envoy, NO_LOGIN);
}

/// An Envoy whose rules come from a rogue.
struct Attacked {
    envoy: Envoy,
    rogue: RoguePusher,
    stage: Stage,
}

impl Attacked {
    fn new() -> Self {
        let stage = Stage::new().unwrap();
        let rogue = RoguePusher::start().unwrap();
        let scenario = stage
            .scenario("stream", RULESET)
            .unwrap()
            .set("PUSHER_PORT", rogue.address().port());
        let envoy = stage.envoy(scenario).unwrap();
        rogue.wait_for(VMS, "a report", |_| Some(())).unwrap();
        Attacked {
            envoy,
            rogue,
            stage,
        }
    }
}

fn wait_for_stream_after(rogue: &RoguePusher, streams: usize) {
    let again = || Ok((rogue.streams() > streams).then_some(()));
    until("the filter to come back by itself", again).unwrap();
}

fn check_accepted(rogue: &RoguePusher, bundle: &[u8]) {
    let offered = rogue.offer(bundle).unwrap();
    let acked = |vm: &VmReport| match vm.answer {
        VmAnswer::Ack(acked) => (acked == offered).then_some(()),
        VmAnswer::Nack(_) | VmAnswer::Pending => None,
    };
    rogue.wait_for(VMS, "an ACK", acked).unwrap();
}

fn messages(
    offer: Offer,
    chunks: impl IntoIterator<Item = SectionChunk>,
) -> Vec<proto::PusherMessage> {
    let offer = PusherMessage::Offer(offer).into();
    let chunks = chunks.into_iter().map(sent);
    std::iter::once(offer).chain(chunks).collect()
}

fn sent(chunk: SectionChunk) -> proto::PusherMessage {
    PusherMessage::Chunk(chunk).into()
}

/// The first halves of all sections, and then the other halves.
fn interleaved(chunks: &[SectionChunk]) -> Vec<SectionChunk> {
    assert!(chunks.len() > 1, "nothing to interleave");
    let half = |chunk: &SectionChunk, is_first: bool| {
        let (first, second) = chunk.data.split_at(chunk.data.len() / 2);
        let (offset, data) = match is_first {
            true => (chunk.offset, first),
            false => (chunk.offset + u32::try_from(first.len()).unwrap(), second),
        };
        SectionChunk {
            section: chunk.section,
            offset,
            data: data.to_vec().into(),
        }
    };
    let halves = [true, false].map(|is_first| chunks.iter().map(move |it| half(it, is_first)));
    halves.into_iter().flatten().collect()
}

/// A chunk of a section that nobody announced.
fn chunk(offset: u32, len: usize) -> SectionChunk {
    SectionChunk {
        section: SectionHash([7; 32]),
        offset,
        data: vec![0xa5; len].into(),
    }
}
