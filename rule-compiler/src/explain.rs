//! Why a request got its verdict: for each rule that matters, its condition with what the request made of every part.
//!
//! A condition is read from the bundle's own decision sequence, so what is shown is what the filter runs: negations stand
//! at the atoms, and what is cheap to find out stands first. Where the ruleset's source is at hand, patterns are shown as
//! they were written; a bundle has but their automata.

mod clause;
mod human;
mod json;
mod story;
mod text;

pub use clause::Clause;
pub use human::human;
pub use json::json;
pub use story::{
    Contribution, Explanation, Origin, Part, RuleStory, State, Subject, UnknownRule, explain,
};
pub use text::Texts;
pub(crate) use text::attribute_name;
