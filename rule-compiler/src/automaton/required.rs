//! What a value must contain for a pattern to be found in it: a few literals, of which one is always there.
//!
//! The engine looks for literals in one pass over a value, however many rules there are, and walks the automaton of a
//! pattern only if one of its literals turned up. So a good choice is rare in ordinary values: long, at a fixed place if
//! the pattern is anchored, and of few alternatives.
//!
//! A pattern is laid out as a row of pieces, some of which are one of a few strings. Neighbouring pieces of that kind are
//! crossed, so that `(?i)select` gives the sixteen spellings of `sele`; whatever else must be found is weighed against
//! that, and an alternation takes the union of what its branches need.

use regex_syntax::hir::{Class, Hir, HirKind, Literal, Look, Repetition};
use riskgate_engine::literals::MAX_LITERAL_LEN;

/// More literals cost an index more than they spare the automaton.
const LITERALS_MAX: usize = 16;
/// Longer ones are cut to what the engine compares. Shorter cuts would make one literal of patterns that begin alike.
const LITERAL_LEN_MAX: usize = MAX_LITERAL_LEN;
/// Shorter ones stand in most values.
const LITERAL_LEN_MIN: usize = 2;
/// How many literals a part of a pattern may take, so that an alternation can share [`LITERALS_MAX`] among its branches.
const BUDGETS: [usize; 5] = [1, 2, 4, 8, LITERALS_MAX];
/// A repeated part of more pieces is laid out once.
const REPEATED_PIECES_MAX: usize = 32;

/// Literals of which at least one stands in every value in which the pattern is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Required {
    /// From 1 to 16, each of 2 to 64 bytes, in ascending order.
    pub literals: Vec<Vec<u8>>,
    /// Where one of them stands.
    pub place: Place,
}

/// Where in a value a literal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The value starts with it.
    Start,
    /// The value ends with it.
    End,
    /// Somewhere in the value.
    Anywhere,
}

impl Required {
    /// What the pattern `hir` requires, if that is worth looking for.
    pub(super) fn of(hir: &Hir) -> Option<Required> {
        let [.., best] = choose(&lay_out(hir));
        best
    }

    fn new(mut literals: Vec<Vec<u8>>, place: Place) -> Option<Required> {
        for literal in &mut literals {
            match place {
                Place::End => drop(literal.drain(..literal.len().saturating_sub(LITERAL_LEN_MAX))),
                Place::Start | Place::Anywhere => literal.truncate(LITERAL_LEN_MAX),
            }
        }
        literals.sort();
        literals.dedup();
        let required = Required {
            literals: without_implied(&literals, place),
            place,
        };
        let shortest = required.literals.iter().map(Vec::len).min()?;
        (shortest >= LITERAL_LEN_MIN).then_some(required)
    }

    fn union<'a>(parts: impl Iterator<Item = &'a Required>) -> Option<Required> {
        let mut literals = Vec::new();
        let mut place = None;
        for part in parts {
            literals.extend(part.literals.iter().cloned());
            place = match place {
                Some(place) if place != part.place => Some(Place::Anywhere),
                _ => Some(part.place),
            };
        }
        Required::new(literals, place?)
    }

    /// How rare it is: about four bits a byte of the shortest, of which eight are as good as any, and one byte's worth for
    /// a fixed place. Doubling the alternatives takes away one bit, and a little more because each has to be filed.
    fn score(&self) -> u32 {
        let shortest = self.literals.iter().map(Vec::len).min().unwrap_or_default();
        let length = u32::try_from(shortest).unwrap_or(u32::MAX);
        let anchored = u32::from(self.place != Place::Anywhere);
        let doublings = self.literals.len().next_power_of_two().ilog2();
        (32 * (length.min(8) + anchored) + length).saturating_sub(10 * doublings)
    }
}

/// Leaves out what cannot stand there unless another of the literals does.
fn without_implied(literals: &[Vec<u8>], place: Place) -> Vec<Vec<u8>> {
    let implies = |long: &[u8], short: &[u8]| match place {
        Place::Start => long.starts_with(short),
        Place::End => long.ends_with(short),
        Place::Anywhere => short.is_empty() || long.windows(short.len()).any(|part| part == short),
    };
    let implied = |literal: &Vec<u8>| {
        literals
            .iter()
            .any(|other| other != literal && implies(literal, other))
    };
    literals
        .iter()
        .filter(|literal| !implied(literal))
        .cloned()
        .collect()
}

/// The best choice for each of [`BUDGETS`].
type Choices = [Option<Required>; BUDGETS.len()];

/// A part of a pattern that every match goes through, from left to right.
#[derive(Clone)]
enum Piece {
    /// One of these, at most [`LITERALS_MAX`].
    Strings(Vec<Vec<u8>>),
    /// Only at the value's start.
    Start,
    /// Only at the value's end.
    End,
    /// Anything.
    Gap,
    /// Something that contains what was chosen for it.
    Containing(Box<Choices>),
}

fn lay_out(hir: &Hir) -> Vec<Piece> {
    match hir.kind() {
        HirKind::Empty => Vec::new(),
        HirKind::Literal(Literal(bytes)) => bytes
            .iter()
            .map(|&byte| Piece::Strings(vec![vec![byte]]))
            .collect(),
        HirKind::Class(class) => vec![class_piece(class)],
        HirKind::Look(Look::Start) => vec![Piece::Start],
        HirKind::Look(Look::End) => vec![Piece::End],
        HirKind::Look(_) => Vec::new(),
        HirKind::Repetition(repetition) => lay_out_repetition(repetition),
        HirKind::Capture(capture) => lay_out(&capture.sub),
        HirKind::Concat(parts) => parts.iter().flat_map(lay_out).collect(),
        HirKind::Alternation(branches) => {
            vec![alternation_piece(
                &branches.iter().map(lay_out).collect::<Vec<_>>(),
            )]
        }
    }
}

fn class_piece(class: &Class) -> Piece {
    let Class::Bytes(class) = class else {
        return Piece::Gap;
    };
    let bytes = class.iter().flat_map(|range| range.start()..=range.end());
    let strings: Vec<_> = bytes
        .map(|byte| vec![byte])
        .take(LITERALS_MAX + 1)
        .collect();
    if strings.is_empty() || strings.len() > LITERALS_MAX {
        Piece::Gap
    } else {
        Piece::Strings(strings)
    }
}

/// The first repetitions stand next to what comes before, the last ones next to what comes after.
fn lay_out_repetition(repetition: &Repetition) -> Vec<Piece> {
    let sub = lay_out(&repetition.sub);
    if repetition.min == 0 {
        return match all_strings(&sub) {
            Some(mut strings) if repetition.max == Some(1) && strings.len() < LITERALS_MAX => {
                strings.push(Vec::new());
                vec![Piece::Strings(strings)]
            }
            _ => vec![Piece::Gap],
        };
    }
    if sub.len() > REPEATED_PIECES_MAX {
        return sub.into_iter().chain([Piece::Gap]).collect();
    }
    let fit = REPEATED_PIECES_MAX
        .checked_div(sub.len())
        .unwrap_or_default();
    let copies = usize::try_from(repetition.min).map_or(fit, |min| min.min(fit));
    let row: Vec<_> = std::iter::repeat_n(sub, copies).flatten().collect();
    if repetition.max == Some(repetition.min) && u32::try_from(copies) == Ok(repetition.min) {
        return row;
    }
    let mut pieces = row.clone();
    pieces.push(Piece::Gap);
    pieces.extend(row);
    pieces
}

fn alternation_piece(branches: &[Vec<Piece>]) -> Piece {
    if let Some(strings) = union_of_strings(branches) {
        return Piece::Strings(strings);
    }
    let branches: Vec<_> = branches.iter().map(|branch| choose(branch)).collect();
    let mut choices = Choices::default();
    for share in 0..BUDGETS.len() {
        let parts: Option<Vec<_>> = branches
            .iter()
            .map(|branch| branch.get(share)?.as_ref())
            .collect();
        let union = parts.and_then(|parts| Required::union(parts.into_iter()));
        offer(union, &mut choices);
    }
    Piece::Containing(Box::new(choices))
}

fn union_of_strings(branches: &[Vec<Piece>]) -> Option<Vec<Vec<u8>>> {
    let mut union = Vec::new();
    for branch in branches {
        union.extend(all_strings(branch)?);
        if union.len() > LITERALS_MAX {
            return None;
        }
    }
    Some(union)
}

/// All strings that the pieces stand for, if they are few.
fn all_strings(pieces: &[Piece]) -> Option<Vec<Vec<u8>>> {
    let mut all = vec![Vec::new()];
    for piece in pieces {
        let Piece::Strings(strings) = piece else {
            return None;
        };
        all = cross(&all, strings)?;
    }
    Some(all)
}

fn cross(left: &[Vec<u8>], right: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    if left.len() * right.len() > LITERALS_MAX {
        return None;
    }
    let both = left.iter().flat_map(|head| {
        right
            .iter()
            .map(move |tail| head.iter().chain(tail).copied().collect())
    });
    Some(both.collect())
}

fn choose(pieces: &[Piece]) -> Choices {
    let mut choices = Choices::default();
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Strings(_) => {
                let (before, rest) = pieces.split_at(at);
                offer_windows(before.last(), rest, &mut choices);
            }
            Piece::Containing(found) => {
                for required in found.iter().flatten() {
                    offer(Some(required.clone()), &mut choices);
                }
            }
            Piece::Start | Piece::End | Piece::Gap => {}
        }
    }
    choices
}

/// Offers the strings of the first piece, of the first two, and so on.
fn offer_windows(before: Option<&Piece>, pieces: &[Piece], choices: &mut Choices) {
    let starts = matches!(before, Some(Piece::Start));
    let mut window = vec![Vec::new()];
    for (at, piece) in pieces.iter().enumerate() {
        let Piece::Strings(strings) = piece else {
            return;
        };
        let Some(longer) = cross(&window, strings) else {
            return;
        };
        let ends = matches!(pieces.get(at + 1), Some(Piece::End));
        let place = match (starts, ends) {
            (true, _) => Place::Start,
            (false, true) => Place::End,
            (false, false) => Place::Anywhere,
        };
        offer(Required::new(longer.clone(), place), choices);
        if longer
            .iter()
            .any(|literal| literal.len() >= LITERAL_LEN_MAX)
        {
            return;
        }
        window = longer;
    }
}

/// Keeps `required` wherever it fits and beats what is there.
fn offer(required: Option<Required>, choices: &mut Choices) {
    let Some(required) = required else {
        return;
    };
    for (choice, &budget) in choices.iter_mut().zip(&BUDGETS) {
        let beats = choice
            .as_ref()
            .is_none_or(|old| required.score() > old.score());
        if required.literals.len() <= budget && beats {
            *choice = Some(required.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::random;
    use super::{Place, Required};
    use crate::front::pattern::to_hir;

    fn required(pattern: &str) -> Option<Required> {
        Required::of(&to_hir(pattern).expect(pattern))
    }

    /// The place, then the literals, each behind a space.
    fn summary(pattern: &str) -> String {
        required(pattern).map_or_else(String::new, |required| {
            let literals = required
                .literals
                .iter()
                .map(|literal| literal.escape_ascii());
            literals.fold(format!("{:?}", required.place), |all, literal| {
                format!("{all} {literal}")
            })
        })
    }

    #[test]
    fn what_patterns_require() {
        let cases = [
            ("abc", "Anywhere abc"),
            ("^abc", "Start abc"),
            ("abc$", "End abc"),
            ("^abc$", "Start abc"),
            ("(?m)^abc$", "Anywhere abc"),
            (r"\babc\b", "Anywhere abc"),
            ("^a.*bcdef", "Anywhere bcdef"),
            ("^ab.*cd$", "Start ab"),
            ("^abc|^def", "Start abc def"),
            ("^abc|def", "Anywhere abc def"),
            ("(?:^|/)admin", "Anywhere admin"),
            ("colou?r", "Anywhere color colour"),
            ("abc(?:def)*gh", "Anywhere abc"),
            ("ab+c", "Anywhere ab"),
            ("(?:ab){2,}c", "Anywhere ababc"),
            ("(?:ab)+cd", "Anywhere abcd"),
            ("(?:select|insert|sel)", "Anywhere insert sel"),
            ("[ab]c[de]", "Anywhere acd ace bcd bce"),
            (r"\d{3}abc", "Anywhere abc"),
            ("(?i)12un.", "Anywhere 12UN 12Un 12uN 12un"),
            ("abcdefghijklmnopqrst", "Anywhere abcdefghijklmnopqrst"),
            ("x[0-9]abcdefghijklmnopqrst$", "End abcdefghijklmnopqrst"),
            (r"\x00\xff", r"Anywhere \x00\xff"),
            ("(?:(?:(?:(?:ab)+)+)+)+", "Anywhere ab"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(summary(pattern), expected, "{pattern}");
        }
        let long = ["abcdefgh"; 9].concat();
        let (front, back) = (&long[..64], &long[8..]);
        assert_eq!(summary(&long), format!("Anywhere {front}"));
        assert_eq!(summary(&format!("{long}$")), format!("End {back}"));
    }

    #[test]
    fn patterns_without_a_literal_worth_looking_for() {
        let patterns = [
            "", "a", "a?b?c?d?", "(?:abc)*", "abc|d", "abc|", "^", "^$", r"\w+", ".{5}", "[^a]",
            "a.b.c", r"[a&&b]x",
        ];
        for pattern in patterns {
            assert_eq!(required(pattern), None, "{pattern}");
        }
    }

    /// Of the kind that filters for web attacks hold.
    const ATTACKS: [&str; 32] = [
        r"(?i)\bunion\b.+\bselect\b",
        r"(?i)\b(?:and|or)\b\s*\d+\s*=\s*\d+",
        r"(?i)'\s*(?:or|and)\s*'[^']*'\s*=\s*'",
        r"(?i);\s*(?:drop|truncate|alter)\s+table\b",
        r"(?i)\b(?:sleep|benchmark|pg_sleep)\s*\(",
        r"(?i)information_schema\.(?:tables|columns)",
        r"(?i)\bload_file\s*\(",
        r"(?i)into\s+(?:out|dump)file",
        r"(?i)<script[^>]*>",
        r"(?i)\bon(?:error|load|click|mouseover|focus)\s*=",
        r"(?i)javascript\s*:",
        r"(?i)<(?:iframe|object|embed|svg|math)\b",
        r"(?i)document\.(?:cookie|location|write)",
        r"(?i)expression\s*\(",
        r"(?:\.\./){2,}",
        r"(?i)(?:%2e|\.){2}(?:%2f|/|\\)",
        r"(?i)/etc/(?:passwd|shadow|hosts)",
        r"(?i)(?:boot|win)\.ini$",
        r"^/(?:proc|sys|dev)/",
        r"(?i)\.(?:bak|old|orig|swp|sql|zip)$",
        r"(?i)(?:^|[;&|`])\s*(?:cat|wget|curl|nc|bash|sh)\s",
        r"\$\([^)]*\)",
        r"(?i)\$\{jndi:(?:ldap|rmi|dns)s?://",
        r"(?i)(?:php|data|expect|phar)://",
        r"(?i)<\?(?:php|=)",
        r"(?i)\b(?:eval|assert|system|passthru|shell_exec)\s*\(",
        r"\{\{.*\}\}",
        r"(?i)<!(?:doctype|entity)[^>]*system",
        r"(?i)^(?:sqlmap|nikto|nmap|masscan|dirbuster)/",
        r"(?i)\bhttps?://(?:127\.0\.0\.1|169\.254\.169\.254|localhost)",
        r"[\r\n]\s*(?:Set-Cookie|Location)\s*:",
        r"(?i)(?:%[0-9a-f]{2}){12,}",
    ];

    #[test]
    fn most_attack_patterns_require_a_literal() {
        let found: Vec<_> = ATTACKS
            .iter()
            .filter_map(|pattern| required(pattern))
            .collect();
        let long = found
            .iter()
            .filter(|required| required.literals.iter().all(|literal| literal.len() >= 3));
        assert_eq!((found.len(), long.count()), (26, 18));
    }

    fn stands_in(required: &Required, value: &[u8]) -> bool {
        required
            .literals
            .iter()
            .any(|literal| match required.place {
                Place::Start => value.starts_with(literal),
                Place::End => value.ends_with(literal),
                Place::Anywhere => value.windows(literal.len()).any(|part| part == literal),
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Only patterns that require something and are found say anything, hence the many values and cases.
        #[test]
        fn a_literal_stands_in_every_value_in_which_the_pattern_is_found(
            pattern in random::pattern(),
            values in random::values(),
        ) {
            let Some(required) = required(&pattern) else {
                return Ok(());
            };
            let regex = random::regex(&pattern);
            for value in values.iter().filter(|value| regex.is_match(value.as_bytes())) {
                prop_assert!(stands_in(&required, value.as_bytes()), "{required:?} in {value:?}");
            }
        }
    }
}
