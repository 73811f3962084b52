//! A client's connection: what hyper reads from and writes to, and how a handler learns that the client has disconnected.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use poem::Request;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::framing::Framing;

/// How often a connection with unread bytes is checked. It stays readable, so there is no event to wait for.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A connection, whose requests are checked by [`Framing`] as they are read.
pub struct Connection {
    read: Arc<OwnedReadHalf>,
    write: OwnedWriteHalf,
    framing: Framing,
}

/// The client's end of a connection. Each request has it among its extensions.
#[derive(Clone)]
pub struct Peer(Arc<OwnedReadHalf>);

impl Connection {
    /// Wraps an accepted stream.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        Self { read: Arc::new(read), write, framing: Framing::default() }
    }

    /// The client's end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer(Arc::clone(&self.read))
    }
}

impl Peer {
    /// The client of a request; `None` when it did not come over a connection, as in tests.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Waits until `client` is closed, as [`wait_until_closed`](Self::wait_until_closed); for ever without one.
    pub async fn closed(client: Option<&Self>) {
        match client {
            Some(client) => client.wait_until_closed().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until the client closes its half of the connection. It has disconnected, or it sends nothing more and waits for
    /// the response; the two cannot be told apart before something is sent.
    pub async fn wait_until_closed(&self) {
        while let Ok(ready) = self.0.ready(Interest::READABLE).await {
            if ready.is_read_closed() {
                return;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            ready!(self.read.as_ref().as_ref().poll_read_ready(context))?;
            match self.read.try_read_buf(buf) {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.framing.check(&mut buf.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.write.is_write_vectored()
    }
}
