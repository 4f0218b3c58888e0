//! Whether two trees say the same.

use super::scalar::is_special;
use crate::front::cel::{TokenKind, tokens};
use crate::front::yaml::{Entry, Kind, Node, Scalar, Style};

/// Whether they do; with `conditions` white space in these does not count, nor does the order of the keys in a map.
pub(super) fn nodes(a: &Node, b: &Node, conditions: bool) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Scalar(a), Kind::Scalar(b)) => scalars(a, b, conditions),
        (Kind::Sequence(a), Kind::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| nodes(a, b, conditions))
        }
        (Kind::Mapping(a), Kind::Mapping(b)) => {
            let same = |a: &Entry| {
                let b = b.iter().find(|b| b.key == a.key);
                b.is_some_and(|b| nodes(&a.value, &b.value, conditions))
            };
            a.len() == b.len() && a.iter().all(same)
        }
        _ => false,
    }
}

fn scalars(a: &Scalar, b: &Scalar, conditions: bool) -> bool {
    if a.text != b.text {
        return conditions && same_tokens(&a.text, &b.text);
    }
    let is_plain = |scalar: &Scalar| scalar.style == Style::Plain;
    is_plain(a) == is_plain(b) || !is_special(&a.text)
}

fn same_tokens(a: &str, b: &str) -> bool {
    let kinds = |text: &str| -> Option<Vec<TokenKind>> {
        let tokens = tokens(text).ok()?;
        Some(tokens.into_iter().map(|token| token.kind).collect())
    };
    kinds(a).is_some_and(|a| kinds(b) == Some(a))
}
