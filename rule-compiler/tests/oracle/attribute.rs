//! Attributes: from a request to the values that a test sees.

use std::net::IpAddr;

use riskgate_compiler::ir::{Attribute, Base, Number, View};
use riskgate_engine::request::Request;
use riskgate_engine::response::Response;

use super::body;
use super::number::{parse_double, parse_int};
use super::transform::{transform, trim, url_decode};

/// One value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bytes(Vec<u8>),
    Ip(IpAddr),
    Bool(bool),
    Number(Number),
}

/// Every value of an attribute; none when it is absent.
pub(crate) fn values(attribute: &Attribute, request: &Request<'_>) -> Vec<Value> {
    match &attribute.base {
        Base::SourceIp => request
            .source_ip
            .map(|address| Value::Ip(address.to_canonical()))
            .into_iter()
            .collect(),
        Base::ClientIp => request
            .client_ip
            .map(|address| Value::Ip(address.to_canonical()))
            .into_iter()
            .collect(),
        Base::Mtls => request.mtls.map(Value::Bool).into_iter().collect(),
        Base::Time => vec![Value::Number(Number::Int(request.time_us))],
        base => view(
            attribute.view,
            transformed(attribute, strings(base, request)),
        ),
    }
}

/// As [`values`], of what a request was answered with.
pub(crate) fn response_values(attribute: &Attribute, response: &Response<'_>) -> Vec<Value> {
    match &attribute.base {
        Base::ResponseCode => {
            let code = response.code.map(|code| Number::Int(code.into()));
            code.map(Value::Number).into_iter().collect()
        }
        Base::ResponseHeader(name) => {
            let headers = values_of(name.as_bytes(), owned(response.headers));
            view(attribute.view, transformed(attribute, headers))
        }
        other => panic!("{other:?} is of no response"),
    }
}

fn transformed(attribute: &Attribute, strings: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    attribute.transforms.iter().fold(strings, |strings, step| {
        strings
            .iter()
            .filter_map(|string| transform(*step, string))
            .collect()
    })
}

fn view(view: View, strings: Vec<Vec<u8>>) -> Vec<Value> {
    let int = |int| Value::Number(Number::Int(int));
    let double = |double| Value::Number(Number::Double(double));
    match view {
        View::Value => strings.into_iter().map(Value::Bytes).collect(),
        View::Int => strings
            .iter()
            .filter_map(|string| parse_int(string))
            .map(int)
            .collect(),
        View::Double => strings
            .iter()
            .filter_map(|string| parse_double(string))
            .map(double)
            .collect(),
        View::Length => strings
            .iter()
            .map(|string| int(count(string.len())))
            .collect(),
        View::Address => strings
            .iter()
            .filter_map(|string| String::from_utf8_lossy(string).parse().ok())
            .map(|address: IpAddr| Value::Ip(address.to_canonical()))
            .collect(),
        View::Size if strings.is_empty() => Vec::new(),
        View::Size => vec![int(count(strings.len()))],
    }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).expect("nothing is that long")
}

fn strings(base: &Base, request: &Request<'_>) -> Vec<Vec<u8>> {
    match base {
        Base::Param(name) => values_of(name, params(request)),
        Base::Cookie(name) => values_of(name, cookies(request)),
        Base::Header(name) => headers(name.as_bytes(), request),
        Base::Claim(name) => values_of(name.as_bytes(), owned(request.claims)),
        Base::Custom { name, .. } => values_of(name.as_bytes(), owned(request.custom)),
        Base::BodyForm(name) => values_of(name, arguments(request.body.unwrap_or_default())),
        Base::BodyJson(pointer) => body::json(pointer, request.body.unwrap_or_default()),
        single => single_string(single, request).into_iter().collect(),
    }
}

fn single_string(base: &Base, request: &Request<'_>) -> Option<Vec<u8>> {
    match base {
        Base::Method => request.method.map(<[u8]>::to_vec),
        Base::Scheme => request.scheme.map(<[u8]>::to_vec),
        Base::Host => request.host.map(<[u8]>::to_vec),
        Base::Hostname => request.host.map(hostname),
        Base::Protocol => request.protocol.map(<[u8]>::to_vec),
        Base::Id => request.id.map(<[u8]>::to_vec),
        Base::Path => request.path.map(<[u8]>::to_vec),
        Base::UrlPath => request.path.map(|path| url_path(path).to_vec()),
        Base::Query => query(request),
        Base::PeerUriSan => request.peer_uri_san.map(<[u8]>::to_vec),
        Base::PeerSubject => request.peer_subject.map(<[u8]>::to_vec),
        Base::ServerName => request.server_name.map(<[u8]>::to_vec),
        Base::TlsVersion => request.tls_version.map(<[u8]>::to_vec),
        other => panic!("{other:?} is no single string"),
    }
}

/// The path up to the first `?`.
pub(crate) fn url_path(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'?').next().unwrap_or_default()
}

fn query(request: &Request<'_>) -> Option<Vec<u8>> {
    split_once(request.path?, b'?').map(|(_, query)| query.to_vec())
}

/// The host in lower case without `:port`, where the port may be empty.
fn hostname(host: &[u8]) -> Vec<u8> {
    let lower = host.to_ascii_lowercase();
    let name = match lower.iter().rposition(|byte| *byte == b':') {
        Some(colon) if lower[colon + 1..].iter().all(u8::is_ascii_digit) => &lower[..colon],
        _ => &lower,
    };
    name.to_vec()
}

fn params(request: &Request<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    arguments(&query(request).unwrap_or_default())
}

/// Of a query or a form.
fn arguments(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let decoded = |text: &[u8]| {
        let spaced: Vec<u8> = text
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        url_decode(&spaced)
    };
    let parts = text
        .split(|byte| *byte == b'&')
        .filter(|part| !part.is_empty());
    let pairs = parts.map(|part| split_once(part, b'=').unwrap_or((part, b"")));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn cookies(request: &Request<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let headers = headers(b"cookie", request);
    let parts = headers
        .iter()
        .flat_map(|header| header.split(|byte| *byte == b';'))
        .map(trim);
    parts
        .filter_map(|part| split_once(part, b'='))
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

fn headers(name: &[u8], request: &Request<'_>) -> Vec<Vec<u8>> {
    values_of(name, owned(request.headers))
}

fn owned(pairs: &[(&[u8], &[u8])]) -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs
        .iter()
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

fn values_of(name: &[u8], pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<Vec<u8>> {
    pairs
        .into_iter()
        .filter(|(pair, _)| pair == name)
        .map(|(_, value)| value)
        .collect()
}

fn split_once(text: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == mark)?;
    Some((&text[..at], &text[at + 1..]))
}
