//! The engine alone, native. The rulesets and streams are those of [`riskgate_benches::workloads`], and the storefront
//! ruleset over its corpus.
//!
//! ```text
//! cargo bench -p riskgate-benches -- selective/1000/
//! ```
//!
//! With `RISKGATE_BENCH_RECORD` set, as `cargo xtask bench engine` does, it writes the part `engine` of the record as well.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark stops where its set-up fails"
)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use riskgate_benches::measure::{self, Decisions};
use riskgate_benches::prepared::Prepared;
use riskgate_benches::record::{Measurement, Record, Run};
use riskgate_benches::workloads::{self, Stream, Suite};
use riskgate_benches::{NOW_US, bundle, check_answers, load_corpus, load_ruleset, testdata};
use riskgate_engine::ruleset::{Ruleset, Scratch};

/// The most rules, or values of a list, of a smoke run.
const QUICK_SIZE: usize = 1000;

fn main() {
    let run = Run::from_env();
    let mut criterion = criterion(run);
    let mut record = Record::begin("engine", run).expect("the machine can be described");
    storefront(&mut criterion);
    let largest = if run.is_quick() {
        QUICK_SIZE
    } else {
        usize::MAX
    };
    let filter = filter();
    for planned in workloads::plan(largest) {
        let prefix = format!("{}/{}/", planned.group, planned.size);
        if filter
            .as_ref()
            .is_none_or(|filter| prefix.starts_with(filter.as_str()))
        {
            suite(&planned.make(), planned.size, &mut criterion, &mut record);
        }
    }
    criterion.final_summary();
    if std::env::var_os("RISKGATE_BENCH_RECORD").is_some() {
        finish(record);
    }
}

fn criterion(run: Run) -> Criterion {
    let (warm_up_ms, measure_ms, samples) = if run.is_quick() {
        (20, 50, 10)
    } else {
        (200, 1000, 50)
    };
    Criterion::default()
        .warm_up_time(Duration::from_millis(warm_up_ms))
        .measurement_time(Duration::from_millis(measure_ms))
        .sample_size(samples)
        .configure_from_args()
}

/// The start of the names to run: suites of other names are not even generated.
fn filter() -> Option<String> {
    std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
}

fn storefront(criterion: &mut Criterion) {
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

fn suite(suite: &Suite, size: usize, criterion: &mut Criterion, record: &mut Record) {
    let bytes = bundle(&suite.files).expect("the ruleset compiles");
    let ruleset = riskgate_benches::load_bundle(&bytes).expect("the bundle loads");
    record.add(Measurement {
        group: "bundle".to_owned(),
        metric: "size".to_owned(),
        unit: "KiB".to_owned(),
        series: suite.group.to_owned(),
        rules: size as u64,
        value: bytes.len() as f64 / 1024.0,
        low: None,
        high: None,
        samples: 1,
    });
    for stream in &suite.streams {
        let checked = workloads::check(&ruleset, stream).expect("every answer is the expected one");
        record.answers_checked += checked;
        let timed = measure::decisions(&ruleset, &stream.cases, record.run);
        add(record, suite.group, size, stream, &timed);
        compare(
            criterion,
            &format!("{}/{size}", suite.group),
            &ruleset,
            stream,
        );
    }
}

fn add(record: &mut Record, group: &str, size: usize, stream: &Stream, timed: &Decisions) {
    let median = Measurement {
        group: group.to_owned(),
        metric: "decision, median".to_owned(),
        unit: "µs".to_owned(),
        series: stream.name.clone(),
        rules: size as u64,
        value: timed.median_ns / 1000.0,
        low: Some(timed.low_ns / 1000.0),
        high: Some(timed.high_ns / 1000.0),
        samples: timed.rounds as u64,
    };
    let p99 = Measurement {
        metric: "decision, p99".to_owned(),
        value: timed.p99_ns / 1000.0,
        low: None,
        high: None,
        samples: (timed.rounds * stream.cases.len()) as u64,
        ..median.clone()
    };
    record.add(median);
    record.add(p99);
}

/// For people who change the engine: Criterion tells whether it got faster since the last run.
fn compare(criterion: &mut Criterion, group: &str, ruleset: &Ruleset, stream: &Stream) {
    let prepared: Vec<Prepared<'_>> = stream
        .cases
        .iter()
        .map(|case| Prepared::new(&case.item))
        .collect();
    let mut scratch = Scratch::default();
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Elements(prepared.len() as u64));
    group.bench_function(&stream.name, |bencher| {
        bencher.iter(|| {
            for request in &prepared {
                request.decide(ruleset, &mut scratch, |verdict| {
                    black_box(verdict.action());
                });
            }
        });
    });
    group.finish();
}

fn finish(mut record: Record) {
    record.note(
        "A median is that of rounds over all requests of a stream, its spread their quartiles; p99 is over single decisions, \
         with the clock's own time in it.",
    );
    record.note("Rules, requests and expected answers follow from one seed; the column `rules` of a list is its length.");
    println!(
        "{}",
        record.write().expect("the record can be written").display()
    );
}
