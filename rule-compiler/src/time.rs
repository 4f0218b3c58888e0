//! Times on the command line.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::failure::Failure;

/// Now, Unix time.
pub(crate) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

/// A time as a person gives it: RFC 3339, or Unix seconds.
pub(crate) fn parse_time_s(text: &str, what: &str) -> Result<u64, Failure> {
    if is_number(text) && text.len() == "20261123".len() {
        return Err(Failure::unable(format!(
            "{what} `{text}` may be a date or Unix seconds; write a date as 2026-11-23T00:00:00Z, and seconds with a leading 0"
        )));
    }
    read_time_s(text, what)
}

/// `SOURCE_DATE_EPOCH`: programs write it, so that eight digits are seconds.
pub(crate) fn parse_epoch_s(text: &str) -> Result<u64, Failure> {
    read_time_s(text, "SOURCE_DATE_EPOCH")
}

fn read_time_s(text: &str, what: &str) -> Result<u64, Failure> {
    let time = if is_number(text) {
        let seconds = text.parse::<i64>().ok();
        seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
    } else {
        text.parse::<jiff::Timestamp>().ok()
    };
    time.and_then(|time| u64::try_from(time.as_second()).ok())
        .ok_or_else(|| {
            Failure::unable(format!(
                "{what} `{text}` is not a time from 1970 to 9999; write 2026-11-23T10:00:00Z or Unix seconds"
            ))
        })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A Unix time for people.
pub(crate) fn describe_time(time_s: u64) -> String {
    let time = i64::try_from(time_s)
        .ok()
        .and_then(|time_s| jiff::Timestamp::from_second(time_s).ok());
    time.map_or_else(|| format!("Unix time {time_s}"), |time| time.to_string())
}
