//! Names that have a meaning only in some places: counters and what a request was answered with.

use core::ops::Range;

use super::{
    Checker,
    attribute::typed,
    scope::{Type, Typed},
};
use crate::{diagnostic::Code, front::text::quoted, ir::Base};

/// What an expression is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Placement {
    /// A rule, or what else a request decides.
    #[default]
    Request,
    /// The condition under which a counter counts.
    CountWhen,
    /// What tells the keys or the values of a counter apart.
    CounterKey,
}

impl Checker<'_, '_, '_> {
    /// An attribute where it can be known.
    pub(super) fn placed(&mut self, value: Typed) -> Option<Typed> {
        let is_known = self.environment.placement == Placement::CountWhen;
        if is_known || !value.attribute.base.is_of_response() {
            return Some(value);
        }
        let message = "nothing is known of the response here: a request is decided before it";
        let help = match self.environment.placement {
            Placement::Request => {
                "count responses: use it in the `count_when` of a counter, and compare the counter"
            }
            Placement::CountWhen | Placement::CounterKey => {
                "use it in `count_when`; a key consists of what the request has"
            }
        };
        self.error(Code::MisplacedResponse, &value.range, message, help)
    }

    /// `counters.name`.
    pub(super) fn counter(&mut self, path: &str, range: &Range<usize>) -> Option<Typed> {
        if self.environment.placement != Placement::Request {
            let message = "a counter cannot depend on a counter";
            let help = "write what the request or the response has to be";
            return self.error(Code::MisplacedCounter, range, message, help);
        }
        let name = path.strip_prefix("counters.").unwrap_or_default();
        let Some(index) = self.environment.counters.use_named(name) else {
            let message = match name {
                "" => "`counters` needs a name".to_owned(),
                name => format!("there is no counter {}", quoted(name)),
            };
            let help = self.environment.counters.suggest(name);
            return self.error(Code::UnknownCounter, range, message, help);
        };
        Some(typed(Base::Counter(index), Type::Int, range))
    }

    /// Complains about a counter that something else is asked of than its number.
    pub(super) fn no_counter(&mut self, value: &Typed) -> Option<()> {
        if !value.attribute.base.is_counter() {
            return Some(());
        }
        let written = self.written(&value.range);
        let message = "a counter is a number, and is never absent";
        let help = format!("compare it: `{written} > 0`");
        self.error(Code::MisplacedCounter, &value.range, message, help)
    }
}
