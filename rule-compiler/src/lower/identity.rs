//! What a counter counts, as a hash that stays the same for as long as its author changes nothing of it.
//!
//! It is taken of what the author wrote, by names and values: neither indices nor how this compiler orders things show
//! in it. A list is its name, so that a counter goes on when values come to a list.

use core::net::IpAddr;

use super::intern::{LoweredBase, lower_base, lower_comparison, lower_view, transform_code};
use crate::ir::{Atom, Attribute, Condition, Counter, List, Number, Prefix, Test};

/// The first half of a BLAKE3 hash.
pub(super) fn of(counter: &Counter, lists: &[List]) -> [u8; 16] {
    let mut writer = Writer {
        hasher: blake3::Hasher::new(),
        lists,
    };
    let Counter {
        name: _,
        key,
        count_when,
        distinct,
        window_ms,
        max_keys,
    } = counter;
    writer.bytes(b"riskgate counter 1");
    writer.count(key.len());
    key.iter().for_each(|part| writer.attribute(part));
    writer.count(usize::from(distinct.is_some()));
    distinct.iter().for_each(|part| writer.attribute(part));
    writer.bytes(&window_ms.to_le_bytes());
    writer.bytes(&max_keys.to_le_bytes());
    writer.condition(count_when);
    let mut identity = [0; 16];
    writer.hasher.finalize_xof().fill(&mut identity);
    identity
}

/// Every value goes with its length, so that no two definitions are the same bytes.
struct Writer<'a> {
    hasher: blake3::Hasher,
    lists: &'a [List],
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.hasher.update(bytes);
    }

    fn count(&mut self, count: usize) {
        self.hasher.update(&(count as u64).to_le_bytes());
    }

    fn attribute(&mut self, attribute: &Attribute) {
        let Attribute {
            base,
            transforms,
            view,
        } = attribute;
        // Counters do not depend on counters.
        if let LoweredBase::Attribute(base, key) = lower_base(base) {
            self.bytes(&[base as u8, lower_view(*view) as u8]);
            self.bytes(key.unwrap_or_default());
        }
        let codes: Vec<u8> = transforms.iter().copied().map(transform_code).collect();
        self.bytes(&codes);
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Constant(false) => self.bytes(b"false"),
            Condition::Constant(true) => self.bytes(b"true"),
            Condition::Atom(Atom { attribute, test }) => {
                self.bytes(b"atom");
                self.attribute(attribute);
                self.test(test);
            }
            Condition::Not(inner) => {
                self.bytes(b"not");
                self.condition(inner);
            }
            Condition::All(parts) => self.operands(b"all", parts),
            Condition::Any(parts) => self.operands(b"any", parts),
        }
    }

    fn operands(&mut self, word: &[u8], parts: &[Condition]) {
        self.bytes(word);
        self.count(parts.len());
        parts.iter().for_each(|part| self.condition(part));
    }

    fn test(&mut self, test: &Test) {
        match test {
            Test::Present => self.bytes(b"has"),
            Test::IsTrue => self.bytes(b"is true"),
            Test::IsFalse => self.bytes(b"is false"),
            Test::OneOf(values) => {
                self.bytes(b"one of");
                self.count(values.len());
                values.iter().for_each(|value| self.bytes(value));
            }
            Test::InList(list) => {
                let name = self.lists.get(*list).map_or("", |list| &list.name);
                self.bytes(b"in list");
                self.bytes(name.as_bytes());
            }
            Test::InPrefixes(prefixes) => {
                self.bytes(b"in prefixes");
                self.count(prefixes.len());
                prefixes.iter().for_each(|prefix| self.prefix(prefix));
            }
            Test::Compare(comparison, number) => {
                self.bytes(&[lower_comparison(*comparison) as u8]);
                match number {
                    Number::Int(value) => self.bytes(&value.to_le_bytes()),
                    Number::Double(value) => {
                        self.bytes(b"double");
                        self.bytes(&value.to_le_bytes());
                    }
                }
            }
            Test::StartsWith(text) => self.word(b"starts with", text),
            Test::EndsWith(text) => self.word(b"ends with", text),
            Test::Contains(text) => self.word(b"contains", text),
            Test::Matches(pattern) => self.word(b"matches", pattern.text().as_bytes()),
        }
    }

    fn word(&mut self, word: &[u8], text: &[u8]) {
        self.bytes(word);
        self.bytes(text);
    }

    fn prefix(&mut self, prefix: &Prefix) {
        match prefix.address {
            IpAddr::V4(address) => self.bytes(&address.octets()),
            IpAddr::V6(address) => self.bytes(&address.octets()),
        }
        self.bytes(&[prefix.length]);
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::ir::{Atom, Attribute, Base, Condition, Counter, Test, Transform, View};

    fn attribute(base: Base, transforms: &[Transform]) -> Attribute {
        Attribute {
            base,
            transforms: transforms.to_vec(),
            view: View::Value,
        }
    }

    fn counter() -> Counter {
        let test = Test::StartsWith(b"/buy".to_vec());
        Counter {
            name: "taps".to_owned(),
            key: vec![attribute(Base::ClientIp, &[])],
            count_when: Condition::Atom(Atom {
                attribute: attribute(Base::Path, &[Transform::LowerAscii]),
                test,
            }),
            distinct: None,
            window_ms: 10_000,
            max_keys: 100,
        }
    }

    #[test]
    fn whatever_is_counted_shows() {
        let change = |change: fn(&mut Counter)| {
            let mut changed = counter();
            change(&mut changed);
            of(&changed, &[])
        };
        let changed = [
            change(|_| {}),
            change(|counter| counter.window_ms = 20_000),
            change(|counter| counter.max_keys = 101),
            change(|counter| counter.count_when = Condition::Constant(true)),
            change(|counter| {
                counter.count_when = Condition::Not(Box::new(counter.count_when.clone()));
            }),
            change(|counter| counter.distinct = Some(attribute(Base::Host, &[]))),
            change(|counter| counter.key[0].base = Base::SourceIp),
            change(|counter| counter.key.push(attribute(Base::Host, &[]))),
            change(|counter| {
                counter
                    .key
                    .push(attribute(Base::Host, &[Transform::LowerAscii]));
            }),
        ];
        for (index, one) in changed.iter().enumerate() {
            assert!(!changed[index + 1..].contains(one), "{index}");
        }
    }

    /// Bundles in the field carry it: a compiler that gave another would make every filter forget what it has counted.
    #[test]
    fn it_stays_over_versions_and_names() {
        let mut renamed = counter();
        renamed.name = "other".to_owned();
        assert_eq!(of(&renamed, &[]), of(&counter(), &[]));
        let hex: String = of(&counter(), &[])
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, "e57ebaca9a507d9a08270d754d9c9bc3");
    }
}
