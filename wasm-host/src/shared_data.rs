//! The data that all VMs of a process share.

use crate::Status;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Values by key, each with the number of its version. A clone is the same data.
#[derive(Debug, Clone, Default)]
pub struct SharedData(Arc<Mutex<Values>>);

#[derive(Debug, Default)]
struct Values {
    by_key: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    /// Of the last write of any key.
    last_version: u32,
    /// How many bytes of keys and values there may be.
    max_bytes: Option<usize>,
}

impl SharedData {
    /// The value under a key, and its version.
    pub fn get(&self, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.values().by_key.get(key).cloned()
    }

    /// Writes whatever is there, as a neighbour may.
    pub fn set(&self, key: &[u8], value: &[u8]) {
        self.values().write(key, value);
    }

    /// Takes a value away. No filter can; but where it was another process's or another `vm_id`'s, it is not there.
    pub fn remove(&self, key: &[u8]) {
        self.values().by_key.remove(key);
    }

    /// From now on a write by a VM is [`Status::INTERNAL_FAILURE`] if keys and values would be longer than this together. Envoy
    /// has no such limit but its memory.
    pub fn set_limit_bytes(&self, max_bytes: Option<usize>) {
        self.values().max_bytes = max_bytes;
    }

    /// How long keys and values are together.
    pub fn bytes(&self) -> usize {
        self.values().bytes()
    }

    /// The keys, ascending.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        self.values().by_key.keys().cloned().collect()
    }

    /// Writes as `proxy_set_shared_data` does: 0 writes whatever is there, and any other number must be the version of what
    /// is there. As in Envoy, where nothing is there any number writes.
    pub(crate) fn compare_and_set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), u32> {
        let mut values = self.values();
        match values.by_key.get(key) {
            Some((_, version)) if cas != 0 && cas != *version => return Err(Status::CAS_MISMATCH),
            _ => {}
        }
        if values.has_no_room(key, value) {
            return Err(Status::INTERNAL_FAILURE);
        }
        values.write(key, value);
        Ok(())
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        // A test that failed elsewhere left whole values.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Values {
    fn bytes(&self) -> usize {
        let all = self.by_key.iter();
        all.map(|(key, (value, _))| key.len() + value.len()).sum()
    }

    fn has_no_room(&self, key: &[u8], value: &[u8]) -> bool {
        let Some(max_bytes) = self.max_bytes else {
            return false;
        };
        let freed = self.by_key.get(key);
        let freed = freed.map_or(0, |(value, _)| key.len() + value.len());
        self.bytes() - freed + key.len() + value.len() > max_bytes
    }

    /// As in Envoy, versions count up over all keys.
    fn write(&mut self, key: &[u8], value: &[u8]) {
        self.last_version = self.last_version.wrapping_add(1).max(1);
        let versioned = (value.to_vec(), self.last_version);
        self.by_key.insert(key.to_vec(), versioned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_saw_the_last_version_writes() {
        let data = SharedData::default();
        let other = data.clone();
        assert_eq!(data.compare_and_set(b"k", b"1", u32::MAX), Ok(()));
        assert_eq!(
            other.compare_and_set(b"k", b"2", u32::MAX),
            Err(Status::CAS_MISMATCH)
        );
        let (value, version) = other.get(b"k").unwrap();
        assert_eq!(value, b"1");
        assert_eq!(other.compare_and_set(b"k", b"3", version), Ok(()));
        assert_eq!(
            data.compare_and_set(b"k", b"4", version),
            Err(Status::CAS_MISMATCH)
        );
        assert_eq!(data.compare_and_set(b"k", b"5", 0), Ok(()));
        assert_eq!(data.get(b"k").unwrap().0, b"5");
    }

    #[test]
    fn nothing_there_is_every_version() {
        for cas in [0, 7, u32::MAX] {
            let data = SharedData::default();
            assert_eq!(data.compare_and_set(b"k", b"1", cas), Ok(()), "{cas}");
        }
    }

    #[test]
    fn a_limit_refuses_what_is_beyond_it() {
        let data = SharedData::default();
        data.set_limit_bytes(Some(4));
        assert_eq!(data.compare_and_set(b"k", b"123", 0), Ok(()));
        assert_eq!(data.compare_and_set(b"k", b"456", 0), Ok(()));
        let refused = Err(Status::INTERNAL_FAILURE);
        assert_eq!(data.compare_and_set(b"k", b"4567", 0), refused);
        assert_eq!(data.compare_and_set(b"l", b"", 0), refused);
        assert_eq!(data.bytes(), 4);
        data.set_limit_bytes(None);
        assert_eq!(data.compare_and_set(b"l", b"", 0), Ok(()));
    }
}
