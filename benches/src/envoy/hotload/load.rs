//! Clients that ask all the time, and check that nothing fails while rules change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use riskgate_e2e::{Connection, Request};

const CLIENTS: usize = 2;

/// So a client sends up to a thousand requests a second.
const PAUSE: Duration = Duration::from_millis(1);

/// A path that no rule denies.
const PATH: &str = "/nothing-to-see";

/// Clients under way.
pub(super) struct Load {
    ends: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    pub(super) fn start(to: SocketAddr) -> Load {
        let (ends, answers) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let client = |_| {
            let (ends, answers) = (Arc::clone(&ends), Arc::clone(&answers));
            thread::spawn(move || ask(to, &ends, &answers))
        };
        Load {
            clients: (0..CLIENTS).map(client).collect(),
            ends,
            answers,
        }
    }

    /// Ends them, and returns how many answers they got.
    pub(super) fn finish(self) -> Result<u64> {
        self.ends.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        Ok(self.answers.load(Ordering::Relaxed))
    }
}

fn ask(to: SocketAddr, ends: &AtomicBool, answers: &AtomicU64) -> Result<()> {
    let mut connection = Connection::open(to, None)?;
    while !ends.load(Ordering::Relaxed) {
        let status = connection.send(&Request::get(PATH))?.status;
        ensure!(status == 200, "{PATH} was answered with {status}");
        answers.fetch_add(1, Ordering::Relaxed);
        thread::sleep(PAUSE);
    }
    Ok(())
}
