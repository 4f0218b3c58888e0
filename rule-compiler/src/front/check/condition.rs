//! Expressions that are true or false.

use super::{
    Checker,
    scope::{PREDICATES, Type, Typed},
};
use crate::{
    diagnostic::Code,
    front::cel::{Expr, ExprKind},
    ir::{Condition, Test},
};

impl Checker<'_, '_, '_> {
    /// The condition that an expression is.
    pub(super) fn condition(&mut self, expr: &Expr) -> Option<Condition> {
        match &expr.kind {
            ExprKind::Bool(value) => Some(Condition::Constant(*value)),
            ExprKind::Not(inner) => Some(Condition::Not(Box::new(self.condition(inner)?))),
            ExprKind::All(operands) => Some(Condition::All(self.conditions(operands)?)),
            ExprKind::Any(operands) => Some(Condition::Any(self.conditions(operands)?)),
            ExprKind::Compare {
                left,
                comparator,
                right,
            } => self.compare(left, *comparator, right, &expr.range),
            ExprKind::In { left, right } => self.membership(left, right),
            ExprKind::Call {
                target: Some(target),
                name,
                arguments,
            } if PREDICATES.contains(&name.text.as_str()) => {
                self.predicate(target, name, arguments)
            }
            ExprKind::Call {
                target: None,
                name,
                arguments,
            } if name.text == "has" => self.presence(name, arguments),
            ExprKind::Int(_) | ExprKind::Double(_) | ExprKind::String(_) | ExprKind::List(_) => {
                self.constant(expr)
            }
            ExprKind::Ident(_)
            | ExprKind::Select(..)
            | ExprKind::Index(..)
            | ExprKind::Call { .. } => self.bare(expr),
        }
    }

    /// Every operand is checked, so that every error is reported.
    fn conditions(&mut self, operands: &[Expr]) -> Option<Vec<Condition>> {
        let conditions: Vec<_> = operands
            .iter()
            .map(|operand| self.condition(operand))
            .collect();
        conditions.into_iter().collect()
    }

    fn constant<T>(&mut self, expr: &Expr) -> Option<T> {
        let message = "a constant is no condition";
        self.error(
            Code::TypeMismatch,
            &expr.range,
            message,
            "compare an attribute with it: `request.path == \"/login\"`",
        )
    }

    /// An attribute that stands alone must be a bool.
    fn bare(&mut self, expr: &Expr) -> Option<Condition> {
        let value = self.value(expr)?;
        if value.ty == Type::Bool {
            return Some(self.atom(&value, Test::IsTrue));
        }
        let Typed { ty, range, .. } = value;
        let written = self.written(&range);
        let message = format!("`{written}` is {}, not a condition", ty.name());
        self.error(
            Code::TypeMismatch,
            &range,
            message,
            format!("compare it, or write `has({written})` to ask for its presence"),
        )
    }
}
