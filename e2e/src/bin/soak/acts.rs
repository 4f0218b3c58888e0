//! What the soak does: one act after the other, each of which ends with every VM at the newest revision.

use std::{thread, time::Duration};

use anyhow::{Context, Result, anyhow};
use riskgate_e2e::{Network, random::Random};

use crate::ground::Ground;

/// Strings in the lists of revisions: from a bundle of 2 KB to one of some 100 KB.
const LISTED: [usize; 4] = [0, 0, 100, 10_000];

/// Values that a neighbour writes, in bytes: more than a VM takes in.
const HUGE: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Swap,
    Burst,
    Partition,
    Slowness,
    Cut,
    Garbage,
    Duplicates,
    Stall,
    Kill,
    Trap,
    Hang,
    Forgery,
    Replay,
    Erasure,
    Drain,
    Theft,
    Flood,
}

/// Each with its weight.
const WEIGHTS: [(Act, usize); 17] = [
    (Act::Swap, 970),
    (Act::Burst, 10),
    (Act::Partition, 2),
    (Act::Slowness, 2),
    (Act::Cut, 1),
    (Act::Garbage, 1),
    (Act::Duplicates, 1),
    (Act::Stall, 2),
    (Act::Kill, 2),
    (Act::Trap, 2),
    (Act::Hang, 1),
    (Act::Forgery, 2),
    (Act::Replay, 2),
    (Act::Erasure, 2),
    (Act::Drain, 2),
    (Act::Theft, 2),
    (Act::Flood, 1),
];

impl Act {
    pub(crate) fn pick(random: &mut Random) -> Act {
        let total = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut place = random.below(total);
        for (act, weight) in WEIGHTS {
            match place.checked_sub(weight) {
                Some(rest) => place = rest,
                None => return act,
            }
        }
        Act::Swap
    }

    /// Does it, and returns how long the last revision took to serve everywhere.
    pub(crate) fn perform(self, ground: &mut Ground, random: &mut Random) -> Result<Duration> {
        match self {
            Act::Swap => {
                let listed = *random.pick(&LISTED);
                ground.publish(listed)?;
            }
            Act::Burst => {
                for _ in 0..2 + random.below(10) {
                    ground.publish(0)?;
                }
            }
            Act::Partition => over(ground, random, Network::Partitioned)?,
            Act::Slowness => over(ground, random, Network::Slow(100))?,
            Act::Cut => broken(ground, random, Network::Truncating(600))?,
            Act::Garbage => broken(ground, random, Network::Garbling)?,
            Act::Duplicates => broken(ground, random, Network::Duplicating)?,
            Act::Stall => {
                ground.pusher()?.stall()?;
                pause(random);
                ground.pusher()?.resume()?;
                ground.publish(0)?;
            }
            Act::Kill => {
                let pusher = ground.pusher.take().context("the pusher is down")?;
                let killed = pusher.kill();
                pause(random);
                ground.pusher = Some(killed.start()?);
                ground.publish(0)?;
            }
            Act::Trap => return trap(ground, random),
            Act::Hang => hang(ground, random)?,
            Act::Forgery => around(ground, |ground| ground.shared.overwrite(&[0xff; 300]))?,
            Act::Replay => {
                let old = ground.shared.read()?;
                ground.publish(0)?;
                ground.settle()?;
                around(ground, |ground| ground.shared.write(&old))?;
            }
            Act::Erasure => around(ground, |ground| ground.shared.overwrite(b""))?,
            Act::Drain => around(ground, |ground| ground.shared.drain())?,
            Act::Theft => around(ground, |ground| ground.shared.take_and_inject())?,
            Act::Flood => {
                around(ground, |ground| ground.shared.fill(HUGE))?;
                // The neighbour's own bytes would show as growth.
                ground.shared.fill(0)?;
            }
        }
        ground.settle()
    }
}

/// Publishes over such a network.
fn over(ground: &mut Ground, random: &mut Random, network: Network) -> Result<()> {
    ground.relay.set(network);
    ground.publish(100)?;
    pause(random);
    ground.relay.set(Network::Good);
    Ok(())
}

/// The same where connections break by it, so that the filter connects anew.
fn broken(ground: &mut Ground, random: &mut Random, network: Network) -> Result<()> {
    let connections = ground.relay.connections();
    over(ground, random, network)?;
    ground.relay.set(Network::Refusing);
    riskgate_e2e::until("another connection", || {
        Ok((ground.relay.connections() > connections).then_some(()))
    })?;
    ground.relay.set(Network::Good);
    Ok(())
}

/// Does something to the shared state before, while and after a revision comes.
fn around(ground: &mut Ground, act: impl Fn(&Ground) -> Result<()>) -> Result<()> {
    act(ground)?;
    ground.publish(100)?;
    act(ground)?;
    ground.settle()?;
    act(ground)?;
    ground.publish(0)
}

/// Envoy answers 503 until it has made the VM anew, at the first request after a second.
fn trap(ground: &mut Ground, random: &mut Random) -> Result<Duration> {
    ground.load.expect_traps(true);
    for _ in 0..1 + random.below(8) {
        ground.trap()?;
    }
    ground.publish(100)?;
    pause(random);
    ground.publish(0)?;
    let settled = ground.settle();
    ground.load.expect_traps(false);
    settled
}

/// Longer than a VM that says nothing keeps the stream, and at times than it keeps its slot.
fn hang(ground: &mut Ground, random: &mut Random) -> Result<()> {
    let hanging = ground.hang(Duration::from_millis(3_000 + random.below(3_000) as u64))?;
    ground.publish(100)?;
    pause(random);
    ground.publish(0)?;
    let woken = hanging.join().map_err(|_| anyhow!("a client panicked"))?;
    woken.context("a worker that hung")?;
    ground.publish(0)
}

fn pause(random: &mut Random) {
    thread::sleep(Duration::from_millis(50 + random.below(1_000) as u64));
}
