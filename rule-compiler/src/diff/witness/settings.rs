//! What a field may be set to, so that tests of it come out as they are wanted; the likeliest first.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use riskgate_engine::atoms::{Comparison, View};
use riskgate_engine::attributes::Base;
use riskgate_engine::contents::AddressRange;
use riskgate_engine::number::Number;

use super::Want;
use super::draft::{Field, Setting};
use super::texts::texts;
use crate::diff::address::{next, previous};
use crate::diff::resolve::Test;

/// So many values of one name are made at most.
const SIZE_MAX: i64 = 64;
/// Of a test of addresses so many ends of ranges are tried.
const RANGES_TRIED: usize = 12;

/// Settings of a field, whose tests are `wants`; `times` are those that a request may come at.
pub(super) fn settings(field: &Field, wants: &[&Want], times: &[i64]) -> Vec<Setting> {
    match field {
        Field::Header(_) => lists(wants),
        Field::SourceIp | Field::ClientIp => addresses(wants),
        Field::Time => moments(wants, times),
        Field::Certificate => certificates(wants),
        // What a custom filter tells is text.
        _ if wants.iter().any(|want| want.atom.view == View::Address) => {
            let told = addresses(wants).into_iter().map(|setting| match setting {
                Setting::Address(address) => Setting::Text(address.to_string().into_bytes()),
                other => other,
            });
            [Setting::Default].into_iter().chain(told).collect()
        }
        _ => {
            let texts = clean_first(texts(wants));
            let texts = texts.into_iter().map(Setting::Text);
            [Setting::Default].into_iter().chain(texts).collect()
        }
    }
}

/// What a client can send as it is comes first.
fn clean_first(mut texts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let is_odd = |text: &Vec<u8>| text.iter().any(|byte| !(b' '..=b'~').contains(byte));
    texts.sort_by_key(is_odd);
    texts
}

fn lists(wants: &[&Want]) -> Vec<Setting> {
    let lists = value_lists(wants).into_iter().map(Setting::Texts);
    [Setting::Default].into_iter().chain(lists).collect()
}

/// Values of one name: one that does all, one for each test, and as many as a test of their number wants.
pub(super) fn value_lists(wants: &[&Want]) -> Vec<Vec<Vec<u8>>> {
    let singles = clean_first(texts(wants));
    let mut lists: Vec<Vec<Vec<u8>>> = singles.iter().map(|text| vec![text.clone()]).collect();
    let positive = wants
        .iter()
        .filter(|want| want.holds && want.atom.view != View::Size);
    let each: Vec<Vec<Vec<u8>>> = positive
        .map(|want| {
            let others = wants.iter().filter(|other| !other.holds);
            let own: Vec<&Want> = std::iter::once(*want).chain(others.copied()).collect();
            clean_first(texts(&own))
        })
        .collect();
    if each.len() > 1 {
        // One and the same choice for all tests: the first of each, the second of each.
        let turns = each.iter().map(Vec::len).max().unwrap_or_default().min(24);
        lists.extend((0..turns).map(|turn| {
            let chosen = each
                .iter()
                .filter_map(|texts| texts.get(turn % texts.len().max(1)));
            chosen.cloned().collect()
        }));
    }
    for size in sizes(wants) {
        let firsts = singles.iter().take(16).map(|text| vec![text.clone(); size]);
        lists.extend(firsts);
        lists.extend(
            each.iter()
                .filter_map(|texts| Some(vec![texts.first()?.clone(); size])),
        );
        if each.len() > 1 {
            let mut mixed: Vec<Vec<u8>> = each
                .iter()
                .filter_map(|texts| texts.first().cloned())
                .collect();
            mixed.resize(size.max(mixed.len()), b"x".to_vec());
            lists.push(mixed);
        }
    }
    lists
}

fn sizes(wants: &[&Want]) -> Vec<usize> {
    let mut sizes: Vec<usize> = Vec::new();
    for want in wants.iter().filter(|want| want.atom.view == View::Size) {
        let Test::Compare(_, number) = &want.atom.test else {
            continue;
        };
        let near = match (*number).into() {
            Number::Int(value) => value,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "far sizes are left out below"
            )]
            Number::Double(value) => value as i64,
        };
        for size in [near, near.saturating_add(1), near.saturating_sub(1)] {
            if (1..=SIZE_MAX).contains(&size) {
                sizes.extend(usize::try_from(size).ok());
            }
        }
    }
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

fn addresses(wants: &[&Want]) -> Vec<Setting> {
    let ordinary = [
        IpAddr::from([127, 0, 0, 1]),
        IpAddr::from([198, 51, 100, 77]),
        IpAddr::from([8, 8, 8, 8]),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 1)),
        IpAddr::V4(Ipv4Addr::BROADCAST),
    ];
    let mut found: Vec<IpAddr> = Vec::new();
    let ranges = |holds: bool| {
        let of = move |want: &&&Want| want.holds == holds;
        wants
            .iter()
            .filter(of)
            .filter_map(|want| match &want.atom.test {
                Test::Networks(ranges) => Some(ranges.as_slice()),
                _ => None,
            })
    };
    let unwanted: Vec<&[AddressRange]> = ranges(false).collect();
    for wanted in ranges(true) {
        let others: Vec<&[AddressRange]> = ranges(true).chain(unwanted.iter().copied()).collect();
        let ends = wanted.iter().flat_map(|range| ends(*range, &others));
        let free = ends.filter(|address| !unwanted.iter().any(|ranges| is_in(ranges, *address)));
        found.extend(free.take(RANGES_TRIED));
    }
    found.extend(ordinary);
    for (first, last) in unwanted
        .iter()
        .flat_map(|ranges| ranges.iter())
        .take(RANGES_TRIED)
    {
        found.extend(previous(*first));
        found.extend(next(*last));
    }
    let mut seen = HashSet::new();
    found.retain(|address| seen.insert(*address));
    let addresses = found.into_iter().map(Setting::Address);
    [Setting::Default].into_iter().chain(addresses).collect()
}

/// The ends of a range, and what lies in it just outside of others.
fn ends(range: AddressRange, others: &[&[AddressRange]]) -> Vec<IpAddr> {
    let (first, last) = range;
    let mut ends = vec![first, last];
    for ranges in others {
        let from = ranges.partition_point(|other| other.1 < first);
        let inside = ranges.iter().skip(from).take(2);
        let outside = inside.flat_map(|other| [previous(other.0), next(other.1)]);
        ends.extend(
            outside
                .flatten()
                .filter(|address| (first..=last).contains(address)),
        );
    }
    ends
}

fn is_in(ranges: &[AddressRange], address: IpAddr) -> bool {
    let at = ranges.partition_point(|range| range.1 < address);
    ranges.get(at).is_some_and(|range| range.0 <= address)
}

fn moments(wants: &[&Want], times: &[i64]) -> Vec<Setting> {
    let mut moments = times.to_vec();
    for want in wants {
        if let Test::Compare(comparison, number) = &want.atom.test
            && let Number::Int(time_us) = (*number).into()
        {
            let near = [
                time_us,
                time_us.saturating_add(1),
                time_us.saturating_sub(1),
            ];
            match comparison {
                Comparison::Equal => moments.extend(near),
                _ => moments.extend(near.iter().rev()),
            }
        }
    }
    moments.into_iter().map(Setting::TimeUs).collect()
}

fn certificates(wants: &[&Want]) -> Vec<Setting> {
    let of = |base: Base| -> Vec<Option<Vec<u8>>> {
        let own: Vec<&Want> = wants
            .iter()
            .filter(|want| want.atom.subject.base == base)
            .copied()
            .collect();
        let texts = texts(&own).into_iter().map(Some);
        if own.is_empty() {
            vec![None]
        } else {
            std::iter::once(None).chain(texts.take(40)).collect()
        }
    };
    let (sans, subjects) = (of(Base::PeerUriSan), of(Base::PeerSubject));
    let mut settings = vec![Setting::Default];
    let both = sans
        .iter()
        .flat_map(|san| subjects.iter().map(move |subject| (san, subject)));
    settings.extend(both.map(|(san, subject)| Setting::Certificate(san.clone(), subject.clone())));
    let ordinary = Some(b"spiffe://example.com/client".to_vec());
    settings.push(Setting::Certificate(ordinary.clone(), None));
    settings.push(Setting::Certificate(None, Some(b"CN=client".to_vec())));
    settings.push(Setting::Certificate(ordinary, Some(b"CN=client".to_vec())));
    settings
}
