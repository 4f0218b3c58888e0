//! Random conditions.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use riskgate_compiler::ir::{
    Atom, Attribute, Base, Condition, Number, Prefix, Test, Transform, View,
};

use super::body::{form_base, json_base};
use super::number::{comparison, number};
use super::request::named_time_us;
use super::words::{PATTERNS, literal, piece};
use crate::oracle::builder::matches;

/// The lists of every generated ruleset: these indices hold strings, the others prefixes.
pub(super) const STRING_LISTS: [usize; 2] = [0, 1];
pub(super) const PREFIX_LISTS: [usize; 2] = [2, 3];

/// A random condition, a few levels deep.
pub(super) fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        20 => atom().prop_map(Condition::Atom),
        1 => any::<bool>().prop_map(Condition::Constant),
    ];
    leaf.prop_recursive(4, 12, 4, |inner| {
        prop_oneof![
            2 => inner.clone().prop_map(|part| Condition::Not(Box::new(part))),
            3 => vec(inner.clone(), 1..=4).prop_map(Condition::All),
            3 => vec(inner, 1..=4).prop_map(Condition::Any),
        ]
    })
}

fn atom() -> impl Strategy<Value = Atom> {
    prop_oneof![
        8 => string_atom(),
        4 => number_atom(),
        2 => address_atom(),
        1 => time_atom(),
        1 => mtls_atom(),
    ]
}

pub(super) fn string_test() -> impl Strategy<Value = Test> {
    prop_oneof![
        1 => Just(Test::Present),
        4 => vec(literal(), 1..=5).prop_map(|strings| Test::OneOf(sorted(strings))),
        2 => select(&STRING_LISTS[..]).prop_map(Test::InList),
        3 => prop_oneof![literal(), piece()].prop_map(Test::StartsWith),
        3 => prop_oneof![literal(), piece()].prop_map(Test::EndsWith),
        3 => prop_oneof![literal(), piece()].prop_map(Test::Contains),
        4 => select(&PATTERNS[..]).prop_map(matches),
    ]
}

fn string_atom() -> impl Strategy<Value = Atom> {
    let test = string_test();
    (string_base(), transforms(), test).prop_map(|(base, transforms, test)| Atom {
        attribute: Attribute {
            base,
            transforms,
            view: View::Value,
        },
        test,
    })
}

fn number_atom() -> impl Strategy<Value = Atom> {
    let parsed = (
        number_base(),
        transforms(),
        select(&[View::Int, View::Double][..]),
        parsed_test(),
    );
    let counted = (
        string_base(),
        transforms(),
        select(&[View::Length, View::Size][..]),
        counted_test(),
    );
    prop_oneof![2 => parsed.boxed(), 1 => counted.boxed()].prop_map(
        |(base, transforms, view, test)| Atom {
            attribute: Attribute {
                base,
                transforms,
                view,
            },
            test,
        },
    )
}

fn parsed_test() -> BoxedStrategy<Test> {
    prop_oneof![
        1 => Just(Test::Present),
        6 => (comparison(), number()).prop_map(|(comparison, number)| Test::Compare(comparison, number)),
    ]
    .boxed()
}

fn counted_test() -> BoxedStrategy<Test> {
    let count = prop_oneof![
        4 => (0_i64..9).prop_map(Number::Int),
        1 => select(&[1.0, 2.5, -0.5, 1e300][..]).prop_map(Number::Double),
        1 => select(&[-1, 80, i64::MAX][..]).prop_map(Number::Int),
    ];
    (comparison(), count)
        .prop_map(|(comparison, count)| Test::Compare(comparison, count))
        .boxed()
}

fn address_atom() -> impl Strategy<Value = Atom> {
    let test = prop_oneof![
        1 => Just(Test::Present),
        4 => vec(prefix(), 1..=5).prop_map(|prefixes| Test::InPrefixes(sorted(prefixes))),
        2 => select(&PREFIX_LISTS[..]).prop_map(Test::InList),
    ];
    let custom = Attribute {
        view: View::Address,
        ..plain(Base::Custom {
            name: "device.proxy".to_owned(),
            is_many_valued: false,
        })
    };
    let own = [plain(Base::SourceIp), plain(Base::ClientIp)];
    let attribute = prop_oneof![2 => select(own.to_vec()), 1 => Just(custom)];
    (attribute, test).prop_map(|(attribute, test)| Atom { attribute, test })
}

fn time_atom() -> impl Strategy<Value = Atom> {
    let test = prop_oneof![
        1 => Just(Test::Present),
        9 => (comparison(), named_time_us()).prop_map(|(comparison, time_us)| Test::Compare(comparison, Number::Int(time_us))),
    ];
    test.prop_map(|test| Atom {
        attribute: plain(Base::Time),
        test,
    })
}

fn mtls_atom() -> impl Strategy<Value = Atom> {
    select(&[Test::Present, Test::IsTrue, Test::IsFalse][..]).prop_map(|test| Atom {
        attribute: plain(Base::Mtls),
        test,
    })
}

pub(super) fn plain(base: Base) -> Attribute {
    Attribute {
        base,
        transforms: Vec::new(),
        view: View::Value,
    }
}

/// What tells clients apart.
pub(super) fn key() -> impl Strategy<Value = Attribute> {
    let string = (string_base(), transforms()).prop_map(|(base, transforms)| Attribute {
        base,
        transforms,
        view: View::Value,
    });
    let address = select(&[Base::SourceIp, Base::ClientIp][..]).prop_map(plain);
    prop_oneof![2 => address.boxed(), 3 => string.boxed()]
}

fn string_base() -> BoxedStrategy<Base> {
    let single = [
        Base::Method,
        Base::Scheme,
        Base::Host,
        Base::Hostname,
        Base::Protocol,
        Base::Id,
        Base::PeerUriSan,
        Base::PeerSubject,
        Base::ServerName,
        Base::TlsVersion,
    ];
    prop_oneof![
        3 => select(single.to_vec()),
        4 => select(vec![Base::Path, Base::UrlPath, Base::Query]),
        8 => named_base(),
    ]
    .boxed()
}

/// Where numbers are often found.
fn number_base() -> BoxedStrategy<Base> {
    let numbers = vec![
        Base::Param(b"n".to_vec()),
        Base::Header("x-n".to_owned()),
        Base::Cookie(b"t".to_vec()),
        Base::Claim("role".to_owned()),
        Base::BodyJson("/n".to_owned()),
        Base::BodyForm(b"n".to_vec()),
    ];
    prop_oneof![3 => select(numbers), 1 => string_base()].boxed()
}

fn named_base() -> BoxedStrategy<Base> {
    let bytes = |name: &str| name.as_bytes().to_vec();
    prop_oneof![
        4 => select(&["q", "id", "n", "a b", "", "missing"][..]).prop_map(move |name| Base::Param(bytes(name))),
        4 => select(&["x-a", "x-n", "x-b", "user-agent", "referer", "cookie", "x-missing"][..])
            .prop_map(|name| Base::Header(name.to_owned())),
        2 => select(&["sid", "t", "", "missing"][..]).prop_map(move |name| Base::Cookie(bytes(name))),
        1 => select(&["sub", "role", "missing"][..]).prop_map(|name| Base::Claim(name.to_owned())),
        1 => custom_base(),
        2 => json_base(),
        1 => form_base(),
    ]
    .boxed()
}

/// Of each name there is one declaration.
fn custom_base() -> impl Strategy<Value = Base> {
    select(&["device.id", "device.tags", "missing.one"][..]).prop_map(|name| Base::Custom {
        name: name.to_owned(),
        is_many_valued: name == "device.tags",
    })
}

pub(super) fn transforms() -> impl Strategy<Value = Vec<Transform>> {
    let transform = select(vec![
        Transform::LowerAscii,
        Transform::Trim,
        Transform::UrlDecode,
        Transform::UrlDecodeAll,
        Transform::NormalizePath,
        Transform::CompressSpaces,
        Transform::RemoveNulls,
        Transform::HtmlUnescape,
        Transform::Base64Decode,
    ]);
    prop_oneof![1 => Just(Vec::new()), 1 => vec(transform, 1..=4)]
}

/// Prefixes that nest and touch, and whole families.
pub(super) fn prefix() -> impl Strategy<Value = Prefix> {
    const PREFIXES: [(&str, u8); 21] = [
        ("0.0.0.0", 0),
        ("0.0.0.0", 1),
        ("128.0.0.0", 1),
        ("10.0.0.0", 8),
        ("10.0.0.0", 9),
        ("10.1.0.0", 16),
        ("10.1.2.0", 24),
        ("10.1.2.3", 32),
        ("10.1.2.4", 32),
        ("192.168.0.0", 16),
        ("203.0.113.8", 31),
        ("203.0.113.10", 32),
        ("255.255.255.255", 32),
        ("::", 0),
        ("::", 64),
        ("::1", 128),
        ("2001:db8::", 32),
        ("2001:db8::1", 128),
        ("2001:db8:1::", 48),
        ("8000::", 1),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 128),
    ];
    select(&PREFIXES[..]).prop_map(|(address, length)| Prefix {
        address: address.parse::<IpAddr>().expect("an address"),
        length,
    })
}

/// As the front end leaves them.
pub(super) fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort();
    values.dedup();
    values
}
