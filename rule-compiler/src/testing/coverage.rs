//! What tests cover: of each rule whether it matched and whether it did not, of each test in its condition whether it was
//! true and whether it was false.
//!
//! Decisions look at no more than they need; for coverage every atom is evaluated for every request.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use riskgate_engine::atoms::AtomId;
use serde_json::{Value, json};

use crate::explain::Texts;
use crate::front::AtomPlace;
use crate::ir::{self, Condition};
use crate::verdict_json::VerdictJson;

/// Seen and unseen sides of something that is true or false.
#[derive(Debug, Clone, Copy, Default)]
struct Sides {
    was_true: bool,
    was_false: bool,
}

impl Sides {
    fn see(&mut self, truth: bool) {
        match truth {
            true => self.was_true = true,
            false => self.was_false = true,
        }
    }

    fn count(self) -> usize {
        usize::from(self.was_true) + usize::from(self.was_false)
    }
}

/// What tests cover.
#[derive(Debug, Clone)]
pub struct Coverage {
    rules: Vec<RuleCoverage>,
    by_id: HashMap<String, usize>,
}

#[derive(Debug, Clone)]
struct RuleCoverage {
    id: String,
    origin: ir::Origin,
    /// It cannot but match while it is active.
    is_constant: bool,
    matched: Sides,
    atoms: Vec<AtomCoverage>,
}

#[derive(Debug, Clone)]
struct AtomCoverage {
    id: AtomId,
    place: AtomPlace,
    text: String,
    sides: Sides,
}

/// A side of a rule or of an atom that no test shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Path inside the ruleset folder.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1; of a rule there is none.
    pub column: Option<u32>,
    /// The rule.
    pub rule: String,
    /// The atom in the words of the language, if it is about one.
    pub atom: Option<String>,
    /// `matched`, `not matched`, `true` or `false`.
    pub never: &'static str,
}

const NOT_MATCHED: &str = "not matched";

impl Gap {
    fn human(&self) -> String {
        match &self.atom {
            Some(atom) => format!("`{atom}` was never {}", self.never),
            None if self.never == NOT_MATCHED => {
                format!(
                    "rule `{}` was matched by every request of the tests",
                    self.rule
                )
            }
            None => format!("rule `{}` was never {}", self.rule, self.never),
        }
    }
}

impl Coverage {
    /// Nothing is covered yet. `ids` are the indices of each rule's atoms and `places` where they stand, both in the order in
    /// which they stand.
    #[must_use]
    pub fn new(
        ruleset: &ir::Ruleset,
        ids: &[Vec<AtomId>],
        places: &[Vec<AtomPlace>],
        texts: &Texts<'_>,
    ) -> Coverage {
        let rules = ruleset.rules.iter().zip(ids.iter().zip(places));
        let rules: Vec<RuleCoverage> = rules
            .map(|(rule, (ids, places))| RuleCoverage {
                id: rule.id.clone(),
                origin: rule.origin.clone(),
                is_constant: matches!(rule.when, Condition::Constant(_)),
                matched: Sides::default(),
                atoms: ids
                    .iter()
                    .zip(places)
                    .map(|(id, place)| AtomCoverage {
                        id: *id,
                        place: place.clone(),
                        text: texts.atom(*id),
                        sides: Sides::default(),
                    })
                    .collect(),
            })
            .collect();
        let names = rules.iter().map(|rule| rule.id.clone());
        Coverage {
            by_id: names.zip(0..).collect(),
            rules,
        }
    }

    /// Notes what one request showed.
    pub(super) fn note(&mut self, verdict: &VerdictJson, atoms: &[bool]) {
        let mut matched = vec![false; self.rules.len()];
        for id in verdict.matched.iter().chain(&verdict.shadowed) {
            let flag = self.by_id.get(id).and_then(|index| matched.get_mut(*index));
            if let Some(flag) = flag {
                *flag = true;
            }
        }
        for (rule, matched) in self.rules.iter_mut().zip(matched) {
            rule.matched.see(matched);
            for atom in &mut rule.atoms {
                let index = usize::try_from(atom.id).unwrap_or(usize::MAX);
                atom.sides.see(atoms.get(index).copied().unwrap_or(false));
            }
        }
    }

    /// How many sides there are, and how many of them were shown.
    #[must_use]
    pub fn sides(&self) -> (usize, usize) {
        let mut total = 0;
        let mut shown = 0;
        for rule in &self.rules {
            total += if rule.is_constant { 1 } else { 2 } + 2 * rule.atoms.len();
            shown += match rule.is_constant {
                true => usize::from(rule.matched.was_true),
                false => rule.matched.count(),
            };
            shown += rule
                .atoms
                .iter()
                .map(|atom| atom.sides.count())
                .sum::<usize>();
        }
        (total, shown)
    }

    /// The share of the sides that was shown, in percent; all of none.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let (total, shown) = self.sides();
        if total == 0 {
            return 100.0;
        }
        // Counts of a ruleset's parts are far below the integers that a double holds.
        let share = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
        100.0 * share(shown) / share(total)
    }

    /// What no test shows, in source order.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        self.rules.iter().flat_map(RuleCoverage::gaps).collect()
    }

    /// For people. Files are shown as they are found through `folder`.
    #[must_use]
    pub fn human(&self, folder: &Path) -> String {
        let mut text = String::new();
        for gap in self.gaps() {
            let place = folder.join(&gap.file);
            let column = gap
                .column
                .map_or_else(String::new, |column| format!(":{column}"));
            let what = gap.human();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}:{}{column}: {what}", place.display(), gap.line);
        }
        let (total, shown) = self.sides();
        let percent = self.percent();
        text + &format!(
            "coverage: {percent:.1} %, {shown} of {total} sides of rules and their tests\n"
        )
    }

    /// For programs.
    #[must_use]
    pub fn json(&self, folder: &Path) -> Value {
        let gaps: Vec<Value> = self
            .gaps()
            .into_iter()
            .map(|gap| {
                json!({
                    "file": folder.join(&gap.file).to_string_lossy(),
                    "line": gap.line,
                    "column": gap.column,
                    "rule": gap.rule,
                    "atom": gap.atom,
                    "never": gap.never,
                })
            })
            .collect();
        let (total, shown) = self.sides();
        json!({ "percent": self.percent(), "sides": total, "shown": shown, "gaps": gaps })
    }
}

impl RuleCoverage {
    fn gaps(&self) -> Vec<Gap> {
        let of_rule = |never| Gap {
            file: self.origin.file.clone(),
            line: self.origin.line,
            column: None,
            rule: self.id.clone(),
            atom: None,
            never,
        };
        let mut gaps = Vec::new();
        if !self.matched.was_true {
            gaps.push(of_rule("matched"));
        }
        if !self.matched.was_false && !self.is_constant {
            gaps.push(of_rule(NOT_MATCHED));
        }
        for atom in &self.atoms {
            let of_atom = |never| Gap {
                file: atom.place.file.clone(),
                line: atom.place.line,
                column: Some(atom.place.column),
                rule: self.id.clone(),
                atom: Some(atom.text.clone()),
                never,
            };
            if !atom.sides.was_true {
                gaps.push(of_atom("true"));
            }
            if !atom.sides.was_false {
                gaps.push(of_atom("false"));
            }
        }
        gaps
    }
}
