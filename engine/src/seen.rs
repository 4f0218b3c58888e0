//! What was found for a request already: a request that repeats a value is told once of what it makes true.

use alloc::vec::Vec;

/// Indices below a count that every request starts with anew.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    flags: Vec<bool>,
    touched: Vec<u32>,
}

impl Seen {
    /// Forgets the last request.
    pub(crate) fn clear(&mut self, count: u32) {
        for index in self.touched.drain(..) {
            if let Some(flag) = self.flags.get_mut(index as usize) {
                *flag = false;
            }
        }
        self.flags.resize(count as usize, false);
    }

    pub(crate) fn has(&self, index: u32) -> bool {
        self.flags.get(index as usize) == Some(&true)
    }

    /// All that were noted, in that order.
    pub(crate) fn indices(&self) -> &[u32] {
        &self.touched
    }

    /// Notes an index. False if that was done before.
    pub(crate) fn add(&mut self, index: u32) -> bool {
        match self.flags.get_mut(index as usize) {
            Some(flag) if !*flag => {
                *flag = true;
                self.touched.push(index);
                true
            }
            _ => false,
        }
    }
}
