//! Conditions and outcomes in the words of the language, as far as a bundle still has them.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::rc::Rc;

use riskgate_engine::actions::ActionKind;
use riskgate_engine::atoms::View;
use riskgate_engine::attributes::Base;
use riskgate_engine::contents::AddressRange;
use riskgate_engine::number::Number;

use crate::words::{base_name, digits, sign, transform};

use super::resolve::{Action, Atom, ExactNumber, Formula, Names, Rule, Staged, Subject, Test};

/// Of the values of a test so many are shown.
const VALUES_SHOWN: usize = 4;

/// A condition, on one line.
pub(super) fn formula(formula: &Formula, names: &Names) -> String {
    match formula {
        Formula::Constant(value) => value.to_string(),
        Formula::Literal(found, true) => atom(found, names),
        Formula::Literal(found, false) => format!("!({})", atom(found, names)),
        Formula::All(parts) => joined(parts, " && ", names),
        Formula::Any(parts) => joined(parts, " || ", names),
    }
}

/// What is not the same in conditions that read the same.
pub(super) fn unshown(old: &Formula, new: &Formula) -> String {
    let (old, new) = (tests(old), tests(new));
    let mut counters = BTreeSet::new();
    let mut has_others = false;
    for atom in old.symmetric_difference(&new) {
        match &atom.test {
            Test::Counter(counter, ..) => {
                counters.insert(format!("what counter {} counts", counter.name));
            }
            _ => has_others = true,
        }
    }
    let mut parts: Vec<String> = counters.into_iter().collect();
    if has_others || parts.is_empty() {
        parts.push("a list, or a test that is too long to be shown".to_owned());
    }
    format!("not the same: {}", parts.join("; "))
}

fn tests(formula: &Formula) -> HashSet<&Rc<Atom>> {
    match formula {
        Formula::Constant(_) => HashSet::new(),
        Formula::Literal(atom, _) => HashSet::from([atom]),
        Formula::All(parts) | Formula::Any(parts) => parts.iter().flat_map(tests).collect(),
    }
}

fn joined(parts: &[Formula], with: &str, names: &Names) -> String {
    let parts = parts.iter().map(|part| match part {
        Formula::All(_) | Formula::Any(_) => format!("({})", formula(part, names)),
        _ => formula(part, names),
    });
    parts.collect::<Vec<_>>().join(with)
}

fn atom(atom: &Atom, names: &Names) -> String {
    let subject = subject(&atom.subject);
    let viewed = match atom.view {
        View::Value | View::Address => subject,
        View::Int => format!("int({subject})"),
        View::Double => format!("double({subject})"),
        View::Length => format!("{subject}.length()"),
        View::Size => format!("size({subject})"),
    };
    match &atom.test {
        Test::Present => format!("has({viewed})"),
        Test::IsTrue => viewed,
        Test::IsFalse => format!("{viewed} == false"),
        Test::OneOf(_) | Test::Networks(_) | Test::Approximate(_) => {
            format!("{viewed}{}", membership(&atom.test, names))
        }
        Test::Compare(comparison, number) if atom.subject.base == Base::Time => {
            format!("{viewed} {} {}", sign(*comparison), timestamp(*number))
        }
        Test::Compare(comparison, number) => {
            format!(
                "{viewed} {} {}",
                sign(*comparison),
                digits((*number).into())
            )
        }
        Test::StartsWith(text) => format!("{viewed}.startsWith({})", quoted(text)),
        Test::EndsWith(text) => format!("{viewed}.endsWith({})", quoted(text)),
        Test::Contains(text) => format!("{viewed}.contains({})", quoted(text)),
        Test::Matches(automaton) => format!("{viewed}.matches({})", pattern(automaton, names)),
        Test::Counter(counter, comparison, number) => {
            format!(
                "counters.{} {} {}",
                counter.name,
                sign(*comparison),
                digits((*number).into())
            )
        }
    }
}

/// A bundle has the automaton of a pattern, and not its text.
fn pattern(automaton: &[u8], names: &Names) -> String {
    if let Some(text) = names.patterns.get(automaton) {
        return quoted(text.as_bytes());
    }
    let digest = blake3::hash(automaton).to_hex();
    format!("pattern #{}", digest.get(..8).unwrap_or_default())
}

fn membership(test: &Test, names: &Names) -> String {
    let list = names.lists.iter().find(|list| *list.test == *test);
    match (list, test) {
        (_, Test::OneOf(values)) if values.len() == 1 => {
            let value = values.first().map(|value| quoted(value));
            format!(" == {}", value.unwrap_or_default())
        }
        (Some(list), _) => format!(" in lists.{}", list.name),
        (None, Test::OneOf(values)) => some(values.iter().map(|value| quoted(value))),
        (None, Test::Networks(ranges)) => some(ranges.iter().map(|range| network(*range))),
        (None, _) => " in a list".to_owned(),
    }
}

fn some(values: impl ExactSizeIterator<Item = String>) -> String {
    let more = values.len().saturating_sub(VALUES_SHOWN);
    let mut shown: Vec<String> = values.take(VALUES_SHOWN).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    format!(" in [{}]", shown.join(", "))
}

/// A prefix where the range is one.
fn network((first, last): AddressRange) -> String {
    if first == last {
        return first.to_string();
    }
    let (start, end, bits) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => (
            u128::from(u32::from(first)),
            u128::from(u32::from(last)),
            32,
        ),
        (IpAddr::V6(first), IpAddr::V6(last)) => (first.into(), last.into(), 128),
        _ => return format!("{first}-{last}"),
    };
    let differing = start ^ end;
    let free_bits = u128::BITS - differing.leading_zeros();
    if start & differing == 0 && differing.count_ones() == free_bits {
        format!("{first}/{}", bits - free_bits)
    } else {
        format!("{first}-{last}")
    }
}

pub(super) fn subject(subject: &Subject) -> String {
    let mut text = match subject.base {
        Base::Custom => String::from_utf8_lossy(&subject.key).into_owned(),
        known => base_name(known).to_owned(),
    };
    if subject.base.has_key() && subject.base != Base::Custom {
        let _ = write!(text, "[{}]", quoted(&subject.key));
    }
    let transforms = subject.transforms.iter();
    text.extend(transforms.map(|code| transform(*code)));
    text
}

fn timestamp(number: ExactNumber) -> String {
    match number.into() {
        Number::Int(time_us) => format!("timestamp(\"{}\")", time(time_us)),
        number @ Number::Double(_) => digits(number),
    }
}

fn time(time_us: i64) -> String {
    jiff::Timestamp::from_microsecond(time_us)
        .map_or_else(|_| format!("{time_us} us"), |time| time.to_string())
}

/// Bytes in quotes: what is no printable text as escapes, so that no value writes to a terminal what it likes.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\'' => text.push(character),
                _ => text.extend(character.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text.push('"');
    text
}

/// What a match does, on one line.
pub(super) fn outcome(rule: &Rule) -> String {
    let mut parts: Vec<String> = rule.action.as_ref().map(action).into_iter().collect();
    parts.extend(rule.score.map(|score| format!("score {score}")));
    let tags = rule.tags.iter();
    parts.extend(tags.map(|(name, value)| format!("tag {name}={}", quoted(value.as_bytes()))));
    parts.join(", ")
}

/// A terminal action, on one line.
pub(super) fn action(action: &Action) -> String {
    let mut text = match action.kind {
        ActionKind::Allow => return "allow".to_owned(),
        ActionKind::Deny => format!("deny {}", action.status),
        ActionKind::Challenge => format!("challenge {}", action.status),
        ActionKind::Redirect => format!("redirect to {}", quoted(&action.template)),
    };
    for (name, value) in &action.headers {
        let _ = write!(
            text,
            " {}: {}",
            String::from_utf8_lossy(name),
            quoted(value)
        );
    }
    if !action.body.is_empty() {
        let _ = write!(text, " body {}", quoted(&action.body));
    }
    text
}

pub(super) fn stage(stage: &Staged) -> String {
    match stage {
        Staged::Enforce => "enforce".to_owned(),
        Staged::Shadow => "shadow".to_owned(),
        Staged::Canary(share, keys) => {
            let keys: Vec<String> = keys.iter().map(subject).collect();
            let percent = f64::from(*share) / 100.0;
            format!("canary {percent} % by {}", keys.join(", "))
        }
    }
}

/// When a rule is active, on one line.
pub(super) fn active((from_us, until_us): (i64, i64)) -> String {
    match (from_us, until_us) {
        (i64::MIN, i64::MAX) => "always".to_owned(),
        (from_us, i64::MAX) => format!("from {}", time(from_us)),
        (i64::MIN, until_us) => format!("until {}", time(until_us)),
        (from_us, until_us) => format!("from {} until {}", time(from_us), time(until_us)),
    }
}
