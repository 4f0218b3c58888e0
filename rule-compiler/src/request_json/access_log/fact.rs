//! The names of what a log can say of a request: those of the rule language.

/// What a log can say of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fact {
    Method,
    Scheme,
    Host,
    Path,
    Protocol,
    Id,
    Time,
    SourceIp,
    ClientIp,
    PeerUriSan,
    PeerSubject,
    ServerName,
    TlsVersion,
    ResponseCode,
    /// One header, by its name.
    Header(String),
    ResponseHeader(String),
    Claim(String),
    /// All that an object holds.
    Headers,
    ResponseHeaders,
    Claims,
}

/// For a message.
pub(super) const NAMES: &str = "request.method, .scheme, .host, .path, .protocol, .id and .time, source.ip, client.ip, \
    connection.uri_san_peer_certificate, .subject_peer_certificate, .requested_server_name and .tls_version, response.code, \
    and with or without a key in brackets request.headers, response.headers and auth.claims";

pub(super) fn read_fact(name: &str) -> Option<Fact> {
    if let Some((object, key)) = name.split_once('[') {
        let key = key.strip_prefix('"')?.strip_suffix("\"]")?.to_owned();
        return match object {
            "request.headers" => Some(Fact::Header(key)),
            "response.headers" => Some(Fact::ResponseHeader(key)),
            "auth.claims" => Some(Fact::Claim(key)),
            _ => None,
        };
    }
    Some(match name {
        "request.method" => Fact::Method,
        "request.scheme" => Fact::Scheme,
        "request.host" => Fact::Host,
        "request.path" => Fact::Path,
        "request.protocol" => Fact::Protocol,
        "request.id" => Fact::Id,
        "request.time" => Fact::Time,
        "source.ip" => Fact::SourceIp,
        "client.ip" => Fact::ClientIp,
        "connection.uri_san_peer_certificate" => Fact::PeerUriSan,
        "connection.subject_peer_certificate" => Fact::PeerSubject,
        "connection.requested_server_name" => Fact::ServerName,
        "connection.tls_version" => Fact::TlsVersion,
        "response.code" => Fact::ResponseCode,
        "request.headers" => Fact::Headers,
        "response.headers" => Fact::ResponseHeaders,
        "auth.claims" => Fact::Claims,
        _ => return None,
    })
}
