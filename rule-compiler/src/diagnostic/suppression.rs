//! Warnings that an author has answered with a reason.

use std::collections::BTreeMap;

use super::{Code, Diagnostic, Span};

/// A warning that is not shown, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// The warning.
    pub diagnostic: Diagnostic,
    /// The author's reason.
    pub reason: String,
}

/// What the author wrote.
#[derive(Debug)]
pub(crate) struct Suppression {
    /// Why.
    pub(crate) reason: String,
    /// Where it stands.
    pub(crate) span: Span,
    /// Whether a warning was answered by it.
    used: bool,
}

/// The rule that warnings are about, or nothing for all of the ruleset; and their code.
type Subject = (Option<String>, Code);

/// All suppressions of a ruleset.
#[derive(Debug, Default)]
pub(crate) struct Suppressions(BTreeMap<Subject, Suppression>);

impl Suppressions {
    /// Adds one; the first of two for the same stays, and the second is told of.
    pub(crate) fn add(
        &mut self,
        rule: Option<String>,
        code: Code,
        reason: String,
        span: Span,
    ) -> Result<(), Span> {
        let subject = (rule, code);
        if let Some(first) = self.0.get(&subject) {
            return Err(first.span.clone());
        }
        let used = false;
        self.0.insert(subject, Suppression { reason, span, used });
        Ok(())
    }

    /// The reason not to show a warning, if there is one: its rule's own, or that of the ruleset.
    pub(super) fn reason(&mut self, diagnostic: &Diagnostic) -> Option<String> {
        // The map is empty in most rulesets, and a key for the look-up is a copy of the id.
        if self.0.is_empty() {
            return None;
        }
        let own = (diagnostic.rule.clone(), diagnostic.code);
        let general = (None, diagnostic.code);
        let subject = if self.0.contains_key(&own) {
            own
        } else {
            general
        };
        let suppression = self.0.get_mut(&subject)?;
        suppression.used = true;
        Some(suppression.reason.clone())
    }

    /// Those that no warning was answered by, with their rules and codes.
    pub(crate) fn unused(&self) -> impl Iterator<Item = (Option<&str>, Code, &Span)> {
        let unused = self.0.iter().filter(|(_, suppression)| !suppression.used);
        unused.map(|((rule, code), suppression)| (rule.as_deref(), *code, &suppression.span))
    }
}
