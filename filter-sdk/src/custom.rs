//! What a custom filter knows of requests, beyond what every filter does.

use crate::headers::Header;
use crate::host::Host;
use crate::request::emptied;

/// Supplies the attributes that authors declared with `--attributes`. See [`Filter::with_attributes`](crate::Filter::with_attributes).
pub trait CustomAttributes {
    /// Puts what is known of the request whose callback runs into `values`; what is not known is absent. `names` are those
    /// that the rules read, and a ruleset that reads none does not ask. A request that waits for its body is asked for
    /// again when that is here.
    fn supply(
        &self,
        host: &dyn Host,
        names: &mut dyn Iterator<Item = &str>,
        values: &mut CustomValues,
    );
}

/// Names and values of one request, in the memory of those before.
#[derive(Debug, Default)]
pub struct CustomValues {
    bytes: Vec<u8>,
    /// Where each name ends, and the value behind it.
    ends: Vec<(usize, usize)>,
}

impl CustomValues {
    /// Adds a value, as text whatever its type: `81`, `true`. An attribute of type `strings` may have several; of another
    /// type push one at most.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        self.bytes.extend_from_slice(name.as_bytes());
        let name_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((name_end, self.bytes.len()));
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// What was pushed, in the memory of `buffer`.
    pub(crate) fn pairs<'a>(&'a self, buffer: &mut Vec<Header<'static>>) -> Vec<Header<'a>> {
        let mut pairs = emptied(std::mem::take(buffer));
        let mut start = 0;
        for &(name_end, end) in &self.ends {
            let name = self.bytes.get(start..name_end).unwrap_or_default();
            pairs.push((name, self.bytes.get(name_end..end).unwrap_or_default()));
            start = end;
        }
        pairs
    }
}
