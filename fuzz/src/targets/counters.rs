//! Blocks of a counter, which anybody can write who shares the proxy's data.

use riskgate_engine::counters::{BLOCK_LEN_MAX, CounterDefinition, Table, hash};

/// The slice that it is now.
const NOW: u64 = 100;
/// Keys that are counted before a block comes.
const KEYS: u64 = 5;
/// Layout and identity, which a fuzzer would have to guess.
const HEAD_LEN: usize = 20;

/// The first byte says what is counted, the others are a block behind its head.
pub(crate) fn counters(data: &[u8]) -> bool {
    let Some((kind, body)) = data.split_first() else {
        return false;
    };
    let definition = definition(kind % 2 == 1);
    let mut table = counted(&definition, KEYS);
    let before = reads(&mut table);
    let block = [&block_of(&table)[..HEAD_LEN], body].concat();
    let is_taken = table.join(0, &block, NOW).is_ok();
    let after = reads(&mut table);
    // What is forged ahead may push out the oldest slice.
    for (before, after) in before.iter().zip(&after) {
        assert!(*after >= before * 3 / 4, "{after} of {before}");
    }
    let written = block_of(&table);
    table.set_told(0);
    assert!(written.len() <= BLOCK_LEN_MAX);
    let mut other = Table::new(&definition, true);
    assert_eq!(other.join(0, &written, NOW), Ok(()));
    // A block can be joined any number of times.
    assert_eq!(table.join(0, &written, NOW), Ok(()));
    assert_eq!(reads(&mut table), after);
    is_taken
}

/// Blocks of few and many keys, without their heads.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let kinds = [false, true].into_iter();
    let all = kinds.flat_map(|is_distinct| (0..12).map(move |keys| (is_distinct, keys * keys)));
    all.map(|(is_distinct, keys)| {
        let block = block_of(&counted(&definition(is_distinct), keys));
        [&[u8::from(is_distinct)], &block[HEAD_LEN..]].concat()
    })
    .collect()
}

fn definition(is_distinct: bool) -> CounterDefinition {
    CounterDefinition {
        identity: [7; 16],
        window_ms: 8_000,
        is_distinct,
        max_keys: if is_distinct { 12 } else { 40 },
    }
}

/// Some keys have many values.
fn counted(definition: &CounterDefinition, keys: u64) -> Table {
    let mut table = Table::new(definition, true);
    for key in 0..keys {
        for value in 0..20 + 20 * (key % 3) {
            let slice = NOW - 7 + value % 8;
            let value = definition.is_distinct.then(|| hashed(value));
            table.count(hashed(key), slice, value);
        }
    }
    table
}

fn reads(table: &mut Table) -> Vec<u64> {
    (0..KEYS).map(|key| table.read(hashed(key), NOW)).collect()
}

fn block_of(table: &Table) -> Vec<u8> {
    let mut block = Vec::new();
    table.write(0, NOW, &mut block);
    block
}

fn hashed(number: u64) -> u64 {
    hash(&[1; 32], [number.to_le_bytes().as_slice()])
}
