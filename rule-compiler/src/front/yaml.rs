//! YAML as a tree with places, stricter than YAML itself.

mod node;
mod position;
mod slip;
mod tree;

pub(crate) use node::{Entry, Kind, Node, Scalar, Style};
pub(crate) use position::locate;
pub(crate) use tree::parse;
