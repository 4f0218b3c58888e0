//! The engine and the plain evaluator give the same verdict on random rulesets and requests.
//!
//! Every run takes the same cases; `PROPTEST_CASES=100000 PROPTEST_RNG_SEED=7` takes more and others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

#[path = "oracle/differential/mod.rs"]
mod differential;
#[path = "../../fuzz/src/targets/mod.rs"]
mod fuzz_targets;
mod oracle;
#[path = "oracle/tables/mod.rs"]
mod tables;
#[path = "oracle/witnesses.rs"]
mod witnesses;

use std::cell::Cell;
use std::net::IpAddr;

use oracle::builder::{atom, matches, rules, ruleset, value_of, with_x, x_header};
use oracle::check::{Both, Counting, decide_damaged};
use oracle::coverage::Coverage;
use oracle::exactly::exactly;
use oracle::generate::{
    Bytes, Case, Counted, Damage, Dice, RequestCase, body, case, counted, crowded_prefixes,
    crowded_strings, damage, derivation, knot, number_comparisons, pattern, tangle, text,
};
use oracle::{Facts, OracleVerdict, atom_holds, holds, is_json, values};
use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use riskgate_compiler::build::traced_in_memory;
use riskgate_compiler::explain::Clause;
use riskgate_compiler::ir::{Attribute, Base, Condition, Prefix, Ruleset, Test, View};
use riskgate_compiler::logic::{Setting, Truth, truth};
use riskgate_compiler::session::ExactStore;
use riskgate_engine::counters::{CounterDefinition, CounterStore as _};
use riskgate_engine::ruleset::Scratch;

#[test]
fn engine_and_oracle_give_the_same_verdict() {
    let same = |case: Case| {
        let mut scratch = Scratch::default();
        let both = Both::new(&case.ruleset);
        case.requests.iter().try_for_each(|request| {
            let (oracle, engine) = both.verdicts(request, &mut scratch);
            prop_assert_eq!(engine, oracle, "{:#?}", request);
            Ok(())
        })
    };
    hold(runner(400), &case(), same);
}

/// Over a while, with requests that count each other.
#[test]
fn engine_and_oracle_count_alike() {
    let matches = Cell::new(0);
    let same = |Counted { ruleset, requests }: Counted| {
        let both = Both::new(&ruleset);
        let (mut counting, mut by_head) = (Counting::default(), Counting::default());
        by_head.by_head = true;
        requests.iter().try_for_each(|request| {
            let (oracle, engine) = both.counted(request, &mut counting);
            prop_assert_eq!(
                &both.counted(request, &mut by_head).1,
                &engine,
                "{:#?}",
                request
            );
            let is_high = |id: &String| id.starts_with("reads-") && id.ends_with("-5");
            let high = oracle.matched.iter().filter(|id| is_high(id)).count();
            matches.set(matches.get() + high);
            prop_assert_eq!(engine, oracle, "{:#?}", request);
            Ok(())
        })
    };
    hold(runner(400), &counted(), same);
    let matches = matches.get();
    assert!(
        matches > 1_000,
        "too little is counted to prove much: {matches}"
    );
}

/// As for decisions, a filter fetches only what the ruleset says it reads of requests and responses.
#[test]
fn what_a_ruleset_does_not_need_is_not_counted() {
    let same = |Counted { ruleset, requests }: Counted| {
        let both = Both::new(&ruleset);
        let (mut whole, mut needed) = (Counting::default(), Counting::default());
        requests.iter().try_for_each(|request| {
            let (_, engine) = both.counted(request, &mut whole);
            let (_, less) = both.counted(&both.counted_needs(request), &mut needed);
            prop_assert_eq!(less, engine, "{:#?}", request);
            Ok(())
        })
    };
    hold(runner(100), &counted(), same);
}

/// A count is of a while that ends now, and is seven to eight eighths of the window long.
#[test]
fn a_window_is_as_long_as_the_language_says() {
    let is_between = |(window_ms, gaps_us): (u32, Vec<i64>)| {
        let definition = CounterDefinition {
            identity: [0; 16],
            window_ms,
            is_distinct: false,
            max_keys: 1,
        };
        let (mut store, mut times) = (ExactStore::default(), Vec::new());
        let mut now_us = 1_763_800_000_000_000;
        for gap_us in gaps_us {
            now_us += gap_us;
            let slice = definition.slice_at(now_us);
            store.count(0, 7, slice, None);
            times.push(now_us);
            let count = store.read(0, 7, slice);
            let since = |start: i64| times.iter().filter(|time| **time > start).count() as u64;
            let window_us = i64::from(window_ms) * 1_000;
            let least = since(now_us - window_us / 8 * 7);
            prop_assert!(least <= count && count <= since(now_us - window_us));
        }
        Ok(())
    };
    let windows = (1_u32..20).prop_map(|seconds| seconds * 1_000);
    let gaps = vec(0_i64..4_000_000, 1..40);
    hold(runner(300), &(windows, gaps), is_between);
}

/// Nothing of one request or ruleset shows in the verdict of the next.
#[test]
fn one_scratch_serves_rulesets_in_turn() {
    let same = |cases: [Case; 2]| {
        let both = cases.each_ref().map(|case| Both::new(&case.ruleset));
        let mut scratch = Scratch::default();
        for request in cases.iter().flat_map(|case| &case.requests) {
            for (at, both) in both.iter().enumerate() {
                let (oracle, engine) = both.verdicts(request, &mut scratch);
                prop_assert!(
                    engine == oracle,
                    "ruleset {at}: {engine:#?}\n{oracle:#?}\n{request:#?}"
                );
            }
        }
        Ok(())
    };
    hold(runner(100), &[case(), case()], same);
}

/// What the analysis claims of a condition holds for every request that is tried; and it sees through many tangles.
#[test]
fn what_is_said_to_be_never_or_always_true_is() {
    let claims = Cell::new([0; 2]);
    let claimed = |(case, condition, requests): (Case, Condition, Vec<RequestCase>)| {
        let lists = &case.ruleset.lists;
        let list = |index: usize| {
            lists
                .get(index)
                .map(|list| (&list.values, list.approximate))
        };
        let setting = Setting {
            list: &list,
            earliest_us: Some(1),
        };
        let tried = requests.iter().chain(&case.requests);
        let tried: Vec<_> = tried.filter(|request| request.time_us >= 1).collect();
        let rules = case.ruleset.rules.iter().map(|rule| &rule.when);
        for condition in rules.chain([&condition]) {
            let (claim, at) = match truth(condition, setting) {
                Truth::Open => continue,
                Truth::Never(_) => (false, 0),
                Truth::Always => (true, 1),
            };
            let mut counts = claims.get();
            counts[at] += 1;
            claims.set(counts);
            for request in &tried {
                let found =
                    request.with(|request| holds(&case.ruleset, condition, &Facts::new(request)));
                prop_assert_eq!(found, claim, "{:#?}\n{:#?}", condition, request);
            }
        }
        Ok(())
    };
    let requests = vec(knot(), 60);
    hold(runner(500), &(case(), tangle(), requests), claimed);
    let [never, always] = claims.get();
    assert!(
        never > 300 && always > 100,
        "never {never}, always {always}"
    );
}

/// A filter fetches only what the ruleset says it reads.
#[test]
fn what_a_ruleset_does_not_need_does_not_count() {
    let same = |case: Case| {
        let both = Both::new(&case.ruleset);
        case.requests.iter().try_for_each(|request| {
            let (_, engine) = both.verdicts(request, &mut Scratch::default());
            prop_assert_eq!(both.verdict_of_needed(request), engine, "{:#?}", request);
            Ok(())
        })
    };
    hold(runner(100), &case(), same);
}

/// The engine derives from hostile requests the values that the oracle derives.
#[test]
fn attributes_have_the_same_values() {
    let same = |(attribute, request): (Attribute, RequestCase)| {
        let values = request.with(|request| values(&attribute, request));
        let verdict = same_verdict(&ruleset(rules([exactly(&attribute, &values)])), &request)?;
        prop_assert_eq!(verdict.matched, ["0"], "values: {:?}", values);
        Ok(())
    };
    hold(runner(3000), &derivation(), same);
}

/// A trace tells of every atom what the oracle says of it, and conditions that were read back from a bundle mean what they
/// meant.
#[test]
fn traces_tell_the_truth() {
    let same = |case: Case| {
        let (ruleset, atoms) = traced_in_memory(&case.ruleset).unwrap();
        let mut scratch = Scratch::default();
        case.requests.iter().try_for_each(|request| {
            request.with(|request| {
                let mut store = ExactStore::default();
                ruleset.decide(request, &mut scratch);
                let found = ruleset.trace(request, &mut store, &mut scratch).atoms;
                let facts = Facts::new(request);
                for (index, (rule, ids)) in (0..).zip(case.ruleset.rules.iter().zip(&atoms)) {
                    let truths: Vec<bool> = ids.iter().map(|id| found[*id as usize]).collect();
                    let own = rule.when.atoms();
                    let expected: Vec<bool> = own
                        .map(|atom| atom_holds(&case.ruleset, atom, &facts))
                        .collect();
                    prop_assert_eq!(truths, expected, "{:?}", rule.when);
                    let entry = ruleset.rule(index).unwrap().entry;
                    let clause = Clause::of(&ruleset, entry);
                    let expected = holds(&case.ruleset, &rule.when, &facts);
                    let truth = |atom: u32| found[atom as usize];
                    prop_assert_eq!(clause.holds(&truth), expected, "{:?}", clause);
                }
                Ok(())
            })
        })
    };
    hold(runner(200), &case(), same);
}

#[test]
fn numbers_compare_alike() {
    let same = |(text, atoms): (Bytes, Vec<Condition>)| {
        same_verdict(&ruleset(rules(atoms)), &with_x(&[&text.0])).map(drop)
    };
    hold(runner(1000), &number_comparisons(), same);
}

#[test]
fn patterns_are_found_alike() {
    let same = |(patterns, texts): (Vec<String>, Vec<Bytes>)| {
        let found = |pattern: String| atom(value_of(x_header()), matches(&pattern));
        let ruleset = ruleset(rules(patterns.into_iter().map(found)));
        let both = Both::new(&ruleset);
        texts.iter().try_for_each(|text| {
            let (oracle, engine) = both.verdicts(&with_x(&[&text.0]), &mut Scratch::default());
            prop_assert_eq!(engine.matched, oracle.matched, "{:?}", text);
            Ok(())
        })
    };
    hold(
        runner(500),
        &(vec(pattern(), 1..=4), vec(text(), 1..=20)),
        same,
    );
}

/// A filter that does not wait for a body decides as if it had.
#[test]
fn a_verdict_before_the_body_holds_whatever_the_body_is() {
    let (early, late) = (Cell::new(0), Cell::new(0));
    let holds = |case: Case| {
        let both = Both::new(&case.ruleset);
        let mut scratch = Scratch::default();
        for request in &case.requests {
            let Some(head) = both.verdict_of_head(request, &mut scratch) else {
                late.set(late.get() + 1);
                continue;
            };
            early.set(early.get() + 1);
            let others = case.requests.iter().map(|other| other.body.clone());
            for body in others.chain([None, Some(Bytes(b"{".to_vec()))]) {
                let request = RequestCase {
                    body,
                    ..request.clone()
                };
                let (oracle, engine) = both.verdicts(&request, &mut scratch);
                prop_assert_eq!(&engine, &oracle, "{:#?}", request);
                prop_assert_eq!(&engine, &head, "{:#?}", request);
                prop_assert!(!both.has_malformed_body(&request, &mut scratch));
            }
        }
        Ok(())
    };
    let runner = runner(200);
    let few = runner.config().cases < 100;
    hold(runner, &case(), holds);
    let (early, late) = (early.get(), late.get());
    assert!(
        few || (early > 100 && late > 100),
        "{early} early, {late} late"
    );
}

/// The engine takes for JSON what `serde_json` does, but for the depth of it.
#[test]
fn bodies_are_json_or_not_alike() {
    let at = Attribute {
        base: Base::BodyJson("/a".to_owned()),
        transforms: Vec::new(),
        view: View::Value,
    };
    let ruleset = ruleset(rules([atom(at, Test::Present)]));
    let both = Both::new(&ruleset);
    let (good, bad) = (Cell::new(0), Cell::new(0));
    let same = |Bytes(body): Bytes| {
        let expected = is_json(&body);
        let seen = if expected { &good } else { &bad };
        seen.set(seen.get() + 1);
        let request = RequestCase {
            body: Some(Bytes(body.clone())),
            ..RequestCase::default()
        };
        let malformed = both.has_malformed_body(&request, &mut Scratch::default());
        prop_assert_eq!(malformed, !expected && !body.is_empty());
        Ok(())
    };
    hold(runner(3000), &body(), same);
    assert!(
        good.get() > 20 && bad.get() > 20,
        "{good:?} are, {bad:?} are not"
    );
}

#[test]
fn crowds_of_string_tests_hold_alike() {
    let same = |(tests, texts): (Vec<Test>, Vec<Bytes>)| {
        let holds = |test| atom(value_of(x_header()), test);
        let ruleset = ruleset(rules(tests.into_iter().map(holds)));
        let both = Both::new(&ruleset);
        texts.iter().try_for_each(|text| {
            let (oracle, engine) = both.verdicts(&with_x(&[&text.0]), &mut Scratch::default());
            prop_assert_eq!(engine.matched, oracle.matched, "{:?}", text);
            Ok(())
        })
    };
    hold(runner(20), &crowded_strings(), same);
}

#[test]
fn crowds_of_prefixes_hold_alike() {
    let same = |(sets, addresses): (Vec<Vec<Prefix>>, Vec<IpAddr>)| {
        let holds = |set| atom(value_of(Base::SourceIp), Test::InPrefixes(set));
        let ruleset = ruleset(rules(sets.into_iter().map(holds)));
        let both = Both::new(&ruleset);
        addresses.iter().try_for_each(|address| {
            let request = RequestCase {
                source_ip: Some(*address),
                ..RequestCase::default()
            };
            let (oracle, engine) = both.verdicts(&request, &mut Scratch::default());
            prop_assert_eq!(engine.matched, oracle.matched, "{}", address);
            Ok(())
        })
    };
    hold(runner(100), &crowded_prefixes(), same);
}

/// A signer's mistake, or a signer's key in the wrong hands, must not stop a proxy.
#[test]
fn damaged_sections_are_refused_or_decide_without_a_panic() {
    let loaded = Cell::new(0);
    let survives = |(case, damages): (Case, Vec<Damage>)| {
        prop_assert!(decide_damaged(&case.ruleset, &[], &case.requests));
        if decide_damaged(&case.ruleset, &damages, &case.requests) {
            loaded.set(loaded.get() + 1);
        }
        Ok(())
    };
    let runner = self::runner(400);
    let few = runner.config().cases < 100;
    hold(runner, &(case(), vec(damage(), 1..4)), survives);
    let counted = counted().prop_map(|Counted { ruleset, requests }| {
        let requests = requests.into_iter().map(|(request, _)| request).collect();
        Case { ruleset, requests }
    });
    hold(self::runner(100), &(counted, vec(damage(), 1..4)), survives);
    assert!(
        few || loaded.get() > 0,
        "nothing damaged was loaded, so nothing was shown"
    );
}

/// What a fuzzer starts from, and what it would try first.
#[test]
fn fuzz_targets_survive_their_seeds() {
    let mut dice = Dice::new(7);
    for (name, seeds) in fuzz_targets::seeds() {
        let target = match name {
            "bundle" => fuzz_targets::bundle,
            "counters" => fuzz_targets::counters,
            "text" => fuzz_targets::text,
            _ => fuzz_targets::request,
        };
        let decided = seeds.iter().filter(|seed| target(seed)).count();
        assert!(
            decided >= 10,
            "of {} seeds of {name} only {decided} got as far as a decision",
            seeds.len()
        );
        for seed in seeds {
            target(&blurred(&seed, &mut dice));
        }
    }
}

fn blurred(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..dice.between(1, 4) {
        let at = dice.below(bytes.len() + 1);
        match bytes.get_mut(at) {
            Some(byte) if dice.percent(60) => *byte = dice.byte(),
            Some(_) => drop(bytes.remove(at)),
            None => bytes.push(dice.byte()),
        }
    }
    bytes
}

#[test]
fn generated_cases_exercise_every_kind_of_test_and_action() {
    let mut runner = runner(0);
    let mut coverage = Coverage::default();
    for _ in 0..700 {
        let Case { ruleset, requests } = case().new_tree(&mut runner).unwrap().current();
        for request in requests {
            request.with(|request| coverage.record(&ruleset, request));
        }
    }
    assert_eq!(
        coverage.rarer_than(10),
        Vec::<String>::new(),
        "{coverage:#?}"
    );
}

/// What `rulec diff` prints is so; and of the edits that show in random requests it finds most by itself.
#[test]
fn witnesses_flip_and_most_edits_have_one() {
    let mut runner = runner(0);
    let tally = witnesses::run(&mut runner, 120);
    println!("{tally:?}");
    assert!(tally.flippable >= 20, "{tally:?}");
    assert!(tally.found * 4 >= tally.flippable * 3, "{tally:?}");
}

fn same_verdict(ruleset: &Ruleset, request: &RequestCase) -> Result<OracleVerdict, TestCaseError> {
    let (oracle, engine) = Both::new(ruleset).verdicts(request, &mut Scratch::default());
    prop_assert_eq!(&engine, &oracle);
    Ok(engine)
}

/// The cases of a run: the same ones every time, unless `PROPTEST_RNG_SEED` says otherwise.
fn runner(cases: u32) -> TestRunner {
    let from_environment = Config::default();
    let rng_seed = match from_environment.rng_seed {
        RngSeed::Random => RngSeed::Fixed(0x1155),
        fixed => fixed,
    };
    let cases = std::env::var("PROPTEST_CASES").map_or(cases, |_| from_environment.cases);
    TestRunner::new(Config {
        cases,
        rng_seed,
        failure_persistence: None,
        ..from_environment
    })
}

fn hold<S: Strategy>(
    mut runner: TestRunner,
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    if let Err(failure) = runner.run(strategy, property) {
        panic!("{failure}");
    }
}
