//! Random rulesets.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::option::weighted;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;
use riskgate_compiler::ir::{
    Active, Band, Canary, List, ListValues, OnExpired, Origin, Rule, Ruleset, Stage, Terminal,
};

use super::condition::{condition, key, prefix, sorted};
use super::outcome::{outcome, terminal};
use super::request::named_time_us;
use super::words::literal;

/// A random ruleset.
pub(super) fn ruleset() -> impl Strategy<Value = Ruleset> {
    let default = prop_oneof![3 => Just(Terminal::Allow), 1 => terminal(false)];
    (default, bands(), lists(), rules(), 0_usize..4, 0_usize..4).prop_map(
        |(default, bands, lists, mut rules, first_file, second_file)| {
            place(&mut rules, [first_file, first_file + second_file]);
            Ruleset {
                name: "random".to_owned(),
                ttl_s: 3600,
                on_expired: OnExpired::Keep,
                default,
                bands,
                lists,
                counters: Vec::new(),
                rules,
                custom_attributes: BTreeSet::new(),
            }
        },
    )
}

/// Few, so that a failure is small; now and then more than fit the words of a bitset.
fn rules() -> impl Strategy<Value = Vec<Rule>> {
    prop_oneof![
        40 => vec(rule(), 1..=12),
        1 => vec(rule(), 60..=140),
    ]
}

/// Gives rules their ids and places; `ends` are where the first two of three files end.
pub(super) fn place(rules: &mut [Rule], ends: [usize; 2]) {
    for (at, rule) in rules.iter_mut().enumerate() {
        let file = ends.iter().filter(|end| at >= **end).count();
        rule.id = format!("{}-{at}", ["z", "rule.of_many", "a"][at % 3]);
        rule.origin.file = format!("{file}.rules.yaml");
        rule.origin.line = u32::try_from(at + 2).expect("few rules");
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let priority = select(&[0, 0, 0, 1, 1, -1, 100, i32::MIN, i32::MAX][..]);
    (priority, stage(), active(), condition(), outcome()).prop_map(
        |(priority, stage, active, when, then)| Rule {
            id: String::new(),
            description: None,
            owner: None,
            ticket: None,
            severity: None,
            labels: Vec::new(),
            priority,
            stage,
            active,
            when,
            then,
            origin: Origin::default(),
        },
    )
}

pub(super) fn stage() -> impl Strategy<Value = Stage> {
    let share = prop_oneof![3 => Just(5_000), 1 => Just(10_000), 2 => 1_u16..=10_000];
    let canary =
        (share, vec(key(), 1..=3)).prop_map(|(share, by)| Stage::Canary(Canary { share, by }));
    prop_oneof![6 => Just(Stage::Enforce), 2 => Just(Stage::Shadow), 1 => canary]
}

fn active() -> impl Strategy<Value = Active> {
    let side = || weighted(0.5, named_time_us());
    prop_oneof![
        3 => Just(Active::default()),
        1 => (side(), side()).prop_map(|(one, other)| match (one, other) {
            (Some(one), Some(other)) if one == other => Active { from_us: Some(one), until_us: None },
            (Some(one), Some(other)) => Active { from_us: Some(one.min(other)), until_us: Some(one.max(other)) },
            (from_us, until_us) => Active { from_us, until_us },
        }),
    ]
}

pub(super) fn bands() -> impl Strategy<Value = Vec<Band>> {
    const SCORES: [i64; 8] = [-20, 0, 10, 30, 50, 80, 1 << 31, i64::MAX];
    let scores = btree_set(select(&SCORES[..]), 0..4);
    (scores, vec(terminal(false), 4)).prop_map(|(scores, thens)| {
        let highest_first = scores.into_iter().rev();
        highest_first
            .zip(thens)
            .map(|(at_least, then)| Band { at_least, then })
            .collect()
    })
}

/// Two lists of strings, then two of prefixes: see `STRING_LISTS`.
fn lists() -> impl Strategy<Value = Vec<List>> {
    let strings = || vec(literal(), 0..8).prop_map(|values| ListValues::Strings(sorted(values)));
    let prefixes = || vec(prefix(), 0..8).prop_map(|values| ListValues::Prefixes(sorted(values)));
    (strings(), strings(), prefixes(), prefixes()).prop_map(|(one, two, three, four)| {
        let named = |(at, values)| List {
            approximate: false,
            name: format!("list_{at}"),
            values,
        };
        [one, two, three, four]
            .into_iter()
            .enumerate()
            .map(named)
            .collect()
    })
}
