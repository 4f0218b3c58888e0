//! Connections as they are accepted: a bounded number of them, and a pause where the system has no room for more.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{self, Sleep},
};
use tokio_stream::Stream;
use tonic::transport::server::Connected;
use tracing::warn;

/// Connections that may wait to be accepted: after a restart all subscribers come at once. The operating system may
/// hold the number down (`net.core.somaxconn`).
const WAITING_MAX: u32 = 4_096;

/// Before the next attempt, when the system could accept none.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection that is quiet for so long is probed by the system. HTTP/2 has its own probes, but not before both ends
/// have begun to speak it.
const PROBED_AFTER: Duration = Duration::from_secs(60);

/// Between two probes, and how many may stay unanswered.
const PROBES_EVERY: Duration = Duration::from_secs(10);
const PROBES_UNANSWERED_MAX: u32 = 3;

/// The connections of one address.
pub(crate) struct Connections {
    listener: TcpListener,
    seats: Arc<Semaphore>,
    pause: Option<Pin<Box<Sleep>>>,
    /// The last one that came was turned away; it is said once.
    turns_away: bool,
}

/// An accepted connection. Its seat is free again when it is dropped.
pub(crate) struct Connection {
    stream: TcpStream,
    _seat: OwnedSemaphorePermit,
}

impl Connections {
    /// Listens. The address is free again at once after a restart.
    pub(crate) fn listen(addr: SocketAddr, connections_max: usize) -> io::Result<Self> {
        let socket = match addr {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        Ok(Self {
            listener: socket.listen(WAITING_MAX)?,
            seats: Arc::new(Semaphore::new(connections_max)),
            pause: None,
            turns_away: false,
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// One too many is closed at once: whoever opened it tries again later, after growing pauses.
    fn seat(&mut self, stream: TcpStream) -> Option<Connection> {
        match Arc::clone(&self.seats).try_acquire_owned() {
            Ok(seat) => {
                self.turns_away = false;
                // Without these options it is slower, or stays a while longer when its peer vanished.
                drop(configure(&stream));
                Some(Connection {
                    stream,
                    _seat: seat,
                })
            }
            Err(_) => {
                self.warn_once("all seats are taken, so that connections are turned away");
                None
            }
        }
    }

    fn warn_once(&mut self, why: &str) {
        if !std::mem::replace(&mut self.turns_away, true) {
            let addr = self.local_addr().ok();
            warn!(?addr, "{why}");
        }
    }
}

impl Stream for Connections {
    type Item = io::Result<Connection>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(pause) = &mut this.pause {
                ready!(pause.as_mut().poll(context));
                this.pause = None;
            }
            match ready!(this.listener.poll_accept(context)) {
                Ok((stream, _)) => {
                    if let Some(connection) = this.seat(stream) {
                        return Poll::Ready(Some(Ok(connection)));
                    }
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    this.warn_once(&format!(
                        "no connection can be accepted: {error}; is the limit of open files (`ulimit -n`) too low?"
                    ));
                    this.pause = Some(Box::pin(time::sleep(PAUSE)));
                }
            }
        }
    }
}

/// The connection broke before it was accepted; that says nothing of the next one.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

fn configure(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let probes = TcpKeepalive::new()
        .with_time(PROBED_AFTER)
        .with_interval(PROBES_EVERY)
        .with_retries(PROBES_UNANSWERED_MAX);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}

impl Connected for Connection {
    type ConnectInfo = <TcpStream as Connected>::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
