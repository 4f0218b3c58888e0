use serde_json::Value;

use crate::rulec::Workshop;

/// A rule for each way to be looked at.
const WAYS: [(&str, &str, &str); 9] = [
    ("exact", r#"request.method == "TRACE""#, "exact"),
    ("literal", r#"request.path.contains("/admin/")"#, "literal"),
    (
        "pattern",
        r#"request.path.matches("wp-[a-z]+[.]php")"#,
        "pattern",
    ),
    ("network", r#"client.ip in ["10.0.0.0/8"]"#, "network"),
    ("number", "size(request.cookies[\"a\"]) > 1", "number"),
    ("tested", r#"has(request.headers["x-probe"])"#, "tested"),
    ("always", "'!connection.mtls'", "every request"),
    (
        "either",
        r#"request.method == "PUT" || request.path.startsWith("/v1/")"#,
        "exact or literal",
    ),
    ("never", "request.method == \"GET\" && false", "never"),
];

fn write_ways(workshop: &Workshop) {
    let rules: Vec<String> = WAYS
        .iter()
        .map(|(id, when, _)| format!("  - id: {id}\n    when: {when}\n    then: {{ score: 1 }}\n"))
        .collect();
    workshop.write("ways/ruleset.yaml", "language: 1\nruleset: ways\n");
    workshop.write("ways/a.rules.yaml", format!("rules:\n{}", rules.concat()));
}

fn report(workshop: &Workshop, folder: &str) -> Value {
    let text = workshop
        .run(&format!("check {folder} --cost --format json"))
        .expect(0, "");
    let report: Value = serde_json::from_str(&text).unwrap();
    report["cost"].clone()
}

fn number(report: &Value, field: &str) -> u64 {
    report[field].as_u64().unwrap()
}

#[test]
fn each_rule_has_its_way_and_its_cost() {
    let workshop = Workshop::empty();
    write_ways(&workshop);
    let report = report(&workshop, "ways");
    let rules = report["rules"].as_array().unwrap();
    assert_eq!(rules.len(), WAYS.len());
    for (rule, (id, _, access)) in rules.iter().zip(WAYS) {
        assert_eq!(rule["id"], id);
        assert_eq!(rule["access"], access, "{id}");
        let pays_often = ["tested", "every request", "number"].contains(&access);
        assert_eq!(number(rule, "typical") > 0, pays_often, "{rule}");
        assert!(number(rule, "worst") > 0, "{rule}");
        assert!(number(rule, "worst") <= number(&report, "worst"), "{rule}");
    }
    // One automaton over the longest path there can be.
    let pattern = &rules[2];
    assert!(number(pattern, "worst") > 60 << 10, "{pattern}");
}

/// The plan that costs are reckoned from is the one that is built.
#[test]
fn as_many_rules_are_looked_at_each_time_as_in_the_bundle() {
    let workshop = Workshop::furnished();
    write_ways(&workshop);
    let built = "build ways --key signer.pem --revision 1 -o ways.bundle";
    workshop.run(built).expect(0, "9 rules");
    let text = workshop
        .run("inspect ways.bundle --format json")
        .expect(0, "");
    let bundle: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(number(&bundle, "always_checked_count"), 1);
}

/// docs/cost.md shows rules and what is printed for them.
#[test]
fn the_documentation_shows_what_is_printed() {
    let page = include_str!("../../../docs/cost.md");
    let block = |language: &str| {
        let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let workshop = Workshop::empty();
    workshop.write("page/ruleset.yaml", "language: 1\nruleset: page\n");
    workshop.write("page/a.rules.yaml", block("yaml"));
    let table = workshop.run("check page --cost").expect(0, "R0105");
    assert_eq!(table, block("text"));
    let shown: Value = serde_json::from_str(&block("json")).unwrap();
    assert_eq!(shown, report(&workshop, "page"));
}

#[test]
fn people_see_the_dearest_first_and_a_total() {
    let workshop = Workshop::empty();
    write_ways(&workshop);
    let table = workshop
        .run("check ways --cost")
        .expect(0, "warning[R0105]");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("rule "), "{table}");
    assert!(
        lines[1].starts_with("tested ") || lines[1].starts_with("always "),
        "{table}"
    );
    assert!(lines[WAYS.len() + 1].starts_with("indexes "), "{table}");
    assert!(lines[WAYS.len() + 2].starts_with("all 9 rules "), "{table}");
    assert_eq!(lines.len(), WAYS.len() + 3, "{table}");
    assert!(table.lines().all(|line| line.trim_end() == line), "{table}");

    let rules: Vec<String> = (0..60)
        .map(|number| format!("  - {{ id: r{number}, when: connection.mtls, then: deny }}\n"))
        .collect();
    workshop.write("ways/b.rules.yaml", format!("rules:\n{}", rules.concat()));
    let table = workshop.run("check ways --cost").expect(0, "69 rules");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[41].starts_with("indexes "), "{table}");
    assert!(lines[42].starts_with("all 69 rules "), "{table}");
    assert_eq!(
        lines[44],
        "These are the 40 dearest of 69 rules; `--cost --format json` prints all."
    );
    assert!(
        lines[45].starts_with("Looked at: every request 1, exact 1, exact or literal 1, "),
        "{table}"
    );
}

#[test]
fn one_rule_is_one() {
    let workshop = Workshop::empty();
    workshop.write("one/ruleset.yaml", "language: 1\nruleset: one\n");
    let rule = "rules:\n  - { id: a, when: connection.mtls, then: deny }\n";
    workshop.write("one/a.rules.yaml", rule);
    let table = workshop
        .run("check one --cost")
        .expect(0, "one: 1 rule, no errors");
    assert!(table.contains("\nthe 1 rule "), "{table}");
}

/// What is shared is paid once, so the whole is at most its parts.
#[test]
fn indexes_and_rules_are_at_least_the_whole() {
    let workshop = Workshop::empty();
    write_ways(&workshop);
    let report = report(&workshop, "ways");
    let rules = report["rules"].as_array().unwrap();
    for field in ["typical", "worst"] {
        let of_rules: u64 = rules.iter().map(|rule| number(rule, field)).sum();
        let of_indexes = number(&report["indexes"], field);
        assert!(of_indexes > 0, "{report}");
        assert!(of_indexes < number(&report, field), "{report}");
        assert!(number(&report, field) <= of_indexes + of_rules, "{report}");
    }
}

/// A comparison that nearly every request passes does not hide what the rest of the condition costs.
#[test]
fn half_of_all_comparisons_hold() {
    let costs = |when: &str| {
        let workshop = Workshop::empty();
        workshop.write("half/ruleset.yaml", "language: 1\nruleset: half\n");
        let rule = format!("rules:\n  - {{ id: a, when: '{when}', then: deny }}\n");
        workshop.write("half/a.rules.yaml", rule);
        report(&workshop, "half")
    };
    let without = costs(r#"!has(request.headers["x-token"])"#);
    let whole = number(&without["rules"][0], "typical");
    for comparison in [
        "request.path.length() >= 0",
        r#"request.time >= timestamp("2020-01-01T00:00:00Z")"#,
    ] {
        let found = costs(&format!(
            r#"{comparison} && !has(request.headers["x-token"])"#
        ));
        assert_eq!(found["rules"][0]["access"], "number", "{found}");
        let half = number(&found["rules"][0], "typical");
        assert!((whole / 2..=whole / 2 + 2).contains(&half), "{found}");
        assert!(number(&found, "typical") >= half, "{found}");
    }
}

/// Literals of an attribute are looked for in one pass for each class of their lengths, and starts no farther than they
/// reach.
#[test]
fn literals_cost_a_pass_however_many_there_are() {
    let indexes = |conditions: &[String]| {
        let workshop = Workshop::empty();
        workshop.write("passes/ruleset.yaml", "language: 1\nruleset: passes\n");
        let rules: Vec<String> = (0..)
            .zip(conditions)
            .map(|(number, when)| format!("  - {{ id: r{number}, when: '{when}', then: deny }}\n"))
            .collect();
        workshop.write("passes/a.rules.yaml", format!("rules:\n{}", rules.concat()));
        number(&report(&workshop, "passes")["indexes"], "worst")
    };
    let containing = |text: &str| format!(r#"request.path.contains("{text}")"#);
    let starting = |text: &str| format!(r#"request.path.startsWith("{text}")"#);
    let head = 60 << 10;
    let one = indexes(&[containing("/administration/")]);
    assert!((4 * head..6 * head).contains(&one), "{one}");
    let short_too = indexes(&[containing("/administration/"), containing("/x")]);
    assert!(short_too > one + 2 * head, "{one} {short_too}");
    let eight: Vec<String> = (0..8)
        .map(|number| containing(&format!("/many{number}/")))
        .collect();
    let hundred: Vec<String> = (0..100)
        .map(|number| containing(&format!("/m{number:03}/")))
        .collect();
    let (eight, hundred) = (indexes(&eight), indexes(&hundred));
    assert_eq!(hundred, eight + 92);
    let start = indexes(&[starting("/administration/")]);
    assert!(start < 2 * head, "{start}");
}

/// What indexes are for: a request does not pay for rules that it has nothing to do with.
#[test]
fn rules_that_an_index_leaves_out_add_nothing_to_a_typical_request() {
    let workshop = Workshop::empty();
    workshop.write("many/ruleset.yaml", "language: 1\nruleset: many\n");
    let mut costs = Vec::new();
    for count in [10, 1_000] {
        let rules: Vec<String> = (0..count)
            .map(|number| {
                format!(
                    "  - {{ id: r{number}, when: 'request.path == \"/{number}\"', then: deny }}\n"
                )
            })
            .collect();
        workshop.write("many/a.rules.yaml", format!("rules:\n{}", rules.concat()));
        costs.push(report(&workshop, "many"));
    }
    let (few, many) = (&costs[0], &costs[1]);
    assert!(
        number(many, "typical") < number(few, "typical") + 10,
        "{few} {many}"
    );
    assert!(
        number(many, "worst") > number(few, "worst") + 990,
        "{few} {many}"
    );
}

#[test]
fn a_limit_on_the_cost_fails_checks_and_builds() {
    let workshop = Workshop::furnished();
    let report = report(&workshop, "shop");
    let worst = number(&report, "worst");
    let indexes = number(&report["indexes"], "worst");
    let limit = |steps: u64| format!("--max-cost {steps}");
    let (enough, little) = (limit(worst), limit(worst - 1));
    workshop
        .run(&format!("check shop {enough}"))
        .expect(0, "no errors");
    workshop
        .build("new.bundle", &format!("--revision 4 {enough}"))
        .expect(0, "revision 4");
    std::fs::remove_file(workshop.path("new.bundle")).unwrap();

    let words = format!(
        "a request can cost {worst} steps (indexes, for all rules together: {indexes}), more than the {} of --max-cost",
        worst - 1
    );
    let outcome = workshop.run(&format!("check shop {little}"));
    assert!(
        outcome.stderr.contains("dearest by themselves: `")
            && outcome.stderr.contains("--cost --format json"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("no errors"), "{}", outcome.stderr);
    outcome.expect(1, &words);
    workshop
        .build("new.bundle", &format!("--revision 4 {little}"))
        .expect(1, &words);
    assert!(!workshop.path("new.bundle").exists());

    workshop
        .run("check shop --max-cost none")
        .expect(2, "a whole number of steps is wanted");
}

/// Every request pays for a counter, and a rule for reading it.
#[test]
fn counters_are_counted() {
    let workshop = Workshop::empty();
    let counters = |counters: &str| {
        let manifest = format!("language: 1\nruleset: counted\n{counters}");
        workshop.write("counted/ruleset.yaml", manifest);
        let when = if counters.is_empty() {
            "request.url_path == \"/buy\""
        } else {
            "request.url_path == \"/buy\" && counters.taps > 5"
        };
        let rules = format!("rules: [{{ id: buy, when: '{when}', then: deny }}]");
        workshop.write("counted/main.rules.yaml", rules);
        report(&workshop, "counted")
    };
    let none = counters("");
    assert_eq!(none["counters"], Value::Array(Vec::new()));
    let one = "counters:\n  taps: { key: [client.ip], window: 10s }\n";
    let taps = counters(one);
    assert_eq!(taps["counters"][0]["name"], "taps");
    let (own, rest) = (&taps["counters"][0], |field| {
        number(&taps, field) - number(&none, field)
    });
    assert_eq!(number(own, "typical"), rest("typical"));
    assert!(
        number(own, "worst") < rest("worst"),
        "the rule reads it too"
    );
    assert!(number(own, "worst") > 10 * number(own, "typical"), "{own}");
    let table = workshop.run("check counted --cost").expect(0, "");
    assert!(table.contains("\ncounter taps "), "{table}");

    let field = |field: &str, counter: &str| number(&counters(counter)["counters"][0], field);
    let narrow = one.replace(
        "window",
        "count_when: 'request.path.matches(\"[a-z]{8}\")', window",
    );
    let wide = one.replace(
        "[client.ip]",
        "[client.ip, 'request.params[\"id\"].lowerAscii()']",
    );
    let distinct = one.replace("window", "distinct: 'request.headers[\"x\"]', window");
    for dearer in [narrow, wide, distinct] {
        assert!(
            field("typical", &dearer) > field("typical", one),
            "{dearer}"
        );
        assert!(field("worst", &dearer) > field("worst", one), "{dearer}");
    }
    // What only the response tells is not asked when a request is decided.
    let late = one.replace(
        "window",
        "count_when: 'response.headers[\"x\"].matches(\"[a-z]{8}\")', window",
    );
    assert_eq!(field("worst", &late), field("worst", one));
    // What counts the same is one.
    let twice = format!("{one}  again: {{ key: [client.ip], window: 10s }}\n");
    assert_eq!(counters(&twice)["worst"], taps["worst"]);
}
