//! Whether an upstream can be reached.
//!
//! In:  word of a connection that failed because the server is away, or that succeeded again.
//! Out: the same, to wait for.
//!
//! Invariants:
//! - While everything is well, asking costs one atomic read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::event::{Event, emit};
use crate::upstream::{Outage, UpstreamError};

/// Since when it is away, and how it shows.
type Away = Option<(Instant, Outage)>;

/// Of one database of an upstream.
#[derive(Debug)]
pub(super) struct Health {
    away: watch::Sender<Away>,
    /// The same in one word.
    is_down: AtomicBool,
}

impl Health {
    /// Nothing is known against it.
    pub(super) fn new() -> Self {
        Self { away: watch::Sender::new(None), is_down: AtomicBool::new(false) }
    }

    pub(super) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Acquire)
    }

    /// A connection failed.
    pub(super) fn lost(
        &self,
        outage: Outage,
        upstream: &str,
        database: &str,
        error: &UpstreamError,
    ) {
        let changed = self.away.send_if_modified(|away| match away {
            // It stays away, perhaps in another way: starting up is not the same as gone.
            Some((_, shown)) => {
                *shown = outage;
                false
            }
            None => {
                *away = Some((Instant::now(), outage));
                true
            }
        });
        if changed {
            self.is_down.store(true, Ordering::Release);
            emit(&Event::UpstreamLost { upstream, database, reason: &error.to_string() });
        }
    }

    /// It answers.
    pub(super) fn back(&self, upstream: &str, database: &str) {
        self.is_down.store(false, Ordering::Release);
        if self.away.send_replace(None).is_some() {
            emit(&Event::UpstreamBack { upstream, database });
        }
    }

    /// How it shows that it is away, if it has been for so long.
    pub(super) fn away_for(&self, time: Duration) -> Option<Outage> {
        if !self.is_down() {
            return None;
        }
        let away = *self.away.borrow();
        away.filter(|(since, _)| since.elapsed() >= time).map(|(_, outage)| outage)
    }

    /// Waits until it answers.
    pub(super) async fn up(&self) {
        self.wait(Option::is_none).await;
    }

    /// Waits until it is away.
    pub(super) async fn down(&self) {
        self.wait(Option::is_some).await;
    }

    async fn wait(&self, until: fn(&Away) -> bool) {
        let known = self.away.subscribe().wait_for(until).await.is_ok();
        assert!(known, "the sender is ours");
    }
}

/// A half to one and a half times as long: those who wait do not come at once.
pub(super) fn jitter(time: Duration) -> Duration {
    time.mul_f64(0.5 + rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn away_since_the_first_failure_and_as_last_seen() {
        let health = Health::new();
        assert_eq!(health.away_for(Duration::ZERO), None);
        health.lost(Outage::Unreachable, "w", "shop", &UpstreamError::Timeout);
        let since = health.away.borrow().expect("away").0;
        health.lost(Outage::Starting, "w", "shop", &UpstreamError::Timeout);
        assert_eq!(health.away.borrow().expect("away").0, since);
        assert_eq!(health.away_for(Duration::ZERO), Some(Outage::Starting));
        assert_eq!(health.away_for(Duration::from_secs(60)), None);
        health.back("w", "shop");
        assert_eq!((health.away_for(Duration::ZERO), health.is_down()), (None, false));
    }

    #[test]
    fn pauses_differ() {
        let second = Duration::from_secs(1);
        let pauses: Vec<Duration> = (0..100).map(|_| jitter(second)).collect();
        assert!(pauses.iter().all(|pause| (second / 2..=second * 3 / 2).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
