//! Rulesets of any number of rules over one stock of strings, patterns, prefixes and numbers, so that whatever indexes
//! them gets crowded: many rules share an attribute, many literals share their pieces, prefixes nest, and a few atoms
//! stand in a large share of the rules.

mod literals;
mod prefixes;
mod requests;
mod rules;
mod stock;

use riskgate_compiler::ir::Ruleset;

use self::stock::Stock;
use super::dice::Dice;
use super::request::RequestCase;

/// A ruleset, and what it was made of.
pub(crate) struct Dense {
    pub(crate) ruleset: Ruleset,
    stock: Stock,
}

impl Dense {
    /// A ruleset of this many rules.
    pub(crate) fn new(rules: usize, dice: &mut Dice) -> Self {
        let stock = Stock::new(rules, dice);
        Self {
            ruleset: rules::ruleset(rules, &stock, dice),
            stock,
        }
    }

    /// A request that matches a few of the rules, or misses one by a byte, or has nothing to do with them.
    pub(crate) fn request(&self, dice: &mut Dice) -> RequestCase {
        requests::request(&self.ruleset, &self.stock, dice)
    }
}
