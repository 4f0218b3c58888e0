//! The middle of many measurements, and how far they lie apart.

/// Quartiles and extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) lower_quartile: f64,
    pub(super) median: f64,
    pub(super) upper_quartile: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of no values there is none.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| quantile(&values, share);
        Some(Spread {
            min: at(0.0)?,
            lower_quartile: at(0.25)?,
            median: at(0.5)?,
            upper_quartile: at(0.75)?,
            max: at(1.0)?,
        })
    }
}

/// Between two sorted values by their distance.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let position = share * (sorted.len().checked_sub(1)?) as f64;
    let below = sorted.get(position.floor() as usize)?;
    let above = sorted.get(position.ceil() as usize)?;
    Some(below + (above - below) * position.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_values() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0]).unwrap();
        let all = [
            spread.min,
            spread.lower_quartile,
            spread.median,
            spread.upper_quartile,
            spread.max,
        ];
        assert_eq!(all, [1.0, 1.75, 2.5, 3.25, 4.0]);
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
