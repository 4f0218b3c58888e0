//! Bounds that the reference states: what is at one is taken, what is one past it is not.

use riskgate_compiler::{
    build::ruleset_in_memory,
    front::{Sources, analyse},
    request_json,
    session::Session,
};

/// A ruleset with `manifest` beside its language, and `rules`.
fn is_taken(manifest: &str, rules: &str) -> bool {
    let name = if manifest.contains("ruleset:") {
        ""
    } else {
        "ruleset: shop\n"
    };
    let manifest = format!("language: 1\n{name}{manifest}\n");
    analyse(&Sources::from_texts([
        ("ruleset.yaml", manifest.as_str()),
        ("a.rules.yaml", rules),
    ]))
    .ruleset
    .is_some()
}

fn manifest(taken: &[String], refused: &[String]) {
    for text in taken {
        assert!(is_taken(text, "rules: []"), "{text}");
    }
    for text in refused {
        assert!(!is_taken(text, "rules: []"), "{text}");
    }
}

fn rule(taken: &[String], refused: &[String]) {
    let is_taken = |rule: &str| is_taken("", &format!("rules:\n  - {{ {rule} }}\n"));
    for text in taken {
        assert!(is_taken(text), "{text}");
    }
    for text in refused {
        assert!(!is_taken(text), "{text}");
    }
}

/// A rule with more keys.
fn with(more: &str) -> String {
    format!("id: a, when: connection.mtls, then: deny, {more}")
}

fn when(when: &str) -> String {
    format!("id: a, then: deny, when: '{when}'")
}

fn then(then: &str) -> String {
    format!("id: a, when: connection.mtls, then: {then}")
}

fn id(id: &str) -> String {
    format!("id: {id}, when: connection.mtls, then: deny")
}

fn counter(key: &str, more: &str) -> String {
    format!("counters: {{ taps: {{ key: {key}, {more} }} }}")
}

#[test]
fn counters() {
    let window = |window: &str| counter("[client.ip]", &format!("window: {window}"));
    manifest(
        &["1s", "10m", "24h", "1d"].map(window),
        &["0s", "500ms", "86401s", "2d", "10"].map(window),
    );
    let keys = |keys: u32| counter("[client.ip]", &format!("window: 1s, max_keys: {keys}"));
    manifest(&[keys(1), keys(262_144)], &[keys(0), keys(262_145)]);
    let keys = |keys: u32| {
        let more = format!("window: 1s, distinct: request.path, max_keys: {keys}");
        counter("[client.ip]", &more)
    };
    manifest(&[keys(1), keys(8_192)], &[keys(0), keys(8_193)]);
    let parts = |count: usize| {
        counter(
            &format!("[{}]", vec!["client.ip"; count].join(", ")),
            "window: 1s",
        )
    };
    manifest(&[parts(1), parts(8)], &[parts(0), parts(9)]);
    let many = |count: usize| {
        let one = |at: usize| {
            format!(
                "c{at}: {{ key: [client.ip], window: {}s, max_keys: 100 }}",
                at + 1
            )
        };
        let all: Vec<String> = (0..count).map(one).collect();
        format!("counters: {{ {} }}", all.join(", "))
    };
    manifest(&[many(64)], &[many(65)]);
    let name = |name: &str| format!("counters: {{ {name}: {{ key: [client.ip], window: 1s }} }}");
    manifest(
        &[name("a"), name(&"a".repeat(64)), name("_0")],
        &[name(&"a".repeat(65)), name("0a"), name("a-b"), name("A")],
    );
}

#[test]
fn names() {
    let ruleset = |name: &str| format!("ruleset: {name}");
    manifest(
        &[ruleset("a"), ruleset("0-z"), ruleset(&"a".repeat(63))],
        &[
            ruleset("''"),
            ruleset(&"a".repeat(64)),
            ruleset("A"),
            ruleset("a_b"),
            ruleset("é"),
        ],
    );
    let list = |name: &str| format!("lists: {{ {name}: {{ type: string, values: [] }} }}");
    manifest(
        &[list("a"), list("_0"), list(&"a".repeat(64))],
        &[list("0a"), list("a-b"), list("A"), list(&"a".repeat(65))],
    );
    rule(
        &[id("a"), id("'0'"), id("0._-"), id(&"a".repeat(64))],
        &[
            id("''"),
            id("-a"),
            id("_a"),
            id(".a"),
            id("aB"),
            id(&"a".repeat(65)),
        ],
    );
    let tag = |name: &str| then(&format!("{{ tag: {{ {name}: x }} }}"));
    rule(
        &[tag("a-0"), tag(&"a".repeat(64))],
        &[tag("a_b"), tag("A"), tag(&"a".repeat(65))],
    );
}

#[test]
fn the_manifest() {
    let ttl = |ttl: &str| format!("ttl: {ttl}");
    manifest(
        &[ttl("60s"), ttl("1m"), ttl("24h"), ttl("366d")],
        &[ttl("59s"), ttl("367d"), ttl("1.5h"), ttl("24"), ttl("1w")],
    );
    let bands = |points: &mut dyn Iterator<Item = i64>| {
        let bands = points.map(|at| format!("  - {{ at_least: {at}, then: deny }}\n"));
        format!("score_bands:\n{}", bands.collect::<String>())
    };
    let trillion = 1_000_000_000_000;
    manifest(
        &[
            bands(&mut [trillion, -trillion].into_iter()),
            bands(&mut (1..=100)),
        ],
        &[
            bands(&mut [trillion + 1].into_iter()),
            bands(&mut [-trillion - 1].into_iter()),
            bands(&mut (1..=101)),
        ],
    );
    let value = |length: usize| {
        format!(
            "lists: {{ l: {{ type: string, values: [{}] }} }}",
            "v".repeat(length)
        )
    };
    manifest(&[value(4096)], &[value(4097)]);
}

#[test]
fn rules() {
    let text = |key: &str, length: usize| with(&format!("{key}: {}", "x".repeat(length)));
    let tags = |count: usize| {
        let tags: Vec<String> = (0..count).map(|index| format!("t{index}")).collect();
        with(&format!("tags: [{}]", tags.join(", ")))
    };
    let priority = |priority: i64| with(&format!("priority: {priority}"));
    let canary = |percent: &str, keys: &str| {
        with(&format!(
            "stage: canary, canary: {{ percent: {percent}, by: [{keys}] }}"
        ))
    };
    let keys = |count: usize| {
        let keys: Vec<String> = (0..count)
            .map(|index| format!("'request.params[\"{index}\"]'"))
            .collect();
        keys.join(", ")
    };
    rule(
        &[
            text("description", 4096),
            text("owner", 256),
            text("ticket", 256),
            tags(32),
            priority(1_000_000),
            priority(-1_000_000),
            canary("0.01", "client.ip"),
            canary("100", "client.ip"),
            canary("5", &keys(8)),
        ],
        &[
            text("description", 4097),
            text("owner", 257),
            text("ticket", 257),
            tags(33),
            priority(1_000_001),
            priority(-1_000_001),
            canary("0", "client.ip"),
            canary("0.001", "client.ip"),
            canary("100.01", "client.ip"),
            canary("5", ""),
            canary("5", &keys(9)),
        ],
    );
}

#[test]
fn conditions() {
    let nested = |depth: usize| {
        let (open, close) = ("{ not: ".repeat(depth), " }".repeat(depth));
        format!("id: a, then: deny, when: {open}connection.mtls{close}")
    };
    let elements = |count: usize| {
        let elements: Vec<String> = (0..count).map(|index| format!("\"{index}\"")).collect();
        when(&format!("request.method in [{}]", elements.join(", ")))
    };
    let key = |length: usize| when(&format!("has(request.params[\"{}\"])", "k".repeat(length)));
    rule(
        &[nested(32), elements(1), elements(1000), key(256)],
        &[nested(33), elements(0), elements(1001), key(257)],
    );
    let exactly_one = [
        "id: a, then: deny, when: { all: [] }",
        "id: a, then: deny, when: { any: [] }",
        "id: a, then: deny, when: {}",
        "id: a, then: deny, when: { all: [connection.mtls], any: [connection.mtls] }",
        "id: a, then: deny, when: { not: [connection.mtls] }",
    ];
    rule(&[], &exactly_one.map(str::to_owned));
}

#[test]
fn outcomes() {
    let status = |status: u32| then(&format!("{{ deny: {{ status: {status} }} }}"));
    let headers = |count: usize| {
        let headers: Vec<String> = (0..count).map(|index| format!("x-{index}: v")).collect();
        then(&format!(
            "{{ deny: {{ headers: {{ {} }} }} }}",
            headers.join(", ")
        ))
    };
    let body = |length: usize| then(&format!("{{ deny: {{ body: {} }} }}", "x".repeat(length)));
    let score = |score: i64| then(&format!("{{ score: {score} }}"));
    let tag = |length: usize| then(&format!("{{ tag: {{ a: {} }} }}", "x".repeat(length)));
    let redirect = |length: usize| {
        let start = "https://h.example/";
        let rest = "x".repeat(length - start.len());
        then(&format!(
            "{{ challenge: {{ redirect: \"{start}{rest}\" }} }}"
        ))
    };
    rule(
        &[
            status(200),
            status(599),
            headers(32),
            body(65_536),
            score(1_000_000),
            score(-1_000_000),
            tag(1),
            tag(256),
            redirect(2048),
        ],
        &[
            status(199),
            status(600),
            headers(33),
            body(65_537),
            score(1_000_001),
            score(-1_000_001),
            then("{ tag: { a: '' } }"),
            tag(257),
            redirect(2049),
        ],
    );
}

/// However many there are, the last one is seen.
#[test]
fn no_value_is_cut_off() {
    let rules = r#"
rules:
  - { id: param, when: 'request.params["k"] == "last"', then: deny }
  - { id: header, when: 'request.headers["x-k"] == "last"', then: deny }
  - { id: cookie, when: 'request.cookies["k"] == "last"', then: deny }
"#;
    let found = analyse(&Sources::from_texts([
        ("ruleset.yaml", "language: 1\nruleset: shop\n"),
        ("a.rules.yaml", rules),
    ]));
    let ruleset = ruleset_in_memory(&found.ruleset.unwrap()).unwrap();
    let many = 20_000;
    let params = "k=1&".repeat(many);
    let headers = r#"["x-k","1"],"#.repeat(many);
    let cookies = "k=1; ".repeat(many);
    let request = format!(
        r#"{{"path":"/?{params}k=last","headers":[{headers}["x-k","last"],["cookie","{cookies}k=last"]]}}"#
    );
    let request = request_json::parse(&request).unwrap();
    let verdict = Session::new(&ruleset, 0).decide(&request);
    assert_eq!(verdict.matched, ["param", "header", "cookie"]);
}
