//! Counters: what they count, and which of them conditions use.

use std::collections::HashMap;

use super::{
    check::{self, Placement},
    context::Context,
    environment::Environment,
    fields::{Fields, optional},
    limits::{MAX_COUNTER_MEMORY, MAX_COUNTER_PARTS, MAX_COUNTERS, MAX_REQUEST_ATOMS},
    lint, name,
    text::did_you_mean,
    when,
    yaml::{Entry, Node},
};
use crate::{
    diagnostic::{Code, Span},
    ir::{Atom, Attribute, Condition, Counter},
};
use riskgate_engine::counters::most_keys;

const KEYS: [&str; 5] = ["key", "count_when", "distinct", "window", "max_keys"];

/// A counter that conditions can name. One with errors is there too, so that its uses are not reported as unknown.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) counter: Option<Counter>,
    pub(crate) used: bool,
}

/// The counters of a ruleset.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    pub(crate) definitions: Vec<Definition>,
    by_name: HashMap<String, usize>,
}

impl Counters {
    /// The index of the counter of that name, which is in use from now on.
    pub(crate) fn use_named(&mut self, name: &str) -> Option<usize> {
        let index = *self.by_name.get(name)?;
        self.definitions.get_mut(index)?.used = true;
        Some(index)
    }

    /// A remedy for an unknown name.
    pub(crate) fn suggest(&self, name: &str) -> String {
        let definitions = self.definitions.iter();
        let names: Vec<&str> = definitions.map(|counter| counter.name.as_str()).collect();
        if names.is_empty() {
            "define it under `counters` in ruleset.yaml".to_owned()
        } else {
            did_you_mean(name, &names)
        }
    }

    /// The counters for the ruleset, if none has errors.
    pub(crate) fn finish(self) -> Option<Vec<Counter>> {
        let definitions = self.definitions.into_iter();
        definitions.map(|definition| definition.counter).collect()
    }
}

/// The `counters` of `ruleset.yaml`.
pub(crate) fn read(cx: &mut Context<'_>, node: &Node, environment: &mut Environment) {
    let entries = cx.entries(node, "`counters`").unwrap_or_default();
    let help = "count what several rules ask for once";
    let (count, limit) = (entries.len(), MAX_COUNTERS);
    if cx
        .within(count, limit, "counters", &node.range, "`counters`", help)
        .is_none()
    {
        return;
    }
    let definitions = entries.iter().map(|entry| cx.counter(entry, environment));
    let definitions: Vec<Definition> = definitions.collect();
    cx.memory(&definitions);
    let names = (0..).zip(&definitions);
    let by_name = names.map(|(index, counter)| (counter.name.clone(), index));
    environment.counters = Counters {
        by_name: by_name.collect(),
        definitions,
    };
}

impl Context<'_> {
    fn counter(&mut self, entry: &Entry, environment: &mut Environment) -> Definition {
        let Entry {
            key,
            key_range,
            value,
        } = entry;
        let named = self.check_name(key, key_range, &name::COUNTER);
        let counter = self.define_counter(key, value, environment);
        environment.placement = Placement::default();
        Definition {
            name: key.clone(),
            name_span: self.span(key_range),
            counter: counter.filter(|_| named.is_some()),
            used: false,
        }
    }

    fn define_counter(
        &mut self,
        name: &str,
        node: &Node,
        environment: &mut Environment,
    ) -> Option<Counter> {
        let fields = self.fields(node, "a counter", &KEYS)?;
        environment.placement = Placement::CounterKey;
        let key = fields
            .require("key", self)
            .and_then(|node| self.parts(node, environment));
        let distinct = optional(fields.get("distinct"), None, |node| {
            check::key(self, node, "`distinct`", environment).map(Some)
        });
        environment.placement = Placement::CountWhen;
        let count_when = optional(
            fields.get("count_when"),
            Condition::Constant(true),
            |node| self.count_when(node, environment),
        );
        let window = fields.require("window", self);
        let window_ms = window.and_then(|node| self.window(node));
        let max_keys = self.max_keys(&fields);
        Some(Counter {
            name: name.to_owned(),
            key: key?,
            count_when: count_when?,
            distinct: distinct?,
            window_ms: window_ms?,
            max_keys: max_keys?,
        })
    }

    fn parts(&mut self, node: &Node, environment: &mut Environment) -> Option<Vec<Attribute>> {
        let items = self.sequence(node, "`key`")?;
        if items.is_empty() {
            let diagnostic = self.diagnostic(Code::WrongShape, &node.range, "`key` is empty");
            self.report(diagnostic.help("name what is counted apart: `[client.ip]`"));
            return None;
        }
        let help = "leave some out: each different combination is counted by itself";
        let (count, limit) = (items.len(), MAX_COUNTER_PARTS);
        self.within(count, limit, "elements", &node.range, "`key`", help)?;
        let parts: Vec<_> = items
            .iter()
            .map(|item| check::key(self, item, "an element of `key`", environment))
            .collect();
        parts.into_iter().collect()
    }

    fn count_when(&mut self, node: &Node, environment: &mut Environment) -> Option<Condition> {
        let when = when::read(self, node, environment)?;
        lint::count_when(self, node, &when, &environment.lists);
        let condition = when.condition;
        let (mut of_request, mut of_response): (Vec<&Atom>, bool) = (Vec::new(), false);
        for atom in condition.atoms() {
            if atom.attribute.base.is_of_response() {
                of_response = true;
            } else if !of_request.contains(&atom) {
                of_request.push(atom);
            }
        }
        if of_response {
            let what = "a `count_when` that waits for the response";
            let help = "test for a list of values at once: `request.path in lists.name`";
            let (count, limit) = (of_request.len(), MAX_REQUEST_ATOMS);
            let unit = "tests of the request";
            self.within(count, limit, unit, &node.range, what, help)?;
        }
        Some(condition)
    }

    fn max_keys(&mut self, fields: &Fields<'_>) -> Option<u32> {
        let is_distinct = fields.get("distinct").is_some();
        let default = if is_distinct { 2_048 } else { 65_536 };
        optional(fields.get("max_keys"), default, |node| {
            let most = i64::from(most_keys(is_distinct));
            u32::try_from(self.integer(node, "`max_keys`", 1..=most)?).ok()
        })
    }

    /// Complains about the first counter that there is no room for.
    fn memory(&mut self, definitions: &[Definition]) {
        let mut total = 0_u64;
        for definition in definitions {
            let Some(counter) = &definition.counter else {
                continue;
            };
            total = total.saturating_add(counter.memory_bytes());
            if total > MAX_COUNTER_MEMORY {
                let limit = MAX_COUNTER_MEMORY >> 20;
                let message = format!("counters take more than {limit} MiB up to here");
                let help = "give counters fewer `max_keys`, or use one for several rules";
                let span = definition.name_span.clone();
                let diagnostic = self.diagnostic(Code::CounterMemory, &span.range, message);
                self.report(diagnostic.help(help));
                return;
            }
        }
    }
}
