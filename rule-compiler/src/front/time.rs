//! Points in time: RFC 3339 to microseconds since the Unix epoch.

use jiff::Timestamp;
use thiserror::Error;

/// Why a text is no point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TimeError {
    /// Not the shape of RFC 3339.
    #[error("a time is written like `2026-11-11T00:00:00Z` or `2026-11-11T00:00:00+08:00`")]
    Shape,
    /// A month, day, hour or offset that does not exist.
    #[error("there is no such date, time or offset")]
    Range,
    /// Digits past the sixth after the point.
    #[error("times are counted in microseconds: give at most six digits after the point")]
    Precision,
}

/// Microseconds since the Unix epoch of an RFC 3339 time with an offset.
///
/// Stricter than `jiff` alone, which takes more formats than RFC 3339 has.
///
/// # Errors
///
/// If the text has another shape, does not exist, or is finer than a microsecond.
pub fn parse(text: &str) -> Result<i64, TimeError> {
    let fraction = shape(text).ok_or(TimeError::Shape)?;
    if fraction > 6 {
        return Err(TimeError::Precision);
    }
    // RFC 3339 has offsets of less than a day.
    let offset_hours = text
        .len()
        .checked_sub(5)
        .and_then(|at| text.get(at..at + 2));
    let is_long = !text.ends_with('Z') && offset_hours > Some("23");
    if text.get(17..19) == Some("60") || is_long {
        return Err(TimeError::Range);
    }
    text.parse::<Timestamp>()
        .map(Timestamp::as_microsecond)
        .map_err(|_| TimeError::Range)
}

/// An RFC 3339 time in UTC.
#[must_use]
pub fn format(time_us: i64) -> String {
    Timestamp::from_microsecond(time_us).map_or_else(
        |_| format!("{time_us} microseconds since 1970"),
        |time| time.to_string(),
    )
}

/// How many digits follow the seconds' point, if the text looks like a time.
fn shape(text: &str) -> Option<usize> {
    const SECONDS: &str = "0000-00-00T00:00:00";
    const OFFSET: &str = "00:00";
    let (seconds, rest) = text.split_at_checked(SECONDS.len())?;
    let (fraction, offset) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(after) => {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            (digits, after.get(digits..).filter(|_| digits > 0)?)
        }
    };
    let offset_fits = offset == "Z"
        || offset
            .strip_prefix(['+', '-'])
            .is_some_and(|digits| fits(digits, OFFSET));
    (fits(seconds, SECONDS) && offset_fits).then_some(fraction)
}

/// The same length, digits where the form has zeros, and the same bytes elsewhere.
fn fits(text: &str, form: &str) -> bool {
    let same = |(byte, form): (u8, u8)| {
        if form == b'0' {
            byte.is_ascii_digit()
        } else {
            byte == form
        }
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(same)
}

#[cfg(test)]
mod tests {
    use super::{TimeError, parse};

    #[test]
    fn rfc_3339_only() {
        let cases = [
            ("1970-01-01T00:00:00Z", Ok(0)),
            ("1970-01-01T00:00:01.5Z", Ok(1_500_000)),
            ("1969-12-31T23:59:59.999999Z", Ok(-1)),
            ("2026-11-11T00:00:00+08:00", Ok(1_794_326_400_000_000)),
            ("2026-11-10T16:00:00Z", Ok(1_794_326_400_000_000)),
            ("1970-01-01T00:00:00.0000001Z", Err(TimeError::Precision)),
            ("2026-02-29T00:00:00Z", Err(TimeError::Range)),
            ("2026-11-11T24:00:00Z", Err(TimeError::Range)),
            ("2026-12-31T23:59:60Z", Err(TimeError::Range)),
            ("1970-01-01T23:59:00+23:59", Ok(0)),
            ("2027-03-28T02:30:00+24:00", Err(TimeError::Range)),
            ("2027-03-28T02:30:00-25:00", Err(TimeError::Range)),
            ("2026-11-11T00:00:00", Err(TimeError::Shape)),
            ("2026-11-11T00:00:00.Z", Err(TimeError::Shape)),
            ("2026-11-11 00:00:00Z", Err(TimeError::Shape)),
            ("2026-11-11t00:00:00z", Err(TimeError::Shape)),
            (
                "2026-11-11T00:00:00+08:00[Asia/Shanghai]",
                Err(TimeError::Shape),
            ),
            ("2026-11-11", Err(TimeError::Shape)),
            ("", Err(TimeError::Shape)),
            ("2026-11-11T00:00:0äZ", Err(TimeError::Shape)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
