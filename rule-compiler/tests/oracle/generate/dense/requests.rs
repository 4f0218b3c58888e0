//! Requests made for the rules that they should match, or should only just miss.

use std::collections::BTreeMap;
use std::net::IpAddr;

use riskgate_compiler::ir::{
    Atom, Base, Comparison, Condition, ListValues, Number, Prefix, Ruleset, Test, Transform, View,
};

use super::super::dice::Dice;
use super::super::number::texts_near;
use super::super::plant::{hide, put};
use super::super::request::{self, Bytes, RequestCase};
use super::literals::blur;
use super::prefixes::address_near;
use super::stock::{Stock, cookie_name, header_name, param_name, pointer};

pub(super) fn request(ruleset: &Ruleset, stock: &Stock, dice: &mut Dice) -> RequestCase {
    let mut request = background(stock, dice);
    for _ in 0..*dice.pick(&[0, 1, 1, 1, 2, 2, 3, 6]) {
        let rule = dice.pick(&ruleset.rules);
        let mut wishes = Vec::new();
        collect(&rule.when, true, dice, &mut wishes);
        grant(&wishes, ruleset, stock, &mut request, dice);
        if let (Some(from_us), true) = (rule.active.from_us, dice.percent(70)) {
            request.time_us = from_us;
        }
    }
    for _ in 0..*dice.pick(&[0, 0, 1, 1, 3]) {
        blur_somewhere(&mut request, dice);
    }
    request
}

/// What stands in the request before anything is put there for a rule.
fn background(stock: &Stock, dice: &mut Dice) -> RequestCase {
    let mut request = match dice.below(8) {
        0 => RequestCase::default(),
        1 | 2 => dice.draw(&request::request()),
        _ => RequestCase {
            method: Some(Bytes(b"GET".to_vec())),
            host: Some(Bytes(b"shop.example.com".to_vec())),
            path: Some(Bytes([b"/", filler(stock, dice).as_slice()].concat())),
            source_ip: Some(address_near(dice.pick(&stock.prefixes), dice)),
            client_ip: Some(address_near(dice.pick(&stock.prefixes), dice)),
            mtls: Some(dice.percent(50)),
            time_us: dice.draw(&request::named_time_us()),
            ..RequestCase::default()
        },
    };
    let most = *dice.pick(&[0, 2, 8, 60]);
    for _ in 0..dice.between(0, most) {
        let base = named_base(stock, dice);
        put(&mut request, &base, filler(stock, dice));
    }
    request
}

/// Names that rules know, and names that they do not.
fn named_base(stock: &Stock, dice: &mut Dice) -> Base {
    let at = dice.below(stock.names + stock.names / 4 + 1);
    match dice.below(7) {
        0 => Base::Param(param_name(at)),
        3 => Base::BodyJson(pointer(at)),
        4 => Base::BodyForm(param_name(at)),
        1 => Base::Cookie(cookie_name(at)),
        2 => Base::Claim(["sub", "role", "org", "other"][at % 4].to_owned()),
        _ => Base::Header(header_name(at)),
    }
}

/// Text like that which rules look for: often a few of their strings, sometimes one over and over, or next to nothing.
fn filler(stock: &Stock, dice: &mut Dice) -> Vec<u8> {
    // Positions past 16 bits; the oracle needs long for such a value, so only where the rules are few.
    if stock.literals.all.len() < 200 && dice.below(2_000) == 0 {
        return [
            stock.literals.letters(66_000, dice),
            stock.literals.any(dice).clone(),
        ]
        .concat();
    }
    match dice.below(30) {
        0..=4 => Vec::new(),
        5..=8 => stock.literals.letters(dice.between(1, 5), dice),
        9 => stock.literals.any(dice).repeat(dice.between(2, 30)),
        10 => stock.literals.letters(300, dice),
        11..=14 => text_of(*dice.pick(&stock.numbers), dice),
        15..=19 => [
            stock.literals.any(dice).as_slice(),
            stock.literals.any(dice),
            stock.literals.any(dice),
        ]
        .concat(),
        _ => stock.literals.letters(dice.between(0, 40), dice),
    }
}

/// Atoms that make the condition what it is wanted to be, if all of them hold and no others.
fn collect<'a>(
    condition: &'a Condition,
    wanted: bool,
    dice: &mut Dice,
    wishes: &mut Vec<&'a Atom>,
) {
    match (condition, wanted) {
        (Condition::Constant(_), _) | (Condition::Atom(_), false) => {}
        (Condition::Atom(atom), true) => wishes.push(atom),
        (Condition::Not(inner), _) => collect(inner, !wanted, dice, wishes),
        (Condition::All(parts), true) | (Condition::Any(parts), false) => {
            for part in parts {
                collect(part, wanted, dice, wishes);
            }
        }
        (Condition::All(parts), false) | (Condition::Any(parts), true) => {
            collect(dice.pick(parts), wanted, dice, wishes);
        }
    }
}

fn grant(
    wishes: &[&Atom],
    ruleset: &Ruleset,
    stock: &Stock,
    request: &mut RequestCase,
    dice: &mut Dice,
) {
    let mut by_base: BTreeMap<&Base, Vec<&Atom>> = BTreeMap::new();
    for atom in wishes {
        by_base.entry(&atom.attribute.base).or_default().push(atom);
    }
    for (base, atoms) in by_base {
        match base {
            Base::SourceIp => request.source_ip = address(&atoms, ruleset, dice),
            Base::ClientIp => request.client_ip = address(&atoms, ruleset, dice),
            Base::Time => request.time_us = time_us(&atoms, request.time_us, dice),
            Base::Mtls => request.mtls = Some(atoms.iter().all(|atom| atom.test == Test::IsTrue)),
            _ if is_many_valued(base) && dice.percent(50) => {
                for atom in atoms {
                    grant_strings(&[atom], ruleset, stock, request, dice);
                }
            }
            _ => grant_strings(&atoms, ruleset, stock, request, dice),
        }
    }
}

fn is_many_valued(base: &Base) -> bool {
    matches!(
        base,
        Base::Param(_)
            | Base::Header(_)
            | Base::Cookie(_)
            | Base::BodyJson(_)
            | Base::BodyForm(_)
            | Base::Custom {
                is_many_valued: true,
                ..
            }
    )
}

fn address(atoms: &[&Atom], ruleset: &Ruleset, dice: &mut Dice) -> Option<IpAddr> {
    let no_prefixes: &[Prefix] = &[];
    let prefixes = match &dice.pick(atoms).test {
        Test::InPrefixes(prefixes) => prefixes,
        Test::InList(list) => match &ruleset.lists[*list].values {
            ListValues::Prefixes(prefixes) => prefixes,
            ListValues::Strings(_) => no_prefixes,
        },
        _ => no_prefixes,
    };
    match prefixes {
        [] => Some(IpAddr::from([10, 1, 2, 3])),
        prefixes => Some(address_near(dice.pick(prefixes), dice)),
    }
}

fn time_us(atoms: &[&Atom], otherwise: i64, dice: &mut Dice) -> i64 {
    match dice.pick(atoms).test {
        Test::Compare(_, Number::Int(time_us)) => time_us + *dice.pick(&[-1, 0, 1]),
        _ => otherwise,
    }
}

/// One value for all atoms of one base, put there as often as they ask for.
fn grant_strings(
    atoms: &[&Atom],
    ruleset: &Ruleset,
    stock: &Stock,
    request: &mut RequestCase,
    dice: &mut Dice,
) {
    let attribute = &atoms[0].attribute;
    let mut value = value_for(atoms, ruleset, stock, dice);
    if dice.percent(20) {
        blur(&mut value, dice);
    }
    if dice.percent(60) {
        let steps = attribute.transforms.iter().rev();
        value = steps.fold(value, |value, step: &Transform| hide(value, step));
    }
    let times = if is_many_valued(&attribute.base) {
        size_of(atoms, dice)
    } else {
        1
    };
    for _ in 0..times {
        put(request, &attribute.base, value.clone());
    }
}

fn size_of(atoms: &[&Atom], dice: &mut Dice) -> usize {
    let size = |atom: &&Atom| count(atom, View::Size, dice);
    atoms.iter().find_map(size).unwrap_or(1).min(30)
}

/// The count near which the atom's comparison changes.
fn count(atom: &Atom, view: View, dice: &mut Dice) -> Option<usize> {
    let Test::Compare(comparison, number) = atom.test else {
        return None;
    };
    let count = match number {
        Number::Int(int) => int,
        Number::Double(double) => double as i64,
    };
    if atom.attribute.view != view {
        return None;
    }
    let step = match comparison {
        Comparison::Equal | Comparison::LessOrEqual | Comparison::GreaterOrEqual => 0,
        Comparison::Less => -1,
        Comparison::Greater => 1,
    };
    let step = if dice.percent(90) { step } else { 1 - step };
    usize::try_from(count.saturating_add(step)).ok()
}

/// A value that starts, holds and ends as the atoms ask for; the exact strings that they ask for win.
fn value_for(atoms: &[&Atom], ruleset: &Ruleset, stock: &Stock, dice: &mut Dice) -> Vec<u8> {
    let mut start: &[u8] = b"";
    let mut end: &[u8] = b"";
    let mut middle = Vec::new();
    let mut exact = None;
    for atom in atoms {
        match (&atom.test, atom.attribute.view) {
            (Test::OneOf(strings), _) => exact = Some(dice.pick(strings).clone()),
            (Test::InList(list), _) => match &ruleset.lists[*list].values {
                ListValues::Strings(strings) if !strings.is_empty() => {
                    exact = Some(dice.pick(strings).clone());
                }
                _ => {}
            },
            (Test::StartsWith(literal), _) => start = literal,
            (Test::EndsWith(literal), _) => end = literal,
            (Test::Contains(literal), _) => {
                middle.push(gap(stock, dice));
                middle.push(literal.clone());
            }
            (Test::Matches(pattern), _) => {
                middle.extend(stock.samples.get(pattern.text()).cloned());
            }
            (Test::Compare(_, number), View::Int | View::Double) => {
                exact = Some(text_of(*number, dice));
            }
            (Test::Compare(..), View::Length) => {
                let length = count(atom, View::Length, dice).unwrap_or(0).min(2_000);
                middle.push(stock.literals.letters(length, dice));
            }
            _ => {}
        }
    }
    if let (Some(exact), true) = (exact, dice.percent(80)) {
        return exact;
    }
    middle.push(gap(stock, dice));
    joined(start, &middle.concat(), end, dice)
}

/// Often nothing, so that literals stand at the very ends and touch.
fn gap(stock: &Stock, dice: &mut Dice) -> Vec<u8> {
    if dice.percent(60) {
        Vec::new()
    } else {
        filler(stock, dice)
    }
}

/// Where nothing is between start and end, they may share bytes.
fn joined(start: &[u8], middle: &[u8], end: &[u8], dice: &mut Dice) -> Vec<u8> {
    if middle.is_empty() && dice.percent(50) {
        let shared = (0..=start.len().min(end.len()))
            .rev()
            .find(|shared| start.ends_with(&end[..*shared]))
            .unwrap_or(0);
        return [start, &end[shared..]].concat();
    }
    [start, middle, end].concat()
}

fn text_of(number: Number, dice: &mut Dice) -> Vec<u8> {
    dice.pick(&texts_near(number)).clone()
}

/// One byte of one value changes, or a name does.
fn blur_somewhere(request: &mut RequestCase, dice: &mut Dice) {
    let mut values: Vec<&mut Vec<u8>> = Vec::new();
    let RequestCase {
        method,
        scheme,
        host,
        path,
        headers,
        peer_uri_san,
        server_name,
        claims,
        custom,
        body,
        ..
    } = request;
    for single in [method, scheme, host, path, peer_uri_san, server_name, body] {
        values.extend(single.iter_mut().map(|bytes| &mut bytes.0));
    }
    for (name, value) in headers.iter_mut().chain(claims).chain(custom) {
        values.push(&mut value.0);
        if dice.percent(10) {
            values.push(&mut name.0);
        }
    }
    if !values.is_empty() {
        let at = dice.below(values.len());
        blur(values[at], dice);
    }
}
