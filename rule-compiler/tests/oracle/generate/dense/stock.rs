//! What the rules of one ruleset have in common.

use std::collections::HashMap;

use riskgate_compiler::ir::{
    Attribute, Base, Condition, Number, Outcome, Prefix, Stage, Transform, View,
};

use super::super::condition::{condition, transforms};
use super::super::dice::Dice;
use super::super::number::number;
use super::super::outcome::outcome;
use super::super::ruleset::stage;
use super::super::words::PATTERNS;
use super::literals::Literals;
use super::prefixes::prefixes;

const VIEWS: [View; 5] = [View::Int, View::Int, View::Double, View::Length, View::Size];

/// The stock of one ruleset.
#[derive(Debug)]
pub(super) struct Stock {
    pub(super) literals: Literals,
    pub(super) prefixes: Vec<Prefix>,
    pub(super) numbers: Vec<Number>,
    pub(super) patterns: Vec<String>,
    /// A text that the pattern is found in, where one is known.
    pub(super) samples: HashMap<String, Vec<u8>>,
    /// What most atoms test.
    pub(super) attributes: Vec<Attribute>,
    /// What most comparisons compare.
    numeric: Vec<Attribute>,
    pub(super) chains: Vec<Vec<Transform>>,
    /// How many different names headers have, and arguments, and cookies.
    pub(super) names: usize,
    pub(super) outcomes: Vec<Outcome>,
    /// Conditions of any form; few, because each may transform an attribute in a way of its own, which the engine allows
    /// 64 times.
    pub(super) strays: Vec<Condition>,
    /// Few for the same reason: the keys of a canary are transformed, too.
    pub(super) stages: Vec<Stage>,
}

impl Stock {
    pub(super) fn new(rules: usize, dice: &mut Dice) -> Self {
        let share = *dice.pick(&[1, 1, 4, 20]);
        let selective = dice.percent(if rules < 1_000 { 50 } else { 75 });
        let literals = Literals::new((rules / share).clamp(3, 20_000), selective, dice);
        let (patterns, samples) = patterns(&literals, (4 + rules / 20).min(24), dice);
        let names = match dice.below(4) {
            0 => (rules / 2).clamp(4, 400),
            _ => dice.between(1, 8),
        };
        let chains = (0..dice.between(1, 4))
            .map(|_| dice.draw(&transforms()))
            .collect();
        let mut stock = Self {
            prefixes: prefixes((rules / 4).clamp(2, 5_000), dice),
            numbers: numbers((rules / 10).clamp(2, 500), dice),
            patterns,
            samples,
            attributes: Vec::new(),
            numeric: Vec::new(),
            chains,
            names,
            outcomes: (0..12).map(|_| dice.draw(&outcome())).collect(),
            strays: (0..(rules / 20).clamp(3, 60))
                .map(|_| dice.draw(&condition()))
                .collect(),
            stages: (0..24).map(|_| dice.draw(&stage())).collect(),
            literals,
        };
        stock.attributes = (0..dice.between(1, 8))
            .map(|_| stock.new_attribute(dice))
            .collect();
        stock.numeric = (0..dice.between(1, 3))
            .map(|_| Attribute {
                view: *dice.pick(&VIEWS),
                ..stock.attribute(dice)
            })
            .collect();
        stock
    }

    /// A string attribute: one of the few that most rules test, or now and then any.
    pub(super) fn attribute(&self, dice: &mut Dice) -> Attribute {
        if dice.percent(85) {
            return dice.pick(&self.attributes).clone();
        }
        self.new_attribute(dice)
    }

    /// An attribute of which numbers are made.
    pub(super) fn number_attribute(&self, dice: &mut Dice) -> Attribute {
        if dice.percent(70) {
            return dice.pick(&self.numeric).clone();
        }
        Attribute {
            view: *dice.pick(&VIEWS),
            ..self.attribute(dice)
        }
    }

    fn new_attribute(&self, dice: &mut Dice) -> Attribute {
        let transforms = if dice.percent(65) {
            Vec::new()
        } else {
            dice.pick(&self.chains).clone()
        };
        Attribute {
            base: self.base(dice),
            transforms,
            view: View::Value,
        }
    }

    fn base(&self, dice: &mut Dice) -> Base {
        let name = dice.below(self.names);
        match dice.below(23) {
            0..=2 => Base::UrlPath,
            3 | 4 => Base::Path,
            5 => Base::Query,
            6 => Base::Host,
            7 => Base::Hostname,
            8..=10 => Base::Header(header_name(name)),
            11..=13 => Base::Param(param_name(name)),
            14 | 15 => Base::Cookie(cookie_name(name)),
            16 => Base::Claim(["sub", "role", "org"][name % 3].to_owned()),
            17 => Base::Header("user-agent".to_owned()),
            18 | 19 => Base::BodyJson(pointer(name)),
            20 => Base::BodyForm(param_name(name)),
            _ => dice
                .pick(&[
                    Base::Method,
                    Base::Scheme,
                    Base::Protocol,
                    Base::Id,
                    Base::PeerUriSan,
                    Base::PeerSubject,
                    Base::ServerName,
                    Base::TlsVersion,
                ])
                .clone(),
        }
    }
}

/// Names that are each other's beginnings.
pub(super) fn header_name(at: usize) -> String {
    format!("x-{}", "h".repeat(1 + at % 3)) + &at.to_string()
}

pub(super) fn param_name(at: usize) -> Vec<u8> {
    match at {
        0 => Vec::new(),
        1 => b"a b".to_vec(),
        2 => b"=&".to_vec(),
        at => format!("p{at}").into_bytes(),
    }
}

/// Places that overlap: an element is named by its index and by `*`.
pub(super) fn pointer(at: usize) -> String {
    let item = ["0", "*", "1"][at % 3];
    match at % 4 {
        0 => format!("/items/{item}/m{at}"),
        1 => format!("/{item}"),
        _ => format!("/m{at}"),
    }
}

pub(super) fn cookie_name(at: usize) -> Vec<u8> {
    format!("c{at}").into_bytes()
}

/// Close together, at the ends of what fits, ints and doubles, some of them twice.
fn numbers(count: usize, dice: &mut Dice) -> Vec<Number> {
    let mut numbers = vec![Number::Int(5)];
    while numbers.len() < count {
        let near = *dice.pick(&numbers);
        let next = match (dice.below(6), near) {
            (0, _) => dice.draw(&number()),
            (1, _) => Number::Int(dice.bits().cast_signed() >> dice.below(64)),
            (2, Number::Int(int)) => Number::Int(int.saturating_add(1)),
            (3, Number::Int(int)) => Number::Double(int as f64 + 0.5),
            (4, Number::Int(int)) => Number::Double(int as f64),
            (2, Number::Double(double)) => Number::Double(double.next_up().min(f64::MAX)),
            (3, Number::Double(double)) => Number::Double(double.next_down().max(f64::MIN)),
            (_, near) => near,
        };
        numbers.push(next);
    }
    numbers
}

/// Patterns of the literals, and of the common stock; each is compiled, so there are few.
fn patterns(
    literals: &Literals,
    count: usize,
    dice: &mut Dice,
) -> (Vec<String>, HashMap<String, Vec<u8>>) {
    let mut patterns = Vec::new();
    let mut samples = HashMap::new();
    for _ in 0..count {
        if dice.percent(30) {
            patterns.push((*dice.pick(&PATTERNS)).to_owned());
            continue;
        }
        let (pattern, sample) = pattern(literals, dice);
        samples.insert(pattern.clone(), sample);
        patterns.push(pattern);
    }
    (patterns, samples)
}

fn pattern(literals: &Literals, dice: &mut Dice) -> (String, Vec<u8>) {
    let one = short(literals.any(dice));
    let other = short(literals.any(dice));
    let (first, second) = (escaped(&one), escaped(&other));
    let both = |between: &[u8]| [one.as_slice(), between, &other].concat();
    match dice.below(14) {
        0 => (first, one),
        1 => (format!("^{first}"), one),
        2 => (format!("{first}$"), one),
        3 => (format!("^{first}$"), one),
        4 | 5 => (format!("(?i){first}"), super::literals::swapped_case(&one)),
        6 => (format!(r"(?i)\b{first}\s*=\s*[0-9]+"), both(b" = 7")),
        7 => (format!("{first}[0-9]+{second}"), both(b"305")),
        8 => (format!("(?:{first}|{second})"), other),
        9 => (format!("{first}.*{second}"), both(b"..")),
        10 => (format!("(?i:{first}){second}?"), both(b"")),
        11 => (
            format!("(?:{first})+[^a]"),
            [one.repeat(2), b"z".to_vec()].concat(),
        ),
        12 => (format!("(?:x|(?:{first})){second}"), both(b"")),
        _ => (
            format!("[a-f]{first}(?:{second}|$)"),
            [b"b", one.as_slice()].concat(),
        ),
    }
}

fn short(literal: &[u8]) -> Vec<u8> {
    literal[..literal.len().min(24)].to_vec()
}

/// The bytes as a pattern that stands for just them.
fn escaped(literal: &[u8]) -> String {
    literal
        .iter()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
            byte => format!(r"\x{byte:02x}"),
        })
        .collect()
}
