//! `when`: an expression, or `all`, `any` and `not` over others.

use super::{
    check,
    context::Context,
    limits::MAX_WHEN_DEPTH,
    list::Lists,
    text::did_you_mean,
    yaml::{Entry, Kind, Node},
};
use crate::{
    diagnostic::{Code, Span},
    ir::Condition,
};

const OPERATORS: [&str; 3] = ["all", "any", "not"];

/// A condition with what the lints need to point into its text.
pub(crate) struct When {
    /// The condition as it was written.
    pub(crate) condition: Condition,
    /// The places of its atoms, in the order in which they stand in it.
    pub(crate) atoms: Vec<Span>,
}

/// Reads a rule's `when`.
pub(crate) fn read(cx: &mut Context<'_>, node: &Node, lists: &mut Lists) -> Option<When> {
    let mut atoms = Vec::new();
    let condition = condition(cx, node, lists, &mut atoms, 0)?;
    Some(When { condition, atoms })
}

fn condition(
    cx: &mut Context<'_>,
    node: &Node,
    lists: &mut Lists,
    atoms: &mut Vec<Span>,
    depth: usize,
) -> Option<Condition> {
    if depth > MAX_WHEN_DEPTH {
        let message = format!("`all`, `any` and `not` are nested deeper than {MAX_WHEN_DEPTH}");
        cx.report(cx.diagnostic(Code::TooLarge, &node.range, message));
        return None;
    }
    let entries = match &node.kind {
        Kind::Scalar(scalar) if !node.is_null() => {
            return check::expression(cx, node, scalar, lists, atoms);
        }
        Kind::Mapping(entries) => entries,
        _ => {
            return cx.wrong_shape(
                node,
                "a condition",
                "an expression, or a map with `all`, `any` or `not`",
            );
        }
    };
    let [
        Entry {
            key,
            key_range,
            value,
        },
    ] = entries.as_slice()
    else {
        let range = entries
            .get(1)
            .map_or(&node.range, |second| &second.key_range);
        let diagnostic = cx.diagnostic(
            Code::WrongShape,
            range,
            "a map in `when` has exactly one key",
        );
        cx.report(diagnostic.help("put one map for each key into the list of an `all` or `any`"));
        return None;
    };
    match key.as_str() {
        "all" => Some(Condition::All(operands(
            cx, "`all`", value, lists, atoms, depth,
        )?)),
        "any" => Some(Condition::Any(operands(
            cx, "`any`", value, lists, atoms, depth,
        )?)),
        "not" => Some(Condition::Not(Box::new(condition(
            cx,
            value,
            lists,
            atoms,
            depth + 1,
        )?))),
        other => {
            let diagnostic = cx.diagnostic(
                Code::UnknownKey,
                key_range,
                "a map in `when` has the key `all`, `any` or `not`",
            );
            let help = match other {
                "and" => "write `all`".to_owned(),
                "or" => "write `any`".to_owned(),
                _ => did_you_mean(other, &OPERATORS),
            };
            cx.report(diagnostic.help(help));
            None
        }
    }
}

fn operands(
    cx: &mut Context<'_>,
    what: &str,
    node: &Node,
    lists: &mut Lists,
    atoms: &mut Vec<Span>,
    depth: usize,
) -> Option<Vec<Condition>> {
    let items = cx.sequence(node, what)?;
    if items.is_empty() {
        let diagnostic = cx.diagnostic(
            Code::WrongShape,
            &node.range,
            format!("{what} has no conditions"),
        );
        cx.report(diagnostic.help("add one, or write `true` or `false`"));
        return None;
    }
    let conditions: Vec<_> = items
        .iter()
        .map(|item| condition(cx, item, lists, atoms, depth + 1))
        .collect();
    conditions.into_iter().collect()
}
