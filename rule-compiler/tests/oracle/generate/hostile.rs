//! Inputs that sit on the edges of one parser: of a transform, of a number, of a query.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use riskgate_compiler::ir::{Attribute, Base, Transform, View};

use super::body::hostile_json;
use super::condition::transforms;
use super::mutation::base64;
use super::number::number_like;
use super::request::{Bytes, RequestCase};

/// An attribute and a request with values that are hard to derive it from.
pub(crate) fn derivation() -> impl Strategy<Value = (Attribute, RequestCase)> {
    prop_oneof![
        4 => (transforms(), select(vec![View::Value, View::Length, View::Size])).prop_flat_map(transformed),
        2 => (select(vec![View::Int, View::Double]), number_like()).prop_map(|(view, text)| parsed(view, text)),
        2 => (json_base(), transforms(), hostile_json()).prop_map(|(base, transforms, body)| {
            let request = RequestCase { body: Some(Bytes(body)), ..RequestCase::default() };
            (Attribute { base, transforms, view: View::Value }, request)
        }),
        3 => (request_base(), transforms(), hostile_request()).prop_map(|(base, transforms, request)| {
            (Attribute { base, transforms, view: View::Value }, request)
        }),
    ]
}

fn transformed(
    (transforms, view): (Vec<Transform>, View),
) -> BoxedStrategy<(Attribute, RequestCase)> {
    let texts = match transforms.first() {
        Some(first) => vec(hostile_to(*first), 1..=2).boxed(),
        None => vec(of_pieces(&["a", "b", " "]), 1..=2).boxed(),
    };
    let attribute = Attribute {
        base: x_header(),
        transforms,
        view,
    };
    texts
        .prop_map(move |texts| (attribute.clone(), with_headers("x", texts)))
        .boxed()
}

fn parsed(view: View, text: Vec<u8>) -> (Attribute, RequestCase) {
    (
        Attribute {
            base: x_header(),
            transforms: Vec::new(),
            view,
        },
        with_headers("x", vec![text]),
    )
}

fn x_header() -> Base {
    Base::Header("x".to_owned())
}

fn with_headers(name: &str, values: Vec<Vec<u8>>) -> RequestCase {
    let header = |value| (Bytes(name.as_bytes().to_vec()), Bytes(value));
    RequestCase {
        headers: values.into_iter().map(header).collect(),
        ..RequestCase::default()
    }
}

pub(super) fn of_pieces(pieces: &'static [&'static str]) -> BoxedStrategy<Vec<u8>> {
    vec(select(pieces), 0..14)
        .prop_map(|pieces| pieces.concat().into_bytes())
        .boxed()
}

/// Strings of what a transform takes as special.
fn hostile_to(step: Transform) -> BoxedStrategy<Vec<u8>> {
    match step {
        Transform::LowerAscii => vec(any::<u8>(), 0..14).boxed(),
        Transform::Trim | Transform::CompressSpaces => {
            let bytes = b"\x00\x08\x09\x0a\x0b\x0c\x0d\x0e\x1f\x20\x20\x21a\x85\xa0";
            vec(select(&bytes[..]), 0..14).boxed()
        }
        Transform::UrlDecode => of_pieces(&[
            "%", "%4", "%41", "2", "5", "f", "G", "+", "%25", "%c0%AF", "%00",
        ]),
        Transform::UrlDecodeAll => of_pieces(&[
            "%",
            "25",
            "%25",
            "%2525",
            "%25252525",
            "%252525252541",
            "%32",
            "%35",
            "41",
            "2",
            "5",
            "z",
            "%zz",
        ]),
        Transform::NormalizePath => of_pieces(&[
            "/", "/", ".", "..", "/../", "/./", "\\", "a", "a/", "?", "//", "%2e",
        ]),
        Transform::RemoveNulls => of_pieces(&["\0", "a", "%00", "0", "\u{1}"]),
        Transform::HtmlUnescape => of_pieces(&[
            "&",
            "#",
            "x",
            "X",
            "&#",
            "&#x",
            "4",
            "1",
            "0",
            "d800",
            "dfff",
            "10ffff",
            "110000",
            "1114111",
            "65536",
            "FF",
            ";",
            "amp",
            "lt",
            "gt",
            "quot",
            "apos",
            "&am",
            "&amp",
            "&lt;",
            "&quot",
            "&apos;",
            "g",
            "99999999999",
        ]),
        Transform::Base64Decode => prop_oneof![
            of_pieces(&[
                "YWJj", "YQ", "Y", "=", "==", " ", "\t", "-_", "+/", "9", "!", "\0", "\u{e9}"
            ]),
            (vec(any::<u8>(), 0..9), any::<bool>(), any::<bool>())
                .prop_map(|(value, url_alphabet, padded)| base64(&value, url_alphabet, padded)),
        ]
        .boxed(),
    }
}

/// Parts that pieces of JSON are likely to make.
fn json_base() -> impl Strategy<Value = Base> {
    select(&["/a", "/0", "/*", "/*/a", "/a/0", "/a/*", "", "/\u{e9}"][..])
        .prop_map(|pointer| Base::BodyJson(pointer.to_owned()))
}

fn request_base() -> BoxedStrategy<Base> {
    let names =
        || select(&["", "a", "b", "a b", "=", "&"][..]).prop_map(|name| name.as_bytes().to_vec());
    prop_oneof![
        1 => select(vec![Base::Path, Base::UrlPath, Base::Query]),
        2 => select(vec![Base::Hostname, Base::Host]),
        4 => names().prop_map(Base::Param),
        3 => names().prop_map(Base::Cookie),
        2 => names().prop_map(Base::BodyForm),
    ]
    .boxed()
}

fn hostile_request() -> impl Strategy<Value = RequestCase> {
    let path = of_pieces(&[
        "/", "?", "?", "&", "=", "a", "a=", "&b=", "+", "%", "%20", "%26", "%3d", "%61", "#", ";",
        "\0",
    ]);
    let host = of_pieces(&[
        "a", "B", ":", ":", "8", "443", "[", "]", "::1", ".", " ", "\u{e9}",
    ]);
    let cookies = vec(
        of_pieces(&[
            "a", "b", "=", ";", ";", " ", "\t", "\u{b}", "a=", "; a=", "\"", "%61",
        ]),
        0..3,
    );
    (path.clone(), path, host, cookies).prop_map(|(path, body, host, cookies)| RequestCase {
        path: Some(Bytes(path)),
        body: Some(Bytes(body)),
        host: Some(Bytes(host)),
        ..with_headers("cookie", cookies)
    })
}
