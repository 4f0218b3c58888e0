//! Many tests of one attribute, alike enough to collide in whatever indexes them.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use riskgate_compiler::ir::{Prefix, Test};

use super::condition::sorted;
use super::request::Bytes;

/// String tests of a few letters, and texts of the same letters.
pub(crate) fn crowded_strings() -> impl Strategy<Value = (Vec<Test>, Vec<Bytes>)> {
    let test = prop_oneof![
        vec(letters(1..6), 1..5).prop_map(|literals| Test::OneOf(sorted(literals))),
        letters(1..14).prop_map(Test::StartsWith),
        letters(1..14).prop_map(Test::EndsWith),
        letters(1..14).prop_map(Test::Contains),
    ];
    let text = prop_oneof![letters(0..8), letters(8..80)];
    (vec(test, 50..400), vec(text.prop_map(Bytes), 1..10))
}

fn letters(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> + Clone {
    const ALPHABETS: [&[u8]; 5] = [b"ab", b"/.", b"\0\xff", b"abcdefgh", b"aAbB%2"];
    let letters = select(&ALPHABETS[..]);
    (letters, vec(any::<Index>(), count)).prop_map(|(letters, picks)| {
        picks
            .iter()
            .map(|pick| letters[pick.index(letters.len())])
            .collect()
    })
}

/// Sets of prefixes that nest and touch, and addresses at their edges.
pub(crate) fn crowded_prefixes() -> impl Strategy<Value = (Vec<Vec<Prefix>>, Vec<IpAddr>)> {
    let sets = vec(vec(prefix(), 1..60).prop_map(sorted), 1..8);
    (
        sets,
        vec(
            (any::<Index>(), any::<Index>(), -1_i8..=1, any::<bool>()),
            1..40,
        ),
    )
        .prop_map(|(sets, picks)| {
            let edge = |(set, prefix, step, last): (Index, Index, i8, bool)| {
                edge(prefix.get(set.get(&sets).as_slice()), step, last)
            };
            let addresses = picks.into_iter().map(edge).collect();
            (sets, addresses)
        })
}

fn prefix() -> impl Strategy<Value = Prefix> {
    let octet = || select(&[0, 10, 127, 128, 255][..]);
    let v4 = ([octet(), octet(), octet(), octet()], 0_u8..=32).prop_map(|(octets, length)| {
        let kept = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
        Prefix {
            address: (u32::from_be_bytes(octets) & kept).to_be_bytes().into(),
            length,
        }
    });
    let v6 = (vec(octet(), 16), 0_u8..=128).prop_map(|(octets, length)| {
        let kept = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        let octets: [u8; 16] = octets.try_into().expect("sixteen octets");
        Prefix {
            address: (u128::from_be_bytes(octets) & kept).to_be_bytes().into(),
            length,
        }
    });
    prop_oneof![2 => v4, 1 => v6]
}

/// The first or last address of a prefix, or the one beside it.
fn edge(prefix: &Prefix, step: i8, last: bool) -> IpAddr {
    match prefix.address {
        IpAddr::V4(first) => {
            let hosts = u32::MAX.checked_shr(u32::from(prefix.length)).unwrap_or(0);
            let edge = first.to_bits() | if last { hosts } else { 0 };
            edge.wrapping_add_signed(step.into()).to_be_bytes().into()
        }
        IpAddr::V6(first) => {
            let hosts = u128::MAX.checked_shr(u32::from(prefix.length)).unwrap_or(0);
            let edge = first.to_bits() | if last { hosts } else { 0 };
            edge.wrapping_add_signed(step.into()).to_be_bytes().into()
        }
    }
}
