//! Clients that send [`shelf_request`]s all the time and check every answer.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};

use crate::{
    http::{Connection, Response},
    revisions::{revision_of, shelf_request},
    wait,
};

/// A connection stays with one worker, so a client changes it now and then.
const REQUESTS_A_CONNECTION: u64 = 200;

/// Violations that are told; the others are only counted.
const TOLD: usize = 20;

/// Clients under way; dropped, they end.
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ends: AtomicBool,
    expects_traps: AtomicBool,
    tally: Mutex<Tally>,
    /// Lowest revision that any answer may name from now on.
    floor: AtomicU64,
}

/// What the clients got.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Answers that were the verdict of one revision, by it.
    pub by_revision: BTreeMap<u64, u64>,
    /// Answers that Envoy gave because a VM had trapped, while that was expected.
    pub trapped: u64,
    /// Answers that were not, or named a revision before the floor, and requests without an answer.
    pub violations: u64,
    /// Answers among these with a status of 500 or above: no verdict here has one.
    pub server_errors: u64,
    /// The first of them, a sentence each.
    pub told: Vec<String>,
}

impl Load {
    /// Starts clients of the listener at `to`, which pause between two requests.
    pub fn start(to: SocketAddr, clients: usize, pause: Duration) -> Self {
        let shared = Arc::new(Shared::default());
        let client = |_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || Client::new(to, pause).run(&shared))
        };
        Load {
            clients: (0..clients).map(client).collect(),
            shared,
        }
    }

    /// Answers so far.
    pub fn answers(&self) -> u64 {
        self.shared.tally().answers()
    }

    /// What the clients got so far.
    pub fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }

    /// Whether Envoy may answer 503 from now on because a VM has trapped.
    pub fn expect_traps(&self, expected: bool) {
        self.shared.expects_traps.store(expected, Ordering::SeqCst);
    }

    /// Waits until so many answers more have come.
    pub fn wait_for_answers(&self, more: u64) -> Result<()> {
        let enough = self.answers() + more;
        wait::until("more answers", || {
            Ok((self.answers() >= enough).then_some(()))
        })
    }

    /// From now on requests are answered by this revision or a later one. What is under way already may still be older.
    pub fn set_floor(&self, revision: u64) {
        self.shared.floor.store(revision, Ordering::SeqCst);
    }

    /// Ends the clients and returns what they got.
    pub fn finish(mut self) -> Result<Tally> {
        self.shared.ends.store(true, Ordering::SeqCst);
        for client in self.clients.drain(..) {
            client.join().map_err(|_| anyhow!("a client panicked"))?;
        }
        Ok(self.tally())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        for client in self.clients.drain(..) {
            // One that panicked is told by what it printed.
            let _ = client.join();
        }
    }
}

impl Tally {
    /// All answers, right and wrong.
    pub fn answers(&self) -> u64 {
        self.by_revision.values().sum::<u64>() + self.trapped + self.violations
    }

    fn judge(&mut self, revision: Result<u64>, floor: u64) {
        match revision {
            Ok(revision) if revision < floor => {
                self.violate(format!(
                    "revision {revision} after {floor} served everywhere"
                ));
            }
            Ok(revision) => *self.by_revision.entry(revision).or_default() += 1,
            Err(error) => self.violate(format!("{error:#}")),
        }
    }

    fn violate(&mut self, what: String) {
        self.violations += 1;
        if self.told.len() < TOLD {
            self.told.push(what);
        }
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Client {
    to: SocketAddr,
    pause: Duration,
    connection: Option<Connection>,
    /// Requests on this connection.
    sent: u64,
}

impl Client {
    fn new(to: SocketAddr, pause: Duration) -> Self {
        Client {
            to,
            pause,
            connection: None,
            sent: 0,
        }
    }

    fn run(mut self, shared: &Shared) {
        let mut number = 0;
        while !shared.ends.load(Ordering::SeqCst) {
            number += 1;
            let floor = shared.floor.load(Ordering::SeqCst);
            let expects_traps = || shared.expects_traps.load(Ordering::SeqCst);
            let expected_before = expects_traps();
            let answer = self.send(number);
            // What was expected at any time while the request was under way.
            let traps = expected_before || expects_traps();
            let mut tally = shared.tally();
            match answer {
                Ok(answer) if traps && is_of_a_trap(&answer) => tally.trapped += 1,
                Ok(answer) => {
                    tally.server_errors += u64::from(answer.status >= 500);
                    tally.judge(revision_of(number, &answer), floor);
                }
                Err(error) => tally.violate(format!("{error:#}")),
            }
            drop(tally);
            thread::sleep(self.pause);
        }
    }

    /// A server may close a connection that is idle just when a request is on its way: as every client does, this one then
    /// sends it again on a new connection, and only then.
    fn send(&mut self, number: u64) -> Result<Response> {
        let was_used = self.sent > 0 && self.connection.is_some();
        match self.send_once(number) {
            Err(_) if was_used => self.send_once(number),
            sent => sent,
        }
    }

    fn send_once(&mut self, number: u64) -> Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.sent = 0;
                Connection::open(self.to, None)?
            }
        };
        let response = connection
            .send(&shelf_request(number))
            .context("a request without an answer")?;
        self.sent += 1;
        let closes = response.header("connection") == Some(b"close");
        if !closes && self.sent < REQUESTS_A_CONNECTION {
            self.connection = Some(connection);
        }
        Ok(response)
    }
}

/// Envoy answers so in place of a VM that has trapped; the filter's own refusals have a body.
fn is_of_a_trap(answer: &Response) -> bool {
    answer.status == 503 && answer.body.is_empty()
}
