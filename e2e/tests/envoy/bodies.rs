//! Rules about bodies: a request waits for its body if rules ask for it, and only then.

use riskgate_e2e::{Connection, Envoy, Request, Response, Stage, until};

use crate::RULESET;

const RULES: &str = r#"
rules:
  - id: coupon
    when: request.url_path == "/checkout" && request.body.json["/items/*/coupon"] == "FREE"
    then: deny
  - id: account
    when: request.url_path == "/login" && request.body.form["account"] == "a b"
    then: { deny: { status: 429 } }
"#;

/// A limit that a test need not send much to pass.
const LIMIT: usize = 2_000;

/// An Envoy with those rules; `deny` is what becomes of bodies that cannot be read.
fn envoy(stage: &Stage, deny: bool) -> Envoy {
    edited(stage, deny, |text| text.to_owned())
}

fn edited(
    stage: &Stage,
    deny: bool,
    edit: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Envoy {
    let bundle = stage.build(RULESET, RULES, 3).unwrap();
    let scenario = stage.scenario("static", RULESET).unwrap();
    let what = if deny { "deny" } else { "absent" };
    let keys = format!(
        r#""client_ip": "peer", "body_limit_bytes": {LIMIT}, "on_unreadable_body": "{what}""#
    );
    let scenario = scenario.bundle(&bundle).unwrap();
    let scenario = scenario.edit(move |text| edit(&text.replace(r#""client_ip": "peer""#, &keys)));
    stage.envoy(scenario).unwrap()
}

/// Sends a request in pieces, and reads its answer.
fn in_pieces(envoy: &Envoy, pieces: &[&[u8]]) -> Response {
    let mut connection = Connection::open(envoy.listener("direct").unwrap(), None).unwrap();
    for piece in pieces {
        connection.write(piece).unwrap();
    }
    connection.read().unwrap()
}

fn status(envoy: &Envoy, request: &Request) -> u16 {
    envoy.send(request).unwrap().status
}

const EVIL: &str = r#"{"items":[{"sku":"1"},{"coupon":"FR\u0045E"}]}"#;
const GOOD: &str = r#"{"items":[{"sku":"1"},{"coupon":"HALF"}]}"#;

#[test]
fn an_evil_body_is_refused_before_the_upstream_sees_anything() {
    let stage = Stage::new().unwrap();
    let envoy = envoy(&stage, false);
    let evil = Request::post("/checkout", EVIL).header("content-type", "text/plain");
    assert_eq!(status(&envoy, &evil), 403);
    let form = Request::post("/login", "x=1&account=a+b");
    assert_eq!(status(&envoy, &form), 429);
    let head = b"POST /checkout HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let (first, second) = EVIL.split_at(20);
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len()).into_bytes();
    let chunks = [chunk(first), chunk(second)];
    let whole = in_pieces(&envoy, &[head, &chunks[0], &chunks[1], b"0\r\n\r\n"]);
    assert_eq!(whole.status, 403);
    let trailers = b"0\r\nx-checksum: 1\r\n\r\n";
    let with_trailers = in_pieces(&envoy, &[head, &chunks[0], &chunks[1], trailers]);
    assert_eq!(with_trailers.status, 403);
    assert_eq!(stage.upstream().requests(), 0, "nothing arrives upstream");

    let good = envoy.send(&Request::post("/checkout", GOOD)).unwrap();
    assert_eq!(good.seen().unwrap().body, GOOD.as_bytes());
    let empty = in_pieces(&envoy, &[head, b"0\r\n\r\n"]);
    assert_eq!(empty.status, 200);
    let only_trailers = in_pieces(&envoy, &[head, trailers]);
    assert_eq!(only_trailers.status, 200);
    assert_eq!(stage.upstream().requests(), 3);
    assert_eq!(envoy.wait_for_metric("bodies.awaited", 7).unwrap(), 7);
    assert_eq!(envoy.metric("bodies.unreadable").unwrap(), 0);
    assert_eq!(envoy.metric("request_errors").unwrap(), 0);
}

#[test]
fn requests_whose_headers_rule_the_body_out_do_not_wait() {
    let stage = Stage::new().unwrap();
    let envoy = envoy(&stage, true);
    // The upstream gets the head while the body is still to come.
    let mut connection = Connection::open(envoy.listener("direct").unwrap(), None).unwrap();
    connection
        .write(b"POST /cart HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc")
        .unwrap();
    until("the head upstream", || {
        Ok((stage.upstream().requests() == 1).then_some(()))
    })
    .unwrap();
    connection.write(b"def").unwrap();
    assert_eq!(connection.read().unwrap().seen().unwrap().body, b"abcdef");
    let large = Request::post("/cart", "x".repeat(100 * LIMIT)).header("content-encoding", "br");
    let seen = envoy.send(&large).unwrap().seen().unwrap();
    assert_eq!(seen.body.len(), 100 * LIMIT);
    assert_eq!(status(&envoy, &Request::get("/checkout")), 200);
    assert_eq!(envoy.metric("bodies.awaited").unwrap(), 0);
    assert_eq!(envoy.metric("bodies.unreadable").unwrap(), 0);
}

/// What cannot be read, with the status that refuses it.
fn unreadable() -> Vec<(Vec<u8>, u16)> {
    let long = format!(
        r#"{{"x":"{}","items":[{{"coupon":"FREE"}}]}}"#,
        "x".repeat(LIMIT)
    );
    let long = long.as_str();
    let request = |headers: &str, body: &str| {
        format!("POST /checkout HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\n{body}").into_bytes()
    };
    let length = |body: &str| format!("content-length: {}", body.len());
    let chunks = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let cut = EVIL.strip_suffix('}').unwrap();
    let encoded = format!("{}\r\ncontent-encoding: gzip", length(EVIL));
    vec![
        (request(&length(long), long), 413),
        (request("transfer-encoding: chunked", &chunks), 413),
        (request(&encoded, EVIL), 415),
        (request(&length(cut), cut), 400),
    ]
}

#[test]
fn bodies_that_cannot_be_read_are_absent_or_refused() {
    let stage = Stage::new().unwrap();
    let lenient = envoy(&stage, false);
    for (request, _) in unreadable() {
        assert_eq!(in_pieces(&lenient, &[&request]).status, 200);
    }
    let passed = unreadable().len();
    assert_eq!(stage.upstream().requests(), passed);
    let metric = lenient.wait_for_metric("bodies.unreadable", 4).unwrap();
    assert_eq!(metric, 4);

    let strict = envoy(&stage, true);
    for (request, status) in unreadable() {
        let refused = in_pieces(&strict, &[&request]);
        assert_eq!(refused.status, status);
        assert_eq!(
            refused.header("content-type"),
            Some(&b"application/json"[..])
        );
    }
    assert_eq!(stage.upstream().requests(), passed, "none of them passes");
    assert_eq!(strict.wait_for_metric("bodies.unreadable", 4).unwrap(), 4);
    // A form is never malformed, and JSON is not asked of it.
    assert_eq!(status(&strict, &Request::post("/login", "{")), 200);
    let just_short = format!(r#"{{"x":"{}"}}"#, "x".repeat(LIMIT - 8));
    assert_eq!(just_short.len(), LIMIT);
    assert_eq!(
        status(&strict, &Request::post("/checkout", just_short)),
        200
    );
}

#[test]
fn a_client_that_waits_for_100_continue_is_not_left_waiting() {
    let stage = Stage::new().unwrap();
    let envoy = envoy(&stage, false);
    let mut connection = Connection::open(envoy.listener("direct").unwrap(), None).unwrap();
    let head = format!(
        "POST /checkout HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        EVIL.len()
    );
    connection.write(head.as_bytes()).unwrap();
    assert_eq!(connection.read().unwrap().status, 100);
    connection.write(EVIL.as_bytes()).unwrap();
    assert_eq!(connection.read().unwrap().status, 403);
}

#[test]
fn an_upgrade_is_not_held_back() {
    let stage = Stage::new().unwrap();
    let upgrades = |text: &str| {
        let place = "use_remote_address: true";
        let with = format!(
            "{place}\n{:16}upgrade_configs: [{{ upgrade_type: websocket }}]",
            ""
        );
        text.replace(place, &with)
    };
    let head =
        b"GET /checkout HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    let lenient = edited(&stage, false, upgrades);
    assert_eq!(in_pieces(&lenient, &[head]).status, 200);
    let strict = edited(&stage, true, upgrades);
    assert_eq!(in_pieces(&strict, &[head]).status, 400);
}
