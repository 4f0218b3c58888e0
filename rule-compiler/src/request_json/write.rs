//! A request back as JSON, in the shape that [`parse`](super::parse) reads.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{OwnedHeader, OwnedRequest};

impl OwnedRequest {
    /// The request as JSON, without what it would have anyway. Read again, it is the same request.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let OwnedRequest {
            method,
            scheme,
            host,
            path,
            protocol,
            id,
            headers,
            source_ip,
            client_ip,
            peer_uri_san,
            peer_subject,
            server_name,
            tls_version,
            claims,
            custom,
            time_us,
            response_code,
            response_headers,
            body,
            assumed: _,
        } = self;
        let mut json = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                json.insert(name.to_owned(), value);
            }
        };
        let unless =
            |value: &[u8], default: &str| (value != default.as_bytes()).then(|| lossy(value));
        put("method", unless(method, "GET"));
        put("scheme", unless(scheme, "http"));
        put("host", unless(host, "localhost"));
        put_bytes(&mut put, ["path", "path_b64"], Some(path));
        put("protocol", protocol.clone().map(Value::from));
        put("id", id.clone().map(Value::from));
        put("headers", all(headers));
        let is_usual = *source_ip == IpAddr::from([127, 0, 0, 1]);
        put(
            "source_ip",
            (!is_usual).then(|| source_ip.to_string().into()),
        );
        let client_ip = (client_ip != source_ip).then(|| client_ip.to_string().into());
        put("client_ip", client_ip);
        put("peer_uri_san", peer_uri_san.clone().map(Value::from));
        put("peer_subject", peer_subject.clone().map(Value::from));
        put("server_name", server_name.clone().map(Value::from));
        put("tls_version", tls_version.clone().map(Value::from));
        put("claims", texts(claims));
        put("attributes", all(custom));
        let time = time_us.and_then(|time_us| jiff::Timestamp::from_microsecond(time_us).ok());
        put("time", time.map(|time| time.to_string().into()));
        put_bytes(&mut put, ["body", "body_b64"], body.as_deref());
        put("response_code", response_code.map(Value::from));
        put("response_headers", all(response_headers));
        json.into()
    }
}

fn texts(pairs: &[(String, String)]) -> Option<Value> {
    let pairs = pairs.iter();
    let texts: Map<String, Value> = pairs
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    (!texts.is_empty()).then(|| texts.into())
}

/// As text if it is that, and in base64 under the other name if not.
fn put_bytes(
    put: &mut impl FnMut(&str, Option<Value>),
    [text, base64]: [&str; 2],
    bytes: Option<&[u8]>,
) {
    match bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)) {
        None => {}
        Some(Ok(bytes)) => put(text, Some(bytes.into())),
        Some(Err(bytes)) => put(base64, Some(STANDARD.encode(bytes).into())),
    }
}

fn all(headers: &[OwnedHeader]) -> Option<Value> {
    let headers = headers.iter().map(|(name, value)| header(name, value));
    let headers: Vec<Value> = headers.collect();
    (!headers.is_empty()).then(|| headers.into())
}

/// Of what was read as text.
fn lossy(text: &[u8]) -> Value {
    String::from_utf8_lossy(text).into()
}

fn header(name: &[u8], value: &[u8]) -> Value {
    match std::str::from_utf8(value) {
        Ok(value) => json!([lossy(name), value]),
        Err(_) => json!({"name": lossy(name), "value_b64": STANDARD.encode(value)}),
    }
}

#[cfg(test)]
mod tests {
    use crate::request_json::parse;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let requests = [
            r#"{"path":"/"}"#,
            r#"{"path":"/","body":"a=b"}"#,
            r#"{"path":"/","body_b64":"/w=="}"#,
            r#"{"path_b64":"L/8=","source_ip":"::1","client_ip":"10.0.0.1"}"#,
            r#"{"method":"POST","scheme":"https","host":"h:1","path":"/?a=\"","protocol":"HTTP/2","id":"7","headers":[["a","1"],["a","\u0000é"],{"name":"b","value_b64":"/w=="}],"source_ip":"10.0.0.2","peer_uri_san":"spiffe://x","peer_subject":"CN=x","server_name":"x","tls_version":"TLSv1.3","claims":{"sub":"42"},"time":"2026-11-23T10:00:00.000001Z","response_code":401,"response_headers":[["a","b"]]}"#,
        ];
        for request in requests {
            let written = parse(request).unwrap().to_json();
            let expected: serde_json::Value = serde_json::from_str(request).unwrap();
            assert_eq!(written, expected);
        }
    }
}
