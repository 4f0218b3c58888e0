//! What the rule language says, case by case, for the oracle and the engine alike.

mod attributes;
mod conditions;
mod decisions;
mod numbers;
mod transforms;
