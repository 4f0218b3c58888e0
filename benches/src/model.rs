//! Rulesets and traffic from a seed, in a form that riskgate, Envoy's RBAC filter and Lua can all express.
//!
//! # How the rules are shaped
//!
//! As rulesets of web risk control are: a rule is a conjunction of one to six predicates over eleven fields (method,
//! path, source address and eight headers). It is written after an incident, so most rules of [`Shape::Selective`] have one
//! *rare* predicate that hardly any request satisfies, beside common ones that many satisfy:
//!
//! | rare predicate | share | example |
//! | --- | --- | --- |
//! | a device | 30 % | `x-device-id == "9f0c1d…"` |
//! | networks, one to four | 20 % | `source.ip in ["127.8.3.64/26"]` |
//! | a whole path | 16 % | `/wp-content/plugins/tolumika/readme.txt` |
//! | a start of the path | 12 % | `/cgi-bin/ralotesi` |
//! | a text inside of the user agent | 8 % | `benokibot/` |
//! | a text inside of the path | 6 % | `/kelimosa/` |
//! | an end of the path | 3 % | `-sutamelo.php` |
//! | a start of the user agent | 3 % | `Varelascan/` |
//! | a build of the app | 2 % | `x-app-build == "4471902"` |
//!
//! Rare words are three to five syllables behind a few shared beginnings, so that literals share their q-grams as real
//! ones do. Common predicates are of a pool of some thirty: `POST`, a path below `/api/`, a browser, a language, a channel.
//!
//! Rules of [`Shape::Unselective`] have no rare predicate. Four in five pair one of 100 hot paths with one of 100
//! automation agents, of which either alone says nothing; the rest join a method, one of 20 hot path prefixes and up to four
//! of 20 wide networks. So one predicate stands in hundreds of rules, and one request can match dozens.
//!
//! # How the traffic is shaped
//!
//! A request has a path of about 200 bytes with its query and 14 headers as browsers and apps send them. The stated share of
//! requests satisfies a rule that is drawn at random. The others satisfy none, by construction: rare words, devices and
//! agents of rules do not occur in them. Where rules are unselective they do go to the hot paths. Sources are loopback
//! addresses, so that a load generator can bind them.

use std::net::Ipv4Addr;

mod evaluate;
mod rules;
mod traffic;
mod vocabulary;
mod yaml;

pub use evaluate::matches;
pub use rules::rules;
pub use traffic::traffic;
pub(crate) use vocabulary::{PROBED_FOLDERS, word as rare_word};
pub(crate) use yaml::head_of;
pub use yaml::{RULESET_NAME, to_texts, to_yaml};

/// A generated rule: all predicates must hold; it denies with 403.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Unique in the ruleset.
    pub id: String,
    /// One to six.
    pub all: Vec<Predicate>,
}

/// A test of one field. Paths are `request.url_path`: without the query. A header that is absent satisfies no predicate but
/// [`Predicate::HeaderIsNot`]; generated requests have each header once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predicate {
    /// The method.
    MethodIs(String),
    /// The whole path.
    PathIs(String),
    /// The path's start.
    PathStartsWith(String),
    /// The path's end.
    PathEndsWith(String),
    /// A text inside of the path.
    PathContains(String),
    /// A header's whole value.
    HeaderIs {
        /// In lower case.
        name: String,
        /// Compared byte for byte.
        value: String,
    },
    /// The start of a header's value.
    HeaderStartsWith {
        /// In lower case.
        name: String,
        /// Compared byte for byte.
        value: String,
    },
    /// A text inside of a header's value.
    HeaderContains {
        /// In lower case.
        name: String,
        /// Compared byte for byte.
        value: String,
    },
    /// Exactly `!(header == value)`: an absent header satisfies it.
    HeaderIsNot {
        /// In lower case.
        name: String,
        /// Compared byte for byte.
        value: String,
    },
    /// `source.ip` is in one of these IPv4 CIDR prefixes, none of which has host bits.
    SourceIn(Vec<String>),
}

/// A generated request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficItem {
    /// In upper case.
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case, each once; no pseudo headers, no `host`.
    pub headers: Vec<(String, String)>,
    /// In 127.0.0.0/8.
    pub source: Ipv4Addr,
    /// Empty for none.
    pub body: String,
}

impl TrafficItem {
    /// The path without the query.
    #[must_use]
    pub fn url_path(&self) -> &str {
        self.path
            .split_once('?')
            .map_or(self.path.as_str(), |(path, _)| path)
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(each, _)| each == name)
            .map(|(_, value)| value.as_str())
    }
}

/// How many rules one predicate of a rule leaves over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Each rule has a rare predicate.
    Selective,
    /// No rule has one.
    Unselective,
}

impl Shape {
    /// Both.
    pub const ALL: [Shape; 2] = [Shape::Selective, Shape::Unselective];

    /// Its name in records and on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Shape::Selective => "selective",
            Shape::Unselective => "unselective",
        }
    }

    /// The shape of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Shape> {
        Shape::ALL.into_iter().find(|shape| shape.name() == name)
    }
}

#[cfg(test)]
mod tests;
