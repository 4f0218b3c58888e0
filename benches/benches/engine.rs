//! The engine alone, native: decisions of the storefront ruleset over its corpus.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark stops where its set-up fails, and criterion's macros write undocumented items"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use riskgate_benches::{NOW_US, check_answers, load_corpus, load_ruleset, testdata};
use riskgate_engine::ruleset::Scratch;

fn decide(criterion: &mut Criterion) {
    let ruleset = load_ruleset(&testdata("rulesets/storefront")).expect("the ruleset compiles");
    let corpus = load_corpus(&testdata("requests/storefront.jsonl")).expect("the corpus parses");
    check_answers(&ruleset, &corpus).expect("every answer is the reviewed one");
    let mut scratch = Scratch::default();
    let mut group = criterion.benchmark_group("storefront");
    group.throughput(Throughput::Elements(corpus.len() as u64));
    group.bench_function("decide the corpus", |bencher| {
        bencher.iter(|| {
            for case in &corpus {
                case.request.with(NOW_US, |request| {
                    black_box(ruleset.decide(request, &mut scratch).action());
                });
            }
        });
    });
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
