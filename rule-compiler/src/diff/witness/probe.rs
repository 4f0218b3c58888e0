//! Asks both bundles about a request: which tests come out how, and what is decided.

use riskgate_engine::atoms::AtomId;
use riskgate_engine::counters::Pending;
use riskgate_engine::ruleset::{Ruleset, Scratch};
use riskgate_engine::verdict::LocalReply;

use super::Want;
use crate::diff::resolve::Side;
use crate::request_json::OwnedRequest;
use crate::session::ExactStore;
use crate::verdict_json::VerdictJson;

/// What a bundle makes of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decided {
    pub(super) verdict: VerdictJson,
    pub(super) reply: Option<LocalReply>,
}

impl Decided {
    /// Whether the client gets the same answer.
    pub(super) fn answers_as(&self, other: &Decided) -> bool {
        self.verdict.action == other.verdict.action && self.reply == other.reply
    }
}

/// Both bundles, ready to be asked.
pub(super) struct Probe<'a> {
    pub(super) old: &'a Side<'a>,
    pub(super) new: &'a Side<'a>,
    scratch: Scratch,
    default_us: i64,
    /// Whether some rule looks at the time; then requests say theirs.
    pub(super) is_timed: bool,
    /// So many questions may still be asked.
    pub(super) budget: usize,
}

impl<'a> Probe<'a> {
    pub(super) fn new(old: &'a Side<'a>, new: &'a Side<'a>, default_us: i64) -> Probe<'a> {
        Probe {
            old,
            new,
            scratch: Scratch::default(),
            default_us,
            is_timed: [old, new].iter().any(|side| side.is_timed()),
            budget: 0,
        }
    }

    /// Whether every test comes out as it is wanted.
    pub(super) fn meets(&mut self, request: &OwnedRequest, wants: &[&Want]) -> bool {
        self.budget = self.budget.saturating_sub(1);
        let (mut of_old, mut of_new) = (Vec::new(), Vec::new());
        for want in wants {
            if let Some(id) = self.new.ids.get(&want.atom) {
                of_new.push((*id, want.holds));
            } else if let Some(id) = self.old.ids.get(&want.atom) {
                of_old.push((*id, want.holds));
            }
        }
        self.holds(self.new.ruleset, request, &of_new)
            && self.holds(self.old.ruleset, request, &of_old)
    }

    fn holds(
        &mut self,
        ruleset: &Ruleset,
        request: &OwnedRequest,
        wants: &[(AtomId, bool)],
    ) -> bool {
        if wants.is_empty() {
            return true;
        }
        let atoms: Vec<AtomId> = wants.iter().map(|(atom, _)| *atom).collect();
        let scratch = &mut self.scratch;
        let time_us = request.time_us().unwrap_or(self.default_us);
        let truths = request.with(time_us, |request| {
            let _ = ruleset.decide(request, scratch);
            ruleset.truths(request, &mut ExactStore::default(), scratch, &atoms)
        });
        truths
            .iter()
            .zip(wants)
            .all(|(truth, (_, holds))| truth == holds)
    }

    /// What the old and the new bundle make of the last of `repeat` equal requests.
    pub(super) fn decide(&mut self, request: &OwnedRequest, repeat: u32) -> (Decided, Decided) {
        self.budget = self.budget.saturating_sub(1);
        let old = self.decide_by(self.old.ruleset, request, repeat);
        let new = self.decide_by(self.new.ruleset, request, repeat);
        (old, new)
    }

    fn decide_by(&mut self, ruleset: &Ruleset, request: &OwnedRequest, repeat: u32) -> Decided {
        let (mut store, mut pending) = (ExactStore::default(), Pending::default());
        let scratch = &mut self.scratch;
        let time_us = request.time_us().unwrap_or(self.default_us);
        request.with(time_us, |request| {
            for _ in 1..repeat {
                let _ = ruleset.decide_counted(request, &mut store, &mut pending, scratch);
            }
            let verdict = ruleset.decide_counted(request, &mut store, &mut pending, scratch);
            Decided {
                verdict: VerdictJson::from(&verdict),
                reply: verdict.reply(request),
            }
        })
    }
}
