//! What the values of a file are, by their path: a key of a header or of a list may be called `when` or `not` as well.

use super::FileKind;

/// What stands at a place of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The whole of `ruleset.yaml` or of a rule file.
    Root,
    /// The list of a file's rules.
    Rules,
    /// One rule.
    Rule,
    /// The map of counters by name.
    Counters,
    /// One counter.
    Counter,
    /// A rule's `canary`.
    Canary,
    /// An expression, or `all`, `any` and `not` over others.
    Condition,
    /// An expression, or a list of them.
    Key,
    /// Anything else: not one character of it may change.
    Data,
}

impl Role {
    /// Of the whole file.
    pub(super) fn root(kind: FileKind) -> Self {
        match kind {
            FileKind::Rules => Self::Root,
            FileKind::Tests => Self::Data,
        }
    }

    /// Of the value of a key.
    pub(super) fn under(self, key: &str) -> Self {
        match (self, key) {
            (Self::Root, "rules") => Self::Rules,
            (Self::Root, "counters") => Self::Counters,
            (Self::Rule, "when")
            | (Self::Counter, "count_when")
            | (Self::Condition, "all" | "any" | "not") => Self::Condition,
            (Self::Rule, "canary") => Self::Canary,
            (Self::Counters, _) => Self::Counter,
            (Self::Counter, "key" | "distinct") | (Self::Canary, "by") => Self::Key,
            _ => Self::Data,
        }
    }

    /// Of the elements of a list.
    pub(super) fn of_items(self) -> Self {
        match self {
            Self::Rules => Self::Rule,
            Self::Condition => Self::Condition,
            Self::Key => Self::Key,
            _ => Self::Data,
        }
    }

    /// Whether a text here is an expression, in which white space means nothing.
    pub(super) fn is_expression(self) -> bool {
        matches!(self, Self::Condition | Self::Key)
    }
}
