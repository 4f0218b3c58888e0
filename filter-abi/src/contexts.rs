//! The contexts of this VM: each root context is a configured filter, each request belongs to one.

use crate::abi::{self, Envoy};
use riskgate_filter_sdk::{CustomAttributes, Filter, Flow, Pending, Vm};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

thread_local! {
    /// This VM: it has one thread.
    static CONTEXTS: Contexts = Contexts::default();
}

/// What a root context's rules can read beyond what every filter knows.
type MakeAttributes = fn() -> Option<Box<dyn CustomAttributes>>;

#[derive(Default)]
struct Contexts {
    vm: Vm,
    attributes: Cell<Option<MakeAttributes>>,
    roots: RefCell<ById<Rc<Root>>>,
    /// By the request's context. A request may outlive its root context.
    requests: RefCell<ById<Rc<Root>>>,
    /// What is to be counted when the response of a request is known. Most requests leave nothing.
    pending: RefCell<ById<Pending>>,
    /// Requests whose bodies the filter holds back. Most go on with their headers.
    held: RefCell<ById<Held>>,
}

/// Why a body is held back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    /// It is read.
    Waiting,
    /// The request was answered: nothing of it may go on.
    Answered,
}

/// Things by the number of a context, ascending. Proxies count up, so a new one comes last, and nothing is allocated
/// for it once there were as many at the same time. (A hash map of the standard library traps where a host has no random
/// numbers.)
struct ById<T>(Vec<(u32, T)>);

impl<T> Default for ById<T> {
    fn default() -> ById<T> {
        ById(Vec::new())
    }
}

/// A root context.
pub(crate) struct Root {
    filter: RefCell<Filter>,
    /// A stream that was closed while another callback ran: its token and status.
    missed_close: Cell<Option<(u32, u32)>>,
}

/// The module began.
pub(crate) fn begin(attributes: MakeAttributes) {
    CONTEXTS.with(|contexts| contexts.attributes.set(Some(attributes)));
}

/// The proxy made a context: a root context if it has no parent.
pub(crate) fn create(context_id: u32, parent_id: u32) {
    CONTEXTS.with(|contexts| {
        if parent_id == 0 {
            let mut filter = Filter::new(&contexts.vm);
            if let Some(custom) = contexts.attributes.get().and_then(|make| make()) {
                filter = filter.with_attributes(custom);
            }
            let root = Rc::new(Root {
                filter: RefCell::new(filter),
                missed_close: Cell::default(),
            });
            contexts.roots.borrow_mut().insert(context_id, root);
        } else if let Some(root) = contexts.roots.borrow().get(parent_id) {
            let root = Rc::clone(root);
            contexts.requests.borrow_mut().insert(context_id, root);
        }
    });
}

/// The proxy is done with a context.
pub(crate) fn delete(context_id: u32) {
    CONTEXTS.with(|contexts| {
        if contexts.requests.borrow_mut().remove(context_id).is_some() {
            contexts.pending.borrow_mut().remove(context_id);
            contexts.held.borrow_mut().remove(context_id);
            return;
        }
        let root = contexts.roots.borrow_mut().remove(context_id);
        if let Some(root) = root {
            root.with_filter(|filter, envoy| filter.on_done(envoy));
        }
    });
}

/// The headers of a request are here. One of no root context is refused: there are no rules for it.
pub(crate) fn request_headers(context_id: u32, body_follows: bool) -> Flow {
    let flow = decide(context_id, |filter| {
        filter.on_request_headers(&Envoy, body_follows)
    });
    if body_follows {
        hold(context_id, flow);
    }
    flow
}

/// So many bytes of a request's body are here, or its trailers, and it has ended. Most requests do not wait for that.
pub(crate) fn request_body(context_id: u32, len: Option<usize>, has_ended: bool) -> Flow {
    let held = CONTEXTS.with(|contexts| contexts.held.borrow().get(context_id).copied());
    match held {
        None => Flow::Continue,
        Some(Held::Answered) => Flow::Answered,
        Some(Held::Waiting) => {
            let flow = decide(context_id, |filter| {
                filter.on_request_body(&Envoy, len, has_ended)
            });
            hold(context_id, flow);
            flow
        }
    }
}

fn decide(context_id: u32, act: impl FnOnce(&mut Filter) -> Flow) -> Flow {
    let root = CONTEXTS.with(|contexts| contexts.requests.borrow().get(context_id).cloned());
    match root.as_ref().map(|root| root.filter.try_borrow_mut()) {
        Some(Ok(mut filter)) => {
            let flow = act(&mut filter);
            if let Some(pending) = filter.take_pending() {
                CONTEXTS.with(|contexts| contexts.pending.borrow_mut().insert(context_id, pending));
            }
            flow
        }
        Some(Err(_)) | None => Filter::refuse_reentrant(&Envoy),
    }
}

/// Remembers what is to become of the rest of a request.
fn hold(context_id: u32, flow: Flow) {
    CONTEXTS.with(|contexts| {
        let mut held = contexts.held.borrow_mut();
        match flow {
            Flow::Wait => held.insert(context_id, Held::Waiting),
            Flow::Answered => held.insert(context_id, Held::Answered),
            Flow::Continue => drop(held.remove(context_id)),
        }
    });
}

/// The response to a request is complete, or there will be none.
pub(crate) fn response(context_id: u32) {
    let pending = CONTEXTS.with(|contexts| contexts.pending.borrow_mut().remove(context_id));
    let Some(pending) = pending else {
        return;
    };
    let root = CONTEXTS.with(|contexts| contexts.requests.borrow().get(context_id).cloned());
    if let Some(root) = root {
        root.with_filter(|filter, envoy| filter.on_response(envoy, pending));
    }
}

/// The root context of that number.
pub(crate) fn root(context_id: u32) -> Option<Rc<Root>> {
    CONTEXTS.with(|contexts| contexts.roots.borrow().get(context_id).cloned())
}

impl<T> ById<T> {
    /// In place of what an older context of that number has, which no proxy should make.
    fn insert(&mut self, id: u32, thing: T) {
        match self.place(id) {
            Ok(place) => {
                if let Some(held) = self.0.get_mut(place) {
                    *held = (id, thing);
                }
            }
            Err(place) => self.0.insert(place, (id, thing)),
        }
    }

    fn get(&self, id: u32) -> Option<&T> {
        let (_, thing) = self.0.get(self.place(id).ok()?)?;
        Some(thing)
    }

    fn remove(&mut self, id: u32) -> Option<T> {
        let place = self.place(id).ok()?;
        Some(self.0.remove(place).1)
    }

    fn place(&self, id: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |(held, _)| *held)
    }
}

impl Root {
    pub(crate) fn configure(&self, len: usize) {
        let json = abi::plugin_configuration(len).unwrap_or_default();
        self.with_filter(|filter, envoy| filter.on_configure(envoy, &json));
    }

    pub(crate) fn tick(&self) {
        if let Some((token, status)) = self.missed_close.take() {
            self.stream_close(token, status);
        }
        self.with_filter(|filter, envoy| filter.on_tick(envoy));
    }

    pub(crate) fn queue_ready(&self) {
        self.with_filter(|filter, envoy| filter.on_queue_ready(envoy));
    }

    pub(crate) fn stream_message(&self, token: u32, len: usize) {
        self.with_filter(|filter, envoy| filter.on_stream_message(envoy, token, len));
    }

    pub(crate) fn stream_close(&self, token: u32, status: u32) {
        let closed = self.with_filter(|filter, envoy| filter.on_stream_close(envoy, token, status));
        if !closed {
            self.missed_close.set(Some((token, status)));
        }
    }

    /// Runs `act` on the filter, and says whether it could: not inside of another callback, which Envoy never brings about.
    fn with_filter(&self, act: impl FnOnce(&mut Filter, &Envoy)) -> bool {
        match self.filter.try_borrow_mut() {
            Ok(mut filter) => {
                act(&mut filter, &Envoy);
                true
            }
            Err(_) => false,
        }
    }
}
