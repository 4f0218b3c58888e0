//! Bundles that must not serve, offered by a pusher that checks nothing.

use base64::{Engine, engine::general_purpose::STANDARD};
use riskgate_e2e::{Build, Bundle, Envoy, Keys, RoguePusher, Stage, VMS, until};
use riskgate_engine::{bundle as engine, trust::key_id};
use riskgate_push_protocol::{
    BundleId, LastAnswer, Offer, PusherMessage, SectionChunk, VmAnswer, VmReport, VmStatus, proto,
};

use crate::{
    NO_ADMIN, NO_LOGIN, RULESET,
    load::{check_serves, streaming},
};

/// What becomes of the id of a rule that is altered.
const ALTERED_ID: &[u8] = b"xo-login";

/// The rules that each of these would bring would be seen: they are others than those that serve.
#[test]
fn filters_refuse_what_must_not_serve_and_keep_the_last_good_rules() {
    let stage = Stage::new().unwrap();
    let rogue = RoguePusher::start().unwrap();
    let port = rogue.address().port();
    let scenario = stage
        .scenario("stream", RULESET)
        .unwrap()
        .set("PUSHER_PORT", port);
    let envoy = stage.envoy(scenario).unwrap();
    let is_there = |_: &VmReport| Some(());
    rogue.wait_for(VMS, "a first report", is_there).unwrap();

    let good = stage.build(RULESET, NO_ADMIN, 5).unwrap().read().unwrap();
    check_accepted(&rogue, &good);
    check_serves(&envoy, NO_ADMIN);

    let newer = stage.build(RULESET, NO_LOGIN, 6).unwrap().read().unwrap();
    // Another one, so that none of its sections is there when it comes as it should be.
    let victim = format!("{NO_LOGIN}    description: to be altered\n");
    let victim = stage.build(RULESET, &victim, 6).unwrap().read().unwrap();
    for (bundle, reason) in [
        (with_another_section(&victim), "bad-hash"),
        (with_another_manifest(&victim), "bad-signature"),
        (by_a_stranger(&stage), "untrusted"),
        (expired(&stage), "expired"),
        (
            stage.build(RULESET, NO_LOGIN, 4).unwrap().read().unwrap(),
            "older-revision",
        ),
        (
            stage.build(RULESET, NO_LOGIN, 5).unwrap().read().unwrap(),
            "revision-conflict",
        ),
        (
            stage.build("cellar", NO_LOGIN, 6).unwrap().read().unwrap(),
            "wrong-ruleset",
        ),
    ] {
        check_refused(&rogue, &envoy, &bundle, reason);
    }

    // The VM that keeps the stream refuses them, and no other is given them.
    let refused = 7;
    assert_eq!(
        envoy.wait_for_metric("loads.refused", refused).unwrap(),
        refused
    );
    // The highest revision that any of them claimed was never accepted, so it is still free.
    check_accepted(&rogue, &newer);
    check_serves(&envoy, NO_LOGIN);
}

#[test]
fn the_pusher_refuses_what_filters_would_refuse() {
    let stage = Stage::new().unwrap();
    let pusher = stage.pusher().unwrap();
    pusher
        .publish(&stage.build(RULESET, NO_ADMIN, 5).unwrap())
        .unwrap();
    let envoy = stage.envoy(streaming(&stage, &pusher)).unwrap();
    pusher.wait_for_acks(VMS, 5).unwrap();

    let newer = stage.build(RULESET, NO_LOGIN, 6).unwrap().read().unwrap();
    let older = stage.build(RULESET, NO_LOGIN, 4).unwrap().read().unwrap();
    for bundle in [
        with_another_section(&newer),
        with_another_manifest(&newer),
        by_a_stranger(&stage),
        expired(&stage),
        older,
    ] {
        let path = stage.folder().join("refused");
        std::fs::write(&path, &bundle).unwrap();
        pusher
            .publish(&Bundle { path })
            .expect_err("this must be refused");
    }
    let status = pusher.status().unwrap();
    assert_eq!(status.rulesets.len(), 1);
    assert_eq!(status.rulesets[0].bundle.revision, 5);
    check_serves(&envoy, NO_ADMIN);
}

/// The pusher trusts one of the two keys of the filters, so it cannot see that the other one's signature is bad.
#[test]
fn a_bad_signature_that_the_pusher_could_not_check_is_mended_by_a_good_one() {
    let stage = Stage::new().unwrap();
    let other = Keys::generate(stage.folder(), "other").unwrap();
    let pusher = stage.pusher().unwrap();
    let (first, second) = (stage.keys().trusted().unwrap(), other.trusted().unwrap());
    let scenario = streaming(&stage, &pusher).set("TRUSTED_KEY", format!("{first}\", \"{second}"));
    let envoy = stage.envoy(scenario).unwrap();
    let before = stage.build(RULESET, NO_ADMIN, 5).unwrap();
    pusher.publish(&before).unwrap();
    pusher.wait_for_acks(VMS, 5).unwrap();

    let bundle = stage.build(RULESET, NO_LOGIN, 6).unwrap();
    bundle.sign(&other).unwrap();
    let good = bundle.read().unwrap();
    let bad = with_bad_signatures_but(stage.keys(), &good);
    let published = pusher.publish_bytes(&bad).unwrap();
    assert_eq!(published.signatures_unchecked.len(), 1);
    let refused = |vm: &VmStatus| matches!(&vm.answer, LastAnswer::Nack { revision: 6, reason, .. } if reason == "bad-signature");
    until("a NACK of the bad signature", || {
        Ok(pusher.status()?.vms.iter().any(refused).then_some(()))
    })
    .unwrap();
    check_serves(&envoy, NO_ADMIN);

    assert_eq!(
        pusher.publish_bytes(&good).unwrap().bundle,
        published.bundle
    );
    pusher.wait_for_acks(VMS, 6).unwrap();
    check_serves(&envoy, NO_LOGIN);
}

fn with_bad_signatures_but(keys: &Keys, file: &[u8]) -> Vec<u8> {
    let public = STANDARD.decode(keys.trusted().unwrap()).unwrap();
    let good = key_id(&public.try_into().unwrap());
    let bundle = engine::Bundle::parse(file).unwrap();
    let mut signatures = bundle.signatures().to_vec();
    for signature in signatures.iter_mut().filter(|it| it.key_id != good) {
        signature.bytes[0] ^= 1;
    }
    bundle.with_signatures(signatures).unwrap()
}

fn check_accepted(rogue: &RoguePusher, bundle: &[u8]) {
    let offered = rogue.offer(bundle).unwrap();
    let acked = |vm: &VmReport| match &vm.answer {
        VmAnswer::Ack(acked) => Some(*acked).filter(|acked| *acked == offered),
        VmAnswer::Nack(nack) if nack.bundle == offered => panic!("refused: {nack:?}"),
        VmAnswer::Nack(_) | VmAnswer::Pending => None,
    };
    assert_eq!(
        rogue.wait_for(VMS, "an ACK", acked).unwrap(),
        [offered; VMS]
    );
}

fn check_refused(rogue: &RoguePusher, envoy: &Envoy, bundle: &[u8], reason: &str) {
    let offered: BundleId = rogue.offer_with(bundle, up_to_the_refusal).unwrap();
    let nacked = |vm: &VmReport| match &vm.answer {
        VmAnswer::Nack(nack) => Some(nack.clone()).filter(|nack| nack.bundle == offered),
        VmAnswer::Ack(acked) if *acked == offered => panic!("{reason}, and yet accepted"),
        VmAnswer::Ack(_) | VmAnswer::Pending => None,
    };
    let nacks = rogue.wait_for(1, "a NACK", nacked).unwrap();
    let [nack] = &nacks[..] else {
        panic!("{nacks:?}");
    };
    assert_eq!(nack.reason, reason, "{}", nack.detail);
    assert!(!nack.detail.is_empty(), "{reason} says nothing to people");
    check_serves(envoy, NO_ADMIN);
}

/// A pusher stops at the refusal, which is at the head or at the section that is not what was signed.
fn up_to_the_refusal(offer: Offer, chunks: Vec<SectionChunk>) -> Vec<proto::PusherMessage> {
    let has = |chunk: &SectionChunk| {
        chunk
            .data
            .windows(ALTERED_ID.len())
            .any(|it| it == ALTERED_ID)
    };
    let sent = chunks.iter().position(has).map_or(0, |last| last + 1);
    let chunks = chunks.into_iter().take(sent).map(PusherMessage::Chunk);
    let messages = std::iter::once(PusherMessage::Offer(offer)).chain(chunks);
    messages.map(proto::PusherMessage::from).collect()
}

/// A section has the id of the rule; there it is found and changed.
fn with_another_section(bundle: &[u8]) -> Vec<u8> {
    altered(bundle, "no-login")
}

/// The manifest has the name of the ruleset.
fn with_another_manifest(bundle: &[u8]) -> Vec<u8> {
    altered(bundle, RULESET)
}

fn altered(bundle: &[u8], word: &str) -> Vec<u8> {
    let at = bundle
        .windows(word.len())
        .position(|window| window == word.as_bytes());
    let mut altered = bundle.to_vec();
    altered[at.expect("the word is in the bundle")] = b'x';
    altered
}

fn by_a_stranger(stage: &Stage) -> Vec<u8> {
    let stranger = Keys::generate(stage.folder(), "stranger").unwrap();
    build(stage, &stranger, None)
}

fn expired(stage: &Stage) -> Vec<u8> {
    build(stage, stage.keys(), Some("2020-01-01T00:00:00Z"))
}

fn build(stage: &Stage, keys: &Keys, issued_at: Option<&str>) -> Vec<u8> {
    let build = Build {
        ruleset: &stage.write_ruleset(RULESET, NO_LOGIN).unwrap(),
        attributes: None,
        revision: 7,
        keys,
        issued_at,
    };
    build
        .run(stage.folder().join("odd.bundle"))
        .unwrap()
        .read()
        .unwrap()
}
