//! A request as JSON.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Unsayable;
use crate::oracle::generate::{Bytes, RequestCase, base64};

pub(super) fn request(request: &RequestCase) -> Result<String, Unsayable> {
    let mut object = Map::new();
    let always = [
        ("method", &request.method),
        ("scheme", &request.scheme),
        ("host", &request.host),
    ];
    for (name, value) in always {
        let value = value
            .as_ref()
            .ok_or(Unsayable("a request without a method, scheme or host"))?;
        object.insert(name.to_owned(), text(value)?.into());
    }
    let path = request
        .path
        .as_ref()
        .ok_or(Unsayable("a request without a path"))?;
    match text(path) {
        Ok(path) => object.insert("path".to_owned(), path.into()),
        Err(_) => object.insert("path_b64".to_owned(), encoded(path).into()),
    };
    let perhaps = [
        ("protocol", &request.protocol),
        ("id", &request.id),
        ("peer_uri_san", &request.peer_uri_san),
        ("peer_subject", &request.peer_subject),
        ("server_name", &request.server_name),
        ("tls_version", &request.tls_version),
    ];
    for (name, value) in perhaps {
        if let Some(value) = value {
            object.insert(name.to_owned(), text(value)?.into());
        }
    }
    let mtls = request.peer_uri_san.is_some() || request.peer_subject.is_some();
    if request.mtls != Some(mtls) {
        return Err(Unsayable(
            "a request whose `mtls` is not that of its certificate",
        ));
    }
    let no_address = Unsayable("a request without an address");
    object.insert(
        "source_ip".to_owned(),
        json!(request.source_ip.ok_or(no_address)?),
    );
    object.insert(
        "client_ip".to_owned(),
        json!(request.client_ip.ok_or(no_address)?),
    );
    object.insert("headers".to_owned(), headers(&request.headers)?);
    object.insert("attributes".to_owned(), headers(&request.custom)?);
    object.insert("claims".to_owned(), claims(request)?);
    if let Some(body) = &request.body {
        let (key, value) = match text(body) {
            Ok(body) => ("body", body.to_owned()),
            Err(_) => ("body_b64", encoded(body)),
        };
        object.insert(key.to_owned(), value.into());
    }
    let time = Timestamp::from_microsecond(request.time_us);
    let time = time.map_err(|_| Unsayable("a request of a year that has no date"))?;
    object.insert("time".to_owned(), time.to_string().into());
    Ok(Value::Object(object).to_string())
}

fn text(bytes: &Bytes) -> Result<&str, Unsayable> {
    std::str::from_utf8(&bytes.0).map_err(|_| Unsayable("a value that is not UTF-8"))
}

fn encoded(bytes: &Bytes) -> String {
    String::from_utf8(base64(&bytes.0, false, true)).expect("base64 is ASCII")
}

fn headers(headers: &[(Bytes, Bytes)]) -> Result<Value, Unsayable> {
    let headers: Result<Vec<Value>, Unsayable> = headers
        .iter()
        .map(|(name, value)| {
            let name = text(name)?;
            Ok(match text(value) {
                Ok(value) => json!([name, value]),
                Err(_) => json!({"name": name, "value_b64": encoded(value)}),
            })
        })
        .collect();
    Ok(Value::Array(headers?))
}

fn claims(request: &RequestCase) -> Result<Value, Unsayable> {
    let mut claims = Map::new();
    for (name, value) in &request.claims {
        let twice = claims.insert(text(name)?.to_owned(), text(value)?.into());
        if twice.is_some() {
            return Err(Unsayable("a claim with two values"));
        }
    }
    Ok(Value::Object(claims))
}
