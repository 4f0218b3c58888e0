//! Threads that tell each other what they counted, by blocks that anybody may have written in between.

use crate::model::{DISTINCT, EVENTS, Exact, hash, is_close};
use proptest::prelude::*;
use riskgate_engine::counters::{CounterDefinition, Table};

const THREADS: usize = 3;

/// What all threads see: blocks, as in a store with compare-and-swap.
type Shared = Vec<Vec<u8>>;

#[derive(Debug, Clone)]
enum Step {
    /// A thread counts a value of a key.
    Count(usize, u64, u64),
    /// A thread exchanges all blocks; with false somebody else was faster, and it has to try again later.
    Exchange(usize, bool),
    /// A thread ends, and one that knows nothing takes its place; what it had not told is lost.
    Restart(usize),
    Pause(u64),
}

fn steps(keys: u64, values: u64) -> impl Strategy<Value = Vec<Step>> {
    let thread = 0..THREADS;
    let step = prop_oneof![
        30 => (thread.clone(), 0..keys, 0..values).prop_map(|(thread, key, value)| Step::Count(thread, key, value)),
        6 => (thread.clone(), prop::bool::weighted(0.8)).prop_map(|(thread, wins)| Step::Exchange(thread, wins)),
        1 => thread.prop_map(Step::Restart),
        2 => (1..3_u64).prop_map(Step::Pause),
    ];
    prop::collection::vec(step, 1..500)
}

/// Takes in what is shared, and writes what that makes of it.
fn exchange(table: &mut Table, shared: &mut Shared, slice: u64, wins: bool) {
    for (number, block) in (0..).zip(shared.iter_mut()) {
        if !block.is_empty() {
            table.join(number, block, slice).unwrap();
        }
        if wins && table.has_changed(number) {
            table.write(number, slice, block);
            assert!(block.len() <= riskgate_engine::counters::BLOCK_LEN_MAX);
            table.set_told(number);
        }
    }
}

/// Runs the steps, tells everything, and compares what each thread reads with the counts of all, and with those that are
/// the greatest of any one thread.
fn run(definition: &CounterDefinition, steps: &[Step], holds: impl Fn(u64, u64, u64) -> bool) {
    let fresh = || Table::new(definition, true);
    let mut tables: Vec<Table> = (0..THREADS).map(|_| fresh()).collect();
    let mut shared = vec![Vec::new(); tables[0].block_count() as usize];
    // What each thread has told, and what it has counted since.
    let (mut told, mut untold) = (vec![Vec::new(); THREADS], vec![Vec::new(); THREADS]);
    let mut ended = Vec::new();
    let mut slice = 100;
    for step in steps {
        match step {
            Step::Count(thread, key, value) => {
                let value = definition.is_distinct.then_some(hash(*value));
                tables[*thread].count(hash(*key), slice, value);
                untold[*thread].push((hash(*key), slice, value));
            }
            Step::Exchange(thread, wins) => {
                exchange(&mut tables[*thread], &mut shared, slice, *wins);
                if *wins {
                    told[*thread].append(&mut untold[*thread]);
                }
            }
            Step::Restart(thread) => {
                tables[*thread] = fresh();
                untold[*thread].clear();
                ended.push(std::mem::take(&mut told[*thread]));
            }
            Step::Pause(slices) => slice += slices,
        }
    }
    for thread in (0..THREADS).chain(0..THREADS) {
        exchange(&mut tables[thread], &mut shared, slice, true);
        told[thread].append(&mut untold[thread]);
    }
    told.append(&mut ended);
    let (all, each) = models(&told);
    for (thread, table) in tables.iter_mut().enumerate() {
        assert_eq!(table.take_losses().untold, 0);
        for key in all.keys() {
            let (found, exact) = (table.read(key, slice), all.read(key, slice));
            let greatest = each.iter().map(|one| one.read(key, slice)).max();
            assert!(
                holds(found, exact, greatest.unwrap()),
                "thread {thread}, key {key:x}: {found}, exactly {exact}"
            );
        }
    }
}

fn models(told: &[Vec<(u64, u64, Option<u64>)>]) -> (Exact, Vec<Exact>) {
    let mut all = Exact::default();
    let each = told.iter().map(|events| {
        let mut one = Exact::default();
        for (key, slice, value) in events {
            all.count(*key, *slice, *value);
            one.count(*key, *slice, *value);
        }
        one
    });
    let each = each.collect();
    (all, each)
}

fn few_keys(definition: &CounterDefinition) -> CounterDefinition {
    CounterDefinition {
        max_keys: 4,
        ..*definition
    }
}

proptest! {
    #[test]
    fn threads_come_to_the_same_counts(steps in steps(20, 20)) {
        run(&EVENTS, &steps, |found, exact, _| found == exact);
    }

    #[test]
    fn threads_come_to_the_same_values(steps in steps(5, 20)) {
        run(&DISTINCT, &steps, |found, exact, _| found == exact);
    }

    /// Also where one of them, or all together, had more before.
    #[test]
    fn threads_come_to_the_same_number_where_32_values_or_less_are_left(steps in steps(2, 80)) {
        run(&DISTINCT, &steps, |found, exact, _| is_close(found, exact));
    }

    #[test]
    fn threads_never_count_too_few_events_among_too_many_keys(steps in steps(60, 20)) {
        run(&few_keys(&EVENTS), &steps, |found, exact, _| found >= exact);
    }

    /// Which values an evicted key had is forgotten, so that those of two threads cannot always be told apart.
    #[test]
    fn threads_read_no_fewer_values_than_one_has_told_among_too_many_keys(steps in steps(60, 20)) {
        run(&few_keys(&DISTINCT), &steps, |found, _, of_one| found >= of_one);
    }
}

#[test]
fn what_was_erased_is_told_again_by_any_thread_that_knows_it() {
    for definition in [EVENTS, DISTINCT] {
        let definition = CounterDefinition {
            max_keys: 4,
            ..definition
        };
        let value = definition.is_distinct.then_some(1);
        let (mut one, mut other) = (Table::new(&definition, true), Table::new(&definition, true));
        let mut shared = vec![Vec::new()];
        one.count(7, 5, value);
        exchange(&mut one, &mut shared, 5, true);
        exchange(&mut other, &mut shared, 5, true);
        shared[0].clear();
        other.set_untold(0);
        exchange(&mut other, &mut shared, 5, true);
        let mut third = Table::new(&definition, true);
        exchange(&mut third, &mut shared, 5, true);
        assert_eq!(third.read(7, 5), 1);
    }
}

#[test]
fn many_waiting_events_ask_to_be_told_and_too_many_stay_counted_here() {
    let mut table = Table::new(&EVENTS, true);
    let mut shard = (0_u64..).map(|number| number << 8);
    let mut keys = shard.by_ref().take(65);
    for key in keys.by_ref().take(31) {
        table.count(key, 5, None);
        assert_eq!(table.take_urgent(), None);
    }
    for key in keys.by_ref().take(33) {
        table.count(key, 5, None);
        assert_eq!(table.take_urgent(), Some(0));
    }
    assert_eq!(table.take_losses().untold, 0);
    let last = keys.next().unwrap();
    table.count(last, 5, None);
    assert_eq!(table.take_losses().untold, 1);
    assert_eq!(table.read(last, 5), 1);
}
