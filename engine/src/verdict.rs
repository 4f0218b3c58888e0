//! What was decided, and why.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::actions::{Action as StoredAction, ActionKind, TemplateKind};
use crate::attributes::Base;
use crate::derive::single_value;
use crate::evaluate::Scratch;
use crate::request::Request;
use crate::rules::{NO_ACTION, Rule};
use crate::sections::Sections;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It goes on to the upstream.
    Allow,
    /// It is refused.
    Deny,
    /// It is answered with a challenge.
    Challenge,
}

impl Action {
    /// Its name in rules and verdicts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Allow => "allow",
            Action::Deny => "deny",
            Action::Challenge => "challenge",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<ActionKind> for Action {
    fn from(kind: ActionKind) -> Action {
        match kind {
            ActionKind::Allow => Action::Allow,
            ActionKind::Deny => Action::Deny,
            ActionKind::Challenge | ActionKind::Redirect => Action::Challenge,
        }
    }
}

/// What decided.
#[derive(Debug, Clone, Copy)]
enum Decider {
    Rule(Rule),
    Band(i64),
    Default,
}

/// A decision. It borrows the ruleset and the scratch it was made with.
#[derive(Debug)]
pub struct Verdict<'a> {
    sections: &'a Sections,
    scratch: &'a Scratch,
    decider: Decider,
    action: Option<StoredAction>,
    score: Option<i64>,
    would: Action,
}

impl<'a> Verdict<'a> {
    /// Draws the conclusion from the matches in `scratch`.
    pub(crate) fn new(sections: &'a Sections, scratch: &'a Scratch) -> Verdict<'a> {
        let enforced = scratch
            .by_rank
            .iter()
            .filter_map(|(_, index)| sections.rules.get(*index));
        let first = enforced.clone().find(|rule| rule.action != NO_ACTION);
        let score = total_score(enforced);
        let (decider, action) = conclude(sections, first, score);
        Verdict {
            sections,
            scratch,
            decider,
            action,
            score,
            would: would(sections, scratch, score),
        }
    }

    /// What happens to the request.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
            .map_or(Action::Allow, |action| action.kind.into())
    }

    /// HTTP status of the local reply; `None` for allow.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.action
            .filter(|action| action.kind != ActionKind::Allow)
            .map(|action| action.status)
    }

    /// The rule that decided.
    #[must_use]
    pub fn rule(&self) -> Option<&'a str> {
        match self.decider {
            Decider::Rule(rule) => Some(self.sections.strings.text(rule.id)),
            Decider::Band(_) | Decider::Default => None,
        }
    }

    /// `at_least` of the score band that decided.
    #[must_use]
    pub fn band(&self) -> Option<i64> {
        match self.decider {
            Decider::Band(at_least) => Some(at_least),
            Decider::Rule(_) | Decider::Default => None,
        }
    }

    /// The sum of the enforced matches' scores.
    #[must_use]
    pub fn score(&self) -> i64 {
        self.score.unwrap_or_default()
    }

    /// Whether any enforced match scored.
    #[must_use]
    pub fn is_scored(&self) -> bool {
        self.score.is_some()
    }

    /// Name and value; of several values for one name only the first in the order of decision.
    pub fn tags(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let strings = &self.sections.strings;
        let tags = self.scratch.tags.iter();
        tags.map(|(name, _, value)| (strings.text(*name), strings.text(*value)))
    }

    /// The enforced matches, in source order.
    pub fn matched(&self) -> impl Iterator<Item = &'a str> {
        self.ids(&self.scratch.matched)
    }

    /// The other matches, in source order.
    pub fn shadowed(&self) -> impl Iterator<Item = &'a str> {
        self.ids(&self.scratch.shadowed)
    }

    /// The action had all matches been enforced.
    #[must_use]
    pub fn would(&self) -> Action {
        self.would
    }

    /// Whether a rule that was not ruled out by the rest of the request reads JSON from the body, and the body is none. Its
    /// JSON attributes were absent then.
    #[must_use]
    pub fn has_malformed_body(&self) -> bool {
        self.scratch.has_malformed_body()
    }

    /// What to answer instead of the upstream; `None` for allow. `request` is the one that was decided.
    #[must_use]
    pub fn reply(&self, request: &Request<'_>) -> Option<LocalReply> {
        let action = self
            .action
            .filter(|action| action.kind != ActionKind::Allow)?;
        let strings = &self.sections.strings;
        let stored = self.sections.actions.headers(&action);
        let mut headers: Vec<(String, Vec<u8>)> = stored
            .map(|(name, value)| (strings.text(name).to_string(), strings.get(value).to_vec()))
            .collect();
        if action.kind == ActionKind::Redirect {
            headers.push(("location".to_string(), self.location(&action, request)));
        }
        Some(LocalReply {
            status: action.status,
            headers,
            body: strings.get(action.body).to_vec(),
        })
    }

    fn location(&self, action: &StoredAction, request: &Request<'_>) -> Vec<u8> {
        let strings = &self.sections.strings;
        let mut location = Vec::new();
        for part in self.sections.actions.template(action) {
            match part.kind {
                TemplateKind::Literal => location.extend_from_slice(strings.get(part.text)),
                TemplateKind::Path => percent_encode(request.path, &mut location),
                TemplateKind::Host => percent_encode(request.host, &mut location),
                TemplateKind::UrlPath => {
                    percent_encode(single_value(Base::UrlPath, request), &mut location);
                }
                TemplateKind::RuleId => {
                    percent_encode(self.rule().map(str::as_bytes), &mut location);
                }
            }
        }
        location
    }

    fn ids(&self, rules: &'a [u32]) -> impl Iterator<Item = &'a str> + use<'a> {
        let sections = self.sections;
        let rules = rules
            .iter()
            .filter_map(move |index| sections.rules.get(*index));
        rules.map(move |rule| sections.strings.text(rule.id))
    }
}

/// What to answer instead of the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case; a redirect's `location` is among them.
    pub headers: Vec<(String, Vec<u8>)>,
    /// May be empty.
    pub body: Vec<u8>,
}

/// `None` if no rule scored.
fn total_score(rules: impl Iterator<Item = Rule>) -> Option<i64> {
    rules
        .filter_map(|rule| rule.score)
        .fold(None, |total: Option<i64>, score| {
            Some(total.unwrap_or_default().saturating_add(score.into()))
        })
}

/// A rule's action, or else the highest band reached, or else the default.
fn conclude(
    sections: &Sections,
    first: Option<Rule>,
    score: Option<i64>,
) -> (Decider, Option<StoredAction>) {
    if let Some(rule) = first {
        return (Decider::Rule(rule), sections.actions.get(rule.action));
    }
    let score = score.unwrap_or_default();
    if let Some(band) = sections.policy.bands().find(|band| score >= band.at_least) {
        return (
            Decider::Band(band.at_least),
            sections.actions.get(band.action),
        );
    }
    (
        Decider::Default,
        sections.actions.get(sections.policy.default_action()),
    )
}

fn would<'a>(sections: &'a Sections, scratch: &'a Scratch, enforced_score: Option<i64>) -> Action {
    let rules = |indices: &'a [u32]| {
        indices
            .iter()
            .filter_map(|index| sections.rules.get(*index))
    };
    let all = rules(&scratch.matched).chain(rules(&scratch.shadowed));
    let first = all
        .filter(|rule| rule.action != NO_ACTION)
        .min_by_key(|rule| rule.rank);
    let shadow_score = total_score(rules(&scratch.shadowed));
    let score = match (enforced_score, shadow_score) {
        (Some(enforced), Some(shadowed)) => Some(enforced.saturating_add(shadowed)),
        (enforced, shadowed) => enforced.or(shadowed),
    };
    let (_, action) = conclude(sections, first, score);
    action.map_or(Action::Allow, |action| action.kind.into())
}

/// Every byte but the unreserved ones of RFC 3986, so that a placeholder can never leave its place in the URL.
fn percent_encode(value: Option<&[u8]>, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in value.unwrap_or_default() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
}
