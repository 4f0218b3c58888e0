//! An upstream that answers each request with what it saw of it, and with a status and a header that the request may ask for.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::wire::{read_body, read_headers, read_line};

/// A request with this header gets the status that it names, 200 without.
pub const STATUS_HEADER: &str = "x-upstream-status";

/// A request with this header gets it back.
pub const HINT_HEADER: &str = "x-upstream-hint";

/// A server on a free loopback port; it ends when this is dropped.
pub struct Upstream {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    heads: Arc<AtomicUsize>,
}

impl Upstream {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen as the upstream")?;
        let address = listener.local_addr().context("the upstream's address")?;
        let ends = Arc::new(AtomicBool::new(false));
        let heads = Arc::default();
        let (seen, counted) = (Arc::clone(&ends), Arc::clone(&heads));
        thread::spawn(move || accept(&listener, &seen, &counted));
        Ok(Upstream {
            address,
            ends,
            heads,
        })
    }

    /// How many requests have begun to arrive, whatever came of them.
    pub fn requests(&self) -> usize {
        self.heads.load(Ordering::SeqCst)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts; when that fails there is nobody to wake.
        let _ = TcpStream::connect(self.address);
    }
}

/// What the upstream saw of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The request target.
    pub path: String,
    /// Name and value in the order they came; the same name may stand there more than once.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Seen {
    /// Every value of a header.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_slice()).collect()
    }

    /// The only value of a header, as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.values(name).as_slice() {
            [value] => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }

    fn to_json(&self) -> Value {
        let header = |(name, value): &(String, Vec<u8>)| json!([name, STANDARD.encode(value)]);
        json!({
            "method": self.method,
            "path": self.path,
            "body_b64": STANDARD.encode(&self.body),
            "headers_b64": self.headers.iter().map(header).collect::<Vec<_>>(),
        })
    }

    pub(crate) fn from_json(body: &[u8]) -> Result<Self> {
        let answer: Value =
            serde_json::from_slice(body).context("the answer is not the upstream's")?;
        let text = |value: Option<&Value>| {
            value
                .and_then(Value::as_str)
                .map(str::to_owned)
                .context("a string was expected")
        };
        let header = |pair: &Value| -> Result<(String, Vec<u8>)> {
            let value = text(pair.get(1))?;
            let value = STANDARD.decode(value).context("a header value in base64")?;
            Ok((text(pair.get(0))?, value))
        };
        let headers = answer
            .get("headers_b64")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        Ok(Seen {
            method: text(answer.get("method"))?,
            path: text(answer.get("path"))?,
            headers: headers.map(header).collect::<Result<_>>()?,
            body: STANDARD.decode(text(answer.get("body_b64"))?)?,
        })
    }
}

fn accept(listener: &TcpListener, ends: &AtomicBool, heads: &Arc<AtomicUsize>) {
    for connection in listener.incoming() {
        if ends.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(connection) = connection {
            // Envoy closes connections as it likes; that is no error of the upstream.
            let heads = Arc::clone(heads);
            thread::spawn(move || serve(&connection, &heads).ok());
        }
    }
}

fn serve(connection: &TcpStream, heads: &AtomicUsize) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    while let Some(seen) = read_request(&mut reader, heads)? {
        let body = seen.to_json().to_string();
        let status = seen.text(STATUS_HEADER).unwrap_or("200");
        let hint = seen
            .text(HINT_HEADER)
            .map(|hint| format!("{HINT_HEADER}: {hint}\r\n"));
        let head = format!(
            "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\n{}content-length: {}\r\n\r\n",
            hint.unwrap_or_default(),
            body.len()
        );
        let body = if seen.method == "HEAD" { "" } else { &body };
        let mut writer = connection;
        writer.write_all(format!("{head}{body}").as_bytes())?;
    }
    Ok(())
}

/// The next request of the connection; nothing once Envoy has closed it.
fn read_request(reader: &mut impl BufRead, heads: &AtomicUsize) -> Result<Option<Seen>> {
    let Some(line) = read_line(reader)? else {
        return Ok(None);
    };
    heads.fetch_add(1, Ordering::SeqCst);
    let line = String::from_utf8_lossy(&line).into_owned();
    let mut words = line.split(' ').map(str::to_owned);
    let mut seen = Seen {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers: read_headers(reader)?,
        body: Vec::new(),
    };
    seen.body = read_body(reader, &seen.headers)?;
    Ok(Some(seen))
}
