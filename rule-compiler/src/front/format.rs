//! A ruleset's YAML in the one form that `rulec fmt` gives it: indented by two, with one space where conditions and `{..}` may have
//! any number, without needless quotes, and a rule's keys in their usual order. Comments stay where they are.
//!
//! Nothing is trusted to come out right: the text that is printed is parsed again, and given only if it says the same, with the
//! same comments in the same order.

mod block_scalar;
mod comments;
mod printer;
mod role;
mod same;
mod scalar;
mod spacing;

use thiserror::Error;

use super::yaml;
use crate::diagnostic::{Diagnostics, Findings, SourceMap, render_counted};
use comments::comments;
use printer::Printer;
use role::Role;

/// What a file of a ruleset holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `ruleset.yaml` and rules: with conditions.
    Rules,
    /// Tests.
    Tests,
}

/// Why a file is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormatError {
    /// It is not YAML, or more than rulesets may hold; this is what is wrong with it.
    #[error("{0}")]
    Syntax(String),
    /// It could not be printed again with the same meaning.
    #[error("it has a form that cannot be printed without changing what it says")]
    Unsure,
}

/// The text of a file, formatted. `name` is what messages call it.
///
/// # Errors
///
/// If the file is not YAML, or if what comes out would not say the same.
pub fn format(name: &str, text: &str, kind: FileKind) -> Result<String, FormatError> {
    let text = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .replace("\r\n", "\n");
    let root = parse(name, &text)?;
    let before = comments(&text, root.as_ref());
    let formatted = Printer::new(&text, &before).document(root.as_ref(), Role::root(kind));
    let again = parse(name, &formatted).map_err(|_| FormatError::Unsure)?;
    let after = comments(&formatted, again.as_ref());
    let texts = |comments: &[comments::Comment]| -> Vec<String> {
        comments
            .iter()
            .map(|comment| comment.text.clone())
            .collect()
    };
    let is_same = match (&root, &again) {
        (Some(root), Some(again)) => same::nodes(root, again, Role::root(kind)),
        (None, None) => true,
        _ => false,
    };
    if !is_same || texts(&before) != texts(&after) {
        return Err(FormatError::Unsure);
    }
    Ok(formatted)
}

fn parse(name: &str, text: &str) -> Result<Option<yaml::Node>, FormatError> {
    let mut sources = SourceMap::default();
    let file = sources.add(name, text);
    let mut diagnostics = Diagnostics::default();
    let root = yaml::parse(file, text, &mut diagnostics);
    if diagnostics.count() == 0 {
        return Ok(root);
    }
    let Findings {
        diagnostics,
        omitted_errors,
        ..
    } = diagnostics.finish();
    Err(FormatError::Syntax(render_counted(
        &diagnostics,
        omitted_errors,
        &sources,
        false,
    )))
}

#[cfg(test)]
mod tests {
    use super::{FileKind, FormatError, format};

    fn formatted(text: &str) -> String {
        let once = format("a.rules.yaml", text, FileKind::Rules)
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        let twice = format("a.rules.yaml", &once, FileKind::Rules);
        assert_eq!(twice.as_ref(), Ok(&once), "{text}");
        once
    }

    #[test]
    fn forms() {
        let cases = [
            ("rules:   []", "rules: []\n"),
            ("a: { b:   1,c: [x,y] }", "a: { b: 1, c: [x, y] }\n"),
            ("a:\n- b\n-   c\n", "a:\n  - b\n  - c\n"),
            ("a:\n    b: 'x'\n    c: \"y z\"\n", "a:\n  b: x\n  c: y z\n"),
            (
                "a: 'true'\nb: '5'\nc: '2026-01-01'\n",
                "a: 'true'\nb: '5'\nc: '2026-01-01'\n",
            ),
            (
                "rules: [{ when: a==\"x\"&&!( b<5 ) }]",
                "rules: [{ when: a == \"x\" && !(b < 5) }]\n",
            ),
            (
                "rules:\n- when: '!a  ||  b in [ 1,2 ]'",
                "rules:\n  - when: '!a || b in [1, 2]'\n",
            ),
            (
                "rules:\n- when: request.headers[ \"x\" ] . length( ) > -1",
                "rules:\n  - when: request.headers[\"x\"].length() > -1\n",
            ),
            (
                "rules:\n- when: this is not == a\tcondition (",
                "rules:\n  - when: this is not == a\tcondition (\n",
            ),
            ("a: b # c\n\n\n\n# d\ne: f", "a: b # c\n\n# d\ne: f\n"),
            (
                "a:   # b\n  # c\n  - d   # e\n  # f\n# g\n",
                "a: # b\n  # c\n  - d # e\n  # f\n# g\n",
            ),
            ("a: [b, # c\n  d]\n", "a:\n  - b # c\n  - d\n"),
            (
                "a: >-\n     b\n       c\n\n     d\ne: f\n",
                "a: >-\n  b\n    c\n\n  d\ne: f\n",
            ),
            (
                "a:\n- |\n x # no comment\n- y\n",
                "a:\n  - |\n    x # no comment\n  - y\n",
            ),
            ("a: b ==\n          1\n", "a: b ==\n  1\n"),
            ("when: a==b\n", "when: a==b\n"),
            ("a: |3\n      b\n   c\nd: e\n", "a: |2\n     b\n  c\nd: e\n"),
            ("a: |+\n    b\n\n\nc: d\n", "a: |+\n  b\n\n\nc: d\n"),
            ("a: >1+ # b\n  c\n d\n\n", "a: >2+ # b\n   c\n  d\n\n"),
            ("\u{feff}a: b\r\nc: d\r\n", "a: b\nc: d\n"),
            ("---\na: b\n", "a: b\n"),
            ("# only a comment\n", "# only a comment\n"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(formatted(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_keys_of_a_rule_have_an_order() {
        let rules = "rules:\n- then: deny\n  when: a\n  id: x\n";
        assert_eq!(
            formatted(rules),
            "rules:\n  - id: x\n    when: a\n    then: deny\n"
        );
        // A comment may be about what stands beside it.
        let commented = "rules:\n  - then: deny\n    # why\n    when: a\n    id: x\n";
        assert_eq!(formatted(commented), commented);
        let tests = "tests: [{ then: 1, id: 2 }]\n";
        assert_eq!(formatted(tests), tests);
    }

    #[test]
    fn long_lines_are_broken() {
        let values: Vec<String> = (0..40).map(|number| format!("value-{number}")).collect();
        let found = formatted(&format!("a: [{}]\n", values.join(",")));
        assert!(
            found.starts_with("a:\n  - value-0\n  - value-1\n"),
            "{found}"
        );
    }

    #[test]
    fn what_is_no_yaml_is_left() {
        let found = format("x.rules.yaml", "a: [", FileKind::Rules);
        assert!(
            matches!(found, Err(FormatError::Syntax(text)) if text.contains("--> x.rules.yaml:1:"))
        );
        assert!(format("x", "a: &b c", FileKind::Rules).is_err());
    }
}
