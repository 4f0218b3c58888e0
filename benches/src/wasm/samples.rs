//! What many timings come to.

use std::time::Duration;

/// Timings of the same thing.
#[derive(Debug, Default, Clone)]
pub(super) struct Samples(Vec<Duration>);

impl Samples {
    pub(super) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sample that `percent` of a hundred do not exceed, in microseconds.
    pub(super) fn percentile_us(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        let rank = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        let sample = self.0.get(rank).copied().unwrap_or_default();
        sample.as_secs_f64() * 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut samples = Samples::default();
        assert!(samples.percentile_us(50).abs() < 1e-9);
        for us in (1..=200).rev() {
            samples.push(Duration::from_micros(us));
        }
        for (percent, expected) in [(0, 1.0), (50, 100.0), (99, 198.0), (100, 200.0)] {
            assert!(
                (samples.percentile_us(percent) - expected).abs() < 1e-9,
                "{percent}"
            );
        }
    }
}
