//! Cancel keys of our own, and the way of a cancel request to the right upstream connection.
//!
//! In:  the key of a CancelRequest.
//! Out: a cancel request of our own to PostgreSQL, for the session that was given that key.
//!
//! Invariants:
//! - A client never learns an upstream key.
//! - While a cancel is on its way, its upstream connection does not change hands: the session waits for it before it
//!   gives the connection back ([`Ticket::detach`]), or the next person's statement would die.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::config::UpstreamConfig;
use crate::upstream;

/// A session that can be cancelled.
#[derive(Debug)]
struct Target {
    config: Arc<UpstreamConfig>,
    place: Mutex<Place>,
    /// A cancel has arrived, or is given up.
    arrived: Notify,
}

/// Where a cancel goes now.
#[derive(Debug, Default)]
struct Place {
    /// Key of the upstream connection that the session has.
    upstream_key: Option<Bytes>,
    /// Cancels that are on their way to it.
    on_their_way: usize,
    /// One was given up and may still arrive: the connection must not be lent again.
    lost: bool,
}

impl Target {
    fn place(&self) -> std::sync::MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Targets = HashMap<Vec<u8>, Arc<Target>>;

/// The sessions that can be cancelled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancels {
    targets: Arc<Mutex<Targets>>,
}

/// A session's place among them.
#[derive(Debug)]
pub(crate) struct Ticket {
    cancels: Cancels,
    key: Vec<u8>,
    target: Arc<Target>,
}

impl Cancels {
    /// Makes a key: a process id and a secret of 4 bytes, or of 32 for protocol 3.2.
    pub(crate) fn register(&self, config: &Arc<UpstreamConfig>, minor: i32) -> Ticket {
        let (place, arrived) = (Mutex::default(), Notify::new());
        let target = Arc::new(Target { config: config.clone(), place, arrived });
        let secret: [u8; 36] = rand::random();
        let length = if minor >= 2 { 36 } else { 8 };
        let mut key = secret[..length].to_vec();
        // A process id is positive.
        key[0] &= 0x7f;
        self.lock().insert(key.clone(), target.clone());
        Ticket { cancels: self.clone(), key, target }
    }

    /// Passes a cancel request on; whether its key was known.
    pub(crate) async fn cancel(&self, key: &[u8], timeout: Duration) -> bool {
        let target = self.lock().get(key).cloned();
        let Some(target) = target else {
            return false;
        };
        let upstream_key = {
            let mut place = target.place();
            let Some(upstream_key) = place.upstream_key.clone() else {
                // Nothing of the session's runs.
                return true;
            };
            place.on_their_way += 1;
            upstream_key
        };
        // Counts it off even when this future is dropped.
        let mut passing = Passing { target: &target, arrived: false };
        let cancelling = upstream::cancel(&target.config, &upstream_key);
        // The client is told nothing, as by PostgreSQL.
        passing.arrived = tokio::time::timeout(timeout, cancelling).await.is_ok();
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Targets> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cancel on its way.
struct Passing<'t> {
    target: &'t Target,
    arrived: bool,
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let mut place = self.target.place();
        place.on_their_way -= 1;
        place.lost |= !self.arrived;
        drop(place);
        self.target.arrived.notify_one();
    }
}

impl Ticket {
    /// Body of the BackendKeyData for the client.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Cancels go to that upstream connection from now on.
    pub(crate) fn attach(&self, upstream_key: &Bytes) {
        *self.target.place() =
            Place { upstream_key: Some(upstream_key.clone()), ..Place::default() };
    }

    /// No further cancel goes to the connection; waits for those on their way. `false` when one may still arrive.
    pub(crate) async fn detach(&self, timeout: Duration) -> bool {
        let arrived = async {
            loop {
                {
                    let mut place = self.target.place();
                    place.upstream_key = None;
                    if place.on_their_way == 0 {
                        return !place.lost;
                    }
                }
                self.target.arrived.notified().await;
            }
        };
        // The timer is not started unless there is something to wait for.
        tokio::time::timeout(timeout, arrived).await.unwrap_or(false)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancels.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::tls::SslMode;

    fn config(port: u16) -> Arc<UpstreamConfig> {
        Arc::new(UpstreamConfig {
            name: "w".to_owned(),
            host: "127.0.0.1".to_owned(),
            port,
            user: "u".to_owned(),
            password: Secret::default(),
            sslmode: SslMode::Disable,
            ca: None,
            pool: crate::config::PoolConfig::default(),
            connect_timeout: Duration::from_secs(1),
        })
    }

    #[tokio::test]
    async fn the_connection_waits_for_a_cancel_on_its_way() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let cancels = Cancels::default();
        let ticket = cancels.register(&config(port), 0);
        let second = Duration::from_secs(1);
        assert!(!cancels.cancel(b"unknown", second).await);
        assert!(cancels.cancel(ticket.key(), second).await, "known, but nothing runs");
        ticket.attach(&Bytes::from_static(b"12345678"));
        let (passed, (clean, arrived)) =
            tokio::join!(cancels.cancel(ticket.key(), second), async {
                let (stream, _) = listener.accept().await.expect("the cancel");
                let detaching = ticket.detach(second);
                let closing = async { drop(stream) };
                let (clean, ()) = tokio::join!(detaching, closing);
                (clean, true)
            });
        assert!(passed && clean && arrived);
        assert!(ticket.detach(second).await, "nothing is on its way");
    }

    #[tokio::test]
    async fn a_cancel_that_is_given_up_leaves_the_connection_unusable() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let cancels = Cancels::default();
        let ticket = cancels.register(&config(port), 0);
        ticket.attach(&Bytes::from_static(b"12345678"));
        assert!(cancels.cancel(ticket.key(), Duration::from_millis(20)).await);
        assert!(!ticket.detach(Duration::from_secs(1)).await);
        ticket.attach(&Bytes::from_static(b"87654321"));
        assert!(ticket.detach(Duration::from_secs(1)).await, "another connection");
    }
}
