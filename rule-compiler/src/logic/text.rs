//! Tests of strings: which imply others, which exclude each other, and what they say of single values.

use std::cmp::Ordering;

use super::Setting;
use crate::ir::{Attribute, Comparison, ListValues, Number, Test, Transform, View};

/// More values of a list are not looked at one by one.
const MAX_CANDIDATES: usize = 64;

/// The only values that satisfy a test, if they are few and known.
pub(super) fn candidates<'c>(test: &'c Test, setting: Setting<'c>) -> Option<&'c [Vec<u8>]> {
    let values = match test {
        Test::OneOf(values) => values,
        Test::InList(list) => match (setting.list)(*list)? {
            (ListValues::Strings(values), false) => values,
            _ => return None,
        },
        _ => return None,
    };
    (values.len() <= MAX_CANDIDATES).then_some(values)
}

/// Whether each value that satisfies `first` satisfies `second`.
pub(super) fn implies(first: &Test, second: &Test) -> bool {
    match (first, second) {
        (_, Test::Present) => true,
        (_, Test::StartsWith(empty) | Test::EndsWith(empty) | Test::Contains(empty))
            if empty.is_empty() =>
        {
            true
        }
        (Test::StartsWith(long), Test::StartsWith(short)) => long.starts_with(short),
        (Test::EndsWith(long), Test::EndsWith(short)) => long.ends_with(short),
        (
            Test::StartsWith(long) | Test::EndsWith(long) | Test::Contains(long),
            Test::Contains(short),
        ) => contains(long, short),
        (first, second) => first == second,
    }
}

/// Whether no value satisfies both.
pub(super) fn excludes(first: &Test, second: &Test) -> bool {
    match (first, second) {
        (Test::StartsWith(a), Test::StartsWith(b)) => !a.starts_with(b) && !b.starts_with(a),
        (Test::EndsWith(a), Test::EndsWith(b)) => !a.ends_with(b) && !b.ends_with(a),
        _ => false,
    }
}

/// The least length of a value that satisfies the test.
pub(super) fn least_length(test: &Test) -> usize {
    match test {
        Test::StartsWith(literal) | Test::EndsWith(literal) | Test::Contains(literal) => {
            literal.len()
        }
        _ => 0,
    }
}

/// Whether `value`, as it is read by `of`, satisfies `test` as it is read by `by`; nothing if that is not known.
pub(super) fn satisfies(
    value: &[u8],
    of: &Attribute,
    by: &Attribute,
    test: &Test,
    setting: Setting<'_>,
) -> Option<bool> {
    let further = by.transforms.strip_prefix(of.transforms.as_slice())?;
    let value = further.iter().try_fold(value.to_vec(), apply)?;
    match (by.view, test) {
        (View::Value | View::Length | View::Size, Test::Present) => Some(true),
        (View::Length, Test::Compare(comparison, number)) => {
            Some(length_compares(value.len(), *comparison, *number))
        }
        (View::Value, Test::OneOf(values)) => Some(values.contains(&value)),
        (View::Value, Test::InList(list)) => match (setting.list)(*list)? {
            (ListValues::Strings(values), approximate) => {
                let is_listed = values.binary_search(&value).is_ok();
                (is_listed || !approximate).then_some(is_listed)
            }
            (ListValues::Prefixes(_), _) => None,
        },
        (View::Value, Test::StartsWith(literal)) => Some(value.starts_with(literal)),
        (View::Value, Test::EndsWith(literal)) => Some(value.ends_with(literal)),
        (View::Value, Test::Contains(literal)) => Some(contains(&value, literal)),
        _ => None,
    }
}

/// The transforms that are as short to say here as to call.
fn apply(mut value: Vec<u8>, transform: &Transform) -> Option<Vec<u8>> {
    match transform {
        Transform::LowerAscii => value.make_ascii_lowercase(),
        Transform::RemoveNulls => value.retain(|byte| *byte != 0),
        _ => return None,
    }
    Some(value)
}

fn length_compares(length: usize, comparison: Comparison, number: Number) -> bool {
    use riskgate_engine::number::Number as Exact;
    let length = Exact::Int(i64::try_from(length).unwrap_or(i64::MAX));
    let order = length.compare(match number {
        Number::Int(number) => Exact::Int(number),
        Number::Double(number) => Exact::Double(number),
    });
    match comparison {
        Comparison::Equal => order == Ordering::Equal,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
    }
}

fn contains(value: &[u8], literal: &[u8]) -> bool {
    literal.is_empty() || value.windows(literal.len()).any(|part| part == literal)
}
