//! From matches to a verdict.

use riskgate_compiler::ir::{
    Active, Band, Condition, Outcome, Reply, Rule, Ruleset, Stage, TemplatePart, Terminal,
};

use crate::oracle::OracleVerdict;
use crate::oracle::builder::{rule, ruleset};
use crate::oracle::check::agreed;
use crate::oracle::generate::{Bytes, RequestCase};

#[test]
fn the_first_by_priority_then_by_place_decides() {
    let rules = vec![
        always("low", -1, Terminal::Allow),
        always("middle-a", 0, deny(403)),
        always("high-a", 7, Terminal::Challenge(answer(401))),
        always("high-b", 7, deny(429)),
    ];
    let verdict = decided(&ruleset(rules));
    assert_eq!(
        (verdict.action.as_str(), verdict.status),
        ("challenge", Some(401))
    );
    assert_eq!(verdict.rule.as_deref(), Some("high-a"));
    assert_eq!(verdict.matched, ["low", "middle-a", "high-a", "high-b"]);
}

#[test]
fn a_rule_without_a_terminal_action_does_not_decide() {
    let rules = vec![scoring("scores", 10), always("denies", -5, deny(403))];
    assert_eq!(decided(&ruleset(rules)).rule.as_deref(), Some("denies"));
}

#[test]
fn the_highest_band_reached_decides_when_no_rule_did() {
    let bands = || {
        vec![
            Band {
                at_least: 80,
                then: deny(403),
            },
            Band {
                at_least: 50,
                then: Terminal::Challenge(answer(401)),
            },
            Band {
                at_least: 20,
                then: Terminal::Allow,
            },
        ]
    };
    let cases = [
        (19, "deny", None, Some(451)),
        (20, "allow", Some(20), None),
        (79, "challenge", Some(50), Some(401)),
    ];
    let cases = cases.into_iter().chain([
        (80, "deny", Some(80), Some(403)),
        (1000, "deny", Some(80), Some(403)),
    ]);
    for (score, action, band, status) in cases {
        let scored = ruleset(vec![scoring("one", score - 7), scoring("two", 7)]);
        let verdict = decided(&Ruleset {
            bands: bands(),
            default: deny(451),
            ..scored
        });
        assert_eq!(
            (verdict.action.as_str(), verdict.band, verdict.status),
            (action, band, status),
            "{score}"
        );
        assert_eq!((verdict.score, verdict.rule), (i64::from(score), None));
    }
    let decided_by_rule = ruleset(vec![
        scoring("one", 90),
        always("allows", 0, Terminal::Allow),
    ]);
    let verdict = decided(&Ruleset {
        bands: bands(),
        ..decided_by_rule
    });
    assert_eq!(
        (verdict.action.as_str(), verdict.band, verdict.score),
        ("allow", None, 90)
    );
}

#[test]
fn scores_add_up_beyond_32_bits() {
    let rules = ["a", "b", "c"].map(|id| scoring(id, i32::MAX)).to_vec();
    assert_eq!(decided(&ruleset(rules)).score, 3 * i64::from(i32::MAX));
    let rules = ["a", "b", "c"].map(|id| scoring(id, i32::MIN)).to_vec();
    assert_eq!(decided(&ruleset(rules)).score, 3 * i64::from(i32::MIN));
}

#[test]
fn the_first_value_of_a_tag_stands() {
    let tagging = |id: &str, priority, pairs: &[(&str, &str)]| {
        let tags = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Rule {
            priority,
            then: Outcome {
                tags,
                ..Outcome::default()
            },
            ..rule(id, Condition::Constant(true))
        }
    };
    let rules = vec![
        tagging("low", 0, &[("a", "low"), ("b", "low")]),
        tagging("high", 1, &[("a", "high")]),
        tagging("high-too", 1, &[("a", "high too"), ("c", "")]),
    ];
    let tags: Vec<(String, String)> = decided(&ruleset(rules)).tags.into_iter().collect();
    let expected = [("a", "high"), ("b", "low"), ("c", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(tags, expected);
}

#[test]
fn shadowed_matches_change_only_what_would_be() {
    let shadow = |rule: Rule| Rule {
        stage: Stage::Shadow,
        ..rule
    };
    let tagged = Outcome {
        terminal: Some(deny(403)),
        score: Some(60),
        tags: vec![("t".to_owned(), "v".to_owned())],
    };
    let rules = vec![
        shadow(Rule {
            then: tagged,
            ..rule("shadow", Condition::Constant(true))
        }),
        scoring("scores", 30),
        shadow(rule("never", Condition::Constant(false))),
    ];
    let verdict = decided(&ruleset(rules));
    assert_eq!(
        (
            verdict.action.as_str(),
            verdict.would.as_str(),
            verdict.score
        ),
        ("allow", "deny", 30)
    );
    assert_eq!(
        (verdict.matched, verdict.shadowed),
        (vec!["scores".to_owned()], vec!["shadow".to_owned()])
    );
    assert!(verdict.tags.is_empty());

    let bands = vec![
        Band {
            at_least: 80,
            then: deny(403),
        },
        Band {
            at_least: 30,
            then: Terminal::Challenge(answer(401)),
        },
    ];
    let scored = ruleset(vec![shadow(scoring("shadow", 50)), scoring("scores", 30)]);
    let verdict = decided(&Ruleset { bands, ..scored });
    assert_eq!(
        (
            verdict.action.as_str(),
            verdict.band,
            verdict.would.as_str()
        ),
        ("challenge", Some(30), "deny")
    );

    let rules = vec![
        shadow(always("allows", 1, Terminal::Allow)),
        always("denies", 0, deny(403)),
    ];
    let verdict = decided(&ruleset(rules));
    assert_eq!(
        (verdict.action.as_str(), verdict.would.as_str()),
        ("deny", "allow")
    );
}

#[test]
fn a_rule_matches_from_its_start_until_its_end() {
    let active = Active {
        from_us: Some(10),
        until_us: Some(20),
    };
    let ruleset = ruleset(vec![Rule {
        active,
        ..rule("r", Condition::Constant(true))
    }]);
    for (time_us, expected) in [
        (9, false),
        (10, true),
        (19, true),
        (20, false),
        (i64::MIN, false),
        (i64::MAX, false),
    ] {
        let verdict = agreed(
            &ruleset,
            &RequestCase {
                time_us,
                ..RequestCase::default()
            },
        );
        assert_eq!(!verdict.matched.is_empty(), expected, "{time_us}");
    }
}

#[test]
fn a_reply_is_what_the_author_wrote() {
    let reply = Reply {
        status: 429,
        headers: vec![
            ("retry-after".to_owned(), "10".to_owned()),
            ("x-a".to_owned(), String::new()),
        ],
        body: "slow down".to_owned(),
    };
    let found = decided(&ruleset(vec![always("r", 0, Terminal::Deny(reply))]))
        .reply
        .expect("a deny has a reply");
    assert_eq!(
        (found.status, found.body.as_slice()),
        (429, &b"slow down"[..])
    );
    assert_eq!(
        found.headers,
        [
            ("retry-after".to_owned(), b"10".to_vec()),
            ("x-a".to_owned(), Vec::new())
        ]
    );
    assert_eq!(
        decided(&ruleset(vec![always("r", 0, Terminal::Allow)])).reply,
        None
    );
}

#[test]
fn a_redirect_encodes_all_but_unreserved_bytes() {
    let literal = |text: &str| TemplatePart::Literal(text.to_owned());
    let template = vec![
        literal("https://v.example/?p="),
        TemplatePart::Path,
        literal("&h="),
        TemplatePart::Host,
        literal("&u="),
        TemplatePart::UrlPath,
        literal("&r="),
        TemplatePart::RuleId,
    ];
    let ruleset = ruleset(vec![always("r.1_a-b", 0, Terminal::Redirect(template))]);
    let request = RequestCase {
        path: Some(Bytes(b"/a~b?\xff%2f=\0".to_vec())),
        host: Some(Bytes(b"Shop.example:443".to_vec())),
        ..RequestCase::default()
    };
    let location = |verdict: OracleVerdict| {
        assert_eq!(
            (verdict.action.as_str(), verdict.status),
            ("challenge", Some(302))
        );
        let headers = verdict.reply.expect("a redirect has a reply").headers;
        assert_eq!(headers[0].0, "location");
        headers[0].1.escape_ascii().to_string()
    };
    let expected =
        "https://v.example/?p=%2Fa~b%3F%FF%252f%3D%00&h=Shop.example%3A443&u=%2Fa~b&r=r.1_a-b";
    assert_eq!(location(agreed(&ruleset, &request)), expected);
    let nothing = agreed(&ruleset, &RequestCase::default());
    assert_eq!(location(nothing), "https://v.example/?p=&h=&u=&r=r.1_a-b");
}

fn decided(ruleset: &Ruleset) -> OracleVerdict {
    agreed(ruleset, &RequestCase::default())
}

fn always(id: &str, priority: i32, terminal: Terminal) -> Rule {
    let then = Outcome {
        terminal: Some(terminal),
        ..Outcome::default()
    };
    Rule {
        priority,
        then,
        ..rule(id, Condition::Constant(true))
    }
}

fn scoring(id: &str, score: i32) -> Rule {
    Rule {
        then: Outcome {
            score: Some(score),
            ..Outcome::default()
        },
        ..rule(id, Condition::Constant(true))
    }
}

fn deny(status: u16) -> Terminal {
    Terminal::Deny(answer(status))
}

fn answer(status: u16) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        body: String::new(),
    }
}
