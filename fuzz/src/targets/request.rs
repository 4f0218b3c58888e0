//! Requests to two rulesets that use everything: no panic, and the verdict that the oracle gives.

use std::net::IpAddr;

use riskgate_compiler::front::{analyse, read_ruleset};
use riskgate_compiler::ir::Ruleset;
use riskgate_compiler::request_json;
use riskgate_engine::ruleset::Scratch;

use crate::oracle::check::Both;
use crate::oracle::generate::{Bytes, Dense, Dice, RequestCase};

thread_local! {
    static RULESETS: [Both<'static>; 2] = [storefront(), dense().ruleset].map(|ruleset| {
        Both::new(Box::leak(Box::new(ruleset)))
    });
}

fn storefront() -> Ruleset {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/rulesets/storefront"
    );
    let analysis = analyse(&read_ruleset(folder.as_ref()).expect("the folder is there"));
    analysis.ruleset.expect("it has no errors")
}

pub(super) fn dense() -> Dense {
    Dense::new(400, &mut Dice::new(9))
}

/// JSON, or a line for each fact: a letter, and then the value.
pub(crate) fn request(data: &[u8]) -> bool {
    let request = match data.first() {
        Some(b'{') => of_json(data),
        _ => Some(of_lines(data)),
    };
    let Some(request) = request else {
        return false;
    };
    RULESETS.with(|rulesets| {
        for both in rulesets {
            let (oracle, engine) = both.verdicts(&request, &mut Scratch::default());
            assert_eq!(engine, oracle, "{request:#?}");
        }
    });
    true
}

fn of_json(data: &[u8]) -> Option<RequestCase> {
    let request = request_json::parse(str::from_utf8(data).ok()?).ok()?;
    let time_us = request.time_us().unwrap_or(0);
    Some(request.with(time_us, |request| RequestCase::from(request)))
}

fn of_lines(data: &[u8]) -> RequestCase {
    let mut request = RequestCase::default();
    for line in data.split(|byte| *byte == b'\n') {
        if let Some((letter, value)) = line.split_first() {
            put(&mut request, *letter, value);
        }
    }
    request
}

fn put(request: &mut RequestCase, letter: u8, value: &[u8]) {
    let single = match letter {
        b'm' => &mut request.method,
        b'p' => &mut request.path,
        b'a' => &mut request.host,
        b's' => &mut request.scheme,
        b'v' => &mut request.protocol,
        b'i' => &mut request.id,
        b'u' => &mut request.peer_uri_san,
        b'j' => &mut request.peer_subject,
        b'n' => &mut request.server_name,
        b'l' => &mut request.tls_version,
        b'd' => &mut request.body,
        b'h' => return request.headers.extend(pair(value)),
        b'k' => return request.custom.extend(pair(value)),
        b'c' => return request.claims.extend(pair(value)),
        b'x' => return request.source_ip = address(value),
        b'y' => return request.client_ip = address(value),
        b't' => return request.time_us = number(value).unwrap_or(0),
        b'b' => return request.mtls = Some(value.is_empty()),
        _ => return,
    };
    *single = Some(Bytes(value.to_vec()));
}

/// Name and value at the first colon.
fn pair(value: &[u8]) -> Option<(Bytes, Bytes)> {
    let at = value.iter().position(|byte| *byte == b':')?;
    Some((Bytes(value[..at].to_vec()), Bytes(value[at + 1..].to_vec())))
}

fn address(value: &[u8]) -> Option<IpAddr> {
    str::from_utf8(value).ok()?.parse().ok()
}

fn number(value: &[u8]) -> Option<i64> {
    str::from_utf8(value).ok()?.parse().ok()
}

/// The other way round; a line break in a value is lost.
pub(super) fn lines(request: &RequestCase) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut line = |letter: u8, value: &[u8]| lines.push([&[letter], value].concat());
    let singles = [
        (b'm', &request.method),
        (b'p', &request.path),
        (b'a', &request.host),
        (b's', &request.scheme),
        (b'v', &request.protocol),
        (b'i', &request.id),
        (b'u', &request.peer_uri_san),
        (b'j', &request.peer_subject),
        (b'n', &request.server_name),
        (b'l', &request.tls_version),
        (b'd', &request.body),
    ];
    for (letter, value) in singles {
        if let Some(value) = value {
            line(letter, &value.0);
        }
    }
    for (letter, pairs) in [
        (b'h', &request.headers),
        (b'c', &request.claims),
        (b'k', &request.custom),
    ] {
        for (name, value) in pairs {
            line(letter, &[name.0.as_slice(), b":", &value.0].concat());
        }
    }
    for (letter, address) in [(b'x', request.source_ip), (b'y', request.client_ip)] {
        if let Some(address) = address {
            line(letter, address.to_string().as_bytes());
        }
    }
    line(b't', request.time_us.to_string().as_bytes());
    lines.join(&b'\n')
}
