//! One authenticated client on one upstream connection: the loop, and how it ends.
//!
//! In:  an authenticated [`Link`], a leased connection, who it is.
//! Out: bytes both ways until the client leaves; the connection clean in its pool, or closed.
//!
//! Invariants:
//! - One task owns both connections; all state is in `Session`, so that a wait that is dropped loses nothing.
//! - Each buffer is bounded: a side that does not read stops the other side from being read.
//! - Answers keep the order of the messages, our own among them.

mod act;
mod alike;
mod asked;
mod behalf;
mod client;
mod clock;
mod complete;
mod extended;
mod hold;
mod kept;
mod names;
mod path;
mod pending;
mod quota;
mod relay;
mod request;
mod said;
mod stop;
mod verdict;

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::cancel::Ticket;
use crate::config::UpstreamConfig;
use crate::event::{Event, emit};
use crate::frame::{Decoder, Frame, FrameError, Limits, Malformed};
use crate::greeting::Greeting;
use crate::link::Link;
use crate::message::{Report, Status};
use crate::pool::{Lease, Places};
use crate::settings::Settings;
use crate::upstream::{self, Upstream};
use crate::wire::{Own, Wire};

use behalf::Behalf;
pub(crate) use clock::Patience;
use clock::{Clock, Due, Wait};
use names::Names;
use path::SearchPath;
use pending::{Asks, Pending, Queue, Stakes};
use quota::Quota;
use relay::Relaying;
use said::Said;
pub(crate) use stop::Stop;
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
    pub(crate) who: Who,
    pub(crate) settings: Settings,
    pub(crate) ticket: Ticket,
    pub(crate) limits: Limits,
    /// How long PostgreSQL may take to adopt the settings.
    pub(crate) adopt_timeout: Duration,
    pub(crate) max_names: usize,
    pub(crate) patience: Patience,
    pub(crate) stop: Stop,
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
    /// `None` between transactions, in transaction mode.
    lease: Option<Lease>,
    /// Of the user who logged in, whomever they act for.
    places: Places,
    who: Who,
    /// For whom it runs statements: `who` follows.
    behalf: Behalf,
    /// A message that waits until everything before it has been answered.
    stash: Option<Frame>,
    /// Of the startup packet: what RESET ALL goes back to.
    startup: Settings,
    /// What the session has set.
    settings: Settings,
    /// The same as one statement.
    settings_text: Arc<str>,
    /// Settings that the transaction may have changed.
    touched: Vec<&'static str>,
    /// How literals are read is known when PostgreSQL is ready again, not before.
    unsettled: bool,
    /// The transaction has changed settings: its end may change them back.
    has_set: bool,
    /// The session has set `xmloption`, of which PostgreSQL reports nothing.
    xmloption: bool,
    /// It may have left something in the connection that is not tracked.
    traces: bool,
    adopt_timeout: Duration,
    ticket: Ticket,
    stop: Stop,
    clock: Clock,
    quota: Quota,
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
    /// The open transaction has changed it.
    defined: bool,
    /// The session has, or may have, temporary tables: its look at the catalog is its own, its connection too.
    temporary: bool,
    /// Own statements that failed in a row.
    own_failures: u8,
}

impl Session {
    /// Applies the client's settings, learns the search_path, and greets the client.
    pub(crate) async fn start(parts: Parts) -> Result<Self, (Link, Report)> {
        let Parts { client, who, settings, ticket, limits, adopt_timeout, stop, .. } = parts;
        let able = who.state.policy.may_act(&who.login.identity);
        let mut session = Self {
            client,
            lease: None,
            places: who.database.pool.places(who.user()),
            who,
            behalf: Behalf::new(able),
            stash: None,
            startup: settings.clone(),
            settings_text: settings.statement().unwrap_or_default().into(),
            settings,
            touched: Vec::new(),
            unsettled: false,
            has_set: false,
            xmloption: false,
            traces: false,
            adopt_timeout,
            ticket,
            stop,
            clock: Clock::new(parts.patience),
            quota: Quota::default(),
            decoder: Decoder::new(limits),
            queue: Queue::new(able),
            names: Names::new(parts.max_names),
            path: SearchPath::default(),
            said: Said::default(),
            status: Status::Idle,
            batch: Batch::Closed,
            flushed: true,
            copy_in: false,
            relaying: Relaying::Nothing,
            reapply: false,
            catalog_touched: false,
            defined: false,
            temporary: false,
            own_failures: 0,
        };
        if let Err(report) = session.act_from_start().await {
            return Err((session.client, report.fatally()));
        }
        match session.greeting().await {
            Ok(greeting) => {
                session.greet(&greeting);
                Ok(session)
            }
            Err(error) => {
                tracing::warn!(%error, upstream = session.who.database.upstream.name, "no upstream connection");
                session.lease.take().map(Lease::take);
                Err((session.client, error.report()))
            }
        }
    }

    /// ParameterStatus, BackendKeyData, ReadyForQuery.
    fn greet(&mut self, greeting: &Greeting) {
        let user = &self.who.database.upstream.user;
        self.path.show(&greeting.path, &self.who.state.snapshot, user);
        for (name, value) in &greeting.parameters {
            if let Some(value) = crate::greeting::reported(name, value, &self.who) {
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
        // On the heap, as all that an idle session does not wait in.
        Box::pin(self.finish(end)).await;
    }

    /// Works off what is there, then waits for more.
    async fn turn(&mut self) -> Result<(), End> {
        if self.stop.is_over() {
            let message = "terminating connection because the token has expired";
            return Err(End::Fatal(Report::fatal("57P01", message)));
        }
        loop {
            let relayed = self.relay()?;
            if self.quota.wants_cancel() {
                Box::pin(self.cancel_cut()).await?;
            }
            self.rest().await?;
            let taken = self.take_messages().await?;
            if !relayed && !taken {
                break;
            }
            self.clock.restart();
        }
        if self.stop.is_asked() && self.is_at_rest() {
            return Err(End::Shutdown);
        }
        let limits = self.who.principal.limits;
        match limits.statement_timeout {
            Some(limit) if self.queue.awaits_upstream() => self.clock.start_statement(limit),
            Some(_) => self.clock.end_statement(),
            None => {}
        }
        let own = limits.idle_in_transaction_timeout;
        self.clock.await_client(self.awaits_client(), own);
        match self.wait().await? {
            None => Ok(()),
            Some(Due::Client(wait)) => Err(End::Fatal(wait.report())),
            Some(Due::Statement) => Box::pin(self.end_running()).await,
        }
    }

    /// Whether it is the client's turn.
    fn awaits_client(&self) -> Option<Wait> {
        let is_quiet = self.queue.is_empty() && self.relaying == Relaying::Nothing && !self.copy_in;
        let is_open = self.status != Status::Idle || self.batch != Batch::Closed;
        match (is_quiet, is_open && self.lease.is_some()) {
            (false, _) => None,
            (true, true) => Some(Wait::Transaction),
            (true, false) => Some(Wait::Client),
        }
    }

    /// Nothing is under way, and no transaction is open.
    fn is_at_rest(&self) -> bool {
        self.is_at_boundary()
            && self.status == Status::Idle
            && self.stash.is_none()
            && self.client.inbound.is_empty()
    }

    /// A message boundary of the upstream connection.
    fn is_at_boundary(&self) -> bool {
        self.queue.is_empty()
            && self.batch == Batch::Closed
            && !self.copy_in
            && self.relaying == Relaying::Nothing
            && self
                .lease
                .as_ref()
                .is_none_or(|lease| lease.link.inbound.is_empty() && !lease.link.wants_drain())
    }

    /// Where messages go upstream. Taking a message sees to it that there is a connection: `client::Gate::Hold`.
    fn wire(&mut self) -> Wire<'_> {
        Wire(&mut self.upstream().link.outbound)
    }

    fn upstream(&mut self) -> &mut Upstream {
        self.lease
            .as_mut()
            .expect("a message that needs PostgreSQL is taken with a connection only")
    }

    /// Waits until bytes moved in any direction, the proxy is asked to stop, or somebody has been waited for too long.
    /// Safe to drop.
    async fn wait(&mut self) -> Result<Option<Due>, End> {
        let Self { client, lease, stop, clock, decoder, .. } = self;
        let mut upstream = lease.as_mut().map(|lease| &mut lease.link);
        let read_client = client.inbound.len() < READ_AHEAD || decoder.wants(&client.inbound);
        let read_upstream = client.outbound.len() < HIGH_WATER;
        // Whoever waits for room goes on once there is some.
        let is_full = |link: &Link| link.outbound.len() >= HIGH_WATER;
        let awaited = is_full(client) || upstream.as_ref().is_some_and(|link| is_full(link));
        std::future::poll_fn(|context| {
            let due = clock.poll(context);
            if due.is_some() {
                return Poll::Ready(Ok(due));
            }
            let mut moved = stop.poll(context);
            moved |= drain(client, context, awaited).map_err(|_| End::ClientGone)?;
            if let Some(upstream) = &mut upstream {
                moved |= drain(upstream, context, awaited).map_err(|_| End::UpstreamGone)?;
            }
            if read_client {
                moved |= fill(client, context).map_err(|_| End::ClientGone)?;
            }
            if read_upstream && let Some(upstream) = &mut upstream {
                moved |= fill(upstream, context).map_err(|_| End::UpstreamGone)?;
            }
            if moved { Poll::Ready(Ok(None)) } else { Poll::Pending }
        })
        .await
    }

    /// Says goodbye, and gives the upstream connection back where that is safe.
    async fn finish(mut self, end: End) {
        emit(&Event::Disconnected { user: &self.who.login.name, reason: &end.to_string() });
        self.say_goodbye(&end).await;
        let no_cancel = self.ticket.detach(END_TIMEOUT).await;
        let usable = match end {
            End::Terminated | End::ClientGone | End::Fatal(_) | End::Shutdown => true,
            End::UpstreamGone | End::Fault(_) => false,
        };
        let at_boundary = self.is_at_boundary();
        let Some(lease) = self.lease.take() else { return };
        if usable && no_cancel && at_boundary {
            Self::give_back(self.status, lease).await;
        } else {
            Self::drop_upstream(&self.who.database.upstream, lease, usable).await;
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

    /// Cancels what runs, and closes.
    async fn drop_upstream(config: &UpstreamConfig, lease: Lease, alive: bool) {
        let upstream = lease.take();
        emit(&Event::UpstreamDropped { reason: "not at a message boundary" });
        if alive {
            let cancelling = upstream::cancel(config, &upstream.key);
            let _unheard = tokio::time::timeout(END_TIMEOUT, cancelling).await;
            upstream.goodbye().await;
        }
    }

    /// Sends a statement of our own whose answer the client does not see.
    fn ask(&mut self, asks: Asks) {
        let settings = self.settings.clone();
        let own = match asks {
            Asks::SearchPath => Own::Show("search_path"),
            Asks::Settings => Own::Settings(&settings),
        };
        self.wire().own_sequence(own);
        self.queue.push(Pending::Own { asks, value: None, closed: 0 }, Stakes::Low, false);
        if self.batch == Batch::Closed {
            self.wire().sync();
            self.queue.push(Pending::Sync { ours: true }, Stakes::Low, false);
        } else {
            self.wire().flush();
        }
        self.flushed = true;
    }
}

/// Whether that was waited for, and done.
fn drain(link: &mut Link, context: &mut Context<'_>, awaited: bool) -> io::Result<bool> {
    if !link.wants_drain() {
        return Ok(false);
    }
    Ok(ready_io(link.poll_drain(context))?.is_some() && awaited)
}

/// Whether something was read; the end of the stream is an error.
fn fill(link: &mut Link, context: &mut Context<'_>) -> io::Result<bool> {
    match ready_io(link.poll_fill(context))? {
        None => Ok(false),
        Some(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Some(_) => Ok(true),
    }
}

/// `None` while pending.
fn ready_io<T>(poll: Poll<io::Result<T>>) -> io::Result<Option<T>> {
    match poll {
        Poll::Ready(outcome) => outcome.map(Some),
        Poll::Pending => Ok(None),
    }
}
