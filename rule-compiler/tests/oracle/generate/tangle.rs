//! Conditions whose tests get in each other's way, and requests that try all ways through.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;
use riskgate_compiler::ir::{
    Atom, Attribute, Base, Comparison, Condition, Number, Test, Transform, View,
};

use super::condition::{PREFIX_LISTS, STRING_LISTS, plain, prefix, sorted};
use super::request::{Bytes, RequestCase};
use crate::oracle::builder::{matches, x_header};

/// Words that hold, start and end each other, differ in case, or are numbers.
const WORDS: [&str; 20] = [
    "",
    "a",
    "A",
    "ab",
    "AB",
    "ba",
    "abc",
    " a",
    "a ",
    "a  b",
    "a b",
    "\0a",
    "%61",
    "0",
    "1",
    "2",
    "-1",
    "1.5",
    "9007199254740993",
    "YQ==",
];

/// A condition of a few tests of few attributes.
pub(crate) fn tangle() -> impl Strategy<Value = Condition> {
    let leaf = atom().prop_map(Condition::Atom);
    leaf.prop_recursive(3, 8, 4, |inner| {
        prop_oneof![
            2 => inner.clone().prop_map(|part| Condition::Not(Box::new(part))),
            4 => vec(inner.clone(), 2..=4).prop_map(Condition::All),
            2 => vec(inner, 2..=3).prop_map(Condition::Any),
        ]
    })
}

/// A request to try them on.
pub(crate) fn knot() -> impl Strategy<Value = RequestCase> {
    let word = || select(&WORDS[..]).prop_map(|word| Bytes(word.as_bytes().to_vec()));
    let values = vec(word(), 0..=2);
    let addresses: [IpAddr; 4] = ["10.1.2.3", "11.0.0.1", "2001:db8::1", "8000::1"]
        .map(|address| address.parse().expect("an address"));
    let rest = (
        of(select(addresses.to_vec())),
        0..4_i64,
        any::<Option<bool>>(),
    );
    (of(word()), of(word()), values, rest).prop_map(
        |(method, host, values, (source_ip, time_us, mtls))| RequestCase {
            method,
            host,
            headers: values
                .into_iter()
                .map(|value| (Bytes(b"x".to_vec()), value))
                .collect(),
            source_ip,
            time_us,
            mtls,
            ..RequestCase::default()
        },
    )
}

fn atom() -> BoxedStrategy<Atom> {
    let address = prop_oneof![
        vec(prefix(), 1..=3).prop_map(|prefixes| Test::InPrefixes(sorted(prefixes))),
        select(&PREFIX_LISTS[..]).prop_map(Test::InList),
    ];
    let mtls = select(&[Test::Present, Test::IsTrue, Test::IsFalse][..]);
    let time = (comparison(), 0..4_i64).prop_map(|(it, time)| Test::Compare(it, Number::Int(time)));
    let alone = |base: Base, test: BoxedStrategy<Test>| {
        let attribute = plain(base);
        test.prop_map(move |test| Atom {
            attribute: attribute.clone(),
            test,
        })
    };
    prop_oneof![
        8 => text_atom(),
        5 => number_atom(),
        1 => alone(Base::SourceIp, address.boxed()),
        1 => alone(Base::Mtls, mtls.boxed()),
        1 => alone(Base::Time, time.boxed()),
    ]
    .boxed()
}

fn attribute(views: &'static [View]) -> impl Strategy<Value = Attribute> {
    let bases = vec![Base::Method, Base::Method, Base::Hostname, x_header()];
    let transforms = vec![
        Transform::LowerAscii,
        Transform::LowerAscii,
        Transform::Trim,
        Transform::CompressSpaces,
        Transform::RemoveNulls,
        Transform::UrlDecode,
        Transform::NormalizePath,
        Transform::Base64Decode,
    ];
    let chain = prop_oneof![3 => vec(select(transforms.clone()), 0..=1), 1 => vec(select(transforms), 2..=3)];
    (select(bases), chain, select(views)).prop_map(|(base, transforms, view)| Attribute {
        base,
        transforms,
        view,
    })
}

fn text_atom() -> impl Strategy<Value = Atom> {
    let word = || select(&WORDS[..]).prop_map(|word| word.as_bytes().to_vec());
    let test = prop_oneof![
        1 => any::<()>().prop_map(|()| Test::Present),
        4 => vec(word(), 1..=3).prop_map(|words| Test::OneOf(sorted(words))),
        1 => select(&STRING_LISTS[..]).prop_map(Test::InList),
        2 => word().prop_map(Test::StartsWith),
        2 => word().prop_map(Test::EndsWith),
        2 => word().prop_map(Test::Contains),
        1 => select(&["AB", "^a", "a|B", "^$"][..]).prop_map(matches),
    ];
    (attribute(&[View::Value]), test).prop_map(|(attribute, test)| Atom { attribute, test })
}

fn number_atom() -> impl Strategy<Value = Atom> {
    let number = prop_oneof![
        4 => (-1..4_i64).prop_map(Number::Int),
        2 => select(&[0.0, -0.0, 0.5, 1.0, 1.5, 1e300][..]).prop_map(Number::Double),
        1 => select(&[i64::MIN, i64::MAX, 9_007_199_254_740_993][..]).prop_map(Number::Int),
    ];
    let test = (comparison(), number).prop_map(|(it, number)| Test::Compare(it, number));
    let views = &[View::Int, View::Double, View::Length, View::Size];
    (attribute(views), test).prop_map(|(attribute, test)| Atom { attribute, test })
}

fn comparison() -> impl Strategy<Value = Comparison> {
    select(vec![
        Comparison::Equal,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ])
}
