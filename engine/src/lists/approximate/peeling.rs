//! How a filter is filled: strings are taken off one by one, each at a place that no other string left names, and then
//! put back in the opposite order, each setting the fingerprint at that place.

use alloc::vec::Vec;

use super::{Fingerprint, MAX_SEGMENT_BITS, Shape, hash};

/// A shape in which a fill for so many strings mostly succeeds: the empirical formulas of the paper for three places,
/// in whole numbers, so that every machine computes the same.
pub(super) fn shape_for(count: usize) -> Shape {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    if count == 0 {
        return Shape {
            segment_bits: 0,
            place_count: 0,
        };
    }
    // Four times the binary logarithm, which is as fine as the formulas need it.
    let log = u128::from(count.clamp(2, 1 << 31)).pow(4).ilog2();
    let segment_bits = ((144 * log + 2_250) / 1_000).min(MAX_SEGMENT_BITS);
    let per_thousand = (875 + 20_000 / u64::from(log)).max(1_125);
    let places = count.saturating_mul(per_thousand) / 1_000;
    let segments = (places >> segment_bits).saturating_add(1).max(3);
    Shape {
        segment_bits,
        place_count: u32::try_from(segments << segment_bits).unwrap_or(u32::MAX),
    }
}

/// The fingerprints, and the seed they are for: the first from `seed` on with which a fill succeeds.
pub(super) fn fill(shape: Shape, values: &[Vec<u8>], mut seed: u64) -> (u64, Vec<Fingerprint>) {
    loop {
        let mut hashes: Vec<u64> = values.iter().map(|value| hash(value, seed)).collect();
        // Ascending hashes touch the segments one after the other; and no fill succeeds with a hash twice.
        hashes.sort_unstable();
        hashes.dedup();
        if let Some(order) = peel(shape, &hashes) {
            return (seed, fingerprints(shape, &order));
        }
        seed = seed.wrapping_add(1);
    }
}

/// The strings that name a place and are not taken off yet.
#[derive(Debug, Clone, Copy, Default)]
struct Named {
    count: u32,
    /// The sum of their hashes by XOR; the hash of the last one when it is alone.
    hashes: u64,
}

/// The order in which all hashes can be taken off, and where each is alone then.
fn peel(shape: Shape, hashes: &[u64]) -> Option<Vec<(u64, u32)>> {
    let mut named = alloc::vec![Named::default(); shape.place_count as usize];
    for &hash in hashes {
        for place in shape.places(hash) {
            let named = named.get_mut(place as usize)?;
            named.count += 1;
            named.hashes ^= hash;
        }
    }
    let is_alone = |(_, named): &(u32, &Named)| named.count == 1;
    let alone = (0_u32..).zip(&named).filter(is_alone);
    let mut alone: Vec<u32> = alone.map(|(place, _)| place).collect();
    let mut order = Vec::with_capacity(hashes.len());
    while let Some(place) = alone.pop() {
        let Some(&Named {
            count: 1,
            hashes: hash,
        }) = named.get(place as usize)
        else {
            continue;
        };
        order.push((hash, place));
        for place in shape.places(hash) {
            let named = named.get_mut(place as usize)?;
            named.count -= 1;
            named.hashes ^= hash;
            if named.count == 1 {
                alone.push(place);
            }
        }
    }
    (order.len() == hashes.len()).then_some(order)
}

/// Hashes that were taken off last are put back first, so what is set later at a place is in no sum before.
fn fingerprints(shape: Shape, order: &[(u64, u32)]) -> Vec<Fingerprint> {
    let mut fingerprints = alloc::vec![Fingerprint::default(); shape.place_count as usize];
    for &(hash, alone) in order.iter().rev() {
        let at = |place: u32| {
            fingerprints
                .get(place as usize)
                .copied()
                .unwrap_or_default()
        };
        let others = shape
            .places(hash)
            .into_iter()
            .filter(|&place| place != alone);
        let sum = others.fold(Fingerprint::of(hash), |sum, place| sum.xor(at(place)));
        if let Some(own) = fingerprints.get_mut(alone as usize) {
            *own = sum;
        }
    }
    fingerprints
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    /// A fill that failed often would take long for lists of millions.
    #[test]
    fn few_seeds_are_tried() {
        for count in (1..200).chain([1_000, 1_500, 10_000, 33_000]) {
            let values: Vec<Vec<u8>> = (0..count)
                .map(|index| format!("{index}").into_bytes())
                .collect();
            let (seed, _) = fill(shape_for(count), &values, 0);
            assert!(seed < 5, "{seed} failures with {count} values");
        }
    }

    #[test]
    fn segments_grow_with_the_list() {
        let bits = |count| shape_for(count).segment_bits;
        assert_eq!([1, 1_000, 1_000_000, 2_000_000].map(bits), [2, 7, 13, 14]);
        for count in (0..5_000).chain([1 << 20, 1 << 22, 1 << 28]) {
            assert!(shape_for(count).is_whole(), "{count}");
        }
    }
}
