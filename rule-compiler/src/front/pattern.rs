//! Regexes: the one place that says how the pattern of `.matches(..)` is understood.
//!
//! The syntax is that of Rust's `regex` crate, over bytes with Unicode off: classes, `\b` and `(?i)` are ASCII, `.` is
//! any byte, `$` is only the very end, `\xHH` is the byte HH. A non-ASCII character outside of a class is its UTF-8
//! bytes; in a class it is an error, and so are `\p{..}` and `(?u)`.

use core::ops::Range;

use regex_syntax::{
    ast::{self, Ast, Flag, FlagsItemKind},
    hir::{self, Hir, translate::TranslatorBuilder},
};
use thiserror::Error;

use super::limits::MAX_PATTERN_LEN;

/// Groups in groups: more than anyone can read.
const MAX_NESTING: u32 = 50;

/// Why a pattern is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct PatternError {
    /// What is wrong, in lower case.
    pub message: String,
    /// Bytes of the pattern.
    pub range: Range<usize>,
    /// What to write instead.
    pub help: &'static str,
}

/// A pattern as the tree that automata are built from.
///
/// # Errors
///
/// If it does not follow the syntax, or asks for Unicode.
pub fn to_hir(pattern: &str) -> Result<Hir, PatternError> {
    if pattern.len() > MAX_PATTERN_LEN {
        return Err(PatternError {
            message: format!("a regex has at most {MAX_PATTERN_LEN} bytes"),
            range: 0..pattern.len(),
            help: "put the alternatives into a list, or split the condition with `||`",
        });
    }
    let ast = ast::parse::ParserBuilder::new()
        .nest_limit(MAX_NESTING)
        .build()
        .parse(pattern)
        .map_err(|error| syntax_error(&error))?;
    ast::visit(&ast, RefuseUnicode)?;
    TranslatorBuilder::new()
        .unicode(false)
        .utf8(false)
        .dot_matches_new_line(true)
        .build()
        .translate(pattern, &ast)
        .map_err(|error| translate_error(&error))
}

/// Stops at the first flag that turns Unicode on.
struct RefuseUnicode;

impl ast::Visitor for RefuseUnicode {
    type Output = ();
    type Err = PatternError;

    fn finish(self) -> Result<(), PatternError> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), PatternError> {
        match ast {
            Ast::Flags(set) => refuse_unicode_flag(&set.flags),
            Ast::Group(group) => group.flags().map_or(Ok(()), refuse_unicode_flag),
            _ => Ok(()),
        }
    }
}

fn refuse_unicode_flag(flags: &ast::Flags) -> Result<(), PatternError> {
    let on = flags
        .items
        .iter()
        .take_while(|item| item.kind != FlagsItemKind::Negation);
    match on
        .into_iter()
        .find(|item| item.kind == FlagsItemKind::Flag(Flag::Unicode))
    {
        None => Ok(()),
        Some(item) => Err(PatternError {
            message: "regexes match bytes: Unicode cannot be turned on".to_owned(),
            range: range_of(&item.span),
            help: "leave the flag `u` out; a non-ASCII character outside of a class matches its UTF-8 bytes",
        }),
    }
}

fn syntax_error(error: &ast::Error) -> PatternError {
    let help = match error.kind() {
        ast::ErrorKind::UnsupportedLookAround => {
            "join two conditions with `&&` or `&& !` instead of look-around"
        }
        ast::ErrorKind::UnsupportedBackreference => {
            "matching is linear in the value's length, which back-references rule out"
        }
        ast::ErrorKind::NestLimitExceeded(_) => "take groups out, or split the condition",
        _ => "the syntax is that of Rust's regex crate",
    };
    PatternError {
        message: describe(&error.kind().to_string()),
        range: range_of(error.span()),
        help,
    }
}

fn translate_error(error: &hir::Error) -> PatternError {
    let help = match error.kind() {
        hir::ErrorKind::UnicodeNotAllowed | hir::ErrorKind::UnicodePropertyNotFound => {
            "classes hold single bytes: write alternatives such as `(?:é|ü)`"
        }
        _ => "the syntax is that of Rust's regex crate, over bytes with Unicode off",
    };
    PatternError {
        message: describe(&error.kind().to_string()),
        range: range_of(error.span()),
        help,
    }
}

fn describe(reason: &str) -> String {
    let mut characters = reason.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(characters).collect()
    })
}

fn range_of(span: &ast::Span) -> Range<usize> {
    span.start.offset..span.end.offset.max(span.start.offset)
}

#[cfg(test)]
mod tests {
    use super::to_hir;

    /// Both engines' answer: they are built in two ways that must agree.
    fn is_match(pattern: &str, haystack: &[u8]) -> bool {
        let regex = regex::bytes::RegexBuilder::new(pattern)
            .unicode(false)
            .dot_matches_new_line(true)
            .build()
            .expect(pattern)
            .is_match(haystack);
        let hir = to_hir(pattern).expect(pattern);
        let automaton = regex_automata::meta::Builder::new()
            .configure(regex_automata::meta::Config::new().utf8_empty(false))
            .build_from_hir(&hir)
            .expect(pattern)
            .is_match(haystack);
        assert_eq!(regex, automaton, "{pattern} on {haystack:?}");
        regex
    }

    #[test]
    fn bytes_with_unicode_off() {
        let cases: [(&str, &[u8], bool); 32] = [
            ("union.+select", b"x UNION", false),
            ("(?i)union.+select", b"UNION\n\xff SELECT", true),
            ("a.c", b"a\nc", true),
            ("a.c", b"a\xffc", true),
            ("^a$", b"a\n", false),
            ("^a$", b"a", true),
            ("(?m)^b$", b"a\nb\nc", true),
            ("(?-s)a.c", b"a\nc", false),
            (r"\d", "٣".as_bytes(), false),
            (r"\w", "é".as_bytes(), false),
            (r"\bcat\b", "écaté".as_bytes(), true),
            (r"\s", "\u{a0}".as_bytes(), false),
            (r"\xff", b"\xff", true),
            (r"\xff", "ÿ".as_bytes(), false),
            (r"\x{ff}", "ÿ".as_bytes(), true),
            (r"\u00ff", "ÿ".as_bytes(), true),
            ("é", "é".as_bytes(), true),
            ("é", b"\xe9", false),
            ("é+$", "éé".as_bytes(), true),
            ("^é{2}$", "éé".as_bytes(), true),
            ("^é?x", b"\xa9x", false),
            ("^(?:é|ü)$", "ü".as_bytes(), true),
            ("(?i)é", "É".as_bytes(), false),
            ("(?i)straSSe", b"STRASSE", true),
            ("(?i)k", "\u{212a}".as_bytes(), false),
            ("[^a]", b"\xff", true),
            ("^[^a]$", "é".as_bytes(), false),
            (r"[\x80-\xff]", b"\x80", true),
            (r"^\D$", b"\xff", true),
            ("(?-u)a", b"a", true),
            ("", b"", true),
            ("^$", b"x", false),
        ];
        for (pattern, haystack, expected) in cases {
            assert_eq!(
                is_match(pattern, haystack),
                expected,
                "{pattern} on {haystack:?}"
            );
        }
    }

    #[test]
    fn what_is_refused() {
        let cases = [
            ("(?u)a", 2..3),
            ("(?u:a)", 2..3),
            ("(?iu)a", 3..4),
            ("[é]", 1..3),
            ("[a-é]", 3..5),
            (r"\pL", 0..3),
            (r"\p{Greek}", 0..9),
            ("(a", 0..1),
            ("a)", 1..2),
            ("(?=a)", 0..3),
            (r"(a)\1", 3..5),
            ("a{2,1}", 1..6),
            ("*", 0..0),
            (r"\q", 0..2),
        ];
        for (pattern, range) in cases {
            let error = to_hir(pattern).expect_err(pattern);
            assert_eq!(error.range, range, "{pattern}: {error}");
        }
        assert!(to_hir(&"(".repeat(60)).is_err());
        assert!(to_hir(&"a".repeat(5000)).is_err());
        assert!(to_hir("(?-u:a)").is_ok());
    }
}
