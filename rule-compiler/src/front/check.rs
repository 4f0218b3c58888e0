//! The expression language's meaning: names, types, and from syntax to [`ir::Condition`](crate::ir::Condition).

mod argument;
mod attribute;
mod compare;
mod condition;
mod function;
mod key;
mod membership;
mod placement;
mod predicate;
mod scope;

use core::ops::Range;

use super::{
    cel,
    context::Context,
    environment::Environment,
    yaml::{Node, Scalar, Style, locate},
};
use crate::{
    diagnostic::Code,
    ir::{Atom, Attribute, Base, Condition, Test},
};
pub(crate) use placement::Placement;
use scope::Typed;
pub(crate) use scope::{Type, is_many_valued, is_root};

/// Where an atom stands. The bytes of the file are worked out only for a warning: that takes a walk over the scalar.
pub(crate) struct Place<'n> {
    node: &'n Node,
    scalar: &'n Scalar,
    range: Range<usize>,
}

impl Place<'_> {
    /// The bytes of the file.
    pub(crate) fn range(&self, cx: &Context<'_>) -> Range<usize> {
        locate(
            cx.text,
            &self.node.range,
            &self.scalar.text,
            self.scalar.style,
            &self.range,
        )
    }
}

/// The condition that a scalar holds.
pub(crate) fn expression<'n>(
    cx: &mut Context<'_>,
    node: &'n Node,
    scalar: &'n Scalar,
    environment: &mut Environment,
    atoms: &mut Vec<Place<'n>>,
) -> Option<Condition> {
    let mut checker = Checker {
        cx,
        node,
        scalar,
        environment,
        atoms,
    };
    match cel::parse(&scalar.text) {
        Ok(expr) => checker.condition(&expr),
        Err(error) => checker.syntax_error(error),
    }
}

/// The attribute whose values a key consists of.
pub(crate) fn key(
    cx: &mut Context<'_>,
    node: &Node,
    what: &str,
    environment: &mut Environment,
) -> Option<Attribute> {
    let scalar = cx.scalar(node, what)?;
    let mut checker = Checker {
        cx,
        node,
        scalar,
        environment,
        atoms: &mut Vec::new(),
    };
    match cel::parse(&scalar.text) {
        Ok(expr) => checker.key(&expr),
        Err(error) => checker.syntax_error(error),
    }
}

/// Checks one expression.
struct Checker<'c, 'a, 'n> {
    cx: &'c mut Context<'a>,
    node: &'n Node,
    scalar: &'n Scalar,
    environment: &'c mut Environment,
    atoms: &'c mut Vec<Place<'n>>,
}

impl Checker<'_, '_, '_> {
    /// Reports an error at a place of the expression.
    fn error<T>(
        &mut self,
        code: Code,
        range: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        let place = self.place(range);
        let diagnostic = self.cx.diagnostic(code, &place, message);
        self.cx.report(diagnostic.help(help));
        None
    }

    fn syntax_error<T>(&mut self, error: cel::SyntaxError) -> Option<T> {
        let cel::SyntaxError {
            code,
            range,
            message,
            help,
        } = error;
        let at_end = range.end >= self.scalar.text.len();
        let help = if at_end && self.is_cut_by_comment() {
            "quote the whole condition: ` #` starts a YAML comment".to_owned()
        } else {
            help
        };
        self.error(code, &range, message, help)
    }

    /// A plain scalar ends at ` #`, which may have been meant as part of the condition.
    fn is_cut_by_comment(&self) -> bool {
        let after = self.cx.text.get(self.node.range.end..).unwrap_or("");
        self.scalar.style == Style::Plain && after.trim_start_matches([' ', '\t']).starts_with('#')
    }

    /// The bytes of the file behind a part of the expression.
    fn place(&self, range: &Range<usize>) -> Range<usize> {
        locate(
            self.cx.text,
            &self.node.range,
            &self.scalar.text,
            self.scalar.style,
            range,
        )
    }

    /// A part of the expression as it was written.
    fn written(&self, range: &Range<usize>) -> String {
        self.scalar.text.get(range.clone()).unwrap_or("").to_owned()
    }

    /// A bool of a custom filter is one of two texts.
    fn atom(&mut self, tested: &Typed, test: Test) -> Condition {
        let is_custom = matches!(tested.attribute.base, Base::Custom { .. });
        let test = match test {
            Test::IsTrue if is_custom => Test::OneOf(vec![b"true".to_vec()]),
            Test::IsFalse if is_custom => Test::OneOf(vec![b"false".to_vec()]),
            test => test,
        };
        self.atoms.push(Place {
            node: self.node,
            scalar: self.scalar,
            range: tested.range.clone(),
        });
        Condition::Atom(Atom {
            attribute: tested.attribute.clone(),
            test,
        })
    }
}
