//! `==`, `!=`, `<` and their like between an attribute and a constant.

use core::{net::IpAddr, ops::Range};

use super::{
    Checker,
    scope::{Type, Typed},
};
use crate::{
    diagnostic::Code,
    front::{
        cel::{Comparator, Expr, ExprKind, Name},
        cidr,
        text::quoted,
    },
    ir::{Base, Comparison, Condition, Number, Prefix, Test},
};

/// The constant on the right.
enum Constant<'e> {
    Bool(bool),
    Number(Number),
    String(&'e str),
    Time(i64),
}

impl Constant<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a bool",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Time(_) => "a timestamp",
        }
    }
}

impl Checker<'_, '_, '_> {
    /// `left == right` and its like.
    pub(super) fn compare(
        &mut self,
        left: &Expr,
        comparator: Comparator,
        right: &Expr,
        range: &Range<usize>,
    ) -> Option<Condition> {
        if left.is_literal() || is_timestamp(left) {
            return self.constant_on_left(left, comparator, right);
        }
        let value = self.value(left);
        let constant = self.constant_right(right);
        let (value, constant) = value.zip(constant)?;
        let test = self.comparison(&value, comparator, &constant, right, range)?;
        let atom = self.atom(&value, test);
        Some(if comparator == Comparator::NotEqual {
            Condition::Not(Box::new(atom))
        } else {
            atom
        })
    }

    fn constant_on_left<T>(
        &mut self,
        left: &Expr,
        comparator: Comparator,
        right: &Expr,
    ) -> Option<T> {
        let help = if right.is_literal() {
            "write `true` or `false`".to_owned()
        } else {
            let mirrored = match comparator {
                Comparator::Less => Comparator::Greater,
                Comparator::LessOrEqual => Comparator::GreaterOrEqual,
                Comparator::Greater => Comparator::Less,
                Comparator::GreaterOrEqual => Comparator::LessOrEqual,
                same => same,
            };
            format!(
                "write `{} {} {}`",
                self.written(&right.range),
                mirrored.symbol(),
                self.written(&left.range)
            )
        };
        self.error(
            Code::ConstantOnLeft,
            &left.range,
            "the attribute stands on the left of a comparison",
            help,
        )
    }

    fn constant_right<'e>(&mut self, right: &'e Expr) -> Option<Constant<'e>> {
        match &right.kind {
            ExprKind::Bool(value) => Some(Constant::Bool(*value)),
            ExprKind::Int(value) => Some(Constant::Number(Number::Int(*value))),
            ExprKind::Double(value) => Some(Constant::Number(Number::Double(*value))),
            ExprKind::String(value) => Some(Constant::String(value)),
            ExprKind::Call {
                target: None,
                name,
                arguments,
            } if name.text == "timestamp" => self.timestamp(name, arguments).map(Constant::Time),
            ExprKind::List(_) => self.error(
                Code::TypeMismatch,
                &right.range,
                "nothing equals a list",
                "write `in [..]` to ask for one of several",
            ),
            _ => {
                let message = "two attributes cannot be compared";
                self.error(
                    Code::UnsupportedConstruct,
                    &right.range,
                    message,
                    "write a constant on the right, such as \"x\", 5 or true",
                )
            }
        }
    }

    fn comparison(
        &mut self,
        value: &Typed,
        comparator: Comparator,
        constant: &Constant<'_>,
        right: &Expr,
        range: &Range<usize>,
    ) -> Option<Test> {
        match (value.ty, constant) {
            (Type::String | Type::Ip | Type::Bool, _) if comparator.is_order() => {
                self.no_order(value, comparator, range)
            }
            (Type::String, Constant::String(text)) => {
                Some(Test::OneOf(vec![text.as_bytes().to_vec()]))
            }
            (Type::Bool, Constant::Bool(true)) => Some(Test::IsTrue),
            (Type::Bool, Constant::Bool(false)) => Some(Test::IsFalse),
            (Type::Ip, Constant::String(text)) => self.address(value, text, right),
            (Type::Int | Type::Double, Constant::Number(number)) => {
                Some(Test::Compare(comparison(comparator), *number))
            }
            (Type::Timestamp, Constant::Time(time_us)) => {
                let number = match value.attribute.base {
                    Base::Custom { .. } => seconds(*time_us),
                    _ => Number::Int(*time_us),
                };
                Some(Test::Compare(comparison(comparator), number))
            }
            _ => self.type_mismatch(value, comparator, constant, right),
        }
    }

    fn no_order<T>(
        &mut self,
        value: &Typed,
        comparator: Comparator,
        range: &Range<usize>,
    ) -> Option<T> {
        let written = self.written(&value.range);
        let symbol = comparator.symbol();
        let message = format!(
            "`{symbol}` takes numbers and timestamps, and `{written}` is {}",
            value.ty.name()
        );
        let help = match value.ty {
            Type::String => format!("write `int({written}) {symbol} 5` to compare it as a number"),
            Type::Ip => format!("write `{written} in [\"10.0.0.0/8\"]`"),
            _ => format!("write `{written}` or `!{written}`"),
        };
        self.error(Code::TypeMismatch, range, message, help)
    }

    /// Equality takes single addresses; `in` takes prefixes too.
    fn address(&mut self, value: &Typed, text: &str, right: &Expr) -> Option<Test> {
        let written = self.written(&value.range);
        match cidr::parse(text) {
            Ok(prefix) if is_single(prefix) && !text.contains('/') => {
                Some(Test::InPrefixes(vec![prefix]))
            }
            Ok(_) => {
                let message = format!("{} is a prefix, not one address", quoted(text));
                self.error(
                    Code::InvalidAddress,
                    &right.range,
                    message,
                    format!("write `{written} in [\"{text}\"]`"),
                )
            }
            Err(error) => {
                let message = format!("{} is not an IP address", quoted(text));
                self.error(
                    Code::InvalidAddress,
                    &right.range,
                    message,
                    error.to_string(),
                )
            }
        }
    }

    fn type_mismatch<T>(
        &mut self,
        value: &Typed,
        comparator: Comparator,
        constant: &Constant<'_>,
        right: &Expr,
    ) -> Option<T> {
        let (written, constant_text) = (self.written(&value.range), self.written(&right.range));
        let symbol = comparator.symbol();
        let message = format!(
            "`{written}` is {}, and {constant_text} is {}",
            value.ty.name(),
            constant.name()
        );
        let help = match (value.ty, constant) {
            (Type::String, Constant::Number(Number::Int(_))) => {
                format!(
                    "write `int({written}) {symbol} {constant_text}`, or put the constant into quotes"
                )
            }
            (Type::String, Constant::Number(Number::Double(_))) => {
                format!("write `double({written}) {symbol} {constant_text}`")
            }
            (Type::String, Constant::Time(_)) => {
                "compare `request.time` with a timestamp".to_owned()
            }
            (Type::String, _) => "put the constant into quotes".to_owned(),
            (Type::Int | Type::Double, _) => "write a number without quotes".to_owned(),
            (Type::Bool, _) => format!("write `{written}` or `!{written}`"),
            (Type::Ip, _) => format!("write an address in quotes: `{written} == \"192.0.2.1\"`"),
            (Type::Timestamp, _) => {
                format!("write `{written} {symbol} timestamp(\"2026-11-11T00:00:00Z\")`")
            }
        };
        self.error(Code::TypeMismatch, &right.range, message, help)
    }
}

fn comparison(comparator: Comparator) -> Comparison {
    match comparator {
        Comparator::Equal | Comparator::NotEqual => Comparison::Equal,
        Comparator::Less => Comparison::Less,
        Comparator::LessOrEqual => Comparison::LessOrEqual,
        Comparator::Greater => Comparison::Greater,
        Comparator::GreaterOrEqual => Comparison::GreaterOrEqual,
    }
}

/// As a custom filter tells a time: the nearest double to a decimal fraction is the nearest one to the quotient.
#[expect(
    clippy::cast_precision_loss,
    reason = "every microsecond of the years that timestamps have is a double"
)]
fn seconds(time_us: i64) -> Number {
    match time_us % 1_000_000 {
        0 => Number::Int(time_us / 1_000_000),
        _ => Number::Double(time_us as f64 / 1_000_000.0),
    }
}

fn is_single(prefix: Prefix) -> bool {
    match prefix.address {
        IpAddr::V4(_) => prefix.length == 32,
        IpAddr::V6(_) => prefix.length == 128,
    }
}

fn is_timestamp(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Call { target: None, name: Name { text, .. }, .. } if text == "timestamp")
}
