//! Random schedules of publications and faults: every verdict is that of a revision that was published, no VM goes back, and
//! all come to serve the newest.

use crate::bundles::BLOCKED;
use crate::filter::configuration_with;
use crate::fleet::{Fleet, MAIN, PUSH, THREADS, Verdict, WORKERS};
use proptest::prelude::*;
use riskgate_wasm_host::{Disorder, Fault, HostCall};
use std::sync::{Arc, Mutex};

/// Longer than all waits one after the other: for a lease, a stream, and a bundle that was refused for now.
const SETTLED_BY_S: u64 = 90;

#[derive(Debug, Clone)]
enum Act {
    Publish,
    /// The push service offers everybody a revision from before.
    Lag {
        revision: prop::sample::Index,
    },
    Pass {
        ms: u64,
    },
    /// A VM ends without a word.
    Trap {
        thread: usize,
    },
    /// It traps in the middle of what it does, after so many calls.
    TrapSoon {
        thread: usize,
        calls: usize,
    },
    Hang {
        thread: usize,
    },
    GoOn {
        thread: usize,
    },
    /// After so many calls of a kind, so many fail.
    Fail {
        kind: Kind,
        after: usize,
        count: usize,
    },
    /// A neighbour writes into shared data.
    Forge {
        key: prop::sample::Index,
        how: Forgery,
    },
    /// The push service ends, or is there again.
    Leave,
    Return,
    /// Other root contexts take the place of those that there are.
    Reconfigure,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Memory,
    Shared,
    Any,
}

/// No key can be deleted.
#[derive(Debug, Clone)]
enum Forgery {
    Empty,
    Cut,
    Spoil(prop::sample::Index),
    /// What stood somewhere before stands there again.
    PutBack(prop::sample::Index),
    Bytes(Vec<u8>),
}

fn act() -> impl Strategy<Value = Act> {
    let index = any::<prop::sample::Index>;
    let thread = || prop::sample::select(&THREADS[..]);
    let kind = prop::sample::select(&[Kind::Memory, Kind::Shared, Kind::Any][..]);
    let forgery = prop_oneof![
        Just(Forgery::Empty),
        Just(Forgery::Cut),
        index().prop_map(Forgery::Spoil),
        index().prop_map(Forgery::PutBack),
        prop::collection::vec(any::<u8>(), 0..80).prop_map(Forgery::Bytes),
    ];
    prop_oneof![
        6 => Just(Act::Publish),
        1 => index().prop_map(|revision| Act::Lag { revision }),
        6 => (1..4_000_u64).prop_map(|ms| Act::Pass { ms }),
        2 => thread().prop_map(|thread| Act::Trap { thread }),
        2 => (thread(), 0..60_usize).prop_map(|(thread, calls)| Act::TrapSoon { thread, calls }),
        2 => thread().prop_map(|thread| Act::Hang { thread }),
        2 => thread().prop_map(|thread| Act::GoOn { thread }),
        3 => (kind, 0..100_usize, 1..100_usize)
            .prop_map(|(kind, after, count)| Act::Fail { kind, after, count }),
        3 => (index(), forgery).prop_map(|(key, how)| Act::Forge { key, how }),
        1 => Just(Act::Leave),
        2 => Just(Act::Return),
        1 => Just(Act::Reconfigure),
    ]
}

/// The faults of calls that are to come.
#[derive(Default)]
struct Storm {
    is_paused: bool,
    /// Kind, calls until then, and how many fail then.
    fails: Option<(Kind, usize, usize)>,
    /// VM, and calls until then.
    traps: Option<(usize, usize)>,
}

impl Storm {
    fn fault(&mut self, call: &HostCall<'_>) -> Option<Fault> {
        // What fails there is a VM without a configuration, which refuses all until it gets another one.
        if self.is_paused || call.callback == "proxy_on_configure" {
            return None;
        }
        match &mut self.traps {
            Some((vm, 0)) if *vm == call.vm => {
                self.traps = None;
                return Some(Fault::Trap);
            }
            Some((vm, left)) if *vm == call.vm => *left -= 1,
            _ => {}
        }
        let (kind, after, count) = self.fails.as_mut()?;
        let is_meant = match kind {
            Kind::Memory => call.name == "proxy_on_memory_allocate",
            Kind::Shared => call.name.contains("shared"),
            Kind::Any => true,
        };
        match (is_meant, &mut *after, &mut *count) {
            (false, ..) | (true, 0, 0) => None,
            (true, 0, count) => {
                *count -= 1;
                Some(Fault::Status(10))
            }
            (true, after, _) => {
                *after -= 1;
                None
            }
        }
    }
}

/// A proxy in a storm.
struct Ship {
    fleet: Fleet,
    storm: Arc<Mutex<Storm>>,
    published: u64,
    configuration: u64,
    /// What stood under keys of shared data before.
    history: Vec<(Vec<u8>, Vec<u8>)>,
    /// What each worker's VM has served.
    served: [Option<u64>; 2],
}

impl Ship {
    fn new(seed: u64) -> Ship {
        let mut fleet = Fleet::new();
        let storm = Arc::new(Mutex::new(Storm::default()));
        let faults = Arc::clone(&storm);
        let process = fleet.server.process();
        process.on_call(move |call| faults.lock().unwrap().fault(call));
        process.set_disorder(Disorder {
            seed,
            lost_percent: 10,
            doubled_percent: 10,
        });
        Ship {
            fleet,
            storm,
            published: 0,
            configuration: 0,
            history: Vec::new(),
            served: [None; 2],
        }
    }

    fn act(&mut self, act: &Act) {
        let fleet = &mut self.fleet;
        match act {
            Act::Publish => {
                self.published += 1;
                fleet.publish(self.published);
            }
            Act::Lag { .. } if self.published == 0 => {}
            Act::Lag { revision } => {
                let revision = revision.index(self.published as usize) + 1;
                fleet.pusher.borrow_mut().is_careless = true;
                fleet.publish(revision as u64);
                fleet.pusher.borrow_mut().is_careless = false;
            }
            Act::Pass { ms } => fleet.pass(*ms),
            Act::Trap { thread } => fleet.vm(*thread).kill(),
            Act::TrapSoon { thread, calls } => {
                self.storm.lock().unwrap().traps = Some((fleet.number(*thread), *calls));
            }
            Act::Hang { thread } => fleet.stall(*thread, true),
            Act::GoOn { thread } => fleet.stall(*thread, false),
            Act::Fail { kind, after, count } => {
                self.storm.lock().unwrap().fails = Some((*kind, *after, *count));
            }
            Act::Forge { key, how } => self.forge(key, how),
            Act::Leave => fleet.pusher.borrow_mut().leave(),
            Act::Return => fleet.pusher.borrow_mut().is_away = false,
            Act::Reconfigure => {
                self.configuration += 1;
                let more = format!(r#"{PUSH},"jwt_payload_key":"p{}""#, self.configuration);
                // With a VM that traps meanwhile it fails, and the old one goes on.
                let _ = fleet
                    .server
                    .reconfigure(fleet.plugin, &configuration_with(&more));
            }
        }
        self.fleet.settle();
        let shared_data = self.fleet.server.process().shared_data();
        let keys = shared_data.keys().into_iter();
        let of_bundles = keys.filter(|key| !key.ends_with(b"/lease"));
        let values = of_bundles.filter_map(|key| Some((key.clone(), shared_data.get(&key)?.0)));
        self.history.extend(values);
    }

    fn forge(&mut self, key: &prop::sample::Index, how: &Forgery) {
        let shared_data = self.fleet.server.process().shared_data();
        let keys = shared_data.keys();
        if keys.is_empty() || self.history.is_empty() {
            return;
        }
        let key = key.get(&keys);
        let (mut held, _) = shared_data.get(key).unwrap();
        match how {
            Forgery::Empty => held.clear(),
            Forgery::Cut => held.truncate(held.len() / 2),
            Forgery::Spoil(_) if held.is_empty() => {}
            Forgery::Spoil(at) => {
                let at = at.index(held.len());
                held[at] ^= 0x10;
            }
            Forgery::PutBack(at) => {
                let (key, value) = at.get(&self.history);
                return shared_data.set(key, value);
            }
            Forgery::Bytes(bytes) => held.clone_from(bytes),
        }
        shared_data.set(key, &held);
    }

    /// What each worker does with requests, while calls fail and while they do not.
    fn check(&mut self, act: &Act) {
        for (worker, served) in WORKERS.into_iter().zip(&mut self.served) {
            let was_dead = self.fleet.vm(worker).is_dead();
            let outcome = self.fleet.request(worker, BLOCKED);
            assert!(!outcome.reached_upstream, "{act:?}");
            if was_dead || self.fleet.vm(worker).is_dead() {
                *served = None;
            }
            self.storm.lock().unwrap().is_paused = true;
            let verdict = self.fleet.verdict(worker);
            self.storm.lock().unwrap().is_paused = false;
            match verdict {
                Verdict::NoVm => *served = None,
                Verdict::NoRules => assert_eq!(*served, None, "{act:?}"),
                Verdict::Of(revision) => {
                    assert!(revision <= self.published, "{act:?}");
                    assert!(Some(revision) >= *served, "{act:?}: {served:?}, {revision}");
                    *served = Some(revision);
                }
            }
        }
    }

    /// All faults are over.
    fn settles(&mut self) {
        *self.storm.lock().unwrap() = Storm::default();
        for thread in THREADS {
            self.fleet.stall(thread, false);
        }
        self.fleet.pusher.borrow_mut().is_away = false;
        self.act(&Act::Publish);
        for _ in 0..SETTLED_BY_S {
            let verdicts = self.fleet.verdicts();
            // The main thread's VM is never loaded again.
            let vms = WORKERS.len() + usize::from(!self.fleet.vm(MAIN).is_dead());
            if verdicts == [Verdict::Of(self.published); 2]
                && self.fleet.all_acknowledged(vms, self.published)
            {
                return;
            }
            self.fleet.pass(1_000);
        }
        let reported = self.fleet.pusher.borrow().vms();
        panic!("{:?} {reported:?}", self.fleet.verdicts());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_verdict_is_wrong_and_all_come_to_the_newest(
        seed: u64,
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let mut ship = Ship::new(seed);
        for act in &acts {
            ship.act(act);
            ship.check(act);
        }
        ship.settles();
    }
}
