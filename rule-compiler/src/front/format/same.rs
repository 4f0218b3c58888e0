//! Whether two trees say the same.

use super::{role::Role, scalar::is_special};
use crate::front::cel::{TokenKind, tokens};
use crate::front::yaml::{Entry, Kind, Node, Scalar, Style};

/// Whether they do: white space in expressions does not count, nor does the order of a rule's keys.
pub(super) fn nodes(a: &Node, b: &Node, role: Role) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Scalar(a), Kind::Scalar(b)) => scalars(a, b, role),
        (Kind::Sequence(a), Kind::Sequence(b)) => {
            let role = role.of_items();
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| nodes(a, b, role))
        }
        (Kind::Mapping(a), Kind::Mapping(b)) => {
            a.len() == b.len() && (0..).zip(a).all(|(index, a)| has_entry(b, index, a, role))
        }
        _ => false,
    }
}

/// Whether a map has an entry, at its place or, in a rule, at any.
fn has_entry(map: &[Entry], index: usize, entry: &Entry, role: Role) -> bool {
    let found = match role {
        Role::Rule => map.iter().find(|other| other.key == entry.key),
        _ => map.get(index).filter(|other| other.key == entry.key),
    };
    found.is_some_and(|found| nodes(&entry.value, &found.value, role.under(&entry.key)))
}

fn scalars(a: &Scalar, b: &Scalar, role: Role) -> bool {
    if a.text != b.text {
        return role.is_expression() && same_tokens(&a.text, &b.text);
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
