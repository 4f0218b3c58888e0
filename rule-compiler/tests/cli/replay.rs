use serde_json::Value;

use crate::rulec::{ISSUED_AT, Outcome, Workshop};

const TRAFFIC: &str = r#"{"path":"/.env"}
{"path":"/.env","source_ip":"203.0.113.9"}

{"path":"/","headers":{"user-agent":"sqlmap/1.8"}}
{"path":"/","headers":[["x-many","1"],["x-many","2"]]}
{"path":"/"}
"#;

/// `old.bundle` beside `shop.bundle`: nobody asks for `/.env` in vain yet, and scanners are refused.
fn with_baseline() -> Workshop {
    let workshop = Workshop::furnished();
    workshop.write("old/ruleset.yaml", "language: 1\nruleset: shop\n");
    workshop.write(
        "old/main.rules.yaml",
        r#"
rules:
  - id: agent
    when: request.useragent.contains("sqlmap")
    then: deny
"#,
    );
    let build =
        format!("build old --key signer.pem --issued-at {ISSUED_AT} --revision 2 -o old.bundle");
    workshop.run(&build).expect(0, "revision 2");
    workshop
}

fn replay(workshop: &Workshop, more: &str, traffic: &str) -> Outcome {
    let args = format!("replay shop.bundle --traffic - {more}");
    workshop.run_with(&args, traffic, &[])
}

fn json(outcome: Outcome) -> Value {
    serde_json::from_str(&outcome.expect(0, "")).unwrap()
}

#[test]
fn it_counts_what_was_decided() {
    let stdout = replay(&Workshop::furnished(), "", TRAFFIC).expect(0, "");
    insta::assert_snapshot!(stdout);
}

#[test]
fn it_tells_what_changes_with_examples() {
    let stdout = replay(&with_baseline(), "--baseline old.bundle", TRAFFIC).expect(0, "");
    insta::assert_snapshot!(stdout);
}

#[test]
fn machines_read_the_same_in_json() {
    let workshop = with_baseline();
    let args = "--baseline old.bundle --format json --examples 1";
    let mut report = json(replay(&workshop, args, TRAFFIC));
    for bundle in ["bundle", "baseline"] {
        let digest = report[bundle]["digest"].take();
        assert_eq!(digest.as_str().unwrap().len(), 64);
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
}

/// Its shape is that of a file: however many blocks there are, and whoever decides them.
#[test]
fn long_traffic_is_counted_whole_and_in_order() {
    let workshop = with_baseline();
    let lines: Vec<String> = (0..20_000)
        .map(|number| match number % 4 {
            0 => format!(r#"{{"path":"/.env","id":"{number}"}}"#),
            _ => format!(r#"{{"path":"/{number}"}}"#),
        })
        .collect();
    workshop.write("traffic.jsonl", lines.join("\n"));
    let args = "replay shop.bundle --traffic traffic.jsonl --baseline old.bundle --format json";
    let report = json(workshop.run(args));
    assert_eq!(report["requests"], 20_000);
    assert_eq!(report["actions"]["deny"], 5_000);
    assert_eq!(report["deny_percent"], 25.0);
    let examples = &report["changes"][0]["examples"];
    let told: Vec<(u64, &str)> = examples
        .as_array()
        .unwrap()
        .iter()
        .map(|example| {
            let id = example["request"]["id"].as_str().unwrap();
            (example["line"].as_u64().unwrap(), id)
        })
        .collect();
    assert_eq!(told, [(1, "0"), (5, "4"), (9, "8")]);
}

#[test]
fn limits_fail_and_the_report_is_printed_all_the_same() {
    let workshop = with_baseline();
    let cases = [
        ("--max-deny-rate 40", 0, ""),
        (
            "--max-deny-rate 39.9%",
            1,
            "--max-deny-rate allows 39.9 %, and it is 40.0000 %",
        ),
        ("--baseline old.bundle --max-change 60", 0, ""),
        (
            "--baseline old.bundle --max-change 0",
            1,
            "--max-change allows 0 %, and it is 60.0000 %",
        ),
        ("--max-change 1", 2, "--baseline"),
        ("--max-deny-rate 101", 2, "a number from 0 to 100"),
        ("--max-deny-rate NaN", 2, "a number from 0 to 100"),
    ];
    for (args, code, words) in cases {
        let stdout = replay(&workshop, args, TRAFFIC).expect(code, words);
        assert_eq!(stdout.is_empty(), code == 2, "{args}");
    }
}

#[test]
fn bad_lines_stop_it_or_are_counted() {
    let workshop = Workshop::furnished();
    let traffic = "{\"path\":\"/.env\"}\n\n{\"pth\":1}\n{\"path\":\"/\"}\nx\n";
    let stdout = replay(&workshop, "", traffic).expect(2, "line 3: a request has no key `pth`");
    assert_eq!(stdout, "");
    let skipping = replay(&workshop, "--on-bad-line skip --format json", traffic);
    assert!(
        skipping
            .stderr
            .contains("line 3: a request has no key `pth`"),
        "{}",
        skipping.stderr
    );
    assert!(skipping.stderr.contains("line 5: "), "{}", skipping.stderr);
    let report = json(skipping);
    assert_eq!(report["requests"], 2);
    assert_eq!(report["bad_lines"], 2);
    for none in ["", "\n\n", "x\n"] {
        let outcome = replay(&workshop, "--on-bad-line skip", none);
        assert_eq!(outcome.expect(2, "traffic `-` holds no request"), "");
    }
}

#[test]
fn a_log_without_paths_is_asked_for_the_field_that_has_them() {
    let workshop = Workshop::furnished();
    let log = "{\"uri\":\"/sale\"}\n";
    replay(&workshop, "--from envoy-log", log).expect(2, "--map request.path=FIELD");
    replay(&workshop, "--map request.path=uri", log).expect(0, "");
}

#[test]
fn traffic_of_another_form_is_told_how_to_be_read() {
    let workshop = Workshop::furnished();
    let log = "{\"start\":\"2026-11-05T21:00:00Z\",\"client\":\"203.0.113.9:1\",\"path\":\"/\",\"status\":200}\n";
    let text = "[2026-11-05T21:00:00Z] \"GET /sale HTTP/1.1\" 200 -\n";
    let cases = [
        ("", log, "read it with `--from envoy-log`"),
        ("", text, "one JSON object a line"),
        ("--from envoy-log", text, "one JSON object a line"),
        (
            "--from envoy-log",
            "{\"path\": /}\n",
            "not JSON at column 10: ",
        ),
        // A slip in a request is one still.
        (
            "",
            "{\"path\":\"/\",\"status\":200}\n",
            "a request has no key `status`",
        ),
    ];
    for (args, traffic, words) in cases {
        assert_eq!(replay(&workshop, args, traffic).expect(2, words), "");
    }
    replay(&workshop, "--from envoy-log", log).expect(0, "");
}

#[test]
fn access_logs_are_read_by_a_mapping() {
    let workshop = Workshop::furnished();
    let log = r#"{"start":"2026-11-05T21:00:00.000Z","client":"203.0.113.9:1","method":"GET","host":"shop","path":"/sale","status":200,"headers":{"user-agent":"sqlmap"}}
{"start":"2026-11-05T21:00:01.000Z","client":"203.0.113.9:1","method":null,"host":null,"path":null,"status":400}
"#;
    let report = json(replay(&workshop, "--from envoy-log --format json", log));
    assert_eq!(report["requests"], 1);
    assert_eq!(report["lines_without_request"], 1);
    assert_eq!(report["bad_lines"], 0);
    let matched = |report: &Value| -> Vec<String> {
        let rules = report["rules"].as_array().unwrap().iter();
        let hit = rules.filter(|rule| rule["matched"] == 1);
        hit.map(|rule| rule["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(matched(&report), ["agent", "evening"]);
    let ours = r#"{"uri":"/.env","ts":1700000000}"#;
    workshop.write("ours.map", "# ours\nrequest.path=uri\n");
    let args = "--map-file ours.map --map request.time=ts --format json";
    assert_eq!(matched(&json(replay(&workshop, args, ours))), ["env"]);
    let cases = [
        ("--map uri", "`uri` is no mapping"),
        ("--map-file none.map", "cannot read mapping `none.map`"),
        ("--map-file old.map", "old.map:2: `path` is no mapping"),
    ];
    workshop.write("old.map", "\npath\n");
    for (args, words) in cases {
        assert_eq!(replay(&workshop, args, ours).expect(2, words), "");
    }
}

/// A batch's clock goes over all blocks of lines.
#[test]
fn time_never_runs_backwards() {
    let workshop = Workshop::furnished();
    let mut traffic = r#"{"path":"/sale","time":"2026-11-05T21:00:00Z"}"#.to_owned();
    for _ in 0..10_000 {
        traffic.push_str("\n{\"path\":\"/sale\",\"time\":\"2026-11-05T19:00:00Z\"}");
    }
    workshop.write("traffic.jsonl", traffic);
    let args = "replay shop.bundle --traffic traffic.jsonl --format json";
    let report = json(workshop.run(args));
    let rules = report["rules"].as_array().unwrap();
    let evening = rules.iter().find(|rule| rule["id"] == "evening").unwrap();
    assert_eq!(evening["matched"], 10_001);
}

/// Counters go over all blocks too, in the order of the lines, and each bundle has its own.
#[test]
fn a_batch_shares_its_counters() {
    let workshop = Workshop::furnished();
    for (name, limit) in [("old", 100), ("new", 6_000)] {
        workshop.write(
            &format!("{name}/ruleset.yaml"),
            "language: 1\nruleset: shop\ncounters: { all: { key: [source.ip], window: 1h } }\n",
        );
        let rule = format!("rules: [{{ id: many, when: counters.all > {limit}, then: deny }}]");
        workshop.write(&format!("{name}/a.rules.yaml"), rule);
        let args = format!("build {name} --key signer.pem --revision 1 -o {name}.bundle");
        workshop.run(&args).expect(0, "");
    }
    let mut traffic = String::new();
    for minute in 0..60 {
        for second in 0..60 {
            let time = format!("2026-11-05T10:{minute:02}:{second:02}Z");
            traffic.push_str(&format!("{{\"path\":\"/\",\"time\":\"{time}\"}}\n").repeat(3));
        }
    }
    workshop.write("traffic.jsonl", traffic);
    let args = "replay new.bundle --baseline old.bundle --traffic traffic.jsonl --format json";
    let report = json(workshop.run(args));
    assert_eq!(report["requests"], 10_800);
    // Nothing leaves the window of an hour but what lies more than seven eighths of it back.
    let denied = report["rules"][0]["matched"].as_u64().unwrap();
    assert_eq!(denied, 10_800 - 6_000);
    assert_eq!(report["changed"], 6_000 - 100);
    assert_eq!(report["changes"][0]["examples"][0]["line"], 101);
}

#[test]
fn validity_counts_only_where_a_time_is_given() {
    let workshop = with_baseline();
    replay(&workshop, "", TRAFFIC).expect(0, "");
    replay(&workshop, "--at 0", TRAFFIC).expect(1, "cannot use `shop.bundle`");
    let args = "--baseline old.bundle --at 2026-11-03T00:00:00Z";
    replay(&workshop, args, TRAFFIC).expect(1, "cannot use `old.bundle`: expired");
    replay(&workshop, "--at noon", TRAFFIC).expect(2, "--at `noon` is not a time");
    let missing = workshop.run("replay shop.bundle --traffic none.jsonl");
    missing.expect(2, "cannot read traffic `none.jsonl`");
}

/// Counters by a header that is not logged stay at 0: the replay says which.
#[test]
fn what_rules_read_and_the_traffic_never_has_is_told() {
    let workshop = Workshop::furnished();
    let manifest = r#"
language: 1
ruleset: shop
counters:
  taps:
    key: ['request.headers["x-device-id"]']
    count_when: request.method == "POST" && response.code == 401
    window: 10s
"#;
    workshop.write("taps/ruleset.yaml", manifest);
    let rules = r#"
rules:
  - id: taps
    when: counters.taps > 1
    then: deny
  - id: other
    when: >-
      request.params["a"] == "1" && request.cookies["sid"] == "1" && auth.claims["sub"].trim() == "1"
      && request.body.form["user"] == "1"
    then: deny
"#;
    workshop.write("taps/a.rules.yaml", rules);
    let build =
        format!("build taps --key signer.pem --issued-at {ISSUED_AT} --revision 1 -o taps.bundle");
    workshop.run(&build).expect(0, "");
    let replayed = |traffic: &str| {
        let args = "replay taps.bundle --traffic - --from envoy-log --format json";
        let outcome = workshop.run_with(args, traffic, &[]);
        let words = outcome.stderr.clone();
        let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
        (report["never_seen"].clone(), words)
    };
    let poor = r#"{"path":"/?b=1","method":"POST","headers":{"cookie":"id=1"}}"#;
    let (never_seen, words) = replayed(poor);
    let all = [
        r#"request.headers["x-device-id"]"#,
        r#"request.cookies["sid"]"#,
        r#"auth.claims["sub"]"#,
        "response.code",
        r#"request.body.form["user"]"#,
    ];
    assert_eq!(never_seen, serde_json::json!(all));
    let told = format!("no request of the traffic has {}, which", all.join(", "));
    assert!(words.contains(&told), "{words}");
    // One line that has it is enough, wherever it stands.
    let rich = r#"{"path":"/","headers":{"cookie":"id=1; sid=2","x-device-id":"d"},"claims":{"sub":"x"},"status":200}"#;
    let (never_seen, words) = replayed(&[poor, rich, poor].join("\n"));
    assert_eq!(never_seen, serde_json::json!([all[4]]));
    assert!(words.contains(all[4]) && !words.contains(all[0]), "{words}");
}
