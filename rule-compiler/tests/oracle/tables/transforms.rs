//! The corpus of `testdata/transforms`.

use std::fs;
use std::path::Path;

use riskgate_compiler::ir::{Attribute, Condition, Test, Transform, View};

use crate::oracle::builder::{atom, not, rule, ruleset, with_x, x_header};
use crate::oracle::check::Both;
use crate::oracle::transform;

const TRANSFORMS: [(&str, Transform); 9] = [
    ("lowerAscii", Transform::LowerAscii),
    ("trim", Transform::Trim),
    ("urlDecode", Transform::UrlDecode),
    ("urlDecodeAll", Transform::UrlDecodeAll),
    ("normalizePath", Transform::NormalizePath),
    ("compressSpaces", Transform::CompressSpaces),
    ("removeNulls", Transform::RemoveNulls),
    ("htmlUnescape", Transform::HtmlUnescape),
    ("base64Decode", Transform::Base64Decode),
];

/// A line of the corpus.
struct Line {
    text: String,
    input: Vec<u8>,
    output: Option<Vec<u8>>,
}

#[test]
fn oracle_agrees_with_the_corpus() {
    for (name, step) in TRANSFORMS {
        for line in corpus(name) {
            assert_eq!(
                transform(step, &line.input),
                line.output,
                "{name}: {}",
                line.text
            );
        }
    }
}

#[test]
fn engine_agrees_with_the_corpus() {
    for (name, step) in TRANSFORMS {
        let lines = corpus(name);
        let rules = lines
            .iter()
            .enumerate()
            .map(|(at, line)| rule(&at.to_string(), says(step, line)));
        let ruleset = ruleset(rules.collect());
        let both = Both::new(&ruleset);
        for (at, line) in lines.iter().enumerate() {
            let (_, engine) = both.verdicts(&with_x(&[&line.input]), &mut Default::default());
            assert!(
                engine.matched.contains(&at.to_string()),
                "{name}: {}",
                line.text
            );
        }
    }
}

/// The condition that the header `x` becomes what the line says.
fn says(step: Transform, line: &Line) -> Condition {
    let attribute = Attribute {
        base: x_header(),
        transforms: vec![step],
        view: View::Value,
    };
    match &line.output {
        Some(output) => atom(attribute, Test::OneOf(vec![output.clone()])),
        None => not(atom(attribute, Test::Present)),
    }
}

fn corpus(name: &str) -> Vec<Line> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/transforms")
        .join(format!("{name}.txt"));
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines: Vec<Line> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(line)
        .collect();
    assert!(lines.len() > 4, "{} is nearly empty", path.display());
    lines
}

fn line(text: &str) -> Line {
    let (input, output) = text
        .split_once(" -> ")
        .unwrap_or_else(|| panic!("no ` -> ` in {text}"));
    let output = if output == "dropped" {
        None
    } else {
        Some(unquoted(output))
    };
    Line {
        text: text.to_owned(),
        input: unquoted(input),
        output,
    }
}

fn unquoted(text: &str) -> Vec<u8> {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let mut rest = inner
        .unwrap_or_else(|| panic!("no quotes around {text}"))
        .as_bytes();
    let mut bytes = Vec::new();
    while let [first, after @ ..] = rest {
        let (byte, after) = if *first == b'\\' {
            escape(after)
        } else {
            (*first, after)
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}

fn escape(rest: &[u8]) -> (u8, &[u8]) {
    match rest {
        [b'n', after @ ..] => (b'\n', after),
        [b'r', after @ ..] => (b'\r', after),
        [b't', after @ ..] => (b'\t', after),
        [quoted @ (b'\\' | b'"'), after @ ..] => (*quoted, after),
        [b'x', high, low, after @ ..] => {
            let digits = String::from_utf8(vec![*high, *low]).expect("hex digits");
            (u8::from_str_radix(&digits, 16).expect("hex digits"), after)
        }
        other => panic!("no escape: \\{}", other.escape_ascii()),
    }
}
