//! A request of a test: the shape of a request as JSON, written as YAML.

use serde_json::{Map, Value};

use super::super::{
    context::Context,
    text::quoted,
    yaml::{Entry, Kind as NodeKind, Node},
};
use crate::{
    diagnostic::Code,
    request_json::{self, KEYS, Kind, OwnedRequest, RequestError},
};

/// As long as anything that a proxy takes.
const MAX_VALUE_LEN: usize = 1 << 20;

impl Context<'_> {
    /// The request, and the same as JSON.
    pub(super) fn request(&mut self, node: &Node) -> Option<(OwnedRequest, Value)> {
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
        match request_json::from_value(written.clone()) {
            Ok(request) => Some((request, written)),
            Err(error) => {
                let named = error.key().and_then(|key| fields.get(key));
                let range = &named.unwrap_or(node).range;
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
