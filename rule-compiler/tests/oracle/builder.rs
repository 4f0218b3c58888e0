//! Small rulesets and requests, in few words.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use riskgate_compiler::automaton::Pattern;
use riskgate_compiler::front::pattern::to_hir;
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
        counters: Vec::new(),
        rules,
        custom_attributes: BTreeSet::new(),
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

/// More than one ruleset names; a long run sees ever new ones.
const MAX_KEPT: usize = 1_000;

/// `.matches(text)`. The same pattern is compiled once: random rulesets take theirs from a small stock.
pub(crate) fn matches(text: &str) -> Test {
    COMPILED.with_borrow_mut(|compiled| {
        let compile = || {
            let hir = to_hir(text).expect("a pattern");
            Pattern::compile(text, &hir).expect("a small pattern")
        };
        if compiled.len() >= MAX_KEPT {
            compiled.clear();
        }
        let pattern = compiled.entry(text.to_owned()).or_insert_with(compile);
        Test::Matches(pattern.clone())
    })
}

thread_local! {
    static COMPILED: RefCell<HashMap<String, Pattern>> = RefCell::default();
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
