//! Which version of each block of a counter is shared, so that a VM reads only those that it does not know.
//!
//! Bytes: `rgi1`, the counter's identity (16), a little-endian `u32` for each block, which grows when the block is written; 0
//! if that never was.

use riskgate_engine::counters::CounterDefinition;

const LAYOUT: [u8; 4] = *b"rgi1";
const HEAD_LEN: usize = LAYOUT.len() + 16;

/// Reads the versions of `blocks` blocks into `versions`; false if the bytes are no index of this counter.
pub(super) fn read(
    bytes: &[u8],
    definition: &CounterDefinition,
    blocks: u32,
    versions: &mut Vec<u32>,
) -> bool {
    let Some((head, records)) = bytes.split_at_checked(HEAD_LEN) else {
        return false;
    };
    let (records, rest) = records.as_chunks::<4>();
    let is_whole = rest.is_empty() && u32::try_from(records.len()) == Ok(blocks);
    if !is_whole || head != self::head(definition) {
        return false;
    }
    versions.clear();
    versions.extend(records.iter().map(|record| u32::from_le_bytes(*record)));
    true
}

/// Writes an index in place of what `out` holds.
pub(super) fn write(definition: &CounterDefinition, versions: &[u32], out: &mut Vec<u8>) {
    out.clear();
    out.extend(head(definition));
    out.extend(versions.iter().flat_map(|version| version.to_le_bytes()));
}

fn head(definition: &CounterDefinition) -> [u8; HEAD_LEN] {
    let mut head = [0; HEAD_LEN];
    let (layout, identity) = head.split_at_mut(LAYOUT.len());
    layout.copy_from_slice(&LAYOUT);
    identity.copy_from_slice(&definition.identity);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTER: CounterDefinition = CounterDefinition {
        identity: [7; 16],
        window_ms: 8_000,
        is_distinct: false,
        max_keys: 10,
    };

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let (mut bytes, mut versions) = (Vec::new(), Vec::new());
        write(&COUNTER, &[3, 0, u32::MAX], &mut bytes);
        assert!(read(&bytes, &COUNTER, 3, &mut versions));
        assert_eq!(versions, [3, 0, u32::MAX]);
        let other = CounterDefinition {
            identity: [8; 16],
            ..COUNTER
        };
        assert!(!read(&bytes, &other, 3, &mut versions));
        assert!(!read(&bytes, &COUNTER, 4, &mut versions));
        for cut in 0..bytes.len() {
            assert!(!read(&bytes[..cut], &COUNTER, 3, &mut versions));
        }
    }
}
