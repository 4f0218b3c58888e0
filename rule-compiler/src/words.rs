//! What a bundle has by numbers, in the words of the language.

use riskgate_engine::atoms::Comparison;
use riskgate_engine::attributes::Base;
use riskgate_engine::number::Number;

/// A text on one line, with what a terminal would not show as such in escapes, so that none writes to it what it likes.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// As authors write it, without a key; a custom attribute has no name but its key.
pub(crate) fn base_name(base: Base) -> &'static str {
    match base {
        Base::Method => "request.method",
        Base::Scheme => "request.scheme",
        Base::Host => "request.host",
        Base::Hostname => "request.hostname",
        Base::Protocol => "request.protocol",
        Base::Id => "request.id",
        Base::Path => "request.path",
        Base::UrlPath => "request.url_path",
        Base::Query => "request.query",
        Base::Param => "request.params",
        Base::Header => "request.headers",
        Base::Cookie => "request.cookies",
        Base::Time => "request.time",
        Base::SourceIp => "source.ip",
        Base::ClientIp => "client.ip",
        Base::Mtls => "connection.mtls",
        Base::PeerUriSan => "connection.uri_san_peer_certificate",
        Base::PeerSubject => "connection.subject_peer_certificate",
        Base::ServerName => "connection.requested_server_name",
        Base::TlsVersion => "connection.tls_version",
        Base::Claim => "auth.claims",
        Base::ResponseCode => "response.code",
        Base::ResponseHeader => "response.headers",
        Base::BodyJson => "request.body.json",
        Base::BodyForm => "request.body.form",
        Base::Custom => "",
    }
}

/// A transform by its code in the format.
pub(crate) fn transform(code: u8) -> &'static str {
    TRANSFORMS.get(usize::from(code)).copied().unwrap_or(".?()")
}

const TRANSFORMS: [&str; 9] = [
    ".lowerAscii()",
    ".trim()",
    ".urlDecode()",
    ".urlDecodeAll()",
    ".normalizePath()",
    ".compressSpaces()",
    ".removeNulls()",
    ".htmlUnescape()",
    ".base64Decode()",
];

pub(crate) fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "==",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

pub(crate) fn digits(number: Number) -> String {
    match number {
        Number::Int(value) => value.to_string(),
        Number::Double(value) => format!("{value:?}"),
    }
}
