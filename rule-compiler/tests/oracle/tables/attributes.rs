//! Where the values of an attribute come from.

use riskgate_compiler::ir::Base;

use crate::oracle::Value;
use crate::oracle::builder::{rule, ruleset, value_of};
use crate::oracle::check::agreed;
use crate::oracle::exactly::exactly;
use crate::oracle::generate::{Bytes, RequestCase};

#[test]
fn hostname_is_the_host_in_lower_case_without_its_port() {
    let cases = [
        ("shop.example.com", "shop.example.com"),
        ("SHOP.Example.COM", "shop.example.com"),
        ("shop:443", "shop"),
        ("Shop:", "shop"),
        ("shop:80:443", "shop:80"),
        ("shop:8a", "shop:8a"),
        ("shop:443 ", "shop:443 "),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("[2001:db8::1]:8443", "[2001:db8::1]"),
        (":80", ""),
        ("", ""),
        ("\u{c9}:1", "\u{c9}"),
    ];
    for (host, hostname) in cases {
        let request = RequestCase {
            host: Some(bytes(host)),
            ..RequestCase::default()
        };
        check(Base::Hostname, &request, &[hostname]);
        check(Base::Host, &request, &[host]);
    }
    check(Base::Hostname, &RequestCase::default(), &[]);
}

#[test]
fn path_splits_at_the_first_question_mark() {
    let cases = [
        ("/a", "/a", None),
        ("/a?", "/a", Some("")),
        ("/a?b=c", "/a", Some("b=c")),
        ("/a?b?c", "/a", Some("b?c")),
        ("?", "", Some("")),
        ("", "", None),
        ("/a%3Fb", "/a%3Fb", None),
        ("/a#b?c", "/a#b", Some("c")),
    ];
    for (path, url_path, query) in cases {
        let request = with_path(path);
        check(Base::Path, &request, &[path]);
        check(Base::UrlPath, &request, &[url_path]);
        check(Base::Query, &request, query.as_slice());
    }
    for base in [
        Base::Path,
        Base::UrlPath,
        Base::Query,
        Base::Param(b"".to_vec()),
    ] {
        check(base, &RequestCase::default(), &[]);
    }
}

#[test]
fn params_are_split_then_decoded() {
    let cases: [(&str, &str, &[&str]); 22] = [
        ("/", "q", &[]),
        ("/?", "q", &[]),
        ("/?", "", &[]),
        ("/?q", "q", &[""]),
        ("/?q=", "q", &[""]),
        ("/?q=1", "q", &["1"]),
        ("/?q=1&q=2&Q=3", "q", &["1", "2"]),
        ("/?q=1&q=1", "q", &["1", "1"]),
        ("/?&&q=1&", "q", &["1"]),
        ("/?&&q=1&", "", &[]),
        ("/?q=a=b=", "q", &["a=b="]),
        ("/?=v", "", &["v"]),
        ("/?=", "", &[""]),
        ("/?q=a+b%2Bc", "q", &["a b+c"]),
        ("/?q=%252B%", "q", &["%2B%"]),
        ("/?%71=1", "q", &["1"]),
        ("/?a+b=1&a%20b=2&a%2Bb=3", "a b", &["1", "2"]),
        ("/?q=1%26q=2%3D", "q", &["1&q=2="]),
        ("/?q%3D1=2", "q=1", &["2"]),
        ("/?q=1;q=2", "q", &["1;q=2"]),
        ("/?q=1?q=2", "q", &["1?q=2"]),
        ("/q=1", "q", &[]),
    ];
    for (path, name, values) in cases {
        check(
            Base::Param(name.as_bytes().to_vec()),
            &with_path(path),
            values,
        );
    }
}

#[test]
fn cookies_are_split_and_trimmed() {
    let cases: [(&[&str], &str, &[&str]); 15] = [
        (&[], "a", &[]),
        (&[""], "a", &[]),
        (&["a=1"], "a", &["1"]),
        (&["a=1; b=2;a=3"], "a", &["1", "3"]),
        (&["a=1", "b=2; a=3"], "a", &["1", "3"]),
        (&["\t a=1 \x0b;"], "a", &["1"]),
        (&["a=1=2"], "a", &["1=2"]),
        (&["a=; b"], "a", &[""]),
        (&["a"], "a", &[]),
        (&["=1;="], "", &["1", ""]),
        (&["a =1"], "a", &[]),
        (&["a =1"], "a ", &["1"]),
        (&["a= 1 "], "a", &[" 1"]),
        (&["A=1"], "a", &[]),
        (&["a=%20+\"x\""], "a", &["%20+\"x\""]),
    ];
    for (headers, name, values) in cases {
        let headers = headers
            .iter()
            .map(|value| (bytes("cookie"), bytes(value)))
            .collect();
        let request = RequestCase {
            headers,
            ..RequestCase::default()
        };
        check(Base::Cookie(name.as_bytes().to_vec()), &request, values);
    }
}

#[test]
fn headers_and_claims_have_every_value() {
    let pairs = vec![
        (bytes("x"), bytes("1")),
        (bytes("y"), bytes("")),
        (bytes("x"), bytes("2,3")),
    ];
    let request = RequestCase {
        headers: pairs.clone(),
        claims: pairs,
        ..RequestCase::default()
    };
    check(Base::Header("x".to_owned()), &request, &["1", "2,3"]);
    check(Base::Header("y".to_owned()), &request, &[""]);
    check(Base::Header("z".to_owned()), &request, &[]);
    check(Base::Claim("x".to_owned()), &request, &["1", "2,3"]);
    check(Base::Claim("z".to_owned()), &request, &[]);
}

#[test]
fn single_strings_are_their_own_or_absent() {
    let text = |value: &str| Some(bytes(value));
    let request = RequestCase {
        method: text("GET"),
        scheme: text("https"),
        protocol: text("HTTP/2"),
        id: text("7"),
        peer_uri_san: text("spiffe://a"),
        peer_subject: text("CN=a"),
        server_name: text("a.example"),
        tls_version: text("TLSv1.3"),
        ..RequestCase::default()
    };
    let cases = [
        (Base::Method, "GET"),
        (Base::Scheme, "https"),
        (Base::Protocol, "HTTP/2"),
        (Base::Id, "7"),
        (Base::PeerUriSan, "spiffe://a"),
        (Base::PeerSubject, "CN=a"),
        (Base::ServerName, "a.example"),
        (Base::TlsVersion, "TLSv1.3"),
    ];
    for (base, value) in cases {
        check(base.clone(), &request, &[value]);
        check(base, &RequestCase::default(), &[]);
    }
}

fn with_path(path: &str) -> RequestCase {
    RequestCase {
        path: Some(bytes(path)),
        ..RequestCase::default()
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes(text.as_bytes().to_vec())
}

fn check(base: Base, request: &RequestCase, values: &[&str]) {
    let attribute = value_of(base);
    let values: Vec<Value> = values
        .iter()
        .map(|value| Value::Bytes(value.as_bytes().to_vec()))
        .collect();
    let verdict = agreed(
        &ruleset(vec![rule("r", exactly(&attribute, &values))]),
        request,
    );
    assert_eq!(
        verdict.matched,
        ["r"],
        "{attribute:?} of {request:?} has not just {values:?}"
    );
}
