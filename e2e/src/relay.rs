//! A relay between Envoy and the pusher, for whatever can happen to a connection.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

/// How long a reader waits before it looks whether the network has changed.
const LOOK: Duration = Duration::from_millis(10);

/// Bytes that are passed on at once.
const PIECE_LEN: usize = 16 << 10;

/// What the network does to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Nothing.
    Good,
    /// It loses everything in both directions, and nobody is told: connections stay open, and what TCP sends again
    /// arrives when it is good again.
    Partitioned,
    /// It closes connections, and those that are opened.
    Refusing,
    /// It passes on so many bytes in 10 ms, each way.
    Slow(usize),
    /// What the pusher sends has a bit turned in each piece, in its first byte and in its last by turns.
    Garbling,
    /// What the pusher sends is cut off behind so many bytes, and then the connection is closed.
    Truncating(usize),
    /// What the pusher sends arrives twice.
    Duplicating,
}

/// Listens on a free port and passes on to the pusher what arrives there.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: SocketAddr,
    network: Mutex<Network>,
    connections: AtomicUsize,
    ends: AtomicBool,
}

impl Relay {
    /// Starts it before the server at `to`.
    pub fn start(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen as a relay")?;
        let address = listener.local_addr().context("the relay's address")?;
        let shared = Arc::new(Shared {
            to,
            network: Mutex::new(Network::Good),
            connections: AtomicUsize::new(0),
            ends: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Ok(Relay { address, shared })
    }

    /// Where Envoy finds it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens from now on, to open connections too.
    pub fn set(&self, network: Network) {
        *self.shared.network() = network;
    }

    /// Connections that were ever opened.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; when that fails there is nobody to wake.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Network {
        *self.network()
    }

    fn ends(&self) -> bool {
        self.ends.load(Ordering::SeqCst)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.ends() {
            return;
        }
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let Ok(connection) = connection else { continue };
        // Where the server does not listen, the connection is closed, as the server's machine would.
        if shared.now() != Network::Refusing
            && let Ok(server) = TcpStream::connect(shared.to)
        {
            join(&connection, &server, shared).ok();
        }
    }
}

/// Passes on in both directions, each in its own thread.
fn join(client: &TcpStream, server: &TcpStream, shared: &Arc<Shared>) -> Result<()> {
    for (from, to, is_from_server) in [(client, server, false), (server, client, true)] {
        from.set_nodelay(true)?;
        from.set_read_timeout(Some(LOOK))?;
        let pipe = Pipe {
            from: from.try_clone()?,
            to: to.try_clone()?,
            is_from_server,
            passed: 0,
            garbled: 0,
            shared: Arc::clone(shared),
        };
        thread::spawn(move || pipe.run());
    }
    Ok(())
}

struct Pipe {
    from: TcpStream,
    to: TcpStream,
    is_from_server: bool,
    /// Bytes that were passed on since the network began to cut off.
    passed: usize,
    /// Pieces that had a bit turned.
    garbled: usize,
    shared: Arc<Shared>,
}

impl Pipe {
    fn run(mut self) {
        // However it ends, both ends are told.
        let _ = self.pass_on();
        let _ = self.from.shutdown(Shutdown::Both);
        let _ = self.to.shutdown(Shutdown::Both);
    }

    fn pass_on(&mut self) -> Result<()> {
        let mut buffer = vec![0; PIECE_LEN];
        while !self.shared.ends() {
            let network = self.shared.now();
            let room = match network {
                Network::Refusing => return Ok(()),
                Network::Partitioned => {
                    thread::sleep(LOOK);
                    continue;
                }
                Network::Slow(bytes) => {
                    thread::sleep(LOOK);
                    bytes.clamp(1, PIECE_LEN)
                }
                _ => PIECE_LEN,
            };
            let piece = buffer.get_mut(..room).unwrap_or_default();
            let len = match self.from.read(piece) {
                Ok(0) => return Ok(()),
                Ok(len) => len,
                Err(error) if is_a_wait(error.kind()) => continue,
                Err(error) => return Err(error.into()),
            };
            let goes_on = self.deliver(piece.get_mut(..len).unwrap_or_default(), network)?;
            if !goes_on {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Does to a piece what the network does; false when the connection ends by it.
    fn deliver(&mut self, piece: &mut [u8], network: Network) -> Result<bool> {
        match network {
            Network::Garbling if self.is_from_server => {
                self.garbled += 1;
                let byte = match self.garbled % 2 {
                    0 => piece.first_mut(),
                    _ => piece.last_mut(),
                };
                if let Some(byte) = byte {
                    *byte ^= 1;
                }
                self.to.write_all(piece)?;
            }
            Network::Truncating(most) if self.is_from_server => {
                let left = most.saturating_sub(self.passed);
                let kept = piece.get(..left.min(piece.len())).unwrap_or_default();
                self.to.write_all(kept)?;
                self.passed += kept.len();
                return Ok(self.passed < most);
            }
            Network::Duplicating if self.is_from_server => {
                self.to.write_all(piece)?;
                self.to.write_all(piece)?;
            }
            _ => self.to.write_all(piece)?,
        }
        Ok(true)
    }
}

fn is_a_wait(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = stream.try_clone().unwrap();
                thread::spawn(move || std::io::copy(&mut reader, &mut stream));
            }
        });
        address
    }

    fn ask(relay: &Relay) -> Vec<u8> {
        let mut stream = TcpStream::connect(relay.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let mut answer = Vec::new();
        if stream.write_all(b"word").is_ok() {
            // Until the connection ends, or nothing more comes.
            let _ = stream.read_to_end(&mut answer);
        }
        answer
    }

    #[test]
    fn the_network_does_what_it_is_told() {
        let relay = Relay::start(echo()).unwrap();
        let cases: [(Network, &[u8]); 7] = [
            (Network::Good, b"word"),
            (Network::Partitioned, b""),
            (Network::Refusing, b""),
            (Network::Slow(1), b"word"),
            (Network::Garbling, b"wore"),
            (Network::Truncating(3), b"wor"),
            (Network::Duplicating, b"wordword"),
        ];
        for (network, answer) in cases {
            relay.set(network);
            assert_eq!(ask(&relay), answer, "{network:?}");
        }
        relay.set(Network::Good);
        assert_eq!(ask(&relay), b"word");
        assert_eq!(relay.connections(), 8);
    }
}
