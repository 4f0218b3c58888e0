//! Requests: what a rule sees, and what a verdict does.

use crate::bundles::{PLAIN, Spec};
use crate::driver::Driver;
use crate::proxy::Reply;
use riskgate_filter_sdk::Flow;

const RICH: Spec = Spec {
    rules: r#"
  - { id: block, when: 'request.url_path == "/blocked"', then: { deny: { status: 429, headers: { retry-after: "10" }, body: slow } } }
  - { id: verify, when: 'request.url_path == "/verify"', then: { challenge: { redirect: "https://v.example/?r={request.path}" } } }
  - { id: scored, when: 'request.url_path == "/scored"', then: { score: 7, tag: { kind: odd } } }
  - { id: shadowed, stage: shadow, when: 'has(request.headers["x-shadow"])', then: deny }
  - { id: forged, when: 'has(request.headers["x-risk-tag-vip"]) || has(request.headers["x-risk-score"])', then: deny }
  - { id: any-value, when: 'request.headers["x-many"] == "second"', then: deny }
  - { id: raw-bytes, when: 'request.headers["x-raw"].startsWith("caf")', then: deny }
  - { id: network, when: 'client.ip in ["203.0.113.0/24"]', then: deny }
  - { id: partner, when: 'connection.uri_san_peer_certificate == "spiffe://p" && connection.mtls', then: deny }
  - { id: subject, when: 'auth.claims["sub"] == "42"', then: deny }
  - { id: plumbing, when: 'request.protocol == "HTTP/2" && request.id == "r1" && connection.requested_server_name == "sni"', then: deny }
"#,
    ..PLAIN
};

fn rich(more: &str) -> Driver {
    Driver::new(&format!(r#","bundle":"{}"{more}"#, RICH.base64()))
}

#[test]
fn a_denied_request_is_answered() {
    let mut driver = rich("");
    assert_eq!(driver.request("/blocked?x=1", &[]), Flow::Answered);
    let reply = Reply {
        status: 429,
        headers: vec![("retry-after".into(), "10".into())],
        body: "slow".into(),
    };
    assert_eq!(*driver.proxy.reply.borrow(), Some(reply));
    assert_eq!(driver.state("riskgate.action").as_deref(), Some("deny"));
    assert_eq!(driver.state("riskgate.rule").as_deref(), Some("block"));
    assert_eq!(driver.state("riskgate.matched").as_deref(), Some("block"));
    assert_eq!(driver.state("riskgate.revision").as_deref(), Some("1"));
    assert_eq!(driver.state("riskgate.score"), None);
    assert_eq!(driver.metric("riskgate.decisions.deny"), 1);
    assert_eq!(driver.metric("riskgate.decisions.allow"), 0);
    assert_eq!(driver.metric("riskgate.revision"), 1);
}

#[test]
fn a_challenge_redirects() {
    let mut driver = rich("");
    assert_eq!(driver.request("/verify?a=b", &[]), Flow::Answered);
    let reply = driver.proxy.reply.borrow().clone().unwrap();
    assert_eq!(reply.status, 302);
    assert_eq!(
        reply.headers,
        [(
            "location".into(),
            "https://v.example/?r=%2Fverify%3Fa%3Db".into()
        )]
    );
    assert_eq!(driver.metric("riskgate.decisions.challenge"), 1);
}

#[test]
fn an_allowed_request_carries_score_and_tags() {
    let mut driver = rich("");
    assert_eq!(
        driver.request(
            "/scored",
            &[("x-risk-score", b"0"), ("x-risk-tag-kind", b"forged")]
        ),
        Flow::Continue
    );
    assert_eq!(driver.header("x-risk-score"), [b"7"]);
    assert_eq!(driver.header("x-risk-tag-kind"), [b"odd"]);
    assert_eq!(driver.state("riskgate.action").as_deref(), Some("allow"));
    assert_eq!(driver.state("riskgate.score").as_deref(), Some("7"));
    assert_eq!(driver.state("riskgate.rule"), None);
}

#[test]
fn a_score_band_is_named_where_it_decides() {
    let banded = Spec {
        more: "score_bands: [{ at_least: 5, then: deny }]\n",
        ..RICH
    };
    let mut driver = Driver::new(&format!(r#","bundle":"{}""#, banded.base64()));
    assert_eq!(driver.request("/scored", &[]), Flow::Answered);
    assert_eq!(driver.state("riskgate.band").as_deref(), Some("5"));
    assert_eq!(driver.state("riskgate.rule"), None);
    assert_eq!(driver.request("/blocked", &[]), Flow::Answered);
    assert_eq!(driver.state("riskgate.band"), None);
    assert_eq!(driver.state("riskgate.rule").as_deref(), Some("block"));
}

#[test]
fn a_shadowed_match_shows_what_would_have_been() {
    let mut driver = rich("");
    assert_eq!(driver.request("/", &[("x-shadow", b"1")]), Flow::Continue);
    assert_eq!(
        driver.state("riskgate.shadowed").as_deref(),
        Some("shadowed")
    );
    assert_eq!(driver.state("riskgate.would").as_deref(), Some("deny"));
    assert_eq!(driver.request("/", &[]), Flow::Continue);
    assert_eq!(
        (
            driver.state("riskgate.shadowed"),
            driver.state("riskgate.would")
        ),
        (None, None)
    );
}

#[test]
fn forged_headers_reach_neither_rules_nor_upstream() {
    let mut driver = rich("");
    let forged: [(&str, &[u8]); 8] = [
        ("x-risk-score", b"0"),
        ("x-risk-tag-vip", b"yes"),
        ("x-risk-tag-vip", b"twice"),
        ("X-Risk-Tag-Vip", b"case"),
        ("x-risk-tag-", b"empty"),
        ("X_Risk_Score", b"0"),
        ("x_risk_tag_vip", b"yes"),
        ("x-risk_tag-vip_x", b"mixed"),
    ];
    assert_eq!(driver.request("/", &forged), Flow::Continue);
    for (name, _) in forged {
        assert!(driver.header(name).is_empty(), "{name}");
    }
    assert_eq!(driver.metric("riskgate.request_errors"), 0);
    let alike: [(&str, &[u8]); 3] = [
        ("x-risk", b"1"),
        ("x-risk-scores", b"1"),
        ("x.risk.score", b"1"),
    ];
    driver.request("/", &alike);
    for (name, _) in alike {
        assert_eq!(driver.header(name).len(), 1, "{name}");
    }
}

#[test]
fn mutual_tls_is_a_boolean_or_unknown() {
    let rules = r#"
  - { id: with, when: 'connection.mtls', then: { deny: { status: 401 } } }
  - { id: without, when: '!connection.mtls', then: { deny: { status: 402 } } }
"#;
    let bundle = Spec { rules, ..PLAIN };
    let cases: [(&[u8], Option<u16>, i64); 7] = [
        (&[1], Some(401), 0),
        (&[0], Some(402), 0),
        // What is unknown is not mTLS.
        (&[2], Some(402), 1),
        (&[0xff], Some(402), 1),
        (&[], Some(402), 1),
        (b"true", Some(402), 1),
        (&[1, 0, 0, 0, 0, 0, 0, 0], Some(402), 1),
    ];
    for (value, status, errors) in cases {
        let mut driver = Driver::new(&format!(r#","bundle":"{}""#, bundle.base64()));
        let properties = driver.proxy.properties.get_mut();
        properties.insert("connection/mtls".into(), value.to_vec());
        assert_eq!(driver.status("/"), status, "{value:?}");
        assert_eq!(
            driver.metric("riskgate.request_errors"),
            errors,
            "{value:?}"
        );
    }
}

#[test]
fn rules_see_what_the_host_tells() {
    let cases: [(&str, Pairs, Pairs, bool); 13] = [
        (
            "any of repeated headers",
            &[("x-many", b"first"), ("x-many", b"second")],
            &[],
            true,
        ),
        (
            "values are not joined",
            &[("x-many", b"first,second")],
            &[],
            false,
        ),
        (
            "bytes that are no text",
            &[("x-raw", b"caf\xe9\xff")],
            &[],
            true,
        ),
        ("peer", &[], &[("source/address", b"203.0.113.9:1")], true),
        (
            "peer, not a forged header",
            &[("x-forwarded-for", b"203.0.113.9")],
            &[],
            false,
        ),
        ("no peer", &[], &[("source/address", b"@pipe")], false),
        (
            "mTLS",
            &[],
            &[
                ("connection/mtls", &[1]),
                ("connection/uri_san_peer_certificate", b"spiffe://p"),
            ],
            true,
        ),
        (
            "no mTLS",
            &[],
            &[
                ("connection/mtls", &[0]),
                ("connection/uri_san_peer_certificate", b"spiffe://p"),
            ],
            false,
        ),
        ("claim", &[], &[(CLAIM, b"42")], true),
        (
            "claim that is a number",
            &[],
            &[(CLAIM, b"\0\0\0\0\0\0E@")],
            false,
        ),
        ("claim that is a boolean", &[], &[(CLAIM, &[1])], false),
        ("other claim", &[], &[(CLAIM, b"43")], false),
        (
            "the rest",
            &[],
            &[
                ("request/protocol", b"HTTP/2"),
                ("request/id", b"r1"),
                ("connection/requested_server_name", b"sni"),
            ],
            true,
        ),
    ];
    for (what, headers, properties, denied) in cases {
        let mut driver = rich("");
        for (path, value) in properties {
            driver
                .proxy
                .properties
                .get_mut()
                .insert((*path).to_owned(), value.to_vec());
        }
        let expected = if denied {
            Flow::Answered
        } else {
            Flow::Continue
        };
        assert_eq!(driver.request("/", headers), expected, "{what}");
        assert_eq!(driver.metric("riskgate.request_errors"), 0, "{what}");
    }
}

/// Headers, or properties.
type Pairs = &'static [(&'static str, &'static [u8])];

const CLAIM: &str = "metadata/filter_metadata/envoy.filters.http.jwt_authn/jwt_payload/sub";

#[test]
fn the_client_is_behind_trusted_hops() {
    let mut driver = rich(r#","client_ip":{"trusted_hops":2}"#);
    let flow = driver.request(
        "/",
        &[("x-forwarded-for", b"198.51.100.1, 203.0.113.9, 10.0.0.1")],
    );
    assert_eq!(flow, Flow::Answered);
    // The forged address is one further to the left.
    let flow = driver.request(
        "/",
        &[("x-forwarded-for", b"203.0.113.9, 198.51.100.1, 10.0.0.1")],
    );
    assert_eq!(flow, Flow::Continue);
}

#[test]
fn only_what_the_rules_read_is_asked_for() {
    let mut driver = Driver::new(&format!(r#","bundle":"{}""#, PLAIN.base64()));
    driver.tick();
    driver.proxy.calls.get_mut().clear();
    driver.request("/", &[]);
    let calls = driver.proxy.calls.borrow();
    let count = |name: &str| calls.iter().filter(|call| **call == name).count();
    assert_eq!(
        (count("property"), count("request_headers"), count("now_ns")),
        (0, 1, 1),
        "{calls:?}"
    );
}

#[test]
fn without_a_bundle_on_missing_decides() {
    let mut allow = Driver::new("");
    assert_eq!(
        allow.request("/blocked", &[("x-risk-tag-vip", b"forged")]),
        Flow::Continue
    );
    assert!(allow.header("x-risk-tag-vip").is_empty());
    assert_eq!(allow.metric("riskgate.decisions.missing"), 1);
    let mut deny = Driver::new(r#","on_missing":"deny""#);
    assert_eq!(deny.request("/", &[]), Flow::Answered);
    let unavailable = Reply {
        status: 503,
        headers: vec![("content-type".into(), "application/json".into())],
        body: r#"{"error":"ruleset_unavailable"}"#.into(),
    };
    assert_eq!(*deny.proxy.reply.borrow(), Some(unavailable));
    assert_eq!(deny.metric("riskgate.decisions.missing"), 1);
}

#[test]
fn a_configuration_that_cannot_be_read_refuses_every_request() {
    let mut driver = Driver::with_json(r#"{"rulset":"shop"}"#);
    assert_eq!(driver.status("/"), Some(503));
    assert_eq!(driver.metric("riskgate.config_errors"), 1);
    assert!(
        driver
            .log()
            .contains("Error: plugin configuration, `rulset`: unknown field"),
        "{}",
        driver.log()
    );
}

#[test]
fn a_bad_configured_bundle_leaves_on_missing_and_alarms() {
    let other_key = Spec { key: 2, ..PLAIN };
    let other_ruleset = Spec {
        ruleset: "other",
        ..PLAIN
    };
    let cases = [
        ("!".to_owned(), "malformed"),
        ("AAAA".to_owned(), "malformed"),
        (other_key.base64(), "untrusted"),
        (other_ruleset.base64(), "wrong-ruleset"),
    ];
    for (bundle, code) in cases {
        let mut driver = Driver::new(&format!(r#","bundle":"{bundle}","on_missing":"deny""#));
        assert_eq!(driver.status("/"), Some(503));
        assert_eq!(driver.metric("riskgate.loads.refused"), 1);
        assert!(
            driver.log().contains(&format!("refused ({code})")),
            "{}",
            driver.log()
        );
    }
}

#[test]
fn nothing_is_loaded_before_the_first_tick_or_request() {
    let mut driver = rich("");
    assert_eq!(*driver.proxy.calls.borrow(), ["set_tick_period"]);
    assert_eq!(driver.proxy.tick_period_ms.get(), 1);
    driver.tick();
    assert_eq!(driver.metric("riskgate.loads.accepted"), 1);
    assert!(driver.proxy.tick_period_ms.get() >= 100);
    driver.tick();
    assert_eq!(driver.status("/blocked"), Some(429));
    assert_eq!(driver.metric("riskgate.loads.accepted"), 1, "loaded once");
}
