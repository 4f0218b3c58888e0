//! A request, and the values of its attributes once a rule has asked for them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use riskgate_compiler::ir::{Attribute, Base, Number};
use riskgate_engine::request::Request;
use riskgate_engine::response::Response;

use super::attribute::{Value, response_values, values};

/// Derives each attribute once a request: a ruleset of thousands of rules asks for the same few over and over.
pub(crate) struct Facts<'a> {
    pub(super) request: &'a Request<'a>,
    response: Option<&'a Response<'a>>,
    /// What each counter has counted for the request's key.
    reads: Vec<i64>,
    known: RefCell<HashMap<&'a Attribute, Rc<[Value]>>>,
}

impl<'a> Facts<'a> {
    /// Nothing was counted.
    pub(crate) fn new(request: &'a Request<'a>) -> Self {
        Self::counted(request, Vec::new())
    }

    pub(super) fn counted(request: &'a Request<'a>, reads: Vec<i64>) -> Self {
        Self {
            request,
            response: None,
            reads,
            known: RefCell::default(),
        }
    }

    pub(super) fn answered(request: &'a Request<'a>, response: Option<&'a Response<'a>>) -> Self {
        Self {
            response,
            ..Self::new(request)
        }
    }

    pub(super) fn values(&self, attribute: &'a Attribute) -> Rc<[Value]> {
        Rc::clone(
            self.known
                .borrow_mut()
                .entry(attribute)
                .or_insert_with(|| self.derive(attribute).into()),
        )
    }

    fn derive(&self, attribute: &Attribute) -> Vec<Value> {
        match (&attribute.base, self.response) {
            (Base::Counter(counter), _) => {
                let read = self.reads.get(*counter).copied().unwrap_or(0);
                vec![Value::Number(Number::Int(read))]
            }
            (base, None) if base.is_of_response() => Vec::new(),
            (base, Some(response)) if base.is_of_response() => response_values(attribute, response),
            _ => values(attribute, self.request),
        }
    }
}
