//! The load: HTTP/1.1 over a few connections that are kept, one request at a time on each.
//!
//! A batch of requests is written to as many connections before the first answer is read, so that Envoy finds work
//! whenever it looks, and a batch shares what waking up costs.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, Socket, Type};

use super::traffic::{WireRequest, Workload};

/// Requests on the way at the same time.
pub(super) const BATCH: usize = 16;
/// A request that is not answered must end the run, not hang it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Envoy's answers have no body, and a dozen headers at most.
const ANSWER_LEN_MAX: usize = 4096;

/// Sends the requests of a workload to one Envoy, again and again from the first to the last.
pub(super) struct Client {
    /// By the index of the source.
    connections: Vec<Connection>,
    next: usize,
}

impl Client {
    /// Opens a connection from each source.
    pub(super) fn open(to: SocketAddr, sources: &[Ipv4Addr]) -> Result<Client> {
        let connections = sources.iter().map(|source| Connection::open(to, *source));
        Ok(Client {
            connections: connections.collect::<Result<_>>()?,
            next: 0,
        })
    }

    /// Sends the next `count` requests. An answer with another status than the plain evaluator says is an error; where no
    /// filter enforces the rules, all are 200.
    pub(super) fn run(&mut self, workload: &Workload, enforced: bool, count: usize) -> Result<()> {
        let mut left = count;
        while left > 0 {
            let batch = self.next_batch(workload, left.min(BATCH));
            for request in &batch {
                self.connection(request)?.send(request)?;
            }
            for request in &batch {
                let expected = match enforced && request.denied {
                    true => 403,
                    false => 200,
                };
                let status = self.connection(request)?.receive()?;
                ensure!(
                    status == expected,
                    "answered {status}, and {expected} is right:\n{}",
                    String::from_utf8_lossy(&request.bytes)
                );
            }
            left -= batch.len();
        }
        Ok(())
    }

    /// Requests of different connections: the next of each is sent when its last one was answered.
    fn next_batch<'w>(&mut self, workload: &'w Workload, most: usize) -> Vec<&'w WireRequest> {
        let mut batch: Vec<&WireRequest> = Vec::with_capacity(most);
        while batch.len() < most {
            let Some(request) = workload.requests.get(self.next) else {
                self.next = 0;
                continue;
            };
            if batch.iter().any(|other| other.source == request.source) {
                break;
            }
            batch.push(request);
            self.next += 1;
        }
        batch
    }

    fn connection(&mut self, request: &WireRequest) -> Result<&mut Connection> {
        self.connections
            .get_mut(request.source)
            .context("a source without a connection")
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(to: SocketAddr, from: Ipv4Addr) -> Result<Connection> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket
            .bind(&SocketAddr::from((from, 0)).into())
            .with_context(|| {
                format!("bind {from}: only Linux lets a client have any loopback address")
            })?;
        socket
            .connect_timeout(&to.into(), PATIENCE)
            .with_context(|| format!("connect to {to}"))?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: vec![0; ANSWER_LEN_MAX],
        })
    }

    fn send(&mut self, request: &WireRequest) -> Result<()> {
        self.stream
            .write_all(&request.bytes)
            .context("send a request")
    }

    /// Reads an answer without a body to its end, and returns its status.
    fn receive(&mut self) -> Result<u16> {
        let mut filled = 0;
        loop {
            let free = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = self.stream.read(free).context("read an answer")?;
            ensure!(
                read > 0,
                "Envoy closed a connection or sent too long an answer"
            );
            filled += read;
            let answer = self.buffer.get(..filled).unwrap_or_default();
            if let Some(status) = complete(answer)? {
                return Ok(status);
            }
        }
    }
}

/// The status, once all of the answer is there.
fn complete(answer: &[u8]) -> Result<Option<u16>> {
    let Some(head_len) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, rest) = answer.split_at(head_len);
    let head = String::from_utf8_lossy(head);
    let body_len = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(Ok(0), str::parse::<usize>)?;
    if rest.len() < body_len + 4 {
        return Ok(None);
    }
    ensure!(rest.len() == body_len + 4, "more than one answer:\n{head}");
    let status = head
        .split(' ')
        .nth(1)
        .context("an answer without a status")?;
    Ok(Some(status.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_body() {
        let answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\nserver: envoy\r\n\r\nno.";
        assert_eq!(complete(answer).unwrap(), Some(403));
        for cut in 0..answer.len() {
            assert_eq!(complete(&answer[..cut]).unwrap(), None, "cut at {cut}");
        }
        assert!(complete(&[&answer[..], b"H"].concat()).is_err());
        let empty = b"HTTP/1.1 200 OK\r\ndate: now\r\n\r\n";
        assert_eq!(complete(empty).unwrap(), Some(200));
    }
}
