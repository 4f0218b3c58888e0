//! What the conditions of a ruleset share.

use std::collections::HashMap;

use super::{
    check::Placement,
    counter::Counters,
    custom::CustomAttributes,
    list::Lists,
    pattern::{self, PatternError},
};
use crate::automaton::{Pattern, TooLarge};

/// What conditions refer to.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// The lists and which of them are in use.
    pub(crate) lists: Lists,
    /// The counters and which of them are in use.
    pub(crate) counters: Counters,
    /// What a custom filter knows of requests.
    pub(crate) custom: CustomAttributes,
    /// What the expressions that are read are for.
    pub(crate) placement: Placement,
    patterns: HashMap<String, Result<Pattern, TooLarge>>,
}

/// Why there is no automaton for a pattern.
#[derive(Debug)]
pub(crate) enum PatternProblem {
    /// It is none.
    Syntax(PatternError),
    /// Its automaton is too large.
    TooLarge,
}

impl Environment {
    /// With these lists.
    pub(crate) fn new(lists: Lists) -> Self {
        Self {
            lists,
            ..Self::default()
        }
    }

    /// The pattern of that text, which is compiled where it is first met.
    pub(crate) fn pattern(&mut self, text: &str) -> Result<Pattern, PatternProblem> {
        let known = match self.patterns.get(text) {
            Some(known) => known.clone(),
            None => {
                let hir = pattern::to_hir(text).map_err(PatternProblem::Syntax)?;
                let compiled = Pattern::compile(text, &hir);
                self.patterns.insert(text.to_owned(), compiled.clone());
                compiled
            }
        };
        known.map_err(|TooLarge| PatternProblem::TooLarge)
    }
}
