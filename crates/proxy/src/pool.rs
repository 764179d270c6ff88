//! Keeps upstream connections between sessions, and between transactions.
//!
//! In:  connections that sessions gave back.
//! Out: a [`Lease`], clean, for one session or one transaction.
//!
//! Invariants:
//! - A connection is lent again only at a message boundary, in state idle, without an unread byte. Anything else is
//!   closed. What a person may have left in it is removed before the next person's first statement: at the end of a
//!   session by DISCARD ALL, between transactions as `session::hold` says.
//! - Waiting for a place has a deadline; who waits longest is served first.

use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts,
};

use crate::config::UpstreamConfig;
use crate::upstream::{self, Upstream, UpstreamError};

/// Opens and checks connections to one database.
#[derive(Debug)]
pub(crate) struct Dialer {
    config: Arc<UpstreamConfig>,
    database: String,
}

impl Manager for Dialer {
    type Type = Upstream;
    type Error = UpstreamError;

    async fn create(&self) -> Result<Upstream, UpstreamError> {
        let connecting = upstream::connect(&self.config, &self.database);
        tokio::time::timeout(self.config.connect_timeout, connecting)
            .await
            .map_err(|_| UpstreamError::Timeout)?
    }

    async fn recycle(
        &self,
        upstream: &mut Upstream,
        _metrics: &Metrics,
    ) -> RecycleResult<UpstreamError> {
        if upstream.clean && upstream.link.is_quiet() {
            Ok(())
        } else {
            Err(RecycleError::message("not clean, or closed by the server"))
        }
    }
}

/// A connection lent to one session.
pub(crate) type Lease = Object<Dialer>;

/// The connections of one database.
pub(crate) type UpstreamPool = Pool<Dialer>;

/// A pool that opens connections when they are asked for.
pub(crate) fn build(
    config: &Arc<UpstreamConfig>,
    database: &str,
    queue_timeout: Duration,
) -> UpstreamPool {
    let dialer = Dialer { config: config.clone(), database: database.to_owned() };
    Pool::builder(dialer)
        .max_size(config.pool_size)
        // Few connections stay busy, with warm caches; the others can be closed.
        .queue_mode(QueueMode::Lifo)
        .timeouts(Timeouts { wait: Some(queue_timeout), create: None, recycle: None })
        .runtime(Runtime::Tokio1)
        .build()
        .expect("a runtime is given")
}

/// Why a session gets no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// Every connection is in use and none came free in time.
    #[error("no upstream connection came free in time")]
    Busy,
    /// A new connection failed.
    #[error(transparent)]
    Upstream(UpstreamError),
}

/// Takes a clean connection.
pub(crate) async fn lease(pool: &UpstreamPool) -> Result<Lease, LeaseError> {
    pool.get().await.map_err(|error| match error {
        PoolError::Backend(error) => LeaseError::Upstream(error),
        PoolError::Timeout(_)
        | PoolError::Closed
        | PoolError::NoRuntimeSpecified
        | PoolError::PostCreateHook(_) => LeaseError::Busy,
    })
}

/// Gives a connection back after DISCARD ALL, or closes it.
pub(crate) async fn give_back(mut lease: Lease, timeout: Duration) -> Result<(), UpstreamError> {
    let outcome = match tokio::time::timeout(timeout, lease.reset()).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(UpstreamError::Timeout),
    };
    if outcome.is_err() {
        drop(Object::take(lease));
    }
    outcome
}
