//! Requests in the JSON shape of the rule language, to be sent through Envoy.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::http::Request;

/// A request of a corpus, and how it must reach Envoy for the filter to see it so.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What to send.
    pub request: Request,
    /// The client's address.
    pub source_ip: IpAddr,
    /// Whether to send it over TLS.
    pub tls: bool,
    /// The URI in the client's certificate.
    pub peer_uri_san: Option<String>,
}

impl Planned {
    /// Reads the request of one line. A field that cannot be had by sending something is an error.
    pub fn from_json(request: &Value) -> Result<Self> {
        let fields = request.as_object().context("a request is an object")?;
        let mut planned = Planned {
            request: Request {
                host: "localhost".to_owned(),
                ..Request::get("/")
            },
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            tls: false,
            peer_uri_san: None,
        };
        for (key, value) in fields {
            planned
                .take(key, value)
                .with_context(|| format!("`{key}` of {request}"))?;
        }
        Ok(planned)
    }

    fn take(&mut self, key: &str, value: &Value) -> Result<()> {
        match key {
            "method" => self.request.method = text(value)?.to_owned(),
            "scheme" => self.tls |= text(value)? == "https",
            "host" => self.request.host = text(value)?.to_owned(),
            "path" => self.request.path = text(value)?.as_bytes().to_vec(),
            "path_b64" => self.request.path = STANDARD.decode(text(value)?)?,
            "headers" => self.request.headers = headers(value)?,
            "body" => self.request.body = text(value)?.as_bytes().to_vec(),
            "body_b64" => self.request.body = STANDARD.decode(text(value)?)?,
            "source_ip" => self.source_ip = text(value)?.parse()?,
            "peer_uri_san" => {
                self.peer_uri_san = Some(text(value)?.to_owned());
                self.tls = true;
            }
            _ => bail!("no client can choose this"),
        }
        Ok(())
    }
}

/// Either a map, or a list of pairs and of objects with `name` and `value` or `value_b64`.
fn headers(value: &Value) -> Result<Vec<(String, Vec<u8>)>> {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| Ok((name.clone(), bytes(value)?)))
            .collect(),
        Value::Array(list) => list.iter().map(header).collect(),
        _ => bail!("a map or a list was expected"),
    }
}

fn header(value: &Value) -> Result<(String, Vec<u8>)> {
    match value {
        Value::Array(pair) => match pair.as_slice() {
            [name, value] => Ok((text(name)?.to_owned(), bytes(value)?)),
            _ => bail!("a pair of name and value was expected"),
        },
        Value::Object(fields) => Ok((text(field(fields, "name")?)?.to_owned(), value_of(fields)?)),
        _ => bail!("a pair or an object was expected"),
    }
}

fn value_of(fields: &Map<String, Value>) -> Result<Vec<u8>> {
    match fields.get("value_b64") {
        Some(value) => Ok(STANDARD.decode(text(value)?)?),
        None => bytes(field(fields, "value")?),
    }
}

fn field<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<&'a Value> {
    fields.get(key).with_context(|| format!("no `{key}`"))
}

fn bytes(value: &Value) -> Result<Vec<u8>> {
    Ok(text(value)?.as_bytes().to_vec())
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("a string was expected")
}
