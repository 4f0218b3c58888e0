//! The access log of the shipped configurations is what `rulec replay` takes it for.

use riskgate_e2e::{Request, Stage, client_at, replay};
use serde_json::json;

use crate::{NO_ADMIN, RULESET, requests::with_rules};

/// The request that was sent comes back from the log, as an example of what changes.
#[test]
fn a_line_of_the_access_log_is_the_request_that_was_sent() {
    let stage = Stage::new().unwrap();
    let envoy = with_rules(&stage, NO_ADMIN);
    let source = client_at("203.0.113.9".parse().unwrap());
    let mut request = Request::get("/admin/x?q=%22a%22&b=\\")
        .header("user-agent", "curl/8 \"quoted\"")
        .header("x-request-id", "3f0a8c1e-0000-4000-8000-000000000007")
        .header("x-forwarded-for", "192.0.2.1");
    request.method = "PUT".to_owned();
    assert_eq!(envoy.send_from(source, &request).unwrap().status, 403);
    envoy.access_log().line_of(source).unwrap();

    let bundle = stage.build(RULESET, NO_ADMIN, 4).unwrap();
    let before = stage.build("before", "rules: []\n", 1).unwrap();
    let options = [
        "--from",
        "envoy-log",
        "--baseline",
        before.path.to_str().unwrap(),
    ];
    let report = replay(&bundle, envoy.access_log().path(), &options).unwrap();
    assert_eq!(report["bad_lines"], 0, "{report}");
    assert_eq!(report["actions"]["deny"], 1, "{report}");
    let mut found = report["changes"][0]["examples"][0]["request"].clone();
    let fields = found.as_object_mut().unwrap();
    assert!(fields.remove("time").is_some());
    let id = fields.remove("id");
    assert!(id.is_some_and(|id| id.as_str().is_some_and(|id| !id.is_empty())));
    let expected = json!({
        "method": "PUT",
        "host": "shop.example.com",
        "path": "/admin/x?q=%22a%22&b=\\",
        "protocol": "HTTP/1.1",
        "source_ip": "203.0.113.9",
        "response_code": 403,
        "headers": [
            ["user-agent", "curl/8 \"quoted\""],
            ["x-forwarded-for", "192.0.2.1,203.0.113.9"],
        ],
    });
    assert_eq!(found, expected);
}
