//! A request in the making, field by field.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use riskgate_engine::attributes::Base;
use serde_json::{Map, Value, json};

use crate::diff::resolve::Subject;
use crate::request_json::{OwnedRequest, from_value};

/// A part of a request that attributes are read from. Attributes of different fields do not depend on each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Method,
    Scheme,
    Host,
    Url,
    Protocol,
    Id,
    Header(Vec<u8>),
    Cookies,
    SourceIp,
    ClientIp,
    Certificate,
    ServerName,
    TlsVersion,
    Claim(Vec<u8>),
    Custom(Vec<u8>),
    Body,
    Time,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Setting {
    /// Nothing, or what it has anyway.
    Default,
    Text(Vec<u8>),
    Texts(Vec<Vec<u8>>),
    Address(IpAddr),
    TimeUs(i64),
    /// The SAN and the subject of a client's certificate.
    Certificate(Option<Vec<u8>>, Option<Vec<u8>>),
}

/// A request in the making.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    fields: BTreeMap<Field, Setting>,
}

impl Field {
    /// None of what is no part of a request.
    pub(super) fn of(subject: &Subject) -> Option<Field> {
        Some(match subject.base {
            Base::Method => Field::Method,
            Base::Scheme => Field::Scheme,
            Base::Host | Base::Hostname => Field::Host,
            Base::Path | Base::UrlPath | Base::Query | Base::Param => Field::Url,
            Base::Protocol => Field::Protocol,
            Base::Id => Field::Id,
            Base::Header if subject.key == b"cookie" => Field::Cookies,
            Base::Header => Field::Header(subject.key.clone()),
            Base::Cookie => Field::Cookies,
            Base::SourceIp => Field::SourceIp,
            Base::ClientIp => Field::ClientIp,
            Base::Mtls | Base::PeerUriSan | Base::PeerSubject => Field::Certificate,
            Base::ServerName => Field::ServerName,
            Base::TlsVersion => Field::TlsVersion,
            Base::Claim => Field::Claim(subject.key.clone()),
            Base::Custom => Field::Custom(subject.key.clone()),
            Base::Time => Field::Time,
            Base::BodyJson | Base::BodyForm => Field::Body,
            Base::ResponseCode | Base::ResponseHeader => return None,
        })
    }
}

impl Draft {
    pub(super) fn set(&mut self, field: Field, setting: Setting) {
        self.fields.insert(field, setting);
    }

    /// The request; none if a field holds what JSON has no way to say.
    pub(super) fn request(&self) -> Option<OwnedRequest> {
        let mut json = Map::new();
        let mut headers: Vec<Value> = Vec::new();
        let (mut claims, mut custom) = (Map::new(), Map::new());
        for (field, setting) in &self.fields {
            match (field, setting) {
                (_, Setting::Default) => {}
                (Field::Url, Setting::Text(path)) => match str::from_utf8(path) {
                    Ok(path) => put(&mut json, "path", path),
                    Err(_) => put(&mut json, "path_b64", &STANDARD.encode(path)),
                },
                (Field::Body, Setting::Text(body)) => match str::from_utf8(body) {
                    Ok(body) => put(&mut json, "body", body),
                    Err(_) => put(&mut json, "body_b64", &STANDARD.encode(body)),
                },
                (Field::Header(name), Setting::Texts(values)) => {
                    let name = str::from_utf8(name).ok()?;
                    headers.extend(values.iter().map(|value| header(name, value)));
                }
                (Field::Cookies, Setting::Texts(values)) => {
                    headers.extend(values.iter().map(|value| header("cookie", value)));
                }
                (Field::Claim(name), Setting::Text(value)) => {
                    put_named(&mut claims, name, value)?;
                }
                (Field::Custom(name), Setting::Text(value)) => {
                    put_named(&mut custom, name, value)?;
                }
                (Field::SourceIp, Setting::Address(address)) => {
                    put(&mut json, "source_ip", &address.to_string());
                }
                (Field::ClientIp, Setting::Address(address)) => {
                    put(&mut json, "client_ip", &address.to_string());
                }
                (Field::Time, Setting::TimeUs(time_us)) => {
                    let time = jiff::Timestamp::from_microsecond(*time_us).ok()?;
                    put(&mut json, "time", &time.to_string());
                }
                (Field::Certificate, Setting::Certificate(san, subject)) => {
                    for (key, value) in [("peer_uri_san", san), ("peer_subject", subject)] {
                        if let Some(value) = value {
                            put(&mut json, key, str::from_utf8(value).ok()?);
                        }
                    }
                }
                (field, Setting::Text(text)) => {
                    put(&mut json, text_key(field)?, str::from_utf8(text).ok()?);
                }
                _ => return None,
            }
        }
        if !json.contains_key("path") && !json.contains_key("path_b64") {
            put(&mut json, "path", "/");
        }
        json.insert("headers".to_owned(), headers.into());
        json.insert("claims".to_owned(), claims.into());
        json.insert("attributes".to_owned(), custom.into());
        from_value(json.into()).ok()
    }
}

fn put(json: &mut Map<String, Value>, key: &str, value: &str) {
    json.insert(key.to_owned(), value.into());
}

fn put_named(json: &mut Map<String, Value>, name: &[u8], value: &[u8]) -> Option<()> {
    put(
        json,
        str::from_utf8(name).ok()?,
        str::from_utf8(value).ok()?,
    );
    Some(())
}

fn header(name: &str, value: &[u8]) -> Value {
    match str::from_utf8(value) {
        Ok(value) => json!([name, value]),
        Err(_) => json!({"name": name, "value_b64": STANDARD.encode(value)}),
    }
}

fn text_key(field: &Field) -> Option<&'static str> {
    Some(match field {
        Field::Method => "method",
        Field::Scheme => "scheme",
        Field::Host => "host",
        Field::Protocol => "protocol",
        Field::Id => "id",
        Field::ServerName => "server_name",
        Field::TlsVersion => "tls_version",
        _ => return None,
    })
}
