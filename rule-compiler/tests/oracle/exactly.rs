//! The condition that an attribute has just these values, as far as the language can say it.

use riskgate_compiler::ir::{Attribute, Comparison, Condition, Number, Test, View};

use super::Value;
use super::builder::{atom, not};

/// Every one of the values is there, and for strings no other number of them and no longer one.
pub(crate) fn exactly(attribute: &Attribute, values: &[Value]) -> Condition {
    if values.is_empty() {
        return not(atom(attribute.clone(), Test::Present));
    }
    let mut parts: Vec<Condition> = values
        .iter()
        .map(|value| atom(attribute.clone(), equals(value)))
        .collect();
    if let Some(longest) = values.iter().filter_map(length).max() {
        let viewed = |view| Attribute {
            view,
            ..attribute.clone()
        };
        let size = Test::Compare(Comparison::Equal, int(values.len()));
        parts.push(atom(viewed(View::Size), size));
        parts.push(not(atom(
            viewed(View::Length),
            Test::Compare(Comparison::Greater, int(longest)),
        )));
    }
    Condition::All(parts)
}

fn equals(value: &Value) -> Test {
    match value {
        Value::Bytes(bytes) => Test::OneOf(vec![bytes.clone()]),
        // No constant is infinite.
        Value::Number(Number::Double(f64::INFINITY)) => {
            Test::Compare(Comparison::Greater, Number::Double(f64::MAX))
        }
        Value::Number(Number::Double(f64::NEG_INFINITY)) => {
            Test::Compare(Comparison::Less, Number::Double(f64::MIN))
        }
        Value::Number(number) => Test::Compare(Comparison::Equal, *number),
        other => panic!("{other:?} is neither a string nor a number"),
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Bytes(bytes) => Some(bytes.len()),
        _ => None,
    }
}

fn int(count: usize) -> Number {
    Number::Int(i64::try_from(count).expect("a small count"))
}
