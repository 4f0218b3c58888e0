//! Sets of whole numbers as intervals.

/// Disjoint intervals in order, both ends inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intervals(Vec<(i128, i128)>);

impl Intervals {
    /// From `least` to `most`; empty if there is nothing between them.
    pub(super) fn between(least: i128, most: i128) -> Self {
        Self(Vec::from_iter((least <= most).then_some((least, most))))
    }

    pub(super) fn all() -> Self {
        Self::between(i128::MIN, i128::MAX)
    }

    /// The union of intervals in any order.
    pub(super) fn union(mut parts: Vec<(i128, i128)>) -> Self {
        parts.sort_unstable();
        let mut merged: Vec<(i128, i128)> = Vec::new();
        for (least, most) in parts {
            match merged.last_mut() {
                Some(last) if least <= last.1 => last.1 = last.1.max(most),
                _ => merged.push((least, most)),
            }
        }
        Self(merged)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn intersect(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(&&a), Some(&&b)) = (left.peek(), right.peek()) {
            let (least, most) = (a.0.max(b.0), a.1.min(b.1));
            both.extend((least <= most).then_some((least, most)));
            if a.1 < b.1 {
                left.next();
            } else {
                right.next();
            }
        }
        Self(both)
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        self.intersect(&other.complement())
    }

    fn complement(&self) -> Self {
        let mut gaps = Vec::new();
        let mut next = Some(i128::MIN);
        for &(least, most) in &self.0 {
            if let (Some(start), Some(end)) = (next, least.checked_sub(1)) {
                gaps.extend((start <= end).then_some((start, end)));
            }
            next = most.checked_add(1);
        }
        gaps.extend(next.map(|start| (start, i128::MAX)));
        Self(gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::Intervals;

    /// Every operation against sets of single numbers, on all pairs of sets of five numbers.
    #[test]
    fn sets_are_sets() {
        let numbers = |bits: u32| (0..5_i128).filter(move |bit| bits >> bit & 1 == 1);
        let set = |bits: u32| Intervals::union(numbers(bits).map(|it| (it, it)).collect());
        let holds = |set: &Intervals, number: i128| {
            !set.intersect(&Intervals::between(number, number))
                .is_empty()
        };
        for (a, b) in (0..32).flat_map(|a| (0..32).map(move |b| (a, b))) {
            for number in -1..6 {
                let (in_a, in_b) = (holds(&set(a), number), holds(&set(b), number));
                assert_eq!(in_a, numbers(a).any(|it| it == number));
                assert_eq!(holds(&set(a).intersect(&set(b)), number), in_a && in_b);
                assert_eq!(holds(&set(a).minus(&set(b)), number), in_a && !in_b);
            }
        }
        assert!(Intervals::all().minus(&Intervals::all()).is_empty());
        assert!(Intervals::between(1, 0).is_empty());
    }
}
