//! Counters on a real Envoy with two workers: each connection stays with one of them, and they count together.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use riskgate_e2e::{
    Connection, Envoy, HINT_HEADER, Request, STATUS_HEADER, Stage, VMS, WORKERS, until,
};

use crate::{RULESET, load::streaming};

/// How often a worker tells the others what it has counted.
const PERIOD: Duration = Duration::from_millis(100);

/// Connections on the way to both workers: more would not be opened by a kernel that spreads them evenly.
const CONNECTIONS_MAX: usize = 64;

/// Only a POST counts, so that a GET can look what became of the count.
const COUNTERS: &str = r#"
counters:
  taps:
    key: ['request.headers["x-device"]']
    count_when: request.method == "POST"
    window: 1h
  failures:
    key: ['request.headers["x-account"]']
    count_when: request.method == "POST" && response.code == 401
    window: 1h
  hints:
    key: ['request.headers["x-account"]']
    count_when: response.headers["x-upstream-hint"] == "bad"
    window: 1h
  form_failures:
    key: ['request.body.form["account"]']
    count_when: request.url_path == "/form" && response.code == 401
    window: 1h
  refusals:
    key: ['request.headers["x-device"]']
    count_when: request.method == "POST" && response.code == 429
    window: 1h
"#;

const RULES: &str = r#"
rules:
  - { id: busy, when: counters.taps > 5, then: { deny: { status: 429 } } }
  - { id: locked, when: counters.failures > 2, then: deny }
  - { id: form-locked, when: 'request.url_path == "/form" && counters.form_failures > 2', then: { deny: { status: 423 } } }
  - { id: hinted, when: counters.hints > 0, then: { deny: { status: 451 } } }
  - { id: stubborn, priority: 1, when: counters.refusals > 3, then: { deny: { status: 418 } } }
"#;

fn post(header: &str, value: &str) -> Request {
    let mut request = Request::get("/login").header(header, value);
    request.method = "POST".to_owned();
    request
}

fn status(connection: &mut Connection, request: &Request) -> u16 {
    connection.send(request).unwrap().status
}

fn counting(stage: &Stage) -> Envoy {
    let folder = stage.write_ruleset_with(RULESET, COUNTERS, RULES).unwrap();
    let bundle = stage.build_folder(&folder, 3).unwrap();
    let scenario = stage.scenario("static", RULESET).unwrap();
    stage.envoy(scenario.bundle(&bundle).unwrap()).unwrap()
}

/// Open connections of a worker.
fn connections_of(envoy: &Envoy, worker: usize) -> u64 {
    let address = envoy.listener("direct").unwrap();
    // What the bootstrap calls it: the port is chosen by the kernel.
    let name = format!(
        "listener.127.0.0.1_{}.worker_{worker}.downstream_cx_active",
        address.port()
    );
    let of_any_port = format!("listener.127.0.0.1_0.worker_{worker}.downstream_cx_active");
    let stat = |name: &str| envoy.admin().stat(name).unwrap();
    stat(&name).or_else(|| stat(&of_any_port)).unwrap_or(0)
}

/// Connections of which both workers have some, each of which has sent a request.
fn connect(envoy: &Envoy) -> Vec<Connection> {
    let address = envoy.listener("direct").unwrap();
    let mut connections = Vec::new();
    while (0..WORKERS).any(|worker| connections_of(envoy, worker) == 0) {
        assert!(
            connections.len() < CONNECTIONS_MAX,
            "a worker takes no connection"
        );
        let mut connection = Connection::open(address, None).unwrap();
        assert_eq!(status(&mut connection, &Request::get("/")), 200);
        connections.push(connection);
    }
    connections
}

/// Waits until every connection gets this answer to a GET, so every worker gives it.
fn wait_for(connections: &mut [Connection], header: &str, value: &str, expected: u16) {
    let request = Request::get("/login").header(header, value);
    for connection in connections {
        let seen = || Ok((status(connection, &request) == expected).then_some(()));
        until(&format!("{expected} for {header}: {value}"), seen).unwrap();
    }
}

#[test]
fn what_one_worker_counts_all_workers_see() {
    let stage = Stage::new().unwrap();
    let envoy = counting(&stage);
    let mut connections = connect(&envoy);
    for _ in 0..5 {
        assert_eq!(status(&mut connections[0], &post("x-device", "d1")), 200);
    }
    assert_eq!(status(&mut connections[0], &post("x-device", "d1")), 429);
    wait_for(&mut connections, "x-device", "d1", 429);
    assert_eq!(status(&mut connections[0], &post("x-device", "d2")), 200);
    assert!(envoy.metric("counters.told").unwrap() > 0);
    assert_eq!(envoy.metric("counters.failures").unwrap(), 0);
    assert_eq!(envoy.metric("counters.untold").unwrap(), 0);
    assert_eq!(envoy.metric("request_errors").unwrap(), 0);
}

#[test]
fn failed_logins_lock_an_account_in_every_worker() {
    let stage = Stage::new().unwrap();
    let envoy = counting(&stage);
    let mut connections = connect(&envoy);
    let failed = post("x-account", "a1").header(STATUS_HEADER, "401");
    let succeeded = post("x-account", "a2");
    let last = connections.len() - 1;
    for number in [0, last, 0] {
        assert_eq!(status(&mut connections[number], &failed), 401);
        assert_eq!(status(&mut connections[number], &succeeded), 200);
    }
    wait_for(&mut connections, "x-account", "a1", 403);
    for connection in &mut connections {
        assert_eq!(status(connection, &succeeded), 200);
    }
}

#[test]
fn failed_logins_lock_an_account_that_a_form_names() {
    let stage = Stage::new().unwrap();
    let envoy = counting(&stage);
    let mut connections = connect(&envoy);
    let login = |account: &str, code: &str| {
        let mut request = post("content-type", "application/x-www-form-urlencoded");
        request.path = b"/form".to_vec();
        request.body = format!("account={account}&password=x").into_bytes();
        request.header(STATUS_HEADER, code)
    };
    for _ in 0..3 {
        assert_eq!(status(&mut connections[0], &login("a1", "401")), 401);
        assert_eq!(status(&mut connections[0], &login("a2", "200")), 200);
    }
    // With another answer than 401 an attempt counts for nothing, so it may be repeated until it is refused.
    for connection in &mut connections {
        let seen = || Ok((status(connection, &login("a1", "200")) == 423).then_some(()));
        until("the account to be locked", seen).unwrap();
        assert_eq!(status(connection, &login("a2", "200")), 200);
    }
}

#[test]
fn headers_of_responses_count() {
    let stage = Stage::new().unwrap();
    let envoy = counting(&stage);
    let mut connections = connect(&envoy);
    let hinted = |hint| post("x-account", "a1").header(HINT_HEADER, hint);
    assert_eq!(status(&mut connections[0], &hinted("good")), 200);
    assert_eq!(status(&mut connections[0], &hinted("bad")), 200);
    wait_for(&mut connections, "x-account", "a1", 451);
}

#[test]
fn denied_requests_count_and_so_do_the_answers_to_them() {
    let stage = Stage::new().unwrap();
    let envoy = counting(&stage);
    let mut connection = Connection::open(envoy.listener("direct").unwrap(), None).unwrap();
    let answers: Vec<u16> = (0..10)
        .map(|_| status(&mut connection, &post("x-device", "d1")))
        .collect();
    assert_eq!(answers, [200, 200, 200, 200, 200, 429, 429, 429, 429, 418]);
}

#[test]
fn counts_go_on_under_new_rules_that_left_their_counter_as_it_was() {
    let stage = Stage::new().unwrap();
    let pusher = stage.pusher().unwrap();
    let publish = |revision, counters: &str, rules: &str| {
        let folder = stage.write_ruleset_with(RULESET, counters, rules);
        let bundle = stage.build_folder(&folder.unwrap(), revision).unwrap();
        pusher.publish(&bundle).unwrap();
    };
    publish(1, COUNTERS, RULES);
    let envoy = stage.envoy(streaming(&stage, &pusher)).unwrap();
    pusher.wait_for_acks(VMS, 1).unwrap();
    let mut connections = connect(&envoy);
    for _ in 0..5 {
        assert_eq!(status(&mut connections[0], &post("x-device", "d1")), 200);
    }
    publish(2, COUNTERS, &RULES.replace("status: 429", "status: 503"));
    pusher.wait_for_acks(VMS, 2).unwrap();
    assert_eq!(
        status(&mut connections[0], &post("x-device", "d1")),
        503,
        "the sixth"
    );
    wait_for(&mut connections, "x-device", "d1", 503);

    publish(3, &COUNTERS.replace("1h", "2h"), RULES);
    pusher.wait_for_acks(VMS, 3).unwrap();
    for connection in &mut connections {
        let request = Request::get("/").header("x-device", "d1");
        assert_eq!(
            status(connection, &request),
            200,
            "another counter begins anew"
        );
    }
}

/// So many that they take longer than a few periods.
const LIMIT: usize = 3_000;

/// What passes beyond a limit: what came to other workers within two periods of the request that reached it, and never
/// more than the limit for each of them.
#[test]
fn what_passes_beyond_a_limit_is_bounded() {
    let stage = Stage::new().unwrap();
    let rules = RULES.replace("taps > 5", &format!("taps > {LIMIT}"));
    let folder = stage.write_ruleset_with(RULESET, COUNTERS, &rules).unwrap();
    let bundle = stage.build_folder(&folder, 3).unwrap();
    let scenario = stage.scenario("static", RULESET).unwrap();
    let envoy = stage.envoy(scenario.bundle(&bundle).unwrap()).unwrap();
    let connections = connect(&envoy);

    let passed = AtomicUsize::new(0);
    let begun = Instant::now();
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let clients: Vec<_> = connections
            .into_iter()
            .map(|connection| scope.spawn(|| tap_until_denied(connection, &passed, begun)))
            .collect();
        let times = clients.into_iter().map(|client| client.join().unwrap());
        times.flatten().collect()
    });
    times.sort_unstable();
    let beyond = times.len() - LIMIT;
    let lag = times[times.len() - 1] - times[LIMIT - 1];
    println!(
        "limit {LIMIT} after {:?}, {beyond} beyond it within {lag:?}",
        times[LIMIT - 1]
    );
    assert!(beyond <= (WORKERS - 1) * LIMIT, "{beyond}");
    // A worker of a busy machine ticks late, by much more than a request takes.
    let lateness = Duration::from_millis(1_500);
    assert!(
        lag <= 2 * PERIOD + lateness,
        "{beyond} beyond the limit within {lag:?}"
    );
}

/// When each of the requests passed that did.
fn tap_until_denied(
    mut connection: Connection,
    passed: &AtomicUsize,
    begun: Instant,
) -> Vec<Duration> {
    let mut times = Vec::new();
    while status(&mut connection, &post("x-device", "d1")) == 200 {
        times.push(begun.elapsed());
        let all = passed.fetch_add(1, Ordering::Relaxed);
        assert!(all < (WORKERS + 1) * LIMIT, "the workers never agree");
    }
    times
}
