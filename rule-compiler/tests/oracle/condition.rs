//! Conditions and atoms.

use std::net::IpAddr;

use riskgate_compiler::ir::{Atom, Condition, ListValues, Prefix, Ruleset, Test};

use super::attribute::Value;
use super::facts::Facts;
use super::{number, pattern};

/// Whether a condition holds for a request.
pub(crate) fn holds<'a>(ruleset: &Ruleset, condition: &'a Condition, facts: &Facts<'a>) -> bool {
    match condition {
        Condition::Constant(constant) => *constant,
        Condition::Atom(atom) => atom_holds(ruleset, atom, facts),
        Condition::Not(inner) => !holds(ruleset, inner, facts),
        Condition::All(parts) => parts.iter().all(|part| holds(ruleset, part, facts)),
        Condition::Any(parts) => parts.iter().any(|part| holds(ruleset, part, facts)),
    }
}

/// Whether any value of the atom's attribute satisfies its test.
pub(crate) fn atom_holds<'a>(ruleset: &Ruleset, atom: &'a Atom, facts: &Facts<'a>) -> bool {
    facts
        .values(&atom.attribute)
        .iter()
        .any(|value| satisfies(ruleset, &atom.test, value))
}

fn satisfies(ruleset: &Ruleset, test: &Test, value: &Value) -> bool {
    match (test, value) {
        (Test::Present, _) => true,
        (Test::IsTrue, Value::Bool(value)) => *value,
        (Test::IsFalse, Value::Bool(value)) => !*value,
        (Test::OneOf(strings), Value::Bytes(value)) => strings.iter().any(|string| string == value),
        (Test::InList(list), _) => in_list(&ruleset.lists[*list].values, value),
        (Test::InPrefixes(prefixes), Value::Ip(address)) => in_prefixes(prefixes, *address),
        (Test::Compare(comparison, right), Value::Number(left)) => {
            number::compare(*left, *comparison, *right)
        }
        (Test::StartsWith(start), Value::Bytes(value)) => value.starts_with(start),
        (Test::EndsWith(end), Value::Bytes(value)) => value.ends_with(end),
        (Test::Contains(needle), Value::Bytes(value)) => contains(value, needle),
        (Test::Matches(pattern), Value::Bytes(value)) => pattern::is_match(pattern.text(), value),
        (test, value) => panic!("the type checker lets no {test:?} over {value:?} through"),
    }
}

fn in_list(list: &ListValues, value: &Value) -> bool {
    match (list, value) {
        (ListValues::Strings(strings), Value::Bytes(value)) => {
            strings.iter().any(|string| string == value)
        }
        (ListValues::Prefixes(prefixes), Value::Ip(address)) => in_prefixes(prefixes, *address),
        (list, value) => panic!("the type checker lets no {value:?} in {list:?} through"),
    }
}

fn in_prefixes(prefixes: &[Prefix], address: IpAddr) -> bool {
    prefixes.iter().any(|prefix| in_prefix(prefix, address))
}

fn in_prefix(prefix: &Prefix, address: IpAddr) -> bool {
    let same_family = prefix.address.is_ipv4() == address.is_ipv4();
    same_family && (0..prefix.length).all(|bit| bit_of(prefix.address, bit) == bit_of(address, bit))
}

/// Bit 0 is the first on the wire.
fn bit_of(address: IpAddr, bit: u8) -> bool {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets[usize::from(bit / 8)] & (0x80 >> (bit % 8)) != 0
}

fn contains(value: &[u8], needle: &[u8]) -> bool {
    (0..=value.len()).any(|start| value[start..].starts_with(needle))
}
