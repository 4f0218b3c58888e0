//! A request of a test: the shape of a request as JSON, written as YAML.

use core::ops::Range;

use serde_json::{Map, Value};

use super::super::{
    context::Context,
    text::quoted,
    yaml::{Entry, Kind as NodeKind, Node},
};
use crate::{
    diagnostic::Code,
    ir::Ruleset,
    request_json::{self, KEYS, Kind, OwnedRequest, RequestError},
};

/// As long as anything that a proxy takes.
const MAX_VALUE_LEN: usize = 1 << 20;

impl Context<'_> {
    /// The request, and the same as JSON.
    pub(super) fn request(
        &mut self,
        node: &Node,
        ruleset: &Ruleset,
    ) -> Option<(OwnedRequest, Value)> {
        let fields = self.fields(node, "a request", &KEYS.map(|(key, _)| key))?;
        let mut good = true;
        let mut map = Map::new();
        for (key, kind) in KEYS {
            let Some(value) = fields.get(key) else {
                continue;
            };
            match self.request_value(value, key, kind) {
                Some(value) => drop(map.insert(key.to_owned(), value)),
                None => good = false,
            }
        }
        let written = Value::Object(map);
        if !good {
            return None;
        }
        let checked = request_json::from_value(written.clone()).and_then(|request| {
            request.check_attributes(&ruleset.custom_attributes)?;
            Ok(request)
        });
        match checked {
            Ok(request) => Some((request, written)),
            Err(error) => {
                let named = error.key().and_then(|key| fields.get(key));
                let range = match (&error, named) {
                    (RequestError::UnknownAttribute { name, .. }, Some(all)) => {
                        name_range(all, name)
                    }
                    _ => None,
                };
                let range = range.unwrap_or(&named.unwrap_or(node).range);
                let written = named.and_then(Node::scalar_text);
                let (message, help) = words(&error, written);
                self.report(
                    self.diagnostic(Code::InvalidRequest, range, message)
                        .help(help),
                );
                None
            }
        }
    }

    fn request_value(&mut self, node: &Node, key: &str, kind: Kind) -> Option<Value> {
        let what = format!("`{key}`");
        match kind {
            Kind::Text | Kind::Base64 | Kind::Address | Kind::Time => self.words(node, &what),
            Kind::Status => Some(Value::from(self.integer(node, &what, 100..=599)?)),
            Kind::Texts => self.map_of_words(node, &what),
            Kind::Headers => match &node.kind {
                NodeKind::Sequence(items) => {
                    let items: Vec<_> = items.iter().map(|item| self.header(item)).collect();
                    Some(Value::Array(items.into_iter().collect::<Option<_>>()?))
                }
                _ => self.map_of_words(node, &what),
            },
        }
    }

    /// A pair, or a map of `name` and a value.
    fn header(&mut self, node: &Node) -> Option<Value> {
        match &node.kind {
            NodeKind::Sequence(pair) if pair.len() == 2 => {
                let pair: Vec<_> = pair
                    .iter()
                    .map(|part| self.words(part, "a header"))
                    .collect();
                Some(Value::Array(pair.into_iter().collect::<Option<_>>()?))
            }
            NodeKind::Mapping(_) => {
                self.fields(node, "a header", &["name", "value", "value_b64"])?;
                self.map_of_words(node, "a header")
            }
            _ => self.wrong_shape(
                node,
                "a header",
                "a pair `[name, value]`, or a map of `name` and `value` or `value_b64`",
                "write `- [x-device-id, d1]`",
            ),
        }
    }

    fn map_of_words(&mut self, node: &Node, what: &str) -> Option<Value> {
        let mut map = Map::new();
        let mut good = true;
        for Entry { key, value, .. } in self.entries(node, what)? {
            match self.words(value, &format!("{} of {what}", quoted(key))) {
                Some(value) => drop(map.insert(key.clone(), value)),
                None => good = false,
            }
        }
        good.then_some(Value::Object(map))
    }

    fn words(&mut self, node: &Node, what: &str) -> Option<Value> {
        self.text(node, what, MAX_VALUE_LEN).map(Value::from)
    }
}

/// Where a name, given in lower case, stands among headers.
fn name_range<'n>(headers: &'n Node, name: &str) -> Option<&'n Range<usize>> {
    let is_name = |node: &&Node| {
        node.scalar_text()
            .is_some_and(|text| text.eq_ignore_ascii_case(name))
    };
    let of_pair = |header: &'n Node| match &header.kind {
        NodeKind::Sequence(pair) => pair.first(),
        NodeKind::Mapping(entries) => {
            let mut entries = entries.iter();
            let entry = entries.find(|entry| entry.key == "name");
            entry.map(|entry| &entry.value)
        }
        _ => None,
    };
    match &headers.kind {
        NodeKind::Mapping(entries) => {
            let mut entries = entries.iter();
            let entry = entries.find(|entry| entry.key.eq_ignore_ascii_case(name));
            entry.map(|entry| &entry.key_range)
        }
        NodeKind::Sequence(items) => {
            let mut names = items.iter().filter_map(of_pair);
            names.find(is_name).map(|name| &name.range)
        }
        _ => None,
    }
}

/// What is wrong, and the remedy.
fn words(error: &RequestError, written: Option<&str>) -> (String, String) {
    match error {
        RequestError::Value { key, expected } => {
            let what = written.map_or_else(|| "this".to_owned(), quoted);
            (
                format!("`{key}` cannot be {what}"),
                format!("write {expected}"),
            )
        }
        RequestError::OneOf { name } | RequestError::Both { name } => (
            error.to_string(),
            format!("write `{name}`, or `{name}_b64` for bytes that are no text"),
        ),
        other => {
            let text = other.to_string();
            let (message, help) = text
                .split_once("; ")
                .unwrap_or((&text, "write another value"));
            (message.to_owned(), help.to_owned())
        }
    }
}
