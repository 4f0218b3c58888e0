//! `stage` and `canary`: whether a rule's matches count, and for whom.

use super::{
    check,
    context::Context,
    environment::Environment,
    fields::Fields,
    limits::MAX_CANARY_KEYS,
    text::quoted,
    yaml::{Entry, Node, Style},
};
use crate::{
    diagnostic::Code,
    ir::{Attribute, Canary, Stage},
};

/// A stage by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Enforce,
    Shadow,
    Canary,
}

impl Context<'_> {
    /// A rule's `stage` with its `canary`.
    pub(crate) fn stage(
        &mut self,
        fields: &Fields<'_>,
        environment: &mut Environment,
    ) -> Option<Stage> {
        let words = [
            ("shadow", Word::Shadow),
            ("canary", Word::Canary),
            ("enforce", Word::Enforce),
        ];
        let node = fields.get("stage");
        let word = node.map_or(Some(Word::Enforce), |node| {
            self.choice(node, "`stage`", &words)
        });
        let canary = fields.entry("canary");
        // What is wrong with it is told even if the stage is wrong too.
        let share = canary.and_then(|entry| self.canary(&entry.value, environment));
        match (word?, node, canary) {
            (Word::Canary, Some(node), None) => self.canary_is_missing(node),
            (Word::Canary, ..) => share.map(Stage::Canary),
            (_, _, Some(entry)) => self.stage_is_another(entry),
            (Word::Enforce, ..) => Some(Stage::Enforce),
            (Word::Shadow, ..) => Some(Stage::Shadow),
        }
    }

    fn canary_is_missing<T>(&mut self, stage: &Node) -> Option<T> {
        let message = "a rule at stage canary has no `canary`";
        let diagnostic = self.diagnostic(Code::CanaryStage, &stage.range, message);
        self.report(diagnostic.help("add `canary: { percent: 5, by: [client.ip] }`"));
        None
    }

    fn stage_is_another<T>(&mut self, canary: &Entry) -> Option<T> {
        let message = "`canary` stands in a rule that is not at stage canary";
        let diagnostic = self.diagnostic(Code::CanaryStage, &canary.key_range, message);
        self.report(diagnostic.help("write `stage: canary`, or delete it"));
        None
    }

    fn canary(&mut self, node: &Node, environment: &mut Environment) -> Option<Canary> {
        let fields = self.fields(node, "`canary`", &["percent", "by"])?;
        let share = fields
            .require("percent", self)
            .and_then(|node| self.percent(node));
        let by = fields
            .require("by", self)
            .and_then(|node| self.canary_keys(node, environment));
        Some(Canary {
            share: share?,
            by: by?,
        })
    }

    /// In hundredths of a percent.
    fn percent(&mut self, node: &Node) -> Option<u16> {
        let scalar = self.scalar(node, "`percent`")?;
        let hundredths = hundredths(&scalar.text).filter(|_| scalar.style == Style::Plain);
        let share = hundredths.filter(|share| (1..=10_000).contains(share));
        if share.is_none() {
            let (code, message) = match hundredths {
                None => {
                    let text = quoted(&scalar.text);
                    let message =
                        format!("`percent` is a number with at most two decimals, not {text}");
                    (Code::WrongShape, message)
                }
                Some(_) => (
                    Code::OutOfRange,
                    "`percent` goes from 0.01 to 100".to_owned(),
                ),
            };
            let help = "write `5` or `0.25`, say, without quotes; `stage: shadow` enforces nothing, `stage: enforce` everything";
            self.report(self.diagnostic(code, &node.range, message).help(help));
        }
        share
    }

    fn canary_keys(
        &mut self,
        node: &Node,
        environment: &mut Environment,
    ) -> Option<Vec<Attribute>> {
        let items = self.sequence(node, "`by`")?;
        if items.is_empty() {
            let diagnostic = self.diagnostic(Code::WrongShape, &node.range, "`by` is empty");
            self.report(diagnostic.help("name what clients are told apart by: `[client.ip]`"));
            return None;
        }
        let help = "leave some out: a client is drawn by all of them together";
        let limit = MAX_CANARY_KEYS;
        self.within(items.len(), limit, "elements", &node.range, "`by`", help)?;
        let keys: Vec<_> = items
            .iter()
            .map(|item| check::key(self, item, "an element of `by`", environment))
            .collect();
        keys.into_iter().collect()
    }
}

/// A decimal number with at most two decimals, times a hundred.
fn hundredths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !are_digits(whole) || !are_digits(decimals) || decimals.len() > 2 {
        return None;
    }
    let whole: u16 = whole.parse().unwrap_or(u16::MAX);
    let decimals: u16 = format!("{decimals:0<2}").parse().ok()?;
    Some(whole.saturating_mul(100).saturating_add(decimals))
}

#[cfg(test)]
mod tests {
    use super::hundredths;

    #[test]
    fn percents() {
        let cases = [
            ("5", Some(500)),
            ("0.01", Some(1)),
            ("0.1", Some(10)),
            ("100.00", Some(10_000)),
            ("007", Some(700)),
            ("99999999999999999999", Some(u16::MAX)),
            ("0.001", None),
            ("5.", None),
            (".5", None),
            ("-1", None),
            ("+1", None),
            ("1e1", None),
            ("5%", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(hundredths(text), expected, "{text:?}");
        }
    }
}
