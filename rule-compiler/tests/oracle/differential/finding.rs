//! Asking both, and what it means that they differ.

use std::panic::{AssertUnwindSafe, catch_unwind};

use riskgate_compiler::ir::Ruleset;
use riskgate_engine::ruleset::Scratch;

use crate::oracle::OracleVerdict;
use crate::oracle::check::{Both, Counting};
use crate::oracle::generate::{RequestCase, ResponseCase};

/// What both agreed on.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Agreed {
    pub(super) pairs: u64,
    /// Pairs in which at least one rule matched.
    pub(super) matched: u64,
    /// Rules that matched, over all pairs.
    pub(super) matches: u64,
}

/// A ruleset, and requests with what they were answered, asked in order with one memory.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) ruleset: Ruleset,
    pub(super) requests: Vec<Step>,
    /// Whether the engine is asked before the bodies are here.
    pub(super) by_head: bool,
}

/// A request, and its response if there was one.
pub(super) type Step = (RequestCase, Option<ResponseCase>);

/// A case whose last request shows a difference.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) asked: Asked,
    pub(super) what: String,
}

/// Asks both all requests of a case.
pub(super) fn compare(mut asked: Asked) -> Result<Agreed, Box<Finding>> {
    let mut agreed = Agreed::default();
    match difference(&asked, &mut agreed) {
        None => Ok(agreed),
        Some(what) => {
            let failed = usize::try_from(agreed.pairs).expect("a count of requests");
            asked.requests.truncate(failed + 1);
            Err(Box::new(Finding { asked, what }))
        }
    }
}

/// The first difference; a panic of either is one, and so is a ruleset that does not build.
pub(super) fn difference(asked: &Asked, agreed: &mut Agreed) -> Option<String> {
    let asked = catch_unwind(AssertUnwindSafe(|| ask_all(asked, agreed)));
    asked.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Some(format!("panicked: {}", text.unwrap_or("with no text")))
    })
}

fn ask_all(asked: &Asked, agreed: &mut Agreed) -> Option<String> {
    let both = match Both::built(&asked.ruleset) {
        Ok(both) => both,
        Err(error) => return Some(format!("the ruleset does not build: {error}")),
    };
    let mut scratch = Scratch::default();
    let mut counting = Counting::default();
    counting.by_head = asked.by_head;
    let is_counted = asked.by_head || !asked.ruleset.counters.is_empty();
    for step in &asked.requests {
        let (oracle, engine) = match is_counted {
            true => both.counted(step, &mut counting),
            false => both.verdicts(&step.0, &mut scratch),
        };
        if oracle != engine {
            return Some(told_apart(&oracle, &engine));
        }
        agreed.pairs += 1;
        let matches = oracle.matched.len() + oracle.shadowed.len();
        agreed.matched += u64::from(matches > 0);
        agreed.matches += u64::try_from(matches).expect("a count of rules");
    }
    None
}

/// Both verdicts, or where only the matches differ and are many, those of one alone.
fn told_apart(oracle: &OracleVerdict, engine: &OracleVerdict) -> String {
    let only = |left: &OracleVerdict, right: &OracleVerdict| -> Vec<String> {
        let of =
            |verdict: &OracleVerdict| [verdict.matched.clone(), verdict.shadowed.clone()].concat();
        let right = of(right);
        of(left)
            .into_iter()
            .filter(|id| !right.contains(id))
            .take(20)
            .collect()
    };
    let (missed, added) = (only(oracle, engine), only(engine, oracle));
    if missed.is_empty() && added.is_empty() {
        return format!("oracle: {oracle:#?}\nengine: {engine:#?}");
    }
    format!("matched by the oracle only: {missed:?}; by the engine only: {added:?}")
}
