//! Rules of one stock.

use std::collections::BTreeSet;

use riskgate_compiler::ir::{
    Active, Atom, Base, Comparison, Condition, List, ListValues, Number, OnExpired, Origin, Prefix,
    Rule, Ruleset, Terminal, Test, View,
};

use super::super::condition::{PREFIX_LISTS, STRING_LISTS, plain, prefix, sorted};
use super::super::dice::Dice;
use super::super::number::comparison;
use super::super::request::named_time_us;
use super::super::ruleset::{bands, place};
use super::stock::Stock;
use crate::oracle::builder::{matches, not};

const COMPARISONS: [Comparison; 6] = [
    Comparison::Equal,
    Comparison::Equal,
    Comparison::Less,
    Comparison::LessOrEqual,
    Comparison::Greater,
    Comparison::GreaterOrEqual,
];

pub(super) fn ruleset(count: usize, stock: &Stock, dice: &mut Dice) -> Ruleset {
    let crowded = dice.percent(35);
    let hot = hot(crowded, stock, dice);
    // How much of the ruleset the hot atoms stand in.
    let heat = if crowded {
        95
    } else {
        *dice.pick(&[0, 10, 60])
    };
    let mut rules: Vec<Rule> = Vec::with_capacity(count);
    for _ in 0..count {
        let when = match rules.is_empty() {
            false if dice.percent(15) => variant(&dice.pick(&rules).when, stock, dice),
            _ => shape(stock, &hot, heat, dice),
        };
        rules.push(rule(when, stock, dice));
    }
    let third = count / 3;
    place(
        &mut rules,
        [dice.below(third + 1), third + dice.below(third + 1)],
    );
    Ruleset {
        name: "dense".to_owned(),
        ttl_s: 3600,
        on_expired: OnExpired::Keep,
        default: Terminal::Allow,
        bands: dice.draw(&bands()),
        lists: lists(stock, dice),
        counters: Vec::new(),
        rules,
        custom_attributes: BTreeSet::new(),
    }
}

fn rule(when: Condition, stock: &Stock, dice: &mut Dice) -> Rule {
    let active = if dice.percent(5) {
        let from_us = dice.draw(&named_time_us());
        Active {
            from_us: Some(from_us),
            until_us: dice.percent(50).then_some(from_us + 1_000_000),
        }
    } else {
        Active::default()
    };
    Rule {
        id: String::new(),
        description: None,
        owner: None,
        ticket: None,
        severity: None,
        labels: Vec::new(),
        priority: *dice.pick(&[0, 0, 0, 0, 1, -1, 100, i32::MAX]),
        stage: dice.pick(&stock.stages).clone(),
        active,
        when,
        then: dice.pick(&stock.outcomes).clone(),
        origin: Origin::default(),
    }
}

/// As the lists that random conditions name: two of strings, then two of prefixes.
fn lists(stock: &Stock, dice: &mut Dice) -> Vec<List> {
    let size = *dice.pick(&[0, 1, 3, 33, 300, 3000]);
    let strings = |dice: &mut Dice| {
        let size = size.min(stock.literals.all.len() * 2);
        let mut values = Vec::with_capacity(size);
        for _ in 0..size {
            values.push(match dice.percent(50) {
                true => stock.literals.any(dice).clone(),
                false => stock.literals.fresh(dice),
            });
        }
        ListValues::Strings(sorted(values))
    };
    let (one, two) = (strings(dice), strings(dice));
    let mut prefixes = || {
        let size = size.min(stock.prefixes.len());
        ListValues::Prefixes(sorted(
            (0..size).map(|_| *dice.pick(&stock.prefixes)).collect(),
        ))
    };
    let values = [one, two, prefixes(), prefixes()];
    let named = |(at, values)| List {
        approximate: false,
        name: format!("list_{at}"),
        values,
    };
    values.into_iter().enumerate().map(named).collect()
}

/// The forms in which an index meets conditions.
fn shape(stock: &Stock, hot: &[Condition], heat: usize, dice: &mut Dice) -> Condition {
    if dice.percent(heat) {
        return hot_shape(stock, hot, dice);
    }
    match dice.below(100) {
        0..=29 => atom(stock, dice),
        30..=64 => all(stock, 2, 5, dice),
        65..=74 => Condition::Any(atoms(stock, 2, 5, dice)),
        75..=82 => Condition::Any(
            (0..dice.between(2, 3))
                .map(|_| all(stock, 2, 3, dice))
                .collect(),
        ),
        83..=90 => Condition::All(vec![all(stock, 1, 2, dice), not(atom(stock, dice))]),
        91 | 92 => not(all(stock, 1, 3, dice)),
        93 | 94 => alternatives(stock, dice),
        _ => dice.pick(&stock.strays).clone(),
    }
}

/// Atoms that many rules share; in a crowded ruleset one that an index would rather use than most others, so that all of
/// these rules would be filed under it.
fn hot(crowded: bool, stock: &Stock, dice: &mut Dice) -> Vec<Condition> {
    if crowded {
        let test = Test::OneOf(vec![stock.literals.any(dice).clone()]);
        let attribute = stock.attribute(dice);
        return vec![Condition::Atom(Atom { attribute, test })];
    }
    (0..dice.between(1, 4)).map(|_| atom(stock, dice)).collect()
}

/// What many rules have in common, with what tells them apart.
fn hot_shape(stock: &Stock, hot: &[Condition], dice: &mut Dice) -> Condition {
    let common = dice.pick(hot).clone();
    let mut parts = vec![common];
    match dice.below(10) {
        0..=4 => parts.extend(atoms(stock, 1, 4, dice)),
        5 | 6 => {
            parts.push(Condition::Any(atoms(stock, 2, 4, dice)));
            parts.extend(atoms(stock, 0, 2, dice));
        }
        7 => parts.extend([dice.pick(hot).clone(), dice.pick(hot).clone()]),
        8 => parts.push(not(atom(stock, dice))),
        _ => {
            parts.push(Condition::Any(vec![
                dice.pick(hot).clone(),
                atom(stock, dice),
            ]));
            parts.push(Condition::Any(atoms(stock, 2, 3, dice)));
        }
    }
    let last = parts.len() - 1;
    parts.swap(0, dice.below(last + 1));
    Condition::All(parts)
}

/// Alternatives of alternatives: written out they would be many conjunctions.
fn alternatives(stock: &Stock, dice: &mut Dice) -> Condition {
    let factors = dice.between(2, 5);
    Condition::All(
        (0..factors)
            .map(|_| Condition::Any(atoms(stock, 2, 4, dice)))
            .collect(),
    )
}

/// A rule that is there, the same or with one part changed.
fn variant(when: &Condition, stock: &Stock, dice: &mut Dice) -> Condition {
    match when {
        Condition::All(parts) | Condition::Any(parts) => {
            let mut parts = parts.clone();
            let at = dice.below(parts.len());
            match dice.below(3) {
                0 => parts[at] = atom(stock, dice),
                1 => parts.reverse(),
                _ => {}
            }
            if matches!(when, Condition::All(_)) {
                Condition::All(parts)
            } else {
                Condition::Any(parts)
            }
        }
        other => other.clone(),
    }
}

fn all(stock: &Stock, least: usize, most: usize, dice: &mut Dice) -> Condition {
    Condition::All(atoms(stock, least, most, dice))
}

fn atoms(stock: &Stock, least: usize, most: usize, dice: &mut Dice) -> Vec<Condition> {
    (0..dice.between(least, most))
        .map(|_| atom(stock, dice))
        .collect()
}

fn atom(stock: &Stock, dice: &mut Dice) -> Condition {
    Condition::Atom(match dice.below(100) {
        0..=64 => string_atom(stock, dice),
        65..=79 => address_atom(stock, dice),
        80..=94 => number_atom(stock, dice),
        95..=97 => Atom {
            attribute: plain(Base::Time),
            test: Test::Compare(
                dice.draw(&comparison()),
                Number::Int(dice.draw(&named_time_us())),
            ),
        },
        _ => Atom {
            attribute: plain(Base::Mtls),
            test: dice
                .pick(&[Test::Present, Test::IsTrue, Test::IsFalse])
                .clone(),
        },
    })
}

fn string_atom(stock: &Stock, dice: &mut Dice) -> Atom {
    let literal = |dice: &mut Dice| match dice.percent(80) {
        true => stock.literals.any(dice).clone(),
        false => stock.literals.fresh(dice),
    };
    let test = match dice.below(100) {
        0..=2 => Test::Present,
        3..=19 => Test::OneOf(vec![literal(dice)]),
        20..=27 => {
            let most = *dice.pick(&[3, 8, 9, 16, 17, 64]);
            Test::OneOf(sorted(
                (0..dice.between(2, most)).map(|_| literal(dice)).collect(),
            ))
        }
        28..=32 => Test::InList(*dice.pick(&STRING_LISTS)),
        33..=49 => Test::StartsWith(literal(dice)),
        50..=66 => Test::EndsWith(literal(dice)),
        67..=87 => Test::Contains(literal(dice)),
        _ => matches(dice.pick::<String>(&stock.patterns)),
    };
    Atom {
        attribute: stock.attribute(dice),
        test,
    }
}

fn address_atom(stock: &Stock, dice: &mut Dice) -> Atom {
    let test = match dice.below(20) {
        0 => Test::Present,
        1..=3 => Test::InList(*dice.pick(&PREFIX_LISTS)),
        4 => Test::InPrefixes(vec![dice.draw(&prefix())]),
        5..=12 => Test::InPrefixes(vec![*dice.pick(&stock.prefixes)]),
        _ => {
            let prefixes: Vec<Prefix> = (0..dice.between(2, 12))
                .map(|_| *dice.pick(&stock.prefixes))
                .collect();
            Test::InPrefixes(sorted(prefixes))
        }
    };
    Atom {
        attribute: plain(dice.pick(&[Base::SourceIp, Base::ClientIp]).clone()),
        test,
    }
}

fn number_atom(stock: &Stock, dice: &mut Dice) -> Atom {
    let attribute = stock.number_attribute(dice);
    let number = match attribute.view {
        View::Length | View::Size => {
            let count = i64::try_from(dice.below(30)).expect("small");
            *dice.pick(&[Number::Int(count), Number::Double(count as f64)])
        }
        _ => *dice.pick(&stock.numbers),
    };
    let test = match attribute.view {
        View::Int | View::Double if dice.percent(5) => Test::Present,
        _ => Test::Compare(*dice.pick(&COMPARISONS), number),
    };
    Atom { attribute, test }
}
