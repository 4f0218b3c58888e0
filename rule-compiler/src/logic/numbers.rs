//! The numbers and addresses that satisfy a test, as intervals.

use std::net::IpAddr;

use super::intervals::Intervals;
use crate::ir::{Base, Comparison, Number, Prefix, Test, View};

/// All values that an attribute of this view can have.
pub(super) fn domain(base: &Base, view: View, single: bool, earliest_us: Option<i64>) -> Intervals {
    let longest = i128::from(i64::MAX);
    match view {
        View::Size if single => Intervals::between(1, 1),
        View::Size => Intervals::between(1, longest),
        View::Length => Intervals::between(0, longest),
        View::Int => Intervals::between(i64::MIN.into(), longest),
        View::Value if *base == Base::Time => {
            Intervals::between(earliest_us.unwrap_or(i64::MIN).into(), longest)
        }
        View::Value if *base == Base::Mtls => Intervals::between(0, 1),
        View::Value if base.is_counter() => Intervals::between(0, longest),
        View::Value | View::Double | View::Address => Intervals::all(),
    }
}

/// The values that satisfy a test of numbers or bools; nothing if that is not known.
pub(super) fn satisfying(test: &Test, view: View) -> Option<Intervals> {
    match test {
        Test::IsTrue => Some(Intervals::between(1, 1)),
        Test::IsFalse => Some(Intervals::between(0, 0)),
        Test::Compare(comparison, number) if view == View::Double => {
            let key = key(as_double(*number)?);
            Some(compared(*comparison, key, key))
        }
        Test::Compare(comparison, Number::Int(number)) => {
            let number = i128::from(*number);
            Some(compared(*comparison, number, number))
        }
        // Between whole numbers, a fraction is below its ceiling and above its floor.
        Test::Compare(comparison, Number::Double(number)) => Some(compared(
            *comparison,
            whole(number.floor()),
            whole(number.ceil()),
        )),
        _ => None,
    }
}

/// The numbers that compare so with one that lies between `floor` and `ceiling`, or is both.
fn compared(comparison: Comparison, floor: i128, ceiling: i128) -> Intervals {
    let (least, most) = (i128::MIN, i128::MAX);
    match comparison {
        Comparison::Equal if floor == ceiling => Intervals::between(floor, floor),
        Comparison::Equal => Intervals::between(1, 0),
        Comparison::Less => Intervals::between(least, ceiling.saturating_sub(1)),
        Comparison::LessOrEqual => Intervals::between(least, floor),
        Comparison::Greater => Intervals::between(floor.saturating_add(1), most),
        Comparison::GreaterOrEqual => Intervals::between(ceiling, most),
    }
}

/// A whole double as an integer; what is out of range is far beyond every value that is compared with it.
fn whole(number: f64) -> i128 {
    number as i128
}

/// The double that is exactly this number, if there is one.
fn as_double(number: Number) -> Option<f64> {
    match number {
        Number::Double(number) => Some(number),
        Number::Int(number) => {
            let text = number.to_string();
            let nearest: f64 = text.parse().ok()?;
            (format!("{nearest:.0}") == text).then_some(nearest)
        }
    }
}

/// Doubles in their order, without gaps; both zeros are one.
fn key(number: f64) -> i128 {
    let bits = number.to_bits().cast_signed();
    match bits < 0 {
        true => i128::from(i64::MIN) - i128::from(bits),
        false => i128::from(bits),
    }
}

/// Addresses of both families.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    v4: Intervals,
    v6: Intervals,
}

impl Addresses {
    pub(super) fn all() -> Self {
        Self {
            v4: Intervals::between(0, u32::MAX.into()),
            v6: Intervals::all(),
        }
    }

    pub(super) fn of(prefixes: &[Prefix]) -> Self {
        let family = |wants_v4: bool| {
            let own = prefixes
                .iter()
                .filter(|prefix| prefix.address.is_ipv4() == wants_v4);
            Intervals::union(own.map(range).collect())
        };
        Self {
            v4: family(true),
            v6: family(false),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    pub(super) fn intersect(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.intersect(&other.v4),
            v6: self.v6.intersect(&other.v6),
        }
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.minus(&other.v4),
            v6: self.v6.minus(&other.v6),
        }
    }
}

/// The first and the last address of a prefix, in the order of addresses.
fn range(prefix: &Prefix) -> (i128, i128) {
    let length = u32::from(prefix.length);
    match prefix.address {
        IpAddr::V4(address) => {
            let first = u32::from(address);
            let last = first | u32::MAX.checked_shr(length).unwrap_or(0);
            (first.into(), last.into())
        }
        IpAddr::V6(address) => {
            let first = u128::from(address);
            let last = first | u128::MAX.checked_shr(length).unwrap_or(0);
            (ordered(first), ordered(last))
        }
    }
}

/// The order of unsigned numbers, among signed ones.
fn ordered(address: u128) -> i128 {
    (address ^ (1 << 127)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn doubles_keep_their_order() {
        let numbers = [f64::MIN, -1.5, -1e-300, -0.0, 0.0, 5e-324, 1.0, 1e300];
        for pair in numbers.windows(2) {
            assert_eq!(key(pair[0]) < key(pair[1]), pair[0] < pair[1], "{pair:?}");
            assert_eq!(key(pair[0]) == key(pair[1]), pair[0] == pair[1], "{pair:?}");
        }
    }
}
