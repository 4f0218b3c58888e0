//! Derives the values of attributes from a request, once each, into an arena that lives on between requests.

use alloc::vec::Vec;

use crate::attributes::{Attribute, AttributeId, Base};
use crate::request::Request;
use crate::strings::Strings;
use crate::transform::{Transform, trimmed, url_decode};

/// A value in the arena.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: usize,
    end: usize,
}

/// A query argument or a cookie.
#[derive(Debug, Clone, Copy)]
struct Pair {
    name: Span,
    value: Span,
}

/// The values derived for one request. Clearing keeps the memory.
#[derive(Debug, Default)]
pub(crate) struct Values {
    arena: Vec<u8>,
    spans: Vec<Span>,
    /// For each attribute its slice of `spans`, once it was derived.
    derived: Vec<Option<(usize, usize)>>,
    params: Option<Vec<Pair>>,
    cookies: Option<Vec<Pair>>,
    /// Kept so that their memory is used again.
    spare_pairs: [Vec<Pair>; 2],
}

impl Values {
    pub(crate) fn clear(&mut self, attribute_count: u32) {
        self.arena.clear();
        self.spans.clear();
        self.derived.clear();
        self.derived.resize(attribute_count as usize, None);
        let [params, cookies] = &mut self.spare_pairs;
        if let Some(used) = self.params.take() {
            *params = used;
        }
        if let Some(used) = self.cookies.take() {
            *cookies = used;
        }
    }

    /// The values of an attribute; call [`Values::derive`] first.
    pub(crate) fn get(&self, id: AttributeId) -> impl ExactSizeIterator<Item = &[u8]> {
        let (start, end) = self
            .derived
            .get(id as usize)
            .copied()
            .flatten()
            .unwrap_or_default();
        let spans = self.spans.get(start..end).unwrap_or_default();
        spans.iter().map(|span| self.bytes(*span))
    }

    /// Derives an attribute's values unless that was done for this request.
    pub(crate) fn derive(
        &mut self,
        id: AttributeId,
        attribute: Attribute,
        request: &Request<'_>,
        strings: &Strings,
    ) {
        if self.derived.get(id as usize).is_none_or(Option::is_some) {
            return;
        }
        // Pairs append to the arena only, so the spans of this attribute stay together.
        match attribute.base {
            Base::Param if self.params.is_none() => self.parse_params(request),
            Base::Cookie if self.cookies.is_none() => self.parse_cookies(request),
            _ => {}
        }
        let start = self.spans.len();
        self.derive_base(attribute, request, strings);
        if let Some(slot) = self.derived.get_mut(id as usize) {
            *slot = Some((start, self.spans.len()));
        }
    }

    fn derive_base(&mut self, attribute: Attribute, request: &Request<'_>, strings: &Strings) {
        let transforms = strings.get(attribute.transforms);
        let key = strings.get(attribute.key);
        match attribute.base {
            Base::Header => {
                let named = request.headers.iter().filter(|(name, _)| *name == key);
                named.for_each(|(_, value)| self.push(value, transforms));
            }
            Base::Claim => {
                let named = request.claims.iter().filter(|(name, _)| *name == key);
                named.for_each(|(_, value)| self.push(value, transforms));
            }
            Base::Param => self.push_pairs(key, transforms, |values| &mut values.params),
            Base::Cookie => self.push_pairs(key, transforms, |values| &mut values.cookies),
            Base::Hostname => {
                if let Some(host) = request.host {
                    let start = self.arena.len();
                    self.arena.extend_from_slice(without_port(host));
                    Transform::LowerAscii.apply(&mut self.arena, start);
                    self.finish(start, transforms);
                }
            }
            base => {
                if let Some(value) = single_value(base, request) {
                    self.push(value, transforms);
                }
            }
        }
    }

    fn push(&mut self, value: &[u8], transforms: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(value);
        self.finish(start, transforms);
    }

    fn push_pairs(
        &mut self,
        key: &[u8],
        transforms: &[u8],
        pairs: impl Fn(&mut Values) -> &mut Option<Vec<Pair>>,
    ) {
        let taken = pairs(self).take().unwrap_or_default();
        for pair in &taken {
            if self.bytes(pair.name) == key {
                let start = self.arena.len();
                self.arena
                    .extend_from_within(pair.value.start..pair.value.end);
                self.finish(start, transforms);
            }
        }
        *pairs(self) = Some(taken);
    }

    /// Transforms what lies in the arena from `start` on, and makes it a value unless a transform drops it.
    fn finish(&mut self, start: usize, transforms: &[u8]) {
        let valid = transforms
            .iter()
            .filter_map(|&code| Transform::from_code(code))
            .all(|transform| transform.apply(&mut self.arena, start));
        if valid {
            self.spans.push(Span {
                start,
                end: self.arena.len(),
            });
        } else {
            self.arena.truncate(start);
        }
    }

    fn parse_params(&mut self, request: &Request<'_>) {
        let [spare, _] = &mut self.spare_pairs;
        let mut pairs = core::mem::take(spare);
        pairs.clear();
        let query = single_value(Base::Query, request).unwrap_or_default();
        for part in query
            .split(|&byte| byte == b'&')
            .filter(|part| !part.is_empty())
        {
            let (name, value) = split_pair(part).unwrap_or((part, &[]));
            let name = self.push_decoded(name);
            let value = self.push_decoded(value);
            pairs.push(Pair { name, value });
        }
        self.params = Some(pairs);
    }

    fn push_decoded(&mut self, text: &[u8]) -> Span {
        let start = self.arena.len();
        self.arena.extend_from_slice(text);
        url_decode(&mut self.arena, start, true);
        Span {
            start,
            end: self.arena.len(),
        }
    }

    fn parse_cookies(&mut self, request: &Request<'_>) {
        let [_, spare] = &mut self.spare_pairs;
        let mut pairs = core::mem::take(spare);
        pairs.clear();
        let headers = request
            .headers
            .iter()
            .filter(|(name, _)| *name == b"cookie");
        let parts = headers.flat_map(|(_, value)| value.split(|&byte| byte == b';'));
        for (name, value) in parts.filter_map(|part| split_pair(trimmed(part))) {
            let name = self.push_raw(name);
            let value = self.push_raw(value);
            pairs.push(Pair { name, value });
        }
        self.cookies = Some(pairs);
    }

    fn push_raw(&mut self, text: &[u8]) -> Span {
        let start = self.arena.len();
        self.arena.extend_from_slice(text);
        Span {
            start,
            end: self.arena.len(),
        }
    }

    fn bytes(&self, span: Span) -> &[u8] {
        self.arena.get(span.start..span.end).unwrap_or_default()
    }
}

/// The value of a base that has at most one, as it stands in the request.
pub(crate) fn single_value<'a>(base: Base, request: &Request<'a>) -> Option<&'a [u8]> {
    match base {
        Base::Method => request.method,
        Base::Scheme => request.scheme,
        Base::Host => request.host,
        Base::Protocol => request.protocol,
        Base::Id => request.id,
        Base::Path => request.path,
        Base::UrlPath => request
            .path
            .and_then(|path| path.split(|&byte| byte == b'?').next()),
        Base::Query => {
            let path = request.path?;
            let mark = path.iter().position(|&byte| byte == b'?')?;
            path.get(mark + 1..)
        }
        Base::PeerUriSan => request.peer_uri_san,
        Base::PeerSubject => request.peer_subject,
        Base::ServerName => request.server_name,
        Base::TlsVersion => request.tls_version,
        Base::Hostname
        | Base::Param
        | Base::Header
        | Base::Cookie
        | Base::Claim
        | Base::Time
        | Base::SourceIp
        | Base::ClientIp
        | Base::Mtls => None,
    }
}

/// Splits at the first `=`.
fn split_pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = part.iter().position(|&byte| byte == b'=')?;
    Some((part.get(..equals)?, part.get(equals + 1..)?))
}

/// `host` without `:port`. The colons of a bracketed IPv6 address are none of a port's.
fn without_port(host: &[u8]) -> &[u8] {
    let digits = host
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let before = host.get(..host.len() - digits).unwrap_or_default();
    before.strip_suffix(b":").unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::NO_KEY;
    use crate::strings::StringsWriter;

    /// The values of `base[key]`, each followed by `|`, so that none and one empty value differ.
    fn values(base: Base, key: &str, request: &Request<'_>) -> Vec<u8> {
        let mut writer = StringsWriter::default();
        let transforms = writer.intern(b"");
        let key_id = writer.intern(key.as_bytes());
        let strings = Strings::read(&writer.write().as_slice().into()).unwrap();
        let attribute = Attribute {
            base,
            key: if key.is_empty() { NO_KEY } else { key_id },
            transforms,
        };
        let mut values = Values::default();
        values.clear(1);
        values.derive(0, attribute, request, &strings);
        values
            .get(0)
            .flat_map(|value| [value, b"|"].concat())
            .collect()
    }

    #[test]
    fn query_arguments() {
        let cases = [
            ("/", ""),
            ("/?", ""),
            ("/?id", "|"),
            ("/?id=", "|"),
            ("/?id=1", "1|"),
            ("/?id=1&x=2&id=3", "1|3|"),
            ("/?&&id=1&", "1|"),
            ("/?id=a=b", "a=b|"),
            ("/?id=a+b%2B%20c", "a b+ c|"),
            ("/?%69d=1", "1|"),
            ("/?id=%zz%4", "%zz%4|"),
            ("/?ID=1", ""),
            ("/?id=1?id=2", "1?id=2|"),
            ("/?x=1;id=2", ""),
            ("/?id=1#id=2", "1#id=2|"),
        ];
        for (path, expected) in cases {
            let request = Request {
                path: Some(path.as_bytes()),
                ..Request::default()
            };
            assert_eq!(
                values(Base::Param, "id", &request),
                expected.as_bytes(),
                "{path}"
            );
        }
    }

    #[test]
    fn cookies() {
        let cases: [(&[&str], &str); 8] = [
            (&[], ""),
            (&["id"], ""),
            (&["id="], "|"),
            (&["id=1; x=2; id=3"], "1|3|"),
            (&["id=1", "id=2;id=3"], "1|2|3|"),
            (&[" id=1 ;\tid=2\t"], "1|2|"),
            (&["id=a=b; ID=c"], "a=b|"),
            (&["id=%31+"], "%31+|"),
        ];
        for (headers, expected) in cases {
            let headers: Vec<(&[u8], &[u8])> = headers
                .iter()
                .map(|value| (b"cookie".as_slice(), value.as_bytes()))
                .collect();
            let request = Request {
                headers: &headers,
                ..Request::default()
            };
            assert_eq!(
                values(Base::Cookie, "id", &request),
                expected.as_bytes(),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn parts_of_path_and_host() {
        let cases = [
            (Base::UrlPath, "/a?b?c", "/a|"),
            (Base::Query, "/a?b?c", "b?c|"),
            (Base::UrlPath, "/a", "/a|"),
            (Base::Query, "/a", ""),
            (Base::Query, "/a?", "|"),
            (Base::UrlPath, "", "|"),
            (Base::Path, "/a?b", "/a?b|"),
            (Base::Hostname, "Shop.Example.com:8443", "shop.example.com|"),
            (Base::Hostname, "shop.example.com:", "shop.example.com|"),
            (Base::Hostname, "[2001:DB8::1]:443", "[2001:db8::1]|"),
            (Base::Hostname, "[2001:db8::1]", "[2001:db8::1]|"),
            (Base::Hostname, "shop8080", "shop8080|"),
            (Base::Host, "Shop:80", "Shop:80|"),
        ];
        for (base, text, expected) in cases {
            let request = Request {
                path: Some(text.as_bytes()),
                host: Some(text.as_bytes()),
                ..Request::default()
            };
            assert_eq!(
                values(base, "", &request),
                expected.as_bytes(),
                "{base:?} of {text}"
            );
        }
        assert_eq!(values(Base::Hostname, "", &Request::default()), b"");
    }

    #[test]
    fn a_cleared_arena_derives_the_next_request() {
        let mut writer = StringsWriter::default();
        let (transforms, key) = (writer.intern(b""), writer.intern(b"id"));
        let strings = Strings::read(&writer.write().as_slice().into()).unwrap();
        let attribute = Attribute {
            base: Base::Param,
            key,
            transforms,
        };
        let mut values = Values::default();
        for (path, expected) in [("/?id=1&id=2", 2), ("/", 0), ("/?id=3", 1)] {
            let request = Request {
                path: Some(path.as_bytes()),
                ..Request::default()
            };
            values.clear(1);
            values.derive(0, attribute, &request, &strings);
            values.derive(0, attribute, &request, &strings);
            assert_eq!(values.get(0).len(), expected, "{path}");
        }
    }
}
