//! A bundle's rules with everything that they name written out, so that those of two bundles can be compared.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use riskgate_engine::actions::{ActionKind, TemplateKind};
use riskgate_engine::atoms::{self, AtomId, Comparison, View};
use riskgate_engine::attributes::{AttributeId, Base, NO_KEY};
use riskgate_engine::contents::{AddressRange, ListContents};
use riskgate_engine::number::Number;
use riskgate_engine::rules::Stage;
use riskgate_engine::ruleset::Ruleset;

use super::Loaded;
use crate::explain::Clause;
use crate::lower::Provenance;

/// What a test looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    pub(super) base: Base,
    /// Of a header, parameter, cookie or claim.
    pub(super) key: Vec<u8>,
    /// Codes of the format, in order.
    pub(super) transforms: Vec<u8>,
}

/// A number that can be compared for being the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ExactNumber {
    is_double: bool,
    bits: u64,
}

/// A test with all that it compares with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Test {
    Present,
    IsTrue,
    IsFalse,
    /// Sorted.
    OneOf(Vec<Vec<u8>>),
    /// A list whose values cannot be told.
    Approximate(Vec<u8>),
    /// Sorted, and none touches another.
    Networks(Vec<AddressRange>),
    Compare(Comparison, ExactNumber),
    StartsWith(Vec<u8>),
    EndsWith(Vec<u8>),
    Contains(Vec<u8>),
    /// The automaton.
    Matches(Vec<u8>),
    Counter(Rc<Counter>, Comparison, ExactNumber),
}

/// A counter, with what it counts written out: its identity has lists by their names only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Counter {
    pub(super) name: String,
    pub(super) identity: [u8; 16],
    /// When it counts a request; one that lacks a part of the key it does not count.
    pub(super) counts: Formula,
}

/// A test of one attribute, whichever bundle it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Atom {
    /// Of all that follows, since automata and lists are long.
    digest: u64,
    pub(super) subject: Subject,
    pub(super) view: View,
    pub(super) test: Test,
}

impl Atom {
    fn new(subject: Subject, view: View, test: Test) -> Atom {
        let mut hasher = DefaultHasher::new();
        (&subject, view, &test).hash(&mut hasher);
        Atom {
            digest: hasher.finish(),
            subject,
            view,
            test,
        }
    }
}

impl Hash for Atom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Formula {
    Constant(bool),
    Literal(Rc<Atom>, bool),
    All(Vec<Formula>),
    Any(Vec<Formula>),
}

/// A terminal action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) kind: ActionKind,
    pub(super) status: u16,
    pub(super) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    /// A redirect's template as it is written.
    pub(super) template: Vec<u8>,
    /// The rule whose id the template names, so that what redirects to other places is not the same.
    pub(super) named_rule: Option<String>,
}

/// Whether matches count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Staged {
    Enforce,
    Shadow,
    /// The share in hundredths of a percent, and what clients are told apart by.
    Canary(u32, Vec<Subject>),
}

/// A rule.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) when: Formula,
    pub(super) stage: Staged,
    pub(super) action: Option<Action>,
    pub(super) score: Option<i32>,
    pub(super) tags: Vec<(String, String)>,
    /// Inclusive and exclusive, microseconds since the Unix epoch; the ends of the type where it is open.
    pub(super) active: (i64, i64),
    /// Its place in the order of decision.
    pub(super) rank: u32,
    /// File and line, owner and the like; none if the bundle came without.
    pub(super) provenance: Option<crate::lower::RuleProvenance>,
}

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List {
    pub(super) name: String,
    pub(super) test: Rc<Test>,
}

/// What tests are called by their authors.
pub(super) struct Names {
    pub(super) lists: Vec<List>,
    /// The texts of automata, where the source is at hand.
    pub(super) patterns: HashMap<Vec<u8>, String>,
}

/// One of the two bundles.
pub(super) struct Side<'r> {
    pub(super) ruleset: &'r Ruleset,
    pub(super) is_bundle: bool,
    pub(super) rules: Vec<Rule>,
    pub(super) names: Names,
    pub(super) counters: Vec<Rc<Counter>>,
    /// Where the bundle has each test.
    pub(super) ids: HashMap<Rc<Atom>, AtomId>,
}

impl<'r> Side<'r> {
    pub(super) fn new(loaded: &'r Loaded, patterns: &HashMap<Vec<u8>, String>) -> Side<'r> {
        let ruleset = &loaded.ruleset;
        let provenance = loaded.provenance.as_ref();
        let names = provenance.map(|provenance| provenance.lists.as_slice());
        let names = names.unwrap_or_default();
        let lists = ruleset.lists().enumerate().map(|(index, values)| List {
            name: names
                .get(index)
                .cloned()
                .unwrap_or_else(|| format!("#{index}")),
            test: Rc::new(list_test(values)),
        });
        let lists: Vec<List> = lists.collect();
        let resolver = Resolver::new(ruleset, &lists);
        let rules = (0..ruleset.rule_count()).filter_map(|index| resolver.rule(index, provenance));
        let rules = rules.collect();
        let ids = (0..).zip(&resolver.atoms);
        let ids = ids.filter_map(|(id, atom)| Some((atom.clone()?, id)));
        let ids = ids.collect();
        Side {
            ruleset,
            is_bundle: loaded.is_bundle,
            rules,
            names: Names {
                lists,
                patterns: patterns.clone(),
            },
            counters: resolver.counters,
            ids,
        }
    }
}

impl Side<'_> {
    /// Whether some rule looks at the time.
    pub(super) fn is_timed(&self) -> bool {
        let is_windowed = |rule: &Rule| rule.active != (i64::MIN, i64::MAX);
        let reads_time = |atom: &Rc<Atom>| {
            atom.subject.base == Base::Time && !matches!(atom.test, Test::Counter(..))
        };
        self.rules.iter().any(is_windowed) || self.ids.keys().any(reads_time)
    }
}

struct Resolver<'r> {
    ruleset: &'r Ruleset,
    /// In the bundle's order.
    atoms: Vec<Option<Rc<Atom>>>,
    counters: Vec<Rc<Counter>>,
}

impl<'r> Resolver<'r> {
    fn new(ruleset: &'r Ruleset, lists: &[List]) -> Resolver<'r> {
        let mut exact: BTreeMap<AtomId, Vec<Vec<u8>>> = BTreeMap::new();
        for (atom, value) in ruleset.exact_values() {
            exact.entry(atom).or_default().push(value.to_vec());
        }
        let mut resolver = Resolver {
            ruleset,
            atoms: Vec::new(),
            counters: Vec::new(),
        };
        resolver.atoms = (0..ruleset.atom_count())
            .map(|id| {
                let own = exact.remove(&id).unwrap_or_default();
                resolver.atom(ruleset.atom(id)?, own, lists).map(Rc::new)
            })
            .collect();
        // What a counter counts depends on no counter, so all its tests are known by now.
        let counters = (0..ruleset.counters().len()).map(|index| resolver.counter(index));
        resolver.counters = counters.collect::<Option<_>>().unwrap_or_default();
        let of_counters = (0..ruleset.atom_count()).map(|id| resolver.counter_atom(id));
        let of_counters: Vec<Option<Atom>> = of_counters.collect();
        for (place, atom) in resolver.atoms.iter_mut().zip(of_counters) {
            *place = atom.map(Rc::new).or_else(|| place.take());
        }
        resolver
    }

    fn atom(&self, atom: atoms::Atom, mut exact: Vec<Vec<u8>>, lists: &[List]) -> Option<Atom> {
        let text = |id| self.ruleset.string(id).to_vec();
        let list = |index: u32| Some((*lists.get(usize::try_from(index).ok()?)?.test).clone());
        let test = match atom.test {
            atoms::Test::Present => Test::Present,
            atoms::Test::IsTrue => Test::IsTrue,
            atoms::Test::IsFalse => Test::IsFalse,
            atoms::Test::OneOf => {
                exact.sort_unstable();
                Test::OneOf(exact)
            }
            atoms::Test::InList(index) => list(index)?,
            atoms::Test::InPrefixes(index) => Test::Networks(joined(self.ruleset.networks(index))),
            atoms::Test::Compare(comparison, number) => Test::Compare(comparison, number.into()),
            atoms::Test::StartsWith(string) => Test::StartsWith(text(string)),
            atoms::Test::EndsWith(string) => Test::EndsWith(text(string)),
            atoms::Test::Contains(string) => Test::Contains(text(string)),
            atoms::Test::Matches(dfa) => Test::Matches(self.ruleset.automaton(dfa).to_vec()),
            atoms::Test::Counter(..) => return None,
        };
        Some(Atom::new(self.subject(atom.attribute)?, atom.view, test))
    }

    fn counter_atom(&self, id: AtomId) -> Option<Atom> {
        let atom = self.ruleset.atom(id)?;
        let atoms::Test::Counter(comparison, number) = atom.test else {
            return None;
        };
        let counter = self.counters.get(usize::try_from(atom.attribute).ok()?)?;
        // A counter looks at no attribute itself.
        let subject = Subject {
            base: Base::Time,
            key: Vec::new(),
            transforms: Vec::new(),
        };
        let test = Test::Counter(Rc::clone(counter), comparison, number.into());
        Some(Atom::new(subject, View::Value, test))
    }

    fn counter(&self, index: usize) -> Option<Rc<Counter>> {
        let name = self.ruleset.counter_names().nth(index)?.to_owned();
        let identity = self.ruleset.counters().get(index)?.identity;
        let (entry, key) = self.ruleset.counter_condition(index)?;
        let parts = key.iter().filter_map(|part| self.subject(*part));
        let parts = parts.map(|part| {
            Formula::Literal(Rc::new(Atom::new(part, View::Value, Test::Present)), true)
        });
        let condition = self.formula(&Clause::of(self.ruleset, entry));
        let all = std::iter::once(condition).chain(parts);
        Some(Rc::new(Counter {
            name,
            identity,
            counts: Formula::All(all.collect()),
        }))
    }

    fn subject(&self, id: AttributeId) -> Option<Subject> {
        let attribute = self.ruleset.attribute(id)?;
        let key = Some(attribute.key).filter(|key| *key != NO_KEY);
        Some(Subject {
            base: attribute.base,
            key: key.map_or_else(Vec::new, |key| self.ruleset.string(key).to_vec()),
            transforms: self.ruleset.string(attribute.transforms).to_vec(),
        })
    }

    fn rule(&self, index: u32, provenance: Option<&Provenance>) -> Option<Rule> {
        let rule = self.ruleset.rule(index)?;
        let text = |id| String::from_utf8_lossy(self.ruleset.string(id)).into_owned();
        let stage = match rule.stage {
            Stage::Enforce => Staged::Enforce,
            Stage::Shadow => Staged::Shadow,
            Stage::Canary => {
                let (share, keys) = self.ruleset.canary(index)?;
                let keys = keys.into_iter().filter_map(|key| self.subject(key));
                Staged::Canary(share, keys.collect())
            }
        };
        let tags = self.ruleset.rule_tags(&rule);
        let own = provenance.and_then(|all| all.rules.get(usize::try_from(index).ok()?));
        Some(Rule {
            id: text(rule.id),
            when: self.formula(&Clause::of(self.ruleset, rule.entry)),
            stage,
            action: self.action(rule.action, &text(rule.id)),
            score: rule.score,
            tags: tags
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
            active: (rule.from_us, rule.until_us),
            rank: rule.rank,
            provenance: own.cloned(),
        })
    }

    fn formula(&self, clause: &Clause) -> Formula {
        let all = |parts: &[Clause]| parts.iter().map(|part| self.formula(part)).collect();
        match clause {
            Clause::Constant(value) => Formula::Constant(*value),
            Clause::Literal { atom, negated } => {
                let found = usize::try_from(*atom)
                    .ok()
                    .and_then(|id| self.atoms.get(id)?.as_ref());
                found.map_or(Formula::Constant(false), |atom| {
                    Formula::Literal(atom.clone(), !negated)
                })
            }
            Clause::All(parts) => Formula::All(all(parts)),
            Clause::Any(parts) => Formula::Any(all(parts)),
        }
    }

    fn action(&self, index: u32, rule: &str) -> Option<Action> {
        let mut own = action(self.ruleset, &self.ruleset.action(index)?)?;
        if let Some(named) = &mut own.named_rule {
            rule.clone_into(named);
        }
        Some(own)
    }
}

/// An action with its texts.
pub(super) fn action(
    ruleset: &Ruleset,
    action: &riskgate_engine::actions::Action,
) -> Option<Action> {
    let bytes = |id| ruleset.string(id).to_vec();
    let headers = ruleset.action_headers(action);
    let mut template = ruleset.action_template(action);
    let names_rule = template.any(|part| matches!(part.kind, TemplateKind::RuleId));
    let parts = ruleset.action_template(action).map(|part| match part.kind {
        TemplateKind::Literal => bytes(part.text),
        TemplateKind::Path => b"{request.path}".to_vec(),
        TemplateKind::Host => b"{request.host}".to_vec(),
        TemplateKind::UrlPath => b"{request.url_path}".to_vec(),
        TemplateKind::RuleId => b"{rule.id}".to_vec(),
    });
    Some(Action {
        kind: action.kind,
        status: action.status,
        headers: headers
            .map(|(name, value)| (bytes(name), bytes(value)))
            .collect(),
        body: bytes(action.body),
        template: parts.collect::<Vec<_>>().concat(),
        named_rule: names_rule.then(String::new),
    })
}

fn list_test(values: ListContents<'_>) -> Test {
    match values {
        ListContents::Strings(mut values) => {
            values.sort_unstable();
            Test::OneOf(values.into_iter().map(<[u8]>::to_vec).collect())
        }
        ListContents::Networks(ranges) => Test::Networks(joined(ranges)),
        ListContents::Approximate(filter) => Test::Approximate(filter.to_vec()),
    }
}

/// The same addresses in as few ranges as can be, so that two ways to write them are the same.
fn joined(mut ranges: Vec<AddressRange>) -> Vec<AddressRange> {
    ranges.sort_unstable();
    let mut joined: Vec<AddressRange> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match joined.last_mut() {
            Some(before) if super::address::next(before.1) == Some(first) || before.1 >= first => {
                before.1 = before.1.max(last);
            }
            _ => joined.push((first, last)),
        }
    }
    joined
}

impl From<Number> for ExactNumber {
    fn from(number: Number) -> ExactNumber {
        match number {
            Number::Int(value) => ExactNumber {
                is_double: false,
                bits: value.cast_unsigned(),
            },
            Number::Double(value) => ExactNumber {
                is_double: true,
                bits: value.to_bits(),
            },
        }
    }
}

impl From<ExactNumber> for Number {
    fn from(number: ExactNumber) -> Number {
        if number.is_double {
            Number::Double(f64::from_bits(number.bits))
        } else {
            Number::Int(number.bits.cast_signed())
        }
    }
}
