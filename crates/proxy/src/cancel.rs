//! Cancel keys of our own, and the way of a cancel request to the right upstream connection.
//!
//! In:  the key of a CancelRequest.
//! Out: a cancel request of our own to PostgreSQL, for the session that was given that key.
//!
//! Invariants:
//! - A client never learns an upstream key.
//! - While a cancel is on its way, its upstream connection does not change hands: the session waits for it when it
//!   ends ([`Ticket::close`]), or the next person's statement would die.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::config::UpstreamConfig;
use crate::upstream;

/// What a cancel request needs.
#[derive(Clone, Debug)]
struct Target {
    config: Arc<UpstreamConfig>,
    upstream_key: Bytes,
    /// One cancel at a time; closed when the session has ended.
    gate: Arc<Semaphore>,
}

/// The sessions that can be cancelled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancels {
    targets: Arc<Mutex<HashMap<Vec<u8>, Target>>>,
}

/// A session's place among them.
#[derive(Debug)]
pub(crate) struct Ticket {
    cancels: Cancels,
    key: Vec<u8>,
    gate: Arc<Semaphore>,
}

impl Cancels {
    /// Makes a key: a process id and a secret of 4 bytes, or of 32 for protocol 3.2.
    pub(crate) fn register(
        &self,
        config: &Arc<UpstreamConfig>,
        upstream_key: &Bytes,
        minor: i32,
    ) -> Ticket {
        let gate = Arc::new(Semaphore::new(1));
        let target = Target {
            config: config.clone(),
            upstream_key: upstream_key.clone(),
            gate: gate.clone(),
        };
        let secret: [u8; 36] = rand::random();
        let length = if minor >= 2 { 36 } else { 8 };
        let mut key = secret[..length].to_vec();
        // A process id is positive.
        key[0] &= 0x7f;
        self.lock().insert(key.clone(), target);
        Ticket { cancels: self.clone(), key, gate }
    }

    /// Passes a cancel request on; whether its key was known.
    pub(crate) async fn cancel(&self, key: &[u8], timeout: Duration) -> bool {
        let target = self.lock().get(key).cloned();
        let Some(target) = target else {
            return false;
        };
        let passing = async {
            if let Ok(_permit) = target.gate.acquire().await {
                // The client is told nothing, as by PostgreSQL.
                let _outcome = upstream::cancel(&target.config, &target.upstream_key).await;
            }
        };
        if tokio::time::timeout(timeout, passing).await.is_err() {
            // It may still arrive: the closed gate makes the session drop its connection.
            target.gate.close();
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Target>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Body of the BackendKeyData for the client.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// No further cancel reaches the connection; waits for one on its way. `false` when one may still arrive.
    pub(crate) async fn close(&self, timeout: Duration) -> bool {
        self.cancels.lock().remove(&self.key);
        let acquired = tokio::time::timeout(timeout, self.gate.acquire()).await;
        self.gate.close();
        matches!(acquired, Ok(Ok(_)))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancels.lock().remove(&self.key);
        self.gate.close();
    }
}
