//! A ruleset after parsing, name resolution and type checking: what the oracle walks and lowering compiles.
//!
//! Nothing here can be ill-typed by construction of the front end, and nothing here knows of files or spans but
//! through [`Origin`].

use core::net::IpAddr;
use std::collections::BTreeSet;

use riskgate_engine::counters::CounterDefinition;

use crate::automaton::Pattern;

/// A whole ruleset.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruleset {
    /// `[a-z0-9-]`, 1 to 63 bytes.
    pub name: String,
    /// How long a built bundle is valid from its issue time, in seconds.
    pub ttl_s: u64,
    /// What a filter does once the bundle has expired.
    pub on_expired: OnExpired,
    /// When nothing decides.
    pub default: Terminal,
    /// Score bands, highest `at_least` first.
    pub bands: Vec<Band>,
    /// Named lists; [`Test::InList`] holds an index into it.
    pub lists: Vec<List>,
    /// In source order; [`Base::Counter`] holds an index into it.
    pub counters: Vec<Counter>,
    /// In source order: by file name, then by position.
    pub rules: Vec<Rule>,
    /// The names of the attributes that a custom filter was declared to know, read by a rule or not.
    pub custom_attributes: BTreeSet<String>,
}

/// What a filter does once its bundle has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExpired {
    /// Serve on and alarm.
    Keep,
    /// Allow every request.
    Allow,
    /// Deny every request.
    Deny,
}

/// A score band.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// The score that reaches it.
    pub at_least: i64,
    /// What it does.
    pub then: Terminal,
}

/// A named list.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// Its name.
    pub name: String,
    /// Whether a few strings that it does not have may count as its values, so that it takes less room. Only of strings.
    pub approximate: bool,
    /// Sorted and without duplicates.
    pub values: ListValues,
}

/// The values of a list, sorted and without duplicates.
#[derive(Debug, Clone, PartialEq)]
pub enum ListValues {
    /// `type: string`.
    Strings(Vec<Vec<u8>>),
    /// `type: cidr`.
    Prefixes(Vec<Prefix>),
}

/// A CIDR prefix without host bits; an IPv4-mapped one has been turned into IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The network address.
    pub address: IpAddr,
    /// Length in bits, at most 32 or 128.
    pub length: u8,
}

/// Counts the requests of each of its keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Counter {
    /// Its name.
    pub name: String,
    /// What keys consist of, not empty: strings and addresses.
    pub key: Vec<Attribute>,
    /// Which requests count.
    pub count_when: Condition,
    /// Counts the different values of this attribute instead of requests.
    pub distinct: Option<Attribute>,
    /// Length of the window.
    pub window_ms: u32,
    /// How many keys are kept apart.
    pub max_keys: u32,
}

impl Counter {
    /// Whether it counts a request when the response is known.
    #[must_use]
    pub fn waits_for_response(&self) -> bool {
        let mut atoms = self.count_when.atoms();
        atoms.any(|atom| atom.attribute.base.is_of_response())
    }

    /// How much memory a filter takes for it.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let definition = CounterDefinition {
            identity: [0; 16],
            window_ms: self.window_ms,
            is_distinct: self.distinct.is_some(),
            max_keys: self.max_keys,
        };
        definition.memory_bytes()
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Unique in the ruleset.
    pub id: String,
    /// Free text.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where it was asked for.
    pub ticket: Option<String>,
    /// How bad a match is.
    pub severity: Option<Severity>,
    /// Labels of the rule itself, not of requests.
    pub labels: Vec<String>,
    /// Higher first.
    pub priority: i32,
    /// Whether a match counts.
    pub stage: Stage,
    /// From inclusive, until exclusive, microseconds since the Unix epoch.
    pub active: Active,
    /// When it matches.
    pub when: Condition,
    /// What a match does.
    pub then: Outcome,
    /// Where it stands.
    pub origin: Origin,
}

/// Severity of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// Whether a rule's match is enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Matches count.
    Enforce,
    /// Matches are reported only.
    Shadow,
    /// Matches of a share of all clients count, and those of the others are reported only.
    Canary(Canary),
}

/// Which matches of a rule at stage canary count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// In hundredths of a percent, from 1 to 10,000.
    pub share: u16,
    /// What clients are told apart by, not empty: strings and addresses.
    pub by: Vec<Attribute>,
}

/// When a rule can match, in microseconds since the Unix epoch: `from <= t < until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Active {
    /// Inclusive.
    pub from_us: Option<i64>,
    /// Exclusive.
    pub until_us: Option<i64>,
}

/// Where a rule stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// File name inside the ruleset folder.
    pub file: String,
    /// From 1.
    pub line: u32,
}

/// What a match does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// At most one.
    pub terminal: Option<Terminal>,
    /// Added to the request's score.
    pub score: Option<i32>,
    /// Name and value.
    pub tags: Vec<(String, String)>,
}

/// An action that ends the decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Terminal {
    /// Let the request through.
    Allow,
    /// Refuse it.
    Deny(Reply),
    /// Answer with a status and a body of the author's.
    Challenge(Reply),
    /// Answer with 302 to a template.
    Redirect(Vec<TemplatePart>),
}

/// A local reply.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    /// 200 to 599.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: String,
}

/// A piece of a redirect template.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TemplatePart {
    /// As it stands.
    Literal(String),
    /// `{request.path}`.
    Path,
    /// `{request.host}`.
    Host,
    /// `{request.url_path}`.
    UrlPath,
    /// `{rule.id}`.
    RuleId,
}

/// A condition over atoms.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// `true` or `false`.
    Constant(bool),
    /// A test of one attribute.
    Atom(Atom),
    /// `!x`.
    Not(Box<Condition>),
    /// `x && y`; never empty.
    All(Vec<Condition>),
    /// `x || y`; never empty.
    Any(Vec<Condition>),
}

impl Condition {
    /// Its atoms, in the order in which they stand in it.
    pub fn atoms(&self) -> impl Iterator<Item = &Atom> {
        let mut atoms = Vec::new();
        self.collect_atoms(&mut atoms);
        atoms.into_iter()
    }

    fn collect_atoms<'a>(&'a self, atoms: &mut Vec<&'a Atom>) {
        match self {
            Condition::Constant(_) => {}
            Condition::Atom(atom) => atoms.push(atom),
            Condition::Not(inner) => inner.collect_atoms(atoms),
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().for_each(|part| part.collect_atoms(atoms));
            }
        }
    }
}

/// A test of one attribute: true if any of its values satisfies it, false if there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Atom {
    /// What is tested.
    pub attribute: Attribute,
    /// How.
    pub test: Test,
}

/// An attribute with what is done to its values before a test.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attribute {
    /// Where the values come from.
    pub base: Base,
    /// In order.
    pub transforms: Vec<Transform>,
    /// What of the values is tested.
    pub view: View,
}

/// Where an attribute's values come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "docs/rule-language.md describes each")]
pub enum Base {
    Method,
    Scheme,
    Host,
    Hostname,
    Protocol,
    Id,
    Path,
    UrlPath,
    Query,
    Param(Vec<u8>),
    Header(String),
    Cookie(Vec<u8>),
    Time,
    SourceIp,
    ClientIp,
    Mtls,
    PeerUriSan,
    PeerSubject,
    ServerName,
    TlsVersion,
    Claim(String),
    /// What a counter has counted for the request's key: an int that is never absent. Index into [`Ruleset::counters`].
    Counter(usize),
    ResponseCode,
    ResponseHeader(String),
    /// A JSON pointer.
    BodyJson(String),
    BodyForm(Vec<u8>),
    /// Of a custom filter.
    Custom {
        /// As authors declared it.
        name: String,
        /// Whether a request may have several values.
        is_many_valued: bool,
    },
}

impl Base {
    /// Whether the values are known only once the body is here.
    #[must_use]
    pub fn is_of_body(&self) -> bool {
        matches!(self, Base::BodyJson(_) | Base::BodyForm(_))
    }

    /// Whether its values are there only once the request was answered.
    #[must_use]
    pub fn is_of_response(&self) -> bool {
        matches!(self, Base::ResponseCode | Base::ResponseHeader(_))
    }

    /// Whether it is what was counted, and no part of the request.
    #[must_use]
    pub fn is_counter(&self) -> bool {
        matches!(self, Base::Counter(_))
    }
}

/// A transform of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "docs/rule-language.md describes each")]
pub enum Transform {
    LowerAscii,
    Trim,
    UrlDecode,
    UrlDecodeAll,
    NormalizePath,
    CompressSpaces,
    RemoveNulls,
    HtmlUnescape,
    Base64Decode,
}

/// What of an attribute's values is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    /// The value itself.
    Value,
    /// `int(a)`: what does not parse is dropped.
    Int,
    /// `double(a)`: what does not parse is dropped.
    Double,
    /// `a.length()`: bytes of each value.
    Length,
    /// `size(a)`: how many values; no value when there are none.
    Size,
    /// What a custom filter tells in text is an address: what does not parse is dropped.
    Address,
}

/// A test of a value. Which tests go with which attribute is the type checker's business.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `has(a)`.
    Present,
    /// A bool attribute is true. (`== false` over a bool is [`Test::IsFalse`]: over an absent one both are false.)
    IsTrue,
    /// A bool attribute is false.
    IsFalse,
    /// `a == "x"` and `a in ["x", "y"]` on strings: sorted, without duplicates.
    OneOf(Vec<Vec<u8>>),
    /// `a in lists.name`, on strings or ips: index into [`Ruleset::lists`].
    InList(usize),
    /// `ip == "…"` and `ip in ["…", "…"]`: sorted, without duplicates.
    InPrefixes(Vec<Prefix>),
    /// Comparison of a number, compared exactly; `request.time` compares as an int of microseconds.
    Compare(Comparison, Number),
    /// `.startsWith("x")`.
    StartsWith(Vec<u8>),
    /// `.endsWith("x")`.
    EndsWith(Vec<u8>),
    /// `.contains("x")`.
    Contains(Vec<u8>),
    /// `.matches("re")`.
    Matches(Pattern),
}

/// A comparison. `!=` is `Not(Equal)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A number as the author wrote it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// 64-bit.
    Int(i64),
    /// Finite.
    Double(f64),
}
