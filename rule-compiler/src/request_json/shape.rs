//! The keys of a request, and what is wrong with one that has not its shape: a parser's own words name neither the key nor a
//! remedy.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::{Headers, RequestError, parse_time};
use crate::front::did_you_mean;

/// What a key of a request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// Bytes in Base64.
    Base64,
    /// An IP address.
    Address,
    /// An RFC 3339 time.
    Time,
    /// An HTTP status.
    Status,
    /// Names and values: a list or a map.
    Headers,
    /// A map of texts.
    Texts,
}

impl Kind {
    /// What belongs there, for a message.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Kind::Text => "a text in quotes",
            Kind::Base64 => "Base64 in the standard alphabet with padding",
            Kind::Address => "an IP address such as \"203.0.113.9\"",
            Kind::Time => "an RFC 3339 time such as \"2026-11-23T10:00:00Z\"",
            Kind::Status => "a status such as 200",
            Kind::Headers => {
                "a map of texts, or a list whose elements are pairs [name, value] or objects of `name` and either `value` or `value_b64`"
            }
            Kind::Texts => "a map of texts",
        }
    }

    fn accepts(self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Kind::Text | Kind::Base64 => text.is_some(),
            Kind::Address => text.is_some_and(|text| text.parse::<IpAddr>().is_ok()),
            Kind::Time => text.is_some_and(|text| parse_time(text).is_some()),
            Kind::Status => value.as_u64().is_some_and(|code| code <= u16::MAX.into()),
            Kind::Headers => serde_json::from_value::<Headers>(value.clone()).is_ok(),
            Kind::Texts => value
                .as_object()
                .is_some_and(|map| map.values().all(Value::is_string)),
        }
    }
}

/// Every key of a request.
pub const KEYS: [(&str, Kind); 21] = [
    ("method", Kind::Text),
    ("scheme", Kind::Text),
    ("host", Kind::Text),
    ("path", Kind::Text),
    ("path_b64", Kind::Base64),
    ("protocol", Kind::Text),
    ("id", Kind::Text),
    ("headers", Kind::Headers),
    ("source_ip", Kind::Address),
    ("client_ip", Kind::Address),
    ("peer_uri_san", Kind::Text),
    ("peer_subject", Kind::Text),
    ("server_name", Kind::Text),
    ("tls_version", Kind::Text),
    ("claims", Kind::Texts),
    ("attributes", Kind::Headers),
    ("time", Kind::Time),
    ("body", Kind::Text),
    ("body_b64", Kind::Base64),
    ("response_code", Kind::Status),
    ("response_headers", Kind::Headers),
];

/// Why a text is not a request, where the parser said `error`.
pub(super) fn explain(json: &str, error: &serde_json::Error) -> RequestError {
    match serde_json::from_str::<Value>(json) {
        Err(syntax) => RequestError::Syntax {
            place: place(&syntax),
            what: words(&syntax),
        },
        Ok(value) => explain_value(&value).unwrap_or_else(|| RequestError::Other(words(error))),
    }
}

/// The first thing that is wrong with a value, key by key.
pub(super) fn explain_value(value: &Value) -> Option<RequestError> {
    let Value::Object(map) = value else {
        return Some(RequestError::NotAnObject);
    };
    unknown_key(map).or_else(|| wrong_value(map))
}

fn unknown_key(map: &Map<String, Value>) -> Option<RequestError> {
    let names = KEYS.map(|(name, _)| name);
    let key = map.keys().find(|key| !names.contains(&key.as_str()))?;
    Some(RequestError::UnknownKey {
        key: key.clone(),
        help: did_you_mean(key, &names),
    })
}

fn wrong_value(map: &Map<String, Value>) -> Option<RequestError> {
    KEYS.into_iter()
        .filter_map(|(key, kind)| Some((key, kind, map.get(key)?)))
        // What is null counts as left out.
        .find(|(_, kind, value)| !value.is_null() && !kind.accepts(value))
        .map(|(key, kind, _)| RequestError::Value {
            key,
            expected: kind.describe(),
        })
}

/// Where a parser stopped; the line only where there are several.
pub(super) fn place(error: &serde_json::Error) -> String {
    match error.line() {
        0 | 1 => format!("column {}", error.column()),
        line => format!("line {line}, column {}", error.column()),
    }
}

/// What a parser says, without the place.
pub(super) fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parser names its keys when it is given another.
    #[test]
    fn the_parser_knows_the_same_keys() {
        let error = serde_json::from_str::<super::super::Wire>(r#"{"unknown":1}"#).unwrap_err();
        let error = error.to_string();
        let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, KEYS.map(|(key, _)| key));
    }
}
