//! A proxy with the filter on its main thread and two workers, and the push service that it asks.

use crate::bundles::{BLOCKED, bundle, id_of, own_path};
use crate::filter::{self, bundle::EPOCH_S, configuration_with};
use crate::pusher::Pusher;
use riskgate_push_protocol::{PUSH_SERVICE, VmAnswer};
use riskgate_wasm_host::{
    CallId, FailurePolicy, Module, Outcome, Passage, Plugin, PluginId, Request, Response, Server,
    Vm,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

pub(crate) const MAIN: usize = 0;
pub(crate) const WORKERS: [usize; 2] = [1, 2];
pub(crate) const THREADS: [usize; 3] = [0, 1, 2];
/// How often the filter ticks.
pub(crate) const TICK_MS: u64 = 100;
/// The filter's configuration, after what it requires.
pub(crate) const PUSH: &str = r#","push":{"cluster":"pusher"},"on_missing":"deny""#;

pub(crate) struct Fleet {
    pub(crate) server: Server,
    pub(crate) plugin: PluginId,
    pub(crate) pusher: Rc<RefCell<Pusher>>,
}

/// What a worker does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A revision decides.
    Of(u64),
    /// The filter refuses: no rules serve.
    NoRules,
    /// The proxy refuses: there is no VM.
    NoVm,
}

pub(crate) fn module() -> Arc<Module> {
    static MODULE: OnceLock<Arc<Module>> = OnceLock::new();
    MODULE.get_or_init(|| Arc::new(filter::load())).clone()
}

pub(crate) fn plugin(more: &str) -> Plugin {
    let mut plugin = Plugin::new(module(), &configuration_with(more));
    plugin.failure_policy = FailurePolicy::Reload;
    plugin
}

impl Fleet {
    /// Its VMs have found each other, and one has the stream.
    pub(crate) fn new() -> Fleet {
        let mut fleet = Fleet::before_its_first_tick();
        fleet.pass(300);
        fleet
    }

    pub(crate) fn before_its_first_tick() -> Fleet {
        let mut server = Server::new(WORKERS.len(), EPOCH_S * 1_000_000_000);
        for (path, value) in [
            (&b"source\0address"[..], &b"192.0.2.1:5"[..]),
            (b"xds\0node\0id", b"edge"),
        ] {
            server.set_property(path, value);
        }
        let pusher = Rc::new(RefCell::new(Pusher::default()));
        let process = server.process();
        process.add_cluster(b"pusher");
        process.add_grpc_service(PUSH_SERVICE, Rc::clone(&pusher));
        let plugin = server.install(plugin(PUSH)).unwrap();
        Fleet {
            server,
            plugin,
            pusher,
        }
    }

    /// Time passes. A trap shows in the VM.
    pub(crate) fn pass(&mut self, ms: u64) {
        let mut left_ms = ms;
        while left_ms > 0 {
            let step_ms = left_ms.min(TICK_MS);
            left_ms -= step_ms;
            self.pusher.borrow_mut().tick(step_ms);
            self.flush();
            let _ = self.server.advance(step_ms);
        }
    }

    /// All that can happen without any time passing.
    pub(crate) fn settle(&mut self) {
        self.flush();
        let _ = self.server.process().deliver();
    }

    fn flush(&mut self) {
        let replies = self.pusher.borrow_mut().take_outbox();
        for (id, reply) in replies {
            self.server.process().reply_after(0, id, reply);
        }
    }

    /// A revision is published, and comes to all before any time passes.
    pub(crate) fn publish(&mut self, revision: u64) {
        self.publish_bytes(bundle(revision));
    }

    pub(crate) fn publish_bytes(&mut self, bundle: Arc<[u8]>) {
        self.pusher.borrow_mut().publish(bundle);
        self.settle();
    }

    pub(crate) fn vm(&mut self, thread: usize) -> &mut Vm {
        self.server.vm(self.plugin, thread).unwrap()
    }

    /// The number of a thread's VM in the process.
    pub(crate) fn number(&self, thread: usize) -> usize {
        self.server.vm_number(self.plugin, thread).unwrap()
    }

    pub(crate) fn stall(&mut self, thread: usize, is_stalled: bool) {
        let number = self.number(thread);
        self.server.process().set_stalled(number, is_stalled);
    }

    /// The thread whose VM has the one open stream.
    pub(crate) fn holder(&mut self) -> usize {
        let open = self.open();
        let [stream] = open[..] else {
            panic!("{open:?}");
        };
        let mut threads = THREADS.into_iter();
        threads
            .find(|thread| self.number(*thread) == stream.vm)
            .unwrap()
    }

    /// The streams that the push service knows.
    pub(crate) fn open(&self) -> Vec<CallId> {
        self.pusher.borrow().open()
    }

    /// How often a stream was opened.
    pub(crate) fn hellos(&self) -> usize {
        self.pusher.borrow().hellos.len()
    }

    /// What decides on a worker.
    pub(crate) fn verdict(&mut self, worker: usize) -> Verdict {
        let outcome = self.request(worker, BLOCKED);
        let status = outcome.status().unwrap();
        let told = outcome.stream.set_properties.get(&b"riskgate.revision"[..]);
        match (outcome.passage, status, told) {
            (Passage::Failed, 503, _) => Verdict::NoVm,
            (Passage::Filtered, 503, None) => Verdict::NoRules,
            (Passage::Filtered, 403, Some(told)) => {
                let revision = String::from_utf8(told.clone()).unwrap().parse().unwrap();
                self.check(worker, revision);
                Verdict::Of(revision)
            }
            other => panic!("{other:?}"),
        }
    }

    /// What decides is what the revision's author wrote.
    fn check(&mut self, worker: usize, revision: u64) {
        for (path, status) in [
            (own_path(revision), 403),
            (own_path(revision + 1), 200),
            (own_path(revision.wrapping_sub(1)), 200),
        ] {
            let outcome = self.request(worker, &path);
            if outcome.passage == Passage::Filtered {
                assert_eq!(
                    outcome.status(),
                    Some(status),
                    "revision {revision}, {path}"
                );
            }
        }
    }

    pub(crate) fn request(&mut self, worker: usize, path: &str) -> Outcome {
        let request = Request {
            headers: vec![
                (b":method".to_vec(), b"GET".to_vec()),
                (b":path".to_vec(), path.as_bytes().to_vec()),
            ],
            ..Request::default()
        };
        let response = |_: &_| Response {
            headers: vec![(b":status".to_vec(), b"200".to_vec())],
            ..Response::default()
        };
        self.server.exchange(self.plugin, worker, request, response)
    }

    pub(crate) fn verdicts(&mut self) -> [Verdict; 2] {
        WORKERS.map(|worker| self.verdict(worker))
    }

    /// The revision that a thread's VM says it serves; 0 is none.
    pub(crate) fn revision(&mut self, thread: usize) -> i64 {
        let proxy = self.vm(thread).proxy();
        proxy.metric("riskgate.revision").unwrap_or_default()
    }

    /// Whether the push service knows of so many VMs, all of which serve this revision.
    pub(crate) fn all_acknowledged(&self, vms: usize, revision: u64) -> bool {
        let expected = VmAnswer::Ack(id_of(&bundle(revision)));
        let reported = self.pusher.borrow().vms();
        reported.len() == vms && reported.iter().all(|vm| vm.answer == expected)
    }

    pub(crate) fn log(&mut self, thread: usize) -> String {
        let log = self.vm(thread).proxy().log.iter();
        log.map(|(_, line)| format!("{line}\n")).collect()
    }
}
