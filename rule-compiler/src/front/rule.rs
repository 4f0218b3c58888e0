//! A rule: everything between one `- id:` and the next.

use std::collections::HashMap;

use super::{
    context::Context,
    environment::Environment,
    fields::{Fields, optional},
    limits::{MAX_DESCRIPTION_LEN, MAX_LABELS, MAX_NOTE_LEN, MAX_SCORE},
    lint, name,
    text::quoted,
    time,
    when::{self, When},
    yaml::{Kind, Node},
};
use crate::{
    diagnostic::{Code, Position, Span},
    ir::{Active, Origin, Rule, Severity},
};

/// In the order in which `rulec fmt` puts them.
pub(crate) const KEYS: [&str; 13] = [
    "id",
    "description",
    "owner",
    "ticket",
    "severity",
    "tags",
    "suppress",
    "priority",
    "stage",
    "canary",
    "active",
    "when",
    "then",
];

/// What the rules of a ruleset share.
#[derive(Default)]
pub(crate) struct Scope {
    /// What their conditions refer to.
    pub(crate) environment: Environment,
    /// The time, if that is known.
    now_us: Option<i64>,
    /// The rules read so far.
    ids: HashMap<String, Span>,
    /// For each rule the places of its atoms, where these are wanted.
    pub(crate) atom_places: Option<Vec<Vec<AtomPlace>>>,
}

/// Where an atom of a condition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtomPlace {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl Scope {
    /// Where the ids of these rules stand.
    pub(crate) fn places(&self, rules: &[Rule]) -> Vec<Span> {
        let places = rules.iter().map(|rule| self.ids.get(&rule.id).cloned());
        places.flatten().collect()
    }

    /// No rules yet.
    pub(crate) fn new(environment: Environment, now_us: Option<i64>) -> Self {
        Self {
            environment,
            now_us,
            ids: HashMap::new(),
            atom_places: None,
        }
    }
}

impl Context<'_> {
    /// One element of `rules`.
    pub(crate) fn rule(&mut self, node: &Node, scope: &mut Scope) -> Option<Rule> {
        self.diagnostics.about(written_id(node));
        let fields = self.fields(node, "a rule", &KEYS);
        let rule = fields.and_then(|fields| self.read_rule(node, &fields, scope));
        self.diagnostics.about(None);
        rule
    }

    fn read_rule(&mut self, node: &Node, fields: &Fields<'_>, scope: &mut Scope) -> Option<Rule> {
        let id = fields
            .require("id", self)
            .and_then(|node| self.rule_id(node, scope));
        let suppressions = self.suppressions(fields);
        let description = self.note(
            fields.get("description"),
            "`description`",
            MAX_DESCRIPTION_LEN,
        );
        let owner = self.note(fields.get("owner"), "`owner`", MAX_NOTE_LEN);
        let ticket = self.note(fields.get("ticket"), "`ticket`", MAX_NOTE_LEN);
        let severity = optional(fields.get("severity"), None, |node| {
            self.severity(node).map(Some)
        });
        let labels = optional(fields.get("tags"), Vec::new(), |node| self.labels(node));
        let priority = optional(fields.get("priority"), 0, |node| self.priority(node));
        let stage = self.stage(fields, &mut scope.environment);
        let active = optional(fields.get("active"), Active::default(), |node| {
            self.active(node)
        });
        let when_node = fields.require("when", self);
        let when = when_node.and_then(|node| when::read(self, node, &mut scope.environment));
        let outcome = fields
            .require("then", self)
            .and_then(|node| self.outcome(node));
        let (when, then) = (when?, outcome?);
        self.keep_places(&when, scope);
        let window = fields.get("active");
        lint::rule(
            self,
            &lint::Subject {
                node: when_node?,
                when: &when,
                then: &then,
                active: active.zip(window),
                lists: &scope.environment.lists,
                now_us: scope.now_us,
            },
        );
        suppressions?;
        Some(Rule {
            id: id?,
            description: description?,
            owner: owner?,
            ticket: ticket?,
            severity: severity?,
            labels: labels?,
            priority: priority?,
            stage: stage?,
            active: active?,
            when: lint::fold(when.condition),
            then,
            origin: Origin {
                file: self.file_name().to_owned(),
                line: self.line(node.range.start),
            },
        })
    }

    fn keep_places(&self, when: &When<'_>, scope: &mut Scope) {
        if let Some(places) = &mut scope.atom_places {
            places.push(self.places(when));
        }
    }

    /// Of the atoms that are left of a condition without its constants.
    fn places(&self, when: &When<'_>) -> Vec<AtomPlace> {
        let kept = lint::kept_atoms(&when.condition);
        let places = kept.iter().filter_map(|index| when.atoms.get(*index));
        places
            .map(|place| {
                let Position { line, column } = self.position(place.range(self).start);
                AtomPlace {
                    file: self.file_name().to_owned(),
                    line,
                    column,
                }
            })
            .collect()
    }

    fn rule_id(&mut self, node: &Node, scope: &mut Scope) -> Option<String> {
        let id = self.name(node, &name::RULE)?;
        let span = self.span(&node.range);
        if let Some(first) = scope.ids.get(&id) {
            let diagnostic = self.diagnostic(
                Code::DuplicateRule,
                &node.range,
                format!("two rules have the id {}", quoted(&id)),
            );
            self.report(
                diagnostic
                    .related(first.clone(), "first here")
                    .help("give each rule an id of its own"),
            );
            return None;
        }
        scope.ids.insert(id.clone(), span);
        Some(id)
    }

    fn note(&mut self, node: Option<&Node>, what: &str, limit: usize) -> Option<Option<String>> {
        optional(node, None, |node| {
            Some(Some(self.text(node, what, limit)?.to_owned()))
        })
    }

    fn severity(&mut self, node: &Node) -> Option<Severity> {
        let words = [
            ("low", Severity::Low),
            ("medium", Severity::Medium),
            ("high", Severity::High),
            ("critical", Severity::Critical),
        ];
        self.choice(node, "`severity`", &words)
    }

    fn labels(&mut self, node: &Node) -> Option<Vec<String>> {
        let items = self.sequence(node, "`tags`")?;
        self.within(
            items.len(),
            MAX_LABELS,
            "elements",
            &node.range,
            "`tags`",
            "leave some out",
        )?;
        let labels: Vec<_> = items
            .iter()
            .map(|item| self.name(item, &name::LABEL))
            .collect();
        labels.into_iter().collect()
    }

    fn priority(&mut self, node: &Node) -> Option<i32> {
        i32::try_from(self.integer(node, "`priority`", -MAX_SCORE..=MAX_SCORE)?).ok()
    }

    fn active(&mut self, node: &Node) -> Option<Active> {
        let fields = self.fields(node, "`active`", &["from", "until"])?;
        let from_us = optional(fields.get("from"), None, |node| {
            self.time(node, "`from`").map(Some)
        })?;
        let until_us = optional(fields.get("until"), None, |node| {
            self.time(node, "`until`").map(Some)
        })?;
        let problem = match (from_us, until_us) {
            (None, None) => Some("`active` has neither `from` nor `until`"),
            (Some(from), Some(until)) if from >= until => {
                Some("`until` is not later than `from`: the rule never matches")
            }
            _ => None,
        };
        let Some(message) = problem else {
            return Some(Active { from_us, until_us });
        };
        let range = fields
            .get("until")
            .map_or(&node.range, |until| &until.range);
        self.report(
            self.diagnostic(Code::EmptyWindow, range, message)
                .help("a rule is active while `from <= time < until`"),
        );
        None
    }

    fn time(&mut self, node: &Node, what: &str) -> Option<i64> {
        let text = &self.scalar(node, what)?.text;
        match time::parse(text) {
            Ok(time_us) => Some(time_us),
            Err(error) => {
                let message = format!("{} is not a time", quoted(text));
                self.report(
                    self.diagnostic(Code::InvalidTime, &node.range, message)
                        .help(error.to_string()),
                );
                None
            }
        }
    }
}

/// The id of a rule as it stands there, good or bad.
fn written_id(node: &Node) -> Option<&str> {
    let Kind::Mapping(entries) = &node.kind else {
        return None;
    };
    let id = entries.iter().find(|entry| entry.key == "id")?;
    match &id.value.kind {
        Kind::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}
