//! Expressions that are values: attributes, transforms, and functions of them.

use core::ops::Range;

use super::{
    Checker,
    scope::{FUNCTIONS, MACROS, PREDICATES, Type, Typed, is_many_valued, methods, transform},
};
use crate::{
    diagnostic::Code,
    front::{
        cel::{Expr, ExprKind, Name},
        limits::MAX_TRANSFORMS,
        text::{did_you_mean, quoted},
    },
    ir::{Transform, View},
};

impl Checker<'_, '_, '_> {
    /// The attribute chain that an expression is.
    pub(super) fn value(&mut self, expr: &Expr) -> Option<Typed> {
        match &expr.kind {
            ExprKind::Ident(_) | ExprKind::Select(..) => self.plain_attribute(expr),
            ExprKind::Index(map, key) => self.keyed_attribute(map, key, &expr.range),
            ExprKind::Call {
                target: Some(target),
                name,
                arguments,
            } => self.method(target, name, arguments, &expr.range),
            ExprKind::Call {
                target: None,
                name,
                arguments,
            } => self.function(name, arguments, &expr.range),
            ExprKind::Bool(_)
            | ExprKind::Int(_)
            | ExprKind::Double(_)
            | ExprKind::String(_)
            | ExprKind::List(_) => self.error(
                Code::TypeMismatch,
                &expr.range,
                "an attribute is expected here, not a constant",
                "begin with an attribute such as `request.path`",
            ),
            ExprKind::Not(_)
            | ExprKind::All(_)
            | ExprKind::Any(_)
            | ExprKind::Compare { .. }
            | ExprKind::In { .. } => self.condition_as_value(&expr.range),
        }
    }

    /// `(a == b) == true` and the like.
    fn condition_as_value<T>(&mut self, range: &Range<usize>) -> Option<T> {
        let message = "a condition is no value";
        self.error(
            Code::TypeMismatch,
            range,
            message,
            "write the condition itself, or `!(...)` for its opposite",
        )
    }

    fn method(
        &mut self,
        target: &Expr,
        name: &Name,
        arguments: &[Expr],
        range: &Range<usize>,
    ) -> Option<Typed> {
        let method = name.text.as_str();
        if let Some(transform) = transform(method) {
            let value = self.string_target(target, name)?;
            self.no_arguments(name, arguments)?;
            return self.transformed(value, transform, range);
        }
        if method == "length" {
            let value = self.string_target(target, name)?;
            self.no_arguments(name, arguments)?;
            return Some(viewed(value, View::Length, Type::Int, range));
        }
        if PREDICATES.contains(&method) {
            return self.condition_as_value(range);
        }
        self.unknown_method(target, name)
    }

    fn unknown_method<T>(&mut self, target: &Expr, name: &Name) -> Option<T> {
        let method = name.text.as_str();
        let written = self.written(&target.range);
        let (code, message, help) = if MACROS.contains(&method) {
            let message = format!("the macro `{method}` is not part of this language");
            let help =
                "a test of an attribute is true if any of its values passes: write the test itself";
            (Code::UnsupportedConstruct, message, help.to_owned())
        } else if FUNCTIONS.contains(&method) {
            let length = if method == "size" {
                format!(" for the number of values, `{written}.length()` for their length")
            } else {
                String::new()
            };
            let message = format!("`{method}` stands before its argument");
            (
                Code::UnknownFunction,
                message,
                format!("write `{method}({written})`{length}"),
            )
        } else {
            let message = format!("there is no method {}", quoted(method));
            (
                Code::UnknownFunction,
                message,
                did_you_mean(method, &methods()),
            )
        };
        self.error(code, &name.range, message, help)
    }

    fn function(&mut self, name: &Name, arguments: &[Expr], range: &Range<usize>) -> Option<Typed> {
        let function = name.text.as_str();
        match function {
            "int" => self.parsed(name, arguments, View::Int, Type::Int, range),
            "double" => self.parsed(name, arguments, View::Double, Type::Double, range),
            "size" => self.size(name, arguments, range),
            "has" => self.condition_as_value(range),
            "timestamp" => {
                let message = "`timestamp(..)` stands only on the right of a comparison";
                self.error(
                    Code::TypeMismatch,
                    range,
                    message,
                    "write `request.time < timestamp(\"2026-11-11T00:00:00Z\")`",
                )
            }
            _ if methods().contains(&function) => {
                let argument = arguments
                    .first()
                    .map_or("request.path".to_owned(), |argument| {
                        self.written(&argument.range)
                    });
                let message = format!("`{function}` stands after its value");
                self.error(
                    Code::UnknownFunction,
                    &name.range,
                    message,
                    format!("write `{argument}.{function}(..)`"),
                )
            }
            _ => self.error(
                Code::UnknownFunction,
                &name.range,
                format!("there is no function {}", quoted(function)),
                did_you_mean(function, &FUNCTIONS),
            ),
        }
    }

    /// `int(a)`, `double(a)`.
    fn parsed(
        &mut self,
        name: &Name,
        arguments: &[Expr],
        view: View,
        ty: Type,
        range: &Range<usize>,
    ) -> Option<Typed> {
        let argument = self.one_argument(name, arguments)?;
        let value = self.value(argument)?;
        if value.ty != Type::String {
            let (function, written) = (&name.text, self.written(&value.range));
            let message = format!(
                "`{function}` takes a string, and `{written}` is {}",
                value.ty.name()
            );
            let help = if matches!(value.ty, Type::Int | Type::Double) {
                "compare it as it is"
            } else {
                "use it on a header, a parameter or a cookie"
            };
            return self.error(Code::TypeMismatch, &value.range, message, help);
        }
        Some(viewed(value, view, ty, range))
    }

    /// `size(a)`.
    fn size(&mut self, name: &Name, arguments: &[Expr], range: &Range<usize>) -> Option<Typed> {
        let argument = self.one_argument(name, arguments)?;
        let value = self.value(argument)?;
        self.no_counter(&value)?;
        let written = self.written(&value.range);
        if value.attribute.view != View::Value {
            return self.error(
                Code::TypeMismatch,
                &value.range,
                "`size` counts the values of an attribute",
                "write `size(..)` around the attribute alone",
            );
        }
        if !is_many_valued(&value.attribute.base) {
            let message =
                format!("`{written}` has one value at most, so there is nothing to count");
            let length = if value.ty == Type::String {
                format!(", or `{written}.length()` for its length")
            } else {
                String::new()
            };
            return self.error(
                Code::TypeMismatch,
                &value.range,
                message,
                format!("write `has({written})` to ask for its presence{length}"),
            );
        }
        Some(viewed(value, View::Size, Type::Int, range))
    }

    fn transformed(
        &mut self,
        mut value: Typed,
        transform: Transform,
        range: &Range<usize>,
    ) -> Option<Typed> {
        value.attribute.transforms.push(transform);
        if value.attribute.transforms.len() > MAX_TRANSFORMS {
            let message = format!("an attribute has at most {MAX_TRANSFORMS} transforms");
            return self.error(
                Code::TooLarge,
                range,
                message,
                "leave out those that change nothing any more",
            );
        }
        value.range = range.clone();
        Some(value)
    }

    /// The value before a method's `.`, which must be a string.
    pub(super) fn string_target(&mut self, target: &Expr, method: &Name) -> Option<Typed> {
        if let ExprKind::String(_) = target.kind {
            return self.error(
                Code::ConstantOnLeft,
                &target.range,
                "a method is called on an attribute",
                format!("put the attribute before `.{}`", method.text),
            );
        }
        let value = self.value(target)?;
        if value.ty == Type::String {
            return Some(value);
        }
        let written = self.written(&value.range);
        let message = format!(
            "`{}` takes a string, and `{written}` is {}",
            method.text,
            value.ty.name()
        );
        let help = match value.ty {
            Type::Ip => format!("write `{written} in [\"10.0.0.0/8\"]`"),
            Type::Timestamp => format!("write `{written} < timestamp(\"2026-11-11T00:00:00Z\")`"),
            Type::Bool => format!("write `{written}` or `!{written}`"),
            Type::Int | Type::Double | Type::String => {
                format!("compare it with a number: `{written} > 5`")
            }
        };
        self.error(Code::TypeMismatch, &method.range, message, help)
    }
}

fn viewed(value: Typed, view: View, ty: Type, range: &Range<usize>) -> Typed {
    let mut attribute = value.attribute;
    attribute.view = view;
    Typed {
        attribute,
        ty,
        range: range.clone(),
    }
}
