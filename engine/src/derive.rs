//! Derives the values of attributes from a request, once each, into an arena that lives on between requests.

use alloc::vec::Vec;

use crate::attributes::{Attribute, AttributeId, Base};
use crate::fields::{Fields, Span};
use crate::json::{self, Walked};
use crate::names::{NameId, Names};
use crate::request::Request;
use crate::response::Response;
use crate::sources::Sources;
use crate::strings::Strings;
use crate::transform::{Transform, trimmed, url_decode};

/// What values are derived from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) response: &'a Response<'a>,
    pub(crate) sources: &'a Sources,
    pub(crate) strings: &'a Strings,
}

/// The values derived for one request. Clearing keeps the memory and touches no more of it than was used.
#[derive(Debug, Default)]
pub(crate) struct Values {
    arena: Vec<u8>,
    spans: Vec<Span>,
    /// Counts requests, so that nothing has to be forgotten of the one before.
    generation: u32,
    /// For each attribute its slice of `spans`, and the request that it was derived for.
    derived: Vec<Derived>,
    headers: Fields,
    params: Fields,
    cookies: Fields,
    claims: Fields,
    response_headers: Fields,
    body_json: Fields,
    body_form: Fields,
    custom: Fields,
    walked: Walked,
    /// Whether the body was read as JSON and is none.
    pub(crate) is_json_malformed: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Derived {
    generation: u32,
    start: usize,
    end: usize,
}

impl Values {
    /// Forgets the last request.
    pub(crate) fn clear(&mut self, sources: &Sources) {
        self.arena.clear();
        self.spans.clear();
        if self.generation == u32::MAX {
            *self = Values::default();
        }
        self.generation += 1;
        let attributes = sources.names.len();
        self.derived.resize(attributes, Derived::default());
        let generation = self.generation;
        self.headers.clear(generation, &sources.headers);
        self.params.clear(generation, &sources.params);
        self.cookies.clear(generation, &sources.cookies);
        self.claims.clear(generation, &sources.claims);
        self.response_headers
            .clear(generation, &sources.response_headers);
        self.body_json.clear(generation, &sources.body_json);
        self.body_form.clear(generation, &sources.body_form);
        self.custom.clear(generation, &sources.custom);
        self.is_json_malformed = false;
    }

    /// Whether a value of an attribute was derived; call [`Values::derive`] first.
    pub(crate) fn has(&self, id: AttributeId) -> bool {
        self.spans_of(id).is_some_and(|(start, end)| start < end)
    }

    /// The values of an attribute; call [`Values::derive`] first.
    pub(crate) fn get(&self, id: AttributeId) -> impl ExactSizeIterator<Item = &[u8]> {
        let (start, end) = self.spans_of(id).unwrap_or_default();
        let spans = self.spans.get(start..end).unwrap_or_default();
        spans.iter().map(|span| self.bytes(*span))
    }

    fn spans_of(&self, id: AttributeId) -> Option<(usize, usize)> {
        let derived = self.derived.get(id as usize)?;
        (derived.generation == self.generation).then_some((derived.start, derived.end))
    }

    /// The `index`th name of a keyed base that the request has and some rule knows, in order of first appearance.
    pub(crate) fn name_at(&self, base: Base, index: usize) -> Option<NameId> {
        self.fields(base)?.order.get(index).copied()
    }

    /// Derives an attribute's values unless that was done for this request.
    pub(crate) fn derive(&mut self, id: AttributeId, attribute: Attribute, from: &Inputs<'_>) {
        let known = self.derived.get(id as usize);
        if known.is_none_or(|derived| derived.generation == self.generation) {
            return;
        }
        // Fields append to the arena only, so the spans of this attribute stay together.
        self.sort_fields(attribute.base, from);
        let start = self.spans.len();
        self.derive_base(id, attribute, from);
        if let Some(slot) = self.derived.get_mut(id as usize) {
            *slot = Derived {
                generation: self.generation,
                start,
                end: self.spans.len(),
            };
        }
    }

    fn derive_base(&mut self, id: AttributeId, attribute: Attribute, from: &Inputs<'_>) {
        let transforms = from.strings.get(attribute.transforms);
        match attribute.base {
            Base::Header => self.push_fields(id, from, |values, place| {
                let header = from.request.headers.get(place.start);
                values.push(header.map_or(&[], |(_, value)| value), transforms);
            }),
            Base::Claim => self.push_fields(id, from, |values, place| {
                let claim = from.request.claims.get(place.start);
                values.push(claim.map_or(&[], |(_, value)| value), transforms);
            }),
            Base::Custom => self.push_fields(id, from, |values, place| {
                let custom = from.request.custom.get(place.start);
                values.push(custom.map_or(&[], |(_, value)| value), transforms);
            }),
            Base::ResponseHeader => self.push_fields(id, from, |values, place| {
                let header = from.response.headers.get(place.start);
                values.push(header.map_or(&[], |(_, value)| value), transforms);
            }),
            Base::Param | Base::Cookie | Base::BodyJson | Base::BodyForm => {
                let push = |values: &mut Values, place: Span| {
                    if transforms.is_empty() {
                        values.spans.push(place);
                        return;
                    }
                    let start = values.arena.len();
                    values.arena.extend_from_within(place.start..place.end);
                    values.finish(start, transforms);
                };
                self.push_fields(id, from, push);
            }
            Base::Hostname => {
                if let Some(host) = from.request.host {
                    let start = self.arena.len();
                    self.arena.extend_from_slice(without_port(host));
                    Transform::LowerAscii.apply(&mut self.arena, start);
                    self.finish(start, transforms);
                }
            }
            base => {
                if let Some(value) = single_value(base, from.request) {
                    self.push(value, transforms);
                }
            }
        }
    }

    /// Hands the places of all fields that an attribute is about to `push`, in order.
    fn push_fields(
        &mut self,
        id: AttributeId,
        from: &Inputs<'_>,
        push: impl Fn(&mut Values, Span),
    ) {
        let Some((base, name)) = from.sources.name(id) else {
            return;
        };
        let mut next = self.fields(base).and_then(|fields| fields.first(name));
        while let Some(field) = next {
            push(self, field.place);
            next = self.fields(base).and_then(|fields| fields.after(field));
        }
    }

    fn push(&mut self, value: &[u8], transforms: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(value);
        self.finish(start, transforms);
    }

    fn fields(&self, base: Base) -> Option<&Fields> {
        match base {
            Base::Header => Some(&self.headers),
            Base::Param => Some(&self.params),
            Base::Cookie => Some(&self.cookies),
            Base::Claim => Some(&self.claims),
            Base::ResponseHeader => Some(&self.response_headers),
            Base::BodyJson => Some(&self.body_json),
            Base::BodyForm => Some(&self.body_form),
            Base::Custom => Some(&self.custom),
            _ => None,
        }
    }

    /// Sorts the request's fields by their names, once; those that no rule names are left out.
    pub(crate) fn sort_fields(&mut self, base: Base, from: &Inputs<'_>) {
        if self.fields(base).is_none_or(|fields| fields.is_sorted) {
            return;
        }
        match base {
            Base::Header => {
                self.headers
                    .sort_named(from.request.headers, &from.sources.headers, from.strings);
            }
            Base::Claim => {
                self.claims
                    .sort_named(from.request.claims, &from.sources.claims, from.strings);
            }
            Base::Custom => {
                self.custom
                    .sort_named(from.request.custom, &from.sources.custom, from.strings);
            }
            Base::ResponseHeader => {
                let names = &from.sources.response_headers;
                self.response_headers
                    .sort_named(from.response.headers, names, from.strings);
            }
            Base::Param => {
                self.params.is_sorted = true;
                let query = single_value(Base::Query, from.request).unwrap_or_default();
                self.sort_arguments(query, from, &from.sources.params, |values| {
                    &mut values.params
                });
            }
            Base::BodyForm => {
                self.body_form.is_sorted = true;
                let form = from.request.body.unwrap_or_default();
                self.sort_arguments(form, from, &from.sources.body_form, |values| {
                    &mut values.body_form
                });
            }
            Base::BodyJson => self.sort_json(from),
            Base::Cookie => self.sort_cookies(from),
            _ => {}
        }
    }

    /// Those of a query or a form.
    fn sort_arguments(
        &mut self,
        text: &[u8],
        from: &Inputs<'_>,
        names: &Names,
        fields: fn(&mut Values) -> &mut Fields,
    ) {
        for part in text
            .split(|&byte| byte == b'&')
            .filter(|part| !part.is_empty())
        {
            let (name, value) = split_pair(part).unwrap_or((part, &[]));
            let decoded = self.push_decoded(name);
            let known = names.find(self.bytes(decoded), from.strings);
            self.arena.truncate(decoded.start);
            if let Some(name) = known {
                let value = self.push_decoded(value);
                fields(self).push(name, value);
            }
        }
    }

    /// A body of no bytes is no malformed one, but none.
    fn sort_json(&mut self, from: &Inputs<'_>) {
        self.body_json.is_sorted = true;
        let Some(body) = from.request.body.filter(|body| !body.is_empty()) else {
            return;
        };
        let before = self.arena.len();
        let Values {
            arena,
            body_json,
            walked,
            ..
        } = self;
        let is_whole = json::walk(body, &from.sources.pointers, walked, |name, scalar| {
            let start = arena.len();
            scalar.append_to(arena);
            let end = arena.len();
            body_json.push(name, Span { start, end });
        });
        if is_whole.is_none() {
            body_json.forget();
            arena.truncate(before);
            self.is_json_malformed = true;
        }
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

    fn sort_cookies(&mut self, from: &Inputs<'_>) {
        self.cookies.is_sorted = true;
        let headers = from.request.headers.iter();
        let headers = headers.filter(|(name, _)| *name == b"cookie");
        let parts = headers.flat_map(|(_, value)| value.split(|&byte| byte == b';'));
        for (name, value) in parts.filter_map(|part| split_pair(trimmed(part))) {
            if let Some(name) = from.sources.cookies.find(name, from.strings) {
                let start = self.arena.len();
                self.arena.extend_from_slice(value);
                let end = self.arena.len();
                self.cookies.push(name, Span { start, end });
            }
        }
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
        | Base::Custom
        | Base::BodyJson
        | Base::BodyForm
        | Base::Time
        | Base::SourceIp
        | Base::ClientIp
        | Base::Mtls
        | Base::ResponseCode
        | Base::ResponseHeader => None,
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
    use crate::atoms::Atoms;
    use crate::attributes::{Attributes, NO_KEY};
    use crate::exact::Exact;
    use crate::literals::Literals;
    use crate::networks::Networks;
    use crate::policy::Policy;
    use crate::ranks::Ranks;
    use crate::sources::Index;
    use crate::strings::StringsWriter;

    /// Those of a ruleset with this attribute alone.
    fn sources(attribute: Attribute, strings: &Strings) -> Sources {
        let attributes = crate::attributes::write(&[attribute]);
        Sources::new(&Index {
            strings,
            attributes: &Attributes::read(&attributes.as_slice().into(), strings).unwrap(),
            atoms: &Atoms::default(),
            exact: &Exact::default(),
            literals: &Literals::default(),
            networks: &Networks::default(),
            ranks: &Ranks::default(),
            policy: &Policy::default(),
        })
    }

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
        let sources = sources(attribute, &strings);
        let mut values = Values::default();
        values.clear(&sources);
        let from = Inputs {
            request,
            response: &Response::default(),
            sources: &sources,
            strings: &strings,
        };
        values.derive(0, attribute, &from);
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
        let sources = sources(attribute, &strings);
        let mut values = Values::default();
        for (path, expected) in [("/?id=1&id=2", 2), ("/", 0), ("/?id=3", 1)] {
            let request = Request {
                path: Some(path.as_bytes()),
                ..Request::default()
            };
            let from = Inputs {
                request: &request,
                response: &Response::default(),
                sources: &sources,
                strings: &strings,
            };
            values.clear(&sources);
            values.derive(0, attribute, &from);
            values.derive(0, attribute, &from);
            assert_eq!(values.get(0).len(), expected, "{path}");
        }
    }
}
