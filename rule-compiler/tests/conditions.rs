//! Conditions and what they become: every operator, every attribute, every transform.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use riskgate_compiler::{
    diagnostic::render,
    front::{Sources, analyse},
    ir::{Atom, Attribute, Condition, Number, Prefix, Test, View},
};

const MANIFEST: &str = "\
language: 1
ruleset: conditions
lists:
  agents: { type: string, values: [curl, wget] }
  office: { type: cidr, values: [10.0.0.0/8] }
";

/// What a condition in YAML becomes, in a short notation.
fn compiled(when: &str) -> String {
    let rules = format!("rules:\n  - id: r\n    when: {when}\n    then: deny\n");
    let analysis = analyse(&Sources::from_texts([
        ("ruleset.yaml", MANIFEST),
        ("a.rules.yaml", &rules),
    ]));
    let ruleset = analysis.ruleset.unwrap_or_else(|| {
        panic!(
            "{when}\n{}",
            render(&analysis.diagnostics, &analysis.sources, false)
        )
    });
    show(&ruleset.rules[0].when)
}

fn expression(text: &str) -> String {
    compiled(&format!("'{}'", text.replace('\'', "''")))
}

fn show(condition: &Condition) -> String {
    let join = |operands: &[Condition]| operands.iter().map(show).collect::<Vec<_>>().join(", ");
    match condition {
        Condition::Constant(value) => value.to_string(),
        Condition::Atom(atom) => show_atom(atom),
        Condition::Not(inner) => format!("not({})", show(inner)),
        Condition::All(operands) => format!("all({})", join(operands)),
        Condition::Any(operands) => format!("any({})", join(operands)),
    }
}

fn show_atom(Atom { attribute, test }: &Atom) -> String {
    let Attribute {
        base,
        transforms,
        view,
    } = attribute;
    let base = match base {
        riskgate_compiler::ir::Base::Param(key) => format!("Param({})", text(key)),
        riskgate_compiler::ir::Base::Cookie(key) => format!("Cookie({})", text(key)),
        other => format!("{other:?}").replace('"', ""),
    };
    let transforms: String = transforms
        .iter()
        .map(|transform| format!(".{transform:?}"))
        .collect();
    let view = if *view == View::Value {
        String::new()
    } else {
        format!(":{view:?}")
    };
    format!("{base}{transforms}{view} {}", show_test(test))
}

fn show_test(test: &Test) -> String {
    match test {
        Test::OneOf(values) => format!(
            "OneOf({})",
            values
                .iter()
                .map(|value| text(value))
                .collect::<Vec<_>>()
                .join(" ")
        ),
        Test::InPrefixes(prefixes) => {
            let show = |Prefix { address, length }: &Prefix| format!("{address}/{length}");
            format!(
                "InPrefixes({})",
                prefixes.iter().map(show).collect::<Vec<_>>().join(" ")
            )
        }
        Test::Compare(comparison, Number::Int(number)) => format!("{comparison:?}({number})"),
        Test::Compare(comparison, Number::Double(number)) => format!("{comparison:?}({number:?})"),
        Test::StartsWith(value) => format!("StartsWith({})", text(value)),
        Test::EndsWith(value) => format!("EndsWith({})", text(value)),
        Test::Contains(value) => format!("Contains({})", text(value)),
        Test::Matches(pattern) => format!("Matches({})", pattern.text()),
        Test::InList(index) => format!("InList({index})"),
        Test::Present | Test::IsTrue | Test::IsFalse => format!("{test:?}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn check(cases: &[(&str, &str)]) {
    for (written, expected) in cases {
        assert_eq!(expression(written), *expected, "{written}");
    }
}

#[test]
fn equality() {
    check(&[
        ("request.method == 'GET'", "Method OneOf(GET)"),
        ("request.method != \"GET\"", "not(Method OneOf(GET))"),
        ("int(request.params['n']) == 5", "Param(n):Int Equal(5)"),
        (
            "int(request.params['n']) != -5",
            "not(Param(n):Int Equal(-5))",
        ),
        (
            "double(request.params['n']) == 0.5",
            "Param(n):Double Equal(0.5)",
        ),
        ("int(request.params['n']) == 0.5", "Param(n):Int Equal(0.5)"),
        (
            "double(request.params['n']) == 5",
            "Param(n):Double Equal(5)",
        ),
        ("connection.mtls == true", "Mtls IsTrue"),
        ("connection.mtls == false", "Mtls IsFalse"),
        ("connection.mtls != true", "not(Mtls IsTrue)"),
        ("connection.mtls != false", "not(Mtls IsFalse)"),
        (
            "client.ip == '192.0.2.1'",
            "ClientIp InPrefixes(192.0.2.1/32)",
        ),
        (
            "client.ip == '::ffff:192.0.2.1'",
            "ClientIp InPrefixes(192.0.2.1/32)",
        ),
        (
            "source.ip != '2001:db8::1'",
            "not(SourceIp InPrefixes(2001:db8::1/128))",
        ),
        ("request.path == ''", "Path OneOf()"),
        ("request.path == 'é'", "Path OneOf(é)"),
        (r#"request.path == "\xe9\n""#, "Path OneOf(é\n)"),
        (r"request.path == r'\n'", r"Path OneOf(\n)"),
    ]);
}

#[test]
fn order() {
    check(&[
        ("int(request.params['n']) < 5", "Param(n):Int Less(5)"),
        (
            "int(request.params['n']) <= -9223372036854775808",
            "Param(n):Int LessOrEqual(-9223372036854775808)",
        ),
        (
            "int(request.params['n']) > 9223372036854775807",
            "Param(n):Int Greater(9223372036854775807)",
        ),
        (
            "double(request.params['n']) >= -1e3",
            "Param(n):Double GreaterOrEqual(-1000.0)",
        ),
        ("request.path.length() > 0x10", "Path:Length Greater(16)"),
        (
            "size(request.headers['a']) >= 2",
            "Header(a):Size GreaterOrEqual(2)",
        ),
        (
            "request.time < timestamp('1970-01-01T00:00:01Z')",
            "Time Less(1000000)",
        ),
        (
            "request.time >= timestamp('1970-01-01T01:00:00+01:00')",
            "Time GreaterOrEqual(0)",
        ),
        (
            "request.time == timestamp('1970-01-01T00:00:00.000001Z')",
            "Time Equal(1)",
        ),
        (
            "request.time != timestamp('1969-12-31T23:59:59Z')",
            "not(Time Equal(-1000000))",
        ),
    ]);
}

#[test]
fn membership() {
    check(&[
        (
            "request.method in ['PUT', \"DELETE\", 'PUT']",
            "Method OneOf(DELETE PUT)",
        ),
        ("request.method in ['PUT',]", "Method OneOf(PUT)"),
        (
            "int(request.params['n']) in [1, -2, 0.5]",
            "any(Param(n):Int Equal(1), Param(n):Int Equal(-2), Param(n):Int Equal(0.5))",
        ),
        (
            "double(request.params['n']) in [1]",
            "Param(n):Double Equal(1)",
        ),
        (
            "client.ip in ['10.0.0.0/8', '192.0.2.1', '::ffff:0:0/96']",
            "ClientIp InPrefixes(0.0.0.0/0 10.0.0.0/8 192.0.2.1/32)",
        ),
        ("client.ip in ['::/0']", "ClientIp InPrefixes(::/0)"),
        ("client.ip in lists.office", "ClientIp InList(1)"),
        (
            "request.useragent in lists.agents",
            "Header(user-agent) InList(0)",
        ),
        (
            "!(request.useragent.lowerAscii() in lists.agents)",
            "not(Header(user-agent).LowerAscii InList(0))",
        ),
    ]);
}

#[test]
fn string_methods() {
    check(&[
        ("request.path.startsWith('/a')", "Path StartsWith(/a)"),
        ("request.path.endsWith('.php')", "Path EndsWith(.php)"),
        ("request.path.contains('..')", "Path Contains(..)"),
        (
            r"request.path.matches(r'^/a\d+$')",
            r"Path Matches(^/a\d+$)",
        ),
        (
            r#"request.path.matches("^/a\\d+$")"#,
            r"Path Matches(^/a\d+$)",
        ),
        ("request.path.contains('')", "Path Present"),
        ("request.path.length() == 3", "Path:Length Equal(3)"),
    ]);
}

#[test]
fn presence_and_size() {
    check(&[
        ("has(request.query)", "Query Present"),
        ("has(request.headers['a'])", "Header(a) Present"),
        ("has(int(request.params['n']))", "Param(n):Int Present"),
        (
            "has(request.headers['a'].base64Decode())",
            "Header(a).Base64Decode Present",
        ),
        ("has(client.ip)", "ClientIp Present"),
        ("has(connection.mtls)", "Mtls Present"),
        ("!has(request.query)", "not(Query Present)"),
        ("size(request.headers['a']) == 1", "Header(a):Size Equal(1)"),
        (
            "size(request.headers['a'].base64Decode()) == 1",
            "Header(a).Base64Decode:Size Equal(1)",
        ),
        (
            "size(request.useragent) > 1",
            "Header(user-agent):Size Greater(1)",
        ),
    ]);
}

#[test]
fn logic() {
    check(&[
        ("connection.mtls", "Mtls IsTrue"),
        ("!connection.mtls", "not(Mtls IsTrue)"),
        ("!!connection.mtls", "not(not(Mtls IsTrue))"),
        ("(connection.mtls)", "Mtls IsTrue"),
        (
            "has(request.query) || connection.mtls && request.id == '1'",
            "any(Query Present, all(Mtls IsTrue, Id OneOf(1)))",
        ),
        (
            "(has(request.query) || connection.mtls) && request.id == '1'",
            "all(any(Query Present, Mtls IsTrue), Id OneOf(1))",
        ),
        (
            "!connection.mtls && has(request.query)",
            "all(not(Mtls IsTrue), Query Present)",
        ),
        (
            "!(connection.mtls && has(request.query))",
            "not(all(Mtls IsTrue, Query Present))",
        ),
        ("true", "true"),
        ("connection.mtls && true", "Mtls IsTrue"),
        (
            "connection.mtls || false || has(request.query)",
            "any(Mtls IsTrue, Query Present)",
        ),
        ("connection.mtls && false", "false"),
        ("!(true && !connection.mtls)", "not(not(Mtls IsTrue))"),
    ]);
}

#[test]
fn attributes() {
    check(&[
        ("has(request.method)", "Method Present"),
        ("has(request.scheme)", "Scheme Present"),
        ("has(request.host)", "Host Present"),
        ("has(request.hostname)", "Hostname Present"),
        ("has(request.protocol)", "Protocol Present"),
        ("has(request.id)", "Id Present"),
        ("has(request.path)", "Path Present"),
        ("has(request.url_path)", "UrlPath Present"),
        ("has(request.query)", "Query Present"),
        ("has(request.params['a b'])", "Param(a b) Present"),
        ("has(request.headers['x-a'])", "Header(x-a) Present"),
        ("has(request.cookies['sid'])", "Cookie(sid) Present"),
        ("has(request.useragent)", "Header(user-agent) Present"),
        ("has(request.referer)", "Header(referer) Present"),
        ("has(request.time)", "Time Present"),
        ("has(source.ip)", "SourceIp Present"),
        ("has(client.ip)", "ClientIp Present"),
        ("has(connection.mtls)", "Mtls Present"),
        (
            "has(connection.uri_san_peer_certificate)",
            "PeerUriSan Present",
        ),
        (
            "has(connection.subject_peer_certificate)",
            "PeerSubject Present",
        ),
        (
            "has(connection.requested_server_name)",
            "ServerName Present",
        ),
        ("has(connection.tls_version)", "TlsVersion Present"),
        ("has(auth.claims['sub'])", "Claim(sub) Present"),
    ]);
}

#[test]
fn transforms() {
    check(&[
        ("has(request.path.lowerAscii())", "Path.LowerAscii Present"),
        ("has(request.path.trim())", "Path.Trim Present"),
        ("has(request.path.urlDecode())", "Path.UrlDecode Present"),
        (
            "has(request.path.urlDecodeAll())",
            "Path.UrlDecodeAll Present",
        ),
        (
            "has(request.path.normalizePath())",
            "Path.NormalizePath Present",
        ),
        (
            "has(request.path.compressSpaces())",
            "Path.CompressSpaces Present",
        ),
        (
            "has(request.path.removeNulls())",
            "Path.RemoveNulls Present",
        ),
        (
            "has(request.path.htmlUnescape())",
            "Path.HtmlUnescape Present",
        ),
        (
            "has(request.path.base64Decode())",
            "Path.Base64Decode Present",
        ),
        (
            "request.url_path.urlDecodeAll().normalizePath().lowerAscii().startsWith('/admin')",
            "UrlPath.UrlDecodeAll.NormalizePath.LowerAscii StartsWith(/admin)",
        ),
        (
            "int(request.headers['a'].trim()) > 5",
            "Header(a).Trim:Int Greater(5)",
        ),
        (
            "request.headers['a'].trim().length() > 5",
            "Header(a).Trim:Length Greater(5)",
        ),
    ]);
}

#[test]
fn when_as_a_map() {
    let cases = [
        (
            "{ all: [connection.mtls, has(request.query)] }",
            "all(Mtls IsTrue, Query Present)",
        ),
        (
            "{ any: [connection.mtls, { not: has(request.query) }] }",
            "any(Mtls IsTrue, not(Query Present))",
        ),
        ("{ all: [connection.mtls] }", "Mtls IsTrue"),
        (
            "{ not: { any: [connection.mtls, has(request.query)] } }",
            "not(any(Mtls IsTrue, Query Present))",
        ),
        ("{ all: [connection.mtls, true] }", "Mtls IsTrue"),
        ("true", "true"),
        ("\"!connection.mtls\"", "not(Mtls IsTrue)"),
        (
            "|\n      connection.mtls\n        && has(request.query)\n",
            "all(Mtls IsTrue, Query Present)",
        ),
        (
            ">-\n      connection.mtls &&\n      has(request.query)",
            "all(Mtls IsTrue, Query Present)",
        ),
        (
            "connection.mtls &&\n      has(request.query)",
            "all(Mtls IsTrue, Query Present)",
        ),
    ];
    for (when, expected) in cases {
        assert_eq!(compiled(when), expected, "{when}");
    }
}

#[test]
fn depth_has_a_bound_and_length_does_not_cost_depth() {
    let many = vec!["connection.mtls"; 2000].join(" && ");
    assert!(expression(&many).starts_with("all(Mtls IsTrue, Mtls IsTrue"));
    assert_eq!(
        expression(&format!("{}connection.mtls", "!".repeat(60)))
            .matches("not(")
            .count(),
        60
    );
    let nested = |depth: usize| {
        format!(
            "{}connection.mtls{}",
            "{ not: ".repeat(depth),
            " }".repeat(depth)
        )
    };
    assert_eq!(compiled(&nested(32)).matches("not(").count(), 32);
}
