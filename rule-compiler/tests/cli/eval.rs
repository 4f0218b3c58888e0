use crate::rulec::{Outcome, Workshop};

fn eval(workshop: &Workshop, requests: &str) -> Outcome {
    workshop.run_with("eval shop.bundle --requests -", requests, &[])
}

/// The verdicts on some requests, a line each.
fn verdicts(workshop: &Workshop, requests: &str) -> Vec<String> {
    let stdout = eval(workshop, requests).expect(0, "");
    stdout.lines().map(str::to_owned).collect()
}

#[test]
fn a_verdict_has_exactly_these_keys_in_this_order() {
    let workshop = Workshop::furnished();
    let requests = r#"{"path":"/.env"}
{"path":"/","headers":{"user-agent":"sqlmap/1.8"}}
{"path":"/","headers":[["x-many","1"],["X-Many","2"]]}
"#;
    let expected = [
        r#"{"action":"deny","status":403,"rule":"env","band":null,"score":0,"tags":{},"matched":["env"],"shadowed":[],"would":"deny"}"#,
        r#"{"action":"allow","status":null,"rule":null,"band":null,"score":10,"tags":{"alpha":"1","beta":"2","client":"scanner"},"matched":["agent"],"shadowed":[],"would":"allow"}"#,
        r#"{"action":"allow","status":null,"rule":null,"band":null,"score":0,"tags":{},"matched":[],"shadowed":["many"],"would":"challenge"}"#,
    ];
    assert_eq!(verdicts(&workshop, requests), expected);
}

#[test]
fn a_file_says_the_same_as_standard_input() {
    let workshop = Workshop::furnished();
    let requests = "{\"path\":\"/.env\"}\n\n  \n{\"path\":\"/\"}";
    workshop.write("requests.jsonl", requests);
    let from_file = workshop
        .run("eval shop.bundle --requests requests.jsonl")
        .expect(0, "");
    assert_eq!(from_file, eval(&workshop, requests).expect(0, ""));
    assert_eq!(from_file.lines().count(), 2);
    let nothing = "note: there is no request in `-`; write one a line";
    assert_eq!(eval(&workshop, "\n \n").expect(0, nothing), "");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_request() {
    let workshop = Workshop::furnished();
    let requests = "{\"path\":\"/.env\"}\n{\"path\":\"/\"}\n";
    let marked = format!("\u{feff}{requests}");
    assert_eq!(verdicts(&workshop, &marked), verdicts(&workshop, requests));
    let replay = |traffic: &str| workshop.run_with("replay shop.bundle --traffic -", traffic, &[]);
    assert_eq!(
        replay(&marked).expect(0, ""),
        replay(requests).expect(0, "")
    );
}

#[test]
fn a_bad_line_is_named_and_nothing_is_printed() {
    let workshop = Workshop::furnished();
    let good = "{\"path\":\"/.env\"}";
    let cases = [
        (
            "not json",
            "not JSON at column 2: expected ident; write an object",
        ),
        ("{\"path\":1}", "`path` is a text in quotes"),
        ("{}", "give exactly one of `path` and `path_b64`"),
        (
            "{\"path\":\"/\",\"path_b64\":\"Lw==\"}",
            "give exactly one of `path` and `path_b64`",
        ),
        ("{\"path_b64\":\"/w\"}", "`path_b64` is not base64"),
        (
            "{\"path\":\"/\",\"pth\":\"/\"}",
            "a request has no key `pth`; did you mean `path`?",
        ),
        (
            "{\"path\":\"/\",\"path\":\"/\"}",
            "duplicate field `path`; write each key once",
        ),
        (
            "{\"path\":\"/\",\"headers\":[[\"a\"]]}",
            "`headers` is a map of texts, or a list whose elements are pairs [name, value]",
        ),
        (
            "{\"path\":\"/\",\"headers\":[{\"name\":\"a\"}]}",
            "give exactly one of `value` and `value_b64`",
        ),
        (
            "{\"path\":\"/\",\"headers\":[{\"name\":\"a\",\"value\":\"b\",\"value_b64\":\"Yg==\"}]}",
            "give exactly one of `value` and `value_b64`",
        ),
        (
            "{\"path\":\"/\",\"source_ip\":\"10.0.0\"}",
            "`source_ip` is an IP address such as \"203.0.113.9\"",
        ),
        ("[]", "a request is an object such as {\"path\":\"/\"}"),
        ("{\"path\":\"/\",", "not JSON at column 12"),
        (
            "{\"path\":\"/\",\"body\":\"a\",\"body_b64\":\"YQ==\"}",
            "give `body` or `body_b64`, not both",
        ),
        (
            "{\"path\":\"/\",\"body_b64\":\"/w\"}",
            "`body_b64` is not base64",
        ),
        (
            "{\"path\":\"/\",\"time\":\"noon\"}",
            "`time` is an RFC 3339 time such as \"2026-11-23T10:00:00Z\"",
        ),
    ];
    for (bad, words) in cases {
        let outcome = eval(&workshop, &format!("{good}\n\n{bad}\n{good}\n"));
        assert!(
            outcome.stderr.starts_with("error: -:3: "),
            "{bad}: {}",
            outcome.stderr
        );
        assert_eq!(outcome.expect(2, words), "", "{bad}");
    }
    workshop.write("requests.jsonl", format!("{good}\nx\n"));
    workshop
        .run("eval shop.bundle --requests requests.jsonl")
        .expect(2, "requests.jsonl:2: ");
}

#[test]
fn headers_come_in_three_forms() {
    let workshop = Workshop::furnished();
    let matches_agent = [
        r#"{"path":"/","headers":{"user-agent":"sqlmap"}}"#,
        r#"{"path":"/","headers":{"User-Agent":"sqlmap"}}"#,
        r#"{"path":"/","headers":[["user-agent","x"],["user-agent","sqlmap"]]}"#,
        r#"{"path":"/","headers":[{"name":"User-Agent","value":"sqlmap"}]}"#,
        r#"{"path":"/","headers":[{"name":"user-agent","value_b64":"c3FsbWFw"},["x-odd","1"]]}"#,
    ];
    for request in matches_agent {
        let verdict = &verdicts(&workshop, request)[0];
        assert!(
            verdict.contains(r#""matched":["agent"]"#),
            "{request}: {verdict}"
        );
    }
    let bytes = r#"{"path":"/","headers":[{"name":"x-odd","value_b64":"/g=="}]}"#;
    assert!(verdicts(&workshop, bytes)[0].contains(r#""rule":"odd-bytes""#));
    let text = r#"{"path":"/","headers":{"x-odd":"\u00fe"}}"#;
    assert!(
        verdicts(&workshop, text)[0].contains(r#""matched":[]"#),
        "text is UTF-8"
    );
}

#[test]
fn paths_can_be_any_bytes() {
    let workshop = Workshop::furnished();
    assert!(verdicts(&workshop, r#"{"path_b64":"L/8="}"#)[0].contains(r#""rule":"odd-bytes""#));
    assert!(verdicts(&workshop, r#"{"path_b64":"Ly5lbnY="}"#)[0].contains(r#""rule":"env""#));
}

#[test]
fn all_of_the_request_shape_is_taken() {
    let workshop = Workshop::furnished();
    let request = r#"{"method":"GET","scheme":"https","host":"shop.example.com","path":"/item?id=1","headers":[["user-agent","curl/8"]],"source_ip":"203.0.113.9","client_ip":"2001:db8::1","peer_uri_san":"spiffe://x","peer_subject":"CN=x","server_name":"x","tls_version":"TLSv1.3","protocol":"HTTP/2","id":"1","claims":{"sub":"42"},"body":"x","time":"2026-11-23T10:00:00Z","response_code":200,"response_headers":{"a":"b"}}"#;
    assert!(verdicts(&workshop, request)[0].starts_with(r#"{"action":"allow""#));
}

#[test]
fn time_is_the_requests_or_that_of_at_and_never_runs_backwards() {
    let workshop = Workshop::furnished();
    let sale = r#"{"path":"/sale"}"#;
    let at = |at: &str| {
        let args = format!("eval shop.bundle --requests - --at {at}");
        workshop
            .run_with(&args, sale, &[])
            .expect(0, "")
            .contains("evening")
    };
    assert!(at("2026-11-05T20:00:00Z"));
    assert!(at("2026-11-05T21:59:59Z"));
    assert!(!at("2026-11-05T22:00:00Z"));
    assert!(!at("2026-11-05T19:59:59Z"));
    let requests = r#"{"path":"/sale","time":"2026-11-05T19:00:00Z"}
{"path":"/sale","time":"2026-11-05T21:00:00Z"}
{"path":"/sale","time":"2026-11-05T19:00:00Z"}
{"path":"/sale","time":"2026-11-05T23:00:00Z"}
{"path":"/sale","time":"2026-11-05T21:00:00Z"}
"#;
    let matched: Vec<bool> = verdicts(&workshop, requests)
        .iter()
        .map(|verdict| verdict.contains("evening"))
        .collect();
    assert_eq!(matched, [false, true, true, false, false]);
}

#[test]
fn validity_counts_only_where_a_time_is_given() {
    let workshop = Workshop::furnished();
    workshop
        .run("build shop --key signer.pem --revision 1 -o old.bundle --issued-at 0")
        .expect(0, "");
    let request = r#"{"path":"/.env"}"#;
    let eval = |more: &str| {
        workshop.run_with(
            &format!("eval old.bundle --requests - {more}"),
            request,
            &[],
        )
    };
    assert!(eval("").expect(0, "").contains(r#""rule":"env""#));
    assert!(
        eval("--at 604799")
            .expect(0, "")
            .contains(r#""rule":"env""#)
    );
    assert_eq!(
        eval("--at 604900").expect(1, "expired 100 s before the time given"),
        ""
    );
    let early = workshop.run_with("eval shop.bundle --requests - --at 0", request, &[]);
    assert_eq!(early.expect(1, "ahead of the clock"), "");
}

/// Both ask admission, whose clocks may differ by five minutes.
#[test]
fn eval_and_verify_agree_about_times() {
    let workshop = Workshop::furnished();
    let cases = [
        ("2026-10-31T23:54:59Z", 1),
        ("2026-10-31T23:55:00Z", 0),
        ("2026-11-01T00:00:00Z", 0),
        ("2026-11-07T23:59:59Z", 0),
        ("2026-11-08T00:00:00Z", 1),
    ];
    for (at, code) in cases {
        let eval = format!("eval shop.bundle --requests - --at {at}");
        workshop
            .run_with(&eval, r#"{"path":"/"}"#, &[])
            .expect(code, "");
        let verify = format!("verify shop.bundle --trust signer.pub.pem --at {at}");
        workshop.run(&verify).expect(code, "");
    }
}

/// The keys of a verdict stay as they are.
#[test]
fn replies_are_shown_on_demand() {
    let workshop = Workshop::furnished();
    let rules = r#"rules:
  - { id: ask, when: request.method == "PUT", then: { challenge: { redirect: "https://v.example.com/?r={request.path}" } } }
  - { id: slow, when: request.method == "POST", then: { deny: { status: 429, headers: { retry-after: "10" }, body: wait } } }
"#;
    workshop.write("shop/main.rules.yaml", rules);
    workshop.build("shop.bundle", "--revision 4").expect(0, "");
    let requests = r#"{"path":"/a?b","method":"PUT"}
{"path":"/","method":"POST"}
{"path":"/"}
"#;
    let run = |args: &str| {
        let stdout = workshop.run_with(args, requests, &[]).expect(0, "");
        stdout.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    let plain = run("eval shop.bundle --requests -");
    let replies = [
        r#""reply":{"body":"","headers":[["location","https://v.example.com/?r=%2Fa%3Fb"]],"status":302}}"#,
        r#""reply":{"body":"wait","headers":[["retry-after","10"]],"status":429}}"#,
        r#""reply":null}"#,
    ];
    for ((found, plain), reply) in run("eval shop.bundle --requests - --replies")
        .iter()
        .zip(&plain)
        .zip(replies)
    {
        let verdict = plain.strip_suffix('}').unwrap();
        assert_eq!(*found, format!("{verdict},{reply}"));
    }
}

#[test]
fn errors() {
    let workshop = Workshop::furnished();
    workshop.write("empty.bundle", "");
    workshop.write("request.json", "{\n  \"path\": \"/\"\n}\n");
    workshop.write("latin1.jsonl", b"{\"path\":\"/\xe9\"}\n");
    let cases = [
        ("eval shop.bundle", 2, "--requests"),
        ("eval --requests -", 2, "<BUNDLE>"),
        (
            "eval missing.bundle --requests -",
            2,
            "cannot read bundle `missing.bundle`",
        ),
        (
            "eval shop.bundle --requests missing.jsonl",
            2,
            "cannot read requests `missing.jsonl`",
        ),
        (
            "eval shop.bundle --requests latin1.jsonl",
            2,
            "valid UTF-8; save it as UTF-8",
        ),
        (
            "eval shop --requests -",
            2,
            "cannot read bundle `shop`: Is a directory (os error 21); `rulec build` makes a bundle of a ruleset's folder",
        ),
        (
            "eval shop.bundle --requests shop",
            2,
            "Is a directory (os error 21); give a file, not a folder",
        ),
        (
            "verify shop.bundle --trust shop",
            2,
            "cannot read key `shop`: Is a directory (os error 21); it must be a file",
        ),
        (
            "eval request.json --requests -",
            1,
            "not a riskgate bundle; build one with `rulec build`",
        ),
        (
            "eval shop.bundle --requests request.json",
            2,
            "request.json:1: the request goes on in the next line; write each request on one line",
        ),
        (
            "eval shop.bundle --requests - --at noon",
            2,
            "--at `noon` is not a time",
        ),
        ("eval empty.bundle --requests -", 1, "the bundle is empty"),
        ("eval signer.pem --requests -", 1, "cannot use `signer.pem`"),
    ];
    for (args, code, words) in cases {
        assert_eq!(workshop.run(args).expect(code, words), "", "{args}");
    }
}

#[test]
fn a_canary_counts_for_whoever_has_its_keys_and_is_in_its_share() {
    let workshop = Workshop::furnished();
    let rules = r#"rules:
  - id: all-devices
    stage: canary
    canary: { percent: 100, by: ['request.headers["x-device-id"]'] }
    when: request.url_path == "/"
    then: deny
"#;
    workshop.write("shop/canary.rules.yaml", rules);
    workshop
        .build("canary.bundle", "--revision 4")
        .expect(0, "");
    let requests = r#"{"path":"/","headers":{"x-device-id":"d1"}}
{"path":"/"}
"#;
    let stdout = workshop.run_with("eval canary.bundle --requests -", requests, &[]);
    let expected = [
        r#"{"action":"deny","status":403,"rule":"all-devices","band":null,"score":0,"tags":{},"matched":["all-devices"],"shadowed":[],"would":"deny"}"#,
        r#"{"action":"allow","status":null,"rule":null,"band":null,"score":0,"tags":{},"matched":[],"shadowed":["all-devices"],"would":"deny"}"#,
    ];
    let found: Vec<String> = stdout.expect(0, "").lines().map(str::to_owned).collect();
    assert_eq!(found, expected);
    let inspected = workshop.run("inspect canary.bundle").expect(0, "");
    let line = "canary       all-devices, 100 % of all clients\n";
    assert!(inspected.contains(line), "{inspected}");
    assert!(inspected.contains("engine       version 2 or later\n"));
}

#[test]
fn bodies_are_read_unless_they_are_encoded_or_malformed() {
    let workshop = Workshop::furnished();
    let rules = r#"rules:
  - { id: coupon, when: 'request.body.json["/items/*/coupon"] == "FREE"', then: deny }
  - { id: account, when: 'request.body.form["account"] == "a b"', then: deny }
"#;
    workshop.write("shop/body.rules.yaml", rules);
    workshop.build("body.bundle", "--revision 4").expect(0, "");
    let cases = [
        (
            r#"{"path":"/","body":"{\"items\":[{},{\"coupon\":\"FREE\"}]}"}"#,
            "coupon",
        ),
        (
            r#"{"path":"/","body_b64":"eyJpdGVtcyI6W3siY291cG9uIjoiRlJFRSJ9XX0="}"#,
            "coupon",
        ),
        (r#"{"path":"/","body":"x=1&account=a+b"}"#, "account"),
        (
            r#"{"path":"/","body":"{\"items\":[{\"coupon\":\"FREE\"},]}"}"#,
            "",
        ),
        (
            r#"{"path":"/","headers":{"Content-Encoding":"gzip"},"body":"account=a+b"}"#,
            "",
        ),
        (r#"{"path":"/?account=a+b"}"#, ""),
    ];
    let requests = cases.map(|(request, _)| request).join("\n");
    let stdout = workshop.run_with("eval body.bundle --requests -", &requests, &[]);
    let stdout = stdout.expect(0, "");
    for (line, (request, rule)) in stdout.lines().zip(cases) {
        let verdict: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            verdict["rule"].as_str().unwrap_or_default(),
            rule,
            "{request}"
        );
    }
    assert_eq!(stdout.lines().count(), cases.len());
}
