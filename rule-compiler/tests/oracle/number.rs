//! Numbers: parsing, and comparison as exact rationals.

use std::cmp::Ordering;

use riskgate_compiler::ir::{Comparison, Number};

/// `int()`: an optional sign and digits, saturating at 64 bits.
pub(super) fn parse_int(text: &[u8]) -> Option<i64> {
    let (sign, digits) = split_sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut magnitude = 0_i128;
    for digit in digits {
        magnitude = (magnitude * 10 + i128::from(digit - b'0')).min(i128::from(u64::MAX));
    }
    let value = (sign * magnitude).clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Some(i64::try_from(value).expect("clamped to 64 bits"))
}

/// `double()`: an optional sign, digits, optionally a point with digits, optionally an exponent; to the nearest.
pub(super) fn parse_double(text: &[u8]) -> Option<f64> {
    let (_, unsigned) = split_sign(text);
    let (mantissa, exponent) = split_at_any(unsigned, b"eE");
    let (whole, fraction) = split_at_any(mantissa, b".");
    let all_digits = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let is_double = all_digits(whole)
        && fraction.is_none_or(all_digits)
        && exponent.is_none_or(|exponent| all_digits(split_sign(exponent).1));
    if !is_double {
        return None;
    }
    Some(
        std::str::from_utf8(text)
            .expect("all ASCII")
            .parse()
            .expect("a number by the grammar above"),
    )
}

fn split_sign(text: &[u8]) -> (i128, &[u8]) {
    match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    }
}

fn split_at_any<'a>(text: &'a [u8], marks: &[u8]) -> (&'a [u8], Option<&'a [u8]>) {
    match text.iter().position(|byte| marks.contains(byte)) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// `left comparison right` as real numbers.
pub(super) fn compare(left: Number, comparison: Comparison, right: Number) -> bool {
    let ordering = order(left, right);
    match comparison {
        Comparison::Equal => ordering == Ordering::Equal,
        Comparison::Less => ordering == Ordering::Less,
        Comparison::LessOrEqual => ordering != Ordering::Greater,
        Comparison::Greater => ordering == Ordering::Greater,
        Comparison::GreaterOrEqual => ordering != Ordering::Less,
    }
}

fn order(left: Number, right: Number) -> Ordering {
    let (left, right) = (Exact::from(left), Exact::from(right));
    match left.sign.cmp(&right.sign) {
        Ordering::Equal if left.sign < 0 => left.order_magnitude(right).reverse(),
        Ordering::Equal => left.order_magnitude(right),
        unequal => unequal,
    }
}

/// `sign * mantissa * 2^exponent`, with the sign 0 exactly for the number 0.
#[derive(Clone, Copy)]
struct Exact {
    sign: i8,
    mantissa: u64,
    exponent: i32,
}

impl Exact {
    fn order_magnitude(self, other: Self) -> Ordering {
        let (high, other_high) = (self.high_bit(), other.high_bit());
        if self.sign == 0 || high != other_high {
            return high.cmp(&other_high);
        }
        // With equal high bits the exponents are less than 64 apart, so both fit when brought to the smaller one.
        let smaller = self.exponent.min(other.exponent);
        let scaled = |number: Self| u128::from(number.mantissa) << (number.exponent - smaller);
        scaled(self).cmp(&scaled(other))
    }

    /// The power of two at or below the magnitude; zero has none, and infinity is above all.
    fn high_bit(self) -> i32 {
        match self.mantissa {
            0 => i32::MIN,
            mantissa => self.exponent + mantissa.ilog2().cast_signed(),
        }
    }
}

impl From<Number> for Exact {
    fn from(number: Number) -> Self {
        match number {
            Number::Int(int) => {
                let sign = i8::try_from(int.signum()).expect("-1, 0 or 1");
                Self {
                    sign,
                    mantissa: int.unsigned_abs(),
                    exponent: 0,
                }
            }
            Number::Double(double) => Self::from_bits(double.to_bits()),
        }
    }
}

impl Exact {
    /// The fields of an IEEE 754 binary64. The biased exponent 2047 is infinity here: it keeps its place above all
    /// finite numbers when read as one more power of two.
    fn from_bits(bits: u64) -> Self {
        let fraction = bits & ((1 << 52) - 1);
        let biased = i32::try_from((bits >> 52) & 0x7ff).expect("eleven bits");
        let (mantissa, exponent) = match biased {
            0 => (fraction, -1074),
            _ => (fraction | 1 << 52, biased - 1075),
        };
        let sign = match (mantissa, bits >> 63) {
            (0, _) => 0,
            (_, 0) => 1,
            _ => -1,
        };
        Self {
            sign,
            mantissa,
            exponent,
        }
    }
}
