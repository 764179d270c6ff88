//! Looks after a pool while nobody asks it for anything: closes what is old or idle, and tries an upstream that is away.
//!
//! In:  the pool, seen from outside.
//! Out: connections closed, or marked to be tried before they are lent; word that the upstream is back.
//!
//! Invariants:
//! - An upstream that is away is tried by nobody else, at growing intervals that differ from proxy to proxy.
//! - A connection that is lent is not touched, however old.
//! - Ends soon after the pool is gone.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use deadpool::managed::{Metrics, WeakPool};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::{Connections, Dialer};
use crate::config::PoolConfig;
use crate::upstream::Upstream;

use super::health::jitter;

/// Before an upstream that is away is tried for the first time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest time between two tries: so late a server that is back is found to be.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Between two looks at the connections that are not in use.
const PACE: std::ops::RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_secs(5);

/// The task of one pool.
#[derive(Debug)]
pub(crate) struct Tender {
    pool: WeakPool<Connections>,
    dialer: Arc<Dialer>,
}

impl Tender {
    pub(super) fn new(pool: WeakPool<Connections>, dialer: Arc<Dialer>) -> Self {
        Self { pool, dialer }
    }

    /// Runs until the pool is gone.
    pub(crate) async fn run(self) {
        tokio::select! {
            () = self.sweep() => {}
            () = self.probe() => {}
        }
    }

    async fn probe(&self) {
        let Dialer { config, database, health, .. } = &*self.dialer;
        loop {
            health.down().await;
            let mut pause = FIRST_PAUSE;
            while health.is_down() {
                tokio::time::sleep(jitter(pause)).await;
                let outcome = self.dialer.dial().await;
                match outcome.as_ref().map_err(|error| (error.outage(), error)) {
                    Err((Some(outage), error)) => self.dialer.note_outage(outage, error),
                    // Where it refuses us, whoever asks hears why.
                    Ok(_) | Err((None, _)) => health.back(&config.name, database),
                }
                if let Ok(upstream) = outcome {
                    upstream.goodbye().await;
                }
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
    }

    async fn sweep(&self) {
        let mut idle = Idle::default();
        let mut tick = tokio::time::interval(pace(&self.dialer.config.pool));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let Some(pool) = self.pool.upgrade() else { return };
            let mut look = idle.look(&self.dialer.config.pool);
            let removed = pool.retain(|upstream, metrics| look.stays(upstream, &metrics)).removed;
            idle = look.seen;
            drop(pool);
            let mut closing: JoinSet<()> = removed.into_iter().map(Upstream::goodbye).collect();
            while closing.join_next().await.is_some() {}
        }
    }
}

fn pace(config: &PoolConfig) -> Duration {
    let least = config.idle_timeout.min(config.max_age).min(config.check_after);
    (least / 4).clamp(*PACE.start(), *PACE.end())
}

/// The connections that were free at the last look: how often each had been lent, and since when it has not been.
///
/// Lending notes no time: two looks with the same count say that it was idle between them.
#[derive(Debug, Default)]
pub(super) struct Idle(HashMap<Bytes, (usize, Instant)>);

impl Idle {
    pub(super) fn look<'c>(&self, config: &'c PoolConfig) -> Look<'_, 'c> {
        Look { before: self, seen: Self::default(), now: Instant::now(), config }
    }
}

/// One look.
pub(super) struct Look<'i, 'c> {
    before: &'i Idle,
    pub(super) seen: Idle,
    now: Instant,
    config: &'c PoolConfig,
}

impl Look<'_, '_> {
    pub(super) fn stays(&mut self, upstream: &Upstream, metrics: &Metrics) -> bool {
        let before =
            self.before.0.get(&upstream.key).filter(|(uses, _)| *uses == metrics.recycle_count);
        let since = before.map_or(self.now, |(_, since)| *since);
        let idle = self.now.duration_since(since);
        if idle >= self.config.idle_timeout || metrics.age() >= age_of(upstream, self.config) {
            return false;
        }
        if idle >= self.config.check_after {
            upstream.stale.store(true, Ordering::Relaxed);
        }
        self.seen.0.insert(upstream.key.clone(), (metrics.recycle_count, since));
        true
    }
}

/// Up to a tenth less than the limit: connections that were opened together do not end together.
fn age_of(upstream: &Upstream, config: &PoolConfig) -> Duration {
    let mut hasher = DefaultHasher::new();
    upstream.key.hash(&mut hasher);
    let thousandths = u32::try_from(hasher.finish() % 100).expect("below 100");
    config.max_age / 1000 * (1000 - thousandths)
}
