//! The body of a request: whether it can be had, and what becomes of the request if it cannot.

use crate::request::Inbound;
use riskgate_engine::body::is_encoded;
use serde::Deserialize;

/// How much of a request's body there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// It has none.
    Absent,
    /// It has not come yet.
    Coming,
    /// All of it was put into the buffer.
    Whole,
    /// More came than is buffered.
    TooLong,
}

/// What becomes of a request whose body rules ask for in vain.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnreadableBody {
    /// Its attributes are absent.
    #[default]
    Absent,
    /// It is refused.
    Deny,
}

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    TooLong,
    Encoded,
    Malformed,
    /// What comes after an upgrade ends with the connection, and may begin only after the answer.
    Endless,
}

impl Unreadable {
    /// What can be seen of a body before it comes.
    pub(crate) fn foreseen(inbound: &Inbound<'_>, limit: usize) -> Option<Unreadable> {
        if is_endless(inbound) {
            Some(Unreadable::Endless)
        } else if is_encoded(&inbound.headers) {
            Some(Unreadable::Encoded)
        } else if announces_more_than(inbound, limit) {
            Some(Unreadable::TooLong)
        } else {
            None
        }
    }

    /// Status and body of the answer.
    pub(crate) fn answer(self) -> (u16, &'static [u8]) {
        match self {
            Unreadable::TooLong => (413, br#"{"error":"body_too_large"}"#),
            Unreadable::Encoded => (415, br#"{"error":"body_encoded"}"#),
            Unreadable::Malformed => (400, br#"{"error":"body_malformed"}"#),
            Unreadable::Endless => (400, br#"{"error":"body_endless"}"#),
        }
    }
}

/// As Envoy tells an upgrade: it makes one of an HTTP/2 stream that asks for one, too.
fn is_endless(inbound: &Inbound<'_>) -> bool {
    let values = |name: &'static [u8]| {
        let named = inbound.headers.iter();
        named.filter(move |(held, _)| *held == name)
    };
    let is_upgrade = values(b"upgrade").next().is_some()
        && values(b"connection")
            .flat_map(|(_, value)| value.split(|byte| *byte == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
    is_upgrade || inbound.method == Some(b"CONNECT")
}

fn announces_more_than(inbound: &Inbound<'_>, limit: usize) -> bool {
    let lengths = inbound.headers.iter();
    let mut lengths = lengths.filter(|(name, _)| *name == b"content-length");
    lengths.any(|(_, value)| {
        let length = str::from_utf8(value).ok().map(str::parse::<u64>);
        length.is_some_and(|length| length.is_ok_and(|length| length > limit as u64))
    })
}

/// Watches for a proxy that holds bodies back from a filter that waits for them: from one that may stop iteration only as a
/// whole, Envoy never hands over the body of a request that was stopped.
#[derive(Debug, Default)]
pub(crate) struct BodyWatch {
    /// Ticks since the first request began to wait.
    ticks: Option<u32>,
    has_ended: bool,
}

impl BodyWatch {
    /// A client may be as slow as that.
    const SUSPICIOUS_TICKS: u32 = 50;

    /// A request waits for its body.
    pub(crate) fn begin(&mut self) {
        if !self.has_ended {
            self.ticks.get_or_insert(0);
        }
    }

    /// Some of a body came.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
        self.ticks = None;
    }

    /// Time passes. True once, when no body has come for long.
    pub(crate) fn is_suspicious(&mut self) -> bool {
        let Some(ticks) = &mut self.ticks else {
            return false;
        };
        *ticks += 1;
        let is_suspicious = *ticks == BodyWatch::SUSPICIOUS_TICKS;
        if is_suspicious {
            self.has_ended = true;
            self.ticks = None;
        }
        is_suspicious
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_hands_over_no_bodies_is_told_of_once() {
        let mut watch = BodyWatch::default();
        assert!((0..500).all(|_| !watch.is_suspicious()), "nothing waits");
        watch.begin();
        let first = (0..500).position(|_| watch.is_suspicious());
        assert_eq!(first, Some(49));
        watch.begin();
        assert!((0..500).all(|_| !watch.is_suspicious()), "once is enough");
        let mut watch = BodyWatch::default();
        watch.begin();
        watch.end();
        watch.begin();
        assert!((0..500).all(|_| !watch.is_suspicious()), "bodies come");
    }
}
