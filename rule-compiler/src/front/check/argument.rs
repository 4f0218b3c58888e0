//! Arguments of functions and methods.

use core::ops::Range;

use super::Checker;
use crate::{
    diagnostic::Code,
    front::{
        cel::{Expr, ExprKind, Name},
        text::quoted,
        time,
    },
};

impl Checker<'_, '_, '_> {
    /// The only argument.
    pub(super) fn one_argument<'e>(
        &mut self,
        name: &Name,
        arguments: &'e [Expr],
    ) -> Option<&'e Expr> {
        match arguments {
            [argument] => Some(argument),
            _ => {
                let message = format!(
                    "`{}` takes one argument, not {}",
                    name.text,
                    arguments.len()
                );
                self.error(
                    Code::InvalidArgument,
                    &name.range,
                    message,
                    "join several calls with `||` or `&&`",
                )
            }
        }
    }

    /// `()`.
    pub(super) fn no_arguments(&mut self, name: &Name, arguments: &[Expr]) -> Option<()> {
        let Some(first) = arguments.first() else {
            return Some(());
        };
        let message = format!("`{}` takes no argument", name.text);
        self.error(
            Code::InvalidArgument,
            &first.range,
            message,
            format!("write `.{}()`", name.text),
        )
    }

    /// The only argument, which is a string that is written out.
    pub(super) fn string_argument<'e>(
        &mut self,
        name: &Name,
        arguments: &'e [Expr],
    ) -> Option<(&'e str, &'e Range<usize>)> {
        let argument = self.one_argument(name, arguments)?;
        match &argument.kind {
            ExprKind::String(value) => Some((value, &argument.range)),
            _ => {
                let message = format!(
                    "the argument of `{}` is a string that is written out",
                    name.text
                );
                self.error(
                    Code::InvalidArgument,
                    &argument.range,
                    message,
                    "put the text into quotes",
                )
            }
        }
    }

    /// The microseconds of `timestamp("..")`, the only call that is a constant.
    pub(super) fn timestamp(&mut self, name: &Name, arguments: &[Expr]) -> Option<i64> {
        let (text, range) = self.string_argument(name, arguments)?;
        match time::parse(text) {
            Ok(time_us) => Some(time_us),
            Err(error) => self.error(
                Code::InvalidTime,
                range,
                format!("{} is not a time", quoted(text)),
                error.to_string(),
            ),
        }
    }
}
