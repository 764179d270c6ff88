//! Listens, and takes each connection from its first byte to its session.
//!
//! In:  a [`Config`], a future that ends when the proxy shall stop.
//! Out: sessions.
//!
//! Invariants:
//! - Nothing is sent upstream for a client that is not authenticated.
//! - The number of connections is bounded; each step before the session has a deadline.
//! - Every task is joined before [`Server::run`] returns.

mod inside;
mod login;
mod seats;
mod worker;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use pgcordon_policy::Policy;
use pgcordon_policy::mistake::{Mistake, MistakeKind};
use pgcordon_rewrite::Mark;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::auth::throttle::Throttle;
use crate::auth::{Impostor, Ways, WaysError};
use crate::cancel::Cancels;
use crate::catalog::CatalogError;
use crate::config::Config;
use crate::event::{Event, emit};
use crate::state::{Database, State, client_names};
use crate::tls::TlsError;
pub use inside::Inside;
use seats::Seats;
use worker::Workers;

/// Why the proxy cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// As configured.
        address: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The connections of `auth_query` or `attributes_query`.
    #[error("cannot look people up")]
    Lookup(#[source] CatalogError),
    /// A database's catalog cannot be read.
    #[error("cannot read the catalog of `{database}` on upstream `{upstream}`")]
    Catalog {
        /// Name of the upstream.
        upstream: String,
        /// Real name of the database.
        database: String,
        /// The cause.
        #[source]
        source: CatalogError,
    },
    /// The policy does not fit the catalog, or, at reload, holds mistakes.
    #[error("the policy holds {} mistakes, the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Policy(Vec<Mistake>),
}

impl From<WaysError> for ServeError {
    fn from(error: WaysError) -> Self {
        match error {
            WaysError::Tls(error) => Self::Tls(error),
            WaysError::Query(error) => Self::Lookup(error),
        }
    }
}

/// A real database: upstream and name there.
type DatabaseKey = (String, String);
type Databases = HashMap<DatabaseKey, Arc<Database>>;

/// What all connections share.
#[derive(Debug)]
struct Shared {
    config: Config,
    ways: Arc<ArcSwap<Ways>>,
    policy: ArcSwap<Policy>,
    databases: ArcSwap<Databases>,
    cancels: Cancels,
    impostor: Impostor,
    throttle: Throttle,
    mark: Arc<Mark>,
    connections: Arc<Semaphore>,
    addresses: Arc<Seats<IpAddr>>,
    users: Arc<Seats<String>>,
    /// Places for judging long texts.
    long_texts: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

/// A proxy that listens already.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    shared: Arc<Shared>,
    keepers: JoinSet<()>,
}

/// Serves until `shutdown` ends, then drains.
///
/// # Errors
/// [`ServeError`] when it cannot start.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    Server::bind(config).await?.run(shutdown).await;
    Ok(())
}

impl Server {
    /// Reads every catalog, binds the policy to it, and listens.
    ///
    /// # Errors
    /// [`ServeError`]; a rule that does not fit is one.
    pub async fn bind(config: Config) -> Result<Self, ServeError> {
        let ways = Ways::open(&config)?;
        let mut keepers = JoinSet::new();
        let policy = config.policy.clone();
        let databases = open_databases(&config, &policy, &Databases::new(), &mut keepers).await?;
        let mut listeners = Vec::new();
        for address in &config.listen {
            let listening = TcpListener::bind(address).await;
            listeners.push(
                listening
                    .map_err(|source| ServeError::Listen { address: address.clone(), source })?,
            );
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let connections = Arc::new(Semaphore::new(config.limits.max_connections));
        let shared = Shared {
            ways: Arc::new(ArcSwap::from_pointee(ways)),
            policy: ArcSwap::new(policy),
            databases: ArcSwap::from_pointee(databases),
            cancels: Cancels::default(),
            impostor: Impostor::new(),
            throttle: Throttle::new(),
            mark: Arc::new(Mark::new(rand::random())),
            connections,
            addresses: Seats::new(config.limits.max_connections_per_address),
            users: Seats::new(config.limits.max_connections_per_user),
            long_texts: Arc::new(Semaphore::new(processors)),
            stopping: watch::Sender::new(false),
            config,
        };
        Ok(Self { listeners, shared: Arc::new(shared), keepers })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Accepts until `shutdown` ends; then sessions may finish within the drain timeout.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        for address in self.local_addrs().unwrap_or_default() {
            emit(&Event::Listening { address });
        }
        let workers = match Workers::start(&self.shared, self.shared.config.limits.workers) {
            Ok(workers) => workers,
            Err(error) => return emit(&Event::NoWorkers { reason: &error.to_string() }),
        };
        let mut turned_away = JoinSet::new();
        let mut hangup = Hangup::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(&self.listeners) => match accepted {
                    Ok((stream, peer)) => self.welcome(stream, peer, &workers, &mut turned_away),
                    // Out of file descriptors, or a client that left at once: try again shortly.
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                },
                () = hangup.received() => self.reload().await,
                Some(_ended) = turned_away.join_next() => {}
            }
        }
        turned_away.shutdown().await;
        self.drain(workers).await;
    }

    fn welcome(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        workers: &Workers,
        turned_away: &mut JoinSet<()>,
    ) {
        match self.shared.connections.clone().try_acquire_owned() {
            Ok(permit) => {
                // A stream that cannot be handed over is closed.
                let _closed = workers.give(stream, peer, permit);
            }
            Err(_full) => {
                turned_away.spawn(login::turn_away(stream));
            }
        }
    }

    async fn drain(mut self, workers: Workers) {
        self.listeners.clear();
        self.shared.stopping.send_replace(true);
        emit(&Event::Draining { sessions: workers.sessions() });
        workers.drain().await;
        // The keepers end with the last handle of their databases.
        self.shared.databases.store(Arc::default());
        drop(self.shared);
        self.keepers.shutdown().await;
    }

    /// Reads the files again: the policy, the ways in, certificates and lists of revoked ones. A mistake changes nothing.
    async fn reload(&mut self) {
        if let Err(mistakes) = self.try_reload().await {
            for mistake in mistakes {
                emit(&Event::PolicyRejected { mistake: &mistake.to_string() });
            }
        } else {
            emit(&Event::PolicyLoaded);
        }
    }

    async fn try_reload(&mut self) -> Result<(), Vec<Mistake>> {
        let path = self.shared.config.path.clone();
        let loading = tokio::task::spawn_blocking(move || Config::load(path)).await;
        let config = loading.map_err(|_| vec![plain("reading the files failed")])??;
        let ways = Ways::open(&config).map_err(|error| vec![plain(&error.to_string())])?;
        let policy = config.policy;
        let old = self.shared.databases.load_full();
        let mut kept = Vec::new();
        for ((upstream, dbname), database) in old.iter() {
            let names = client_names(&policy, upstream, dbname);
            if !names.is_empty() {
                kept.push(State::bind(&policy, &database.state().snapshot, &names).1);
            }
        }
        let new = match open_databases(&self.shared.config, &policy, &old, &mut self.keepers).await
        {
            Ok(new) => new,
            Err(ServeError::Policy(mistakes)) => return Err(mistakes),
            Err(error) => return Err(vec![plain(&describe(&error))]),
        };
        let mistakes = that_count(kept);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        for database in old.values() {
            database.adopt(policy.clone()).await;
        }
        self.shared.databases.store(Arc::new(new));
        self.shared.ways.store(Arc::new(ways));
        self.shared.policy.store(policy);
        Ok(())
    }
}

/// The mistakes of several catalogs: a relation or function that one of them has is no mistake.
pub fn that_count(per_catalog: Vec<Vec<Mistake>>) -> Vec<Mistake> {
    let everywhere = |mistake: &Mistake| per_catalog.iter().all(|list| list.contains(mistake));
    let counts = |mistake: &Mistake| match mistake.kind {
        MistakeKind::UnknownRelation | MistakeKind::UnknownFunction => everywhere(mistake),
        MistakeKind::Yaml
        | MistakeKind::Structure
        | MistakeKind::Unsupported
        | MistakeKind::Reference
        | MistakeKind::Value
        | MistakeKind::Expression
        | MistakeKind::Catalog
        | MistakeKind::ClearText => true,
        MistakeKind::Note => false,
    };
    let mut mistakes: Vec<Mistake> =
        per_catalog.iter().flatten().filter(|mistake| counts(mistake)).cloned().collect();
    mistakes.sort();
    mistakes.dedup();
    mistakes
}

/// Opens what the policy names and `open` does not hold yet.
async fn open_databases(
    config: &Config,
    policy: &Arc<Policy>,
    open: &Databases,
    keepers: &mut JoinSet<()>,
) -> Result<Databases, ServeError> {
    let (mut databases, mut mistakes) = (Databases::new(), Vec::new());
    for wanted in policy.databases() {
        let key = (wanted.upstream.clone(), wanted.dbname.clone());
        if databases.contains_key(&key) {
            continue;
        }
        if let Some(database) = open.get(&key) {
            databases.insert(key, database.clone());
            continue;
        }
        let Some(upstream) = config.upstreams.get(&wanted.upstream) else {
            let problem = format!("upstream `{}` needs a restart of pgcordon", wanted.upstream);
            return Err(ServeError::Policy(vec![plain(&problem)]));
        };
        let opening = Database::open(upstream, &wanted.dbname, policy, &config.limits).await;
        let (database, keeper, found) = opening.map_err(|source| ServeError::Catalog {
            upstream: wanted.upstream.clone(),
            database: wanted.dbname.clone(),
            source,
        })?;
        keepers.spawn(keeper.run());
        mistakes.push(found);
        databases.insert(key, Arc::new(database));
    }
    let mistakes = that_count(mistakes);
    if mistakes.is_empty() { Ok(databases) } else { Err(ServeError::Policy(mistakes)) }
}

/// A problem of a reload that has no place in a file.
fn plain(problem: &str) -> Mistake {
    Mistake {
        file: String::new(),
        line: 0,
        column: 0,
        message: problem.to_owned(),
        hint: String::new(),
        kind: MistakeKind::Value,
    }
}

/// An error with its causes.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = next.source();
    }
    text
}

async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    std::future::poll_fn(|context| {
        for listener in listeners {
            if let std::task::Poll::Ready(accepted) = listener.poll_accept(context) {
                return std::task::Poll::Ready(accepted);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// SIGHUP, where there is one.
struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    async fn received(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}
