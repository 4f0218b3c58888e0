//! Prefixes that nest, touch, repeat, and cover everything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use riskgate_compiler::ir::Prefix;

use super::super::dice::Dice;

/// At least one prefix.
pub(super) fn prefixes(count: usize, dice: &mut Dice) -> Vec<Prefix> {
    let mut all: Vec<Prefix> = Vec::with_capacity(count);
    for _ in 0..count.max(1) {
        let next = if all.is_empty() || dice.percent(40) {
            fresh(dice)
        } else {
            let near = *dice.pick(&all);
            relative(near, dice)
        };
        all.push(next);
    }
    all
}

fn fresh(dice: &mut Dice) -> Prefix {
    let v4 = dice.percent(70);
    let bits = u128::from(dice.bits()) << 64 | u128::from(dice.bits());
    let length = match dice.below(20) {
        0 => 0,
        1 => 1,
        2..=7 => usize::from(full(v4)),
        8..=15 => dice.between(8, 28),
        _ => dice.between(0, usize::from(full(v4))),
    };
    let length = u8::try_from(length).expect("at most 128");
    // Few first octets, so that strangers meet too.
    let first = u128::from(*dice.pick(&[10_u8, 10, 32, 192, 255, 0])) << 120;
    prefix(v4, first | bits >> 8, length)
}

/// One around it, in it, beside it, or the same.
fn relative(near: Prefix, dice: &mut Dice) -> Prefix {
    let v4 = near.address.is_ipv4();
    let bits = bits(near.address);
    let longer = near.length.saturating_add(*dice.pick(&[1, 1, 2, 8]));
    let below = u128::from(dice.bits()) << 64 | u128::from(dice.bits());
    let host = below.checked_shr(near.length.into()).unwrap_or(0);
    let step = 1_u128
        .checked_shl(128 - u32::from(near.length))
        .unwrap_or(0);
    match dice.below(6) {
        0 => near,
        1 => prefix(
            v4,
            bits,
            near.length.saturating_sub(*dice.pick(&[1, 1, 2, 8])),
        ),
        2 => prefix(v4, bits | host, longer),
        3 => prefix(v4, bits.wrapping_add(step), near.length),
        4 => prefix(v4, bits.wrapping_sub(step), near.length),
        _ => prefix(v4, bits | host, full(v4)),
    }
}

fn full(v4: bool) -> u8 {
    if v4 { 32 } else { 128 }
}

/// Both families with their first bit on top.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn address(v4: bool, bits: u128) -> IpAddr {
    if v4 {
        let high = u32::try_from(bits >> 96).expect("32 bits");
        Ipv4Addr::from_bits(high).into()
    } else {
        Ipv6Addr::from_bits(bits).into()
    }
}

/// Without host bits, and none of the IPv4-mapped ones, which the front end turns into IPv4.
fn prefix(v4: bool, bits: u128, length: u8) -> Prefix {
    let length = length.min(full(v4));
    let kept = bits & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    let mapped = !v4 && length >= 96 && kept >> 32 == 0xffff;
    Prefix {
        address: address(v4, if mapped { 1 << 127 } else { kept }),
        length: if mapped { 1 } else { length },
    }
}

/// An address in the prefix, at its edges, or just outside.
pub(super) fn address_near(prefix: &Prefix, dice: &mut Dice) -> IpAddr {
    let v4 = prefix.address.is_ipv4();
    let first = bits(prefix.address);
    let hosts = u128::MAX.checked_shr(prefix.length.into()).unwrap_or(0);
    let random = u128::from(dice.bits()) << 64 | u128::from(dice.bits());
    let one = if v4 { 1 << 96 } else { 1 };
    let near = match dice.below(8) {
        0 | 1 => first,
        2 => first | hosts,
        3 => first.wrapping_sub(one),
        4 => (first | hosts).wrapping_add(one),
        _ => first | random & hosts,
    };
    match address(v4, near) {
        IpAddr::V4(address) if dice.percent(20) => address.to_ipv6_mapped().into(),
        address => address,
    }
}
