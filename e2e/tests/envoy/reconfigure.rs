//! A changed plugin configuration on a running Envoy, which makes a new root context for it in the same VMs.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use riskgate_e2e::{Bundle, Connection, Envoy, Pusher, Request, Stage, VMS, client, until};

use crate::{
    NO_ADMIN, NO_LOGIN, RULESET,
    listeners::{Listeners, wait_for_drain},
    load::{check_serves, streaming},
};

const CLIENTS: usize = 3;

/// Configurations that follow each other in one test.
const CONFIGURATIONS: usize = 6;

/// Requests that are answered under each of them at least.
const ANSWERS: usize = 40;

#[test]
fn a_new_configuration_lets_no_request_through_unfiltered() {
    let Running {
        stage,
        pusher,
        mut listeners,
        envoy,
    } = Running::new();
    reconfigure_under_load(&mut listeners, &envoy);
    pusher.wait_for_acks(VMS, 5).unwrap();

    // The streams of the last configuration are those that bring the next rules.
    pusher
        .publish(&stage.build(RULESET, NO_LOGIN, 6).unwrap())
        .unwrap();
    pusher.wait_for_acks(VMS, 6).unwrap();
    check_serves(&envoy, NO_LOGIN);
}

#[test]
fn a_new_configuration_needs_no_push_service_to_filter() {
    let Running {
        stage: _stage,
        pusher,
        mut listeners,
        envoy,
    } = Running::new();
    drop(pusher);
    reconfigure_under_load(&mut listeners, &envoy);
}

#[test]
fn an_older_bundle_in_a_new_configuration_does_not_serve_and_a_newer_one_does() {
    let Running {
        stage,
        pusher,
        mut listeners,
        envoy,
    } = Running::new();
    // So nobody can bring back what the older one would replace.
    drop(pusher);
    let mut configure = |revision: u64| {
        let bundle = stage.build(RULESET, NO_LOGIN, revision).unwrap();
        listeners.configure(&envoy, "bundle", in_base64(&bundle));
        wait_for_drain(&envoy);
    };
    assert_eq!(envoy.metric("loads.refused").unwrap(), 0);
    configure(4);
    envoy.wait_for_metric("loads.refused", VMS as u64).unwrap();
    check_serves(&envoy, NO_ADMIN);
    check_revision(&envoy, "5");

    configure(6);
    check_serves(&envoy, NO_LOGIN);
    check_revision(&envoy, "6");
}

/// Revision 5 serves in every VM, brought by the stream; without rules, requests would pass.
struct Running {
    envoy: Envoy,
    listeners: Listeners,
    pusher: Pusher,
    stage: Stage,
}

impl Running {
    fn new() -> Self {
        let stage = Stage::new().unwrap();
        let pusher = stage.pusher().unwrap();
        pusher
            .publish(&stage.build(RULESET, NO_ADMIN, 5).unwrap())
            .unwrap();
        let listeners = Listeners::new(&stage);
        let envoy = stage
            .envoy(listeners.of(streaming(&stage, &pusher)))
            .unwrap();
        pusher.wait_for_acks(VMS, 5).unwrap();
        Running {
            envoy,
            listeners,
            pusher,
            stage,
        }
    }
}

/// Every answer is the rules', before, between and after the configurations, and once only the last one is left.
fn reconfigure_under_load(listeners: &mut Listeners, envoy: &Envoy) {
    let answers = Answers::default();
    thread::scope(|scope| {
        let _ends_with_this_scope = EndsWhenDropped(&answers.end);
        for _ in 0..CLIENTS {
            scope.spawn(|| ask_for_admin(envoy, &answers));
        }
        answers.wait_for_more();
        for number in 0..CONFIGURATIONS {
            listeners.configure(envoy, "jwt_payload_key", format!("payload-{number}"));
            answers.wait_for_more();
        }
        wait_for_drain(envoy);
        answers.wait_for_more();
    });
    let total = answers.total();
    assert_eq!(
        *answers.by_status.lock().unwrap(),
        BTreeMap::from([(403, total)])
    );
    assert_eq!(envoy.metric("decisions.missing").unwrap(), 0);
    assert_eq!(envoy.metric("loads.refused").unwrap(), 0);
    check_serves(envoy, NO_ADMIN);
    check_revision(envoy, "5");
}

/// On a new connection each time: one that is kept stays with the configuration under which it was opened.
fn ask_for_admin(envoy: &Envoy, answers: &Answers) {
    let address = envoy.listener("direct").unwrap();
    while !answers.end.load(Ordering::Relaxed) {
        let answer = Connection::open(address, None)
            .and_then(|mut connection| connection.send(&Request::get("/admin")))
            .expect("an answer to every request");
        *answers
            .by_status
            .lock()
            .unwrap()
            .entry(answer.status)
            .or_default() += 1;
    }
}

/// What the clients got so far, and whether they shall go on.
#[derive(Default)]
struct Answers {
    by_status: Mutex<BTreeMap<u16, usize>>,
    end: AtomicBool,
}

impl Answers {
    fn total(&self) -> usize {
        self.by_status.lock().unwrap().values().sum()
    }

    fn wait_for_more(&self) {
        let enough = self.total() + ANSWERS;
        let reached = || Ok((self.total() >= enough).then_some(()));
        until("more answers", reached).unwrap();
    }
}

/// Threads of a scope are waited for even when the scope panics.
struct EndsWhenDropped<'a>(&'a AtomicBool);

impl Drop for EndsWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn in_base64(bundle: &Bundle) -> String {
    STANDARD.encode(bundle.read().unwrap())
}

fn check_revision(envoy: &Envoy, revision: &str) {
    assert_eq!(envoy.metric("revision").unwrap().to_string(), revision);
    let source = client();
    envoy.send_from(source, &Request::get("/item")).unwrap();
    let line = envoy.access_log().line_of(source).unwrap();
    assert_eq!(line.text("revision"), Some(revision), "{line:?}");
}
