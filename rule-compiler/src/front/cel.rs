//! The expression language's syntax: text to tree. What names and types mean is for the checker.
//!
//! It is a subset of CEL. Constructs of CEL that the language leaves out are recognised, so that the error can name
//! them.

mod ast;
mod error;
mod lexer;
mod literal;
mod parser;

pub(crate) use ast::{Comparator, Expr, ExprKind, Name};
pub(crate) use error::SyntaxError;
pub(crate) use lexer::{Token, TokenKind, tokens};
pub(crate) use literal::place_in_literal;
pub(crate) use parser::parse;
