//! A request as JSON: one a line in request files. docs/rule-language.md describes the shape.

pub mod access_log;
mod declared;
mod record;
mod shape;
mod write;

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use riskgate_engine::attributes::Base;
use riskgate_engine::body::is_encoded;
use riskgate_engine::headers::is_reserved;
use riskgate_engine::request::Request;
use riskgate_engine::response::Response;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use thiserror::Error;

use crate::front::quoted;

pub use shape::{KEYS, Kind};

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Not JSON.
    #[error("not JSON at {place}: {what}; write an object such as {{\"path\":\"/\"}}")]
    Syntax {
        /// Line and column.
        place: String,
        /// In the parser's words.
        what: String,
    },
    /// JSON, but no object.
    #[error("a request is an object such as {{\"path\":\"/\"}}")]
    NotAnObject,
    /// A key that requests do not have.
    #[error("a request has no key `{key}`; {help}")]
    UnknownKey {
        /// The key.
        key: String,
        /// What to write instead.
        help: String,
    },
    /// An attribute that no custom filter was declared to know.
    #[error("no custom attribute has the name {}; {help}", quoted(.name))]
    UnknownAttribute {
        /// In lower case.
        name: String,
        /// What to write instead.
        help: String,
    },
    /// A value that its key cannot have.
    #[error("`{key}` is {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it can have.
        expected: &'static str,
    },
    /// Not of the shape in another way, such as a key that stands twice.
    #[error("{0}; write each key once")]
    Other(String),
    /// Neither or both of a text and its base64 form.
    #[error("give exactly one of `{name}` and `{name}_b64`")]
    OneOf {
        /// The key.
        name: &'static str,
    },
    /// A text and its base64 form together.
    #[error("give `{name}` or `{name}_b64`, not both")]
    Both {
        /// The key.
        name: &'static str,
    },
    /// Not base64.
    #[error("`{name}` is not base64; use the standard alphabet with padding")]
    Base64 {
        /// The key.
        name: &'static str,
    },
}

impl RequestError {
    /// The key that it is about, if it is about one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            RequestError::UnknownKey { key, .. } => Some(key),
            RequestError::UnknownAttribute { .. } => Some("attributes"),
            RequestError::Value { key, .. } => Some(key),
            RequestError::OneOf { name }
            | RequestError::Both { name }
            | RequestError::Base64 { name } => Some(name),
            RequestError::Syntax { .. } | RequestError::NotAnObject | RequestError::Other(_) => {
                None
            }
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    method: Option<String>,
    scheme: Option<String>,
    host: Option<String>,
    path: Option<String>,
    path_b64: Option<String>,
    protocol: Option<String>,
    id: Option<String>,
    #[serde(default)]
    headers: Headers,
    source_ip: Option<IpAddr>,
    client_ip: Option<IpAddr>,
    peer_uri_san: Option<String>,
    peer_subject: Option<String>,
    server_name: Option<String>,
    tls_version: Option<String>,
    #[serde(default)]
    claims: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    attributes: Headers,
    time: Option<String>,
    body: Option<String>,
    body_b64: Option<String>,
    response_code: Option<u16>,
    #[serde(default)]
    response_headers: Headers,
}

/// Name and value.
type OwnedHeader = (Vec<u8>, Vec<u8>);

/// A request that owns what it is made of.
#[derive(Debug, Clone)]
pub struct OwnedRequest {
    method: Vec<u8>,
    scheme: Vec<u8>,
    host: Vec<u8>,
    path: Vec<u8>,
    protocol: Option<String>,
    id: Option<String>,
    headers: Vec<OwnedHeader>,
    source_ip: IpAddr,
    client_ip: IpAddr,
    peer_uri_san: Option<String>,
    peer_subject: Option<String>,
    server_name: Option<String>,
    tls_version: Option<String>,
    claims: Vec<(String, String)>,
    custom: Vec<OwnedHeader>,
    time_us: Option<i64>,
    response_code: Option<u16>,
    response_headers: Vec<OwnedHeader>,
    body: Option<Vec<u8>>,
    /// What was not said, and has its usual value.
    assumed: [Option<Base>; 5],
}

/// Reads one request.
///
/// # Errors
///
/// Says what is wrong with it and how to mend it; JSON errors carry the place.
pub fn parse(json: &str) -> Result<OwnedRequest, RequestError> {
    let json = unmarked(json);
    let wire = serde_json::from_str(json).map_err(|error| shape::explain(json, &error))?;
    from_wire(wire)
}

/// A line without the byte-order mark that stands before the first of some files.
fn unmarked(line: &str) -> &str {
    line.strip_prefix('\u{feff}').unwrap_or(line)
}

/// The request that a JSON value is.
///
/// # Errors
///
/// As [`parse`].
pub fn from_value(value: Value) -> Result<OwnedRequest, RequestError> {
    if let Some(fault) = shape::explain_value(&value) {
        return Err(fault);
    }
    let wire = serde_json::from_value(value);
    from_wire(wire.map_err(|error| RequestError::Other(error.to_string()))?)
}

fn from_wire(wire: Wire) -> Result<OwnedRequest, RequestError> {
    let assumed = record::assumed(&wire);
    let path = match (wire.path, wire.path_b64) {
        (Some(path), None) => path.into_bytes(),
        (None, Some(path)) => decode(&path, "path_b64")?,
        _ => return Err(RequestError::OneOf { name: "path" }),
    };
    let body = match (wire.body, wire.body_b64) {
        (Some(_), Some(_)) => return Err(RequestError::Both { name: "body" }),
        (None, Some(body)) => Some(decode(&body, "body_b64")?),
        (body, None) => body.map(String::into_bytes),
    };
    let time_us = match wire.time {
        Some(time) => Some(parse_time(&time).ok_or(RequestError::Value {
            key: "time",
            expected: Kind::Time.describe(),
        })?),
        None => None,
    };
    let text = |value: Option<String>, default: &str| {
        value.unwrap_or_else(|| default.to_owned()).into_bytes()
    };
    let source_ip = wire.source_ip.unwrap_or(IpAddr::from([127, 0, 0, 1]));
    Ok(OwnedRequest {
        method: text(wire.method, "GET"),
        scheme: text(wire.scheme, "http"),
        host: text(wire.host, "localhost"),
        path,
        protocol: wire.protocol,
        id: wire.id,
        headers: wire.headers.decode()?,
        source_ip,
        client_ip: wire.client_ip.unwrap_or(source_ip),
        peer_uri_san: wire.peer_uri_san,
        peer_subject: wire.peer_subject,
        server_name: wire.server_name,
        tls_version: wire.tls_version,
        claims: wire.claims.into_iter().collect(),
        custom: wire.attributes.decode()?,
        time_us,
        response_code: wire.response_code,
        response_headers: wire.response_headers.decode()?,
        body,
        assumed,
    })
}

/// Microseconds since the Unix epoch.
fn parse_time(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(|time| time.as_microsecond())
}

impl OwnedRequest {
    /// When it came, if it says so, microseconds since the Unix epoch.
    #[must_use]
    pub fn time_us(&self) -> Option<i64> {
        self.time_us
    }

    /// Its headers as they were sent, also those that no rule reads because only the filter may set them.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let headers = self.headers.iter();
        headers.map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// Its body as it was sent, readable or not.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// Calls `use_request` with the request as the engine takes it, at `time_us`: what the filter keeps from the rules is left
    /// out.
    pub fn with<R>(&self, time_us: i64, use_request: impl FnOnce(&Request<'_>) -> R) -> R {
        let headers: Vec<(&[u8], &[u8])> = self
            .headers()
            .filter(|(name, _)| !is_reserved(name))
            .collect();
        let claims: Vec<(&[u8], &[u8])> = self
            .claims
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let custom: Vec<(&[u8], &[u8])> = self
            .custom
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .collect();
        use_request(&Request {
            method: Some(&self.method),
            scheme: Some(&self.scheme),
            host: Some(&self.host),
            path: Some(&self.path),
            protocol: bytes(&self.protocol),
            id: bytes(&self.id),
            headers: &headers,
            source_ip: Some(self.source_ip),
            client_ip: Some(self.client_ip),
            time_us,
            mtls: Some(self.peer_uri_san.is_some() || self.peer_subject.is_some()),
            peer_uri_san: bytes(&self.peer_uri_san),
            peer_subject: bytes(&self.peer_subject),
            server_name: bytes(&self.server_name),
            tls_version: bytes(&self.tls_version),
            claims: &claims,
            custom: &custom,
            // As in the filter: what is encoded cannot be read.
            body: self.body.as_deref().filter(|_| !is_encoded(&headers)),
        })
    }

    /// Calls `use_response` with what the request was answered with, unless nothing is said of that.
    pub fn with_response(&self, use_response: impl FnOnce(&Response<'_>)) {
        if self.response_code.is_none() && self.response_headers.is_empty() {
            return;
        }
        let headers: Vec<(&[u8], &[u8])> = self
            .response_headers
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .collect();
        use_response(&Response {
            code: self.response_code,
            headers: &headers,
        });
    }
}

fn bytes(text: &Option<String>) -> Option<&[u8]> {
    text.as_deref().map(str::as_bytes)
}

/// Headers: a list of pairs or objects, or a map.
#[derive(Debug, Default)]
struct Headers(Vec<Header>);

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a header is a pair [name, value], or an object of `name` and `value` or `value_b64`"
)]
enum Header {
    Pair(String, String),
    Object(HeaderObject),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderObject {
    name: String,
    value: Option<String>,
    value_b64: Option<String>,
}

impl Headers {
    /// Names in lower case, as Envoy has them.
    fn decode(self) -> Result<Vec<OwnedHeader>, RequestError> {
        let decoded = self.0.into_iter().map(|header| match header {
            Header::Pair(name, value) => Ok((name, value.into_bytes())),
            Header::Object(HeaderObject {
                name,
                value,
                value_b64,
            }) => match (value, value_b64) {
                (Some(value), None) => Ok((name, value.into_bytes())),
                (None, Some(value)) => Ok((name, decode(&value, "value_b64")?)),
                _ => Err(RequestError::OneOf { name: "value" }),
            },
        });
        decoded
            .map(|header| {
                header.map(|(name, value)| (name.to_ascii_lowercase().into_bytes(), value))
            })
            .collect()
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Headers, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of [name, value] pairs or {name, value_b64} objects, or a map")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Headers, A::Error> {
        let mut headers = Vec::new();
        while let Some(header) = sequence.next_element()? {
            headers.push(header);
        }
        Ok(Headers(headers))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
        let mut headers = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            headers.push(Header::Pair(name, value));
        }
        Ok(Headers(headers))
    }
}

fn decode(text: &str, name: &'static str) -> Result<Vec<u8>, RequestError> {
    STANDARD
        .decode(text)
        .map_err(|_| RequestError::Base64 { name })
}
