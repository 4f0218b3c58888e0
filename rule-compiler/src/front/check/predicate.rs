//! `has(a)` and the methods that test a string.

use core::ops::Range;

use super::Checker;
use crate::{
    diagnostic::Code,
    front::{
        cel::{Expr, Name, place_in_literal},
        environment::PatternProblem,
        pattern::PatternError,
    },
    ir::{Condition, Test},
};

impl Checker<'_, '_, '_> {
    /// `has(a)`.
    pub(super) fn presence(&mut self, name: &Name, arguments: &[Expr]) -> Option<Condition> {
        let argument = self.one_argument(name, arguments)?;
        let value = self.value(argument)?;
        self.no_counter(&value)?;
        Some(self.atom(&value, Test::Present))
    }

    /// `a.startsWith("x")` and its like.
    pub(super) fn predicate(
        &mut self,
        target: &Expr,
        name: &Name,
        arguments: &[Expr],
    ) -> Option<Condition> {
        let value = self.string_target(target, name);
        let argument = self.string_argument(name, arguments);
        let (value, (text, range)) = value.zip(argument)?;
        let bytes = text.as_bytes().to_vec();
        let test = match name.text.as_str() {
            "matches" => self.pattern(text, range)?,
            // Every value holds the empty string.
            _ if bytes.is_empty() => Test::Present,
            "startsWith" => Test::StartsWith(bytes),
            "endsWith" => Test::EndsWith(bytes),
            _ => Test::Contains(bytes),
        };
        Some(self.atom(&value, test))
    }

    fn pattern(&mut self, text: &str, literal: &Range<usize>) -> Option<Test> {
        match self.environment.pattern(text) {
            Ok(pattern) => Some(Test::Matches(pattern)),
            Err(PatternProblem::TooLarge) => {
                let message = "the automaton of this regex takes more than 1 MB";
                let help = "use smaller counts in `{..}`, or split it into conditions joined with `&&` or `||`";
                self.error(Code::PatternTooLarge, literal, message, help)
            }
            Err(PatternProblem::Syntax(PatternError {
                message,
                range,
                help,
            })) => {
                let place = place_in_literal(&self.scalar.text, literal, &range);
                self.error(Code::InvalidPattern, &place, message, help)
            }
        }
    }
}
