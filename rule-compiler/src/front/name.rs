//! Names that authors give: of rulesets, rules, lists and tags.

use super::{
    context::Context,
    limits::{MAX_COUNTER_NAME_LEN, MAX_ID_LEN},
    text::quoted,
    yaml::Node,
};
use crate::diagnostic::Code;
use core::ops::Range;

/// A kind of name.
pub(crate) struct NameRule {
    what: &'static str,
    /// What it may look like, for the remedy.
    shape: &'static str,
    limit: usize,
    first: fn(u8) -> bool,
    rest: fn(u8) -> bool,
}

/// `ruleset: ...`.
pub(crate) const RULESET: NameRule = NameRule {
    what: "the ruleset's name",
    shape: "1 to 63 of `a-z`, `0-9` and `-`",
    limit: 63,
    first: dashed,
    rest: dashed,
};

/// `id: ...`.
pub(crate) const RULE: NameRule = NameRule {
    what: "a rule's id",
    shape: "1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, the first a letter or a digit",
    limit: MAX_ID_LEN,
    first: alphanumeric,
    rest: |byte| alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-'),
};

/// A key of `lists`.
pub(crate) const LIST: NameRule = NameRule {
    what: "a list's name",
    shape: "1 to 64 of `a-z`, `0-9` and `_`, the first not a digit",
    limit: 64,
    first: |byte| byte.is_ascii_lowercase() || byte == b'_',
    rest: |byte| alphanumeric(byte) || byte == b'_',
};

/// A name in a file for `--attributes`.
pub(crate) const ATTRIBUTE: NameRule = NameRule {
    what: "a custom attribute's name",
    shape: "identifiers of `a-z`, `0-9` and `_` with dots between them, such as `device.risk_score`, at most 64 characters",
    limit: 64,
    first: LIST.first,
    rest: |byte| alphanumeric(byte) || matches!(byte, b'_' | b'.'),
};

/// A key of `counters`.
pub(crate) const COUNTER: NameRule = NameRule {
    what: "a counter's name",
    limit: MAX_COUNTER_NAME_LEN,
    ..LIST
};

/// A key of `tag`.
pub(crate) const TAG: NameRule = NameRule {
    what: "a tag's name",
    shape: "1 to 64 of `a-z`, `0-9` and `-`: it becomes the header `x-risk-tag-<name>`",
    limit: 64,
    first: dashed,
    rest: dashed,
};

/// An element of a rule's `tags`.
pub(crate) const LABEL: NameRule = NameRule {
    what: "an element of `tags`",
    shape: "1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, the first a letter or a digit",
    limit: 64,
    first: alphanumeric,
    rest: |byte| alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-'),
};

impl Context<'_> {
    /// A value that is a name.
    pub(crate) fn name(&mut self, node: &Node, rule: &NameRule) -> Option<String> {
        let text = &self.scalar(node, rule.what)?.text;
        self.check_name(text, &node.range, rule)?;
        Some(text.clone())
    }

    /// Complains about a name that is none.
    pub(crate) fn check_name(
        &mut self,
        name: &str,
        range: &Range<usize>,
        rule: &NameRule,
    ) -> Option<()> {
        if rule.accepts(name) {
            return Some(());
        }
        let message = format!("{} cannot be {}", rule.what, quoted(name));
        self.report(
            self.diagnostic(Code::InvalidName, range, message)
                .help(format!("use {}", rule.shape)),
        );
        None
    }
}

impl NameRule {
    fn accepts(&self, name: &str) -> bool {
        let mut bytes = name.bytes();
        name.len() <= self.limit && bytes.next().is_some_and(self.first) && bytes.all(self.rest)
    }
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn dashed(byte: u8) -> bool {
    alphanumeric(byte) || byte == b'-'
}
