//! Whole rulesets and what they become.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use riskgate_compiler::{
    diagnostic::render,
    front::{Sources, analyse},
    ir::{
        Active, Atom, Band, Condition, ListValues, OnExpired, Origin, Outcome, Reply, Ruleset,
        Severity, Stage, TemplatePart, Terminal, Test,
    },
};

const MINIMAL: &str = "language: 1\nruleset: shop\n";

fn ruleset(files: &[(&str, &str)]) -> Ruleset {
    let analysis = analyse(&Sources::from_texts(files.iter().copied()));
    let text = render(&analysis.diagnostics, &analysis.sources, false);
    analysis.ruleset.unwrap_or_else(|| panic!("{text}"))
}

fn outcome(then: &str) -> Outcome {
    let rules = format!("rules:\n  - {{ id: r, when: connection.mtls, then: {then} }}\n");
    ruleset(&[("ruleset.yaml", MINIMAL), ("a.rules.yaml", &rules)]).rules[0]
        .then
        .clone()
}

fn reply(status: u16) -> Reply {
    Reply {
        status,
        headers: vec![],
        body: String::new(),
    }
}

fn terminal(terminal: Terminal) -> Outcome {
    Outcome {
        terminal: Some(terminal),
        ..Outcome::default()
    }
}

#[test]
fn what_is_left_out_has_a_default() {
    let found = ruleset(&[("ruleset.yaml", MINIMAL)]);
    let expected = Ruleset {
        name: "shop".into(),
        ttl_s: 86_400,
        on_expired: OnExpired::Keep,
        default: Terminal::Allow,
        bands: vec![],
        lists: vec![],
        counters: Vec::new(),
        rules: vec![],
        custom_attributes: BTreeSet::new(),
    };
    assert_eq!(found, expected);
}

#[test]
fn the_manifest() {
    let manifest = "\
language: 1
ruleset: shop-2
ttl: 90m
on_expired: deny
default: deny
score_bands:
  - { at_least: 50, then: { challenge: { redirect: 'https://v.example.com/?r={request.path}' } } }
  - { at_least: 80, then: deny }
lists:
  names: { type: string, values: [b, a, b, 7, true] }
  nets: { type: cidr, file: lists/nets.txt }
";
    let rules = "rules: [{ id: r, when: 'client.ip in lists.nets || request.id in lists.names', then: deny }]";
    let nets = "# nets\n::ffff:10.0.0.0/104\n192.0.2.1 # one\n\n10.0.0.0/8\r\n";
    let found = ruleset(&[
        ("ruleset.yaml", manifest),
        ("a.rules.yaml", rules),
        ("lists/nets.txt", nets),
    ]);
    assert_eq!(
        (found.name.as_str(), found.ttl_s, found.on_expired),
        ("shop-2", 5400, OnExpired::Deny)
    );
    assert_eq!(found.default, Terminal::Deny(reply(403)));
    let redirect = vec![
        TemplatePart::Literal("https://v.example.com/?r=".into()),
        TemplatePart::Path,
    ];
    assert_eq!(
        found.bands,
        [
            Band {
                at_least: 80,
                then: Terminal::Deny(reply(403))
            },
            Band {
                at_least: 50,
                then: Terminal::Redirect(redirect)
            },
        ]
    );
    let names: Vec<Vec<u8>> = ["7", "a", "b", "true"]
        .map(|name| name.as_bytes().to_vec())
        .to_vec();
    assert_eq!(found.lists[0].values, ListValues::Strings(names));
    let ListValues::Prefixes(nets) = &found.lists[1].values else {
        panic!("prefixes")
    };
    let nets: Vec<String> = nets
        .iter()
        .map(|net| format!("{}/{}", net.address, net.length))
        .collect();
    assert_eq!(nets, ["10.0.0.0/8", "192.0.2.1/32"]);
}

#[test]
fn a_rule_with_everything() {
    let rules = "\
# a comment
rules:
  - id: seckill.burst_1
    description: |
      one device
      too often
    owner: promo-risk
    ticket: RISK-1042
    severity: critical
    tags: [flash-sale, v1.2]
    priority: -100
    stage: shadow
    active: { from: 1970-01-01T00:00:01Z, until: 1970-01-01T00:00:02.5Z }
    when: connection.mtls
    then: deny
  - { id: second, when: connection.mtls, then: { tag: { a: b } } }
";
    let found = ruleset(&[("ruleset.yaml", MINIMAL), ("b.rules.yaml", rules)]);
    let rule = &found.rules[0];
    assert_eq!(rule.id, "seckill.burst_1");
    assert_eq!(rule.description.as_deref(), Some("one device\ntoo often\n"));
    assert_eq!(
        (rule.owner.as_deref(), rule.ticket.as_deref()),
        (Some("promo-risk"), Some("RISK-1042"))
    );
    assert_eq!(
        (rule.severity, rule.priority, rule.stage.clone()),
        (Some(Severity::Critical), -100, Stage::Shadow)
    );
    assert_eq!(rule.labels, ["flash-sale", "v1.2"]);
    assert_eq!(
        rule.active,
        Active {
            from_us: Some(1_000_000),
            until_us: Some(2_500_000)
        }
    );
    assert_eq!(
        rule.origin,
        Origin {
            file: "b.rules.yaml".into(),
            line: 3
        }
    );
    assert_eq!(found.rules[1].origin.line, 16);
    assert_eq!(
        (found.rules[1].stage.clone(), found.rules[1].priority),
        (Stage::Enforce, 0)
    );
}

#[test]
fn rules_come_in_order_of_files_and_positions() {
    let rule = |id: &str| {
        format!(
            "rules: [{{ id: {id}1, when: true, then: deny }}, {{ id: {id}2, when: true, then: deny }}]"
        )
    };
    let (a, b, upper) = (rule("a"), rule("b"), rule("c"));
    let files = [
        ("b.rules.yaml", b.as_str()),
        ("ruleset.yaml", MINIMAL),
        ("a.rules.yaml", &a),
        ("Z.rules.yaml", &upper),
    ];
    let ids: Vec<String> = ruleset(&files)
        .rules
        .into_iter()
        .map(|rule| rule.id)
        .collect();
    assert_eq!(ids, ["c1", "c2", "a1", "a2", "b1", "b2"]);
}

#[test]
fn outcomes() {
    assert_eq!(outcome("allow"), terminal(Terminal::Allow));
    assert_eq!(outcome("deny"), terminal(Terminal::Deny(reply(403))));
    assert_eq!(outcome("{ allow: {} }"), terminal(Terminal::Allow));
    assert_eq!(
        outcome("{ deny: {} }"),
        terminal(Terminal::Deny(reply(403)))
    );
    assert_eq!(outcome("{ deny: }"), terminal(Terminal::Deny(reply(403))));
    assert_eq!(
        outcome("{ challenge: {} }"),
        terminal(Terminal::Challenge(reply(401)))
    );
    let full = Reply {
        status: 429,
        headers: vec![
            ("retry-after".into(), "10".into()),
            ("x-a".into(), "b c".into()),
        ],
        body: r#"{"code":"slow_down"}"#.into(),
    };
    let written =
        r#"{ status: 429, headers: { Retry-After: 10, x-a: b c }, body: '{"code":"slow_down"}' }"#;
    assert_eq!(
        outcome(&format!("{{ deny: {written} }}")),
        terminal(Terminal::Deny(full.clone()))
    );
    assert_eq!(
        outcome(&format!("{{ challenge: {written} }}")),
        terminal(Terminal::Challenge(full))
    );
    let redirect = vec![
        TemplatePart::Literal("https://h/?id=".into()),
        TemplatePart::RuleId,
    ];
    assert_eq!(
        outcome("{ challenge: { redirect: 'https://h/?id={rule.id}' } }"),
        terminal(Terminal::Redirect(redirect))
    );
    assert_eq!(
        outcome("{ score: -5 }"),
        Outcome {
            score: Some(-5),
            ..Outcome::default()
        }
    );
    let tagged = Outcome {
        terminal: Some(Terminal::Deny(reply(403))),
        score: Some(10),
        tags: vec![("device".into(), "7".into()), ("kind".into(), "a b".into())],
    };
    assert_eq!(
        outcome("{ tag: { device: 7, kind: a b }, score: 10, deny: {} }"),
        tagged
    );
}

/// Making an automaton takes far longer than all else of a rule, and generated rules repeat their patterns.
#[test]
fn a_pattern_is_compiled_once() {
    let rules: String = ["a", "b"]
        .iter()
        .map(|id| {
            format!("  - id: {id}\n    when: request.path.matches(\"a.{{9}}b\")\n    then: deny\n")
        })
        .collect();
    let files = [
        ("ruleset.yaml", MINIMAL),
        ("a.rules.yaml", &format!("rules:\n{rules}")),
    ];
    let automata: Vec<*const u8> = ruleset(&files)
        .rules
        .iter()
        .map(|rule| match &rule.when {
            Condition::Atom(Atom {
                test: Test::Matches(pattern),
                ..
            }) => pattern.automaton().as_ptr(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(automata.len(), 2);
    assert_eq!(automata[0], automata[1]);
}

/// A generated file can have more mistakes than memory holds; an error is kept whatever came before it.
#[test]
fn a_thousand_errors_and_a_thousand_warnings_are_kept() {
    let rule = |number: usize, when: &str| {
        format!("  - {{ id: r{number}, when: '{when}', then: allow }}\n")
    };
    let warned: String = (0..1_500)
        .map(|number| rule(number, "request.headers[\"x\"] == \"y\""))
        .collect();
    let wrong: String = (1_500..2_700)
        .map(|number| rule(number, "nonsense"))
        .collect();
    let rules = format!("rules:\n{warned}{wrong}");
    let analysis = analyse(&Sources::from_texts([
        ("ruleset.yaml", MINIMAL),
        ("a.rules.yaml", &rules),
    ]));
    let errors = analysis.diagnostics.iter().filter(|found| found.is_error());
    assert_eq!(errors.count(), 1_000);
    assert_eq!(analysis.diagnostics.len(), 2_000);
    assert_eq!(analysis.omitted_errors + analysis.omitted_warnings, 700);
    assert_eq!(analysis.ruleset, None);
    assert!(analysis.report(false).ends_with("and 2500 more\n\n"));
}

/// The examples are what authors begin with: nothing is wrong with them, and their tests pass and show both
/// sides of all.
#[test]
fn examples_are_clean_and_tested() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/rulesets");
    let rulec = |verb: &[&str], example: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_rulec"))
            .args(verb)
            .arg(example)
            .output()
            .expect("rulec runs");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).expect("UTF-8");
        assert!(
            output.status.success(),
            "{verb:?} {}:\n{said}",
            example.display()
        );
        said
    };
    let mut tested = 0;
    for example in fs::read_dir(&examples).expect("a folder") {
        let example = example.expect("a folder").path();
        if example.join("tests").is_dir() {
            rulec(&["check", "--deny", "warnings"], &example);
            rulec(&["fmt", "--check"], &example);
            let said = rulec(&["test", "--min-coverage", "100"], &example);
            assert!(
                said.contains("all passed"),
                "{}:\n{said}",
                example.display()
            );
            tested += 1;
        }
    }
    assert!(tested > 0, "no example has tests");
}
