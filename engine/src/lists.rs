//! Sections `list`: the values of named lists, one section each, so that an unchanged list need not travel again.
//!
//! Layout: type (u8, 0 strings, 1 addresses, 2 strings by approximation), seven zero bytes, then what [`strings`],
//! [`crate::prefixes`] or [`approximate`] describes.

mod approximate;
mod strings;

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::bundle::BundleError;
use crate::codec::{Bytes, Cursor};
use crate::contents::ListContents;
use crate::prefixes::PrefixSet;
use approximate::FuseFilter;
use strings::StringSet;

pub use approximate::FALSE_POSITIVES_ONE_IN;

const STRINGS: u8 = 0;
const ADDRESSES: u8 = 1;
const APPROXIMATE: u8 = 2;
const HEADER_LEN: usize = 8;

/// A list of strings; one that is given twice is written once.
#[must_use]
pub fn write_strings(values: &[Vec<u8>]) -> Vec<u8> {
    let mut out = header(STRINGS);
    strings::write(values, &mut out);
    out
}

/// A list of addresses, from one set.
#[must_use]
pub fn write_addresses(set: &[u8]) -> Vec<u8> {
    let mut out = header(ADDRESSES);
    out.extend_from_slice(set);
    out
}

/// A list that holds every one of the values, and of other strings about one in [`FALSE_POSITIVES_ONE_IN`]; which ones,
/// `seed` decides.
#[must_use]
pub fn write_approximate(values: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut out = header(APPROXIMATE);
    approximate::write(values, seed, &mut out);
    out
}

/// The length of [`write_approximate`] with so many different values.
#[must_use]
pub fn approximate_len(count: usize) -> usize {
    HEADER_LEN + approximate::len(count)
}

fn header(kind: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN);
    out.push(kind);
    out.resize(HEADER_LEN, 0);
    out
}

/// A list, checked.
#[derive(Debug, Clone)]
pub(crate) enum List {
    Strings(StringSet),
    Addresses(PrefixSet),
    Approximate(FuseFilter),
}

impl List {
    pub(crate) fn read(bytes: &Bytes) -> Result<List, BundleError> {
        let what = "a list";
        let mut cursor = Cursor::new(bytes, what);
        let [kind, padding @ ..] = cursor.array::<HEADER_LEN>()?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(BundleError::NonZeroPadding { what });
        }
        let values = bytes.part(HEADER_LEN, cursor.len());
        match kind {
            STRINGS => StringSet::read(&values).map(List::Strings),
            ADDRESSES => PrefixSet::read(&values).map(List::Addresses),
            APPROXIMATE => FuseFilter::read(&values).map(List::Approximate),
            _ => Err(BundleError::BadValue { what }),
        }
    }

    pub(crate) fn is_addresses(&self) -> bool {
        matches!(self, List::Addresses(_))
    }

    pub(crate) fn contents(&self) -> ListContents<'_> {
        match self {
            List::Strings(strings) => ListContents::Strings(strings.values().collect()),
            List::Addresses(addresses) => ListContents::Networks(addresses.ranges().collect()),
            List::Approximate(filter) => ListContents::Approximate(filter.bytes()),
        }
    }

    pub(crate) fn contains_bytes(&self, value: &[u8]) -> bool {
        match self {
            List::Strings(strings) => strings.contains(value),
            List::Approximate(filter) => filter.contains(value),
            List::Addresses(_) => false,
        }
    }

    pub(crate) fn contains_address(&self, address: IpAddr) -> bool {
        match self {
            List::Strings(_) | List::Approximate(_) => false,
            List::Addresses(addresses) => addresses.contains(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(section: &[u8]) -> Result<List, BundleError> {
        List::read(&section.into())
    }

    #[test]
    fn each_type_answers_for_its_kind_of_value() {
        let values = [b"a".to_vec()];
        let set = crate::prefixes::write_set(&[(1, 1)], &[]);
        let address = IpAddr::from([0, 0, 0, 1]);
        for section in [write_strings(&values), write_approximate(&values, 1)] {
            let list = read(&section).unwrap();
            assert!(!list.is_addresses());
            assert!(list.contains_bytes(b"a") && !list.contains_bytes(b"b"));
            assert!(!list.contains_address(address));
        }
        let list = read(&write_addresses(&set)).unwrap();
        assert!(list.is_addresses());
        assert!(list.contains_address(address) && !list.contains_bytes(b"a"));
    }

    #[test]
    fn unknown_types_and_set_padding_are_refused() {
        let list = write_strings(&[b"a".to_vec()]);
        assert!(read(&list).is_ok());
        for (at, value) in [(0, 3), (0, 0xff), (1, 1), (7, 0x80)] {
            let mut altered = list.clone();
            if let Some(byte) = altered.get_mut(at) {
                *byte = value;
            }
            assert!(read(&altered).is_err(), "{value} at {at}");
        }
        assert!(read(&[]).is_err());
    }
}
