//! Whether a condition can be true at all, and whether it can be false.
//!
//! A condition is true of no request if every way to make it true assumes something of one attribute that no value has: two
//! texts at once, a number below 3 and above 5, a capital letter behind `.lowerAscii()`. The search tries the ways in turn and
//! gives up after a bounded number of steps. It never errs in what it claims: what it cannot rule out counts as possible.

mod intervals;
mod numbers;
mod shape;
mod text;
mod theory;

use crate::ir::{Atom, Condition, ListValues};
use theory::Theory;

/// How many tests are laid beside others before a search is given up.
const MAX_STEPS: usize = 20_000;
/// How many alternatives are open at once before a search is given up.
const MAX_DEPTH: usize = 200;

/// What is known of the truth of a condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Truth<'c> {
    /// It is true of some requests and false of others, as far as can be told.
    Open,
    /// It is true of no request; and why, if there is one reason.
    Never(Option<Conflict<'c>>),
    /// It is true of every request.
    Always,
}

/// Tests that cannot come out as the condition wants them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conflict<'c> {
    /// The test at which the search ended.
    pub atom: &'c Atom,
    /// A test before it that rules it out; nothing if it takes more than one, or none.
    pub against: Option<&'c Atom>,
}

/// What surrounds conditions.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The values of a list, and whether it is approximate; nothing if the list has errors.
    pub list: &'a dyn Fn(usize) -> Option<(&'a ListValues, bool)>,
    /// No request is earlier, in microseconds since the Unix epoch.
    pub earliest_us: Option<i64>,
}

/// What is known of the truth of `condition`.
pub fn truth<'c>(condition: &'c Condition, setting: Setting<'c>) -> Truth<'c> {
    let mut search = Search::new(setting);
    if search.can_be(condition, true) == Ok(false) {
        return Truth::Never(search.only_conflict());
    }
    let mut search = Search::new(setting);
    match search.can_be(condition, false) {
        Ok(false) => Truth::Always,
        _ => Truth::Open,
    }
}

/// The search took too long.
#[derive(Debug, Clone, Copy, PartialEq)]
struct GivenUp;

struct Search<'c> {
    theory: Theory<'c>,
    steps: usize,
    conflicts: usize,
    last_conflict: Option<Conflict<'c>>,
}

/// Conditions of which one must be as wanted.
type Alternatives<'c> = (&'c [Condition], bool);

impl<'c> Search<'c> {
    fn new(setting: Setting<'c>) -> Self {
        Self {
            theory: Theory::new(setting),
            steps: 0,
            conflicts: 0,
            last_conflict: None,
        }
    }

    fn can_be(&mut self, condition: &'c Condition, wanted: bool) -> Result<bool, GivenUp> {
        self.is_possible(vec![(condition, wanted)], Vec::new(), 0)
    }

    fn only_conflict(&self) -> Option<Conflict<'c>> {
        self.last_conflict.filter(|_| self.conflicts == 1)
    }

    /// Whether all `goals`, and one of each of `open`, can be as wanted beside what is assumed already.
    fn is_possible(
        &mut self,
        mut goals: Vec<(&'c Condition, bool)>,
        mut open: Vec<Alternatives<'c>>,
        depth: usize,
    ) -> Result<bool, GivenUp> {
        while let Some((condition, wanted)) = goals.pop() {
            match condition {
                Condition::Constant(value) if *value == wanted => {}
                Condition::Constant(_) => return Ok(self.closed(None)),
                Condition::Not(inner) => goals.push((inner, !wanted)),
                Condition::All(parts) | Condition::Any(parts) => {
                    if matches!(condition, Condition::All(_)) == wanted {
                        goals.extend(parts.iter().rev().map(|part| (part, wanted)));
                    } else {
                        open.push((parts, wanted));
                    }
                }
                Condition::Atom(atom) => {
                    self.spend()?;
                    if let Err(conflict) = self.theory.assume(atom, wanted) {
                        return Ok(self.closed(Some(conflict)));
                    }
                }
            }
        }
        let Some((parts, wanted)) = open.pop() else {
            return Ok(true);
        };
        if depth == MAX_DEPTH {
            return Err(GivenUp);
        }
        for part in parts {
            let mark = self.theory.mark();
            if self.is_possible(vec![(part, wanted)], open.clone(), depth + 1)? {
                return Ok(true);
            }
            self.theory.forget(mark);
        }
        Ok(false)
    }

    fn spend(&mut self) -> Result<(), GivenUp> {
        self.steps += 1 + self.theory.mark();
        match self.steps > MAX_STEPS {
            true => Err(GivenUp),
            false => Ok(()),
        }
    }

    fn closed(&mut self, conflict: Option<Conflict<'c>>) -> bool {
        self.conflicts += 1;
        self.last_conflict = conflict;
        false
    }
}
