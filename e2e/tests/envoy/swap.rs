//! New rules while requests are under way.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use riskgate_e2e::{Connection, Envoy, Request, Stage, VMS, until};

use crate::{NO_ADMIN, NO_LOGIN, RULESET, load::streaming};

const CLIENTS: usize = 4;

/// Requests that each client sends before and after its verdict changed.
const BEFORE: usize = 200;
const AFTER: usize = 200;

/// Requests that a client sends at most: when its verdict has not changed by then, it never will.
const MOST: usize = 1_000_000;

#[test]
fn rules_change_under_load_and_no_request_fails() {
    let stage = Stage::new().unwrap();
    let pusher = stage.pusher().unwrap();
    pusher
        .publish(&stage.build(RULESET, NO_ADMIN, 1).unwrap())
        .unwrap();
    let next = stage.build(RULESET, NO_LOGIN, 2).unwrap();
    let envoy = stage.envoy(streaming(&stage, &pusher)).unwrap();
    pusher.wait_for_acks(VMS, 1).unwrap();

    let under_way = AtomicUsize::new(0);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| client(&envoy, &under_way)))
            .collect();
        let all = || Ok((under_way.load(Ordering::Relaxed) == CLIENTS).then_some(()));
        until("every client to be under way", all).unwrap();
        pusher.publish(&next).unwrap();
        for client in clients {
            client
                .join()
                .expect("a client saw only the old verdict, then only the new one");
        }
    });
    pusher.wait_for_acks(VMS, 2).unwrap();
    assert_eq!(envoy.metric("decisions.missing").unwrap(), 0);
    assert_eq!(envoy.metric("loads.refused").unwrap(), 0);
}

/// Sends on one connection, so to one worker: its verdict changes once and at one moment.
fn client(envoy: &Envoy, under_way: &AtomicUsize) {
    let mut connection = Connection::open(envoy.listener("direct").unwrap(), None).unwrap();
    let mut status = || {
        connection
            .send(&Request::get("/admin"))
            .expect("an answer to every request")
            .status
    };
    for _ in 0..BEFORE {
        assert_eq!(status(), 403, "the new verdict before there was one");
    }
    under_way.fetch_add(1, Ordering::Relaxed);
    let changed = (0..MOST).any(|_| match status() {
        403 => false,
        200 => true,
        other => panic!("neither the old verdict nor the new: {other}"),
    });
    assert!(changed, "the old verdict for {MOST} requests");
    for _ in 0..AFTER {
        assert_eq!(status(), 200, "the old verdict after the new one");
    }
}
