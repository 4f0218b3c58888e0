//! From the values of a request to the hashes of its keys: one for each combination of the values of a key's parts.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::{MAX_COMBINATIONS, MAX_PARTS, hash};

/// The hashes of one request's keys. A list of attributes that many counters share is hashed once.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// Of each list of attributes its slice of the hashes, once it was asked for.
    tuples: Vec<Option<(usize, usize)>>,
    hashes: Vec<u64>,
    /// The parts' values that are put together at the moment.
    bytes: Vec<u8>,
    values: Vec<(usize, usize)>,
    /// Where the values of each part end.
    ends: Vec<usize>,
    /// Whether there were more combinations than are counted.
    pub(crate) were_dropped: bool,
}

impl Keys {
    /// Forgets the last request.
    pub(crate) fn clear(&mut self, tuple_count: usize) {
        self.tuples.clear();
        self.tuples.resize(tuple_count, None);
        self.hashes.clear();
        self.were_dropped = false;
    }

    /// The hashes of a list of attributes; `None` before they were made.
    pub(crate) fn get(&self, tuple: usize) -> Option<&[u64]> {
        let (start, end) = self.tuples.get(tuple).copied().flatten()?;
        self.hashes.get(start..end)
    }

    /// Begins a list of attributes.
    pub(crate) fn begin(&mut self) {
        self.bytes.clear();
        self.values.clear();
        self.ends.clear();
    }

    /// Adds a value of the part that is being collected. Equal ones are one.
    pub(crate) fn add(&mut self, value: &[u8]) {
        let first = self.ends.last().copied().unwrap_or_default();
        let own = self.values.get(first..).unwrap_or_default();
        let text = |(start, end): (usize, usize)| self.bytes.get(start..end);
        if own.iter().any(|known| text(*known) == Some(value)) {
            return;
        }
        if own.len() >= MAX_COMBINATIONS {
            self.were_dropped = true;
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.values.push((start, self.bytes.len()));
    }

    /// An IPv4-mapped address is the IPv4 address.
    pub(crate) fn add_address(&mut self, address: IpAddr) {
        match address.to_canonical() {
            IpAddr::V4(address) => self.add(&address.octets()),
            IpAddr::V6(address) => self.add(&address.octets()),
        }
    }

    /// Ends a part. False if it has no value, so that there is no key.
    pub(crate) fn end_part(&mut self) -> bool {
        let first = self.ends.last().copied().unwrap_or_default();
        self.ends.push(self.values.len());
        self.values.len() > first
    }

    /// Hashes every combination of the parts' values, those of the last part first, up to the limit.
    pub(crate) fn finish(&mut self, tuple: usize, hash_key: &[u8; 32]) {
        let start = self.hashes.len();
        let mut at = [0_usize; MAX_PARTS];
        loop {
            if self.hashes.len() - start >= MAX_COMBINATIONS {
                self.were_dropped = true;
                break;
            }
            let key = hash(hash_key, self.combination(&at));
            self.hashes.push(key);
            if !self.step(&mut at) {
                break;
            }
        }
        self.set(tuple, start);
    }

    /// There is no key.
    pub(crate) fn finish_absent(&mut self, tuple: usize) {
        self.set(tuple, self.hashes.len());
    }

    fn set(&mut self, tuple: usize, start: usize) {
        if let Some(slot) = self.tuples.get_mut(tuple) {
            *slot = Some((start, self.hashes.len()));
        }
    }

    /// Goes on to the next combination; false behind the last.
    fn step(&self, at: &mut [usize; MAX_PARTS]) -> bool {
        for (place, (first, end)) in at.iter_mut().zip(self.parts()).rev() {
            *place += 1;
            if first + *place < end {
                return true;
            }
            *place = 0;
        }
        false
    }

    fn combination(&self, at: &[usize; MAX_PARTS]) -> impl Iterator<Item = &[u8]> {
        let values = self.parts().zip(*at);
        values.map(|((first, _), place)| {
            let value = self.values.get(first + place).copied();
            let (start, end) = value.unwrap_or_default();
            self.bytes.get(start..end).unwrap_or_default()
        })
    }

    /// The slice of the values that is each part's.
    fn parts(&self) -> impl DoubleEndedIterator<Item = (usize, usize)> + ExactSizeIterator {
        let first = |part: usize| match part.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        (0..self.ends.len()).map(move |part| {
            let end = self.ends.get(part).copied().unwrap_or_default();
            (first(part), end)
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const HASH_KEY: [u8; 32] = [3; 32];

    fn keys(parts: &[&[&str]]) -> (Vec<u64>, bool) {
        let mut keys = Keys::default();
        keys.clear(1);
        keys.begin();
        let is_whole = parts.iter().all(|values| {
            values.iter().for_each(|value| keys.add(value.as_bytes()));
            keys.end_part()
        });
        if is_whole {
            keys.finish(0, &HASH_KEY);
        } else {
            keys.finish_absent(0);
        }
        (keys.get(0).unwrap().to_vec(), keys.were_dropped)
    }

    fn key(parts: &[&str]) -> u64 {
        hash(&HASH_KEY, parts.iter().map(|part| part.as_bytes()))
    }

    #[test]
    fn every_combination_of_different_values() {
        type Parts = &'static [&'static [&'static str]];
        let cases: [(Parts, Parts); 5] = [
            (&[&["a"]], &[&["a"]]),
            (&[&["a", "b", "a"]], &[&["a"], &["b"]]),
            (
                &[&["a", "b"], &["x", "y"]],
                &[&["a", "x"], &["a", "y"], &["b", "x"], &["b", "y"]],
            ),
            (&[&["a", ""], &["x"]], &[&["a", "x"], &["", "x"]]),
            (&[&["a"], &[]], &[]),
        ];
        for (parts, expected) in cases {
            let expected: Vec<u64> = expected.iter().map(|parts| key(parts)).collect();
            assert_eq!(keys(parts), (expected, false), "{parts:?}");
        }
    }

    #[test]
    fn sixteen_combinations_and_no_more() {
        let numbers: Vec<_> = (0..20).map(|number| alloc::format!("{number}")).collect();
        let texts: Vec<&str> = numbers.iter().map(|number| number.as_str()).collect();
        let (one, dropped) = keys(&[&texts[..16]]);
        assert_eq!((one.len(), dropped), (16, false));
        let (one, dropped) = keys(&[&texts[..17]]);
        assert_eq!((one.len(), dropped), (16, true));
        let (two, dropped) = keys(&[&texts[..4], &texts[..5]]);
        assert_eq!((two.len(), dropped), (16, true));
        assert_eq!(two[15], key(&["3", "0"]));
        let (two, dropped) = keys(&[&texts[..4], &texts[..4]]);
        assert_eq!((two.len(), dropped), (16, false));
    }
}
