//! Whatever text comes in, the front end answers with diagnostics that can be shown.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use proptest::prelude::*;
use regex::bytes::RegexBuilder;
use riskgate_compiler::{
    diagnostic::Diagnostic,
    front::{Analysis, Sources, analyse, cidr, pattern, template, time},
};

const MANIFEST: &str =
    "language: 1\nruleset: any\nlists: { office: { type: cidr, values: [10.0.0.0/8] } }\n";

/// Analyses and shows; both must come to an end without a panic, with every place on a character of its file.
fn survives(manifest: &str, rules: &str, list: &str) {
    let analysis = analyse(&Sources::from_texts([
        ("ruleset.yaml", manifest),
        ("a.rules.yaml", rules),
        ("lists/a.txt", list),
    ]));
    let Analysis {
        ruleset,
        diagnostics,
        sources,
        ..
    } = &analysis;
    assert_eq!(
        ruleset.is_none(),
        diagnostics.iter().any(Diagnostic::is_error)
    );
    for diagnostic in diagnostics {
        let text = &sources.get(diagnostic.primary.file).expect("a file").text;
        let range = diagnostic.primary.range.clone();
        assert!(
            range.start <= range.end && range.start <= text.len(),
            "{diagnostic:?}"
        );
        assert!(text.is_char_boundary(range.start), "{diagnostic:?}");
    }
    analysis.report(false);
    analysis.report(true);
}

fn rule(when: &str) -> String {
    format!("rules:\n  - id: r\n    when: |\n      {when}\n    then: deny\n")
}

/// Pieces of the expression language, in any order.
fn expression() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "request.path",
        "request.headers",
        "[\"a\"]",
        "client.ip",
        "lists.office",
        "connection.mtls",
        "request.time",
        ".",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "&&",
        "||",
        "!",
        "==",
        "!=",
        "<",
        ">=",
        " in ",
        "\"x\"",
        "'",
        "\"",
        "r\"\\d\"",
        "\\",
        "5",
        "-",
        "0x",
        "1e9",
        "true",
        "null",
        "has(",
        "int(",
        "size(",
        "timestamp(\"2026-11-11T00:00:00Z\")",
        ".matches(",
        ".lowerAscii()",
        ".length()",
        ".startsWith(\"a\")",
        "é",
        "?",
        ":",
        ",",
        "+",
        "\n      ",
        " ",
        "request.body.json",
        "counters.a",
        "#",
        "//",
    ]);
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// Pieces of rulesets, in any order and indentation.
fn yaml() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "rules",
        "id",
        "when",
        "then",
        "all",
        "any",
        "not",
        "lists",
        "type",
        "string",
        "cidr",
        "values",
        "file",
        "lists/a.txt",
        "language",
        "ruleset",
        "deny",
        "allow",
        "challenge",
        "redirect",
        "status",
        "headers",
        "body",
        "score",
        "tag",
        "active",
        "from",
        "default",
        "score_bands",
        "at_least",
        ": ",
        ":",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "\n      ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "\"",
        "'",
        "|\n",
        ">\n",
        "!",
        "&a ",
        "*a",
        "<<",
        "# ",
        "~",
        "null",
        "1",
        "-1",
        "99999999999999999999",
        "true",
        "?",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "é",
        "\t",
        "\r\n",
        "\u{feff}",
        "\0",
        "https://h/{request.path}",
        "10.0.0.0/8",
        "2026-11-11T00:00:00Z",
        "request.path == \"/\"",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Pieces of regexes, in any order.
fn regex() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "Z",
        "0",
        "é",
        "(",
        "(?:",
        "(?i)",
        "(?i:",
        "(?s-m)",
        "(?u)",
        "(?-u)",
        "(?x)",
        "(?<n>",
        "(?=",
        ")",
        "[",
        "[^",
        "]",
        "a-z",
        "z-a",
        "-",
        "&&",
        "[:alpha:]",
        "|",
        "*",
        "+",
        "?",
        "{2}",
        "{3,}",
        "{3,2}",
        "{",
        "}",
        ".",
        "^",
        "$",
        r"\d",
        r"\W",
        r"\b",
        r"\B",
        r"\A",
        r"\z",
        r"\xff",
        r"\x{ff}",
        r"\u00e9",
        r"\n",
        r"\.",
        r"\pL",
        r"\p{Greek}",
        r"\1",
        r"\Q",
        r"\",
        "#",
        " ",
        "\n",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// The same options as the page on the language gives. There are two differences: Unicode cannot be turned on, and what is
/// too big is told only when the automaton is built.
fn is_a_pattern_exactly_if_regex_takes_it(text: &str) -> Result<(), TestCaseError> {
    let regex = RegexBuilder::new(text)
        .unicode(false)
        .dot_matches_new_line(true)
        .nest_limit(50)
        .build();
    match (pattern::to_hir(text), regex) {
        (Ok(_), Ok(_) | Err(regex::Error::CompiledTooBig(_))) => {}
        (Err(error), Ok(_)) => {
            let refused = text.get(error.range.clone());
            prop_assert_eq!(refused, Some("u"), "{}: {}", text, error);
            prop_assert!(error.message.contains("Unicode"), "{}: {}", text, error);
        }
        (Ok(_), Err(error)) => prop_assert!(false, "{text}: only `regex` refuses it: {error}"),
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_expression(when in expression()) {
        survives(MANIFEST, &rule(&when), "");
    }

    #[test]
    fn any_text_as_a_condition(when in "\\PC{0,40}") {
        survives(MANIFEST, &rule(&when), "");
        survives(MANIFEST, &format!("rules: [{{ id: r, when: {when:?}, then: deny }}]"), "");
    }

    #[test]
    fn any_yaml(text in yaml()) {
        survives(&text, "rules: []", "");
        survives(MANIFEST, &text, "");
        survives(&format!("{MANIFEST}{text}"), &format!("rules:\n  - id: r\n    {text}"), "");
    }

    #[test]
    fn any_text_as_files(manifest in any::<String>(), rules in any::<String>(), list in any::<String>()) {
        survives(&manifest, &rules, &list);
        survives("language: 1\nruleset: r\nlists: { a: { type: cidr, file: lists/a.txt } }", "rules: []", &list);
    }

    #[test]
    fn any_text_for_the_small_parsers(text in "\\PC{0,24}") {
        let _ = cidr::parse(&text);
        let _ = time::parse(&text);
        let _ = template::parse(&text, true);
        let _ = template::parse(&format!("https://h/{text}"), false);
        is_a_pattern_exactly_if_regex_takes_it(&text)?;
    }

    #[test]
    fn any_regex(text in regex()) {
        is_a_pattern_exactly_if_regex_takes_it(&text)?;
    }
}

#[test]
fn deep_nesting_is_an_error_not_an_overflow() {
    for open in ["[", "{a: ", "- ", "{not: "] {
        survives(MANIFEST, &format!("rules: {}", open.repeat(100_000)), "");
    }
    for open in ["(", "!", "[", "has(", "request.headers[", "-"] {
        survives(MANIFEST, &rule(&open.repeat(60_000)), "");
        survives(
            MANIFEST,
            &rule(&format!("{}connection.mtls", open.repeat(10_000))),
            "",
        );
    }
    survives(
        MANIFEST,
        &rule(&format!("request.path{}", ".trim()".repeat(9000))),
        "",
    );
    survives(
        MANIFEST,
        &rule(&format!("request{}", ".a".repeat(30_000))),
        "",
    );
    survives(
        MANIFEST,
        &rule(&format!("request.path.matches(\"{}\")", "(".repeat(4000))),
        "",
    );
}
