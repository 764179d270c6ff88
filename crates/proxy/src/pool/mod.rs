//! Keeps upstream connections between sessions, and between transactions.
//!
//! In:  connections that sessions gave back.
//! Out: a [`Lease`], clean, for one session or one transaction.
//!
//! | a session asks, and                              | outcome                                                        |
//! |--------------------------------------------------|----------------------------------------------------------------|
//! | its user has as many as they may                 | waits for one of theirs, in no other user's way                |
//! | all places of the database are taken             | waits; who has waited longest goes first                       |
//! | a connection is free                             | gets the one used last; one that was idle long is tried first  |
//! | a place is free, the upstream answers            | dials; few do at once                                          |
//! | a place is free, the upstream is away            | waits until it is back                                         |
//! | the upstream has been away as long as one waits  | is told so at once                                             |
//!
//! Invariants:
//! - A connection is lent again only at a message boundary, in state idle, without an unread byte. Anything else is
//!   closed. What a person may have left in it is removed before the next person's first statement: at the end of a
//!   session by DISCARD ALL, between transactions as `session::hold` says.
//! - Every wait ends with the caller's deadline, and a wait that is dropped keeps no place.

mod health;
mod tend;

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use deadpool::managed::{
    Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::UpstreamConfig;
use crate::upstream::{self, Outage, Upstream, UpstreamError};
use crate::wire::Own;
use health::Health;
pub(crate) use tend::Tender;

/// Connections to one database that are being opened at once: a server that has just started is not stormed.
const DIALS: usize = 4;
/// How long a connection that was idle long may take to answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a server that has no connection left is left alone.
const FULL_PAUSE: Duration = Duration::from_millis(50);

/// Opens and checks connections to one database.
#[derive(Debug)]
struct Dialer {
    config: Arc<UpstreamConfig>,
    database: String,
    health: Health,
    dials: Semaphore,
    /// How long clients wait.
    patience: Duration,
}

impl Dialer {
    async fn dial(&self) -> Result<Upstream, UpstreamError> {
        let connecting = upstream::connect(&self.config, &self.database);
        timeout(self.config.connect_timeout, connecting)
            .await
            .map_err(|_| UpstreamError::Timeout)?
    }

    /// The upstream is away: from now on [`Tender`] alone tries it.
    fn note_outage(&self, outage: Outage, error: &UpstreamError) {
        self.health.lost(outage, &self.config.name, &self.database, error);
    }
}

/// What deadpool asks of it.
#[derive(Debug)]
pub(crate) struct Connections(Arc<Dialer>);

impl Manager for Connections {
    type Type = Upstream;
    type Error = UpstreamError;

    /// The caller has a deadline.
    async fn create(&self) -> Result<Upstream, UpstreamError> {
        let dialer = &*self.0;
        loop {
            dialer.health.up().await;
            let _turn = dialer.dials.acquire().await.expect("never closed");
            if dialer.health.is_down() {
                continue;
            }
            match dialer.dial().await {
                Ok(upstream) => return Ok(upstream),
                Err(error) => match error.outage() {
                    Some(outage) => dialer.note_outage(outage, &error),
                    None => return Err(error),
                },
            }
        }
    }

    async fn recycle(
        &self,
        upstream: &mut Upstream,
        _metrics: &Metrics,
    ) -> RecycleResult<UpstreamError> {
        if !upstream.clean || !upstream.link.is_quiet() {
            return Err(RecycleError::message("not clean, or closed by the server"));
        }
        if std::mem::take(upstream.stale.get_mut()) {
            // Something between here and the server may have forgotten the connection without a word.
            let checking = timeout(CHECK_TIMEOUT, upstream.run(Own::Nothing)).await;
            checking.map_err(|_| UpstreamError::Timeout)??;
        }
        Ok(())
    }
}

/// A connection lent to one session. Dropped, it goes back to its pool.
#[derive(Debug)]
pub(crate) struct Lease {
    // Order matters: the connection is free before its user's place is.
    connection: Object<Connections>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Deref for Lease {
    type Target = Upstream;

    fn deref(&self) -> &Upstream {
        &self.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Upstream {
        &mut self.connection
    }
}

impl Lease {
    /// Takes the connection from its pool for good.
    pub(crate) fn take(self) -> Upstream {
        Object::take(self.connection)
    }

    /// Gives the connection back after DISCARD ALL, or closes it.
    pub(crate) async fn give_back(mut self, limit: Duration) -> Result<(), UpstreamError> {
        let outcome = match timeout(limit, self.reset()).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(UpstreamError::Timeout),
        };
        if outcome.is_err() {
            drop(self.take());
        }
        outcome
    }
}

/// One user's places at one database; `None` where only the pool's size counts.
pub(crate) type Places = Option<Arc<Semaphore>>;

/// The connections of one database.
#[derive(Debug)]
pub(crate) struct UpstreamPool {
    pool: Pool<Connections>,
    dialer: Arc<Dialer>,
    /// Of users who have a session. A user's places are the same ones as long as any of their sessions lives.
    places: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// Which limit a session waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Full {
    /// `pool_size`.
    Database,
    /// `user_pool_size`.
    User,
}

/// Why a session gets no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// Every connection is in use and none came free in time.
    #[error("no upstream connection came free in time")]
    Busy(Full),
    /// The upstream is away, and was not back in time.
    #[error("the upstream is away")]
    Away(Outage),
    /// A new connection failed.
    #[error(transparent)]
    Upstream(UpstreamError),
}

impl UpstreamPool {
    /// A pool that opens connections when they are asked for. The tender must be run by the caller.
    pub(crate) fn new(
        config: &Arc<UpstreamConfig>,
        database: &str,
        patience: Duration,
    ) -> (Self, Tender) {
        let dialer = Arc::new(Dialer {
            config: config.clone(),
            database: database.to_owned(),
            health: Health::new(),
            dials: Semaphore::new(DIALS),
            patience,
        });
        let pool: Pool<Connections> = Pool::builder(Connections(dialer.clone()))
            .max_size(config.pool.size_of(database))
            // Few connections stay busy, with warm caches; the others can be closed.
            .queue_mode(QueueMode::Lifo)
            // One deadline for all of it: [`UpstreamPool::lease`].
            .timeouts(Timeouts::default())
            .build()
            .expect("without timeouts no runtime is needed");
        let tender = Tender::new(pool.weak(), dialer.clone());
        (Self { pool, dialer, places: Mutex::default() }, tender)
    }

    /// How long a session that asks now may wait.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.dialer.patience
    }

    /// A user's places here, for all their sessions.
    pub(crate) fn places(&self, user: &str) -> Places {
        let size = self.dialer.config.pool.user_size_of(user)?;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = places.get(user).and_then(Weak::upgrade) {
            return Some(known);
        }
        places.retain(|_, known| known.strong_count() > 0);
        let new = Arc::new(Semaphore::new(size));
        places.insert(user.to_owned(), Arc::downgrade(&new));
        Some(new)
    }

    /// Takes a clean connection.
    pub(crate) async fn lease(
        &self,
        places: &Places,
        deadline: Instant,
    ) -> Result<Lease, LeaseError> {
        self.refuse_in_outage()?;
        let place = match places {
            Some(places) => {
                let waiting = timeout_at(deadline, places.clone().acquire_owned()).await;
                let place = waiting.map_err(|_| self.too_late(Full::User))?;
                Some(place.expect("never closed"))
            }
            None => None,
        };
        let connection = timeout_at(deadline, self.connection()).await;
        let connection = connection.map_err(|_| self.too_late(Full::Database))??;
        Ok(Lease { connection, _place: place })
    }

    async fn connection(&self) -> Result<Object<Connections>, LeaseError> {
        loop {
            match self.pool.get().await {
                Ok(connection) => return Ok(connection),
                // One of ours may come free before the server has room for another.
                Err(PoolError::Backend(error)) if error.is_full() => {
                    tokio::time::sleep(health::jitter(FULL_PAUSE)).await;
                }
                Err(PoolError::Backend(error)) => return Err(LeaseError::Upstream(error)),
                Err(
                    PoolError::Timeout(_)
                    | PoolError::Closed
                    | PoolError::NoRuntimeSpecified
                    | PoolError::PostCreateHook(_),
                ) => return Err(LeaseError::Busy(Full::Database)),
            }
        }
    }

    /// Nobody waits for an upstream that has not come back within the time that one would wait.
    fn refuse_in_outage(&self) -> Result<(), LeaseError> {
        match self.dialer.health.away_for(self.dialer.patience) {
            Some(outage) if self.pool.status().available == 0 => Err(LeaseError::Away(outage)),
            Some(_) | None => Ok(()),
        }
    }

    fn too_late(&self, full: Full) -> LeaseError {
        let away = self.dialer.health.away_for(Duration::ZERO);
        away.map_or(LeaseError::Busy(full), LeaseError::Away)
    }
}

#[cfg(test)]
mod tests;
