//! Lengths of time: a number and a unit.

use super::{
    context::Context,
    limits::{MAX_TTL_S, MAX_WINDOW_MS, MIN_TTL_S, MIN_WINDOW_MS},
    text::quoted,
    yaml::Node,
};
use crate::diagnostic::Code;

impl Context<'_> {
    /// `ttl: 24h`, in seconds.
    pub(crate) fn ttl(&mut self, node: &Node) -> Option<u64> {
        let seconds = self.duration(node, "`ttl`", "24h")?;
        if !(MIN_TTL_S..=MAX_TTL_S).contains(&seconds) {
            let message = "`ttl` goes from 1 minute to 366 days";
            let diagnostic = self.diagnostic(Code::OutOfRange, &node.range, message);
            self.report(diagnostic.help("write `24h`, say, and build again before it is over"));
            return None;
        }
        Some(seconds)
    }

    /// `every: 1s`, in microseconds.
    pub(crate) fn every(&mut self, node: &Node) -> Option<i64> {
        let text = &self.scalar(node, "`every`")?.text;
        let found = match text.strip_suffix("ms") {
            Some(digits) => whole(digits).and_then(|count| count.checked_mul(1_000)),
            None => parse(text).and_then(|seconds| seconds.checked_mul(1_000_000)),
        };
        let Some(micros) = found else {
            let message = format!("{} is no length of time", quoted(text));
            let diagnostic = self.diagnostic(Code::InvalidDuration, &node.range, message);
            self.report(diagnostic.help(
                "write a whole number and one of the units `ms`, `s`, `m`, `h` and `d`, such as `1s`",
            ));
            return None;
        };
        if micros > MAX_TTL_S * 1_000_000 {
            let message = "`every` goes up to 366 days";
            let diagnostic = self.diagnostic(Code::OutOfRange, &node.range, message);
            self.report(diagnostic.help("give later requests a `time` of their own"));
            return None;
        }
        i64::try_from(micros).ok()
    }

    /// `window: 10s`, in milliseconds.
    pub(crate) fn window(&mut self, node: &Node) -> Option<u32> {
        let seconds = self.duration(node, "`window`", "10m")?;
        let milliseconds = seconds.saturating_mul(1_000);
        let window = u32::try_from(milliseconds).ok();
        let window = window.filter(|window| (MIN_WINDOW_MS..=MAX_WINDOW_MS).contains(window));
        if window.is_none() {
            let message = "`window` goes from 1 second to 24 hours";
            let diagnostic = self.diagnostic(Code::OutOfRange, &node.range, message);
            self.report(diagnostic.help("write `10s` or `5m`, say"));
        }
        window
    }

    /// In seconds.
    fn duration(&mut self, node: &Node, what: &str, example: &str) -> Option<u64> {
        let text = &self.scalar(node, what)?.text;
        let seconds = parse(text);
        if seconds.is_none() {
            let message = format!("{} is no length of time", quoted(text));
            let diagnostic = self.diagnostic(Code::InvalidDuration, &node.range, message);
            let help = format!(
                "write a whole number and one of the units `s`, `m`, `h` and `d`, such as `{example}`"
            );
            self.report(diagnostic.help(help));
        }
        seconds
    }
}

fn whole(digits: &str) -> Option<u64> {
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_whole)
}

fn parse(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return None,
    };
    whole(digits)?.checked_mul(unit_s)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_number_and_a_unit() {
        let cases = [
            ("90s", Some(90)),
            ("5m", Some(300)),
            ("24h", Some(86_400)),
            ("7d", Some(604_800)),
            ("", None),
            ("h", None),
            ("24", None),
            ("1.5h", None),
            ("-1h", None),
            ("1 h", None),
            ("1h30m", None),
            ("99999999999999999999d", None),
            ("999999999999999999d", None),
            ("1ü", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
