//! Atoms in the words of the language.

use std::collections::{BTreeMap, HashMap};

use riskgate_engine::atoms::{Atom, AtomId, Test, View};
use riskgate_engine::attributes::{Attribute, Base, NO_KEY};
use riskgate_engine::number::Number;
use riskgate_engine::ruleset::Ruleset as LoadedRuleset;
use riskgate_engine::trace::{Trace, TracedValue};

use crate::front::time;
use crate::ir;
use crate::words::{base_name, digits, sign, transform};

/// Of an inline list so many values are shown.
const SHOWN_VALUES: usize = 4;
/// Of a value so many characters are shown.
const SHOWN_CHARS: usize = 60;
/// Of the values of an attribute so many are shown.
const SHOWN_TRACED: usize = 8;

/// What atoms say, for a loaded ruleset.
#[derive(Debug)]
pub struct Texts<'r> {
    ruleset: &'r LoadedRuleset,
    /// Names, in the order of the list sections; empty if the bundle came without its provenance.
    lists: Vec<String>,
    exact: BTreeMap<AtomId, Vec<&'r [u8]>>,
    /// What only the source tells.
    written: HashMap<AtomId, String>,
}

impl<'r> Texts<'r> {
    /// For a bundle alone.
    #[must_use]
    pub fn new(ruleset: &'r LoadedRuleset, lists: Vec<String>) -> Texts<'r> {
        let mut exact: BTreeMap<AtomId, Vec<&[u8]>> = BTreeMap::new();
        for (atom, value) in ruleset.exact_values() {
            exact.entry(atom).or_default().push(value);
        }
        exact.values_mut().for_each(|values| values.sort_unstable());
        Texts {
            ruleset,
            lists,
            exact,
            written: HashMap::new(),
        }
    }

    /// For a ruleset whose source is at hand; `atoms` are the indices of its atoms, as they were lowered.
    #[must_use]
    pub fn with_source(
        ruleset: &'r LoadedRuleset,
        source: &ir::Ruleset,
        atoms: &[Vec<AtomId>],
    ) -> Texts<'r> {
        let lists = source.lists.iter().map(|list| list.name.clone()).collect();
        let mut texts = Texts::new(ruleset, lists);
        for (rule, ids) in source.rules.iter().zip(atoms) {
            for (atom, id) in rule.when.atoms().zip(ids) {
                if let Some(test) = written(&atom.test, &source.lists) {
                    texts.written.insert(*id, test);
                }
            }
        }
        texts
    }

    /// An atom as an author would write it.
    #[must_use]
    pub fn atom(&self, id: AtomId) -> String {
        let Some(atom) = self.ruleset.atom(id) else {
            return format!("atom {id}");
        };
        if let Test::Counter(comparison, number) = atom.test {
            let name = self.counter(atom.attribute);
            return format!("counters.{name} {} {}", sign(comparison), digits(number));
        }
        let subject = self.subject(&atom);
        let test = self.written.get(&id).cloned();
        let test = test.unwrap_or_else(|| self.test(id, &atom));
        match atom.test {
            Test::Present => format!("has({subject})"),
            Test::IsTrue => subject,
            _ => format!("{subject}{test}"),
        }
    }

    /// The values that an atom was asked about.
    #[must_use]
    pub fn values(&self, id: AtomId, trace: &Trace) -> Vec<String> {
        let Some(atom) = self.ruleset.atom(id) else {
            return Vec::new();
        };
        let index = usize::try_from(atom.attribute).unwrap_or(usize::MAX);
        if let Test::Counter(..) = atom.test {
            let count = trace.counters.get(index);
            return count.map(ToString::to_string).into_iter().collect();
        }
        let values = trace.attributes.get(index).map(Vec::as_slice);
        let values = values.unwrap_or_default();
        let mut shown: Vec<String> = values.iter().take(SHOWN_TRACED).map(traced).collect();
        if let Some(more) = values
            .len()
            .checked_sub(SHOWN_TRACED)
            .filter(|more| *more > 0)
        {
            shown.push(format!("and {more} more"));
        }
        shown
    }

    fn counter(&self, index: u32) -> &str {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.ruleset.counter_names().nth(index).unwrap_or("?")
    }

    /// What is tested.
    fn subject(&self, atom: &Atom) -> String {
        let attribute = self.ruleset.attribute(atom.attribute);
        let attribute = attribute.map_or_else(String::new, |found| self.attribute(found));
        match atom.view {
            View::Value | View::Address => attribute,
            View::Int => format!("int({attribute})"),
            View::Double => format!("double({attribute})"),
            View::Length => format!("{attribute}.length()"),
            View::Size => format!("size({attribute})"),
        }
    }

    fn attribute(&self, attribute: Attribute) -> String {
        let mut text = attribute_name(self.ruleset, attribute);
        for code in self.ruleset.string(attribute.transforms) {
            text += transform(*code);
        }
        text
    }

    fn test(&self, id: AtomId, atom: &Atom) -> String {
        let string = |index| quoted(self.ruleset.string(index));
        match atom.test {
            Test::Present | Test::IsTrue | Test::Counter(..) => String::new(),
            Test::IsFalse => " == false".to_owned(),
            Test::OneOf => one_of(self.exact.get(&id).map(Vec::as_slice).unwrap_or_default()),
            Test::InList(index) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                let name = self.lists.get(index).map_or("?", String::as_str);
                format!(" in lists.{name}")
            }
            Test::InPrefixes(_) => " in [..]".to_owned(),
            Test::Compare(comparison, Number::Int(time_us)) if self.is_time(atom) => {
                format!(
                    " {} timestamp(\"{}\")",
                    sign(comparison),
                    time::format(time_us)
                )
            }
            Test::Compare(comparison, number) => {
                format!(" {} {}", sign(comparison), digits(number))
            }
            Test::StartsWith(index) => format!(".startsWith({})", string(index)),
            Test::EndsWith(index) => format!(".endsWith({})", string(index)),
            Test::Contains(index) => format!(".contains({})", string(index)),
            Test::Matches(_) => ".matches(..)".to_owned(),
        }
    }

    fn is_time(&self, atom: &Atom) -> bool {
        let attribute = self.ruleset.attribute(atom.attribute);
        attribute.is_some_and(|attribute| attribute.base == Base::Time)
    }
}

/// What a bundle does not hold as it was written.
fn written(test: &ir::Test, lists: &[ir::List]) -> Option<String> {
    match test {
        ir::Test::Matches(pattern) => Some(format!(".matches({})", raw(pattern.text()))),
        ir::Test::InList(index) => Some(format!(" in lists.{}", lists.get(*index)?.name)),
        ir::Test::InPrefixes(prefixes) => {
            let text = |prefix: &ir::Prefix| format!("{}/{}", prefix.address, prefix.length);
            let prefixes: Vec<String> = prefixes.iter().map(text).collect();
            Some(one_of(
                &prefixes.iter().map(String::as_bytes).collect::<Vec<_>>(),
            ))
        }
        _ => None,
    }
}

fn one_of(values: &[&[u8]]) -> String {
    if let [value] = values {
        return format!(" == {}", quoted(value));
    }
    let mut shown: Vec<String> = values
        .iter()
        .take(SHOWN_VALUES)
        .map(|value| quoted(value))
        .collect();
    if let Some(more) = values
        .len()
        .checked_sub(SHOWN_VALUES)
        .filter(|more| *more > 0)
    {
        shown.push(format!("and {more} more"));
    }
    format!(" in [{}]", shown.join(", "))
}

fn traced(value: &TracedValue) -> String {
    match value {
        TracedValue::Bytes(bytes) => quoted(bytes),
        TracedValue::Address(address) => address.to_canonical().to_string(),
        TracedValue::Time(time_us) => time::format(*time_us),
        TracedValue::Bool(value) => value.to_string(),
    }
}

/// A pattern as a raw string where it is one.
fn raw(pattern: &str) -> String {
    let is_plain = pattern
        .chars()
        .all(|character| (' '..='~').contains(&character));
    if is_plain && !pattern.contains('"') && pattern.len() <= 4 * SHOWN_CHARS {
        let prefix = if pattern.contains('\\') { "r" } else { "" };
        return format!("{prefix}\"{pattern}\"");
    }
    quoted(pattern.as_bytes())
}

/// Bytes in quotes, on one line and not too long; what is no printable text as escapes, so that no value can write to a
/// terminal what it likes.
fn quoted(bytes: &[u8]) -> String {
    let mut shown = String::from("\"");
    let mut count = 0;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            count += 1;
            if count <= SHOWN_CHARS {
                match character {
                    '\'' => shown.push(character),
                    _ => shown.extend(character.escape_debug()),
                }
            }
        }
        for byte in chunk.invalid() {
            count += 1;
            if count <= SHOWN_CHARS {
                shown += &format!("\\x{byte:02x}");
            }
        }
    }
    shown.push('"');
    if count > SHOWN_CHARS {
        shown += &format!(".. ({} bytes)", bytes.len());
    }
    shown
}

/// As authors write it, before any transform.
pub(crate) fn attribute_name(ruleset: &LoadedRuleset, attribute: Attribute) -> String {
    match (attribute.base, ruleset.string(attribute.key)) {
        (Base::Header, b"user-agent") => "request.useragent".to_owned(),
        (Base::Header, b"referer") => "request.referer".to_owned(),
        (Base::Custom, name) => String::from_utf8_lossy(name).into_owned(),
        (base, _) if attribute.key == NO_KEY => base_name(base).to_owned(),
        (base, key) => format!("{}[{}]", base_name(base), quoted(key)),
    }
}
