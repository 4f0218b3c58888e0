//! A filter that is not ours, from its first VM to its last: threads, configurations, queues, streams and traps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

#[allow(dead_code, reason = "the other test binaries use the rest")]
mod example;

use example::{NOW_NS, plugin, request, response, values};
use riskgate_wasm_host::{
    CallId, Disorder, FailurePolicy, Fault, GrpcReply, GrpcService, GrpcStream, InstallError,
    Outcome, Passage, PluginId, Replies, Server,
};
use std::cell::RefCell;
use std::rc::Rc;

const WORKERS: usize = 2;
const THREADS: usize = WORKERS + 1;

fn server(configuration: &str, policy: FailurePolicy) -> (Server, PluginId) {
    let mut server = Server::new(WORKERS, NOW_NS);
    let mut plugin = plugin(configuration);
    plugin.failure_policy = policy;
    let plugin = server.install(plugin).unwrap();
    (server, plugin)
}

fn send(server: &mut Server, plugin: PluginId, worker: usize, what: &str) -> Outcome {
    server.exchange(plugin, worker, request(what), |_| response())
}

fn log(server: &mut Server, plugin: PluginId, thread: usize) -> String {
    format!("{:?}", server.vm(plugin, thread).unwrap().proxy().log)
}

#[test]
fn every_thread_ticks_and_counts_in_the_same_shared_data() {
    let (mut server, _) = server("tick=100", FailurePolicy::Closed);
    server.advance(1_000).unwrap();
    let process = server.process();
    assert_eq!(
        process.metric("ticks"),
        Some(30),
        "the canary does not tick"
    );
    assert_eq!(process.shared_data().get(b"ticks").unwrap().0, b"30");
    assert_eq!(process.now_ns(), NOW_NS + 1_000_000_000);
}

#[test]
fn a_refused_configuration_changes_nothing() {
    let (mut server, plugin) = server("tick=100", FailurePolicy::Closed);
    let root = server.root(plugin, 1);
    let refused = server.reconfigure(plugin, b"tick=50 refuse");
    assert!(matches!(refused, Err(InstallError::Refused)));
    assert_eq!(server.root(plugin, 1), root);
    server.advance(1_000).unwrap();
    assert_eq!(server.process().metric("ticks"), Some(30));
    server.reconfigure(plugin, b"tick=100").unwrap();
    assert_eq!(server.root(plugin, 1), root, "the same configuration");
}

#[test]
fn an_old_root_context_stays_until_its_last_request_is_over() {
    let (mut server, plugin) = server("tick=100", FailurePolicy::Closed);
    let id = server.begin(plugin, 1, request("")).unwrap();
    server.reconfigure(plugin, b"tick=1000").unwrap();
    server.advance(1_000).unwrap();
    // Three new ones, and the old one of the worker that has the request.
    assert_eq!(server.process().metric("ticks"), Some(3 + 10));
    server.end(id);
    server.advance(1_000).unwrap();
    assert_eq!(server.process().metric("ticks"), Some(3 + 10 + 3));
}

#[test]
fn a_root_context_that_is_not_done_says_so_later() {
    let (mut server, plugin) = server("tick=100 drain", FailurePolicy::Closed);
    server.reconfigure(plugin, b"").unwrap();
    server.advance(1_000).unwrap();
    // Each old one ticked once more, and said then that it is done.
    assert_eq!(server.process().metric("ticks"), Some(3));
}

#[test]
fn the_last_who_registers_a_queue_is_told() {
    let (mut server, plugin) = server("queue=q", FailurePolicy::Closed);
    let outcome = send(&mut server, plugin, 1, "enqueue nobody");
    let answer = values(&outcome.stream.request.headers, "x-answer");
    assert_eq!(answer, ["nobody listens"]);
    let outcome = send(&mut server, plugin, 1, "enqueue q");
    let answer = values(&outcome.stream.request.headers, "x-answer");
    assert_eq!(answer, ["told"]);
    server.advance(0).unwrap();
    for thread in 0..THREADS {
        let is_told = log(&mut server, plugin, thread).contains("from the queue: a request");
        assert_eq!(is_told, thread == WORKERS, "thread {thread}");
    }
}

#[test]
fn wake_ups_go_astray_and_messages_do_not() {
    let (mut server, plugin) = server("queue=q", FailurePolicy::Closed);
    server.process().set_disorder(Disorder {
        seed: 7,
        lost_percent: 50,
        doubled_percent: 20,
    });
    for _ in 0..100 {
        send(&mut server, plugin, 1, "enqueue q");
        server.advance(1).unwrap();
    }
    let wake_ups = server.process().metric("wake_ups").unwrap();
    assert!((40..=80).contains(&wake_ups), "{wake_ups}");
    let lines = server.vm(plugin, WORKERS).unwrap().proxy().log.len();
    let waiting = server.process().shared_queues().len(1);
    assert_eq!(lines + waiting, 100, "what was lost is the wake-up");
}

/// Says back what it hears, and remembers who left.
#[derive(Default)]
struct Echo {
    open: Vec<CallId>,
    cancelled: Vec<CallId>,
}

impl GrpcService for Echo {
    fn opened(&mut self, id: CallId, _stream: &GrpcStream, replies: &mut Replies) {
        self.open.push(id);
        replies.send(id, GrpcReply::InitialMetadata(vec![]));
    }

    fn received(&mut self, id: CallId, message: &[u8], replies: &mut Replies) {
        let text = [message, b" back"].concat();
        replies.send_after(5, id, GrpcReply::Message(text));
    }

    fn cancelled(&mut self, id: CallId) {
        self.cancelled.push(id);
    }
}

fn with_echo(policy: FailurePolicy) -> (Server, PluginId, Rc<RefCell<Echo>>) {
    let mut server = Server::new(WORKERS, NOW_NS);
    let echo = Rc::new(RefCell::new(Echo::default()));
    server.process().add_cluster(b"echo");
    server
        .process()
        .add_grpc_service("echo.Echo", Rc::clone(&echo));
    let mut plugin = plugin("stream=echo");
    plugin.failure_policy = policy;
    let plugin = server.install(plugin).unwrap();
    (server, plugin, echo)
}

#[test]
fn each_thread_has_its_stream() {
    let (mut server, plugin, echo) = with_echo(FailurePolicy::Closed);
    server.advance(4).unwrap();
    assert_eq!(server.process().metric("messages"), None);
    server.advance(1).unwrap();
    assert_eq!(server.process().metric("messages"), Some(3));
    let open = echo.borrow().open.clone();
    assert_eq!(open.len(), THREADS, "the canary's is nobody's");
    let close = GrpcReply::Close(14, b"going away".to_vec());
    server.process().reply_after(0, open[1], close);
    server.advance(0).unwrap();
    let lines = log(&mut server, plugin, open[1].vm);
    assert!(lines.contains("closed with 14: going away"), "{lines}");
    assert_eq!(echo.borrow().cancelled, [open[1]]);
    server.reconfigure(plugin, b"").unwrap();
    server.advance(0).unwrap();
    let cancelled = echo.borrow().cancelled.len();
    assert_eq!(cancelled, THREADS, "those of root contexts that are gone");
}

#[test]
fn a_vm_that_trapped_keeps_its_stream_and_hears_nothing() {
    let (mut server, plugin, echo) = with_echo(FailurePolicy::Reload);
    let trapped = send(&mut server, plugin, 1, "trap");
    assert_eq!(
        (trapped.status(), trapped.passage),
        (Some(503), Passage::Failed)
    );
    server.advance(10).unwrap();
    assert_eq!(server.process().metric("messages"), Some(2));
    assert_eq!(echo.borrow().open.len(), THREADS);
    assert!(echo.borrow().cancelled.is_empty(), "it is still open");
    // The next request, after the backoff, brings about a new VM, and the old one's stream is reset.
    let early = send(&mut server, plugin, 1, "");
    assert_eq!(early.status(), Some(503));
    server.advance(1_500).unwrap();
    let late = send(&mut server, plugin, 1, "");
    assert_eq!(
        (late.status(), late.passage),
        (Some(200), Passage::Filtered)
    );
    server.advance(10).unwrap();
    assert_eq!(echo.borrow().open.len(), THREADS + 1);
    assert_eq!(echo.borrow().cancelled.len(), 1);
}

#[test]
fn each_failure_policy_is_kept() {
    for (policy, status, passage) in [
        (FailurePolicy::Closed, 503, Passage::Failed),
        (FailurePolicy::Open, 200, Passage::Unfiltered),
        (FailurePolicy::Reload, 200, Passage::Filtered),
    ] {
        let (mut server, plugin) = server("", policy);
        server.advance(1_500).unwrap();
        let trapped = send(&mut server, plugin, 1, "trap");
        assert_eq!(trapped.status(), Some(503), "{policy:?}");
        let next = send(&mut server, plugin, 1, "refuse");
        let status = if passage == Passage::Filtered {
            403
        } else {
            status
        };
        assert_eq!(
            (next.status(), next.passage),
            (Some(status), passage),
            "{policy:?}"
        );
        let other = send(&mut server, plugin, 2, "");
        assert_eq!(other.passage, Passage::Filtered, "{policy:?}");
    }
}

#[test]
fn another_configuration_brings_back_what_trapped() {
    for policy in [
        FailurePolicy::Closed,
        FailurePolicy::Open,
        FailurePolicy::Reload,
    ] {
        let (mut server, plugin) = server("", policy);
        send(&mut server, plugin, 1, "trap");
        server.vm(plugin, 0).unwrap().kill();
        server.reconfigure(plugin, b"tick=100").unwrap();
        let next = send(&mut server, plugin, 1, "refuse");
        let seen = (next.status(), next.passage);
        assert_eq!(seen, (Some(403), Passage::Filtered), "{policy:?}");
        server.advance(1_000).unwrap();
        let ticks = server.process().metric("ticks");
        assert_eq!(ticks, Some(30), "the main thread's, too");
    }
}

#[test]
fn plugins_of_the_same_code_share_a_vm_and_its_end() {
    let mut server = Server::new(1, NOW_NS);
    let first = server.install(plugin("tick=100")).unwrap();
    let second = server.install(plugin("tick=50")).unwrap();
    assert_eq!(server.vm_number(first, 1), server.vm_number(second, 1));
    let mut other = plugin("");
    other.vm_id = "other".to_owned();
    let third = server.install(other).unwrap();
    assert_ne!(server.vm_number(first, 1), server.vm_number(third, 1));
    send(&mut server, first, 1, "trap");
    for (plugin, status) in [(first, 503), (second, 503), (third, 200)] {
        assert_eq!(send(&mut server, plugin, 1, "").status(), Some(status));
    }
}

#[test]
fn a_thread_that_hangs_goes_on_where_it_was() {
    let (mut server, plugin, echo) = with_echo(FailurePolicy::Closed);
    server.reconfigure(plugin, b"stream=echo tick=100").unwrap();
    let hung = server.vm_number(plugin, 1).unwrap();
    server.process().set_stalled(hung, true);
    server.advance(1_000).unwrap();
    assert_eq!(server.process().metric("ticks"), Some(20));
    assert_eq!(server.process().metric("messages"), Some(2));
    server.process().set_stalled(hung, false);
    server.advance(0).unwrap();
    assert_eq!(
        server.process().metric("ticks"),
        Some(21),
        "one for all that it missed"
    );
    assert_eq!(server.process().metric("messages"), Some(3));
    server.advance(1_000).unwrap();
    assert_eq!(server.process().metric("ticks"), Some(21 + 30));
    assert!(echo.borrow().open.len() >= THREADS);
}

#[test]
fn a_fault_may_depend_on_what_is_asked_for() {
    let (mut server, plugin) = server("tick=100", FailurePolicy::Closed);
    let number = server.vm_number(plugin, 2).unwrap();
    // Of one VM, each second write of one key.
    let mut writes = 0;
    server.process().on_call(move |call| {
        let is_meant = call.name == "proxy_set_shared_data" && call.vm == number;
        if is_meant && call.bytes(0) == Some(b"ticks") {
            assert!(call.bytes(2).is_some() && call.bytes(1_000).is_none());
            writes += 1;
        }
        (is_meant && writes % 2 == 0).then_some(Fault::Trap)
    });
    server.advance(150).unwrap();
    assert!(server.advance(100).is_err(), "the second one trapped");
    server.advance(800).unwrap();
    let dead: Vec<bool> = (0..THREADS)
        .map(|thread| server.vm(plugin, thread).unwrap().is_dead())
        .collect();
    assert_eq!(dead, [false, false, true]);
    assert_eq!(
        server.process().shared_data().get(b"ticks").unwrap().0,
        b"21"
    );
}

/// What a seed brings about, it brings about again.
#[test]
fn a_seed_is_an_order() {
    let run = |seed| {
        let (mut server, plugin, _echo) = with_echo(FailurePolicy::Closed);
        server.process().set_disorder(Disorder {
            seed,
            lost_percent: 0,
            doubled_percent: 0,
        });
        server.reconfigure(plugin, b"stream=echo tick=5").unwrap();
        server.advance(50).unwrap();
        let data = server.process().shared_data();
        let (count, version) = data.get(b"ticks").unwrap();
        let calls: Vec<_> = (0..THREADS)
            .map(|thread| server.vm(plugin, thread).unwrap().proxy().calls.clone())
            .collect();
        (count, version, calls)
    };
    assert_eq!(run(1), run(1));
    let orders: std::collections::BTreeSet<_> = (0..20).map(run).collect();
    assert!(orders.len() > 1, "{}", orders.len());
}
