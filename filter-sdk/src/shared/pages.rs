//! The pages that sections are stored in: values of at most 256 KiB under `page/<n>`.
//!
//! There are so many and no more, because no key can be deleted. Which are free follows from the head: those that it
//! does not name. What a page holds is known to be right only where a section's hash says so.

use super::TRIES;
use super::record::{PAGE_LEN, Page};
use crate::host::{Host, HostError, Version};
use crate::namespace::Namespace;
use riskgate_engine::assembly::NoMemory;

/// The pages of a namespace.
pub(super) struct Pages {
    namespace: Namespace,
    value: Vec<u8>,
}

impl Pages {
    pub(super) fn new(namespace: Namespace) -> Pages {
        Pages {
            namespace,
            value: Vec::new(),
        }
    }

    /// What stands in a page; `None` if it is not of that length, or cannot be read.
    pub(super) fn read(
        &mut self,
        host: &dyn Host,
        page: Page,
        len: usize,
    ) -> Result<Option<&[u8]>, NoMemory> {
        let key = self.key(page);
        match host.shared_data_version(&key, PAGE_LEN, &mut self.value) {
            Ok(Some(_)) if self.value.len() == len => Ok(Some(&self.value)),
            Err(HostError::NoMemory) => Err(NoMemory(len)),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Lets a page hold these bytes, and says whether it had to write them; `None` if it could not.
    pub(super) fn write(&mut self, host: &dyn Host, page: Page, bytes: &[u8]) -> Option<bool> {
        let key = self.key(page);
        for _ in 0..TRIES {
            let version = match host.shared_data_version(&key, PAGE_LEN, &mut self.value) {
                Ok(Some(_)) if self.value == bytes => return Some(false),
                Ok(version) => version,
                Err(_) => return None,
            };
            if super::write(host, &key, bytes, version).ok()? {
                return Some(true);
            }
        }
        None
    }

    fn key(&self, page: Page) -> String {
        self.namespace.key(format_args!("page/{page}"))
    }
}

/// Writes a value in place of the version that was read.
pub(super) fn write(
    host: &dyn Host,
    key: &str,
    value: &[u8],
    version: Option<Version>,
) -> Result<bool, HostError> {
    match version {
        None => host.create_shared_data(key, value),
        Some(version) => host.replace_shared_data(key, value, version),
    }
}
