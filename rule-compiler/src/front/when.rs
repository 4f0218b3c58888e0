//! `when`: an expression, or `all`, `any` and `not` over others.

use super::{
    check::{self, Place},
    context::Context,
    environment::Environment,
    limits::MAX_WHEN_DEPTH,
    text::did_you_mean,
    yaml::{Entry, Kind, Node},
};
use crate::{diagnostic::Code, ir::Condition};

const OPERATORS: [&str; 3] = ["all", "any", "not"];

/// A condition with what the lints need to point into its text.
pub(crate) struct When<'n> {
    /// The condition as it was written.
    pub(crate) condition: Condition,
    /// The places of its atoms, in the order in which they stand in it.
    pub(crate) atoms: Vec<Place<'n>>,
    /// The expressions that it consists of.
    pub(crate) expressions: Vec<&'n Node>,
}

/// Reads a rule's `when`.
pub(crate) fn read<'n>(
    cx: &mut Context<'_>,
    node: &'n Node,
    environment: &mut Environment,
) -> Option<When<'n>> {
    let (mut atoms, mut expressions) = (Vec::new(), Vec::new());
    let mut reader = Reader {
        cx,
        environment,
        atoms: &mut atoms,
        expressions: &mut expressions,
    };
    let condition = reader.condition(node, 0)?;
    Some(When {
        condition,
        atoms,
        expressions,
    })
}

struct Reader<'r, 'a, 'n> {
    cx: &'r mut Context<'a>,
    environment: &'r mut Environment,
    atoms: &'r mut Vec<Place<'n>>,
    expressions: &'r mut Vec<&'n Node>,
}

impl<'n> Reader<'_, '_, 'n> {
    fn condition(&mut self, node: &'n Node, depth: usize) -> Option<Condition> {
        if depth > MAX_WHEN_DEPTH {
            let message = format!("`all`, `any` and `not` are nested deeper than {MAX_WHEN_DEPTH}");
            let diagnostic = self.cx.diagnostic(Code::TooLarge, &node.range, message);
            self.cx.report(
                diagnostic.help("join neighbours of one kind, or write `&&`, `||` and `!`"),
            );
            return None;
        }
        match &node.kind {
            Kind::Scalar(scalar) if !node.is_null() => {
                self.expressions.push(node);
                check::expression(self.cx, node, scalar, self.environment, self.atoms)
            }
            Kind::Mapping(entries) => match entries.as_slice() {
                [entry] => self.operator(entry, depth),
                _ => self.several_keys(node, entries),
            },
            _ => self.cx.wrong_shape(
                node,
                "a condition",
                "an expression, or a map with `all`, `any` or `not`",
                "write one expression, or `all:` or `any:` before a list of them",
            ),
        }
    }

    fn operator(&mut self, entry: &'n Entry, depth: usize) -> Option<Condition> {
        let value = &entry.value;
        match entry.key.as_str() {
            "all" => Some(Condition::All(self.operands("`all`", value, depth)?)),
            "any" => Some(Condition::Any(self.operands("`any`", value, depth)?)),
            "not" => Some(Condition::Not(Box::new(self.condition(value, depth + 1)?))),
            other => {
                let help = match other {
                    "and" => "write `all`".to_owned(),
                    "or" => "write `any`".to_owned(),
                    _ => did_you_mean(other, &OPERATORS),
                };
                let message = "a map in `when` has the key `all`, `any` or `not`";
                self.cx.report(
                    self.cx
                        .diagnostic(Code::UnknownKey, &entry.key_range, message)
                        .help(help),
                );
                None
            }
        }
    }

    fn several_keys<T>(&mut self, node: &Node, entries: &[Entry]) -> Option<T> {
        let range = entries
            .get(1)
            .map_or(&node.range, |second| &second.key_range);
        let diagnostic = self.cx.diagnostic(
            Code::WrongShape,
            range,
            "a map in `when` has exactly one key",
        );
        self.cx
            .report(diagnostic.help("put one map for each key into the list of an `all` or `any`"));
        None
    }

    fn operands(&mut self, what: &str, node: &'n Node, depth: usize) -> Option<Vec<Condition>> {
        let items = self.cx.sequence(node, what)?;
        if items.is_empty() {
            let message = format!("{what} has no conditions");
            let diagnostic = self.cx.diagnostic(Code::WrongShape, &node.range, message);
            self.cx
                .report(diagnostic.help("add one, or write `true` or `false`"));
            return None;
        }
        let conditions: Vec<_> = items
            .iter()
            .map(|item| self.condition(item, depth + 1))
            .collect();
        conditions.into_iter().collect()
    }
}
