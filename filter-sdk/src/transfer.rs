//! A bundle on its way, put together from chunks.

use crate::subscription::TOO_LARGE;
use riskgate_push_protocol::limits::{BUNDLE_LEN_MAX, CHUNK_LEN_MAX};
use riskgate_push_protocol::{
    BundleId,
    v1::{BundleChunk, BundleStart},
};
use std::iter::repeat_n;
use std::sync::Arc;

/// What an `Arc` needs beside its contents: two counters.
const ARC_HEAD_LEN: usize = 2 * size_of::<usize>();

/// A bundle of which some chunks have arrived.
#[derive(Debug)]
pub(crate) struct Transfer {
    bundle: BundleId,
    /// The whole file, zeros where chunks are still to come. Nobody shares it before it is complete, and the ruleset that
    /// is made of it keeps it: there is never a second copy.
    file: Arc<[u8]>,
    received_len: usize,
}

/// Why a transfer cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StartError {
    #[error("a bundle of {0} bytes is larger than {BUNDLE_LEN_MAX}")]
    TooLarge(usize),
    #[error("there is no memory for {0} bytes; give the proxy's wasm VM more")]
    NoMemory(usize),
}

/// Why a chunk is not the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChunkError {
    #[error("a chunk of another bundle came")]
    OtherBundle,
    #[error("a chunk for offset {found} came, the next one is {expected}")]
    OutOfOrder { found: usize, expected: usize },
    #[error("a chunk of {0} bytes came, 1 to {CHUNK_LEN_MAX} are allowed")]
    Length(usize),
    #[error("a chunk ends {0} bytes behind the end of the bundle")]
    Overflow(usize),
}

impl StartError {
    /// The stable word that a NACK carries.
    pub(crate) fn code(self) -> &'static str {
        match self {
            StartError::TooLarge(_) => TOO_LARGE,
            StartError::NoMemory(_) => "no-memory",
        }
    }
}

impl Transfer {
    /// Makes room for a bundle, and takes no byte on trust beyond that.
    pub(crate) fn begin(start: &BundleStart) -> Result<Transfer, StartError> {
        let total_len = usize::try_from(start.total_len).unwrap_or(usize::MAX);
        if total_len > BUNDLE_LEN_MAX {
            return Err(StartError::TooLarge(total_len));
        }
        Ok(Transfer {
            bundle: start.bundle,
            file: zeros(total_len).ok_or(StartError::NoMemory(total_len))?,
            received_len: 0,
        })
    }

    /// Which bundle it is said to be.
    pub(crate) fn bundle(&self) -> BundleId {
        self.bundle
    }

    /// Adds the next chunk, and says how many bytes are there now.
    pub(crate) fn add(&mut self, chunk: &BundleChunk) -> Result<u32, ChunkError> {
        let (len, expected) = (chunk.data.len(), self.received_len);
        let found = usize::try_from(chunk.offset).unwrap_or(usize::MAX);
        if chunk.digest != self.bundle.digest {
            return Err(ChunkError::OtherBundle);
        }
        if !(1..=CHUNK_LEN_MAX).contains(&len) {
            return Err(ChunkError::Length(len));
        }
        if found != expected {
            return Err(ChunkError::OutOfOrder { found, expected });
        }
        let end = expected.saturating_add(len);
        let place = Arc::get_mut(&mut self.file).and_then(|file| file.get_mut(expected..end));
        let Some(place) = place else {
            return Err(ChunkError::Overflow(end.saturating_sub(self.file.len())));
        };
        place.copy_from_slice(&chunk.data);
        self.received_len = end;
        Ok(u32::try_from(end).unwrap_or(u32::MAX))
    }

    /// The file, once all of it is there.
    pub(crate) fn complete(&self) -> Option<Arc<[u8]>> {
        (self.received_len == self.file.len()).then(|| self.file.clone())
    }
}

/// Room for a file; `None` without memory for it.
pub(crate) fn zeros(len: usize) -> Option<Arc<[u8]>> {
    // Only a `Vec` says that there is no memory. What it was given and gives back is there for the `Arc`.
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(len.saturating_add(ARC_HEAD_LEN))
        .ok()?;
    drop(room);
    Some(repeat_n(0, len).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use riskgate_push_protocol::Digest;

    fn start(total_len: u32) -> BundleStart {
        BundleStart {
            bundle: BundleId {
                revision: 1,
                digest: Digest([1; 32]),
            },
            total_len,
        }
    }

    fn chunk(digest: u8, offset: u32, data: &[u8]) -> BundleChunk {
        BundleChunk {
            digest: Digest([digest; 32]),
            offset,
            data: data.to_vec().into(),
        }
    }

    #[test]
    fn chunks_in_order_make_the_bundle() {
        let mut transfer = Transfer::begin(&start(5)).unwrap();
        assert_eq!(transfer.add(&chunk(1, 0, b"abc")), Ok(3));
        assert_eq!(transfer.complete(), None);
        assert_eq!(transfer.add(&chunk(1, 3, b"de")), Ok(5));
        assert_eq!(transfer.complete().as_deref(), Some(&b"abcde"[..]));
        assert_eq!(
            transfer.add(&chunk(1, 5, b"f")),
            Err(ChunkError::Overflow(1)),
            "after the end"
        );
    }

    #[test]
    fn hostile_chunks_are_refused_and_change_nothing() {
        let long = vec![0; CHUNK_LEN_MAX + 1];
        let cases = [
            (chunk(2, 3, b"d"), ChunkError::OtherBundle),
            (
                chunk(1, 4, b"e"),
                ChunkError::OutOfOrder {
                    found: 4,
                    expected: 3,
                },
            ),
            (
                chunk(1, 2, b"c"),
                ChunkError::OutOfOrder {
                    found: 2,
                    expected: 3,
                },
            ),
            (
                chunk(1, 0, b"abc"),
                ChunkError::OutOfOrder {
                    found: 0,
                    expected: 3,
                },
            ),
            (
                chunk(1, u32::MAX, b"d"),
                ChunkError::OutOfOrder {
                    found: u32::MAX as usize,
                    expected: 3,
                },
            ),
            (chunk(1, 3, b"def"), ChunkError::Overflow(1)),
            (chunk(1, 3, b""), ChunkError::Length(0)),
            (chunk(1, 3, &long), ChunkError::Length(CHUNK_LEN_MAX + 1)),
        ];
        for (hostile, expected) in cases {
            let mut transfer = Transfer::begin(&start(5)).unwrap();
            transfer.add(&chunk(1, 0, b"abc")).unwrap();
            assert_eq!(transfer.add(&hostile), Err(expected));
            assert_eq!(transfer.add(&chunk(1, 3, b"de")), Ok(5));
        }
    }

    #[test]
    fn a_bundle_over_the_limit_does_not_begin() {
        let over = BUNDLE_LEN_MAX as u32 + 1;
        assert_eq!(
            Transfer::begin(&start(over)).unwrap_err(),
            StartError::TooLarge(over as usize)
        );
    }
}
