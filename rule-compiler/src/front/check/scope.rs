//! What the language knows: attributes, their types, transforms and functions.

use core::ops::Range;

use crate::ir::{Attribute, Base, Transform};

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    String,
    Int,
    Double,
    Bool,
    Ip,
    Timestamp,
}

impl Type {
    /// With its article.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Int => "an int",
            Self::Double => "a double",
            Self::Bool => "a bool",
            Self::Ip => "an IP address",
            Self::Timestamp => "a timestamp",
        }
    }
}

/// An attribute chain with its type and place.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub(super) attribute: Attribute,
    pub(super) ty: Type,
    pub(super) range: Range<usize>,
}

/// An attribute of the language.
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) ty: Type,
    pub(super) source: Source,
}

/// Where an attribute's values come from.
pub(super) enum Source {
    /// From the request itself.
    Plain(Base),
    /// From a header that has a name of its own.
    Header(&'static str),
    /// From a map of the request: `name["key"]`.
    Keyed(KeyKind),
}

/// Which map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Header,
    Param,
    Cookie,
    Claim,
    ResponseHeader,
    JsonPointer,
    FormField,
}

impl KeyKind {
    /// A key for remedies.
    pub(super) fn example(self) -> &'static str {
        match self {
            KeyKind::JsonPointer => "/name",
            _ => "name",
        }
    }
}

/// Every attribute.
pub(super) static ATTRIBUTES: [Spec; 27] = [
    plain("request.method", Type::String, Base::Method),
    plain("request.scheme", Type::String, Base::Scheme),
    plain("request.host", Type::String, Base::Host),
    plain("request.hostname", Type::String, Base::Hostname),
    plain("request.protocol", Type::String, Base::Protocol),
    plain("request.id", Type::String, Base::Id),
    plain("request.path", Type::String, Base::Path),
    plain("request.url_path", Type::String, Base::UrlPath),
    plain("request.query", Type::String, Base::Query),
    keyed("request.params", KeyKind::Param),
    keyed("request.headers", KeyKind::Header),
    keyed("request.cookies", KeyKind::Cookie),
    keyed("request.body.json", KeyKind::JsonPointer),
    keyed("request.body.form", KeyKind::FormField),
    Spec {
        name: "request.useragent",
        ty: Type::String,
        source: Source::Header("user-agent"),
    },
    Spec {
        name: "request.referer",
        ty: Type::String,
        source: Source::Header("referer"),
    },
    plain("request.time", Type::Timestamp, Base::Time),
    plain("source.ip", Type::Ip, Base::SourceIp),
    plain("client.ip", Type::Ip, Base::ClientIp),
    plain("connection.mtls", Type::Bool, Base::Mtls),
    plain(
        "connection.uri_san_peer_certificate",
        Type::String,
        Base::PeerUriSan,
    ),
    plain(
        "connection.requested_server_name",
        Type::String,
        Base::ServerName,
    ),
    plain("connection.tls_version", Type::String, Base::TlsVersion),
    plain(
        "connection.subject_peer_certificate",
        Type::String,
        Base::PeerSubject,
    ),
    keyed("auth.claims", KeyKind::Claim),
    plain("response.code", Type::Int, Base::ResponseCode),
    keyed("response.headers", KeyKind::ResponseHeader),
];

/// Whether a name begins like those of the language.
pub(crate) fn is_root(name: &str) -> bool {
    let start = |name: &'static str| name.split('.').next();
    let own = ATTRIBUTES.iter().filter_map(|spec| start(spec.name));
    own.chain(["counters", "lists"]).any(|root| root == name)
}

/// Transforms of strings by their method's name.
pub(super) const TRANSFORMS: [(&str, Transform); 9] = [
    ("lowerAscii", Transform::LowerAscii),
    ("trim", Transform::Trim),
    ("urlDecode", Transform::UrlDecode),
    ("urlDecodeAll", Transform::UrlDecodeAll),
    ("normalizePath", Transform::NormalizePath),
    ("compressSpaces", Transform::CompressSpaces),
    ("removeNulls", Transform::RemoveNulls),
    ("htmlUnescape", Transform::HtmlUnescape),
    ("base64Decode", Transform::Base64Decode),
];

/// Methods that test a string.
pub(super) const PREDICATES: [&str; 4] = ["startsWith", "endsWith", "contains", "matches"];

/// Functions that stand before their argument.
pub(super) const FUNCTIONS: [&str; 5] = ["has", "size", "int", "double", "timestamp"];

/// Macros of CEL that loop over lists.
pub(super) const MACROS: [&str; 6] = ["all", "exists", "exists_one", "existsOne", "map", "filter"];

const fn plain(name: &'static str, ty: Type, base: Base) -> Spec {
    Spec {
        name,
        ty,
        source: Source::Plain(base),
    }
}

const fn keyed(name: &'static str, kind: KeyKind) -> Spec {
    Spec {
        name,
        ty: Type::String,
        source: Source::Keyed(kind),
    }
}

/// The attribute of that name.
pub(super) fn attribute(name: &str) -> Option<&'static Spec> {
    ATTRIBUTES.iter().find(|spec| spec.name == name)
}

/// The transform of that name.
pub(super) fn transform(name: &str) -> Option<Transform> {
    TRANSFORMS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|&(_, transform)| transform)
}

/// Every method, for remedies.
pub(super) fn methods() -> Vec<&'static str> {
    PREDICATES
        .into_iter()
        .chain(["length"])
        .chain(TRANSFORMS.iter().map(|(name, _)| *name))
        .collect()
}

/// Whether a request can hold several values.
pub(crate) fn is_many_valued(base: &Base) -> bool {
    match base {
        Base::Param(_)
        | Base::Header(_)
        | Base::Cookie(_)
        | Base::BodyJson(_)
        | Base::BodyForm(_)
        | Base::ResponseHeader(_) => true,
        Base::Custom { is_many_valued, .. } => *is_many_valued,
        Base::Method
        | Base::Scheme
        | Base::Host
        | Base::Hostname
        | Base::Protocol
        | Base::Id
        | Base::Path
        | Base::UrlPath
        | Base::Query
        | Base::Time
        | Base::SourceIp
        | Base::ClientIp
        | Base::Mtls
        | Base::PeerUriSan
        | Base::PeerSubject
        | Base::ServerName
        | Base::TlsVersion
        | Base::Claim(_)
        | Base::Counter(_)
        | Base::ResponseCode => false,
    }
}
