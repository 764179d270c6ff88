//! One connection with its two bounded buffers.
//!
//! In:  a connected [`Stream`].
//! Out: bytes to read in `inbound`; bytes to write are put into `outbound`.
//!
//! Invariants:
//! - All state is in the buffers: a dropped `fill` or `drain` loses nothing.
//! - Nothing is written before `drain` or `flush`: one write per flush.

use std::cell::RefCell;
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use crate::frame::{self, Frame, HEADER};

/// Bytes asked for per read.
const READ_SIZE: usize = 64 * 1024;
/// A read of so much is followed by another like it: it is read where it stays.
const BULK: usize = 8 * 1024;
/// Largest buffer that an idle connection keeps.
const IDLE_BUFFER: usize = 512;

thread_local! {
    /// Where reads arrive before it is known how much there is: an idle connection holds no buffer of its own.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE].into());
}

/// A connection, encrypted or not.
#[derive(Debug)]
pub(crate) enum Stream {
    /// TCP without TLS.
    Plain(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
    /// Never connected: ends at once. Lets a failed dial reach tokio-postgres as a lost connection.
    Closed,
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}

/// A stream with its buffers.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Stream,
    /// Read and not yet consumed.
    pub(crate) inbound: BytesMut,
    /// To be written.
    pub(crate) outbound: BytesMut,
    unflushed: bool,
    /// The last read was a long one: the next one goes to `inbound` directly.
    bulk: bool,
}

impl Link {
    pub(crate) fn new(stream: Stream) -> Self {
        let (inbound, outbound) = (BytesMut::new(), BytesMut::new());
        Self { stream, inbound, outbound, unflushed: false, bulk: false }
    }

    pub(crate) fn into_stream(self) -> Stream {
        self.stream
    }

    /// The peer's certificate in DER, which the TLS handshake has verified.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        match &self.stream {
            Stream::Tls(stream) => {
                let chain = stream.get_ref().1.peer_certificates()?;
                chain.first().map(AsRef::as_ref)
            }
            Stream::Plain(_) | Stream::Unix(_) | Stream::Closed => None,
        }
    }

    /// Reads once; ready with the number of bytes, 0 at the end of the stream.
    pub(crate) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = if self.bulk {
            self.inbound.reserve(READ_SIZE);
            // `read_buf` keeps no state between polls, so that a fresh future per poll is enough.
            ready!(pin!(self.stream.read_buf(&mut self.inbound)).poll(context))?
        } else {
            ready!(self.poll_scratch(context))?
        };
        self.bulk = read >= BULK;
        Poll::Ready(Ok(read))
    }

    fn poll_scratch(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            self.inbound.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }

    /// Gives large buffers back that nothing is in.
    pub(crate) fn shrink(&mut self) {
        for buffer in [&mut self.inbound, &mut self.outbound] {
            if buffer.is_empty() && buffer.capacity() > IDLE_BUFFER {
                *buffer = BytesMut::new();
            }
        }
    }

    /// Writes until `outbound` is empty and the stream is flushed; ready at once when nothing waits.
    pub(crate) fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbound.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.outbound))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outbound.advance(written);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether `poll_drain` has something to do.
    pub(crate) fn wants_drain(&self) -> bool {
        self.unflushed || !self.outbound.is_empty()
    }

    /// Writes everything.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_drain(context)).await
    }

    /// Writes everything and says goodbye.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.flush().await?;
        std::future::poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context)).await
    }

    /// Reads once; an ended stream is an error.
    pub(crate) async fn fill(&mut self) -> io::Result<()> {
        match std::future::poll_fn(|context| self.poll_fill(context)).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Reads `count` bytes without a frame around them.
    pub(crate) async fn take(&mut self, count: usize) -> io::Result<BytesMut> {
        while self.inbound.len() < count {
            self.fill().await?;
        }
        Ok(self.inbound.split_to(count))
    }

    /// Reads one message of at most `limit` bytes, whatever its type.
    pub(crate) async fn read_frame(&mut self, limit: usize) -> io::Result<Frame> {
        loop {
            if let Some((tag, length)) = frame::header(&self.inbound).map_err(io::Error::other)? {
                if length > limit {
                    return Err(io::Error::other("message too long"));
                }
                if self.inbound.len() >= HEADER + length {
                    self.inbound.advance(HEADER);
                    return Ok(Frame { tag, body: self.inbound.split_to(length).freeze() });
                }
            }
            self.fill().await?;
        }
    }

    /// Whether the peer has neither sent anything nor closed: what a pooled connection must look like.
    pub(crate) fn is_quiet(&mut self) -> bool {
        if !self.inbound.is_empty() || self.wants_drain() {
            return false;
        }
        let mut context = Context::from_waker(std::task::Waker::noop());
        self.poll_fill(&mut context).is_pending()
    }
}
