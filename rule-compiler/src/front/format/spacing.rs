//! White space in conditions.

use crate::front::cel::{Token, TokenKind, parse, tokens};

/// A condition with one space where the grammar has a place for one; nothing if it is none.
pub(super) fn spaced(condition: &str) -> Option<String> {
    parse(condition).ok()?;
    let tokens = tokens(condition).ok()?;
    let mut text = String::new();
    let mut before: Option<&TokenKind> = None;
    let mut is_sign = false;
    for Token { kind, range } in &tokens {
        if *kind == TokenKind::End {
            break;
        }
        if before.is_some_and(|before| has_space(before, kind, is_sign)) {
            text.push(' ');
        }
        // A minus is a sign where no value stands before it.
        is_sign =
            *kind == TokenKind::Symbol("-") && before.is_none_or(|before| !ends_value(before));
        text.push_str(condition.get(range.clone())?);
        before = Some(kind);
    }
    Some(text)
}

fn has_space(before: &TokenKind, after: &TokenKind, is_sign: bool) -> bool {
    let opens = matches!(before, TokenKind::Symbol("(" | "[" | "{" | "." | "!"));
    let closes = matches!(after, TokenKind::Symbol(")" | "]" | "}" | "." | ","));
    let calls = matches!(after, TokenKind::Symbol("(" | "[")) && ends_value(before);
    !(opens || closes || calls || is_sign)
}

fn ends_value(token: &TokenKind) -> bool {
    match token {
        TokenKind::Symbol(symbol) => matches!(*symbol, ")" | "]" | "}"),
        TokenKind::In => false,
        _ => true,
    }
}
