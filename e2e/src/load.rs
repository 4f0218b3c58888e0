//! Clients that send [`shelf_request`]s all the time and check every answer.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
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
    clients: Vec<JoinHandle<Tally>>,
}

#[derive(Default)]
struct Shared {
    ends: AtomicBool,
    answers: AtomicU64,
    /// Lowest revision that any answer may name from now on.
    floor: AtomicU64,
}

/// What the clients got.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Answers that were the verdict of one revision, by it.
    pub by_revision: BTreeMap<u64, u64>,
    /// Answers that were not, or named a revision before the floor, and requests without an answer.
    pub violations: u64,
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
        self.shared.answers.load(Ordering::SeqCst)
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
        let mut total = Tally::default();
        for client in self.clients.drain(..) {
            let tally = client.join().map_err(|_| anyhow!("a client panicked"))?;
            total.add(tally);
        }
        Ok(total)
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
        self.by_revision.values().sum::<u64>() + self.violations
    }

    fn add(&mut self, other: Tally) {
        for (revision, answers) in other.by_revision {
            *self.by_revision.entry(revision).or_default() += answers;
        }
        self.violations += other.violations;
        self.told.extend(other.told);
        self.told.truncate(TOLD);
    }

    fn violate(&mut self, what: String) {
        self.violations += 1;
        if self.told.len() < TOLD {
            self.told.push(what);
        }
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

    fn run(mut self, shared: &Shared) -> Tally {
        let mut tally = Tally::default();
        let mut number = 0;
        while !shared.ends.load(Ordering::SeqCst) {
            number += 1;
            let floor = shared.floor.load(Ordering::SeqCst);
            match self.ask(number) {
                Ok(revision) if revision < floor => {
                    tally.violate(format!(
                        "revision {revision} after {floor} served everywhere"
                    ));
                }
                Ok(revision) => *tally.by_revision.entry(revision).or_default() += 1,
                Err(error) => tally.violate(format!("{error:#}")),
            }
            shared.answers.fetch_add(1, Ordering::SeqCst);
            thread::sleep(self.pause);
        }
        tally
    }

    fn ask(&mut self, number: u64) -> Result<u64> {
        let response = self.send(number)?;
        revision_of(number, &response)
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
