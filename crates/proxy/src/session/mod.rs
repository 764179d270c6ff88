//! One authenticated client on one upstream connection: the loop, and how it ends.
//!
//! In:  an authenticated [`Link`], a leased connection, who it is.
//! Out: bytes both ways until the client leaves; the connection clean in its pool, or closed.
//!
//! Invariants:
//! - One task owns both connections; all state is in `Session`, so that a wait that is dropped loses nothing.
//! - Each buffer is bounded: a side that does not read stops the other side from being read.
//! - Answers keep the order of the messages, our own among them.

mod client;
mod complete;
mod extended;
mod kept;
mod names;
mod path;
mod pending;
mod relay;
mod said;
mod verdict;

use std::io;
use std::task::Poll;
use std::time::Duration;

use deadpool::managed::Object;
use tokio::sync::watch;

use crate::cancel::Ticket;
use crate::event::{Event, emit};
use crate::frame::{Decoder, FrameError, Limits, Malformed};
use crate::link::Link;
use crate::message::{Report, Status};
use crate::pool::{self, Lease};
use crate::settings::Settings;
use crate::upstream::{self, UpstreamError};
use crate::wire::{Own, Wire};

use names::Names;
use path::SearchPath;
use pending::{Asks, Pending, Queue};
use relay::Relaying;
use said::Said;
pub(crate) use verdict::Who;

/// Bytes waiting for a slow reader before the other side is not read any more.
const HIGH_WATER: usize = 256 * 1024;
/// Bytes read ahead from a client whose messages have to wait.
const READ_AHEAD: usize = 64 * 1024;
/// For goodbyes, resets and cancels at the end of a session.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    /// The client said goodbye.
    #[error("terminated by the client")]
    Terminated,
    /// The client's connection broke.
    #[error("client connection lost")]
    ClientGone,
    /// The upstream's connection broke.
    #[error("upstream connection lost")]
    UpstreamGone,
    /// PostgreSQL answered something that does not belong there: nothing more may be passed on.
    #[error("protocol fault of the upstream: {0}")]
    Fault(String),
    /// The client is told, then the connection ends.
    #[error("{}", .0.message)]
    Fatal(Report),
    /// The proxy stops.
    #[error("shutdown")]
    Shutdown,
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        Self::Fatal(Report::fatal("08P01", error.to_string()))
    }
}

impl From<Malformed> for End {
    fn from(error: Malformed) -> Self {
        Self::Fault(error.to_string())
    }
}

/// What a session is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) client: Link,
    pub(crate) lease: Lease,
    pub(crate) who: Who,
    pub(crate) settings: Settings,
    pub(crate) ticket: Ticket,
    pub(crate) limits: Limits,
    /// `true` once the proxy is stopping.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Where the client is within a batch of the extended protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Batch {
    /// No message since the last Sync or Query.
    Closed,
    /// Messages were sent upstream.
    Open,
    /// Something failed: the client's messages are discarded up to Sync. `upstream` hears of that Sync.
    Failed { upstream: bool },
}

/// A running session.
#[derive(Debug)]
pub(crate) struct Session {
    client: Link,
    lease: Lease,
    who: Who,
    settings: Settings,
    ticket: Ticket,
    stopping: watch::Receiver<bool>,
    decoder: Decoder,
    queue: Queue,
    names: Names,
    path: SearchPath,
    said: Said,
    /// Of the last ReadyForQuery.
    status: Status,
    batch: Batch,
    /// Answers to everything pending will come without another Flush.
    flushed: bool,
    /// PostgreSQL waits for rows of COPY FROM STDIN.
    copy_in: bool,
    relaying: Relaying,
    /// The startup settings were reset.
    reapply: bool,
    /// A statement of a bypass principal may have changed the catalog.
    catalog_touched: bool,
    /// Own statements that failed in a row.
    own_failures: u8,
}

impl Session {
    /// Applies the client's settings, learns the search_path, and greets the client.
    pub(crate) async fn start(parts: Parts) -> Result<Self, (Link, Report)> {
        let Parts { client, lease, who, settings, ticket, limits, stopping } = parts;
        let mut session = Self {
            client,
            lease,
            who,
            settings,
            ticket,
            stopping,
            decoder: Decoder::new(limits),
            queue: Queue::default(),
            names: Names::default(),
            path: SearchPath::default(),
            said: Said::default(),
            status: Status::Idle,
            batch: Batch::Closed,
            flushed: true,
            copy_in: false,
            relaying: Relaying::Nothing,
            reapply: false,
            catalog_touched: false,
            own_failures: 0,
        };
        match session.prepare().await {
            Ok(()) => {
                session.greet();
                Ok(session)
            }
            Err(error) => {
                drop(Object::take(session.lease));
                Err((session.client, start_report(&error)))
            }
        }
    }

    async fn prepare(&mut self) -> Result<(), UpstreamError> {
        self.lease.clean = false;
        if self.settings.statement().is_some() {
            self.lease.run(Own::Settings(&self.settings)).await?;
        }
        let shown = self.lease.run(Own::ShowSearchPath).await?.unwrap_or_default();
        let user = &self.who.database.upstream.user;
        self.path.show(&shown, &self.who.state.snapshot, user);
        Ok(())
    }

    /// ParameterStatus, BackendKeyData, ReadyForQuery.
    fn greet(&mut self) {
        for (name, value) in &self.lease.parameters {
            if let Some(value) = relay::reported(name, value, &self.who) {
                crate::message::put_parameter(&mut self.client.outbound, name, value);
            }
        }
        let key = self.ticket.key();
        crate::frame::put(&mut self.client.outbound, b'K', |body| body.extend_from_slice(key));
        Status::Idle.put(&mut self.client.outbound);
    }

    /// Runs to the end, and leaves the upstream connection clean or closed.
    pub(crate) async fn run(mut self) {
        let end = loop {
            if let Err(end) = self.turn().await {
                break end;
            }
        };
        self.finish(end).await;
    }

    /// Works off what is there, then waits for more.
    async fn turn(&mut self) -> Result<(), End> {
        loop {
            let relayed = self.relay()?;
            let taken = self.take_messages().await?;
            if !relayed && !taken {
                break;
            }
        }
        if *self.stopping.borrow() && self.is_at_rest() {
            return Err(End::Shutdown);
        }
        self.wait().await
    }

    /// Nothing is under way, and no transaction is open.
    fn is_at_rest(&self) -> bool {
        self.is_at_boundary() && self.status == Status::Idle && self.client.inbound.is_empty()
    }

    /// A message boundary of the upstream connection.
    fn is_at_boundary(&self) -> bool {
        self.queue.is_empty()
            && self.batch == Batch::Closed
            && !self.copy_in
            && self.relaying == Relaying::Nothing
            && self.lease.link.inbound.is_empty()
            && !self.lease.link.wants_drain()
    }

    /// Waits until bytes moved in any direction, or the proxy is asked to stop. Safe to drop.
    async fn wait(&mut self) -> Result<(), End> {
        let (client, upstream) = (&mut self.client, &mut self.lease.link);
        let read_client = client.inbound.len() < READ_AHEAD || self.decoder.wants(&client.inbound);
        let read_upstream = client.outbound.len() < HIGH_WATER;
        let moved = std::future::poll_fn(|context| {
            let mut moved = false;
            if client.wants_drain() {
                moved |=
                    ready_io(client.poll_drain(context)).map_err(|_| End::ClientGone)?.is_some();
            }
            if upstream.wants_drain() {
                let drained = ready_io(upstream.poll_drain(context));
                moved |= drained.map_err(|_| End::UpstreamGone)?.is_some();
            }
            if read_client {
                match ready_io(client.poll_fill(context)) {
                    Ok(None) => {}
                    Ok(Some(0)) | Err(_) => return Poll::Ready(Err(End::ClientGone)),
                    Ok(Some(_)) => moved = true,
                }
            }
            if read_upstream {
                match ready_io(upstream.poll_fill(context)) {
                    Ok(None) => {}
                    Ok(Some(0)) | Err(_) => return Poll::Ready(Err(End::UpstreamGone)),
                    Ok(Some(_)) => moved = true,
                }
            }
            if moved { Poll::Ready(Ok(())) } else { Poll::Pending }
        });
        if *self.stopping.borrow() {
            return moved.await;
        }
        tokio::select! {
            moved = moved => moved,
            // A closed channel means that the server is gone: the next turn sees nothing new and waits on.
            changed = self.stopping.changed() => changed.map_err(|_| End::Shutdown),
        }
    }

    /// Says goodbye, and gives the upstream connection back where that is safe.
    async fn finish(mut self, end: End) {
        emit(&Event::Disconnected { user: self.who.user(), reason: &end.to_string() });
        self.say_goodbye(&end).await;
        let no_cancel = self.ticket.close(END_TIMEOUT).await;
        let usable = match end {
            End::Terminated | End::ClientGone | End::Fatal(_) | End::Shutdown => true,
            End::UpstreamGone | End::Fault(_) => false,
        };
        if usable && no_cancel && self.is_at_boundary() {
            self.give_back().await;
        } else {
            self.drop_upstream(usable).await;
        }
    }

    async fn say_goodbye(&mut self, end: &End) {
        let report = match end {
            End::Terminated | End::ClientGone => None,
            End::Fatal(report) => Some(report.clone()),
            End::UpstreamGone => Some(Report::fatal(
                "57P01",
                "terminating connection because the upstream connection was lost",
            )),
            End::Fault(problem) => {
                emit(&Event::Alarm { what: problem, user: self.who.user() });
                Some(Report::fatal("08006", "the upstream answered something unexpected"))
            }
            End::Shutdown => {
                Some(Report::fatal("57P01", "terminating connection due to administrator command"))
            }
        };
        if let Some(report) = report {
            // A message that is half passed on cannot be followed by another.
            if !matches!(self.relaying, Relaying::Pass(_)) {
                report.put(&mut self.client.outbound);
            }
        }
        let _unheard = tokio::time::timeout(END_TIMEOUT, self.client.shutdown()).await;
    }

    async fn give_back(self) {
        let mut lease = self.lease;
        if self.status != Status::Idle {
            let rolled_back = tokio::time::timeout(END_TIMEOUT, lease.run(Own::Rollback)).await;
            if !matches!(rolled_back, Ok(Ok(_))) {
                drop(Object::take(lease));
                return;
            }
        }
        if let Err(error) = pool::give_back(lease, END_TIMEOUT).await {
            emit(&Event::UpstreamDropped { reason: &error.to_string() });
        }
    }

    /// Cancels what runs, and closes.
    async fn drop_upstream(self, alive: bool) {
        let mut upstream = Object::take(self.lease);
        emit(&Event::UpstreamDropped { reason: "not at a message boundary" });
        if alive {
            let config = &self.who.database.upstream;
            let cancelling = upstream::cancel(config, &upstream.key);
            let _unheard = tokio::time::timeout(END_TIMEOUT, cancelling).await;
            Wire(&mut upstream.link.outbound).terminate();
            let _unheard = tokio::time::timeout(END_TIMEOUT, upstream.link.shutdown()).await;
        }
    }

    /// Sends a statement of our own whose answer the client does not see.
    fn ask(&mut self, asks: Asks) {
        let mut wire = Wire(&mut self.lease.link.outbound);
        match asks {
            Asks::SearchPath => wire.own_sequence(Own::ShowSearchPath),
            Asks::Settings => wire.own_sequence(Own::Settings(&self.settings)),
        }
        self.queue.push(Pending::Own { asks, value: None, closed: 0 }, false);
        let mut wire = Wire(&mut self.lease.link.outbound);
        if self.batch == Batch::Closed {
            wire.sync();
            self.queue.push(Pending::Sync { ours: true }, false);
        } else {
            wire.flush();
        }
        self.flushed = true;
    }
}

fn start_report(error: &UpstreamError) -> Report {
    match error {
        // A setting's value that PostgreSQL does not accept.
        UpstreamError::Server(message) => Report::fatal("22023", message.clone()),
        UpstreamError::Io(_)
        | UpstreamError::Tls(_)
        | UpstreamError::NoTls
        | UpstreamError::Authentication(_)
        | UpstreamError::Protocol
        | UpstreamError::Timeout => Report::fatal("08006", "the upstream connection was lost"),
    }
}

/// `None` while pending.
fn ready_io<T>(poll: Poll<io::Result<T>>) -> io::Result<Option<T>> {
    match poll {
        Poll::Ready(outcome) => outcome.map(Some),
        Poll::Pending => Ok(None),
    }
}
