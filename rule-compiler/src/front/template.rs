//! Redirect templates: an absolute URL with placeholders after its host.

use core::ops::Range;

use thiserror::Error;

use crate::ir::TemplatePart;

/// Why a text is no redirect template, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct TemplateError {
    /// What is wrong.
    pub reason: TemplateReason,
    /// Bytes of the template.
    pub range: Range<usize>,
}

/// What can be wrong with a redirect template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TemplateReason {
    /// It does not start with a scheme that browsers follow.
    #[error("a redirect goes to an absolute URL that starts with `https://` or `http://`")]
    Scheme,
    /// The host is missing or has a character that hosts do not have.
    #[error("the host is missing, or has a character that a host and port cannot have")]
    Authority,
    /// A placeholder before the end of the host.
    #[error("a placeholder stands only after the host and the `/`, `?` or `#` that ends it")]
    PlaceholderInAuthority,
    /// A placeholder of another name.
    #[error("there is no such placeholder")]
    UnknownPlaceholder,
    /// `{rule.id}` where no rule decides.
    #[error("no rule decides here, so there is no `{{rule.id}}`")]
    NoRule,
    /// A brace without its other half.
    #[error("a brace without its other half")]
    Brace,
    /// A character that URLs do not have.
    #[error("a URL has no such character: percent-encode it")]
    Character,
}

/// The placeholders and their names.
pub const PLACEHOLDERS: [(&str, TemplatePart); 4] = [
    ("request.path", TemplatePart::Path),
    ("request.host", TemplatePart::Host),
    ("request.url_path", TemplatePart::UrlPath),
    ("rule.id", TemplatePart::RuleId),
];

/// The parts of a template. `{rule.id}` needs `in_rule`: a score band has no rule.
///
/// # Errors
///
/// If it is not an absolute URL with known placeholders after its host.
pub fn parse(template: &str, in_rule: bool) -> Result<Vec<TemplatePart>, TemplateError> {
    check_authority(template)?;
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(rest) = template.get(at..).filter(|rest| !rest.is_empty()) {
        let literal = rest.find(['{', '}']).unwrap_or(rest.len());
        if literal > 0 {
            parts.push(TemplatePart::Literal(
                check_literal(rest.get(..literal).unwrap_or(""), at)?.to_owned(),
            ));
        }
        at += literal;
        if let Some(length) = placeholder_length(template, at)? {
            parts.push(placeholder(template, at..at + length, in_rule)?);
            at += length;
        }
    }
    Ok(parts)
}

/// The host comes first and is the author's alone: no placeholder may stand in it or right after it.
fn check_authority(template: &str) -> Result<(), TemplateError> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| template.starts_with(scheme));
    let Some(start) = scheme.map(str::len) else {
        return Err(TemplateError {
            reason: TemplateReason::Scheme,
            range: 0..template.len(),
        });
    };
    let rest = template.get(start..).unwrap_or("");
    let length = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..length).unwrap_or("");
    if let Some(brace) = authority.find('{') {
        let end = authority
            .get(brace..)
            .and_then(|tail| tail.find('}'))
            .map_or(length, |close| brace + close + 1);
        return Err(TemplateError {
            reason: TemplateReason::PlaceholderInAuthority,
            range: start + brace..start + end,
        });
    }
    let fits =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    if authority.is_empty() || authority.starts_with(':') || !authority.bytes().all(fits) {
        return Err(TemplateError {
            reason: TemplateReason::Authority,
            range: start..start + length,
        });
    }
    Ok(())
}

fn check_literal(literal: &str, at: usize) -> Result<&str, TemplateError> {
    let bad = literal
        .char_indices()
        .find(|&(_, character)| !is_url_character(character));
    match bad {
        None => Ok(literal),
        Some((offset, character)) => Err(TemplateError {
            reason: TemplateReason::Character,
            range: at + offset..at + offset + character.len_utf8(),
        }),
    }
}

/// Reserved, unreserved and `%` of RFC 3986.
fn is_url_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(character)
}

/// The length of the placeholder at `at`, braces included; nothing at the end of the template.
fn placeholder_length(template: &str, at: usize) -> Result<Option<usize>, TemplateError> {
    let rest = template.get(at..).unwrap_or("");
    let brace = || TemplateError {
        reason: TemplateReason::Brace,
        range: at..at + 1,
    };
    match rest.chars().next() {
        None => Ok(None),
        Some('{') => rest
            .find('}')
            .map(|close| Some(close + 1))
            .ok_or_else(brace),
        Some(_) => Err(brace()),
    }
}

fn placeholder(
    template: &str,
    range: Range<usize>,
    in_rule: bool,
) -> Result<TemplatePart, TemplateError> {
    let name = template.get(range.start + 1..range.end - 1).unwrap_or("");
    let error = |reason| TemplateError {
        reason,
        range: range.clone(),
    };
    let part = PLACEHOLDERS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, part)| part.clone());
    match part {
        None => Err(error(TemplateReason::UnknownPlaceholder)),
        Some(TemplatePart::RuleId) if !in_rule => Err(error(TemplateReason::NoRule)),
        Some(part) => Ok(part),
    }
}

#[cfg(test)]
mod tests {
    use super::{TemplateReason, parse};
    use crate::ir::TemplatePart;

    #[test]
    fn splits_at_placeholders() {
        let literal = |text: &str| TemplatePart::Literal(text.to_owned());
        assert_eq!(
            parse(
                "https://v.example.com/?r={request.path}&h={request.host}&p={request.url_path}#{rule.id}",
                true
            ),
            Ok(vec![
                literal("https://v.example.com/?r="),
                TemplatePart::Path,
                literal("&h="),
                TemplatePart::Host,
                literal("&p="),
                TemplatePart::UrlPath,
                literal("#"),
                TemplatePart::RuleId,
            ])
        );
        assert_eq!(
            parse("http://[2001:db8::1]:8080", false),
            Ok(vec![literal("http://[2001:db8::1]:8080")])
        );
        assert_eq!(
            parse("https://h/{request.path}{request.host}", false).map(|parts| parts.len()),
            Ok(3)
        );
    }

    #[test]
    fn names_the_place_of_an_error() {
        let cases = [
            ("/verify", TemplateReason::Scheme, 0..7),
            ("javascript:alert(1)", TemplateReason::Scheme, 0..19),
            ("{request.path}", TemplateReason::Scheme, 0..14),
            ("https://", TemplateReason::Authority, 8..8),
            ("https:///path", TemplateReason::Authority, 8..8),
            ("https://user@host/", TemplateReason::Authority, 8..17),
            ("https://:443/", TemplateReason::Authority, 8..12),
            (
                "https://{request.host}/",
                TemplateReason::PlaceholderInAuthority,
                8..22,
            ),
            (
                "https://a{request.host}/",
                TemplateReason::PlaceholderInAuthority,
                9..23,
            ),
            (
                "https://h/{request.method}",
                TemplateReason::UnknownPlaceholder,
                10..26,
            ),
            ("https://h/{}", TemplateReason::UnknownPlaceholder, 10..12),
            ("https://h/{rule.id}", TemplateReason::NoRule, 10..19),
            ("https://h/{request.path", TemplateReason::Brace, 10..11),
            ("https://h/}", TemplateReason::Brace, 10..11),
            ("https://h/a b", TemplateReason::Character, 11..12),
            ("https://h/é", TemplateReason::Character, 10..12),
            (
                "https://h/\r\nset-cookie:",
                TemplateReason::Character,
                10..11,
            ),
        ];
        for (template, reason, range) in cases {
            let error = parse(template, false).expect_err(template);
            assert_eq!((error.reason, error.range), (reason, range), "{template}");
        }
    }
}
