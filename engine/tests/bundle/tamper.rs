//! A signed file is taken as it was signed, or not at all.

use riskgate_engine::bundle::{Bundle, SectionKind};

use crate::fixture::{SIGNER, build, bundle, load, manifest, sections};

/// The complete file, the file as it is sent, and one that never had a detached section.
fn files() -> [Vec<u8>; 3] {
    let complete = bundle();
    let sent = Bundle::parse(&complete).unwrap().without_detached();
    let mut attached = sections();
    attached.retain(|section| section.kind != SectionKind::Provenance);
    [complete, sent, build(manifest(), attached, &[SIGNER])]
}

#[test]
fn untouched_files_load() {
    for file in files() {
        load(&file).unwrap();
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    for file in files() {
        let mut altered = file.clone();
        for bit in 0..file.len() * 8 {
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(
                load(&altered).is_err(),
                "bit {} of byte {}",
                bit % 8,
                bit / 8
            );
            altered[bit / 8] = file[bit / 8];
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    for file in files() {
        for length in 0..file.len() {
            assert!(load(&file[..length]).is_err(), "cut to {length} bytes");
        }
    }
}

#[test]
fn appended_bytes_are_refused() {
    for file in files() {
        for length in [1, 2, 63, 64, 65, 4096] {
            for byte in [0, 1, 0xff] {
                let longer = [file.as_slice(), &vec![byte; length]].concat();
                assert!(load(&longer).is_err(), "{length} bytes {byte}");
            }
        }
    }
}

#[test]
fn inserted_and_removed_bytes_are_refused() {
    for file in files() {
        for at in 0..file.len() {
            let (before, after) = file.split_at(at);
            let longer = [before, &[0], after].concat();
            assert!(load(&longer).is_err(), "a byte inserted at {at}");
            let shorter = [before, &after[1..]].concat();
            assert!(load(&shorter).is_err(), "the byte at {at} removed");
        }
    }
}

#[test]
fn sections_of_another_bundle_are_refused() {
    let file = bundle();
    let mut other = sections();
    let list = other
        .iter_mut()
        .find(|section| section.kind == SectionKind::List);
    let list = &mut list.unwrap().bytes;
    let last = list.len() - 1;
    list[last] ^= 1;
    let other = build(manifest(), other, &[SIGNER]);
    assert_eq!(file.len(), other.len());
    // Header, manifest and signature of one, table and sections of the other.
    let prefix = 64 + Bundle::parse(&file).unwrap().manifest_bytes().len() + 96;
    let mixed = [&file[..prefix], &other[prefix..]].concat();
    assert_eq!(load(&mixed).unwrap_err().code(), "bad-hash");
}
