//! Turns a pattern into the automaton that the engine walks.
//!
//! `regex-automata` determinizes; what is kept is only what a search for *whether* there is a match needs: every
//! match state becomes one accepting state, and the tables are written in the bundle's own layout, so that the engine
//! carries no regex code.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::{Hir, HirKind, Literal, Repetition};
use riskgate_engine::dfa::{ACCEPT, DEAD, DfaWriter, MAX_LEN};
use thiserror::Error;

pub use required::{Place, Required};

mod minimize;
#[cfg(test)]
mod random;
mod required;

/// The tree's own automaton, in bytes.
const NFA_LEN_MAX: usize = 64 << 20;

/// Its table, and the sets of states behind it, while determinizing, in bytes each. Automata that end up below 1 MB seldom
/// take more, and a pattern whose states double with every letter is given up within a second.
const BUILD_LEN_MAX: usize = 16 << 20;

/// The automaton of a pattern would take more than 1 MB, or far too long to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the pattern's automaton takes more than 1 MB, or too much work to make; shorten its counted repetitions, write `.*` \
     for `.{{0,N}}`, or split it"
)]
pub struct TooLarge;

/// A pattern with the automaton that tells whether it is found in a value. Copies share the automaton: it takes far longer to
/// make than anything else of a condition.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    automaton: Arc<[u8]>,
    required: Option<Arc<Required>>,
}

impl Pattern {
    /// The pattern `text`, whose meaning is `hir`; see [`to_hir`](crate::front::pattern::to_hir).
    ///
    /// # Errors
    ///
    /// [`TooLarge`] when its automaton takes more than 1 MB, or too much work to make.
    pub fn compile(text: &str, hir: &Hir) -> Result<Pattern, TooLarge> {
        Ok(Pattern {
            text: text.into(),
            automaton: compile(hir)?.into(),
            required: Required::of(hir).map(Arc::new),
        })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// As the bundle holds it.
    #[must_use]
    pub fn automaton(&self) -> &[u8] {
        &self.automaton
    }

    /// Literals of which one stands in every value in which the pattern is found, if there are any worth looking for.
    #[must_use]
    pub fn required(&self) -> Option<&Required> {
        self.required.as_deref()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

fn compile(pattern: &Hir) -> Result<Vec<u8>, TooLarge> {
    let bytes = minimize::minimize(compile_table(pattern)?).write();
    if bytes.len() > MAX_LEN {
        Err(TooLarge)
    } else {
        Ok(bytes)
    }
}

fn compile_table(pattern: &Hir) -> Result<DfaWriter, TooLarge> {
    let nfa = thompson::Compiler::new()
        .configure(
            thompson::Config::new()
                .utf8(false)
                .which_captures(thompson::WhichCaptures::None)
                .nfa_size_limit(Some(NFA_LEN_MAX)),
        )
        .build_from_hir(&lazy(pattern.clone()))
        .map_err(|_| TooLarge)?;
    let config = dense::Config::new()
        .start_kind(StartKind::Unanchored)
        .match_kind(MatchKind::LeftmostFirst)
        .dfa_size_limit(Some(BUILD_LEN_MAX))
        .determinize_size_limit(Some(BUILD_LEN_MAX));
    let dfa = dense::Builder::new()
        .configure(config)
        .build_from_nfa(&nfa)
        .map_err(|_| TooLarge)?;
    Export::new(&dfa).run()
}

/// The pattern with every repetition lazy. Whether there is a match stays the same, but the first one is then preferred to
/// all longer ones, so that nothing behind it is explored: `a.{0,20}` costs what `a` does.
fn lazy(pattern: Hir) -> Hir {
    match pattern.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(Literal(bytes)) => Hir::literal(bytes),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(look),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            greedy: false,
            sub: Box::new(lazy(*repetition.sub)),
            ..repetition
        }),
        HirKind::Capture(capture) => lazy(*capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(lazy).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.into_iter().map(lazy).collect()),
    }
}

type Dfa = dense::DFA<Vec<u32>>;

/// A walk over all states that can be reached from the start of a value.
struct Export<'a> {
    dfa: &'a Dfa,
    classes: [u8; 256],
    representatives: Vec<u8>,
    ids: HashMap<StateID, u32>,
    found: Vec<StateID>,
}

impl<'a> Export<'a> {
    fn new(dfa: &'a Dfa) -> Export<'a> {
        let mut classes = [0; 256];
        let mut representatives = Vec::new();
        for (byte, class) in (0..=u8::MAX).zip(&mut classes) {
            *class = dfa.byte_classes().get(byte);
            if usize::from(*class) == representatives.len() {
                representatives.push(byte);
            }
        }
        Export {
            dfa,
            classes,
            representatives,
            ids: HashMap::new(),
            found: Vec::new(),
        }
    }

    fn run(mut self) -> Result<DfaWriter, TooLarge> {
        let unanchored = start::Config::new().anchored(Anchored::No);
        let start = self.dfa.start_state(&unanchored).map_err(|_| TooLarge)?;
        let start = self.id(start);
        let classes = self.representatives.clone();
        let mut accepts_at_end = vec![false, true];
        let mut transitions = vec![DEAD; classes.len()];
        transitions.resize(2 * classes.len(), ACCEPT);
        let mut next = 0;
        while let Some(&state) = self.found.get(next) {
            next += 1;
            accepts_at_end.push(self.dfa.is_match_state(self.dfa.next_eoi_state(state)));
            for &byte in &classes {
                let id = self.id(self.dfa.next_state(state, byte));
                transitions.push(id);
            }
            if transitions.len() > MAX_LEN {
                return Err(TooLarge);
            }
        }
        let class_count = u16::try_from(classes.len()).map_err(|_| TooLarge)?;
        Ok(DfaWriter {
            classes: self.classes,
            class_count,
            start,
            accepts_at_end,
            transitions,
        })
    }

    /// The number of a state in the bundle, given when it is first met.
    fn id(&mut self, state: StateID) -> u32 {
        if self.dfa.is_match_state(state) {
            return ACCEPT;
        }
        if self.dfa.is_dead_state(state) || self.dfa.is_quit_state(state) {
            return DEAD;
        }
        let next = u32::try_from(self.found.len() + 2).unwrap_or(u32::MAX);
        *self.ids.entry(state).or_insert_with(|| {
            self.found.push(state);
            next
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Pattern, TooLarge};
    use crate::front::pattern::to_hir;

    fn compile(text: &str) -> Result<usize, TooLarge> {
        let hir = to_hir(text).expect(text);
        Pattern::compile(text, &hir).map(|pattern| pattern.automaton().len())
    }

    #[test]
    fn nothing_is_explored_behind_the_first_match() {
        for (long, short) in [("select.{0,100}", "select"), ("a.{0,20}", "a")] {
            assert_eq!(compile(long), compile(short), "{long}");
        }
    }

    #[test]
    fn what_fits_compiles_and_what_explodes_is_refused() {
        let fit = [
            "[ab]*a[ab]{14}x",
            "^(?:/[a-z]{9}){6500}$",
            "^.{200000}$",
            "(?:a.{8}b|c.{5}d|e.{4}f)",
        ];
        for text in fit {
            let length = compile(text).expect(text);
            assert!((200_000..1 << 20).contains(&length), "{text}: {length}");
        }
        let explode = [
            "[ab]*a[ab]{20}x",
            "(?:.{0,100}a){5}$",
            "^(?:/[a-z]{9}){9000}$",
        ];
        for text in explode {
            assert_eq!(compile(text), Err(TooLarge), "{text}");
        }
    }
}
