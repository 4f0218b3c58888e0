//! What a filter sees of a request, and what it leaves behind.

use std::net::{IpAddr, Ipv4Addr};

use riskgate_e2e::{Envoy, Request, Stage, client, client_at};

use crate::RULESET;

/// An Envoy with these rules in its configuration.
pub(crate) fn with_rules(stage: &Stage, rules: &str) -> Envoy {
    let bundle = stage.build(RULESET, rules, 3).unwrap();
    let scenario = stage.scenario("static", RULESET).unwrap();
    stage.envoy(scenario.bundle(&bundle).unwrap()).unwrap()
}

#[test]
fn header_values_that_are_not_utf_8_are_bytes_like_others() {
    let stage = Stage::new().unwrap();
    let envoy = with_rules(
        &stage,
        r#"
rules:
  - id: bad-bytes
    when: request.headers["x-device-id"].matches("^\\xff\\xfe")
    then: deny
  - id: bad-agent
    when: request.useragent == "sqlmap"
    then: { deny: { status: 418 } }
"#,
    );
    let status = |request: &Request| envoy.send(request).unwrap().status;
    assert_eq!(
        status(&Request::get("/").header("x-device-id", b"\xff\xfe\x80")),
        403
    );
    let odd = Request::get("/").header("x-odd", b"\xc3\x28\x80");
    assert_eq!(status(&odd.clone().header("user-agent", "sqlmap")), 418);
    let seen = envoy.send(&odd).unwrap().seen().unwrap();
    assert_eq!(
        seen.values("x-odd"),
        [b"\xc3\x28\x80"],
        "the upstream gets the same bytes"
    );
    assert_eq!(envoy.metric("request_errors").unwrap(), 0);
}

#[test]
fn every_value_of_a_repeated_header_counts() {
    let stage = Stage::new().unwrap();
    let envoy = with_rules(
        &stage,
        r#"
rules:
  - id: stolen-card
    when: request.headers["x-card"] == "stolen"
    then: deny
  - id: many-cards
    when: size(request.headers["x-card"]) > 2
    then: { deny: { status: 429 } }
"#,
    );
    let cards = |cards: &[&str]| {
        let request = cards.iter().fold(Request::get("/pay"), |request, card| {
            request.header("x-card", card)
        });
        envoy.send(&request).unwrap().status
    };
    assert_eq!(cards(&["good", "good"]), 200);
    assert_eq!(cards(&["stolen", "good"]), 403);
    assert_eq!(cards(&["good", "stolen"]), 403);
    assert_eq!(cards(&["good", "good", "good"]), 429);
}

const SCORES: &str = r#"
rules:
  - id: odd-agent
    when: request.useragent.startsWith("curl/")
    then: { score: 30, tag: { agent: tool } }
  - id: no-referer
    when: "!has(request.referer)"
    then: { score: 10 }
  - id: trial
    stage: shadow
    when: request.url_path == "/item"
    then: deny
  - id: no-admin
    when: request.url_path.startsWith("/admin")
    then: deny
"#;

#[test]
fn tags_and_score_reach_the_upstream_and_cannot_be_forged() {
    let stage = Stage::new().unwrap();
    let envoy = with_rules(&stage, SCORES);
    let forged = Request::get("/item")
        .header("x-risk-score", "0")
        .header("X-Risk-Tag-Agent", "browser")
        .header("x-risk-tag-vip", "yes")
        .header("x-risk-score", "-5");
    let seen = envoy
        .send(&forged.clone().header("user-agent", "curl/8"))
        .unwrap()
        .seen()
        .unwrap();
    assert_eq!(seen.values("x-risk-score"), [b"40"]);
    assert_eq!(seen.values("x-risk-tag-agent"), [b"tool"]);
    assert!(seen.values("x-risk-tag-vip").is_empty(), "{seen:?}");

    let plain = forged
        .header("referer", "https://shop.example.com/")
        .header("user-agent", "Firefox");
    let seen = envoy.send(&plain).unwrap().seen().unwrap();
    assert!(
        seen.headers
            .iter()
            .all(|(name, _)| !name.starts_with("x-risk-tag-")),
        "{seen:?}"
    );
    assert!(
        seen.values("x-risk-score")
            .iter()
            .all(|score| *score == b"0"),
        "{seen:?}"
    );
}

#[test]
fn access_logs_and_metrics_tell_the_verdict() {
    let stage = Stage::new().unwrap();
    let envoy = with_rules(&stage, SCORES);
    let (allowed, denied) = (client(), client());
    let curl = |path: &str| Request::get(path).header("user-agent", "curl/8");
    assert_eq!(
        envoy.send_from(allowed, &curl("/item")).unwrap().status,
        200
    );
    assert_eq!(
        envoy.send_from(denied, &curl("/admin")).unwrap().status,
        403
    );

    let line = envoy.access_log().line_of(allowed).unwrap();
    let fields = [
        "action", "rule", "score", "matched", "shadowed", "would", "revision",
    ]
    .map(|field| line.text(field));
    let expected = [
        "allow",
        "",
        "40",
        "odd-agent,no-referer",
        "trial",
        "deny",
        "3",
    ];
    assert_eq!(fields.map(Option::unwrap_or_default), expected, "{line:?}");

    let line = envoy.access_log().line_of(denied).unwrap();
    let fields = [
        "action", "rule", "score", "matched", "shadowed", "would", "revision",
    ]
    .map(|field| line.text(field));
    let expected = [
        "deny",
        "no-admin",
        "40",
        "odd-agent,no-referer,no-admin",
        "",
        "",
        "3",
    ];
    assert_eq!(fields.map(Option::unwrap_or_default), expected, "{line:?}");

    assert_eq!(envoy.wait_for_metric("decisions.allow", 1).unwrap(), 1);
    assert_eq!(envoy.wait_for_metric("decisions.deny", 1).unwrap(), 1);
    assert_eq!(envoy.metric("decisions.challenge").unwrap(), 0);
    assert_eq!(envoy.metric("revision").unwrap(), 3);
}

#[test]
fn the_source_address_cannot_be_forged() {
    let stage = Stage::new().unwrap();
    let envoy = with_rules(
        &stage,
        r#"
rules:
  - id: bad-network
    when: source.ip in ["203.0.113.0/24"]
    then: deny
  - id: bad-client
    when: client.ip in ["192.0.2.0/24"]
    then: { deny: { status: 418 } }
"#,
    );
    let from = |ip: [u8; 4], forwarded_for: &str| {
        let request = Request::get("/").header("x-forwarded-for", forwarded_for);
        envoy
            .send_from(client_at(IpAddr::V4(Ipv4Addr::from(ip))), &request)
            .unwrap()
            .status
    };
    assert_eq!(
        from([203, 0, 113, 9], "198.51.100.7"),
        403,
        "a bad source hides behind no header"
    );
    assert_eq!(
        from([198, 51, 100, 7], "203.0.113.9"),
        200,
        "and a good one is not blamed for one"
    );
    assert_eq!(from([192, 0, 2, 9], "198.51.100.7"), 418);
    assert_eq!(from([198, 51, 100, 7], "192.0.2.9"), 200);
}

#[test]
fn behind_trusted_balancers_the_client_is_found_and_cannot_be_forged() {
    let stage = Stage::new().unwrap();
    let rules = r#"
rules:
  - id: bad-client
    when: client.ip in ["192.0.2.0/24"]
    then: deny
"#;
    let bundle = stage.build(RULESET, rules, 3).unwrap();
    let scenario = stage
        .scenario("static", RULESET)
        .unwrap()
        .bundle(&bundle)
        .unwrap();
    let two_hops = r#""client_ip": { "trusted_hops": 2 }"#;
    let envoy = stage
        .envoy(scenario.edit(|text| text.replace(r#""client_ip": "peer""#, two_hops)))
        .unwrap();
    // The balancer wrote the last address; Envoy adds the balancer's own after it.
    let balancer = [10, 0, 0, 1];
    let status = |forwarded_for: &str| {
        let request = Request::get("/").header("x-forwarded-for", forwarded_for);
        envoy
            .send_from(client_at(IpAddr::from(balancer)), &request)
            .unwrap()
            .status
    };
    assert_eq!(status("192.0.2.9"), 403);
    assert_eq!(
        status("198.51.100.7, 192.0.2.9"),
        403,
        "what the client wrote does not count"
    );
    assert_eq!(status("192.0.2.9, 198.51.100.7"), 200);
    assert_eq!(status("unreadable"), 200, "then it is the balancer");
}

#[test]
fn client_certificates_name_partners() {
    let stage = Stage::new().unwrap();
    let envoy = with_rules(
        &stage,
        r#"
rules:
  - id: partners-only
    when:
      all:
        - request.url_path.startsWith("/partner")
        - not: connection.uri_san_peer_certificate == "spiffe://example.com/partner/a"
    then: deny
  - id: tls-only
    when: request.scheme == "http" && request.url_path == "/pay"
    then: { deny: { status: 426 } }
"#,
    );
    let certificates = stage.certificates();
    let partner = certificates
        .client("spiffe://example.com/partner/a")
        .unwrap();
    let other = certificates
        .client("spiffe://example.com/partner/b")
        .unwrap();
    let anonymous = certificates.anonymous().unwrap();
    let status = |tls, path| {
        envoy
            .send_tls_from(client(), tls, &Request::get(path))
            .unwrap()
            .status
    };
    assert_eq!(status(&partner, "/partner/orders"), 200);
    assert_eq!(status(&other, "/partner/orders"), 403);
    assert_eq!(status(&anonymous, "/partner/orders"), 403);
    assert_eq!(status(&anonymous, "/pay"), 200);
    assert_eq!(envoy.get("/pay").unwrap().status, 426);
}
