//! A client for HTTP/1.1 that sends the bytes it is told, with a PROXY protocol line before them when asked.

use std::{
    io::{BufReader, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::{
    upstream::Seen,
    wire::{header, read_body, read_headers, read_line},
};

/// A request that never gets an answer must end the test, not hang it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The value of the `host` header.
    pub host: String,
    /// The request target.
    pub path: Vec<u8>,
    /// Further headers, in this order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body; an empty one is not sent.
    pub body: Vec<u8>,
}

impl Request {
    /// A GET to the shop.
    pub fn get(path: &str) -> Self {
        Request {
            method: "GET".to_owned(),
            host: "shop.example.com".to_owned(),
            path: path.as_bytes().to_vec(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A POST to the shop.
    pub fn post(path: &str, body: impl AsRef<[u8]>) -> Self {
        Request {
            method: "POST".to_owned(),
            body: body.as_ref().to_vec(),
            ..Request::get(path)
        }
    }

    /// Adds a header after the others.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [self.method.as_bytes(), b" ", &self.path, b" HTTP/1.1\r\n"].concat();
        let mut add = |name: &str, value: &[u8]| {
            bytes.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        };
        add("host", self.host.as_bytes());
        for (name, value) in &self.headers {
            add(name, value);
        }
        if !self.body.is_empty() {
            add("content-length", self.body.len().to_string().as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Name and value in the order they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        header(&self.headers, name)
    }

    /// What the upstream saw; an error when the answer is not the upstream's.
    pub fn seen(&self) -> Result<Seen> {
        Seen::from_json(&self.body).with_context(|| {
            format!(
                "status {}, body `{}`",
                self.status,
                String::from_utf8_lossy(&self.body)
            )
        })
    }
}

/// The client's address as a balancer in front of Envoy tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The address.
    pub ip: IpAddr,
    /// The port; a test may use it to find its request in the access log.
    pub port: u16,
}

impl Source {
    /// The line of the PROXY protocol, version 1.
    fn proxy_line(self) -> String {
        let Source { ip, port } = self;
        match ip {
            IpAddr::V4(_) => format!("PROXY TCP4 {ip} 127.0.0.1 {port} 80\r\n"),
            IpAddr::V6(_) => format!("PROXY TCP6 {ip} ::1 {port} 80\r\n"),
        }
    }
}

/// How a client speaks TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Whom it trusts, and its own certificate.
    pub config: Arc<ClientConfig>,
    /// The name it asks for.
    pub server_name: String,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection to Envoy that is kept between requests.
pub struct Connection {
    reader: BufReader<Box<dyn Stream>>,
}

impl Connection {
    /// Connects, without TLS.
    pub fn open(to: SocketAddr, source: Option<Source>) -> Result<Self> {
        let stream = connect(to, source)?;
        Ok(Self::over(Box::new(stream)))
    }

    /// Connects with TLS.
    pub fn open_tls(to: SocketAddr, source: Option<Source>, tls: &Tls) -> Result<Self> {
        let stream = connect(to, source)?;
        let name = ServerName::try_from(tls.server_name.clone()).context("the server's name")?;
        let session = ClientConnection::new(Arc::clone(&tls.config), name).context("begin TLS")?;
        Ok(Self::over(Box::new(StreamOwned::new(session, stream))))
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        Connection {
            reader: BufReader::new(stream),
        }
    }

    /// Sends a request and reads its answer.
    pub fn send(&mut self, request: &Request) -> Result<Response> {
        let writer = self.reader.get_mut();
        writer
            .write_all(&request.to_bytes())
            .context("send a request")?;
        writer.flush().context("send a request")?;
        self.read_response(request.method == "HEAD")
            .context("read an answer")
    }

    /// Sends some bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let writer = self.reader.get_mut();
        writer.write_all(bytes).context("send some bytes")?;
        writer.flush().context("send some bytes")
    }

    /// Reads an answer that has a body, if its headers announce one.
    pub fn read(&mut self) -> Result<Response> {
        self.read_response(false).context("read an answer")
    }

    fn read_response(&mut self, without_body: bool) -> Result<Response> {
        let line = read_line(&mut self.reader)?.context("the connection was closed")?;
        let line = String::from_utf8_lossy(&line);
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("`{line}` is no status line"))?;
        let headers = read_headers(&mut self.reader)?;
        let body = match without_body {
            true => Vec::new(),
            false => read_body(&mut self.reader, &headers)?,
        };
        Ok(Response {
            status,
            headers,
            body,
        })
    }
}

fn connect(to: SocketAddr, source: Option<Source>) -> Result<TcpStream> {
    let mut stream =
        TcpStream::connect_timeout(&to, PATIENCE).with_context(|| format!("connect to {to}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    if let Some(source) = source {
        stream
            .write_all(source.proxy_line().as_bytes())
            .context("send the PROXY line")?;
    }
    Ok(stream)
}
