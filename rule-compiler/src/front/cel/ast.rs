//! The tree of an expression. Ranges are bytes of the expression's text.

use core::ops::Range;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expr {
    /// Where it stands, without parentheses around it.
    pub(crate) range: Range<usize>,
    /// What it is.
    pub(crate) kind: ExprKind,
}

/// A word with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) range: Range<usize>,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ExprKind {
    /// `true`, `false`.
    Bool(bool),
    /// `5`, `-5`, `0x1f`.
    Int(i64),
    /// `0.5`, `1e9`; finite.
    Double(f64),
    /// `"x"`.
    String(String),
    /// `request`.
    Ident(String),
    /// `a.name`.
    Select(Box<Expr>, Name),
    /// `a[b]`.
    Index(Box<Expr>, Box<Expr>),
    /// `name(b)`, `a.name(b)`.
    Call {
        target: Option<Box<Expr>>,
        name: Name,
        arguments: Vec<Expr>,
    },
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `!a`.
    Not(Box<Expr>),
    /// `a && b && c`.
    All(Vec<Expr>),
    /// `a || b || c`.
    Any(Vec<Expr>),
    /// `a == b`, `a < b`.
    Compare {
        left: Box<Expr>,
        comparator: Comparator,
        right: Box<Expr>,
    },
    /// `a in b`.
    In { left: Box<Expr>, right: Box<Expr> },
}

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    /// As authors write it.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// `<` and its like, which strings do not have.
    pub(crate) fn is_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

impl Expr {
    /// A value that is written out.
    pub(crate) fn is_literal(&self) -> bool {
        matches!(
            self.kind,
            ExprKind::Bool(_) | ExprKind::Int(_) | ExprKind::Double(_) | ExprKind::String(_)
        )
    }
}
