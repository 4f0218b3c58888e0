//! What the fixture decides, so that the other tests speak of a bundle that works.

use riskgate_engine::ruleset::Scratch;
use riskgate_engine::verdict::LocalReply;

use crate::fixture::{REVISION, bundle, for_each_request, load};

#[test]
fn verdicts() {
    let expected = [
        // action, status, rule, band, score, matched, shadowed, would
        "allow - - - 0 [rule-6, rule-8] [] allow",
        "allow - - - 0 [rule-10] [] allow",
        "deny 403 rule-0 - 0 [rule-0, rule-6] [] deny",
        "deny 403 - 80 90 [rule-1, rule-2, rule-10] [] deny",
        "allow - - - 40 [rule-2, rule-10] [] allow",
        "allow - - - 40 [rule-2, rule-10] [] allow",
        "challenge 401 rule-7 - -5 [rule-7] [rule-3] challenge",
        "deny 429 rule-5 - 0 [rule-4, rule-5, rule-10] [] deny",
        "challenge 401 rule-7 - -5 [rule-5, rule-7, rule-10] [] challenge",
        "allow - - - 0 [rule-8, rule-10] [rule-9] allow",
        "allow - - - 0 [rule-8, rule-11] [] allow",
        "allow - - - 0 [rule-10, rule-12] [] allow",
    ];
    let ruleset = load(&bundle()).unwrap();
    let mut scratch = Scratch::default();
    let mut expected = expected.iter();
    for_each_request(|request| {
        let verdict = ruleset.decide(request, &mut scratch);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let found = format!(
            "{} {} {} {} {} [{}] [{}] {}",
            verdict.action(),
            or_dash(verdict.status().map(|status| status.to_string())),
            verdict.rule().unwrap_or("-"),
            or_dash(verdict.band().map(|band| band.to_string())),
            verdict.score(),
            verdict.matched().collect::<Vec<_>>().join(", "),
            verdict.shadowed().collect::<Vec<_>>().join(", "),
            verdict.would(),
        );
        assert_eq!(Some(&found.as_str()), expected.next(), "{request:?}");
    });
    assert_eq!(expected.next(), None);
}

#[test]
fn what_a_ruleset_says_of_itself() {
    let ruleset = load(&bundle()).unwrap();
    assert_eq!((ruleset.name(), ruleset.audience()), ("storefront", None));
    assert_eq!(
        (ruleset.revision(), ruleset.mark().revision),
        (REVISION, REVISION)
    );
    assert_eq!((ruleset.rule_count(), ruleset.atom_count()), (13, 16));
    assert_eq!(ruleset.always_checked_count(), 1);
    assert_eq!(ruleset.claims().collect::<Vec<_>>(), ["sub"]);
    assert_eq!(ruleset.rule_ids().nth(4), Some("rule-4"));
    let needs = ruleset.needs();
    assert!(needs.method() && needs.path() && needs.headers() && needs.host() && needs.claims());
    assert!(needs.client_ip() && needs.mtls());
    assert!(!needs.source_ip() && !needs.scheme() && !needs.server_name() && !needs.id());
}

#[test]
fn replies() {
    let ruleset = load(&bundle()).unwrap();
    let mut scratch = Scratch::default();
    let mut replies: Vec<Option<LocalReply>> = Vec::new();
    let mut tags: Vec<Vec<String>> = Vec::new();
    for_each_request(|request| {
        let verdict = ruleset.decide(request, &mut scratch);
        tags.push(
            verdict
                .tags()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        );
        replies.push(verdict.reply(request));
    });
    let reply = |status, headers: &[(&str, &str)], body: &str| {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        Some(LocalReply {
            status,
            headers: headers.collect(),
            body: body.as_bytes().to_vec(),
        })
    };
    assert_eq!(replies[1], None);
    assert_eq!(replies[2], reply(403, &[], ""));
    let headers = [("retry-after", "10"), ("content-type", "application/json")];
    assert_eq!(replies[7], reply(429, &headers, "{\"code\":\"refused\"}"));
    assert_eq!(tags[0], ["client=unknown"]);
    assert_eq!(tags[3], ["client=scanner"]);
    assert!(tags[1].is_empty());
}
