//! Random rulesets with counters, and the requests of a while.

use proptest::collection::{SizeRange, vec};
use proptest::option::weighted;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::strategy::BoxedStrategy;
use riskgate_compiler::ir::{
    Atom, Attribute, Base, Comparison, Condition, Counter, Number, Rule, Ruleset, Test, View,
};
use riskgate_engine::response::Response;

use super::condition::{condition, key, plain, string_test, transforms};
use super::number::comparison;
use super::request::{Bytes, RequestCase, header, pairs, request};
use super::ruleset::ruleset;
use super::{Dice, plant};
use crate::oracle::builder::rule;

/// What a request was answered with.
#[derive(Debug, Clone)]
pub(crate) struct ResponseCase {
    pub(crate) code: Option<u16>,
    pub(crate) headers: Vec<(Bytes, Bytes)>,
}

impl ResponseCase {
    /// Calls back with the borrowed form.
    pub(crate) fn with<R>(&self, use_response: impl FnOnce(&Response<'_>) -> R) -> R {
        use_response(&Response {
            code: self.code,
            headers: &pairs(&self.headers),
        })
    }
}

/// A ruleset with counters, and requests with their responses in the order of time.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) ruleset: Ruleset,
    pub(crate) requests: Vec<(RequestCase, Option<ResponseCase>)>,
}

/// A random case of a while.
pub(crate) fn counted() -> impl Strategy<Value = Counted> {
    counted_of(8..40)
}

/// With this many requests: few come again and again, so that their keys are counted.
pub(crate) fn counted_of(requests: impl Into<SizeRange>) -> impl Strategy<Value = Counted> {
    let stock = vec((request(), vec(plant::plant(), 0..5)), 1..=3);
    let steps = vec(
        (any::<Index>(), gap_us(), weighted(0.8, response())),
        requests,
    );
    let uses = vec((0_u8..5, any::<Index>(), reading()), 6);
    let ruleset = (ruleset(), vec(counter(), 1..=4), uses);
    (ruleset, stock, steps).prop_map(|((mut ruleset, counters, uses), stock, steps)| {
        add_counters(&mut ruleset, counters, &uses);
        let mut time_us = 1_763_800_000_000_000;
        let requests = steps.into_iter().map(|(which, gap_us, response)| {
            let (mut request, plants) = which.get(&stock).clone();
            for planted in &plants {
                plant::apply(&mut request, planted, &ruleset);
            }
            time_us += gap_us;
            request.time_us = time_us;
            (request, response)
        });
        Counted {
            requests: requests.collect(),
            ruleset,
        }
    })
}

/// A ruleset that counts, from another.
pub(crate) fn with_counters(mut ruleset: Ruleset, dice: &mut Dice) -> Ruleset {
    let counters = (0..6).map(|_| dice.draw(&counter())).collect();
    let uses: Vec<_> = (0..6)
        .map(|_| dice.draw(&(0_u8..5, any::<Index>(), reading())))
        .collect();
    add_counters(&mut ruleset, counters, &uses);
    ruleset
}

/// Some rules read counters beside what they ask of the request, and for each counter some do nothing else, so that its
/// value shows.
fn add_counters(ruleset: &mut Ruleset, mut counters: Vec<Counter>, uses: &[(u8, Index, Test)]) {
    for (at, counter) in counters.iter_mut().enumerate() {
        counter.name = format!("counter_{at}");
    }
    for (rule, (way, which, test)) in ruleset.rules.iter_mut().zip(uses.iter().cycle()) {
        let reads = reads(which.index(counters.len()), test.clone());
        let own = rule.when.clone();
        rule.when = match way {
            0 => Condition::All(vec![reads, own]),
            1 => Condition::Any(vec![own, reads]),
            2 => Condition::All(vec![own, Condition::Not(Box::new(reads))]),
            _ => own,
        };
    }
    for counter in 0..counters.len() {
        for least in [1, 2, 3, 5, 8] {
            let test = Test::Compare(Comparison::GreaterOrEqual, Number::Int(least));
            let id = format!("reads-{counter}-{least}");
            let reads: Rule = rule(&id, reads(counter, test));
            ruleset.rules.push(reads);
        }
    }
    ruleset.counters = counters;
}

fn reads(counter: usize, test: Test) -> Condition {
    Condition::Atom(Atom {
        attribute: plain(Base::Counter(counter)),
        test,
    })
}

fn reading() -> impl Strategy<Value = Test> {
    let number = prop_oneof![
        8 => (-1_i64..6).prop_map(Number::Int),
        1 => select(&[0.5, 2.0, -3.5, 1e30][..]).prop_map(Number::Double),
    ];
    (comparison(), number).prop_map(|(comparison, number)| Test::Compare(comparison, number))
}

fn counter() -> impl Strategy<Value = Counter> {
    let window_ms = select(&[1_000, 3_000, 10_000, 86_400_000][..]);
    let parts = prop_oneof![4 => vec(key(), 1), 2 => vec(key(), 2), 1 => vec(key(), 3..=8)];
    (parts, count_when(), weighted(0.3, key()), window_ms).prop_map(
        |(key, count_when, distinct, window_ms)| Counter {
            name: String::new(),
            key,
            count_when,
            distinct,
            window_ms,
            max_keys: 1_000,
        },
    )
}

fn count_when() -> BoxedStrategy<Condition> {
    let response = || response_atom().prop_map(Condition::Atom);
    let joined = || (condition(), response());
    prop_oneof![
        3 => Just(Condition::Constant(true)),
        3 => condition(),
        2 => response(),
        1 => response().prop_map(|atom| Condition::Not(Box::new(atom))),
        2 => joined().prop_map(|(one, other)| Condition::All(vec![one, other])),
        2 => joined().prop_map(|(one, other)| Condition::Any(vec![one, other])),
        1 => (joined(), response()).prop_map(|((one, two), three)| {
            Condition::Any(vec![Condition::All(vec![one.clone(), two]), Condition::Not(Box::new(Condition::Any(vec![three, one])))])
        }),
    ]
    .boxed()
}

fn response_atom() -> impl Strategy<Value = Atom> {
    let code = prop_oneof![
        1 => Just(Test::Present),
        6 => (comparison(), select(&[199, 200, 401, 404, 503][..]))
            .prop_map(|(comparison, code)| Test::Compare(comparison, Number::Int(code))),
    ];
    let code = code.prop_map(|test| Atom {
        attribute: plain(Base::ResponseCode),
        test,
    });
    let name = || select(&["x-a", "x-n", "x-missing"][..]);
    let header = move |name: &str, transforms, view| Attribute {
        base: Base::ResponseHeader(name.to_owned()),
        transforms,
        view,
    };
    let text = (name(), transforms(), string_test()).prop_map(move |(name, transforms, test)| {
        let attribute = header(name, transforms, View::Value);
        Atom { attribute, test }
    });
    let view = select(&[View::Int, View::Length, View::Size][..]);
    let number = (name(), view, reading()).prop_map(move |(name, view, test)| {
        let attribute = header(name, Vec::new(), view);
        Atom { attribute, test }
    });
    prop_oneof![3 => code.boxed(), 3 => text.boxed(), 1 => number.boxed()]
}

fn response() -> impl Strategy<Value = ResponseCase> {
    let code = weighted(0.9, select(&[200, 401, 404, 500][..]));
    let headers = vec(header(), 0..5);
    (code, headers).prop_map(|(code, headers)| ResponseCase { code, headers })
}

/// Within a slice, to the next, to the end of a window and beyond.
fn gap_us() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => select(&[0, 1, 124_999, 125_000][..]),
        2 => select(&[374_999, 375_000, 876_000, 1_250_000][..]),
        1 => select(&[7_000_000, 10_800_000_000][..]),
    ]
}
