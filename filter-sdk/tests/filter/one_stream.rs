//! The VMs of a proxy have one stream between them, whatever becomes of the VM that keeps it.

use crate::bundles::{CHANGED, PLAIN, Spec, id_of};
use crate::driver::{Driver, chunks, config, config_trusting};
use crate::proxy::SharedData;
use crate::push::ack;
use riskgate_filter_sdk::host::HostError;
use riskgate_push_protocol::{Hello, PusherMessage, Report, SubscriberMessage, VmAnswer};
use std::rc::Rc;

const PUSH: &str = r#","push":{"cluster":"pusher"}"#;

/// VMs of one proxy.
struct Process {
    shared: Rc<SharedData>,
    vms: Vec<Driver>,
}

impl Process {
    fn new(count: u8) -> Process {
        let mut process = Process {
            shared: Rc::default(),
            vms: Vec::new(),
        };
        process.shared.advance(60_000);
        for _ in 0..count {
            process.start(&config(PUSH));
        }
        process.pass(1_000);
        process
    }

    /// Another VM.
    fn start(&mut self, json: &str) {
        let number = self.vms.len() as u8 + 1;
        self.vms
            .push(Driver::of_process(&self.shared, number, json));
    }

    /// Time passes for all.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 100 {
            self.shared.advance(100);
            for vm in &mut self.vms {
                vm.tick_now();
            }
            self.settle();
        }
    }

    /// Every message reaches whom it is for.
    fn settle(&mut self) {
        while self.vms.iter_mut().any(Driver::pump) {}
    }

    /// The VM that has the stream open; panics if there is none, or more than one.
    fn holder(&self) -> usize {
        let holders = self.holders();
        assert_eq!(holders.len(), 1, "{holders:?}");
        holders[0]
    }

    fn holders(&self) -> Vec<usize> {
        let numbered = self.vms.iter().enumerate();
        let open =
            numbered.flat_map(|(number, vm)| vm.open_streams().into_iter().map(move |_| number));
        open.collect()
    }

    /// A whole bundle comes down the stream.
    fn push(&mut self, bundle: &[u8]) {
        let holder = self.holder();
        self.vms[holder].hear_offer(bundle);
        for chunk in chunks(bundle) {
            self.vms[holder].hear(&PusherMessage::Chunk(chunk));
        }
        self.settle();
    }

    /// The last report of the stream; it was sent since the last time.
    fn report(&mut self) -> Report {
        let holder = self.holder();
        let mut reports = self.vms[holder].reports();
        self.settle();
        reports.extend(self.vms[holder].reports());
        reports.pop().expect("there is news")
    }

    fn answers(&mut self) -> Vec<VmAnswer> {
        let vms = self.report().vms.into_iter();
        vms.map(|vm| vm.answer).collect()
    }

    fn statuses(&mut self) -> Vec<Option<u16>> {
        let vms = self.vms.iter_mut();
        vms.map(|vm| vm.status("/blocked")).collect()
    }
}

/// What a VM said first on its last stream.
fn hello(vm: &mut Driver) -> Hello {
    let said = vm.said().into_iter();
    let mut hellos = said.filter_map(|message| match message {
        SubscriberMessage::Hello(hello) => Some(hello),
        _ => None,
    });
    hellos.next().unwrap()
}

#[test]
fn what_comes_down_one_stream_serves_in_all_vms_before_their_next_tick() {
    let mut process = Process::new(4);
    process.vms[0].said();
    process.push(&PLAIN.bytes());
    assert_eq!(process.statuses(), [Some(403); 4]);
    let report = process.report();
    assert_eq!(report.vms.len(), 4);
    for vm in report.vms {
        assert_eq!(vm.answer, ack(&PLAIN.bytes()));
        assert_eq!(vm.held, Some(id_of(&PLAIN.bytes())));
    }
    process.push(&CHANGED.bytes());
    assert_eq!(process.statuses(), [Some(429); 4]);
    assert_eq!(process.answers(), vec![ack(&CHANGED.bytes()); 4]);
    process.pass(10_000);
    assert_eq!(process.holder(), 0);
    let opened: usize = process
        .vms
        .iter()
        .map(|vm| vm.proxy.streams.borrow().len())
        .sum();
    assert_eq!(opened, 1);
}

#[test]
fn a_holder_that_is_gone_leaves_the_stream_to_another_by_the_deadline() {
    let mut process = Process::new(3);
    process.push(&PLAIN.bytes());
    let first = process.vms.remove(0);
    // It trapped: its stream stays open, and nobody reads it.
    assert_eq!(first.open_streams(), [0]);
    process.pass(3_200);
    process.pass(500);
    let holder = process.holder();
    let hello = hello(&mut process.vms[holder]);
    assert_eq!(hello.holdings.held, Some(id_of(&PLAIN.bytes())));
    process.pass(2_000);
    assert_eq!(
        process.report().vms.len(),
        2,
        "the one that is gone is not listed any more"
    );
    process.push(&CHANGED.bytes());
    assert_eq!(process.statuses(), [Some(429); 2]);
}

#[test]
fn a_holder_that_hung_finds_the_stream_taken_and_lets_go_of_its_own() {
    let mut process = Process::new(3);
    process.push(&PLAIN.bytes());
    let hangs = process.vms.remove(0);
    process.pass(8_000);
    let newer = process.holder();
    let second = hello(&mut process.vms[newer]);
    process.push(&CHANGED.bytes());
    process.vms.insert(0, hangs);
    assert_eq!(process.holders().len(), 2, "for a moment there are two");
    // What still comes on the old stream changes nothing.
    process.vms[0].hear_offer(&PLAIN.bytes());
    process.settle();
    assert_eq!(process.statuses(), [Some(429); 3]);
    process.pass(200);
    assert_eq!(process.holder(), newer + 1);
    let first = process.vms[0].proxy.streams.borrow().len();
    assert_eq!(first, 1);
    assert!(second.epoch > 60_000_000_000);
    process.pass(1_000);
    assert_eq!(process.report().vms.len(), 3);
}

#[test]
fn a_drained_holder_gives_the_stream_away_at_once() {
    let mut process = Process::new(2);
    process.push(&PLAIN.bytes());
    let first = hello(&mut process.vms[0]).epoch;
    let drained = process.vms.remove(0);
    let Driver {
        mut filter, proxy, ..
    } = drained;
    filter.on_done(&proxy);
    // The full wait of a VM that serves already.
    process.pass(700);
    let holder = process.holder();
    let hello = hello(&mut process.vms[holder]);
    assert!(hello.epoch > first);
    assert_eq!(hello.report.vms.len(), 1);
}

#[test]
fn a_vm_that_starts_later_is_told_nothing_and_serves_what_the_others_do() {
    let mut process = Process::new(2);
    process.push(&PLAIN.bytes());
    process.start(&config(PUSH));
    assert_eq!(
        process.vms[2].status("/blocked"),
        Some(403),
        "its first request"
    );
    process.pass(200);
    assert_eq!(process.report().vms.len(), 3);
    assert_eq!(process.holder(), 0);
}

#[test]
fn another_configuration_of_a_vm_takes_its_seat() {
    let mut process = Process::new(2);
    process.push(&PLAIN.bytes());
    for number in [0, 1, 0] {
        // The new root context is there before the old one goes.
        let json = config(&format!(r#"{PUSH},"jwt_payload_key":"p{number}""#));
        process.vms[number].replace(&json);
        process.pass(1_500);
        process.holder();
    }
    process.push(&CHANGED.bytes());
    assert_eq!(
        process.statuses(),
        [Some(429); 2],
        "new root contexts are woken"
    );
    assert_eq!(
        process.answers(),
        vec![ack(&CHANGED.bytes()); 2],
        "one seat a VM"
    );
}

#[test]
fn a_vm_that_refuses_says_why_and_the_others_serve() {
    let mut process = Process::new(2);
    process.start(&config(&format!(r#"{PUSH},"min_revision":5"#)));
    // Other keys: nothing that these VMs share is of use, and nothing is said of it.
    process.start(&config_trusting(&[9], 1, PUSH));
    process.pass(500);
    process.push(&PLAIN.bytes());
    assert_eq!(process.statuses(), [Some(403), Some(403), None, None]);
    let answers = process.answers();
    assert_eq!(answers[..2], [ack(&PLAIN.bytes()), ack(&PLAIN.bytes())]);
    let VmAnswer::Nack(nack) = &answers[2] else {
        panic!("{answers:?}");
    };
    let (reason, bundle) = (&nack.reason[..], nack.bundle);
    assert_eq!(
        (reason, bundle),
        ("below-min-revision", id_of(&PLAIN.bytes()))
    );
    assert_eq!(answers[3], VmAnswer::Pending);
}

#[test]
fn a_vm_without_memory_says_so_and_tries_again() {
    let mut process = Process::new(3);
    process.push(&PLAIN.bytes());
    process.report();
    let no_memory = Some(("/page/", HostError::NoMemory));
    process.vms[2].proxy.unreadable.set(no_memory);
    process.push(&CHANGED.bytes());
    let accepted = ack(&CHANGED.bytes());
    let check_refused = |process: &mut Process| {
        assert_eq!(process.statuses(), [Some(429), Some(429), Some(403)]);
        let refused = &process.vms[2];
        assert_eq!(refused.metric("riskgate.loads.refused"), 1);
        assert_eq!(refused.log().matches("refused (no-memory)").count(), 1);
    };
    check_refused(&mut process);
    let answers = process.answers();
    assert_eq!(answers[..2], [accepted.clone(), accepted.clone()]);
    let VmAnswer::Nack(nack) = &answers[2] else {
        panic!("{answers:?}");
    };
    let said = (nack.bundle, &nack.reason[..], nack.permanent);
    assert_eq!(said, (id_of(&CHANGED.bytes()), "no-memory", false));
    // It is tried again and again, and said once.
    process.pass(30_000);
    check_refused(&mut process);
    process.vms[2].proxy.unreadable.set(None);
    process.pass(3_500);
    assert_eq!(process.statuses(), [Some(429); 3]);
    assert_eq!(process.answers(), vec![accepted; 3]);
}

#[test]
fn a_vm_that_starts_without_memory_for_the_newest_serves_the_one_before() {
    let mut process = Process::new(2);
    process.push(&PLAIN.bytes());
    process.shared.writes.borrow_mut().clear();
    process.push(&CHANGED.bytes());
    let writes = process.shared.writes.borrow().clone();
    let mut pages = writes.iter().filter(|(key, _)| key.contains("/page/"));
    let (page, _) = pages.next().expect("its own section has a page");
    process.start(&config(PUSH));
    let no_memory = (&*page.clone().leak(), HostError::NoMemory);
    process.vms[2].proxy.unreadable.set(Some(no_memory));
    process.pass(3_000);
    assert_eq!(process.statuses(), [Some(429), Some(429), Some(403)]);
    let report = process.report().vms.pop().expect("three VMs");
    assert_eq!(report.held, Some(id_of(&PLAIN.bytes())));
    let VmAnswer::Nack(nack) = report.answer else {
        panic!("{report:?}");
    };
    let said = (nack.bundle, &nack.reason[..]);
    assert_eq!(said, (id_of(&CHANGED.bytes()), "no-memory"));
}

#[test]
fn rulesets_of_one_proxy_have_streams_of_their_own() {
    let mut process = Process::new(1);
    let other = Spec {
        ruleset: "payments",
        ..CHANGED
    };
    process.start(&config(PUSH).replace("shop", "payments"));
    process.pass(500);
    assert_eq!(process.holders(), [0, 1]);
    process.vms[0].hear_bundle(&PLAIN.bytes());
    process.vms[1].hear_bundle(&other.bytes());
    process.settle();
    process.pass(500);
    assert_eq!(process.statuses(), [Some(403), Some(429)]);
    assert!(
        process
            .vms
            .iter_mut()
            .all(|vm| vm.reports().iter().all(|report| report.vms.len() == 1))
    );
}

#[test]
fn a_host_that_lets_vms_share_nothing_gives_each_a_stream() {
    let mut process = Process {
        shared: Rc::default(),
        vms: Vec::new(),
    };
    for _ in 0..2 {
        process.start(&config(PUSH));
    }
    for vm in &mut process.vms {
        let broken = [
            "shared_data_version",
            "create_shared_data",
            "shared_data",
            "register_queue",
        ];
        vm.proxy.broken.get_mut().extend(broken);
    }
    process.pass(5_000);
    assert_eq!(process.holders(), [0, 1]);
    for vm in &mut process.vms {
        let hello = hello(vm);
        assert_eq!((hello.instance.0, hello.report.vms.len()), (hello.vm.0, 1));
        vm.hear_bundle(&PLAIN.bytes());
        vm.tick();
        assert_eq!(vm.answers(), [ack(&PLAIN.bytes())]);
    }
    assert_eq!(process.statuses(), [Some(403); 2]);
}

#[test]
fn what_a_neighbour_writes_changes_no_verdict_and_heals() {
    let garbage: [&[u8]; 4] = [b"", b"x", &[0; 700], &[0xff; 3_000]];
    for forged in garbage {
        let mut process = Process::new(3);
        process.push(&PLAIN.bytes());
        let keys: Vec<String> = process.shared.values.borrow().keys().cloned().collect();
        for key in keys {
            process.shared.set(&key, forged);
        }
        // Messages in all queues, and none that was there.
        for queue in process.shared.queues.borrow_mut().iter_mut() {
            queue.messages = (0..100).map(|_| forged.to_vec()).collect();
        }
        assert_eq!(process.statuses(), [Some(403); 3]);
        process.pass(10_000);
        assert_eq!(process.statuses(), [Some(403); 3]);
        process.push(&CHANGED.bytes());
        process.pass(5_000);
        assert_eq!(process.statuses(), [Some(429); 3]);
        assert_eq!(process.report().vms.len(), 3);
        let left = process.shared.queues.borrow();
        assert!(left.iter().all(|queue| queue.messages.len() < 10));
    }
}

#[test]
fn more_vms_than_slots_serve_and_are_not_reported() {
    let mut process = Process::new(66);
    process.pass(3_000);
    process.push(&PLAIN.bytes());
    process.pass(300);
    assert_eq!(process.statuses(), [Some(403); 66]);
    assert_eq!(process.report().vms.len(), 64);
    let full = process
        .vms
        .iter()
        .filter(|vm| vm.log().contains("64 VMs of this proxy are known"));
    let metric = |vm: &Driver| vm.metric("riskgate.slots.full");
    assert_eq!(full.map(metric).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_pusher_that_comes_back_is_met_after_random_waits_by_one_vm_of_each_proxy() {
    let mut process = Process::new(3);
    process.push(&PLAIN.bytes());
    for _ in 0..5 {
        let holder = process.holder();
        let token = process.vms[holder].token();
        let Driver { filter, proxy, .. } = &mut process.vms[holder];
        filter.on_stream_close(proxy, token, 14);
        assert_eq!(process.holders(), [0; 0]);
        process.pass(31_000);
        assert_eq!(
            process.holder(),
            holder,
            "who keeps the stream opens it again"
        );
    }
}
