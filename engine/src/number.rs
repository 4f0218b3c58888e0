//! Numbers: how text becomes one, and how two are compared exactly.

use core::cmp::Ordering;

/// A number of a request or of a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// 64-bit.
    Int(i64),
    /// Never NaN.
    Double(f64),
}

impl Number {
    pub(crate) fn is_nan(self) -> bool {
        matches!(self, Number::Double(value) if value.is_nan())
    }

    /// Compares as real numbers, without rounding either side.
    #[must_use]
    pub fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a.cmp(&b),
            (Number::Double(a), Number::Double(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Number::Int(a), Number::Double(b)) => compare_int_double(a, b),
            (Number::Double(a), Number::Int(b)) => compare_int_double(b, a).reverse(),
        }
    }
}

fn compare_int_double(int: i64, double: f64) -> Ordering {
    // 2^63: the first double above every i64. Its negative is i64::MIN itself.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if double >= LIMIT {
        return Ordering::Less;
    }
    if double < -LIMIT {
        return Ordering::Greater;
    }
    // In range, so the cast only cuts off the fraction, which has the sign of `double`.
    let whole = double as i64;
    let fraction = double - whole as f64;
    int.cmp(&whole)
        .then(0.0_f64.partial_cmp(&fraction).unwrap_or(Ordering::Equal))
}

/// An optional sign and digits; what passes 64 bits saturates.
#[must_use]
pub fn parse_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = split_sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0_i64, |value, &digit| {
        let digit = i64::from(digit - b'0');
        value
            .saturating_mul(10)
            .saturating_add(if negative { -digit } else { digit })
    }))
}

/// A sign, digits, optional `.digits`, optional exponent; rounded to nearest, ties to even.
#[must_use]
pub fn parse_double(text: &[u8]) -> Option<f64> {
    let (_, unsigned) = split_sign(text);
    let after_digits = skip_digits(unsigned)?;
    let after_fraction = match after_digits.split_first() {
        Some((b'.', fraction)) => skip_digits(fraction)?,
        _ => after_digits,
    };
    let rest = match after_fraction.split_first() {
        Some((b'e' | b'E', exponent)) => skip_digits(split_sign(exponent).1)?,
        _ => after_fraction,
    };
    if !rest.is_empty() {
        return None;
    }
    core::str::from_utf8(text).ok()?.parse().ok()
}

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    }
}

/// What follows one or more digits.
fn skip_digits(text: &[u8]) -> Option<&[u8]> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.get(count..).filter(|_| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ints_saturate_and_refuse_all_but_digits() {
        let cases: [(&str, Option<i64>); 9] = [
            ("0", Some(0)),
            ("+7", Some(7)),
            ("-007", Some(-7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", Some(i64::MAX)),
            ("-99999999999999999999", Some(i64::MIN)),
            ("", None),
            ("-", None),
            (" 1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_int(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn doubles_follow_the_grammar() {
        let cases: [(&str, Option<f64>); 12] = [
            ("1.5", Some(1.5)),
            ("-2e3", Some(-2000.0)),
            ("+1E-2", Some(0.01)),
            ("10", Some(10.0)),
            ("1e999", Some(f64::INFINITY)),
            (".5", None),
            ("5.", None),
            ("1e", None),
            ("inf", None),
            ("nan", None),
            ("0x10", None),
            ("1 ", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_double(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn ints_and_doubles_compare_as_reals() {
        let cases = [
            (
                9_007_199_254_740_993,
                9_007_199_254_740_992.0,
                Ordering::Greater,
            ),
            (i64::MAX, 9_223_372_036_854_775_808.0, Ordering::Less),
            (i64::MIN, -9_223_372_036_854_775_808.0, Ordering::Equal),
            (-1, -1.5, Ordering::Greater),
            (1, 1.5, Ordering::Less),
            (0, -0.0, Ordering::Equal),
            (5, f64::INFINITY, Ordering::Less),
            (5, f64::NEG_INFINITY, Ordering::Greater),
        ];
        for (int, double, expected) in cases {
            assert_eq!(
                Number::Int(int).compare(Number::Double(double)),
                expected,
                "{int} {double}"
            );
            assert_eq!(
                Number::Double(double).compare(Number::Int(int)),
                expected.reverse()
            );
        }
    }
}
