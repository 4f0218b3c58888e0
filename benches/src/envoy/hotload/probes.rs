//! Connections that tell when new rules answer on all of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use riskgate_e2e::{Connection, Request};

use super::version_path;

/// Enough that each of eight workers most likely has one.
const CONNECTIONS: usize = 16;

/// Rules that do not come in that time never will.
const PATIENCE: Duration = Duration::from_secs(120);

/// The connections.
pub(super) struct Probes(Vec<Connection>);

impl Probes {
    pub(super) fn open(to: SocketAddr) -> Result<Probes> {
        let open = |_| Connection::open(to, None);
        Ok(Probes((0..CONNECTIONS).map(open).collect::<Result<_>>()?))
    }

    /// Asks until the rules of this revision answer everywhere, and returns how long that took since `begun`.
    pub(super) fn wait_for(&mut self, revision: u64, begun: Instant) -> Result<Duration> {
        for connection in &mut self.0 {
            while !serves(connection, revision)? {
                ensure!(begun.elapsed() < PATIENCE, "revision {revision} never came");
            }
        }
        Ok(begun.elapsed())
    }

    /// How many answers a look at all of them takes.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Whether this revision's rules answer.
fn serves(connection: &mut Connection, revision: u64) -> Result<bool> {
    match connection
        .send(&Request::get(&version_path(revision)))?
        .status
    {
        403 => Ok(true),
        200 => Ok(false),
        other => anyhow::bail!("the path of revision {revision} was answered with {other}"),
    }
}
