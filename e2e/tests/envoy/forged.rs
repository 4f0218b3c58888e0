//! What a client writes in the filter's own headers.

use riskgate_e2e::{Request, Seen, Stage};

use crate::requests::with_rules;

/// CGI and WSGI turn `-` and `_` in a header's name into the same character.
#[test]
fn underscores_are_no_way_round_the_names_of_score_and_tags() {
    let stage = Stage::new().unwrap();
    let envoy = with_rules(
        &stage,
        r#"
rules:
  - id: tool
    when: request.useragent.startsWith("curl/")
    then: { score: 30, tag: { agent: tool } }
  - id: forged-tag
    when: has(request.headers["x_risk_tag_vip"])
    then: deny
"#,
    );
    let forged = Request::get("/item")
        .header("X_Risk_Score", "0")
        .header("x_risk_tag_vip", "yes")
        .header("x-risk_score", "0")
        .header("X_Risk-Tag_Agent", "browser")
        .header("x_trace_id", "17");
    let seen = |request: &Request| envoy.send(request).unwrap().seen().unwrap();

    let plain = seen(&forged.clone().header("user-agent", "Firefox"));
    assert_eq!(ours(&plain), []);
    assert_eq!(
        plain.text("x_trace_id"),
        Some("17"),
        "underscores alone are no reason to take a header away: {plain:?}"
    );
    let scored = seen(&forged.header("user-agent", "curl/8"));
    assert_eq!(
        ours(&scored),
        [("x-risk-score", "30"), ("x-risk-tag-agent", "tool")]
    );
    assert_eq!(envoy.metric("decisions.allow").unwrap(), 2);
    assert_eq!(envoy.metric("request_errors").unwrap(), 0);
}

/// The headers that an upstream could take for the filter's, sorted.
fn ours(seen: &Seen) -> Vec<(&str, &str)> {
    let taken = |name: &str| name.replace('_', "-").starts_with("x-risk-");
    let mut ours: Vec<_> = seen
        .headers
        .iter()
        .filter(|(name, _)| taken(&name.to_ascii_lowercase()))
        .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()))
        .collect();
    ours.sort_unstable();
    ours
}
