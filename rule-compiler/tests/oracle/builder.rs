//! Small rulesets and requests, in few words.

use riskgate_compiler::ir::{
    Active, Atom, Attribute, Base, Condition, OnExpired, Origin, Outcome, Rule, Ruleset, Stage,
    Terminal, Test, View,
};

use super::generate::{Bytes, RequestCase};

/// A ruleset that allows what no rule decides.
pub(crate) fn ruleset(rules: Vec<Rule>) -> Ruleset {
    Ruleset {
        name: "small".to_owned(),
        ttl_s: 3600,
        on_expired: OnExpired::Keep,
        default: Terminal::Allow,
        bands: Vec::new(),
        lists: Vec::new(),
        rules,
    }
}

/// One rule for each condition, with its place as its id.
pub(crate) fn rules(conditions: impl IntoIterator<Item = Condition>) -> Vec<Rule> {
    conditions
        .into_iter()
        .enumerate()
        .map(|(at, when)| rule(&at.to_string(), when))
        .collect()
}

/// A rule that marks a match and does nothing else.
pub(crate) fn rule(id: &str, when: Condition) -> Rule {
    Rule {
        id: id.to_owned(),
        description: None,
        owner: None,
        ticket: None,
        severity: None,
        labels: Vec::new(),
        priority: 0,
        stage: Stage::Enforce,
        active: Active::default(),
        when,
        then: Outcome {
            terminal: None,
            score: Some(0),
            tags: Vec::new(),
        },
        origin: Origin {
            file: "a.rules.yaml".to_owned(),
            line: 1,
        },
    }
}

pub(crate) fn value_of(base: Base) -> Attribute {
    Attribute {
        base,
        transforms: Vec::new(),
        view: View::Value,
    }
}

pub(crate) fn atom(attribute: Attribute, test: Test) -> Condition {
    Condition::Atom(Atom { attribute, test })
}

pub(crate) fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

pub(crate) fn x_header() -> Base {
    Base::Header("x".to_owned())
}

/// A request with these values of the header `x`.
pub(crate) fn with_x(values: &[&[u8]]) -> RequestCase {
    let header = |value: &&[u8]| (Bytes(b"x".to_vec()), Bytes(value.to_vec()));
    RequestCase {
        headers: values.iter().map(header).collect(),
        ..RequestCase::default()
    }
}
