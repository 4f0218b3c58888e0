//! Publications of one manifest with different signatures, over real connections.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod common;

use common::{
    bundles::{TestBundle, good, id, key, with_broken_signature},
    service::{Pusher, stored_files},
    subscriber::hello,
};
use riskgate_engine::{
    bundle::{Bundle, Head},
    trust::TrustedKeys,
};
use riskgate_push_protocol::KeyId;
use riskgate_pusher::config::Config;

#[tokio::test]
async fn a_bundle_signed_anew_replaces_the_file_and_keeps_the_revision() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start_with(folder.path(), &[1, 2], Config::default()).await;
    let by_old_key = pusher.admin.publish(&good(1).build()).await.unwrap();
    let by_both = TestBundle {
        signers: vec![key(1), key(2)],
        ..good(1)
    };
    let anew = pusher.admin.publish(&by_both.build()).await.unwrap();
    assert_eq!((anew.bundle, anew.unchanged), (by_old_key.bundle, false));
    assert_eq!(served_signatures(&pusher).await, 2);
}

/// How many signatures the bundle has that filters get.
async fn served_signatures(pusher: &Pusher) -> usize {
    let offer = pusher.subscribe(hello(1)).await.receive().await;
    Head::parse(&offer.head).unwrap().signatures().len()
}

#[tokio::test]
async fn a_publication_takes_no_signature_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start_with(folder.path(), &[1, 2], Config::default()).await;
    let by = |numbers: &[u8]| TestBundle {
        signers: numbers.iter().map(|number| key(*number)).collect(),
        ..good(1)
    };
    pusher.publish(&by(&[1, 2]).build()).await;
    let stripped = pusher.admin.publish(&by(&[2]).build()).await.unwrap();
    assert!(stripped.unchanged);
    assert_eq!(stripped.signatures_left_out, []);
    // One by a key that is not trusted here cannot be checked, so it is not added.
    let unknown = pusher.admin.publish(&by(&[1, 9]).build()).await.unwrap();
    assert!(unknown.unchanged);
    assert_eq!(unknown.signatures_left_out, [id(9)]);
    assert_eq!(served_signatures(&pusher).await, 2);
    pusher.stop().await;
    assert_eq!(stored_files(folder.path()), [by(&[1, 2]).build()]);
    // Once its key is trusted, it counts.
    let mut pusher = Pusher::start_with(folder.path(), &[1, 2, 9], Config::default()).await;
    let trusted = pusher.admin.publish(&by(&[1, 9]).build()).await.unwrap();
    assert!(!trusted.unchanged);
    assert_eq!(trusted.signatures_left_out, []);
    assert_eq!(trusted.signatures_unchecked, []);
    pusher.stop().await;
    assert_eq!(stored_files(folder.path()), [by(&[1, 2, 9]).build()]);
}

#[tokio::test]
async fn signatures_add_up_and_those_of_unknown_keys_stay_as_long_as_they_fit() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start_with(folder.path(), &[1, 2], Config::default()).await;
    let unknown: Vec<u8> = (11..26).collect();
    let by = |numbers: &[u8]| TestBundle {
        signers: numbers.iter().map(|number| key(*number)).collect(),
        ..good(1)
    };
    pusher
        .publish(&by(&[&[1][..], &unknown].concat()).build())
        .await;
    let added = pusher.admin.publish(&by(&[2]).build()).await.unwrap();
    assert!(!added.unchanged);
    assert_eq!(added.signatures_left_out.len(), 1);
    assert_eq!(added.signatures_unchecked.len(), 14);
    let left_out = added.signatures_left_out[0];
    assert!(!added.signatures_unchecked.contains(&left_out));
    assert!(unknown.iter().any(|number| id(*number) == left_out));
    pusher.stop().await;
    let files = stored_files(folder.path());
    let bundle = Bundle::parse(&files[0]).unwrap();
    let has = |number: u8| {
        let id = id(number).0;
        bundle.signatures().iter().any(|had| had.key_id == id)
    };
    assert_eq!(
        (bundle.signatures().len(), has(1), has(2)),
        (16, true, true)
    );
    assert!(bundle.is_complete());
}

/// Nobody can tell here which of the two is good, but a bad one that nobody could replace would stay for good.
#[tokio::test]
async fn a_later_signature_of_an_unknown_key_takes_the_place_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = Pusher::start_with(folder.path(), &[1, 2], Config::default()).await;
    let by = |numbers: &[u8]| TestBundle {
        signers: numbers.iter().map(|number| key(*number)).collect(),
        ..good(1)
    };
    let of_nine = by(&[1, 9, 8]).build();
    let bad = with_broken_signature(of_nine.clone(), id(9));
    let first = pusher.admin.publish(&bad).await.unwrap();
    assert_eq!(sorted(first.signatures_unchecked), sorted([id(8), id(9)]));

    // Another key's joins as before, and one that the file does not have stays.
    let mended = pusher.admin.publish(&by(&[2, 9, 7]).build()).await.unwrap();
    assert_eq!((mended.bundle, mended.unchanged), (first.bundle, false));
    assert_eq!(sorted(mended.signatures_unchecked), sorted([id(8), id(9)]));
    assert_eq!(mended.signatures_left_out, [id(7)]);
    let same = pusher.admin.publish(&of_nine).await.unwrap();
    assert!(same.unchanged);
    let mut subscriber = pusher.subscribe(hello(1)).await;
    let offer = subscriber.receive().await;
    let good_ones = good_signers(&subscriber.file(&offer), &[1, 2, 8, 9]);
    assert_eq!(good_ones, [1, 2, 8, 9]);
    pusher.stop().await;

    // A pusher that trusts the key takes the good one for what it is, and no bad one in its place.
    let mut pusher = Pusher::start_with(folder.path(), &[1, 2, 9], Config::default()).await;
    let refusal = pusher.refusal(&bad).await.unwrap();
    assert!(refusal.starts_with("bad-signature: "), "{refusal}");
    assert_eq!(served_signatures(&pusher).await, 4);
}

fn sorted(keys: impl IntoIterator<Item = KeyId>) -> Vec<[u8; 32]> {
    let mut ids: Vec<_> = keys.into_iter().map(|key| key.0).collect();
    ids.sort_unstable();
    ids
}

/// Those whose signature of the manifest is there and verifies.
fn good_signers(file: &[u8], candidates: &[u8]) -> Vec<u8> {
    let bundle = Bundle::parse(file).unwrap();
    let verifies = |number: &&u8| {
        let public = key(**number).verifying_key().to_bytes();
        let trust = TrustedKeys::new(&[public], 1).unwrap();
        trust.verify(&bundle).is_ok()
    };
    candidates.iter().filter(verifies).copied().collect()
}
