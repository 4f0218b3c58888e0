//! Decides requests one after the other, as one proxy would: they share their counters, and time never runs backwards.

mod exact;

use riskgate_engine::counters::{CounterStore, Pending};
use riskgate_engine::request::Request;
use riskgate_engine::ruleset::{Ruleset, Scratch};
use riskgate_engine::trace::Trace;
use riskgate_engine::verdict::Verdict;

use crate::request_json::OwnedRequest;
use crate::verdict_json::VerdictJson;

pub use exact::ExactStore;

/// A sequence of requests to one ruleset.
#[derive(Debug)]
pub struct Session<'a> {
    ruleset: &'a Ruleset,
    /// The time of requests that give none.
    default_us: i64,
    clock_us: i64,
    store: ExactStore,
    pending: Pending,
    scratch: Scratch,
}

impl<'a> Session<'a> {
    /// Nothing was counted yet. Requests that give no time come at `default_us`, microseconds since the Unix epoch.
    #[must_use]
    pub fn new(ruleset: &'a Ruleset, default_us: i64) -> Session<'a> {
        Session {
            ruleset,
            default_us,
            clock_us: i64::MIN,
            store: ExactStore::default(),
            pending: Pending::default(),
            scratch: Scratch::default(),
        }
    }

    /// The verdict on the next request, which is counted; so is its response, if it has one.
    pub fn decide(&mut self, request: &OwnedRequest) -> VerdictJson {
        self.decide_with(request, |verdict, _| VerdictJson::from(verdict))
    }

    /// As [`Session::decide`], for who needs other things of the verdict and of the request as it was decided.
    pub fn decide_with<R>(
        &mut self,
        request: &OwnedRequest,
        read: impl FnOnce(&Verdict<'_>, &Request<'_>) -> R,
    ) -> R {
        let time_us = request.time_us().unwrap_or(self.default_us);
        self.decide_at(request, time_us, read)
    }

    /// As [`Session::decide_with`], at this time whatever the request says; not before the last one, though.
    pub fn decide_at<R>(
        &mut self,
        request: &OwnedRequest,
        time_us: i64,
        read: impl FnOnce(&Verdict<'_>, &Request<'_>) -> R,
    ) -> R {
        let (result, ()) = self.ask_at(request, time_us, read, |_, _, _, _| ());
        result
    }

    /// As [`Session::decide_at`], and what the request made of every atom and attribute.
    pub fn trace_at<R>(
        &mut self,
        request: &OwnedRequest,
        time_us: i64,
        read: impl FnOnce(&Verdict<'_>, &Request<'_>) -> R,
    ) -> (R, Trace) {
        self.ask_at(request, time_us, read, Ruleset::trace)
    }

    /// As [`Session::decide_at`], and whether each atom was true.
    pub fn atoms_at<R>(
        &mut self,
        request: &OwnedRequest,
        time_us: i64,
        read: impl FnOnce(&Verdict<'_>, &Request<'_>) -> R,
    ) -> (R, Vec<bool>) {
        self.ask_at(request, time_us, read, Ruleset::trace_atoms)
    }

    fn ask_at<R, A>(
        &mut self,
        request: &OwnedRequest,
        time_us: i64,
        read: impl FnOnce(&Verdict<'_>, &Request<'_>) -> R,
        ask: impl FnOnce(&Ruleset, &Request<'_>, &mut dyn CounterStore, &mut Scratch) -> A,
    ) -> (R, A) {
        self.clock_us = self.clock_us.max(time_us);
        let Session {
            ruleset,
            store,
            pending,
            scratch,
            ..
        } = self;
        let result = request.with(self.clock_us, |request| {
            let result = {
                let verdict = ruleset.decide_counted(request, store, pending, scratch);
                read(&verdict, request)
            };
            (result, ask(ruleset, request, store, scratch))
        });
        request.with_response(|response| {
            ruleset.count_response(pending, response, self.clock_us, store, scratch);
        });
        result
    }

    /// The time of the last request, microseconds since the Unix epoch; that of requests that give none before the first.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        if self.clock_us == i64::MIN {
            return self.default_us;
        }
        self.clock_us
    }
}
