//! A request from a line of Envoy's access log, written as JSON. docs/replay.md describes the mapping.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;
use thiserror::Error;

use super::shape::{place, words};
use super::{Header, KEYS, OwnedRequest, RequestError, Wire, from_wire, unmarked};

mod fact;

use fact::{Fact, read_fact};

/// The mapping of the access logs that `envoy-config/` writes.
pub const DEFAULT_MAPPING: &str = "\
request.time=start
source.ip=client
client.ip=client_ip
request.method=method
request.scheme=scheme
request.host=host
request.path=path
request.protocol=protocol
request.id=id
request.headers=headers
auth.claims=claims
connection.uri_san_peer_certificate=peer_uri_san
connection.subject_peer_certificate=peer_subject
connection.requested_server_name=server_name
connection.tls_version=tls_version
response.code=status
";

/// Which field of a line holds which fact of a request.
#[derive(Debug, Clone)]
pub struct Mapping {
    fields: Vec<(Fact, Place)>,
}

/// What is wrong with a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MappingError {
    /// No `=`.
    #[error("`{0}` is no mapping; write ATTRIBUTE=FIELD, such as request.path=uri")]
    Form(String),
    /// Not a fact of a request.
    #[error(
        "`{name}` is nothing that a log can say of a request; known are {known}",
        known = fact::NAMES
    )]
    Fact {
        /// As it was written.
        name: String,
    },
}

/// What is wrong with a line.
#[derive(Debug, Error)]
pub enum LogError {
    /// Not JSON.
    #[error("not JSON at {}: {}; each line is one JSON object", place(.0), words(.0))]
    Json(#[from] serde_json::Error),
    /// Not an object.
    #[error("a line of an access log is a JSON object")]
    NotAnObject,
    /// A field holds what its fact cannot be.
    #[error("field `{field}` is no {expected}")]
    Field {
        /// As the mapping names it.
        field: String,
        /// What it should be.
        expected: &'static str,
    },
    /// What the line says together is no request.
    #[error("{0}")]
    Request(#[from] RequestError),
}

/// Where a line holds something: a key of it, or a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place(String);

impl Place {
    fn find<'a>(&self, line: &'a Value) -> Option<&'a Value> {
        if self.0.starts_with('/') {
            line.pointer(&self.0)
        } else {
            line.get(&self.0)
        }
    }

    fn is_no(&self, expected: &'static str) -> LogError {
        LogError::Field {
            field: self.0.clone(),
            expected,
        }
    }
}

impl Default for Mapping {
    fn default() -> Mapping {
        let mut mapping = Mapping { fields: Vec::new() };
        for line in DEFAULT_MAPPING.lines() {
            // The unit tests show that each of its lines is taken.
            let _ = mapping.set(line);
        }
        mapping
    }
}

impl Mapping {
    /// Takes `ATTRIBUTE=FIELD` in place of what was said of the attribute before; without a field, the log does not have it.
    ///
    /// # Errors
    ///
    /// If it has another form, or no request has such an attribute.
    pub fn set(&mut self, text: &str) -> Result<(), MappingError> {
        // A key in brackets may hold a `=`.
        let end_of_name = text.rfind("\"]").unwrap_or_default();
        let equals = text
            .get(end_of_name..)
            .and_then(|rest| rest.find('='))
            .map(|at| at + end_of_name);
        let (name, field) = equals
            .and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)))
            .ok_or_else(|| MappingError::Form(text.to_owned()))?;
        let (name, field) = (name.trim(), field.trim());
        let fact = read_fact(name).ok_or_else(|| MappingError::Fact {
            name: name.to_owned(),
        })?;
        self.fields.retain(|(other, _)| *other != fact);
        if !field.is_empty() {
            self.fields.push((fact, Place(field.to_owned())));
        }
        Ok(())
    }

    /// Takes the lines of a mapping file: one mapping a line, `#` before a comment.
    ///
    /// # Errors
    ///
    /// The line's number, from 1, and what is wrong with it.
    pub fn set_all(&mut self, text: &str) -> Result<(), (usize, MappingError)> {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                self.set(line).map_err(|error| (index + 1, error))?;
            }
        }
        Ok(())
    }

    /// The request of a line; none if the line has no path, as those of requests that Envoy itself refused.
    ///
    /// # Errors
    ///
    /// If the line is no JSON object, or a field holds what its fact cannot be.
    pub fn read(&self, line: &str) -> Result<Option<OwnedRequest>, LogError> {
        let line: Value = serde_json::from_str(unmarked(line))?;
        if !line.is_object() {
            return Err(LogError::NotAnObject);
        }
        let mut wire = Wire::default();
        for (fact, place) in &self.fields {
            if let Some(value) = place.find(&line).filter(|value| !is_absent(value)) {
                put(&mut wire, fact, value, place)?;
            }
        }
        if wire.path.is_none() {
            return Ok(None);
        }
        Ok(Some(from_wire(wire)?))
    }
}

/// Whether a line has the fields of the default mapping: at least two that no request has as keys.
#[must_use]
pub fn is_log_line(line: &str) -> bool {
    let Ok(Value::Object(map)) = serde_json::from_str(unmarked(line)) else {
        return false;
    };
    let fields = DEFAULT_MAPPING
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.1));
    let own = fields.filter(|field| KEYS.iter().all(|(key, _)| key != field));
    own.filter(|field| map.contains_key(*field)).count() >= 2
}

/// Envoy writes null in JSON, and `-` where a field has other text around it.
fn is_absent(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("-")
}

fn put(wire: &mut Wire, fact: &Fact, value: &Value, place: &Place) -> Result<(), LogError> {
    let text = || text(value).ok_or_else(|| place.is_no("text or number"));
    let address = || read_address(&text()?).ok_or_else(|| place.is_no("address"));
    match fact {
        Fact::Method => wire.method = Some(text()?),
        Fact::Scheme => wire.scheme = Some(text()?),
        Fact::Host => wire.host = Some(text()?),
        Fact::Path => wire.path = Some(text()?),
        Fact::Protocol => wire.protocol = Some(text()?),
        Fact::Id => wire.id = Some(text()?),
        Fact::Time => {
            let time = read_time(&text()?).ok_or_else(|| place.is_no("time"))?;
            wire.time = Some(time);
        }
        Fact::SourceIp => wire.source_ip = Some(address()?),
        Fact::ClientIp => wire.client_ip = Some(address()?),
        Fact::PeerUriSan => wire.peer_uri_san = Some(text()?),
        Fact::PeerSubject => wire.peer_subject = Some(text()?),
        Fact::ServerName => wire.server_name = Some(text()?),
        Fact::TlsVersion => wire.tls_version = Some(text()?),
        Fact::ResponseCode => {
            let code = text()?.parse().map_err(|_| place.is_no("status"))?;
            // Envoy says 0 where it sent no response.
            wire.response_code = (code != 0).then_some(code);
        }
        Fact::Header(name) => wire.headers.0.push(Header::Pair(name.clone(), text()?)),
        Fact::ResponseHeader(name) => {
            let header = Header::Pair(name.clone(), text()?);
            wire.response_headers.0.push(header);
        }
        Fact::Claim(name) => drop(wire.claims.insert(name.clone(), text()?)),
        Fact::Headers => wire.headers.0.extend(members(value, place)?.map(header)),
        Fact::ResponseHeaders => {
            let headers = members(value, place)?.map(header);
            wire.response_headers.0.extend(headers);
        }
        Fact::Claims => wire.claims.extend(members(value, place)?),
    }
    Ok(())
}

fn header((name, value): (String, String)) -> Header {
    Header::Pair(name, value)
}

/// The texts and numbers of an object; a claim may also be a list or the like, which no rule sees.
fn members<'a>(
    value: &'a Value,
    place: &Place,
) -> Result<impl Iterator<Item = (String, String)> + use<'a>, LogError> {
    let object = value.as_object().ok_or_else(|| place.is_no("object"))?;
    let members = object.iter().filter(|(_, value)| !is_absent(value));
    Ok(members.filter_map(|(name, value)| Some((name.clone(), text(value)?))))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// With a port, as `%DOWNSTREAM_REMOTE_ADDRESS%`, or without one.
fn read_address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse::<IpAddr>().ok().or_else(with_port)
}

/// RFC 3339, as `%START_TIME%`, or Unix seconds, perhaps with decimals.
fn read_time(text: &str) -> Option<String> {
    if text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        let (seconds, decimals) = text.split_once('.').unwrap_or((text, ""));
        let micros: i64 = format!("{decimals:0<6.6}").parse().ok()?;
        let micros = seconds
            .parse::<i64>()
            .ok()?
            .checked_mul(1_000_000)?
            .checked_add(micros)?;
        let time = jiff::Timestamp::from_microsecond(micros).ok()?;
        return Some(time.to_string());
    }
    text.parse::<jiff::Timestamp>().ok()?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(mapping: &Mapping, line: &Value) -> Value {
        let request = mapping.read(&line.to_string()).unwrap();
        request.expect("a path").to_json()
    }

    #[test]
    fn a_line_of_the_shipped_configuration_is_its_request() {
        let line = json!({
            "start": "2026-11-23T10:00:00.123Z", "client": "203.0.113.9:40112", "method": "POST",
            "scheme": "https", "host": "shop.example.com", "path": "/item?id=1", "protocol": "HTTP/2",
            "id": "7f3c", "headers": {"user-agent": "curl/8", "referer": null, "x-n": 5},
            "status": 200, "details": "via_upstream", "action": "allow", "rule": null,
        });
        let expected = json!({
            "time": "2026-11-23T10:00:00.123Z", "source_ip": "203.0.113.9", "method": "POST",
            "scheme": "https", "host": "shop.example.com", "path": "/item?id=1", "protocol": "HTTP/2",
            "id": "7f3c", "headers": [["user-agent", "curl/8"], ["x-n", "5"]], "response_code": 200,
        });
        assert_eq!(read(&Mapping::default(), &line), expected);
        assert_eq!(
            Mapping::default().fields.len(),
            DEFAULT_MAPPING.lines().count()
        );
    }

    #[test]
    fn a_mapping_replaces_what_it_names() {
        let mut mapping = Mapping::default();
        let text = "# ours\n\nrequest.path = uri\nrequest.time=ts\nsource.ip=/peer/address\n\
            request.headers[\"x=y\"]=xy\nauth.claims[\"sub\"]=sub\nrequest.method=\n";
        mapping.set_all(text).unwrap();
        let line = json!({
            "uri": "/a", "path": "/b", "method": "PUT", "peer": {"address": "[2001:db8::1]:443"}, "xy": "1",
            "sub": 42, "ts": 1_795_428_000.25_f64,
        });
        let expected = json!({
            "path": "/a", "source_ip": "2001:db8::1", "headers": [["x=y", "1"]], "claims": {"sub": "42"},
            "time": "2026-11-23T10:00:00.25Z",
        });
        assert_eq!(read(&mapping, &line), expected);
    }

    #[test]
    fn lines_that_are_no_requests() {
        let mapping = Mapping::default();
        for absent in [json!({}), json!({"path": null}), json!({"path": "-"})] {
            assert!(mapping.read(&absent.to_string()).unwrap().is_none());
        }
        let bad = [
            ("[]", "a line of an access log is a JSON object"),
            ("GET / HTTP/1.1", "expected value"),
            (r#"{"path":["/"]}"#, "field `path` is no text or number"),
            (
                r#"{"path":"/","client":"@pipe"}"#,
                "field `client` is no address",
            ),
            (r#"{"path":"/","start":"noon"}"#, "field `start` is no time"),
            (
                r#"{"path":"/","status":70000}"#,
                "field `status` is no status",
            ),
            (
                r#"{"path":"/","headers":"a"}"#,
                "field `headers` is no object",
            ),
        ];
        for (line, words) in bad {
            let error = mapping.read(line).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }

    #[test]
    fn mappings_that_mean_nothing() {
        let cases = [
            ("path", "`path` is no mapping"),
            (
                "request.uri=uri",
                "`request.uri` is nothing that a log can say",
            ),
            ("request.headers[x]=x", "`request.headers[x]` is nothing"),
            ("request.method[\"x\"]=x", "is nothing"),
        ];
        for (text, words) in cases {
            let error = Mapping::default().set(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        let error = Mapping::default().set_all("# x\n\nx\n").unwrap_err();
        assert_eq!(error.0, 3);
    }
}
