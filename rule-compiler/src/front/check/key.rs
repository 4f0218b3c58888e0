//! Keys: attributes that tell clients apart.

use super::{Checker, scope::Type};
use crate::{diagnostic::Code, front::cel::Expr, ir::Attribute};

impl Checker<'_, '_, '_> {
    /// An attribute, perhaps with transforms, whose values are strings or addresses.
    pub(super) fn key(&mut self, expr: &Expr) -> Option<Attribute> {
        let value = self.value(expr)?;
        if matches!(value.ty, Type::String | Type::Ip) {
            return Some(value.attribute);
        }
        let message = format!(
            "a key is a string or an IP address, not {}",
            value.ty.name()
        );
        let help = "write an attribute such as `client.ip` or `request.cookies[\"session\"]`";
        self.error(Code::KeyType, &expr.range, message, help)
    }
}
