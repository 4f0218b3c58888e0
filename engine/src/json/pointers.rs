//! The JSON pointers (RFC 6901) that rules name, as one tree, so that a walk follows all of them at once.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::names::{NameId, Names};
use crate::strings::Strings;

/// A place in the tree.
pub(crate) type NodeId = u32;

/// A pointer of more tokens is refused.
pub const MAX_TOKENS: usize = 32;

/// More pointers of one ruleset are refused: the tree takes some hundred bytes for each token.
pub const MAX_POINTERS: usize = 1_024;

/// Whether a text is a pointer: empty, or at most [`MAX_TOKENS`] that each follow a `/`, with `~0` for `~` and `~1` for `/`.
#[must_use]
pub fn is_pointer(text: &[u8]) -> bool {
    let is_good = |mut tokens: Tokens<'_>| tokens.all(|token| decoded(token).is_some());
    let count = text.iter().filter(|byte| **byte == b'/').count();
    count <= MAX_TOKENS && tokens(text).is_some_and(is_good)
}

/// The tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pointers {
    nodes: Vec<Node>,
    /// Node by node; those of one ascend by token.
    members: Vec<(Range<usize>, NodeId)>,
    /// Node by node; those of one ascend.
    elements: Vec<(u32, NodeId)>,
    tokens: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// Of the pointer that ends here.
    name: Option<NameId>,
    members: Range<usize>,
    elements: Range<usize>,
    /// Where every element of an array leads.
    any: Option<NodeId>,
}

impl Pointers {
    pub(crate) const ROOT: NodeId = 0;

    /// Of pointers that were checked.
    pub(crate) fn new(names: &Names, strings: &Strings) -> Pointers {
        let mut tree = Tree::default();
        for (name, text) in (0..).zip(names.texts()) {
            tree.add(strings.get(text), name);
        }
        tree.flatten()
    }

    pub(crate) fn name(&self, node: NodeId) -> Option<NameId> {
        self.nodes.get(node as usize)?.name
    }

    /// Where the member of an object leads.
    pub(crate) fn member(&self, node: NodeId, name: &[u8]) -> Option<NodeId> {
        let own = self.nodes.get(node as usize)?.members.clone();
        let own = self.members.get(own)?;
        let token = |range: &Range<usize>| self.tokens.get(range.clone()).unwrap_or_default();
        let place = own.binary_search_by(|(range, _)| token(range).cmp(name));
        own.get(place.ok()?).map(|(_, node)| *node)
    }

    /// Where the element of an array leads: by its index, and by `*`.
    pub(crate) fn elements(
        &self,
        node: NodeId,
        index: u32,
    ) -> impl Iterator<Item = NodeId> + use<> {
        let node = self.nodes.get(node as usize);
        let by_index = node.and_then(|node| {
            let own = self.elements.get(node.elements.clone())?;
            let place = own.binary_search_by_key(&index, |(index, _)| *index);
            own.get(place.ok()?).map(|(_, node)| *node)
        });
        by_index.into_iter().chain(node.and_then(|node| node.any))
    }
}

/// The tree while it grows.
struct Tree {
    nodes: Vec<Branch>,
}

#[derive(Default)]
struct Branch {
    name: Option<NameId>,
    /// Ascending by token.
    children: Vec<(Vec<u8>, NodeId)>,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree {
            nodes: vec![Branch::default()],
        }
    }
}

impl Tree {
    fn add(&mut self, pointer: &[u8], name: NameId) {
        let mut node = Pointers::ROOT;
        for token in tokens(pointer).into_iter().flatten() {
            let next = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            let Some(branch) = self.nodes.get_mut(node as usize) else {
                return;
            };
            let token = decoded(token).unwrap_or_default();
            let place = branch
                .children
                .binary_search_by(|(held, _)| held.as_slice().cmp(&token));
            match place {
                Ok(place) => {
                    let child = branch.children.get(place);
                    node = child.map_or(next, |(_, child)| *child);
                }
                Err(place) => {
                    branch.children.insert(place, (token.into_owned(), next));
                    self.nodes.push(Branch::default());
                    node = next;
                }
            }
        }
        if let Some(branch) = self.nodes.get_mut(node as usize) {
            branch.name = Some(name);
        }
    }

    fn flatten(self) -> Pointers {
        let mut pointers = Pointers::default();
        for Branch { name, children } in self.nodes {
            let (members, elements) = (pointers.members.len(), pointers.elements.len());
            let any = children.iter().find(|(token, _)| token == b"*");
            let any = any.map(|(_, child)| *child);
            for (token, child) in children {
                if let Some(index) = index(&token) {
                    pointers.elements.push((index, child));
                }
                let start = pointers.tokens.len();
                pointers.tokens.extend(token);
                pointers.members.push((start..pointers.tokens.len(), child));
            }
            if let Some(own) = pointers.elements.get_mut(elements..) {
                own.sort_unstable();
            }
            pointers.nodes.push(Node {
                name,
                members: members..pointers.members.len(),
                elements: elements..pointers.elements.len(),
                any,
            });
        }
        pointers
    }
}

type Tokens<'p> = core::slice::Split<'p, u8, fn(&u8) -> bool>;

/// The tokens of a pointer, still encoded.
fn tokens(pointer: &[u8]) -> Option<Tokens<'_>> {
    let is_slash: fn(&u8) -> bool = |byte| *byte == b'/';
    let mut parts = pointer.split(is_slash);
    parts.next().filter(|first| first.is_empty())?;
    Some(parts)
}

fn decoded(token: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut parts = token.split(|&byte| byte == b'~');
    let first = parts.next()?;
    if first.len() == token.len() {
        return Some(Cow::Borrowed(token));
    }
    let mut decoded = first.to_vec();
    for part in parts {
        let (code, rest) = part.split_first()?;
        decoded.push(match code {
            b'0' => b'~',
            b'1' => b'/',
            _ => return None,
        });
        decoded.extend_from_slice(rest);
    }
    Some(Cow::Owned(decoded))
}

/// An index of an array: digits without a leading zero.
fn index(token: &[u8]) -> Option<u32> {
    let is_canonical = token == b"0" || !token.starts_with(b"0");
    let is_digits = token.iter().all(u8::is_ascii_digit);
    if !is_canonical || !is_digits {
        return None;
    }
    core::str::from_utf8(token).ok()?.parse().ok()
}
