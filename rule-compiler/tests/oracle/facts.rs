//! A request, and the values of its attributes once a rule has asked for them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use riskgate_compiler::ir::Attribute;
use riskgate_engine::request::Request;

use super::attribute::{Value, values};

/// Derives each attribute once a request: a ruleset of thousands of rules asks for the same few over and over.
pub(crate) struct Facts<'a> {
    request: &'a Request<'a>,
    known: RefCell<HashMap<&'a Attribute, Rc<[Value]>>>,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(request: &'a Request<'a>) -> Self {
        Self {
            request,
            known: RefCell::default(),
        }
    }

    pub(super) fn values(&self, attribute: &'a Attribute) -> Rc<[Value]> {
        Rc::clone(
            self.known
                .borrow_mut()
                .entry(attribute)
                .or_insert_with(|| values(attribute, self.request).into()),
        )
    }
}
