//! Atoms over strings, addresses, bools and times, and how conditions join them.

use std::net::IpAddr;

use riskgate_compiler::ir::{Base, Comparison, Condition, List, ListValues, Number, Prefix, Test};

use crate::oracle::builder::{atom, matches, not, rule, ruleset, value_of, with_x, x_header};
use crate::oracle::check::agreed;
use crate::oracle::generate::RequestCase;

#[test]
fn string_tests_are_bytewise() {
    let text = |text: &str| text.as_bytes().to_vec();
    let cases: [(Test, &[u8], bool); 20] = [
        (Test::OneOf(vec![text("a"), text("abc")]), b"abc", true),
        (Test::OneOf(vec![text("a"), text("abc")]), b"ABC", false),
        (Test::OneOf(vec![text("")]), b"", true),
        (Test::OneOf(vec![text("")]), b"\0", false),
        (Test::OneOf(vec![b"\xff".to_vec()]), b"\xff", true),
        (Test::StartsWith(text("ab")), b"abc", true),
        (Test::StartsWith(text("ab")), b"ab", true),
        (Test::StartsWith(text("ab")), b"a", false),
        (Test::StartsWith(text("ab")), b"xab", false),
        (Test::StartsWith(text("")), b"", true),
        (Test::EndsWith(text("bc")), b"abc", true),
        (Test::EndsWith(text("bc")), b"abcd", false),
        (Test::EndsWith(text("")), b"abc", true),
        (Test::Contains(text("b")), b"abc", true),
        (Test::Contains(text("ac")), b"abc", false),
        (Test::Contains(text("aab")), b"aaab", true),
        (Test::Contains(text("")), b"", true),
        (Test::Contains(b"\xc3".to_vec()), "\u{e9}".as_bytes(), true),
        (Test::Contains(text("abababc")), b"ababababc", true),
        (Test::Present, b"", true),
    ];
    for (test, value, expected) in cases {
        assert_eq!(
            x_holds(test.clone(), &[value]),
            expected,
            "{test:?} on {}",
            value.escape_ascii()
        );
        assert!(
            !x_holds(test, &[]),
            "an atom over an absent attribute holds"
        );
    }
}

#[test]
fn patterns_search_bytes() {
    let cases: [(&str, &[u8], bool); 30] = [
        ("", b"", true),
        ("b", b"abc", true),
        ("^b", b"abc", false),
        ("^$", b"", true),
        ("^$", b"\n", false),
        ("a$", b"a", true),
        ("a$", b"a\n", false),
        ("^b", b"a\nb", false),
        ("(?m)^b", b"a\nb", true),
        ("a.c", b"a\nc", true),
        ("a.c", b"a\xffc", true),
        ("^a.c$", "a\u{e9}c".as_bytes(), false),
        ("^a..c$", "a\u{e9}c".as_bytes(), true),
        ("\u{e9}", "\u{e9}".as_bytes(), true),
        ("^\u{e9}{2}$", "\u{e9}\u{e9}".as_bytes(), true),
        ("\u{e9}", b"\xe9", false),
        (r"\xe9", b"\xe9", true),
        (r"\xe9", "\u{e9}".as_bytes(), false),
        ("(?i)abc", b"aBC", true),
        ("(?i)k", "\u{212a}".as_bytes(), false),
        (r"\w", "\u{e9}".as_bytes(), false),
        (r"\d", "\u{665}".as_bytes(), false),
        (r"\s", b"\x0b", true),
        (r"\s", "\u{a0}".as_bytes(), false),
        (r"\badmin\b", "\u{e9}admin\u{e9}".as_bytes(), true),
        (r"\badmin\b", b"xadmin", false),
        (r"[^a]", b"a", false),
        (r"^[^a]$", b"\xff", true),
        (r"\x00", b"a\0b", true),
        ("(foo|bar)baz$", b"xbarbaz", true),
    ];
    for (pattern, value, expected) in cases {
        let holds = x_holds(matches(pattern), &[value]);
        assert_eq!(holds, expected, "{pattern} on {}", value.escape_ascii());
    }
}

#[test]
fn any_value_satisfies_an_atom_and_none_an_absent_one() {
    let is = |text: &str| {
        atom(
            value_of(x_header()),
            Test::OneOf(vec![text.as_bytes().to_vec()]),
        )
    };
    let both = || Condition::All(vec![is("a"), is("b")]);
    assert!(holds(both(), &with_x(&[b"a", b"b"])));
    assert!(!holds(both(), &with_x(&[b"a", b"a"])));
    assert!(!holds(not(is("a")), &with_x(&[b"b", b"a"])));
    assert!(holds(not(is("a")), &with_x(&[])));
    assert!(holds(
        Condition::Any(vec![is("c"), not(is("c"))]),
        &with_x(&[])
    ));
    assert!(!holds(Condition::Constant(false), &with_x(&[b"a"])));
    assert!(holds(Condition::Constant(true), &with_x(&[])));
}

#[test]
fn addresses_match_prefixes_of_their_own_family() {
    let cases = [
        ("10.1.2.3", "10.0.0.0/8", true),
        ("11.1.2.3", "10.0.0.0/8", false),
        ("10.1.2.3", "10.1.2.3/32", true),
        ("10.1.2.2", "10.1.2.3/32", false),
        ("0.0.0.0", "0.0.0.0/0", true),
        ("255.255.255.255", "0.0.0.0/0", true),
        ("::ffff:10.1.2.3", "10.0.0.0/8", true),
        ("::ffff:10.1.2.3", "::/0", false),
        ("10.1.2.3", "::/0", false),
        ("::", "0.0.0.0/0", false),
        ("::", "::/0", true),
        ("2001:db8::1", "2001:db8::/32", true),
        ("2001:db9::1", "2001:db8::/32", false),
        ("2001:db8::1", "2001:db8::1/128", true),
        ("128.0.0.0", "128.0.0.0/1", true),
        ("127.255.255.255", "128.0.0.0/1", false),
    ];
    for (address, text, expected) in cases {
        let prefix = prefix(text);
        let request = RequestCase {
            source_ip: Some(address.parse().unwrap()),
            ..RequestCase::default()
        };
        let direct = atom(value_of(Base::SourceIp), Test::InPrefixes(vec![prefix]));
        let mut ruleset = ruleset(vec![rule("r", direct)]);
        assert_eq!(
            !agreed(&ruleset, &request).matched.is_empty(),
            expected,
            "{address} in {text}"
        );
        ruleset.lists = vec![List {
            approximate: false,
            name: "list".to_owned(),
            values: ListValues::Prefixes(vec![prefix]),
        }];
        ruleset.rules[0].when = atom(value_of(Base::SourceIp), Test::InList(0));
        assert_eq!(
            !agreed(&ruleset, &request).matched.is_empty(),
            expected,
            "{address} in a list of {text}"
        );
    }
}

fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').unwrap();
    Prefix {
        address: address.parse::<IpAddr>().unwrap(),
        length: length.parse().unwrap(),
    }
}

#[test]
fn an_absent_bool_is_neither() {
    let cases = [
        (Some(true), [true, true, false]),
        (Some(false), [true, false, true]),
        (None, [false; 3]),
    ];
    for (mtls, expected) in cases {
        let request = RequestCase {
            mtls,
            ..RequestCase::default()
        };
        let found = [Test::Present, Test::IsTrue, Test::IsFalse]
            .map(|test| holds(atom(value_of(Base::Mtls), test), &request));
        assert_eq!(found, expected, "{mtls:?}");
    }
}

#[test]
fn time_compares_in_microseconds() {
    let at = |time_us| RequestCase {
        time_us,
        ..RequestCase::default()
    };
    let before = |time_us| {
        atom(
            value_of(Base::Time),
            Test::Compare(Comparison::Less, Number::Int(time_us)),
        )
    };
    assert!(holds(before(1_000_000), &at(999_999)));
    assert!(!holds(before(1_000_000), &at(1_000_000)));
    assert!(holds(before(0), &at(-1)));
    assert!(holds(before(i64::MAX), &at(i64::MIN)));
}

fn x_holds(test: Test, values: &[&[u8]]) -> bool {
    holds(atom(value_of(x_header()), test), &with_x(values))
}

fn holds(condition: Condition, request: &RequestCase) -> bool {
    !agreed(&ruleset(vec![rule("r", condition)]), request)
        .matched
        .is_empty()
}
