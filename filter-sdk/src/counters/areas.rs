//! Where in shared data a counter is: an area, which is a number in the names of its blocks.
//!
//! Nothing can be deleted from a proxy's shared data. So there are so many areas and no more, and one that no VM has used
//! for a while is taken over by another counter. A directory says whose each is; it changes by compare-and-swap only.

/// Twice as many as a ruleset can have counters: those of the last ruleset and of this one.
const AREAS_MAX: usize = 128;
/// An area that nobody has used for so long may be taken.
const LEASE_S: u64 = 60;
/// How old a VM lets the last use become.
const RENEWAL_S: u64 = 10;

const RECORD_LEN: usize = 24;

/// Number of an area.
pub(super) type Area = u32;

/// Whose an area is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    identity: [u8; 16],
    used_at_s: u64,
}

/// The areas of one ruleset and audience.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Directory(Vec<Record>);

/// There are as many counters as areas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Directory {
    /// Bytes that are no directory are an empty one.
    pub(super) fn read(bytes: &[u8]) -> Directory {
        let (records, rest) = bytes.as_chunks::<RECORD_LEN>();
        if !rest.is_empty() || records.len() > AREAS_MAX {
            return Directory::default();
        }
        let records = records.iter().filter_map(|record| {
            let (identity, used_at_s) = record.split_first_chunk::<16>()?;
            Some(Record {
                identity: *identity,
                used_at_s: u64::from_le_bytes(used_at_s.try_into().ok()?),
            })
        });
        Directory(records.collect())
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let records = self.0.iter();
        let bytes = records
            .flat_map(|record| [&record.identity[..], &record.used_at_s.to_le_bytes()].concat());
        bytes.collect()
    }

    /// The area of a counter, which is given one if it has none. The flag says whether that changes the directory.
    pub(super) fn claim(
        &mut self,
        identity: [u8; 16],
        now_s: u64,
    ) -> Result<(Area, bool), Exhausted> {
        let held = self.0.iter().position(|record| record.identity == identity);
        if let Some(place) = held {
            let is_renewed = self.renew(place, now_s);
            return Ok((number(place), is_renewed));
        }
        let record = Record {
            identity,
            used_at_s: now_s,
        };
        let is_free = |held: &Record| held.age_s(now_s) > LEASE_S;
        if let Some(place) = self.0.iter().position(is_free) {
            self.0.splice(place..=place, [record]);
            return Ok((number(place), true));
        }
        if self.0.len() == AREAS_MAX {
            return Err(Exhausted);
        }
        self.0.push(record);
        Ok((number(self.0.len() - 1), true))
    }

    fn renew(&mut self, place: usize, now_s: u64) -> bool {
        match self.0.get_mut(place) {
            Some(record) if record.age_s(now_s) > RENEWAL_S => {
                record.used_at_s = now_s;
                true
            }
            _ => false,
        }
    }
}

impl Record {
    /// In either direction: a clock that was set back leaves uses in the future.
    fn age_s(&self, now_s: u64) -> u64 {
        now_s.abs_diff(self.used_at_s)
    }
}

fn number(place: usize) -> Area {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(
        directory: &mut Directory,
        counter: u8,
        now_s: u64,
    ) -> Result<(Area, bool), Exhausted> {
        directory.claim([counter; 16], now_s)
    }

    #[test]
    fn a_counter_keeps_its_area_as_long_as_it_is_used() {
        let mut directory = Directory::default();
        assert_eq!(claim(&mut directory, 1, 100), Ok((0, true)));
        assert_eq!(claim(&mut directory, 2, 100), Ok((1, true)));
        assert_eq!(claim(&mut directory, 1, 105), Ok((0, false)));
        assert_eq!(claim(&mut directory, 1, 120), Ok((0, true)), "renewed");
        assert_eq!(
            claim(&mut directory, 3, 161),
            Ok((1, true)),
            "that of 2, which nobody uses"
        );
        assert_eq!(claim(&mut directory, 2, 161), Ok((2, true)));
        assert_eq!(
            claim(&mut directory, 4, 20),
            Ok((0, true)),
            "the clock was set back"
        );
    }

    #[test]
    fn there_are_only_so_many() {
        let mut directory = Directory::default();
        for counter in 0..128 {
            assert_eq!(
                claim(&mut directory, counter, 7),
                Ok((counter.into(), true))
            );
        }
        assert_eq!(claim(&mut directory, 128, 67), Err(Exhausted));
        assert_eq!(claim(&mut directory, 128, 68), Ok((0, true)));
    }

    #[test]
    fn what_is_written_is_read_and_other_bytes_are_an_empty_directory() {
        let mut directory = Directory::default();
        claim(&mut directory, 1, 100).unwrap();
        claim(&mut directory, 2, u64::MAX).unwrap();
        let bytes = directory.write();
        assert_eq!(Directory::read(&bytes), directory);
        assert_eq!(Directory::read(&bytes[1..]), Directory::default());
        assert_eq!(
            Directory::read(&[0; 129 * RECORD_LEN]),
            Directory::default()
        );
    }
}
